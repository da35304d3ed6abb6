/* tests/fuzz/file_content.c - a file with a network config and leases: each entry is of use or has
 * a fault, and its line is one of the text. */
#include "store/file_content.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "fuzz.h"

static void check_entry(const struct fl_file_content *c, const struct fl_file_entry *e,
			size_t lines)
{
	FUZZ_CHECK((e->rec != NULL) != (e->fault != NULL));
	FUZZ_CHECK(e->line >= 1 && e->line <= lines);
	FUZZ_CHECK(!e->fault || !strchr(e->fault, '\n'));
	FUZZ_CHECK(!e->remark || !strchr(e->remark, '\n'));
	if (!e->rec)
		return;
	FUZZ_CHECK(fl_prefix_equal(&e->rec->lease.subnet, &e->subnet));
	FUZZ_CHECK(fl_prefix_is_masked(&e->subnet) && e->subnet.len > 0 && e->subnet.len < 32);
	FUZZ_CHECK(fl_addr_is_set(&e->rec->lease.public_ip) && e->rec->lease.backend_type);
	FUZZ_CHECK(fl_file_content_find(c, &e->subnet) == e);
}

static void check_content(const struct fl_file_content *c, size_t lines)
{
	struct fl_json *config = NULL;
	size_t keyless = 0;

	FUZZ_CHECK(fl_json_parse(c->config, strlen(c->config), &config, NULL) == 0);
	FUZZ_CHECK(!fl_json_get(config, "Leases"));
	fl_json_destroy(config);
	for (size_t i = 0; i < c->count; i++) {
		check_entry(c, &c->entries[i], lines);
		keyless += !fl_prefix_is_set(&c->entries[i].subnet);
	}
	FUZZ_CHECK(keyless == c->keyless);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct fl_file_content c;
	char *why = NULL;
	size_t lines = 1;

	for (size_t i = 0; i < len; i++)
		lines += bytes[i] == '\n';
	if (fl_file_content_parse((const char *)bytes, len, &c, &why) == 0) {
		check_content(&c, lines);
		fl_file_content_done(&c);
	} else {
		FUZZ_CHECK(why && why[0] && !strchr(why, '\n'));
	}
	free(why);
	return 0;
}
