/*
 * tests/unit/datapath/test_services_chance.c: the writer of services by chance: Services, sweeps,
 * time, restarts, scribbling over the maps and failing allocations in any order, held against the
 * model.
 */
#include "tests/unit/datapath/servbed.h"

/* ---- by chance ---- */

static void
any_step(void)
{
	unsigned i = (unsigned)rand() % MODEL_SERVICES;

	switch (rand() % 8) {
	case 0:
		if (md.service[i].there)
			take(i);
		break;
	case 1:
		loop_advance(loop, (uint64_t)(rand() % 40000));
		break;
	case 2:
		services_dying_begin(s);
		break;
	case 3:
		services_dying_end(s);
		break;
	default:
		model_service_roll(&md.service[i]);
		put(i);
		break;
	}
}

START_TEST(random_walk)
{
	srand((unsigned)_i);
	for (unsigned long i = 0; i < unit_rounds(6000); i++) {
		any_step();
		if (i % 8 == 0)
			IS_SO();
	}
	ck_assert_uint_eq(services_audit(s), 0);
	for (unsigned i = 0; i < MODEL_SERVICES; i++)
		take(i);
	IS_SO();
	loop_advance(loop, 62000);
	sweep();
	ck_assert_uint_eq(s->space.used, 0);
	ck_assert_uint_eq(s->fe_rows.live + s->be_rows.live, 0);
	for (uint32_t i = 0; i < BE; i++)
		ck_assert(!kit.m.be[i].family);
	ck_assert(TAILQ_EMPTY(&s->fe_list) && TAILQ_EMPTY(&s->vip_list));
	ck_assert_uint_eq(grows, 0);
}
END_TEST

/* Whatever is scribbled, an audit puts right and counts, and the next one finds nothing. */
static void
scribble(void)
{
	uint32_t fe = (uint32_t)rand() % 8, be = (uint32_t)rand() % 8;
	uint32_t value = (uint32_t)(rand() % 2 ? rand() : rand() % 200);
	struct addr vip = model_vip((unsigned)rand() % 8), a = { .family = ADDR_V4, .b = { 99 } };
	struct lb_fe_key key = sv_key(&vip, (uint16_t)(rand() % 2 ? 80 : 4711), IPPROTO_TCP);
	struct lb_range_key range = sv_range_key(fe + 1, &(struct prefix){ a, 8 });

	switch (rand() % 7) {
	case 0:
		((uint32_t *)&kit.m.fe[fe])[rand() % 16] ^= value;
		break;
	case 1:
		((uint32_t *)&kit.m.be[be])[rand() % 10] ^= value;
		break;
	case 2:
		kit.m.tables[rand() % 2000] ^= value;
		break;
	case 3:
		kit.m.filter[(uint32_t)rand() % LB_FILTER_SIZE] ^= LB_IS_VIP;
		break;
	case 4:
		bpf_map_delete_elem(kit.m.fd[DP_MAP_FRONTENDS], &key);
		break;
	case 5:
		bpf_map_update_elem(kit.m.fd[DP_MAP_FRONTENDS], &key, &value, 0);
		break;
	default:
		bpf_map_update_elem(kit.m.fd[DP_MAP_SRC_RANGES], &range, &value, 0);
		break;
	}
}

START_TEST(audit_repairs)
{
	uint64_t repaired = 0;

	for (unsigned i = 0; i < MODEL_SERVICES; i++) {
		model_service_roll(&md.service[i]);
		put(i);
	}
	for (unsigned i = 0; i < LB_FILTER_SIZE; i += 1000)
		kit.m.filter[i] |= LB_IS_SNAT; /* of links */
	for (unsigned long i = 0; i < unit_rounds(600); i++) {
		for (int k = rand() % 4; k >= 0; k--)
			scribble();
		repaired += services_audit(s);
		IS_SO();
		ck_assert_uint_eq(services_audit(s), 0);
	}
	ck_assert_uint_gt(repaired, unit_rounds(600) / 4);
	for (unsigned i = 0; i < LB_FILTER_SIZE; i++)
		ck_assert_msg(!(kit.m.filter[i] & LB_IS_SNAT) == (i % 1000 != 0), "byte %u", i);
}
END_TEST

/* Restarts at any time, and maps that somebody scribbled over meanwhile. */
START_TEST(random_restarts)
{
	srand((unsigned)_i);
	for (unsigned long i = 0; i < unit_rounds(400); i++) {
		for (int k = rand() % 30; k >= 0; k--)
			any_step();
		if (_i % 2) {
			for (int k = rand() % 5; k >= 0; k--)
				scribble();
		}
		restart();
		if (rand() % 2)
			s->slice_ns =
			    0; /* one Service at a time, with all of the below in between */
		if (rand() % 2)
			ck_assert_int_eq(services_maps_set(s, &kit.m, true), 0);
		services_sync_begin(s);
		for (unsigned k = 0; k < MODEL_SERVICES; k++) {
			if (md.service[k].there && rand() % 8 == 0)
				model_service_roll(&md.service[k]);
			if (md.service[k].there)
				put(k);
		}
		if (!s->m)
			ck_assert_int_eq(services_maps_set(s, &kit.m, true), 0);
		services_sync_end(s);
		for (int k = rand() % 6; k > 0 && services_is_writing(s); k--) {
			unsigned which = (unsigned)rand() % MODEL_SERVICES;

			loop_turn(loop, 0);
			if (md.service[which].there && rand() % 2)
				take(which);
			else if (md.service[which].there)
				put(which);
		}
		while (services_is_writing(s))
			loop_turn(loop, 0);
		IS_SO();
		/* An adopted table whose list is as wanted was compared slot by slot. */
		ck_assert_uint_eq(services_audit(s), 0);
	}
}
END_TEST

