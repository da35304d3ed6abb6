/* store/file_own.c - which lease of the file is this host's, and whether it stays so. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "netconf.h"
#include "store/file_internal.h"

/* The address that the others know us by, or the subnet that the operator has named. */
static bool by_subnet(const struct fl_file *f)
{
	return fl_prefix_is_set(&f->conf->subnet);
}

static bool is_ours(const struct fl_file *f, const struct fl_file_entry *e)
{
	if (by_subnet(f))
		return fl_prefix_equal(&e->subnet, &f->conf->subnet);
	return e->rec && fl_addr_equal(&e->rec->lease.public_ip, &f->mine->lease.public_ip);
}

/* @return "" if we may have it, else why not */
static const char *objection(const struct fl_file *f, const struct fl_file_entry *e,
			     char buf[FL_FILE_TEXT_MAX])
{
	const struct fl_addr *public_ip = &f->mine->lease.public_ip, *held = NULL;
	const char *type = e->rec ? e->rec->lease.backend_type : "";
	char addr[FL_ADDR_STRLEN];

	buf[0] = '\0';
	if (fl_prefix_contains(&e->subnet, public_ip))
		held = public_ip;
	if (fl_prefix_contains(&e->subnet, &f->underlay))
		held = &f->underlay;
	if (!e->rec)
		(void)snprintf(buf, FL_FILE_TEXT_MAX, "its entry is of no use");
	else if (strcmp(type, f->mine->lease.backend_type) != 0)
		(void)snprintf(buf, FL_FILE_TEXT_MAX,
			       "its BackendType is %s, and that of the network config %s", type,
			       f->mine->lease.backend_type);
	else if (!fl_netconf_allows(f->nc, &e->subnet))
		(void)snprintf(buf, FL_FILE_TEXT_MAX,
			       "the network config does not allow it: a /%u within Network, from "
			       "SubnetMin to SubnetMax, is needed",
			       f->nc->subnet_len);
	else if (held)
		(void)snprintf(buf, FL_FILE_TEXT_MAX,
			       "it holds this host's own address %s, and tunnels to it would lead "
			       "into themselves",
			       fl_addr_format(held, addr));
	return buf;
}

/* Of several entries with our address: the previous subnet, else the first. */
static const struct fl_file_entry *pick(const struct fl_file *f)
{
	const struct fl_file_entry *found = NULL;

	for (size_t i = 0; i < f->content.count; i++) {
		const struct fl_file_entry *e = &f->content.entries[i];

		if (is_ours(f, e) && (!found || fl_prefix_equal(&e->subnet, &f->previous)))
			found = e;
	}
	return found;
}

static void await(struct fl_file *f, const char *what)
{
	char status[FL_FILE_TEXT_MAX + 32];

	if (strcmp(f->awaits, what) == 0)
		return;
	(void)snprintf(f->awaits, sizeof(f->awaits), "%s", what);
	fl_warn("file", "%s: %s; waiting until it is changed", f->path, what);
	(void)snprintf(status, sizeof(status), "waiting for %.200s: %.200s", f->path, what);
	fl_file_status(f, status);
}

static void await_entry(struct fl_file *f)
{
	char what[FL_FILE_TEXT_MAX], addr[FL_ADDR_STRLEN], subnet[FL_PREFIX_STRLEN];

	if (by_subnet(f))
		(void)snprintf(what, sizeof(what), "no lease with the Subnet %s (--subnet)",
			       fl_prefix_format(&f->conf->subnet, subnet));
	else
		(void)snprintf(what, sizeof(what),
			       "no lease with the PublicIP %s, which is this host's; --public-ip "
			       "or --subnet names another",
			       fl_addr_format(&f->mine->lease.public_ip, addr));
	await(f, what);
}

/* What the others would need, and cannot know. */
static void say_data(const struct fl_file *f)
{
	const struct fl_lease *own = &f->own->lease, *mine = &f->mine->lease;
	char subnet[FL_PREFIX_STRLEN];

	if (!mine->backend_data || own->backend_data)
		return;
	fl_warn("file",
		"%s: %s: the other hosts need to know \"BackendData\": %s; put that into its entry",
		f->path, fl_prefix_format(&own->subnet, subnet), mine->backend_data);
}

