/*
 * resource/tab_pool.c: the tables of LoadBalancerIPPool and L2AnnouncementPolicy.
 */
#include "resource/kinds.h"
#include "resource/metallb_kinds.h"
#include "resource/tables.h"

#define DAY_MS 86400000

/* A block is a prefix, or a range, or one address; given both, the prefix counts, as in Cilium. */
static void
block_check(struct decoder *d, const struct node *map, void *at)
{
	struct res_pool_block *b = at;

	if (!map)
		return;
	if (b->is_cidr) {
		b->range = prefix_range(&b->cidr);
		return;
	}
	if (!addr_is_set(&b->start)) {
		decode_fault(d, map, addr_is_set(&b->stop) ? "start" : "",
		    "missing: must have cidr, or start and stop");
		return;
	}
	b->range = (struct addr_range){ b->start, addr_is_set(&b->stop) ? b->stop : b->start };
	if (b->range.first.family != b->range.last.family)
		decode_fault(d, map, "stop", "%s: must be of the same family as start, %s",
		    addr_str(&b->stop), addr_str(&b->start));
	else if (addr_cmp(&b->range.first, &b->range.last) > 0)
		decode_fault(d, map, "stop", "%s: must not be lower than start, %s",
		    addr_str(&b->stop), addr_str(&b->start));
}

static bool
is_pause(const void *at)
{
	uint64_t ms;

	return duration_parse(*(const char *const *)at, &ms) == 0 && ms <= DAY_MS;
}

/* "" stands for what the HeraldConfig says. */
static bool
is_pause_or_none(const void *at)
{
	return !**(const char *const *)at || is_pause(at);
}

static void
pool_check(struct decoder *d, const struct node *map, void *at)
{
	struct res_lb_ip_pool *p = at;

	(void)d;
	(void)map;
	if (p->reuse_after && duration_parse(p->reuse_after, &p->reuse_ms) < 0)
		p->reuse_ms = 0;
}

static void
gratuitous_check(struct decoder *d, const struct node *map, void *at)
{
	struct res_l2_policy *p = at;
	uint64_t ms;

	(void)d;
	(void)map;
	if (p->gratuitous.interval && duration_parse(p->gratuitous.interval, &ms) == 0)
		p->gratuitous.interval_ms = (uint32_t)ms;
	if (p->gratuitous.refresh && duration_parse(p->gratuitous.refresh, &ms) == 0)
		p->gratuitous.refresh_ms = (uint32_t)ms;
}

/* clang-format off */
static const char *const no_yes[] = { "No", "Yes", NULL };

static const struct field block_fields[] = {
	{ "cidr", T_PREFIX, F_HAS, FIELD_AT(struct res_pool_block, cidr),
	  FIELD_HAS(struct res_pool_block, is_cidr), .cost = RES_COST_SOFT, .help = "a prefix" },
	{ "start", T_ADDR, 0, FIELD_AT(struct res_pool_block, start), .cost = RES_COST_SOFT,
	  .help = "first address of a range, or the only one" },
	{ "stop", T_ADDR, 0, FIELD_AT(struct res_pool_block, stop), .cost = RES_COST_SOFT,
	  .help = "last address of a range" },
	FIELD_END,
};
static const struct table block_table = { block_fields, sizeof(struct res_pool_block), block_check };

static const struct field allocation_fields[] = {
	{ "priority", T_UINT, 0, FIELD_AT(struct res_service_allocation, priority),
	  .max = 2147483647, .cost = RES_COST_SOFT,
	  .help = "the lower, the earlier it is tried; 0: after all that have one" },
	{ "namespaces", T_STRING, F_LIST, FIELD_LIST_AT(struct res_service_allocation, namespaces),
	  .min = 1, .max = 63, .cost = RES_COST_SOFT, .help = "whose Services it serves" },
	{ "namespaceSelectors", T_SELECTOR, F_LIST,
	  FIELD_LIST_AT(struct res_service_allocation, namespace_selectors), .cost = RES_COST_SOFT,
	  .help = "likewise by the labels of the Namespace; any of them, or of namespaces" },
	{ "serviceSelectors", T_SELECTOR, F_LIST,
	  FIELD_LIST_AT(struct res_service_allocation, service_selectors), .cost = RES_COST_SOFT,
	  .help = "and only Services that one of these selects" },
	FIELD_END,
};
const struct table allocation_table = { allocation_fields, sizeof(struct res_service_allocation),
	NULL };

