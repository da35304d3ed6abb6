/* core/options_table.h - the one table of options: parser, environment and --help are made from it.
 */
#ifndef FL_OPTIONS_TABLE_H
#define FL_OPTIONS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/defs.h"

/** What a value must be, and the type of its field in struct fl_options. */
enum fl_option_type {
	FL_OPTION_TEXT,	      /* char *: anything, "" too */
	FL_OPTION_SECRET,     /* char *: likewise, but it is never shown, and wiped from argv */
	FL_OPTION_PATH,	      /* char *: not empty */
	FL_OPTION_FILE,	      /* char *: likewise, and no folder */
	FL_OPTION_LIST,	      /* struct fl_strings: repeatable */
	FL_OPTION_REGEXES,    /* struct fl_strings: likewise, each a pattern of extif.h */
	FL_OPTION_URLS,	      /* char *: comma list of http(s) URLs */
	FL_OPTION_STORE,      /* char *: the name or URL of a store */
	FL_OPTION_FOLDER,     /* char *: /like/this, also written like/this/ */
	FL_OPTION_IP,	      /* char *: an address; "" stands for the default */
	FL_OPTION_HOST,	      /* char *: likewise, IPv4, and one that a host can have */
	FL_OPTION_SUBNET,     /* struct fl_prefix: an IPv4 network; "": none */
	FL_OPTION_BOOL,	      /* bool, as in Go: -x, -x=false, never -x false */
	FL_OPTION_NUMBER,     /* uint64_t, min..max, as Go reads an int: also 0x10, +1_000 */
	FL_OPTION_DURATION,   /* uint64_t, seconds, min..max */
	FL_OPTION_ETCD_API,   /* unsigned int: 2, 3, or 0 for auto */
	FL_OPTION_LOG_FORMAT, /* enum fl_log_format */
	FL_OPTION_IGNORED,    /* no field: a warning */
	FL_OPTION_REFUSED,    /* no field: an error with the help text as its reason */
	FL_OPTION_REFUSED_ON, /* likewise, a boolean: false is harmless, hence accepted */
};

/** Where --help shows it. */
enum fl_option_group {
	FL_GROUP_STORE,
	FL_GROUP_ETCD,
	FL_GROUP_INTERFACE,
	FL_GROUP_LEASE,
	FL_GROUP_FIREWALL,
	FL_GROUP_HEALTH,
	FL_GROUP_PROCESS,
	FL_GROUP_LOG,
	FL_GROUP_INSTEAD, /* what to do instead of running: not taken from the environment */
	FL_GROUP_REFUSED, /* not shown */
	FL_GROUP_COUNT
};

struct fl_option {
	const char *name;  /* without dashes */
	const char *alias; /* another name, or NULL */
	enum fl_option_type type;
	enum fl_option_group group;
	size_t offset;	  /* of the field */
	const char *def;  /* the default as one would write it; "" for none */
	uint64_t min;	  /* NUMBER, DURATION */
	uint64_t max;	  /* likewise */
	bool path;	  /* a file or folder; relative ones count from where we were started */
	bool floor;	  /* NUMBER: what is less than min counts as min */
	const char *unit; /* of a NUMBER, for messages; NULL: none */
	const char *arg;  /* the value's name in --help; NULL for booleans */
	const char *help;
};

extern const struct fl_option fl_option_table[];
extern const size_t fl_option_count;

#define FL_OPTION_NAME_MAX 64u /* bytes: no name is longer */
#define FL_OPTION_ENV_MAX  80u /* bytes, with NUL */

/** The option called @p name (@p len bytes, case counts), NULL if there is none. */
const struct fl_option *fl_option_find(const char *name, size_t len);

/** The option that was probably meant by @p name (@p len bytes); NULL if none is near. */
const struct fl_option *fl_option_guess(const char *name, size_t len);

/** The option's variable, "FLANNELD_ETCD_ENDPOINTS", into @p buf; "" if it has none. */
const char *fl_option_env(const struct fl_option *opt, char buf[FL_OPTION_ENV_MAX]);

#endif
