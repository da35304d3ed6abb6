/* core/allocator.c - which subnet to ask for: a bit per subnet of the pool, 1 while it is taken. */
#include "allocator.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "base/random.h"
#include "netconf.h"

#define CHOICE_MAX 100u /* flannel's: few enough to keep the pool dense, enough to avoid races */
#define WORD_BITS  64u

struct fl_allocator {
	uint32_t first; /* address of the pool's first subnet, host byte order */
	uint32_t last;	/* last address of its last subnet */
	uint8_t subnet_len;
	uint32_t count;	 /* subnets in the pool */
	uint64_t *words; /* bits behind the last subnet are 1 */
};

/** Addresses of a subnet of @p len bits, less one. */
static uint32_t host_mask(uint8_t len)
{
	return len == 0 ? UINT32_MAX : (uint32_t)((UINT64_C(1) << (32 - len)) - 1);
}

int fl_allocator_create(const struct fl_netconf *nc, struct fl_allocator **ret)
{
	uint32_t min = fl_addr_v4(&nc->subnet_min), max = fl_addr_v4(&nc->subnet_max);
	struct fl_allocator *a;
	uint32_t mask, n_words;

	if (nc->subnet_min.family != AF_INET || nc->subnet_max.family != AF_INET)
		return -EINVAL;
	if (nc->subnet_len < 1 || nc->subnet_len > 30)
		return -EINVAL;
	mask = host_mask(nc->subnet_len);
	if (min > max || (min & mask) || (max & mask))
		return -EINVAL;

	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->first = min;
	a->last = max | mask;
	a->subnet_len = nc->subnet_len;
	a->count = ((max - min) >> (32 - nc->subnet_len)) + 1;
	n_words = (a->count + WORD_BITS - 1) / WORD_BITS;
	a->words = calloc(n_words, sizeof(uint64_t));
	if (!a->words) {
		free(a);
		return -ENOMEM;
	}
	if (a->count % WORD_BITS)
		a->words[n_words - 1] = ~UINT64_C(0) << (a->count % WORD_BITS);
	*ret = a;
	return 0;
}

void fl_allocator_destroy(struct fl_allocator *a)
{
	if (!a)
		return;
	free(a->words);
	free(a);
}

/** Subnets of the pool, by number. */
struct range {
	uint32_t from;
	uint32_t to; /* inclusive */
};

/** What of the pool @p subnet touches. @return false if nothing */
static bool range_of(const struct fl_allocator *a, const struct fl_prefix *subnet,
		     struct range *ret)
{
	uint32_t start = fl_addr_v4(&subnet->addr) & ~host_mask(subnet->len);
	uint32_t end = start | host_mask(subnet->len);
	uint8_t shift = (uint8_t)(32 - a->subnet_len);

	if (end < a->first || start > a->last)
		return false;
	ret->from = start < a->first ? 0 : (start - a->first) >> shift;
	ret->to = end > a->last ? a->count - 1 : (end - a->first) >> shift;
	return true;
}

/** The bits of word @p w that @p r covers; it covers some. */
static uint64_t word_mask(const struct range *r, uint32_t w)
{
	uint64_t mask = ~UINT64_C(0);

	if (w == r->from / WORD_BITS)
		mask &= ~UINT64_C(0) << (r->from % WORD_BITS);
	if (w == r->to / WORD_BITS)
		mask &= ~UINT64_C(0) >> (WORD_BITS - 1 - r->to % WORD_BITS);
	return mask;
}

int fl_allocator_take(struct fl_allocator *a, const struct fl_prefix *subnet)
{
	struct range r;

	if (subnet->addr.family != AF_INET || subnet->len > 32)
		return -EINVAL;
	if (!range_of(a, subnet, &r))
		return 0;
	for (uint32_t w = r.from / WORD_BITS; w <= r.to / WORD_BITS; w++)
		a->words[w] |= word_mask(&r, w);
	return 0;
}

bool fl_allocator_is_free(const struct fl_allocator *a, const struct fl_prefix *subnet)
{
	struct range r;
	uint32_t start;

	if (subnet->addr.family != AF_INET || subnet->len > 32 || !range_of(a, subnet, &r))
		return false;
	start = fl_addr_v4(&subnet->addr) & ~host_mask(subnet->len);
	if (start < a->first || (start | host_mask(subnet->len)) > a->last)
		return false;
	for (uint32_t w = r.from / WORD_BITS; w <= r.to / WORD_BITS; w++)
		if (a->words[w] & word_mask(&r, w))
			return false;
	return true;
}

/** The numbers of the first free subnets. @return how many, at most CHOICE_MAX */
static uint32_t first_free(const struct fl_allocator *a, uint32_t choice[CHOICE_MAX])
{
	uint32_t n_words = (a->count + WORD_BITS - 1) / WORD_BITS, n = 0;

	for (uint32_t w = 0; w < n_words; w++)
		for (uint64_t open = ~a->words[w]; open; open &= open - 1) {
			if (n == CHOICE_MAX)
				return n;
			choice[n++] = w * WORD_BITS + (uint32_t)__builtin_ctzll(open);
		}
	return n;
}

int fl_allocator_pick(const struct fl_allocator *a, struct fl_prefix *ret)
{
	uint32_t choice[CHOICE_MAX];
	uint32_t n = first_free(a, choice), number;

	if (n == 0)
		return -ENOSPC;
	number = choice[fl_random_below(n)];
	*ret = (struct fl_prefix){
		.addr = fl_addr_from_v4(a->first + (number << (32 - a->subnet_len))),
		.len = a->subnet_len};
	return 0;
}
