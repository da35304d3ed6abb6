/* tests/unit/test_httpd.c - an HTTP server on the loop: answers, streams, and clients that go. */
#include <errno.h>
#include <ev.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/defs.h"
#include "io/httpd.h"

static struct {
	struct ev_loop *loop;
	struct fl_httpd *httpd;
	struct fl_httpd_listener listener;
	struct fl_httpd_source source;
	char folder[32];
	char path[64];
	char news[64]; /* what the source has to say */
	int ended;     /* what it says then: 0, or -EAGAIN */
	int done;
} t;

/* ---- what is served ---- */

static int more(struct fl_httpd_source *src, struct fl_buf *out)
{
	(void)src;
	if (!t.news[0])
		return t.ended;
	fl_buf_puts(out, t.news);
	t.news[0] = '\0';
	return 1;
}

static void done(struct fl_httpd_source *src)
{
	(void)src;
	t.done++;
}

static void on_request(struct fl_httpd_listener *l, struct fl_httpd_req *req, const char *path)
{
	struct fl_buf body = {0};

	assert_ptr_equal(l, &t.listener);
	if (strcmp(path, "/stream") == 0) {
		fl_httpd_stream(req, "text/plain", &t.source);
	} else if (strcmp(path, "/broken") == 0) {
		body.error = -ENOMEM;
		fl_httpd_reply(req, 200, "text/plain", &body);
	} else if (strcmp(path, "/") == 0) {
		fl_buf_puts(&body, "hello");
		fl_httpd_reply(req, 503, "text/plain", &body);
	}
}

static int setup(void **state)
{
	int fd;

	(void)state;
	memset(&t, 0, sizeof(t));
	(void)snprintf(t.folder, sizeof(t.folder), "/tmp/test_httpd.XXXXXX");
	assert_non_null(mkdtemp(t.folder));
	(void)snprintf(t.path, sizeof(t.path), "%s/socket", t.folder);
	t.loop = ev_loop_new(EVFLAG_AUTO);
	t.listener.request = on_request;
	t.source.more = more;
	t.source.done = done;
	t.ended = -EAGAIN;
	fd = fl_httpd_listen_unix(t.path, 0600, (gid_t)-1);
	assert_true(fd >= 0);
	return fl_httpd_create(t.loop, fd, &t.listener, &t.httpd);
}

static int teardown(void **state)
{
	(void)state;
	fl_httpd_destroy(t.httpd);
	ev_loop_destroy(t.loop);
	(void)unlink(t.path);
	(void)rmdir(t.folder);
	return 0;
}

/* ---- a client ---- */

static void on_time(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(loop, EVBREAK_ONE);
}

static void turn(double seconds)
{
	ev_timer timer;

	ev_timer_init(&timer, on_time, seconds, 0.);
	ev_timer_start(t.loop, &timer);
	ev_run(t.loop, 0);
	ev_timer_stop(t.loop, &timer);
}

static int client(const char *request)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", t.path);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	return fd;
}

/* Until @p text has come; fails after 5 s. */
static void expect(int fd, const char *text)
{
	char got[8192] = "";
	size_t len = 0;

	for (int i = 0; i < 500 && !strstr(got, text); i++) {
		ssize_t n;

		turn(.01);
		n = recv(fd, got + len, sizeof(got) - 1 - len, 0);
		len += n > 0 ? (size_t)n : 0;
	}
	if (!strstr(got, text))
		fail_msg("no «%s» in «%s»", text, got);
}

static void expect_end(int fd)
{
	char piece[1024];
	ssize_t n = -1;

	for (int i = 0; i < 500 && n != 0; i++) {
		turn(.01);
		n = recv(fd, piece, sizeof(piece), 0);
	}
	assert_int_equal(n, 0);
}

/* ---- answers ---- */

