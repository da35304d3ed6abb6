/* core/firewall_watch.c - tells when somebody may have changed the iptables rules that are ours. */
#include "firewall_watch.h"

#include <errno.h>
#include <ev.h>
#include <libmnl/libmnl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "base/defs.h"
#include "firewall_rules.h"
#include "io/nfnl.h"

struct fl_firewall_watch {
	struct ev_loop *loop;
	struct fl_firewall_watch_listener *listener;
	struct fl_nfnl_watch *announced; /* NULL: legacy */
	struct fl_nfnl_listener announced_listener;
	uint32_t ours; /* nlmsg_pid of our own changes; 0: none */
	ev_timer look; /* legacy */
	int fd;	       /* likewise; -1 */
	uint64_t print;
};

/* ---- nf_tables ---- */

/* Text with or without its NUL. */
static bool is_one_of(const struct nlattr *a, const char *const *names, size_t n)
{
	size_t len = a ? mnl_attr_get_payload_len(a) : 0;

	if (len > 0 && ((const char *)mnl_attr_get_payload(a))[len - 1] == '\0')
		len--;
	for (size_t i = 0; a && i < n; i++)
		if (strlen(names[i]) == len && memcmp(mnl_attr_get_payload(a), names[i], len) == 0)
			return true;
	return false;
}

bool fl_firewall_watch_concerns(const struct nlmsghdr *nlh)
{
	static const char *const tables[] = {"nat", "filter"};
	static const char *const chains[] = {FL_FIREWALL_NAT_CHAIN, FL_FIREWALL_FILTER_CHAIN,
					     "POSTROUTING", "FORWARD"};
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	uint16_t chain;

	if (nlh->nlmsg_len < MNL_NLMSG_HDRLEN + sizeof(*nfg) || nfg->nfgen_family != NFPROTO_IPV4)
		return false;
	switch (nlh->nlmsg_type & 0xff) {
	case NFT_MSG_DELTABLE:
		return is_one_of(fl_nfnl_attr(nlh, NFTA_TABLE_NAME), tables, FL_ARRAY_SIZE(tables));
	case NFT_MSG_DELCHAIN:
		chain = NFTA_CHAIN_NAME;
		break;
	case NFT_MSG_NEWRULE:
	case NFT_MSG_DELRULE:
		chain = NFTA_RULE_CHAIN;
		break;
	default:
		return false;
	}
	/* NFTA_CHAIN_TABLE and NFTA_RULE_TABLE have one number. */
	return is_one_of(fl_nfnl_attr(nlh, NFTA_RULE_TABLE), tables, FL_ARRAY_SIZE(tables)) &&
	       is_one_of(fl_nfnl_attr(nlh, chain), chains, FL_ARRAY_SIZE(chains));
}

static void on_message(struct fl_nfnl_listener *l, const struct nlmsghdr *nlh)
{
	struct fl_firewall_watch *w =
		fl_container_of(l, struct fl_firewall_watch, announced_listener);

	if (nlh->nlmsg_pid && nlh->nlmsg_pid == w->ours)
		return;
	if (fl_firewall_watch_concerns(nlh))
		w->listener->changed(w->listener);
}

static void on_lost(struct fl_nfnl_listener *l)
{
	struct fl_firewall_watch *w =
		fl_container_of(l, struct fl_firewall_watch, announced_listener);

	w->listener->changed(w->listener);
}

/* The first netlink socket of a process has its pid as its number (netlink_autobind() of
 * net/netlink/af_netlink.c), and iptables opens one. */
void fl_firewall_watch_ours(struct fl_firewall_watch *w, uint32_t pid)
{
	w->ours = pid;
}

/* ---- legacy ---- */

void fl_firewall_watch_accept(struct fl_firewall_watch *w)
{
	if (w->fd >= 0)
		w->print = fl_firewall_legacy_print(w->fd);
}

static void on_look(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct fl_firewall_watch *w = fl_container_of(t, struct fl_firewall_watch, look);
	uint64_t now = fl_firewall_legacy_print(w->fd);

	(void)loop;
	(void)revents;
	if (now == w->print)
		return;
	w->print = now;
	w->listener->changed(w->listener);
}

static int start_legacy(struct fl_firewall_watch *w, uint32_t resync_s)
{
	w->fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (w->fd < 0)
		return -errno;
	fl_firewall_watch_accept(w);
	ev_timer_set(&w->look, resync_s, resync_s);
	ev_timer_start(w->loop, &w->look);
	return 0;
}

/* ---- life ---- */

int fl_firewall_watch_create(struct ev_loop *loop, const struct fl_firewall_watch_conf *conf,
			     struct fl_firewall_watch_listener *listener,
			     struct fl_firewall_watch **ret)
{
	struct fl_firewall_watch *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->loop = loop;
	w->listener = listener;
	w->fd = -1;
	w->announced_listener.message = on_message;
	w->announced_listener.lost = on_lost;
	ev_init(&w->look, on_look);
	r = conf->legacy ? start_legacy(w, conf->resync_s)
			 : fl_nfnl_watch_create(loop, &w->announced_listener, &w->announced);
	if (r < 0) {
		fl_firewall_watch_destroy(w);
		return r;
	}
	*ret = w;
	return 0;
}

void fl_firewall_watch_destroy(struct fl_firewall_watch *w)
{
	if (!w)
		return;
	ev_timer_stop(w->loop, &w->look);
	fl_nfnl_watch_destroy(w->announced);
	if (w->fd >= 0)
		(void)close(w->fd);
	free(w);
}
