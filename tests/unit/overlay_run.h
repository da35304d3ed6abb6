/* tests/unit/overlay_run.h - an overlay over the fake kernel, with a backend and a route watch that
 * the test leads. */
#ifndef TEST_OVERLAY_RUN_H
#define TEST_OVERLAY_RUN_H

#include "env.h"
#include "fake_kernel.h"
#include "overlay.h"

#define UNDERLAY 3u   /* ifindex, and the way that is direct */
#define WAIT	 100u /* the way that leads nowhere for now */

struct fixture {
	struct ev_loop *loop;
	struct fl_extif extif; /* 192.0.2.1 */
	struct fl_env env;
	struct fl_overlay *overlay;
	uint32_t ways[65536]; /* of 10.x.y.0/24: 0 is by DEV */
	bool starved;	      /* rows() gets no memory */
	bool deaf;	      /* nor does peer_add() */
	char told[1024];      /* "+10.5.1.0/24 " peer_add(), "-..." peer_del() */
	int log_fd;	      /* stderr goes here */
	int stderr_fd;
};

/* setup and teardown of each test; stderr is caught meanwhile. The overlay is 10.0.0.0/8, ours is
 * 10.255.1.0/24, the backend is called "fake". */
int setup(void **state);
int teardown(void **state);
void overlay_start(struct fixture *f);
/* The overlay goes and another one comes; the kernel keeps its tables. */
void overlay_restart(struct fixture *f);

/* Turn the loop until it has nothing to do; timers do not get their time. */
void turn(struct fixture *f);
/* This host's routes have changed; nothing is turned. */
void routes_change(struct fixture *f);
/* Likewise, and the kernel has dropped some with a link, perhaps. */
void routes_drop(struct fixture *f);
/* Is there somebody to tell? */
bool watches_routes(void);
/* The end of fl_overlay_suspend(), with an empty list of operations. Then turn(). */
void overlay_move(struct fixture *f);
/* The same, with an empty list of operations, and then turn(). */
void reroute(struct fixture *f);

/* The lease of 10.x.y.0/24, @p n is x * 256 + y. @p data: "2" is its MAC, "bad" is refused, "none"
 * of no concern */
void put(struct fixture *f, uint32_t n, const char *data);
void put_lease(struct fixture *f, const char *subnet, const char *type, const char *data);
void del(struct fixture *f, uint32_t n);
/* A complete snapshot with the leases @p first to @p last, MACs like their numbers. Then turn(). */
void snapshot(struct fixture *f, uint32_t first, uint32_t last);

bool logged(const struct fixture *f, const char *text);
uint32_t logged_times(const struct fixture *f, const char *text);
/* Where in kernel.ops it stands; fails if it does not, or twice. */
const char *op(const char *text);
bool no_op(const char *text);
/* The device that the kernel's route to 10.x.y.0/24 names; 0: none. */
uint32_t route_dev(uint32_t n);

#endif
