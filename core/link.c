/* core/link.c - a network device that is kept for a backend: adopt, replace or create it, give it
 * its address. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "env.h"
#include "io/rtmsg.h"
#include "io/rtnl.h"
#include "link_mark.h"

#define LINK_ATTRS_MAX 32u
#define STRAY_ADDRS    16u /* removed per dump; more take another round */
#define DUMP_TRIES     5   /* an interrupted dump is read again */
#define ATTR_MAX       16u /* bytes of an attribute: an IPv6 address */

struct fl_link {
	struct fl_env *env; /* borrowed */
	uint32_t ifindex;
	struct fl_mac mac;
	uint32_t mtu; /* 0: the kernel's choice */
	char name[IFNAMSIZ];
	/* what it is made of, to make it again; attached: "", the backend does that */
	char kind[16];
	struct fl_link_attr attrs[LINK_ATTRS_MAX];
	size_t n_attrs;
	uint8_t attr_data[LINK_ATTRS_MAX][ATTR_MAX];
	struct fl_prefix local; /* none: it was not brought up yet */
	int trouble;		/* -errno of the last repair, so that it is said once */
};

/* What is wanted, in rtmsg's terms. */
struct want {
	const struct fl_link_spec *spec;
	struct fl_rtmsg_attr attrs[LINK_ATTRS_MAX];
};

/* What the kernel has. */
struct found {
	const struct want *want; /* NULL: only the link itself is asked for */
	struct fl_rtmsg_link link;
	int misfit; /* position of the first attribute that is not as wanted, or -1 */
};

static int want_init(struct want *w, const struct fl_link_spec *spec)
{
	if (spec->n_attrs > LINK_ATTRS_MAX || !spec->name[0] || strlen(spec->name) >= IFNAMSIZ ||
	    strlen(spec->kind) >= sizeof(((struct fl_rtmsg_link *)NULL)->kind))
		return -EINVAL;
	w->spec = spec;
	for (size_t i = 0; i < spec->n_attrs; i++)
		w->attrs[i] = (struct fl_rtmsg_attr){.type = spec->attrs[i].type,
						     .len = spec->attrs[i].len,
						     .data = spec->attrs[i].data};
	return 0;
}

/* The attributes are compared here, where the message still stands. */
static int on_link(const struct nlmsghdr *nlh, void *data)
{
	struct found *f = data;
	int r = fl_rtmsg_link_parse(nlh, &f->link);

	if (r < 0)
		return r;
	f->misfit = -1;
	for (size_t i = 0; f->want && i < f->want->spec->n_attrs && f->misfit < 0; i++)
		if (!fl_rtmsg_attrs_match(f->link.data, f->link.data_len, &f->want->attrs[i], 1))
			f->misfit = (int)i;
	f->link.data = NULL;
	return 0;
}

static int link_read(struct fl_rtnl *rtnl, uint32_t ifindex, const char *name, struct found *ret)
{
	char buf[FL_RTNL_MSG_MAX] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = fl_rtmsg_link_get(buf, ifindex, name);
	int r;

	if (!nlh)
		return -EINVAL;
	ret->link.ifindex = 0;
	r = fl_rtnl_get(rtnl, nlh, on_link, ret);
	if (r == 0 && !ret->link.ifindex)
		r = -EBADMSG;
	return r;
}

static int link_change(struct fl_rtnl *rtnl, uint16_t type, const struct fl_rtmsg_link *l,
		       uint32_t change_mask)
{
	char buf[FL_RTNL_MSG_MAX] __attribute__((aligned(8)));
	const struct fl_rtmsg_link_change c = {.link = *l, .change_mask = change_mask};

	return fl_rtnl_request(rtnl, fl_rtmsg_link_put(buf, type, 0, &c));
}

/* " (the kernel's words)", or nothing. */
static const char *kernel_words(const struct fl_rtnl *rtnl, char buf[300])
{
	const char *why = fl_rtnl_why(rtnl);

	(void)snprintf(buf, 300, why[0] ? " (%s)" : "%s", why);
	return buf;
}

static int link_delete(struct fl_env *env, const struct found *f)
{
	const struct fl_rtmsg_link gone = {.ifindex = f->link.ifindex};
	char words[300];
	int r;

	r = link_change(env->rtnl, RTM_DELLINK, &gone, 0);
	if (r == -ENODEV)
		return 0;
	if (r < 0)
		fl_err("link", "%s: cannot remove the old device: %s%s", f->link.name, strerror(-r),
		       kernel_words(env->rtnl, words));
	return r;
}

