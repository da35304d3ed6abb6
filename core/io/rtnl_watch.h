/* core/io/rtnl_watch.h - what the kernel announces over rtnetlink, on the event loop. Knows nothing
 * of flannel. */
#ifndef FL_IO_RTNL_WATCH_H
#define FL_IO_RTNL_WATCH_H

#include <stddef.h>
#include <stdint.h>

struct ev_loop;
struct nlmsghdr;
struct fl_rtnl_watch; /* one socket; fields in rtnl_watch.c */

/** Who is told. Embed one in the owner; fl_container_of() gets back to it. The watch must not be
 * destroyed in these. */
struct fl_rtnl_watch_listener {
	/** An announcement, RTM_NEWROUTE ...; rtmsg.h parses it. Borrowed. */
	void (*message)(struct fl_rtnl_watch_listener *l, const struct nlmsghdr *nlh);
	/** Announcements were lost (ENOBUFS), so anything may have changed. */
	void (*lost)(struct fl_rtnl_watch_listener *l);
};

/**
 * @param groups  RTNLGRP_IPV4_ROUTE ... (linux/rtnetlink.h)
 * @param ret     set only on success; the caller owns it until fl_rtnl_watch_destroy()
 * @return 0 or -errno
 */
int fl_rtnl_watch_create(struct ev_loop *loop, const uint32_t *groups, size_t n_groups,
			 struct fl_rtnl_watch_listener *listener, struct fl_rtnl_watch **ret);

/** Listen to more groups. @return 0 or -errno */
int fl_rtnl_watch_join(struct fl_rtnl_watch *w, const uint32_t *groups, size_t n_groups);
/** And no longer. */
void fl_rtnl_watch_leave(struct fl_rtnl_watch *w, const uint32_t *groups, size_t n_groups);

/** Have the kernel not even queue announcements of routes of @p protocol: those that the caller
 * makes itself, by the thousand. @return 0 or -errno */
int fl_rtnl_watch_skip_routes(struct fl_rtnl_watch *w, uint8_t protocol);

/** Of all that is announced, what somebody else has done to rows of ours. */
struct fl_rtnl_watch_filter {
	uint32_t portid;  /* what this socket has asked for is left out, where the kernel tells */
	uint8_t protocol; /* of routes: only the end of these, and what was put over another one */
	const uint32_t *devices; /* of neighbours, FDB entries, links and addresses: only these */
	size_t n_devices;	 /* up to 8 */
};

/** Have the kernel not even queue anything else of routes and neighbours. @return 0 or -errno */
int fl_rtnl_watch_filter(struct fl_rtnl_watch *w, const struct fl_rtnl_watch_filter *f);

void fl_rtnl_watch_destroy(struct fl_rtnl_watch *w); /* NULL is a no-op */

#endif
