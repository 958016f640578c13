/*
 * tests/unit/bgpd/test_out.c: export groups, case by case: who is sent what, how often, in which
 * messages; dumps, slow readers, End-of-RIB.  Any order of events: test_out_model.c.
 */
#include "bgpd/out.h"

#include <string.h>

#include "bgpd/msg.h"
#include "tests/unit/bgpd/ribkit.h"
#include "tests/unit/unit.h"

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

static void
many(struct bgp_announce *a, unsigned from, unsigned nr)
{
	char text[PREFIX_STRLEN];

	for (unsigned i = 0; i < nr; i++) {
		unsigned n = from + i;

		snprintf(
		    text, sizeof(text), "10.%u.%u.%u/32", n >> 16 & 255, n >> 8 & 255, n & 255);
		a[i] = kit_own(text);
	}
}

START_TEST(rfc4724_4_1_end_of_rib_when_ready_and_once)
{
	struct bgp_announce a = kit_own("10.1.0.0/16");

	kit_add(k, 0, false);
	ck_assert_uint_eq(k->peers[0].eor[0], 0);
	ck_assert_int_eq(rib_originate(k->rib, "o", &a, 1), 0);
	rib_ready(k->rib);
	ck_assert_uint_eq(k->peers[0].announced, 0);
	kit_run(k);
	ck_assert_uint_eq(k->peers[0].announced, 1);
	ck_assert_uint_eq(k->peers[0].eor[0], 1);
	ck_assert_uint_eq(k->peers[0].eor[1], 1);
	kit_run(k);
	adj_more(k->peers[0].adj);
	adj_refresh(k->peers[0].adj, BGP_IPV4_UNICAST, BGP_REFRESH_REQUEST);
	kit_run(k);
	ck_assert_uint_eq(k->peers[0].eor[0], 1);
	kit_add(k, 1, false);
	ck_assert_uint_eq(k->peers[1].eor[0], 1);
}
END_TEST

START_TEST(rfc4724_4_1_end_of_rib_comes_after_the_table)
{
	static struct bgp_announce a[20000];
	struct kit_peer *p = &k->peers[0];

	many(a, 0, 20000);
	ck_assert_int_eq(rib_originate(k->rib, "o", a, 20000), 0);
	rib_ready(k->rib);
	kit_add(k, 0, false);
	ck_assert_uint_eq(kit_table_size(p), 20000);
	ck_assert_uint_eq(p->announced, 20000);
	ck_assert_uint_eq(p->eor[0], 1);
	kit_down(k, 0, 0);
	/* A slow reader: not before it has read all. */
	kit_up(k, 0, false);
	p->room = 100;
	kit_run(k);
	while (kit_table_size(p) < 20000) {
		ck_assert_uint_eq(p->eor[0], 0);
		p->room = 100;
		adj_more(p->adj);
	}
	p->room = 100;
	adj_more(p->adj);
	ck_assert_uint_eq(p->eor[0], 1);
}
END_TEST

START_TEST(a_table_is_encoded_once_for_all)
{
	struct bgp_announce a[3];
	const void *block;

	many(a, 0, 3);
	ck_assert_int_eq(rib_originate(k->rib, "o", a, 3), 0);
	kit_add(k, 0, false);
	block = k->peers[0].last_block;
	ck_assert_ptr_nonnull(block);
	kit_add(k, 1, false);
	ck_assert_ptr_eq(k->peers[1].last_block, block);
	/* And so is a change. */
	ck_assert_int_eq(rib_originate(k->rib, "o", a, 2), 0);
	kit_run(k);
	ck_assert_ptr_eq(k->peers[1].last_block, k->peers[0].last_block);
	/* A change ends the dump: who comes now gets the new table, nothing twice. */
	kit_add(k, 2, false);
	ck_assert_uint_eq(kit_table_size(&k->peers[2]), 2);
	ck_assert_uint_eq(k->peers[2].announced, 2);
	ck_assert_uint_eq(k->peers[2].withdrawn, 0);
	/* It is not kept for ever. */
	block = k->peers[2].last_block;
	loop_advance(k->loop, 60000);
	ck_assert_ptr_null(k->rib->groups[BGP_IPV4_UNICAST]->dump);
}
END_TEST

