/* core/firewall_child.c - running iptables-save and iptables-restore, see core/firewall_child.h. */
#include "firewall_child.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "io/child.h"

#define TIMEOUT_MS  10000u	/* another holder of the xtables lock may take its time */
#define SAVE_MAX    (64u << 20) /* bytes: a node of a large Kubernetes cluster has megabytes */
#define RESTORE_MAX 65536u	/* bytes: iptables-restore has nothing to print */

struct fl_child_spec fl_firewall_save_spec(const char *path, const char *argv[2])
{
	argv[0] = path;
	argv[1] = NULL;
	return (struct fl_child_spec){
		.argv = argv, .max_output = SAVE_MAX, .timeout_ms = TIMEOUT_MS};
}

struct fl_child_spec fl_firewall_restore_spec(const char *path, const struct fl_buf *input,
					      const char *argv[4])
{
	argv[0] = path;
	argv[1] = "--noflush";
	argv[2] = "--wait";
	argv[3] = NULL;
	return (struct fl_child_spec){.argv = argv,
				      .input = input->data,
				      .input_len = input->len,
				      .max_output = RESTORE_MAX,
				      .timeout_ms = TIMEOUT_MS};
}

/* The first line that says something: iptables-nft puts remarks about legacy tables, with '#',
 * before it. */
static size_t telling_line(const char **errors)
{
	const char *at = *errors;

	while (*at) {
		size_t len = strcspn(at, "\n");

		if (len && at[0] != '#') {
			*errors = at;
			return len;
		}
		at += len;
		at += *at == '\n';
	}
	return 0;
}

int fl_firewall_judge(const char *path, const struct fl_child_result *res,
		      char why[FL_FIREWALL_WHY_MAX])
{
	const char *errors = res->errors;
	size_t len = telling_line(&errors);

	if (res->error == -ETIMEDOUT)
		(void)snprintf(why, FL_FIREWALL_WHY_MAX,
			       "%s: no end after %u s; does another program hold the xtables lock?",
			       path, TIMEOUT_MS / 1000);
	else if (res->error)
		(void)snprintf(why, FL_FIREWALL_WHY_MAX, "%s: %s", path, strerror(-res->error));
	else if (res->signal)
		(void)snprintf(why, FL_FIREWALL_WHY_MAX, "%s: ended by signal %d", path,
			       res->signal);
	else if (res->exit_status && len)
		(void)snprintf(why, FL_FIREWALL_WHY_MAX, "%s: %.*s", path, (int)len, errors);
	else if (res->exit_status)
		(void)snprintf(why, FL_FIREWALL_WHY_MAX, "%s: exit status %d", path,
			       res->exit_status);
	else
		return 0;
	return res->error ? res->error : -EIO;
}
