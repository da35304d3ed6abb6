/* core/link.c - a network device that is kept for a backend: adopt, replace or create it, give it
 * its address. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "backend.h"
#include "env.h"
#include "io/rtmsg.h"
#include "io/rtnl.h"
#include "link_internal.h"
#include "link_mark.h"

#define STRAY_ADDRS 16u /* removed per dump; more take another round */
#define DUMP_TRIES  5	/* an interrupted dump is read again */

int link_want_init(struct link_want *w, const struct fl_link_spec *spec)
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
	struct link_found *f = data;
	int r = fl_rtmsg_link_parse(nlh, &f->link);

	if (r < 0)
		return r;
	f->misfit = -1;
	f->misfits = 0;
	for (size_t i = 0; f->want && i < f->want->spec->n_attrs; i++)
		if (!fl_rtmsg_attrs_match(f->link.data, f->link.data_len, &f->want->attrs[i], 1))
			f->misfits |= 1u << i;
	if (f->misfits)
		f->misfit = ffs((int)f->misfits) - 1;
	f->link.data = NULL;
	return 0;
}

int link_read(struct fl_rtnl *rtnl, uint32_t ifindex, const char *name, struct link_found *ret)
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

int link_change(struct fl_rtnl *rtnl, uint16_t type, const struct fl_rtmsg_link *l,
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

int link_delete(struct fl_env *env, const struct link_found *f)
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

int link_create(struct fl_env *env, const struct link_want *w, uint32_t ifindex)
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
void link_fix_mtu(struct fl_env *env, const struct link_want *w, struct link_found *f)
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

/* ---- its memory: peers know a device by its MAC, and rows by its index, so one that is made again
 * gets those of the one before ---- */

static struct fl_env_memory *memory_of(struct fl_env *env, const char *name)
{
	for (uint32_t i = 0; i < env->n_memory; i++)
		if (strcmp(env->memory[i].name, name) == 0)
			return &env->memory[i];
	return NULL;
}

static void remember(struct fl_env *env, const char *name, uint32_t ifindex,
		     const struct fl_mac *mac)
{
	struct fl_env_memory *m = memory_of(env, name);

	if (!m && env->n_memory == FL_ENV_DEVICES_MAX)
		return;
	if (!m)
		m = &env->memory[env->n_memory++];
	(void)snprintf(m->name, sizeof(m->name), "%s", name);
	m->ifindex = ifindex;
	m->mac = *mac;
}

static void say_found(const struct link_found *f, const char *what)
{
	char mac[FL_MAC_STRLEN];

	fl_info("link", "%s: %s device %s (index %u, MAC %s)", f->link.name, f->link.kind, what,
		f->link.ifindex, f->link.has_mac ? fl_mac_format(&f->link.mac, mac) : "none");
}

/* Not every attribute of a device can be changed while it is there, but where it can, rows and
 * packets stay. @return true if it fits now */
static bool link_alter(struct fl_env *env, const struct link_want *w, struct link_found *f)
{
	char buf[FL_RTNL_MSG_MAX] __attribute__((aligned(8)));
	struct fl_rtmsg_attr attrs[LINK_ATTRS_MAX];
	struct fl_rtmsg_link_change c = {.link = {.ifindex = f->link.ifindex}, .attrs = attrs};
	uint32_t misfits = f->misfits;
	struct nlmsghdr *nlh;

	(void)snprintf(c.link.kind, sizeof(c.link.kind), "%s", w->spec->kind);
	for (size_t i = 0; i < w->spec->n_attrs; i++) {
		if (!(misfits & (1u << i)))
			continue;
		if (!w->attrs[i].data) /* it must go, and a message cannot say so */
			return false;
		attrs[c.n_attrs++] = w->attrs[i];
	}
	nlh = fl_rtmsg_link_put(buf, RTM_NEWLINK, 0, &c);
	if (!nlh || fl_rtnl_request(env->rtnl, nlh) < 0 ||
	    link_read(env->rtnl, c.link.ifindex, NULL, f) < 0 || f->misfit >= 0)
		return false;
	fl_info("link", "%s: attribute%s of the %s device changed in place", f->link.name,
		c.n_attrs > 1 ? "s" : "", f->link.kind);
	return true;
}

static bool index_is_free(struct fl_env *env, uint32_t ifindex)
{
	struct link_found f = {0};

	return link_read(env->rtnl, ifindex, NULL, &f) == -ENODEV;
}

/* @return 1 if the device that is there stays, 0 if there is none (any more), or -errno */
static int link_adopt(struct fl_env *env, const struct link_want *w, struct link_found *f)
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
	if (link_alter(env, w, f))
		return 1;
	fl_warn("link",
		"%s: attribute %u of the %s device (index %u) is not what is needed; "
		"replacing the device",
		w->spec->name, w->attrs[f->misfit].type, f->link.kind, f->link.ifindex);
	if (f->link.has_mac)
		remember(env, w->spec->name, f->link.ifindex, &f->link.mac);
	return link_delete(env, f);
}

/* Under the index and with the MAC of the one before, if there was one. */
static int link_make(struct fl_env *env, const struct link_want *w)
{
	const struct fl_env_memory *m = memory_of(env, w->spec->name);
	struct fl_link_spec spec = *w->spec;
	struct link_want again = *w;

	if (!m)
		return link_create(env, w, 0);
	spec.mac = m->mac;
	again.spec = &spec;
	return link_create(env, &again, index_is_free(env, m->ifindex) ? m->ifindex : 0);
}

static int link_obtain(struct fl_env *env, const struct link_want *w, struct link_found *f)
{
	int r = link_adopt(env, w, f);

	if (r < 0)
		return r;
	if (r == 1) {
		say_found(f, "adopted");
		link_fix_mtu(env, w, f);
		return 0;
	}
	r = link_make(env, w);
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

static int link_keep(struct fl_env *env, const struct link_found *f, struct fl_link **ret)
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
	struct link_want want;
	struct link_found found = {.want = &want};
	int r;

	r = link_want_init(&want, spec);
	if (r == 0)
		r = link_obtain(env, &want, &found);
	return r < 0 ? r : link_keep(env, &found, ret);
}

int fl_link_attach(struct fl_env *env, const char *name, uint32_t mtu, struct fl_link **ret)
{
	const struct fl_link_spec spec = {.name = name, .kind = "", .mtu = mtu};
	struct link_want want;
	struct link_found found = {.want = &want};
	int r;

	r = link_want_init(&want, &spec);
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
	struct link_found f = {0};
	int r = link_read(link->env->rtnl, link->ifindex, NULL, &f);

	if (r < 0 || (f.link.flags & IFF_UP))
		return r;
	r = link_change(link->env->rtnl, RTM_NEWLINK, &up, IFF_UP);
	return r < 0 ? r : 1;
}

/* @return 1 if something had to be done, 0, -errno */
int link_bring_up(struct fl_link *link, const struct fl_prefix *local)
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
	int r = link_bring_up(link, local);

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
	if (link->kind[0]) /* else the backend makes it */
		remember(env, link->name, link->ifindex, &link->mac);
	while (i < env->n_links && env->links[i] != link)
		i++;
	if (i < env->n_links)
		env->links[i] = env->links[--env->n_links];
	fl_env_device_del(env, link->ifindex);
	free(link);
}
