/*
 * tests/unit/resource/test_files.c: the files source on a real directory with real inotify: every
 * way in which people and kubelets change files; a bad set is refused whole.  Nothing sleeps: the
 * loop waits for the event that must come.
 */
#include "tests/unit/resource/res.h"

#include "tests/unit/unit.h"

#include "lib/buf.h"
#include "lib/loop.h"
#include "lib/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TURN_MS 5000 /* by then an event that must come has come */

static char dir[64];
static struct loop *loop;
static struct store *store;
static struct files *files;
static unsigned nr_results; /* readings told so far */

/* ---- on disk ---- */

/* The path of @fmt below the directory; in one of eight buffers. */
static const char *__attribute__((format(printf, 1, 2))) at(const char *fmt, ...)
{
	static char ring[8][256];
	static unsigned next;
	char *buf = ring[next++ % 8];
	va_list ap;
	int n = snprintf(buf, 256, "%s/", dir);

	va_start(ap, fmt);
	vsnprintf(buf + n, 256 - (size_t)n, fmt, ap);
	va_end(ap);
	return buf;
}

static void
put_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* Namespaces of these names, "a b c", in one text. */
static const char *
docs(const char *names)
{
	static char text[4096];
	size_t n = 0;

	text[0] = '\0';
	for (const char *p = names; *p; p += *p == ' ') {
		size_t len = strcspn(p, " ");

		n += (size_t)snprintf(text + n, sizeof(text) - n,
		    "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: %.*s}\n", (int)len, p);
		p += len;
	}
	return text;
}

static void
put_docs(const char *path, const char *names)
{
	put_text(path, docs(names));
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* ---- the source ---- */

static void
on_result(void *arg, bool ok)
{
	(void)arg;
	(void)ok;
	nr_results++;
}

static void
setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/herald-files-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(mkdir(at("d"), 0755), 0);
	loop = loop_new();
	store = store_new(loop);
	nr_results = 0;
	files = NULL;
}

