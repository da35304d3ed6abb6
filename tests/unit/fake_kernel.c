/* tests/unit/fake_kernel.c - the tables that rtnetlink would fill, behind fl_rtnl_*(). */
#include "fake_kernel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fib.h"
#include "io/rtnl.h"
#include "io/rtnl_watch.h"

#define BATCH_ROOM 64u /* messages: small, so that a slice needs several */

struct fake_kernel kernel;

void kernel_reset(void)
{
	memset(&kernel, 0, sizeof(kernel));
}

struct fl_addr addr(const char *text)
{
	struct fl_addr a;

	assert_int_equal(fl_addr_parse(text, &a), 0);
	return a;
}

struct fl_prefix prefix(const char *text)
{
	struct fl_prefix p;

	assert_int_equal(fl_prefix_parse(text, &p), 0);
	return p;
}

struct fl_mac mac(uint32_t n)
{
	if (!n)
		return (struct fl_mac){0};
	return (struct fl_mac){
		{2, 0, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}};
}

struct fl_rtnl_batch {
	char room[BATCH_ROOM][FL_RTNL_MSG_MAX] __attribute__((aligned(8)));
	void *cookies[BATCH_ROOM];
	uint32_t count;
};

static void note(const char *fmt, ...) FL_PRINTF(1, 2);
static void note(const char *fmt, ...)
{
	size_t len = strlen(kernel.ops);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(kernel.ops + len, sizeof(kernel.ops) - len, fmt, ap);
	va_end(ap);
}

static bool same_key(const struct object *a, const struct object *b)
{
	if (a->what != b->what)
		return false;
	switch (a->what) {
	case NEIGH:
		return a->neigh.ifindex == b->neigh.ifindex &&
		       fl_addr_equal(&a->neigh.dst, &b->neigh.dst);
	case FDB:
		return a->neigh.ifindex == b->neigh.ifindex &&
		       fl_mac_equal(&a->neigh.mac, &b->neigh.mac);
	case NEXTHOP:
		return a->nh.id == b->nh.id;
	default:
		return fl_prefix_equal(&a->route.dst, &b->route.dst) &&
		       a->route.metric == b->route.metric;
	}
}

static struct object *find(const struct object *key, struct object *after)
{
	uint32_t i = after ? (uint32_t)(after - kernel.objects) + 1 : 0;

	for (; i < kernel.count; i++)
		if (same_key(&kernel.objects[i], key))
			return &kernel.objects[i];
	return NULL;
}

static struct object *find_nexthop(uint32_t id)
{
	struct object key = {.what = NEXTHOP, .nh.id = id};

	return find(&key, NULL);
}

static void insert(const struct object *o)
{
	uint32_t i = 0;

	while (i < kernel.count && kernel.objects[i].what != NOTHING)
		i++;
	assert_true(i < OBJECTS);
	kernel.objects[i] = *o;
	if (i == kernel.count)
		kernel.count++;
}

static void decode(const struct nlmsghdr *nlh, struct object *o)
{
	memset(o, 0, sizeof(*o));
	switch (nlh->nlmsg_type) {
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		assert_int_equal(fl_rtmsg_neigh_parse(nlh, &o->neigh), 0);
		o->what = o->neigh.family == AF_BRIDGE ? FDB : NEIGH;
		break;
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
		assert_int_equal(fl_rtmsg_nexthop_parse(nlh, &o->nh), 0);
		o->what = NEXTHOP;
		break;
	default:
		assert_int_equal(fl_rtmsg_route_parse(nlh, &o->route), 0);
		o->what = ROUTE;
	}
}

static void note_object(char sign, const struct object *o)
{
	char a[FL_PREFIX_STRLEN], b[FL_PREFIX_STRLEN];

	switch (o->what) {
	case NEIGH:
		note("%cneigh %s\n", sign, fl_addr_format(&o->neigh.dst, a));
		break;
	case FDB:
		note("%cfdb %s %s\n", sign, fl_mac_format(&o->neigh.mac, a),
		     fl_addr_format(&o->neigh.dst, b));
		break;
	case NEXTHOP:
		note("%cnexthop\n", sign);
		break;
	default:
		note("%croute %s\n", sign, fl_prefix_format(&o->route.dst, a));
	}
}

