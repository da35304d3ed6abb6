/* store/etcd_auto.c - whichever API of etcd holds the network config; v3 if both do.
 *
 * Asking for the config asks both, and settles the matter; all other requests go to the one that
 * was found.
 */
#include "store/etcd_auto.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/defs.h"
#include "base/log.h"
#include "store/etcd2.h"
#include "store/etcd3.h"

enum { V2, V3, APIS };

static const struct fl_etcd_api *const apis[APIS] = {&fl_etcd2_api, &fl_etcd3_api};

/* struct fl_etcd_session's shared. */
struct shared {
	struct fl_etcd_session sessions[APIS];
	int chosen; /* -1: none yet */
};

/* What one API has answered when it was asked for the config. */
struct answer {
	enum fl_etcd_outcome outcome;
	char why[300];
};

struct half {
	struct fl_etcd_slot slot;
	struct pair *pair;
	int api;
};

struct pair {
	struct fl_etcd_slot *slot; /* the owner's */
	struct shared *shared;
	struct half halves[APIS];
	struct fl_etcd_request req;
	const char *endpoint;
	struct answer answers[APIS];
	struct fl_etcd_result result; /* of the one that has the config, or might */
	char version[32];	      /* of the server; "": not known */
	struct fl_buf config;
	uint64_t config_index;
	bool asks_version;
	char why[700];
};

/* ---- the search ---- */

static void end(struct pair *p, enum fl_etcd_outcome outcome, const char *why)
{
	(void)snprintf(p->why, sizeof(p->why), "%s", why);
	p->result.outcome = outcome;
	p->result.why = p->why;
	p->slot->ops->done(p->slot, &p->result);
}

static int send_to(struct pair *p, int api, enum fl_etcd_verb verb)
{
	struct fl_etcd_request req = p->req;

	req.verb = verb;
	p->asks_version = verb == FL_ETCD_VERSION;
	return apis[api]->start(&p->halves[api].slot, p->endpoint, &req);
}

static void ask(struct pair *p, int api, enum fl_etcd_verb verb)
{
	int r = send_to(p, api, verb);

	if (r < 0)
		end(p, FL_ETCD_FAILED, strerror(-r));
}

/* Servers from 3.6 on have no v2 any more, those before 3 no v3: need not be asked. */
static bool lacks(const struct pair *p, int api)
{
	unsigned int major, minor;

	if (sscanf(p->version, "%u.%u", &major, &minor) != 2)
		return false;
	return api == V3 ? major < 3 : major > 3 || (major == 3 && minor >= 6);
}

static void tell_choice(const struct pair *p, int api)
{
	const struct answer *v2 = &p->answers[V2], *v3 = &p->answers[V3];
	const char *version = *p->version ? p->version : "of an unknown version";

	if (p->shared->chosen == api)
		return;
	if (api == V3 && v2->outcome == FL_ETCD_OK)
		fl_warn("etcd",
			"%s: etcd %s holds a network config in both APIs; using v3 (--etcd-api "
			"chooses): hosts that use v2 are not seen",
			p->endpoint, version);
	else if (api == V2 && v3->outcome != FL_ETCD_MISSING)
		fl_warn("etcd",
			"%s: etcd %s: using the v2 API, which holds the network config; "
			"of the v3 API: %s",
			p->endpoint, version, v3->why);
	else
		fl_info("etcd", "%s: etcd %s: using the v%d API, which holds the network config",
			p->endpoint, version, api == V3 ? 3 : 2);
}

static void choose(struct pair *p, int api)
{
	const struct fl_etcd_entry e = {
		.key = "config",
		.value = p->config.data,
		.value_len = p->config.len,
		.index = p->config_index,
		.ttl_s = FL_ETCD_FOREVER,
	};

	tell_choice(p, api);
	p->shared->chosen = api;
	p->slot->ops->entry(p->slot, &e);
	end(p, FL_ETCD_OK, "");
}

