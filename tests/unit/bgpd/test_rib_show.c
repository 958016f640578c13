/*
 * tests/unit/bgpd/test_rib_show.c: the table and the policies as people are shown them.
 */
#include "bgpd/rib.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/bgpd/ribkit.h"
#include "tests/unit/unit.h"

#define P1 "172.20.1.0/24"

static struct kit *k;

static void
setup(void)
{
	k = kit_new();
}

static void
teardown(void)
{
	kit_free(k);
}

static json_t *
show(enum bgp_show_table table, const char *peer, const struct prefix *prefix)
{
	struct bgp_show_filter f = { .table = table, .family = -1, .peer = peer, .prefix = prefix };
	json_t *list = json_array();

	ck_assert_int_eq(rib_show_routes(k->rib, &f, list), 0);
	return list;
}

static const char *
field(const json_t *list, size_t i, const char *name)
{
	const char *s = json_string_value(json_object_get(json_array_get(list, i), name));

	return s ? s : "";
}

START_TEST(tables_are_shown)
{
	struct bgp_announce a = kit_own("10.99.0.0/24");
	struct prefix p = a.prefix;
	struct kit_conf c;
	json_t *list;

	kit_relay(k, 0, false, NULL);
	kit_conf_init(&c, 1);
	c.conf.import.nr_rules = 0;
	kit_conf(k, 1, &c);
	kit_up(k, 1, false);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001, 7 }, .med = 3 });
	kit_hear(k, 1, P1, (struct kit_route){ .path = { 65002 } });
	kit_own_set(k, &a, 1);

	list = show(BGP_SHOW_AVAILABLE, NULL, NULL);
	ck_assert_uint_eq(json_array_size(list), 2);
	ck_assert_str_eq(field(list, 0, "prefix"), "10.99.0.0/24");
	ck_assert_str_eq(field(list, 0, "nextHop"), "self");
	ck_assert_str_eq(field(list, 1, "peer"), "p0");
	ck_assert_str_eq(field(list, 1, "asPathText"), "65001 7");
	ck_assert(json_is_true(json_object_get(json_array_get(list, 1), "best")));
	json_decref(list);

	list = show(BGP_SHOW_RECEIVED, "p1", NULL);
	ck_assert_uint_eq(json_array_size(list), 1);
	ck_assert_str_eq(field(list, 0, "rejected"), "no-import-rule");
	json_decref(list);

	list = show(BGP_SHOW_ADVERTISED, "10.0.0.1", &p);
	ck_assert_uint_eq(json_array_size(list), 1);
	ck_assert_str_eq(field(list, 0, "nextHop"), "10.0.0.100");
	json_decref(list);

	list = json_array();
	ck_assert_int_eq(rib_show_policies(k->rib, list), 0);
	/* p0's import and export rule, p1 has none, and what is originated as "test". */
	ck_assert_uint_eq(json_array_size(list), 3);
	ck_assert_str_eq(field(list, 2, "name"), "test");
	ck_assert_uint_eq(json_array_size(json_object_get(json_array_get(list, 2), "peers")), 2);
	json_decref(list);
}
END_TEST

/* "a, b, c" of a list of texts. */
static const char *
joined(const json_t *o, const char *key)
{
	static char text[512];
	size_t i, at = 0;
	const json_t *v;

	text[0] = '\0';
	json_array_foreach(json_object_get(o, key), i, v)
	{
		at += (size_t)snprintf(
		    text + at, sizeof(text) - at, "%s%s", i ? ", " : "", json_string_value(v));
	}
	return text;
}

START_TEST(rules_are_shown_as_they_were_compiled)
{
	static const uint32_t std[] = { 0xfde80000, 0xfde80001 }, masks[] = { 0xffff0000, ~0u };
	static const uint64_t ext[] = { 0x0002fde800000007, 0x0102c00002010007, 0x0202fa56ea000007,
		0x030b000000000064, 0x0003fde800000000 };
	static const uint64_t ext_masks[] = { ~0ull, ~0ull, ~0ull, ~0ull, 0xffffffff00000000 };
	static const struct bgp_large large[] = { { 1, 2, 0 } },
				      large_masks[] = { { ~0u, ~0u, 0 } };
	struct bgp_rule in = { .accept = true }, out = { .accept = true };
	struct kit_conf c;
	json_t *list = json_array(), *o;

	in.match.communities =
	    (struct bgp_communities){ .std = std, .nr_std = 2, .std_mask = masks };
	in.match.as_path = "_65010_";
	in.match.families = BGP_FAMILY_MASK(BGP_IPV4_UNICAST);
	in.set = (struct bgp_set){ .replace = true,
		.has_local_pref = true,
		.local_pref = 7,
		.add = { .large = large, .nr_large = 1 } };
	out.match.sources = 1u << BGP_SRC_SERVICE | 1u << BGP_SRC_LEARNED;
	out.set = (struct bgp_set){ .has_med = true,
		.med = 5,
		.prepend = 2,
		.next_hop = BGP_NH_KEEP,
		.remove = { .ext = ext,
		    .nr_ext = 5,
		    .ext_mask = ext_masks,
		    .large = large,
		    .nr_large = 1,
		    .large_mask = large_masks } };
	kit_conf_init(&c, 0);
	c.import[0] = in;
	c.export[0] = out;
	c.conf.export.nr_rules = 1;
	kit_conf(k, 0, &c);
	ck_assert_int_eq(rib_show_policies(k->rib, list), 0);
	o = json_array_get(list, 0);
	ck_assert_str_eq(joined(o, "families"), "ipv4/unicast");
	ck_assert_str_eq(
	    joined(o, "match"), "community 65000:*, community 65000:1, as-path _65010_");
	ck_assert_str_eq(joined(o, "pathActions"), "set-local-preference 7, set-community 1:2:0");
	o = json_array_get(list, 1);
	ck_assert_str_eq(joined(o, "match"), "origin service, origin learned");
	ck_assert_str_eq(joined(o, "pathActions"),
	    "set-med 5, remove-community rt:65000:7, remove-community rt:192.0.2.1:7, "
	    "remove-community rt:4200000000:7, remove-community 0x030b000000000064, "
	    "remove-community ro:65000:*, remove-community 1:2:*, prepend-own-as 2, "
	    "set-next-hop unchanged");
	json_decref(list);
}
END_TEST

