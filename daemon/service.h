/*
 * daemon/service.h: what decisions ask of one Service: is it ours to give an address, which
 * addresses does it want, which of its endpoints can take traffic, and where.  Pure functions of
 * the objects.
 */
#ifndef HERALD_DAEMON_SERVICE_H
#define HERALD_DAEMON_SERVICE_H

#include "lib/addr.h"
#include "resource/resource.h"

#include <stdbool.h>

/* "namespace/name", the owner of addresses and routes. */
char *service_key(const char *ns, const char *name); /* for free() */

/*
 * Is the Service of type LoadBalancer and of a class that we serve?  Ours, Cilium's two, the one of
 * the configuration, and none unless the configuration says otherwise.
 */
bool service_is_managed(const struct res_service *, const struct res_kubernetes_source *);
/* Does it come from an API server, where whoever leads gives addresses, rather than from a file? */
bool service_is_remote(const struct res_service *);

/* The first of the annotations @keys (NULL-terminated) that is there, or NULL. */
const char *service_annotation(const struct res_service *, const char *const *keys);

/*
 * The addresses that it asks for by annotation (any spelling) and spec.loadBalancerIP, without
 * duplicates, in order.  What cannot be read is skipped and counted in *bad.  *out for free().
 */
size_t service_requested(const struct res_service *, struct addr **out, size_t *bad);

/* Families wanted when no address is asked for (ipFamilyPolicy, ipFamilies; the ClusterIPs when
 * those are absent); IPv4 before IPv6. */
size_t service_families(const struct res_service *, enum addr_family out[2]);

/* Endpoints of one family that take new connections: ready and not terminating. */
struct service_backends {
	size_t active;	     /* anywhere */
	size_t active_local; /* on the node in question */
};
struct service_backends service_backends(
    const struct store *, const struct res_service *, const char *node, enum addr_family);

/* The port of a slice's endpoints that goes with a port of the Service: by name and protocol.  0: it
 * has none. */
uint16_t service_slice_port(const struct res_endpoint_slice *, const struct res_service_port *);

#endif
