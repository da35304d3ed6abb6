/* core/io/httpd.c - libmicrohttpd on libev: the only file that sees it. Its own epoll descriptor is
 * one more descriptor of the loop, so nothing wakes up while nobody asks. */
#include "httpd.h"

#include <errno.h>
#include <ev.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/defs.h"

#define CONNECTIONS_MAX 64u
#define CONNECTIONS_WELL                                                                           \
	48u /* with more the quietest goes, so that there is room for all who ask */
#define MEMORY_MAX    16384u /* bytes per connection: a longer request head is refused */
#define QUIET_MAX_S   5u     /* without a byte */
#define REQUEST_MAX_S 15.    /* for a request and its answer, whatever trickles */
#define PIECE	      16384u

/* A connection, oldest first; a request that has ended begins a new age. */
struct conn {
	struct conn *next;
	struct conn *prev;
	int fd;
	ev_tstamp since;
	struct fl_httpd_stream *stream; /* it may take as long as it likes; NULL: it may not */
};

struct fl_httpd {
	struct ev_loop *loop;
	struct MHD_Daemon *mhd;
	struct fl_httpd_listener *listener;
	int fd;
	ev_io io;
	ev_timer timer;	   /* what libmicrohttpd asks for */
	ev_timer limit;	   /* the oldest connection's end */
	struct conn conns; /* head of the ring */
	uint32_t n_conns;
};

struct fl_httpd_req {
	struct fl_httpd *httpd;
	struct MHD_Connection *connection;
	struct conn *conn;
	bool answered;
};

struct fl_httpd_stream {
	struct fl_httpd *httpd;
	struct MHD_Connection *connection;
	struct conn *conn;
	struct fl_httpd_source *src;
	struct fl_buf out;
	size_t sent;
	ev_io gone; /* libmicrohttpd does not listen to a connection that it has suspended */
	bool suspended;
	bool over;
};

/* ---- turning ---- */

static void turn(struct fl_httpd *h)
{
	MHD_UNSIGNED_LONG_LONG ms;

	(void)MHD_run(h->mhd);
	ev_timer_stop(h->loop, &h->timer);
	if (MHD_get_timeout(h->mhd, &ms) != MHD_YES)
		return;
	ev_now_update(h->loop);
	ev_timer_set(&h->timer, (double)ms / 1e3, 0.);
	ev_timer_start(h->loop, &h->timer);
}

static void on_io(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop;
	(void)revents;
	turn(fl_container_of(w, struct fl_httpd, io));
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	turn(fl_container_of(w, struct fl_httpd, timer));
}

/* ---- connections ---- */

static void conn_unlink(struct conn *c)
{
	c->next->prev = c->prev;
	c->prev->next = c->next;
}

static void conn_link_last(struct fl_httpd *h, struct conn *c)
{
	c->since = ev_now(h->loop);
	c->next = &h->conns;
	c->prev = h->conns.prev;
	c->prev->next = c;
	h->conns.prev = c;
}

/* The oldest that is bound by time; NULL: none. */
static struct conn *conn_oldest(struct fl_httpd *h)
{
	struct conn *c = h->conns.next;

	while (c != &h->conns && c->stream)
		c = c->next;
	return c == &h->conns ? NULL : c;
}

static void arm_limit(struct fl_httpd *h)
{
	struct conn *c = conn_oldest(h);
	double left;

	ev_timer_stop(h->loop, &h->limit);
	if (!c)
		return;
	left = c->since + REQUEST_MAX_S - ev_now(h->loop);
	ev_timer_set(&h->limit, left > 0. ? left : 0., 0.);
	ev_timer_start(h->loop, &h->limit);
}

/* libmicrohttpd sees an end, and closes it. */
static void conn_cut(struct fl_httpd *h, struct conn *c)
{
	(void)shutdown(c->fd, SHUT_RDWR);
	conn_unlink(c);
	conn_link_last(h, c);
}

static void on_limit(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct fl_httpd *h = fl_container_of(w, struct fl_httpd, limit);
	struct conn *c = conn_oldest(h);

	(void)revents;
	if (c && c->since + REQUEST_MAX_S <= ev_now(loop))
		conn_cut(h, c);
	arm_limit(h);
}

