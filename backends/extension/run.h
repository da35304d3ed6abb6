/* backends/extension/run.h - one command: started with all it is to know, its end put into words.
 */
#ifndef EXT_RUN_H
#define EXT_RUN_H

#include "conf.h"

enum ext_counter {
	EXT_COMMANDS_STARTED,
	EXT_COMMANDS_FAILED,
	EXT_COMMANDS_TIMED_OUT,
	EXT_ADDS_RETRIED,
	EXT_PEERS_GIVEN_UP,
	EXT_COUNTERS,
};

/** What all commands have in common. Pointers are borrowed. */
struct ext_runner {
	struct fl_env *env;
	const struct ext_conf *conf;
	struct fl_counter counters[EXT_COUNTERS];
};

void ext_runner_init(struct ext_runner *run, struct fl_env *env, const struct ext_conf *conf);

/** A command to start, and what to call it. Borrowed for the call. */
struct ext_job {
	enum ext_key key;
	const struct fl_prefix *subnet; /* NULL: none yet */
	const struct fl_addr *public_ip;
	const char *data; /* its standard input, a newline is added */
};

#define EXT_LABEL_MAX  80u  /* bytes, with NUL: "10.5.1.0/24: SubnetRemoveCommand" */
#define EXT_REASON_MAX 512u /* bytes, with NUL */

/** "10.5.1.0/24: SubnetAddCommand" */
const char *ext_label(enum ext_key key, const struct fl_prefix *subnet, char buf[EXT_LABEL_MAX]);

/**
 * Start the command of @p job, which is configured.
 * @param ret  valid until done() is called or fl_command_kill()
 * @return 0; -errno: it was not started, and done() is not called
 */
int ext_run(struct ext_runner *run, const struct ext_job *job, fl_command_done done, void *owner,
	    struct fl_running **ret);

/**
 * Count how it has ended, and log what it has said by line.
 * @param label  what the lines begin with
 * @param why    set if it has failed: the reason and the last line of its stderr
 * @return 0; -ECANCELED: it has ended badly by itself; other -errno of struct fl_command_result
 */
int ext_run_result(struct ext_runner *run, const char *label, const struct fl_command_result *res,
		   char why[EXT_REASON_MAX]);

#endif
