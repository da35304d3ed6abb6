/* core/io/http.c - HTTP requests on the event loop: libcurl multi driven by libev. */
#include "io/http.h"

#define CURL_DISABLE_DEPRECATION /* of curl_multi_socket_all(), which nothing else replaces */
#include <curl/curl.h>
#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/defs.h"
#include "io/curl_mem.h"
#include "io/http_error.h"
#include "io/http_tcp.h"
#include "io/http_tls.h"

#define MAX_CONNECTIONS 4L

/* Any number but the one that was offered ends a transfer. */
#define REFUSED ((size_t)-1)

struct fl_http {
	struct ev_loop *loop;
	struct fl_http_conf conf;
	struct fl_http_tls tls;
	CURLM *multi;
	ev_timer timer;		 /* curl's own clock */
	struct transfer *doomed; /* cancelled inside of a curl callback: freed once curl returns */
	unsigned int depth; /* > 0 while curl, or the draining of its results, is on the stack */
	bool dead;	    /* destroyed meanwhile */
	uint64_t progress;  /* headers and pieces of bodies that have come */
	ev_timer again;
	curl_socket_t http2_fd; /* of the HTTP/2 connection that was made last */
	unsigned int http2;	/* requests that run over one */
};

/* What curl polls for one connection. */
struct sock {
	ev_io io;
	struct fl_http *http;
};

/* One curl handle. It outlives its request where that is cancelled within a callback. */
struct transfer {
	struct fl_http *http;
	struct fl_http_req *req; /* NULL: nobody wants the result */
	CURL *easy;
	struct curl_slist *headers;
	struct transfer *next_doomed;
	ev_timer begin; /* runs until the answer begins, where that is bounded */
	uint32_t begin_ms;
	size_t received;
	size_t max_body;
	uint32_t timeout_ms; /* the bound that ends it first, for the message */
	bool too_long;
	bool http2;
	uint64_t tls_generation; /* of the certificate files that it uses; 0: none yet */
	struct fl_http_tls_peer peer;
	char error[CURL_ERROR_SIZE];
};

static void transfer_free(struct transfer *t)
{
	if (!t)
		return;
	if (t->easy)
		curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->headers);
	free(t);
}

static void free_doomed(struct fl_http *http)
{
	while (http->doomed) {
		struct transfer *t = http->doomed;

		http->doomed = t->next_doomed;
		(void)curl_multi_remove_handle(http->multi, t->easy);
		transfer_free(t);
	}
}

static void http_free(struct fl_http *http)
{
	free_doomed(http);
	fl_http_tls_stop(&http->tls);
	curl_multi_cleanup(http->multi);
	/* Closing the connection cache may have asked for a time-out once more. */
	ev_timer_stop(http->loop, &http->timer);
	ev_timer_stop(http->loop, &http->again);
	curl_global_cleanup();
	free(http);
}

/* ---- curl's callbacks ---- */

static size_t on_header(char *bytes, size_t size, size_t n, void *data)
{
	struct transfer *t = data;
	size_t len = size * n, name_len, start;
	char line[1024];
	char *colon;

	if (!t->req)
		return REFUSED;
	t->http->progress++;
	ev_timer_stop(t->http->loop, &t->begin);
	(void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &t->req->status);
	/* Nothing that we look for is longer; a status line has no colon where a name may end. */
	if (!t->req->ops->header || len >= sizeof(line))
		return len;
	memcpy(line, bytes, len);
	line[len] = '\0';
	colon = strchr(line, ':');
	if (!colon)
		return len;
	name_len = (size_t)(colon - line);
	line[name_len] = '\0';
	start = name_len + 1 + strspn(colon + 1, " \t");
	while (len > start && strchr(" \t\r\n", line[len - 1]))
		line[--len] = '\0';
	if (t->req->ops->header(t->req, line, line + start) != 0)
		return REFUSED;
	return t->req ? size * n : REFUSED;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *data)
{
	struct transfer *t = data;
	struct fl_http_req *req = t->req;
	size_t len = size * n;

	if (!req)
		return REFUSED;
	if (t->max_body && len > t->max_body - t->received) {
		t->too_long = true;
		return REFUSED;
	}
	t->received += len;
	t->http->progress++;
	if (req->ops->body && req->ops->body(req, bytes, len) != 0)
		return REFUSED;
	return t->req ? len : REFUSED; /* NULL: cancelled within body() */
}

/* ---- results ---- */

static void ended(struct transfer *t)
{
	ev_timer_stop(t->http->loop, &t->begin);
	t->http->http2 -= t->http2;
	t->http2 = false;
	t->req->running = false;
}

