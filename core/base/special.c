/* core/base/special.c - the addresses that no host on a network can have (RFC 6890, RFC 4291). */
#include "special.h"

#include <sys/socket.h>

static const struct {
	struct fl_prefix range;
	const char *name;
} special[] = {
	{{{AF_INET, {0}}, 8}, "0.0.0.0/8 (this network)"},
	{{{AF_INET, {127}}, 8}, "127.0.0.0/8 (loopback)"},
	{{{AF_INET, {224}}, 4}, "224.0.0.0/4 (multicast)"},
	{{{AF_INET, {240}}, 4}, "240.0.0.0/4 (reserved)"},
	{{{AF_INET6, {0}}, 128}, "::/128 (unspecified)"},
	{{{AF_INET6, {[15] = 1}}, 128}, "::1/128 (loopback)"},
	{{{AF_INET6, {0xff}}, 8}, "ff00::/8 (multicast)"},
};

const char *fl_special(const struct fl_prefix *p)
{
	for (size_t i = 0; i < FL_ARRAY_SIZE(special); i++)
		if (fl_prefix_overlaps(p, &special[i].range))
			return special[i].name;
	return NULL;
}

const char *fl_special_addr(const struct fl_addr *a)
{
	const struct fl_prefix p = {.addr = *a, .len = (uint8_t)(8 * fl_addr_size(a))};

	return fl_special(&p);
}
