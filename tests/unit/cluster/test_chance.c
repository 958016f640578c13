/*
 * tests/unit/cluster/test_chance.c: random schedules of everything that can happen to the nodes of sim.h.
 * What must hold whatever happens: two nodes on one segment that can tell each other (directly or by a
 * third) do not both answer for longer than two seconds, and once all is well again every address has
 * one holder in the eyes of all, and nodes are quiet.
 *
 *     SIM_SEED=n       that schedule alone, told step by step
 *     SIM_SEEDS=n      so many of them
 */
#include "tests/unit/cluster/sim.h"

#include "tests/unit/unit.h"

#define TWO_MAX_MS 2000
#define SCHEDULES 400

struct chance {
	struct sim *s;
	bool whole; /* the link of the clients is never cut */
};

static unsigned
any_node(struct chance *c)
{
	return sim_random(c->s, c->s->nr_nodes);
}

static void
heal(struct sim *s)
{
	for (unsigned i = 0; i < s->nr_nodes; i++) {
		s->segment[i] = 0;
		for (unsigned j = 0; j < s->nr_nodes; j++)
			sim_cut(s, i, j, false);
	}
}

/* The nodes of @mask on one side, all others on the other. */
static void
split(struct sim *s, unsigned mask, bool link, bool one_way)
{
	sim_say(s, "split %x link %d one way %d", mask, link, one_way);
	for (unsigned i = 0; i < s->nr_nodes; i++) {
		if (link)
			s->segment[i] = mask >> i & 1;
		for (unsigned j = 0; j < s->nr_nodes; j++)
			if ((mask >> i & 1) > (mask >> j & 1) ||
			    (!one_way && (mask >> i & 1) < (mask >> j & 1)))
				sim_cut(s, i, j, true);
	}
}

static void
restart_those_that_left(struct chance *c)
{
	struct sim *s = c->s;

	for (unsigned i = 0; i < s->nr_nodes; i++) {
		if (!s->nodes[i].left || !s->nodes[i].core)
			continue;
		sim_kill(s, i);
		if (sim_random(s, 2))
			s->nodes[i].answers_until = 0; /* a tidy end */
	}
}

static void
something_of_nodes(struct chance *c)
{
	struct sim *s = c->s;
	unsigned i = any_node(c);

	switch (sim_random(s, 7)) {
	case 0:
	case 1:
		sim_kill(s, i);
		break;
	case 2:
		if (!s->nodes[i].dead)
			sim_die(s, i);
		break;
	case 3:
		sim_boot(s, i);
		break;
	case 4:
		sim_stop(s, i);
		break;
	case 5:
		sim_drain(s, i, !s->nodes[i].drained);
		break;
	default:
		sim_start(s, i);
		break;
	}
}

static void
something_of_links(struct chance *c)
{
	struct sim *s = c->s;
	unsigned i = any_node(c), j = any_node(c);

	switch (sim_random(s, 6)) {
	case 0:
		sim_cut(s, i, j, true);
		sim_cut(s, j, i, true);
		break;
	case 1:
		sim_cut(s, i, j, true);
		break;
	case 2:
		split(s, 1u << i, sim_random(s, 2) && !c->whole, sim_random(s, 4) == 0);
		break;
	case 3:
		split(s, sim_random(s, 1u << s->nr_nodes), sim_random(s, 2) && !c->whole, false);
		break;
	default:
		sim_say(s, "all heal");
		heal(s);
		break;
	}
}

static void
something_of_wishes(struct chance *c)
{
	struct sim *s = c->s;
	unsigned i = any_node(c), a = sim_random(s, s->nr_addrs);

	switch (sim_random(s, 4)) {
	case 0:
		sim_api(s, i, !s->nodes[i].api);
		break;
	case 1:
		for (unsigned k = 0; k < s->nr_nodes; k++)
			sim_api(s, k, s->has_api && sim_random(s, 2));
		break;
	case 2:
		s->addrs[a].unfit[i] = !s->addrs[a].unfit[i];
		sim_say(
		    s, "%s is %sfit for %u", s->nodes[i].name, s->addrs[a].unfit[i] ? "un" : "", a);
		sim_recalc_all(s);
		break;
	default:
		s->addrs[a].wanted = !s->addrs[a].wanted;
		sim_say(s, "%u is %swanted", a, s->addrs[a].wanted ? "" : "un");
		sim_recalc_all(s);
		break;
	}
}

