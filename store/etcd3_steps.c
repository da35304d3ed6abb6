/* store/etcd3_steps.c - which exchange follows which, and how a request ends.
 *
 * A write goes by way of the etcd lease: keep-alive or grant, then the guarded transaction, then,
 * if another lease was left, a look at it. A grant names its lease itself, so an answer that is
 * lost leaves none behind: the next attempt begins with a keep-alive of the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/random.h"
#include "store/etcd3_fault.h"
#include "store/etcd3_internal.h"

#define UNUSABLE_AFTER 6u /* answers in a row */

/* ---- the beginning ---- */

static enum fl_etcd3_step step_of(const struct fl_etcd3_call *c)
{
	switch (c->req.verb) {
	case FL_ETCD_GET_CONFIG:
	case FL_ETCD_LIST:
	case FL_ETCD_GET:
		return FL_ETCD3_RANGE;
	case FL_ETCD_WATCH:
		return FL_ETCD3_STREAM;
	case FL_ETCD_REMOVE:
		return FL_ETCD3_TXN;
	case FL_ETCD_VERSION:
		return FL_ETCD3_VERSION;
	default:
		break;
	}
	if (c->req.ttl_s == FL_ETCD_FOREVER)
		return FL_ETCD3_TXN;
	return c->req.lease ? FL_ETCD3_KEEPALIVE : FL_ETCD3_GRANT;
}

static enum fl_etcd3_step grant(struct fl_etcd3_call *c)
{
	uint64_t id;

	fl_random_bytes(&id, sizeof(id));
	c->result.lease = (id & INT64_MAX) | 1;
	return FL_ETCD3_GRANT;
}

/* Old members of TLS have few streams to give, so see whether this is one of them. */
static bool must_read_version(const struct fl_etcd3_call *c)
{
	return c->req.verb == FL_ETCD_WATCH && !c->shared->told_narrow &&
	       c->shared->known != c->endpoint && strncasecmp(c->endpoint, "https:", 6) == 0;
}

enum fl_etcd3_step fl_etcd3_first_step(struct fl_etcd3_call *c)
{
	enum fl_etcd3_step first = step_of(c);

	if (first == FL_ETCD3_GRANT)
		first = grant(c);
	if (first == FL_ETCD3_VERSION)
		return first;
	c->resume = first;
	if (*c->session->username && !c->shared->token && !c->shared->no_auth)
		return FL_ETCD3_AUTHENTICATE;
	return must_read_version(c) ? FL_ETCD3_VERSION : first;
}

/* ---- answers ---- */

static void on_version(struct fl_etcd3_call *c, const struct fl_etcd3_message *m)
{
	struct fl_etcd3_shared *shared = c->shared;

	shared->known = c->endpoint;
	if (!shared->told_narrow && strncasecmp(c->endpoint, "https:", 6) == 0 &&
	    fl_etcd3_version_is_narrow(m->version)) {
		shared->told_narrow = true;
		fl_warn("etcd",
			"%s: etcd %s serves at most 250 watches through its gateway with TLS; once "
			"there are more hosts, watches and writes hang: upgrade to 3.4.20, 3.5.5 "
			"or "
			"newer",
			c->endpoint, m->version);
	}
	if (c->req.verb != FL_ETCD_VERSION) {
		fl_etcd3_go(c, c->resume);
		return;
	}
	/* Words, as there is no other place for them. */
	fl_etcd3_end_why(c, *m->version ? FL_ETCD_OK : FL_ETCD_FAILED,
			 *m->version ? m->version : "no version in the answer to /version");
}

static void on_token(struct fl_etcd3_call *c, const struct fl_etcd3_message *m)
{
	char *token = *m->token ? strdup(m->token) : NULL;

	if (!token) {
		fl_etcd3_end_why(c, FL_ETCD_FAILED, "no token in the answer to authenticate");
		return;
	}
	free(c->shared->token);
	c->shared->token = token;
	c->shared->no_auth = false;
	fl_etcd3_go(c, c->resume);
}

static void on_range(struct fl_etcd3_call *c, const struct fl_etcd3_message *m)
{
	if (m->revision == 0) {
		fl_etcd3_end_why(c, FL_ETCD_FAILED, "no revision in the answer");
		return;
	}
	c->result.index = m->revision;
	if (c->req.verb == FL_ETCD_LIST) {
		fl_etcd3_end(c, FL_ETCD_OK);
	} else if (m->kvs == 0) {
		fl_etcd3_end(c, FL_ETCD_MISSING);
	} else if (c->req.verb == FL_ETCD_GET && c->found.lease) {
		fl_etcd3_go(c, FL_ETCD3_LOOK);
	} else if (c->req.verb == FL_ETCD_GET_CONFIG && c->found.too_long) {
		fl_etcd3_end_why(c, FL_ETCD_FAILED, "PREFIX/config has a value that is too long");
	} else if (c->req.verb == FL_ETCD_GET_CONFIG && c->found.no_base64) {
		fl_etcd3_end_why(c, FL_ETCD_FAILED, "PREFIX/config has a value that is no base64");
	} else {
		fl_etcd3_give(c, &c->found, FL_ETCD_FOREVER);
		fl_etcd3_end(c, FL_ETCD_OK);
	}
}

