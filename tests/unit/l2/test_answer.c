/*
 * tests/unit/l2/test_answer.c: every form of an ARP packet or neighbour discovery message through
 * the program, in a real kernel, attached to nothing: the verdict, each byte of the answer, what is
 * counted and what is told.  Skipped without the rights.
 */
#include "tests/unit/l2/run.h"

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <time.h>

#define VIP4 "192.0.2.211"
#define VIP6 "2001:db8::abcd:1"
#define HOST4 "192.0.2.7"
#define HOST6 "2001:db8::7"

static const uint8_t mac_c[6] = { 0x02, 0xcc, 0, 0, 0, 3 }, mac_group[6] = { 0x03, 0, 0, 0, 0, 1 },
		     mac_none[6], mac_all[6] = { 255, 255, 255, 255, 255, 255 },
		     mac_all6[6] = { 0x33, 0x33, 0, 0, 0, 1 };

static void
setup(void)
{
	run_setup();
	own(VIP4, va);
	own(VIP6, va);
}

/* ---- ARP ---- */

static void
arp_asked(const struct arp *q, const struct arp *want, unsigned also)
{
	struct frame in, out;

	arp_build(&in, q);
	arp_build(&out, want);
	answers(&in, &out, L2_ARP_ANSWERED, also);
}

START_TEST(arp_request)
{
	struct arp want = { .dmac = mac_b,
		.smac = mac_a,
		.op = 2,
		.sha = mac_a,
		.spa = VIP4,
		.tha = mac_b,
		.tpa = HOST4 };

	/* RFC 826: to everybody, and (RFC 1122 2.3.2.1) a poll to us alone. */
	arp_asked(&(struct arp){ .spa = HOST4, .tpa = VIP4 }, &want, L2_NR_COUNTS);
	arp_asked(&(struct arp){ .dmac = mac_a, .spa = HOST4, .tpa = VIP4 }, &want, L2_NR_COUNTS);
	/* Padding is not given back; what stands as target hardware address means nothing. */
	arp_asked(&(struct arp){ .spa = HOST4, .tpa = VIP4, .tha = mac_all, .pad = 18 }, &want,
	    L2_NR_COUNTS);
	ck_assert_uint_eq(entry(VIP4).answered, 3);
	ck_assert_uint_eq(nr_events, 0);
}
END_TEST

/* RFC 826: the answer goes to the sender's hardware address, not to who carried the frame. */
START_TEST(arp_request_by_another)
{
	arp_asked(&(struct arp){ .smac = mac_c, .spa = HOST4, .tpa = VIP4 },
	    &(struct arp){ .dmac = mac_b,
		.smac = mac_a,
		.op = 2,
		.sha = mac_a,
		.spa = VIP4,
		.tha = mac_b,
		.tpa = HOST4 },
	    L2_NR_COUNTS);
}
END_TEST

/* RFC 5227 2.1: answered, so that its sender looks for another address, and told. */
START_TEST(arp_probe)
{
	arp_asked(&(struct arp){ .spa = "0.0.0.0", .tpa = VIP4 },
	    &(struct arp){ .dmac = mac_b,
		.smac = mac_a,
		.op = 2,
		.sha = mac_a,
		.spa = VIP4,
		.tha = mac_b,
		.tpa = "0.0.0.0" },
	    L2_ARP_PROBE);
	told(1, L2_PROBES, VIP4, mac_b);
	ck_assert_uint_eq(entry(VIP4).claims[L2_PROBES], 1);
	ck_assert_uint_eq(entry(VIP4).claims[L2_CLAIMS], 0);
}
END_TEST

START_TEST(arp_not_ours)
{
	struct frame f;

	arp_build(&f, &(struct arp){ .spa = HOST4, .tpa = "192.0.2.212" });
	passes(&f, L2_NR_COUNTS);
	/* An answer to somebody about somebody. */
	arp_build(&f, &(struct arp){ .op = 2, .spa = HOST4, .tpa = VIP4, .dmac = mac_a });
	passes(&f, L2_NR_COUNTS);
	/* For another host, shown by a device that shows all. */
	arp_build(&f, &(struct arp){ .dmac = mac_c, .spa = HOST4, .tpa = VIP4 });
	passes(&f, L2_NR_COUNTS);
	/* RARP's, InARP's and such. */
	for (uint16_t op = 3; op < 12; op++) {
		arp_build(&f, &(struct arp){ .op = op, .spa = HOST4, .tpa = VIP4 });
		passes(&f, L2_NR_COUNTS);
	}
	/* Our own question, which a switch gave back. */
	arp_build(&f, &(struct arp){ .sha = mac_a, .spa = HOST4, .tpa = VIP4 });
	passes(&f, L2_NR_COUNTS);
	ck_assert_uint_eq(entry(VIP4).answered, 0);
}
END_TEST

