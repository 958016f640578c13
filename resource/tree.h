/*
 * resource/tree.h: a document as a tree of maps, lists and scalars with the place of each in its
 * text; what stands between a syntax (YAML, JSON) and the field tables.
 */
#ifndef HERALD_RESOURCE_TREE_H
#define HERALD_RESOURCE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resource/object.h"

enum node_type { NODE_NULL, NODE_SCALAR, NODE_MAP, NODE_LIST };

struct node;

struct node_entry {
	const struct node *key; /* a scalar */
	const struct node *value;
};

/* Shared between parents where a document uses aliases; belongs to the arena of its document. */
struct node {
	uint8_t type;	/* enum node_type */
	bool quoted;	/* NODE_SCALAR: certainly a string */
	bool duplicate; /* as a key: the map has it already */
	uint16_t height;
	uint32_t line, column; /* from 1 */
	uint32_t weight;       /* what it costs to decode, aliases written out; saturates */
	size_t nr;	       /* entries, items, or bytes of text */
	union {
		const char *text; /* NUL-terminated; may hold further NULs in JSON or "\0" */
		const struct node_entry *entries; /* in the order of the document */
		const struct node *const *items;
	};
};

/* The value of @key in a map; NULL when it is not there, or this is no map. */
const struct node *tree_get(const struct node *, const char *key);
/* Likewise when it is a scalar: its text, else NULL. */
const char *tree_text(const struct node *, const char *key);
/* "a map", "a list", "a string", ... for messages. */
const char *tree_type_name(const struct node *);

/* What a reader of documents needs; faults go to @faults in the name of @file. */
struct tree_reader {
	const char *file;
	struct res_faults *faults;
	/* Each document; it is gone after the call.  0 or -errno to stop with. */
	int (*document)(void *arg, const struct node *root, unsigned number);
	void *arg;
};

/* Limits that no honest document reaches. */
#define TREE_MAX_DEPTH 64
#define TREE_MAX_WEIGHT 4000000u
#define TREE_MAX_ANCHORS 4096u

/* Read a stream of YAML documents.  0, or -ENOMEM, or what the callback stopped with; faults in
 * the syntax end the stream and are told by @faults alone. */
int yaml_read(const struct tree_reader *, const char *text, size_t len)
    __attribute__((warn_unused_result));

#endif
