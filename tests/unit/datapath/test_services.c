/*
 * tests/unit/datapath/test_services.c: the writer of services against maps of the kernel, without
 * programs: each promise by itself.
 */
#include "tests/unit/datapath/servbed.h"

/* ---- one by one ---- */

START_TEST(one_service)
{
	struct dp_frontend *f = plain(0, 0, 3);
	const struct lb_fe_row *r;
	uint64_t writes;

	put(0);
	IS_SO();
	r = &kit.m.fe[model_fe_row(&kit.m, f)];
	ck_assert_uint_eq(r->table[0], r->table[1]); /* both scopes have one table */
	ck_assert_str_eq(services_name(s, r->service), "ns/s00");
	ck_assert_uint_eq(services_number(s, "ns/s00"), r->service);
	ck_assert_uint_eq(services_number(s, "ns/other"), 0);
	ck_assert_str_eq(services_name(s, 0), "");
	ck_assert_str_eq(services_name(s, 9999), "");
	writes = r->table[0];
	put(0); /* again */
	ck_assert_uint_eq(r->table[0], writes);
	ck_assert_uint_eq(r->prev[0], 0);
	take(0);
	IS_SO();
	ck_assert_uint_eq(services_number(s, "ns/s00"), 0);
}
END_TEST

/* The table before stays in prev for a minute; its words a second longer. */
START_TEST(a_change_flips_one_word)
{
	struct dp_frontend *f = plain(0, 0, 3);
	struct dp_info info = { 0 };
	const struct lb_fe_row *r;
	uint64_t a, b;

	put(0);
	r = &kit.m.fe[model_fe_row(&kit.m, f)];
	a = r->table[0];
	f->nr_backends = 2;
	put(0);
	IS_SO();
	b = r->table[0];
	ck_assert_uint_ne(a, b);
	ck_assert_uint_eq(r->prev[0], a);
	ck_assert_uint_eq(r->prev[1], a);
	f->nr_backends = 3; /* and back: the words that are there still */
	put(0);
	ck_assert_uint_eq(r->table[0], a);
	ck_assert_uint_eq(r->prev[0], b);
	loop_advance(loop, 59000);
	ck_assert_uint_eq(r->prev[0], b);
	services_info(s, &info);
	ck_assert_uint_gt(info.tables_used, LB_TABLE_WORDS(LB_TABLE_SLOTS(a), 3));
	loop_advance(loop, 3000);
	ck_assert_uint_eq(r->prev[0], 0);
	services_info(s, &info);
	ck_assert_uint_eq(info.tables_used, LB_TABLE_WORDS(LB_TABLE_SLOTS(a), 3));
	IS_SO();
}
END_TEST

START_TEST(frontends_share_a_table)
{
	struct model_service *svc = &md.service[0];

	plain(0, 0, 4);
	svc->nr = 3;
	for (unsigned i = 1; i < 3; i++) {
		svc->fe[i] = svc->fe[0];
		svc->fe[i].ip = model_vip(i);
		svc->fe[i].type = i == 1 ? DP_CLUSTER_IP : DP_NODE_PORT;
	}
	put(0);
	IS_SO();
	ck_assert_uint_eq(kit.m.fe[model_fe_row(&kit.m, &svc->fe[0])].table[0],
	    kit.m.fe[model_fe_row(&kit.m, &svc->fe[2])].table[1]);
}
END_TEST

START_TEST(one_backend_has_one_slot)
{
	struct dp_frontend *f = plain(0, 0, 1);

	put(0);
	IS_SO();
	ck_assert_uint_eq(LB_TABLE_SLOTS(kit.m.fe[model_fe_row(&kit.m, f)].table[0]), 1);
	f->nr_backends = 0;
	put(0);
	IS_SO();
	ck_assert_uint_eq(kit.m.fe[model_fe_row(&kit.m, f)].table[0], 0);
}
END_TEST

