/* ctl/cmd_reserve.c - flannelctl reserve, unreserve, release: what becomes of one lease. Each is
 * written at the index at which it was read, so nothing is overwritten that was not seen. */
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "base/buf.h"
#include "show.h"
#include "store.h"
#include "subnet_env.h"

static int said(const struct ctl *c, const struct ctl_entry *e, const char *what, const char *text)
{
	char subnet[FL_PREFIX_STRLEN];

	(void)fl_prefix_format(&e->subnet, subnet);
	if (c->json)
		(void)printf("{\"subnet\":\"%s\",\"did\":\"%s\"}\n", subnet, what);
	else
		(void)printf("%s: %s\n", subnet, text);
	return CTL_OK;
}

static int refused(const struct ctl_entry *e, const char *why)
{
	char subnet[FL_PREFIX_STRLEN], holder[FL_ADDR_STRLEN] = "nobody";

	if (e->rec)
		(void)fl_addr_format(&e->rec->lease.public_ip, holder);
	(void)fprintf(stderr, "flannelctl: %s, held by %s: %s\n",
		      fl_prefix_format(&e->subnet, subnet), holder, why);
	return CTL_AMISS;
}

static int put(struct ctl_store *s, struct ctl_entry *e, int64_t ttl_s)
{
	int r;

	e->entry.ttl_s = ttl_s;
	r = fl_ask_put_lease(s->ask, &e->entry);
	return r < 0 ? ctl_store_failed(s, r) : CTL_OK;
}

/* ---- reserve ---- */

static int make_reservation(struct ctl_store *s, struct ctl_entry *e, const struct fl_addr *holder)
{
	struct fl_netconf nc = {0};
	struct fl_lease lease = {.subnet = e->subnet, .public_ip = *holder};
	int code;

	if (holder->family == 0)
		return refused(e, "there is no lease to keep; --public-ip=ADDRESS says for whom "
				  "to make one");
	code = ctl_store_netconf(s, &nc);
	if (code != CTL_OK)
		return code;
	if (!fl_netconf_allows(&nc, &e->subnet)) {
		code = refused(e, "the network config does not allow this subnet");
	} else {
		lease.backend_type = nc.backend_type;
		e->rec = fl_lease_record_new(&lease);
		e->entry.rec = e->rec;
		code = e->rec ? put(s, e, FL_ASK_FOREVER) : ctl_store_failed(s, -ENOMEM);
	}
	fl_netconf_done(&nc);
	return code;
}

static int reserve(const struct ctl *c, struct ctl_store *s, struct ctl_entry *e,
		   const struct fl_addr *holder)
{
	int code;

	if (e->rec && holder->family && !fl_addr_equal(holder, &e->rec->lease.public_ip))
		return refused(e, "it is another host's; nothing was changed");
	if (e->rec && e->entry.ttl_s == FL_ASK_FOREVER)
		return said(c, e, "nothing", "is a reservation already");
	if (e->rec) {
		code = put(s, e, FL_ASK_FOREVER);
		return code == CTL_OK ? said(c, e, "kept", "does not expire any more") : code;
	}
	code = make_reservation(s, e, holder);
	return code == CTL_OK ? said(c, e, "reserved", "is reserved") : code;
}

/* [--public-ip=ADDRESS] before or behind SUBNET. @return CTL_OK; CTL_USAGE: said */
static int read_holder(int *argc, char **argv, struct fl_addr *ret)
{
	const char *flag = "--public-ip=";
	int kept = 0;

	*ret = (struct fl_addr){0};
	for (int i = 0; i < *argc; i++) {
		if (strncmp(argv[i], flag, strlen(flag)) != 0) {
			argv[kept++] = argv[i];
		} else if (fl_addr_parse(argv[i] + strlen(flag), ret) < 0) {
			(void)fprintf(stderr, "flannelctl: %s: must be an IPv4 address\n", argv[i]);
			return CTL_USAGE;
		}
	}
	*argc = kept;
	return CTL_OK;
}

static int one_subnet(int argc, char **argv, struct fl_prefix *ret)
{
	if (argc == 1)
		return ctl_subnet(argv[0], ret);
	(void)fputs("flannelctl: which SUBNET? One is needed\n", stderr);
	return CTL_USAGE;
}

/* What both do: find the lease of a subnet, and let @p act do something about it. */
static int with_lease(const struct ctl *c, const struct fl_prefix *subnet,
		      int (*act)(const struct ctl *c, struct ctl_store *s, struct ctl_entry *e,
				 const struct fl_addr *holder),
		      const struct fl_addr *holder)
{
	struct ctl_entry e = {0};
	struct ctl_store s;
	int code = ctl_store_open(c, &s);

	if (code == CTL_OK)
		code = ctl_store_find(&s, subnet, &e);
	if (code == CTL_OK)
		code = act(c, &s, &e, holder);
	ctl_entry_done(&e);
	ctl_store_close(&s);
	return code;
}