static void report(struct transfer *t, CURLcode code)
{
	const struct fl_http_fault fault = {
		.easy = t->easy,
		.code = code,
		.text = t->error,
		.conf = &t->http->conf,
		.tls = &t->http->tls,
		.peer = &t->peer,
		.timeout_ms = t->timeout_ms,
		.max_body = t->max_body,
		.too_long = t->too_long,
	};
	struct fl_http_result res = {.why = ""};
	struct fl_http_req *req = t->req;
	char why[CURL_ERROR_SIZE + 512];

	(void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &res.status);
	res.error = fl_http_fault_error(&fault);
	if (res.error != 0) {
		fl_http_fault_describe(&fault, res.error, why, sizeof(why));
		res.why = why;
	}
	ended(t);
	req->ops->done(req, &res);
}

static void drain(struct fl_http *http)
{
	CURLMsg *msg;
	int left;

	while (!http->dead && (msg = curl_multi_info_read(http->multi, &left))) {
		CURLcode code = msg->data.result;
		struct transfer *t = NULL;

		if (msg->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&t);
		if (!t->req)
			continue; /* doomed: freed below */
		(void)curl_multi_remove_handle(http->multi, t->easy);
		report(t, code);
	}
}

/* Callbacks may have cancelled or destroyed anything; what curl, or we, still used goes now. */
static void leave(struct fl_http *http)
{
	http->depth--;
	if (http->depth > 0)
		return;
	free_doomed(http);
	if (http->dead)
		http_free(http);
}

/* Let curl act, then hand out what ended. */
static void turn(struct fl_http *http, curl_socket_t fd, int events)
{
	const uint64_t before = http->progress;
	int running;

	http->depth++;
	/* Out of memory it forgets which sockets it waits for; this has it look at all of them. */
	if (curl_multi_socket_action(http->multi, fd, events, &running) != CURLM_OK)
		(void)curl_multi_socket_all(http->multi, &running);
	drain(http);
	if (http->http2 > 0 && http->progress != before)
		ev_timer_start(http->loop, &http->again);
	leave(http);
}

/* libcurl 7.88 waits for the socket while it still holds some of what came over HTTP/2: it is asked
 * once more behind each event, and as long as that brings something. */
static void on_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct fl_http *http = fl_container_of(w, struct fl_http, again);

	(void)loop;
	(void)revents;
	turn(http, http->http2_fd, CURL_CSELECT_IN);
}

/* curl has a bound for connecting and one for the whole, but none for the time between. */
static void on_no_beginning(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct transfer *t = fl_container_of(w, struct transfer, begin);
	struct fl_http *http = t->http;

	(void)loop;
	(void)revents;
	http->depth++;
	(void)curl_multi_remove_handle(http->multi, t->easy);
	t->timeout_ms = t->begin_ms;
	report(t, CURLE_OPERATION_TIMEDOUT);
	leave(http);
}

/* ---- sockets and the clock ---- */

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	turn(fl_container_of(w, struct fl_http, timer), CURL_SOCKET_TIMEOUT, 0);
}

static void on_io(struct ev_loop *loop, ev_io *w, int revents)
{
	struct sock *s = fl_container_of(w, struct sock, io);
	int events = (revents & EV_READ ? CURL_CSELECT_IN : 0) |
		     (revents & EV_WRITE ? CURL_CSELECT_OUT : 0);

	if (s->http->http2 > 0)
		ev_timer_start(loop, &s->http->again);
	turn(s->http, w->fd, events);
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *assigned)
{
	struct fl_http *http = data;
	struct sock *s = assigned;
	struct transfer *t = NULL;
	int events = (what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0);

	(void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&t);
	if (t && t->http2)
		http->http2_fd = fd;
	if (what == CURL_POLL_REMOVE) {
		if (s)
			ev_io_stop(http->loop, &s->io);
		free(s);
		return 0;
	}
	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return -1;
		s->http = http;
		ev_init(&s->io, on_io);
		(void)curl_multi_assign(http->multi, fd, s);
	}
	if (ev_is_active(&s->io) && s->io.fd == fd &&
	    (s->io.events & (EV_READ | EV_WRITE)) == events)
		return 0;
	ev_io_stop(http->loop, &s->io);
	ev_io_set(&s->io, fd, events);
	ev_io_start(http->loop, &s->io);
	return 0;
}

