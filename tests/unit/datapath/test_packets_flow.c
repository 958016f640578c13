/*
 * tests/unit/datapath/test_packets_flow.c: packets of flows through the BPF programs: to a backend
 * here and elsewhere, back, and what becomes of a flow's entry meanwhile.
 */
#include "tests/unit/datapath/packets.h"
#include "tests/unit/unit.h"

#include <netinet/in.h>

static struct world w;

/* ---- to a pod of this node: its address is exchanged, the client's stays ---- */

static void
local_case(uint8_t proto, struct fr in)
{
	struct fr out = in, back;

	world_service(&w, proto, 0, 1, POD);
	out.dst = who(&w, POD);
	out.dport = 8080;
	out = sent(&out, POD);
	expect(&w, "first", OUTSIDE, &in, GO_OUT, LB_FORWARDED, &out);
	ck_assert_uint_eq(flow_state(&w, CLIENT, 40000), LB_ST_NEW);
	ck_assert_uint_eq(bed_flows(&w.bed, w.v6), 1);
	expect(&w, "again", OUTSIDE, &in, GO_OUT, LB_FORWARDED, &out);

	back = in;
	back.src = who(&w, POD);
	back.sport = 8080;
	back.dst = who(&w, CLIENT);
	back.dport = 40000;
	out = sent(&back, CLIENT);
	out.src = who(&w, VIP);
	out.sport = 80;
	expect(&w, "reply", PODS, &back, GO_OUT, LB_REPLIED, &out);
	ck_assert_uint_eq(flow_state(&w, CLIENT, 40000), LB_ST_ANSWERED);
	in.seed = 9;
	out = in;
	out.dst = who(&w, POD);
	out.dport = 8080;
	out = sent(&out, POD);
	expect(&w, "third", OUTSIDE, &in, GO_OUT, LB_FORWARDED, &out);
	ck_assert_uint_eq(flow_state(&w, CLIENT, 40000), LB_ST_OPEN);
	ck_assert_uint_eq(bed_flows(&w.bed, w.v6), 1);
}

START_TEST(local_tcp)
{
	world_begin(&w, _i);
	local_case(IPPROTO_TCP, tcp(&w, CLIENT, 40000, VIP, 80, ACK | PSH));
}
END_TEST

START_TEST(local_udp)
{
	world_begin(&w, _i);
	local_case(IPPROTO_UDP, udp(&w, CLIENT, 40000, VIP, 80));
}
END_TEST

/* RFC 768: a UDP checksum of zero says that there is none, and stays. */
START_TEST(local_udp_without_sum)
{
	struct fr in;

	world_begin(&w, _i);
	in = udp(&w, CLIENT, 40000, VIP, 80);
	in.no_sum = true;
	local_case(IPPROTO_UDP, in);
}
END_TEST

START_TEST(local_sctp)
{
	world_begin(&w, _i);
	local_case(IPPROTO_SCTP, sctp(&w, CLIENT, 40000, VIP, 80, 0));
}
END_TEST

/* RFC 9260 6.8: the CRC does not cover addresses; with the same port it stays as it was. */
START_TEST(sctp_with_the_same_port)
{
	struct bed_service s = { .proto = IPPROTO_SCTP, .port = 8080 };
	struct fr in, out;

	world_begin(&w, _i);
	s.vip = who(&w, VIP);
	s.backend[0] = world_backend(&w, POD);
	bed_service(&w.bed, &s, NULL);
	in = sctp(&w, CLIENT, 40000, VIP, 8080, 1);
	out = sent(&in, POD);
	out.dst = who(&w, POD);
	expect(&w, "init", OUTSIDE, &in, GO_OUT, LB_FORWARDED, &out);
}
END_TEST

