/*
 * resource/collect.h: the inside of the decoder: its state, and the maps that are no structs
 * (labels, selectors, secrets).
 */
#ifndef HERALD_RESOURCE_COLLECT_H
#define HERALD_RESOURCE_COLLECT_H

#include "resource/decode.h"
#include "resource/kinds.h"

/* Where the decoder stands: a chain up to the document. */
struct decode_at {
	const struct decode_at *up;
	const char *name; /* NULL: an item of a list */
	size_t item;
};

struct decoder {
	const struct decode_in *in;
	struct res_faults *faults;
	size_t nr_faults; /* of this object */
	bool notice;	  /* what is told now is no fault */
	struct res_arena *arena;
	const struct decode_at *at;
	char object[320]; /* "KIND/NAME" */
	int err;	  /* -ENOMEM: stop */
};

/* A fault of @n, where the decoder stands. */
void decode_fault_node(struct decoder *, const struct node *n, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Faults for the keys that @map has twice. */
void decode_duplicates(struct decoder *, const struct node *map);
/* All fields of @t into the struct at @base; @map NULL: their defaults. */
void decode_table(struct decoder *, const struct table *t, const struct node *map, void *base);

/* Maps; @n is one.  Sorted by key. */
void collect_pairs(struct decoder *, const struct node *n, bool labels, struct res_pairs *to);
void collect_secret(
    struct decoder *, const struct node *n, bool plain, struct res_secret_entries *to);
void collect_selector(struct decoder *, const struct node *n, struct selector *to);

#endif
