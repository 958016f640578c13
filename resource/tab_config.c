/*
 * resource/tab_config.c: the table of HeraldConfig.
 */
#include "resource/collect.h"
#include "resource/herald_config.h"
#include "resource/metallb_kinds.h"
#include "resource/tables.h"

#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

static bool
is_prime(const void *at)
{
	uint32_t n = *(const uint32_t *)at;

	if (n < 2)
		return false;
	for (uint32_t k = 2; (uint64_t)k * k <= n; k++)
		if (n % k == 0)
			return false;
	return true;
}

static bool
is_absolute(const void *at)
{
	return **(const char *const *)at == '/';
}

/* What a sockaddr_un holds. */
static bool
is_socket_path(const void *at)
{
	const char *path = *(const char *const *)at;

	return *path == '/' && strlen(path) < 108;
}

static void
kubernetes_check(struct decoder *d, const struct node *map, void *at)
{
	const struct res_kubernetes_source *k = at;

	if (!map)
		return;
	if (k->in_cluster && *k->kubeconfig)
		decode_fault(d, map, "kubeconfig", "must be absent: inCluster is true");
	else if (!k->in_cluster && !*k->kubeconfig)
		decode_fault(d, map, "", "missing: must have kubeconfig, or inCluster: true");
	if (k->in_cluster && *k->context)
		decode_fault(d, map, "context", "must be absent: inCluster is true");
}

/* Who leads has to stand down before others may follow, and to try more than once before. */
static void
leader_check(struct decoder *d, const struct node *map, void *at)
{
	const struct res_kubernetes_source *k = at;

	if (!map)
		return;
	if (k->leader.renew_s >= k->leader.duration_s)
		decode_fault(d, map, "renewDeadlineSeconds",
		    "%u: must be less than leaseDurationSeconds, %u", k->leader.renew_s,
		    k->leader.duration_s);
	if (k->leader.retry_s >= k->leader.renew_s)
		decode_fault(d, map, "retryPeriodSeconds",
		    "%u: must be less than renewDeadlineSeconds, %u", k->leader.retry_s,
		    k->leader.renew_s);
}

static void
metrics_check(struct decoder *d, const struct node *map, void *at)
{
	struct res_herald_config *c = at;

	(void)d;
	(void)map;
	c->metrics_off = !addr_is_set(&c->metrics_listen.addr);
}

static void
bgp_check(struct decoder *d, const struct node *map, void *at)
{
	const struct res_herald_config *c = at;

	rules_check_import(d, map, "import", &c->bgp_import);
}

/* Both would route the same PodCIDRs, by different ways. */
static void
spec_check(struct decoder *d, const struct node *map, void *at)
{
	const struct res_herald_config *c = at;

	if (map && c->datapath.tunnel == RES_TUNNEL_VXLAN && c->direct_node_routes)
		decode_fault(d, map, "datapath",
		    "tunnel: vxlan must not be with routing.directNodeRoutes: true");
}

static bool
is_ipam_socket(const void *at)
{
	return !**(const char *const *)at || is_socket_path(at);
}

/* Does each prefix fit the family, and hold at least one range? */
static void
cluster_pool_check(struct decoder *d, const struct node *map, const char *field,
    const struct prefix *v, size_t nr, enum addr_family family, uint32_t mask)
{
	for (size_t i = 0; map && i < nr; i++) {
		if (v[i].addr.family != family)
			decode_fault_item(d, map, field, i, "%s: must be of family IPv%d",
			    prefix_str(&v[i]), family == ADDR_V4 ? 4 : 6);
		else if (v[i].len > mask)
			decode_fault_item(d, map, field, i,
			    "%s: must be as large as a node's range, /%u, or larger",
			    prefix_str(&v[i]), mask);
		for (size_t k = 0; k < i; k++)
			if (prefix_covers(&v[k], &v[i]) || prefix_covers(&v[i], &v[k]))
				decode_fault_item(d, map, field, i, "%s: must not overlap %s",
				    prefix_str(&v[i]), prefix_str(&v[k]));
	}
}

