/* core/io/httpd.h - an HTTP server on the event loop, for a few clients that only ask:
 * libmicrohttpd driven by libev. Knows nothing of flannel.
 *
 * Clients are not trusted: what they send is bounded in size and time, and when there are too many,
 * the one that has kept quiet for the longest time is cut off. The process ignores SIGPIPE.
 */
#ifndef FL_IO_HTTPD_H
#define FL_IO_HTTPD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/addr.h"
#include "base/buf.h"

struct ev_loop;
struct fl_httpd;     /* fields in httpd.c */
struct fl_httpd_req; /* one request, while request() runs */

/** Who answers. Embed one in the owner; fl_container_of() gets back to it. */
struct fl_httpd_listener {
	/**
	 * GET or HEAD of @p path (decoded, without what follows '?'). Answer it by one call of
	 * fl_httpd_reply() or fl_httpd_stream(); without one it becomes a 404.
	 */
	void (*request)(struct fl_httpd_listener *l, struct fl_httpd_req *req, const char *path);
};

/** Listen on TCP. @return a descriptor, -errno */
int fl_httpd_listen_tcp(const struct fl_addr *ip, uint16_t port);

/**
 * Listen on a socket in the file system; folders above it are made (0755). A socket that nobody
 * listens on any more is replaced.
 * @param mode  of the socket, from its first moment
 * @param gid   its group, or (gid_t)-1
 * @return a descriptor; -EADDRINUSE: somebody listens on it; -EEXIST: something that is no socket
 * has the name; -ENAMETOOLONG; other -errno
 */
int fl_httpd_listen_unix(const char *path, mode_t mode, gid_t gid);

/** @param fd  taken, also on error */
int fl_httpd_create(struct ev_loop *loop, int fd, struct fl_httpd_listener *listener,
		    struct fl_httpd **ret);
/** Not from within request(), or a source's functions. NULL is a no-op. */
void fl_httpd_destroy(struct fl_httpd *h);

/** @param body  taken: empty afterwards. If an error sticks to it, the answer is 500 */
void fl_httpd_reply(struct fl_httpd_req *req, unsigned int status, const char *type,
		    struct fl_buf *body);

/** An answer that comes piece by piece. Embed one in the owner. */
struct fl_httpd_source {
	/** Append what comes next. @return 1: ask again; 0: that was all; -EAGAIN: there is nothing
	 * for now, see fl_httpd_wake() */
	int (*more)(struct fl_httpd_source *src, struct fl_buf *out);
	/** Exactly once: it has come to its end, or the client is gone. May free the owner. */
	void (*done)(struct fl_httpd_source *src);
	struct fl_httpd_stream *stream; /* private to httpd.c */
};

/** Begin one: 200. If that fails, done() is called at once. */
void fl_httpd_stream(struct fl_httpd_req *req, const char *type, struct fl_httpd_source *src);
/** After -EAGAIN: there is something now. */
void fl_httpd_wake(struct fl_httpd_source *src);

#endif
