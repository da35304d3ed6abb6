/* tests/unit/fake_etcd.h - a small etcd in memory behind struct fl_etcd_api, that can be told to
 * fail. */
#ifndef FAKE_ETCD_H
#define FAKE_ETCD_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/etcd.h"

#define FAKE_KEYS 8

struct fake_key {
	char name[64];
	char value[256];
	uint64_t index; /* 0: no such key */
	int64_t ttl_s;
};

/* It answers from a timer, so never from within start(). */
struct fake_call {
	struct fl_etcd_slot *slot;
	struct fl_etcd_request req;
	ev_timer timer;
};

struct fake_etcd {
	struct ev_loop *loop;
	struct fake_key keys[FAKE_KEYS];
	uint64_t index;
	const char *config;   /* NULL: there is none */
	char dead[64];	      /* endpoints whose URL contains this do not answer; "": none */
	char rival[64];	      /* another host takes this key before the next create */
	int broken_lists;     /* that many listings break off after their entries */
	bool denied;	      /* access is refused */
	bool read_only;	      /* likewise, to what writes a key */
	bool refresh_empties; /* as etcd before 2.3.7 */
	unsigned int requests[FL_ETCD_WATCH + 1]; /* started, by verb */
	unsigned int writes;			  /* that woke watchers */
	unsigned int refreshes;
	struct fake_call *watcher; /* the poll that waits */
};

extern struct fake_etcd fake;
extern const struct fl_etcd_api fake_etcd_api;

/** NULL if there is none. */
struct fake_key *fake_find(const char *name);
struct fake_key *fake_put(const char *name, const char *value, int64_t ttl_s);
/** A lease as flannel writes it. */
void fake_put_lease(const char *name, const char *ip, const char *mac, int64_t ttl_s);
/** End the poll without an event. */
void fake_end_poll(enum fl_etcd_outcome outcome);
/** End the poll with what happened to @p name, @p behind changes ago. */
void fake_late_event(const char *name, uint64_t behind);
/** End the poll with what happened to @p name. */
void fake_event(const char *name, bool gone);

#endif
