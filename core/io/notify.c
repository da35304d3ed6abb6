/* core/io/notify.c - tell the service manager how we are, see core/io/notify.h. */
#include "io/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/parse.h"

#define WATCHDOG_MAX_US UINT64_C(86400000000) /* a day: what is longer guards nothing */

static int parse_socket(const char *name, struct sockaddr_un *ret, socklen_t *ret_len)
{
	size_t len = strlen(name);

	if (name[0] != '/' && name[0] != '@')
		return -EAFNOSUPPORT;
	if (len < 2)
		return -EINVAL;
	if (len >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	memcpy(ret->sun_path, name, len);
	/* An abstract name begins with NUL and is as long as the address says (unix(7)). */
	if (name[0] == '@')
		ret->sun_path[0] = '\0';
	*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	return 0;
}

static int send_text(const struct sockaddr_un *to, socklen_t to_len, const char *text, size_t len)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ssize_t n;
	int r = 1;

	if (fd < 0)
		return -errno;
	/* A manager that does not read must not stop the loop. */
	n = sendto(fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)to, to_len);
	if (n < 0)
		r = -errno;
	(void)close(fd);
	return r;
}

int fl_notify(const char *fmt, ...)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to;
	socklen_t to_len;
	char *text;
	va_list args;
	int len, r;

	if (!name || !name[0])
		return 0;
	r = parse_socket(name, &to, &to_len);
	if (r < 0)
		return r;
	va_start(args, fmt);
	len = vasprintf(&text, fmt, args);
	va_end(args);
	if (len < 0)
		return -ENOMEM;
	r = send_text(&to, to_len, text, (size_t)len);
	free(text);
	return r;
}

uint64_t fl_notify_watchdog_us(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	uint64_t us, who;

	if (!getenv("NOTIFY_SOCKET") || !usec)
		return 0;
	/* Meant for whom it names; a wrapper may have handed it on. */
	if (pid && (fl_parse_u64(pid, 1, INT32_MAX, &who) < 0 || (pid_t)who != getpid()))
		return 0;
	return fl_parse_u64(usec, 1, WATCHDOG_MAX_US, &us) == 0 ? us : 0;
}
