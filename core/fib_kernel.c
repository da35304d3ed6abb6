/* core/fib_kernel.c - rows as rtnetlink messages: slices, answers, and whose route is in the way.
 */
#include "fib_internal.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "io/rtmsg.h"

struct fl_addr fib_addr(uint8_t family, const uint8_t bytes[16])
{
	struct fl_addr a = {.family = family};

	memcpy(a.bytes, bytes, sizeof(a.bytes));
	return a;
}

static struct fl_mac mac_of(const uint8_t bytes[16])
{
	struct fl_mac m;

	memcpy(m.bytes, bytes, sizeof(m.bytes));
	return m;
}

struct fl_prefix fib_prefix(const struct fib_key *key)
{
	return (struct fl_prefix){.addr = fib_addr(key->family, key->bytes), .len = key->len};
}

const char *fib_row_text(const struct fib_row *row, char buf[80])
{
	char text[FL_PREFIX_STRLEN];
	struct fl_prefix dst = fib_prefix(&row->key);
	struct fl_mac mac = mac_of(row->key.bytes);

	switch (row->key.kind) {
	case FL_ROW_NEIGH:
		(void)snprintf(buf, 80, "%s: neighbour", fl_addr_format(&dst.addr, text));
		break;
	case FL_ROW_FDB:
		(void)snprintf(buf, 80, "%s: FDB entry", fl_mac_format(&mac, text));
		break;
	default:
		(void)snprintf(buf, 80, "%s: route", fl_prefix_format(&dst, text));
	}
	return buf;
}

/* ---- the batch ---- */

void fib_batch_run(struct fl_fib *fib, fl_rtnl_failed_cb failed)
{
	int r = fl_rtnl_batch_run(fib->batch, failed, fib);

	if (r == 0 || fib->broken)
		return;
	fib->broken = r;
	if (fib_may_say(fib))
		fl_warn("fib", "a batch of rows broke off: %s; retrying", strerror(-r));
}

void *fib_batch_space(struct fl_fib *fib, fl_rtnl_failed_cb failed)
{
	void *buf = fl_rtnl_batch_space(fib->batch);

	if (!buf) {
		fib_batch_run(fib, failed);
		buf = fl_rtnl_batch_space(fib->batch);
	}
	if (!buf && !fib->broken)
		fib->broken = -ENOBUFS;
	return buf;
}

/* ---- rows as messages ---- */

static void put_neigh(void *buf, const struct fib_row *row, bool add)
{
	struct fl_rtmsg_neigh m = {.ifindex = row->key.ifindex};

	if (row->key.kind == FL_ROW_NEIGH) {
		m.family = row->key.family;
		m.dst = fib_addr(row->key.family, row->key.bytes);
		m.mac = mac_of(row->value.bytes);
		m.state = NUD_PERMANENT;
		m.has_mac = add;
	} else {
		m.family = AF_BRIDGE;
		m.flags = NTF_SELF;
		m.mac = mac_of(row->key.bytes);
		m.state = NUD_PERMANENT | NUD_NOARP;
		m.has_mac = true;
		if (add) /* without a destination, a removal takes all remotes of the MAC */
			m.dst = fib_addr(row->value.family, row->value.bytes);
	}
	if (add)
		(void)fl_rtmsg_neigh_put(buf, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &m);
	else
		(void)fl_rtmsg_neigh_put(buf, RTM_DELNEIGH, 0, &m);
}

static struct fl_rtmsg_route route_of(const struct fib_row *row)
{
	return (struct fl_rtmsg_route){
		.dst = fib_prefix(&row->key),
		.table = RT_TABLE_MAIN,
		.protocol = FL_RTPROT,
		.scope = RT_SCOPE_UNIVERSE,
		.type = RTN_UNICAST,
	};
}

static void put_route(void *buf, const struct fib_row *row, const struct fib_nexthop *nh)
{
	struct fl_rtmsg_route m = route_of(row);
	bool replace = row->state == FIB_OTHER || (row->flags & FIB_FORCE);

	if (nh) {
		m.nhid = nh->id;
	} else {
		m.ifindex = row->value.ifindex;
		m.via = fib_addr(row->value.family, row->value.bytes);
		m.onlink = row->value.onlink;
		if (!row->value.family && row->key.family == AF_INET)
			m.scope = RT_SCOPE_LINK;
	}
	(void)fl_rtmsg_route_put(buf, RTM_NEWROUTE,
				 NLM_F_CREATE | (replace ? NLM_F_REPLACE : NLM_F_EXCL), &m);
}