/* All there is of a prefix, the longest when it is an address. */
static json_t *
show_all(const char *text)
{
	struct prefix p;
	struct bgp_show_filter f = { .table = BGP_SHOW_AVAILABLE,
		.family = -1,
		.prefix = &p,
		.longest = !strchr(text, '/'),
		.all = true };
	json_t *list = json_array();

	ck_assert_int_eq(prefix_parse(text, &p, NULL), 0);
	ck_assert_int_eq(rib_show_routes(k->rib, &f, list), 0);
	return list;
}

/* What the path of @peer on @prefix is said of. */
static void
check_why(const char *prefix, const char *peer, const char *lost_by, const char *why)
{
	json_t *list = show_all(prefix);
	size_t i = 0;

	while (i < json_array_size(list) && strcmp(field(list, i, "peer"), peer) != 0)
		i++;
	ck_assert_str_eq(field(list, i, "lostBy"), lost_by);
	ck_assert_str_eq(field(list, i, "why"), why);
	json_decref(list);
}

START_TEST(a_prefix_says_why_each_path_is_or_is_not_the_best)
{
	struct kit_conf c;

	kit_relay(k, 0, false, NULL);
	kit_relay(k, 1, false, NULL);
	kit_conf_init(&c, 2);
	c.conf.import.nr_rules = 0;
	kit_conf(k, 2, &c);
	kit_up(k, 2, false);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 } });
	check_why(P1, "p0", "", "best: the only usable path");
	kit_hear(k, 1, P1, (struct kit_route){ .path = { 65002, 7, 8 } });
	check_why(P1, "p0", "", "best: shortest AS path");
	check_why(P1, "p1", "as-path-length", "lost by: longer AS path: 3, the best has 1");
	kit_hear(k, 1, P1, (struct kit_route){ .path = { 65002 } });
	check_why(P1, "p1", "router-id",
	    "shares the load; not first: higher router ID: 1.1.1.2, the best has 1.1.1.1");
	kit_hear(k, 2, P1, (struct kit_route){ .path = { 65003 } });
	check_why(
	    P1, "p2", "", "not usable: no import rule matches, so it is not accepted (RFC 8212)");
}
END_TEST

START_TEST(our_own_wins_in_words)
{
	struct bgp_announce a = kit_own(P1);

	kit_relay(k, 0, false, NULL);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 } });
	kit_own_set(k, &a, 1);
	check_why(P1, "p0", "local", "lost by: a route of our own wins");
	check_why(P1, "", "", "best: our own");
}
END_TEST

START_TEST(an_address_stands_for_the_longest_prefix_with_a_route)
{
	struct kit_conf c;
	json_t *list;

	kit_relay(k, 0, false, NULL);
	kit_conf_init(&c, 1);
	c.conf.import.nr_rules = 0;
	kit_conf(k, 1, &c);
	kit_up(k, 1, false);
	kit_hear(k, 0, "172.16.0.0/12", (struct kit_route){ .path = { 65001 } });
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 } });
	kit_hear(k, 1, "172.20.1.128/25", (struct kit_route){ .path = { 65002 } });
	list = show_all("172.20.1.7");
	ck_assert_uint_eq(json_array_size(list), 1);
	ck_assert_str_eq(field(list, 0, "prefix"), P1);
	json_decref(list);
	/* a longer one that may not be used is named, but is not the answer */
	list = show_all("172.20.1.200");
	ck_assert_uint_eq(json_array_size(list), 2);
	ck_assert_str_eq(field(list, 0, "rejected"), "no-import-rule");
	ck_assert_str_eq(field(list, 1, "prefix"), P1);
	json_decref(list);
	list = show_all("172.21.0.1");
	ck_assert_str_eq(field(list, 0, "prefix"), "172.16.0.0/12");
	json_decref(list);
	list = show_all("192.0.2.1");
	ck_assert_uint_eq(json_array_size(list), 0);
	json_decref(list);
}
END_TEST

START_TEST(a_table_without_peers)
{
	struct bgp_announce a = kit_own(P1);
	json_t *list;

	kit_own_set(k, &a, 1);
	list = show(BGP_SHOW_AVAILABLE, NULL, NULL);
	ck_assert_uint_eq(json_array_size(list), 1);
	json_decref(list);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("rib-show");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, tables_are_shown);
	tcase_add_test(tc, a_table_without_peers);
	tcase_add_test(tc, rules_are_shown_as_they_were_compiled);
	tcase_add_test(tc, a_prefix_says_why_each_path_is_or_is_not_the_best);
	tcase_add_test(tc, our_own_wins_in_words);
	tcase_add_test(tc, an_address_stands_for_the_longest_prefix_with_a_route);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("rib-show", add_tests)