/* Slots are as narrow as the list allows; what lies in the map is what Maglev says, for every width. */
START_TEST(slots_of_every_width)
{
	static const uint32_t nrs[] = { 2, 15, 16, 17, 255, 256, 257 };
	static struct maglev_backend mb[300];
	static struct dp_backend b[300];
	static uint16_t slots[32749];
	static uint64_t work[3 * 300];
	struct dp_frontend *f = plain(0, 0, 1);
	uint32_t nr = nrs[_i], size = maglev_size(nr, 32749), *rows;
	struct dp_conf conf = { .maglev_table_size = 32749 };
	struct dp_info info = { 0 };

	mapkit_fini(&kit);
	ck_assert_int_eq(mapkit_init(&kit, FE, 512, WORDS), 0);
	ck_assert_int_eq(services_maps_set(s, &kit.m, false), 0);
	services_conf(s, &conf);
	for (uint32_t i = 0; i < nr; i++) {
		b[i] = f->backends[0];
		b[i].ip.b[2] = (uint8_t)(i >> 8);
		b[i].ip.b[3] = (uint8_t)i;
		mb[i] = (struct maglev_backend){ maglev_key(&b[i].ip, b[i].port, f->proto), 1 };
	}
	f->backends = b;
	f->nr_backends = nr;
	ck_assert_int_eq(services_set(s, "ns/wide", f, 1), 0);
	maglev_fill(slots, size, mb, nr, work);
	ck_assert_int_eq(services_slots(s, &f->ip, f->port, f->proto, 0, &rows), size);
	for (uint32_t i = 0; i < size; i++) {
		ck_assert_uint_lt(rows[i], 512);
		ck_assert_uint_eq(kit.m.be[rows[i]].addr.w[0], lb_addr_of(&b[slots[i]].ip).w[0]);
	}
	free(rows);
	services_info(s, &info);
	ck_assert_uint_eq(info.tables_used,
	    (nr + 1) / 2 +
		(size *
			(nr <= 16	    ? 4
				: nr <= 256 ? 8
					    : 16) +
		    63) /
		    64);
	/* What was written over is mended to the same words. */
	kit.m.tables[(nr + 1) / 2 + 3] ^= 1ULL << 40;
	ck_assert_uint_eq(services_audit(s), 1);
	ck_assert_int_eq(services_slots(s, &f->ip, f->port, f->proto, 0, &rows), size);
	for (uint32_t i = 0; i < size; i++)
		ck_assert_uint_eq(kit.m.be[rows[i]].addr.w[0], lb_addr_of(&b[slots[i]].ip).w[0]);
	free(rows);
}
END_TEST

/* A row is nobody else's while a flow may name it, and not while an old table lists it. */
START_TEST(a_dying_row_waits)
{
	struct dp_frontend *f = plain(0, 0, 3);
	uint32_t row, was;

	f->proto = IPPROTO_UDP;
	put(0);
	row = model_be_row(&kit.m, &f->backends[2], IPPROTO_UDP);
	ck_assert(!services_has_dying(s));
	f->nr_backends = 2;
	put(0);
	ck_assert(services_is_dying_be(s, row));
	ck_assert(services_has_dying(s));
	ck_assert_uint_eq(gones, 1);
	ck_assert(!(kit.m.be[row].flags & LB_BE_LIVE));
	ck_assert_uint_ne(kit.m.be[row].family, 0);
	was = lb_filter_index(&kit.m.be[row].addr);
	ck_assert(kit.m.filter[was] & LB_IS_BACKEND); /* it may have answers under way */
	ck_assert(!services_is_ending_be(s, row));
	sweep();
	ck_assert(!services_has_dying(s));
	ck_assert(services_is_dying_be(s, row)); /* prev lists it */
	loop_advance(loop, 62000);
	ck_assert(!services_is_dying_be(s, row));
	ck_assert_uint_eq(kit.m.be[row].family, 0);
	ck_assert(!(kit.m.filter[was] & LB_IS_BACKEND));
	IS_SO();
}
END_TEST

