/* tests/unit/modules/bad_abi.c - built for another version of the contract: what is behind its abi
 * means something else there, so reading it as today's table would crash. */
#include "core/backend.h"

struct other_ops {
	uint32_t abi;
	uintptr_t numbers[sizeof(struct fl_backend_ops) / sizeof(uintptr_t)];
};

FL_PUBLIC extern const struct other_ops other_version __asm__("fl_backend_ops");
const struct other_ops other_version = {
	.abi = FL_BACKEND_ABI + 1,
	.numbers = {1, 1, 1, 1, 1, 1, 1, 1},
};