static void conn_begin(struct fl_httpd *h, struct MHD_Connection *connection, void **ctx)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct conn *c = calloc(1, sizeof(*c)), *oldest;

	*ctx = c;
	if (!c || !info)
		return; /* without a limit of ours, but with libmicrohttpd's */
	c->fd = info->connect_fd;
	conn_link_last(h, c);
	h->n_conns++;
	oldest = conn_oldest(h);
	if (h->n_conns > CONNECTIONS_WELL && oldest)
		conn_cut(h, oldest);
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **ctx,
			  enum MHD_ConnectionNotificationCode code)
{
	struct fl_httpd *h = cls;
	struct conn *c = *ctx;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		conn_begin(h, connection, ctx);
	} else if (c) {
		if (c->next) {
			conn_unlink(c);
			h->n_conns--;
		}
		free(c);
		*ctx = NULL;
	}
	arm_limit(h);
}

static struct conn *conn_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **ctx,
			 enum MHD_RequestTerminationCode code)
{
	struct fl_httpd *h = cls;
	struct conn *c = conn_of(connection);

	(void)ctx;
	(void)code;
	if (!c || !c->next)
		return;
	c->stream = NULL;
	conn_unlink(c);
	conn_link_last(h, c);
	arm_limit(h);
}

/* ---- answers ---- */

static enum MHD_Result queue(struct MHD_Connection *connection, unsigned int status,
			     const char *type, struct MHD_Response *response)
{
	enum MHD_Result r;

	if (!response)
		return MHD_NO;
	if (type)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	r = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return r;
}

static enum MHD_Result queue_text(struct MHD_Connection *connection, unsigned int status,
				  const char *text)
{
	return queue(connection, status, "text/plain; charset=utf-8",
		     MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text,
						     MHD_RESPMEM_PERSISTENT));
}

void fl_httpd_reply(struct fl_httpd_req *req, unsigned int status, const char *type,
		    struct fl_buf *body)
{
	size_t len = body->len;
	char *data = fl_buf_take(body);
	struct MHD_Response *response;

	if (!data) {
		req->answered = queue_text(req->connection, MHD_HTTP_INTERNAL_SERVER_ERROR,
					   "out of memory\n") == MHD_YES;
		return;
	}
	response = MHD_create_response_from_buffer(len, data, MHD_RESPMEM_MUST_FREE);
	if (!response)
		free(data);
	req->answered = queue(req->connection, status, type, response) == MHD_YES;
}

/* ---- streams ---- */

static void on_stream_freed(void *cls)
{
	struct fl_httpd_stream *s = cls;

	ev_io_stop(s->httpd->loop, &s->gone);
	if (s->conn->stream == s)
		s->conn->stream = NULL;
	s->src->stream = NULL;
	s->src->done(s->src);
	fl_buf_done(&s->out);
	free(s);
}

/* @return false: there is nothing to send for now, and s says whether there will be */
static bool fill(struct fl_httpd_stream *s, int *r)
{
	if (s->sent < s->out.len)
		return true;
	fl_buf_reset(&s->out);
	s->sent = 0;
	*r = s->over ? 0 : s->src->more(s->src, &s->out);
	if (s->out.error)
		*r = 0;
	if (*r == 0)
		s->over = true;
	return s->out.len > 0 && !s->out.error;
}

static ssize_t on_more(void *cls, uint64_t pos, char *buf, size_t max)
{
	struct fl_httpd_stream *s = cls;
	size_t n;
	int r = 1;

	(void)pos;
	if (!fill(s, &r)) {
		if (r == 0)
			return MHD_CONTENT_READER_END_OF_STREAM;
		if (r < 0) {
			s->suspended = true;
			MHD_suspend_connection(s->connection);
		}
		return 0;
	}
	n = s->out.len - s->sent < max ? s->out.len - s->sent : max;
	memcpy(buf, s->out.data + s->sent, n);
	s->sent += n;
	return (ssize_t)n;
}

static void resume(struct fl_httpd_stream *s)
{
	if (!s->suspended)
		return;
	s->suspended = false;
	MHD_resume_connection(s->connection);
	ev_feed_event(s->httpd->loop, &s->httpd->io, EV_READ);
}

