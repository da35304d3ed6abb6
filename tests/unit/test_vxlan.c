/* tests/unit/test_vxlan.c - vxlan's config, its lease data, and the rows that lead to a peer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backends/vxlan/conf.h"
#include "backends/vxlan/rows.h"
#include "env.h"

static char log_text[8192];

/* Parse, and keep what was logged meanwhile. */
static int parse(const char *json, struct vxlan_conf *conf)
{
	int fd = memfd_create("log", MFD_CLOEXEC), err = dup(STDERR_FILENO), r;
	struct fl_json *doc = NULL;
	ssize_t n;

	assert_int_equal(fl_json_parse(json, strlen(json), &doc, NULL), 0);
	assert_true(fd >= 0 && dup2(fd, STDERR_FILENO) >= 0);
	r = vxlan_conf_parse(doc, conf);
	(void)dup2(err, STDERR_FILENO);
	close(err);
	n = pread(fd, log_text, sizeof(log_text) - 1, 0);
	log_text[n > 0 ? n : 0] = '\0';
	close(fd);
	fl_json_destroy(doc);
	return r;
}

static void takes(const char *json, struct vxlan_conf *conf)
{
	assert_int_equal(parse(json, conf), 0);
	if (log_text[0])
		fail_msg("%s", log_text);
}

static void refuses(const char *json, const char *reason)
{
	struct vxlan_conf conf = {.vni = 77};

	assert_int_equal(parse(json, &conf), -EINVAL);
	assert_int_equal(conf.vni, 77);
	if (!strstr(log_text, reason))
		fail_msg("%s: \"%s\" does not say \"%s\"", json, log_text, reason);
}

static void no_config_gives_all_defaults(void **state)
{
	struct vxlan_conf c;

	(void)state;
	assert_int_equal(vxlan_conf_parse(NULL, &c), 0);
	assert_int_equal(c.vni, 1);
	assert_int_equal(c.port, 8472);
	assert_int_equal(c.mtu, 0);
	assert_false(c.gbp);
	assert_false(c.learning);
	takes("{\"Type\":\"vxlan\"}", &c);
	assert_int_equal(c.vni, 1);
}

static void keys_match_without_regard_to_case(void **state)
{
	struct vxlan_conf c;

	(void)state;
	takes("{\"type\":\"vxlan\",\"vni\":4096,\"PORT\":4789,\"gbp\":true,\"learning\":true,"
	      "\"mtu\":9000,\"directrouting\":false}",
	      &c);
	assert_int_equal(c.vni, 4096);
	assert_int_equal(c.port, 4789);
	assert_int_equal(c.mtu, 9000);
	assert_true(c.gbp);
	assert_true(c.learning);
}

static void null_and_zero_mean_the_default(void **state)
{
	struct vxlan_conf c;

	(void)state;
	takes("{\"VNI\":null,\"Port\":null,\"MTU\":null,\"GBP\":null,\"DirectRouting\":null}", &c);
	assert_int_equal(c.vni, 1);
	takes("{\"Port\":0,\"MTU\":0}", &c);
	assert_int_equal(c.port, 8472);
	assert_int_equal(c.mtu, 0);
}

static void takes_the_limits(void **state)
{
	struct vxlan_conf c;

	(void)state;
	takes("{\"VNI\":16777215,\"Port\":65535,\"MTU\":65535}", &c);
	assert_int_equal(c.vni, 16777215);
	assert_int_equal(c.port, 65535);
	assert_int_equal(c.mtu, 65535);
	takes("{\"VNI\":1,\"Port\":1,\"MTU\":118}", &c);
	assert_int_equal(c.mtu, 118);
}

