/*
 * daemon/datapath_wanted.c: see datapath_wanted.h.
 */
#include "daemon/datapath_wanted.h"

#include "daemon/service.h"
#include "lib/text.h"

#include <stdlib.h>
#include <string.h>

#define ZONE_LABEL "topology.kubernetes.io/zone"
#define WEIGHT_MAX 65535
#define WEIGHT_USUAL 100 /* of slices that say nothing, beside those that do; Cilium's */

static const char *const weight_annotations[] = { "heraldlb.io/weight", "service.cilium.io/weight",
	NULL };
static const char *const forwarding_annotations[] = { "heraldlb.io/forwarding-mode",
	"service.cilium.io/forwarding-mode", NULL };
static const char *const algorithm_annotations[] = { "heraldlb.io/lb-algorithm",
	"service.cilium.io/lb-algorithm", NULL };

/* What a Service is looked at from. */
struct view {
	const struct store *store;
	const struct res_datapath *conf;
	const char *node, *zone;
	const struct res_node *self; /* NULL: there is no document */
	const struct res_service *svc;
	struct arena *arena;
};

static struct view
view_of(
    const struct store *store, const char *node, const struct res_service *svc, struct arena *arena)
{
	struct view v = {
		.store = store,
		.conf = &store_config(store)->datapath,
		.node = node,
		.zone = "",
		.self = store_node(store, node),
		.svc = svc,
		.arena = arena,
	};
	const char *zone = v.self ? res_pairs_get(&v.self->obj.meta.labels, ZONE_LABEL) : NULL;

	if (zone)
		v.zone = zone;
	return v;
}

/* ---- endpoints ---- */

struct candidate {
	struct dp_backend b;
	const struct res_endpoint *e;
	bool serving;
};

struct candidates {
	struct candidate *v;
	size_t nr;
};

static bool
is_own(const struct view *v, const struct addr *a)
{
	for (size_t i = 0; v->self && i < v->self->addresses.nr; i++)
		if (addr_eq(&v->self->addresses.v[i].ip, a))
			return true;
	return false;
}

static struct addr
node_ip(const struct view *v, const char *name, enum addr_family family)
{
	const struct res_node *n = *name ? store_node(v->store, name) : NULL;
	const struct addr *ip = n ? res_node_addr(n, RES_ADDR_INTERNAL_IP, family) : NULL;

	return ip ? *ip : (struct addr){ 0 };
}

/* 0: it has none that can be used. */
static uint16_t
slice_weight(const struct res_endpoint_slice *slice)
{
	const char *text;
	uint64_t n;

	for (const char *const *key = weight_annotations; *key; key++) {
		text = res_pairs_get(&slice->obj.meta.annotations, *key);
		if (text && text_u64(text, WEIGHT_MAX, &n) == 0 && n > 0)
			return (uint16_t)n;
	}
	return 0;
}

static enum dp_backend_state
state_of(const struct res_service *svc, const struct res_endpoint *e)
{
	if (svc->publish_not_ready)
		return DP_ACTIVE;
	if (e->terminating)
		return DP_TERMINATING;
	return e->ready ? DP_ACTIVE : DP_NOT_READY;
}

/*
 * One that is not ready takes nothing new and keeps the connections that it has: it may be ready
 * again in a moment.  A UDP client would only go on speaking to it, so its flows move (as with
 * kube-proxy).
 */
static void
add_slice(const struct view *v, const struct res_endpoint_slice *slice, uint16_t port,
    enum res_protocol protocol, struct candidates *list)
{
	const uint16_t weight = slice_weight(slice);

	for (size_t i = 0; i < slice->endpoints.nr; i++) {
		const struct res_endpoint *e = &slice->endpoints.v[i];
		const enum dp_backend_state state = state_of(v->svc, e);
		struct candidate *c = &list->v[list->nr];

		/* The API gives a meaning to the first address only. */
		if (e->addresses.nr == 0 || (state == DP_NOT_READY && protocol == RES_UDP))
			continue;
		*c = (struct candidate){ .e = e, .serving = e->serving };
		c->b = (struct dp_backend){
			.ip = e->addresses.v[0],
			.port = port,
			.weight = weight,
			.local = *e->node_name && strcmp(e->node_name, v->node) == 0,
			.host = is_own(v, &e->addresses.v[0]),
			.state = state,
			.node_ip =
			    node_ip(v, e->node_name, (enum addr_family)e->addresses.v[0].family),
			.node = e->node_name,
		};
		list->nr++;
	}
}

/* By address and port; of the same endpoint in two slices, as happens while it moves, the better
 * first. */
