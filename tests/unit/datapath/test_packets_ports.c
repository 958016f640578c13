/*
 * tests/unit/datapath/test_packets_ports.c: packets of flows that get another port, through the BPF
 * programs: source NAT, and two frontends that a backend could take for one.
 */
#include "tests/unit/datapath/packets.h"
#include "tests/unit/unit.h"

#include <netinet/in.h>

static struct world w;

/* Flows of many clients to one backend: no two with one port, and each reply finds its own. */
START_TEST(snat_ports_do_not_collide)
{
	enum { FLOWS = 100 };
	bool used[65536] = { false };
	struct fr in, back, out;
	uint16_t port[FLOWS];

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, FAR);
	for (int i = 0; i < FLOWS; i++) {
		in = tcp(&w, i % 2 ? CLIENT : CLIENT2, (uint16_t)(1000 + i), VIP, 80, SYN);
		run(&w, OUTSIDE, &in, &(struct went){ 0 });
		port[i] = snat_port(&w, i % 2 ? CLIENT : CLIENT2, (uint16_t)(1000 + i));
		ck_assert(!used[port[i]]);
		used[port[i]] = true;
	}
	for (int i = 0; i < FLOWS; i++) {
		back = tcp(&w, FAR, 8080, NODE, port[i], SYN | ACK);
		out = sent(&back, CLIENT);
		out.src = who(&w, VIP);
		out.sport = 80;
		out.dst = who(&w, i % 2 ? CLIENT : CLIENT2);
		out.dport = (uint16_t)(1000 + i);
		expect(&w, "reply", OUTSIDE, &back, GO_BACK, LB_REPLIED, &out);
	}
}
END_TEST

/* With a range of few ports the last flow is refused, and no port is used twice. */
START_TEST(snat_ports_run_out)
{
	unsigned refused = 0, sent_on = 0;
	struct went went;
	struct fr in;

	world_begin(&w, _i);
	w.bed.conf->snat_port_nr = 4;
	world_service(&w, IPPROTO_TCP, 0, 1, FAR);
	for (uint16_t i = 0; i < 20; i++) {
		in = tcp(&w, CLIENT, (uint16_t)(2000 + i), VIP, 80, SYN);
		run(&w, OUTSIDE, &in, &went);
		sent_on += went.go != GO_DROP;
		if (went.go == GO_DROP) {
			ck_assert_uint_eq(went.why, LB_NO_SNAT_PORT);
			refused++;
		}
	}
	ck_assert_uint_le(sent_on, 4);
	ck_assert_uint_ge(sent_on, 3);
	ck_assert_uint_eq(refused, 20 - sent_on);
	ck_assert_uint_eq(bed_flows(&w.bed, w.v6), 2 * sent_on);
}
END_TEST

/* A far flow of @from:@sport; its port, or 0: none was found. */
static uint16_t
far_flow(enum who from, uint16_t sport)
{
	struct fr in = tcp(&w, from, sport, VIP, 80, SYN);
	struct went went;

	run(&w, OUTSIDE, &in, &went);
	return went.why == LB_FORWARDED ? snat_port(&w, from, sport) : 0;
}

/* ... that was reset so many ticks ago. */
static uint16_t
far_flow_closed(enum who from, uint16_t sport, uint16_t ticks)
{
	uint16_t port = far_flow(from, sport);
	struct fr back = tcp(&w, FAR, 8080, NODE, port, RST | ACK);
	struct went went;

	run(&w, OUTSIDE, &back, &went);
	ck_assert_uint_eq(flow_state(&w, from, sport), LB_ST_CLOSED);
	flow_age(&w, from, sport, ticks);
	return port;
}

/* While the backend may remember a connection its port goes to nobody else, if others are free. */
START_TEST(snat_port_of_a_closed_flow_rests)
{
	unsigned given = 0;
	bool again = false;
	uint16_t port, got;

	world_begin(&w, _i);
	w.bed.conf->timeout_tcp[LB_ST_CLOSED] = 100;
	w.bed.conf->snat_port_nr = 40;
	world_service(&w, IPPROTO_TCP, 0, 1, FAR);
	port = far_flow_closed(CLIENT, 40000, 60);
	for (uint16_t i = 0; i < 30; i++) {
		got = far_flow(CLIENT2, (uint16_t)(1000 + i));
		given += got != 0;
		ck_assert_uint_ne(got, port);
	}
	ck_assert_uint_gt(given, 20);
	flow_age(&w, CLIENT, 40000, 64);
	for (uint16_t i = 0; i < 500 && !again; i++)
		again = far_flow(CLIENT2, (uint16_t)(2000 + i)) == port;
	ck_assert(again);
}
END_TEST

