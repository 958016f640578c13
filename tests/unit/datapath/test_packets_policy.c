/*
 * tests/unit/datapath/test_packets_policy.c: who is served by whom: traffic policies, sources,
 * affinity, and what is answered in place of a backend.
 */
#include "tests/unit/datapath/packets.h"
#include "tests/unit/unit.h"

#include <bpf/bpf.h>
#include <netinet/in.h>

static struct world w;

/* ---- policies ---- */

/* Expect @from to reach @to (VIP: nobody, for the reason @why). */
static void
reach(const char *what, enum who from, enum who to, unsigned why)
{
	struct fr in = tcp(&w, from, 40000, VIP, 80, SYN), out;
	struct fr_view v;
	struct went went;

	if (to == VIP) {
		expect(&w, what, OUTSIDE, &in, GO_DROP, why, NULL);
		return;
	}
	run(&w, OUTSIDE, &in, &went);
	ck_assert_msg(went.why == LB_FORWARDED, "%s: %s", what, bed_why_name(went.why));
	ck_assert_ptr_null(fr_read(&went.frame, &v));
	out = in;
	out.dst = who(&w, to);
	ck_assert_msg(
	    strcmp(addr_str(&v.ip.dst), out.dst) == 0, "%s: to %s", what, addr_str(&v.ip.dst));
}

/* A Service with one local backend in one scope and one elsewhere in the other, or none. */
static void
scopes(uint32_t flags, bool external, bool internal)
{
	struct bed_service s = {
		.vip = who(&w, VIP), .port = 80, .proto = IPPROTO_TCP, .flags = flags
	};
	int n = 0;

	if (external) {
		s.backend[n] = world_backend(&w, POD);
		s.backend[n++].only_external = true;
	}
	if (internal) {
		s.backend[n] = world_backend(&w, FAR);
		s.backend[n++].only_internal = true;
	}
	bed_service(&w.bed, &s, &w.be);
}

START_TEST(scope_follows_the_source)
{
	world_begin(&w, _i);
	scopes(LB_FE_EXTERNAL_LOCAL, true, true);
	reach("outside", CLIENT, POD, 0);
	reach("inside", INSIDER, FAR, 0);
}
END_TEST

START_TEST(external_local_with_none)
{
	world_begin(&w, _i);
	scopes(LB_FE_EXTERNAL_LOCAL, false, true);
	reach("outside", CLIENT, VIP, LB_NO_LOCAL);
	reach("inside", INSIDER, FAR, 0);
	ck_assert_uint_eq(bed_flow(&w.bed, who(&w, CLIENT), 40000, false, NULL), 0);
}
END_TEST

START_TEST(internal_local_with_none)
{
	world_begin(&w, _i);
	scopes(LB_FE_INTERNAL_LOCAL, true, false);
	reach("outside", CLIENT, POD, 0);
	reach("inside", INSIDER, VIP, LB_NO_LOCAL);
}
END_TEST

START_TEST(non_routable_serves_inside_only)
{
	world_begin(&w, _i);
	scopes(LB_FE_NON_ROUTABLE | LB_FE_CLUSTER_IP, true, true);
	reach("outside", CLIENT, VIP, LB_NON_ROUTABLE);
	reach("inside", INSIDER, FAR, 0);
}
END_TEST

/* Also when both scopes have the same table, which saves the question where it came from. */
START_TEST(non_routable_with_one_table)
{
	uint32_t fe;

	world_begin(&w, _i);
	fe = world_service(&w, IPPROTO_TCP, LB_FE_NON_ROUTABLE | LB_FE_CLUSTER_IP, 1, POD);
	w.bed.fe[fe].table[LB_EXTERNAL] = w.bed.fe[fe].table[LB_INTERNAL];
	reach("outside", CLIENT, VIP, LB_NON_ROUTABLE);
	reach("inside", INSIDER, POD, 0);
}
END_TEST

START_TEST(source_ranges)
{
	char range[80];
	uint32_t fe;

	world_begin(&w, _i);
	fe = world_service(&w, IPPROTO_TCP, LB_FE_SOURCE_RANGES, 1, POD);
	snprintf(range, sizeof(range), "%s/%d", who(&w, CLIENT), w.v6 ? 128 : 32);
	bed_range(&w.bed, fe + 1, range);
	reach("in the range", CLIENT, POD, 0);
	reach("not in the range", CLIENT2, VIP, LB_SOURCE_RANGE);
	reach("of the cluster", INSIDER, POD, 0);
}
END_TEST

