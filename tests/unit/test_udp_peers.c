/* tests/unit/test_udp_peers.c - peers that come and go, and the tables that are made of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <ev.h>
#include <stdlib.h>
#include <time.h>

#include "backends/udp/peers.h"
#include "core/env.h"

#define SUBNETS 300u /* 10.5.0.0/24 and on */

struct fixture {
	struct fl_env env;
	struct handover tables;
	struct peers *peers;
	uint32_t holders[SUBNETS]; /* public address; 0: nobody */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->env.loop = ev_loop_new(0);
	assert_int_equal(peers_create(&f->env, 8285, &f->tables, &f->peers), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	peers_destroy(f->peers);
	ev_loop_destroy(f->env.loop);
	free(f);
	return 0;
}

static struct fl_lease lease_of(uint32_t number, uint32_t public_ip)
{
	return (struct fl_lease){
		.subnet = {.addr = fl_addr_from_v4(0x0a050000u + (number << 8)), .len = 24},
		.public_ip = fl_addr_from_v4(public_ip)};
}

static void set(struct fixture *f, uint32_t number, uint32_t public_ip)
{
	struct fl_lease before = lease_of(number, f->holders[number]),
			now = lease_of(number, public_ip);

	if (f->holders[number])
		peers_del(f->peers, &before);
	if (public_ip)
		assert_int_equal(peers_add(f->peers, &now), 0);
	f->holders[number] = public_ip;
}

/* Until no table is owed, and none is left over. */
static void turn(struct fixture *f)
{
	ev_run(f->env.loop, 0);
}

static void check(struct fixture *f)
{
	const struct table *t = f->tables.current;

	for (uint32_t i = 0; i < SUBNETS; i++) {
		const struct peer *peer = table_find(t, 0x0a050001u + (i << 8));

		assert_int_equal(peer != NULL, f->holders[i] != 0);
		if (!peer)
			continue;
		assert_int_equal(peer->subnet, 0x0a050000u + (i << 8));
		assert_int_equal(ntohl(peer->addr.sin_addr.s_addr), f->holders[i]);
		assert_int_equal(ntohs(peer->addr.sin_port), 8285);
		assert_true(table_knows(t, htonl(f->holders[i])));
	}
}

static void the_table_follows_whoever_comes_and_goes(void **state)
{
	struct fixture *f = *state;
	unsigned int seed = (unsigned int)time(NULL);

	print_message("seed %u\n", seed);
	for (uint32_t round = 0; round < 50; round++) {
		for (uint32_t i = 0; i < 100; i++)
			set(f, (uint32_t)rand_r(&seed) % SUBNETS,
			    rand_r(&seed) % 3 ? 0xc0000201u + (uint32_t)rand_r(&seed) % 40 : 0);
		turn(f);
		check(f);
	}
	for (uint32_t i = 0; i < SUBNETS; i++)
		set(f, i, 0);
	turn(f);
	check(f);
	assert_false(table_knows(f->tables.current, htonl(0xc0000201u)));
}

static void what_comes_at_once_is_one_table(void **state)
{
	struct fixture *f = *state;
	const void *before = f->tables.current, *held;

	for (uint32_t i = 0; i < SUBNETS; i++)
		set(f, i, 0xc0000201u + i);
	assert_ptr_equal(f->tables.current, before); /* the loop has not turned */
	held = handover_hold(&f->tables, 0);
	ev_run(f->env.loop, EVRUN_ONCE);
	assert_ptr_not_equal(f->tables.current, before);
	check(f);
	assert_null(table_find(held, 0x0a050001)); /* who holds the old one still may look at it */
	handover_release(&f->tables, 0);
	turn(f);
}

static void who_is_not_there_is_not_removed(void **state)
{
	struct fixture *f = *state;
	struct fl_lease nobody = lease_of(7, 0xc0000201u);

	set(f, 6, 0xc0000202u);
	peers_del(f->peers, &nobody);
	turn(f);
	check(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_table_follows_whoever_comes_and_goes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_comes_at_once_is_one_table, setup, teardown),
		cmocka_unit_test_setup_teardown(who_is_not_there_is_not_removed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
