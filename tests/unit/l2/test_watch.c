/*
 * tests/unit/l2/test_watch.c: what the answering program tells of addresses that are probed for, form by
 * form, in a real kernel, attached to nothing; and that it lets all of it through.  Skipped without the
 * rights.
 */
#include "tests/unit/l2/run.h"

#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#define VIP4 "192.0.2.211"
#define VIP6 "2001:db8::abcd:1"
#define HOST4 "192.0.2.7"
#define HOST6 "2001:db8::7"
#define GROUP "ff02::1:ffcd:1" /* of VIP6 */

static const uint8_t mac_c[6] = { 0x02, 0xcc, 0, 0, 0, 3 }, mac_d[6] = { 0x02, 0xdd, 0, 0, 0, 4 },
		     mac_all[6] = { 255, 255, 255, 255, 255, 255 }, mac_none[6];

static void
watch(const char *text)
{
	struct addr addr = ip(text);
	struct l2_key key = answer_key(&addr, va);

	ck_assert_int_eq(answer_watch(&a, &key), 0);
}

/* Ends it: was anybody heard? */
static bool
heard(const char *text, struct l2_watch *w)
{
	struct addr addr = ip(text);
	struct l2_key key = answer_key(&addr, va);

	return answer_unwatch(&a, &key, w);
}

static void
setup(void)
{
	run_setup();
	watch(VIP4);
	watch(VIP6);
}

/* ---- who has it, or wants it ---- */

struct form {
	struct arp arp; /* spa NULL: it is @nd */
	struct nd nd;
	enum l2_claim claim;
};

static const struct form used[] = {
	{ .arp = { .dmac = mac_a,
	      .op = 2,
	      .sha = mac_c,
	      .spa = VIP4,
	      .tha = mac_a,
	      .tpa = "0.0.0.0" } },
	{ .arp = { .dmac = mac_a, .op = 2, .sha = mac_c, .spa = VIP4, .tpa = HOST4 } },
	{ .arp = { .op = 2, .sha = mac_c, .spa = VIP4, .tha = mac_all, .tpa = VIP4 } },
	{ .arp = { .op = 2, .sha = mac_c, .smac = mac_d, .spa = VIP4, .tpa = VIP4 } },
	{ .arp = { .op = 1, .sha = mac_c, .spa = VIP4, .tpa = VIP4 } },
	{ .arp = { .op = 1, .sha = mac_c, .spa = VIP4, .tpa = HOST4 } },
	{ .arp = { .op = 1, .sha = mac_c, .spa = VIP4, .tpa = VIP4, .pad = 18 } },
	{ .arp = { .op = 1, .sha = mac_c, .spa = "0.0.0.0", .tpa = VIP4 }, .claim = L2_PROBES },
	{ .nd = { .type = 136, .src = VIP6, .dst = "ff02::1", .flags = 0x20, .tlla = mac_c } },
	{ .nd = { .type = 136, .src = VIP6, .dst = "ff02::1", .flags = 0xa0, .tlla = mac_c } },
	{ .nd = { .type = 136, .src = VIP6, .dst = HOST6, .flags = 0x60, .tlla = mac_c } },
	{ .nd = { .type = 136, .smac = mac_c, .src = VIP6, .dst = HOST6, .flags = 0x40 } },
	{ .nd = { .type = 136, .src = HOST6, .dst = HOST6, .tlla = mac_c } },
	{ .nd = { .smac = mac_c, .src = "::", .dst = GROUP }, .claim = L2_PROBES },
	{ .nd = { .smac = mac_c, .src = "::", .dst = GROUP, .nonce = true }, .claim = L2_PROBES },
	{ .nd = { .src = VIP6, .dst = GROUP, .slla = mac_c } },
	{ .nd = { .smac = mac_c, .src = VIP6, .dst = GROUP } },
};
#define NR_USED ((int)(sizeof(used) / sizeof(used[0])))

static const char *
build(struct frame *f, const struct form *form)
{
	struct nd nd = form->nd;

	if (form->arp.spa) {
		arp_build(f, &form->arp);
		return VIP4;
	}
	nd.target = VIP6;
	nd_build(f, &nd);
	return VIP6;
}

START_TEST(told_of)
{
	struct l2_watch w;
	struct frame f;
	const char *vip = build(&f, &used[_i]), *other = vip[0] == '1' ? VIP6 : VIP4;

	passes(&f, L2_NR_COUNTS);
	told(1, used[_i].claim, vip, mac_c);
	ck_assert(events[0].watched);
	/* The same host is one thing to tell, however often it speaks. */
	passes(&f, L2_NR_COUNTS);
	ck_assert_uint_eq(nr_events, 1);
	ck_assert(heard(vip, &w));
	ck_assert_uint_eq(w.heard, 2);
	ck_assert_mem_eq(w.mac, mac_c, 6);
	ck_assert_int_eq(w.claim, used[_i].claim);
	ck_assert_int_eq(w.lost, 0);
	ck_assert(!heard(other, &w));
	/* And no longer. */
	passes(&f, L2_NR_COUNTS);
	ck_assert_uint_eq(nr_events, 1);
	ck_assert(!heard(vip, &w));
}
END_TEST