START_TEST(a_row_comes_back)
{
	struct dp_frontend *f = plain(0, 0, 3);
	uint32_t row, fe_row;

	put(0);
	row = model_be_row(&kit.m, &f->backends[2], IPPROTO_TCP);
	fe_row = model_fe_row(&kit.m, f);
	for (int i = 0; i < 3; i++) {
		f->nr_backends = 2;
		put(0);
		if (i > 0)
			services_dying_begin(s); /* it comes back while the sweep is at it */
		f->nr_backends = 3;
		put(0);
		services_dying_end(s);
		ck_assert_uint_eq(model_be_row(&kit.m, &f->backends[2], IPPROTO_TCP), row);
		IS_SO();
	}
	/* Killed again within the round: this round must not free it. */
	f->nr_backends = 2;
	put(0);
	services_dying_begin(s);
	f->nr_backends = 3;
	put(0);
	f->nr_backends = 2;
	put(0);
	services_dying_end(s);
	ck_assert(services_is_dying_be(s, row));
	ck_assert(services_has_dying(s));
	f->nr_backends = 3;
	put(0);
	take(0);
	ck_assert(services_is_dying_fe(s, fe_row));
	put(0);
	ck_assert_uint_eq(model_fe_row(&kit.m, f), fe_row);
	ck_assert(!services_is_dying_fe(s, fe_row));
	IS_SO();
	loop_advance(loop, 62000); /* nothing holds the old tables now */
	sweep();
	ck_assert(!services_is_dying_be(s, row));
	IS_SO();
	take(0);
	sweep();
	ck_assert(!services_is_dying_fe(s, fe_row));
}
END_TEST

START_TEST(conflict_and_takeover)
{
	struct dp_info info = { 0 };
	struct dp_frontend *f = plain(1, 0, 2);
	uint32_t row;

	put(1);
	row = model_fe_row(&kit.m, f);
	plain(0, 0, 3);
	put(0); /* sorts first: it has the key from now on, in the same row */
	services_info(s, &info);
	ck_assert_uint_eq(info.conflicts, 1);
	IS_SO();
	ck_assert_uint_eq(model_fe_row(&kit.m, f), row);
	ck_assert_str_eq(services_name(s, kit.m.fe[row].service), "ns/s00");
	take(0);
	services_info(s, &info);
	ck_assert_uint_eq(info.conflicts, 0);
	ck_assert_str_eq(services_name(s, kit.m.fe[row].service), "ns/s01");
	IS_SO();
}
END_TEST

START_TEST(the_wildcard_spares_node_addresses)
{
	const struct prefix cluster[] = { { model_vip(0), 32 }, { model_vip(0), 32 } };
	struct dp_conf conf = { .maglev_table_size = md.table_size };
	struct lb_fe_key key = sv_key(&(struct addr){ 0 }, 0, 0);
	struct addr vip = model_vip(0);
	uint32_t value;

	key = sv_key(&vip, 0, 0);
	plain(0, 0, 2);
	put(0);
	ck_assert_int_eq(bpf_map_lookup_elem(kit.m.fd[DP_MAP_FRONTENDS], &key, &value), 0);
	ck_assert_uint_eq(value, UINT32_MAX);
	conf.cluster = cluster; /* it is a node's address */
	conf.nr_cluster = 2;
	services_conf(s, &conf);
	ck_assert_int_lt(bpf_map_lookup_elem(kit.m.fd[DP_MAP_FRONTENDS], &key, &value), 0);
	ck_assert_uint_eq(services_audit(s), 0);
	conf.nr_cluster = 0;
	services_conf(s, &conf);
	ck_assert_int_eq(bpf_map_lookup_elem(kit.m.fd[DP_MAP_FRONTENDS], &key, &value), 0);
	ck_assert_uint_eq(services_audit(s), 0);
	IS_SO();
}
END_TEST

START_TEST(what_is_refused)
{
	static struct dp_backend many[LB_TABLE_BACKENDS_MAX + 1];
	struct dp_frontend f = *plain(0, 0, 1);

	f.backends = many;
	f.nr_backends = LB_TABLE_BACKENDS_MAX + 1;
	ck_assert_int_eq(services_set(s, "x", &f, 1), -EINVAL);
	f = *plain(0, 0, 1);
	f.port = 0;
	ck_assert_int_eq(services_set(s, "x", &f, 1), -EINVAL);
	f = *plain(0, 3, 1);
	f.ip = model_vip(0); /* IPv4 with a backend of IPv6 */
	ck_assert_int_eq(services_set(s, "x", &f, 1), -EINVAL);
	services_del(s, "never");
	IS_SO();
}
END_TEST

