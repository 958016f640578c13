/*
 * daemon/reconcile.c: makes the engines follow the store.  A changed Service or EndpointSlice costs
 * that Service; a changed configuration makes a new plan and goes through everything; both are the
 * same functions, and running them twice changes nothing.
 */
#include "daemon/app.h"

#include "daemon/bfd_apply.h"
#include "daemon/discover.h"
#include "daemon/drain.h"
#include "daemon/ipam_apply.h"
#include "daemon/ipam_wanted.h"
#include "daemon/kube_apply.h"
#include "daemon/kube_wanted.h"
#include "daemon/monitor.h"
#include "daemon/pods.h"
#include "daemon/service.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- addresses of Services ---- */

/* Its address is another one's as far as is known here; which may change by what comes next. */
static void
remember_yielding(struct app *app, const char *owner)
{
	for (size_t i = 0; i < app->nr_yielding; i++)
		if (strcmp(app->yielding[i], owner) == 0)
			return;
	app->yielding = xrealloc(app->yielding, app->nr_yielding + 1, sizeof(*app->yielding));
	app->yielding[app->nr_yielding++] = xstrdup(owner);
}

/* It has what its status says. */
static void
mirror_service(struct app *app, const struct res_service *svc, const char *owner)
{
	struct arena arena = { 0 };
	const struct addr *held;
	const size_t nr = kube_wanted_held(app->store, svc, &arena, &held);
	const int err = ipam_mirror(app->ipam, owner, held, nr);

	if (err == -EADDRINUSE)
		remember_yielding(app, owner);
	else if (err < 0)
		log_error("status-not-followed", LOG_S("service", owner), LOG_ERR(err));
	arena_fini(&arena);
}

/* Once more for those who came before the one that had their address gave it back. */
static void
mirror_yielding(struct app *app)
{
	char **list = app->yielding;
	const size_t nr = app->nr_yielding;

	app->yielding = NULL;
	app->nr_yielding = 0;
	for (size_t i = 0; i < nr; i++) {
		char *slash = strchr(list[i], '/');
		const struct res_service *svc;

		*slash = '\0';
		svc = store_service(app->store, list[i], slash + 1);
		*slash = '/';
		if (svc && service_is_remote(svc) && !app->giving &&
		    service_is_managed(svc, &store_config(app->store)->kubernetes))
			mirror_service(app, svc, list[i]);
		free(list[i]);
	}
	free(list);
}

void
reconcile_fini(struct app *app)
{
	for (size_t i = 0; i < app->nr_yielding; i++)
		free(app->yielding[i]);
	free(app->yielding);
	app->yielding = NULL;
	app->nr_yielding = 0;
}

static void
claim_service(struct app *app, const char *ns, const char *name)
{
	const struct res_service *svc = store_service(app->store, ns, name);
	struct arena arena = { 0 };
	struct ipam_claim claim;
	size_t bad = 0;
	char *key;

	if (svc && ipam_wanted_claim(app->store, svc, &arena, &claim, &bad)) {
		claim.mirrored = service_is_remote(svc) && !app->giving;
		if (ipam_claim_set(app->ipam, &claim) < 0)
			log_error("claim-failed", LOG_S("service", claim.owner), LOG_ERR(ENOMEM));
		else if (claim.mirrored)
			mirror_service(app, svc, claim.owner);
	} else {
		key = service_key(ns, name);
		ipam_claim_del(app->ipam, key);
		free(key);
	}
	if (bad > 0)
		log_warn("requested-addresses-unreadable", LOG_S("namespace", ns),
		    LOG_S("service", name), LOG_U("count", bad));
	arena_fini(&arena);
}

static bool
has_ingress(const struct res_service *svc, const struct addr *ip)
{
	for (size_t i = 0; svc && i < svc->ingress.nr; i++)
		if (addr_eq(&svc->ingress.v[i].ip, ip))
			return true;
	return false;
}

