/* core/link_internal.h - what the link's files share: link.c (adopt, alter, replace or create a
 * device, give it its address), link_repair.c (undo what others do to it). */
#ifndef FL_LINK_INTERNAL_H
#define FL_LINK_INTERNAL_H

#include "env.h"
#include "io/rtmsg.h"

struct fl_rtnl;

#define LINK_ATTRS_MAX 32u
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
struct link_want {
	const struct fl_link_spec *spec;
	struct fl_rtmsg_attr attrs[LINK_ATTRS_MAX];
};

/* What the kernel has. */
struct link_found {
	const struct link_want *want; /* NULL: only the link itself is asked for */
	struct fl_rtmsg_link link;
	int misfit;	  /* position of the first attribute that is not as wanted, or -1 */
	uint32_t misfits; /* bits: of all of them */
};

int link_want_init(struct link_want *w, const struct fl_link_spec *spec);
/* By index, or by name if that is 0. @return 0; -ENODEV; -errno */
int link_read(struct fl_rtnl *rtnl, uint32_t ifindex, const char *name, struct link_found *ret);
int link_change(struct fl_rtnl *rtnl, uint16_t type, const struct fl_rtmsg_link *l,
		uint32_t change_mask);
int link_delete(struct fl_env *env, const struct link_found *f);
/* @param ifindex  0: any */
int link_create(struct fl_env *env, const struct link_want *w, uint32_t ifindex);
/* The kernel bounds some MTUs by the device below; then ours stays what the kernel gave. */
void link_fix_mtu(struct fl_env *env, const struct link_want *w, struct link_found *f);
/* Address and state. @return 1 if something had to be done, 0, -errno */
int link_bring_up(struct fl_link *link, const struct fl_prefix *local);

#endif