static int64_t not_negative(int64_t n)
{
	return n > 0 ? n : 0;
}

/* -1: it has just expired, and the key with it. */
static void on_look(struct fl_etcd3_call *c, const struct fl_etcd3_message *m)
{
	if (m->ttl_s < 0) {
		fl_etcd3_end(c, FL_ETCD_MISSING);
		return;
	}
	fl_etcd3_give(c, &c->found, m->ttl_s);
	fl_etcd3_end(c, FL_ETCD_OK);
}

/* Has the lease the lifetime that is asked for, as far as etcd gives it? */
static bool lasts(const struct fl_etcd3_call *c, int64_t ttl_s)
{
	const struct fl_etcd3_shared *shared = c->shared;

	return ttl_s == c->req.ttl_s ||
	       (shared->asked_ttl_s == c->req.ttl_s && shared->given_ttl_s == ttl_s);
}

static void on_kept(struct fl_etcd3_call *c, const struct fl_etcd3_message *m)
{
	c->result.ttl_s = not_negative(m->ttl_s);
	if (m->ttl_s > 0 && lasts(c, m->ttl_s)) {
		if (c->req.verb != FL_ETCD_REFRESH) {
			fl_etcd3_go(c, FL_ETCD3_TXN);
			return;
		}
		c->result.index = c->req.index;
		fl_etcd3_end(c, FL_ETCD_OK);
		return;
	}
	if (m->ttl_s <= 0 && c->req.verb == FL_ETCD_REFRESH) {
		fl_etcd3_end(c, FL_ETCD_CONFLICT); /* and the key is gone with it */
		return;
	}
	/* Granted with another TTL, which nothing can change: move over to a new one. */
	c->left = m->ttl_s > 0 ? c->result.lease : 0;
	fl_etcd3_go(c, grant(c));
}

static void on_granted(struct fl_etcd3_call *c, const struct fl_etcd3_message *m)
{
	if (m->ttl_s <= 0 || (uint64_t)m->lease != c->result.lease) {
		fl_etcd3_end_why(c, FL_ETCD_FAILED, "no lease in the answer to grant");
		return;
	}
	c->shared->asked_ttl_s = c->req.ttl_s;
	c->shared->given_ttl_s = m->ttl_s;
	c->result.ttl_s = m->ttl_s;
	fl_etcd3_go(c, FL_ETCD3_TXN);
}

static void on_txn(struct fl_etcd3_call *c, const struct fl_etcd3_message *m)
{
	if (!m->succeeded) {
		fl_etcd3_end(c, m->kvs || c->req.verb == FL_ETCD_CREATE ? FL_ETCD_CONFLICT
									: FL_ETCD_MISSING);
		return;
	}
	c->result.index = m->revision;
	if (c->req.verb == FL_ETCD_REMOVE)
		c->left = c->req.lease;
	if (c->req.ttl_s == FL_ETCD_FOREVER)
		c->result.lease = 0;
	if (c->left)
		fl_etcd3_go(c, FL_ETCD3_TIDY_LOOK);
	else
		fl_etcd3_end(c, m->revision ? FL_ETCD_OK : FL_ETCD_FAILED);
}

/* Whoever attaches other keys to our lease shall not lose them. */
static void on_tidy_look(struct fl_etcd3_call *c, const struct fl_etcd3_message *m)
{
	if (m->ttl_s > 0 && m->lease_keys == 0)
		fl_etcd3_go(c, FL_ETCD3_TIDY);
	else
		fl_etcd3_end(c, FL_ETCD_OK);
}

void fl_etcd3_answered(struct fl_etcd3_call *c)
{
	const struct fl_etcd3_message *m = &c->decoder.message;

	if (c->step != FL_ETCD3_VERSION)
		c->shared->unusable = 0;
	switch (c->step) {
	case FL_ETCD3_VERSION:
		on_version(c, m);
		break;
	case FL_ETCD3_AUTHENTICATE:
		on_token(c, m);
		break;
	case FL_ETCD3_RANGE:
		on_range(c, m);
		break;
	case FL_ETCD3_LOOK:
		on_look(c, m);
		break;
	case FL_ETCD3_KEEPALIVE:
		on_kept(c, m);
		break;
	case FL_ETCD3_GRANT:
		on_granted(c, m);
		break;
	case FL_ETCD3_TXN:
		on_txn(c, m);
		break;
	case FL_ETCD3_TIDY_LOOK:
		on_tidy_look(c, m);
		break;
	case FL_ETCD3_TIDY:
	case FL_ETCD3_STREAM:
		fl_etcd3_end(c, FL_ETCD_OK);
		break;
	}
}

