/*
 * tests/unit/cluster/test_sim.c: nodes of sim.h through single events, each with what must come of it.
 */
#include "tests/unit/cluster/sim.h"

#include "tests/unit/unit.h"

/* A world that has come to rest. */
static struct sim *
settled(unsigned nr_nodes, unsigned nr_addrs, bool api)
{
	struct sim *s = sim_new(nr_nodes, nr_nodes, nr_addrs, api);

	s->trace = getenv("SIM_TRACE") != NULL;
	for (unsigned i = 0; i < nr_nodes; i++)
		sim_start(s, i);
	sim_run(s, 12000);
	for (unsigned a = 0; a < nr_addrs; a++) {
		if (sim_holder(s, a) < 0)
			sim_dump(s);
		ck_assert_msg(sim_holder(s, a) >= 0, "address %u", a);
	}
	sim_mark(s);
	return s;
}

START_TEST(a_dead_host_is_followed_within_a_second)
{
	struct sim *s = settled((unsigned)_i, 12, false);
	unsigned dead = (unsigned)sim_holder(s, 0);

	sim_die(s, dead);
	sim_run(s, 8000);
	for (unsigned a = 0; a < s->nr_addrs; a++) {
		if (sim_holder(s, a) < 0)
			sim_dump(s);
		ck_assert_int_ge(sim_holder(s, a), 0);
		ck_assert_uint_le(s->addrs[a].two_max, 0);
		ck_assert_uint_le(s->addrs[a].none_max, 1000);
	}
	sim_free(s);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("events");

	tcase_add_loop_test(tc, a_dead_host_is_followed_within_a_second, 2, 10);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("sim", add_tests)
