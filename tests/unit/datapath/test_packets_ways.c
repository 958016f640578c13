/*
 * tests/unit/datapath/test_packets_ways.c: by which way packets go on: outer headers of direct server
 * return, next hops as the kernel's tables give them; and what is told of it: counts and records.
 */
#include "tests/unit/datapath/packets.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <unistd.h>

static struct world w;

/* ---- direct server return ---- */

static struct fr
around(const struct fr *f)
{
	struct fr out = sent(f, FAR_NODE);

	out.tun_src = who(&w, NODE);
	out.tun_dst = who(&w, FAR_NODE);
	return out;
}

START_TEST(dsr_puts_a_header_around)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };
	struct fr in, out;

	for (int k = 0; k < 3; k++) {
		world_begin(&w, _i);
		world_service(&w, protos[k], LB_FE_DSR, 1, FAR);
		in = k == 0  ? tcp(&w, CLIENT, 40000, VIP, 80, SYN)
		    : k == 1 ? udp(&w, CLIENT, 40000, VIP, 80)
			     : sctp(&w, CLIENT, 40000, VIP, 80, 1);
		out = around(&in);
		expect(&w, "first", OUTSIDE, &in, GO_OUT, LB_FORWARDED, &out);
		ck_assert_uint_eq(bed_flows(&w.bed, w.v6), 1);
		expect(&w, "again", OUTSIDE, &in, GO_OUT, LB_FORWARDED, &out);
	}
}
END_TEST

/* Answers take another way: the client's second segment is all that we see. */
START_TEST(dsr_flow_is_open_after_the_ack)
{
	struct fr in, out;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, LB_FE_DSR, 1, FAR);
	in = tcp(&w, CLIENT, 40000, VIP, 80, SYN);
	run(&w, OUTSIDE, &in, &(struct went){ 0 });
	ck_assert_uint_eq(flow_state(&w, CLIENT, 40000), LB_ST_NEW);
	in = tcp(&w, CLIENT, 40000, VIP, 80, ACK);
	out = around(&in);
	expect(&w, "ACK", OUTSIDE, &in, GO_OUT, LB_FORWARDED, &out);
	ck_assert_uint_eq(flow_state(&w, CLIENT, 40000), LB_ST_OPEN);
}
END_TEST

START_TEST(dsr_keeps_what_is_inside)
{
	struct fr in, out;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_UDP, LB_FE_DSR, 1, FAR);
	in = udp(&w, CLIENT, 40000, VIP, 80);
	in.opts = (const uint8_t[]){ 1, 1, 1, 0 };
	in.nr_opts = 4;
	in.nr_ext = 1;
	in.ext[0] = (struct fr_ext){ EXT_DEST, 0 };
	in.tos = 0;
	out = around(&in);
	expect(&w, "options", OUTSIDE, &in, GO_OUT, LB_FORWARDED, &out);
	in = udp(&w, CLIENT, 40000, VIP, 80);
	in.payload = 100;
	in.frag_len = 48;
	in.frag_more = true;
	in.frag_id = 7;
	out = around(&in);
	expect(&w, "first fragment", OUTSIDE, &in, GO_OUT, LB_FORWARDED, &out);
	in.frag_more = false;
	in.frag_off = 48;
	in.frag_len = 0;
	out = around(&in);
	expect(&w, "last fragment", OUTSIDE, &in, GO_OUT, LB_FORWARDED, &out);
}
END_TEST

START_TEST(dsr_without_the_node)
{
	struct fr in;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, LB_FE_DSR, 1, FAR);
	in = tcp(&w, CLIENT, 40000, VIP, 80, SYN);
	run(&w, OUTSIDE, &in, &(struct went){ 0 });
	memset(&w.bed.be[w.be].node, 0, sizeof(w.bed.be[w.be].node));
	expect(&w, "not known any more", OUTSIDE, &in, GO_DROP, LB_NO_NODE, NULL);
	in = tcp(&w, CLIENT, 40001, VIP, 80, SYN); /* never known: our address instead */
	run(&w, OUTSIDE, &in, &(struct went){ 0 });
	snat_port(&w, CLIENT, 40001);
}
END_TEST

