/* core/base/slurp.c - a whole regular file into memory, bounded. */
#include "slurp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"

#define ROOM 4096u /* bytes, for a file that grows while it is read */

/* Ahead, so that the buffer is not moved, which would leave a copy behind. */
static int reserve(struct fl_buf *b, size_t size)
{
	size_t cap = b->len + size + ROOM;
	char *data;

	if (b->data && b->cap >= cap)
		return 0;
	data = malloc(cap);
	if (!data)
		return -ENOMEM;
	if (b->data) {
		memcpy(data, b->data, b->len);
		explicit_bzero(b->data, b->len);
	}
	data[b->len] = '\0';
	free(b->data);
	b->data = data;
	b->cap = cap;
	return 0;
}

static int read_all(int fd, size_t max, struct fl_buf *b)
{
	char piece[ROOM];
	size_t total = 0;
	ssize_t n;

	do {
		n = read(fd, piece, sizeof(piece));
		if (n < 0 && errno != EINTR)
			return -errno;
		total += n > 0 ? (size_t)n : 0;
		if (total > max)
			return -EFBIG;
		if (n > 0)
			fl_buf_append(b, piece, (size_t)n);
	} while (n != 0 && b->error == 0);
	explicit_bzero(piece, sizeof(piece));
	return b->error;
}

int fl_slurp(const char *path, size_t max, struct fl_buf *ret, struct stat *st)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat own = {0};
	int r;

	if (fd < 0)
		return -errno;
	st = st ? st : &own;
	if (fstat(fd, st) < 0)
		r = -errno;
	else if (!S_ISREG(st->st_mode))
		r = -EINVAL;
	else if (st->st_size > 0 && (size_t)st->st_size > max)
		r = -EFBIG;
	else
		r = reserve(ret, (size_t)st->st_size);
	if (r == 0)
		r = read_all(fd, max, ret);
	(void)close(fd);
	return r;
}

const char *fl_slurp_reason(int error)
{
	if (error == -EINVAL)
		return "not a regular file";
	if (error == -EFBIG)
		return "too large";
	return strerror(-error);
}
