/* tests/fuzz/options.c - command line and environment: one word a line, those that begin with
 * FLANNELD_ are the environment's. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "options.h"

#define WORDS_MAX 24

struct words {
	char *argv[WORDS_MAX + 2];
	char *env[WORDS_MAX + 1];
	int argc;
	int n_env;
};

/* A file that the input names is one of this machine's: any but a few would make a run depend on
 * where it runs, and a few would never end. */
static bool names_a_file(const char *word)
{
	return strstr(word, "password") && strstr(word, "file");
}

static void read_words(struct fuzz_input in, struct words *w)
{
	*w = (struct words){.argc = 1};
	w->argv[0] = strdup("flanneld");
	while (in.left > 0 && w->argc + w->n_env < WORDS_MAX) {
		char *word = fuzz_line(&in);

		if (strncmp(word, "FLANNELD_", 9) == 0 && !strstr(word, "FILE"))
			w->env[w->n_env++] = word;
		else if (!names_a_file(word))
			w->argv[w->argc++] = word;
		else
			free(word);
	}
}

static void check(const struct fl_options *o)
{
	if (o->help || o->version)
		return;
	FUZZ_CHECK(o->etcd_endpoints && o->subnet_file && o->backend_dir && o->public_ip);
	FUZZ_CHECK(o->lease_ttl_s >= 5 && o->renew_margin_s < o->lease_ttl_s);
	FUZZ_CHECK(o->etcd_prefix[0] == '/');
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct fl_options options;
	struct words w;
	char *why = NULL;

	read_words((struct fuzz_input){bytes, len}, &w);
	if (fl_options_parse(w.argc, w.argv, w.env, &options, &why) == 0)
		check(&options);
	else
		FUZZ_CHECK(why && why[0] && !strchr(why, '\n'));
	fl_options_done(&options);
	free(why);
	for (int i = 0; i < w.argc; i++)
		free(w.argv[i]);
	for (int i = 0; i < w.n_env; i++)
		free(w.env[i]);
	return 0;
}
