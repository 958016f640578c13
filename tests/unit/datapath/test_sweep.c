/*
 * tests/unit/datapath/test_sweep.c: the sweep over tables in plain memory, with a clock of its own
 * (flows are made as old as they should be) and rows that a test says are dying.
 */
#include "datapath/core.h"
#include "lib/loop.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <unistd.h>

#include <bpf/bpf.h>

#define BUCKETS4 4096 /* four pieces */
#define BUCKETS6 1024 /* two */
#define ROWS 16

static struct loop *loop;
static struct dp_sweep *sweep;
static struct dp_maps maps;
static struct lb_conf conf;
static bool dying, in_round, in_want;
static uint32_t dying_be, dying_fe;
static int begins, ends;

static bool
fake_has_dying(const struct dp_services *s)
{
	(void)s;
	return dying;
}

static bool
fake_is_ending_be(const struct dp_services *s, uint32_t row)
{
	(void)s;
	ck_assert(in_round);
	return row == dying_be;
}

static bool
fake_is_ending_fe(const struct dp_services *s, uint32_t row)
{
	(void)s;
	ck_assert(in_round);
	return row == dying_fe;
}

static void
fake_begin(struct dp_services *s)
{
	(void)s;
	ck_assert(!in_round);
	in_round = true;
	begins++;
}

static void
fake_end(struct dp_services *s)
{
	(void)s;
	ck_assert(in_round);
	in_round = dying = false;
	ends++;
}

static const char *
fake_name(const struct dp_services *s, uint32_t service)
{
	(void)s;
	return service == 7 ? "default/web" : "";
}

static bool
fake_is_short(const struct dp_services *s)
{
	(void)s;
	return in_want;
}

static const struct sweep_rows rows = { fake_has_dying, fake_is_ending_be, fake_is_ending_fe,
	fake_begin, fake_end, fake_is_short, fake_name };

static void
setup(void)
{
	memset(&maps, 0, sizeof(maps));
	memset(&conf, 0, sizeof(conf));
	for (int i = 0; i < DP_NR_MAPS; i++)
		maps.fd[i] = -1;
	for (int s = 1; s < LB_NR_STATES; s++) {
		conf.timeout_tcp[s] = (uint16_t)(100 * s);
		conf.timeout_udp[s] = (uint16_t)(10 * s);
	}
	maps.conf = &conf;
	maps.nr[DP_MAP_FLOWS4] = BUCKETS4 / LB_BLOCK_BUCKETS;
	maps.nr[DP_MAP_FLOWS6] = BUCKETS6 / LB_BLOCK_BUCKETS;
	maps.nr[DP_MAP_FE_ROWS] = maps.nr[DP_MAP_BE_ROWS] = ROWS;
	maps.flows4 = calloc(BUCKETS4 / LB_BLOCK_BUCKETS, sizeof(*maps.flows4));
	maps.flows6 = calloc(BUCKETS6 / LB_BLOCK_BUCKETS, sizeof(*maps.flows6));
	maps.fe = calloc(ROWS, sizeof(*maps.fe));
	maps.be = calloc(ROWS, sizeof(*maps.be));
	loop = loop_new_fake();
	sweep = sweep_new_on(loop, NULL, &rows);
	dying = in_round = in_want = false;
	dying_be = dying_fe = UINT32_MAX;
	begins = ends = 0;
}

static void
teardown(void)
{
	sweep_free(sweep);
	loop_free(loop);
	free(maps.flows4);
	free(maps.flows6);
	free(maps.fe);
	free(maps.be);
}

static uint64_t
value(uint32_t be, uint32_t fe, unsigned state, bool twin, bool tcp, int idle)
{
	return LB_FLOW_VALUE(be, fe, state, twin, tcp, lb_now() - (uint32_t)idle);
}

static struct lb_flow4 *
at4(uint32_t bucket, int way)
{
	return &maps.flows4[bucket / LB_BLOCK_BUCKETS]
		    .way[lb_flow_bucket(bucket) + lb_flow_way((uint32_t)way)];
}