/* The same address on another device is another matter. */
START_TEST(arp_other_device)
{
	struct addr addr = ip(VIP4);
	struct l2_key key = answer_key(&addr, va);
	struct frame f;

	own(VIP4, vb);
	ck_assert_int_eq(answer_del(&a, &key), 0);
	arp_build(&f, &(struct arp){ .spa = HOST4, .tpa = VIP4 });
	passes(&f, L2_NR_COUNTS);
}
END_TEST

/* RFC 5227 2.4: any packet with our address for its sender's, from another's hardware address. */
START_TEST(arp_claimed)
{
	static const struct arp forms[] = {
		{ .op = 1, .spa = VIP4, .tpa = VIP4 },		       /* announcement */
		{ .op = 2, .spa = VIP4, .tpa = VIP4, .tha = mac_all }, /* its other form */
		{ .op = 1, .spa = VIP4, .tpa = HOST4 },		       /* asks as us */
		{ .op = 2, .spa = VIP4, .tpa = HOST4, .dmac = mac_a }, /* answers as us */
	};
	struct frame f;

	arp_build(&f, &forms[_i]);
	passes(&f, L2_ARP_FOREIGN);
	told(1, L2_CLAIMS, VIP4, mac_b);
	ck_assert_uint_eq(entry(VIP4).claims[L2_CLAIMS], 1);
	ck_assert_mem_eq(entry(VIP4).foreign[L2_CLAIMS], mac_b, 6);
	/* Within a second it is counted and not told again. */
	passes(&f, L2_ARP_FOREIGN);
	ck_assert_uint_eq(nr_events, 1);
	ck_assert_uint_eq(entry(VIP4).claims[L2_CLAIMS], 2);
	ck_assert_uint_eq(entry(VIP4).answered, 0);
}
END_TEST

START_TEST(arp_own_announcement)
{
	struct frame f;

	arp_build(&f, &(struct arp){ .sha = mac_a, .spa = VIP4, .tpa = VIP4 });
	passes(&f, L2_NR_COUNTS);
	ck_assert_uint_eq(nr_events, 0);
}
END_TEST

START_TEST(arp_malformed)
{
	static const struct arp forms[] = {
		{ .hrd = 6, .spa = HOST4, .tpa = VIP4 },
		{ .pro = 0x86dd, .spa = HOST4, .tpa = VIP4 },
		{ .hln = 8, .spa = HOST4, .tpa = VIP4 },
		{ .pln = 16, .spa = HOST4, .tpa = VIP4 },
		{ .sha = mac_group, .spa = HOST4, .tpa = VIP4 },
		{ .sha = mac_all, .spa = HOST4, .tpa = VIP4 },
		{ .sha = mac_none, .spa = HOST4, .tpa = VIP4 },
	};
	struct frame f;

	arp_build(&f, &forms[_i]);
	passes(&f, L2_ARP_MALFORMED);
	ck_assert_uint_eq(entry(VIP4).answered, 0);
}
END_TEST

START_TEST(arp_short)
{
	struct frame f;

	arp_build(&f, &(struct arp){ .spa = HOST4, .tpa = VIP4 });
	for (f.len = 14; f.len < 42; f.len++)
		passes(&f, L2_ARP_MALFORMED);
}
END_TEST

/* ---- neighbour discovery ---- */

static void
nd_asked(const struct nd *q, const struct nd *want, unsigned also)
{
	struct frame in, out;

	nd_build(&in, q);
	nd_build(&out, want);
	answers(&in, &out, L2_ND_ANSWERED, also);
}