static void refuses_what_is_outside_the_limits(void **state)
{
	(void)state;
	refuses("{\"VNI\":0}", "Backend.VNI is 0, must be a whole number from 1 to 16777215");
	refuses("{\"VNI\":16777216}", "Backend.VNI is 16777216");
	refuses("{\"VNI\":-1}", "Backend.VNI is -1");
	refuses("{\"VNI\":1e30}", "Backend.VNI is 1e30");
	refuses("{\"VNI\":99999999999999999999}", "Backend.VNI");
	refuses("{\"Port\":65536}",
		"Backend.Port is 65536, must be a whole number from 1 to 65535, or 0");
	refuses("{\"Port\":-1}", "Backend.Port is -1");
	refuses("{\"MTU\":117}", "Backend.MTU is 117");
	refuses("{\"MTU\":65536}", "Backend.MTU is 65536");
}

static void refuses_wrong_types(void **state)
{
	(void)state;
	refuses("{\"VNI\":\"1\"}", "Backend.VNI is \"1\", must be a whole number");
	refuses("{\"VNI\":1.5}", "Backend.VNI is 1.5");
	refuses("{\"Port\":[8472]}", "Backend.Port is [8472]");
	refuses("{\"MTU\":true}", "Backend.MTU is true");
	refuses("{\"GBP\":1}", "Backend.GBP is 1, must be true or false");
	refuses("{\"Learning\":\"true\"}", "Backend.Learning is \"true\"");
	refuses("{\"DirectRouting\":{}}", "Backend.DirectRouting is {}");
	refuses("[]", "Backend is an array, must be an object");
}

static void takes_direct_routing(void **state)
{
	struct vxlan_conf c;

	(void)state;
	takes("{}", &c);
	assert_false(c.direct);
	takes("{\"DirectRouting\":true}", &c);
	assert_true(c.direct);
}

static void warns_of_unknown_keys_and_goes_on(void **state)
{
	struct vxlan_conf c;

	(void)state;
	assert_int_equal(parse("{\"VNI\":2,\"Vnl\":3,\"a\\nb\":1}", &c), 0);
	assert_int_equal(c.vni, 2);
	assert_non_null(strstr(log_text, "unknown key Backend.Vnl is ignored"));
	assert_non_null(strstr(log_text, "Backend.a"));
	assert_null(strstr(log_text, "Backend.a\nb"));
}

/* ---- rows ---- */

static struct vxlan_self self_of(uint32_t vni)
{
	struct vxlan_self self = {.vni = vni, .ifindex = 9};

	assert_int_equal(fl_mac_parse("02:00:00:00:00:01", &self.mac), 0);
	assert_int_equal(fl_addr_parse("192.168.1.1", &self.public_ip), 0);
	return self;
}

static struct fl_lease peer_of(const char *subnet, const char *ip, const char *data)
{
	struct fl_lease peer = {.backend_type = "vxlan", .backend_data = data};

	assert_int_equal(fl_prefix_parse(subnet, &peer.subnet), 0);
	assert_int_equal(fl_addr_parse(ip, &peer.public_ip), 0);
	return peer;
}

static void rejects(const char *ip, const char *data, const char *reason)
{
	struct vxlan_self self = self_of(1);
	struct fl_lease peer = peer_of("10.5.2.0/24", ip, data);
	struct fl_rows rows = {0};

	assert_int_equal(vxlan_rows(&self, &peer, 3, &rows), -EBADMSG);
	assert_int_equal(rows.count, 0);
	fl_rows_reset(&rows);
	assert_int_equal(vxlan_rows(&self, &peer, VXLAN_ENCAPSULATED, &rows), -EBADMSG);
	assert_int_equal(rows.count, 0);
	if (!strstr(rows.why, reason))
		fail_msg("\"%s\" does not say \"%s\"", rows.why, reason);
	fl_rows_done(&rows);
}

