/* tests/unit/test_log.c - lines of the log as a reader of stderr gets them. */
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/log_init.h"

static int reader = -1; /* each write(2) to stderr is one message here */
static int real_stderr = -1;
static char line[65536];

static int capture(void **state)
{
	int pair[2], size = 1 << 20;

	(void)state;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	real_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	dup2(pair[1], STDERR_FILENO);
	close(pair[1]);
	reader = pair[0];
	fl_log_init(FL_LOG_TEXT, 0);
	return 0;
}

static int release(void **state)
{
	(void)state;
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	close(reader);
	return 0;
}

/** The next write(2) to stderr, without its newline; NULL if there was none. */
static const char *next_line(void)
{
	ssize_t n = recv(reader, line, sizeof(line) - 1, MSG_DONTWAIT);

	if (n <= 0)
		return NULL;
	assert_int_equal(line[n - 1], '\n');
	line[n - 1] = '\0';
	assert_int_equal(strlen(line), n - 1);
	assert_null(strchr(line, '\n'));
	return line;
}

/** The next line behind its time. */
static const char *next_text(void)
{
	const char *l = next_line();

	assert_non_null(l);
	assert_true(strlen(l) > 25);
	return l + 25;
}

static void a_line_is_time_level_tag_and_text(void **state)
{
	regex_t re;

	(void)state;
	assert_int_equal(regcomp(&re,
				 "^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]"
				 "\\.[0-9]{3}Z INFO  etcd: lease 10\\.5\\.52\\.0/24$",
				 REG_EXTENDED | REG_NOSUB),
			 0);
	fl_info("etcd", "lease %s/%d", "10.5.52.0", 24);
	assert_int_equal(regexec(&re, next_line(), 0, NULL, 0), 0);
	assert_null(next_line());
	regfree(&re);
}

static void the_time_is_utc_and_now(void **state)
{
	struct tm tm = {0};
	time_t now = time(NULL), said;

	(void)state;
	setenv("TZ", "Asia/Tokyo", 1);
	tzset();
	fl_info("t", "x");
	assert_non_null(strptime(next_line(), "%Y-%m-%dT%H:%M:%S", &tm));
	said = timegm(&tm);
	assert_true(said >= now - 1 && said <= now + 5);
	unsetenv("TZ");
	tzset();
}

static void levels_are_named_and_aligned(void **state)
{
	(void)state;
	fl_log_init(FL_LOG_TEXT, 1);
	fl_err("a", "x");
	assert_string_equal(next_text(), "ERROR a: x");
	fl_warn("a", "x");
	assert_string_equal(next_text(), "WARN  a: x");
	fl_info("a", "x");
	assert_string_equal(next_text(), "INFO  a: x");
	fl_debug("a", "x");
	assert_string_equal(next_text(), "DEBUG a: x");
}

static void detail_is_dropped_unless_wanted(void **state)
{
	(void)state;
	assert_false(fl_log_enabled(FL_LOG_DEBUG));
	assert_true(fl_log_enabled(FL_LOG_INFO));
	fl_debug("a", "x");
	assert_null(next_line());
	fl_log_init(FL_LOG_TEXT, 3);
	assert_true(fl_log_enabled(FL_LOG_DEBUG));
	fl_debug("a", "x");
	assert_non_null(next_line());
}

static void foreign_text_cannot_forge_lines(void **state)
{
	(void)state;
	fl_warn("etcd", "key %s", "foo\n2026-01-31T12:00:00.123Z INFO  x: y");
	assert_string_equal(next_text(),
			    "WARN  etcd: key foo\\x0a2026-01-31T12:00:00.123Z INFO  x: y");
	fl_warn("etcd", "%s", "\r\t\x1b[31m\x7f\xff\xc0\x80\xc2\x9b%s%n");
	assert_string_equal(next_text(),
			    "WARN  etcd: \\x0d\\x09\\x1b[31m\\x7f\\xff\\xc0\\x80\\xc2\\x9b%s%n");
	assert_null(next_line());
}

static void valid_utf8_passes(void **state)
{
	(void)state;
	fl_info("a", "%s", "M\xc3\xbcnchen \xe2\x82\xac \xf0\x9f\x98\x80 \xc2\xa0");
	assert_string_equal(next_text(),
			    "INFO  a: M\xc3\xbcnchen \xe2\x82\xac \xf0\x9f\x98\x80 \xc2\xa0");
}

static void four_kilobytes_are_never_cut(void **state)
{
	char text[4097];

	(void)state;
	memset(text, 'x', 4096);
	text[4096] = '\0';
	fl_info("a", "%s", text);
	assert_string_equal(next_text() + strlen("INFO  a: "), text);
	memset(text, '\x01', 4096);
	fl_info("a", "%s", text);
	assert_int_equal(strlen(next_text()), strlen("INFO  a: ") + 4 * 4096);
}