static void
teardown(void)
{
	files_free(files);
	store_free(store);
	loop_free(loop);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void
start(const char *path)
{
	files = files_new(loop, store, &path, 1, on_result, NULL);
	ck_assert_ptr_nonnull(files);
	ck_assert_uint_eq(nr_results, 1);
}

/* Turn the loop until a reading was told, and no event is left. */
static void
wait_result(void)
{
	unsigned before = nr_results;

	for (int i = 0; nr_results == before && i < 100; i++)
		ck_assert_int_eq(loop_turn(loop, TURN_MS), 0);
	ck_assert_uint_gt(nr_results, before);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(loop_turn(loop, 0), 0);
}

/* Whatever has happened on disk is in the queue already; nothing of it may bring a reading. */
static void
no_result(void)
{
	unsigned before = nr_results;

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(loop_turn(loop, 0), 0);
	ck_assert_uint_eq(nr_results, before);
}

/* The store's namespaces are exactly "a b c". */
static void
holds(const char *names)
{
	const struct res_object *o;
	struct buf b;

	buf_init(&b, 4096);
	store_for_each(store, RES_NAMESPACE, o)
	{
		buf_printf(&b, "%s%s", b.len ? " " : "", o->meta.name);
	}
	ck_assert_str_eq(buf_text(&b), names);
	buf_fini(&b);
}

/* The last reading's faults, with the directory cut off; "" for a good one. */
static void
faults_are(const char *lines)
{
	char *text = res_fault_lines(files_faults(files)), *p;
	size_t len = strlen(dir);

	while ((p = strstr(text, dir)) != NULL)
		memmove(p, p + len + 1, strlen(p + len + 1) + 1);
	ck_assert_str_eq(text, lines);
	ck_assert_int_eq(files_ok(files), !*lines);
	free(text);
}

/* ---- reading ---- */

START_TEST(reads_a_directory)
{
	put_docs(at("d/b.yaml"), "b");
	put_docs(at("d/a.yml"), "a1 a2");
	put_docs(at("d/c.txt"), "c");
	put_docs(at("d/.hidden.yaml"), "d");
	ck_assert_int_eq(mkdir(at("d/sub.yaml"), 0755), 0);
	put_docs(at("d/sub.yaml/e.yaml"), "e");
	start(at("d/"));
	holds("a1 a2 b");
	faults_are("");
	ck_assert(store_is_synced(store));
	ck_assert_str_eq(store_source_name(store, 0), "files");
}
END_TEST

START_TEST(reads_a_file)
{
	put_docs(at("d/b.yaml"), "b");
	put_docs(at("d/other.yaml"), "x");
	start(at("d/b.yaml"));
	holds("b");
	put_docs(at("d/other.yaml"), "y");
	no_result();
	put_docs(at("d/b.yaml"), "b c");
	wait_result();
	holds("b c");
}
END_TEST

START_TEST(missing_path_is_a_fault)
{
	start(at("none"));
	faults_are("none:1:1: Document/1: file: No such file or directory: must be a file or a "
		   "directory\n");
	ck_assert(!store_is_synced(store));
	ck_assert_uint_eq(files_nr_refused(files), 1);
}
END_TEST

START_TEST(a_huge_file_is_not_read)
{
	int fd = open(at("d/a.yaml"), O_WRONLY | O_CREAT, 0644);

	ck_assert_int_eq(ftruncate(fd, 100 << 20), 0);
	close(fd);
	start(at("d"));
	faults_are("d/a.yaml:1:1: Document/1: file: 104857600 bytes: must be at most 16777216\n");
}
END_TEST

START_TEST(a_fifo_is_not_waited_for)
{
	ck_assert_int_eq(mkfifo(at("d/a.yaml"), 0644), 0);
	start(at("d"));
	faults_are("d/a.yaml:1:1: Document/1: file: not a file: must be a file or a directory\n");
}
END_TEST

/* ---- changes ---- */

START_TEST(edit_create_delete)
{
	put_docs(at("d/a.yaml"), "a");
	start(at("d"));
	holds("a");
	put_docs(at("d/a.yaml"), "a b");
	wait_result();
	holds("a b");
	put_docs(at("d/c.yaml"), "c");
	wait_result();
	holds("a b c");
	ck_assert_int_eq(unlink(at("d/a.yaml")), 0);
	wait_result();
	holds("c");
	put_docs(at("d/note.txt"), "x");
	no_result();
}
END_TEST

START_TEST(atomic_rename)
{
	put_docs(at("d/a.yaml"), "a");
	start(at("d"));
	put_docs(at("d/.a.yaml.tmp"), "b");
	no_result();
	ck_assert_int_eq(rename(at("d/.a.yaml.tmp"), at("d/a.yaml")), 0);
	wait_result();
	holds("b");
	put_docs(at("x"), "c");
	ck_assert_int_eq(rename(at("x"), at("d/b.yaml")), 0); /* from outside */
	wait_result();
	holds("b c");
	ck_assert_int_eq(rename(at("d/b.yaml"), at("d/z.yaml")), 0); /* one key, another file */
	wait_result();
	holds("b c");
	ck_assert_int_eq(rename(at("d/z.yaml"), at("y")), 0);
	wait_result();
	holds("b");
	faults_are("");
}
END_TEST

/* A writer that is still at it: nothing is read, whatever happens beside. */
START_TEST(half_written_files_wait)
{
	char *text = strdup(docs("a2"));
	int fd;

	put_docs(at("d/a.yaml"), "a");
	start(at("d"));
	fd = open(at("d/a.yaml"), O_WRONLY | O_TRUNC);
	ck_assert_int_eq(write(fd, text, 10), 10);
	no_result();
	put_docs(at("d/b.yaml"), "b");
	wait_result();
	holds("a b");
	ck_assert_int_eq(mkdir(at("d/new.yaml"), 0755), 0); /* everything is looked at again */
	wait_result();
	faults_are("");
	holds("a b");
	ck_assert_int_eq(write(fd, text + 10, strlen(text) - 10), (ssize_t)strlen(text) - 10);
	close(fd);
	wait_result();
	holds("a2 b");
	free(text);
	fd = open(at("d/new2.yaml"), O_WRONLY | O_CREAT, 0644);
	no_result();
	close(fd);
	wait_result();
	faults_are("");
}
END_TEST

START_TEST(half_written_root_file_waits)
{
	char *text = strdup(docs("b"));
	int fd;

	put_docs(at("a.yaml"), "a");
	start(at("a.yaml"));
	fd = open(at("a.yaml"), O_WRONLY | O_TRUNC);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	no_result();
	holds("a");
	close(fd);
	wait_result();
	holds("b");
	ck_assert_int_eq(unlink(at("a.yaml")), 0);
	wait_result();
	holds("b"); /* refused: there is no such file */
	ck_assert(!files_ok(files));
	fd = open(at("a.yaml"), O_WRONLY | O_CREAT, 0644);
	no_result();
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	wait_result();
	ck_assert(files_ok(files));
	holds("b");
	free(text);
}
END_TEST

/* kubelet's way: files are symlinks through "..data", which is renamed over. */
START_TEST(config_map_swap)
{
	ck_assert_int_eq(mkdir(at("d/..1"), 0755), 0);
	put_docs(at("d/..1/a.yaml"), "a");
	ck_assert_int_eq(symlink("..1", at("d/..data")), 0);
	ck_assert_int_eq(symlink("..data/a.yaml", at("d/a.yaml")), 0);
	start(at("d"));
	holds("a");
	for (int i = 2; i < 5; i++) {
		char name[16], target[16];

		snprintf(target, sizeof(target), "..%d", i);
		snprintf(name, sizeof(name), "a%d", i);
		ck_assert_int_eq(mkdir(at("d/%s", target), 0755), 0);
		put_docs(at("d/%s/a.yaml", target), name);
		ck_assert_int_eq(symlink(target, at("d/..data_tmp")), 0);
		ck_assert_int_eq(rename(at("d/..data_tmp"), at("d/..data")), 0);
		wait_result();
		holds(name);
	}
	faults_are("");
}
END_TEST

/* The same when the one file is what was named. */
START_TEST(config_map_swap_of_a_root_file)
{
	ck_assert_int_eq(mkdir(at("d/..1"), 0755), 0);
	ck_assert_int_eq(mkdir(at("d/..2"), 0755), 0);
	put_docs(at("d/..1/a.yaml"), "a");
	put_docs(at("d/..2/a.yaml"), "b");
	ck_assert_int_eq(symlink("..1", at("d/..data")), 0);
	ck_assert_int_eq(symlink("..data/a.yaml", at("d/a.yaml")), 0);
	start(at("d/a.yaml"));
	holds("a");
	ck_assert_int_eq(symlink("..2", at("d/..data_tmp")), 0);
	ck_assert_int_eq(rename(at("d/..data_tmp"), at("d/..data")), 0);
	wait_result();
	holds("b");
}
END_TEST

START_TEST(symlink_to_a_file_elsewhere)
{
	ck_assert_int_eq(mkdir(at("e"), 0755), 0);
	put_docs(at("e/real"), "a");
	ck_assert_int_eq(symlink("../e/real", at("d/a.yaml")), 0);
	start(at("d"));
	holds("a");
	put_docs(at("e/real"), "b");
	wait_result();
	holds("b");
	put_docs(at("e/other"), "c");
	ck_assert_int_eq(rename(at("e/other"), at("e/real")), 0);
	wait_result();
	holds("c");
	ck_assert_int_eq(symlink("../e/real2", at("d/b.yaml")), 0);
	wait_result();
	ck_assert(!files_ok(files));
	holds("c");
	put_docs(at("e/tmp"), "d");
	ck_assert_int_eq(rename(at("e/tmp"), at("e/real2")), 0);
	wait_result();
	holds("c d");
}
END_TEST

START_TEST(directory_comes_late_and_goes)
{
	start(at("x/y/z"));
	ck_assert(!files_ok(files));
	ck_assert_int_eq(mkdir(at("x"), 0755), 0);
	wait_result();
	ck_assert_int_eq(mkdir(at("x/y"), 0755), 0);
	wait_result();
	ck_assert_int_eq(mkdir(at("x/y/tmp"), 0755), 0);
	put_docs(at("x/y/tmp/a.yaml"), "a");
	ck_assert_int_eq(rename(at("x/y/tmp"), at("x/y/z")), 0);
	wait_result();
	holds("a");
	faults_are("");
	put_docs(at("x/y/z/b.yaml"), "b");
	wait_result();
	holds("a b");
	/* Away with it: what runs stays. */
	ck_assert_int_eq(rename(at("x/y/z"), at("x/y/w")), 0);
	wait_result();
	ck_assert(!files_ok(files));
	holds("a b");
	ck_assert_int_eq(unlink(at("x/y/w/a.yaml")), 0);
	ck_assert_int_eq(rename(at("x/y/w"), at("x/y/z")), 0);
	wait_result();
	holds("b");
	faults_are("");
}
END_TEST

START_TEST(root_symlink_is_swapped)
{
	ck_assert_int_eq(mkdir(at("e"), 0755), 0);
	put_docs(at("d/a.yaml"), "a");
	put_docs(at("e/b.yaml"), "b");
	ck_assert_int_eq(symlink("d", at("conf")), 0);
	start(at("conf"));
	holds("a");
	ck_assert_int_eq(symlink("e", at("conf2")), 0);
	ck_assert_int_eq(rename(at("conf2"), at("conf")), 0);
	wait_result();
	holds("b");
	put_docs(at("e/c.yaml"), "c");
	wait_result();
	holds("b c");
}
END_TEST

START_TEST(hard_link_is_whole)
{
	put_docs(at("x"), "a");
	start(at("d"));
	ck_assert_int_eq(link(at("x"), at("d/a.yaml")), 0);
	wait_result();
	holds("a");
}
END_TEST

/* ---- bad sets ---- */

START_TEST(a_bad_set_is_refused_whole)
{
	put_docs(at("d/a.yaml"), "a");
	put_docs(at("d/b.yaml"), "b");
	start(at("d"));
	put_text(at("d/a.yaml"), "apiVersion: v1\nkind: Nmespace\nmetadata: {name: a}\n");
	wait_result();
	holds("a b");
	faults_are("d/a.yaml:2:7: Nmespace/a: kind: Nmespace: unknown kind; did you mean "
		   "'Namespace'?\n");
	ck_assert(store_is_synced(store));
	put_docs(at("d/b.yaml"), "b c"); /* good, and waits for the other */
	wait_result();
	holds("a b");
	ck_assert_uint_eq(files_nr_refused(files), 2);
	put_docs(at("d/a.yaml"), "x");
	wait_result();
	holds("b c x");
	faults_are("");
}
END_TEST

START_TEST(doubles_are_faults)
{
	put_docs(at("d/a.yaml"), "a x a");
	put_docs(at("d/b.yaml"), "x");
	start(at("d"));
	faults_are(
	    "d/a.yaml:10:1: Namespace/a: metadata.name: a: must be there only once; the first "
	    "is in d/a.yaml:2:1\n"
	    "d/b.yaml:2:1: Namespace/x: metadata.name: x: must be there only once; the first "
	    "is in d/a.yaml:6:1\n");
	put_docs(at("d/a.yaml"), "a");
	wait_result();
	faults_are("");
	holds("a x");
	put_docs(at("d/c.yaml"), "x");
	wait_result();
	faults_are(
	    "d/c.yaml:2:1: Namespace/x: metadata.name: x: must be there only once; the first "
	    "is in d/b.yaml:2:1\n");
	ck_assert_int_eq(unlink(at("d/b.yaml")), 0);
	wait_result();
	faults_are("");
	holds("a x");
}
END_TEST

START_TEST(one_config_at_most)
{
	put_text(at("d/a.yaml"),
	    "apiVersion: heraldlb.io/v1\nkind: HeraldConfig\nmetadata: {name: a}\n");
	put_text(at("d/b.yaml"),
	    "apiVersion: heraldlb.io/v1\nkind: HeraldConfig\nmetadata: {name: b}\n");
	start(at("d"));
	faults_are("d/b.yaml:1:1: HeraldConfig/b: metadata.name: b: there must be at most one "
		   "HeraldConfig; the first is in d/a.yaml:1:1\n");
}
END_TEST

START_TEST(reload_and_check)
{
	struct res_faults faults = { 0 };
	struct res_set set = { 0 };
	const char *paths[] = { at("d"), at("x.yaml") };

	put_docs(at("d/a.yaml"), "a");
	put_docs(at("x.yaml"), "x");
	start(at("d"));
	ck_assert_int_eq(files_reload(files), 0);
	ck_assert_uint_eq(nr_results, 2);
	put_text(at("d/a.yaml"), "a: [");
	ck_assert_int_eq(files_reload(files), -EINVAL);
	holds("a");
	ck_assert_int_eq(files_check(paths, 2, &set, &faults), -EINVAL);
	ck_assert_uint_eq(faults.nr, 1);
	res_faults_fini(&faults);
	res_set_fini(&set);
	put_docs(at("d/a.yaml"), "b");
	ck_assert_int_eq(files_check(paths, 2, &set, &faults), 0);
	ck_assert_uint_eq(set.nr, 2);
	ck_assert_str_eq(set.v[0]->meta.name, "b");
	ck_assert_str_eq(set.v[1]->meta.name, "x");
	res_set_fini(&set);
}
END_TEST

/* An unchanged object survives the reading of its file: who holds it sees no change. */
START_TEST(only_what_changed_is_told)
{
	const struct res_object *a;

	put_docs(at("d/a.yaml"), "a b");
	start(at("d"));
	a = store_get(store, RES_NAMESPACE, "", "a");
	put_docs(at("d/a.yaml"), "a c");
	wait_result();
	holds("a c");
	ck_assert_ptr_eq(store_get(store, RES_NAMESPACE, "", "a"), a);
}
END_TEST

/* Each allocation fails once; after that everything is as if it had not. */
START_TEST(short_of_memory)
{
	put_docs(at("d/a.yaml"), "a");
	put_docs(at("d/b.yaml"), "b");
	start(at("d"));
	for (unsigned nth = 1; nth < 160; nth += 3) {
		put_docs(at("d/a.yaml"), nth % 2 ? "a c" : "a d e");
		put_docs(at("d/b.yaml"), nth % 2 ? "b d" : "b c");
		mem_fail_at(nth);
		(void)!files_reload(files);
		mem_fail_at(0);
		ck_assert_int_eq(files_reload(files), 0);
		holds(nth % 2 ? "a b c d" : "a b c d e");
	}
}
END_TEST

/* ---- where the kernel has no watch to give ---- */

static void
write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* In a user namespace of this test's own process the limits are ours to set. */
static void
own_limits(void)
{
	char map[32];
	unsigned uid = geteuid();

	ck_assert_int_eq(unshare(CLONE_NEWUSER), 0);
	snprintf(map, sizeof(map), "0 %u 1", uid);
	write_to("/proc/self/uid_map", map);
}

static const struct {
	const char *limit, *none, *word;
} limits[] = {
	{ "/proc/sys/user/max_inotify_instances", "0", "max_user_instances" },
	{ "/proc/sys/user/max_inotify_watches", "0", "max_user_watches" },
};

static bool
may_limit(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER) < 0);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