static int kernel_add(struct object *o, uint16_t flags)
{
	struct object *old = find(o, NULL);
	struct object *nh;

	if (kernel.refuse == o->what && kernel.refuse_times) {
		kernel.refuse_times--;
		return kernel.refuse_error;
	}
	if (old && (flags & NLM_F_EXCL))
		return -EEXIST;
	if (o->what == ROUTE && o->route.nhid) {
		nh = find_nexthop(o->route.nhid);
		if (!nh)
			return -EINVAL;
		o->route.ifindex = nh->nh.ifindex;
		o->route.via = nh->nh.via;
		o->route.onlink = nh->nh.onlink;
	}
	/* an FDB entry that has the remote already is left as it is, others beside it too */
	for (; old && o->what == FDB; old = find(o, old))
		if (fl_addr_equal(&old->neigh.dst, &o->neigh.dst))
			return 0;
	old = find(o, NULL);
	if (old)
		*old = *o;
	else
		insert(o);
	return 0;
}

static bool removal_matches(const struct object *have, const struct object *o)
{
	if (o->what == FDB && fl_addr_is_set(&o->neigh.dst))
		return fl_addr_equal(&have->neigh.dst, &o->neigh.dst);
	if (o->what != ROUTE)
		return true;
	if (o->route.protocol && have->route.protocol != o->route.protocol)
		return false;
	if (have->route.nhid)
		return !o->route.ifindex && (!o->route.nhid || o->route.nhid == have->route.nhid);
	return !o->route.nhid && (!o->route.ifindex || o->route.ifindex == have->route.ifindex);
}

static int kernel_del(const struct object *o)
{
	struct object *have = NULL;
	bool any = false;
	uint32_t i;

	if (o->what == ROUTE && o->route.nhid && !find_nexthop(o->route.nhid))
		return -EINVAL;
	while ((have = find(o, have)))
		if (removal_matches(have, o)) {
			have->what = NOTHING;
			any = true;
		}
	if (!any)
		return o->what == ROUTE ? -ESRCH : -ENOENT;
	for (i = 0; i < kernel.count && o->what == NEXTHOP; i++)
		if (kernel.objects[i].what == ROUTE && kernel.objects[i].route.nhid == o->nh.id)
			kernel.objects[i].what = NOTHING;
	return 0;
}

static int execute(const struct nlmsghdr *nlh)
{
	bool add = nlh->nlmsg_type == RTM_NEWNEIGH || nlh->nlmsg_type == RTM_NEWNEXTHOP ||
		   nlh->nlmsg_type == RTM_NEWROUTE;
	struct object o;

	decode(nlh, &o);
	note_object(add ? '+' : '-', &o);
	return add ? kernel_add(&o, nlh->nlmsg_flags) : kernel_del(&o);
}

