/* tests/system/modules/fails.c - a backend that fails in the call that its config names.
 *
 * Backend.Fail says how: "create", "lease_data", "lease_data later", "up", "up later", "own_rows",
 * "mtu", "check", "rows", "early": it is never under way, but says that it has ended, or "data":
 * what lease_data() gives is not JSON. Backend.Error is the number that the call returns;
 * Backend.Rows what rows() says: "reject", "wait", "ignore", or else Error. */
#include <errno.h>
#include <flanneld/backend.h>
#include <stdlib.h>
#include <string.h>

struct conf {
	const char *fail;
	const char *rows;
	int error;
};

struct fl_backend {
	struct fl_env *env;
	struct fl_timer *timer;
	struct conf conf;
	bool later; /* was under way once: what comes now is the end of it */
};

static int conf_read(const struct fl_json *conf, struct conf *ret)
{
	const struct fl_conf_key keys[] = {
		{"Fail", FL_JSON_STRING, &ret->fail, 0, 0, false},
		{"Rows", FL_JSON_STRING, &ret->rows, 0, 0, false},
		{"Error", FL_JSON_OBJECT, NULL, 0, 0, false},
	};
	int64_t error = 0;

	*ret = (struct conf){.fail = "", .rows = ""};
	if (fl_conf_read(conf, "fails", keys, FL_ARRAY_SIZE(keys)) < 0)
		return -EINVAL;
	(void)fl_json_int(fl_conf_get(conf, "Error"), &error);
	ret->error = (int)error;
	return 0;
}

static int result(const struct conf *c, const char *call)
{
	return strcmp(c->fail, call) == 0 ? c->error : 0;
}

static int check(const struct fl_json *conf)
{
	struct conf c;
	int r = conf_read(conf, &c);

	return r < 0 ? r : result(&c, "check");
}

static void destroy(struct fl_backend *be)
{
	if (!be)
		return;
	fl_timer_destroy(be->timer);
	free(be);
}

static void on_later(void *owner)
{
	struct fl_backend *be = owner;

	fl_env_continue(be->env, be->conf.error);
}

static int create(struct fl_env *env, const struct fl_json *conf, struct fl_backend **ret)
{
	struct fl_backend *be = calloc(1, sizeof(*be));
	int r;

	if (!be)
		return -ENOMEM;
	be->env = env;
	r = conf_read(conf, &be->conf);
	if (r == 0)
		r = fl_timer_create(env, on_later, be, &be->timer);
	if (r == 0)
		r = result(&be->conf, "create");
	if (r) {
		destroy(be);
		return r;
	}
	*ret = be;
	return 0;
}

/* Nothing yet, the first time, if the config wants it so. */
static int later(struct fl_backend *be, const char *call)
{
	if (strcmp(be->conf.fail, "early") == 0)
		fl_env_continue(be->env, be->conf.error);
	if (be->later || strcmp(be->conf.fail, call) != 0)
		return 0;
	be->later = true;
	fl_timer_start(be->timer, 20);
	return -EINPROGRESS;
}

static int lease_data(struct fl_backend *be, char buf[FL_BACKEND_DATA_MAX])
{
	if (strcmp(be->conf.fail, "data") == 0)
		memset(buf, '{', FL_BACKEND_DATA_MAX - (be->conf.error ? 1 : 0));
	else
		strcpy(buf, "{}");
	return later(be, "lease_data later") + result(&be->conf, "lease_data");
}

static uint32_t mtu(struct fl_backend *be, uint32_t underlay_mtu)
{
	return strcmp(be->conf.fail, "mtu") == 0 ? 0 : underlay_mtu;
}

static int up(struct fl_backend *be, const struct fl_lease *own)
{
	(void)own;
	return later(be, "up later") + result(&be->conf, "up");
}

static int own_rows(struct fl_backend *be, const struct fl_lease *own, struct fl_rows *into)
{
	(void)own;
	if (strcmp(be->conf.fail, "own_rows") == 0 && strcmp(be->conf.rows, "reject") == 0)
		return fl_rows_reject(into, "%s says so", "the test");
	return result(&be->conf, "own_rows");
}

static int rows(struct fl_backend *be, const struct fl_lease *peer, uint32_t way,
		struct fl_rows *into)
{
	const char *say = be->conf.rows;

	(void)peer;
	(void)way;
	if (strcmp(say, "reject") == 0)
		return fl_rows_reject(into, "%s says so", "the test");
	if (strcmp(say, "wait") == 0)
		return fl_rows_wait(into, "%s says so", "the test");
	if (strcmp(say, "ignore") == 0)
		return fl_rows_ignore(into, "%s says so", "the test");
	return result(&be->conf, "rows");
}

FL_BACKEND_EXPORT(.name = "fails", .description = "fails where the config wants it", .check = check,
		  .create = create, .lease_data = lease_data, .mtu = mtu, .up = up,
		  .own_rows = own_rows, .rows = rows, .destroy = destroy);
