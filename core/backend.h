/* core/backend.h - THE contract between flanneld and a backend; installed as <flanneld/backend.h>.
 *
 * A backend is a shared object `<type>.so` that exports one symbol, fl_backend_ops. It is told
 * which interface the host uses and which leases other hosts hold; it says which device it needs
 * and which kernel rows lead to a peer. It never programs the kernel about peers itself: flanneld
 * does (fib), and keeps it so. A backend that moves packets by itself, or has others do it, takes
 * the peers as events instead.
 *
 * Every call comes from the one event loop thread, and none may block. A backend may have threads
 * of its own: of all that is declared here they may use fl_counter_add(), and nothing else.
 * All functions return 0 or -errno. See flanneld-backend(7) for a walk through.
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
#define FL_BACKEND_ABI 5u

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
	struct fl_prefix subnet;   /* IPv4, host bits clear; always set */
	struct fl_prefix subnet6;  /* IPv6, or none */
	struct fl_addr public_ip;  /* one that a host can have: not loopback, multicast ... */
	struct fl_addr public_ip6; /* likewise, or none */
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

/** struct fl_backend_ops.flags: it runs commands that stand in the network config, that is, what
 * whoever may write to the store wants. Such a backend is not started without --allow-extension. */
#define FL_BACKEND_RUNS_COMMANDS 1u

struct fl_backend_ops {
	/** FL_BACKEND_ABI of the header the module was built with. First forever; nothing else is
	 * read if it differs. */
	uint32_t abi;

	/** FL_BACKEND_RUNS_COMMANDS, or 0. Unknown bits: the module is refused. */
	uint32_t flags;

	/** Backend.Type in the network config; also the file's stem. Never NULL. */
	const char *name;

	/** One line for people: what it does. Never NULL. */
	const char *description;

	/**
	 * Check the config's Backend object and nothing else: no device, no state. For `flanneld
	 * --check-config`; create() is called whatever this has said. NULL: any config is fine.
	 *
	 * @param conf  borrowed for this call; NULL if the config has none
	 * @return 0; -EINVAL for a config that create() would refuse (it has logged key, value and
	 * rule)
	 */
	int (*check)(const struct fl_json *conf);

	/**
	 * Check the config, prepare the device. Called once, first. Never NULL.
	 *
	 * @param env   valid until destroy() returns
	 * @param conf  the config's Backend object, borrowed until destroy() returns; NULL if the
	 * config has none
	 * @param ret   set only on success
	 * @return 0; -EINVAL for a config the backend cannot take (it has logged key, value and
	 * rule); any other -errno (flanneld logs it, and ends)
	 */
	int (*create)(struct fl_env *env, const struct fl_json *conf, struct fl_backend **ret);

	/**
	 * What other hosts need to reach us, as JSON for the lease's BackendData; "" for none.
	 * Called after create(), before the lease is taken. NULL: none, ever.
	 *
	 * @return 0; -EINPROGRESS: not known yet (fl_env_continue() has it asked again); any other
	 * -errno ends flanneld
	 */
	int (*lease_data)(struct fl_backend *be, char buf[FL_BACKEND_DATA_MAX]);

	/** The MTU that containers may use, bytes, where the underlay has @p underlay_mtu; 0: that
	 * is too little for this backend. Called any time after create(), also with another value
	 * than fl_env_extif() says. A function of its arguments and the config. Never NULL. */
	uint32_t (*mtu)(struct fl_backend *be, uint32_t underlay_mtu);

	/**
	 * The lease is ours: give the device its address and bring it up. Called after create();
	 * idempotent. Never NULL.
	 *
	 * @param own  valid until destroy() returns
	 * @return 0; -EINPROGRESS: under way (fl_env_continue() says when it is done); any other
	 * -errno ends flanneld
	 */
	int (*up)(struct fl_backend *be, const struct fl_lease *own);

	/**
	 * Declare the rows that stand whatever peers there are: a route of the whole Network, say.
	 * Called once, after up() is done. NULL: there are none.
	 *
	 * @return 0 or -errno, which ends flanneld
	 */
	int (*own_rows)(struct fl_backend *be, const struct fl_lease *own, struct fl_rows *rows);