/* RFC 4861 7.2.4. */
START_TEST(nd_solicitation)
{
	struct nd want = { .dmac = mac_b,
		.smac = mac_a,
		.src = VIP6,
		.dst = HOST6,
		.target = VIP6,
		.type = 136,
		.flags = 0x60,
		.tlla = mac_a };

	nd_asked(&(struct nd){ .src = HOST6, .dst = group_of(VIP6), .target = VIP6, .slla = mac_b },
	    &want, L2_NR_COUNTS);
	/* Is it still there?  To the address itself; with and without the option. */
	nd_asked(&(struct nd){ .src = HOST6, .dst = VIP6, .target = VIP6, .slla = mac_b }, &want,
	    L2_NR_COUNTS);
	nd_asked(&(struct nd){ .src = HOST6, .dst = VIP6, .target = VIP6 }, &want, L2_NR_COUNTS);
	/* With options that are not known, and one more. */
	nd_asked(
	    &(struct nd){
		.src = HOST6, .dst = group_of(VIP6), .target = VIP6, .slla = mac_b, .nonce = true },
	    &want, L2_NR_COUNTS);
	nd_asked(
	    &(struct nd){
		.src = HOST6, .dst = group_of(VIP6), .target = VIP6, .tlla = mac_c, .nonce = true },
	    &want, L2_NR_COUNTS);
	/* Flags of a solicitation are reserved: ignored. */
	nd_asked(
	    &(struct nd){
		.src = HOST6, .dst = group_of(VIP6), .target = VIP6, .flags = 0xff, .slla = mac_b },
	    &want, L2_NR_COUNTS);
	ck_assert_uint_eq(entry(VIP6).answered, 6);
	ck_assert_uint_eq(nr_events, 0);
}
END_TEST

/* The option says where to answer to. */
START_TEST(nd_solicitation_by_another)
{
	nd_asked(
	    &(struct nd){
		.smac = mac_c, .src = HOST6, .dst = group_of(VIP6), .target = VIP6, .slla = mac_b },
	    &(struct nd){ .dmac = mac_b,
		.smac = mac_a,
		.src = VIP6,
		.dst = HOST6,
		.target = VIP6,
		.type = 136,
		.flags = 0x60,
		.tlla = mac_a },
	    L2_NR_COUNTS);
}
END_TEST

START_TEST(nd_router)
{
	device(L2_DEVICE_ROUTER);
	nd_asked(&(struct nd){ .src = HOST6, .dst = group_of(VIP6), .target = VIP6, .slla = mac_b },
	    &(struct nd){ .dmac = mac_b,
		.smac = mac_a,
		.src = VIP6,
		.dst = HOST6,
		.target = VIP6,
		.type = 136,
		.flags = 0xe0,
		.tlla = mac_a },
	    L2_NR_COUNTS);
}
END_TEST

/* RFC 4862 5.4: from nowhere; RFC 4861 7.2.4: answered to all nodes, not solicited. */
START_TEST(nd_dad)
{
	struct nd want = { .dmac = mac_all6,
		.smac = mac_a,
		.src = VIP6,
		.dst = "ff02::1",
		.target = VIP6,
		.type = 136,
		.flags = 0x20,
		.tlla = mac_a };

	nd_asked(
	    &(struct nd){ .src = "::", .dst = group_of(VIP6), .target = VIP6 }, &want, L2_ND_PROBE);
	told(1, L2_PROBES, VIP6, mac_b);
	/* RFC 7527: with a nonce. */
	nd_asked(&(struct nd){ .src = "::", .dst = group_of(VIP6), .target = VIP6, .nonce = true },
	    &want, L2_ND_PROBE);
	ck_assert_uint_eq(entry(VIP6).claims[L2_PROBES], 2);
	ck_assert_uint_eq(nr_events, 1);
}
END_TEST

START_TEST(nd_not_ours)
{
	struct frame f;

	nd_build(&f,
	    &(struct nd){ .src = HOST6,
		.dst = group_of("2001:db8::2:abcd:1"),
		.target = "2001:db8::2:abcd:1",
		.slla = mac_b });
	passes(&f, L2_NR_COUNTS);
	/* Not by ours: what is wrong with it is the kernel's to judge. */
	nd_build(&f,
	    &(struct nd){ .src = HOST6,
		.dst = "ff02::1:ff00:8",
		.target = "2001:db8::8",
		.hop = 64,
		.bad_sum = true });
	passes(&f, L2_NR_COUNTS);
	nd_build(&f, &(struct nd){ .dmac = mac_c, .src = HOST6, .dst = VIP6, .target = VIP6 });
	passes(&f, L2_NR_COUNTS);
	for (unsigned type = 128; type < 138; type++) {
		if (type == 135 || type == 136)
			continue;
		nd_build(&f,
		    &(struct nd){
			.src = HOST6, .dst = VIP6, .target = VIP6, .type = (uint8_t)type });
		passes(&f, L2_NR_COUNTS);
	}
}
END_TEST