/* The ranges of one Service are not those of another, and a shorter prefix counts too. */
START_TEST(source_ranges_of_another)
{
	uint32_t fe;

	world_begin(&w, _i);
	fe = world_service(&w, IPPROTO_TCP, LB_FE_SOURCE_RANGES, 1, POD);
	bed_range(&w.bed, fe + 2, w.v6 ? "::/0" : "0.0.0.0/0");
	reach("range of another", CLIENT, VIP, LB_SOURCE_RANGE);
	bed_range(&w.bed, fe + 1, w.v6 ? "2001:db8:7::/48" : "198.51.100.0/24");
	reach("in the prefix", CLIENT2, POD, 0);
	reach("outside of it", STRANGER, VIP, LB_SOURCE_RANGE);
}
END_TEST

START_TEST(affinity)
{
	struct lb_affinity_key k = { .scope = LB_EXTERNAL };
	struct lb_affinity a;
	uint32_t fe, row, fd = (uint32_t)w.bed.fd[DP_MAP_AFFINITY];
	struct went went;
	struct fr in;

	world_begin(&w, _i);
	scopes(LB_FE_AFFINITY, true, true);
	fe = w.bed.nr_fe - 1;
	w.bed.fe[fe].affinity_s = 100;
	in = tcp(&w, CLIENT, 1, VIP, 80, SYN);
	run(&w, OUTSIDE, &in, &went);
	ck_assert_uint_eq(went.up[LB_X_AFFINITY], 0);
	ck_assert_uint_eq(LB_FLOW_BACKEND(bed_flow(&w.bed, who(&w, CLIENT), 1, false, NULL)), w.be);

	row = w.be + 1; /* from now on the table has another */
	bed_table(&w.bed, fe, LB_EXTERNAL, &row, 1);
	for (uint16_t port = 2; port < 20; port++) {
		in = tcp(&w, CLIENT, port, VIP, 80, SYN);
		run(&w, OUTSIDE, &in, &went);
		ck_assert_uint_eq(went.up[LB_X_AFFINITY], 1);
		ck_assert_uint_eq(
		    LB_FLOW_BACKEND(bed_flow(&w.bed, who(&w, CLIENT), port, false, NULL)), w.be);
	}
	reach("another client", CLIENT2, FAR, 0);

	k.client = bed_addr(who(&w, CLIENT));
	k.frontend = fe;
	ck_assert_int_eq(bpf_map_lookup_elem((int)fd, &k, &a), 0);
	ck_assert_uint_eq(a.backend, w.be);
	a.seen -= 95;
	ck_assert_int_eq(bpf_map_update_elem((int)fd, &k, &a, BPF_ANY), 0);
	in = tcp(&w, CLIENT, 30, VIP, 80, SYN);
	run(&w, OUTSIDE, &in, &went);
	ck_assert_uint_eq(went.up[LB_X_AFFINITY], 0); /* 95 ticks are 102 s */
	ck_assert_uint_eq(LB_FLOW_BACKEND(bed_flow(&w.bed, who(&w, CLIENT), 30, false, NULL)), row);
}
END_TEST

START_TEST(affinity_to_a_backend_that_went)
{
	uint32_t fe, row;
	struct went went;
	struct fr in;

	world_begin(&w, _i);
	scopes(LB_FE_AFFINITY, true, true);
	fe = w.bed.nr_fe - 1;
	w.bed.fe[fe].affinity_s = 100;
	in = tcp(&w, CLIENT, 1, VIP, 80, SYN);
	run(&w, OUTSIDE, &in, &went);
	row = w.be + 1;
	bed_table(&w.bed, fe, LB_EXTERNAL, &row, 1);
	w.bed.be[w.be].flags |= LB_BE_TERMINATING;
	in = tcp(&w, CLIENT, 2, VIP, 80, SYN);
	run(&w, OUTSIDE, &in, &went);
	ck_assert_uint_eq(LB_FLOW_BACKEND(bed_flow(&w.bed, who(&w, CLIENT), 2, false, NULL)), row);
}
END_TEST

