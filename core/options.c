/* core/options.c - command line and environment into struct fl_options. */
#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log_init.h"
#include "options_table.h"
#include "options_value.h"
#include "store/store.h"

#define ENV_PREFIX   "FLANNELD_"
#define PASSWORD_MAX 1024u /* bytes, with the newline */

/** What set an option: "--ip-masq" or "FLANNELD_IP_MASQ"; points into argv or the environment. */
struct origin {
	const char *text; /* NULL: the default holds */
	size_t len;
};

struct reader {
	struct fl_options *o;
	char *const *env;
	struct origin *set; /* one per row of the table */
	bool password_file_open_to_all;
	char **why;
};

/* --- messages: always one line, whatever the user's bytes are */

static int give_reason(char **why, struct fl_buf *text)
{
	*why = fl_buf_take(text);
	fl_buf_done(text);
	return *why ? -EINVAL : -ENOMEM;
}

/* "NAME=VALUE: RULE", without "=VALUE" if @value is NULL. */
static int refuse(struct reader *r, const struct origin *by, const char *value, const char *rule)
{
	struct fl_buf text = {0};

	fl_option_show(&text, by->text, by->len);
	if (value) {
		fl_buf_puts(&text, "=");
		fl_option_show(&text, value, strlen(value));
	}
	fl_buf_printf(&text, ": %s", rule);
	return give_reason(r->why, &text);
}

static bool is_boolean(const struct fl_option *opt)
{
	return opt->type == FL_OPTION_BOOL || opt->type == FL_OPTION_REFUSED_ON;
}

static int apply(struct reader *r, const struct fl_option *opt, const struct origin *by,
		 const char *value)
{
	bool hidden = opt->type == FL_OPTION_SECRET || opt->group == FL_GROUP_REFUSED ||
		      (opt->type == FL_OPTION_URLS && strchr(value, '@'));
	char *rule = NULL;
	int error = fl_option_set(r->o, opt, value, &rule);

	if (error == 0)
		r->set[opt - fl_option_table] = *by;
	else if (error == -EINVAL)
		error = refuse(r, by, hidden ? NULL : value, rule);
	free(rule);
	return error;
}

/* --- the command line, as Go's flag package reads it */

static int refuse_unknown(struct reader *r, const struct origin *by, size_t dashes)
{
	const struct fl_option *near = fl_option_guess(by->text + dashes, by->len - dashes);
	struct fl_buf text = {0};

	fl_buf_puts(&text, "unknown flag ");
	fl_option_show(&text, by->text, by->len);
	if (near)
		fl_buf_printf(&text, "; did you mean --%s?", near->name);
	return give_reason(r->why, &text);
}

static int refuse_argument(struct reader *r, const char *what, const char *arg)
{
	struct fl_buf text = {0};

	fl_buf_printf(&text, "%s \"", what);
	fl_option_show(&text, arg, strlen(arg));
	fl_buf_puts(&text, "\"");
	return give_reason(r->why, &text);
}

/* @next is the argument behind, NULL at the end; @return arguments used, or -errno */
static int read_flag(struct reader *r, char *arg, char *next)
{
	size_t dashes = arg[1] == '-' ? 2 : 1, len = strcspn(arg + dashes, "=");
	struct origin by = {.text = arg, .len = dashes + len};
	char *value = arg[by.len] == '=' ? arg + by.len + 1 : NULL;
	const struct fl_option *opt;
	bool separate = false;
	int error;

	if (len == 0 || arg[dashes] == '-')
		return refuse_argument(r, "bad flag syntax", arg);
	opt = fl_option_find(arg + dashes, len);
	if (!opt)
		return refuse_unknown(r, &by, dashes);
	if (!value && !is_boolean(opt) && opt->type != FL_OPTION_REFUSED) {
		if (!next)
			return refuse(r, &by, NULL, "needs a value");
		value = next;
		separate = true;
	}
	error = apply(r, opt, &by, value ? value : "true");
	if (value && opt->type == FL_OPTION_SECRET)
		explicit_bzero(value, strlen(value)); /* ps shows argv to everybody */
	return error < 0 ? error : 1 + separate;
}