/* The outer header counts: what does not fit with it is told to the client. */
START_TEST(dsr_longer_than_the_link)
{
	uint16_t outer;
	struct fr in, out;

	world_begin(&w, _i);
	outer = w.v6 ? 40 : 20;
	world_service(&w, IPPROTO_TCP, LB_FE_DSR, 1, FAR);
	bed_hop(&w.bed, who(&w, FAR_NODE), BED_UPLINK, 0x22, 500, LB_LINK_XDP | LB_LINK_PLAIN);
	in = tcp(&w, CLIENT, 40000, VIP, 80, ACK);
	in.df = true;
	in.payload = 500U - outer - outer - 20;
	out = around(&in);
	expect(&w, "just fits", OUTSIDE, &in, GO_OUT, LB_FORWARDED, &out);
	in.payload++;
	out = answered(&in, w.v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	out.src = who(&w, NODE);
	out.type = w.v6 ? 2 : 3;
	out.code = w.v6 ? 0 : 4;
	out.rest = 500U - outer;
	out.inner = &in;
	expect(&w, "one byte more", OUTSIDE, &in, GO_OUT, LB_TOO_BIG, &out);
}
END_TEST

/* What another node sent here in an outer header goes to the pod without it. */
START_TEST(dsr_header_is_taken_off)
{
	struct fr in, out;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, LB_FE_DSR, 1, POD);
	in = tcp(&w, CLIENT, 40000, VIP, 80, SYN);
	out = sent(&in, POD);
	out.dst = who(&w, POD);
	out.dport = 8080;
	in.tun_src = who(&w, FAR_NODE);
	in.tun_dst = who(&w, NODE);
	expect(&w, "first", OUTSIDE, &in, GO_OUT, LB_FORWARDED, &out);
	expect(&w, "again", OUTSIDE, &in, GO_OUT, LB_FORWARDED, &out);
	in = tcp(&w, POD, 8080, CLIENT, 40000, SYN | ACK);
	out = sent(&in, CLIENT);
	out.src = who(&w, VIP);
	out.sport = 80;
	expect(&w, "its answer goes straight", PODS, &in, GO_OUT, LB_REPLIED, &out);
}
END_TEST

/* RFC 2983 3.1, RFC 6040 4.1: class and marks of congestion, for the routers between the nodes. */
START_TEST(dsr_shows_class_and_marks)
{
	struct fr in, out;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, LB_FE_DSR, 1, FAR);
	for (unsigned tos = 0; tos < 256; tos += 5) {
		in = tcp(&w, CLIENT, 40000, VIP, 80, ACK);
		in.tos = (uint8_t)tos;
		out = around(&in);
		out.tun_tos = (uint8_t)tos;
		expect(&w, "marked", OUTSIDE, &in, GO_OUT, LB_FORWARDED, &out);
	}
}
END_TEST

/* RFC 6040 4.2, figure 4: rows are the marks inside, columns those outside. */
START_TEST(dsr_marks_that_were_met)
{
	enum { NOT, ECT1, ECT0, CE, DROP };
	static const int after[4][4] = {
		[NOT] = { [NOT] = NOT, [ECT0] = NOT, [ECT1] = NOT, [CE] = DROP },
		[ECT0] = { [NOT] = ECT0, [ECT0] = ECT0, [ECT1] = ECT1, [CE] = CE },
		[ECT1] = { [NOT] = ECT1, [ECT0] = ECT1, [ECT1] = ECT1, [CE] = CE },
		[CE] = { [NOT] = CE, [ECT0] = CE, [ECT1] = CE, [CE] = CE },
	};
	const uint8_t class = 0xb8; /* expedited forwarding */
	struct fr in, out;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, LB_FE_DSR, 1, POD);
	for (int inside = NOT; inside <= CE; inside++)
		for (int outside = NOT; outside <= CE; outside++) {
			in = tcp(&w, CLIENT, 40000, VIP, 80, ACK);
			in.tos = (uint8_t)(class | inside);
			out = sent(&in, POD);
			out.dst = who(&w, POD);
			out.dport = 8080;
			out.tos = (uint8_t)(class | after[inside][outside]);
			in.tun_src = who(&w, FAR_NODE);
			in.tun_dst = who(&w, NODE);
			in.tun_tos = (uint8_t)outside; /* the class inside is the sender's */
			if (after[inside][outside] == DROP)
				expect(&w, "met", OUTSIDE, &in, GO_DROP, LB_CONGESTED, NULL);
			else
				expect(&w, "met", OUTSIDE, &in, GO_OUT, LB_FORWARDED, &out);
		}
}
END_TEST

