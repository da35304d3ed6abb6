/* core/base/log_init.h - how the log is set up: the daemon's part, which modules do not see. */
#ifndef FL_BASE_LOG_INIT_H
#define FL_BASE_LOG_INIT_H

#include "log.h"

/**
 * Choose the format and how much is said. Without this call: text, verbosity 0.
 * @param verbosity  0 drops FL_LOG_DEBUG, 1 and more keep it
 */
void fl_log_init(enum fl_log_format format, int verbosity);

/** The same verbosity, changed while it runs. */
void fl_log_set_verbosity(int verbosity);

/**
 * Every line goes to syslog from now on, and to stderr only warnings and errors.
 * @return as fl_syslog_open(): a failure is no reason not to go on
 */
int fl_log_to_syslog(const char *path, const char *ident);

/** Only warnings and errors go to stderr: for a program that has its own output. */
void fl_log_quiet(void);

/** Nothing goes to stderr any longer. */
void fl_log_leave_stderr(void);

#endif