/* Slots are as narrow as the list allows; the last of each width has every bit set. */
START_TEST(slots_of_every_width)
{
	static const uint32_t nrs[] = { 1, 2, 15, 16, 17, 255, 256, 257, 4096 };
	uint32_t fe, dead = BED_ROWS - 1, off;
	uint64_t *words;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, LB_FE_LOAD_BALANCER, 1, POD);
	fe = w.bed.nr_fe - 1;
	for (size_t k = 0; k < sizeof(nrs) / sizeof(nrs[0]); k++) {
		uint32_t nr = nrs[k], *list;

		off = w.bed.nr_words;
		words = &w.bed.tables[off];
		list = (uint32_t *)(void *)words;
		ck_assert_uint_le(off + LB_TABLE_WORDS(67, nr), BED_WORDS);
		for (uint32_t i = 0; i < nr; i++)
			list[i] = i == nr - 1 ? w.be : dead;
		for (uint32_t i = 0; i < 67; i++)
			words[lb_slot_word(i, nr)] |= (uint64_t)(nr - 1)
			    << ((i << LB_SLOT_LOG(nr)) & 63);
		w.bed.nr_words += LB_TABLE_WORDS(67, nr);
		for (int scope = 0; scope < LB_NR_SCOPES; scope++)
			w.bed.fe[fe].table[scope] = LB_TABLE(off, 67, nr);
		for (uint16_t i = 0; i < 40; i++) {
			struct fr in =
			    tcp(&w, CLIENT, (uint16_t)(1000 + k * 100 + i), VIP, 80, SYN);
			struct went went;

			run(&w, OUTSIDE, &in, &went);
			ck_assert_uint_eq(went.up[LB_FORWARDED], 1);
		}
	}
}
END_TEST

/* With one hash of the flow the choice is the same every time and spreads over all. */
START_TEST(flows_spread_over_backends)
{
	unsigned hits[3] = { 0 };
	struct went went;
	struct fr in;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_UDP, 0, 3, POD, POD2, FAR);
	for (uint16_t port = 1; port <= 150; port++) {
		in = udp(&w, CLIENT, port, VIP, 80);
		run(&w, OUTSIDE, &in, &went);
		hits[LB_FLOW_BACKEND(bed_flow(&w.bed, who(&w, CLIENT), port, false, NULL)) -
		    w.be]++;
	}
	for (int i = 0; i < 3; i++)
		ck_assert_msg(hits[i] > 25, "%u, %u, %u", hits[0], hits[1], hits[2]);
}
END_TEST

/* ---- answers in place of a backend ---- */

static const uint8_t options[8] = { 1, 1, 8, 10, 1, 2, 3, 4 }; /* not all of a timestamp */

/* RFC 9293 3.10.7.1.  seq, ack and flags of the answer; 0 flags: none. */
static const struct {
	const char *what;
	uint8_t flags;
	size_t payload;
	uint32_t seq, ack;
	uint8_t answer;
} resets[] = {
	{ "SYN", SYN, 0, 0, 1000001, RST | ACK },
	{ "SYN with data", SYN, 10, 0, 1000011, RST | ACK },
	{ "nothing set", 0, 10, 0, 1000010, RST | ACK },
	{ "FIN without ACK", FIN, 5, 0, 1000006, RST | ACK },
	{ "ACK", ACK, 0, 77, 0, RST },
	{ "ACK with data", ACK | PSH, 100, 77, 0, RST },
	{ "SYN ACK", SYN | ACK, 0, 77, 0, RST },
	{ "FIN ACK", FIN | ACK, 3, 77, 0, RST },
	{ "RST", RST, 0, 0, 0, 0 },
	{ "RST ACK", RST | ACK, 0, 0, 0, 0 },
};

static void
reset_case(enum door door, enum who from, uint16_t port, unsigned why)
{
	for (size_t i = 0; i < sizeof(resets) / sizeof(resets[0]); i++) {
		struct fr in = tcp(&w, from, 40000, VIP, port, resets[i].flags), out;

		in.payload = resets[i].payload;
		in.tcp_opts = options;
		in.nr_tcp_opts = i % 2 ? 8 : 0;
		if (!resets[i].answer) {
			expect(&w, resets[i].what, door, &in, GO_DROP, why, NULL);
			continue;
		}
		out = answered(&in, IPPROTO_TCP);
		out.sport = port;
		out.dport = 40000;
		out.seq = resets[i].seq;
		out.ack = resets[i].ack;
		out.flags = resets[i].answer;
		expect(&w, resets[i].what, door, &in, GO_OUT, why, &out);
	}
	ck_assert_uint_eq(bed_flows(&w.bed, w.v6), 0);
}

