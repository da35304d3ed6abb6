/* core/io/tls_files.h - certificates and a key as they are in files: read whole, checked, and
 * described for people. Knows nothing of connections. */
#ifndef FL_IO_TLS_FILES_H
#define FL_IO_TLS_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define FL_TLS_NAME_MAX 256u /* bytes, with NUL: a certificate's name for people */
#define FL_TLS_DATE_MAX 32u  /* bytes, with NUL */

struct x509_st;

/** Which files; borrowed. NULL or "" where not given. */
struct fl_tls_paths {
	const char *ca_file;   /* PEM: whom we trust */
	const char *cert_file; /* PEM: who we are, and the chain behind it */
	const char *key_file;  /* PEM, without passphrase */
};

/** What was in them. All zero is nothing. */
struct fl_tls_files {
	struct fl_buf ca;
	struct fl_buf cert;
	struct fl_buf key;
	char name[FL_TLS_NAME_MAX]; /* of the certificate; "" without one */
	int64_t expires_s;	    /* Unix time of its end; 0 without one */
	int64_t ca_expires_s;	    /* of the CA that ends last; 0 without one */
	bool key_open;		    /* every user can read or write the key */
};

/**
 * Read and check: the files are there and whole, there is a CA that is valid, the certificate is
 * valid now, and the key is its.
 *
 * @param now_s  Unix time
 * @param ret    filled only on success; the caller ends it with fl_tls_files_done()
 * @param why    set on -EKEYREJECTED: file and reason, one line, owned by the caller
 * @return 0, -EKEYREJECTED, -ENOMEM
 */
int fl_tls_files_read(const struct fl_tls_paths *paths, int64_t now_s, struct fl_tls_files *ret,
		      char **why);
void fl_tls_files_done(struct fl_tls_files *f); /* the key is wiped */
bool fl_tls_files_same(const struct fl_tls_files *a, const struct fl_tls_files *b);

/** "CN=etcd, O=overlay": the subject of @p cert, or its issuer, into @p buf; never empty. */
const char *fl_tls_subject(const struct x509_st *cert, char buf[FL_TLS_NAME_MAX]);
const char *fl_tls_issuer(const struct x509_st *cert, char buf[FL_TLS_NAME_MAX]);
/** "DNS:etcd.example.net, IP:192.0.2.10": whom it is for; "nobody". */
const char *fl_tls_names(const struct x509_st *cert, char buf[FL_TLS_NAME_MAX]);
/** Its first or last second, Unix time; 0: that cannot be read. */
int64_t fl_tls_begins_s(const struct x509_st *cert);
int64_t fl_tls_ends_s(const struct x509_st *cert);
/** "2026-01-31 12:00 UTC" */
const char *fl_tls_date(int64_t time_s, char buf[FL_TLS_DATE_MAX]);

#endif
