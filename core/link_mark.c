/* core/link_mark.c - the mark of a device of ours, see core/link_mark.h. */
#include "link_mark.h"

#include <linux/rtnetlink.h>
#include <string.h>

#include "base/log.h"
#include "io/rtmsg.h"
#include "io/rtnl.h"

#define MARK "flanneld"

bool fl_link_is_marked(const struct fl_rtmsg_link *link)
{
	return link->kind[0] && strcmp(link->alias, MARK) == 0;
}

void fl_link_mark(struct fl_rtnl *rtnl, const struct fl_rtmsg_link *link)
{
	char buf[FL_RTNL_MSG_MAX] __attribute__((aligned(8)));
	const struct fl_rtmsg_link_change c = {.link = {.ifindex = link->ifindex, .alias = MARK}};
	int r;

	if (strcmp(link->alias, MARK) == 0)
		return;
	r = fl_rtnl_request(rtnl, fl_rtmsg_link_put(buf, RTM_NEWLINK, 0, &c));
	if (r < 0)
		fl_warn("link", "%s: cannot be marked: %s; --cleanup will not find it", link->name,
			strerror(-r));
}
