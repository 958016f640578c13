/*
 * tests/unit/podipam/test_podipam.c: the engine with its journal on a real disk: answers wait for it,
 * restarts and kill -9 lose nothing that was answered, a full disk gives nothing, and what is of a
 * namespace that is gone comes back.
 */
#include "tests/unit/unit.h"

#include "lib/loop.h"
#include "lib/mem.h"
#include "podipam/podipam.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct bed {
	struct loop *loop;
	struct podipam *p;
	char dir[64];
	unsigned reclaimed;
	int trouble;
};

static void
count_reclaimed(void *arg, const struct podipam_lease *l, const char *why)
{
	(void)l;
	(void)why;
	((struct bed *)arg)->reclaimed++;
}

static void
keep_trouble(void *arg, const char *what, int err)
{
	(void)what;
	((struct bed *)arg)->trouble = err;
}

static void
open_bed(struct bed *b, const char *boot)
{
	const struct podipam_ops ops = {
		.reclaimed = count_reclaimed, .trouble = keep_trouble, .arg = b
	};
	struct podipam_range r = { .pool = "" };
	char *error = NULL;

	(void)!prefix_parse("10.0.0.0/24", &r.prefix, NULL);
	b->p = podipam_new(b->loop, b->dir, boot, &ops, &error);
	ck_assert_msg(b->p, "%s", error);
	podipam_ranges_set(b->p, &r, 1);
}