static void
cluster_pools_check(struct decoder *d, const struct node *map, void *at)
{
	const struct res_pod_ipam *p = at;

	cluster_pool_check(
	    d, map, "ipv4PodCIDRs", p->pool_v4.v, p->pool_v4.nr, ADDR_V4, p->mask_v4);
	cluster_pool_check(
	    d, map, "ipv6PodCIDRs", p->pool_v6.v, p->pool_v6.nr, ADDR_V6, p->mask_v6);
}

static bool
is_rest(const void *at)
{
	uint64_t ms;

	return duration_parse(*(const char *const *)at, &ms) == 0 && ms <= 24 * 3600 * 1000;
}

static void
ipam_check(struct decoder *d, const struct node *map, void *at)
{
	struct res_pod_ipam *p = at;

	if (p->reuse_after && duration_parse(p->reuse_after, &p->reuse_ms) < 0)
		p->reuse_ms = 0;
	if (map && p->mode == RES_IPAM_CLUSTER_POOL && !p->pool_v4.nr && !p->pool_v6.nr)
		decode_fault(d, map, "clusterPool",
		    "missing: must have ipv4PodCIDRs or ipv6PodCIDRs with mode cluster-pool");
}

/* IPv6 is not carried by links of less. */
static bool
is_tunnel_mtu(const void *at)
{
	uint32_t mtu = *(const uint32_t *)at;

	return mtu == 0 || mtu >= 1280;
}

static bool
is_dialect(const void *at)
{
	static const char *const groups[] = { "heraldlb.io", "cilium.io", "metallb.io" };

	for (size_t i = 0; i < 3; i++)
		if (strcmp(groups[i], *(const char *const *)at) == 0)
			return true;
	return false;
}

/* clang-format off */
#define CONF struct res_herald_config
#define KUBE struct res_kubernetes_source
#define DP struct res_datapath
#define PODS struct res_pod_ipam
#define L2 struct res_l2

static const char *const level_words[] = { "error", "warn", "info", "debug", NULL };
static const char *const format_words[] = { "logfmt", "json", NULL };
static const char *const mode_words[] = { "bpf", "none", NULL };
static const char *const attach_words[] = { "auto", "xdp", "tc", NULL };
static const char *const forwarding_words[] = { "snat", "dsr", NULL };
static const char *const tunnel_words[] = { "none", "vxlan", NULL };
static const char *const algorithm_words[] = { "maglev", "random", NULL };

static const struct field leader_fields[] = {
	{ "leaseDurationSeconds", T_UINT, 0, FIELD_AT(KUBE, leader.duration_s), .min = 2,
	  .max = 3600, .def = "15", .cost = RES_COST_RESTART,
	  .help = "after so long without a renewal another node may lead" },
	{ "renewDeadlineSeconds", T_UINT, 0, FIELD_AT(KUBE, leader.renew_s), .min = 2, .max = 3600,
	  .def = "10", .cost = RES_COST_RESTART,
	  .help = "who leads and cannot renew for so long stands down" },
	{ "retryPeriodSeconds", T_UINT, 0, FIELD_AT(KUBE, leader.retry_s), .min = 1, .max = 3600,
	  .def = "2", .cost = RES_COST_RESTART, .help = "between renewals, and between looks" },
	{ "namespace", T_STRING, 0, FIELD_AT(KUBE, namespace), .max = 63, .cost = RES_COST_RESTART,
	  .help = "where the Leases live; default: that of the pod or the context" },
	FIELD_END,
};
static const struct table leader_table = { leader_fields, 0, leader_check };

