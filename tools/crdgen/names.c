/*
 * tools/crdgen/names.c: what the API server and kubectl call the kinds, which columns they are shown
 * with, and the shape of what Herald only writes: conditions and BGPNodeStatus.
 */
#include "tools/crdgen/crdgen.h"

/* clang-format off */
#define AGE { "Age", "date", ".metadata.creationTimestamp", 0 }
#define COLUMN_END { NULL, NULL, NULL, 0 }
#define CONDITION(type, field) ".status.conditions[?(@.type==\"{group}/" type "\")]." field

static const struct column age_columns[] = { AGE, COLUMN_END };

static const struct column config_columns[] = {
	{ "Datapath", "string", ".spec.datapath.mode", 0 },
	{ "Forwarding", "string", ".spec.datapath.forwarding", 1 },
	AGE, COLUMN_END,
};

static const struct column pool_columns[] = {
	{ "Disabled", "boolean", ".spec.disabled", 0 },
	{ "Conflicting", "string", CONDITION("PoolConflict", "status"), 0 },
	{ "IPs Available", "string", CONDITION("IPsAvailable", "message"), 0 },
	{ "IPs Total", "string", CONDITION("IPsTotal", "message"), 1 },
	AGE, COLUMN_END,
};

static const struct column l2_columns[] = {
	{ "LoadBalancerIPs", "boolean", ".spec.loadBalancerIPs", 0 },
	{ "ExternalIPs", "boolean", ".spec.externalIPs", 0 },
	AGE, COLUMN_END,
};

static const struct column peer_columns[] = {
	{ "Hold Time", "integer", ".spec.timers.holdTimeSeconds", 0 },
	{ "Graceful Restart", "boolean", ".spec.gracefulRestart.enabled", 0 },
	{ "Secret", "string", ".spec.authSecretRef", 1 },
	AGE, COLUMN_END,
};

static const struct column bfd_columns[] = {
	{ "Transmit Interval", "integer", ".spec.transmitInterval", 0 },
	{ "Receive Interval", "integer", ".spec.receiveInterval", 0 },
	{ "Multiplier", "integer", ".spec.detectMultiplier", 0 },
	AGE, COLUMN_END,
};

static const struct column mlb_pool_columns[] = {
	{ "Auto Assign", "boolean", ".spec.autoAssign", 0 },
	{ "Avoid Buggy IPs", "boolean", ".spec.avoidBuggyIPs", 0 },
	{ "Addresses", "string", ".spec.addresses", 0 },
	COLUMN_END,
};

static const struct column mlb_old_pool_columns[] = {
	{ "Protocol", "string", ".spec.protocol", 0 },
	{ "Auto Assign", "boolean", ".spec.autoAssign", 0 },
	{ "Addresses", "string", ".spec.addresses", 0 },
	COLUMN_END,
};

static const struct column mlb_advert_columns[] = {
	{ "IPAddressPools", "string", ".spec.ipAddressPools", 0 },
	{ "IPAddressPool Selectors", "string", ".spec.ipAddressPoolSelectors", 0 },
	COLUMN_END,
};

static const struct column mlb_peer_columns[] = {
	{ "Address", "string", ".spec.peerAddress", 0 },
	{ "ASN", "string", ".spec.peerASN", 0 },
	{ "BFD Profile", "string", ".spec.bfdProfile", 0 },
	{ "Multi Hops", "string", ".spec.ebgpMultiHop", 0 },
	COLUMN_END,
};