START_TEST(changes_during_a_dump_are_told_after_it)
{
	static struct bgp_announce a[20000];
	struct bgp_announce more = kit_own("10.250.0.0/16");
	struct kit_peer *p = &k->peers[0];
	struct kit_conf c;

	many(a, 0, 20000);
	ck_assert_int_eq(rib_originate(k->rib, "o", a, 20000), 0);
	kit_run(k);
	kit_conf_init(&c, 0);
	kit_conf(k, 0, &c);
	p->s = kit_session(0, false);
	p->up = true;
	p->room = 1;
	adj_up(p->adj, &p->s);
	kit_run(k);
	ck_assert_uint_gt(kit_table_size(p), 0);
	ck_assert_uint_lt(kit_table_size(p), 20000);
	/* One that it has, one that it does not have yet, and a new one. */
	a[0].has_med = a[19999].has_med = true;
	a[0].med = a[19999].med = 3;
	ck_assert_int_eq(rib_originate(k->rib, "o", a, 20000), 0);
	ck_assert_int_eq(rib_originate(k->rib, "p", &more, 1), 0);
	kit_run(k);
	p->room = SIZE_MAX;
	adj_more(p->adj);
	kit_run(k);
	ck_assert_uint_eq(kit_table_size(p), 20001);
	ck_assert_uint_eq(p->announced, 20002); /* only what had been sent before is sent again */
	ck_assert_uint_eq(p->redundant, 0);
	ck_assert_str_eq(kit_told(k, 0, "10.0.0.0/32"), "igp|65000|10.0.0.100|med 3");
	ck_assert_str_eq(kit_told(k, 0, "10.0.78.31/32"), "igp|65000|10.0.0.100|med 3");
}
END_TEST

/* A session with room for one block: it is left in the midst of its dump. */
static void
up_slowly(unsigned peer)
{
	struct kit_peer *p = &k->peers[peer];
	struct kit_conf c;

	kit_conf_init(&c, peer);
	kit_conf(k, peer, &c);
	p->s = kit_session(peer, false);
	p->up = true;
	p->room = 1;
	adj_up(p->adj, &p->s);
	kit_run(k);
	ck_assert_uint_gt(kit_table_size(p), 0);
	ck_assert_uint_lt(kit_table_size(p), 20000);
}

START_TEST(what_is_new_after_the_dump_was_made_is_told_too)
{
	static struct bgp_announce a[20000];
	struct bgp_announce more = kit_own("10.250.0.0/16");
	struct kit_peer *p = &k->peers[1];

	many(a, 0, 20000);
	ck_assert_int_eq(rib_originate(k->rib, "o", a, 20000), 0);
	kit_add(k, 0, false); /* makes all of the dump */
	up_slowly(1);
	ck_assert_int_eq(rib_originate(k->rib, "p", &more, 1), 0);
	kit_run(k);
	p->room = SIZE_MAX;
	adj_more(p->adj);
	kit_run(k);
	ck_assert_uint_eq(kit_table_size(p), 20001);
	ck_assert_uint_eq(p->announced, 20001);
}
END_TEST

START_TEST(a_move_in_the_midst_of_a_dump_loses_nothing)
{
	static struct bgp_announce a[20000];
	struct kit_peer *p = &k->peers[0];
	struct kit_conf c;

	many(a, 0, 20000);
	ck_assert_int_eq(rib_originate(k->rib, "o", a, 20000), 0);
	up_slowly(0);
	/* Another policy, and so another group, with the same outcome. */
	kit_conf_init(&c, 0);
	c.export[0].accept = true;
	c.conf.export.nr_rules = 1;
	kit_conf(k, 0, &c);
	p->room = SIZE_MAX;
	adj_more(p->adj);
	kit_run(k);
	ck_assert_uint_eq(kit_table_size(p), 20000);
	ck_assert_uint_eq(p->withdrawn, 0);
}
END_TEST

/* Noted before a refresh, told by its dump, and gone before the note was read. */
START_TEST(a_refresh_and_an_old_note_leave_nothing_behind)
{
	static struct bgp_announce a[9000];
	struct kit_peer *p = &k->peers[0];

	many(a, 0, 9000);
	kit_add(k, 0, false);
	p->room = 0;
	ck_assert_int_eq(rib_originate(k->rib, "o", a, 9000), 0);
	kit_run(k);
	ck_assert_uint_eq(kit_table_size(p), 0);
	adj_refresh(p->adj, BGP_IPV4_UNICAST, BGP_REFRESH_REQUEST);
	p->room = 1; /* the first block of the dump */
	adj_more(p->adj);
	p->room = 1; /* and the second */
	adj_more(p->adj);
	ck_assert_uint_eq(kit_table_size(p), 9000);
	p->room = 1; /* the dump is over; some of the notes are read */
	adj_more(p->adj);
	ck_assert_int_eq(k->peers[0].adj->member[BGP_IPV4_UNICAST]->state, MEMBER_LIVE);
	ck_assert_int_eq(rib_originate(k->rib, "o", NULL, 0), 0);
	kit_run(k);
	p->room = SIZE_MAX;
	adj_more(p->adj);
	kit_run(k);
	ck_assert_uint_eq(kit_table_size(p), 0);
}
END_TEST

