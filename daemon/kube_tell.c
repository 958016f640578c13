/*
 * daemon/kube_tell.c: carries what kube_wanted.c says into kube/write.h and kube/event.h: Services as
 * they change, pools and the node's BGP now and then.  See kube_apply.h.
 *
 * What is to be looked at stands in a table of Services; looking is done in slices behind the turn of
 * the loop.  The store says what the API has, so what was written is not remembered but for what is
 * under way.
 */
#include "daemon/kube_apply.h"

#include "daemon/app.h"
#include "daemon/kube_wanted.h"
#include "daemon/service.h"
#include "lib/buf.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define SLICE_US 2000
#define CONFLICT_MS 250	 /* somebody else wrote: by then the watch has told what */
#define REFUSED_MS 60000 /* no right to: when that may have been mended */
#define LATER_MS 250	 /* between looks at those that wait for one of these */
#define EVERY_MS 5000	 /* at most one write of a pool's or the node's status */
#define STRATEGIC "application/strategic-merge-patch+json"
#define MERGE "application/merge-patch+json"

/* A Service that is to be looked at, or of which something is under way. */
struct row {
	UT_hash_handle hh;
	struct kube_tell *tell;
	bool due;
	uint64_t not_before; /* ms; due, but later */
	json_t *patch;	     /* on its way, or NULL */
	time_t since;	     /* the "now" that it was made with */
	char *name;	     /* in key[], behind the slash */
	char key[];
};

struct pool_row {
	UT_hash_handle hh;
	struct kube_tell *tell;
	uint64_t written_ms;
	bool v2alpha1, conflict;
	char name[];
};

struct kube_tell {
	struct app *app;
	struct kube *kube;
	struct kube_writer *writer;
	struct kube_events *events;
	char *node;
	bool leads;
	struct row *rows;
	struct pool_row *pools;
	struct loop_work look;
	struct loop_timer later, every;
	json_t *node_told, *node_under_way; /* of the BGPNodeStatus */
	bool node_missing;
	uint64_t node_not_before; /* ms */
	json_t *peers_up;	  /* names of those that are established */
	struct log_limit refusals;
};

static void look(void *arg);

/* ---- rows ---- */

static struct row *
row_get(struct kube_tell *t, const char *ns, const char *name)
{
	char *key = service_key(ns, name);
	struct row *r;

	HASH_FIND_STR(t->rows, key, r);
	if (!r) {
		r = xcalloc(1, sizeof(*r) + strlen(key) + 1);
		memcpy(r->key, key, strlen(key) + 1);
		r->name = r->key + strlen(ns) + 1;
		r->tell = t;
		HASH_ADD_STR(t->rows, key, r);
	}
	free(key);
	return r;
}

static void
row_free(struct row *r)
{
	char *key = xasprintf("service-status/%s", r->key);

	if (r->patch)
		kube_write_forget(r->tell->writer, key);
	free(key);
	HASH_DEL(r->tell->rows, r);
	json_decref(r->patch);
	free(r);
}

static void
row_rest(struct row *r)
{
	if (!r->due && !r->patch)
		row_free(r);
}

static void
row_later(struct row *r, uint64_t ms)
{
	r->due = true;
	r->not_before = loop_now_ms(r->tell->app->loop) + ms;
	if (!timer_is_running(&r->tell->later))
		timer_set(&r->tell->later, LATER_MS);
}

/* ---- Events ---- */

static const char *
api_version_of(const struct res_object *o)
{
	switch (o->kind) {
	case RES_NODE:
	case RES_SERVICE:
	case RES_SECRET:
	case RES_NAMESPACE:
		return "v1";
	case RES_ENDPOINT_SLICE:
		return "discovery.k8s.io/v1";
	default:
		return strncmp(o->api_kind, "Cilium", 6) == 0 ? "cilium.io/v2" : "heraldlb.io/v1";
	}
}

void
kube_tell_event(struct kube_tell *t, const struct res_object *o, bool warning, const char *reason,
    const char *note)
{
	const struct kube_about about = { api_version_of(o), o->api_kind, o->meta.ns, o->meta.name,
		o->meta.uid, o->meta.resource_version };

	kube_event(t->events, &about, warning, reason, note);
}

void
kube_tell_peer(struct kube_tell *t, const char *peer, enum bgp_state state)
{
	const struct res_node *node = store_node(t->app->store, t->node);
	const bool up = state == BGP_ESTABLISHED;
	const bool was_up = json_object_get(t->peers_up, peer) != NULL;
	char *note;

	if (!timer_is_running(&t->every) || timer_left_ms(&t->every) > 1000)
		timer_set(&t->every, 1000);
	/* Attempts to connect are no news; that a session came or went is. */
	if (up == was_up)
		return;
	if (up)
		json_object_set_new(t->peers_up, peer, json_true());
	else
		json_object_del(t->peers_up, peer);
	if (!node)
		return;
	note = xasprintf("BGP session with %s %s", peer, up ? "established" : "is down");
	kube_tell_event(t, &node->obj, !up, up ? "BGPPeerEstablished" : "BGPPeerDown", note);
	free(note);
}

