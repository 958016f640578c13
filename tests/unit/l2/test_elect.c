/*
 * tests/unit/l2/test_elect.c: who answers for an address: examples by hand, and random sets of nodes
 * that come and go, of which every outcome is checked against what is promised in elect.h: one
 * owner, who is a candidate; bounded load; no more moves than needed; the same on every node.
 */
#include "tests/unit/unit.h"

#include <errno.h>

#include "l2/l2.h"
#include "lib/mem.h"

enum { NODES = 24, ADDRS = 300 };

static uint64_t seed;

static uint32_t
chance(uint32_t n)
{
	seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
	return (uint32_t)((seed >> 32) % n);
}

/* A whole input, which owns its parts. */
struct world {
	struct elect e;
	char name[NODES][32];
	struct elect_node nodes[NODES];
	struct elect_address addrs[ADDRS];
	struct elect_candidate cands[ADDRS][NODES];
	struct elect_owner owners[ADDRS];
	struct elect_sum sum;
};

static void
world_init(struct world *w, size_t nodes, size_t addrs)
{
	memset(w, 0, sizeof(*w));
	w->e = (struct elect){ .nodes = w->nodes,
		.nr_nodes = nodes,
		.addresses = w->addrs,
		.nr_addresses = addrs,
		.moves = SIZE_MAX };
	for (size_t n = 0; n < nodes; n++) {
		snprintf(w->name[n], sizeof(w->name[n]), "node-%zu", n);
		w->nodes[n] = (struct elect_node){ .name = w->name[n] };
	}
	for (size_t i = 0; i < addrs; i++) {
		struct addr *a = &w->addrs[i].addr;

		ck_assert_int_eq(addr_parse("192.0.2.0", a), 0);
		ck_assert(addr_add(a, i * 3));
		w->addrs[i].owner = ELECT_NONE;
		w->addrs[i].candidates = w->cands[i];
	}
}

static void
may(struct world *w, size_t addr, uint32_t node, int32_t preference)
{
	struct elect_address *a = &w->addrs[addr];

	w->cands[addr][a->nr_candidates++] =
	    (struct elect_candidate){ .node = node, .preference = preference };
}

/* All addresses may go to these nodes. */
static void
may_all(struct world *w, const bool *alive)
{
	for (size_t i = 0; i < w->e.nr_addresses; i++) {
		w->addrs[i].nr_candidates = 0;
		for (uint32_t n = 0; n < w->e.nr_nodes; n++) {
			if (!alive || alive[n])
				may(w, i, n, 0);
		}
	}
}

static void
run(struct world *w)
{
	ck_assert_int_eq(elect(&w->e, w->owners, &w->sum), 0);
}

/* What was decided is how things are now. */
static void
settle(struct world *w)
{
	for (size_t i = 0; i < w->e.nr_addresses; i++)
		w->addrs[i].owner = w->owners[i].node;
}

static size_t
load_of(const struct world *w, uint32_t node)
{
	size_t n = 0;

	for (size_t i = 0; i < w->e.nr_addresses; i++)
		n += w->owners[i].node == node;
	return n;
}

static const struct elect_candidate *
candidate(const struct world *w, size_t addr, uint32_t node)
{
	for (size_t c = 0; c < w->addrs[addr].nr_candidates; c++) {
		if (w->cands[addr][c].node == node)
			return &w->cands[addr][c];
	}
	return NULL;
}

/* The bound, computed another way: the least integer that is at least 1.25 times the share. */
static size_t
bound(size_t addrs, size_t weight, size_t all)
{
	size_t b = 0;

	while (b * 4 * all < 5 * addrs * weight)
		b++;
	return b;
}

/* ---- by hand ---- */

START_TEST(nobody)
{
	static struct world w;

	world_init(&w, 2, 3);
	may(&w, 1, 1, 0);
	run(&w);
	ck_assert_uint_eq(w.owners[0].node, ELECT_NONE);
	ck_assert_int_eq(w.owners[0].why, ELECT_NOBODY);
	ck_assert_uint_eq(w.owners[1].node, 1);
	ck_assert_int_eq(w.owners[1].why, ELECT_FIRST);
	/* Its owner went, and nobody else may. */
	w.addrs[2].owner = 0;
	run(&w);
	ck_assert_uint_eq(w.owners[2].node, ELECT_NONE);
	world_init(&w, 0, 0);
	run(&w);
}
END_TEST

