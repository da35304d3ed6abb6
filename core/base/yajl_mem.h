/* core/base/yajl_mem.h - memory for yajl, which does not look whether it got any (yajl 2.1,
 * yajl_buf.c, yajl_lex.c): a call that runs out of it is left, in place of a crash.
 */
#ifndef FL_BASE_YAJL_MEM_H
#define FL_BASE_YAJL_MEM_H

#include <setjmp.h>
#include <stdbool.h>
#include <yajl/yajl_common.h>

struct fl_yajl_block; /* fields in yajl_mem.c */

/** Must not move between init() and done(). */
struct fl_yajl_mem {
	yajl_alloc_funcs funcs; /* for yajl_alloc() or yajl_gen_alloc(), within run() */
	struct fl_yajl_block *blocks;
	jmp_buf *out;
};

void fl_yajl_mem_init(struct fl_yajl_mem *m);

/**
 * Make calls to yajl: @p calls does, and keeps what they return in @p ctx. Callbacks of yajl may
 * run in it, and other memories' run() in these.
 * @return false: memory ran out in the middle of one. Then nothing is left to do with yajl's object
 * but done().
 */
bool fl_yajl_mem_run(struct fl_yajl_mem *m, void (*calls)(void *ctx), void *ctx);

/** Free all that yajl has; in place of yajl_free(), yajl_gen_free(). After init() any time, also
 * twice. */
void fl_yajl_mem_done(struct fl_yajl_mem *m);

#endif
