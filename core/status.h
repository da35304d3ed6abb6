/* core/status.h - what is true of this node now, in one place, and how it is shown: as JSON, and as
 * Prometheus' text. Gathered by the daemon; nothing here asks anybody. */
#ifndef FL_STATUS_H
#define FL_STATUS_H

#include <stddef.h>
#include <stdint.h>

#include "backend.h"
#include "base/buf.h"
#include "overlay.h"
#include "store/store.h"

enum fl_status_stage {
	FL_STATUS_CONFIG,  /* waiting for a network config */
	FL_STATUS_BACKEND, /* the backend finds out what others need to know */
	FL_STATUS_LEASE,   /* waiting for a lease */
	FL_STATUS_DEVICE,  /* the backend brings up its device */
	FL_STATUS_RULES,   /* the firewall's rules are on their way */
	FL_STATUS_RUNNING,
	FL_STATUS_STOPPING,
};

enum fl_status_rules {
	FL_STATUS_RULES_PENDING,
	FL_STATUS_RULES_STAND,
	FL_STATUS_RULES_FAILED,
};

#define FL_STATUS_CERTS_MAX 2u

/** A certificate that is in use. */
struct fl_status_cert {
	const char *file;  /* borrowed */
	int64_t expires_s; /* Unix time */
};

/** All pointers are borrowed, for as long as the daemon does nothing else. */
struct fl_status {
	double now_s;	  /* Unix time */
	double started_s; /* likewise */
	enum fl_status_stage stage;
	const char *backend;	  /* NULL: not known yet */
	struct fl_prefix network; /* none: not known yet */
	struct fl_prefix subnet;  /* ours; none: not known yet */
	uint32_t mtu;		  /* of the overlay, bytes; 0: not known yet */
	const struct fl_extif *extif;
	const char *interface_why; /* what is missing of it; "" or NULL: nothing */
	struct fl_store_stats store;
	struct fl_overlay_stats overlay; /* all zero until the others are followed */
	enum fl_status_rules rules;
	const char *rules_why;		   /* what is wrong with them, "" if nothing */
	uint64_t rules_repairs;		   /* how often others had changed them */
	const struct fl_counter *counters; /* the backend's */
	size_t n_counters;
	bool filters;	   /* --peer-filter */
	uint64_t kept_out; /* packets that it has dropped */
	struct fl_status_cert certs[FL_STATUS_CERTS_MAX];
	size_t n_certs;
};

#define FL_STATUS_REASONS_MAX 6u

/** Why this node is not ready. */
struct fl_status_reason {
	const char *name; /* "start", "lease", "watch", "interface", "device", "rules": one word
			     each, that stay */
	char text[600];	  /* for people */
};

/** @return how many there are; 0: it is ready (F8) */
size_t fl_status_reasons(const struct fl_status *s,
			 struct fl_status_reason ret[FL_STATUS_REASONS_MAX]);

/** "config", "lease", ..., "running", "stopping" */
const char *fl_status_stage_name(enum fl_status_stage stage);

/** {"ready":false,"reasons":[{"reason":"lease","text":"..."}]} @return true if it is ready */
bool fl_status_put_ready(const struct fl_status *s, struct fl_buf *out);
/** "ready" and "reasons", as members of an object that is open. @return true if it is ready */
bool fl_status_put_readiness(const struct fl_status *s, struct fl_buf *out);
/** Everything, as an object. */
void fl_status_put_json(const struct fl_status *s, struct fl_buf *out);
/** Everything, in Prometheus' text format, version 0.0.4. */
void fl_status_put_metrics(const struct fl_status *s, struct fl_buf *out);

#endif
