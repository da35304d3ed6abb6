/* core/base/base64.c - base64 with padding, read strictly. */
#include "base/base64.h"

#include <errno.h>
#include <stdint.h>
#include <sys/types.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void fl_base64_encode(struct fl_buf *to, const void *bytes, size_t len)
{
	const uint8_t *in = bytes;

	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		uint32_t group = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
				 (left > 2 ? in[i + 2] : 0u);
		const char text[4] = {
			alphabet[group >> 18],
			alphabet[group >> 12 & 63],
			left > 1 ? alphabet[group >> 6 & 63] : '=',
			left > 2 ? alphabet[group & 63] : '=',
		};

		fl_buf_append(to, text, sizeof(text));
	}
}

/* @return 0..63, or -1 */
static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four characters. @return the bytes in them, 1 to 3; 0 if they are none. */
static size_t decode_group(const char text[4], uint8_t out[3])
{
	size_t digits = text[3] != '=' ? 4 : text[2] != '=' ? 3 : 2;
	uint32_t group = 0;

	for (size_t i = 0; i < 4; i++) {
		int value = i < digits ? value_of(text[i]) : 0;

		if (value < 0)
			return 0;
		group = group << 6 | (uint32_t)value;
	}
	out[0] = (uint8_t)(group >> 16);
	out[1] = (uint8_t)(group >> 8);
	out[2] = (uint8_t)group;
	if ((digits < 4 && out[2] != 0) || (digits < 3 && out[1] != 0))
		return 0;
	return digits - 1;
}

/* @param out  room for three bytes of each four characters. @return how many of them there are, or
 * -1 */
static ssize_t decode_groups(const char *text, size_t len, uint8_t *out)
{
	size_t n = 3, at = 0;

	for (size_t i = 0; i < len; i += 4) {
		if (n < 3) /* padding in the middle */
			return -1;
		n = decode_group(text + i, out + at);
		if (n == 0)
			return -1;
		at += n;
	}
	return (ssize_t)at;
}

int fl_base64_decode(struct fl_buf *to, const char *text, size_t len)
{
	const size_t before = to->len;
	uint8_t *out;
	ssize_t n;

	if (len % 4 != 0)
		return -EINVAL;
	out = fl_buf_extend(to, len / 4 * 3);
	if (!out)
		return to->error;
	n = decode_groups(text, len, out);
	to->len = before + (n < 0 ? 0 : (size_t)n);
	to->data[to->len] = '\0';
	return n < 0 ? -EINVAL : 0;
}
