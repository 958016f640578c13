/*
 * tests/unit/l2/test_adopt.c: what a process finds that an earlier one left: what is still answered,
 * for how long, and over a change of the layout.  Skipped without the rights.
 */
#include "tests/unit/l2/plant.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "l2/answer.h"
#include "tests/unit/l2/tap.h"

#define VIP4 "192.0.2.211"
#define VIP6 "2001:db8::abcd:1"

static const char *const on_va[] = { "va" }, *const on_two[] = { "va", "vc" };

static void
setup(void)
{
	plant_setup();
	ck_assert_int_eq(bed_ip("link add vc type veth peer name vd"), 0);
	ck_assert_int_eq(bed_ip("link set vc up"), 0);
	plant_start(NULL);
}

static void
want(size_t nr)
{
	struct l2_address list[] = {
		{ .addr = ip(VIP4), .devices = on_va, .nr_devices = 1 },
		{ .addr = ip(VIP6), .devices = on_two, .nr_devices = 2 },
	};

	ck_assert_int_eq(l2_set(l2, list, nr), 0);
}

static size_t
adopted(void)
{
	struct addr a[3];
	size_t nr = l2_adopted(l2, a, 3);

	if (nr == 2) {
		ck_assert_str_eq(addr_str(&a[0]), VIP4);
		ck_assert_str_eq(addr_str(&a[1]), VIP6);
	}
	ck_assert_uint_eq(l2_adopted(l2, a, 0), nr);
	return nr;
}

/* The process goes without a word, and another comes. */
static void
restart(void)
{
	l2_free(l2);
	plant_start(NULL);
}

static void
leave(uint64_t term_ms)
{
	want(2);
	ck_assert(is_answered(VIP4));
	if (term_ms)
		l2_term(l2, term_ms);
	restart();
}

/* ---- tests ---- */

START_TEST(nothing_left)
{
	ck_assert_uint_eq(adopted(), 0);
	want(2);
	ck_assert_uint_eq(adopted(), 0);
}
END_TEST

START_TEST(told_until_set)
{
	leave(_i ? 60000 : 0);
	ck_assert_uint_eq(adopted(), 2);
	ck_assert(is_answered(VIP4));
	ck_assert_uint_eq(adopted(), 2);
	want(1);
	ck_assert_uint_eq(adopted(), 0);
	ck_assert(is_answered(VIP4));
	ck_assert(!is_answered(VIP6));
}
END_TEST

/* Looking at it gives it no more time. */
START_TEST(goes_on_for_its_term)
{
	leave(2000);
	ck_assert_uint_eq(adopted(), 2);
	turn_for(2050);
	ck_assert(!is_answered(VIP4));
	ck_assert_uint_eq(adopted(), 0);
}
END_TEST

START_TEST(term_goes_on)
{
	leave(400);
	l2_term(l2, 60000);
	ck_assert_uint_eq(adopted(), 2);
	turn_for(450);
	ck_assert(is_answered(VIP4));
	ck_assert_uint_eq(adopted(), 2);
}
END_TEST

/* What was over at the beginning is not brought back by a new term, nor by one without an end. */
START_TEST(term_was_over)
{
	want(2);
	l2_term(l2, 1);
	turn_for(20);
	restart();
	ck_assert(!is_answered(VIP4));
	l2_term(l2, _i ? 60000 : 0);
	ck_assert_uint_eq(adopted(), 0);
	ck_assert(!is_answered(VIP4));
	l2_term(l2, 60000);
	ck_assert(!is_answered(VIP4));
	ck_assert(!is_answered(VIP6));
	want(1);
	ck_assert(is_answered(VIP4));
}
END_TEST

/* The program is not on one of the devices any more: nobody answers there. */
START_TEST(does_not_stand)
{
	struct addr addr;
	struct answer a;

	want(2);
	l2_free(l2);
	ck_assert_int_eq(answer_init(&a, pin), 0);
	answer_detach(&a, va);
	plant_start(NULL);
	ck_assert_uint_eq(l2_adopted(l2, &addr, 1), 1);
	ck_assert_str_eq(addr_str(&addr), VIP6);
}
END_TEST

