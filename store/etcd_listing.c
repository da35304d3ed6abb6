/* store/etcd_listing.c - the listing in which a subnet was found free is the first snapshot, too:
 * of 50,000 leases etcd makes a second one in a quarter of a second. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "store/etcd_internal.h"

#define SLICE 256u /* entries per turn of the loop: about a millisecond */

struct fl_etcd_listed {
	struct fl_etcd_listed *next;
	struct fl_lease_record *rec; /* NULL: its value is of no use */
	char *why;		     /* what is wrong with it, or NULL */
	uint64_t index;
	uint64_t lease;
	int64_t ttl_s;
	char key[];
};

static void listed_free(struct fl_etcd_listed *l)
{
	fl_lease_record_free(l->rec);
	free(l->why);
	free(l);
}

static struct fl_etcd_listed *take_first(struct fl_etcd_listing *all)
{
	struct fl_etcd_listed *l = all->head;

	if (l)
		all->head = l->next;
	if (!all->head)
		all->tail = &all->head;
	return l;
}

static void stop(struct fl_etcd *etcd)
{
	ev_check_stop(etcd->loop, &etcd->listing.turn);
	ev_idle_stop(etcd->loop, &etcd->listing.awake);
}

void fl_etcd_listing_drop(struct fl_etcd *etcd)
{
	struct fl_etcd_listed *l;

	stop(etcd);
	etcd->listing.whole = false;
	while ((l = take_first(&etcd->listing)))
		listed_free(l);
}

int fl_etcd_listing_add(struct fl_etcd *etcd, const struct fl_etcd_entry *e,
			struct fl_lease_record *rec, char *why)
{
	size_t size = strlen(e->key) + 1;
	struct fl_etcd_listed *l = malloc(sizeof(*l) + size);

	if (!l) {
		fl_lease_record_free(rec);
		free(why);
		return -ENOMEM;
	}
	*l = (struct fl_etcd_listed){
		.rec = rec, .why = why, .index = e->index, .lease = e->lease, .ttl_s = e->ttl_s};
	memcpy(l->key, e->key, size);
	*etcd->listing.tail = l;
	etcd->listing.tail = &l->next;
	return 0;
}

static void tell(struct fl_etcd *etcd, struct fl_etcd_listed *l)
{
	const struct fl_etcd_entry e = {
		.key = l->key, .index = l->index, .lease = l->lease, .ttl_s = l->ttl_s};
	struct fl_lease_record *rec = l->rec;

	l->rec = NULL;
	if (strcmp(l->key, etcd->own.key) != 0) /* as it was before we have written it */
		fl_etcd_watch_take(etcd, &e, rec, l->why);
	else
		fl_lease_record_free(rec);
	listed_free(l);
}

static void on_turn(struct ev_loop *loop, ev_check *w, int revents)
{
	struct fl_etcd *etcd = fl_container_of(w, struct fl_etcd, listing.turn);
	struct fl_etcd_listed *l;

	(void)loop;
	(void)revents;
	for (uint32_t n = 0; n < SLICE && (l = take_first(&etcd->listing)); n++)
		tell(etcd, l);
	if (etcd->listing.head)
		return;
	fl_etcd_listing_drop(etcd);
	fl_etcd_watch_taken(etcd, etcd->listing.index);
}

static void on_awake(struct ev_loop *loop, ev_idle *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
}

void fl_etcd_listing_close(struct fl_etcd *etcd, uint64_t index)
{
	etcd->listing.index = index;
	etcd->listing.whole = true;
}

bool fl_etcd_listing_tell(struct fl_etcd *etcd)
{
	if (!etcd->listing.whole)
		return false;
	ev_check_start(etcd->loop, &etcd->listing.turn);
	ev_idle_start(etcd->loop, &etcd->listing.awake);
	return true;
}

void fl_etcd_listing_init(struct fl_etcd *etcd)
{
	etcd->listing.tail = &etcd->listing.head;
	ev_check_init(&etcd->listing.turn, on_turn);
	ev_idle_init(&etcd->listing.awake, on_awake);
}
