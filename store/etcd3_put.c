/* store/etcd3_put.c - the bodies of requests to etcd's JSON gateway. */
#include "store/etcd3_put.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/json.h"

/* "name":"<base64>" */
static void put_bytes(struct fl_buf *to, const char *name, const char *bytes)
{
	fl_buf_printf(to, "\"%s\":\"", name);
	fl_base64_encode(to, bytes, strlen(bytes));
	fl_buf_puts(to, "\"");
}

static void put_interval(struct fl_buf *to, const char *key, const char *end)
{
	put_bytes(to, "key", key);
	if (end) {
		fl_buf_puts(to, ",");
		put_bytes(to, "range_end", end);
	}
}

void fl_etcd3_put_range(struct fl_buf *to, const char *key, const char *end)
{
	fl_buf_puts(to, "{");
	put_interval(to, key, end);
	fl_buf_puts(to, "}");
}

void fl_etcd3_put_txn(struct fl_buf *to, const struct fl_etcd3_txn *txn)
{
	fl_buf_puts(to, "{\"compare\":[{");
	put_bytes(to, "key", txn->key);
	if (txn->mod_revision)
		fl_buf_printf(to, ",\"target\":\"MOD\",\"mod_revision\":\"%" PRIu64 "\"}]",
			      txn->mod_revision);
	else
		fl_buf_puts(to, ",\"target\":\"VERSION\",\"version\":\"0\"}]");
	fl_buf_printf(to, ",\"success\":[{\"%s\":{",
		      txn->value ? "request_put" : "request_delete_range");
	put_bytes(to, "key", txn->key);
	if (txn->value) {
		fl_buf_puts(to, ",");
		put_bytes(to, "value", txn->value);
	}
	if (txn->value && txn->lease)
		fl_buf_printf(to, ",\"lease\":\"%" PRId64 "\"", (int64_t)txn->lease);
	fl_buf_puts(to, "}}],\"failure\":[{\"request_range\":{");
	put_bytes(to, "key", txn->key);
	fl_buf_puts(to, "}}]}");
}

void fl_etcd3_put_watch(struct fl_buf *to, const char *key, const char *end, uint64_t from)
{
	fl_buf_puts(to, "{\"create_request\":{");
	put_interval(to, key, end);
	fl_buf_printf(to, ",\"start_revision\":\"%" PRIu64 "\",\"progress_notify\":true}}", from);
}

void fl_etcd3_put_grant(struct fl_buf *to, uint64_t lease, int64_t ttl_s)
{
	fl_buf_printf(to, "{\"ID\":\"%" PRId64 "\",\"TTL\":\"%" PRId64 "\"}", (int64_t)lease,
		      ttl_s);
}

void fl_etcd3_put_lease(struct fl_buf *to, uint64_t lease, bool keys)
{
	fl_buf_printf(to, "{\"ID\":\"%" PRId64 "\"%s}", (int64_t)lease,
		      keys ? ",\"keys\":true" : "");
}

void fl_etcd3_put_login(struct fl_buf *to, const char *name, const char *password)
{
	char *quoted_name = fl_json_quote(name), *quoted_password = fl_json_quote(password);

	if (quoted_name && quoted_password)
		fl_buf_printf(to, "{\"name\":%s,\"password\":%s}", quoted_name, quoted_password);
	else if (to->error == 0)
		to->error = -ENOMEM;
	if (quoted_password)
		explicit_bzero(quoted_password, strlen(quoted_password));
	free(quoted_name);
	free(quoted_password);
}
