/*
 * tests/unit/bgpd/test_plist.c: the trie of a prefix list against the list looked through from its
 * beginning to its end, over random lists and prefixes of both families.
 */
#include "bgpd/plist.h"

#include <stdlib.h>

#include "lib/mem.h"
#include "tests/unit/unit.h"

static uint64_t state;

static unsigned
rnd(unsigned n)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(state >> 33) % n;
}

/* What a list means, as bgp_prefix_match says it. */
static bool
scan(const struct bgp_prefix_match *list, size_t nr, const struct prefix *p)
{
	for (size_t i = 0; i < nr; i++) {
		if (p->len >= list[i].ge && p->len <= list[i].le &&
		    prefix_covers(&list[i].prefix, p))
			return true;
	}
	return false;
}

/* Few bits differ, so that prefixes are inside each other, the same, or part in the middle. */
static struct prefix
random_prefix(enum addr_family family, unsigned spread)
{
	struct addr a = { .family = (uint8_t)family };
	unsigned bits = addr_bits(family);

	for (unsigned i = 0; i < spread; i++)
		a.b[rnd(bits) / 8] ^= (uint8_t)(1u << rnd(8));
	return prefix_of(&a, rnd(bits + 1));
}

static struct bgp_prefix_match
random_entry(unsigned spread)
{
	enum addr_family family = rnd(2) ? ADDR_V4 : ADDR_V6;
	struct bgp_prefix_match m = { .prefix = random_prefix(family, spread) };
	unsigned bits = addr_bits(family);

	m.ge = (uint8_t)(m.prefix.len + rnd(bits - m.prefix.len + 1));
	m.le = (uint8_t)(m.ge + rnd(bits - m.ge + 1));
	if (rnd(3) == 0)
		m.ge = m.le = m.prefix.len;
	return m;
}

/* A loop test: _i is the seed, and decides how long the list is and how alike its entries are. */
START_TEST(the_trie_is_the_scan)
{
	const size_t nr = 1 + (size_t)_i * 7 % 300;
	const unsigned spread = 1 + (unsigned)_i % 9;
	struct bgp_prefix_match *list = calloc(nr, sizeof(*list));
	struct plist pl;

	state = (uint64_t)_i + 1;
	for (size_t i = 0; i < nr; i++)
		list[i] = random_entry(spread);
	ck_assert_int_eq(plist_init(&pl, list, nr), 0);
	ck_assert_uint_lt(pl.nr, 2 * nr);
	for (unsigned i = 0; i < 2000; i++) {
		/* Now any prefix, now one inside of an entry. */
		struct prefix p = random_prefix(rnd(2) ? ADDR_V4 : ADDR_V6, spread);

		if (rnd(2)) {
			const struct prefix *in = &list[rnd((unsigned)nr)].prefix;
			unsigned bits = addr_bits((enum addr_family)in->addr.family);
			struct addr a = in->addr;

			for (unsigned bit = in->len; bit < bits; bit++)
				a.b[bit / 8] |= (uint8_t)(rnd(2) << (7 - bit % 8));
			p = prefix_of(&a, in->len + rnd(bits - in->len + 1));
		}
		ck_assert_msg(
		    plist_has(&pl, &p) == scan(list, nr, &p), "%s of list %d", prefix_str(&p), _i);
	}
	plist_fini(&pl);
	free(list);
}
END_TEST

START_TEST(ten_thousand_host_routes)
{
	struct bgp_prefix_match *list = calloc(10000, sizeof(*list));
	struct plist pl;

	for (unsigned i = 0; i < 10000; i++) {
		struct addr a = { .b = { 10, (uint8_t)(i >> 8), (uint8_t)i, 7 },
			.family = ADDR_V4 };

		list[i] = (struct bgp_prefix_match){ prefix_host(&a), 32, 32 };
	}
	ck_assert_int_eq(plist_init(&pl, list, 10000), 0);
	for (unsigned i = 0; i < 10000; i++) {
		struct prefix p = list[i].prefix, other = p;

		ck_assert(plist_has(&pl, &p));
		other.addr.b[3] = 8;
		ck_assert(!plist_has(&pl, &other));
	}
	plist_fini(&pl);
	free(list);
}
END_TEST

START_TEST(everything_and_nothing)
{
	const struct bgp_prefix_match all[] = { { .prefix = { .addr = { .family = ADDR_V4 } },
						    .le = 32 },
		{ .prefix = { .addr = { .family = ADDR_V6 } }, .le = 128 } };
	struct prefix v4 = { .addr = { .b = { 1, 2, 3, 4 }, .family = ADDR_V4 }, .len = 32 };
	struct prefix v6 = { .addr = { .b = { 1, 2, 3, 4 }, .family = ADDR_V6 }, .len = 128 };
	struct plist pl;

	ck_assert_int_eq(plist_init(&pl, NULL, 0), 0);
	ck_assert(!plist_has(&pl, &v4) && !plist_has(&pl, &v6));
	plist_fini(&pl);
	ck_assert_int_eq(plist_init(&pl, all, 1), 0);
	ck_assert(plist_has(&pl, &v4) && !plist_has(&pl, &v6));
	plist_fini(&pl);
	ck_assert_int_eq(plist_init(&pl, all, 2), 0);
	ck_assert(plist_has(&pl, &v4) && plist_has(&pl, &v6));
	v4.len = v6.len = 0;
	v4.addr = all[0].prefix.addr;
	v6.addr = all[1].prefix.addr;
	ck_assert(plist_has(&pl, &v4) && plist_has(&pl, &v6));
	plist_fini(&pl);
}
END_TEST

START_TEST(no_memory_is_no_list)
{
	struct bgp_prefix_match m = random_entry(3);
	struct plist pl;

	mem_fail_at(1);
	ck_assert_int_lt(plist_init(&pl, &m, 1), 0);
	mem_fail_at(0);
	ck_assert(!plist_has(&pl, &m.prefix));
	plist_fini(&pl);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("plist");

	tcase_add_loop_test(tc, the_trie_is_the_scan, 0, 120);
	tcase_add_test(tc, ten_thousand_host_routes);
	tcase_add_test(tc, everything_and_nothing);
	tcase_add_test(tc, no_memory_is_no_list);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("plist", add_tests)
