/* store/etcd_ask.c - questions to etcd whose answers are waited for, over either API. */
#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "io/http.h"
#include "store/ask.h"
#include "store/etcd2.h"
#include "store/etcd3.h"
#include "store/etcd_auto.h"
#include "store/etcd_internal.h"

#define TIMEOUT_MS 10000u

/* An entry of a listing, kept until all of them are there. */
struct item {
	struct item *next;
	struct fl_ask_entry entry; /* its strings and record are owned */
};

struct etcd_ask {
	struct fl_ask ask;
	struct ev_loop *loop;
	struct fl_http *http;
	struct fl_etcd_endpoints endpoints;
	size_t endpoint;
	const struct fl_etcd_api *api;
	struct fl_etcd_session session;
	struct fl_etcd_slot slot;
	char prefix[FL_ETCD_PREFIX_MAX];
	char place[FL_ETCD_PREFIX_MAX + 16];
	bool opened, settled; /* which API holds the config */
	/* the question that is under way */
	enum fl_etcd_verb verb;
	struct fl_etcd_result result;
	struct fl_buf config;
	uint64_t config_index;
	struct item *items;
	size_t n_items;
	bool starved;
};

static struct etcd_ask *of(struct fl_ask *a)
{
	return fl_container_of(a, struct etcd_ask, ask);
}

/* ---- answers ---- */

static void free_items(struct etcd_ask *a)
{
	struct item *i;

	while ((i = a->items)) {
		a->items = i->next;
		fl_lease_record_free((struct fl_lease_record *)i->entry.rec);
		free((char *)i->entry.key);
		free((char *)i->entry.fault);
		free((char *)i->entry.value);
		free(i);
	}
	a->n_items = 0;
}

static int fill(struct item *i, const struct fl_etcd_entry *e)
{
	struct fl_lease_record *rec = NULL;
	char *why = NULL;
	int r = -EINVAL;

	if (e->flaw)
		why = strdup(e->flaw);
	else
		r = fl_lease_decode(e->key, e->value, e->value_len, &rec, &why);
	i->entry = (struct fl_ask_entry){
		.key = strdup(e->key),
		.rec = rec,
		.fault = rec ? strdup("") : why,
		.value = e->flaw ? NULL : strndup(e->value, e->value_len),
		.index = e->index,
		.etcd_lease = e->lease,
		.ttl_s = e->ttl_s,
	};
	return r == -ENOMEM || !i->entry.key || !i->entry.fault || (!e->flaw && !i->entry.value)
		       ? -ENOMEM
		       : 0;
}

static void on_entry(struct fl_etcd_slot *slot, const struct fl_etcd_entry *e)
{
	struct etcd_ask *a = fl_container_of(slot, struct etcd_ask, slot);
	struct item *i;

	if (a->verb == FL_ETCD_GET_CONFIG) {
		fl_buf_reset(&a->config);
		fl_buf_append(&a->config, e->value, e->value_len);
		a->config_index = e->index;
	}
	if (a->verb != FL_ETCD_LIST)
		return;
	i = calloc(1, sizeof(*i));
	if (!i || fill(i, e) < 0)
		a->starved = true;
	if (!i)
		return;
	i->next = a->items;
	a->items = i;
	a->n_items++;
}

static void on_nothing(struct fl_etcd_slot *slot, uint64_t number)
{
	(void)slot;
	(void)number;
}

static void on_done(struct fl_etcd_slot *slot, const struct fl_etcd_result *res)
{
	struct etcd_ask *a = fl_container_of(slot, struct etcd_ask, slot);

	a->result = *res;
	(void)snprintf(a->ask.why, sizeof(a->ask.why), "%.180s: %.300s",
		       a->endpoints.items[a->endpoint].url, res->why);
	ev_break(a->loop, EVBREAK_ONE);
}

static const struct fl_etcd_slot_ops slot_ops = {
	.accepted = on_nothing, .progress = on_nothing, .entry = on_entry, .done = on_done};

/* ---- questions ---- */

static int fail(struct etcd_ask *a, int error, const char *text)
{
	(void)snprintf(a->ask.why, sizeof(a->ask.why), "%s", text);
	return error;
}

