/* tests/unit/test_udp_tables.c - the forwarding table, how it is handed over, ICMP errors, config.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backends/udp/conf.h"
#include "backends/udp/handover.h"
#include "backends/udp/icmp.h"
#include "backends/udp/table.h"

/* ---- the table ---- */

static struct peer *new_peer(uint32_t subnet, uint32_t len, uint32_t public_ip)
{
	struct peer *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->subnet = subnet;
	p->mask = ~0u << (32 - len);
	p->addr.sin_addr.s_addr = htonl(public_ip);
	return p;
}

/* A table of @p peers. */
static struct table *table_of(struct peer *const *peers, uint32_t count)
{
	struct table_entry *entries = calloc(count + 1u, sizeof(*entries));
	struct table *t = NULL;

	assert_non_null(entries);
	for (uint32_t i = 0; i < count; i++)
		entries[i] = (struct table_entry){.subnet = peers[i]->subnet,
						  .mask = peers[i]->mask,
						  .addr_be = peers[i]->addr.sin_addr.s_addr,
						  .peer = peers[i]};
	assert_int_equal(table_create(entries, count, &t), 0);
	free(entries);
	return t;
}

static void finds_each_of_many_peers(void **state)
{
	const uint32_t count = 50000;
	struct peer **peers = calloc(count, sizeof(*peers));
	struct table *t;
	uint32_t i;

	(void)state;
	assert_non_null(peers);
	for (i = 0; i < count; i++)
		peers[i] = new_peer(0x0a000000u + (i << 8), 24, 0xc0000000u + i);
	t = table_of(peers, count);
	assert_true(table_is_flat(t));
	for (i = 0; i < count; i++) {
		assert_ptr_equal(table_find(t, peers[i]->subnet + 1 + i % 254), peers[i]);
		assert_true(table_knows(t, peers[i]->addr.sin_addr.s_addr));
	}
	assert_null(table_find(t, 0x0a000000u + (count << 8)));
	assert_null(table_find(t, 0x09ffffffu));
	assert_false(table_knows(t, htonl(0xc0000000u + count)));
	table_destroy(t);
	for (i = 0; i < count; i++)
		free(peers[i]);
	free(peers);
}

static void the_longest_prefix_counts(void **state)
{
	struct peer *peers[] = {new_peer(0x0a050000, 16, 1), new_peer(0x0a050100, 24, 2),
				new_peer(0x0a050180, 25, 3)};
	struct table *t = table_of(peers, 3);

	(void)state;
	assert_false(table_is_flat(t));
	assert_ptr_equal(table_find(t, 0x0a050201), peers[0]);
	assert_ptr_equal(table_find(t, 0x0a050101), peers[1]);
	assert_ptr_equal(table_find(t, 0x0a050181), peers[2]);
	assert_null(table_find(t, 0x0a060101));
	table_destroy(t);
	for (int i = 0; i < 3; i++)
		free(peers[i]);
}

/* Several hosts behind one address: it is known as long as one of them is there. */
static void an_address_may_be_that_of_several_peers(void **state)
{
	struct peer *peers[] = {new_peer(0x0a050100, 24, 7), new_peer(0x0a050200, 24, 7),
				new_peer(0x0a050300, 24, 8)};
	struct table *t = table_of(peers, 3);

	(void)state;
	assert_true(table_knows(t, htonl(7)));
	assert_true(table_knows(t, htonl(8)));
	assert_false(table_knows(t, htonl(9)));
	assert_ptr_equal(table_find(t, 0x0a050101), peers[0]);
	assert_ptr_equal(table_find(t, 0x0a050201), peers[1]);
	table_destroy(t);
	t = table_of(peers + 1, 1);
	assert_true(table_knows(t, htonl(7)));
	table_destroy(t);
	for (int i = 0; i < 3; i++)
		free(peers[i]);
}

static void an_empty_table_finds_nobody(void **state)
{
	struct table *t = table_of(NULL, 0);

	(void)state;
	assert_null(table_find(t, 0));
	assert_false(table_knows(t, 0));
	table_destroy(t);
	table_destroy(NULL);
}

static void peers_go_with_the_last_table_that_names_them(void **state)
{
	struct peer *p = new_peer(0x0a050100, 24, 2);
	struct table *t = table_of(&p, 1);

	(void)state;
	table_doom(t, p);
	table_destroy(t); /* valgrind would see p left over */
}

/* ---- handing over ---- */

