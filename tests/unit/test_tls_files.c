/* tests/unit/test_tls_files.c - certificate files: what is taken, and why others are refused. The
 * certificates are made here. */
#include "io/tls_files.h"

#include <errno.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW_S 1800000000 /* 2027-01-15 08:00 UTC */
#define DAY_S 86400

static char folder[64], ca[80], cert[80], key[80];
static const struct fl_tls_paths paths = {.ca_file = ca, .cert_file = cert, .key_file = key};

static EVP_PKEY *make_key(void)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
	EVP_PKEY *made = NULL;

	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_X9_62_prime256v1), 1);
	assert_int_equal(EVP_PKEY_keygen(ctx, &made), 1);
	EVP_PKEY_CTX_free(ctx);
	return made;
}

static void add_names(X509 *x, const char *names)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);

	assert_non_null(e);
	assert_int_equal(X509_add_ext(x, e, -1), 1);
	X509_EXTENSION_free(e);
}

/* Self-signed: nothing here looks at who has issued it. */
static X509 *make_cert(EVP_PKEY *k, const char *name, int64_t begins_s, int64_t ends_s)
{
	X509 *x = X509_new();
	X509_NAME *subject = X509_get_subject_name(x);

	(void)ASN1_TIME_set(X509_getm_notBefore(x), (time_t)begins_s);
	(void)ASN1_TIME_set(X509_getm_notAfter(x), (time_t)ends_s);
	(void)X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name,
					 -1, -1, 0);
	(void)X509_set_issuer_name(x, subject);
	(void)X509_set_version(x, 2);
	(void)X509_set_pubkey(x, k);
	add_names(x, "DNS:a.example,IP:192.0.2.1,IP:fd00::1,email:x@example.net");
	assert_true(X509_sign(x, k, EVP_sha256()) > 0);
	return x;
}

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_true(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void write_key(EVP_PKEY *k, const char *passphrase)
{
	FILE *f = fopen(key, "we");

	assert_non_null(f);
	assert_int_equal(PEM_write_PrivateKey(f, k, passphrase ? EVP_aes_128_cbc() : NULL,
					      (const unsigned char *)passphrase,
					      passphrase ? (int)strlen(passphrase) : 0, NULL, NULL),
			 1);
	(void)fclose(f);
	(void)chmod(key, 0600);
}

static void write_cert(const char *path, EVP_PKEY *k, int64_t begins_s, int64_t ends_s)
{
	X509 *x = make_cert(k, path == ca ? "ca" : "host", begins_s, ends_s);
	FILE *f = fopen(path, "we");

	assert_true(f && PEM_write_X509(f, x) == 1 && fclose(f) == 0);
	X509_free(x);
}

static int setup(void **state)
{
	EVP_PKEY *k = make_key();

	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/fl-tls-files-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	(void)snprintf(ca, sizeof(ca), "%s/ca.crt", folder);
	(void)snprintf(cert, sizeof(cert), "%s/host.crt", folder);
	(void)snprintf(key, sizeof(key), "%s/host.key", folder);
	write_cert(ca, k, NOW_S - DAY_S, NOW_S + DAY_S);
	write_cert(cert, k, NOW_S - DAY_S, NOW_S + 2 * DAY_S);
	write_key(k, NULL);
	EVP_PKEY_free(k);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)unlink(ca);
	(void)unlink(cert);
	(void)unlink(key);
	return rmdir(folder);
}

static void refuses(const char *file, const char *reason)
{
	struct fl_tls_files f;
	char *why = NULL;

	assert_int_equal(fl_tls_files_read(&paths, NOW_S, &f, &why), -EKEYREJECTED);
	if (!strstr(why, file) || !strstr(why, reason) || strchr(why, '\n'))
		fail_msg("\"%s\" does not say \"%s\" of %s", why, reason, file);
	free(why);
}

static void takes_a_pair_with_its_ca_and_tells_its_end(void **state)
{
	struct fl_tls_files f;
	char *why = NULL;

	(void)state;
	assert_int_equal(fl_tls_files_read(&paths, NOW_S, &f, &why), 0);
	assert_string_equal(f.name, "CN=host");
	assert_int_equal(f.expires_s, NOW_S + 2 * DAY_S);
	assert_true(f.ca.len > 0 && f.cert.len > 0 && f.key.len > 0);
	assert_false(f.key_open);
	fl_tls_files_done(&f);
	assert_null(f.key.data);
}

