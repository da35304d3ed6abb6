/* ctl/cmd_check.c - flannelctl check: store, flanneld and kernel compared, each looked at by
 * itself; what flanneld thinks is only one of the things that are looked at. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "base/buf.h"
#include "base/json_write.h"
#include "check_kernel.h"
#include "show.h"
#include "store.h"
#include "subnet_env.h"

#define TEXT_MAX 400u

/* A lease as it is compared. */
struct lease {
	struct fl_lease_record *rec; /* owned */
	int64_t ttl_s;
};

struct check {
	const struct ctl *c;
	struct ctl_store store;
	struct fl_netconf nc;
	bool has_nc;
	struct fl_subnet_env env;
	struct lease *leases; /* by subnet */
	size_t n_leases;
	size_t room;
	unsigned int unreadable;
	char first_fault[TEXT_MAX];
	bool bad; /* something is wrong */
	unsigned int said;
};

/* ---- what is said ---- */

static void say_json(struct check *k, enum ctl_mark mark, const char *label, const char *text)
{
	static const char *const states[] = {"ok", "doubtful", "wrong"};
	struct fl_buf b = {0};

	fl_jsonw_open(&b, NULL, '{');
	fl_jsonw_text(&b, "check", label);
	fl_jsonw_text(&b, "state", states[mark]);
	fl_jsonw_text(&b, "text", text);
	fl_jsonw_close(&b, '}');
	(void)printf("%s%s", k->said ? ",\n" : "[", b.error == 0 ? b.data : "{}");
	fl_buf_done(&b);
}

static void FL_PRINTF(4, 5)
	say(struct check *k, enum ctl_mark mark, const char *label, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	k->bad = k->bad || mark == CTL_BAD;
	if (k->c->json)
		say_json(k, mark, label, text);
	else
		ctl_row(k->c, mark, label, text);
	k->said++;
}

/* ---- the store ---- */

static int by_subnet(const void *a, const void *b)
{
	const struct lease *x = a, *y = b;

	return fl_prefix_compare(&x->rec->lease.subnet, &y->rec->lease.subnet);
}

