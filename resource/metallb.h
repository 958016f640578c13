/*
 * resource/metallb.h: MetalLB's documents as a source of native ones.  Whatever source brings them,
 * they stand in the store as they are; this source reads them all whenever one changes, and says
 * in the store what they mean (translate.h).  What another source says of a key holds before.
 */
#ifndef HERALD_RESOURCE_METALLB_H
#define HERALD_RESOURCE_METALLB_H

#include "resource/object.h"

struct loop;
struct metallb;
struct store;

/*
 * A derived source "metallb" of @store, whose subscriber it becomes: before all that read what it
 * says.  It is always in sync, but for when memory is short.  NULL: the store has no room for it.
 */
struct metallb *metallb_new(struct loop *, struct store *);
/* Before the store goes. */
void metallb_free(struct metallb *); /* NULL is fine */

/* What of the documents that are there cannot be had, or has no effect. */
const struct res_faults *metallb_notices(const struct metallb *);

#endif
