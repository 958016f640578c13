/*
 * tests/unit/datapath/test_maglev.c: datapath/maglev.c: the table against what the paper promises,
 * counted slot by slot, and against a slow builder written from the paper.
 */
#include "datapath/core.h"
#include "lib/hash.h"
#include "tests/unit/unit.h"

#define MOST 2000

static uint16_t slots[LB_SLOTS_MAX + 1], other[LB_SLOTS_MAX + 1];
static struct maglev_backend backends[MOST], turned[MOST];
static uint64_t work[3 * MOST];
static uint32_t count[MOST];

static void
make(uint32_t nr, uint32_t seed)
{
	for (uint32_t i = 0; i < nr; i++) {
		struct addr a = { .family = ADDR_V4,
			.b = { 10, (uint8_t)seed, (uint8_t)(i >> 8), (uint8_t)i } };

		backends[i] = (struct maglev_backend){ maglev_key(&a, 80, IPPROTO_TCP), 1 };
	}
}

static void
tally(uint32_t size, uint32_t nr)
{
	memset(count, 0, sizeof(count));
	for (uint32_t i = 0; i < size; i++) {
		ck_assert_uint_lt(slots[i], nr);
		count[slots[i]]++;
	}
}

START_TEST(sizes)
{
	ck_assert_uint_eq(maglev_size(0, 16381), 0);
	ck_assert_uint_eq(maglev_size(1, 16381), 1);
	ck_assert_uint_eq(maglev_size(2, 16381), 269);
	ck_assert_uint_eq(maglev_size(3, 16381), 397);
	ck_assert_uint_eq(maglev_size(10, 16381), 1321);
	ck_assert_uint_eq(maglev_size(11, 16381), 1597);
	ck_assert_uint_eq(maglev_size(90, 16381), 12689);
	ck_assert_uint_eq(maglev_size(30000, 16381), 16381);
	ck_assert_uint_eq(maglev_size(1310, 1000000), 131071);
	ck_assert_uint_eq(maglev_size(32767, 131071), 131071);
	ck_assert_uint_eq(maglev_size(90, 10007), 10007); /* a prime of the configuration's own */
	ck_assert_uint_eq(maglev_size(90, 10008), 10007); /* not a prime: the one below */
	ck_assert_uint_eq(maglev_size(5, 251), 251);
	ck_assert_uint_eq(maglev_size(5, 0), 2);
}
END_TEST

/* Equal weights differ by one slot at most, so max/avg is within 1 % at a hundred slots each. */
START_TEST(even)
{
	static const uint32_t nrs[] = { 1, 2, 3, 7, 10, 100, 163, 1000 };
	uint32_t nr = nrs[_i], size = maglev_size(nr, LB_SLOTS_MAX);

	for (uint32_t seed = 0; seed < 5; seed++) {
		make(nr, seed);
		slots[size] = 0xabcd;
		maglev_fill(slots, size, backends, nr, work);
		ck_assert_uint_eq(slots[size], 0xabcd);
		tally(size, nr);
		for (uint32_t i = 0; i < nr; i++) {
			ck_assert_uint_ge(count[i], size / nr);
			ck_assert_uint_le(count[i], (size + nr - 1) / nr);
			ck_assert(nr == 1 || count[i] * 100ull * nr <= size * 101ull);
		}
	}
}
END_TEST

/* Straight from NSDI 2016, 3.4: whole permutations, a flag for each slot, turns by key. */
static void
slow_build(uint32_t size, uint32_t nr)
{
	static uint32_t at[MOST], order[MOST];
	uint32_t filled = 0;

	for (uint32_t i = 0; i < nr; i++) {
		uint32_t k = i;

		for (; k > 0 && backends[order[k - 1]].key > backends[i].key; k--)
			order[k] = order[k - 1];
		order[k] = i;
		at[i] = 0;
	}
	memset(other, 0xff, sizeof(other));
	while (filled < size) {
		for (uint32_t k = 0; k < nr && filled < size; k++) {
			uint64_t h = hash_mix(backends[order[k]].key);
			uint64_t offset = (h >> 32) * size >> 32;
			uint64_t skip = ((h & 0xffffffff) * (size - 1) >> 32) + 1;
			uint64_t slot;

			do {
				slot = (offset + at[order[k]]++ * skip) % size;
			} while (other[slot] != 0xffff);
			other[slot] = (uint16_t)order[k];
			filled++;
		}
	}
}

START_TEST(as_the_paper_builds_it)
{
	static const uint32_t nrs[] = { 2, 3, 10, 64, 150 };

	for (uint32_t seed = 0; seed < 8; seed++) {
		uint32_t nr = nrs[_i], size = maglev_size(nr, 16381);

		make(nr, seed);
		maglev_fill(slots, size, backends, nr, work);
		slow_build(size, nr);
		ck_assert_mem_eq(slots, other, size * 2);
	}
}
END_TEST

