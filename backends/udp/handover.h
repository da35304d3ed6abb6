/* backends/udp/handover.h - one writer hands tables to readers that never wait: pointer swap, and
 * an old table is freed when no reader can hold it (hazard pointers, Michael 2004). */
#ifndef UDP_HANDOVER_H
#define UDP_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HANDOVER_READERS 16u

struct handover_old; /* private to handover.c */

struct handover {
	void *current; /* atomic */
	struct {
		void *held; /* atomic: what the reader may look at; NULL: nothing */
	} __attribute__((aligned(64))) readers[HANDOVER_READERS];
	struct handover_old *old;   /* the writer's: not freed yet, oldest first */
	struct handover_old **last; /* where the next one is appended */
	void (*free_cb)(void *owner, void *table);
	void *owner;
};

/** @param free_cb  called, by the writer, for each table once nobody can hold it or an older one */
void handover_init(struct handover *h, void *first, void (*free_cb)(void *owner, void *table),
		   void *owner);
/** No reader is left; frees all, the current one too. */
void handover_done(struct handover *h);

/** The writer's: from now on readers get @p table. @return 0; -ENOMEM: nothing has changed */
int handover_publish(struct handover *h, void *table);
/** The writer's: free what can be freed. @return true if something is still held */
bool handover_collect(struct handover *h);

/** A reader's: the current table, held until handover_release(). Never waits. */
static inline void *handover_hold(struct handover *h, uint32_t reader)
{
	void *table = __atomic_load_n(&h->current, __ATOMIC_ACQUIRE), *again;

	for (;;) {
		/* The writer must see it before we look whether it is still the current one. */
		__atomic_store_n(&h->readers[reader].held, table, __ATOMIC_SEQ_CST);
		again = __atomic_load_n(&h->current, __ATOMIC_SEQ_CST);
		if (again == table)
			return table;
		table = again;
	}
}

static inline void handover_release(struct handover *h, uint32_t reader)
{
	__atomic_store_n(&h->readers[reader].held, NULL, __ATOMIC_RELEASE);
}

#endif
