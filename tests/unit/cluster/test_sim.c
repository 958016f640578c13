/*
 * tests/unit/cluster/test_sim.c: nodes of sim.h through single events, each with what must come of it.
 */
#include "tests/unit/cluster/sim.h"

#include "tests/unit/unit.h"

#define ADDRS 12
#define MOVE_MS 5 /* as long as a planned move may leave an address alone */

static bool
all_have_one(const struct sim *s)
{
	for (unsigned a = 0; a < s->nr_addrs; a++)
		if (sim_holder(s, a) < 0)
			return false;
	return true;
}

static void
must_have_one(const struct sim *s)
{
	if (!all_have_one(s))
		sim_dump(s);
	ck_assert(all_have_one(s));
}

/* A world that has come to rest; its clock is looked at every millisecond. */
static struct sim *
settled(unsigned nr_nodes, bool api)
{
	struct sim *s = sim_new(nr_nodes, nr_nodes, ADDRS, api);

	s->trace = getenv("SIM_TRACE") != NULL;
	for (unsigned i = 0; i < nr_nodes; i++)
		sim_start(s, i);
	sim_run(s, 12000);
	must_have_one(s);
	s->tick_ms = 1;
	sim_run(s, 20);
	sim_mark(s);
	return s;
}

static void
holders(const struct sim *s, int *list)
{
	for (unsigned a = 0; a < s->nr_addrs; a++)
		list[a] = sim_holder(s, a);
}

/* The longest that an address was alone, or had two. */
static uint64_t
longest(const struct sim *s, bool two)
{
	uint64_t most = 0;

	for (unsigned a = 0; a < s->nr_addrs; a++) {
		uint64_t ms = two ? s->addrs[a].two_max : s->addrs[a].none_max;

		if (two && s->addrs[a].deaf_max > ms)
			ms = s->addrs[a].deaf_max;
		most = ms > most ? ms : most;
	}
	return most;
}

static bool
holds_any(const struct sim *s, unsigned node)
{
	for (unsigned a = 0; a < s->nr_addrs; a++)
		if (sim_answers(s, node, a))
			return true;
	return false;
}

START_TEST(a_dead_host_is_followed_within_a_second)
{
	for (unsigned nr = 2; nr < SIM_NODES; nr++) {
		struct sim *s = settled(nr, _i);

		sim_die(s, (unsigned)sim_holder(s, 0));
		sim_run(s, 8000);
		must_have_one(s);
		ck_assert_uint_eq(longest(s, true), 0);
		ck_assert_uint_le(longest(s, false), 1000);
		sim_free(s);
	}
}
END_TEST

/* Datagrams that are lost cost a repetition, no more. */
START_TEST(a_dead_host_is_followed_through_a_bad_network)
{
	for (unsigned nr = 3; nr < SIM_NODES; nr++) {
		struct sim *s = settled(nr, false);

		s->loss = 200;
		s->dup = 100;
		s->late = 200;
		sim_die(s, (unsigned)sim_holder(s, 0));
		sim_run(s, 8000);
		must_have_one(s);
		ck_assert_uint_eq(longest(s, true), 0);
		ck_assert_uint_le(longest(s, false), 1500);
		sim_free(s);
	}
}
END_TEST

START_TEST(two_hosts_that_die_at_once_are_followed)
{
	for (unsigned nr = 3; nr < SIM_NODES; nr++) {
		struct sim *s = settled(nr, true);

		sim_die(s, 0);
		sim_die(s, 1);
		sim_run(s, 15000);
		must_have_one(s);
		ck_assert_uint_eq(longest(s, true), 0);
		/* Of five nodes three's words must run out first; of three the last one waits for the
		 * Leases, as all that it knows may as well be a cut. */
		ck_assert_uint_le(longest(s, false), nr > 5 ? 1000 : nr > 3 ? 7000 : 13000);
		sim_free(s);
	}
}
END_TEST

