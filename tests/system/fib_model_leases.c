/* tests/system/fib_model_leases.c - the leases, and what should stand for them. */
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "fib_model.h"

/* Declarations of one remote for one MAC; of several remotes the one that was declared last counts.
 */
struct claim {
	uint32_t mac;
	uint32_t remote;
	uint32_t count;
	uint64_t rank;
};

struct peer peers[PEERS];
static struct claim claims[PEERS];
static uint64_t ranks;

static struct fl_addr v4(uint32_t host_order)
{
	struct fl_addr a = {.family = AF_INET};
	uint32_t be = htonl(host_order);

	memcpy(a.bytes, &be, sizeof(be));
	return a;
}

struct fl_prefix subnet_of(uint32_t i)
{
	return (struct fl_prefix){.addr = v4((10u << 24) + ((i + 1) << 8)), .len = 24};
}

struct fl_mac mac_of(uint32_t number)
{
	return (struct fl_mac){{2, 0x77, 0, 0, (uint8_t)(number >> 8), (uint8_t)number}};
}

struct fl_addr remote_of(uint32_t number)
{
	return v4((172u << 24) + (16u << 16) + number + 1);
}

static struct claim *claim_of(uint32_t mac, uint32_t remote)
{
	struct claim *room = NULL;

	for (uint32_t i = 0; i < PEERS; i++) {
		if (claims[i].count && claims[i].mac == mac && claims[i].remote == remote)
			return &claims[i];
		if (!claims[i].count)
			room = &claims[i];
	}
	*room = (struct claim){.mac = mac, .remote = remote};
	return room;
}

void model_del(uint32_t i)
{
	if (!peers[i].there)
		return;
	claim_of(peers[i].mac, peers[i].remote)->count--;
	peers[i].there = false;
}

void model_put(uint32_t i, uint32_t mac, uint32_t remote)
{
	struct claim *c;

	if (peers[i].there && peers[i].mac == mac && peers[i].remote == remote)
		return;
	model_del(i);
	peers[i] = (struct peer){.there = true, .mac = mac, .remote = remote};
	c = claim_of(mac, remote);
	if (c->count++ == 0 || model_remote(mac) != remote)
		c->rank = ++ranks;
}

void model_forget_order(void)
{
	memset(claims, 0, sizeof(claims));
	for (uint32_t i = 0; i < PEERS; i++) {
		bool there = peers[i].there;

		peers[i].there = false;
		if (there)
			model_put(i, peers[i].mac, peers[i].remote);
	}
}

uint32_t model_remote(uint32_t mac)
{
	const struct claim *best = NULL;

	for (uint32_t i = 0; i < PEERS; i++)
		if (claims[i].count && claims[i].mac == mac &&
		    (!best || claims[i].rank > best->rank))
			best = &claims[i];
	return best ? best->remote : REMOTES;
}

uint32_t model_count(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < PEERS; i++)
		n += peers[i].there;
	return n;
}
