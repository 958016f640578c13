/*
 * tests/unit/bgpd/test_rib.c: the rules of the RFCs for routes received, chosen and passed on,
 * each by what a peer was sent or what was learned.
 */
#include "bgpd/rib.h"

#include <errno.h>
#include <string.h>

#include "bgpd/msg.h"
#include "tests/unit/bgpd/ribkit.h"
#include "tests/unit/unit.h"

#define V4 BGP_FAMILY_MASK(BGP_IPV4_UNICAST)
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

static struct adj_counts
counts(unsigned peer)
{
	struct adj_counts c;

	adj_counts(k->peers[peer].adj, BGP_IPV4_UNICAST, &c);
	return c;
}

/* ---- sending ---- */

START_TEST(rfc4271_5_1_2_as_path_prepended_to_ebgp_unchanged_to_ibgp)
{
	struct bgp_announce a = kit_own("10.99.0.0/24");

	kit_relay(k, 0, false, NULL);
	kit_relay(k, 1, false, NULL);
	kit_relay(k, 2, true, NULL);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001, 64999 } });
	ck_assert_str_eq(kit_told(k, 1, P1), "igp|65000 65001 64999|10.0.0.100");
	ck_assert_str_eq(kit_told(k, 2, P1), "igp|65001 64999|10.0.0.1|lp 100");
	a.prepend = 2;
	kit_own_set(k, &a, 1);
	ck_assert_str_eq(kit_told(k, 1, "10.99.0.0/24"), "igp|65000 65000 65000|10.0.0.100");
	/* Our own AS in a path would make internal peers drop it. */
	ck_assert_str_eq(kit_told(k, 2, "10.99.0.0/24"), "igp||10.0.0.100|lp 100");
}
END_TEST

START_TEST(rfc4271_5_1_3_next_hop_self_to_ebgp_kept_to_ibgp)
{
	kit_relay(k, 0, false, NULL);
	kit_relay(k, 1, false, NULL);
	kit_relay(k, 2, true, NULL);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 }, .next_hop = "10.0.0.77" });
	ck_assert_str_eq(kit_told(k, 1, P1), "igp|65000 65001|10.0.0.100");
	ck_assert_str_eq(kit_told(k, 2, P1), "igp|65001|10.0.0.77|lp 100");
}
END_TEST

START_TEST(rfc4271_5_1_3_never_the_peers_own_address)
{
	kit_relay(k, 0, false, NULL);
	kit_relay(k, 2, true, NULL);
	kit_relay(k, 3, true, NULL);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 }, .next_hop = "10.0.0.3" });
	ck_assert_str_eq(kit_told(k, 2, P1), "");
	ck_assert_str_eq(kit_told(k, 3, P1), "igp|65001|10.0.0.3|lp 100");
	/* It had another one; now its own comes up: that has to be withdrawn from it alone. */
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 }, .next_hop = "10.0.0.50" });
	ck_assert_str_eq(kit_told(k, 2, P1), "igp|65001|10.0.0.50|lp 100");
	kit_counters_clear(k);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 }, .next_hop = "10.0.0.3" });
	ck_assert_str_eq(kit_told(k, 2, P1), "");
	ck_assert_str_eq(kit_told(k, 3, P1), "igp|65001|10.0.0.3|lp 100");
	ck_assert_uint_eq(k->peers[3].withdrawn, 0);
	ck_assert_uint_eq(k->peers[2].redundant + k->peers[3].redundant, 0);
}
END_TEST

START_TEST(rfc4271_5_1_3_our_own_address_is_not_feasible)
{
	kit_add(k, 0, false);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 }, .next_hop = "10.0.0.100" });
	ck_assert_str_eq(kit_learned(k, P1), "");
	ck_assert_uint_eq(counts(0).received, 1);
	ck_assert_uint_eq(counts(0).accepted, 0);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 } });
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1");
}
END_TEST

START_TEST(rfc4271_5_1_4_med_not_to_a_third_as)
{
	struct bgp_announce a = kit_own("10.99.0.0/24");

	kit_relay(k, 0, false, NULL);
	kit_relay(k, 1, false, NULL);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 }, .med = 30 });
	ck_assert_str_eq(kit_told(k, 1, P1), "igp|65000 65001|10.0.0.100");
	a.has_med = true;
	a.med = 7;
	kit_own_set(k, &a, 1);
	ck_assert_str_eq(kit_told(k, 1, "10.99.0.0/24"), "igp|65000|10.0.0.100|med 7");
}
END_TEST

