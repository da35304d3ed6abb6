/* tests/unit/fake_kernel.h - the tables that rtnetlink would fill, behind fl_rtnl_*(): a test that
 * links this talks to it instead of the kernel, and can make it refuse, break off and forget. */
#ifndef TEST_FAKE_KERNEL_H
#define TEST_FAKE_KERNEL_H

#include "io/rtmsg.h"

#define DEV	  7u
#define OTHER_DEV 8u
#define OBJECTS	  8192u

enum what { NOTHING, NEIGH, FDB, NEXTHOP, ROUTE };

struct object {
	enum what what;
	struct fl_rtmsg_neigh neigh; /* NEIGH, FDB */
	struct fl_rtmsg_nexthop nh;
	struct fl_rtmsg_route route;
};

struct fake_kernel {
	struct object objects[OBJECTS];
	uint32_t count;	       /* highest used + 1 */
	char ops[1 << 16];     /* "+route 10.3.5.0/24\n" ... */
	enum what refuse;      /* additions of it fail ... */
	int refuse_error;      /* ... with this */
	uint32_t refuse_times; /* so often */
	uint32_t broken;       /* so many batches break off */
	bool no_nexthops;
	bool no_compat; /* net.ipv4.nexthop_compat_mode=0 */
	int dump_error;
	uint32_t dump_skip;	 /* dumps before it that work */
	uint32_t dump_interrupt; /* so many dumps ... */
	enum what interrupted;	 /* ... of this say -EINTR; NOTHING: of any */
	uint32_t dumps;
	uint32_t piece;	  /* objects in a piece of a dump; 0: all in one */
	uint32_t slow_us; /* that each piece takes */
	uint32_t batches;
};
extern struct fake_kernel kernel;

/* Tables empty, nothing refused. */
void kernel_reset(void);

/* What is there before the fib comes. */
void kernel_neigh(const char *ip, uint8_t mac, uint32_t ifindex, uint16_t nud);
void kernel_fdb(uint8_t mac, const char *remote, uint16_t nud);
void kernel_route(const char *dst, uint32_t ifindex, uint8_t protocol, uint32_t metric);
void kernel_nexthop(uint32_t id, const char *via, uint32_t ifindex, uint8_t protocol);

uint32_t kernel_count(enum what what);
const struct fl_rtmsg_route *kernel_route_to(const char *dst); /* NULL: none */

struct fl_addr addr(const char *text);
struct fl_prefix prefix(const char *text);
/* 02:00 and the number; all zero for 0 */
struct fl_mac mac(uint32_t n);

#endif
