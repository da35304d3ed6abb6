/* core/overlay_status.c - what the overlay tells operators. */
#include "overlay_internal.h"

void fl_overlay_stats(const struct fl_overlay *o, struct fl_overlay_stats *ret)
{
	*ret = (struct fl_overlay_stats){
		.peers = fl_peers_count(o->peers),
		.reached = o->tally.reached,
		.ignored = o->tally.ignored,
		.waiting = o->tally.waiting,
		.refused = o->tally.rejected,
		.complete = o->complete,
		.devices_well = !o->suspended && !o->unwell && !o->away,
		.device_repairs = o->device_repairs,
	};
	if (!o->suspended)
		fl_fib_stats(o->fib, &ret->rows);
}

static const char *state_of(enum verdict v)
{
	switch (v) {
	case REACHED:
		return "reached";
	case FOREIGN:
	case IGNORED:
		return "ignored";
	case WAITING:
		return "waiting";
	default:
		return "refused";
	}
}

static const struct fl_rows none;

static void show(struct fl_peers_listener *l, struct fl_lease_record *rec)
{
	struct fl_overlay *o = fl_container_of(l, struct fl_overlay, peers_listener);
	struct fl_overlay_peer p = {.rec = rec, .rows = &o->rows};
	enum verdict v = WAITING;

	if (!o->suspended)
		v = overlay_judge(o, &rec->lease, rec->way);
	p.state = state_of(v);
	p.why = v == FOREIGN ? "of another backend type" : o->rows.why;
	if (o->suspended)
		p.why = "the interface to the other hosts is not there";

	if (v != REACHED)
		p.rows = &none;
	for (uint32_t i = 0; i < p.rows->count; i++)
		p.standing += fl_fib_stands(o->fib, &p.rows->rows[i]);
	o->each(o->each_owner, &p);
}

bool fl_overlay_walk(struct fl_overlay *o, struct fl_peers_cursor *c, uint32_t max,
		     fl_overlay_each each, void *owner)
{
	o->each = each;
	o->each_owner = owner;
	return fl_peers_walk(o->peers, c, max, show);
}
