/*
 * tests/unit/podipam/test_ns.c: a namespace is gone only when it surely is.
 */
#include "tests/unit/unit.h"

#include "podipam/ns.h"

#include <sys/stat.h>
#include <unistd.h>

#define OWN "/proc/self/ns/net"

START_TEST(one_that_is_there)
{
	const struct ns_id id = ns_look(OWN);

	ck_assert_uint_ne(id.ino, 0);
	ck_assert_uint_ne(id.anchor, 0);
	ck_assert(!ns_is_gone(OWN, &id));
}
END_TEST

START_TEST(what_is_no_namespace_is_not_seen)
{
	static const char *const paths[] = { "", "relative", "/", "/etc/passwd", "/proc/self/stat",
		"/run/netns/never-was", "/proc/self/ns/mnt/x" };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		const struct ns_id id = ns_look(paths[i]);

		ck_assert_msg(id.ino == 0, "%s", paths[i]);
		ck_assert(!ns_is_gone(paths[i], &id));
	}
}
END_TEST

START_TEST(another_in_its_place)
{
	struct ns_id id = ns_look(OWN);

	id.ino++;
	ck_assert(ns_is_gone(OWN, &id));
	id.ino = 0; /* never seen */
	ck_assert(!ns_is_gone(OWN, &id));
}
END_TEST

START_TEST(a_path_that_is_gone)
{
	const struct ns_id id = ns_look(OWN);

	ck_assert(ns_is_gone("/proc/self/ns/gone", &id));
}
END_TEST

/* The daemon came back in a container without the folder: what it does not see may be there. */
START_TEST(a_file_system_that_is_out_of_sight)
{
	struct ns_id id = ns_look(OWN);

	id.anchor++;
	ck_assert(!ns_is_gone("/proc/self/ns/gone", &id));
	ck_assert(!ns_is_gone("/nowhere/at/all", &id));
}
END_TEST

/* A namespace is unmounted, and its file stays for a moment. */
START_TEST(a_plain_file_in_its_place)
{
	char path[] = "/tmp/ns-test-XXXXXX";
	const int fd = mkstemp(path);
	struct ns_id id = ns_look(OWN);
	struct stat st;

	ck_assert_int_eq(stat("/tmp", &st), 0);
	id.anchor = st.st_dev;
	ck_assert(ns_is_gone(path, &id));
	close(fd);
	unlink(path);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("ns");

	tcase_add_test(tc, one_that_is_there);
	tcase_add_test(tc, what_is_no_namespace_is_not_seen);
	tcase_add_test(tc, another_in_its_place);
	tcase_add_test(tc, a_path_that_is_gone);
	tcase_add_test(tc, a_file_system_that_is_out_of_sight);
	tcase_add_test(tc, a_plain_file_in_its_place);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("podipam ns", add_tests)
