/* tests/unit/test_etcd.c - the policy of the etcd store, over a small etcd in memory that can be
 * told to fail. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <ev.h>

#include "base/defs.h"
#include "fake_etcd.h"
#include "lease.h"
#include "netconf.h"
#include "store/store.h"

/* ---- the listener: writes down what it is told ---- */

static struct {
	char log[1024];
	char status[256];
	struct fl_netconf nc;
	struct fl_store *store;
	struct fl_prefix previous;
	struct fl_lease mine;
} told;

FL_PRINTF(1, 2)
static void note(const char *fmt, ...)
{
	size_t used = strlen(told.log);
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(told.log + used, sizeof(told.log) - used, fmt, args);
	va_end(args);
}

static void on_config(struct fl_store_listener *l, const char *text, size_t len)
{
	char *why = NULL;

	(void)l;
	if (fl_netconf_parse(text, len, &told.nc, &why) < 0)
		fail_msg("config: %s", why);
	assert_int_equal(fl_store_acquire(told.store, &told.nc, &told.mine, &told.previous), 0);
}

static void on_acquired(struct fl_store_listener *l, const struct fl_lease_record *own)
{
	char text[FL_PREFIX_STRLEN];

	(void)l;
	note("acquired %s%s;", fl_prefix_format(&own->lease.subnet, text),
	     own->expires_s ? "" : " for ever");
	assert_int_equal(fl_store_watch(told.store), 0);
}

static void on_begin(struct fl_store_listener *l)
{
	(void)l;
	note("begin;");
}

static void on_end(struct fl_store_listener *l)
{
	(void)l;
	note("end;");
}

static void on_abort(struct fl_store_listener *l)
{
	(void)l;
	note("abort;");
}

static void on_peer(struct fl_store_listener *l, struct fl_lease_record *rec)
{
	char text[FL_PREFIX_STRLEN];

	(void)l;
	note("peer %s;", fl_prefix_format(&rec->lease.subnet, text));
	fl_lease_record_free(rec);
}

static void on_unreadable(struct fl_store_listener *l, const struct fl_prefix *subnet)
{
	char text[FL_PREFIX_STRLEN];

	(void)l;
	note("unreadable %s;", fl_prefix_format(subnet, text));
}

static void on_gone(struct fl_store_listener *l, const struct fl_prefix *subnet)
{
	char text[FL_PREFIX_STRLEN];

	(void)l;
	note("gone %s;", fl_prefix_format(subnet, text));
}

static void on_lost(struct fl_store_listener *l, enum fl_store_loss loss, const char *why)
{
	(void)l;
	note("lost %d %s;", (int)loss, why);
}

static void on_released(struct fl_store_listener *l, int error)
{
	(void)l;
	note("released %d;", error);
}

static void on_status(struct fl_store_listener *l, const char *text)
{
	(void)l;
	(void)snprintf(told.status, sizeof(told.status), "%s", text ? text : "");
}

static const struct fl_store_listener_ops listener_ops = {
	.config = on_config,
	.acquired = on_acquired,
	.snapshot_begin = on_begin,
	.snapshot_end = on_end,
	.snapshot_abort = on_abort,
	.peer = on_peer,
	.unreadable = on_unreadable,
	.gone = on_gone,
	.lost = on_lost,
	.released = on_released,
	.status = on_status,
};
static struct fl_store_listener listener = {.ops = &listener_ops};

/* ---- helpers ---- */

