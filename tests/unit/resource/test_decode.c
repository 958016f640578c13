/*
 * tests/unit/resource/test_decode.c: every class of fault, word for word and with its place: what
 * is wrong, and what would be right.
 */
#include "tests/unit/resource/res.h"

#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#define CFG "apiVersion: heraldlb.io/v1\nkind: HeraldConfig\nmetadata: {name: default}\nspec:\n"
#define PEER "apiVersion: heraldlb.io/v1\nkind: BGPPeerConfig\nmetadata: {name: tor}\nspec:\n"
#define CPEER "apiVersion: cilium.io/v2\nkind: CiliumBGPPeerConfig\nmetadata: {name: tor}\nspec:\n"
#define CLUSTER                                                                                    \
	"apiVersion: cilium.io/v2\nkind: CiliumBGPClusterConfig\nmetadata: {name: c}\nspec:\n"
#define NATIVE_PEER                                                                                \
	"apiVersion: heraldlb.io/v1\nkind: BGPClusterConfig\nmetadata: {name: c}\nspec:\n"         \
	"  bgpInstances: [{name: a, peers: [{name: p, "
#define NATIVE_AT "BGPClusterConfig/c: spec.bgpInstances[0].peers[0]."
#define ADV                                                                                        \
	"apiVersion: heraldlb.io/v1\nkind: BGPAdvertisement\nmetadata: {name: a}\nspec:\n"         \
	"  advertisements:\n"
#define OVERRIDE                                                                                   \
	"apiVersion: cilium.io/v2\nkind: CiliumBGPNodeConfigOverride\nmetadata: {name: "           \
	"n}\nspec:\n"
#define POOL                                                                                       \
	"apiVersion: cilium.io/v2\nkind: CiliumLoadBalancerIPPool\nmetadata: {name: p}\nspec:\n"
#define SVC "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n"
#define NODE "apiVersion: v1\nkind: Node\nmetadata: {name: n}\n"
#define SLICE "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: s}\n"
#define SECRET "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n"

