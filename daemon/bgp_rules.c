/*
 * daemon/bgp_rules.c: import and export rules of documents as the speaker has them, communities among them.
 * Between bgp_wanted.c and bgpd/.
 */
#include "daemon/bgp_wanted.h"

static uint32_t
wild_mask(const struct res_community *c, unsigned at)
{
	return c->wild & 1u << at ? 0 : UINT32_MAX;
}

struct bgp_communities
bgp_communities_of(struct arena *a, const struct res_communities *from)
{
	uint32_t *std = arena_new_n(a, uint32_t, 2 * from->nr);
	uint64_t *ext = arena_new_n(a, uint64_t, 2 * from->nr);
	struct bgp_large *large = arena_new_n(a, struct bgp_large, 2 * from->nr);
	struct bgp_communities to = { .std = std, .ext = ext, .large = large };

	for (size_t i = 0; i < from->nr; i++) {
		const struct res_community *c = &from->v[i];

		switch (c->type) {
		case RES_COMM_STANDARD:
			std[from->nr + to.nr_std] =
			    (wild_mask(c, 0) & 0xffff0000) | (wild_mask(c, 1) & 0xffff);
			std[to.nr_std++] = c->standard;
			break;
		case RES_COMM_EXTENDED:
			/* The last number has 16 bits, behind two octets of AS 32. */
			ext[from->nr + to.nr_ext] = !c->wild ? UINT64_MAX
			    : c->extended >> 56		     ? ~(uint64_t)UINT16_MAX
							     : ~(uint64_t)UINT32_MAX;
			ext[to.nr_ext++] = c->extended;
			break;
		case RES_COMM_LARGE:
			large[from->nr + to.nr_large] =
			    (struct bgp_large){ wild_mask(c, 0), wild_mask(c, 1), wild_mask(c, 2) };
			large[to.nr_large++] =
			    (struct bgp_large){ c->large[0], c->large[1], c->large[2] };
			break;
		}
		if (c->wild) { /* one pattern among them, and all have a mask */
			to.std_mask = std + from->nr;
			to.ext_mask = ext + from->nr;
			to.large_mask = large + from->nr;
		}
	}
	return to;
}

static struct bgp_match
match_of(struct arena *a, const struct res_rule_match *from)
{
	static const enum bgp_source sources[] = { [RES_ORIGIN_PODCIDR] = BGP_SRC_PODCIDR,
		[RES_ORIGIN_SERVICE] = BGP_SRC_SERVICE,
		[RES_ORIGIN_LEARNED] = BGP_SRC_LEARNED };
	struct bgp_prefix_match *prefixes =
	    arena_new_n(a, struct bgp_prefix_match, from->prefixes.nr);
	struct bgp_match to = {
		.prefixes = prefixes,
		.nr_prefixes = from->prefixes.nr,
		.communities = bgp_communities_of(a, &from->communities),
		.as_path = *from->as_path ? from->as_path : NULL,
	};

	for (size_t i = 0; i < from->prefixes.nr; i++)
		prefixes[i] = (struct bgp_prefix_match){ .prefix = from->prefixes.v[i].prefix,
			.ge = from->prefixes.v[i].ge,
			.le = from->prefixes.v[i].le };
	for (size_t i = 0; i < from->families.nr; i++)
		to.families |= BGP_FAMILY_MASK(
		    from->families.v[i] == RES_RULE_IPV4 ? BGP_IPV4_UNICAST : BGP_IPV6_UNICAST);
	for (size_t i = 0; i < from->origin.nr; i++)
		to.sources |= 1u << sources[from->origin.v[i]];
	return to;
}

struct bgp_policy
bgp_policy_of(struct arena *a, const struct res_rules *from)
{
	static const enum bgp_next_hop_action hops[] = { [RES_NEXT_HOP_DEFAULT] = BGP_NH_DEFAULT,
		[RES_NEXT_HOP_SELF] = BGP_NH_SELF,
		[RES_NEXT_HOP_KEEP] = BGP_NH_KEEP,
		[RES_NEXT_HOP_ADDR] = BGP_NH_ADDR };
	struct bgp_rule *rules = arena_new_n(a, struct bgp_rule, from->nr);

	for (size_t i = 0; i < from->nr; i++) {
		const struct res_rule *r = &from->v[i];

		rules[i] = (struct bgp_rule){
			.match = match_of(a, &r->match),
			.accept = r->action == RES_RULE_ACCEPT,
			.set = {
				.has_local_pref = r->set.has_local_preference,
				.local_pref = r->set.local_preference,
				.has_med = r->set.has_med,
				.med = r->set.med,
				.replace = r->set.has_communities,
				.add = bgp_communities_of(a, r->set.has_communities
					? &r->set.communities : &r->set.add),
				.remove = bgp_communities_of(a, &r->set.remove),
				.prepend = r->set.prepend_count,
				.next_hop = hops[r->set.next_hop],
				.next_hop_addr = r->set.next_hop_addr,
			},
		};
	}
	return (struct bgp_policy){ .rules = rules, .nr_rules = from->nr };
}
