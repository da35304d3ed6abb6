/* backends/vxlan/vxlan.c - VXLAN (RFC 7348) by the Linux kernel: one device, filled per peer. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "core/backend.h"
#include "rows.h"

struct fl_backend {
	struct fl_env *env;
	const struct fl_extif *extif;
	struct vxlan_conf conf;
	struct vxlan_self self;
	struct fl_link *link;
	uint32_t mtu; /* bytes, inside */
};

/* The same MAC after every restart, so that peers need not learn a new one. */
static int derive_mac(struct fl_env *env, const struct vxlan_self *self, struct fl_mac *ret)
{
	char salt[64], ip[FL_ADDR_STRLEN];
	uint8_t hash[32];
	int r;

	if (self->by_hand) {
		*ret = vxlan_plain_mac(&self->public_ip);
		return 0;
	}
	(void)snprintf(salt, sizeof(salt), "%u %s", self->vni,
		       fl_addr_format(&self->public_ip, ip));
	r = fl_env_host_hash(env, salt, hash);
	if (r == -ENOENT) {
		fl_warn("vxlan",
			"/etc/machine-id is missing or empty: flannel.%u gets a random "
			"MAC, another one each time it is created",
			self->vni);
		*ret = (struct fl_mac){0};
		return 0;
	}
	if (r < 0)
		return r;
	memcpy(ret->bytes, hash, sizeof(ret->bytes));
	ret->bytes[0] = (uint8_t)((ret->bytes[0] | 2u) & ~1u); /* local, one station */
	return 0;
}

static int choose_mtu(struct fl_backend *be)
{
	const struct fl_extif *ext = be->extif;

	if (be->conf.mtu > ext->mtu)
		fl_warn("vxlan", "network config: Backend.MTU is %u, more than %s has; %u is used",
			be->conf.mtu, ext->name, ext->mtu);
	be->mtu = vxlan_mtu(&be->conf, ext->mtu);
	if (be->mtu > 0)
		return 0;
	fl_err("vxlan", "%s: its MTU is %u, must be at least %u to carry vxlan", ext->name,
	       ext->mtu, VXLAN_MTU_MIN);
	return -EINVAL;
}

static int ensure_device(struct fl_env *env, struct fl_backend *be)
{
	const struct fl_extif *ext = be->extif;
	uint16_t port_be = htons(be->conf.port);
	uint8_t learning = be->conf.learning;
	struct fl_link_attr attrs[] = {
		{IFLA_VXLAN_ID, sizeof(be->conf.vni), &be->conf.vni},
		{IFLA_VXLAN_LINK, sizeof(ext->ifindex), &ext->ifindex},
		{IFLA_VXLAN_LOCAL, 4, ext->addr.bytes},
		{IFLA_VXLAN_PORT, sizeof(port_be), &port_be},
		{IFLA_VXLAN_LEARNING, sizeof(learning), &learning},
		{IFLA_VXLAN_GBP, 0, be->conf.gbp ? "" : NULL},
	};
	struct fl_link_spec spec = {
		.kind = "vxlan",
		.mtu = be->mtu,
		.attrs = attrs,
		.n_attrs = FL_ARRAY_SIZE(attrs),
	};
	char name[sizeof("flannel.16777215")];
	int r;

	(void)snprintf(name, sizeof(name), "flannel.%u", be->conf.vni);
	spec.name = name;
	r = derive_mac(env, &be->self, &spec.mac);
	return r < 0 ? r : fl_link_ensure(env, &spec, &be->link);
}

static bool is_strict(const char *device)
{
	char path[64 + FL_ADDR_STRLEN];
	FILE *f;
	int c;

	(void)snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/rp_filter", device);
	f = fopen(path, "re");
	if (!f)
		return false;
	c = fgetc(f);
	(void)fclose(f);
	return c == '1';
}

/* One host may reach the other directly while that one answers encapsulated: their routes differ,
 * or one of them has noticed a change earlier. Packets then come by another device than answers
 * take. */
static void warn_of_filters(const struct fl_backend *be)
{
	char own[sizeof("flannel.16777215")];
	const char *const devices[] = {"all", be->extif->name, own};

	(void)snprintf(own, sizeof(own), "flannel.%u", be->conf.vni);
	for (size_t i = 0; i < FL_ARRAY_SIZE(devices); i++)
		if (is_strict(devices[i])) {
			fl_warn("vxlan",
				"net.ipv4.conf.%s.rp_filter is 1: where only one of two hosts "
				"reaches the other directly, packets between them are dropped; set "
				"it to 2",
				devices[i]);
			return;
		}
}

