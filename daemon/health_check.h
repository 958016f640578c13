/*
 * daemon/health_check.h: spec.healthCheckNodePort of Services with externalTrafficPolicy Local: a
 * load balancer outside asks this node whether it has an endpoint, as it would ask kube-proxy.
 * Independent of who forwards.
 */
#ifndef HERALD_DAEMON_HEALTH_CHECK_H
#define HERALD_DAEMON_HEALTH_CHECK_H

#include "resource/resource.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct health_checks;
struct loop;

/* @healthy is asked at each request: can this node carry packets at all? */
struct health_checks *health_check_new(struct loop *, bool (*healthy)(void *arg), void *arg);
void health_check_free(struct health_checks *); /* NULL is fine */

/* The port that is to be listened on for the Service, and the number of its endpoints on @node; 0: none. */
uint16_t health_check_wanted(
    const struct store *, const char *node, const struct res_service *, size_t *local);

/*
 * Follow one Service: listen while it is there and wants it, with the number of its endpoints on
 * @node.  A port that somebody has is tried again every few seconds.
 */
void health_check_service(struct health_checks *, const struct store *, const char *node,
    const char *ns, const char *name);
/* All Services: those not followed in between go. */
void health_check_begin(struct health_checks *);
void health_check_end(struct health_checks *);

#endif
