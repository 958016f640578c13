/*
 * tests/unit/resource/test_kinds.c: the kinds, decoded from what people have: the reference
 * scenario's own files, objects as a cluster dumps them, every field of every native kind; showing
 * and decoding again gives the same; what a change costs; each allocation failing in turn.
 */
#include "tests/unit/resource/res.h"

#include "tests/unit/unit.h"

#include "lib/buf.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct res_set set;

static void
load_file(const char *name)
{
	struct res_faults faults = { 0 };
	char path[200], *text, *lines;

	snprintf(path, sizeof(path), "etc/examples/reference/%s", name);
	text = res_slurp(path);
	ck_assert_int_eq(res_decode_yaml(path, text, strlen(text), &set, &faults), 0);
	lines = res_fault_lines(&faults);
	ck_assert_str_eq(lines, "");
	free(lines);
	free(text);
	res_faults_fini(&faults);
}

static void
unload(void)
{
	res_set_fini(&set);
}

static void
is_addr(const struct addr *a, const char *text)
{
	char buf[ADDR_STRLEN];

	ck_assert_str_eq(addr_format(a, buf, sizeof(buf)), text);
}

static void
is_prefix(const struct prefix *p, const char *text)
{
	char buf[PREFIX_STRLEN];

	ck_assert_str_eq(prefix_format(p, buf, sizeof(buf)), text);
}

/* ---- the scenario ---- */

START_TEST(scenario_bgp)
{
	const struct res_bgp_advertisement *a;
	const struct res_bgp_peer_config *p;
	const struct res_bgp_cluster_config *c;

	load_file("bgp.yaml");
	ck_assert_uint_eq(set.nr, 3);
	a = (const struct res_bgp_advertisement *)set.v[0];
	ck_assert_int_eq(a->obj.kind, RES_BGP_ADVERTISEMENT);
	ck_assert_str_eq(a->obj.api_kind, "CiliumBGPAdvertisement");
	ck_assert_str_eq(res_pairs_get(&a->obj.meta.labels, "advertise"), "bgp");
	ck_assert_uint_eq(a->adverts.nr, 1);
	ck_assert_int_eq(a->adverts.v[0].type, RES_ADV_POD_CIDR);
	ck_assert(!a->adverts.v[0].selector.present);
	ck_assert_int_eq(a->adverts.v[0].no_endpoints, RES_NO_ENDPOINTS_WITHDRAW);

	p = (const struct res_bgp_peer_config *)set.v[1];
	ck_assert_int_eq(p->obj.kind, RES_BGP_PEER_CONFIG);
	ck_assert_uint_eq(p->hold_s, 9);
	ck_assert_uint_eq(p->keepalive_s, 3);
	ck_assert_uint_eq(p->connect_retry_s, 120);
	ck_assert(p->has_ebgp_multihop && p->ebgp_multihop == 2);
	ck_assert(p->gr_enabled && p->gr_restart_time_s == 15);
	ck_assert_uint_eq(p->peer_port, 179);
	ck_assert_uint_eq(p->families.nr, 1);
	ck_assert_int_eq(p->families.v[0].afi, RES_AFI_IPV4);
	ck_assert_int_eq(p->families.v[0].safi, RES_SAFI_UNICAST);
	ck_assert(p->families.v[0].advertisements.present);
	ck_assert(!p->has_import && !p->has_allow_as_in);

	c = (const struct res_bgp_cluster_config *)set.v[2];
	ck_assert_int_eq(c->obj.kind, RES_BGP_CLUSTER_CONFIG);
	ck_assert_uint_eq(c->obj.line, 30);
	ck_assert(c->node_selector.present);
	ck_assert_uint_eq(c->instances.nr, 1);
	ck_assert_str_eq(c->instances.v[0].name, "instance-65001");
	ck_assert_uint_eq(c->instances.v[0].local_asn, 65001);
	ck_assert(!c->instances.v[0].has_local_port);
	ck_assert_uint_eq(c->instances.v[0].peers.nr, 1);
	ck_assert_str_eq(c->instances.v[0].peers.v[0].name, "tor-switch");
	ck_assert_uint_eq(c->instances.v[0].peers.v[0].peer_asn, 65000);
	is_addr(&c->instances.v[0].peers.v[0].peer_address.addr, "192.168.10.200");
	ck_assert_str_eq(c->instances.v[0].peers.v[0].peer_config_ref, "cilium-peer");
}
END_TEST

