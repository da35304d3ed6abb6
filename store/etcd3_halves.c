/* store/etcd3_halves.c - a listing by two requests at once. etcd's gateway takes 10 ms to put 1,000
 * leases into JSON, each request on a core of its own; the second connection is the watch's a
 * moment later.
 *
 * The halves may be of two revisions. The older one counts: what has happened in the newer half
 * since comes as events once more, in order, and ends as it is.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/defs.h"
#include "store/etcd3.h"
#include "store/etcd3_internal.h"

struct half {
	struct fl_etcd_slot slot;
	struct halves *whole;
};

struct halves {
	struct fl_etcd_slot *slot; /* the owner's */
	struct fl_etcd_session *session;
	struct half half[2]; /* the second one is there only for a listing */
	bool split;	     /* the request that is under way */
	unsigned int running;
	struct fl_etcd_result result;
	char why[400];
};

static const struct fl_etcd_api *const single = &fl_etcd3_single_api;

static struct halves *whole_of(struct fl_etcd_slot *slot)
{
	return fl_container_of(slot, struct half, slot)->whole;
}

/* ---- what comes ---- */

static void on_accepted(struct fl_etcd_slot *slot, uint64_t cluster)
{
	struct halves *h = whole_of(slot);

	h->slot->ops->accepted(h->slot, cluster);
}

static void on_progress(struct fl_etcd_slot *slot, uint64_t index)
{
	struct halves *h = whole_of(slot);

	h->slot->ops->progress(h->slot, index);
}

static void on_entry(struct fl_etcd_slot *slot, const struct fl_etcd_entry *e)
{
	struct halves *h = whole_of(slot);

	h->slot->ops->entry(h->slot, e);
}

static void join(struct halves *h, const struct fl_etcd_result *res)
{
	const uint64_t before = h->result.index;

	h->result = *res;
	if (before && before < res->index)
		h->result.index = before;
	(void)snprintf(h->why, sizeof(h->why), "%s", res->why);
	h->result.why = h->why;
}

static void on_done(struct fl_etcd_slot *slot, const struct fl_etcd_result *res)
{
	struct halves *h = whole_of(slot);

	if (!h->split) {
		h->slot->ops->done(h->slot, res);
		return;
	}
	h->running--;
	join(h, res);
	if (res->outcome != FL_ETCD_OK && h->running) { /* half a listing is none */
		single->cancel(&h->half[slot == &h->half[0].slot].slot);
		h->running = 0;
	}
	if (h->running == 0)
		h->slot->ops->done(h->slot, &h->result);
}

static const struct fl_etcd_slot_ops half_ops = {
	.accepted = on_accepted, .progress = on_progress, .entry = on_entry, .done = on_done};

/* ---- requests ---- */

static int add_half(struct halves *h, int number)
{
	h->half[number] = (struct half){.slot = {.ops = &half_ops}, .whole = h};
	return single->init(&h->half[number].slot, h->session);
}

static int start_both(struct halves *h, const char *endpoint, const struct fl_etcd_request *req)
{
	struct fl_etcd_request half = *req;
	int r = h->half[1].slot.call ? 0 : add_half(h, 1);

	if (r < 0)
		return r;
	half.to = req->middle;
	r = single->start(&h->half[0].slot, endpoint, &half);
	if (r < 0)
		return r;
	half.from = req->middle;
	half.to = NULL;
	r = single->start(&h->half[1].slot, endpoint, &half);
	if (r < 0)
		single->cancel(&h->half[0].slot);
	return r;
}

static int start(struct fl_etcd_slot *slot, const char *endpoint, const struct fl_etcd_request *req)
{
	struct halves *h = slot->call;

	h->split = req->verb == FL_ETCD_LIST && req->middle;
	h->running = 2;
	h->result = (struct fl_etcd_result){0};
	if (h->split)
		return start_both(h, endpoint, req);
	single->done(&h->half[1].slot);
	return single->start(&h->half[0].slot, endpoint, req);
}

static void cancel(struct fl_etcd_slot *slot)
{
	struct halves *h = slot->call;

	for (int i = 0; h && i < 2; i++)
		single->cancel(&h->half[i].slot);
}

static void done(struct fl_etcd_slot *slot)
{
	struct halves *h = slot->call;

	for (int i = 0; h && i < 2; i++)
		single->done(&h->half[i].slot);
	free(h);
	slot->call = NULL;
}

static int init(struct fl_etcd_slot *slot, struct fl_etcd_session *session)
{
	struct halves *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return -ENOMEM;
	h->slot = slot;
	h->session = session;
	slot->call = h;
	r = add_half(h, 0);
	if (r < 0)
		done(slot);
	return r;
}

static bool writes_ipv6(const struct fl_etcd_session *session)
{
	(void)session;
	return true;
}

const struct fl_etcd_api fl_etcd3_api = {
	.open = fl_etcd3_open,
	.close = fl_etcd3_close,
	.writes_ipv6 = writes_ipv6,
	.init = init,
	.start = start,
	.cancel = cancel,
	.done = done,
};