static int want_timer(CURLM *multi, long timeout_ms, void *data)
{
	struct fl_http *http = data;

	(void)multi;
	ev_timer_stop(http->loop, &http->timer);
	if (timeout_ms < 0)
		return 0;
	ev_timer_set(&http->timer, (double)timeout_ms / 1e3, 0.);
	ev_timer_start(http->loop, &http->timer);
	return 0;
}

/* ---- life ---- */

int fl_http_create(struct ev_loop *loop, const struct fl_http_conf *conf, struct fl_http **ret)
{
	const struct fl_tls_paths paths = {
		.ca_file = conf->ca_file, .cert_file = conf->cert_file, .key_file = conf->key_file};
	struct fl_http *http;

	/* The flags make no difference to the cost (0.8 ms), and OpenSSL starts up by itself. */
	if (fl_curl_mem_init(CURL_GLOBAL_NOTHING) != CURLE_OK)
		return -ENOMEM;
	http = calloc(1, sizeof(*http));
	if (!http)
		goto cleanup;
	http->multi = curl_multi_init();
	if (!http->multi)
		goto free_http;
	http->loop = loop;
	http->conf = *conf;
	ev_init(&http->timer, on_timer);
	ev_timer_init(&http->again, on_again, 0., 0.);
	(void)curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
	(void)curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	(void)curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, want_timer);
	(void)curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	(void)curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
	(void)curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, MAX_CONNECTIONS);
	fl_http_tls_start(&http->tls, loop, &paths);

	*ret = http;
	return 0;

free_http:
	free(http);
cleanup:
	curl_global_cleanup();
	return -ENOMEM;
}

void fl_http_destroy(struct fl_http *http)
{
	if (!http)
		return;
	if (http->depth > 0)
		http->dead = true; /* turn() is below us on the stack: it frees */
	else
		http_free(http);
}

void fl_http_reload(struct fl_http *http)
{
	fl_http_tls_check(&http->tls);
}

struct fl_http_ends fl_http_ends(const struct fl_http *http)
{
	return (struct fl_http_ends){http->tls.files.expires_s, http->tls.files.ca_expires_s};
}

/* ---- requests ---- */

static bool is_set(const char *s)
{
	return s && *s;
}

/* What all requests of a handle have in common. */
static CURLcode set_common(struct transfer *t)
{
	const struct fl_http_conf *conf = &t->http->conf;
	CURL *easy = t->easy;
	CURLcode r = curl_easy_setopt(easy, CURLOPT_PRIVATE, t);

#if LIBCURL_VERSION_NUM >= 0x075500
	r |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	r |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
	/* What we talk to is infrastructure: a proxy for the web is not on the way to it, and would
	 * see the password. Redirects are not followed either, which is curl's default. */
	r |= curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	r |= curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->error);
	r |= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	r |= curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
	r |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	r |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
	if (is_set(conf->user_agent))
		r |= curl_easy_setopt(easy, CURLOPT_USERAGENT, conf->user_agent);
	r |= fl_http_tcp_apply(easy, conf->connect_timeout_ms);
	r |= fl_http_tls_prepare(easy, &t->peer);
	return r;
}

static int transfer_create(struct fl_http_req *req, struct transfer **ret)
{
	struct transfer *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->http = req->http;
	t->req = req;
	ev_init(&t->begin, on_no_beginning);
	t->easy = curl_easy_init();
	if (!t->easy || set_common(t) != CURLE_OK) {
		transfer_free(t);
		return -ENOMEM;
	}
	*ret = t;
	return 0;
}

void fl_http_req_init(struct fl_http_req *req, struct fl_http *http, const struct fl_http_ops *ops)
{
	*req = (struct fl_http_req){.http = http, .ops = ops};
}

static int set_headers(struct transfer *t, const char *const *headers)
{
	/* A body of ours is small: asking first would cost a round trip. */
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");

	for (; list && headers && *headers; headers++) {
		struct curl_slist *longer = curl_slist_append(list, *headers);

		if (!longer)
			curl_slist_free_all(list);
		list = longer;
	}
	if (!list || curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, list) != CURLE_OK) {
		curl_slist_free_all(list);
		return -ENOMEM;
	}
	curl_slist_free_all(t->headers);
	t->headers = list;
	return 0;
}

static CURLcode set_login(struct transfer *t, bool anonymous)
{
	const struct fl_http_conf *conf = &t->http->conf;
	const bool named = !anonymous && is_set(conf->username);
	CURLcode r = curl_easy_setopt(t->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);

	r |= curl_easy_setopt(t->easy, CURLOPT_USERNAME, named ? conf->username : NULL);
	r |= curl_easy_setopt(t->easy, CURLOPT_PASSWORD,
			      named ? (conf->password ? conf->password : "") : NULL);
	return r;
}