/* "t.yaml:" and a newline are put around. */
static const struct {
	const char *text, *fault;
} cases[] = {
	/* ---- the head ---- */
	{ "kind: Service\nmetadata: {name: a}\n",
	    "1:1: Service/a: apiVersion: missing: must be given" },
	{ "apiVersion: v1\nmetadata: {name: a}\n",
	    "1:1: Document/1: kind: missing: must be given" },
	{ "apiVersion: v1\nkind: [Service]\n",
	    "2:7: Document/1: kind: must be a string, not a list" },
	{ "apiVersion: v1\nkind: Servize\nmetadata: {name: a}\n",
	    "2:7: Servize/a: kind: Servize: unknown kind; did you mean 'Service'?" },
	{ "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n",
	    "2:7: Deployment/a: kind: Deployment: unknown kind of apps/v1; must be left out" },
	{ "apiVersion: v2\nkind: Service\nmetadata: {name: a}\n",
	    "1:13: Service/a: apiVersion: v2: Service must be of v1" },
	{ "apiVersion: heraldlb.io/v1\nkind: CiliumBGPPeerConfig\nmetadata: {name: a}\n",
	    "1:13: CiliumBGPPeerConfig/a: apiVersion: heraldlb.io/v1: CiliumBGPPeerConfig must be "
	    "of "
	    "cilium.io/v2" },
	{ "apiVersion: cilium.io/v2\nkind: CiliumL2AnnouncementPolicy\nmetadata: {name: a}\n",
	    "1:13: CiliumL2AnnouncementPolicy/a: apiVersion: cilium.io/v2: "
	    "CiliumL2AnnouncementPolicy must be of cilium.io/v2alpha1" },
	{ "apiVersion: metallb.io/v1beta1\nkind: ServiceL2Status\nmetadata: {name: a}\n",
	    "2:7: ServiceL2Status/a: kind: ServiceL2Status: written by MetalLB; must be left out" },
	{ "apiVersion: cilium.io/v2alpha1\nkind: CiliumBGPPeeringPolicy\nmetadata: {name: a}\n",
	    "2:7: CiliumBGPPeeringPolicy/a: kind: CiliumBGPPeeringPolicy: the first version of "
	    "Cilium's BGP configuration; must be written as CiliumBGPClusterConfig, "
	    "CiliumBGPPeerConfig and CiliumBGPAdvertisement" },
	{ "apiVersion: heraldlb.io/v1\nkind: PodIPPool\nmetadata: {name: a}\nspec: {}\n",
	    "4:7: PodIPPool/a: spec: missing: must have ipv4 or ipv6" },
	{ "apiVersion: heraldlb.io/v1\nkind: PodIPPool\nmetadata: {name: a}\n"
	  "spec: {ipv4: {cidrs: [\"fd00::/64\", 10.0.0.0/28], maskSize: 24}}\n",
	    "4:23: PodIPPool/a: spec.ipv4.cidrs[0]: fd00::/64: must be of family IPv4\n"
	    "t.yaml:4:36: PodIPPool/a: spec.ipv4.cidrs[1]: 10.0.0.0/28: must be as large as a "
	    "node's "
	    "range, /24 (maskSize), or larger" },
	{ "apiVersion: heraldlb.io/v1\nkind: HeraldConfig\nmetadata: {name: a}\n"
	  "spec:\n  ipam: {mode: cluster-pool}\n",
	    "5:9: HeraldConfig/a: spec.ipam.clusterPool: missing: must have ipv4PodCIDRs or "
	    "ipv6PodCIDRs with mode cluster-pool" },
	{ "apiVersion: heraldlb.io/v1\nkind: HeraldConfig\nmetadata: {name: a}\nspec:\n"
	  "  ipam: {socket: x, clusterPool: {ipv4PodCIDRs: [10.0.0.0/8, 10.1.0.0/16]}}\n",
	    "5:18: HeraldConfig/a: spec.ipam.socket: x: must be an absolute path of at most 107 "
	    "bytes\n"
	    "t.yaml:5:62: HeraldConfig/a: spec.ipam.clusterPool.ipv4PodCIDRs[1]: 10.1.0.0/16: must "
	    "not "
	    "overlap 10.0.0.0/8" },
	{ "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Node\n  metadata: {name: "
	  "a}\n  spec: {podCidr: x}\n",
	    "7:10: Node/a: items[0].spec.podCidr: unknown field; did you mean 'podCIDR'?" },

	/* ---- metadata ---- */
	{ "apiVersion: v1\nkind: Namespace\n",
	    "1:1: Namespace/-: metadata: missing: must be given" },
	{ "apiVersion: v1\nkind: Namespace\nmetadata: {}\n",
	    "3:11: Namespace/-: metadata.name: missing: must be given" },
	{ "apiVersion: v1\nkind: Namespace\nmetadata: {name: 12}\n",
	    "3:18: Namespace/12: metadata.name: 12: must be lower-case letters, digits, '-' and "
	    "'.', "
	    "at most 253, the ends letters or digits" },
	{ "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {x: true}}\n",
	    "3:33: Namespace/a: metadata.labels.x: true: must be a string: put it in quotes" },
	{ "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {x: null}}\n",
	    "3:33: Namespace/a: metadata.labels.x: null: must be a string; the empty one is \"\"" },
	{ "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {x: \"a b\"}}\n",
	    "3:33: Namespace/a: metadata.labels.x: a b: must be a label value: at most 63 letters, "
	    "digits, '-', '_', '.', the ends letters or digits" },
	{ "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, annotations: {-x: y}}\n",
	    "3:35: Namespace/a: metadata.annotations.-x: -x: must be a label key: [DNS.NAME/]WORD, "
	    "the word of at most 63 letters, digits, '-', '_', '.'" },
	{ "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, creationTimestamp: yesterday}\n",
	    "3:40: Namespace/a: metadata.creationTimestamp: yesterday: must be a time such as "
	    "2026-01-31T12:00:00Z" },
	{ "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, creationTimestamp: "
	  "0000-01-01T00:00:00+00:01}\n",
	    "3:40: Namespace/a: metadata.creationTimestamp: 0000-01-01T00:00:00+00:01: must be a "
	    "time such as "
	    "2026-01-31T12:00:00Z" },
	{ "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, creationTimestamp: "
	  "9999-12-31T23:59:59-00:01}\n",
	    "3:40: Namespace/a: metadata.creationTimestamp: 9999-12-31T23:59:59-00:01: must be a "
	    "time such as "
	    "2026-01-31T12:00:00Z" },
	{ "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, creationTimestamp: "
	  "2026-01-31T12:00:00+24:00}\n",
	    "3:40: Namespace/a: metadata.creationTimestamp: 2026-01-31T12:00:00+24:00: must be a "
	    "time such as "
	    "2026-01-31T12:00:00Z" },
	{ "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, creationTimestamp: "
	  "2026-01-31T12:00:00+12:60}\n",
	    "3:40: Namespace/a: metadata.creationTimestamp: 2026-01-31T12:00:00+12:60: must be a "
	    "time such as "
	    "2026-01-31T12:00:00Z" },
	{ "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, creationTimestamp: "
	  "2026-01-31T12:00:00+-1:30}\n",
	    "3:40: Namespace/a: metadata.creationTimestamp: 2026-01-31T12:00:00+-1:30: must be a "
	    "time such as "
	    "2026-01-31T12:00:00Z" },

	/* ---- types ---- */
	{ PEER "  timers: 3\n",
	    "5:11: BGPPeerConfig/tor: spec.timers: must be a map, not a plain value" },
	{ PEER "  families: ipv4\n",
	    "5:13: BGPPeerConfig/tor: spec.families: must be a list, not a plain value" },
	{ PEER "  families: [null]\n",
	    "5:14: BGPPeerConfig/tor: spec.families[0]: null: must be a map" },
	{ PEER "  ebgpMultihop: [2]\n",
	    "5:17: BGPPeerConfig/tor: spec.ebgpMultihop: must be a number, not a list" },
	{ PEER "  ebgpMultihop: two\n",
	    "5:17: BGPPeerConfig/tor: spec.ebgpMultihop: two: must be a number from 1 to 255" },
	{ PEER "  ebgpMultihop: \"2\"\n",
	    "5:17: BGPPeerConfig/tor: spec.ebgpMultihop: 2: must be a number, without quotes" },
	{ PEER "  ebgpMultihop: -1\n",
	    "5:17: BGPPeerConfig/tor: spec.ebgpMultihop: -1: must be 1 to 255" },
	{ PEER "  ebgpMultihop: 256\n",
	    "5:17: BGPPeerConfig/tor: spec.ebgpMultihop: 256: must be 1 to 255" },
	{ PEER "  ebgpMultihop: 99999999999999999999\n",
	    "5:17: BGPPeerConfig/tor: spec.ebgpMultihop: 99999999999999999999: must be 1 to 255" },
	{ PEER "  ebgpMultihop: 010\n",
	    "5:17: BGPPeerConfig/tor: spec.ebgpMultihop: 010: must be a decimal number without "
	    "leading zeros (or 0o for octal)" },
	{ PEER "  extendedMessages: \"true\"\n",
	    "5:21: BGPPeerConfig/tor: spec.extendedMessages: true: must be true or false, without "
	    "quotes" },
	{ PEER "  extendedMessages: 1\n",
	    "5:21: BGPPeerConfig/tor: spec.extendedMessages: 1: must be true or false" },
	{ PEER "  authSecretRef: 1\n",
	    "5:18: BGPPeerConfig/tor: spec.authSecretRef: 1: must be a string: put it in quotes" },
	{ PEER "  role: boss\n",
	    "5:9: BGPPeerConfig/tor: spec.role: boss: must be provider, customer, peer, rs or "
	    "rs-client" },
	{ PEER "  role: \"\"\n",
	    "5:9: BGPPeerConfig/tor: spec.role: \"\": must be provider, customer, peer, rs or "
	    "rs-client" },

	/* ---- BGPPeerConfig ---- */
	{ PEER "  timers: {holdTimeSeconds: 2}\n",
	    "5:29: BGPPeerConfig/tor: spec.timers.holdTimeSeconds: 2: must be 0 or 3 to 65535" },
	{ CPEER "  timers: {holdTimeSeconds: 65536}\n",
	    "5:29: CiliumBGPPeerConfig/tor: spec.timers.holdTimeSeconds: 65536: must be 0 or 3 to "
	    "65535" },
	{ PEER "  timers: {holdTimeSeconds: 9, keepAliveTimeSeconds: 10}\n",
	    "5:54: BGPPeerConfig/tor: spec.timers.keepAliveTimeSeconds: 10: must be at most "
	    "holdTimeSeconds, which is 9" },
	{ PEER "  timers: {holdTimeSecond: 9}\n",
	    "5:12: BGPPeerConfig/tor: spec.timers.holdTimeSecond: unknown field; did you mean "
	    "'holdTimeSeconds'?" },
	{ PEER "  ebgpMultihop: 2\n  ttlSecurity: {hops: 1}\n",
	    "6:16: BGPPeerConfig/tor: spec.ttlSecurity: must be absent: ebgpMultihop is given" },
	{ PEER "  transport: {sourceInterface: eth0, sourceAddress: 10.0.0.1}\n",
	    "5:53: BGPPeerConfig/tor: spec.transport.sourceAddress: must be absent: "
	    "sourceInterface "
	    "is given" },
	{ PEER "  families: [{afi: ipv4, safi: unicast}, {afi: ipv4, safi: unicast}]\n",
	    "5:42: BGPPeerConfig/tor: spec.families[1]: item 0 is this family already; families "
	    "must "
	    "differ" },
	{ PEER "  gracefulRestart: {restartTimeSeconds: 9}\n",
	    "5:20: BGPPeerConfig/tor: spec.gracefulRestart.enabled: missing: must be given" },
	{ PEER "  import: [{action: accept, match: {origin: podCIDR}}]\n",
	    "5:12: BGPPeerConfig/tor: spec.import[0]: match.origin must be absent: what is "
	    "imported "
	    "is always learned" },
	{ PEER "  export: [{action: accept, match: {prefixes: [{prefix: 10.0.0.0/8, ge: 7}]}}]\n",
	    "5:73: BGPPeerConfig/tor: spec.export[0].match.prefixes[0].ge: 7: must be 8 to 32" },
	{ PEER "  export: [{action: accept, match: {prefixes: [{prefix: 10.0.0.0/8, ge: 9, le: "
	       "8}]}}]\n",
	    "5:80: BGPPeerConfig/tor: spec.export[0].match.prefixes[0].le: 8: must be 9 to 32" },
	{ PEER "  export: [{action: accept, match: {asPath: \"(\"}}]\n",
	    "5:45: BGPPeerConfig/tor: spec.export[0].match.asPath: (: must be a POSIX extended "
	    "regular "
	    "expression: Unmatched ( or \\(" },
	{ PEER "  export: [{action: accept, match: {communities: [\"65536:1\"]}}]\n",
	    "5:51: BGPPeerConfig/tor: spec.export[0].match.communities[0]: 65536:1: must be a "
	    "community: N, N:N, N:N:N, rt:N:N, ro:N:N or a well-known name such as no-export; * "
	    "for a number" },
	{ PEER "  export: [{action: accept, set: {communities: {add: [\"1:*\"]}}}]\n",
	    "5:55: BGPPeerConfig/tor: spec.export[0].set.communities.add[0]: 1:*: must be a "
	    "community: N, N:N, N:N:N, rt:N:N, ro:N:N or a well-known name such as no-export" },
	{ PEER "  export: [{action: accept, set: {communities: {set: [], remove: [\"1:*\"]}}}]\n",
	    "5:54: BGPPeerConfig/tor: spec.export[0].set.communities.set: must be absent: there is "
	    "add or remove beside it" },
	{ PEER "  import: [{action: accept, set: {nextHop: self}}]\n",
	    "5:12: BGPPeerConfig/tor: spec.import[0]: set.nextHop must not be self: that is for "
	    "what is sent" },
	{ PEER "  export: [{action: accept, set: {nextHop: 224.0.0.1}}]\n",
	    "5:44: BGPPeerConfig/tor: spec.export[0].set.nextHop: 224.0.0.1: must be self, "
	    "unchanged or "
	    "an "
	    "address" },
	{ PEER "  export: [{}]\n",
	    "5:12: BGPPeerConfig/tor: spec.export[0].action: missing: must be given" },
	{ CPEER "  role: customer\n",
	    "5:3: CiliumBGPPeerConfig/tor: spec.role: unknown field in CiliumBGPPeerConfig: only "
	    "heraldlb.io/v1 has it" },
	{ CPEER "  transport: {localPort: 179}\n",
	    "5:15: CiliumBGPPeerConfig/tor: spec.transport.localPort: unknown field in "
	    "CiliumBGPPeerConfig: only v2alpha1 has it" },

	/* ---- BGPClusterConfig ---- */
	{ CLUSTER "  bgpInstances: []\n",
	    "5:17: CiliumBGPClusterConfig/c: spec.bgpInstances: must not be empty" },
	{ CLUSTER "  bgpInstances: [{name: a, localASN: 0}]\n",
	    "5:38: CiliumBGPClusterConfig/c: spec.bgpInstances[0].localASN: 0: must be 1 to "
	    "4294967295" },
	{ CLUSTER "  bgpInstances: [{name: a}, {name: a}]\n",
	    "5:36: CiliumBGPClusterConfig/c: spec.bgpInstances[1].name: a: item 0 has this name "
	    "already; names must differ" },
	{ CLUSTER
	    "  bgpInstances:\n  - name: a\n    peers:\n    - {name: p, peerAdress: 10.0.0.1}\n",
	    "8:17: CiliumBGPClusterConfig/c: spec.bgpInstances[0].peers[0].peerAdress: unknown "
	    "field; "
	    "did you mean 'peerAddress'?" },
	{ CLUSTER
	    "  bgpInstances:\n  - name: a\n    peers:\n    - {name: p, peerAddress: 10.0.0.256}\n",
	    "8:30: CiliumBGPClusterConfig/c: spec.bgpInstances[0].peers[0].peerAddress: "
	    "10.0.0.256: "
	    "must be an IPv4 or IPv6 address" },
	{ CLUSTER
	    "  bgpInstances:\n  - name: a\n    peers:\n    - {name: p, peerAddress: 224.0.0.1}\n",
	    "8:30: CiliumBGPClusterConfig/c: spec.bgpInstances[0].peers[0].peerAddress: 224.0.0.1: "
	    "must be an address of one host" },
	{ CLUSTER "  bgpInstances:\n  - name: a\n    peers:\n    - {name: p}\n",
	    "8:7: CiliumBGPClusterConfig/c: spec.bgpInstances[0].peers[0]: missing: must have "
	    "peerAddress or autoDiscovery" },
	{ CLUSTER "  bgpInstances:\n  - name: a\n    peers:\n    - {name: p, autoDiscovery: {mode: "
		  "DefaultGateway}}\n",
	    "8:32: CiliumBGPClusterConfig/c: spec.bgpInstances[0].peers[0].autoDiscovery: "
	    "defaultGateway is missing: must be given in mode DefaultGateway" },
	{ CLUSTER
	    "  bgpInstances:\n  - name: a\n    peers:\n    - {name: p, peerAddress: 10.0.0.1, "
	    "autoDiscovery: {mode: Unnumbered, unnumbered: {interface: eth0}}}\n",
	    "8:55: CiliumBGPClusterConfig/c: spec.bgpInstances[0].peers[0].autoDiscovery: must be "
	    "absent: peerAddress is given" },
	{ NATIVE_PEER "peerAddress: 10.0.0.1%eth0}]}]\n",
	    "5:59: " NATIVE_AT
	    "peerAddress: 10.0.0.1%eth0: must have no interface behind it: only a "
	    "link-local address may have one" },
	{ NATIVE_PEER "peerAddress: fe80::1%a-name-of-16-byte}]}]\n",
	    "5:59: " NATIVE_AT
	    "peerAddress: fe80::1%a-name-of-16-byte: must have the name of an interface "
	    "behind the %" },
	{ NATIVE_PEER "peerAddress: \"fe80::1%\"}]}]\n",
	    "5:59: " NATIVE_AT
	    "peerAddress: fe80::1%: must have the name of an interface behind the %" },
	{ NATIVE_PEER "peerAddressRange: 224.0.0.0/8}]}]\n",
	    "5:64: " NATIVE_AT "peerAddressRange: 224.0.0.0/8: must be of addresses of hosts" },
	{ NATIVE_PEER "localASNMode: no-prepend, peerAddress: 10.0.0.1}]}]\n",
	    "5:60: " NATIVE_AT "localASNMode: must be absent: localASN is not given" },
	{ CLUSTER
	    "  nodeSelector: {matchExpressions: [{key: a, operator: In}]}\n  bgpInstances: [{name: "
	    "a}]\n",
	    "5:37: CiliumBGPClusterConfig/c: spec.nodeSelector.matchExpressions[0].values: "
	    "missing: In "
	    "needs at least one" },
	{ CLUSTER
	    "  nodeSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}\n  "
	    "bgpInstances: [{name: a}]\n",
	    "5:72: CiliumBGPClusterConfig/c: spec.nodeSelector.matchExpressions[0].values: must be "
	    "absent with Exists" },
	{ CLUSTER
	    "  nodeSelector: {matchExpressions: [{key: a, operator: Is}]}\n  bgpInstances: [{name: "
	    "a}]\n",
	    "5:56: CiliumBGPClusterConfig/c: spec.nodeSelector.matchExpressions[0].operator: Is: "
	    "must "
	    "be In, NotIn, Exists or DoesNotExist" },

	/* ---- BGPAdvertisement, BGPNodeConfigOverride ---- */
	{ ADV "  - {advertisementType: Service}\n",
	    "6:5: BGPAdvertisement/a: spec.advertisements[0]: service is missing: must be given "
	    "with "
	    "advertisementType Service" },
	{ ADV "  - {advertisementType: PodCIDR, selector: {}}\n",
	    "6:44: BGPAdvertisement/a: spec.advertisements[0].selector: must be absent with "
	    "advertisementType PodCIDR" },
	{ ADV "  - {advertisementType: PodCIDR, service: {addresses: [ClusterIP]}}\n",
	    "6:43: BGPAdvertisement/a: spec.advertisements[0].service: must be absent unless "
	    "advertisementType is Service" },
	{ ADV "  - {advertisementType: Interface}\n",
	    "6:5: BGPAdvertisement/a: spec.advertisements[0]: interface is missing: must be given "
	    "with "
	    "advertisementType Interface" },
	{ ADV "  - {advertisementType: Service, service: {addresses: []}}\n",
	    "6:55: BGPAdvertisement/a: spec.advertisements[0].service.addresses: must not be "
	    "empty" },
	{ ADV "  - {advertisementType: Service, service: {addresses: [LoadbalancerIP]}}\n",
	    "6:56: BGPAdvertisement/a: spec.advertisements[0].service.addresses[0]: "
	    "LoadbalancerIP: "
	    "must be LoadBalancerIP, ExternalIP or ClusterIP" },
	{ ADV "  - {advertisementType: Service, service: {addresses: [ClusterIP], "
	      "aggregationLengthIPv4: 32}}\n",
	    "6:91: BGPAdvertisement/a: spec.advertisements[0].service.aggregationLengthIPv4: 32: "
	    "must "
	    "be 0 to 31" },
	{ ADV "  - {advertisementType: PodCIDR, attributes: {communities: {large: [\"1:2\"]}}}\n",
	    "6:69: BGPAdvertisement/a: spec.advertisements[0].attributes.communities.large[0]: "
	    "1:2: "
	    "must be a large community: N:N:N" },
	{ ADV
	    "  - {advertisementType: PodCIDR, attributes: {communities: {wellKnown: [\"1:2\"]}}}\n",
	    "6:73: BGPAdvertisement/a: spec.advertisements[0].attributes.communities.wellKnown[0]: "
	    "1:2: must be the name of a well-known community: internet, planned-shut, accept-own, "
	    "route-filter-translated-v4, route-filter-v4, route-filter-translated-v6, "
	    "route-filter-v6, llgr-stale, no-llgr, blackhole, no-export, no-advertise, "
	    "no-export-subconfed or no-peer" },
	{ ADV "  - {advertisementType: PodCIDR, noEndpoints: keep}\n",
	    "6:47: BGPAdvertisement/a: spec.advertisements[0].noEndpoints: keep: must be withdraw "
	    "or "
	    "advertise" },
	{ OVERRIDE "  bgpInstances: [{name: a, routerID: 0.0.0.0}]\n",
	    "5:38: CiliumBGPNodeConfigOverride/n: spec.bgpInstances[0].routerID: 0.0.0.0: must be "
	    "in "
	    "dotted form such as 192.0.2.1, and not 0.0.0.0" },

	/* ---- pools ---- */
	{ POOL "  blocks: [{}]\n",
	    "5:12: CiliumLoadBalancerIPPool/p: spec.blocks[0]: missing: must have cidr, or start "
	    "and "
	    "stop" },
	{ POOL "  blocks: [{stop: 10.0.0.1}]\n",
	    "5:12: CiliumLoadBalancerIPPool/p: spec.blocks[0].start: missing: must have cidr, or "
	    "start "
	    "and stop" },
	{ POOL "  blocks: [{start: 10.0.0.2, stop: 10.0.0.1}]\n",
	    "5:36: CiliumLoadBalancerIPPool/p: spec.blocks[0].stop: 10.0.0.1: must not be lower "
	    "than "
	    "start, 10.0.0.2" },
	{ POOL "  blocks: [{start: 10.0.0.2, stop: \"2001:db8::1\"}]\n",
	    "5:36: CiliumLoadBalancerIPPool/p: spec.blocks[0].stop: 2001:db8::1: must be of the "
	    "same "
	    "family as start, 10.0.0.2" },
	{ POOL "  blocks: [{cidr: 10.0.0.0/33}]\n",
	    "5:19: CiliumLoadBalancerIPPool/p: spec.blocks[0].cidr: 10.0.0.0/33: must have a "
	    "length of "
	    "at most 32 (IPv4) or 128 (IPv6)" },
	{ POOL "  blocks: [{cidr: ten}]\n",
	    "5:19: CiliumLoadBalancerIPPool/p: spec.blocks[0].cidr: ten: must be an IPv4 or IPv6 "
	    "prefix such as 192.0.2.0/24" },
	{ POOL "  allowFirstLastIPs: maybe\n",
	    "5:22: CiliumLoadBalancerIPPool/p: spec.allowFirstLastIPs: maybe: must be No or Yes" },

	/* ---- core kinds ---- */
	{ SVC "  ports: [{port: 0}]\n",
	    "5:18: Service/web: spec.ports[0].port: 0: must be 1 to 65535" },
	{ SVC "  type: LoadBalancer\n",
	    "5:3: Service/web: spec.ports: missing: must have at least one" },
	{ SVC "  ports: [{port: 80}, {port: 81, name: b}]\n",
	    "5:11: Service/web: spec.ports[0]: name is missing: more than one port, so all need "
	    "one" },
	{ SVC "  ports: [{port: 80, name: a}, {port: 80, name: b}]\n",
	    "5:32: Service/web: spec.ports[1]: 80/TCP: item 0 has it already" },
	{ SVC "  ports: [{port: 80, targetPort: 70000}]\n",
	    "5:34: Service/web: spec.ports[0].targetPort: 70000: must be a port from 1 to 65535, "
	    "or "
	    "the name of one" },
	{ SVC "  ports: [{port: 80}]\n  externalTrafficPolicy: local\n",
	    "6:26: Service/web: spec.externalTrafficPolicy: local: must be Cluster or Local" },
	{ SVC "  ports: [{port: 80}]\n  clusterIPs: [10.0.0.1, x]\n",
	    "6:26: Service/web: spec.clusterIPs[1]: x: must be an IPv4 or IPv6 address" },
	{ SVC "  ports: [{port: 80}]\n  clusterIP: 10.0.0.2\n  clusterIPs: [10.0.0.1]\n",
	    "6:14: Service/web: spec.clusterIP: 10.0.0.2: must be the first of clusterIPs" },
	{ SVC "  ports: [{port: 80}]\n  selectr: {}\n",
	    "6:3: Service/web: spec.selectr: unknown field; did you mean 'selector'?" },
	{ NODE "spec: {podCIDR: 10.0.0.0}\nstatus: {addresses: [{type: InternalIP, address: x}]}\n",
	    "5:50: Node/n: status.addresses[0].address: x: must be an IPv4 or IPv6 address" },
	{ NODE "spec: {podCIDR: 10.0.0.0/24, podCIDRs: [10.0.1.0/24]}\n",
	    "4:17: Node/n: spec.podCIDR: 10.0.0.0/24: must be the first of podCIDRs" },
	{ SLICE "addressType: IPv4\nendpoints: [{addresses: [\"2001:db8::1\"]}]\n",
	    "5:26: EndpointSlice/s: endpoints[0].addresses[0]: 2001:db8::1: must be an IPv4 "
	    "address" },
	{ SLICE "endpoints: []\n", "1:1: EndpointSlice/s: addressType: missing: must be given" },
	{ SECRET "data: {password: \"***\"}\n",
	    "4:18: Secret/s: data.password: must be base64; plain text goes into stringData" },
	{ SECRET "stringData: {\"a b\": x}\n",
	    "4:14: Secret/s: stringData.a b: must be a key of letters, digits, '-', '_', '.'" },

	/* ---- HeraldConfig ---- */
	{ CFG "  bgp: {listen: [\"10.0.0.1\"]}\n",
	    "5:18: HeraldConfig/default: spec.bgp.listen[0]: 10.0.0.1: must be ADDRESS:PORT, such "
	    "as "
	    "\"0.0.0.0:179\" or \"[::]:179\"" },
	{ CFG "  datapath: {maglevTableSize: 16380}\n",
	    "5:31: HeraldConfig/default: spec.datapath.maglevTableSize: 16380: must be a prime of "
	    "at "
	    "most 131071" },
	{ CFG "  datapath: {nodePortAddresses: [\"eth1\"]}\n",
	    "5:34: HeraldConfig/default: spec.datapath.nodePortAddresses[0]: eth1: must be an IPv4 "
	    "or IPv6 prefix such as 192.0.2.0/24" },
	{ CFG "  datapath: {conntrack: {maxFlowsIPv4: 1000}}\n",
	    "5:40: HeraldConfig/default: spec.datapath.conntrack.maxFlowsIPv4: 1000: must be "
	    "1024 to 67108864" },
	{ CFG "  datapath: {devices: [\"eth(\"]}\n",
	    "5:24: HeraldConfig/default: spec.datapath.devices[0]: eth(: must be a POSIX extended "
	    "regular expression: Unmatched ( or \\(" },
	{ CFG "  stateDir: state\n",
	    "5:13: HeraldConfig/default: spec.stateDir: state: must be an absolute path" },
	{ CFG "  sources: {kubernetes: {}}\n",
	    "5:25: HeraldConfig/default: spec.sources.kubernetes: missing: must have kubeconfig, "
	    "or "
	    "inCluster: true" },
	{ CFG "  sources: {kubernetes: {inCluster: true, kubeconfig: /k}}\n",
	    "5:55: HeraldConfig/default: spec.sources.kubernetes.kubeconfig: must be absent: "
	    "inCluster is true" },
	{ CFG "  bgp: {import: [{action: accept, match: {origin: learned}}]}\n",
	    "5:18: HeraldConfig/default: spec.bgp.import[0]: match.origin must be absent: what is "
	    "imported is always learned" },
};