struct thing {
	uint32_t freed;
	uint32_t number;
};

static void on_free(void *owner, void *table)
{
	uint32_t *count = owner;
	struct thing *t = table;

	__atomic_store_n(&t->freed, 1, __ATOMIC_SEQ_CST);
	(*count)++;
}

static void an_old_table_stays_while_somebody_holds_it(void **state)
{
	struct thing things[3] = {{0}};
	struct handover h;
	uint32_t freed = 0;

	(void)state;
	handover_init(&h, &things[0], on_free, &freed);
	assert_ptr_equal(handover_hold(&h, 0), &things[0]);
	assert_int_equal(handover_publish(&h, &things[1]), 0);
	assert_int_equal(handover_publish(&h, &things[2]), 0);
	assert_int_equal(freed,
			 0); /* the second only after the first: it may name the same peers */
	assert_true(handover_collect(&h));
	handover_release(&h, 0);
	assert_ptr_equal(handover_hold(&h, 1), &things[2]);
	assert_false(handover_collect(&h));
	assert_int_equal(freed, 2);
	handover_release(&h, 1);
	handover_done(&h);
	assert_int_equal(freed, 3);
}

#define SWAPS 20000u

struct race {
	struct handover h;
	uint32_t stop;
	uint32_t bad;
};

static void *read_on(void *arg)
{
	struct race *r = arg;

	while (!__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE)) {
		struct thing *t = handover_hold(&r->h, 3);

		for (int i = 0; i < 20; i++)
			if (__atomic_load_n(&t->freed, __ATOMIC_SEQ_CST))
				__atomic_store_n(&r->bad, 1, __ATOMIC_RELAXED);
		handover_release(&r->h, 3);
	}
	return NULL;
}

static void a_reader_never_sees_a_freed_table(void **state)
{
	struct thing *things = calloc(SWAPS + 1, sizeof(*things));
	static struct race r;
	uint32_t freed = 0;
	pthread_t thread;

	(void)state;
	assert_non_null(things);
	handover_init(&r.h, &things[0], on_free, &freed);
	assert_int_equal(pthread_create(&thread, NULL, read_on, &r), 0);
	for (uint32_t i = 1; i <= SWAPS; i++)
		assert_int_equal(handover_publish(&r.h, &things[i]), 0);
	__atomic_store_n(&r.stop, 1, __ATOMIC_RELEASE);
	assert_int_equal(pthread_join(thread, NULL), 0);
	handover_done(&r.h);
	assert_int_equal(r.bad, 0);
	assert_int_equal(freed, SWAPS + 1);
	free(things);
}

/* ---- ICMP ---- */

static struct packet_ip *about(uint8_t bytes[1500], uint8_t protocol, uint16_t frag)
{
	struct packet_ip *ip = (struct packet_ip *)bytes;

	memset(bytes, 0xab, 1500);
	*ip = (struct packet_ip){.version_ihl = 0x45,
				 .len_be = htons(1500),
				 .frag_be = htons(frag),
				 .ttl = 1,
				 .protocol = protocol,
				 .src_be = htonl(0x0a050102),
				 .dst_be = htonl(0x0a050202)};
	packet_ip_seal(ip);
	return ip;
}

static void an_error_quotes_what_it_is_about(void **state)
{
	uint8_t bytes[1500], error[ICMP_ERROR_MAX];
	const struct packet_ip *ip = about(bytes, PACKET_UDP, PACKET_DF), *e;
	size_t len = icmp_make(ip, (struct icmp_error){ICMP_UNREACHABLE, ICMP_FRAG_NEEDED, 1400},
			       htonl(0x0a050100), error);

	(void)state;
	assert_int_equal(len, ICMP_ERROR_MAX);
	e = packet_check(error, len);
	assert_non_null(e);
	assert_int_equal(e->protocol, PACKET_ICMP);
	assert_int_equal(e->src_be, htonl(0x0a050100));
	assert_int_equal(e->dst_be, ip->src_be);
	assert_int_equal(packet_sum_fold(packet_sum(0, error + 20, len - 20)), 0);
	assert_int_equal(error[20], 3);
	assert_int_equal(error[21], 4);
	assert_int_equal(error[26] << 8 | error[27], 1400);
	assert_memory_equal(error + 28, bytes, len - 28);
}

