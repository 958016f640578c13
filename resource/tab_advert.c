/*
 * resource/tab_advert.c: the table of BGPAdvertisement.
 */
#include "resource/bgp_kinds.h"
#include "resource/collect.h"
#include "resource/tables.h"

#include <string.h>

/* Standard, well-known and large communities as one list. */
static void
unite(struct decoder *d, struct res_bgp_advert *a)
{
	const struct res_communities *parts[] = { &a->standard, &a->well_known, &a->large };
	struct res_community *v;
	size_t nr = 0;

	v = decode_alloc(d, a->standard.nr + a->well_known.nr + a->large.nr, sizeof(*v));
	for (size_t i = 0; v && i < 3; i++)
		for (size_t k = 0; k < parts[i]->nr; k++)
			v[nr++] = parts[i]->v[k];
	a->communities = (struct res_communities){ v, nr };
}

static void
advert_check(struct decoder *d, const struct node *map, void *at)
{
	struct res_bgp_advert *a = at;

	if (!a->has_aggregation_v4)
		a->aggregation_v4 = 32;
	if (!a->has_aggregation_v6)
		a->aggregation_v6 = 128;
	unite(d, a);
	if (!map)
		return;
	if (a->type == RES_ADV_SERVICE && !a->addresses.nr)
		decode_fault(
		    d, map, "", "service is missing: must be given with advertisementType Service");
	if (a->type != RES_ADV_SERVICE && node_has(map, "service"))
		decode_fault(
		    d, map, "service", "must be absent unless advertisementType is Service");
	if (a->type == RES_ADV_POD_CIDR && a->selector.present)
		decode_fault(d, map, "selector", "must be absent with advertisementType PodCIDR");
	if (a->type == RES_ADV_INTERFACE && !*a->interface)
		decode_fault(d, map, "",
		    "interface is missing: must be given with advertisementType Interface");
	if (a->type != RES_ADV_INTERFACE && *a->interface)
		decode_fault(
		    d, map, "interface", "must be absent unless advertisementType is Interface");
}

static void
advertisement_check(struct decoder *d, const struct node *map, void *at)
{
	struct res_bgp_advertisement *a = at;
	struct res_bgp_advert *v = (struct res_bgp_advert *)(uintptr_t)a->adverts.v;

	(void)d;
	(void)map;
	for (size_t i = 0; i < a->adverts.nr; i++)
		if (!v[i].has_no_endpoints)
			v[i].no_endpoints = a->no_endpoints;
}

/* clang-format off */
static const char *const type_words[] = { "PodCIDR", "CiliumPodIPPool", "Service", "Interface",
	NULL };
static const char *const address_words[] = { "LoadBalancerIP", "ExternalIP", "ClusterIP", NULL };
static const char *const bandwidth_words[] = { "", "endpoints", NULL };
static const char *const no_endpoints_words[] = { "withdraw", "advertise", NULL };

static const struct field service_fields[] = {
	{ "addresses", T_ENUM, F_LIST | F_REQUIRED, FIELD_LIST_AT(struct res_bgp_advert, addresses),
	  .words = address_words, .cost = RES_COST_SOFT, .help = "which of its addresses" },
	{ "aggregationLengthIPv4", T_UINT, F_HAS, FIELD_AT(struct res_bgp_advert, aggregation_v4),
	  FIELD_HAS(struct res_bgp_advert, has_aggregation_v4), .max = 31, .cost = RES_COST_SOFT,
	  .help = "the covering prefix instead of /32" },
	{ "aggregationLengthIPv6", T_UINT, F_HAS, FIELD_AT(struct res_bgp_advert, aggregation_v6),
	  FIELD_HAS(struct res_bgp_advert, has_aggregation_v6), .max = 127, .cost = RES_COST_SOFT,
	  .help = "likewise instead of /128" },
	{ "aggregateLocal", T_BOOL, F_NATIVE, FIELD_AT(struct res_bgp_advert, aggregate_local),
	  .def = "false", .cost = RES_COST_SOFT,
	  .help = "the covering prefix also for Services with traffic policy Local" },
	{ "ipPools", T_STRING, F_LIST | F_NATIVE, FIELD_LIST_AT(struct res_bgp_advert, pools),
	  .min = 1, .max = 253, .cost = RES_COST_SOFT,
	  .help = "only load balancer addresses of these LoadBalancerIPPools" },
	{ "ipPoolSelectors", T_SELECTOR, F_LIST | F_NATIVE,
	  FIELD_LIST_AT(struct res_bgp_advert, pool_selectors), .cost = RES_COST_SOFT,
	  .help = "likewise by their labels; with neither: of all, and of none" },
	FIELD_END,
};
static const struct table service_options_table = { service_fields, 0, NULL };

static const struct field interface_fields[] = {
	{ "name", T_STRING, F_REQUIRED, FIELD_AT(struct res_bgp_advert, interface), .min = 1,
	  .max = 15, .cost = RES_COST_SOFT, .help = "whose addresses" },
	FIELD_END,
};
static const struct table interface_table = { interface_fields, 0, NULL };

