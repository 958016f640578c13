/*
 * tests/unit/bgpd/test_sweep.c: what happens to a large table while a sweep is on its way: a session that
 * is back before its old routes are gone, rules that change twice, a peer that is freed.
 */
#include "bgpd/sweep.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "bgpd/msg.h"
#include "bgpd/out.h"
#include "tests/unit/bgpd/ribkit.h"
#include "tests/unit/unit.h"

#define MANY 80000u /* more than one turn takes */
#define F BGP_IPV4_UNICAST

static struct kit *k;
static const struct bgp_rule accept_all = { .accept = true };

/* Peer 0 tells, peer 1 is told. */
static void
setup(void)
{
	struct kit_conf c;

	k = kit_new();
	kit_add(k, 0, false);
	kit_conf_init(&c, 1);
	c.export[0] = accept_all;
	c.conf.export.nr_rules = 1;
	kit_conf(k, 1, &c);
	kit_up(k, 1, false);
	kit_run(k);
}

static void
teardown(void)
{
	kit_free(k);
}

static const char *
nth(unsigned i)
{
	static char text[PREFIX_STRLEN];

	snprintf(text, sizeof(text), "20.%u.%u.%u/32", i >> 16, i >> 8 & 255, i & 255);
	return text;
}

static int
announce(unsigned from, unsigned to, uint32_t med)
{
	const struct kit_route r = { .path = { 65001 }, .med = med };
	int err = 0;

	for (unsigned i = from; i < to && !err; i++)
		err = kit_announce(k, 0, nth(i), &r, NULL);
	return err;
}

static void
fill(void)
{
	ck_assert_int_eq(announce(0, MANY, 0), 0);
	kit_run(k);
	ck_assert_uint_eq(kit_table_size(&k->peers[1]), MANY);
}

static struct adj *
adj(void)
{
	return k->peers[0].adj;
}

static uint32_t
received(void)
{
	struct adj_counts c;

	adj_counts(adj(), F, &c);
	ck_assert_uint_eq(c.received, c.accepted);
	return c.received;
}

/* Everybody agrees that there are @nr routes. */
static void
settled(uint32_t nr)
{
	kit_run(k);
	ck_assert_uint_eq(received(), nr);
	ck_assert_uint_eq(adj()->nr_old[F], 0);
	ck_assert_uint_eq(k->rib->paths.nr, nr);
	ck_assert_uint_eq(k->rib->tab[F].nodes.nr, nr);
	ck_assert_uint_eq(kit_table_size(&k->peers[1]), nr);
}

/* One turn of the loop later it is not over. */
static void
down_in_the_midst(void)
{
	kit_down(k, 0, 0);
	ck_assert_uint_eq(received(), 0);
	loop_turn(k->loop, 0);
	ck_assert_uint_gt(adj()->nr_old[F], 0);
	ck_assert_uint_lt(adj()->nr_old[F], MANY);
}

START_TEST(a_session_that_ends_goes_in_slices)
{
	fill();
	down_in_the_midst();
	settled(0);
}
END_TEST

/* What the new session tells stays, be it told before the sweep comes to it or after; the rest goes. */
START_TEST(a_session_that_is_back_too_early)
{
	fill();
	down_in_the_midst();
	kit_up(k, 0, false);
	ck_assert_int_eq(announce(0, 500, 0), 0);
	ck_assert_int_eq(announce(MANY - 500, MANY + 500, 7), 0);
	ck_assert_uint_eq(received(), 1500);
	settled(1500);
	ck_assert_str_eq(kit_told(k, 1, nth(MANY - 1)), "igp|65000 65001|10.0.0.100");
	ck_assert_str_eq(kit_learned(k, nth(0)), "10.0.0.1");
	ck_assert_str_eq(kit_learned(k, nth(600)), "");
	/* And what it takes back goes. */
	ck_assert_int_eq(kit_withdraw(k, 0, nth(0)), 0);
	ck_assert_int_eq(kit_withdraw(k, 0, nth(MANY - 1)), 0);
	settled(1498);
}
END_TEST

/* A withdrawal of what only the old session told takes that. */
START_TEST(a_withdrawal_of_what_is_on_its_way_out)
{
	fill();
	down_in_the_midst();
	kit_up(k, 0, false);
	ck_assert_int_eq(kit_withdraw(k, 0, nth(MANY - 1)), 0);
	ck_assert_uint_eq(received(), 0);
	settled(0);
}
END_TEST

