/* core/daemon_health.c - health, readiness and metrics of the daemon, over HTTP. */
#include "daemon_health.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/parse.h"
#include "daemon_internal.h"
#include "io/httpd.h"
#include "overlay.h"
#include "peer_filter.h"

#define TYPE_METRICS "text/plain; version=0.0.4; charset=utf-8"

struct health {
	struct daemon *d;
	struct fl_httpd *tcp;
	struct fl_httpd_listener tcp_listener;
	struct fl_httpd *local; /* the control socket */
	struct fl_httpd_listener local_listener;
	struct sockaddr_un at; /* its name; "": there is none */
};

/* ---- what is true ---- */

static const enum fl_status_stage stages[] = {
	[STAGE_CONFIG] = FL_STATUS_CONFIG,     [STAGE_PREPARE] = FL_STATUS_BACKEND,
	[STAGE_ACQUIRE] = FL_STATUS_LEASE,     [STAGE_UP] = FL_STATUS_DEVICE,
	[STAGE_RULES] = FL_STATUS_RULES,       [STAGE_READY] = FL_STATUS_RUNNING,
	[STAGE_STOPPING] = FL_STATUS_STOPPING,
};

static void add_cert(struct fl_status *s, const char *file, int64_t expires_s)
{
	if (expires_s)
		s->certs[s->n_certs++] = (struct fl_status_cert){file, expires_s};
}

void daemon_status(const struct daemon *d, struct fl_status *ret)
{
	*ret = (struct fl_status){
		.now_s = ev_now(d->loop),
		.started_s = d->started_s,
		.stage = stages[d->stage],
		.backend = d->ops ? d->ops->name : NULL,
		.subnet = d->subnet,
		.extif = &d->iface.extif,
		.interface_why = d->underlay_trouble,
		.store = {.waiting = ""},
		.rules = d->rules,
		.rules_why = d->rules_why,
		.rules_repairs = fl_firewall_repairs(d->firewall),
		.counters = d->env.counters,
		.n_counters = d->env.n_counters,
		.filters = d->peer_filter != NULL,
	};
	if (d->has_netconf)
		ret->network = d->netconf.network;
	if (d->backend)
		ret->mtu = daemon_mtu(d);
	if (d->store)
		fl_store_stats(d->store, &ret->store);
	add_cert(ret, d->opts->etcd_certfile, ret->store.cert_expires_s);
	add_cert(ret, d->opts->etcd_cafile, ret->store.ca_expires_s);
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
	fl_httpd_reply(req, 200, FL_TYPE_TEXT, &body);
}

static void answer_readyz(struct health *h, struct fl_httpd_req *req)
{
	struct fl_buf body = {0};
	struct fl_status s;
	bool ready;

	daemon_status(h->d, &s);
	ready = fl_status_put_ready(&s, &body);
	fl_httpd_reply(req, ready ? 200 : 503, FL_TYPE_JSON, &body);
}

static void answer_metrics(struct health *h, struct fl_httpd_req *req)
{
	struct fl_buf body = {0};
	struct fl_status s;

	daemon_status(h->d, &s);
	s.kept_out = fl_peer_filter_dropped(h->d->peer_filter); /* the kernel has to be asked */
	fl_status_put_metrics(&s, &body);
	fl_httpd_reply(req, 200, TYPE_METRICS, &body);
}

static void answer_status(struct health *h, struct fl_httpd_req *req)
{
	struct fl_buf body = {0};
	struct fl_status s;

	daemon_status(h->d, &s);
	fl_status_put_json(&s, &body);
	fl_httpd_reply(req, 200, FL_TYPE_JSON, &body);
}

static void answer_peers(struct health *h, struct fl_httpd_req *req)
{
	daemon_answer_peers(h->d, req);
}

static void answer_events(struct health *h, struct fl_httpd_req *req)
{
	daemon_answer_events(h->d, req);
}

static const struct {
	const char *path;
	void (*answer)(struct health *h, struct fl_httpd_req *req);
	bool local; /* by the control socket alone */
} pages[] = {
	{"/healthz", answer_healthz, false}, {"/readyz", answer_readyz, false},
	{"/metrics", answer_metrics, false}, {"/v1/status", answer_status, true},
	{"/v1/peers", answer_peers, true},   {"/v1/events", answer_events, true},
};