START_TEST(sync_drops_the_rest)
{
	for (unsigned i = 0; i < 4; i++) {
		plain(i, i, i + 1);
		put(i);
	}
	services_sync_begin(s);
	put(1);
	put(3);
	md.service[0].there = md.service[2].there = false;
	services_sync_end(s);
	IS_SO();
}
END_TEST

static size_t
count_local(void)
{
	size_t nr = 0;
	const struct sv_be *be;

	LIST_FOREACH (be, &s->locals, local)
		nr++;
	return nr;
}

START_TEST(local_backends_are_told)
{
	struct dp_frontend *f = plain(0, 0, 3);

	put(0);
	ck_assert_uint_eq(count_local(), 0);
	locals = 0;
	md.service[0].b[0][1].local = true;
	put(0);
	ck_assert_uint_eq(locals, 1);
	ck_assert_uint_eq(count_local(), 1);
	md.service[0].b[0][1].host = true; /* of the host's network: no device leads there */
	put(0);
	ck_assert_uint_eq(locals, 2);
	ck_assert_uint_eq(count_local(), 0);
	md.service[0].b[0][1].host = false;
	put(0);
	f->nr_backends = 1;
	put(0);
	ck_assert_uint_eq(locals, 4);
	ck_assert_uint_eq(count_local(), 0);
}
END_TEST

/* ---- read back ---- */

struct told {
	size_t nr, backends, slots;
	struct addr last;
	char service[32];
};

static bool
tell(void *arg, const struct dp_seen_frontend *f)
{
	struct told *t = arg;

	ck_assert(!t->nr || addr_cmp(&t->last, &f->ip) <= 0);
	t->last = f->ip;
	t->nr++;
	t->backends += f->nr_backends;
	for (size_t i = 0; i < f->nr_backends; i++)
		t->slots += f->backends[i].slots[0];
	snprintf(t->service, sizeof(t->service), "%s", f->service_name);
	return true;
}

START_TEST(read_back)
{
	struct lb_count counts[256] = { { 1, 100, 1 }, { 2, 200, 0 } };
	struct dp_frontend *f = plain(0, 1, 3);
	struct told t = { 0 };
	uint32_t *rows, row;
	struct dp_info info = { 0 };

	ck_assert_int_lt(libbpf_num_possible_cpus(), 256);
	f->nr_backends = 4;
	md.service[0].b[0][3] = md.service[0].b[0][0];
	md.service[0].b[0][3].ip = model_backend(9, false);
	md.service[0].b[0][3].external = md.service[0].b[0][3].internal = false; /* terminating */
	put(0);
	plain(1, 0, 2);
	put(1);
	IS_SO();
	row = model_fe_row(&kit.m, f);
	ck_assert_int_eq(bpf_map_update_elem(kit.m.fd[DP_MAP_FE_COUNTS], &row, counts, 0), 0);
	ck_assert_int_eq(services_frontends_each(s, tell, &t), 0);
	ck_assert_uint_eq(t.nr, 2);
	ck_assert_uint_eq(t.backends, 6);
	ck_assert_uint_eq(t.slots, 397 + 269);
	ck_assert_str_eq(t.service, "ns/s00");
	ck_assert_int_eq(services_slots(s, &f->ip, 80, IPPROTO_TCP, LB_INTERNAL, &rows), 397);
	for (int i = 0; i < 397; i++)
		ck_assert(kit.m.be[rows[i]].flags & LB_BE_LIVE);
	free(rows);
	ck_assert_int_eq(services_slots(s, &f->ip, 81, IPPROTO_TCP, 0, &rows), -ENOENT);
	ck_assert_int_eq(services_slots(s, &f->ip, 0, 0, 0, &rows), -ENOENT);
	services_info(s, &info);
	ck_assert_uint_eq(info.services, 2);
	ck_assert_uint_eq(info.frontends, 2);
	ck_assert_uint_eq(info.backends, 4);
	ck_assert_int_eq(services_maps_set(s, NULL, false), 0);
	ck_assert_int_eq(services_frontends_each(s, tell, &t), -ENODEV);
	ck_assert_int_eq(services_slots(s, &f->ip, 80, IPPROTO_TCP, 0, &rows), -ENODEV);
}
END_TEST

