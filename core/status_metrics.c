/* core/status_metrics.c - what is true of this node, in Prometheus' text format. */
#include "config.h"
#include "status.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

/* Only a certain part of ASCII may be in a name; '-' of a backend's becomes '_'. */
static void put_name(struct fl_buf *b, const char *text)
{
	for (; *text; text++) {
		char c = isalnum((unsigned char)*text) ? *text : '_';

		fl_buf_append(b, &c, 1);
	}
}

/* A label's value, or the text of HELP, where quotes need no escape but may have one. */
static void put_escaped(struct fl_buf *b, const char *text, bool quotes)
{
	for (; *text; text++) {
		if (*text == '\n')
			fl_buf_puts(b, "\\n");
		else if (*text == '\\' || (*text == '"' && quotes))
			fl_buf_printf(b, "\\%c", *text);
		else
			fl_buf_append(b, text, 1);
	}
}

static void put_head(struct fl_buf *b, const char *name, const char *type, const char *help)
{
	fl_buf_printf(b, "# HELP %s ", name);
	put_escaped(b, help, false);
	fl_buf_printf(b, "\n# TYPE %s %s\n", name, type);
}

static void put_u64(struct fl_buf *b, const char *name, const char *type, uint64_t value,
		    const char *help)
{
	put_head(b, name, type, help);
	fl_buf_printf(b, "%s %" PRIu64 "\n", name, value);
}

static void put_gauge(struct fl_buf *b, const char *name, uint64_t value, const char *help)
{
	put_u64(b, name, "gauge", value, help);
}

static void put_total(struct fl_buf *b, const char *name, uint64_t value, const char *help)
{
	put_u64(b, name, "counter", value, help);
}

/* 0: there is none, so there is no sample */
static void put_time(struct fl_buf *b, const char *name, double value, const char *help)
{
	put_head(b, name, "gauge", help);
	if (value != 0.)
		fl_buf_printf(b, "%s %.3f\n", name, value);
}

static void put_build(const struct fl_status *s, struct fl_buf *b)
{
	put_head(b, "flanneld_build_info", "gauge", "Always 1; the labels say what runs.");
	fl_buf_puts(b, "flanneld_build_info{version=\"" PACKAGE_VERSION "\",backend=\"");
	put_escaped(b, s->backend ? s->backend : "", true);
	fl_buf_printf(b, "\",backend_abi=\"%u\"} 1\n", FL_BACKEND_ABI);
	put_time(b, "flanneld_start_time_seconds", s->started_s,
		 "When flanneld was started, Unix time.");
}

static void put_ready(const struct fl_status *s, struct fl_buf *b)
{
	static const char *const names[FL_STATUS_REASONS_MAX] = {"start",     "lease",	"watch",
								 "interface", "device", "rules"};
	struct fl_status_reason reasons[FL_STATUS_REASONS_MAX];
	size_t n = fl_status_reasons(s, reasons);

	put_gauge(b, "flanneld_ready", n == 0,
		  "1 if lease, watch, device and rules are as they must be.");
	put_head(b, "flanneld_not_ready_reason", "gauge",
		 "1 for each reason for which this node is not ready.");
	for (size_t i = 0; i < FL_STATUS_REASONS_MAX; i++) {
		bool holds = false;

		for (size_t k = 0; k < n; k++)
			holds = holds || strcmp(reasons[k].name, names[i]) == 0;
		fl_buf_printf(b, "flanneld_not_ready_reason{reason=\"%s\"} %d\n", names[i], holds);
	}
}

static void put_lease(const struct fl_store_stats *s, struct fl_buf *b)
{
	put_time(b, "flanneld_lease_expiry_timestamp_seconds", (double)s->expires_s,
		 "When the own lease expires, Unix time; none for a reservation.");
	put_total(b, "flanneld_lease_renewals_total", s->renewals, "Renewals of the own lease.");
	put_total(b, "flanneld_lease_renewal_failures_total", s->renewal_failures,
		  "Attempts to renew the own lease that failed.");
	put_total(b, "flanneld_lease_recreations_total", s->recreations,
		  "How often the own lease was gone and was created again.");
}

static void put_peer_state(struct fl_buf *b, const char *state, uint32_t value)
{
	fl_buf_printf(b, "flanneld_peers{state=\"%s\"} %" PRIu32 "\n", state, value);
}

