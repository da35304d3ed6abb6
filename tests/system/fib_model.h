/* tests/system/fib_model.h - what fib_model's files share: fib_model.c (the steps),
 * fib_model_kernel.c (damage to the kernel's tables, and what stands in them), fib_model_leases.c
 * (what should). */
#ifndef FIB_MODEL_H
#define FIB_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/backend.h"

struct fl_rtnl;

#define PEERS	400u
#define MACS	600u /* more than peers, and yet two of them share one now and then (K9) */
#define REMOTES 500u
#define DEVICE	"flannel.77"

uint32_t pick(uint32_t below);

/* ---- what should stand: fib_model_leases.c ---- */

struct peer {
	bool there;
	uint32_t mac;
	uint32_t remote;
};
extern struct peer peers[PEERS];

struct fl_prefix subnet_of(uint32_t i);
struct fl_mac mac_of(uint32_t number);
struct fl_addr remote_of(uint32_t number);
/* A lease comes, or takes another value. */
void model_put(uint32_t i, uint32_t mac, uint32_t remote);
void model_del(uint32_t i);
/* A new daemon hears of all leases in the order of their numbers. */
void model_forget_order(void);
/* Behind which remote a MAC should be, REMOTES: nobody has it. */
uint32_t model_remote(uint32_t mac);
uint32_t model_count(void);

/* ---- the kernel: fib_model_kernel.c ---- */

void kernel_open(void);
/* Routes of others, which are nobody's business. */
void kernel_add_foreign(void);
/* Do something to one row of @p i, or to another one. */
void kernel_damage(uint32_t ifindex, uint32_t i);
/* Rows of a peer that nobody declares, as an earlier run may have left them. */
void kernel_add_stale(uint32_t ifindex, uint32_t i);
void kernel_set_link(uint32_t ifindex, bool up);
void kernel_set_mac(uint32_t ifindex, uint32_t number);
void kernel_del_link(uint32_t ifindex);
/* Receive buffers of all sockets that listen to announcements: 0 is as small as can be. */
void kernel_set_buffers(int bytes);
/* @return true if the tables hold what should stand, nothing else of ours, and all that is others';
 * else @p why says what is wrong first */
bool kernel_matches(uint32_t ifindex, char why[160]);
void kernel_close(void);

#endif
