/* core/cleanup.h - remove all that flanneld has made on this host, and nothing else. Needs neither
 * etcd nor a network config: what is ours shows it. */
#ifndef FL_CLEANUP_H
#define FL_CLEANUP_H

/** By this a flanneld shows that it runs, to fl_presence_count(). */
#define FL_PRESENCE "flanneld"

/**
 * Remove, in this network namespace: devices that are marked as ours, routes and nexthop objects of
 * our protocol number in the main table, our iptables chains and the jumps to them, the peer
 * filter's table, and
 * @p subnet_file. Says on stdout what was removed, in the log what could not be. Runs the default
 * loop; takes seconds at worst.
 *
 * @param subnet_file  removed if it is a regular file that names a network and a subnet
 * @return 0: nothing of ours is left; -EBUSY: a flanneld runs here, nothing was touched; other
 * -errno: the first of what went wrong; all the rest was done
 */
int fl_cleanup_run(const char *subnet_file);

#endif
