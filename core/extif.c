/* core/extif.c - read the kernel's links, addresses and routes, and choose the underlay's interface
 * and address. */
#include "extif.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "extif_internal.h"
#include "io/rtnl.h"

#define DUMP_TRIES 5 /* an interrupted dump is read again */

/* Make room for one more element at powers of two. @return 0, -ENOMEM (array unchanged) */
static int grow(void **array, size_t count, size_t size)
{
	void *grown;

	if (count & (count - 1)) /* neither 0 nor a power of two: there is room */
		return 0;
	grown = reallocarray(*array, count ? count * 2 : 1, size);
	if (!grown)
		return -ENOMEM;
	*array = grown;
	return 0;
}

static int on_link(const struct nlmsghdr *nlh, void *data)
{
	struct fl_extif_tables *t = data;
	struct fl_rtmsg_link l;
	int r = fl_rtmsg_link_parse(nlh, &l);

	if (r < 0)
		return r == -ENOMSG ? 0 : r;
	r = grow((void **)&t->links, t->n_links, sizeof(*t->links));
	if (r < 0)
		return r;
	l.data = NULL;
	t->links[t->n_links++] = l;
	return 0;
}

static int on_addr(const struct nlmsghdr *nlh, void *data)
{
	struct fl_extif_tables *t = data;
	struct fl_rtmsg_addr a;
	int r = fl_rtmsg_addr_parse(nlh, &a);

	if (r < 0)
		return r == -ENOMSG ? 0 : r;
	r = grow((void **)&t->addrs, t->n_addrs, sizeof(*t->addrs));
	if (r < 0)
		return r;
	t->addrs[t->n_addrs++] = a;
	return 0;
}

/* The kernel walks its table in the order of addresses (fib_table_dump), so what leads to
 * everywhere comes first: a host with thousands of routes is not read to the end. */
static int on_default(const struct nlmsghdr *nlh, void *data)
{
	struct fl_extif_tables *t = data;
	struct fl_rtmsg_route route;
	int r = fl_rtmsg_route_parse(nlh, &route);

	if (r < 0)
		return r == -ENOMSG ? 0 : r;
	if (route.table != RT_TABLE_MAIN)
		return 0; /* a kernel that does not filter */
	if (fl_addr_v4(&route.dst.addr) != 0)
		return 1;
	if (route.dst.len != 0 || route.type != RTN_UNICAST)
		return 0;
	r = grow((void **)&t->defaults, t->n_defaults, sizeof(*t->defaults));
	if (r < 0)
		return r;
	t->defaults[t->n_defaults++] = route;
	return 0;
}

static int on_reach(const struct nlmsghdr *nlh, void *data)
{
	struct fl_extif_tables *t = data;

	return fl_rtmsg_route_parse(nlh, &t->reach);
}

static void tables_done(struct fl_extif_tables *t)
{
	free(t->links);
	free(t->addrs);
	free(t->defaults);
}

static int read_links(struct fl_rtnl *rtnl, struct fl_extif_tables *t)
{
	char buf[FL_RTNL_MSG_MAX] __attribute__((aligned(8)));

	t->n_links = 0;
	return fl_rtnl_dump(rtnl, fl_rtmsg_link_dump(buf), on_link, t);
}

static int read_addrs(struct fl_rtnl *rtnl, struct fl_extif_tables *t)
{
	char buf[FL_RTNL_MSG_MAX] __attribute__((aligned(8)));

	t->n_addrs = 0;
	return fl_rtnl_dump(rtnl, fl_rtmsg_addr_dump(buf, AF_INET, 0), on_addr, t);
}

static int read_defaults(struct fl_rtnl *rtnl, struct fl_extif_tables *t)
{
	char buf[FL_RTNL_MSG_MAX] __attribute__((aligned(8)));
	int r;

	t->n_defaults = 0;
	r = fl_rtnl_dump(rtnl, fl_rtmsg_route_dump(buf, AF_INET, RT_TABLE_MAIN, 0, 0), on_default,
			 t);
	if (r == 1 || r == -ENOENT)
		return 0; /* all seen; or the table never had a route */
	return r;
}

static int again_if_interrupted(int (*read)(struct fl_rtnl *, struct fl_extif_tables *),
				struct fl_rtnl *rtnl, struct fl_extif_tables *t)
{
	int r = -EINTR;

	for (int i = 0; i < DUMP_TRIES && r == -EINTR; i++)
		r = read(rtnl, t);
	return r;
}

static void read_reach(struct fl_rtnl *rtnl, const char *can_reach, struct fl_extif_tables *t)
{
	char buf[FL_RTNL_MSG_MAX] __attribute__((aligned(8)));
	struct fl_addr dst;

	t->reach_error = fl_addr_parse(can_reach, &dst);
	if (t->reach_error == 0 && dst.family != AF_INET)
		t->reach_error = -EINVAL;
	if (t->reach_error == 0)
		t->reach_error = fl_rtnl_get(rtnl, fl_rtmsg_route_get(buf, &dst), on_reach, t);
}

static int tables_read(struct fl_rtnl *rtnl, const struct fl_extif_conf *conf,
		       struct fl_extif_tables *t)
{
	int r = again_if_interrupted(read_links, rtnl, t);

	if (r == 0)
		r = again_if_interrupted(read_addrs, rtnl, t);
	if (r == 0)
		r = again_if_interrupted(read_defaults, rtnl, t);
	if (r == 0 && conf->can_reach && conf->can_reach[0])
		read_reach(rtnl, conf->can_reach, t);
	return r;
}

void fl_extif_choice_copy(struct fl_extif_choice *to, const struct fl_extif_choice *from)
{
	if (to == from)
		return;
	*to = *from;
	to->extif.name = to->name_buf;
}

static void say_unreadable(int error, char **ret)
{
	struct fl_buf text = {0};

	fl_buf_printf(&text, "cannot read the kernel's interfaces: %s", strerror(-error));
	*ret = fl_buf_take(&text);
}

int fl_extif_follow(struct fl_rtnl *rtnl, const struct fl_extif_conf *conf,
		    const struct fl_extif_choice *was, struct fl_extif_choice *ret, char **error)
{
	struct fl_extif_tables t = {0};
	int r = again_if_interrupted(read_links, rtnl, &t);

	if (r == 0)
		r = again_if_interrupted(read_addrs, rtnl, &t);
	if (r == 0)
		r = fl_extif_pick_again(&t, conf, was, ret, error);
	else
		say_unreadable(r, error);
	tables_done(&t);
	return r;
}

int fl_extif_choose(struct fl_rtnl *rtnl, const struct fl_extif_conf *conf,
		    struct fl_extif_choice *ret, char **error)
{
	struct fl_extif_tables t = {0};
	int r = tables_read(rtnl, conf, &t);

	if (r == 0)
		r = fl_extif_pick(&t, conf, ret, error);
	else
		say_unreadable(r, error);
	tables_done(&t);
	return r;
}
