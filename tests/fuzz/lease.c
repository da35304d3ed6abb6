/* tests/fuzz/lease.c - a lease's key, on the first line, and its value: what is taken stays the
 * same when it is written and read again. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fuzz.h"
#include "lease.h"

static void check_key(const struct fl_lease *l)
{
	char key[FL_LEASE_KEY_MAX];
	struct fl_prefix subnet, subnet6;

	FUZZ_CHECK(l->subnet.addr.family == AF_INET && fl_prefix_is_masked(&l->subnet));
	FUZZ_CHECK(fl_lease_key_parse(fl_lease_key_format(&l->subnet, &l->subnet6, key), &subnet,
				      &subnet6) == 0);
	FUZZ_CHECK(fl_prefix_equal(&subnet, &l->subnet) && fl_prefix_equal(&subnet6, &l->subnet6));
}

static void check_encoded(const char *key, const struct fl_lease_record *rec)
{
	char *text = fl_lease_encode(&rec->lease, false), *why = NULL;
	struct fl_lease_record *again, *copy = fl_lease_record_new(&rec->lease);

	FUZZ_CHECK(text && copy);
	FUZZ_CHECK(fl_lease_same(&rec->lease, &copy->lease));
	/* numbers and escapes may be written longer than they came */
	if (strlen(text) <= FL_LEASE_VALUE_MAX) {
		FUZZ_CHECK(fl_lease_decode(key, text, strlen(text), &again, &why) == 0);
		FUZZ_CHECK(fl_lease_same(&rec->lease, &again->lease));
		fl_lease_record_free(again);
	}
	fl_lease_record_free(copy);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct fuzz_input in = {bytes, len};
	char *key = fuzz_line(&in), *value, *why = NULL;
	struct fl_lease_record *rec;

	len = in.left;
	value = (char *)fuzz_take(&in, &len);
	if (fl_lease_decode(key, value, len, &rec, &why) == 0) {
		check_key(&rec->lease);
		check_encoded(key, rec);
		fl_lease_record_free(rec);
	} else {
		FUZZ_CHECK(why && why[0] && !strchr(why, '\n'));
	}
	free(why);
	free(value);
	free(key);
	return 0;
}
