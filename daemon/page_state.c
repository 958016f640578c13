/*
 * daemon/page_state.c: the state that the page shows, as JSON: sessions, nodes, pools, Services with their
 * addresses and who announces them.  Made in slices; says the same as long as nothing happens, so that
 * what did not change need not be sent.  See page.h.
 */
#include "daemon/page.h"

#include "config.h"
#include "daemon/app.h"
#include "daemon/metrics.h"
#include "daemon/service.h"
#include "daemon/show.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MAX (3u << 20)
#define SLICE_US 1000

struct page_state {
	struct app *app;
	struct page_plans *plans;
	char *filter;
	struct buf text;      /* all of it */
	struct buf *services; /* the part of it that costs most */
	bool began;
	struct res_object *service; /* where to go on behind; a reference */
	unsigned shown, matching, total;
};

static void
put_json(struct buf *b, const char *key, json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

	buf_printf(b, "%s\"%s\":%s", b->len > 1 ? "," : "", key, text ? text : "null");
	free(text);
	json_decref(value);
}

/* ---- what there is of once ---- */

static bool
add_peer(void *arg, const struct bgp_peer_stats *p)
{
	static const char *const states[BGP_NR_STATES] = { "idle", "connect", "active", "opensent",
		"openconfirm", "established" };
	char text[ADDR_STRLEN] = "";
	json_t *o;
	json_int_t received = 0, accepted = 0, advertised = 0;

	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		received += p->family[f].received;
		accepted += p->family[f].accepted;
		advertised += p->family[f].advertised;
	}
	if (addr_is_set(&p->addr))
		addr_format(&p->addr, text, sizeof(text));
	o = json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:I, s:I, s:I, s:I, s:s}", "name", p->name,
	    "instance", p->instance, "address", text, "localASN", (json_int_t)p->local_as,
	    "peerASN", (json_int_t)p->peer_as, "state", states[p->state], "upMs",
	    (json_int_t)p->up_ms, "received", received, "accepted", accepted, "advertised",
	    advertised, "lastError", p->last_error ? p->last_error : "");
	if (p->held_down)
		json_object_set_new(o, "heldDown", json_string(p->held_down));
	json_array_append_new(arg, o);
	return true;
}

static const char *
node_state(const struct res_node *n)
{
	for (size_t i = 0; i < n->conditions.nr; i++)
		if (strcmp(n->conditions.v[i].type, "Ready") == 0)
			return strcmp(n->conditions.v[i].status, "True") == 0 ? "ready"
									      : "not ready";
	return "";
}

static json_t *
nodes_json(const struct app *app)
{
	json_t *list = json_array();
	struct res_object *o;

	store_for_each(app->store, RES_NODE, o)
	{
		if (json_array_size(list) == PAGE_NODES_MAX && strcmp(o->meta.name, app->node) != 0)
			continue;
		json_array_append_new(list,
		    json_pack("{s:s, s:s, s:b}", "name", o->meta.name, "state",
			node_state((const struct res_node *)o), "self",
			strcmp(o->meta.name, app->node) == 0));
	}
	return list;
}

static bool
add_pool(void *arg, const struct ipam_pool_info *p)
{
	/* A browser's numbers end at 2^53; more free addresses than that are told as that many. */
	const uint64_t most = 1ull << 53;

	json_array_append_new(arg,
	    json_pack("{s:s, s:b, s:b, s:I, s:I, s:s}", "name", p->name, "disabled", p->disabled,
		"conflicting", p->conflicting, "used",
		(json_int_t)(p->used < most ? p->used : most), "total",
		(json_int_t)(p->total < most ? p->total : most), "conflictsWith",
		p->conflicting ? p->conflicts_with : ""));
	return true;
}

static json_t *
sources_json(const struct app *app)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < store_nr_sources(app->store); i++)
		if (!store_source_is_derived(app->store, (int)i))
			json_array_append_new(list,
			    json_pack("{s:s, s:b}", "name", store_source_name(app->store, (int)i),
				"synced", store_source_is_synced(app->store, (int)i)));
	return list;
}

