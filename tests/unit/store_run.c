/* tests/unit/store_run.c - a store over the fake etcd, and a listener that writes down what it is
 * told. */
#include "store_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/defs.h"

/* ---- the listener: writes down what it is told ---- */

struct told told;

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
	assert_int_equal(
		fl_store_acquire(told.store, &told.nc, &told.mine, &told.previous, &told.underlay),
		0);
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

static void note_lease(const struct fl_lease_record *rec)
{
	size_t len = strlen(told.leases);
	char *value = fl_lease_encode(&rec->lease, false), key[FL_LEASE_KEY_MAX];

	assert_non_null(value);
	(void)snprintf(told.leases + len, sizeof(told.leases) - len, "%s %s index %llu%s\n",
		       fl_lease_key_format(&rec->lease.subnet, &rec->lease.subnet6, key), value,
		       (unsigned long long)rec->index, rec->expires_s ? "" : " for ever");
	free(value);
}

static void on_peer(struct fl_store_listener *l, struct fl_lease_record *rec)
{
	char text[FL_PREFIX_STRLEN];

	(void)l;
	note("peer %s;", fl_prefix_format(&rec->lease.subnet, text));
	note_lease(rec);
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

static void on_lost(struct fl_store_listener *l, const char *why)
{
	(void)l;
	note("lost %s;", why);
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
struct fl_store_listener listener = {.ops = &listener_ops};

/* ---- helpers ---- */

static void on_late(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

void run_until(const char *text)
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

void run_for(double seconds)
{
	ev_timer late;

	ev_timer_init(&late, on_late, seconds, 0.);
	ev_now_update(fake.loop);
	ev_timer_start(fake.loop, &late);
	(void)ev_run(fake.loop, 0);
	ev_timer_stop(fake.loop, &late);
}

void event(const char *name, bool gone)
{
	told.log[0] = '\0';
	fake_event(name, gone);
}

void begin(const char *endpoints, uint32_t ttl_s)
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

int setup(void **state)
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

int teardown(void **state)
{
	(void)state;
	fl_store_destroy(told.store);
	fl_netconf_done(&told.nc);
	ev_loop_destroy(fake.loop);
	return 0;
}