/* Who leads sees an address in a status that it did not give: somebody wants it there. */
static void
adopt_by_hand(struct app *app, const struct store_change *c)
{
	const struct res_service *old = (const struct res_service *)c->old;
	const struct res_service *new = (const struct res_service *)c->new;
	char *key;
	int err;

	if (!app->giving || !new || !service_is_remote(new))
		return;
	key = service_key(c->ns, c->name);
	for (size_t i = 0; i < new->ingress.nr; i++) {
		const struct addr *ip = &new->ingress.v[i].ip;

		if (!addr_is_set(ip) || has_ingress(old, ip) || ipam_holds(app->ipam, key, ip))
			continue;
		err = ipam_adopt(app->ipam, key, ip);
		log_info(err == 0 ? "address-adopted" : "address-not-adopted",
		    LOG_S("service", key), LOG_S("address", addr_str(ip)), LOG_ERR(err));
	}
	free(key);
}

static void
set_pools(struct app *app)
{
	struct arena arena = { 0 };
	struct ipam_pool *pools;
	size_t nr = ipam_wanted_pools(app->store, &arena, &pools);
	int err = ipam_pools_set(app->ipam, pools, nr);

	if (err < 0)
		log_error("pools-failed", LOG_ERR(err));
	arena_fini(&arena);
}

/* A Service came from elsewhere with an address: it keeps it (before the start only; what stateDir
 * says counts first, since it was restored first). */
static void
adopt_ingress(struct app *app, const struct res_service *svc)
{
	char *key = service_key(svc->obj.meta.ns, svc->obj.meta.name);

	for (size_t i = 0; i < svc->ingress.nr; i++) {
		const struct addr *ip = &svc->ingress.v[i].ip;

		if (!addr_is_set(ip))
			continue;
		if (ipam_restore(app->ipam, key, ip, NULL) < 0)
			log_warn("ingress-not-adopted", LOG_S("service", key),
			    LOG_S("address", addr_str(ip)));
	}
	free(key);
}

static void
claim_all(struct app *app)
{
	const struct res_service *svc;
	struct res_object *o;

	ipam_claims_begin(app->ipam);
	store_for_each(app->store, RES_SERVICE, o)
	{
		svc = (const struct res_service *)o;
		if (!ipam_is_started(app->ipam) && svc->ingress.nr > 0 && !service_is_remote(svc))
			adopt_ingress(app, svc);
		claim_service(app, o->meta.ns, o->meta.name);
	}
	ipam_claims_end(app->ipam);
	mirror_yielding(app);
}

/* Nothing is given before everything is known. */
static bool
may_give(const struct app *app)
{
	return kube_apply_leads(app) && store_is_synced(app->store);
}

static void
reconcile_addresses(struct app *app)
{
	const bool give = may_give(app);

	set_pools(app);
	/* Who begins to give starts from what all statuses say. */
	if (give && !app->giving)
		claim_all(app);
	app->giving = give;
	claim_all(app);
	if (!ipam_is_started(app->ipam) && store_is_synced(app->store))
		ipam_start(app->ipam);
	ipam_apply_settle(app);
}

void
reconcile_leader(struct app *app)
{
	if (app->pods)
		pods_tell(app->pods);
	if (app->bgp && !app->stopping && may_give(app) != app->giving)
		reconcile_addresses(app);
}

/* Where the API is, all nodes serve what the status says and ipam agrees with; the one that leads
 * waits for its own word to come back, so that all say the same. */
static size_t
remote_addrs(
    const struct app *app, const struct res_service *svc, const char *key, struct addr *list)
{
	size_t nr = 0;

	for (size_t i = 0; i < svc->ingress.nr; i++)
		if (addr_is_set(&svc->ingress.v[i].ip) &&
		    ipam_holds(app->ipam, key, &svc->ingress.v[i].ip))
			list[nr++] = svc->ingress.v[i].ip;
	return nr;
}

size_t
app_service_addrs(
    struct app *app, const struct res_service *svc, struct arena *a, const struct addr **out)
{
	const char *key = arena_printf(a, "%s/%s", svc->obj.meta.ns, svc->obj.meta.name);
	struct ipam_claim_info info = { 0 };
	/* In a rehearsal the word of who gives would have come back. */
	const bool remote = service_is_remote(svc) && !(app->rehearsing && app->giving);
	struct ipam_alloc want;
	struct addr *list;
	size_t nr = 0;