/* Other tunnels are none of ours: to another address, or around what no VIP is named in. */
START_TEST(tunnels_of_others)
{
	struct fr in;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, LB_FE_DSR, 1, POD);
	in = tcp(&w, CLIENT, 40000, STRANGER, 80, SYN);
	in.tun_src = who(&w, FAR_NODE);
	in.tun_dst = who(&w, NODE);
	expect(&w, "around a stranger", OUTSIDE, &in, GO_ON, LB_NR_WHY, NULL);
	in = tcp(&w, CLIENT, 40000, VIP, 80, SYN);
	in.tun_src = who(&w, FAR_NODE);
	in.tun_dst = who(&w, STRANGER);
	expect(&w, "to a stranger", OUTSIDE, &in, GO_ON, LB_NR_WHY, NULL);
}
END_TEST

/* A packet that came in an outer header is not put into another: it would go round for ever. */
START_TEST(dsr_does_not_go_round)
{
	struct fr in;
	struct fr_view v;
	struct went went;

	for (int known = 0; known < 2; known++) {
		world_begin(&w, _i);
		world_service(&w, IPPROTO_TCP, LB_FE_DSR, 1, FAR);
		in = tcp(&w, CLIENT, 40000, VIP, 80, SYN);
		if (known)
			run(&w, OUTSIDE, &in, &went);
		in.tun_src = who(&w, FAR_NODE);
		in.tun_dst = who(&w, NODE);
		run(&w, OUTSIDE, &in, &went);
		ck_assert_ptr_null(fr_read(&went.frame, &v));
		ck_assert_msg(went.go == GO_DROP || !v.outer.family, "flow known: %d", known);
	}
}
END_TEST

/* ---- next hops from the kernel ---- */

static void
ip(const char *format, const char *a, const char *b)
{
	char words[200];

	/* At most two of the address, the prefix. */
	snprintf(words, sizeof(words), "%s%s%s%s", w.v6 ? "-6 " : "-4 ", format, a, b);
	ck_assert_msg(bed_ip(words), "ip %s", words);
}

static void
kernel_forwards(void)
{
	static const char *const files[] = { "/proc/sys/net/ipv4/conf/all/forwarding",
		"/proc/sys/net/ipv6/conf/all/forwarding" };
	int fd;

	for (int i = 0; i < 2; i++) {
		fd = open(files[i], O_WRONLY | O_CLOEXEC);
		ck_assert_int_ge(fd, 0);
		ck_assert_int_eq(write(fd, "1", 1), 1);
		close(fd);
	}
}

static struct fr
to_far(const struct fr *in)
{
	struct fr out = sent(in, FAR);

	out.src = who(&w, NODE);
	out.sport = snat_port(&w, CLIENT, 40000);
	out.dst = who(&w, FAR);
	out.dport = 8080;
	return out;
}

/* Run again and say how often the kernel was asked; XDP and tc each may once. */
static uint64_t
asked(const struct fr *in, const struct fr *out)
{
	struct frame want;
	struct went went;

	run(&w, OUTSIDE, in, &went);
	ck_assert_msg(went.why == LB_FORWARDED && (went.go == GO_BACK || went.go == GO_OUT), "%s",
	    bed_why_name(went.why));
	fr_build(&want, out);
	ck_assert_msg(!fr_differ(&went.frame, &want), "%s", fr_differ(&went.frame, &want));
	return went.up[LB_X_HOP_MISS];
}

