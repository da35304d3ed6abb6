/* core/base/yajl_mem.c - memory for yajl, which does not look whether it got any. */
#include "yajl_mem.h"

#include <stddef.h>
#include <stdlib.h>

struct fl_yajl_block {
	struct fl_yajl_block *next;
	struct fl_yajl_block *prev;
	max_align_t bytes[];
};

static struct fl_yajl_block *block_of(void *bytes)
{
	return (struct fl_yajl_block *)((char *)bytes - offsetof(struct fl_yajl_block, bytes));
}

static void insert(struct fl_yajl_mem *m, struct fl_yajl_block *b)
{
	b->prev = NULL;
	b->next = m->blocks;
	if (b->next)
		b->next->prev = b;
	m->blocks = b;
}

static void take_out(struct fl_yajl_mem *m, struct fl_yajl_block *b)
{
	*(b->prev ? &b->prev->next : &m->blocks) = b->next;
	if (b->next)
		b->next->prev = b->prev;
}

static void *yajl_realloc_or_leave(void *ctx, void *old, size_t size)
{
	struct fl_yajl_mem *m = ctx;
	struct fl_yajl_block *b = old ? block_of(old) : NULL;

	if (b)
		take_out(m, b);
	b = realloc(b, sizeof(*b) + size);
	if (!b) {
		if (old)
			insert(m, block_of(old)); /* realloc() has left it as it was */
		longjmp(*m->out, 1);
	}
	insert(m, b);
	return b->bytes;
}

static void *yajl_malloc_or_leave(void *ctx, size_t size)
{
	return yajl_realloc_or_leave(ctx, NULL, size);
}

static void yajl_free_block(void *ctx, void *bytes)
{
	if (!bytes)
		return;
	take_out(ctx, block_of(bytes));
	free(block_of(bytes));
}

void fl_yajl_mem_init(struct fl_yajl_mem *m)
{
	m->funcs = (yajl_alloc_funcs){.malloc = yajl_malloc_or_leave,
				      .realloc = yajl_realloc_or_leave,
				      .free = yajl_free_block,
				      .ctx = m};
	m->blocks = NULL;
	m->out = NULL;
}

bool fl_yajl_mem_run(struct fl_yajl_mem *m, void (*calls)(void *ctx), void *ctx)
{
	jmp_buf out;

	m->out = &out;
	if (setjmp(out) != 0) {
		m->out = NULL;
		return false;
	}
	calls(ctx);
	m->out = NULL;
	return true;
}

void fl_yajl_mem_done(struct fl_yajl_mem *m)
{
	struct fl_yajl_block *next;

	for (struct fl_yajl_block *b = m->blocks; b; b = next) {
		next = b->next;
		free(b);
	}
	m->blocks = NULL;
}
