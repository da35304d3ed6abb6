/* core/backend.h - THE contract between flanneld and a backend; installed as <flanneld/backend.h>.
 *
 * A backend is a shared object `<type>.so` that exports one symbol, fl_backend_ops. It is told
 * which interface the host uses and which leases other hosts hold; it says which device it needs
 * and which kernel rows lead to a peer. It never programs the kernel about peers itself: flanneld
 * does (fib), and keeps it so. Every call comes from the one event loop thread, and none may block.
 * All functions return 0 or -errno.
 */
#ifndef FL_BACKEND_H
#define FL_BACKEND_H

#include "base/addr.h"
#include "base/defs.h"
#include "base/json.h"
#include "base/log.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Bump on any change of this header or of one that it includes. */
#define FL_BACKEND_ABI 1u

struct fl_env;	   /* what flanneld offers to one backend; see the functions below */
struct fl_rows;	   /* where a backend puts the rows of one peer */
struct fl_link;	   /* a network device that flanneld keeps for a backend */
struct fl_backend; /* the backend's own object: embed or define it as you like */

/** The host's interface to the others (the underlay). Borrowed from flanneld, constant while the
 * backend lives. */
struct fl_extif {
	const char *name;     /* "eth1" */
	uint32_t ifindex;     /* its index in the kernel */
	uint32_t mtu;	      /* bytes */
	struct fl_addr addr;  /* its IPv4 address */
	struct fl_addr addr6; /* its IPv6 address, or none */
	struct fl_addr
		public_ip; /* where other hosts reach us: addr, unless --public-ip says otherwise */
	struct fl_addr public_ip6;
};

/** A lease: one host's piece of the overlay and how to reach it. Borrowed; all strings are
 * NUL-terminated. */
struct fl_lease {
	struct fl_prefix subnet;  /* IPv4, host bits clear; always set */
	struct fl_prefix subnet6; /* IPv6, or none */
	struct fl_addr public_ip;
	struct fl_addr public_ip6;
	const char *backend_type;  /* "vxlan" */
	const char *backend_data;  /* the holder's BackendData as JSON text, or NULL; from the
				      network: check it */
	const char *backend_data6; /* BackendV6Data, likewise */
};

/** Which kernel table a row is for. */
enum fl_row_kind {
	FL_ROW_NEIGH, /* dst.addr answers at mac on the device: permanent neighbour */
	FL_ROW_FDB,   /* frames to mac leave the device towards via: bridge fdb, static */
	FL_ROW_ROUTE, /* packets into dst go to via on the device */
};

/** One row that must stand in the kernel while a peer is there. Declare them in the order in which
 * they must appear. */
struct fl_row {
	enum fl_row_kind kind;
	uint32_t ifindex;     /* the device, e.g. fl_link_ifindex() */
	struct fl_prefix dst; /* NEIGH: the address, full length; ROUTE: the destination; FDB:
				 unused, zero */
	struct fl_addr
		via; /* ROUTE: gateway, or none; FDB: remote underlay address; NEIGH: unused */
	struct fl_mac mac; /* NEIGH and FDB; ROUTE: unused */
	bool onlink;	   /* ROUTE: the gateway is on the link even if no route says so */
};

/** Room for the text of the lease's BackendData. */
#define FL_BACKEND_DATA_MAX 1024u /* bytes, with NUL */

struct fl_backend_ops {
	/** FL_BACKEND_ABI of the header the module was built with. First forever; nothing else is
	 * read if it differs. */
	uint32_t abi;

	/** Backend.Type in the network config; also the file's stem. Never NULL. */
	const char *name;

	/** One line for people: what it does. Never NULL. */
	const char *description;

	/**
	 * Check the config, prepare the device. Called once, first.
	 *
	 * @param env   valid until destroy() returns
	 * @param conf  the config's Backend object, borrowed for this call; NULL if the config has
	 * none
	 * @param ret   set only on success
	 * @return 0; -EINVAL for a config the backend cannot take (it has logged key, value and
	 * rule); any other -errno
	 */
	int (*create)(struct fl_env *env, const struct fl_json *conf, struct fl_backend **ret);

	/**
	 * What other hosts need to reach us, as JSON for the lease's BackendData; "" for none.
	 * Called after create(), before the lease is taken. NULL: none, ever.
	 */
	int (*lease_data)(struct fl_backend *be, char buf[FL_BACKEND_DATA_MAX]);

