/* core/io/detach.c - go into the background, see core/io/detach.h. */
#include "io/detach.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/defs.h"

struct fl_detach {
	int words;    /* a pipe: the daemon's number, then its code */
	int errors;   /* a pipe: what the daemon writes to stderr; -1 in the daemon */
	int signals;  /* the parent's; -1 in the daemon */
	sigset_t old; /* the parent's mask of before */
	pid_t pid;
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static void free_detach(struct fl_detach *d)
{
	close_fd(&d->words);
	close_fd(&d->errors);
	close_fd(&d->signals);
	free(d);
}

/* --- the daemon */

/* From now on it is nobody's that stderr was connected to. */
static void point_to_null(int first, int last)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = first; null >= 0 && fd <= last; fd++)
		(void)dup2(null, fd);
	if (null > last)
		(void)close(null);
}

static void close_between(int first, int last)
{
	if (first <= last)
		(void)close_range((unsigned int)first, (unsigned int)last, 0);
}

/* Descriptors that we have not opened are somebody's pipe, lock or terminal. */
static void close_all_but(int a, int b)
{
	int low = a < b ? a : b, high = a < b ? b : a;

	close_between(STDERR_FILENO + 1, low - 1);
	close_between(low + 1, high - 1);
	close_between(high + 1, INT_MAX);
}

static void become_daemon(struct fl_detach *d, int keep)
{
	pid_t pid = getpid();
	ssize_t r;

	(void)dup2(d->errors, STDERR_FILENO);
	d->errors = -1; /* closed with the others */
	d->signals = -1;
	point_to_null(STDIN_FILENO, STDOUT_FILENO);
	close_all_but(keep < 0 ? d->words : keep, d->words);
	(void)umask(022);
	(void)signal(SIGPIPE, SIG_IGN); /* the parent may be gone before us */
	(void)sigprocmask(SIG_SETMASK, &d->old, NULL);
	r = chdir("/");
	if (r == 0)
		r = write(d->words, &pid, sizeof(pid));
	(void)r; /* the parent may be gone; that ends nothing */
}

/* The process between: its end makes the daemon init's child, which no terminal can be given. */
static int fork_again(struct fl_detach *d, int keep)
{
	pid_t pid;

	if (setsid() < 0)
		_exit(1);
	pid = fork();
	if (pid != 0)
		_exit(pid < 0);
	become_daemon(d, keep);
	return 0;
}

void fl_detach_say(struct fl_detach *d, int code)
{
	if (!d)
		return;
	point_to_null(STDERR_FILENO, STDERR_FILENO);
	if (write(d->words, &code, sizeof(code)) < 0)
		code = 0; /* the parent did not wait so long */
	free_detach(d);
}

/* --- the parent */

/* 0, 1 and 2 may be closed: what we open next must not become the daemon's stderr. */
static int fill_stdio(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return -errno;
	(void)close(fd);
	return 0;
}

static int open_ends(struct fl_detach *d, int far[2])
{
	int words[2], errors[2];

	if (pipe2(words, O_CLOEXEC) < 0)
		return -errno;
	d->words = words[0];
	far[0] = words[1];
	if (pipe2(errors, O_CLOEXEC) < 0)
		return -errno;
	d->errors = errors[0];
	far[1] = errors[1];
	return fcntl(far[1], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

/* Who has started us may want a signal to be ignored, as nohup(1) does. */
static bool is_ignored(int number)
{
	struct sigaction now;

	return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

/* Before the fork: a Ctrl-C must reach us while the daemon can still be told. */
static int catch_signals(struct fl_detach *d)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < FL_ARRAY_SIZE(numbers); i++)
		if (!is_ignored(numbers[i]))
			(void)sigaddset(&set, numbers[i]);
	if (sigprocmask(SIG_BLOCK, &set, &d->old) < 0)
		return -errno;
	d->signals = signalfd(-1, &set, SFD_CLOEXEC);
	return d->signals < 0 ? -errno : 0;
}

static void take_daemons_end(struct fl_detach *d, const int far[2])
{
	d->words = far[0];
	d->errors = far[1];
}

int fl_detach_fork(int keep, struct fl_detach **ret)
{
	struct fl_detach *d = calloc(1, sizeof(*d));
	int far[2] = {-1, -1}, r;
	pid_t pid = -1;

	if (!d)
		return -ENOMEM;
	d->words = d->errors = d->signals = -1;
	r = fill_stdio();
	if (r == 0)
		r = catch_signals(d);
	if (r == 0)
		r = open_ends(d, far);
	if (r == 0) {
		pid = fork();
		r = pid < 0 ? -errno : 0;
	}
	if (pid == 0) {
		take_daemons_end(d, far);
		*ret = d;
		return fork_again(d, keep);
	}
	close_fd(&far[0]);
	close_fd(&far[1]);
	if (r < 0) {
		(void)sigprocmask(SIG_SETMASK, &d->old, NULL);
		free_detach(d);
		return r;
	}
	(void)waitpid(pid, NULL, 0);
	*ret = d;
	return 1;
}

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* What is in the pipe. */
static void pass_on(struct fl_detach *d)
{
	char bytes[4096];
	ssize_t n = read(d->errors, bytes, sizeof(bytes));

	if (n <= 0)
		close_fd(&d->errors);
	else if (write(STDERR_FILENO, bytes, (size_t)n) < 0)
		close_fd(&d->errors); /* nobody reads */
}

static void pass_on_rest(struct fl_detach *d)
{
	struct pollfd p = {.fd = d->errors, .events = POLLIN};

	while (d->errors >= 0 && poll(&p, 1, 0) > 0 && (p.revents & POLLIN))
		pass_on(d);
}

/* @return what the daemon said, -EAGAIN: its number only, -EPIPE: nothing more will come */
static int hear(struct fl_detach *d)
{
	int word = 0;

	if (read(d->words, &word, sizeof(word)) != (ssize_t)sizeof(word))
		return -EPIPE;
	if (d->pid)
		return word;
	d->pid = word;
	return -EAGAIN;
}

static int stop_daemon(struct fl_detach *d)
{
	if (d->pid)
		(void)kill(d->pid, SIGTERM);
	return -EINTR;
}

/* One look at all three. @return -EAGAIN: nothing that ends the waiting */
static int look(struct fl_detach *d, int left_ms)
{
	struct pollfd p[] = {{.fd = d->words, .events = POLLIN},
			     {.fd = d->errors, .events = POLLIN},
			     {.fd = d->signals, .events = POLLIN}};
	int n = poll(p, FL_ARRAY_SIZE(p), left_ms);

	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (p[1].revents)
		pass_on(d);
	if (p[2].revents && d->pid)
		return stop_daemon(d);
	return p[0].revents ? hear(d) : -EAGAIN;
}

int fl_detach_wait(struct fl_detach *d, uint32_t timeout_s, pid_t *pid)
{
	int64_t end = now_ms() + (int64_t)timeout_s * 1000;
	int r = -EAGAIN;

	while (r == -EAGAIN) {
		int64_t left = end - now_ms();

		r = timeout_s && left <= 0 ? -ETIMEDOUT : look(d, timeout_s ? (int)left : -1);
	}
	pass_on_rest(d);
	*pid = d->pid;
	(void)sigprocmask(SIG_SETMASK, &d->old, NULL);
	free_detach(d);
	return r;
}
