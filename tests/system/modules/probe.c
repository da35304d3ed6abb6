/* tests/system/modules/probe.c - a backend that has been taken over: in its create() it tries what
 * an intruder would, and logs how each attempt ended, by the name of its errno.
 *
 * Backend.Secret is a file that is none of flanneld's business, Backend.Folder the one that
 * subnet.env is in. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <flanneld/backend.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct fl_backend {
	int unused;
};

static void say(const char *what, int result)
{
	fl_info("probe", "%s: %s", what, result < 0 ? strerrorname_np(errno) : "done");
}

static int touch(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	return fd < 0 ? fd : close(fd);
}

/* In a child, as somebody who may start programs would. */
static int cat(const char *path)
{
	char command[300];
	int status;

	(void)snprintf(command, sizeof(command), "cat '%s' >/dev/null 2>&1", path);
	status = system(command);
	errno = EACCES;
	return status == 0 ? 0 : -1;
}

static void try_files(const char *secret, const char *folder)
{
	char path[300];

	say("read a secret", touch(secret, O_RDONLY));
	say("have a child read it", cat(secret));
	say("read root's home", touch("/root", O_RDONLY));
	say("write into /etc", touch("/etc/flanneld-probe", O_WRONLY | O_CREAT));
	say("write into /tmp", touch("/tmp/flanneld-probe", O_WRONLY | O_CREAT));
	say("write into /run", touch("/run/flanneld-probe", O_WRONLY | O_CREAT));
	say("have root's rights given to it", chmod(secret, 04755));
	say("set a sysctl", touch("/proc/sys/kernel/core_pattern", O_WRONLY));
	(void)snprintf(path, sizeof(path), "%s/probe", folder);
	say("write beside subnet.env", touch(path, O_WRONLY | O_CREAT));
	say("remove it", unlink(path));
	say("read /etc", touch("/etc/passwd", O_RDONLY));
	say("start a program", cat("/etc/passwd"));
}

/* With arguments that do no harm: a kernel that is asked finds fault with them. */
static void try_calls(void)
{
	say("mount", mount("none", "/no/such/folder", "tmpfs", 0, NULL));
	say("enter a namespace", setns(-1, 0));
	say("leave a namespace", unshare(-1));
	say("trace a process", (int)ptrace(PTRACE_CONT, -1, NULL, NULL));
	say("load BPF", (int)syscall(SYS_bpf, -1, NULL, 0));
	say("set the clock", (int)syscall(SYS_clock_settime, 0, NULL));
	say("a socket of another family", socket(AF_ALG, -1, 0));
	say("type into a terminal", ioctl(-1, TIOCSTI, "x"));
	say("signal a stranger", kill(1, 0));
}

static void *read_secret(void *path)
{
	say("have a thread read it", touch(path, O_RDONLY));
	return NULL;
}

static void try_thread(char *secret)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, read_secret, secret) == 0)
		(void)pthread_join(thread, NULL);
}

static int create(struct fl_env *env, const struct fl_json *conf, struct fl_backend **ret)
{
	const char *secret = "", *folder = "";
	const struct fl_conf_key keys[] = {
		{"Secret", FL_JSON_STRING, &secret, 0, 0, false},
		{"Folder", FL_JSON_STRING, &folder, 0, 0, false},
	};

	(void)env;
	if (fl_conf_read(conf, "probe", keys, FL_ARRAY_SIZE(keys)) < 0)
		return -EINVAL;
	*ret = calloc(1, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	try_files(secret, folder);
	try_thread((char *)secret);
	try_calls();
	return 0;
}

static uint32_t mtu(struct fl_backend *be, uint32_t underlay_mtu)
{
	(void)be;
	return underlay_mtu;
}

static int up(struct fl_backend *be, const struct fl_lease *own)
{
	(void)be;
	(void)own;
	return 0;
}

static int rows(struct fl_backend *be, const struct fl_lease *peer, uint32_t way,
		struct fl_rows *into)
{
	(void)be;
	(void)peer;
	(void)way;
	return fl_rows_ignore(into, "a probe forwards nothing");
}

static void destroy(struct fl_backend *be)
{
	free(be);
}

FL_BACKEND_EXPORT(.name = "probe", .description = "tries what a sandbox denies", .create = create,
		  .mtu = mtu, .up = up, .rows = rows, .destroy = destroy);