static void
setup(struct bed *b)
{
	*b = (struct bed){ .loop = loop_new() };
	snprintf(b->dir, sizeof(b->dir), "/tmp/podipam-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(b->dir));
	open_bed(b, "boot-1");
}

static void
again(struct bed *b, const char *boot)
{
	podipam_free(b->p);
	open_bed(b, boot);
}

static char *
journal_of(const struct bed *b)
{
	return xasprintf("%s/pods.journal", b->dir);
}

static void
teardown(struct bed *b)
{
	char *path = journal_of(b), *lock = xasprintf("%s/pods.lock", b->dir);

	podipam_free(b->p);
	unlink(path);
	unlink(lock);
	free(path);
	free(lock);
	rmdir(b->dir);
	loop_free(b->loop);
}

/* What one asker heard. */
struct heard {
	bool yes;
	enum podipam_verdict verdict;
	struct addr addr;
};

static void
hear(void *arg, enum podipam_verdict v, const struct podipam_lease *l)
{
	struct heard *h = arg;

	ck_assert(!h->yes);
	h->yes = true;
	h->verdict = v;
	if (l)
		h->addr = l->v[0].addr;
}

static void
ask(struct bed *b, struct heard *h, const char *container, const char *netns)
{
	const struct podipam_owner o = { container, "eth0", "net", netns, "default", "pod" };
	const struct podipam_want w = { .pool = { NULL, "", NULL } };

	*h = (struct heard){ 0 };
	ck_assert_int_eq(podipam_add(b->p, &o, &w, hear, h), PODIPAM_OK);
}

static struct addr
add(struct bed *b, const char *container, const char *netns)
{
	struct heard h;

	ask(b, &h, container, netns);
	while (!h.yes)
		loop_turn(b->loop, 1000);
	ck_assert_int_eq(h.verdict, PODIPAM_OK);
	return h.addr;
}

START_TEST(the_answer_waits_for_the_disk_and_is_the_same_again)
{
	struct bed b;
	struct heard h, twin;
	struct addr first;

	setup(&b);
	ask(&b, &h, "a", "");
	ask(&b, &twin, "a", "");
	ck_assert(!h.yes);
	ck_assert(!twin.yes);
	while (!h.yes || !twin.yes)
		loop_turn(b.loop, 1000);
	ck_assert(addr_eq(&h.addr, &twin.addr));
	first = add(&b, "a", "");
	ck_assert(addr_eq(&h.addr, &first));
	ck_assert_int_eq(podipam_del(b.p, "a", "eth0"), PODIPAM_OK);
	ck_assert_int_eq(podipam_del(b.p, "a", "eth0"), PODIPAM_NOT_FOUND);
	teardown(&b);
}
END_TEST

START_TEST(a_second_one_does_not_touch_the_journal)
{
	const struct podipam_ops ops = { 0 };
	char *error = NULL;
	struct bed b;

	setup(&b);
	ck_assert_ptr_null(podipam_new(b.loop, b.dir, "boot-2", &ops, &error));
	ck_assert_ptr_nonnull(strstr(error, "another herald has it"));
	free(error);
	(void)add(&b, "a", "");
	again(&b, "boot-1");
	ck_assert_ptr_nonnull(podipam_find(b.p, "a", "eth0"));
	teardown(&b);
}
END_TEST

START_TEST(who_is_forgotten_hears_nothing)
{
	struct bed b;
	struct heard h;

	setup(&b);
	ask(&b, &h, "a", "");
	podipam_forget(b.p, &h);
	(void)add(&b, "b", "");
	ck_assert(!h.yes);
	ck_assert_ptr_nonnull(podipam_find(b.p, "a", "eth0"));
	teardown(&b);
}
END_TEST

START_TEST(restarts_lose_nothing_and_a_boot_takes_all)
{
	struct bed b;
	struct addr a, c;

	setup(&b);
	a = add(&b, "a", "");
	(void)add(&b, "b", "");
	c = add(&b, "c", "");
	podipam_del(b.p, "b", "eth0");
	again(&b, "boot-1");
	ck_assert_ptr_null(podipam_find(b.p, "b", "eth0"));
	ck_assert(addr_eq(&podipam_find(b.p, "a", "eth0")->v[0].addr, &a));
	ck_assert(addr_eq(&podipam_find(b.p, "c", "eth0")->v[0].addr, &c));
	ck_assert_uint_eq(b.reclaimed, 0);
	again(&b, "boot-2");
	ck_assert_uint_eq(b.reclaimed, 2);
	ck_assert_ptr_null(podipam_find(b.p, "a", "eth0"));
	teardown(&b);
}
END_TEST

START_TEST(many_turns_make_the_file_no_longer)
{
	struct bed b;
	char *path;
	struct stat st;

	setup(&b);
	(void)add(&b, "stays", "");
	for (unsigned i = 0; i < 3000; i++) {
		struct heard h;
		char name[24];

		snprintf(name, sizeof(name), "c%u", i);
		ask(&b, &h, name, "/run/netns/a-name-that-is-somewhat-longer");
		podipam_forget(b.p, &h);
		podipam_del(b.p, name, "eth0");
		if (i % 50 == 0)
			(void)add(&b, "stays", "");
		if (i % 100 == 0)
			loop_turn(b.loop, 10);
	}
	(void)add(&b, "last", "");
	(void)add(&b, "very-last", "");
	path = journal_of(&b);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_lt(st.st_size, 700000);
	free(path);
	again(&b, "boot-1");
	ck_assert_ptr_nonnull(podipam_find(b.p, "stays", "eth0"));
	ck_assert_ptr_nonnull(podipam_find(b.p, "very-last", "eth0"));
	ck_assert_ptr_null(podipam_find(b.p, "c77", "eth0"));
	teardown(&b);
}
END_TEST

static ino_t
inode_of(const struct bed *b)
{
	char *path = journal_of(b);
	struct stat st = { 0 };

	(void)stat(path, &st);
	free(path);
	return st.st_ino;
}

START_TEST(a_start_writes_nothing_and_the_first_lease_a_new_file)
{
	struct bed b;
	ino_t before;

	setup(&b);
	ck_assert_uint_eq(inode_of(&b), 0);
	(void)add(&b, "a", "");
	before = inode_of(&b);
	ck_assert_uint_ne(before, 0);
	again(&b, "boot-1");
	ck_assert_uint_eq(inode_of(&b), before);
	ck_assert_ptr_nonnull(podipam_find(b.p, "a", "eth0"));
	(void)add(&b, "b", "");
	ck_assert_uint_ne(inode_of(&b), before);
	again(&b, "boot-1");
	ck_assert_ptr_nonnull(podipam_find(b.p, "a", "eth0"));
	ck_assert_ptr_nonnull(podipam_find(b.p, "b", "eth0"));
	teardown(&b);
}
END_TEST

/* A child gives, and tells by a pipe what was answered; it is killed in the middle. */
static void
child(struct bed *b, int out)
{
	struct heard h;
	char name[24];

	for (unsigned i = 0;; i++) {
		snprintf(name, sizeof(name), "c%u", i);
		ask(b, &h, name, "");
		while (!h.yes)
			loop_turn(b->loop, 1000);
		if (h.verdict != PODIPAM_OK || write(out, &h.addr, sizeof(h.addr)) < 0)
			_exit(1);
		if (i % 3 == 0)
			podipam_del(b->p, name, "eth0");
	}
}

START_TEST(kill_9_loses_no_answer)
{
	struct addr got;
	struct bed b;
	unsigned nr = 0;
	int fds[2];
	pid_t pid;

	setup(&b);
	podipam_free(b.p); /* its thread would not be in the child */
	b.p = NULL;
	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		b.loop = loop_new();
		open_bed(&b, "boot-1");
		child(&b, fds[1]);
	}
	close(fds[1]);
	while (nr < 40u + (unsigned)_i * 7 && read(fds[0], &got, sizeof(got)) > 0)
		nr++;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	while (read(fds[0], &got, sizeof(got)) > 0)
		nr++;
	close(fds[0]);
	open_bed(&b, "boot-1");
	for (unsigned i = 0; i < nr; i++) {
		char name[24];

		snprintf(name, sizeof(name), "c%u", i);
		if (i % 3 != 0)
			ck_assert_msg(podipam_find(b.p, name, "eth0"), "%s of %u", name, nr);
	}
	teardown(&b);
}
END_TEST