START_TEST(a_killed_daemon_that_is_back_soon_loses_nothing)
{
	for (unsigned nr = 1; nr < SIM_NODES; nr++) {
		struct sim *s = settled(nr, _i % 2);
		int before[ADDRS], after[ADDRS];

		holders(s, before);
		sim_kill(s, (unsigned)before[0]);
		sim_run(s, _i < 2 ? 300 : 8900);
		sim_start(s, (unsigned)before[0]);
		sim_run(s, 15000);
		holders(s, after);
		ck_assert_mem_eq(before, after, sizeof(before));
		ck_assert_uint_eq(longest(s, true), 0);
		ck_assert_uint_eq(longest(s, false), 0);
		sim_free(s);
	}
}
END_TEST

START_TEST(a_killed_daemon_that_stays_away_is_followed)
{
	for (unsigned nr = 2; nr < SIM_NODES; nr++) {
		struct sim *s = settled(nr, _i);

		sim_kill(s, (unsigned)sim_holder(s, 0));
		sim_run(s, 15000);
		must_have_one(s);
		ck_assert_uint_eq(longest(s, true), 0);
		ck_assert_uint_le(longest(s, false), 1500);
		sim_free(s);
	}
}
END_TEST

START_TEST(a_drained_node_gives_all_without_a_gap)
{
	for (unsigned nr = 2; nr < SIM_NODES; nr++) {
		struct sim *s = settled(nr, _i);
		unsigned node = (unsigned)sim_holder(s, 0);

		sim_drain(s, node, true);
		sim_run(s, 3000);
		must_have_one(s);
		ck_assert(!holds_any(s, node));
		ck_assert_uint_eq(longest(s, true), 0);
		ck_assert_uint_le(longest(s, false), MOVE_MS);
		/* It keeps what it has when all others are drained too. */
		for (unsigned i = 0; i < nr; i++)
			sim_drain(s, i, true);
		sim_run(s, 3000);
		must_have_one(s);
		ck_assert_uint_le(longest(s, false), MOVE_MS);
		sim_free(s);
	}
}
END_TEST

START_TEST(a_node_that_stops_gives_all_without_a_gap)
{
	for (unsigned nr = 2; nr < SIM_NODES; nr++) {
		struct sim *s = settled(nr, false);
		unsigned node = (unsigned)sim_holder(s, 0);
		struct member *m;

		sim_stop(s, node);
		for (int i = 0; i < 300 && !s->nodes[node].left; i++)
			sim_run(s, 10);
		ck_assert(s->nodes[node].left);
		ck_assert(!holds_any(s, node));
		sim_kill(s, node);
		sim_run(s, 1000);
		must_have_one(s);
		ck_assert_uint_eq(longest(s, true), 0);
		ck_assert_uint_le(longest(s, false), MOVE_MS);
		m = core_member(s->nodes[node ? 0 : 1].core, s->nodes[node].name);
		ck_assert_int_eq(m->life, CLUSTER_GONE);
		/* And comes back, to nothing. */
		sim_start(s, node);
		sim_run(s, 5000);
		must_have_one(s);
		ck_assert_int_eq(m->life, CLUSTER_ALIVE);
		ck_assert(!holds_any(s, node));
		sim_free(s);
	}
}
END_TEST

/* Nobody to give it to: it is held on, and leaving ends at once. */
START_TEST(the_last_node_stops_at_once)
{
	struct sim *s = settled(2, false);

	sim_die(s, 1);
	sim_run(s, 3000);
	sim_stop(s, 0);
	sim_run(s, 20);
	ck_assert(s->nodes[0].left);
	ck_assert(holds_any(s, 0));
	sim_free(s);
}
END_TEST

