/*
 * resource/tab_service.c: the tables of Service and EndpointSlice.
 */
#include "resource/collect.h"
#include "resource/kinds.h"
#include "resource/tables.h"

#include <string.h>

static const char *const protocol_words[] = { "TCP", "UDP", "SCTP", NULL };

/* The addresses among @texts, which must be of @family when that is set.  @name: their field. */
static struct res_addrs
parse_addrs(struct decoder *d, const struct node *map, const char *name,
    const struct res_strings *texts, enum addr_family family)
{
	struct addr *v = decode_alloc(d, texts->nr, sizeof(*v));
	size_t nr = 0;

	for (size_t i = 0; v && i < texts->nr; i++) {
		if (addr_parse(texts->v[i], &v[nr]) < 0)
			decode_fault_item(
			    d, map, name, i, "%.80s: must be an IPv4 or IPv6 address", texts->v[i]);
		else if (family != ADDR_NONE && v[nr].family != family)
			decode_fault_item(d, map, name, i, "%s: must be an %s address", texts->v[i],
			    family == ADDR_V4 ? "IPv4" : "IPv6");
		else
			nr++;
	}
	return (struct res_addrs){ v, nr };
}

/* ---- Service ---- */

static void
check_cluster_ips(struct decoder *d, const struct node *map, struct res_service *s)
{
	struct res_strings texts = s->cluster_ips_text;
	const char *name = "clusterIPs";

	s->headless = strcmp(s->cluster_ip_text, "None") == 0 ||
	    (texts.nr && strcmp(texts.v[0], "None") == 0);
	if (s->headless)
		return;
	if (!texts.nr && *s->cluster_ip_text) {
		const char **one = decode_alloc(d, 1, sizeof(*one));

		if (!one)
			return;
		*one = s->cluster_ip_text;
		texts = (struct res_strings){ one, 1 };
		name = "clusterIP";
	} else if (texts.nr && *s->cluster_ip_text && strcmp(texts.v[0], s->cluster_ip_text) != 0) {
		decode_fault(d, map, "clusterIP", "%.80s: must be the first of clusterIPs",
		    s->cluster_ip_text);
	}
	s->cluster_ips = parse_addrs(d, map, name, &texts, ADDR_NONE);
}

static void
check_ports(struct decoder *d, const struct node *map, const struct res_service *s)
{
	const struct res_service_port *p = s->ports.v;

	if (!s->ports.nr && s->type != RES_SVC_EXTERNAL_NAME && !s->headless)
		decode_fault(d, map, "ports", "missing: must have at least one");
	for (size_t i = 0; i < s->ports.nr; i++) {
		if (!*p[i].name && s->ports.nr > 1)
			decode_fault_item(d, map, "ports", i,
			    "name is missing: more than one port, so all need one");
		for (size_t k = 0; k < i; k++) {
			if (*p[i].name && strcmp(p[i].name, p[k].name) == 0)
				decode_fault_item(d, map, "ports", i,
				    "%.80s: item %zu has this name already; names must differ",
				    p[i].name, k);
			if (p[i].port == p[k].port && p[i].protocol == p[k].protocol)
				decode_fault_item(d, map, "ports", i,
				    "%u/%s: item %zu has it already", p[i].port,
				    protocol_words[p[i].protocol], k);
		}
	}
}

static void
service_spec_check(struct decoder *d, const struct node *map, void *at)
{
	struct res_service *s = at;

	if (!map)
		return;
	check_cluster_ips(d, map, s);
	check_ports(d, map, s);
}

/* clang-format off */
static const char *const type_words[] = { "ClusterIP", "NodePort", "LoadBalancer", "ExternalName",
	NULL };
static const char *const policy_words[] = { "Cluster", "Local", NULL };
static const char *const family_words[] = { "IPv4", "IPv6", NULL };
static const char *const family_policy_words[] = { "", "SingleStack", "PreferDualStack",
	"RequireDualStack", NULL };
static const char *const affinity_words[] = { "None", "ClientIP", NULL };
static const char *const ip_mode_words[] = { "VIP", "Proxy", NULL };

