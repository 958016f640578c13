/*
 * daemon/monitor.h: `monitor`: what happens in the control plane, told to those who listen on the control
 * socket.  Whoever makes something happen calls; while nobody listens app.monitor is NULL, and a call is one branch.
 */
#ifndef HERALD_DAEMON_MONITOR_H
#define HERALD_DAEMON_MONITOR_H

#include "daemon/app.h"

#include <stdarg.h>

int monitor_begin(void *app, const struct control_req *, struct control_stream *, char **error);

unsigned monitor_nr(const struct app *); /* how many listen */

/* A session came up or went down, or says anything else: looks what is new. */
void monitor_peer(struct app *, const char *instance, const char *peer);
void monitor_bfd(
    struct app *, const char *instance, const char *peer, const char *state, const char *why);
void monitor_learned(
    struct app *, const char *instance, const struct prefix *, unsigned nr, const struct bgp_hop *);
/* The addresses of an owner may be other ones. */
void monitor_owner(struct app *, const char *owner);
/* What this node answers for by ARP and neighbour discovery, all of it. */
void monitor_l2(struct app *, const struct addr *, size_t nr);
/* Called before the routes of @svc (NULL: there is none any more), "NAMESPACE/NAME", are given to bgpd. */
void monitor_routes(struct app *, const struct bgp_plan_instance *, const char *owner,
    const struct res_service *svc, const struct bgp_announce *, size_t nr);
/* "reload" or "drain"; @event as in doc/control-protocol.md, @message for people. */
void monitor_say(struct app *, const char *type, const char *event, const char *message);

#endif