/* The same set in another order gives each slot to the same backend, with weights too. */
START_TEST(order_does_not_matter)
{
	for (uint32_t round = 0; round < 20; round++) {
		uint32_t nr = 2 + (uint32_t)rand() % 90, size = maglev_size(nr, 16381);

		make(nr, round);
		for (uint32_t i = 0; i < nr && round % 2; i++)
			backends[i].weight = 1 + (uint32_t)rand() % 9;
		memcpy(turned, backends, sizeof(turned));
		for (uint32_t i = nr - 1; i > 0; i--) {
			uint32_t k = (uint32_t)rand() % (i + 1);
			struct maglev_backend b = turned[i];

			turned[i] = turned[k];
			turned[k] = b;
		}
		maglev_fill(slots, size, backends, nr, work);
		maglev_fill(other, size, turned, nr, work);
		for (uint32_t i = 0; i < size; i++)
			ck_assert(backends[slots[i]].key == turned[other[i]].key);
	}
}
END_TEST

/* Slots by weight, within one. */
START_TEST(weights)
{
	uint32_t nr = 20, size = 2039, sum = 0;

	make(nr, 1);
	for (uint32_t i = 0; i < nr; i++)
		sum += backends[i].weight = 1 + i * i;
	maglev_fill(slots, size, backends, nr, work);
	tally(size, nr);
	for (uint32_t i = 0; i < nr; i++) {
		double fair = (double)size * backends[i].weight / sum;

		ck_assert_msg(count[i] + 1.5 > fair && count[i] < fair + 1.5,
		    "%u slots, fair are %f", count[i], fair);
	}
}
END_TEST

START_TEST(weight_zero_is_one)
{
	make(3, 1);
	maglev_fill(slots, 509, backends, 3, work);
	backends[0].weight = backends[2].weight = 0;
	maglev_fill(other, 509, backends, 3, work);
	ck_assert_mem_eq(slots, other, 509 * 2);
}
END_TEST

/* One weight far above the others, in the largest table: done in no time, and all slots given. */
START_TEST(a_giant_among_dwarfs)
{
	make(MOST, 1);
	backends[77].weight = 65535;
	maglev_fill(slots, LB_SLOTS_MAX, backends, MOST, work);
	tally(LB_SLOTS_MAX, MOST);
	ck_assert_uint_gt(count[77], LB_SLOTS_MAX / 100 * 95);
	ck_assert_uint_ge(count[76], 1);
}
END_TEST

START_TEST(more_backends_than_slots)
{
	make(1000, 1);
	maglev_fill(slots, 251, backends, 1000, work);
	tally(251, 1000);
	for (uint32_t i = 0; i < 1000; i++)
		ck_assert_uint_le(count[i], 1);
}
END_TEST

/* What the removal of one moves of the others' slots, on average over the sets. */
START_TEST(few_needless_moves)
{
	static const struct {
		uint32_t nr;
		double percent;
	} c[] = { { 2, 0 }, { 6, 2.4 }, { 8, 2.5 }, { 10, 2.5 }, { 11, 2.4 }, { 20, 2.1 },
		{ 81, 1.9 }, { 100, 1.5 } };
	uint32_t nr = c[_i].nr, size = maglev_size(nr, LB_SLOTS_MAX);
	double moved = 0;

	for (uint32_t seed = 0; seed < 120; seed++) {
		uint32_t gone = seed * 7 % nr;

		make(nr, seed);
		maglev_fill(slots, size, backends, nr, work);
		memcpy(turned, backends, sizeof(turned));
		memmove(turned + gone, turned + gone + 1, (nr - gone - 1) * sizeof(*turned));
		maglev_fill(other, size, turned, nr - 1, work);
		for (uint32_t i = 0; i < size; i++)
			moved += slots[i] != gone && backends[slots[i]].key != turned[other[i]].key;
	}
	ck_assert_msg(
	    moved * 100 / 120 / size <= c[_i].percent, "%.2f %%", moved * 100 / 120 / size);
}
END_TEST

/* All nodes must agree, so the key of an address is a number for ever. */
START_TEST(keys)
{
	struct addr a = { .family = ADDR_V4, .b = { 10, 0, 0, 1 } }, b = a;
	uint64_t k = maglev_key(&a, 80, IPPROTO_TCP);

	ck_assert_uint_eq(k, maglev_key(&a, 80, IPPROTO_TCP));
	ck_assert_uint_eq(k, UINT64_C(0x07781cd6e6578e03));
	ck_assert_uint_ne(k, maglev_key(&a, 81, IPPROTO_TCP));
	ck_assert_uint_ne(k, maglev_key(&a, 80, IPPROTO_UDP));
	b.family = ADDR_V6;
	ck_assert_uint_ne(k, maglev_key(&b, 80, IPPROTO_TCP));
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("maglev");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, sizes);
	tcase_add_loop_test(tc, even, 0, 8);
	tcase_add_loop_test(tc, as_the_paper_builds_it, 0, 5);
	tcase_add_test(tc, order_does_not_matter);
	tcase_add_test(tc, weights);
	tcase_add_test(tc, weight_zero_is_one);
	tcase_add_test(tc, a_giant_among_dwarfs);
	tcase_add_test(tc, more_backends_than_slots);
	tcase_add_loop_test(tc, few_needless_moves, 0, 8);
	tcase_add_test(tc, keys);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("maglev", add_tests)