static void decide(struct pair *p)
{
	const struct answer *v2 = &p->answers[V2], *v3 = &p->answers[V3];

	if (p->config.error != 0)
		end(p, FL_ETCD_FAILED, "out of memory");
	else if (v3->outcome == FL_ETCD_OK)
		choose(p, V3);
	else if (v2->outcome == FL_ETCD_OK)
		choose(p, V2);
	else if (v3->outcome == FL_ETCD_DENIED || v2->outcome == FL_ETCD_DENIED)
		end(p, FL_ETCD_DENIED, v3->outcome == FL_ETCD_DENIED ? v3->why : v2->why);
	else if (v3->outcome == FL_ETCD_MISSING || v2->outcome == FL_ETCD_MISSING)
		end(p, FL_ETCD_MISSING, "");
	else
		end(p, FL_ETCD_FAILED, v3->why);
}

static void note_answer(struct pair *p, int api, const struct fl_etcd_result *res)
{
	struct answer *a = &p->answers[api];

	a->outcome = res->outcome;
	(void)snprintf(a->why, sizeof(a->why), "%s", res->why);
	if (res->cluster)
		p->result.cluster = res->cluster;
	if (res->index)
		p->result.index = res->index;
}

static void absent(struct pair *p, int api)
{
	p->answers[api].outcome = FL_ETCD_ABSENT;
	(void)snprintf(p->answers[api].why, sizeof(p->answers[api].why), "etcd %s does not have it",
		       p->version);
}

static void ask_v2(struct pair *p)
{
	if (!lacks(p, V2)) {
		ask(p, V2, FL_ETCD_GET_CONFIG);
		return;
	}
	absent(p, V2);
	decide(p);
}

static void on_version(struct pair *p, const struct fl_etcd_result *res)
{
	if (res->outcome == FL_ETCD_FAILED) {
		end(p, FL_ETCD_FAILED, res->why);
		return;
	}
	(void)snprintf(p->version, sizeof(p->version), "%s",
		       res->outcome == FL_ETCD_OK ? res->why : "");
	if (!lacks(p, V3)) {
		ask(p, V3, FL_ETCD_GET_CONFIG);
		return;
	}
	absent(p, V3);
	ask_v2(p);
}

/* A failure ends it: another member may hold what this one could not tell. But v2 is of no matter
 * once v3 has a config. */
static void on_config(struct pair *p, int api, const struct fl_etcd_result *res)
{
	note_answer(p, api, res);
	if (res->outcome == FL_ETCD_FAILED && (api == V3 || p->answers[V3].outcome != FL_ETCD_OK))
		end(p, FL_ETCD_FAILED, res->why);
	else if (api == V3)
		ask_v2(p);
	else
		decide(p);
}

/* ---- what the APIs tell ---- */

static bool searches(const struct pair *p)
{
	return p->req.verb == FL_ETCD_GET_CONFIG;
}

static void on_entry(struct fl_etcd_slot *slot, const struct fl_etcd_entry *e)
{
	const struct half *half = fl_container_of(slot, struct half, slot);
	struct pair *p = half->pair;

	if (!searches(p)) {
		p->slot->ops->entry(p->slot, e);
		return;
	}
	if (half->api == V2 && p->answers[V3].outcome == FL_ETCD_OK)
		return;
	fl_buf_reset(&p->config);
	fl_buf_append(&p->config, e->value, e->value_len);
	p->config_index = e->index;
}

static void on_accepted(struct fl_etcd_slot *slot, uint64_t cluster)
{
	struct pair *p = fl_container_of(slot, struct half, slot)->pair;

	p->slot->ops->accepted(p->slot, cluster);
}

static void on_progress(struct fl_etcd_slot *slot, uint64_t index)
{
	struct pair *p = fl_container_of(slot, struct half, slot)->pair;

	p->slot->ops->progress(p->slot, index);
}