START_TEST(fault)
{
	char lines[1200];

	snprintf(lines, sizeof(lines), "t.yaml:%s\n", cases[_i].fault);
	res_refuses(cases[_i].text, lines);
}
END_TEST

/* All at once, over documents and kinds, in the order of the text. */
START_TEST(all_faults_at_once)
{
	res_refuses(POOL "  blocks: [{cidr: x}, {cidr: y}]\n  disabled: maybe\n---\n" PEER
			 "  timers: {holdTimeSeconds: 1, keepAliveTimeSeconds: 0}\n  what: 1\n",
	    "t.yaml:5:19: CiliumLoadBalancerIPPool/p: spec.blocks[0].cidr: x: must be an IPv4 or "
	    "IPv6 "
	    "prefix such as 192.0.2.0/24\n"
	    "t.yaml:5:30: CiliumLoadBalancerIPPool/p: spec.blocks[1].cidr: y: must be an IPv4 or "
	    "IPv6 "
	    "prefix such as 192.0.2.0/24\n"
	    "t.yaml:6:13: CiliumLoadBalancerIPPool/p: spec.disabled: maybe: must be true or false\n"
	    "t.yaml:12:29: BGPPeerConfig/tor: spec.timers.holdTimeSeconds: 1: must be 0 or 3 to "
	    "65535\n"
	    "t.yaml:12:54: BGPPeerConfig/tor: spec.timers.keepAliveTimeSeconds: 0: must be 1 to "
	    "65535\n"
	    "t.yaml:13:3: BGPPeerConfig/tor: spec.what: unknown field; there are transport, "
	    "timers, "
	    "authSecretRef, authSecretNamespace, tcpAO, gracefulRestart, ebgpMultihop, "
	    "ttlSecurity, "
	    "extendedMessages, "
	    "extendedNextHop, routeReflectorClient, allowASIn, enforceFirstAS, role, roleStrict, "
	    "bfdProfile, bfd, families, "
	    "import, export\n");
}
END_TEST