static struct lb_flow6 *
at6(uint32_t bucket, int way)
{
	return &maps.flows6[bucket / LB_BLOCK_BUCKETS]
		    .way[lb_flow_bucket(bucket) + lb_flow_way((uint32_t)way)];
}

static void
put4(uint32_t bucket, int way, uint64_t v)
{
	*at4(bucket, way) = (struct lb_flow4){ .key = 0x1234000000000001, .value = v };
}

static void
put6(uint32_t bucket, int way, uint64_t v)
{
	*at6(bucket, way) =
	    (struct lb_flow6){ .client = { 1, 2 }, .key = 0x1234000000000000, .value = v };
}

/* Keys stay until their whole bucket is free, and go then. */
static void
keys_are_right4(uint32_t bucket)
{
	bool in_use = false;

	for (int i = 0; i < LB_WAYS; i++)
		in_use |= at4(bucket, i)->value != 0;
	for (int i = 0; i < LB_WAYS; i++)
		ck_assert(at4(bucket, i)->key == 0 || in_use);
}

static bool
has4(uint32_t bucket, int way)
{
	const struct lb_flow4 *f = at4(bucket, way);

	keys_are_right4(bucket);
	ck_assert(f->key != 0 || f->value == 0);
	return f->value != 0;
}

static bool
has6(uint32_t bucket, int way)
{
	const struct lb_flow6 *f = at6(bucket, way), *b;
	bool in_use = false;

	for (int i = 0; i < LB_WAYS; i++)
		in_use |= at6(bucket, i)->value != 0;
	for (int i = 0; i < LB_WAYS; i++) {
		b = at6(bucket, i);
		ck_assert((b->key == 0 && b->client[0] == 0 && b->client[1] == 0) || in_use);
	}
	ck_assert(f->key != 0 || f->value == 0);
	return f->value != 0;
}

/* Each state has its own time, in either protocol; the tick of the test itself may pass. */
START_TEST(each_state_has_its_time)
{
	for (int s = 1; s < LB_NR_STATES; s++) {
		put4(0, s, value(1, 1, (unsigned)s, false, true, 100 * s - 5));
		put4(1, s, value(1, 1, (unsigned)s, false, true, 100 * s + 5));
		put4(2, s, value(1, 1, (unsigned)s, true, false, 10 * s - 5));
		put6(BUCKETS6 - 1, s, value(1, 1, (unsigned)s, true, false, 10 * s + 5));
	}
	sweep_maps_set(sweep, &maps);
	loop_advance(loop, 61000);
	for (int s = 1; s < LB_NR_STATES; s++) {
		ck_assert(has4(0, s));
		ck_assert(!has4(1, s));
		ck_assert(has4(2, s));
		ck_assert(!has6(BUCKETS6 - 1, s));
	}
	ck_assert_int_eq(begins, 0);
}
END_TEST

START_TEST(all_is_gone_through_once_a_minute)
{
	for (uint32_t b = 0; b < BUCKETS4; b++)
		put4(b, (int)(b % LB_WAYS), value(1, 1, LB_ST_OPEN, false, true, 5000));
	for (uint32_t b = 0; b < BUCKETS6; b++)
		put6(b, (int)(b % LB_WAYS), value(1, 1, LB_ST_OPEN, false, true, 5000));
	sweep_maps_set(sweep, &maps);
	loop_advance(loop, 20000);
	ck_assert(has6(BUCKETS6 - 1, (BUCKETS6 - 1) % LB_WAYS)); /* slowly */
	loop_advance(loop, 41000);
	for (uint32_t b = 0; b < BUCKETS4; b++)
		ck_assert(!has4(b, (int)(b % LB_WAYS)));
	for (uint32_t b = 0; b < BUCKETS6; b++)
		ck_assert(!has6(b, (int)(b % LB_WAYS)));
	/* And again and again. */
	put4(BUCKETS4 - 1, 0, value(1, 1, LB_ST_OPEN, false, true, 5000));
	loop_advance(loop, 61000);
	ck_assert(!has4(BUCKETS4 - 1, 0));
}
END_TEST