START_TEST(rfc4271_5_1_4_med_that_our_policy_sets_goes_out)
{
	struct kit_conf c;

	kit_relay(k, 0, false, NULL);
	kit_conf_init(&c, 1);
	c.export[0].accept = true;
	c.export[0].set.has_med = true;
	c.export[0].set.med = 44;
	c.conf.export.nr_rules = 1;
	kit_conf(k, 1, &c);
	kit_up(k, 1, false);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 }, .med = 30 });
	ck_assert_str_eq(kit_told(k, 1, P1), "igp|65000 65001|10.0.0.100|med 44");
}
END_TEST

START_TEST(rfc4271_5_1_5_local_pref_to_ibgp_never_to_ebgp)
{
	struct bgp_announce a = kit_own("10.99.0.0/24");

	kit_add(k, 0, false);
	kit_add(k, 1, true);
	kit_own_set(k, &a, 1);
	ck_assert_str_eq(kit_told(k, 0, "10.99.0.0/24"), "igp|65000|10.0.0.100");
	ck_assert_str_eq(kit_told(k, 1, "10.99.0.0/24"), "igp||10.0.0.100|lp 100");
	a.has_local_pref = true;
	a.local_pref = 250;
	kit_own_set(k, &a, 1);
	ck_assert_str_eq(kit_told(k, 0, "10.99.0.0/24"), "igp|65000|10.0.0.100");
	ck_assert_str_eq(kit_told(k, 1, "10.99.0.0/24"), "igp||10.0.0.100|lp 250");
}
END_TEST

START_TEST(rfc4271_5_1_5_local_pref_of_a_rule_is_not_for_ebgp)
{
	struct bgp_announce a = kit_own("10.99.0.0/24");
	struct kit_conf c;

	kit_conf_init(&c, 0);
	c.export[0].accept = true;
	c.export[0].set.has_local_pref = true;
	c.export[0].set.local_pref = 200;
	c.conf.export.nr_rules = 1;
	kit_conf(k, 0, &c);
	kit_up(k, 0, false);
	kit_own_set(k, &a, 1);
	ck_assert_str_eq(kit_told(k, 0, "10.99.0.0/24"), "igp|65000|10.0.0.100");
}
END_TEST

START_TEST(rfc4271_5_1_5_local_pref_from_ebgp_is_ignored)
{
	kit_add(k, 0, false);
	kit_add(k, 1, false);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001, 1, 2 }, .local_pref = 900 });
	kit_hear(k, 1, P1, (struct kit_route){ .path = { 65002 } });
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.2");
}
END_TEST

START_TEST(rfc4271_9_2_ibgp_routes_are_not_told_to_ibgp)
{
	kit_relay(k, 0, true, NULL);
	kit_relay(k, 1, true, NULL);
	kit_relay(k, 2, false, NULL);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 64999 } });
	ck_assert_str_eq(kit_told(k, 1, P1), "");
	ck_assert_str_eq(kit_told(k, 2, P1), "igp|65000 64999|10.0.0.100");
}
END_TEST

START_TEST(split_horizon_never_back_to_where_it_came_from)
{
	kit_relay(k, 0, false, NULL);
	kit_relay(k, 1, false, NULL);
	kit_relay(k, 2, false, NULL);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001, 9 } });
	ck_assert_str_eq(kit_told(k, 0, P1), "");
	ck_assert_str_eq(kit_told(k, 1, P1), "igp|65000 65001 9|10.0.0.100");
	/* A better one from 1: now 0 hears of it, and 1 loses what it had. */
	kit_hear(k, 1, P1, (struct kit_route){ .path = { 65002 } });
	ck_assert_str_eq(kit_told(k, 0, P1), "igp|65000 65002|10.0.0.100");
	ck_assert_str_eq(kit_told(k, 1, P1), "");
	ck_assert_str_eq(kit_told(k, 2, P1), "igp|65000 65002|10.0.0.100");
	kit_lose(k, 1, P1);
	ck_assert_str_eq(kit_told(k, 0, P1), "");
	ck_assert_str_eq(kit_told(k, 1, P1), "igp|65000 65001 9|10.0.0.100");
	kit_lose(k, 0, P1);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_uint_eq(kit_table_size(&k->peers[i]), 0);
		ck_assert_uint_eq(k->peers[i].redundant, 0);
	}
}
END_TEST