START_TEST(a_session_that_ends_twice)
{
	fill();
	down_in_the_midst();
	kit_up(k, 0, false);
	ck_assert_int_eq(announce(MANY - 100, MANY, 0), 0);
	kit_down(k, 0, 0);
	ck_assert_uint_eq(adj()->nr_old[F], 100); /* of the first one nothing is left */
	kit_up(k, 0, false);
	ck_assert_int_eq(announce(0, 10, 0), 0);
	settled(10);
}
END_TEST

/* Graceful restart begins while an older session's routes go: only the new one's stay. */
START_TEST(what_is_kept_is_of_the_last_session)
{
	fill();
	down_in_the_midst();
	kit_up(k, 0, false);
	ck_assert_int_eq(announce(MANY - 100, MANY, 0), 0);
	kit_down(k, 0, BGP_FAMILY_MASK(F));
	ck_assert_uint_eq(adj()->nr_stale[F], 100);
	settled(100);
	ck_assert_uint_eq(adj()->nr_stale[F], 100);
	for (uint32_t id = 1; id < ptab_end(&k->rib->tab[F]); id++) {
		const struct node *n = ptab_node(&k->rib->tab[F], id);

		ck_assert(n->len == NODE_FREE || rib_path(k->rib, n->paths)->flags & PATH_STALE);
	}
	adj_purge_stale(adj(), BGP_FAMILY_MASK(F));
	ck_assert_uint_eq(adj()->nr_stale[F], 0);
	settled(0);
}
END_TEST

START_TEST(limits_count_one_session)
{
	struct kit_conf c;

	fill();
	kit_conf_init(&c, 0);
	c.conf.family[F].max_prefixes = 100;
	down_in_the_midst();
	kit_conf(k, 0, &c);
	kit_up(k, 0, false);
	ck_assert_int_eq(announce(MANY - 50, MANY + 50, 0), 0);
	ck_assert_int_eq(announce(MANY - 51, MANY - 50, 0), -EBADMSG); /* an old path */
	ck_assert_int_eq(announce(MANY + 50, MANY + 51, 0), -EBADMSG); /* a new one */
	settled(100);
}
END_TEST

START_TEST(a_peer_that_is_freed_takes_its_routes_along)
{
	fill();
	adj_free(adj());
	k->peers[0].adj = NULL;
	loop_turn(k->loop, 0);
	ck_assert_uint_gt(k->rib->paths.nr, 0);
	/* One of the same name may come meanwhile. */
	kit_add(k, 0, false);
	ck_assert_int_eq(announce(5, 10, 0), 0);
	settled(5);
	ck_assert_uint_eq(k->rib->nr_zombies, 0);
}
END_TEST

/* The end of everything does not wait for sweeps. */
START_TEST(freed_in_the_midst)
{
	fill();
	adj_free(adj());
	k->peers[0].adj = NULL;
	loop_turn(k->loop, 0);
	ck_assert_uint_gt(k->rib->paths.nr, 0);
}
END_TEST

/* ---- ages ---- */

static void rules(bool narrow);

static uint32_t
stale(void)
{
	struct adj_counts c;

	adj_counts(adj(), F, &c);
	return c.stale;
}

/* What is kept becomes stale in slices: from the first moment all of it counts as such. */
static void
kept_in_the_midst(void)
{
	kit_down(k, 0, BGP_FAMILY_MASK(F));
	ck_assert_uint_eq(stale(), MANY);
	ck_assert_uint_eq(adj_stale_families(adj()), BGP_FAMILY_MASK(F));
	loop_turn(k->loop, 0);
	ck_assert_uint_gt(adj()->nr_old[F], 0);
	ck_assert_uint_lt(adj()->nr_old[F], MANY);
	ck_assert_uint_eq(stale(), MANY);
}

START_TEST(routes_grow_stale_in_slices)
{
	fill();
	kept_in_the_midst();
	/* The peer is back already, and tells some again, on both sides of where the walk is. */
	kit_up(k, 0, false);
	ck_assert_int_eq(announce(0, 500, 0), 0);
	ck_assert_int_eq(announce(MANY - 500, MANY + 500, 7), 0);
	ck_assert_int_eq(kit_withdraw(k, 0, nth(1)), 0);
	ck_assert_int_eq(kit_withdraw(k, 0, nth(MANY - 1)), 0);
	settled(MANY + 500 - 2);
	ck_assert_uint_eq(stale(), MANY - 1000);
	kit_counters_clear(k);
	/* Its End-of-RIB: what it has not told goes, in slices too. */
	ck_assert_int_eq(kit_eor(k, 0, F), 0);
	loop_turn(k->loop, 0);
	ck_assert_uint_gt(stale(), 0);
	ck_assert_uint_lt(stale(), MANY - 1000);
	ck_assert_int_eq(announce(MANY - 502, MANY - 500, 0), 0); /* which goes not */
	settled(1500);
	ck_assert_uint_eq(stale(), 0);
	ck_assert_uint_eq(k->peers[1].withdrawn, MANY - 1002);
	ck_assert_uint_eq(k->peers[1].announced, 0);
}
END_TEST