/* ---- too small ---- */

/* What is wanted fits into what is said to be needed, and that is not much more. */
START_TEST(knows_what_it_needs)
{
	struct dp_sizes need;
	struct dp_info info;

	ck_assert_int_eq(services_maps_set(s, NULL, false), 0);
	ck_assert_int_eq(services_need(s, &need), 0);
	ck_assert_uint_eq(need.fe_rows + need.be_rows + need.tables, 0);
	ck_assert_uint_eq(need.affinity, DP_CLIENTS_FEW);
	for (unsigned i = 0; i < 8; i++) {
		plain(i, i, 5);
		for (unsigned k = 0; k < 5; k++) {
			struct dp_backend *b = &md.service[i].b[0][k];

			/* Two Services and two: the same backends in another order. */
			b->ip.b[b->ip.family == ADDR_V4 ? 3 : 15] =
			    (uint8_t)(i / 2 * 8 + (i % 2 ? 5 - k : k + 1));
			b->internal = k != 4;
		}
		put(i);
	}
	ck_assert_int_eq(services_need(s, &need), 0);
	mapkit_fini(&kit);
	ck_assert_int_eq(mapkit_init(&kit, need.fe_rows, need.be_rows, need.tables), 0);
	ck_assert_int_eq(services_maps_set(s, &kit.m, false), 0);
	services_info(s, &info);
	ck_assert_uint_eq(need.fe_rows, info.frontends + info.frontends / 8);
	ck_assert_uint_eq(need.be_rows, info.backends + info.backends / 8);
	ck_assert_uint_eq(need.tables, info.tables_used + info.tables_used / 8);
	loop_advance(loop, 1);
	ck_assert_uint_eq(grows, 0);
	IS_SO();
}
END_TEST

/* Room for clients is made when the first Service asks for session affinity, and asked for once. */
START_TEST(grows_for_affinity)
{
	struct dp_frontend *f = plain(0, 0, 2);
	struct dp_sizes need;

	kit.m.nr[DP_MAP_AFFINITY] = DP_CLIENTS_FEW;
	put(0);
	loop_advance(loop, 1);
	ck_assert_uint_eq(grows, 0);
	f->affinity_s = 100;
	put(0);
	loop_advance(loop, 1);
	ck_assert_uint_eq(grows, 1);
	ck_assert_uint_eq(asked.affinity, DP_CLIENTS);
	ck_assert_uint_eq(asked.be_rows, BE);
	ck_assert_int_eq(services_need(s, &need), 0);
	ck_assert_uint_eq(need.affinity, DP_CLIENTS);
	f->affinity_s = 200;
	put(0);
	loop_advance(loop, 1);
	ck_assert_uint_eq(grows, 1);
	kit.m.nr[DP_MAP_AFFINITY] = DP_CLIENTS;
	ck_assert_int_eq(services_maps_set(s, &kit.m, false), 0);
	loop_advance(loop, 1);
	ck_assert_uint_eq(grows, 1);
}
END_TEST