/* The client has gone, or talks where it should listen. */
static void on_gone(struct ev_loop *loop, ev_io *w, int revents)
{
	struct fl_httpd_stream *s = fl_container_of(w, struct fl_httpd_stream, gone);

	(void)revents;
	ev_io_stop(loop, w);
	s->over = true;
	(void)shutdown(w->fd, SHUT_RDWR);
	resume(s);
}

void fl_httpd_wake(struct fl_httpd_source *src)
{
	if (src->stream)
		resume(src->stream);
}

static void stream_start(struct fl_httpd_req *req, struct fl_httpd_stream *s)
{
	s->httpd = req->httpd;
	s->connection = req->connection;
	s->conn = req->conn;
	s->conn->stream = s;
	ev_io_init(&s->gone, on_gone, s->conn->fd, EV_READ);
	ev_io_start(s->httpd->loop, &s->gone);
}

void fl_httpd_stream(struct fl_httpd_req *req, const char *type, struct fl_httpd_source *src)
{
	struct fl_httpd_stream *s = calloc(1, sizeof(*s));
	struct MHD_Response *response = NULL;

	if (s && req->conn)
		response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, PIECE, on_more, s,
							     on_stream_freed);
	if (!response) {
		free(s);
		src->done(src);
		return;
	}
	s->src = src;
	src->stream = s;
	stream_start(req, s);
	req->answered = queue(req->connection, MHD_HTTP_OK, type, response) == MHD_YES;
}

/* ---- requests ---- */

/* MHD_AccessHandlerCallback's, which are not ours to choose. */
#define HANDLER_PARAMETERS                                                                         \
	void *cls, struct MHD_Connection *connection, const char *url, const char *method,         \
		const char *version, const char *upload, size_t *upload_size, void **ctx

static enum MHD_Result on_request(HANDLER_PARAMETERS)
{
	struct fl_httpd *h = cls;
	struct fl_httpd_req req = {.httpd = h, .connection = connection};

	(void)version;
	(void)upload;
	(void)upload_size;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return queue_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
	if (!*ctx) { /* the head is there; called again when all of it is */
		*ctx = h;
		return MHD_YES;
	}
	req.conn = conn_of(connection);
	h->listener->request(h->listener, &req, url);
	if (req.answered)
		return MHD_YES;
	return queue_text(connection, MHD_HTTP_NOT_FOUND, "not found\n");
}

/* ---- life ---- */

static struct MHD_Daemon *start(struct fl_httpd *h)
{
	return MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO, 0, NULL, NULL, on_request,
		h, MHD_OPTION_LISTEN_SOCKET, h->fd, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, QUIET_MAX_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)MEMORY_MAX, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, h, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, h, MHD_OPTION_END);
}

int fl_httpd_create(struct ev_loop *loop, int fd, struct fl_httpd_listener *listener,
		    struct fl_httpd **ret)
{
	struct fl_httpd *h = calloc(1, sizeof(*h));
	const union MHD_DaemonInfo *info;

	if (!h) {
		(void)close(fd);
		return -ENOMEM;
	}
	h->loop = loop;
	h->listener = listener;
	h->fd = fd;
	h->conns.next = &h->conns;
	h->conns.prev = &h->conns;
	ev_init(&h->timer, on_timer);
	ev_init(&h->limit, on_limit);
	h->mhd = start(h);
	info = h->mhd ? MHD_get_daemon_info(h->mhd, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	if (!info) {
		if (h->mhd)
			MHD_stop_daemon(h->mhd);
		else
			(void)close(fd);
		free(h);
		return -ENOMEM;
	}
	ev_io_init(&h->io, on_io, info->epoll_fd, EV_READ);
	ev_io_start(loop, &h->io);
	*ret = h;
	return 0;
}

void fl_httpd_destroy(struct fl_httpd *h)
{
	if (!h)
		return;
	/* libmicrohttpd must not be stopped while connections are suspended. */
	for (struct conn *c = h->conns.next; c != &h->conns; c = c->next)
		if (c->stream)
			resume(c->stream);
	ev_io_stop(h->loop, &h->io);
	ev_timer_stop(h->loop, &h->timer);
	MHD_stop_daemon(h->mhd);
	ev_timer_stop(h->loop, &h->limit);
	free(h);
}
