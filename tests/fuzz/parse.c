/* tests/fuzz/parse.c - addresses, prefixes, MAC addresses, numbers: what is taken stays the same
 * when it is written and read again. One text a line. */
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/parse.h"
#include "base/special.h"
#include "fuzz.h"

static void try_addr(const char *text)
{
	struct fl_addr a, again;
	char buf[FL_ADDR_STRLEN];

	if (fl_addr_parse(text, &a) < 0)
		return;
	FUZZ_CHECK(fl_addr_parse(fl_addr_format(&a, buf), &again) == 0);
	FUZZ_CHECK(fl_addr_equal(&a, &again));
	(void)fl_special_addr(&a);
}

static void try_prefix(const char *text)
{
	struct fl_prefix p, masked, again;
	struct fl_addr last;
	char buf[FL_PREFIX_STRLEN];

	if (fl_prefix_parse(text, &p) < 0)
		return;
	FUZZ_CHECK(fl_prefix_parse(fl_prefix_format(&p, buf), &again) == 0);
	FUZZ_CHECK(fl_prefix_equal(&p, &again));
	masked = fl_prefix_masked(&p);
	last = fl_prefix_last(&p);
	FUZZ_CHECK(fl_prefix_is_masked(&masked) && fl_prefix_contains(&masked, &p.addr));
	FUZZ_CHECK(fl_prefix_contains(&masked, &last) && fl_prefix_overlaps(&masked, &p));
	(void)fl_special(&p);
}

static void try_mac(const char *text)
{
	struct fl_mac m, again;
	char buf[FL_MAC_STRLEN];

	if (fl_mac_parse(text, &m) < 0)
		return;
	FUZZ_CHECK(fl_mac_parse(fl_mac_format(&m, buf), &again) == 0);
	FUZZ_CHECK(fl_mac_equal(&m, &again));
}

static void try_numbers(const char *text)
{
	uint64_t n = 0;
	int64_t i;
	bool b;

	if (fl_parse_u64(text, 10, 1000, &n) == 0)
		FUZZ_CHECK(n >= 10 && n <= 1000);
	if (fl_parse_duration_s(text, 5, 86400, &n) == 0)
		FUZZ_CHECK(n >= 5 && n <= 86400);
	(void)fl_parse_go_int(text, &i);
	(void)fl_parse_bool(text, &b);
}

static void try_utf8(const char *text)
{
	size_t left = strlen(text), n;

	while (left > 0 && (n = fl_parse_utf8(text, left)) > 0) {
		FUZZ_CHECK(n <= 4 && n <= left);
		text += n;
		left -= n;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct fuzz_input in = {bytes, len};

	while (in.left > 0) {
		char *text = fuzz_line(&in);

		try_addr(text);
		try_prefix(text);
		try_mac(text);
		try_numbers(text);
		try_utf8(text);
		free(text);
	}
	return 0;
}
