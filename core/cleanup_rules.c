/* core/cleanup_rules.c - our iptables chains are removed, in whichever of its two tables they are:
 * that of nf_tables or that of older kernels. */
#include "cleanup_internal.h"

#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "firewall_child.h"
#include "firewall_rules.h"
#include "io/child.h"

/* One program that is being awaited. */
struct run {
	struct ev_loop *loop;
	const char *path;
	struct fl_buf output;
	int error;
	char why[FL_FIREWALL_WHY_MAX];
};

static void on_done(void *owner, const struct fl_child_result *res)
{
	struct run *run = owner;

	run->error = fl_firewall_judge(run->path, res, run->why);
	fl_buf_append(&run->output, res->output, res->output_len);
	ev_break(run->loop, EVBREAK_ALL);
}

/* @return 0 or -errno, with run->why filled */
static int await(struct run *run, const struct fl_child_spec *spec)
{
	struct fl_child *child;
	int r = fl_child_start(run->loop, spec, on_done, run, &child);

	if (r == 0) {
		ev_run(run->loop, 0);
		r = run->error;
	} else {
		(void)snprintf(run->why, sizeof(run->why), "%s: %s", run->path, strerror(-r));
	}
	return r;
}

static int restore(struct ev_loop *loop, const char *path, const struct fl_buf *input)
{
	struct run run = {.loop = loop, .path = path};
	const char *argv[4];
	const struct fl_child_spec spec = fl_firewall_restore_spec(path, input, argv);
	int r = await(&run, &spec);

	fl_buf_done(&run.output);
	if (r < 0)
		fl_err("cleanup", "chains not removed: %s", run.why);
	else
		cleanup_say("firewall chains, by %s", path);
	return r;
}

/* What removes our chains from what stands; nothing if they are not there. */
static int read_rules(struct ev_loop *loop, const char *path, struct fl_buf *ret)
{
	static const struct fl_firewall_want none;
	struct run run = {.loop = loop, .path = path};
	const char *argv[2];
	const struct fl_child_spec spec = fl_firewall_save_spec(path, argv);
	int r = await(&run, &spec);

	if (r == 0) {
		r = fl_firewall_rules_correct(&none, run.output.data ? run.output.data : "",
					      run.output.len, ret);
		(void)snprintf(run.why, sizeof(run.why), "%s: %s", path,
			       r == -EBADMSG ? "what it printed is no list of rules"
					     : strerror(-r));
	}
	fl_buf_done(&run.output);
	if (r < 0)
		fl_warn("cleanup", "cannot see what chains there are: %s", run.why);
	return r;
}

static int clean(struct ev_loop *loop, const char *save, const char *restore_with)
{
	char *reader = fl_child_which(save), *writer = fl_child_which(restore_with);
	struct fl_buf input = {0};
	int r = 0;

	if (reader && writer)
		r = read_rules(loop, reader, &input);
	if (r == 0 && input.len)
		r = restore(loop, writer, &input);
	fl_buf_done(&input);
	free(reader);
	free(writer);
	return r;
}

/* The first one is what a daemon uses; it is one of the other two, where those are installed. That
 * one of these fails may be because this kernel lacks what it is for. */
int cleanup_rules(struct ev_loop *loop)
{
	int r = clean(loop, "iptables-save", "iptables-restore");

	(void)clean(loop, "iptables-nft-save", "iptables-nft-restore");
	(void)clean(loop, "iptables-legacy-save", "iptables-legacy-restore");
	return r;
}