/* Another processor's clock may be ahead; an entry that is being written is left alone, unless
 * nobody is there to finish it. */
START_TEST(what_is_young_stays)
{
	put4(0, 0, value(1, 1, LB_ST_NEW, false, false, -1));
	put4(0, 1, value(0, 0, LB_ST_BUSY, false, false, 0));
	put4(0, 2, value(0, 0, LB_ST_BUSY, false, false, 9));
	put4(0, 3, value(1, 1, 9, false, false, 0));
	put4(0, 4, value(1, 1, 9, false, false, 9)); /* no such state */
	sweep_maps_set(sweep, &maps);
	loop_advance(loop, 61000);
	ck_assert(has4(0, 0));
	ck_assert(has4(0, 1));
	ck_assert(!has4(0, 2));
	ck_assert(has4(0, 3));
	ck_assert(!has4(0, 4));
}
END_TEST

/* As long as a backend may be in TIME-WAIT: its flows say which ports it must not see again. */
START_TEST(flows_of_dying_rows_rest_and_end)
{
	put4(0, 0, value(3, 1, LB_ST_OPEN, false, true, 0));
	put4(9, 1, value(3, 1, LB_ST_OPEN, true, true, 0)); /* its twin */
	put4(0, 1, value(4, 1, LB_ST_OPEN, false, true, 0));
	put6(BUCKETS6 - 1, 7, value(4, 5, LB_ST_NEW, false, false, 0));
	put6(BUCKETS6 - 1, 6, value(4, 1, LB_ST_NEW, false, false, 0));
	put6(BUCKETS6 - 1, 5, value(0xfffff, 0xffffe, LB_ST_NEW, false, false, 0));
	dying_be = 3;
	dying_fe = 5;
	sweep_maps_set(sweep, &maps);
	sweep_now(sweep); /* nothing is dying: nothing happens */
	loop_advance(loop, 1);
	ck_assert_int_eq(begins, 0);
	dying = true;
	sweep_now(sweep);
	sweep_now(sweep);
	loop_advance(loop, 1);
	ck_assert_int_eq(begins, 1);
	for (int s = 0; s < 66; s++) {
		put4(0, 0, value(3, 1, LB_ST_OPEN, false, true, 0));
		loop_advance(loop, 1000);
		ck_assert(has4(0, 0));
		ck_assert(has4(9, 1));
	}
	ck_assert_int_eq(ends, 0);
	loop_advance(loop, 4000);
	ck_assert_int_eq(begins, 1);
	ck_assert_int_eq(ends, 1);
	ck_assert(!has4(0, 0));
	ck_assert(!has4(9, 1));
	ck_assert(has4(0, 1));
	ck_assert(!has6(BUCKETS6 - 1, 7));
	ck_assert(has6(BUCKETS6 - 1, 6));
	ck_assert(has6(BUCKETS6 - 1, 5));
}
END_TEST

/* Where there are few rows left they rest only while answers are under way. */
START_TEST(rows_that_run_short_rest_shortly)
{
	in_want = true;
	put4(0, 0, value(3, 1, LB_ST_OPEN, false, true, 0));
	dying_be = 3;
	sweep_maps_set(sweep, &maps);
	dying = true;
	sweep_now(sweep);
	loop_advance(loop, 1900);
	ck_assert_int_eq(begins, 1);
	ck_assert(has4(0, 0));
	loop_advance(loop, 200);
	ck_assert_int_eq(ends, 1);
	ck_assert(!has4(0, 0));
	/* It comes to that while they rest. */
	in_want = false;
	dying = true;
	loop_advance(loop, 60000);
	sweep_now(sweep);
	loop_advance(loop, 10000);
	ck_assert_int_eq(begins, 2);
	in_want = true;
	sweep_now(sweep);
	loop_advance(loop, 1000);
	sweep_now(sweep);
	ck_assert_int_eq(ends, 1);
	loop_advance(loop, 1100);
	ck_assert_int_eq(ends, 2);
}
END_TEST

