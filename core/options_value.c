/* core/options_value.c - one value of one option: its rule, its field, its memory. */
#include "options_value.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/parse.h"
#include "base/special.h"
#include "extif.h"
#include "options.h"
#include "options_table.h"
#include "store/store.h"

#define SHOWN_MAX 80u /* bytes of a value that a message repeats */

void fl_option_show(struct fl_buf *b, const char *text, size_t len)
{
	size_t n = len < SHOWN_MAX ? len : SHOWN_MAX;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 0x20 && c < 0x7f)
			fl_buf_append(b, &text[i], 1);
		else
			fl_buf_printf(b, "\\x%02x", c);
	}
	if (n < len)
		fl_buf_puts(b, "...");
}

static int rule_is(char **rule, const char *fmt, ...) FL_PRINTF(2, 3);
static int rule_is(char **rule, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(rule, fmt, args);
	va_end(args);
	if (n >= 0)
		return -EINVAL;
	*rule = NULL;
	return -ENOMEM;
}

/* --- one setter per type: the field is changed only by a value that keeps the rule */

static void wipe_free(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

static int set_text(const struct fl_option *opt, const char *value, void *field, char **rule)
{
	char **text = field, *copy = strdup(value);

	(void)opt;
	(void)rule;
	if (!copy)
		return -ENOMEM;
	wipe_free(*text);
	*text = copy;
	return 0;
}

static int set_path(const struct fl_option *opt, const char *value, void *field, char **rule)
{
	if (!value[0])
		return rule_is(rule, "must not be empty");
	return set_text(opt, value, field, rule);
}

static int set_file(const struct fl_option *opt, const char *value, void *field, char **rule)
{
	size_t len = strlen(value);

	if (len > 0 && value[len - 1] == '/')
		return rule_is(rule, "must name a file, not a folder");
	return set_path(opt, value, field, rule);
}

/* An empty entry means nothing: "--iface=$IFACE" in a script where IFACE is not set. */
static int add_item(const struct fl_option *opt, const char *value, void *field, char **rule)
{
	struct fl_strings *list = field;
	char **items, *copy;

	(void)opt;
	(void)rule;
	if (!value[0])
		return 0;
	items = reallocarray(list->items, list->count + 2, sizeof(*items));
	if (!items)
		return -ENOMEM;
	list->items = items;
	copy = strdup(value);
	items[list->count] = copy;
	if (!copy)
		return -ENOMEM;
	items[++list->count] = NULL;
	return 0;
}

static int add_regex(const struct fl_option *opt, const char *value, void *field, char **rule)
{
	int r = value[0] ? fl_extif_check_regex(value, rule) : 0;

	return r < 0 ? r : add_item(opt, value, field, rule);
}

static int set_ip(const struct fl_option *opt, const char *value, void *field, char **rule)
{
	bool host = opt->type == FL_OPTION_HOST;
	struct fl_addr addr = {0};

	if (!value[0])
		return set_text(opt, opt->def, field, rule);
	if (fl_addr_parse(value, &addr) < 0 || (host && addr.family != AF_INET))
		return rule_is(rule, "must be an %s address", host ? "IPv4" : "IP");
	if (host && fl_special_addr(&addr))
		return rule_is(rule, "must not be in %s", fl_special_addr(&addr));
	return set_text(opt, value, field, rule);
}

/* "." and ".." are no folders in a tree of keys, but clients and proxies resolve them. */
static bool has_dots(const char *path)
{
	for (size_t len; *path; path += len) {
		path += strspn(path, "/");
		len = strcspn(path, "/");
		if ((len == 1 || len == 2) && strncmp(path, "..", len) == 0)
			return true;
	}
	return false;
}

static int set_folder(const struct fl_option *opt, const char *value, void *field, char **rule)
{
	const char *slash = value[0] == '/' ? "" : "/";
	size_t len = strlen(value);
	char *copy;
	int r;

	while (len > 0 && value[len - 1] == '/')
		len--;
	if (len == 0 || has_dots(value))
		return rule_is(rule, "must name a folder, and do without . and ..");
	if (asprintf(&copy, "%s%.*s", slash, (int)len, value) < 0)
		return -ENOMEM;
	r = set_text(opt, copy, field, rule);
	free(copy);
	return r;
}

static int set_bool(const struct fl_option *opt, const char *value, void *field, char **rule)
{
	(void)opt;
	return fl_parse_bool(value, field) < 0 ? rule_is(rule, "must be true or false") : 0;
}

static int set_number(const struct fl_option *opt, const char *value, void *field, char **rule)
{
	uint64_t *number = field;
	int64_t n;
	int r = fl_parse_go_int(value, &n);

	if (r == 0 && opt->floor && n < (int64_t)opt->min)
		n = (int64_t)opt->min;
	if (r == 0 && n >= (int64_t)opt->min && n <= (int64_t)opt->max) {
		*number = (uint64_t)n;
		return 0;
	}
	return rule_is(rule, "must be %" PRIu64 "..%" PRIu64 "%s%s%s", opt->min, opt->max,
		       opt->unit ? " (" : "", opt->unit ? opt->unit : "", opt->unit ? ")" : "");
}

static int set_duration(const struct fl_option *opt, const char *value, void *field, char **rule)
{
	if (fl_parse_duration_s(value, opt->min, opt->max, field) == 0)
		return 0;
	return rule_is(rule,
		       "must be %" PRIu64 "s..%" PRIu64 "h, whole seconds, such as 24h or 1h30m",
		       opt->min, opt->max / 3600);
}

static int set_etcd_api(const struct fl_option *opt, const char *value, void *field, char **rule)
{
	unsigned int *api = field;

	(void)opt;
	if (strcmp(value, "auto") == 0)
		*api = 0;
	else if (strcmp(value, "2") == 0 || strcmp(value, "3") == 0)
		*api = (unsigned int)(value[0] - '0');
	else
		return rule_is(rule, "must be auto, 2 or 3");
	return 0;
}

static int set_log_format(const struct fl_option *opt, const char *value, void *field, char **rule)
{
	enum fl_log_format *format = field;

	(void)opt;
	if (strcmp(value, "text") == 0)
		*format = FL_LOG_TEXT;
	else if (strcmp(value, "json") == 0)
		*format = FL_LOG_JSON;
	else
		return rule_is(rule, "must be text or json");
	return 0;
}

static int ignore(const struct fl_option *opt, const char *value, void *field, char **rule)
{
	(void)opt;
	(void)value;
	(void)field;
	(void)rule;
	return 0;
}

static int refuse_all(const struct fl_option *opt, const char *value, void *field, char **rule)
{
	(void)value;
	(void)field;
	return rule_is(rule, "%s", opt->help);
}

static int refuse_if_on(const struct fl_option *opt, const char *value, void *field, char **rule)
{
	bool on = true;
	int r = set_bool(opt, value, &on, rule);

	if (r < 0)
		return r;
	return on ? refuse_all(opt, value, field, rule) : 0;
}

/* --- lists of URLs */

static bool is_port(const char *text, size_t len)
{
	char digits[6];
	uint64_t port;

	if (len == 0 || len >= sizeof(digits))
		return false;
	memcpy(digits, text, len);
	digits[len] = '\0';
	return fl_parse_u64(digits, 1, 65535, &port) == 0;
}

/* @return bytes of the host at @text, with the brackets of an IPv6 address; 0 if there is none */
static size_t host_len(const char *text, size_t len)
{
	char literal[FL_ADDR_STRLEN];
	struct fl_addr addr;
	const char *end;
	size_t n;

	if (len == 0 || text[0] != '[') {
		for (n = 0; n < len && text[n] != ':'; n++)
			if (!isalnum((unsigned char)text[n]) && !strchr(".-_", text[n]))
				return 0;
		return n;
	}
	end = memchr(text, ']', len);
	n = end ? (size_t)(end - text) - 1 : 0;
	if (n == 0 || n >= sizeof(literal))
		return 0;
	memcpy(literal, text + 1, n);
	literal[n] = '\0';
	return fl_addr_parse(literal, &addr) == 0 && addr.family == AF_INET6 ? n + 2 : 0;
}

static bool is_url(const char *url, size_t len)
{
	size_t scheme = 0, authority, host;
	const char *slash;

	if (len > 7 && strncasecmp(url, "http://", 7) == 0)
		scheme = 7;
	else if (len > 8 && strncasecmp(url, "https://", 8) == 0)
		scheme = 8;
	if (scheme == 0)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isgraph((unsigned char)url[i]) || strchr("?#\"<>\\", url[i]))
			return false;
	url += scheme;
	len -= scheme;
	slash = memchr(url, '/', len);
	authority = slash ? (size_t)(slash - url) : len;
	host = host_len(url, authority);
	if (host == 0 || host == authority)
		return host > 0;
	return url[host] == ':' && is_port(url + host + 1, authority - host - 1);
}

