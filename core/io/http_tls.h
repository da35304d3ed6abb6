/* core/io/http_tls.h - TLS of http.c's connections: certificate files that are followed as they
 * change on disk, and what a server's certificate was that was refused. */
#ifndef FL_IO_HTTP_TLS_H
#define FL_IO_HTTP_TLS_H

#include <curl/curl.h>
#include <ev.h>

#include "io/path_watch.h"
#include "io/tls_files.h"

/** Embed one. */
struct fl_http_tls {
	uint64_t generation; /* of what is in use; a connection made with another one is not used
				again */
	char *why;	     /* of the last check that failed; NULL: it did not */
	struct fl_tls_files files; /* in use; none while the first check has failed */

	/* private to http_tls.c */
	struct ev_loop *loop;
	struct fl_tls_paths paths;
	struct fl_path_watch watches[3];
	ev_timer recheck; /* of two files that belong together, one may come first */
	ev_periodic expiry;
	bool loaded;
	bool key_told;
};

/** Read the files, and follow them. A failure is kept in why, and logged only once others were in
 * use. @p paths are borrowed until fl_http_tls_stop(). */
void fl_http_tls_start(struct fl_http_tls *t, struct ev_loop *loop,
		       const struct fl_tls_paths *paths);
void fl_http_tls_stop(struct fl_http_tls *t);

/** Look at the files now. What is good is used for the next connection; else what was in use stays,
 * and the log says which file is refused, and why. */
void fl_http_tls_check(struct fl_http_tls *t);

/** Have @p easy use what is in use. */
CURLcode fl_http_tls_apply(const struct fl_http_tls *t, CURL *easy);

/** What a server has shown. All zero: nothing yet. */
struct fl_http_tls_peer {
	bool began; /* a handshake: the connection below it stood */
	int error;  /* X509_V_...; 0: it is trusted */
	int depth;  /* of the certificate at fault: 0 is the server's own, others are CAs */
	int64_t begins_s;
	int64_t ends_s;
	char subject[FL_TLS_NAME_MAX];
	char issuer[FL_TLS_NAME_MAX];
	char names[FL_TLS_NAME_MAX]; /* of the server's own */
};

/** Servers are checked, by TLS 1.2 or newer, and what they show goes into @p peer, which must
 * outlive @p easy. @return CURLE_OK, or the options that failed, ored */
CURLcode fl_http_tls_prepare(CURL *easy, struct fl_http_tls_peer *peer);

#endif