/* Twenty changes a second do not make twenty rounds. */
START_TEST(rounds_are_shared)
{
	in_want = true;
	sweep_maps_set(sweep, &maps);
	for (int i = 0; i < 200; i++) {
		dying = true;
		sweep_now(sweep);
		loop_advance(loop, 50);
	}
	ck_assert_int_ge(begins, 3);
	ck_assert_int_le(begins, 5);
	loop_advance(loop, 5000);
	ck_assert(!dying);
	ck_assert_int_eq(begins, ends);
}
END_TEST

/* Rows that died before there were maps, or while they were exchanged. */
START_TEST(round_waits_for_maps)
{
	dying = true;
	sweep_now(sweep);
	loop_advance(loop, 5000);
	ck_assert_int_eq(begins, 0);
	sweep_maps_set(sweep, &maps);
	loop_advance(loop, 70000);
	ck_assert_int_eq(ends, 1);
	sweep_maps_set(sweep, NULL);
	loop_advance(loop, 120000);
}
END_TEST

/* ---- lists ---- */

static struct dp_seen_flow seen[8];
static int nr_seen, stop_after;

static bool
on_flow(void *arg, const struct dp_seen_flow *f)
{
	(void)arg;
	seen[nr_seen++] = *f;
	return nr_seen != stop_after;
}

START_TEST(flows_are_told)
{
	struct addr client = { .b = { 192, 0, 2, 1 }, .family = ADDR_V4 };
	uint32_t client_be, vip_be = htonl(0xcb007101), be_be = htonl(0x0a000001);

	memcpy(&client_be, client.b, 4);
	maps.fe[2] = (struct lb_fe_row){ .addr = { { vip_be } },
		.port = htons(443),
		.proto = IPPROTO_TCP,
		.family = 4,
		.flags = LB_FE_LIVE,
		.service = 7 };
	maps.be[3] = (struct lb_be_row){ .addr = { { be_be } },
		.port = htons(8443),
		.proto = IPPROTO_TCP,
		.family = 4,
		.flags = LB_BE_LIVE };
	*at4(17, 2) = (struct lb_flow4){ .key = client_be | (uint64_t)htons(50000) << 32 |
		    (uint64_t)htons(1500) << 48,
		.value = value(3, 2, LB_ST_OPEN, false, true, 56) };
	put4(18, 0, value(3, 2, LB_ST_OPEN, true, true, 56)); /* a twin: not another flow */
	put4(18, 1, value(0, 0, LB_ST_BUSY, false, false, 0));
	put6(3, 3, value(0xfffff, 0xffff0, LB_ST_NEW, false, false, 0)); /* rows out of bounds */
	ck_assert_int_eq(sweep_flows_each(sweep, 10, on_flow, NULL), -ENODEV);
	sweep_maps_set(sweep, &maps);
	nr_seen = stop_after = 0;
	ck_assert_int_eq(sweep_flows_each(sweep, 10, on_flow, NULL), 2);
	ck_assert_int_eq(nr_seen, 2);
	ck_assert(addr_eq(&seen[0].client, &client));
	ck_assert_str_eq(addr_str(&seen[0].vip), "203.0.113.1");
	ck_assert_str_eq(addr_str(&seen[0].backend), "10.0.0.1");
	ck_assert_uint_eq(seen[0].client_port, 50000);
	ck_assert_uint_eq(seen[0].snat_port, 1500);
	ck_assert_uint_eq(seen[0].vip_port, 443);
	ck_assert_uint_eq(seen[0].backend_port, 8443);
	ck_assert_uint_eq(seen[0].proto, IPPROTO_TCP);
	ck_assert_uint_eq(seen[0].state, LB_ST_OPEN);
	ck_assert_str_eq(seen[0].service_name, "default/web");
	ck_assert_uint_ge(seen[0].idle_s, 60); /* 56 ticks of 1.07 s */
	ck_assert_uint_le(seen[0].idle_s, 63);
	ck_assert_uint_eq(seen[0].timeout_s, 322); /* 300 */
	ck_assert_uint_eq(seen[1].client.family, ADDR_V6);
	ck_assert(!addr_is_set(&seen[1].vip) && !addr_is_set(&seen[1].backend));
	ck_assert_str_eq(seen[1].service_name, "");
	nr_seen = 0;
	ck_assert_int_eq(sweep_flows_each(sweep, 1, on_flow, NULL), 1);
	ck_assert_int_eq(nr_seen, 1);
	nr_seen = 0;
	stop_after = 1;
	sweep_flows_each(sweep, 10, on_flow, NULL);
	ck_assert_int_eq(nr_seen, 1);
}
END_TEST