static int
candidate_cmp(const void *pa, const void *pb)
{
	const struct candidate *a = pa, *b = pb;
	int c = addr_cmp(&a->b.ip, &b->b.ip);

	if (c == 0)
		c = (a->b.port > b->b.port) - (a->b.port < b->b.port);
	if (c == 0)
		c = (a->b.state > b->b.state) - (a->b.state < b->b.state);
	if (c == 0)
		c = b->serving - a->serving;
	if (c == 0)
		c = b->b.local - a->b.local;
	return c;
}

static void
drop_duplicates(struct candidates *list)
{
	size_t nr = 0;

	if (list->nr > 1)
		qsort(list->v, list->nr, sizeof(*list->v), candidate_cmp);
	for (size_t i = 0; i < list->nr; i++) {
		const struct candidate *last = nr ? &list->v[nr - 1] : NULL;

		if (!last || !addr_eq(&last->b.ip, &list->v[i].b.ip) ||
		    last->b.port != list->v[i].b.port)
			list->v[nr++] = list->v[i];
	}
	list->nr = nr;
}

static void
settle_weights(struct candidates *list)
{
	bool weighted = false;

	for (size_t i = 0; i < list->nr; i++)
		weighted = weighted || list->v[i].b.weight > 0;
	for (size_t i = 0; i < list->nr; i++)
		if (list->v[i].b.weight == 0)
			list->v[i].b.weight = weighted ? WEIGHT_USUAL : 1;
}

/* All endpoints of one family that may have or get flows to one port of the Service. */
static struct candidates
collect(const struct view *v, const struct res_service_port *port, enum addr_family family)
{
	const enum res_addr_type wanted = family == ADDR_V6 ? RES_SLICE_IPV6 : RES_SLICE_IPV4;
	struct res_endpoint_slice *const *slices;
	struct candidates list = { 0 };
	size_t nr, room = 0;
	uint16_t number;

	nr = store_slices(v->store, v->svc->obj.meta.ns, v->svc->obj.meta.name, &slices);
	for (size_t i = 0; i < nr; i++)
		room += slices[i]->address_type == wanted ? slices[i]->endpoints.nr : 0;
	if (room == 0)
		return list;
	list.v = arena_new_n(v->arena, struct candidate, room);
	for (size_t i = 0; i < nr; i++) {
		number =
		    slices[i]->address_type == wanted ? service_slice_port(slices[i], port) : 0;
		if (number)
			add_slice(v, slices[i], number, port->protocol, &list);
	}
	drop_duplicates(&list);
	settle_weights(&list);
	return list;
}

/* ---- who takes new flows ---- */

enum topology { ANYWHERE, SAME_ZONE, SAME_NODE };

static bool
hints_have(const struct res_hints *hints, const char *name)
{
	for (size_t i = 0; i < hints->nr; i++)
		if (strcmp(hints->v[i].name, name) == 0)
			return true;
	return false;
}

/* As kube-proxy: hints count when every ready endpoint has one, and one of them is for us. */
static enum topology
topology_of(const struct view *v, const struct candidates *list)
{
	bool all_zones = true, all_nodes = true, our_zone = false, our_node = false;

	for (size_t i = 0; i < list->nr; i++) {
		const struct res_endpoint *e = list->v[i].e;

		if (list->v[i].b.state != DP_ACTIVE)
			continue;
		all_nodes = all_nodes && e->for_nodes.nr > 0;
		all_zones = all_zones && e->for_zones.nr > 0;
		our_node = our_node || hints_have(&e->for_nodes, v->node);
		our_zone = our_zone || (*v->zone && hints_have(&e->for_zones, v->zone));
	}
	if (all_nodes && our_node)
		return SAME_NODE;
	return all_zones && our_zone ? SAME_ZONE : ANYWHERE;
}

static bool
is_meant_for_us(const struct view *v, const struct candidate *c, enum topology topology)
{
	switch (topology) {
	case SAME_NODE:
		return hints_have(&c->e->for_nodes, v->node);
	case SAME_ZONE:
		return hints_have(&c->e->for_zones, v->zone);
	case ANYWHERE:
		break;
	}
	return true;
}

/*
 * Mark in @takes which of them take new flows under @policy: those that are active; when there is
 * none, those that end but still serve.  Local looks at the ones of this node only, and hints do
 * not matter to it.
 */