/* Where there is no other it must do. */
START_TEST(snat_port_of_a_closed_flow_serves_at_last)
{
	struct fr in, back, out;
	struct went went;
	uint16_t port;

	world_begin(&w, _i);
	w.bed.conf->timeout_tcp[LB_ST_CLOSED] = 60;
	w.bed.conf->snat_port_nr = 1;
	world_service(&w, IPPROTO_TCP, 0, 1, FAR);
	port = far_flow_closed(CLIENT, 40000, 1);
	in = tcp(&w, CLIENT2, 1000, VIP, 80, SYN);
	run(&w, OUTSIDE, &in, &went); /* not that soon: its last packets may be under way */
	ck_assert_uint_eq(went.why, LB_NO_SNAT_PORT);
	flow_age(&w, CLIENT, 40000, 3);
	ck_assert_uint_eq(far_flow(CLIENT2, 1000), port);
	back = tcp(&w, FAR, 8080, NODE, port, SYN | ACK);
	out = sent(&back, CLIENT2);
	out.src = who(&w, VIP);
	out.sport = 80;
	out.dst = who(&w, CLIENT2);
	out.dport = 1000;
	expect(&w, "reply", OUTSIDE, &back, GO_BACK, LB_REPLIED, &out);
}
END_TEST

/* The same client to the same frontend again: as if nobody stood between. */
START_TEST(snat_port_of_the_same_connection)
{
	uint16_t port;

	world_begin(&w, _i);
	w.bed.conf->timeout_tcp[LB_ST_CLOSED] = 60;
	world_service(&w, IPPROTO_TCP, 0, 1, FAR);
	port = far_flow_closed(CLIENT, 40000, 5);
	ck_assert_uint_eq(far_flow(CLIENT, 40000), port);
}
END_TEST

/*
 * One end of a client toward two frontends whose backend is the same pod: the second flow gets another
 * port and keeps the client's address; each reply finds its own frontend, and errors too.
 */
static uint16_t
kept_port(void)
{
	for (uint32_t i = 0; i < w.bed.blocks * LB_BLOCK_WAYS; i++) {
		const struct lb_flow4 *f4 = &w.bed.flows4[i / LB_BLOCK_WAYS].way[i % LB_BLOCK_WAYS];
		const struct lb_flow6 *f6 = &w.bed.flows6[i / LB_BLOCK_WAYS].way[i % LB_BLOCK_WAYS];
		uint64_t v = w.v6 ? f6->value : f4->value;

		if (LB_FLOW_KEEPS(v) && !LB_FLOW_TWIN(v))
			return ntohs((uint16_t)((w.v6 ? f6->key : f4->key) >> 48));
	}
	ck_abort_msg("no flow that keeps its address");
	return 0;
}

static uint16_t
two_frontends(bool first_is_closed)
{
	struct bed_service s = { .vip = who(&w, VIP2), .port = 80, .proto = IPPROTO_TCP };
	struct fr in, out, back;
	struct went went;
	uint16_t port;
	uint32_t fe;

	s.backend[0] = world_backend(&w, POD2);
	fe = bed_service(&w.bed, &s, &(uint32_t){ 0 });
	world_service(&w, IPPROTO_TCP, 0, 1, POD);
	bed_table(&w.bed, fe, LB_EXTERNAL, &w.be, 1);
	bed_table(&w.bed, fe, LB_INTERNAL, &w.be, 1);
	in = tcp(&w, CLIENT, 40000, VIP, 80, SYN);
	run(&w, OUTSIDE, &in, &went);
	ck_assert_uint_eq(went.why, LB_FORWARDED);
	if (first_is_closed) {
		back = tcp(&w, POD, 8080, CLIENT, 40000, RST | ACK);
		run(&w, PODS, &back, &went);
		ck_assert_uint_eq(flow_state(&w, CLIENT, 40000), LB_ST_CLOSED);
	}
	in = tcp(&w, CLIENT, 40000, VIP2, 80, SYN);
	run(&w, OUTSIDE, &in, &went);
	ck_assert_uint_eq(went.why, LB_FORWARDED);
	port = kept_port();
	ck_assert_uint_ne(port, 40000);
	out = sent(&in, POD);
	out.dst = who(&w, POD);
	out.dport = 8080;
	out.sport = port;
	expect(&w, "again, by its entry", OUTSIDE, &in, GO_OUT, LB_FORWARDED, &out);
	return port;
}

