/*
 * tests/unit/l2/test_probe.c: is an address in use?  The engine on a veth pair in a real kernel, and at
 * the other end hosts of all kinds, frame by frame.  Skipped without the rights.
 */
#include "tests/unit/l2/plant.h"

#include <errno.h>

#include "lib/mem.h"
#include "tests/unit/l2/tap.h"

#define VIP4 "192.0.2.211"
#define VIP6 "2001:db8::abcd:1"
#define HOST4 "192.0.2.7"
#define HOST6 "2001:db8::7"
#define MANY 1000

static bool there; /* another host */
static const uint8_t mac_c[6] = { 0x02, 0xcc, 0, 0, 0, 3 };
static const char *const on_va[] = { "va" };

static struct l2_probed verdicts[MANY + 8];
static char verdict_device[MANY + 8][16];
static uint64_t verdict_ms[MANY + 8];
static size_t nr_verdicts;

static void
on_probed(void *arg, const struct l2_probed *p)
{
	(void)arg;
	ck_assert_uint_lt(nr_verdicts, MANY + 8);
	verdicts[nr_verdicts] = *p;
	snprintf(verdict_device[nr_verdicts], 16, "%s", p->device);
	verdict_ms[nr_verdicts++] = now_ms();
}

static void
setup(void)
{
	plant_setup();
	plant_start(NULL);
	nr_verdicts = 0;
}

static void
setup_fake(void)
{
	plant_setup_fake();
	plant_start(NULL);
	nr_verdicts = 0;
}

static void
teardown(void)
{
	plant_teardown();
	if (there)
		ck_assert_int_eq(bed_ip("netns del there"), 0);
	there = false;
}

static void
probe(const char *text)
{
	struct l2_address a = { .addr = ip(text), .devices = on_va, .nr_devices = 1 };

	ck_assert_int_eq(l2_probe(l2, &a, 1, on_probed, NULL), 0);
}

static void
question(struct frame *f, const char *vip)
{
	if (strchr(vip, ':'))
		nd_build(f,
		    &(struct nd){
			.smac = mac_a, .src = "::", .dst = group_of(vip), .target = vip });
	else
		arp_build(f, &(struct arp){ .sha = mac_a, .spa = "0.0.0.0", .tpa = vip });
}

/* ---- nobody ---- */

static const char *const vips[] = { VIP4, VIP6 };

/* Is another such question there?  A veth gives it across at once, but for what softirqs put off. */
static bool
asked(const struct frame *q)
{
	uint64_t end = now_ms() + 30000;

	while (tap_count(q) == 0)
		if (now_ms() > end)
			return false;
	return true;
}

/* Three questions, 40 ms between them, and a verdict 70 ms after the last; by a clock of our own. */
START_TEST(free_address)
{
	struct frame q;

	question(&q, vips[_i]);
	probe(vips[_i]);
	loop_advance(loop, 0);
	ck_assert(asked(&q));
	for (unsigned i = 0; i < 2; i++) {
		loop_advance(loop, 39);
		ck_assert_uint_eq(tap_count(&q), 0);
		loop_advance(loop, 1);
		ck_assert(asked(&q));
	}
	loop_advance(loop, 69);
	ck_assert_uint_eq(nr_verdicts, 0);
	loop_advance(loop, 1);
	ck_assert_uint_eq(nr_verdicts, 1);
	ck_assert(verdicts[0].known && !verdicts[0].in_use);
	ck_assert_str_eq(addr_str(&verdicts[0].addr), vips[_i]);
	loop_advance(loop, 1000);
	ck_assert_uint_eq(nr_verdicts, 1);
	ck_assert_uint_eq(tap_count(&q), 0);
}
END_TEST

/* ---- somebody ---- */

