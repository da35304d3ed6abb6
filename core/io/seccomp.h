/* core/io/seccomp.h - the system calls that are left to this process and its children, for ever:
 * seccomp(2), by libseccomp.
 */
#ifndef FL_IO_SECCOMP_H
#define FL_IO_SECCOMP_H

/**
 * From now on, for all threads: what a program of files, sockets and child processes needs, and
 * what iptables(8) needs. Anything else fails with ENOSYS, as in a kernel that does not have it, so
 * that a C library takes its other way: mounts, namespaces, modules, bpf(2), ptrace(2), clocks,
 * users and capabilities, io_uring and the like; sockets of other families than Unix, IPv4, IPv6,
 * netlink and packet; new namespaces by clone(2); typing into a terminal; modes, owners and times
 * of files. Sets no_new_privs.
 * @return 0, -EOPNOTSUPP (the kernel has no seccomp filters), -ENOMEM, other -errno
 */
int fl_seccomp_enforce(void);

#endif