START_TEST(scenario_nodes_and_services)
{
	const struct res_endpoint_slice *e;
	const struct res_service *s;
	const struct res_node *n;

	load_file("nodes.yaml");
	ck_assert_uint_eq(set.nr, 3);
	n = (const struct res_node *)set.v[2];
	ck_assert_str_eq(n->obj.meta.name, "k8s-w0");
	ck_assert_uint_eq(n->pod_cidrs.nr, 1);
	is_prefix(&n->pod_cidrs.v[0], "172.20.2.0/24");
	is_addr(res_node_addr(n, RES_ADDR_INTERNAL_IP, ADDR_V4), "192.168.20.100");
	ck_assert_ptr_null(res_node_addr(n, RES_ADDR_INTERNAL_IP, ADDR_V6));
	unload();

	load_file("webpod.yaml");
	s = (const struct res_service *)set.v[0];
	ck_assert_str_eq(s->obj.meta.ns, "default");
	ck_assert_int_eq(s->type, RES_SVC_LOAD_BALANCER);
	ck_assert_uint_eq(s->cluster_ips.nr, 1);
	is_addr(&s->cluster_ips.v[0], "10.96.252.129");
	ck_assert_int_eq(s->external_policy, RES_POLICY_CLUSTER);
	ck_assert_uint_eq(s->ports.nr, 1);
	ck_assert_uint_eq(s->ports.v[0].port, 80);
	ck_assert_uint_eq(s->ports.v[0].target_port.number, 80);
	ck_assert(!s->headless && !s->has_load_balancer_class);
	e = (const struct res_endpoint_slice *)set.v[1];
	ck_assert_str_eq(e->service_name, "webpod");
	ck_assert_uint_eq(e->endpoints.nr, 2);
	is_addr(&e->endpoints.v[1].addresses.v[0], "172.20.2.10");
	ck_assert_str_eq(e->endpoints.v[1].node_name, "k8s-w0");
	ck_assert(e->endpoints.v[1].ready && e->endpoints.v[1].serving);
	ck_assert(!e->endpoints.v[1].terminating);
	ck_assert(e->ports.v[0].has_port && e->ports.v[0].port == 80);
}
END_TEST

START_TEST(scenario_pools)
{
	const struct res_bgp_advertisement *a;
	const struct res_lb_ip_pool *p;
	const struct res_l2_policy *l;

	load_file("pool.yaml");
	p = (const struct res_lb_ip_pool *)set.v[0];
	ck_assert(!p->allow_first_last && !p->disabled && !p->service_selector.present);
	ck_assert(p->blocks.v[0].is_cidr);
	is_prefix(&p->blocks.v[0].cidr, "172.16.1.0/24");
	is_addr(&p->blocks.v[0].range.last, "172.16.1.255");
	unload();

	load_file("l2-policy.yaml");
	l = (const struct res_l2_policy *)set.v[0];
	ck_assert(l->load_balancer_ips && l->external_ips);
	ck_assert_str_eq(l->interfaces.v[0], "^eth[1-9]+");
	p = (const struct res_lb_ip_pool *)set.v[1];
	ck_assert(p->allow_first_last && !p->blocks.v[0].is_cidr);
	is_addr(&p->blocks.v[0].range.first, "192.168.10.211");
	is_addr(&p->blocks.v[0].range.last, "192.168.10.215");
	unload();

	load_file("sharing.yaml");
	ck_assert_str_eq(
	    res_pairs_get(&set.v[0]->meta.annotations, "lbipam.cilium.io/ips"), "192.168.10.215");
	unload();

	load_file("bgp-service.yaml");
	a = (const struct res_bgp_advertisement *)set.v[0];
	ck_assert_int_eq(a->adverts.v[0].type, RES_ADV_SERVICE);
	ck_assert_uint_eq(a->adverts.v[0].addresses.nr, 1);
	ck_assert_int_eq(a->adverts.v[0].addresses.v[0], RES_SVC_ADDR_LOAD_BALANCER_IP);
	ck_assert_uint_eq(a->adverts.v[0].aggregation_v4, 32);
	ck_assert_uint_eq(a->adverts.v[0].aggregation_v6, 128);
}
END_TEST

/* ---- objects as a cluster has them ---- */