	/**
	 * Which of several ways leads to @p peer now: a number that only the backend understands,
	 * which flanneld remembers and hands to rows(). Asked when the peer appears, and again when
	 * routes, addresses or interfaces of this host have changed. May look at the kernel
	 * (fl_env_route()). NULL: there is one way, 0.
	 */
	uint32_t (*way)(struct fl_backend *be, const struct fl_lease *peer);

	/**
	 * Accept, refuse or ignore @p peer, and declare the rows that lead to it with
	 * fl_rows_add(); none is fine. A function of its arguments and of what was settled in
	 * create() and up(), for rows are withdrawn by asking again. Never NULL.
	 *
	 * @param way  what way() has said
	 * @return 0: accepted; else what one of these has returned: fl_rows_reject() (the peer's
	 * data is not what this backend understands; what is known of it from before stays),
	 * fl_rows_wait() (it cannot be reached for now, so it is asked about again when way() says
	 * something else), fl_rows_ignore() (it does not concern us). The peer is then left out,
	 * counted, and the text logged once, by flanneld. -ENOMEM counts as a refusal.
	 */
	int (*rows)(struct fl_backend *be, const struct fl_lease *peer, uint32_t way,
		    struct fl_rows *rows);

	/**
	 * For a backend that forwards by itself: an accepted peer appears. Called after up() is
	 * done; first for each one that is there, in no order, then as they come. @p peer is valid
	 * until peer_del() for it returns, or destroy(). Both or none of the two are NULL.
	 *
	 * @return 0; -ENOMEM (or another -errno): not taken, and as if it had not been called; it
	 *         is called again soon, until it works or the peer is gone
	 */
	int (*peer_add)(struct fl_backend *be, const struct fl_lease *peer);

	/** It is gone, or changes, which is a peer_del() and a peer_add(). Not called at the end:
	 * stopping must leave traffic flowing. */
	void (*peer_del)(struct fl_backend *be, const struct fl_lease *peer);

	/** Free everything, also while lease_data() or up() is under way; NULL is a no-op. The
	 * device and all rows stay in the kernel. Never NULL. */
	void (*destroy)(struct fl_backend *be);
};

/**
 * Define the one exported symbol: FL_BACKEND_EXPORT(.name = "vxlan", .create = create, ...);
 * In C++17, which has no such initializers, all members stand in order, from flags to destroy.
 */
#ifdef __cplusplus
#define FL_BACKEND_EXPORT(...)                                                                     \
	extern "C" FL_PUBLIC const struct fl_backend_ops fl_backend_ops;                           \
	const struct fl_backend_ops fl_backend_ops = {FL_BACKEND_ABI, __VA_ARGS__}
#else
#define FL_BACKEND_EXPORT(...)                                                                     \
	FL_PUBLIC extern const struct fl_backend_ops fl_backend_ops;                               \
	const struct fl_backend_ops fl_backend_ops = {.abi = FL_BACKEND_ABI, __VA_ARGS__}
#endif

/* ---- what flanneld offers ---- */

/** The underlay interface. */
FL_PUBLIC const struct fl_extif *fl_env_extif(const struct fl_env *env);

/** The whole overlay network, IPv4. */
FL_PUBLIC const struct fl_prefix *fl_env_network(const struct fl_env *env);

/** True if people write the leases into a file, so that what stands for a missing BackendData must
 * follow from the rest of the lease; and up() may get other BackendData than lease_data() has said.
 * Constant. */
FL_PUBLIC bool fl_env_by_hand(const struct fl_env *env);

/**
 * Bytes that are this host's and stay over restarts: SHA-256 over /etc/machine-id (machine-id(5))
 * and @p salt.
 * @return 0; -ENOENT without a usable machine-id; other -errno
 */
FL_PUBLIC int fl_env_host_hash(struct fl_env *env, const char *salt, uint8_t ret[32]);

/**
 * Other hosts send to this UDP port of ours. With --peer-filter only the holders of leases reach
 * it. Call it within create(), once for each port.
 * @param port  host byte order
 * @return 0; -EINVAL for 0; -ENOSPC: more than 4
 */
FL_PUBLIC int fl_env_udp_port(struct fl_env *env, uint16_t port);

/**
 * What lease_data() or up() had begun (-EINPROGRESS) has ended. Call it once for each, from the
 * loop: not within lease_data() or up(), where it is ignored.
 * @param error  0: lease_data() is asked again, or up() is done; -errno: it has failed, which ends
 * flanneld
 */
FL_PUBLIC void fl_env_continue(struct fl_env *env, int error);

