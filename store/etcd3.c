/* store/etcd3.c - etcd's v3 API over its JSON gateway: the exchanges, and what comes of them. */
#include "store/etcd3.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/defs.h"
#include "lease.h"
#include "store/etcd3_internal.h"
#include "store/etcd3_put.h"

/* An answer about one key: 1.5 MiB by etcd's default limit, as base64. */
#define ANSWER_MAX ((size_t)4 << 20)

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

/* ---- results ---- */

void fl_etcd3_end(struct fl_etcd3_call *c, enum fl_etcd_outcome outcome)
{
	c->result.outcome = outcome;
	c->result.why = c->why;
	c->slot->ops->done(c->slot, &c->result);
}

void fl_etcd3_end_why(struct fl_etcd3_call *c, enum fl_etcd_outcome outcome, const char *why)
{
	(void)snprintf(c->why, sizeof(c->why), "%s", why);
	fl_etcd3_end(c, outcome);
}

/* The last component; the whole key if it is not below PREFIX/subnets/. */
static const char *last_component(const struct fl_etcd3_call *c, const char *key)
{
	size_t len = strlen(c->session->prefix);
	const char *folder = "/subnets/";

	if (strncmp(key, c->session->prefix, len) != 0 ||
	    strncmp(key + len, folder, strlen(folder)) != 0)
		return key;
	return key + len + strlen(folder);
}

void fl_etcd3_give(struct fl_etcd3_call *c, const struct fl_etcd3_kv *kv, int64_t ttl_s)
{
	const struct fl_etcd_entry e = {
		.key = c->req.verb == FL_ETCD_GET_CONFIG ? "config"
							 : last_component(c, kv->key.data),
		.value = kv->value.data,
		.value_len = kv->value.len,
		.index = kv->mod_revision,
		.lease = (uint64_t)kv->lease,
		.ttl_s = ttl_s,
		.flaw = kv->too_long	? "a value that is too long"
			: kv->no_base64 ? "a value that is not base64"
					: NULL,
		.gone = kv->gone,
	};

	c->slot->ops->entry(c->slot, &e);
}

/* ---- answers as they stream in ---- */

static bool keep(struct fl_buf *to, const struct fl_buf *from)
{
	fl_buf_reset(to);
	fl_buf_append(to, from->data, from->len);
	return to->error == 0;
}

/* What a GET finds is given once its TTL is known, and the config once its answer is whole. */
static void on_kv(struct fl_etcd3_decoder *d, const struct fl_etcd3_kv *kv)
{
	struct fl_etcd3_call *c = fl_container_of(d, struct fl_etcd3_call, decoder);

	if (!c->http.running || c->stop || c->http.status != 200)
		return;
	if (c->step == FL_ETCD3_STREAM) {
		if (kv->mod_revision > c->told)
			c->told = kv->mod_revision;
		fl_etcd3_give(c, kv, kv->lease ? FL_ETCD_SOMETIME : FL_ETCD_FOREVER);
	} else if (c->step == FL_ETCD3_RANGE && c->req.verb == FL_ETCD_LIST) {
		fl_etcd3_give(c, kv, kv->lease ? FL_ETCD_SOMETIME : FL_ETCD_FOREVER);
	} else if (c->step == FL_ETCD3_RANGE) {
		c->found = *kv;
		if (!keep(&c->found_key, &kv->key) || !keep(&c->found_value, &kv->value))
			c->stop = true; /* ends as FAILED: out of memory */
		c->found.key = c->found_key;
		c->found.value = c->found_value;
	}
}

static void on_message(struct fl_etcd3_decoder *d, const struct fl_etcd3_message *m)
{
	struct fl_etcd3_call *c = fl_container_of(d, struct fl_etcd3_call, decoder);

	if (!c->http.running || c->stop)
		return;
	if (m->cluster)
		c->result.cluster = m->cluster;
	if (c->step == FL_ETCD3_STREAM)
		fl_etcd3_message(c, m);
	if (c->stop) /* what it says is still wanted: nothing more shall be parsed */
		(void)fl_etcd_json_fail(&d->json, -ECANCELED, "the watch has ended");
}

static const struct fl_etcd3_callbacks callbacks = {.kv = on_kv, .message = on_message};

static int on_header(struct fl_http_req *req, const char *name, const char *value)
{
	struct fl_etcd3_call *c = fl_container_of(req, struct fl_etcd3_call, http);

	if (c->grpc)
		fl_etcd3_grpc_header(c, name, value);
	return 0;
}