static const char dump[] =
    "apiVersion: v1\n"
    "kind: List\n"
    "metadata: {resourceVersion: \"\", selfLink: \"\"}\n"
    "items:\n"
    "- apiVersion: v1\n"
    "  kind: Service\n"
    "  metadata:\n"
    "    annotations:\n"
    "      kubectl.kubernetes.io/last-applied-configuration: |\n"
    "        {\"apiVersion\":\"v1\",\"kind\":\"Service\"}\n"
    "    creationTimestamp: \"2026-02-01T10:00:00Z\"\n"
    "    finalizers: [service.kubernetes.io/load-balancer-cleanup]\n"
    "    generation: 7\n"
    "    managedFields:\n"
    "    - {apiVersion: v1, fieldsType: FieldsV1, fieldsV1: {\"f:spec\": {\"f:ports\": {}}}, "
    "manager: "
    "kubectl, operation: Update, time: \"2026-02-01T10:00:00Z\"}\n"
    "    name: api\n"
    "    namespace: prod\n"
    "    ownerReferences: [{apiVersion: v1, kind: X, name: y, uid: z}]\n"
    "    resourceVersion: \"12345\"\n"
    "    uid: 0b0e2b0e-1111-2222-3333-444444444444\n"
    "  spec:\n"
    "    allocateLoadBalancerNodePorts: true\n"
    "    clusterIP: 10.96.0.7\n"
    "    clusterIPs: [10.96.0.7, \"fd00::7\"]\n"
    "    externalIPs: [203.0.113.9]\n"
    "    externalTrafficPolicy: Local\n"
    "    healthCheckNodePort: 31234\n"
    "    internalTrafficPolicy: Local\n"
    "    ipFamilies: [IPv4, IPv6]\n"
    "    ipFamilyPolicy: PreferDualStack\n"
    "    loadBalancerClass: io.cilium/bgp-control-plane\n"
    "    loadBalancerIP: \"\"\n"
    "    loadBalancerSourceRanges: [10.0.0.0/8]\n"
    "    ports:\n"
    "    - {name: http, nodePort: 30080, port: 80, protocol: TCP, targetPort: http, appProtocol: "
    "kubernetes.io/h2c}\n"
    "    - {name: dns, port: 53, protocol: UDP, targetPort: 5353}\n"
    "    publishNotReadyAddresses: true\n"
    "    selector: {app: api}\n"
    "    sessionAffinity: ClientIP\n"
    "    sessionAffinityConfig: {clientIP: {timeoutSeconds: 600}}\n"
    "    trafficDistribution: PreferClose\n"
    "    type: LoadBalancer\n"
    "  status:\n"
    "    conditions: [{type: x, status: \"True\"}]\n"
    "    loadBalancer:\n"
    "      ingress: [{ip: 203.0.113.5, ipMode: Proxy, ports: []}, {hostname: lb.example}]\n"
    "- apiVersion: v1\n"
    "  kind: Service\n"
    "  metadata: {creationTimestamp: null, name: db, namespace: prod}\n"
    "  spec: {clusterIP: None, clusterIPs: [None], ports: [{port: 5432}], selector: null}\n"
    "  status: {loadBalancer: {}}\n"
    "- apiVersion: discovery.k8s.io/v1\n"
    "  kind: EndpointSlice\n"
    "  metadata:\n"
    "    generateName: api-\n"
    "    labels: {kubernetes.io/service-name: api, endpointslice.kubernetes.io/managed-by: c}\n"
    "    name: api-x\n"
    "    namespace: prod\n"
    "  addressType: IPv6\n"
    "  endpoints:\n"
    "  - addresses: [\"fd00:1::1\"]\n"
    "    conditions: {ready: false, serving: true, terminating: true}\n"
    "    hints: {forZones: [{name: a}, {name: b}], forNodes: [{name: n2}]}\n"
    "    targetRef: {kind: Pod, name: p}\n"
    "    zone: a\n"
    "  - addresses: [\"fd00:1::2\"]\n"
    "    conditions: {}\n"
    "    deprecatedTopology: {x: y}\n"
    "  - addresses: [\"fd00:1::3\"]\n"
    "    conditions: {ready: false}\n"
    "    nodeName: n2\n"
    "  ports: [{name: http, port: 8080, protocol: TCP}, {name: any, port: null}]\n"
    "- apiVersion: discovery.k8s.io/v1\n"
    "  kind: EndpointSlice\n"
    "  metadata: {name: empty}\n"
    "  addressType: FQDN\n"
    "  endpoints: null\n"
    "  ports: null\n"
    "- apiVersion: v1\n"
    "  kind: Node\n"
    "  metadata: {name: n1, labels: {node-role.kubernetes.io/control-plane: \"\"}}\n"
    "  spec: {podCIDR: 10.1.0.0/24, providerID: kind://x, unschedulable: true, taints: [{effect: "
    "NoSchedule, key: k}]}\n"
    "  status:\n"
    "    addresses: [{address: \"fd00::1\", type: InternalIP}, {address: n1, type: Hostname}]\n"
    "    allocatable: {cpu: \"2\", ephemeral-storage: \"1\", memory: 1Ki}\n"
    "    capacity: {cpu: \"2\"}\n"
    "    conditions:\n"
    "    - {lastHeartbeatTime: \"2026-01-01T00:00:00Z\", lastTransitionTime: "
    "\"2026-01-01T00:00:00Z\", message: m, reason: KubeletReady, status: \"True\", type: Ready}\n"
    "    daemonEndpoints: {kubeletEndpoint: {Port: 10250}}\n"
    "    images: [{names: [a], sizeBytes: 1}]\n"
    "    nodeInfo: {architecture: amd64}\n"
    "    runtimeHandlers: [{name: runc}]\n"
    "- apiVersion: v1\n"
    "  kind: Secret\n"
    "  metadata: {name: key, namespace: kube-system}\n"
    "  type: kubernetes.io/basic-auth\n"
    "  immutable: true\n"
    "  data: {password: aHVudGVyMg==, user: YQ==}\n"
    "  stringData: {user: root, zone: x}\n";

