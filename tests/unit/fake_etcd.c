/* tests/unit/fake_etcd.c - a small etcd in memory behind struct fl_etcd_api. */
#include "fake_etcd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/defs.h"

struct fake_etcd fake;

struct fake_key *fake_find(const char *name)
{
	for (size_t i = 0; i < FAKE_KEYS; i++)
		if (fake.keys[i].index && strcmp(fake.keys[i].name, name) == 0)
			return &fake.keys[i];
	return NULL;
}

static struct fake_key *find_free(void)
{
	for (size_t i = 0; i < FAKE_KEYS; i++)
		if (!fake.keys[i].index)
			return &fake.keys[i];
	fail_msg("more than %u keys", (unsigned int)FAKE_KEYS);
	abort(); /* not reached */
}

struct fake_key *fake_put(const char *name, const char *value, int64_t ttl_s)
{
	struct fake_key *k = fake_find(name);

	if (!k)
		k = find_free();
	(void)snprintf(k->name, sizeof(k->name), "%s", name);
	(void)snprintf(k->value, sizeof(k->value), "%s", value);
	k->index = ++fake.index;
	k->ttl_s = ttl_s;
	return k;
}

void fake_put_lease(const char *name, const char *ip, const char *mac, int64_t ttl_s)
{
	char value[256];

	(void)snprintf(
		value, sizeof(value),
		"{\"PublicIP\":\"%s\",\"BackendType\":\"vxlan\",\"BackendData\":{\"VtepMAC\":"
		"\"%s\"}}",
		ip, mac);
	fake_put(name, value, ttl_s);
}

static void give(struct fl_etcd_slot *slot, const char *name, const struct fake_key *k, bool gone)
{
	const struct fl_etcd_entry e = {
		.key = name,
		.value = gone ? "" : k->value,
		.value_len = gone ? 0 : strlen(k->value),
		.index = gone ? fake.index : k->index,
		.ttl_s = gone ? FL_ETCD_FOREVER : k->ttl_s,
		.gone = gone,
	};

	slot->ops->entry(slot, &e);
}

static void list(struct fl_etcd_slot *slot, struct fl_etcd_result *res)
{
	for (size_t i = 0; i < FAKE_KEYS; i++)
		if (fake.keys[i].index)
			give(slot, fake.keys[i].name, &fake.keys[i], false);
	if (fake.broken_lists > 0) {
		fake.broken_lists--;
		res->outcome = FL_ETCD_FAILED;
		res->why = "it breaks off";
	}
}

static void write_key(struct fake_call *c, struct fake_key *k, struct fl_etcd_result *res)
{
	if (c->req.verb == FL_ETCD_REFRESH) {
		fake.refreshes++;
		if (fake.refresh_empties)
			k->value[0] = '\0';
		k->index = ++fake.index;
		k->ttl_s = c->req.ttl_s;
		give(c->slot, k->name, k, false);
	} else {
		fake.writes++;
		k = fake_put(c->req.key, c->req.value, c->req.ttl_s);
	}
	res->index = k->index;
	res->ttl_s = k->ttl_s;
}

static void answer_key(struct fake_call *c, struct fl_etcd_result *res)
{
	struct fake_key *k;

	if (c->req.verb == FL_ETCD_CREATE && fake.rival[0]) {
		fake_put_lease(fake.rival, "192.168.0.77", "02:00:00:00:00:77", 100);
		fake.rival[0] = '\0';
	}
	k = fake_find(c->req.key);
	if (c->req.verb == FL_ETCD_CREATE
		    ? k != NULL
		    : k && c->req.verb != FL_ETCD_GET && k->index != c->req.index) {
		res->outcome = FL_ETCD_CONFLICT;
	} else if (!k && c->req.verb != FL_ETCD_CREATE) {
		res->outcome = FL_ETCD_MISSING;
	} else if (c->req.verb == FL_ETCD_GET) {
		give(c->slot, k->name, k, false);
	} else if (c->req.verb == FL_ETCD_REMOVE) {
		k->index = 0;
		fake.index++;
		fake.writes++;
	} else {
		write_key(c, k, res);
	}
}

