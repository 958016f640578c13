/*
 * daemon/bgp_mesh.h: which BGPClusterConfig has a node, and the sessions between the nodes that one
 * of them makes (nodeMesh).  Between the documents and bgp_wanted.c.  Pure.
 */
#ifndef HERALD_DAEMON_BGP_MESH_H
#define HERALD_DAEMON_BGP_MESH_H

#include "daemon/arena.h"
#include "resource/resource.h"

/* At least this often a node that is away is dialled: it may be back at any time. */
#define BGP_MESH_RETRY_S 10

/* Does the node with these labels talk to one of the instance's peers?  One without peers, and a
 * mesh, is there all the same. */
bool bgp_instance_is_for(const struct res_bgp_instance *, const struct label_view *);
/* Does the document have something for a node with these labels? */
bool bgp_config_is_for(const struct res_bgp_cluster_config *, const struct label_view *);
/* The exceptions that the node's BGPNodeConfigOverride makes of the instance; NULL: none. */
const struct res_bgp_override_instance *bgp_override_of(
    const struct store *, const char *node, const char *instance);

/* Another node to have a session with. */
struct bgp_mesh_peer {
	struct res_bgp_peer peer; /* as if it stood in the document; "node/NAME" */
	uint16_t port;		  /* where it listens; 0: 179 */
	bool passive; /* it dials: one of the two does, so that there are no collisions */
};

/*
 * All of them for @node, which @cc has; @local_as is ours, and theirs has to be.  The list and its
 * names are in @arena.  Nodes without an InternalIP are left out: they are not there yet.
 */
size_t bgp_mesh_peers(const struct store *, const struct res_bgp_cluster_config *cc,
    const struct res_bgp_instance *, const struct res_node *node, uint32_t local_as, struct arena *,
    struct bgp_mesh_peer **out);

#endif