int fl_rtnl_batch_create(struct fl_rtnl *rtnl, struct fl_rtnl_batch **ret)
{
	(void)rtnl;
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void fl_rtnl_batch_destroy(struct fl_rtnl_batch *b)
{
	free(b);
}

void *fl_rtnl_batch_space(struct fl_rtnl_batch *b)
{
	return b->count < BATCH_ROOM ? b->room[b->count] : NULL;
}

void fl_rtnl_batch_push(struct fl_rtnl_batch *b, void *cookie)
{
	b->cookies[b->count++] = cookie;
}

int fl_rtnl_batch_run(struct fl_rtnl_batch *b, fl_rtnl_failed_cb failed, void *data)
{
	uint32_t i, n = b->count;
	int r;

	b->count = 0;
	if (!n)
		return 0;
	kernel.batches++;
	if (kernel.broken) { /* half of it was executed, nobody knows which */
		kernel.broken--;
		for (i = 0; i < n / 2; i++)
			(void)execute((const struct nlmsghdr *)b->room[i]);
		return -ENOBUFS;
	}
	for (i = 0; i < n; i++) {
		r = execute((const struct nlmsghdr *)b->room[i]);
		if (r < 0)
			failed(b->cookies[i], r, "", data);
	}
	return 0;
}

static void encode(void *buf, const struct object *o)
{
	struct nlmsghdr *nlh;
	struct rtmsg *rtm;

	switch (o->what) {
	case NEIGH:
	case FDB:
		(void)fl_rtmsg_neigh_put(buf, RTM_NEWNEIGH, 0, &o->neigh);
		return;
	case NEXTHOP:
		(void)fl_rtmsg_nexthop_put(buf, RTM_NEWNEXTHOP, 0, &o->nh);
		return;
	default:
		break;
	}
	nlh = fl_rtmsg_route_put(buf, RTM_NEWROUTE, 0, &o->route);
	if (!o->route.nhid || kernel.no_compat)
		return;
	rtm = mnl_nlmsg_get_payload(nlh);
	rtm->rtm_flags = o->route.onlink ? RTNH_F_ONLINK : 0;
	mnl_attr_put_u32(nlh, RTA_OIF, o->route.ifindex);
	mnl_attr_put(nlh, RTA_GATEWAY, fl_addr_size(&o->route.via), o->route.via.bytes);
}

static enum what dumped(const struct nlmsghdr *nlh)
{
	const struct ndmsg *ndm = (const void *)((const char *)nlh + NLMSG_HDRLEN);

	switch (nlh->nlmsg_type) {
	case RTM_GETNEIGH:
		return ndm->ndm_family == AF_BRIDGE ? FDB : NEIGH;
	case RTM_GETNEXTHOP:
		return NEXTHOP;
	default:
		return ROUTE;
	}
}

/* No route leads anywhere: what asks for one has to live with that. */
int fl_rtnl_get(struct fl_rtnl *rtnl, struct nlmsghdr *nlh, fl_rtnl_cb cb, void *data)
{
	(void)rtnl;
	(void)nlh;
	(void)cb;
	(void)data;
	return -ENETUNREACH;
}

/* A dump on its way. */
struct dump {
	enum what what;
	uint32_t at; /* the next object */
	bool begun;
};

/* Up to @p most objects, or all of them (0). @return 1: there may be more */
static int dump_some(struct dump *d, uint32_t most, fl_rtnl_cb cb, void *data)
{
	char buf[FL_RTNL_MSG_MAX] __attribute__((aligned(8)));
	uint32_t given = 0;
	int r = 0;

	if (!d->begun && kernel.dump_error && kernel.dump_skip-- == 0)
		return kernel.dump_error;
	d->begun = true;
	for (; d->at < kernel.count && r == 0; d->at++) {
		if (kernel.objects[d->at].what != d->what)
			continue;
		if (most && given++ == most)
			return 1;
		encode(buf, &kernel.objects[d->at]);
		r = cb((const struct nlmsghdr *)buf, data);
	}
	if (r == 0 && kernel.dump_interrupt &&
	    (kernel.interrupted == NOTHING || kernel.interrupted == d->what)) {
		kernel.dump_interrupt--;
		return -EINTR;
	}
	return r;
}

static int dump_start(struct dump *d, const struct nlmsghdr *nlh)
{
	*d = (struct dump){.what = dumped(nlh)};
	kernel.dumps++;
	return d->what == NEXTHOP && kernel.no_nexthops ? -EOPNOTSUPP : 0;
}

int fl_rtnl_dump(struct fl_rtnl *rtnl, struct nlmsghdr *nlh, fl_rtnl_cb cb, void *data)
{
	struct dump d;
	int r = dump_start(&d, nlh);

	(void)rtnl;
	return r < 0 ? r : dump_some(&d, 0, cb, data);
}

/* The sockets of comparisons; the main one is never looked into. */
struct fl_rtnl {
	struct dump dump;
};

int fl_rtnl_open(struct fl_rtnl **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void fl_rtnl_close(struct fl_rtnl *rtnl)
{
	free(rtnl);
}

int fl_rtnl_dump_begin(struct fl_rtnl *rtnl, struct nlmsghdr *nlh)
{
	return dump_start(&rtnl->dump, nlh);
}

int fl_rtnl_dump_piece(struct fl_rtnl *rtnl, fl_rtnl_cb cb, void *data)
{
	if (kernel.slow_us)
		(void)usleep(kernel.slow_us);
	return dump_some(&rtnl->dump, kernel.piece, cb, data);
}

void kernel_neigh(const char *ip, uint8_t n, uint32_t ifindex, uint16_t nud)
{
	insert(&(struct object){.what = NEIGH,
				.neigh = {.family = AF_INET,
					  .ifindex = ifindex,
					  .state = nud,
					  .dst = addr(ip),
					  .mac = mac(n),
					  .has_mac = true}});
}

void kernel_fdb(uint8_t n, const char *remote, uint16_t nud)
{
	insert(&(struct object){.what = FDB,
				.neigh = {.family = AF_BRIDGE,
					  .ifindex = DEV,
					  .state = nud,
					  .flags = NTF_SELF,
					  .dst = addr(remote),
					  .mac = mac(n),
					  .has_mac = true}});
}

void kernel_route(const char *dst, uint32_t ifindex, uint8_t protocol, uint32_t metric)
{
	insert(&(struct object){.what = ROUTE,
				.route = {.dst = prefix(dst),
					  .ifindex = ifindex,
					  .table = RT_TABLE_MAIN,
					  .protocol = protocol,
					  .metric = metric,
					  .type = RTN_UNICAST}});
}

void kernel_nexthop(uint32_t id, const char *via, uint32_t ifindex, uint8_t protocol)
{
	insert(&(struct object){.what = NEXTHOP,
				.nh = {.id = id,
				       .family = AF_INET,
				       .protocol = protocol,
				       .ifindex = ifindex,
				       .via = addr(via),
				       .onlink = true}});
}

uint32_t kernel_count(enum what what)
{
	uint32_t i, n = 0;

	for (i = 0; i < kernel.count; i++)
		n += kernel.objects[i].what == what;
	return n;
}

const struct fl_rtmsg_route *kernel_route_to(const char *dst)
{
	struct object key = {.what = ROUTE, .route.dst = prefix(dst)};
	const struct object *o = find(&key, NULL);

	return o ? &o->route : NULL;
}

/* ---- the rest of what is asked for; nobody announces anything by itself ---- */

int fl_rtnl_request(struct fl_rtnl *rtnl, struct nlmsghdr *nlh)
{
	(void)rtnl;
	(void)nlh;
	return 0;
}

const char *fl_rtnl_why(const struct fl_rtnl *rtnl)
{
	(void)rtnl;
	return "";
}

uint32_t fl_rtnl_portid(const struct fl_rtnl *rtnl)
{
	(void)rtnl;
	return 1;
}

int fl_rtnl_watch_create(struct ev_loop *loop, const uint32_t *groups, size_t n_groups,
			 struct fl_rtnl_watch_listener *listener, struct fl_rtnl_watch **ret)
{
	(void)loop;
	(void)groups;
	(void)n_groups;
	(void)listener;
	*ret = NULL;
	return 0;
}

int fl_rtnl_watch_join(struct fl_rtnl_watch *w, const uint32_t *groups, size_t n_groups)
{
	(void)w;
	(void)groups;
	(void)n_groups;
	return 0;
}

void fl_rtnl_watch_leave(struct fl_rtnl_watch *w, const uint32_t *groups, size_t n_groups)
{
	(void)w;
	(void)groups;
	(void)n_groups;
}

int fl_rtnl_watch_filter(struct fl_rtnl_watch *w, const struct fl_rtnl_watch_filter *f)
{
	(void)w;
	return f->n_devices <= 8 ? 0 : -EINVAL;
}

int fl_rtnl_watch_skip_routes(struct fl_rtnl_watch *w, uint8_t protocol)
{
	(void)w;
	(void)protocol;
	return 0;
}

void fl_rtnl_watch_destroy(struct fl_rtnl_watch *w)
{
	(void)w;
}
