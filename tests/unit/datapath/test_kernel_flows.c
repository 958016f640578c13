/*
 * tests/unit/datapath/test_kernel_flows.c: flows from tables of an earlier version into ours: what
 * goes where by the shared layout alone, and, through the BPF programs, that they find it there.
 */
#include "datapath/kernel.h"
#include "tests/unit/datapath/packets.h"
#include "tests/unit/unit.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 4 };

static struct world w;

/* ---- by themselves ---- */

static uint64_t
key4(uint32_t client, uint16_t port)
{
	return htonl(client) | (uint64_t)htons(port) << 32;
}

static uint64_t
value_of(uint32_t be, unsigned state)
{
	return LB_FLOW_VALUE(be, 1, state, 0, 1, 7);
}

static struct flows_move
move4(const struct lb_flow4 *from, uint64_t ways, struct lb_block4 *to)
{
	return (struct flows_move){
		.from = from, .ways = ways, .to = to, .blocks = BLOCKS, .seed = 0x1234567812345678
	};
}

/* The way of the flow in @blocks, by going through all of them; NULL: it is not there. */
static const struct lb_flow4 *
way4(const struct lb_block4 *blocks, uint64_t key)
{
	for (uint32_t i = 0; i < BLOCKS * LB_BLOCK_WAYS; i++) {
		const struct lb_flow4 *f = &blocks[i / LB_BLOCK_WAYS].way[i % LB_BLOCK_WAYS];

		if (f->key == key && f->value)
			return f;
	}
	return NULL;
}

START_TEST(each_keeps_key_and_value)
{
	struct lb_block4 *to = calloc(BLOCKS, sizeof(*to));
	struct lb_flow4 from[64] = { { 0 } };
	struct flows_move m = move4(from, 64, to);

	for (uint32_t i = 0; i < 60; i++)
		from[i] = (struct lb_flow4){ key4(i * 7919, (uint16_t)(i * 31)),
			value_of(i, LB_ST_OPEN) };
	from[61] = (struct lb_flow4){ key4(1, 1), 0 }; /* over: its key stayed */
	from[62] = (struct lb_flow4){ key4(2, 2), value_of(0, LB_ST_BUSY) }; /* being written */
	ck_assert_uint_eq(kernel_flows_move(&m), 0);
	for (uint32_t i = 0; i < 60; i++) {
		const struct lb_flow4 *f = way4(to, from[i].key);

		ck_assert_ptr_nonnull(f);
		ck_assert_uint_eq(f->value, from[i].value);
	}
	ck_assert_ptr_null(way4(to, from[62].key));
	free(to);
}
END_TEST

/* One client's neighbouring ports: each in a bucket of its own, all in one block. */
START_TEST(neighbours_share_a_block)
{
	struct lb_block4 *to = calloc(BLOCKS, sizeof(*to));
	struct lb_flow4 from[LB_BLOCK_BUCKETS];
	struct flows_move m = move4(from, LB_BLOCK_BUCKETS, to);
	const struct lb_flow4 *first;
	bool seen[LB_BLOCK_BUCKETS] = { false };

	for (uint32_t i = 0; i < LB_BLOCK_BUCKETS; i++)
		from[i] = (struct lb_flow4){ key4(0x0a000001, (uint16_t)(32768 + i)),
			value_of(i, LB_ST_OPEN) };
	ck_assert_uint_eq(kernel_flows_move(&m), 0);
	first = way4(to, from[0].key);
	ck_assert_ptr_nonnull(first);
	for (uint32_t i = 0; i < LB_BLOCK_BUCKETS; i++) {
		const struct lb_flow4 *f = way4(to, from[i].key);
		size_t at = (size_t)(f - to->way);

		ck_assert_uint_eq(at / LB_BLOCK_WAYS, (size_t)(first - to->way) / LB_BLOCK_WAYS);
		at %= LB_BLOCK_WAYS;
		ck_assert_uint_lt(at, LB_BLOCK_WAYS / 2); /* no second ways needed */
		ck_assert(!seen[at / LB_FIRST_WAYS]);
		seen[at / LB_FIRST_WAYS] = true;
	}
	free(to);
}
END_TEST