/* One endpoint. @return 0 if it has given an answer of use, also an unwelcome one */
static int ask_one(struct etcd_ask *a, const struct fl_etcd_request *req)
{
	const char *url = a->endpoints.items[a->endpoint].url;
	int r;

	free_items(a);
	a->starved = false;
	r = a->api->start(&a->slot, url, req);
	if (r < 0)
		return fail(a, r, strerror(-r));
	ev_run(a->loop, 0);
	if (a->starved)
		return fail(a, -ENOMEM, strerror(ENOMEM));
	if (a->result.outcome == FL_ETCD_DENIED)
		return -EACCES;
	return a->result.outcome > FL_ETCD_DENIED ? -EHOSTUNREACH : 0;
}

static int outcome(struct etcd_ask *a, const struct fl_etcd_request *req)
{
	if (a->result.outcome == FL_ETCD_MISSING)
		return fail(a, -ENOENT,
			    req->verb == FL_ETCD_GET_CONFIG ? "there is no network config"
							    : "it is not there");
	if (a->result.outcome == FL_ETCD_CONFLICT)
		return fail(a, -ESTALE, "somebody else has changed it meanwhile");
	return 0;
}

static int ask(struct etcd_ask *a, struct fl_etcd_request *req)
{
	int r = -EHOSTUNREACH;

	req->timeout_ms = TIMEOUT_MS;
	a->verb = req->verb;
	for (size_t i = 0; i < a->endpoints.count && (r == -EHOSTUNREACH || r == -EACCES); i++) {
		a->endpoint = (a->endpoint + (i > 0)) % a->endpoints.count;
		r = ask_one(a, req);
	}
	return r < 0 ? r : outcome(a, req);
}

static int get_config(struct etcd_ask *a)
{
	struct fl_etcd_request req = {.verb = FL_ETCD_GET_CONFIG, .ttl_s = FL_ETCD_FOREVER};
	int r = ask(a, &req);

	a->settled = a->settled || r == 0;
	return r;
}

/* Of two APIs, the one that holds the config is meant. */
static int settle(struct etcd_ask *a)
{
	int r = a->settled ? 0 : get_config(a);

	if (r != -ENOENT)
		return r;
	return fail(a, -ENOENT,
		    "neither API of etcd holds a network config: --etcd-api=3 (flannel 0.18 and "
		    "newer) or --etcd-api=2 (flannel 0.11) says which is meant");
}

static int config(struct fl_ask *ask_, struct fl_buf *ret, uint64_t *index)
{
	struct etcd_ask *a = of(ask_);
	int r = get_config(a);

	if (r < 0)
		return r;
	fl_buf_append(ret, a->config.data, a->config.len);
	fl_buf_puts(ret, "");
	*index = a->config_index;
	return ret->error ? ret->error : a->config.error;
}

static int by_subnet(const void *a, const void *b)
{
	const struct fl_ask_entry *const *x = a, *const *y = b;
	int r = fl_ask_order((*x)->rec, (*y)->rec);

	return r ? r : strcmp((*x)->key, (*y)->key);
}

/* etcd lists as it likes, the v2 API in another order each time. */
static int tell(const struct etcd_ask *a, fl_ask_entry_cb cb, void *owner)
{
	const struct fl_ask_entry **all = calloc(a->n_items + 1, sizeof(const void *));
	size_t n = 0;
	int r = 0;

	if (!all)
		return -ENOMEM;
	for (const struct item *i = a->items; i; i = i->next)
		all[n++] = &i->entry;
	if (n > 1)
		qsort(all, n, sizeof(const void *), by_subnet);
	for (size_t i = 0; i < n && r == 0; i++)
		r = cb(owner, all[i]);
	free(all);
	return r;
}

static int leases(struct fl_ask *ask_, fl_ask_entry_cb cb, void *owner)
{
	struct fl_etcd_request req = {.verb = FL_ETCD_LIST, .ttl_s = FL_ETCD_FOREVER};
	struct etcd_ask *a = of(ask_);
	int r = settle(a);

	if (r == 0)
		r = ask(a, &req);
	if (r == -ENOENT && a->settled) /* no folder: nobody has come yet */
		r = 0;
	if (r == 0)
		r = tell(a, cb, owner);
	free_items(a);
	return r;
}

