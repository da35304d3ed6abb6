/* core/firewall_rules.h - which iptables rules should stand, and what is to be done where they do
 * not: pure functions between the text of iptables-save(8) and that of iptables-restore(8). */
#ifndef FL_FIREWALL_RULES_H
#define FL_FIREWALL_RULES_H

#include "base/addr.h"

struct fl_buf;

#define FL_FIREWALL_NAT_CHAIN	 "FLANNEL-POSTRTG" /* of flannel, too */
#define FL_FIREWALL_FILTER_CHAIN "FLANNEL-FWD"

struct fl_firewall_want {
	bool masq;	   /* chain FLANNEL-POSTRTG, jumped to from POSTROUTING, table nat */
	bool forward;	   /* chain FLANNEL-FWD, jumped to from FORWARD, table filter */
	bool random_fully; /* MASQUERADE --random-fully */
	struct fl_prefix network;
	struct fl_prefix subnet;
};

/**
 * Compare what stands with what is wanted, and append the input for iptables-restore --noflush that
 * corrects it; nothing if all is right. Own chains are rewritten whole; the jump to each is the
 * only one of its base chain, and the first rule there; an own chain that is not wanted is removed.
 * No rule of others is touched.
 *
 * @param save  the output of iptables-save (all tables, or at least nat and filter); tables that
 * the kernel does not have yet are absent from it
 * @param ret   appended to; on failure its content is not to be used
 * @return 0; -EBADMSG if @p save is cut off or no output of iptables-save; -ENOMEM
 */
int fl_firewall_rules_correct(const struct fl_firewall_want *want, const char *save, size_t len,
			      struct fl_buf *ret);

/** False if @p save, NUL-terminated, says that its iptables is older than 1.6.2, which brought
 * --random-fully for masquerading; true if it is newer or does not say. */
bool fl_firewall_rules_random_fully(const char *save);

/** Where an iptables has its rules. */
enum fl_firewall_kind {
	FL_FIREWALL_UNKNOWN, /* there is no table yet, so it says nothing */
	FL_FIREWALL_NFT,     /* nf_tables */
	FL_FIREWALL_LEGACY,  /* ip_tables */
};

/** As @p save, NUL-terminated, tells. */
enum fl_firewall_kind fl_firewall_rules_kind(const char *save);

#endif
