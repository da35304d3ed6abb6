/* core/overlay_recount.c - memory was refused when a lease was asked for its rows: which of them
 * are declared is not certain any more, so all are declared anew. */
#include "overlay_internal.h"

#include <string.h>

void overlay_lose_count(struct fl_overlay *o)
{
	uint32_t ms;

	o->miscounted = true;
	if (ev_is_active(&o->recount))
		return;
	ms = fl_backoff_next(&o->recount_backoff);
	fl_warn("peers", "out of memory: which rows must stand is looked up again in %u ms", ms);
	ev_timer_set(&o->recount, ms / 1e3, 0.);
	ev_timer_start(o->conf.loop, &o->recount);
}

static void tell(struct fl_overlay *o, struct fl_lease_record *rec, bool reached)
{
	if (rec->told && !reached)
		overlay_tell_removed(o, rec);
	else if (!rec->told && reached)
		overlay_tell_added(o, rec);
}

static void recount(struct fl_peers_listener *l, struct fl_lease_record *rec)
{
	struct fl_overlay *o = fl_container_of(l, struct fl_overlay, peers_listener);
	enum verdict v = overlay_judge(o, &rec->lease, rec->way);

	(*overlay_counter_of(o, v))++;
	if (v == REACHED)
		overlay_declare(o, &rec->lease, &o->rows);
	if (v != UNKNOWN)
		tell(o, rec, v == REACHED);
}

/* All in one turn: half of the answer would remove rows that must stand. */
static void on_recount(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct fl_overlay *o = fl_container_of(w, struct fl_overlay, recount);
	const char *why;

	(void)loop;
	(void)revents;
	o->miscounted = false;
	o->cursor = (struct fl_peers_cursor){0}; /* a walk that is under way begins again */
	memset(&o->tally, 0, sizeof(o->tally));
	fl_fib_recount_begin(o->fib);
	if (fl_overlay_declare_own(o, &why) < 0)
		overlay_lose_count(o);
	(void)fl_peers_walk(o->peers, &(struct fl_peers_cursor){0}, UINT32_MAX, recount);
	if (o->miscounted)
		return;
	fl_backoff_reset(&o->recount_backoff);
	fl_fib_recount_end(o->fib);
	fl_info("peers", "all rows are known again: %u leases reached", o->tally.reached);
	overlay_settle(o);
}

void overlay_recount_init(struct fl_overlay *o)
{
	(void)fl_backoff_init(&o->recount_backoff, 100, 5000);
	ev_timer_init(&o->recount, on_recount, 0., 0.);
}

void overlay_recount_done(struct fl_overlay *o)
{
	ev_timer_stop(o->conf.loop, &o->recount);
}
