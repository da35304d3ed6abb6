/* tests/fuzz/firewall.c - what iptables-save prints, rules of others in it. The first byte says
 * what is wanted. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "firewall_rules.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct fuzz_input in = {bytes, len};
	uint8_t flags = fuzz_byte(&in);
	struct fl_firewall_want want = {.masq = flags & 1, .forward = flags & 2};
	struct fl_buf out = {0};
	char *text = strndup((const char *)in.at, in.left);

	FUZZ_CHECK(text && fl_prefix_parse("10.5.0.0/16", &want.network) == 0);
	FUZZ_CHECK(fl_prefix_parse("10.5.52.0/24", &want.subnet) == 0);
	want.random_fully = fl_firewall_rules_random_fully(text);
	free(text);
	len = in.left;
	text = (char *)fuzz_take(&in, &len);
	if (fl_firewall_rules_correct(&want, text, len, &out) == 0 && out.len)
		FUZZ_CHECK(out.data[out.len - 1] == '\n');
	free(text);
	fl_buf_done(&out);
	return 0;
}
