/* core/io/http_error.h - what went wrong with a transfer: libcurl's result as -errno and as words
 * for people. */
#ifndef FL_IO_HTTP_ERROR_H
#define FL_IO_HTTP_ERROR_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fl_http_conf;
struct fl_http_tls;
struct fl_http_tls_peer;

/** A transfer that ended. All borrowed. */
struct fl_http_fault {
	CURL *easy;
	CURLcode code;
	const char *text; /* of CURLOPT_ERRORBUFFER */
	const struct fl_http_conf *conf;
	const struct fl_http_tls *tls;
	const struct fl_http_tls_peer *peer; /* what the server has shown */
	uint32_t timeout_ms;		     /* bound of the exchange */
	size_t max_body;		     /* bytes */
	bool too_long;			     /* the answer was longer than max_body */
};

/** @return 0 if the transfer went well, else the -errno of struct fl_http_result */
int fl_http_fault_error(const struct fl_http_fault *f);

/** One line, at most @p size bytes with NUL; @p error is what fl_http_fault_error() returned. Never
 * a password, user or path. */
void fl_http_fault_describe(const struct fl_http_fault *f, int error, char *buf, size_t size);

#endif
