/*
 * daemon/tunnel_wanted.h: from the store to what the tunnel engine should have.  Pure.
 */
#ifndef HERALD_DAEMON_TUNNEL_WANTED_H
#define HERALD_DAEMON_TUNNEL_WANTED_H

#include "daemon/arena.h"
#include "daemon/pods_wanted.h"
#include "fib/fib.h"
#include "resource/resource.h"

/* One route through the tunnel: a PodCIDR of another node, and that node. */
struct tunnel_route {
	struct prefix prefix;
	struct addr gateway;
};

struct tunnel_wanted {
	struct tunnel_conf conf;
	const struct addr *nodes;
	const struct tunnel_route *routes;
	size_t nr_nodes, nr_routes;
};

/* In @arena.  @node: our name. */
void tunnel_wanted(const struct store *, const struct pod_plan *, const char *node, struct arena *,
    struct tunnel_wanted *out);

#endif
