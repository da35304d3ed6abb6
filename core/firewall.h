/* core/firewall.h - masquerade and forward rules through iptables: own chains, one jump each,
 * nothing else touched. */
#ifndef FL_FIREWALL_H
#define FL_FIREWALL_H

#include "base/addr.h"

struct ev_loop;
struct fl_firewall; /* fields in firewall.c */

struct fl_firewall_conf {
	bool masq;	   /* --ip-masq */
	bool forward;	   /* --iptables-forward-rules */
	bool random_fully; /* not --ip-masq-fully-random-disable; used where iptables supports it */
	uint32_t resync_s; /* between looks at legacy tables, which announce nothing */
};

struct fl_firewall_listener {
	/** An apply() ended, or a repair: 0 (rules stand), or -errno with the reason in @p why (one
	 * line). */
	void (*applied)(struct fl_firewall_listener *l, int error, const char *why);
};

/**
 * Find the tools. Masquerade wanted and no iptables: -ENOENT. Only forward rules wanted and no
 * iptables: 0 with a warning in the log, and apply() succeeds at once.
 * @param why  set on failure, one line, owned by the caller
 */
int fl_firewall_create(struct ev_loop *loop, const struct fl_firewall_conf *conf,
		       struct fl_firewall_listener *listener, struct fl_firewall **ret, char **why);
/** The paths of iptables-save and iptables-restore, borrowed; NULL where it has none. */
void fl_firewall_programs(const struct fl_firewall *fw, const char *ret[2]);
/**
 * The legacy iptables has modprobe(8) load its tables, which a sandbox does not leave to it: have
 * them loaded before, and wait for that. Where there are no modules, or they are there already,
 * nothing happens.
 */
void fl_firewall_load_tables(const struct fl_firewall *fw);
/** How often rules that others had changed were put right. */
uint64_t fl_firewall_repairs(const struct fl_firewall *fw);
/** Rules stay. NULL is a no-op. */
void fl_firewall_destroy(struct fl_firewall *fw);

/**
 * Read what stands (iptables-save) and, only if it differs from what @p network and @p subnet want,
 * correct it with one iptables-restore --noflush --wait. Asynchronous; ends in applied(). A call
 * while one runs replaces it.
 *
 * From then on what others do to these rules is undone, and ends in applied(), too: at once where
 * nf_tables announces it, within resync_s with legacy tables. Who changes them again and again sets
 * the pace to a minute.
 */
int fl_firewall_apply(struct fl_firewall *fw, const struct fl_prefix *network,
		      const struct fl_prefix *subnet);

#endif