static const struct field port_fields[] = {
	{ "name", T_STRING, 0, FIELD_AT(struct res_service_port, name), .max = 63, .cost = RES_COST_SOFT,
	  .help = "needed when there are several" },
	{ "protocol", T_ENUM, 0, FIELD_AT(struct res_service_port, protocol), .words = protocol_words,
	  .def = "TCP", .cost = RES_COST_SOFT, .help = "TCP, UDP or SCTP" },
	{ "appProtocol", T_STRING, 0, FIELD_AT(struct res_service_port, app_protocol),
	  .help = "what is spoken; for others" },
	{ "port", T_UINT, F_REQUIRED, FIELD_AT(struct res_service_port, port), .min = 1, .max = 65535,
	  .cost = RES_COST_SOFT, .help = "the port of the service" },
	{ "nodePort", T_UINT, 0, FIELD_AT(struct res_service_port, node_port), .max = 65535,
	  .cost = RES_COST_SOFT, .help = "the port on every node; 0: none" },
	{ "targetPort", T_INT_OR_STRING, 0, FIELD_AT(struct res_service_port, target_port),
	  .cost = RES_COST_SOFT, .help = "the port of the pods, or its name; default: port" },
	FIELD_END,
};
static const struct table port_table = { port_fields, sizeof(struct res_service_port), NULL };

static const struct field client_ip_fields[] = {
	{ "timeoutSeconds", T_UINT, 0, FIELD_AT(struct res_service, affinity_timeout_s), .min = 1,
	  .max = 86400, .def = "10800", .cost = RES_COST_SOFT, .help = "how long a client stays" },
	FIELD_END,
};
static const struct table client_ip_table = { client_ip_fields, 0, NULL };
static const struct field affinity_fields[] = {
	FIELD_GROUP("clientIP", 0, client_ip_table),
	FIELD_END,
};
static const struct table affinity_table = { affinity_fields, 0, NULL };

static const struct field service_spec_fields[] = {
	{ "type", T_ENUM, 0, FIELD_AT(struct res_service, type), .words = type_words,
	  .def = "ClusterIP", .cost = RES_COST_SOFT, .help = "LoadBalancer gets an address" },
	{ "clusterIP", T_STRING, 0, FIELD_AT(struct res_service, cluster_ip_text),
	  .cost = RES_COST_SOFT, .help = "the first of clusterIPs; None: headless" },
	{ "clusterIPs", T_STRING, F_LIST, FIELD_LIST_AT(struct res_service, cluster_ips_text),
	  .cost = RES_COST_SOFT, .help = "addresses inside the cluster" },
	{ "externalIPs", T_ADDR, F_LIST, FIELD_LIST_AT(struct res_service, external_ips),
	  .cost = RES_COST_SOFT, .help = "addresses that somebody else routes here" },
	{ "loadBalancerIP", T_ADDR, 0, FIELD_AT(struct res_service, load_balancer_ip), .min = 1,
	  .cost = RES_COST_SOFT, .help = "the address that is asked for" },
	{ "loadBalancerClass", T_STRING, F_HAS, FIELD_AT(struct res_service, load_balancer_class),
	  FIELD_HAS(struct res_service, has_load_balancer_class), .cost = RES_COST_SOFT,
	  .help = "who is to serve it" },
	{ "externalTrafficPolicy", T_ENUM, 0, FIELD_AT(struct res_service, external_policy),
	  .words = policy_words, .def = "Cluster", .cost = RES_COST_SOFT,
	  .help = "Local: only nodes with an endpoint, clients' addresses are kept" },
	{ "internalTrafficPolicy", T_ENUM, 0, FIELD_AT(struct res_service, internal_policy),
	  .words = policy_words, .def = "Cluster", .cost = RES_COST_SOFT,
	  .help = "likewise for clusterIPs" },
	{ "ipFamilies", T_ENUM, F_LIST, FIELD_LIST_AT(struct res_service, ip_families),
	  .words = family_words, .max_items = 2, .cost = RES_COST_SOFT, .help = "IPv4, IPv6 or both" },
	{ "ipFamilyPolicy", T_ENUM, 0, FIELD_AT(struct res_service, ip_family_policy),
	  .words = family_policy_words, .cost = RES_COST_SOFT, .help = "one family or both" },
	{ "selector", T_LABELS, 0, FIELD_AT(struct res_service, selector), .cost = RES_COST_SOFT,
	  .help = "the pods behind it" },
	{ "ports", T_STRUCT, F_LIST, FIELD_LIST_AT(struct res_service, ports), .sub = &port_table,
	  .max_items = 1000, .cost = RES_COST_SOFT, .help = "what is served" },
	{ "loadBalancerSourceRanges", T_PREFIX, F_LIST,
	  FIELD_LIST_AT(struct res_service, source_ranges), .cost = RES_COST_SOFT,
	  .help = "clients that may come in; none: all" },
	{ "sessionAffinity", T_ENUM, 0, FIELD_AT(struct res_service, affinity),
	  .words = affinity_words, .def = "None", .cost = RES_COST_SOFT,
	  .help = "ClientIP: a client stays with its endpoint" },
	FIELD_GROUP("sessionAffinityConfig", 0, affinity_table),
	{ "healthCheckNodePort", T_UINT, 0, FIELD_AT(struct res_service, health_check_node_port),
	  .max = 65535, .cost = RES_COST_SOFT,
	  .help = "where load balancers outside ask for local endpoints" },
	{ "publishNotReadyAddresses", T_BOOL, 0, FIELD_AT(struct res_service, publish_not_ready),
	  .cost = RES_COST_SOFT, .help = "endpoints count though they are not ready" },
	FIELD_ANY("allocateLoadBalancerNodePorts"), FIELD_ANY("externalName"),
	FIELD_ANY("trafficDistribution"), FIELD_ANY("ipFamily"), FIELD_ANY("topologyKeys"),
	FIELD_END,
};
static const struct table service_spec_table = { service_spec_fields, 0, service_spec_check };

