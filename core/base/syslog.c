/* core/base/syslog.c - datagrams to the host's syslog daemon, see core/base/syslog.h. */
#include "syslog.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syslog.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX 96u /* bytes: priority, time, program */

static atomic_int out = -1;
static atomic_uint lost; /* lines since the last one that went out */
static struct sockaddr_un at = {.sun_family = AF_UNIX};
static const char *program = "";

static const int priorities[] = {
	[FL_LOG_ERR] = LOG_ERR,
	[FL_LOG_WARN] = LOG_WARNING,
	[FL_LOG_INFO] = LOG_INFO,
	[FL_LOG_DEBUG] = LOG_DEBUG,
};

/* The time is local and without a year: what every syslog daemon reads. */
static size_t format_head(enum fl_log_level level, char buf[HEAD_MAX])
{
	time_t now = time(NULL);
	char when[20] = "";
	struct tm tm;
	int n;

	if (localtime_r(&now, &tm))
		(void)strftime(when, sizeof(when), "%h %e %T", &tm);
	n = snprintf(buf, HEAD_MAX, "<%d>%s %.32s[%ld]: ", LOG_DAEMON | priorities[level], when,
		     program, (long)getpid());
	return n < (int)HEAD_MAX ? (size_t)n : HEAD_MAX - 1;
}

static bool put(int fd, enum fl_log_level level, const char *text, size_t len)
{
	char head[HEAD_MAX];
	struct iovec iov[] = {
		{.iov_base = head, .iov_len = format_head(level, head)},
		{.iov_base = (void *)(uintptr_t)text, .iov_len = len},
	};
	const struct msghdr msg = {
		.msg_name = &at, .msg_namelen = sizeof(at), .msg_iov = iov, .msg_iovlen = 2};

	return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

static void say_lost(int fd)
{
	unsigned int n = atomic_exchange(&lost, 0);
	char text[64];
	int len = snprintf(text, sizeof(text), "log: %u lines before this one are lost", n);

	if (n && !put(fd, FL_LOG_WARN, text, (size_t)len))
		atomic_fetch_add(&lost, n);
}

void fl_syslog_send(enum fl_log_level level, const char *text, size_t len)
{
	int fd = atomic_load(&out), saved = errno;

	if (fd >= 0) {
		say_lost(fd);
		if (!put(fd, level, text, len))
			atomic_fetch_add(&lost, 1);
	}
	errno = saved;
}

int fl_syslog_open(const char *path, const char *ident)
{
	int fd, r = 0;

	if (strlen(path) >= sizeof(at.sun_path))
		return -ENAMETOOLONG;
	fl_syslog_close();
	strcpy(at.sun_path, path);
	program = ident;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
		r = -errno;
	(void)connect(fd, &(const struct sockaddr){.sa_family = AF_UNSPEC},
		      sizeof(struct sockaddr)); /* each line finds its own way */
	atomic_store(&out, fd);
	return r;
}

void fl_syslog_close(void)
{
	int fd = atomic_exchange(&out, -1);

	if (fd >= 0)
		(void)close(fd);
}