static void
replies(const char *what, uint16_t port, enum who vip, uint8_t flags)
{
	struct fr back = tcp(&w, POD, 8080, CLIENT, port, flags), out = sent(&back, CLIENT);

	out.src = who(&w, vip);
	out.sport = 80;
	out.dport = 40000;
	expect(&w, what, PODS, &back, GO_OUT, LB_REPLIED, &out);
}

START_TEST(same_ends_to_two_frontends)
{
	struct fr there, here, in, out;
	uint16_t port;

	world_begin(&w, _i);
	port = two_frontends(false);
	replies("the first", 40000, VIP, SYN | ACK);
	replies("the second", port, VIP2, SYN | ACK);

	there = tcp(&w, CLIENT, port, POD, 8080, ACK);
	here = tcp(&w, CLIENT, 40000, VIP2, 80, ACK);
	in = icmp(&w, POD, CLIENT, UNREACH_HOST, 0, &there);
	out = icmp(&w, VIP2, CLIENT, UNREACH_HOST, 0, &here);
	out = sent(&out, CLIENT);
	expect(&w, "an error about the second", PODS, &in, GO_OUT, LB_ICMP_CARRIED, &out);

	there = tcp(&w, POD, 8080, CLIENT, port, ACK);
	here = tcp(&w, VIP2, 80, CLIENT, 40000, ACK);
	in = icmp(&w, STRANGER, VIP2, UNREACH_HOST, 0, &here);
	out = icmp(&w, STRANGER, POD, UNREACH_HOST, 0, &there);
	out = sent(&out, POD);
	expect(&w, "an error of its way back", OUTSIDE, &in, GO_OUT, LB_ICMP_CARRIED, &out);
}
END_TEST

/* Also while the pod may remember the first; both entries of the second follow its state. */
START_TEST(same_ends_after_the_first_is_closed)
{
	struct went went;
	uint16_t port;
	struct fr in;

	world_begin(&w, _i);
	port = two_frontends(true);
	replies("the second", port, VIP2, SYN | ACK);
	in = tcp(&w, CLIENT, 40000, VIP2, 80, RST);
	run(&w, OUTSIDE, &in, &went);
	for (uint32_t i = 0, found = 0; found < 2; i++) {
		uint64_t v = w.v6 ? w.bed.flows6[i / LB_BLOCK_WAYS].way[i % LB_BLOCK_WAYS].value
				  : w.bed.flows4[i / LB_BLOCK_WAYS].way[i % LB_BLOCK_WAYS].value;

		ck_assert_uint_lt(i, w.bed.blocks * LB_BLOCK_WAYS - 1);
		if (!LB_FLOW_KEEPS(v))
			continue;
		ck_assert_uint_eq(LB_FLOW_STATE(v), LB_ST_CLOSED);
		found++;
	}
}
END_TEST

/* The VIP's flows go to this one of POD, POD2, FAR from now on. */
static void
goes_to(uint32_t fe, uint32_t which)
{
	uint32_t row = w.be + which;

	bed_table(&w.bed, fe, LB_EXTERNAL, &row, 1);
	bed_table(&w.bed, fe, LB_INTERNAL, &row, 1);
}

/* A connection of CLIENT:40000 to the VIP: the port that its backend sees; and it is reset at once. */
static uint16_t
shown_port(enum who vip, enum who backend)
{
	struct fr in = tcp(&w, CLIENT, 40000, vip, 80, SYN), back;
	struct fr_view v;
	struct went went;

	run(&w, OUTSIDE, &in, &went);
	ck_assert_uint_eq(went.why, LB_FORWARDED);
	ck_assert_ptr_null(fr_read(&went.frame, &v));
	back = tcp(&w, backend, 8080, backend == FAR ? NODE : CLIENT, v.l4.sport, SYN | ACK);
	run(&w, backend == FAR ? OUTSIDE : PODS, &back, &went);
	ck_assert_uint_eq(went.why, LB_REPLIED);
	back.flags = RST | ACK;
	run(&w, backend == FAR ? OUTSIDE : PODS, &back, &went);
	ck_assert_uint_eq(went.why, LB_REPLIED);
	return v.l4.sport;
}

