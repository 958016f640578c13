/*
 * tests/unit/daemon/test_l2_notes.c: devices as other nodes are told of them, there and back; and what
 * others may send instead.
 */
#include "daemon/l2_side.h"

#include "lib/buf.h"
#include "lib/mem.h"
#include "tests/unit/unit.h"

static struct arena arena;
static struct l2_notes got;

static void
teardown(void)
{
	arena_fini(&arena);
}

static bool
is_bare(void *arg, const char *device)
{
	(void)arg;
	return strcmp(device, "bare0") == 0;
}

static struct prefix
prefix(const char *text)
{
	struct prefix p;

	ck_assert_int_eq(prefix_parse(text, &p, NULL), 0);
	return p;
}

static struct addr
addr(const char *text)
{
	struct addr a;

	ck_assert_int_eq(addr_parse(text, &a), 0);
	return a;
}

START_TEST(there_and_back)
{
	const struct prefix both[] = { prefix("192.168.10.0/24"), prefix("fe80::/64"),
		prefix("2001:db8::/64") };
	const struct l2_seen_device devices[] = {
		{ .name = "eth0",
		    .usable = true,
		    .running = true,
		    .prefixes = both,
		    .nr_prefixes = 3 },
		{ .name = "eth1", .usable = true, .prefixes = both, .nr_prefixes = 1 },
		{ .name = "eth2", .running = true, .prefixes = both, .nr_prefixes = 1 },
		{ .name = "veth7", .usable = true, .running = true },
		{ .name = "bare0", .usable = true, .running = true },
	};
	const struct addr strangers[] = { addr("192.168.10.9"), addr("2001:db8::9") };
	const char *const sessions[] = { "k8s/tor", "k8s/node/b" };
	const struct l2_notes notes = { devices, 5, strangers, 2, sessions, 2, true };
	char *text = l2_notes_format(&notes, is_bare, NULL);

	ck_assert_ptr_nonnull(text);
	ck_assert(l2_notes_parse(text, strlen(text), &arena, &got));
	free(text);
	ck_assert_uint_eq(
	    got.nr_devices, 3); /* neither what cannot be used nor what has no address */
	ck_assert_str_eq(got.devices[0].name, "eth0");
	ck_assert(got.devices[0].usable && got.devices[0].running);
	ck_assert_mem_eq(got.devices[0].mac, devices[0].mac, 6);
	ck_assert_uint_eq(got.devices[0].nr_prefixes, 2); /* link-local ones are everywhere */
	ck_assert(prefix_eq(&got.devices[0].prefixes[0], &both[0]));
	ck_assert(prefix_eq(&got.devices[0].prefixes[1], &both[2]));
	ck_assert(!got.devices[1].running);
	ck_assert_str_eq(got.devices[2].name, "bare0");
	ck_assert_uint_eq(got.devices[2].nr_prefixes, 0);
	ck_assert_uint_eq(got.nr_strangers, 2);
	ck_assert(addr_eq(&got.strangers[1], &strangers[1]));
	ck_assert(got.has_sessions);
	ck_assert_uint_eq(got.nr_sessions, 2);
	ck_assert_str_eq(got.sessions[1], "k8s/node/b");
}
END_TEST

/* All sessions or none: who is not in the list is down. */
START_TEST(too_many_sessions_are_not_told)
{
	const char *sessions[65];
	struct l2_notes notes = { .sessions = sessions, .nr_sessions = 65, .has_sessions = true };
	char *long_name = xasprintf("%0200d", 7), *text;

	for (size_t i = 0; i < 65; i++)
		sessions[i] = long_name;
	for (size_t nr = 65; nr > 0; nr -= 13) { /* then too long, then not */
		notes.nr_sessions = nr;
		text = l2_notes_format(&notes, is_bare, NULL);
		ck_assert_uint_le(strlen(text), CLUSTER_NOTES_MAX / 2);
		ck_assert(l2_notes_parse(text, strlen(text), &arena, &got));
		ck_assert(got.has_sessions == (nr <= 39));
		ck_assert_uint_eq(got.nr_sessions, nr <= 39 ? nr : 0);
		free(text);
	}
	free(long_name);
}
END_TEST

static const char *const garbage[] = { "", "[", "[]", "{}", "{\"devices\":{}}x", "\xff\xfe",
	"{\"devices\":[],\"devices\":[]}" };

START_TEST(garbage_is_refused)
{
	ck_assert(!l2_notes_parse(garbage[_i], strlen(garbage[_i]), &arena, &got));
	ck_assert_uint_eq(got.nr_devices, 0);
}
END_TEST

START_TEST(what_makes_no_sense_is_left_out)
{
	const char text[] =
	    "{\"devices\":[7,{},{\"name\":3},{\"name\":\"much-too-long-for-a-device\"},"
	    "{\"name\":\"eth8\",\"mac\":\"02:00:00:00:00:0\"},{\"name\":\"eth9\"},{\"name\":"
	    "\"eth9\",\"mac\":\"02:00:00:00:00:0x\"},{\"name\":\"eth0\",\"mac\":\"02:00:00:00:00:"
	    "01\",\"running\":\"yes\",\"prefixes\":[1,\"x\",\"10.0.0.0/99\","
	    "\"10.0.0.0/"
	    "8\"]},{\"name\":\"eth1\",\"mac\":\"02:00:00:00:00:01\",\"prefixes\":{}}],"
	    "\"strangers\":[1,\"x\",\"10.0.0.1\"],\"sessions\":[1,\"a/b\",{}]}";

	ck_assert(l2_notes_parse(text, strlen(text), &arena, &got));
	ck_assert_uint_eq(got.nr_devices, 2);
	ck_assert_uint_eq(got.devices[0].nr_prefixes, 1);
	ck_assert(!got.devices[0].running);
	ck_assert_uint_eq(got.devices[1].nr_prefixes, 0);
	ck_assert_uint_eq(got.nr_strangers, 1);
	ck_assert_uint_eq(got.nr_sessions, 1);
}
END_TEST

START_TEST(too_many_are_cut_off)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	buf_puts(&b, "{\"devices\":[");
	for (int i = 0; i < 1000; i++)
		buf_printf(
		    &b, "%s{\"name\":\"e%d\",\"mac\":\"02:00:00:00:00:01\"}", i ? "," : "", i);
	buf_puts(&b, "]}");
	ck_assert(l2_notes_parse(buf_text(&b), strlen(buf_text(&b)), &arena, &got));
	ck_assert_uint_eq(got.nr_devices, 256);
	buf_fini(&b);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("notes");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, there_and_back);
	tcase_add_test(tc, too_many_sessions_are_not_told);
	tcase_add_loop_test(tc, garbage_is_refused, 0, 7);
	tcase_add_test(tc, what_makes_no_sense_is_left_out);
	tcase_add_test(tc, too_many_are_cut_off);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("l2_notes", add_tests)