static void a_peer_needs_a_neighbour_an_fdb_entry_and_a_route(void **state)
{
	struct vxlan_self self = self_of(1);
	struct fl_lease peer = peer_of("10.5.2.0/24", "192.168.1.2",
				       "{\"VNI\":1,\"VtepMAC\":\"02:00:00:00:00:02\"}");
	struct fl_rows rows = {0};
	char text[FL_PREFIX_STRLEN];

	(void)state;
	assert_int_equal(vxlan_rows(&self, &peer, VXLAN_ENCAPSULATED, &rows), 0);
	assert_int_equal(rows.count, 3);
	assert_int_equal(rows.rows[0].kind, FL_ROW_NEIGH);
	assert_string_equal(fl_prefix_format(&rows.rows[0].dst, text), "10.5.2.0/32");
	assert_string_equal(fl_mac_format(&rows.rows[0].mac, text), "02:00:00:00:00:02");
	assert_int_equal(rows.rows[1].kind, FL_ROW_FDB);
	assert_string_equal(fl_mac_format(&rows.rows[1].mac, text), "02:00:00:00:00:02");
	assert_string_equal(fl_addr_format(&rows.rows[1].via, text), "192.168.1.2");
	assert_false(fl_prefix_is_set(&rows.rows[1].dst));
	assert_int_equal(rows.rows[2].kind, FL_ROW_ROUTE);
	assert_string_equal(fl_prefix_format(&rows.rows[2].dst, text), "10.5.2.0/24");
	assert_string_equal(fl_addr_format(&rows.rows[2].via, text), "10.5.2.0");
	assert_true(rows.rows[2].onlink);
	assert_int_equal(rows.rows[0].ifindex, 9);
	assert_int_equal(rows.rows[1].ifindex, 9);
	assert_int_equal(rows.rows[2].ifindex, 9);
	fl_rows_done(&rows);
}

static void a_direct_peer_needs_one_route(void **state)
{
	struct vxlan_self self = self_of(1);
	struct fl_lease peer = peer_of("10.5.2.0/24", "192.168.1.2",
				       "{\"VNI\":1,\"VtepMAC\":\"02:00:00:00:00:02\"}");
	struct fl_rows rows = {0};
	char text[FL_PREFIX_STRLEN];

	(void)state;
	assert_int_equal(vxlan_rows(&self, &peer, 3, &rows), 0);
	assert_int_equal(rows.count, 1);
	assert_int_equal(rows.rows[0].kind, FL_ROW_ROUTE);
	assert_int_equal(rows.rows[0].ifindex, 3);
	assert_string_equal(fl_prefix_format(&rows.rows[0].dst, text), "10.5.2.0/24");
	assert_string_equal(fl_addr_format(&rows.rows[0].via, text), "192.168.1.2");
	assert_false(rows.rows[0].onlink);
	fl_rows_done(&rows);
}

static void direct_is_what_is_reached_without_a_gateway(void **state)
{
	struct vxlan_self self = self_of(1);
	struct fl_route route = {.ifindex = 3};

	(void)state;
	assert_int_equal(vxlan_way(&self, NULL), VXLAN_ENCAPSULATED);
	assert_int_equal(vxlan_way(&self, &route), 3);
	route.ifindex = 4;
	assert_int_equal(vxlan_way(&self, &route), 4);
	route.ifindex = self.ifindex;
	assert_int_equal(vxlan_way(&self, &route), VXLAN_ENCAPSULATED);
	route = (struct fl_route){.ifindex = 3, .local = true};
	assert_int_equal(vxlan_way(&self, &route), VXLAN_ENCAPSULATED);
	route = (struct fl_route){.ifindex = 3};
	assert_int_equal(fl_addr_parse("192.168.1.254", &route.via), 0);
	assert_int_equal(vxlan_way(&self, &route), VXLAN_ENCAPSULATED);
	assert_int_equal(fl_addr_parse("fe80::1", &route.via), 0);
	assert_int_equal(vxlan_way(&self, &route), VXLAN_ENCAPSULATED);
}

