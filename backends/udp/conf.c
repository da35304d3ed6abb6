/* backends/udp/conf.c - the Backend object of the network config, for udp. */
#include "conf.h"

int udp_conf_parse(const struct fl_json *conf, struct udp_conf *ret)
{
	struct udp_conf c = {.threads = 1};
	uint32_t port = UDP_PORT;
	const struct fl_conf_key keys[] = {
		{"Port", FL_JSON_NUMBER, &port, 1, 65535, true},
		{"MTU", FL_JSON_NUMBER, &c.mtu, UDP_MTU_MIN, 65535, true},
		{"Threads", FL_JSON_NUMBER, &c.threads, 1, HANDOVER_READERS, true},
		{"AllowAnySource", FL_JSON_BOOL, &c.any_source, 0, 0, false},
	};
	int r = fl_conf_read(conf, "udp", keys, FL_ARRAY_SIZE(keys));

	if (r < 0)
		return r;
	c.port = (uint16_t)port;
	*ret = c;
	return 0;
}

uint32_t udp_mtu(const struct udp_conf *conf, uint32_t underlay_mtu)
{
	uint32_t mtu = conf->mtu && conf->mtu < underlay_mtu ? conf->mtu : underlay_mtu;

	return mtu < UDP_MTU_MIN ? 0 : mtu - UDP_OVERHEAD;
}
