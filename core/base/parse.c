/* core/base/parse.c - numbers, booleans and characters out of text, whole or not at all. */
#include "parse.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "defs.h"

#define NS_PER_S 1000000000u

/** Digits at *@p at, which is moved behind them. @return 0, -EINVAL for none, -ERANGE */
static int read_digits(const char **at, uint64_t *ret)
{
	const char *p = *at;
	uint64_t value = 0;
	bool over = false;

	for (; *p >= '0' && *p <= '9'; p++)
		over |= __builtin_mul_overflow(value, 10u, &value) ||
			__builtin_add_overflow(value, (uint64_t)(*p - '0'), &value);
	if (p == *at)
		return -EINVAL;
	*at = p;
	*ret = value;
	return over ? -ERANGE : 0;
}

int fl_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;
	int r = read_digits(&text, &value);

	if (r == -EINVAL || *text)
		return -EINVAL;
	if (r < 0 || value < min || value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

/** The base that the text at *@p at announces; *@p at is moved to the digits. */
static int read_base(const char **at)
{
	const char *p = *at;
	int base = 0;

	if (p[0] != '0' || !p[1])
		return 10;
	if (p[1] == 'x' || p[1] == 'X')
		base = 16;
	else if (p[1] == 'o' || p[1] == 'O')
		base = 8;
	else if (p[1] == 'b' || p[1] == 'B')
		base = 2;
	*at += base ? 2 : 1;
	return base ? base : 8;
}

/** @return 16 and more if @p c is no digit */
static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : INT_MAX;
}

int fl_parse_go_int(const char *text, int64_t *ret)
{
	bool negative = *text == '-', over = false;
	const char *start = text + (negative || *text == '+'), *p = start;
	int64_t base = read_base(&p), value = 0;
	size_t digits = 0;

	for (; *p; p++, digits++) {
		int64_t digit;

		p += *p == '_' && p > start; /* what announces the base counts as a digit here */
		digit = digit_of(*p);
		if (digit >= base)
			return -EINVAL;
		over |= __builtin_mul_overflow(value, base, &value) ||
			__builtin_add_overflow(value, negative ? -digit : digit, &value);
	}
	if (digits == 0)
		return -EINVAL;
	if (over)
		return -ERANGE;
	*ret = value;
	return 0;
}

int fl_parse_bool(const char *text, bool *ret)
{
	static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True"};
	static const char *const no[] = {"0", "f", "F", "FALSE", "false", "False"};

	for (size_t i = 0; i < FL_ARRAY_SIZE(yes); i++)
		if (!strcmp(text, yes[i]) || !strcmp(text, no[i])) {
			*ret = !strcmp(text, yes[i]);
			return 0;
		}
	return -EINVAL;
}

/** A unit at *@p at, which is moved behind it. @return its nanoseconds, 0 if it is none */
static uint64_t read_unit(const char **at)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {
		/* longer names first: "ms" begins like "m"; the micro sign has two code points */
		{"ns", 1},
		{"us", 1000},
		{"\xc2\xb5s", 1000},
		{"\xce\xbcs", 1000},
		{"ms", 1000000},
		{"s", NS_PER_S},
		{"m", 60ull * NS_PER_S},
		{"h", 3600ull * NS_PER_S},
	};

	for (size_t i = 0; i < FL_ARRAY_SIZE(units); i++) {
		size_t len = strlen(units[i].name);

		if (!strncmp(*at, units[i].name, len)) {
			*at += len;
			return units[i].ns;
		}
	}
	return 0;
}

/** Millionths behind a point, if there is one. @return 0, -EINVAL (no digits, or more than six that
 * count) */
static int read_fraction(const char **at, uint32_t *millionths, bool *any)
{
	uint32_t weight = 100000, value = 0;

	*any = false;
	if (**at == '.')
		for ((*at)++; **at >= '0' && **at <= '9'; (*at)++, weight /= 10) {
			if (!weight && **at != '0')
				return -EINVAL;
			value += weight * (uint32_t)(**at - '0');
			*any = true;
		}
	*millionths = value;
	return 0;
}

/** One "1.5h" at *@p at, added to *@p total_ns. */
static int read_part(const char **at, uint64_t *total_ns)
{
	uint64_t whole = 0, unit, ns;
	uint32_t millionths;
	bool fraction;
	int r = read_digits(at, &whole);

	if (read_fraction(at, &millionths, &fraction) < 0 || (r == -EINVAL && !fraction))
		return -EINVAL;
	unit = read_unit(at);
	if (!unit)
		return -EINVAL;
	if (r == -ERANGE || __builtin_mul_overflow(whole, unit, &ns) ||
	    __builtin_add_overflow(ns, unit * millionths / 1000000, &ns) ||
	    __builtin_add_overflow(*total_ns, ns, total_ns))
		return -ERANGE;
	return 0;
}

int fl_parse_duration_s(const char *text, uint64_t min_s, uint64_t max_s, uint64_t *ret)
{
	bool negative = *text == '-', over = false;
	uint64_t ns = 0;
	int r;

	if (negative || *text == '+')
		text++;
	if (!*text)
		return -EINVAL;
	if (!strcmp(text, "0"))
		text++;
	while (*text) {
		r = read_part(&text, &ns);
		if (r == -EINVAL)
			return r;
		over |= r < 0; /* go on: nonsense further on is the better message */
	}
	if (over || (negative && ns))
		return -ERANGE;
	if (ns % NS_PER_S)
		return -EINVAL;
	if (ns / NS_PER_S < min_s || ns / NS_PER_S > max_s)
		return -ERANGE;
	*ret = ns / NS_PER_S;
	return 0;
}

size_t fl_parse_utf8(const char *text, size_t len)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *p = (const unsigned char *)text;
	uint32_t point;
	size_t need;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	need = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (need > len)
		return 0;
	point = p[0] & (0x7fu >> need);
	for (size_t i = 1; i < need; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (p[i] & 0x3f);
	}
	if (point < least[need] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
		return 0;
	return need;
}