static void answers_with_status_and_body(void **state)
{
	int fd = client("GET /?x=y HTTP/1.1\r\nHost: x\r\n\r\n");

	(void)state;
	expect(fd, "\r\n\r\nhello");
	(void)close(fd);
	fd = client("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	expect(fd, "HTTP/1.1 503 ");
	(void)close(fd);
}

static void what_is_not_there_and_what_is_not_asked_for_is_refused(void **state)
{
	int fd = client("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n");

	(void)state;
	expect(fd, "HTTP/1.1 404 ");
	(void)close(fd);
	fd = client("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
	expect(fd, "HTTP/1.1 405 ");
	(void)close(fd);
	fd = client("GET /broken HTTP/1.1\r\nHost: x\r\n\r\n");
	expect(fd, "HTTP/1.1 500 ");
	(void)close(fd);
}

/* ---- streams ---- */

static void a_stream_tells_its_news_when_it_is_woken(void **state)
{
	int fd = client("GET /stream HTTP/1.0\r\n\r\n");

	(void)state;
	(void)snprintf(t.news, sizeof(t.news), "first\n");
	expect(fd, "\r\n\r\nfirst\n");
	turn(.05);
	(void)snprintf(t.news, sizeof(t.news), "second\n");
	fl_httpd_wake(&t.source);
	expect(fd, "second\n");
	t.ended = 0;
	fl_httpd_wake(&t.source);
	expect_end(fd);
	assert_int_equal(t.done, 1);
	(void)close(fd);
}

static void a_stream_whose_client_goes_is_done(void **state)
{
	int fd = client("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");

	(void)state;
	expect(fd, "HTTP/1.1 200 ");
	assert_int_equal(t.done, 0);
	(void)close(fd);
	for (int i = 0; i < 500 && !t.done; i++)
		turn(.01);
	assert_int_equal(t.done, 1);
	fl_httpd_wake(&t.source); /* nobody is there any more */
}

static void a_server_that_ends_ends_its_streams(void **state)
{
	int fd = client("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");

	(void)state;
	expect(fd, "HTTP/1.1 200 ");
	fl_httpd_destroy(t.httpd);
	t.httpd = NULL;
	assert_int_equal(t.done, 1);
	(void)close(fd);
}

static void head_of_a_stream_has_no_body(void **state)
{
	int fd = client("HEAD /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");

	(void)state;
	(void)snprintf(t.news, sizeof(t.news), "news");
	expect(fd, "HTTP/1.1 200 ");
	for (int i = 0; i < 500 && !t.done; i++)
		turn(.01);
	assert_int_equal(t.done, 1);
	(void)close(fd);
}

/* ---- too many ---- */

static void the_quietest_goes_when_there_are_too_many(void **state)
{
	int fds[60];

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(fds); i++) {
		fds[i] = client("GET / HTTP/1.1\r\n");
		turn(.002);
	}
	expect_end(fds[0]);
	assert_int_equal(send(fds[59], "Host: x\r\n\r\n", 11, MSG_NOSIGNAL), 11);
	expect(fds[59], "hello");
	for (size_t i = 0; i < FL_ARRAY_SIZE(fds); i++)
		(void)close(fds[i]);
}

/* ---- sockets ---- */

static void the_socket_of_a_living_server_is_not_replaced(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(fl_httpd_listen_unix(t.path, 0600, (gid_t)-1), -EADDRINUSE);
	assert_int_equal(stat(t.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void the_socket_of_a_dead_server_is_replaced(void **state)
{
	int fd;

	(void)state;
	fl_httpd_destroy(t.httpd);
	t.httpd = NULL;
	assert_int_equal(access(t.path, F_OK), 0);
	fd = fl_httpd_listen_unix(t.path, 0660, (gid_t)-1);
	assert_true(fd >= 0);
	(void)close(fd);
}

static void what_is_no_socket_is_left_alone(void **state)
{
	char path[64];
	FILE *f;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/file", t.folder);
	f = fopen(path, "we");
	assert_non_null(f);
	(void)fclose(f);
	assert_int_equal(fl_httpd_listen_unix(path, 0600, (gid_t)-1), -EEXIST);
	assert_int_equal(unlink(path), 0);
}

static void a_name_that_is_too_long_is_refused(void **state)
{
	char path[200];

	(void)state;
	memset(path, 'a', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(fl_httpd_listen_unix(path, 0600, (gid_t)-1), -ENAMETOOLONG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answers_with_status_and_body),
		TEST(what_is_not_there_and_what_is_not_asked_for_is_refused),
		TEST(a_stream_tells_its_news_when_it_is_woken),
		TEST(a_stream_whose_client_goes_is_done),
		TEST(a_server_that_ends_ends_its_streams),
		TEST(head_of_a_stream_has_no_body),
		TEST(the_quietest_goes_when_there_are_too_many),
		TEST(the_socket_of_a_living_server_is_not_replaced),
		TEST(the_socket_of_a_dead_server_is_replaced),
		TEST(what_is_no_socket_is_left_alone),
		TEST(a_name_that_is_too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