START_TEST(unknown_port_is_reset)
{
	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, POD);
	reset_case(OUTSIDE, CLIENT, 81, LB_NO_SERVICE);
	reset_case(PODS, POD, 81, LB_NO_SERVICE);
	reset_case(OUTWARD, NODE, 81, LB_NO_SERVICE);
}
END_TEST

START_TEST(no_endpoint_is_reset)
{
	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 0);
	reset_case(OUTSIDE, CLIENT, 80, LB_NO_BACKEND);
}
END_TEST

/* IPv4 options and IPv6 extension headers of the segment are not in the answer. */
START_TEST(reset_drops_options)
{
	struct fr in, out;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, POD);
	in = tcp(&w, CLIENT, 40000, VIP, 81, SYN);
	out = answered(&in, IPPROTO_TCP);
	out.sport = 81;
	out.dport = 40000;
	out.ack = 1000001;
	out.flags = RST | ACK;
	in.nr_ext = 1;
	in.ext[0] = (struct fr_ext){ EXT_DEST, 1 };
	in.opts = (const uint8_t[]){ 1, 1, 1, 0 };
	in.nr_opts = 4;
	expect(&w, "options", OUTSIDE, &in, GO_OUT, LB_NO_SERVICE, &out);
}
END_TEST

/* RFC 792, RFC 4443 3.1: as much of the packet as fits into 576 or 1280 bytes. */
static void
unreach_case(enum door door, enum who from, uint16_t port, size_t payload, unsigned why)
{
	struct fr in = udp(&w, from, 40000, VIP, port), out;
	size_t whole;

	in.payload = payload;
	whole = (w.v6 ? 40U : 20U) + 8 + payload;
	out = answered(&in, w.v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	out.type = w.v6 ? 1 : 3;
	out.code = w.v6 ? 4 : 3;
	out.inner = &in;
	out.inner_len = w.v6 ? 1280 - 48 : 576 - 28;
	if (whole < out.inner_len)
		out.inner_len = 0;
	expect(&w, "unreachable", door, &in, GO_OUT, why, &out);
}

START_TEST(unknown_port_is_unreachable)
{
	world_begin(&w, _i);
	world_service(&w, IPPROTO_UDP, 0, 1, POD);
	for (size_t payload = 0; payload < 20; payload++)
		unreach_case(OUTSIDE, CLIENT, 81, payload, LB_NO_SERVICE);
	unreach_case(OUTSIDE, CLIENT, 81, 519, LB_NO_SERVICE);
	unreach_case(OUTSIDE, CLIENT, 81, 520, LB_NO_SERVICE);
	unreach_case(OUTSIDE, CLIENT, 81, 521, LB_NO_SERVICE);
	unreach_case(OUTSIDE, CLIENT, 81, 1184, LB_NO_SERVICE);
	unreach_case(OUTSIDE, CLIENT, 81, 1400, LB_NO_SERVICE);
	unreach_case(PODS, POD, 81, 33, LB_NO_SERVICE);
}
END_TEST

START_TEST(no_endpoint_is_unreachable)
{
	world_begin(&w, _i);
	world_service(&w, IPPROTO_UDP, 0, 0);
	unreach_case(OUTSIDE, CLIENT, 80, 64, LB_NO_BACKEND);
}
END_TEST

/* RFC 1122 3.2.2, RFC 4443 2.4(e): no error about these. */
START_TEST(no_error_about_what_must_have_none)
{
	struct fr in;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_UDP, 0, 1, POD);
	in = udp(&w, CLIENT, 40000, VIP, 81);
	in.src = w.v6 ? "ff02::1" : "224.0.0.1";
	expect(&w, "from a group", OUTSIDE, &in, GO_DROP, LB_NO_SERVICE, NULL);
	in.src = w.v6 ? "::" : "0.0.0.0";
	expect(&w, "from nobody", OUTSIDE, &in, GO_DROP, LB_NO_SERVICE, NULL);
	if (!w.v6) {
		in.src = "255.255.255.255";
		expect(&w, "from all", OUTSIDE, &in, GO_DROP, LB_NO_SERVICE, NULL);
	}
	in = udp(&w, CLIENT, 40000, VIP, 81);
	in.payload = 64;
	in.frag_off = 24;
	expect(&w, "a later fragment", OUTSIDE, &in, GO_DROP, LB_FRAGMENT, NULL);
}
END_TEST