START_TEST(grows_when_full)
{
	struct mapkit larger;
	struct dp_sizes need;

	mapkit_fini(&kit);
	ck_assert_int_eq(mapkit_init(&kit, 4, 64, 300), 0);
	ck_assert_int_eq(services_maps_set(s, &kit.m, false), 0);
	for (unsigned i = 0; i < 8; i++) {
		plain(i, i, 5);
		for (unsigned k = 0; k < 5; k++)
			md.service[i].b[0][k].ip.b[i % 4 == 3 ? 15 : 3] = (uint8_t)(i * 8 + k + 1);
		put(i);
	}
	loop_advance(loop, 1);
	ck_assert_uint_eq(grows, 1);
	ck_assert_uint_ge(asked.fe_rows, 8);
	ck_assert_uint_ge(asked.be_rows, 40);
	ck_assert_uint_gt(asked.tables, 300);
	ck_assert_int_eq(services_need(s, &need), 0);
	ck_assert(asked.tables >= need.tables && asked.be_rows >= need.be_rows);
	services_audit(s);
	loop_advance(loop, 5000);
	ck_assert_uint_eq(grows, 1); /* once */
	services_free(s);
	writer_new();
	ck_assert_int_eq(mapkit_init(&larger, FE, BE, WORDS), 0);
	ck_assert_int_eq(services_maps_set(s, &larger.m, false), 0);
	mapkit_fini(&kit);
	kit = larger;
	for (unsigned i = 0; i < 8; i++)
		put(i);
	s->m = &kit.m;
	IS_SO();
}
END_TEST

/* What did not fit is written once something else went. */
START_TEST(hungry_is_fed_later)
{
	mapkit_fini(&kit);
	ck_assert_int_eq(mapkit_init(&kit, 1, 8, 4000), 0);
	ck_assert_int_eq(services_maps_set(s, &kit.m, false), 0);
	plain(0, 0, 3);
	put(0);
	plain(1, 1, 3);
	put(1);
	ck_assert_uint_eq(model_fe_row(&kit.m, &md.service[1].fe[0]), UINT32_MAX);
	take(0);
	sweep();
	services_audit(s);
	IS_SO();
}
END_TEST

/* ---- adoption ---- */

/* Before the first sync_end all stays; after it what is wanted, in its old rows. */
START_TEST(adopted)
{
	uint32_t fe_rows[4], be_rows[4];
	uint64_t words[4];

	for (unsigned i = 0; i < 4; i++) {
		plain(i, i, i + 1);
		put(i);
		fe_rows[i] = model_fe_row(&kit.m, &md.service[i].fe[0]);
		be_rows[i] = model_be_row(&kit.m, &md.service[i].b[0][i], IPPROTO_TCP);
		words[i] = kit.m.fe[fe_rows[i]].table[0];
	}
	restart();
	if (_i == 0)
		ck_assert_int_eq(services_maps_set(s, &kit.m, true), 0);
	services_sync_begin(s);
	put(3);
	put(1);
	if (_i == 1)
		ck_assert_int_eq(services_maps_set(s, &kit.m, true), 0);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_uint_eq(model_fe_row(&kit.m, &md.service[i].fe[0]), fe_rows[i]);
	md.service[0].there = md.service[2].there = false;
	services_sync_end(s);
	if (_i == 2)
		ck_assert_int_eq(services_maps_set(s, &kit.m, true), 0);
	IS_SO();
	for (unsigned i = 1; i < 4; i += 2) {
		ck_assert_uint_eq(model_fe_row(&kit.m, &md.service[i].fe[0]), fe_rows[i]);
		ck_assert_uint_eq(
		    model_be_row(&kit.m, &md.service[i].b[0][i], IPPROTO_TCP), be_rows[i]);
		ck_assert_uint_eq(
		    kit.m.fe[fe_rows[i]].table[0], words[i]); /* not even built anew */
		ck_assert_uint_eq(kit.m.fe[fe_rows[i]].prev[0], 0);
	}
	ck_assert(services_is_dying_fe(s, fe_rows[0]));
	ck_assert_uint_eq(services_audit(s), 0);
	ck_assert_uint_eq(s->repaired, 0);
}
END_TEST

