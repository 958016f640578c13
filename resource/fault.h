/*
 * resource/fault.h: collecting what is wrong in documents.
 */
#ifndef HERALD_RESOURCE_FAULT_H
#define HERALD_RESOURCE_FAULT_H

#include "resource/object.h"

struct fault_place {
	const char *file;
	unsigned line, column;
	const char *object, *field;
	bool notice;
};

/* Add one; -ENOMEM when it could not be kept, which is more than a fault. */
int fault_add(struct res_faults *, const struct fault_place *, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Put those from number @first on into the order of their places: a reader goes down the file. */
void fault_sort(struct res_faults *, size_t first);
/* How many there are, kept or not. */
size_t fault_count(const struct res_faults *);
/* Move all of @from to the end of @to.  -ENOMEM: nothing was moved. */
int fault_copy(struct res_faults *to, const struct res_faults *from)
    __attribute__((warn_unused_result));
/* @text fit for a message: clipped, on one line, "..." when cut.  Gives @buf. */
char *fault_quote(const char *text, size_t len, char *buf, size_t size);

#endif
