/*
 * tests/unit/bgpd/test_reflect.c: route reflection (RFC 4456) by what each kind of peer is sent.
 */
#include "bgpd/rib.h"

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

/* An internal peer. */
static void
add(unsigned peer, bool client)
{
	struct kit_conf c;

	kit_conf_init(&c, peer);
	c.conf.rr_client = client;
	kit_conf(k, peer, &c);
	kit_up(k, peer, true);
	kit_run(k);
}

#define REFLECTED "igp|64999|10.0.0.1|lp 100|originator 1010101|cluster 9090909"

/* 6: from a non-client to all clients, from a client to all but itself; 8: the attributes; 10: the
 * others unchanged, the next hop among them. */
START_TEST(rfc4456_6_from_a_non_client_to_clients_only)
{
	add(0, false);
	add(1, false);
	add(2, true);
	add(3, true);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 64999 } });
	ck_assert_str_eq(kit_told(k, 0, P1), "");
	ck_assert_str_eq(kit_told(k, 1, P1), "");
	ck_assert_str_eq(kit_told(k, 2, P1), REFLECTED);
	ck_assert_str_eq(kit_told(k, 3, P1), REFLECTED);
	ck_assert_int_eq(kit_withdraw(k, 0, P1), 0);
	kit_run(k);
	ck_assert_str_eq(kit_told(k, 2, P1), "");
}
END_TEST

START_TEST(rfc4456_6_from_a_client_to_everybody_else)
{
	add(0, true);
	add(1, false);
	add(2, true);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 64999 } });
	ck_assert_str_eq(kit_told(k, 0, P1), "");
	ck_assert_str_eq(kit_told(k, 1, P1), REFLECTED);
	ck_assert_str_eq(kit_told(k, 2, P1), REFLECTED);
}
END_TEST

START_TEST(rfc4456_8_an_originator_id_that_is_there_stays_and_the_cluster_goes_in_front)
{
	add(0, true);
	add(1, false);
	kit_hear(k, 0, P1,
	    (struct kit_route){
		.path = { 64999 }, .med = 7, .originator = 0x01010199, .cluster = 0x01020304 });
	ck_assert_str_eq(kit_told(k, 1, P1),
	    "igp|64999|10.0.0.1|med 7|lp 100|originator 1010199|cluster 9090909 1020304");
}
END_TEST

/* Equal attributes of two originators are two sets all the same. */
START_TEST(rfc4456_8_the_originator_is_who_told_it)
{
	add(0, true);
	add(1, true);
	add(2, false);
	ck_assert_int_eq(
	    kit_announce(
		k, 0, P1, &(struct kit_route){ .path = { 64999 }, .next_hop = "10.0.0.77" }, NULL),
	    0);
	ck_assert_int_eq(
	    kit_announce(k, 1, "172.20.2.0/24",
		&(struct kit_route){ .path = { 64999 }, .next_hop = "10.0.0.77" }, NULL),
	    0);
	kit_run(k);
	ck_assert_str_eq(
	    kit_told(k, 2, P1), "igp|64999|10.0.0.77|lp 100|originator 1010101|cluster 9090909");
	ck_assert_str_eq(kit_told(k, 2, "172.20.2.0/24"),
	    "igp|64999|10.0.0.77|lp 100|originator 1010102|cluster 9090909");
}
END_TEST

START_TEST(rfc4456_8_own_cluster_id_is_a_loop)
{
	const struct bgp_instance_conf c = {
		.local_as = KIT_AS, .router_id = 0x09090909, .cluster_id = 0x0a0a0a0a
	};

	add(0, true);
	add(1, true);
	kit_hear(k, 0, P1,
	    (struct kit_route){ .path = { 64999 }, .originator = 5, .cluster = 0x0a0a0a0a });
	ck_assert_str_eq(
	    kit_told(k, 1, P1), "igp|64999|10.0.0.1|lp 100|originator 5|cluster 9090909 a0a0a0a");
	rib_conf(k->rib, &c);
	kit_run(k);
	ck_assert_str_eq(kit_told(k, 1, P1), "");
	kit_hear(k, 0, P1,
	    (struct kit_route){ .path = { 64999 }, .originator = 5, .cluster = 0x09090909 });
	ck_assert_str_eq(
	    kit_told(k, 1, P1), "igp|64999|10.0.0.1|lp 100|originator 5|cluster a0a0a0a 9090909");
}
END_TEST

