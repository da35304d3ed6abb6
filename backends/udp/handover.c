/* backends/udp/handover.c - the writer's side of handing tables over. */
#include "handover.h"

#include <errno.h>
#include <stdlib.h>

struct handover_old {
	struct handover_old *next;
	void *table;
};

void handover_init(struct handover *h, void *first, void (*free_cb)(void *owner, void *table),
		   void *owner)
{
	*h = (struct handover){.current = first, .free_cb = free_cb, .owner = owner};
	h->last = &h->old;
}

static bool is_held(const struct handover *h, const void *table)
{
	for (uint32_t i = 0; i < HANDOVER_READERS; i++)
		if (__atomic_load_n(&h->readers[i].held, __ATOMIC_SEQ_CST) == table)
			return true;
	return false;
}

bool handover_collect(struct handover *h)
{
	struct handover_old *old;

	while ((old = h->old) && !is_held(h, old->table)) {
		h->old = old->next;
		if (!h->old)
			h->last = &h->old;
		h->free_cb(h->owner, old->table);
		free(old);
	}
	return h->old != NULL;
}

int handover_publish(struct handover *h, void *table)
{
	struct handover_old *old = malloc(sizeof(*old));

	if (!old)
		return -ENOMEM;
	old->table = __atomic_exchange_n(&h->current, table, __ATOMIC_SEQ_CST);
	old->next = NULL;
	*h->last = old;
	h->last = &old->next;
	(void)handover_collect(h);
	return 0;
}

void handover_done(struct handover *h)
{
	(void)handover_collect(h);
	if (h->current)
		h->free_cb(h->owner, h->current);
	h->current = NULL;
}
