/*
 * daemon/discover.h: what is asked of the node's links for the sake of BGP peers: a link's number and
 * address, the gateway of the default route, the router on an interface.  Answers at once with what is
 * known, and says when an answer would be another one now.
 *
 * What is asked between discover_begin() and discover_end() is watched until the next such pair; what
 * is not asked costs nothing: no socket is open for it.
 */
#ifndef HERALD_DAEMON_DISCOVER_H
#define HERALD_DAEMON_DISCOVER_H

#include "daemon/bgp_where.h"

struct discover;
struct loop;

/* @changed is called from the loop, at the end of a turn. */
struct discover *discover_new(struct loop *, void (*changed)(void *arg), void *arg);
void discover_free(struct discover *); /* NULL is fine */

void discover_begin(struct discover *);
/* Whom to ask, until discover_end(). */
const struct bgp_links *discover_links(const struct discover *);
void discover_end(struct discover *);

#endif
