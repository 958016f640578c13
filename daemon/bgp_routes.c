/*
 * daemon/bgp_routes.c: what this node announces of one Service, and of itself: the rules of
 * BGPAdvertisements and of traffic policies.  Pure.
 */
#include "daemon/bgp_wanted.h"

#include "daemon/service.h"

#include <string.h>

#define LINK_BANDWIDTH 0x4004000000000000u /* the extended community, not transitive */
#define ENDPOINT_BANDWIDTH 125000	   /* octets a second: 1 Mbit/s */
#define AS_TRANS 23456			   /* RFC 6793 */

/* Announcements being collected for one owner. */
struct collector {
	struct arena *arena;
	struct bgp_announce *v;
	size_t nr, cap;
};

/* For so many more.  Who knows how many there will be asks for all of them: what is outgrown stays in the
 * arena. */
static void
make_room(struct collector *c, size_t more)
{
	const size_t need = c->nr + more;
	struct bgp_announce *grown;

	if (need <= c->cap)
		return;
	c->cap = need > 2 * c->cap ? need : 2 * c->cap;
	grown = arena_new_n(c->arena, struct bgp_announce, c->cap);
	if (c->nr)
		memcpy(grown, c->v, c->nr * sizeof(*grown));
	c->v = grown;
}

static void
add(struct collector *c, const struct bgp_audience *audience,
    const struct res_bgp_advertisement *ad, const struct res_bgp_advert *advert,
    const struct prefix *prefix, enum bgp_source source)
{
	struct bgp_announce *to;

	make_room(c, 1);
	to = &c->v[c->nr++];
	*to = (struct bgp_announce){
		.prefix = *prefix,
		.source = source,
		.audience = audience->name,
		.policy = ad->obj.meta.name,
		.has_local_pref = advert->has_local_preference,
		.local_pref = advert->local_preference,
		.has_med = advert->has_med,
		.med = advert->med,
		.prepend = advert->as_path_prepend,
	};
	if (advert->communities.nr)
		to->communities = bgp_communities_of(c->arena, &advert->communities);
}

enum reason
bgp_service_gate(enum res_traffic_policy policy, enum res_no_endpoints no_endpoints, size_t active,
    size_t active_local)
{
	if (policy == RES_POLICY_LOCAL)
		return active_local > 0 ? REASON_SATISFIED : REASON_NO_LOCAL_ENDPOINT;
	if (active == 0 && no_endpoints == RES_NO_ENDPOINTS_WITHDRAW)
		return REASON_NO_READY_ENDPOINT;
	return REASON_SATISFIED;
}

/* Is the address one of the pools that the advertisement speaks of?  A pool that is disabled or in
 * conflict still has what it gave. */
static bool
is_of_pools(const struct store *store, const struct res_bgp_advert *advert, const struct addr *addr)
{
	struct res_object *o;

	if (!advert->pools.nr && !advert->pool_selectors.nr)
		return true;
	store_for_each(store, RES_LB_IP_POOL, o)
	{
		const struct res_lb_ip_pool *pool = (const struct res_lb_ip_pool *)o;
		const struct label_view view = label_view_of(o);
		bool named = false, has = false;

		for (size_t i = 0; i < advert->pools.nr && !named; i++)
			named = strcmp(advert->pools.v[i], o->meta.name) == 0;
		if (!named &&
		    (!advert->pool_selectors.nr ||
			!selectors_admit(&advert->pool_selectors, &view)))
			continue;
		for (size_t i = 0; i < pool->blocks.nr && !has; i++)
			has = range_has(&pool->blocks.v[i].range, addr);
		if (has)
			return true;
	}
	return false;
}

/* One Service as the advertisements look at it. */
struct candidate {
	const struct res_service *svc;
	struct label_view labels;
	const struct store *store;
	struct service_backends backends[ADDR_V6 + 1]; /* by family */
	const struct addr *lb;
	size_t nr_lb;
	uint32_t local_as; /* of the instance that announces it */
};

static bool
is_for_service(const struct candidate *s, const struct res_bgp_advert *advert)
{
	return advert->type == RES_ADV_SERVICE && selector_selects(&advert->selector, &s->labels);
}

static enum res_traffic_policy
policy_of(const struct candidate *s, enum res_service_addr type)
{
	return type == RES_SVC_ADDR_CLUSTER_IP ? s->svc->internal_policy : s->svc->external_policy;
}

/* May the address of this type go out, as far as the advertisement, which is for the Service, says? */
static enum reason
address_why(const struct candidate *s, const struct res_bgp_advert *advert,
    enum res_service_addr type, const struct addr *addr)
{
	const struct service_backends *b = &s->backends[addr->family];

