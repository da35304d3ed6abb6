/* core/extif.h - which interface and address lead to the other hosts (--iface, --iface-regex,
 * --iface-can-reach). */
#ifndef FL_EXTIF_H
#define FL_EXTIF_H

#include <net/if.h>

#include "backend.h"

struct fl_rtnl;

/** What the command line says. All borrowed. */
struct fl_extif_conf {
	const char *const *iface; /* names or addresses, in order; NULL-terminated, NULL: none */
	const char *const *iface_regex; /* POSIX extended, matched against addresses, then names;
					   tried after all iface */
	const char *can_reach;		/* an address; NULL or "": not given */
	const char *public_ip;		/* likewise */
};

/** The choice, with its own storage. */
struct fl_extif_choice {
	struct fl_extif extif;	    /* name points at name_buf: do not copy the struct */
	struct fl_prefix connected; /* the network that the address makes directly reachable */
	char name_buf[IF_NAMESIZE];
	char why[256]; /* for the log: "--iface=eth1: first match", "default route via 192.168.1.1"
			  ... */
};

/**
 * Choose. Secondary, deprecated and tentative addresses, and interfaces that are down, are skipped
 * (a --iface address is taken as named); special addresses (base/special.h) always are.
 *
 * @param ret    filled only on success
 * @param error  set on failure: one line with what was asked and what there is, owned by the caller
 * @return 0; -EINVAL for a bad regex or address; -ENODEV if nothing matches; -errno of rtnetlink
 */
int fl_extif_choose(struct fl_rtnl *rtnl, const struct fl_extif_conf *conf,
		    struct fl_extif_choice *ret, char **error);

/** Copy it whole; its name points into the copy. */
void fl_extif_choice_copy(struct fl_extif_choice *to, const struct fl_extif_choice *from);

/**
 * What has become of @p was, the choice of before: the same interface, by index or by name. Its
 * address stays as long as it is there; else it is one that @p conf would take on this interface,
 * or, where conf names neither interface nor address, the first usable one.
 * @param error  set on failure: one line that says what is missing, owned by the caller
 * @return 0; -ENODEV: the interface is gone; -EADDRNOTAVAIL: it has no address to use; -errno of
 * rtnetlink
 */
int fl_extif_follow(struct fl_rtnl *rtnl, const struct fl_extif_conf *conf,
		    const struct fl_extif_choice *was, struct fl_extif_choice *ret, char **error);

/**
 * Whether @p pattern can be one of iface_regex.
 * @param why  set on -EINVAL: what is wrong with it, owned by the caller
 * @return 0, -EINVAL, -ENOMEM
 */
int fl_extif_check_regex(const char *pattern, char **why);

#endif
