/*
 * tools/heraldctl/yaml.h: JSON as YAML, for -o yaml and for documents.
 */
#ifndef HERALD_TOOLS_HERALDCTL_YAML_H
#define HERALD_TOOLS_HERALDCTL_YAML_H

#include <jansson.h>
#include <stddef.h>

struct buf;

/* Each of @docs as a document of its own, keys in the order that they have.  0 or -ENOMEM. */
int yaml_print(const json_t *const *docs, size_t nr, struct buf *out)
    __attribute__((warn_unused_result));

#endif
