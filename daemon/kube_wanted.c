/*
 * daemon/kube_wanted.c: see kube_wanted.h.  Between the engines' answers and kube/write.h.
 */
#include "daemon/kube_wanted.h"

#include "daemon/ipam_wanted.h"
#include "daemon/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *
time_json(time_t at)
{
	char text[64];
	struct tm tm;

	gmtime_r(&at, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

/* ---- conditions ---- */

struct told {
	const char *type, *reason, *message;
	enum res_told_status status;
};

static const char *const status_words[] = {
	[RES_TOLD_TRUE] = "True", [RES_TOLD_FALSE] = "False", [RES_TOLD_UNKNOWN] = "Unknown"
};

static bool
is_told(const struct res_told_list *list, const struct told *t)
{
	const struct res_told *now = res_told_get(list, t->type);

	return now && now->status == t->status && strcmp(now->reason, t->reason) == 0 &&
	    strcmp(now->message, t->message) == 0;
}

/* lastTransitionTime is that of the status, not of the words. */
static json_t *
told_json(const struct res_told_list *list, const struct told *t, time_t now)
{
	const struct res_told *old = res_told_get(list, t->type);

	return json_pack("{s:s, s:s, s:s, s:s, s:o}", "type", t->type, "status",
	    status_words[t->status], "reason", t->reason, "message", t->message,
	    "lastTransitionTime",
	    time_json(old && old->status == t->status && old->since ? (time_t)old->since : now));
}

/* A reason as the API takes it, which is as Cilium spells them: "no_pool". */
static const char *
reason_word(enum reason r, char *to, size_t size)
{
	snprintf(to, size, "%s", reason_name(r));
	for (char *c = to; *c; c++)
		*c = *c == '-' ? '_' : *c;
	return to;
}

/* ---- Services ---- */

static bool
is_in_pool(const struct store *store, const struct addr *a)
{
	struct res_object *o;

	store_for_each(store, RES_LB_IP_POOL, o)
	{
		const struct res_lb_ip_pool *pool = (const struct res_lb_ip_pool *)o;

		for (size_t i = 0; i < pool->blocks.nr; i++)
			if (range_has(&pool->blocks.v[i].range, a))
				return true;
	}
	return false;
}

static bool
is_marked(const struct res_service *svc)
{
	return res_told_get(&svc->told, KUBE_SATISFIED) != NULL;
}

size_t
kube_wanted_held(const struct store *store, const struct res_service *svc, struct arena *a,
    const struct addr **out)
{
	struct addr *list = arena_new_n(a, struct addr, svc->ingress.nr);
	size_t nr = 0;

	for (size_t i = 0; i < svc->ingress.nr; i++) {
		const struct addr *ip = &svc->ingress.v[i].ip;

		if (addr_is_set(ip) && (is_marked(svc) || is_in_pool(store, ip)))
			list[nr++] = *ip;
	}
	*out = list;
	return nr;
}

/* What one Service has and lacks. */
struct holding {
	struct ipam_claim_info info;
	struct ipam_alloc *v; /* what it has, in the order asked for */
	size_t nr;
};

static bool
holding_of(
    const struct ipam *ipam, const struct res_service *svc, struct arena *a, struct holding *h)
{
	const char *key = arena_printf(a, "%s/%s", svc->obj.meta.ns, svc->obj.meta.name);
	struct ipam_alloc one;

	*h = (struct holding){ 0 };
	if (ipam_claim_get(ipam, key, &h->info) < 0)
		return false;
	h->v = arena_new_n(a, struct ipam_alloc, h->info.nr_wanted);
	for (size_t i = 0; i < h->info.nr_wanted; i++)
		if (ipam_claim_want(ipam, key, i, &one) == 0 && addr_is_set(&one.addr))
			h->v[h->nr++] = one;
	return true;
}

/* Is there a pool that could be for it, or has it been told anything by us? */
static bool
is_concerned(const struct store *store, const struct res_service *svc, struct arena *a,
    const struct holding *h)
{
	struct ipam_claim claim;
	size_t bad;

	if (svc->has_load_balancer_class || is_marked(svc) || h->nr > 0)
		return true;
	return ipam_wanted_claim(store, svc, a, &claim, &bad) && claim.nr_pools > 0;
}

static json_t *
ingress_json(const struct holding *h)
{
	json_t *list = json_array();

	for (size_t i = 0; i < h->nr; i++)
		json_array_append_new(
		    list, json_pack("{s:s, s:s}", "ip", addr_str(&h->v[i].addr), "ipMode", "VIP"));
	return list;
}

static bool
is_ingress(const struct res_service *svc, const struct holding *h)
{
	if (svc->ingress.nr != h->nr)
		return false;
	for (size_t i = 0; i < h->nr; i++)
		if (!addr_eq(&svc->ingress.v[i].ip, &h->v[i].addr) ||
		    svc->ingress.v[i].ip_mode != RES_IP_MODE_VIP || *svc->ingress.v[i].hostname)
			return false;
	return true;
}

/* Why the first want that got nothing did not: which rule, and who is in the way. */
static const char *
refusal_of(const struct ipam *ipam, const char *key, const struct holding *h, struct arena *a)
{
	const char *text = reason_text(h->info.reason);
	struct ipam_alloc w;
	size_t i = 0;

	while (i < h->info.nr_wanted &&
	    (ipam_claim_want(ipam, key, i, &w) < 0 || addr_is_set(&w.addr) ||
		w.reason != h->info.reason))
		i++;
	if (i == h->info.nr_wanted)
		return text;
	if (addr_is_set(&w.requested))
		text = arena_printf(a, "%s: %s", addr_str(&w.requested), text);
	if (w.other)
		text = arena_printf(a, "%s %s has it.", text, w.other);
	if (w.detail != REASON_NONE)
		text = arena_printf(a, "%s %s", text, reason_text(w.detail));
	return text;
}

/* "192.0.2.0 from pool blue, 192.0.2.1 from pool red (pool-gone); There is no pool that ..." */
static const char *
note_of(const struct ipam *ipam, const struct res_service *svc, const struct holding *h,
    struct arena *a)
{
	const char *key = arena_printf(a, "%s/%s", svc->obj.meta.ns, svc->obj.meta.name);
	const char *text = "";

	for (size_t i = 0; i < h->nr; i++) {
		text = arena_printf(a, "%s%s%s%s%s", text, i ? ", " : "", addr_str(&h->v[i].addr),
		    *h->v[i].pool ? " from pool " : "", h->v[i].pool);
		if (h->v[i].reason != REASON_SATISFIED)
			text = arena_printf(a, "%s (%s)", text, reason_name(h->v[i].reason));
	}
	if (h->info.reason == REASON_SATISFIED)
		return text;
	return arena_printf(a, "%s%s%s", text, h->nr ? "; " : "", refusal_of(ipam, key, h, a));
}

const char *
kube_wanted_service_note(
    const struct ipam *ipam, const struct res_service *svc, struct arena *a, const char **event)
{
	struct holding h;

	*event = "NoAddress";
	if (!holding_of(ipam, svc, a, &h))
		return "";
	if (h.info.reason == REASON_SATISFIED)
		*event = "AddressAssigned";
	for (size_t i = 0; h.info.reason == REASON_SATISFIED && i < h.nr; i++)
		if (h.v[i].reason != REASON_SATISFIED)
			*event =
			    h.v[i].reason == REASON_CONFLICTED ? "AddressConflict" : "AddressKept";
	return note_of(ipam, svc, &h, a);
}

static json_t *
version_json(const char *version)
{
	return json_pack("{s:s}", "resourceVersion", version);
}

static json_t *
status_of_ours(const struct ipam *ipam, const struct res_service *svc, const char *version,
    time_t now, const struct holding *h, struct arena *a)
{
	const bool good = h->info.reason == REASON_SATISFIED;
	const bool carried = res_told_get(&svc->told, KUBE_SATISFIED_CILIUM) != NULL;
	char word[64];
	struct told t = {
		.type = KUBE_SATISFIED,
		.status = good ? RES_TOLD_TRUE : RES_TOLD_FALSE,
		.reason = reason_word(h->info.reason, word, sizeof(word)),
		.message = note_of(ipam, svc, h, a),
	};
	struct told cilium = t;
	json_t *list;

	cilium.type = KUBE_SATISFIED_CILIUM;
	if (is_ingress(svc, h) && is_told(&svc->told, &t) &&
	    (!carried || is_told(&svc->told, &cilium)))
		return NULL;
	list = json_array();
	json_array_append_new(list, told_json(&svc->told, &t, now));
	if (carried) /* who looks for Cilium's word shall not read an old one */
		json_array_append_new(list, told_json(&svc->told, &cilium, now));
	return json_pack("{s:o, s:{s:{s:o}, s:o}}", "metadata", version_json(version), "status",
	    "loadBalancer", "ingress", ingress_json(h), "conditions", list);
}

static json_t *
ingress_of_others(const struct store *store, const struct res_service *svc)
{
	json_t *list = json_array();

	for (size_t i = 0; i < svc->ingress.nr; i++) {
		const struct res_ingress *in = &svc->ingress.v[i];
		json_t *one;

		if (addr_is_set(&in->ip) && is_in_pool(store, &in->ip))
			continue;
		one = json_object();
		if (addr_is_set(&in->ip)) {
			json_object_set_new(one, "ip", json_string(addr_str(&in->ip)));
			json_object_set_new(one, "ipMode",
			    json_string(in->ip_mode == RES_IP_MODE_PROXY ? "Proxy" : "VIP"));
		}
		if (*in->hostname)
			json_object_set_new(one, "hostname", json_string(in->hostname));
		json_array_append_new(list, one);
	}
	return list;
}

static json_t *
status_of_former(const struct store *store, const struct res_service *svc, const char *version)
{
	json_t *patch, *rest;

	if (!is_marked(svc))
		return NULL;
	patch = json_pack("{s:o, s:{s:[{s:s, s:s}]}}", "metadata", version_json(version), "status",
	    "conditions", "$patch", "delete", "type", KUBE_SATISFIED);
	rest = ingress_of_others(store, svc);
	if (json_array_size(rest) != svc->ingress.nr)
		json_object_set_new(json_object_get(patch, "status"), "loadBalancer",
		    json_pack("{s:O}", "ingress", rest));
	json_decref(rest);
	return patch;
}

json_t *
kube_wanted_service_status(const struct store *store, const struct ipam *ipam,
    const struct res_service *svc, const char *version, time_t now)
{
	struct arena arena = { 0 };
	struct holding h;
	json_t *patch = NULL;

	if (!service_is_remote(svc))
		return NULL;
	if (!service_is_managed(svc, &store_config(store)->kubernetes))
		patch = status_of_former(store, svc, version);
	else if (holding_of(ipam, svc, &arena, &h) && is_concerned(store, svc, &arena, &h))
		patch = status_of_ours(ipam, svc, version, now, &h, &arena);
	arena_fini(&arena);
	return patch;
}

/* "blue,green": the pools of what it has, each once. */
static const char *
pools_text(const struct holding *h, struct arena *a)
{
	const char *text = "";

	for (size_t i = 0; i < h->nr; i++) {
		size_t j = 0;

		while (j < i && strcmp(h->v[j].pool, h->v[i].pool) != 0)
			j++;
		if (j == i && *h->v[i].pool)
			text = arena_printf(a, "%s%s%s", text, *text ? "," : "", h->v[i].pool);
	}
	return text;
}

json_t *
kube_wanted_service_pool(
    const struct store *store, const struct ipam *ipam, const struct res_service *svc)
{
	const char *now = res_pairs_get(&svc->obj.meta.annotations, KUBE_POOL_ANNOTATION);
	struct arena arena = { 0 };
	const char *text = "";
	json_t *patch = NULL;
	struct holding h;

	if (!service_is_remote(svc))
		return NULL;
	if (service_is_managed(svc, &store_config(store)->kubernetes) &&
	    holding_of(ipam, svc, &arena, &h))
		text = pools_text(&h, &arena);
	if (*text ? !now || strcmp(now, text) != 0 : now != NULL)
		patch = json_pack("{s:{s:{s:o}}}", "metadata", "annotations", KUBE_POOL_ANNOTATION,
		    *text ? json_string(text) : json_null());
	arena_fini(&arena);
	return patch;
}

json_t *
kube_wanted_service(const struct store *store, const struct ipam *ipam,
    const struct res_service *svc, const char *version, time_t now)
{
	json_t *patch = kube_wanted_service_status(store, ipam, svc, version, now);
	json_t *pool = kube_wanted_service_pool(store, ipam, svc);

	if (pool && !patch)
		patch = json_pack("{s:o}", "metadata", version_json(version));
	if (pool)
		json_object_update(
		    json_object_get(patch, "metadata"), json_object_get(pool, "metadata"));
	json_decref(pool);
	return patch;
}

/* ---- pools ---- */

static const char *
conflict_text(const struct ipam_pool_info *p, char *to, size_t size)
{
	char a[ADDR_STRLEN], b[ADDR_STRLEN], c[ADDR_STRLEN], d[ADDR_STRLEN];

	snprintf(to, size, "%s-%s overlaps %s-%s of pool %s",
	    addr_format(&p->conflict[0].first, a, sizeof(a)),
	    addr_format(&p->conflict[0].last, b, sizeof(b)),
	    addr_format(&p->conflict[1].first, c, sizeof(c)),
	    addr_format(&p->conflict[1].last, d, sizeof(d)), p->conflicts_with);
	return to;
}

/* Conditions of others, as they are. */
static void
add_foreign(json_t *list, const struct res_told_list *now, const struct told *ours, size_t nr)
{
	for (size_t i = 0; i < now->nr; i++) {
		const struct res_told *c = &now->v[i];
		json_t *o;
		size_t j = 0;

		while (j < nr && strcmp(ours[j].type, c->type) != 0)
			j++;
		if (j < nr)
			continue;
		o = json_pack("{s:s, s:s, s:s, s:s}", "type", c->type, "status",
		    status_words[c->status], "reason", c->reason, "message", c->message);
		if (c->since)
			json_object_set_new(o, "lastTransitionTime", time_json((time_t)c->since));
		if (c->generation)
			json_object_set_new(o, "observedGeneration", json_integer(c->generation));
		json_array_append_new(list, o);
	}
}

json_t *
kube_wanted_pool_status(const struct res_lb_ip_pool *pool, const struct ipam_pool_info *p,
    const char *version, time_t now)
{
	const bool cilium = strncmp(pool->obj.api_kind, "Cilium", 6) == 0;
	char conflict[5 * ADDR_STRLEN + 320], total[24], available[24], used[24];
	const char *const none = "noreason";
	/* Cilium's words, which `kubectl get ippools` has its columns from. */
	const struct told ours[] = {
		{ cilium ? "cilium.io/PoolConflict" : "heraldlb.io/PoolConflict",
		    p->conflicting ? "cidr_overlap" : "resolved", conflict,
		    p->conflicting ? RES_TOLD_TRUE : RES_TOLD_FALSE },
		{ cilium ? "cilium.io/IPsTotal" : "heraldlb.io/IPsTotal", none, total,
		    RES_TOLD_UNKNOWN },
		{ cilium ? "cilium.io/IPsAvailable" : "heraldlb.io/IPsAvailable", none, available,
		    RES_TOLD_UNKNOWN },
		{ cilium ? "cilium.io/IPsUsed" : "heraldlb.io/IPsUsed", none, used,
		    RES_TOLD_UNKNOWN },
	};
	const size_t nr = sizeof(ours) / sizeof(ours[0]);
	bool same = true;
	json_t *list;

	conflict[0] = '\0';
	if (p->conflicting)
		conflict_text(p, conflict, sizeof(conflict));
	snprintf(total, sizeof(total), "%llu", (unsigned long long)p->total);
	snprintf(available, sizeof(available), "%llu", (unsigned long long)p->available);
	snprintf(used, sizeof(used), "%llu", (unsigned long long)p->used);
	for (size_t i = 0; i < nr; i++)
		same = same && is_told(&pool->told, &ours[i]);
	if (same)
		return NULL;
	list = json_array();
	for (size_t i = 0; i < nr; i++)
		json_array_append_new(list, told_json(&pool->told, &ours[i], now));
	add_foreign(list, &pool->told, ours, nr);
	return json_pack(
	    "{s:o, s:{s:o}}", "metadata", version_json(version), "status", "conditions", list);
}

/* ---- BGP of this node ---- */

static void
copy(json_t *to, const json_t *from, const char *key)
{
	json_t *v = json_object_get(from, key);

	if (v && !(json_is_string(v) && !*json_string_value(v)))
		json_object_set(to, key, v);
}

static json_t *
families_json(const json_t *peer)
{
	static const char *const keys[] = { "afi", "safi", "received", "advertised" };
	json_t *list = json_array(), *f, *o;
	size_t i;

	json_array_foreach(json_object_get(peer, "families"), i, f)
	{
		o = json_object();
		for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
			copy(o, f, keys[k]);
		json_array_append_new(list, o);
	}
	return list;
}

/* The peer of the same name in what was told, in the same state. */
static const json_t *
told_peer(const json_t *told, const json_t *peer)
{
	static const char *const same[] = { "instance", "name", "peerAddress", "state" };
	json_t *p;
	size_t i, k;

	json_array_foreach(json_object_get(told, "peers"), i, p)
	{
		for (k = 0; k < 4; k++)
			if (!json_equal(
				json_object_get(p, same[k]), json_object_get(peer, same[k])))
				break;
		if (k == 4)
			return p;
	}
	return NULL;
}

/* Since when: by its uptime while it is up, which tells a session that came back from one that never
 * went; else since this was first told. */
static json_t *
since_json(const json_t *peer, const json_t *old, time_t now)
{
	const json_t *up = json_object_get(peer, "uptimeSeconds");
	json_t *then = json_object_get(old, "since"), *new;
	const bool is_up =
	    strcmp(json_string_value(json_object_get(peer, "state")), "established") == 0;
	time_t since = now;

	if (!is_up)
		return then ? json_incref(then) : time_json(now);
	since -= (time_t)json_integer_value(up);
	for (time_t near = since - 2; then && near <= since + 2; near++) {
		new = time_json(near); /* the same second, but for the clocks' grain */
		if (json_equal(new, then)) {
			json_decref(new);
			return json_incref(then);
		}
		json_decref(new);
	}
	return time_json(since);
}

static json_t *
peer_json(const json_t *peer, const json_t *told, time_t now)
{
	static const char *const keys[] = { "name", "instance", "localASN", "peerAddress",
		"peerASN", "state", "lastError" };
	json_t *o = json_object();

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		copy(o, peer, keys[i]);
	json_object_set_new(o, "since", since_json(peer, told_peer(told, o), now));
	json_object_set_new(o, "families", families_json(peer));
	return o;
}

json_t *
kube_wanted_node_status(const json_t *peers, const json_t *told, time_t now)
{
	const json_t *list = json_object_get(peers, "peers"), *first = json_array_get(list, 0);
	json_t *status = json_object(), *to = json_array(), *p, *old;
	json_int_t established = 0;
	size_t i;

	json_array_foreach(list, i, p)
	{
		const char *state = json_string_value(json_object_get(p, "state"));

		if (!state)
			continue;
		established += strcmp(state, "established") == 0;
		json_array_append_new(to, peer_json(p, told, now));
	}
	copy(status, first, "localASN");
	copy(status, first, "routerID");
	json_object_set_new(status, "peerCount", json_integer((json_int_t)json_array_size(to)));
	json_object_set_new(status, "establishedCount", json_integer(established));
	json_object_set_new(status, "peers", to);
	old = told ? json_copy((json_t *)(uintptr_t)told) : NULL;
	json_object_del(old, "observedAt");
	if (json_equal(old, status)) {
		json_decref(status);
		status = NULL;
	} else {
		json_object_set_new(status, "observedAt", time_json(now));
	}
	json_decref(old);
	return status;
}
