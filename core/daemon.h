/* core/daemon.h - the life: fetch config, load backend, acquire, up, ready, run, stop. */
#ifndef FL_DAEMON_H
#define FL_DAEMON_H

struct fl_detach;
struct fl_options;

/** Exit codes, as in flanneld(8). */
enum fl_exit {
	FL_EXIT_OK = 0,	   /* told to stop, or the information asked for was printed */
	FL_EXIT_FAULT = 1, /* a fault of the system: memory, netlink, a file; or a refused config
			      (--check-config) */
	FL_EXIT_USAGE = 2, /* unknown flag or bad value */
	FL_EXIT_INTERFACE = 3, /* no interface or address to use */
	FL_EXIT_BACKEND = 4, /* the backend cannot be loaded, or refuses its config, or cannot bring
				up its device */
	FL_EXIT_FIREWALL = 5,  /* --ip-masq is wanted and iptables is not there or fails;
				 or --peer-filter, and the kernel has no nf_tables */
	FL_EXIT_LEASE = 6,     /* our lease is another host's now */
	FL_EXIT_FILE = 7,      /* subnet.env cannot be written */
	FL_EXIT_RUNNING = 8,   /* another flanneld holds the pidfile; or --cleanup, and one runs */
	FL_EXIT_NOT_READY = 9, /* --daemon: not ready within --ready-timeout, or told to stop before
				  it was */
};

/**
 * Run until told to stop.
 * @param ready  NULL, or who waits until we are; set to NULL, and told, once we are
 * @return an exit code
 */
int fl_daemon_run(const struct fl_options *opts, struct fl_detach **ready);

/** --check: print the interface, its addresses and why, on stdout. @return an exit code */
int fl_daemon_check(const struct fl_options *opts);

#endif
