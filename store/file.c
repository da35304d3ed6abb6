/* store/file.c - network config and leases from a file that people write: it is read when it
 * changes, and what it says is told. */
#include "store/file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/slurp.h"
#include "netconf.h"
#include "store/file_internal.h"

#define SCHEME "file://"

/* ---- what is said ---- */

void fl_file_status(struct fl_file *f, const char *text)
{
	const char *shown = text ? text : "";

	if (strcmp(shown, f->said) == 0)
		return;
	(void)snprintf(f->said, sizeof(f->said), "%s", shown);
	f->store.listener->ops->status(f->store.listener, text);
}

/* Where this host's packets go is up to whoever may write the file. */
static const char *strangers(const struct stat *st)
{
	if (st->st_mode & S_IWOTH)
		return "every user";
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return "its owner, who is not root,";
	if ((st->st_mode & S_IWGRP) && st->st_gid != 0 && st->st_gid != getegid())
		return "its group";
	return "";
}

static void warn_of_strangers(struct fl_file *f, const struct stat *st)
{
	char *folder = strdup(f->path), *slash = folder ? strrchr(folder, '/') : NULL;
	const char *who = strangers(st), *what = f->path;
	struct stat above;

	if (!*who && slash) {
		slash[slash == folder] = '\0';
		what = folder;
		/* where the sticky bit is set, only the owner replaces the file */
		if (stat(folder, &above) == 0 && !(above.st_mode & S_ISVTX))
			who = strangers(&above);
	}
	if (*who && strcmp(who, f->open_to) != 0)
		fl_warn("file",
			"%s: %s may write to it, and so decides where this host's packets go; "
			"chmod go-w and chown root help",
			what, who);
	(void)snprintf(f->open_to, sizeof(f->open_to), "%s", who);
	free(folder);
}

/* Once for each reason; what the file has said before stays. */
static void say_fault(struct fl_file *f, const char *why)
{
	char text[FL_FILE_TEXT_MAX + 16];

	if (strcmp(f->fault, why) == 0)
		return;
	(void)snprintf(f->fault, sizeof(f->fault), "%s", why);
	if (f->loaded)
		fl_err("file", "%s: %s; what it said before stays in force", f->path, f->fault);
	else
		fl_warn("file", "%s: %s; waiting for it", f->path, f->fault);
	(void)snprintf(text, sizeof(text), "%s%s: %.200s", f->loaded ? "" : "waiting for ", f->path,
		       f->fault);
	fl_file_status(f, text);
}

/* ---- reading ---- */

static int parse(struct fl_file *f, const struct fl_buf *text, struct fl_file_content *ret)
{
	char *why = NULL;
	int r = fl_file_content_parse(text->data ? text->data : "", text->len, ret, &why);

	if (r < 0)
		say_fault(f, why ? why : strerror(-r));
	free(why);
	return r;
}

/* Once we run by a config, one that is none shows that the file is not meant to be used. */
static int check_config(struct fl_file *f, const struct fl_file_content *c)
{
	struct fl_netconf nc;
	char *why = NULL;
	int r;

	if (!f->own || strcmp(c->config, f->config) == 0)
		return 0;
	r = fl_netconf_parse(c->config, strlen(c->config), &nc, &why);
	if (r == 0)
		fl_netconf_done(&nc);
	else
		say_fault(f, why ? why : strerror(-r));
	free(why);
	return r;
}

static int read_content(struct fl_file *f, struct fl_file_content *ret)
{
	struct fl_buf text = {0};
	struct stat st;
	int r = fl_slurp(f->path, FL_FILE_MAX, &text, &st);

	if (r < 0) {
		say_fault(f, fl_slurp_reason(r));
	} else {
		warn_of_strangers(f, &st);
		r = parse(f, &text, ret);
	}
	fl_buf_done(&text);
	if (r < 0)
		return r;
	r = check_config(f, ret);
	if (r < 0)
		fl_file_content_done(ret);
	return r;
}

static void load(struct fl_file *f)
{
	struct fl_file_content c;

	if (read_content(f, &c) < 0)
		return;
	if (f->fault[0] && f->loaded)
		fl_info("file", "%s: can be used again", f->path);
	if (f->fault[0])
		fl_file_status(f, NULL);
	f->fault[0] = '\0';
	f->awaits[0] = '\0'; /* whoever has changed it wants to know whether that was enough */
	fl_file_content_done(&f->content);
	f->content = c;
	f->loaded = true;
	f->fresh = true;
	f->read_s = ev_now(f->loop);
	fl_file_say_notes(f);
}

