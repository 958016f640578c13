/*
 * resource/decode.h: document trees -> objects, by the tables.
 */
#ifndef HERALD_RESOURCE_DECODE_H
#define HERALD_RESOURCE_DECODE_H

#include "resource/field.h"
#include "resource/tree.h"

/* Which fields and kinds a document may use. */
enum dialect {
	DIALECT_NATIVE,
	DIALECT_CILIUM_V2,
	DIALECT_CILIUM_ALPHA,
	DIALECT_METALLB,
	DIALECT_METALLB_OLDER
};

/* What an unknown field is: a fault; told, and the object is taken all the same; nothing. */
enum decode_unknown { UNKNOWN_FAULT, UNKNOWN_NOTICE, UNKNOWN_SILENT };

struct decode_in {
	const struct schema *schema;
	enum dialect dialect;
	const char *api_kind; /* as the document says it */
	const char *file;
	const struct node *map; /* NULL: an object of defaults */
	/* Where the document stands in a List; "" outside. */
	const char *prefix;
	enum decode_unknown unknown;
	bool compact; /* there may be many thousands of it: no byte more than it needs */
};

/*
 * One object.  *out gets a reference, or NULL when there are faults.
 * 0; -EINVAL: they are in @faults; -ENOMEM.
 */
int decode_object(const struct decode_in *, struct res_faults *faults, struct res_object **out)
    __attribute__((warn_unused_result));

#endif