static const char *const on_change_words[] = { "hold", "renumber", NULL };

static const struct field pool_spec_fields[] = {
	{ "blocks", T_STRUCT, F_LIST, FIELD_LIST_AT(struct res_lb_ip_pool, blocks),
	  .sub = &block_table, .cost = RES_COST_SOFT, .help = "the addresses of the pool" },
	{ "allowFirstLastIPs", T_ENUM, 0, FIELD_AT(struct res_lb_ip_pool, allow_first_last),
	  .words = no_yes, .def = "Yes", .cost = RES_COST_SOFT,
	  .help = "No: first and last address of a prefix are kept back" },
	{ "disabled", T_BOOL, 0, FIELD_AT(struct res_lb_ip_pool, disabled), .def = "false",
	  .cost = RES_COST_SOFT, .help = "no new addresses; those given away stay" },
	{ "serviceSelector", T_SELECTOR, 0, FIELD_AT(struct res_lb_ip_pool, service_selector),
	  .cost = RES_COST_SOFT, .help = "which Services it serves; absent: all" },
	{ "autoAssign", T_BOOL, F_NATIVE, FIELD_AT(struct res_lb_ip_pool, auto_assign),
	  .def = "true", .cost = RES_COST_SOFT,
	  .help = "false: only for Services that ask for it or for an address by name" },
	{ "avoidBuggyIPs", T_BOOL, F_NATIVE, FIELD_AT(struct res_lb_ip_pool, avoid_buggy_ips),
	  .def = "false", .cost = RES_COST_SOFT,
	  .help = "keep back IPv4 addresses that end in .0 or .255" },
	{ "serviceAllocation", T_STRUCT, F_NATIVE | F_HAS,
	  FIELD_AT(struct res_lb_ip_pool, allocation),
	  FIELD_HAS(struct res_lb_ip_pool, allocation.present), .sub = &allocation_table,
	  .cost = RES_COST_SOFT, .help = "who may use it, and before which other pools it is tried" },
	{ "onPoolChange", T_ENUM, F_NATIVE, FIELD_AT(struct res_lb_ip_pool, on_change),
	  .words = on_change_words, .def = "hold", .cost = RES_COST_SOFT,
	  .help = "renumber: Services whose address it no longer has, or which it no longer selects, get another" },
	{ "reuseAfter", T_STRING, F_NATIVE, FIELD_AT(struct res_lb_ip_pool, reuse_after),
	  .valid = is_pause_or_none, .right = "a duration of at most 24h, as 60s or 1m30s",
	  .cost = RES_COST_SOFT,
	  .help = "how long an address rests before a stranger gets it; default: ipam.reuseAfter of the HeraldConfig" },
	FIELD_END,
};
static const struct table pool_spec_table = { pool_spec_fields, 0, pool_check };

static const struct field pool_status_fields[] = {
	{ "conditions", T_STRUCT, F_LIST | F_KEYED, FIELD_LIST_AT(struct res_lb_ip_pool, told),
	  .sub = &told_table, .help = "what became of it" },
	FIELD_END,
};
static const struct table pool_status_table = { pool_status_fields, 0, NULL };

static const struct field pool_fields[] = {
	FIELDS_HEAD(struct res_lb_ip_pool),
	FIELD_GROUP("spec", F_REQUIRED, pool_spec_table),
	FIELD_GROUP("status", 0, pool_status_table),
	FIELD_END,
};
const struct table lb_ip_pool_table = { pool_fields, sizeof(struct res_lb_ip_pool), NULL };

static const struct field preference_fields[] = {
	{ "weight", T_UINT, F_REQUIRED, FIELD_AT(struct res_preference, weight), .min = 1, .max = 100,
	  .cost = RES_COST_SOFT, .help = "added for a node that matches" },
	{ "preference", T_SELECTOR, F_REQUIRED, FIELD_AT(struct res_preference, preference),
	  .cost = RES_COST_SOFT, .help = "of nodes" },
	FIELD_END,
};
const struct table preference_table = { preference_fields, sizeof(struct res_preference), NULL };

