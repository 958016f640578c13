/*
 * tests/unit/datapath/test_kernel_attach.c: the loader's programs on devices of a real kernel, and
 * what it takes off again.  Skipped without the rights.
 */
#include "tests/unit/datapath/kernelkit.h"

#include <bpf/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <unistd.h>

/* ---- devices ---- */

START_TEST(stand_and_leave)
{
	uint32_t id;

	kit_start();
	ck_assert_int_eq(kit_attach(false, DP_ATTACH_AUTO, true), DP_LINK_TC);
	ck_assert_uint_eq(kit_on_tc(TCX_INGRESS, &id), 1);
	ck_assert_uint_eq(id, kit_id_of(KP_NET));
	ck_assert_uint_eq(kit_on_tc(TCX_EGRESS, &id), 1);
	ck_assert_uint_eq(id, kit_id_of(KP_OUT));
	ck_assert_uint_eq(kit_on_xdp(), 0);
	/* Again: nothing more. */
	ck_assert_int_eq(kit_attach(false, DP_ATTACH_AUTO, true), DP_LINK_TC);
	ck_assert_uint_eq(kit_on_tc(TCX_INGRESS, NULL), 1);
	dp_kernel_detach(kernel, va);
	ck_assert_uint_eq(kit_on_tc(TCX_INGRESS, NULL), 0);
	ck_assert_uint_eq(kit_on_tc(TCX_EGRESS, NULL), 0);
}
END_TEST

START_TEST(change_sides)
{
	uint32_t id;

	kit_start();
	ck_assert_int_eq(kit_attach(false, DP_ATTACH_XDP, true), DP_LINK_XDP_NATIVE);
	ck_assert_int_eq(kit_attach(true, DP_ATTACH_AUTO, true), DP_LINK_TC);
	ck_assert_uint_eq(kit_on_tc(TCX_INGRESS, &id), 1);
	ck_assert_uint_eq(id, kit_id_of(KP_POD));
	ck_assert_uint_eq(kit_on_tc(TCX_EGRESS, NULL), 0);
	ck_assert_uint_eq(kit_on_xdp(), 0);
	kit_attach(false, DP_ATTACH_TC, true);
	ck_assert_uint_eq(kit_on_tc(TCX_INGRESS, &id), 1);
	ck_assert_uint_eq(id, kit_id_of(KP_NET));
}
END_TEST

START_TEST(xdp_by_configuration)
{
	kit_start();
	ck_assert_int_eq(kit_attach(false, DP_ATTACH_XDP, true), DP_LINK_XDP_NATIVE);
	ck_assert_uint_eq(kit_on_xdp(), kit_id_of(KP_XDP));
	ck_assert_uint_eq(kit_on_tc(TCX_INGRESS, NULL), 1);
	/* A veth is not worth it by itself; a device that takes it natively is. */
	ck_assert_int_eq(kit_attach(false, DP_ATTACH_AUTO, true), DP_LINK_TC);
	ck_assert_uint_eq(kit_on_xdp(), 0);
	ck_assert_int_eq(kit_attach(false, DP_ATTACH_AUTO, false), DP_LINK_XDP_NATIVE);
	ck_assert_uint_eq(kit_on_xdp(), kit_id_of(KP_XDP));
	ck_assert_int_eq(kit_attach(false, DP_ATTACH_TC, false), DP_LINK_TC);
	ck_assert_uint_eq(kit_on_xdp(), 0);
}
END_TEST

/* The loopback has no native XDP. */
START_TEST(xdp_generic)
{
	kit_start();
	va = if_nametoindex("lo");
	ck_assert_int_eq(kit_attach(false, DP_ATTACH_AUTO, false), DP_LINK_TC);
	ck_assert_str_eq(kernel->why, "");
	ck_assert_int_eq(kit_attach(false, DP_ATTACH_XDP, false), DP_LINK_XDP_GENERIC);
	ck_assert_uint_eq(kit_on_xdp(), kit_id_of(KP_XDP));
	/* Left behind by another configuration. */
	ck_assert_int_eq(kit_attach(false, DP_ATTACH_AUTO, false), DP_LINK_TC);
	ck_assert_uint_eq(kit_on_xdp(), 0);
}
END_TEST

START_TEST(xdp_of_somebody_else)
{
	const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "other", "GPL", pass, 2, NULL);

	kit_start();
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bpf_xdp_attach((int)va, fd, XDP_FLAGS_DRV_MODE, NULL), 0);
	ck_assert_int_eq(kit_attach(false, DP_ATTACH_XDP, true), DP_LINK_TC);
	ck_assert_ptr_nonnull(strstr(kernel->why, "somebody else stands on va"));
	ck_assert_uint_ne(kit_on_xdp(), 0);
	dp_kernel_detach(kernel, va);
	ck_assert_uint_ne(kit_on_xdp(), 0);
	ck_assert_int_eq(bpf_xdp_detach((int)va, 0, NULL), 0);
	close(fd);
}
END_TEST

