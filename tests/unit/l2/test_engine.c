/*
 * tests/unit/l2/test_engine.c: the engine on a veth pair in a real kernel: what is asked at one end is
 * answered at the other, what is new is announced, what is lost is silent, and what a process leaves
 * behind the next one takes over.  Skipped without the rights.
 */
#include "tests/unit/l2/bed.h"

#include <errno.h>
#include <net/if.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "l2/l2.h"
#include "lib/loop.h"
#include "tests/unit/l2/tap.h"

#define VIP4 "192.0.2.211"
#define VIP6 "2001:db8::abcd:1"
#define HOST4 "192.0.2.7"
#define HOST6 "2001:db8::7"

static struct loop *loop;
static struct l2 *l2;
static struct l2_alarm alarms[8];
static size_t nr_alarms;
static unsigned nr_told; /* of devices */

static const uint8_t mac_c[6] = { 0x02, 0xcc, 0, 0, 0, 3 };

static uint64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void
on_alarm(void *arg, const struct l2_alarm *alarm)
{
	(void)arg;
	if (nr_alarms < 8)
		alarms[nr_alarms++] = *alarm;
}

static void
on_devices(void *arg)
{
	(void)arg;
	nr_told++;
}

static void
start_at(const char *path)
{
	const struct l2_ops ops = { .alarm = on_alarm, .devices = on_devices };
	int err;

	l2 = l2_new(loop, path, &ops, NULL, &err);
	ck_assert_ptr_nonnull(l2);
}

static void
setup(void)
{
	bed_setup();
	loop = loop_new();
	tap_open();
	nr_alarms = 0;
	start_at(pin);
}

static void
teardown(void)
{
	l2_free(l2);
	l2 = NULL;
	loop_free(loop);
	tap_close();
	bed_teardown();
}

/* ---- what is wanted ---- */

static const char *const on_va[] = { "va" };
static struct l2_schedule schedule = { .count = 1 };

static void
want(const char *const *texts, size_t nr)
{
	struct l2_address list[8];

	for (size_t i = 0; i < nr; i++)
		list[i] = (struct l2_address){ .addr = ip(texts[i]),
			.devices = on_va,
			.nr_devices = 1,
			.schedule = schedule };
	ck_assert_int_eq(l2_set(l2, list, nr), 0);
}

struct seen {
	struct l2_seen s[8];
	char why[8][600];
	size_t nr;
};

static bool
on_seen(void *arg, const struct l2_seen *s)
{
	struct seen *all = arg;

	snprintf(all->why[all->nr], sizeof(all->why[0]), "%s", s->why);
	all->s[all->nr++] = *s;
	return all->nr < 8;
}

static struct seen
seen(void)
{
	static struct seen all;

	all.nr = 0;
	l2_each(l2, on_seen, &all);
	return all;
}

static bool
answering(size_t nr)
{
	struct l2_info info;

	l2_info(l2, &info);
	for (size_t i = 0; i < seen().nr; i++) {
		if (!seen().s[i].answering)
			return false;
	}
	return info.answering == nr && info.addresses == nr;
}

#define UNTIL(cond)                                                                                \
	do {                                                                                       \
		uint64_t until_end = now_ms() + 5000;                                              \
		while (!(cond) && now_ms() < until_end)                                            \
			loop_turn(loop, 5);                                                        \
		ck_assert(cond);                                                                   \
	} while (0)

static void
turn_for(uint64_t ms)
{
	uint64_t end = now_ms() + ms;

	while (now_ms() < end)
		loop_turn(loop, 2);
}

/* ---- on the wire ---- */

static bool
is_answered(const struct frame *question, const struct frame *answer)
{
	struct frame f;

	while (tap_get(&f))
		;
	tap_send(question);
	/* A veth gives it across before sendto() is back, but for what softirqs put off. */
	for (int i = 0; i < 20; i++) {
		if (tap_count(answer) > 0)
			return true;
		usleep(1000);
	}
	return false;
}

static bool
is_answered4(const char *vip)
{
	struct frame q, a;

	arp_build(&q, &(struct arp){ .spa = HOST4, .tpa = vip });
	arp_build(&a,
	    &(struct arp){
		.dmac = mac_b, .op = 2, .sha = mac_a, .spa = vip, .tha = mac_b, .tpa = HOST4 });
	return is_answered(&q, &a);
}

