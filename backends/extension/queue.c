/* backends/extension/queue.c - commands for peers: one at a time per subnet, a few at once, in
 * order.
 *
 * A slot per subnet holds what is wanted there and what SubnetAddCommand was begun for. Where the
 * two differ a command is due, whatever the events between were: so nothing runs twice, and what
 * is overtaken never begins. */
#include "queue.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define RETRY_MIN_MS 1000u /* then twice as long each time */

/* Whom a command is about. */
struct target {
	struct fl_addr public_ip;
	char data[];
};

enum state {
	IDLE,
	IN_LINE,
	RUNNING,
	RETRYING, /* the timer runs */
};

struct slot {
	struct fl_prefix subnet;
	struct ext_queue *queue;
	struct slot *next; /* IN_LINE */
	enum state state;
	struct target *wanted;	/* owned; NULL: nobody */
	struct target *applied; /* owned, may be the same as wanted; NULL: nothing to undo */
	bool failed;		/* the add of what is applied has */
	uint32_t failures;	/* of it, one after the other */
	enum ext_key key;	/* RUNNING */
	struct fl_running *running;
	struct fl_timer *retry; /* NULL until needed */
};

struct ext_queue {
	struct ext_runner *run;
	void *slots; /* tsearch(3) */
	struct slot *head;
	struct slot **tail;
	uint32_t n_running;
};

static void pump(struct ext_queue *q);

/* ---- slots ---- */

static int compare(const void *a, const void *b)
{
	const struct fl_prefix *p = &((const struct slot *)a)->subnet;
	const struct fl_prefix *q = &((const struct slot *)b)->subnet;

	if (p->addr.family != q->addr.family)
		return p->addr.family < q->addr.family ? -1 : 1;
	if (p->len != q->len)
		return p->len < q->len ? -1 : 1;
	return memcmp(p->addr.bytes, q->addr.bytes, sizeof(p->addr.bytes));
}

static struct slot *find(struct ext_queue *q, const struct fl_prefix *subnet)
{
	const struct slot key = {.subnet = *subnet};
	void *node = tfind(&key, &q->slots, compare);

	return node ? *(struct slot **)node : NULL;
}

static struct slot *find_or_make(struct ext_queue *q, const struct fl_prefix *subnet)
{
	struct slot *s = find(q, subnet);

	if (s)
		return s;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->subnet = *subnet;
	s->queue = q;
	if (!tsearch(s, &q->slots, compare)) {
		free(s);
		return NULL;
	}
	return s;
}

static void slot_free(void *p)
{
	struct slot *s = p;

	fl_command_kill(s->running);
	fl_timer_destroy(s->retry);
	if (s->wanted != s->applied)
		free(s->wanted);
	free(s->applied);
	free(s);
}

static void want(struct slot *s, struct target *t)
{
	if (s->wanted != s->applied)
		free(s->wanted);
	s->wanted = t;
	s->failures = 0;
}

/* ---- the line ---- */

static void line_up(struct slot *s)
{
	struct ext_queue *q = s->queue;

	if (s->state == RETRYING)
		fl_timer_stop(s->retry);
	else if (s->state != IDLE)
		return;
	s->state = IN_LINE;
	s->next = NULL;
	*q->tail = s;
	q->tail = &s->next;
}

/* A peer that changes is not reached in between: its add does not wait for those of others. */
static void jump_in(struct slot *s)
{
	struct ext_queue *q = s->queue;

	s->state = IN_LINE;
	s->next = q->head;
	q->head = s;
	if (!s->next)
		q->tail = &s->next;
}

static struct slot *take_first(struct ext_queue *q)
{
	struct slot *s = q->head;

	q->head = s->next;
	if (!q->head)
		q->tail = &q->head;
	s->state = IDLE;
	return s;
}

/* ---- failure ---- */

static void on_retry(void *owner)
{
	struct slot *s = owner;

	fl_counter_add(&s->queue->run->counters[EXT_ADDS_RETRIED], 1);
	s->state = IDLE;
	line_up(s);
	pump(s->queue);
}

/* Twice as long each time, and a random half of it less: a fault that all have ends for all. */
static uint32_t retry_delay_ms(uint32_t failures)
{
	uint32_t most = RETRY_MIN_MS << (failures - 1), random = 0;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = 0; /* early at boot; then hosts do not start in step either */
	return most - random % (most / 2);
}

static bool arm_retry(struct slot *s, uint32_t delay_ms)
{
	if (s->failures >= EXT_ADD_ATTEMPTS)
		return false;
	if (!s->retry && fl_timer_create(s->queue->run->env, on_retry, s, &s->retry) < 0)
		return false;
	fl_timer_start(s->retry, delay_ms);
	s->state = RETRYING;
	return true;
}

