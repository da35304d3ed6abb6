/* core/firewall.c - reads and corrects the iptables rules with child processes, see
 * core/firewall.h. */
#include "firewall.h"

#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "firewall_child.h"
#include "firewall_rules.h"
#include "io/child.h"

struct fl_firewall {
	struct ev_loop *loop;
	struct fl_firewall_conf conf;
	struct fl_firewall_listener *listener;
	char *save_path;    /* NULL: no iptables, nothing to do */
	char *restore_path; /* likewise */
	struct fl_firewall_want want;
	struct fl_child *child;	   /* the one that runs, or NULL */
	struct fl_buf input;	   /* what iptables-restore is to do */
	struct fl_buf plain;	   /* the same without --random-fully */
	bool random_fully_refused; /* by an iptables that did not tell its version */
	ev_timer nothing;	   /* tells the listener from the loop where no child has to run */
};

static void forget_input(struct fl_firewall *fw)
{
	fl_buf_done(&fw->input);
	fl_buf_done(&fw->plain);
}

/* The listener may destroy us: last thing to do. */
static void tell(struct fl_firewall *fw, int error, const char *why)
{
	forget_input(fw);
	fw->listener->applied(fw->listener, error, why);
}

static void on_nothing(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	tell(fl_container_of(w, struct fl_firewall, nothing), 0, "");
}

/* --- write */

static int run(struct fl_firewall *fw, const struct fl_child_spec *spec, fl_child_done done)
{
	return fl_child_start(fw->loop, spec, done, fw, &fw->child);
}

static void on_restored(void *owner, const struct fl_child_result *res);

/* Ends in tell(), now or later. */
static void restore(struct fl_firewall *fw, const struct fl_buf *input)
{
	const char *argv[4];
	struct fl_child_spec spec = fl_firewall_restore_spec(fw->restore_path, input, argv);
	char why[FL_FIREWALL_WHY_MAX];
	int r;

	if (!input->len) {
		fl_debug("firewall", "all rules stand already");
		tell(fw, 0, "");
		return;
	}
	r = run(fw, &spec, on_restored);
	if (r == 0)
		return;
	(void)snprintf(why, sizeof(why), "%s: %s", fw->restore_path, strerror(-r));
	tell(fw, r, why);
}

static void on_restored(void *owner, const struct fl_child_result *res)
{
	struct fl_firewall *fw = owner;
	char why[FL_FIREWALL_WHY_MAX] = "", network[FL_PREFIX_STRLEN];
	int r = fl_firewall_judge(fw->restore_path, res, why);

	fw->child = NULL;
	if (r < 0 && fw->want.random_fully && strstr(res->errors, "random-fully")) {
		fw->random_fully_refused = true;
		fw->want.random_fully = false;
		fl_warn("firewall", "%s; masquerading with predictable ports", why);
		restore(fw, &fw->plain);
		return;
	}
	if (r == 0)
		fl_info("firewall", "rules written for network %s",
			fl_prefix_format(&fw->want.network, network));
	tell(fw, r, why);
}

/* --- read */

static int compare(struct fl_firewall *fw, const struct fl_child_result *res)
{
	struct fl_firewall_want plain = fw->want;
	int r;

	fw->want.random_fully = fw->conf.random_fully && !fw->random_fully_refused &&
				fl_firewall_rules_random_fully(res->output);
	r = fl_firewall_rules_correct(&fw->want, res->output, res->output_len, &fw->input);
	if (r < 0 || !fw->want.random_fully)
		return r;
	plain.random_fully = false;
	return fl_firewall_rules_correct(&plain, res->output, res->output_len, &fw->plain);
}

static void on_saved(void *owner, const struct fl_child_result *res)
{
	struct fl_firewall *fw = owner;
	char why[FL_FIREWALL_WHY_MAX] = "";
	int r = fl_firewall_judge(fw->save_path, res, why);

	fw->child = NULL;
	if (r == 0) {
		r = compare(fw, res);
		(void)snprintf(why, sizeof(why), "%s: %s", fw->save_path,
			       r == -EBADMSG ? "what it printed is no list of rules"
					     : strerror(-r));
	}
	if (r < 0)
		tell(fw, r, why);
	else
		restore(fw, &fw->input);
}

static void stop(struct fl_firewall *fw)
{
	ev_timer_stop(fw->loop, &fw->nothing);
	fl_child_kill(fw->child);
	fw->child = NULL;
	forget_input(fw);
}

int fl_firewall_apply(struct fl_firewall *fw, const struct fl_prefix *network,
		      const struct fl_prefix *subnet)
{
	const char *argv[2];
	struct fl_child_spec spec = fl_firewall_save_spec(fw->save_path, argv);

	stop(fw);
	if (!fw->save_path) {
		ev_timer_set(&fw->nothing, 0., 0.);
		ev_timer_start(fw->loop, &fw->nothing);
		return 0;
	}
	fw->want.network = fl_prefix_masked(network);
	fw->want.subnet = fl_prefix_masked(subnet);
	return run(fw, &spec, on_saved);
}

/* --- life */

/* @return 0, also if there is no iptables but nobody depends on it; -ENOENT, -ENOMEM */
static int find_tools(struct fl_firewall *fw, char **why)
{
	const char *missing;

	fw->save_path = fl_child_which("iptables-save");
	fw->restore_path = fl_child_which("iptables-restore");
	if (fw->save_path && fw->restore_path)
		return 0;
	missing = fw->save_path ? "iptables-restore" : "iptables-save";
	free(fw->save_path);
	fw->save_path = NULL;
	if (fw->conf.masq) {
		if (asprintf(why,
			     "%s is not in PATH: --ip-masq needs it; install iptables, or start "
			     "without --ip-masq",
			     missing) < 0) {
			*why = NULL;
			return -ENOMEM;
		}
		return -ENOENT;
	}
	if (fw->conf.forward)
		fl_warn("firewall",
			"%s is not in PATH: no forward rules; if the FORWARD policy is DROP, "
			"packets of containers are lost",
			missing);
	return 0;
}

int fl_firewall_create(struct ev_loop *loop, const struct fl_firewall_conf *conf,
		       struct fl_firewall_listener *listener, struct fl_firewall **ret, char **why)
{
	struct fl_firewall *fw = calloc(1, sizeof(*fw));
	int r;

	if (!fw)
		return -ENOMEM;
	fw->loop = loop;
	fw->conf = *conf;
	fw->listener = listener;
	fw->want.masq = conf->masq;
	fw->want.forward = conf->forward;
	ev_timer_init(&fw->nothing, on_nothing, 0., 0.);
	r = find_tools(fw, why);
	if (r < 0) {
		fl_firewall_destroy(fw);
		return r;
	}
	*ret = fw;
	return 0;
}

void fl_firewall_destroy(struct fl_firewall *fw)
{
	if (!fw)
		return;
	stop(fw);
	free(fw->save_path);
	free(fw->restore_path);
	free(fw);
}