START_TEST(refused)
{
	static struct world w;

	world_init(&w, 2, 1);
	may(&w, 0, 2, 0);
	ck_assert_int_eq(elect(&w.e, w.owners, NULL), -EINVAL);
	world_init(&w, 2, 1);
	may(&w, 0, 1, 0);
	w.addrs[0].owner = 2;
	ck_assert_int_eq(elect(&w.e, w.owners, NULL), -EINVAL);
	w.addrs[0].owner = ELECT_NONE;
	for (unsigned n = 1; n <= 2; n++) {
		mem_fail_at(n);
		ck_assert_int_eq(elect(&w.e, w.owners, NULL), -ENOMEM);
	}
	mem_fail_at(0);
	ck_assert_int_eq(elect(&w.e, w.owners, NULL), 0);
}
END_TEST

/* The highest preference that is there, whatever it costs in balance; and back to it. */
START_TEST(preference)
{
	static struct world w;

	world_init(&w, 3, 30);
	for (size_t i = 0; i < 30; i++) {
		may(&w, i, 0, 0);
		may(&w, i, 1, i < 10 ? 50 : 0);
		may(&w, i, 2, i < 10 ? -3 : 0);
	}
	run(&w);
	for (size_t i = 0; i < 10; i++)
		ck_assert_uint_eq(w.owners[i].node, 1);
	ck_assert_uint_le(load_of(&w, 0), bound(30, 1, 3));
	ck_assert_uint_le(load_of(&w, 2), bound(30, 1, 3));
	/* They were elsewhere while it was away: two may come back now. */
	for (size_t i = 0; i < 30; i++)
		w.addrs[i].owner = i < 10 ? 0 : w.owners[i].node;
	w.e.moves = 2;
	run(&w);
	ck_assert_uint_eq(w.sum.moved, 2);
	ck_assert_uint_ge(w.sum.pending, 8);
	w.e.moves = SIZE_MAX;
	run(&w);
	for (size_t i = 0; i < 10; i++)
		ck_assert_uint_eq(w.owners[i].node, 1);
}
END_TEST

START_TEST(weights)
{
	static struct world w;

	world_init(&w, 3, 300);
	w.nodes[0].weight = 1;
	w.nodes[1].weight = 3;
	w.nodes[2].weight = 1000; /* as ELECT_WEIGHT_MAX */
	may_all(&w, NULL);
	run(&w);
	ck_assert_uint_le(load_of(&w, 0), bound(300, 1, 104));
	ck_assert_uint_le(load_of(&w, 1), bound(300, 3, 104));
	ck_assert_uint_ge(load_of(&w, 2), 300 - bound(300, 1, 104) - bound(300, 3, 104));
	/* Without a bound in the way the shares follow the weights. */
	w.nodes[2].weight = 2;
	w.nodes[0].weight = w.nodes[1].weight = 1;
	run(&w);
	ck_assert_uint_gt(load_of(&w, 2), 120);
	ck_assert_uint_lt(load_of(&w, 2), 180);
}
END_TEST

/* Nowhere else to go: more than its share, and the others are not burdened for it. */
START_TEST(over)
{
	static struct world w;

	world_init(&w, 4, 40);
	for (size_t i = 0; i < 40; i++) {
		for (uint32_t n = 0; n < 4; n++) {
			if (i >= 30 || n < 2)
				may(&w, i, n, 0);
		}
	}
	run(&w);
	/* Thirty for two nodes whose room is 13: as even as can be; the rest to the others. */
	ck_assert_uint_eq(load_of(&w, 0) + load_of(&w, 1), 30);
	ck_assert_uint_eq(load_of(&w, 0), 15);
}
END_TEST

START_TEST(explained)
{
	static struct world w;
	struct elect_rank r[NODES];
	bool kept = false, no_room = false, behind = false;

	world_init(&w, 4, 40);
	may_all(&w, NULL);
	for (size_t i = 0; i < 40; i++)
		w.cands[i][3].preference = -1;
	run(&w);
	for (size_t i = 0; i < 40; i++) {
		ck_assert_int_eq(elect_explain(&w.e, w.owners, i, r), 4);
		for (int k = 0; k < 4; k++) {
			if (r[k].node == w.owners[i].node)
				ck_assert_int_eq(r[k].why, w.owners[i].why);
			no_room |= r[k].why == ELECT_NO_ROOM;
			behind |= r[k].why == ELECT_BEHIND;
			ck_assert(k == 0 || r[k].preference < r[k - 1].preference ||
			    r[k].score < r[k - 1].score);
			ck_assert_uint_eq(r[k].load, load_of(&w, r[k].node));
		}
		ck_assert_uint_eq(r[3].node, 3);
		ck_assert_int_eq(r[3].why, ELECT_LESS_PREFERRED);
		if (w.owners[i].why == ELECT_FIRST)
			ck_assert_uint_eq(r[0].node, w.owners[i].node);
	}
	ck_assert(behind);
	settle(&w);
	run(&w);
	ck_assert_int_eq(elect_explain(&w.e, w.owners, 0, r), 4);
	for (int k = 0; k < 4; k++)
		kept |= r[k].why == ELECT_STAYS;
	ck_assert(kept);
	for (int why = 0; why < ELECT_NR_WHY; why++) {
		ck_assert_str_ne(elect_why_name((enum elect_why)why), "unknown");
		ck_assert_ptr_nonnull(strchr(elect_why_sentence((enum elect_why)why), '.'));
	}
	(void)no_room;
}
END_TEST

