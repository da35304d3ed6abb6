/* core/env.h - flanneld's side of core/backend.h: what a backend is given. */
#ifndef FL_ENV_H
#define FL_ENV_H

#include <net/if.h>

#include "backend.h"

struct ev_loop;
struct fl_rtnl;

#define FL_ENV_DEVICES_MAX 4u
#define FL_ENV_PORTS_MAX   4u

/** Who hears what a backend has to say. Embed one in the owner. */
struct fl_env_listener {
	/** What lease_data() or up() had begun has ended: fl_env_continue(). */
	void (*continued)(struct fl_env_listener *l, int error);
	/** A device of its own came, or went. */
	void (*device_came)(struct fl_env_listener *l, uint32_t ifindex);
	void (*device_went)(struct fl_env_listener *l, uint32_t ifindex);
};

/** A device that was kept for a backend, so that the next one of that name is like it. */
struct fl_env_memory {
	char name[IF_NAMESIZE];
	uint32_t ifindex;
	struct fl_mac mac;
};

/** One per backend. Pointers are borrowed and must outlive the backend. */
struct fl_env {
	struct ev_loop *loop; /* the default loop: it runs commands */
	struct fl_rtnl *rtnl;
	struct fl_env_listener *listener;
	const struct fl_extif *extif;
	struct fl_prefix network;
	bool by_hand;	    /* fl_env_by_hand() */
	bool runs_commands; /* FL_BACKEND_RUNS_COMMANDS, and the operator allows it */
	uint32_t devices[FL_ENV_DEVICES_MAX]; /* ifindex of each device that is the backend's own */
	uint32_t n_devices;
	struct fl_link *links[FL_ENV_DEVICES_MAX]; /* those of them that flanneld keeps */
	uint32_t n_links;
	struct fl_env_memory memory[FL_ENV_DEVICES_MAX]; /* it outlives the backend */
	uint32_t n_memory;
	uint16_t udp_ports[FL_ENV_PORTS_MAX]; /* that other hosts send to, host byte order */
	uint32_t n_udp_ports;
	const struct fl_counter *counters; /* the backend's */
	size_t n_counters;
};

/** The devices that are the backend's own. @return 0, -ENOSPC */
int fl_env_device_add(struct fl_env *env, uint32_t ifindex);
void fl_env_device_del(struct fl_env *env, uint32_t ifindex);

/**
 * Bring a device that is kept for the backend back to what it was: there, under its index and name,
 * with its MAC address, MTU and address, and up.
 * @return 1: something had to be done; 2: likewise, but it has another name still; 0: all was well,
 * or it is not flanneld's to keep; -errno: it was logged
 */
int fl_env_device_repair(struct fl_env *env, uint32_t ifindex);

/** The rows of one peer, collected by a backend's rows(). All zero is empty. */
struct fl_rows {
	struct fl_row *rows;
	uint32_t count;
	uint32_t cap;
	char why[160]; /* text of fl_rows_reject() and the like, "" if none */
};

/** Forget the rows, keep the memory. */
void fl_rows_reset(struct fl_rows *rows);
void fl_rows_done(struct fl_rows *rows);

/* What fl_rows_reject(), fl_rows_wait() and fl_rows_ignore() return. */
#define FL_ROWS_REJECTED (-EBADMSG)
#define FL_ROWS_WAITING	 (-EHOSTUNREACH)
#define FL_ROWS_IGNORED	 (-EOPNOTSUPP)

#endif
