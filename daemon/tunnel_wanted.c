/*
 * daemon/tunnel_wanted.c: which overlay datapath.tunnel asks for: our end of it, every other node,
 * and the routes to their PodCIDRs.
 *
 * The underlay has one family: IPv4 when this node has an InternalIP of it, else IPv6; a node that
 * has none of that family cannot be reached.  Nodes on the same segment are tunnelled to like all
 * others: which segment a node is on cannot be told from its document.
 */
#include "daemon/tunnel_wanted.h"

#include <string.h>

static const struct addr *
local_addr(const struct res_node *node)
{
	const struct addr *a = res_node_addr(node, RES_ADDR_INTERNAL_IP, ADDR_V4);

	return a ? a : res_node_addr(node, RES_ADDR_INTERNAL_IP, ADDR_V6);
}

void
tunnel_wanted(const struct store *store, const struct pod_plan *plan, const char *name,
    struct arena *arena, struct tunnel_wanted *out)
{
	const struct res_datapath *d = &store_config(store)->datapath;
	const struct res_node *self = store_node(store, name);
	const struct addr *local = self ? local_addr(self) : NULL, *remote;
	size_t max_nodes = 0, max_routes = 0;
	const struct pod_range *ranges;
	struct tunnel_route *routes;
	struct res_object *o;
	struct addr *nodes;

	*out = (struct tunnel_wanted){ .conf = { .mode = TUNNEL_OFF } };
	if (d->tunnel != RES_TUNNEL_VXLAN)
		return;
	out->conf.mode = TUNNEL_WAIT;
	if (!local)
		return;
	out->conf = (struct tunnel_conf){ TUNNEL_VXLAN, *local, d->tunnel_vni, d->tunnel_mtu,
		d->tunnel_port };
	store_for_each(store, RES_NODE, o)
	{
		max_nodes++;
		max_routes += pod_ranges_of(plan, (const struct res_node *)o, arena, &ranges);
	}
	nodes = arena_new_n(arena, struct addr, max_nodes);
	routes = arena_new_n(arena, struct tunnel_route, max_routes + 1);
	store_for_each(store, RES_NODE, o)
	{
		const struct res_node *n = (const struct res_node *)o;

		remote = res_node_addr(n, RES_ADDR_INTERNAL_IP, (enum addr_family)local->family);
		if (strcmp(o->meta.name, name) == 0 || !remote || addr_eq(remote, local))
			continue;
		nodes[out->nr_nodes++] = *remote;
		for (size_t i = pod_ranges_of(plan, n, arena, &ranges), k = 0; k < i; k++)
			routes[out->nr_routes++] =
			    (struct tunnel_route){ ranges[k].prefix, tunnel_gateway(remote) };
	}
	out->nodes = nodes;
	out->routes = routes;
}