static int put_config(struct fl_ask *ask_, const char *text, uint64_t index)
{
	struct fl_etcd_request req = {
		.verb = index ? FL_ETCD_UPDATE : FL_ETCD_CREATE,
		.config = true,
		.value = text,
		.ttl_s = FL_ETCD_FOREVER,
		.index = index,
	};
	struct etcd_ask *a = of(ask_);
	int r = settle(a);

	return r < 0 ? r : ask(a, &req);
}

static int put_lease(struct fl_ask *ask_, const struct fl_ask_entry *e)
{
	struct etcd_ask *a = of(ask_);
	struct fl_etcd_request req = {
		.verb = e->index ? FL_ETCD_UPDATE : FL_ETCD_CREATE,
		.key = e->key,
		.ttl_s = e->ttl_s,
		.index = e->index,
	};
	char *value;
	int r = settle(a);

	if (r < 0)
		return r;
	value = e->value ? strdup(e->value)
			 : fl_lease_encode(&e->rec->lease,
					   a->api->writes_ipv6 && a->api->writes_ipv6(&a->session));
	if (!value)
		return fail(a, -ENOMEM, strerror(ENOMEM));
	req.value = value;
	r = ask(a, &req);
	free(value);
	return r;
}

static int remove_lease(struct fl_ask *ask_, const struct fl_ask_entry *e)
{
	struct fl_etcd_request req = {
		.verb = FL_ETCD_REMOVE,
		.key = e->key,
		.ttl_s = FL_ETCD_FOREVER,
		.index = e->index,
		.lease = e->etcd_lease,
	};
	struct etcd_ask *a = of(ask_);
	int r = settle(a);

	return r < 0 ? r : ask(a, &req);
}

/* ---- life ---- */

static void etcd_close(struct fl_ask *ask_)
{
	struct etcd_ask *a = of(ask_);

	free_items(a);
	a->api->done(&a->slot);
	if (a->opened && a->api->close)
		a->api->close(&a->session);
	fl_http_destroy(a->http);
	fl_etcd_endpoints_done(&a->endpoints);
	fl_buf_done(&a->config);
	free(a);
}

static const struct fl_ask_ops ops = {
	.config = config,
	.leases = leases,
	.put_config = put_config,
	.put_lease = put_lease,
	.remove = remove_lease,
	.close = etcd_close,
};

static int open_session(struct etcd_ask *a, const struct fl_store_conf *conf)
{
	struct fl_http_conf http;
	int r;

	fl_etcd_http_conf(conf, &http);
	r = fl_http_create(a->loop, &http, &a->http);
	if (r < 0)
		return r;
	a->session = (struct fl_etcd_session){
		.http = a->http,
		.prefix = a->prefix,
		.username = conf->username ? conf->username : "",
		.password = conf->password ? conf->password : "",
	};
	r = a->api->open ? a->api->open(&a->session) : 0;
	a->opened = r == 0;
	return r < 0 ? r : a->api->init(&a->slot, &a->session);
}

int fl_etcd_ask_open(const struct fl_store_conf *conf, struct fl_ask **ret, char **why)
{
	struct etcd_ask *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	a->ask.ops = &ops;
	a->ask.place = a->place;
	a->loop = ev_default_loop(0);
	a->api = fl_etcd_api_of(conf);
	a->settled = conf->etcd_api != 0;
	a->slot.ops = &slot_ops;
	r = a->loop ? fl_etcd_conf_check(conf, why) : -ENOMEM;
	if (r == 0)
		r = fl_etcd_prefix_parse(conf->prefix, a->prefix, why);
	if (r == 0)
		r = fl_etcd_endpoints_parse(conf->endpoints, &a->endpoints, why);
	if (r == 0)
		r = open_session(a, conf);
	if (r < 0) {
		etcd_close(&a->ask);
		return r;
	}
	(void)snprintf(a->place, sizeof(a->place), "%s/config", a->prefix);
	*ret = &a->ask;
	return 0;
}
