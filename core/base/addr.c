/* core/base/addr.c - IP addresses, prefixes and MAC addresses: text, comparison, arithmetic. */
#include "addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int fl_addr_parse(const char *text, struct fl_addr *ret)
{
	struct fl_addr a = {0};

	if (inet_pton(AF_INET, text, a.bytes) == 1)
		a.family = AF_INET;
	else if (inet_pton(AF_INET6, text, a.bytes) == 1)
		a.family = AF_INET6;
	else
		return -EINVAL;
	*ret = a;
	return 0;
}

const char *fl_addr_format(const struct fl_addr *a, char buf[FL_ADDR_STRLEN])
{
	if (!fl_addr_is_set(a) || !inet_ntop(a->family, a->bytes, buf, FL_ADDR_STRLEN))
		memcpy(buf, "none", sizeof("none"));
	return buf;
}

struct fl_addr fl_addr_from_v4(uint32_t value)
{
	struct fl_addr a = {.family = AF_INET};
	uint32_t be = htonl(value);

	memcpy(a.bytes, &be, sizeof(be));
	return a;
}

uint32_t fl_addr_v4(const struct fl_addr *a)
{
	uint32_t be;

	if (a->family != AF_INET)
		return 0;
	memcpy(&be, a->bytes, sizeof(be));
	return ntohl(be);
}

size_t fl_addr_size(const struct fl_addr *a)
{
	if (a->family == AF_INET)
		return 4;
	return a->family == AF_INET6 ? 16 : 0;
}

bool fl_addr_is_set(const struct fl_addr *a)
{
	return fl_addr_size(a) > 0;
}

bool fl_addr_equal(const struct fl_addr *a, const struct fl_addr *b)
{
	return a->family == b->family && !memcmp(a->bytes, b->bytes, fl_addr_size(a));
}

static int parse_length(const char *text, unsigned int max, uint8_t *ret)
{
	unsigned int value = 0;

	if (!*text || (text[0] == '0' && text[1]))
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		value = value * 10 + (unsigned int)(*text - '0');
		if (value > max)
			return -EINVAL;
	}
	*ret = (uint8_t)value;
	return 0;
}

int fl_prefix_parse(const char *text, struct fl_prefix *ret)
{
	const char *slash = strchr(text, '/');
	char addr[FL_ADDR_STRLEN];
	struct fl_prefix p;
	int r;

	if (!slash || (size_t)(slash - text) >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, text, (size_t)(slash - text));
	addr[slash - text] = '\0';

	r = fl_addr_parse(addr, &p.addr);
	if (r < 0)
		return r;
	r = parse_length(slash + 1, 8 * (unsigned int)fl_addr_size(&p.addr), &p.len);
	if (r < 0)
		return r;
	*ret = p;
	return 0;
}

const char *fl_prefix_format(const struct fl_prefix *p, char buf[FL_PREFIX_STRLEN])
{
	size_t len;

	fl_addr_format(&p->addr, buf);
	if (!fl_prefix_is_set(p))
		return buf;
	len = strlen(buf);
	(void)snprintf(buf + len, FL_PREFIX_STRLEN - len, "/%u", p->len);
	return buf;
}

bool fl_prefix_is_set(const struct fl_prefix *p)
{
	return fl_addr_is_set(&p->addr);
}

bool fl_prefix_equal(const struct fl_prefix *a, const struct fl_prefix *b)
{
	return a->len == b->len && fl_addr_equal(&a->addr, &b->addr);
}

int fl_prefix_compare(const struct fl_prefix *a, const struct fl_prefix *b)
{
	int r = a->addr.family - b->addr.family;

	if (r == 0)
		r = memcmp(a->addr.bytes, b->addr.bytes, sizeof(a->addr.bytes));
	return r ? r : a->len - b->len;
}

/** The bits of byte @p i that the first @p len bits of an address cover. */
static uint8_t byte_mask(size_t i, uint8_t len)
{
	if (len >= 8 * (i + 1))
		return 0xff;
	if (len <= 8 * i)
		return 0;
	return (uint8_t)(0xff << (8 * (i + 1) - len));
}

struct fl_prefix fl_prefix_masked(const struct fl_prefix *p)
{
	struct fl_prefix m = *p;

	for (size_t i = 0; i < fl_addr_size(&m.addr); i++)
		m.addr.bytes[i] &= byte_mask(i, m.len);
	return m;
}

bool fl_prefix_is_masked(const struct fl_prefix *p)
{
	struct fl_prefix m = fl_prefix_masked(p);

	return fl_addr_equal(&m.addr, &p->addr);
}

static bool same_bits(const struct fl_addr *a, const struct fl_addr *b, uint8_t len)
{
	if (a->family != b->family || !fl_addr_is_set(a))
		return false;
	for (size_t i = 0; i < fl_addr_size(a); i++)
		if ((a->bytes[i] ^ b->bytes[i]) & byte_mask(i, len))
			return false;
	return true;
}

bool fl_prefix_contains(const struct fl_prefix *p, const struct fl_addr *a)
{
	return same_bits(&p->addr, a, p->len);
}

bool fl_prefix_overlaps(const struct fl_prefix *a, const struct fl_prefix *b)
{
	return same_bits(&a->addr, &b->addr, a->len < b->len ? a->len : b->len);
}

struct fl_addr fl_prefix_last(const struct fl_prefix *p)
{
	struct fl_addr last = p->addr;

	for (size_t i = 0; i < fl_addr_size(&last); i++)
		last.bytes[i] |= (uint8_t)~byte_mask(i, p->len);
	return last;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int fl_mac_parse(const char *text, struct fl_mac *ret)
{
	struct fl_mac m;

	if (strlen(text) != FL_MAC_STRLEN - 1)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(m.bytes); i++, text += 3) {
		int high = hex_digit(text[0]), low = hex_digit(text[1]);

		if (high < 0 || low < 0 || text[2] != (i < sizeof(m.bytes) - 1 ? ':' : '\0'))
			return -EINVAL;
		m.bytes[i] = (uint8_t)(high << 4 | low);
	}
	*ret = m;
	return 0;
}

const char *fl_mac_format(const struct fl_mac *m, char buf[FL_MAC_STRLEN])
{
	const uint8_t *b = m->bytes;

	(void)snprintf(buf, FL_MAC_STRLEN, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3],
		       b[4], b[5]);
	return buf;
}

bool fl_mac_equal(const struct fl_mac *a, const struct fl_mac *b)
{
	return !memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

bool fl_mac_is_unicast(const struct fl_mac *m)
{
	static const struct fl_mac none;

	return !(m->bytes[0] & 1) && !fl_mac_equal(m, &none);
}
