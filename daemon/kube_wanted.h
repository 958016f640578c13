/*
 * daemon/kube_wanted.h: from the store and the engines to what the API server should be told: the
 * status of a Service and of a pool, the BGP state of this node.  Pure: each gives a patch, or NULL
 * when what the API has is so already.
 *
 * Patches carry the resourceVersion that they were made from, so that nobody's writing is undone by
 * who has not seen it.
 */
#ifndef HERALD_DAEMON_KUBE_WANTED_H
#define HERALD_DAEMON_KUBE_WANTED_H

#include "daemon/arena.h"
#include "ipam/ipam.h"
#include "resource/resource.h"

#include <jansson.h>
#include <time.h>

/* On Services and native pools; on Cilium's pools its own spelling. */
#define KUBE_SATISFIED "heraldlb.io/IPAMRequestSatisfied"
#define KUBE_SATISFIED_CILIUM "cilium.io/IPAMRequestSatisfied"
/* Tells the pools that a Service's addresses are from, by comma. */
#define KUBE_POOL_ANNOTATION "heraldlb.io/ip-allocated-from-pool"

/*
 * The addresses in the status of a Service of the API that count as given: those in a pool, and all
 * of them when the status carries our condition.  In @arena.  Every node takes them for what the
 * Service has.
 */
size_t kube_wanted_held(
    const struct store *, const struct res_service *, struct arena *, const struct addr **out);

/*
 * A strategic merge patch of the status of a Service of the API, by who leads.  @version: that which
 * the API told last.  What is not ours is left as it is: another class, and a Service of no class that
 * no pool is for.  Of what was ours and is not any more, our condition and addresses of our pools are
 * taken out.
 */
json_t *kube_wanted_service_status(const struct store *, const struct ipam *,
    const struct res_service *, const char *version, time_t now);
/* A patch of its annotations. */
json_t *kube_wanted_service_pool(
    const struct store *, const struct ipam *, const struct res_service *);
/* Both as one patch of the status: the server takes annotations along with it, so that the right to
 * write the status is all that is needed. */
json_t *kube_wanted_service(const struct store *, const struct ipam *, const struct res_service *,
    const char *version, time_t now);
/* What people are told of it: "192.0.2.1 from pool blue", or why there is none.  In @arena;
 * *event: what kind of news that is. */
const char *kube_wanted_service_note(
    const struct ipam *, const struct res_service *, struct arena *, const char **event);

/* A merge patch of the status of a pool of the API, by who leads.  Conditions of others stay. */
json_t *kube_wanted_pool_status(
    const struct res_lb_ip_pool *, const struct ipam_pool_info *, const char *version, time_t now);

/*
 * The status of this node's BGPNodeStatus.  @peers: what bgp_show_peers() gives; @told: what was
 * written last, or NULL.  NULL: the same, whatever the clock says.
 */
json_t *kube_wanted_node_status(const json_t *peers, const json_t *told, time_t now);

#endif
