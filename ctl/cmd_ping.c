/* ctl/cmd_ping.c - flannelctl ping: is it the overlay? The round trip to every host, through it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "base/json_write.h"
#include "base/parse.h"
#include "icmp.h"
#include "show.h"

#define INTERVAL_MS 200u
#define WAIT_MS	    1000u

struct mesh {
	struct ctl_target *targets;
	size_t count;
	size_t cap;
	uint64_t rounds;
	bool first; /* the first address of each subnet, which the container's bridge has */
};

/* ---- whom ---- */

/* A tunnel's device has the subnet's own address; without one, the bridge has the next. */
static int on_peer(void *owner, const struct fl_json *peer)
{
	bool bridge = strcmp(ctl_text(peer, "how"), "route") == 0;
	struct mesh *m = owner;
	struct ctl_target *grown;
	struct fl_prefix subnet;

	if (strcmp(ctl_text(peer, "state"), "reached") != 0 ||
	    fl_prefix_parse(ctl_text(peer, "subnet"), &subnet) < 0 || !fl_addr_v4(&subnet.addr))
		return CTL_OK;
	if (m->count == m->cap) {
		m->cap = m->cap ? m->cap * 2 : 64;
		grown = reallocarray(m->targets, m->cap, sizeof(*grown));
		if (!grown) {
			(void)fputs("flannelctl: out of memory\n", stderr);
			return CTL_MUTE;
		}
		m->targets = grown;
	}
	m->targets[m->count++] = (struct ctl_target){
		.addr = fl_addr_from_v4(fl_addr_v4(&subnet.addr) + (m->first || bridge))};
	return CTL_OK;
}

/* ---- what came of it ---- */

static void print_json(const struct mesh *m)
{
	char addr[FL_ADDR_STRLEN];
	struct fl_buf b = {0};

	fl_jsonw_open(&b, NULL, '[');
	for (size_t i = 0; i < m->count; i++) {
		const struct ctl_target *t = &m->targets[i];

		fl_jsonw_open(&b, NULL, '{');
		fl_jsonw_text(&b, "address", fl_addr_format(&t->addr, addr));
		fl_jsonw_uint(&b, "sent", t->sent);
		fl_jsonw_uint(&b, "received", t->received);
		if (t->received)
			fl_buf_printf(&b, ",\"min_ms\":%.3f,\"avg_ms\":%.3f,\"max_ms\":%.3f",
				      t->min_ms, t->sum_ms / t->received, t->max_ms);
		fl_jsonw_close(&b, '}');
	}
	fl_jsonw_close(&b, ']');
	(void)puts(b.data ? b.data : "");
	fl_buf_done(&b);
}

static void add_time(struct ctl_table *t, bool known, double ms)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%.3f", ms);
	ctl_table_add(t, known ? text : "-");
}

static void print_table(const struct ctl *c, const struct mesh *m)
{
	static const char *const head[] = {"ADDRESS", "LOSS", "MIN ms", "AVG ms", "MAX ms"};
	struct ctl_table t = {.columns = 5};
	char text[FL_ADDR_STRLEN];

	for (unsigned int i = 0; i < t.columns; i++)
		ctl_table_add(&t, head[i]);
	for (size_t i = 0; i < m->count; i++) {
		const struct ctl_target *p = &m->targets[i];
		bool known = p->received > 0;

		ctl_table_add(&t, fl_addr_format(&p->addr, text));
		(void)snprintf(text, sizeof(text), "%u%%",
			       (p->sent - p->received) * 100u / (p->sent ? p->sent : 1));
		ctl_table_add(&t, text);
		add_time(&t, known, p->min_ms);
		add_time(&t, known, known ? p->sum_ms / p->received : 0.);
		add_time(&t, known, p->max_ms);
	}
	ctl_table_print(c, &t);
	ctl_table_done(&t);
}

/* @return CTL_AMISS if somebody has not answered at all */
static int sum_up(const struct ctl *c, const struct mesh *m)
{
	size_t silent = 0;

	for (size_t i = 0; i < m->count; i++)
		silent += m->targets[i].received == 0;
	if (!c->json)
		(void)printf("%zu hosts, %zu answer, %zu do not\n", m->count, m->count - silent,
			     silent);
	return silent ? CTL_AMISS : CTL_OK;
}

static int parse(struct mesh *m, int argc, char **argv)
{
	m->rounds = 3;
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--first") == 0) {
			m->first = true;
		} else if (strcmp(argv[i], "--count") != 0) {
			return ctl_no_args(1, argv + i);
		} else if (!argv[i + 1] ||
			   fl_parse_u64(argv[++i], 1, CTL_ROUNDS_MAX, &m->rounds) < 0) {
			(void)fprintf(stderr, "flannelctl: --count: must be 1..%u\n",
				      CTL_ROUNDS_MAX);
			return CTL_USAGE;
		}
	}
	return CTL_OK;
}

int ctl_ping(const struct ctl *c, int argc, char **argv)
{
	struct mesh m = {0};
	int r = parse(&m, argc, argv), error;

	if (r == CTL_OK)
		r = ctl_ask_peers(c, on_peer, &m);
	if (r != CTL_OK) {
		free(m.targets);
		return r;
	}
	error = ctl_icmp_run(m.targets, m.count, (uint32_t)m.rounds, INTERVAL_MS, WAIT_MS);
	if (error < 0) {
		(void)fprintf(stderr, "flannelctl: raw ICMP socket: %s%s\n", strerror(-error),
			      error == -EPERM ? "; it takes root, or CAP_NET_RAW" : "");
		r = CTL_MUTE;
	} else {
		if (c->json)
			print_json(&m);
		else
			print_table(c, &m);
		r = sum_up(c, &m);
	}
	free(m.targets);
	return r;
}
