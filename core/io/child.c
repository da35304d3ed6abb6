/* core/io/child.c - child processes on the event loop, see core/io/child.h. */
#include "io/child.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/defs.h"

#define ERRORS_MAX 4096u /* bytes of stderr that are kept */
#define READ_SIZE  16384u
#define SBIN_PATH  "/usr/local/sbin:/usr/sbin:/sbin"

/* One of the child's outputs. What exceeds max is dropped, or ends the child if strict. */
struct output {
	struct fl_child *child;
	int fd; /* our end, non-blocking; -1: none */
	ev_io io;
	struct fl_buf buf;
	size_t max;
	bool strict;
};

struct fl_child {
	struct ev_loop *loop;
	fl_child_done done;
	void *owner;
	pid_t pid;
	bool finishing; /* done() runs */
	struct output out;
	struct output err;
	ev_child exited;
	ev_timer limit;
};

/* What the new process is made of; closed by us once it runs. */
struct stdio {
	int in;
	int out;
	int err;
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

/* --- the end */

static void stop_watchers(struct fl_child *c)
{
	ev_io_stop(c->loop, &c->out.io);
	ev_io_stop(c->loop, &c->err.io);
	ev_child_stop(c->loop, &c->exited);
	ev_timer_stop(c->loop, &c->limit);
}

static void free_child(struct fl_child *c)
{
	close_fd(&c->out.fd);
	close_fd(&c->err.fd);
	fl_buf_done(&c->out.buf);
	fl_buf_done(&c->err.buf);
	free(c);
}

/* Only while the watcher has not seen the exit: until then nobody else can have this number. libev
 * reaps what we leave behind. */
static void kill_group(struct fl_child *c)
{
	(void)kill(-c->pid, SIGKILL);
	(void)kill(c->pid, SIGKILL); /* in case it moved to a group of its own */
}

static void finish(struct fl_child *c, int error, int wait_status)
{
	struct fl_child_result res = {.error = error, .exit_status = -1};

	if (!error && WIFEXITED(wait_status))
		res.exit_status = WEXITSTATUS(wait_status);
	else if (!error && WIFSIGNALED(wait_status))
		res.signal = WTERMSIG(wait_status);
	res.output = c->out.buf.data ? c->out.buf.data : "";
	res.output_len = c->out.buf.len;
	res.errors = c->err.buf.data ? c->err.buf.data : "";
	stop_watchers(c);
	c->finishing = true;
	c->done(c->owner, &res);
	free_child(c);
}

static void give_up(struct fl_child *c, int error)
{
	kill_group(c);
	finish(c, error, 0);
}

/* --- outputs */

static int keep(struct output *o, const char *bytes, size_t len)
{
	size_t room = o->max - o->buf.len;

	if (len > room && o->strict)
		return -EMSGSIZE;
	fl_buf_append(&o->buf, bytes, len < room ? len : room);
	return o->buf.error;
}

/* One read, of at most max bytes. @return bytes read, 0 at the end or if nothing is there, -errno
 */
static ssize_t take(struct output *o, size_t max)
{
	char bytes[READ_SIZE];
	ssize_t n = read(o->fd, bytes, max < sizeof(bytes) ? max : sizeof(bytes));
	int r;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0) {
		ev_io_stop(o->child->loop, &o->io);
		close_fd(&o->fd);
		return 0;
	}
	r = keep(o, bytes, (size_t)n);
	return r < 0 ? r : n;
}

static void on_output(struct ev_loop *loop, ev_io *w, int revents)
{
	struct output *o = fl_container_of(w, struct output, io);
	ssize_t n = take(o, READ_SIZE);

	(void)loop;
	(void)revents;
	if (n < 0)
		give_up(o->child, (int)n);
}

/* What the pipe holds now and no more: a grandchild that inherited it may write for ever. */
static int drain(struct output *o)
{
	int left = 0;

	if (o->fd < 0 || ioctl(o->fd, FIONREAD, &left) < 0)
		return 0;
	while (left > 0) {
		ssize_t n = take(o, (size_t)left);

		if (n < 0)
			return (int)n;
		if (n == 0)
			return 0;
		left -= (int)n;
	}
	return 0;
}

static void on_exited(struct ev_loop *loop, ev_child *w, int revents)
{
	struct fl_child *c = fl_container_of(w, struct fl_child, exited);
	int r = drain(&c->out);

	(void)loop;
	(void)revents;
	if (r == 0)
		r = drain(&c->err);
	finish(c, r, w->rstatus);
}

static void on_limit(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	give_up(fl_container_of(w, struct fl_child, limit), -ETIMEDOUT);
}

/* --- the start */