static int on_body(struct fl_http_req *req, const char *bytes, size_t len)
{
	struct fl_etcd3_call *c = fl_container_of(req, struct fl_etcd3_call, http);
	const size_t room = sizeof(c->head) - c->head_len, n = len < room ? len : room;
	int r;

	if (c->grpc)
		return fl_etcd3_grpc_body(c, bytes, len);
	r = fl_etcd3_decoder_feed(&c->decoder, bytes, len);
	memcpy(c->head + c->head_len, bytes, n);
	c->head_len += n;
	return c->stop ? -ECANCELED : r;
}

/* ---- the end of an exchange ---- */

/* No answer of the gateway at all. etcd 3.3 has it elsewhere. */
static void not_etcd(struct fl_etcd3_call *c, long status)
{
	if (status == 404 && !c->turned) {
		c->turned = true;
		c->shared->beta = !c->shared->beta;
		fl_etcd3_go(c, c->step);
		return;
	}
	if (status == 404) {
		c->shared->beta = false;
		fl_etcd3_end_why(c, FL_ETCD_ABSENT,
				 "HTTP 404: no v3 API with a JSON gateway (etcd 3.3 and newer)");
		return;
	}
	if (status != 200) {
		char words[sizeof(c->head)];

		while (c->head_len > 0 && strchr("\r\n", c->head[c->head_len - 1]))
			c->head_len--;
		(void)fl_etcd_json_words(words, sizeof(words), c->head, c->head_len);
		fl_etcd3_refused(c, 0, status, words);
		return;
	}
	fl_etcd3_end_why(c, FL_ETCD_FAILED, c->decoder.json.why);
}

/* The stream was cut short, by a balancer that does not like idle connections, or by etcd as it
 * stops. An event may have been on its way. */
static void cut_short(struct fl_etcd3_call *c)
{
	c->result.index = 0;
	fl_etcd3_end(c, FL_ETCD_QUIET);
}

/* A watch ran into our bound. What etcd knew when it began was told long ago, and the kernel probes
 * the connection. */
static void timed_out(struct fl_etcd3_call *c)
{
	if (!c->created) {
		fl_etcd3_end(c, c->req.begin_timeout_ms ? FL_ETCD_SILENT : FL_ETCD_QUIET);
		return;
	}
	c->result.index = c->told > c->created ? c->told : c->created;
	fl_etcd3_end(c, FL_ETCD_QUIET);
}

static void broken(struct fl_etcd3_call *c, const struct fl_http_result *res)
{
	bool stream = c->step == FL_ETCD3_STREAM;

	if (c->stop && stream)
		fl_etcd3_stopped(c);
	else if (c->stop)
		fl_etcd3_end_why(c, FL_ETCD_FAILED, "out of memory");
	else if (stream && res->error == -ETIMEDOUT && (res->status == 0 || c->created))
		timed_out(c);
	else if (stream && c->created && (res->error == -EPROTO || res->error == -ECONNRESET))
		cut_short(c);
	else if (res->error == -ECANCELED)
		not_etcd(c, res->status);
	else if (c->step == FL_ETCD3_TIDY_LOOK || c->step == FL_ETCD3_TIDY)
		fl_etcd3_end(c, FL_ETCD_OK); /* it will expire */
	else
		fl_etcd3_end_why(c, FL_ETCD_FAILED, res->why);
}

static void on_done(struct fl_http_req *req, const struct fl_http_result *res)
{
	struct fl_etcd3_call *c = fl_container_of(req, struct fl_etcd3_call, http);
	const struct fl_etcd3_message *m = &c->decoder.message;

	if (c->grpc) {
		fl_etcd3_grpc_done(c, res);
	} else if (res->error != 0) {
		broken(c, res);
	} else if (fl_etcd3_decoder_finish(&c->decoder) < 0) {
		not_etcd(c, res->status);
	} else if (m->is_error || res->status != 200) {
		fl_etcd3_refused(c, m->code, res->status, m->error);
	} else if (c->step == FL_ETCD3_STREAM) {
		cut_short(c);
	} else {
		fl_etcd3_answered(c);
	}
}

static const struct fl_http_ops http_ops = {.header = on_header, .body = on_body, .done = on_done};

/* ---- exchanges ---- */

