/* tests/fuzz/vxlan.c - the Backend object on the first line, a peer's BackendData behind it. */
#include <stdlib.h>
#include <string.h>

#include "backends/vxlan/conf.h"
#include "backends/vxlan/rows.h"
#include "env.h"
#include "fuzz.h"

static void try_conf(const char *text)
{
	struct fl_json *doc = NULL;
	struct vxlan_conf conf;

	if (fl_json_parse(text, strlen(text), &doc, NULL) < 0)
		return;
	if (vxlan_conf_parse(doc, &conf) == 0) {
		FUZZ_CHECK(conf.vni >= 1 && conf.vni < 1u << 24 && conf.port > 0);
		FUZZ_CHECK(vxlan_mtu(&conf, 1500) <= 1500 - VXLAN_OVERHEAD);
	}
	fl_json_destroy(doc);
}

static void try_peer(const char *data, uint32_t way)
{
	struct vxlan_self self = {.vni = 1, .ifindex = 7, .mac = {{2, 0, 0, 0, 0, 1}}};
	struct fl_lease peer = {.backend_type = "vxlan", .backend_data = data};
	struct fl_rows rows = {0};

	FUZZ_CHECK(fl_prefix_parse("10.5.72.0/24", &peer.subnet) == 0);
	FUZZ_CHECK(fl_addr_parse("192.0.2.12", &peer.public_ip) == 0);
	FUZZ_CHECK(fl_addr_parse("192.0.2.11", &self.public_ip) == 0);
	if (vxlan_rows(&self, &peer, way, &rows) == 0)
		FUZZ_CHECK(rows.count == (way == VXLAN_ENCAPSULATED ? 3 : 1));
	else
		FUZZ_CHECK(rows.why[0]);
	for (uint32_t i = 0; i < rows.count; i++)
		FUZZ_CHECK(rows.rows[i].kind == FL_ROW_ROUTE ||
			   fl_mac_is_unicast(&rows.rows[i].mac));
	fl_rows_done(&rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct fuzz_input in = {bytes, len};
	char *conf = fuzz_line(&in), *data = strndup((const char *)in.at, in.left);

	FUZZ_CHECK(data);
	try_conf(conf);
	try_peer(data, VXLAN_ENCAPSULATED);
	try_peer(data, 3);
	free(data);
	free(conf);
	return 0;
}
