/* tests/unit/options_run.h - one parse of a command line and an environment, with what it logged.
 */
#ifndef OPTIONS_RUN_H
#define OPTIONS_RUN_H

#include "options.h"

#define ARGS_MAX 16
#define ARGS(...)                                                                                  \
	(const char *const[])                                                                      \
	{                                                                                          \
		__VA_ARGS__ __VA_OPT__(, ) NULL                                                    \
	}
#define NO_ENV ((const char *const *)NULL)

/** One parse: the copies that argv points to, and what came out. */
struct run {
	char *argv[ARGS_MAX + 1];
	int argc;
	struct fl_options o;
	char *why;
	int error;
	char log[4096]; /* what was written to stderr */
};

/** Parse copies of @p args under @p env (NULL: empty). End it with done(). */
void run(struct run *t, const char *const *args, const char *const *env);
void done(struct run *t);

/** The same; the test fails if it is refused. */
void expect_ok(struct run *t, const char *const *args, const char *const *env);
/** The test fails unless it is refused with these words. */
void expect_refusal(const char *const *args, const char *const *env, const char *why);

#endif