/* Ours stands before those that are there already, and leaves them alone. */
START_TEST(first_of_several)
{
	const struct bpf_insn ok[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "other", "GPL", ok, 2, NULL), link;
	uint32_t id;

	kit_start();
	link = bpf_link_create(fd, (int)va, TCX_INGRESS, NULL);
	ck_assert_int_ge(link, 0);
	kit_attach(true, DP_ATTACH_AUTO, true);
	ck_assert_uint_eq(kit_on_tc(TCX_INGRESS, &id), 2);
	ck_assert_uint_eq(id, kit_id_of(KP_POD));
	dp_kernel_detach(kernel, va);
	ck_assert_uint_eq(kit_on_tc(TCX_INGRESS, &id), 1);
	close(link);
	close(fd);
}
END_TEST

static void
on_each(void *arg, unsigned ifindex, bool pods)
{
	snprintf((char *)arg + strlen(arg), 40, "%s%s ", ifindex == va ? "va" : "?",
	    pods ? " pods" : "");
}

static const char *
attached(void)
{
	static char text[400];

	text[0] = '\0';
	dp_kernel_attached_each(kernel, on_each, text);
	return text;
}

START_TEST(outlives_the_process)
{
	uint32_t before, after;

	kit_start();
	kit_attach(false, DP_ATTACH_XDP, true);
	kit_stop();
	ck_assert_uint_eq(kit_on_tc(TCX_INGRESS, &before), 1);
	ck_assert_uint_ne(kit_on_xdp(), 0);
	kit_start();
	ck_assert_str_eq(attached(), "va ");
	kit_attach(false, DP_ATTACH_XDP, true);
	ck_assert_uint_eq(kit_on_tc(TCX_INGRESS, &after), 1);
	ck_assert_uint_eq(before, after);
	dp_kernel_detach(kernel, va);
	ck_assert_str_eq(attached(), "");
}
END_TEST

/* The device went, and another has its number: what was pinned is not taken for standing there. */
START_TEST(device_that_went)
{
	char args[80];

	kit_start();
	kit_attach(false, DP_ATTACH_XDP, true);
	ck_assert_int_eq(kit_ip("link del va"), 0);
	ck_assert_str_eq(attached(), "");
	snprintf(args, sizeof(args), "link add va index %u type veth peer name vb", va);
	ck_assert_int_eq(kit_ip(args), 0);
	ck_assert_uint_eq(if_nametoindex("va"), va);
	ck_assert_int_eq(kit_attach(false, DP_ATTACH_XDP, true), DP_LINK_XDP_NATIVE);
	ck_assert_uint_eq(kit_on_tc(TCX_INGRESS, NULL), 1);
	ck_assert_uint_eq(kit_on_xdp(), kit_id_of(KP_XDP));
}
END_TEST

/* ---- exchange ---- */

static uint32_t
link_id(const char *name)
{
	struct bpf_link_info info = { 0 };
	uint32_t len = sizeof(info);
	int fd = kernel_pin_open(pin, "links", name);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	close(fd);
	return info.id;
}

START_TEST(exchange_in_place)
{
	uint32_t net, link, id;
	char name[32];

	kit_start();
	kit_attach(false, DP_ATTACH_XDP, true);
	snprintf(name, sizeof(name), "%u-net", va);
	link = link_id(name);
	net = kit_id_of(KP_NET);
	kernel->ask.force_old = true;
	kit_grow(&small);
	ck_assert_uint_ne(kit_id_of(KP_NET), net);
	ck_assert_uint_eq(kit_on_tc(TCX_INGRESS, &id), 1);
	ck_assert_uint_eq(id, kit_id_of(KP_NET));
	ck_assert_uint_eq(kit_on_xdp(), kit_id_of(KP_XDP));
	/* The link is the same one: nothing was taken off. */
	ck_assert_uint_eq(link_id(name), link);
	/* The next start has the usual programs again. */
	kit_restart();
	ck_assert_uint_eq(kit_on_tc(TCX_INGRESS, &id), 1);
	ck_assert_uint_eq(id, kit_id_of(KP_NET));
	ck_assert_uint_eq(link_id(name), link);
}
END_TEST