static void no_error_is_about_what_owes_none(void **state)
{
	const struct icmp_error e = {ICMP_TIME_EXCEEDED, ICMP_TTL, 0};
	uint8_t bytes[1500], error[ICMP_ERROR_MAX];
	struct packet_ip *ip = about(bytes, PACKET_UDP, 0);
	static const uint32_t no_hosts[] = {0, 0x7f000001, 0xe0000001, 0xffffffff};

	(void)state;
	assert_int_not_equal(icmp_make(ip, e, 1, error), 0);
	assert_int_equal(icmp_make(about(bytes, PACKET_UDP, 1), e, 1, error), 0);
	ip = about(bytes, PACKET_ICMP, 0);
	bytes[20] = 3;
	assert_int_equal(icmp_make(ip, e, 1, error), 0);
	bytes[20] = 11;
	assert_int_equal(icmp_make(ip, e, 1, error), 0);
	bytes[20] = 8; /* an echo request is no error */
	assert_int_not_equal(icmp_make(ip, e, 1, error), 0);
	for (size_t i = 0; i < FL_ARRAY_SIZE(no_hosts); i++) {
		ip = about(bytes, PACKET_UDP, 0);
		ip->src_be = htonl(no_hosts[i]);
		assert_int_equal(icmp_make(ip, e, 1, error), 0);
		ip = about(bytes, PACKET_UDP, 0);
		ip->dst_be = htonl(no_hosts[i]);
		assert_int_equal(icmp_make(ip, e, 1, error), 0);
	}
}

static void errors_are_limited(void **state)
{
	static struct icmp_limit l;
	uint64_t now = 1000000;
	uint32_t said = 0, i;

	(void)state;
	for (i = 0; i < 1000; i++)
		said += icmp_may(&l, htonl(0x0a050102), now);
	assert_int_equal(said, 20);
	for (i = 0; i < 1000; i++)
		said += icmp_may(&l, htonl(0x0a050102), ++now);
	assert_in_range(said, 110, 130);
	now += 100000;
	for (i = 0, said = 0; i < 100000; i++)
		said += icmp_may(&l, i * 0x01010101u, now);
	assert_int_equal(said, 100);
}

/* ---- config ---- */

static int parse(const char *text, struct udp_conf *ret)
{
	struct fl_json *doc = NULL;
	int r;

	assert_int_equal(fl_json_parse(text, strlen(text), &doc, NULL), 0);
	r = udp_conf_parse(doc, ret);
	fl_json_destroy(doc);
	return r;
}

static void the_config_has_defaults_and_limits(void **state)
{
	static const char *const bad[] = {
		"{\"Port\":65536}", "{\"Port\":\"8285\"}", "{\"Port\":-1}",	    "{\"MTU\":95}",
		"{\"Threads\":17}", "{\"Threads\":1.5}",   "{\"AllowAnySource\":1}"};
	struct udp_conf c;

	(void)state;
	assert_int_equal(udp_conf_parse(NULL, &c), 0);
	assert_int_equal(c.port, 8285);
	assert_int_equal(c.threads, 1);
	assert_false(c.any_source);
	assert_int_equal(udp_mtu(&c, 1500), 1472);
	assert_int_equal(udp_mtu(&c, 95), 0);
	assert_int_equal(parse("{\"type\":\"udp\",\"port\":9000,\"MTU\":1400,\"Threads\":2,"
			       "\"AllowAnySource\":true}",
			       &c),
			 0);
	assert_int_equal(c.port, 9000);
	assert_int_equal(c.threads, 2);
	assert_true(c.any_source);
	assert_int_equal(udp_mtu(&c, 1500), 1372);
	assert_int_equal(udp_mtu(&c, 1300), 1272);
	for (size_t i = 0; i < FL_ARRAY_SIZE(bad); i++)
		assert_int_equal(parse(bad[i], &c), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_each_of_many_peers),
		cmocka_unit_test(the_longest_prefix_counts),
		cmocka_unit_test(an_address_may_be_that_of_several_peers),
		cmocka_unit_test(an_empty_table_finds_nobody),
		cmocka_unit_test(peers_go_with_the_last_table_that_names_them),
		cmocka_unit_test(an_old_table_stays_while_somebody_holds_it),
		cmocka_unit_test(a_reader_never_sees_a_freed_table),
		cmocka_unit_test(an_error_quotes_what_it_is_about),
		cmocka_unit_test(no_error_is_about_what_owes_none),
		cmocka_unit_test(errors_are_limited),
		cmocka_unit_test(the_config_has_defaults_and_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
