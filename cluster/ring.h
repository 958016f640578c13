/*
 * cluster/ring.h: the order that all nodes agree on without a word: names hashed onto a ring, and
 * who comes first for an address.  Pure; never changed, as nodes of different versions must agree.
 */
#ifndef HERALD_CLUSTER_RING_H
#define HERALD_CLUSTER_RING_H

#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"

/* The place of a name on the ring, and its short name in datagrams; never 0. */
uint64_t ring_hash(const char *name);
/* How well a member suits an address: the highest of several wins (rendezvous hashing). */
uint64_t ring_score(uint64_t member, const struct addr *);

/*
 * The @max places after @at that follow on the ring, of @nr places in ascending order, @at itself not
 * among them; fewer when there are no more.  Fills @out with indices and says how many.
 */
size_t ring_next(const uint64_t *places, size_t nr, uint64_t at, size_t *out, size_t max);

#endif
