/* tests/fuzz/input.c - input that is taken apart from the front. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fuzz_fail(const char *file, int line, const char *what)
{
	(void)fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
	abort();
}

uint8_t fuzz_byte(struct fuzz_input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->at++;
}

uint16_t fuzz_u16(struct fuzz_input *in)
{
	uint8_t low = fuzz_byte(in);

	return (uint16_t)(low | fuzz_byte(in) << 8);
}

uint8_t *fuzz_take(struct fuzz_input *in, size_t *len)
{
	uint8_t *copy;

	if (*len > in->left)
		*len = in->left;
	copy = malloc(*len ? *len : 1);
	FUZZ_CHECK(copy);
	memcpy(copy, in->at, *len);
	in->at += *len;
	in->left -= *len;
	return copy;
}

void fuzz_pieces(struct fuzz_input in, uint8_t cut, int (*feed)(void *to, const char *, size_t),
		 void *to)
{
	uint32_t walk = cut;

	while (in.left > 0) {
		size_t n = in.left;
		uint8_t *piece;

		walk = walk * 1103515245u + 12345u;
		if (cut)
			n = 1 + (walk >> 16) % 16;
		piece = fuzz_take(&in, &n);
		(void)feed(to, (const char *)piece, n);
		free(piece);
	}
}

char *fuzz_line(struct fuzz_input *in)
{
	const uint8_t *end = in->left ? memchr(in->at, '\n', in->left) : NULL;
	size_t len = end ? (size_t)(end - in->at) : in->left;
	char *text = strndup((const char *)in->at, len);

	FUZZ_CHECK(text);
	in->at += len + (end ? 1 : 0);
	in->left -= len + (end ? 1 : 0);
	return text;
}
