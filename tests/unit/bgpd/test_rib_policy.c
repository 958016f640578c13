/*
 * tests/unit/bgpd/test_rib_policy.c: what rules, roles and limits of a peer do to routes on their way
 * through the table, by what other peers were sent.
 */
#include "bgpd/rib.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bgpd/msg.h"
#include "tests/unit/bgpd/ribkit.h"
#include "tests/unit/unit.h"

#define NR(a) (int)(sizeof(a) / sizeof((a)[0]))
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

/* ---- next hops ---- */

/* RFC 4271 5.1.3 lets a speaker keep it when the peer can reach it; who writes the rule knows. */
START_TEST(next_hop_unchanged_to_ebgp)
{
	const struct bgp_rule keep = { .accept = true, .set = { .next_hop = BGP_NH_KEEP } };
	struct bgp_announce a = kit_own(P2);

	kit_add(k, 0, false);
	kit_relay(k, 1, false, &keep);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 }, .next_hop = "10.0.0.77" });
	ck_assert_str_eq(kit_told(k, 1, P1), "igp|65000 65001|10.0.0.77");
	/* But never the peer's own, and what is ours has none to keep. */
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 }, .next_hop = "10.0.0.2" });
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
	kit_relay(k, 1, true, &self);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 }, .next_hop = "10.0.0.77" });
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
	kit_relay(k, 1, false, &rule);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 }, .communities = { 0x10001 } });
	ck_assert_str_eq(kit_told(k, 1, P1), "igp|65000 65001|10.0.0.100|9:9");
}
END_TEST

/* ---- RFC 9234 ---- */

static const struct bgp_rule accept_all = { .accept = true };

/* An external peer to which we are @role, and that is told everything. */
static void
add_as(unsigned peer, enum bgp_role role)
{
	struct kit_conf c;

	kit_conf_init(&c, peer);
	c.export[0] = accept_all;
	c.conf.export.nr_rules = 1;
	kit_conf(k, peer, &c);
	k->peers[peer].s = kit_session(peer, false);
	k->peers[peer].s.role = role;
	kit_up_as(k, peer);
	kit_run(k);
}

static struct adj_counts
counts(unsigned peer)
{
	struct adj_counts c;

	adj_counts(k->peers[peer].adj, BGP_IPV4_UNICAST, &c);
	return c;
}

/* From a customer or a client no route that is for customers only; from a peer none but its own. */
static const struct {
	enum bgp_role role;
	uint32_t otc;
	bool accepted;
} ingress[] = {
	{ BGP_ROLE_PROVIDER, 0, true },
	{ BGP_ROLE_PROVIDER, 65001, false },
	{ BGP_ROLE_PROVIDER, 7, false },
	{ BGP_ROLE_RS, 0, true },
	{ BGP_ROLE_RS, 65001, false },
	{ BGP_ROLE_PEER, 0, true },
	{ BGP_ROLE_PEER, 65001, true },
	{ BGP_ROLE_PEER, 7, false },
	{ BGP_ROLE_CUSTOMER, 7, true },
	{ BGP_ROLE_RS_CLIENT, 7, true },
	{ BGP_ROLE_NONE, 7, true },
};

START_TEST(rfc9234_5_leaks_are_not_used)
{
	add_as(0, ingress[_i].role);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 }, .otc = ingress[_i].otc });
	ck_assert_uint_eq(counts(0).received, 1);
	ck_assert_uint_eq(counts(0).accepted, ingress[_i].accepted);
	ck_assert_str_eq(kit_learned(k, P1), ingress[_i].accepted ? "10.0.0.1" : "");
}
END_TEST

/* From a provider, a route server or a peer: marked with its AS, if it is not marked yet.  An internal
 * peer sees what is in the table. */
static const struct {
	enum bgp_role role;
	uint32_t otc;
	const char *told;
} marking[] = {
	{ BGP_ROLE_CUSTOMER, 0, "|otc 65001" },
	{ BGP_ROLE_CUSTOMER, 7, "|otc 7" },
	{ BGP_ROLE_RS_CLIENT, 0, "|otc 65001" },
	{ BGP_ROLE_PEER, 0, "|otc 65001" },
	{ BGP_ROLE_PEER, 65001, "|otc 65001" },
	{ BGP_ROLE_PROVIDER, 0, "" },
	{ BGP_ROLE_RS, 0, "" },
	{ BGP_ROLE_NONE, 0, "" },
	{ BGP_ROLE_NONE, 7, "|otc 7" },
};

START_TEST(rfc9234_5_what_comes_down_is_marked)
{
	char want[KIT_TEXT];

	add_as(0, marking[_i].role);
	kit_relay(k, 1, true, &accept_all);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 }, .otc = marking[_i].otc });
	snprintf(want, sizeof(want), "igp|65001|10.0.0.1|lp 100%s", marking[_i].told);
	ck_assert_str_eq(kit_told(k, 1, P1), want);
}
END_TEST

/* To customers, peers and clients it is marked with our AS; what is marked stays here from providers,
 * peers and route servers. */