/* Each form in which somebody can have the address, or want it. */
static void
use(struct frame *f, int form)
{
	static const uint8_t all[6] = { 255, 255, 255, 255, 255, 255 };
	const struct arp arps[] = {
		{ .dmac = mac_a,
		    .op = 2,
		    .sha = mac_c,
		    .spa = VIP4,
		    .tha = mac_a,
		    .tpa = "0.0.0.0" },
		{ .op = 2, .sha = mac_c, .spa = VIP4, .tha = all, .tpa = VIP4 },
		{ .op = 1, .sha = mac_c, .spa = VIP4, .tpa = VIP4 },
		{ .op = 1, .sha = mac_c, .spa = VIP4, .tpa = HOST4 },
		{ .op = 1, .sha = mac_c, .spa = "0.0.0.0", .tpa = VIP4 },
	};
	const struct nd nds[] = {
		{ .smac = mac_c,
		    .type = 136,
		    .src = VIP6,
		    .dst = "ff02::1",
		    .flags = 0x20,
		    .tlla = mac_c },
		{ .smac = mac_c,
		    .type = 136,
		    .src = VIP6,
		    .dst = HOST6,
		    .dmac = mac_a,
		    .flags = 0x60 },
		{ .smac = mac_c, .src = "::", .dst = group_of(VIP6) },
		{ .smac = mac_c, .src = "::", .dst = group_of(VIP6), .nonce = true },
		{ .smac = mac_c, .src = VIP6, .dst = group_of(VIP6), .slla = mac_c },
	};

	if (form < 5) {
		arp_build(f, &arps[form]);
	} else {
		struct nd m = nds[form - 5];

		m.target = VIP6;
		nd_build(f, &m);
	}
}

START_TEST(used)
{
	uint64_t begin;
	struct frame f;

	probe(vips[_i >= 5]);
	begin = now_ms();
	loop_turn(loop, 0);
	loop_turn(loop, 0);
	use(&f, _i);
	tap_send(&f);
	UNTIL(nr_verdicts == 1);
	ck_assert(verdicts[0].known && verdicts[0].in_use);
	ck_assert_mem_eq(verdicts[0].mac, mac_c, 6);
	ck_assert_str_eq(verdict_device[0], "va");
	printf("told after %llu ms\n", (unsigned long long)(verdict_ms[0] - begin));
	/* Once, and nothing is asked any more. */
	question(&f, vips[_i >= 5]);
	(void)tap_count(&f);
	turn_for(200);
	ck_assert_uint_eq(nr_verdicts, 1);
	ck_assert_uint_eq(tap_count(&f), 0);
}
END_TEST

/* About another address, by ourselves, or such as no host may send. */
static void
noise(struct frame *f, int form)
{
	switch (form) {
	case 0:
		arp_build(f, &(struct arp){ .op = 2, .sha = mac_c, .spa = HOST4, .tpa = VIP4 });
		break;
	case 1: /* who asks for it knows nothing of it */
		arp_build(f, &(struct arp){ .op = 1, .sha = mac_c, .spa = HOST4, .tpa = VIP4 });
		break;
	case 2: /* ours, given back by a switch */
		arp_build(
		    f, &(struct arp){ .smac = mac_a, .sha = mac_a, .spa = "0.0.0.0", .tpa = VIP4 });
		break;
	case 3: /* by another device of ours */
		arp_build(f, &(struct arp){ .op = 2, .sha = mac_b, .spa = VIP4, .tpa = VIP4 });
		break;
	case 4: /* from afar */
		nd_build(f,
		    &(struct nd){ .smac = mac_c,
			.type = 136,
			.src = VIP6,
			.dst = "ff02::1",
			.target = VIP6,
			.hop = 254,
			.tlla = mac_c });
		break;
	case 5:
		nd_build(f,
		    &(struct nd){ .smac = mac_c,
			.src = HOST6,
			.dst = group_of(VIP6),
			.target = VIP6,
			.slla = mac_c });
		break;
	case 6:
		nd_build(f,
		    &(struct nd){
			.smac = mac_a, .src = "::", .dst = group_of(VIP6), .target = VIP6 });
		break;
	default: /* a group has no duplicate */
		nd_build(f,
		    &(struct nd){ .smac = mac_c, .src = "::", .dst = "ff02::1", .target = VIP6 });
	}
}

