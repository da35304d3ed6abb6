/* backends/vxlan/rows.c - which rows lead to a peer: pure functions of its lease and ours. */
#include "rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int vxlan_lease_data(const struct vxlan_self *self, char buf[FL_BACKEND_DATA_MAX])
{
	char mac[FL_MAC_STRLEN];
	int n;

	buf[0] = '\0';
	if (self->by_hand)
		return 0;
	n = snprintf(buf, FL_BACKEND_DATA_MAX, "{\"VNI\":%u,\"VtepMAC\":\"%s\"}", self->vni,
		     fl_mac_format(&self->mac, mac));

	return n > 0 && (uint32_t)n < FL_BACKEND_DATA_MAX ? 0 : -ENOSPC;
}

static bool is_missing(const struct fl_json *v)
{
	return !v || fl_json_type(v) == FL_JSON_NULL;
}

struct fl_mac vxlan_plain_mac(const struct fl_addr *public_ip)
{
	const uint8_t *ip = public_ip->bytes;

	/* 0x0e: given locally, one station */
	return (struct fl_mac){{0x0e, 0xf1, ip[0], ip[1], ip[2], ip[3]}};
}

int vxlan_told_mac(const struct fl_lease *lease, struct fl_mac *ret)
{
	struct fl_mac mac = vxlan_plain_mac(&lease->public_ip);
	const struct fl_json *v;
	struct fl_json *data = NULL;
	const char *text;
	int r = 0;

	if (lease->backend_data)
		r = fl_json_parse(lease->backend_data, strlen(lease->backend_data), &data, NULL);
	v = fl_json_get(data, "VtepMAC");
	text = v ? fl_json_string(v) : NULL;
	if (r == 0 && !is_missing(v) &&
	    (!text || fl_mac_parse(text, &mac) < 0 || !fl_mac_is_unicast(&mac)))
		r = -EINVAL;
	fl_json_destroy(data);
	if (r == 0)
		*ret = mac;
	return r;
}

static int check_vni(const struct vxlan_self *self, const struct fl_json *data,
		     struct fl_rows *rows)
{
	const struct fl_json *v = fl_json_get(data, "VNI");
	int64_t vni;

	if (is_missing(v)) /* flannel 0.11 writes none */
		return 0;
	if (fl_json_int(v, &vni) < 0)
		return fl_rows_reject(rows, "VNI in its BackendData is %s, must be %u",
				      fl_json_type(v) == FL_JSON_NUMBER ? "out of range"
									: fl_json_type_name(v),
				      self->vni);
	if (vni != self->vni)
		return fl_rows_reject(rows, "its VNI is %lld, ours is %u", (long long)vni,
				      self->vni);
	return 0;
}

static int take_mac(const struct vxlan_self *self, const struct fl_json *data, struct fl_mac *mac,
		    struct fl_rows *rows)
{
	const struct fl_json *v = fl_json_get(data, "VtepMAC");
	const char *text = v ? fl_json_string(v) : NULL;

	if (self->by_hand && is_missing(v))
		return 0; /* the plain one */
	if (!text)
		return fl_rows_reject(rows, "its BackendData has no VtepMAC that is a string");
	if (fl_mac_parse(text, mac) < 0 || !fl_mac_is_unicast(mac))
		return fl_rows_reject(rows, "VtepMAC \"%.32s\" is no address of one station", text);
	if (fl_mac_equal(mac, &self->mac))
		return fl_rows_reject(rows, "its VtepMAC %.32s is ours", text);
	return 0;
}

static int parse_data(const struct vxlan_self *self, const struct fl_lease *peer,
		      struct fl_mac *mac, struct fl_rows *rows)
{
	struct fl_json *data = NULL;
	int r;

	*mac = vxlan_plain_mac(&peer->public_ip);
	if (!peer->backend_data && self->by_hand)
		return 0;
	if (!peer->backend_data)
		return fl_rows_reject(rows, "it has no BackendData");
	r = fl_json_parse(peer->backend_data, strlen(peer->backend_data), &data, NULL);
	if (r == -ENOMEM)
		return r;
	if (r < 0 || fl_json_type(data) != FL_JSON_OBJECT)
		r = fl_rows_reject(rows, "its BackendData is not a JSON object");
	if (r == 0)
		r = check_vni(self, data, rows);
	if (r == 0)
		r = take_mac(self, data, mac, rows);
	fl_json_destroy(data);
	return r;
}

static int check_public_ip(const struct vxlan_self *self, const struct fl_lease *peer,
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

uint32_t vxlan_way(const struct vxlan_self *self, const struct fl_route *route)
{
	if (!route || route->local || fl_addr_is_set(&route->via))
		return VXLAN_ENCAPSULATED;
	return route->ifindex == self->ifindex ? VXLAN_ENCAPSULATED : route->ifindex;
}

static int add_direct(const struct fl_lease *peer, uint32_t way, struct fl_rows *rows)
{
	const struct fl_row row = {
		.kind = FL_ROW_ROUTE, .ifindex = way, .dst = peer->subnet, .via = peer->public_ip};

	return fl_rows_add(rows, &row);
}

static int add_encapsulated(const struct vxlan_self *self, const struct fl_lease *peer,
			    const struct fl_mac *mac, struct fl_rows *rows)
{
	const struct fl_row three[] = {
		{.kind = FL_ROW_NEIGH,
		 .ifindex = self->ifindex,
		 .dst = {.addr = peer->subnet.addr, .len = 32},
		 .mac = *mac},
		{.kind = FL_ROW_FDB, .ifindex = self->ifindex, .via = peer->public_ip, .mac = *mac},
		{.kind = FL_ROW_ROUTE,
		 .ifindex = self->ifindex,
		 .dst = peer->subnet,
		 .via = peer->subnet.addr,
		 .onlink = true},
	};
	int r = 0;

	for (size_t i = 0; i < FL_ARRAY_SIZE(three) && r == 0; i++)
		r = fl_rows_add(rows, &three[i]);
	return r;
}

int vxlan_rows(const struct vxlan_self *self, const struct fl_lease *peer, uint32_t way,
	       struct fl_rows *rows)
{
	struct fl_mac mac;
	int r = check_public_ip(self, peer, rows);

	if (r == 0)
		r = parse_data(self, peer, &mac, rows);
	if (r < 0)
		return r;
	if (way != VXLAN_ENCAPSULATED)
		return add_direct(peer, way, rows);
	return add_encapsulated(self, peer, &mac, rows);
}
