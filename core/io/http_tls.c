/* core/io/http_tls.c - TLS of http.c's connections: certificate files that are followed, and what a
 * server's certificate was. */
#include "io/http_tls.h"

#include <errno.h>
#include <limits.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/defs.h"
#include "base/log.h"

#define RECHECK_S   1. /* between the files of one change */
#define DAY_S	    86400
#define BLOBS_SINCE 0x074d00 /* curl 7.77 */

static bool is_set(const char *s)
{
	return s && *s;
}

/* ---- expiry ---- */

static const int64_t warn_before_s[] = {30 * DAY_S, 7 * DAY_S, DAY_S, 0};

/* @param what  "certificate FILE (NAME)" */
static void warn_of(const char *what, int64_t ends_s, int64_t now_s)
{
	int64_t left_s = ends_s - now_s;
	char date[FL_TLS_DATE_MAX];

	(void)fl_tls_date(ends_s, date);
	if (left_s <= 0)
		fl_err("tls", "%s: expired on %s; put a new one in its place", what, date);
	else if (left_s <= warn_before_s[0])
		fl_warn("tls", "%s: expires on %s, in %lld %s", what, date,
			(long long)(left_s < 2 * DAY_S ? left_s / 3600 : left_s / DAY_S),
			left_s < 2 * DAY_S ? "hours" : "days");
}

/* Said when they are taken into use, and again as an end comes nearer. */
static void warn_of_expiry(const struct fl_http_tls *t, int64_t now_s)
{
	const struct fl_tls_files *f = &t->files;
	char what[PATH_MAX + FL_TLS_NAME_MAX + 32];

	if (f->expires_s) {
		(void)snprintf(what, sizeof(what), "certificate %s (%s)", t->paths.cert_file,
			       f->name);
		warn_of(what, f->expires_s, now_s);
	}
	if (f->ca_expires_s) {
		(void)snprintf(what, sizeof(what), "CA file %s", t->paths.ca_file);
		warn_of(what, f->ca_expires_s, now_s);
	}
}

/* The next time that something is to be said of an end; 0: never again. */
static int64_t next_warning_s(int64_t ends_s, int64_t now_s)
{
	for (size_t i = 0; ends_s && i < FL_ARRAY_SIZE(warn_before_s); i++)
		if (ends_s - warn_before_s[i] > now_s)
			return ends_s - warn_before_s[i];
	return 0;
}

static void await_expiry(struct fl_http_tls *t, int64_t now_s)
{
	int64_t next_s = next_warning_s(t->files.expires_s, now_s),
		ca_s = next_warning_s(t->files.ca_expires_s, now_s);

	ev_periodic_stop(t->loop, &t->expiry);
	if (next_s == 0 || (ca_s && ca_s < next_s))
		next_s = ca_s;
	if (next_s == 0)
		return;
	ev_periodic_set(&t->expiry, (double)next_s, 0., NULL);
	ev_periodic_start(t->loop, &t->expiry);
}

static void on_expiry(struct ev_loop *loop, ev_periodic *w, int revents)
{
	struct fl_http_tls *t = fl_container_of(w, struct fl_http_tls, expiry);
	int64_t now_s = time(NULL);

	(void)loop;
	(void)revents;
	warn_of_expiry(t, now_s);
	await_expiry(t, now_s + 1);
}

/* ---- files ---- */

static void use(struct fl_http_tls *t, struct fl_tls_files *files)
{
	int64_t now_s = time(NULL);
	char date[FL_TLS_DATE_MAX];

	if (t->loaded && files->expires_s)
		fl_info("tls",
			"certificate %s (%s): changed, and used for the next connection; "
			"expires on %s",
			t->paths.cert_file, files->name, fl_tls_date(files->expires_s, date));
	else if (t->loaded)
		fl_info("tls", "CA file %s: changed, and used for the next connection",
			t->paths.ca_file);
	fl_tls_files_done(&t->files);
	t->files = *files;
	t->loaded = true;
	t->generation++;
	if (t->files.key_open && !t->key_told)
		fl_warn("tls", "key %s: every user can read or write it; chmod 600 helps",
			t->paths.key_file);
	t->key_told = t->files.key_open;
	warn_of_expiry(t, now_s);
	await_expiry(t, now_s);
}

static int read_files(struct fl_http_tls *t, char **why)
{
	struct fl_tls_files files;
	int r = fl_tls_files_read(&t->paths, time(NULL), &files, why);

	if (r < 0)
		return r;
	if (t->loaded && fl_tls_files_same(&files, &t->files))
		fl_tls_files_done(&files);
	else
		use(t, &files);
	return 0;
}

/* @param quiet  it may be better in a moment */
static void check(struct fl_http_tls *t, bool quiet)
{
	bool known = t->why;
	char *why = NULL;
	int r = read_files(t, &why);

	if (r == 0 && known && t->loaded)
		fl_info("tls", "certificate files: all is well with them again");
	if (r < 0 && quiet) {
		free(why);
		return;
	}
	if (r < 0 && t->loaded && !(known && why && strcmp(t->why, why) == 0))
		fl_err("tls", "%s; what was in use before stays", why ? why : strerror(-r));
	free(t->why);
	t->why = why;
}

static void on_recheck(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	check(fl_container_of(w, struct fl_http_tls, recheck), false);
}

static void look(struct fl_http_tls *t)
{
	check(t, true);
	ev_timer_stop(t->loop, &t->recheck);
	ev_timer_set(&t->recheck, RECHECK_S, 0.);
	ev_timer_start(t->loop, &t->recheck);
}

static void on_ca_changed(struct fl_path_watch *w)
{
	look(fl_container_of(w, struct fl_http_tls, watches[0]));
}

