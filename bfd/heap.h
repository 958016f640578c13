/*
 * bfd/heap.h: which session is next.  A binary heap of deadlines with room for a fixed number, so that
 * the engine's thread never asks for memory.
 */
#ifndef HERALD_BFD_HEAP_H
#define HERALD_BFD_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct heap_node {
	uint64_t at;
	size_t slot; /* from 1; 0: not in the heap */
};

struct heap {
	struct heap_node **v; /* v[0] is not used */
	size_t nr;
};

/* 0 or -ENOMEM. */
int heap_init(struct heap *, size_t max) __attribute__((warn_unused_result));
void heap_fini(struct heap *);
/* Put it in, or elsewhere when it is in already. */
void heap_set(struct heap *, struct heap_node *, uint64_t at);
void heap_remove(struct heap *, struct heap_node *); /* also when it is not in */
struct heap_node *heap_first(const struct heap *);   /* NULL: empty */

#endif
