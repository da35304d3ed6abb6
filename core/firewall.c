/* core/firewall.c - reads and corrects the iptables rules with child processes, see
 * core/firewall.h. */
#include "firewall.h"

#include <errno.h>
#include <ev.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/backoff.h"
#include "base/buf.h"
#include "base/log.h"
#include "firewall_child.h"
#include "firewall_rules.h"
#include "firewall_watch.h"
#include "io/child.h"

#define GATHER_MS     50u /* a flush is many announcements */
#define REPAIR_MIN_MS 200u
#define REPAIR_MAX_MS 60000u
#define CALM_S	      60.

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
	struct fl_firewall_watch *watch; /* NULL: no rules are wanted, or it cannot be had */
	bool watches_legacy;
	struct fl_firewall_watch_listener watch_listener;
	bool legacy;
	bool known;	/* that it is, or is not */
	bool repairing; /* the run that is under way looks at what others have done */
	bool disturbed; /* since it has begun */
	ev_timer repair;
	struct fl_backoff pace;
	ev_tstamp repaired_at; /* 0: never */
	uint64_t repairs;
};

static void forget_input(struct fl_firewall *fw)
{
	fl_buf_done(&fw->input);
	fl_buf_done(&fw->plain);
}

/* From now on what others do to the rules is noticed: of nf_tables before the first look, so that
 * nothing is missed behind it; of a legacy iptables once it is known that it is one. */
static void listen(struct fl_firewall *fw)
{
	const struct fl_firewall_watch_conf conf = {.legacy = fw->legacy,
						    .resync_s = fw->conf.resync_s};
	int r;

	if (!fw->save_path || !(fw->conf.masq || fw->conf.forward) ||
	    (fw->watch && fw->watches_legacy == fw->legacy))
		return;
	fl_firewall_watch_destroy(fw->watch);
	fw->watch = NULL;
	r = fl_firewall_watch_create(fw->loop, &conf, &fw->watch_listener, &fw->watch);
	fw->watches_legacy = fw->legacy;
	if (r < 0)
		fl_log(fw->known ? FL_LOG_WARN : FL_LOG_DEBUG, "firewall",
		       "what others do to the rules is not noticed: %s", strerror(-r));
}

static void repair_in(struct fl_firewall *fw, uint32_t ms)
{
	fw->disturbed = false;
	if (ev_is_active(&fw->repair))
		return;
	ev_timer_set(&fw->repair, ms / 1e3, 0.);
	ev_timer_start(fw->loop, &fw->repair);
}

/* The listener may destroy us: last thing to do. */
static void tell(struct fl_firewall *fw, int error, const char *why)
{
	forget_input(fw);
	if (error == 0)
		listen(fw);
	if (error == 0 && fw->watch)
		fl_firewall_watch_accept(fw->watch);
	fw->repairing = false;
	if (fw->disturbed)
		repair_in(fw, GATHER_MS);
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
	if (r == 0 && fw->watch)
		fl_firewall_watch_ours(fw->watch, fl_child_pid(fw->child));
	if (r == 0)
		return;
	(void)snprintf(why, sizeof(why), "%s: %s", fw->restore_path, strerror(-r));
	tell(fw, r, why);
}

/* A fight is said as it begins, and then each time that its pace gets slower. */
static void say_written(struct fl_firewall *fw)
{
	char network[FL_PREFIX_STRLEN];
	ev_tstamp now = ev_now(fw->loop);
	bool calm = fw->repaired_at == 0. || now - fw->repaired_at > CALM_S;

	(void)fl_prefix_format(&fw->want.network, network);
	if (!fw->repairing) {
		fl_info("firewall", "rules written for network %s", network);
		return;
	}
	fw->repairs++;
	fw->repaired_at = now;
	if (calm)
		fl_backoff_reset(&fw->pace);
	fl_warn("firewall", "somebody has changed the rules for network %s: they are put right%s",
		network, calm ? "" : " again, and looked at less often while this goes on");
}

static void on_restored(void *owner, const struct fl_child_result *res)
{
	struct fl_firewall *fw = owner;
	char why[FL_FIREWALL_WHY_MAX] = "";
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
		say_written(fw);
	tell(fw, r, why);
}

/* --- read */

/* iptables-save leads to xtables-nft-multi, to xtables-legacy-multi, or, before 1.8, to what is
 * legacy now. */