/* A Secret's value stands in no message. */
START_TEST(secrets_are_not_quoted)
{
	struct res_result r =
	    res_load(SECRET "data: {password: hunter2!}\nstringData: {x: [hunter2]}\n");

	ck_assert_ptr_null(strstr(r.faults, "hunter2"));
	ck_assert_int_ne(r.err, 0);
	res_result_fini(&r);
}
END_TEST

/* Found by fuzzing: a value over several lines made the fault one of several lines. */
START_TEST(a_fault_is_one_line)
{
	res_refuses(NODE "status:\n  addresses: [{type: InternalIP, address: \"a\\n\\rb\\x1b"
			 "[31m\\x9b c\"}]\n",
	    "t.yaml:5:43: Node/n: status.addresses[0].address: a??b?[31m?? c: must be an IPv4 or "
	    "IPv6 address\n");
}
END_TEST

/* A value that is clipped in a character, and U+2028, which some take for the end of a line. */
START_TEST(a_fault_is_utf8)
{
	res_refuses(NODE "status:\n  addresses: [{type: InternalIP, address: \"\xe2\x80\xa8"
			 "12345678901234567890123456789012345678901234567890"
			 "12345678901234567890123456\xc3\xa9z\"}]\n",
	    "t.yaml:5:43: Node/n: status.addresses[0].address: ???"
	    "12345678901234567890123456789012345678901234567890"
	    "12345678901234567890123456?: must be an IPv4 or IPv6 address\n");
}
END_TEST

/* Long and odd values are clipped and made harmless. */
START_TEST(values_are_clipped)
{
	res_refuses(PEER
	    "  role: \"a\\nb\\x1bc 1234567890123456789012345678901234567890123456789012"
	    "34567890123456789012345678901234567890\"\n",
	    "t.yaml:5:9: BGPPeerConfig/tor: spec.role: a?b?c "
	    "1234567890123456789012345678901234567890123456789012345678901234567890...: must be "
	    "provider, customer, peer, rs or rs-client\n");
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("faults");

	tcase_add_loop_test(tc, fault, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(tc, all_faults_at_once);
	tcase_add_test(tc, secrets_are_not_quoted);
	tcase_add_test(tc, a_fault_is_one_line);
	tcase_add_test(tc, a_fault_is_utf8);
	tcase_add_test(tc, values_are_clipped);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("decode", add_tests)