/* ---- telling: the listener's functions may call the store, or destroy it, so each comes last ----
 */

static void work_soon(struct fl_file *f)
{
	if (ev_is_active(&f->work))
		return;
	ev_timer_set(&f->work, 0., 0.);
	ev_timer_start(f->loop, &f->work);
}

static void look_soon(struct fl_file *f)
{
	f->unread = true;
	work_soon(f);
}

static void tell_config(struct fl_file *f)
{
	struct fl_store_listener *l = f->store.listener;
	char *copy;

	if (f->config && strcmp(f->config, f->content.config) == 0)
		return; /* it was refused, so another one is waited for */
	copy = strdup(f->content.config);
	if (!copy)
		return;
	free(f->config);
	f->config = copy;
	f->wants_config = false;
	fl_file_status(f, NULL);
	l->ops->config(l, f->config, strlen(f->config));
}

static void tell_lease(struct fl_file *f)
{
	struct fl_store_listener *l = f->store.listener;

	if (!fl_file_find_own(f))
		return;
	f->wants_lease = false;
	f->nc = NULL;
	fl_file_status(f, NULL);
	l->ops->acquired(l, f->own);
}

static void say_new_config(struct fl_file *f)
{
	bool other = strcmp(f->config, f->content.config) != 0;

	if (other && !f->config_told)
		fl_warn("file",
			"%s: the network config has changed, which counts at the next start",
			f->path);
	f->config_told = other;
}

static void tell_changes(struct fl_file *f)
{
	struct fl_store_listener *l = f->store.listener;
	char why[FL_FILE_TEXT_MAX];

	f->fresh = false;
	f->snapshots++;
	say_new_config(f);
	if (fl_file_check_own(f, why)) {
		fl_file_tell_peers(f);
		return;
	}
	f->watching = false;
	f->lost = true;
	l->ops->lost(l, why);
}

static void on_work(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct fl_file *f = fl_container_of(w, struct fl_file, work);
	struct fl_store_listener *l = f->store.listener;

	(void)loop;
	(void)revents;
	if (f->releasing) {
		f->releasing = false;
		l->ops->released(l, 0);
		return;
	}
	if (f->unread)
		load(f);
	f->unread = false;
	if (!f->loaded)
		return;
	if (f->wants_config)
		tell_config(f);
	else if (f->wants_lease)
		tell_lease(f);
	else if (f->watching && f->fresh)
		tell_changes(f);
}

static void on_changed(struct fl_path_watch *w)
{
	look_soon(fl_container_of(w, struct fl_file, watch));
}

/* ---- what is asked for ---- */

static int fetch_config(struct fl_store *s)
{
	struct fl_file *f = fl_file_of(s);

	if (!f->watch.loop) {
		fl_path_watch_start(&f->watch, f->loop, f->path, on_changed);
		f->unread = true;
	}
	f->wants_config = true;
	work_soon(f);
	return 0;
}

static int acquire(struct fl_store *s, const struct fl_netconf *nc, const struct fl_lease *mine,
		   const struct fl_prefix *previous, const struct fl_addr *underlay)
{
	struct fl_file *f = fl_file_of(s);

	fl_lease_record_free(f->mine);
	fl_lease_record_free(f->own);
	f->own = NULL;
	f->mine = fl_lease_record_new(mine);
	if (!f->mine)
		return -ENOMEM;
	f->nc = nc;
	f->previous = previous ? *previous : (struct fl_prefix){0};
	f->underlay = underlay ? *underlay : (struct fl_addr){0};
	f->awaits[0] = '\0';
	f->wants_lease = true;
	work_soon(f);
	return 0;
}

static int watch(struct fl_store *s)
{
	struct fl_file *f = fl_file_of(s);

	if (!f->own)
		return -EINVAL;
	f->watching = true;
	f->fresh = true;
	work_soon(f);
	return 0;
}