START_TEST(a_slow_reader_is_told_the_outcome_only)
{
	struct bgp_announce a[2] = { kit_own("10.1.0.0/16"), kit_own("10.2.0.0/16") };
	struct kit_peer *p = &k->peers[0];

	kit_add(k, 0, false);
	kit_add(k, 1, false);
	ck_assert_int_eq(rib_originate(k->rib, "o", a, 1), 0);
	kit_run(k);
	p->room = 0;
	kit_counters_clear(k);
	for (unsigned i = 1; i < 1000; i++) {
		a[0].has_med = true;
		a[0].med = i;
		/* The second comes and goes. */
		ck_assert_int_eq(rib_originate(k->rib, "o", a, 1 + i % 2), 0);
		kit_run(k);
	}
	ck_assert_int_eq(rib_originate(k->rib, "o", a, 1), 0);
	kit_run(k);
	ck_assert_uint_eq(p->messages, 0);
	ck_assert_uint_ge(k->peers[1].messages, 999); /* nobody waits for it */
	p->room = SIZE_MAX;
	adj_more(p->adj);
	ck_assert_uint_eq(p->messages, 1);
	ck_assert_uint_eq(p->announced, 1);
	ck_assert_uint_eq(p->withdrawn, 0); /* it never heard of the second */
	ck_assert_str_eq(kit_told(k, 0, "10.1.0.0/16"), "igp|65000|10.0.0.100|med 999");
}
END_TEST

START_TEST(a_policy_change_sends_the_difference_only)
{
	struct bgp_announce a[10];
	struct kit_conf c;

	many(a, 0, 10);
	a[3].source = BGP_SRC_PODCIDR;
	kit_add(k, 0, false);
	kit_add(k, 1, false);
	ck_assert_int_eq(rib_originate(k->rib, "o", a, 10), 0);
	kit_run(k);
	kit_counters_clear(k);
	kit_conf_init(&c, 0);
	c.export[0].match.sources = 1u << BGP_SRC_PODCIDR;
	c.export[0].accept = true;
	c.export[0].set.has_med = true;
	c.export[0].set.med = 9;
	c.conf.export.nr_rules = 1;
	kit_conf(k, 0, &c);
	kit_run(k);
	ck_assert_uint_eq(k->peers[0].announced, 1);
	ck_assert_uint_eq(k->peers[0].withdrawn, 0);
	ck_assert_uint_eq(k->peers[1].messages, 0);
	kit_conf(k, 0, &c);
	kit_run(k);
	ck_assert_uint_eq(k->peers[0].announced, 1);
	c.conf.family[BGP_IPV4_UNICAST].audience = "none";
	kit_conf(k, 0, &c);
	kit_run(k);
	ck_assert_uint_eq(k->peers[0].withdrawn, 10);
	ck_assert_uint_eq(kit_table_size(&k->peers[0]), 0);
	ck_assert_uint_eq(k->peers[0].redundant, 0);
}
END_TEST

START_TEST(rfc2918_4_a_refresh_sends_everything_again)
{
	struct bgp_announce a[5];

	many(a, 0, 5);
	kit_add(k, 0, false);
	kit_add(k, 1, false);
	ck_assert_int_eq(rib_originate(k->rib, "o", a, 5), 0);
	kit_run(k);
	kit_counters_clear(k);
	adj_refresh(k->peers[0].adj, BGP_IPV4_UNICAST, BGP_REFRESH_REQUEST);
	kit_run(k);
	ck_assert_uint_eq(k->peers[0].announced, 5);
	ck_assert_uint_eq(k->peers[1].messages, 0);
	adj_refresh(k->peers[0].adj, BGP_IPV6_UNICAST, BGP_REFRESH_REQUEST);
	kit_run(k);
	ck_assert_uint_eq(k->peers[0].announced, 5);
}
END_TEST

START_TEST(prefixes_that_share_attributes_share_messages)
{
	static struct bgp_announce a[4000];
	struct kit_peer *p = &k->peers[0];

	many(a, 0, 4000);
	for (unsigned i = 0; i < 4000; i++) {
		a[i].has_med = true;
		a[i].med = i % 2;
	}
	kit_add(k, 0, false);
	ck_assert_int_eq(rib_originate(k->rib, "o", a, 4000), 0);
	kit_run(k);
	ck_assert_uint_eq(p->announced, 4000);
	/* 5 bytes each: 800 in a message of 4096, for two sets of attributes. */
	ck_assert_uint_le(p->messages, 7);
	ck_assert_uint_gt(p->largest, 4000);
}
END_TEST

