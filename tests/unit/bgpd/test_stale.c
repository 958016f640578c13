/*
 * tests/unit/bgpd/test_stale.c: the table's side of long-lived graceful restart (RFC 9494) and of
 * enhanced route refresh (RFC 7313): what is kept, marked, chosen, sent and dropped.
 */
#include <string.h>

#include "bgpd/msg.h"
#include "bgpd/rib.h"
#include "tests/unit/bgpd/ribkit.h"
#include "tests/unit/unit.h"

#define V4 BGP_FAMILY_MASK(BGP_IPV4_UNICAST)
#define P1 "172.20.1.0/24"
#define P2 "172.20.2.0/24"
#define P3 "172.20.3.0/24"
#define LLGR_STALE "65535:6"
#define NO_LLGR 0xffff0007u

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

/* A peer that is also told what was learned; what it and we said of LLGR. */
static void
add(unsigned peer, bool ibgp, bool llgr_sent, bool llgr_received)
{
	struct kit_conf c;

	kit_conf_init(&c, peer);
	c.export[0].accept = true;
	c.conf.export.nr_rules = 1;
	kit_conf(k, peer, &c);
	k->peers[peer].s = kit_session(peer, ibgp);
	k->peers[peer].s.llgr_sent = llgr_sent;
	k->peers[peer].s.llgr_received = llgr_received;
	kit_up_as(k, peer);
	kit_run(k);
}

/* The session goes, and the restart time after it. */
static void
go_long(unsigned peer)
{
	kit_down(k, peer, V4);
	adj_long_lived(k->peers[peer].adj, V4);
	kit_run(k);
}

static bool
told_with(unsigned peer, const char *prefix, const char *community)
{
	const char *told = kit_told(k, peer, prefix), *last = strrchr(told, '|');

	return last && strstr(last, community);
}

static struct adj_counts
counts(unsigned peer)
{
	struct adj_counts c;

	adj_counts(k->peers[peer].adj, BGP_IPV4_UNICAST, &c);
	return c;
}

/* ---- RFC 9494 ---- */

START_TEST(rfc9494_4_2_stale_routes_get_llgr_stale_and_are_told_again)
{
	add(0, false, true, true);
	add(1, false, true, true);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 }, .communities = { 7 } });
	kit_down(k, 0, V4);
	kit_run(k);
	ck_assert(!told_with(1, P1, LLGR_STALE)); /* not before the restart time is over */
	ck_assert_uint_eq(counts(0).long_lived, 0);
	kit_counters_clear(k);
	adj_long_lived(k->peers[0].adj, V4);
	kit_run(k);
	ck_assert(told_with(1, P1, LLGR_STALE));
	ck_assert(told_with(1, P1, "0:7 "));
	ck_assert_uint_eq(k->peers[1].announced, 1);
	ck_assert_uint_eq(counts(0).long_lived, 1);
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1"); /* used as long as there is no other */
	adj_long_lived(k->peers[0].adj, V4);
	kit_run(k);
	ck_assert_uint_eq(k->peers[1].announced, 1);
}
END_TEST

START_TEST(rfc9494_4_2_no_llgr_is_not_retained)
{
	struct kit_conf c;

	/* As the peer sent it, or as import policy had it. */
	kit_conf_init(&c, 0);
	c.import[0].match.prefixes = c.prefixes;
	c.import[0].match.nr_prefixes = 1;
	ck_assert_int_eq(prefix_parse(P3, &c.prefixes[0].prefix, NULL), 0);
	c.prefixes[0].ge = c.prefixes[0].le = 24;
	c.import[0].set.add =
	    (struct bgp_communities){ .std = (uint32_t[]){ NO_LLGR }, .nr_std = 1 };
	c.import[1].accept = true;
	c.conf.import.nr_rules = 2;
	kit_conf(k, 0, &c);
	kit_up(k, 0, false);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 } });
	kit_hear(k, 0, P2, (struct kit_route){ .path = { 65001 }, .communities = { NO_LLGR } });
	kit_hear(k, 0, P3, (struct kit_route){ .path = { 65001 } });
	kit_down(k, 0, V4);
	kit_run(k);
	ck_assert_uint_eq(counts(0).received, 3);
	adj_long_lived(k->peers[0].adj, V4);
	kit_run(k);
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1");
	ck_assert_str_eq(kit_learned(k, P2), "");
	ck_assert_str_eq(kit_learned(k, P3), "");
	ck_assert_uint_eq(counts(0).received, 1);
}
END_TEST

