/* core/link_mark.h - how flanneld knows a device of its own again, whichever backend it is for and
 * whatever its name: by a text that the kernel keeps with it (IFLA_IFALIAS). */
#ifndef FL_LINK_MARK_H
#define FL_LINK_MARK_H

#include <stdbool.h>

struct fl_rtmsg_link;
struct fl_rtnl;

/** Mark the device that was read into @p link; one that is marked is not touched. A failure is
 * logged: the device works without, but is not found by fl_link_is_marked(). */
void fl_link_mark(struct fl_rtnl *rtnl, const struct fl_rtmsg_link *link);

/** Is it one that flanneld has made or adopted? Never true for hardware. */
bool fl_link_is_marked(const struct fl_rtmsg_link *link);

#endif