static const struct field writes_fields[] = {
	{ "perSecond", T_UINT, 0, FIELD_AT(KUBE, writes.per_second), .min = 1, .max = 10000,
	  .def = "400", .cost = RES_COST_SOFT, .help = "requests that write, Leases not counted" },
	{ "burst", T_UINT, 0, FIELD_AT(KUBE, writes.burst), .min = 1, .max = 10000, .def = "800",
	  .cost = RES_COST_SOFT, .help = "so many more after a rest" },
	{ "atOnce", T_UINT, 0, FIELD_AT(KUBE, writes.at_once), .min = 1, .max = 256, .def = "8",
	  .cost = RES_COST_SOFT, .help = "under way at a time" },
	FIELD_END,
};
static const struct table writes_table = { writes_fields, 0, NULL };

static const struct field kubernetes_fields[] = {
	{ "kubeconfig", T_STRING, 0, FIELD_AT(KUBE, kubeconfig), .cost = RES_COST_RESTART,
	  .help = "how to reach the API server" },
	{ "context", T_STRING, 0, FIELD_AT(KUBE, context), .cost = RES_COST_RESTART,
	  .help = "of the kubeconfig; default: its current-context" },
	{ "inCluster", T_BOOL, 0, FIELD_AT(KUBE, in_cluster), .cost = RES_COST_RESTART,
	  .help = "use the pod's service account" },
	{ "dialects", T_STRING, F_LIST, FIELD_LIST_AT(KUBE, dialects), .def = "heraldlb.io",
	  .valid = is_dialect, .right = "heraldlb.io, cilium.io or metallb.io",
	  .cost = RES_COST_RESTART, .help = "groups to watch" },
	{ "loadBalancerClass", T_STRING, 0, FIELD_AT(KUBE, load_balancer_class),
	  .cost = RES_COST_SOFT, .help = "ours beside heraldlb.io/herald; others are left alone" },
	{ "defaultClass", T_BOOL, 0, FIELD_AT(KUBE, default_class), .def = "true",
	  .cost = RES_COST_SOFT, .help = "Services without a loadBalancerClass are ours" },
	FIELD_GROUP("leaderElection", 0, leader_table),
	FIELD_GROUP("writes", 0, writes_table),
	FIELD_END,
};
static const struct table kubernetes_table = { kubernetes_fields, sizeof(KUBE), kubernetes_check };
static const struct field source_fields[] = {
	{ "kubernetes", T_STRUCT, F_HAS, FIELD_AT(CONF, kubernetes),
	  FIELD_HAS(CONF, kubernetes.present), .sub = &kubernetes_table, .cost = RES_COST_RESTART,
	  .help = "absent: files are the only source" },
	FIELD_END,
};
static const struct table source_table = { source_fields, 0, NULL };

static const struct field control_fields[] = {
	{ "socket", T_STRING, 0, FIELD_AT(CONF, control_socket), .def = "/run/herald/herald.sock",
	  .valid = is_socket_path, .right = "an absolute path of at most 107 bytes",
	  .cost = RES_COST_RESTART, .help = "where heraldctl finds the daemon" },
	{ "group", T_STRING, 0, FIELD_AT(CONF, control_group), .cost = RES_COST_RESTART,
	  .help = "whose members may ask everything; without it root alone" },
	{ "readGroup", T_STRING, 0, FIELD_AT(CONF, control_read_group), .cost = RES_COST_RESTART,
	  .help = "whose members may look, and change nothing" },
	FIELD_END,
};
static const struct table control_table = { control_fields, 0, NULL };

static const struct field metrics_fields[] = {
	{ "listen", T_LISTEN, 0, FIELD_AT(CONF, metrics_listen), .min = 1, .def = "127.0.0.1:7479",
	  .help = "/metrics, /healthz, /readyz; \"\": off" },
	{ "perService", T_BOOL, 0, FIELD_AT(CONF, metrics_per_service), .def = "false",
	  .help = "three series more for each frontend" },
	{ "page", T_BOOL, 0, FIELD_AT(CONF, metrics_page), .def = "false",
	  .help = "a page for people at /, for browsers on this node alone" },
	FIELD_END,
};
static const struct table metrics_table = { metrics_fields, 0, metrics_check };

