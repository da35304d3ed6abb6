/* core/io/presence.c - shown by abstract sockets, see core/io/presence.h. */
#include "io/presence.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/random.h"

#define TABLE "/proc/net/unix"

/* A name for each process: process ids repeat where containers share a network namespace. */
static socklen_t make_name(const char *kind, struct sockaddr_un *ret)
{
	uint64_t number;
	int len;

	fl_random_bytes(&number, sizeof(number));
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	len = snprintf(ret->sun_path + 1, sizeof(ret->sun_path) - 1, "%.32s/%" PRIx64, kind,
		       number);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
}

int fl_presence_show(const char *kind, int *ret)
{
	struct sockaddr_un name;
	socklen_t len = make_name(kind, &name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
	    r; /* not listening: nobody can reach it */

	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&name, len) == 0) {
		*ret = fd;
		return 0;
	}
	r = -errno;
	(void)close(fd);
	return r;
}

/* The last column is the name, with '@' for the NUL that begins it. */
static int is_of_kind(const char *line, const char *kind)
{
	char wanted[40];
	int len = snprintf(wanted, sizeof(wanted), " @%.32s/", kind);
	const char *at = strstr(line, wanted);

	return at && !strchr(at + len, ' ');
}

int fl_presence_count(const char *kind)
{
	FILE *table = fopen(TABLE, "re");
	char *line = NULL;
	size_t room = 0;
	int count = 0, r;

	if (!table)
		return -errno;
	while (getline(&line, &room, table) > 0)
		count += is_of_kind(line, kind);
	r = ferror(table) ? -EIO : count;
	free(line);
	(void)fclose(table);
	return r;
}
