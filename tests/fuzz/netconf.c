/* tests/fuzz/netconf.c - the network config: what is taken stays the same when it is printed and
 * read again. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "netconf.h"

static void check_sane(const struct fl_netconf *nc)
{
	FUZZ_CHECK(fl_prefix_is_masked(&nc->network));
	FUZZ_CHECK(nc->subnet_len > nc->network.len && nc->subnet_len <= 30);
	FUZZ_CHECK(fl_prefix_contains(&nc->network, &nc->subnet_min));
	FUZZ_CHECK(fl_prefix_contains(&nc->network, &nc->subnet_max));
	FUZZ_CHECK(fl_addr_v4(&nc->subnet_min) <= fl_addr_v4(&nc->subnet_max));
	FUZZ_CHECK(nc->backend_type[0] && !strchr(nc->backend_type, '/') &&
		   nc->backend_type[0] != '.' && nc->backend_type[0] != '-');
}

static void check_printed(const struct fl_netconf *nc)
{
	char *text = fl_netconf_print(nc), *why = NULL;
	struct fl_netconf again;

	FUZZ_CHECK(text);
	FUZZ_CHECK(fl_netconf_parse(text, strlen(text), &again, &why) == 0);
	FUZZ_CHECK(fl_prefix_equal(&nc->network, &again.network));
	FUZZ_CHECK(nc->subnet_len == again.subnet_len);
	FUZZ_CHECK(fl_addr_equal(&nc->subnet_min, &again.subnet_min));
	FUZZ_CHECK(fl_addr_equal(&nc->subnet_max, &again.subnet_max));
	FUZZ_CHECK(strcmp(nc->backend_type, again.backend_type) == 0);
	fl_netconf_done(&again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct fl_netconf nc;
	char *why = NULL;

	if (fl_netconf_parse((const char *)bytes, len, &nc, &why) == 0) {
		check_sane(&nc);
		check_printed(&nc);
		fl_netconf_done(&nc);
	} else {
		FUZZ_CHECK(why && why[0] && !strchr(why, '\n'));
	}
	free(why);
	return 0;
}