static void on_done(struct fl_etcd_slot *slot, const struct fl_etcd_result *res)
{
	const struct half *half = fl_container_of(slot, struct half, slot);
	struct pair *p = half->pair;

	if (!searches(p))
		p->slot->ops->done(p->slot, res);
	else if (p->asks_version)
		on_version(p, res);
	else
		on_config(p, half->api, res);
}

static const struct fl_etcd_slot_ops half_ops = {
	.accepted = on_accepted,
	.progress = on_progress,
	.entry = on_entry,
	.done = on_done,
};

/* ---- requests and life ---- */

static int start(struct fl_etcd_slot *slot, const char *endpoint, const struct fl_etcd_request *req)
{
	struct pair *p = slot->call;
	int api = p->shared->chosen == V2 ? V2 : V3;

	p->req = *req;
	p->endpoint = endpoint;
	if (!searches(p))
		return apis[api]->start(&p->halves[api].slot, endpoint, req);
	p->result = (struct fl_etcd_result){.ttl_s = FL_ETCD_FOREVER};
	p->version[0] = '\0';
	for (int i = 0; i < APIS; i++)
		p->answers[i] = (struct answer){.outcome = FL_ETCD_MISSING};
	fl_buf_reset(&p->config);
	fl_buf_puts(&p->config, "");
	return send_to(p, V3, FL_ETCD_VERSION);
}

static void cancel(struct fl_etcd_slot *slot)
{
	struct pair *p = slot->call;

	for (int i = 0; p && i < APIS; i++)
		apis[i]->cancel(&p->halves[i].slot);
}

static void done(struct fl_etcd_slot *slot)
{
	struct pair *p = slot->call;

	if (!p)
		return;
	for (int i = 0; i < APIS; i++)
		apis[i]->done(&p->halves[i].slot);
	fl_buf_done(&p->config);
	free(p);
	slot->call = NULL;
}

static int init(struct fl_etcd_slot *slot, struct fl_etcd_session *session)
{
	struct shared *shared = session->shared;
	struct pair *p = calloc(1, sizeof(*p));
	int r = p ? 0 : -ENOMEM;

	slot->call = p;
	for (int i = 0; r == 0 && i < APIS; i++) {
		p->halves[i] = (struct half){.slot = {.ops = &half_ops}, .pair = p, .api = i};
		r = apis[i]->init(&p->halves[i].slot, &shared->sessions[i]);
	}
	if (r < 0) {
		done(slot);
		return r;
	}
	p->slot = slot;
	p->shared = shared;
	return 0;
}

static void close_both(struct fl_etcd_session *session)
{
	struct shared *shared = session->shared;

	for (int i = 0; shared && i < APIS; i++)
		if (apis[i]->close)
			apis[i]->close(&shared->sessions[i]);
	free(shared);
	session->shared = NULL;
}

static int open_both(struct fl_etcd_session *session)
{
	struct shared *shared = calloc(1, sizeof(*shared));
	int r = shared ? 0 : -ENOMEM;

	for (int i = 0; r == 0 && i < APIS; i++) {
		shared->sessions[i] = *session;
		r = apis[i]->open ? apis[i]->open(&shared->sessions[i]) : 0;
	}
	session->shared = shared;
	if (r < 0)
		close_both(session);
	else
		shared->chosen = -1;
	return r;
}

static bool writes_ipv6(const struct fl_etcd_session *session)
{
	const struct shared *shared = session->shared;

	return shared->chosen != V2;
}

static bool watches_blindly(const struct fl_etcd_session *session)
{
	return !writes_ipv6(session); /* v2 */
}

const struct fl_etcd_api fl_etcd_auto_api = {
	.open = open_both,
	.close = close_both,
	.writes_ipv6 = writes_ipv6,
	.watches_blindly = watches_blindly,
	.init = init,
	.start = start,
	.cancel = cancel,
	.done = done,
};
