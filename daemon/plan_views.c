/*
 * daemon/plan_views.c: see plan.h: what engines other than BGP are to have, as rows that can be compared.
 * What stands in a row comes from the functions that decide it, never from here.
 */
#include "daemon/plan.h"

#include "daemon/app.h"
#include "daemon/datapath_wanted.h"
#include "daemon/health_check.h"
#include "daemon/l2_side.h"
#include "daemon/metrics.h"
#include "daemon/pods.h"
#include "daemon/service.h"
#include "daemon/tunnel_wanted.h"
#include "lib/mem.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
add_row(struct plan_views *vs, enum plan_view_kind kind, const char *key, json_t *what)
{
	struct plan_view *v = &vs->view[kind];
	char *text = json_dumps(what, JSON_COMPACT | JSON_SORT_KEYS);

	if (v->nr == v->cap) {
		v->cap = v->cap ? 2 * v->cap : 64;
		v->v = xrealloc(v->v, v->cap, sizeof(*v->v));
	}
	v->v[v->nr] = (struct plan_row){ arena_printf(&vs->arena, "%s", key),
		arena_printf(&vs->arena, "%s", text ? text : ""), v->nr };
	v->nr++;
	free(text);
	json_decref(what);
}

static int
row_cmp(const void *x, const void *y)
{
	const struct plan_row *a = x, *b = y;
	const int order = strcmp(a->key, b->key);

	return order ? order : a->nr < b->nr ? -1 : a->nr > b->nr;
}

/* ---- LoadBalancer addresses, by owner ---- */

struct owners {
	struct app *app;
	struct plan_views *views;
};

static bool
add_claim(void *arg, const struct ipam_claim_info *info)
{
	const struct owners *o = arg;
	json_t *list = json_array();
	struct ipam_alloc a;

	for (size_t i = 0; i < info->nr_wanted; i++)
		if (ipam_claim_want(o->app->ipam, info->owner, i, &a) == 0 && addr_is_set(&a.addr))
			json_array_append_new(list,
			    json_pack("{s:s, s:s}", "address", addr_str(&a.addr), "pool", a.pool));
	if (json_array_size(list) > 0)
		add_row(o->views, PLAN_ADDRESSES, info->owner, json_incref(list));
	json_decref(list);
	return true;
}

/* ---- layer 2: what this node is chosen for ---- */

static void
take_announcements(struct plan_views *vs, struct app *app)
{
	struct arena arena = { 0 };
	struct l2_wanted want;
	json_t *services, *devices;

	if (!app->l2_side || !app->l2 || !l2_apply_work_out(app->l2_side, NULL, &arena, &want))
		return;
	for (size_t i = 0; i < want.nr_all; i++) {
		const struct l2_wanted_address *w = &want.all[i];

		if (!w->ours || w->nr_devices == 0)
			continue;
		services = json_array();
		devices = json_array();
		for (size_t k = 0; k < w->nr_services; k++)
			json_array_append_new(services, json_string(w->services[k]));
		for (size_t k = 0; k < w->nr_devices; k++)
			json_array_append_new(devices, json_string(w->devices[k]));
		add_row(vs, PLAN_ANNOUNCEMENTS, addr_str(&w->addr),
		    json_pack("{s:o, s:o}", "services", services, "interfaces", devices));
	}
	arena_fini(&arena);
}

/* ---- kernel routes ---- */

static bool
add_route(void *arg, const struct fib_route_info *info)
{
	json_t *hops = json_array();

	for (size_t i = 0; i < info->nr_hops; i++) {
		const unsigned link = info->hops[i].ifindex;

		/* of a link that is still to be made nobody knows the number */
		json_array_append_new(hops,
		    json_pack("{s:s, s:I}", "gateway", addr_str(&info->hops[i].gateway), "ifindex",
			(json_int_t)(link == FIB_IFINDEX_TO_COME ? 0 : link)));
	}
	add_row(arg, PLAN_ROUTES, prefix_str(&info->prefix),
	    json_pack("{s:s, s:I, s:o}", "origin", fib_origin_name(info->origin), "table",
		(json_int_t)info->table, "nexthops", hops));
	return true;
}

/* ---- the load balancer ---- */

static const char *
protocol_name(uint8_t proto)
{
	return proto == IPPROTO_UDP ? "UDP" : proto == IPPROTO_SCTP ? "SCTP" : "TCP";
}