static const struct field ingress_fields[] = {
	{ "ip", T_ADDR, 0, FIELD_AT(struct res_ingress, ip), .min = 1, .cost = RES_COST_SOFT,
	  .help = "an address that the service has" },
	{ "hostname", T_STRING, 0, FIELD_AT(struct res_ingress, hostname), .help = "or a name" },
	{ "ipMode", T_ENUM, 0, FIELD_AT(struct res_ingress, ip_mode), .words = ip_mode_words,
	  .def = "VIP", .cost = RES_COST_SOFT, .help = "Proxy: something in front takes the packets" },
	FIELD_ANY("ports"),
	FIELD_END,
};
static const struct table ingress_table = { ingress_fields, sizeof(struct res_ingress), NULL };
static const struct field lb_fields[] = {
	{ "ingress", T_STRUCT, F_LIST, FIELD_LIST_AT(struct res_service, ingress),
	  .sub = &ingress_table, .cost = RES_COST_SOFT, .help = "addresses that somebody gave it" },
	FIELD_END,
};
static const struct table lb_table = { lb_fields, 0, NULL };
static const struct field service_status_fields[] = {
	FIELD_GROUP("loadBalancer", 0, lb_table),
	{ "conditions", T_STRUCT, F_LIST, FIELD_LIST_AT(struct res_service, told),
	  .sub = &told_table, .help = "what became of it" },
	FIELD_END,
};
static const struct table service_status_table = { service_status_fields, 0, NULL };

static const struct field service_fields[] = {
	FIELDS_HEAD(struct res_service),
	FIELD_GROUP("spec", F_REQUIRED, service_spec_table),
	FIELD_GROUP("status", 0, service_status_table),
	FIELD_END,
};
const struct table service_table = { service_fields, sizeof(struct res_service), NULL };

/* ---- EndpointSlice ---- */

static const char *const addr_type_words[] = { "IPv4", "IPv6", "FQDN", NULL };

static const struct field cond_fields[] = {
	{ "ready", T_BOOL, 0, FIELD_AT(struct res_endpoint, ready), .def = "true",
	  .cost = RES_COST_SOFT, .help = "takes new connections" },
	{ "serving", T_BOOL, F_HAS, FIELD_AT(struct res_endpoint, serving),
	  FIELD_HAS(struct res_endpoint, has_serving), .cost = RES_COST_SOFT,
	  .help = "would be ready, were it not terminating" },
	{ "terminating", T_BOOL, 0, FIELD_AT(struct res_endpoint, terminating),
	  .cost = RES_COST_SOFT, .help = "is going away" },
	FIELD_END,
};
static const struct table cond_table = { cond_fields, 0, NULL };

static const struct field hint_fields[] = {
	{ "name", T_STRING, F_REQUIRED, FIELD_AT(struct res_hint, name), .cost = RES_COST_SOFT,
	  .help = "of the zone or the node" },
	FIELD_END,
};
static const struct table hint_table = { hint_fields, sizeof(struct res_hint), NULL };
static const struct field hints_fields[] = {
	{ "forZones", T_STRUCT, F_LIST, FIELD_LIST_AT(struct res_endpoint, for_zones),
	  .sub = &hint_table, .max_items = 64, .cost = RES_COST_SOFT,
	  .help = "whose clients are to use it" },
	{ "forNodes", T_STRUCT, F_LIST, FIELD_LIST_AT(struct res_endpoint, for_nodes),
	  .sub = &hint_table, .max_items = 64, .cost = RES_COST_SOFT,
	  .help = "whose clients are to use it" },
	FIELD_END,
};
static const struct table hints_table = { hints_fields, 0, NULL };

