/* core/extif_pick.c - the choice itself: options and tables in, one interface and address out. */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/special.h"
#include "extif_internal.h"

#define SAID_MAX 64u /* interfaces in an error's text */

/* One choice in the making. */
struct pick {
	const struct fl_extif_tables *t;
	const struct fl_extif_conf *conf;
	const struct fl_rtmsg_link *link; /* NULL until something fits */
	struct fl_addr addr;
	char why[sizeof(((struct fl_extif_choice *)NULL)->why)];
	struct fl_buf error;
};

/* Link-local addresses serve only where there is nothing else. */
enum rank { GLOBAL, LINK_LOCAL, RANKS };

static enum rank rank_of(const struct fl_addr *a)
{
	return fl_addr_v4(a) >> 16 == 0xa9fe ? LINK_LOCAL : GLOBAL; /* 169.254.0.0/16, RFC 3927 */
}

static const struct fl_rtmsg_link *link_by_index(const struct fl_extif_tables *t, uint32_t ifindex)
{
	for (size_t i = 0; i < t->n_links; i++)
		if (t->links[i].ifindex == ifindex)
			return &t->links[i];
	return NULL;
}

static bool addr_usable(const struct fl_rtmsg_addr *a)
{
	if (a->flags & (IFA_F_SECONDARY | IFA_F_DEPRECATED | IFA_F_TENTATIVE | IFA_F_DADFAILED))
		return false;
	return a->local.addr.family == AF_INET && !fl_special_addr(&a->local.addr);
}

static bool link_usable(const struct fl_rtmsg_link *l)
{
	return (l->flags & IFF_UP) && !(l->flags & IFF_LOOPBACK);
}

/* The first usable address of a link; with a regex, the first that it matches. */
static const struct fl_addr *addr_of(const struct fl_extif_tables *t, const struct fl_rtmsg_link *l,
				     enum rank rank, const regex_t *regex)
{
	char text[FL_ADDR_STRLEN];

	for (size_t i = 0; i < t->n_addrs; i++) {
		const struct fl_rtmsg_addr *a = &t->addrs[i];

		if (a->ifindex != l->ifindex || !addr_usable(a) || rank_of(&a->local.addr) != rank)
			continue;
		fl_addr_format(&a->local.addr, text);
		if (!regex || regexec(regex, text, 0, NULL, 0) == 0)
			return &a->local.addr;
	}
	return NULL;
}

/* Never a special address, whoever names it: no other host accepts a lease that advertises it. */
static bool take(struct pick *p, const struct fl_rtmsg_link *l, const struct fl_addr *a)
{
	if (!l || !a || fl_special_addr(a))
		return false;
	p->link = l;
	p->addr = *a;
	return true;
}

static bool take_first_of(struct pick *p, const struct fl_rtmsg_link *l)
{
	for (enum rank rank = GLOBAL; l && rank < RANKS; rank++)
		if (take(p, l, addr_of(p->t, l, rank, NULL)))
			return true;
	return false;
}

/* An address that was named, or that the kernel uses, counts whatever its flags are. */
static bool take_holder(struct pick *p, const struct fl_addr *addr)
{
	for (size_t i = 0; i < p->t->n_addrs; i++) {
		const struct fl_rtmsg_addr *a = &p->t->addrs[i];

		if (fl_addr_equal(&a->local.addr, addr))
			return take(p, link_by_index(p->t, a->ifindex), addr);
	}
	return false;
}

static bool try_iface(struct pick *p, const char *iface)
{
	struct fl_addr addr;

	if (fl_addr_parse(iface, &addr) == 0) {
		(void)snprintf(p->why, sizeof(p->why),
			       "--iface=%s: the interface with this address", iface);
		return take_holder(p, &addr);
	}
	(void)snprintf(p->why, sizeof(p->why), "--iface=%s: its first usable address", iface);
	for (size_t i = 0; i < p->t->n_links; i++) {
		const struct fl_rtmsg_link *l = &p->t->links[i];

		/* a loopback device that is named may carry the host's routed address */
		if (strcmp(l->name, iface) == 0)
			return (l->flags & IFF_UP) && take_first_of(p, l);
	}
	return false;
}