static void a_lease_of_flannel_0_11_has_no_vni(void **state)
{
	struct vxlan_self self = self_of(5);
	struct fl_lease peer =
		peer_of("10.5.2.0/24", "192.168.1.2", "{\"VtepMAC\":\"02:00:00:00:00:02\"}");
	struct fl_rows rows = {0};

	(void)state;
	assert_int_equal(vxlan_rows(&self, &peer, VXLAN_ENCAPSULATED, &rows), 0);
	fl_rows_reset(&rows);
	peer.backend_data = "{\"VNI\":null,\"vtepmac\":\"02:00:00:00:00:02\",\"New\":[1]}";
	assert_int_equal(vxlan_rows(&self, &peer, VXLAN_ENCAPSULATED, &rows), 0);
	assert_int_equal(rows.count, 3);
	fl_rows_done(&rows);
}

static void rejects_another_vni(void **state)
{
	(void)state;
	rejects("192.168.1.2", "{\"VNI\":2,\"VtepMAC\":\"02:00:00:00:00:02\"}",
		"its VNI is 2, ours is 1");
	rejects("192.168.1.2", "{\"VNI\":\"1\",\"VtepMAC\":\"02:00:00:00:00:02\"}", "a string");
	rejects("192.168.1.2", "{\"VNI\":1.5,\"VtepMAC\":\"02:00:00:00:00:02\"}", "out of range");
	rejects("192.168.1.2", "{\"VNI\":4294967297,\"VtepMAC\":\"02:00:00:00:00:02\"}",
		"4294967297");
}

static void rejects_data_without_a_good_mac(void **state)
{
	(void)state;
	rejects("192.168.1.2", NULL, "no BackendData");
	rejects("192.168.1.2", "", "not a JSON object");
	rejects("192.168.1.2", "{", "not a JSON object");
	rejects("192.168.1.2", "null", "not a JSON object");
	rejects("192.168.1.2", "[]", "not a JSON object");
	rejects("192.168.1.2", "{}", "no VtepMAC");
	rejects("192.168.1.2", "{\"VtepMAC\":7}", "no VtepMAC");
	rejects("192.168.1.2", "{\"VtepMAC\":\"\"}", "no address of one station");
	rejects("192.168.1.2", "{\"VtepMAC\":\"02:00:00:00:00\"}", "no address of one station");
	rejects("192.168.1.2", "{\"VtepMAC\":\"00:00:00:00:00:00\"}", "no address of one station");
	rejects("192.168.1.2", "{\"VtepMAC\":\"ff:ff:ff:ff:ff:ff\"}", "no address of one station");
	rejects("192.168.1.2", "{\"VtepMAC\":\"01:00:5e:00:00:01\"}", "no address of one station");
	rejects("192.168.1.2", "{\"VtepMAC\":\"02:00:00:00:00:02:00:00\"}", "no address");
}

static void rejects_our_own_mac_and_address(void **state)
{
	(void)state;
	rejects("192.168.1.2", "{\"VtepMAC\":\"02:00:00:00:00:01\"}", "is ours");
	rejects("192.168.1.1", "{\"VtepMAC\":\"02:00:00:00:00:02\"}", "192.168.1.1 is ours");
}

static void rejects_an_address_of_the_other_family(void **state)
{
	(void)state;
	rejects("fd00::1", "{\"VtepMAC\":\"02:00:00:00:00:02\"}", "PublicIP fd00::1");
}

static void a_lease_by_hand_may_leave_its_mac_to_its_address(void **state)
{
	static const char *const data[] = {NULL, "{}", "{\"VNI\":1,\"VtepMAC\":null}"};
	struct vxlan_self self = self_of(1);
	char text[FL_MAC_STRLEN], buf[FL_BACKEND_DATA_MAX] = "x";
	struct fl_rows rows = {0};

	(void)state;
	self.by_hand = true;
	for (size_t i = 0; i < FL_ARRAY_SIZE(data); i++) {
		struct fl_lease peer = peer_of("10.5.2.0/24", "192.168.1.2", data[i]);

		fl_rows_reset(&rows);
		assert_int_equal(vxlan_rows(&self, &peer, VXLAN_ENCAPSULATED, &rows), 0);
		assert_string_equal(fl_mac_format(&rows.rows[0].mac, text), "0e:f1:c0:a8:01:02");
		assert_string_equal(fl_mac_format(&rows.rows[1].mac, text), "0e:f1:c0:a8:01:02");
	}
	fl_rows_done(&rows);
	assert_int_equal(vxlan_lease_data(&self, buf), 0);
	assert_string_equal(buf, "");
}

