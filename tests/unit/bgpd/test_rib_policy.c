/*
 * tests/unit/bgpd/test_rib_policy.c: what rules, roles and limits of a peer do to routes on their way
 * through the table, by what other peers were sent.
 */
#include "bgpd/rib.h"

#include <errno.h>
#include <string.h>

#include "bgpd/msg.h"
#include "tests/unit/bgpd/ribkit.h"
#include "tests/unit/unit.h"

#define P1 "172.20.1.0/24"
#define P2 "172.20.2.0/24"

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

/* A peer that is told what was learned, by this rule. */
static void
add_relay(unsigned peer, bool ibgp, const struct bgp_rule *rule)
{
	struct kit_conf c;

	kit_conf_init(&c, peer);
	c.export[0] = *rule;
	c.conf.export.nr_rules = 1;
	kit_conf(k, peer, &c);
	kit_up(k, peer, ibgp);
	kit_run(k);
}

static void
announce(unsigned peer, const char *prefix, struct kit_route route)
{
	ck_assert_int_eq(kit_announce(k, peer, prefix, &route, NULL), 0);
	kit_run(k);
}

/* ---- next hops ---- */

/* RFC 4271 5.1.3 lets a speaker keep it when the peer can reach it; who writes the rule knows. */
START_TEST(next_hop_unchanged_to_ebgp)
{
	const struct bgp_rule keep = { .accept = true, .set = { .next_hop = BGP_NH_KEEP } };
	struct bgp_announce a = kit_own(P2);

	kit_add(k, 0, false);
	add_relay(1, false, &keep);
	announce(0, P1, (struct kit_route){ .path = { 65001 }, .next_hop = "10.0.0.77" });
	ck_assert_str_eq(kit_told(k, 1, P1), "igp|65000 65001|10.0.0.77");
	/* But never the peer's own, and what is ours has none to keep. */
	announce(0, P1, (struct kit_route){ .path = { 65001 }, .next_hop = "10.0.0.2" });
	ck_assert_str_eq(kit_told(k, 1, P1), "");
	ck_assert_int_eq(rib_originate(k->rib, "owner", &a, 1), 0);
	kit_run(k);
	ck_assert_str_eq(kit_told(k, 1, P2), "igp|65000|10.0.0.100");
}
END_TEST

START_TEST(next_hop_self_to_ibgp)
{
	const struct bgp_rule self = { .accept = true, .set = { .next_hop = BGP_NH_SELF } };

	kit_add(k, 0, false);
	add_relay(1, true, &self);
	announce(0, P1, (struct kit_route){ .path = { 65001 }, .next_hop = "10.0.0.77" });
	ck_assert_str_eq(kit_told(k, 1, P1), "igp|65001|10.0.0.100|lp 100");
}
END_TEST

/* ---- communities ---- */

START_TEST(communities_replaced_on_the_way_out)
{
	const uint32_t nine = 0x00090009;
	const struct bgp_rule rule = { .accept = true,
		.set = { .replace = true, .add = { .std = &nine, .nr_std = 1 } } };

	kit_add(k, 0, false);
	add_relay(1, false, &rule);
	announce(0, P1, (struct kit_route){ .path = { 65001 }, .communities = { 0x10001 } });
	ck_assert_str_eq(kit_told(k, 1, P1), "igp|65000 65001|10.0.0.100|9:9");
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("rib_policy");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, next_hop_unchanged_to_ebgp);
	tcase_add_test(tc, next_hop_self_to_ibgp);
	tcase_add_test(tc, communities_replaced_on_the_way_out);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("rib_policy", add_tests)