enum { TO_POD, TO_POD2, TO_FAR };

static uint32_t
two_vips(uint32_t *fe2)
{
	struct bed_service s = { .vip = who(&w, VIP2), .port = 80, .proto = IPPROTO_TCP };

	s.backend[0] = world_backend(&w, FAR2);
	*fe2 = bed_service(&w.bed, &s, &(uint32_t){ 0 });
	w.bed.conf->timeout_tcp[LB_ST_CLOSED] = 62;
	return world_service(&w, IPPROTO_TCP, 0, 3, POD, POD2, FAR);
}

/* Also when the flow to this frontend had a life before, of which the pod saw another port, or nothing;
 * whichever of the client's entries is looked at first. */
START_TEST(same_ends_after_a_life_elsewhere)
{
	uint32_t fe, fe2;

	for (int turned = 0; turned < 2; turned++) {
		world_begin(&w, _i);
		fe = two_vips(&fe2);
		goes_to(fe, TO_FAR);
		goes_to(fe2, TO_POD);
		if (turned)
			shown_port(VIP, FAR);
		ck_assert_uint_eq(shown_port(VIP2, POD), 40000);
		if (!turned)
			shown_port(VIP, FAR);
		goes_to(fe, TO_POD);
		ck_assert_uint_ne(shown_port(VIP, POD), 40000);
		ck_assert_uint_ne(shown_port(VIP, POD), 40000); /* and again */
	}
}
END_TEST

/* A pod remembers the client also when the flow went to another pod since. */
START_TEST(same_ends_after_the_flow_went_elsewhere)
{
	struct fr back, out;
	uint32_t fe, fe2;

	world_begin(&w, _i);
	fe = two_vips(&fe2);
	goes_to(fe, TO_POD);
	goes_to(fe2, TO_POD);
	ck_assert_uint_eq(shown_port(VIP, POD), 40000);
	goes_to(fe, TO_POD2);
	ck_assert_uint_eq(shown_port(VIP, POD2), 40000);
	back = tcp(&w, POD, 8080, CLIENT, 40000, FIN | ACK);
	out = sent(&back, CLIENT);
	out.src = who(&w, VIP);
	out.sport = 80;
	expect(&w, "what is still under way", PODS, &back, GO_OUT, LB_REPLIED, &out);
	ck_assert_uint_ne(shown_port(VIP2, POD), 40000);
	goes_to(fe, TO_FAR);
	shown_port(VIP, FAR);
	goes_to(fe2, TO_POD2);
	ck_assert_uint_ne(shown_port(VIP2, POD2), 40000);
	/* To the frontend that the pod knows the port from it is the same connection once more. */
	goes_to(fe, TO_POD);
	ck_assert_uint_eq(shown_port(VIP, POD), 40000);
	ck_assert_uint_eq(flow_state(&w, CLIENT, 40000), LB_ST_CLOSED);
	flow_age(&w, CLIENT, 40000, 63); /* all of it is over some time */
	ck_assert_uint_eq(shown_port(VIP, POD), 40000);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("ports");

	world_make(&w);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, snat_ports_do_not_collide, 0, NR_WAYS);
	tcase_add_loop_test(tc, snat_ports_run_out, 0, NR_WAYS);
	tcase_add_loop_test(tc, snat_port_of_a_closed_flow_rests, 0, NR_WAYS);
	tcase_add_loop_test(tc, snat_port_of_a_closed_flow_serves_at_last, 0, NR_WAYS);
	tcase_add_loop_test(tc, snat_port_of_the_same_connection, 0, NR_WAYS);
	tcase_add_loop_test(tc, same_ends_to_two_frontends, 0, NR_WAYS);
	tcase_add_loop_test(tc, same_ends_after_the_first_is_closed, 0, NR_WAYS);
	tcase_add_loop_test(tc, same_ends_after_a_life_elsewhere, 0, NR_WAYS);
	tcase_add_loop_test(tc, same_ends_after_the_flow_went_elsewhere, 0, NR_WAYS);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("packets of flows with other ports", add_tests)
