/* tests/unit/test_fib_watch.c - what the kernel announces that others have done is undone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fib_internal.h"
#include "fib_run.h"
#include "io/rtnl.h"

static struct object *find(enum what what, uint32_t n)
{
	for (uint32_t i = 0; i < kernel.count; i++)
		if (kernel.objects[i].what == what && n-- == 0)
			return &kernel.objects[i];
	return NULL;
}

static void announce(struct fixture *f, const struct object *o, bool gone, uint16_t flags)
{
	char buf[FL_RTNL_MSG_MAX] __attribute__((aligned(8)));
	struct nlmsghdr *nlh;

	if (o->what == ROUTE)
		nlh = fl_rtmsg_route_put(buf, gone ? RTM_DELROUTE : RTM_NEWROUTE, flags, &o->route);
	else if (o->what == NEXTHOP)
		nlh = fl_rtmsg_nexthop_put(buf, gone ? RTM_DELNEXTHOP : RTM_NEWNEXTHOP, flags,
					   &o->nh);
	else
		nlh = fl_rtmsg_neigh_put(buf, gone ? RTM_DELNEIGH : RTM_NEWNEIGH, flags, &o->neigh);
	assert_non_null(nlh);
	fl_fib_notice(f->fib, nlh);
}

static void destroy(struct fixture *f, struct object *o)
{
	const struct object gone = *o;

	o->what = NOTHING;
	announce(f, &gone, true, 0);
}

static void filled(struct fixture *f, uint32_t count)
{
	for (uint32_t i = 1; i <= count; i++)
		peer(f, i, declare);
	assert_int_equal(fl_fib_adopt(f->fib, DEV), 0);
	commit(f);
	kernel.ops[0] = '\0';
}

static void assert_whole(const struct fixture *f, uint32_t count)
{
	assert_int_equal(stats(f).installed, 3 * count);
	assert_int_equal(kernel_count(ROUTE), count);
	assert_int_equal(kernel_count(NEIGH), count);
	assert_int_equal(kernel_count(FDB), count);
	assert_int_equal(kernel_count(NEXTHOP), count);
}

/* ---- tests ---- */

static void what_is_removed_is_put_back_in_one_batch(void **state)
{
	struct fixture *f = *state;
	uint32_t batches;

	filled(f, 20);
	for (uint32_t i = 0; i < 20; i++)
		destroy(f, find(ROUTE, 0));
	destroy(f, find(NEIGH, 3));
	destroy(f, find(FDB, 5));
	batches = kernel.batches;
	run_ms(f, 50);
	assert_whole(f, 20);
	assert_int_equal(stats(f).repaired, 22);
	assert_in_range(kernel.batches - batches, 1, 3);
	assert_int_equal(logged(f, "22 rows were removed or changed by others"), 1);
}

static void what_is_changed_is_set_back(void **state)
{
	struct fixture *f = *state;

	filled(f, 3);
	find(NEIGH, 1)->neigh.mac = mac(66);
	announce(f, find(NEIGH, 1), false, 0);
	find(FDB, 1)->neigh.dst = addr("192.168.66.66");
	announce(f, find(FDB, 1), false, 0);
	run_ms(f, 50);
	assert_whole(f, 3);
	assert_true(fl_mac_equal(&find(NEIGH, 1)->neigh.mac, &find(FDB, 1)->neigh.mac));
	assert_int_equal(stats(f).repaired, 2);
}

static void a_nexthop_that_goes_takes_its_routes_along(void **state)
{
	struct fixture *f = *state;

	filled(f, 10);
	for (uint32_t i = 0; i < 10; i++)
		find(ROUTE, 0)->what = NOTHING; /* not announced */
	for (uint32_t i = 0; i < 10; i++)
		destroy(f, find(NEXTHOP, 0));
	run_ms(f, 50);
	assert_whole(f, 10);
}

static void echoes_of_our_own_doing_do_no_harm(void **state)
{
	struct fixture *f = *state;
	struct object gone;

	filled(f, 3);
	for (uint32_t i = 0; i < kernel.count; i++)
		if (kernel.objects[i].what != NOTHING)
			announce(f, &kernel.objects[i], false, NLM_F_CREATE);
	gone = *find(ROUTE, 1);
	peer(f, 2, withdraw);
	commit(f);
	kernel.ops[0] = '\0';
	announce(f, &gone, true, 0);
	run_ms(f, 50);
	assert_string_equal(kernel.ops, "");
	assert_int_equal(stats(f).repaired, 0);
	assert_whole(f, 2);
}