static bool is_write(enum fl_etcd_verb verb)
{
	return verb == FL_ETCD_CREATE || verb == FL_ETCD_UPDATE || verb == FL_ETCD_REFRESH ||
	       verb == FL_ETCD_REMOVE;
}

static void on_answer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct fake_call *c = fl_container_of(w, struct fake_call, timer);
	struct fl_etcd_result res = {.index = fake.index, .ttl_s = FL_ETCD_FOREVER, .why = ""};

	(void)loop;
	(void)revents;
	if ((c->req.key == NULL && fake.denied) || (is_write(c->req.verb) && fake.read_only)) {
		res.outcome = FL_ETCD_DENIED;
		res.why = "no";
	} else if (c->req.verb == FL_ETCD_GET_CONFIG && !fake.config) {
		res.outcome = FL_ETCD_MISSING;
	} else if (c->req.verb == FL_ETCD_GET_CONFIG) {
		struct fake_key k = {.index = 1};

		(void)snprintf(k.value, sizeof(k.value), "%s", fake.config);
		give(c->slot, "config", &k, false);
	} else if (c->req.verb == FL_ETCD_LIST) {
		list(c->slot, &res);
	} else {
		answer_key(c, &res);
	}
	c->slot->ops->done(c->slot, &res);
}

static void on_dead(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct fake_call *c = fl_container_of(w, struct fake_call, timer);
	const struct fl_etcd_result res = {.outcome = FL_ETCD_FAILED, .why = "dead"};

	(void)loop;
	(void)revents;
	c->slot->ops->done(c->slot, &res);
}

static int fake_init(struct fl_etcd_slot *slot, struct fl_etcd_session *session)
{
	struct fake_call *c = calloc(1, sizeof(*c));

	assert_string_equal(session->prefix, "/coreos.com/network");
	assert_non_null(c);
	c->slot = slot;
	ev_init(&c->timer, on_answer);
	slot->call = c;
	return 0;
}

static int fake_start(struct fl_etcd_slot *slot, const char *endpoint,
		      const struct fl_etcd_request *req)
{
	struct fake_call *c = slot->call;

	c->req = *req;
	fake.requests[req->verb]++;
	if (req->verb == FL_ETCD_WATCH) {
		fake.watcher = c;
		return 0;
	}
	ev_set_cb(&c->timer, fake.dead[0] && strstr(endpoint, fake.dead) ? on_dead : on_answer);
	ev_timer_set(&c->timer, 0., 0.);
	ev_timer_start(fake.loop, &c->timer);
	return 0;
}

static void fake_cancel(struct fl_etcd_slot *slot)
{
	struct fake_call *c = slot->call;

	ev_timer_stop(fake.loop, &c->timer);
	fake.watcher = fake.watcher == c ? NULL : fake.watcher;
}

static void fake_done(struct fl_etcd_slot *slot)
{
	free(slot->call);
	slot->call = NULL;
}

const struct fl_etcd_api fake_etcd_api = {
	.init = fake_init,
	.start = fake_start,
	.cancel = fake_cancel,
	.done = fake_done,
};

void fake_end_poll(enum fl_etcd_outcome outcome)
{
	struct fl_etcd_slot *slot = fake.watcher->slot;
	const struct fl_etcd_result res = {.outcome = outcome, .why = ""};

	fake.watcher = NULL;
	slot->ops->done(slot, &res);
}

void fake_late_event(const char *name, uint64_t behind)
{
	struct fl_etcd_slot *slot = fake.watcher->slot;
	struct fl_etcd_result res = {.why = "", .index = fake.index, .newest = fake.index + behind};

	give(slot, name, fake_find(name), false);
	fake.index += behind;
	slot->ops->done(slot, &res);
}

void fake_event(const char *name, bool gone)
{
	struct fl_etcd_slot *slot = fake.watcher->slot;
	struct fl_etcd_result res = {.why = ""};

	give(slot, name, fake_find(name), gone);
	res.index = fake.index;
	slot->ops->done(slot, &res);
}