START_TEST(a_disk_that_fails_gives_nothing_and_recovers)
{
	struct bed b;
	struct heard h;
	char *path, *temp;

	setup(&b);
	(void)add(&b, "a", "");
	/* Nothing more fits into the file; a new one can not be made either. */
	signal(SIGXFSZ, SIG_IGN);
	path = journal_of(&b);
	temp = xasprintf("%s.tmp", path);
	ck_assert_int_eq(mkdir(temp, 0700), 0);
	/* the start asks nothing of the disk; the first who waits for it is told, and nobody is lost */
	again(&b, "boot-1");
	ask(&b, &h, "x", "");
	while (!h.yes)
		loop_turn(b.loop, 1000);
	ck_assert_int_eq(h.verdict, PODIPAM_DISK);
	ck_assert_int_eq(b.trouble, -EISDIR);
	ck_assert_ptr_null(podipam_find(b.p, "x", "eth0"));
	ck_assert_ptr_nonnull(podipam_find(b.p, "a", "eth0"));
	rmdir(temp);
	(void)add(&b, "d", "");
	/* /dev/full in the place of the file: appending fails with ENOSPC */
	{
		int full = open("/dev/full", O_WRONLY | O_CLOEXEC), fd = -1;
		char link[64], where[256];
		ssize_t n;

		for (int i = 3; i < 64 && fd < 0; i++) {
			snprintf(link, sizeof(link), "/proc/self/fd/%d", i);
			n = readlink(link, where, sizeof(where) - 1);
			where[n > 0 ? n : 0] = '\0';
			/* opened under its first name, and renamed since */
			if (strncmp(where, path, strlen(path)) == 0)
				fd = i;
		}
		ck_assert_int_ge(fd, 0);
		ck_assert_int_eq(dup3(full, fd, O_CLOEXEC), fd);
		close(full);
	}
	ask(&b, &h, "b", "");
	while (!h.yes)
		loop_turn(b.loop, 1000);
	ck_assert_int_eq(h.verdict, PODIPAM_DISK);
	ck_assert_int_eq(b.trouble, -ENOSPC);
	ck_assert_ptr_null(podipam_find(b.p, "b", "eth0"));
	ck_assert_ptr_nonnull(podipam_find(b.p, "a", "eth0"));
	/* the next one is written into a new file, with all that is there */
	(void)add(&b, "c", "");
	again(&b, "boot-1");
	ck_assert_ptr_nonnull(podipam_find(b.p, "a", "eth0"));
	ck_assert_ptr_nonnull(podipam_find(b.p, "d", "eth0"));
	ck_assert_ptr_null(podipam_find(b.p, "b", "eth0"));
	ck_assert_ptr_nonnull(podipam_find(b.p, "c", "eth0"));
	free(temp);
	free(path);
	teardown(&b);
}
END_TEST

START_TEST(gc_takes_what_is_not_listed_of_this_network)
{
	struct podipam_valid valid[] = { { "c", "eth0" }, { "a", "eth0" } };
	const struct podipam_owner other = { "o", "eth0", "elsewhere", "", "", "" };
	const struct podipam_want w = { .pool = { NULL, "", NULL } };
	struct heard h = { 0 };
	struct bed b;

	setup(&b);
	(void)add(&b, "a", "");
	(void)add(&b, "b", "");
	(void)add(&b, "c", "");
	ck_assert_int_eq(podipam_add(b.p, &other, &w, hear, &h), PODIPAM_OK);
	ck_assert_uint_eq(podipam_gc(b.p, "net", valid, 2), 1);
	ck_assert_ptr_null(podipam_find(b.p, "b", "eth0"));
	ck_assert_ptr_nonnull(podipam_find(b.p, "o", "eth0"));
	ck_assert_uint_eq(podipam_gc(b.p, "net", NULL, 0), 2);
	ck_assert_uint_eq(podipam_count_pool(b.p, "", ADDR_V4).used, 1);
	ck_assert_uint_eq(podipam_count_pool(b.p, "", ADDR_V4).total, 253);
	podipam_forget(b.p, &h);
	teardown(&b);
}
END_TEST