/** Where the kernel sends packets. */
struct fl_route {
	uint32_t ifindex;   /* the device */
	struct fl_addr via; /* the gateway; none: the address is on the link */
	bool local;	    /* the address is this host's own */
};

/** Which route this host takes to @p dst now (RTM_GETROUTE, rtnetlink(7)). @return 0; -ENETUNREACH
 * and others as the kernel says; -ENETUNREACH also for a broadcast or multicast address */
FL_PUBLIC int fl_env_route(struct fl_env *env, const struct fl_addr *dst, struct fl_route *ret);

/** Take a row for the peer that is being asked about. Copies @p row. @return 0, -ENOMEM */
FL_PUBLIC int fl_rows_add(struct fl_rows *rows, const struct fl_row *row);

/** Say why a peer is refused, has to wait, or is ignored; one line, copied. What they return is for
 * rows() to return: `return fl_rows_reject(rows, "no VNI");` */
FL_PUBLIC int fl_rows_reject(struct fl_rows *rows, const char *fmt, ...) FL_PRINTF(2, 3);
FL_PUBLIC int fl_rows_wait(struct fl_rows *rows, const char *fmt, ...) FL_PRINTF(2, 3);
FL_PUBLIC int fl_rows_ignore(struct fl_rows *rows, const char *fmt, ...) FL_PRINTF(2, 3);

/* ---- the config's Backend object ---- */

/** One key of it. */
struct fl_conf_key {
	const char *name;	/* matches without regard to case, as in Go */
	enum fl_json_type type; /* BOOL: value is a bool; NUMBER (whole): a uint32_t; STRING: a
				   const char *, borrowed from the config; others are not looked
				   into, value may be NULL */
	void *value;		/* holds the default; untouched if the key is missing or null */
	uint32_t min;		/* NUMBER: the least and the most that is allowed */
	uint32_t max;
	bool zero; /* NUMBER: 0 is allowed as well, for the default, which stays */
};

/**
 * Read the keys that a backend knows. Any other one, but Type, is a warning in the log.
 *
 * @param conf  as create() has got it; NULL: all defaults
 * @param name  of the backend, for the log
 * @return 0; -EINVAL for a value that cannot be taken: key, value and rule are in the log
 */
FL_PUBLIC int fl_conf_read(const struct fl_json *conf, const char *name,
			   const struct fl_conf_key *keys, size_t n_keys);

/** The member @p key if it is there and not null; else NULL, which stands for the default. */
FL_PUBLIC const struct fl_json *fl_conf_get(const struct fl_json *conf, const char *key);

/** Log that @p v, the value of @p key, is not @p rule ("a string"). Always -EINVAL. */
FL_PUBLIC int fl_conf_refuse(const char *name, const char *key, const struct fl_json *v,
			     const char *rule);

/* ---- devices ---- */

/** An attribute of the device's IFLA_INFO_DATA (if_link.h), in the kernel's encoding. NULL data:
 * must be absent. */