static bool
is_answered6(const char *vip)
{
	struct frame q, a;

	nd_build(
	    &q, &(struct nd){ .src = HOST6, .dst = group_of(vip), .target = vip, .slla = mac_b });
	nd_build(&a,
	    &(struct nd){ .dmac = mac_b,
		.smac = mac_a,
		.src = vip,
		.dst = HOST6,
		.target = vip,
		.type = 136,
		.flags = 0x60,
		.tlla = mac_a });
	return is_answered(&q, &a);
}

/* Does va listen to the group of @vip? */
static bool
listens(const char *vip)
{
	struct addr g = ip(group_of(vip));
	char hex[33], line[160];
	bool found = false;
	FILE *f = fopen("/proc/net/igmp6", "r");

	ck_assert_ptr_nonnull(f);
	for (int i = 0; i < 16; i++)
		snprintf(hex + 2 * i, 3, "%02x", g.b[i]);
	while (fgets(line, sizeof(line), f))
		found |= strstr(line, hex) && strstr(line, " va ");
	fclose(f);
	return found;
}

/* ---- tests ---- */

static const char *const both[] = { VIP4, VIP6 };

START_TEST(answered)
{
	ck_assert(!is_answered4(VIP4));
	want(both, 2);
	UNTIL(answering(2) && listens(VIP6));
	ck_assert(is_answered4(VIP4));
	ck_assert(is_answered6(VIP6));
	ck_assert(!is_answered4("192.0.2.212"));
	ck_assert_uint_eq(seen().s[0].answered, 1);
	ck_assert_uint_ge(seen().s[1].answered, 1);
	ck_assert_uint_eq(l2_counter(l2, L2_ARP_ANSWERED), 1);
	ck_assert_int_ge(seen().s[0].since, time(NULL) - 5);
	/* The same again: nothing. */
	want(both, 2);
	ck_assert_uint_eq(seen().s[0].answered, 1);
	ck_assert_str_eq(l2_counter_name(L2_ARP_ANSWERED), "arp-answered");
	ck_assert_ptr_null(l2_counter_name(L2_NR_COUNTS));
}
END_TEST

/* The router flag is what the kernel's own advertisements from there say. */
START_TEST(router)
{
	struct frame q, a;

	bed_sysctl("net/ipv6/conf/va/forwarding", "1");
	want(both, 2);
	UNTIL(answering(2) && listens(VIP6));
	nd_build(
	    &q, &(struct nd){ .src = HOST6, .dst = group_of(VIP6), .target = VIP6, .slla = mac_b });
	nd_build(&a,
	    &(struct nd){ .dmac = mac_b,
		.smac = mac_a,
		.src = VIP6,
		.dst = HOST6,
		.target = VIP6,
		.type = 136,
		.flags = 0xe0,
		.tlla = mac_a });
	ck_assert(is_answered(&q, &a));
}
END_TEST

START_TEST(vlan)
{
	uint8_t tags[2][4] = { { 0x81, 0, 0, 5 }, { 0x81, 0, 0xe0, 0 } };
	struct frame q, a, tagged;

	want(both, 2);
	UNTIL(answering(2));
	turn_for(20);
	arp_build(&q, &(struct arp){ .spa = HOST4, .tpa = VIP4 });
	arp_build(&a,
	    &(struct arp){
		.dmac = mac_b, .op = 2, .sha = mac_a, .spa = VIP4, .tha = mac_b, .tpa = HOST4 });
	for (int i = 0; i < 2; i++) {
		memcpy(tagged.b, q.b, 12);
		memcpy(tagged.b + 12, tags[i], 4);
		memcpy(tagged.b + 16, q.b + 12, q.len - 12);
		tagged.len = q.len + 4;
		while (tap_get(&a))
			;
		arp_build(&a,
		    &(struct arp){ .dmac = mac_b,
			.op = 2,
			.sha = mac_a,
			.spa = VIP4,
			.tha = mac_b,
			.tpa = HOST4 });
		tap_send(&tagged);
		turn_for(20);
		/* Another network's; and one of this network that is urgent. */
		ck_assert_int_eq((int)tap_count(&a), i);
	}
	/* And on the device of that VLAN. */
	if (bed_ip("link add link va name va.5 type vlan id 5") != 0)
		return; /* this kernel has none */
	ck_assert_int_eq(bed_ip("link set va.5 up"), 0);
	ck_assert_int_eq(
	    l2_set(l2,
		&(struct l2_address){
		    .addr = ip(VIP4), .devices = (const char *const[]){ "va.5" }, .nr_devices = 1 },
		1),
	    0);
	UNTIL(answering(1));
	memcpy(tagged.b + 12, tags[0], 4);
	while (tap_get(&a))
		;
	tap_send(&tagged);
	turn_for(20);
	for (bool found = false; !found;) {
		ck_assert(tap_get(&a));
		/* Whether the tag is in the frame or beside it is the device's business. */
		found = a.b[0] == mac_b[0] && memcmp(a.b, mac_b, 6) == 0;
	}
	ck_assert(!is_answered4(VIP4));
}
END_TEST