/* ---- who does not ---- */

static const struct {
	struct form form;
	unsigned what; /* is counted; 0, which is an answer: nothing */
} free_forms[] = {
	/* Others speak of it, or of others. */
	{ { .arp = { .op = 1, .sha = mac_c, .spa = HOST4, .tpa = VIP4 } }, 0 },
	{ { .arp = { .op = 2, .sha = mac_c, .spa = HOST4, .tpa = VIP4 } }, 0 },
	{ { .arp = { .op = 1, .sha = mac_c, .spa = "0.0.0.0", .tpa = HOST4 } }, 0 },
	{ { .arp = { .op = 2, .sha = mac_c, .spa = "0.0.0.0", .tpa = VIP4 } }, 0 },
	{ { .arp = { .op = 3, .sha = mac_c, .spa = "0.0.0.0", .tpa = VIP4 } }, 0 },
	{ { .nd = { .src = HOST6, .dst = GROUP, .slla = mac_c } }, 0 },
	{ { .nd = { .src = HOST6, .dst = VIP6, .slla = mac_c } }, 0 },
	/* Ourselves, given back. */
	{ { .arp = { .op = 1, .sha = mac_a, .smac = mac_a, .spa = "0.0.0.0", .tpa = VIP4 } }, 0 },
	{ { .arp = { .op = 2, .sha = mac_a, .smac = mac_c, .spa = VIP4, .tpa = VIP4 } }, 0 },
	{ { .nd = { .smac = mac_a, .src = "::", .dst = GROUP } }, 0 },
	{ { .nd = { .smac = mac_a, .src = "::", .dst = GROUP, .nonce = true } }, 0 },
	{ { .nd = { .type = 136, .src = VIP6, .dst = "ff02::1", .flags = 0x20, .tlla = mac_a } },
	    0 },
	/* Such as cannot be: RFC 826, RFC 4861 7.1. */
	{ { .arp = { .op = 2, .hrd = 6, .sha = mac_c, .spa = VIP4, .tpa = VIP4 } },
	    L2_ARP_MALFORMED },
	{ { .arp = { .op = 2, .hln = 8, .sha = mac_c, .spa = VIP4, .tpa = VIP4 } },
	    L2_ARP_MALFORMED },
	{ { .arp = { .op = 2, .sha = mac_none, .spa = VIP4, .tpa = VIP4 } }, L2_ARP_MALFORMED },
	{ { .arp = { .op = 2, .sha = mac_all, .spa = VIP4, .tpa = VIP4 } }, L2_ARP_MALFORMED },
	{ { .nd = { .type = 136, .src = VIP6, .dst = "ff02::1", .hop = 64, .tlla = mac_c } },
	    L2_ND_HOP_LIMIT },
	{ { .nd = { .type = 136, .src = VIP6, .dst = "ff02::1", .code = 1, .tlla = mac_c } },
	    L2_ND_CODE },
	{ { .nd = { .type = 136, .src = VIP6, .dst = "ff02::1", .bad_sum = true, .tlla = mac_c } },
	    L2_ND_CHECKSUM },
	{ { .nd = { .type = 136, .src = VIP6, .dst = "ff02::1", .len_off = -1, .tlla = mac_c } },
	    L2_ND_OPTION },
	{ { .nd = { .type = 136, .src = VIP6, .dst = "ff02::1", .tlla = mac_all } }, L2_ND_OPTION },
	{ { .nd = { .type = 136, .src = VIP6, .dst = "ff02::1", .flags = 0x60, .tlla = mac_c } },
	    L2_ND_ADDRESS },
	{ { .nd = { .type = 136, .src = "ff02::9", .dst = HOST6, .tlla = mac_c } }, L2_ND_ADDRESS },
	{ { .nd = { .smac = mac_c, .src = "::", .dst = "ff02::1" } }, L2_ND_ADDRESS },
	{ { .nd = { .smac = mac_c, .src = "::", .dst = VIP6 } }, L2_ND_ADDRESS },
	{ { .nd = { .src = "::", .dst = GROUP, .slla = mac_c } }, L2_ND_ADDRESS },
	{ { .nd = { .smac = mac_c, .src = "::", .dst = GROUP, .hop = 254 } }, L2_ND_HOP_LIMIT },
};
#define NR_FREE ((int)(sizeof(free_forms) / sizeof(free_forms[0])))

START_TEST(not_told_of)
{
	struct l2_watch w;
	struct frame f;
	const char *vip = build(&f, &free_forms[_i].form);

	passes(&f, free_forms[_i].what ? free_forms[_i].what : L2_NR_COUNTS);
	ck_assert_uint_eq(nr_events, 0);
	ck_assert(!heard(vip, &w));
}
END_TEST

