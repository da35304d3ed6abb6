/* core/fib.c - declared rows: who wants which, in which list each waits, and the turns of the loop.
 */
#include "fib.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fib_internal.h"

#define RETRY_MIN_MS 100u
#define RETRY_MAX_MS 5000u
#define LINES_MAX    10u /* about single rows, per run */

/* ---- keys ---- */

void fib_key_of(const struct fl_row *row, struct fib_key *key, struct fib_value *value)
{
	memset(key, 0, sizeof(*key));
	memset(value, 0, sizeof(*value));
	key->kind = (uint8_t)row->kind;
	switch (row->kind) {
	case FL_ROW_NEIGH:
		key->ifindex = row->ifindex;
		key->family = row->dst.addr.family;
		memcpy(key->bytes, row->dst.addr.bytes, sizeof(key->bytes));
		memcpy(value->bytes, row->mac.bytes, sizeof(row->mac.bytes));
		break;
	case FL_ROW_FDB:
		key->ifindex = row->ifindex;
		memcpy(key->bytes, row->mac.bytes, sizeof(row->mac.bytes));
		value->family = row->via.family;
		memcpy(value->bytes, row->via.bytes, sizeof(value->bytes));
		break;
	case FL_ROW_ROUTE:
		key->family = row->dst.addr.family;
		key->len = row->dst.len;
		memcpy(key->bytes, row->dst.addr.bytes, sizeof(key->bytes));
		value->ifindex = row->ifindex;
		value->family = row->via.family;
		value->onlink = row->onlink;
		memcpy(value->bytes, row->via.bytes, sizeof(value->bytes));
		break;
	}
}

static bool row_is_sane(const struct fl_row *row)
{
	if (!row->ifindex)
		return false;
	switch (row->kind) {
	case FL_ROW_NEIGH:
		return fl_prefix_is_set(&row->dst) &&
		       row->dst.len == 8 * fl_addr_size(&row->dst.addr) &&
		       fl_mac_is_unicast(&row->mac);
	case FL_ROW_FDB:
		return fl_addr_is_set(&row->via) && fl_mac_is_unicast(&row->mac);
	case FL_ROW_ROUTE:
		return fl_prefix_is_set(&row->dst) && fl_prefix_is_masked(&row->dst) &&
		       (!fl_addr_is_set(&row->via) || row->via.family == row->dst.addr.family);
	}
	return false;
}