/* The sum of a UDP datagram that becomes zero by the change is sent as all ones (RFC 768). */
START_TEST(udp_sum_that_becomes_zero)
{
	struct frame f;
	struct fr in, out;
	size_t at;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_UDP, 0, 1, POD);
	at = 14 + (w.v6 ? 40 : 20) + 6;
	in = udp(&w, CLIENT, 40000, VIP, 80);
	in.payload = 2;
	out = in;
	out.dst = who(&w, POD);
	out.dport = 8080;
	for (unsigned port = 1024; port < 65536; port++) {
		out.sport = (uint16_t)port;
		fr_build(&f, &out);
		if (f.b[at] == 0xff && f.b[at + 1] == 0xff)
			break;
	}
	ck_assert_uint_eq(f.b[at], 0xff);
	in.sport = out.sport;
	out = sent(&out, POD);
	expect(&w, "zero", OUTSIDE, &in, GO_OUT, LB_FORWARDED, &out);
}
END_TEST

/* A wrong checksum stays as wrong as it was: the end will tell. */
START_TEST(wrong_sum_is_not_mended)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };
	struct fr_view v;
	struct went went;
	struct fr in;

	for (size_t i = 0; i < sizeof(protos); i++) {
		world_begin(&w, _i);
		world_service(&w, protos[i], 0, 1, FAR);
		in = protos[i] == IPPROTO_TCP  ? tcp(&w, CLIENT, 40000, VIP, 80, SYN)
		    : protos[i] == IPPROTO_UDP ? udp(&w, CLIENT, 40000, VIP, 80)
					       : sctp(&w, CLIENT, 40000, VIP, 80, 1);
		in.bad_sum = true;
		run(&w, OUTSIDE, &in, &went);
		ck_assert_ptr_null(fr_read(&went.frame, &v));
		ck_assert_int_eq(v.l4.sum, SUM_BAD);
		ck_assert_int_ne(v.ip.sum, SUM_BAD);
	}
}
END_TEST

/* ---- to a pod elsewhere: our address and a port of ours, so that it answers to us ---- */

static void
far_case(uint8_t proto, struct fr in)
{
	struct fr out = in, back;
	uint16_t port;

	world_service(&w, proto, 0, 1, FAR);
	run(&w, OUTSIDE, &in, &(struct went){ 0 });
	port = snat_port(&w, CLIENT, 40000);
	ck_assert_uint_eq(bed_flows(&w.bed, w.v6), 2);

	out.src = who(&w, NODE);
	out.sport = port;
	out.dst = who(&w, FAR);
	out.dport = 8080;
	out = sent(&out, FAR);
	expect(&w, "second", OUTSIDE, &in, GO_BACK, LB_FORWARDED, &out);
	ck_assert_uint_eq(snat_port(&w, CLIENT, 40000), port);

	back = in;
	back.src = who(&w, FAR);
	back.sport = 8080;
	back.dst = who(&w, NODE);
	back.dport = port;
	out = sent(&back, CLIENT);
	out.src = who(&w, VIP);
	out.sport = 80;
	out.dst = who(&w, CLIENT);
	out.dport = 40000;
	expect(&w, "reply", OUTSIDE, &back, GO_BACK, LB_REPLIED, &out);
	ck_assert_uint_eq(flow_state(&w, CLIENT, 40000), LB_ST_ANSWERED);
	ck_assert_uint_eq(
	    LB_FLOW_STATE(bed_flow(&w.bed, who(&w, CLIENT), 40000, true, NULL)), LB_ST_ANSWERED);
}

START_TEST(far_tcp)
{
	world_begin(&w, _i);
	far_case(IPPROTO_TCP, tcp(&w, CLIENT, 40000, VIP, 80, PSH | ACK));
}
END_TEST

START_TEST(far_udp)
{
	world_begin(&w, _i);
	far_case(IPPROTO_UDP, udp(&w, CLIENT, 40000, VIP, 80));
}
END_TEST

START_TEST(far_udp_without_sum)
{
	struct fr in;

	world_begin(&w, _i);
	in = udp(&w, CLIENT, 40000, VIP, 80);
	in.no_sum = true;
	far_case(IPPROTO_UDP, in);
}
END_TEST

