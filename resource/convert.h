/*
 * resource/convert.h: documents of MetalLB and Cilium -> native documents as text, for people who
 * change over: `heraldctl convert`.  What the daemon makes of the same documents is the same: it
 * goes through the same translation.
 */
#ifndef HERALD_RESOURCE_CONVERT_H
#define HERALD_RESOURCE_CONVERT_H

#include "resource/object.h"

struct buf;
struct convert;

/* NULL: no memory. */
struct convert *convert_new(void);
void convert_free(struct convert *); /* NULL is fine */

/*
 * All documents of the YAML @text of @file.  MetalLB's and Cilium's are taken, an old ConfigMap of
 * MetalLB too; native ones pass as they are; all others are none of our business.  -ENOMEM.
 */
int convert_add(struct convert *, const char *file, const char *text, size_t len)
    __attribute__((warn_unused_result));
/*
 * Native documents of all that was added, with a comment on where each came from.  What is wrong,
 * or has no equivalent, is in convert_faults(), at its place.  -ENOMEM.
 */
int convert_print(struct convert *, struct buf *out) __attribute__((warn_unused_result));
const struct res_faults *convert_faults(const struct convert *);

#endif
