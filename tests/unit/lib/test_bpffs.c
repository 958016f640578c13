/*
 * tests/unit/lib/test_bpffs.c: folders of the BPF file system, as far as any file system will do for
 * it; pins and programs on devices are tested by those who have programs.
 */
#include "lib/bpffs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static char dir[64];

static void
setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/herald-bpffs-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void
teardown(void)
{
	rmdir(dir);
}

START_TEST(a_path_is_made_with_its_parents_and_the_last_is_ours_alone)
{
	char path[128], parent[128];
	struct stat st;

	snprintf(parent, sizeof(parent), "%s/a", dir);
	snprintf(path, sizeof(path), "%s/a/b", dir);
	for (int twice = 0; twice < 2; twice++)
		ck_assert_int_eq(bpffs_make_path(path), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0700);
	ck_assert_int_eq(stat(parent, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0007, 0005);
	ck_assert(!bpffs_is(path));
	rmdir(path);
	rmdir(parent);
}
END_TEST

START_TEST(a_path_that_is_too_long_is_refused_and_not_cut)
{
	char path[BPFFS_PATH + 64];

	memset(path, 'x', sizeof(path));
	memcpy(path, "/tmp/", 5);
	path[sizeof(path) - 1] = '\0';
	ck_assert_int_eq(bpffs_make_path(path), -ENAMETOOLONG);
}
END_TEST

static void
take_away(void *arg, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	ck_assert_int_eq(unlink(path), 0);
	++*(unsigned *)arg;
}

START_TEST(each_name_is_told_though_all_are_removed_meanwhile)
{
	unsigned told = 0;

	for (unsigned i = 0; i < 300; i++) {
		char path[128];

		snprintf(path, sizeof(path), "%s/%u", dir, i);
		close(open(path, O_CREAT | O_WRONLY, 0600));
	}
	bpffs_each(dir, take_away, &told);
	ck_assert_uint_eq(told, 300);
	bpffs_each("/nowhere/at/all", take_away, &told);
	ck_assert_uint_eq(told, 300);
}
END_TEST

/* The number may be another device's by now, or nothing is there at all. */
START_TEST(nothing_is_there_without_a_pin)
{
	struct bpf_stand s = { .ifindex = 1, .where = BPF_WHERE_IN };

	snprintf(s.pin, sizeof(s.pin), "%s/none", dir);
	ck_assert_int_eq(bpf_stand_update(&s, -1, true), -ENOENT);
	ck_assert_int_eq(bpf_stand_remove(&s), 0);
}
END_TEST

/* Elsewhere it is the user's to mount. */
START_TEST(only_the_usual_place_is_mounted)
{
	ck_assert_int_eq(bpffs_mount_usual(dir), 0);
	ck_assert_int_eq(bpffs_mount_usual(BPFFS_USUAL "x/herald"), 0);
	ck_assert(!bpffs_is(dir));
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("bpffs");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_path_is_made_with_its_parents_and_the_last_is_ours_alone);
	tcase_add_test(tc, a_path_that_is_too_long_is_refused_and_not_cut);
	tcase_add_test(tc, each_name_is_told_though_all_are_removed_meanwhile);
	tcase_add_test(tc, nothing_is_there_without_a_pin);
	tcase_add_test(tc, only_the_usual_place_is_mounted);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("bpffs", add_tests)
