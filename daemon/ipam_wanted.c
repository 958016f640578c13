/*
 * daemon/ipam_wanted.c: see ipam_wanted.h.
 */
#include "daemon/ipam_wanted.h"

#include "daemon/service.h"

#include <stdlib.h>
#include <string.h>

/* A pool by its name. */
static const char *const pool_annotations[] = { "heraldlb.io/ip-pool", "metallb.io/address-pool",
	"metallb.universe.tf/address-pool", NULL };

/* Pools that are for some Services come before those that are for all: by priority, and without one
 * behind those that have one.  As MetalLB. */
static uint32_t
rank_of(const struct res_lb_ip_pool *pool)
{
	if (!pool->allocation.present)
		return UINT32_MAX;
	return pool->allocation.priority ? pool->allocation.priority : UINT32_MAX - 1;
}

size_t
ipam_wanted_pools(const struct store *store, struct arena *a, struct ipam_pool **out)
{
	struct ipam_pool *pools = arena_new_n(a, struct ipam_pool, store_nr(store, RES_LB_IP_POOL));
	struct res_object *o;
	size_t nr = 0;

	store_for_each(store, RES_LB_IP_POOL, o)
	{
		const struct res_lb_ip_pool *from = (const struct res_lb_ip_pool *)o;
		struct ipam_block *blocks = arena_new_n(a, struct ipam_block, from->blocks.nr);

		for (size_t i = 0; i < from->blocks.nr; i++)
			blocks[i] = (struct ipam_block){ .range = from->blocks.v[i].range,
				.is_cidr = from->blocks.v[i].is_cidr };
		pools[nr++] = (struct ipam_pool){
			.name = o->meta.name,
			.created = o->meta.created,
			.disabled = from->disabled,
			.allow_first_last = from->allow_first_last,
			.avoid_buggy = from->avoid_buggy_ips,
			.rank = rank_of(from),
			.blocks = blocks,
			.nr_blocks = from->blocks.nr,
		};
	}
	*out = pools;
	return nr;
}

static bool
lists_namespace(const struct res_strings *list, const char *ns)
{
	for (size_t i = 0; i < list->nr; i++)
		if (strcmp(list->v[i], ns) == 0)
			return true;
	return false;
}

/* serviceAllocation: the namespace by its name or its labels, and the Service by its own. */
static bool
allocation_admits(const struct store *store, const struct res_service_allocation *a,
    const struct res_service *svc, const struct label_view *labels)
{
	static const struct res_pairs no_labels;
	const struct res_object *ns = store_get(store, RES_NAMESPACE, "", svc->obj.meta.ns);
	struct label_view view =
	    ns ? label_view_of(ns) : (struct label_view){ .labels = &no_labels };

	if (!a->present)
		return true;
	if (!selectors_admit(&a->service_selectors, labels))
		return false;
	if (!a->namespaces.nr && !a->namespace_selectors.nr)
		return true;
	return lists_namespace(&a->namespaces, svc->obj.meta.ns) ||
	    (a->namespace_selectors.nr && selectors_admit(&a->namespace_selectors, &view));
}

/* The pools that may serve it: by selector, and only the one that an annotation names.  One without
 * autoAssign only when it is that one, or when addresses are asked for. */
static size_t
allowed_pools(const struct store *store, const struct res_service *svc, bool by_address,
    struct arena *a, const char *const **out)
{
	const char **names = arena_new_n(a, const char *, store_nr(store, RES_LB_IP_POOL));
	const char *only = service_annotation(svc, pool_annotations);
	const struct label_view view = label_view_service(&svc->obj);
	struct res_object *o;
	size_t nr = 0;

	store_for_each(store, RES_LB_IP_POOL, o)
	{
		const struct res_lb_ip_pool *pool = (const struct res_lb_ip_pool *)o;

		if (only && strcmp(only, o->meta.name) != 0)
			continue;
		if (!pool->auto_assign && !only && !by_address)
			continue;
		if (selector_admits(&pool->service_selector, &view) &&
		    allocation_admits(store, &pool->allocation, svc, &view))
			names[nr++] = o->meta.name;
	}
	*out = names;
	return nr;
}

bool
ipam_wanted_claim(const struct store *store, const struct res_service *svc, struct arena *a,
    struct ipam_claim *claim, size_t *bad)
{
	struct addr *requested, *copy;

	*bad = 0;
	if (!service_is_managed(svc, &store_config(store)->kubernetes))
		return false;
	*claim = (struct ipam_claim){
		.owner = arena_printf(a, "%s/%s", svc->obj.meta.ns, svc->obj.meta.name),
		.created = svc->obj.meta.created,
	};
	claim->nr_requested = service_requested(svc, &requested, bad);
	copy = arena_new_n(a, struct addr, claim->nr_requested);
	if (claim->nr_requested)
		memcpy(copy, requested, claim->nr_requested * sizeof(*copy));
	free(requested);
	claim->requested = copy;
	claim->nr_families = service_families(svc, claim->families);
	claim->nr_pools = allowed_pools(store, svc, claim->nr_requested > 0, a, &claim->pools);
	return true;
}
