/*
 * bfd/heap.c: a binary heap of deadlines.
 */
#include "bfd/heap.h"

#include "lib/mem.h"

#include <errno.h>

int
heap_init(struct heap *h, size_t max)
{
	h->v = mem_calloc(max + 1, sizeof(struct heap_node *));
	h->nr = 0;
	return h->v ? 0 : -ENOMEM;
}

void
heap_fini(struct heap *h)
{
	mem_free(h->v);
	h->v = NULL;
}

static void
place(struct heap *h, size_t slot, struct heap_node *n)
{
	h->v[slot] = n;
	n->slot = slot;
}

/* The node of @slot where it belongs, up or down. */
static void
settle(struct heap *h, size_t slot)
{
	struct heap_node *n = h->v[slot];

	for (; slot > 1 && h->v[slot / 2]->at > n->at; slot /= 2)
		place(h, slot, h->v[slot / 2]);
	for (;;) {
		size_t child = slot * 2;

		if (child < h->nr && h->v[child + 1]->at < h->v[child]->at)
			child++;
		if (child > h->nr || h->v[child]->at >= n->at)
			break;
		place(h, slot, h->v[child]);
		slot = child;
	}
	place(h, slot, n);
}

void
heap_set(struct heap *h, struct heap_node *n, uint64_t at)
{
	n->at = at;
	if (n->slot == 0)
		place(h, ++h->nr, n);
	settle(h, n->slot);
}

void
heap_remove(struct heap *h, struct heap_node *n)
{
	size_t slot = n->slot;

	if (slot == 0)
		return;
	n->slot = 0;
	if (slot == h->nr--)
		return;
	place(h, slot, h->v[h->nr + 1]);
	settle(h, slot);
}

struct heap_node *
heap_first(const struct heap *h)
{
	return h->nr ? h->v[1] : NULL;
}