	if (type == RES_SVC_ADDR_LOAD_BALANCER_IP && !is_of_pools(s->store, advert, addr))
		return REASON_NOT_SELECTED;
	return bgp_service_gate(
	    policy_of(s, type), advert->no_endpoints, b->active, b->active_local);
}

/*
 * draft-ietf-idr-link-bandwidth 2: octets a second as a float, behind an AS of two octets.  A node
 * without an endpoint that announces all the same takes part with the least there is: a path that
 * says nothing would make the others' shares even.
 */
static void
add_bandwidth(struct collector *c, const struct candidate *s, enum addr_family family)
{
	struct bgp_communities *to = &c->v[c->nr - 1].communities;
	const size_t local = s->backends[family].active_local;
	const uint16_t as = s->local_as > UINT16_MAX ? AS_TRANS : (uint16_t)s->local_as;
	const float value = (float)(local ? local : 1) * (float)ENDPOINT_BANDWIDTH;
	uint64_t *ext = arena_new_n(c->arena, uint64_t, to->nr_ext + 1);
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	if (to->nr_ext)
		memcpy(ext, to->ext, to->nr_ext * sizeof(*ext));
	ext[to->nr_ext] = LINK_BANDWIDTH | (uint64_t)as << 32 | bits;
	to->ext = ext;
	to->nr_ext++;
}

static void
add_address(struct collector *c, const struct candidate *s, const struct bgp_audience *audience,
    const struct res_bgp_advertisement *ad, const struct res_bgp_advert *advert,
    enum res_service_addr type, const struct addr *addr)
{
	const enum res_traffic_policy policy = policy_of(s, type);
	const bool aggregated =
	    addr->family == ADDR_V4 ? advert->has_aggregation_v4 : advert->has_aggregation_v6;
	unsigned len = addr_bits((enum addr_family)addr->family);
	struct prefix prefix;

	if (address_why(s, advert, type, addr) != REASON_SATISFIED)
		return;
	/* Local is exact even when an aggregation is set: the others of the aggregate may have no
	 * endpoint here.  Unless it is asked for, as MetalLB does it. */
	if (aggregated && (policy == RES_POLICY_CLUSTER || advert->aggregate_local))
		len = addr->family == ADDR_V4 ? advert->aggregation_v4 : advert->aggregation_v6;
	prefix = prefix_of(addr, len);
	add(c, audience, ad, advert, &prefix, BGP_SRC_SERVICE);
	if (advert->link_bandwidth == RES_LINK_BANDWIDTH_ENDPOINTS)
		add_bandwidth(c, s, (enum addr_family)addr->family);
}

static void
add_addresses(struct collector *c, const struct candidate *s, const struct bgp_audience *audience,
    const struct res_bgp_advertisement *ad, const struct res_bgp_advert *advert,
    enum res_service_addr type)
{
	const struct res_service *svc = s->svc;
	const struct addr *list = NULL;
	size_t nr = 0;

	switch (type) {
	case RES_SVC_ADDR_LOAD_BALANCER_IP:
		list = s->lb;
		nr = s->nr_lb;
		break;
	case RES_SVC_ADDR_EXTERNAL_IP:
		list = svc->external_ips.v;
		nr = svc->external_ips.nr;
		break;
	case RES_SVC_ADDR_CLUSTER_IP:
		list = svc->cluster_ips.v;
		nr = svc->type == RES_SVC_EXTERNAL_NAME ? 0 : svc->cluster_ips.nr;
		break;
	}
	make_room(c, nr);
	for (size_t i = 0; i < nr; i++)
		add_address(c, s, audience, ad, advert, type, &list[i]);
}

static void
add_service(struct collector *c, const struct candidate *s, const struct bgp_audience *audience)
{
	for (size_t i = 0; i < audience->nr; i++) {
		const struct res_bgp_advertisement *ad = audience->adverts[i];

		for (size_t j = 0; j < ad->adverts.nr; j++) {
			const struct res_bgp_advert *advert = &ad->adverts.v[j];

			if (!is_for_service(s, advert))
				continue;
			for (size_t k = 0; k < advert->addresses.nr; k++)
				add_addresses(c, s, audience, ad, advert, advert->addresses.v[k]);
		}
	}
}

size_t
bgp_wanted_service(const struct bgp_plan_instance *inst, const struct store *store,
    const char *node, const struct res_service *svc, const struct addr *lb, size_t nr_lb,
    struct arena *arena, struct bgp_announce **out)
{
	struct candidate s = {
		.svc = svc,
		.labels = label_view_service(&svc->obj),
		.store = store,
		.backends = {
			[ADDR_V4] = service_backends(store, svc, node, ADDR_V4),
			[ADDR_V6] = service_backends(store, svc, node, ADDR_V6),
		},
		.lb = lb,
		.nr_lb = nr_lb,
		.local_as = inst->local_as,
	};
	struct collector c = { .arena = arena };

