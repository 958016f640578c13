/*
 * tests/unit/bfd/test_engine.c: two engines in two network namespaces of one process, with a wire
 * between them.  Time is the kernel's: what is waited for are events, within bounds that a slow machine
 * keeps.
 */
#include "tests/unit/unit.h"

#include "bfd/bfd.h"
#include "lib/log.h"
#include "lib/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 20000

static int ns_a, ns_b; /* network namespaces; the test is in a unless it says */
static struct loop *loop;
static struct bfd *a, *b;

struct seen {
	struct bfd_watch *watch;
	unsigned calls, ups, downs;
	char why[160];
	bool free_it;
};

static void
no_log(void *arg, const char *line)
{
	(void)arg;
	if (getenv("BFD_LOG"))
		fprintf(stderr, "%s\n", line);
}

static int
run_ip(const char *args)
{
	char copy[200], *argv[24] = { (char *)"ip" }, *save = NULL;
	int argc = 1, status = -1;
	pid_t pid;

	snprintf(copy, sizeof(copy), "%s", args);
	for (char *w = strtok_r(copy, " ", &save); w && argc < 23; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	if (posix_spawnp(&pid, "ip", NULL, NULL, argv, environ) == 0)
		waitpid(pid, &status, 0);
	return status;
}

static int
own_ns(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static void
enter(int ns)
{
	ck_assert_int_eq(setns(ns, CLONE_NEWNET), 0);
}

static void
ip(const char *args)
{
	ck_assert_msg(run_ip(args) == 0, "ip %s", args);
}

static void
setup(void)
{
	char move[80];
	int err;

	log_sink(no_log, NULL);
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	ns_b = own_ns();
	ip("link set lo up");
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	ns_a = own_ns();
	ip("link set lo up");
	/* A descriptor that ip(8) can find under the number of this process. */
	snprintf(move, sizeof(move), "link add va type veth peer name vb netns /proc/%d/fd/%d",
	    (int)getpid(), ns_b);
	ip(move);
	ip("addr add 10.0.0.1/24 dev va");
	ip("addr add fd00::1/64 dev va nodad");
	ip("link set va up");
	enter(ns_b);
	ip("addr add 10.0.0.2/24 dev vb");
	ip("addr add fd00::2/64 dev vb nodad");
	ip("link set vb up");
	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
	b = bfd_new(loop, &err);
	ck_assert_ptr_nonnull(b);
	enter(ns_a);
	a = bfd_new(loop, &err);
	ck_assert_ptr_nonnull(a);
}

static void
teardown(void)
{
	bfd_free(a);
	bfd_free(b);
	loop_free(loop);
	close(ns_a);
	close(ns_b);
}

static struct addr
addr(const char *text)
{
	struct addr one = { 0 };

	if (*text)
		ck_assert_int_eq(addr_parse(text, &one), 0);
	return one;
}

static void
changed(void *arg, enum bfd_state state, const char *why)
{
	struct seen *s = arg;

	s->calls++;
	if (state == BFD_UP)
		s->ups++;
	else
		s->downs++;
	snprintf(s->why, sizeof(s->why), "%s", why);
	if (s->free_it) {
		bfd_watch_free(s->watch);
		s->watch = NULL;
	}
}

static const struct bfd_ops ops = { .changed = changed };

static struct bfd_conf
conf(const char *peer, uint32_t ms)
{
	return (struct bfd_conf){
		.peer = addr(peer),
		.device = "",
		.tx_us = ms * 1000,
		.rx_us = ms * 1000,
	};
}

static void
watch(struct bfd *bfd, struct seen *s, struct bfd_conf c)
{
	int err;

	memset(s, 0, sizeof(*s));
	s->watch = bfd_watch_new(bfd, &c, &ops, s, &err);
	ck_assert_msg(s->watch != NULL, "%s", strerror(-err));
}

static uint64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

#define WAIT(what)                                                                                 \
	do {                                                                                       \
		uint64_t end = now_ms() + PATIENCE_MS;                                             \
		while (!(what)) {                                                                  \
			ck_assert_msg(now_ms() < end, "not in time: %s", #what);                   \
			loop_turn(loop, 20);                                                       \
		}                                                                                  \
	} while (0)

static bool
is_up(const struct seen *s)
{
	return bfd_watch_state(s->watch) == BFD_UP;
}

static bool
take_seen(void *arg, const struct bfd_seen *s)
{
	*(struct bfd_seen *)arg = *s;
	return false;
}

static struct bfd_seen
look(struct bfd *bfd)
{
	struct bfd_seen s = { 0 };

	bfd_each(bfd, take_seen, &s);
	return s;
}

static void
end(struct seen *x, struct seen *y)
{
	bfd_watch_free(x->watch);
	bfd_watch_free(y->watch);
}

/* ---- */

static const struct {
	const char *a, *b; /* addresses */
	bool multihop;
} ways[] = {
	{ "10.0.0.1", "10.0.0.2", false },
	{ "fd00::1", "fd00::2", false },
	{ "10.0.0.1", "10.0.0.2", true },
	{ "fd00::1", "fd00::2", true },
};

START_TEST(two_ends_come_up_and_a_stop_is_told_as_one)
{
	struct bfd_conf ca = conf(ways[_i].b, 50), cb = conf(ways[_i].a, 50);
	struct seen sa, sb;
	struct bfd_seen seen;

	ca.multihop = cb.multihop = ways[_i].multihop;
	watch(a, &sa, ca);
	watch(b, &sb, cb);
	WAIT(is_up(&sa) && is_up(&sb));
	ck_assert_uint_eq(sa.ups, 1);
	WAIT(look(a).detect_us == 150000);
	seen = look(a);
	ck_assert_int_eq(seen.error, 0);
	ck_assert_uint_eq(seen.tx_us, 50000);
	ck_assert_uint_eq(seen.rx_us, 50000);
	ck_assert(addr_eq(&seen.peer, &ca.peer));
	ck_assert(addr_eq(&seen.local, &cb.peer));
	ck_assert_str_eq(bfd_error(a), "");
	bfd_watch_free(sb.watch);
	WAIT(!is_up(&sa));
	ck_assert_uint_eq(sa.downs, 1);
	ck_assert(bfd_watch_is_admin(sa.watch));
	bfd_watch_free(sa.watch);
}
END_TEST

/* The link is gone: no packet, no word. */
START_TEST(a_cut_is_a_loss)
{
	struct seen sa, sb;
	char before[16] = "";

	watch(a, &sa, conf("10.0.0.2", 50));
	watch(b, &sb, conf("10.0.0.1", 50));
	WAIT(is_up(&sa) && is_up(&sb));
	ip("link set va down");
	WAIT(!is_up(&sa) && !is_up(&sb));
	ck_assert(!bfd_watch_is_admin(sa.watch));
	ck_assert(!bfd_watch_is_admin(sb.watch));
	ck_assert_ptr_nonnull(strstr(sb.why, "nothing was heard"));
	ck_assert_uint_eq(look(b).diag, 1);
	ip("link set va up");
	WAIT(is_up(&sa) && is_up(&sb));
	(void)before;
	end(&sa, &sb);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *t = tcase_create("engine");

	if (unshare(CLONE_NEWNET) < 0)
		unit_skip("no right to make network namespaces");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(
	    t, two_ends_come_up_and_a_stop_is_told_as_one, 0, sizeof(ways) / sizeof(ways[0]));
	tcase_add_test(t, a_cut_is_a_loss);
	suite_add_tcase(s, t);
}
UNIT_MAIN("bfd-engine", add_tests)