static void what_is_not_ours_is_no_matter(void **state)
{
	struct fixture *f = *state;
	struct object o;

	filled(f, 2);
	o = *find(ROUTE, 0);
	o.route.metric = 100;
	announce(f, &o, true, 0);
	o.route.metric = 0;
	o.route.protocol =
		RTPROT_STATIC; /* somebody's own of the same prefix, appended and removed */
	announce(f, &o, false, NLM_F_CREATE | NLM_F_APPEND);
	announce(f, &o, true, 0);
	o.route.dst = prefix("10.99.0.0/24");
	announce(f, &o, true, 0);
	o = *find(NEIGH, 0);
	o.neigh.ifindex = OTHER_DEV;
	announce(f, &o, true, 0);
	run_ms(f, 50);
	assert_string_equal(kernel.ops, "");
	assert_int_equal(stats(f).repaired, 0);
}

static void a_route_that_was_put_over_ours_on_our_device_is_replaced(void **state)
{
	struct fixture *f = *state;
	struct object *o;

	filled(f, 2);
	o = find(ROUTE, 0);
	o->route.protocol = RTPROT_STATIC;
	o->route.nhid = 0;
	o->route.via = addr("10.77.0.1");
	announce(f, o, false, NLM_F_REPLACE);
	run_ms(f, 50);
	assert_int_equal(find(ROUTE, 0)->route.protocol, FL_RTPROT);
	assert_int_equal(stats(f).installed, 6);
}

static void who_fights_us_sets_a_slower_pace(void **state)
{
	struct fixture *f = *state;
	uint32_t i;

	filled(f, 1);
	for (i = 0; i < 200; i++) {
		struct object *o = find(ROUTE, 0);

		if (o)
			destroy(f, o);
		run_ms(f, 10);
	}
	assert_in_range(stats(f).repaired, FIB_PATIENCE + 1, 60);
	assert_int_equal(logged(f, "again and again"), 1);
	for (i = 0; i < 60 && kernel_count(ROUTE) == 0; i++) /* the slowest pace is 5 s */
		run_ms(f, 100);
	assert_int_equal(kernel_count(ROUTE), 1);
}

/* ---- against a model ---- */

