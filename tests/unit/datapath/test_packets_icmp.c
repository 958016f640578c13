/*
 * tests/unit/datapath/test_packets_icmp.c: ICMP errors about flows, carried to the end that sent what
 * they quote, with the quotation as that end knows it.
 */
#include "tests/unit/datapath/packets.h"
#include "tests/unit/unit.h"

#include <netinet/in.h>

static struct world w;

/* Which flow: so much of the quoted packet, of this protocol, with these odds. */
static const struct {
	const char *what;
	uint8_t proto;
	size_t quoted; /* bytes behind the IP header; 0: all */
	bool no_sum;
	enum said said;
	uint32_t rest;
} kinds[] = {
	{ "frag needed, 8 bytes of TCP", IPPROTO_TCP, 8, false, FRAG_NEEDED, 1400 },
	{ "frag needed, all of TCP", IPPROTO_TCP, 0, false, FRAG_NEEDED, 1400 },
	{ "frag needed, TCP up to its sum", IPPROTO_TCP, 18, false, FRAG_NEEDED, 1280 },
	{ "frag needed, TCP up to before its sum", IPPROTO_TCP, 16, false, FRAG_NEEDED, 1280 },
	{ "port unreachable, 8 bytes of UDP", IPPROTO_UDP, 8, false, UNREACH_PORT, 0 },
	{ "port unreachable, all of UDP", IPPROTO_UDP, 0, false, UNREACH_PORT, 0 },
	{ "port unreachable, UDP without a sum", IPPROTO_UDP, 0, true, UNREACH_PORT, 0 },
	{ "time exceeded, all of TCP", IPPROTO_TCP, 0, false, TIME_EXCEEDED, 0 },
	{ "host unreachable, 8 bytes of SCTP", IPPROTO_SCTP, 8, false, UNREACH_HOST, 0 },
};
enum { NR_KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static struct fr
spoken(int kind, enum who from, uint16_t sport, enum who to, uint16_t dport)
{
	struct fr f;

	if (kinds[kind].proto == IPPROTO_TCP)
		f = tcp(&w, from, sport, to, dport, ACK | PSH);
	else if (kinds[kind].proto == IPPROTO_UDP)
		f = udp(&w, from, sport, to, dport);
	else
		f = sctp(&w, from, sport, to, dport, 0);
	f.no_sum = kinds[kind].no_sum && !w.v6;
	f.payload = 60;
	f.df = true;
	return f;
}

static struct fr
error(int kind, enum who from, enum who to, const struct fr *inner)
{
	struct fr f = icmp(&w, from, to, kinds[kind].said, kinds[kind].rest, inner);

	if (kinds[kind].quoted)
		f.inner_len = (w.v6 ? 40 : 20) + kinds[kind].quoted;
	return f;
}

/* A router before the backend, about what we sent there: to the client. */
START_TEST(about_a_packet_to_a_far_backend)
{
	struct fr was, now, in, out;
	uint16_t port;

	for (int k = 0; k < NR_KINDS; k++) {
		world_begin(&w, _i);
		world_service(&w, kinds[k].proto, 0, 1, FAR);
		was = spoken(k, CLIENT, 40000, VIP, 80);
		run(&w, OUTSIDE, &was, &(struct went){ 0 });
		port = snat_port(&w, CLIENT, 40000);
		now = spoken(k, NODE, port, FAR, 8080);
		now.ttl = was.ttl = 60; /* quoted as it arrived there */
		in = error(k, STRANGER, NODE, &now);
		out = error(k, STRANGER, CLIENT, &was);
		out = sent(&out, CLIENT);
		expect(&w, kinds[k].what, OUTSIDE, &in, GO_OUT, LB_ICMP_CARRIED, &out);
		ck_assert_uint_eq(flow_state(&w, CLIENT, 40000), LB_ST_NEW);

		/* The backend itself: the client knows it as the VIP. */
		in = error(k, FAR, NODE, &now);
		out = error(k, VIP, CLIENT, &was);
		out = sent(&out, CLIENT);
		expect(&w, kinds[k].what, OUTSIDE, &in, GO_OUT, LB_ICMP_CARRIED, &out);
	}
}
END_TEST

START_TEST(about_a_packet_to_a_local_pod)
{
	struct fr was, now, in, out;

	for (int k = 0; k < NR_KINDS; k++) {
		world_begin(&w, _i);
		world_service(&w, kinds[k].proto, 0, 1, POD);
		was = spoken(k, CLIENT, 40000, VIP, 80);
		run(&w, OUTSIDE, &was, &(struct went){ 0 });
		now = spoken(k, CLIENT, 40000, POD, 8080);
		now.ttl = was.ttl = 63;
		in = error(k, POD, CLIENT, &now);
		out = error(k, VIP, CLIENT, &was);
		out = sent(&out, CLIENT);
		memcpy(in.smac, (uint8_t[]){ 2, 0, 0, 0, 0, 0x15 }, 6);
		expect(&w, kinds[k].what, PODS, &in, GO_OUT, LB_ICMP_CARRIED, &out);
		ck_assert_uint_eq(flow_state(&w, CLIENT, 40000), LB_ST_NEW);
	}
}
END_TEST

/* A router before the client, about a reply: to the backend that sent it. */
START_TEST(about_a_reply)
{
	static const enum who backends[] = { POD, FAR };
	struct fr was, now, in, out;
	uint16_t port = 0;

	for (int k = 0; k < 2 * NR_KINDS; k++) {
		enum who be = backends[k % 2];

		world_begin(&w, _i);
		world_service(&w, kinds[k / 2].proto, 0, 1, be);
		in = spoken(k / 2, CLIENT, 40000, VIP, 80);
		run(&w, OUTSIDE, &in, &(struct went){ 0 });
		if (be == FAR)
			port = snat_port(&w, CLIENT, 40000);
		was = spoken(k / 2, VIP, 80, CLIENT, 40000);
		now = be == FAR ? spoken(k / 2, FAR, 8080, NODE, port)
				: spoken(k / 2, POD, 8080, CLIENT, 40000);
		now.ttl = was.ttl = 50;
		in = error(k / 2, STRANGER, VIP, &was);
		out = error(k / 2, STRANGER, be, &now);
		out = sent(&out, be);
		expect(&w, kinds[k / 2].what, OUTSIDE, &in, GO_OUT, LB_ICMP_CARRIED, &out);

		in = error(k / 2, CLIENT, VIP, &was);
		out = error(k / 2, CLIENT, be, &now);
		out = sent(&out, be);
		expect(&w, kinds[k / 2].what, OUTSIDE, &in, GO_OUT, LB_ICMP_CARRIED, &out);
	}
}
END_TEST

/* The quoted packet may have options of its own. */
START_TEST(quoted_with_options)
{
	static const uint8_t opts[] = { 148, 4, 0, 0, 1, 1, 1, 0 };
	struct fr was, now, in, out;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, POD);
	in = spoken(0, CLIENT, 40000, VIP, 80);
	run(&w, OUTSIDE, &in, &(struct went){ 0 });
	was = spoken(0, VIP, 80, CLIENT, 40000);
	now = spoken(0, POD, 8080, CLIENT, 40000);
	was.opts = now.opts = opts;
	was.nr_opts = now.nr_opts = sizeof(opts);
	in = icmp(&w, STRANGER, VIP, FRAG_NEEDED, 1300, &was);
	out = icmp(&w, STRANGER, POD, FRAG_NEEDED, 1300, &now);
	out = sent(&out, POD);
	expect(&w, "options", OUTSIDE, &in, GO_OUT, LB_ICMP_CARRIED, &out);
}
END_TEST

