/*
 * resource/object.c: the kinds, references to objects, and sets of them.
 */
#include "resource/object.h"

#include "resource/arena.h"
#include "resource/field.h"
#include "resource/tables.h"

#include "lib/mem.h"

#include <assert.h>
#include <stdlib.h>

#define NATIVE "heraldlb.io/v1"
#define METALLB "metallb.io/v1beta1"

/* clang-format off */
static const struct schema schemas[RES_NR_KINDS] = {
	[RES_HERALD_CONFIG] = { RES_HERALD_CONFIG, "HeraldConfig", NATIVE,
		NULL, false, false, &herald_config_table, NULL },
	[RES_NODE] = { RES_NODE, "Node", "v1",
		NULL, false, false, &node_table, NULL },
	[RES_SERVICE] = { RES_SERVICE, "Service", "v1",
		NULL, true, false, &service_table, NULL },
	[RES_ENDPOINT_SLICE] = { RES_ENDPOINT_SLICE, "EndpointSlice", "discovery.k8s.io/v1",
		NULL, true, false, &endpoint_slice_table, NULL },
	[RES_SECRET] = { RES_SECRET, "Secret", "v1",
		NULL, true, false, &secret_table, NULL },
	[RES_LB_IP_POOL] = { RES_LB_IP_POOL, "LoadBalancerIPPool", NATIVE,
		"CiliumLoadBalancerIPPool", false, true, &lb_ip_pool_table, NULL },
	[RES_BGP_CLUSTER_CONFIG] = { RES_BGP_CLUSTER_CONFIG, "BGPClusterConfig", NATIVE,
		"CiliumBGPClusterConfig", false, true, &bgp_cluster_config_table, NULL },
	[RES_BGP_PEER_CONFIG] = { RES_BGP_PEER_CONFIG, "BGPPeerConfig", NATIVE,
		"CiliumBGPPeerConfig", false, true, &bgp_peer_config_table, NULL },
	[RES_BGP_ADVERTISEMENT] = { RES_BGP_ADVERTISEMENT, "BGPAdvertisement", NATIVE,
		"CiliumBGPAdvertisement", false, true, &bgp_advertisement_table, NULL },
	[RES_BGP_NODE_CONFIG_OVERRIDE] = { RES_BGP_NODE_CONFIG_OVERRIDE, "BGPNodeConfigOverride", NATIVE,
		"CiliumBGPNodeConfigOverride", false, true, &bgp_node_override_table, NULL },
	[RES_L2_POLICY] = { RES_L2_POLICY, "L2AnnouncementPolicy", NATIVE,
		"CiliumL2AnnouncementPolicy", false, false, &l2_policy_table, NULL },
	[RES_NAMESPACE] = { RES_NAMESPACE, "Namespace", "v1",
		NULL, false, false, &namespace_table, NULL },
	[RES_BFD_PROFILE] = { RES_BFD_PROFILE, "BFDProfile", NATIVE,
		NULL, false, false, &bfd_profile_table, NULL },
	[RES_POD_IP_POOL] = { RES_POD_IP_POOL, "PodIPPool", NATIVE,
		"CiliumPodIPPool", false, false, &pod_ip_pool_table, NULL },
	[RES_METALLB_POOL] = { RES_METALLB_POOL, "IPAddressPool", METALLB,
		NULL, true, false, &mlb_pool_table, NULL },
	[RES_METALLB_ADDRESS_POOL] = { RES_METALLB_ADDRESS_POOL, "AddressPool", METALLB,
		NULL, true, false, &mlb_address_pool_table, "metallb.io/v1alpha1" },
	[RES_METALLB_L2_ADVERTISEMENT] = { RES_METALLB_L2_ADVERTISEMENT, "L2Advertisement", METALLB,
		NULL, true, false, &mlb_l2_advert_table, NULL },
	[RES_METALLB_BGP_ADVERTISEMENT] = { RES_METALLB_BGP_ADVERTISEMENT, "BGPAdvertisement",
		METALLB, NULL, true, false, &mlb_bgp_advert_table, NULL },
	[RES_METALLB_COMMUNITY] = { RES_METALLB_COMMUNITY, "Community", METALLB,
		NULL, true, false, &mlb_community_table, NULL },
	[RES_METALLB_BFD_PROFILE] = { RES_METALLB_BFD_PROFILE, "BFDProfile", METALLB,
		NULL, true, false, &mlb_bfd_profile_table, NULL },
	[RES_METALLB_PEER] = { RES_METALLB_PEER, "BGPPeer", "metallb.io/v1beta2",
		NULL, true, false, &mlb_peer_table, METALLB },
};
/* clang-format on */

const struct schema *
schema_of(enum res_kind kind)
{
	return &schemas[kind];
}

const char *
res_kind_name(enum res_kind kind)
{
	return schemas[kind].name;
}

struct res_object *
res_ref(struct res_object *o)
{
	if (o)
		o->refs++;
	return o;
}

void
res_unref(struct res_object *o)
{
	if (!o)
		return;
	assert(o->refs > 0);
	if (--o->refs == 0)
		arena_free(o->arena); /* @o itself is in it */
}

void
res_set_fini(struct res_set *set)
{
	for (size_t i = 0; i < set->nr; i++)
		res_unref(set->v[i]);
	mem_free(set->v);
	*set = (struct res_set){ 0 };
}
