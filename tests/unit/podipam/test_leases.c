/*
 * tests/unit/podipam/test_leases.c: the table of leases and the journal's lines: what is given in which
 * order, what is kept back, and a long random walk whose journal is cut at any byte.
 */
#include "tests/unit/unit.h"

#include "lib/buf.h"
#include "lib/mem.h"
#include "podipam/record.h"
#include "podipam/leases.h"

static struct podipam_range
range(const char *prefix, const char *pool)
{
	struct podipam_range r = { .pool = pool };

	ck_assert_int_eq(prefix_parse(prefix, &r.prefix, NULL), 0);
	return r;
}

static struct podipam_owner
owner(const char *container)
{
	return (struct podipam_owner){ container, "eth0", "net", "", "default", "pod" };
}

/* "A B" of both families, or the verdict's name. */
static const char *
take(struct leases *t, const char *container, const char *pool4, const char *pool6)
{
	const struct podipam_owner o = owner(container);
	const struct podipam_want w = { .pool = { NULL, pool4, pool6 } };
	static char text[128];
	struct lease *l;
	enum podipam_verdict v = leases_take(t, &o, &w, &l);

	if (v != PODIPAM_OK)
		return podipam_verdict_name(v);
	snprintf(text, sizeof(text), "%s", addr_str(&l->l.v[0].addr));
	for (unsigned i = 1; i < l->l.nr; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " %s",
		    addr_str(&l->l.v[i].addr));
	return text;
}

START_TEST(first_gateway_and_last_are_kept_back)
{
	const struct podipam_range r = range("10.0.0.0/29", "");
	struct leases t = { 0 };

	leases_ranges_set(&t, &r, 1);
	ck_assert_str_eq(take(&t, "a", "", NULL), "10.0.0.2");
	ck_assert_str_eq(addr_str(&leases_find(&t, "a", "eth0")->l.v[0].gateway), "10.0.0.1");
	ck_assert_str_eq(take(&t, "b", "", NULL), "10.0.0.3");
	ck_assert_str_eq(take(&t, "c", "", NULL), "10.0.0.4");
	ck_assert_str_eq(take(&t, "d", "", NULL), "10.0.0.5");
	ck_assert_str_eq(take(&t, "e", "", NULL), "10.0.0.6");
	ck_assert_str_eq(take(&t, "f", "", NULL), "out-of-addresses");
	ck_assert_uint_eq(t.nr_leases, 5);
	leases_fini(&t);
}
END_TEST

START_TEST(of_very_small_ranges_all_is_given)
{
	const struct podipam_range r[] = { range("10.0.0.7/32", ""), range("10.0.0.8/31", "") };
	struct leases t = { 0 };

	leases_ranges_set(&t, r, 2);
	ck_assert_str_eq(take(&t, "a", "", NULL), "10.0.0.7");
	ck_assert_str_eq(take(&t, "b", "", NULL), "10.0.0.8");
	ck_assert_str_eq(take(&t, "c", "", NULL), "10.0.0.9");
	ck_assert_str_eq(addr_str(&leases_find(&t, "c", "eth0")->l.v[0].gateway), "169.254.1.1");
	ck_assert_str_eq(take(&t, "d", "", NULL), "out-of-addresses");
	leases_fini(&t);
}
END_TEST

START_TEST(what_was_given_back_rests)
{
	const struct podipam_range r = range("10.0.0.0/28", "");
	struct leases t = { 0 };

	leases_ranges_set(&t, &r, 1);
	ck_assert_str_eq(take(&t, "a", "", NULL), "10.0.0.2");
	leases_drop(&t, leases_find(&t, "a", "eth0"));
	ck_assert_str_eq(take(&t, "b", "", NULL), "10.0.0.3");
	/* and comes again when it is its turn */
	for (int i = 4; i <= 14; i++) {
		char name[16];

		snprintf(name, sizeof(name), "c%d", i);
		(void)take(&t, name, "", NULL);
	}
	ck_assert_str_eq(take(&t, "z", "", NULL), "10.0.0.2");
	leases_fini(&t);
}
END_TEST

