/*
 * bgpd/show_peer.h: details of one peer for show.c; see show_peer.c.
 */
#ifndef HERALD_BGPD_SHOW_PEER_H
#define HERALD_BGPD_SHOW_PEER_H

#include "bgpd/peer.h"

#include <jansson.h>

/* Put them into @o; @s is the peer's foremost session. */
void show_peer_details(json_t *o, const struct peer *, const struct session *);

#endif