/* Protocol, and nexthop or device, so that the kernel can only match what was seen. It takes no
 * device for a route that has a nexthop object (fib_nh_match). */
static void put_route_removal(void *buf, const struct fib_row *row)
{
	struct fl_rtmsg_route m = route_of(row);

	if (row->key.family == AF_INET)
		m.scope = RT_SCOPE_NOWHERE; /* any */
	if (row->flags & FIB_LEFT) {
		m.protocol = RTPROT_BOOT;
		m.via = fib_addr(row->value.family, row->value.bytes);
	}
	if (row->nh)
		m.nhid = row->nh->id;
	else if (row->state == FIB_SAME || (row->flags & FIB_LEFT))
		m.ifindex = row->value.ifindex;
	(void)fl_rtmsg_route_put(buf, RTM_DELROUTE, 0, &m);
}

/* Nothing is lost if what should go is gone already, with its device or by another's hand. */
static bool is_gone(const struct fib_row *row, int error)
{
	if (error == -ENOENT || error == -ESRCH || error == -ENODEV)
		return true;
	/* the nexthop object has vanished, and with it its routes */
	return row->key.kind == FL_ROW_ROUTE && row->nh && error == -EINVAL;
}

/* Worth a look at whose it is; a conflict that is known stays one. */
static bool is_clash(const struct fib_row *row)
{
	return row->key.kind == FL_ROW_ROUTE && row->err == EEXIST &&
	       !(row->flags & (FIB_FORCE | FIB_TRIED));
}

static void on_row_failed(void *cookie, int error, const char *why, void *data)
{
	struct fib_row *row = cookie;
	struct fl_fib *fib = data;
	uint8_t before;
	char text[80];

	if (!row)
		return;
	if (!row->count && is_gone(row, error)) {
		if (row->key.kind == FL_ROW_ROUTE && (row->nh || row->state == FIB_SAME))
			row->flags |= FIB_AGAIN;
		return;
	}
	before = row->err;
	row->err = (uint8_t)-error;
	row->flags |= FIB_HIT;
	if (row->err == before || (row->count && is_clash(row)) || !fib_may_say(fib))
		return;
	fl_warn("fib", "%s %s: %s%s%s; retrying", fib_row_text(row, text),
		row->count ? "refused" : "not removed", strerror(-error), why[0] ? ": " : "", why);
}

/* @param nh  of a route that is to be added, or NULL */
static void push_row(struct fl_fib *fib, struct fib_row *row, const struct fib_nexthop *nh)
{
	void *buf;

	if ((row->flags & FIB_PURGE) && row->count) {
		buf = fib_batch_space(fib, on_row_failed);
		if (buf) {
			put_neigh(buf, row, false);
			fl_rtnl_batch_push(fib->batch, NULL);
		}
	}
	buf = fib_batch_space(fib, on_row_failed);
	if (!buf)
		return;
	if (row->key.kind != FL_ROW_ROUTE)
		put_neigh(buf, row, row->count > 0);
	else if (row->count)
		put_route(buf, row, nh);
	else
		put_route_removal(buf, row);
	fl_rtnl_batch_push(fib->batch, row);
}

/* ---- additions ---- */

/* A route that lacks its nexthop object is refused with it; that was logged there. */
static bool is_sendable(const struct fib_sent *s)
{
	if (s->row->flags & FIB_HIT)
		return false;
	if (!s->nh || s->nh->in_kernel)
		return true;
	s->row->err = s->nh->err;
	s->row->flags |= FIB_HIT;
	return false;
}

/* A route that waits keeps its nexthop, so that not each try creates and removes one. */
static void keep_nexthop(struct fl_fib *fib, struct fib_row *row, struct fib_nexthop *nh)
{
	if (row->nh || row->state != FIB_ABSENT)
		fib_nexthop_put(fib, nh);
	else
		row->nh = nh;
}

static void add_failed(struct fl_fib *fib, struct fib_row *row, struct fib_nexthop *nh)
{
	enum fib_trouble trouble =
		row->trouble == FIB_CONFLICT && row->err == EEXIST ? FIB_CONFLICT : FIB_REFUSED;

	if (!fib->broken && trouble == FIB_REFUSED && is_clash(row)) {
		keep_nexthop(fib, row, nh);
		fib_row_move(fib, row, FIB_CLASH);
		return;
	}
	/* "Nexthop id does not exist": it went with its device, so it is created again */
	if (nh && row->err == EINVAL && nh->in_kernel) {
		fib_nexthop_forget(fib, nh);
		nh->doubted = true;
	}
	keep_nexthop(fib, row, nh);
	row->flags &= FIB_PURGE; /* who stands there is looked at again */
	fib_row_set(fib, row, fib->broken ? FIB_UNSURE : row->state, trouble);
	fib_row_move(fib, row, FIB_WAIT);
}

