/* core/status.c - whether this node is ready, and why not. */
#include "status.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

static const char *const stage_names[] = {
	[FL_STATUS_CONFIG] = "config",	   [FL_STATUS_BACKEND] = "backend",
	[FL_STATUS_LEASE] = "lease",	   [FL_STATUS_DEVICE] = "device",
	[FL_STATUS_RULES] = "rules",	   [FL_STATUS_RUNNING] = "running",
	[FL_STATUS_STOPPING] = "stopping",
};

const char *fl_status_stage_name(enum fl_status_stage stage)
{
	return stage_names[stage];
}

struct reasons {
	struct fl_status_reason *at;
	size_t count;
};

static void FL_PRINTF(3, 4) add(struct reasons *r, const char *name, const char *fmt, ...)
{
	struct fl_status_reason *reason = &r->at[r->count++];
	va_list args;

	reason->name = name;
	va_start(args, fmt);
	(void)vsnprintf(reason->text, sizeof(reason->text), fmt, args);
	va_end(args);
}

static void check_start(const struct fl_status *s, struct reasons *r)
{
	static const char *const texts[] = {
		[FL_STATUS_CONFIG] = "waiting for the network config",
		[FL_STATUS_BACKEND] = "the backend is not prepared yet",
		[FL_STATUS_LEASE] = "waiting for a lease",
		[FL_STATUS_DEVICE] = "the backend is not up yet",
		[FL_STATUS_RULES] = "firewall rules and subnet.env are not written yet",
		[FL_STATUS_STOPPING] = "stopping",
	};

	add(r, "start", "%s", s->store.waiting[0] ? s->store.waiting : texts[s->stage]);
}

static void check_lease(const struct fl_status *s, struct reasons *r)
{
	char subnet[FL_PREFIX_STRLEN];
	int64_t over_s = (int64_t)s->now_s - s->store.expires_s;

	(void)fl_prefix_format(&s->subnet, subnet);
	if (s->store.own == FL_STORE_OWN_NONE)
		add(r, "lease", "%s: the lease is not ours any more", subnet);
	else if (s->store.expires_s && over_s >= 0)
		add(r, "lease",
		    "%s: the lease has expired, %" PRId64 " s ago; it could not be "
		    "renewed",
		    subnet, over_s);
	else if (s->store.own == FL_STORE_OWN_AMISS)
		add(r, "lease",
		    "%s: the lease is gone from the store, or was written over, and "
		    "could not be put right yet",
		    subnet);
}

static void check_watch(const struct fl_status *s, struct reasons *r)
{
	const char *waiting = s->store.waiting;

	if (!s->store.following)
		add(r, "watch", "the leases of other hosts are not followed%s%s",
		    waiting[0] ? ": " : "", waiting);
}

static void check_interface(const struct fl_status *s, struct reasons *r)
{
	if (s->interface_why && s->interface_why[0])
		add(r, "interface", "%s: %s", s->extif->name, s->interface_why);
}

static void check_device(const struct fl_status *s, struct reasons *r)
{
	if (!s->overlay.devices_well)
		add(r, "device",
		    "the backend's device is missing or down, or has lost its "
		    "address; it is being repaired");
}

static void check_rules(const struct fl_status *s, struct reasons *r)
{
	if (s->rules == FL_STATUS_RULES_FAILED)
		add(r, "rules", "the firewall's rules are not installed: %s", s->rules_why);
	else if (s->rules == FL_STATUS_RULES_PENDING)
		add(r, "rules", "the firewall's rules are not installed yet");
}

size_t fl_status_reasons(const struct fl_status *s,
			 struct fl_status_reason ret[FL_STATUS_REASONS_MAX])
{
	struct reasons r = {.at = ret};

	if (s->stage != FL_STATUS_RUNNING) {
		check_start(s, &r);
		return r.count;
	}
	check_lease(s, &r);
	check_watch(s, &r);
	check_interface(s, &r);
	check_device(s, &r);
	check_rules(s, &r);
	return r.count;
}
