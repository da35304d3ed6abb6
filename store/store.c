/* store/store.c - the table of stores, and the way to the one that is asked for. */
#include "store/store.h"

#include "store/etcd.h"

/* One so far; the endpoints' scheme will choose once there are more. */
static const struct fl_store_ops *const stores[] = {&fl_store_etcd};

int fl_store_create(struct ev_loop *loop, const struct fl_store_conf *conf,
		    struct fl_store_listener *listener, struct fl_store **ret, char **why)
{
	return stores[0]->create(loop, conf, listener, ret, why);
}

void fl_store_destroy(struct fl_store *s)
{
	if (s)
		s->ops->destroy(s);
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