struct fl_link_attr {
	uint16_t type; /* IFLA_VXLAN_ID ... */
	uint16_t len;  /* bytes, up to 16 */
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

/**
 * Take a device that the backend has made by other means, such as a tun device: flanneld gives it
 * @p mtu (bytes), and with fl_link_up() its address.
 *
 * @param ret  set only on success; the backend owns it until fl_link_release()
 * @return 0; -ENODEV; other -errno of rtnetlink
 */
FL_PUBLIC int fl_link_attach(struct fl_env *env, const char *name, uint32_t mtu,
			     struct fl_link **ret);

FL_PUBLIC uint32_t fl_link_ifindex(const struct fl_link *link);
FL_PUBLIC const struct fl_mac *fl_link_mac(const struct fl_link *link);

/** Give it another MAC address, which is kept from now on. @return 0 or -errno, which was logged */
FL_PUBLIC int fl_link_set_mac(struct fl_link *link, const struct fl_mac *mac);

/** Give it @p local as its only address inside the overlay network (others of the network go) and
 * bring it up. */
FL_PUBLIC int fl_link_up(struct fl_link *link, const struct fl_prefix *local);

/** Forget the device; it stays in the kernel. NULL is a no-op. */
FL_PUBLIC void fl_link_release(struct fl_link *link);

/** A device that the backend has made by other means came: rows on it are compared with what is
 * declared, and refilled; rows of ours that nobody declares are removed. @return 0; -ENOSPC: too
 * many */
FL_PUBLIC int fl_env_device_came(struct fl_env *env, uint32_t ifindex);

/** It went, and its rows with it. */
FL_PUBLIC void fl_env_device_went(struct fl_env *env, uint32_t ifindex);

/* ---- the loop: timers, descriptors, child processes ---- */

/** Called from the loop. The watcher may be started, stopped or destroyed in it. */
typedef void (*fl_loop_cb)(void *owner);

struct fl_timer; /* fields in env_loop.c */
/** @return 0, -ENOMEM; @p ret is set only on success, and the caller's until fl_timer_destroy() */
FL_PUBLIC int fl_timer_create(struct fl_env *env, fl_loop_cb cb, void *owner,
			      struct fl_timer **ret);
/** Call once in @p delay_ms; if it runs: from now on. */
FL_PUBLIC void fl_timer_start(struct fl_timer *t, uint32_t delay_ms);
FL_PUBLIC void fl_timer_stop(struct fl_timer *t);
FL_PUBLIC void fl_timer_destroy(struct fl_timer *t); /* NULL is a no-op */

struct fl_watch; /* fields in env_loop.c */
/** Call whenever @p fd can be read, from now on. The descriptor stays the caller's: destroy the
 * watch before closing it. @return 0, -ENOMEM, -EBADF */
FL_PUBLIC int fl_watch_create(struct fl_env *env, int fd, fl_loop_cb cb, void *owner,
			      struct fl_watch **ret);
FL_PUBLIC void fl_watch_destroy(struct fl_watch *w); /* NULL is a no-op */

/** A program to run. All borrowed for the call. There is no shell unless it is the program. */
struct fl_command {
	const char *const *argv; /* argv[0] is searched in PATH unless it has a slash;
				    NULL-terminated */
	const char *const *env;	 /* "NAME=value", added to flanneld's environment, from which
				    FLANNELD_* is taken out; NULL-terminated, or NULL */
	const char *input;	 /* its standard input, or NULL */
	size_t input_len;
	uint32_t timeout_ms; /* then it is killed, with its process group; > 0 */
};

/** How it ended. Borrowed for the call of done(). */
struct fl_command_result {
	int error;	    /* 0: it has ended by itself; -ENOENT, -EACCES, -ETIMEDOUT, -EMSGSIZE
			       (more than 64 KiB of output) ... */
	int exit_status;    /* 0..255; -1 if a signal ended it */
	int signal;	    /* the signal, or 0 */
	const char *output; /* NUL-terminated */
	size_t output_len;
	const char *errors; /* what it has said on stderr, the first 4 KiB, NUL-terminated */
};

struct fl_running; /* a command that runs; fields in env_loop.c */
/** Called once, from the loop, never within fl_command_start(). */
typedef void (*fl_command_done)(void *owner, const struct fl_command_result *res);
/**
 * @param ret  valid until done() or fl_command_kill() returns
 * @return 0; -EPERM: the backend has no FL_BACKEND_RUNS_COMMANDS; -ENOENT: no such program; other
 * -errno
 */
FL_PUBLIC int fl_command_start(struct fl_env *env, const struct fl_command *cmd,
			       fl_command_done done, void *owner, struct fl_running **ret);
/** End it, with its process group and without a done(). NULL, or one whose done() runs, is a
 * no-op. */
FL_PUBLIC void fl_command_kill(struct fl_running *run);

/* ---- counters ---- */

/** Something that only grows, for operators; also threads of the backend's own may add to it. */
struct fl_counter {
	const char *name; /* "dropped_packets": [a-z0-9_], plural, unit last */
	const char *help; /* one line */
	uint64_t value;	  /* fl_counter_add() */
};

static inline void fl_counter_add(struct fl_counter *c, uint64_t n)
{
	(void)__atomic_fetch_add(&c->value, n, __ATOMIC_RELAXED);
}

static inline uint64_t fl_counter_value(const struct fl_counter *c)
{
	return __atomic_load_n(&c->value, __ATOMIC_RELAXED);
}

/** Show @p n counters to operators until destroy() returns. They stay the backend's. Call it once,
 * within create(). */
FL_PUBLIC void fl_env_counters(struct fl_env *env, const struct fl_counter *counters, size_t n);

#ifdef __cplusplus
}
#endif

#endif