START_TEST(dumped_service)
{
	struct res_result r = res_load(dump);
	const struct res_service *s;

	ck_assert_str_eq(r.faults, "");
	ck_assert_uint_eq(r.set.nr, 6);
	s = (const struct res_service *)r.set.v[0];
	ck_assert_str_eq(s->obj.meta.ns, "prod");
	ck_assert_str_eq(s->obj.meta.resource_version, "12345");
	ck_assert_int_eq(s->obj.meta.generation, 7);
	ck_assert_int_eq(s->obj.meta.created, 1769940000); /* date -d 2026-02-01T10:00:00Z +%s */
	ck_assert_uint_eq(s->cluster_ips.nr, 2);
	is_addr(&s->cluster_ips.v[1], "fd00::7");
	is_addr(&s->external_ips.v[0], "203.0.113.9");
	ck_assert_int_eq(s->external_policy, RES_POLICY_LOCAL);
	ck_assert_int_eq(s->internal_policy, RES_POLICY_LOCAL);
	ck_assert_uint_eq(s->health_check_node_port, 31234);
	ck_assert_uint_eq(s->ip_families.nr, 2);
	ck_assert_int_eq(s->ip_families.v[1], RES_IPV6);
	ck_assert_int_eq(s->ip_family_policy, RES_PREFER_DUAL);
	ck_assert(s->has_load_balancer_class);
	ck_assert_str_eq(s->load_balancer_class, "io.cilium/bgp-control-plane");
	ck_assert(!addr_is_set(&s->load_balancer_ip));
	is_prefix(&s->source_ranges.v[0], "10.0.0.0/8");
	ck_assert_str_eq(s->ports.v[0].target_port.name, "http");
	ck_assert_uint_eq(s->ports.v[0].node_port, 30080);
	ck_assert_int_eq(s->ports.v[1].protocol, RES_UDP);
	ck_assert_uint_eq(s->ports.v[1].target_port.number, 5353);
	ck_assert(s->publish_not_ready);
	ck_assert_int_eq(s->affinity, RES_AFFINITY_CLIENT_IP);
	ck_assert_uint_eq(s->affinity_timeout_s, 600);
	is_addr(&s->ingress.v[0].ip, "203.0.113.5");
	ck_assert_int_eq(s->ingress.v[0].ip_mode, RES_IP_MODE_PROXY);
	ck_assert_str_eq(s->ingress.v[1].hostname, "lb.example");
	ck_assert_int_eq(s->ingress.v[1].ip_mode, RES_IP_MODE_VIP);
	s = (const struct res_service *)r.set.v[1];
	ck_assert(s->headless && s->cluster_ips.nr == 0);
	ck_assert_int_eq(s->obj.meta.created, 0);
	res_result_fini(&r);
}
END_TEST