/* Go stops at the first argument that is no flag, and flannel overlooks the rest: "--ip-masq false"
 * was taken as true, and what stood behind was lost. */
static int read_args(struct reader *r, int argc, char **argv)
{
	for (int i = 1; i < argc && !r->o->help;) {
		int used;

		/* What "${FLANNEL_ETCD_CAFILE}" of a unit leaves where nothing is set. */
		if (!argv[i][0]) {
			i++;
			continue;
		}
		if (strcmp(argv[i], "--") == 0 && i + 1 == argc)
			return 0;
		if (strcmp(argv[i], "--") == 0)
			return refuse_argument(r, "unexpected argument", argv[i + 1]);
		if (argv[i][0] != '-' || !argv[i][1])
			return refuse_argument(r, "unexpected argument", argv[i]);
		used = read_flag(r, argv[i], i + 1 < argc ? argv[i + 1] : NULL);
		if (used < 0)
			return used;
		i += used;
	}
	return 0;
}

/* --- the environment */

/* The entry of @name in @env, from its name on; NULL if it is not there. As getenv(3). */
static const char *env_entry(char *const *env, const char *name)
{
	size_t len = strlen(name);

	for (; env && *env; env++) {
		if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
			return *env;
	}
	return NULL;
}

/* An empty variable counts as not set, as in flannel. */
static int read_env(struct reader *r)
{
	char name[FL_OPTION_ENV_MAX];
	int error = 0;

	for (size_t i = 0; i < fl_option_count && error == 0; i++) {
		const struct fl_option *opt = &fl_option_table[i];
		struct origin by = {.len = strlen(fl_option_env(opt, name))};

		if (r->set[i].text || by.len == 0)
			continue;
		by.text = env_entry(r->env, name);
		if (by.text && by.text[by.len + 1])
			error = apply(r, opt, &by, by.text + by.len + 1);
	}
	return error;
}

/* --- rules between options */

static const struct fl_option *option_of(const char *name)
{
	return fl_option_find(name, strlen(name));
}

static const struct origin *origin_of(const struct reader *r, const char *name)
{
	return &r->set[option_of(name) - fl_option_table];
}

static int check_certificate(struct reader *r)
{
	const struct fl_options *o = r->o;

	if (o->etcd_certfile[0] && !o->etcd_keyfile[0])
		return refuse(r, origin_of(r, "etcd-certfile"), o->etcd_certfile,
			      "needs --etcd-keyfile, too");
	if (o->etcd_keyfile[0] && !o->etcd_certfile[0])
		return refuse(r, origin_of(r, "etcd-keyfile"), o->etcd_keyfile,
			      "needs --etcd-certfile, too");
	return 0;
}

/* In etcd, the subnet that we had before is asked for; a file says whose is which. */
static int check_subnet(struct reader *r)
{
	const struct fl_options *o = r->o;
	char subnet[FL_PREFIX_STRLEN];

	if (!fl_prefix_is_set(&o->subnet) || strchr(o->store, ':'))
		return 0;
	return refuse(r, origin_of(r, "subnet"), fl_prefix_format(&o->subnet, subnet),
		      "needs --store=file:///PATH, too");
}

static int check_margin(struct reader *r)
{
	const struct origin *by = origin_of(r, "subnet-lease-renew-margin");
	struct fl_options *o = r->o;
	char value[24], rule[128];

	o->renew_margin_s = o->renew_margin_min * 60;
	if (by->text && o->renew_margin_s >= o->lease_ttl_s) {
		(void)snprintf(value, sizeof(value), "%" PRIu64, o->renew_margin_min);
		(void)snprintf(rule, sizeof(rule),
			       "these minutes must be less than --subnet-lease-ttl, which is "
			       "%" PRIu64 " seconds",
			       o->lease_ttl_s);
		return refuse(r, by, value, rule);
	}
	if (!by->text && o->renew_margin_s > o->lease_ttl_s / 2)
		o->renew_margin_s = o->lease_ttl_s / 2;
	return 0;
}