static const char *const none[] = { NULL };
static const char *const config_shorts[] = { "heraldconf", NULL };
/* Not Cilium's: where both kinds are, kubectl would mean only one of them. */
static const char *const pool_shorts[] = { "lbpool", "lbpools", NULL };
static const char *const pool_cilium[] = { "ippools", "ippool", "lbippool", "lbippools", NULL };
static const char *const cluster_shorts[] = { "bgpcc", NULL };
static const char *const cluster_cilium[] = { "cbgpcluster", NULL };
static const char *const peer_shorts[] = { "bgppc", NULL };
static const char *const peer_cilium[] = { "cbgppeer", NULL };
static const char *const advert_shorts[] = { "bgpadv", NULL };
static const char *const advert_cilium[] = { "cbgpadvert", NULL };
static const char *const override_shorts[] = { "bgpnco", NULL };
static const char *const override_cilium[] = { "cbgpnodeoverride", NULL };
static const char *const l2_shorts[] = { "l2pol", NULL };
static const char *const pod_pool_cilium[] = { "cpip", NULL };
static const char *const l2_cilium[] = { "l2announcement", NULL };

static const struct naming namings[] = {
	{ RES_HERALD_CONFIG, "heraldconfigs", config_shorts, none, config_columns,
	  "How the daemon itself works. At most one, and every field has a default that works. "
	  "It is read from files: in a cluster from the ConfigMap herald-config, not from the API." },
	{ RES_LB_IP_POOL, "loadbalancerippools", pool_shorts, pool_cilium, pool_columns,
	  "Addresses that Services of type LoadBalancer are given." },
	{ RES_BGP_CLUSTER_CONFIG, "bgpclusterconfigs", cluster_shorts, cluster_cilium, age_columns,
	  "Which nodes speak BGP, as which AS, and with which routers." },
	{ RES_BGP_PEER_CONFIG, "bgppeerconfigs", peer_shorts, peer_cilium, peer_columns,
	  "How one talks to a router: timers, families, policy. Named by the peers that use it." },
	{ RES_BGP_ADVERTISEMENT, "bgpadvertisements", advert_shorts, advert_cilium, age_columns,
	  "What is told to routers. Selected by the families of a BGPPeerConfig, by label." },
	{ RES_BGP_NODE_CONFIG_OVERRIDE, "bgpnodeconfigoverrides", override_shorts, override_cilium,
	  age_columns, "What is different on one node, whose name it carries." },
	{ RES_L2_POLICY, "l2announcementpolicies", l2_shorts, l2_cilium, l2_columns,
	  "For which Services, and where, ARP and NDP are answered." },
	{ RES_BFD_PROFILE, "bfdprofiles", none, none, bfd_columns,
	  "How a peer is watched with BFD. Named by the BGPPeerConfigs that use it." },
	{ RES_POD_IP_POOL, "podippools", none, pod_pool_cilium, age_columns,
	  "Addresses that pods are given; nodes hold ranges of it." },
	{ RES_METALLB_POOL, "ipaddresspools", none, none, mlb_pool_columns,
	  "Addresses that Services of type LoadBalancer are given." },
	{ RES_METALLB_ADDRESS_POOL, "addresspools", none, none, mlb_old_pool_columns,
	  "A pool and how it is announced, as MetalLB had it before IPAddressPool." },
	{ RES_METALLB_L2_ADVERTISEMENT, "l2advertisements", none, none, mlb_advert_columns,
	  "For which pools, and where, ARP and NDP are answered." },
	{ RES_METALLB_BGP_ADVERTISEMENT, "bgpadvertisements", none, none, mlb_advert_columns,
	  "Which pools BGP peers are told of, and how." },
	{ RES_METALLB_COMMUNITY, "communities", none, none, age_columns,
	  "Names for BGP communities." },
	{ RES_METALLB_BFD_PROFILE, "bfdprofiles", none, none, bfd_columns,
	  "How a peer is watched with BFD." },
	{ RES_METALLB_PEER, "bgppeers", none, none, mlb_peer_columns,
	  "A router, and how one talks to it." },
};

/* ---- conditions, as Kubernetes has them ---- */

static const struct field status_fields[] = {
	{ .name = "conditions", .type = T_STRUCT, .flags = F_LIST | F_KEYED, .sub = &told_table,
	  .help = "what became of it" },
	FIELD_END,
};
const struct table conditions_table = { status_fields, 0, NULL };

