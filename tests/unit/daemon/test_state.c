/*
 * tests/unit/daemon/test_state.c: stateDir's files survive what they promise to survive.
 */
#include "daemon/state.h"

#include "lib/addr.h"

#include "tests/unit/unit.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

static void
setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/herald-state-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void
put(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

static bool
there(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

static void
teardown(void)
{
	static const char *const names[] = { "allocations.json", "allocations.json.bad",
		"allocations.json.tmp", "allocations.log", "resting.json", "drain.json", "running",
		NULL };
	char path[128];

	for (size_t i = 0; names[i]; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	ck_assert_int_eq(rmdir(dir), 0); /* nothing else was left there */
}

struct seen {
	unsigned nr;
	char text[256];
};

static void
see(void *arg, const char *owner, const struct addr *a, const char *pool)
{
	struct seen *seen = arg;
	size_t len = strlen(seen->text);

	seen->nr++;
	snprintf(seen->text + len, sizeof(seen->text) - len, "%s=%s@%s ", owner, addr_str(a), pool);
}

START_TEST(what_is_saved_is_loaded)
{
	json_t *list = json_pack("[{s:s,s:s,s:s},{s:s,s:s,s:s}]", "owner", "default/web", "address",
	    "172.16.1.1", "pool", "blue", "owner", "a/b", "address", "fd00::1", "pool", "six");
	struct seen seen = { 0 };
	char *error = NULL;

	ck_assert_int_eq(state_save_allocations(dir, list), 0);
	json_decref(list);
	ck_assert_int_eq(state_load_allocations(dir, see, &seen, &error), 0);
	ck_assert_str_eq(seen.text, "default/web=172.16.1.1@blue a/b=fd00::1@six ");
	ck_assert(!there("allocations.json.tmp"));
}
END_TEST

START_TEST(no_file_yet_is_fine)
{
	struct seen seen = { 0 };
	char *error = NULL;

	ck_assert_int_eq(state_load_allocations(dir, see, &seen, &error), 0);
	ck_assert_uint_eq(seen.nr, 0);
	ck_assert_ptr_null(error);
}
END_TEST

START_TEST(a_broken_file_is_kept_aside_and_named)
{
	static const char *const broken[] = { "", "{", "[]", "{\"allocations\":3}",
		"{\"allocations\":[{\"owner\":\"a/b\",\"address\":\"10.0.0\",\"pool\":\"p\"}]}",
		"{\"allocations\":[{\"owner\":\"a/b\",\"pool\":\"p\"}]}" };
	struct seen seen = { 0 };
	char *error = NULL;

	put("allocations.json", broken[_i]);
	ck_assert_int_eq(state_load_allocations(dir, see, &seen, &error), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(error, "allocations.json.bad"));
	ck_assert(!there("allocations.json"));
	ck_assert(there("allocations.json.bad"));
	free(error);
}
END_TEST

START_TEST(a_failed_save_leaves_the_old_file)
{
	json_t *list =
	    json_pack("[{s:s,s:s,s:s}]", "owner", "a/b", "address", "10.0.0.1", "pool", "p");
	struct seen seen = { 0 };
	char *error = NULL;
	char temp[128];

	ck_assert_int_eq(state_save_allocations(dir, list), 0);
	/* A folder in the place of the temporary file: it cannot be written. */
	snprintf(temp, sizeof(temp), "%s/allocations.json.tmp", dir);
	ck_assert_int_eq(mkdir(temp, 0700), 0);
	ck_assert_int_lt(state_save_allocations(dir, list), 0);
	ck_assert_int_eq(rmdir(temp), 0);
	ck_assert_int_eq(state_load_allocations(dir, see, &seen, &error), 0);
	ck_assert_uint_eq(seen.nr, 1);
	json_decref(list);
}
END_TEST

static void
log_one(const char *owner, const char *address)
{
	json_t *list =
	    address ? json_pack("[{s:s,s:s}]", "address", address, "pool", "p") : json_array();

	ck_assert_int_eq(state_log_allocation(dir, owner, list), 0);
	json_decref(list);
}

START_TEST(the_log_overrules_the_file)
{
	json_t *list = json_pack("[{s:s,s:s,s:s},{s:s,s:s,s:s}]", "owner", "a/kept", "address",
	    "10.0.0.1", "pool", "p", "owner", "a/moved", "address", "10.0.0.2", "pool", "p");
	struct seen seen = { 0 };
	char *error = NULL;

	ck_assert_int_eq(state_save_allocations(dir, list), 0);
	log_one("a/moved", "10.0.0.9");
	log_one("a/new", "10.0.0.3");
	log_one("a/gone", "10.0.0.4");
	log_one("a/gone", NULL);
	ck_assert_int_eq(state_load_allocations(dir, see, &seen, &error), 0);
	ck_assert_uint_eq(seen.nr, 3);
	ck_assert_ptr_nonnull(strstr(seen.text, "a/kept=10.0.0.1@p "));
	ck_assert_ptr_nonnull(strstr(seen.text, "a/moved=10.0.0.9@p "));
	ck_assert_ptr_nonnull(strstr(seen.text, "a/new=10.0.0.3@p "));
	/* a save has all of it, and the log starts anew */
	ck_assert_int_eq(state_save_allocations(dir, list), 0);
	ck_assert(!there("allocations.log"));
	json_decref(list);
}
END_TEST

START_TEST(a_line_that_was_cut_is_left_out)
{
	static const char *const cut[] = { "{\"owner\":\"a/b\",\"addre", "\n", "null\n", "{}\n",
		"{\"owner\":\"a/b\",\"addresses\":[{\"address\":\"10.0\",\"pool\":\"p\"}]}\n" };
	struct seen seen = { 0 };
	char path[128];
	char *error = NULL;
	FILE *f;

	log_one("a/b", "10.0.0.1");
	snprintf(path, sizeof(path), "%s/allocations.log", dir);
	f = fopen(path, "a");
	ck_assert_ptr_nonnull(f);
	fputs(cut[_i], f);
	fclose(f);
	ck_assert_int_eq(state_load_allocations(dir, see, &seen, &error), 0);
	ck_assert_str_eq(seen.text, "a/b=10.0.0.1@p ");
}
END_TEST

static char rested[200];

static void
note_resting(void *arg, const struct addr *addr, const char *last, int64_t until_ms)
{
	(void)arg;
	snprintf(rested + strlen(rested), sizeof(rested) - strlen(rested), "%s %s %lld; ",
	    addr_str(addr), last, (long long)until_ms);
}

START_TEST(what_rests_is_saved_and_loaded)
{
	json_t *list = json_pack("[{s:s, s:s, s:I}]", "address", "2001:db8::1", "last", "a/b",
	    "untilMs", (json_int_t)1763755000123);
	char *error = NULL;

	rested[0] = '\0';
	ck_assert_int_eq(state_load_resting(dir, note_resting, NULL, &error), 0);
	ck_assert_int_eq(state_save_resting(dir, list), 0);
	ck_assert_int_eq(state_load_resting(dir, note_resting, NULL, &error), 0);
	ck_assert_str_eq(rested, "2001:db8::1 a/b 1763755000123; ");
	ck_assert_ptr_null(error);
	json_decref(list);
}
END_TEST

START_TEST(what_does_not_tell_of_rest_is_passed_over)
{
	static const char *const bad[] = { "", "{", "[]", "{\"resting\":3}",
		"{\"resting\":[3,null,{},{\"address\":7,\"last\":\"a/b\"},"
		"{\"address\":\"10.0.0.300\",\"last\":\"a/b\",\"untilMs\":1},"
		"{\"address\":\"10.0.0.3\",\"last\":{},\"untilMs\":1}]}" };
	char *error = NULL;
	int err;

	rested[0] = '\0';
	put("resting.json", bad[_i]);
	err = state_load_resting(dir, note_resting, NULL, &error);
	ck_assert_int_eq(err, _i < 4 ? -EBADMSG : 0);
	ck_assert_int_eq(error != NULL, _i < 4);
	ck_assert_str_eq(rested, "");
	free(error);
}
END_TEST

START_TEST(a_drain_is_saved_loaded_and_forgotten)
{
	const struct state_drain d = { .person = true, .withdrawn = true, .wait_s = 30 };
	struct state_drain got = { 0 };
	char *error = NULL;

	ck_assert_int_eq(state_load_drain(dir, &got, &error), 0);
	ck_assert(!got.person);
	ck_assert_int_eq(state_save_drain(dir, &d), 0);
	ck_assert_int_eq(state_load_drain(dir, &got, &error), 0);
	ck_assert(got.person && got.withdrawn);
	ck_assert_uint_eq(got.wait_s, 30);
	ck_assert_int_eq(state_save_drain(dir, NULL), 0);
	ck_assert_int_eq(state_save_drain(dir, NULL), 0);
	got = (struct state_drain){ 0 };
	ck_assert_int_eq(state_load_drain(dir, &got, &error), 0);
	ck_assert(!got.person);
	ck_assert_ptr_null(error);
}
END_TEST

START_TEST(a_broken_drain_is_said_and_changes_nothing)
{
	static const char *const bad[] = { "", "{", "[]", "{\"person\": 1, \"waitSeconds\": 1}",
		"{\"person\": true, \"waitSeconds\": -1}",
		"{\"person\": true, \"waitSeconds\": 65536}" };
	struct state_drain got = { 0 };
	char *error = NULL;

	put("drain.json", bad[_i]);
	ck_assert_int_eq(state_load_drain(dir, &got, &error), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(error, "drain.json"));
	ck_assert(!got.person);
	free(error);
}
END_TEST

START_TEST(running_is_remembered_until_goodbye_or_reboot)
{
	ck_assert(!state_was_running(dir));
	ck_assert_int_eq(state_mark_running(dir), 0);
	ck_assert(state_was_running(dir));
	state_mark_gone(dir);
	ck_assert(!state_was_running(dir));
	put("running", "00000000-0000-0000-0000-000000000000"); /* another boot */
	ck_assert(!state_was_running(dir));
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *t = tcase_create("state");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, what_is_saved_is_loaded);
	tcase_add_test(t, no_file_yet_is_fine);
	tcase_add_loop_test(t, a_broken_file_is_kept_aside_and_named, 0, 6);
	tcase_add_test(t, a_failed_save_leaves_the_old_file);
	tcase_add_test(t, the_log_overrules_the_file);
	tcase_add_loop_test(t, a_line_that_was_cut_is_left_out, 0, 5);
	tcase_add_test(t, what_rests_is_saved_and_loaded);
	tcase_add_loop_test(t, what_does_not_tell_of_rest_is_passed_over, 0, 5);
	tcase_add_test(t, a_drain_is_saved_loaded_and_forgotten);
	tcase_add_loop_test(t, a_broken_drain_is_said_and_changes_nothing, 0, 6);
	tcase_add_test(t, running_is_remembered_until_goodbye_or_reboot);
	suite_add_tcase(s, t);
}

UNIT_MAIN("daemon/state", add_tests)