START_TEST(announced)
{
	struct frame request, reply, na;
	unsigned n[3] = { 0 };
	struct frame f;

	schedule = (struct l2_schedule){ .count = 3, .interval_ms = 100 };
	garp(&request, VIP4, 1, mac_a);
	garp(&reply, VIP4, 2, mac_a);
	una(&na, VIP6, mac_a);
	want(both, 2);
	UNTIL(answering(2));
	turn_for(30);
	while (tap_get(&f)) {
		n[0] += frame_is(&f, &request);
		n[1] += frame_is(&f, &reply);
		n[2] += frame_is(&f, &na);
	}
	/* At once, and the others later. */
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(n[i], 1);
	ck_assert_int_ge(seen().s[0].announced, time(NULL) - 5);
	turn_for(500);
	while (tap_get(&f)) {
		n[0] += frame_is(&f, &request);
		n[1] += frame_is(&f, &reply);
		n[2] += frame_is(&f, &na);
	}
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(n[i], 3);
	/* Said again when asked to. */
	schedule.refresh_ms = 100;
	want(both, 2);
	turn_for(550);
	ck_assert_uint_ge(tap_count(&na), 4);
	schedule.refresh_ms = 0;
	want(both, 2);
	turn_for(20);
	while (tap_get(&f))
		;
	turn_for(300);
	ck_assert_uint_eq(tap_count(&na), 0);
}
END_TEST

START_TEST(lost)
{
	struct frame f, request;

	schedule = (struct l2_schedule){ .count = 5, .interval_ms = 60, .refresh_ms = 60 };
	want(both, 2);
	UNTIL(answering(2) && listens(VIP6));
	want(both + 1, 1);
	/* From the call on. */
	ck_assert(!is_answered4(VIP4));
	ck_assert(is_answered6(VIP6));
	while (tap_get(&f))
		;
	garp(&request, VIP4, 1, mac_a);
	turn_for(300);
	ck_assert_uint_eq(tap_count(&request), 0);
	want(NULL, 0);
	ck_assert(!is_answered6(VIP6));
	UNTIL(!listens(VIP6));
}
END_TEST

START_TEST(outlives_the_process)
{
	struct l2_info info;
	time_t since;

	want(both, 2);
	UNTIL(answering(2) && listens(VIP6));
	since = seen().s[0].since;
	l2_free(l2);
	ck_assert(is_answered4(VIP4));
	ck_assert(listens(VIP6));
	ck_assert(is_answered6(VIP6));
	start_at(pin);
	turn_for(50);
	/* Not before somebody says what is wanted. */
	ck_assert(is_answered4(VIP4));
	want(both, 1);
	UNTIL(answering(1));
	l2_info(l2, &info);
	ck_assert(info.adopted);
	ck_assert_int_eq(seen().s[0].since, since);
	ck_assert_uint_eq(seen().s[0].answered, 2);
	ck_assert(is_answered4(VIP4));
	ck_assert(!is_answered6(VIP6));
	UNTIL(!listens(VIP6));
}
END_TEST