START_TEST(not_used)
{
	struct frame f;

	probe(vips[_i >= 4]);
	loop_turn(loop, 0);
	loop_turn(loop, 0);
	noise(&f, _i);
	tap_send(&f);
	UNTIL(nr_verdicts == 1);
	ck_assert(verdicts[0].known && !verdicts[0].in_use);
}
END_TEST

/* The verdict of our own device's frame does not hide that of another. */
START_TEST(used_behind_our_own)
{
	struct frame own, f;

	arp_build(&own, &(struct arp){ .op = 2, .sha = mac_b, .spa = VIP4, .tpa = VIP4 });
	use(&f, 1);
	probe(VIP4);
	loop_turn(loop, 0);
	loop_turn(loop, 0);
	tap_send(&own);
	tap_send(&f);
	UNTIL(nr_verdicts == 1);
	ck_assert(verdicts[0].in_use);
	ck_assert_mem_eq(verdicts[0].mac, mac_c, 6);
}
END_TEST

/* A host that has it: the kernel itself. */
START_TEST(used_by_a_host)
{
	ck_assert_int_eq(bed_ip("netns add there"), 0);
	there = true;
	ck_assert_int_eq(bed_ip("link set vb netns there"), 0);
	ck_assert_int_eq(bed_ip("-n there addr add 192.0.2.211/24 dev vb"), 0);
	ck_assert_int_eq(bed_ip("-n there addr add 2001:db8::abcd:1/64 dev vb nodad"), 0);
	ck_assert_int_eq(bed_ip("-n there link set vb up"), 0);
	turn_for(50);
	probe(VIP4);
	probe(VIP6);
	UNTIL(nr_verdicts == 2);
	for (size_t i = 0; i < 2; i++) {
		ck_assert(verdicts[i].known && verdicts[i].in_use);
		ck_assert_mem_eq(verdicts[i].mac, mac_b, 6);
	}
}
END_TEST

/* ---- many ---- */

static struct l2_address list[MANY];

static void
many(const char *first)
{
	struct addr a = ip(first);

	for (size_t i = 0; i < MANY; i++) {
		list[i] = (struct l2_address){ .addr = a, .devices = on_va, .nr_devices = 1 };
		ck_assert(addr_next(&a));
	}
}

/* Of every third a host answers each question. */
START_TEST(thousand)
{
	static uint8_t asked[MANY];
	uint64_t begin, end;
	size_t in_use = 0;
	struct frame f, a;

	memset(asked, 0, sizeof(asked));
	many(_i ? "2001:db8::1:0" : "10.9.0.0");
	begin = now_ms();
	ck_assert_int_eq(l2_probe(l2, list, MANY, on_probed, NULL), 0);
	while (nr_verdicts < MANY && now_ms() < begin + 20000) {
		loop_turn(loop, 1);
		while (tap_get(&f)) {
			size_t at = 38, n;
			struct addr t = { .family = _i ? ADDR_V6 : ADDR_V4 };

			if (_i ? f.len < 78 || f.b[54] != 135 : f.b[13] != 6)
				continue;
			at = _i ? 62 : 38;
			memcpy(t.b, f.b + at, _i ? 16 : 4);
			n = (size_t)(_i ? f.b[at + 14] << 8 | f.b[at + 15]
					: f.b[at + 2] << 8 | f.b[at + 3]);
			ck_assert_uint_lt(n, MANY);
			asked[n]++;
			if (n % 3)
				continue;
			if (_i)
				nd_build(&a,
				    &(struct nd){ .smac = mac_c,
					.type = 136,
					.src = addr_str(&t),
					.dst = "ff02::1",
					.target = addr_str(&t),
					.flags = 0x20,
					.tlla = mac_c });
			else
				arp_build(&a,
				    &(struct arp){ .dmac = mac_a,
					.op = 2,
					.sha = mac_c,
					.spa = addr_str(&t),
					.tpa = "0.0.0.0" });
			tap_send(&a);
		}
	}
	end = now_ms();
	ck_assert_uint_eq(nr_verdicts, MANY);
	for (size_t i = 0; i < MANY; i++) {
		const uint8_t *b = verdicts[i].addr.b;
		size_t n = (size_t)(_i ? b[14] << 8 | b[15] : b[2] << 8 | b[3]);

		ck_assert(verdicts[i].known);
		ck_assert_int_eq(verdicts[i].in_use, n % 3 == 0);
		in_use += verdicts[i].in_use;
		ck_assert_uint_eq(asked[n] >= 1 && asked[n] <= 3, 1);
		if (n % 3)
			ck_assert_uint_eq(asked[n], 3);
	}
	ck_assert_uint_eq(in_use, (MANY + 2) / 3);
	printf("%u addresses probed in %llu ms\n", MANY, (unsigned long long)(end - begin));
}
END_TEST

