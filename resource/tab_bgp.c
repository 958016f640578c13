/*
 * resource/tab_bgp.c: the tables of BGPClusterConfig and BGPNodeConfigOverride.
 */
#include "resource/bgp_kinds.h"
#include "resource/collect.h"
#include "resource/tables.h"

#include <string.h>

static void
peer_check(struct decoder *d, const struct node *map, void *at)
{
	const struct res_bgp_peer *p = at;
	const struct addr *addr = &p->peer_address.addr;
	bool has_addr = addr_is_set(addr);
	const int nr = has_addr + p->has_range + (p->discovery != RES_DISCOVER_NONE);

	if (!map)
		return;
	if (p->dynamic_asn != RES_ASN_GIVEN && p->peer_asn)
		decode_fault(d, map, "dynamicASN", "must be absent: peerASN is given");
	if (nr > 1)
		decode_fault(d, map,
		    p->discovery != RES_DISCOVER_NONE ? "autoDiscovery" : "peerAddressRange",
		    "must be absent: %s is given", has_addr ? "peerAddress" : "peerAddressRange");
	else if (nr == 0)
		decode_fault(d, map, "", "missing: must have peerAddress or autoDiscovery");
	if (has_addr && !addr_is_unicast(addr))
		decode_fault(
		    d, map, "peerAddress", "%s: must be an address of one host", addr_str(addr));
	if (p->has_range && p->range.len > 0 && !addr_is_unicast(&p->range.addr))
		decode_fault(d, map, "peerAddressRange", "%s: must be of addresses of hosts",
		    prefix_str(&p->range));
	if (p->local_asn_mode != RES_LOCAL_AS_PREPEND && !p->local_asn)
		decode_fault(d, map, "localASNMode", "must be absent: localASN is not given");
}

static void
discovery_check(struct decoder *d, const struct node *map, void *at)
{
	const struct res_bgp_peer *p = at;

	if (!map)
		return;
	if (p->discovery == RES_DISCOVER_DEFAULT_GATEWAY && !node_has(map, "defaultGateway"))
		decode_fault(
		    d, map, "", "defaultGateway is missing: must be given in mode DefaultGateway");
	if (p->discovery == RES_DISCOVER_UNNUMBERED && !*p->discovery_interface)
		decode_fault(d, map, "", "unnumbered is missing: must be given in mode Unnumbered");
}

static void
instance_check(struct decoder *d, const struct node *map, void *at)
{
	const struct res_bgp_instance *in = at;

	if (map && *in->mesh_config_ref && !in->node_mesh)
		decode_fault(
		    d, map, "nodeMeshPeerConfigRef", "must be absent: nodeMesh is not true");
}

/* clang-format off */
static const char *const dynamic_words[] = { "", "external", "internal", NULL };
static const char *const local_as_words[] = { "", "no-prepend", "replace-as", NULL };
static const char *const mode_words[] = { "", "DefaultGateway", "Unnumbered", NULL };
static const char *const gateway_words[] = { "ipv4", "ipv6", NULL };

static const struct field gateway_fields[] = {
	{ "addressFamily", T_ENUM, F_REQUIRED, FIELD_AT(struct res_bgp_peer, discovery_family),
	  .words = gateway_words, .cost = RES_COST_SESSION, .help = "ipv4 or ipv6" },
	FIELD_END,
};
static const struct table gateway_table = { gateway_fields, 0, NULL };
static const struct field unnumbered_fields[] = {
	{ "interface", T_STRING, F_REQUIRED, FIELD_AT(struct res_bgp_peer, discovery_interface),
	  .min = 1, .max = 15, .cost = RES_COST_SESSION, .help = "where the router is" },
	FIELD_END,
};
static const struct table unnumbered_table = { unnumbered_fields, 0, NULL };
static const struct field discovery_fields[] = {
	{ "mode", T_ENUM, F_REQUIRED, FIELD_AT(struct res_bgp_peer, discovery), .words = mode_words,
	  .cost = RES_COST_SESSION, .help = "how the peer is found" },
	FIELD_GROUP("defaultGateway", 0, gateway_table),
	FIELD_GROUP("unnumbered", 0, unnumbered_table),
	FIELD_END,
};
static const struct table discovery_table = { discovery_fields, 0, discovery_check };