static void
look_at(struct chance *c, const char *when)
{
	struct sim *s = c->s;

	for (unsigned a = 0; a < s->nr_addrs; a++) {
		const struct sim_addr *x = &s->addrs[a];

		if (c->whole ? x->two_max <= 0 && x->deaf_max <= 0 : x->two_max <= TWO_MAX_MS)
			continue;
		sim_dump(s);
		ck_abort_msg(
		    "seed %llu, %s: n%u and n%u both answered for %u during %llu ms (deaf: %llu)",
		    (unsigned long long)s->seed, when, x->two_a, x->two_b, a,
		    (unsigned long long)x->two_max, (unsigned long long)x->deaf_max);
	}
}

static void
all_is_well(struct chance *c)
{
	struct sim *s = c->s;

	sim_say(s, "all is well");
	restart_those_that_left(c);
	heal(s);
	for (unsigned i = 0; i < s->nr_nodes; i++) {
		sim_drain(s, i, false);
		if (s->nodes[i].core && s->nodes[i].core->leaving)
			sim_kill(s, i);
		sim_boot(s, i);
		sim_api(s, i, true);
		for (unsigned a = 0; a < s->nr_addrs; a++)
			s->addrs[a].unfit[i] = false;
	}
	sim_recalc_all(s);
}

static void
converges(struct chance *c)
{
	struct sim *s = c->s;
	uint64_t bound;

	look_at(c, "in the end");
	for (unsigned a = 0; a < s->nr_addrs; a++) {
		bool one = sim_holder(s, a) >= 0, none = true;

		for (unsigned i = 0; i < s->nr_nodes; i++)
			none = none && !sim_answers(s, i, a);
		if (s->addrs[a].wanted ? one : none)
			continue;
		sim_dump(s);
		ck_abort_msg(
		    "seed %llu: address %u does not come to rest", (unsigned long long)s->seed, a);
	}
	sim_mark(s);
	sim_run(s, 5000);
	/* A hello a second to each, and one burst for sessions that end. */
	bound = s->nr_nodes * (s->nr_nodes - 1) * 5u * 2u + 100;
	ck_assert_msg(s->sent <= bound, "seed %llu: %llu datagrams in five quiet seconds",
	    (unsigned long long)s->seed, (unsigned long long)s->sent);
}

static void
run(uint64_t seed, bool whole, bool trace)
{
	struct sim *s = sim_new(seed, 2, 2, false);
	struct chance c = { .whole = whole };
	unsigned nr_nodes = 2 + sim_random(s, 8), nr_addrs = 1 + sim_random(s, 10), nr_events;
	bool api = sim_random(s, 2);

	sim_free(s);
	s = sim_new(seed, nr_nodes, nr_addrs, api);
	c.s = s;
	s->trace = trace;
	s->blind_probes = getenv("SIM_BLIND") != NULL;
	s->no_bfd = sim_random(s, 10) == 0;
	s->loss = sim_random(s, 2) ? sim_random(s, 100) : 0;
	s->dup = sim_random(s, 2) ? sim_random(s, 100) : 0;
	s->late = sim_random(s, 2) ? sim_random(s, 200) : 0;
	for (unsigned i = 0; i < nr_nodes; i++) {
		sim_start(s, i);
		sim_run(s, sim_random(s, 4) ? 0 : sim_random(s, 1000));
	}
	sim_run(s, sim_random(s, 8000));
	nr_events = 1 + sim_random(s, 8);
	for (unsigned i = 0; i < nr_events; i++) {
		uint32_t what = sim_random(s, 10);

		if (what < 4)
			something_of_nodes(&c);
		else if (what < 8)
			something_of_links(&c);
		else
			something_of_wishes(&c);
		sim_run(s, sim_random(s, 3) ? sim_random(s, 2000) : sim_random(s, 14000));
		restart_those_that_left(&c);
		look_at(&c, "on the way");
	}
	all_is_well(&c);
	sim_run(s, 30000);
	converges(&c);
	sim_free(s);
}

static void
run_all(unsigned part, bool whole)
{
	const char *one = getenv("SIM_SEED"), *many = getenv("SIM_SEEDS");
	unsigned long nr = many ? strtoul(many, NULL, 10) : unit_rounds(SCHEDULES);

	if (one) {
		run(strtoul(one, NULL, 10), whole, true);
		return;
	}
	for (unsigned long i = part; i < nr; i += 4)
		run(i, whole, false);
}

START_TEST(two_hardly_ever_answer_for_long)
{
	run_all((unsigned)_i, false);
}
END_TEST

/* The network of the nodes may be cut as it will: the probes see who answers. */
START_TEST(on_a_whole_link_two_never_answer)
{
	run_all((unsigned)_i, true);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("chance");

	tcase_set_timeout(tc, 3600);
	tcase_add_loop_test(tc, two_hardly_ever_answer_for_long, 0, 4);
	tcase_add_loop_test(tc, on_a_whole_link_two_never_answer, 0, 4);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("chance", add_tests)