static json_t *
faults_json(const struct app *app)
{
	const struct res_faults *faults = files_faults(app->files);
	json_t *list = json_array();

	for (size_t i = 0; i < faults->nr && i < 20; i++) {
		char *line = res_fault_format(&faults->v[i]);

		json_array_append_new(list, json_string(line ? line : "out of memory"));
		free(line);
	}
	return list;
}

static void
put_head(struct page_state *s)
{
	static const char *const drains[] = {
		[APP_NOT_DRAINED] = "", [APP_DRAINING] = "draining", [APP_WITHDRAWN] = "drained"
	};
	json_t *peers = json_array(), *pools = json_array();

	bgp_peers_each(s->app->bgp, add_peer, peers);
	ipam_pools_each(s->app->ipam, add_pool, pools);
	buf_putc(&s->text, '{');
	put_json(&s->text, "node", json_string(s->app->node));
	put_json(&s->text, "version", json_string(PACKAGE_VERSION));
	put_json(&s->text, "ready", json_boolean(ready_look(s->app, NULL)));
	put_json(&s->text, "drain", json_string(drains[s->app->drain]));
	put_json(&s->text, "faults", faults_json(s->app));
	put_json(&s->text, "sources", sources_json(s->app));
	put_json(&s->text, "peers", peers);
	put_json(&s->text, "nodes", nodes_json(s->app));
	put_json(&s->text, "pools", pools);
	buf_puts(&s->text, ",\"services\":[");
}

/* ---- who announces an address ---- */

void
page_plans_fini(struct page_plans *p)
{
	for (size_t i = 0; i < p->nr; i++) {
		bgp_plan_free(p->plans[i]);
		res_unref(p->nodes[i]);
	}
	*p = (struct page_plans){ 0 };
}

static void
plans_make(struct page_plans *p, const struct app *app)
{
	struct res_object *o;

	if (p->made && p->nr_changes == app->nr_changes)
		return;
	page_plans_fini(p);
	store_for_each(app->store, RES_NODE, o)
	{
		if (p->nr == PAGE_NODES_MAX || strcmp(o->meta.name, app->node) == 0)
			continue;
		p->nodes[p->nr] = res_ref(o);
		p->plans[p->nr++] = bgp_plan_new(app->store, o->meta.name, false, NULL);
	}
	p->nr_changes = app->nr_changes;
	p->made = true;
}

struct asked_peer {
	const char *instance, *name;
	bool established;
};

static bool
is_asked(void *arg, const struct bgp_peer_stats *p)
{
	struct asked_peer *a = arg;

	if (strcmp(p->instance, a->instance) != 0 || strcmp(p->name, a->name) != 0)
		return true;
	a->established = p->state == BGP_ESTABLISHED;
	return false;
}

static bool
is_established(const struct app *app, const char *instance, const char *peer)
{
	struct asked_peer a = { instance, peer, false };

	bgp_peers_each(app->bgp, is_asked, &a);
	return a.established;
}

/* The session of a node, this one too. */
static enum show_session
session_of(struct app *app, const char *node, const char *instance, const char *peer)
{
	if (strcmp(node, app->node) != 0)
		return show_session_of(app, node, instance, peer);
	return is_established(app, instance, peer) ? SHOW_SESSION_UP : SHOW_SESSION_DOWN;
}

/* Peers that are told of an address by one node. */
struct told {
	const char *node;
	json_t *peers;
	bool unknown; /* there may be more, of which nothing is known here */
};

/* The peers of an instance that are told of @addr by one of these announcements. */
static void
add_told(struct app *app, const struct bgp_instance_conf *conf, const struct bgp_announce *list,
    size_t nr, const struct addr *addr, struct told *out)
{
	const int family = addr->family == ADDR_V6 ? BGP_IPV6_UNICAST : BGP_IPV4_UNICAST;

	for (size_t j = 0; j < conf->nr_peers; j++) {
		const struct bgp_peer_conf *peer = &conf->peers[j];
		const char *audience = peer->family[family].audience;
		bool told = false;

		for (size_t i = 0; audience && i < nr && !told; i++)
			told = strcmp(list[i].audience, audience) == 0 &&
			    prefix_has_addr(&list[i].prefix, addr);
		if (!told)
			continue;
		switch (session_of(app, out->node, conf->name, peer->name)) {
		case SHOW_SESSION_UP:
			json_array_append_new(out->peers, json_string(peer->name));
			break;
		case SHOW_SESSION_UNKNOWN:
			out->unknown = true;
			break;
		default:
			break;
		}
	}
}

