/* ctl/cmd_status.c - flannelctl status: what is right, what is not, and what to do about it. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "base/defs.h"
#include "show.h"

#define TEXT_MAX 700u

struct screen {
	const struct ctl *c;
	const struct fl_json *status;
	long long now_s;
	const char *hints[16]; /* each once */
	size_t n_hints;
};

static const struct hint {
	const char *reason;
	const char *text;
} hints[] = {
	{"start", "start: see what it waits for; the log has more. Without a network config put "
		  "one into the store (flannel-config(5))."},
	{"lease", "lease: the store must answer, and let this host write. Look at etcd, its "
		  "permissions and the log. Until the lease is renewed another host may take the "
		  "subnet."},
	{"watch", "watch: look whether etcd runs and can be reached from here. Traffic goes on; "
		  "new hosts are not reached until it answers."},
	{"device",
	 "device: see who takes it away, or has made another one of its name: ip -d link."},
	{"rules", "rules: see what iptables-save says. Containers may not reach the outside."},
};

static void advise(struct screen *s, const char *text)
{
	for (size_t i = 0; i < s->n_hints; i++)
		if (strcmp(s->hints[i], text) == 0)
			return;
	if (s->n_hints < FL_ARRAY_SIZE(s->hints))
		s->hints[s->n_hints++] = text;
}

static void FL_PRINTF(4, 5)
	row(const struct screen *s, enum ctl_mark mark, const char *label, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	ctl_row(s->c, mark, label, text);
}

/* The text of the reason if it holds, else NULL. */
static const char *reason(struct screen *s, const char *name)
{
	fl_json_each (r, fl_json_get(s->status, "reasons")) {
		if (strcmp(ctl_text(r, "reason"), name) != 0)
			continue;
		for (size_t i = 0; i < FL_ARRAY_SIZE(hints); i++)
			if (strcmp(hints[i].reason, name) == 0)
				advise(s, hints[i].text);
		return ctl_text(r, "text");
	}
	return NULL;
}

static const struct fl_json *part(const struct screen *s, const char *name)
{
	return fl_json_get(s->status, name);
}

static void show_head(struct screen *s)
{
	bool ready = ctl_flag(s->status, "ready");
	char age[32], text[TEXT_MAX], clean[TEXT_MAX];

	(void)snprintf(text, sizeof(text), "flanneld %s, %s, running for %s",
		       ctl_text(s->status, "version"),
		       ctl_text(s->status, "backend")[0] ? ctl_text(s->status, "backend")
							 : "no backend yet",
		       ctl_span(s->now_s - ctl_number(s->status, "started"), age));
	(void)printf("%s: %s%s%s\n", ctl_clean(text, clean, sizeof(clean)),
		     s->c->colour ? (ready ? "\033[1;32m" : "\033[1;31m") : "",
		     ready ? "ready" : "not ready", s->c->colour ? "\033[0m" : "");
}

static void show_lease(struct screen *s)
{
	const struct fl_json *lease = part(s, "lease");
	const char *why = reason(s, "lease"), *subnet = ctl_text(lease, "subnet");
	long long expires = ctl_number(lease, "expires");
	char left[32];

	if (why)
		row(s, CTL_BAD, "lease", "%s", why);
	else if (!subnet[0])
		row(s, CTL_DOUBTFUL, "lease", "none yet");
	else if (!expires)
		row(s, CTL_GOOD, "lease", "%s of %s, does not expire", subnet,
		    ctl_text(s->status, "network"));
	else
		row(s, CTL_GOOD, "lease",
		    "%s of %s, expires in %s unless renewed; renewed %lld times", subnet,
		    ctl_text(s->status, "network"), ctl_span(expires - s->now_s, left),
		    ctl_number(lease, "renewals"));
}

static void show_watch(struct screen *s)
{
	const struct fl_json *store = part(s, "store");
	const char *why = reason(s, "watch");
	long long contact = ctl_number(store, "last_contact");
	char ago[32];

	if (why)
		row(s, CTL_BAD, "watch", "%s", why);
	else if (!ctl_flag(store, "following"))
		row(s, CTL_DOUBTFUL, "watch", "not followed yet");
	else
		row(s, CTL_GOOD, "watch",
		    "the others' leases are followed; the store answered %s ago",
		    ctl_span(s->now_s - contact, ago));
	if (ctl_number(store, "unreadable_entries") > 0) {
		row(s, CTL_DOUBTFUL, "entries", "%lld in the store are of no use",
		    ctl_number(store, "unreadable_entries"));
		advise(s, "entries: the log names each of them; whoever wrote them should remove "
			  "them.");
	}
}