	/** The MTU that containers may use, bytes. Called any time after create(). Never NULL. */
	uint32_t (*mtu)(struct fl_backend *be);

	/** The lease is ours: give the device its address and bring it up. Called after create();
	 * idempotent. Never NULL. */
	int (*up)(struct fl_backend *be, const struct fl_lease *own);

	/**
	 * Declare the rows that lead to @p peer, with fl_rows_add(). A function of @p peer and the
	 * backend's state alone: the same peer gives the same rows. Never NULL.
	 *
	 * @return 0; -EBADMSG if the peer's data is not what this backend understands (the peer is
	 * left out, counted and logged once by flanneld, with the text of fl_rows_reject())
	 */
	int (*rows)(struct fl_backend *be, const struct fl_lease *peer, struct fl_rows *rows);

	/** Free everything; NULL is a no-op. The device and all rows stay in the kernel. Never
	 * NULL. */
	void (*destroy)(struct fl_backend *be);
};

/** Define the one exported symbol: FL_BACKEND_EXPORT(.name = "vxlan", .create = create, ...); */
#define FL_BACKEND_EXPORT(...)                                                                     \
	FL_PUBLIC extern const struct fl_backend_ops fl_backend_ops;                               \
	const struct fl_backend_ops fl_backend_ops = {.abi = FL_BACKEND_ABI, __VA_ARGS__}

/* ---- what flanneld offers ---- */

/** The underlay interface. */
FL_PUBLIC const struct fl_extif *fl_env_extif(const struct fl_env *env);

/** The whole overlay network, IPv4. */
FL_PUBLIC const struct fl_prefix *fl_env_network(const struct fl_env *env);

/**
 * Bytes that are this host's and stay over restarts: SHA-256 over /etc/machine-id (machine-id(5))
 * and @p salt.
 * @return 0; -ENOENT without a usable machine-id; other -errno
 */
FL_PUBLIC int fl_env_host_hash(struct fl_env *env, const char *salt, uint8_t ret[32]);

/** Take a row for the peer that is being asked about. Copies @p row. */
FL_PUBLIC int fl_rows_add(struct fl_rows *rows, const struct fl_row *row);

/** Say why the peer's data is refused; one line, copied. Returns -EBADMSG so that it can be the
 * return statement. */
FL_PUBLIC int fl_rows_reject(struct fl_rows *rows, const char *fmt, ...) FL_PRINTF(2, 3);

/** An attribute of the device's IFLA_INFO_DATA (if_link.h), in the kernel's encoding. NULL data:
 * must be absent. */
struct fl_link_attr {
	uint16_t type; /* IFLA_VXLAN_ID ... */
	uint16_t len;  /* bytes */
	const void *data;
};

/** The device a backend needs. Borrowed for the call. */
struct fl_link_spec {
	const char *name;  /* "flannel.1", shorter than IFNAMSIZ */
	const char *kind;  /* "vxlan" */
	struct fl_mac mac; /* given when it is created; an adopted device keeps its own. Zero: the
			      kernel's choice */
	uint32_t mtu;	   /* bytes */
	const struct fl_link_attr
		*attrs; /* an existing device fits if kind and all of these are equal */
	size_t n_attrs;
};

/**
 * Make sure that the device exists: one of that name that fits is adopted, one that does not is
 * replaced (logged with the reason), else it is created. It is not brought up yet.
 *
 * @param ret  set only on success; the backend owns it until fl_link_release()
 * @return 0; -EEXIST if a device of that name is of another kind, hence not ours to replace; other
 * -errno of rtnetlink
 */
FL_PUBLIC int fl_link_ensure(struct fl_env *env, const struct fl_link_spec *spec,
			     struct fl_link **ret);

FL_PUBLIC uint32_t fl_link_ifindex(const struct fl_link *link);
FL_PUBLIC const struct fl_mac *fl_link_mac(const struct fl_link *link);

/** Give it @p local as its only address inside the overlay network (others of the network go) and
 * bring it up. */
FL_PUBLIC int fl_link_up(struct fl_link *link, const struct fl_prefix *local);

/** Forget the device; it stays in the kernel. NULL is a no-op. */
FL_PUBLIC void fl_link_release(struct fl_link *link);

#ifdef __cplusplus
}
#endif

#endif
