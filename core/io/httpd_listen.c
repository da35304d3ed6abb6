/* core/io/httpd_listen.c - the sockets that an HTTP server listens on. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "httpd.h"

#define BACKLOG 64

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un local;
};

/* @return the length of the address */
static socklen_t address_of(const struct fl_addr *ip, uint16_t port, union address *ret)
{
	*ret = (union address){0};
	ret->any.sa_family = ip->family;
	if (ip->family == AF_INET) {
		ret->v4.sin_port = htons(port);
		memcpy(&ret->v4.sin_addr, ip->bytes, 4);
		return sizeof(ret->v4);
	}
	ret->v6.sin6_port = htons(port);
	memcpy(&ret->v6.sin6_addr, ip->bytes, 16);
	return sizeof(ret->v6);
}

static int socket_open(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

/* @return @p fd, or -errno with it closed */
static int bind_and_listen(int fd, const union address *at, socklen_t len)
{
	int r;

	if (bind(fd, &at->any, len) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	r = -errno;
	(void)close(fd);
	return r;
}

int fl_httpd_listen_tcp(const struct fl_addr *ip, uint16_t port)
{
	union address at;
	socklen_t len = address_of(ip, port, &at);
	int fd = socket_open(ip->family), on = 1;

	if (fd < 0)
		return fd;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (ip->family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	return bind_and_listen(fd, &at, len);
}

/* ---- in the file system ---- */

static int make_folders(const char *path)
{
	char part[sizeof(((struct sockaddr_un *)NULL)->sun_path)];

	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		(void)snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

/* Does somebody listen on it? A queue that is full is one, too. @return 1, 0, -errno */
static int is_alive(const union address *at)
{
	int fd = socket_open(AF_UNIX), r;

	if (fd < 0)
		return fd;
	r = connect(fd, &at->any, sizeof(at->local)) == 0 || errno == EAGAIN ? 1
	    : errno == ECONNREFUSED || errno == ENOENT			     ? 0
									     : -errno;
	(void)close(fd);
	return r;
}

/* @return 0: the name is free now */
static int make_room(const union address *at)
{
	const char *path = at->local.sun_path;
	struct stat st;
	int r;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	r = is_alive(at);
	if (r != 0)
		return r > 0 ? -EADDRINUSE : r;
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

/* Linux gives the name the mode that the socket had before, less umask's. */
static int listen_local(const union address *at, mode_t mode, gid_t gid)
{
	int fd = socket_open(AF_UNIX), r;

	if (fd < 0)
		return fd;
	(void)fchmod(fd, mode);
	fd = bind_and_listen(fd, at, sizeof(at->local));
	if (fd < 0)
		return fd;
	if ((gid == (gid_t)-1 || lchown(at->local.sun_path, (uid_t)-1, gid) == 0) &&
	    chmod(at->local.sun_path, mode) == 0)
		return fd;
	r = -errno;
	(void)unlink(at->local.sun_path);
	(void)close(fd);
	return r;
}

int fl_httpd_listen_unix(const char *path, mode_t mode, gid_t gid)
{
	union address at = {.local = {.sun_family = AF_UNIX}};
	int r;

	if (strlen(path) >= sizeof(at.local.sun_path))
		return -ENAMETOOLONG;
	(void)snprintf(at.local.sun_path, sizeof(at.local.sun_path), "%s", path);
	r = make_folders(path);
	if (r == 0)
		r = make_room(&at);
	return r < 0 ? r : listen_local(&at, mode, gid);
}
