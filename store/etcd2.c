/* store/etcd2.c - etcd's v2 API: HTTP and JSON, one request after the other. */
#include "store/etcd2.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/defs.h"
#include "base/parse.h"
#include "io/http.h"
#include "lease.h"
#include "store/etcd2_decode.h"

/* An answer about one key holds it as it is and as it was: 1.5 MiB each by etcd's default limit,
 * and JSON may take six bytes for one. */
#define ANSWER_MAX ((size_t)20 << 20)

/* etcd's error codes (server/etcdserver/api/v2error) */
#define CODE_KEY_NOT_FOUND 100
#define CODE_TEST_FAILED   101
#define CODE_NODE_EXISTS   105
#define CODE_UNAUTHORIZED  110
#define CODE_CLEARED	   401

struct call {
	struct fl_etcd_slot *slot;
	struct fl_http_req http;
	struct fl_etcd2_decoder decoder;
	const char *prefix; /* borrowed */
	enum fl_etcd_verb verb;
	uint64_t cluster;      /* X-Etcd-Cluster-Id of the answer; 0: none yet */
	uint64_t index;	       /* watch: what we know already */
	uint64_t header_index; /* X-Etcd-Index of the answer; 0: none yet */
	bool begin_bounded;
	bool went_back; /* the store is older than what we know: restored, or a member behind */
	struct fl_buf url;
	struct fl_buf body;
	char why[320];
};

/* ---- answers ---- */

/* What is behind PREFIX/subnets/ in @p key; NULL if it is not below it. */
static const char *below_subnets(const struct call *c, const char *key)
{
	size_t len = strlen(c->prefix);
	const char *folder = "/subnets/";

	if (strncmp(key, c->prefix, len) != 0 || strncmp(key + len, folder, strlen(folder)) != 0)
		return NULL;
	return key + len + strlen(folder);
}

static void give_entry(struct call *c, const char *key, const struct fl_etcd2_node *n, bool gone)
{
	struct fl_etcd_entry e = {
		.key = key,
		.value = n->value.data ? n->value.data : "",
		.value_len = n->value.len,
		.index = n->index,
		.ttl_s = n->expires ? n->ttl_s : FL_ETCD_FOREVER,
		.gone = gone,
	};

	if (n->dir)
		e.flaw = "a folder";
	else if (n->too_long)
		e.flaw = "a value that is too long";
	else if (!n->has_value && !gone)
		e.flaw = "no value";
	c->slot->ops->entry(c->slot, &e);
}

static void on_child(struct fl_etcd2_decoder *d, const struct fl_etcd2_node *child)
{
	struct call *c = fl_container_of(d, struct call, decoder);
	const char *key = below_subnets(c, child->key.data);

	if (c->verb == FL_ETCD_LIST && c->http.status == 200)
		give_entry(c, key ? key : child->key.data, child, false);
}

static int on_header(struct fl_http_req *req, const char *name, const char *value)
{
	struct call *c = fl_container_of(req, struct call, http);
	uint64_t index;

	if (strcasecmp(name, "X-Etcd-Cluster-Id") == 0)
		c->cluster = strtoull(value, NULL, 16);
	if (strcasecmp(name, "X-Etcd-Index") != 0 || fl_parse_u64(value, 1, INT64_MAX, &index) < 0)
		return 0;
	c->header_index = index;
	/* etcd would be silent until it gets past our index, and we would miss what it does on the
	 * way there. */
	c->went_back = c->verb == FL_ETCD_WATCH && index < c->index;
	if (c->went_back)
		return -ECANCELED;
	if (c->verb == FL_ETCD_WATCH && req->status == 200)
		c->slot->ops->accepted(c->slot, c->cluster);
	return 0;
}

static int on_body(struct fl_http_req *req, const char *bytes, size_t len)
{
	struct call *c = fl_container_of(req, struct call, http);

	return fl_etcd2_decoder_feed(&c->decoder, bytes, len);
}

static enum fl_etcd_outcome failed(struct call *c, const char *why)
{
	(void)snprintf(c->why, sizeof(c->why), "%s", why);
	return FL_ETCD_FAILED;
}

