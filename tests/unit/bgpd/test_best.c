/*
 * tests/unit/bgpd/test_best.c: the decision process: every step by a pair that differs in nothing
 * else, MED where order matters, multipath, and random paths against a naive second version.
 */
#include "bgpd/best.h"

#include <string.h>

#include "tests/unit/unit.h"

static struct addr
peer(unsigned n)
{
	return (struct addr){ .b = { 10, 0, 0, (uint8_t)n }, .family = ADDR_V4 };
}

static struct best_path
even(unsigned n)
{
	return (struct best_path){
		.ebgp = true,
		.local_pref = 100,
		.path_len = 2,
		.neighbour_as = 65001,
		.router_id = 7,
		.peer = peer(n),
	};
}

/* clang-format off */
static const struct {
	enum best_step step;
	struct best_path winner, loser; /* what differs from even() */
	const char *rfc;
} steps[] = {
	{ BEST_LOCAL, { .local = true, .local_pref = 1 }, { .local_pref = 900 }, "own first" },
	{ BEST_STALE, { .local_pref = 1 }, { .stale = true, .local_pref = 900 }, "9494 4.4" },
	{ BEST_LOCAL_PREF, { .local_pref = 101, .path_len = 9 }, { .local_pref = 100 }, "4271 9.1.2" },
	{ BEST_PATH_LEN, { .path_len = 1, .origin = 2 }, { .path_len = 2 }, "4271 9.1.2.2 a" },
	{ BEST_ORIGIN, { .origin = 0, .med = 9 }, { .origin = 1 }, "4271 9.1.2.2 b" },
	{ BEST_MED, { .med = 4, .ebgp = false }, { .med = 5, .ebgp = true }, "4271 9.1.2.2 c" },
	{ BEST_EBGP, { .ebgp = true, .igp_cost = 9 }, { .ebgp = false }, "4271 9.1.2.2 d" },
	{ BEST_IGP_COST, { .igp_cost = 1, .router_id = 9 }, { .igp_cost = 2 }, "4271 9.1.2.2 e" },
	{ BEST_ROUTER_ID, { .router_id = 1, .cluster_len = 9 }, { .router_id = 2 }, "4271 9.1.2.2 f" },
	{ BEST_CLUSTER_LEN, { .cluster_len = 1 }, { .cluster_len = 2 }, "4456 9" },
};
/* clang-format on */

static struct best_path
with(struct best_path d, unsigned n)
{
	struct best_path p = even(n);

	p.local = d.local;
	p.stale = d.stale;
	p.origin = d.origin;
	p.med = d.med;
	p.igp_cost = d.igp_cost;
	p.cluster_len = d.cluster_len;
	p.ebgp = d.ebgp;
	p.local_pref = d.local_pref ? d.local_pref : p.local_pref;
	p.path_len = d.path_len ? d.path_len : p.path_len;
	p.router_id = d.router_id ? d.router_id : p.router_id;
	return p;
}

/* The winner has the higher peer address, and is worse in the step after: only this step can have
 * decided, in both orders. */
START_TEST(rfc4271_9_1_2_step_decides)
{
	struct best_path p[2] = { with(steps[_i].winner, 2), with(steps[_i].loser, 1) };
	struct best_path q[2] = { p[1], p[0] };

	ck_assert_msg(best_choose(p, 2, 1, 1, true) == 0, "%s", steps[_i].rfc);
	ck_assert_int_eq(p[0].lost_by, BEST_CHOSEN);
	ck_assert_int_eq(p[1].lost_by, steps[_i].step);
	ck_assert_uint_eq(best_choose(q, 2, 1, 1, true), 1);
	ck_assert_int_eq(q[0].lost_by, steps[_i].step);
}
END_TEST

/* As FRR: without relax between internal peers the whole path has to be the same, and each kind of
 * peer has a limit of its own. */
START_TEST(multipath_of_internal_peers)
{
	static const uint8_t one[] = { 2, 1, 0, 0, 0, 1 }, other[] = { 2, 1, 0, 0, 0, 2 };
	struct best_path p[3] = { even(1), even(2), even(3) };

	for (unsigned i = 0; i < 3; i++) {
		p[i].ebgp = false;
		p[i].as_path = i == 1 ? other : one;
		p[i].as_path_bytes = sizeof(one);
	}
	ck_assert_uint_eq(best_choose(p, 3, 8, 8, false), 0);
	ck_assert(p[0].multipath && !p[1].multipath && p[2].multipath);
	ck_assert_uint_eq(best_choose(p, 3, 8, 8, true), 0);
	ck_assert(p[1].multipath && p[2].multipath);
	ck_assert_uint_eq(best_choose(p, 3, 8, 1, true), 0);
	ck_assert(!p[1].multipath && !p[2].multipath);
}
END_TEST

