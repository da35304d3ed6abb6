/* tests/fuzz/replay.c - main() of a fuzzer without libFuzzer: runs the inputs that are kept, those
 * it began with and those that once were its undoing. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define INPUT_MAX (1u << 20) /* bytes */

static void run_file(const char *path)
{
	FILE *f = fopen(path, "re");
	uint8_t *bytes = malloc(INPUT_MAX), *exact;
	size_t len;

	if (!f || !bytes) {
		(void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(2);
	}
	len = fread(bytes, 1, INPUT_MAX, f);
	(void)fclose(f);
	exact = realloc(bytes, len ? len : 1);
	if (!exact)
		exit(2);
	(void)fprintf(stderr, "%s\n", path); /* the last line before a crash names it */
	(void)LLVMFuzzerTestOneInput(exact, len);
	free(exact);
}

static int by_name(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* @return how many there were; a folder that is not there holds nothing */
static int run_folder(const char *kind, const char *name)
{
	struct dirent **entries = NULL;
	char folder[512], path[1024];
	int n;

	(void)snprintf(folder, sizeof(folder), "%s/%s/%s", FUZZ_DIR, kind, name);
	n = scandir(folder, &entries, by_name, alphasort);
	for (int i = 0; i < n; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		run_file(path);
		free(entries[i]);
	}
	free(entries);
	return n > 0 ? n : 0;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];

	if (strncmp(name, "lt-", 3) == 0) /* libtool's wrapper */
		name += 3;
	for (int i = 1; i < argc; i++)
		run_file(argv[i]);
	if (argc > 1)
		return 0;
	if (run_folder("corpus", name) == 0) {
		(void)fprintf(stderr, "%s: no inputs in %s/corpus\n", name, FUZZ_DIR);
		return 1;
	}
	(void)run_folder("regressions", name);
	return 0;
}