static const struct field community_fields[] = {
	{ "standard", T_COMMUNITY, F_LIST, .offset = offsetof(struct res_bgp_advert, standard),
	  .size = sizeof(struct res_community), .max = 1u << RES_COMM_STANDARD,
	  .right = "a standard community: N or N:N, each N of N:N at most 65535",
	  .cost = RES_COST_SOFT, .help = "RFC 1997" },
	{ "wellKnown", T_COMMUNITY, F_LIST, .offset = offsetof(struct res_bgp_advert, well_known),
	  .size = sizeof(struct res_community), .min = 1, .max = 1u << RES_COMM_STANDARD,
	  .right = "the name of a well-known community: internet, planned-shut, accept-own, "
		   "route-filter-translated-v4, route-filter-v4, route-filter-translated-v6, "
		   "route-filter-v6, llgr-stale, no-llgr, blackhole, no-export, no-advertise, "
		   "no-export-subconfed or no-peer",
	  .cost = RES_COST_SOFT, .help = "by name" },
	{ "large", T_COMMUNITY, F_LIST, .offset = offsetof(struct res_bgp_advert, large),
	  .size = sizeof(struct res_community), .max = 1u << RES_COMM_LARGE,
	  .right = "a large community: N:N:N", .cost = RES_COST_SOFT, .help = "RFC 8092" },
	FIELD_END,
};
static const struct table community_table = { community_fields, 0, NULL };

static const struct field attribute_fields[] = {
	FIELD_GROUP("communities", 0, community_table),
	{ "localPreference", T_UINT, F_HAS, FIELD_AT(struct res_bgp_advert, local_preference),
	  FIELD_HAS(struct res_bgp_advert, has_local_preference), .max = UINT32_FULL,
	  .cost = RES_COST_SOFT, .help = "LOCAL_PREF, for peers in our own AS" },
	{ "med", T_UINT, F_HAS | F_NATIVE, FIELD_AT(struct res_bgp_advert, med),
	  FIELD_HAS(struct res_bgp_advert, has_med), .max = UINT32_FULL, .cost = RES_COST_SOFT,
	  .help = "MULTI_EXIT_DISC" },
	{ "linkBandwidth", T_ENUM, F_NATIVE, FIELD_AT(struct res_bgp_advert, link_bandwidth),
	  .words = bandwidth_words, .cost = RES_COST_SOFT,
	  .help = "endpoints: the extended community, 1 Mbit/s for each ready endpoint on the node" },
	{ "asPathPrepend", T_UINT, F_NATIVE, FIELD_AT(struct res_bgp_advert, as_path_prepend),
	  .max = 64, .cost = RES_COST_SOFT, .help = "our own AS, this many times more" },
	FIELD_END,
};
static const struct table attribute_table = { attribute_fields, 0, NULL };

static const struct field advert_fields[] = {
	{ "advertisementType", T_ENUM, F_REQUIRED, FIELD_AT(struct res_bgp_advert, type),
	  .words = type_words, .cost = RES_COST_SOFT, .help = "what is told" },
	FIELD_GROUP("service", 0, service_options_table),
	FIELD_GROUP("interface", 0, interface_table),
	{ "selector", T_SELECTOR, 0, FIELD_AT(struct res_bgp_advert, selector),
	  .cost = RES_COST_SOFT, .help = "of which Services or pools; absent: none" },
	FIELD_GROUP("attributes", 0, attribute_table),
	{ "noEndpoints", T_ENUM, F_HAS | F_NATIVE, FIELD_AT(struct res_bgp_advert, no_endpoints),
	  FIELD_HAS(struct res_bgp_advert, has_no_endpoints), .words = no_endpoints_words,
	  .def = "withdraw", .cost = RES_COST_SOFT, .help = "a Service without endpoints" },
	FIELD_END,
};
static const struct table advert_table = { advert_fields, sizeof(struct res_bgp_advert),
	advert_check };

static const struct field spec_fields[] = {
	{ "advertisements", T_STRUCT, F_LIST | F_REQUIRED,
	  FIELD_LIST_AT(struct res_bgp_advertisement, adverts), .sub = &advert_table,
	  .cost = RES_COST_SOFT, .help = "one kind of route each" },
	{ "noEndpoints", T_ENUM, F_NATIVE, FIELD_AT(struct res_bgp_advertisement, no_endpoints),
	  .words = no_endpoints_words, .def = "withdraw", .cost = RES_COST_SOFT,
	  .help = "for advertisements that do not say it" },
	{ "nodeSelectors", T_SELECTOR, F_LIST | F_NATIVE,
	  FIELD_LIST_AT(struct res_bgp_advertisement, node_selectors), .cost = RES_COST_SOFT,
	  .help = "nodes that one of these selects tell it; none: all" },
	{ "peers", T_STRING, F_LIST | F_NATIVE, FIELD_LIST_AT(struct res_bgp_advertisement, peers),
	  .min = 1, .max = 255, .cost = RES_COST_SOFT,
	  .help = "names of peers that are told; none: all whose BGPPeerConfig selects it" },
	FIELD_END,
};
static const struct table spec_table = { spec_fields, 0, advertisement_check };

static const struct field advertisement_fields[] = {
	FIELDS_HEAD(struct res_bgp_advertisement),
	FIELD_GROUP("spec", F_REQUIRED, spec_table),
	FIELD_ANY("status"),
	FIELD_END,
};
const struct table bgp_advertisement_table = { advertisement_fields,
	sizeof(struct res_bgp_advertisement), NULL };
/* clang-format on */