static void on_cert_changed(struct fl_path_watch *w)
{
	look(fl_container_of(w, struct fl_http_tls, watches[1]));
}

static void on_key_changed(struct fl_path_watch *w)
{
	look(fl_container_of(w, struct fl_http_tls, watches[2]));
}

void fl_http_tls_start(struct fl_http_tls *t, struct ev_loop *loop,
		       const struct fl_tls_paths *paths)
{
	const char *const files[] = {paths->ca_file, paths->cert_file, paths->key_file};
	void (*const changed[])(struct fl_path_watch * w) = {on_ca_changed, on_cert_changed,
							     on_key_changed};

	*t = (struct fl_http_tls){.loop = loop, .paths = *paths};
	ev_init(&t->recheck, on_recheck);
	ev_init(&t->expiry, on_expiry);
	if (!is_set(paths->ca_file) && !is_set(paths->cert_file))
		return;
	for (size_t i = 0; i < FL_ARRAY_SIZE(files); i++)
		if (is_set(files[i]) && files[i][0] == '/')
			fl_path_watch_start(&t->watches[i], loop, files[i], changed[i]);
	check(t, false);
}

void fl_http_tls_stop(struct fl_http_tls *t)
{
	for (size_t i = 0; i < FL_ARRAY_SIZE(t->watches); i++)
		fl_path_watch_stop(&t->watches[i]);
	ev_timer_stop(t->loop, &t->recheck);
	ev_periodic_stop(t->loop, &t->expiry);
	fl_tls_files_done(&t->files);
	free(t->why);
	t->why = NULL;
}

void fl_http_tls_check(struct fl_http_tls *t)
{
	if (is_set(t->paths.ca_file) || is_set(t->paths.cert_file))
		check(t, false);
}

/* ---- curl ---- */

#if LIBCURL_VERSION_NUM >= BLOBS_SINCE
static CURLcode set_blob(CURL *easy, CURLoption option, const struct fl_buf *b)
{
	struct curl_blob blob = {.data = b->data, .len = b->len, .flags = CURL_BLOB_COPY};

	return curl_easy_setopt(easy, option, &blob);
}

/* What was checked, whatever the files have become since. */
static CURLcode apply_files(const struct fl_http_tls *t, CURL *easy)
{
	CURLcode r = CURLE_OK;

	if (t->files.ca.len > 0) {
		r |= curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
		r |= set_blob(easy, CURLOPT_CAINFO_BLOB, &t->files.ca);
	}
	if (t->files.cert.len > 0) {
		r |= curl_easy_setopt(easy, CURLOPT_SSLCERT, NULL);
		r |= curl_easy_setopt(easy, CURLOPT_SSLKEY, NULL);
		r |= set_blob(easy, CURLOPT_SSLCERT_BLOB, &t->files.cert);
		r |= set_blob(easy, CURLOPT_SSLKEY_BLOB, &t->files.key);
	}
	return r;
}
#else
static CURLcode apply_files(const struct fl_http_tls *t, CURL *easy)
{
	(void)t;
	(void)easy;
	return CURLE_OK; /* it reads the files by itself */
}
#endif

CURLcode fl_http_tls_apply(const struct fl_http_tls *t, CURL *easy)
{
	CURLcode r = CURLE_OK;

	if (is_set(t->paths.ca_file)) {
		r |= curl_easy_setopt(easy, CURLOPT_CAINFO, t->paths.ca_file);
		/* Else the CAs that curl was built to know would be trusted beside it. */
		r |= curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	}
	if (is_set(t->paths.cert_file))
		r |= curl_easy_setopt(easy, CURLOPT_SSLCERT, t->paths.cert_file);
	if (is_set(t->paths.key_file))
		r |= curl_easy_setopt(easy, CURLOPT_SSLKEY, t->paths.key_file);
	return r == CURLE_OK && t->loaded ? apply_files(t, easy) : r;
}

/* ---- what the server has shown ---- */

static int on_certificate(int ok, X509_STORE_CTX *ctx)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct fl_http_tls_peer *peer = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	int depth = X509_STORE_CTX_get_error_depth(ctx);
	const X509 *cert = X509_STORE_CTX_get_current_cert(ctx);

	if (!peer || !cert || (ok && depth > 0))
		return ok;
	peer->error = ok ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
	peer->depth = depth;
	peer->begins_s = fl_tls_begins_s(cert);
	peer->ends_s = fl_tls_ends_s(cert);
	(void)fl_tls_subject(cert, peer->subject);
	(void)fl_tls_issuer(cert, peer->issuer);
	(void)fl_tls_names(cert, peer->names);
	return ok;
}

static CURLcode on_context(CURL *easy, void *context, void *data)
{
	struct fl_http_tls_peer *peer = data;
	SSL_CTX *ctx = context;

	(void)easy;
	*peer = (struct fl_http_tls_peer){.began = true};
	SSL_CTX_set_app_data(ctx, peer);
	/* The connection may outlive the handle: no certificate is to come later. */
	(void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_verify(ctx, SSL_CTX_get_verify_mode(ctx), on_certificate);
	return CURLE_OK;
}

CURLcode fl_http_tls_prepare(CURL *easy, struct fl_http_tls_peer *peer)
{
	CURLcode r = curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);

	r |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	r |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	r |= curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L); /* else no names */
#if LIBCURL_VERSION_NUM >= 0x075700
	/* Else the system's CAs would be those of the start. */
	(void)curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
#endif
	/* A curl without OpenSSL refuses: then messages are its own. */
	(void)curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_context);
	(void)curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, peer);
	return r;
}
