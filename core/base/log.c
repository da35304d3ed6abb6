/* core/base/log.c - one line per event, in one write(2) to stderr so that lines never mix, or one
 * datagram to syslog. */
#include "log_init.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <yajl/yajl_gen.h>

#include "buf.h"
#include "parse.h"
#include "syslog.h"
#include "yajl_mem.h"

#define MSG_MAX	 4096u /* bytes of text that are never cut */
#define NOTE_MAX 64u   /* bytes: what is said about the rest */
#define TIME_MAX 32u   /* bytes, with NUL */

/* A data plane's threads may log too: each field is read on its own, none depends on another. */
static atomic_int format = FL_LOG_TEXT;
static atomic_int verbose;
static atomic_int coloured = -1;	  /* -1: not looked yet */
static atomic_int loudest = FL_LOG_DEBUG; /* what goes to stderr, up to this; -1: nothing */

static const struct {
	const char *text;
	const char *json;
	const char *colour;
} levels[] = {
	[FL_LOG_ERR] = {"ERROR", "error", "\x1b[31m"},
	[FL_LOG_WARN] = {"WARN ", "warn", "\x1b[33m"},
	[FL_LOG_INFO] = {"INFO ", "info", "\x1b[32m"},
	[FL_LOG_DEBUG] = {"DEBUG", "debug", "\x1b[2m"},
};

static bool wants_colour(void)
{
	const char *no_color = getenv("NO_COLOR"); /* no-color.org: any value but the empty one */

	return isatty(STDERR_FILENO) && !(no_color && *no_color);
}

void fl_log_init(enum fl_log_format fmt, int verbosity)
{
	atomic_store(&format, (int)fmt);
	atomic_store(&verbose, verbosity);
	atomic_store(&coloured, wants_colour());
}

void fl_log_set_verbosity(int verbosity)
{
	atomic_store(&verbose, verbosity);
}

int fl_log_to_syslog(const char *path, const char *ident)
{
	atomic_store(&loudest, FL_LOG_WARN);
	return fl_syslog_open(path, ident);
}

void fl_log_quiet(void)
{
	atomic_store(&loudest, FL_LOG_WARN);
}

void fl_log_leave_stderr(void)
{
	atomic_store(&loudest, -1);
}

int fl_log_enabled(enum fl_log_level level)
{
	return level < FL_LOG_DEBUG || atomic_load(&verbose) > 0;
}

static bool wants_stderr(enum fl_log_level level)
{
	return (int)level <= atomic_load(&loudest);
}

static void write_line(const char *line, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDERR_FILENO, line, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* nowhere to complain, and waiting would stop the loop */
		line += n;
		len -= (size_t)n;
	}
}