	for (size_t i = 0; i < inst->nr; i++)
		add_service(&c, &s, &inst->audiences[i]);
	*out = c.v;
	return c.nr;
}

/* ---- why ---- */

/* How far one advertisement lets it come: a later step is the better answer. */
static struct bgp_why
advert_why(const struct candidate *s, const struct res_bgp_advertisement *ad,
    const struct res_bgp_advert *advert, enum res_service_addr type, const struct addr *addr,
    unsigned *step)
{
	struct bgp_why why = { REASON_NOT_SELECTED, ad->obj.meta.name,
		"spec.advertisements[].selector" };
	bool listed = false;

	*step = 1;
	if (!is_for_service(s, advert))
		return why;
	for (size_t k = 0; k < advert->addresses.nr; k++)
		listed |= advert->addresses.v[k] == type;
	*step = 2;
	why.reason = REASON_ADDRESS_TYPE_NOT_ADVERTISED;
	why.field = "spec.advertisements[].service.addresses";
	if (!listed)
		return why;
	why.reason = address_why(s, advert, type, addr);
	*step = why.reason == REASON_NOT_SELECTED ? 3 : why.reason == REASON_SATISFIED ? 5 : 4;
	why.field = *step == 3 ? "spec.advertisements[].service.ipPools" : "";
	return why;
}

struct bgp_why
bgp_wanted_why(const struct bgp_audience *audience, const struct store *store, const char *node,
    const struct res_service *svc, enum res_service_addr type, const struct addr *addr)
{
	const struct candidate s = {
		.svc = svc,
		.labels = label_view_service(&svc->obj),
		.store = store,
		.backends = {
			[ADDR_V4] = service_backends(store, svc, node, ADDR_V4),
			[ADDR_V6] = service_backends(store, svc, node, ADDR_V6),
		},
	};
	struct bgp_why best = { REASON_NO_ADVERTISEMENT, "", "" }, one;
	unsigned best_step = 0, step;

	for (size_t i = 0; audience && i < audience->nr; i++)
		for (size_t j = 0; j < audience->adverts[i]->adverts.nr; j++) {
			one = advert_why(&s, audience->adverts[i],
			    &audience->adverts[i]->adverts.v[j], type, addr, &step);
			if (step <= best_step)
				continue;
			best = one;
			best_step = step;
		}
	return best;
}

/* Synthetic keys, as Cilium has them: a pool is selected by its labels or by its name. */
static bool
selects_pool(const struct res_bgp_advert *advert, const struct res_pod_ip_pool *pool)
{
	const struct label_view view = { .labels = &pool->obj.meta.labels,
		.over = { { "io.cilium.podippool.name", pool->obj.meta.name },
		    { "io.cilium.podippool.namespace", "" } },
		.nr_over = 2 };

	return selector_selects(&advert->selector, &view);
}

static void
add_ranges(struct collector *c, const struct bgp_audience *audience,
    const struct res_bgp_advertisement *ad, const struct res_bgp_advert *advert,
    const struct pod_range *ranges, size_t nr)
{
	for (size_t n = 0; n < nr; n++) {
		const struct pod_range *r = &ranges[n];
		const bool of_pool = *r->pool_name != '\0';

		if (advert->type == RES_ADV_POD_CIDR
			? !of_pool
			: of_pool && r->pool && selects_pool(advert, r->pool))
			add(c, audience, ad, advert, &r->prefix, BGP_SRC_PODCIDR);
	}
}

size_t
bgp_wanted_node(const struct bgp_plan_instance *inst, const struct pod_plan *plan,
    const struct res_node *node, struct arena *arena, struct bgp_announce **out)
{
	struct collector c = { .arena = arena };
	const struct pod_range *ranges;
	const size_t nr = pod_ranges_of(plan, node, arena, &ranges);

	for (size_t i = 0; i < inst->nr; i++) {
		const struct bgp_audience *audience = &inst->audiences[i];

		for (size_t j = 0; j < audience->nr; j++) {
			const struct res_bgp_advertisement *ad = audience->adverts[j];

			for (size_t k = 0; k < ad->adverts.nr; k++)
				if (ad->adverts.v[k].type == RES_ADV_POD_CIDR ||
				    ad->adverts.v[k].type == RES_ADV_POD_IP_POOL)
					add_ranges(&c, audience, ad, &ad->adverts.v[k], ranges, nr);
		}
	}
	*out = c.v;
	return c.nr;
}