/* A row that was dying when the process ended is nobody else's afterwards. */
START_TEST(adopted_dying)
{
	struct dp_frontend *f = plain(0, 0, 3);
	uint32_t row, fe_row;

	put(0);
	plain(1, 1, 1);
	put(1);
	fe_row = model_fe_row(&kit.m, &md.service[1].fe[0]);
	row = model_be_row(&kit.m, &f->backends[2], IPPROTO_TCP);
	f->nr_backends = 2;
	put(0);
	take(1);
	restart();
	ck_assert_int_eq(services_maps_set(s, &kit.m, true), 0);
	ck_assert(services_is_dying_be(s, row));
	ck_assert(services_is_dying_fe(s, fe_row));
	services_sync_begin(s);
	f->nr_backends = 3;
	put(0);
	put(1);
	services_sync_end(s);
	ck_assert_uint_eq(model_be_row(&kit.m, &f->backends[2], IPPROTO_TCP), row);
	ck_assert_uint_eq(model_fe_row(&kit.m, &md.service[1].fe[0]), fe_row);
	IS_SO();
}
END_TEST

/* What makes no sense is put right and counted, and leads nowhere before. */
START_TEST(adopted_garbage)
{
	struct lb_fe_key key, second = { .port = 9, .proto = IPPROTO_TCP, .family = 4 };
	uint32_t rows[6], far = FE + 3;
	struct lb_fe_row *r[6];

	for (unsigned i = 0; i < 6; i++) {
		plain(i, i, 2 + i % 4);
		put(i);
		rows[i] = model_fe_row(&kit.m, &md.service[i].fe[0]);
		r[i] = &kit.m.fe[rows[i]];
	}
	r[0]->table[0] = LB_TABLE(WORDS - 3, 509, 3);			     /* past the end */
	r[1]->table[0] = LB_TABLE(LB_TABLE_OFF(r[2]->table[0]) + 1, 251, 2); /* across another */
	((uint32_t *)&kit.m.tables[LB_TABLE_OFF(r[3]->table[0])])[1] = BE + 1000;
	r[4]->prev[1] = ~0ULL;
	r[5]->flags = ~0U;
	/* Two rows for one backend; a key that leads past the end; two keys to one row. */
	kit.m.be[BE - 1] = kit.m.be[model_be_row(&kit.m, &md.service[0].b[0][0], IPPROTO_TCP)];
	ck_assert_int_eq(bpf_map_update_elem(kit.m.fd[DP_MAP_FRONTENDS], &second, &far, 0), 0);
	second.port = 10;
	ck_assert_int_eq(bpf_map_update_elem(kit.m.fd[DP_MAP_FRONTENDS], &second, &rows[0], 0), 0);
	key = second;
	key.proto = 0;
	key.port = 0;
	ck_assert_int_eq(bpf_map_update_elem(kit.m.fd[DP_MAP_FRONTENDS], &key, &rows[1], 0), 0);
	restart();
	ck_assert_int_eq(services_maps_set(s, &kit.m, true), 0);
	ck_assert_uint_ge(s->repaired, 8);
	ck_assert(services_is_dying_be(s, BE - 1));
	ck_assert(services_is_dying_fe(s, rows[5]));
	ck_assert_uint_eq(r[0]->table[0], 0);
	services_sync_begin(s);
	for (unsigned i = 0; i < 6; i++)
		put(i);
	services_sync_end(s);
	IS_SO();
	sweep();
	IS_SO();
	ck_assert_uint_eq(services_audit(s), 0);
}
END_TEST

/* An adopted table that is wanted is ours like any other: the audit mends it. */
START_TEST(adopted_is_audited)
{
	struct dp_frontend *f = plain(0, 0, 3);

	put(0);
	restart();
	ck_assert_int_eq(services_maps_set(s, &kit.m, true), 0);
	put(0);
	services_sync_end(s);
	kit.m.tables[LB_TABLE_OFF(kit.m.fe[model_fe_row(&kit.m, f)].table[0]) + 7] ^= 1;
	ck_assert_uint_eq(services_audit(s), 1);
	IS_SO();
}
END_TEST

