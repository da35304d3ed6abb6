/* tests/unit/modules/half_table.c - its table lacks a mandatory member. */
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

static void destroy(struct fl_backend *be)
{
	(void)be;
}

FL_BACKEND_EXPORT(.name = "half", .description = "refused", .create = create, .mtu = mtu, .up = up,
		  .destroy = destroy);
