/* core/firewall_legacy.c - the rules of ip_tables, read as iptables-legacy does, without a child
 * process (linux/netfilter_ipv4/ip_tables.h). */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <netinet/in.h>

#include <linux/netfilter_ipv4/ip_tables.h>

#include "firewall_watch.h"

#define TABLE_MAX (64u << 20) /* bytes */

/* FNV-1a */
static uint64_t add(uint64_t print, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < len; i++)
		print = (print ^ p[i]) * 0x100000001b3u;
	return print;
}

static uint64_t add_entries(uint64_t print, char *entries, size_t size)
{
	struct ipt_entry e;

	for (size_t at = 0; at + sizeof(e) <= size; at += e.next_offset) {
		memcpy(&e, entries + at, sizeof(e));
		if (e.next_offset < sizeof(e) || e.next_offset > size - at)
			break;
		memset(entries + at + offsetof(struct ipt_entry, counters), 0, sizeof(e.counters));
		print = add(print, entries + at, e.next_offset);
	}
	return print;
}

/* A table may change between the two questions: then the second is refused, and the next look sees
 * it. */
static uint64_t add_table(uint64_t print, int fd, const char *name)
{
	struct ipt_getinfo info = {0};
	struct ipt_get_entries *get;
	socklen_t len = sizeof(info);

	(void)strncpy(info.name, name, sizeof(info.name) - 1);
	if (getsockopt(fd, IPPROTO_IP, IPT_SO_GET_INFO, &info, &len) < 0 || info.size > TABLE_MAX)
		return print;
	len = (socklen_t)(sizeof(*get) + info.size);
	get = calloc(1, len);
	if (!get)
		return print;
	(void)strncpy(get->name, name, sizeof(get->name) - 1);
	get->size = info.size;
	if (getsockopt(fd, IPPROTO_IP, IPT_SO_GET_ENTRIES, get, &len) == 0)
		print = add_entries(print, (char *)get->entrytable, info.size);
	free(get);
	return add(print, &info.num_entries, sizeof(info.num_entries));
}

uint64_t fl_firewall_legacy_print(int fd)
{
	return add_table(add_table(0xcbf29ce484222325u, fd, "nat"), fd, "filter");
}
