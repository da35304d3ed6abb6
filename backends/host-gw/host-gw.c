/* backends/host-gw/host-gw.c - the other hosts are gateways: one plain route per peer, for hosts on
 * one link. */
#include <errno.h>
#include <stdlib.h>

#include "core/backend.h"
#include "rows.h"

struct fl_backend {
	struct fl_env *env;
	struct hostgw_self self;
};

static int check(const struct fl_json *conf)
{
	return fl_conf_read(conf, "host-gw", NULL, 0);
}

/* The others would send to an address that is not ours: whoever translates it has no route for the
 * overlay. */
static int check_address(const struct fl_extif *ext)
{
	char addr[FL_ADDR_STRLEN], public_ip[FL_ADDR_STRLEN];

	if (fl_addr_equal(&ext->addr, &ext->public_ip))
		return 0;
	fl_err("host-gw",
	       "PublicIP %s is not the address of %s, %s: behind NAT, other hosts cannot use this "
	       "one as their gateway; vxlan can",
	       fl_addr_format(&ext->public_ip, public_ip), ext->name,
	       fl_addr_format(&ext->addr, addr));
	return -EINVAL;
}

static int create(struct fl_env *env, const struct fl_json *conf, struct fl_backend **ret)
{
	const struct fl_extif *ext = fl_env_extif(env);
	struct fl_backend *be;
	int r = check(conf);

	if (r == 0)
		r = check_address(ext);
	if (r < 0)
		return r;
	be = calloc(1, sizeof(*be));
	if (!be)
		return -ENOMEM;
	be->env = env;
	be->self.ifindex = ext->ifindex;
	be->self.name = ext->name;
	be->self.public_ip = ext->public_ip;
	*ret = be;
	return 0;
}

static void destroy(struct fl_backend *be)
{
	free(be);
}

/* Nothing is added to a packet. */
static uint32_t mtu(struct fl_backend *be, uint32_t underlay_mtu)
{
	(void)be;
	return underlay_mtu;
}

/* There is no device but the underlay's. */
static int up(struct fl_backend *be, const struct fl_lease *own)
{
	(void)be;
	(void)own;
	return 0;
}

static uint32_t way(struct fl_backend *be, const struct fl_lease *peer)
{
	struct fl_route route;

	if (fl_env_route(be->env, &peer->public_ip, &route) < 0)
		return HOSTGW_NO_WAY;
	return hostgw_way(&be->self, &route);
}

static int rows(struct fl_backend *be, const struct fl_lease *peer, uint32_t by,
		struct fl_rows *into)
{
	struct fl_route now;
	bool look = by == HOSTGW_NO_WAY && fl_env_route(be->env, &peer->public_ip, &now) == 0;

	return hostgw_rows(&be->self, peer, by, look ? &now : NULL, into);
}

FL_BACKEND_EXPORT(.name = "host-gw",
		  .description = "plain routes by the other hosts' addresses, all on one link",
		  .check = check, .create = create, .mtu = mtu, .up = up, .way = way, .rows = rows,
		  .destroy = destroy);