static void a_longer_message_says_that_it_was_cut(void **state)
{
	char *text = malloc(60001);
	const char *l;

	(void)state;
	memset(text, 'x', 60000);
	text[60000] = '\0';
	fl_info("a", "%s", text);
	l = next_text();
	assert_int_equal(strspn(l + strlen("INFO  a: "), "x"), 4096);
	assert_string_equal(l + strlen("INFO  a: ") + 4096, " ... (55904 bytes cut)");
	assert_null(next_line());
	free(text);
}

static void a_very_long_tag_does_no_harm(void **state)
{
	char tag[5000];

	(void)state;
	memset(tag, 't', sizeof(tag) - 1);
	tag[sizeof(tag) - 1] = '\0';
	fl_info(tag, "text");
	assert_true(strstr(next_text(), "t: text") != NULL);
}

static struct fl_json *next_json(void)
{
	const char *l = next_line();
	struct fl_json *doc = NULL;

	assert_non_null(l);
	assert_int_equal(fl_json_parse(l, strlen(l), &doc, NULL), 0);
	return doc;
}

static void json_lines_have_four_members(void **state)
{
	struct fl_json *doc;
	size_t n = 0;

	(void)state;
	fl_log_init(FL_LOG_JSON, 0);
	fl_warn("etcd", "a \"quoted\"\n\t\x01 %s", "M\xc3\xbcnchen");
	doc = next_json();
	fl_json_each (v, doc)
		n++;
	assert_int_equal(n, 4);
	assert_int_equal(strlen(fl_json_string(fl_json_get(doc, "time"))), 24);
	assert_string_equal(fl_json_string(fl_json_get(doc, "level")), "warn");
	assert_string_equal(fl_json_string(fl_json_get(doc, "tag")), "etcd");
	assert_string_equal(fl_json_string(fl_json_get(doc, "msg")),
			    "a \"quoted\"\n\t\x01 M\xc3\xbcnchen");
	assert_null(next_line());
	fl_json_destroy(doc);
}

static void json_lines_are_utf8_whatever_comes_in(void **state)
{
	struct fl_json *doc;

	(void)state;
	fl_log_init(FL_LOG_JSON, 0);
	fl_err("a", "%s", "bad \xff\xed\xa0\x80 end");
	doc = next_json();
	assert_string_equal(fl_json_string(fl_json_get(doc, "level")), "error");
	assert_string_equal(fl_json_string(fl_json_get(doc, "msg")),
			    "bad \\xff\\xed\\xa0\\x80 end");
	fl_json_destroy(doc);
}

static void errno_stays_and_can_be_printed(void **state)
{
	(void)state;
	errno = ENOENT;
	fl_info("a", "file: %m");
	assert_int_equal(errno, ENOENT);
	assert_string_equal(next_text(), "INFO  a: file: No such file or directory");
	fl_log_init(FL_LOG_JSON, 0);
	errno = EPERM;
	fl_info("a", "x");
	assert_int_equal(errno, EPERM);
}

/** What a terminal on stderr shows for one warning. */
static void on_a_terminal(char *buf, size_t size)
{
	int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;
	ssize_t n;

	assert_true(master >= 0);
	assert_int_equal(grantpt(master), 0);
	assert_int_equal(unlockpt(master), 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(slave >= 0);
	dup2(slave, STDERR_FILENO);
	fl_log_init(FL_LOG_TEXT, 0);
	fl_warn("a", "x\x1b[0m");
	n = read(master, buf, size - 1);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(slave);
	close(master);
	assert_true(n > 0);
	buf[n] = '\0';
}

static void only_a_terminal_gets_colour(void **state)
{
	char shown[256];

	(void)state;
	unsetenv("NO_COLOR");
	on_a_terminal(shown, sizeof(shown));
	assert_non_null(strstr(shown, "Z \x1b[33mWARN \x1b[0m a: x\\x1b[0m"));

	setenv("NO_COLOR", "1", 1);
	on_a_terminal(shown, sizeof(shown));
	assert_non_null(strstr(shown, "Z WARN  a: x"));
	assert_null(strchr(shown, '\x1b'));
	unsetenv("NO_COLOR");
}

static void a_closed_stderr_does_no_harm(void **state)
{
	int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

	(void)state;
	close(STDERR_FILENO);
	fl_info("a", "x");
	fl_log_init(FL_LOG_JSON, 0);
	fl_info("a", "x");
	dup2(saved, STDERR_FILENO);
	close(saved);
	assert_null(next_line());
}

#define captured(test) cmocka_unit_test_setup_teardown(test, capture, release)

int main(void)
{
	const struct CMUnitTest tests[] = {
		captured(a_line_is_time_level_tag_and_text),
		captured(the_time_is_utc_and_now),
		captured(levels_are_named_and_aligned),
		captured(detail_is_dropped_unless_wanted),
		captured(foreign_text_cannot_forge_lines),
		captured(valid_utf8_passes),
		captured(four_kilobytes_are_never_cut),
		captured(a_longer_message_says_that_it_was_cut),
		captured(a_very_long_tag_does_no_harm),
		captured(json_lines_have_four_members),
		captured(json_lines_are_utf8_whatever_comes_in),
		captured(errno_stays_and_can_be_printed),
		captured(only_a_terminal_gets_colour),
		captured(a_closed_stderr_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
