/* core/env.c - what a backend is given: the underlay, the network, host bytes, room for rows. */
#include "env.h"

#include <ctype.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/rtmsg.h"
#include "io/rtnl.h"

#define MACHINE_ID     "/etc/machine-id"
#define MACHINE_ID_LEN 32u

const struct fl_extif *fl_env_extif(const struct fl_env *env)
{
	return env->extif;
}

bool fl_env_by_hand(const struct fl_env *env)
{
	return env->by_hand;
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

int fl_env_udp_port(struct fl_env *env, uint16_t port)
{
	if (port == 0)
		return -EINVAL;
	if (env->n_udp_ports == FL_ENV_PORTS_MAX)
		return -ENOSPC;
	env->udp_ports[env->n_udp_ports++] = port;
	return 0;
}

void fl_env_continue(struct fl_env *env, int error)
{
	env->listener->continued(env->listener, error);
}

/* ---- routes ---- */

static int on_route(const struct nlmsghdr *nlh, void *data)
{
	return fl_rtmsg_route_parse(nlh, data);
}

int fl_env_route(struct fl_env *env, const struct fl_addr *dst, struct fl_route *ret)
{
	char buf[FL_RTNL_MSG_MAX] __attribute__((aligned(8)));
	struct fl_rtmsg_route route = {0};
	int r = fl_rtnl_get(env->rtnl, fl_rtmsg_route_get(buf, dst), on_route, &route);

	if (r == 0 && route.type != RTN_UNICAST && route.type != RTN_LOCAL)
		r = -ENETUNREACH; /* a broadcast address: the kernel has a route, but no host is
				     there */
	if (r < 0)
		return r;
	*ret = (struct fl_route){
		.ifindex = route.ifindex,
		.via = route.via,
		.local = route.type == RTN_LOCAL,
	};
	return 0;
}

/* ---- devices ---- */

static uint32_t *device_find(struct fl_env *env, uint32_t ifindex)
{
	for (uint32_t i = 0; i < env->n_devices; i++)
		if (env->devices[i] == ifindex)
			return &env->devices[i];
	return NULL;
}

int fl_env_device_add(struct fl_env *env, uint32_t ifindex)
{
	if (device_find(env, ifindex))
		return 0;
	if (env->n_devices == FL_ENV_DEVICES_MAX)
		return -ENOSPC;
	env->devices[env->n_devices++] = ifindex;
	return 0;
}

void fl_env_device_del(struct fl_env *env, uint32_t ifindex)
{
	uint32_t *at = device_find(env, ifindex);

	if (at)
		*at = env->devices[--env->n_devices];
}

int fl_env_device_came(struct fl_env *env, uint32_t ifindex)
{
	int r = fl_env_device_add(env, ifindex);

	if (r == 0)
		env->listener->device_came(env->listener, ifindex);
	return r;
}

void fl_env_device_went(struct fl_env *env, uint32_t ifindex)
{
	fl_env_device_del(env, ifindex);
	env->listener->device_went(env->listener, ifindex);
}

void fl_env_counters(struct fl_env *env, const struct fl_counter *counters, size_t n)
{
	env->counters = counters;
	env->n_counters = n;
}

/* ---- rows ---- */

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

static int FL_PRINTF(3, 0) set_why(struct fl_rows *rows, int result, const char *fmt, va_list ap)
{
	(void)vsnprintf(rows->why, sizeof(rows->why), fmt, ap);
	return result;
}

int fl_rows_reject(struct fl_rows *rows, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = set_why(rows, FL_ROWS_REJECTED, fmt, ap);
	va_end(ap);
	return r;
}

int fl_rows_wait(struct fl_rows *rows, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = set_why(rows, FL_ROWS_WAITING, fmt, ap);
	va_end(ap);
	return r;
}

int fl_rows_ignore(struct fl_rows *rows, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = set_why(rows, FL_ROWS_IGNORED, fmt, ap);
	va_end(ap);
	return r;
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
