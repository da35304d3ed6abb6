/* core/subnet_env.c - subnet.env, written so that no reader ever sees half of it. */
#include "subnet_env.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/parse.h"
#include "base/random.h"

#define FILE_MAX (64u * 1024u) /* bytes: what is behind is not looked at */

/* --- reading */

/* Appends up to FILE_MAX bytes. O_NONBLOCK: somebody may have put a FIFO there. */
static int read_file(const char *path, struct fl_buf *b)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), r = 0;
	char piece[4096];

	if (fd < 0)
		return -errno;
	while (b->len < FILE_MAX) {
		size_t room = FILE_MAX - b->len;
		ssize_t n = read(fd, piece, room < sizeof(piece) ? room : sizeof(piece));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			r = -errno;
		if (n <= 0)
			break;
		fl_buf_append(b, piece, (size_t)n);
	}
	(void)close(fd);
	return r ? r : b->error;
}

static void trim(char **text)
{
	size_t len;

	*text += strspn(*text, " \t");
	len = strlen(*text);
	while (len > 0 && strchr(" \t\r", (*text)[len - 1]))
		len--;
	(*text)[len] = '\0';
}

/* A value may stand in a pair of quotes, as in any file for a shell. */
static void unquote(char **value)
{
	size_t len = strlen(*value);

	if (len < 2 || !strchr("'\"", (*value)[0]) || (*value)[len - 1] != (*value)[0])
		return;
	(*value)[len - 1] = '\0';
	(*value)++;
}

static void take_prefix(const char *value, struct fl_prefix *ret)
{
	struct fl_prefix p;

	if (fl_prefix_parse(value, &p) == 0 && p.addr.family == AF_INET)
		*ret = fl_prefix_masked(&p);
}

static void take(const char *key, const char *value, struct fl_subnet_env *ret)
{
	uint64_t mtu;

	if (strcmp(key, "FLANNEL_NETWORK") == 0)
		take_prefix(value, &ret->network);
	else if (strcmp(key, "FLANNEL_SUBNET") == 0)
		take_prefix(value, &ret->subnet);
	else if (strcmp(key, "FLANNEL_IPMASQ") == 0)
		(void)fl_parse_bool(value, &ret->ip_masq);
	else if (strcmp(key, "FLANNEL_MTU") == 0 && fl_parse_u64(value, 0, UINT32_MAX, &mtu) == 0)
		ret->mtu = (uint32_t)mtu;
}

static void read_line(char *line, struct fl_subnet_env *ret)
{
	char *key = line, *value = strchr(line, '=');

	if (!value)
		return;
	*value++ = '\0';
	trim(&key);
	if (strncmp(key, "export", 6) == 0 && (key[6] == ' ' || key[6] == '\t'))
		key += 6;
	trim(&key);
	trim(&value);
	unquote(&value);
	take(key, value, ret);
}

int fl_subnet_env_read(const char *path, struct fl_subnet_env *ret)
{
	struct fl_subnet_env env = {0};
	struct fl_buf b = {0};
	int r = read_file(path, &b);

	for (char *line = b.data, *end; r == 0 && line; line = end ? end + 1 : NULL) {
		size_t left = b.len - (size_t)(line - b.data);

		end = memchr(line, '\n', left);
		if (!end && b.len == FILE_MAX)
			break; /* cut in two: "FLANNEL_MTU=14" is not what it says */
		if (end)
			*end = '\0';
		if (strlen(line) == (end ? (size_t)(end - line) : left))
			read_line(line, &env);
	}
	fl_buf_done(&b);
	if (r == 0)
		*ret = env;
	return r;
}

/* --- writing */

static void put_text(struct fl_buf *b, const struct fl_subnet_env *env)
{
	struct fl_prefix first = env->subnet;
	char network[FL_PREFIX_STRLEN], subnet[FL_PREFIX_STRLEN];

	first.addr = fl_addr_from_v4(fl_addr_v4(&first.addr) + 1);
	fl_buf_printf(b,
		      "FLANNEL_NETWORK=%s\nFLANNEL_SUBNET=%s\nFLANNEL_MTU=%" PRIu32
		      "\nFLANNEL_IPMASQ=%s\n",
		      fl_prefix_format(&env->network, network), fl_prefix_format(&first, subnet),
		      env->mtu, env->ip_masq ? "true" : "false");
}

