/* core/io/http_error.c - libcurl's result as -errno and as words for people. */
#include "io/http_error.h"

#include <errno.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/defs.h"
#include "io/http.h"
#include "io/http_tls.h"

static int error_of_os(const struct fl_http_fault *f, int fallback)
{
	long os = 0;

	if (curl_easy_getinfo(f->easy, CURLINFO_OS_ERRNO, &os) != CURLE_OK || os <= 0)
		return fallback;
	/* -ETIMEDOUT is kept for our own bound on the exchange; here the kernel gave up on the
	 * peer. EAGAIN and its like are left over from a call that went well. */
	if (os == ETIMEDOUT)
		return -EHOSTDOWN;
	return os == EAGAIN || os == EINPROGRESS || os == EINTR ? fallback : -(int)os;
}

static bool got_past_connect(const struct fl_http_fault *f)
{
	curl_off_t us = 0;

	return curl_easy_getinfo(f->easy, CURLINFO_PRETRANSFER_TIME_T, &us) == CURLE_OK && us > 0;
}

/* With TLS 1.3 a server refuses our certificate after the handshake: it looks like a failed read.
 */
static bool is_tls_alert(const struct fl_http_fault *f)
{
	return strstr(f->text, "SSL") && strstr(f->text, "alert");
}

int fl_http_fault_error(const struct fl_http_fault *f)
{
	switch (f->code) {
	case CURLE_OK:
		return 0;
	case CURLE_COULDNT_RESOLVE_HOST:
		return -EHOSTUNREACH;
	case CURLE_COULDNT_CONNECT:
		return error_of_os(f, -ECONNREFUSED);
	case CURLE_OPERATION_TIMEDOUT:
		return got_past_connect(f) ? -ETIMEDOUT : -EHOSTUNREACH;
	case CURLE_WRITE_ERROR:
		return f->too_long ? -EMSGSIZE : -ECANCELED;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return -EINVAL;
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		return is_tls_alert(f) ? -EKEYREJECTED : error_of_os(f, -EPROTO);
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_ENGINE_INITFAILED:
		return -EKEYREJECTED;
	default:
		return -EPROTO;
	}
}

/* "host:port" of the request, without user, password and path. */
static void format_peer(CURL *easy, char *buf, size_t size)
{
	char *url = NULL, *host = NULL, *port = NULL;
	CURLU *u = curl_url();

	(void)snprintf(buf, size, "the server");
	if (u && curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &url) == CURLE_OK && url &&
	    curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK)
		(void)snprintf(buf, size, "%s:%s", host, port);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
}

static const char *or_else(const char *s, const char *otherwise)
{
	return s && *s ? s : otherwise;
}

/* ---- TLS ---- */

/* "certificate of etcd:2379 (O=overlay, for IP:192.0.2.10)", or its CA's. */
static void put_cert(struct fl_buf *b, const struct fl_http_fault *f, const char *host)
{
	const struct fl_http_tls_peer *peer = f->peer;

	if (peer->depth > 0)
		fl_buf_printf(b, "certificate of %s: its CA (%s)", host, peer->subject);
	else
		fl_buf_printf(b, "certificate of %s (%s, for %s)", host, peer->subject,
			      peer->names);
}

static bool is_untrusted(int error)
{
	return error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
	       error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
	       error == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE ||
	       error == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT ||
	       error == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
	       error == X509_V_ERR_CERT_SIGNATURE_FAILURE;
}

/* OpenSSL does not trust it. */
static void put_verdict(struct fl_buf *b, const struct fl_http_fault *f)
{
	const struct fl_http_tls_peer *peer = f->peer;
	const char *ca = or_else(f->conf->ca_file, "the system's CAs");
	char date[FL_TLS_DATE_MAX];

	if (peer->error == X509_V_ERR_CERT_HAS_EXPIRED)
		fl_buf_printf(b, ": expired on %s", fl_tls_date(peer->ends_s, date));
	else if (peer->error == X509_V_ERR_CERT_NOT_YET_VALID)
		fl_buf_printf(b, ": not valid before %s; is this host's clock right?",
			      fl_tls_date(peer->begins_s, date));
	else if (is_untrusted(peer->error))
		fl_buf_printf(b, ": issued by \"%s\", which is not among %s", peer->issuer, ca);
	else
		fl_buf_printf(b, ": %s (checked with %s)",
			      X509_verify_cert_error_string(peer->error), ca);
}

/* What servers answer by an alert, which OpenSSL puts at the end of its words. */
static const struct {
	const char *alert;
	const char *words;
} alerts[] = {
	{"certificate required", "it wants a client certificate"},
	{"unknown ca", "it does not trust who has issued it"},
	{"certificate expired", "it has expired"},
	{"bad certificate", "it cannot be used; is it one of its CA, and for clients?"},
	{"unsupported certificate", "it is not for clients"},
	{"certificate unknown", "it cannot be used"},
	{"certificate revoked", "it was revoked"},
};

