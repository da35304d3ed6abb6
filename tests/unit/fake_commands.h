/* tests/unit/fake_commands.h - commands and timers of core/backend.h that a test ends by hand: it
 * links this instead of the loop. */
#ifndef TEST_FAKE_COMMANDS_H
#define TEST_FAKE_COMMANDS_H

#include "core/backend.h"

#define COMMANDS_MAX 8192u

struct fl_timer {
	fl_loop_cb cb;
	void *owner;
	uint32_t delay_ms;
	bool on;
};

struct fake_commands {
	struct fl_running *started[COMMANDS_MAX]; /* in their order; NULL: ended */
	unsigned int n_started;
	unsigned int n_running;
	unsigned int n_killed;
	unsigned int n_timers;
	struct fl_timer *timer; /* the latest one */
	int refuse_start;	/* fl_command_start() says this */
};

extern struct fake_commands fake;

/** The i-th command that was started ends so. */
void command_ends(unsigned int i, const struct fl_command_result *res);
void command_ends_well(unsigned int i);
/** With exit status 2 and two lines on stderr. */
void command_ends_badly(unsigned int i);
/** The i-th command runs, and was started so: its argv joined by blanks. */
void assert_started(unsigned int i, const char *argv, const char *input);
/** Which command it is, "add 10.5.1.0/24 ..."; NULL once it has ended. */
const char *command_line(unsigned int i);
void timer_fires(void);

#endif