/* What a process left on a device that nobody wants any more. */
START_TEST(nothing_wanted)
{
	want(both, 2);
	UNTIL(answering(2) && listens(VIP6));
	l2_free(l2);
	start_at(pin);
	want(NULL, 0);
	UNTIL(!is_answered4(VIP4) && !listens(VIP6));
}
END_TEST

START_TEST(removed)
{
	char path[96];

	want(both, 2);
	UNTIL(answering(2) && listens(VIP6));
	l2_remove(l2);
	ck_assert(!is_answered4(VIP4));
	snprintf(path, sizeof(path), "%s/l2", pin);
	ck_assert_int_ne(access(path, F_OK), 0);
	UNTIL(!listens(VIP6));
	/* And on again. */
	want(both, 2);
	UNTIL(answering(2) && is_answered4(VIP4));
}
END_TEST

/* Down and up: the kernel has forgotten the group, the switch the address. */
START_TEST(link_up_again)
{
	struct frame f, na;

	want(both, 2);
	UNTIL(answering(2) && listens(VIP6));
	turn_for(50);
	ck_assert_int_eq(bed_ip("link set va down"), 0);
	UNTIL(!answering(2));
	ck_assert_str_eq(seen().why[0], "The device is down.");
	while (tap_get(&f))
		;
	ck_assert_int_eq(bed_ip("link set va up"), 0);
	UNTIL(answering(2) && listens(VIP6));
	turn_for(50);
	una(&na, VIP6, mac_a);
	ck_assert_uint_eq(tap_count(&na), 1);
	ck_assert(is_answered6(VIP6));
}
END_TEST

START_TEST(other_mac)
{
	struct frame f, request;

	want(both, 2);
	UNTIL(answering(2));
	turn_for(50);
	while (tap_get(&f))
		;
	ck_assert_int_eq(bed_ip("link set va address 02:aa:00:00:00:09"), 0);
	mac_a[5] = 9;
	garp(&request, VIP4, 1, mac_a);
	turn_for(100);
	ck_assert_uint_eq(tap_count(&request), 1);
	ck_assert(is_answered4(VIP4));
	mac_a[5] = 1;
}
END_TEST

/* It is waited for, goes, comes again, and changes its name. */
START_TEST(device_comes_and_goes)
{
	static const char *const later[] = { "vc" };
	struct l2_address a = { .addr = ip(VIP4), .devices = later, .nr_devices = 1 };

	ck_assert_int_eq(l2_set(l2, &a, 1), 0);
	turn_for(50);
	ck_assert(!answering(1));
	ck_assert_str_eq(seen().why[0], "There is no such device.");
	for (int i = 0; i < 2; i++) {
		unsigned told = nr_told;

		ck_assert_int_eq(bed_ip("link add vc type veth peer name vd"), 0);
		ck_assert_int_eq(bed_ip("link set vc up"), 0);
		ck_assert_int_eq(bed_ip("link set vd up"), 0);
		UNTIL(answering(1));
		ck_assert_uint_gt(nr_told, told);
		ck_assert_int_eq(bed_ip("link del vc"), 0);
		UNTIL(!answering(1));
	}
	ck_assert_int_eq(bed_ip("link set va down"), 0);
	ck_assert_int_eq(bed_ip("link set va name vc"), 0);
	ck_assert_int_eq(bed_ip("link set vc up"), 0);
	UNTIL(answering(1));
	ck_assert(is_answered4(VIP4));
}
END_TEST

START_TEST(not_there)
{
	static const char *const odd[] = { "lo", "part", "wg" };
	struct l2_address a = { .addr = ip(VIP4), .devices = odd, .nr_devices = 2 };

	ck_assert_int_eq(bed_ip("link add br0 type bridge"), 0);
	ck_assert_int_eq(bed_ip("link add part type veth peer name other"), 0);
	ck_assert_int_eq(bed_ip("link set part master br0"), 0);
	ck_assert_int_eq(l2_set(l2, &a, 1), 0);
	UNTIL(strstr(seen().why[0], "loopback") && strstr(seen().why[1], "bridge"));
	ck_assert_int_eq(bed_ip("link set part nomaster"), 0);
	UNTIL(strstr(seen().why[1], "down"));
}
END_TEST

