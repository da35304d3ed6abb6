/* ctl/ask.c - ask a flanneld by its control socket: HTTP/1.0, so an answer ends where it ends. */
#include "ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HEAD_MAX     16384u /* bytes; flanneld's has a tenth of it */
#define LINE_MAX_LEN (1u << 20)

struct answer {
	ctl_line line;
	void *owner;
	struct fl_buf rest; /* what no line end has followed yet */
	bool headed;
	int result;
};

static int say(const struct ctl *c, const char *what, int error)
{
	const char *hint = "";

	if (error == ENOENT || error == ECONNREFUSED)
		hint = "; flanneld does not run here, or its socket has another name (--socket)";
	else if (error == EACCES)
		hint = "; only root and the group of --control-group may ask";
	(void)fprintf(stderr, "flannelctl: %s: %s%s%s%s\n", c->socket, what, error ? ": " : "",
		      error ? strerror(error) : "", hint);
	return CTL_MUTE;
}

static int open_socket(const struct ctl *c)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(c->socket) >= sizeof(at.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", c->socket);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&at, sizeof(at)) < 0) {
		int error = errno;

		(void)close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

/* "HTTP/1.1 200 OK ... \r\n\r\n" off the front of what has come. @return false: not all there */
static bool take_head(struct answer *a)
{
	char *end = a->rest.data ? strstr(a->rest.data, "\r\n\r\n") : NULL;
	size_t len;

	if (!end)
		return false;
	if (strncmp(a->rest.data, "HTTP/1.", 7) != 0 || strncmp(a->rest.data + 8, " 200", 4) != 0)
		a->result = CTL_MUTE;
	len = (size_t)(end + 4 - a->rest.data);
	memmove(a->rest.data, end + 4, a->rest.len - len + 1);
	a->rest.len -= len;
	a->headed = true;
	return true;
}

static void take_lines(struct answer *a)
{
	char *at = a->rest.data, *end;
	size_t left;

	while (a->result == CTL_OK && (end = strchr(at, '\n')) != NULL) {
		*end = '\0';
		a->result = a->line(a->owner, at);
		at = end + 1;
	}
	left = a->rest.len - (size_t)(at - a->rest.data);
	memmove(a->rest.data, at, left + 1);
	a->rest.len = left;
}

static int read_answer(const struct ctl *c, int fd, struct answer *a)
{
	char piece[16384];
	ssize_t n = 0;

	while (a->result == CTL_OK && (n = read(fd, piece, sizeof(piece))) > 0) {
		if (memchr(piece, '\0', (size_t)n))
			return say(c, "what it answers is not text", 0);
		fl_buf_append(&a->rest, piece, (size_t)n);
		if (a->rest.error || a->rest.len > LINE_MAX_LEN ||
		    (!a->headed && a->rest.len > HEAD_MAX && !strstr(a->rest.data, "\r\n\r\n")))
			return say(c, "what it answers is too long", 0);
		if (!a->headed && !take_head(a))
			continue;
		if (a->result != CTL_OK)
			return say(c, "it does not know how to answer; is it another version?", 0);
		take_lines(a);
	}
	if (a->result != CTL_OK)
		return a->result;
	return n < 0	   ? say(c, "the answer broke off", errno)
	       : a->headed ? CTL_OK
			   : say(c, "there was no answer", 0);
}

int ctl_ask_lines(const struct ctl *c, const char *path, ctl_line line, void *owner)
{
	struct answer a = {.line = line, .owner = owner};
	int fd = open_socket(c), r;
	char request[128];
	size_t len;

	if (fd < 0)
		return say(c, "flanneld cannot be asked", errno);
	len = (size_t)snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\n\r\n", path);
	if (send(fd, request, len, MSG_NOSIGNAL) != (ssize_t)len)
		r = say(c, "flanneld cannot be asked", errno);
	else
		r = read_answer(c, fd, &a);
	fl_buf_done(&a.rest);
	(void)close(fd);
	return r;
}

static int collect(void *owner, char *line)
{
	fl_buf_puts(owner, line);
	fl_buf_puts(owner, "\n");
	return CTL_OK;
}

int ctl_ask(const struct ctl *c, const char *path, struct fl_buf *ret)
{
	return ctl_ask_lines(c, path, collect, ret);
}

int ctl_ask_json(const struct ctl *c, const char *path, struct fl_json **ret)
{
	struct fl_buf text = {0};
	int r = ctl_ask(c, path, &text);

	if (r == CTL_OK && fl_json_parse(text.data ? text.data : "", text.len, ret, NULL) < 0)
		r = say(c, "what it answers is not JSON", 0);
	fl_buf_done(&text);
	return r;
}

/* ---- a list, an object a line: "[{...},", "{...}]" ---- */

struct list {
	const struct ctl *c;
	int (*each)(void *owner, const struct fl_json *peer);
	void *owner;
	bool ended;
};

static int on_peer_line(void *owner, char *line)
{
	struct list *l = owner;
	struct fl_json *peer = NULL;
	size_t len;
	int r;

	line += *line == '[';
	len = strlen(line);
	l->ended = len > 0 && line[len - 1] == ']';
	if (len > 0 && strchr("],", line[len - 1]))
		line[--len] = '\0';
	if (len == 0)
		return CTL_OK;
	if (fl_json_parse(line, len, &peer, NULL) < 0)
		return say(l->c, "what it answers is not JSON", 0);
	r = l->each(l->owner, peer);
	fl_json_destroy(peer);
	return r;
}

int ctl_ask_peers(const struct ctl *c, int (*each)(void *owner, const struct fl_json *peer),
		  void *owner)
{
	struct list l = {.c = c, .each = each, .owner = owner};
	int r = ctl_ask_lines(c, "/v1/peers", on_peer_line, &l);

	return r == CTL_OK && !l.ended ? say(c, "the answer broke off", 0) : r;
}

/* ---- members ---- */

const char *ctl_text(const struct fl_json *obj, const char *key)
{
	const char *text = fl_json_string(fl_json_get(obj, key));

	return text ? text : "";
}

long long ctl_number(const struct fl_json *obj, const char *key)
{
	int64_t value;

	return fl_json_int(fl_json_get(obj, key), &value) == 0 ? value : 0;
}

bool ctl_flag(const struct fl_json *obj, const char *key)
{
	bool value;

	return fl_json_bool(fl_json_get(obj, key), &value) == 0 && value;
}
