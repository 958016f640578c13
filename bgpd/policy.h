/*
 * bgpd/policy.h: import and export rules, compiled.  Between the configuration and the RIB: the
 * RIB asks which rule matches a route, then what that rule makes of its attributes; results are
 * kept by the RIB by attribute set and rule.
 *
 * A policy is a deep copy, counted, and equal policies have equal keys.
 */
#ifndef HERALD_BGPD_POLICY_H
#define HERALD_BGPD_POLICY_H

#include "bgpd/attrset.h"
#include "bgpd/bgpd.h"
#include "bgpd/update.h"

struct policy;

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

/*
 * The first rule that matches, or -1.  What rules say about attributes alone is remembered for
 * @set until policy_forget(): call that before sets may have been given new numbers.
 */
int policy_match(struct policy *, const struct attrset_table *, uint32_t set, const struct prefix *,
    enum bgp_source);
void policy_forget(struct policy *);

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