/* Whatever comes first of them, an extension header has no place before neighbour discovery here
 * (RFC 6980 forbids fragments). */
START_TEST(nd_behind_a_header)
{
	struct frame f;

	nd_build(&f, &(struct nd){ .src = HOST6, .dst = VIP6, .target = VIP6 });
	f.b[20] = 44;
	passes(&f, L2_NR_COUNTS);
	f.b[20] = 0;
	passes(&f, L2_NR_COUNTS);
}
END_TEST

/* RFC 4861 7.1.1, 7.1.2. */
START_TEST(nd_malformed)
{
	static const uint8_t none[8] = { 14, 0 }, cut[3] = { 14, 1, 0 },
			     beyond[8] = { 14, 2, 0, 0, 0, 0, 0, 0 },
			     two[16] = { 1, 2, 2, 0xbb, 0, 0, 0, 2 };
	const char *group = group_of(VIP6);
	const struct {
		struct nd m;
		unsigned what;
	} forms[] = {
		{ { .dst = group, .hop = 254, .slla = mac_b }, L2_ND_HOP_LIMIT },
		{ { .dst = VIP6, .hop = 64 }, L2_ND_HOP_LIMIT },
		{ { .dst = group, .code = 1, .slla = mac_b }, L2_ND_CODE },
		{ { .dst = group, .bad_sum = true, .slla = mac_b }, L2_ND_CHECKSUM },
		{ { .dst = group, .len_off = -1 }, L2_ND_SHORT },
		{ { .dst = group, .len_off = 8 }, L2_ND_SHORT },
		{ { .dst = group, .raw = none, .nr_raw = 8 }, L2_ND_OPTION },
		{ { .dst = group, .raw = cut, .nr_raw = 3 }, L2_ND_OPTION },
		{ { .dst = group, .raw = beyond, .nr_raw = 8 }, L2_ND_OPTION },
		{ { .dst = group, .slla = mac_b, .raw = none, .nr_raw = 8 }, L2_ND_OPTION },
		{ { .dst = group, .raw = two, .nr_raw = 16 }, L2_ND_OPTION },
		{ { .dst = group, .slla = mac_group }, L2_ND_OPTION },
		{ { .dst = group, .slla = mac_none }, L2_ND_OPTION },
		{ { .src = "::", .dst = group, .slla = mac_b }, L2_ND_ADDRESS },
		{ { .src = "::", .dst = VIP6 }, L2_ND_ADDRESS },
		{ { .src = "::", .dst = "ff02::1" }, L2_ND_ADDRESS },
		{ { .dst = "ff02::1", .slla = mac_b }, L2_ND_ADDRESS },
		{ { .dst = group_of("::9"), .slla = mac_b }, L2_ND_ADDRESS },
		{ { .src = "ff02::5", .dst = group, .slla = mac_b }, L2_ND_ADDRESS },
		{ { .type = 136, .dst = "ff02::1", .hop = 254, .tlla = mac_b }, L2_ND_HOP_LIMIT },
		{ { .type = 136, .dst = "ff02::1", .bad_sum = true }, L2_ND_CHECKSUM },
		{ { .type = 136, .dst = "ff02::1", .raw = none, .nr_raw = 8 }, L2_ND_OPTION },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct nd m = forms[i].m;
		struct frame f;

		m.src = m.src ? m.src : HOST6;
		m.target = VIP6;
		nd_build(&f, &m);
		drops(&f, forms[i].what);
	}
	ck_assert_uint_eq(entry(VIP6).answered, 0);
	ck_assert_uint_eq(nr_events, 0);
}
END_TEST

/* All lengths short of the whole, of the frame with its headers as they were, and of all with a
 * length that fits. */