START_TEST(learned_routes_are_told_again_when_asked)
{
	unsigned before;

	kit_add(k, 0, false);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 } });
	kit_hear(k, 0, "10.99.0.0/16", (struct kit_route){ .path = { 65001 } });
	kit_lose(k, 0, "10.99.0.0/16");
	before = k->nr_learned;
	rib_learned_tell(k->rib);
	ck_assert_uint_eq(k->nr_learned, before + 1);
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1");
}
END_TEST

START_TEST(rfc8212_learned_routes_go_out_by_a_rule_only)
{
	kit_add(k, 0, false);
	kit_add(k, 1, false);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 } });
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1");
	ck_assert_str_eq(kit_told(k, 1, P1), "");
}
END_TEST

START_TEST(rfc4271_5_unknown_transitive_is_passed_on_with_partial)
{
	/* Optional transitive 200, and 201 that is not transitive. */
	static const uint8_t unknown[] = { 0xc0, 200, 2, 1, 2, 0x80, 201, 1, 9 };

	kit_relay(k, 0, false, NULL);
	kit_relay(k, 1, false, NULL);
	kit_hear(k, 0, P1,
	    (struct kit_route){ .path = { 65001 }, .unknown = { unknown, sizeof(unknown) } });
	ck_assert_str_eq(kit_told(k, 1, P1), "igp|65000 65001|10.0.0.100|unknown e0/200");
}
END_TEST

START_TEST(rfc4271_5_the_partial_bit_is_part_of_a_set)
{
	static const uint8_t list[] = { 0, 1, 0, 2 };
	struct bgp_attrs a = { .communities = { list, sizeof(list) } }, back;
	struct attrset_table t;
	uint32_t whole, partial;

	attrset_table_init(&t);
	whole = attrset_intern(&t, &a);
	a.partial = BGP_PARTIAL_COMMUNITIES;
	partial = attrset_intern(&t, &a);
	ck_assert_uint_ne(whole, partial);
	attrset_view(&t, partial, &back);
	ck_assert_uint_eq(back.partial, BGP_PARTIAL_COMMUNITIES);
	attrset_view(&t, whole, &back);
	ck_assert_uint_eq(back.partial, 0);
	attrset_table_fini(&t);
}
END_TEST

START_TEST(rfc1997_communities_are_sorted_and_single)
{
	kit_relay(k, 0, false, NULL);
	kit_relay(k, 1, false, NULL);
	kit_hear(k, 0, P1,
	    (struct kit_route){ .path = { 65001 }, .communities = { 0x20003, 0x10001, 0x20003 } });
	ck_assert_str_eq(kit_told(k, 1, P1), "igp|65000 65001|10.0.0.100|1:1 2:3");
	kit_counters_clear(k);
	kit_hear(
	    k, 0, P1, (struct kit_route){ .path = { 65001 }, .communities = { 0x10001, 0x20003 } });
	ck_assert_uint_eq(k->peers[1].messages, 0);
}
END_TEST

START_TEST(rfc1997_well_known_communities_are_honoured)
{
	static const struct {
		uint32_t community;
		bool ebgp, ibgp;
	} cases[] = {
		{ 0xffffff01, false, true },  /* NO_EXPORT */
		{ 0xffffff02, false, false }, /* NO_ADVERTISE */
		{ 0xffffff03, false, true },  /* NO_EXPORT_SUBCONFED, without confederations */
		{ 0xffff0001, true, true },
	};

	kit_relay(k, 0, false, NULL);
	kit_relay(k, 1, false, NULL);
	kit_relay(k, 2, true, NULL);
	kit_hear(k, 0, P1,
	    (struct kit_route){ .path = { 65001 }, .communities = { cases[_i].community } });
	ck_assert_int_eq(kit_told(k, 1, P1)[0] != 0, cases[_i].ebgp);
	ck_assert_int_eq(kit_told(k, 2, P1)[0] != 0, cases[_i].ibgp);
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1");
}
END_TEST

