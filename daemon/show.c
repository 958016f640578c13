/*
 * daemon/show.c: status, pools, allocations and kernel routes as JSON.  See show.h; the service list
 * is in show_services.c.
 */
#include "daemon/monitor.h"
#include "daemon/show.h"

#include "config.h"
#include "daemon/app.h"
#include "daemon/drain.h"
#include "daemon/kube_apply.h"
#include "daemon/pods.h"
#include "daemon/service.h"
#include "daemon/show_lb.h"
#include "lib/buf.h"
#include "lib/mem.h"

#include <net/if.h>
#include <stdlib.h>
#include <string.h>

/* Counts in JSON are signed. */
static json_t *
count(uint64_t n)
{
	return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

static const char *
str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* RFC 8259 7; what is not ASCII is UTF-8 since it was decoded from a document. */
void
show_string(struct buf *b, const char *s)
{
	size_t plain;

	buf_putc(b, '"');
	for (; *s; s += plain) {
		plain = 0;
		while (s[plain] && s[plain] != '"' && s[plain] != '\\' &&
		    (unsigned char)s[plain] >= ' ')
			plain++;
		buf_add(b, s, plain);
		if (s[plain])
			buf_printf(b, "\\u%04x", (unsigned char)s[plain++]);
	}
	buf_putc(b, '"');
}

/* ---- status ---- */

static bool
has_metallb(const struct store *s)
{
	size_t nr = 0;

	for (int k = RES_METALLB_POOL; k <= RES_METALLB_PEER; k++)
		nr += store_nr(s, (enum res_kind)k);
	return nr > 0;
}

static json_t *
status_sources(const struct app *app, const json_t *kube)
{
	json_t *list = json_array(), *o;
	size_t objects = 0;

	for (int k = 0; k < RES_NR_KINDS; k++)
		objects += store_nr(app->store, (enum res_kind)k);
	for (unsigned i = 0; i < store_nr_sources(app->store); i++) {
		const char *name = store_source_name(app->store, (int)i);

		if (store_source_is_derived(app->store, (int)i) && !has_metallb(app->store))
			continue;
		if (strcmp(name, "cache") == 0 && !kube_apply_is_cached(app))
			continue;
		o = json_pack("{s:s, s:b, s:o}", "name", name, "synced",
		    store_source_is_synced(app->store, (int)i), "objects", count(objects));
		if (kube && strncmp(name, "kubernetes", strlen("kubernetes")) == 0) {
			json_object_set(o, "connected", json_object_get(kube, "connected"));
			json_object_set(o, "error", json_object_get(kube, "error"));
		}
		if (strcmp(name, "files") == 0 && files_unwatched(app->files))
			json_object_set_new(o, "error", json_string(files_unwatched(app->files)));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *
status_reload(const struct app *app)
{
	const struct res_faults *faults = files_faults(app->files);
	const int64_t age = (int64_t)loop_wall(app->loop) - files_read_at(app->files);
	json_t *list = json_array();
	char *line;

	for (size_t i = 0; i < faults->nr; i++) {
		line = res_fault_format(&faults->v[i]);
		json_array_append_new(list, json_string(line ? line : "out of memory"));
		free(line);
	}
	return json_pack("{s:b, s:I, s:o}", "ok", files_ok(app->files), "ageSeconds",
	    (json_int_t)(age < 0 ? 0 : age), "faults", list);
}

static bool
add_own(void *arg, const struct bgp_table_stats *t)
{
	*(json_int_t *)arg += t->own;
	return true;
}

static json_t *
status_bgp(const struct app *app)
{
	json_t *peers = bgp_show_peers(app->bgp), *down = json_array();
	json_int_t received = 0, accepted = 0, originated = 0;
	size_t nr, established = 0, i, j;
	json_t *p, *f;

	json_array_foreach(json_object_get(peers, "peers"), i, p)
	{
		json_array_foreach(json_object_get(p, "families"), j, f)
		{
			received += json_integer_value(json_object_get(f, "received"));
			accepted += json_integer_value(json_object_get(f, "accepted"));
		}
		if (strcmp(str(p, "state"), "established") == 0) {
			established++;
			continue;
		}
		json_array_append_new(down,
		    json_pack("{s:s, s:s, s:s, s:s}", "name", str(p, "name"), "peerAddress",
			str(p, "peerAddress"), "state", str(p, "state"), "lastError",
			str(p, "lastError")));
	}
	nr = json_array_size(json_object_get(peers, "peers"));
	json_decref(peers);
	bgp_tables_each(app->bgp, add_own, &originated);
	return json_pack("{s:o, s:o, s:{s:I, s:I, s:I}, s:o}", "peers", count(nr), "established",
	    count(established), "routes", "received", received, "accepted", accepted, "originated",
	    originated, "down", down);
}

struct pool_sum {
	uint64_t total, conflicting, disabled, available;
};

static bool
sum_pool(void *arg, const struct ipam_pool_info *p)
{
	struct pool_sum *sum = arg;

	sum->total++;
	sum->conflicting += p->conflicting;
	sum->disabled += p->disabled;
	if (!p->disabled && !p->conflicting &&
	    __builtin_add_overflow(sum->available, p->available, &sum->available))
		sum->available = UINT64_MAX;
	return true;
}

static bool
sum_claim(void *arg, const struct ipam_claim_info *c)
{
	uint64_t *waiting = arg;

	*waiting += c->nr_held < c->nr_wanted;
	return true;
}

static json_t *
status_services(const struct app *app)
{
	uint64_t waiting = 0, load_balancers = 0;
	struct res_object *o;

	ipam_claims_each(app->ipam, sum_claim, &waiting);
	store_for_each(app->store, RES_SERVICE, o) load_balancers +=
	    ((const struct res_service *)o)->type == RES_SVC_LOAD_BALANCER;
	return json_pack("{s:o, s:o, s:o}", "total", count(store_nr(app->store, RES_SERVICE)),
	    "loadBalancer", count(load_balancers), "waiting", count(waiting));
}

/* What of MetalLB's documents has no effect; the place is part of the message. */
static void
status_metallb(const struct app *app, json_t *list)
{
	const struct res_faults *notices = metallb_notices(app->metallb);

	for (size_t i = 0; i < notices->nr; i++) {
		const struct res_fault *f = &notices->v[i];
		const size_t kind = strcspn(f->object, "/");
		char *kind_text = xstrndup(f->object, kind);
		char *text = xasprintf("%s: %s", f->field, f->text);

		json_array_append_new(list,
		    json_pack("{s:s, s:s, s:s, s:s}", "kind", kind_text, "name",
			f->object + kind + (f->object[kind] == '/'), "reason",
			reason_name(REASON_NOT_SUPPORTED), "message", text));
		free(kind_text);
		free(text);
	}
}

static json_t *
status_notices(const struct app *app)
{
	json_t *list = json_array();

	for (const struct notice *n = app->plan ? app->plan->notices : NULL; n; n = n->next)
		json_array_append_new(list,
		    json_pack("{s:s, s:s, s:s, s:s}", "kind", n->kind, "name", n->name, "reason",
			reason_name(n->reason), "message", n->message));
	status_metallb(app, list);
	for (const struct pod_notice *n = pods_plan(app) ? pods_plan(app)->notices : NULL; n;
	     n = n->next)
		json_array_append_new(list,
		    json_pack("{s:s, s:s, s:s, s:s}", "kind", "Node", "name", n->node, "reason",
			reason_name(REASON_POD_RANGES), "message", n->message));
	if (!store_node(app->store, app->node))
		json_array_append_new(list,
		    json_pack("{s:s, s:s, s:s, s:s}", "kind", "Node", "name", app->node, "reason",
			reason_name(REASON_NODE_UNKNOWN), "message",
			"there is no Node document of this name: no PodCIDRs, and node selectors "
			"with labels do not match (-n or spec.nodeName choose the name)"));
	return list;
}

static json_t *
status_tunnel(struct app *app)
{
	static const char *const modes[] = {
		[TUNNEL_OFF] = "none", [TUNNEL_WAIT] = "vxlan", [TUNNEL_VXLAN] = "vxlan"
	};
	struct tunnel_info info = { 0 };
	json_t *o;

	if (app->tunnel)
		tunnel_info(app->tunnel, &info);
	o = json_pack("{s:s}", "mode", modes[info.mode]);
	if (info.mode == TUNNEL_OFF)
		return o;
	json_object_set_new(o, "device", json_string(TUNNEL_DEVICE));
	json_object_set_new(o, "up", json_boolean(info.up));
	json_object_set_new(o, "mtu", count(info.mtu));
	json_object_set_new(o, "nodes", count(info.nr_nodes));
	json_object_set_new(o, "set", count(info.nr_set));
	if (info.error)
		json_object_set_new(o, "error", json_string(strerror(info.error)));
	else if (info.mode == TUNNEL_WAIT)
		json_object_set_new(
		    o, "error", json_string("no Node document of this node with an InternalIP"));
	return o;
}

json_t *
show_status(struct app *app)
{
	struct fib_stats fib = { 0 };
	struct pool_sum pools = { 0 };
	json_t *root, *kube = kube_apply_show(app);

	if (app->fib)
		fib_stats(app->fib, &fib);
	ipam_pools_each(app->ipam, sum_pool, &pools);
	root = json_pack("{s:s, s:s, s:o, s:o, s:o}", "version", PACKAGE_VERSION, "node", app->node,
	    "uptimeSeconds", count((loop_now_ms(app->loop) - app->started_ms) / 1000), "sources",
	    status_sources(app, kube), "lastReload", status_reload(app));
	if (kube)
		json_object_set_new(root, "kubernetes", kube);
	json_object_set_new(root, "reloads",
	    json_pack("{s:o, s:o}", "ok", count(app->nr_good), "failed",
		count(files_nr_refused(app->files))));
	if (app->drain != APP_NOT_DRAINED)
		json_object_set_new(root, "drain", drain_show(app));
	json_object_set_new(root, "bgp", status_bgp(app));
	json_object_set_new(root, "pools",
	    json_pack("{s:o, s:o, s:o, s:o}", "total", count(pools.total), "conflicting",
		count(pools.conflicting), "disabled", count(pools.disabled), "available",
		count(pools.available)));
	json_object_set_new(root, "services", status_services(app));
	json_object_set_new(root, "routes",
	    json_pack(
		"{s:o, s:o}", "installed", count(fib.installed), "failed", count(fib.failed)));
	json_object_set_new(root, "tunnel", status_tunnel(app));
	json_object_set_new(root, "datapath", show_datapath_status(app));
	json_object_set_new(root, "listeners",
	    json_pack(
		"{s:i, s:i}", "monitor", (int)monitor_nr(app), "observe", (int)observe_nr(app)));
	json_object_set_new(root, "notices", status_notices(app));
	return root;
}

/* ---- pools and allocations ---- */

struct show_list {
	json_t *list;
	struct app *app;
};

static json_t *
range_text(const struct addr_range *r)
{
	char first[ADDR_STRLEN], last[ADDR_STRLEN];

	return json_sprintf("%s-%s", addr_format(&r->first, first, sizeof(first)),
	    addr_format(&r->last, last, sizeof(last)));
}

static bool
show_pool(void *arg, const struct ipam_pool_info *p)
{
	struct show_list *show = arg;
	const int64_t now = (int64_t)loop_wall(show->app->loop);
	json_t *o = json_pack("{s:s, s:b, s:b, s:o, s:o, s:o, s:o, s:o}", "name", p->name,
	    "disabled", p->disabled, "conflicting", p->conflicting, "available",
	    count(p->available), "total", count(p->total), "used", count(p->used), "resting",
	    count(p->resting), "held", count(p->held));
	const uint64_t up_s = (loop_now_ms(show->app->loop) - show->app->started_ms) / 1000;

	json_object_set_new(o, "ageSeconds",
	    p->created > 0 && p->created <= now ? count((uint64_t)(now - p->created))
						: count(up_s));
	if (p->conflicting)
		json_object_set_new(o, "conflict",
		    json_pack("{s:s, s:o, s:o}", "with", p->conflicts_with, "range",
			range_text(&p->conflict[0]), "otherRange", range_text(&p->conflict[1])));
	json_array_append_new(show->list, o);
	return true;
}

/* Addresses that their pools would not give today, by pool and reason: held all the same. */
static bool
note_held(void *arg, const struct ipam_alloc *a)
{
	json_t *notes = arg, *one, *found = NULL;
	size_t i;

	if (a->reason == REASON_SATISFIED)
		return true;
	json_array_foreach(notes, i, one)
	{
		if (strcmp(json_string_value(json_object_get(one, "pool")), a->pool) == 0 &&
		    strcmp(json_string_value(json_object_get(one, "reason")),
			reason_name(a->reason)) == 0)
			found = one;
	}
	if (!found) {
		found = json_pack("{s:s, s:s, s:s, s:i}", "pool", a->pool, "reason",
		    reason_name(a->reason), "message", reason_text(a->reason), "addresses", 0);
		json_array_append_new(notes, found);
	}
	json_object_set_new(found, "addresses",
	    json_integer(json_integer_value(json_object_get(found, "addresses")) + 1));
	return true;
}

json_t *
show_pools(struct app *app)
{
	struct show_list show = { json_array(), app };
	json_t *notes = json_array();

	ipam_pools_each(app->ipam, show_pool, &show);
	ipam_each(app->ipam, note_held, notes);
	return json_pack("{s:o, s:o}", "pools", show.list, "notes", notes);
}

static bool
show_allocation(void *arg, const struct ipam_alloc *a)
{
	char text[ADDR_STRLEN];
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "address",
	    addr_format(&a->addr, text, sizeof(text)), "owner", a->owner, "pool", a->pool, "kind",
	    "service", "reason", reason_name(a->reason), "shared", a->shared);

	if (a->reason != REASON_SATISFIED)
		json_object_set_new(o, "message", json_string(reason_text(a->reason)));
	json_array_append_new(arg, o);
	return true;
}

static bool
show_resting(void *arg, const struct ipam_resting *r)
{
	const enum reason why = r->conflicted ? REASON_CONFLICTED : REASON_COOLING_DOWN;
	char text[ADDR_STRLEN];

	json_array_append_new(arg,
	    json_pack("{s:s, s:s, s:s, s:s, s:I}", "address",
		addr_format(&r->addr, text, sizeof(text)), "last", r->last, "reason",
		reason_name(why), "message", reason_text(why), "seconds",
		(json_int_t)((r->cool_ms + 999) / 1000)));
	return true;
}

/* One want that got nothing. */
static json_t *
waiting_json(const struct ipam_alloc *want)
{
	char text[ADDR_STRLEN];
	json_t *o = json_pack("{s:s, s:s, s:s, s:s}", "owner", want->owner, "family",
	    want->family == ADDR_V6 ? "ipv6" : "ipv4", "reason", reason_name(want->reason),
	    "message", reason_text(want->reason));

	if (addr_is_set(&want->requested))
		json_object_set_new(
		    o, "requested", json_string(addr_format(&want->requested, text, sizeof(text))));
	if (*want->pool)
		json_object_set_new(o, "pool", json_string(want->pool));
	if (want->other)
		json_object_set_new(o, "other", json_string(want->other));
	if (want->detail != REASON_NONE) {
		json_object_set_new(o, "detail", json_string(reason_name(want->detail)));
		json_object_set_new(o, "message",
		    json_sprintf("%s %s", reason_text(want->reason), reason_text(want->detail)));
	}
	return o;
}

static bool
show_waiting(void *arg, const struct ipam_claim_info *c)
{
	struct show_list *show = arg;
	struct ipam_alloc want;

	if (c->reason == REASON_SATISFIED)
		return true;
	for (size_t i = 0; i < c->nr_wanted; i++)
		if (ipam_claim_want(show->app->ipam, c->owner, i, &want) == 0 &&
		    !addr_is_set(&want.addr) && want.reason != REASON_FAMILY_NOT_IN_POOL)
			json_array_append_new(show->list, waiting_json(&want));
	return true;
}

json_t *
show_ipam(struct app *app)
{
	struct show_list waiting = { json_array(), app };
	json_t *allocations = json_array(), *resting = json_array();

	ipam_each(app->ipam, show_allocation, allocations);
	ipam_resting_each(app->ipam, show_resting, resting);
	ipam_claims_each(app->ipam, show_waiting, &waiting);
	pods_show_allocations(app, allocations);
	return json_pack("{s:o, s:o, s:o, s:o}", "allocations", allocations, "waiting",
	    waiting.list, "resting", resting, "pods", pods_show(app));
}

/* ---- kernel routes ---- */

static bool
show_route(void *arg, const struct fib_route_info *r)
{
	char text[ADDR_STRLEN], prefix[PREFIX_STRLEN], name[IF_NAMESIZE];
	json_t *nexthops = json_array(), *hops = json_array(), *hop;

	for (size_t i = 0; i < r->nr_hops; i++) {
		addr_format(&r->hops[i].gateway, text, sizeof(text));
		json_array_append_new(nexthops, json_string(text));
		hop = json_pack("{s:s}", "gateway", text);
		if (r->hops[i].ifindex && if_indextoname(r->hops[i].ifindex, name))
			json_object_set_new(hop, "interface", json_string(name));
		if (r->nr_hops > 1)
			json_object_set_new(
			    hop, "weight", json_integer(r->hops[i].weight ? r->hops[i].weight : 1));
		json_array_append_new(hops, hop);
	}
	json_array_append_new(arg,
	    json_pack("{s:s, s:o, s:s, s:b, s:s, s:I, s:o}", "prefix",
		prefix_format(&r->prefix, prefix, sizeof(prefix)), "nexthops", nexthops, "origin",
		r->adopted ? "adopted" : fib_origin_name(r->origin), "installed", r->installed,
		"reason", r->installed ? "" : reason_name(r->reason), "table", (json_int_t)r->table,
		"hops", hops));
	return true;
}

json_t *
show_routes(struct app *app)
{
	json_t *list = json_array();

	if (app->fib)
		fib_each(app->fib, show_route, list);
	return json_pack("{s:o}", "routes", list);
}