static const struct field ref_fields[] = {
	{ "name", T_STRING, F_REQUIRED, FIELD_AT(struct res_bgp_peer, peer_config_ref), .min = 1,
	  .max = 253, .cost = RES_COST_SESSION, .help = "a BGPPeerConfig" },
	FIELD_ANY_ALPHA("group"), FIELD_ANY_ALPHA("kind"),
	FIELD_END,
};
static const struct table ref_table = { ref_fields, 0, NULL };

static const struct field peer_fields[] = {
	{ "name", T_STRING, F_REQUIRED, FIELD_AT(struct res_bgp_peer, name), .min = 1, .max = 255,
	  .cost = RES_COST_SESSION, .help = "unique in the instance" },
	{ "peerAddress", T_ZONED, 0, FIELD_AT(struct res_bgp_peer, peer_address),
	  .cost = RES_COST_SESSION,
	  .help = "the router's address; a link-local one with its interface, fe80::1%eth1" },
	{ "peerAddressRange", T_PREFIX, F_HAS | F_NATIVE, FIELD_AT(struct res_bgp_peer, range),
	  FIELD_HAS(struct res_bgp_peer, has_range), .cost = RES_COST_SESSION,
	  .help = "in its place: whoever connects from there is such a peer, named NAME@ADDRESS" },
	{ "peerLimit", T_UINT, F_NATIVE, FIELD_AT(struct res_bgp_peer, range_limit), .min = 1,
	  .max = 4096, .def = "128", .cost = RES_COST_SOFT,
	  .help = "so many peers of peerAddressRange at a time, no more" },
	{ "peerASN", T_UINT, 0, FIELD_AT(struct res_bgp_peer, peer_asn), .max = ASN_MAX,
	  .cost = RES_COST_SESSION, .help = "the router's AS; 0: whatever it says" },
	{ "dynamicASN", T_ENUM, F_NATIVE, FIELD_AT(struct res_bgp_peer, dynamic_asn),
	  .words = dynamic_words, .cost = RES_COST_SESSION,
	  .help = "in place of peerASN: internal, our AS; external, any other" },
	{ "localASN", T_UINT, F_NATIVE, FIELD_AT(struct res_bgp_peer, local_asn), .max = ASN_MAX,
	  .cost = RES_COST_SESSION,
	  .help = "the AS that the router knows us as (RFC 7705); 0: the instance's" },
	{ "localASNMode", T_ENUM, F_NATIVE, FIELD_AT(struct res_bgp_peer, local_asn_mode),
	  .words = local_as_words, .cost = RES_COST_SESSION,
	  .help = "paths sent have localASN and behind it our own AS, paths received get localASN; "
		  "no-prepend: those do not; replace-as: nor is our own AS sent" },
	{ "nodeSelectors", T_SELECTOR, F_LIST | F_NATIVE,
	  FIELD_LIST_AT(struct res_bgp_peer, node_selectors), .cost = RES_COST_SESSION,
	  .help = "nodes that one of these selects talk to it; none: all" },
	FIELD_GROUP("autoDiscovery", 0, discovery_table),
	FIELD_GROUP("peerConfigRef", 0, ref_table),
	FIELD_END,
};
static const struct table peer_table = { peer_fields, sizeof(struct res_bgp_peer), peer_check };

static const struct field mesh_ref_fields[] = {
	{ "name", T_STRING, F_REQUIRED, FIELD_AT(struct res_bgp_instance, mesh_config_ref), .min = 1,
	  .max = 253, .cost = RES_COST_SESSION, .help = "a BGPPeerConfig" },
	FIELD_END,
};
static const struct table mesh_ref_table = { mesh_ref_fields, 0, NULL };

static const struct field max_paths_fields[] = {
	{ "ebgp", T_UINT, 0, FIELD_AT(struct res_bgp_instance, max_paths_ebgp), .min = 1, .max = 64,
	  .def = "8", .cost = RES_COST_SOFT, .help = "when the best is from another AS" },
	{ "ibgp", T_UINT, 0, FIELD_AT(struct res_bgp_instance, max_paths_ibgp), .min = 1, .max = 64,
	  .def = "8", .cost = RES_COST_SOFT, .help = "when the best is from our own AS" },
	FIELD_END,
};
static const struct table max_paths_table = { max_paths_fields, 0, NULL };

