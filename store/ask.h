/* store/ask.h - questions to a store whose answers are waited for: for programs without a reactor
 * (flannelctl). One question at a time; each tries every endpoint once.
 */
#ifndef FL_STORE_ASK_H
#define FL_STORE_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lease.h"

struct fl_buf;
struct fl_store_conf;

/** An entry of the store that is, or should be, a lease. Borrowed. */
struct fl_ask_entry {
	const char *key; /* "10.5.52.0-24"; of a file: where the lease stands in it */
	const struct fl_lease_record *rec; /* NULL: of no use; expires_s is not set */
	const char *fault;		   /* and why; "" if it is of use */
	const char *value;   /* as it is in the store, with what others write and we do not know;
				NULL: none, then what is written is made of rec */
	uint64_t index;	     /* the guard of the next write; 0: it cannot be written */
	uint64_t etcd_lease; /* v3: what it is attached to, or 0 */
	int64_t ttl_s; /* seconds left; FL_ASK_FOREVER; FL_ASK_SOMETIME: the store does not tell */
};

#define FL_ASK_FOREVER	INT64_C(-1)
#define FL_ASK_SOMETIME INT64_C(-2)

struct fl_ask {
	const struct fl_ask_ops *ops;
	const char *place; /* of the network config, for messages: "/coreos.com/network/config" */
	char why[512];	   /* after a failure: one line for people, never a password */
};

/** Called for each entry, in the order of fl_ask_order(); non-zero ends the call with that value.
 */
typedef int (*fl_ask_entry_cb)(void *owner, const struct fl_ask_entry *e);

/*
 * All return 0, or:
 *   -ENOENT        there is no such thing
 *   -ESTALE        it is not at that index any more, or there already: somebody else was faster
 *   -EROFS         people write this store with an editor
 *   -EACCES        credentials or permissions
 *   -EHOSTUNREACH  no endpoint has given an answer of use
 *   -ENOMEM, other -errno of a file
 * and have then put words into why.
 */
struct fl_ask_ops {
	int (*config)(struct fl_ask *a, struct fl_buf *ret, uint64_t *index);
	int (*leases)(struct fl_ask *a, fl_ask_entry_cb cb, void *owner);
	int (*put_config)(struct fl_ask *a, const char *text, uint64_t index);
	int (*put_lease)(struct fl_ask *a, const struct fl_ask_entry *e);
	int (*remove)(struct fl_ask *a, const struct fl_ask_entry *e);
	void (*close)(struct fl_ask *a);
};

/**
 * @param conf  borrowed until fl_ask_close(); without an API the one that holds the network config
 * is asked
 * @param why   set on -EINVAL: which setting is wrong, one line, owned by the caller
 */
int fl_ask_open(const struct fl_store_conf *conf, struct fl_ask **ret, char **why);
void fl_ask_close(struct fl_ask *a); /* NULL is a no-op */

/** The network config as it is in the store. @param ret  appended to, and NUL-terminated */
int fl_ask_config(struct fl_ask *a, struct fl_buf *ret, uint64_t *index);
/** All of them. None is told before all have come. */
int fl_ask_leases(struct fl_ask *a, fl_ask_entry_cb cb, void *owner);
/** @param index  the one that was read; 0: there is none yet */
int fl_ask_put_config(struct fl_ask *a, const char *text, uint64_t index);
/** Write the lease of @p e, with ttl_s, at index; 0: there is none yet. */
int fl_ask_put_lease(struct fl_ask *a, const struct fl_ask_entry *e);
int fl_ask_remove(struct fl_ask *a, const struct fl_ask_entry *e);

/** The order of a listing: by subnet; what is of no use (NULL) behind all. @return < 0, 0, > 0 */
int fl_ask_order(const struct fl_lease_record *a, const struct fl_lease_record *b);

/** etcd's and the file's, for the table in ask.c. */
int fl_etcd_ask_open(const struct fl_store_conf *conf, struct fl_ask **ret, char **why);
int fl_file_ask_open(const struct fl_store_conf *conf, struct fl_ask **ret, char **why);

#endif
