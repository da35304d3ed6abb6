/* store/etcd3_grpc.c - a listing over gRPC itself (HTTP/2 and protocol buffers), past etcd's
 * gateway, which takes 10 ms to put 1,000 leases into JSON. It is only a quicker way: whatever else
 * comes than the listing, the gateway is asked, and what that says counts.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/defs.h"
#include "base/log.h"
#include "base/parse.h"
#include "lease.h"
#include "store/etcd3_internal.h"

#define BEGIN_TIMEOUT_MS 3000u /* a server of HTTP/1 may be silent about what it does not know */

bool fl_etcd3_grpc_fits(const struct fl_etcd3_call *c)
{
	return c->step == FL_ETCD3_RANGE && c->req.verb == FL_ETCD_LIST && !c->by_gateway &&
	       c->shared->gateway_only != c->endpoint;
}

static void on_kv(struct fl_etcd3_proto *p, const struct fl_etcd3_kv *kv)
{
	struct fl_etcd3_call *c = fl_container_of(p, struct fl_etcd3_call, proto);

	if (c->http.running)
		fl_etcd3_give(c, kv, kv->lease ? FL_ETCD_SOMETIME : FL_ETCD_FOREVER);
}

int fl_etcd3_grpc_send(struct fl_etcd3_call *c, uint32_t timeout_ms)
{
	const char *headers[4] = {"Content-Type: application/grpc", "TE: trailers"};
	struct fl_http_spec spec = {
		.method = "POST",
		.timeout_ms = timeout_ms,
		.begin_timeout_ms = timeout_ms < BEGIN_TIMEOUT_MS ? timeout_ms : BEGIN_TIMEOUT_MS,
		.headers = headers,
		.anonymous = true,
		.http2 = true,
	};
	int r;

	fl_etcd3_proto_begin(&c->proto, on_kv, FL_LEASE_VALUE_MAX);
	headers[2] = fl_etcd3_authorization(c);
	fl_buf_reset(&c->url);
	fl_buf_printf(&c->url, "%s/etcdserverpb.KV/Range", c->endpoint);
	fl_buf_reset(&c->body);
	fl_etcd3_proto_put_range(&c->body, c->key, c->end);
	if (c->url.error != 0 || c->body.error != 0 || c->auth.error != 0)
		return -ENOMEM;
	spec.url = c->url.data;
	spec.body = c->body.data;
	spec.body_len = c->body.len;
	c->grpc = true;
	c->grpc_status = -1;
	r = fl_http_req_start(&c->http, &spec);
	c->grpc = r == 0;
	return r;
}

void fl_etcd3_grpc_header(struct fl_etcd3_call *c, const char *name, const char *value)
{
	uint64_t status;

	if (strcasecmp(name, "grpc-status") == 0 && fl_parse_u64(value, 0, 255, &status) == 0)
		c->grpc_status = (int)status;
}

/* Behind a message etcd has nothing but "ok" to say; libcurl 7.88 would not tell us of it before
 * its next timer. */
int fl_etcd3_grpc_body(struct fl_etcd3_call *c, const char *bytes, size_t len)
{
	int r = c->http.status == 200 ? fl_etcd3_proto_feed(&c->proto, bytes, len) : 0;

	return r == 0 && fl_etcd3_proto_is_over(&c->proto) ? -ECANCELED : r;
}

static bool is_whole(struct fl_etcd3_call *c, const struct fl_http_result *res)
{
	return res->status == 200 && c->grpc_status <= 0 && fl_etcd3_proto_finish(&c->proto) == 0;
}

/* Nobody there, or not who it should be: the gateway is behind the same port. */
static bool is_unreachable(const struct fl_http_result *res)
{
	return res->error == -ECONNREFUSED || res->error == -EHOSTUNREACH ||
	       res->error == -EHOSTDOWN || res->error == -EKEYREJECTED;
}

void fl_etcd3_grpc_done(struct fl_etcd3_call *c, const struct fl_http_result *res)
{
	c->grpc = false;
	if (is_whole(c, res)) {
		c->result.cluster = c->proto.cluster;
		c->result.index = c->proto.revision;
		fl_debug("etcd", "%s: %u keys listed over gRPC", c->endpoint, c->proto.kvs);
		fl_etcd3_end(c, FL_ETCD_OK);
		return;
	}
	if (is_unreachable(res)) {
		fl_etcd3_end_why(c, FL_ETCD_FAILED, res->why);
		return;
	}
	fl_debug("etcd", "%s: no listing over gRPC: %s (HTTP %ld, status %d); asking the gateway",
		 c->endpoint, res->error != 0 ? res->why : c->proto.why, res->status,
		 c->grpc_status);
	if (c->grpc_status <= 0)
		c->shared->gateway_only = c->endpoint;
	if (c->proto.kvs > 0) {
		fl_etcd3_end_why(c, FL_ETCD_FAILED, "the listing has broken off");
		return;
	}
	c->by_gateway = true;
	fl_etcd3_go(c, FL_ETCD3_RANGE);
}