static void
choose(const struct view *v, const struct candidates *list, enum res_traffic_policy policy,
    bool *takes)
{
	const bool local = policy == RES_POLICY_LOCAL;
	const enum topology topology = local ? ANYWHERE : topology_of(v, list);
	bool any = false;

	for (size_t i = 0; i < list->nr; i++) {
		const struct candidate *c = &list->v[i];

		takes[i] = c->b.state == DP_ACTIVE && (!local || c->b.local) &&
		    is_meant_for_us(v, c, topology);
		any = any || takes[i];
	}
	for (size_t i = 0; !any && i < list->nr; i++)
		takes[i] = list->v[i].b.state == DP_TERMINATING && list->v[i].serving &&
		    (!local || list->v[i].b.local);
}

static const struct dp_backend *
backends_of(const struct view *v, const struct candidates *list, enum res_traffic_policy external,
    enum res_traffic_policy internal)
{
	struct dp_backend *out = arena_new_n(v->arena, struct dp_backend, list->nr);
	bool *outside = arena_new_n(v->arena, bool, list->nr * 2), *inside = outside + list->nr;

	choose(v, list, external, outside);
	choose(v, list, internal, inside);
	for (size_t i = 0; i < list->nr; i++) {
		out[i] = list->v[i].b;
		out[i].external = outside[i];
		out[i].internal = inside[i];
	}
	return out;
}

/* ---- frontends ---- */

/* One port of the Service in one family: what its frontends have in common. */
struct choice {
	bool ready;
	const struct dp_backend *cluster_ip, *others;
	size_t nr;
};

struct frontends {
	struct dp_frontend *v;
	size_t nr;
};

/*
 * Traffic from outside to a ClusterIP (externalClusterIP) is held to the internal policy: the
 * external one does not speak of ClusterIPs.
 */
static const struct choice *
choice_of(const struct view *v, struct choice *choices, const struct res_service_port *port,
    enum addr_family family)
{
	const enum res_traffic_policy external = v->svc->external_policy;
	const enum res_traffic_policy internal = v->svc->internal_policy;
	struct choice *c = &choices[family];
	struct candidates list;

	if (c->ready)
		return c;
	list = collect(v, port, family);
	c->ready = true;
	c->nr = list.nr;
	c->cluster_ip = backends_of(v, &list, internal, internal);
	c->others =
	    external == internal ? c->cluster_ip : backends_of(v, &list, external, internal);
	return c;
}

static bool
annotation_is(const struct res_service *svc, const char *const *keys, const char *yes,
    const char *no, bool otherwise)
{
	const char *value = service_annotation(svc, keys);

	if (value && strcmp(value, yes) == 0)
		return true;
	return value && strcmp(value, no) == 0 ? false : otherwise;
}

static uint8_t
proto_of(enum res_protocol p)
{
	return p == RES_UDP ? IPPROTO_UDP : p == RES_SCTP ? IPPROTO_SCTP : IPPROTO_TCP;
}

/* The source ranges of one family.  kube-proxy's rule: a family that no range is of is open. */
static const struct prefix *
ranges_of(const struct view *v, enum addr_family family, size_t *nr)
{
	const struct res_prefixes *all = &v->svc->source_ranges;
	struct prefix *list;

	*nr = 0;
	if (v->svc->type != RES_SVC_LOAD_BALANCER || all->nr == 0)
		return NULL;
	list = arena_new_n(v->arena, struct prefix, all->nr);
	for (size_t i = 0; i < all->nr; i++)
		if (all->v[i].addr.family == family)
			list[(*nr)++] = all->v[i];
	return list;
}

static bool
is_there(const struct frontends *list, const struct addr *ip, uint16_t port, uint8_t proto)
{
	for (size_t i = 0; i < list->nr; i++)
		if (list->v[i].port == port && list->v[i].proto == proto &&
		    addr_eq(&list->v[i].ip, ip))
			return true;
	return false;
}

