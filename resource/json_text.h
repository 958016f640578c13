/*
 * resource/json_text.h: JSON text -> document tree, for the objects of an API server, of which there
 * are many: straight into the tree, and what is not wanted is read over without being kept.
 */
#ifndef HERALD_RESOURCE_JSON_TEXT_H
#define HERALD_RESOURCE_JSON_TEXT_H

#include "resource/tree.h"

struct res_arena;

/* Where in an object a value stands, as far as it matters. */
enum json_place { JSON_ROOT, JSON_METADATA, JSON_ANNOTATIONS, JSON_ELSEWHERE };

struct json_keep {
	/* Is the member @key wanted?  NULL: all are. */
	bool (*wanted)(enum json_place, const char *key);
	unsigned max_values;
};

/*
 * The whole of @text as one value of RFC 8259.  Members that are null are left out, numbers keep
 * their text; a key that is there twice is marked so.  Lines and columns are 1.
 * 0; -EBADMSG: it is not JSON, nested deeper than TREE_MAX_DEPTH, or has too many values; -ENOMEM.
 */
int json_text_read(struct res_arena *, const struct json_keep *, const char *text, size_t len,
    const struct node **out) __attribute__((warn_unused_result));

#endif