START_TEST(far_sctp)
{
	world_begin(&w, _i);
	far_case(IPPROTO_SCTP, sctp(&w, CLIENT, 40000, VIP, 80, 1));
}
END_TEST

/* The first frame too, byte for byte: the port is read from it. */
START_TEST(far_first_frame)
{
	struct fr in, out;
	struct fr_view v;
	struct frame want;
	struct went went;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, FAR);
	in = tcp(&w, CLIENT, 40000, VIP, 80, SYN);
	run(&w, OUTSIDE, &in, &went);
	ck_assert_ptr_null(fr_read(&went.frame, &v));
	out = sent(&in, FAR);
	out.src = who(&w, NODE);
	out.sport = v.l4.sport;
	out.dst = who(&w, FAR);
	out.dport = 8080;
	fr_build(&want, &out);
	ck_assert_msg(!fr_differ(&went.frame, &want), "%s", fr_differ(&went.frame, &want));
	ck_assert_uint_eq(v.l4.sport, snat_port(&w, CLIENT, 40000));
	ck_assert_uint_eq(went.why, LB_FORWARDED);
}
END_TEST

START_TEST(no_snat_address)
{
	struct fr in;

	world_begin(&w, _i);
	memset(&w.bed.conf->snat4, 0, sizeof(w.bed.conf->snat4));
	memset(&w.bed.conf->snat6, 0, sizeof(w.bed.conf->snat6));
	world_service(&w, IPPROTO_UDP, 0, 1, FAR);
	in = udp(&w, CLIENT, 40000, VIP, 80);
	expect(&w, "without an address", OUTSIDE, &in, GO_DROP, LB_NO_SNAT_ADDR, NULL);
	ck_assert_uint_eq(bed_flows(&w.bed, w.v6), 0);
}
END_TEST

/* What is not of a flow is not touched, though it looks near. */
START_TEST(not_ours_is_left_alone)
{
	struct fr in;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 2, POD, FAR);
	in = tcp(&w, CLIENT, 40000, VIP, 80, SYN);
	run(&w, OUTSIDE, &in, &(struct went){ 0 });
	in = tcp(&w, CLIENT, 40000, STRANGER, 80, SYN);
	expect(&w, "to a stranger", OUTSIDE, &in, GO_ON, LB_NR_WHY, NULL);
	in = tcp(&w, POD, 8081, CLIENT, 40000, ACK);
	expect(&w, "pod, another port", PODS, &in, GO_ON, LB_NR_WHY, NULL);
	in = tcp(&w, POD, 8080, CLIENT, 40001, ACK);
	expect(&w, "pod, another client port", PODS, &in, GO_ON, LB_NR_WHY, NULL);
	in = tcp(&w, POD, 8080, STRANGER, 40000, ACK);
	expect(&w, "pod, another client", PODS, &in, GO_ON, LB_NR_WHY, NULL);
	in = udp(&w, POD, 8080, CLIENT, 40000);
	expect(&w, "pod, another protocol", PODS, &in, GO_ON, LB_NR_WHY, NULL);
	in = tcp(&w, FAR, 8080, NODE, 61001, ACK);
	expect(&w, "far, no flow", OUTSIDE, &in, GO_ON, LB_NR_WHY, NULL);
	in = tcp(&w, STRANGER, 22, NODE, 22, ACK);
	expect(&w, "to the node", OUTSIDE, &in, GO_ON, LB_NR_WHY, NULL);
	in = tcp(&w, POD, 40000, FAR, 8080, SYN);
	expect(&w, "pod to pod", PODS, &in, GO_ON, LB_NR_WHY, NULL);
}
END_TEST

/* ---- states ---- */