/* RFC 5227 2.4 (c). */
START_TEST(claimed)
{
	struct frame f, request, own;

	want(both, 2);
	UNTIL(answering(2));
	turn_for(300);
	while (tap_get(&f))
		;
	garp(&f, VIP4, 1, mac_c);
	tap_send(&f);
	UNTIL(nr_alarms == 1);
	ck_assert_int_eq(alarms[0].claim, L2_CLAIMS);
	ck_assert_mem_eq(alarms[0].mac, mac_c, 6);
	ck_assert_str_eq(alarms[0].device, "va");
	turn_for(50);
	garp(&request, VIP4, 1, mac_a);
	ck_assert_uint_eq(tap_count(&request), 1);
	ck_assert_uint_eq(seen().s[0].claims[L2_CLAIMS], 1);
	ck_assert_mem_eq(seen().s[0].foreign, mac_c, 6);
	ck_assert_int_ne(seen().s[0].alarmed, 0);
	/* It goes on: told again, not defended again. */
	turn_for(1000);
	tap_send(&f);
	UNTIL(nr_alarms == 2);
	turn_for(50);
	ck_assert_uint_eq(tap_count(&request), 0);
	/* Heard of ourselves by another device of ours: no alarm. */
	turn_for(1000);
	garp(&own, VIP4, 1, mac_b);
	tap_send(&own);
	turn_for(300);
	ck_assert_uint_eq(nr_alarms, 2);
	ck_assert_uint_eq(seen().s[0].claims[L2_CLAIMS], 3);
}
END_TEST

/* What the old holder said last comes a moment after we began; and who is told to let go within the
 * grace neither tells of the new holder, nor answers back. */
START_TEST(claimed_in_a_handover)
{
	struct frame f, request;

	garp(&f, VIP4, 1, mac_c);
	garp(&request, VIP4, 1, mac_a);
	want(both + 1, 1); /* the program stands there */
	turn_for(50);
	want(both, 2);
	tap_send(&f);
	UNTIL(answering(2));
	ck_assert_uint_eq(seen().s[0].claims[L2_CLAIMS], 1);
	turn_for(600);
	ck_assert_uint_eq(nr_alarms, 0);
	turn_for(2000); /* what the schedule says is said */
	tap_count(&request);
	tap_send(&f);
	turn_for(50);
	want(NULL, 0);
	turn_for(600);
	ck_assert_uint_eq(nr_alarms, 0);
	ck_assert_uint_eq(tap_count(&request), 0);
}
END_TEST

/* A defence takes nothing from a schedule, although both fall due at a time. */
START_TEST(claimed_and_refreshed)
{
	static const char *const eight[] = { "10.9.0.1", "10.9.0.2", "10.9.0.3", "10.9.0.4",
		"10.9.0.5", "10.9.0.6", "10.9.0.7", "10.9.0.8" };
	struct frame f, request;

	schedule = (struct l2_schedule){ .count = 1, .refresh_ms = 1 };
	want(eight, 8);
	UNTIL(answering(8));
	turn_for(100);
	for (int i = 0; i < 8; i++) {
		garp(&f, eight[i], 1, mac_c);
		tap_send(&f);
	}
	UNTIL(nr_alarms == 8);
	turn_for(50);
	for (int i = 0; i < 8; i++) {
		garp(&request, eight[i], 1, mac_a);
		tap_count(&request);
		turn_for(100);
		ck_assert_uint_ge(tap_count(&request), 2);
	}
}
END_TEST

START_TEST(probed)
{
	struct frame f;

	want(both, 2);
	UNTIL(answering(2) && listens(VIP6));
	turn_for(300);
	nd_build(
	    &f, &(struct nd){ .smac = mac_c, .src = "::", .dst = group_of(VIP6), .target = VIP6 });
	tap_send(&f);
	UNTIL(nr_alarms == 1);
	ck_assert_int_eq(alarms[0].claim, L2_PROBES);
	ck_assert_mem_eq(alarms[0].mac, mac_c, 6);
}
END_TEST