START_TEST(dumped_others)
{
	struct res_result r = res_load(dump);
	const struct res_endpoint_slice *e = (const struct res_endpoint_slice *)r.set.v[2];
	const struct res_node *n = (const struct res_node *)r.set.v[4];
	const struct res_secret *s = (const struct res_secret *)r.set.v[5];

	ck_assert_int_eq(e->address_type, RES_SLICE_IPV6);
	/* EndpointConditions of the API reference: nil ready is ready, nil serving is as ready. */
	ck_assert(!e->endpoints.v[0].ready && e->endpoints.v[0].serving);
	ck_assert(e->endpoints.v[0].terminating);
	ck_assert_uint_eq(e->endpoints.v[0].for_zones.nr, 2);
	ck_assert_str_eq(e->endpoints.v[0].for_zones.v[1].name, "b");
	ck_assert_uint_eq(e->endpoints.v[0].for_nodes.nr, 1);
	ck_assert_str_eq(e->endpoints.v[0].for_nodes.v[0].name, "n2");
	ck_assert_uint_eq(e->endpoints.v[1].for_zones.nr, 0);
	ck_assert(e->endpoints.v[1].ready && e->endpoints.v[1].serving);
	ck_assert(!e->endpoints.v[2].ready && !e->endpoints.v[2].serving);
	ck_assert(e->ports.v[0].has_port && !e->ports.v[1].has_port);
	e = (const struct res_endpoint_slice *)r.set.v[3];
	ck_assert_uint_eq(e->endpoints.nr, 0);
	ck_assert_str_eq(e->service_name, "");

	ck_assert(n->unschedulable);
	is_prefix(&n->pod_cidrs.v[0], "10.1.0.0/24");
	ck_assert_str_eq(n->conditions.v[0].type, "Ready");
	is_addr(res_node_addr(n, RES_ADDR_INTERNAL_IP, ADDR_V6), "fd00::1");

	ck_assert_uint_eq(s->data.nr, 3);
	ck_assert_str_eq((const char *)res_secret_get(s, "password")->value, "hunter2");
	ck_assert_uint_eq(res_secret_get(s, "password")->len, 7);
	ck_assert_str_eq((const char *)res_secret_get(s, "user")->value, "root");
	ck_assert_ptr_nonnull(res_secret_get(s, "zone"));
	ck_assert_ptr_null(res_secret_get(s, "none"));
	res_result_fini(&r);
}
END_TEST

/* What the API gives: the items of a ServiceList do not say what they are. */
START_TEST(typed_list)
{
	struct res_object *o =
	    res_one("{\"apiVersion\": \"v1\", \"kind\": \"ServiceList\", \"items\": "
		    "[{\"metadata\": {\"name\": \"a\"}, \"spec\": {\"ports\": "
		    "[{\"port\": 80}]}}]}");

	ck_assert_int_eq(o->kind, RES_SERVICE);
	res_unref(o);
}
END_TEST

/* ---- words and numbers as YAML writes them ---- */

static const struct {
	const char *text;
	bool allow;
} words[] = {
	{ "No", false },
	{ "\"No\"", false },
	{ "'No'", false },
	{ "Yes", true },
	{ "\"Yes\"", true },
	{ "!!str No", false },
};

START_TEST(no_is_a_word_here)
{
	struct res_object *o;
	char text[200];

	snprintf(text, sizeof(text),
	    "apiVersion: cilium.io/v2alpha1\nkind: CiliumLoadBalancerIPPool\nmetadata: {name: p}\n"
	    "spec: {allowFirstLastIPs: %s}\n",
	    words[_i].text);
	o = res_one(text);
	ck_assert(((struct res_lb_ip_pool *)o)->allow_first_last == words[_i].allow);
	res_unref(o);
}
END_TEST

static const struct {
	const char *text;
	unsigned value;
} numbers[] = { { "179", 179 }, { "0xb3", 179 }, { "0o263", 179 }, { "1", 1 }, { "65535", 65535 } };

START_TEST(numbers_are_sane)
{
	struct res_object *o;
	char text[200];

	snprintf(text, sizeof(text),
	    "apiVersion: cilium.io/v2\nkind: CiliumBGPPeerConfig\nmetadata: {name: p}\nspec: "
	    "{transport: {peerPort: %s}}\n",
	    numbers[_i].text);
	o = res_one(text);
	ck_assert_uint_eq(((struct res_bgp_peer_config *)o)->peer_port, numbers[_i].value);
	res_unref(o);
}
END_TEST

/* ---- defaults and what follows ---- */