static json_t *
backends_json(const struct dp_frontend *f)
{
	static const char *const states[] = { [DP_ACTIVE] = "active",
		[DP_TERMINATING] = "terminating",
		[DP_NOT_READY] = "not-ready" };
	json_t *list = json_array();
	char text[ADDR_STRLEN];

	for (size_t i = 0; i < f->nr_backends; i++) {
		const struct dp_backend *b = &f->backends[i];

		json_array_append_new(list,
		    json_pack("{s:s, s:i, s:i, s:s, s:b, s:b, s:b}", "ip",
			addr_format(&b->ip, text, sizeof(text)), "port", b->port, "weight",
			b->weight, "state", states[b->state], "external", b->external, "internal",
			b->internal, "local", b->local));
	}
	return list;
}

static void
add_frontend(struct plan_views *vs, const char *service, const struct dp_frontend *f)
{
	static const char *const types[DP_NR_TYPES] = { [DP_CLUSTER_IP] = "ClusterIP",
		[DP_NODE_PORT] = "NodePort",
		[DP_EXTERNAL_IP] = "ExternalIPs",
		[DP_LOAD_BALANCER] = "LoadBalancer" };
	json_t *ranges = json_array();
	const char *ip = addr_str(&f->ip);
	char key[128];

	for (size_t i = 0; i < f->nr_ranges; i++)
		json_array_append_new(ranges, json_string(prefix_str(&f->ranges[i])));
	snprintf(key, sizeof(key), f->ip.family == ADDR_V6 ? "[%s]:%u/%s" : "%s:%u/%s", ip, f->port,
	    protocol_name(f->proto));
	add_row(vs, PLAN_FRONTENDS, key,
	    json_pack("{s:s, s:s, s:b, s:b, s:b, s:b, s:b, s:i, s:o, s:o}", "service", service,
		"type", types[f->type], "externalLocal", f->external_local, "internalLocal",
		f->internal_local, "nonRoutable", f->non_routable, "dsr", f->dsr, "random",
		f->random, "affinitySeconds", (int)f->affinity_s, "sourceRanges", ranges,
		"backends", backends_json(f)));
}

static void
take_frontends(struct plan_views *vs, struct app *app)
{
	struct res_object *o;

	if (store_config(app->store)->datapath.mode == RES_DP_NONE)
		return;
	/* By name: of two that have the same address and port the first keeps it. */
	store_for_each(app->store, RES_SERVICE, o)
	{
		const struct res_service *svc = (const struct res_service *)o;
		struct arena arena = { 0 };
		const struct addr *lb;
		const size_t nr_lb = app_service_addrs(app, svc, &arena, &lb);
		const char *key = arena_printf(&arena, "%s/%s", o->meta.ns, o->meta.name);
		struct dp_frontend *list;
		const size_t nr =
		    datapath_wanted_service(app->store, app->node, svc, lb, nr_lb, &arena, &list);

		for (size_t i = 0; i < nr; i++)
			add_frontend(vs, key, &list[i]);
		arena_fini(&arena);
	}
}

/* ---- what hangs on the BGP plan ---- */

static void
take_plan(struct plan_views *vs, const struct bgp_plan *plan)
{
	char *key;

	for (size_t i = 0; i < plan->nr_watched; i++) {
		const struct bfd_wanted *w = &plan->watched[i];

		key = xasprintf("%s/%s", w->instance, w->peer);
		add_row(vs, PLAN_WATCHED, key,
		    json_pack("{s:s, s:b, s:I, s:I, s:i, s:b, s:b}", "peerAddress",
			addr_str(&w->conf.peer), "multihop", w->conf.multihop,
			"transmitMicroseconds", (json_int_t)w->conf.tx_us, "receiveMicroseconds",
			(json_int_t)w->conf.rx_us, "multiplier", w->conf.multiplier, "passive",
			w->conf.passive, "authenticated", w->conf.key_len > 0));
		free(key);
	}
	for (const struct notice *n = plan->notices; n; n = n->next) {
		key = xasprintf("%s/%s: %s", n->kind, n->name, n->message);
		add_row(vs, PLAN_NOTICES, key,
		    json_pack("{s:s, s:s, s:s, s:s}", "kind", n->kind, "name", n->name, "reason",
			reason_name(n->reason), "message", n->message));
		free(key);
	}
}

/* ---- listening sockets ---- */

/* @when: that a change of it is taken on. */
static void
add_listener(struct plan_views *vs, const char *socket, const char *by, const char *when)
{
	add_row(vs, PLAN_LISTENERS, socket, json_pack("{s:s, s:s}", "for", by, "when", when));
}