static bool match_addrs(struct pick *p, const char *pattern, const regex_t *regex)
{
	(void)snprintf(p->why, sizeof(p->why), "--iface-regex=%s: the first address that matches",
		       pattern);
	for (enum rank rank = GLOBAL; rank < RANKS; rank++)
		for (size_t i = 0; i < p->t->n_links; i++) {
			const struct fl_rtmsg_link *l = &p->t->links[i];

			if (link_usable(l) && take(p, l, addr_of(p->t, l, rank, regex)))
				return true;
		}
	return false;
}

static bool match_names(struct pick *p, const char *pattern, const regex_t *regex)
{
	(void)snprintf(p->why, sizeof(p->why), "--iface-regex=%s: the first name that matches",
		       pattern);
	for (enum rank rank = GLOBAL; rank < RANKS; rank++)
		for (size_t i = 0; i < p->t->n_links; i++) {
			const struct fl_rtmsg_link *l = &p->t->links[i];

			if (link_usable(l) && regexec(regex, l->name, 0, NULL, 0) == 0 &&
			    take(p, l, addr_of(p->t, l, rank, NULL)))
				return true;
		}
	return false;
}

static int regex_compile(struct pick *p, const char *pattern, regex_t *ret)
{
	char *why = NULL;
	int r = fl_extif_regex_compile(pattern, ret, &why);

	if (r < 0)
		fl_buf_printf(&p->error, "--iface-regex=%s: %s", pattern, why ? why : strerror(-r));
	free(why);
	return r;
}

static int try_regex(struct pick *p, const char *pattern)
{
	regex_t regex;
	int r = regex_compile(p, pattern, &regex);

	if (r < 0)
		return r;
	if (!p->link && !match_addrs(p, pattern, &regex))
		(void)match_names(p, pattern, &regex);
	regfree(&regex);
	return 0;
}

static bool listed(const char *const *list)
{
	return list && list[0];
}

/* Later patterns are compiled even after a match: a mistake shows at once, not on the day when it
 * is needed. */
static int pick_given(struct pick *p)
{
	const char *const *item;
	int r = 0;

	for (item = p->conf->iface; item && *item && !p->link; item++)
		(void)try_iface(p, *item);
	for (item = p->conf->iface_regex; item && *item && r == 0; item++)
		r = try_regex(p, *item);
	return r;
}

static int pick_reach(struct pick *p)
{
	const struct fl_rtmsg_route *route = &p->t->reach;
	const char *dst = p->conf->can_reach;
	struct fl_addr addr;

	if (fl_addr_parse(dst, &addr) < 0 || addr.family != AF_INET) {
		fl_buf_printf(&p->error, "--iface-can-reach=%s: not an IPv4 address", dst);
		return -EINVAL;
	}
	if (p->t->reach_error < 0) {
		fl_buf_printf(&p->error, "--iface-can-reach=%s: the kernel has no route to it: %s",
			      dst, strerror(-p->t->reach_error));
		return -ENODEV;
	}
	(void)snprintf(p->why, sizeof(p->why), "--iface-can-reach=%s: the kernel's route to it",
		       dst);
	if (route->type == RTN_LOCAL) /* one of our own, and the route says lo */
		return take_holder(p, &addr) ? 0 : -ENODEV;
	if (fl_addr_is_set(&route->prefsrc))
		(void)take(p, link_by_index(p->t, route->ifindex), &route->prefsrc);
	else
		(void)take_first_of(p, link_by_index(p->t, route->ifindex));
	return 0;
}

static bool try_default(struct pick *p, const struct fl_rtmsg_route *route)
{
	const struct fl_rtmsg_link *l = link_by_index(p->t, route->ifindex);
	char via[FL_ADDR_STRLEN];

	if (!l || !link_usable(l))
		return false;
	if (fl_addr_is_set(&route->prefsrc) ? !take(p, l, &route->prefsrc) : !take_first_of(p, l))
		return false;
	if (fl_addr_is_set(&route->via))
		(void)snprintf(p->why, sizeof(p->why), "default route via %s, metric %u",
			       fl_addr_format(&route->via, via), route->metric);
	else
		(void)snprintf(p->why, sizeof(p->why), "default route, metric %u", route->metric);
	return true;
}

