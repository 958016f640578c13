/*
 * bgpd/listen.h: the sockets that peers connect to.  Between the kernel and peer_accept().
 */
#ifndef HERALD_BGPD_LISTEN_H
#define HERALD_BGPD_LISTEN_H

#include "bgpd/speaker.h"

/*
 * Make the listeners what the configuration and the peers need: sockets of bgp->listen and of
 * instances with a port of their own, TCP MD5 keys of their peers, and the least TTL when all of
 * them use GTSM.  What fails is logged and tried again by a timer.
 * 0, or the first error.
 */
int listen_sync(struct bgp *);
void listen_close(struct bgp *);

/* Does this instance take connections on this port? */
bool listen_serves(const struct bgp *, const struct instance *, uint16_t port);

#endif