START_TEST(echo)
{
	struct fr in, out;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, POD);
	for (size_t payload = 0; payload < 70; payload += 23) {
		in = icmp(&w, CLIENT, VIP, ECHO, 0x12340001, NULL);
		in.payload = payload;
		in.ttl = 9;
		out = icmp(&w, VIP, CLIENT, ECHO_REPLY, 0x12340001, NULL);
		out.payload = payload;
		memcpy(out.dmac, in.smac, 6);
		memcpy(out.smac, in.dmac, 6);
		expect(&w, "echo", OUTSIDE, &in, GO_OUT, LB_ECHO, &out);
	}
	in = icmp(&w, CLIENT, STRANGER, ECHO, 1, NULL);
	expect(&w, "to a stranger", OUTSIDE, &in, GO_ON, LB_NR_WHY, NULL);
	in = icmp(&w, CLIENT, NODE, ECHO, 1, NULL);
	expect(&w, "to the node", OUTSIDE, &in, GO_ON, LB_NR_WHY, NULL);
	w.bed.conf->flags &= ~(uint32_t)LB_CONF_ECHO;
	in = icmp(&w, CLIENT, VIP, ECHO, 1, NULL);
	expect(&w, "not wanted", OUTSIDE, &in, GO_DROP, LB_UNSUPPORTED, NULL);
}
END_TEST

START_TEST(other_protocols_of_a_vip)
{
	struct fr in;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, POD);
	in = icmp(&w, CLIENT, VIP, ECHO_REPLY, 1, NULL);
	expect(&w, "echo reply", OUTSIDE, &in, GO_DROP, LB_UNSUPPORTED, NULL);
	in = udp(&w, CLIENT, 1, VIP, 2);
	in.proto = IPPROTO_GRE;
	expect(&w, "GRE", OUTSIDE, &in, GO_DROP, LB_UNSUPPORTED, NULL);
	in.dst = who(&w, STRANGER);
	expect(&w, "GRE to a stranger", OUTSIDE, &in, GO_ON, LB_NR_WHY, NULL);
}
END_TEST

/* ---- from pods and from the node ---- */

START_TEST(pod_to_another)
{
	struct fr in, out;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, POD2);
	in = tcp(&w, POD, 40000, VIP, 80, SYN);
	out = sent(&in, POD2);
	out.dst = who(&w, POD2);
	out.dport = 8080;
	expect(&w, "to", PODS, &in, GO_OUT, LB_FORWARDED, &out);
	in = tcp(&w, POD2, 8080, POD, 40000, SYN | ACK);
	out = sent(&in, POD);
	out.src = who(&w, VIP);
	out.sport = 80;
	expect(&w, "back", PODS, &in, GO_OUT, LB_REPLIED, &out);
}
END_TEST

/* Inside the cluster addresses are routed as they are: no source NAT. */
START_TEST(pod_to_one_elsewhere)
{
	struct fr in, out;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, FAR);
	in = tcp(&w, POD, 40000, VIP, 80, SYN);
	out = sent(&in, FAR);
	out.dst = who(&w, FAR);
	out.dport = 8080;
	expect(&w, "to", PODS, &in, GO_OUT, LB_FORWARDED, &out);
	in = tcp(&w, FAR, 8080, POD, 40000, SYN | ACK);
	out = sent(&in, POD);
	out.src = who(&w, VIP);
	out.sport = 80;
	expect(&w, "back", OUTSIDE, &in, GO_OUT, LB_REPLIED, &out);
}
END_TEST

