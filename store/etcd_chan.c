/* store/etcd_chan.c - one request at a time, carried from endpoint to endpoint until one answers.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "store/etcd_internal.h"

#define RETRY_MIN_MS 100u
#define RETRY_MAX_MS 5000u

static void start_timer(struct fl_etcd_chan *ch, uint32_t delay_ms)
{
	ev_timer_stop(ch->etcd->loop, &ch->timer);
	ev_timer_set(&ch->timer, delay_ms / 1e3, 0.);
	ev_timer_start(ch->etcd->loop, &ch->timer);
}

static struct fl_etcd_endpoint *endpoint(struct fl_etcd_chan *ch)
{
	return &ch->etcd->endpoints.items[ch->endpoint];
}

static void finish(struct fl_etcd_chan *ch, const struct fl_etcd_result *res)
{
	ch->busy = false;
	ch->ops->done(ch->etcd, res);
}

static void next_endpoint(struct fl_etcd_chan *ch)
{
	ch->endpoint = (ch->endpoint + 1) % ch->etcd->endpoints.count;
}

static void attempt(struct fl_etcd_chan *ch);

/*
 * A single failure is ordinary: a balancer closed an idle connection, a member restarts. So the
 * next endpoint is asked at once, and it is said only when a second round has been in vain, too.
 */
static void on_failure(struct fl_etcd_chan *ch, const char *why)
{
	struct fl_etcd_endpoint *ep = endpoint(ch);
	size_t count = ch->etcd->endpoints.count;

	fl_debug("etcd", "%s: %s", ep->url, why);
	ch->failures++;
	ep->down = true;
	(void)snprintf(ep->why, sizeof(ep->why), "%s", why);
	if (ch->failures >= 2 * count)
		fl_etcd_trouble(ch, FL_ETCD_AWAY, why);
	next_endpoint(ch);
	if (ch->failures % count != 0)
		attempt(ch);
	else
		start_timer(ch, fl_backoff_next(&ch->backoff));
}

/* Only once somebody answers: if nobody does, one line for all is enough. */
static void tell_down(const struct fl_etcd_chan *ch)
{
	const struct fl_etcd_endpoints *eps = &ch->etcd->endpoints;

	for (size_t i = 0; i < eps->count; i++) {
		struct fl_etcd_endpoint *ep = &eps->items[i];

		if (ep->down && !ep->told && ch->trouble == FL_ETCD_FINE)
			fl_warn("etcd", "%s: %s; using %s", ep->url, ep->why,
				eps->items[ch->endpoint].url);
		ep->told = ep->down;
	}
}

static void answered(struct fl_etcd_chan *ch, uint64_t cluster)
{
	ch->failures = 0;
	endpoint(ch)->down = false;
	endpoint(ch)->told = false;
	tell_down(ch);
	fl_backoff_reset(&ch->backoff);
	fl_etcd_trouble(ch, FL_ETCD_FINE, "");
	fl_etcd_met_cluster(ch, cluster);
}

static void on_accepted(struct fl_etcd_slot *slot, uint64_t cluster)
{
	struct fl_etcd_chan *ch = fl_container_of(slot, struct fl_etcd_chan, slot);

	ch->etcd->handing++;
	fl_etcd_stats_contact(ch->etcd);
	answered(ch, cluster);
	ch->etcd->handing--;
}

static void on_progress(struct fl_etcd_slot *slot, uint64_t index)
{
	struct fl_etcd_chan *ch = fl_container_of(slot, struct fl_etcd_chan, slot);

	ch->etcd->handing++;
	fl_etcd_stats_contact(ch->etcd);
	if (ch->ops->progress)
		ch->ops->progress(ch->etcd, index);
	ch->etcd->handing--;
}

static void on_done(struct fl_etcd_slot *slot, const struct fl_etcd_result *res)
{
	struct fl_etcd_chan *ch = fl_container_of(slot, struct fl_etcd_chan, slot);

	fl_etcd_stats_done(ch, res);
	if (res->outcome < FL_ETCD_DENIED) {
		if (res->outcome != FL_ETCD_SILENT)
			answered(ch, res->cluster);
		finish(ch, res);
		return;
	}
	/* A lease that was granted, or may have been, is not left behind by the next attempt. */
	if (res->lease && ch->req.verb != FL_ETCD_REFRESH)
		ch->req.lease = res->lease;
	if (ch->ops->restart)
		ch->ops->restart(ch->etcd);
	if (ch->ops->once) {
		finish(ch, res);
	} else if (res->outcome != FL_ETCD_DENIED) {
		on_failure(ch, res->why);
	} else {
		fl_etcd_trouble(ch, FL_ETCD_REFUSED, res->why);
		next_endpoint(ch);
		start_timer(ch, RETRY_MAX_MS);
	}
}

static void on_entry(struct fl_etcd_slot *slot, const struct fl_etcd_entry *e)
{
	struct fl_etcd_chan *ch = fl_container_of(slot, struct fl_etcd_chan, slot);

	ch->etcd->handing++;
	if (ch->req.verb == FL_ETCD_WATCH)
		ch->etcd->stats.events++;
	ch->ops->entry(ch->etcd, e);
	ch->etcd->handing--;
}

static const struct fl_etcd_slot_ops slot_ops = {
	.accepted = on_accepted,
	.progress = on_progress,
	.entry = on_entry,
	.done = on_done,
};

static void attempt(struct fl_etcd_chan *ch)
{
	int r = ch->etcd->api->start(&ch->slot, endpoint(ch)->url, &ch->req);

	fl_etcd_stats_sent(ch);
	if (r == 0)
		return;
	/* Ours, not the endpoint's: no memory, or our own mistake. */
	fl_warn("etcd", "%s: no request can be made: %s; retrying", endpoint(ch)->url,
		strerror(-r));
	start_timer(ch, RETRY_MAX_MS);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	attempt(fl_container_of(w, struct fl_etcd_chan, timer));
}

int fl_etcd_chan_init(struct fl_etcd_chan *ch, struct fl_etcd *etcd)
{
	ch->etcd = etcd;
	ch->slot.ops = &slot_ops;
	ev_init(&ch->timer, on_timer);
	(void)fl_backoff_init(&ch->backoff, RETRY_MIN_MS, RETRY_MAX_MS);
	return etcd->api->init(&ch->slot, &etcd->session);
}

void fl_etcd_chan_done(struct fl_etcd_chan *ch)
{
	if (!ch->etcd)
		return;
	fl_etcd_chan_cancel(ch);
	ch->etcd->api->done(&ch->slot);
}

void fl_etcd_chan_start(struct fl_etcd_chan *ch, const struct fl_etcd_chan_ops *ops,
			const struct fl_etcd_request *req, uint32_t delay_ms)
{
	fl_etcd_chan_cancel(ch);
	ch->ops = ops;
	ch->req = *req;
	ch->busy = true;
	if (delay_ms > 0 || ch->etcd->handing > 0)
		start_timer(ch, delay_ms);
	else
		attempt(ch);
}

void fl_etcd_chan_cancel(struct fl_etcd_chan *ch)
{
	ev_timer_stop(ch->etcd->loop, &ch->timer);
	ch->etcd->api->cancel(&ch->slot);
	ch->busy = false;
}