static const struct field log_fields[] = {
	{ "level", T_ENUM, 0, FIELD_AT(CONF, log_level), .words = level_words, .def = "info",
	  .help = "least important lines that are written" },
	{ "format", T_ENUM, 0, FIELD_AT(CONF, log_format), .words = format_words, .def = "logfmt",
	  .help = "logfmt or json" },
	FIELD_END,
};
static const struct table log_table = { log_fields, 0, NULL };

static const struct field bgp_fields[] = {
	{ "listen", T_LISTEN, F_LIST, FIELD_LIST_AT(CONF, bgp_listen),
	  .def = "0.0.0.0:179 [::]:179", .cost = RES_COST_SOFT,
	  .help = "where peers may connect; []: nowhere" },
	{ "import", T_STRUCT, F_LIST, .offset = offsetof(CONF, bgp_import),
	  .size = sizeof(struct res_rule), .sub = &rule_table, .cost = RES_COST_SOFT,
	  .help = "what is accepted from peers that have no rules of their own" },
	{ "allowASIn", T_UINT, 0, FIELD_AT(CONF, bgp_allow_as_in), .max = 10, .cost = RES_COST_SOFT,
	  .help = "how often our AS may stand in a received path" },
	{ "honorGracefulShutdown", T_BOOL, 0, FIELD_AT(CONF, bgp_honor_shutdown), .def = "true",
	  .cost = RES_COST_SOFT,
	  .help = "RFC 8326: routes that another AS marks as about to go are the last choice" },
	FIELD_END,
};
static const struct table bgp_table = { bgp_fields, 0, bgp_check };

/* The largest tables that lb_abi.h has bits for are 2^26 flows; 2^10 are enough to try it out. */
static const struct field conntrack_fields[] = {
	{ "maxFlowsIPv4", T_UINT, 0, FIELD_AT(DP, max_flows_v4), .min = 1024, .max = 67108864,
	  .def = "524288", .cost = RES_COST_SOFT, .help = "room for so many; 16 bytes each" },
	{ "maxFlowsIPv6", T_UINT, 0, FIELD_AT(DP, max_flows_v6), .min = 1024, .max = 67108864,
	  .def = "131072", .cost = RES_COST_SOFT, .help = "likewise; 32 bytes each" },
	FIELD_END,
};
static const struct table conntrack_table = { conntrack_fields, 0, NULL };