/* Written down once: other versions of this program must come to the same. */
START_TEST(golden)
{
	static const char want[] = "2140430211200323233324244023414411014423";
	static struct world w;
	char got[41] = "";

	world_init(&w, 5, 40);
	may_all(&w, NULL);
	run(&w);
	for (size_t i = 0; i < 40; i++)
		got[i] = (char)('0' + w.owners[i].node);
	ck_assert_str_eq(got, want);
}
END_TEST

/* ---- by chance ---- */

/* The same input in another order of nodes, addresses and candidates: the same by name. */
static void
check_order(const struct world *w)
{
	static struct world o;
	uint32_t node_at[NODES], addr_at[ADDRS];

	world_init(&o, w->e.nr_nodes, w->e.nr_addresses);
	o.e.moves = w->e.moves;
	for (uint32_t n = 0; n < w->e.nr_nodes; n++)
		node_at[n] = n;
	for (uint32_t n = (uint32_t)w->e.nr_nodes; n > 1; n--) {
		uint32_t k = chance(n), was = node_at[n - 1];

		node_at[n - 1] = node_at[k], node_at[k] = was;
	}
	for (uint32_t n = 0; n < w->e.nr_nodes; n++)
		o.nodes[node_at[n]] = w->nodes[n];
	for (uint32_t i = 0; i < w->e.nr_addresses; i++)
		addr_at[i] = i;
	for (uint32_t i = (uint32_t)w->e.nr_addresses; i > 1; i--) {
		uint32_t k = chance(i), was = addr_at[i - 1];

		addr_at[i - 1] = addr_at[k], addr_at[k] = was;
	}
	for (uint32_t i = 0; i < w->e.nr_addresses; i++) {
		const struct elect_address *a = &w->addrs[i];
		struct elect_address *b = &o.addrs[addr_at[i]];

		b->addr = a->addr;
		b->owner = a->owner == ELECT_NONE ? ELECT_NONE : node_at[a->owner];
		for (size_t c = a->nr_candidates; c-- > 0;)
			may(&o, addr_at[i], node_at[w->cands[i][c].node],
			    w->cands[i][c].preference);
	}
	run(&o);
	for (uint32_t i = 0; i < w->e.nr_addresses; i++) {
		uint32_t n = w->owners[i].node;

		ck_assert_uint_eq(
		    o.owners[addr_at[i]].node, n == ELECT_NONE ? ELECT_NONE : node_at[n]);
		ck_assert_int_eq(o.owners[addr_at[i]].why, w->owners[i].why);
	}
	ck_assert_uint_eq(o.sum.moved, w->sum.moved);
	ck_assert_uint_eq(o.sum.pending, w->sum.pending);
}

static void
check_owners(const struct world *w)
{
	for (size_t i = 0; i < w->e.nr_addresses; i++) {
		const struct elect_owner *o = &w->owners[i];

		ck_assert_int_eq(o->node == ELECT_NONE, w->addrs[i].nr_candidates == 0);
		ck_assert_int_eq(o->node == ELECT_NONE, o->why == ELECT_NOBODY);
		if (o->node != ELECT_NONE)
			ck_assert_ptr_nonnull(candidate(w, i, o->node));
	}
}

