/* store/etcd3_put.h - the bodies of requests to etcd's JSON gateway: pure functions into a buffer.
 */
#ifndef FL_STORE_ETCD3_PUT_H
#define FL_STORE_ETCD3_PUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/** A guarded write of one key. */
struct fl_etcd3_txn {
	const char *key;
	const char *value;     /* NULL: delete it */
	uint64_t lease;	       /* to attach it to, or 0 */
	uint64_t mod_revision; /* only at that one; 0: only if there is no such key */
};

/** All of [@p key, @p end), or @p key alone if @p end is NULL. */
void fl_etcd3_put_range(struct fl_buf *to, const char *key, const char *end);
/** If the guard does not hold, the answer has the key as it is. */
void fl_etcd3_put_txn(struct fl_buf *to, const struct fl_etcd3_txn *txn);
/** From revision @p from on, with a word now and then that all is told. */
void fl_etcd3_put_watch(struct fl_buf *to, const char *key, const char *end, uint64_t from);
void fl_etcd3_put_grant(struct fl_buf *to, uint64_t lease, int64_t ttl_s);
/** For keep-alive and revoke; @p keys: for time-to-live, with what is attached to it. */
void fl_etcd3_put_lease(struct fl_buf *to, uint64_t lease, bool keys);
void fl_etcd3_put_login(struct fl_buf *to, const char *name, const char *password);

#endif
