/* core/firewall_watch.h - tells when somebody may have changed the iptables rules that are ours, or
 * the jumps to them. nf_tables announces it; the legacy tables have to be looked at. */
#ifndef FL_FIREWALL_WATCH_H
#define FL_FIREWALL_WATCH_H

#include <stdbool.h>
#include <stdint.h>

struct ev_loop;
struct nlmsghdr;
struct fl_firewall_watch; /* fields in firewall_watch.c */

struct fl_firewall_watch_listener {
	/** From the loop; not for what fl_firewall_watch_ours() has told. */
	void (*changed)(struct fl_firewall_watch_listener *l);
};

struct fl_firewall_watch_conf {
	bool legacy;	   /* the tables of ip_tables, not of nf_tables */
	uint32_t resync_s; /* legacy: seconds between looks */
};

/** @return 0 or -errno; @p ret is set only on success, the caller's until
 * fl_firewall_watch_destroy() */
int fl_firewall_watch_create(struct ev_loop *loop, const struct fl_firewall_watch_conf *conf,
			     struct fl_firewall_watch_listener *listener,
			     struct fl_firewall_watch **ret);
void fl_firewall_watch_destroy(struct fl_firewall_watch *w); /* NULL is a no-op */

/** What the process @p pid changes is our own doing: it runs, or has just ended. */
void fl_firewall_watch_ours(struct fl_firewall_watch *w, uint32_t pid);
/** Legacy: what stands now is what shall stand. No-op for nf_tables. */
void fl_firewall_watch_accept(struct fl_firewall_watch *w);

/** The pure part: is this announcement of nf_tables about one of our chains, or one that we jump
 * from? The caller has made sure that nlmsg_len bytes are there. */
bool fl_firewall_watch_concerns(const struct nlmsghdr *nlh);

/** A number that is another one when the rules of nat and filter are, whatever their counters; 0 if
 * there are none. Needs CAP_NET_ADMIN. @param fd  a raw socket. */
uint64_t fl_firewall_legacy_print(int fd);

#endif
