/* core/status_json.c - what is true of this node, as JSON. */
#include "config.h"
#include "status.h"

#include "base/json_write.h"

static void put_prefix(struct fl_buf *b, const char *key, const struct fl_prefix *p)
{
	char text[FL_PREFIX_STRLEN];

	fl_jsonw_text(b, key, fl_prefix_is_set(p) ? fl_prefix_format(p, text) : NULL);
}

static void put_addr(struct fl_buf *b, const char *key, const struct fl_addr *a)
{
	char text[FL_ADDR_STRLEN];

	fl_jsonw_text(b, key, fl_addr_is_set(a) ? fl_addr_format(a, text) : NULL);
}

bool fl_status_put_readiness(const struct fl_status *s, struct fl_buf *out)
{
	struct fl_status_reason reasons[FL_STATUS_REASONS_MAX];
	size_t n = fl_status_reasons(s, reasons);

	fl_jsonw_bool(out, "ready", n == 0);
	fl_jsonw_open(out, "reasons", '[');
	for (size_t i = 0; i < n; i++) {
		fl_jsonw_open(out, NULL, '{');
		fl_jsonw_text(out, "reason", reasons[i].name);
		fl_jsonw_text(out, "text", reasons[i].text);
		fl_jsonw_close(out, '}');
	}
	fl_jsonw_close(out, ']');
	return n == 0;
}

bool fl_status_put_ready(const struct fl_status *s, struct fl_buf *out)
{
	bool ready;

	fl_jsonw_open(out, NULL, '{');
	ready = fl_status_put_readiness(s, out);
	fl_jsonw_close(out, '}');
	fl_buf_puts(out, "\n");
	return ready;
}

static void put_interface(const struct fl_status *s, struct fl_buf *b)
{
	if (!s->extif || !s->extif->name)
		return;
	fl_jsonw_open(b, "interface", '{');
	fl_jsonw_text(b, "name", s->extif->name);
	put_addr(b, "address", &s->extif->addr);
	put_addr(b, "public_ip", &s->extif->public_ip);
	fl_jsonw_uint(b, "mtu", s->extif->mtu);
	fl_jsonw_close(b, '}');
}

static void put_lease(const struct fl_status *s, struct fl_buf *b)
{
	static const char *const states[] = {
		[FL_STORE_OWN_NONE] = "none",
		[FL_STORE_OWN_HELD] = "held",
		[FL_STORE_OWN_AMISS] = "amiss",
	};

	fl_jsonw_open(b, "lease", '{');
	put_prefix(b, "subnet", &s->subnet);
	fl_jsonw_text(b, "state", states[s->store.own]);
	fl_jsonw_time(b, "expires", s->store.expires_s);
	fl_jsonw_uint(b, "renewals", s->store.renewals);
	fl_jsonw_uint(b, "renewal_failures", s->store.renewal_failures);
	fl_jsonw_uint(b, "recreations", s->store.recreations);
	fl_jsonw_close(b, '}');
}

static void put_store(const struct fl_status *s, struct fl_buf *b)
{
	const struct fl_store_stats *st = &s->store;

	fl_jsonw_open(b, "store", '{');
	fl_jsonw_bool(b, "following", st->following);
	fl_jsonw_text(b, "waiting", st->waiting[0] ? st->waiting : NULL);
	fl_jsonw_time(b, "last_contact", (int64_t)st->contact_s);
	fl_jsonw_uint(b, "snapshots", st->snapshots);
	fl_jsonw_uint(b, "events", st->events);
	fl_jsonw_uint(b, "unreadable_entries", st->unreadable);
	fl_jsonw_uint(b, "requests_answered", st->requests_answered);
	fl_jsonw_uint(b, "requests_denied", st->requests_denied);
	fl_jsonw_uint(b, "requests_failed", st->requests_failed);
	fl_jsonw_close(b, '}');
}

static void put_peers(const struct fl_status *s, struct fl_buf *b)
{
	const struct fl_overlay_stats *o = &s->overlay;

	fl_jsonw_open(b, "peers", '{');
	fl_jsonw_uint(b, "known", o->peers);
	fl_jsonw_uint(b, "reached", o->reached);
	fl_jsonw_uint(b, "ignored", o->ignored);
	fl_jsonw_uint(b, "waiting", o->waiting);
	fl_jsonw_uint(b, "refused", o->refused);
	fl_jsonw_close(b, '}');
	fl_jsonw_open(b, "rows", '{');
	fl_jsonw_uint(b, "declared", o->rows.declared);
	fl_jsonw_uint(b, "installed", o->rows.installed);
	fl_jsonw_uint(b, "failed", o->rows.failed);
	fl_jsonw_uint(b, "conflicting", o->rows.conflicts);
	fl_jsonw_uint(b, "repaired", o->rows.repaired);
	fl_jsonw_close(b, '}');
}

static void put_rules(const struct fl_status *s, struct fl_buf *b)
{
	static const char *const states[] = {
		[FL_STATUS_RULES_PENDING] = "pending",
		[FL_STATUS_RULES_STAND] = "standing",
		[FL_STATUS_RULES_FAILED] = "failed",
	};

	fl_jsonw_open(b, "rules", '{');
	fl_jsonw_text(b, "state", states[s->rules]);
	fl_jsonw_text(b, "why", s->rules_why[0] ? s->rules_why : NULL);
	fl_jsonw_uint(b, "repaired", s->rules_repairs);
	fl_jsonw_close(b, '}');
}

static void put_certs(const struct fl_status *s, struct fl_buf *b)
{
	fl_jsonw_open(b, "certificates", '[');
	for (size_t i = 0; i < s->n_certs; i++) {
		fl_jsonw_open(b, NULL, '{');
		fl_jsonw_text(b, "file", s->certs[i].file);
		fl_jsonw_time(b, "expires", s->certs[i].expires_s);
		fl_jsonw_close(b, '}');
	}
	fl_jsonw_close(b, ']');
}

static void put_counters(const struct fl_status *s, struct fl_buf *b)
{
	fl_jsonw_open(b, "counters", '{');
	for (size_t i = 0; i < s->n_counters; i++)
		fl_jsonw_uint(b, s->counters[i].name, fl_counter_value(&s->counters[i]));
	fl_jsonw_close(b, '}');
}

void fl_status_put_json(const struct fl_status *s, struct fl_buf *out)
{
	fl_jsonw_open(out, NULL, '{');
	fl_jsonw_text(out, "version", PACKAGE_VERSION);
	(void)fl_status_put_readiness(s, out);
	fl_jsonw_text(out, "stage", fl_status_stage_name(s->stage));
	fl_jsonw_time(out, "started", (int64_t)s->started_s);
	fl_jsonw_time(out, "now", (int64_t)s->now_s);
	fl_jsonw_text(out, "backend", s->backend);
	put_prefix(out, "network", &s->network);
	fl_jsonw_uint(out, "mtu", s->mtu);
	put_interface(s, out);
	put_lease(s, out);
	put_store(s, out);
	put_peers(s, out);
	fl_jsonw_uint(out, "device_repairs", s->overlay.device_repairs);
	put_rules(s, out);
	put_certs(s, out);
	put_counters(s, out);
	fl_jsonw_close(out, '}');
	fl_buf_puts(out, "\n");
}
