/* core/fib_nexthop.c - nexthop objects: one per gateway and device, shared and counted. With one
 * gateway per peer on one device, plain routes share a hash chain in the kernel and cost O(n) each;
 * routes that name a nexthop object do not. */
#include "fib_internal.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/random.h"
#include "io/rtmsg.h"

/* Ids that we give out: the first byte is FL_RTPROT, the rest starts at random, so that two
 * flanneld on one host hardly ever meet. */
#define ID_BASE	  ((uint32_t)FL_RTPROT << 24)
#define ID_MASK	  0x00ffffffu
#define ID_ROUNDS 8u

static uint32_t new_id(struct fl_fib *fib)
{
	fib->next_id = (fib->next_id + 1u) & ID_MASK;
	return ID_BASE | fib->next_id;
}

static int ignore_message(const struct nlmsghdr *nlh, void *data)
{
	(void)nlh;
	(void)data;
	return 0;
}

int fib_nexthop_probe(struct fl_fib *fib)
{
	union {
		struct nlmsghdr nlh;
		char bytes[FL_RTNL_MSG_MAX];
	} buf;
	int r;

	fib->next_id = fl_random_below(ID_MASK);
	r = fl_rtnl_dump(fib->rtnl, fl_rtmsg_nexthop_dump(&buf, 0), ignore_message, NULL);
	if (r == -EOPNOTSUPP || r == -EINVAL || r == -ENOSYS) {
		fl_info("fib",
			"the kernel has no nexthop objects (5.3 and newer do): plain routes are "
			"used, which take longer with many peers");
		return 0;
	}
	if (r < 0 && r != -EINTR) /* interrupted by a change: it has them all the same */
		return r;
	fib->has_nexthops = true;
	return 0;
}

bool fib_needs_nexthop(const struct fl_fib *fib, const struct fib_row *row)
{
	return fib->has_nexthops && row->key.kind == FL_ROW_ROUTE && row->value.family;
}

struct fib_nexthop *fib_nexthop_find(const struct fl_fib *fib, const struct fib_value *key)
{
	struct fl_hash_node *n = fl_hash_find(&fib->nexthops, fl_hash_bytes(key, sizeof(*key)));

	for (; n; n = fl_hash_find_next(n)) {
		struct fib_nexthop *nh = fl_container_of(n, struct fib_nexthop, node);

		if (memcmp(&nh->key, key, sizeof(*key)) == 0)
			return nh;
	}
	return NULL;
}

static struct fib_nexthop *nexthop_new(struct fl_fib *fib, const struct fib_value *key, bool hashed)
{
	struct fib_nexthop *nh = calloc(1, sizeof(*nh));

	if (!nh)
		return NULL;
	nh->key = *key;
	nh->hashed = hashed;
	if (hashed &&
	    fl_hash_add(&fib->nexthops, &nh->node, fl_hash_bytes(key, sizeof(*key))) < 0) {
		free(nh);
		return NULL;
	}
	return nh;
}

/* The only place that changes in_kernel. */
static void set_in_kernel(struct fl_fib *fib, struct fib_nexthop *nh, bool in_kernel)
{
	nh->in_kernel = in_kernel;
	if (nh->known && !in_kernel)
		fl_hash_del(&fib->ids, &nh->by_id);
	else if (!nh->known && in_kernel &&
		 fl_hash_add(&fib->ids, &nh->by_id, fl_hash_bytes(&nh->id, sizeof(nh->id))) < 0)
		return; /* its loss will be found by the next comparison */
	nh->known = in_kernel;
}

void fib_nexthop_forget(struct fl_fib *fib, struct fib_nexthop *nh)
{
	set_in_kernel(fib, nh, false);
}

static void nexthop_free(struct fl_fib *fib, struct fib_nexthop *nh)
{
	set_in_kernel(fib, nh, false);
	if (nh->hashed)
		fl_hash_del(&fib->nexthops, &nh->node);
	free(nh);
}

struct fib_nexthop *fib_nexthop_get(struct fl_fib *fib, const struct fib_value *key)
{
	struct fib_nexthop *nh = fib_nexthop_find(fib, key);