static void on_late(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

/* Let the loop turn until the log contains @p text; fail after 8 seconds. */
static void run_until(const char *text)
{
	ev_timer late;

	ev_timer_init(&late, on_late, 8., 0.);
	ev_timer_start(fake.loop, &late);
	while (!strstr(told.log, text) && ev_is_active(&late))
		(void)ev_run(fake.loop, EVRUN_ONCE);
	ev_timer_stop(fake.loop, &late);
	if (!strstr(told.log, text))
		fail_msg("not told: %s; told: %s; status: %s", text, told.log, told.status);
}

static void run_for(double seconds)
{
	ev_timer late;

	ev_timer_init(&late, on_late, seconds, 0.);
	ev_now_update(fake.loop);
	ev_timer_start(fake.loop, &late);
	(void)ev_run(fake.loop, 0);
	ev_timer_stop(fake.loop, &late);
}

static void event(const char *name, bool gone)
{
	told.log[0] = '\0';
	fake_event(name, gone);
}

static void begin(const char *endpoints, uint32_t ttl_s)
{
	static struct fl_store_conf conf;
	char *why = NULL;

	conf = (struct fl_store_conf){
		.endpoints = endpoints,
		.prefix = "coreos.com//network/",
		.lease_ttl_s = ttl_s,
		.renew_margin_s = 1,
	};
	assert_int_equal(fl_store_create(fake.loop, &conf, &listener, &told.store, &why), 0);
	assert_int_equal(fl_store_fetch_config(told.store), 0);
	assert_string_equal(told.log, "");
}

static int setup(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	memset(&told, 0, sizeof(told));
	fake.loop = ev_loop_new(EVFLAG_AUTO);
	fake.index = 10;
	fake.config = "{\"Network\":\"10.5.0.0/16\",\"Backend\":{\"Type\":\"vxlan\"}}";
	told.mine.backend_type = "vxlan";
	told.mine.backend_data = "{\"VtepMAC\":\"02:00:00:00:00:01\"}";
	(void)fl_addr_parse("192.168.0.1", &told.mine.public_ip);
	return fake.loop ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	fl_store_destroy(told.store);
	fl_netconf_done(&told.nc);
	ev_loop_destroy(fake.loop);
	return 0;
}

#define ONE	"http://one"
#define OUR_MAC "02:00:00:00:00:01"

/* ---- taking a lease ---- */

static void a_lease_of_our_address_is_taken_over_without_waking_anybody(void **state)
{
	(void)state;
	fake_put_lease("10.5.9.0-24", "192.168.0.9", "02:00:00:00:00:09", 50);
	fake_put_lease("10.5.7.0-24", "192.168.0.1", OUR_MAC, 50);
	begin(ONE, 100);
	run_until("end;");
	assert_string_equal(told.log, "acquired 10.5.7.0/24;begin;peer 10.5.9.0/24;end;");
	assert_int_equal(fake.writes, 0);
	assert_int_equal(fake.refreshes, 1);
	assert_int_equal(fake_find("10.5.7.0-24")->ttl_s, 100);
}

static void a_reservation_stays_one(void **state)
{
	(void)state;
	fake_put_lease("10.5.7.0-24", "192.168.0.1", "02:00:00:00:00:99", FL_ETCD_FOREVER);
	begin(ONE, 2);
	run_until("end;");
	assert_non_null(strstr(told.log, "acquired 10.5.7.0/24 for ever;"));
	assert_non_null(strstr(fake_find("10.5.7.0-24")->value, OUR_MAC));
	run_for(1.5);
	assert_int_equal(fake_find("10.5.7.0-24")->ttl_s, FL_ETCD_FOREVER);
	assert_int_equal(fake.writes + fake.refreshes, 1);
	assert_int_equal(fl_store_release(told.store), 0);
	run_until("released 0;");
	assert_non_null(fake_find("10.5.7.0-24"));
}

static void a_lease_that_the_config_forbids_is_deleted(void **state)
{
	(void)state;
	fake_put_lease("10.6.7.0-24", "192.168.0.1", OUR_MAC, 50);
	begin(ONE, 100);
	run_until("end;");
	assert_null(fake_find("10.6.7.0-24"));
	assert_non_null(strstr(told.log, "acquired 10.5."));
}

static void the_previous_subnet_is_asked_for(void **state)
{
	(void)state;
	(void)fl_prefix_parse("10.5.52.0/24", &told.previous);
	begin(ONE, 100);
	run_until("acquired 10.5.52.0/24;");
}

static void the_previous_subnet_of_another_host_is_left_alone(void **state)
{
	(void)state;
	(void)fl_prefix_parse("10.5.52.0/24", &told.previous);
	fake_put_lease("10.5.52.0-24", "192.168.0.2", "02:00:00:00:00:02", 50);
	begin(ONE, 100);
	run_until("peer 10.5.52.0/24;end;");
	assert_null(strstr(told.log, "acquired 10.5.52.0/24"));
	assert_non_null(strstr(fake_find("10.5.52.0-24")->value, "192.168.0.2"));
}

static void the_previous_subnet_is_kept_when_our_address_changed(void **state)
{
	(void)state;
	(void)fl_prefix_parse("10.5.52.0/24", &told.previous);
	fake_put_lease("10.5.52.0-24", "192.168.0.2", OUR_MAC, 50);
	begin(ONE, 100);
	run_until("acquired 10.5.52.0/24;");
	assert_non_null(strstr(fake_find("10.5.52.0-24")->value, "192.168.0.1"));
}

static void a_lost_race_picks_again(void **state)
{
	(void)state;
	(void)fl_prefix_parse("10.5.52.0/24", &told.previous);
	(void)snprintf(fake.rival, sizeof(fake.rival), "10.5.52.0-24");
	begin(ONE, 100);
	run_until("peer 10.5.52.0/24;end;");
	assert_non_null(strstr(fake_find("10.5.52.0-24")->value, "192.168.0.77"));
}

static void an_exhausted_pool_is_waited_out(void **state)
{
	(void)state;
	fake.config = "{\"Network\":\"10.5.0.0/16\",\"SubnetMin\":\"10.5.1.0\",\"SubnetMax\":"
		      "\"10.5.2.0\",\"Backend\":{\"Type\":\"vxlan\"}}";
	fake_put_lease("10.5.1.0-24", "192.168.0.2", "02:00:00:00:00:02", 50);
	fake_put_lease("10.5.2.0-24", "192.168.0.3", "02:00:00:00:00:03", 50);
	begin(ONE, 100);
	run_for(.3);
	assert_string_equal(told.log, "");
	assert_non_null(strstr(told.status, "10.5.0.0/16: 2 leases"));
	fake_find("10.5.2.0-24")->index = 0;
	run_until("acquired 10.5.2.0/24;");
	assert_string_equal(told.status, "");
}

/* ---- keeping it ---- */

static void a_renewal_is_in_time_and_wakes_nobody(void **state)
{
	(void)state;
	begin(ONE, 2);
	run_until("end;");
	assert_int_equal(fake.writes, 1);
	run_for(1.5);
	assert_int_equal(fake.writes, 1);
	assert_int_equal(fake.refreshes, 1);
}

static void a_deleted_lease_is_re_created(void **state)
{
	struct fake_key *k;

	(void)state;
	(void)fl_prefix_parse("10.5.52.0/24", &told.previous);
	begin(ONE, 100);
	run_until("end;");
	k = fake_find("10.5.52.0-24");
	assert_non_null(k);
	k->index = 0;
	fake.index++;
	event("10.5.52.0-24", true);
	run_for(.1);
	k = fake_find("10.5.52.0-24");
	assert_non_null(k);
	assert_int_equal(k->ttl_s, 100);
	assert_string_equal(told.log, "");
}

static void a_lease_that_another_host_holds_is_never_written(void **state)
{
	uint64_t index;

	(void)state;
	(void)fl_prefix_parse("10.5.52.0/24", &told.previous);
	begin(ONE, 2);
	run_until("end;");
	fake_put_lease("10.5.52.0-24", "192.168.0.2", "02:00:00:00:00:02", 50);
	index = fake.index;
	run_until("lost 0 10.5.52.0/24: our subnet is held by 192.168.0.2 now;"); /* by renewing */
	run_for(1.5);
	assert_int_equal(fake.index, index);
	assert_int_equal(fl_store_release(told.store), 0);
	run_until("released 0;");
	assert_int_equal(fake.index, index);
}

static void garbage_over_our_lease_is_repaired(void **state)
{
	(void)state;
	(void)fl_prefix_parse("10.5.52.0/24", &told.previous);
	begin(ONE, 100);
	run_until("end;");
	fake_put("10.5.52.0-24", "garbage", FL_ETCD_FOREVER);
	event("10.5.52.0-24", false);
	run_for(.1);
	assert_non_null(strstr(fake_find("10.5.52.0-24")->value, "192.168.0.1"));
	assert_int_equal(fake_find("10.5.52.0-24")->ttl_s, FL_ETCD_FOREVER);
}

static void release_deletes_our_lease(void **state)
{
	(void)state;
	(void)fl_prefix_parse("10.5.52.0/24", &told.previous);
	begin(ONE, 100);
	run_until("end;");
	fake_find("10.5.52.0-24")->index = ++fake.index; /* somebody touched it */
	assert_int_equal(fl_store_release(told.store), 0);
	run_until("released 0;");
	assert_null(fake_find("10.5.52.0-24"));
}

/* ---- the others ---- */

static void a_snapshot_that_breaks_off_is_taken_back(void **state)
{
	(void)state;
	fake_put_lease("10.5.9.0-24", "192.168.0.9", "02:00:00:00:00:09", 50);
	begin(ONE, 100);
	run_until("acquired");
	told.log[0] = '\0';
	fake.broken_lists = 1;
	run_until("end;");
	assert_string_equal(told.log, "begin;peer 10.5.9.0/24;abort;begin;peer 10.5.9.0/24;end;");
}

static void bad_entries_affect_only_themselves(void **state)
{
	(void)state;
	(void)fl_prefix_parse("10.5.52.0/24", &told.previous);
	fake_put("foo", "x", FL_ETCD_FOREVER);
	fake_put("10.5.1.0-99", "x", FL_ETCD_FOREVER);
	fake_put("10.5.8.0-24", "{", 50);
	fake_put_lease("10.5.9.0-24", "192.168.0.9", "02:00:00:00:00:09", 50);
	begin(ONE, 100);
	run_until("end;");
	assert_string_equal(told.log, "acquired 10.5.52.0/24;begin;unreadable 10.5.8.0/24;"
				      "peer 10.5.9.0/24;end;");
	fake_put_lease("10.5.4.0-24", "192.168.0.1", "02:00:00:00:00:04", 50);
	event("10.5.4.0-24", false); /* our own address: no row may lead to ourselves */
	assert_string_equal(told.log, "gone 10.5.4.0/24;");
	fake_find("10.5.9.0-24")->index = 0;
	event("10.5.9.0-24", true);
	assert_string_equal(told.log, "gone 10.5.9.0/24;");
}

/* ---- endpoints ---- */

static void a_dead_endpoint_is_passed_over_at_once(void **state)
{
	(void)state;
	(void)snprintf(fake.dead, sizeof(fake.dead), "one");
	begin("http://one, http://two/", 100);
	run_until("end;");
	assert_string_equal(told.status, "");
}

static void an_outage_is_said_and_waited_out(void **state)
{
	(void)state;
	(void)snprintf(fake.dead, sizeof(fake.dead), "http");
	begin("http://u:secret@one:1,http://two:2", 100);
	run_for(.5);
	assert_string_equal(told.log, "");
	assert_non_null(strstr(told.status, "dead"));
	assert_null(strstr(told.status, "secret"));
	fake.dead[0] = '\0';
	run_until("end;");
	assert_string_equal(told.status, "");
}

static void a_config_is_waited_for(void **state)
{
	const char *config = fake.config;

	(void)state;
	fake.config = NULL;
	begin(ONE, 100);
	run_for(.3);
	assert_string_equal(told.status, "waiting for /coreos.com/network/config");
	fake.config = config;
	run_until("acquired");
	assert_string_equal(told.status, "");
}

static void a_refusal_of_access_is_said(void **state)
{
	(void)state;
	fake.denied = true;
	begin(ONE, 100);
	run_for(.2);
	assert_string_equal(told.status, "waiting for etcd: http://one: no");
}

static void wrong_settings_are_refused_by_name(void **state)
{
	static const struct {
		struct fl_store_conf conf;
		const char *names;
	} bad[] = {
		{{.endpoints = "", .lease_ttl_s = 9}, "etcd-endpoints"},
		{{.endpoints = "one:2379", .lease_ttl_s = 9}, "etcd-endpoints"},
		{{.endpoints = "ftp://u:secret@one", .lease_ttl_s = 9}, "etcd-endpoints"},
		{{.endpoints = "http://u:secret@one:x", .lease_ttl_s = 9}, "etcd-endpoints"},
		{{.endpoints = "http://one?x=1", .lease_ttl_s = 9}, "etcd-endpoints"},
		{{.endpoints = ONE, .prefix = "/a/../b", .lease_ttl_s = 9}, "etcd-prefix"},
		{{.endpoints = ONE, .cert_file = "/c", .lease_ttl_s = 9}, "etcd-keyfile"},
		{{.endpoints = ONE, .password = "secret", .lease_ttl_s = 9}, "etcd-username"},
		{{.endpoints = ONE, .lease_ttl_s = 9, .renew_margin_s = 9}, "subnet-lease-ttl"},
	};

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(bad); i++) {
		struct fl_store *s = NULL;
		char *why = NULL;

		assert_int_equal(fl_store_create(fake.loop, &bad[i].conf, &listener, &s, &why),
				 -EINVAL);
		assert_null(s);
		assert_non_null(strstr(why, bad[i].names));
		assert_null(strstr(why, "secret"));
		free(why);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_lease_of_our_address_is_taken_over_without_waking_anybody),
		T(a_reservation_stays_one),
		T(a_lease_that_the_config_forbids_is_deleted),
		T(the_previous_subnet_is_asked_for),
		T(the_previous_subnet_of_another_host_is_left_alone),
		T(the_previous_subnet_is_kept_when_our_address_changed),
		T(a_lost_race_picks_again),
		T(an_exhausted_pool_is_waited_out),
		T(a_renewal_is_in_time_and_wakes_nobody),
		T(a_deleted_lease_is_re_created),
		T(a_lease_that_another_host_holds_is_never_written),
		T(garbage_over_our_lease_is_repaired),
		T(release_deletes_our_lease),
		T(a_snapshot_that_breaks_off_is_taken_back),
		T(bad_entries_affect_only_themselves),
		T(a_dead_endpoint_is_passed_over_at_once),
		T(an_outage_is_said_and_waited_out),
		T(a_config_is_waited_for),
		T(a_refusal_of_access_is_said),
		T(wrong_settings_are_refused_by_name),
	};

	fl_etcd_api = &fake_etcd_api;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