START_TEST(both_families_or_none)
{
	const struct podipam_range r[] = { range("10.0.0.0/30", ""), range("fd00::/64", "") };
	struct leases t = { 0 };

	leases_ranges_set(&t, r, 2);
	ck_assert_str_eq(take(&t, "a", "", ""), "10.0.0.2 fd00::2");
	ck_assert_str_eq(take(&t, "b", "", ""), "out-of-addresses");
	ck_assert_ptr_null(leases_find(&t, "b", "eth0"));
	ck_assert_str_eq(take(&t, "b", NULL, ""), "fd00::3");
	leases_fini(&t);
}
END_TEST

START_TEST(pools_are_apart)
{
	const struct podipam_range r[] = { range("10.1.0.0/30", "blue"),
		range("10.2.0.0/30", "red"), range("10.1.0.4/30", "blue") };
	struct leases t = { 0 };

	leases_ranges_set(&t, r, 3);
	ck_assert_str_eq(take(&t, "a", "blue", NULL), "10.1.0.2");
	ck_assert_str_eq(take(&t, "b", "blue", NULL), "10.1.0.6");
	ck_assert_str_eq(take(&t, "c", "blue", NULL), "out-of-addresses");
	ck_assert_str_eq(take(&t, "d", "red", NULL), "10.2.0.2");
	ck_assert_str_eq(take(&t, "e", "green", NULL), "no-range");
	leases_fini(&t);
}
END_TEST

START_TEST(a_wanted_address)
{
	const struct podipam_range r = range("10.0.0.0/24", "");
	static const struct {
		const char *want;
		enum podipam_verdict verdict;
	} cases[] = {
		{ "10.0.0.9", PODIPAM_OK },
		{ "10.0.0.9", PODIPAM_TAKEN },
		{ "10.0.0.1", PODIPAM_OUTSIDE },
		{ "10.0.0.0", PODIPAM_OUTSIDE },
		{ "10.0.0.255", PODIPAM_OUTSIDE },
		{ "10.0.1.9", PODIPAM_OUTSIDE },
		{ "10.0.0.254", PODIPAM_OK },
	};
	struct leases t = { 0 };
	struct lease *l;
	char name[16];

	leases_ranges_set(&t, &r, 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct podipam_want w = { .pool = { NULL, "", NULL } };
		const struct podipam_owner o = owner(name);

		snprintf(name, sizeof(name), "w%zu", i);
		ck_assert_int_eq(addr_parse(cases[i].want, &w.address[ADDR_V4]), 0);
		ck_assert_int_eq(leases_take(&t, &o, &w, &l), cases[i].verdict);
	}
	leases_fini(&t);
}
END_TEST

START_TEST(a_lease_outlives_its_range)
{
	const struct podipam_range r = range("10.0.0.0/29", ""), other = range("10.9.0.0/29", "");
	struct leases t = { 0 };

	leases_ranges_set(&t, &r, 1);
	(void)take(&t, "a", "", NULL);
	leases_ranges_set(&t, &other, 1);
	ck_assert_ptr_nonnull(leases_find(&t, "a", "eth0"));
	ck_assert_str_eq(take(&t, "b", "", NULL), "10.9.0.2");
	leases_ranges_set(&t, &r, 1);
	ck_assert_uint_eq(t.ranges[0].used, 1);
	ck_assert_str_eq(take(&t, "c", "", NULL), "10.0.0.3");
	leases_fini(&t);
}
END_TEST

