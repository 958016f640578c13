/*
 * resource/scalar.h: single values: text -> typed and back, one row for each scalar field type.
 */
#ifndef HERALD_RESOURCE_SCALAR_H
#define HERALD_RESOURCE_SCALAR_H

#include "resource/field.h"
#include "resource/tree.h"

struct buf;

#define SCALAR_WHY 400 /* room for what would be right */

static inline bool
field_is_scalar(const struct field *f)
{
	return f->type < T_STRUCT;
}

/*
 * One value of @f (of its items, when it is a list) into @at.  -EINVAL: @why says what would be
 * right, SCALAR_WHY long; -ENOMEM.
 */
int scalar_parse(const struct field *f, const struct node *n, struct res_arena *arena, void *at,
    char *why) __attribute__((warn_unused_result));
/* Its text as a document has it; false: it is unset, and adds nothing.  *plain: a number or a
 * bool, which stands without quotes. */
bool scalar_format(const struct field *f, const void *at, struct buf *out, bool *plain);
bool scalar_equal(const struct field *f, const void *a, const void *b);

/* RFC 3339, as Kubernetes writes it.  -EINVAL. */
int time_parse(const char *text, int64_t *seconds) __attribute__((warn_unused_result));

#endif
