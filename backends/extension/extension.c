/* backends/extension/extension.c - forwarding by commands that stand in the network config. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "core/backend.h"
#include "data.h"
#include "queue.h"
#include "run.h"

struct fl_backend {
	struct fl_env *env;
	const struct fl_extif *extif;
	struct ext_conf conf;
	struct ext_runner run;
	struct ext_queue *queue;
	struct fl_running *startup; /* PreStartupCommand or PostStartupCommand */
	struct fl_prefix subnet;    /* ours, since up() */
	bool has_data;
	char data[FL_BACKEND_DATA_MAX]; /* for the lease, once has_data */
};

/* ---- the start ---- */

/* Log why the start ends here. @return @p error */
static int refuse(const char *label, const char *why, int error)
{
	fl_err("extension", "%s: %s", label, why);
	return error;
}

static int run_startup(struct fl_backend *be, const struct ext_job *job, fl_command_done done)
{
	struct fl_command_result res = {0};
	char label[EXT_LABEL_MAX], why[EXT_REASON_MAX];

	res.error = ext_run(&be->run, job, done, be, &be->startup);
	if (res.error == 0)
		return -EINPROGRESS;
	(void)ext_run_result(&be->run, ext_label(job->key, job->subnet, label), &res, why);
	return refuse(label, why, res.error);
}

static void on_pre_startup(void *owner, const struct fl_command_result *res)
{
	struct fl_backend *be = owner;
	char label[EXT_LABEL_MAX], reason[EXT_REASON_MAX];
	const char *why = NULL;
	int r;

	be->startup = NULL;
	ext_label(EXT_PRE_STARTUP, NULL, label);
	r = ext_run_result(&be->run, label, res, reason);
	if (r < 0) {
		fl_env_continue(be->env, refuse(label, reason, r));
		return;
	}
	r = ext_data_encode(res->output, res->output_len, be->data, &why);
	be->has_data = r == 0;
	if (r < 0)
		refuse(label, r == -EINVAL ? why : strerror(-r), r);
	fl_env_continue(be->env, r);
}

static int lease_data(struct fl_backend *be, char buf[FL_BACKEND_DATA_MAX])
{
	const struct ext_job job = {
		.key = EXT_PRE_STARTUP,
		.public_ip = &be->extif->public_ip,
		.data = "",
	};

	if (!be->has_data && be->conf.commands[EXT_PRE_STARTUP])
		return run_startup(be, &job, on_pre_startup);
	strcpy(buf, be->data);
	return 0;
}

static void on_post_startup(void *owner, const struct fl_command_result *res)
{
	struct fl_backend *be = owner;
	char label[EXT_LABEL_MAX], why[EXT_REASON_MAX];
	int r;

	be->startup = NULL;
	ext_label(EXT_POST_STARTUP, &be->subnet, label);
	r = ext_run_result(&be->run, label, res, why);
	fl_env_continue(be->env, r < 0 ? refuse(label, why, r) : 0);
}

static int up(struct fl_backend *be, const struct fl_lease *own)
{
	const struct ext_job job = {
		.key = EXT_POST_STARTUP,
		.subnet = &own->subnet,
		.public_ip = &be->extif->public_ip,
		.data = "",
	};

	be->subnet = own->subnet;
	if (!be->conf.commands[EXT_POST_STARTUP])
		return 0;
	return run_startup(be, &job, on_post_startup);
}

/* ---- peers ---- */

/* There are no rows of ours: what leads to a peer is what its command makes. */
static int rows(struct fl_backend *be, const struct fl_lease *peer, uint32_t way,
		struct fl_rows *into)
{
	char data[EXT_DATA_MAX];
	const char *why = NULL;
	int r = ext_data_decode(peer->backend_data, data, &why);

	(void)be;
	(void)way;
	return r == -EINVAL ? fl_rows_reject(into, "%s", why) : r;
}

static int peer_add(struct fl_backend *be, const struct fl_lease *peer)
{
	char data[EXT_DATA_MAX];
	const char *why = NULL;
	int r = ext_data_decode(peer->backend_data, data, &why); /* rows() has accepted it */

	return r < 0 ? r : ext_queue_add(be->queue, peer, data);
}

static void peer_del(struct fl_backend *be, const struct fl_lease *peer)
{
	ext_queue_del(be->queue, &peer->subnet);
}

/* ---- life ---- */

static void destroy(struct fl_backend *be)
{
	if (!be)
		return;
	fl_command_kill(be->startup);
	ext_queue_destroy(be->queue);
	ext_conf_done(&be->conf);
	free(be);
}

static void say_commands(const struct ext_conf *conf)
{
	for (enum ext_key key = 0; key < EXT_KEYS; key++)
		fl_info("extension", "%s: %s", ext_key_name(key),
			!conf->commands[key]			    ? "none"
			: ext_command_is_shell(conf->commands[key]) ? "run by /bin/sh"
								    : "run without a shell");
}

static int create(struct fl_env *env, const struct fl_json *conf, struct fl_backend **ret)
{
	struct fl_backend *be = calloc(1, sizeof(*be));
	int r;

	if (!be)
		return -ENOMEM;
	be->env = env;
	be->extif = fl_env_extif(env);
	r = ext_conf_parse(conf, &be->conf);
	if (r < 0)
		goto fail;
	ext_runner_init(&be->run, env, &be->conf);
	r = ext_queue_create(&be->run, &be->queue);
	if (r < 0)
		goto fail;
	say_commands(&be->conf);
	*ret = be;
	return 0;

fail:
	destroy(be);
	return r;
}

static int check(const struct fl_json *conf)
{
	struct ext_conf parsed;
	int r = ext_conf_parse(conf, &parsed);

	if (r == 0)
		ext_conf_done(&parsed);
	return r;
}

/* What the commands make is theirs; the underlay's MTU is what flannel says, too. */
static uint32_t mtu(struct fl_backend *be, uint32_t underlay_mtu)
{
	(void)be;
	return underlay_mtu;
}

FL_BACKEND_EXPORT(.flags = FL_BACKEND_RUNS_COMMANDS, .name = "extension",
		  .description = "commands of the network config, for each peer; as root",
		  .check = check, .create = create, .lease_data = lease_data, .mtu = mtu, .up = up,
		  .rows = rows, .peer_add = peer_add, .peer_del = peer_del, .destroy = destroy);
