/* core/base/log.h - one line per event on stderr: time, level, tag, text. Installed with
 * <flanneld/backend.h>. */
#ifndef FL_BASE_LOG_H
#define FL_BASE_LOG_H

#include "defs.h"

#ifdef __cplusplus
extern "C" {
#endif

enum fl_log_level {
	FL_LOG_ERR,   /* something is broken and stays so until somebody acts */
	FL_LOG_WARN,  /* surprising or degraded; we go on by ourselves */
	FL_LOG_INFO,  /* a change of state that an operator wants to see */
	FL_LOG_DEBUG, /* detail, from -v=1 on */
};

enum fl_log_format {
	FL_LOG_TEXT, /* "2026-01-31T12:00:00.123Z INFO  etcd: text"; the level coloured on a
			terminal */
	FL_LOG_JSON, /* {"time":"...","level":"info","tag":"etcd","msg":"text"} */
};

/** True if a line of this level would be written. */
FL_PUBLIC int fl_log_enabled(enum fl_log_level level);

/**
 * Write one line. Control characters in the text are escaped, so data of others cannot forge lines.
 * @param tag  the room that speaks: "etcd", "fib", "vxlan"; a literal
 */
FL_PUBLIC void fl_log(enum fl_log_level level, const char *tag, const char *fmt, ...)
	FL_PRINTF(3, 4);

#define fl_err(tag, ...)   fl_log(FL_LOG_ERR, tag, __VA_ARGS__)
#define fl_warn(tag, ...)  fl_log(FL_LOG_WARN, tag, __VA_ARGS__)
#define fl_info(tag, ...)  fl_log(FL_LOG_INFO, tag, __VA_ARGS__)
#define fl_debug(tag, ...) fl_log(FL_LOG_DEBUG, tag, __VA_ARGS__)

#ifdef __cplusplus
}
#endif

#endif