static uint64_t seed_of_run(void)
{
	const char *given = getenv("TEST_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);

	print_message("TEST_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

static uint32_t pick(uint64_t *state, uint32_t below)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33) % below;
}

#define PEERS 40u

/* Whatever is declared, withdrawn, damaged and overlooked: in the end the kernel has just what is
 * declared. */
static void after_any_history_the_kernel_equals_the_declaration(void **state)
{
	struct fixture *f = *state;
	bool wanted[PEERS + 1] = {false};
	uint64_t random = seed_of_run();
	uint32_t count = 0, i;

	assert_int_equal(fl_fib_adopt(f->fib, DEV), 0);
	for (uint32_t step = 0; step < 10000; step++) {
		uint32_t n = 1 + pick(&random, PEERS);
		struct object *o = &kernel.objects[pick(&random, kernel.count + 1)];

		switch (pick(&random, 8)) {
		case 0:
		case 1:
			peer(f, n, wanted[n] ? withdraw : declare);
			wanted[n] = !wanted[n];
			break;
		case 2:
			fl_fib_commit(f->fib);
			break;
		case 3:
		case 4:
			if (o->what == ROUTE || o->what == NEIGH || o->what == FDB)
				destroy(f, o);
			break;
		case 5: /* unnoticed, as after an overrun */
			if (o->what == ROUTE || o->what == NEIGH || o->what == FDB)
				o->what = NOTHING;
			break;
		case 6:
			(void)ev_run(f->loop, EVRUN_NOWAIT);
			break;
		default:
			if (step % 50 == 0)
				assert_int_equal(fl_fib_adopt(f->fib, DEV), 0);
		}
	}
	assert_int_equal(fl_fib_adopt(f->fib, DEV), 0);
	kernel.ops[0] = '\0';
	commit(f);
	heal(f, 0);
	for (i = 1; i <= PEERS; i++)
		count += wanted[i];
	assert_whole(f, count);
}

static void nexthop_goes(struct fixture *f)
{
	const struct object *o = find(NEXTHOP, 0);

	if (!o)
		return;
	for (uint32_t i = 0; i < kernel.count; i++)
		if (kernel.objects[i].what == ROUTE && kernel.objects[i].route.nhid == o->nh.id)
			kernel.objects[i].what = NOTHING; /* not announced */
	destroy(f, find(NEXTHOP, 0));
}

/* Something that others do, and that is announced; or somebody declares or withdraws. */
static void something_happens(struct fixture *f, uint64_t *random, bool wanted[])
{
	struct object *o = &kernel.objects[pick(random, kernel.count + 1)];
	uint32_t n = 1 + pick(random, PEERS);

	switch (pick(random, 12)) {
	case 0:
		peer(f, n, wanted[n] ? withdraw : declare);
		wanted[n] = !wanted[n];
		break;
	case 1:
		fl_fib_commit(f->fib);
		break;
	case 2:
	case 3:
		if (o->what == ROUTE || o->what == NEIGH || o->what == FDB)
			destroy(f, o);
		break;
	case 4:
		if (pick(random, 8) == 0)
			nexthop_goes(f);
		break;
	case 5:
		if (o->what == NEIGH) {
			o->neigh.mac = mac(66);
			announce(f, o, false, 0);
		}
		break;
	case 6:
		(void)ev_run(f->loop, EVRUN_NOWAIT);
		break;
	default:
		break;
	}
}

/* One that is sometimes broken off and begun anew. */
static void compare(struct fixture *f, uint64_t *random, bool wanted[])
{
	struct fl_fib_adoption *a = NULL;
	int r = 1;

	while (r > 0) {
		if (a && pick(random, 60) == 0) {
			fl_fib_adopt_end(a);
			a = NULL;
		}
		if (!a)
			assert_int_equal(fl_fib_adopt_begin(f->fib, DEV, &a), 0);
		something_happens(f, random, wanted);
		r = fl_fib_adopt_step(a);
		if (r == -EINTR) { /* nexthops went too often */
			fl_fib_adopt_end(a);
			a = NULL;
			r = 1;
		}
		assert_in_range(r, 0, 1);
	}
	something_happens(f, random, wanted);
	fl_fib_adopt_end(a);
}

/* @return how many peers are wanted */
static uint32_t tell_wanted(struct fixture *f, const bool wanted[],
			    void (*tell)(struct fixture *, struct fl_row))
{
	uint32_t count = 0;

	for (uint32_t i = 1; i <= PEERS; i++) {
		count += wanted[i];
		if (wanted[i] && tell)
			peer(f, i, tell);
	}
	return count;
}

/* No later comparison is needed. */
static void what_happens_within_a_comparison_is_put_right(void **state)
{
	struct fixture *f = *state;
	bool wanted[PEERS + 1] = {false};
	uint64_t random = seed_of_run();

	for (uint32_t round = 0; round < 200; round++) {
		kernel.piece = 1 + pick(&random, 8);
		if (round % 50 == 49) {
			fib_restart(f);
			(void)tell_wanted(f, wanted, declare);
		}
		compare(f, &random, wanted);
		commit(f);
		heal(f, 0);
		assert_whole(f, tell_wanted(f, wanted, NULL));
	}
}

/* One that finds all well is nobody's business. */
static void while_a_comparison_runs_all_is_told_as_it_was(void **state)
{
	struct fixture *f = *state;
	struct fl_fib_adoption *a = NULL;
	const struct fl_row row = neigh("10.0.5.0", 5);
	int r = 1;

	filled(f, 20);
	kernel.piece = 3;
	assert_int_equal(fl_fib_adopt_begin(f->fib, DEV, &a), 0);
	while (r > 0) {
		r = fl_fib_adopt_step(a);
		assert_int_equal(stats(f).installed, 60);
		assert_true(fl_fib_stands(f->fib, &row));
	}
	assert_int_equal(r, 0);
	peer(f, 5, withdraw);
	assert_int_equal(stats(f).installed, 57);
	fl_fib_adopt_end(a);
	commit(f);
	assert_whole(f, 19);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_removed_is_put_back_in_one_batch),
		TEST(what_is_changed_is_set_back),
		TEST(a_nexthop_that_goes_takes_its_routes_along),
		TEST(echoes_of_our_own_doing_do_no_harm),
		TEST(what_is_not_ours_is_no_matter),
		TEST(a_route_that_was_put_over_ours_on_our_device_is_replaced),
		TEST(who_fights_us_sets_a_slower_pace),
		TEST(after_any_history_the_kernel_equals_the_declaration),
		TEST(what_happens_within_a_comparison_is_put_right),
		TEST(while_a_comparison_runs_all_is_told_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