/* More than a bucket holds: the half-open ones go without, wherever they stood. */
START_TEST(half_open_ones_go_without)
{
	struct lb_block4 *to = calloc(BLOCKS, sizeof(*to));
	struct lb_flow4 from[2 * LB_WAYS];
	struct flows_move m = move4(from, 2 * LB_WAYS, to);

	for (uint32_t i = 0; i < 2 * LB_WAYS; i++)
		from[i] = (struct lb_flow4){ key4(0x0a000001, 40000) | (uint64_t)i << 48,
			value_of(i, i < LB_WAYS ? LB_ST_NEW : LB_ST_OPEN) };
	ck_assert_uint_eq(kernel_flows_move(&m), LB_WAYS);
	for (uint32_t i = 0; i < 2 * LB_WAYS; i++)
		ck_assert((way4(to, from[i].key) != NULL) == (i >= LB_WAYS));
	free(to);
}
END_TEST

/* A twin of which the backend's row is not there has no place to be found at. */
START_TEST(a_row_out_of_bounds)
{
	struct lb_block4 *to = calloc(BLOCKS, sizeof(*to));
	struct lb_be_row be[2] = { { .port = htons(8080) }, { .port = htons(8081) } };
	struct lb_flow4 from[2] = {
		{ key4(1, 1) | 5ULL << 48, value_of(1, LB_ST_OPEN) | LB_FLOW_TWIN_BIT },
		{ key4(1, 2) | 6ULL << 48, value_of(2, LB_ST_OPEN) | LB_FLOW_TWIN_BIT },
	};
	struct flows_move m = move4(from, 2, to);

	m.be = be;
	m.nr_be = 2;
	ck_assert_uint_eq(kernel_flows_move(&m), 1);
	ck_assert_ptr_nonnull(way4(to, from[0].key));
	ck_assert_ptr_null(way4(to, from[1].key));
	free(to);
}
END_TEST

/* What the former programs made while the first lot was moved, beside what ours have made by then. */
START_TEST(what_came_since_follows)
{
	struct lb_block4 *to = calloc(BLOCKS, sizeof(*to));
	const uint64_t other_backend = LB_FLOW_VALUE(9, 1, LB_ST_OPEN, 0, 1, 101);
	struct lb_flow4 from[4] = {
		{ key4(1, 1), LB_FLOW_VALUE(1, 1, LB_ST_OPEN, 0, 1, 99) },  /* before: moved then */
		{ key4(1, 2), LB_FLOW_VALUE(2, 1, LB_ST_OPEN, 0, 1, 100) }, /* in the same tick */
		{ key4(1, 3), LB_FLOW_VALUE(3, 1, LB_ST_NEW, 0, 1, 101) },
		{ key4(1, 4),
		    LB_FLOW_VALUE(4, 1, LB_ST_OPEN, 0, 1, 101) }, /* made again meanwhile */
	};
	struct lb_flow4 again = { key4(1, 4) | 7ULL << 48, other_backend };
	struct flows_move m = move4(&again, 1, to);
	unsigned nr = 0;

	ck_assert_uint_eq(kernel_flows_move(&m), 0);
	m = move4(from, 4, to);
	m.after = true;
	m.since = 100;
	m.now = 101;
	for (int twice = 0; twice < 2; twice++)
		ck_assert_uint_eq(kernel_flows_move(&m), 0);
	ck_assert_ptr_null(way4(to, from[0].key));
	ck_assert_uint_eq(way4(to, from[1].key)->value, from[1].value);
	ck_assert_uint_eq(way4(to, from[2].key)->value, from[2].value);
	ck_assert_ptr_null(way4(to, from[3].key));
	ck_assert_uint_eq(way4(to, again.key)->value, other_backend);
	for (uint32_t i = 0; i < BLOCKS * LB_BLOCK_WAYS; i++)
		nr += to[i / LB_BLOCK_WAYS].way[i % LB_BLOCK_WAYS].value != 0;
	ck_assert_uint_eq(nr, 3);
	free(to);
}
END_TEST

