/* core/firewall_child.h - how the programs of iptables are run, and what their end means. */
#ifndef FL_FIREWALL_CHILD_H
#define FL_FIREWALL_CHILD_H

struct fl_buf;
struct fl_child_result;
struct fl_child_spec;

#define FL_FIREWALL_WHY_MAX 512u

/** PROGRAM-save: all rules to its output. @p argv has room for 2 and outlives the start. */
struct fl_child_spec fl_firewall_save_spec(const char *path, const char *argv[2]);

/** PROGRAM-restore: @p input is applied, what it does not name stays. @p argv has room for 4. */
struct fl_child_spec fl_firewall_restore_spec(const char *path, const struct fl_buf *input,
					      const char *argv[4]);

/** @return 0 if the program did its work; else -errno, and @p why is one line that names it */
int fl_firewall_judge(const char *path, const struct fl_child_result *res,
		      char why[FL_FIREWALL_WHY_MAX]);

#endif