START_TEST(hops_of_the_kernel)
{
	const char *net, *gateway;
	struct fr in, out;
	struct went went;

	world_begin(&w, _i);
	kernel_forwards();
	net = w.v6 ? "fd00:2::/64" : "10.244.2.0/24";
	gateway = who(&w, FAR_NODE);
	ip("addr replace ", w.v6 ? "2001:db8:1::1/64 nodad" : "192.0.2.1/24", " dev up0");
	ip("neigh replace ", gateway, " lladdr 02:00:00:00:00:22 dev up0 nud permanent");
	ip("route replace ", net, w.v6 ? " via 2001:db8:1::2" : " via 192.0.2.2");
	bed_link(&w.bed, BED_UPLINK, LB_LINK_XDP | LB_LINK_PLAIN, 1500);
	w.bed.conf->hop_generation++; /* forget all that the world knows */
	world_service(&w, IPPROTO_TCP, 0, 1, FAR);
	in = tcp(&w, CLIENT, 40000, VIP, 80, SYN);
	run(&w, OUTSIDE, &in, &went);
	ck_assert_uint_eq(went.why, LB_FORWARDED);
	ck_assert_uint_eq(went.up[LB_X_HOP_MISS], 1);
	out = to_far(&in);
	ck_assert_uint_eq(asked(&in, &out), 0);
	w.bed.conf->hop_generation++;
	ck_assert_uint_eq(asked(&in, &out), 1);
	ck_assert_uint_eq(asked(&in, &out), 0);

	/* While the daemon lives it tells of changes; when it is away, answers grow old. */
	w.bed.conf->heartbeat = bed_now();
	ck_assert_uint_eq(asked(&in, &out), 0);
	/* (One more: a packet's coarse clock may be a tick behind ours.) */
	w.bed.conf->heartbeat = bed_now() - LB_ALONE_TICKS - 2;
	ck_assert_uint_eq(asked(&in, &out), 1);
	/* (The tick may go over the border in between.) */
	ck_assert(asked(&in, &out) == 0 || asked(&in, &out) == 0);
	w.bed.conf->heartbeat = 0;

	/* The kernel will find the neighbour; the answer is not kept. */
	ip("neigh del ", gateway, " dev up0");
	w.bed.conf->hop_generation++;
	memcpy(out.dmac, in.dmac, 6);
	memcpy(out.smac, in.smac, 6);
	ck_assert_uint_ge(asked(&in, &out), 1);
	ck_assert_uint_ge(asked(&in, &out), 1);

	ip("route replace unreachable ", net, "");
	w.bed.conf->hop_generation++;
	expect(&w, "unreachable", OUTSIDE, &in, GO_DROP, LB_NO_ROUTE, NULL);
	ip("route del ", net, "");
	w.bed.conf->hop_generation++;
	expect(&w, "no route", OUTSIDE, &in, GO_DROP, LB_NO_ROUTE, NULL);
	if (w.v6) /* the kernel's own unreachable route goes with the real one */
		ck_assert(bed_ip("-6 addr del 2001:db8:1::1/64 dev up0"));
}
END_TEST

/* ---- what is told ---- */

static void
no_event(void)
{
	struct lb_event e;

	ck_assert_msg(!bed_event(&w.bed, &e), "a record of %u", e.why);
}

static void
one_event(struct lb_event *e)
{
	ck_assert_msg(bed_event(&w.bed, e), "no record");
	no_event();
	ck_assert_uint_gt(e->ns, 0);
	ck_assert_uint_eq(e->family, w.v6 ? 6 : 4);
	ck_assert_uint_eq(e->ifindex, BED_UPLINK);
}

static void
is_addr(const struct lb_addr *a, const char *text)
{
	struct lb_addr want = { { 0 } };

	if (text)
		want = bed_addr(text);
	ck_assert_mem_eq(a, &want, sizeof(want));
}

