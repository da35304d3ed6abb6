/* core/io/http_error.c - libcurl's result as -errno and as words for people. */
#include "io/http_error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "io/http.h"

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

static void describe_tls(const struct fl_http_fault *f, char *buf, size_t size)
{
	static const char problem[] = "SSL certificate problem: ";
	const char *reason = or_else(f->text, curl_easy_strerror(f->code));
	const char *ca = or_else(f->conf->ca_file, "the system's CAs");
	const char *cert = or_else(f->conf->cert_file, "none");
	char peer[300];

	format_peer(f->easy, peer, sizeof(peer));
	if (strncmp(reason, problem, sizeof(problem) - 1) == 0)
		reason += sizeof(problem) - 1;
	if (f->code == CURLE_SSL_CACERT_BADFILE)
		(void)snprintf(buf, size, "CA file %s: cannot be read, or holds no PEM certificate",
			       ca);
	else if (f->code == CURLE_SSL_CERTPROBLEM)
		(void)snprintf(buf, size, "client certificate %s with key %s: %s", cert,
			       or_else(f->conf->key_file, "none"), reason);
	else if (f->code == CURLE_PEER_FAILED_VERIFICATION)
		(void)snprintf(buf, size, "certificate of %s: %s (checked with %s)", peer, reason,
			       ca);
	else
		(void)snprintf(buf, size, "TLS with %s (client certificate: %s): %s", peer, cert,
			       reason);
}

void fl_http_fault_describe(const struct fl_http_fault *f, int error, char *buf, size_t size)
{
	CURLcode code = f->code;

	if (error == -EKEYREJECTED)
		describe_tls(f, buf, size);
	else if (code == CURLE_COULDNT_RESOLVE_HOST)
		(void)snprintf(buf, size, "name not found");
	else if (code == CURLE_OPERATION_TIMEDOUT && error == -EHOSTUNREACH)
		(void)snprintf(buf, size, "no connection within %u ms",
			       f->conf->connect_timeout_ms);
	else if (error == -ETIMEDOUT)
		(void)snprintf(buf, size, "no answer within %u ms", f->timeout_ms);
	else if (error == -EMSGSIZE)
		(void)snprintf(buf, size, "answer longer than %zu bytes", f->max_body);
	else if (error == -ECANCELED)
		(void)snprintf(buf, size, "answer refused");
	else if (code == CURLE_GOT_NOTHING || code == CURLE_PARTIAL_FILE ||
		 (code == CURLE_RECV_ERROR && error == -EPROTO))
		(void)snprintf(buf, size, "connection closed in the middle of an answer");
	else if (code == CURLE_COULDNT_CONNECT || code == CURLE_SEND_ERROR ||
		 code == CURLE_RECV_ERROR)
		(void)snprintf(buf, size, "%s", strerror(-error));
	else
		(void)snprintf(buf, size, "%s", or_else(f->text, curl_easy_strerror(code)));
}
