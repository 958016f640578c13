/*
 * resource/tab_rules.c: the table of import and export rules; see rules.h.
 */
#include "resource/collect.h"
#include "resource/tables.h"

/* RFC 4271 has no word on these; they are what every router's prefix list means. */
static void
rule_prefix_check(struct decoder *d, const struct node *map, void *at)
{
	struct res_rule_prefix *p = at;
	unsigned max = addr_bits((enum addr_family)p->prefix.addr.family);

	if (!map)
		return;
	if (p->has_ge && (p->ge < p->prefix.len || p->ge > max))
		decode_fault(d, map, "ge", "%u: must be %u to %u", p->ge, p->prefix.len, max);
	else if (p->has_le && (p->le < (p->has_ge ? p->ge : p->prefix.len) || p->le > max))
		decode_fault(d, map, "le", "%u: must be %u to %u", p->le,
		    p->has_ge ? p->ge : p->prefix.len, max);
	if (!p->has_le)
		p->le = p->has_ge ? (uint8_t)max : p->prefix.len;
	if (!p->has_ge)
		p->ge = p->prefix.len;
}

/* What replaces everything leaves nothing to add to or take from. */
static void
set_communities_check(struct decoder *d, const struct node *map, void *at)
{
	const struct res_rule_set *s = at;

	if (map && s->has_communities && (s->add.nr || s->remove.nr))
		decode_fault(d, map, "set", "must be absent: there is add or remove beside it");
}

void
rules_check_import(
    struct decoder *d, const struct node *map, const char *name, const struct res_rules *rules)
{
	for (size_t i = 0; map && i < rules->nr; i++) {
		if (rules->v[i].match.origin.nr)
			decode_fault_item(d, map, name, i,
			    "match.origin must be absent: what is imported is always learned");
		if (rules->v[i].set.next_hop == RES_NEXT_HOP_SELF)
			decode_fault_item(d, map, name, i,
			    "set.nextHop must not be self: that is for what is sent");
	}
}

#define COMMUNITIES ((1u << RES_COMM_STANDARD) | (1u << RES_COMM_EXTENDED) | (1u << RES_COMM_LARGE))
#define PATTERNS (COMMUNITIES | 1u << RES_COMM_PATTERN)
#define COMMUNITY_RIGHT                                                                            \
	"a community: N, N:N, N:N:N, rt:N:N, ro:N:N or a well-known name such as no-export"
#define PATTERN_RIGHT COMMUNITY_RIGHT "; * for a number"

/* clang-format off */
static const char *const origin_words[] = { "podCIDR", "service", "learned", NULL };
static const char *const rule_family_words[] = { "ipv4", "ipv6", NULL };
static const char *const action_words[] = { "accept", "reject", NULL };

static const struct field rule_prefix_fields[] = {
	{ "prefix", T_PREFIX, F_REQUIRED, FIELD_AT(struct res_rule_prefix, prefix),
	  .cost = RES_COST_SOFT, .help = "it and what lies in it" },
	{ "ge", T_UINT, F_HAS, FIELD_AT(struct res_rule_prefix, ge),
	  FIELD_HAS(struct res_rule_prefix, has_ge), .max = 128, .cost = RES_COST_SOFT,
	  .help = "shortest length that matches" },
	{ "le", T_UINT, F_HAS, FIELD_AT(struct res_rule_prefix, le),
	  FIELD_HAS(struct res_rule_prefix, has_le), .max = 128, .cost = RES_COST_SOFT,
	  .help = "longest length that matches" },
	FIELD_END,
};
static const struct table rule_prefix_table = { rule_prefix_fields, sizeof(struct res_rule_prefix),
	rule_prefix_check };