START_TEST(rfc1997_our_own_no_export_is_for_the_receiver)
{
	static const uint32_t no_export = 0xffffff01;
	struct bgp_announce a = kit_own("10.99.0.0/24");

	kit_add(k, 0, false);
	a.communities = (struct bgp_communities){ .std = &no_export, .nr_std = 1 };
	kit_own_set(k, &a, 1);
	ck_assert_str_eq(kit_told(k, 0, "10.99.0.0/24"), "igp|65000|10.0.0.100|65535:65281");
}
END_TEST

/* ---- receiving ---- */

START_TEST(rfc4271_9_1_2_own_as_in_the_path)
{
	struct kit_conf c;

	kit_add(k, 0, false);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001, KIT_AS } });
	ck_assert_str_eq(kit_learned(k, P1), "");
	/* Allowed once, from what was kept: nothing is asked for again. */
	kit_conf_init(&c, 0);
	c.conf.allow_as_in = 1;
	kit_conf(k, 0, &c);
	kit_run(k);
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1");
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001, KIT_AS, KIT_AS } });
	ck_assert_str_eq(kit_learned(k, P1), "");
}
END_TEST

START_TEST(rfc4456_8_own_originator_and_cluster)
{
	kit_add(k, 0, true);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 64999 }, .originator = 0x09090909 });
	ck_assert_str_eq(kit_learned(k, P1), "");
	kit_hear(k, 0, P1,
	    (struct kit_route){
		.path = { 64999 }, .originator = 0x01010199, .cluster = 0x09090909 });
	ck_assert_str_eq(kit_learned(k, P1), "");
	kit_hear(k, 0, P1,
	    (struct kit_route){
		.path = { 64999 }, .originator = 0x01010199, .cluster = 0x01020304 });
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1");
	ck_assert_uint_eq(counts(0).received, 1);
}
END_TEST

START_TEST(rfc4456_8_reflection_attributes_never_to_ebgp)
{
	kit_relay(k, 0, true, NULL);
	kit_relay(k, 1, false, NULL);
	kit_hear(k, 0, P1,
	    (struct kit_route){
		.path = { 64999 }, .originator = 0x01010199, .cluster = 0x01020304 });
	ck_assert_str_eq(kit_told(k, 1, P1), "igp|65000 64999|10.0.0.100");
}
END_TEST

START_TEST(rfc4271_6_3_first_as_is_the_peers)
{
	kit_add(k, 0, false);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 } });
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65009, 65001 } });
	ck_assert_str_eq(kit_learned(k, P1), "");
	ck_assert_uint_eq(counts(0).received, 0);
	ck_assert_uint_eq(counts(0).withdraws_as_error, 1);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 } });
	kit_hear(k, 0, P1, (struct kit_route){ 0 });
	ck_assert_uint_eq(counts(0).received, 0);
}
END_TEST

START_TEST(rfc4271_6_3_prefixes_that_are_no_destinations_are_ignored)
{
	static const char *const ignored[] = { "224.0.0.0/4", "127.0.0.0/8", "240.0.0.0/4" };

	kit_add(k, 0, false);
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++) {
		kit_hear(k, 0, ignored[i], (struct kit_route){ .path = { 65001 } });
		ck_assert_str_eq(kit_learned(k, ignored[i]), "");
		kit_lose(k, 0, ignored[i]);
	}
	ck_assert_uint_eq(counts(0).received, 0);
	ck_assert_uint_eq(counts(0).withdraws_as_error, 0);
	kit_hear(k, 0, "0.0.0.0/0", (struct kit_route){ .path = { 65001 } });
	ck_assert_str_eq(kit_learned(k, "0.0.0.0/0"), "10.0.0.1");
}
END_TEST

START_TEST(rfc7606_2_treat_as_withdraw_removes_the_routes)
{
	/* ORIGIN 9 (RFC 7606 7.1), AS_PATH 65001, NEXT_HOP, 172.20.1.0/24 */
	static const uint8_t body[] = { 0, 0, 0, 20, 0x40, 1, 1, 9, 0x40, 2, 6, 2, 1, 0, 0, 0xfd,
		0xe9, 0x40, 3, 4, 10, 0, 0, 1, 24, 172, 20, 1 };
	struct bgp_fault f;

	kit_add(k, 0, false);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 } });
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1");
	ck_assert_int_eq(adj_update(k->peers[0].adj, wire_rd_init(body, sizeof(body)), &f), 0);
	kit_run(k);
	ck_assert_str_eq(kit_learned(k, P1), "");
	ck_assert_uint_eq(counts(0).withdraws_as_error, 1);
}
END_TEST