static void a_lease_by_hand_with_a_bad_mac_is_no_better_than_another(void **state)
{
	struct vxlan_self self = self_of(1);
	struct fl_lease peer = peer_of("10.5.2.0/24", "192.168.1.2", "{\"VtepMAC\":\"x\"}");
	struct fl_rows rows = {0};
	struct fl_mac mac;

	(void)state;
	self.by_hand = true;
	assert_int_equal(vxlan_rows(&self, &peer, VXLAN_ENCAPSULATED, &rows), -EBADMSG);
	assert_int_equal(vxlan_told_mac(&peer, &mac), -EINVAL);
	peer.backend_data = "{\"VtepMAC\":[]}";
	assert_int_equal(vxlan_rows(&self, &peer, VXLAN_ENCAPSULATED, &rows), -EBADMSG);
	assert_int_equal(vxlan_told_mac(&peer, &mac), -EINVAL);
	peer.backend_data = "{\"VNI\":2}";
	assert_int_equal(vxlan_rows(&self, &peer, VXLAN_ENCAPSULATED, &rows), -EBADMSG);
	fl_rows_done(&rows);
}

static void our_lease_by_hand_tells_our_mac(void **state)
{
	struct fl_lease own = peer_of("10.5.2.0/24", "192.168.1.2", NULL);
	char text[FL_MAC_STRLEN];
	struct fl_mac mac;

	(void)state;
	assert_int_equal(vxlan_told_mac(&own, &mac), 0);
	assert_string_equal(fl_mac_format(&mac, text), "0e:f1:c0:a8:01:02");
	own.backend_data = "{\"VtepMAC\":\"02:00:00:00:00:07\"}";
	assert_int_equal(vxlan_told_mac(&own, &mac), 0);
	assert_string_equal(fl_mac_format(&mac, text), "02:00:00:00:00:07");
}

static void writes_the_lease_data_as_flannel_does(void **state)
{
	struct vxlan_self self = self_of(16777215);
	char buf[FL_BACKEND_DATA_MAX];

	(void)state;
	assert_int_equal(vxlan_lease_data(&self, buf), 0);
	assert_string_equal(buf, "{\"VNI\":16777215,\"VtepMAC\":\"02:00:00:00:00:01\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_config_gives_all_defaults),
		cmocka_unit_test(keys_match_without_regard_to_case),
		cmocka_unit_test(null_and_zero_mean_the_default),
		cmocka_unit_test(takes_the_limits),
		cmocka_unit_test(refuses_what_is_outside_the_limits),
		cmocka_unit_test(refuses_wrong_types),
		cmocka_unit_test(takes_direct_routing),
		cmocka_unit_test(warns_of_unknown_keys_and_goes_on),
		cmocka_unit_test(a_peer_needs_a_neighbour_an_fdb_entry_and_a_route),
		cmocka_unit_test(a_direct_peer_needs_one_route),
		cmocka_unit_test(direct_is_what_is_reached_without_a_gateway),
		cmocka_unit_test(a_lease_of_flannel_0_11_has_no_vni),
		cmocka_unit_test(rejects_another_vni),
		cmocka_unit_test(rejects_data_without_a_good_mac),
		cmocka_unit_test(rejects_our_own_mac_and_address),
		cmocka_unit_test(rejects_an_address_of_the_other_family),
		cmocka_unit_test(a_lease_by_hand_may_leave_its_mac_to_its_address),
		cmocka_unit_test(a_lease_by_hand_with_a_bad_mac_is_no_better_than_another),
		cmocka_unit_test(our_lease_by_hand_tells_our_mac),
		cmocka_unit_test(writes_the_lease_data_as_flannel_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
