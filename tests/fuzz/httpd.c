/* tests/fuzz/httpd.c - what clients send to the health port and to the control socket, in pieces
 * that the first byte tells: whatever it is, the server answers the next client, every answer is
 * one of ours or of libmicrohttpd's, and a stream that was begun is ended once. */
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/defs.h"
#include "fuzz.h"
#include "io/httpd.h"

#define TURNS 6

static struct ev_loop *loop;
static struct fl_httpd *server;
static struct sockaddr_un addr = {.sun_family = AF_UNIX};
static socklen_t addr_len;
static unsigned int begun, ended;

/* A few lines, then it waits for ever, as /v1/events does. */
struct stream {
	struct fl_httpd_source source;
	int left;
};

static int more(struct fl_httpd_source *src, struct fl_buf *out)
{
	struct stream *s = fl_container_of(src, struct stream, source);

	if (s->left-- <= 0)
		return -EAGAIN;
	fl_buf_puts(out, "{\"event\":\"hello\"}\n");
	return 1;
}

static void stream_done(struct fl_httpd_source *src)
{
	ended++;
	free(fl_container_of(src, struct stream, source));
}

static void on_request(struct fl_httpd_listener *l, struct fl_httpd_req *req, const char *path)
{
	struct fl_buf body = {0};
	struct stream *s;

	(void)l;
	if (strcmp(path, "/healthz") == 0) {
		fl_buf_puts(&body, "ok\n");
		fl_httpd_reply(req, 200, "text/plain", &body);
	} else if (strcmp(path, "/v1/events") == 0) {
		s = calloc(1, sizeof(*s));
		FUZZ_CHECK(s);
		*s = (struct stream){.source = {.more = more, .done = stream_done}, .left = 3};
		begun++;
		fl_httpd_stream(req, "application/x-ndjson", &s->source);
	}
}

static void start(void)
{
	static struct fl_httpd_listener listener = {.request = on_request};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	(void)signal(SIGPIPE, SIG_IGN);
	(void)snprintf(addr.sun_path + 1, sizeof(addr.sun_path) - 1, "fuzz-httpd-%d",
		       (int)getpid());
	addr_len =
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(addr.sun_path + 1));
	FUZZ_CHECK(fd >= 0 && bind(fd, (const struct sockaddr *)&addr, addr_len) == 0);
	FUZZ_CHECK(listen(fd, 16) == 0);
	loop = ev_loop_new(0);
	FUZZ_CHECK(loop && fl_httpd_create(loop, fd, &listener, &server) == 0);
}

static void turn(int times)
{
	while (times-- > 0)
		ev_run(loop, EVRUN_NOWAIT);
}

static int client(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	FUZZ_CHECK(fd >= 0 && connect(fd, (const struct sockaddr *)&addr, addr_len) == 0);
	return fd;
}

/* An answer, or nothing yet. */
static void look_at(int fd)
{
	char text[4096];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return;
	FUZZ_CHECK(n < 5 || memcmp(text, "HTTP/", 5) == 0);
}

static void others_are_served(void)
{
	static const char ask[] = "GET /healthz HTTP/1.0\r\n\r\n";
	int fd = client();
	char text[1024] = "";

	FUZZ_CHECK(send(fd, ask, sizeof(ask) - 1, 0) == (ssize_t)sizeof(ask) - 1);
	for (int i = 0; i < 50 && recv(fd, text, sizeof(text) - 1, 0) <= 0; i++)
		turn(1);
	FUZZ_CHECK(strstr(text, " 200 ") && strstr(text, "ok\n"));
	(void)close(fd);
	turn(2);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static unsigned int inputs;
	size_t piece;
	int fd;

	if (!server)
		start();
	if (len == 0)
		return 0;
	piece = bytes[0] ? bytes[0] : len;
	fd = client();
	for (bytes++, len--; len > 0;) {
		size_t n = piece < len ? piece : len;

		if (send(fd, bytes, n, MSG_NOSIGNAL) <= 0)
			break; /* it was cut off, or takes no more */
		bytes += n;
		len -= n;
		turn(1);
	}
	turn(TURNS);
	look_at(fd);
	(void)close(fd);
	turn(TURNS);
	if (++inputs % 16 == 0)
		others_are_served();
	FUZZ_CHECK(ended <= begun && begun - ended <= 1);
	return 0;
}