/* More is heard than the ring takes, before anybody reads of it: the last host is found all the same. */
START_TEST(ring_overflows)
{
	uint8_t mac[6] = { 0x02, 0xee };
	struct frame q, f;
	unsigned n = 0;

	many("10.9.0.0");
	question(&q, "10.9.0.19");
	ck_assert_int_eq(l2_probe(l2, list, 20, on_probed, NULL), 0);
	while (n == 0) {
		loop_turn(loop, 1);
		n = tap_count(&q);
	}
	for (unsigned i = 0; i < 2000; i++) {
		const char *vip = addr_str(&list[i % 19].addr);

		mac[4] = (uint8_t)(i >> 8);
		mac[5] = (uint8_t)i;
		arp_build(&f, &(struct arp){ .op = 2, .sha = mac, .spa = vip, .tpa = vip });
		tap_send(&f);
	}
	arp_build(
	    &f, &(struct arp){ .op = 2, .sha = mac_c, .spa = "10.9.0.19", .tpa = "10.9.0.19" });
	tap_send(&f);
	UNTIL(nr_verdicts == 20);
	for (size_t i = 0; i < 20; i++)
		ck_assert(verdicts[i].known && verdicts[i].in_use);
	ck_assert_str_eq(addr_str(&verdicts[19].addr), "10.9.0.19");
	ck_assert_mem_eq(verdicts[19].mac, mac_c, 6);
}
END_TEST

/* ---- what cannot be known ---- */

START_TEST(not_known)
{
	static const char *const none[] = { "none" }, *const lo[] = { "lo" },
				 *const down[] = { "down" };
	struct l2_address l[] = {
		{ .addr = ip("192.0.2.1"), .devices = none, .nr_devices = 1 },
		{ .addr = ip("192.0.2.2"), .devices = lo, .nr_devices = 1 },
		{ .addr = ip("192.0.2.3"), .devices = down, .nr_devices = 1 },
		{ .addr = ip("192.0.2.4"), .nr_devices = 0 },
	};

	ck_assert_int_eq(bed_ip("link add down type veth peer name other"), 0);
	turn_for(50);
	ck_assert_int_eq(l2_probe(l2, l, 4, on_probed, NULL), 0);
	ck_assert_uint_eq(nr_verdicts, 0);
	UNTIL(nr_verdicts == 4);
	for (size_t i = 0; i < 4; i++)
		ck_assert(!verdicts[i].known && !verdicts[i].in_use);
}
END_TEST

/* One device that can be asked on is enough. */
START_TEST(known_by_one)
{
	static const char *const both[] = { "none", "va", "va" };
	struct l2_address l = { .addr = ip(VIP4), .devices = both, .nr_devices = 3 };
	struct frame q;

	question(&q, VIP4);
	ck_assert_int_eq(l2_probe(l2, &l, 1, on_probed, NULL), 0);
	UNTIL(nr_verdicts == 1);
	ck_assert(verdicts[0].known && !verdicts[0].in_use);
	ck_assert_uint_eq(tap_count(&q), 3);
}
END_TEST

START_TEST(device_goes)
{
	unsigned n = 0;
	struct frame q;

	question(&q, VIP4);
	probe(VIP4);
	/* Between the questions, or when all are out. */
	while (n < (_i < 2 ? 1 : 3)) {
		loop_turn(loop, 1);
		n += tap_count(&q);
	}
	ck_assert_int_eq(bed_ip(_i == 1 ? "link del va" : "link set va down"), 0);
	UNTIL(nr_verdicts == 1);
	ck_assert(!verdicts[0].known && !verdicts[0].in_use);
}
END_TEST

