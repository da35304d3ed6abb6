/* core/io/seccomp.c - the filter's list. What is missing in it shows as ENOSYS: look with
 * strace(1) before adding a call, and ask what a hijacked process could do with it.
 */
#include "io/seccomp.h"
#include "config.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/defs.h"

/* Names, for numbers differ between architectures, and some have only a part of these. */
static const char *const allowed[] = {
	/* memory */
	"brk", "madvise", "membarrier", "memfd_create", "mincore", "mlock", "mlock2", "mmap",
	"mmap2", "mprotect", "mremap", "msync", "munlock", "munmap", "arch_prctl",
	"set_thread_area", "get_thread_area",
	/* files; neither modes, owners and times nor lengths by name: Landlock does not look at
	   them */
	"_llseek", "access", "chdir", "close", "close_range", "copy_file_range", "creat", "dup",
	"dup2", "dup3", "faccessat", "faccessat2", "fadvise64", "fadvise64_64", "fallocate",
	"fchdir", "fcntl", "fcntl64", "fdatasync", "fgetxattr", "flock", "fstat", "fstat64",
	"fstatat64", "fstatfs", "fstatfs64", "fsync", "ftruncate", "ftruncate64", "getcwd",
	"getdents", "getdents64", "getxattr", "lgetxattr", "lseek", "lstat", "lstat64", "mkdir",
	"mkdirat", "newfstatat", "open", "openat", "openat2", "pread64", "preadv", "preadv2",
	"pwrite64", "pwritev", "pwritev2", "read", "readahead", "readlink", "readlinkat", "readv",
	"rename", "renameat", "renameat2", "rmdir", "sendfile", "sendfile64", "splice", "stat",
	"stat64", "statfs", "statfs64", "statx", "sync_file_range", "syncfs", "tee", "umask",
	"unlink", "unlinkat", "write", "writev", "inotify_add_watch", "inotify_init",
	"inotify_init1", "inotify_rm_watch", "ioctl",
	/* waiting */
	"epoll_create", "epoll_create1", "epoll_ctl", "epoll_ctl_old", "epoll_pwait",
	"epoll_pwait2", "epoll_wait", "epoll_wait_old", "eventfd", "eventfd2", "poll", "ppoll",
	"ppoll_time64", "pselect6", "pselect6_time64", "select", "_newselect", "signalfd",
	"signalfd4", "timerfd_create", "timerfd_gettime", "timerfd_gettime64", "timerfd_settime",
	"timerfd_settime64", "pipe", "pipe2",
	/* sockets; socket(2) itself has a rule of its own */
	"accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt",
	"listen", "recv", "recvfrom", "recvmmsg", "recvmmsg_time64", "recvmsg", "send", "sendmmsg",
	"sendmsg", "sendto", "setsockopt", "shutdown", "socketpair",
	/* time */
	"clock_getres", "clock_getres_time64", "clock_gettime", "clock_gettime64",
	"clock_nanosleep", "clock_nanosleep_time64", "getitimer", "gettimeofday", "nanosleep",
	"setitimer", "time", "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime",
	"timer_gettime64", "timer_settime", "timer_settime64", "times", "alarm",
	/* processes, threads and signals; clone(2) has a rule of its own, clone3(2) none */
	"execve", "execveat", "exit", "exit_group", "fork", "futex", "futex_time64", "futex_waitv",
	"get_robust_list", "getcpu", "getegid", "getegid32", "geteuid", "geteuid32", "getgid",
	"getgid32", "getgroups", "getgroups32", "getpgid", "getpgrp", "getpid", "getppid",
	"getpriority", "getrandom", "getresgid", "getresgid32", "getresuid", "getresuid32",
	"getrlimit", "getrusage", "getsid", "gettid", "getuid", "getuid32", "capget", "kill",
	"pause", "pidfd_open", "pidfd_send_signal", "prctl", "prlimit64", "restart_syscall",
	"riscv_flush_icache", "riscv_hwprobe", "rseq", "rt_sigaction", "rt_sigpending",
	"rt_sigprocmask", "rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait",
	"rt_sigtimedwait_time64", "rt_tgsigqueueinfo", "sched_get_priority_max",
	"sched_get_priority_min", "sched_getaffinity", "sched_getattr", "sched_getparam",
	"sched_getscheduler", "sched_yield", "set_robust_list", "set_tid_address", "set_tls",
	"setpgid", "setsid", "sigaction", "sigaltstack", "signal", "sigpending", "sigprocmask",
	"sigreturn", "sigsuspend", "sysinfo", "tgkill", "tkill", "ugetrlimit", "uname", "vfork",
	"wait4", "waitid", "waitpid", "cacheflush",
#ifdef FL_SANITIZED
	"personality", "process_vm_readv", "ptrace", /* their own search for leaks */
#endif
};

