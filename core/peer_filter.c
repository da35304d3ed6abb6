/* core/peer_filter.c - the peer filter: who holds leases, and the set in the kernel. */
#include "peer_filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/backoff.h"
#include "base/buf.h"
#include "base/defs.h"
#include "base/hash.h"
#include "base/log.h"
#include "io/nfnl.h"
#include "peer_filter_rules.h"

#define CALM_S 5. /* without a change by others, the next one is mended at once */

/* An address of lease holders. */
struct holder {
	struct fl_hash_node node;
	struct holder *next_changed;
	uint32_t addr_be;
	uint32_t leases;
	bool in_set; /* the kernel has it */
	bool changed;
};

struct fl_peer_filter {
	struct ev_loop *loop;
	struct fl_nfnl *nfnl;
	struct fl_nfnl_watch *watch;
	struct fl_nfnl_listener listener;
	struct fl_peer_filter_table table;
	struct fl_hash holders;
	struct holder *changed; /* to compare with the kernel */
	ev_timer commit;
	struct fl_backoff backoff;
	ev_tstamp mended; /* when the whole table was written last */
	bool settled;	  /* all leases are known */
	bool whole;	  /* the table is not there as we want it */
	bool failing;	  /* and that was said */
};

/* ---- the kernel ---- */

static void commit_in(struct fl_peer_filter *f, double delay_s)
{
	if (!f->settled || ev_is_active(&f->commit))
		return;
	ev_timer_set(&f->commit, delay_s, 0.);
	ev_timer_start(f->loop, &f->commit);
}

static int on_count(const struct nlmsghdr *nlh, void *data)
{
	return fl_peer_filter_parse_count(nlh, data);
}

static int ask_count(struct fl_peer_filter *f, struct fl_peer_filter_count *ret)
{
	struct fl_buf question = {0};
	int r;

	fl_peer_filter_put_question(&question);
	r = fl_nfnl_get(f->nfnl, &question, on_count, ret);
	fl_buf_done(&question);
	return r;
}

/* Addresses on their way into messages. */
struct list {
	uint32_t addrs_be[256];
	size_t n;
	bool add;
};

static void list_flush(struct list *l, struct fl_buf *b)
{
	fl_peer_filter_put_addrs(b, l->add, l->addrs_be, l->n);
	l->n = 0;
}

static void list_put(struct list *l, struct fl_buf *b, uint32_t addr_be)
{
	l->addrs_be[l->n++] = addr_be;
	if (l->n == FL_ARRAY_SIZE(l->addrs_be))
		list_flush(l, b);
}

/* Its place in the list of changes is taken over by what follows there. */
static void holder_settle(struct fl_peer_filter *f, struct holder *h)
{
	h->in_set = h->leases > 0;
	h->changed = false;
	if (h->in_set)
		return;
	fl_hash_del(&f->holders, &h->node);
	free(h);
}

static void settle_changes(struct fl_peer_filter *f)
{
	struct holder *next;

	for (struct holder *h = f->changed; h; h = next) {
		next = h->next_changed;
		holder_settle(f, h);
	}
	f->changed = NULL;
}

static int write_changes(struct fl_peer_filter *f)
{
	struct list in = {.add = true}, out = {.add = false};
	struct fl_buf b = {0};
	int r;

	for (struct holder *h = f->changed; h; h = h->next_changed)
		if (h->leases > 0 && !h->in_set)
			list_put(&in, &b, h->addr_be);
		else if (h->leases == 0 && h->in_set)
			list_put(&out, &b, h->addr_be);
	list_flush(&in, &b);
	list_flush(&out, &b);
	r = b.len || b.error ? fl_nfnl_commit(f->nfnl, &b) : 0;
	fl_buf_done(&b);
	if (r == 0)
		settle_changes(f);
	return r;
}

/* In one transaction, so that no packet sees the port closed to a peer or open to a stranger. What
 * was counted before goes on. */