/* An earlier version counted less and watched nothing: its answers go on all the same. */
START_TEST(counted_less)
{
	char path[128];
	int fd = bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "counters", 4, 8, 3, NULL);
	struct addr addr = ip(VIP4);
	struct l2_key key = answer_key(&addr, va);
	struct l2_entry e;
	struct answer a;

	ck_assert_int_ge(fd, 0);
	want(2);
	ck_assert(is_answered(VIP4));
	l2_free(l2);
	snprintf(path, sizeof(path), "%s/l2/counters", pin);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(bpf_obj_pin(fd, path), 0);
	close(fd);
	plant_start(NULL);
	ck_assert_uint_eq(adopted(), 2);
	ck_assert(is_answered(VIP4));
	want(2);
	ck_assert(is_answered(VIP4));
	ck_assert_uint_eq(l2_counter(l2, L2_ARP_ANSWERED), 1);
	ck_assert_int_eq(answer_init(&a, pin), 0);
	ck_assert_int_eq(answer_load(&a), 0);
	ck_assert(a.adopted);
	ck_assert(answer_get(&a, &key, &e));
	ck_assert_uint_eq(e.answered, 3);
	answer_close(&a);
}
END_TEST

/* A client that asks all the time, on a thread of its own. */
struct client {
	int fd;
	atomic_bool stop;
	unsigned asked, missed;
	uint64_t longest_us; /* between a question and its answer */
};

static void *
client_run(void *arg)
{
	struct client *c = arg;
	struct frame q, a, f;

	arp_build(&q, &(struct arp){ .spa = "192.0.2.7", .tpa = VIP4 });
	arp_build(&a,
	    &(struct arp){ .dmac = mac_b,
		.op = 2,
		.sha = mac_a,
		.spa = VIP4,
		.tha = mac_b,
		.tpa = "192.0.2.7" });
	while (!atomic_load(&c->stop)) {
		uint64_t begin = now_us(), took = 0;
		bool found = false;

		if (send(c->fd, q.b, q.len, 0) < 0)
			break;
		c->asked++;
		while (!found && took < 1000000) {
			ssize_t got = recv(c->fd, f.b, sizeof(f.b), MSG_DONTWAIT);

			f.len = got < 0 ? 0 : (size_t)got;
			found = frame_is(&f, &a);
			took = now_us() - begin;
			if (got < 0)
				usleep(100);
		}
		c->missed += !found;
		c->longest_us = took > c->longest_us ? took : c->longest_us;
	}
	return NULL;
}

static void
client_begin(struct client *c, pthread_t *thread)
{
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ARP), .sll_ifindex = (int)vb
	};

	c->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ARP));
	ck_assert_int_ge(c->fd, 0);
	ck_assert_int_eq(bind(c->fd, (struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(pthread_create(thread, NULL, client_run, c), 0);
}

/* From one process to the next, five times, and nobody who asks waits. */
START_TEST(no_gap)
{
	struct client c = { .fd = -1 };
	pthread_t thread;

	leave(10000);
	client_begin(&c, &thread);
	for (int round = 0; round < 5; round++) {
		ck_assert_uint_eq(adopted(), 2);
		turn_for(5);
		want(2);
		turn_for(5);
		restart();
	}
	atomic_store(&c.stop, true);
	pthread_join(thread, NULL);
	close(c.fd);
	printf("%u questions over 5 restarts, %u without an answer; the slowest took %llu us\n",
	    c.asked, c.missed, (unsigned long long)c.longest_us);
	ck_assert_uint_gt(c.asked, 5);
	ck_assert_uint_eq(c.missed, 0);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("adopt");

	if (!bed_can())
		unit_skip("no right to load BPF programs and make namespaces");
	tcase_add_checked_fixture(tc, setup, plant_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, nothing_left);
	tcase_add_loop_test(tc, told_until_set, 0, 2);
	tcase_add_test(tc, goes_on_for_its_term);
	tcase_add_test(tc, term_goes_on);
	tcase_add_loop_test(tc, term_was_over, 0, 2);
	tcase_add_test(tc, does_not_stand);
	tcase_add_test(tc, counted_less);
	tcase_add_test(tc, no_gap);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("adopt", add_tests)
