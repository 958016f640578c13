/*
 * daemon/datapath_wanted.h: from (store, node) to what the load balancer should carry: the
 * frontends of one Service with the backends that each scope may choose, and the configuration of
 * the engine.  Pure.
 *
 * Here policy, graceful termination (KEP-1669) and topology hints end: behind this the datapath
 * knows of a backend only whether it takes new flows of the outside and of the inside.
 */
#ifndef HERALD_DAEMON_DATAPATH_WANTED_H
#define HERALD_DAEMON_DATAPATH_WANTED_H

#include "bgpd/bgpd.h"
#include "daemon/arena.h"
#include "daemon/pods_wanted.h"
#include "datapath/datapath.h"
#include "resource/resource.h"

/*
 * The frontends of a Service on @node; @lb are its LoadBalancer addresses.  In @arena, strings and
 * ranges borrowed from the store.  Returns how many: none of a headless Service or an ExternalName.
 */
size_t datapath_wanted_service(const struct store *, const char *node, const struct res_service *,
    const struct addr *lb, size_t nr_lb, struct arena *, struct dp_frontend **out);

/*
 * The configuration of the engine; snat4 and snat6 are the InternalIPs of the Node document, and the
 * caller knows whether the machine has them.  In @arena, strings borrowed from the store.
 */
struct dp_conf datapath_wanted_conf(const struct store *, const struct pod_plan *, const char *node,
    const struct bgp_conf *, struct arena *);

/* Ready endpoints of a Service on @node, as a health check counts them: those of the family that has
 * more, since a pod with an address of each is one. */
size_t datapath_wanted_local(const struct store *, const char *node, const struct res_service *);

#endif