static int write_whole(struct fl_peer_filter *f)
{
	struct list in = {.add = true};
	struct fl_hash_iter it;
	struct fl_buf b = {0};
	int r;

	(void)ask_count(f, &f->table.count); /* none, or a strange one: what we knew last */
	fl_peer_filter_put_table(&b, &f->table);
	fl_hash_each (n, &it, &f->holders) {
		struct holder *h = fl_container_of(n, struct holder, node);

		if (h->leases > 0)
			list_put(&in, &b, h->addr_be);
	}
	list_flush(&in, &b);
	r = fl_nfnl_commit(f->nfnl, &b);
	fl_buf_done(&b);
	if (r < 0)
		return r;
	f->changed = NULL;
	fl_hash_each (n, &it, &f->holders)
		holder_settle(f, fl_container_of(n, struct holder, node));
	f->whole = false;
	f->mended = ev_now(f->loop);
	return 0;
}

static void say_written(struct fl_peer_filter *f, bool whole)
{
	if (!whole && !f->failing)
		return;
	fl_info("firewall", "peer filter: UDP port %u is open to %u addresses of other hosts",
		f->table.ports[0], f->holders.count);
}

static void on_commit(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct fl_peer_filter *f = fl_container_of(w, struct fl_peer_filter, commit);
	bool whole = f->whole;
	uint32_t ms;
	int r = whole ? 0 : write_changes(f);

	(void)loop;
	(void)revents;
	if (whole || r < 0) { /* what fails may be missing something that others have taken away */
		f->whole = true;
		r = write_whole(f);
	}
	if (r == 0) {
		say_written(f, whole);
		f->failing = false;
		return;
	}
	ms = fl_backoff_next(&f->backoff);
	fl_log(f->failing ? FL_LOG_DEBUG : FL_LOG_ERR, "firewall",
	       "peer filter: the nftables table " FL_PEER_FILTER_TABLE
	       " cannot be written: %s; who reaches the port stays as it was; retrying",
	       strerror(-r));
	f->failing = true;
	commit_in(f, ms / 1e3);
}

/* ---- what others do ---- */

static void mend(struct fl_peer_filter *f, const char *what)
{
	double delay = 0;

	if (f->whole)
		return;
	f->whole = true;
	if (ev_now(f->loop) - f->mended > CALM_S)
		fl_backoff_reset(&f->backoff);
	else
		delay = fl_backoff_next(&f->backoff) / 1e3;
	fl_warn("firewall", "peer filter: %s; it is written again", what);
	ev_timer_stop(f->loop, &f->commit);
	commit_in(f, delay);
}

static void on_message(struct fl_nfnl_listener *l, const struct nlmsghdr *nlh)
{
	struct fl_peer_filter *f = fl_container_of(l, struct fl_peer_filter, listener);

	if (f->settled && nlh->nlmsg_pid != fl_nfnl_portid(f->nfnl) && fl_peer_filter_is_ours(nlh))
		mend(f, "somebody has changed the nftables table " FL_PEER_FILTER_TABLE);
}

static void on_lost(struct fl_nfnl_listener *l)
{
	struct fl_peer_filter *f = fl_container_of(l, struct fl_peer_filter, listener);

	if (f->settled)
		mend(f, "too many changes of nftables at once to see them all");
}

/* ---- who holds leases ---- */

static struct holder *holder_find(const struct fl_peer_filter *f, uint32_t addr_be, uint32_t hash)
{
	struct fl_hash_node *n = fl_hash_find(&f->holders, hash);

	for (; n; n = fl_hash_find_next(n)) {
		struct holder *h = fl_container_of(n, struct holder, node);

		if (h->addr_be == addr_be)
			return h;
	}
	return NULL;
}

static struct holder *holder_get(struct fl_peer_filter *f, uint32_t addr_be)
{
	uint32_t hash = fl_hash_bytes(&addr_be, sizeof(addr_be));
	struct holder *h = holder_find(f, addr_be, hash);

	if (h)
		return h;
	h = calloc(1, sizeof(*h));
	if (!h)
		return NULL;
	h->addr_be = addr_be;
	if (fl_hash_add(&f->holders, &h->node, hash) < 0) {
		free(h);
		return NULL;
	}
	return h;
}