static void
add_port(struct plan_views *vs, const struct addr *addr, uint16_t port, const char *by)
{
	char key[ADDR_STRLEN + 16];

	snprintf(
	    key, sizeof(key), addr->family == ADDR_V6 ? "[%s]:%u" : "%s:%u", addr_str(addr), port);
	add_listener(vs, key, by, "now");
}

static void
add_bgp_listener(void *arg, const struct bgp_listen *at, bool must)
{
	(void)must;
	add_port(arg, &at->addr, at->port, "bgp");
}

static void
take_listeners(struct plan_views *vs, struct app *app)
{
	const struct res_herald_config *config = store_config(app->store);
	uint16_t port;
	const struct addr metrics = metrics_wanted(config, &port);
	char *pods = pods_socket_path(config, config->control_socket);

	bgp_listen_each(app->bgp, add_bgp_listener, vs);
	if (addr_is_set(&metrics))
		add_port(vs, &metrics, port, "metrics");
	add_listener(vs, config->control_socket, "control", "restart");
	add_listener(vs, pods, "herald-ipam", "restart");
	free(pods);
}

static void
take_health_checks(struct plan_views *vs, struct app *app)
{
	struct res_object *o;
	uint16_t port;
	size_t local;
	char *key;

	store_for_each(app->store, RES_SERVICE, o)
	{
		port = health_check_wanted(
		    app->store, app->node, (const struct res_service *)o, &local);
		if (!port)
			continue;
		key = service_key(o->meta.ns, o->meta.name);
		add_row(vs, PLAN_HEALTH_CHECKS, key,
		    json_pack("{s:i, s:I}", "port", port, "localEndpoints", (json_int_t)local));
		free(key);
	}
}

/* ---- the overlay, and what nodes have for their pods ---- */

static void
take_tunnel(struct plan_views *vs, struct app *app)
{
	struct arena arena = { 0 };
	struct tunnel_wanted want;
	struct addr gateway;
	char text[ADDR_STRLEN];

	tunnel_wanted(app->store, pods_plan(app), app->node, &arena, &want);
	vs->tunnel_waits = want.conf.mode == TUNNEL_WAIT;
	if (want.conf.mode == TUNNEL_VXLAN)
		add_row(vs, PLAN_TUNNEL, TUNNEL_DEVICE,
		    json_pack("{s:s, s:I, s:i, s:I}", "local", addr_str(&want.conf.local), "vni",
			(json_int_t)want.conf.vni, "port", want.conf.port, "mtu",
			(json_int_t)want.conf.mtu));
	for (size_t i = 0; i < want.nr_nodes; i++) {
		gateway = tunnel_gateway(&want.nodes[i]);
		add_row(vs, PLAN_TUNNEL_NODES, addr_str(&want.nodes[i]),
		    json_pack("{s:s}", "gateway", addr_format(&gateway, text, sizeof(text))));
	}
	arena_fini(&arena);
}

static void
take_pod_ranges(struct plan_views *vs, const struct pod_plan *plan)
{
	for (size_t i = 0; plan && i < plan->nr_nodes; i++) {
		const struct pod_node *n = &plan->nodes[i];
		json_t *list = json_array();

		for (size_t k = 0; k < n->nr; k++)
			json_array_append_new(list,
			    json_pack("{s:s, s:s, s:b}", "prefix", prefix_str(&n->v[k].prefix),
				"pool", n->v[k].pool_name, "pending", n->v[k].fresh));
		if (n->nr > 0)
			add_row(vs, PLAN_POD_RANGES, n->node->obj.meta.name, json_incref(list));
		json_decref(list);
	}
}

/* Of equal keys the first counts. */
static void
sort_view(struct plan_view *v)
{
	const size_t all = v->nr;
	size_t nr = 0;

	if (v->nr > 1)
		qsort(v->v, v->nr, sizeof(*v->v), row_cmp);
	for (size_t i = 0; i < all; i++)
		if (nr == 0 || strcmp(v->v[nr - 1].key, v->v[i].key) != 0)
			v->v[nr++] = v->v[i];
	v->nr = nr;
}