/* To a VIP about nothing that we know: not answered, not passed on. */
START_TEST(about_nothing_that_is_known)
{
	struct fr inner, in, ping;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, POD);
	inner = spoken(0, VIP, 80, CLIENT, 40000);
	in = error(0, STRANGER, VIP, &inner);
	expect(&w, "no flow", OUTSIDE, &in, GO_DROP, LB_ICMP_UNKNOWN, NULL);
	ping = icmp(&w, VIP, CLIENT, ECHO_REPLY, 5, NULL);
	in = error(0, STRANGER, VIP, &ping);
	in.inner_len = 0;
	expect(&w, "about an echo reply", OUTSIDE, &in, GO_DROP, LB_ICMP_UNKNOWN, NULL);
	inner = error(0, VIP, CLIENT, &ping);
	inner.inner_len = 0;
	in = error(0, STRANGER, VIP, &inner);
	in.inner_len = 0;
	expect(&w, "about an error", OUTSIDE, &in, GO_DROP, LB_ICMP_UNKNOWN, NULL);
	inner = spoken(0, CLIENT2, 80, CLIENT, 40000);
	in = error(0, STRANGER, VIP, &inner);
	expect(&w, "about a packet of another", OUTSIDE, &in, GO_DROP, LB_ICMP_UNKNOWN, NULL);
	in = error(0, STRANGER, VIP, &ping);
	in.inner_len = w.v6 ? 30 : 12;
	expect(&w, "half a header", OUTSIDE, &in, GO_DROP, LB_ICMP_UNKNOWN, NULL);
}
END_TEST