/* As in the daemon: the tables are the kernel's, and a piece is mapped at a time. */
START_TEST(tables_of_the_kernel)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	uint32_t last4 = BUCKETS4 / LB_BLOCK_BUCKETS + 7, last6 = BUCKETS6 / LB_BLOCK_BUCKETS + 3;
	static struct lb_block4 b4;
	static struct lb_block6 b6;
	int fd4 = bpf_map_create(BPF_MAP_TYPE_ARRAY, "flows4", 4, sizeof(b4), last4 + 1, &opts);
	int fd6 = bpf_map_create(BPF_MAP_TYPE_ARRAY, "flows6", 4, sizeof(b6), last6 + 1, &opts);
	struct dp_maps m = maps;

	if (fd4 < 0 || fd6 < 0)
		return; /* no right to make maps: plain memory has shown the rest */
	m.flows4 = NULL;
	m.flows6 = NULL;
	m.fd[DP_MAP_FLOWS4] = fd4;
	m.fd[DP_MAP_FLOWS6] = fd6;
	m.nr[DP_MAP_FLOWS4] = last4 + 1;
	m.nr[DP_MAP_FLOWS6] = last6 + 1;
	b4.way[1] = (struct lb_flow4){ 1, value(3, 1, LB_ST_OPEN, false, true, 0) };
	b4.way[2] = (struct lb_flow4){ 1, value(2, 1, LB_ST_OPEN, false, true, 0) };
	b6.way[1] = (struct lb_flow6){ { 1, 1 }, 1, value(3, 1, LB_ST_OPEN, false, true, 0) };
	ck_assert_int_eq(bpf_map_update_elem(fd4, &last4, &b4, 0), 0);
	ck_assert_int_eq(bpf_map_update_elem(fd6, &last6, &b6, 0), 0);
	dying = true;
	dying_be = 3;
	in_want = true;
	sweep_maps_set(sweep, &m);
	loop_advance(loop, 2100);
	ck_assert_int_eq(ends, 1);
	ck_assert_int_eq(bpf_map_lookup_elem(fd4, &last4, &b4), 0);
	ck_assert_int_eq(bpf_map_lookup_elem(fd6, &last6, &b6), 0);
	ck_assert(b4.way[1].value == 0 && b4.way[1].key == 1); /* its neighbour is in use */
	ck_assert(b4.way[2].value != 0 && b4.way[2].key == 1);
	ck_assert(b6.way[1].value == 0 && b6.way[1].key == 0 && b6.way[1].client[0] == 0);
	nr_seen = stop_after = 0;
	ck_assert_int_eq(sweep_flows_each(sweep, 10, on_flow, NULL), 1);
	sweep_maps_set(sweep, NULL);
	close(fd4);
	close(fd6);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("sweep");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, each_state_has_its_time);
	tcase_add_test(tc, all_is_gone_through_once_a_minute);
	tcase_add_test(tc, what_is_young_stays);
	tcase_add_test(tc, flows_of_dying_rows_rest_and_end);
	tcase_add_test(tc, rows_that_run_short_rest_shortly);
	tcase_add_test(tc, rounds_are_shared);
	tcase_add_test(tc, round_waits_for_maps);
	tcase_add_test(tc, flows_are_told);
	tcase_add_test(tc, tables_of_the_kernel);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("sweep", add_tests)