static int on_lease(void *owner, const struct fl_ask_entry *e)
{
	struct check *k = owner;
	size_t room = k->room ? 2 * k->room : 64;
	struct lease *grown;

	if (!e->rec) {
		if (k->unreadable++ == 0)
			(void)snprintf(k->first_fault, sizeof(k->first_fault), "%.60s: %.300s",
				       e->key, e->fault);
		return 0;
	}
	if (k->n_leases == k->room) {
		grown = reallocarray(k->leases, room, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		k->leases = grown;
		k->room = room;
	}
	k->leases[k->n_leases].ttl_s = e->ttl_s;
	k->leases[k->n_leases].rec = fl_lease_record_new(&e->rec->lease);
	return k->leases[k->n_leases++].rec ? 0 : -ENOMEM;
}

static struct lease *find_lease(const struct check *k, const struct fl_prefix *subnet)
{
	struct fl_lease_record rec = {.lease.subnet = *subnet};
	const struct lease key = {.rec = &rec};

	return k->n_leases ? bsearch(&key, k->leases, k->n_leases, sizeof(key), by_subnet) : NULL;
}

static bool check_config(struct check *k)
{
	struct fl_buf text = {0};
	char network[FL_PREFIX_STRLEN], *why = NULL;
	uint64_t index;
	int r = fl_ask_config(k->store.ask, &text, &index);

	if (r < 0) {
		say(k, CTL_BAD, "config", "%s: %s", k->store.ask->place, k->store.ask->why);
	} else if (fl_netconf_parse(text.data, text.len, &k->nc, &why) < 0) {
		say(k, CTL_BAD, "config", "%s: %s", k->store.ask->place, why ? why : "no memory");
	} else {
		k->has_nc = true;
		say(k, CTL_GOOD, "config", "%s: %s, %s", k->store.ask->place,
		    fl_prefix_format(&k->nc.network, network), k->nc.backend_type);
	}
	free(why);
	fl_buf_done(&text);
	return k->has_nc;
}

static bool check_leases(struct check *k)
{
	unsigned int outside = 0;
	int r = fl_ask_leases(k->store.ask, on_lease, k);

	if (r < 0) {
		say(k, CTL_BAD, "leases", "%s",
		    r == -ENOMEM ? strerror(ENOMEM) : k->store.ask->why);
		return false;
	}
	for (size_t i = 0; i < k->n_leases; i++)
		outside +=
			!fl_prefix_contains(&k->nc.network, &k->leases[i].rec->lease.subnet.addr);
	if (k->unreadable)
		say(k, CTL_DOUBTFUL, "leases", "%zu; beside them %u of no use, the first: %s",
		    k->n_leases, k->unreadable, k->first_fault);
	else if (outside)
		say(k, CTL_DOUBTFUL, "leases", "%zu, of which %u are not of this network",
		    k->n_leases, outside);
	else
		say(k, CTL_GOOD, "leases", "%zu", k->n_leases);
	return true;
}

/* ---- this host ---- */

static void check_own(struct check *k)
{
	const struct lease *own = find_lease(k, &k->env.subnet);
	char subnet[FL_PREFIX_STRLEN], host[FL_ADDR_STRLEN], span[32];

	(void)fl_prefix_format(&k->env.subnet, subnet);
	if (!own)
		say(k, CTL_BAD, "lease",
		    "%s, of %s, is not in the store: other hosts do not reach this one. A "
		    "flanneld that runs makes it again",
		    subnet, k->store.opts.subnet_file);
	else if (own->ttl_s >= 0)
		say(k, CTL_GOOD, "lease", "%s, of %s, expires in %s unless renewed", subnet,
		    fl_addr_format(&own->rec->lease.public_ip, host), ctl_span(own->ttl_s, span));
	else
		say(k, CTL_GOOD, "lease", "%s, of %s%s", subnet,
		    fl_addr_format(&own->rec->lease.public_ip, host),
		    own->ttl_s == FL_ASK_FOREVER ? ", does not expire" : "");
}

/* @return true if it says which subnet is ours */
static bool check_file(struct check *k)
{
	const char *path = k->store.opts.subnet_file;
	int r = fl_subnet_env_read(path, &k->env);
	char a[FL_PREFIX_STRLEN], b[FL_PREFIX_STRLEN];

	if (r < 0)
		say(k, CTL_BAD, "file", "%s: %s: no flanneld has been ready here", path,
		    strerror(-r));
	else if (k->env.subnet.addr.family == 0)
		say(k, CTL_BAD, "file", "%s names no subnet", path);
	else if (!fl_prefix_equal(&k->env.network, &k->nc.network))
		say(k, CTL_BAD, "file",
		    "%s: network %s, where the store says %s: start flanneld anew", path,
		    fl_prefix_format(&k->env.network, a), fl_prefix_format(&k->nc.network, b));
	else
		say(k, CTL_GOOD, "file", "%s: %s, MTU %u", path,
		    fl_prefix_format(&k->env.subnet, a), k->env.mtu);
	return r == 0 && k->env.subnet.addr.family != 0;
}

static void check_daemon(struct check *k)
{
	struct fl_json *status = NULL;

	if (access(k->c->socket, F_OK) != 0)
		say(k, CTL_DOUBTFUL, "daemon",
		    "no flanneld at %s: nothing follows what changes from now on", k->c->socket);
	else if (ctl_ask_json(k->c, "/v1/status", &status) != CTL_OK)
		say(k, CTL_BAD, "daemon", "%s does not answer", k->c->socket);
	else if (ctl_flag(status, "ready"))
		say(k, CTL_GOOD, "daemon", "ready");
	else
		say(k, CTL_BAD, "daemon", "not ready: %s; flannelctl status says more",
		    ctl_text(fl_json_first(fl_json_get(status, "reasons")), "text"));
	fl_json_destroy(status);
}

static void check_forwarding(struct check *k)
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_forward", "re");
	int on = f ? fgetc(f) : EOF;

	if (f)
		(void)fclose(f);
	if (on == '0')
		say(k, CTL_BAD, "forward",
		    "net.ipv4.ip_forward is 0: containers reach nobody on other hosts");
	else
		say(k, CTL_GOOD, "forward", "net.ipv4.ip_forward is on");
}