static void add_failed(struct slot *s, const char *label, const char *why)
{
	uint32_t delay_ms = retry_delay_ms(++s->failures);

	if (arm_retry(s, delay_ms)) {
		fl_warn("extension", "%s: %s; retrying in %u ms", label, why, delay_ms);
		return;
	}
	fl_counter_add(&s->queue->run->counters[EXT_PEERS_GIVEN_UP], 1);
	fl_err("extension",
	       "%s: %s; tried %u times, so this peer is left as it is until it changes", label, why,
	       s->failures);
}

/* ---- commands ---- */

static bool is_due(const struct slot *s)
{
	return s->wanted != s->applied;
}

static void forget(struct slot *s)
{
	(void)tdelete(s, &s->queue->slots, compare);
	slot_free(s);
}

/* A command has ended, or could not be started, or there is none. */
static void finish(struct slot *s, const struct fl_command_result *res)
{
	char label[EXT_LABEL_MAX], why[EXT_REASON_MAX];
	int r;

	s->running = NULL;
	s->state = IDLE;
	ext_label(s->key, &s->subnet, label);
	r = ext_run_result(s->queue->run, label, res, why);
	if (s->key == EXT_SUBNET_ADD)
		s->failed = r < 0;
	if (r < 0 && s->key == EXT_SUBNET_REMOVE)
		fl_warn("extension", "%s: %s; what it was to undo may be left", label, why);
	else if (r < 0 && is_due(s))
		fl_warn("extension", "%s: %s; the peer has changed meanwhile", label, why);
	else if (r < 0)
		add_failed(s, label, why);
	if (is_due(s))
		jump_in(s);
	else if (!s->wanted)
		forget(s);
}

static void on_done(void *owner, const struct fl_command_result *res)
{
	struct slot *s = owner;
	struct ext_queue *q = s->queue;

	q->n_running--;
	finish(s, res);
	pump(q);
}

static void launch(struct slot *s, enum ext_key key, const struct target *t)
{
	struct ext_queue *q = s->queue;
	const struct ext_job job = {
		.key = key,
		.subnet = &s->subnet,
		.public_ip = &t->public_ip,
		.data = t->data,
	};
	struct fl_command_result res = {.error = 0};

	s->key = key;
	if (q->run->conf->commands[key]) {
		res.error = ext_run(q->run, &job, on_done, s, &s->running);
		if (res.error == 0) {
			s->state = RUNNING;
			q->n_running++;
			return;
		}
	}
	finish(s, &res);
}

static void begin_remove(struct slot *s)
{
	struct target *gone = s->applied;

	s->applied = NULL;
	s->failed = false;
	launch(s, EXT_SUBNET_REMOVE, gone);
	free(gone);
}

static void begin(struct slot *s)
{
	if (s->applied && is_due(s)) {
		begin_remove(s);
	} else if (s->wanted && (is_due(s) || s->failed)) {
		s->applied = s->wanted;
		launch(s, EXT_SUBNET_ADD, s->wanted);
	} else if (!s->wanted) {
		forget(s);
	}
}

static void pump(struct ext_queue *q)
{
	while (q->head && q->n_running < EXT_RUNNING_MAX)
		begin(take_first(q));
}

/* ---- what is wanted ---- */

static struct target *target_new(const struct fl_lease *peer, const char *data)
{
	struct target *t = malloc(sizeof(*t) + strlen(data) + 1);

	if (!t)
		return NULL;
	t->public_ip = peer->public_ip;
	strcpy(t->data, data);
	return t;
}

static bool same(const struct target *a, const struct target *b)
{
	return a && fl_addr_equal(&a->public_ip, &b->public_ip) && strcmp(a->data, b->data) == 0;
}

int ext_queue_add(struct ext_queue *q, const struct fl_lease *peer, const char *data)
{
	struct target *t = target_new(peer, data);
	struct slot *s = t ? find_or_make(q, &peer->subnet) : NULL;

	if (!s) {
		free(t);
		return -ENOMEM;
	}
	if (same(s->applied, t)) { /* it was gone for so short a time that nothing was undone */
		free(t);
		t = s->applied;
	}
	want(s, t);
	if (is_due(s))
		line_up(s);
	pump(q);
	return 0;
}

void ext_queue_del(struct ext_queue *q, const struct fl_prefix *subnet)
{
	struct slot *s = find(q, subnet);

	if (!s)
		return;
	want(s, NULL);
	line_up(s);
	pump(q);
}

/* ---- life ---- */

int ext_queue_create(struct ext_runner *run, struct ext_queue **ret)
{
	struct ext_queue *q = calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	q->run = run;
	q->tail = &q->head;
	*ret = q;
	return 0;
}

void ext_queue_destroy(struct ext_queue *q)
{
	if (!q)
		return;
	tdestroy(q->slots, slot_free);
	free(q);
}