START_TEST(rfc7606_3_j_reset_gives_the_notification)
{
	static const uint8_t body[] = { 0, 1, 33, 0, 0 }; /* a prefix of 33 bits */
	struct bgp_fault f = { 0 };

	kit_add(k, 0, false);
	ck_assert_int_eq(
	    adj_update(k->peers[0].adj, wire_rd_init(body, sizeof(body)), &f), -EBADMSG);
	ck_assert_uint_eq(f.code, BGP_ERR_UPDATE);
}
END_TEST

START_TEST(rfc8212_nothing_is_imported_without_a_rule)
{
	struct kit_conf c;

	kit_conf_init(&c, 0);
	c.conf.import.nr_rules = 0;
	kit_conf(k, 0, &c);
	kit_up(k, 0, false);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 } });
	ck_assert_str_eq(kit_learned(k, P1), "");
	ck_assert_uint_eq(counts(0).received, 1);
	ck_assert_uint_eq(counts(0).accepted, 0);
	/* With a rule the kept route comes in; without it goes again. */
	c.conf.import.nr_rules = 1;
	ck_assert_uint_eq(adj_conf(k->peers[0].adj, &c.conf), 0);
	kit_run(k);
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1");
	ck_assert_uint_eq(counts(0).accepted, 1);
	c.conf.import.nr_rules = 0;
	adj_conf(k->peers[0].adj, &c.conf);
	kit_run(k);
	ck_assert_str_eq(kit_learned(k, P1), "");
}
END_TEST

START_TEST(rfc4486_4_too_many_prefixes)
{
	static const uint8_t data[] = { 0, 1, 1, 0, 0, 0, 2 };
	struct kit_route r = { .path = { 65001 } };
	struct bgp_fault f = { 0 };
	struct kit_conf c;

	kit_conf_init(&c, 0);
	c.conf.import.nr_rules = 0; /* accepted or not, they count */
	c.conf.family[BGP_IPV4_UNICAST].max_prefixes = 2;
	kit_conf(k, 0, &c);
	kit_up(k, 0, false);
	kit_hear(k, 0, "172.20.1.0/24", r);
	kit_hear(k, 0, "172.20.2.0/24", r);
	r.med = 5; /* those that are there may change */
	kit_hear(k, 0, "172.20.2.0/24", r);
	ck_assert_int_eq(kit_announce(k, 0, "172.20.3.0/24", &r, &f), -EBADMSG);
	ck_assert_uint_eq(f.code, BGP_ERR_CEASE);
	ck_assert_uint_eq(f.subcode, BGP_CEASE_MAX_PREFIXES);
	ck_assert_uint_eq(f.len, sizeof(data));
	ck_assert_mem_eq(f.data, data, sizeof(data));
	kit_down(k, 0, 0);
	kit_run(k);
	ck_assert_uint_eq(counts(0).received, 0);
}
END_TEST

START_TEST(rfc4271_4_3_withdrawn_and_announced_is_announced)
{
	/* withdraws and announces 172.20.1.0/24 */
	static const uint8_t body[] = { 0, 4, 24, 172, 20, 1, 0, 20, 0x40, 1, 1, 0, 0x40, 2, 6, 2,
		1, 0, 0, 0xfd, 0xe9, 0x40, 3, 4, 10, 0, 0, 1, 24, 172, 20, 1 };
	struct bgp_fault f;

	kit_add(k, 0, false);
	ck_assert_int_eq(adj_update(k->peers[0].adj, wire_rd_init(body, sizeof(body)), &f), 0);
	kit_run(k);
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1");
}
END_TEST

/* ---- graceful restart ---- */