static void
add_frontend(const struct view *v, struct frontends *list, struct choice *choices,
    const struct res_service_port *port, enum dp_type type, const struct addr *ip)
{
	const struct res_service *svc = v->svc;
	const enum addr_family family = (enum addr_family)ip->family;
	const bool cluster_ip = type == DP_CLUSTER_IP;
	const uint16_t number = type == DP_NODE_PORT ? port->node_port : port->port;
	const struct choice *c = choice_of(v, choices, port, family);
	struct dp_frontend *f = &list->v[list->nr];

	if (is_there(list, ip, number, proto_of(port->protocol)))
		return;
	*f = (struct dp_frontend){
		.ip = *ip,
		.port = number,
		.proto = proto_of(port->protocol),
		.type = type,
		.port_name = port->name,
		.internal_local = svc->internal_policy == RES_POLICY_LOCAL,
		.external_local = svc->external_policy == RES_POLICY_LOCAL,
		.non_routable = cluster_ip && !v->conf->external_cluster_ip,
		.dsr = annotation_is(svc, forwarding_annotations, "dsr", "snat",
		    v->conf->forwarding == RES_FORWARD_DSR),
		.random = annotation_is(svc, algorithm_annotations, "random", "maglev",
		    v->conf->algorithm == RES_ALGORITHM_RANDOM),
		.affinity_s = svc->affinity == RES_AFFINITY_CLIENT_IP ? svc->affinity_timeout_s : 0,
		.backends = cluster_ip ? c->cluster_ip : c->others,
		.nr_backends = c->nr,
	};
	if (cluster_ip)
		f->external_local = f->internal_local && !f->non_routable;
	else
		f->ranges = ranges_of(v, family, &f->nr_ranges);
	list->nr++;
}

/* Something in front of the nodes takes the packets to this address; they come under another. */
static bool
is_behind_proxy(const struct res_service *svc, const struct addr *ip)
{
	for (size_t i = 0; i < svc->ingress.nr; i++)
		if (svc->ingress.v[i].ip_mode == RES_IP_MODE_PROXY &&
		    addr_eq(&svc->ingress.v[i].ip, ip))
			return true;
	return false;
}

static bool
serves_node_port(const struct view *v, const struct res_node_addr *a)
{
	if (a->type != RES_ADDR_INTERNAL_IP && a->type != RES_ADDR_EXTERNAL_IP)
		return false;
	for (size_t i = 0; i < v->conf->node_port_addresses.nr; i++)
		if (prefix_has_addr(&v->conf->node_port_addresses.v[i], &a->ip))
			return true;
	return v->conf->node_port_addresses.nr == 0;
}

static void
add_port(const struct view *v, struct frontends *list, const struct res_service_port *port,
    const struct addr *lb, size_t nr_lb)
{
	struct choice choices[ADDR_V6 + 1] = { { 0 } };
	const struct res_service *svc = v->svc;

	for (size_t i = 0; i < svc->cluster_ips.nr; i++)
		add_frontend(v, list, choices, port, DP_CLUSTER_IP, &svc->cluster_ips.v[i]);
	for (size_t i = 0; i < nr_lb; i++)
		if (!is_behind_proxy(svc, &lb[i]))
			add_frontend(v, list, choices, port, DP_LOAD_BALANCER, &lb[i]);
	for (size_t i = 0; i < svc->external_ips.nr; i++)
		add_frontend(v, list, choices, port, DP_EXTERNAL_IP, &svc->external_ips.v[i]);
	if (!v->conf->node_port || !port->node_port || !v->self || svc->type == RES_SVC_CLUSTER_IP)
		return;
	for (size_t i = 0; i < v->self->addresses.nr; i++)
		if (serves_node_port(v, &v->self->addresses.v[i]))
			add_frontend(
			    v, list, choices, port, DP_NODE_PORT, &v->self->addresses.v[i].ip);
}

size_t
datapath_wanted_service(const struct store *store, const char *node, const struct res_service *svc,
    const struct addr *lb, size_t nr_lb, struct arena *arena, struct dp_frontend **out)
{
	const struct view v = view_of(store, node, svc, arena);
	struct frontends list = { 0 };
	size_t each;

	*out = NULL;
	if (svc->headless || svc->type == RES_SVC_EXTERNAL_NAME)
		return 0;
	each = svc->cluster_ips.nr + nr_lb + svc->external_ips.nr +
	    (v.self ? v.self->addresses.nr : 0);
	list.v = arena_new_n(arena, struct dp_frontend, svc->ports.nr * each);
	for (size_t i = 0; i < svc->ports.nr; i++)
		add_port(&v, &list, &svc->ports.v[i], lb, nr_lb);
	*out = list.v;
	return list.nr;
}

/* ---- health checks ---- */

static int
addr_cmp_void(const void *a, const void *b)
{
	return addr_cmp(a, b);
}