static const struct field datapath_fields[] = {
	{ "mode", T_ENUM, 0, FIELD_AT(DP, mode), .words = mode_words, .def = "bpf",
	  .cost = RES_COST_SOFT, .help = "none: somebody else forwards" },
	{ "devices", T_REGEX, F_LIST, FIELD_LIST_AT(DP, devices), .cost = RES_COST_SOFT,
	  .help = "names or expressions; none: of the default routes and the BGP peers" },
	{ "attach", T_ENUM, 0, FIELD_AT(DP, attach), .words = attach_words, .def = "auto",
	  .cost = RES_COST_SOFT, .help = "where packets are taken" },
	{ "forwarding", T_ENUM, 0, FIELD_AT(DP, forwarding), .words = forwarding_words,
	  .def = "snat", .cost = RES_COST_SOFT, .help = "dsr: answers go straight to the client" },
	{ "algorithm", T_ENUM, 0, FIELD_AT(DP, algorithm), .words = algorithm_words,
	  .def = "maglev", .cost = RES_COST_SOFT, .help = "how a backend is chosen" },
	{ "maglevTableSize", T_UINT, 0, FIELD_AT(DP, maglev_table_size), .min = 2, .max = 131071,
	  .valid = is_prime, .right = "a prime of at most 131071", .def = "16381",
	  .cost = RES_COST_SOFT, .help = "a prime, a hundred times the backends of a service" },
	{ "externalClusterIP", T_BOOL, 0, FIELD_AT(DP, external_cluster_ip), .cost = RES_COST_SOFT,
	  .help = "serve ClusterIPs to clients outside" },
	{ "nodePort", T_BOOL, 0, FIELD_AT(DP, node_port), .cost = RES_COST_SOFT,
	  .help = "serve node ports, in place of kube-proxy" },
	{ "nodePortAddresses", T_PREFIX, F_LIST, FIELD_LIST_AT(DP, node_port_addresses),
	  .cost = RES_COST_SOFT, .help = "only on addresses of this node in these; none: on all" },
	{ "socketLB", T_BOOL, 0, FIELD_AT(DP, socket_lb), .def = "true", .cost = RES_COST_SOFT,
	  .help = "translate at connect() on this node" },
	{ "cgroup", T_STRING, 0, FIELD_AT(DP, cgroup), .def = "/sys/fs/cgroup",
	  .valid = is_absolute, .right = "an absolute path", .cost = RES_COST_SOFT,
	  .help = "cgroup2 directory that socketLB attaches to" },
	{ "pinPath", T_STRING, 0, FIELD_AT(DP, pin_path), .def = "/sys/fs/bpf/herald",
	  .valid = is_absolute, .right = "an absolute path", .cost = RES_COST_RESTART,
	  .help = "where programs and maps are pinned" },
	{ "tunnel", T_ENUM, 0, FIELD_AT(DP, tunnel), .words = tunnel_words, .def = "none",
	  .cost = RES_COST_SOFT, .help = "vxlan: how other nodes' pods are reached" },
	{ "tunnelPort", T_UINT, 0, FIELD_AT(DP, tunnel_port), .min = 1, .max = 65535,
	  .def = "8472", .cost = RES_COST_SOFT, .help = "UDP port, the same on all nodes" },
	{ "tunnelVNI", T_UINT, 0, FIELD_AT(DP, tunnel_vni), .min = 1, .max = 16777215,
	  .def = "1", .cost = RES_COST_SOFT, .help = "VXLAN network, the same on all nodes" },
	{ "tunnelMTU", T_UINT, 0, FIELD_AT(DP, tunnel_mtu), .max = 65535,
	  .valid = is_tunnel_mtu, .right = "0, or 1280 to 65535", .cost = RES_COST_SOFT,
	  .help = "0: that of the link below less 50 (IPv4) or 70 (IPv6)" },
	FIELD_GROUP("conntrack", 0, conntrack_table),
	FIELD_END,
};
static const struct table datapath_table = { datapath_fields, sizeof(DP), NULL };

static const struct field liveness_fields[] = {
	{ "intervalMilliseconds", T_UINT, 0, FIELD_AT(L2, interval_ms), .min = 10, .max = 60000,
	  .def = "100", .cost = RES_COST_SOFT, .help = "between the BFD packets of two nodes" },
	{ "multiplier", T_UINT, 0, FIELD_AT(L2, multiplier), .min = 1, .max = 50, .def = "3",
	  .cost = RES_COST_SOFT, .help = "so many missed: the node is lost" },
	{ "port", T_UINT, 0, FIELD_AT(L2, port), .min = 1, .max = 65535, .def = "7480",
	  .cost = RES_COST_SOFT, .help = "UDP, the same on all nodes" },
	{ "secretName", T_STRING, 0, FIELD_AT(L2, secret), .max = 253, .cost = RES_COST_SOFT,
	  .help = "Secret whose value key signs what nodes tell each other" },
	{ "comeBackSeconds", T_UINT, 0, FIELD_AT(L2, come_back_s), .min = 2, .max = 3600,
	  .def = "10", .cost = RES_COST_SOFT,
	  .help = "so long a node answers on without its daemon, and keeps its addresses" },
	FIELD_END,
};
static const struct table liveness_table = { liveness_fields, 0, NULL };