/* Nodes come and go, everybody may have everything: all that is promised holds in full. */
START_TEST(members)
{
	static struct world w;
	static bool alive[NODES];
	size_t nodes, addrs, up = 0;

	seed = 7919 + (uint64_t)_i * 104729;
	nodes = 2 + chance(NODES - 1);
	addrs = 1 + chance(ADDRS);
	world_init(&w, nodes, addrs);
	for (size_t n = 0; n < nodes; n++)
		up += alive[n] = n == 0 || chance(2);
	for (int round = 0; round < 30; round++) {
		size_t needed = 0, most;

		may_all(&w, alive);
		most = bound(addrs, 1, up);
		run(&w);
		check_owners(&w);
		check_order(&w);
		for (uint32_t n = 0; n < nodes; n++) {
			size_t had = 0, got = load_of(&w, n);

			for (size_t i = 0; i < addrs; i++)
				had += w.addrs[i].owner == n;
			ck_assert_uint_le(got, most);
			if (!alive[n]) {
				ck_assert_uint_eq(got, 0);
				needed += had;
			} else if (had > most) {
				needed += had - most;
			}
		}
		/* As few as can be: those of nodes that went, and what is too much. */
		ck_assert_uint_eq(w.sum.moved, needed);
		ck_assert_uint_eq(w.sum.pending, 0);
		settle(&w);
		run(&w);
		ck_assert_uint_eq(w.sum.moved, 0);
		for (size_t n = 1; n < nodes; n++) {
			if (chance(4) == 0) {
				up += alive[n] ? (size_t)-1 : 1;
				alive[n] = !alive[n];
			}
		}
	}
}
END_TEST

/* A node that joins gets what balance needs, as slowly as is asked. */
START_TEST(slowly)
{
	static struct world w;
	size_t rounds = 0;

	world_init(&w, 3, 99);
	may_all(&w, (bool[]){ true, true, false });
	run(&w);
	settle(&w);
	may_all(&w, NULL);
	w.e.moves = 4;
	do {
		run(&w);
		ck_assert_uint_le(w.sum.moved, 4);
		check_order(&w);
		settle(&w);
		rounds++;
	} while (w.sum.pending > 0);
	ck_assert_uint_le(load_of(&w, 0), bound(99, 1, 3));
	ck_assert_uint_le(load_of(&w, 1), bound(99, 1, 3));
	ck_assert_uint_ge(load_of(&w, 2), 99 - 2 * bound(99, 1, 3));
	ck_assert_uint_ge(rounds, 3);
}
END_TEST

/* Anything may be a candidate for anything, with any preference and owner. */
START_TEST(anything)
{
	static struct world w;
	size_t nodes, addrs;

	seed = 15485863 + (uint64_t)_i * 7;
	nodes = 1 + chance(NODES);
	addrs = chance(ADDRS / 4);
	world_init(&w, nodes, addrs);
	w.e.moves = chance(3) ? SIZE_MAX : chance(20);
	for (size_t n = 0; n < nodes; n++)
		w.nodes[n].weight = chance(4);
	for (size_t i = 0; i < addrs; i++) {
		for (uint32_t n = 0; n < nodes; n++) {
			if (chance(3))
				may(&w, i, n, chance(4) ? 0 : (int32_t)chance(7) - 3);
		}
		w.addrs[i].owner = chance(3) ? chance((uint32_t)nodes) : ELECT_NONE;
	}
	run(&w);
	check_owners(&w);
	check_order(&w);
	if (w.e.moves != SIZE_MAX)
		return;
	for (size_t i = 0; i < addrs; i++) {
		uint32_t owner = w.owners[i].node;

		/* The best that there is. */
		for (size_t c = 0; c < w.addrs[i].nr_candidates; c++)
			ck_assert_int_le(
			    w.cands[i][c].preference, candidate(&w, i, owner)->preference);
	}
	settle(&w);
	run(&w);
	ck_assert_uint_eq(w.sum.moved, 0);
}
END_TEST

/* Without anything that is remembered, a node that goes takes little else along. */
START_TEST(forgetful)
{
	static struct world before, after;
	size_t moved = 0, lost = 0;

	for (int n = 0; n < 10; n++) {
		bool alive[10] = { true, true, true, true, true, true, true, true, true, true };

		world_init(&before, 10, ADDRS);
		may_all(&before, alive);
		run(&before);
		alive[n] = false;
		world_init(&after, 10, ADDRS);
		may_all(&after, alive);
		run(&after);
		for (size_t i = 0; i < ADDRS; i++) {
			lost += before.owners[i].node == (uint32_t)n;
			moved += before.owners[i].node != after.owners[i].node;
		}
	}
	ck_assert_uint_eq(lost, ADDRS);
	ck_assert_msg(moved < ADDRS * 3 / 2, "%zu moved for %zu that had to", moved, lost);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("elect");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, nobody);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, preference);
	tcase_add_test(tc, weights);
	tcase_add_test(tc, over);
	tcase_add_test(tc, explained);
	tcase_add_test(tc, golden);
	tcase_add_loop_test(tc, members, 0, (int)unit_rounds(60));
	tcase_add_test(tc, slowly);
	tcase_add_loop_test(tc, anything, 0, (int)unit_rounds(400));
	tcase_add_test(tc, forgetful);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("elect", add_tests)
