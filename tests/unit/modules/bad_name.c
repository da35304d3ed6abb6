/* tests/unit/modules/bad_name.c - calls itself something else than its file. */
#include "core/backend.h"

static int create(struct fl_env *env, const struct fl_json *conf, struct fl_backend **ret)
{
	(void)env;
	(void)conf;
	*ret = NULL;
	return 0;
}

static uint32_t mtu(struct fl_backend *be, uint32_t underlay_mtu)
{
	(void)be;
	(void)underlay_mtu;
	return 1450;
}

static int up(struct fl_backend *be, const struct fl_lease *own)
{
	(void)be;
	(void)own;
	return 0;
}

static int rows(struct fl_backend *be, const struct fl_lease *peer, uint32_t way,
		struct fl_rows *into)
{
	(void)be;
	(void)peer;
	(void)way;
	(void)into;
	return 0;
}

static void destroy(struct fl_backend *be)
{
	(void)be;
}

FL_BACKEND_EXPORT(.name = "another", .description = "refused", .create = create, .mtu = mtu,
		  .up = up, .rows = rows, .destroy = destroy);