static const struct field l2_config_fields[] = {
	FIELD_GROUP("liveness", 0, liveness_table),
	FIELD_END,
};
static const struct table l2_config_table = { l2_config_fields, sizeof(L2), NULL };

static const char *const ipam_words[] = { "kubernetes", "cluster-pool", "multi-pool", NULL };

static const struct field cluster_pool_fields[] = {
	{ "ipv4PodCIDRs", T_PREFIX, F_LIST, FIELD_LIST_AT(PODS, pool_v4), .cost = RES_COST_SOFT,
	  .help = "nodes' ranges are carved out of these, in this order; only ever append" },
	{ "ipv4MaskSize", T_UINT, 0, FIELD_AT(PODS, mask_v4), .min = 8, .max = 30, .def = "24",
	  .cost = RES_COST_SOFT, .help = "length of a node's IPv4 range; never change it" },
	{ "ipv6PodCIDRs", T_PREFIX, F_LIST, FIELD_LIST_AT(PODS, pool_v6), .cost = RES_COST_SOFT,
	  .help = "likewise of IPv6" },
	{ "ipv6MaskSize", T_UINT, 0, FIELD_AT(PODS, mask_v6), .min = 16, .max = 126, .def = "120",
	  .cost = RES_COST_SOFT, .help = "length of a node's IPv6 range; never change it" },
	FIELD_END,
};
static const struct table cluster_pool_table = { cluster_pool_fields, 0, cluster_pools_check };

static const struct field ipam_fields[] = {
	{ "mode", T_ENUM, 0, FIELD_AT(PODS, mode), .words = ipam_words, .def = "kubernetes",
	  .cost = RES_COST_SOFT,
	  .help = "where a node's PodCIDRs come from: its Node, clusterPool, or PodIPPools" },
	{ "socket", T_STRING, 0, FIELD_AT(PODS, socket), .valid = is_ipam_socket,
	  .right = "an absolute path of at most 107 bytes", .cost = RES_COST_RESTART,
	  .help = "where herald-ipam asks; default: herald-ipam.sock beside the control socket" },
	FIELD_GROUP("clusterPool", 0, cluster_pool_table),
	{ "preAllocation", T_UINT, 0, FIELD_AT(PODS, pre_allocation), .min = 1, .max = 1024,
	  .def = "8", .cost = RES_COST_SOFT,
	  .help = "multi-pool: so many addresses of a pool are kept ready on a node" },
	{ "defaultPool", T_STRING, 0, FIELD_AT(PODS, default_pool), .min = 1, .max = 253,
	  .def = "default", .cost = RES_COST_SOFT,
	  .help = "multi-pool: for pods that nothing else decides for" },
	{ "leakCheckSeconds", T_UINT, 0, FIELD_AT(PODS, leak_check_s), .min = 1, .max = 3600,
	  .def = "30", .cost = RES_COST_SOFT,
	  .help = "between looks for addresses whose network namespace is gone" },
	{ "reuseAfter", T_STRING, 0, FIELD_AT(PODS, reuse_after), .def = "60s", .valid = is_rest,
	  .right = "a duration of at most 24h, as 60s or 1m30s", .cost = RES_COST_SOFT,
	  .help = "how long the address of a Service that is gone rests before a stranger gets it" },
	FIELD_END,
};
static const struct table ipam_table = { ipam_fields, sizeof(PODS), ipam_check };