static void say_address(const struct fl_file *f, const struct fl_file_entry *e)
{
	char subnet[FL_PREFIX_STRLEN], theirs[FL_ADDR_STRLEN], ours[FL_ADDR_STRLEN];

	if (fl_addr_equal(&e->rec->lease.public_ip, &f->mine->lease.public_ip))
		return;
	fl_warn("file",
		"%s: %s: its PublicIP is %s, where the other hosts look for this one, whose "
		"address is %s; --public-ip=%s tells that it is reached there",
		f->path, fl_prefix_format(&e->subnet, subnet),
		fl_addr_format(&e->rec->lease.public_ip, theirs),
		fl_addr_format(&f->mine->lease.public_ip, ours), theirs);
}

bool fl_file_find_own(struct fl_file *f)
{
	const struct fl_file_entry *e = pick(f);
	char what[FL_FILE_TEXT_MAX], why[FL_FILE_TEXT_MAX], subnet[FL_PREFIX_STRLEN];

	if (!e) {
		await_entry(f);
		return false;
	}
	if (*objection(f, e, why)) {
		(void)snprintf(what, sizeof(what), "%s, which is this host's lease: %.400s",
			       fl_prefix_format(&e->subnet, subnet), why);
		await(f, what);
		return false;
	}
	f->own = fl_lease_record_new(&e->rec->lease);
	if (!f->own)
		return false; /* asked for again when the file changes; it will not come to that */
	fl_info("file", "%s: %s is this host's lease", f->path,
		fl_prefix_format(&e->subnet, subnet));
	say_address(f, e);
	say_data(f);
	return true;
}

/* ---- while we run ---- */

static bool is_missing(struct fl_file *f)
{
	char subnet[FL_PREFIX_STRLEN];

	if (!f->own_missing)
		fl_err("file",
		       "%s: %s, which is this host's lease, is not there any more; it is kept, "
		       "but the other hosts do not know it",
		       f->path, fl_prefix_format(&f->own->lease.subnet, subnet));
	f->own_missing = true;
	return true;
}

static bool is_lost(const struct fl_file *f, const struct fl_file_entry *e,
		    char why[FL_FILE_TEXT_MAX])
{
	const struct fl_lease *own = &f->own->lease, *now = &e->rec->lease;
	char subnet[FL_PREFIX_STRLEN], text[FL_ADDR_STRLEN], other[FL_PREFIX_STRLEN];

	(void)fl_prefix_format(&own->subnet, subnet);
	if (!fl_prefix_equal(&e->subnet, &own->subnet))
		(void)snprintf(why, FL_FILE_TEXT_MAX, "%s: our subnet is %s in %.300s now", subnet,
			       fl_prefix_format(&e->subnet, other), f->path);
	else if (!by_subnet(f) && !fl_addr_equal(&now->public_ip, &f->mine->lease.public_ip) &&
		 !fl_addr_equal(&now->public_ip, &own->public_ip))
		(void)snprintf(why, FL_FILE_TEXT_MAX, "%s: our subnet is held by %s in %.300s now",
			       subnet, fl_addr_format(&now->public_ip, text), f->path);
	else if (!fl_lease_same(own, now))
		(void)snprintf(why, FL_FILE_TEXT_MAX, "%s: our lease was changed in %.300s", subnet,
			       f->path);
	else
		return false;
	return true;
}

bool fl_file_check_own(struct fl_file *f, char why[FL_FILE_TEXT_MAX])
{
	const struct fl_file_entry *e = fl_file_content_find(&f->content, &f->own->lease.subnet);
	char subnet[FL_PREFIX_STRLEN];

	if (!e)
		e = pick(f); /* with our address, under another subnet? */
	if (!e)
		return is_missing(f);
	if (!e->rec)
		return true; /* in doubt, all stays; that it is of no use was said */
	if (is_lost(f, e, why))
		return false;
	if (f->own_missing)
		fl_info("file", "%s: %s, which is this host's lease, is there again", f->path,
			fl_prefix_format(&f->own->lease.subnet, subnet));
	f->own_missing = false;
	return true;
}