	*out = NULL;
	if (!service_is_managed(svc, &store_config(app->store)->kubernetes))
		return 0;
	if (ipam_claim_get(app->ipam, key, &info) < 0)
		info.nr_wanted = 0;
	list = arena_new_n(a, struct addr, info.nr_wanted + svc->ingress.nr);
	*out = list;
	if (remote)
		nr = remote_addrs(app, svc, key, list);
	for (size_t i = 0; i < info.nr_wanted && !remote; i++)
		if (ipam_claim_want(app->ipam, key, i, &want) == 0 && addr_is_set(&want.addr))
			list[nr++] = want.addr;
	/* Another allocator's work, where no pool of ours is concerned. */
	if (nr == 0 && store_nr(app->store, RES_LB_IP_POOL) == 0)
		for (size_t i = 0; i < svc->ingress.nr; i++)
			if (addr_is_set(&svc->ingress.v[i].ip))
				list[nr++] = svc->ingress.v[i].ip;
	return nr;
}

/* ---- routes ---- */

static void
originate(struct app *app, const char *instance, const char *owner, const struct bgp_announce *list,
    size_t nr)
{
	int err = bgp_originate(app->bgp, instance, owner, list, nr);

	if (err < 0)
		log_error("announce-failed", LOG_S("instance", instance), LOG_S("owner", owner),
		    LOG_ERR(err));
}

static void
announce_service(struct app *app, const char *ns, const char *name)
{
	const struct res_service *svc = store_service(app->store, ns, name);
	struct arena arena = { 0 };
	const char *owner = arena_printf(&arena, "service %s/%s", ns, name);
	const struct addr *lb = NULL;
	size_t nr_lb = svc ? app_service_addrs(app, svc, &arena, &lb) : 0;

	for (size_t i = 0; i < app->plan->nr_instances; i++) {
		const struct bgp_plan_instance *inst = &app->plan->instances[i];
		struct bgp_announce *list = NULL;
		size_t nr = 0;

		if (svc && app->drain != APP_WITHDRAWN)
			nr = bgp_wanted_service(
			    inst, app->store, app->node, svc, lb, nr_lb, &arena, &list);
		if (app->monitor)
			monitor_routes(app, inst, owner, svc, list, nr);
		originate(app, inst->name, owner, list, nr);
	}
	arena_fini(&arena);
}

/* Everything that one Service is to the engines, but for its addresses. */
static void
follow_service(struct app *app, const char *ns, const char *name)
{
	datapath_apply_service(app, ns, name);
	announce_service(app, ns, name);
}

static void
announce_node(struct app *app)
{
	const struct res_node *node = store_node(app->store, app->node);
	struct arena arena = { 0 };

	for (size_t i = 0; i < app->plan->nr_instances; i++) {
		const struct bgp_plan_instance *inst = &app->plan->instances[i];
		struct bgp_announce *list = NULL;
		size_t nr = node ? bgp_wanted_node(inst, pods_plan(app), node, &arena, &list) : 0;

		originate(app, inst->name, "node", list, nr);
	}
	arena_fini(&arena);
}

/* ---- the whole ---- */

/* What is not known yet at every start. */
static bool
is_expected(enum reason reason)
{
	return reason == REASON_GATEWAY_UNKNOWN || reason == REASON_NEIGHBOUR_UNKNOWN;
}

static void
log_notices(const struct bgp_plan *old, const struct bgp_plan *plan)
{
	for (const struct notice *n = plan->notices; n; n = n->next) {
		const struct notice *o = old ? old->notices : NULL;

		while (o && (strcmp(o->message, n->message) != 0 || strcmp(o->name, n->name) != 0))
			o = o->next;
		if (!o)
			log_at(is_expected(n->reason) ? LOG_LVL_INFO : LOG_LVL_WARN,
			    "configuration-notice", LOG_S("kind", n->kind), LOG_S("name", n->name),
			    LOG_S("reason", reason_name(n->reason)), LOG_S("message", n->message));
	}
}