static void destroy(struct fl_backend *be)
{
	if (!be)
		return;
	fl_link_release(be->link);
	free(be);
}

static int prepare(struct fl_env *env, const struct fl_json *conf, struct fl_backend *be)
{
	int r;

	be->env = env;
	be->extif = fl_env_extif(env);
	r = vxlan_conf_parse(conf, &be->conf);
	if (r == 0)
		r = choose_mtu(be);
	if (r < 0)
		return r;
	be->self.vni = be->conf.vni;
	be->self.public_ip = be->extif->public_ip;
	be->self.by_hand = fl_env_by_hand(env);
	r = ensure_device(env, be);
	if (r < 0)
		return r;
	be->self.ifindex = fl_link_ifindex(be->link);
	be->self.mac = *fl_link_mac(be->link);
	return 0;
}

static int create(struct fl_env *env, const struct fl_json *conf, struct fl_backend **ret)
{
	struct fl_backend *be = calloc(1, sizeof(*be));
	char mac[FL_MAC_STRLEN];
	int r;

	if (!be)
		return -ENOMEM;
	r = prepare(env, conf, be);
	if (r == 0)
		r = fl_env_udp_port(env, be->conf.port);
	if (r < 0) {
		destroy(be);
		return r;
	}
	fl_info("vxlan", "flannel.%u: port %u, MTU %u, MAC %s%s%s%s", be->conf.vni, be->conf.port,
		be->mtu, fl_mac_format(&be->self.mac, mac), be->conf.gbp ? ", GBP" : "",
		be->conf.learning ? ", learning" : "", be->conf.direct ? ", direct routing" : "");
	if (be->conf.direct)
		warn_of_filters(be);
	*ret = be;
	return 0;
}

static int lease_data(struct fl_backend *be, char buf[FL_BACKEND_DATA_MAX])
{
	return vxlan_lease_data(&be->self, buf);
}

static uint32_t mtu(struct fl_backend *be, uint32_t underlay_mtu)
{
	return vxlan_mtu(&be->conf, underlay_mtu);
}

/* A device of an earlier run may have another MAC than the lease tells the others. */
static int take_told_mac(struct fl_backend *be, const struct fl_lease *own)
{
	char text[FL_MAC_STRLEN];
	struct fl_mac mac;
	int r = vxlan_told_mac(own, &mac);

	if (r == -EINVAL)
		fl_err("vxlan", "our lease: BackendData.VtepMAC is no address of one station");
	if (r < 0 || fl_mac_equal(&mac, &be->self.mac))
		return r;
	r = fl_link_set_mac(be->link, &mac);
	if (r < 0)
		return r;
	be->self.mac = mac;
	fl_info("vxlan", "flannel.%u: MAC %s, as our lease says", be->self.vni,
		fl_mac_format(&mac, text));
	return 0;
}

/* A /32, so that no broadcast routes appear; it is the source of what the host itself sends. */
static int up(struct fl_backend *be, const struct fl_lease *own)
{
	struct fl_prefix local = {.addr = own->subnet.addr, .len = 32};
	int r = be->self.by_hand ? take_told_mac(be, own) : 0;

	return r < 0 ? r : fl_link_up(be->link, &local);
}

static int check(const struct fl_json *conf)
{
	struct vxlan_conf parsed;

	return vxlan_conf_parse(conf, &parsed);
}

static uint32_t way(struct fl_backend *be, const struct fl_lease *peer)
{
	struct fl_route route;

	if (!be->conf.direct || fl_env_route(be->env, &peer->public_ip, &route) < 0)
		return VXLAN_ENCAPSULATED;
	return vxlan_way(&be->self, &route);
}

static int rows(struct fl_backend *be, const struct fl_lease *peer, uint32_t by,
		struct fl_rows *into)
{
	return vxlan_rows(&be->self, peer, by, into);
}

FL_BACKEND_EXPORT(.name = "vxlan",
		  .description = "VXLAN in the kernel: Ethernet over UDP, any IP underlay",
		  .check = check, .create = create, .lease_data = lease_data, .mtu = mtu, .up = up,
		  .way = way, .rows = rows, .destroy = destroy);
