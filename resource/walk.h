/*
 * resource/walk.h: what walks over the tables share: the table of a label selector.
 */
#ifndef HERALD_RESOURCE_WALK_H
#define HERALD_RESOURCE_WALK_H

#include "resource/field.h"

extern const struct table selector_table;

#endif
