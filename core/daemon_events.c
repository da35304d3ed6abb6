/* core/daemon_events.c - /v1/events: what happens, as it happens, one line of JSON each. While
 * nobody listens nothing is done for it; while somebody does, what is true now is compared with
 * what was true, once per turn of the loop. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json_write.h"
#include "daemon_health.h"
#include "daemon_internal.h"

#define CLIENTS_MAX 16u
#define QUEUE_MAX   (256u << 10) /* bytes; who reads that slowly is cut off */
#define PEERS_MAX   256u	 /* lines about single peers, per turn */
#define TICK_S	    1.		 /* a lease expires without a turn of the loop */

struct client {
	struct fl_httpd_source src;
	struct events *events;
	struct client *next;
	struct fl_buf queue;
	bool over;
};

struct events {
	struct daemon *d;
	struct client *clients;
	uint32_t n_clients;
	ev_prepare turn;
	ev_timer tick;
	struct fl_status was;
	char was_waiting[256];
	char was_reasons[64];
	uint32_t peers; /* lines in this turn */
	uint32_t unsaid_came;
	uint32_t unsaid_gone;
};

/* ---- lines ---- */

static void line_begin(struct fl_buf *b, const char *event)
{
	struct timespec now;
	struct tm tm;
	char text[32];
	size_t n;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(text + n, sizeof(text) - n, ".%03ldZ", now.tv_nsec / 1000000);
	fl_jsonw_open(b, NULL, '{');
	fl_jsonw_text(b, "time", text);
	fl_jsonw_text(b, "event", event);
}

static void give(struct client *c, const struct fl_buf *line)
{
	if (c->queue.len + line->len > QUEUE_MAX)
		c->over = true;
	else
		fl_buf_append(&c->queue, line->data, line->len);
	fl_httpd_wake(&c->src);
}

static void line_end(struct events *e, struct fl_buf *b)
{
	fl_jsonw_close(b, '}');
	fl_buf_puts(b, "\n");
	for (struct client *c = e->clients; c && !b->error; c = c->next)
		give(c, b);
	fl_buf_done(b);
}

static void tell(struct events *e, const char *event)
{
	struct fl_buf b = {0};

	line_begin(&b, event);
	line_end(e, &b);
}

static void tell_number(struct events *e, const char *event, const char *name, uint64_t value)
{
	struct fl_buf b = {0};

	line_begin(&b, event);
	fl_jsonw_uint(&b, name, value);
	line_end(e, &b);
}

/* ---- what has changed ---- */

/* The names of the reasons, in order; "" if it is ready. */
static void reasons_of(const struct fl_status *s, char ret[64])
{
	struct fl_status_reason r[FL_STATUS_REASONS_MAX];
	size_t n = fl_status_reasons(s, r), len = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(ret + len, 64 - len, "%s ", r[i].name);
}

static void compare_readiness(struct events *e, const struct fl_status *s)
{
	struct fl_buf b = {0};
	char now[64];

	reasons_of(s, now);
	if (strcmp(now, e->was_reasons) == 0)
		return;
	memcpy(e->was_reasons, now, sizeof(now));
	line_begin(&b, now[0] ? "not-ready" : "ready");
	(void)fl_status_put_readiness(s, &b);
	line_end(e, &b);
}

static void compare_lease(struct events *e, const struct fl_store_stats *s)
{
	const struct fl_store_stats *was = &e->was.store;
	struct fl_buf b = {0};

	if (s->renewals > was->renewals) {
		line_begin(&b, "renewed");
		fl_jsonw_time(&b, "expires", s->expires_s);
		line_end(e, &b);
	}
	if (s->renewal_failures > was->renewal_failures)
		tell(e, "renewal-failed");
	if (s->recreations > was->recreations)
		tell(e, "lease-recreated");
}

static void compare_store(struct events *e, const struct fl_store_stats *s)
{
	struct fl_buf b = {0};

	if (s->snapshots > e->was.store.snapshots && e->was.store.snapshots)
		tell(e, "resync");
	if (strncmp(s->waiting, e->was_waiting, sizeof(e->was_waiting) - 1) == 0)
		return;
	(void)snprintf(e->was_waiting, sizeof(e->was_waiting), "%s", s->waiting);
	line_begin(&b, s->waiting[0] ? "store-away" : "store-back");
	fl_jsonw_text(&b, "text", s->waiting[0] ? s->waiting : NULL);
	line_end(e, &b);
}

static void compare_rows(struct events *e, const struct fl_overlay_stats *o)
{
	const struct fl_overlay_stats *was = &e->was.overlay;

	if (o->rows.repaired > was->rows.repaired)
		tell_number(e, "rows-repaired", "rows", o->rows.repaired - was->rows.repaired);
	if (o->device_repairs > was->device_repairs)
		tell(e, "device-repaired");
	if (o->rows.failed != was->rows.failed)
		tell_number(e, "rows-failed", "rows", o->rows.failed);
}