/* Blanks around an item and slashes behind it go: paths are put behind each URL later. */
static int take_url(struct fl_buf *list, const char *item, size_t len, char **rule)
{
	struct fl_buf shown = {0};
	int r;

	while (len > 0 && isspace((unsigned char)item[0])) {
		item++;
		len--;
	}
	while (len > 0 && isspace((unsigned char)item[len - 1]))
		len--;
	if (len == 0)
		return 0;
	if (memchr(item, '@', len))
		return rule_is(rule, "a URL must not hold a user name or password; use "
				     "--etcd-username and --etcd-password-file");
	if (!is_url(item, len)) {
		fl_option_show(&shown, item, len);
		r = rule_is(rule, "\"%s\" must be http://HOST:PORT or https://HOST:PORT",
			    shown.error ? "" : shown.data);
		fl_buf_done(&shown);
		return r;
	}
	while (item[len - 1] == '/')
		len--;
	fl_buf_puts(list, list->len > 0 ? "," : "");
	fl_buf_append(list, item, len);
	return list->error;
}

static int set_urls(const struct fl_option *opt, const char *value, void *field, char **rule)
{
	struct fl_buf list = {0};
	int r = 0;

	for (const char *item = value; r == 0; item++) {
		size_t len = strcspn(item, ",");

		r = take_url(&list, item, len, rule);
		item += len;
		if (!*item)
			break;
	}
	if (r == 0 && list.len == 0)
		r = rule_is(rule, "must name at least one URL");
	if (r == 0)
		r = set_text(opt, list.data, field, rule);
	fl_buf_done(&list);
	return r;
}