START_TEST(rfc4271_9_1_2_2_g_lowest_peer_address)
{
	struct best_path p[3] = { even(9), even(3), even(4) };

	ck_assert_uint_eq(best_choose(p, 3, 1, 1, true), 1);
	ck_assert_int_eq(p[0].lost_by, BEST_PEER_ADDRESS);
	ck_assert_int_eq(p[2].lost_by, BEST_PEER_ADDRESS);
}
END_TEST

START_TEST(nothing_to_choose_from)
{
	struct best_path p[2] = { even(1), even(1) };

	ck_assert_uint_eq(best_choose(NULL, 0, 8, 8, true), 0);
	ck_assert_uint_eq(best_choose(p, 1, 8, 8, true), 0);
	ck_assert(p[0].multipath);
	ck_assert_uint_eq(best_choose(p, 2, 8, 8, true), 0);
	ck_assert_int_eq(p[1].lost_by, BEST_ORDER);
}
END_TEST

START_TEST(rfc4271_9_1_2_2_c_med_only_within_a_neighbouring_as)
{
	struct best_path p[2] = { even(1), even(2) };

	p[0].med = 50;
	p[1].med = 10;
	p[1].neighbour_as = 65002;
	/* Not comparable, so the peer address decides though the MED is higher. */
	ck_assert_uint_eq(best_choose(p, 2, 1, 1, true), 0);
	ck_assert_int_eq(p[1].lost_by, BEST_PEER_ADDRESS);
}
END_TEST

/*
 * The classic: A beats B by router id, B beats C by MED, C beats A by router id.  In pairs it
 * depends on the order; struck out by the RFC's steps it is always the same one.
 */
START_TEST(rfc4271_9_1_2_2_c_med_does_not_depend_on_order)
{
	static const int orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 },
		{ 2, 0, 1 }, { 2, 1, 0 } };
	struct best_path in[3] = { even(1), even(2), even(3) }, p[3];

	in[0].neighbour_as = 65002;
	in[0].router_id = 20; /* A */
	in[1].med = 1;
	in[1].router_id = 30; /* B: lowest MED of 65001 */
	in[2].med = 2;
	in[2].router_id = 10; /* C: falls to B */
	for (int i = 0; i < 3; i++)
		p[i] = in[orders[_i][i]];
	ck_assert_uint_eq(p[best_choose(p, 3, 1, 1, true)].router_id, 20);
}
END_TEST

START_TEST(multipath_up_to_the_router_id_step)
{
	struct best_path p[5] = { even(5), even(4), even(3), even(2), even(1) };

	p[0].router_id = 1; /* the best */
	p[3].path_len = 3;  /* not even */
	p[4].neighbour_as = 65009;
	ck_assert_uint_eq(best_choose(p, 5, 8, 8, true), 0);
	ck_assert(p[0].multipath && p[1].multipath && p[2].multipath && p[4].multipath);
	ck_assert(!p[3].multipath);
	best_choose(p, 5, 8, 8, false);
	ck_assert(p[0].multipath && p[1].multipath && !p[4].multipath);
	best_choose(p, 5, 2, 2, true);
	ck_assert(p[0].multipath && p[1].multipath && !p[2].multipath && !p[4].multipath);
	best_choose(p, 5, 1, 1, true);
	ck_assert(p[0].multipath && !p[1].multipath);
}
END_TEST

START_TEST(steps_have_names)
{
	for (int s = 0; s < BEST_NR_STEPS; s++)
		ck_assert_str_ne(best_step_name((enum best_step)s), "?");
	ck_assert_str_eq(best_step_name(BEST_NR_STEPS), "?");
}
END_TEST

/* ---- a second version, by the words of the RFC: keep the minimum, step by step ---- */

static uint32_t seed;

