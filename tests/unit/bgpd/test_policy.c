/*
 * tests/unit/bgpd/test_policy.c: what rules match, what they set, and when policies are equal;
 * and the interned attribute sets that they work on.
 */
#include "bgpd/policy.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "tests/unit/unit.h"

static struct attrset_table sets;

static void
setup(void)
{
	attrset_table_init(&sets);
}

static void
teardown(void)
{
	ck_assert_uint_eq(sets.nr, 0); /* every reference was given back */
	attrset_table_fini(&sets);
}

/* AS_PATH 65000 65001 {7}, communities 1:1 and 2:2, an extended and a large one. */
static const uint8_t path[] = { 2, 2, 0, 0, 0xfd, 0xe8, 0, 0, 0xfd, 0xe9, 1, 1, 0, 0, 0, 7 };
static const uint8_t communities[] = { 0, 1, 0, 1, 0, 2, 0, 2 };
static const uint8_t ext[] = { 0, 2, 0, 1, 0, 0, 0, 9 };
static const uint8_t large[] = { 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3 };

static struct bgp_attrs
route(void)
{
	return (struct bgp_attrs){
		.next_hop = { .b = { 10, 0, 0, 1 }, .family = ADDR_V4 },
		.as_path = { path, sizeof(path) },
		.communities = { communities, sizeof(communities) },
		.ext_communities = { ext, sizeof(ext) },
		.large_communities = { large, sizeof(large) },
	};
}

static struct prefix
pf(const char *text)
{
	struct prefix p;

	ck_assert_int_eq(prefix_parse(text, &p, NULL), 0);
	return p;
}

/* Does the rule with this match take the route? */
static bool
takes(const struct bgp_match *m, const char *prefix, enum bgp_source source)
{
	struct bgp_rule rule = { .match = *m, .accept = true };
	struct bgp_policy conf = { &rule, 1 };
	struct policy *p = policy_new(&conf);
	struct bgp_attrs a = route();
	uint32_t set = attrset_intern(&sets, &a);
	struct prefix x = pf(prefix);
	int got = policy_match(p, &sets, set, &x, source);

	ck_assert_int_eq(policy_match(p, &sets, set, &x, source), got); /* remembered */
	policy_unref(p);
	attrset_unref(&sets, set);
	return got == 0;
}

