/* tests/unit/store_run.h - a store over the fake etcd, and a listener that writes down what it is
 * told. */
#ifndef TEST_STORE_RUN_H
#define TEST_STORE_RUN_H

#include "fake_etcd.h"
#include "lease.h"
#include "netconf.h"
#include "store/store.h"

#define ONE	"http://one"
#define OUR_MAC "02:00:00:00:00:01"

struct told {
	char log[1024];
	char leases[2048]; /* all of each peer, in the order in which they were told */
	char status[256];
	struct fl_netconf nc;
	struct fl_store *store;
	struct fl_prefix previous;
	struct fl_addr underlay;
	struct fl_lease mine;
};

extern struct told told;
extern struct fl_store_listener listener;

int setup(void **state);
int teardown(void **state);

/* Create the store and ask for the config; the listener goes on from there. */
void begin(const char *endpoints, uint32_t ttl_s);
/* Let the loop turn until the log contains @p text; fail after 8 seconds. */
void run_until(const char *text);
void run_for(double seconds);
/* Empty the log, then end the poll with what happened to @p name. */
void event(const char *name, bool gone);

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
