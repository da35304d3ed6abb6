/* core/daemon_health.c - health, readiness and metrics of the daemon, over HTTP. */
#include "daemon_health.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "daemon_internal.h"
#include "io/httpd.h"
#include "overlay.h"
#include "peer_filter.h"

#define TYPE_JSON    "application/json"
#define TYPE_TEXT    "text/plain; charset=utf-8"
#define TYPE_METRICS "text/plain; version=0.0.4; charset=utf-8"

struct health {
	struct daemon *d;
	struct fl_httpd *tcp;
	struct fl_httpd_listener tcp_listener;
};

/* ---- what is true ---- */

static const enum fl_status_stage stages[] = {
	[STAGE_CONFIG] = FL_STATUS_CONFIG,     [STAGE_PREPARE] = FL_STATUS_BACKEND,
	[STAGE_ACQUIRE] = FL_STATUS_LEASE,     [STAGE_UP] = FL_STATUS_DEVICE,
	[STAGE_RULES] = FL_STATUS_RULES,       [STAGE_READY] = FL_STATUS_RUNNING,
	[STAGE_STOPPING] = FL_STATUS_STOPPING,
};

void daemon_status(const struct daemon *d, struct fl_status *ret)
{
	*ret = (struct fl_status){
		.now_s = ev_now(d->loop),
		.started_s = d->started_s,
		.stage = stages[d->stage],
		.backend = d->ops ? d->ops->name : NULL,
		.subnet = d->subnet,
		.extif = &d->iface.extif,
		.store = {.waiting = ""},
		.rules = d->rules,
		.rules_why = d->rules_why,
		.counters = d->env.counters,
		.n_counters = d->env.n_counters,
		.filters = d->peer_filter != NULL,
		.kept_out = fl_peer_filter_dropped(d->peer_filter),
	};
	if (d->has_netconf)
		ret->network = d->netconf.network;
	if (d->backend)
		ret->mtu = d->ops->mtu(d->backend, d->iface.extif.mtu);
	if (d->store)
		fl_store_stats(d->store, &ret->store);
	if (d->overlay)
		fl_overlay_stats(d->overlay, &ret->overlay);
}

/* ---- answers ---- */

/* That it comes says all: the loop turns. */
static void answer_healthz(struct health *h, struct fl_httpd_req *req)
{
	struct fl_buf body = {0};

	(void)h;
	fl_buf_puts(&body, "ok\n");
	fl_httpd_reply(req, 200, TYPE_TEXT, &body);
}

static void answer_readyz(struct health *h, struct fl_httpd_req *req)
{
	struct fl_buf body = {0};
	struct fl_status s;
	bool ready;

	daemon_status(h->d, &s);
	ready = fl_status_put_ready(&s, &body);
	fl_httpd_reply(req, ready ? 200 : 503, TYPE_JSON, &body);
}

static void answer_metrics(struct health *h, struct fl_httpd_req *req)
{
	struct fl_buf body = {0};
	struct fl_status s;

	daemon_status(h->d, &s);
	fl_status_put_metrics(&s, &body);
	fl_httpd_reply(req, 200, TYPE_METRICS, &body);
}

static const struct {
	const char *path;
	void (*answer)(struct health *h, struct fl_httpd_req *req);
} pages[] = {
	{"/healthz", answer_healthz},
	{"/readyz", answer_readyz},
	{"/metrics", answer_metrics},
};

static void on_tcp_request(struct fl_httpd_listener *l, struct fl_httpd_req *req, const char *path)
{
	struct health *h = fl_container_of(l, struct health, tcp_listener);

	for (size_t i = 0; i < FL_ARRAY_SIZE(pages); i++)
		if (strcmp(path, pages[i].path) == 0)
			pages[i].answer(h, req);
}

/* ---- life ---- */

static int open_tcp(struct health *h, const struct fl_options *o)
{
	struct fl_addr ip;
	int r = fl_addr_parse(o->healthz_ip, &ip), fd = -1;

	if (r == 0)
		fd = fl_httpd_listen_tcp(&ip, (uint16_t)o->healthz_port);
	if (r == 0)
		r = fd < 0 ? fd : fl_httpd_create(h->d->loop, fd, &h->tcp_listener, &h->tcp);
	if (r < 0)
		fl_err("daemon",
		       "health checks cannot be served on %s port %u: %s (--healthz-ip, "
		       "--healthz-port)",
		       o->healthz_ip, (unsigned int)o->healthz_port, strerror(-r));
	else
		fl_info("daemon", "health checks and metrics are served on %s port %u",
			o->healthz_ip, (unsigned int)o->healthz_port);
	return r;
}

enum fl_exit daemon_open_health(struct daemon *d)
{
	struct health *h;

	if (!d->opts->healthz_port)
		return FL_EXIT_OK;
	h = calloc(1, sizeof(*h));
	if (!h) {
		fl_err("daemon", "health: %s", strerror(ENOMEM));
		return FL_EXIT_FAULT;
	}
	h->d = d;
	h->tcp_listener.request = on_tcp_request;
	d->health = h;
	return open_tcp(h, d->opts) < 0 ? FL_EXIT_FAULT : FL_EXIT_OK;
}

void daemon_health_done(struct daemon *d)
{
	if (!d->health)
		return;
	fl_httpd_destroy(d->health->tcp);
	free(d->health);
	d->health = NULL;
}
