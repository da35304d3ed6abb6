/* core/io/child.h - child processes on the event loop: input from memory, output by line, a time
 * limit. No shell. */
#ifndef FL_IO_CHILD_H
#define FL_IO_CHILD_H

#include <stddef.h>
#include <stdint.h>

struct ev_loop;
struct fl_child; /* one running process; fields in child.c */

struct fl_child_spec {
	const char *const *argv; /* argv[0] is searched in PATH unless it has a slash;
				    NULL-terminated; copied */
	const char *const *
		extra_env; /* "NAME=value", added to our environment; NULL-terminated; NULL: none */
	const char *const *hidden_env; /* prefixes of variables that it does not get; likewise */
	const char *input;	       /* stdin, copied: a file in memory; NULL: /dev/null */
	size_t input_len;
	size_t max_output;   /* bytes of stdout kept; more ends the child with -EMSGSIZE */
	uint32_t timeout_ms; /* then SIGKILL to its process group and -ETIMEDOUT; > 0 */
};

struct fl_child_result {
	int error; /* 0: it ran and ended by itself; else -errno: -ENOENT, -EACCES, -ETIMEDOUT,
		      -EMSGSIZE */
	int exit_status;    /* 0..255; -1 if a signal ended it */
	int signal;	    /* the signal, or 0 */
	const char *output; /* stdout, NUL-terminated, valid during done() */
	size_t output_len;
	const char *errors; /* stderr's first 4 KiB, NUL-terminated, valid during done() */
};

/** Called once, from the loop, never from within fl_child_start(); the child is freed right after
 * it. It follows the exit of the process itself: what a grandchild still writes is not awaited. */
typedef void (*fl_child_done)(void *owner, const struct fl_child_result *res);

/**
 * Start a process with CLOEXEC descriptors, default signals, its own process group.
 * @param loop  libev's default loop: it reaps all children of the process, so no other loop can
 * hear of one
 * @param ret   valid until done() returns or fl_child_kill()
 * @return 0 or -errno (-ENOENT: no such program; -EINVAL: another loop, no argv, no timeout)
 */
int fl_child_start(struct ev_loop *loop, const struct fl_child_spec *spec, fl_child_done done,
		   void *owner, struct fl_child **ret);
/** Its process id. */
uint32_t fl_child_pid(const struct fl_child *c);
/** End it and its process group now, without a done(), and free it. NULL, or a child whose done()
 * runs, is a no-op. */
void fl_child_kill(struct fl_child *c);

/** Where @p program is in PATH (sbin folders are searched too). @return an owned path (free()),
 * NULL: nowhere */
char *fl_child_which(const char *program);

#endif
