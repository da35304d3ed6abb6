/* core/allocator.h - which subnet to ask for: a random one of the first 100 that are free, as
 * flannel does. */
#ifndef FL_ALLOCATOR_H
#define FL_ALLOCATOR_H

#include "base/addr.h"

struct fl_netconf;
struct fl_allocator; /* the subnets that are taken; fields in allocator.c */

/**
 * Subnets that are taken, of any length, are added one by one; 50,000 of them cost O(1) each.
 * @param nc  borrowed for the call
 * @return 0; -EINVAL if SubnetMin..SubnetMax is no range of subnets; -ENOMEM
 */
int fl_allocator_create(const struct fl_netconf *nc, struct fl_allocator **ret);
void fl_allocator_destroy(struct fl_allocator *a); /* NULL is a no-op */
/** @p subnet is in use; what of it lies outside the pool does not matter. @return 0; -EINVAL if it
 * is not IPv4 */
int fl_allocator_take(struct fl_allocator *a, const struct fl_prefix *subnet);
/** True if @p subnet lies in the pool and none of the pool's subnets that it touches was taken. */
bool fl_allocator_is_free(const struct fl_allocator *a, const struct fl_prefix *subnet);

/** @return 0; -ENOSPC if the pool is exhausted */
int fl_allocator_pick(const struct fl_allocator *a, struct fl_prefix *ret);

#endif
