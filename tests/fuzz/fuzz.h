/* tests/fuzz/fuzz.h - what the fuzzers share. A fuzzer is one file that defines
 * LLVMFuzzerTestOneInput(): libFuzzer calls it with bytes of its own making (--enable-fuzzer),
 * replay.c with those that are kept. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Always 0. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/** A property does not hold: say which one, and abort, so that the input is kept. */
#define FUZZ_CHECK(what) ((what) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #what))
_Noreturn void fuzz_fail(const char *file, int line, const char *what);

/** Input that is taken apart from the front. */
struct fuzz_input {
	const uint8_t *at;
	size_t left;
};

/** The next byte; 0 behind the end. */
uint8_t fuzz_byte(struct fuzz_input *in);
/** The next number of two bytes, little endian. */
uint16_t fuzz_u16(struct fuzz_input *in);
/** A copy of the next @p len bytes, or of what is left, of exactly that size, so that a sanitizer
 * sees who reads behind it. @p len is set to how many there are. The caller frees it. */
uint8_t *fuzz_take(struct fuzz_input *in, size_t *len);
/** All that is left, as a stream would bring it: each piece, a copy as above, is given to @p feed
 * with @p to. @p cut 0: all at once; else pieces of 1 to 16 bytes that it tells by a walk of its
 * own.
 */
void fuzz_pieces(struct fuzz_input in, uint8_t cut, int (*feed)(void *to, const char *, size_t),
		 void *to);
/** The bytes up to the next newline, or the end, as text that ends at the first NUL. The caller
 * frees it. */
char *fuzz_line(struct fuzz_input *in);

#endif