/* @return length of the first line in @buf, without its end, or -errno */
static ssize_t read_first_line(const char *path, char buf[PASSWORD_MAX], bool *open_to_all)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t len = 0;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return -errno;
	*open_to_all = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & S_IROTH);
	do {
		n = read(fd, buf + len, PASSWORD_MAX - len);
		len += n > 0 ? (size_t)n : 0;
	} while ((n > 0 && len < PASSWORD_MAX && !memchr(buf, '\n', len)) ||
		 (n < 0 && errno == EINTR));
	n = n < 0 ? -errno : (ssize_t)len;
	(void)close(fd);
	if (n < 0)
		return n;
	if (memchr(buf, '\n', len))
		return (char *)memchr(buf, '\n', len) - buf;
	return len < PASSWORD_MAX ? n : -EMSGSIZE;
}

/* The file's rule, or NULL after the password has been taken. */
static const char *take_password(struct reader *r, char buf[PASSWORD_MAX], ssize_t len)
{
	const struct fl_option *opt = option_of("etcd-password");
	char *rule = NULL;

	if (len < 0)
		return len == -EMSGSIZE ? "its first line is too long" : strerror((int)-len);
	if (len > 0 && buf[len - 1] == '\r')
		len--;
	if (len == 0 || memchr(buf, '\0', (size_t)len))
		return "its first line must be the password";
	buf[len] = '\0'; /* within the bound: a line without an end is shorter */
	return fl_option_set(r->o, opt, buf, &rule) < 0 ? strerror(ENOMEM) : NULL;
}

static int load_password(struct reader *r, const struct origin *by)
{
	const char *path = r->o->etcd_password_file, *rule;
	char buf[PASSWORD_MAX];
	ssize_t len = read_first_line(path, buf, &r->password_file_open_to_all);

	rule = take_password(r, buf, len);
	explicit_bzero(buf, sizeof(buf));
	return rule ? refuse(r, by, path, rule) : 0;
}

/* True for FLANNELD_..., false for a flag. */
static bool is_variable(const struct origin *by)
{
	return by->text && by->text[0] != '-';
}

/* The command line wins over the environment, also where it gives the other one of two. */
static int settle_passwords(struct reader *r)
{
	const struct origin *password = origin_of(r, "etcd-password");
	const struct origin *file = origin_of(r, "etcd-password-file");
	const struct fl_options *o = r->o;
	char *rule = NULL;

	if (!o->etcd_password[0] || !o->etcd_password_file[0])
		return 0;
	if (is_variable(password) == is_variable(file))
		return refuse(r, file, o->etcd_password_file,
			      "must not be given together with a password (--etcd-password or "
			      "FLANNELD_ETCD_PASSWORD)");
	return fl_option_set(r->o,
			     option_of(is_variable(file) ? "etcd-password-file" : "etcd-password"),
			     "", &rule);
}

static int check_password(struct reader *r)
{
	const struct origin *by = origin_of(r, "etcd-password-file");
	const struct fl_options *o = r->o;
	int error = settle_passwords(r);

	if (error < 0)
		return error;
	if (o->etcd_password[0] && !o->etcd_username[0])
		return refuse(r, origin_of(r, "etcd-password"), NULL, "needs --etcd-username, too");
	if (!o->etcd_password_file[0])
		return 0;
	if (!o->etcd_username[0])
		return refuse(r, by, o->etcd_password_file, "needs --etcd-username, too");
	/* --check and --check-config work without etcd and its secrets */
	return o->check || o->check_config[0] ? 0 : load_password(r, by);
}

/* --- warnings */