static const struct {
	enum bgp_role role;
	const char *plain, *marked; /* what is told of the two routes */
} egress[] = {
	{ BGP_ROLE_PROVIDER, "igp|65000 65001|10.0.0.100|otc 65000",
	    "igp|65000 65001|10.0.0.100|otc 7" },
	{ BGP_ROLE_RS, "igp|65000 65001|10.0.0.100|otc 65000", "igp|65000 65001|10.0.0.100|otc 7" },
	{ BGP_ROLE_PEER, "igp|65000 65001|10.0.0.100|otc 65000", "" },
	{ BGP_ROLE_CUSTOMER, "igp|65000 65001|10.0.0.100", "" },
	{ BGP_ROLE_RS_CLIENT, "igp|65000 65001|10.0.0.100", "" },
	{ BGP_ROLE_NONE, "igp|65000 65001|10.0.0.100", "igp|65000 65001|10.0.0.100|otc 7" },
};

START_TEST(rfc9234_5_what_goes_where)
{
	struct bgp_announce a = kit_own("10.99.0.0/24");

	kit_add(k, 0, false);
	add_as(1, egress[_i].role);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 } });
	kit_hear(k, 0, P2, (struct kit_route){ .path = { 65001 }, .otc = 7 });
	ck_assert_str_eq(kit_told(k, 1, P1), egress[_i].plain);
	ck_assert_str_eq(kit_told(k, 1, P2), egress[_i].marked);
	/* What we originate is marked as well. */
	ck_assert_int_eq(rib_originate(k->rib, "owner", &a, 1), 0);
	kit_run(k);
	ck_assert_int_eq(strstr(kit_told(k, 1, "10.99.0.0/24"), "otc 65000") != NULL,
	    strstr(egress[_i].plain, "otc") != NULL);
}
END_TEST

/* ---- limits ---- */

START_TEST(a_limit_that_only_warns)
{
	struct kit_route r = { .path = { 65001 } };
	struct kit_conf c;

	kit_conf_init(&c, 0);
	c.conf.family[BGP_IPV4_UNICAST].max_prefixes = 2;
	c.conf.family[BGP_IPV4_UNICAST].warn_prefixes = 1;
	c.conf.family[BGP_IPV4_UNICAST].limit_action = BGP_LIMIT_WARN;
	kit_conf(k, 0, &c);
	kit_up(k, 0, false);
	kit_hear(k, 0, "172.20.1.0/24", r);
	ck_assert_uint_eq(k->peers[0].adj->limit[BGP_IPV4_UNICAST].said, 1);
	kit_hear(k, 0, "172.20.2.0/24", r);
	kit_hear(k, 0, "172.20.3.0/24", r);
	kit_hear(k, 0, "172.20.4.0/24", r);
	ck_assert_uint_eq(counts(0).received, 4);
	ck_assert_uint_eq(k->peers[0].adj->limit[BGP_IPV4_UNICAST].said, 2);
	/* It is said again after it was all over. */
	for (int i = 1; i <= 4; i++) {
		char text[PREFIX_STRLEN];

		snprintf(text, sizeof(text), "172.20.%d.0/24", i);
		ck_assert_int_eq(kit_withdraw(k, 0, text), 0);
	}
	kit_hear(k, 0, "172.20.1.0/24", r);
	ck_assert_uint_eq(k->peers[0].adj->limit[BGP_IPV4_UNICAST].said, 1);
}
END_TEST

START_TEST(a_limit_that_is_lowered)
{
	static const uint8_t data[] = { 0, 1, 1, 0, 0, 0, 1 };
	struct kit_route r = { .path = { 65001 } };
	struct bgp_fault f = { 0 };
	struct kit_conf c;

	kit_conf_init(&c, 0);
	kit_conf(k, 0, &c);
	kit_up(k, 0, false);
	kit_hear(k, 0, P1, r);
	kit_hear(k, 0, P2, r);
	ck_assert_int_eq(adj_limit_check(k->peers[0].adj, &f), 0);
	c.conf.family[BGP_IPV4_UNICAST].max_prefixes = 1;
	kit_conf(k, 0, &c);
	ck_assert_int_eq(adj_limit_check(k->peers[0].adj, &f), -EBADMSG);
	ck_assert_uint_eq(f.subcode, BGP_CEASE_MAX_PREFIXES);
	ck_assert_mem_eq(f.data, data, sizeof(data));
}
END_TEST

START_TEST(the_first_as_may_be_another)
{
	struct kit_conf c;

	kit_conf_init(&c, 0);
	c.conf.any_first_as = true;
	kit_conf(k, 0, &c);
	kit_up(k, 0, false);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65009, 65001 } });
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1");
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
	tcase_add_loop_test(tc, rfc9234_5_leaks_are_not_used, 0, NR(ingress));
	tcase_add_loop_test(tc, rfc9234_5_what_comes_down_is_marked, 0, NR(marking));
	tcase_add_loop_test(tc, rfc9234_5_what_goes_where, 0, NR(egress));
	tcase_add_test(tc, a_limit_that_only_warns);
	tcase_add_test(tc, a_limit_that_is_lowered);
	tcase_add_test(tc, the_first_as_may_be_another);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("rib_policy", add_tests)