static const char *const paths[] = {
	[FL_ETCD3_VERSION] = "/version",
	[FL_ETCD3_AUTHENTICATE] = "/auth/authenticate",
	[FL_ETCD3_RANGE] = "/kv/range",
	[FL_ETCD3_LOOK] = "/kv/lease/timetolive", /* 3.3 has it only there */
	[FL_ETCD3_KEEPALIVE] = "/lease/keepalive",
	[FL_ETCD3_GRANT] = "/lease/grant",
	[FL_ETCD3_TXN] = "/kv/txn",
	[FL_ETCD3_TIDY_LOOK] = "/kv/lease/timetolive",
	[FL_ETCD3_TIDY] = "/kv/lease/revoke",
	[FL_ETCD3_STREAM] = "/watch",
};

static void put_txn(struct fl_etcd3_call *c)
{
	const struct fl_etcd3_txn txn = {
		.key = c->key,
		.value = c->req.verb == FL_ETCD_REMOVE ? NULL : c->req.value,
		.lease = c->req.ttl_s == FL_ETCD_FOREVER ? 0 : c->result.lease,
		.mod_revision = c->req.verb == FL_ETCD_CREATE ? 0 : c->req.index,
	};

	fl_etcd3_put_txn(&c->body, &txn);
}

static void put_body(struct fl_etcd3_call *c)
{
	bool all = c->req.verb == FL_ETCD_LIST || c->req.verb == FL_ETCD_WATCH;

	fl_buf_reset(&c->body);
	switch (c->step) {
	case FL_ETCD3_VERSION:
		break;
	case FL_ETCD3_AUTHENTICATE:
		fl_etcd3_put_login(&c->body, c->session->username, c->session->password);
		break;
	case FL_ETCD3_RANGE:
		fl_etcd3_put_range(&c->body, c->key, all ? c->end : NULL);
		break;
	case FL_ETCD3_LOOK:
		fl_etcd3_put_lease(&c->body, (uint64_t)c->found.lease, false);
		break;
	case FL_ETCD3_KEEPALIVE:
		fl_etcd3_put_lease(&c->body, c->result.lease, false);
		break;
	case FL_ETCD3_GRANT:
		fl_etcd3_put_grant(&c->body, c->result.lease, c->req.ttl_s);
		break;
	case FL_ETCD3_TXN:
		put_txn(c);
		break;
	case FL_ETCD3_TIDY_LOOK:
	case FL_ETCD3_TIDY:
		fl_etcd3_put_lease(&c->body, c->left, c->step == FL_ETCD3_TIDY_LOOK);
		break;
	case FL_ETCD3_STREAM:
		fl_etcd3_put_watch(&c->body, c->key, c->end, c->req.index + 1);
		break;
	}
}

static uint32_t time_left_ms(const struct fl_etcd3_call *c)
{
	int64_t left = c->deadline_ms - now_ms();

	return left < 1 ? 1 : left < UINT32_MAX ? (uint32_t)left : UINT32_MAX;
}

const char *fl_etcd3_authorization(struct fl_etcd3_call *c)
{
	fl_buf_reset(&c->auth);
	if (!c->shared->token)
		return NULL;
	fl_buf_printf(&c->auth, "Authorization: %s", c->shared->token);
	return c->auth.data;
}

static int send_step(struct fl_etcd3_call *c)
{
	const bool stream = c->step == FL_ETCD3_STREAM, plain = c->step == FL_ETCD3_VERSION;
	const char *headers[4] = {"Content-Type: application/json"};
	size_t n = 1;
	struct fl_http_spec spec = {
		.method = plain ? "GET" : "POST",
		.timeout_ms = time_left_ms(c),
		.begin_timeout_ms = stream ? c->req.begin_timeout_ms : 0,
		.max_body = stream || c->req.verb == FL_ETCD_LIST ? 0 : ANSWER_MAX,
		.headers = headers,
		.anonymous = true,
	};
	int r = fl_etcd3_decoder_reset(&c->decoder,
				       c->req.config || c->req.verb == FL_ETCD_GET_CONFIG
					       ? FL_ETCD_CONFIG_MAX
					       : FL_LEASE_VALUE_MAX);

	if (r < 0)
		return r;
	if (fl_etcd3_grpc_fits(c) && fl_etcd3_grpc_send(c, spec.timeout_ms) == 0)
		return 0;
	/* A member that has lost the others would be silent for good. */
	if (stream)
		headers[n++] = "Grpc-Metadata-Hasleader: true";
	c->head_len = 0;
	fl_buf_reset(&c->auth);
	if (c->step != FL_ETCD3_AUTHENTICATE && !plain)
		headers[n++] = fl_etcd3_authorization(c);
	fl_buf_reset(&c->url);
	fl_buf_printf(&c->url, "%s%s%s", c->endpoint,
		      plain		? ""
		      : c->shared->beta ? "/v3beta"
					: "/v3",
		      paths[c->step]);
	put_body(c);
	if (c->url.error != 0 || c->body.error != 0 || c->auth.error != 0)
		return -ENOMEM;
	spec.url = c->url.data;
	spec.body = plain ? NULL : c->body.data;
	return fl_http_req_start(&c->http, &spec);
}