void
kube_tell_faults(struct kube_tell *t, enum res_kind kind, const char *ns, const char *name,
    const struct res_faults *faults)
{
	const struct res_object *o = store_get(t->app->store, kind, ns, name);
	char *note;

	/* One that was never good has no uid here; its event would be found by nobody. */
	if (!o || *o->file || faults->nr == 0)
		return;
	note = xasprintf("%s: %s", faults->v[0].field, faults->v[0].text);
	kube_tell_event(t, o, true, "InvalidObject", note);
	free(note);
}

/* ---- writing ---- */

static void
say_refused(struct kube_tell *t, const char *what, const struct kube_answer *a)
{
	unsigned kept = 0;

	if (log_allow(&t->refusals, loop_now_ms(t->app->loop), 6, &kept))
		log_warn("status-not-written", LOG_S("object", what), LOG_I("status", a->status),
		    LOG_S("message", a->error), LOG_U("kept_back", kept));
}

static bool
is_good(const struct kube_answer *a)
{
	return a->status >= 200 && a->status < 300;
}

static void
tell_address(struct kube_tell *t, const struct res_service *svc)
{
	struct arena arena = { 0 };
	const char *event;
	const char *note = kube_wanted_service_note(t->app->ipam, svc, &arena, &event);

	if (*note)
		kube_tell_event(t, &svc->obj, strcmp(event, "AddressAssigned") != 0, event, note);
	arena_fini(&arena);
}

static void
service_written(void *arg, const struct kube_answer *a)
{
	struct row *r = arg;
	char *ns = xstrndup(r->key, (size_t)(r->name - r->key - 1));
	const struct res_service *svc = store_service(r->tell->app->store, ns, r->name);
	const bool status = json_object_get(r->patch, "status") != NULL;

	free(ns);
	json_decref(r->patch);
	r->patch = NULL;
	if (is_good(a)) {
		if (svc && status)
			tell_address(r->tell, svc);
	} else if (a->status == 409) {
		row_later(r, CONFLICT_MS);
	} else if (a->status != 404) { /* it is gone, and the watch will say so */
		say_refused(r->tell, r->key, a);
		row_later(r, REFUSED_MS);
	}
	row_rest(r);
}

static bool
send_patch(struct row *r, json_t *patch)
{
	char *key = xasprintf("service-status/%s", r->key);
	char *path = xasprintf("/api/v1/namespaces/%.*s/services/%s/status?fieldManager=herald",
	    (int)(r->name - r->key - 1), r->key, r->name);
	const struct kube_write w = { .urgency = KUBE_STATUS,
		.key = key,
		.method = "PATCH",
		.path = path,
		.content_type = STRATEGIC,
		.body = patch,
		.done = service_written,
		.arg = r };
	const int err = kube_write(r->tell->writer, &w);

	free(key);
	free(path);
	if (err < 0)
		row_later(r, CONFLICT_MS);
	return err == 0;
}

/* What differs from what the store has goes out, unless it is on its way as it is. */
static void
tell_service(struct row *r, const struct res_service *svc, const char *version)
{
	struct app *app = r->tell->app;
	json_t *patch;

	if (!r->patch)
		r->since = loop_wall(app->loop);
	patch = kube_wanted_service(app->store, app->ipam, svc, version, r->since);
	if (patch && !(r->patch && json_equal(r->patch, patch)) && send_patch(r, patch)) {
		json_decref(r->patch);
		r->patch = json_incref(patch);
	}
	json_decref(patch);
}

static void
look_at(struct row *r)
{
	struct kube_tell *t = r->tell;
	char *ns = xstrndup(r->key, (size_t)(r->name - r->key - 1));
	const struct res_service *svc = store_service(t->app->store, ns, r->name);
	const char *version = kube_version_of(t->kube, RES_SERVICE, ns, r->name);

	r->due = false;
	r->not_before = 0;
	free(ns);
	if (!svc || !service_is_remote(svc) || !version) {
		row_free(r);
		return;
	}
	tell_service(r, svc, version);
	row_rest(r);
}

/* ---- looking ---- */

static void
look(void *arg)
{
	struct kube_tell *t = arg;
	const uint64_t now = loop_now_ms(t->app->loop);
	const uint64_t until = loop_now_us(t->app->loop) + SLICE_US;
	struct row *r, *next;

	if (!t->app->giving)
		return;
	HASH_ITER(hh, t->rows, r, next)
	{
		if (!r->due || r->not_before > now)
			continue;
		look_at(r);
		if (loop_now_us(t->app->loop) > until) {
			work_post(&t->look);
			return;
		}
	}
}