START_TEST(nd_cut)
{
	struct nd m = { .src = HOST6, .dst = group_of(VIP6), .target = VIP6, .slla = mac_b };
	struct frame f;

	nd_build(&f, &m);
	for (size_t len = 78; len < f.len; len++) {
		struct frame cut = f;

		cut.len = len;
		drops(&cut, L2_ND_SHORT);
	}
	for (size_t len = 55; len < 78; len++) {
		struct frame cut = f;

		cut.len = len;
		passes(&cut, L2_NR_COUNTS);
	}
	for (int off = -1; off > -8; off--) {
		m.len_off = off;
		nd_build(&f, &m);
		drops(&f, L2_ND_OPTION);
	}
	for (int off = -9; off > -32; off--) {
		m.len_off = off;
		nd_build(&f, &m);
		drops(&f, L2_ND_SHORT);
	}
}
END_TEST

/* As long as is looked at, and longer. */
START_TEST(nd_long)
{
	uint8_t options[240];
	struct nd m = { .src = HOST6, .dst = group_of(VIP6), .target = VIP6, .raw = options };
	struct frame f;

	memset(options, 0, sizeof(options));
	for (size_t i = 0; i < sizeof(options); i += 8)
		options[i] = 200, options[i + 1] = 1;
	m.nr_raw = 232;
	nd_build(&f, &m);
	ck_assert_int_eq((int)run(&f).verdict, TC_ACT_REDIRECT);
	m.nr_raw = 240;
	nd_build(&f, &m);
	drops(&f, L2_ND_SHORT);
	/* One that fills it. */
	options[1] = 29;
	m.nr_raw = 232;
	nd_build(&f, &m);
	ck_assert_int_eq((int)run(&f).verdict, TC_ACT_REDIRECT);
	options[1] = 30;
	nd_build(&f, &m);
	drops(&f, L2_ND_OPTION);
}
END_TEST

START_TEST(nd_claimed)
{
	static const struct nd forms[] = {
		{ .type = 136, .src = VIP6, .dst = "ff02::1", .flags = 0x20, .tlla = mac_c },
		{ .type = 136, .src = VIP6, .dst = HOST6, .flags = 0x60, .tlla = mac_c },
		{ .type = 136, .src = HOST6, .dst = "ff02::1", .flags = 0x20, .tlla = mac_c },
		/* Without the option it is who sent the frame. */
		{ .type = 136, .smac = mac_c, .src = VIP6, .dst = HOST6, .flags = 0x60 },
	};
	struct nd m = forms[_i];
	struct frame f;

	m.target = VIP6;
	nd_build(&f, &m);
	passes(&f, L2_ND_FOREIGN);
	told(1, L2_CLAIMS, VIP6, mac_c);
	ck_assert_uint_eq(entry(VIP6).claims[L2_CLAIMS], 1);
}
END_TEST

START_TEST(nd_claimed_by_a_question)
{
	struct frame f;

	nd_build(
	    &f, &(struct nd){ .src = VIP6, .dst = group_of(VIP6), .target = VIP6, .slla = mac_c });
	drops(&f, L2_ND_FOREIGN);
	told(1, L2_CLAIMS, VIP6, mac_c);
}
END_TEST

START_TEST(nd_own_advertisement)
{
	struct frame f;

	nd_build(&f,
	    &(struct nd){ .type = 136,
		.smac = mac_a,
		.src = VIP6,
		.dst = "ff02::1",
		.target = VIP6,
		.flags = 0x20,
		.tlla = mac_a });
	passes(&f, L2_NR_COUNTS);
	/* RFC 4861 7.1.2: to many and solicited cannot be. */
	nd_build(&f,
	    &(struct nd){ .type = 136,
		.src = VIP6,
		.dst = "ff02::1",
		.target = VIP6,
		.flags = 0x60,
		.tlla = mac_c });
	passes(&f, L2_ND_ADDRESS);
	ck_assert_uint_eq(nr_events, 0);
}
END_TEST

/* ---- the right to answer ---- */

