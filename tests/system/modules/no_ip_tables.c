/* tests/system/modules/no_ip_tables.c - preloaded: a kernel whose ip_tables is not loaded yet. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

int access(const char *path, int mode)
{
	static int (*next)(const char *, int);

	if (strcmp(path, "/proc/net/ip_tables_names") == 0) {
		errno = ENOENT;
		return -1;
	}
	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "access");
	return next(path, mode);
}
