/*
 * tests/unit/bfd/test_engine.c: two engines in two network namespaces of one process, with a wire
 * between them.  Time is the kernel's: what is waited for are events, within bounds that a slow machine
 * keeps.
 */
#include "tests/unit/unit.h"

#include "bfd/bfd.h"
#include "lib/log.h"
#include "lib/loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/socket.h>
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

static unsigned nr_flooded, nr_priority; /* lines that say so */

static void
no_log(void *arg, const char *line)
{
	(void)arg;
	nr_flooded += strstr(line, "bfd-flooded") != NULL;
	nr_priority += strstr(line, "event=bfd-priority") || strstr(line, "bfd-without-priority");
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

/* The wire, from a into b; the caller is in a. */
static void
make_link(void)
{
	char move[80];

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
	enter(ns_a);
}

static void
setup(void)
{
	int err;

	log_sink(no_log, NULL);
	nr_flooded = nr_priority = 0; /* tests may share a process */
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	ns_b = own_ns();
	ip("link set lo up");
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	ns_a = own_ns();
	ip("link set lo up");
	make_link();
	enter(ns_b);
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

/* Quick, but nothing is lost for a machine that stops for a second now and then. */
static struct bfd_conf
conf(const char *peer, uint32_t ms)
{
	return (struct bfd_conf){
		.peer = addr(peer),
		.device = "",
		.tx_us = ms * 1000,
		.rx_us = ms * 1000,
		.multiplier = (uint8_t)(3000 / ms),
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
	WAIT(look(a).detect_us == 3000000);
	seen = look(a);
	ck_assert_int_eq(seen.error, 0);
	ck_assert_uint_eq(seen.tx_us, 50000);
	ck_assert_uint_eq(seen.rx_us, 50000);
	ck_assert_uint_eq(seen.remote_discriminator, look(b).discriminator);
	ck_assert(addr_eq(&seen.peer, &ca.peer));
	ck_assert(addr_eq(&seen.local, &cb.peer));
	ck_assert_str_eq(bfd_error(a), "");
	bfd_watch_free(sb.watch);
	WAIT(!is_up(&sa));
	ck_assert_uint_eq(sa.downs, 1);
	ck_assert(bfd_watch_is_admin(sa.watch));
	ck_assert_ptr_nonnull(strstr(sa.why, "stopped by itself"));
	bfd_watch_free(sa.watch);
}
END_TEST

/* The process ends: said, more than once, before the thread is gone. */
START_TEST(the_end_of_an_engine_is_no_loss)
{
	struct seen sa, sb;
	int err;

	watch(a, &sa, conf("10.0.0.2", 100));
	watch(b, &sb, conf("10.0.0.1", 100));
	WAIT(is_up(&sa) && is_up(&sb));
	bfd_watch_free(sb.watch);
	bfd_free(b);
	WAIT(!is_up(&sa));
	ck_assert(bfd_watch_is_admin(sa.watch));
	ck_assert_uint_ge(look(a).received, 3);
	/* and its next life finds the way */
	enter(ns_b);
	b = bfd_new(loop, &err);
	enter(ns_a);
	watch(b, &sb, conf("10.0.0.1", 100));
	WAIT(is_up(&sa) && is_up(&sb));
	end(&sa, &sb);
}
END_TEST

/* The link is gone: no packet, no word. */
START_TEST(a_cut_is_a_loss)
{
	struct bfd_conf ca = conf("10.0.0.2", 100), cb = conf("10.0.0.1", 100);
	struct seen sa, sb;

	ca.multiplier = cb.multiplier = 3;
	watch(a, &sa, ca);
	watch(b, &sb, cb);
	WAIT(is_up(&sa) && is_up(&sb));
	ip("link set va down");
	WAIT(!is_up(&sa) && !is_up(&sb));
	ck_assert(!bfd_watch_is_admin(sa.watch));
	ck_assert(!bfd_watch_is_admin(sb.watch));
	ck_assert_ptr_nonnull(strstr(sb.why, "nothing was heard"));
	ck_assert_uint_eq(look(b).diag, 1);
	WAIT(look(a).error != 0); /* and why nothing goes out is told */
	ip("link set va up");
	WAIT(is_up(&sa) && is_up(&sb));
	end(&sa, &sb);
}
END_TEST

/* The main thread is away for longer than the detection time; the thread is not. */
START_TEST(a_busy_main_thread_is_no_loss)
{
	struct bfd_conf ca = conf("10.0.0.2", 50), cb = conf("10.0.0.1", 50);
	struct seen sa, sb;
	uint64_t end_ms, sent;

	ca.multiplier = cb.multiplier = 16; /* 800 ms */
	watch(a, &sa, ca);
	watch(b, &sb, cb);
	WAIT(is_up(&sa) && is_up(&sb) && look(a).detect_us == 800000);
	WAIT(look(a).tx_us == 50000);
	sent = look(a).sent;
	end_ms = now_ms() + 2500;
	while (now_ms() < end_ms)
		;
	ck_assert(is_up(&sa) && is_up(&sb));
	WAIT(look(a).sent >= sent + 2500 / 50);
	ck_assert_uint_eq(look(a).downs, 0);
	ck_assert_uint_eq(look(b).downs, 0);
	ck_assert_uint_eq(sa.calls, 1);
	end(&sa, &sb);
}
END_TEST

START_TEST(watches_share_a_session_at_the_quickest_pace)
{
	struct bfd_conf slow = conf("10.0.0.2", 200), quick = conf("10.0.0.2", 100);
	struct seen sa, sa2, sb;

	watch(a, &sa, slow);
	watch(b, &sb, conf("10.0.0.1", 50));
	WAIT(is_up(&sa) && is_up(&sb));
	WAIT(look(a).tx_us == 200000);
	watch(a, &sa2, quick);
	ck_assert_uint_eq(sa2.calls, 0); /* never from within */
	WAIT(sa2.ups == 1);		 /* it is up already */
	WAIT(look(a).tx_us == 100000 && look(a).watches == 2);
	ck_assert_uint_eq(look(a).multiplier, 30);
	bfd_watch_free(sa2.watch);
	WAIT(look(a).tx_us == 200000 && look(a).watches == 1);
	ck_assert_uint_eq(look(a).downs, 0);
	ck_assert_uint_eq(sa.calls, 1);
	end(&sa, &sb);
}
END_TEST

START_TEST(the_pace_changes_by_a_poll)
{
	struct bfd_conf c = conf("10.0.0.2", 100), other = conf("10.0.0.3", 100);
	struct seen sa, sb;

	watch(a, &sa, c);
	watch(b, &sb, conf("10.0.0.1", 100));
	WAIT(is_up(&sa) && look(a).detect_us == 3000000);
	c.tx_us = 400000;
	c.rx_us = 300000;
	ck_assert_int_eq(bfd_watch_set(sa.watch, &c), 0);
	WAIT(look(a).tx_us == 400000);
	WAIT(look(a).rx_us == 300000);
	WAIT(look(b).rx_us == 400000 && look(b).tx_us == 300000);
	ck_assert_uint_eq(look(a).downs + look(b).downs, 0);
	ck_assert_int_eq(bfd_watch_set(sa.watch, &other), -EINVAL); /* another host */
	end(&sa, &sb);
}
END_TEST

START_TEST(what_cannot_be_watched)
{
	struct bfd_conf c = conf("10.0.0.2", 100);
	struct seen s;
	int err;

	watch(a, &s, c);
	memcpy(c.key, "abc", 3);
	c.key_len = 3;
	ck_assert_ptr_null(bfd_watch_new(a, &c, &ops, NULL, &err));
	ck_assert_int_eq(err, -EEXIST);
	bfd_watch_free(s.watch);
#define REFUSED(change)                                                                            \
	do {                                                                                       \
		c = conf("10.0.0.2", 100);                                                         \
		change;                                                                            \
		ck_assert_ptr_null(bfd_watch_new(a, &c, &ops, NULL, &err));                        \
		ck_assert_int_eq(err, -EINVAL);                                                    \
	} while (0)
	REFUSED(c.peer = addr("224.0.0.1"));
	REFUSED(c.peer = addr("::"));
	REFUSED(c.peer.family = ADDR_NONE);
	REFUSED(c.local = addr("fd00::1"));
	REFUSED(c.peer = addr("fe80::1"));
	REFUSED(c.peer = addr("fe80::1"); c.device = "va"; c.multihop = true);
	REFUSED(c.device = "a-name-that-is-far-too-long");
	REFUSED(c.key_len = BFD_KEY_MAX + 1);
	REFUSED(c.tx_us = 999);
	REFUSED(c.rx_us = 1);
	bfd_watch_free(NULL);
}
END_TEST

static uint64_t
dropped(struct bfd *bfd, const char *rule)
{
	for (unsigned i = 0; bfd_drop_name(i); i++)
		if (strcmp(bfd_drop_name(i), rule) == 0)
			return bfd_drops(bfd, i);
	ck_abort_msg("no rule %s", rule);
}

START_TEST(only_those_with_the_key_come_up)
{
	struct bfd_conf ca = conf("10.0.0.2", 50), cb = conf("10.0.0.1", 50);
	struct seen sa, sb;

	memcpy(ca.key, "one secret", 10);
	memcpy(cb.key, "one secret", 10);
	ca.key_len = cb.key_len = 10;
	ca.key_id = cb.key_id = 3;
	watch(a, &sa, ca);
	watch(b, &sb, cb);
	WAIT(is_up(&sa) && is_up(&sb));
	WAIT(look(a).received > 20);
	ck_assert(look(a).authenticated);
	ck_assert_uint_eq(look(a).dropped, 0);
	end(&sa, &sb);
	cb.key[0] ^= 1;
	watch(a, &sa, ca);
	watch(b, &sb, cb);
	WAIT(dropped(a, "bad-auth") >= 2 && dropped(b, "bad-auth") >= 2);
	ck_assert(!is_up(&sa) && !is_up(&sb));
	bfd_watch_free(sb.watch);
	cb.key_len = 0;
	watch(b, &sb, cb);
	WAIT(dropped(a, "missing-auth") >= 1 && dropped(b, "unwanted-auth") >= 1);
	ck_assert(!is_up(&sa) && !is_up(&sb));
	end(&sa, &sb);
}
END_TEST

START_TEST(an_address_that_is_not_there_yet)
{
	struct bfd_conf ca = conf("10.0.0.2", 100);
	struct seen sa, sb;

	ca.local = addr("10.0.0.7");
	watch(a, &sa, ca);
	watch(b, &sb, conf("10.0.0.7", 100));
	WAIT(look(a).error == -EADDRNOTAVAIL);
	ip("addr add 10.0.0.7/24 dev va");
	WAIT(is_up(&sa) && is_up(&sb));
	WAIT(look(a).error == 0);
	end(&sa, &sb);
}
END_TEST

/* Link-local addresses, on a device that goes and comes back as another one of its name. */
START_TEST(a_device_that_comes_back)
{
	struct bfd_conf ca = conf("fe80::b", 100), cb = conf("fe80::a", 100);
	struct seen sa, sb;

	ca.device = "va";
	cb.device = "vb";
	watch(a, &sa, ca);
	watch(b, &sb, cb);
	WAIT(look(a).sent + (look(a).error != 0) > 0);
	for (int i = 0; i < 2; i++) {
		ip("addr add fe80::a/64 dev va nodad");
		enter(ns_b);
		ip("addr add fe80::b/64 dev vb nodad");
		enter(ns_a);
		WAIT(is_up(&sa) && is_up(&sb));
		if (i == 1)
			break;
		ip("link del va"); /* and vb */
		WAIT(!is_up(&sa) && !is_up(&sb));
		make_link();
	}
	end(&sa, &sb);
}
END_TEST

START_TEST(two_that_are_passive_wait_for_ever)
{
	struct bfd_conf ca = conf("10.0.0.2", 50), cb = conf("10.0.0.1", 50);
	struct seen sa, sb, sa6, sb6;

	ca.passive = cb.passive = true;
	watch(a, &sa, ca);
	watch(b, &sb, cb);
	/* Others come up meanwhile. */
	watch(a, &sa6, conf("fd00::2", 50));
	watch(b, &sb6, conf("fd00::1", 50));
	WAIT(is_up(&sa6) && is_up(&sb6));
	ck_assert_uint_eq(look(a).sent + look(b).sent, 0);
	end(&sa6, &sb6);
	ca.passive = false;
	ck_assert_int_eq(bfd_watch_set(sa.watch, &ca), 0);
	WAIT(is_up(&sa) && is_up(&sb));
	end(&sa, &sb);
}
END_TEST

START_TEST(a_watch_may_be_freed_in_its_call)
{
	struct seen sa, sa2, sb;

	watch(a, &sa, conf("10.0.0.2", 50));
	watch(a, &sa2, conf("10.0.0.2", 50));
	watch(b, &sb, conf("10.0.0.1", 50));
	sa.free_it = sa2.free_it = true;
	WAIT(!sa.watch && !sa2.watch);
	ck_assert_uint_eq(sa.calls, 1);
	ck_assert_uint_eq(sa2.calls, 1);
	WAIT(look(a).watches == 0 && !is_up(&sb));
	bfd_watch_free(sb.watch);
}
END_TEST

/* More than the queues hold at once; all of them come, and all of them go. */
struct ids {
	uint32_t id[200];
	unsigned n;
};

static bool
take_id(void *arg, const struct bfd_seen *s)
{
	struct ids *all = arg;

	ck_assert_uint_ne(s->discriminator, 0);
	for (unsigned i = 0; i < all->n; i++)
		ck_assert_uint_ne(all->id[i], s->discriminator);
	all->id[all->n++] = s->discriminator;
	return true;
}

START_TEST(rfc5880_6_8_1_discriminators_are_unique_and_not_0)
{
	struct bfd_watch *all[200];
	struct bfd_conf c = conf("10.0.0.2", 100);
	struct ids ids = { .n = 0 };
	struct seen seen;
	int err;

	for (unsigned i = 0; i < 200; i++) {
		c.peer = addr("10.77.0.0");
		ck_assert(addr_add(&c.peer, i));
		all[i] = bfd_watch_new(a, &c, &ops, &seen, &err);
		ck_assert_ptr_nonnull(all[i]);
	}
	bfd_each(a, take_id, &ids);
	ck_assert_uint_eq(ids.n, 200);
	for (unsigned i = 0; i < 200; i++)
		bfd_watch_free(all[i]);
}
END_TEST

START_TEST(a_thousand_at_once)
{
	static struct bfd_watch *all[1000];
	struct bfd_conf c = conf("10.0.0.2", 100);
	struct seen sa, sb;
	int err;

	for (unsigned i = 0; i < 1000; i++) {
		c.peer = addr("10.77.0.0");
		ck_assert(addr_add(&c.peer, i));
		all[i] = bfd_watch_new(a, &c, &ops, &sa, &err);
		ck_assert_ptr_nonnull(all[i]);
		if (i % 3 == 0) { /* some are gone before the thread heard of them */
			bfd_watch_free(all[i]);
			all[i] = NULL;
		}
	}
	watch(a, &sa, conf("10.0.0.2", 100));
	watch(b, &sb, conf("10.0.0.1", 100));
	WAIT(is_up(&sa) && is_up(&sb));
	for (unsigned i = 0; i < 1000; i++)
		bfd_watch_free(all[i]);
	WAIT(look(a).watches == 1);
	end(&sa, &sb);
}
END_TEST

START_TEST(a_port_that_another_program_has)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(3784) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct seen sa, sb;

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	watch(a, &sa, conf("10.0.0.2", 100));
	watch(b, &sb, conf("10.0.0.1", 100));
	WAIT(strstr(bfd_error(a), "3784"));
	ck_assert_ptr_nonnull(strstr(bfd_error(a), "the other program that speaks BFD"));
	close(fd);
	WAIT(is_up(&sa) && is_up(&sb));
	ck_assert_str_eq(bfd_error(a), "");
	end(&sa, &sb);
}
END_TEST

/* More than any session sends, from anybody: the session stays, and the priority comes back. */
START_TEST(a_flood_costs_the_priority)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(3784) };
	struct seen sa, sb;
	int fd;

	to.sin_addr.s_addr = htonl(0x0a000001);
	watch(a, &sa, conf("10.0.0.2", 100));
	watch(b, &sb, conf("10.0.0.1", 100));
	WAIT(is_up(&sa) && is_up(&sb) && nr_priority == 2);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(fd, 0);
	for (unsigned i = 0; nr_flooded == 0; i++) {
		(void)!sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to));
		if (i % 64 == 0)
			loop_turn(loop, 0);
	}
	close(fd);
	WAIT(nr_priority == 3);
	ck_assert_uint_eq(look(a).downs, 0);
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
	tcase_add_test(t, the_end_of_an_engine_is_no_loss);
	tcase_add_test(t, a_cut_is_a_loss);
	tcase_add_test(t, a_busy_main_thread_is_no_loss);
	tcase_add_test(t, watches_share_a_session_at_the_quickest_pace);
	tcase_add_test(t, the_pace_changes_by_a_poll);
	tcase_add_test(t, what_cannot_be_watched);
	tcase_add_test(t, only_those_with_the_key_come_up);
	tcase_add_test(t, an_address_that_is_not_there_yet);
	tcase_add_test(t, a_device_that_comes_back);
	tcase_add_test(t, two_that_are_passive_wait_for_ever);
	tcase_add_test(t, a_watch_may_be_freed_in_its_call);
	tcase_add_test(t, rfc5880_6_8_1_discriminators_are_unique_and_not_0);
	tcase_add_test(t, a_thousand_at_once);
	if (unit_rounds(20) == 20) /* valgrind is too slow to be flooded */
		tcase_add_test(t, a_flood_costs_the_priority);
	tcase_add_test(t, a_port_that_another_program_has);
	suite_add_tcase(s, t);
}
UNIT_MAIN("bfd-engine", add_tests)
