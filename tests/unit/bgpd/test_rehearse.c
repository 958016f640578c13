/*
 * tests/unit/bgpd/test_rehearse.c: what a configuration would change is said, and nothing of it is done.
 * Each in a process of its own, as in life.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bgpd/bgpd.h"
#include "bgpd/speaker.h"
#include "lib/buf.h"
#include "lib/loop.h"
#include "tests/unit/unit.h"

/* A peer that waits to be dialled, so that nobody is. */
static struct bgp_peer_conf
peer(const char *name, const char *addr)
{
	struct bgp_peer_conf c = { .name = name, .passive = true, .peer_as = 65000, .hold_s = 90 };

	ck_assert_int_eq(addr_parse(addr, &c.addr), 0);
	c.family[BGP_IPV4_UNICAST].enabled = true;
	c.family[BGP_IPV4_UNICAST].audience = "all";
	return c;
}

static void
apply(struct bgp *b, uint32_t local_as, const struct bgp_peer_conf *peers, size_t nr)
{
	const struct bgp_instance_conf in = {
		.name = "i", .local_as = local_as, .router_id = 1, .peers = peers, .nr_peers = nr
	};
	const struct bgp_conf c = { .instances = &in, .nr_instances = 1 };

	ck_assert_int_eq(bgp_apply(b, &c), 0);
}

static void
said_peer(void *arg, const char *instance, const char *name, const struct addr *addr,
    enum bgp_fate fate, const char *const *fields, size_t nr)
{
	static const char *const fates[] = { "added", "removed", "reset", "changed" };
	struct buf *out = arg;

	(void)addr;
	buf_printf(out, "%s/%s %s", instance, name, fates[fate]);
	for (size_t i = 0; i < nr; i++)
		buf_printf(out, " %s", fields[i]);
	buf_puts(out, "\n");
}

static void
said_route(void *arg, const char *instance, const char *name, bool alive, const json_t *old,
    const json_t *new)
{
	const json_t *any = new ? new : old;

	buf_printf(arg, "%s/%s %s%s%s %s\n", instance, name, old ? "old " : "", new ? "new " : "",
	    alive ? "stays" : "not", json_string_value(json_object_get(any, "prefix")));
}

static void
originate(struct bgp *b, const char *prefix)
{
	struct bgp_announce a = { .source = BGP_SRC_SERVICE, .audience = "all", .policy = "p" };

	ck_assert_int_eq(prefix_parse(prefix, &a.prefix, NULL), 0);
	ck_assert_int_eq(bgp_originate(b, "i", "o", &a, 1), 0);
}

