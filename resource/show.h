/*
 * resource/show.h: JSON values as YAML text.
 */
#ifndef HERALD_RESOURCE_SHOW_H
#define HERALD_RESOURCE_SHOW_H

#include <jansson.h>

/* One document without "---", for free().  NULL: no memory. */
char *yaml_of_json(const json_t *);

#endif
