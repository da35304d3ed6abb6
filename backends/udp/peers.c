/* backends/udp/peers.c - the peers as the loop knows them. */
#include "peers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#define GATHER_MS  1u  /* what comes at once is one table */
#define COLLECT_MS 20u /* a lane holds a table for as long as one turn takes */
#define RETRY_MS   1000u

struct peers {
	struct handover *tables;
	struct fl_timer *timer;
	void *tree; /* of struct peer, by subnet: tsearch(3) */
	uint32_t count;
	struct peer *gone; /* by next: in the current table, but not in the next one */
	uint16_t port_be;
	bool changed;
	struct peer **list; /* scratch, while a table is made */
	uint32_t listed;
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

static void list_peer(const void *node, VISIT which, void *closure)
{
	struct peers *p = closure;

	if (which == postorder || which == leaf)
		p->list[p->listed++] = *(struct peer *const *)node;
}

static int make_table(struct peers *p, struct table **ret)
{
	int r;

	p->list = calloc(p->count + 1u, sizeof(*p->list));
	if (!p->list)
		return -ENOMEM;
	p->listed = 0;
	twalk_r(p->tree, list_peer, p);
	r = table_create(p->list, p->listed, ret);
	free(p->list);
	p->list = NULL;
	return r;
}

static int publish(struct peers *p)
{
	struct table *table = NULL;
	int r = make_table(p, &table);

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
	if (!p->changed)
		fl_timer_start(p->timer, GATHER_MS);
	p->changed = true;
}

/* ---- in ---- */

int peers_add(struct peers *p, const struct fl_lease *lease)
{
	struct peer *peer = malloc(sizeof(*peer));

	if (!peer)
		return -ENOMEM;
	*peer = key_of(lease);
	peer->addr.sin_family = AF_INET;
	peer->addr.sin_port = p->port_be;
	peer->addr.sin_addr.s_addr = htonl(fl_addr_v4(&lease->public_ip));
	if (!tsearch(peer, &p->tree, compare)) {
		free(peer);
		return -ENOMEM;
	}
	p->count++;
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
	p->count--;
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
	free(p);
}
