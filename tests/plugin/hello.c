/* hello.c - a backend for flanneld: VXLAN whose MAC addresses are made from the hosts' addresses,
 * so that a lease need not tell them. Device: hello.VNI. */
#include <arpa/inet.h>
#include <errno.h>
#include <flanneld/backend.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OVERHEAD 50u  /* bytes: inner Ethernet 14, outer IPv4 20, UDP 8, VXLAN 8 */
#define MTU_MIN	 118u /* of the underlay, so that 68 remain, the least that IPv4 allows */

struct conf {
	uint32_t vni;
	uint32_t port;
};

struct fl_backend {
	struct conf conf;
	struct fl_addr public_ip; /* ours */
	struct fl_link *link;
	struct fl_counter peers;
};

static int conf_read(const struct fl_json *conf, struct conf *ret)
{
	struct conf c = {.vni = 1, .port = 4789};
	const struct fl_conf_key keys[] = {
		{"VNI", FL_JSON_NUMBER, &c.vni, 1, 16777215, false},
		{"Port", FL_JSON_NUMBER, &c.port, 1, 65535, false},
	};
	int r = fl_conf_read(conf, "hello", keys, FL_ARRAY_SIZE(keys));

	if (r == 0)
		*ret = c;
	return r;
}

static int check(const struct fl_json *conf)
{
	struct conf unused;

	return conf_read(conf, &unused);
}

static uint32_t mtu(struct fl_backend *be, uint32_t underlay_mtu)
{
	(void)be;
	return underlay_mtu < MTU_MIN ? 0 : underlay_mtu - OVERHEAD;
}

/* Locally administered, one station; the rest is the address of the host. */
static struct fl_mac mac_of(const struct fl_addr *public_ip)
{
	struct fl_mac mac = {{0x02, 0x68}};

	memcpy(mac.bytes + 2, public_ip->bytes, 4);
	return mac;
}

static int ensure_device(struct fl_env *env, struct fl_backend *be)
{
	const struct fl_extif *ext = fl_env_extif(env);
	const struct fl_mac mac = mac_of(&be->public_ip);
	const uint16_t port_be = htons((uint16_t)be->conf.port);
	const uint8_t off = 0;
	const struct fl_link_attr attrs[] = {
		{IFLA_VXLAN_ID, sizeof(be->conf.vni), &be->conf.vni},
		{IFLA_VXLAN_LINK, sizeof(ext->ifindex), &ext->ifindex},
		{IFLA_VXLAN_LOCAL, 4, ext->addr.bytes},
		{IFLA_VXLAN_PORT, sizeof(port_be), &port_be},
		{IFLA_VXLAN_LEARNING, sizeof(off), &off},
	};
	struct fl_link_spec spec = {
		.kind = "vxlan",
		.mac = mac,
		.mtu = mtu(be, ext->mtu),
		.attrs = attrs,
		.n_attrs = FL_ARRAY_SIZE(attrs),
	};
	char name[sizeof("hello.16777215")];
	int r;

	if (spec.mtu == 0)
		return -EMSGSIZE;
	snprintf(name, sizeof(name), "hello.%u", be->conf.vni);
	spec.name = name;
	r = fl_link_ensure(env, &spec, &be->link);
	if (r < 0)
		return r;
	if (fl_mac_equal(fl_link_mac(be->link), &mac))
		return 0;
	fl_err("hello", "%s: its MAC address is not the one that peers expect; remove it", name);
	return -EEXIST;
}

static void destroy(struct fl_backend *be)
{
	if (!be)
		return;
	fl_link_release(be->link);
	free(be);
}

static int create(struct fl_env *env, const struct fl_json *conf, struct fl_backend **ret)
{
	struct fl_backend *be = calloc(1, sizeof(*be));
	int r;

	if (!be)
		return -ENOMEM;
	be->public_ip = fl_env_extif(env)->public_ip;
	r = conf_read(conf, &be->conf);
	if (r == 0)
		r = ensure_device(env, be);
	if (r == 0)
		r = fl_env_udp_port(env, (uint16_t)be->conf.port);
	if (r < 0) {
		destroy(be);
		return r;
	}
	be->peers.name = "appeared_peers";
	be->peers.help = "Peers that have appeared.";
	fl_env_counters(env, &be->peers, 1);
	*ret = be;
	return 0;
}

static int lease_data(struct fl_backend *be, char buf[FL_BACKEND_DATA_MAX])
{
	snprintf(buf, FL_BACKEND_DATA_MAX, "{\"VNI\":%u}", be->conf.vni);
	return 0;
}

static int up(struct fl_backend *be, const struct fl_lease *own)
{
	const struct fl_prefix local = {.addr = own->subnet.addr, .len = 32};

	return fl_link_up(be->link, &local);
}

/* Whatever is in there, others have written it. */
static int check_peer(const struct fl_backend *be, const struct fl_lease *peer,
		      struct fl_rows *rows)
{
	struct fl_json *data = NULL;
	int64_t vni = 0;
	int r = -EINVAL;

	if (peer->backend_data)
		r = fl_json_parse(peer->backend_data, strlen(peer->backend_data), &data, NULL);
	if (r == 0)
		r = fl_json_int(fl_json_get(data, "VNI"), &vni);
	fl_json_destroy(data);
	if (r == -ENOMEM)
		return r;
	if (r < 0 || vni != be->conf.vni)
		return fl_rows_reject(rows, "its VNI is not %u", be->conf.vni);
	if (!fl_addr_v4(&peer->public_ip) || fl_addr_equal(&peer->public_ip, &be->public_ip))
		return fl_rows_reject(rows, "its PublicIP is none, or ours");
	return 0;
}

/* Three rows lead to a peer: the address at the other end of the overlay has this MAC address, the
 * MAC address is behind that host, and the subnet is behind that address. */
static int rows(struct fl_backend *be, const struct fl_lease *peer, uint32_t way,
		struct fl_rows *into)
{
	const struct fl_prefix far_end = {.addr = peer->subnet.addr, .len = 32};
	const uint32_t dev = fl_link_ifindex(be->link);
	const struct fl_row needed[] = {
		{.kind = FL_ROW_NEIGH,
		 .ifindex = dev,
		 .dst = far_end,
		 .mac = mac_of(&peer->public_ip)},
		{.kind = FL_ROW_FDB,
		 .ifindex = dev,
		 .via = peer->public_ip,
		 .mac = mac_of(&peer->public_ip)},
		{.kind = FL_ROW_ROUTE,
		 .ifindex = dev,
		 .dst = peer->subnet,
		 .via = far_end.addr,
		 .onlink = true},
	};
	int r = check_peer(be, peer, into);

	(void)way;
	for (size_t i = 0; r == 0 && i < FL_ARRAY_SIZE(needed); i++)
		r = fl_rows_add(into, &needed[i]);
	return r;
}

static int peer_add(struct fl_backend *be, const struct fl_lease *peer)
{
	(void)peer;
	fl_counter_add(&be->peers, 1);
	return 0;
}

static void peer_del(struct fl_backend *be, const struct fl_lease *peer)
{
	(void)be;
	(void)peer;
}

FL_BACKEND_EXPORT(.name = "hello",
		  .description = "VXLAN with MAC addresses made from host addresses",
		  .check = check, .create = create, .lease_data = lease_data, .mtu = mtu, .up = up,
		  .rows = rows, .peer_add = peer_add, .peer_del = peer_del, .destroy = destroy);