/* ---- no memory ---- */

START_TEST(out_of_memory)
{
	unsigned failed = 0;

	for (unsigned i = 0; i < MODEL_SERVICES; i++) {
		model_service_roll(&md.service[i]);
		put(i);
	}
	for (unsigned long round = 0; round < unit_rounds(60); round++) {
		unsigned i = (unsigned)rand() % MODEL_SERVICES;
		struct model_service next = { 0 }, was = md.service[i];

		model_service_roll(&next);
		for (size_t k = 0; k < next.nr; k++) {
			next.fe[k].port =
			    (uint16_t)(next.fe[k].port + round); /* keys that are new */
			for (size_t b = 0; b < next.fe[k].nr_backends; b++)
				next.b[k][b].port = (uint16_t)(1000 + round);
		}
		for (unsigned nth = 1;; nth++) {
			int err;

			mem_fail_at(nth);
			err = services_set(s, was.name, next.fe, next.nr);
			mem_fail_at(0);
			if (!err)
				break;
			ck_assert_int_eq(err, -ENOMEM);
			failed++;
			IS_SO();
		}
		services_del(s, was.name);
		put(i);
		loop_advance(loop, 62000);
		sweep();
		IS_SO();
	}
	ck_assert_uint_gt(failed, unit_rounds(60));
}
END_TEST

/* From nothing, so that every table of the mirror has to be made and every path is unwound. */
START_TEST(out_of_memory_from_nothing)
{
	struct model_service *svc = &md.service[0];
	unsigned nth;

	for (unsigned k = 0; k < 3; k++) {
		struct dp_frontend *f = &svc->fe[k];

		model_service_roll(svc);
		svc->nr = 3;
		for (unsigned i = 0; i < 3; i++) {
			f = &svc->fe[i];
			*f = (struct dp_frontend){ .ip = model_vip(i),
				.port = 80,
				.proto = IPPROTO_UDP,
				.type = DP_LOAD_BALANCER,
				.port_name = "",
				.backends = svc->b[i],
				.nr_backends = MODEL_BACKENDS };
			for (unsigned b = 0; b < MODEL_BACKENDS; b++)
				svc->b[i][b] = (struct dp_backend){
					.ip = model_backend(i * MODEL_BACKENDS + b + 1, false),
					.port = 8080,
					.external = b > k,
					.internal = true
				};
		}
		for (nth = 1;; nth++) {
			restart();
			mapkit_fini(&kit);
			ck_assert_int_eq(mapkit_init(&kit, FE, BE, WORDS), 0);
			ck_assert_int_eq(services_maps_set(s, &kit.m, false), 0);
			mem_fail_at(nth);
			if (services_set(s, svc->name, svc->fe, svc->nr) == 0)
				break;
			mem_fail_at(0);
			svc->there = false;
			IS_SO();
			ck_assert(TAILQ_EMPTY(&s->fe_list) && TAILQ_EMPTY(&s->vip_list));
			ck_assert(TAILQ_EMPTY(&s->services));
			ck_assert_uint_eq(s->be_rows.live, 0);
		}
		mem_fail_at(0);
		svc->there = true;
		IS_SO();
		ck_assert_uint_gt(nth, 10);
	}
}
END_TEST

START_TEST(out_of_memory_at_maps)
{
	for (unsigned i = 0; i < MODEL_SERVICES; i++) {
		model_service_roll(&md.service[i]);
		put(i);
	}
	for (unsigned nth = 1;; nth++) {
		int err;

		mem_fail_at(nth);
		err = services_maps_set(s, &kit.m, true);
		mem_fail_at(0);
		if (!err)
			break;
		ck_assert_int_eq(err, -ENOMEM);
	}
	services_sync_end(s);
	IS_SO();
}
END_TEST

static void
add_tests(Suite *suite)
{
	TCase *tc = bed_case("services_chance");

	tcase_add_loop_test(tc, random_walk, 1, 4);
	tcase_add_test(tc, audit_repairs);
	tcase_add_loop_test(tc, random_restarts, 0, 6);
	tcase_add_test(tc, out_of_memory);
	tcase_add_test(tc, out_of_memory_from_nothing);
	tcase_add_test(tc, out_of_memory_at_maps);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("services_chance", add_tests)
