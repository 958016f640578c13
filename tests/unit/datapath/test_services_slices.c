/*
 * tests/unit/datapath/test_services_slices.c: many Services that are there before the maps are: the
 * writer has to let others have their turn, and may show no half of a Service meanwhile.
 */
#include "tests/unit/datapath/servbed.h"

static unsigned writtens;
static int written_err;

static void
on_written(void *arg, int err)
{
	(void)arg;
	writtens++;
	written_err = err;
}

/* So many of the Services, from the first on, are in the maps, and nothing of the others. */
static void
so_many(unsigned nr, unsigned of)
{
	for (unsigned i = 0; i < of; i++)
		md.service[i].there = i < nr;
	IS_SO();
	for (unsigned i = 0; i < of; i++)
		md.service[i].there = true;
}

static void
begin_to_write(unsigned nr)
{
	services_on_written(s, on_written, NULL);
	writtens = 0;
	ck_assert_int_eq(services_maps_set(s, NULL, false), 0);
	for (unsigned i = 0; i < nr; i++)
		put(i);
	mapkit_fini(&kit);
	ck_assert_int_eq(mapkit_init(&kit, FE, BE, WORDS), 0);
	s->slice_ns = 0;
	ck_assert_int_eq(services_maps_set(s, &kit.m, false), 0);
}

/* Others have their turn in between, and no packet meets a half of a Service. */
START_TEST(writes_in_slices)
{
	for (unsigned i = 0; i < 8; i++)
		plain(i, i, 1 + i % 5);
	begin_to_write(8);
	for (unsigned nr = 1; nr < 8; nr++) {
		so_many(nr, 8);
		ck_assert(services_is_writing(s));
		ck_assert_uint_eq(services_audit(s), 0);
		ck_assert_uint_eq(writtens, 0);
		loop_turn(loop, 0);
	}
	IS_SO();
	ck_assert(!services_is_writing(s));
	ck_assert_uint_eq(writtens, 1);
	ck_assert_int_eq(written_err, 0);
	ck_assert_uint_eq(services_audit(s), 0);
	/* All in one goes without being told of. */
	s->slice_ns = UINT64_MAX / 2;
	ck_assert_int_eq(services_maps_set(s, &kit.m, false), 0);
	ck_assert(!services_is_writing(s));
	loop_advance(loop, 5000);
	ck_assert_uint_eq(writtens, 1);
}
END_TEST

/* What is set, taken or inherited meanwhile is written at once and not once more. */
START_TEST(changes_while_writing)
{
	for (unsigned i = 0; i < 6; i++)
		plain(i, i, 3);
	md.service[4].fe[0].ip = md.service[0].fe[0].ip; /* waits for what the first one has */
	begin_to_write(6);
	plain(5, 5, 2);
	put(5);
	take(1); /* the next one */
	take(0); /* its heir has not had its turn */
	md.service[2].there = md.service[3].there = false;
	IS_SO();
	md.service[2].there = md.service[3].there = true;
	while (services_is_writing(s))
		loop_turn(loop, 0);
	IS_SO();
	ck_assert_uint_eq(writtens, 1);
	ck_assert_uint_eq(services_audit(s), 0);
}
END_TEST

/* Two want one key, and the one that gets it has its turn last: nothing is shown before that. */
START_TEST(a_key_whose_owner_comes_later)
{
	struct dp_frontend *f = plain(0, 0, 3);

	plain(1, 0, 2);
	ck_assert_int_eq(services_maps_set(s, NULL, false), 0);
	put(1);
	put(0);
	s->slice_ns = 0;
	ck_assert_int_eq(services_maps_set(s, &kit.m, false), 0);
	ck_assert(services_is_writing(s));
	ck_assert_uint_eq(model_fe_row(&kit.m, f), UINT32_MAX);
	loop_turn(loop, 0);
	ck_assert(!services_is_writing(s));
	IS_SO();
}
END_TEST

START_TEST(no_memory_while_writing)
{
	for (unsigned i = 0; i < 3; i++)
		plain(i, i, 3 + i);
	begin_to_write(3);
	mem_fail_at(1);
	loop_turn(loop, 0);
	mem_fail_at(0);
	ck_assert_uint_eq(writtens, 1);
	ck_assert_int_eq(written_err, -ENOMEM);
	ck_assert(!services_is_writing(s) && !s->m);
	ck_assert_int_eq(services_maps_set(s, &kit.m, true), 0);
	while (services_is_writing(s))
		loop_turn(loop, 0);
	IS_SO();
}
END_TEST

/* ---- counts ---- */

struct counted {
	unsigned nr;
	uint32_t last;
	uint64_t packets;
};

static void
on_count(void *arg, const struct dp_seen_count *c)
{
	struct counted *t = arg;

	ck_assert(!t->nr || c->row > t->last);
	ck_assert_int_eq(strncmp(c->service_name, "ns/s", 4), 0);
	ck_assert_uint_eq(c->counts.bytes, c->counts.packets * 100);
	t->last = c->row;
	t->nr++;
	t->packets += c->counts.packets;
}

/* The same is told in one piece and in slices of any size, whatever the kernel's batches do. */
START_TEST(counts_in_slices)
{
	struct counted none = { 0 };
	uint32_t first = 0;

	for (unsigned i = 0; i < 8; i++) {
		struct lb_count counts[256] = { { i + 1, (i + 1) * 100, 1 } };
		struct dp_frontend *f = plain(i, i, 1);
		uint32_t row;

		put(i);
		row = model_fe_row(&kit.m, f);
		ck_assert_int_eq(
		    bpf_map_update_elem(kit.m.fd[DP_MAP_FE_COUNTS], &row, counts, 0), 0);
	}
	take(3);
	for (uint32_t max = 1; max <= 9; max++)
		for (int batch = 0; batch < 2; batch++) {
			struct counted t = { 0 };
			uint32_t row = 0;
			int more;

			s->no_batch = !batch;
			do {
				more = services_counts_each(s, &row, max, on_count, &t);
				ck_assert_int_ge(more, 0);
			} while (more);
			ck_assert_uint_eq(t.nr, 7);
			ck_assert_uint_eq(t.packets, 36 - 4);
			ck_assert_int_eq(services_counts_each(s, &row, max, on_count, &t), 0);
			ck_assert_uint_eq(t.nr, 7);
		}
	ck_assert_int_eq(services_maps_set(s, NULL, false), 0);
	ck_assert_int_eq(services_counts_each(s, &first, 1, on_count, &none), -ENODEV);
}
END_TEST

static void
add_tests(Suite *suite)
{
	TCase *tc = bed_case("services_slices");

	tcase_add_test(tc, writes_in_slices);
	tcase_add_test(tc, counts_in_slices);
	tcase_add_test(tc, changes_while_writing);
	tcase_add_test(tc, a_key_whose_owner_comes_later);
	tcase_add_test(tc, no_memory_while_writing);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("services_slices", add_tests)