/* For another host's MAC address, of another VLAN, or by another device. */
START_TEST(not_for_us)
{
	struct __sk_buff there = { .ifindex = vb };
	struct l2_device row = { .flags = 0 };
	struct frame f, tagged;
	struct l2_watch w;
	struct ran r;

	arp_build(
	    &f, &(struct arp){ .dmac = mac_d, .op = 2, .sha = mac_c, .spa = VIP4, .tpa = HOST4 });
	passes(&f, L2_NR_COUNTS);
	arp_build(&f, &(struct arp){ .op = 2, .sha = mac_c, .spa = VIP4, .tpa = VIP4 });
	for (int i = 0; i < 2; i++) {
		memcpy(tagged.b, f.b, 12);
		memcpy(tagged.b + 12, i ? "\x88\xa8\x00\x05" : "\x81\x00\x00\x05", 4);
		memcpy(tagged.b + 16, f.b + 12, f.len - 12);
		tagged.len = f.len + 4;
		passes(&tagged, L2_NR_COUNTS);
	}
	memcpy(row.mac, mac_b, 6);
	ck_assert_int_eq(answer_device_set(&a, vb, &row), 0);
	r = run_as(&f, &there);
	ck_assert_int_eq((int)r.verdict, TC_ACT_UNSPEC);
	ck_assert_uint_eq(nr_events, 0);
	ck_assert(!heard(VIP4, &w));
}
END_TEST

/* Of several each is told, as one of them may be another device of ours. */
START_TEST(several)
{
	struct frame c, d;
	struct l2_watch w;

	arp_build(&c, &(struct arp){ .op = 2, .sha = mac_c, .spa = VIP4, .tpa = VIP4 });
	arp_build(&d, &(struct arp){ .op = 1, .sha = mac_d, .spa = "0.0.0.0", .tpa = VIP4 });
	passes(&c, L2_NR_COUNTS);
	told(1, L2_CLAIMS, VIP4, mac_c);
	passes(&d, L2_NR_COUNTS);
	told(2, L2_PROBES, VIP4, mac_d);
	passes(&c, L2_NR_COUNTS);
	told(3, L2_CLAIMS, VIP4, mac_c);
	ck_assert(heard(VIP4, &w));
	ck_assert_uint_eq(w.heard, 3);
}
END_TEST

/* What is answered and probed for as well is both. */
START_TEST(ours_too)
{
	struct frame f, want;

	own(VIP4, va);
	own(VIP6, va);
	arp_build(&f, &(struct arp){ .sha = mac_c, .spa = "0.0.0.0", .tpa = VIP4 });
	arp_build(&want,
	    &(struct arp){ .dmac = mac_c,
		.smac = mac_a,
		.op = 2,
		.sha = mac_a,
		.spa = VIP4,
		.tha = mac_c,
		.tpa = "0.0.0.0" });
	answers(&f, &want, L2_ARP_ANSWERED, L2_ARP_PROBE);
	ck_assert_uint_eq(nr_events, 2);
	ck_assert_int_eq(events[0].watched + events[1].watched, 1);
	arp_build(&f, &(struct arp){ .op = 2, .sha = mac_c, .spa = VIP4, .tpa = VIP4 });
	passes(&f, L2_ARP_FOREIGN);
	nr_events = 0;
	nd_build(&f,
	    &(struct nd){ .type = 136,
		.src = VIP6,
		.dst = "ff02::1",
		.target = VIP6,
		.flags = 0x20,
		.tlla = mac_c });
	passes(&f, L2_ND_FOREIGN);
	ck_assert_uint_eq(nr_events, 2);
	/* What is ours is not let through when it cannot be. */
	nd_build(&f, &(struct nd){ .src = "::", .dst = GROUP, .target = VIP6, .hop = 1 });
	drops(&f, L2_ND_HOP_LIMIT);
}
END_TEST

/* Nobody reads the ring: what it cannot take is marked, and the verdict does not miss it. */
START_TEST(ring_is_full)
{
	struct addr addr = ip("10.0.0.0");
	struct l2_watch w;
	unsigned lost = 0;
	struct frame f;

	ring_buffer__free(a.ring);
	a.ring = NULL;
	for (unsigned i = 0; i < 3000; i++) {
		ck_assert(addr_next(&addr));
		watch(addr_str(&addr));
		arp_build(&f,
		    &(struct arp){
			.op = 2, .sha = mac_c, .spa = addr_str(&addr), .tpa = addr_str(&addr) });
		passes(&f, L2_NR_COUNTS);
	}
	addr = ip("10.0.0.0");
	for (unsigned i = 0; i < 3000; i++) {
		ck_assert(addr_next(&addr));
		ck_assert(heard(addr_str(&addr), &w));
		lost += w.lost;
	}
	ck_assert_uint_gt(lost, 1000);
	ck_assert_uint_lt(lost, 2900);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("watch");

	if (!bed_can())
		unit_skip("no right to load BPF programs and make namespaces");
	tcase_add_checked_fixture(tc, setup, run_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, told_of, 0, NR_USED);
	tcase_add_loop_test(tc, not_told_of, 0, NR_FREE);
	tcase_add_test(tc, not_for_us);
	tcase_add_test(tc, several);
	tcase_add_test(tc, ours_too);
	tcase_add_test(tc, ring_is_full);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("watch", add_tests)
