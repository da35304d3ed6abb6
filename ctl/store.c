/* ctl/store.c - the store, for commands that ask it themselves. */
#include "store.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log_init.h"

int ctl_options(const struct ctl *c, struct fl_options *opts)
{
	char *why = NULL;
	int r = fl_options_parse(c->n_flags, c->flags, environ, opts, &why);

	fl_log_quiet();
	if (r < 0)
		(void)fprintf(stderr, "flannelctl: %s\n", why ? why : strerror(-r));
	free(why);
	return r < 0 ? CTL_USAGE : CTL_OK;
}

int ctl_store_open(const struct ctl *c, struct ctl_store *s)
{
	char *why = NULL;
	int r;

	*s = (struct ctl_store){0};
	r = ctl_options(c, &s->opts);
	if (r != CTL_OK)
		return r;
	(void)signal(SIGPIPE, SIG_IGN); /* as io/http.h asks for */
	fl_options_store(&s->opts, &s->conf);
	r = fl_ask_open(&s->conf, &s->ask, &why);
	if (r < 0)
		(void)fprintf(stderr, "flannelctl: %s\n", why ? why : strerror(-r));
	free(why);
	return r == -EINVAL ? CTL_USAGE : r < 0 ? CTL_MUTE : CTL_OK;
}

void ctl_store_close(struct ctl_store *s)
{
	fl_ask_close(s->ask);
	s->ask = NULL;
	fl_options_done(&s->opts);
}

int ctl_store_failed(const struct ctl_store *s, int error)
{
	(void)fprintf(stderr, "flannelctl: %s: %s\n", s->ask->place,
		      s->ask->why[0] ? s->ask->why : strerror(-error));
	return error == -EHOSTUNREACH || error == -ENOMEM ? CTL_MUTE : CTL_AMISS;
}

int ctl_store_netconf(struct ctl_store *s, struct fl_netconf *nc)
{
	struct fl_buf text = {0};
	char *why = NULL;
	uint64_t index;
	int r = fl_ask_config(s->ask, &text, &index), code = CTL_OK;

	if (r < 0) {
		code = ctl_store_failed(s, r);
	} else if (fl_netconf_parse(text.data, text.len, nc, &why) < 0) {
		(void)fprintf(stderr, "flannelctl: %s: %s\n", s->ask->place,
			      why ? why : strerror(ENOMEM));
		code = CTL_AMISS;
	}
	free(why);
	fl_buf_done(&text);
	return code;
}

/* ---- one entry ---- */

static int on_entry(void *owner, const struct fl_ask_entry *e)
{
	struct ctl_entry *found = owner;
	struct fl_prefix subnet, subnet6;

	if (e->rec ? !fl_prefix_equal(&e->rec->lease.subnet, &found->subnet)
		   : fl_lease_key_parse(e->key, &subnet, &subnet6) < 0 ||
			     !fl_prefix_equal(&subnet, &found->subnet))
		return 0;
	found->entry = *e;
	(void)snprintf(found->key, sizeof(found->key), "%s", e->key);
	found->entry.key = found->key;
	if (!e->rec) {
		(void)fprintf(stderr, "flannelctl: %s: it cannot be read: %s\n", e->key, e->fault);
		return CTL_AMISS;
	}
	ctl_entry_done(found); /* of two keys for one subnet, the last */
	found->rec = fl_lease_record_new(&e->rec->lease);
	found->value = e->value ? strdup(e->value) : NULL;
	found->entry.rec = found->rec;
	found->entry.value = found->value;
	return found->rec && (found->value || !e->value) ? 0 : -ENOMEM;
}

int ctl_store_find(struct ctl_store *s, const struct fl_prefix *subnet, struct ctl_entry *ret)
{
	const struct fl_prefix none = {0};
	int r;

	*ret = (struct ctl_entry){.subnet = *subnet};
	r = fl_ask_leases(s->ask, on_entry, ret);
	if (r == 0 && !ret->rec) {
		(void)fl_lease_key_format(subnet, &none, ret->key);
		ret->entry = (struct fl_ask_entry){.key = ret->key, .fault = ""};
	}
	return r < 0 ? ctl_store_failed(s, r) : r;
}

void ctl_entry_done(struct ctl_entry *e)
{
	fl_lease_record_free(e->rec);
	free(e->value);
	e->rec = NULL;
	e->value = NULL;
}

int ctl_subnet(const char *text, struct fl_prefix *ret)
{
	char key[FL_LEASE_KEY_MAX];
	struct fl_prefix none = {0}, again, again6;

	if (fl_prefix_parse(text, ret) == 0 &&
	    fl_lease_key_parse(fl_lease_key_format(ret, &none, key), &again, &again6) == 0)
		return CTL_OK;
	(void)fprintf(stderr, "flannelctl: \"%s\" is no subnet: write it as 10.5.52.0/24\n", text);
	return CTL_USAGE;
}
