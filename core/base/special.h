/* core/base/special.h - the addresses that no host on a network can have: one rule for networks,
 * subnets and hosts alike. */
#ifndef FL_BASE_SPECIAL_H
#define FL_BASE_SPECIAL_H

#include "addr.h"

/** Which range of special addresses @p p overlaps, as text: "127.0.0.0/8 (loopback)". NULL: none,
 * each of its addresses may be a host's. */
const char *fl_special(const struct fl_prefix *p);
/** The same of one address. */
const char *fl_special_addr(const struct fl_addr *a);

#endif