static void answer(struct health *h, struct fl_httpd_req *req, const char *path, bool local)
{
	for (size_t i = 0; i < FL_ARRAY_SIZE(pages); i++)
		if (strcmp(path, pages[i].path) == 0 && (local || !pages[i].local))
			pages[i].answer(h, req);
}

static void on_tcp_request(struct fl_httpd_listener *l, struct fl_httpd_req *req, const char *path)
{
	answer(fl_container_of(l, struct health, tcp_listener), req, path, false);
}

static void on_local_request(struct fl_httpd_listener *l, struct fl_httpd_req *req,
			     const char *path)
{
	answer(fl_container_of(l, struct health, local_listener), req, path, true);
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

/* A name without a slash stands beside subnet.env. @return 0, -EINVAL, -ENAMETOOLONG */
static int socket_path(const struct fl_options *o, char *ret, size_t size)
{
	const char *slash = strrchr(o->subnet_file, '/');
	int n;

	if (!strchr(o->control_socket, '/') && slash)
		n = snprintf(ret, size, "%.*s/%s", (int)(slash - o->subnet_file), o->subnet_file,
			     o->control_socket);
	else
		n = snprintf(ret, size, "%s", o->control_socket);
	if (ret[0] != '/')
		return -EINVAL;
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* @return 0, -ENOENT */
static int find_group(const char *name, gid_t *ret)
{
	const struct group *g;
	uint64_t number;

	*ret = (gid_t)-1;
	if (!name[0])
		return 0;
	g = getgrnam(name);
	if (g)
		*ret = g->gr_gid;
	else if (fl_parse_u64(name, 0, UINT32_MAX - 1, &number) == 0)
		*ret = (gid_t)number;
	else
		return -ENOENT;
	return 0;
}

static const char *socket_trouble(int error)
{
	switch (error) {
	case -EADDRINUSE:
		return "another flanneld listens on it";
	case -EEXIST:
		return "something that is not a socket has its name";
	case -EINVAL:
		return "not an absolute path";
	case -ENOENT:
		return "no such group (--control-group)";
	default:
		return strerror(-error);
	}
}

/* Only people miss it, so it is no reason not to run. */
static void open_local(struct health *h, const struct fl_options *o)
{
	char *path = h->at.sun_path;
	gid_t gid;
	int fd, r = socket_path(o, path, sizeof(h->at.sun_path));

	if (r == 0)
		r = find_group(o->control_group, &gid);
	if (r == 0) {
		fd = fl_httpd_listen_unix(path, 0660, gid);
		r = fd < 0 ? fd : daemon_events_open(h->d);
		if (r == 0)
			r = fl_httpd_create(h->d->loop, fd, &h->local_listener, &h->local);
		else if (fd >= 0)
			(void)close(fd);
	}
	if (r == 0)
		return;
	fl_warn("daemon", "%s: no control socket, so flannelctl cannot ask: %s",
		path[0] == '/' ? path : o->control_socket, socket_trouble(r));
	path[0] = '\0';
}

enum fl_exit daemon_open_health(struct daemon *d)
{
	struct health *h;

	if (!d->opts->healthz_port && !d->opts->control_socket[0])
		return FL_EXIT_OK;
	h = calloc(1, sizeof(*h));
	if (!h) {
		fl_err("daemon", "health: %s", strerror(ENOMEM));
		return FL_EXIT_FAULT;
	}
	h->d = d;
	h->tcp_listener.request = on_tcp_request;
	h->local_listener.request = on_local_request;
	d->health = h;
	if (d->opts->control_socket[0])
		open_local(h, d->opts);
	return d->opts->healthz_port && open_tcp(h, d->opts) < 0 ? FL_EXIT_FAULT : FL_EXIT_OK;
}

const char *daemon_control_path(const struct daemon *d)
{
	return d->health && d->health->at.sun_path[0] ? d->health->at.sun_path : NULL;
}

void daemon_health_done(struct daemon *d)
{
	if (!d->health)
		return;
	fl_httpd_destroy(d->health->tcp);
	fl_httpd_destroy(d->health->local);
	daemon_events_done(d);
	if (daemon_control_path(d))
		(void)unlink(daemon_control_path(d));
	free(d->health);
	d->health = NULL;
}