/* Of equal metrics the first in the table, as the kernel does. */
static void pick_default(struct pick *p)
{
	const struct fl_rtmsg_route *best = NULL;

	for (size_t i = 0; i < p->t->n_defaults; i++) {
		const struct fl_rtmsg_route *route = &p->t->defaults[i];

		if (best && route->metric >= best->metric)
			continue;
		if (try_default(p, route))
			best = route;
	}
}

static void say_addrs(struct fl_buf *text, const struct fl_extif_tables *t, uint32_t ifindex)
{
	const char *sep = "";
	char addr[FL_ADDR_STRLEN];

	for (size_t i = 0; i < t->n_addrs; i++) {
		const struct fl_rtmsg_addr *a = &t->addrs[i];

		if (a->ifindex != ifindex)
			continue;
		fl_buf_printf(text, "%s%s", sep, fl_addr_format(&a->local.addr, addr));
		if (a->flags & IFA_F_SECONDARY)
			fl_buf_puts(text, " secondary");
		if (a->flags & IFA_F_DEPRECATED)
			fl_buf_puts(text, " deprecated");
		if (a->flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED))
			fl_buf_puts(text, " tentative");
		if (fl_special_addr(&a->local.addr))
			fl_buf_printf(text, " of %s", fl_special_addr(&a->local.addr));
		sep = ", ";
	}
	if (!*sep)
		fl_buf_puts(text, "no IPv4 address");
}

static void say_links(struct fl_buf *text, const struct fl_extif_tables *t)
{
	fl_buf_puts(text, "there are ");
	for (size_t i = 0; i < t->n_links && i < SAID_MAX; i++) {
		const struct fl_rtmsg_link *l = &t->links[i];

		fl_buf_printf(text, "%s%s (%s", i ? ", " : "", l->name,
			      l->flags & IFF_UP ? "" : "down, ");
		say_addrs(text, t, l->ifindex);
		fl_buf_puts(text, ")");
	}
	if (!t->n_links)
		fl_buf_puts(text, "none");
	if (t->n_links > SAID_MAX)
		fl_buf_printf(text, " and %zu more", t->n_links - SAID_MAX);
}

static void say_list(struct fl_buf *text, const char *option, const char *const *list,
		     const char **sep)
{
	for (; list && *list; list++) {
		fl_buf_printf(text, "%s%s=%s", *sep, option, *list);
		*sep = ", ";
	}
}

static void say_nothing_fits(struct pick *p)
{
	const char *sep = "";

	if (p->error.len)
		fl_buf_puts(&p->error, "; ");
	if (listed(p->conf->iface) || listed(p->conf->iface_regex)) {
		fl_buf_puts(&p->error, "no usable interface for ");
		say_list(&p->error, "--iface", p->conf->iface, &sep);
		say_list(&p->error, "--iface-regex", p->conf->iface_regex, &sep);
		fl_buf_puts(&p->error, "; ");
	} else if (p->conf->can_reach && p->conf->can_reach[0]) {
		fl_buf_printf(&p->error, "no usable interface for --iface-can-reach=%s; ",
			      p->conf->can_reach);
	} else {
		fl_buf_puts(&p->error,
			    "no default route over a usable interface (name one with --iface); ");
	}
	say_links(&p->error, p->t);
}

static int pick_public_ip(struct pick *p, struct fl_addr *ret)
{
	const char *text = p->conf->public_ip;
	struct fl_addr a = p->addr;

	if (text && text[0] && (fl_addr_parse(text, &a) < 0 || a.family != AF_INET)) {
		fl_buf_printf(&p->error, "--public-ip=%s: not an IPv4 address", text);
		return -EINVAL;
	}
	if (fl_special_addr(&a)) {
		fl_buf_printf(&p->error, "--public-ip=%s: must not be in %s", text,
			      fl_special_addr(&a));
		return -EINVAL;
	}
	*ret = a;
	return 0;
}

static int pick_link(struct pick *p)
{
	int r = 0;

	if (listed(p->conf->iface) || listed(p->conf->iface_regex))
		r = pick_given(p);
	else if (p->conf->can_reach && p->conf->can_reach[0])
		r = pick_reach(p);
	else
		pick_default(p);
	if (r == 0 && !p->link)
		r = -ENODEV;
	if (r == -ENODEV)
		say_nothing_fits(p);
	return r;
}