/* @param ifindex  0: any */
static int link_create(struct fl_env *env, const struct want *w, uint32_t ifindex)
{
	static const struct fl_mac none;
	const struct fl_link_spec *spec = w->spec;
	char buf[FL_RTNL_MSG_MAX] __attribute__((aligned(8))), words[300];
	struct fl_rtmsg_link_change c = {
		.link = {.ifindex = ifindex, .mtu = spec->mtu, .mac = spec->mac},
		.attrs = w->attrs,
		.n_attrs = spec->n_attrs,
	};
	struct nlmsghdr *nlh;
	int r;

	(void)snprintf(c.link.name, sizeof(c.link.name), "%s", spec->name);
	(void)snprintf(c.link.kind, sizeof(c.link.kind), "%s", spec->kind);
	c.link.has_mac = !fl_mac_equal(&spec->mac, &none);
	nlh = fl_rtmsg_link_put(buf, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &c);
	if (!nlh)
		return -EINVAL;
	r = fl_rtnl_request(env->rtnl, nlh);
	if (r < 0)
		fl_err("link", "%s: cannot create the %s device: %s%s%s", spec->name, spec->kind,
		       strerror(-r), kernel_words(env->rtnl, words),
		       r == -EEXIST ? "; a device of another name may hold the same settings" : "");
	return r;
}

/* The kernel bounds some MTUs by the device below; then ours stays what the kernel gave. */
static void link_fix_mtu(struct fl_env *env, const struct want *w, struct found *f)
{
	const struct fl_rtmsg_link l = {.ifindex = f->link.ifindex, .mtu = w->spec->mtu};
	char words[300];
	int r;

	if (!w->spec->mtu || f->link.mtu == w->spec->mtu)
		return;
	r = link_change(env->rtnl, RTM_NEWLINK, &l, 0);
	if (r < 0)
		fl_warn("link", "%s: keeps MTU %u: the kernel refuses %u: %s%s", f->link.name,
			f->link.mtu, w->spec->mtu, strerror(-r), kernel_words(env->rtnl, words));
	else
		fl_info("link", "%s: MTU was %u, is %u now", f->link.name, f->link.mtu,
			w->spec->mtu);
}

static void say_found(const struct found *f, const char *what)
{
	char mac[FL_MAC_STRLEN];

	fl_info("link", "%s: %s device %s (index %u, MAC %s)", f->link.name, f->link.kind, what,
		f->link.ifindex, f->link.has_mac ? fl_mac_format(&f->link.mac, mac) : "none");
}

/* @return 1 if the device that is there stays, 0 if there is none (any more), or -errno */
static int link_adopt(struct fl_env *env, const struct want *w, struct found *f)
{
	int r = link_read(env->rtnl, 0, w->spec->name, f);

	if (r == -ENODEV)
		return 0;
	if (r < 0) {
		fl_err("link", "%s: cannot read the device: %s", w->spec->name, strerror(-r));
		return r;
	}
	if (strcmp(f->link.kind, w->spec->kind) != 0) {
		fl_err("link",
		       "%s: a %s device has this name, a %s device is needed; remove it or "
		       "rename it",
		       w->spec->name, f->link.kind[0] ? f->link.kind : "hardware", w->spec->kind);
		return -EEXIST;
	}
	if (f->misfit < 0)
		return 1;
	fl_warn("link",
		"%s: attribute %u of the %s device (index %u) is not what is needed; "
		"replacing the device",
		w->spec->name, w->attrs[f->misfit].type, f->link.kind, f->link.ifindex);
	return link_delete(env, f);
}

static int link_obtain(struct fl_env *env, const struct want *w, struct found *f)
{
	int r = link_adopt(env, w, f);

	if (r < 0)
		return r;
	if (r == 1) {
		say_found(f, "adopted");
		link_fix_mtu(env, w, f);
		return 0;
	}
	r = link_create(env, w, 0);
	if (r < 0)
		return r;
	r = link_read(env->rtnl, 0, w->spec->name, f);
	if (r < 0) {
		fl_err("link", "%s: cannot read the device back: %s", w->spec->name, strerror(-r));
		return r;
	}
	say_found(f, "created");
	link_fix_mtu(env, w, f);
	return 0;
}

