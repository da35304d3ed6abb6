/* core/env_loop.c - the loop as a backend sees it: timers, descriptors, commands. */
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <stdlib.h>

#include "backend.h"
#include "env.h"
#include "io/child.h"

#define OUTPUT_MAX 65536u /* bytes of a command's stdout */

/* ---- timers ---- */

struct fl_timer {
	struct ev_loop *loop;
	ev_timer ev;
	fl_loop_cb cb;
	void *owner;
};

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct fl_timer *t = fl_container_of(w, struct fl_timer, ev);

	(void)loop;
	(void)revents;
	t->cb(t->owner);
}

int fl_timer_create(struct fl_env *env, fl_loop_cb cb, void *owner, struct fl_timer **ret)
{
	struct fl_timer *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->loop = env->loop;
	t->cb = cb;
	t->owner = owner;
	ev_init(&t->ev, on_timer);
	*ret = t;
	return 0;
}

void fl_timer_start(struct fl_timer *t, uint32_t delay_ms)
{
	ev_timer_stop(t->loop, &t->ev);
	ev_now_update(t->loop); /* the callback that runs may have taken its time */
	ev_timer_set(&t->ev, delay_ms / 1e3, 0.);
	ev_timer_start(t->loop, &t->ev);
}

void fl_timer_stop(struct fl_timer *t)
{
	ev_timer_stop(t->loop, &t->ev);
}

void fl_timer_destroy(struct fl_timer *t)
{
	if (t)
		fl_timer_stop(t);
	free(t);
}

/* ---- descriptors ---- */

struct fl_watch {
	struct ev_loop *loop;
	ev_io ev;
	fl_loop_cb cb;
	void *owner;
};

static void on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct fl_watch *watch = fl_container_of(w, struct fl_watch, ev);

	(void)loop;
	(void)revents;
	watch->cb(watch->owner);
}

int fl_watch_create(struct fl_env *env, int fd, fl_loop_cb cb, void *owner, struct fl_watch **ret)
{
	struct fl_watch *w;

	if (fcntl(fd, F_GETFD) < 0)
		return -errno;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->loop = env->loop;
	w->cb = cb;
	w->owner = owner;
	ev_io_init(&w->ev, on_readable, fd, EV_READ);
	ev_io_start(w->loop, &w->ev);
	*ret = w;
	return 0;
}

void fl_watch_destroy(struct fl_watch *w)
{
	if (w)
		ev_io_stop(w->loop, &w->ev);
	free(w);
}

/* ---- commands ---- */

struct fl_running {
	struct fl_child *child; /* NULL while done() runs */
	fl_command_done done;
	void *owner;
};

static void on_ended(void *owner, const struct fl_child_result *res)
{
	struct fl_running *run = owner;
	const struct fl_command_result told = {
		.error = res->error,
		.exit_status = res->exit_status,
		.signal = res->signal,
		.output = res->output,
		.output_len = res->output_len,
		.errors = res->errors,
	};

	run->child = NULL;
	run->done(run->owner, &told);
	free(run);
}

int fl_command_start(struct fl_env *env, const struct fl_command *cmd, fl_command_done done,
		     void *owner, struct fl_running **ret)
{
	/* Ours: settings with secrets, and the service manager's socket. */
	static const char *const hidden[] = {"FLANNELD_", "NOTIFY_SOCKET=", "WATCHDOG_", NULL};
	const struct fl_child_spec spec = {
		.argv = cmd->argv,
		.extra_env = cmd->env,
		.hidden_env = hidden,
		.input = cmd->input,
		.input_len = cmd->input_len,
		.max_output = OUTPUT_MAX,
		.timeout_ms = cmd->timeout_ms,
	};
	struct fl_running *run;
	int r;

	if (!env->runs_commands)
		return -EPERM;
	run = calloc(1, sizeof(*run));
	if (!run)
		return -ENOMEM;
	run->done = done;
	run->owner = owner;
	r = fl_child_start(env->loop, &spec, on_ended, run, &run->child);
	if (r < 0) {
		free(run);
		return r;
	}
	*ret = run;
	return 0;
}

void fl_command_kill(struct fl_running *run)
{
	if (!run || !run->child)
		return;
	fl_child_kill(run->child);
	free(run);
}