START_TEST(rfc9494_4_4_a_long_lived_stale_route_is_the_least_preferred)
{
	add(0, true, true, true);
	add(1, true, true, true);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 9 }, .local_pref = 900 });
	kit_hear(k, 1, P1, (struct kit_route){ .path = { 9, 8, 7 }, .local_pref = 1, .origin = 2 });
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1");
	kit_down(k, 0, V4);
	kit_run(k);
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1"); /* stale by RFC 4724: as good as before */
	adj_long_lived(k->peers[0].adj, V4);
	kit_run(k);
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.2");
	/* Better than nothing. */
	ck_assert_int_eq(kit_withdraw(k, 1, P1), 0);
	kit_run(k);
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1");
}
END_TEST

START_TEST(rfc9494_4_3_a_route_that_comes_with_llgr_stale_is_the_least_preferred)
{
	bool told = _i;

	add(0, false, told, true);
	add(1, false, told, true);
	kit_hear(
	    k, 0, P1, (struct kit_route){ .path = { 65001 }, .communities = { BGP_LLGR_STALE } });
	kit_hear(k, 1, P1, (struct kit_route){ .path = { 65002, 9, 8 } });
	/* The duty is of those who sent the capability; for others it is a community as any. */
	ck_assert_str_eq(kit_learned(k, P1), told ? "10.0.0.2" : "10.0.0.1");
}
END_TEST

/* Peer 1 sent the capability, 2 did not, 3 neither, but is internal and is told all the same. */
START_TEST(rfc9494_4_3_not_to_peers_without_the_capability)
{
	struct kit_conf c;

	add(0, false, true, true);
	add(1, false, true, true);
	add(2, false, true, false);
	add(3, true, true, false);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 }, .local_pref = 300 });
	ck_assert_str_ne(kit_told(k, 2, P1), "");
	ck_assert_str_ne(kit_told(k, 3, P1), "");
	go_long(0);
	ck_assert(told_with(1, P1, LLGR_STALE));
	ck_assert_str_eq(kit_told(k, 2, P1), "");
	ck_assert_str_eq(kit_told(k, 3, P1), "");
	/* It comes back, and so do they. */
	k->peers[0].s = kit_session(0, false);
	kit_up_as(k, 0);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 }, .local_pref = 300 });
	ck_assert_str_ne(kit_told(k, 2, P1), "");
	ck_assert_str_ne(kit_told(k, 3, P1), "");
	ck_assert(!told_with(1, P1, LLGR_STALE));
	/* 4.6: internal ones only, with NO_EXPORT and a local preference of 0. */
	for (unsigned i = 2; i < 4; i++) {
		kit_conf_init(&c, i);
		c.export[0].accept = true;
		c.conf.export.nr_rules = 1;
		c.conf.stale_to_all = true;
		kit_conf(k, i, &c);
	}
	go_long(0);
	ck_assert_str_eq(kit_told(k, 2, P1), "");
	ck_assert(told_with(3, P1, LLGR_STALE));
	ck_assert(told_with(3, P1, "65535:65281"));
	ck_assert_ptr_nonnull(strstr(kit_told(k, 3, P1), "|lp 0|"));
}
END_TEST

START_TEST(rfc9494_4_3_no_rule_takes_the_mark_off)
{
	struct kit_conf c;

	add(0, false, true, true);
	add(1, false, true, true);
	kit_conf_init(&c, 1);
	c.export[0].accept = true;
	c.export[0].set.remove =
	    (struct bgp_communities){ .std = (uint32_t[]){ BGP_LLGR_STALE, 7 }, .nr_std = 2 };
	c.conf.export.nr_rules = 1;
	kit_conf(k, 1, &c);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 }, .communities = { 7, 8 } });
	go_long(0);
	ck_assert(told_with(1, P1, "0:8 " LLGR_STALE));
	ck_assert(!told_with(1, P1, "0:7"));
}
END_TEST

