/* core/config_check.c - is a network config one that flanneld and its backend take? */
#include "config_check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "loader.h"
#include "netconf.h"

#define CONFIG_MAX (1u << 20) /* bytes: no network config is longer */

static int read_all(FILE *in, struct fl_buf *buf)
{
	char piece[4096];
	size_t n;

	while ((n = fread(piece, 1, sizeof(piece), in)) > 0 && buf->len <= CONFIG_MAX)
		fl_buf_append(buf, piece, n);
	if (ferror(in))
		return errno ? -errno : -EIO;
	if (buf->len > CONFIG_MAX)
		return -EFBIG;
	return buf->error;
}

static int read_config(const char *path, struct fl_buf *buf)
{
	FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	int r;

	if (!in)
		return -errno;
	r = read_all(in, buf);
	if (in != stdin)
		(void)fclose(in);
	return r;
}

/* What the backend makes of its part; it says key, value and rule itself. One that is not installed
 * here is no fault of the config. */
static int check_backend(const char *path, const char *dir, const struct fl_netconf *nc)
{
	const struct fl_backend_ops *ops;
	struct fl_module *m = NULL;
	char *why = NULL;
	int r = fl_loader_load(dir, nc->backend_type, &m, &why);

	if (r < 0) {
		(void)fprintf(stderr, "%s: Backend is not checked: %s\n", path,
			      why ? why : strerror(-r));
		free(why);
		return r == -ENOENT ? 0 : -ELIBBAD;
	}
	ops = fl_module_ops(m);
	r = ops->check ? ops->check(nc->backend) : 0;
	if (r == -EINVAL)
		(void)fprintf(stderr, "%s: backend %s refuses its part\n", path, ops->name);
	else if (r)
		(void)fprintf(stderr, "%s: backend %s cannot check its part: check: %s\n", path,
			      ops->name, strerror(abs(r)));
	fl_loader_unload(m);
	return r ? -EINVAL : 0;
}

static int check(const char *path, const char *dir, const struct fl_buf *text, char **ret)
{
	struct fl_netconf nc = {0};
	char *why = NULL;
	int r = fl_netconf_parse(text->data ? text->data : "", text->len, &nc, &why);

	if (r < 0) {
		(void)fprintf(stderr, "%s: %s\n", path, why ? why : strerror(-r));
		free(why);
		return r;
	}
	r = check_backend(path, dir, &nc);
	if (r == 0) {
		*ret = fl_netconf_print(&nc);
		r = *ret ? 0 : -ENOMEM;
	}
	fl_netconf_done(&nc);
	return r;
}

int fl_config_check(const char *path, const char *backend_dir, struct fl_buf *ret_text,
		    char **ret_full)
{
	struct fl_buf text = {0};
	int r = read_config(path, &text);

	if (r < 0)
		(void)fprintf(stderr, "%s: %s\n", path, strerror(-r));
	else
		r = check(path, backend_dir, &text, ret_full);
	if (r == 0 && ret_text)
		fl_buf_append(ret_text, text.data, text.len);
	fl_buf_done(&text);
	return r;
}