START_TEST(config_defaults)
{
	struct res_herald_config *c = res_herald_config_default();

	/* INTERFACE: every field has a default that works. */
	ck_assert_str_eq(c->node_name, "");
	ck_assert_str_eq(c->state_dir, "/var/lib/herald");
	ck_assert(!c->kubernetes.present);
	ck_assert_str_eq(c->control_socket, "/run/herald/herald.sock");
	ck_assert(!c->metrics_off && c->metrics_listen.port == 7479);
	is_addr(&c->metrics_listen.addr, "127.0.0.1");
	ck_assert_int_eq(c->log_level, RES_LOG_INFO);
	ck_assert_int_eq(c->log_format, RES_LOG_LOGFMT);
	ck_assert_uint_eq(c->bgp_listen.nr, 2);
	is_addr(&c->bgp_listen.v[0].addr, "0.0.0.0");
	is_addr(&c->bgp_listen.v[1].addr, "::");
	ck_assert_uint_eq(c->bgp_listen.v[1].port, 179);
	ck_assert_uint_eq(c->bgp_import.nr, 0);
	ck_assert_uint_eq(c->bgp_allow_as_in, 0);
	ck_assert_int_eq(c->datapath.mode, RES_DP_BPF);
	ck_assert_uint_eq(c->datapath.maglev_table_size, 16381);
	ck_assert(c->datapath.socket_lb && !c->datapath.external_cluster_ip);
	ck_assert_str_eq(c->datapath.pin_path, "/sys/fs/bpf/herald");
	ck_assert(!c->datapath.node_port && c->datapath.node_port_addresses.nr == 0);
	ck_assert_uint_eq(c->datapath.max_flows_v4, 524288);
	ck_assert_uint_eq(c->datapath.max_flows_v6, 131072);
	ck_assert(!c->direct_node_routes && !c->install_learned);
	ck_assert_uint_eq(c->routing_table, 254);
	res_unref(&c->obj);
}
END_TEST

START_TEST(peer_defaults)
{
	struct res_object *o =
	    res_one("apiVersion: cilium.io/v2\nkind: CiliumBGPPeerConfig\nmetadata: "
		    "{name: p}\n");
	const struct res_bgp_peer_config *p = (const struct res_bgp_peer_config *)o;

	/* features: 179, 120 s, 90 s, 30 s, multihop 1, restart 120 s, both families */
	ck_assert_uint_eq(p->peer_port, 179);
	ck_assert_uint_eq(p->connect_retry_s, 120);
	ck_assert_uint_eq(p->hold_s, 90);
	ck_assert_uint_eq(p->keepalive_s, 30);
	ck_assert(!p->has_ebgp_multihop && p->ebgp_multihop == 1);
	ck_assert(!p->gr_enabled && p->gr_restart_time_s == 120);
	ck_assert_uint_eq(p->families.nr, 2);
	ck_assert(!p->families.v[0].advertisements.present);
	ck_assert_str_eq(p->auth_secret_ref, "");
	ck_assert_uint_eq(p->ttl_security_hops, 0);
	res_unref(o);
	/* A hold time alone brings its keepalive along. */
	o = res_one("apiVersion: cilium.io/v2\nkind: CiliumBGPPeerConfig\nmetadata: {name: p}\n"
		    "spec: {timers: {holdTimeSeconds: 9}}\n");
	ck_assert_uint_eq(((struct res_bgp_peer_config *)o)->keepalive_s, 3);
	res_unref(o);
}
END_TEST

static const struct {
	const char *prefix;
	unsigned ge, le;
} prefixes[] = {
	{ "{prefix: 10.0.0.0/8}", 8, 8 },
	{ "{prefix: 10.0.0.0/8, ge: 9}", 9, 32 },
	{ "{prefix: 10.0.0.0/8, le: 24}", 8, 24 },
	{ "{prefix: \"2001:db8::/32\", ge: 48, le: 64}", 48, 64 },
	{ "{prefix: \"2001:db8::/32\", ge: 48}", 48, 128 },
};

START_TEST(rule_prefix)
{
	const struct res_rule_prefix *p;
	struct res_object *o;
	char text[300];

	snprintf(text, sizeof(text),
	    "apiVersion: heraldlb.io/v1\nkind: HeraldConfig\nmetadata: {name: c}\nspec: {bgp: "
	    "{import: "
	    "[{action: accept, match: {prefixes: [%s]}}]}}\n",
	    prefixes[_i].prefix);
	o = res_one(text);
	p = &((struct res_herald_config *)o)->bgp_import.v[0].match.prefixes.v[0];
	ck_assert_uint_eq(p->ge, prefixes[_i].ge);
	ck_assert_uint_eq(p->le, prefixes[_i].le);
	res_unref(o);
}
END_TEST

START_TEST(no_endpoints_is_inherited)
{
	struct res_object *o = res_one(
	    "apiVersion: heraldlb.io/v1\nkind: BGPAdvertisement\nmetadata: {name: a}\nspec:\n"
	    "  noEndpoints: advertise\n  advertisements:\n  - {advertisementType: PodCIDR}\n"
	    "  - {advertisementType: PodCIDR, noEndpoints: withdraw}\n");
	const struct res_bgp_advertisement *a = (const struct res_bgp_advertisement *)o;

	ck_assert_int_eq(a->adverts.v[0].no_endpoints, RES_NO_ENDPOINTS_ADVERTISE);
	ck_assert_int_eq(a->adverts.v[1].no_endpoints, RES_NO_ENDPOINTS_WITHDRAW);
	res_unref(o);
}
END_TEST