START_TEST(fenced)
{
	struct frame arp, nd;
	struct timespec ts;
	uint64_t now;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	now = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
	arp_build(&arp, &(struct arp){ .spa = HOST4, .tpa = VIP4 });
	nd_build(&nd, &(struct nd){ .src = HOST6, .dst = VIP6, .target = VIP6 });
	ck_assert_int_eq(answer_until(&a, now), 0);
	drops(&arp, L2_FENCED);
	drops(&nd, L2_FENCED);
	ck_assert_int_eq(answer_until(&a, now + 60000000000), 0);
	ck_assert_int_eq((int)run(&arp).verdict, TC_ACT_REDIRECT);
	ck_assert_int_eq((int)run(&nd).verdict, TC_ACT_REDIRECT);
	ck_assert_int_eq(answer_until(&a, 0), 0);
	ck_assert_int_eq((int)run(&arp).verdict, TC_ACT_REDIRECT);
	/* A conflict is seen all the same. */
	ck_assert_int_eq(answer_until(&a, now), 0);
	arp_build(&arp, &(struct arp){ .spa = VIP4, .tpa = VIP4 });
	passes(&arp, L2_ARP_FOREIGN);
}
END_TEST

/* ---- only ours, and where they are ours ---- */

static uint64_t
answered_on(const char *text, unsigned ifindex)
{
	struct addr addr = ip(text);
	struct l2_key key = answer_key(&addr, ifindex);
	struct l2_entry e;

	ck_assert(answer_get(&a, &key, &e));
	return e.answered;
}

/* Each pair of address and interface is counted by itself, and answered with its own MAC address. */
START_TEST(each_interface)
{
	struct __sk_buff here = { .ifindex = va }, there = { .ifindex = vb };
	struct l2_device row = { .flags = L2_DEVICE_ROUTER };
	struct frame arp, nd;
	struct ran r;

	memcpy(row.mac, mac_b, 6);
	ck_assert_int_eq(answer_device_set(&a, vb, &row), 0);
	own(VIP4, vb);
	own(VIP6, vb);
	arp_build(&arp, &(struct arp){ .sha = mac_c, .spa = HOST4, .tpa = VIP4 });
	nd_build(&nd,
	    &(struct nd){ .smac = mac_c,
		.src = HOST6,
		.dst = group_of(VIP6),
		.target = VIP6,
		.slla = mac_c });
	for (int i = 0; i < 3; i++) {
		r = run_as(&arp, &there);
		ck_assert_int_eq((int)r.verdict, TC_ACT_REDIRECT);
		ck_assert_mem_eq(r.out.b + 22, mac_b, 6);
	}
	r = run_as(&nd, &there);
	ck_assert_int_eq((int)r.verdict, TC_ACT_REDIRECT);
	ck_assert_mem_eq(r.out.b + 80, mac_b, 6);
	ck_assert_uint_eq(r.out.b[58], 0xe0);
	r = run_as(&arp, &here);
	ck_assert_mem_eq(r.out.b + 22, mac_a, 6);
	ck_assert_uint_eq(answered_on(VIP4, va), 1);
	ck_assert_uint_eq(answered_on(VIP6, va), 0);
	ck_assert_uint_eq(answered_on(VIP4, vb), 3);
	ck_assert_uint_eq(answered_on(VIP6, vb), 1);
}
END_TEST

/* Whichever bit is another, it is another's. */
START_TEST(every_neighbour)
{
	struct addr v4 = ip(VIP4), v6 = ip(VIP6);
	struct frame f;

	for (unsigned bit = 0; bit < 32; bit++) {
		struct addr t = v4;

		t.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		arp_build(&f, &(struct arp){ .spa = HOST4, .tpa = addr_str(&t) });
		passes(&f, L2_NR_COUNTS);
		arp_build(&f, &(struct arp){ .spa = addr_str(&t), .tpa = addr_str(&t) });
		passes(&f, L2_NR_COUNTS);
	}
	for (unsigned bit = 0; bit < 128; bit++) {
		struct addr t = v6;

		t.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		/* To our group, too, whose bits many addresses share. */
		nd_build(&f,
		    &(struct nd){ .src = HOST6,
			.dst = group_of(VIP6),
			.target = addr_str(&t),
			.slla = mac_b });
		passes(&f, L2_NR_COUNTS);
		nd_build(&f, &(struct nd){ .src = HOST6, .dst = VIP6, .target = addr_str(&t) });
		passes(&f, L2_NR_COUNTS);
	}
	ck_assert_uint_eq(nr_events, 0);
}
END_TEST