static void format_time(char buf[TIME_MAX])
{
	struct timespec now;
	struct tm tm;
	size_t len;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	len = strftime(buf, TIME_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(buf + len, TIME_MAX - len, ".%03dZ", (int)(now.tv_nsec / 1000000));
}

/** C0, DEL and C1: what moves a terminal's cursor or ends a line. */
static bool is_control(const char *p, size_t len)
{
	unsigned char c = (unsigned char)p[0];

	return len == 1 ? c < 0x20 || c == 0x7f : c == 0xc2 && (unsigned char)p[1] < 0xa0;
}

/** Copy with every byte that is no printable UTF-8 as \xNN; @p keep_control leaves the valid ones.
 * @return the length; @p out has room for four times @p len */
static size_t escape(const char *in, size_t len, bool keep_control, char *out)
{
	static const char hex[] = "0123456789abcdef";
	size_t done = 0;

	for (size_t i = 0, n; i < len; i += n) {
		n = fl_parse_utf8(in + i, len - i);
		if (n && (keep_control || !is_control(in + i, n))) {
			memcpy(out + done, in + i, n);
			done += n;
			continue;
		}
		n = n ? n : 1;
		for (size_t k = i; k < i + n; k++, done += 4) {
			unsigned char c = (unsigned char)in[k];

			memcpy(out + done, (char[]){'\\', 'x', hex[c >> 4], hex[c & 15]}, 4);
		}
	}
	return done;
}

static void append_piece(void *ctx, const char *bytes, size_t len)
{
	fl_buf_append(ctx, bytes, len);
}

static bool put_member(yajl_gen gen, const char *name, const char *text, size_t len)
{
	return yajl_gen_string(gen, (const unsigned char *)name, strlen(name)) ==
		       yajl_gen_status_ok &&
	       yajl_gen_string(gen, (const unsigned char *)text, len) == yajl_gen_status_ok;
}

/** One line as a JSON object. */
struct record {
	const char *level;
	const char *tag;
	const char *text;
	size_t len;
	struct fl_yajl_mem mem;
	struct fl_buf line;
	bool ok;
};

static void render(void *ctx)
{
	struct record *rec = ctx;
	yajl_gen gen = yajl_gen_alloc(&rec->mem.funcs);
	char time[TIME_MAX];

	format_time(time);
	yajl_gen_config(gen, yajl_gen_print_callback, append_piece, &rec->line);
	rec->ok = yajl_gen_map_open(gen) == yajl_gen_status_ok &&
		  put_member(gen, "time", time, strlen(time)) &&
		  put_member(gen, "level", rec->level, strlen(rec->level)) &&
		  put_member(gen, "tag", rec->tag, strlen(rec->tag)) &&
		  put_member(gen, "msg", rec->text, rec->len) &&
		  yajl_gen_map_close(gen) == yajl_gen_status_ok;
}

/** @return false if memory ran out before anything was written */
static bool write_json(enum fl_log_level level, const char *tag, const char *text, size_t len)
{
	struct record rec = {.level = levels[level].json, .tag = tag, .text = text, .len = len};
	bool ok;

	fl_yajl_mem_init(&rec.mem);
	ok = fl_yajl_mem_run(&rec.mem, render, &rec) && rec.ok;
	fl_yajl_mem_done(&rec.mem);
	fl_buf_append(&rec.line, "\n", 1);
	ok = ok && !rec.line.error;
	if (ok)
		fl_syslog_send(level, rec.line.data, rec.line.len - 1);
	if (ok && wants_stderr(level))
		write_line(rec.line.data, rec.line.len);
	fl_buf_done(&rec.line);
	return ok;
}

static void write_text(enum fl_log_level level, const char *tag, const char *text, size_t len)
{
	char line[4 * (MSG_MAX + NOTE_MAX) + 128], time[TIME_MAX];
	int colour = atomic_load(&coloured);
	int head, tagged;

	if (colour < 0) {
		colour = wants_colour();
		atomic_store(&coloured, colour);
	}
	format_time(time);
	head = snprintf(line, sizeof(line) - 1 - len, "%s %s%s%s ", time,
			colour ? levels[level].colour : "", levels[level].text,
			colour ? "\x1b[0m" : "");
	tagged =
		head + snprintf(line + head, sizeof(line) - 1 - len - (size_t)head, "%.32s: ", tag);
	memcpy(line + tagged, text, len);
	/* syslog has its own time and level */
	fl_syslog_send(level, line + head, (size_t)(tagged - head) + len);
	line[(size_t)tagged + len] = '\n';
	if (wants_stderr(level))
		write_line(line, (size_t)tagged + len + 1);
}

void fl_log(enum fl_log_level level, const char *tag, const char *fmt, ...)
{
	char msg[MSG_MAX + 1 + NOTE_MAX], text[4 * (MSG_MAX + NOTE_MAX)];
	bool json = atomic_load(&format) == FL_LOG_JSON;
	int saved = errno, n;
	size_t len;
	va_list args;

	if (!fl_log_enabled(level))
		return;
	va_start(args, fmt);
	n = vsnprintf(msg, MSG_MAX + 1, fmt, args);
	va_end(args);
	if (n < 0)
		n = snprintf(msg, sizeof(msg), "a message that cannot be formatted: %d", errno);
	len = (size_t)n;
	if (len > MSG_MAX)
		len = MSG_MAX + (size_t)snprintf(msg + MSG_MAX, NOTE_MAX, " ... (%zu bytes cut)",
						 len - MSG_MAX);
	len = escape(msg, len, json, text);
	if (!json || !write_json(level, tag, text, len))
		write_text(level, tag, text, len);
	errno = saved;
}
