/* core/overlay_ways.c - other ways lead to peers, because routes of this host have changed (K8). */
#include "overlay_internal.h"

#define WALK_PEERS 256u /* per turn of the loop: about a millisecond */

/* The new rows first: a route whose gateway changes is replaced in one step. */
static void reconsider(struct fl_peers_listener *l, struct fl_lease_record *rec)
{
	struct fl_overlay *o = fl_container_of(l, struct fl_overlay, peers_listener);
	uint32_t way = overlay_way_to(o, &rec->lease);
	enum verdict was, now;
	struct fl_rows rows;

	if (way == rec->way)
		return;
	was = overlay_judge(o, &rec->lease, rec->way);
	rows = o->before;
	o->before = o->rows;
	o->rows = rows;
	now = overlay_judge(o, &rec->lease, way);
	rec->way = way;
	(*overlay_counter_of(o, was))--;
	(*overlay_counter_of(o, now))++;
	if (now == REACHED)
		overlay_declare(o, &rec->lease, &o->rows);
	if (rec->told)
		overlay_tell_removed(o, rec);
	if (was == REACHED)
		overlay_withdraw(o, &o->before);
	if (now == REACHED)
		overlay_tell_added(o, rec);
	if (now == REACHED && was == REACHED)
		fl_log(overlay_level_of(o, FL_LOG_INFO, OVERLAY_LINES_MAX), "peers",
		       "%s: another way leads to it now",
		       fl_prefix_format(&rec->lease.subnet, (char[FL_PREFIX_STRLEN]){0}));
	else
		overlay_say_verdict(o, &rec->lease, now);
}

static void stop_walk(struct fl_overlay *o)
{
	ev_check_stop(o->conf.loop, &o->walk);
	ev_idle_stop(o->conf.loop, &o->awake);
}

/* A link that went for a moment is the same way as before, but what stood on it is gone. */
static void look_elsewhere(struct fl_overlay *o)
{
	if (o->dropped)
		overlay_compare_elsewhere(o);
	o->dropped = false;
}

static void on_walk(struct ev_loop *loop, ev_check *w, int revents)
{
	struct fl_overlay *o = fl_container_of(w, struct fl_overlay, walk);
	double begin = ev_time();
	bool more = fl_peers_walk(o->peers, &o->cursor, WALK_PEERS, reconsider);

	(void)loop;
	(void)revents;
	o->walked_s += ev_time() - begin;
	if (more)
		return;
	stop_walk(o);
	overlay_say_rest(o);
	look_elsewhere(o);
	fl_route_watch_took(o->routes, o->walked_s);
	overlay_settle(o);
}

static void on_awake(struct ev_loop *loop, ev_idle *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
}

static void on_routes_changed(struct fl_route_watch_listener *l, bool dropped)
{
	struct fl_overlay *o = fl_container_of(l, struct fl_overlay, routes_listener);

	o->dropped = o->dropped || dropped;

	o->cursor = (struct fl_peers_cursor){0};
	o->walked_s = 0.;
	ev_check_start(o->conf.loop, &o->walk);
	ev_idle_start(o->conf.loop, &o->awake);
}

void overlay_walk_init(struct fl_overlay *o)
{
	o->routes_listener.changed = on_routes_changed;
	ev_check_init(&o->walk, on_walk);
	ev_idle_init(&o->awake, on_awake);
}

/* Before the first peer is asked for: else a change is missed. */
int overlay_walk_start(struct fl_overlay *o)
{
	if (!o->conf.ops->way)
		return 0;
	return fl_route_watch_create(o->conf.loop, &o->conf.env->network, &o->routes_listener,
				     &o->routes);
}

void overlay_walk_done(struct fl_overlay *o)
{
	stop_walk(o);
	fl_route_watch_destroy(o->routes);
	o->routes = NULL;
}
