/* backends/host-gw/rows.c - which row leads to a peer: pure functions of its lease and our end. */
#include "rows.h"

#include <net/if.h>
#include <sys/socket.h>

uint32_t hostgw_way(const struct hostgw_self *self, const struct fl_route *route)
{
	if (!route || route->local || fl_addr_is_set(&route->via))
		return HOSTGW_NO_WAY;
	return route->ifindex == self->ifindex ? route->ifindex : HOSTGW_NO_WAY;
}

static int check_public_ip(const struct hostgw_self *self, const struct fl_lease *peer,
			   struct fl_rows *rows)
{
	char text[FL_ADDR_STRLEN];

	fl_addr_format(&peer->public_ip, text);
	if (peer->public_ip.family != AF_INET)
		return fl_rows_reject(rows, "PublicIP %s is no IPv4 address", text);
	if (fl_addr_equal(&peer->public_ip, &self->public_ip))
		return fl_rows_reject(rows, "its PublicIP %s is ours", text);
	return 0;
}

/* Where the peer is, instead of on the link. */
static int wait_because(const struct hostgw_self *self, const struct fl_route *route,
			struct fl_rows *rows)
{
	char buf[IF_NAMESIZE], gateway[FL_ADDR_STRLEN];
	const char *name;

	if (!route)
		return fl_rows_wait(rows, "there is no route to it");
	if (route->local)
		return fl_rows_wait(rows, "its PublicIP is an address of this host");
	name = if_indextoname(route->ifindex, buf);
	if (!name)
		name = "another interface";
	if (fl_addr_is_set(&route->via))
		return fl_rows_wait(
			rows, "it is behind the gateway %s on %s, but must be on the link of %s",
			fl_addr_format(&route->via, gateway), name, self->name);
	if (route->ifindex == self->ifindex) /* since a moment ago */
		return fl_rows_wait(rows, "it was not on the link of %s", self->name);
	return fl_rows_wait(rows, "it is on the link of %s, but must be on that of %s", name,
			    self->name);
}

int hostgw_rows(const struct hostgw_self *self, const struct fl_lease *peer, uint32_t way,
		const struct fl_route *route, struct fl_rows *rows)
{
	const struct fl_row row = {
		.kind = FL_ROW_ROUTE, .ifindex = way, .dst = peer->subnet, .via = peer->public_ip};
	int r = check_public_ip(self, peer, rows);

	if (r < 0)
		return r;
	if (way == HOSTGW_NO_WAY)
		return wait_because(self, route, rows);
	return fl_rows_add(rows, &row);
}