static bool is_named_nft(const struct fl_firewall *fw)
{
	char *real = realpath(fw->save_path, NULL);
	bool nft = real && strstr(real, "nft");

	free(real);
	return nft;
}

/* Before there is a table, the program's own name has to tell. */
static bool is_legacy(const struct fl_firewall *fw, const char *save)
{
	enum fl_firewall_kind kind = fl_firewall_rules_kind(save);

	return kind == FL_FIREWALL_UNKNOWN ? !is_named_nft(fw) : kind == FL_FIREWALL_LEGACY;
}

static int compare(struct fl_firewall *fw, const struct fl_child_result *res)
{
	struct fl_firewall_want plain = fw->want;
	int r;

	fw->legacy = is_legacy(fw, res->output);
	fw->known = true;
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
	ev_timer_stop(fw->loop, &fw->repair);
	fl_child_kill(fw->child);
	fw->child = NULL;
	forget_input(fw);
}

/* Ends in tell(). @return 0 or -errno */
static int look(struct fl_firewall *fw)
{
	const char *argv[2];
	struct fl_child_spec spec = fl_firewall_save_spec(fw->save_path, argv);

	return run(fw, &spec, on_saved);
}

/* ---- what others do */

static void on_repair(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct fl_firewall *fw = fl_container_of(w, struct fl_firewall, repair);
	int r;

	(void)loop;
	(void)revents;
	if (fw->child) { /* it may have seen what was before */
		fw->disturbed = true;
		return;
	}
	fw->repairing = true;
	r = look(fw);
	if (r < 0)
		tell(fw, r, strerror(-r));
}

static void on_changed(struct fl_firewall_watch_listener *l)
{
	struct fl_firewall *fw = fl_container_of(l, struct fl_firewall, watch_listener);
	bool fight = fw->repaired_at > 0. && ev_now(fw->loop) - fw->repaired_at < CALM_S;

	if (fw->child)
		fw->disturbed = true;
	else if (!ev_is_active(&fw->repair))
		repair_in(fw, fight ? fl_backoff_next(&fw->pace) : GATHER_MS);
}

int fl_firewall_apply(struct fl_firewall *fw, const struct fl_prefix *network,
		      const struct fl_prefix *subnet)
{
	stop(fw);
	fw->repairing = false;
	fw->disturbed = false;
	if (!fw->save_path) {
		ev_timer_set(&fw->nothing, 0., 0.);
		ev_timer_start(fw->loop, &fw->nothing);
		return 0;
	}
	fw->want.network = fl_prefix_masked(network);
	fw->want.subnet = fl_prefix_masked(subnet);
	listen(fw);
	return look(fw);
}

uint64_t fl_firewall_repairs(const struct fl_firewall *fw)
{
	return fw ? fw->repairs : 0;
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
	fw->watch_listener.changed = on_changed;
	ev_timer_init(&fw->nothing, on_nothing, 0., 0.);
	ev_timer_init(&fw->repair, on_repair, 0., 0.);
	(void)fl_backoff_init(&fw->pace, REPAIR_MIN_MS, REPAIR_MAX_MS);
	r = find_tools(fw, why);
	if (r < 0) {
		fl_firewall_destroy(fw);
		return r;
	}
	*ret = fw;
	return 0;
}

void fl_firewall_programs(const struct fl_firewall *fw, const char *ret[2])
{
	ret[0] = fw->save_path;
	ret[1] = fw->restore_path;
}

void fl_firewall_load_tables(const struct fl_firewall *fw)
{
	char program[] = "modprobe", quiet[] = "-q", all[] = "-a", core[] = "ip_tables",
	     nat[] = "iptable_nat", filter[] = "iptable_filter";
	char *const argv[] = {program, quiet, all, core, nat, filter, NULL};
	bool wanted = (fw->conf.masq || fw->conf.forward) && fw->save_path && !is_named_nft(fw) &&
		      access("/proc/net/ip_tables_names", F_OK) < 0;
	pid_t pid;

	if (wanted && posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) == 0)
		(void)waitpid(pid, NULL, 0);
}

void fl_firewall_destroy(struct fl_firewall *fw)
{
	if (!fw)
		return;
	stop(fw);
	fl_firewall_watch_destroy(fw->watch);
	free(fw->save_path);
	free(fw->restore_path);
	free(fw);
}