int ctl_reserve(const struct ctl *c, int argc, char **argv)
{
	struct fl_prefix subnet;
	struct fl_addr holder;
	int code = read_holder(&argc, argv, &holder);

	if (code == CTL_OK)
		code = one_subnet(argc, argv, &subnet);
	return code == CTL_OK ? with_lease(c, &subnet, reserve, &holder) : code;
}

/* ---- unreserve ---- */

/* It goes on as an ordinary lease: its host renews it, and if there is none it expires. */
static int unreserve(const struct ctl *c, struct ctl_store *s, struct ctl_entry *e,
		     const struct fl_addr *holder)
{
	char text[80], span[32];
	int code;

	(void)holder;
	if (!e->rec)
		return refused(e, "there is no lease");
	if (e->entry.ttl_s != FL_ASK_FOREVER)
		return said(c, e, "nothing", "is no reservation");
	code = put(s, e, s->conf.lease_ttl_s);
	(void)snprintf(text, sizeof(text), "expires in %s, unless its host renews it",
		       ctl_span(s->conf.lease_ttl_s, span));
	return code == CTL_OK ? said(c, e, "unreserved", text) : code;
}

int ctl_unreserve(const struct ctl *c, int argc, char **argv)
{
	struct fl_prefix subnet;
	int code = one_subnet(argc, argv, &subnet);

	return code == CTL_OK ? with_lease(c, &subnet, unreserve, NULL) : code;
}

/* ---- release ---- */

static bool is_of_this_host(const struct fl_addr *addr)
{
	struct ifaddrs *all = NULL;
	bool found = false;

	if (getifaddrs(&all) < 0)
		return false;
	for (const struct ifaddrs *i = all; i && !found; i = i->ifa_next)
		found = i->ifa_addr && i->ifa_addr->sa_family == AF_INET &&
			addr->family == AF_INET &&
			((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr.s_addr ==
				htonl(fl_addr_v4(addr));
	freeifaddrs(all);
	return found;
}

static int release(const struct ctl *c, struct ctl_store *s, struct ctl_entry *e, bool by_name)
{
	int r;

	if (!e->rec)
		return said(c, e, "nothing", "there is no lease");
	if (!by_name && !is_of_this_host(&e->rec->lease.public_ip))
		return refused(e, "that is no address of this host; name the subnet to release it "
				  "all the same");
	if (e->entry.ttl_s == FL_ASK_FOREVER && !by_name)
		return refused(e,
			       "it is a reservation; name the subnet to release it all the same");
	r = fl_ask_remove(s->ask, &e->entry);
	return r < 0 ? ctl_store_failed(s, r) : said(c, e, "released", "is free");
}

/* The subnet of this host, as its flanneld has left it. */
static int own_subnet(const struct ctl_store *s, struct fl_prefix *ret)
{
	struct fl_subnet_env env = {0};
	int r = fl_subnet_env_read(s->opts.subnet_file, &env);

	if (r == 0 && env.subnet.addr.family) {
		*ret = env.subnet;
		return CTL_OK;
	}
	(void)fprintf(stderr, "flannelctl: %s: %s; which SUBNET is it?\n", s->opts.subnet_file,
		      r < 0 ? strerror(-r) : "names no subnet");
	return CTL_AMISS;
}

/* A flanneld that runs would make its lease again. */
static int refuse_own(const struct ctl *c, const struct fl_prefix *subnet)
{
	struct fl_json *status = NULL;
	struct fl_prefix own = {0};
	bool held;

	if (access(c->socket, F_OK) != 0 || ctl_ask_json(c, "/v1/status", &status) != CTL_OK)
		return CTL_OK;
	held = fl_prefix_parse(ctl_text(fl_json_get(status, "lease"), "subnet"), &own) == 0 &&
	       fl_prefix_equal(&own, subnet);
	fl_json_destroy(status);
	if (!held)
		return CTL_OK;
	(void)fputs("flannelctl: the flanneld of this host runs, and would take the lease again: "
		    "stop it first, or let it do this itself by --release-on-exit\n",
		    stderr);
	return CTL_AMISS;
}

int ctl_release(const struct ctl *c, int argc, char **argv)
{
	struct fl_prefix subnet = {0};
	struct ctl_entry e = {0};
	struct ctl_store s;
	int code = ctl_store_open(c, &s);

	if (code == CTL_OK)
		code = argc == 0 ? own_subnet(&s, &subnet) : one_subnet(argc, argv, &subnet);
	if (code == CTL_OK)
		code = refuse_own(c, &subnet);
	if (code == CTL_OK)
		code = ctl_store_find(&s, &subnet, &e);
	if (code == CTL_OK)
		code = release(c, &s, &e, argc > 0);
	ctl_entry_done(&e);
	ctl_store_close(&s);
	return code;
}
