/* store/ask.c - the way to the store that is asked for. */
#include "store/ask.h"

#include "store/store.h"

int fl_ask_open(const struct fl_store_conf *conf, struct fl_ask **ret, char **why)
{
	int r = fl_store_check_url(conf->url, why);

	if (r < 0)
		return r;
	return conf->url && fl_store_path_of(conf->url) ? fl_file_ask_open(conf, ret, why)
							: fl_etcd_ask_open(conf, ret, why);
}

void fl_ask_close(struct fl_ask *a)
{
	if (a)
		a->ops->close(a);
}

int fl_ask_config(struct fl_ask *a, struct fl_buf *ret, uint64_t *index)
{
	return a->ops->config(a, ret, index);
}

int fl_ask_leases(struct fl_ask *a, fl_ask_entry_cb cb, void *owner)
{
	return a->ops->leases(a, cb, owner);
}

int fl_ask_order(const struct fl_lease_record *a, const struct fl_lease_record *b)
{
	if (!a || !b)
		return !a - !b;
	return fl_prefix_compare(&a->lease.subnet, &b->lease.subnet);
}

int fl_ask_put_config(struct fl_ask *a, const char *text, uint64_t index)
{
	return a->ops->put_config(a, text, index);
}

int fl_ask_put_lease(struct fl_ask *a, const struct fl_ask_entry *e)
{
	return a->ops->put_lease(a, e);
}

int fl_ask_remove(struct fl_ask *a, const struct fl_ask_entry *e)
{
	return a->ops->remove(a, e);
}
