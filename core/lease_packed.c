/* core/lease_packed.c - a lease in as few bytes as it takes: no IPv6 where there is none, no
 * pointers, and the backend type only where it is not the usual one. */
#include "lease_packed.h"

#include <string.h>
#include <sys/socket.h>

#define PUBLIC_IP 1u /* is IPv4, and not none */
#define IPV6	  2u
#define USUAL	  4u /* the backend type is */
#define TYPE	  8u
#define DATA	  16u
#define DATA6	  32u

/* What stands first, if IPV6. */
struct ipv6 {
	struct fl_prefix subnet;
	struct fl_addr public_ip;
};

static uint8_t flags_of(const struct fl_lease *l, const char *usual)
{
	uint8_t flags = 0;

	if (fl_addr_is_set(&l->public_ip))
		flags |= PUBLIC_IP;
	if (fl_prefix_is_set(&l->subnet6) || fl_addr_is_set(&l->public_ip6))
		flags |= IPV6;
	if (l->backend_type)
		flags |= usual && strcmp(l->backend_type, usual) == 0 ? USUAL : TYPE;
	if (l->backend_data)
		flags |= DATA;
	if (l->backend_data6)
		flags |= DATA6;
	return flags;
}

size_t fl_lease_packed_size(const struct fl_lease *lease, const char *usual)
{
	uint8_t flags = flags_of(lease, usual);
	size_t size = FL_LEASE_PACKED_MIN;

	if (flags & IPV6)
		size += sizeof(struct ipv6);
	if (flags & TYPE)
		size += strlen(lease->backend_type) + 1;
	if (flags & DATA)
		size += strlen(lease->backend_data) + 1;
	if (flags & DATA6)
		size += strlen(lease->backend_data6) + 1;
	return size;
}

static unsigned char *put(unsigned char *to, const void *bytes, size_t size)
{
	memcpy(to, bytes, size);
	return to + size;
}

static unsigned char *put_string(unsigned char *to, const char *text)
{
	return put(to, text, strlen(text) + 1);
}

void fl_lease_pack(const struct fl_lease *lease, const char *usual, unsigned char *to)
{
	const struct ipv6 v6 = {lease->subnet6, lease->public_ip6};
	uint8_t flags = flags_of(lease, usual);

	*to++ = flags;
	*to++ = lease->subnet.len;
	to = put(to, lease->subnet.addr.bytes, 4);
	to = put(to, lease->public_ip.bytes, 4);
	if (flags & IPV6)
		to = put(to, &v6, sizeof(v6));
	if (flags & TYPE)
		to = put_string(to, lease->backend_type);
	if (flags & DATA)
		to = put_string(to, lease->backend_data);
	if (flags & DATA6)
		(void)put_string(to, lease->backend_data6);
}

static struct fl_addr address(const unsigned char *bytes)
{
	struct fl_addr a = {.family = AF_INET};

	memcpy(a.bytes, bytes, 4);
	return a;
}

struct fl_prefix fl_lease_packed_subnet(const unsigned char *from)
{
	return (struct fl_prefix){.addr = address(from + 2), .len = from[1]};
}

static const char *get_string(const unsigned char **from)
{
	const char *text = (const char *)*from;

	*from += strlen(text) + 1;
	return text;
}

void fl_lease_unpack(const unsigned char *from, const char *usual, struct fl_lease *ret)
{
	uint8_t flags = from[0];
	struct ipv6 v6 = {0};

	*ret = (struct fl_lease){.subnet = fl_lease_packed_subnet(from)};
	if (flags & PUBLIC_IP)
		ret->public_ip = address(from + 6);
	from += FL_LEASE_PACKED_MIN;
	if (flags & IPV6) {
		memcpy(&v6, from, sizeof(v6));
		from += sizeof(v6);
	}
	ret->subnet6 = v6.subnet;
	ret->public_ip6 = v6.public_ip;
	ret->backend_type = flags & USUAL ? usual : NULL;
	if (flags & TYPE)
		ret->backend_type = get_string(&from);
	if (flags & DATA)
		ret->backend_data = get_string(&from);
	if (flags & DATA6)
		ret->backend_data6 = get_string(&from);
}