/* etcd said no, in its own words. */
static enum fl_etcd_outcome refusal(struct call *c, long status)
{
	const struct fl_etcd2_decoder *d = &c->decoder;

	(void)snprintf(c->why, sizeof(c->why), "etcd says: %s%s%s%s (HTTP %ld)",
		       *d->message ? d->message : "no", *d->cause ? " (" : "", d->cause,
		       *d->cause ? ")" : "", status);
	if (status == 401 || status == 403 || d->error_code == CODE_UNAUTHORIZED)
		return FL_ETCD_DENIED;
	switch (d->error_code) {
	case CODE_KEY_NOT_FOUND:
		return status == 404 ? FL_ETCD_MISSING : FL_ETCD_FAILED;
	case CODE_TEST_FAILED:
	case CODE_NODE_EXISTS:
		return status == 412 ? FL_ETCD_CONFLICT : FL_ETCD_FAILED;
	case CODE_CLEARED:
		return c->verb == FL_ETCD_WATCH ? FL_ETCD_CLEARED : FL_ETCD_FAILED;
	default:
		return FL_ETCD_FAILED;
	}
}

static enum fl_etcd_outcome event(struct call *c)
{
	static const char *const puts[] = {"set", "create", "update", "compareAndSwap"};
	static const char *const takes[] = {"delete", "expire", "compareAndDelete"};
	const struct fl_etcd2_decoder *d = &c->decoder;
	const char *key = below_subnets(c, d->node.key.data);
	bool put = false, gone = false;

	for (size_t i = 0; i < FL_ARRAY_SIZE(puts); i++)
		put = put || strcmp(d->action, puts[i]) == 0;
	for (size_t i = 0; i < FL_ARRAY_SIZE(takes); i++)
		gone = gone || strcmp(d->action, takes[i]) == 0;
	if (!put && !gone)
		return failed(c, "an event of an unknown kind");
	/* The folder itself, or one above it: whatever was in it may be gone. */
	if (!key || (d->node.dir && gone))
		return FL_ETCD_CLEARED;
	give_entry(c, key, &d->node, gone);
	return FL_ETCD_OK;
}

/* A whole document with "node". */
static enum fl_etcd_outcome success(struct call *c)
{
	const struct fl_etcd2_node *n = &c->decoder.node;
	const char *key = below_subnets(c, n->key.data);

	switch (c->verb) {
	case FL_ETCD_LIST:
		if (!n->dir)
			return failed(c, "PREFIX/subnets is not a folder");
		return c->header_index ? FL_ETCD_OK : failed(c, "no X-Etcd-Index");
	case FL_ETCD_WATCH:
		return event(c);
	case FL_ETCD_GET_CONFIG:
		if (n->dir || n->too_long || !n->has_value)
			return failed(c, n->dir ? "PREFIX/config is a folder"
						: "PREFIX/config has no value, or one too long");
		give_entry(c, "config", n, false);
		return FL_ETCD_OK;
	case FL_ETCD_GET:
		give_entry(c, key ? key : n->key.data, n, false);
		return FL_ETCD_OK;
	case FL_ETCD_REFRESH:
		give_entry(c, key ? key : n->key.data, n, false);
		break;
	default:
		break;
	}
	return n->index ? FL_ETCD_OK : failed(c, "no modifiedIndex");
}

static enum fl_etcd_outcome not_etcd(struct call *c, long status)
{
	(void)snprintf(c->why, sizeof(c->why), "HTTP %ld, %s%s", status, c->decoder.json.why,
		       status == 404 ? "; is the v2 API enabled (--enable-v2)?" : "");
	if (status == 404)
		return FL_ETCD_ABSENT;
	return status == 401 || status == 403 ? FL_ETCD_DENIED : FL_ETCD_FAILED;
}

/* The poll was cut short, by a balancer that does not like idle connections, or by etcd as it
 * stops. The header tells the store's index, which may be beyond an event that was on its way to
 * us. */
static enum fl_etcd_outcome cut_short(struct call *c)
{
	c->header_index = 0;
	return FL_ETCD_QUIET;
}

/* A watch ran into our bound. An event that etcd knew already follows the headers at once, and the
 * kernel probes the connection; so with the headers there, nothing happened up to their index. */