/* ---- namespaces: a process that has one of its own, by its /proc entry ---- */

static pid_t
holder(char *path, size_t size)
{
	int fds[2];
	char c;
	pid_t pid;

	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		c = unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 ? 'y' : 'n';
		(void)!write(fds[1], &c, 1);
		pause();
		_exit(0);
	}
	ck_assert_int_eq(read(fds[0], &c, 1), 1);
	close(fds[0]);
	close(fds[1]);
	if (c != 'y') {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return -1;
	}
	snprintf(path, size, "/proc/%d/ns/net", (int)pid);
	return pid;
}

START_TEST(what_is_of_a_namespace_that_is_gone_comes_back)
{
	char path[64];
	struct bed b;
	pid_t pid = holder(path, sizeof(path));

	ck_assert_int_ge(pid, 0);
	setup(&b);
	(void)add(&b, "pod", path);
	(void)add(&b, "unseen", "/run/netns/never-was-there");
	(void)add(&b, "nowhere", "");
	again(&b, "boot-1"); /* known by the journal as well */
	podipam_leak_check(b.p, 5);
	for (int i = 0; i < 20; i++)
		loop_turn(b.loop, 5);
	ck_assert_ptr_nonnull(podipam_find(b.p, "pod", "eth0"));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	while (podipam_find(b.p, "pod", "eth0"))
		loop_turn(b.loop, 1000);
	ck_assert_uint_eq(b.reclaimed, 1);
	ck_assert_ptr_nonnull(podipam_find(b.p, "unseen", "eth0"));
	ck_assert_ptr_nonnull(podipam_find(b.p, "nowhere", "eth0"));
	again(&b, "boot-1");
	ck_assert_ptr_null(podipam_find(b.p, "pod", "eth0"));
	teardown(&b);
}
END_TEST

START_TEST(an_attachment_that_moved_outlives_its_first_namespace)
{
	char first[64], second[64];
	struct addr addr, same;
	struct bed b;
	pid_t pids[2] = { holder(first, sizeof(first)), -1 };

	ck_assert_int_ge(pids[0], 0);
	pids[1] = holder(second, sizeof(second));
	setup(&b);
	addr = add(&b, "pod", first);
	same = add(&b, "pod", second);
	ck_assert(addr_eq(&addr, &same));
	again(&b, "boot-1");
	(void)add(&b, "other", first);
	podipam_leak_check(b.p, 5);
	kill(pids[0], SIGKILL);
	waitpid(pids[0], NULL, 0);
	while (podipam_find(b.p, "other", "eth0"))
		loop_turn(b.loop, 1000);
	ck_assert_ptr_nonnull(podipam_find(b.p, "pod", "eth0"));
	kill(pids[1], SIGKILL);
	waitpid(pids[1], NULL, 0);
	while (podipam_find(b.p, "pod", "eth0"))
		loop_turn(b.loop, 1000);
	teardown(&b);
}
END_TEST

static bool
may_make_namespaces(void)
{
	int status = -1;
	const pid_t pid = fork();

	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("engine");

	if (!may_make_namespaces())
		unit_skip("no new namespaces here");

	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, the_answer_waits_for_the_disk_and_is_the_same_again);
	tcase_add_test(tc, a_second_one_does_not_touch_the_journal);
	tcase_add_test(tc, a_start_writes_nothing_and_the_first_lease_a_new_file);
	tcase_add_test(tc, who_is_forgotten_hears_nothing);
	tcase_add_test(tc, restarts_lose_nothing_and_a_boot_takes_all);
	tcase_add_test(tc, many_turns_make_the_file_no_longer);
	tcase_add_loop_test(tc, kill_9_loses_no_answer, 0, 8);
	tcase_add_test(tc, a_disk_that_fails_gives_nothing_and_recovers);
	tcase_add_test(tc, gc_takes_what_is_not_listed_of_this_network);
	tcase_add_test(tc, what_is_of_a_namespace_that_is_gone_comes_back);
	tcase_add_test(tc, an_attachment_that_moved_outlives_its_first_namespace);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("podipam", add_tests)