static const struct field drain_fields[] = {
	{ "onCordon", T_BOOL, 0, FIELD_AT(CONF, drain.on_cordon), .cost = RES_COST_SOFT,
	  .help = "a Node that is cordoned (spec.unschedulable)" },
	{ "onOutOfService", T_BOOL, 0, FIELD_AT(CONF, drain.on_out_of_service), .def = "true",
	  .cost = RES_COST_SOFT, .help = "one with the taint node.kubernetes.io/out-of-service" },
	{ "onExcludeLabel", T_BOOL, 0, FIELD_AT(CONF, drain.on_exclude_label), .def = "true",
	  .cost = RES_COST_SOFT,
	  .help = "one with the label node.kubernetes.io/exclude-from-external-load-balancers" },
	{ "waitSeconds", T_UINT, 0, FIELD_AT(CONF, drain.wait_s), .max = 3600, .def = "10",
	  .cost = RES_COST_SOFT,
	  .help = "what peers are given to take other paths before Services are withdrawn" },
	FIELD_END,
};
static const struct table drain_table = { drain_fields, 0, NULL };

static const char *const discard_words[] = { "auto", "always", "never", NULL };

static const struct field routing_fields[] = {
	{ "directNodeRoutes", T_BOOL, 0, FIELD_AT(CONF, direct_node_routes), .cost = RES_COST_SOFT,
	  .help = "a route to the PodCIDRs of every node on the same link" },
	{ "installLearned", T_BOOL, 0, FIELD_AT(CONF, install_learned), .cost = RES_COST_SOFT,
	  .help = "put learned routes into the kernel" },
	{ "discardAggregates", T_ENUM, 0, FIELD_AT(CONF, discard_aggregates), .words = discard_words,
	  .def = "auto", .cost = RES_COST_SOFT,
	  .help = "what is announced as a whole is unreachable where nothing of it is there" },
	{ "table", T_UINT, 0, FIELD_AT(CONF, routing_table), .min = 1, .max = UINT32_FULL,
	  .def = "254", .cost = RES_COST_SOFT, .help = "the kernel's routing table" },
	FIELD_END,
};
static const struct table routing_table = { routing_fields, 0, NULL };

static const struct field spec_fields[] = {
	{ "nodeName", T_STRING, 0, FIELD_AT(CONF, node_name), .max = 253, .cost = RES_COST_RESTART,
	  .help = "default: -n, else the host name" },
	{ "stateDir", T_STRING, 0, FIELD_AT(CONF, state_dir), .def = "/var/lib/herald",
	  .valid = is_absolute, .right = "an absolute path", .cost = RES_COST_RESTART,
	  .help = "where allocations are kept" },
	FIELD_GROUP("sources", 0, source_table),
	FIELD_GROUP("control", 0, control_table),
	FIELD_GROUP("metrics", 0, metrics_table),
	FIELD_GROUP("log", 0, log_table),
	FIELD_GROUP("bgp", 0, bgp_table),
	{ "datapath", T_STRUCT, 0, FIELD_AT(CONF, datapath), .sub = &datapath_table,
	  .help = "how packets are carried" },
	{ "l2", T_STRUCT, 0, FIELD_AT(CONF, l2), .sub = &l2_config_table,
	  .help = "layer 2 announcements: the nodes among themselves" },
	{ "ipam", T_STRUCT, 0, FIELD_AT(CONF, ipam), .sub = &ipam_table,
	  .help = "addresses of pods" },
	FIELD_GROUP("routing", 0, routing_table),
	FIELD_GROUP("drain", 0, drain_table),
	FIELD_END,
};
static const struct table spec_table = { spec_fields, 0, spec_check };

static const struct field config_fields[] = {
	FIELDS_HEAD(CONF),
	FIELD_GROUP("spec", 0, spec_table),
	FIELD_END,
};
const struct table herald_config_table = { config_fields, sizeof(CONF), NULL };
/* clang-format on */

struct res_herald_config *
res_herald_config_default(void)
{
	const struct decode_in in = {
		.schema = schema_of(RES_HERALD_CONFIG),
		.api_kind = "HeraldConfig",
		.file = "",
		.prefix = "",
	};
	struct res_faults faults = { 0 };
	struct res_object *o;

	/* Our own defaults cannot be at fault; what is left is memory, and too little of it. */
	if (decode_object(&in, &faults, &o) < 0)
		abort();
	return (struct res_herald_config *)o;
}
