/* tests/fuzz/subnet_env.c - subnet.env, as whoever may have left it behind. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "subnet_env.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	int fd = memfd_create("subnet.env", MFD_CLOEXEC);
	struct fl_subnet_env env;
	char path[64];

	FUZZ_CHECK(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	FUZZ_CHECK(fl_subnet_env_read(path, &env) == 0);
	(void)close(fd);
	FUZZ_CHECK(!fl_prefix_is_set(&env.network) || fl_prefix_is_masked(&env.network));
	FUZZ_CHECK(!fl_prefix_is_set(&env.subnet) || fl_prefix_is_masked(&env.subnet));
	return 0;
}