static void
step(const char *what, bool reply, uint8_t flags, unsigned state)
{
	struct fr in = reply ? tcp(&w, POD, 8080, CLIENT, 40000, flags)
			     : tcp(&w, CLIENT, 40000, VIP, 80, flags);
	struct went went;

	run(&w, reply ? PODS : OUTSIDE, &in, &went);
	ck_assert_msg(went.why == (reply ? LB_REPLIED : LB_FORWARDED), "%s: %s", what,
	    bed_why_name(went.why));
	ck_assert_msg(flow_state(&w, CLIENT, 40000) == state, "%s: state %u, not %u", what,
	    flow_state(&w, CLIENT, 40000), state);
}

static void
open_flow(void)
{
	step("SYN", false, SYN, LB_ST_NEW);
	step("SYN ACK", true, SYN | ACK, LB_ST_ANSWERED);
	step("ACK", false, ACK, LB_ST_OPEN);
}

START_TEST(states_of_tcp)
{
	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, POD);
	step("SYN", false, SYN, LB_ST_NEW);
	step("SYN again", false, SYN, LB_ST_NEW);
	step("SYN ACK", true, SYN | ACK, LB_ST_ANSWERED);
	step("SYN ACK again", true, SYN | ACK, LB_ST_ANSWERED);
	step("ACK", false, ACK, LB_ST_OPEN);
	step("data", false, ACK | PSH, LB_ST_OPEN);
	step("data back", true, ACK | PSH, LB_ST_OPEN);
	step("client's FIN", false, FIN | ACK, LB_ST_FIN_CLIENT);
	step("data back", true, ACK | PSH, LB_ST_FIN_CLIENT);
	step("FIN again", false, FIN | ACK, LB_ST_FIN_CLIENT);
	step("backend's FIN", true, FIN | ACK, LB_ST_CLOSED);
	step("last ACK", false, ACK, LB_ST_CLOSED);
}
END_TEST

START_TEST(states_backend_closes_first)
{
	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, POD);
	open_flow();
	step("backend's FIN", true, FIN | ACK, LB_ST_FIN_BACKEND);
	step("ACK", false, ACK, LB_ST_FIN_BACKEND);
	step("client's FIN", false, FIN | ACK, LB_ST_CLOSED);
}
END_TEST

START_TEST(states_reset)
{
	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, POD);
	open_flow();
	step("RST", false, RST, LB_ST_CLOSED);
	step("SYN on what was closed", false, SYN, LB_ST_NEW);
	step("SYN ACK", true, SYN | ACK, LB_ST_ANSWERED);
	step("RST back", true, RST | ACK, LB_ST_CLOSED);
}
END_TEST

/* The twin of a source-NATed flow goes with it. */
START_TEST(states_of_a_pair)
{
	static const struct {
		bool reply;
		uint8_t flags, state;
	} steps[] = { { false, SYN, LB_ST_NEW }, { true, SYN | ACK, LB_ST_ANSWERED },
		{ false, ACK, LB_ST_OPEN }, { true, FIN | ACK, LB_ST_FIN_BACKEND },
		{ false, FIN | ACK, LB_ST_CLOSED } };
	uint16_t port = 0;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, FAR);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct fr in = steps[i].reply ? tcp(&w, FAR, 8080, NODE, port, steps[i].flags)
					      : tcp(&w, CLIENT, 40000, VIP, 80, steps[i].flags);

		run(&w, OUTSIDE, &in, &(struct went){ 0 });
		port = snat_port(&w, CLIENT, 40000);
		ck_assert_uint_eq(flow_state(&w, CLIENT, 40000), steps[i].state);
		ck_assert_uint_eq(
		    LB_FLOW_STATE(bed_flow(&w.bed, who(&w, CLIENT), 40000, true, NULL)),
		    steps[i].state);
	}
	ck_assert_uint_eq(bed_flows(&w.bed, w.v6), 2);
}
END_TEST

