/* backends/udp/peers.c - the peers as the loop knows them. */
#include "peers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GATHER_MS  1u  /* what comes at once is one table */
#define REST	   4u  /* times as long as the last table took, before the next one is made */
#define COLLECT_MS 20u /* a lane holds a table for as long as one turn takes */
#define RETRY_MS   1000u

struct peers {
	struct handover *tables;
	struct fl_timer *timer;
	void *tree;		     /* of struct peer, by subnet: tsearch(3) */
	struct table_entry *entries; /* of all in the tree, in no order */
	uint32_t count;
	uint32_t room;
	struct peer *gone; /* by next: in the current table, but not in the next one */
	uint16_t port_be;
	bool changed;
	uint64_t rested_ms; /* when the next table may be made (CLOCK_MONOTONIC) */
};

static int compare(const void *a, const void *b)
{
	const struct peer *x = a, *y = b;

	if (x->subnet != y->subnet)
		return x->subnet < y->subnet ? -1 : 1;
	return x->mask < y->mask ? -1 : x->mask > y->mask;
}

static struct peer key_of(const struct fl_lease *lease)
{
	return (struct peer){
		.subnet = fl_addr_v4(&lease->subnet.addr),
		.mask = lease->subnet.len ? ~0u << (32 - lease->subnet.len) : 0,
	};
}

/* ---- tables ---- */

static uint64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

static int publish(struct peers *p)
{
	uint64_t began_ms = now_ms();
	struct table *table = NULL;
	int r = table_create(p->entries, p->count, &table);

	if (r < 0)
		return r;
	table_doom(p->tables->current, p->gone);
	r = handover_publish(p->tables, table);
	if (r < 0) {
		table_doom(p->tables->current, NULL);
		table_destroy(table);
		return r;
	}
	p->gone = NULL;
	p->changed = false;
	p->rested_ms = now_ms() + REST * (now_ms() - began_ms);
	return 0;
}

static void on_timer(void *owner)
{
	struct peers *p = owner;
	int r = p->changed ? publish(p) : 0;

	if (r < 0) {
		fl_err("udp", "changes of peers wait: %s; retrying", strerror(-r));
		fl_timer_start(p->timer, RETRY_MS);
	} else if (handover_collect(p->tables)) {
		fl_timer_start(p->timer, COLLECT_MS);
	}
}

static void note(struct peers *p)
{
	uint64_t now = now_ms();

	if (!p->changed)
		fl_timer_start(p->timer,
			       GATHER_MS +
				       (p->rested_ms > now ? (uint32_t)(p->rested_ms - now) : 0));
	p->changed = true;
}

/* ---- in ---- */

static int make_room(struct peers *p)
{
	uint32_t room = p->room ? 2 * p->room : 16;
	struct table_entry *entries;

	if (p->count < p->room)
		return 0;
	entries = reallocarray(p->entries, room, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	p->entries = entries;
	p->room = room;
	return 0;
}

int peers_add(struct peers *p, const struct fl_lease *lease)
{
	struct peer *peer = make_room(p) == 0 ? malloc(sizeof(*peer)) : NULL;

	if (!peer)
		return -ENOMEM;
	*peer = key_of(lease);
	peer->addr.sin_family = AF_INET;
	peer->addr.sin_port = p->port_be;
	peer->addr.sin_addr.s_addr = htonl(fl_addr_v4(&lease->public_ip));
	peer->at = p->count;
	if (!tsearch(peer, &p->tree, compare)) {
		free(peer);
		return -ENOMEM;
	}
	p->entries[p->count++] = (struct table_entry){.subnet = peer->subnet,
						      .mask = peer->mask,
						      .addr_be = peer->addr.sin_addr.s_addr,
						      .peer = peer};
	note(p);
	return 0;
}

void peers_del(struct peers *p, const struct fl_lease *lease)
{
	struct peer key = key_of(lease), *peer;
	void *node = tfind(&key, &p->tree, compare);

	if (!node)
		return;
	peer = *(struct peer **)node;
	(void)tdelete(peer, &p->tree, compare);
	p->entries[peer->at] = p->entries[--p->count];
	p->entries[peer->at].peer->at = peer->at;
	peer->next = p->gone;
	p->gone = peer;
	note(p);
}

/* ---- life ---- */

static void free_table(void *owner, void *table)
{
	(void)owner;
	table_destroy(table);
}

int peers_create(struct fl_env *env, uint16_t port, struct handover *tables, struct peers **ret)
{
	struct peers *p = calloc(1, sizeof(*p));
	struct table *empty = NULL;
	int r;

	if (!p)
		return -ENOMEM;
	r = fl_timer_create(env, on_timer, p, &p->timer);
	if (r == 0)
		r = table_create(NULL, 0, &empty);
	if (r < 0) {
		fl_timer_destroy(p->timer);
		free(p);
		return r;
	}
	handover_init(tables, empty, free_table, p);
	p->tables = tables;
	p->port_be = htons(port);
	*ret = p;
	return 0;
}

void peers_destroy(struct peers *p)
{
	if (!p)
		return;
	fl_timer_destroy(p->timer);
	table_doom(p->tables->current, p->gone);
	handover_done(p->tables);
	tdestroy(p->tree, free);
	free(p->entries);
	free(p);
}