static enum fl_etcd_outcome timed_out(struct call *c, const struct fl_http_result *res)
{
	if (res->status == 0)
		return c->begin_bounded ? FL_ETCD_SILENT : FL_ETCD_QUIET;
	return res->status == 200 ? FL_ETCD_QUIET : failed(c, res->why);
}

static enum fl_etcd_outcome answered(struct call *c, long status)
{
	int r = fl_etcd2_decoder_finish(&c->decoder);

	if (r == -ENODATA && c->verb == FL_ETCD_WATCH && status == 200)
		return cut_short(c);
	if (r < 0)
		return not_etcd(c, status);
	/* Without a code: a refusal of credentials is {"message":"Insufficient credentials"}. */
	if (c->decoder.error_code != 0 || status == 401 || status == 403)
		return refusal(c, status);
	if (!c->decoder.has_node || (status != 200 && status != 201)) {
		(void)snprintf(c->why, sizeof(c->why), "HTTP %ld, no answer of etcd's v2 API",
			       status);
		return FL_ETCD_FAILED;
	}
	return success(c);
}

static enum fl_etcd_outcome broken(struct call *c, const struct fl_http_result *res)
{
	if (c->went_back)
		return FL_ETCD_CLEARED;
	if (c->verb == FL_ETCD_WATCH && !c->decoder.json.seen_any) {
		if (res->error == -ETIMEDOUT)
			return timed_out(c, res);
		if ((res->error == -EPROTO || res->error == -ECONNRESET) && res->status == 200)
			return cut_short(c);
	}
	if (res->error == -ECANCELED)
		return not_etcd(c, res->status);
	return failed(c, res->why);
}

static void on_done(struct fl_http_req *req, const struct fl_http_result *res)
{
	struct call *c = fl_container_of(req, struct call, http);
	struct fl_etcd_result r = {.ttl_s = FL_ETCD_FOREVER};

	c->why[0] = '\0';
	r.outcome = res->error == 0 ? answered(c, res->status) : broken(c, res);
	r.why = c->why;
	r.index = c->header_index;
	r.cluster = c->cluster;
	if (r.outcome == FL_ETCD_MISSING && r.index == 0)
		r.outcome = failed(c, "no X-Etcd-Index");
	if (c->verb == FL_ETCD_WATCH)
		r.newest = c->header_index;
	if (r.outcome == FL_ETCD_OK && c->verb != FL_ETCD_LIST) {
		r.index = c->decoder.node.index;
		r.ttl_s = c->decoder.node.expires ? c->decoder.node.ttl_s : FL_ETCD_FOREVER;
	}
	c->slot->ops->done(c->slot, &r);
}

static const struct fl_http_ops http_ops = {.header = on_header, .body = on_body, .done = on_done};

/* ---- requests ---- */

static void put_path(struct fl_buf *url, const char *path)
{
	char part[FL_ETCD_PREFIX_MAX];

	while (*path) {
		size_t len = strcspn(++path, "/");

		(void)snprintf(part, sizeof(part), "%.*s", (int)len, path);
		fl_buf_puts(url, "/");
		fl_buf_urlencode(url, part);
		path += len;
	}
}

static void put_url(struct call *c, const char *endpoint, const struct fl_etcd_request *req)
{
	const bool of_config = req->config || req->verb == FL_ETCD_GET_CONFIG;

	fl_buf_reset(&c->url);
	fl_buf_printf(&c->url, "%s/v2/keys", endpoint);
	put_path(&c->url, c->prefix);
	fl_buf_puts(&c->url, of_config ? "/config" : "/subnets");
	if (!of_config && req->verb != FL_ETCD_LIST && req->verb != FL_ETCD_WATCH) {
		fl_buf_puts(&c->url, "/");
		fl_buf_urlencode(&c->url, req->key);
	}
	switch (req->verb) {
	case FL_ETCD_GET_CONFIG:
	case FL_ETCD_GET:
		fl_buf_puts(&c->url, "?quorum=true");
		break;
	case FL_ETCD_LIST:
		fl_buf_puts(&c->url, "?recursive=true&quorum=true");
		break;
	case FL_ETCD_CREATE:
		fl_buf_puts(&c->url, "?prevExist=false");
		break;
	case FL_ETCD_UPDATE:
	case FL_ETCD_REMOVE:
		fl_buf_printf(&c->url, "?prevIndex=%" PRIu64, req->index);
		break;
	case FL_ETCD_REFRESH:
		fl_buf_printf(&c->url, "?prevIndex=%" PRIu64 "&refresh=true", req->index);
		break;
	case FL_ETCD_WATCH:
		fl_buf_printf(&c->url, "?wait=true&recursive=true&waitIndex=%" PRIu64,
			      req->index + 1);
		break;
	case FL_ETCD_VERSION:
		break;
	}
}