START_TEST(rfc8654_large_messages_only_when_agreed)
{
	static struct bgp_announce a[40000];
	struct kit_peer *p = &k->peers[0];
	struct kit_conf c;

	many(a, 0, 40000);
	ck_assert_int_eq(rib_originate(k->rib, "o", a, 40000), 0);
	kit_conf_init(&c, 0);
	kit_conf(k, 0, &c);
	p->s = kit_session(0, false);
	p->s.ext_msg = true;
	p->up = true;
	adj_up(p->adj, &p->s);
	kit_run(k);
	ck_assert_uint_eq(kit_table_size(p), 40000);
	ck_assert_uint_gt(p->largest, 30000);
	kit_add(k, 1, false);
	ck_assert_uint_eq(kit_table_size(&k->peers[1]), 40000);
	ck_assert_uint_le(k->peers[1].largest, 4096);
}
END_TEST

/* RFC 8654 4: attributes that do not fit the peer's messages: the route is not sent to it. */
START_TEST(rfc8654_4_routes_too_large_for_a_peer)
{
	static uint32_t communities[2000];
	struct bgp_announce a[2] = { kit_own("10.1.0.0/16"), kit_own("10.2.0.0/16") };

	for (uint32_t i = 0; i < 2000; i++)
		communities[i] = i + 1;
	a[0].communities = (struct bgp_communities){ .std = communities, .nr_std = 2000 };
	kit_add(k, 0, false);
	ck_assert_int_eq(rib_originate(k->rib, "o", a, 2), 0);
	kit_run(k);
	ck_assert_uint_eq(kit_table_size(&k->peers[0]), 1);
	a[0].communities.nr_std = 990;
	ck_assert_int_eq(rib_originate(k->rib, "o", a, 2), 0);
	kit_run(k);
	ck_assert_uint_eq(kit_table_size(&k->peers[0]), 2);
}
END_TEST

START_TEST(rfc2545_3_link_local_next_hop)
{
	struct bgp_announce a = kit_own("2001:db8::/48");
	struct kit_peer *p = &k->peers[0];
	struct kit_conf c;

	kit_conf_init(&c, 0);
	kit_conf(k, 0, &c);
	p->s = kit_session(0, false);
	p->s.self_ll = (struct addr){ .b = { 0xfe, 0x80, [15] = 9 }, .family = ADDR_V6 };
	p->up = true;
	adj_up(p->adj, &p->s);
	ck_assert_int_eq(rib_originate(k->rib, "o", &a, 1), 0);
	kit_run(k);
	ck_assert_str_eq(kit_told(k, 0, "2001:db8::/48"), "igp|65000|fd00::64+fe80::9");
}
END_TEST

START_TEST(no_address_of_a_family_means_no_routes_of_it)
{
	struct bgp_announce a[2] = { kit_own("2001:db8::/48"), kit_own("10.1.0.0/16") };
	struct kit_peer *p = &k->peers[0];
	struct kit_conf c;

	kit_conf_init(&c, 0);
	kit_conf(k, 0, &c);
	p->s = kit_session(0, false);
	p->s.self[BGP_IPV6_UNICAST] = (struct addr){ 0 };
	p->up = true;
	adj_up(p->adj, &p->s);
	ck_assert_int_eq(rib_originate(k->rib, "o", a, 2), 0);
	kit_run(k);
	ck_assert_uint_eq(kit_table_size(p), 1);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("out");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, rfc4724_4_1_end_of_rib_when_ready_and_once);
	tcase_add_test(tc, rfc4724_4_1_end_of_rib_comes_after_the_table);
	tcase_add_test(tc, a_table_is_encoded_once_for_all);
	tcase_add_test(tc, changes_during_a_dump_are_told_after_it);
	tcase_add_test(tc, what_is_new_after_the_dump_was_made_is_told_too);
	tcase_add_test(tc, a_move_in_the_midst_of_a_dump_loses_nothing);
	tcase_add_test(tc, a_refresh_and_an_old_note_leave_nothing_behind);
	tcase_add_test(tc, a_slow_reader_is_told_the_outcome_only);
	tcase_add_test(tc, a_policy_change_sends_the_difference_only);
	tcase_add_test(tc, rfc2918_4_a_refresh_sends_everything_again);
	tcase_add_test(tc, prefixes_that_share_attributes_share_messages);
	tcase_add_test(tc, rfc8654_large_messages_only_when_agreed);
	tcase_add_test(tc, rfc8654_4_routes_too_large_for_a_peer);
	tcase_add_test(tc, rfc2545_3_link_local_next_hop);
	tcase_add_test(tc, no_address_of_a_family_means_no_routes_of_it);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("out", add_tests)
