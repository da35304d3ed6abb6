/* core/daemon_peers.c - /v1/peers: what was made of each lease of another host, a slice per turn.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json_write.h"
#include "daemon_health.h"
#include "daemon_internal.h"
#include "overlay.h"

#define SLICE 128u /* peers: about a millisecond */

struct list {
	struct fl_httpd_source src;
	struct daemon *d;
	struct fl_peers_cursor cursor;
	struct fl_buf *out; /* while the walk runs */
	bool begun;
	bool some;
	uint32_t ifindex; /* the device whose name was looked up last */
	char device[IFNAMSIZ];
};

static const char *device_name(struct list *l, uint32_t ifindex)
{
	if (ifindex == l->ifindex)
		return l->device;
	l->ifindex = ifindex;
	if (!if_indextoname(ifindex, l->device))
		(void)snprintf(l->device, sizeof(l->device), "#%u", ifindex);
	return l->device;
}

/* By which device, and whether packets are wrapped up on the way. */
static void put_way(struct list *l, const struct fl_rows *rows)
{
	const char *how = "backend", *device = NULL;

	for (uint32_t i = 0; i < rows->count; i++) {
		if (rows->rows[i].kind == FL_ROW_ROUTE)
			device = device_name(l, rows->rows[i].ifindex);
		if (rows->rows[i].kind == FL_ROW_FDB)
			how = "tunnel";
		else if (rows->rows[i].kind == FL_ROW_ROUTE && how[0] == 'b')
			how = "route";
	}
	fl_jsonw_text(l->out, "how", how);
	fl_jsonw_text(l->out, "device", device);
}

static void put_peer(void *owner, const struct fl_overlay_peer *p)
{
	const struct fl_lease *lease = &p->rec->lease;
	struct list *l = owner;
	struct fl_buf *b = l->out;
	char subnet[FL_PREFIX_STRLEN], ip[FL_ADDR_STRLEN];

	if (l->some)
		fl_buf_puts(b, ",\n");
	l->some = true;
	fl_jsonw_open(b, NULL, '{');
	fl_jsonw_text(b, "subnet", fl_prefix_format(&lease->subnet, subnet));
	fl_jsonw_text(b, "public_ip", fl_addr_format(&lease->public_ip, ip));
	fl_jsonw_text(b, "backend", lease->backend_type);
	fl_jsonw_text(b, "state", p->state);
	fl_jsonw_text(b, "why", p->why[0] ? p->why : NULL);
	if (p->state[0] == 'r' && !p->why[0])
		put_way(l, p->rows);
	fl_jsonw_uint(b, "rows", p->rows->count);
	fl_jsonw_uint(b, "rows_installed", p->standing);
	fl_jsonw_bool(b, "in_step", p->standing == p->rows->count);
	fl_jsonw_time(b, "since", p->rec->since_s);
	fl_jsonw_time(b, "expires", p->rec->expires_s);
	fl_jsonw_close(b, '}');
}

static int more(struct fl_httpd_source *src, struct fl_buf *out)
{
	struct list *l = fl_container_of(src, struct list, src);
	bool go_on;

	if (!l->begun)
		fl_buf_puts(out, "[");
	l->begun = true;
	l->out = out;
	go_on = l->d->overlay && fl_overlay_walk(l->d->overlay, &l->cursor, SLICE, put_peer, l);
	if (!go_on)
		fl_buf_puts(out, "]\n");
	return go_on;
}

static void done(struct fl_httpd_source *src)
{
	free(fl_container_of(src, struct list, src));
}

void daemon_answer_peers(struct daemon *d, struct fl_httpd_req *req)
{
	struct list *l = calloc(1, sizeof(*l));

	if (!l)
		return;
	l->d = d;
	l->src.more = more;
	l->src.done = done;
	fl_httpd_stream(req, FL_TYPE_JSON, &l->src);
}