/* ---- the kernel ---- */

/* Backends that leave the kernel's routes to others. */
static bool has_rows(const char *type)
{
	return strcmp(type, "alloc") != 0 && strcmp(type, "extension") != 0;
}

static void check_reach(struct check *k, const struct ctl_kernel *kernel)
{
	char why[TEXT_MAX - 120], first[TEXT_MAX] = "", subnet[FL_PREFIX_STRLEN];
	unsigned int reached = 0, missed = 0;

	for (size_t i = 0; i < k->n_leases; i++) {
		const struct fl_lease *lease = &k->leases[i].rec->lease;

		if (strcmp(lease->backend_type, k->nc.backend_type) != 0 ||
		    fl_prefix_equal(&lease->subnet, &k->env.subnet) ||
		    !fl_prefix_contains(&k->nc.network, &lease->subnet.addr))
			continue;
		if (ctl_kernel_reaches(kernel, lease, &k->nc.network, why, sizeof(why)))
			reached++;
		else if (missed++ == 0)
			(void)snprintf(first, sizeof(first), "%s: %s",
				       fl_prefix_format(&lease->subnet, subnet), why);
	}
	if (missed)
		say(k, CTL_BAD, "reach", "%u of %u hosts are not reached, the first: %s", missed,
		    reached + missed, first);
	else
		say(k, CTL_GOOD, "reach", "%u host%s", reached, reached == 1 ? "" : "s");
}

static void check_stale(struct check *k, const struct ctl_kernel *kernel)
{
	char first[FL_PREFIX_STRLEN] = "";
	unsigned int stale = 0;

	for (size_t i = 0; i < kernel->n_routes; i++) {
		const struct fl_prefix *dst = &kernel->routes[i].dst;

		if (!ctl_kernel_is_ours(&kernel->routes[i]) || find_lease(k, dst) ||
		    fl_prefix_equal(dst, &k->nc.network) || fl_prefix_equal(dst, &k->env.subnet))
			continue;
		if (stale++ == 0)
			(void)fl_prefix_format(dst, first);
	}
	if (stale)
		say(k, CTL_BAD, "stale",
		    "%u routes of flanneld lead to nobody's subnet, %s for one", stale, first);
	else
		say(k, CTL_GOOD, "stale", "no route of flanneld without a lease");
}

static void check_kernel(struct check *k)
{
	struct ctl_kernel kernel;
	int r;

	if (!has_rows(k->nc.backend_type)) {
		say(k, CTL_GOOD, "reach", "the routes of %s are somebody else's",
		    k->nc.backend_type);
		return;
	}
	r = ctl_kernel_read(&kernel);
	if (r < 0) {
		say(k, CTL_BAD, "reach", "the kernel's tables: %s", strerror(-r));
	} else {
		check_reach(k, &kernel);
		check_stale(k, &kernel);
	}
	ctl_kernel_done(&kernel);
}

/* ---- all of it ---- */

static void check_all(struct check *k)
{
	bool has_leases, has_file;

	check_daemon(k);
	check_forwarding(k);
	if (!check_config(k))
		return;
	has_leases = check_leases(k);
	has_file = check_file(k);
	if (!has_leases)
		return;
	if (has_file)
		check_own(k);
	check_kernel(k);
}

int ctl_check(const struct ctl *c, int argc, char **argv)
{
	struct check k = {.c = c};
	int code = ctl_no_args(argc, argv);

	if (code != CTL_OK)
		return code;
	code = ctl_store_open(c, &k.store);
	if (code == CTL_OK) {
		check_all(&k);
		if (c->json)
			(void)puts("]");
		code = k.bad ? CTL_AMISS : CTL_OK;
	}
	for (size_t i = 0; i < k.n_leases; i++)
		fl_lease_record_free(k.leases[i].rec);
	free(k.leases);
	if (k.has_nc)
		fl_netconf_done(&k.nc);
	ctl_store_close(&k.store);
	return code;
}
