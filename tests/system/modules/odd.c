/* tests/system/modules/odd.c - a table that is wrong in the way that a macro says, else right. */
#include <flanneld/backend.h>

#ifndef ODD_ABI
#define ODD_ABI FL_BACKEND_ABI
#endif
#ifndef ODD_FLAGS
#define ODD_FLAGS 0
#endif
#ifndef ODD_NAME
#define ODD_NAME "odd"
#endif
#ifndef ODD_SYMBOL
#define ODD_SYMBOL fl_backend_ops
#endif

#ifdef ODD_UNDEFINED
FL_PUBLIC int fl_no_such_function(void);
#endif

static int create(struct fl_env *env, const struct fl_json *conf, struct fl_backend **ret)
{
	(void)env;
	(void)conf;
	*ret = NULL;
#ifdef ODD_UNDEFINED
	return fl_no_such_function();
#else
	return 0;
#endif
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

static __attribute__((unused)) int rows(struct fl_backend *be, const struct fl_lease *peer,
					uint32_t way, struct fl_rows *into)
{
	(void)be;
	(void)peer;
	(void)way;
	(void)into;
	return 0;
}

static __attribute__((unused)) int peer_add(struct fl_backend *be, const struct fl_lease *peer)
{
	(void)be;
	(void)peer;
	return 0;
}

static void destroy(struct fl_backend *be)
{
	(void)be;
}

FL_PUBLIC extern const struct fl_backend_ops ODD_SYMBOL;
const struct fl_backend_ops ODD_SYMBOL = {
	.abi = ODD_ABI,
	.flags = ODD_FLAGS,
	.name = ODD_NAME,
	.description = "odd",
	.create = create,
	.mtu = mtu,
	.up = up,
#ifdef ODD_NO_ROWS
	.rows = NULL,
#else
	.rows = rows,
#endif
#ifdef ODD_HALF
	.peer_add = peer_add,
#else
	.peer_add = NULL,
#endif
	.destroy = destroy,
};