static bool value_equal(const struct fib_value *a, const struct fib_value *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static struct fib_row *row_find(const struct fl_fib *fib, const struct fib_key *key, uint32_t hash)
{
	struct fl_hash_node *n = fl_hash_find(&fib->rows, hash);

	for (; n; n = fl_hash_find_next(n)) {
		struct fib_row *row = fl_container_of(n, struct fib_row, node);

		if (memcmp(&row->key, key, sizeof(*key)) == 0)
			return row;
	}
	return NULL;
}

struct fib_row *fib_row_find(const struct fl_fib *fib, const struct fib_key *key)
{
	return row_find(fib, key, fl_hash_bytes(key, sizeof(*key)));
}

int fib_row_get(struct fl_fib *fib, const struct fib_key *key, struct fib_row **ret)
{
	uint32_t hash = fl_hash_bytes(key, sizeof(*key));
	struct fib_row *row = row_find(fib, key, hash);
	int r;

	if (!row) {
		row = calloc(1, sizeof(*row));
		if (!row)
			return -ENOMEM;
		row->key = *key;
		r = fl_hash_add(&fib->rows, &row->node, hash);
		if (r < 0) {
			free(row);
			return r;
		}
	}
	*ret = row;
	return 0;
}

/* ---- lists and states ---- */

void fib_row_move(struct fl_fib *fib, struct fib_row *row, enum fib_list_id to)
{
	struct fib_list *l = &fib->lists[row->list];

	if (row->list != FIB_NOWHERE) {
		*(row->prev ? &row->prev->next : &l->head) = row->next;
		*(row->next ? &row->next->prev : &l->tail) = row->prev;
	}
	row->next = NULL;
	row->prev = NULL;
	row->list = (uint8_t)to & 15u;
	if (to == FIB_NOWHERE)
		return;
	l = &fib->lists[to];
	row->prev = l->tail;
	*(l->tail ? &l->tail->next : &l->head) = row;
	l->tail = row;
}

/* Take the row into the figures, or (by = -1) out of them. */
static void account(struct fl_fib *fib, const struct fib_row *row, int by)
{
	struct fl_fib_stats *s = &fib->stats;

	if (row->count)
		s->declared += (uint32_t)by;
	if (row->count && row->state == FIB_SAME)
		s->installed += (uint32_t)by;
	if (row->trouble == FIB_REFUSED)
		s->failed += (uint32_t)by;
	if (row->trouble == FIB_CONFLICT)
		s->conflicts += (uint32_t)by;
	if (row->flags & FIB_SPARED)
		s->spared += (uint32_t)by;
}

void fib_row_set(struct fl_fib *fib, struct fib_row *row, enum fib_state state,
		 enum fib_trouble trouble)
{
	account(fib, row, -1);
	row->state = (uint8_t)state & 3u;
	row->trouble = (uint8_t)trouble & 3u;
	account(fib, row, 1);
}

static void row_set_count(struct fl_fib *fib, struct fib_row *row, uint32_t count)
{
	account(fib, row, -1);
	row->count = count;
	if (count)
		row->flags &= (uint8_t)~FIB_SPARED;
	account(fib, row, 1);
}

void fib_row_spare(struct fl_fib *fib, struct fib_row *row, bool spared)
{
	account(fib, row, -1);
	row->flags &= (uint8_t)~FIB_SPARED;
	if (spared && !row->count)
		row->flags |= FIB_SPARED;
	account(fib, row, 1);
}

static void row_free(struct fl_fib *fib, struct fib_row *row)
{
	account(fib, row, -1);
	fib_row_move(fib, row, FIB_NOWHERE);
	fl_hash_del(&fib->rows, &row->node);
	fib_nexthop_put(fib, row->nh);
	free(row);
}

static void row_place(struct fl_fib *fib, struct fib_row *row)
{
	static const enum fib_list_id removals[] = {
		[FL_ROW_NEIGH] = FIB_DEL_NEIGH,
		[FL_ROW_FDB] = FIB_DEL_FDB,
		[FL_ROW_ROUTE] = FIB_DEL_ROUTE,
	};

	if (!row->count && row->state == FIB_ABSENT && !(row->flags & FIB_DOUBT))
		row_free(fib, row);
	else if (!row->count && row->state == FIB_ABSENT)
		fib_row_move(fib, row, FIB_NOWHERE);
	else if (!row->count && (row->flags & FIB_SPARED))
		fib_row_move(fib, row, FIB_NOWHERE);
	else if (!row->count)
		fib_row_move(fib, row, removals[row->key.kind]);
	else if (row->state == FIB_SAME)
		fib_row_move(fib, row, FIB_NOWHERE);
	else
		fib_row_move(fib, row, FIB_ADD);
}

void fib_row_schedule(struct fl_fib *fib, struct fib_row *row)
{
	fib_row_set(fib, row, row->state, FIB_FINE);
	row_place(fib, row);
}

/* ---- declarations ---- */

/* The value in force changes; what the kernel has, if anything, is no longer it. */
static void row_set_value(struct fl_fib *fib, struct fib_row *row, const struct fib_value *value)
{
	if (value_equal(&row->value, value))
		return;
	row->value = *value;
	row->err = 0;
	fib_row_spare(fib, row, false);
	row->flags &= FIB_DOUBT; /* which is about what the kernel has */
	fib_row_set(fib, row, row->state == FIB_SAME ? FIB_OTHER : row->state, FIB_FINE);
}

static struct fib_older **older_find(struct fib_row *row, const struct fib_value *value)
{
	struct fib_older **at = &row->older;

	while (*at && !value_equal(&(*at)->value, value))
		at = &(*at)->next;
	return at;
}

/* The value in force steps back behind @p value, which may have been pushed aside itself before. */
static int row_overrule(struct fl_fib *fib, struct fib_row *row, const struct fib_value *value)
{
	struct fib_older **at = older_find(row, value);
	struct fib_older *o = *at;
	uint32_t count = 1;

	if (o) {
		count += o->count;
		*at = o->next;
	} else {
		o = malloc(sizeof(*o));
		if (!o)
			return -ENOMEM;
	}
	*o = (struct fib_older){.next = row->older, .value = row->value, .count = row->count};
	row->older = o;
	row_set_value(fib, row, value);
	row_set_count(fib, row, count);
	return 0;
}

static void older_free(struct fib_row *row)
{
	while (row->older) {
		struct fib_older *o = row->older;

		row->older = o->next;
		free(o);
	}
}

int fl_fib_declare(struct fl_fib *fib, const struct fl_row *row)
{
	struct fib_value value;
	struct fib_key key;
	struct fib_row *r = NULL;
	int e;

	if (!row_is_sane(row))
		return -EINVAL;
	fib_key_of(row, &key, &value);
	e = fib_row_get(fib, &key, &r);
	if (e < 0)
		return e;
	if (r->count && value_equal(&r->value, &value)) {
		row_set_count(fib, r, r->count + 1);
		return 0;
	}
	if (r->count) {
		e = row_overrule(fib, r, &value);
		if (e < 0)
			return e;
	} else {
		row_set_value(fib, r, &value);
		row_set_count(fib, r, 1);
	}
	fib_row_schedule(fib, r);
	return 0;
}

/* The last declaration of the value in force is gone: the one before it returns, or nobody wants
 * the row. */
static void row_step_back(struct fl_fib *fib, struct fib_row *row)
{
	struct fib_older *o = row->older;

	row_set_count(fib, row, 0);
	if (o) {
		row->older = o->next;
		row_set_value(fib, row, &o->value);
		row_set_count(fib, row, o->count);
		free(o);
	}
	fib_row_schedule(fib, row);
}

void fl_fib_withdraw(struct fl_fib *fib, const struct fl_row *row)
{
	struct fib_value value;
	struct fib_older **at;
	struct fib_older *o;
	struct fib_key key;
	struct fib_row *r;

	fib_key_of(row, &key, &value);
	r = fib_row_find(fib, &key);
	if (!r || !r->count)
		return;
	if (value_equal(&r->value, &value)) {
		if (r->count > 1)
			row_set_count(fib, r, r->count - 1);
		else
			row_step_back(fib, r);
		return;
	}
	at = older_find(r, &value);
	o = *at;
	if (!o || --o->count)
		return;
	*at = o->next;
	free(o);
}

/* A row that waits for nothing to be done with it is in no list, so no slice takes it meanwhile. */
void fl_fib_recount_begin(struct fl_fib *fib)
{
	struct fl_hash_iter it;

	fl_hash_each (n, &it, &fib->rows) {
		struct fib_row *row = fl_container_of(n, struct fib_row, node);

		older_free(row);
		row_set_count(fib, row, 0);
		fib_row_move(fib, row, FIB_NOWHERE);
	}
}

void fl_fib_recount_end(struct fl_fib *fib)
{
	struct fl_hash_iter it;

	fl_hash_each (n, &it, &fib->rows) {
		struct fib_row *row = fl_container_of(n, struct fib_row, node);

		if (!row->count)
			fib_row_schedule(fib, row);
	}
}

bool fib_is_own(const struct fl_fib *fib, uint32_t ifindex)
{
	for (uint32_t i = 0; i < fib->n_own; i++)
		if (fib->own[i] == ifindex)
			return true;
	return false;
}

/* ---- turns ---- */

bool fib_may_say(struct fl_fib *fib)
{
	if (fib->said < LINES_MAX) {
		fib->said++;
		return true;
	}
	fib->unsaid++;
	return false;
}

static void wake(struct fl_fib *fib)
{
	if (fib->busy)
		return;
	fib->busy = true;
	ev_check_start(fib->loop, &fib->turn);
	ev_idle_start(fib->loop, &fib->awake);
}

/* Up to @p max of the rows that wait are tried again; they count as trouble until they stand. */
static void requeue(struct fl_fib *fib, uint32_t max)
{
	struct fib_row *row;

	for (; max && (row = fib->lists[FIB_WAIT].head); max--)
		row_place(fib, row);
	wake(fib);
}

static void say_summary(struct fl_fib *fib)
{
	if (fib->unsaid)
		fl_warn("fib", "and %u more lines like these; all are retried", fib->unsaid);
	if (fib->recovered)
		fl_info("fib", "rows that had been refused and stand now: %u", fib->recovered);
	fib->said = 0;
	fib->unsaid = 0;
	fib->recovered = 0;
	fib->stood = 0;
}

static void sleep_on(struct fl_fib *fib)
{
	fib->busy = false;
	ev_check_stop(fib->loop, &fib->turn);
	ev_idle_stop(fib->loop, &fib->awake);
}

/* Nothing is left to send. What was refused waits, all of it if the sample that was retried has
 * failed again. */
static void rest(struct fl_fib *fib)
{
	bool better = fib->stood > 0;

	say_summary(fib);
	if ((better || !fib->lists[FIB_WAIT].head) && !fib->fighting)
		fl_backoff_reset(&fib->backoff);
	if (fib->probing && better && fib->lists[FIB_WAIT].head) {
		fib->probing = false;
		requeue(fib, UINT32_MAX);
		return;
	}
	fib->probing = false;
	sleep_on(fib);
	if (fib->lists[FIB_WAIT].head && !ev_is_active(&fib->retry)) {
		ev_timer_set(&fib->retry, fl_backoff_next(&fib->backoff) / 1e3, 0.);
		ev_timer_start(fib->loop, &fib->retry);
	}
	if (!fib->announce)
		return;
	fib->announce = false;
	fib->listener->settled(fib->listener); /* last: it may destroy the fib */
}

static void on_turn(struct ev_loop *loop, ev_check *w, int revents)
{
	struct fl_fib *fib = fl_container_of(w, struct fl_fib, turn);

	(void)loop;
	(void)revents;
	if (fib->adoption)
		sleep_on(fib);
	else if (!fib_step(fib))
		rest(fib);
}

void fib_go_on(struct fl_fib *fib)
{
	if (fib->announce)
		wake(fib);
}

static void on_awake(struct ev_loop *loop, ev_idle *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
}

static void on_retry(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct fl_fib *fib = fl_container_of(w, struct fl_fib, retry);

	(void)loop;
	(void)revents;
	fib->probing = true;
	requeue(fib, FIB_SLICE_ROWS);
}

void fl_fib_commit(struct fl_fib *fib)
{
	fib->announce = true;
	if (fib->adoption)
		return;
	wake(fib);
	(void)fib_step(fib);
}

void fl_fib_stats(const struct fl_fib *fib, struct fl_fib_stats *ret)
{
	*ret = fib->stats;
	if (fib_adopt_runs(fib))
		ret->installed = fib->installed_before < ret->declared ? fib->installed_before
								       : ret->declared;
}

/* ---- life ---- */

int fl_fib_create(struct ev_loop *loop, struct fl_rtnl *rtnl, struct fl_fib_listener *listener,
		  struct fl_fib **ret)
{
	struct fl_fib *fib = calloc(1, sizeof(*fib));
	int r;

	if (!fib)
		return -ENOMEM;
	fib->loop = loop;
	fib->rtnl = rtnl;
	fib->listener = listener;
	(void)fl_backoff_init(&fib->backoff, RETRY_MIN_MS, RETRY_MAX_MS);
	ev_check_init(&fib->turn, on_turn);
	ev_idle_init(&fib->awake, on_awake);
	ev_timer_init(&fib->retry, on_retry, 0., 0.);
	fib_watch_init(fib);
	r = fl_rtnl_batch_create(rtnl, &fib->batch);
	if (r == 0)
		r = fib_nexthop_probe(fib);
	if (r < 0) {
		fl_fib_destroy(fib);
		return r;
	}
	*ret = fib;
	return 0;
}

void fl_fib_destroy(struct fl_fib *fib)
{
	struct fl_hash_iter it;

	if (!fib)
		return;
	fl_fib_adopt_end(fib->adoption);
	sleep_on(fib);
	ev_timer_stop(fib->loop, &fib->retry);
	ev_timer_stop(fib->loop, &fib->gather);
	fl_hash_each (n, &it, &fib->rows) {
		struct fib_row *row = fl_container_of(n, struct fib_row, node);

		older_free(row);
		free(row);
	}
	fl_hash_done(&fib->rows);
	fib_nexthop_destroy_all(fib);
	fl_rtnl_batch_destroy(fib->batch);
	free(fib);
}

bool fl_fib_stands(const struct fl_fib *fib, const struct fl_row *row)
{
	const struct fib_row *found;
	struct fib_value value;
	struct fib_key key;

	fib_key_of(row, &key, &value);
	found = fib_row_find(fib, &key);
	return found && (found->state == FIB_SAME || (fib->adoption && found->believed)) &&
	       memcmp(&found->value, &value, sizeof(value)) == 0;
}
