/* core/daemon_internal.h - what the daemon's files share: daemon.c (the life), daemon_start.c (what
 * is there before the loop turns), daemon_backend.c (the backend's part), daemon_rules.c (the
 * firewall's), daemon_underlay.c (another underlay), daemon_health.c, daemon_peers.c,
 * daemon_events.c (what is shown), daemon_host.c (the service manager and signals). */
#ifndef FL_DAEMON_INTERNAL_H
#define FL_DAEMON_INTERNAL_H

#include <ev.h>

#include "base/backoff.h"
#include "daemon.h"
#include "env.h"
#include "extif.h"
#include "firewall.h"
#include "io/acd.h"
#include "netconf.h"
#include "options.h"
#include "status.h"
#include "store/store.h"
#include "subnet_env.h"
#include "underlay.h"

enum stage {
	STAGE_CONFIG,  /* waiting for a network config that we can use */
	STAGE_PREPARE, /* the backend is there, and finds out its lease data */
	STAGE_ACQUIRE, /* waiting for a lease */
	STAGE_UP,      /* the backend brings up its device */
	STAGE_RULES,   /* the device is up, waiting for the firewall */
	STAGE_READY,   /* subnet.env is written */
	STAGE_STOPPING,
};

struct daemon {
	const struct fl_options *opts;
	struct ev_loop *loop;
	enum stage stage;
	enum fl_exit code;

	int presence_fd; /* shows --cleanup that we run; -1: it does not */

	ev_signal on_term;
	ev_signal on_int;
	ev_signal on_hup;
	ev_signal on_usr1;
	ev_signal on_usr2;
	ev_timer extend;	  /* runs until READY, if a service manager listens */
	ev_timer heartbeat;	  /* runs if a service manager wants to hear it */
	struct fl_detach **ready; /* who waits for READY, or NULL */
	ev_timer release_limit;
	ev_timer trim; /* once, when the start is over */

	struct fl_rtnl *rtnl;
	struct fl_extif_choice iface; /* as the backend has it */
	uint32_t underlay_mtu;	      /* of now, bytes */
	struct fl_acd *twin;	      /* asks whether another host has our address */
	struct fl_acd_listener twin_listener;
	struct fl_underlay *underlay;
	struct fl_underlay_listener underlay_listener;
	struct fl_extif_choice next_iface; /* to be followed, once nothing else is under way */
	bool follow_due;
	bool interface_gone; /* the backend's device and rows with it */
	bool moving;	     /* the backend is being made anew */
	uint32_t mtu_inside; /* before the backend was made anew */
	ev_timer follow;     /* the next try, after one that has failed */
	struct fl_backoff follow_backoff;
	char underlay_trouble[160];    /* what is missing of it; "": nothing */
	struct fl_subnet_env previous; /* what the last run left behind */
	struct fl_store_conf store_conf;
	struct fl_store *store;
	struct fl_store_listener store_listener;
	struct fl_netconf netconf;
	bool has_netconf;
	struct fl_firewall *firewall;
	struct fl_firewall_listener firewall_listener;
	enum fl_status_rules rules;
	char rules_why[256]; /* what is wrong with them, or "" */
	ev_timer rules_retry;
	struct fl_backoff rules_backoff;
	struct health *health; /* NULL: nobody is told */
	struct events *events; /* likewise */
	double started_s;      /* Unix time */

	struct fl_module *module;
	const struct fl_backend_ops *ops;
	struct fl_env env;
	struct fl_env_listener env_listener;
	struct fl_backend *backend;
	bool busy; /* the backend is: lease_data() or up() is under way */
	struct fl_overlay *overlay;
	struct fl_peer_filter *peer_filter; /* NULL: not wanted, or nothing to filter */
	struct fl_prefix subnet;	    /* ours */
	const struct fl_lease *own;	    /* the store's; NULL before it is ours */
};

/* daemon.c */

/* End the loop; the first reason counts. */
void daemon_quit(struct daemon *d, enum fl_exit code);
/* The device is up: on to the others' leases, the firewall, READY. */
void daemon_go_on(struct daemon *d);
/* STATUS=: the lease is ours and the device is up, or what is missing. */
void daemon_say_running(const struct daemon *d);
/* What containers may use now, bytes. */
uint32_t daemon_mtu(const struct daemon *d);
int daemon_write_subnet_env(const struct daemon *d);

/* daemon_twin.c */

/* Ask whether another host has our address, which ends this one. */
void daemon_twin_start(struct daemon *d);
void daemon_twin_done(struct daemon *d);

/* daemon_underlay.c */

void daemon_underlay_init(struct daemon *d);
/* From now on the interface is followed. @return 0 or -errno */
int daemon_underlay_start(struct daemon *d);
void daemon_underlay_done(struct daemon *d);
/* Nothing is under way: do what has been put off. */
void daemon_follow(struct daemon *d);
/* The backend is up on the other underlay. */
void daemon_moved(struct daemon *d);
/* It does not come up there: try again later. @return false: it is the first start, which ends */
bool daemon_move_failed(struct daemon *d);

/* The rules stand, or are not needed: subnet.env, READY. */
void daemon_become_ready(struct daemon *d);

/* daemon_rules.c */
void daemon_rules_init(struct daemon *d);
/* Ends in daemon_become_ready() before READY; what fails is tried again, or ends the daemon. */
void daemon_apply_rules(struct daemon *d);

/* daemon_start.c: each says what is wrong, and returns the code to end with */
enum fl_exit daemon_choose_interface(struct daemon *d);
struct fl_extif_conf daemon_extif_conf(const struct daemon *d);
void daemon_say_interface(const struct daemon *d);
enum fl_exit daemon_open_firewall(struct daemon *d);
enum fl_exit daemon_open_store(struct daemon *d);
/* Also what it may not be: before a lease is taken, not after. */
enum fl_exit daemon_read_previous(struct daemon *d);

/* daemon_host.c */

/* Signals that change how much is said, and what a service manager wants to hear. */
void daemon_host_start(struct daemon *d);
/* Tell all who wait that we are ready. */
void daemon_host_ready(struct daemon *d);
/* Tell the service manager what is going on; data of others is fine. */
void daemon_host_status(const char *prefix, const char *text);

/* daemon_backend.c */

/* Load and create the one that the network config names. @return 0 or -errno; it was said */
int daemon_backend_load(struct daemon *d);
/* The one that is loaded, on d->iface. @return 0 or -errno; it was said */
int daemon_backend_create(struct daemon *d);
/* Free it; rows and device stay. */
void daemon_backend_destroy(struct daemon *d);
/* Ask the store for a lease, as soon as the backend knows its data; or, if there is one, have it
 * say what the backend says now. Errors end the daemon. */
void daemon_acquire(struct daemon *d);
/* The lease is ours; goes on by daemon_go_on(). Errors end the daemon. */
void daemon_backend_up(struct daemon *d, const struct fl_lease *own);
void daemon_backend_done(struct daemon *d);
/* Have the backend's UDP ports open to peers alone, if that is wanted. @return 0 or -errno; it was
 * said */
int daemon_filter_peers(struct daemon *d);
/* What the filter keeps out stays out. */
void daemon_filter_done(struct daemon *d);
/* Of an earlier config; we only say so. */
void daemon_say_leftovers(const struct daemon *d);

/* ---- daemon_sandbox.c */

/* Nothing is reached from now on but what is needed. @return 0 or -errno; it was said */
int daemon_close_sandbox(const struct daemon *d);

#endif
