/*
 * tests/unit/fib/test_tunnel.c: the overlay's engine against the real kernel, in a network namespace
 * of its own; what the kernel has is asked of iproute2.  Skipped without the right to make one.
 */
#include "fib/fib.h"
#include "fib/tunnel.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct loop *loop;
static struct tunnel *tunnel;

enum { WORDS = 32, SAID = 8000 };

/* Runs a command, words apart by blanks; what it says into @text (@size), its errors left out.  The
 * status as of waitpid(2), or -1. */
static int
spawn(const char *command, char *text, size_t size)
{
	char copy[400], *argv[WORDS] = { NULL }, *save = NULL;
	posix_spawn_file_actions_t files;
	int out[2], status = -1, argc = 0;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	snprintf(copy, sizeof(copy), "%s", command);
	for (char *w = strtok_r(copy, " ", &save); w && argc < WORDS - 1;
	     w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	text[0] = '\0';
	if (pipe2(out, O_CLOEXEC) < 0)
		return -1;
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, out[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	if (posix_spawnp(&pid, argv[0], &files, NULL, argv, environ) != 0)
		pid = -1;
	posix_spawn_file_actions_destroy(&files);
	close(out[1]);
	while (len < size - 1 && (n = read(out[0], text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(out[0]);
	if (pid > 0)
		waitpid(pid, &status, 0);
	return status;
}

/* What a command says; "" when it says nothing. */
static const char *
said(const char *command)
{
	static char text[SAID];

	spawn(command, text, sizeof(text));
	return text;
}

static bool
runs(const char *command)
{
	char text[SAID];

	return spawn(command, text, sizeof(text)) == 0;
}

static void
run(const char *command)
{
	ck_assert_msg(runs(command), "%s", command);
}

static void
turn(unsigned ms)
{
	uint64_t end = loop_now_us(loop) / 1000 + ms;

	while (loop_now_us(loop) / 1000 < end)
		loop_turn(loop, 5);
}

static void
await(const char *command, const char *text, bool there)
{
	for (int i = 0; i < 100; i++) {
		if ((strstr(said(command), text) != NULL) == there)
			return;
		turn(30);
	}
	ck_abort_msg("%s: %s \"%s\": %s", command, there ? "no" : "still", text, said(command));
}

static void
no_log(void *arg, const char *line)
{
	(void)arg;
	(void)line;
}

static void
begin(void)
{
	int err;

	tunnel = tunnel_new(loop, &err);
	ck_assert_ptr_nonnull(tunnel);
}

static void
setup(void)
{
	log_sink(no_log, NULL);
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	run("ip link set lo up");
	run("ip link add va mtu 1400 type veth peer name vb mtu 1400");
	run("ip link set vb up");
	run("ip link set va up");
	run("ip addr add 192.0.2.1/24 dev va");
	run("ip addr add 2001:db8::1/64 dev va nodad");
	loop = loop_new();
	begin();
}

static void
teardown(void)
{
	tunnel_free(tunnel);
	loop_free(loop);
}

/* @others: at most two, NULL at the end. */
static void
want(enum tunnel_mode mode, const char *local, const char *one, const char *two)
{
	struct tunnel_conf conf = { .mode = mode, .vni = 5, .port = 8472 };
	struct addr nodes[2];
	size_t nr = 0;

	if (local)
		ck_assert_int_eq(addr_parse(local, &conf.local), 0);
	if (one)
		ck_assert_int_eq(addr_parse(one, &nodes[nr++]), 0);
	if (two)
		ck_assert_int_eq(addr_parse(two, &nodes[nr++]), 0);
	ck_assert_int_eq(tunnel_set(tunnel, &conf, nodes, nr), 0);
}

#define LINK "ip -d -o link show dev " TUNNEL_DEVICE
#define NEIGH "ip -6 neigh show dev " TUNNEL_DEVICE
#define FDB "bridge fdb show dev " TUNNEL_DEVICE

START_TEST(made_and_removed)
{
	struct tunnel_info info;

	want(TUNNEL_VXLAN, "192.0.2.1", "192.0.2.2", NULL);
	await(LINK, "mtu 1350", true);
	ck_assert_ptr_nonnull(strstr(said(LINK), "vxlan id 5 local 192.0.2.1"));
	ck_assert_ptr_nonnull(strstr(said(LINK), "nolearning"));
	await(NEIGH, "fe80::848:c0ff:fe00:202 lladdr 0a:48:c0:00:02:02 PERMANENT", true);
	await(FDB, "0a:48:c0:00:02:02 dst 192.0.2.2 self permanent", true);
	turn(50);
	tunnel_info(tunnel, &info);
	ck_assert(info.up && info.nr_nodes == 1 && info.nr_set == 1 && info.error == 0);
	want(TUNNEL_OFF, NULL, NULL, NULL);
	await(LINK, "vxlan", false);
}
END_TEST

START_TEST(an_underlay_of_ipv6)
{
	want(TUNNEL_VXLAN, "2001:db8::1", "2001:db8::2", NULL);
	await(LINK, "mtu 1330", true);
	ck_assert_ptr_nonnull(strstr(said(LINK), "local 2001:db8::1"));
	await(FDB, "dst 2001:db8::2 self permanent", true);
	await(NEIGH, "PERMANENT", true);
}
END_TEST

START_TEST(kept_over_a_restart_and_then_swept)
{
	want(TUNNEL_VXLAN, "192.0.2.1", "192.0.2.2", "192.0.2.3");
	await(NEIGH, "0a:48:c0:00:02:03", true);
	await(FDB, "192.0.2.3", true);
	tunnel_free(tunnel);
	begin();
	want(TUNNEL_WAIT, NULL, NULL, NULL);
	turn(100);
	ck_assert_ptr_nonnull(strstr(said(LINK), "vxlan id 5"));
	want(TUNNEL_VXLAN, "192.0.2.1", "192.0.2.2", NULL);
	turn(100);
	ck_assert_ptr_nonnull(strstr(said(FDB), "192.0.2.3")); /* not known yet to be unwanted */
	tunnel_adopted_done(tunnel);
	await(FDB, "192.0.2.3", false);
	await(NEIGH, "0a:48:c0:00:02:03", false);
	ck_assert_ptr_nonnull(strstr(said(FDB), "192.0.2.2"));
	ck_assert_ptr_nonnull(strstr(said(NEIGH), "0a:48:c0:00:02:02"));
}
END_TEST

START_TEST(the_mtu_follows_the_link_below)
{
	want(TUNNEL_VXLAN, "192.0.2.9", NULL, NULL);
	turn(100);
	ck_assert_str_eq(said(LINK), ""); /* nobody has that address */
	run("ip addr add 192.0.2.9/24 dev va");
	await(LINK, "mtu 1350", true);
	run("ip link set va mtu 1600");
	await(LINK, "mtu 1550", true);
}
END_TEST

START_TEST(somebody_elses_device_is_left_alone)
{
	struct tunnel_info info;

	run("ip link add " TUNNEL_DEVICE " type bridge");
	want(TUNNEL_VXLAN, "192.0.2.1", "192.0.2.2", NULL);
	turn(100);
	ck_assert_ptr_nonnull(strstr(said(LINK), "bridge"));
	tunnel_info(tunnel, &info);
	ck_assert(!info.up && info.error == EEXIST);
	tunnel_flush(tunnel);
	turn(50);
	ck_assert_ptr_nonnull(strstr(said(LINK), "bridge"));
}
END_TEST

START_TEST(flush_takes_it_away)
{
	want(TUNNEL_VXLAN, "192.0.2.1", "192.0.2.2", NULL);
	await(LINK, "vxlan id 5", true);
	turn(50);
	tunnel_flush(tunnel);
	await(LINK, "vxlan", false);
	turn(100);
	ck_assert_str_eq(said(LINK), "");
}
END_TEST

START_TEST(routes_of_both_families_follow_the_device)
{
	struct fib_hop hop = { 0 };
	struct prefix p4, p6;
	struct fib *fib;
	struct addr node;
	int err;

	ck_assert_int_eq(addr_parse("192.0.2.2", &node), 0);
	ck_assert_int_eq(prefix_parse("10.0.2.0/24", &p4, NULL), 0);
	ck_assert_int_eq(prefix_parse("fd00:2::/64", &p6, NULL), 0);
	hop.gateway = tunnel_gateway(&node);
	fib = fib_new(loop, &(struct fib_conf){ 0 }, &err);
	ck_assert_int_eq(fib_route_set(fib, FIB_TUNNEL, &p4, &hop, 1), 0);
	ck_assert_int_eq(fib_route_set(fib, FIB_TUNNEL, &p6, &hop, 1), 0);
	turn(100);
	ck_assert_str_eq(said("ip route show proto 179"), "");
	want(TUNNEL_VXLAN, "192.0.2.1", "192.0.2.2", NULL);
	await("ip route show proto 179",
	    "10.0.2.0/24 via inet6 fe80::848:c0ff:fe00:202 dev " TUNNEL_DEVICE, true);
	await("ip -6 route show proto 179", "fd00:2::/64 via fe80::848:c0ff:fe00:202", true);
	run("ip link del " TUNNEL_DEVICE);
	turn(200);
	await("ip route show proto 179", "10.0.2.0/24 via inet6", true);
	await("ip -6 route show proto 179", "fd00:2::/64", true);
	fib_free(fib);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *t = tcase_create("tunnel");

	if (unshare(CLONE_NEWNET) < 0)
		unit_skip("no right to make a network namespace");
	if (!runs("ip link add " TUNNEL_DEVICE " type vxlan id 1 dstport 8472") ||
	    !runs("bridge link"))
		unit_skip("iproute2 or VXLAN is missing");
	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, made_and_removed);
	tcase_add_test(t, an_underlay_of_ipv6);
	tcase_add_test(t, kept_over_a_restart_and_then_swept);
	tcase_add_test(t, the_mtu_follows_the_link_below);
	tcase_add_test(t, somebody_elses_device_is_left_alone);
	tcase_add_test(t, flush_takes_it_away);
	tcase_add_test(t, routes_of_both_families_follow_the_device);
	suite_add_tcase(s, t);
}

UNIT_MAIN("fib-tunnel", add_tests)