static void add_done(struct fl_fib *fib, struct fib_row *row, struct fib_nexthop *nh)
{
	bool hit = row->flags & FIB_HIT;

	row->flags &= (uint8_t)~FIB_HIT;
	if (hit || fib->broken) {
		add_failed(fib, row, nh);
		return;
	}
	fib_nexthop_put(fib, row->nh);
	row->nh = nh;
	if (row->trouble != FIB_FINE) {
		fib->stood++;
		fib->recovered += row->repairs <= FIB_PATIENCE;
	}
	row->flags = 0;
	row->err = 0;
	fib_row_set(fib, row, FIB_SAME, FIB_FINE);
	fib_row_move(fib, row, FIB_NOWHERE);
}

static void send_additions(struct fl_fib *fib)
{
	struct fib_row *row;
	uint32_t i, n;

	for (n = 0; n < FIB_SLICE_ROWS && (row = fib->lists[FIB_ADD].head); n++) {
		fib_row_move(fib, row, FIB_SLICE);
		fib->slice[n] = (struct fib_sent){.row = row};
	}
	fib->n_slice = n;
	fib->touched = true;
	/* a run of its own: a route must never name an id that turned out to be somebody else's */
	fib_nexthop_prepare(fib);
	for (i = 0; i < n; i++)
		if (is_sendable(&fib->slice[i]))
			push_row(fib, fib->slice[i].row, fib->slice[i].nh);
	fib_batch_run(fib, on_row_failed);
	for (i = 0; i < n; i++)
		add_done(fib, fib->slice[i].row, fib->slice[i].nh);
}

/* ---- removals ---- */

/* Somebody has changed it, and its lease was gone before we heard of that: once more, whatever
 * nexthop or device it has, as long as it carries our protocol number. */
static void remove_again(struct fl_fib *fib, struct fib_row *row)
{
	fib_nexthop_put(fib, row->nh);
	row->nh = NULL;
	fib_row_set(fib, row, FIB_OTHER, FIB_FINE);
	fib_row_move(fib, row, FIB_DEL_ROUTE);
}

static void removal_done(struct fl_fib *fib, struct fib_row *row)
{
	bool hit = row->flags & FIB_HIT, again = row->flags & FIB_AGAIN;

	row->flags &= (uint8_t) ~(FIB_HIT | FIB_AGAIN);
	if (again && !fib->broken) {
		remove_again(fib, row);
		return;
	}
	if (hit || fib->broken) {
		fib_row_set(fib, row, fib->broken ? FIB_UNSURE : row->state, FIB_REFUSED);
		fib_row_move(fib, row, FIB_WAIT);
		return;
	}
	fib_row_set(fib, row, FIB_ABSENT, FIB_FINE);
	fib_row_schedule(fib, row); /* frees it */
}

/* @return true if there were any */
static bool send_removals(struct fl_fib *fib)
{
	static const enum fib_list_id order[] = {FIB_DEL_ROUTE, FIB_DEL_FDB, FIB_DEL_NEIGH};
	struct fib_row *row;
	uint32_t n = 0;
	size_t i;

	for (i = 0; i < FL_ARRAY_SIZE(order); i++)
		for (; n < FIB_SLICE_ROWS && (row = fib->lists[order[i]].head); n++)
			fib_row_move(fib, row, FIB_SLICE);
	for (row = fib->lists[FIB_SLICE].head; row; row = row->next)
		push_row(fib, row, NULL);
	fib_batch_run(fib, on_row_failed);
	while ((row = fib->lists[FIB_SLICE].head))
		removal_done(fib, row);
	return n > 0;
}

/* ---- routes in the way ---- */

