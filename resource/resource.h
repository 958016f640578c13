/*
 * resource/resource.h: the one header of this room for the others: documents become typed,
 * immutable, counted objects (object.h, kinds.h), which stand in a store that says what changed
 * (store.h); files are one source of them (files.h).  tree.h and base64.h are for those who read
 * documents that are no objects (a kubeconfig).
 */
#ifndef HERALD_RESOURCE_RESOURCE_H
#define HERALD_RESOURCE_RESOURCE_H

/* IWYU pragma: begin_exports */
#include "resource/base64.h"
#include "resource/convert.h"
#include "resource/files.h"
#include "resource/kinds.h"
#include "resource/metallb.h"
#include "resource/object.h"
#include "resource/selector.h"
#include "resource/store.h"
#include "resource/tree.h"
/* IWYU pragma: end_exports */

#endif
