/* tests/unit/test_lease_packed.c - a lease in few bytes: nothing of it is lost, and how many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lease_packed.h"

#define VXLAN "{\"VNI\":1,\"VtepMAC\":\"02:00:5e:10:00:01\"}"

static struct fl_lease plain(void)
{
	return (struct fl_lease){.subnet = {.addr = fl_addr_from_v4(0x0a053400u), .len = 24},
				 .public_ip = fl_addr_from_v4(0xc0a80007u),
				 .backend_type = "vxlan"};
}

static struct fl_lease with_ipv6(void)
{
	struct fl_lease l = plain();

	assert_int_equal(fl_prefix_parse("fd00:1::/64", &l.subnet6), 0);
	assert_int_equal(fl_addr_parse("fd01::1", &l.public_ip6), 0);
	return l;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* At an odd address, with not a byte more than it says. */
static void assert_kept(const struct fl_lease *l, const char *usual, size_t size)
{
	unsigned char *room;
	struct fl_prefix subnet;
	struct fl_lease r;

	assert_int_equal(fl_lease_packed_size(l, usual), size);
	room = malloc(size + 1);
	assert_non_null(room);
	fl_lease_pack(l, usual, room + 1);
	memset(&r, 0xff, sizeof(r));
	fl_lease_unpack(room + 1, usual, &r);
	assert_memory_equal(&r, l, offsetof(struct fl_lease, backend_type));
	assert_true(same_text(r.backend_type, l->backend_type));
	assert_true(same_text(r.backend_data, l->backend_data));
	assert_true(same_text(r.backend_data6, l->backend_data6));
	subnet = fl_lease_packed_subnet(room + 1);
	assert_memory_equal(&subnet, &l->subnet, sizeof(subnet));
	free(room);
}

static void a_lease_takes_ten_bytes_and_its_data(void **state)
{
	struct fl_lease l = plain();

	(void)state;
	assert_kept(&l, "vxlan", 10);
	l.backend_data = VXLAN;
	assert_kept(&l, "vxlan", 10 + sizeof(VXLAN));
}

static void a_type_takes_room_unless_it_is_the_usual_one(void **state)
{
	struct fl_lease l = plain();

	(void)state;
	assert_kept(&l, NULL, 10 + sizeof("vxlan"));
	assert_kept(&l, "vxlan2", 10 + sizeof("vxlan"));
	l.backend_type = NULL;
	assert_kept(&l, "vxlan", 10);
	assert_kept(&l, NULL, 10);
}

static void what_few_leases_have_is_kept_as_well(void **state)
{
	struct fl_lease l = with_ipv6();

	(void)state;
	assert_kept(&l, "vxlan", 45);
	l.backend_data6 = "{}";
	assert_kept(&l, "vxlan", 48);
	l.backend_data = VXLAN;
	assert_kept(&l, "host-gw", 48 + sizeof(VXLAN) + sizeof("vxlan"));
	l.subnet6 = (struct fl_prefix){0};
	assert_kept(&l, "vxlan", 48 + sizeof(VXLAN));
	l = with_ipv6();
	l.public_ip6 = (struct fl_addr){0};
	l.public_ip = (struct fl_addr){0};
	assert_kept(&l, "vxlan", 45);
}

static void lengths_and_extremes_are_kept(void **state)
{
	static char data[FL_LEASE_VALUE_MAX + 1];
	struct fl_lease l = plain();

	(void)state;
	memset(data, 'x', sizeof(data) - 1);
	for (uint8_t len = 1; len < 32; len++) {
		l.subnet = (struct fl_prefix){fl_addr_from_v4(0x80000000u), len};
		assert_kept(&l, "vxlan", 10);
	}
	l.subnet = (struct fl_prefix){fl_addr_from_v4(0xfffffffeu), 31};
	l.public_ip = fl_addr_from_v4(0xffffffffu);
	l.backend_data = data;
	assert_kept(&l, "vxlan", 10 + sizeof(data));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lease_takes_ten_bytes_and_its_data),
		cmocka_unit_test(a_type_takes_room_unless_it_is_the_usual_one),
		cmocka_unit_test(what_few_leases_have_is_kept_as_well),
		cmocka_unit_test(lengths_and_extremes_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
