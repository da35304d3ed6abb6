/* store/etcd_endpoints.c - the list of endpoints and the prefix, as the command line gives them. */
#include <curl/curl.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "store/etcd_internal.h"

FL_PRINTF(2, 3)
static int refuse(char **why, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(why, fmt, args);
	va_end(args);
	return n < 0 ? -ENOMEM : -EINVAL;
}

static bool has_part(CURLU *u, CURLUPart part)
{
	char *text = NULL;
	bool has = curl_url_get(u, part, &text, 0) == CURLUE_OK && text && *text;

	curl_free(text);
	return has;
}

/* The URL as text, without slashes at its end. */
static int put_url(CURLU *u, char **ret)
{
	char *text = NULL;
	size_t len;

	if (curl_url_get(u, CURLUPART_URL, &text, 0) != CURLUE_OK)
		return -ENOMEM;
	len = strlen(text);
	while (len > 0 && text[len - 1] == '/')
		text[--len] = '\0';
	*ret = strdup(text);
	curl_free(text);
	return *ret ? 0 : -ENOMEM;
}

static int fill(CURLU *u, const char *text, struct fl_etcd_endpoint *ep, char **why)
{
	bool http = strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0;

	/* A bad one is not repeated: it may hold a password. */
	if (!http)
		return refuse(why, "etcd-endpoints: each must begin with http:// or https://");
	if (curl_url_set(u, CURLUPART_URL, text, 0) != CURLUE_OK || !has_part(u, CURLUPART_HOST))
		return refuse(why, "etcd-endpoints: not a URL (http://HOST:PORT is wanted)");
	if (has_part(u, CURLUPART_QUERY) || has_part(u, CURLUPART_FRAGMENT))
		return refuse(why, "etcd-endpoints: a URL with ? or # cannot be one");
	if (has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_PASSWORD))
		return refuse(why, "etcd-endpoints: a URL must not hold a user or password; they "
				   "are etcd-username and etcd-password");
	return put_url(u, &ep->url);
}

static int add(struct fl_etcd_endpoints *eps, const char *text, char **why)
{
	struct fl_etcd_endpoint *items;
	CURLU *u;
	int r;

	items = realloc(eps->items, (eps->count + 1) * sizeof(*items));
	if (!items)
		return -ENOMEM;
	eps->items = items;
	items[eps->count] = (struct fl_etcd_endpoint){0};
	u = curl_url();
	r = u ? fill(u, text, &items[eps->count], why) : -ENOMEM;
	curl_url_cleanup(u);
	eps->count++; /* also a half-filled one: endpoints_done() frees it */
	return r;
}

int fl_etcd_endpoints_parse(const char *list, struct fl_etcd_endpoints *ret, char **why)
{
	struct fl_etcd_endpoints eps = {0};
	char *copy = strdup(list ? list : "");
	char *save = NULL;
	int r = copy ? 0 : -ENOMEM;

	for (char *item = copy ? strtok_r(copy, ",", &save) : NULL; item && r == 0;
	     item = strtok_r(NULL, ",", &save)) {
		size_t len;

		item += strspn(item, " \t");
		len = strlen(item);
		while (len > 0 && strchr(" \t", item[len - 1]))
			item[--len] = '\0';
		if (len > 0)
			r = add(&eps, item, why);
	}
	free(copy);
	if (r == 0 && eps.count == 0)
		r = refuse(why, "etcd-endpoints: none given");
	if (r < 0) {
		fl_etcd_endpoints_done(&eps);
		return r;
	}
	*ret = eps;
	return 0;
}

void fl_etcd_endpoints_done(struct fl_etcd_endpoints *eps)
{
	for (size_t i = 0; i < eps->count; i++)
		free(eps->items[i].url);
	free(eps->items);
	*eps = (struct fl_etcd_endpoints){0};
}

int fl_etcd_prefix_parse(const char *text, char ret[FL_ETCD_PREFIX_MAX], char **why)
{
	size_t used = 0;

	while (text && *text) {
		size_t len;

		text += strspn(text, "/");
		len = strcspn(text, "/");
		if (len == 0)
			break;
		if (strncmp(text, "..", len) == 0)
			return refuse(why,
				      "etcd-prefix: \".\" and \"..\" have no meaning in a key");
		if (used + len + 2 > FL_ETCD_PREFIX_MAX)
			return refuse(why, "etcd-prefix: longer than %u bytes",
				      FL_ETCD_PREFIX_MAX - 1);
		ret[used++] = '/';
		memcpy(ret + used, text, len);
		used += len;
		text += len;
	}
	ret[used] = '\0';
	return 0;
}