/* Whatever comes in the midst of it, nothing is kept that should not be, and the other way round. */
START_TEST(what_comes_while_routes_grow_stale)
{
	fill();
	kept_in_the_midst();
	rules(true);
	kit_run(k);
	ck_assert_uint_eq(kit_table_size(&k->peers[1]), 65536);
	rules(false);
	kit_run(k);
	kit_up(k, 0, false);
	fill();
	ck_assert_uint_eq(stale(), 0);
	kept_in_the_midst();
	adj_purge_stale(adj(), BGP_FAMILY_MASK(F));
	ck_assert_uint_eq(stale(), 0);
	settled(0);
	kit_up(k, 0, false);
	fill();
	kept_in_the_midst();
	kit_up(k, 0, false);
	ck_assert_int_eq(announce(0, 10, 0), 0);
	kit_down(k, 0, BGP_FAMILY_MASK(F)); /* again: what was stale goes */
	settled(10);
	ck_assert_uint_eq(stale(), 10);
	kit_up(k, 0, false);
	fill();
	kept_in_the_midst();
	kit_down(k, 0, 0);
	settled(0);
}
END_TEST

START_TEST(routes_grow_old_in_slices)
{
	const unsigned ipv4 = BGP_FAMILY_MASK(F);

	fill();
	kept_in_the_midst();
	adj_long_lived(adj(), ipv4); /* behind the other walk */
	ck_assert_uint_eq(adj_long_lived_families(adj()), ipv4);
	for (unsigned i = 0; i < 20 && !adj()->nr_long[F]; i++)
		loop_turn(k->loop, 0);
	ck_assert_uint_gt(adj()->nr_long[F], 0);
	ck_assert_uint_lt(adj()->nr_long[F], MANY);
	kit_up(k, 0, false);
	ck_assert_int_eq(announce(MANY - 10, MANY, 0), 0);
	kit_run(k);
	ck_assert_uint_eq(adj()->nr_long[F], MANY - 10);
	ck_assert_uint_eq(stale(), MANY - 10);
	/* Peer 1 has not said that it knows of them. */
	ck_assert_uint_eq(kit_table_size(&k->peers[1]), 10);
	ck_assert_int_eq(kit_eor(k, 0, F), 0);
	settled(10);
	ck_assert_uint_eq(adj_long_lived_families(adj()), 0);
}
END_TEST

/* RFC 7313 4, of a large table. */
START_TEST(a_refresh_in_slices)
{
	fill();
	adj_refresh(adj(), F, BGP_REFRESH_BORR);
	loop_turn(k->loop, 0);
	ck_assert_uint_gt(adj()->nr_old[F], 0);
	ck_assert_uint_lt(adj()->nr_old[F], MANY);
	ck_assert_uint_eq(received(), MANY);
	ck_assert_int_eq(announce(0, 100, 0), 0);
	ck_assert_int_eq(announce(MANY - 100, MANY + 100, 0), 0);
	kit_run(k);
	ck_assert_uint_eq(adj()->nr_unseen[F], MANY - 200);
	adj_refresh(adj(), F, BGP_REFRESH_EORR);
	loop_turn(k->loop, 0);
	ck_assert_uint_gt(adj()->nr_unseen[F], 0);
	ck_assert_uint_lt(adj()->nr_unseen[F], MANY - 200);
	ck_assert(!timer_is_running(&adj()->refresh_limit));
	settled(300);
}
END_TEST

/* Accept what is in 20.0.0.0/16 only, or all. */
static void
rules(bool narrow)
{
	struct kit_conf c;

	kit_conf_init(&c, 0);
	c.prefixes[0].le = 32;
	ck_assert_int_eq(prefix_parse("20.0.0.0/16", &c.prefixes[0].prefix, NULL), 0);
	c.import[0].match.prefixes = c.prefixes;
	c.import[0].match.nr_prefixes = narrow ? 1 : 0;
	kit_conf(k, 0, &c);
}

