/* store/etcd.c - leases in etcd: the parts put together, the network config, and what is said. */
#include "store/etcd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "io/http.h"
#include "store/etcd2.h"
#include "store/etcd3.h"
#include "store/etcd_auto.h"
#include "store/etcd_internal.h"

#define CONNECT_TIMEOUT_MS 4000u
#define REQUEST_TIMEOUT_MS 10000u
#define CONFIG_POLL_MIN_MS 200u
#define CONFIG_POLL_MAX_MS 5000u

/* ---- what is said ---- */

static void say(struct fl_etcd *etcd)
{
	const char *text = etcd->trouble != FL_ETCD_FINE ? etcd->trouble_text : etcd->waiting;

	if (strcmp(text, etcd->said) == 0)
		return;
	(void)snprintf(etcd->said, sizeof(etcd->said), "%s", text);
	etcd->store.listener->ops->status(etcd->store.listener, *text ? text : NULL);
}

void fl_etcd_wait_for(struct fl_etcd *etcd, const char *fmt, ...)
{
	va_list args;

	etcd->waiting[0] = '\0';
	if (fmt) {
		va_start(args, fmt);
		(void)vsnprintf(etcd->waiting, sizeof(etcd->waiting), fmt, args);
		va_end(args);
	}
	say(etcd);
}

static enum fl_etcd_trouble worse(enum fl_etcd_trouble a, enum fl_etcd_trouble b)
{
	return a > b ? a : b;
}

void fl_etcd_trouble(struct fl_etcd_chan *ch, enum fl_etcd_trouble trouble, const char *why)
{
	struct fl_etcd *etcd = ch->etcd;
	const char *shown = etcd->endpoints.items[ch->endpoint].url;
	enum fl_etcd_trouble before = etcd->trouble;

	if (trouble == ch->trouble)
		return;
	/* Away comes after refused when all members but the refusing one are down: no news. */
	if (trouble == FL_ETCD_AWAY && ch->trouble == FL_ETCD_REFUSED)
		return;
	ch->trouble = trouble;
	etcd->trouble = worse(etcd->requests.trouble, etcd->events.trouble);
	if (etcd->trouble == before)
		return;
	if (etcd->trouble == FL_ETCD_FINE)
		fl_info("etcd", "%s: answers again", shown);
	else if (etcd->trouble > before && etcd->trouble == FL_ETCD_REFUSED)
		fl_err("etcd", "%s: access refused: %s; retrying every 5 s", shown, why);
	else if (etcd->trouble > before)
		fl_warn("etcd", "%s: %s%s; retrying", shown, why,
			etcd->endpoints.count > 1 ? ", and no other endpoint answers" : "");
	if (etcd->trouble > before)
		(void)snprintf(etcd->trouble_text, sizeof(etcd->trouble_text),
			       "waiting for etcd: %s: %s", shown, why);
	say(etcd);
}

void fl_etcd_met_cluster(struct fl_etcd_chan *ch, uint64_t cluster)
{
	struct fl_etcd *etcd = ch->etcd;
	const uint64_t before = etcd->cluster;

	if (cluster == 0 || cluster == before)
		return;
	etcd->cluster = cluster;
	if (before == 0)
		return;
	fl_warn("etcd",
		"%s: belongs to cluster %" PRIx64 ", before it was %" PRIx64
		": restored from a backup, or --etcd-endpoints leads to another cluster",
		etcd->endpoints.items[ch->endpoint].url, cluster, before);
	fl_etcd_watch_anew(ch);
}

/* ---- the network config ---- */

static const struct fl_etcd_chan_ops config_ops;

static void get_config(struct fl_etcd *etcd, uint32_t delay_ms)
{
	const struct fl_etcd_request req = {
		.verb = FL_ETCD_GET_CONFIG,
		.ttl_s = FL_ETCD_FOREVER,
		.timeout_ms = REQUEST_TIMEOUT_MS,
	};

	etcd->config_news = false;
	fl_etcd_chan_start(&etcd->requests, &config_ops, &req, delay_ms);
}

static void on_config_entry(struct fl_etcd *etcd, const struct fl_etcd_entry *e)
{
	char *copy;

	if (etcd->config && e->value_len == etcd->config_len &&
	    memcmp(etcd->config, e->value, e->value_len) == 0)
		return;
	copy = malloc(e->value_len + 1);
	if (!copy)
		return; /* asked for again soon */
	memcpy(copy, e->value, e->value_len);
	copy[e->value_len] = '\0';
	free(etcd->config);
	etcd->config = copy;
	etcd->config_len = e->value_len;
	etcd->config_news = true;
}

static const char *another_config(const struct fl_etcd *etcd, char buf[FL_ETCD_TEXT_MAX])
{
	(void)snprintf(buf, FL_ETCD_TEXT_MAX, "waiting for another %.400s/config", etcd->prefix);
	return buf;
}

static void on_config_done(struct fl_etcd *etcd, const struct fl_etcd_result *res)
{
	struct fl_store_listener *l = etcd->store.listener;
	bool missing = res->outcome != FL_ETCD_OK;
	char text[FL_ETCD_TEXT_MAX];

	if (etcd->config_news) {
		fl_etcd_wait_for(etcd, NULL);
		l->ops->config(l, etcd->config, etcd->config_len);
		return;
	}
	if (missing && !etcd->config_missing)
		fl_info("etcd", "%s/config: not there yet; waiting for it", etcd->prefix);
	etcd->config_missing = missing;
	if (missing)
		fl_etcd_wait_for(etcd, "waiting for %s/config", etcd->prefix);
	else
		fl_etcd_wait_for(etcd, "%s", another_config(etcd, text));
	get_config(etcd, fl_backoff_next(&etcd->config_wait));
}