static void say_unsaid(struct events *e)
{
	struct fl_buf b = {0};

	e->peers = 0;
	if (!e->unsaid_came && !e->unsaid_gone)
		return;
	line_begin(&b, "more-peers");
	fl_jsonw_uint(&b, "came", e->unsaid_came);
	fl_jsonw_uint(&b, "gone", e->unsaid_gone);
	line_end(e, &b);
	e->unsaid_came = 0;
	e->unsaid_gone = 0;
}

static void remember(struct events *e, const struct fl_status *s)
{
	e->was = *s;
	e->was.store.waiting = ""; /* borrowed: see was_waiting */
}

static void on_turn(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct events *e = fl_container_of(w, struct events, turn);
	struct fl_status s;

	(void)loop;
	(void)revents;
	daemon_status(e->d, &s);
	say_unsaid(e);
	compare_lease(e, &s.store);
	compare_store(e, &s.store);
	compare_rows(e, &s.overlay);
	compare_readiness(e, &s);
	remember(e, &s);
}

static void on_tick(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
}

void daemon_events_peer(void *owner, const struct fl_lease *peer, bool came)
{
	struct daemon *d = owner;
	struct events *e = d->events;
	char subnet[FL_PREFIX_STRLEN], ip[FL_ADDR_STRLEN];
	struct fl_buf b = {0};

	if (!e || !e->clients)
		return;
	if (++e->peers > PEERS_MAX) {
		e->unsaid_came += came;
		e->unsaid_gone += !came;
		return;
	}
	line_begin(&b, came ? "peer-came" : "peer-gone");
	fl_jsonw_text(&b, "subnet", fl_prefix_format(&peer->subnet, subnet));
	fl_jsonw_text(&b, "public_ip", fl_addr_format(&peer->public_ip, ip));
	fl_jsonw_text(&b, "backend", peer->backend_type);
	line_end(e, &b);
}

/* ---- who listens ---- */

static int more(struct fl_httpd_source *src, struct fl_buf *out)
{
	struct client *c = fl_container_of(src, struct client, src);

	if (c->queue.len == 0)
		return c->over ? 0 : -EAGAIN;
	fl_buf_append(out, c->queue.data, c->queue.len);
	fl_buf_reset(&c->queue);
	return 1;
}

static void done(struct fl_httpd_source *src)
{
	struct client *c = fl_container_of(src, struct client, src);
	struct events *e = c->events;
	struct client **at = &e->clients;

	while (*at && *at != c)
		at = &(*at)->next;
	if (*at)
		*at = c->next;
	fl_buf_done(&c->queue);
	free(c);
	if (--e->n_clients > 0)
		return;
	ev_prepare_stop(e->d->loop, &e->turn);
	ev_timer_stop(e->d->loop, &e->tick);
}

static void start_comparing(struct events *e, const struct fl_status *s)
{
	if (e->n_clients++ > 0)
		return;
	remember(e, s);
	reasons_of(s, e->was_reasons);
	(void)snprintf(e->was_waiting, sizeof(e->was_waiting), "%s", s->store.waiting);
	ev_prepare_start(e->d->loop, &e->turn);
	ev_timer_start(e->d->loop, &e->tick);
}

/* The first line says how things are. */
static void greet(struct client *c, const struct fl_status *s)
{
	line_begin(&c->queue, "hello");
	(void)fl_status_put_readiness(s, &c->queue);
	fl_jsonw_close(&c->queue, '}');
	fl_buf_puts(&c->queue, "\n");
}

void daemon_answer_events(struct daemon *d, struct fl_httpd_req *req)
{
	struct events *e = d->events;
	struct client *c;
	struct fl_status s;
	struct fl_buf why = {0};

	if (e->n_clients >= CLIENTS_MAX) {
		fl_buf_puts(&why, "too many listen already\n");
		fl_httpd_reply(req, 503, FL_TYPE_TEXT, &why);
		return;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return;
	daemon_status(d, &s);
	c->events = e;
	c->src.more = more;
	c->src.done = done;
	c->next = e->clients;
	e->clients = c;
	start_comparing(e, &s);
	greet(c, &s);
	fl_httpd_stream(req, FL_TYPE_LINES, &c->src);
}

/* ---- life ---- */

int daemon_events_open(struct daemon *d)
{
	struct events *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->d = d;
	ev_prepare_init(&e->turn, on_turn);
	ev_timer_init(&e->tick, on_tick, TICK_S, TICK_S);
	d->events = e;
	return 0;
}

void daemon_events_done(struct daemon *d)
{
	free(d->events);
	d->events = NULL;
}
