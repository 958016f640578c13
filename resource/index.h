/*
 * resource/index.h: an ordered map from (namespace, name) to a pointer: a skip list, so that both
 * one key and all in order are cheap, and a change costs the logarithm of what is there.
 */
#ifndef HERALD_RESOURCE_INDEX_H
#define HERALD_RESOURCE_INDEX_H

#include <stddef.h>

struct index;

struct index_node {
	const char *ns, *name; /* of its own */
	void *value;
};

/* NULL: no memory. */
struct index *index_new(void);
void index_free(struct index *); /* NULL is fine; values are the caller's */

/* NULL: it is not there. */
struct index_node *index_find(const struct index *, const char *ns, const char *name);
/* The node of this key, made with value NULL when it was not there.  NULL: no memory. */
struct index_node *index_add(struct index *, const char *ns, const char *name);
/* Frees the node. */
void index_remove(struct index *, struct index_node *);

/* In order; NULL at the end. */
struct index_node *index_first(const struct index *);
struct index_node *index_next(const struct index_node *);
/* The first behind this key, be it there or not. */
struct index_node *index_after(const struct index *, const char *ns, const char *name);

#endif
