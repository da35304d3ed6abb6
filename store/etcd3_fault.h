/* store/etcd3_fault.h - what an error of etcd's JSON gateway means, and what a person can do about
 * it: pure functions. */
#ifndef FL_STORE_ETCD3_FAULT_H
#define FL_STORE_ETCD3_FAULT_H

#include <stdbool.h>
#include <stddef.h>

enum fl_etcd3_fault {
	FL_ETCD3_OTHER,	   /* try another member */
	FL_ETCD3_NO_LEASE, /* the etcd lease is gone */
	FL_ETCD3_LOGIN,	   /* the token is of no use any more, or one is missing */
	FL_ETCD3_NO_AUTH,  /* a log-in where authentication is not enabled */
	FL_ETCD3_DENIED,   /* no permission, wrong password, ... */
	FL_ETCD3_UNUSABLE, /* the gateway does not work for anybody */
	FL_ETCD3_COMPACTED,
};

/** What etcd says: its gRPC code (0: none), HTTP status and words ("" if it says none). */
struct fl_etcd3_error {
	int code;
	long status;
	const char *words;
};

enum fl_etcd3_fault fl_etcd3_fault(const struct fl_etcd3_error *e);
/** One line: the words of etcd, and what to do if that is known. */
void fl_etcd3_fault_describe(const struct fl_etcd3_error *e, char *buf, size_t size);

/** True if a member of @p version ("3.4.13") serves 250 streams to clients of TLS, and then none,
 * and no write either. */
bool fl_etcd3_version_is_narrow(const char *version);

#endif