	if (!nh)
		nh = nexthop_new(fib, key, true);
	if (!nh)
		return NULL;
	if (!nh->id)
		nh->id = new_id(fib);
	nh->refs++;
	return nh;
}

void fib_nexthop_set_idle(struct fl_fib *fib, struct fib_nexthop *nh)
{
	if (nh->listed)
		return;
	nh->listed = true;
	nh->next = fib->idle;
	fib->idle = nh;
}

void fib_nexthop_put(struct fl_fib *fib, struct fib_nexthop *nh)
{
	if (nh && --nh->refs == 0)
		fib_nexthop_set_idle(fib, nh);
}

int fib_nexthop_adopt(struct fl_fib *fib, const struct fib_value *key, uint32_t id)
{
	struct fib_nexthop *nh = fib_nexthop_find(fib, key);
	/* a second object for one gateway is not needed: it only gets into the list of idle ones */
	bool twin = nh && nh->in_kernel && nh->id != id;

	if (!nh || twin)
		nh = nexthop_new(fib, key, !twin);
	if (!nh)
		return -ENOMEM;
	set_in_kernel(fib, nh, false);
	nh->id = id;
	set_in_kernel(fib, nh, true);
	nh->doubted = false;
	nh->said = 0;
	if (!nh->refs)
		fib_nexthop_set_idle(fib, nh);
	return 0;
}

/* ---- messages ---- */

static void nexthop_push(struct fl_fib *fib, struct fib_nexthop *nh, bool add,
			 fl_rtnl_failed_cb failed)
{
	struct fl_rtmsg_nexthop m = {.id = nh->id};
	void *buf = fib_batch_space(fib, failed);

	if (!buf)
		return;
	if (add) {
		m.family = nh->key.family;
		m.protocol = FL_RTPROT;
		m.ifindex = nh->key.ifindex;
		m.via = fib_addr(nh->key.family, nh->key.bytes);
		m.onlink = nh->key.onlink;
		(void)fl_rtmsg_nexthop_put(buf, RTM_NEWNEXTHOP, NLM_F_CREATE | NLM_F_EXCL, &m);
	} else {
		(void)fl_rtmsg_nexthop_put(buf, RTM_DELNEXTHOP, 0, &m);
	}
	fl_rtnl_batch_push(fib->batch, nh);
}

static void on_create_failed(void *cookie, int error, const char *why, void *data)
{
	struct fib_nexthop *nh = cookie;
	struct fl_fib *fib = data;
	struct fl_addr via = fib_addr(nh->key.family, nh->key.bytes);
	char text[FL_ADDR_STRLEN];

	nh->err = (uint8_t)-error;
	if (error == -EEXIST || nh->said == nh->err)
		return;
	nh->said = nh->err;
	if (fib_may_say(fib))
		fl_warn("fib", "%s: nexthop refused: %s%s%s; its routes wait, retrying",
			fl_addr_format(&via, text), strerror(-error), why[0] ? ": " : "", why);
}

/* The nexthop that a row of this slice still lacks, or NULL. */
static struct fib_nexthop *missing(const struct fib_sent *s)
{
	return s->nh && !(s->row->flags & FIB_HIT) && !s->nh->in_kernel ? s->nh : NULL;
}

/* The kernel's answer for one that was asked for. @return true if another id must be tried */
static bool created(struct fl_fib *fib, struct fib_nexthop *nh)
{
	nh->asked = false;
	if (fib->broken) {
		nh->err = (uint8_t)-fib->broken;
		nh->doubted = true;
		return false;
	}
	if (nh->err == EEXIST && !nh->doubted) {
		fib->next_id = fl_random_below(ID_MASK);
		nh->id = new_id(fib);
		return true;
	}
	set_in_kernel(fib, nh, !nh->err || nh->err == EEXIST); /* doubted, but still there */
	nh->doubted = false;
	if (nh->in_kernel)
		nh->said = 0;
	return false;
}