/* A table of before that lists a row which is nobody's: whoever gets the row is not held by it. */
START_TEST(adopted_list_of_a_free_row)
{
	struct dp_frontend *f = plain(0, 0, 2);
	uint32_t row;

	put(0);
	((uint32_t *)&kit.m.tables[LB_TABLE_OFF(kit.m.fe[model_fe_row(&kit.m, f)].table[0])])[0] =
	    2;
	restart();
	ck_assert_int_eq(services_maps_set(s, &kit.m, true), 0);
	f->nr_backends = 3;
	plain(0, 0, 3);
	put(0);
	services_sync_end(s);
	IS_SO();
	row = model_be_row(&kit.m, &f->backends[2], IPPROTO_TCP);
	ck_assert_uint_eq(row, 2);
	loop_advance(loop, 62000);
	f->nr_backends = 2;
	put(0);
	loop_advance(loop, 62000);
	sweep();
	ck_assert(!services_is_dying_be(s, row));
	IS_SO();
}
END_TEST

/* A client that follows its last one must not come to whoever has the row next. */
START_TEST(affinity_ends_with_the_row)
{
	struct dp_frontend *f = plain(0, 0, 3);
	struct lb_affinity_key k[2] = { 0 };
	struct lb_affinity a;
	int fd = kit.m.fd[DP_MAP_AFFINITY];

	f->affinity_s = 60;
	put(0);
	for (unsigned i = 0; i < 2; i++) {
		k[i].client.w[0] = i + 1;
		k[i].frontend = model_fe_row(&kit.m, f);
		a.backend = model_be_row(&kit.m, &f->backends[i + 1], IPPROTO_TCP);
		ck_assert_int_eq(bpf_map_update_elem(fd, &k[i], &a, 0), 0);
	}
	f->nr_backends = 2;
	put(0);
	sweep();
	ck_assert_int_eq(bpf_map_lookup_elem(fd, &k[0], &a), 0);
	ck_assert_int_lt(bpf_map_lookup_elem(fd, &k[1], &a), 0);
	take(0);
	sweep();
	ck_assert_int_lt(bpf_map_lookup_elem(fd, &k[0], &a), 0);
}
END_TEST

/* Within a sync keys are written together; what goes again before that leaves nothing. */
START_TEST(come_and_gone_in_one_sync)
{
	services_sync_begin(s);
	for (unsigned i = 0; i < 3; i++) {
		plain(i, i, 2);
		md.service[i].fe[0].type = i ? DP_LOAD_BALANCER : DP_NODE_PORT;
		put(i);
		take(i);
	}
	plain(3, 3, 1);
	put(3);
	services_sync_end(s);
	IS_SO();
	services_sync_begin(s);
	plain(4, 4, 1);
	put(4);
	put(3);
	loop_advance(loop, 1); /* the turn ends before the sync does */
	IS_SO();
	services_sync_end(s);
}
END_TEST

static void
add_tests(Suite *suite)
{
	TCase *tc = bed_case("services");

	tcase_add_test(tc, one_service);
	tcase_add_test(tc, a_change_flips_one_word);
	tcase_add_test(tc, frontends_share_a_table);
	tcase_add_test(tc, one_backend_has_one_slot);
	tcase_add_loop_test(tc, slots_of_every_width, 0, 7);
	tcase_add_test(tc, a_dying_row_waits);
	tcase_add_test(tc, a_row_comes_back);
	tcase_add_test(tc, conflict_and_takeover);
	tcase_add_test(tc, the_wildcard_spares_node_addresses);
	tcase_add_test(tc, what_is_refused);
	tcase_add_test(tc, sync_drops_the_rest);
	tcase_add_test(tc, local_backends_are_told);
	tcase_add_test(tc, read_back);
	tcase_add_test(tc, knows_what_it_needs);
	tcase_add_test(tc, grows_for_affinity);
	tcase_add_test(tc, grows_when_full);
	tcase_add_test(tc, hungry_is_fed_later);
	tcase_add_loop_test(tc, adopted, 0, 3);
	tcase_add_test(tc, adopted_dying);
	tcase_add_test(tc, affinity_ends_with_the_row);
	tcase_add_test(tc, adopted_garbage);
	tcase_add_test(tc, adopted_is_audited);
	tcase_add_test(tc, adopted_list_of_a_free_row);
	tcase_add_test(tc, come_and_gone_in_one_sync);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("services", add_tests)