static const struct field match_fields[] = {
	{ "prefixes", T_STRUCT, F_LIST, FIELD_LIST_AT(struct res_rule_match, prefixes),
	  .sub = &rule_prefix_table, .cost = RES_COST_SOFT, .help = "one of these" },
	{ "communities", T_COMMUNITY, F_LIST, .offset = offsetof(struct res_rule_match, communities),
	  .size = sizeof(struct res_community), .max = PATTERNS, .right = PATTERN_RIGHT,
	  .cost = RES_COST_SOFT, .help = "any of these; * for any number" },
	{ "asPath", T_REGEX, 0, FIELD_AT(struct res_rule_match, as_path), .cost = RES_COST_SOFT,
	  .help = "regular expression over the path as \"65000 65001\"; _ for a boundary" },
	{ "families", T_ENUM, F_LIST | F_ONE_OR_LIST, FIELD_LIST_AT(struct res_rule_match, families),
	  .words = rule_family_words, .cost = RES_COST_SOFT, .help = "ipv4 or ipv6" },
	{ "origin", T_ENUM, F_LIST | F_ONE_OR_LIST, FIELD_LIST_AT(struct res_rule_match, origin),
	  .words = origin_words, .cost = RES_COST_SOFT, .help = "where the route comes from (export)" },
	FIELD_END,
};
static const struct table match_table = { match_fields, sizeof(struct res_rule_match), NULL };

static const struct field set_communities_fields[] = {
	{ "set", T_COMMUNITY, F_LIST | F_HAS, .offset = offsetof(struct res_rule_set, communities),
	  .size = sizeof(struct res_community), FIELD_HAS(struct res_rule_set, has_communities),
	  .max = COMMUNITIES, .right = COMMUNITY_RIGHT, .cost = RES_COST_SOFT,
	  .help = "these in place of all of every kind; []: none" },
	{ "add", T_COMMUNITY, F_LIST, .offset = offsetof(struct res_rule_set, add),
	  .size = sizeof(struct res_community), .max = COMMUNITIES, .right = COMMUNITY_RIGHT,
	  .cost = RES_COST_SOFT, .help = "add these" },
	{ "remove", T_COMMUNITY, F_LIST, .offset = offsetof(struct res_rule_set, remove),
	  .size = sizeof(struct res_community), .max = PATTERNS, .right = PATTERN_RIGHT,
	  .cost = RES_COST_SOFT, .help = "take these away; * for any number" },
	FIELD_END,
};
static const struct table set_communities_table = { set_communities_fields, 0,
	set_communities_check };

static const struct field prepend_fields[] = {
	{ "count", T_UINT, F_REQUIRED, FIELD_AT(struct res_rule_set, prepend_count), .max = 64,
	  .cost = RES_COST_SOFT, .help = "our own AS, this many times more, to peers of other AS" },
	FIELD_END,
};
static const struct table prepend_table = { prepend_fields, 0, NULL };

static const struct field set_fields[] = {
	{ "localPreference", T_UINT, F_HAS, FIELD_AT(struct res_rule_set, local_preference),
	  FIELD_HAS(struct res_rule_set, has_local_preference), .max = UINT32_FULL,
	  .cost = RES_COST_SOFT, .help = "LOCAL_PREF" },
	{ "med", T_UINT, F_HAS, FIELD_AT(struct res_rule_set, med),
	  FIELD_HAS(struct res_rule_set, has_med), .max = UINT32_FULL, .cost = RES_COST_SOFT,
	  .help = "MULTI_EXIT_DISC" },
	FIELD_GROUP("communities", 0, set_communities_table),
	FIELD_GROUP("prepend", 0, prepend_table),
	{ "nextHop", T_NEXT_HOP, 0, .offset = 0, .size = sizeof(struct res_rule_set),
	  .cost = RES_COST_SOFT, .help = "self, unchanged (also: keep) or an address" },
	FIELD_END,
};
static const struct table set_table = { set_fields, sizeof(struct res_rule_set), NULL };

static const struct field rule_fields[] = {
	{ "match", T_STRUCT, 0, FIELD_AT(struct res_rule, match), .sub = &match_table,
	  .help = "absent: every route" },
	{ "action", T_ENUM, F_REQUIRED, FIELD_AT(struct res_rule, action), .words = action_words,
	  .cost = RES_COST_SOFT, .help = "accept or reject" },
	{ "set", T_STRUCT, 0, FIELD_AT(struct res_rule, set), .sub = &set_table,
	  .help = "change what is accepted" },
	FIELD_END,
};
const struct table rule_table = { rule_fields, sizeof(struct res_rule), NULL };
/* clang-format on */
