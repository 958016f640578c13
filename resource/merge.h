/*
 * resource/merge.h: merge keys and duplicate keys of a map.
 */
#ifndef HERALD_RESOURCE_MERGE_H
#define HERALD_RESOURCE_MERGE_H

#include "resource/tree.h"

struct res_arena;

/*
 * Replace "<<" entries of the map @n with those of the maps they name: own keys win over merged
 * ones, an earlier map over a later.  Marks keys that the map itself has twice.
 * -EINVAL: *bad is a value that cannot be merged; -ENOMEM.
 */
int merge_resolve(struct res_arena *, struct node *n, const struct node **bad);

#endif