/* Whatever a rule gives it, unless a rule takes the mark off; only from another AS. */
START_TEST(rfc8326_4_1_what_is_about_to_go_is_the_last_choice)
{
	struct kit_route r = { .path = { 65001 }, .communities = { BGP_GRACEFUL_SHUTDOWN } };
	struct kit_conf c;

	kit_conf_init(&c, 0);
	c.import[0].set.has_local_pref = true;
	c.import[0].set.local_pref = 500;
	kit_conf(k, 0, &c);
	kit_up(k, 0, false);
	kit_add(k, 1, false);
	kit_hear(k, 0, P1, r);
	kit_hear(k, 1, P1, (struct kit_route){ .path = { 65002, 9, 9 } });
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1"); /* not asked to honor it */
	c.conf.honor_shutdown = true;
	kit_conf(k, 0, &c);
	kit_run(k);
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.2");
	c.import[0].set.remove =
	    (struct bgp_communities){ .std = (uint32_t[]){ BGP_GRACEFUL_SHUTDOWN }, .nr_std = 1 };
	kit_conf(k, 0, &c);
	kit_run(k);
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1");
	c.import[0].set.remove = (struct bgp_communities){ 0 };
	kit_conf(k, 0, &c);
	kit_down(k, 0, 0);
	kit_up(k, 0, true); /* internal: it was the border's to do */
	kit_hear(k, 0, P1, r);
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1");
}
END_TEST

START_TEST(rfc4724_4_2_stale_until_end_of_rib)
{
	kit_relay(k, 0, false, NULL);
	kit_relay(k, 1, false, NULL);
	kit_hear(k, 0, "172.20.1.0/24", (struct kit_route){ .path = { 65001 } });
	kit_hear(k, 0, "172.20.2.0/24", (struct kit_route){ .path = { 65001 } });
	kit_hear(k, 0, "172.20.3.0/24", (struct kit_route){ .path = { 65001 } });
	kit_counters_clear(k);
	kit_down(k, 0, V4);
	kit_run(k);
	ck_assert_uint_eq(adj_stale_families(k->peers[0].adj), V4);
	ck_assert_uint_eq(kit_table_size(&k->peers[1]), 3);
	kit_up(k, 0, false);
	kit_hear(k, 0, "172.20.1.0/24", (struct kit_route){ .path = { 65001 } });
	kit_hear(
	    k, 0, "172.20.2.0/24", (struct kit_route){ .path = { 65001 }, .communities = { 5 } });
	ck_assert_uint_eq(k->nr_learned, 0);
	ck_assert_uint_eq(k->peers[1].announced, 1); /* only what came back different */
	ck_assert_uint_eq(k->peers[1].withdrawn, 0);
	ck_assert_int_eq(kit_eor(k, 0, BGP_IPV4_UNICAST), 0);
	kit_run(k);
	ck_assert_uint_eq(k->peers[0].eor_got[BGP_IPV4_UNICAST], 1);
	ck_assert(counts(0).eor_in);
	ck_assert_uint_eq(adj_stale_families(k->peers[0].adj), 0);
	ck_assert_str_eq(kit_told(k, 1, "172.20.3.0/24"), "");
	ck_assert_uint_eq(k->peers[1].withdrawn, 1);
	ck_assert_str_eq(kit_learned(k, "172.20.3.0/24"), "");
	ck_assert_str_eq(kit_learned(k, "172.20.1.0/24"), "10.0.0.1");
}
END_TEST

START_TEST(rfc4724_4_2_consecutive_restart_drops_the_old_stale)
{
	kit_add(k, 0, false);
	kit_hear(k, 0, "172.20.1.0/24", (struct kit_route){ .path = { 65001 } });
	kit_hear(k, 0, "172.20.2.0/24", (struct kit_route){ .path = { 65001 } });
	kit_down(k, 0, V4);
	kit_up(k, 0, false);
	kit_hear(k, 0, "172.20.1.0/24", (struct kit_route){ .path = { 65001 } });
	kit_down(k, 0, V4); /* before its End-of-RIB */
	kit_run(k);
	ck_assert_str_eq(kit_learned(k, "172.20.1.0/24"), "10.0.0.1");
	ck_assert_str_eq(kit_learned(k, "172.20.2.0/24"), "");
}
END_TEST

START_TEST(rfc4724_4_2_purge_and_families_that_are_gone)
{
	struct kit_peer *p;

	kit_add(k, 0, false);
	p = &k->peers[0];
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 } });
	kit_hear(k, 0, "2001:db8::/48", (struct kit_route){ .path = { 65001 } });
	kit_down(k, 0, V4); /* IPv6 not kept */
	kit_run(k);
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1");
	ck_assert_str_eq(kit_learned(k, "2001:db8::/48"), "");
	adj_purge_stale(p->adj, V4);
	kit_run(k);
	ck_assert_str_eq(kit_learned(k, P1), "");
	ck_assert_uint_eq(adj_stale_families(p->adj), 0);
	/* A session without the family does not keep its routes. */
	kit_up(k, 0, false);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 } });
	kit_down(k, 0, V4);
	p->s = kit_session(0, false);
	p->s.families = BGP_FAMILY_MASK(BGP_IPV6_UNICAST);
	p->up = true;
	adj_up(p->adj, &p->s);
	kit_run(k);
	ck_assert_str_eq(kit_learned(k, P1), "");
}
END_TEST

