/*
 * resource/document.h: a document tree -> objects: which kind it is, in which dialect.
 */
#ifndef HERALD_RESOURCE_DOCUMENT_H
#define HERALD_RESOURCE_DOCUMENT_H

#include "resource/tree.h"

struct loader {
	const char *file;
	struct res_set *out;
	struct res_faults *faults;
	bool
	    lenient; /* from an API server: it has checked the object, and may know more than we do */
	bool refused; /* something was at fault */
};

/* One document, a List too.  @api_version and @kind stand in where it says neither; may be NULL.
 * 0, with all that is wrong told, or -ENOMEM. */
int document_load(struct loader *, const struct node *root, const char *api_version,
    const char *kind) __attribute__((warn_unused_result));

/* A JSON value as a tree, all of it at one place; text stays @v's.  NULL: no memory. */
const struct node *json_tree(struct res_arena *, json_t *v, unsigned line, unsigned column);

#endif