/* How a node tells of @addr by BGP. */
static struct told
bgp_peers_told(const struct page_state *s, const struct bgp_plan *plan, const char *node,
    const struct res_service *svc, const struct addr *addr)
{
	struct told out = { .node = node, .peers = json_array() };
	struct arena arena = { 0 };
	const struct addr *lb;
	const size_t nr_lb = app_service_addrs(s->app, svc, &arena, &lb);

	for (size_t i = 0; plan && i < plan->conf.nr_instances; i++) {
		const struct bgp_instance_conf *conf = &plan->conf.instances[i];

		for (size_t n = 0; n < plan->nr_instances; n++) {
			struct bgp_announce *list;
			size_t nr;

			if (strcmp(plan->instances[n].name, conf->name) != 0)
				continue;
			nr = bgp_wanted_service(&plan->instances[n], s->app->store, node, svc, lb,
			    nr_lb, &arena, &list);
			add_told(s->app, conf, list, nr, addr, &out);
		}
	}
	arena_fini(&arena);
	return out;
}

/* @by: "bgp", "l2", or "unknown": by BGP perhaps. */
static void
add_announcer(json_t *out, const char *node, const char *by, json_t *peers)
{
	json_t *o = json_pack("{s:s, s:s}", "node", node, "by", by);

	if (peers)
		json_object_set(o, "peers", peers);
	json_array_append_new(out, o);
}

static void
add_bgp(struct page_state *s, const struct bgp_plan *plan, const char *node,
    const struct res_service *svc, const struct addr *addr, json_t *out)
{
	struct told told = bgp_peers_told(s, plan, node, svc, addr);

	if (json_array_size(told.peers))
		add_announcer(out, node, "bgp", told.peers);
	else if (told.unknown)
		add_announcer(out, node, "unknown", NULL);
	json_decref(told.peers);
}

static json_t *
announcers_json(struct page_state *s, const struct res_service *svc, const struct addr *addr)
{
	struct arena arena = { 0 };
	json_t *out = json_array();
	const char *holder;

	if (s->app->drain != APP_WITHDRAWN)
		add_bgp(s, s->app->plan, s->app->node, svc, addr, out);
	for (size_t i = 0; i < s->plans->nr; i++)
		add_bgp(s, s->plans->plans[i], s->plans->nodes[i]->meta.name, svc, addr, out);
	holder = show_l2_holder(s->app, addr, &arena);
	if (holder && *holder)
		add_announcer(out, holder, "l2", NULL);
	arena_fini(&arena);
	return out;
}

/* ---- Services ---- */

static json_t *
addresses_json(struct page_state *s, const struct res_service *svc, const char *owner)
{
	json_t *out = json_array();
	struct arena arena = { 0 };
	struct ipam_claim_info info;
	struct ipam_alloc want;
	const struct addr *lb;
	const size_t nr = app_service_addrs(s->app, svc, &arena, &lb);
	char text[ADDR_STRLEN];

	for (size_t i = 0; i < nr; i++) {
		const char *pool = "";

		if (ipam_claim_get(s->app->ipam, owner, &info) == 0)
			for (size_t w = 0; w < info.nr_wanted; w++)
				if (ipam_claim_want(s->app->ipam, owner, w, &want) == 0 &&
				    addr_eq(&want.addr, &lb[i]))
					pool = want.pool;
		json_array_append_new(out,
		    json_pack("{s:s, s:s, s:o}", "ip", addr_format(&lb[i], text, sizeof(text)),
			"pool", pool, "by", announcers_json(s, svc, &lb[i])));
	}
	arena_fini(&arena);
	return out;
}

