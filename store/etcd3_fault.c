/* store/etcd3_fault.c - what an error of etcd's JSON gateway means, and what to do about it. */
#include "store/etcd3_fault.h"

#include <stdio.h>
#include <string.h>

#include "base/defs.h"

/* gRPC's codes that are told apart by more than their words */
#define CODE_PERMISSION_DENIED 7
#define CODE_UNAVAILABLE       14
#define CODE_UNAUTHENTICATED   16

/* Words decide before codes: etcd gives one code to many errors. The first that fits counts. */
static const struct {
	const char *words;
	enum fl_etcd3_fault fault;
	const char *advice;
} known[] = {
	{"requested lease not found", FL_ETCD3_NO_LEASE, NULL},
	{"revision has been compacted", FL_ETCD3_COMPACTED, NULL},
	{"authentication is not enabled", FL_ETCD3_NO_AUTH, NULL},
	{"invalid auth token", FL_ETCD3_LOGIN, NULL},
	{"auth store is old", FL_ETCD3_LOGIN, NULL},
	{"user name is empty", FL_ETCD3_LOGIN,
	 "authentication is enabled, so a user is needed: "
	 "--etcd-username and a password"},
	{"CommonName of client", FL_ETCD3_DENIED,
	 "where authentication is enabled, etcd's gateway refuses client certificates that have a "
	 "CommonName: use one without, and --etcd-username"},
	{"invalid user ID or password", FL_ETCD3_DENIED, NULL},
	{"permission denied", FL_ETCD3_DENIED,
	 "the user's role must allow to read and write below --etcd-prefix"},
	{"space exceeded", FL_ETCD3_OTHER,
	 "etcd is full: compact and defragment it, then disarm the alarm"},
	{"no leader", FL_ETCD3_OTHER, "the member has no contact with a majority of the cluster"},
};

/* The gateway is a client of its own server. What that server says begins with its name; this is
 * the gateway's own word that it does not get there. */
static bool is_gateway(const struct fl_etcd3_error *e)
{
	return e->code == CODE_UNAVAILABLE && !strstr(e->words, "etcdserver: ");
}

static int find(const char *words)
{
	for (size_t i = 0; i < FL_ARRAY_SIZE(known); i++)
		if (strstr(words, known[i].words))
			return (int)i;
	return -1;
}

enum fl_etcd3_fault fl_etcd3_fault(const struct fl_etcd3_error *e)
{
	int i = find(e->words);

	if (i >= 0)
		return known[i].fault;
	if (is_gateway(e))
		return FL_ETCD3_UNUSABLE;
	if (e->code == CODE_UNAUTHENTICATED || e->status == 401)
		return FL_ETCD3_LOGIN;
	if (e->code == CODE_PERMISSION_DENIED || e->status == 403)
		return FL_ETCD3_DENIED;
	return FL_ETCD3_OTHER;
}

void fl_etcd3_fault_describe(const struct fl_etcd3_error *e, char *buf, size_t size)
{
	int i = find(e->words);
	const char *advice = i >= 0 ? known[i].advice : NULL;
	char code[64] = "";

	if (i < 0 && is_gateway(e))
		advice = "etcd's gateway does not reach its own server: if this stays, the server "
			 "certificate lacks the usage clientAuth";
	if (e->code != 0)
		(void)snprintf(code, sizeof(code), "code %d, ", e->code);
	(void)snprintf(buf, size, "etcd says: %s (%sHTTP %ld)%s%s", *e->words ? e->words : "no",
		       code, e->status, advice ? "; " : "", advice ? advice : "");
}

bool fl_etcd3_version_is_narrow(const char *version)
{
	unsigned int major, minor, patch;

	if (sscanf(version, "%u.%u.%u", &major, &minor, &patch) != 3 || major != 3)
		return false;
	return minor < 4 || (minor == 4 && patch < 20) || (minor == 5 && patch < 5);
}