/* A process that hangs, or is gone, does not answer beyond its time. */
START_TEST(term)
{
	struct frame request, f;

	schedule = (struct l2_schedule){ .count = 20, .interval_ms = 50 };
	l2_term(l2, 60000);
	want(both, 2);
	UNTIL(answering(2));
	ck_assert(is_answered4(VIP4));
	l2_term(l2, 100);
	ck_assert(is_answered4(VIP4));
	turn_for(110);
	while (tap_get(&f))
		;
	ck_assert(!is_answered4(VIP4));
	turn_for(200);
	garp(&request, VIP4, 1, mac_a);
	ck_assert_uint_eq(tap_count(&request), 0);
	l2_term(l2, 0);
	ck_assert(is_answered4(VIP4));
}
END_TEST

START_TEST(bad_place)
{
	char path[96];
	struct l2_info info;

	l2_free(l2);
	snprintf(path, sizeof(path), "/tmp/herald-l2-plain-%d", (int)getpid());
	start_at(path);
	want(both, 2);
	turn_for(50);
	l2_info(l2, &info);
	ck_assert(!info.loaded);
	ck_assert_ptr_nonnull(strstr(info.error, "is not on a BPF file system"));
	ck_assert_ptr_nonnull(strstr(seen().why[0], "is not on a BPF file system"));
	for (size_t i = 0; i < 4; i++) {
		static const char *const made[] = { "/l2/links", "/l2/next", "/l2", "" };
		char part[128];

		snprintf(part, sizeof(part), "%s%s", path, made[i]);
		ck_assert_int_eq(rmdir(part), 0);
	}
}
END_TEST

START_TEST(refused)
{
	struct l2_address a = { .addr = ip("224.0.0.1"), .devices = on_va, .nr_devices = 1 };

	want(both, 2);
	UNTIL(answering(2));
	ck_assert_int_eq(l2_set(l2, &a, 1), -EINVAL);
	a.addr = ip("ff02::1");
	ck_assert_int_eq(l2_set(l2, &a, 1), -EINVAL);
	a.addr = ip("0.0.0.0");
	ck_assert_int_eq(l2_set(l2, &a, 1), -EINVAL);
	ck_assert(answering(2));
}
END_TEST

static bool
on_device(void *arg, const struct l2_seen_device *d)
{
	(void)arg;
	(void)d;
	return false;
}

/* A thousand addresses: all answered at once, all announced soon, and never too many at a time. */
START_TEST(thousand)
{
	static struct l2_address list[1000];
	struct addr a = ip("10.9.0.0");
	uint64_t begin, end;
	size_t nr = 0;
	struct frame f;

	UNTIL(l2_devices_each(l2, on_device, NULL));
	for (size_t i = 0; i < 1000; i++) {
		ck_assert(addr_next(&a));
		list[i] = (struct l2_address){
			.addr = a, .devices = on_va, .nr_devices = 1, .schedule = { .count = 1 }
		};
	}
	begin = now_ms();
	ck_assert_int_eq(l2_set(l2, list, 1000), 0);
	while (nr < 2000 && now_ms() < begin + 5000) {
		loop_turn(loop, 1);
		while (tap_get(&f)) {
			if (f.b[13] == 6 && f.b[28] == 10 && memcmp(f.b, "\xff\xff", 2) == 0)
				nr++;
		}
	}
	end = now_ms();
	ck_assert_uint_eq(nr, 2000);
	ck_assert(is_answered4("10.9.3.232"));
	printf("1000 addresses announced in %llu ms\n", (unsigned long long)(end - begin));
	ck_assert_uint_ge(end - begin, 30);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("engine");

	if (!bed_can())
		unit_skip("no right to load BPF programs and make namespaces");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, answered);
	tcase_add_test(tc, router);
	tcase_add_test(tc, vlan);
	tcase_add_test(tc, announced);
	tcase_add_test(tc, lost);
	tcase_add_test(tc, outlives_the_process);
	tcase_add_test(tc, nothing_wanted);
	tcase_add_test(tc, removed);
	tcase_add_test(tc, link_up_again);
	tcase_add_test(tc, other_mac);
	tcase_add_test(tc, device_comes_and_goes);
	tcase_add_test(tc, not_there);
	tcase_add_test(tc, claimed);
	tcase_add_test(tc, claimed_in_a_handover);
	tcase_add_test(tc, claimed_and_refreshed);
	tcase_add_test(tc, probed);
	tcase_add_test(tc, term);
	tcase_add_test(tc, bad_place);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, thousand);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("engine", add_tests)
