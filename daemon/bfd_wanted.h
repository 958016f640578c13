/*
 * daemon/bfd_wanted.h: from a peer's configuration to how it is watched by BFD.  Pure.
 */
#ifndef HERALD_DAEMON_BFD_WANTED_H
#define HERALD_DAEMON_BFD_WANTED_H

#include "bfd/bfd.h"
#include "bgpd/bgpd.h"
#include "daemon/arena.h"
#include "resource/resource.h"

/* A BGP peer that is watched. */
struct bfd_wanted {
	const char *instance, *peer;
	struct bfd_conf conf;
	/* The distance is not configured (iBGP): multihop unless the peer is on one of our links. */
	bool by_link;
};

/*
 * Is the peer watched, and how?  *problem: what of it cannot be done, in @arena; NULL: nothing.
 * @peer's strings are borrowed.
 */
bool bfd_wanted_peer(const struct store *, const struct res_bgp_peer_config *,
    const struct bgp_peer_conf *peer, uint32_t local_as, struct arena *arena,
    struct bfd_wanted *out, const char **problem);

#endif