/* What is said of going from one to the other. */
static void
expect(uint32_t local_as, const struct bgp_peer_conf *to, size_t nr, const char *says)
{
	const struct bgp_peer_conf from[] = { peer("a", "192.0.2.1"), peer("b", "192.0.2.2") };
	struct loop *loop = loop_new_fake();
	struct bgp *b = bgp_new(loop, NULL, false);
	struct bgp_rehearsal ops = { .peer = said_peer, .route = said_route };
	struct buf out;
	int status = -1;
	pid_t pid;

	apply(b, 65001, from, 2);
	originate(b, "172.16.0.1/32");
	loop_advance(loop, 0);
	pid = fork();
	if (pid == 0) {
		buf_init(&out, 65536);
		ops.arg = &out;
		if (bgp_rehearse(b, &ops) < 0)
			_exit(2);
		apply(b, local_as, to, nr);
		if (bgp_rehearse_end(b) < 0)
			_exit(3);
		if (strcmp(buf_text(&out), says) != 0) {
			(void)!write(2, buf_text(&out), out.len);
			_exit(4);
		}
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	/* nothing of it happened here */
	ck_assert_ptr_null(b->rehearsal);
	bgp_free(b);
	loop_free(loop);
}

/* ---- monitoring stations ---- */

static void
said_station(void *arg, const struct bgp_monitor_conf *old, const struct bgp_monitor_conf *new,
    enum bgp_fate fate)
{
	static const char *const words[] = { "added", "removed", "reset", "changed" };

	buf_printf(arg, "%s %s %u>%u\n", new ? new->name : old->name, words[fate],
	    old ? old->port : 0u, new ? new->port : 0u);
}

static void
apply_stations(struct bgp *b, const struct bgp_monitor_conf *list, size_t nr)
{
	const struct bgp_conf c = { .monitors = list, .nr_monitors = nr };

	ck_assert_int_eq(bgp_apply(b, &c), 0);
}

static struct bgp_monitor_conf
station(const char *name, uint16_t port, uint16_t statistics_s)
{
	struct bgp_monitor_conf c = { .name = name, .port = port, .statistics_s = statistics_s };

	c.views = BGP_MONITOR_PRE;
	ck_assert_int_eq(addr_parse("192.0.2.9", &c.addr), 0);
	return c;
}

START_TEST(stations_are_compared_as_they_are_taken_on)
{
	const struct bgp_monitor_conf from[] = { station("a", 1, 0), station("b", 2, 0),
		station("c", 3, 0), station("d", 4, 0) };
	const struct bgp_monitor_conf way[] = { station("z", 9, 0) };
	const struct bgp_monitor_conf to[] = { station("b", 7, 0), station("c", 3, 5),
		station("d", 4, 0), station("e", 5, 0) };
	struct loop *loop = loop_new_fake();
	struct bgp *b = bgp_new(loop, NULL, false);
	struct bgp_rehearsal ops = {
		.peer = said_peer, .route = said_route, .station = said_station
	};
	struct buf out;

	buf_init(&out, 65536);
	ops.arg = &out;
	apply_stations(b, from, 4);
	ck_assert_int_eq(bgp_rehearse(b, &ops), 0);
	apply_stations(b, way, 1); /* only the last counts */
	apply_stations(b, to, 4);
	ck_assert_int_eq(bgp_rehearse_end(b), 0);
	ck_assert_str_eq(
	    buf_text(&out), "a removed 1>0\nb reset 2>7\nc changed 3>3\ne added 0>5\n");
	buf_fini(&out);
	_exit(0); /* as whoever rehearses does */
}
END_TEST

START_TEST(nothing_is_said_of_the_same)
{
	const struct bgp_peer_conf to[] = { peer("a", "192.0.2.1"), peer("b", "192.0.2.2") };

	expect(65001, to, 2, "");
}
END_TEST

START_TEST(peers_come_and_go)
{
	struct bgp_peer_conf to[] = { peer("b", "192.0.2.2"), peer("c", "127.0.0.3") };

	/* the new one is taken to come up, and is told of what there is */
	to[1].local_addr = to[1].addr;
	expect(65001, to, 2, "i/a removed\ni/c added\ni/c new not 172.16.0.1/32\n");
}
END_TEST

START_TEST(a_field_that_ends_sessions)
{
	struct bgp_peer_conf to[] = { peer("a", "192.0.2.1"), peer("b", "192.0.2.2") };

	to[0].hold_s = 30;
	to[0].allow_as_in = 2;
	to[0].held_down = "a reason"; /* so that it is not taken to come up */
	expect(65001, to, 2, "i/a reset hold_s held_down allow_as_in\n");
}
END_TEST

START_TEST(fields_that_do_not)
{
	struct bgp_peer_conf to[] = { peer("a", "192.0.2.1"), peer("b", "192.0.2.2") };
	const struct bgp_rule all = { .accept = true };

	to[0].allow_as_in = 1;
	to[1].import = (struct bgp_policy){ &all, 1 };
	to[1].family[BGP_IPV4_UNICAST].audience = "others";
	expect(65001, to, 2, "i/a changed allow_as_in\ni/b changed import advertisements\n");
}
END_TEST

START_TEST(another_as_ends_all)
{
	struct bgp_peer_conf to[] = { peer("a", "192.0.2.1"), peer("b", "192.0.2.2") };

	to[0].held_down = to[1].held_down = "a reason";
	expect(65002, to, 2, "i/a reset local_as held_down\ni/b reset local_as held_down\n");
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("rehearse");

	tcase_add_test(tc, nothing_is_said_of_the_same);
	if (unit_rounds(20) == 20) /* it ends with all that it has, which valgrind takes for lost */
		tcase_add_exit_test(tc, stations_are_compared_as_they_are_taken_on, 0);
	tcase_add_test(tc, peers_come_and_go);
	tcase_add_test(tc, a_field_that_ends_sessions);
	tcase_add_test(tc, fields_that_do_not);
	tcase_add_test(tc, another_as_ends_all);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("rehearse", add_tests)
