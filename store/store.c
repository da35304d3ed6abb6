/* store/store.c - the table of stores, and the way to the one that is asked for. */
#include "store/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/defs.h"
#include "store/etcd.h"
#include "store/file.h"

/* By the scheme of the URL; the first is meant where none is given. */
static const struct {
	const char *scheme;
	const struct fl_store_ops *ops;
} stores[] = {
	{"etcd", &fl_store_etcd},
	{"file", &fl_store_file},
};

static const struct fl_store_ops *find(const char *url)
{
	size_t len = url ? strcspn(url, ":") : 0;

	if (len == 0)
		return url && *url ? NULL : stores[0].ops;
	for (size_t i = 0; i < FL_ARRAY_SIZE(stores); i++)
		if (strlen(stores[i].scheme) == len && memcmp(stores[i].scheme, url, len) == 0 &&
		    (url[len] || !stores[i].ops->check_url))
			return stores[i].ops;
	return NULL;
}

static int refuse(char **why, const char *text)
{
	*why = strdup(text);
	return *why ? -EINVAL : -ENOMEM;
}

int fl_store_check_url(const char *url, char **why)
{
	const struct fl_store_ops *ops = find(url);

	if (!ops)
		return refuse(why, "must be etcd or file:///PATH");
	if (ops->check_url)
		return ops->check_url(url, why);
	return strchr(url, ':') ? refuse(why, "must be etcd or file:///PATH") : 0;
}

int fl_store_create(struct ev_loop *loop, const struct fl_store_conf *conf,
		    struct fl_store_listener *listener, struct fl_store **ret, char **why)
{
	const struct fl_store_ops *ops = find(conf->url);
	char *name;
	int r;

	if (!ops)
		return refuse(why, "store: must be etcd or file:///PATH");
	r = ops->by_hand ? asprintf(&name, "%s", conf->url)
			 : asprintf(&name, "%s/config", conf->prefix ? conf->prefix : "");
	if (r < 0)
		return -ENOMEM;
	r = ops->create(loop, conf, listener, ret, why);
	if (r < 0)
		free(name);
	else
		(*ret)->config_name = name;
	return r;
}

void fl_store_destroy(struct fl_store *s)
{
	if (!s)
		return;
	free(s->config_name);
	s->ops->destroy(s);
}

const char *fl_store_config_name(const struct fl_store *s)
{
	return s->config_name;
}

bool fl_store_by_hand(const struct fl_store *s)
{
	return s->ops->by_hand;
}

void fl_store_reload(struct fl_store *s)
{
	if (s->ops->reload)
		s->ops->reload(s);
}

int fl_store_fetch_config(struct fl_store *s)
{
	return s->ops->fetch_config(s);
}

int fl_store_acquire(struct fl_store *s, const struct fl_netconf *nc, const struct fl_lease *mine,
		     const struct fl_prefix *previous, const struct fl_addr *underlay)
{
	return s->ops->acquire(s, nc, mine, previous, underlay);
}

int fl_store_watch(struct fl_store *s)
{
	return s->ops->watch(s);
}

int fl_store_change(struct fl_store *s, const struct fl_lease *mine, const struct fl_lease **own)
{
	return s->ops->change(s, mine, own);
}

int fl_store_release(struct fl_store *s)
{
	return s->ops->release(s);
}

void fl_store_stats(const struct fl_store *s, struct fl_store_stats *ret)
{
	s->ops->stats(s, ret);
}