static uint32_t
rnd(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

typedef long key_fn(const struct best_path *);

/* clang-format off */
static long k_local(const struct best_path *p) { return p->local ? 0 : 1; }
static long k_pref(const struct best_path *p) { return -(long)p->local_pref; }
static long k_len(const struct best_path *p) { return (long)p->path_len; }
static long k_origin(const struct best_path *p) { return p->origin; }
static long k_ebgp(const struct best_path *p) { return p->ebgp ? 0 : 1; }
static long k_cost(const struct best_path *p) { return (long)p->igp_cost; }
static long k_id(const struct best_path *p) { return (long)p->router_id; }
static long k_cluster(const struct best_path *p) { return (long)p->cluster_len; }
static long k_addr(const struct best_path *p) { return p->peer.b[3]; }
/* clang-format on */

static size_t
keep_min(const struct best_path **s, size_t nr, key_fn *key)
{
	size_t out = 0;
	long min = key(s[0]);

	for (size_t i = 1; i < nr; i++)
		min = key(s[i]) < min ? key(s[i]) : min;
	for (size_t i = 0; i < nr; i++) {
		if (key(s[i]) == min)
			s[out++] = s[i];
	}
	return out;
}

static size_t
keep_med(const struct best_path **s, size_t nr)
{
	const struct best_path *all[16];
	size_t out = 0;

	memcpy(all, s, nr * sizeof(*s));
	for (size_t i = 0; i < nr; i++) {
		bool beaten = false;

		for (size_t j = 0; j < nr; j++)
			beaten |= all[j]->neighbour_as == all[i]->neighbour_as &&
			    all[j]->med < all[i]->med;
		if (!beaten)
			s[out++] = all[i];
	}
	return out;
}

static const struct best_path *
naive(const struct best_path *p, size_t nr, const struct best_path **multi, size_t *nr_multi)
{
	const struct best_path *s[16];

	for (size_t i = 0; i < nr; i++)
		s[i] = &p[i];
	nr = keep_min(s, nr, k_local);
	nr = keep_min(s, nr, k_pref);
	nr = keep_min(s, nr, k_len);
	nr = keep_min(s, nr, k_origin);
	nr = keep_med(s, nr);
	nr = keep_min(s, nr, k_ebgp);
	nr = keep_min(s, nr, k_cost);
	memcpy(multi, s, nr * sizeof(*s));
	*nr_multi = nr;
	nr = keep_min(s, nr, k_id);
	nr = keep_min(s, nr, k_cluster);
	nr = keep_min(s, nr, k_addr);
	return s[0];
}

START_TEST(random_paths_against_the_naive_version)
{
	seed = (uint32_t)_i + 1;
	for (int round = 0; round < 5000; round++) {
		const struct best_path *want, *multi[16];
		struct best_path p[12];
		size_t nr = 1 + rnd(12), nr_multi, got, marked = 0;

		for (size_t i = 0; i < nr; i++) {
			p[i] = (struct best_path){
				.local = rnd(20) == 0,
				.ebgp = rnd(3) > 0,
				.origin = (uint8_t)rnd(2),
				.local_pref = 100 + (rnd(4) == 0),
				.path_len = 1 + (rnd(3) == 0),
				.neighbour_as = 65001 + rnd(3),
				.med = rnd(3),
				.igp_cost = rnd(8) == 0,
				.router_id = rnd(3),
				.cluster_len = rnd(2),
				.peer = peer((unsigned)i + 1),
			};
		}
		want = naive(p, nr, multi, &nr_multi);
		got = best_choose(p, nr, 16, 16, true);
		ck_assert_ptr_eq(&p[got], want);
		for (size_t i = 0; i < nr; i++)
			marked += p[i].multipath;
		ck_assert_uint_eq(marked, nr_multi);
		for (size_t i = 0; i < nr_multi; i++)
			ck_assert(multi[i]->multipath);
	}
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("best");

	tcase_add_loop_test(
	    tc, rfc4271_9_1_2_step_decides, 0, (int)(sizeof(steps) / sizeof(steps[0])));
	tcase_add_test(tc, rfc4271_9_1_2_2_g_lowest_peer_address);
	tcase_add_test(tc, multipath_of_internal_peers);
	tcase_add_test(tc, nothing_to_choose_from);
	tcase_add_test(tc, rfc4271_9_1_2_2_c_med_only_within_a_neighbouring_as);
	tcase_add_loop_test(tc, rfc4271_9_1_2_2_c_med_does_not_depend_on_order, 0, 6);
	tcase_add_test(tc, multipath_up_to_the_router_id_step);
	tcase_add_test(tc, steps_have_names);
	tcase_add_loop_test(tc, random_paths_against_the_naive_version, 0, 4);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("best", add_tests)