static void
look_later(void *arg)
{
	struct kube_tell *t = arg;
	const struct row *r;

	for (r = t->rows; r; r = r->hh.next)
		if (r->due && r->not_before) {
			timer_set(&t->later, LATER_MS);
			break;
		}
	work_post(&t->look);
}

void
kube_tell_service(struct kube_tell *t, const char *ns, const char *name)
{
	struct row *r;

	if (!t->app->giving)
		return;
	r = row_get(t, ns, name);
	r->due = true;
	r->not_before = 0;
	work_post(&t->look);
}

void
kube_tell_all(struct kube_tell *t)
{
	struct res_object *o;

	if (t->app->giving)
		store_for_each(t->app->store, RES_SERVICE, o)
		    kube_tell_service(t, o->meta.ns, o->meta.name);
	if (!timer_is_running(&t->every))
		timer_set(&t->every, 0);
}

static void
drop_rows(struct kube_tell *t)
{
	struct row *r, *next;

	HASH_ITER(hh, t->rows, r, next) row_free(r);
}

void
kube_tell_lead(struct kube_tell *t, bool leads)
{
	if (leads == t->leads)
		return;
	t->leads = leads;
	if (leads)
		kube_tell_all(t);
	else
		drop_rows(t); /* whoever leads now writes */
}

/* ---- pools ---- */

static void
pool_status_written(void *arg, const struct kube_answer *a)
{
	struct pool_row *p = arg;

	if (a->status == 404)
		p->v2alpha1 = !p->v2alpha1; /* Cilium's kinds, in a cluster that has the older */
	else if (!is_good(a) && a->status != 409)
		say_refused(p->tell, p->name, a);
}

static struct pool_row *
pool_row_get(struct kube_tell *t, const char *name)
{
	struct pool_row *p;

	HASH_FIND_STR(t->pools, name, p);
	if (p)
		return p;
	p = xcalloc(1, sizeof(*p) + strlen(name) + 1);
	memcpy(p->name, name, strlen(name) + 1);
	p->tell = t;
	HASH_ADD_STR(t->pools, name, p);
	return p;
}

static void
tell_conflict(struct kube_tell *t, struct pool_row *p, const struct res_object *o,
    const struct ipam_pool_info *info)
{
	char *note;

	if (info->conflicting != p->conflict) {
		note = info->conflicting ? xasprintf("overlaps pool %s", info->conflicts_with)
					 : xstrdup("overlaps no other pool any more");
		kube_tell_event(t, o, info->conflicting,
		    info->conflicting ? "PoolConflict" : "PoolResolved", note);
		free(note);
	}
	p->conflict = info->conflicting;
}

static void
tell_pool(struct kube_tell *t, const struct res_object *o)
{
	const bool cilium = strcmp(o->api_kind, "CiliumLoadBalancerIPPool") == 0;
	const char *version = kube_version_of(t->kube, RES_LB_IP_POOL, "", o->meta.name);
	const uint64_t now = loop_now_ms(t->app->loop);
	struct ipam_pool_info info;
	struct kube_write w = { .urgency = KUBE_REPORT,
		.method = "PATCH",
		.content_type = MERGE,
		.done = pool_status_written };
	struct pool_row *p;
	char *key, *path;

	/* MetalLB's pools are not written to: what we have of them is made of them. */
	if (*o->file || !version || (!cilium && strcmp(o->api_kind, "LoadBalancerIPPool") != 0) ||
	    ipam_pool_get(t->app->ipam, o->meta.name, &info) < 0)
		return;
	p = pool_row_get(t, o->meta.name);
	tell_conflict(t, p, o, &info);
	w.body = kube_wanted_pool_status(
	    (const struct res_lb_ip_pool *)o, &info, version, loop_wall(t->app->loop));
	if (!w.body || (p->written_ms && now - p->written_ms < EVERY_MS)) {
		json_decref(w.body);
		return;
	}
	p->written_ms = now;
	key = xasprintf("pool-status/%s", o->meta.name);
	path = xasprintf("/apis/%s/%s/%s/status?fieldManager=herald",
	    !cilium	      ? "heraldlb.io/v1"
		: p->v2alpha1 ? "cilium.io/v2alpha1"
			      : "cilium.io/v2",
	    cilium ? "ciliumloadbalancerippools" : "loadbalancerippools", o->meta.name);
	w.key = key;
	w.path = path;
	w.arg = p;
	if (kube_write(t->writer, &w) < 0)
		p->written_ms = 0;
	json_decref(w.body);
	free(key);
	free(path);
}

/* ---- the node ---- */

#define NODE_STATUSES "/apis/heraldlb.io/v1/bgpnodestatuses"

