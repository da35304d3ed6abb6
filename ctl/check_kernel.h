/* ctl/check_kernel.h - what this host's kernel does with packets for a lease, seen without
 * flanneld. */
#ifndef CTL_CHECK_KERNEL_H
#define CTL_CHECK_KERNEL_H

#include "io/rtmsg.h"

struct fl_lease;

/** The tables, sorted. All zero is empty. */
struct ctl_kernel {
	struct fl_rtmsg_route *routes; /* of the main table */
	size_t n_routes;
	struct fl_rtmsg_neigh *neighs; /* IPv4 neighbours */
	size_t n_neighs;
	struct fl_rtmsg_neigh *fdb;
	size_t n_fdb;
	struct fl_rtmsg_link *links;
	size_t n_links;
};

/** @return 0 or -errno; end it with ctl_kernel_done() in any case */
int ctl_kernel_read(struct ctl_kernel *ret);
void ctl_kernel_done(struct ctl_kernel *k);

/** Do packets for the subnet of @p lease get to its PublicIP?
 * @param network  whose route stands for all subnets, if there is one
 * @param text     why not, for people
 * @return true if they do, as far as routes, neighbours and FDB entries tell */
bool ctl_kernel_reaches(const struct ctl_kernel *k, const struct fl_lease *lease,
			const struct fl_prefix *network, char *text, size_t size);

/** True if flanneld has made it: by its protocol number. */
bool ctl_kernel_is_ours(const struct fl_rtmsg_route *route);

#endif
