/*
 * tests/unit/resource/res.h: what the tests of this room share: documents out of text, and their
 * faults as lines.
 */
#ifndef HERALD_TESTS_UNIT_RESOURCE_RES_H
#define HERALD_TESTS_UNIT_RESOURCE_RES_H

#include "resource/resource.h"

/* What a text decodes to.  Faults come as one text, a line each. */
struct res_result {
	int err;
	struct res_set set;
	char *faults;
};

struct res_result res_load(const char *text); /* in the name of "t.yaml" */
struct res_result res_load_len(const char *text, size_t len);
void res_result_fini(struct res_result *);

/* The only object of a text that must be good; the caller owns the reference. */
struct res_object *res_one(const char *text);
/* A text's faults must be exactly these lines. */
void res_refuses(const char *text, const char *lines);
/* A whole file, NUL-terminated, for free(). */
char *res_slurp(const char *path);
/* All faults as lines, for free(). */
char *res_fault_lines(const struct res_faults *);

#endif
