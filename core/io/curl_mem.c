/* core/io/curl_mem.c - memory for libcurl, see core/io/curl_mem.h. Its resolver allocates in a
 * thread of its own. */
#include "io/curl_mem.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PIECES	   64u
#define PIECE_SIZE 512u /* bytes: the table of a socket has 416; buffers are larger */

static alignas(max_align_t) char reserve[PIECES][PIECE_SIZE];
static _Atomic uint64_t used; /* a bit for each */

static void *take(size_t size)
{
	uint64_t now = atomic_load(&used), bit;

	if (size > PIECE_SIZE)
		return NULL;
	do {
		bit = ~now & (now + 1); /* the lowest one that is free */
		if (bit == 0)
			return NULL;
	} while (!atomic_compare_exchange_weak(&used, &now, now | bit));
	return memset(reserve[__builtin_ctzll(bit)], 0, PIECE_SIZE);
}

static bool is_reserve(const void *p)
{
	return (uintptr_t)p >= (uintptr_t)reserve &&
	       (uintptr_t)p < (uintptr_t)reserve + sizeof(reserve);
}

static void *get(size_t size)
{
	void *p = malloc(size);

	if (!p)
		p = take(size);
	return p;
}

static void *get_zeroed(size_t count, size_t size)
{
	void *p = calloc(count, size);

	if (!p && (size == 0 || count <= PIECE_SIZE / size))
		p = take(count * size);
	return p;
}

static void give(void *p)
{
	if (!is_reserve(p)) {
		free(p);
		return;
	}
	atomic_fetch_and(&used,
			 ~(UINT64_C(1) << (((uintptr_t)p - (uintptr_t)reserve) / PIECE_SIZE)));
}

static void *get_again(void *p, size_t size)
{
	void *grown;

	if (!is_reserve(p))
		return realloc(p, size);
	if (size <= PIECE_SIZE)
		return p;
	grown = malloc(size);
	if (!grown)
		return NULL;
	memcpy(grown, p, PIECE_SIZE);
	give(p);
	return grown;
}

static char *get_copy(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = get(size);

	return copy ? memcpy(copy, text, size) : NULL;
}

CURLcode fl_curl_mem_init(long flags)
{
	return curl_global_init_mem(flags, get, give, get_again, get_copy, get_zeroed);
}