START_TEST(rfc9494_4_2_a_second_restart_keeps_what_was_stale_before)
{
	bool keep = _i;

	add(0, false, true, true);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 } });
	kit_hear(k, 0, P2, (struct kit_route){ .path = { 65001 } });
	go_long(0);
	k->peers[0].s = kit_session(0, false);
	kit_up_as(k, 0);
	kit_hear(k, 0, P2, (struct kit_route){ .path = { 65001 } });
	ck_assert_uint_eq(counts(0).long_lived, 1);
	adj_down(k->peers[0].adj, V4, keep ? V4 : 0); /* before its End-of-RIB */
	k->peers[0].up = false;
	kit_run(k);
	ck_assert_str_eq(kit_learned(k, P1), keep ? "10.0.0.1" : "");
	ck_assert_str_eq(kit_learned(k, P2), "10.0.0.1");
	ck_assert_uint_eq(counts(0).stale, keep ? 2 : 1);
	ck_assert_uint_eq(counts(0).long_lived, keep ? 1 : 0);
}
END_TEST

START_TEST(a_new_import_policy_leaves_the_mark_and_may_forbid_it)
{
	struct kit_conf c;

	add(0, false, true, true);
	add(1, false, true, true);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 } });
	go_long(0);
	kit_conf_init(&c, 0);
	c.import[0].set.add = (struct bgp_communities){ .std = (uint32_t[]){ 9 }, .nr_std = 1 };
	kit_conf(k, 0, &c);
	kit_run(k);
	ck_assert(told_with(1, P1, "0:9 " LLGR_STALE));
	ck_assert_uint_eq(counts(0).long_lived, 1);
	c.import[0].set.add =
	    (struct bgp_communities){ .std = (uint32_t[]){ NO_LLGR }, .nr_std = 1 };
	kit_conf(k, 0, &c);
	kit_run(k);
	ck_assert_str_eq(kit_told(k, 1, P1), "");
	ck_assert_uint_eq(counts(0).received, 0);
	ck_assert_uint_eq(counts(0).stale, 0);
}
END_TEST

START_TEST(rejected_routes_are_kept_for_a_policy_that_takes_them)
{
	struct kit_conf c;

	add(1, false, true, true);
	kit_conf_init(&c, 0);
	c.import[0].accept = false;
	kit_conf(k, 0, &c);
	kit_up(k, 0, false);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 } });
	go_long(0);
	ck_assert_uint_eq(counts(0).long_lived, 1);
	c.import[0].accept = true;
	kit_conf(k, 0, &c);
	kit_run(k);
	ck_assert(told_with(1, P1, LLGR_STALE));
	adj_purge_stale(k->peers[0].adj, V4);
	kit_run(k);
	ck_assert_str_eq(kit_told(k, 1, P1), "");
	ck_assert_uint_eq(adj_long_lived_families(k->peers[0].adj), 0);
}
END_TEST

/* ---- RFC 7313, receiving ---- */

static void
begin_two(bool gr)
{
	kit_add(k, 0, false);
	if (gr) {
		kit_down(k, 0, 0);
		k->peers[0].s = kit_session(0, false);
		k->peers[0].s.gr = true;
		kit_up_as(k, 0);
	}
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 } });
	kit_hear(k, 0, P2, (struct kit_route){ .path = { 65001 } });
}

static void
refresh(uint8_t subtype)
{
	adj_refresh(k->peers[0].adj, BGP_IPV4_UNICAST, subtype);
	kit_run(k);
}

START_TEST(rfc7313_4_a_begin_before_end_of_rib_is_ignored)
{
	begin_two(true);
	refresh(BGP_REFRESH_BORR);
	kit_hear(k, 0, P2, (struct kit_route){ .path = { 65001 } });
	refresh(BGP_REFRESH_EORR);
	ck_assert_uint_eq(counts(0).received, 2);
	ck_assert_int_eq(kit_eor(k, 0, BGP_IPV4_UNICAST), 0);
	refresh(BGP_REFRESH_BORR);
	kit_hear(k, 0, P2, (struct kit_route){ .path = { 65001 } });
	refresh(BGP_REFRESH_EORR);
	ck_assert_uint_eq(counts(0).received, 1);
}
END_TEST

