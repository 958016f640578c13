/*
 * daemon/explain_service.c: a Service from its type to its endpoints: is it ours, which addresses does
 * it get and of which pool, who could take its traffic.  See explain.h; the ways out are in explain_way.c.
 */
#include "daemon/explain.h"

#include "daemon/app.h"
#include "daemon/service.h"
#include "lib/buf.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

/* ---- is it ours ---- */

static bool
step_service(struct explain *e, const struct res_service *svc, const char *object)
{
	static const char *const types[] = { [RES_SVC_CLUSTER_IP] = "ClusterIP",
		[RES_SVC_NODE_PORT] = "NodePort",
		[RES_SVC_LOAD_BALANCER] = "LoadBalancer",
		[RES_SVC_EXTERNAL_NAME] = "ExternalName" };
	const struct res_kubernetes_source *conf = &store_config(e->app->store)->kubernetes;
	struct explain_step s = {
		.stage = "service", .reason = REASON_SATISFIED, .object = object
	};

	if (svc->type != RES_SVC_LOAD_BALANCER) {
		s.verdict = EXPLAIN_FAIL;
		s.reason = REASON_NOT_LOAD_BALANCER;
		s.field = "spec.type";
		s.message = xasprintf("The Service is of type %s.", types[svc->type]);
	} else if (!service_is_managed(svc, conf)) {
		s.verdict = EXPLAIN_FAIL;
		s.reason = REASON_CLASS_MISMATCH;
		s.field = "spec.loadBalancerClass";
		s.message = svc->has_load_balancer_class
		    ? xasprintf("The Service's class is %s, which Herald does not serve.",
			  svc->load_balancer_class)
		    : xstrdup("The Service has no class, and such ones are left to others "
			      "(sources.kubernetes.defaultClass: false).");
	} else {
		s.message = xasprintf("Type LoadBalancer, class %s.",
		    svc->has_load_balancer_class ? svc->load_balancer_class : "not given");
	}
	explain_add(e, &s);
	return s.verdict == EXPLAIN_OK;
}

static void
step_sources(struct explain *e)
{
	const struct store *store = e->app->store;
	struct explain_step s = { .stage = "sources", .reason = REASON_SATISFIED };

	for (unsigned i = 0; i < store_nr_sources(store); i++) {
		const char *name = store_source_name(store, (int)i);

		if (store_source_is_synced(store, (int)i) ||
		    store_source_is_derived(store, (int)i) || strcmp(name, "cache") == 0)
			continue;
		s.subject = name;
		s.reason = REASON_SOURCES_NOT_SYNCED;
		s.verdict = EXPLAIN_FAIL;
		s.message = xasprintf("The source %s has not delivered its first whole set.", name);
		break;
	}
	if (s.verdict == EXPLAIN_OK)
		s.message = xstrdup("All sources are in sync.");
	/* Addresses that were given before are served meanwhile. */
	if (s.verdict == EXPLAIN_FAIL && ipam_is_started(e->app->ipam))
		s.verdict = EXPLAIN_DEGRADED;
	explain_add(e, &s);
}

/* ---- addresses ---- */

/* The pool that has the address, "" when there is none. */
static const char *
pool_with(const struct store *store, const struct addr *addr)
{
	struct res_object *o;

	store_for_each(store, RES_LB_IP_POOL, o)
	{
		const struct res_lb_ip_pool *pool = (const struct res_lb_ip_pool *)o;

		for (size_t i = 0; i < pool->blocks.nr; i++)
			if (range_has(&pool->blocks.v[i].range, addr))
				return o->meta.name;
	}
	return "";
}

/* The field that decided, by the reason; of a pool or of the Service. */
static const struct {
	enum reason reason;
	bool of_pool;
	const char *field;
} fields[] = {
	{ REASON_NO_POOL, true, "spec.serviceSelector" },
	{ REASON_POOL_SELECTOR_MISMATCH, true, "spec.serviceSelector" },
	{ REASON_POOL_DISABLED, true, "spec.disabled" },
	{ REASON_POOL_CONFLICT, true, "spec.blocks" },
	{ REASON_POOL_GONE, true, "spec.blocks" },
	{ REASON_OUT_OF_IPS, true, "spec.blocks" },
	{ REASON_ADDRESS_RESERVED, true, "spec.allowFirstLastIPs" },
	{ REASON_OUTSIDE_POOL, false, "metadata.annotations, spec.loadBalancerIP" },
	{ REASON_REQUEST_INVALID, false, "metadata.annotations, spec.loadBalancerIP" },
	{ REASON_FAMILY_NOT_CONFIGURED, false, "spec.ipFamilies" },
};