static bool is_there_already(const char *path, const struct fl_buf *text)
{
	struct fl_buf old = {0};
	bool same = read_file(path, &old) == 0 && old.len == text->len &&
		    memcmp(old.data, text->data, text->len) == 0;

	fl_buf_done(&old);
	return same;
}

/* Every missing folder of @dir, which is changed while working and restored. */
static int make_folders(char *dir)
{
	for (char *slash = dir + 1; *slash; slash++) {
		bool failed;

		if (*slash != '/')
			continue;
		*slash = '\0';
		failed = mkdir(dir, 0755) < 0 && errno != EEXIST;
		*slash = '/';
		if (failed)
			return -errno;
	}
	return mkdir(dir, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static int write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

static int fill(int fd, const struct fl_buf *text)
{
	int r = write_all(fd, text->data, text->len);

	if (r < 0)
		return r;
	return fsync(fd) < 0 ? -errno : 0;
}

/* Runtimes that are not root read the file, whatever our umask is. Not by mkostemp(3) and
 * fchmod(2), which the sandbox does not leave us. @return the descriptor, -errno */
static int open_beside(const char *dir, const char *name, char **ret)
{
	int fd = -1, r = -EEXIST;

	for (int i = 0; i < 100 && r == -EEXIST; i++) {
		uint32_t number = fl_random_below(1u << 24);
		mode_t mask;

		if (asprintf(ret, "%s/.%s.%06x", dir, name, number) < 0)
			return -ENOMEM;
		mask = umask(0);
		fd = open(*ret, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
		r = fd < 0 ? -errno : 0;
		(void)umask(mask);
		if (r < 0)
			free(*ret);
	}
	return r < 0 ? r : fd;
}

/* The rename is durable once the folder is. Some filesystems cannot: the file is whole anyway. */
static void sync_folder(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)fsync(fd);
	(void)close(fd);
}

/* A symlink at @path is replaced by the file, as rename(2) does. */
static int replace(const char *path, const char *dir, const struct fl_buf *text)
{
	const char *slash = strrchr(path, '/');
	char *temp;
	int fd, r;

	fd = open_beside(dir, slash ? slash + 1 : path, &temp);
	if (fd < 0)
		return fd;
	r = fill(fd, text);
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(temp, path) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(temp);
	else
		sync_folder(dir);
	free(temp);
	return r;
}

char *fl_subnet_env_folder(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == path)
		return strdup("/");
	return slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
}

int fl_subnet_env_make_folder(const char *path)
{
	char *dir = fl_subnet_env_folder(path);
	int r = dir ? make_folders(dir) : -ENOMEM;

	free(dir);
	return r;
}

static int write_text(const char *path, const struct fl_buf *text)
{
	const char *slash = strrchr(path, '/');
	char *dir;
	int r;

	if (!path[0] || (slash && !slash[1]))
		return -EISDIR;
	if (is_there_already(path, text))
		return 0;
	dir = fl_subnet_env_folder(path);
	if (!dir)
		return -ENOMEM;
	r = make_folders(dir);
	if (r == 0)
		r = replace(path, dir, text);
	free(dir);
	return r;
}

int fl_subnet_env_write(const char *path, const struct fl_subnet_env *env)
{
	struct fl_buf text = {0};
	int r = -EINVAL;

	if (env->network.addr.family == AF_INET && env->subnet.addr.family == AF_INET) {
		put_text(&text, env);
		r = text.error ? text.error : write_text(path, &text);
	}
	fl_buf_done(&text);
	return r;
}

int fl_subnet_env_check(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode))
		return 0;
	return S_ISDIR(st.st_mode) ? -EISDIR : -EEXIST;
}