static const struct field instance_fields[] = {
	{ "name", T_STRING, F_REQUIRED, FIELD_AT(struct res_bgp_instance, name), .min = 1, .max = 255,
	  .cost = RES_COST_SESSION, .help = "unique in the document" },
	{ "localASN", T_UINT, F_HAS, FIELD_AT(struct res_bgp_instance, local_asn),
	  FIELD_HAS(struct res_bgp_instance, has_local_asn), .min = 1, .max = ASN_MAX,
	  .cost = RES_COST_SESSION, .help = "our AS" },
	{ "localPort", T_UINT, F_HAS, FIELD_AT(struct res_bgp_instance, local_port),
	  FIELD_HAS(struct res_bgp_instance, has_local_port), .min = 1, .max = 65535,
	  .cost = RES_COST_SESSION, .help = "a port of its own to listen on" },
	{ "routerID", T_ROUTER_ID, F_HAS | F_NATIVE, FIELD_AT(struct res_bgp_instance, router_id),
	  FIELD_HAS(struct res_bgp_instance, has_router_id), .cost = RES_COST_SESSION,
	  .help = "in dotted form; a BGPNodeConfigOverride wins" },
	{ "clusterID", T_ROUTER_ID, F_HAS | F_NATIVE, FIELD_AT(struct res_bgp_instance, cluster_id),
	  FIELD_HAS(struct res_bgp_instance, has_cluster_id), .cost = RES_COST_SOFT,
	  .help = "RFC 4456, for reflectors, in dotted form; default: the router ID" },
	FIELD_GROUP("maximumPaths", F_NATIVE, max_paths_table),
	{ "multipathRelax", T_BOOL, F_NATIVE, FIELD_AT(struct res_bgp_instance, multipath_relax),
	  .def = "true", .cost = RES_COST_SOFT,
	  .help = "share load among AS paths that are only as long as each other; false: of the same "
		  "neighbouring AS, and inside our AS equal" },
	{ "nodeMesh", T_BOOL, F_NATIVE, FIELD_AT(struct res_bgp_instance, node_mesh),
	  .cost = RES_COST_SESSION, .help = "a session with every other node that the document selects" },
	FIELD_GROUP("nodeMeshPeerConfigRef", F_NATIVE, mesh_ref_table),
	{ "peers", T_STRUCT, F_LIST | F_KEYED, FIELD_LIST_AT(struct res_bgp_instance, peers),
	  .sub = &peer_table, .cost = RES_COST_SESSION, .help = "the routers it talks to" },
	FIELD_END,
};
static const struct table instance_table = { instance_fields, sizeof(struct res_bgp_instance),
	instance_check };

static const char *const bmp_words[] = { "pre", "post", "both", "none", "local", "all", NULL };
static const char *const bmp_out_words[] = { "pre", "post", "both", "none", NULL };

static bool
bmp_timeout_is_good(const void *at)
{
	uint16_t v = *(const uint16_t *)at;

	return v == 0 || v >= 15;
}

static const struct field bmp_fields[] = {
	{ "name", T_STRING, F_REQUIRED, FIELD_AT(struct res_bmp_server, name), .min = 1, .max = 255,
	  .help = "unique in the document" },
	{ "peerAddress", T_ADDR, F_REQUIRED, FIELD_AT(struct res_bmp_server, peer_address),
	  .help = "the monitoring station" },
	{ "peerPort", T_UINT, 0, FIELD_AT(struct res_bmp_server, peer_port), .min = 1, .max = 65535,
	  .def = "11019", .help = "its port" },
	{ "monitoringPolicy", T_ENUM, 0, FIELD_AT(struct res_bmp_server, monitoring_policy),
	  .words = bmp_words, .def = "pre",
	  .help = "which routes it is told: as received, behind the import policy, both, those chosen, "
		  "all of these" },
	{ "adjRIBOut", T_ENUM, 0, FIELD_AT(struct res_bmp_server, adj_rib_out),
	  .words = bmp_out_words, .def = "none",
	  .help = "and of those for peers (RFC 8671): before the export policy, as they were sent, both" },
	{ "statisticsTimeout", T_UINT, 0, FIELD_AT(struct res_bmp_server, statistics_timeout_s),
	  .max = 65535, .valid = bmp_timeout_is_good, .right = "0 or 15 to 65535",
	  .help = "seconds between statistics; 0: none" },
	FIELD_END,
};
static const struct table bmp_table = { bmp_fields, sizeof(struct res_bmp_server), NULL };