static const struct field endpoint_fields[] = {
	{ "addresses", T_STRING, F_LIST | F_REQUIRED,
	  FIELD_LIST_AT(struct res_endpoint, addresses_text), .max_items = 100,
	  .cost = RES_COST_SOFT, .help = "all are the same endpoint" },
	FIELD_GROUP("conditions", 0, cond_table),
	{ "nodeName", T_STRING, 0, FIELD_AT(struct res_endpoint, node_name), .cost = RES_COST_SOFT,
	  .help = "where it runs" },
	{ "hostname", T_STRING, 0, FIELD_AT(struct res_endpoint, hostname), .help = "its own name" },
	{ "zone", T_STRING, 0, FIELD_AT(struct res_endpoint, zone), .help = "where its node stands" },
	FIELD_GROUP("hints", 0, hints_table),
	FIELD_ANY("targetRef"), FIELD_ANY("deprecatedTopology"),
	FIELD_END,
};
static const struct table endpoint_table = { endpoint_fields, sizeof(struct res_endpoint), NULL };

static const struct field slice_port_fields[] = {
	{ "name", T_STRING, 0, FIELD_AT(struct res_endpoint_port, name), .cost = RES_COST_SOFT,
	  .help = "that of the service's port" },
	{ "protocol", T_ENUM, 0, FIELD_AT(struct res_endpoint_port, protocol),
	  .words = protocol_words, .def = "TCP", .cost = RES_COST_SOFT, .help = "TCP, UDP or SCTP" },
	{ "port", T_UINT, F_HAS, FIELD_AT(struct res_endpoint_port, port),
	  FIELD_HAS(struct res_endpoint_port, has_port), .min = 1, .max = 65535,
	  .cost = RES_COST_SOFT, .help = "absent: every port" },
	FIELD_ANY("appProtocol"),
	FIELD_END,
};
static const struct table slice_port_table = { slice_port_fields, sizeof(struct res_endpoint_port),
	NULL };
/* clang-format on */

static void
slice_check(struct decoder *d, const struct node *map, void *at)
{
	static const enum addr_family families[] = { ADDR_V4, ADDR_V6, ADDR_NONE };
	struct res_endpoint_slice *s = at;
	struct res_endpoint *v = (struct res_endpoint *)(uintptr_t)s->endpoints.v;
	const struct node *list = tree_get(map, "endpoints");
	const char *service = res_pairs_get(&s->obj.meta.labels, "kubernetes.io/service-name");
	struct decode_at up = { .up = d->at, .name = "endpoints" }, item = { .up = &up };

	s->service_name = service ? service : "";
	for (size_t i = 0; map && i < s->endpoints.nr && !d->err; i++) {
		if (!v[i].has_serving)
			v[i].serving = v[i].ready;
		if (s->address_type == RES_SLICE_FQDN)
			continue;
		item.item = i;
		d->at = &item;
		v[i].addresses = parse_addrs(d, list->items[i], "addresses", &v[i].addresses_text,
		    families[s->address_type]);
		d->at = up.up;
	}
}

/* clang-format off */
static const struct field slice_fields[] = {
	FIELDS_HEAD(struct res_endpoint_slice),
	{ "addressType", T_ENUM, F_REQUIRED, FIELD_AT(struct res_endpoint_slice, address_type),
	  .words = addr_type_words, .cost = RES_COST_SOFT, .help = "what the addresses are" },
	{ "endpoints", T_STRUCT, F_LIST, FIELD_LIST_AT(struct res_endpoint_slice, endpoints),
	  .sub = &endpoint_table, .cost = RES_COST_SOFT, .help = "who serves" },
	{ "ports", T_STRUCT, F_LIST, FIELD_LIST_AT(struct res_endpoint_slice, ports),
	  .sub = &slice_port_table, .max_items = 100, .cost = RES_COST_SOFT,
	  .help = "on which ports" },
	FIELD_END,
};
const struct table endpoint_slice_table = { slice_fields, sizeof(struct res_endpoint_slice),
	slice_check };
/* clang-format on */
