/* store/etcd_stats.c - what the store counts for operators. */
#include "io/http.h"
#include "store/etcd_internal.h"

void fl_etcd_stats_sent(struct fl_etcd_chan *ch)
{
	ch->sent = ev_time();
}

void fl_etcd_stats_contact(struct fl_etcd *etcd)
{
	etcd->stats.contact_s = ev_time();
}

static void count_request(struct fl_etcd_chan *ch, enum fl_etcd_outcome outcome)
{
	struct fl_store_stats *s = &ch->etcd->stats;

	if (outcome == FL_ETCD_FAILED || outcome == FL_ETCD_ABSENT || outcome == FL_ETCD_SILENT) {
		s->requests_failed++;
		return;
	}
	fl_etcd_stats_contact(ch->etcd);
	if (outcome == FL_ETCD_DENIED)
		s->requests_denied++;
	else
		s->requests_answered++;
	/* A poll takes as long as nothing happens, which says nothing about the store. */
	if (ch->req.verb != FL_ETCD_WATCH)
		fl_histogram_add(&s->durations, s->contact_s - ch->sent);
}

void fl_etcd_stats_done(struct fl_etcd_chan *ch, const struct fl_etcd_result *res)
{
	struct fl_etcd *etcd = ch->etcd;
	bool ok = res->outcome == FL_ETCD_OK;

	count_request(ch, res->outcome);
	switch (ch->req.verb) {
	case FL_ETCD_REFRESH:
		etcd->stats.renewals += ok;
		etcd->stats.renewal_failures += !ok;
		break;
	case FL_ETCD_CREATE:
		etcd->stats.recreations += ok && etcd->own.held;
		break;
	case FL_ETCD_LIST:
		etcd->stats.snapshots += ok && ch == &etcd->events;
		break;
	default:
		break;
	}
}

void fl_etcd_stats(const struct fl_store *s, struct fl_store_stats *ret)
{
	const struct fl_etcd *etcd = fl_container_of(s, struct fl_etcd, store);
	const struct fl_etcd_own *own = &etcd->own;
	const struct fl_http_ends ends = fl_http_ends(etcd->http);

	*ret = etcd->stats;
	ret->waiting = etcd->said;
	ret->cert_expires_s = ends.cert_s;
	ret->ca_expires_s = ends.ca_s;
	ret->following = etcd->watch.following && etcd->events.trouble == FL_ETCD_FINE;
	ret->unreadable = etcd->bad.table.count;
	if (!own->held)
		return;
	ret->own = own->repairing ? FL_STORE_OWN_AMISS : FL_STORE_OWN_HELD;
	ret->expires_s = own->rec->expires_s;
}