static const struct field cluster_spec_fields[] = {
	{ "nodeSelector", T_SELECTOR, 0, FIELD_AT(struct res_bgp_cluster_config, node_selector),
	  .cost = RES_COST_SESSION, .help = "which nodes speak; absent: all" },
	{ "bgpInstances", T_STRUCT, F_LIST | F_KEYED | F_REQUIRED,
	  FIELD_LIST_AT(struct res_bgp_cluster_config, instances), .sub = &instance_table,
	  .max_items = 1024, .cost = RES_COST_SESSION, .help = "one speaker each" },
	{ "bmpServers", T_STRUCT, F_LIST | F_KEYED,
	  FIELD_LIST_AT(struct res_bgp_cluster_config, bmp_servers), .sub = &bmp_table,
	  .help = "monitoring stations (RFC 7854)" },
	FIELD_END,
};
static const struct table cluster_spec_table = { cluster_spec_fields, 0, NULL };

static const struct field cluster_fields[] = {
	FIELDS_HEAD(struct res_bgp_cluster_config),
	FIELD_GROUP("spec", F_REQUIRED, cluster_spec_table),
	FIELD_ANY("status"),
	FIELD_END,
};
const struct table bgp_cluster_config_table = { cluster_fields,
	sizeof(struct res_bgp_cluster_config), NULL };

/* ---- BGPNodeConfigOverride ---- */

static const struct field override_peer_fields[] = {
	{ "name", T_STRING, F_REQUIRED, FIELD_AT(struct res_bgp_override_peer, name), .min = 1,
	  .max = 255, .cost = RES_COST_SESSION, .help = "the peer that is meant" },
	{ "localAddress", T_ADDR, 0, FIELD_AT(struct res_bgp_override_peer, local_address),
	  .cost = RES_COST_SESSION, .help = "the address to speak from" },
	{ "localPort", T_UINT, F_HAS, FIELD_AT(struct res_bgp_override_peer, local_port),
	  FIELD_HAS(struct res_bgp_override_peer, has_local_port), .min = 1, .max = 65535,
	  .help = "without effect, as in Cilium" },
	FIELD_END,
};
static const struct table override_peer_table = { override_peer_fields,
	sizeof(struct res_bgp_override_peer), NULL };

static const struct field override_instance_fields[] = {
	{ "name", T_STRING, F_REQUIRED, FIELD_AT(struct res_bgp_override_instance, name), .min = 1,
	  .max = 255, .cost = RES_COST_SESSION, .help = "the instance that is meant" },
	{ "routerID", T_ROUTER_ID, F_HAS, FIELD_AT(struct res_bgp_override_instance, router_id),
	  FIELD_HAS(struct res_bgp_override_instance, has_router_id), .cost = RES_COST_SESSION,
	  .help = "in dotted form" },
	{ "localPort", T_UINT, F_HAS, FIELD_AT(struct res_bgp_override_instance, local_port),
	  FIELD_HAS(struct res_bgp_override_instance, has_local_port), .min = 1, .max = 65535,
	  .cost = RES_COST_SESSION, .help = "a port of its own to listen on" },
	{ "localASN", T_UINT, F_HAS, FIELD_AT(struct res_bgp_override_instance, local_asn),
	  FIELD_HAS(struct res_bgp_override_instance, has_local_asn), .min = 1, .max = ASN_MAX,
	  .cost = RES_COST_SESSION, .help = "this node's AS" },
	{ "peers", T_STRUCT, F_LIST | F_KEYED, FIELD_LIST_AT(struct res_bgp_override_instance, peers),
	  .sub = &override_peer_table, .cost = RES_COST_SESSION, .help = "by name" },
	FIELD_END,
};
static const struct table override_instance_table = { override_instance_fields,
	sizeof(struct res_bgp_override_instance), NULL };

static const struct field override_spec_fields[] = {
	{ "bgpInstances", T_STRUCT, F_LIST | F_KEYED | F_REQUIRED,
	  FIELD_LIST_AT(struct res_bgp_node_override, instances), .sub = &override_instance_table,
	  .max_items = 16, .cost = RES_COST_SESSION, .help = "by name" },
	FIELD_END,
};
static const struct table override_spec_table = { override_spec_fields, 0, NULL };

static const struct field override_fields[] = {
	FIELDS_HEAD(struct res_bgp_node_override),
	FIELD_GROUP("spec", F_REQUIRED, override_spec_table),
	FIELD_ANY("status"),
	FIELD_END,
};
const struct table bgp_node_override_table = { override_fields,
	sizeof(struct res_bgp_node_override), NULL };
/* clang-format on */