void fl_etcd3_go(struct fl_etcd3_call *c, enum fl_etcd3_step step)
{
	int r;

	c->step = step;
	r = send_step(c);
	if (r < 0)
		fl_etcd3_end_why(c, FL_ETCD_FAILED, strerror(-r));
}

/* ---- requests ---- */

static void put_keys(struct fl_etcd3_call *c)
{
	const char *prefix = c->session->prefix;

	(void)snprintf(c->end, sizeof(c->end), "%s/subnets0", prefix); /* '0' is behind '/' */
	if (c->req.config || c->req.verb == FL_ETCD_GET_CONFIG)
		(void)snprintf(c->key, sizeof(c->key), "%s/config", prefix);
	else
		(void)snprintf(c->key, sizeof(c->key), "%s/subnets/%s", prefix,
			       c->req.key ? c->req.key : "");
}

static int start(struct fl_etcd_slot *slot, const char *endpoint, const struct fl_etcd_request *req)
{
	struct fl_etcd3_call *c = slot->call;

	c->req = *req;
	c->endpoint = endpoint;
	c->deadline_ms = now_ms() + req->timeout_ms;
	c->result = (struct fl_etcd_result){.ttl_s = FL_ETCD_FOREVER, .lease = req->lease};
	c->left = 0;
	c->logged_in = c->regranted = c->turned = c->stop = false;
	c->by_gateway = c->grpc = false;
	c->told = req->index;
	c->created = 0;
	c->why[0] = '\0';
	put_keys(c);
	c->step = fl_etcd3_first_step(c);
	return send_step(c);
}

static void cancel(struct fl_etcd_slot *slot)
{
	struct fl_etcd3_call *c = slot->call;

	if (c)
		fl_http_req_cancel(&c->http);
}

static int init(struct fl_etcd_slot *slot, struct fl_etcd_session *session)
{
	struct fl_etcd3_call *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->slot = slot;
	c->session = session;
	c->shared = session->shared;
	fl_http_req_init(&c->http, session->http, &http_ops);
	fl_etcd3_decoder_init(&c->decoder, &callbacks);
	slot->call = c;
	return 0;
}

static void done(struct fl_etcd_slot *slot)
{
	struct fl_etcd3_call *c = slot->call;

	if (!c)
		return;
	fl_http_req_done(&c->http);
	fl_etcd3_decoder_done(&c->decoder);
	fl_etcd3_proto_done(&c->proto);
	if (c->body.data) /* it may have held the password */
		explicit_bzero(c->body.data, c->body.cap);
	fl_buf_done(&c->found_key);
	fl_buf_done(&c->found_value);
	fl_buf_done(&c->url);
	fl_buf_done(&c->body);
	fl_buf_done(&c->auth);
	free(c);
	slot->call = NULL;
}

static int open_shared(struct fl_etcd_session *session)
{
	session->shared = calloc(1, sizeof(struct fl_etcd3_shared));
	return session->shared ? 0 : -ENOMEM;
}

static void close_shared(struct fl_etcd_session *session)
{
	struct fl_etcd3_shared *shared = session->shared;

	if (shared)
		free(shared->token);
	free(shared);
	session->shared = NULL;
}

static bool writes_ipv6(const struct fl_etcd_session *session)
{
	(void)session;
	return true;
}

const struct fl_etcd_api fl_etcd3_api = {
	.open = open_shared,
	.close = close_shared,
	.writes_ipv6 = writes_ipv6,
	.init = init,
	.start = start,
	.cancel = cancel,
	.done = done,
};
