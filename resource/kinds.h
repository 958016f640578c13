/*
 * resource/kinds.h: the typed objects of Kubernetes itself; those of BGP are in bgp_kinds.h, pools
 * and what goes with them in pool_kinds.h, HeraldConfig in herald_config.h.  Each struct starts with its struct res_object; fields carry
 * the names of the documents.  Lists are {v, nr}; numbers with a has_ flag can be absent.
 */
#ifndef HERALD_RESOURCE_KINDS_H
#define HERALD_RESOURCE_KINDS_H

#include "resource/bgp_kinds.h"
#include "resource/herald_config.h"
#include "resource/object.h"
#include "resource/pool_kinds.h"
#include "resource/selector.h"

#include "lib/addr.h"

/* Lists of addresses and prefixes. */
struct res_addrs {
	const struct addr *v;
	size_t nr;
};

struct res_prefixes {
	const struct prefix *v;
	size_t nr;
};

/* ---- v1 Node ---- */

enum res_node_addr_type {
	RES_ADDR_INTERNAL_IP,
	RES_ADDR_EXTERNAL_IP,
	RES_ADDR_HOSTNAME,
	RES_ADDR_INTERNAL_DNS,
	RES_ADDR_EXTERNAL_DNS
};

struct res_node_addr {
	enum res_node_addr_type type;
	const char *address; /* an IP or a name, as it stands */
	struct addr ip;	     /* ADDR_NONE when it is not an IP */
};

/* status.conditions: True, False, Unknown as text. */
struct res_condition {
	const char *type, *status, *reason;
};

struct res_taint {
	const char *key, *value, *effect;
};

struct res_node {
	struct res_object obj;
	struct res_prefixes pod_cidrs; /* spec.podCIDRs, or spec.podCIDR alone */
	const char *pod_cidr;	       /* spec.podCIDR as it stands, "" when absent */
	bool unschedulable;
	struct {
		const struct res_taint *v;
		size_t nr;
	} taints;
	struct {
		const struct res_node_addr *v;
		size_t nr;
	} addresses; /* status.addresses */
	struct {
		const struct res_condition *v;
		size_t nr;
	} conditions;
};

/* The first address of @type and @family in status.addresses, or NULL. */
const struct addr *res_node_addr(
    const struct res_node *, enum res_node_addr_type, enum addr_family);

/* ---- v1 Service ---- */

enum res_protocol { RES_TCP, RES_UDP, RES_SCTP };
enum res_service_type {
	RES_SVC_CLUSTER_IP,
	RES_SVC_NODE_PORT,
	RES_SVC_LOAD_BALANCER,
	RES_SVC_EXTERNAL_NAME
};
enum res_traffic_policy { RES_POLICY_CLUSTER, RES_POLICY_LOCAL };
enum res_ip_family { RES_IPV4, RES_IPV6 };
enum res_family_policy { RES_FAMILY_UNSET, RES_SINGLE_STACK, RES_PREFER_DUAL, RES_REQUIRE_DUAL };
enum res_affinity { RES_AFFINITY_NONE, RES_AFFINITY_CLIENT_IP };

/* A number, or the name of a port: name NULL, or number 0.  Both unset: absent. */
struct res_int_or_string {
	uint16_t number;
	const char *name;
};

struct res_service_port {
	const char *name; /* "" when there is only one */
	enum res_protocol protocol;
	const char *app_protocol;
	uint16_t port, node_port;
	struct res_int_or_string target_port;
};

/* Who takes the packets to the address: the nodes, or something in front of them. */
enum res_ip_mode { RES_IP_MODE_VIP, RES_IP_MODE_PROXY };

struct res_ingress {
	struct addr ip; /* ADDR_NONE when only a host name is given */
	const char *hostname;
	enum res_ip_mode ip_mode;
};

struct res_service {
	struct res_object obj;
	enum res_service_type type;
	struct res_addrs cluster_ips; /* without "None" */
	bool headless;		      /* clusterIP: None */
	struct res_strings cluster_ips_text;
	const char *cluster_ip_text; /* spec.clusterIP as it stands */
	struct res_addrs external_ips;
	struct addr load_balancer_ip; /* spec.loadBalancerIP; ADDR_NONE: not asked for */
	bool has_load_balancer_class;
	const char *load_balancer_class; /* "" when absent */
	enum res_traffic_policy external_policy, internal_policy;
	struct {
		const enum res_ip_family *v;
		size_t nr;
	} ip_families;
	enum res_family_policy ip_family_policy;
	struct res_pairs selector;
	struct {
		const struct res_service_port *v;
		size_t nr;
	} ports;
	struct res_prefixes source_ranges; /* spec.loadBalancerSourceRanges */
	enum res_affinity affinity;
	uint32_t affinity_timeout_s;
	uint16_t health_check_node_port;
	bool publish_not_ready;
	struct {
		const struct res_ingress *v;
		size_t nr;
	} ingress; /* status.loadBalancer.ingress: what somebody wrote there */
	struct res_told_list told;
};

/* ---- discovery.k8s.io/v1 EndpointSlice ---- */

enum res_addr_type { RES_SLICE_IPV4, RES_SLICE_IPV6, RES_SLICE_FQDN };

/* A zone or a node that an endpoint is meant for. */
struct res_hint {
	const char *name;
};

struct res_hints {
	const struct res_hint *v;
	size_t nr;
};

/* The conditions come out resolved: ready absent is ready; serving absent is as ready;
 * terminating absent is false. */
struct res_endpoint {
	struct res_addrs addresses; /* empty for FQDN slices */
	struct res_strings addresses_text;
	const char *node_name; /* "" when unknown */
	const char *hostname, *zone;
	bool ready, serving, terminating;
	bool has_serving; /* was it said? */
	struct res_hints for_zones, for_nodes;
};

/* A port that is absent (has_port false) means every port. */
struct res_endpoint_port {
	const char *name;
	enum res_protocol protocol;
	bool has_port;
	uint16_t port;
};

struct res_endpoint_slice {
	struct res_object obj;
	const char *service_name; /* the label kubernetes.io/service-name, or "" */
	enum res_addr_type address_type;
	struct {
		const struct res_endpoint *v;
		size_t nr;
	} endpoints;
	struct {
		const struct res_endpoint_port *v;
		size_t nr;
	} ports;
};

/* ---- v1 Secret ---- */

/* Values are decoded from base64 (data) or taken as they are (stringData, which wins). */
struct res_secret_entry {
	const char *key;
	const uint8_t *value; /* a NUL follows, not counted */
	size_t len;
};

struct res_secret {
	struct res_object obj;
	const char *type;
	struct res_secret_entries {
		const struct res_secret_entry *v;
		size_t nr;
	} data, encoded, plain; /* data: the two others together, sorted by key */
};

const struct res_secret_entry *res_secret_get(const struct res_secret *, const char *key);

/* ---- v1 Namespace: its labels are what counts ---- */

struct res_namespace {
	struct res_object obj;
};

#endif