/* ---- all fields of all kinds: there, shown, decoded again, the same ---- */

static char *
all_kinds(void)
{
	return res_slurp("tests/unit/resource/all-kinds.yaml");
}

START_TEST(show_and_decode_again)
{
	char *text = _i ? strdup(dump) : all_kinds();
	struct res_result r = res_load(text);

	ck_assert_str_eq(r.faults, "");
	for (size_t i = 0; i < r.set.nr; i++) {
		struct res_object *o = r.set.v[i], *again;
		char *yaml = res_show_yaml(o), *yaml2;

		if (o->kind != RES_SECRET) {
			again = res_one(yaml);
			ck_assert_msg(res_equal(o, again), "%s", yaml);
			yaml2 = res_show_yaml(again);
			ck_assert_str_eq(yaml, yaml2);
			free(yaml2);
			res_unref(again);
		} else {
			ck_assert_ptr_null(strstr(yaml, "hunter2"));
			ck_assert_ptr_null(strstr(yaml, "aHVu"));
			ck_assert_ptr_nonnull(strstr(yaml, "password: \"(hidden)\""));
		}
		free(yaml);
	}
	res_result_fini(&r);
	free(text);
}
END_TEST

/* Every field that the file gives reaches the object: what is shown holds all of it. */
START_TEST(nothing_is_lost)
{
	char *text = all_kinds();
	struct res_result r = res_load(text);
	static const char *const must[] = { "sourceAddress: \"10.0.0.1\"", "passive: true",
		"longLivedStaleTimeSeconds: 3600", "secretKey: k1",
		"longLivedStaleToInternal: true", "longLivedStaleTimeSeconds: 77", "hops: 3",
		"extendedMessages: false", "extendedNextHop: true", "allowASIn: 2",
		"role: rs-client", "bfdProfile: fast", "enforceFirstAS: true", "roleStrict: true",
		"65000:*", "65001:9", "- ipv6", "nextHop: unchanged", "maxPrefixesAction: warn",
		"maxPrefixesWarningPercent: 50", "maxPrefixesRestartSeconds: 60", "addPath: both",
		"maxPrefixes: 1000", "asPath: \"^65000\"", "nextHop: \"10.9.9.9\"",
		"asPathPrepend: 4", "med: 17", "noEndpoints: advertise", "\"1:2:3\"", "rt:65000:1",
		"aggregationLengthIPv4: 24", "aggregationLengthIPv6: 64", "routerID: \"10.0.0.9\"",
		"localAddress: \"10.0.0.8\"", "mode: Unnumbered", "interface: eth7",
		"monitoringPolicy: local", "statisticsTimeout: 60",
		"transmitIntervalMilliseconds: 50", "sourceInterface: eth3", "localPort: 1179",
		"pinPath: \"/pin\"", "inCluster: true", "table: 100", "origin:", "count: 2",
		"addressFamily: ipv6" };
	struct buf all;

	ck_assert_str_eq(r.faults, "");
	buf_init(&all, 1u << 20);
	for (size_t i = 0; i < r.set.nr; i++) {
		char *yaml = res_show_yaml(r.set.v[i]);

		buf_puts(&all, yaml);
		free(yaml);
	}
	for (size_t i = 0; i < sizeof(must) / sizeof(must[0]); i++)
		ck_assert_msg(strstr(buf_text(&all), must[i]) != NULL, "%s is not in\n%s", must[i],
		    buf_text(&all));
	buf_fini(&all);
	res_result_fini(&r);
	free(text);
}
END_TEST

#define P "apiVersion: heraldlb.io/v1\nkind: BGPPeerConfig\nmetadata: {name: p%s}\nspec: {%s}\n"
static const struct {
	const char *meta, *from, *to;
	bool equal;
	enum res_cost cost;
} changes[] = {
	{ "", "", "", true, RES_COST_NONE },
	{ "", "", "ebgpMultihop: 1", false, RES_COST_SESSION }, /* given or not: GTSM looks at it */
	{ "", "timers: {holdTimeSeconds: 90}", "", true, RES_COST_NONE }, /* the default */
	{ "", "timers: {holdTimeSeconds: 9}", "timers: {holdTimeSeconds: 12}", false,
	    RES_COST_SESSION },
	{ "", "import: []", "", false, RES_COST_SOFT },
	{ "", "families: [{afi: ipv4, safi: unicast, maxPrefixes: 1}]",
	    "families: [{afi: ipv4, safi: unicast}]", false, RES_COST_SOFT },
	{ "", "families: [{afi: ipv4, safi: unicast}]", "families: [{afi: ipv6, safi: unicast}]",
	    false, RES_COST_SESSION },
	{ "", "families: [{afi: ipv4, safi: unicast, advertisements: {}}]",
	    "families: [{afi: ipv4, safi: unicast}]", false, RES_COST_SOFT },
	{ ", uid: x", "", "", true, RES_COST_NONE },
	{ ", resourceVersion: \"9\", generation: 4", "", "", true, RES_COST_NONE },
	{ ", labels: {a: b}", "", "", false, RES_COST_SOFT },
	{ ", annotations: {a: b}", "", "", false, RES_COST_SOFT },
};

