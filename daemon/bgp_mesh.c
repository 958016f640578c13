/*
 * daemon/bgp_mesh.c: sessions between the nodes (nodeMesh), out of the Node documents.  See bgp_mesh.h.
 */
#include "daemon/bgp_mesh.h"

#include <string.h>

bool
bgp_instance_is_for(const struct res_bgp_instance *inst, const struct label_view *labels)
{
	for (size_t i = 0; i < inst->peers.nr; i++)
		if (selectors_admit(&inst->peers.v[i].node_selectors, labels))
			return true;
	return inst->peers.nr == 0 || inst->node_mesh;
}

bool
bgp_config_is_for(const struct res_bgp_cluster_config *cc, const struct label_view *labels)
{
	if (!selector_admits(&cc->node_selector, labels))
		return false;
	for (size_t i = 0; i < cc->instances.nr; i++)
		if (bgp_instance_is_for(&cc->instances.v[i], labels))
			return true;
	return false;
}

const struct res_bgp_override_instance *
bgp_override_of(const struct store *store, const char *node, const char *instance)
{
	const struct res_bgp_node_override *o = (const struct res_bgp_node_override *)store_get(
	    store, RES_BGP_NODE_CONFIG_OVERRIDE, "", node);

	for (size_t i = 0; o && i < o->instances.nr; i++)
		if (strcmp(o->instances.v[i].name, instance) == 0)
			return &o->instances.v[i];
	return NULL;
}

/* Is it this document that has the node with these labels, and no older one? */
static bool
has_node(
    const struct store *store, const struct res_bgp_cluster_config *cc, const struct label_view *l)
{
	const struct res_object *o;
	bool behind = false; /* in the order in which equally old ones go */

	if (!bgp_config_is_for(cc, l))
		return false;
	store_for_each(store, RES_BGP_CLUSTER_CONFIG, o)
	{
		if (o == &cc->obj) {
			behind = true;
			continue;
		}
		if ((o->meta.created < cc->obj.meta.created ||
			(!behind && o->meta.created == cc->obj.meta.created)) &&
		    bgp_config_is_for((const struct res_bgp_cluster_config *)o, l))
			return false;
	}
	return true;
}

/* IPv4 when both nodes have it: a session carries both families, whatever it runs over. */
static const struct addr *
mesh_addr(const struct res_node *us, const struct res_node *them)
{
	static const enum addr_family families[] = { ADDR_V4, ADDR_V6 };

	for (size_t i = 0; i < 2; i++) {
		const struct addr *a = res_node_addr(them, RES_ADDR_INTERNAL_IP, families[i]);

		if (a && res_node_addr(us, RES_ADDR_INTERNAL_IP, families[i]))
			return a;
	}
	return NULL;
}

/* Whoever has the lower address dials. */
static bool
they_dial(const struct res_node *us, const struct addr *them)
{
	const struct addr *own =
	    res_node_addr(us, RES_ADDR_INTERNAL_IP, (enum addr_family)them->family);

	return addr_cmp(them, own) < 0;
}

static uint16_t
listens_at(const struct store *store, const struct res_bgp_instance *inst,
    const struct res_bgp_override_instance *o)
{
	const struct res_herald_config *config = store_config(store);

	if (o && o->has_local_port)
		return o->local_port;
	if (inst->has_local_port)
		return inst->local_port;
	return config->bgp_listen.nr ? config->bgp_listen.v[0].port : 0;
}

size_t
bgp_mesh_peers(const struct store *store, const struct res_bgp_cluster_config *cc,
    const struct res_bgp_instance *inst, const struct res_node *node, uint32_t local_as,
    struct arena *a, struct bgp_mesh_peer **out)
{
	struct bgp_mesh_peer *list;
	struct res_object *o;
	size_t nr = 0;

	*out = NULL;
	if (!inst->node_mesh || !node)
		return 0;
	list = arena_new_n(a, struct bgp_mesh_peer, store_nr(store, RES_NODE));
	store_for_each(store, RES_NODE, o)
	{
		const struct label_view labels = label_view_of(o);
		const struct addr *at = mesh_addr(node, (const struct res_node *)o);
		const struct res_bgp_override_instance *over =
		    bgp_override_of(store, o->meta.name, inst->name);

		if (o == &node->obj || !at || !has_node(store, cc, &labels) ||
		    (over && over->has_local_asn ? over->local_asn : inst->local_asn) != local_as)
			continue;
		list[nr++] = (struct bgp_mesh_peer){
			.peer = {
				.name = arena_printf(a, "node/%s", o->meta.name),
				.peer_address.addr = *at,
				.peer_asn = local_as,
				.discovery_interface = "",
				.peer_config_ref = inst->mesh_config_ref,
			},
			.port = listens_at(store, inst, over),
			.passive = they_dial(node, at),
		};
	}
	*out = list;
	return nr;
}