START_TEST(texts_that_cannot_be_kept_are_refused)
{
	const struct podipam_range r = range("10.0.0.0/24", "");
	char longer[PODIPAM_CONTAINER_MAX + 2];
	struct leases t = { 0 };

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	leases_ranges_set(&t, &r, 1);
	ck_assert_str_eq(take(&t, "", "", NULL), "bad-owner");
	ck_assert_str_eq(take(&t, longer, "", NULL), "bad-owner");
	ck_assert_str_eq(take(&t, "a\nb", "", NULL), "bad-owner");
	ck_assert_str_eq(take(&t, "a\xff", "", NULL), "bad-owner");
	longer[PODIPAM_CONTAINER_MAX] = '\0';
	ck_assert_str_eq(take(&t, longer, "", NULL), "10.0.0.2");
	leases_fini(&t);
}
END_TEST

/* ---- the random walk ---- */

#define NAMES 24
#define STEPS 40000

static uint64_t
next_random(uint64_t *s)
{
	*s = *s * 6364136223846793005u + 1442695040888963407u;
	return *s >> 33;
}

/* No address twice, none outside, and every lease is the holder of what it says. */
static void
check_leases(const struct leases *t)
{
	size_t nr = 0;

	for (const struct lease *l = t->leases; l; l = l->hh.next) {
		for (unsigned i = 0; i < l->l.nr; i++, nr++)
			ck_assert_ptr_eq(leases_owner_of(t, &l->l.v[i].addr), l);
		ck_assert_uint_ge(l->l.nr, 1);
	}
	ck_assert_uint_eq(nr, HASH_CNT(hh, t->taken));
}

static bool
same(const struct leases *a, const struct leases *b)
{
	if (a->nr_leases != b->nr_leases)
		return false;
	for (const struct lease *l = a->leases; l; l = l->hh.next) {
		const struct lease *m = leases_find(b, l->l.owner.container, l->l.owner.ifname);

		if (!m || m->l.nr != l->l.nr)
			return false;
		for (unsigned i = 0; i < l->l.nr; i++)
			if (!addr_eq(&l->l.v[i].addr, &m->l.v[i].addr))
				return false;
	}
	return true;
}

static void
replay(struct leases *t, const char *text, size_t len, struct replay *r)
{
	*r = (struct replay){ .boot_id = "b" };
	*t = (struct leases){ 0 };
	record_replay(r, t, text, len);
}

/* One step: somebody comes or goes; its line goes into @journal. */
static void
step(struct leases *t, uint64_t *seed, struct buf *journal)
{
	const struct podipam_want both = { .pool = { NULL, "", "" } };
	char name[16];
	struct podipam_owner o = owner(name);
	struct lease *l;

	snprintf(name, sizeof(name), "n%u", (unsigned)(next_random(seed) % NAMES));
	l = leases_find(t, name, "eth0");
	if (l) {
		record_del(journal, name, "eth0");
		leases_drop(t, l);
	} else if (leases_take(t, &o, &both, &l) == PODIPAM_OK) {
		record_add(journal, l);
	}
}

START_TEST(a_random_walk_is_what_its_journal_says)
{
	/* fewer addresses than names */
	const struct podipam_range r[] = { range("10.0.0.0/28", ""), range("fd00::/124", "") };
	struct leases t = { 0 }, again;
	struct replay rep;
	struct buf journal;
	uint64_t seed = 7;

	buf_init(&journal, (size_t)64 << 20);
	record_boot(&journal, "b");
	leases_ranges_set(&t, r, 2);
	for (unsigned long i = 0; i < unit_rounds(STEPS); i++) {
		step(&t, &seed, &journal);
		ck_assert_uint_le(t.nr_leases, 13);
		if (i % 1000 != 0)
			continue;
		check_leases(&t);
		replay(&again, journal.data, journal.len, &rep);
		ck_assert_uint_eq(rep.nr_bad, 0);
		ck_assert(same(&t, &again));
		leases_fini(&again);
	}
	buf_fini(&journal);
	leases_fini(&t);
}
END_TEST