static bool
is_wanted(struct page_state *s, const struct res_service *svc, const char *owner)
{
	struct arena arena = { 0 };
	const struct addr *lb;
	char text[ADDR_STRLEN];
	bool wanted;
	size_t nr;

	if (svc->type != RES_SVC_LOAD_BALANCER)
		return false;
	s->total++;
	wanted = !*s->filter || strstr(owner, s->filter);
	nr = wanted ? 0 : app_service_addrs(s->app, svc, &arena, &lb);
	for (size_t i = 0; i < nr && !wanted; i++)
		wanted = strstr(addr_format(&lb[i], text, sizeof(text)), s->filter) != NULL;
	arena_fini(&arena);
	return wanted;
}

static void
put_service(struct page_state *s, const struct res_service *svc)
{
	char *owner = service_key(svc->obj.meta.ns, svc->obj.meta.name), *text;
	struct ipam_claim_info info;
	size_t active = 0;
	json_t *o;

	if (!is_wanted(s, svc, owner)) {
		free(owner);
		return;
	}
	if (s->matching++ >= PAGE_SERVICES_MAX) {
		free(owner);
		return;
	}
	for (int f = ADDR_V4; f <= ADDR_V6; f++)
		active +=
		    service_backends(s->app->store, svc, s->app->node, (enum addr_family)f).active;
	o = json_pack("{s:s, s:I, s:o}", "name", owner, "endpoints", (json_int_t)active,
	    "addresses", addresses_json(s, svc, owner));
	if (ipam_claim_get(s->app->ipam, owner, &info) == 0 && info.nr_held < info.nr_wanted)
		json_object_set_new(o, "waits", json_string(reason_text(info.reason)));
	text = json_dumps(o, JSON_COMPACT);
	buf_printf(s->services, "%s%s", s->shown++ ? "," : "", text ? text : "null");
	free(text);
	json_decref(o);
	free(owner);
}

/* ---- life ---- */

void
page_services_fini(struct page_services *p)
{
	buf_fini(&p->text);
	*p = (struct page_services){ 0 };
}

struct page_state *
page_state_new(struct app *app, struct page_plans *plans, const char *filter)
{
	struct page_state *s = xnew(struct page_state);

	s->app = app;
	s->plans = plans;
	s->filter = xstrdup(filter);
	buf_init(&s->text, 2 * TEXT_MAX);
	return s;
}

void
page_state_free(struct page_state *s)
{
	if (!s)
		return;
	res_unref(s->service);
	buf_fini(&s->text);
	free(s->filter);
	free(s);
}

static bool
finish(struct page_state *s, struct page_services *kept)
{
	buf_add(&s->text, kept->text.data, kept->text.len);
	s->text.failed |= kept->text.failed;
	return false;
}

bool
page_state_step(struct page_state *s, struct page_services *kept)
{
	const uint64_t begin = loop_now_us(s->app->loop);
	struct res_object *next;

	s->services = &kept->text;
	if (!s->began) {
		put_head(s);
		s->began = true;
		if (kept->made && kept->generation == s->app->generation)
			return finish(s, kept);
		page_services_fini(kept);
		buf_init(&kept->text, TEXT_MAX);
		kept->generation =
		    s->app->generation; /* what changes meanwhile is seen next time */
		plans_make(s->plans, s->app);
	}
	while (loop_now_us(s->app->loop) - begin < SLICE_US) {
		next = store_next(s->app->store, RES_SERVICE, s->service);
		if (!next) {
			buf_printf(s->services, "],\"shown\":%u,\"matching\":%u,\"total\":%u}",
			    s->shown, s->matching, s->total);
			kept->made = true;
			return finish(s, kept);
		}
		/* It may be gone from the store by the next slice. */
		res_ref(next);
		res_unref(s->service);
		s->service = next;
		put_service(s, (const struct res_service *)next);
	}
	return true;
}

const struct buf *
page_state_text(const struct page_state *s)
{
	return &s->text;
}