START_TEST(without_watches_everything_is_looked_at_now_and_then)
{
	loop_free(loop);
	store_free(store);
	loop = loop_new_fake();
	store = store_new(loop);
	own_limits();
	write_to(limits[_i].limit, limits[_i].none);
	put_docs(at("d/a.yaml"), "one");
	start(at("d"));
	ck_assert_ptr_nonnull(files_unwatched(files));
	ck_assert_ptr_nonnull(strstr(files_unwatched(files), limits[_i].word));
	holds("one");
	put_docs(at("d/b.yaml"), "two");
	loop_advance(loop, 5000);
	holds("one two");
	ck_assert_uint_eq(nr_results, 2);
	/* Nothing new, nothing told; also of what is wrong. */
	loop_advance(loop, 20000);
	ck_assert_uint_eq(nr_results, 2);
	put_text(at("d/c.yaml"), "what: [");
	ck_assert_int_eq(symlink("nowhere", at("d/d.yaml")), 0);
	loop_advance(loop, 5000);
	ck_assert_uint_eq(nr_results, 3);
	ck_assert(!files_ok(files));
	loop_advance(loop, 20000);
	ck_assert_uint_eq(nr_results, 3);
	unlink(at("d/c.yaml"));
	unlink(at("d/d.yaml"));
	loop_advance(loop, 5000);
	ck_assert(files_ok(files));
	ck_assert_uint_eq(nr_results, 4);
	/* There is room again: what happens is told, at once. */
	write_to(limits[_i].limit, "100");
	loop_advance(loop, 5000);
	ck_assert_ptr_null(files_unwatched(files));
	put_docs(at("d/b.yaml"), "three");
	wait_result();
	holds("one three");
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("files");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, reads_a_directory);
	tcase_add_test(tc, reads_a_file);
	tcase_add_test(tc, missing_path_is_a_fault);
	tcase_add_test(tc, a_huge_file_is_not_read);
	tcase_add_test(tc, a_fifo_is_not_waited_for);
	tcase_add_test(tc, edit_create_delete);
	tcase_add_test(tc, atomic_rename);
	tcase_add_test(tc, half_written_files_wait);
	tcase_add_test(tc, half_written_root_file_waits);
	tcase_add_test(tc, config_map_swap);
	tcase_add_test(tc, config_map_swap_of_a_root_file);
	tcase_add_test(tc, symlink_to_a_file_elsewhere);
	tcase_add_test(tc, directory_comes_late_and_goes);
	tcase_add_test(tc, root_symlink_is_swapped);
	tcase_add_test(tc, hard_link_is_whole);
	tcase_add_test(tc, a_bad_set_is_refused_whole);
	tcase_add_test(tc, doubles_are_faults);
	tcase_add_test(tc, one_config_at_most);
	tcase_add_test(tc, reload_and_check);
	tcase_add_test(tc, only_what_changed_is_told);
	tcase_add_test(tc, short_of_memory);
	if (unit_rounds(20) < 20)
		fprintf(
		    stderr, "skipped: files without watches: valgrind has threads now and then\n");
	else if (may_limit())
		tcase_add_loop_test(tc, without_watches_everything_is_looked_at_now_and_then, 0, 2);
	else
		fprintf(stderr, "skipped: files without watches: no user namespaces here\n");
	suite_add_tcase(s, tc);
}
UNIT_MAIN("files", add_tests)
