/* store/file_ask.c - questions to a file with a network config and leases. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/defs.h"
#include "base/slurp.h"
#include "store/ask.h"
#include "store/file_content.h"
#include "store/store.h"

struct file_ask {
	struct fl_ask ask;
	const char *path; /* of conf's */
};

static struct file_ask *of(struct fl_ask *a)
{
	return fl_container_of(a, struct file_ask, ask);
}

static int fail(struct fl_ask *a, int error, const char *text)
{
	(void)snprintf(a->why, sizeof(a->why), "%s: %s", of(a)->path, text);
	return error;
}

static int read_content(struct fl_ask *a, struct fl_file_content *ret)
{
	struct fl_buf text = {0};
	char *why = NULL;
	int r = fl_slurp(of(a)->path, FL_FILE_MAX, &text, NULL);

	if (r < 0) {
		(void)fail(a, r, fl_slurp_reason(r));
	} else {
		r = fl_file_content_parse(text.data ? text.data : "", text.len, ret, &why);
		if (r < 0)
			(void)fail(a, r, why ? why : strerror(-r));
	}
	free(why);
	fl_buf_done(&text);
	return r;
}

static int config(struct fl_ask *a, struct fl_buf *ret, uint64_t *index)
{
	struct fl_file_content content;
	int r = read_content(a, &content);

	if (r < 0)
		return r;
	fl_buf_puts(ret, content.config);
	*index = 0;
	r = ret->error;
	fl_file_content_done(&content);
	return r;
}

static int by_subnet(const void *a, const void *b)
{
	const struct fl_file_entry *x = a, *y = b;
	int r = fl_ask_order(x->rec, y->rec);

	if (r == 0 && x->line != y->line)
		r = x->line < y->line ? -1 : 1;
	return r;
}

static int leases(struct fl_ask *a, fl_ask_entry_cb cb, void *owner)
{
	struct fl_file_content content;
	int r = read_content(a, &content);

	if (r < 0)
		return r;
	if (content.count > 1)
		qsort(content.entries, content.count, sizeof(*content.entries), by_subnet);
	for (size_t i = 0; i < content.count && r == 0; i++) {
		const struct fl_file_entry *from = &content.entries[i];
		char place[32];
		const struct fl_ask_entry e = {
			.key = place,
			.rec = from->rec,
			.fault = from->fault ? from->fault : "",
			.ttl_s = FL_ASK_FOREVER,
		};

		(void)snprintf(place, sizeof(place), "line %zu", from->line);
		r = cb(owner, &e);
	}
	fl_file_content_done(&content);
	return r;
}

static int read_only(struct fl_ask *a)
{
	return fail(a, -EROFS, "is written with an editor; flanneld notices");
}

static int put_config(struct fl_ask *a, const char *text, uint64_t index)
{
	(void)text;
	(void)index;
	return read_only(a);
}

static int change_lease(struct fl_ask *a, const struct fl_ask_entry *e)
{
	(void)e;
	return read_only(a);
}

static void file_close(struct fl_ask *a)
{
	free(of(a));
}

static const struct fl_ask_ops ops = {
	.config = config,
	.leases = leases,
	.put_config = put_config,
	.put_lease = change_lease,
	.remove = change_lease,
	.close = file_close,
};

int fl_file_ask_open(const struct fl_store_conf *conf, struct fl_ask **ret, char **why)
{
	struct file_ask *f = calloc(1, sizeof(*f));

	(void)why;
	if (!f)
		return -ENOMEM;
	f->ask.ops = &ops;
	f->path = fl_store_path_of(conf->url);
	f->ask.place = f->path;
	*ret = &f->ask;
	return 0;
}