/* 0, 1 and 2 are what the new process gets: our own descriptors must not be among them while they
 * are moved there. */
static int above_stdio(int *fd)
{
	int moved;

	if (*fd > STDERR_FILENO)
		return 0;
	moved = fcntl(*fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (moved < 0)
		return -errno;
	(void)close(*fd);
	*fd = moved;
	return 0;
}

static int create_memfd(void)
{
	int fd;

#ifdef MFD_NOEXEC_SEAL
	/* vm.memfd_noexec=2 refuses the plain call, kernels before 6.3 this one. */
	fd = memfd_create("stdin", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
	if (fd >= 0 || errno != EINVAL)
		return fd < 0 ? -errno : fd;
#endif
	fd = memfd_create("stdin", MFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The input lies in memory as a file: the child reads it at its own pace, or not at all, and no
 * pipe can fill up or break on us. */
static int open_input(const struct fl_child_spec *spec, int *ret)
{
	size_t at = 0;
	int fd, r;

	fd = spec->input ? create_memfd() : open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return spec->input ? fd : -errno;
	while (spec->input && at < spec->input_len) {
		ssize_t n = write(fd, spec->input + at, spec->input_len - at);

		if (n < 0 && errno != EINTR) {
			r = -errno;
			goto close_input;
		}
		at += n > 0 ? (size_t)n : 0;
	}
	r = 0;
	if (spec->input && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	if (r == 0)
		r = above_stdio(&fd);
	if (r < 0)
		goto close_input;
	*ret = fd;
	return 0;

close_input:
	(void)close(fd);
	return r;
}

static int open_output(struct output *o, int *ret)
{
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	r = above_stdio(&fds[0]);
	if (r == 0)
		r = above_stdio(&fds[1]);
	/* Our end alone: O_NONBLOCK on the other would surprise the program. */
	if (r == 0 && fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0)
		r = -errno;
	if (r < 0) {
		(void)close(fds[0]);
		(void)close(fds[1]);
		return r;
	}
	o->fd = fds[0];
	*ret = fds[1];
	return 0;
}

static bool is_named_in(const char *var, const char *const *list)
{
	const char *end = strchr(var, '=');
	size_t len = end ? (size_t)(end - var) + 1 : 0;

	for (; len && list && *list; list++)
		if (strncmp(var, *list, len) == 0)
			return true;
	return false;
}

static bool is_hidden(const char *var, const char *const *prefixes)
{
	for (; prefixes && *prefixes; prefixes++)
		if (strncmp(var, *prefixes, strlen(*prefixes)) == 0)
			return true;
	return false;
}

/* A list of borrowed strings: our environment, less what is hidden or set anew, and what is extra.
 */
static const char **build_env(const struct fl_child_spec *spec)
{
	const char *const *extra = spec->extra_env;
	size_t n = 0, i, m = 0;
	const char **env;

	while (environ && environ[n])
		n++;
	while (extra && extra[m])
		m++;
	env = calloc(n + m + 1, sizeof(*env));
	if (!env)
		return NULL;
	m = 0;
	for (i = 0; i < n; i++)
		if (!is_named_in(environ[i], extra) && !is_hidden(environ[i], spec->hidden_env))
			env[m++] = environ[i];
	for (i = 0; extra && extra[i]; i++)
		env[m++] = extra[i];
	return env;
}

/* We may ignore SIGPIPE and catch SIGTERM; the program expects neither. */
static int init_attr(posix_spawnattr_t *attr)
{
	sigset_t none, all;
	int r = posix_spawnattr_init(attr);

	if (r)
		return -r;
	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	(void)posix_spawnattr_setsigmask(attr, &none);
	(void)posix_spawnattr_setsigdefault(attr, &all);
	(void)posix_spawnattr_setpgroup(attr, 0);
	(void)posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
						     POSIX_SPAWN_SETPGROUP);
	return 0;
}

static int init_actions(posix_spawn_file_actions_t *fa, const struct stdio *io)
{
	int r = posix_spawn_file_actions_init(fa);

	if (r)
		return -r;
	r = posix_spawn_file_actions_adddup2(fa, io->in, STDIN_FILENO);
	if (!r)
		r = posix_spawn_file_actions_adddup2(fa, io->out, STDOUT_FILENO);
	if (!r)
		r = posix_spawn_file_actions_adddup2(fa, io->err, STDERR_FILENO);
	if (r)
		(void)posix_spawn_file_actions_destroy(fa);
	return -r;
}

static int spawn_path(const char *path, const struct fl_child_spec *spec, const struct stdio *io,
		      pid_t *ret)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	const char **env = build_env(spec);
	int r = -ENOMEM;

	if (!env)
		return r;
	r = init_attr(&attr);
	if (r < 0)
		goto free_env;
	r = init_actions(&fa, io);
	if (r < 0)
		goto destroy_attr;
	/* Neither list is written to; the prototype is older than const. */
	r = -posix_spawn(ret, path, &fa, &attr, (char *const *)spec->argv, (char *const *)env);

	(void)posix_spawn_file_actions_destroy(&fa);
destroy_attr:
	(void)posix_spawnattr_destroy(&attr);
free_env:
	free(env);
	return r;
}

/* @return 0, or why @p path cannot be executed */
static int check_program(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0 || access(path, X_OK) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? 0 : -EACCES;
}

static int find_program(const char *name, char **ret)
{
	char *path = strchr(name, '/') ? strdup(name) : fl_child_which(name);
	int r;

	if (!path)
		return strchr(name, '/') ? -ENOMEM : -ENOENT;
	/* posix_spawn(3) may tell a failed execve(2) by exit status 127 alone. */
	r = check_program(path);
	if (r < 0) {
		free(path);
		return r;
	}
	*ret = path;
	return 0;
}

static int spawn(struct fl_child *c, const struct fl_child_spec *spec)
{
	struct stdio io = {.in = -1, .out = -1, .err = -1};
	char *path;
	int r = find_program(spec->argv[0], &path);

	if (r < 0)
		return r;
	r = open_input(spec, &io.in);
	if (r == 0)
		r = open_output(&c->out, &io.out);
	if (r == 0)
		r = open_output(&c->err, &io.err);
	if (r == 0)
		r = spawn_path(path, spec, &io, &c->pid);
	close_fd(&io.in);
	close_fd(&io.out);
	close_fd(&io.err);
	free(path);
	return r;
}

static void start_watchers(struct fl_child *c, uint32_t timeout_ms)
{
	/* The loop's clock stands still within a turn; the time limit begins now. */
	ev_tstamp after = timeout_ms / 1e3 + (ev_time() - ev_now(c->loop));

	ev_io_init(&c->out.io, on_output, c->out.fd, EV_READ);
	ev_io_init(&c->err.io, on_output, c->err.fd, EV_READ);
	ev_child_init(&c->exited, on_exited, c->pid, 0);
	/* libev has reaped the process by then: nobody may still kill that number before we know.
	 */
	ev_set_priority(&c->exited, EV_MAXPRI);
	ev_timer_init(&c->limit, on_limit, after, 0.);
	ev_io_start(c->loop, &c->out.io);
	ev_io_start(c->loop, &c->err.io);
	ev_child_start(c->loop, &c->exited);
	ev_timer_start(c->loop, &c->limit);
}

int fl_child_start(struct ev_loop *loop, const struct fl_child_spec *spec, fl_child_done done,
		   void *owner, struct fl_child **ret)
{
	struct fl_child *c;
	int r;

	/* The default loop reaps every child of the process, so no other one could be told. */
	if (!spec->argv || !spec->argv[0] || !spec->timeout_ms || !ev_is_default_loop(loop))
		return -EINVAL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->loop = loop;
	c->done = done;
	c->owner = owner;
	c->out = (struct output){.child = c, .fd = -1, .max = spec->max_output, .strict = true};
	c->err = (struct output){.child = c, .fd = -1, .max = ERRORS_MAX};
	r = spawn(c, spec);
	if (r < 0) {
		free_child(c);
		return r;
	}
	start_watchers(c, spec->timeout_ms);
	*ret = c;
	return 0;
}

uint32_t fl_child_pid(const struct fl_child *c)
{
	return (uint32_t)c->pid;
}

void fl_child_kill(struct fl_child *c)
{
	if (!c || c->finishing)
		return;
	kill_group(c);
	stop_watchers(c);
	free_child(c);
}

/* --- finding a program */

static char *find_in(const char *folders, const char *program)
{
	const char *at = folders;

	while (*at) {
		size_t len = strcspn(at, ":");
		char *path = NULL;

		/* A relative folder would mean: whatever lies where we happen to be. */
		if (at[0] == '/' && asprintf(&path, "%.*s/%s", (int)len, at, program) < 0)
			return NULL;
		if (path && check_program(path) == 0)
			return path;
		free(path);
		at += len;
		at += *at == ':';
	}
	return NULL;
}

char *fl_child_which(const char *program)
{
	const char *folders = getenv("PATH");
	char *path = NULL;

	if (!program[0])
		return NULL;
	if (strchr(program, '/'))
		return check_program(program) == 0 ? strdup(program) : NULL;
	if (folders)
		path = find_in(folders, program);
	return path ? path : find_in(SBIN_PATH, program);
}