/* ---- refusals ---- */

static bool may_log_in(const struct fl_etcd3_call *c)
{
	return *c->session->username && !c->logged_in && c->step != FL_ETCD3_AUTHENTICATE;
}

static void log_in(struct fl_etcd3_call *c)
{
	c->logged_in = true;
	c->stop = false;
	c->resume = c->step;
	free(c->shared->token);
	c->shared->token = NULL;
	fl_etcd3_go(c, FL_ETCD3_AUTHENTICATE);
}

/* A member that starts or stops says the same for a moment. */
static enum fl_etcd_outcome unusable(struct fl_etcd3_call *c)
{
	if (c->shared->unusable < UNUSABLE_AFTER)
		c->shared->unusable++;
	return c->shared->unusable < UNUSABLE_AFTER ? FL_ETCD_FAILED : FL_ETCD_ABSENT;
}

static enum fl_etcd_outcome outcome_of(struct fl_etcd3_call *c, enum fl_etcd3_fault fault)
{
	switch (fault) {
	case FL_ETCD3_LOGIN:
	case FL_ETCD3_DENIED:
		return FL_ETCD_DENIED;
	case FL_ETCD3_UNUSABLE:
		return unusable(c);
	default:
		return FL_ETCD_FAILED;
	}
}

void fl_etcd3_refused(struct fl_etcd3_call *c, int code, long status, const char *words)
{
	const struct fl_etcd3_error e = {.code = code, .status = status, .words = words};
	enum fl_etcd3_fault fault = fl_etcd3_fault(&e);

	fl_etcd3_fault_describe(&e, c->why, sizeof(c->why));
	if (fault == FL_ETCD3_LOGIN && may_log_in(c)) {
		log_in(c);
	} else if (c->step == FL_ETCD3_AUTHENTICATE && fault == FL_ETCD3_NO_AUTH) {
		c->shared->no_auth = true;
		c->logged_in = true;
		fl_etcd3_go(c, c->resume);
	} else if (c->step == FL_ETCD3_VERSION && c->req.verb != FL_ETCD_VERSION) {
		fl_etcd3_go(c, c->resume); /* no matter */
	} else if (c->step == FL_ETCD3_TIDY_LOOK || c->step == FL_ETCD3_TIDY) {
		fl_etcd3_end(c, FL_ETCD_OK); /* it will expire */
	} else if (fault == FL_ETCD3_NO_LEASE && c->step == FL_ETCD3_TXN && !c->regranted) {
		c->regranted = true;
		fl_etcd3_go(c, grant(c));
	} else if (fault == FL_ETCD3_NO_LEASE && c->step == FL_ETCD3_LOOK) {
		fl_etcd3_end(c, FL_ETCD_MISSING);
	} else {
		fl_etcd3_end(c, outcome_of(c, fault));
	}
}

/* ---- the watch ---- */

void fl_etcd3_message(struct fl_etcd3_call *c, const struct fl_etcd3_message *m)
{
	const struct fl_etcd_slot_ops *ops = c->slot->ops;

	/* A refused watch is "created", too, and then silent. One from the future as well: the
	 * store is older than what we know, restored or a member behind. */
	c->stop = m->is_error || m->canceled || (m->created && m->revision < c->req.index);
	if (c->stop)
		return;
	if (m->created) {
		c->created = m->revision;
		ops->accepted(c->slot, m->cluster);
		return;
	}
	if (m->kvs == 0 && m->revision > c->told)
		c->told = m->revision;
	ops->progress(c->slot, c->told);
}

/* In 3.4 a token that has expired is "permission denied", too. */
static void on_canceled(struct fl_etcd3_call *c, const struct fl_etcd3_message *m)
{
	const struct fl_etcd3_error e = {.status = 200, .words = m->cancel_reason};
	enum fl_etcd3_fault fault = fl_etcd3_fault(&e);

	if (m->compact_revision || fault == FL_ETCD3_COMPACTED) {
		fl_etcd3_end(c, FL_ETCD_CLEARED);
		return;
	}
	(void)snprintf(c->why, sizeof(c->why), "the watch was canceled: %s",
		       *m->cancel_reason ? m->cancel_reason : "no reason given");
	if ((fault == FL_ETCD3_LOGIN || fault == FL_ETCD3_DENIED) && may_log_in(c))
		log_in(c);
	else
		fl_etcd3_end(c, outcome_of(c, fault));
}

void fl_etcd3_stopped(struct fl_etcd3_call *c)
{
	const struct fl_etcd3_message *m = &c->decoder.message;

	if (m->is_error)
		fl_etcd3_refused(c, m->code, c->http.status, m->error);
	else if (m->canceled)
		on_canceled(c, m);
	else
		fl_etcd3_end(c, FL_ETCD_CLEARED);
}