/* Who asks with one address of ours for another is told of, and gets no answer that it could use. */
START_TEST(asked_as_ours)
{
	struct frame f;

	own("192.0.2.212", va);
	arp_build(&f, &(struct arp){ .spa = VIP4, .tpa = "192.0.2.212" });
	passes(&f, L2_ARP_FOREIGN);
	told(1, L2_CLAIMS, VIP4, mac_b);
	ck_assert_uint_eq(answered_on("192.0.2.212", va), 0);
}
END_TEST

/* The frames of a VLAN are its device's, whichever kind of tag it is. */
START_TEST(tagged)
{
	static const uint8_t tags[2][4] = { { 0x81, 0, 0, 5 }, { 0x88, 0xa8, 0, 5 } };
	struct frame f[2], t;

	arp_build(&f[0], &(struct arp){ .spa = HOST4, .tpa = VIP4 });
	nd_build(&f[1],
	    &(struct nd){ .src = HOST6, .dst = group_of(VIP6), .target = VIP6, .slla = mac_b });
	for (int i = 0; i < 4; i++) {
		t = f[i / 2];
		memcpy(t.b + 12, tags[i % 2], 4);
		memcpy(t.b + 16, f[i / 2].b + 12, t.len - 12);
		t.len += 4;
		passes(&t, L2_NR_COUNTS);
	}
}
END_TEST

/* Any bytes: never an answer to what is not a question, never a crash. */
START_TEST(chance)
{
	uint64_t x = 88172645463325252u;
	struct frame whole, f;

	for (unsigned long n = 0; n < unit_rounds(20000); n++) {
		struct ran r;

		if (n % 2)
			nd_build(&whole,
			    &(struct nd){ .src = HOST6,
				.dst = group_of(VIP6),
				.target = VIP6,
				.slla = mac_b,
				.nonce = n % 3 });
		else
			arp_build(&whole, &(struct arp){ .spa = HOST4, .tpa = VIP4 });
		f = whole;
		for (unsigned k = 0; k < 3; k++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			f.b[14 + x % (f.len - 14)] ^= (uint8_t)(1 << (x >> 32) % 8);
		}
		/* The kernel runs none whose IP header is not whole. */
		if (x % 5 == 0)
			f.len = 54 < f.len ? 54 + x % (f.len - 53) : 34 + x % (f.len - 33);
		r = run(&f);
		if (r.verdict != TC_ACT_REDIRECT)
			continue;
		/* An answer is always a whole one of ours. */
		ck_assert_mem_eq(r.out.b + 6, mac_a, 6);
		ck_assert(!(r.out.b[0] & 1) || memcmp(r.out.b, mac_all6, 6) == 0);
		ck_assert(r.out.len == 42 || r.out.len == 86);
	}
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("answer");

	if (!bed_can())
		unit_skip("no right to load BPF programs and make namespaces");
	tcase_add_checked_fixture(tc, setup, run_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, arp_request);
	tcase_add_test(tc, arp_request_by_another);
	tcase_add_test(tc, arp_probe);
	tcase_add_test(tc, arp_not_ours);
	tcase_add_test(tc, arp_other_device);
	tcase_add_loop_test(tc, arp_claimed, 0, 4);
	tcase_add_test(tc, arp_own_announcement);
	tcase_add_loop_test(tc, arp_malformed, 0, 7);
	tcase_add_test(tc, arp_short);
	tcase_add_test(tc, nd_solicitation);
	tcase_add_test(tc, nd_solicitation_by_another);
	tcase_add_test(tc, nd_router);
	tcase_add_test(tc, nd_dad);
	tcase_add_test(tc, nd_not_ours);
	tcase_add_test(tc, nd_behind_a_header);
	tcase_add_test(tc, nd_malformed);
	tcase_add_test(tc, nd_cut);
	tcase_add_test(tc, nd_long);
	tcase_add_loop_test(tc, nd_claimed, 0, 4);
	tcase_add_test(tc, nd_claimed_by_a_question);
	tcase_add_test(tc, nd_own_advertisement);
	tcase_add_test(tc, fenced);
	tcase_add_test(tc, each_interface);
	tcase_add_test(tc, every_neighbour);
	tcase_add_test(tc, asked_as_ours);
	tcase_add_test(tc, tagged);
	tcase_add_test(tc, chance);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("answer", add_tests)
