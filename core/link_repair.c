/* core/link_repair.c - what others have done to a device that is kept for a backend is undone. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "backend.h"
#include "io/rtnl.h"
#include "link_internal.h"
#include "link_mark.h"

/* Which of its settings somebody has changed, into words; "": none. */
static const char *changes_of(const struct fl_link *link, const struct link_found *f, char buf[64])
{
	bool mac = f->link.has_mac && !fl_mac_equal(&f->link.mac, &link->mac);

	(void)snprintf(buf, 64, "%s%s%s%s", mac ? " MAC" : "",
		       link->mtu && f->link.mtu != link->mtu ? " MTU" : "",
		       strcmp(f->link.name, link->name) != 0 ? " name" : "",
		       f->link.flags & IFF_UP ? "" : " state");
	return buf;
}

/* Older kernels rename a device only while it is down; it is brought up later anyhow. */
static int rename_back(const struct fl_link *link)
{
	const struct fl_rtmsg_link down = {.ifindex = link->ifindex};
	struct fl_rtmsg_link l = {.ifindex = link->ifindex};
	int r;

	(void)snprintf(l.name, sizeof(l.name), "%s", link->name);
	r = link_change(link->env->rtnl, RTM_NEWLINK, &l, 0);
	if (r != -EBUSY)
		return r;
	(void)link_change(link->env->rtnl, RTM_NEWLINK, &down, IFF_UP);
	return link_change(link->env->rtnl, RTM_NEWLINK, &l, 0);
}

/* All that can be: a device under another name forwards as well. @return 1, 2: but for the name,
 * -errno */
static int set_back(struct fl_link *link, const struct link_want *w, struct link_found *f)
{
	struct fl_rtmsg_link l = {.ifindex = link->ifindex, .mac = link->mac, .has_mac = true};
	int first = 0, name = 0, r = 0;

	fl_link_mark(link->env->rtnl, &f->link);
	if (strcmp(f->link.name, link->name) != 0)
		name = rename_back(link);
	if (f->link.has_mac && !fl_mac_equal(&f->link.mac, &link->mac))
		first = link_change(link->env->rtnl, RTM_NEWLINK, &l, 0);
	link_fix_mtu(link->env, w, f);
	if (link_read(link->env->rtnl, link->ifindex, NULL, f) == 0 && link->mtu)
		link->mtu = f->link.mtu; /* the kernel may bound it: then that is what is kept */
	r = fl_link_up(link, &link->local);
	first = first < 0 ? first : r;
	return first < 0 ? first : name < 0 ? 2 : 1;
}

static int make_again(const struct fl_link *link, const struct link_want *w, struct link_found *f)
{
	int r = link_create(link->env, w, link->ifindex);

	return r < 0 ? r : link_read(link->env->rtnl, link->ifindex, NULL, f);
}

/* Another device may have our index, after ours was removed. @return 1: it is ours, and not what it
 * must be; 0: it is well; -EEXIST: it is somebody else's */
static int look_over(const struct fl_link *link, const struct link_found *f)
{
	bool known = strcmp(f->link.name, link->name) == 0 ||
		     (f->link.has_mac && fl_mac_equal(&f->link.mac, &link->mac));

	if (!link->kind[0])
		return 0;
	if (strcmp(f->link.kind, link->kind) != 0 || (f->misfit >= 0 && !known))
		return -EEXIST;
	return f->misfit >= 0;
}

/* Once for each kind of trouble; it is tried again, more and more slowly. */
static void say_trouble(struct fl_link *link, int error)
{
	if (error < 0 && error != link->trouble)
		fl_err("link", "%s: cannot be repaired: %s%s; retrying", link->name,
		       strerror(-error),
		       error == -EEXIST ? " (another device has its name or its index)" : "");
	else if (error >= 0 && link->trouble)
		fl_info("link", "%s: it is repaired", link->name);
	link->trouble = error < 0 ? error : 0;
}

static int repair(struct fl_link *link, const struct link_want *w, struct link_found *f)
{
	bool quiet = link->trouble;
	char changes[64];
	int r = link_read(link->env->rtnl, link->ifindex, NULL, f);

	if (r == -ENODEV && !link->kind[0])
		return 0; /* the backend makes it again */
	if (r == 0)
		r = look_over(link, f);
	if (r == 1)
		r = link_delete(link->env, f) < 0 ? -EBUSY : -ENODEV;
	if (r < 0 && r != -ENODEV)
		return r;
	if (r == -ENODEV) {
		fl_log(quiet ? FL_LOG_DEBUG : FL_LOG_WARN, "link",
		       "%s: somebody has removed the device, or made another one of it; making it "
		       "again, with the same MAC",
		       link->name);
		r = make_again(link, w, f);
	} else if (!changes_of(link, f, changes)[0]) {
		return link_bring_up(link, &link->local);
	} else {
		fl_log(quiet ? FL_LOG_DEBUG : FL_LOG_WARN, "link",
		       "%s: somebody has changed its%s; setting it back", link->name, changes);
	}
	return r < 0 ? r : set_back(link, w, f);
}

static int link_repair(struct fl_link *link)
{
	const struct fl_link_spec spec = {.name = link->name,
					  .kind = link->kind,
					  .mac = link->mac,
					  .mtu = link->mtu,
					  .attrs = link->attrs,
					  .n_attrs = link->n_attrs};
	struct link_want want;
	struct link_found f = {.want = &want};
	int r = link_want_init(&want, &spec);

	r = r < 0 ? r : repair(link, &want, &f);
	say_trouble(link, r == 2 ? -EEXIST : r);
	return r;
}

int fl_env_device_repair(struct fl_env *env, uint32_t ifindex)
{
	for (uint32_t i = 0; i < env->n_links; i++)
		if (env->links[i]->ifindex == ifindex && fl_prefix_is_set(&env->links[i]->local))
			return link_repair(env->links[i]);
	return 0;
}