START_TEST(rules_change_in_slices)
{
	struct adj_counts c;

	fill();
	rules(true);
	loop_turn(k->loop, 0);
	adj_counts(adj(), F, &c);
	ck_assert_uint_gt(c.accepted, 65536);
	/* What comes and goes meanwhile is by the new rules. */
	ck_assert_int_eq(announce(MANY, MANY + 10, 0), 0);
	ck_assert_int_eq(kit_withdraw(k, 0, nth(0)), 0);
	kit_run(k);
	adj_counts(adj(), F, &c);
	ck_assert_uint_eq(c.received, MANY + 9);
	ck_assert_uint_eq(c.accepted, 65535);
	ck_assert_uint_eq(kit_table_size(&k->peers[1]), 65535);
	ck_assert_str_eq(kit_told(k, 1, nth(65536)), "");
	/* Back again, and once more in the midst of that. */
	rules(false);
	loop_turn(k->loop, 0);
	rules(true);
	kit_run(k);
	ck_assert_uint_eq(kit_table_size(&k->peers[1]), 65535);
	rules(false);
	loop_turn(k->loop, 0);
	kit_down(k, 0, 0);
	settled(0);
}
END_TEST

/* ---- export ---- */

/* Peer 1 is told of everything with this MED. */
static void
tell_med(uint32_t med)
{
	struct kit_conf c;

	kit_conf_init(&c, 1);
	c.export[0] = (struct bgp_rule){ .accept = true, .set = { .has_med = true, .med = med } };
	c.conf.export.nr_rules = 1;
	kit_conf(k, 1, &c);
}

static unsigned
nr_groups(void)
{
	unsigned nr = 0;

	for (const struct out_group *g = k->rib->groups[F]; g; g = g->next)
		nr++;
	return nr;
}

/* While the new table is made the peer hears what the old rules make of changes. */
START_TEST(export_rules_change_in_slices)
{
	unsigned groups;

	fill();
	groups = nr_groups();
	tell_med(7);
	loop_turn(k->loop, 0);
	ck_assert(k->peers[1].adj->redo_groups); /* not there yet */
	ck_assert_int_eq(announce(MANY, MANY + 1, 0), 0);
	ck_assert_int_eq(kit_withdraw(k, 0, nth(3)), 0);
	kit_run(k);
	ck_assert_uint_eq(nr_groups(), groups);
	ck_assert_uint_eq(kit_table_size(&k->peers[1]), MANY);
	ck_assert_uint_eq(out_advertised(k->peers[1].adj, F), MANY);
	ck_assert_str_eq(kit_told(k, 1, nth(3)), "");
	ck_assert_str_eq(kit_told(k, 1, nth(4)), "igp|65000 65001|10.0.0.100|med 7");
	ck_assert_str_eq(kit_told(k, 1, nth(MANY)), "igp|65000 65001|10.0.0.100|med 7");
	ck_assert_uint_eq(k->peers[1].redundant, 0);
}
END_TEST

/* Peer 1 is being moved: some nodes have been compared, some have not. */
static struct member *
in_the_midst_of_a_move(uint32_t med)
{
	struct member *m;

	tell_med(med);
	for (unsigned i = 0; i < 20; i++) {
		loop_turn(k->loop, 0);
		m = k->peers[1].adj->member[F];
		if (m->to && m->move_at > 1)
			break;
	}
	ck_assert_ptr_nonnull(m->to);
	ck_assert_uint_gt(m->move_at, 1000);
	ck_assert_uint_lt(m->move_at, MANY - 1000);
	return m;
}

static void
told_of_all(unsigned from, unsigned to, const char *text)
{
	for (unsigned i = from; i < to; i++)
		ck_assert_str_eq(kit_told(k, 1, nth(i)), text);
}

/* What a peer has is compared with what it should have in slices; what changes meanwhile, on either side of
 * where that has come to, it is told once and rightly. */
