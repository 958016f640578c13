/*
 * tests/unit/l2/plant.c: an engine on the bed's veth pair, with a real loop and clock, for those tests
 * that need nothing else.
 */
#include "tests/unit/l2/plant.h"

#include <time.h>
#include <unistd.h>

#include "tests/unit/l2/tap.h"

#define HOST4 "192.0.2.7"
#define HOST6 "2001:db8::7"

struct loop *loop;
struct l2 *l2;

uint64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t
now_ms(void)
{
	return now_us() / 1000;
}

void
turn_for(uint64_t ms)
{
	uint64_t end = now_ms() + ms;

	while (now_ms() < end)
		loop_turn(loop, 1);
}

static bool
on_device(void *arg, const struct l2_seen_device *d)
{
	*(bool *)arg |= strcmp(d->name, "va") == 0 && d->running;
	return true;
}

static bool
is_ready(void)
{
	bool found = false;

	return l2_devices_each(l2, on_device, &found) && found;
}

void
plant_start(const struct l2_ops *ops)
{
	const struct l2_ops none = { 0 };
	int err;

	l2 = l2_new(loop, pin, ops ? ops : &none, NULL, &err);
	ck_assert_ptr_nonnull(l2);
	UNTIL(is_ready());
}

void
plant_setup(void)
{
	bed_setup();
	loop = loop_new();
	tap_open();
}

void
plant_setup_fake(void)
{
	bed_setup();
	loop = loop_new_fake();
	tap_open();
}

void
plant_teardown(void)
{
	l2_free(l2);
	l2 = NULL;
	loop_free(loop);
	tap_close();
	bed_teardown();
}

bool
is_answered(const char *vip)
{
	bool six = strchr(vip, ':') != NULL;
	struct frame q, a, f;

	if (six) {
		nd_build(&q,
		    &(struct nd){
			.src = HOST6, .dst = group_of(vip), .target = vip, .slla = mac_b });
		nd_build(&a,
		    &(struct nd){ .dmac = mac_b,
			.smac = mac_a,
			.src = vip,
			.dst = HOST6,
			.target = vip,
			.type = 136,
			.flags = 0x60,
			.tlla = mac_a });
	} else {
		arp_build(&q, &(struct arp){ .spa = HOST4, .tpa = vip });
		arp_build(&a,
		    &(struct arp){ .dmac = mac_b,
			.op = 2,
			.sha = mac_a,
			.spa = vip,
			.tha = mac_b,
			.tpa = HOST4 });
	}
	while (tap_get(&f))
		;
	tap_send(&q);
	/* A veth gives it across before sendto() is back, but for what softirqs put off. */
	for (int i = 0; i < 20; i++) {
		if (tap_count(&a) > 0)
			return true;
		usleep(1000);
	}
	return false;
}