/* Of another layout: the devices keep what they have until the new maps are written. */
START_TEST(exchange_after_migration)
{
	uint32_t net, id;
	const char *why;

	kit_start();
	kit_attach(false, DP_ATTACH_AUTO, true);
	net = kit_id_of(KP_NET);
	dp_kernel_maps(kernel)->conf->abi = LB_ABI_VERSION + 1;
	dp_kernel_maps(kernel)->fe[3].service = 5;
	kit_restart();
	ck_assert(!dp_kernel_adopted(kernel));
	ck_assert_uint_eq(dp_kernel_maps(kernel)->fe[3].service, 0);
	kit_attach(false, DP_ATTACH_AUTO, true);
	kit_on_tc(TCX_INGRESS, &id);
	ck_assert_uint_eq(id, net);
	ck_assert_int_eq(dp_kernel_exchange(kernel, &why), 0);
	kit_on_tc(TCX_INGRESS, &id);
	ck_assert_uint_eq(id, kit_id_of(KP_NET));
	ck_assert_uint_ne(id, net);
	dp_kernel_maps(kernel)->fe[3].service = 6;
	kit_restart();
	ck_assert(dp_kernel_adopted(kernel));
	ck_assert_uint_eq(dp_kernel_maps(kernel)->fe[3].service, 6);
}
END_TEST

/* ---- kernels before 6.6 ---- */

static bool
filter_is_there(enum bpf_tc_attach_point at, uint32_t *id)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)va, .attach_point = at);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 0x4e1d, .priority = 5);
	int err = bpf_tc_query(&hook, &opts);

	*id = opts.prog_id;
	return err == 0;
}

START_TEST(clsact)
{
	uint32_t id, other;

	kit_start();
	kernel->ask.force_clsact = true;
	ck_assert_int_eq(kit_attach(false, DP_ATTACH_AUTO, true), DP_LINK_TC);
	ck_assert_uint_eq(kit_on_tc(TCX_INGRESS, NULL), 0);
	ck_assert(filter_is_there(BPF_TC_INGRESS, &id));
	ck_assert_uint_eq(id, kit_id_of(KP_NET));
	ck_assert(filter_is_there(BPF_TC_EGRESS, &id));
	ck_assert_uint_eq(id, kit_id_of(KP_OUT));
	ck_assert_str_eq(attached(), "va ");
	/* Exchanged, by a later process too. */
	kernel->ask.force_old = true;
	kit_grow(&small);
	ck_assert(filter_is_there(BPF_TC_INGRESS, &other));
	ck_assert_uint_ne(other, id);
	ck_assert_uint_eq(other, kit_id_of(KP_NET));
	kit_restart();
	ck_assert_str_eq(attached(), "va ");
	ck_assert(filter_is_there(BPF_TC_INGRESS, &id));
	ck_assert_uint_eq(id, kit_id_of(KP_NET));
	dp_kernel_detach(kernel, va);
	ck_assert(!filter_is_there(BPF_TC_INGRESS, &id));
	ck_assert(!filter_is_there(BPF_TC_EGRESS, &id));
}
END_TEST

/* ---- taking all out ---- */

START_TEST(remove_all)
{
	uint32_t id;

	kit_start();
	kit_attach(false, DP_ATTACH_XDP, true);
	va = if_nametoindex("lo");
	kernel->ask.force_clsact = true;
	kit_attach(true, DP_ATTACH_AUTO, false);
	ck_assert(filter_is_there(BPF_TC_INGRESS, &id));
	dp_kernel_remove(kernel);
	ck_assert(!filter_is_there(BPF_TC_INGRESS, &id));
	va = if_nametoindex("va");
	ck_assert_uint_eq(kit_on_tc(TCX_INGRESS, NULL), 0);
	ck_assert_uint_eq(kit_on_tc(TCX_EGRESS, NULL), 0);
	ck_assert_uint_eq(kit_on_xdp(), 0);
	ck_assert_int_ne(access(pin, F_OK), 0);
	ck_assert_ptr_null(dp_kernel_maps(kernel));
}
END_TEST

START_TEST(remove_pinned)
{
	kit_start();
	kit_attach(false, DP_ATTACH_XDP, true);
	kit_stop();
	ck_assert_int_eq(dp_remove_pinned(pin), 0);
	ck_assert_uint_eq(kit_on_tc(TCX_INGRESS, NULL), 0);
	ck_assert_uint_eq(kit_on_xdp(), 0);
	ck_assert_int_ne(access(pin, F_OK), 0);
	ck_assert_int_eq(dp_remove_pinned(pin), 0);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc;

	if (!kernel_namespaces())
		unit_skip("no right to load BPF programs and make namespaces");
	tc = kernel_tcase(s, "stand");
	tcase_add_test(tc, stand_and_leave);
	tcase_add_test(tc, change_sides);
	tcase_add_test(tc, xdp_by_configuration);
	tcase_add_test(tc, xdp_generic);
	tcase_add_test(tc, xdp_of_somebody_else);
	tcase_add_test(tc, first_of_several);
	tcase_add_test(tc, outlives_the_process);
	tcase_add_test(tc, device_that_went);
	tcase_add_test(tc, exchange_in_place);
	tcase_add_test(tc, exchange_after_migration);
	tcase_add_test(tc, clsact);
	tcase_add_test(tc, remove_all);
	tcase_add_test(tc, remove_pinned);
}

UNIT_MAIN("kernel_attach", add_tests)
