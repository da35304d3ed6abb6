/* tests/unit/fake_commands.c - commands and timers that a test ends by hand. */
#include "fake_commands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fl_running {
	char argv[64]; /* joined by blanks */
	char input[80];
	fl_command_done done;
	void *owner;
};

struct fake_commands fake;

int fl_command_start(struct fl_env *env, const struct fl_command *cmd, fl_command_done done,
		     void *owner, struct fl_running **ret)
{
	struct fl_running *run;

	(void)env;
	if (fake.refuse_start)
		return fake.refuse_start;
	assert_true(fake.n_started < COMMANDS_MAX);
	assert_int_equal(cmd->timeout_ms, 30000);
	run = calloc(1, sizeof(*run));
	assert_non_null(run);
	for (const char *const *word = cmd->argv; *word; word++) {
		strcat(run->argv, word == cmd->argv ? "" : " ");
		strcat(run->argv, *word);
	}
	assert_true(cmd->input_len < sizeof(run->input));
	memcpy(run->input, cmd->input, cmd->input_len);
	run->done = done;
	run->owner = owner;
	fake.started[fake.n_started++] = run;
	fake.n_running++;
	*ret = run;
	return 0;
}

void fl_command_kill(struct fl_running *run)
{
	if (!run)
		return;
	for (unsigned int i = 0; i < fake.n_started; i++)
		if (fake.started[i] == run)
			fake.started[i] = NULL;
	fake.n_killed++;
	fake.n_running--;
	free(run);
}

int fl_timer_create(struct fl_env *env, fl_loop_cb cb, void *owner, struct fl_timer **ret)
{
	struct fl_timer *t = calloc(1, sizeof(*t));

	(void)env;
	assert_non_null(t);
	t->cb = cb;
	t->owner = owner;
	fake.n_timers++;
	*ret = fake.timer = t;
	return 0;
}

void fl_timer_start(struct fl_timer *t, uint32_t delay_ms)
{
	t->delay_ms = delay_ms;
	t->on = true;
}

void fl_timer_stop(struct fl_timer *t)
{
	t->on = false;
}

void fl_timer_destroy(struct fl_timer *t)
{
	fake.n_timers -= t != NULL;
	if (t && t == fake.timer)
		fake.timer = NULL;
	free(t);
}

const struct fl_prefix *fl_env_network(const struct fl_env *env)
{
	static struct fl_prefix network;

	(void)env;
	assert_int_equal(fl_prefix_parse("10.5.0.0/16", &network), 0);
	return &network;
}

void fl_env_counters(struct fl_env *env, const struct fl_counter *counters, size_t n)
{
	(void)env;
	for (size_t i = 0; i < n; i++)
		assert_true(counters[i].name && counters[i].help);
}

void command_ends(unsigned int i, const struct fl_command_result *res)
{
	struct fl_running *run = fake.started[i];

	assert_true(i < fake.n_started);
	assert_non_null(run);
	fake.started[i] = NULL;
	fake.n_running--;
	run->done(run->owner, res);
	free(run);
}

void command_ends_well(unsigned int i)
{
	const struct fl_command_result res = {.output = "", .errors = ""};

	command_ends(i, &res);
}

void command_ends_badly(unsigned int i)
{
	const struct fl_command_result res = {
		.exit_status = 2, .output = "", .errors = "first\nRTNETLINK answers: No\n"};

	command_ends(i, &res);
}

void assert_started(unsigned int i, const char *argv, const char *input)
{
	if (i >= fake.n_started)
		fail_msg("\"%s\" is not started", argv);
	assert_non_null(fake.started[i]);
	assert_string_equal(fake.started[i]->argv, argv);
	assert_string_equal(fake.started[i]->input, input);
}

void timer_fires(void)
{
	assert_non_null(fake.timer);
	assert_true(fake.timer->on);
	fake.timer->on = false;
	fake.timer->cb(fake.timer->owner);
}

const char *command_line(unsigned int i)
{
	return fake.started[i] ? fake.started[i]->argv : NULL;
}
