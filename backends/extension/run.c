/* backends/extension/run.c - one command: started with all it is to know, its end put into words.
 */
#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data.h"

#define LINES_MAX 50u /* of each output that are logged */

void ext_runner_init(struct ext_runner *run, struct fl_env *env, const struct ext_conf *conf)
{
	*run = (struct ext_runner){
		.env = env,
		.conf = conf,
		.counters =
			{
				[EXT_COMMANDS_STARTED] =
					{"commands_started",
					 "Commands of the network config that were started", 0},
				[EXT_COMMANDS_FAILED] =
					{"commands_failed",
					 "Commands that could not be started, or ended badly", 0},
				[EXT_COMMANDS_TIMED_OUT] =
					{"commands_timed_out",
					 "Commands that were killed at CommandTimeout", 0},
				[EXT_ADDS_RETRIED] =
					{"adds_retried",
					 "Runs of SubnetAddCommand after one that had failed", 0},
				[EXT_PEERS_GIVEN_UP] =
					{"peers_given_up",
					 "Peers whose SubnetAddCommand has failed at every attempt",
					 0},
			},
	};
	fl_env_counters(env, run->counters, EXT_COUNTERS);
}

const char *ext_label(enum ext_key key, const struct fl_prefix *subnet, char buf[EXT_LABEL_MAX])
{
	char text[FL_PREFIX_STRLEN];

	(void)snprintf(buf, EXT_LABEL_MAX, "%s%s%s", subnet ? fl_prefix_format(subnet, text) : "",
		       subnet ? ": " : "", ext_key_name(key));
	return buf;
}

/* ---- start ---- */

int ext_run(struct ext_runner *run, const struct ext_job *job, fl_command_done done, void *owner,
	    struct fl_running **ret)
{
	const char *env[EXT_VARS + 1] = {NULL};
	char input[EXT_DATA_MAX + 1], **argv;
	struct fl_command cmd = {
		.env = env,
		.input = input,
		.timeout_ms = run->conf->timeout_s * 1000u,
	};
	struct ext_vars vars;
	int r;

	ext_vars_set(&vars, fl_env_network(run->env), job->subnet, job->public_ip);
	for (enum ext_var var = 0; var < EXT_VARS; var++)
		env[var] = vars.text[var];
	cmd.input_len = (size_t)snprintf(input, sizeof(input), "%s\n", job->data);
	argv = ext_command_argv(run->conf->commands[job->key], &vars);
	if (!argv)
		return -ENOMEM;
	cmd.argv = (const char *const *)argv;
	r = fl_command_start(run->env, &cmd, done, owner, ret);
	ext_argv_free(argv);
	if (r == 0)
		fl_counter_add(&run->counters[EXT_COMMANDS_STARTED], 1);
	return r;
}

/* ---- end ---- */

static void say_lines(enum fl_log_level level, const char *label, const char *text)
{
	uint32_t n = 0, more = 0;

	while (*text) {
		size_t len = strcspn(text, "\r\n");

		if (len > 0 && n++ < LINES_MAX)
			fl_log(level, "extension", "%s: %.*s", label, (int)len, text);
		else if (len > 0)
			more++;
		text += len + (text[len] != '\0');
	}
	if (more > 0)
		fl_log(level, "extension", "%s: %u more lines", label, more);
}

/* What a program says last is mostly why. */
static void append_last_line(char why[EXT_REASON_MAX], const char *text)
{
	size_t end = strlen(text), begin, used = strlen(why);

	while (end > 0 && strchr(" \t\r\n", text[end - 1]))
		end--;
	begin = end;
	while (begin > 0 && !strchr("\r\n", text[begin - 1]))
		begin--;
	if (end > begin)
		(void)snprintf(why + used, EXT_REASON_MAX - used, ": %.*s", (int)(end - begin),
			       text + begin);
}

static void put_reason(const struct ext_runner *run, const struct fl_command_result *res,
		       char why[EXT_REASON_MAX])
{
	switch (res->error) {
	case 0:
		if (res->signal)
			(void)snprintf(why, EXT_REASON_MAX, "ended by signal %d (%s)", res->signal,
				       strsignal(res->signal));
		else
			(void)snprintf(why, EXT_REASON_MAX, "exit status %d", res->exit_status);
		break;
	case -ETIMEDOUT:
		(void)snprintf(why, EXT_REASON_MAX, "killed, for it has not ended within %u s",
			       run->conf->timeout_s);
		break;
	case -EMSGSIZE:
		(void)snprintf(why, EXT_REASON_MAX, "killed, for its output is too long");
		break;
	default:
		(void)snprintf(why, EXT_REASON_MAX, "cannot be run: %s", strerror(-res->error));
	}
}

int ext_run_result(struct ext_runner *run, const char *label, const struct fl_command_result *res,
		   char why[EXT_REASON_MAX])
{
	bool ok = res->error == 0 && res->exit_status == 0;

	if (res->output)
		say_lines(FL_LOG_INFO, label, res->output);
	if (res->errors)
		say_lines(ok ? FL_LOG_INFO : FL_LOG_WARN, label, res->errors);
	if (ok)
		return 0;
	fl_counter_add(&run->counters[EXT_COMMANDS_FAILED], 1);
	if (res->error == -ETIMEDOUT)
		fl_counter_add(&run->counters[EXT_COMMANDS_TIMED_OUT], 1);
	put_reason(run, res, why);
	if (res->errors)
		append_last_line(why, res->errors);
	return res->error ? res->error : -ECANCELED;
}