/* A SYN on a closed, source-NATed flow gets a port that the backend does not hold in TIME-WAIT. */
START_TEST(closed_pair_begins_anew)
{
	struct fr in, back;
	struct went went;
	uint16_t port;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, FAR);
	in = tcp(&w, CLIENT, 40000, VIP, 80, SYN);
	run(&w, OUTSIDE, &in, &went);
	port = snat_port(&w, CLIENT, 40000);
	back = tcp(&w, FAR, 8080, NODE, port, RST | ACK);
	run(&w, OUTSIDE, &back, &went);
	ck_assert_uint_eq(flow_state(&w, CLIENT, 40000), LB_ST_CLOSED);
	run(&w, OUTSIDE, &in, &went);
	ck_assert_uint_eq(went.why, LB_FORWARDED);
	ck_assert_uint_eq(flow_state(&w, CLIENT, 40000), LB_ST_NEW);
	port = snat_port(&w, CLIENT, 40000);
	back = tcp(&w, FAR, 8080, NODE, port, SYN | ACK);
	run(&w, OUTSIDE, &back, &went);
	ck_assert_uint_eq(went.why, LB_REPLIED);
	ck_assert_uint_eq(flow_state(&w, CLIENT, 40000), LB_ST_ANSWERED);
}
END_TEST

/* What was silent for longer than its state may be is over: it is chosen for anew. */
START_TEST(timeouts)
{
	uint32_t fe, rows[1];
	struct fr in, back;
	struct went went;

	world_begin(&w, _i);
	fe = world_service(&w, IPPROTO_TCP, 0, 2, POD, POD2);
	rows[0] = w.be;
	bed_table(&w.bed, fe, LB_EXTERNAL, rows, 1);
	bed_table(&w.bed, fe, LB_INTERNAL, rows, 1);
	open_flow();
	rows[0] = w.be + 1;
	bed_table(&w.bed, fe, LB_EXTERNAL, rows, 1);
	bed_table(&w.bed, fe, LB_INTERNAL, rows, 1);
	flow_age(&w, CLIENT, 40000, 19000);
	step("in time", false, ACK, LB_ST_OPEN);
	ck_assert_uint_eq(
	    LB_FLOW_BACKEND(bed_flow(&w.bed, who(&w, CLIENT), 40000, false, NULL)), w.be);
	flow_age(&w, CLIENT, 40000, 20010);
	back = tcp(&w, POD, 8080, CLIENT, 40000, ACK);
	run(&w, PODS, &back, &went);
	ck_assert_uint_eq(went.why, LB_NR_WHY);
	in = tcp(&w, CLIENT, 40000, VIP, 80, ACK);
	run(&w, OUTSIDE, &in, &went);
	ck_assert_uint_eq(went.why, LB_FORWARDED);
	ck_assert_uint_eq(
	    LB_FLOW_BACKEND(bed_flow(&w.bed, who(&w, CLIENT), 40000, false, NULL)), w.be + 1);
}
END_TEST

/* ---- backends that go ---- */

START_TEST(removed_backend_is_chosen_for_anew)
{
	uint32_t fe, row;
	struct fr in, out;

	world_begin(&w, _i);
	fe = world_service(&w, IPPROTO_TCP, 0, 2, POD, POD2);
	row = w.be;
	bed_table(&w.bed, fe, LB_EXTERNAL, &row, 1);
	bed_table(&w.bed, fe, LB_INTERNAL, &row, 1);
	open_flow();
	row = w.be + 1;
	bed_table(&w.bed, fe, LB_EXTERNAL, &row, 1);
	bed_table(&w.bed, fe, LB_INTERNAL, &row, 1);
	step("table changed: the flow stays", false, ACK, LB_ST_OPEN);

	w.bed.be[w.be].flags |= LB_BE_TERMINATING;
	step("terminating: the flow stays", false, ACK, LB_ST_OPEN);
	ck_assert_uint_eq(
	    LB_FLOW_BACKEND(bed_flow(&w.bed, who(&w, CLIENT), 40000, false, NULL)), w.be);

	w.bed.be[w.be].flags &= ~(uint32_t)LB_BE_LIVE;
	in = tcp(&w, CLIENT, 40000, VIP, 80, ACK);
	out = sent(&in, POD2);
	out.dst = who(&w, POD2);
	out.dport = 8080;
	expect(&w, "removed", OUTSIDE, &in, GO_OUT, LB_FORWARDED, &out);
	ck_assert_uint_eq(
	    LB_FLOW_BACKEND(bed_flow(&w.bed, who(&w, CLIENT), 40000, false, NULL)), w.be + 1);
	ck_assert_uint_eq(bed_flows(&w.bed, w.v6), 1);
}
END_TEST