/* RFC 1122 3.2.2: no error about an error, also not about its time to live. */
START_TEST(error_whose_time_is_over)
{
	struct fr inner, in;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, POD);
	in = spoken(0, CLIENT, 40000, VIP, 80);
	run(&w, OUTSIDE, &in, &(struct went){ 0 });
	inner = spoken(0, VIP, 80, CLIENT, 40000);
	in = error(0, STRANGER, VIP, &inner);
	in.ttl = 1;
	expect(&w, "time to live 1", OUTSIDE, &in, GO_DROP, LB_TTL, NULL);
}
END_TEST

/* Others' errors are others' business, however the filter errs. */
START_TEST(errors_of_others)
{
	struct fr inner, in;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 2, POD, FAR);
	for (int filter = 0; filter < 2; filter++) {
		inner = spoken(0, NODE, 22, STRANGER, 5000);
		in = error(0, STRANGER, NODE, &inner);
		expect(&w, "to the node", OUTSIDE, &in, GO_ON, LB_NR_WHY, NULL);
		inner = spoken(0, CLIENT2, 22, STRANGER, 5000);
		in = error(0, STRANGER, CLIENT2, &inner);
		expect(&w, "passing by", OUTSIDE, &in, GO_ON, LB_NR_WHY, NULL);
		inner = spoken(0, POD, 50000, STRANGER, 443);
		in = error(0, STRANGER, POD, &inner);
		expect(&w, "to a pod", OUTSIDE, &in, GO_ON, LB_NR_WHY, NULL);
		inner = spoken(0, STRANGER, 50000, POD, 9999);
		in = error(0, POD, STRANGER, &inner);
		expect(&w, "of a pod", PODS, &in, GO_ON, LB_NR_WHY, NULL);
		bed_filter(&w.bed, who(&w, STRANGER), LB_IS_VIP | LB_IS_BACKEND | LB_IS_SNAT);
		bed_filter(&w.bed, who(&w, CLIENT2), LB_IS_VIP | LB_IS_BACKEND | LB_IS_SNAT);
		bed_filter(&w.bed, who(&w, POD), LB_IS_VIP | LB_IS_BACKEND | LB_IS_SNAT);
		bed_filter(&w.bed, who(&w, NODE), LB_IS_VIP | LB_IS_BACKEND | LB_IS_SNAT);
	}
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("errors");

	world_make(&w);
	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, about_a_packet_to_a_far_backend, 0, NR_WAYS);
	tcase_add_loop_test(tc, about_a_packet_to_a_local_pod, 0, NR_WAYS);
	tcase_add_loop_test(tc, about_a_reply, 0, NR_WAYS);
	tcase_add_loop_test(tc, quoted_with_options, 0, NR_WAYS);
	tcase_add_loop_test(tc, about_nothing_that_is_known, 0, NR_WAYS);
	tcase_add_loop_test(tc, error_whose_time_is_over, 0, NR_WAYS);
	tcase_add_loop_test(tc, errors_of_others, 0, NR_WAYS);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("packets of ICMP", add_tests)