START_TEST(a_holder_that_is_not_fit_any_more_gives)
{
	struct sim *s = settled(4, true);
	unsigned node = (unsigned)sim_holder(s, 0);

	s->addrs[0].unfit[node] = true;
	sim_recalc_all(s);
	sim_run(s, 3000);
	must_have_one(s);
	ck_assert_int_ne(sim_holder(s, 0), (int)node);
	ck_assert_uint_le(longest(s, false), MOVE_MS);
	/* Nobody is: nobody holds it, at once. */
	for (unsigned i = 0; i < 4; i++)
		s->addrs[0].unfit[i] = true;
	sim_recalc_all(s);
	sim_run(s, 20);
	for (unsigned i = 0; i < 4; i++)
		ck_assert(!sim_answers(s, i, 0));
	sim_free(s);
}
END_TEST

/* The chosen one never asks: two seconds, and no longer. */
START_TEST(what_a_node_is_not_fit_for_is_held_two_seconds)
{
	struct sim *s = settled(2, false);
	unsigned node = (unsigned)sim_holder(s, 0);

	sim_cut(s, 0, 1, true);
	sim_cut(s, 1, 0, true);
	s->addrs[0].unfit[node] = true;
	sim_recalc(s, node);
	sim_run(s, 100);
	ck_assert(sim_answers(s, node, 0));
	ck_assert_int_eq(entry_find(s->nodes[node].core, &s->addrs[0].addr)->step, CLUSTER_GIVING);
	sim_run(s, 2200);
	ck_assert(!sim_answers(s, node, 0));
	sim_free(s);
}
END_TEST

START_TEST(a_node_that_joins_takes_nothing_that_is_held)
{
	for (unsigned nr = 2; nr < SIM_NODES; nr++) {
		struct sim *s = sim_new(nr, nr, ADDRS, false);
		int before[ADDRS], after[ADDRS];

		for (unsigned i = 0; i + 1 < nr; i++)
			sim_start(s, i);
		sim_run(s, 12000);
		holders(s, before);
		sim_mark(s);
		sim_start(s, nr - 1);
		sim_run(s, 5000);
		holders(s, after);
		ck_assert_mem_eq(before, after, sizeof(before));
		ck_assert_uint_eq(longest(s, true), 0);
		ck_assert_uint_eq(longest(s, false), 0);
		sim_free(s);
	}
}
END_TEST

START_TEST(all_start_at_once_and_none_answers_beside_another)
{
	for (unsigned seed = 0; seed < 50; seed++) {
		struct sim *s = sim_new(seed, 2 + seed % 8, ADDRS, false);

		s->tick_ms = 1;
		s->loss = seed % 3 ? 0 : 100;
		for (unsigned i = 0; i < s->nr_nodes; i++)
			sim_start(s, i);
		sim_run(s, 6000);
		must_have_one(s);
		ck_assert_uint_eq(longest(s, true), 0);
		ck_assert_uint_le(longest(s, false), 4000);
		sim_free(s);
	}
}
END_TEST

/* @link: the clients' link is cut in the same place. */
static void
isolate(struct sim *s, unsigned node, bool on, bool link)
{
	for (unsigned i = 0; i < s->nr_nodes; i++) {
		if (i == node)
			continue;
		sim_cut(s, i, node, on);
		sim_cut(s, node, i, on);
		s->segment[i] = on && link;
	}
}

START_TEST(a_node_that_is_cut_off_lets_go)
{
	for (unsigned nr = 3; nr < SIM_NODES; nr++) {
		struct sim *s = settled(nr, _i == 1);
		unsigned node = (unsigned)sim_holder(s, 0);

		isolate(s, node, true, false);
		if (_i == 1)
			sim_api(s, node, false);
		sim_run(s, 500);
		ck_assert(s->nodes[node].core->cut_off);
		ck_assert(!holds_any(s, node));
		sim_run(s, 1500);
		for (unsigned a = 0; a < ADDRS; a++)
			ck_assert(s->addrs[a].none_since == 0);
		ck_assert_uint_eq(longest(s, true), 0);
		ck_assert_uint_le(longest(s, false), 1000);
		/* It comes back as one that begins. */
		isolate(s, node, false, false);
		sim_run(s, 8000);
		must_have_one(s);
		ck_assert(!holds_any(s, node));
		ck_assert_uint_eq(longest(s, true), 0);
		sim_free(s);
	}
}
END_TEST

