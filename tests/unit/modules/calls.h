/* tests/unit/modules/calls.h - the calls of a backend that does nothing. */
#ifndef TEST_MODULES_CALLS_H
#define TEST_MODULES_CALLS_H

#include "core/backend.h"

static inline int create(struct fl_env *env, const struct fl_json *conf, struct fl_backend **ret)
{
	(void)env;
	(void)conf;
	*ret = NULL;
	return 0;
}

static inline uint32_t mtu(struct fl_backend *be, uint32_t underlay_mtu)
{
	(void)be;
	(void)underlay_mtu;
	return 1450;
}

static inline int up(struct fl_backend *be, const struct fl_lease *own)
{
	(void)be;
	(void)own;
	return 0;
}

static inline int rows(struct fl_backend *be, const struct fl_lease *peer, uint32_t way,
		       struct fl_rows *into)
{
	(void)be;
	(void)peer;
	(void)way;
	(void)into;
	return 0;
}

static inline int peer_add(struct fl_backend *be, const struct fl_lease *peer)
{
	(void)be;
	(void)peer;
	return 0;
}

static inline void destroy(struct fl_backend *be)
{
	(void)be;
}

#endif