/* A mistyped variable is not an error: scripts keep others below this prefix. */
static void warn_of_variable(const char *entry)
{
	char name[FL_OPTION_ENV_MAX], known[FL_OPTION_ENV_MAX];
	size_t len = strcspn(entry, "=");
	const struct fl_option *near;

	if (strncmp(entry, ENV_PREFIX, strlen(ENV_PREFIX)) != 0 || len >= sizeof(name))
		return;
	memcpy(name, entry, len);
	name[len] = '\0';
	for (size_t i = 0; i < fl_option_count; i++) {
		if (strcmp(fl_option_env(&fl_option_table[i], known), name) == 0)
			return;
	}
	for (char *c = name; *c; c++)
		*c = *c == '_' ? '-' : *c;
	near = fl_option_guess(name + strlen(ENV_PREFIX), len - strlen(ENV_PREFIX));
	if (near && fl_option_env(near, known)[0])
		fl_warn("options", "%.*s: unknown variable, ignored; did you mean %s?", (int)len,
			entry, known);
}

static void say_warnings(const struct reader *r)
{
	const struct fl_options *o = r->o;

	fl_log_init(o->log_format, (int)o->verbosity);
	for (size_t i = 0; i < fl_option_count; i++) {
		if (fl_option_table[i].type == FL_OPTION_IGNORED && r->set[i].text)
			fl_warn("options", "%.*s has no effect", (int)r->set[i].len,
				r->set[i].text);
	}
	for (char *const *env = r->env; env && *env; env++)
		warn_of_variable(*env);
	if (r->password_file_open_to_all)
		fl_warn("options", "%s: every user can read the password; chmod 600 helps",
			o->etcd_password_file);
}

/* --- all of it */

static int read_all(struct reader *r, int argc, char **argv)
{
	int error = 0;

	for (size_t i = 0; i < fl_option_count && error == 0; i++)
		error = fl_option_init(r->o, &fl_option_table[i]);
	if (error == 0)
		error = read_args(r, argc, argv);
	if (error < 0 || r->o->help || r->o->version)
		return error;
	error = read_env(r);
	if (error == 0)
		error = check_certificate(r);
	if (error == 0)
		error = check_subnet(r);
	if (error == 0)
		error = check_margin(r);
	if (error == 0)
		error = check_password(r);
	if (error == 0)
		say_warnings(r);
	return error;
}

int fl_options_parse(int argc, char **argv, char *const *env, struct fl_options *ret, char **why)
{
	struct reader r = {.o = ret, .env = env, .why = why};
	int error;

	*why = NULL;
	memset(ret, 0, sizeof(*ret));
	r.set = calloc(fl_option_count, sizeof(*r.set));
	if (!r.set)
		return -ENOMEM;
	error = read_all(&r, argc, argv);
	free(r.set);
	return error;
}

int fl_options_anchor(struct fl_options *o)
{
	char *folder = getcwd(NULL, 0);
	int error = folder ? 0 : -errno;

	if (folder && folder[0] != '/')
		error = -ENOENT; /* out of our root's reach */
	for (size_t i = 0; i < fl_option_count && error == 0; i++)
		error = fl_option_anchor(o, &fl_option_table[i], folder);
	free(folder);
	return error;
}

void fl_options_done(struct fl_options *o)
{
	for (size_t i = 0; i < fl_option_count; i++)
		fl_option_done(o, &fl_option_table[i]);
	memset(o, 0, sizeof(*o));
}

void fl_options_store(const struct fl_options *o, struct fl_store_conf *ret)
{
	*ret = (struct fl_store_conf){
		.url = o->store,
		.subnet = o->subnet,
		.endpoints = o->etcd_endpoints,
		.prefix = o->etcd_prefix,
		.ca_file = o->etcd_cafile,
		.cert_file = o->etcd_certfile,
		.key_file = o->etcd_keyfile,
		.username = o->etcd_username,
		.password = o->etcd_password,
		.etcd_api = o->etcd_api,
		.lease_ttl_s = (uint32_t)o->lease_ttl_s,
		.renew_margin_s = (uint32_t)o->renew_margin_s,
	};
}
