/* tests/unit/test_etcd_keys.c - one key for each subnet, whatever comes and goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/etcd_internal.h"

#define SUBNETS 300u
#define FORMS	3u /* of a key for one subnet: without IPv6, and with two different prefixes */

static const char *key_of(uint32_t subnet, uint32_t form, struct fl_prefix *ret)
{
	static char key[FL_LEASE_KEY_MAX];
	struct fl_prefix subnet6;
	int n = snprintf(key, sizeof(key), "10.%u.%u.0-24", subnet / 200, subnet % 200);

	if (form > 0)
		(void)snprintf(key + n, sizeof(key) - (size_t)n, "&fd00:%u::-64", form);
	assert_int_equal(fl_lease_key_parse(key, ret, &subnet6), 0);
	return key;
}

/* The same, as simple as it can be. */
struct model {
	struct {
		bool is_there;
		uint32_t form;
		bool rivalled;
		bool seen;
	} keys[SUBNETS];
	uint32_t count;
};

static void meet(struct fl_etcd_keys *keys, struct model *m, uint32_t i, uint32_t form)
{
	struct fl_prefix subnet;
	const char *key = key_of(i, form, &subnet);
	bool rival = m->keys[i].is_there && m->keys[i].form != form;

	assert_int_equal(fl_etcd_keys_rivalled(keys, key, &subnet), rival);
	if (rival) {
		m->keys[i].rivalled = true;
		return;
	}
	assert_int_equal(fl_etcd_keys_take(keys, key, &subnet), 0);
	if (!m->keys[i].is_there) {
		m->keys[i].is_there = true;
		m->keys[i].form = form;
		m->keys[i].rivalled = false;
		m->count++;
	}
	m->keys[i].seen = true;
}

static void leave(struct fl_etcd_keys *keys, struct model *m, uint32_t i, uint32_t form)
{
	struct fl_prefix subnet;
	const char *key = key_of(i, form, &subnet);
	bool rivalled = false, stood = m->keys[i].is_there && m->keys[i].form == form;

	assert_int_equal(fl_etcd_keys_drop(keys, key, &subnet, &rivalled),
			 !m->keys[i].is_there || stood);
	assert_int_equal(rivalled, stood && m->keys[i].rivalled);
	if (stood)
		m->count--;
	m->keys[i].is_there = m->keys[i].is_there && !stood;
}

static void begin(struct fl_etcd_keys *keys, struct model *m)
{
	fl_etcd_keys_begin(keys);
	for (uint32_t i = 0; i < SUBNETS; i++)
		m->keys[i].seen = false;
}

static void end(struct fl_etcd_keys *keys, struct model *m)
{
	bool rivalled = false;

	for (uint32_t i = 0; i < SUBNETS; i++) {
		if (!m->keys[i].is_there || m->keys[i].seen)
			continue;
		rivalled = rivalled || m->keys[i].rivalled;
		m->keys[i].is_there = false;
		m->count--;
	}
	assert_int_equal(fl_etcd_keys_end(keys), rivalled);
}

static void chance_finds_what_a_simple_table_finds(void **state)
{
	struct fl_etcd_keys keys = {0};
	struct model *m = calloc(1, sizeof(*m));
	uint32_t fullest = 0;

	(void)state;
	assert_non_null(m);
	srandom(1);
	for (uint32_t n = 0; n < 200000; n++) {
		uint32_t what = (uint32_t)random() % 1000, i = (uint32_t)random() % SUBNETS;
		uint32_t form = (uint32_t)random() % (FORMS + 2) % FORMS;

		if (what < 2)
			begin(&keys, m);
		else if (what < 4)
			end(&keys, m);
		else if (what < 600)
			meet(&keys, m, i, form);
		else
			leave(&keys, m, i, form);
		assert_int_equal(keys.count, m->count);
		fullest = keys.count > fullest ? keys.count : fullest;
	}
	assert_true(fullest > SUBNETS / 2);
	fl_etcd_keys_done(&keys);
	free(m);
}

static void the_table_is_full_to_seven_eighths_and_no_more(void **state)
{
	struct fl_etcd_keys keys = {0};
	struct model *m = calloc(1, sizeof(*m));

	(void)state;
	assert_non_null(m);
	for (uint32_t i = 0; i < SUBNETS; i++) {
		meet(&keys, m, i, 0);
		assert_true(keys.count <= (keys.mask + 1) / 8 * 7);
	}
	assert_int_equal(keys.mask + 1, 512); /* 300 are more than 7/8 of 256 */
	fl_etcd_keys_begin(&keys);
	assert_false(fl_etcd_keys_end(&keys));
	assert_int_equal(keys.count, 0);
	fl_etcd_keys_done(&keys);
	free(m);
}

static void lengths_tell_subnets_of_one_address_apart(void **state)
{
	struct fl_prefix longer, shorter, none;
	struct fl_etcd_keys keys = {0};
	bool rivalled;

	(void)state;
	assert_int_equal(fl_lease_key_parse("10.5.2.0-25", &longer, &none), 0);
	assert_int_equal(fl_lease_key_parse("10.5.2.0-24", &shorter, &none), 0);
	assert_int_equal(fl_etcd_keys_take(&keys, "10.5.2.0-25", &longer), 0);
	assert_false(fl_etcd_keys_rivalled(&keys, "10.5.2.0-24", &shorter));
	assert_int_equal(fl_etcd_keys_take(&keys, "10.5.2.0-24", &shorter), 0);
	assert_int_equal(keys.count, 2);
	assert_true(fl_etcd_keys_drop(&keys, "10.5.2.0-25", &longer, &rivalled));
	assert_int_equal(keys.count, 1);
	fl_etcd_keys_done(&keys);
}

/* What the table rests on. */
static void a_key_without_ipv6_has_one_text(void **state)
{
	static const char *const other[] = {"10.5.2.0-024",  "010.5.2.0-24", "10.05.2.0-24",
					    "10.5.2.00-24",  " 10.5.2.0-24", "10.5.2.0-24 ",
					    "10.5.2.0-+24",  "10.5.2-24",    "0xa.5.2.0-24",
					    "10.5.2.0-24\n", "10.5.2.0-24-", "10.5.2.1-24"};
	struct fl_prefix subnet, subnet6;

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(other); i++)
		assert_int_not_equal(fl_lease_key_parse(other[i], &subnet, &subnet6), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chance_finds_what_a_simple_table_finds),
		cmocka_unit_test(the_table_is_full_to_seven_eighths_and_no_more),
		cmocka_unit_test(lengths_tell_subnets_of_one_address_apart),
		cmocka_unit_test(a_key_without_ipv6_has_one_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