/* All is taken out while it is asked. */
START_TEST(removed)
{
	probe(VIP4);
	turn_for(20);
	l2_remove(l2);
	UNTIL(nr_verdicts == 1);
	ck_assert(!verdicts[0].known && !verdicts[0].in_use);
	probe(VIP4);
	UNTIL(nr_verdicts == 2);
	ck_assert(verdicts[1].known && !verdicts[1].in_use);
}
END_TEST

START_TEST(refused)
{
	static const char *const longer[] = { "sixteen-too-many" };
	struct l2_address l = { .addr = ip("224.0.0.1"), .devices = on_va, .nr_devices = 1 };

	ck_assert_int_eq(l2_probe(l2, &l, 1, on_probed, NULL), -EINVAL);
	l.addr = ip(VIP4);
	l.devices = longer;
	ck_assert_int_eq(l2_probe(l2, &l, 1, on_probed, NULL), -EINVAL);
	ck_assert_int_eq(l2_probe(l2, NULL, 0, on_probed, NULL), 0);
	turn_for(200);
	ck_assert_uint_eq(nr_verdicts, 0);
}
END_TEST

/* Whichever allocation fails, nothing is asked. */
START_TEST(memory)
{
	unsigned nth = 0;
	int err;

	many("10.9.0.0");
	do {
		ck_assert_uint_lt(nth, 1000);
		mem_fail_at(++nth);
		err = l2_probe(l2, list, 100, on_probed, NULL);
		mem_fail_at(0);
	} while (err == -ENOMEM);
	ck_assert_int_eq(err, 0);
	ck_assert_uint_gt(nth, 200);
	UNTIL(nr_verdicts == 100);
	turn_for(100);
	ck_assert_uint_eq(nr_verdicts, 100);
}
END_TEST

/* ---- several at a time ---- */

START_TEST(cancelled)
{
	static int who;
	struct l2_address l = { .addr = ip(VIP4), .devices = on_va, .nr_devices = 1 };
	struct frame q;

	question(&q, VIP4);
	ck_assert_int_eq(l2_probe(l2, &l, 1, on_probed, &who), 0);
	probe(VIP6);
	if (_i)
		ck_assert_int_eq(l2_probe(l2, &l, 1, on_probed, NULL), 0);
	turn_for(10);
	l2_probe_cancel(l2, &who);
	l2_probe_cancel(l2, &who);
	(void)tap_count(&q);
	UNTIL(nr_verdicts == 1 + (size_t)_i);
	turn_for(200);
	ck_assert_uint_eq(nr_verdicts, 1 + (size_t)_i);
	ck_assert_uint_eq(tap_count(&q), _i ? 2 : 0);
	/* Decided and not told yet. */
	l.devices = NULL;
	l.nr_devices = 0;
	ck_assert_int_eq(l2_probe(l2, &l, 1, on_probed, &who), 0);
	l2_probe_cancel(l2, &who);
	turn_for(50);
	ck_assert_uint_eq(nr_verdicts, 1 + (size_t)_i);
}
END_TEST

/* Two ask for the same: both are told of who has it. */
START_TEST(asked_twice)
{
	struct frame f;

	probe(VIP4);
	turn_for(20);
	probe(VIP4);
	turn_for(5);
	use(&f, 0);
	tap_send(&f);
	UNTIL(nr_verdicts == 2);
	ck_assert(verdicts[0].in_use && verdicts[1].in_use);
	probe(VIP4);
	UNTIL(nr_verdicts == 3);
	ck_assert(verdicts[2].known && !verdicts[2].in_use);
}
END_TEST

static void
again(void *arg, const struct l2_probed *p)
{
	struct l2_address l = { .addr = p->addr, .devices = on_va, .nr_devices = 1 };

	on_probed(arg, p);
	l2_probe_cancel(l2, &nr_verdicts);
	if (nr_verdicts < 3)
		ck_assert_int_eq(l2_probe(l2, &l, 1, again, NULL), 0);
	else
		ck_assert_int_eq(l2_set(l2, &l, 1), 0);
}