START_TEST(record_of_a_new_flow)
{
	struct lb_event e;
	struct went went;
	struct fr in;
	uint32_t fe;

	for (int far = 0; far < 2; far++) {
		world_begin(&w, _i);
		fe = world_service(&w, IPPROTO_TCP, 0, 1, far ? FAR : POD);
		in = tcp(&w, CLIENT, 40000, VIP, 80, SYN);
		run(&w, OUTSIDE, &in, &went);
		one_event(&e);
		is_addr(&e.client, who(&w, CLIENT));
		is_addr(&e.vip, who(&w, VIP));
		is_addr(&e.backend, who(&w, far ? FAR : POD));
		ck_assert_uint_eq(ntohs(e.client_port), 40000);
		ck_assert_uint_eq(ntohs(e.vip_port), 80);
		ck_assert_uint_eq(ntohs(e.backend_port), 8080);
		ck_assert_uint_eq(e.proto, IPPROTO_TCP);
		ck_assert_uint_eq(e.why, LB_FORWARDED);
		ck_assert_uint_eq(e.hook, went.at_xdp ? LB_AT_XDP : LB_AT_NET);
		ck_assert_uint_eq(e.tcp_flags, SYN);
		ck_assert_uint_eq(e.snat, (unsigned)far);
		ck_assert_uint_eq(e.frontend, fe);
		ck_assert_uint_eq(e.service, 7);
		run(&w, OUTSIDE, &in, &went);
		no_event(); /* not new */
	}
}
END_TEST

START_TEST(record_of_a_drop)
{
	struct lb_event e;
	struct fr in;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, LB_FE_SOURCE_RANGES, 1, POD);
	in = tcp(&w, CLIENT, 40000, VIP, 80, SYN);
	expect(&w, "drop", OUTSIDE, &in, GO_DROP, LB_SOURCE_RANGE, NULL);
	one_event(&e);
	is_addr(&e.client, who(&w, CLIENT));
	is_addr(&e.vip, who(&w, VIP));
	is_addr(&e.backend, NULL);
	ck_assert_uint_eq(ntohs(e.client_port), 40000);
	ck_assert_uint_eq(ntohs(e.vip_port), 80);
	ck_assert_uint_eq(e.why, LB_SOURCE_RANGE);

	in = udp(&w, CLIENT, 40000, VIP, 81);
	run(&w, OUTSIDE, &in, &(struct went){ 0 });
	one_event(&e);
	ck_assert_uint_eq(e.why, LB_NO_SERVICE);
	ck_assert_uint_eq(e.proto, IPPROTO_UDP);
	ck_assert_uint_eq(ntohs(e.vip_port), 81);
}
END_TEST

START_TEST(records_that_nobody_wants)
{
	struct lb_conf *c = w.bed.conf;
	struct fr in, refused;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, POD);
	refused = tcp(&w, CLIENT, 40000, VIP, 81, SYN);
	c->flags = LB_CONF_ECHO;
	in = tcp(&w, CLIENT, 1, VIP, 80, SYN);
	run(&w, OUTSIDE, &in, &(struct went){ 0 });
	run(&w, OUTSIDE, &refused, &(struct went){ 0 });
	no_event();
	c->flags = LB_CONF_OBSERVE_NEW | LB_CONF_OBSERVE_DROP;
	c->observe_service = 8;
	in = tcp(&w, CLIENT, 2, VIP, 80, SYN);
	run(&w, OUTSIDE, &in, &(struct went){ 0 });
	no_event();
	c->observe_service = 7;
	in = tcp(&w, CLIENT, 3, VIP, 80, SYN);
	run(&w, OUTSIDE, &in, &(struct went){ 0 });
	one_event(&(struct lb_event){ 0 });
	c->observe = bed_addr(who(&w, CLIENT2));
	in = tcp(&w, CLIENT, 4, VIP, 80, SYN);
	run(&w, OUTSIDE, &in, &(struct went){ 0 });
	no_event();
	for (int i = 0; i < 3; i++) {
		c->observe = bed_addr(who(&w, (enum who[]){ CLIENT, VIP, POD }[i]));
		in = tcp(&w, CLIENT, (uint16_t)(5 + i), VIP, 80, SYN);
		run(&w, OUTSIDE, &in, &(struct went){ 0 });
		one_event(&(struct lb_event){ 0 });
	}
}
END_TEST

