/*
 * resource/tab_podpool.c: the table of PodIPPool.
 */
#include "resource/kinds.h"
#include "resource/tables.h"

static void
family_check(struct decoder *d, const struct node *map, const struct res_pod_pool_family *f,
    enum addr_family family)
{
	const unsigned bits = addr_bits(family);

	if (f->mask_size > bits)
		decode_fault(d, map, "maskSize", "%u: must be at most %u", f->mask_size, bits);
	for (size_t i = 0; i < f->cidrs.nr; i++) {
		const struct prefix *p = &f->cidrs.v[i];

		if (p->addr.family != family)
			decode_fault_item(d, map, "cidrs", i, "%s: must be of family IPv%d",
			    prefix_str(p), family == ADDR_V4 ? 4 : 6);
		else if (p->len > f->mask_size)
			decode_fault_item(d, map, "cidrs", i,
			    "%s: must be as large as a node's range, /%u (maskSize), or larger",
			    prefix_str(p), f->mask_size);
	}
}

static void
family4_check(struct decoder *d, const struct node *map, void *at)
{
	if (map)
		family_check(d, map, at, ADDR_V4);
}

static void
family6_check(struct decoder *d, const struct node *map, void *at)
{
	if (map)
		family_check(d, map, at, ADDR_V6);
}

static void
pool_check(struct decoder *d, const struct node *map, void *at)
{
	const struct res_pod_ip_pool *p = at;

	if (map && !p->has_v4 && !p->has_v6)
		decode_fault(d, map, "", "missing: must have ipv4 or ipv6");
}

/* clang-format off */
#define POOL struct res_pod_ip_pool

static const struct field family_fields[] = {
	{ "cidrs", T_PREFIX, F_LIST | F_REQUIRED, FIELD_LIST_AT(struct res_pod_pool_family, cidrs),
	  .cost = RES_COST_SOFT, .help = "nodes' ranges are carved out of these; only ever append" },
	{ "maskSize", T_UINT, F_REQUIRED, FIELD_AT(struct res_pod_pool_family, mask_size), .min = 1,
	  .max = 128, .cost = RES_COST_SOFT, .help = "length of one range; never change it" },
	FIELD_END,
};
static const struct table family4_table = { family_fields, sizeof(struct res_pod_pool_family),
	family4_check };
static const struct table family6_table = { family_fields, sizeof(struct res_pod_pool_family),
	family6_check };

static const struct field spec_fields[] = {
	{ "ipv4", T_STRUCT, F_HAS, FIELD_AT(POOL, v4), FIELD_HAS(POOL, has_v4), .sub = &family4_table,
	  .cost = RES_COST_SOFT, .help = "IPv4 addresses" },
	{ "ipv6", T_STRUCT, F_HAS, FIELD_AT(POOL, v6), FIELD_HAS(POOL, has_v6), .sub = &family6_table,
	  .cost = RES_COST_SOFT, .help = "IPv6 addresses" },
	{ "podSelector", T_SELECTOR, 0, FIELD_AT(POOL, pod_selector), .cost = RES_COST_SOFT,
	  .help = "for pods that it selects: io.kubernetes.pod.namespace, io.kubernetes.pod.name" },
	{ "namespaceSelector", T_SELECTOR, 0, FIELD_AT(POOL, namespace_selector),
	  .cost = RES_COST_SOFT, .help = "for pods of Namespaces that it selects" },
	FIELD_END,
};
static const struct table spec_table = { spec_fields, 0, pool_check };

static const struct field pod_pool_fields[] = {
	FIELDS_HEAD(POOL),
	FIELD_GROUP("spec", F_REQUIRED, spec_table),
	FIELD_ANY("status"),
	FIELD_END,
};
const struct table pod_ip_pool_table = { pod_pool_fields, sizeof(POOL), NULL };
/* clang-format on */
