/* store/etcd_listing.c - the listing in which a subnet was found free is the first snapshot, too:
 * of 50,000 leases etcd makes a second one in a quarter of a second. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "lease_packed.h"
#include "store/etcd_internal.h"

#define SLICE 256u /* entries per turn of the loop: about a millisecond */

/* An entry that does not follow from a lease. */
struct odd {
	uint64_t etcd_lease;
	struct fl_lease_record *rec; /* NULL: its value is of no use */
	char *why;		     /* what is wrong with it, or NULL */
	char key[];
};

struct fl_etcd_listed {
	struct fl_etcd_listed *next;
	uint64_t index;
	int64_t ttl_s;
	union {
		uint64_t etcd_lease;
		struct odd *odd;
	};
	bool is_odd;
	unsigned char lease[]; /* packed; nothing if it is odd */
};

static void odd_free(struct odd *odd)
{
	fl_lease_record_free(odd->rec);
	free(odd->why);
	free(odd);
}

static void listed_free(struct fl_etcd_listed *l)
{
	if (l->is_odd)
		odd_free(l->odd);
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
	free(etcd->listing.usual_type);
	etcd->listing.usual_type = NULL;
}

/* There is one text for a key without IPv6. */
static bool follows_from(const struct fl_etcd_entry *e, const struct fl_lease *lease)
{
	char key[FL_LEASE_KEY_MAX];

	return !strchr(e->key, '&') ||
	       strcmp(e->key, fl_lease_key_format(&lease->subnet, &lease->subnet6, key)) == 0;
}

static struct fl_etcd_listed *list_odd(const struct fl_etcd_entry *e)
{
	size_t size = strlen(e->key) + 1;
	struct fl_etcd_listed *l = calloc(1, sizeof(*l));
	struct odd *odd = calloc(1, sizeof(*odd) + size);

	if (!l || !odd) {
		free(l);
		free(odd);
		return NULL;
	}
	odd->etcd_lease = e->lease;
	memcpy(odd->key, e->key, size);
	l->odd = odd;
	l->is_odd = true;
	return l;
}

static struct fl_etcd_listed *list_lease(struct fl_etcd_listing *all, const struct fl_etcd_entry *e,
					 const struct fl_lease *lease)
{
	struct fl_etcd_listed *l;

	if (!all->usual_type)
		all->usual_type = strdup(lease->backend_type);
	if (!all->usual_type)
		return NULL;
	l = malloc(sizeof(*l) + fl_lease_packed_size(lease, all->usual_type));
	if (!l)
		return NULL;
	*l = (struct fl_etcd_listed){.etcd_lease = e->lease};
	fl_lease_pack(lease, all->usual_type, l->lease);
	return l;
}

int fl_etcd_listing_add(struct fl_etcd *etcd, const struct fl_etcd_entry *e,
			struct fl_lease_record *rec, char *why)
{
	const bool even = rec && follows_from(e, &rec->lease);
	struct fl_etcd_listed *l = even ? list_lease(&etcd->listing, e, &rec->lease) : list_odd(e);

	if (l && !even) {
		l->odd->rec = rec;
		l->odd->why = why;
	} else {
		fl_lease_record_free(rec);
		free(why);
	}
	if (!l)
		return -ENOMEM;
	l->index = e->index;
	l->ttl_s = e->ttl_s;
	*etcd->listing.tail = l;
	etcd->listing.tail = &l->next;
	return 0;
}

static void take(struct fl_etcd *etcd, const struct fl_etcd_entry *e, struct fl_lease_record *rec,
		 const char *why)
{
	if (strcmp(e->key, etcd->own.key) != 0) /* as it was before we have written it */
		fl_etcd_watch_take(etcd, e, rec, why);
	else
		fl_lease_record_free(rec);
}

static void tell(struct fl_etcd *etcd, struct fl_etcd_listed *l)
{
	struct fl_etcd_entry e = {.index = l->index, .lease = l->etcd_lease, .ttl_s = l->ttl_s};
	char key[FL_LEASE_KEY_MAX];
	struct fl_lease lease;

	if (l->is_odd) {
		e.key = l->odd->key;
		e.lease = l->odd->etcd_lease;
		take(etcd, &e, l->odd->rec, l->odd->why);
		l->odd->rec = NULL;
	} else {
		fl_lease_unpack(l->lease, etcd->listing.usual_type, &lease);
		e.key = fl_lease_key_format(&lease.subnet, &lease.subnet6, key);
		take(etcd, &e, fl_lease_record_new(&lease), NULL);
	}
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
