/*
 * tests/unit/crdgen/check_schema.h: schemas held against the rules of the API server, and values held
 * against schemas; written from the documentation of apiextensions.k8s.io/v1, not from crdgen.
 */
#ifndef HERALD_TESTS_CHECK_SCHEMA_H
#define HERALD_TESTS_CHECK_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define WHY 512

/* Is it structural?  @why: where it is not, and what is wrong. */
bool schema_is_structural(const json_t *schema, char why[WHY]);
/* Does every default in it hold? */
bool schema_defaults_hold(const json_t *schema, char why[WHY]);
/* Would a server take @value? */
bool schema_takes(const json_t *schema, const json_t *value, char why[WHY]);
/* Is there a part in it (at @path, as "spec.blocks") with @key?  NULL: no such part or key. */
const json_t *schema_at(const json_t *schema, const char *path, const char *key);

#endif