static struct fl_prefix connected_of(const struct pick *p)
{
	struct fl_prefix alone = {.addr = p->addr, .len = 32};

	for (size_t i = 0; i < p->t->n_addrs; i++) {
		const struct fl_rtmsg_addr *a = &p->t->addrs[i];

		if (a->ifindex == p->link->ifindex && fl_addr_equal(&a->local.addr, &p->addr))
			return fl_prefix_masked(&a->local);
	}
	return alone;
}

static void choice_set(const struct pick *p, const struct fl_addr *public_ip,
		       struct fl_extif_choice *ret)
{
	memset(ret, 0, sizeof(*ret));
	(void)snprintf(ret->name_buf, sizeof(ret->name_buf), "%s", p->link->name);
	(void)snprintf(ret->why, sizeof(ret->why), "%s", p->why);
	ret->extif.name = ret->name_buf;
	ret->extif.ifindex = p->link->ifindex;
	ret->extif.mtu = p->link->mtu;
	ret->extif.addr = p->addr;
	ret->extif.public_ip = *public_ip;
	ret->connected = connected_of(p);
}

int fl_extif_pick(const struct fl_extif_tables *t, const struct fl_extif_conf *conf,
		  struct fl_extif_choice *ret, char **error)
{
	struct pick p = {.t = t, .conf = conf};
	struct fl_addr public_ip;
	int r;

	r = pick_link(&p);
	if (r == 0)
		r = pick_public_ip(&p, &public_ip);
	if (r == 0)
		choice_set(&p, &public_ip, ret);
	else
		*error = fl_buf_take(&p.error);
	fl_buf_done(&p.error);
	return r;
}

/* ---- later on ---- */

static bool holds(const struct fl_extif_tables *t, const struct fl_rtmsg_link *l,
		  const struct fl_addr *addr)
{
	for (size_t i = 0; i < t->n_addrs; i++)
		if (t->addrs[i].ifindex == l->ifindex &&
		    fl_addr_equal(&t->addrs[i].local.addr, addr))
			return true;
	return false;
}

/* By index, for it may have another name by now; an index may also be another interface's. */
static const struct fl_rtmsg_link *same_link(const struct fl_extif_tables *t,
					     const struct fl_extif *was)
{
	const struct fl_rtmsg_link *l = link_by_index(t, was->ifindex);

	if (l && (strcmp(l->name, was->name) == 0 || holds(t, l, &was->addr)))
		return l;
	for (size_t i = 0; i < t->n_links; i++)
		if (strcmp(t->links[i].name, was->name) == 0)
			return &t->links[i];
	return NULL;
}

/* @return true if there is an address on @p l */
static bool pick_on(struct pick *p, const struct fl_rtmsg_link *l, const struct fl_extif *was)
{
	if (holds(p->t, l, &was->addr))
		return take(p, l, &was->addr);
	if (listed(p->conf->iface) || listed(p->conf->iface_regex))
		return pick_given(p) == 0 && p->link == l;
	return take_first_of(p, l);
}

int fl_extif_pick_again(const struct fl_extif_tables *t, const struct fl_extif_conf *conf,
			const struct fl_extif_choice *was, struct fl_extif_choice *ret,
			char **error)
{
	struct pick p = {.t = t, .conf = conf};
	const struct fl_rtmsg_link *l = same_link(t, &was->extif);
	struct fl_addr public_ip;
	int r = 0;

	if (!l) {
		fl_buf_printf(&p.error, "%s is gone", was->extif.name);
		r = -ENODEV;
	} else if (!pick_on(&p, l, &was->extif)) {
		fl_buf_printf(&p.error, "%s%s has no address to use: ", l->name,
			      l->flags & IFF_UP ? "" : ", which is down,");
		say_addrs(&p.error, t, l->ifindex);
		r = -EADDRNOTAVAIL;
	} else {
		r = pick_public_ip(&p, &public_ip);
	}
	if (r == 0)
		choice_set(&p, &public_ip, ret);
	if (r == 0)
		(void)snprintf(ret->why, sizeof(ret->why), "%s", was->why);
	else
		*error = fl_buf_take(&p.error);
	fl_buf_done(&p.error);
	return r;
}