START_TEST(a_node_that_has_the_api_goes_on)
{
	for (unsigned nr = 3; nr < SIM_NODES; nr++) {
		struct sim *s = settled(nr, true);
		unsigned node = (unsigned)sim_holder(s, 0);
		int before[ADDRS], after[ADDRS];

		holders(s, before);
		isolate(s, node, true, false);
		sim_run(s, 5000);
		ck_assert(sim_answers(s, node, 0));
		isolate(s, node, false, false);
		sim_run(s, 8000);
		holders(s, after);
		ck_assert_mem_eq(before, after, sizeof(before));
		ck_assert_uint_eq(longest(s, true), 0);
		ck_assert_uint_eq(longest(s, false), 0);
		sim_free(s);
	}
}
END_TEST

/* The link is cut as well: both sides serve their clients; when it heals, one lets go. */
START_TEST(two_halves_that_meet_again_agree_soon)
{
	for (unsigned nr = 2; nr < SIM_NODES; nr++) {
		struct sim *s = settled(nr, true);

		unsigned alone = 0, had = 0;

		for (unsigned a = 0; a < ADDRS; a++)
			had += sim_answers(s, 0, a);
		isolate(s, 0, true, true);
		sim_run(s, 8000);
		for (unsigned a = 0; a < ADDRS; a++) {
			bool other = false;

			for (unsigned i = 1; i < nr; i++)
				other = other || sim_answers(s, i, a);
			/* Alone it keeps what it has; of two nodes each takes all. */
			ck_assert(other);
			ck_assert(nr > 2 || sim_answers(s, 0, a));
			alone += sim_answers(s, 0, a);
		}
		ck_assert_uint_eq(alone, nr > 2 ? had : ADDRS);
		ck_assert_uint_eq(longest(s, true), 0);
		isolate(s, 0, false, true);
		sim_run(s, 8000);
		must_have_one(s);
		ck_assert_uint_le(longest(s, true), 1500);
		sim_free(s);
	}
}
END_TEST

/* Two that never hear each other, and answer on one segment: a third carries it. */
START_TEST(what_two_cannot_tell_each_other_a_third_relays)
{
	struct sim *s = sim_new(1, 3, ADDRS, false);

	s->trace = getenv("SIM_TRACE") != NULL;
	s->segment[0] = 1;
	sim_cut(s, 0, 1, true);
	sim_cut(s, 1, 0, true);
	for (unsigned i = 0; i < 2; i++)
		sim_start(s, i);
	sim_run(s, 8000);
	for (unsigned a = 0; a < ADDRS; a++)
		ck_assert(sim_answers(s, 0, a) && sim_answers(s, 1, a));
	s->segment[0] = 0;
	sim_start(s, 2);
	sim_run(s, 5000);
	must_have_one(s);
	sim_free(s);
}
END_TEST

/* A path that works one way only is no path: BFD says so. */
START_TEST(a_path_that_works_one_way_moves_nothing)
{
	for (unsigned nr = 3; nr < SIM_NODES; nr++) {
		struct sim *s = settled(nr, false);
		int before[ADDRS], after[ADDRS];

		holders(s, before);
		sim_cut(s, (unsigned)before[0], ((unsigned)before[0] + 1) % nr, true);
		sim_run(s, 10000);
		holders(s, after);
		ck_assert_mem_eq(before, after, sizeof(before));
		ck_assert_uint_eq(longest(s, false), 0);
		sim_free(s);
	}
}
END_TEST

START_TEST(an_api_server_that_is_away_moves_nothing)
{
	struct sim *s = settled(5, true);
	int before[ADDRS], after[ADDRS];

	holders(s, before);
	for (unsigned i = 0; i < 5; i++)
		sim_api(s, i, false);
	sim_run(s, 60000);
	holders(s, after);
	ck_assert_mem_eq(before, after, sizeof(before));
	ck_assert_uint_eq(longest(s, false), 0);
	sim_free(s);
}
END_TEST