START_TEST(rfc7313_4_what_does_not_come_again_goes)
{
	kit_add(k, 0, false);
	kit_hear(k, 0, "172.20.1.0/24", (struct kit_route){ .path = { 65001 } });
	kit_hear(k, 0, "172.20.2.0/24", (struct kit_route){ .path = { 65001 } });
	adj_refresh(k->peers[0].adj, BGP_IPV4_UNICAST, BGP_REFRESH_BORR);
	kit_hear(k, 0, "172.20.2.0/24", (struct kit_route){ .path = { 65001 } });
	adj_refresh(k->peers[0].adj, BGP_IPV4_UNICAST, BGP_REFRESH_EORR);
	adj_refresh(k->peers[0].adj, BGP_IPV4_UNICAST, 99);
	kit_run(k);
	ck_assert_str_eq(kit_learned(k, "172.20.1.0/24"), "");
	ck_assert_str_eq(kit_learned(k, "172.20.2.0/24"), "10.0.0.1");
}
END_TEST

/* ---- what is learned ---- */

START_TEST(learned_is_told_on_change_of_the_hops_only)
{
	kit_add(k, 0, false);
	kit_add(k, 1, false);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 } });
	ck_assert_uint_eq(k->nr_learned, 1);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 }, .communities = { 77 } });
	ck_assert_uint_eq(k->nr_learned, 1);
	kit_hear(k, 1, P1, (struct kit_route){ .path = { 65002 } });
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1 10.0.0.2");
	ck_assert_uint_eq(k->nr_learned, 2);
	kit_hear(k, 1, P1, (struct kit_route){ .path = { 65002, 65002 } });
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1");
	/* Away and back within a turn is no change. */
	kit_counters_clear(k);
	ck_assert_int_eq(kit_withdraw(k, 0, P1), 0);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 } });
	ck_assert_uint_eq(k->nr_learned, 0);
	kit_lose(k, 0, P1);
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.2");
	kit_lose(k, 1, P1);
	ck_assert_str_eq(kit_learned(k, P1), "");
}
END_TEST

START_TEST(multipath_up_to_the_limit)
{
	for (unsigned i = 0; i < 4; i++) {
		kit_add(k, i, false);
		kit_hear(k, i, P1, (struct kit_route){ .path = { 65001 + i } });
	}
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4");
	rib_conf(k->rib,
	    &(struct bgp_instance_conf){
		.local_as = KIT_AS, .router_id = 0x09090909, .max_paths = 1 });
	kit_run(k);
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1");
}
END_TEST

START_TEST(never_a_learned_route_to_what_is_ours)
{
	struct bgp_announce a = kit_own(P1);

	kit_add(k, 0, false);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 } });
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1");
	kit_own_set(k, &a, 1);
	ck_assert_str_eq(kit_learned(k, P1), "");
	kit_own_set(k, NULL, 0);
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1");
}
END_TEST

START_TEST(ipv6_routes_have_their_own_next_hops)
{
	struct bgp_announce a = kit_own("2001:db8:9::/64");

	kit_relay(k, 0, false, NULL);
	kit_relay(k, 1, false, NULL);
	kit_hear(k, 0, "2001:db8:1::/48", (struct kit_route){ .path = { 65001 } });
	ck_assert_str_eq(kit_learned(k, "2001:db8:1::/48"), "fd00::1");
	ck_assert_str_eq(kit_told(k, 1, "2001:db8:1::/48"), "igp|65000 65001|fd00::64");
	kit_own_set(k, &a, 1);
	ck_assert_str_eq(kit_told(k, 0, "2001:db8:9::/64"), "igp|65000|fd00::64");
}
END_TEST