static void a_ca_alone_is_enough(void **state)
{
	const struct fl_tls_paths alone = {.ca_file = ca, .cert_file = ""};
	struct fl_tls_files f;
	char *why = NULL;

	(void)state;
	assert_int_equal(fl_tls_files_read(&alone, NOW_S, &f, &why), 0);
	assert_int_equal(f.expires_s, 0);
	assert_true(f.ca_expires_s > NOW_S);
	assert_int_equal(f.cert.len, 0);
	fl_tls_files_done(&f);
}

static void sees_a_key_that_others_can_read(void **state)
{
	struct fl_tls_files f;
	char *why = NULL;

	(void)state;
	(void)chmod(key, 0604);
	assert_int_equal(fl_tls_files_read(&paths, NOW_S, &f, &why), 0);
	assert_true(f.key_open);
	fl_tls_files_done(&f);
}

static void tells_the_same_files_from_others(void **state)
{
	struct fl_tls_files a, b;
	char *why = NULL;
	EVP_PKEY *k = make_key();

	(void)state;
	assert_int_equal(fl_tls_files_read(&paths, NOW_S, &a, &why), 0);
	assert_int_equal(fl_tls_files_read(&paths, NOW_S, &b, &why), 0);
	assert_true(fl_tls_files_same(&a, &b));
	fl_tls_files_done(&b);
	write_cert(cert, k, NOW_S - DAY_S, NOW_S + DAY_S);
	write_key(k, NULL);
	assert_int_equal(fl_tls_files_read(&paths, NOW_S, &b, &why), 0);
	assert_false(fl_tls_files_same(&a, &b));
	fl_tls_files_done(&a);
	fl_tls_files_done(&b);
	EVP_PKEY_free(k);
}

static void refuses_a_key_of_another_certificate(void **state)
{
	EVP_PKEY *k = make_key();

	(void)state;
	write_key(k, NULL);
	EVP_PKEY_free(k);
	refuses(key, "is not that of certificate");
}

static void refuses_a_key_with_a_passphrase_without_asking(void **state)
{
	EVP_PKEY *k = make_key();

	(void)state;
	write_key(k, "secret");
	EVP_PKEY_free(k);
	refuses(key, "no PEM key in it that needs no passphrase");
}

static void refuses_what_is_over_or_not_yet_with_the_date(void **state)
{
	EVP_PKEY *k = make_key();

	(void)state;
	write_key(k, NULL);
	write_cert(cert, k, NOW_S - 2 * DAY_S, NOW_S - DAY_S);
	refuses(cert, "(CN=host): expired on 2027-01-14 08:00 UTC");
	write_cert(cert, k, NOW_S + DAY_S, NOW_S + 2 * DAY_S);
	refuses(cert, "not valid before 2027-01-16 08:00 UTC");
	write_cert(ca, k, NOW_S - 2 * DAY_S, NOW_S - 1);
	refuses(ca, "expired on 2027-01-15 07:59 UTC");
	EVP_PKEY_free(k);
}

static void refuses_what_is_torn_empty_missing_or_no_file(void **state)
{
	(void)state;
	write_text(cert, "-----BEGIN CERTIFICATE-----\nMIIBszCCA");
	refuses(cert, "no PEM certificate in it");
	write_text(ca, "");
	refuses(ca, "no PEM certificate in it");
	(void)unlink(ca);
	refuses(ca, "No such file or directory");
	assert_int_equal(mkfifo(ca, 0600), 0);
	refuses(ca, "not a regular file");
}

static void names_are_for_people(void **state)
{
	EVP_PKEY *k = make_key();
	X509 *x = make_cert(k, "a\nb", NOW_S, NOW_S + 1);
	char buf[FL_TLS_NAME_MAX];

	(void)state;
	assert_string_equal(fl_tls_names(x, buf), "DNS:a.example, IP:192.0.2.1, IP:fd00::1");
	assert_string_equal(fl_tls_subject(x, buf), "CN=a\\0Ab");
	assert_string_equal(fl_tls_issuer(x, buf), "CN=a\\0Ab");
	assert_int_equal(fl_tls_begins_s(x), NOW_S);
	assert_int_equal(fl_tls_ends_s(x), NOW_S + 1);
	X509_free(x);
	EVP_PKEY_free(k);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(takes_a_pair_with_its_ca_and_tells_its_end),
		TEST(a_ca_alone_is_enough),
		TEST(sees_a_key_that_others_can_read),
		TEST(tells_the_same_files_from_others),
		TEST(refuses_a_key_of_another_certificate),
		TEST(refuses_a_key_with_a_passphrase_without_asking),
		TEST(refuses_what_is_over_or_not_yet_with_the_date),
		TEST(refuses_what_is_torn_empty_missing_or_no_file),
		TEST(names_are_for_people),
	};

	return cmocka_run_group_tests_name("tls_files", tests, NULL, NULL);
}