/* ---- BGPNodeStatus ---- */

static const char *const state_words[] = { "idle", "connect", "active", "opensent", "openconfirm",
	"established", NULL };

static const struct field node_family_fields[] = {
	{ .name = "afi", .type = T_STRING, .flags = F_REQUIRED, .help = "ipv4 or ipv6" },
	{ .name = "safi", .type = T_STRING, .flags = F_REQUIRED, .help = "unicast" },
	{ .name = "received", .type = T_UINT, .max = UINT32_FULL, .help = "routes from the peer" },
	{ .name = "advertised", .type = T_UINT, .max = UINT32_FULL, .help = "routes to the peer" },
	FIELD_END,
};
static const struct table node_family_table = { node_family_fields, 0, NULL };

static const struct field node_peer_fields[] = {
	{ .name = "name", .type = T_STRING, .flags = F_REQUIRED, .help = "as the BGPClusterConfig has it" },
	{ .name = "instance", .type = T_STRING, .help = "likewise" },
	{ .name = "localASN", .type = T_UINT, .max = ASN_MAX, .help = "our AS towards it" },
	{ .name = "peerAddress", .type = T_STRING, .help = "the router's address" },
	{ .name = "peerASN", .type = T_UINT, .max = ASN_MAX, .help = "the router's AS" },
	{ .name = "state", .type = T_ENUM, .flags = F_REQUIRED, .words = state_words,
	  .help = "of the session, as RFC 4271 calls it" },
	{ .name = "since", .type = T_TIME, .help = "when it got into this state" },
	{ .name = "families", .type = T_STRUCT, .flags = F_LIST, .sub = &node_family_table,
	  .help = "what is spoken of" },
	{ .name = "lastError", .type = T_STRING, .help = "why the session was lost, or did not come up" },
	FIELD_END,
};
static const struct table node_peer_table = { node_peer_fields, 0, NULL };

static const struct field node_status_fields[] = {
	{ .name = "localASN", .type = T_UINT, .max = ASN_MAX, .help = "of the first instance" },
	{ .name = "routerID", .type = T_STRING, .help = "of the first instance" },
	{ .name = "peerCount", .type = T_UINT, .max = UINT32_FULL, .help = "peers that this node has" },
	{ .name = "establishedCount", .type = T_UINT, .max = UINT32_FULL,
	  .help = "peers whose session is up" },
	{ .name = "peers", .type = T_STRUCT, .flags = F_LIST, .sub = &node_peer_table,
	  .help = "each of them" },
	{ .name = "observedAt", .type = T_TIME, .help = "when this was so" },
	{ .name = "conditions", .type = T_STRUCT, .flags = F_LIST | F_KEYED, .sub = &told_table,
	  .help = "what else there is to say" },
	FIELD_END,
};
static const struct table node_status_table = { node_status_fields, 0, NULL };

static const struct field node_doc_fields[] = {
	{ .name = "status", .type = T_STRUCT, .sub = &node_status_table, .help = "written by Herald" },
	FIELD_END,
};
const struct table node_status_doc_table = { node_doc_fields, 0, NULL };

static const struct column node_columns[] = {
	{ "Local ASN", "integer", ".status.localASN", 0 },
	{ "Peers", "integer", ".status.peerCount", 0 },
	{ "Established", "integer", ".status.establishedCount", 0 },
	{ "Observed", "date", ".status.observedAt", 1 },
	AGE, COLUMN_END,
};
static const char *const node_shorts[] = { "bgpns", "bgpnodes", NULL };
const struct naming node_status_naming = { RES_NR_KINDS, "bgpnodestatuses", node_shorts, none,
	node_columns, "The BGP sessions of one node, whose name it carries. Written by Herald, for people." };
/* clang-format on */

const struct naming *
naming_of(enum res_kind kind)
{
	for (size_t i = 0; i < sizeof(namings) / sizeof(namings[0]); i++)
		if (namings[i].kind == kind)
			return &namings[i];
	return NULL;
}