/* Ways that hold anything, or are being written, are nobody's to take. */
START_TEST(ways_that_are_taken_stay)
{
	struct lb_block4 *to = calloc(BLOCKS, sizeof(*to));
	struct lb_flow4 from = { key4(1, 1), LB_FLOW_VALUE(1, 1, LB_ST_OPEN, 0, 1, 100) };
	struct flows_move m = move4(&from, 1, to);

	m.after = true;
	m.since = 65535; /* ticks go round */
	for (uint32_t i = 0; i < BLOCKS * LB_BLOCK_WAYS; i++)
		to[i / LB_BLOCK_WAYS].way[i % LB_BLOCK_WAYS].value =
		    LB_FLOW_VALUE(0, 0, LB_ST_BUSY, 0, 0, 100);
	ck_assert_uint_eq(kernel_flows_move(&m), 1);
	ck_assert_ptr_null(way4(to, from.key));
	free(to);
}
END_TEST

/* ---- the programs find them ---- */

/* Out of both tables and back, as if they had come from others. */
static void
move_all(void)
{
	const uint32_t ways = w.bed.blocks * LB_BLOCK_WAYS;
	const size_t each = w.v6 ? sizeof(struct lb_flow6) : sizeof(struct lb_flow4);
	void *table = w.v6 ? (void *)w.bed.flows6 : (void *)w.bed.flows4;
	char *copy = malloc(ways * each);
	struct flows_move m = { .from = copy,
		.ways = ways,
		.to = table,
		.blocks = w.bed.blocks,
		.be = w.bed.be,
		.nr_be = BED_ROWS,
		.seed = w.bed.conf->seed,
		.v6 = w.v6 };

	for (uint32_t i = 0; i < ways; i++) /* other places, too */
		memcpy(copy + (ways - 1 - i) * each, (char *)table + i * each, each);
	memset(table, 0, ways * each);
	ck_assert_uint_eq(kernel_flows_move(&m), 0);
	free(copy);
}

START_TEST(local_flows_go_on)
{
	struct fr in, back, out;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 2, POD, POD2);
	for (uint16_t port = 40000; port < 40100; port++) {
		in = tcp(&w, CLIENT, port, VIP, 80, SYN);
		run(&w, OUTSIDE, &in, &(struct went){ 0 });
	}
	move_all();
	ck_assert_uint_eq(bed_flows(&w.bed, w.v6), 100);
	for (uint16_t port = 40000; port < 40100; port++) {
		uint64_t v = bed_flow(&w.bed, who(&w, CLIENT), port, false, NULL);
		enum who pod = LB_FLOW_BACKEND(v) == w.be ? POD : POD2;

		back = tcp(&w, pod, 8080, CLIENT, port, SYN | ACK);
		out = sent(&back, CLIENT);
		out.src = who(&w, VIP);
		out.sport = 80;
		expect(&w, "reply", PODS, &back, GO_OUT, LB_REPLIED, &out);
		in = tcp(&w, CLIENT, port, VIP, 80, ACK);
		out = sent(&in, pod);
		out.dst = who(&w, pod);
		out.dport = 8080;
		expect(&w, "client", OUTSIDE, &in, GO_OUT, LB_FORWARDED, &out);
		ck_assert_uint_eq(flow_state(&w, CLIENT, port), LB_ST_OPEN);
	}
	ck_assert_uint_eq(bed_flows(&w.bed, w.v6), 100);
}
END_TEST

