/* core/base/addr.h - IP addresses, prefixes and MAC addresses, of both families. Installed with
 * <flanneld/backend.h>. */
#ifndef FL_BASE_ADDR_H
#define FL_BASE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "defs.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FL_ADDR_STRLEN	 46 /* INET6_ADDRSTRLEN: the longest IPv6 text and its NUL */
#define FL_PREFIX_STRLEN 50 /* an address, "/128" and NUL */
#define FL_MAC_STRLEN	 18 /* "02:00:5e:10:00:01" and NUL */

/** An IP address. All zero (family 0, AF_UNSPEC) means "none". */
struct fl_addr {
	uint8_t family;	   /* AF_INET, AF_INET6, or AF_UNSPEC for none */
	uint8_t bytes[16]; /* network byte order; IPv4 uses the first 4, the rest stays 0 */
};

/** A network: an address and the number of its leading bits that count. */
struct fl_prefix {
	struct fl_addr addr;
	uint8_t len; /* bits: 0..32 for AF_INET, 0..128 for AF_INET6 */
};

/** An Ethernet address. */
struct fl_mac {
	uint8_t bytes[6];
};

/**
 * Parse dotted-quad IPv4 ("10.5.0.1") or RFC 4291 IPv6 text. No leading zeros, no spaces, nothing
 * behind.
 * @return 0, or -EINVAL (then @p ret is untouched)
 */
FL_PUBLIC int fl_addr_parse(const char *text, struct fl_addr *ret);

/** Write @p a as text into @p buf and return @p buf; "none" for AF_UNSPEC. */
FL_PUBLIC const char *fl_addr_format(const struct fl_addr *a, char buf[FL_ADDR_STRLEN]);

/** An IPv4 address from its value in host byte order. */
FL_PUBLIC struct fl_addr fl_addr_from_v4(uint32_t value);

/** The value, in host byte order, of an IPv4 address; 0 for any other family. */
FL_PUBLIC uint32_t fl_addr_v4(const struct fl_addr *a);

/** Bytes that the family uses: 4, 16, or 0 for none. */
FL_PUBLIC size_t fl_addr_size(const struct fl_addr *a);

FL_PUBLIC bool fl_addr_is_set(const struct fl_addr *a);
FL_PUBLIC bool fl_addr_equal(const struct fl_addr *a, const struct fl_addr *b);

/**
 * Parse "ADDRESS/LEN". Host bits are kept: fl_prefix_is_masked() tells, fl_prefix_masked() clears
 * them.
 * @return 0, or -EINVAL (then @p ret is untouched)
 */
FL_PUBLIC int fl_prefix_parse(const char *text, struct fl_prefix *ret);

/** Write @p p as "10.5.0.0/16" into @p buf and return @p buf; "none" for AF_UNSPEC. */
FL_PUBLIC const char *fl_prefix_format(const struct fl_prefix *p, char buf[FL_PREFIX_STRLEN]);

FL_PUBLIC bool fl_prefix_is_set(const struct fl_prefix *p);
FL_PUBLIC bool fl_prefix_equal(const struct fl_prefix *a, const struct fl_prefix *b);

/** An order, for qsort(3): by family, address, and length, the shorter first. @return < 0, 0, > 0
 */
FL_PUBLIC int fl_prefix_compare(const struct fl_prefix *a, const struct fl_prefix *b);

/** @p p with every bit behind its length cleared. */
FL_PUBLIC struct fl_prefix fl_prefix_masked(const struct fl_prefix *p);
FL_PUBLIC bool fl_prefix_is_masked(const struct fl_prefix *p);

/** True if @p a lies in @p p; false across families. */
FL_PUBLIC bool fl_prefix_contains(const struct fl_prefix *p, const struct fl_addr *a);
FL_PUBLIC bool fl_prefix_overlaps(const struct fl_prefix *a, const struct fl_prefix *b);

/** The network's last address: IPv4's broadcast address. */
FL_PUBLIC struct fl_addr fl_prefix_last(const struct fl_prefix *p);

/** Parse "02:00:5e:10:00:01", either case. @return 0, or -EINVAL (then @p ret is untouched) */
FL_PUBLIC int fl_mac_parse(const char *text, struct fl_mac *ret);
FL_PUBLIC const char *fl_mac_format(const struct fl_mac *m, char buf[FL_MAC_STRLEN]);
FL_PUBLIC bool fl_mac_equal(const struct fl_mac *a, const struct fl_mac *b);

/** True for an address that one station can own: not multicast, not all zero. */
FL_PUBLIC bool fl_mac_is_unicast(const struct fl_mac *m);

#ifdef __cplusplus
}
#endif

#endif
