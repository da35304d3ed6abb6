/* core/overlay_judge.c - what to make of a lease of another host, and what is said about it. */
#include "overlay_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FAULTS_MAX 200u /* likewise, about what is wrong with them (S1) */

uint32_t *overlay_counter_of(struct fl_overlay *o, enum verdict v)
{
	switch (v) {
	case REACHED:
		return &o->tally.reached;
	case FOREIGN:
	case IGNORED:
		return &o->tally.ignored;
	case WAITING:
		return &o->tally.waiting;
	default:
		return &o->tally.rejected;
	}
}

/* What is wrong with rows that lead to @subnet, whoever holds it; NULL: nothing. */
static const char *flaw_of(const struct fl_overlay *o, const struct fl_prefix *subnet)
{
	const struct fl_prefix *network = &o->conf.env->network;

	if (subnet->len <= network->len || !fl_prefix_contains(network, &subnet->addr))
		return "its subnet is outside of Network";
	if (fl_prefix_overlaps(subnet, &o->conf.own->subnet))
		return "its subnet overlaps ours";
	if (fl_prefix_contains(subnet, &o->conf.env->extif->addr))
		return "its subnet holds our own address on the underlay";
	return NULL;
}

/* What can be said without the backend. */
static enum verdict screen(struct fl_overlay *o, const struct fl_lease *peer)
{
	const char *flaw = flaw_of(o, &peer->subnet);

	if (strcmp(peer->backend_type, o->conf.ops->name) != 0)
		return FOREIGN;
	if (flaw) {
		(void)fl_rows_reject(&o->rows, "%s", flaw);
		return OUTSIDE;
	}
	if (fl_prefix_contains(&peer->subnet, &peer->public_ip)) {
		(void)fl_rows_reject(&o->rows, "its subnet holds its own PublicIP: the tunnel "
					       "would lead into itself");
		return REFUSED;
	}
	return REACHED;
}

enum verdict overlay_judge(struct fl_overlay *o, const struct fl_lease *peer, uint32_t way)
{
	enum verdict v;
	int r;

	fl_rows_reset(&o->rows);
	v = screen(o, peer);
	if (v != REACHED)
		return v;
	r = o->conf.ops->rows(o->conf.backend, peer, way, &o->rows);
	if (r == 0)
		return REACHED;
	if (!o->rows.why[0])
		(void)fl_rows_reject(&o->rows, "backend %s: rows: %s", o->conf.ops->name,
				     strerror(abs(r)));
	if (r == -ENOMEM) {
		overlay_lose_count(o);
		return UNKNOWN;
	}
	if (r == FL_ROWS_IGNORED)
		return IGNORED;
	return r == FL_ROWS_WAITING ? WAITING : REFUSED;
}

uint32_t overlay_way_to(struct fl_overlay *o, const struct fl_lease *peer)
{
	if (!o->conf.ops->way || screen(o, peer) != REACHED)
		return 0;
	return o->conf.ops->way(o->conf.backend, peer);
}

/* Of very many lines, as when a link goes down, a few tell as much. */
enum fl_log_level overlay_level_of(struct fl_overlay *o, enum fl_log_level level, uint32_t max)
{
	if (!o->in_snapshot && !ev_is_active(&o->walk))
		return level;
	if (o->said < max) {
		o->said++;
		return level;
	}
	o->unsaid++;
	return FL_LOG_DEBUG;
}

void overlay_say_rest(struct fl_overlay *o)
{
	if (o->unsaid)
		fl_info("peers", "and %u more lines like these", o->unsaid);
	o->said = 0;
	o->unsaid = 0;
}

void overlay_say_verdict(struct fl_overlay *o, const struct fl_lease *peer, enum verdict v)
{
	char subnet[FL_PREFIX_STRLEN], ip[FL_ADDR_STRLEN];

	fl_prefix_format(&peer->subnet, subnet);
	fl_addr_format(&peer->public_ip, ip);
	switch (v) {
	case FOREIGN:
		fl_log(overlay_level_of(o, FL_LOG_INFO, OVERLAY_LINES_MAX), "peers",
		       "%s of %s: ignored: its backend is %s, ours is %s", subnet, ip,
		       peer->backend_type, o->conf.ops->name);
		break;
	case IGNORED:
		fl_log(o->in_snapshot ? FL_LOG_DEBUG : FL_LOG_INFO, "peers",
		       "%s of %s: ignored: %s", subnet, ip, o->rows.why);
		break;
	case WAITING:
		fl_log(overlay_level_of(o, FL_LOG_WARN, OVERLAY_LINES_MAX), "peers",
		       "%s of %s: not reached: %s; waiting for a route", subnet, ip, o->rows.why);
		break;
	case REACHED:
		fl_log(o->in_snapshot ? FL_LOG_DEBUG
				      : overlay_level_of(o, FL_LOG_INFO, OVERLAY_LINES_MAX),
		       "peers", "%s is reached at %s", subnet, ip);
		break;
	default:
		fl_log(overlay_level_of(o, FL_LOG_WARN, FAULTS_MAX), "peers",
		       "%s of %s: left out: %s", subnet, ip, o->rows.why);
	}
}