START_TEST(rfc7313_4_an_end_without_a_begin_is_ignored)
{
	begin_two(false);
	refresh(BGP_REFRESH_EORR);
	ck_assert_uint_eq(counts(0).received, 2);
}
END_TEST

START_TEST(rfc7313_4_what_waits_for_an_end_that_does_not_come_goes)
{
	begin_two(false);
	refresh(BGP_REFRESH_BORR);
	kit_hear(k, 0, P2, (struct kit_route){ .path = { 65001 } });
	loop_advance(k->loop, 359000);
	ck_assert_uint_eq(counts(0).received, 2);
	loop_advance(k->loop, 2000);
	ck_assert_uint_eq(counts(0).received, 1);
	ck_assert_str_eq(kit_learned(k, P1), "");
	ck_assert_str_eq(kit_learned(k, P2), "10.0.0.1");
}
END_TEST

START_TEST(a_session_that_ends_within_a_refresh_loses_nothing)
{
	begin_two(false);
	refresh(BGP_REFRESH_BORR);
	kit_down(k, 0, V4);
	kit_run(k);
	ck_assert_uint_eq(counts(0).received, 2);
	ck_assert_uint_eq(counts(0).stale, 2);
	loop_advance(k->loop, 400000);
	ck_assert_uint_eq(counts(0).received, 2);
	kit_up(k, 0, false);
	refresh(BGP_REFRESH_EORR);
	ck_assert_uint_eq(counts(0).received, 2);
}
END_TEST

START_TEST(rejected_or_not_a_refreshed_route_is_seen)
{
	begin_two(false);
	refresh(BGP_REFRESH_BORR);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001, KIT_AS } }); /* a loop */
	kit_hear(k, 0, P2, (struct kit_route){ .path = { 65001 } });
	refresh(BGP_REFRESH_EORR);
	ck_assert_uint_eq(counts(0).received, 2);
	ck_assert_uint_eq(counts(0).accepted, 1);
}
END_TEST

/* ---- RFC 7313, sending ---- */

static void
own(const char *prefix, uint32_t med)
{
	struct bgp_announce a = kit_own(prefix);

	a.has_med = med;
	a.med = med;
	ck_assert_int_eq(rib_originate(k->rib, prefix, &a, 1), 0);
}

static void
up_enhanced(bool gr)
{
	struct kit_conf c;

	kit_conf_init(&c, 0);
	kit_conf(k, 0, &c);
	k->peers[0].s = kit_session(0, false);
	k->peers[0].s.enhanced_refresh = true;
	k->peers[0].s.gr = gr;
	kit_up_as(k, 0);
}

START_TEST(rfc7313_4_an_answer_stands_between_begin_and_end)
{
	rib_ready(k->rib);
	own(P1, 0);
	own(P2, 0);
	up_enhanced(false);
	kit_run(k);
	ck_assert_uint_eq(k->peers[0].borr, 0); /* the first table is no refresh */
	kit_counters_clear(k);
	refresh(BGP_REFRESH_REQUEST);
	ck_assert_uint_eq(k->peers[0].borr, 1);
	ck_assert_uint_eq(k->peers[0].eorr, 1);
	ck_assert_uint_eq(k->peers[0].announced, 2);
	ck_assert_uint_eq(k->peers[0].unrefreshed, 0);
}
END_TEST

START_TEST(rfc7313_4_one_without_the_capability_gets_no_begin)
{
	rib_ready(k->rib);
	own(P1, 0);
	kit_add(k, 0, false);
	refresh(BGP_REFRESH_REQUEST);
	ck_assert_uint_eq(k->peers[0].announced, 2);
	ck_assert_uint_eq(k->peers[0].borr + k->peers[0].eorr, 0);
}
END_TEST

START_TEST(rfc7313_4_the_begin_comes_after_end_of_rib)
{
	own(P1, 0);
	up_enhanced(true);
	kit_run(k);
	refresh(BGP_REFRESH_REQUEST);
	ck_assert_uint_eq(k->peers[0].borr, 0);
	ck_assert_uint_eq(k->peers[0].eor[0], 0);
	rib_ready(k->rib);
	kit_run(k);
	ck_assert_uint_eq(k->peers[0].eor[0], 1);
	ck_assert_uint_eq(k->peers[0].borr, 1);
	ck_assert_uint_eq(k->peers[0].eorr, 1);
}
END_TEST