START_TEST(a_rested_cluster_is_quiet)
{
	for (unsigned nr = 2; nr < SIM_NODES; nr++) {
		struct sim *s = settled(nr, true);
		uint64_t changes = s->nodes[0].changes, holds = s->nodes[0].holds;
		unsigned pairs = nr * (nr - 1);

		sim_run(s, 60000);
		/* A second at most, three quarters at least. */
		ck_assert_uint_le(s->sent, pairs * 60 * 4 / 3 + pairs);
		ck_assert_uint_ge(s->sent, pairs * 60);
		ck_assert_uint_eq(s->nodes[0].changes, changes);
		ck_assert_uint_eq(s->nodes[0].holds, holds);
		sim_free(s);
	}
}
END_TEST

START_TEST(an_event_costs_few_datagrams)
{
	for (unsigned nr = 3; nr < SIM_NODES; nr++) {
		struct sim *s = settled(nr, false);
		unsigned pairs = nr * (nr - 1);

		sim_drain(s, (unsigned)sim_holder(s, 0), true);
		sim_run(s, 2000);
		must_have_one(s);
		/* Three of the drained one, three of each that takes, and asks. */
		ck_assert_uint_le(s->sent, pairs * 12 + 60);
		sim_free(s);
	}
}
END_TEST

START_TEST(settled_counts_from_the_last_that_came)
{
	struct sim *s = settled(3, false);
	uint64_t was = core_settled_ms(s->nodes[0].core);

	ck_assert_uint_ge(was, 10000);
	sim_run(s, 1000);
	ck_assert_uint_eq(core_settled_ms(s->nodes[0].core), was + 1000);
	sim_kill(s, 1);
	sim_run(s, 1000);
	ck_assert_uint_eq(core_settled_ms(s->nodes[0].core), was + 2000);
	sim_start(s, 1);
	sim_run(s, 1000);
	ck_assert_uint_le(core_settled_ms(s->nodes[0].core), 1000);
	ck_assert_uint_le(core_settled_ms(s->nodes[1].core), 1000);
	sim_free(s);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("events");

	tcase_set_timeout(tc, 600);
	tcase_add_loop_test(tc, a_dead_host_is_followed_within_a_second, 0, 2);
	tcase_add_test(tc, a_dead_host_is_followed_through_a_bad_network);
	tcase_add_test(tc, two_hosts_that_die_at_once_are_followed);
	tcase_add_loop_test(tc, a_killed_daemon_that_is_back_soon_loses_nothing, 0, 4);
	tcase_add_loop_test(tc, a_killed_daemon_that_stays_away_is_followed, 0, 2);
	tcase_add_loop_test(tc, a_drained_node_gives_all_without_a_gap, 0, 2);
	tcase_add_test(tc, a_node_that_stops_gives_all_without_a_gap);
	tcase_add_test(tc, the_last_node_stops_at_once);
	tcase_add_test(tc, a_holder_that_is_not_fit_any_more_gives);
	tcase_add_test(tc, what_a_node_is_not_fit_for_is_held_two_seconds);
	tcase_add_test(tc, a_node_that_joins_takes_nothing_that_is_held);
	tcase_add_test(tc, all_start_at_once_and_none_answers_beside_another);
	tcase_add_loop_test(tc, a_node_that_is_cut_off_lets_go, 0, 2);
	tcase_add_test(tc, a_node_that_has_the_api_goes_on);
	tcase_add_test(tc, two_halves_that_meet_again_agree_soon);
	tcase_add_test(tc, what_two_cannot_tell_each_other_a_third_relays);
	tcase_add_test(tc, a_path_that_works_one_way_moves_nothing);
	tcase_add_test(tc, an_api_server_that_is_away_moves_nothing);
	tcase_add_test(tc, a_rested_cluster_is_quiet);
	tcase_add_test(tc, an_event_costs_few_datagrams);
	tcase_add_test(tc, settled_counts_from_the_last_that_came);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("sim", add_tests)