/* --- the store */

static int set_store(const struct fl_option *opt, const char *value, void *field, char **rule)
{
	int r = fl_store_check_url(value, rule);

	return r < 0 ? r : set_text(opt, value[0] ? value : opt->def, field, rule);
}

static int set_subnet(const struct fl_option *opt, const char *value, void *field, char **rule)
{
	struct fl_prefix subnet = {0};

	(void)opt;
	if (value[0] && (fl_prefix_parse(value, &subnet) < 0 || subnet.addr.family != AF_INET ||
			 !fl_prefix_is_masked(&subnet)))
		return rule_is(rule, "must be an IPv4 network with its host bits clear, such as "
				     "10.5.52.0/24");
	*(struct fl_prefix *)field = subnet;
	return 0;
}

/* --- table, then values */

typedef int (*setter)(const struct fl_option *opt, const char *value, void *field, char **rule);

static const setter setters[] = {
	[FL_OPTION_TEXT] = set_text,
	[FL_OPTION_SECRET] = set_text,
	[FL_OPTION_PATH] = set_path,
	[FL_OPTION_FILE] = set_file,
	[FL_OPTION_LIST] = add_item,
	[FL_OPTION_REGEXES] = add_regex,
	[FL_OPTION_URLS] = set_urls,
	[FL_OPTION_STORE] = set_store,
	[FL_OPTION_FOLDER] = set_folder,
	[FL_OPTION_IP] = set_ip,
	[FL_OPTION_HOST] = set_ip,
	[FL_OPTION_SUBNET] = set_subnet,
	[FL_OPTION_BOOL] = set_bool,
	[FL_OPTION_NUMBER] = set_number,
	[FL_OPTION_DURATION] = set_duration,
	[FL_OPTION_ETCD_API] = set_etcd_api,
	[FL_OPTION_LOG_FORMAT] = set_log_format,
	[FL_OPTION_IGNORED] = ignore,
	[FL_OPTION_REFUSED] = refuse_all,
	[FL_OPTION_REFUSED_ON] = refuse_if_on,
};

static bool is_list(const struct fl_option *opt)
{
	return opt->type == FL_OPTION_LIST || opt->type == FL_OPTION_REGEXES;
}

/* True if the option's field is an owned string. */
static bool is_text(const struct fl_option *opt)
{
	return opt->type <= FL_OPTION_HOST && !is_list(opt);
}

static void *field_of(struct fl_options *o, const struct fl_option *opt)
{
	return (char *)o + opt->offset;
}

int fl_option_init(struct fl_options *o, const struct fl_option *opt)
{
	char *rule = NULL;
	int r = 0;

	if (opt->def[0])
		r = fl_option_set(o, opt, opt->def, &rule);
	else if (is_text(opt))
		r = set_text(opt, "", field_of(o, opt), &rule);
	free(rule);
	return r;
}

int fl_option_set(struct fl_options *o, const struct fl_option *opt, const char *value, char **rule)
{
	*rule = NULL;
	return setters[opt->type](opt, value, field_of(o, opt), rule);
}

int fl_option_anchor(struct fl_options *o, const struct fl_option *opt, const char *folder)
{
	char **text, *whole;

	if (!opt->path)
		return 0;
	text = field_of(o, opt);
	if (!(*text)[0] || (*text)[0] == '/')
		return 0;
	if (asprintf(&whole, "%s/%s", folder, *text) < 0)
		return -ENOMEM;
	free(*text);
	*text = whole;
	return 0;
}

static void free_list(struct fl_strings *list)
{
	for (uint32_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
}

void fl_option_done(struct fl_options *o, const struct fl_option *opt)
{
	void *field = field_of(o, opt);

	if (is_text(opt))
		wipe_free(*(char **)field);
	else if (is_list(opt))
		free_list(field);
}