void
plan_views_take(struct plan_views *vs, struct app *app)
{
	struct owners owners = { app, vs };

	ipam_claims_each(app->ipam, add_claim, &owners);
	take_announcements(vs, app);
	if (app->fib)
		fib_targets_each(app->fib, add_route, vs);
	take_frontends(vs, app);
	if (app->plan)
		take_plan(vs, app->plan);
	take_listeners(vs, app);
	take_health_checks(vs, app);
	take_tunnel(vs, app);
	take_pod_ranges(vs, pods_plan(app));
	for (int i = 0; i < PLAN_NR_VIEWS; i++)
		sort_view(&vs->view[i]);
}

/* ---- the comparison ---- */

static const struct {
	const char *area, *key;	      /* what the key is called */
	const char *came, *went, *is; /* the words for it */
} words[PLAN_NR_VIEWS] = {
	[PLAN_ADDRESSES] = { "address", "service", "given", "released", "moved" },
	[PLAN_ANNOUNCEMENTS] = { "l2", "ip", "taken", "given-up", "changed" },
	[PLAN_ROUTES] = { "kernel-route", "prefix", "added", "removed", "changed" },
	[PLAN_FRONTENDS] = { "frontend", "frontend", "added", "removed", "changed" },
	[PLAN_WATCHED] = { "bfd", "peer", "added", "removed", "changed" },
	[PLAN_NOTICES] = { "notice", "about", "added", "removed", "changed" },
	[PLAN_LISTENERS] = { "listen", "socket", "added", "removed", "changed" },
	[PLAN_HEALTH_CHECKS] = { "health-check", "service", "added", "removed", "changed" },
	[PLAN_TUNNEL] = { "tunnel", "device", "added", "removed", "changed" },
	[PLAN_TUNNEL_NODES] = { "tunnel-node", "address", "added", "removed", "changed" },
	[PLAN_POD_RANGES] = { "pod-range", "node", "given", "released", "changed" },
};

/* "10.0.0.7:8080" of those in @a that are not in @b. */
static json_t *
backends_beyond(const json_t *a, const json_t *b)
{
	json_t *list = json_array(), *had = json_object(), *v;
	char text[128];
	size_t i;

	json_array_foreach(json_object_get(b, "backends"), i, v)
	{
		snprintf(text, sizeof(text), "%s %lld", json_string_value(json_object_get(v, "ip")),
		    (long long)json_integer_value(json_object_get(v, "port")));
		json_object_set_new(had, text, json_true());
	}
	json_array_foreach(json_object_get(a, "backends"), i, v)
	{
		snprintf(text, sizeof(text), "%s %lld", json_string_value(json_object_get(v, "ip")),
		    (long long)json_integer_value(json_object_get(v, "port")));
		if (!json_object_get(had, text))
			json_array_append(list, v);
	}
	json_decref(had);
	return list;
}

static void
put_difference(enum plan_view_kind kind, const struct plan_row *old, const struct plan_row *new,
    struct plan_out *out)
{
	json_t *was = old ? json_loads(old->text, JSON_DECODE_ANY, NULL) : NULL;
	json_t *is = new ? json_loads(new->text, JSON_DECODE_ANY, NULL) : NULL;
	json_t *o = json_pack("{s:s, s:s, s:s}", "area", words[kind].area, "action",
	    !old      ? words[kind].came
		: new ? words[kind].is
		      : words[kind].went,
	    words[kind].key, new ? new->key : old->key);

	if (kind == PLAN_FRONTENDS && was && is) {
		json_object_set_new(o, "backendsAdded", backends_beyond(is, was));
		json_object_set_new(o, "backendsRemoved", backends_beyond(was, is));
	}
	if (was)
		json_object_set_new(o, "old", was);
	if (is)
		json_object_set_new(o, "new", is);
	plan_put(out, o);
}

void
plan_views_compare(const struct plan_views *before, const struct plan_views *after,
    enum plan_view_kind kind, struct plan_out *out)
{
	const struct plan_view *a = &before->view[kind], *b = &after->view[kind];
	size_t i = 0, k = 0;

	if ((kind == PLAN_TUNNEL || kind == PLAN_TUNNEL_NODES) && after->tunnel_waits)
		return;
	while (i < a->nr || k < b->nr) {
		const int order = i == a->nr ? 1
		    : k == b->nr	     ? -1
					     : strcmp(a->v[i].key, b->v[k].key);

		if (order < 0)
			put_difference(kind, &a->v[i], NULL, out);
		else if (order > 0)
			put_difference(kind, NULL, &b->v[k], out);
		else if (strcmp(a->v[i].text, b->v[k].text) != 0)
			put_difference(kind, &a->v[i], &b->v[k], out);
		i += order <= 0;
		k += order >= 0;
	}
}