START_TEST(a_peer_that_goes_takes_its_routes_along)
{
	kit_relay(k, 0, false, NULL);
	kit_relay(k, 1, false, NULL);
	kit_hear(k, 0, P1, (struct kit_route){ .path = { 65001 } });
	adj_free(k->peers[0].adj);
	k->peers[0].adj = NULL;
	k->peers[0].up = false;
	kit_run(k);
	ck_assert_str_eq(kit_learned(k, P1), "");
	ck_assert_str_eq(kit_told(k, 1, P1), "");
	/* Its number may be used again. */
	kit_relay(k, 2, false, NULL);
	kit_hear(k, 2, P1, (struct kit_route){ .path = { 65003 } });
	ck_assert_str_eq(kit_told(k, 1, P1), "igp|65000 65003|10.0.0.100");
	ck_assert_str_eq(kit_told(k, 2, P1), "");
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("rib");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, rfc4271_5_1_2_as_path_prepended_to_ebgp_unchanged_to_ibgp);
	tcase_add_test(tc, rfc4271_5_1_3_next_hop_self_to_ebgp_kept_to_ibgp);
	tcase_add_test(tc, rfc4271_5_1_3_never_the_peers_own_address);
	tcase_add_test(tc, rfc4271_5_1_3_our_own_address_is_not_feasible);
	tcase_add_test(tc, rfc4271_5_1_4_med_not_to_a_third_as);
	tcase_add_test(tc, rfc4271_5_1_4_med_that_our_policy_sets_goes_out);
	tcase_add_test(tc, rfc4271_5_1_5_local_pref_to_ibgp_never_to_ebgp);
	tcase_add_test(tc, rfc4271_5_1_5_local_pref_of_a_rule_is_not_for_ebgp);
	tcase_add_test(tc, rfc4271_5_1_5_local_pref_from_ebgp_is_ignored);
	tcase_add_test(tc, rfc4271_9_2_ibgp_routes_are_not_told_to_ibgp);
	tcase_add_test(tc, split_horizon_never_back_to_where_it_came_from);
	tcase_add_test(tc, learned_routes_are_told_again_when_asked);
	tcase_add_test(tc, rfc8212_learned_routes_go_out_by_a_rule_only);
	tcase_add_test(tc, rfc4271_5_unknown_transitive_is_passed_on_with_partial);
	tcase_add_test(tc, rfc4271_5_the_partial_bit_is_part_of_a_set);
	tcase_add_test(tc, rfc1997_communities_are_sorted_and_single);
	tcase_add_loop_test(tc, rfc1997_well_known_communities_are_honoured, 0, 4);
	tcase_add_test(tc, rfc1997_our_own_no_export_is_for_the_receiver);
	tcase_add_test(tc, rfc4271_9_1_2_own_as_in_the_path);
	tcase_add_test(tc, rfc4456_8_own_originator_and_cluster);
	tcase_add_test(tc, rfc4456_8_reflection_attributes_never_to_ebgp);
	tcase_add_test(tc, rfc4271_6_3_first_as_is_the_peers);
	tcase_add_test(tc, rfc4271_6_3_prefixes_that_are_no_destinations_are_ignored);
	tcase_add_test(tc, rfc7606_2_treat_as_withdraw_removes_the_routes);
	tcase_add_test(tc, rfc7606_3_j_reset_gives_the_notification);
	tcase_add_test(tc, rfc8212_nothing_is_imported_without_a_rule);
	tcase_add_test(tc, rfc4486_4_too_many_prefixes);
	tcase_add_test(tc, rfc4271_4_3_withdrawn_and_announced_is_announced);
	tcase_add_test(tc, rfc8326_4_1_what_is_about_to_go_is_the_last_choice);
	tcase_add_test(tc, rfc4724_4_2_stale_until_end_of_rib);
	tcase_add_test(tc, rfc4724_4_2_consecutive_restart_drops_the_old_stale);
	tcase_add_test(tc, rfc4724_4_2_purge_and_families_that_are_gone);
	tcase_add_test(tc, rfc7313_4_what_does_not_come_again_goes);
	tcase_add_test(tc, learned_is_told_on_change_of_the_hops_only);
	tcase_add_test(tc, multipath_up_to_the_limit);
	tcase_add_test(tc, never_a_learned_route_to_what_is_ours);
	tcase_add_test(tc, ipv6_routes_have_their_own_next_hops);
	tcase_add_test(tc, a_peer_that_goes_takes_its_routes_along);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("rib", add_tests)
