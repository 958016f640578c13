/*
 * lib/reason.h: why.  The one list of reasons that decisions give; `heraldctl explain`, log lines,
 * status conditions and events all read it.  A decision returns the enum, nobody writes sentences.
 *
 * Rows are only ever appended: names are part of the contract with users.
 */
#ifndef HERALD_LIB_REASON_H
#define HERALD_LIB_REASON_H

/* clang-format off */
/* symbol, name, one sentence for people */
#define REASON_LIST(X)                                                                             \
	X(NONE,                  "none",                  "Nothing was decided yet.")              \
	X(SATISFIED,             "satisfied",             "All is as asked for.")                  \
	/* addresses of Services */                                                                \
	X(NO_POOL,               "no-pool",               "There is no pool that could give an address of this family.") \
	X(POOL_SELECTOR_MISMATCH, "pool-selector-mismatch", "The pool with the requested address does not select this Service.") \
	X(POOL_DISABLED,         "pool-disabled",         "The pool is disabled and gives no new addresses.") \
	X(POOL_CONFLICT,         "pool-conflict",         "The pool overlaps an older pool and gives no new addresses.") \
	X(POOL_GONE,             "pool-gone",             "The address is kept, but no pool contains it any more.") \
	X(OUT_OF_IPS,            "out-of-ips",            "Every address of the pools that may be used is taken.") \
	X(OUTSIDE_POOL,          "outside-pool",          "The requested address is in no pool.")  \
	X(ADDRESS_RESERVED,      "address-reserved",      "The requested address is the first or last of its block, which is kept back.") \
	X(ALREADY_ALLOCATED,     "already-allocated",     "The requested address belongs to another Service.") \
	X(ALREADY_ALLOCATED_INCOMPATIBLE_SERVICE, "already-allocated-incompatible-service", "The requested address is shared, but not with a Service like this one.") \
	X(REQUEST_INVALID,       "request-invalid",       "What was asked for is not an address.") \
	X(FAMILY_NOT_CONFIGURED, "family-not-configured", "The address family is not configured here.") \
	X(NOT_LOAD_BALANCER,     "not-load-balancer",     "The Service is not of type LoadBalancer.") \
	X(CLASS_MISMATCH,        "class-mismatch",        "The Service's loadBalancerClass is not ours.") \
	X(SOURCES_NOT_SYNCED,    "sources-not-synced",    "Not every source has delivered its first full set yet.") \
	/* what is advertised, and to whom */                                                      \
	X(NO_ADDRESS,            "no-address",            "There is no address to advertise.")     \
	X(NO_READY_ENDPOINT,     "no-ready-endpoint",     "The Service has no ready endpoint.")    \
	X(NO_LOCAL_ENDPOINT,     "no-local-endpoint",     "The traffic policy is Local and this node has no ready endpoint.") \
	X(NOT_SELECTED,          "not-selected",          "No advertisement selects it.")          \
	X(NO_ADVERTISEMENT,      "no-advertisement",      "The peer's address family selects no advertisement.") \
	X(ADDRESS_TYPE_NOT_ADVERTISED, "address-type-not-advertised", "The advertisement does not list this type of address.") \
	X(NODE_NOT_SELECTED,     "node-not-selected",     "The node selector does not match this node.") \
	X(NODE_UNKNOWN,          "node-unknown",          "There is no Node document for this node.") \
	X(NO_POD_CIDR,           "no-pod-cidr",           "The Node has no PodCIDR of this family.") \
	X(POD_RANGES,            "pod-ranges",            "The node's ranges of addresses for pods are not as they should be.") \
	X(EXPORT_REJECTED,       "export-rejected",       "An export rule of the peer rejects it.") \
	X(IMPORT_REJECTED,       "import-rejected",       "No import rule of the peer accepts it.") \
	X(NO_NEXT_HOP,           "no-next-hop",           "There is no next hop of this family to give.") \
	X(DRAINING,              "draining",              "This node is being drained.")           \
	/* peers */                                                                                \
	X(PEER_CONFIG_MISSING,   "peer-config-missing",   "The BGPPeerConfig that the peer refers to does not exist.") \
	X(PEER_ADDRESS_MISSING,  "peer-address-missing",  "The peer has no address.")              \
	X(PEER_ASN_MISSING,      "peer-asn-missing",      "The peer or the instance has no AS number.") \
	X(PEER_DUPLICATE,        "peer-duplicate",        "Another peer of this node has the same address.") \
	X(PEER_NOT_ESTABLISHED,  "peer-not-established",  "The session with the peer is not established.") \
	X(PREFIX_LIMIT,          "prefix-limit",          "The peer announces as many prefixes as it may, or nearly.") \
	X(PEER_SHUTDOWN,         "peer-shutdown",         "The peer was shut down by the administrator.") \
	X(SECRET_MISSING,        "secret-missing",        "The Secret that the peer refers to does not exist, or has no password.") \
	X(ROUTER_ID_MISSING,     "router-id-missing",     "This node has no IPv4 address to make a router ID of.") \
	X(INSTANCE_CONFLICT,     "instance-conflict",     "More than one BGPClusterConfig selects this node.") \
	/* kernel routes */                                                                        \
	X(LOCAL_ADDRESS,         "local-address",         "It is an address of this node.")        \
	X(PROTECTED_PREFIX,      "protected-prefix",      "It lies within a PodCIDR of this node.") \
	X(CONNECTED_PREFIX,      "connected-prefix",      "It lies within a prefix of one of this node's links.") \
	X(GATEWAY_UNREACHABLE,   "gateway-unreachable",   "No link and no other route reaches the gateway.") \
	X(KERNEL_REFUSED,        "kernel-refused",        "The kernel refused it.")                \
	X(NOT_YET_SENT,          "not-yet-sent",          "It is on its way to the kernel.")       \
	X(NO_MEMORY,             "no-memory",             "Memory is short.")                     \
	X(NOT_SUPPORTED,         "not-supported",         "This version cannot do it yet.")       \
	X(SOURCE_ADDRESS_MISSING, "source-address-missing", "The interface to speak from has no usable address.") \
	X(WAITS_FOR_LEADER,      "waits-for-leader",      "The node that leads has not given an address yet.") \
	X(NODE_NOT_READY,        "node-not-ready",        "The node is not ready, or not thought to be alive.") \
	X(NODE_EXCLUDED,         "node-excluded",         "A label excludes the node from external load balancers.") \
	X(NO_INTERFACE,          "no-interface",          "The node has no usable interface that is up and one of the policy's.") \
	X(NOT_ON_SEGMENT,        "not-on-segment",        "Other nodes have a link in the address's network, this one has not.") \
	X(NODE_LOST,             "node-lost",             "The other nodes do not hear it any more.") \
	X(NODE_UNHEARD,          "node-unheard",          "No herald was heard on the node yet.") \
	X(CONFLICTED,            "conflicted",            "Something on the link that is not ours answers for the address.") \
	X(COOLING_DOWN,          "cooling-down",          "The address had another owner a moment ago and is kept back until nobody looks for him there.") \
	X(FAMILY_NOT_IN_POOL,    "family-not-in-pool",    "The pool has no addresses of this family, but another one that was asked for has.") \
	X(SHARING_KEY,           "sharing-key-differs",   "The Services name different sharing keys.") \
	X(SHARING_NAMESPACE,     "sharing-namespace",     "The Services are of different namespaces that do not both consent to sharing.") \
	X(SHARING_PORT,          "sharing-port-taken",    "The Services have a port of one protocol in common.") \
	X(SHARING_POLICY,        "sharing-policy-differs", "The Services differ in externalTrafficPolicy.") \
	X(SHARING_SELECTOR,      "sharing-selector-differs", "With externalTrafficPolicy Local only Services of the same selector share.") \
	X(LINK_MISSING,          "link-missing",          "This node has no interface of that name.") \
	X(LINK_DOWN,             "link-down",             "The interface is down.")                \
	X(NO_LINK_LOCAL,         "no-link-local",         "The interface has no IPv6 link-local address.") \
	X(GATEWAY_UNKNOWN,       "gateway-unknown",       "There is no default route of this family with a gateway.") \
	X(NEIGHBOUR_UNKNOWN,     "neighbour-unknown",     "No router was heard on the interface yet.") \
	X(PEER_LIMIT,            "peer-limit",            "The range has as many peers as it may have.")
/* clang-format on */

enum reason {
#define REASON_ENUM(symbol, name, sentence) REASON_##symbol,
	REASON_LIST(REASON_ENUM)
#undef REASON_ENUM
	    REASON_NR
};

/* "no-pool"; "unknown" for a number outside the list.  Static. */
const char *reason_name(enum reason);
/* One sentence for people, with its full stop.  Static. */
const char *reason_text(enum reason);

#endif
