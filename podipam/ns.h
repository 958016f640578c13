/*
 * podipam/ns.h: is a network namespace still there?
 */
#ifndef HERALD_PODIPAM_NS_H
#define HERALD_PODIPAM_NS_H

#include "podipam/leases.h"

/* Which namespace @path leads to; all 0 when it cannot be seen from here. */
struct ns_id ns_look(const char *path);

/*
 * Is the namespace @id, that @path led to, gone from there?  Only what was seen once can be gone, and
 * only while the file system that the path lies on is the one of then: a daemon in a container that
 * lost sight of /run/netns takes nobody's address.
 */
bool ns_is_gone(const char *path, const struct ns_id *id);

#endif