/* From the call back all may be called. */
START_TEST(from_within)
{
	struct l2_address l = { .addr = ip(VIP4), .devices = on_va, .nr_devices = 1 };
	struct l2_address other = { .addr = ip(VIP6) };

	ck_assert_int_eq(l2_probe(l2, &l, 1, again, NULL), 0);
	ck_assert_int_eq(l2_probe(l2, &other, 1, on_probed, &nr_verdicts), 0);
	l2_probe_cancel(l2, &nr_verdicts);
	UNTIL(nr_verdicts == 3);
	ck_assert(is_answered(VIP4));
	turn_for(200);
	ck_assert_uint_eq(nr_verdicts, 3);
}
END_TEST

/* Of what is answered here: by nobody else, then by somebody. */
START_TEST(ours)
{
	struct l2_address l = { .addr = ip(VIP4), .devices = on_va, .nr_devices = 1 };
	struct frame f;

	ck_assert_int_eq(l2_set(l2, &l, 1), 0);
	ck_assert(is_answered(VIP4));
	turn_for(50);
	probe(VIP4);
	ck_assert(is_answered(VIP4));
	UNTIL(nr_verdicts == 1);
	ck_assert(verdicts[0].known && !verdicts[0].in_use);
	probe(VIP4);
	turn_for(10);
	use(&f, 1);
	tap_send(&f);
	UNTIL(nr_verdicts == 2);
	ck_assert(verdicts[1].in_use);
	ck_assert(is_answered(VIP4));
	/* Probing leaves the device to it. */
	ck_assert_int_eq(l2_set(l2, &l, 1), 0);
	ck_assert(is_answered(VIP4));
}
END_TEST

/* ---- the group ---- */

static bool
listens(void)
{
	char line[160];
	bool found = false;
	FILE *f = fopen("/proc/net/igmp6", "r");

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f))
		found |= strstr(line, "ff0200000000000000000001ffcd0001") && strstr(line, " va ");
	fclose(f);
	return found;
}

/* RFC 4862 5.4.2: joined for the while of asking; who takes the address then stays in it. */
START_TEST(group)
{
	struct l2_address l = { .addr = ip(VIP6), .devices = on_va, .nr_devices = 1 };

	ck_assert(!listens());
	probe(VIP6);
	UNTIL(listens());
	UNTIL(nr_verdicts == 1);
	ck_assert(listens());
	if (_i)
		ck_assert_int_eq(l2_set(l2, &l, 1), 0);
	else
		UNTIL(!listens());
	turn_for(1200);
	ck_assert_int_eq(listens(), _i);
	/* Asked about while it is answered: stays. */
	probe(VIP6);
	UNTIL(nr_verdicts == 2);
	turn_for(1200);
	ck_assert_int_eq(listens(), _i);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("probe"), *timed = tcase_create("timed");

	if (!bed_can())
		unit_skip("no right to load BPF programs and make namespaces");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, used, 0, 10);
	tcase_add_loop_test(tc, not_used, 0, 8);
	tcase_add_test(tc, used_behind_our_own);
	tcase_add_test(tc, used_by_a_host);
	tcase_add_loop_test(tc, thousand, 0, 2);
	tcase_add_test(tc, ring_overflows);
	tcase_add_test(tc, not_known);
	tcase_add_test(tc, known_by_one);
	tcase_add_loop_test(tc, device_goes, 0, 3);
	tcase_add_test(tc, removed);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, memory);
	tcase_add_loop_test(tc, cancelled, 0, 2);
	tcase_add_test(tc, asked_twice);
	tcase_add_test(tc, from_within);
	tcase_add_test(tc, ours);
	tcase_add_loop_test(tc, group, 0, 2);
	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(timed, setup_fake, teardown);
	tcase_set_timeout(timed, 60);
	tcase_add_loop_test(timed, free_address, 0, 2);
	suite_add_tcase(s, timed);
}

UNIT_MAIN("probe", add_tests)