static void
node_status_written(void *arg, const struct kube_answer *a)
{
	struct kube_tell *t = arg;

	if (is_good(a)) {
		json_decref(t->node_told);
		t->node_told = t->node_under_way;
		t->node_under_way = NULL;
		return;
	}
	json_decref(t->node_under_way);
	t->node_under_way = NULL;
	t->node_missing = a->status == 404;
	if (t->node_missing) { /* make it */
		t->node_not_before = 0;
		timer_set(&t->every, 0);
	}
	if (a->status != 404 && a->status != 409)
		say_refused(t, t->node, a);
}

static void
node_object_written(void *arg, const struct kube_answer *a)
{
	struct kube_tell *t = arg;

	/* 404: the kind is not there, and nobody asked for it to be. */
	if (!is_good(a) && a->status != 409 && a->status != 404)
		say_refused(t, t->node, a);
	t->node_missing = !is_good(a) && a->status != 409;
	json_decref(t->node_told);
	t->node_told = NULL;
	t->node_not_before = t->node_missing ? loop_now_ms(t->app->loop) + REFUSED_MS : 0;
	timer_set(&t->every, t->node_missing ? EVERY_MS : 0);
}

/* It goes with its Node. */
static json_t *
node_object(const struct kube_tell *t)
{
	const struct res_node *node = store_node(t->app->store, t->node);
	json_t *o = json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", "heraldlb.io/v1", "kind",
	    "BGPNodeStatus", "metadata", "name", t->node);

	if (node && *node->obj.meta.uid)
		json_object_set_new(json_object_get(o, "metadata"), "ownerReferences",
		    json_pack("[{s:s, s:s, s:s, s:s}]", "apiVersion", "v1", "kind", "Node", "name",
			t->node, "uid", node->obj.meta.uid));
	return o;
}

static void
tell_node(struct kube_tell *t)
{
	struct kube_write w = { .urgency = KUBE_REPORT,
		.key = "node-status",
		.method = t->node_missing ? "POST" : "PATCH",
		.content_type = t->node_missing ? "application/json" : MERGE,
		.done = t->node_missing ? node_object_written : node_status_written,
		.arg = t };
	char *path = t->node_missing
	    ? xstrdup(NODE_STATUSES)
	    : xasprintf("%s/%s/status?fieldManager=herald", NODE_STATUSES, t->node);
	const uint64_t now = loop_now_ms(t->app->loop);
	json_t *peers, *status;

	w.path = path;
	peers = bgp_show_peers(t->app->bgp);
	status = kube_wanted_node_status(
	    peers, t->node_under_way ? t->node_under_way : t->node_told, loop_wall(t->app->loop));
	json_decref(peers);
	if (status && now >= t->node_not_before) {
		t->node_not_before = now + EVERY_MS;
		w.body = t->node_missing ? node_object(t) : json_pack("{s:O}", "status", status);
		if (kube_write(t->writer, &w) == 0 && !t->node_missing) {
			json_decref(t->node_under_way);
			t->node_under_way = json_incref(status);
		}
		json_decref(w.body);
	}
	json_decref(status);
	free(path);
}

/* ---- now and then ---- */

static void
every(void *arg)
{
	struct kube_tell *t = arg;
	struct res_object *o;

	timer_set(&t->every, EVERY_MS);
	if (!t->app->bgp || t->app->stopping || !kube_connected(t->kube))
		return;
	tell_node(t);
	if (!t->app->giving)
		return;
	store_for_each(t->app->store, RES_LB_IP_POOL, o) tell_pool(t, o);
}

struct kube_tell *
kube_tell_new(struct app *app, struct kube *kube, const char *node)
{
	struct kube_tell *t = xnew(struct kube_tell);

	t->app = app;
	t->kube = kube;
	t->writer = kube_writer(kube);
	t->events = kube_events_new(app->loop, t->writer, "herald", node);
	t->node = xstrdup(node);
	t->peers_up = json_object();
	work_init(&t->look, app->loop, look, t);
	timer_init(&t->later, app->loop, look_later, t);
	timer_init(&t->every, app->loop, every, t);
	timer_set(&t->every, EVERY_MS);
	return t;
}

void
kube_tell_free(struct kube_tell *t)
{
	struct pool_row *p, *next;
	char *key;

	if (!t)
		return;
	work_cancel(&t->look);
	timer_stop(&t->later);
	timer_stop(&t->every);
	drop_rows(t);
	HASH_ITER(hh, t->pools, p, next)
	{
		key = xasprintf("pool-status/%s", p->name);
		kube_write_forget(t->writer, key);
		free(key);
		HASH_DEL(t->pools, p);
		free(p);
	}
	kube_write_forget(t->writer, "node-status");
	json_decref(t->node_told);
	json_decref(t->node_under_way);
	json_decref(t->peers_up);
	kube_events_free(t->events);
	free(t->node);
	free(t);
}
