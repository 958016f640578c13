/*
 * tests/unit/l2/test_stand.c: the answering program and its maps in a real kernel: on devices, over
 * restarts, and out again.  Skipped without the rights.
 */
#include "tests/unit/l2/bed.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <unistd.h>

#include "l2/answer.h"

#define VIP4 "192.0.2.211"
#define TCX_INGRESS ((enum bpf_attach_type)46)

static struct answer a;

static void
setup(void)
{
	struct addr addr = ip(VIP4);
	struct l2_key key;
	uint64_t since = 1000;

	bed_setup();
	ck_assert_int_eq(answer_init(&a, pin), 0);
	ck_assert_msg(answer_load(&a) == 0, "%s", a.why);
	key = answer_key(&addr, va);
	ck_assert_int_eq(answer_add(&a, &key, &since), 0);
}

static void
teardown(void)
{
	answer_close(&a);
	bed_teardown();
}

static struct l2_entry
entry(const char *text)
{
	struct addr addr = ip(text);
	struct l2_key key = answer_key(&addr, va);
	struct l2_entry e;

	ck_assert(answer_get(&a, &key, &e));
	return e;
}

static unsigned
on_va(uint32_t *id)
{
	uint32_t ids[8] = { 0 }, nr = 8, flags;

	ck_assert_int_eq(bpf_prog_query((int)va, TCX_INGRESS, 0, &flags, ids, &nr), 0);
	*id = ids[0];
	return nr;
}

static uint32_t
id_of(int fd)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	ck_assert_int_eq(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	return info.id;
}

static void
again(void)
{
	bool force = a.force_clsact;

	answer_close(&a);
	ck_assert_int_eq(answer_init(&a, pin), 0);
	a.force_clsact = force;
	ck_assert_msg(answer_load(&a) == 0, "%s", a.why);
}

START_TEST(stand_and_leave)
{
	uint32_t id;

	ck_assert_int_eq(answer_attach(&a, va, "va"), 0);
	ck_assert_uint_eq(on_va(&id), 1);
	ck_assert_uint_eq(id, id_of(a.prog));
	ck_assert_int_eq(answer_attach(&a, va, "va"), 0);
	ck_assert_uint_eq(on_va(&id), 1);
	answer_detach(&a, va);
	ck_assert_uint_eq(on_va(&id), 0);
	ck_assert_int_eq(answer_attach(&a, 4000, "none"), -ENODEV);
	ck_assert_ptr_nonnull(strstr(a.why, "cannot stand on none"));
}
END_TEST

START_TEST(outlives_the_process)
{
	uint32_t id, old;

	ck_assert_int_eq(answer_attach(&a, va, "va"), 0);
	old = id_of(a.prog);
	again();
	ck_assert(a.adopted);
	ck_assert_uint_eq(entry(VIP4).since, 1000);
	ck_assert_uint_eq(on_va(&id), 1);
	ck_assert_uint_eq(id, old);
	ck_assert_int_eq(answer_attach(&a, va, "va"), 0);
	ck_assert_uint_eq(on_va(&id), 1);
	ck_assert_uint_eq(id, id_of(a.prog));
	ck_assert_uint_ne(id, old);
}
END_TEST

/* Maps of another layout are not read; the program that stands on the device goes on with them until
 * it is exchanged. */
START_TEST(another_layout)
{
	struct l2_state state = { .abi = L2_ABI_VERSION + 1 };
	struct addr addr = ip(VIP4);
	struct l2_key key = answer_key(&addr, va);
	struct l2_entry e;
	uint32_t zero = 0, id, old;

	ck_assert_int_eq(answer_attach(&a, va, "va"), 0);
	old = id_of(a.prog);
	ck_assert_int_eq(bpf_map_update_elem(a.map[ANSWER_STATE], &zero, &state, BPF_ANY), 0);
	again();
	ck_assert(!a.adopted);
	ck_assert(!answer_get(&a, &key, &e));
	on_va(&id);
	ck_assert_uint_eq(id, old);
	ck_assert_int_eq(answer_attach(&a, va, "va"), 0);
	on_va(&id);
	ck_assert_uint_eq(id, id_of(a.prog));
	again();
	ck_assert(a.adopted);
}
END_TEST

START_TEST(clsact)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)va, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 0x4e1e, .priority = 4);
	uint32_t id;

	a.force_clsact = true;
	ck_assert_int_eq(answer_attach(&a, va, "va"), 0);
	ck_assert_uint_eq(on_va(&id), 0);
	ck_assert_int_eq(bpf_tc_query(&hook, &opts), 0);
	ck_assert_uint_eq(opts.prog_id, id_of(a.prog));
	again();
	ck_assert_int_eq(answer_attach(&a, va, "va"), 0);
	opts.flags = opts.prog_id = 0, opts.prog_fd = 0;
	ck_assert_int_eq(bpf_tc_query(&hook, &opts), 0);
	ck_assert_uint_eq(opts.prog_id, id_of(a.prog));
	answer_detach(&a, va);
	opts.flags = opts.prog_id = 0, opts.prog_fd = 0;
	ck_assert_int_lt(bpf_tc_query(&hook, &opts), 0);
}
END_TEST

START_TEST(device_that_went)
{
	char args[80];
	uint32_t id;

	ck_assert_int_eq(answer_attach(&a, va, "va"), 0);
	ck_assert_int_eq(bed_ip("link del va"), 0);
	snprintf(args, sizeof(args), "link add va index %u type veth peer name vb", va);
	ck_assert_int_eq(bed_ip(args), 0);
	ck_assert_uint_eq(on_va(&id), 0);
	ck_assert_int_eq(answer_attach(&a, va, "va"), 0);
	ck_assert_uint_eq(on_va(&id), 1);
}
END_TEST

START_TEST(remove_all)
{
	uint32_t id;

	ck_assert_int_eq(answer_attach(&a, va, "va"), 0);
	ck_assert_int_eq(answer_remove(&a), 0);
	ck_assert_uint_eq(on_va(&id), 0);
	ck_assert_int_ne(access(a.pin, F_OK), 0);
	ck_assert(!answer_is_pinned(&a));
	ck_assert_int_eq(answer_remove(&a), 0);
}
END_TEST

/* Room for all, and no more. */
START_TEST(full)
{
	struct addr addr = ip("10.0.0.0");
	uint64_t since = 1;
	int err = 0;
	unsigned n = 0;

	while (err == 0) {
		struct l2_key key = answer_key(&addr, va);

		err = answer_add(&a, &key, &since);
		n += err == 0;
		ck_assert(addr_next(&addr));
	}
	ck_assert_int_eq(err, -E2BIG);
	ck_assert_uint_eq(n, 65536 - 1);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("stand");

	if (!bed_can())
		unit_skip("no right to load BPF programs and make namespaces");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, stand_and_leave);
	tcase_add_test(tc, outlives_the_process);
	tcase_add_test(tc, another_layout);
	tcase_add_test(tc, clsact);
	tcase_add_test(tc, device_that_went);
	tcase_add_test(tc, remove_all);
	tcase_add_test(tc, full);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("stand", add_tests)