/* The file is not ours to write; whoever changes it ends us by that, and starts us with the new. */
static int change(struct fl_store *s, const struct fl_lease *mine, const struct fl_lease **own)
{
	struct fl_file *f = fl_file_of(s);
	char subnet[FL_PREFIX_STRLEN], now[FL_ADDR_STRLEN];
	struct fl_lease_record *rec;

	if (!f->own || f->lost)
		return -EINVAL;
	rec = fl_lease_record_new(mine);
	if (!rec)
		return -ENOMEM;
	fl_lease_record_free(f->mine);
	f->mine = rec;
	if (!fl_addr_equal(&mine->public_ip, &f->own->lease.public_ip))
		fl_err("file",
		       "%s: %s: this host's address is %s now, but its PublicIP is another one; "
		       "the other hosts do not reach it until that is changed",
		       f->path, fl_prefix_format(&f->own->lease.subnet, subnet),
		       fl_addr_format(&mine->public_ip, now));
	*own = &f->own->lease;
	return 0;
}

/* The lease is the file's, not ours to delete: like a reservation, it stays. */
static int release(struct fl_store *s)
{
	struct fl_file *f = fl_file_of(s);

	fl_path_watch_stop(&f->watch);
	fl_info("file", "%s: our lease stays, since a file gives it", f->path);
	f->releasing = true;
	work_soon(f);
	return 0;
}

static void reload(struct fl_store *s)
{
	struct fl_file *f = fl_file_of(s);

	if (f->watch.loop)
		look_soon(f);
}

static uint32_t count_unreadable(const struct fl_file *f)
{
	uint32_t n = 0;

	for (size_t i = 0; i < f->content.count; i++)
		n += f->content.entries[i].rec == NULL;
	return n;
}

static void stats(const struct fl_store *s, struct fl_store_stats *ret)
{
	const struct fl_file *f = fl_container_of(s, struct fl_file, store);

	*ret = (struct fl_store_stats){
		.own = !f->own || f->lost ? FL_STORE_OWN_NONE
		       : f->own_missing	  ? FL_STORE_OWN_AMISS
					  : FL_STORE_OWN_HELD,
		.following = f->watching && !f->fresh && !f->fault[0],
		.contact_s = f->read_s,
		.waiting = f->said,
		.unreadable = count_unreadable(f),
		.snapshots = f->snapshots,
	};
}

/* ---- life ---- */

static void destroy(struct fl_store *s)
{
	struct fl_file *f = fl_file_of(s);

	fl_path_watch_stop(&f->watch);
	ev_timer_stop(f->loop, &f->work);
	fl_file_content_done(&f->content);
	fl_lease_record_free(f->mine);
	fl_lease_record_free(f->own);
	for (size_t i = 0; i < f->n_notes; i++)
		free(f->notes[i]);
	free(f->notes);
	free(f->config);
	free(f->path);
	free(f);
}

const char *fl_store_path_of(const char *url)
{
	const size_t len = sizeof(SCHEME) - 1;

	return strncmp(url, SCHEME, len) == 0 ? url + len : NULL;
}

static int check_url(const char *url, char **why)
{
	const char *path = fl_store_path_of(url);
	size_t len = strlen(url);

	if (path && path[0] == '/' && len < PATH_MAX && url[len - 1] != '/' &&
	    !strpbrk(path, "%?#"))
		return 0;
	*why = strdup("must be " SCHEME "/PATH, the absolute path of a file, without %, ? and #");
	return *why ? -EINVAL : -ENOMEM;
}

static int create(struct ev_loop *loop, const struct fl_store_conf *conf,
		  struct fl_store_listener *listener, struct fl_store **ret, char **why)
{
	struct fl_file *f;
	int r = check_url(conf->url, why);

	if (r < 0)
		return r;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->store = (struct fl_store){.ops = &fl_store_file, .listener = listener};
	f->loop = loop;
	f->conf = conf;
	ev_init(&f->work, on_work);
	f->path = strdup(fl_store_path_of(conf->url));
	if (!f->path) {
		destroy(&f->store);
		return -ENOMEM;
	}
	*ret = &f->store;
	return 0;
}

const struct fl_store_ops fl_store_file = {
	.check_url = check_url,
	.create = create,
	.fetch_config = fetch_config,
	.acquire = acquire,
	.watch = watch,
	.change = change,
	.release = release,
	.reload = reload,
	.stats = stats,
	.destroy = destroy,
	.by_hand = true,
};