START_TEST(a_move_in_slices)
{
	const unsigned top = MANY - 100;
	unsigned groups;

	fill();
	groups = nr_groups();
	kit_counters_clear(k);
	(void)in_the_midst_of_a_move(7);
	ck_assert_uint_eq(k->peers[1].announced, 0);
	for (unsigned at = 10; at <= top; at += top - 10) {
		ck_assert_int_eq(kit_withdraw(k, 0, nth(at)), 0);
		ck_assert_int_eq(kit_withdraw(k, 0, nth(at + 1)), 0);
		ck_assert_int_eq(kit_withdraw(k, 0, nth(at + 2)), 0);
	}
	loop_turn(k->loop, 0);
	ck_assert_ptr_nonnull(k->peers[1].adj->member[F]->to);
	/* One is back, as it was; another takes the number of one that is gone for good. */
	for (unsigned at = 10; at <= top; at += top - 10)
		ck_assert_int_eq(announce(at + 1, at + 2, 0), 0);
	ck_assert_int_eq(announce(MANY, MANY + 2, 0), 0);
	kit_run(k);
	ck_assert_uint_eq(nr_groups(), groups);
	ck_assert_uint_eq(kit_table_size(&k->peers[1]), MANY - 2);
	ck_assert_uint_eq(out_advertised(k->peers[1].adj, F), MANY - 2);
	ck_assert_str_eq(kit_told(k, 1, nth(10)), "");
	ck_assert_str_eq(kit_told(k, 1, nth(top)), "");
	ck_assert_str_eq(kit_told(k, 1, nth(12)), "");
	told_of_all(0, 10, "igp|65000 65001|10.0.0.100|med 7");
	told_of_all(13, top, "igp|65000 65001|10.0.0.100|med 7");
	told_of_all(top + 3, MANY + 2, "igp|65000 65001|10.0.0.100|med 7");
	ck_assert_str_eq(kit_told(k, 1, nth(11)), "igp|65000 65001|10.0.0.100|med 7");
	ck_assert_str_eq(kit_told(k, 1, nth(top + 1)), "igp|65000 65001|10.0.0.100|med 7");
	ck_assert_uint_eq(k->peers[1].redundant, 0);
	ck_assert_uint_eq(k->peers[1].announced, MANY - 2);
	ck_assert_uint_eq(k->peers[1].withdrawn, 4);
}
END_TEST

/* Rules that change again, a refresh, the end of either session, while a move is on its way. */
START_TEST(what_comes_in_the_midst_of_a_move)
{
	unsigned groups;

	fill();
	groups = nr_groups();
	(void)in_the_midst_of_a_move(7);
	tell_med(5);
	adj_refresh(k->peers[1].adj, F, BGP_REFRESH_REQUEST);
	kit_run(k);
	ck_assert_uint_eq(nr_groups(), groups);
	ck_assert_uint_eq(kit_table_size(&k->peers[1]), MANY);
	told_of_all(0, MANY, "igp|65000 65001|10.0.0.100|med 5");
	(void)in_the_midst_of_a_move(6);
	kit_down(k, 0, 0);
	kit_run(k);
	ck_assert_uint_eq(kit_table_size(&k->peers[1]), 0);
	ck_assert_uint_eq(out_advertised(k->peers[1].adj, F), 0);
	kit_up(k, 0, false);
	fill();
	told_of_all(0, MANY, "igp|65000 65001|10.0.0.100|med 6");
	(void)in_the_midst_of_a_move(7);
	kit_down(k, 1, 0);
	kit_run(k);
	ck_assert_uint_eq(nr_groups(), groups - 1);
}
END_TEST

/* A change that is taken back, and a session that ends meanwhile, leave nothing behind. */
START_TEST(export_rules_that_change_again)
{
	unsigned groups;

	tell_med(5);
	kit_run(k);
	groups = nr_groups();
	fill();
	kit_counters_clear(k);
	tell_med(7);
	loop_turn(k->loop, 0);
	tell_med(5);
	kit_run(k);
	ck_assert_uint_eq(nr_groups(), groups);
	ck_assert_uint_eq(k->peers[1].announced, 0);
	tell_med(7);
	loop_turn(k->loop, 0);
	kit_down(k, 1, 0);
	kit_run(k);
	ck_assert_uint_eq(nr_groups(), groups - 1);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("sweep");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, a_session_that_ends_goes_in_slices);
	tcase_add_test(tc, a_session_that_is_back_too_early);
	tcase_add_test(tc, a_withdrawal_of_what_is_on_its_way_out);
	tcase_add_test(tc, a_session_that_ends_twice);
	tcase_add_test(tc, what_is_kept_is_of_the_last_session);
	tcase_add_test(tc, limits_count_one_session);
	tcase_add_test(tc, a_peer_that_is_freed_takes_its_routes_along);
	tcase_add_test(tc, freed_in_the_midst);
	if (unit_rounds(20) < 20) { /* half an hour of valgrind's; the sanitizers take all of it */
		suite_add_tcase(s, tc);
		return;
	}
	tcase_add_test(tc, routes_grow_stale_in_slices);
	tcase_add_test(tc, what_comes_while_routes_grow_stale);
	tcase_add_test(tc, routes_grow_old_in_slices);
	tcase_add_test(tc, a_refresh_in_slices);
	tcase_add_test(tc, rules_change_in_slices);
	tcase_add_test(tc, export_rules_change_in_slices);
	tcase_add_test(tc, export_rules_that_change_again);
	tcase_add_test(tc, a_move_in_slices);
	tcase_add_test(tc, what_comes_in_the_midst_of_a_move);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("sweep", add_tests)