/* Both entries of a pair, and from each the other. */
START_TEST(pairs_go_on)
{
	struct fr in, back, out;
	uint16_t snat;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, FAR);
	for (uint16_t port = 40000; port < 40050; port++) {
		in = tcp(&w, CLIENT, port, VIP, 80, SYN);
		run(&w, OUTSIDE, &in, &(struct went){ 0 });
	}
	move_all();
	ck_assert_uint_eq(bed_flows(&w.bed, w.v6), 100);
	for (uint16_t port = 40000; port < 40050; port++) {
		snat = snat_port(&w, CLIENT, port);
		back = tcp(&w, FAR, 8080, NODE, snat, SYN | ACK);
		out = sent(&back, CLIENT);
		out.src = who(&w, VIP);
		out.sport = 80;
		out.dst = who(&w, CLIENT);
		out.dport = port;
		expect(&w, "reply", OUTSIDE, &back, GO_BACK, LB_REPLIED, &out);
		ck_assert_uint_eq(flow_state(&w, CLIENT, port), LB_ST_ANSWERED);
		in = tcp(&w, CLIENT, port, VIP, 80, ACK);
		run(&w, OUTSIDE, &in, &(struct went){ 0 });
		ck_assert_uint_eq(
		    LB_FLOW_STATE(bed_flow(&w.bed, who(&w, CLIENT), port, true, NULL)), LB_ST_OPEN);
	}
	ck_assert_uint_eq(bed_flows(&w.bed, w.v6), 100);
}
END_TEST

/* The client's address is kept and its port is another, since a backend knows both already. */
START_TEST(flows_with_another_port_go_on)
{
	struct bed_service s = { .port = 80, .proto = IPPROTO_TCP };
	struct fr in, back, out;
	uint16_t port;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, POD);
	s.vip = who(&w, VIP2);
	s.backend[0] = world_backend(&w, POD);
	bed_service(&w.bed, &s, &w.be);
	/* Both frontends have the one row of the pod, as the daemon writes them. */
	bed_table(&w.bed, w.bed.nr_fe - 1, LB_EXTERNAL, &(uint32_t){ w.be - 1 }, 1);
	bed_table(&w.bed, w.bed.nr_fe - 1, LB_INTERNAL, &(uint32_t){ w.be - 1 }, 1);
	in = tcp(&w, CLIENT, 40000, VIP, 80, SYN);
	run(&w, OUTSIDE, &in, &(struct went){ 0 });
	in = tcp(&w, CLIENT, 40000, VIP2, 80, SYN);
	run(&w, OUTSIDE, &in, &(struct went){ 0 });
	ck_assert_uint_eq(bed_flows(&w.bed, w.v6), 3);
	move_all();
	ck_assert_uint_eq(bed_flows(&w.bed, w.v6), 3);
	port = 0;
	for (uint32_t p = 1024; p < 65536 && !port; p++) {
		if (p != 40000 && bed_flow(&w.bed, who(&w, CLIENT), (uint16_t)p, true, NULL))
			port = (uint16_t)p;
	}
	ck_assert_uint_ne(port, 0);
	back = tcp(&w, POD, 8080, CLIENT, port, SYN | ACK);
	out = sent(&back, CLIENT);
	out.src = who(&w, VIP2);
	out.sport = 80;
	out.dport = 40000;
	expect(&w, "reply", PODS, &back, GO_OUT, LB_REPLIED, &out);
	in = tcp(&w, CLIENT, 40000, VIP2, 80, ACK);
	out = sent(&in, POD);
	out.dst = who(&w, POD);
	out.dport = 8080;
	out.sport = port;
	expect(&w, "client", OUTSIDE, &in, GO_OUT, LB_FORWARDED, &out);
	ck_assert_uint_eq(bed_flows(&w.bed, w.v6), 3);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("moved");

	world_make(&w);
	tcase_add_test(tc, each_keeps_key_and_value);
	tcase_add_test(tc, neighbours_share_a_block);
	tcase_add_test(tc, half_open_ones_go_without);
	tcase_add_test(tc, a_row_out_of_bounds);
	tcase_add_test(tc, what_came_since_follows);
	tcase_add_test(tc, ways_that_are_taken_stay);
	tcase_add_loop_test(tc, local_flows_go_on, 0, NR_WAYS);
	tcase_add_loop_test(tc, pairs_go_on, 0, NR_WAYS);
	tcase_add_loop_test(tc, flows_with_another_port_go_on, 0, NR_WAYS);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("flows of earlier tables", add_tests)