static void holder_changes(struct fl_peer_filter *f, struct holder *h)
{
	if (!h->changed) {
		h->changed = true;
		h->next_changed = f->changed;
		f->changed = h;
	}
	commit_in(f, 0);
}

void fl_peer_filter_add(struct fl_peer_filter *f, const struct fl_addr *addr)
{
	char text[FL_ADDR_STRLEN];
	struct holder *h;

	if (!f || addr->family != AF_INET)
		return;
	h = holder_get(f, htonl(fl_addr_v4(addr)));
	if (!h) {
		fl_err("firewall", "peer filter: out of memory: %s is not let in",
		       fl_addr_format(addr, text));
		return;
	}
	if (h->leases++ == 0)
		holder_changes(f, h);
}

void fl_peer_filter_del(struct fl_peer_filter *f, const struct fl_addr *addr)
{
	uint32_t addr_be;
	struct holder *h;

	if (!f || addr->family != AF_INET)
		return;
	addr_be = htonl(fl_addr_v4(addr));
	h = holder_find(f, addr_be, fl_hash_bytes(&addr_be, sizeof(addr_be)));
	if (h && h->leases > 0 && --h->leases == 0)
		holder_changes(f, h);
}

/* ---- life ---- */

void fl_peer_filter_settle(struct fl_peer_filter *f)
{
	if (!f || f->settled)
		return;
	f->settled = true;
	commit_in(f, 0);
}

uint64_t fl_peer_filter_dropped(struct fl_peer_filter *f)
{
	if (!f)
		return 0;
	if (f->settled)
		(void)ask_count(f, &f->table.count);
	return f->table.count.packets;
}

int fl_peer_filter_create(struct ev_loop *loop, const uint16_t *ports, size_t n_ports,
			  struct fl_peer_filter **ret)
{
	struct fl_peer_filter *f;
	int r;

	if (n_ports == 0 || n_ports > FL_PEER_FILTER_PORTS)
		return -EINVAL;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->loop = loop;
	f->whole = true;
	f->table.n_ports = (uint32_t)n_ports;
	memcpy(f->table.ports, ports, n_ports * sizeof(*ports));
	f->listener.message = on_message;
	f->listener.lost = on_lost;
	ev_timer_init(&f->commit, on_commit, 0., 0.);
	(void)fl_backoff_init(&f->backoff, 100, 5000);
	r = fl_nfnl_open(&f->nfnl);
	if (r == 0)
		r = fl_nfnl_watch_create(loop, &f->listener, &f->watch);
	if (r < 0) {
		fl_peer_filter_destroy(f);
		return r;
	}
	*ret = f;
	return 0;
}

void fl_peer_filter_destroy(struct fl_peer_filter *f)
{
	struct fl_hash_iter it;

	if (!f)
		return;
	ev_timer_stop(f->loop, &f->commit);
	fl_nfnl_watch_destroy(f->watch);
	fl_nfnl_close(f->nfnl);
	fl_hash_each (n, &it, &f->holders)
		free(fl_container_of(n, struct holder, node));
	fl_hash_done(&f->holders);
	free(f);
}

static int on_table(const struct nlmsghdr *nlh, void *data)
{
	(void)nlh;
	(void)data;
	return 0;
}

/* Mostly there is no table, and the kernel takes 10 to 20 ms to refuse a transaction. */
static int ask_then_remove(struct fl_nfnl *n)
{
	struct fl_buf question = {0}, removal = {0};
	int r;

	fl_peer_filter_put_table_question(&question);
	r = fl_nfnl_get(n, &question, on_table, NULL);
	fl_buf_done(&question);
	if (r < 0)
		return r;
	fl_peer_filter_put_removal(&removal, false);
	r = fl_nfnl_commit(n, &removal);
	fl_buf_done(&removal);
	return r < 0 ? r : 1;
}

int fl_peer_filter_remove(void)
{
	struct fl_nfnl *n = NULL;
	int r = fl_nfnl_open(&n);

	if (r == -EOPNOTSUPP)
		return 0;
	if (r < 0)
		return r;
	r = ask_then_remove(n);
	fl_nfnl_close(n);
	return r == -ENOENT ? 0 : r;
}
