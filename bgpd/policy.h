/*
 * bgpd/policy.h: import and export rules, compiled.  Between the configuration and the RIB: the
 * RIB asks which rule matches a route, then what that rule makes of its attributes; results are
 * kept by the RIB by attribute set and rule.
 *
 * A policy is a deep copy, counted, and equal policies have equal keys.
 */
#ifndef HERALD_BGPD_POLICY_H
#define HERALD_BGPD_POLICY_H

#include <jansson.h>
#include <regex.h>

#include "bgpd/attrset.h"
#include "bgpd/bgpd.h"
#include "bgpd/update.h"

struct policy;

/*
 * Compile the AS path expression of a rule: POSIX extended, over the path as "65000 65001 {1,2}", and
 * "_" outside of brackets and without a backslash before it stands for the beginning, the end or
 * what is between two numbers, as other routers have it.  As regcomp(): 0, else free nothing.
 */
int policy_regex(const char *text, regex_t *) __attribute__((warn_unused_result));

/* Does number @i of the list mean this community? */
static inline bool
policy_means_std(const struct bgp_communities *c, size_t i, uint32_t v)
{
	return (c->std_mask ? v & c->std_mask[i] : v) == c->std[i];
}

static inline bool
policy_means_ext(const struct bgp_communities *c, size_t i, uint64_t v)
{
	return (c->ext_mask ? v & c->ext_mask[i] : v) == c->ext[i];
}

static inline bool
policy_means_large(const struct bgp_communities *c, size_t i, const struct bgp_large *v)
{
	static const struct bgp_large all = { UINT32_MAX, UINT32_MAX, UINT32_MAX };
	const struct bgp_large *m = c->large_mask ? &c->large_mask[i] : &all, *w = &c->large[i];

	return (v->global & m->global) == w->global && (v->data1 & m->data1) == w->data1 &&
	    (v->data2 & m->data2) == w->data2;
}

/* Compile.  NULL: no memory.  A regular expression that does not compile (the configuration has
 * been checked before) matches nothing. */
struct policy *policy_new(const struct bgp_policy *);
struct policy *policy_ref(struct policy *);
void policy_unref(struct policy *); /* NULL is fine */
bool policy_eq(const struct policy *, const struct policy *);
size_t policy_nr_rules(const struct policy *);
const struct bgp_rule *policy_rule(const struct policy *, size_t i);
/* Could any rule accept routes of this source? */
bool policy_may_accept(const struct policy *, enum bgp_source);

/* Does some rule ask for the prefix?  If not, routes of a family with the same attributes are all alike. */
bool policy_asks_prefix(const struct policy *);

/*
 * The first rule that matches, or -1.  What rules say about attributes alone is remembered for
 * @set until policy_forget(): call that before sets may have been given new numbers.
 */
int policy_match(struct policy *, const struct attrset_table *, uint32_t set, const struct prefix *,
    enum bgp_source);
void policy_forget(struct policy *);

/* As `bgp route-policies` shows a rule: families, prefixes, match and pathActions are put into @o,
 * whose lists of the first two are there. */
void policy_show_rule(const struct bgp_rule *, json_t *o);

/* Memory for the lists that policy_set() makes, valid until its next call with the same. */
struct policy_room {
	uint8_t *bytes; /* of POLICY_ROOM */
	size_t used;
};
#define POLICY_ROOM (1u << 18)

/*
 * What @rule sets, but the next hop: local preference, MED, communities.  Lists come to lie in
 * @room.  -ENOSPC: more than any message could carry.
 */
int policy_set(const struct bgp_rule *, struct bgp_attrs *, struct policy_room *)
    __attribute__((warn_unused_result));
/* Communities of @c, in wire form, behind what @attrs has. */
int policy_add_communities(const struct bgp_communities *, struct bgp_attrs *, struct policy_room *)
    __attribute__((warn_unused_result));

#endif