/* 9: the ORIGINATOR_ID in place of the identifier, then the shorter CLUSTER_LIST. */
START_TEST(rfc4456_9_tie_breaks)
{
	add(0, true);
	add(1, true);
	add(2, false);
	kit_hear(k, 0, P1,
	    (struct kit_route){ .path = { 64999 }, .originator = 9, .cluster = 0x01020304 });
	kit_hear(k, 1, P1,
	    (struct kit_route){ .path = { 64999 }, .originator = 8, .cluster = 0x01020304 });
	ck_assert_str_eq(
	    kit_told(k, 2, P1), "igp|64999|10.0.0.2|lp 100|originator 8|cluster 9090909 1020304");
	kit_hear(k, 1, P1, (struct kit_route){ .path = { 64999 }, .originator = 9 });
	ck_assert_str_eq(
	    kit_told(k, 2, P1), "igp|64999|10.0.0.2|lp 100|originator 9|cluster 9090909");
}
END_TEST

START_TEST(what_an_external_peer_told_is_not_reflected_but_needs_a_rule)
{
	kit_add(k, 0, false);
	add(1, true);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 } });
	ck_assert_str_eq(kit_told(k, 1, P1), "");
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1");
}
END_TEST

/* A first client, and a last one that goes, change what others are told; without a session's end. */
START_TEST(clients_come_and_go)
{
	add(0, false);
	add(1, false);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 64999 } });
	ck_assert_str_eq(kit_told(k, 1, P1), "");
	add(2, true);
	ck_assert_str_eq(kit_told(k, 2, P1), REFLECTED);
	ck_assert_int_eq(
	    kit_announce(k, 2, "172.20.2.0/24", &(struct kit_route){ .path = { 64999 } }, NULL), 0);
	kit_run(k);
	ck_assert_str_eq(kit_told(k, 1, "172.20.2.0/24"),
	    "igp|64999|10.0.0.3|lp 100|originator 1010103|cluster 9090909");
	kit_down(k, 2, 0);
	kit_run(k);
	ck_assert_str_eq(kit_told(k, 1, "172.20.2.0/24"), "");
}
END_TEST

START_TEST(a_rule_that_rejects_keeps_a_route_from_being_reflected)
{
	struct kit_conf c;

	add(0, true);
	kit_conf_init(&c, 1);
	c.conf.export.nr_rules = 1;
	kit_conf(k, 1, &c);
	kit_up(k, 1, true);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 64999 } });
	ck_assert_str_eq(kit_told(k, 1, P1), "");
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("reflect");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, rfc4456_6_from_a_non_client_to_clients_only);
	tcase_add_test(tc, rfc4456_6_from_a_client_to_everybody_else);
	tcase_add_test(
	    tc, rfc4456_8_an_originator_id_that_is_there_stays_and_the_cluster_goes_in_front);
	tcase_add_test(tc, rfc4456_8_the_originator_is_who_told_it);
	tcase_add_test(tc, rfc4456_8_own_cluster_id_is_a_loop);
	tcase_add_test(tc, rfc4456_9_tie_breaks);
	tcase_add_test(tc, what_an_external_peer_told_is_not_reflected_but_needs_a_rule);
	tcase_add_test(tc, clients_come_and_go);
	tcase_add_test(tc, a_rule_that_rejects_keeps_a_route_from_being_reflected);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("reflect", add_tests)
