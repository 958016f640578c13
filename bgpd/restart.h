/*
 * bgpd/restart.h: how long what a peer told us outlives its session; see restart.c.  For peer.c.
 */
#ifndef HERALD_BGPD_RESTART_H
#define HERALD_BGPD_RESTART_H

#include "bgpd/session.h"

struct peer;

void restart_init(struct peer *, struct loop *);
void restart_fini(struct peer *);
/* The session ended as its .end says.  True: some of its routes may stay. */
bool restart_down(struct peer *, const struct session *);
/* A session is up: what its OPEN does not vouch for goes. */
void restart_up(struct peer *, const struct session *);
/* The peer's End-of-RIB: it has told the family's table; what was stale of it is gone. */
void restart_synced(struct peer *, enum bgp_family);
/* Nothing stale stays. */
void restart_purge(struct peer *);

#endif
