/*
 * resource/herald_config.h: the one document that is ours alone, HeraldConfig.  Every field has a
 * default; res_herald_config_default() is the object that stands in when there is none.
 */
#ifndef HERALD_RESOURCE_HERALD_CONFIG_H
#define HERALD_RESOURCE_HERALD_CONFIG_H

#include "resource/object.h"
#include "resource/rules.h"

#include "lib/addr.h"

/* "0.0.0.0:179" */
struct res_listen {
	struct addr addr;
	uint16_t port;
};

enum res_log_level { RES_LOG_ERROR, RES_LOG_WARN, RES_LOG_INFO, RES_LOG_DEBUG };
enum res_log_format { RES_LOG_LOGFMT, RES_LOG_JSON };
enum res_dp_mode { RES_DP_BPF, RES_DP_NONE };
enum res_dp_attach { RES_ATTACH_AUTO, RES_ATTACH_XDP, RES_ATTACH_TC };
enum res_dp_forwarding { RES_FORWARD_SNAT, RES_FORWARD_DSR };
enum res_dp_tunnel { RES_TUNNEL_NONE, RES_TUNNEL_VXLAN };
enum res_discard { RES_DISCARD_AUTO, RES_DISCARD_ALWAYS, RES_DISCARD_NEVER };
enum res_ipam_mode { RES_IPAM_KUBERNETES, RES_IPAM_CLUSTER_POOL, RES_IPAM_MULTI_POOL };
enum res_dp_algorithm { RES_ALGORITHM_MAGLEV, RES_ALGORITHM_RANDOM };

struct res_kubernetes_source {
	bool present;		/* absent: files are the only source */
	const char *kubeconfig; /* "" with inCluster */
	const char *context;	/* of the kubeconfig; "": its current one */
	bool in_cluster;
	struct res_strings dialects;
	const char *load_balancer_class; /* ours beside heraldlb.io/herald; "": none */
	bool default_class;		 /* Services without a class are ours */
	const char *namespace;		 /* of Leases; "": the pod's or the context's */
	struct {
		uint32_t duration_s, renew_s, retry_s;
	} leader;
	struct {
		uint32_t per_second, burst, at_once;
	} writes;
};

struct res_datapath {
	enum res_dp_mode mode;
	struct res_strings devices; /* names or regular expressions; none: default routes, peers */
	enum res_dp_attach attach;
	enum res_dp_forwarding forwarding;
	enum res_dp_algorithm algorithm;
	uint32_t maglev_table_size; /* a prime */
	bool external_cluster_ip, socket_lb, node_port;
	const char *cgroup, *pin_path;
	struct {
		const struct prefix *v;
		size_t nr;
	} node_port_addresses; /* none: all of the node */
	uint32_t max_flows_v4, max_flows_v6;
	enum res_dp_tunnel tunnel;
	uint16_t tunnel_port;
	uint32_t tunnel_vni, tunnel_mtu; /* MTU 0: as the underlay allows */
};

/* How the nodes that announce on layer 2 know of each other. */
struct res_l2 {
	uint32_t interval_ms; /* of BFD between nodes */
	uint8_t multiplier;
	uint16_t port;	    /* UDP, of what they tell each other */
	const char *secret; /* "": none; else a Secret with the value "key" */
	uint32_t come_back_s;
};

/* Addresses of pods: where a node's ranges come from, and who asks for single ones. */
struct res_pod_ipam {
	enum res_ipam_mode mode;
	const char *socket; /* of herald-ipam; "": beside the control socket */
	struct {
		const struct prefix *v;
		size_t nr;
	} pool_v4, pool_v6; /* mode cluster-pool */
	uint32_t mask_v4, mask_v6, pre_allocation, leak_check_s;
	const char *default_pool;
	const char *reuse_after; /* of LoadBalancer addresses; as reuse_ms */
	uint64_t reuse_ms;
};

struct res_herald_config {
	struct res_object obj;
	const char *node_name; /* "": -n, else the host name */
	const char *state_dir;
	struct res_kubernetes_source kubernetes;
	const char *control_socket;
	const char *control_group, *control_read_group; /* "": none */
	bool metrics_off;				/* listen: "" */
	struct res_listen metrics_listen;
	bool metrics_per_service;
	bool metrics_page;
	enum res_log_level log_level;
	enum res_log_format log_format;
	struct {
		const struct res_listen *v;
		size_t nr;
	} bgp_listen;
	struct res_rules bgp_import;
	uint8_t bgp_allow_as_in;
	bool bgp_honor_shutdown;
	struct res_datapath datapath;
	struct res_l2 l2;
	struct res_pod_ipam ipam;
	bool direct_node_routes, install_learned;
	enum res_discard discard_aggregates;
	struct {
		bool on_cordon, on_out_of_service, on_exclude_label;
		uint16_t wait_s; /* between asking peers and withdrawing */
	} drain;
	uint32_t routing_table;
};

/* All defaults; the caller owns the reference. */
struct res_herald_config *res_herald_config_default(void);

#endif
