/* ctl/cmd_leases.c - flannelctl leases: all that are in the store, whether a flanneld runs or not.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json_write.h"
#include "show.h"
#include "store.h"

struct leases {
	const struct ctl *c;
	struct ctl_table table;
	unsigned int count;
	unsigned int bad;
};

static const char *expiry(const struct fl_ask_entry *e, char buf[32])
{
	if (e->ttl_s == FL_ASK_FOREVER)
		return "never";
	return e->ttl_s == FL_ASK_SOMETIME ? "sometime" : ctl_span(e->ttl_s, buf);
}

static void print_json(const struct fl_ask_entry *e)
{
	const struct fl_lease *lease = e->rec ? &e->rec->lease : NULL;
	char subnet[FL_PREFIX_STRLEN], addr[FL_ADDR_STRLEN];
	struct fl_buf b = {0};

	fl_buf_puts(&b, "{");
	fl_jsonw_text(&b, "key", e->key);
	if (lease) {
		fl_jsonw_text(&b, "subnet", fl_prefix_format(&lease->subnet, subnet));
		fl_jsonw_text(&b, "public_ip", fl_addr_format(&lease->public_ip, addr));
		fl_jsonw_text(&b, "backend", lease->backend_type);
		fl_buf_printf(&b, ",\"data\":%s",
			      lease->backend_data && *lease->backend_data ? lease->backend_data
									  : "null");
		fl_jsonw_bool(&b, "reserved", e->ttl_s == FL_ASK_FOREVER);
	} else {
		fl_jsonw_text(&b, "fault", e->fault);
	}
	if (e->ttl_s >= 0)
		fl_jsonw_uint(&b, "ttl", (uint64_t)e->ttl_s);
	fl_jsonw_uint(&b, "index", e->index);
	fl_buf_puts(&b, "}");
	(void)puts(b.error == 0 ? b.data : "{}");
	fl_buf_done(&b);
}

static void add_row(struct leases *l, const struct fl_ask_entry *e)
{
	const struct fl_lease *lease = e->rec ? &e->rec->lease : NULL;
	char subnet[FL_PREFIX_STRLEN], addr[FL_ADDR_STRLEN], span[32], clean[200];

	ctl_table_add(&l->table, lease ? fl_prefix_format(&lease->subnet, subnet)
				       : ctl_clean(e->key, clean, sizeof(clean)));
	ctl_table_add(&l->table, lease ? fl_addr_format(&lease->public_ip, addr) : "?");
	ctl_table_add(&l->table, lease ? lease->backend_type : "?");
	ctl_table_add(&l->table, expiry(e, span));
	ctl_table_add(&l->table, ctl_clean(!lease		 ? e->fault
					   : lease->backend_data ? lease->backend_data
								 : "",
					   clean, sizeof(clean)));
}

static int on_lease(void *owner, const struct fl_ask_entry *e)
{
	struct leases *l = owner;

	l->count++;
	l->bad += e->rec == NULL;
	if (l->c->json)
		print_json(e);
	else
		add_row(l, e);
	return 0;
}

int ctl_leases(const struct ctl *c, int argc, char **argv)
{
	static const char *const head[] = {"SUBNET", "HOST", "BACKEND", "EXPIRES", "DATA"};
	struct leases l = {.c = c, .table = {.columns = FL_ARRAY_SIZE(head)}};
	struct ctl_store s;
	int code = ctl_no_args(argc, argv), r;

	if (code != CTL_OK)
		return code;
	code = ctl_store_open(c, &s);
	if (code == CTL_OK) {
		for (size_t i = 0; i < FL_ARRAY_SIZE(head); i++)
			ctl_table_add(&l.table, head[i]);
		r = fl_ask_leases(s.ask, on_lease, &l);
		code = r < 0 ? ctl_store_failed(&s, r) : l.bad ? CTL_AMISS : CTL_OK;
		if (r == 0 && !c->json)
			ctl_table_print(c, &l.table);
	}
	ctl_table_done(&l.table);
	ctl_store_close(&s);
	return code;
}
