/* backends/extension/conf.h - the Backend object of the network config, for extension. */
#ifndef EXT_CONF_H
#define EXT_CONF_H

#include "command.h"

enum ext_key {
	EXT_PRE_STARTUP,
	EXT_POST_STARTUP,
	EXT_SUBNET_ADD,
	EXT_SUBNET_REMOVE,
	EXT_KEYS,
};

struct ext_conf {
	struct ext_command *commands[EXT_KEYS]; /* owned; NULL: not set */
	uint32_t timeout_s;			/* of each command */
};

/** "PreStartupCommand" ... */
const char *ext_key_name(enum ext_key key);

/**
 * Parse, with defaults. Keys match without regard to case; an unknown one is a warning in the log.
 *
 * @param conf  NULL: all defaults
 * @param ret   set only on success; the caller's until ext_conf_done()
 * @return 0; -EINVAL for a value that cannot be taken: key, value and rule are in the log; -ENOMEM
 */
int ext_conf_parse(const struct fl_json *conf, struct ext_conf *ret);
void ext_conf_done(struct ext_conf *c);

#endif
