/*
 * resource/claim.h: which files hold an object of a key; two of them are a conflict.
 */
#ifndef HERALD_RESOURCE_CLAIM_H
#define HERALD_RESOURCE_CLAIM_H

#include "resource/fileset.h"

/* All objects that hold one key, by file and line. */
struct claim {
	struct claim *next;
	struct res_object *obj; /* borrowed */
};

/* @objs are held from now on.  -ENOMEM: none of them is. */
int claim_add(struct fileset *, const struct res_set *objs);
/* @objs are held no more. */
void claim_drop(struct fileset *, const struct res_set *objs);
/* Does any file hold this key? */
bool claim_is_held(const struct fileset *, const struct res_object *);

#endif