static void put_overlay(const struct fl_overlay_stats *o, struct fl_buf *b)
{
	put_gauge(b, "flanneld_leases", o->peers, "Leases of other hosts.");
	put_head(b, "flanneld_peers", "gauge", "Leases of other hosts, by what was made of them.");
	put_peer_state(b, "reached", o->reached);
	put_peer_state(b, "ignored", o->ignored);
	put_peer_state(b, "waiting", o->waiting);
	put_peer_state(b, "refused", o->refused);
	put_gauge(b, "flanneld_rows_declared", o->rows.declared,
		  "Routes, neighbours and forwarding entries that should stand in the kernel.");
	put_gauge(b, "flanneld_rows_installed", o->rows.installed, "Those that do.");
	put_gauge(b, "flanneld_rows_failed", o->rows.failed, "Those that the kernel refused.");
	put_gauge(b, "flanneld_rows_conflicting", o->rows.conflicts,
		  "Those whose place is taken by somebody else's.");
	put_total(b, "flanneld_rows_repaired_total", o->rows.repaired,
		  "How often a row was removed or changed by others, and put back.");
	put_total(b, "flanneld_rows_amiss_total", o->rows.amiss,
		  "How often a full comparison found a row that was believed to stand.");
	put_total(b, "flanneld_device_repairs_total", o->device_repairs,
		  "How often the backend's device was put right.");
}

static void put_outcome(struct fl_buf *b, const char *outcome, uint64_t value)
{
	fl_buf_printf(b, "flanneld_store_requests_total{outcome=\"%s\"} %" PRIu64 "\n", outcome,
		      value);
}

static void put_histogram(const struct fl_histogram *h, const char *name, struct fl_buf *b)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < FL_HISTOGRAM_BUCKETS; i++) {
		sum += h->buckets[i];
		fl_buf_printf(b, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name,
			      fl_histogram_bounds_s[i], sum);
	}
	fl_buf_printf(b, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, h->count);
	fl_buf_printf(b, "%s_sum %.6f\n%s_count %" PRIu64 "\n", name, h->sum_s, name, h->count);
}

static void put_store(const struct fl_store_stats *s, struct fl_buf *b)
{
	put_gauge(b, "flanneld_watch_following", s->following,
		  "1 while all leases of others are known and changes are heard.");
	put_total(b, "flanneld_watch_resyncs_total", s->snapshots > 1 ? s->snapshots - 1 : 0,
		  "Snapshots after the first, because events were missed.");
	put_total(b, "flanneld_watch_events_total", s->events, "Changes heard.");
	put_gauge(b, "flanneld_store_unreadable_entries", s->unreadable,
		  "Entries in the store that are of no use.");
	put_time(b, "flanneld_store_last_contact_timestamp_seconds", s->contact_s,
		 "When the store has answered last, Unix time.");
	put_head(b, "flanneld_store_requests_total", "counter",
		 "Requests to the store, by how they ended.");
	put_outcome(b, "answered", s->requests_answered);
	put_outcome(b, "denied", s->requests_denied);
	put_outcome(b, "failed", s->requests_failed);
	put_head(b, "flanneld_store_request_duration_seconds", "histogram",
		 "How long the store took to answer, the watch left aside.");
	put_histogram(&s->durations, "flanneld_store_request_duration_seconds", b);
}

static void put_certs(const struct fl_status *s, struct fl_buf *b)
{
	put_head(b, "flanneld_certificate_expiry_timestamp_seconds", "gauge",
		 "When a certificate expires, Unix time.");
	for (size_t i = 0; i < s->n_certs; i++) {
		fl_buf_puts(b, "flanneld_certificate_expiry_timestamp_seconds{file=\"");
		put_escaped(b, s->certs[i].file, true);
		fl_buf_printf(b, "\"} %" PRId64 "\n", s->certs[i].expires_s);
	}
}

/* Of a module, perhaps not ours: so nothing is taken for granted. */
static void put_counter(const char *backend, const struct fl_counter *c, struct fl_buf *b)
{
	struct fl_buf name = {0};

	fl_buf_puts(&name, "flanneld_");
	put_name(&name, backend);
	fl_buf_puts(&name, "_");
	put_name(&name, c->name);
	fl_buf_puts(&name, "_total");
	if (name.error)
		b->error = name.error;
	else
		put_total(b, name.data, fl_counter_value(c), c->help);
	fl_buf_done(&name);
}

void fl_status_put_metrics(const struct fl_status *s, struct fl_buf *out)
{
	put_build(s, out);
	put_ready(s, out);
	put_gauge(out, "flanneld_rules_standing", s->rules == FL_STATUS_RULES_STAND,
		  "1 if the firewall's rules are installed.");
	put_total(out, "flanneld_rules_repairs_total", s->rules_repairs,
		  "Times that rules which others had changed were put right.");
	put_lease(&s->store, out);
	put_overlay(&s->overlay, out);
	put_store(&s->store, out);
	put_certs(s, out);
	if (s->filters)
		put_total(out, "flanneld_peer_filter_dropped_packets_total", s->kept_out,
			  "Packets of strangers that the peer filter has dropped.");
	for (size_t i = 0; s->backend && i < s->n_counters; i++)
		put_counter(s->backend, &s->counters[i], out);
}
