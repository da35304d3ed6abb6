/* backends/extension/data.h - BackendData: a JSON string, from a command's output or of a peer. */
#ifndef EXT_DATA_H
#define EXT_DATA_H

#include "core/backend.h"

#define EXT_DATA_MAX 1025u /* bytes of a peer's text, with NUL */

/**
 * A command's output, without white space at its ends, as JSON for the lease.
 * @param why  set on -EINVAL: what is wrong with it; a literal
 * @return 0, -EINVAL, -ENOMEM
 */
int ext_data_encode(const char *output, size_t len, char buf[FL_BACKEND_DATA_MAX],
		    const char **why);

/**
 * The text of a peer's BackendData. None, as without PreStartupCommand, is the empty text.
 * @param json  NULL: none
 * @param why   set on -EINVAL: why this is nothing that a command may get; a literal
 * @return 0, -EINVAL, -ENOMEM
 */
int ext_data_decode(const char *json, char buf[EXT_DATA_MAX], const char **why);

#endif
