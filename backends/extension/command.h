/* backends/extension/command.h - a command of the network config: text to argv. */
#ifndef EXT_COMMAND_H
#define EXT_COMMAND_H

#include "vars.h"

/** A command line whose variables are not filled in yet; fields in command.c. */
struct ext_command;

/**
 * Understand a value of the config.
 *
 * An array is argv: $NAME and ${NAME} of our variables are filled in, all else stays as it is. A
 * string is split here if it is a plain command: words, quotes, backslashes, our variables. If it
 * uses anything else that means something to a shell, it is run by one, untouched: what it gets to
 * know comes by environment and standard input.
 *
 * @param v     string or array of strings
 * @param ret   set only on success: the caller's until ext_command_destroy(); NULL for a blank
 * string, which stands for no command
 * @param rule  set on -EINVAL: what the value must be; a literal
 * @return 0, -EINVAL, -ENOMEM
 */
int ext_command_parse(const struct fl_json *v, struct ext_command **ret, const char **rule);
void ext_command_destroy(struct ext_command *c); /* NULL is a no-op */

/** True if a shell runs it. */
bool ext_command_is_shell(const struct ext_command *c);

/** Its argv with @p vars filled in, NULL-terminated; the caller's until ext_argv_free(). NULL: no
 * memory. */
char **ext_command_argv(const struct ext_command *c, const struct ext_vars *vars);
void ext_argv_free(char **argv); /* NULL is a no-op */

#endif