/* Are all routes for the same audiences as before? */
static bool
audiences_stay(const struct bgp_plan *a, const struct bgp_plan *b)
{
	if (!a || a->nr_instances != b->nr_instances)
		return false;
	for (size_t i = 0; i < a->nr_instances; i++) {
		const struct bgp_plan_instance *x = &a->instances[i], *y = &b->instances[i];

		if (strcmp(x->name, y->name) != 0 || x->nr != y->nr)
			return false;
		for (size_t k = 0; k < x->nr; k++)
			if (strcmp(x->audiences[k].name, y->audiences[k].name) != 0)
				return false;
	}
	return true;
}

/* True: what is announced has to be said again. */
static bool
reconcile_sessions(struct app *app)
{
	struct bgp_plan *old = app->plan;
	bool again;
	int err;

	app->generation++;
	discover_begin(app->discover);
	app->plan =
	    bgp_plan_new(app->store, app->node, drain_asks(app), discover_links(app->discover));
	discover_end(app->discover);
	log_notices(old, app->plan);
	err = bgp_apply(app->bgp, &app->plan->conf);
	if (err < 0)
		log_error("bgp-listen-failed", LOG_ERR(err));
	if (app->rehearsing)
		return true; /* the old one is still to be compared with */
	bfd_apply_peers(app);
	again = !audiences_stay(old, app->plan);
	bgp_plan_free(old);
	return again;
}

static void
announce_services(struct app *app)
{
	struct res_object *o;

	store_for_each(app->store, RES_SERVICE, o) announce_service(app, o->meta.ns, o->meta.name);
}

void
reconcile_links(void *arg)
{
	struct app *app = arg;

	if (app->plan && !app->stopping)
		reconcile_sessions(app);
}

void
reconcile_drain(struct app *app)
{
	if (!app->plan)
		return;
	(void)reconcile_sessions(app);
	announce_services(app);
}

/* Sessions first: their packets are under way while addresses and routes are worked out.  Nothing is
 * sent on them before the end of this turn. */
void
reconcile_all(struct app *app)
{
	if (kube_apply_awaited(app))
		return;
	drain_follow(app);
	(void)pods_apply(app);
	(void)reconcile_sessions(app);
	app->sweeping = true;
	reconcile_addresses(app);
	app->sweeping = false;
	announce_node(app);
	announce_services(app);
	if (store_is_synced(app->store))
		bgp_routes_ready(app->bgp);
	fib_wanted_resync(app);
	datapath_apply_all(app);
	if (!app->rehearsing)
		kube_apply_all(app);
}

/* ---- changes ---- */

/* Heartbeats change nothing for us. */
static bool
matters(const struct store_change *c)
{
	return !c->old || !c->new || res_change_cost(c->old, c->new) != RES_COST_NONE;
}

static bool
is_configuration(const struct app *app, const struct store_change *c)
{
	switch (c->kind) {
	case RES_SERVICE:
	case RES_ENDPOINT_SLICE:
	case RES_L2_POLICY:
	/* what is made of these comes as changes of its own */
	case RES_METALLB_POOL:
	case RES_METALLB_ADDRESS_POOL:
	case RES_METALLB_L2_ADVERTISEMENT:
	case RES_METALLB_BGP_ADVERTISEMENT:
	case RES_METALLB_COMMUNITY:
	case RES_METALLB_BFD_PROFILE:
	case RES_METALLB_PEER:
		return false;
	case RES_LB_IP_POOL: /* its status is our own word */
		return matters(c);
	case RES_NODE:
		return strcmp(c->name, app->node) == 0 && matters(c);
	default:
		return true;
	}
}

/* Is the next change one of another slice of the same Service?  Then that one will do for both. */
static bool
is_followed(const struct store_change *c, const struct store_change *next)
{
	const struct res_endpoint_slice *old = (const struct res_endpoint_slice *)c->old;
	const struct res_endpoint_slice *new = (const struct res_endpoint_slice *)c->new;
	const struct res_endpoint_slice *other;

	if (!new || next->kind != RES_ENDPOINT_SLICE || !next->new || strcmp(c->ns, next->ns) != 0)
		return false;
	other = (const struct res_endpoint_slice *)next->new;
	return strcmp(new->service_name, other->service_name) == 0 &&
	    (!old || strcmp(old->service_name, new->service_name) == 0);
}