static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET};

#define NAMESPACES                                                                                 \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
	 CLONE_NEWPID | CLONE_NEWNET)

/* s390 has its arguments the other way round. */
#ifdef __s390__
#define CLONE_FLAGS 1
#else
#define CLONE_FLAGS 0
#endif

static int allow_by_name(scmp_filter_ctx filter)
{
	int r = 0;

	for (size_t i = 0; i < FL_ARRAY_SIZE(allowed) && r == 0; i++) {
		int number = seccomp_syscall_resolve_name(allowed[i]);

		if (number != __NR_SCMP_ERROR) /* newer than this libseccomp */
			r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
	}
	return r;
}

/* Of the first 64 bits: what the kernel would cut off must be zero. */
static int allow_if(scmp_filter_ctx filter, int number, struct scmp_arg_cmp condition)
{
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 1, &condition);
}

static int allow_by_argument(scmp_filter_ctx filter)
{
	int r = allow_if(filter, SCMP_SYS(clone),
			 (struct scmp_arg_cmp){.arg = CLONE_FLAGS,
					       .op = SCMP_CMP_MASKED_EQ,
					       .datum_a = NAMESPACES,
					       .datum_b = 0});

	for (size_t i = 0; i < FL_ARRAY_SIZE(families) && r == 0; i++)
		r = allow_if(filter, SCMP_SYS(socket),
			     (struct scmp_arg_cmp){.arg = 0,
						   .op = SCMP_CMP_EQ,
						   .datum_a = (scmp_datum_t)families[i]});
	return r;
}

/* What types into the terminal that a foreground flanneld was started from. The kernel looks at 32
 * bits of it. */
static int deny_typing(scmp_filter_ctx filter)
{
	static const unsigned int denied[] = {TIOCSTI, TIOCLINUX};
	int r = 0;

	for (size_t i = 0; i < FL_ARRAY_SIZE(denied) && r == 0; i++) {
		struct scmp_arg_cmp same = {.arg = 1,
					    .op = SCMP_CMP_MASKED_EQ,
					    .datum_a = UINT32_MAX,
					    .datum_b = denied[i]};

		r = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(ioctl), 1,
					   &same);
	}
	return r;
}

/* Threads that run already are bound as well: udp's, and the resolver's. */
static int set_attributes(scmp_filter_ctx filter)
{
	int r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);

	if (r == 0) /* a program of 32 bits: refused, not killed */
		r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
#if SCMP_VER_MAJOR > 2 || (SCMP_VER_MAJOR == 2 && SCMP_VER_MINOR >= 5)
	if (r == 0) /* a binary tree: 8 comparisons in place of 250 */
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
#endif
	return r;
}

/* As libseccomp calls all that the kernel refuses by one name. */
static bool has_filters(void)
{
	const uint32_t action = SECCOMP_RET_ERRNO;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0 ||
	       errno == EINVAL; /* Linux before 4.14 */
}

static int enforce(uint32_t otherwise, int (*fill)(scmp_filter_ctx filter))
{
	scmp_filter_ctx filter = seccomp_init(otherwise);
	int r;

	if (!filter)
		return -ENOMEM;
	r = set_attributes(filter);
	if (r == 0)
		r = fill(filter);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

static int fill_allowed(scmp_filter_ctx filter)
{
	int r = allow_by_name(filter);

	return r < 0 ? r : allow_by_argument(filter);
}

/* Of two filters the stricter one counts; behind the second one there is no way to add one. */
int fl_seccomp_enforce(void)
{
	int r;

	if (!has_filters())
		return -EOPNOTSUPP;
	r = enforce(SCMP_ACT_ALLOW, deny_typing);
	return r < 0 ? r : enforce(SCMP_ACT_ERRNO(ENOSYS), fill_allowed);
}
