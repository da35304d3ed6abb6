/* core/lease_packed.h - a lease in as few bytes as it takes, for those who hold one of each host.
 */
#ifndef FL_LEASE_PACKED_H
#define FL_LEASE_PACKED_H

#include "lease.h"

/** Bytes of @p lease without the strings: of one without IPv6. */
#define FL_LEASE_PACKED_MIN 10u

/**
 * Bytes that @p lease takes packed: 10, each string that is there with its NUL, and 35 if there is
 * IPv6.
 * @param usual  the backend type that nearly all leases have: it takes none. The same for all three
 *               functions. NULL: there is none
 */
size_t fl_lease_packed_size(const struct fl_lease *lease, const char *usual);
/** @param to  that many bytes; no alignment is needed */
void fl_lease_pack(const struct fl_lease *lease, const char *usual, unsigned char *to);
/** @param ret  its strings stand in @p from, but for @p usual: both are borrowed */
void fl_lease_unpack(const unsigned char *from, const char *usual, struct fl_lease *ret);
/** The subnet alone. */
struct fl_prefix fl_lease_packed_subnet(const unsigned char *from);

#endif