/* A terminating backend takes new flows when the table, for want of others, names it. */
START_TEST(only_terminating_backends)
{
	struct fr in;
	struct went went;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, POD);
	w.bed.be[w.be].flags |= LB_BE_TERMINATING;
	in = tcp(&w, CLIENT, 40000, VIP, 80, SYN);
	run(&w, OUTSIDE, &in, &went);
	ck_assert_uint_eq(went.why, LB_FORWARDED);
}
END_TEST

/* A segment of a connection that this node never saw goes where the table before sent it. */
START_TEST(under_way_by_the_table_before)
{
	uint32_t fe, row;
	struct went went;
	struct fr in;

	world_begin(&w, _i);
	fe = world_service(&w, IPPROTO_TCP, 0, 2, POD, POD2);
	row = w.be;
	bed_table(&w.bed, fe, LB_EXTERNAL, &row, 1);
	bed_table(&w.bed, fe, LB_INTERNAL, &row, 1);
	for (int s = 0; s < LB_NR_SCOPES; s++)
		w.bed.fe[fe].prev[s] = w.bed.fe[fe].table[s];
	row = w.be + 1;
	bed_table(&w.bed, fe, LB_EXTERNAL, &row, 1);
	bed_table(&w.bed, fe, LB_INTERNAL, &row, 1);
	in = tcp(&w, CLIENT, 40000, VIP, 80, ACK);
	run(&w, OUTSIDE, &in, &went);
	ck_assert_uint_eq(
	    LB_FLOW_BACKEND(bed_flow(&w.bed, who(&w, CLIENT), 40000, false, NULL)), w.be);
	ck_assert_uint_eq(went.up[LB_X_PREVIOUS], 1);
	in = tcp(&w, CLIENT, 40001, VIP, 80, SYN);
	run(&w, OUTSIDE, &in, &went);
	ck_assert_uint_eq(
	    LB_FLOW_BACKEND(bed_flow(&w.bed, who(&w, CLIENT), 40001, false, NULL)), w.be + 1);
	ck_assert_uint_eq(went.up[LB_X_PREVIOUS], 0);
}
END_TEST

/* ---- a flood ---- */

/* As many SYNs of other sources as the table has places, many times over: what is open stays. */
START_TEST(half_open_never_evicts_open)
{
	enum { OPEN = 60, FLOOD = 6000 };
	unsigned half_open = 0;
	char from[64];
	struct went went;
	struct fr in;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, POD);
	for (uint16_t i = 0; i < OPEN; i++) {
		in = tcp(&w, CLIENT, (uint16_t)(1000 + i), VIP, 80, SYN);
		run(&w, OUTSIDE, &in, &went);
		in = tcp(&w, POD, 8080, CLIENT, (uint16_t)(1000 + i), SYN | ACK);
		run(&w, PODS, &in, &went);
		in = tcp(&w, CLIENT, (uint16_t)(1000 + i), VIP, 80, ACK);
		run(&w, OUTSIDE, &in, &went);
		ck_assert_uint_eq(flow_state(&w, CLIENT, (uint16_t)(1000 + i)), LB_ST_OPEN);
	}
	for (unsigned i = 0; i < FLOOD; i++) {
		in = tcp(&w, CLIENT, (uint16_t)(1 + i * 7), VIP, 80, SYN);
		snprintf(from, sizeof(from), w.v6 ? "2001:db8:66::%x:%x" : "100.%u.%u.1",
		    64 + i / 250, i % 250);
		in.src = from;
		run(&w, OUTSIDE, &in, &went);
		ck_assert_msg(went.why == LB_FORWARDED || went.why == LB_NO_ROOM, "%s",
		    bed_why_name(went.why));
		half_open += (unsigned)went.up[LB_X_EVICT_HALF_OPEN];
	}
	ck_assert_uint_ge(half_open, FLOOD - BED_BLOCKS * LB_BLOCK_WAYS);
	for (uint16_t i = 0; i < OPEN; i++)
		ck_assert_uint_eq(flow_state(&w, CLIENT, (uint16_t)(1000 + i)), LB_ST_OPEN);
}
END_TEST