static size_t
count_local(const struct view *v, enum res_addr_type type)
{
	const struct res_service *svc = v->svc;
	struct res_endpoint_slice *const *slices;
	const size_t nr_slices =
	    store_slices(v->store, svc->obj.meta.ns, svc->obj.meta.name, &slices);
	size_t nr = 0, room = 0, unique = 0;
	struct addr *list;

	for (size_t i = 0; i < nr_slices; i++)
		room += slices[i]->endpoints.nr;
	list = arena_new_n(v->arena, struct addr, room);
	for (size_t i = 0; i < nr_slices; i++)
		for (size_t j = 0; j < slices[i]->endpoints.nr; j++) {
			const struct res_endpoint *e = &slices[i]->endpoints.v[j];

			if (slices[i]->address_type == type && state_of(svc, e) == DP_ACTIVE &&
			    e->addresses.nr > 0 && *e->node_name &&
			    strcmp(e->node_name, v->node) == 0)
				list[nr++] = e->addresses.v[0];
		}
	if (nr > 1)
		qsort(list, nr, sizeof(*list), addr_cmp_void);
	for (size_t i = 0; i < nr; i++)
		unique += i == 0 || !addr_eq(&list[i], &list[i - 1]);
	return unique;
}

size_t
datapath_wanted_local(const struct store *store, const char *node, const struct res_service *svc)
{
	struct arena arena = { 0 };
	const struct view v = view_of(store, node, svc, &arena);
	const size_t nr4 = count_local(&v, RES_SLICE_IPV4), nr6 = count_local(&v, RES_SLICE_IPV6);

	arena_fini(&arena);
	return nr4 > nr6 ? nr4 : nr6;
}

/* ---- configuration ---- */

static void
add_cluster(const struct store *store, const struct pod_plan *plan, struct arena *arena,
    struct dp_conf *conf)
{
	const struct pod_range *ranges;
	const struct res_node *n;
	struct prefix *list;
	struct res_object *o;
	size_t room = 0, nr = 0, own;

	store_for_each(store, RES_NODE, o)
	{
		n = (const struct res_node *)o;
		room += pod_ranges_of(plan, n, arena, &ranges) + n->addresses.nr;
	}
	list = arena_new_n(arena, struct prefix, room);
	store_for_each(store, RES_NODE, o)
	{
		n = (const struct res_node *)o;
		own = pod_ranges_of(plan, n, arena, &ranges);
		for (size_t i = 0; i < own; i++)
			list[nr++] = ranges[i].prefix;
		for (size_t i = 0; i < n->addresses.nr; i++)
			if (addr_is_set(&n->addresses.v[i].ip))
				list[nr++] = prefix_host(&n->addresses.v[i].ip);
	}
	conf->cluster = list;
	conf->nr_cluster = nr;
}

static void
add_peers(const struct bgp_conf *bgp, struct arena *arena, struct dp_conf *conf)
{
	struct addr *list;
	size_t room = 0;

	for (size_t i = 0; bgp && i < bgp->nr_instances; i++)
		room += bgp->instances[i].nr_peers;
	list = arena_new_n(arena, struct addr, room);
	for (size_t i = 0; bgp && i < bgp->nr_instances; i++)
		for (size_t j = 0; j < bgp->instances[i].nr_peers; j++)
			if (addr_is_set(&bgp->instances[i].peers[j].addr))
				list[conf->nr_peers++] = bgp->instances[i].peers[j].addr;
	conf->peers = list;
}

struct dp_conf
datapath_wanted_conf(const struct store *store, const struct pod_plan *plan, const char *node,
    const struct bgp_conf *bgp, struct arena *arena)
{
	static const enum dp_attach attach[] = { [RES_ATTACH_AUTO] = DP_ATTACH_AUTO,
		[RES_ATTACH_XDP] = DP_ATTACH_XDP,
		[RES_ATTACH_TC] = DP_ATTACH_TC };
	const struct res_datapath *from = &store_config(store)->datapath;
	const struct res_node *self = store_node(store, node);
	const struct addr *ip4 = self ? res_node_addr(self, RES_ADDR_INTERNAL_IP, ADDR_V4) : NULL;
	const struct addr *ip6 = self ? res_node_addr(self, RES_ADDR_INTERNAL_IP, ADDR_V6) : NULL;
	struct dp_conf conf = {
		.pin_path = from->pin_path,
		.cgroup = from->cgroup,
		.devices = from->devices.v,
		.nr_devices = from->devices.nr,
		.attach = attach[from->attach],
		.dsr = from->forwarding == RES_FORWARD_DSR,
		.random = from->algorithm == RES_ALGORITHM_RANDOM,
		.socket_lb = from->socket_lb,
		.maglev_table_size = from->maglev_table_size,
		.flows4 = from->max_flows_v4,
		.flows6 = from->max_flows_v6,
	};

	if (ip4)
		conf.snat4 = *ip4;
	if (ip6)
		conf.snat6 = *ip6;
	add_cluster(store, plan, arena, &conf);
	add_peers(bgp, arena, &conf);
	return conf;
}