START_TEST(change_costs)
{
	char text[400];
	struct res_object *a, *b;

	snprintf(text, sizeof(text), P, "", changes[_i].from);
	a = res_one(text);
	snprintf(text, sizeof(text), P, changes[_i].meta, changes[_i].to);
	b = res_one(text);
	ck_assert(res_equal(a, b) == changes[_i].equal);
	ck_assert(res_equal(b, a) == changes[_i].equal);
	ck_assert_int_eq(res_change_cost(a, b), changes[_i].cost);
	res_unref(a);
	res_unref(b);
}
END_TEST

/* ---- each allocation fails once: no crash, no leak (ASan), nothing half done ---- */

START_TEST(short_of_memory)
{
	char *text = all_kinds();
	unsigned nth = 1;

	for (int err = -ENOMEM; err; nth += 1) {
		struct res_faults faults = { 0 };
		struct res_set out = { 0 };

		mem_fail_at(nth);
		err = res_decode_yaml("t", text, strlen(text), &out, &faults);
		mem_fail_at(0);
		ck_assert(err == 0 || err == -ENOMEM);
		ck_assert_uint_eq(faults.nr, 0);
		res_set_fini(&out);
		res_faults_fini(&faults);
	}
	ck_assert_uint_gt(nth, 100);
	free(text);
}
END_TEST

START_TEST(short_of_memory_for_faults)
{
	static const char text[] =
	    "apiVersion: v1\nkind: Node\nmetadata: {name: A}\nspec: {x: y}\n---\n\t";

	for (unsigned nth = 1, err = 1; err; nth++) {
		struct res_faults faults = { 0 };
		struct res_set out = { 0 };
		int got;

		mem_fail_at(nth);
		got = res_decode_yaml("t", text, strlen(text), &out, &faults);
		mem_fail_at(0);
		ck_assert(got == -EINVAL || got == -ENOMEM);
		err = got == -ENOMEM;
		res_set_fini(&out);
		res_faults_fini(&faults);
	}
}
END_TEST

/* Cutting a good text anywhere gives faults or fewer objects, never more. */
START_TEST(cut_anywhere)
{
	char *text = all_kinds();
	size_t len = strlen(text);

	for (size_t cut = 0; cut < len; cut += 7) {
		struct res_faults faults = { 0 };
		struct res_set out = { 0 };
		char *copy = malloc(cut ? cut : 1);
		int err;

		memcpy(copy, text, cut);
		err = res_decode_yaml("t", copy, cut, &out, &faults);
		ck_assert(err == 0 || err == -EINVAL);
		res_set_fini(&out);
		res_faults_fini(&faults);
		free(copy);
	}
	free(text);
}
END_TEST

#define NR(a) (sizeof(a) / sizeof((a)[0]))

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("kinds");

	tcase_add_checked_fixture(tc, NULL, unload);
	tcase_add_test(tc, scenario_bgp);
	tcase_add_test(tc, scenario_nodes_and_services);
	tcase_add_test(tc, scenario_pools);
	tcase_add_test(tc, dumped_service);
	tcase_add_test(tc, dumped_others);
	tcase_add_test(tc, typed_list);
	tcase_add_loop_test(tc, no_is_a_word_here, 0, NR(words));
	tcase_add_loop_test(tc, numbers_are_sane, 0, NR(numbers));
	tcase_add_test(tc, config_defaults);
	tcase_add_test(tc, peer_defaults);
	tcase_add_loop_test(tc, rule_prefix, 0, NR(prefixes));
	tcase_add_test(tc, no_endpoints_is_inherited);
	tcase_add_loop_test(tc, show_and_decode_again, 0, 2);
	tcase_add_test(tc, nothing_is_lost);
	tcase_add_loop_test(tc, change_costs, 0, NR(changes));
	suite_add_tcase(s, tc);

	tc = tcase_create("torture");
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, short_of_memory);
	tcase_add_test(tc, short_of_memory_for_faults);
	tcase_add_test(tc, cut_anywhere);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("kinds", add_tests)