/* A pod that reaches itself must not see its own address as the client. */
START_TEST(hairpin)
{
	struct fr in, out;
	uint16_t port;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, POD);
	in = tcp(&w, POD, 40000, VIP, 80, SYN);
	run(&w, PODS, &in, &(struct went){ 0 });
	port = snat_port(&w, POD, 40000);
	out = sent(&in, POD);
	out.src = who(&w, NODE);
	out.sport = port;
	out.dst = who(&w, POD);
	out.dport = 8080;
	expect(&w, "to", PODS, &in, GO_OUT, LB_FORWARDED, &out);
	in = tcp(&w, POD, 8080, NODE, port, SYN | ACK);
	out = sent(&in, POD);
	out.src = who(&w, VIP);
	out.sport = 80;
	out.dst = who(&w, POD);
	out.dport = 40000;
	expect(&w, "back", PODS, &in, GO_OUT, LB_REPLIED, &out);
}
END_TEST

START_TEST(node_to_pods)
{
	struct fr in, out;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, FAR);
	in = tcp(&w, NODE, 40000, VIP, 80, SYN);
	out = sent(&in, FAR);
	out.dst = who(&w, FAR);
	out.dport = 8080;
	expect(&w, "to", OUTWARD, &in, GO_OUT, LB_FORWARDED, &out);
}
END_TEST

/* A backend in the host's network: up the stack, and its reply on the way out. */
START_TEST(backend_of_the_node_itself)
{
	struct fr in, out;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, NODE);
	in = tcp(&w, CLIENT, 40000, VIP, 80, SYN);
	out = in;
	out.dst = who(&w, NODE);
	out.dport = 8080;
	out.ttl = 63;
	expect(&w, "to", OUTSIDE, &in, GO_ON, LB_FORWARDED, &out);
	in = tcp(&w, NODE, 8080, CLIENT, 40000, SYN | ACK);
	out = in;
	out.src = who(&w, VIP);
	out.sport = 80;
	out.ttl = 63;
	expect(&w, "back", OUTWARD, &in, GO_ON, LB_REPLIED, &out);
}
END_TEST

static void
add_policies(TCase *tc)
{
	tcase_add_loop_test(tc, scope_follows_the_source, 0, NR_WAYS);
	tcase_add_loop_test(tc, external_local_with_none, 0, NR_WAYS);
	tcase_add_loop_test(tc, internal_local_with_none, 0, NR_WAYS);
	tcase_add_loop_test(tc, non_routable_serves_inside_only, 0, NR_WAYS);
	tcase_add_loop_test(tc, non_routable_with_one_table, 0, NR_WAYS);
	tcase_add_loop_test(tc, source_ranges, 0, NR_WAYS);
	tcase_add_loop_test(tc, source_ranges_of_another, 0, NR_WAYS);
	tcase_add_loop_test(tc, affinity, 0, NR_WAYS);
	tcase_add_loop_test(tc, affinity_to_a_backend_that_went, 0, NR_WAYS);
	tcase_add_loop_test(tc, slots_of_every_width, 0, NR_WAYS);
	tcase_add_loop_test(tc, flows_spread_over_backends, 0, NR_WAYS);
}

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("policies"), *answers = tcase_create("answers"),
	      *inside = tcase_create("inside");

	world_make(&w);
	add_policies(tc);
	tcase_add_loop_test(answers, unknown_port_is_reset, 0, NR_WAYS);
	tcase_add_loop_test(answers, no_endpoint_is_reset, 0, NR_WAYS);
	tcase_add_loop_test(answers, reset_drops_options, 0, NR_WAYS);
	tcase_add_loop_test(answers, unknown_port_is_unreachable, 0, NR_WAYS);
	tcase_add_loop_test(answers, no_endpoint_is_unreachable, 0, NR_WAYS);
	tcase_add_loop_test(answers, no_error_about_what_must_have_none, 0, NR_WAYS);
	tcase_add_loop_test(answers, echo, 0, NR_WAYS);
	tcase_add_loop_test(answers, other_protocols_of_a_vip, 0, NR_WAYS);
	tcase_add_loop_test(inside, pod_to_another, 0, NR_WAYS);
	tcase_add_loop_test(inside, pod_to_one_elsewhere, 0, NR_WAYS);
	tcase_add_loop_test(inside, hairpin, 0, NR_WAYS);
	tcase_add_loop_test(inside, node_to_pods, 0, NR_WAYS);
	tcase_add_loop_test(inside, backend_of_the_node_itself, 0, NR_WAYS);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, answers);
	suite_add_tcase(s, inside);
}
UNIT_MAIN("packets and policies", add_tests)