/* The Service that a slice belonged or belongs to: it may have moved from one to another. */
static void
follow_slice(struct app *app, const struct store_change *c)
{
	const struct res_endpoint_slice *old = (const struct res_endpoint_slice *)c->old;
	const struct res_endpoint_slice *new = (const struct res_endpoint_slice *)c->new;

	if (old && *old->service_name)
		follow_service(app, c->ns, old->service_name);
	if (new &&*new->service_name && (!old || strcmp(old->service_name, new->service_name) != 0))
		follow_service(app, c->ns, new->service_name);
}

/* What concerns its addresses; the rest when those are settled. */
static void
service_changed(struct app *app, const struct store_change *c)
{
	if (!c->new) /* what is gone is in nobody's list any more */
		announce_service(app, c->ns, c->name);
	claim_service(app, c->ns, c->name);
	adopt_by_hand(app, c);
	kube_apply_service(app, c->ns, c->name);
}

static void
settle_addresses(struct app *app)
{
	if (app->nr_yielding)
		mirror_yielding(app);
	ipam_apply_settle(app);
}

/* Until everything is known once; then all of it is looked at. */
static bool
is_to_wait(struct app *app)
{
	if (!kube_apply_awaited(app))
		return false;
	if (!kube_apply_await(app))
		reconcile_all(app);
	return true;
}

static void
follow_nodes(struct app *app)
{
	bool again = pods_apply(app);

	/* Those that came or went are peers, in a mesh. */
	if (app->plan && app->plan->mesh && reconcile_sessions(app)) {
		again = true;
		announce_services(app);
	}
	if (again) {
		announce_node(app);
		fib_wanted_resync(app);
	}
	fib_wanted_nodes(app);
	datapath_apply_all(app);
}

void
reconcile_changes(void *arg, const struct store_change *changes, size_t nr)
{
	struct app *app = arg;
	bool all = nr == 0, nodes = false, claims = false;

	app->nr_changes += nr;
	app->generation++;
	l2_apply_changes(app, changes, nr);
	if (app->stopping || !app->bgp)
		return;
	if (is_to_wait(app))
		return;
	if (nr > 0)
		kube_apply_changed(app);
	if (app->giving && !kube_apply_leads(app)) /* the timer is behind the clock */
		reconcile_leader(app);
	for (size_t i = 0; i < nr; i++) {
		all = all || is_configuration(app, &changes[i]);
		nodes = nodes || (changes[i].kind == RES_NODE && matters(&changes[i]));
		if (changes[i].kind != RES_SERVICE)
			continue;
		service_changed(app, &changes[i]);
		claims = true;
	}
	if (all) {
		reconcile_all(app);
		return;
	}
	if (claims)
		settle_addresses(app);
	for (size_t i = 0; i < nr; i++) {
		if (changes[i].kind == RES_SERVICE)
			follow_service(app, changes[i].ns, changes[i].name);
		else if (changes[i].kind == RES_ENDPOINT_SLICE &&
		    (i + 1 == nr || !is_followed(&changes[i], &changes[i + 1])))
			follow_slice(app, &changes[i]);
	}
	if (nodes)
		follow_nodes(app);
}

/* From within ipam_settle(): addresses of an owner changed, maybe of one that nobody touched. */
void
reconcile_ipam_changed(void *arg, const char *owner, unsigned what)
{
	struct app *app = arg;
	const char *slash = strchr(owner, '/');
	char *ns;

	app->generation++;
	if (what & (IPAM_CHANGED_ADDRS | IPAM_CHANGED_GONE) && !app->rehearsing) {
		monitor_owner(app, owner);
		app_owner_changed(app, owner);
		ipam_apply_soon(app);
	}
	kube_apply_owner(app, owner);
	l2_apply_soon(app);
	if (!(what & IPAM_CHANGED_ADDRS) || !slash || !app->plan || app->sweeping)
		return;
	ns = xstrndup(owner, (size_t)(slash - owner));
	follow_service(app, ns, slash + 1);
	free(ns);
}
