/* core/io/http.h - HTTP requests on the event loop: libcurl multi driven by libev. Knows nothing of
 * flannel.
 *
 * The process ignores SIGPIPE: OpenSSL writes to sockets without MSG_NOSIGNAL.
 */
#ifndef FL_IO_HTTP_H
#define FL_IO_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ev_loop;
struct fl_http; /* the transfers of one loop, their connections and TLS material; fields in http.c
		 */
struct fl_http_req;

/** How to reach servers. All strings are borrowed and must outlive the fl_http; NULL or "" means
 * not given. */
struct fl_http_conf {
	const char *ca_file;   /* PEM; without it, the system's store */
	const char *cert_file; /* PEM client certificate, needs key_file */
	const char *key_file;
	const char *username; /* basic auth (RFC 7617) */
	const char *password;
	const char *user_agent;
	uint32_t connect_timeout_ms; /* name, TCP and TLS together */
};

int fl_http_create(struct ev_loop *loop, const struct fl_http_conf *conf, struct fl_http **ret);
/** The files may have changed (which is noticed, too): check them now. Good ones are used for the
 * next connection; of bad ones file and reason are logged, and those that were in use stay. */
void fl_http_reload(struct fl_http *http);

/** Ends of what is in use, Unix time; 0: there is none. */
struct fl_http_ends {
	int64_t cert_s; /* of the client certificate */
	int64_t ca_s;	/* of the CA that ends last */
};
struct fl_http_ends fl_http_ends(const struct fl_http *http);
/** Every request must be done (fl_http_req_done) before. NULL is a no-op. */
void fl_http_destroy(struct fl_http *http);

/** One request to send. Strings are copied where needed: they may go once fl_http_req_start()
 * returns. */
struct fl_http_spec {
	const char *method; /* "GET", "PUT", "POST", "DELETE" */
	const char *url;
	const char *body; /* application/x-www-form-urlencoded, if headers do not tell
			     otherwise; NULL: none */
	size_t body_len;  /* 0: it is text, up to its NUL */
	bool http2;	  /* over HTTP/2, on a connection of its own: without TLS at once ("prior
			     knowledge", RFC 9113), with it if the server offers that; else HTTP/1.1 */
	const char *const *headers; /* "Name: value", up to a NULL; or NULL */
	bool anonymous;		    /* without username and password */
	uint32_t timeout_ms; /* for the whole exchange; 0 means none (TCP keepalive still finds a
				dead peer) */
	uint32_t begin_timeout_ms; /* until the answer begins, connecting included; 0: no bound */
	size_t max_body; /* an answer longer than this fails with -EMSGSIZE; 0: no bound */
};

/** How a request ended. Valid during done() only. */
struct fl_http_result {
	/** 0: an HTTP answer arrived whole, see status. Else -errno: -ECONNREFUSED, -EHOSTUNREACH
	 * (no such name, no connection in time), -ETIMEDOUT (timeout_ms is over, or
	 * begin_timeout_ms: then status is 0), -EHOSTDOWN (the kernel found the peer dead), -EPROTO
	 * (broken or truncated answer), -EKEYREJECTED (TLS), -EINVAL (not a URL of http or https),
	 * -EMSGSIZE, -ECANCELED (a callback said so) ... */
	int error;
	long status;	 /* HTTP status, or 0 */
	const char *why; /* for people, one line, with file names for TLS faults; never a password;
			    "" on success */
};

/** curl is on the stack below header() and body(): no request can be started in them. */
struct fl_http_ops {
	/** One answer header, name without colon, value trimmed. May be NULL. Non-zero return
	 * aborts. */
	int (*header)(struct fl_http_req *req, const char *name, const char *value);
	/** A piece of the answer's body, as it streams in. May be NULL. Non-zero return aborts. */
	int (*body)(struct fl_http_req *req, const char *bytes, size_t len);
	/** Exactly once per start, never from within fl_http_req_start(); not after a cancel. The
	 * request may be started again or done with in it. */
	void (*done)(struct fl_http_req *req, const struct fl_http_result *res);
};

/** A slot for one request at a time; embed it in its owner. Keeps the connection alive for the next
 * start. */
struct fl_http_req {
	struct fl_http *http;
	const struct fl_http_ops *ops;
	void *priv;   /* private to http.c */
	bool running; /* read only */
	long status;  /* read only: of the answer so far; 0: none yet */
};

void fl_http_req_init(struct fl_http_req *req, struct fl_http *http, const struct fl_http_ops *ops);
/** @return 0; -EBUSY while running; -EPROTONOSUPPORT: libcurl knows no HTTP/2; -EDEADLK within
 * header() or body() of any request; -ENOMEM */
int fl_http_req_start(struct fl_http_req *req, const struct fl_http_spec *spec);
/** Drop a running request without a done(); nothing to do if none runs. Allowed in its own
 * callbacks. */
void fl_http_req_cancel(struct fl_http_req *req);
void fl_http_req_done(struct fl_http_req *req);

#endif
