/*
 * tests/unit/lib/test_netdev.c: what devices can do with XDP, asked of the kernel in a network
 * namespace of its own: a veth takes redirected frames while its other end has GRO on.
 */
#include "tests/unit/lib/netkit.h"

#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/netdev.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

static unsigned told[64];
static bool takes[64];

static void
on_features(void *arg, unsigned ifindex, uint64_t features)
{
	(void)arg;
	ck_assert_uint_lt(ifindex, 64);
	told[ifindex]++;
	takes[ifindex] = features & NETDEV_TAKES_FRAMES;
}

static void
gro(const char *name, bool on)
{
	struct ethtool_value value = { .cmd = ETHTOOL_SGRO, .data = on };
	struct ifreq ifr = { 0 };
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	ifr.ifr_data = (void *)&value;
	ck_assert_int_eq(ioctl(s, SIOCETHTOOL, &ifr), 0);
	close(s);
}

START_TEST(devices_are_told)
{
	struct loop *loop = loop_new();
	struct netdev *n = netdev_new(loop, on_features, NULL);

	if (n) { /* from Linux 6.3 on */
		settle(loop);
		ck_assert_uint_eq(told[left], 0); /* nobody asked */
		netdev_ask(n);
		settle(loop);
		ck_assert_uint_eq(told[left], 1);
		ck_assert_uint_eq(told[right], 1);
		ck_assert(!takes[left] && !takes[right]);
		gro("leftx", true);
		settle(loop);
		ck_assert_uint_ge(told[left], 2); /* by itself */
		ck_assert(takes[left] && !takes[right]);
		gro("leftx", false);
		netdev_ask(n);
		settle(loop);
		ck_assert(!takes[left]);
	}
	netdev_free(n);
	netdev_free(NULL);
	loop_free(loop);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
	struct loop *loop = loop_new();

	for (unsigned i = 1; i < 3; i++) {
		struct netdev *n;

		mem_fail_at(i);
		n = netdev_new(loop, on_features, NULL);
		mem_fail_at(0);
		ck_assert_ptr_null(n);
	}
	loop_free(loop);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("kernel");

	if (!kit_namespace())
		unit_skip("no user and network namespaces here");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, devices_are_told);
	tcase_add_test(tc, every_allocation_may_fail);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("netdev", add_tests)