/* After a crash at any byte the table is that of the last whole line. */
START_TEST(a_journal_cut_at_any_byte)
{
	const struct podipam_range r[] = { range("10.0.0.0/28", ""), range("fd00::/124", "") };
	struct leases t = { 0 }, at, cut;
	struct replay rep;
	struct buf journal;
	uint64_t seed = 3;
	size_t whole = 0;

	buf_init(&journal, (size_t)1 << 20);
	record_boot(&journal, "b");
	leases_ranges_set(&t, r, 2);
	for (int i = 0; i < 40; i++)
		step(&t, &seed, &journal);
	for (size_t len = 0; len <= journal.len; len++) {
		if (len > 0 && journal.data[len - 1] == '\n')
			whole = len;
		replay(&cut, journal.data, len, &rep);
		replay(&at, journal.data, whole, &rep);
		ck_assert(same(&at, &cut));
		check_leases(&cut);
		leases_fini(&cut);
		leases_fini(&at);
		replay(&cut, journal.data, len, &rep);
		ck_assert_uint_eq(rep.good, whole);
		leases_fini(&cut);
	}
	buf_fini(&journal);
	leases_fini(&t);
}
END_TEST

/* Any byte that is another: no crash of ours, no address twice, and at most one line is lost. */
START_TEST(a_journal_with_any_byte_torn)
{
	const struct podipam_range r[] = { range("10.0.0.0/28", ""), range("fd00::/124", "") };
	struct leases t = { 0 }, torn;
	struct replay rep;
	struct buf journal;
	uint64_t seed = 11;

	buf_init(&journal, (size_t)1 << 20);
	record_boot(&journal, "b");
	leases_ranges_set(&t, r, 2);
	for (int i = 0; i < 30; i++)
		step(&t, &seed, &journal);
	for (size_t i = 0; i < journal.len; i++) {
		const char was = journal.data[i];

		journal.data[i] = (char)(was ^ (1 << i % 8));
		replay(&torn, journal.data, journal.len, &rep);
		check_leases(&torn);
		ck_assert_uint_ge(rep.nr_bad, 1);
		ck_assert_uint_le(rep.nr_bad, 2);
		leases_fini(&torn);
		journal.data[i] = was;
	}
	buf_fini(&journal);
	leases_fini(&t);
}
END_TEST

START_TEST(leases_of_another_boot_are_gone)
{
	const struct podipam_range r = range("10.0.0.0/28", "");
	struct leases t = { 0 }, again;
	struct replay rep = { .boot_id = "c" };
	struct buf journal;
	uint64_t seed = 3;

	buf_init(&journal, (size_t)1 << 20);
	record_boot(&journal, "b");
	leases_ranges_set(&t, &r, 1);
	(void)take(&t, "a", "", NULL);
	record_add(&journal, leases_find(&t, "a", "eth0"));
	again = (struct leases){ 0 };
	record_replay(&rep, &again, journal.data, journal.len);
	ck_assert_uint_eq(again.nr_leases, 0);
	ck_assert_uint_eq(rep.nr_other_boot, 1);
	/* a boot that is not known drops nothing */
	rep = (struct replay){ .boot_id = "" };
	record_replay(&rep, &again, journal.data, journal.len);
	ck_assert_uint_eq(again.nr_leases, 1);
	leases_fini(&again);
	buf_fini(&journal);
	leases_fini(&t);
	(void)seed;
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("leases");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, first_gateway_and_last_are_kept_back);
	tcase_add_test(tc, of_very_small_ranges_all_is_given);
	tcase_add_test(tc, what_was_given_back_rests);
	tcase_add_test(tc, both_families_or_none);
	tcase_add_test(tc, pools_are_apart);
	tcase_add_test(tc, a_wanted_address);
	tcase_add_test(tc, a_lease_outlives_its_range);
	tcase_add_test(tc, texts_that_cannot_be_kept_are_refused);
	tcase_add_test(tc, a_random_walk_is_what_its_journal_says);
	tcase_add_test(tc, a_journal_cut_at_any_byte);
	tcase_add_test(tc, a_journal_with_any_byte_torn);
	tcase_add_test(tc, leases_of_another_boot_are_gone);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("podipam leases", add_tests)