static const char *protocol_text(uint8_t protocol, char buf[24])
{
	static const char *const names[] = {
		[RTPROT_KERNEL] = "kernel", [RTPROT_BOOT] = "boot", [RTPROT_STATIC] = "static",
		[RTPROT_ZEBRA] = "zebra",   [RTPROT_BIRD] = "bird", [RTPROT_DHCP] = "dhcp",
		[RTPROT_BGP] = "bgp",	    [RTPROT_OSPF] = "ospf",
	};

	if (protocol < FL_ARRAY_SIZE(names) && names[protocol])
		return names[protocol];
	(void)snprintf(buf, 24, "number %u", protocol);
	return buf;
}

static void say_conflict(const struct fib_row *row, const struct fl_rtmsg_route *theirs)
{
	char name[IF_NAMESIZE] = "";
	char text[80], proto[24];

	if (!theirs->ifindex || !if_indextoname(theirs->ifindex, name))
		strcpy(name, "no device");
	fl_warn("fib",
		"%s conflicts with one of protocol %s (%s%s), which is left alone; ours stays out "
		"until that goes",
		fib_row_text(row, text), protocol_text(theirs->protocol, proto), name,
		theirs->multipath ? " and others" : "");
}

/* Ours; or on a device that is ours alone; or, by another flanneld (RTPROT_BOOT is what flannel's
 * have), just what we want. */
static bool may_replace(const struct fl_fib *fib, const struct fib_row *row,
			const struct fl_rtmsg_route *m)
{
	struct fl_addr via = fib_addr(row->value.family, row->value.bytes);

	if (m->protocol == FL_RTPROT)
		return true;
	if (m->multipath || m->ifindex != row->value.ifindex)
		return false;
	return fib_is_own(fib, m->ifindex) ||
	       (m->protocol == RTPROT_BOOT && fl_addr_equal(&m->via, &via));
}

/* A route of the main table: does it stand in the way of one that the kernel refused? */
static int on_route(const struct nlmsghdr *nlh, void *data)
{
	struct fl_fib *fib = data;
	struct fl_rtmsg_route m;
	struct fib_key key = {.kind = FL_ROW_ROUTE};
	struct fib_row *row;

	if (fl_rtmsg_route_parse(nlh, &m) < 0 || m.table != RT_TABLE_MAIN || m.metric)
		return 0;
	key.family = m.dst.addr.family;
	key.len = m.dst.len;
	memcpy(key.bytes, m.dst.addr.bytes, sizeof(key.bytes));
	row = fib_row_find(fib, &key);
	if (!row || row->list != FIB_CLASH)
		return 0;
	if (may_replace(fib, row, &m)) {
		row->flags |= FIB_FORCE;
		fib_row_move(fib, row, FIB_ADD);
		return 0;
	}
	fib_row_set(fib, row, row->state, FIB_CONFLICT);
	fib_row_move(fib, row, FIB_WAIT);
	if (fib_may_say(fib))
		say_conflict(row, &m);
	return 0;
}

static int dump_routes(struct fl_fib *fib, uint8_t family)
{
	union {
		struct nlmsghdr nlh;
		char bytes[FL_RTNL_MSG_MAX];
	} buf;
	uint32_t tries;
	int r = -EINTR;

	for (tries = 0; tries < FIB_DUMP_TRIES && r == -EINTR; tries++)
		r = fl_rtnl_dump(fib->rtnl, fl_rtmsg_route_dump(&buf, family, RT_TABLE_MAIN, 0, 0),
				 on_route, fib);
	return r;
}

/* All that the kernel refused with EEXIST, with one look at its table. */
static void judge_clashes(struct fl_fib *fib)
{
	uint8_t family = fib->lists[FIB_CLASH].head->key.family;
	int r = dump_routes(fib, family);
	struct fib_row *row, *next;

	if (r < 0 && fib_may_say(fib))
		fl_warn("fib", "cannot see which routes are in the way: %s; retrying",
			strerror(-r));
	for (row = fib->lists[FIB_CLASH].head; row; row = next) {
		next = row->next;
		if (row->key.family != family)
			continue;
		if (r == 0) { /* nobody is there any more */
			row->flags |= FIB_TRIED;
			row->err = 0;
			fib_row_move(fib, row, FIB_ADD);
		} else {
			fib_row_set(fib, row, row->state, FIB_REFUSED);
			fib_row_move(fib, row, FIB_WAIT);
		}
	}
}

bool fib_step(struct fl_fib *fib)
{
	fib->broken = 0;
	if (fib->lists[FIB_ADD].head)
		send_additions(fib);
	else if (fib->lists[FIB_CLASH].head)
		judge_clashes(fib);
	else
		return send_removals(fib) || fib_nexthop_sweep(fib);
	return true;
}
