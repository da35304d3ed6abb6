/* core/io/tls_files.c - certificates and a key as they are in files. */
#include "io/tls_files.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/defs.h"
#include "base/slurp.h"

#define FILE_MAX 1048576u /* bytes: a bundle of CAs has some 200 KiB */

static bool is_set(const char *s)
{
	return s && *s;
}

FL_PRINTF(2, 3)
static int refuse(char **why, const char *fmt, ...)
{
	va_list args;
	int n;

	ERR_clear_error();
	va_start(args, fmt);
	n = vasprintf(why, fmt, args);
	va_end(args);
	if (n >= 0)
		return -EKEYREJECTED;
	*why = NULL;
	return -ENOMEM;
}

/* ---- for people ---- */

static const char *take_text(BIO *bio, char buf[FL_TLS_NAME_MAX], const char *otherwise)
{
	int n = bio ? BIO_read(bio, buf, FL_TLS_NAME_MAX - 1) : 0;

	buf[n > 0 ? n : 0] = '\0';
	if (n <= 0)
		(void)snprintf(buf, FL_TLS_NAME_MAX, "%s", otherwise);
	BIO_free(bio);
	return buf;
}

static const char *format_name(const X509_NAME *name, char buf[FL_TLS_NAME_MAX])
{
	BIO *bio = BIO_new(BIO_s_mem());

	if (bio)
		(void)X509_NAME_print_ex(bio, name, 0, XN_FLAG_ONELINE & ~XN_FLAG_SPC_EQ);
	return take_text(bio, buf, "no name");
}

const char *fl_tls_subject(const X509 *cert, char buf[FL_TLS_NAME_MAX])
{
	return format_name(X509_get_subject_name(cert), buf);
}

const char *fl_tls_issuer(const X509 *cert, char buf[FL_TLS_NAME_MAX])
{
	return format_name(X509_get_issuer_name(cert), buf);
}

static void put_name(BIO *bio, const GENERAL_NAME *name)
{
	const char *comma = BIO_pending(bio) > 0 ? ", " : "";
	char ip[INET6_ADDRSTRLEN];
	int len;

	if (name->type == GEN_DNS) {
		(void)BIO_printf(bio, "%sDNS:%.*s", comma, ASN1_STRING_length(name->d.dNSName),
				 (const char *)ASN1_STRING_get0_data(name->d.dNSName));
		return;
	}
	len = name->type == GEN_IPADD ? ASN1_STRING_length(name->d.iPAddress) : 0;
	if (len != 4 && len != 16)
		return;
	if (inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(name->d.iPAddress), ip,
		      sizeof(ip)))
		(void)BIO_printf(bio, "%sIP:%s", comma, ip);
}

const char *fl_tls_names(const X509 *cert, char buf[FL_TLS_NAME_MAX])
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	BIO *bio = BIO_new(BIO_s_mem());

	for (int i = 0; bio && names && i < sk_GENERAL_NAME_num(names); i++)
		put_name(bio, sk_GENERAL_NAME_value(names, i));
	GENERAL_NAMES_free(names);
	return take_text(bio, buf, "nobody");
}

static int64_t to_unix(const ASN1_TIME *t)
{
	struct tm tm;

	return t && ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

int64_t fl_tls_begins_s(const X509 *cert)
{
	return to_unix(X509_get0_notBefore(cert));
}

int64_t fl_tls_ends_s(const X509 *cert)
{
	return to_unix(X509_get0_notAfter(cert));
}

const char *fl_tls_date(int64_t time_s, char buf[FL_TLS_DATE_MAX])
{
	time_t t = (time_t)time_s;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || strftime(buf, FL_TLS_DATE_MAX, "%Y-%m-%d %H:%M UTC", &tm) == 0)
		(void)snprintf(buf, FL_TLS_DATE_MAX, "an unknown date");
	return buf;
}

/* ---- reading ---- */

static int slurp(const char *what, const char *path, struct fl_buf *b, struct stat *st, char **why)
{
	int r = fl_slurp(path, FILE_MAX, b, st);

	if (r == -ENOMEM)
		return r;
	return r < 0 ? refuse(why, "%s %s: %s", what, path, fl_slurp_reason(r)) : 0;
}

/* Nobody is asked: an empty passphrase opens nothing. */
static int no_passphrase(char *buf, int size, int writing, void *data)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)data;
	return 0;
}

static BIO *open_text(const struct fl_buf *b)
{
	return BIO_new_mem_buf(b->data ? b->data : "", (int)b->len);
}

