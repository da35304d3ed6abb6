/* core/fib_watch.c - the kernel says that something else has changed a row: it is put right. */
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "fib_internal.h"
#include "io/rtmsg.h"

#define GATHER_MS 8u /* a flush is announced row by row; one batch puts all back */

/* ---- what is done about it ---- */

static void on_gathered(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct fl_fib *fib = fl_container_of(w, struct fl_fib, gather);

	(void)loop;
	(void)revents;
	if (fib->damaged > 1 && fib_may_say(fib))
		fl_warn("fib", "%u rows were removed or changed by others; putting them back",
			fib->damaged);
	fib->damaged = 0;
	fib_nexthop_recheck(fib);
	fl_fib_commit(fib);
}

void fib_watch_init(struct fl_fib *fib)
{
	ev_timer_init(&fib->gather, on_gathered, 0., 0.);
}

static void gather(struct fl_fib *fib)
{
	if (ev_is_active(&fib->gather))
		return;
	ev_now_update(fib->loop);
	ev_timer_set(&fib->gather, GATHER_MS / 1e3, 0.);
	ev_timer_start(fib->loop, &fib->gather);
}

/* Somebody who takes it away again and again sets the pace to that of rows that were refused. */
void fib_row_repair(struct fl_fib *fib, struct fib_row *row)
{
	char text[80];

	fib->stats.repaired++;
	fib->damaged++;
	if (row->repairs > FIB_PATIENCE) {
		fib->fighting = true;
		fib_row_set(fib, row, row->state, FIB_REFUSED);
		fib_row_move(fib, row, FIB_WAIT);
		return;
	}
	row->repairs++;
	if (row->repairs > FIB_PATIENCE) {
		if (fib_may_say(fib))
			fl_warn("fib",
				"%s is taken away again and again by somebody else; it is "
				"put back less often from now on",
				fib_row_text(row, text));
		fib->fighting = true;
		fib_row_set(fib, row, row->state, FIB_REFUSED);
		fib_row_move(fib, row, FIB_WAIT);
		return;
	}
	if (fib->damaged == 1 && fib_may_say(fib))
		fl_warn("fib", "%s was removed or changed by somebody else; putting it back",
			fib_row_text(row, text));
	fib_row_schedule(fib, row);
}

/* @param state  what the kernel has there now; UNSURE for "nothing", because the announcement may
 * be older than what we have asked for since */
static void damage(struct fl_fib *fib, struct fib_row *row, enum fib_state state)
{
	if (fib_adopt_runs(fib)) {
		row->flags |= FIB_DOUBT;
		return;
	}
	if (row->list != FIB_NOWHERE) /* it waits for its turn anyhow */
		return;
	fib_row_set(fib, row, state, FIB_FINE);
	fib_row_repair(fib, row);
	gather(fib);
}

/* ---- announcements ---- */

/* A row that should stand, and does as far as we know. While a comparison runs also others: what
 * it has read of them may be out of date once somebody declares them. */
static struct fib_row *concerned(struct fl_fib *fib, const struct fl_row *shape,
				 struct fib_value *value, bool gone)
{
	struct fib_key key;
	struct fib_row *row;

	fib_key_of(shape, &key, value);
	row = fib_row_find(fib, &key);
	if (fib_adopt_runs(fib) && gone && !row && fib_row_get(fib, &key, &row) == 0)
		row->value = *value;
	if (!row || fib_adopt_runs(fib))
		return row;
	return row->count && row->state == FIB_SAME ? row : NULL;
}

static bool is_value(const struct fib_row *row, const struct fib_value *value)
{
	return memcmp(&row->value, value, sizeof(*value)) == 0;
}

static void notice_neigh(struct fl_fib *fib, const struct nlmsghdr *nlh)
{
	struct fl_row shape = {.kind = FL_ROW_NEIGH};
	struct fl_rtmsg_neigh m;
	struct fib_value value;
	struct fib_row *row;

	if (fl_rtmsg_neigh_parse(nlh, &m) < 0 || !fib_is_own(fib, m.ifindex) ||
	    (m.family == AF_BRIDGE ? !(m.flags & NTF_SELF) : (m.flags & NTF_PROXY) != 0))
		return;
	shape.ifindex = m.ifindex;
	shape.mac = m.mac;
	if (m.family == AF_BRIDGE) {
		shape.kind = FL_ROW_FDB;
		shape.via = m.dst;
	} else {
		shape.dst.addr = m.dst;
	}
	row = concerned(fib, &shape, &value, nlh->nlmsg_type == RTM_DELNEIGH);
	if (!row)
		return;
	if (nlh->nlmsg_type == RTM_DELNEIGH) {
		/* an FDB entry goes remote by remote */
		if (shape.kind == FL_ROW_NEIGH || is_value(row, &value))
			damage(fib, row, FIB_UNSURE);
	} else if (!is_value(row, &value) || !(m.state & NUD_PERMANENT)) {
		if (shape.kind == FL_ROW_FDB)
			row->flags |= FIB_PURGE;
		damage(fib, row, FIB_OTHER);
	}
}

/* A route that was put over ours is announced as a replacement, without a word about ours. */
static void notice_route(struct fl_fib *fib, const struct nlmsghdr *nlh)
{
	struct fl_row shape = {.kind = FL_ROW_ROUTE};
	struct fl_rtmsg_route m;
	struct fib_value value;
	struct fib_row *row;

	if (fl_rtmsg_route_parse(nlh, &m) < 0 || m.table != RT_TABLE_MAIN || m.metric)
		return;
	shape.dst = m.dst;
	shape.via = m.via;
	shape.ifindex = m.ifindex;
	shape.onlink = m.onlink;
	row = concerned(fib, &shape, &value,
			nlh->nlmsg_type == RTM_DELROUTE && m.protocol == FL_RTPROT);
	if (!row)
		return;
	if (nlh->nlmsg_type == RTM_DELROUTE) {
		if (m.protocol == FL_RTPROT)
			damage(fib, row, FIB_UNSURE);
	} else if (m.protocol != FL_RTPROT) {
		if (nlh->nlmsg_flags & NLM_F_REPLACE)
			damage(fib, row, FIB_UNSURE);
	} else if (!m.nhid && !is_value(row, &value)) {
		damage(fib, row, FIB_OTHER);
	}
}

/* The routes that used it went with it, unannounced. */
static void notice_nexthop(struct fl_fib *fib, const struct nlmsghdr *nlh)
{
	struct fl_rtmsg_nexthop m;

	if (fl_rtmsg_nexthop_parse(nlh, &m) < 0)
		return;
	fib_adopt_lost_nexthop(fib);
	if (fib_nexthop_lost(fib, m.id))
		gather(fib);
}

void fl_fib_notice(struct fl_fib *fib, const struct nlmsghdr *nlh)
{
	switch (nlh->nlmsg_type) {
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		notice_neigh(fib, nlh);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		notice_route(fib, nlh);
		break;
	case RTM_DELNEXTHOP:
		notice_nexthop(fib, nlh);
		break;
	default:
		break;
	}
}