/* @return false if the server has not found fault with our certificate */
static bool put_alert(struct fl_buf *b, const struct fl_http_fault *f, const char *host)
{
	const char *cert = or_else(f->conf->cert_file, NULL);
	size_t i = 0;

	while (i < FL_ARRAY_SIZE(alerts) && !strstr(f->text, alerts[i].alert))
		i++;
	if (!is_tls_alert(f) || i == FL_ARRAY_SIZE(alerts))
		return false;
	if (cert)
		fl_buf_printf(b, "%s refuses certificate %s: %s", host, cert, alerts[i].words);
	else
		fl_buf_printf(b, "%s wants a client certificate, and none is given", host);
	return true;
}

/* OpenSSL's and libcurl's words for a connection that ends within the handshake: by FIN or by RST.
 */
static bool is_broken_off(const char *reason)
{
	return strstr(reason, "SSL_ERROR_SYSCALL") || strstr(reason, "unexpected eof") ||
	       strstr(reason, "Connection reset") || strstr(reason, "Broken pipe");
}

static void put_tls(struct fl_buf *b, const struct fl_http_fault *f)
{
	static const char problem[] = "SSL certificate problem: ";
	const char *reason = or_else(f->text, curl_easy_strerror(f->code));
	char host[300];

	format_peer(f->easy, host, sizeof(host));
	if (strncmp(reason, problem, sizeof(problem) - 1) == 0)
		reason += sizeof(problem) - 1;
	if (f->tls->why && !f->tls->files.ca.len && !f->tls->files.cert.len) {
		fl_buf_puts(b, f->tls->why); /* our own files; the server may be well */
	} else if (f->peer->error) {
		put_cert(b, f, host);
		put_verdict(b, f);
	} else if (f->code == CURLE_PEER_FAILED_VERIFICATION && f->peer->subject[0]) {
		put_cert(b, f, host);
		fl_buf_printf(b, ": is not for the name or address that it was reached by");
	} else if (strstr(reason, "wrong version number") || strstr(reason, "packet length")) {
		fl_buf_printf(b, "%s does not speak TLS; is it http://?", host);
	} else if (is_broken_off(reason)) {
		fl_buf_printf(b, "%s has ended the TLS handshake; does it speak TLS?", host);
	} else if (!put_alert(b, f, host)) {
		fl_buf_printf(b, "TLS with %s (client certificate: %s): %s", host,
			      or_else(f->conf->cert_file, "none"), reason);
	}
}

static void describe_tls(const struct fl_http_fault *f, char *buf, size_t size)
{
	struct fl_buf b = {0};

	put_tls(&b, f);
	(void)snprintf(buf, size, "%s", b.error ? strerror(-b.error) : b.data);
	fl_buf_done(&b);
}

/* ---- all of it ---- */

/* How far it got towards a connection. */
static const char *what_is_late(const struct fl_http_fault *f)
{
	curl_off_t resolved_us = 0;

	if (f->peer->began)
		return "TLS handshake";
	(void)curl_easy_getinfo(f->easy, CURLINFO_NAMELOOKUP_TIME_T, &resolved_us);
	return resolved_us > 0 ? "connection" : "answer of a name server";
}

/* A server that does not want our certificate may be gone before its alert is read. */
static const char *hint(const struct fl_http_fault *f)
{
	long status = 0;

	(void)curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
	if (!f->peer->began || status != 0)
		return "";
	return or_else(f->conf->cert_file, NULL)
		       ? " right after the TLS handshake; does it accept our client certificate?"
		       : " right after the TLS handshake; does it want a client certificate?";
}

void fl_http_fault_describe(const struct fl_http_fault *f, int error, char *buf, size_t size)
{
	CURLcode code = f->code;

	if (error == -EKEYREJECTED)
		describe_tls(f, buf, size);
	else if (code == CURLE_COULDNT_RESOLVE_HOST)
		(void)snprintf(buf, size, "name not found");
	else if (code == CURLE_OPERATION_TIMEDOUT && error == -EHOSTUNREACH)
		(void)snprintf(buf, size, "no %s within %u ms", what_is_late(f),
			       f->conf->connect_timeout_ms);
	else if (error == -ETIMEDOUT)
		(void)snprintf(buf, size, "no answer within %u ms", f->timeout_ms);
	else if (error == -EMSGSIZE)
		(void)snprintf(buf, size, "answer longer than %zu bytes", f->max_body);
	else if (error == -ECANCELED)
		(void)snprintf(buf, size, "answer refused");
	else if (code == CURLE_GOT_NOTHING || code == CURLE_PARTIAL_FILE ||
		 (code == CURLE_RECV_ERROR && error == -EPROTO))
		(void)snprintf(buf, size, "connection closed%s",
			       *hint(f) ? hint(f) : " in the middle of an answer");
	else if (code == CURLE_COULDNT_CONNECT || code == CURLE_SEND_ERROR ||
		 code == CURLE_RECV_ERROR)
		(void)snprintf(buf, size, "%s%s", strerror(-error), hint(f));
	else
		(void)snprintf(buf, size, "%s", or_else(f->text, curl_easy_strerror(code)));
}
