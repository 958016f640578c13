/*
 * daemon/ipam_wanted.h: from the store to what the address engine should give: its pools, and the
 * claim of one Service.  Pure.
 */
#ifndef HERALD_DAEMON_IPAM_WANTED_H
#define HERALD_DAEMON_IPAM_WANTED_H

#include "daemon/arena.h"
#include "ipam/ipam.h"
#include "resource/resource.h"

/* All pools, in name order; in @arena, strings borrowed from the store. */
size_t ipam_wanted_pools(const struct store *, struct arena *, struct ipam_pool **out);

/*
 * The claim of a Service; false: it is not ours to give it an address.  In @arena, strings borrowed
 * from the store.  *bad: requested addresses that could not be read.
 */
bool ipam_wanted_claim(const struct store *, const struct res_service *, struct arena *,
    struct ipam_claim *, size_t *bad);

#endif