/* UDP that lives shorter does not make open TCP look dead. */
START_TEST(udp_does_not_end_open_tcp)
{
	struct bed_service s;
	struct went went;
	struct fr in;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, POD);
	s = (struct bed_service){ .vip = who(&w, VIP2), .port = 53, .proto = IPPROTO_UDP };
	s.backend[0] = world_backend(&w, POD2);
	bed_service(&w.bed, &s, NULL);
	open_flow();
	flow_age(&w, CLIENT, 40000, 5000);
	for (uint16_t i = 0; i < 3000; i++) {
		in = udp(&w, CLIENT2, (uint16_t)(i + 1), VIP2, 53);
		run(&w, OUTSIDE, &in, &went);
	}
	ck_assert_uint_eq(flow_state(&w, CLIENT, 40000), LB_ST_OPEN);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("flows");

	world_make(&w);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, local_tcp, 0, NR_WAYS);
	tcase_add_loop_test(tc, local_udp, 0, NR_WAYS);
	tcase_add_loop_test(tc, local_udp_without_sum, 0, NR_WAYS);
	tcase_add_loop_test(tc, local_sctp, 0, NR_WAYS);
	tcase_add_loop_test(tc, sctp_with_the_same_port, 0, NR_WAYS);
	tcase_add_loop_test(tc, udp_sum_that_becomes_zero, 0, NR_WAYS);
	tcase_add_loop_test(tc, wrong_sum_is_not_mended, 0, NR_WAYS);
	tcase_add_loop_test(tc, far_tcp, 0, NR_WAYS);
	tcase_add_loop_test(tc, far_udp, 0, NR_WAYS);
	tcase_add_loop_test(tc, far_udp_without_sum, 0, NR_WAYS);
	tcase_add_loop_test(tc, far_sctp, 0, NR_WAYS);
	tcase_add_loop_test(tc, far_first_frame, 0, NR_WAYS);
	tcase_add_loop_test(tc, no_snat_address, 0, NR_WAYS);
	tcase_add_loop_test(tc, not_ours_is_left_alone, 0, NR_WAYS);
	tcase_add_loop_test(tc, states_of_tcp, 0, NR_WAYS);
	tcase_add_loop_test(tc, states_backend_closes_first, 0, NR_WAYS);
	tcase_add_loop_test(tc, states_reset, 0, NR_WAYS);
	tcase_add_loop_test(tc, states_of_a_pair, 0, NR_WAYS);
	tcase_add_loop_test(tc, closed_pair_begins_anew, 0, NR_WAYS);
	tcase_add_loop_test(tc, timeouts, 0, NR_WAYS);
	tcase_add_loop_test(tc, removed_backend_is_chosen_for_anew, 0, NR_WAYS);
	tcase_add_loop_test(tc, only_terminating_backends, 0, NR_WAYS);
	tcase_add_loop_test(tc, under_way_by_the_table_before, 0, NR_WAYS);
	tcase_add_loop_test(tc, half_open_never_evicts_open, 0, NR_WAYS);
	tcase_add_loop_test(tc, udp_does_not_end_open_tcp, 0, NR_WAYS);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("packets of flows", add_tests)
