/*
 * tests/unit/fib/test_kernel.c: the engine against the real kernel, in a network namespace of its
 * own; what the kernel has is asked of iproute2.  Skipped without the right to make one.
 */
#include "fib/fib.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct loop *loop;
static struct fib *fib;

/* Run `ip` with @args, split at blanks; its output in @text, its exit status returned. */
static int
run_ip(const char *args, char *text, size_t size)
{
	char copy[300], *argv[32] = { (char *)"ip" }, *save = NULL;
	posix_spawn_file_actions_t actions;
	int argc = 1, fds[2], status = -1;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	snprintf(copy, sizeof(copy), "%s", args);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	status = posix_spawnp(&pid, "ip", &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	while (status == 0 && len + 1 < size && (n = read(fds[0], text + len, size - len - 1)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(fds[0]);
	if (status == 0)
		waitpid(pid, &status, 0);
	return status;
}

static void
ip(const char *args)
{
	char text[4000];

	ck_assert_msg(run_ip(args, text, sizeof(text)) == 0, "ip %s", args);
}

static const char *
ip_show(const char *args)
{
	static char text[4000];

	run_ip(args, text, sizeof(text));
	return text;
}

static void
turn(unsigned ms)
{
	uint64_t end = loop_now_us(loop) / 1000 + ms;

	while (loop_now_us(loop) / 1000 < end)
		loop_turn(loop, 5);
}

/* Turns the loop until `ip -o @args` shows @text (or, with @there false, no longer shows it). */
static void
await(const char *args, const char *text, bool there)
{
	for (int i = 0; i < 100; i++) {
		if ((strstr(ip_show(args), text) != NULL) == there)
			return;
		turn(20);
	}
	ck_abort_msg(
	    "ip %s: %s \"%s\": %s", args, there ? "lacks" : "still has", text, ip_show(args));
}

static void
no_log(void *arg, const char *line)
{
	(void)arg;
	(void)line;
}

static void
setup(void)
{
	int err;

	log_sink(no_log, NULL);
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	ip("link set lo up");
	ip("link add va type veth peer name vb");
	ip("link set vb up");
	ip("link set va up");
	ip("addr add 192.168.10.100/24 dev va");
	ip("-6 addr add 2001:db8:10::100/64 dev va nodad");
	loop = loop_new();
	fib = fib_new(loop, &(struct fib_conf){ 0 }, &err);
	ck_assert_ptr_nonnull(fib);
}

static void
teardown(void)
{
	fib_free(fib);
	loop_free(loop);
}

static void
want(const char *prefix, const char *gw1, const char *gw2)
{
	struct fib_hop hops[2] = { 0 };
	struct prefix p;

	ck_assert_int_eq(prefix_parse(prefix, &p, NULL), 0);
	ck_assert_int_eq(addr_parse(gw1, &hops[0].gateway), 0);
	if (gw2)
		ck_assert_int_eq(addr_parse(gw2, &hops[1].gateway), 0);
	ck_assert_int_eq(fib_route_set(fib, FIB_BGP_LEARNED, &p, hops, gw2 ? 2 : 1), 0);
}

START_TEST(both_families_and_ecmp)
{
	want("10.10.1.0/24", "192.168.10.101", NULL);
	want("10.10.2.0/24", "192.168.10.101", "192.168.10.102");
	want("2001:db8:1::/64", "2001:db8:10::1", "2001:db8:10::2");
	await("route show 10.10.1.0/24", "via 192.168.10.101 dev va proto 179 metric 20", true);
	await("route show 10.10.2.0/24", "via 192.168.10.102", true);
	await("-6 route show 2001:db8:1::/64", "via 2001:db8:10::2", true);
	want("2001:db8:1::/64", "2001:db8:10::2", NULL);
	want("10.10.2.0/24", "192.168.10.101", NULL);
	await("-6 route show 2001:db8:1::/64", "via 2001:db8:10::1", false);
	await("route show 10.10.2.0/24", "via 192.168.10.102", false);
	ck_assert_ptr_nonnull(strstr(ip_show("-6 route show 2001:db8:1::/64"), "2001:db8:10::2"));
}
END_TEST

static struct prefix
prefix(const char *text)
{
	struct prefix p;

	ck_assert_int_eq(prefix_parse(text, &p, NULL), 0);
	return p;
}

START_TEST(discards_are_there_where_nothing_else_is)
{
	const struct prefix v4 = prefix("172.16.1.0/24"), v6 = prefix("2001:db8:16::/64");
	const struct prefix own = prefix("10.10.0.0/24"), within = prefix("10.10.0.128/25");

	ck_assert_int_eq(fib_protect_set(fib, &own, 1), 0);
	ck_assert_int_eq(fib_discard_set(fib, &v4), 0);
	ck_assert_int_eq(fib_discard_set(fib, &v6), 0);
	ck_assert_int_eq(fib_discard_set(fib, &within), 0); /* never a part of our pods' */
	ck_assert_int_eq(fib_discard_set(fib, &own), 0);    /* the whole of it */
	await("route show 172.16.1.0/24", "unreachable 172.16.1.0/24 proto 179 metric 4278198272",
	    true);
	await("-6 route show 2001:db8:16::/64", "unreachable 2001:db8:16::/64", true);
	await("route show 10.10.0.0/24", "unreachable", true);
	ck_assert_ptr_null(strstr(ip_show("route show 10.10.0.128/25"), "unreachable"));
	/* What others take from us comes back; what others say of it does not count; theirs goes first. */
	ip("route del unreachable 172.16.1.0/24");
	ip("-6 route del unreachable 2001:db8:16::/64");
	await("route show 172.16.1.0/24", "unreachable", true);
	await("-6 route show 2001:db8:16::/64", "unreachable", true);
	want("172.16.1.0/24", "192.168.10.101", NULL);
	ip("route add 172.16.1.0/24 via 192.168.10.102");
	turn(100);
	ck_assert_ptr_null(strstr(ip_show("route show 172.16.1.0/24"), "192.168.10.101"));
	ck_assert_ptr_nonnull(strstr(ip_show("route get 172.16.1.9"), "via 192.168.10.102"));
	fib_route_del(fib, FIB_DISCARD, &v4);
	fib_route_del(fib, FIB_DISCARD, &v6);
	await("route show 172.16.1.0/24", "unreachable", false);
	await("route show 172.16.1.0/24", "via 192.168.10.101", true);
	await("-6 route show 2001:db8:16::/64", "unreachable", false);
	fib_flush(fib);
	await("route show 10.10.0.0/24", "unreachable", false);
}
END_TEST

START_TEST(repaired)
{
	want("10.10.1.0/24", "192.168.10.101", NULL);
	want("2001:db8:1::/64", "2001:db8:10::1", "2001:db8:10::2");
	await("route show 10.10.1.0/24", "via 192.168.10.101", true);
	await("-6 route show 2001:db8:1::/64", "2001:db8:10::2", true);
	ip("route del 10.10.1.0/24");
	ip("-6 route del 2001:db8:1::/64 via 2001:db8:10::1 metric 20");
	await("route show 10.10.1.0/24", "via 192.168.10.101", true);
	await("-6 route show 2001:db8:1::/64", "2001:db8:10::1", true);
	await("-6 route show 2001:db8:1::/64", "2001:db8:10::2", true);
}
END_TEST

START_TEST(link_goes_and_comes)
{
	want("10.10.1.0/24", "192.168.10.101", NULL);
	await("route show 10.10.1.0/24", "via", true);
	ip("link set va down");
	await("route show 10.10.1.0/24", "via", false);
	turn(100);
	ip("link set va up");
	await("route show 10.10.1.0/24", "via", true);
	ip("addr del 192.168.10.100/24 dev va"); /* the kernel takes the route without a word */
	turn(100);
	ip("addr add 192.168.10.100/24 dev va");
	await("route show 10.10.1.0/24", "via", true);
}
END_TEST

START_TEST(adopted_over_a_restart)
{
	int err;

	want("10.10.1.0/24", "192.168.10.101", NULL);
	want("10.10.2.0/24", "192.168.10.101", NULL);
	await("route show 10.10.1.0/24", "via", true);
	await("route show 10.10.2.0/24", "via", true);
	ip("route add 10.10.3.0/24 via 192.168.10.101 metric 20");
	fib_free(fib);
	fib = fib_new(loop, &(struct fib_conf){ 0 }, &err);
	ck_assert_ptr_nonnull(fib);
	want("10.10.1.0/24", "192.168.10.101", NULL);
	turn(100);
	await("route show 10.10.2.0/24", "via", true);
	fib_adopted_done(fib);
	await("route show 10.10.2.0/24", "via", false);
	await("route show 10.10.1.0/24", "via", true);
	await("route show 10.10.3.0/24", "via", true);
	fib_flush(fib);
	fib_free(fib);
	fib = NULL;
	await("route show 10.10.1.0/24", "via", false);
	await("route show 10.10.3.0/24", "via", true);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("kernel");
	int here = unshare(CLONE_NEWNET);
	char text[100];

	if (here < 0)
		unit_skip("no right to make a network namespace");
	if (run_ip("link add x type veth peer name y", text, sizeof(text)) != 0)
		unit_skip("iproute2 or veth is missing");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, both_families_and_ecmp);
	tcase_add_test(tc, discards_are_there_where_nothing_else_is);
	tcase_add_test(tc, repaired);
	tcase_add_test(tc, link_goes_and_comes);
	tcase_add_test(tc, adopted_over_a_restart);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("fib-kernel", add_tests)
