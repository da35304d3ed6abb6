/* fail_alloc.c - preloaded into a program: counts where it allocates memory, and lets one of these
 * places fail once, as the memory that it shares with the test says.
 *
 * A place is who called the allocator, and who called that, up to DEPTH functions: the same call of
 * a helper from elsewhere is another place, because another error path follows.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { DEPTH = 8, PLACES = 16384 };

/* The file, as harness/faults.py reads it. */
struct plan {
	_Atomic uint64_t fail;	 /* the place whose next allocation fails; 0: none */
	_Atomic uint64_t failed; /* how many have failed */
	_Atomic uint64_t places[PLACES];
};

static struct plan *plan;
static __thread bool within; /* the allocator calls itself through backtrace() */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);

__attribute__((constructor)) static void map_plan(void)
{
	/* neither who starts flanneld, nor whom it starts */
	bool meant = strcmp(program_invocation_short_name, "flanneld") == 0;
	const char *path = meant ? getenv("FAIL_ALLOC_PLAN") : NULL;
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *frames[2];
	void *map;

	if (fd < 0)
		return;
	within = true;
	backtrace(frames, 2); /* loads the unwinder, which allocates */
	within = false;
	map = mmap(NULL, sizeof(*plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (map != MAP_FAILED)
		plan = map;
}

/* Where a call comes from, the same in every run: by file name and offset. */
static uint64_t hash_frame(uint64_t hash, void *frame)
{
	Dl_info info;
	const char *name = "";
	uintptr_t offset = 0;

	if (dladdr(frame, &info) && info.dli_fname) {
		name = strrchr(info.dli_fname, '/');
		name = name ? name + 1 : info.dli_fname;
		offset = (uintptr_t)frame - (uintptr_t)info.dli_fbase;
	}
	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 0x100000001b3u;
	return (hash ^ offset) * 0x100000001b3u;
}

/* Who calls? libev ends the process when it gets no memory, by design, and OpenSSL 3.0 crashes when
 * its first allocations fail; the dynamic linker's errors are the loader's, and end the start. */
static bool is_of_interest(void *caller)
{
	static const char *const libraries[] = {"libyajl.", "libcurl.", "libmnl.", "libc."};
	Dl_info info;
	const char *name;

	if (!dladdr(caller, &info) || !info.dli_fname)
		return false;
	name = strrchr(info.dli_fname, '/');
	name = name ? name + 1 : info.dli_fname;
	if (strncmp(name, "lib", 3) != 0 && strncmp(name, "ld-", 3) != 0)
		return true; /* flanneld and its modules */
	for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++)
		if (strncmp(name, libraries[i], strlen(libraries[i])) == 0)
			return true; /* libc: strdup(3) and so on */
	return false;
}

static __attribute__((noinline)) uint64_t place_of_caller(void)
{
	void *frames[DEPTH + 3];
	int n = backtrace(frames, DEPTH + 3);
	uint64_t hash = 0xcbf29ce484222325u;

	for (int i = 3; i < n; i++)
		hash = hash_frame(hash, frames[i]);
	return hash ? hash : 1;
}

static void note(uint64_t place)
{
	for (uint64_t i = 0; i < PLACES; i++) {
		_Atomic uint64_t *slot = &plan->places[(place + i) % PLACES];
		uint64_t empty = 0;

		if (atomic_load(slot) == place ||
		    atomic_compare_exchange_strong(slot, &empty, place) || empty == place)
			return;
	}
}

/* For whom a test fails: addr2line(1) makes names of the offsets. */
static void say_where(void)
{
	void *frames[DEPTH + 3];
	int n;

	within = true;
	n = backtrace(frames, DEPTH + 3);
	backtrace_symbols_fd(frames + 3, n - 3, STDERR_FILENO);
	within = false;
}

static __attribute__((noinline)) bool fails(void *caller)
{
	uint64_t place = 0;

	if (!plan || within)
		return false;
	within = true;
	if (is_of_interest(caller)) {
		place = place_of_caller();
		note(place);
	}
	within = false;
	if (!place || !atomic_compare_exchange_strong(&plan->fail, &place, 0))
		return false;
	atomic_fetch_add(&plan->failed, 1);
	say_where();
	errno = ENOMEM;
	return true;
}

#define CALLER __builtin_return_address(0)

__attribute__((visibility("default"))) void *malloc(size_t size)
{
	return fails(CALLER) ? NULL : __libc_malloc(size);
}

__attribute__((visibility("default"))) void *calloc(size_t n, size_t size)
{
	return fails(CALLER) ? NULL : __libc_calloc(n, size);
}

__attribute__((visibility("default"))) void *realloc(void *old, size_t size)
{
	return fails(CALLER) ? NULL : __libc_realloc(old, size);
}
