/* tests/unit/test_hash.c - the table of embedded nodes and the hash that feeds it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/hash.h"

struct thing {
	struct fl_hash_node node;
	uint32_t id;
};

static struct thing *find(const struct fl_hash *t, uint32_t id)
{
	uint32_t hash = fl_hash_bytes(&id, sizeof(id));
	struct fl_hash_node *n;

	for (n = fl_hash_find(t, hash); n; n = fl_hash_find_next(n))
		if (fl_container_of(n, struct thing, node)->id == id)
			return fl_container_of(n, struct thing, node);
	return NULL;
}

static void add(struct fl_hash *t, struct thing *thing, uint32_t id)
{
	thing->id = id;
	assert_int_equal(fl_hash_add(t, &thing->node, fl_hash_bytes(&id, sizeof(id))), 0);
}

static void an_empty_table_finds_and_walks_nothing(void **state)
{
	struct fl_hash t = {0};
	struct fl_hash_iter it;

	(void)state;
	assert_null(fl_hash_find(&t, 0));
	assert_null(fl_hash_find(&t, UINT32_MAX));
	assert_null(fl_hash_first(&t, &it));
	assert_null(fl_hash_step(&t, &it));
	fl_hash_done(&t);
	fl_hash_done(&t);
}

static void all_are_found_while_it_grows(void **state)
{
	enum { N = 20000 };
	struct thing *things = calloc(N, sizeof(*things));
	struct fl_hash t = {0};

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		assert_null(find(&t, i));
		add(&t, &things[i], i);
		assert_ptr_equal(find(&t, i), &things[i]);
	}
	assert_int_equal(t.count, N);
	assert_true(t.mask + 1 >= N && (t.mask & (t.mask + 1)) == 0);
	for (uint32_t i = 0; i < N; i++)
		assert_ptr_equal(find(&t, i), &things[i]);
	for (uint32_t i = 0; i < N; i += 2)
		fl_hash_del(&t, &things[i].node);
	assert_int_equal(t.count, N / 2);
	for (uint32_t i = 0; i < N; i++)
		assert_ptr_equal(find(&t, i), i % 2 ? &things[i] : NULL);
	fl_hash_done(&t);
	assert_int_equal(t.count, 0);
	free(things);
}

static void equal_hashes_live_side_by_side(void **state)
{
	struct thing things[40] = {0};
	struct fl_hash t = {0};
	struct fl_hash_node *n;
	uint32_t count = 0;

	(void)state;
	for (uint32_t i = 0; i < 40; i++)
		assert_int_equal(fl_hash_add(&t, &things[i].node, i % 2 ? 7 : 7 + 4096), 0);
	for (n = fl_hash_find(&t, 7); n; n = fl_hash_find_next(n))
		count++;
	assert_int_equal(count, 20);
	for (uint32_t i = 1; i < 40; i += 2)
		fl_hash_del(&t, &things[i].node);
	assert_null(fl_hash_find(&t, 7));
	assert_non_null(fl_hash_find(&t, 7 + 4096));
	fl_hash_done(&t);
}

static void a_walk_sees_each_once_and_may_delete(void **state)
{
	enum { N = 1000 };
	struct fl_hash t = {0};
	struct fl_hash_iter it;
	bool seen[N] = {false};
	uint32_t left = 0;

	(void)state;
	for (uint32_t i = 0; i < N; i++)
		add(&t, calloc(1, sizeof(struct thing)), i);
	fl_hash_each (n, &it, &t) {
		struct thing *thing = fl_container_of(n, struct thing, node);

		assert_false(seen[thing->id]);
		seen[thing->id] = true;
		if (thing->id % 3) {
			fl_hash_del(&t, n);
			free(thing);
		}
	}
	for (uint32_t i = 0; i < N; i++)
		assert_true(seen[i]);
	fl_hash_each (n, &it, &t) {
		assert_int_equal(fl_container_of(n, struct thing, node)->id % 3, 0);
		free(fl_container_of(n, struct thing, node));
		left++;
	}
	assert_int_equal(left, t.count);
	assert_int_equal(left, 334);
	fl_hash_done(&t);
}

static void hashes_depend_on_every_byte_and_the_length(void **state)
{
	uint8_t key[24] = {0};
	uint32_t plain;

	(void)state;
	for (size_t len = 0; len < sizeof(key); len++)
		assert_int_not_equal(fl_hash_bytes(key, len), fl_hash_bytes(key, len + 1));
	plain = fl_hash_bytes(key, sizeof(key));
	assert_int_equal(fl_hash_bytes(key, sizeof(key)), plain);
	for (size_t i = 0; i < sizeof(key); i++) {
		key[i] = 1;
		assert_int_not_equal(fl_hash_bytes(key, sizeof(key)), plain);
		key[i] = 0;
	}
}

/* Subnets differ in few bits; the low bits of the hash pick the bucket. */
static void neighbouring_keys_spread_over_the_buckets(void **state)
{
	enum { N = 65536 };
	uint8_t *load = calloc(N, 1);
	uint32_t longest = 0, empty = 0;

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		uint8_t key[5] = {24, 10, (uint8_t)(i >> 8), (uint8_t)i, 0};
		uint32_t bucket = fl_hash_bytes(key, sizeof(key)) % N;

		load[bucket]++;
		longest = load[bucket] > longest ? load[bucket] : longest;
	}
	for (uint32_t i = 0; i < N; i++)
		empty += load[i] == 0;
	/* at random 1/e of the buckets, 24109, stay empty, and the longest chain is about 9 */
	assert_in_range(empty, 23000, 25200);
	assert_true(longest < 16);
	free(load);
}

static uint32_t hash_in_another_process(const char *self)
{
	char command[4200];
	unsigned int hash = 0;
	FILE *out;

	snprintf(command, sizeof(command), "'%s' print-hash", self);
	out = popen(command, "r");
	assert_non_null(out);
	assert_int_equal(fscanf(out, "%u", &hash), 1);
	pclose(out);
	return hash;
}

static void each_process_has_its_own_seed(void **state)
{
	char self[4096] = "";

	(void)state;
	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	if (hash_in_another_process(self) == hash_in_another_process(self))
		assert_int_not_equal(hash_in_another_process(self), hash_in_another_process(self));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_table_finds_and_walks_nothing),
		cmocka_unit_test(all_are_found_while_it_grows),
		cmocka_unit_test(equal_hashes_live_side_by_side),
		cmocka_unit_test(a_walk_sees_each_once_and_may_delete),
		cmocka_unit_test(hashes_depend_on_every_byte_and_the_length),
		cmocka_unit_test(neighbouring_keys_spread_over_the_buckets),
		cmocka_unit_test(each_process_has_its_own_seed),
	};

	if (argc == 2 && !strcmp(argv[1], "print-hash")) {
		printf("%u\n", fl_hash_bytes("flannel", 7));
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