/* All pools by name, when none in particular is at fault. */
static char *
pools_text(const struct store *store, const char *pool)
{
	struct res_object *o;
	struct buf b;
	char *text;

	if (*pool)
		return xasprintf("LoadBalancerIPPool %s", pool);
	buf_init(&b, 4096);
	store_for_each(store, RES_LB_IP_POOL, o)
	    buf_printf(&b, "%s%s", b.len ? ", " : "LoadBalancerIPPool ", o->meta.name);
	text = buf_steal(&b);
	return text ? text : xstrdup("LoadBalancerIPPool (many)");
}

static void
blame(struct explain *e, struct explain_step *s, const struct ipam_alloc *want, char **object)
{
	const char *pool =
	    addr_is_set(&want->requested) ? pool_with(e->app->store, &want->requested) : "";

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (fields[i].reason == want->reason) {
			s->field = fields[i].field;
			if (fields[i].of_pool)
				*object = pools_text(e->app->store, pool);
		}
	if (want->other) {
		free(*object);
		*object = xasprintf("Service %s", want->other);
	}
	if (*object)
		s->object = *object;
}

static void
step_want(struct explain *e, const struct ipam_alloc *want, const char *service)
{
	const bool held = addr_is_set(&want->addr);
	const char *family = want->family == ADDR_V6 ? "IPv6" : "IPv4";
	struct explain_step s = { .stage = "address", .reason = want->reason, .object = service };
	char text[ADDR_STRLEN] = "";
	char *object = NULL, *pool = NULL;

	if (held) {
		s.subject = addr_format(&want->addr, text, sizeof(text));
		/* What a pool would not give again stays given. */
		pool = *want->pool ? xasprintf("LoadBalancerIPPool %s", want->pool) : NULL;
		s.object = pool ? pool : "";
		s.field = "spec.blocks";
		s.message = want->reason == REASON_SATISFIED
		    ? xasprintf("%s is of the pool %s.", text, want->pool)
		    : xasprintf("%s is kept, but would not be given again: %s", text,
			  reason_text(want->reason));
	} else {
		s.verdict = EXPLAIN_FAIL;
		if (addr_is_set(&want->requested))
			addr_format(&want->requested, text, sizeof(text));
		s.subject = *text ? text : family;
		s.message = xasprintf("%s: %s%s%s", s.subject, reason_text(want->reason),
		    want->detail ? " " : "", want->detail ? reason_text(want->detail) : "");
		blame(e, &s, want, &object);
	}
	explain_add(e, &s);
	free(object);
	free(pool);
}

/* false: it has no address. */
static bool
step_addresses(struct explain *e, const struct res_service *svc, const char *object)
{
	char *owner = service_key(svc->obj.meta.ns, svc->obj.meta.name);
	struct ipam_claim_info info = { .reason = REASON_NO_ADDRESS };
	struct explain_step none = {
		.stage = "address", .verdict = EXPLAIN_FAIL, .object = object
	};
	struct ipam_alloc want;
	size_t nr_held = 0;

	if (ipam_claim_get(e->app->ipam, owner, &info) < 0)
		info = (struct ipam_claim_info){ .reason = ipam_is_started(e->app->ipam)
			    ? REASON_NO_ADDRESS
			    : REASON_SOURCES_NOT_SYNCED };
	for (size_t i = 0; i < info.nr_wanted; i++)
		if (ipam_claim_want(e->app->ipam, owner, i, &want) == 0) {
			step_want(e, &want, object);
			nr_held += addr_is_set(&want.addr);
		}
	none.reason = info.reason;
	if (info.nr_wanted == 0)
		explain_add(e, &none);
	free(owner);
	return nr_held > 0;
}

