/* ctl/cmd_peers.c - flannelctl peers: the other hosts, and whether the kernel is in step. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ask.h"
#include "base/addr.h"
#include "show.h"

/* One of them, as it is shown. */
struct peer {
	struct fl_prefix subnet; /* to sort by */
	char how[64];
	char public_ip[FL_ADDR_STRLEN];
	long long since;
	bool reached;
	bool in_step;
	long long rows;
	long long standing;
	char why[200];
};

struct peers {
	struct peer *items;
	size_t count;
	size_t cap;
};

static int peers_grow(struct peers *all)
{
	size_t cap = all->cap ? all->cap * 2 : 64;
	struct peer *grown = reallocarray(all->items, cap, sizeof(*grown));

	if (!grown) {
		(void)fputs("flannelctl: out of memory\n", stderr);
		return CTL_MUTE;
	}
	all->items = grown;
	all->cap = cap;
	return CTL_OK;
}

static int on_peer(void *owner, const struct fl_json *v)
{
	struct peers *all = owner;
	struct peer *p;

	if (all->count == all->cap && peers_grow(all) != CTL_OK)
		return CTL_MUTE;
	p = &all->items[all->count++];
	*p = (struct peer){
		.since = ctl_number(v, "since"),
		.reached = strcmp(ctl_text(v, "state"), "reached") == 0,
		.in_step = ctl_flag(v, "in_step"),
		.rows = ctl_number(v, "rows"),
		.standing = ctl_number(v, "rows_installed"),
	};
	(void)fl_prefix_parse(ctl_text(v, "subnet"), &p->subnet);
	(void)snprintf(p->public_ip, sizeof(p->public_ip), "%s", ctl_text(v, "public_ip"));
	(void)snprintf(p->why, sizeof(p->why), "%s", ctl_text(v, "why"));
	if (p->reached)
		(void)snprintf(p->how, sizeof(p->how), "%.20s %.30s", ctl_text(v, "how"),
			       ctl_text(v, "device"));
	else
		(void)snprintf(p->how, sizeof(p->how), "%.30s", ctl_text(v, "state"));
	return CTL_OK;
}

static int by_subnet(const void *a, const void *b)
{
	const struct peer *x = a, *y = b;

	return fl_prefix_compare(&x->subnet, &y->subnet);
}

static const char *kernel_text(const struct peer *p, char buf[220])
{
	if (!p->reached)
		(void)snprintf(buf, 220, "%s", p->why);
	else if (p->in_step)
		(void)snprintf(buf, 220, "in step");
	else
		(void)snprintf(buf, 220, "%lld of %lld rows", p->standing, p->rows);
	return buf;
}

static bool print(const struct ctl *c, const struct peers *all)
{
	static const char *const head[] = {"SUBNET", "HOST", "HOW", "SINCE", "KERNEL"};
	struct ctl_table t = {.columns = 5};
	char subnet[FL_PREFIX_STRLEN], span[32], text[220];
	bool well = true;

	for (unsigned int i = 0; i < t.columns; i++)
		ctl_table_add(&t, head[i]);
	for (size_t i = 0; i < all->count; i++) {
		const struct peer *p = &all->items[i];

		ctl_table_add(&t, fl_prefix_format(&p->subnet, subnet));
		ctl_table_add(&t, p->public_ip);
		ctl_table_add(&t, p->how);
		ctl_table_add(&t, ctl_span((long long)time(NULL) - p->since, span));
		ctl_table_add(&t, kernel_text(p, text));
		well = well && (!p->reached || p->in_step);
	}
	ctl_table_print(c, &t);
	ctl_table_done(&t);
	return well;
}

static int print_line(void *owner, char *line)
{
	(void)owner;
	(void)puts(line);
	return CTL_OK;
}

int ctl_peers(const struct ctl *c, int argc, char **argv)
{
	struct peers all = {0};
	int r = ctl_no_args(argc, argv);

	if (r != CTL_OK)
		return r;
	if (c->json)
		return ctl_ask_lines(c, "/v1/peers", print_line, NULL);
	r = ctl_ask_peers(c, on_peer, &all);
	if (r == CTL_OK) {
		if (all.count > 1)
			qsort(all.items, all.count, sizeof(*all.items), by_subnet);
		r = print(c, &all) ? CTL_OK : CTL_AMISS;
	}
	free(all.items);
	return r;
}