/* Copies of what the backend has lent us for the call. */
static int copy_spec(struct fl_link *link, const struct fl_link_spec *spec)
{
	(void)snprintf(link->kind, sizeof(link->kind), "%s", spec->kind);
	(void)snprintf(link->name, sizeof(link->name), "%s", spec->name);
	link->mtu = spec->mtu;
	for (size_t i = 0; i < spec->n_attrs; i++) {
		if (spec->attrs[i].len > ATTR_MAX)
			return -EINVAL;
		link->attrs[i] = spec->attrs[i];
		if (!spec->attrs[i].data)
			continue;
		memcpy(link->attr_data[i], spec->attrs[i].data, spec->attrs[i].len);
		link->attrs[i].data = link->attr_data[i];
	}
	link->n_attrs = spec->n_attrs;
	return 0;
}

static int link_keep(struct fl_env *env, const struct found *f, struct fl_link **ret)
{
	struct fl_link *link = calloc(1, sizeof(*link));
	int r;

	if (!link)
		return -ENOMEM;
	r = copy_spec(link, f->want->spec);
	if (r == 0)
		r = fl_env_device_add(env, f->link.ifindex);
	if (r < 0) {
		free(link);
		return r;
	}
	fl_link_mark(env->rtnl, &f->link);
	link->env = env;
	link->ifindex = f->link.ifindex;
	link->mac = f->link.mac;
	env->links[env->n_links++] = link; /* not more than devices */
	*ret = link;
	return 0;
}

int fl_link_ensure(struct fl_env *env, const struct fl_link_spec *spec, struct fl_link **ret)
{
	struct want want;
	struct found found = {.want = &want};
	int r;

	r = want_init(&want, spec);
	if (r == 0)
		r = link_obtain(env, &want, &found);
	return r < 0 ? r : link_keep(env, &found, ret);
}

int fl_link_attach(struct fl_env *env, const char *name, uint32_t mtu, struct fl_link **ret)
{
	const struct fl_link_spec spec = {.name = name, .kind = "", .mtu = mtu};
	struct want want;
	struct found found = {.want = &want};
	int r;

	r = want_init(&want, &spec);
	if (r == 0)
		r = link_read(env->rtnl, 0, name, &found);
	if (r < 0) {
		fl_err("link", "%s: cannot read the device: %s", name, strerror(-r));
		return r;
	}
	link_fix_mtu(env, &want, &found);
	return link_keep(env, &found, ret);
}

uint32_t fl_link_ifindex(const struct fl_link *link)
{
	return link->ifindex;
}

const struct fl_mac *fl_link_mac(const struct fl_link *link)
{
	return &link->mac;
}

int fl_link_set_mac(struct fl_link *link, const struct fl_mac *mac)
{
	const struct fl_rtmsg_link l = {.ifindex = link->ifindex, .mac = *mac, .has_mac = true};
	int r = link_change(link->env->rtnl, RTM_NEWLINK, &l, 0);

	if (r < 0)
		fl_err("link", "%s: keeps its MAC: %s", link->name, strerror(-r));
	else
		link->mac = *mac;
	return r;
}

/* Addresses of the overlay network on the device that are not the wanted one. */
struct strays {
	const struct fl_link *link;
	const struct fl_prefix *wanted;
	struct fl_rtmsg_addr addrs[STRAY_ADDRS];
	size_t count;
	bool more;
};

static int on_addr(const struct nlmsghdr *nlh, void *data)
{
	struct strays *s = data;
	struct fl_rtmsg_addr a;
	int r = fl_rtmsg_addr_parse(nlh, &a);

	if (r == -ENOMSG)
		return 0;
	if (r < 0)
		return r;
	if (a.ifindex != s->link->ifindex || fl_prefix_equal(&a.local, s->wanted) ||
	    !fl_prefix_contains(&s->link->env->network, &a.local.addr))
		return 0;
	if (s->count < STRAY_ADDRS)
		s->addrs[s->count++] = a;
	else
		s->more = true;
	return 0;
}

static int strays_read(struct strays *s)
{
	char buf[FL_RTNL_MSG_MAX] __attribute__((aligned(8)));
	int r = -EINTR;

	for (int i = 0; i < DUMP_TRIES && r == -EINTR; i++) {
		s->count = 0;
		s->more = false;
		r = fl_rtnl_dump(s->link->env->rtnl,
				 fl_rtmsg_addr_dump(buf, s->wanted->addr.family, s->link->ifindex),
				 on_addr, s);
	}
	return r;
}

