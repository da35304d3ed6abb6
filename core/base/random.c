/* core/base/random.c - the kernel's random numbers (getrandom(2)). */
#include "random.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

/** SplitMix64's step: every bit of the state moves every bit of the result. */
static uint64_t mix(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* Before the kernel's pool is filled, what differs between hosts and starts has to do. */
static void weak_bytes(unsigned char *buf, size_t len)
{
	static uint64_t state;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	state ^= (uint64_t)now.tv_sec << 30 ^ (uint64_t)now.tv_nsec;
	state ^= (uint64_t)getpid() << 40 ^ (uint64_t)(uintptr_t)&now;
	for (size_t i = 0; i < len; i++)
		buf[i] = (unsigned char)(mix(&state) >> 56);
}

void fl_random_bytes(void *buf, size_t len)
{
	if (getrandom(buf, len, GRND_NONBLOCK) != (ssize_t)len)
		weak_bytes(buf, len);
}

uint32_t fl_random_below(uint32_t bound)
{
	uint32_t value, reject;

	if (bound < 2)
		return 0;
	/* 2^32 mod bound: values below it would make the low results more likely */
	reject = -bound % bound;
	do
		fl_random_bytes(&value, sizeof(value));
	while (value < reject);
	return value % bound;
}
