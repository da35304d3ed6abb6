/* ctl/cmd_config.c - flannelctl config: show, check and set the network config of the store. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json_write.h"
#include "config_check.h"
#include "show.h"
#include "store.h"

/* ---- show ---- */

/* The stored text may be no JSON; then a program gets it as a string. */
static void print_json(const struct ctl_store *s, const struct fl_buf *text, uint64_t index)
{
	struct fl_json *doc = NULL;
	struct fl_buf b = {0};
	bool parsed = fl_json_parse(text->data, text->len, &doc, NULL) == 0;
	char *compact = parsed ? fl_json_print(doc) : fl_json_quote(text->data);

	fl_buf_puts(&b, "{");
	fl_jsonw_text(&b, "place", s->ask->place);
	fl_jsonw_uint(&b, "index", index);
	fl_buf_printf(&b, ",\"config\":%s}", compact ? compact : "null");
	(void)puts(b.data ? b.data : "{}");
	free(compact);
	fl_json_destroy(doc);
	fl_buf_done(&b);
}

static int show(const struct ctl *c)
{
	struct fl_buf text = {0};
	struct ctl_store s;
	uint64_t index = 0;
	int r = ctl_store_open(c, &s), code = r;

	if (r == CTL_OK) {
		r = fl_ask_config(s.ask, &text, &index);
		code = r < 0 ? ctl_store_failed(&s, r) : CTL_OK;
	}
	if (code == CTL_OK && c->json)
		print_json(&s, &text, index);
	else if (code == CTL_OK)
		(void)printf("%s%s", text.data,
			     text.len > 0 && text.data[text.len - 1] == '\n' ? "" : "\n");
	fl_buf_done(&text);
	ctl_store_close(&s);
	return code;
}

/* ---- check ---- */

static int check(const struct ctl *c, const char *path)
{
	struct fl_options opts;
	char *full = NULL;
	int r = ctl_options(c, &opts);

	if (r == CTL_OK) {
		r = fl_config_check(path, opts.backend_dir, NULL, &full) < 0 ? CTL_AMISS : CTL_OK;
		if (full)
			(void)puts(full);
	}
	free(full);
	fl_options_done(&opts);
	return r;
}

/* ---- set ---- */

/* Leases that the new config does not allow any more. */
struct strays {
	struct fl_netconf nc;
	unsigned int count;
	char first[FL_PREFIX_STRLEN];
};

static int on_lease(void *owner, const struct fl_ask_entry *e)
{
	struct strays *s = owner;

	if (!e->rec || fl_netconf_allows(&s->nc, &e->rec->lease.subnet))
		return 0;
	if (s->count++ == 0)
		(void)fl_prefix_format(&e->rec->lease.subnet, s->first);
	return 0;
}

static void warn_of_strays(struct ctl_store *s, const struct fl_buf *text)
{
	struct strays strays = {0};
	char *why = NULL;

	if (fl_netconf_parse(text->data, text->len, &strays.nc, &why) < 0) {
		free(why); /* it was parsed before: out of memory */
		return;
	}
	(void)fl_ask_leases(s->ask, on_lease, &strays);
	if (strays.count)
		(void)fprintf(stderr,
			      "flannelctl: %u leases are not of this network, %s for one: their "
			      "hosts take others when they start anew\n",
			      strays.count, strays.first);
	fl_netconf_done(&strays.nc);
}

static void print_change(const struct ctl_store *s, bool changed)
{
	struct fl_buf b = {0};

	fl_jsonw_open(&b, NULL, '{');
	fl_jsonw_text(&b, "place", s->ask->place);
	fl_jsonw_bool(&b, "changed", changed);
	fl_jsonw_close(&b, '}');
	(void)puts(b.error == 0 ? b.data : "{}");
	fl_buf_done(&b);
}

static int write_config(const struct ctl *c, struct ctl_store *s, const struct fl_buf *text)
{
	struct fl_buf before = {0};
	uint64_t index = 0;
	int r = fl_ask_config(s->ask, &before, &index);
	bool is_new = r == -ENOENT, same = false;

	if (r == 0)
		same = before.len == text->len && memcmp(before.data, text->data, text->len) == 0;
	if (is_new || (r == 0 && !same))
		r = fl_ask_put_config(s->ask, text->data, index);
	fl_buf_done(&before);
	if (r < 0)
		return ctl_store_failed(s, r);
	if (!same)
		warn_of_strays(s, text);
	if (c->json)
		print_change(s, !same);
	else
		(void)printf("%s: %s\n", s->ask->place,
			     same ? "unchanged: it says this already"
			     : is_new
				     ? "written; hosts that wait for it go on"
				     : "written; each host takes it when its flanneld starts anew");
	return CTL_OK;
}

/* A newline at the end is the editor's. */
static void trim(struct fl_buf *text)
{
	while (text->len > 0 && strchr(" \t\r\n", text->data[text->len - 1]))
		text->data[--text->len] = '\0';
}

static int set(const struct ctl *c, const char *path)
{
	struct fl_buf text = {0};
	struct ctl_store s;
	char *full = NULL;
	int code = ctl_store_open(c, &s);

	if (code == CTL_OK && fl_config_check(path, s.opts.backend_dir, &text, &full) < 0)
		code = CTL_AMISS;
	if (code == CTL_OK) {
		fl_buf_puts(&text, "");
		trim(&text);
		code = write_config(c, &s, &text);
	}
	free(full);
	fl_buf_done(&text);
	ctl_store_close(&s);
	return code;
}

int ctl_config(const struct ctl *c, int argc, char **argv)
{
	if (argc == 1 && strcmp(argv[0], "show") == 0)
		return show(c);
	if (argc == 2 && strcmp(argv[0], "check") == 0)
		return check(c, argv[1]);
	if (argc == 2 && strcmp(argv[0], "set") == 0)
		return set(c, argv[1]);
	(void)fputs("flannelctl: config show, config check FILE, or config set FILE; - is standard "
		    "input\n",
		    stderr);
	return CTL_USAGE;
}
