/* core/leftover.c - another VNI or backend type gives another device, and the old one stays, with
 * an address that may be ours again. */
#include "leftover.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "env.h"
#include "io/rtmsg.h"
#include "io/rtnl.h"

#define NAME_STEM  "flannel."
#define DUMP_TRIES 5 /* an interrupted dump is read again */

/* What a search works on. */
struct search {
	const struct fl_env *env;
	uint32_t ifindex[FL_LEFTOVERS_MAX]; /* of devices with such a name */
	struct fl_leftover *found;	    /* in the same order; without address: not one */
	uint32_t count;
};

static bool is_in_use(const struct fl_env *env, uint32_t ifindex)
{
	for (uint32_t i = 0; i < env->n_devices; i++)
		if (env->devices[i] == ifindex)
			return true;
	return false;
}

static int on_link(const struct nlmsghdr *nlh, void *data)
{
	struct search *s = data;
	struct fl_rtmsg_link l;
	int r = fl_rtmsg_link_parse(nlh, &l);

	if (r < 0)
		return r == -ENOMSG ? 0 : r;
	if (s->count == FL_LEFTOVERS_MAX || strncmp(l.name, NAME_STEM, strlen(NAME_STEM)) != 0 ||
	    !l.kind[0] || is_in_use(s->env, l.ifindex))
		return 0;
	s->ifindex[s->count] = l.ifindex;
	s->found[s->count] = (struct fl_leftover){0};
	memcpy(s->found[s->count].name, l.name, sizeof(l.name));
	s->count++;
	return 0;
}

static int on_addr(const struct nlmsghdr *nlh, void *data)
{
	struct search *s = data;
	struct fl_rtmsg_addr a;
	int r = fl_rtmsg_addr_parse(nlh, &a);

	if (r < 0)
		return r == -ENOMSG ? 0 : r;
	if (a.local.len != 32 || !fl_prefix_contains(&s->env->network, &a.local.addr))
		return 0;
	for (uint32_t i = 0; i < s->count; i++)
		if (s->ifindex[i] == a.ifindex)
			s->found[i].addr = a.local.addr;
	return 0;
}

static int read_tables(struct search *s)
{
	char buf[FL_RTNL_MSG_MAX] __attribute__((aligned(8)));
	int r;

	s->count = 0;
	r = fl_rtnl_dump(s->env->rtnl, fl_rtmsg_link_dump(buf), on_link, s);
	if (r < 0 || s->count == 0)
		return r;
	return fl_rtnl_dump(s->env->rtnl, fl_rtmsg_addr_dump(buf, AF_INET, 0), on_addr, s);
}

int fl_leftover_find(const struct fl_env *env, struct fl_leftover ret[FL_LEFTOVERS_MAX])
{
	struct search s = {.env = env, .found = ret};
	int r = -EINTR, n = 0;

	for (int i = 0; i < DUMP_TRIES && r == -EINTR; i++)
		r = read_tables(&s);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < s.count; i++)
		if (fl_addr_is_set(&ret[i].addr))
			ret[n++] = ret[i];
	return n;
}
