/* core/env.c - what a backend is given: the underlay, the network, host bytes, room for rows. */
#include "env.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MACHINE_ID     "/etc/machine-id"
#define MACHINE_ID_LEN 32u

const struct fl_extif *fl_env_extif(const struct fl_env *env)
{
	return env->extif;
}

const struct fl_prefix *fl_env_network(const struct fl_env *env)
{
	return &env->network;
}

/* Images are shipped with an empty file, "uninitialized" or zeros: all alike, so no identity. */
static int machine_id_check(char *id, size_t len)
{
	if (len < MACHINE_ID_LEN || (len > MACHINE_ID_LEN && id[MACHINE_ID_LEN] != '\n'))
		return -ENOENT;
	for (size_t i = 0; i < MACHINE_ID_LEN; i++) {
		if (!isxdigit((unsigned char)id[i]))
			return -ENOENT;
		id[i] = (char)tolower((unsigned char)id[i]);
	}
	return strspn(id, "0") >= MACHINE_ID_LEN ? -ENOENT : 0;
}

static int machine_id_read(char id[MACHINE_ID_LEN + 2])
{
	FILE *f = fopen(MACHINE_ID, "re");
	size_t n;
	int r;

	if (!f)
		return -errno;
	n = fread(id, 1, MACHINE_ID_LEN + 1, f);
	r = ferror(f) ? -EIO : 0;
	(void)fclose(f);
	if (r < 0)
		return r;
	id[n] = '\0';
	return machine_id_check(id, n);
}

int fl_env_host_hash(struct fl_env *env, const char *salt, uint8_t ret[32])
{
	char id[MACHINE_ID_LEN + 2];
	EVP_MD_CTX *ctx;
	int r, ok;

	(void)env;
	r = machine_id_read(id);
	if (r < 0)
		return r;
	ctx = EVP_MD_CTX_new();
	if (!ctx)
		return -ENOMEM;
	ok = EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) &&
	     EVP_DigestUpdate(ctx, id, MACHINE_ID_LEN) &&
	     EVP_DigestUpdate(ctx, salt, strlen(salt)) && EVP_DigestFinal_ex(ctx, ret, NULL);
	EVP_MD_CTX_free(ctx);
	return ok ? 0 : -EIO;
}

int fl_rows_add(struct fl_rows *rows, const struct fl_row *row)
{
	uint32_t cap = rows->cap ? rows->cap * 2 : 4;
	struct fl_row *grown;

	if (rows->count == rows->cap) {
		grown = reallocarray(rows->rows, cap, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		rows->rows = grown;
		rows->cap = cap;
	}
	rows->rows[rows->count++] = *row;
	return 0;
}

int fl_rows_reject(struct fl_rows *rows, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(rows->why, sizeof(rows->why), fmt, ap);
	va_end(ap);
	return -EBADMSG;
}

void fl_rows_reset(struct fl_rows *rows)
{
	rows->count = 0;
	rows->why[0] = '\0';
}

void fl_rows_done(struct fl_rows *rows)
{
	free(rows->rows);
	*rows = (struct fl_rows){0};
}