static int addr_change(const struct fl_link *link, uint16_t type, uint16_t flags,
		       const struct fl_rtmsg_addr *a)
{
	char buf[FL_RTNL_MSG_MAX] __attribute__((aligned(8)));

	return fl_rtnl_request(link->env->rtnl, fl_rtmsg_addr_put(buf, type, flags, a));
}

static int stray_remove(const struct fl_link *link, const struct fl_rtmsg_addr *a)
{
	char text[FL_PREFIX_STRLEN];
	int r = addr_change(link, RTM_DELADDR, 0, a);

	if (r == -EADDRNOTAVAIL)
		return 0; /* a secondary goes with its primary */
	if (r == 0)
		fl_info("link", "%s: removed the address %s, which is not this lease's", link->name,
			fl_prefix_format(&a->local, text));
	return r;
}

static int strays_remove(const struct fl_link *link, const struct fl_prefix *wanted)
{
	struct strays s = {.link = link, .wanted = wanted, .more = true};
	int r = 0, removed = 0;

	while (r == 0 && s.more) {
		r = strays_read(&s);
		for (size_t i = 0; i < s.count && r == 0; i++, removed = 1)
			r = stray_remove(link, &s.addrs[i]);
	}
	return r < 0 ? r : removed;
}

/* After the strays, since a secondary address may have gone with one of them. With NLM_F_EXCL an
 * address that stands is left untouched. */
static int local_add(const struct fl_link *link, const struct fl_prefix *local)
{
	const struct fl_rtmsg_addr a = {
		.ifindex = link->ifindex, .local = *local, .scope = RT_SCOPE_UNIVERSE};
	int r = addr_change(link, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &a);

	return r == -EEXIST ? 0 : r < 0 ? r : 1;
}

static int set_up(const struct fl_link *link)
{
	const struct fl_rtmsg_link up = {.ifindex = link->ifindex, .flags = IFF_UP};
	struct found f = {0};
	int r = link_read(link->env->rtnl, link->ifindex, NULL, &f);

	if (r < 0 || (f.link.flags & IFF_UP))
		return r;
	r = link_change(link->env->rtnl, RTM_NEWLINK, &up, IFF_UP);
	return r < 0 ? r : 1;
}

/* @return 1 if something had to be done, 0, -errno */
static int bring_up(struct fl_link *link, const struct fl_prefix *local)
{
	int strays, added, up;

	link->local = *local;
	strays = strays_remove(link, local);
	if (strays < 0)
		return strays;
	added = local_add(link, local);
	if (added < 0)
		return added;
	up = set_up(link);
	return up < 0 ? up : strays || added || up;
}

int fl_link_up(struct fl_link *link, const struct fl_prefix *local)
{
	char text[FL_PREFIX_STRLEN], words[300];
	int r = bring_up(link, local);

	if (r < 0)
		fl_err("link", "%s: cannot bring it up with %s: %s%s", link->name,
		       fl_prefix_format(local, text), strerror(-r),
		       kernel_words(link->env->rtnl, words));
	return r < 0 ? r : 0;
}

void fl_link_release(struct fl_link *link)
{
	struct fl_env *env;
	uint32_t i = 0;

	if (!link)
		return;
	env = link->env;
	while (i < env->n_links && env->links[i] != link)
		i++;
	if (i < env->n_links)
		env->links[i] = env->links[--env->n_links];
	fl_env_device_del(env, link->ifindex);
	free(link);
}

/* ---- repair ---- */

/* Which of its settings somebody has changed, into words; "": none. */
static const char *changes_of(const struct fl_link *link, const struct found *f, char buf[64])
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
static int set_back(struct fl_link *link, const struct want *w, struct found *f)
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

/* Another device may have our index, after ours was removed. @return 1: it is ours, and not what it
 * must be; 0: it is well; -EEXIST: it is somebody else's */
static int look_over(const struct fl_link *link, const struct found *f)
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

static int repair(struct fl_link *link, const struct want *w, struct found *f)
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
		r = link_create(link->env, w, link->ifindex);
		if (r == 0)
			r = link_read(link->env->rtnl, link->ifindex, NULL, f);
	} else if (!changes_of(link, f, changes)[0]) {
		return bring_up(link, &link->local);
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
	struct want want;
	struct found f = {.want = &want};
	int r = want_init(&want, &spec);

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
