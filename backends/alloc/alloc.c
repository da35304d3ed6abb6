/* backends/alloc/alloc.c - a lease and its subnet.env, and nothing that forwards: for hosts whose
 * routes others keep. */
#include <errno.h>
#include <stdlib.h>

#include "core/backend.h"

/* There is nothing to remember, but the contract wants an object. */
struct fl_backend {
	char nothing;
};

static int check(const struct fl_json *conf)
{
	return fl_conf_read(conf, "alloc", NULL, 0);
}

static int create(struct fl_env *env, const struct fl_json *conf, struct fl_backend **ret)
{
	struct fl_backend *be;
	int r = check(conf);

	(void)env;
	if (r < 0)
		return r;
	be = calloc(1, sizeof(*be));
	if (!be)
		return -ENOMEM;
	*ret = be;
	return 0;
}

static void destroy(struct fl_backend *be)
{
	free(be);
}

static uint32_t mtu(struct fl_backend *be, uint32_t underlay_mtu)
{
	(void)be;
	return underlay_mtu;
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
	return fl_rows_ignore(into, "alloc forwards nothing");
}

FL_BACKEND_EXPORT(.name = "alloc",
		  .description = "a lease and subnet.env only: somebody else does the routing",
		  .check = check, .create = create, .mtu = mtu, .up = up, .rows = rows,
		  .destroy = destroy);