/* A form; without a ttl in it, PUT makes the key permanent. */
static void put_body(struct call *c, const struct fl_etcd_request *req)
{
	fl_buf_reset(&c->body);
	if (req->verb == FL_ETCD_CREATE || req->verb == FL_ETCD_UPDATE) {
		fl_buf_puts(&c->body, "value=");
		fl_buf_urlencode(&c->body, req->value);
	}
	if (req->ttl_s != FL_ETCD_FOREVER)
		fl_buf_printf(&c->body, "%sttl=%" PRId64, c->body.len ? "&" : "", req->ttl_s);
}

static int start(struct fl_etcd_slot *slot, const char *endpoint, const struct fl_etcd_request *req)
{
	static const char *const methods[] = {
		[FL_ETCD_GET_CONFIG] = "GET", [FL_ETCD_LIST] = "GET",	 [FL_ETCD_GET] = "GET",
		[FL_ETCD_CREATE] = "PUT",     [FL_ETCD_UPDATE] = "PUT",	 [FL_ETCD_REFRESH] = "PUT",
		[FL_ETCD_REMOVE] = "DELETE",  [FL_ETCD_VERSION] = "GET", [FL_ETCD_WATCH] = "GET",
	};
	struct call *c = slot->call;
	struct fl_http_spec spec = {
		.method = methods[req->verb],
		.timeout_ms = req->timeout_ms,
		.begin_timeout_ms = req->begin_timeout_ms,
		.max_body = req->verb == FL_ETCD_LIST ? 0 : ANSWER_MAX,
	};
	int r;

	if (req->verb == FL_ETCD_VERSION)
		return -EOPNOTSUPP;
	r = fl_etcd2_decoder_reset(&c->decoder, req->config || req->verb == FL_ETCD_GET_CONFIG
							? FL_ETCD_CONFIG_MAX
							: FL_LEASE_VALUE_MAX);
	if (r < 0)
		return r;
	put_url(c, endpoint, req);
	put_body(c, req);
	if (c->url.error != 0 || c->body.error != 0)
		return -ENOMEM;
	c->verb = req->verb;
	c->index = req->index;
	c->header_index = 0;
	c->cluster = 0;
	c->begin_bounded = req->begin_timeout_ms > 0;
	c->went_back = false;
	spec.url = c->url.data;
	spec.body = strcmp(spec.method, "PUT") == 0 ? c->body.data : NULL;
	return fl_http_req_start(&c->http, &spec);
}

static void cancel(struct fl_etcd_slot *slot)
{
	struct call *c = slot->call;

	if (c)
		fl_http_req_cancel(&c->http);
}

static int init(struct fl_etcd_slot *slot, struct fl_etcd_session *session)
{
	struct call *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	fl_http_req_init(&c->http, session->http, &http_ops);
	c->slot = slot;
	c->prefix = session->prefix;
	fl_etcd2_decoder_init(&c->decoder, on_child);
	slot->call = c;
	return 0;
}

static void done(struct fl_etcd_slot *slot)
{
	struct call *c = slot->call;

	if (!c)
		return;
	fl_http_req_done(&c->http);
	fl_etcd2_decoder_done(&c->decoder);
	fl_buf_done(&c->url);
	fl_buf_done(&c->body);
	free(c);
	slot->call = NULL;
}

static bool watches_blindly(const struct fl_etcd_session *session)
{
	(void)session;
	return true;
}

const struct fl_etcd_api fl_etcd2_api = {
	.watches_blindly = watches_blindly,
	.init = init,
	.start = start,
	.cancel = cancel,
	.done = done,
};