START_TEST(rfc7313_4_the_end_comes_when_all_is_told)
{
	rib_ready(k->rib);
	own(P1, 0);
	own(P2, 0);
	up_enhanced(false);
	kit_run(k);
	k->peers[0].room = 0;
	refresh(BGP_REFRESH_REQUEST);
	refresh(BGP_REFRESH_REQUEST); /* one more is answered after that */
	ck_assert_uint_eq(k->peers[0].borr, 1);
	ck_assert_uint_eq(k->peers[0].eorr, 0);
	own(P3, 0);
	own(P1, 5);
	kit_run(k);
	ck_assert_uint_eq(k->peers[0].eorr, 0);
	k->peers[0].room = SIZE_MAX;
	adj_more(k->peers[0].adj);
	kit_run(k);
	ck_assert_uint_eq(k->peers[0].borr, 2);
	ck_assert_uint_eq(k->peers[0].eorr, 2);
	ck_assert_uint_eq(k->peers[0].unrefreshed, 0);
	ck_assert_uint_eq(kit_table_size(&k->peers[0]), 3);
	ck_assert_ptr_nonnull(strstr(kit_told(k, 0, P1), "med 5"));
}
END_TEST

START_TEST(a_refresh_that_is_cut_by_new_settings_still_tells_all)
{
	struct kit_conf c;

	rib_ready(k->rib);
	own(P1, 0);
	own(P2, 0);
	up_enhanced(false);
	kit_run(k);
	k->peers[0].room = 0;
	refresh(BGP_REFRESH_REQUEST);
	kit_conf_init(&c, 0);
	c.conf.graceful_shutdown = true;
	kit_conf(k, 0, &c);
	k->peers[0].room = SIZE_MAX;
	adj_more(k->peers[0].adj);
	kit_run(k);
	ck_assert_uint_eq(k->peers[0].eorr, 1);
	ck_assert_uint_eq(k->peers[0].unrefreshed, 0);
	ck_assert(told_with(0, P1, "65535:0"));
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("stale");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, rfc9494_4_2_stale_routes_get_llgr_stale_and_are_told_again);
	tcase_add_test(tc, rfc9494_4_2_no_llgr_is_not_retained);
	tcase_add_test(tc, rfc9494_4_4_a_long_lived_stale_route_is_the_least_preferred);
	tcase_add_loop_test(
	    tc, rfc9494_4_3_a_route_that_comes_with_llgr_stale_is_the_least_preferred, 0, 2);
	tcase_add_test(tc, rfc9494_4_3_not_to_peers_without_the_capability);
	tcase_add_test(tc, rfc9494_4_3_no_rule_takes_the_mark_off);
	tcase_add_loop_test(tc, rfc9494_4_2_a_second_restart_keeps_what_was_stale_before, 0, 2);
	tcase_add_test(tc, a_new_import_policy_leaves_the_mark_and_may_forbid_it);
	tcase_add_test(tc, rejected_routes_are_kept_for_a_policy_that_takes_them);
	tcase_add_test(tc, rfc7313_4_a_begin_before_end_of_rib_is_ignored);
	tcase_add_test(tc, rfc7313_4_an_end_without_a_begin_is_ignored);
	tcase_add_test(tc, rfc7313_4_what_waits_for_an_end_that_does_not_come_goes);
	tcase_add_test(tc, a_session_that_ends_within_a_refresh_loses_nothing);
	tcase_add_test(tc, rejected_or_not_a_refreshed_route_is_seen);
	tcase_add_test(tc, rfc7313_4_an_answer_stands_between_begin_and_end);
	tcase_add_test(tc, rfc7313_4_one_without_the_capability_gets_no_begin);
	tcase_add_test(tc, rfc7313_4_the_begin_comes_after_end_of_rib);
	tcase_add_test(tc, rfc7313_4_the_end_comes_when_all_is_told);
	tcase_add_test(tc, a_refresh_that_is_cut_by_new_settings_still_tells_all);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("stale", add_tests)