static const struct fl_etcd_chan_ops config_ops = {
	.entry = on_config_entry,
	.done = on_config_done,
};

static int fetch_config(struct fl_store *s)
{
	struct fl_etcd *etcd = fl_etcd_of(s);

	fl_backoff_reset(&etcd->config_wait);
	if (etcd->config) {
		/* The listener has just said why the last one is no good. That shall stand until
		 * there is other news, so this counts as said. */
		another_config(etcd, etcd->waiting);
		another_config(etcd, etcd->said);
	}
	get_config(etcd, 0);
	return 0;
}

static void reload(struct fl_store *s)
{
	fl_http_reload(fl_etcd_of(s)->http);
}

/* ---- life ---- */

static void destroy(struct fl_store *s)
{
	struct fl_etcd *etcd;

	if (!s)
		return;
	etcd = fl_etcd_of(s);
	fl_etcd_chan_done(&etcd->requests);
	fl_etcd_chan_done(&etcd->events);
	if (etcd->opened && etcd->api->close)
		etcd->api->close(&etcd->session);
	fl_etcd_acquire_done(etcd);
	fl_etcd_listing_drop(etcd);
	fl_etcd_own_done(etcd);
	fl_etcd_bad_done(&etcd->bad);
	fl_etcd_keys_done(&etcd->keys);
	fl_http_destroy(etcd->http);
	fl_etcd_endpoints_done(&etcd->endpoints);
	free(etcd->config);
	free(etcd);
}

static bool is_set(const char *s)
{
	return s && *s;
}

static int refuse(char **why, const char *text)
{
	*why = strdup(text);
	return *why ? -EINVAL : -ENOMEM;
}

int fl_etcd_conf_check(const struct fl_store_conf *conf, char **why)
{
	if (is_set(conf->cert_file) != is_set(conf->key_file))
		return refuse(why, "etcd-certfile and etcd-keyfile: one is of no use without the "
				   "other");
	if (is_set(conf->password) && !is_set(conf->username))
		return refuse(why, "etcd-password: of no use without etcd-username");
	if (conf->lease_ttl_s < 2 || conf->renew_margin_s >= conf->lease_ttl_s)
		return refuse(why, "subnet-lease-ttl: must be longer than "
				   "subnet-lease-renew-margin");
	return 0;
}

static int open_session(struct fl_etcd *etcd)
{
	const struct fl_store_conf *conf = etcd->conf;
	int r;

	etcd->session = (struct fl_etcd_session){
		.http = etcd->http,
		.prefix = etcd->prefix,
		.username = conf->username ? conf->username : "",
		.password = conf->password ? conf->password : "",
	};
	r = etcd->api->open ? etcd->api->open(&etcd->session) : 0;
	etcd->opened = r == 0;
	return r;
}

void fl_etcd_http_conf(const struct fl_store_conf *conf, struct fl_http_conf *ret)
{
	*ret = (struct fl_http_conf){
		.ca_file = conf->ca_file,
		.cert_file = conf->cert_file,
		.key_file = conf->key_file,
		.username = conf->username,
		.password = conf->password,
		.user_agent = "flanneld",
		.connect_timeout_ms = CONNECT_TIMEOUT_MS,
	};
}

static int build(struct fl_etcd *etcd, char **why)
{
	const struct fl_store_conf *conf = etcd->conf;
	struct fl_http_conf http_conf;
	int r;

	fl_etcd_http_conf(conf, &http_conf);
	r = fl_etcd_conf_check(conf, why);
	if (r < 0)
		return r;
	r = fl_etcd_prefix_parse(conf->prefix, etcd->prefix, why);
	if (r < 0)
		return r;
	r = fl_etcd_endpoints_parse(conf->endpoints, &etcd->endpoints, why);
	if (r < 0)
		return r;
	r = fl_http_create(etcd->loop, &http_conf, &etcd->http);
	if (r < 0)
		return r;
	r = open_session(etcd);
	if (r < 0)
		return r;
	r = fl_etcd_chan_init(&etcd->requests, etcd);
	if (r < 0)
		return r;
	return fl_etcd_chan_init(&etcd->events, etcd);
}

const struct fl_etcd_api *fl_etcd_api;

const struct fl_etcd_api *fl_etcd_api_of(const struct fl_store_conf *conf)
{
	if (fl_etcd_api)
		return fl_etcd_api;
	return conf->etcd_api == 2   ? &fl_etcd2_api
	       : conf->etcd_api == 3 ? &fl_etcd3_api
				     : &fl_etcd_auto_api;
}

static int create(struct ev_loop *loop, const struct fl_store_conf *conf,
		  struct fl_store_listener *listener, struct fl_store **ret, char **why)
{
	struct fl_etcd *etcd = calloc(1, sizeof(*etcd));
	int r;

	if (!etcd)
		return -ENOMEM;
	etcd->store = (struct fl_store){.ops = &fl_store_etcd, .listener = listener};
	etcd->loop = loop;
	etcd->conf = conf;
	etcd->api = fl_etcd_api_of(conf);
	(void)fl_backoff_init(&etcd->config_wait, CONFIG_POLL_MIN_MS, CONFIG_POLL_MAX_MS);
	fl_etcd_listing_init(etcd);
	fl_etcd_own_init(etcd);
	r = build(etcd, why);
	if (r < 0) {
		destroy(&etcd->store);
		return r;
	}
	*ret = &etcd->store;
	return 0;
}

const struct fl_store_ops fl_store_etcd = {
	.create = create,
	.fetch_config = fetch_config,
	.acquire = fl_etcd_acquire,
	.watch = fl_etcd_watch,
	.change = fl_etcd_change,
	.release = fl_etcd_release,
	.reload = reload,
	.stats = fl_etcd_stats,
	.destroy = destroy,
};