/* One of HTTP/1.1 that is kept alive would be taken for HTTP/2 as well. */
static int set_version(struct transfer *t, const struct fl_http_spec *spec)
{
	const bool tls = strncasecmp(spec->url, "https:", 6) == 0;
	const long version = !spec->http2 ? CURL_HTTP_VERSION_1_1
			     : tls	  ? CURL_HTTP_VERSION_2TLS
					  : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
	CURLcode r = curl_easy_setopt(t->easy, CURLOPT_HTTP_VERSION, version);

	if (r != CURLE_OK)
		return -EPROTONOSUPPORT;
	r = curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, spec->http2 ? 1L : 0L);
	r |= curl_easy_setopt(t->easy, CURLOPT_FORBID_REUSE, spec->http2 ? 1L : 0L);
	return r == CURLE_OK ? 0 : -ENOMEM;
}

static int set_request(struct transfer *t, const struct fl_http_spec *spec)
{
	CURLcode r = curl_easy_setopt(t->easy, CURLOPT_URL, spec->url);

	if (r == CURLE_OK)
		r = set_login(t, spec->anonymous);
	if (r == CURLE_OK)
		r = curl_easy_setopt(t->easy, CURLOPT_HTTPGET, 1L);
	if (r == CURLE_OK && spec->body)
		r = curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE,
				     spec->body_len ? (long)spec->body_len : -1L);
	if (r == CURLE_OK && spec->body)
		r = curl_easy_setopt(t->easy, CURLOPT_COPYPOSTFIELDS, spec->body);
	if (r == CURLE_OK)
		r = curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, spec->method);
	if (r == CURLE_OK)
		r = curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, (long)spec->timeout_ms);
	return r == CURLE_OK ? set_headers(t, spec->headers) : -ENOMEM;
}

/* The certificate files that are in use now: connections that were made with others do not fit any
 * longer, and curl makes a new one. */
static int set_files(struct transfer *t)
{
	const struct fl_http_tls *tls = &t->http->tls;

	if (t->tls_generation == tls->generation + 1)
		return 0;
	if (fl_http_tls_apply(tls, t->easy) != CURLE_OK)
		return -ENOMEM;
	t->tls_generation = tls->generation + 1;
	return 0;
}

/* Into curl's hands, and the clock started. */
static int launch(struct transfer *t)
{
	CURLMcode r = curl_multi_add_handle(t->http->multi, t->easy);

	if (r != CURLM_OK)
		return r == CURLM_RECURSIVE_API_CALL ? -EDEADLK : -ENOMEM;
	if (t->begin_ms > 0) {
		ev_now_update(t->http->loop);
		ev_timer_set(&t->begin, t->begin_ms / 1e3, 0.);
		ev_timer_start(t->http->loop, &t->begin);
	}
	return 0;
}

int fl_http_req_start(struct fl_http_req *req, const struct fl_http_spec *spec)
{
	struct transfer *t = req->priv;
	int r;

	if (req->running)
		return -EBUSY;
	if (!t) {
		r = transfer_create(req, &t);
		if (r < 0)
			return r;
		req->priv = t;
	}
	r = set_request(t, spec);
	if (r == 0)
		r = set_version(t, spec);
	if (r == 0)
		r = set_files(t);
	if (r < 0)
		return r;
	t->received = 0;
	t->too_long = false;
	t->max_body = spec->max_body;
	t->timeout_ms = spec->timeout_ms;
	t->begin_ms = spec->begin_timeout_ms;
	t->error[0] = '\0';
	t->peer = (struct fl_http_tls_peer){0};
	t->http2 = spec->http2;
	r = launch(t);
	if (r < 0)
		return r;
	t->http->http2 += t->http2;
	req->running = true;
	req->status = 0;
	return 0;
}

void fl_http_req_cancel(struct fl_http_req *req)
{
	struct transfer *t = req->priv;

	if (!req->running)
		return;
	ended(t);
	/* curl refuses to be called from its own callbacks, so leave the handle to turn(). */
	if (req->http->depth > 0) {
		t->req = NULL;
		t->next_doomed = req->http->doomed;
		req->http->doomed = t;
		req->priv = NULL;
		return;
	}
	(void)curl_multi_remove_handle(req->http->multi, t->easy);
}

void fl_http_req_done(struct fl_http_req *req)
{
	if (!req->http)
		return;
	fl_http_req_cancel(req);
	transfer_free(req->priv);
	*req = (struct fl_http_req){0};
}