static int check_ca(const char *path, int64_t now_s, struct fl_tls_files *f, char **why)
{
	BIO *bio = open_text(&f->ca);
	int64_t last = 0;
	size_t count = 0;
	char date[FL_TLS_DATE_MAX];
	X509 *cert;

	if (!bio)
		return -ENOMEM;
	while ((cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL))) {
		int64_t ends = fl_tls_ends_s(cert);

		last = ends > last ? ends : last;
		count++;
		X509_free(cert);
	}
	BIO_free(bio);
	ERR_clear_error(); /* the end of the file is one */
	if (count == 0)
		return refuse(why, "CA file %s: no PEM certificate in it", path);
	if (last < now_s)
		return refuse(why, "CA file %s: expired on %s", path, fl_tls_date(last, date));
	f->ca_expires_s = last;
	return 0;
}

/* For how long it is good, and whether it is now. */
static int check_dates(const char *path, const X509 *cert, int64_t now_s, char **why)
{
	int64_t begins = fl_tls_begins_s(cert), ends = fl_tls_ends_s(cert);
	char name[FL_TLS_NAME_MAX], date[FL_TLS_DATE_MAX];

	if (ends < now_s)
		return refuse(why, "certificate %s (%s): expired on %s", path,
			      fl_tls_subject(cert, name), fl_tls_date(ends, date));
	if (begins > now_s)
		return refuse(why,
			      "certificate %s (%s): not valid before %s; is this host's clock "
			      "right?",
			      path, fl_tls_subject(cert, name), fl_tls_date(begins, date));
	return 0;
}

static int check_key(const struct fl_tls_paths *paths, const X509 *cert, const struct fl_buf *b,
		     char **why)
{
	BIO *bio = open_text(b);
	EVP_PKEY *key;
	int r = 0;

	if (!bio)
		return -ENOMEM;
	key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	if (!key)
		r = refuse(why, "key %s: no PEM key in it that needs no passphrase",
			   paths->key_file);
	else if (X509_check_private_key(cert, key) != 1)
		r = refuse(why, "key %s: is not that of certificate %s", paths->key_file,
			   paths->cert_file);
	EVP_PKEY_free(key);
	return r;
}

static int check_pair(const struct fl_tls_paths *paths, int64_t now_s, struct fl_tls_files *f,
		      char **why)
{
	BIO *bio = open_text(&f->cert);
	X509 *cert;
	int r;

	if (!bio)
		return -ENOMEM;
	cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	if (!cert)
		return refuse(why, "certificate %s: no PEM certificate in it", paths->cert_file);
	(void)fl_tls_subject(cert, f->name);
	f->expires_s = fl_tls_ends_s(cert);
	r = check_dates(paths->cert_file, cert, now_s, why);
	if (r == 0)
		r = check_key(paths, cert, &f->key, why);
	X509_free(cert);
	return r;
}

static int read_pair(const struct fl_tls_paths *paths, int64_t now_s, struct fl_tls_files *f,
		     char **why)
{
	struct stat st;
	int r = slurp("certificate", paths->cert_file, &f->cert, NULL, why);

	if (r == 0)
		r = slurp("key", paths->key_file, &f->key, &st, why);
	if (r < 0)
		return r;
	f->key_open = st.st_mode & (S_IROTH | S_IWOTH);
	return check_pair(paths, now_s, f, why);
}

int fl_tls_files_read(const struct fl_tls_paths *paths, int64_t now_s, struct fl_tls_files *ret,
		      char **why)
{
	struct fl_tls_files f = {0};
	int r = 0;

	*why = NULL;
	if (is_set(paths->ca_file)) {
		r = slurp("CA file", paths->ca_file, &f.ca, NULL, why);
		if (r == 0)
			r = check_ca(paths->ca_file, now_s, &f, why);
	}
	if (r == 0 && is_set(paths->cert_file) && is_set(paths->key_file))
		r = read_pair(paths, now_s, &f, why);
	ERR_clear_error();
	if (r < 0)
		fl_tls_files_done(&f);
	else
		*ret = f;
	return r;
}

void fl_tls_files_done(struct fl_tls_files *f)
{
	if (f->key.data)
		explicit_bzero(f->key.data, f->key.cap);
	fl_buf_done(&f->ca);
	fl_buf_done(&f->cert);
	fl_buf_done(&f->key);
	*f = (struct fl_tls_files){0};
}

static bool same(const struct fl_buf *a, const struct fl_buf *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

bool fl_tls_files_same(const struct fl_tls_files *a, const struct fl_tls_files *b)
{
	return same(&a->ca, &b->ca) && same(&a->cert, &b->cert) && same(&a->key, &b->key);
}