/* @return true if some id was taken, so that another round is needed */
static bool create_round(struct fl_fib *fib)
{
	struct fib_nexthop *nh;
	bool again = false;
	uint32_t i;

	for (i = 0; i < fib->n_slice; i++) {
		nh = missing(&fib->slice[i]);
		if (!nh || nh->asked || (nh->err && nh->err != EEXIST))
			continue;
		nh->asked = true;
		nh->err = 0;
		nexthop_push(fib, nh, true, on_create_failed);
	}
	fib_batch_run(fib, on_create_failed);
	for (i = 0; i < fib->n_slice; i++) {
		nh = missing(&fib->slice[i]);
		if (nh && nh->asked && created(fib, nh))
			again = true;
	}
	return again;
}

static void prepare(struct fl_fib *fib, struct fib_sent *s)
{
	if (!fib_needs_nexthop(fib, s->row))
		return;
	s->nh = fib_nexthop_get(fib, &s->row->value);
	if (s->nh) {
		s->nh->err = 0;
	} else {
		s->row->err = ENOMEM;
		s->row->flags |= FIB_HIT;
	}
}

void fib_nexthop_prepare(struct fl_fib *fib)
{
	uint32_t i;

	for (i = 0; i < fib->n_slice; i++)
		prepare(fib, &fib->slice[i]);
	for (i = 0; i < ID_ROUNDS && create_round(fib); i++)
		;
}

static void on_remove_failed(void *cookie, int error, const char *why, void *data)
{
	struct fib_nexthop *nh = cookie;
	struct fl_fib *fib = data;

	if (error == -ENOENT || error == -ENODEV || error == -ESRCH)
		return;
	if (fib_may_say(fib))
		fl_warn("fib", "nexthop %u: not removed: %s%s%s; left until the next start", nh->id,
			strerror(-error), why[0] ? ": " : "", why);
}

bool fib_nexthop_sweep(struct fl_fib *fib)
{
	struct fib_nexthop *doomed = NULL, *nh;
	uint32_t n = 0;

	while (n < FIB_SLICE_ROWS && (nh = fib->idle)) {
		fib->idle = nh->next;
		nh->listed = false;
		if (nh->refs)
			continue;
		n++;
		nh->next = doomed;
		doomed = nh;
		if (nh->in_kernel)
			nexthop_push(fib, nh, false, on_remove_failed);
	}
	fib_batch_run(fib, on_remove_failed);
	while ((nh = doomed)) {
		doomed = nh->next;
		nexthop_free(fib, nh);
	}
	return n > 0;
}

bool fib_nexthop_lost(struct fl_fib *fib, uint32_t id)
{
	struct fl_hash_node *n = fl_hash_find(&fib->ids, fl_hash_bytes(&id, sizeof(id)));

	for (; n; n = fl_hash_find_next(n)) {
		struct fib_nexthop *nh = fl_container_of(n, struct fib_nexthop, by_id);

		if (nh->id != id)
			continue;
		set_in_kernel(fib, nh, false);
		nh->doubted = true; /* the announcement may be older than our last request */
		fib->nexthops_lost = fib->nexthops_lost || nh->refs > 0;
		return nh->refs > 0;
	}
	return false;
}

void fib_nexthop_recheck(struct fl_fib *fib)
{
	struct fl_hash_iter it;

	if (!fib->nexthops_lost)
		return;
	fib->nexthops_lost = false;
	fl_hash_each (n, &it, &fib->rows) {
		struct fib_row *row = fl_container_of(n, struct fib_row, node);

		if (!row->nh || row->nh->in_kernel || row->list != FIB_NOWHERE ||
		    row->state != FIB_SAME)
			continue;
		fib_row_set(fib, row, row->count ? FIB_UNSURE : FIB_ABSENT, FIB_FINE);
		if (row->count)
			fib_row_repair(fib, row);
		else
			fib_row_schedule(fib, row);
	}
}

void fib_nexthop_destroy_all(struct fl_fib *fib)
{
	struct fl_hash_iter it;
	struct fib_nexthop *nh;

	while ((nh = fib->idle)) {
		fib->idle = nh->next;
		if (!nh->hashed)
			free(nh);
	}
	fl_hash_each (n, &it, &fib->nexthops) {
		free(fl_container_of(n, struct fib_nexthop, node));
	}
	fl_hash_done(&fib->nexthops);
	fl_hash_done(&fib->ids);
}
