/*
 * resource/resource.h: the one header of this room for the others: documents become typed,
 * immutable, counted objects (object.h, kinds.h), which stand in a store that says what changed
 * (store.h); files are one source of them (files.h).
 */
#ifndef HERALD_RESOURCE_RESOURCE_H
#define HERALD_RESOURCE_RESOURCE_H

/* IWYU pragma: begin_exports */
#include "resource/files.h"
#include "resource/kinds.h"
#include "resource/object.h"
#include "resource/selector.h"
#include "resource/store.h"
/* IWYU pragma: end_exports */

#endif
