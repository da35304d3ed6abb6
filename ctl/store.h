/* ctl/store.h - the store, for commands that ask it themselves: with flanneld's own options and
 * variables, whether a flanneld runs or not. */
#ifndef CTL_STORE_H
#define CTL_STORE_H

#include "ctl.h"
#include "netconf.h"
#include "options.h"
#include "store/ask.h"
#include "store/store.h"

struct ctl_store {
	struct fl_options opts;
	struct fl_store_conf conf;
	struct fl_ask *ask;
};

/** flanneld's options, of the command line and of the environment. @return CTL_OK, CTL_USAGE: said
 * @param opts  the caller's, fl_options_done(), in any case */
int ctl_options(const struct ctl *c, struct fl_options *opts);

/** @return CTL_OK; CTL_USAGE, CTL_MUTE: said */
int ctl_store_open(const struct ctl *c, struct ctl_store *s);
void ctl_store_close(struct ctl_store *s); /* also after a failed open */

/** Say why a question has failed. @return CTL_AMISS where the store has answered, or CTL_MUTE */
int ctl_store_failed(const struct ctl_store *s, int error);

/** The network config, which must be there and make sense. @p nc is the caller's,
 * fl_netconf_done(). @return CTL_OK; CTL_AMISS, CTL_MUTE: said */
int ctl_store_netconf(struct ctl_store *s, struct fl_netconf *nc);

/** The entry of one subnet, as it was read. */
struct ctl_entry {
	struct fl_prefix subnet; /* which one is wanted */
	char key[FL_LEASE_KEY_MAX];
	struct fl_lease_record *rec; /* owned; NULL: there is none */
	char *value;		     /* owned */
	struct fl_ask_entry entry;   /* key, rec and value are these */
};

/** Find it. @return CTL_OK, also if there is none; CTL_AMISS (an entry that cannot be read),
 * CTL_MUTE: said */
int ctl_store_find(struct ctl_store *s, const struct fl_prefix *subnet, struct ctl_entry *ret);
void ctl_entry_done(struct ctl_entry *e);

/** SUBNET of a command line. @return CTL_OK; CTL_USAGE: said */
int ctl_subnet(const char *text, struct fl_prefix *ret);

#endif