START_TEST(prefixes_by_ge_and_le)
{
	static const struct {
		const char *in;
		uint8_t ge, le;
		const char *prefix;
		bool takes;
	} cases[] = {
		{ "172.20.0.0/16", 24, 24, "172.20.1.0/24", true },
		{ "172.20.0.0/16", 24, 24, "172.20.1.0/25", false },
		{ "172.20.0.0/16", 24, 24, "172.20.0.0/16", false },
		{ "172.20.0.0/16", 24, 24, "172.21.1.0/24", false },
		{ "172.20.0.0/16", 16, 16, "172.20.0.0/16", true },
		{ "172.20.0.0/16", 16, 32, "172.20.1.2/32", true },
		{ "172.20.0.0/16", 16, 32, "172.0.0.0/8", false },
		{ "0.0.0.0/0", 0, 32, "1.2.3.4/32", true },
		{ "0.0.0.0/0", 0, 0, "0.0.0.0/0", true },
		{ "0.0.0.0/0", 0, 0, "1.0.0.0/8", false },
		{ "0.0.0.0/0", 0, 32, "2001:db8::/32", false },
		{ "2001:db8::/32", 48, 64, "2001:db8:1::/48", true },
		{ "2001:db8::/32", 48, 64, "2001:db8:1::/65", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bgp_prefix_match pm = { pf(cases[i].in), cases[i].ge, cases[i].le };
		struct bgp_match m = { .prefixes = &pm, .nr_prefixes = 1 };

		ck_assert_msg(
		    takes(&m, cases[i].prefix, BGP_SRC_LEARNED) == cases[i].takes, "case %zu", i);
	}
}
END_TEST

START_TEST(any_prefix_of_the_list)
{
	struct bgp_prefix_match pm[2] = { { pf("10.0.0.0/8"), 8, 8 },
		{ pf("172.16.0.0/12"), 12, 32 } };
	struct bgp_match m = { .prefixes = pm, .nr_prefixes = 2 };

	ck_assert(takes(&m, "172.16.5.0/24", BGP_SRC_LEARNED));
	ck_assert(takes(&m, "10.0.0.0/8", BGP_SRC_LEARNED));
	ck_assert(!takes(&m, "10.0.0.0/9", BGP_SRC_LEARNED));
}
END_TEST

START_TEST(communities_of_three_kinds)
{
	const uint32_t std[] = { 0x00090009, 0x00020002 }, std_no[] = { 0x00020001 };
	const uint64_t x[] = { 0x0002000100000009 }, x_no[] = { 0x0002000100000008 };
	const struct bgp_large l[] = { { 1, 2, 3 } }, l_no[] = { { 3, 2, 1 } };
	const struct {
		struct bgp_communities c;
		bool takes;
	} cases[] = {
		{ { .std = std, .nr_std = 2 }, true },
		{ { .std = std_no, .nr_std = 1 }, false },
		{ { .ext = x, .nr_ext = 1 }, true },
		{ { .ext = x_no, .nr_ext = 1 }, false },
		{ { .large = l, .nr_large = 1 }, true },
		{ { .large = l_no, .nr_large = 1 }, false },
		{ { .std = std_no, .nr_std = 1, .large = l, .nr_large = 1 }, true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bgp_match m = { .communities = cases[i].c };

		ck_assert_msg(
		    takes(&m, "10.0.0.0/8", BGP_SRC_LEARNED) == cases[i].takes, "case %zu", i);
	}
}
END_TEST

START_TEST(as_path_by_regular_expression)
{
	static const struct {
		const char *re;
		bool takes;
	} cases[] = {
		{ "^65000", true }, { "^65001", false }, { "65001", true },
		{ "^65000 65001 ", true }, { "\\{7\\}$", true }, { "^$", false },
		{ "(", false }, /* does not compile: matches nothing */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bgp_match m = { .as_path = cases[i].re };

		ck_assert_msg(
		    takes(&m, "10.0.0.0/8", BGP_SRC_LEARNED) == cases[i].takes, "%s", cases[i].re);
	}
}
END_TEST

/* The path is "65000 65001 {7}". */
START_TEST(an_underscore_is_a_boundary)
{
	static const struct {
		const char *re;
		bool takes;
	} cases[] = {
		{ "_65001_", true }, { "_6500_", false }, { "_5001", false }, { "^65000_", true },
		{ "_65000_65001_", true }, { "_7_", true }, { "_7_$", true }, { "^_65000", true },
		{ "65000_65001", true }, { "\\_", false }, { "[_]", false }, { "[^_]", true },
		{ "[]_]", false }, { "[[:digit:]_]7", false }, { "[[:digit:]]_[[:digit:]]", true },
		{ "_(65001|1)_", true }, { "[_", false }, /* does not compile */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bgp_match m = { .as_path = cases[i].re };

		ck_assert_msg(
		    takes(&m, "10.0.0.0/8", BGP_SRC_LEARNED) == cases[i].takes, "%s", cases[i].re);
	}
}
END_TEST

/* Communities 1:1 and 2:2, extended 0x0002000100000009, large 1:2:3. */
START_TEST(patterns_of_communities)
{
	const uint32_t one[] = { 0x00030000, 0x00020000 }, high[] = { 0, 0xffff0000 };
	const uint32_t no[] = { 0x00030000 }, no_mask[] = { 0xffff0000 };
	const uint64_t x[] = { 0x0002000100000000 }, x_mask[] = { 0xffffffff00000000 };
	const uint64_t x_no[] = { 0x0003000100000000 };
	const struct bgp_large l[] = { { 1, 0, 3 } }, l_mask[] = { { ~0u, 0, ~0u } };
	const struct bgp_large l_no[] = { { 1, 0, 2 } };
	const uint32_t mixed_mask[] = { ~0u, 0xffff0000 };
	const struct {
		struct bgp_communities c;
		bool takes;
	} cases[] = {
		{ { .std = one, .nr_std = 2, .std_mask = mixed_mask }, true },
		{ { .std = no, .nr_std = 1, .std_mask = no_mask }, false },
		{ { .std = high, .nr_std = 1, .std_mask = high }, true }, /* mask 0: any */
		{ { .ext = x, .nr_ext = 1, .ext_mask = x_mask }, true },
		{ { .ext = x_no, .nr_ext = 1, .ext_mask = x_mask }, false },
		{ { .large = l, .nr_large = 1, .large_mask = l_mask }, true },
		{ { .large = l_no, .nr_large = 1, .large_mask = l_mask }, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bgp_match m = { .communities = cases[i].c };

		ck_assert_msg(
		    takes(&m, "10.0.0.0/8", BGP_SRC_LEARNED) == cases[i].takes, "case %zu", i);
	}
}
END_TEST

/* Long lists are compiled; what they mean is the same. */
START_TEST(long_lists_of_prefixes)
{
	struct bgp_prefix_match pm[40];
	struct bgp_match m = { .prefixes = pm, .nr_prefixes = 40 };

	for (unsigned i = 0; i < 40; i++) {
		pm[i] = (struct bgp_prefix_match){ pf("10.0.0.0/16"), 20, 24 };
		pm[i].prefix.addr.b[1] = (uint8_t)i;
	}
	ck_assert(takes(&m, "10.39.8.0/24", BGP_SRC_LEARNED));
	ck_assert(!takes(&m, "10.39.8.0/25", BGP_SRC_LEARNED));
	ck_assert(!takes(&m, "10.40.8.0/24", BGP_SRC_LEARNED));
	ck_assert(!takes(&m, "a00::/24", BGP_SRC_LEARNED));
}
END_TEST

START_TEST(families_and_sources)
{
	struct bgp_match v6 = { .families = BGP_FAMILY_MASK(BGP_IPV6_UNICAST) };
	struct bgp_match svc = { .sources = 1u << BGP_SRC_SERVICE };

	ck_assert(takes(&v6, "2001:db8::/32", BGP_SRC_LEARNED));
	ck_assert(!takes(&v6, "10.0.0.0/8", BGP_SRC_LEARNED));
	ck_assert(takes(&svc, "10.0.0.0/8", BGP_SRC_SERVICE));
	ck_assert(!takes(&svc, "10.0.0.0/8", BGP_SRC_PODCIDR));
}
END_TEST

START_TEST(the_first_match_decides)
{
	struct bgp_rule rules[3] = { 0 };
	struct bgp_policy conf = { rules, 3 };
	struct prefix v4 = pf("10.0.0.0/8"), v6 = pf("2001:db8::/32");
	struct bgp_attrs a = route();
	uint32_t set = attrset_intern(&sets, &a);
	struct policy *p;

	rules[0].match.families = BGP_FAMILY_MASK(BGP_IPV6_UNICAST);
	rules[1].match.sources = 1u << BGP_SRC_LEARNED;
	rules[2].accept = true;
	p = policy_new(&conf);
	ck_assert_int_eq(policy_match(p, &sets, set, &v6, BGP_SRC_SERVICE), 0);
	ck_assert_int_eq(policy_match(p, &sets, set, &v4, BGP_SRC_LEARNED), 1);
	ck_assert_int_eq(policy_match(p, &sets, set, &v4, BGP_SRC_SERVICE), 2);
	ck_assert(!policy_may_accept(p, BGP_SRC_LEARNED) || rules[2].match.sources == 0);
	policy_unref(p);
	rules[2].match.sources = 1u << BGP_SRC_SERVICE;
	p = policy_new(&conf);
	ck_assert_int_eq(policy_match(p, &sets, set, &v4, BGP_SRC_PODCIDR), -1);
	ck_assert(!policy_may_accept(p, BGP_SRC_LEARNED));
	ck_assert(policy_may_accept(p, BGP_SRC_SERVICE));
	policy_unref(p);
	attrset_unref(&sets, set);
}
END_TEST

START_TEST(rules_set_what_they_say)
{
	static const uint8_t want[] = { 0, 1, 0, 1, 0, 9, 0, 9 };
	static const uint8_t want_large[] = { 0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0, 7 };
	const uint32_t add = 0x00090009, del = 0x00020002;
	const struct bgp_large add_l = { 5, 6, 7 }, del_l = { 1, 2, 3 };
	const uint64_t del_x = 0x0002000100000009;
	struct bgp_rule r = { .accept = true };
	struct policy_room room = { .bytes = malloc(POLICY_ROOM) };
	struct bgp_attrs a = route(), b;
	uint32_t set;

	r.set.has_local_pref = r.set.has_med = true;
	r.set.local_pref = 200;
	r.set.med = 10;
	r.set.add =
	    (struct bgp_communities){ .std = &add, .nr_std = 1, .large = &add_l, .nr_large = 1 };
	r.set.remove = (struct bgp_communities){
		.std = &del, .nr_std = 1, .ext = &del_x, .nr_ext = 1, .large = &del_l, .nr_large = 1
	};
	ck_assert_int_eq(policy_set(&r, &a, &room), 0);
	set = attrset_intern(&sets, &a);
	attrset_view(&sets, set, &b);
	ck_assert_uint_eq(b.local_pref, 200);
	ck_assert_uint_eq(b.med, 10);
	ck_assert_uint_eq(b.communities.len, sizeof(want));
	ck_assert_mem_eq(b.communities.p, want, sizeof(want));
	ck_assert_uint_eq(b.ext_communities.len, 0);
	ck_assert_uint_eq(b.large_communities.len, sizeof(want_large));
	ck_assert_mem_eq(b.large_communities.p, want_large, sizeof(want_large));
	attrset_unref(&sets, set);
	free(room.bytes);
}
END_TEST

/* The communities that are left of 1:1 and 2:2, the extended and the large one. */
static struct bgp_attrs
after(const struct bgp_set *set, struct policy_room *room)
{
	struct bgp_rule r = { .accept = true, .set = *set };
	struct bgp_attrs a = route();

	room->used = 0;
	ck_assert_int_eq(policy_set(&r, &a, room), 0);
	return a;
}

START_TEST(patterns_take_away)
{
	static const uint8_t left[] = { 0, 2, 0, 2 };
	const uint32_t one = 0x00010000, mask = 0xffff0000;
	const uint64_t any = 0, none = 0;
	const struct bgp_large l = { 1, 0, 0 }, l_mask = { ~0u, 0, 0 };
	struct policy_room room = { .bytes = malloc(POLICY_ROOM) };
	struct bgp_set set = { .remove = { .std = &one,
				   .nr_std = 1,
				   .std_mask = &mask,
				   .ext = &any,
				   .nr_ext = 1,
				   .ext_mask = &none,
				   .large = &l,
				   .nr_large = 1,
				   .large_mask = &l_mask } };
	struct bgp_attrs a = after(&set, &room);

	ck_assert_uint_eq(a.communities.len, sizeof(left));
	ck_assert_mem_eq(a.communities.p, left, sizeof(left));
	ck_assert_uint_eq(a.ext_communities.len, 0);
	ck_assert_uint_eq(a.large_communities.len, 0);
	free(room.bytes);
}
END_TEST

START_TEST(replacing_leaves_only_what_is_set)
{
	static const uint8_t want[] = { 0, 9, 0, 9 };
	const uint32_t nine = 0x00090009;
	struct policy_room room = { .bytes = malloc(POLICY_ROOM) };
	struct bgp_set set = { .replace = true, .add = { .std = &nine, .nr_std = 1 } };
	struct bgp_attrs a = after(&set, &room);

	ck_assert_uint_eq(a.communities.len, sizeof(want));
	ck_assert_mem_eq(a.communities.p, want, sizeof(want));
	ck_assert_uint_eq(a.ext_communities.len, 0);
	ck_assert_uint_eq(a.large_communities.len, 0);
	set.add.nr_std = 0; /* in place of all: nothing */
	a = after(&set, &room);
	ck_assert_uint_eq(a.communities.len, 0);
	free(room.bytes);
}
END_TEST

START_TEST(equal_policies_are_equal)
{
	const uint32_t c1 = 1, c2 = 2;
	struct bgp_prefix_match pm1 = { pf("10.0.0.0/8"), 8, 8 }, pm2 = { pf("10.0.0.0/8"), 8, 9 };
	struct bgp_rule a = { .accept = true }, b = a;
	struct bgp_policy ca = { &a, 1 }, cb = { &b, 1 };
	struct policy *p, *q;

	a.match.prefixes = b.match.prefixes = &pm1;
	a.match.nr_prefixes = b.match.nr_prefixes = 1;
	a.set.add = b.set.add = (struct bgp_communities){ .std = &c1, .nr_std = 1 };
	p = policy_new(&ca);
	q = policy_new(&cb);
	ck_assert(policy_eq(p, q));
	policy_unref(q);
	b.set.add.std = &c2;
	q = policy_new(&cb);
	ck_assert(!policy_eq(p, q));
	policy_unref(q);
	b.set.add.std = &c1;
	b.match.prefixes = &pm2;
	q = policy_new(&cb);
	ck_assert(!policy_eq(p, q));
	policy_unref(q);
	b.match.prefixes = &pm1;
	b.match.as_path = "";
	q = policy_new(&cb);
	ck_assert(!policy_eq(p, q));
	policy_unref(q);
	b.match.as_path = NULL;
	b.set.add.std_mask = &c2;
	q = policy_new(&cb);
	ck_assert(!policy_eq(p, q));
	policy_unref(q);
	b.set.add.std_mask = NULL;
	b.set.replace = true;
	q = policy_new(&cb);
	ck_assert(!policy_eq(p, q));
	policy_unref(q);
	policy_unref(p);
}
END_TEST

START_TEST(memory_runs_out)
{
	const uint32_t c = 1;
	struct bgp_prefix_match pm[8];
	struct bgp_rule r = { .accept = true };
	struct bgp_policy conf = { &r, 1 };
	struct policy *p = NULL;
	unsigned nth = 0;

	for (int i = 0; i < 8; i++)
		pm[i] = (struct bgp_prefix_match){ pf("10.0.0.0/8"), 8, 8 };
	r.match.prefixes = pm;
	r.match.nr_prefixes = 8;
	r.match.as_path = "^1";
	r.match.communities = r.set.add = r.set.remove =
	    (struct bgp_communities){ .std = &c, .nr_std = 1, .std_mask = &c };
	while (!p && nth < 100) {
		mem_fail_at(++nth);
		p = policy_new(&conf);
		mem_fail_at(0);
	}
	ck_assert_uint_gt(nth, 12);
	ck_assert_ptr_nonnull(p);
	policy_unref(p);
}
END_TEST

/* ---- attribute sets ---- */

START_TEST(equal_attributes_have_one_number)
{
	static const uint8_t mixed[] = { 0, 2, 0, 2, 0, 1, 0, 1, 0, 2, 0, 2 };
	struct bgp_attrs a = route(), b = route(), v;
	uint32_t x = attrset_intern(&sets, &a), y;

	b.communities = (struct bgp_span){ mixed, sizeof(mixed) };
	y = attrset_intern(&sets, &b);
	ck_assert_uint_eq(x, y);
	ck_assert_uint_eq(attrset_at(&sets, x)->refs, 2);
	ck_assert_uint_eq(attrset_at(&sets, x)->path_len, 3);
	ck_assert_uint_eq(attrset_at(&sets, x)->neighbour_as, 65000);
	attrset_view(&sets, x, &v);
	ck_assert_mem_eq(v.communities.p, communities, sizeof(communities));
	ck_assert_mem_eq(v.as_path.p, path, sizeof(path));
	ck_assert(addr_eq(&v.next_hop, &a.next_hop));
	b.has_med = true; /* a MED of 0 is not no MED */
	y = attrset_intern(&sets, &b);
	ck_assert_uint_ne(x, y);
	attrset_unref(&sets, x);
	attrset_unref(&sets, x);
	attrset_unref(&sets, y);
	attrset_unref(&sets, 0);
}
END_TEST

/* Every field alone makes another set, and comes back as it was. */
START_TEST(every_field_counts)
{
	struct bgp_attrs all[14], v;
	uint32_t n[14];

	for (int i = 0; i < 14; i++)
		all[i] = route();
	all[1].origin = BGP_ORIGIN_EGP;
	all[2].has_med = true;
	all[2].med = 7;
	all[3].has_local_pref = true;
	all[3].local_pref = 7;
	all[4].atomic_aggregate = true;
	all[5].has_aggregator = true;
	all[5].aggregator_as = 1;
	all[5].aggregator_id = 2;
	all[6].has_originator_id = true;
	all[6].originator_id = 7;
	all[7].has_otc = true;
	all[7].otc = 7;
	all[8].next_hop.b[3] = 2;
	all[9].next_hop_ll = (struct addr){ .b = { 0xfe, 0x80 }, .family = ADDR_V6 };
	all[10].as_path.len = 10;
	all[11].cluster_list = (struct bgp_span){ communities, 4 };
	all[12].unknown = (struct bgp_span){ communities, 4 };
	all[13].communities.len = 0;
	for (int i = 0; i < 14; i++) {
		n[i] = attrset_intern(&sets, &all[i]);
		for (int j = 0; j < i; j++)
			ck_assert_uint_ne(n[i], n[j]);
	}
	for (int i = 0; i < 14; i++) {
		attrset_view(&sets, n[i], &v);
		ck_assert_uint_eq(v.origin, all[i].origin);
		ck_assert_uint_eq(v.med, all[i].med);
		ck_assert_uint_eq(v.local_pref, all[i].local_pref);
		ck_assert_int_eq(v.atomic_aggregate, all[i].atomic_aggregate);
		ck_assert_uint_eq(v.aggregator_as, all[i].aggregator_as);
		ck_assert_uint_eq(v.aggregator_id, all[i].aggregator_id);
		ck_assert_uint_eq(v.originator_id, all[i].originator_id);
		ck_assert_uint_eq(v.otc, all[i].otc);
		ck_assert(addr_eq(&v.next_hop, &all[i].next_hop));
		ck_assert(addr_eq(&v.next_hop_ll, &all[i].next_hop_ll));
		ck_assert_uint_eq(v.as_path.len, all[i].as_path.len);
		ck_assert_uint_eq(v.cluster_list.len, all[i].cluster_list.len);
		ck_assert_uint_eq(v.unknown.len, all[i].unknown.len);
		attrset_unref(&sets, n[i]);
	}
}
END_TEST

START_TEST(many_sets_come_and_go)
{
	uint32_t numbers[3000] = { 0 };
	struct bgp_attrs a = { 0 };
	unsigned long rnd = 1;

	for (int i = 0; i < 200000; i++) {
		unsigned n;

		rnd = rnd * 6364136223846793005ul + 1442695040888963407ul;
		n = (unsigned)(rnd >> 33) % 3000;
		a.has_med = true;
		a.med = n;
		if (numbers[n]) {
			ck_assert_uint_eq(attrset_intern(&sets, &a), numbers[n]);
			attrset_unref(&sets, numbers[n]);
			attrset_unref(&sets, numbers[n]);
			numbers[n] = 0;
		} else {
			numbers[n] = attrset_intern(&sets, &a);
			ck_assert_uint_ne(numbers[n], 0);
		}
	}
	for (int i = 0; i < 3000; i++)
		attrset_unref(&sets, numbers[i]);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("policy");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, prefixes_by_ge_and_le);
	tcase_add_test(tc, any_prefix_of_the_list);
	tcase_add_test(tc, communities_of_three_kinds);
	tcase_add_test(tc, as_path_by_regular_expression);
	tcase_add_test(tc, an_underscore_is_a_boundary);
	tcase_add_test(tc, patterns_of_communities);
	tcase_add_test(tc, long_lists_of_prefixes);
	tcase_add_test(tc, families_and_sources);
	tcase_add_test(tc, the_first_match_decides);
	tcase_add_test(tc, rules_set_what_they_say);
	tcase_add_test(tc, patterns_take_away);
	tcase_add_test(tc, replacing_leaves_only_what_is_set);
	tcase_add_test(tc, equal_policies_are_equal);
	tcase_add_test(tc, memory_runs_out);
	tcase_add_test(tc, equal_attributes_have_one_number);
	tcase_add_test(tc, every_field_counts);
	tcase_add_test(tc, many_sets_come_and_go);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("policy", add_tests)