static const struct field gratuitous_fields[] = {
	{ "count", T_UINT, 0, FIELD_AT(struct res_l2_policy, gratuitous.count), .min = 1, .max = 100,
	  .def = "3", .cost = RES_COST_SOFT, .help = "announcements when a node takes an address" },
	{ "interval", T_STRING, 0, FIELD_AT(struct res_l2_policy, gratuitous.interval), .def = "1s",
	  .valid = is_pause, .right = "a duration of at most 24h, as 500ms or 1m30s",
	  .cost = RES_COST_SOFT, .help = "between two of them" },
	{ "refresh", T_STRING, 0, FIELD_AT(struct res_l2_policy, gratuitous.refresh), .def = "0s",
	  .valid = is_pause, .right = "a duration of at most 24h, as 500ms or 1m30s",
	  .cost = RES_COST_SOFT, .help = "and then one each, for switches that forget; 0s: none" },
	FIELD_END,
};
static const struct table gratuitous_table = { gratuitous_fields, 0, gratuitous_check };

static const struct field l2_spec_fields[] = {
	{ "nodeSelector", T_SELECTOR, 0, FIELD_AT(struct res_l2_policy, node_selector),
	  .cost = RES_COST_SOFT, .help = "which nodes may answer; absent: all" },
	{ "serviceSelector", T_SELECTOR, 0, FIELD_AT(struct res_l2_policy, service_selector),
	  .cost = RES_COST_SOFT, .help = "for which Services; absent: all" },
	{ "interfaces", T_REGEX, F_LIST, FIELD_LIST_AT(struct res_l2_policy, interfaces),
	  .cost = RES_COST_SOFT, .help = "on which interfaces; none: all that are used" },
	{ "loadBalancerIPs", T_BOOL, 0, FIELD_AT(struct res_l2_policy, load_balancer_ips),
	  .def = "false", .cost = RES_COST_SOFT, .help = "answer for load balancer addresses" },
	{ "externalIPs", T_BOOL, 0, FIELD_AT(struct res_l2_policy, external_ips),
	  .def = "false", .cost = RES_COST_SOFT, .help = "answer for spec.externalIPs" },
	{ "nodeSelectors", T_SELECTOR, F_LIST | F_NATIVE,
	  FIELD_LIST_AT(struct res_l2_policy, node_selectors), .cost = RES_COST_SOFT,
	  .help = "nodes that one of these selects may answer" },
	{ "serviceSelectors", T_SELECTOR, F_LIST | F_NATIVE,
	  FIELD_LIST_AT(struct res_l2_policy, service_selectors), .cost = RES_COST_SOFT,
	  .help = "for Services that one of these selects" },
	{ "ipPools", T_STRING, F_LIST | F_NATIVE, FIELD_LIST_AT(struct res_l2_policy, pools), .min = 1,
	  .max = 253, .cost = RES_COST_SOFT, .help = "for addresses of these LoadBalancerIPPools" },
	{ "ipPoolSelectors", T_SELECTOR, F_LIST | F_NATIVE,
	  FIELD_LIST_AT(struct res_l2_policy, pool_selectors), .cost = RES_COST_SOFT,
	  .help = "likewise by their labels; with neither: of all" },
	{ "preferredNodeSelectors", T_STRUCT, F_LIST | F_NATIVE,
	  FIELD_LIST_AT(struct res_l2_policy, preferred), .sub = &preference_table,
	  .cost = RES_COST_SOFT, .help = "nodes that rather answer than others" },
	FIELD_GROUP("gratuitous", F_NATIVE, gratuitous_table),
	FIELD_END,
};
static const struct table l2_spec_table = { l2_spec_fields, 0, NULL };

static const struct field l2_fields[] = {
	FIELDS_HEAD(struct res_l2_policy),
	FIELD_GROUP("spec", F_REQUIRED, l2_spec_table),
	FIELD_ANY("status"),
	FIELD_END,
};
const struct table l2_policy_table = { l2_fields, sizeof(struct res_l2_policy), NULL };
/* clang-format on */
