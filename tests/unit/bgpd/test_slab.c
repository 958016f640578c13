/*
 * tests/unit/bgpd/test_slab.c: numbered storage and the prefix table, against plain arrays.
 */
#include "bgpd/slab.h"

#include <string.h>

#include "bgpd/ptab.h"
#include "lib/mem.h"
#include "tests/unit/unit.h"

static uint32_t seed = 1;

static uint32_t
rnd(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

START_TEST(slab_numbers_are_never_zero_and_come_again)
{
	uint32_t a, b, c;
	struct slab s;

	slab_init(&s, 12);
	a = slab_take(&s);
	b = slab_take(&s);
	ck_assert_uint_ne(a, 0);
	ck_assert_uint_ne(a, b);
	memset(slab_at(&s, a), 0xff, 12);
	slab_give(&s, a);
	c = slab_take(&s);
	ck_assert_uint_eq(c, a);
	for (int i = 0; i < 12; i++)
		ck_assert_uint_eq(((const uint8_t *)slab_at(&s, c))[i], 0);
	ck_assert_uint_eq(s.nr, 2);
	for (int i = 0; i < 3 * (int)SLAB_CHUNK; i++)
		ck_assert_uint_ne(slab_take(&s), 0);
	ck_assert_uint_eq(s.nr_chunks, 4);
	slab_fini(&s);
}
END_TEST

START_TEST(bitset_against_an_array)
{
	struct bitset b = { 0 };
	bool model[1000] = { 0 };
	uint32_t nr = 0;

	ck_assert_int_eq(bitset_reserve(&b, 1000), 0);
	for (int i = 0; i < 20000; i++) {
		uint32_t n = rnd(1000);

		if (rnd(2)) {
			ck_assert_int_eq(bitset_add(&b, n), !model[n]);
			nr += !model[n];
			model[n] = true;
		} else {
			bitset_del(&b, n);
			nr -= model[n];
			model[n] = false;
		}
		ck_assert_uint_eq(b.nr, nr);
	}
	for (uint32_t n = bitset_next(&b, 0); n != UINT32_MAX; n = bitset_next(&b, n + 1)) {
		ck_assert(model[n]);
		model[n] = false;
	}
	for (int i = 0; i < 1000; i++)
		ck_assert(!model[i]);
	ck_assert(!bitset_has(&b, 99999));
	bitset_fini(&b);
}
END_TEST

START_TEST(umap_is_zero_where_nothing_was_put)
{
	struct umap m = { 0 };

	ck_assert_uint_eq(umap_get(&m, 123456), 0);
	umap_set(&m, 123456, 0); /* needs no room */
	ck_assert_int_eq(umap_reserve(&m, 123456), 0);
	umap_set(&m, 123456, 7);
	ck_assert_uint_eq(umap_get(&m, 123456), 7);
	ck_assert_uint_eq(umap_get(&m, 123455), 0);
	ck_assert_uint_eq(umap_get(&m, 12), 0);
	umap_fini(&m);
}
END_TEST

/* ---- the prefix table ---- */

static struct prefix
nth(enum bgp_family f, unsigned i)
{
	struct prefix p = { .len = (uint8_t)(f == BGP_IPV4_UNICAST ? 16 + i % 17 : 48 + i % 81) };

	p.addr.family = f == BGP_IPV4_UNICAST ? ADDR_V4 : ADDR_V6;
	p.addr.b[0] = 10;
	p.addr.b[1] = (uint8_t)(i / 17);
	return p;
}

START_TEST(ptab_against_an_array)
{
	enum bgp_family f = (enum bgp_family)_i;
	uint32_t model[4000] = { 0 };
	struct ptab t;

	ptab_init(&t, f);
	for (int round = 0; round < 100000; round++) {
		unsigned i = rnd(round < 50000 ? 4000 : 200);
		struct prefix p = nth(f, i), back;
		uint64_t hash = ptab_hash(&t, &p);

		ck_assert_uint_eq(ptab_find(&t, &p, hash), model[i]);
		if (model[i] && rnd(2)) {
			ptab_remove(&t, model[i]);
			model[i] = 0;
		} else {
			uint32_t id = ptab_get(&t, &p, hash);

			ck_assert(!model[i] || id == model[i]);
			model[i] = id;
			ptab_prefix(&t, id, &back);
			ck_assert(prefix_eq(&p, &back));
		}
	}
	ptab_fini(&t);
}
END_TEST

START_TEST(prefixes_of_other_lengths_are_others)
{
	struct prefix a, b;
	struct ptab t;
	uint32_t ia, ib;

	ptab_init(&t, BGP_IPV4_UNICAST);
	ck_assert_int_eq(prefix_parse("10.0.0.0/8", &a, NULL), 0);
	ck_assert_int_eq(prefix_parse("10.0.0.0/9", &b, NULL), 0);
	ia = ptab_get(&t, &a, ptab_hash(&t, &a));
	ib = ptab_get(&t, &b, ptab_hash(&t, &b));
	ck_assert_uint_ne(ia, ib);
	ck_assert_uint_eq(ptab_find(&t, &a, ptab_hash(&t, &a)), ia);
	ptab_fini(&t);
}
END_TEST

/* Each allocation fails once; what is there stays usable. */
START_TEST(memory_runs_out)
{
	for (unsigned nth_fails = 1; nth_fails < 12; nth_fails++) {
		struct bitset b = { 0 };
		struct umap m = { 0 };
		struct ptab t;
		unsigned nr = 0;

		ptab_init(&t, BGP_IPV4_UNICAST);
		mem_fail_at(nth_fails);
		for (unsigned i = 0; i < 200; i++) {
			struct prefix p = nth(BGP_IPV4_UNICAST, i);

			nr += ptab_get(&t, &p, ptab_hash(&t, &p)) != 0;
		}
		(void)!bitset_reserve(&b, 5000);
		(void)!umap_reserve(&m, 5000);
		mem_fail_at(0);
		for (unsigned i = 0; i < 200; i++) {
			struct prefix p = nth(BGP_IPV4_UNICAST, i);

			ck_assert_uint_ne(ptab_get(&t, &p, ptab_hash(&t, &p)), 0);
		}
		ck_assert_uint_ge(nr, 199); /* one failure costs one prefix */
		ck_assert_int_eq(bitset_reserve(&b, 5000), 0);
		ck_assert_int_eq(umap_reserve(&m, 5000), 0);
		bitset_fini(&b);
		umap_fini(&m);
		ptab_fini(&t);
	}
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("slab");

	tcase_add_test(tc, slab_numbers_are_never_zero_and_come_again);
	tcase_add_test(tc, bitset_against_an_array);
	tcase_add_test(tc, umap_is_zero_where_nothing_was_put);
	tcase_add_loop_test(tc, ptab_against_an_array, 0, BGP_NR_FAMILIES);
	tcase_add_test(tc, prefixes_of_other_lengths_are_others);
	tcase_add_test(tc, memory_runs_out);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("slab", add_tests)