START_TEST(records_by_sample)
{
	unsigned told = 0;
	struct lb_event e;
	struct fr in;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, POD);
	w.bed.conf->observe_sample = 8;
	for (uint16_t port = 1; port <= 400; port++) {
		in = tcp(&w, CLIENT, port, VIP, 80, SYN);
		run(&w, OUTSIDE, &in, &(struct went){ 0 });
		told += bed_event(&w.bed, &e);
	}
	ck_assert_msg(told >= 15 && told <= 100, "%u of 400", told);
}
END_TEST

/* A flow counts once, and all its packets, whichever program finishes them. */
START_TEST(counts_of_flows)
{
	struct lb_count n;
	struct fr in;
	uint32_t fe;
	size_t bytes;

	for (int by_xdp = 0; by_xdp < 2; by_xdp++) {
		world_begin(&w, _i);
		bytes = (w.v6 ? 60U : 40U) + 11;
		fe = world_service(&w, IPPROTO_TCP, 0, 1, POD);
		bed_hop(&w.bed, who(&w, POD), BED_PODS, 0x15, 1500,
		    LB_LINK_PLAIN | LB_LINK_PEER | (by_xdp ? LB_LINK_XDP : 0));
		in = tcp(&w, CLIENT, 40000, VIP, 80, ACK);
		for (int i = 0; i < 3; i++)
			run(&w, OUTSIDE, &in, &(struct went){ 0 });
		in = tcp(&w, POD, 8080, CLIENT, 40000, ACK);
		run(&w, PODS, &in, &(struct went){ 0 });
		n = bed_count(&w.bed, DP_MAP_FE_COUNTS, fe);
		ck_assert_uint_eq(n.packets, 4);
		ck_assert_uint_eq(n.bytes, 4 * bytes);
		ck_assert_msg(n.flows == 1, "finished by XDP %d: %llu flows", by_xdp, n.flows);
		n = bed_count(&w.bed, DP_MAP_BE_COUNTS, w.be);
		ck_assert_uint_eq(n.packets, 4);
		ck_assert_uint_eq(n.bytes, 4 * bytes);
		ck_assert_uint_eq(n.flows, 1);
		one_event(&(struct lb_event){ 0 });
	}
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *dsr = tcase_create("direct return"), *hops = tcase_create("hops"),
	      *told = tcase_create("told");

	world_make(&w);
	tcase_add_loop_test(dsr, dsr_puts_a_header_around, 0, NR_WAYS);
	tcase_add_loop_test(dsr, dsr_flow_is_open_after_the_ack, 0, NR_WAYS);
	tcase_add_loop_test(dsr, dsr_keeps_what_is_inside, 0, NR_WAYS);
	tcase_add_loop_test(dsr, dsr_without_the_node, 0, NR_WAYS);
	tcase_add_loop_test(dsr, dsr_longer_than_the_link, 0, NR_WAYS);
	tcase_add_loop_test(dsr, dsr_header_is_taken_off, 0, NR_WAYS);
	tcase_add_loop_test(dsr, dsr_shows_class_and_marks, 0, NR_WAYS);
	tcase_add_loop_test(dsr, dsr_marks_that_were_met, 0, NR_WAYS);
	tcase_add_loop_test(dsr, tunnels_of_others, 0, NR_WAYS);
	tcase_add_loop_test(dsr, dsr_does_not_go_round, 0, NR_WAYS);
	tcase_set_timeout(hops, 30);
	tcase_add_loop_test(hops, hops_of_the_kernel, 0, NR_WAYS);
	tcase_set_timeout(told, 30);
	tcase_add_loop_test(told, record_of_a_new_flow, 0, NR_WAYS);
	tcase_add_loop_test(told, record_of_a_drop, 0, NR_WAYS);
	tcase_add_loop_test(told, records_that_nobody_wants, 0, NR_WAYS);
	tcase_add_loop_test(told, records_by_sample, 0, NR_WAYS);
	tcase_add_loop_test(told, counts_of_flows, 0, NR_WAYS);
	suite_add_tcase(s, dsr);
	suite_add_tcase(s, hops);
	suite_add_tcase(s, told);
}
UNIT_MAIN("ways of packets", add_tests)