/* ---- endpoints ---- */

/* What the slices hold, whatever its state. */
static size_t
nr_endpoints(const struct store *store, const struct res_service *svc)
{
	struct res_endpoint_slice *const *slices;
	size_t nr = store_slices(store, svc->obj.meta.ns, svc->obj.meta.name, &slices), sum = 0;

	for (size_t i = 0; i < nr; i++)
		sum += slices[i]->endpoints.nr;
	return sum;
}

static bool
has_port(const struct store *store, const struct res_service *svc, const struct res_service_port *p)
{
	struct res_endpoint_slice *const *slices;
	size_t nr = store_slices(store, svc->obj.meta.ns, svc->obj.meta.name, &slices);

	for (size_t i = 0; i < nr; i++)
		if (service_slice_port(slices[i], p))
			return true;
	return nr == 0;
}

static void
step_endpoints(
    struct explain *e, const struct res_service *svc, const char *object, enum addr_family family)
{
	const struct service_backends b = service_backends(e->app->store, svc, e->node, family);
	const bool local = svc->external_policy == RES_POLICY_LOCAL;
	const size_t all = nr_endpoints(e->app->store, svc);
	char *slices = xasprintf("EndpointSlices of %s", object + strlen("Service "));
	struct explain_step s = { .stage = "endpoints",
		.subject = family == ADDR_V6 ? "IPv6" : "IPv4",
		.reason = REASON_SATISFIED,
		.object = slices,
		.field = "endpoints[].conditions" };

	if (b.active == 0) {
		s.verdict = EXPLAIN_FAIL;
		s.reason = REASON_NO_READY_ENDPOINT;
		s.message = all == 0
		    ? xstrdup("The Service has no endpoint at all: its selector matches no pod.")
		    : xasprintf("None of the %zu endpoints is ready and of this family.", all);
		s.field = all == 0 ? "endpoints" : s.field;
	} else if (local && b.active_local == 0) {
		s.verdict = EXPLAIN_FAIL;
		s.reason = REASON_NO_LOCAL_ENDPOINT;
		s.object = object;
		s.field = "spec.externalTrafficPolicy";
		s.message = xasprintf("externalTrafficPolicy is Local, and of the %zu ready "
				      "endpoints none is on %s.",
		    b.active, e->node);
	} else {
		s.message =
		    xasprintf("%zu ready, %zu of them on %s.", b.active, b.active_local, e->node);
	}
	explain_add(e, &s);
	for (size_t i = 0; i < svc->ports.nr && b.active; i++) {
		const struct res_service_port *p = &svc->ports.v[i];

		if (has_port(e->app->store, svc, p))
			continue;
		s = (struct explain_step){ .stage = "endpoints",
			.subject = p->name,
			.verdict = EXPLAIN_FAIL,
			.reason = REASON_NO_READY_ENDPOINT,
			.object = slices,
			.field = "ports",
			.message = xasprintf("No EndpointSlice has a port named \"%s\" for the "
					     "Service's port %u.",
			    p->name, (unsigned)p->port),
			.advice = "Let targetPort of the Service name a port that its pods have." };
		explain_add(e, &s);
	}
	free(slices);
}

/* ---- the whole ---- */

void
explain_service(struct explain *e, const struct res_service *svc)
{
	char *object = xasprintf("Service %s/%s", svc->obj.meta.ns, svc->obj.meta.name);
	struct arena arena = { 0 };
	const struct addr *addrs;
	bool seen[ADDR_V6 + 1] = { false };
	size_t nr;

	if (!step_service(e, svc, object))
		goto out;
	step_sources(e);
	if (!step_addresses(e, svc, object))
		goto out;
	nr = app_service_addrs(e->app, svc, &arena, &addrs);
	for (size_t i = 0; i < nr; i++) {
		if (!seen[addrs[i].family])
			step_endpoints(e, svc, object, (enum addr_family)addrs[i].family);
		seen[addrs[i].family] = true;
	}
	for (size_t i = 0; i < nr; i++)
		explain_ways(e, svc, &addrs[i]);
	explain_datapath(e, svc, addrs, nr);
out:
	arena_fini(&arena);
	free(object);
}