static void show_device(struct screen *s)
{
	const struct fl_json *iface = part(s, "interface");
	const char *why = reason(s, "device");

	if (why)
		row(s, CTL_BAD, "device", "%s", why);
	else if (ctl_number(s->status, "mtu") > 0)
		row(s, CTL_GOOD, "device", "MTU %lld, over %s (%s, reached at %s)",
		    ctl_number(s->status, "mtu"), ctl_text(iface, "name"),
		    ctl_text(iface, "address"), ctl_text(iface, "public_ip"));
}

static void show_rules(struct screen *s)
{
	const char *why = reason(s, "rules"), *state = ctl_text(part(s, "rules"), "state");
	bool stand = strcmp(state, "standing") == 0;

	if (why)
		row(s, CTL_BAD, "rules", "%s", why);
	else
		row(s, stand ? CTL_GOOD : CTL_DOUBTFUL, "rules", "%s", stand ? "installed" : state);
}

static void show_peers(struct screen *s)
{
	const struct fl_json *peers = part(s, "peers"), *rows = part(s, "rows");
	long long waiting = ctl_number(peers, "waiting"), refused = ctl_number(peers, "refused");
	long long declared = ctl_number(rows, "declared"), stand = ctl_number(rows, "installed");

	row(s, waiting || refused ? CTL_DOUBTFUL : CTL_GOOD, "peers",
	    "%lld known: %lld reached, %lld ignored, %lld waiting for a route, %lld refused",
	    ctl_number(peers, "known"), ctl_number(peers, "reached"), ctl_number(peers, "ignored"),
	    waiting, refused);
	if (waiting || refused)
		advise(s, "peers: flannelctl peers says what is wrong with each.");
	row(s, stand == declared ? CTL_GOOD : CTL_BAD, "kernel",
	    "%lld of %lld rows stand; %lld put back so far", stand, declared,
	    ctl_number(rows, "repaired"));
	if (stand != declared)
		advise(s, "kernel: rows are on their way, or the kernel refuses them; the log says "
			  "which and why. ip route may show who else has them.");
}

static void show_certificates(struct screen *s)
{
	fl_json_each (cert, part(s, "certificates")) {
		long long left = ctl_number(cert, "expires") - s->now_s;
		char span[32];

		if (left > 30 * 86400)
			continue;
		row(s, left > 0 ? CTL_DOUBTFUL : CTL_BAD, "TLS", "%s %s%s", ctl_text(cert, "file"),
		    left > 0 ? "expires in " : "has expired", left > 0 ? ctl_span(left, span) : "");
		advise(s, "TLS: replace the certificate's file; it is read again by itself.");
	}
}

static void show(struct screen *s)
{
	const char *why;

	show_head(s);
	why = reason(s, "start");
	if (why)
		row(s, CTL_BAD, "start", "%s", why);
	show_lease(s);
	show_watch(s);
	show_device(s);
	show_rules(s);
	show_peers(s);
	show_certificates(s);
	for (size_t i = 0; i < s->n_hints; i++) {
		(void)fputs(i == 0 ? "\nWhat to do\n  " : "  ", stdout);
		ctl_wrapped(s->c, 2, s->hints[i]);
	}
}

int ctl_status(const struct ctl *c, int argc, char **argv)
{
	struct screen s = {.c = c};
	struct fl_json *status = NULL;
	char *text;
	bool ready;
	int r = ctl_no_args(argc, argv);

	if (r == CTL_OK)
		r = ctl_ask_json(c, "/v1/status", &status);
	if (r != CTL_OK)
		return r;
	s.status = status;
	s.now_s = ctl_number(status, "now");
	ready = ctl_flag(status, "ready");
	if (c->json) {
		text = fl_json_print(status);
		(void)puts(text ? text : "");
		free(text);
	} else {
		show(&s);
	}
	fl_json_destroy(status);
	return ready ? CTL_OK : CTL_AMISS;
}
