/* core/lease.h - a lease, its key ("10.5.52.0-24") and its value (flannel's JSON): encode and
 * decode. */
#ifndef FL_LEASE_H
#define FL_LEASE_H

#include "backend.h"
#include "base/hash.h"

#define FL_LEASE_KEY_MAX   128u	  /* bytes, with NUL: "10.5.52.0-24&fd00::-64" and room */
#define FL_LEASE_VALUE_MAX 16384u /* bytes: a longer value is refused */

#define FL_LEASE_SOMETIME INT64_MAX /* it expires, and the store does not tell when */

/** A lease with what only the store and the daemon need. One allocation, strings included. */
struct fl_lease_record {
	struct fl_lease lease; /* never changes; strings point into this record */
	uint64_t index; /* etcd v2 modifiedIndex / v3 mod_revision: the guard of the next write */
	uint64_t etcd_lease; /* v3 lease id, or 0 */
	int64_t expires_s;   /* Unix time; 0: a reservation, never expires; FL_LEASE_SOMETIME */
	/* for the set that holds the record (peers.c); zero while none does */
	struct fl_hash_node node;
	uint32_t way;	 /* the listener's: which way leads to the peer */
	int64_t since_s; /* the listener's: Unix time when it was heard of */
	bool told;	 /* the listener's: the backend knows of it by an event */
};

/**
 * Parse a key's last component: "A.B.C.D-LEN", with or without "&IPv6-LEN" behind (dual-stack
 * flannel; kept in
 * @p subnet6, which is "none" otherwise). Stricter than flannel's pattern: nothing before or
 * behind, host bits clear, 1..31 and 1..127 bits, and no special address (base/special.h, as for
 * Network): a key must not draw everybody's default route or loopback into the overlay.
 * @return 0, -EINVAL
 */
int fl_lease_key_parse(const char *key, struct fl_prefix *subnet, struct fl_prefix *subnet6);
/** Write the key of @p subnet (and @p subnet6 if set) into @p buf and return it. */
const char *fl_lease_key_format(const struct fl_prefix *subnet, const struct fl_prefix *subnet6,
				char buf[FL_LEASE_KEY_MAX]);

/**
 * Decode a lease from the store. Unknown members are ignored; PublicIP and BackendType must be
 * there and right; PublicIPv6 right or missing or null; BackendData and BackendV6Data may be any
 * JSON or missing, and are not looked into (null is the same as missing). Index, etcd_lease and
 * expires_s are left 0 for the caller.
 *
 * @param ret  set only on success; the caller owns it until fl_lease_record_free()
 * @param why  if not NULL: set on -EINVAL to the reason with member and value, one line, owned by
 * the caller
 * @return 0, -EINVAL, -ENOMEM
 */
int fl_lease_decode(const char *key, const char *value, size_t value_len,
		    struct fl_lease_record **ret, char **why);

/** @p null_ipv6: with "PublicIPv6":null where there is none, as flannel writes since 0.15.
 * The value flannel writes: {"PublicIP":"...","BackendType":"vxlan","BackendData":{...}}; backend
 * data goes in as it is. Owned by the caller; NULL: no memory. */
char *fl_lease_encode(const struct fl_lease *lease, bool null_ipv6);

/** A record with copies of everything in @p lease (no data and "" are the same). NULL: no memory.
 */
struct fl_lease_record *fl_lease_record_new(const struct fl_lease *lease);
void fl_lease_record_free(struct fl_lease_record *rec); /* NULL is a no-op */

/** True if all that other hosts act on is the same: addresses, type and data (as JSON text). Not
 * index or expiry. */
bool fl_lease_same(const struct fl_lease *a, const struct fl_lease *b);

#endif
