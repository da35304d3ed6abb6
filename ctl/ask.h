/* ctl/ask.h - ask a flanneld by its control socket. */
#ifndef CTL_ASK_H
#define CTL_ASK_H

#include "base/buf.h"
#include "base/json.h"
#include "ctl.h"

/** One line of an answer, without its end. @return 0: go on; anything else ends it */
typedef int (*ctl_line)(void *owner, char *line);

/**
 * GET @p path, and hand out its answer line by line as it comes.
 * @return CTL_OK once it has ended; CTL_MUTE, which was said, if there is none; what @p line has
 * returned
 */
int ctl_ask_lines(const struct ctl *c, const char *path, ctl_line line, void *owner);

/** GET @p path, the whole. @p ret is the caller's, fl_buf_done(). @return CTL_OK; CTL_MUTE: said */
int ctl_ask(const struct ctl *c, const char *path, struct fl_buf *ret);

/** The same, an object. @p ret is the caller's, fl_json_destroy(); NULL on failure */
int ctl_ask_json(const struct ctl *c, const char *path, struct fl_json **ret);

/** /v1/peers: an object for each. @return as ctl_ask_lines() */
int ctl_ask_peers(const struct ctl *c, int (*each)(void *owner, const struct fl_json *peer),
		  void *owner);

/* Members of what was answered; "" and 0 where there is none. */
const char *ctl_text(const struct fl_json *obj, const char *key);
long long ctl_number(const struct fl_json *obj, const char *key);
bool ctl_flag(const struct fl_json *obj, const char *key);

#endif
