/*
 * tests/unit/datapath/test_kernel.c: the loader against the real kernel: what it finds, makes, grows
 * and says.  Skipped without the rights.
 */
#include "tests/unit/datapath/kernelkit.h"
#include "lib/loop.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- loading and adopting ---- */

START_TEST(maps_as_asked)
{
	const struct dp_maps *m;

	kit_start();
	m = dp_kernel_maps(kernel);
	ck_assert(!dp_kernel_adopted(kernel));
	ck_assert_uint_eq(m->nr[DP_MAP_FE_ROWS], 256);
	ck_assert_uint_eq(m->nr[DP_MAP_BE_ROWS], 1024);
	ck_assert_uint_eq(m->nr[DP_MAP_TABLES], 16384);
	ck_assert_uint_eq(m->nr[DP_MAP_FLOWS4], 16);
	ck_assert_uint_eq(m->nr[DP_MAP_FLOWS6], 8);
	ck_assert_uint_ge(m->nr[DP_MAP_FRONTENDS], 256);
	ck_assert_uint_eq(m->conf->abi, LB_ABI_VERSION);
	ck_assert_uint_ne(m->conf->seed, 0);
	/* 8000 s in ticks of 1.07 s, rounded up. */
	ck_assert_uint_eq(m->conf->timeout_tcp[LB_ST_OPEN], 7451);
	ck_assert_uint_eq(m->conf->timeout_tcp[LB_ST_CLOSED], 62);
	ck_assert_uint_eq(m->conf->timeout_udp[LB_ST_NEW], 28);
	/* All memory can be written, to its last byte. */
	m->filter[LB_FILTER_SIZE - 1] = 1;
	m->fe[255].flags = 1;
	m->be[1023].flags = 1;
	m->tables[16383] = 1;
	/* Not the flows: they would be resident as a whole. */
	ck_assert_ptr_null(m->flows4);
	ck_assert_ptr_null(m->flows6);
	ck_assert(kit_is_pinned("maps/conf"));
	ck_assert(kit_is_pinned("progs/xdp"));
	ck_assert(kit_is_pinned("progs/getpeername6"));
	ck_assert(!kit_is_pinned("next/slow"));
	printf("loaded in %lu us\n", (unsigned long)dp_kernel_load_us(kernel));
}
END_TEST

START_TEST(adopt_the_same)
{
	uint32_t prog;
	uint64_t seed;

	kit_start();
	prog = kit_id_of(KP_NET);
	seed = dp_kernel_maps(kernel)->conf->seed;
	dp_kernel_maps(kernel)->fe[7].service = 77;
	kit_restart();
	ck_assert(dp_kernel_adopted(kernel));
	ck_assert_uint_eq(dp_kernel_maps(kernel)->conf->seed, seed);
	ck_assert_uint_eq(dp_kernel_maps(kernel)->fe[7].service, 77);
	/* The very programs, with the slow paths that are theirs. */
	ck_assert_uint_eq(kit_id_of(KP_NET), prog);
	for (uint32_t i = 0, id; i < LB_NR_SLOW; i++) {
		ck_assert_int_eq(
		    bpf_map_lookup_elem(dp_kernel_maps(kernel)->fd[DP_MAP_SLOW], &i, &id), 0);
		ck_assert_uint_eq(id, kit_id_of(KP_SLOW4 + i));
	}
}
END_TEST

/* Nothing is loaded then, also after growing; but for larger maps, or when a pin is another's. */
START_TEST(keep_what_runs)
{
	struct dp_sizes large = small;
	uint32_t sock, net;

	kit_start();
	ck_assert(!kernel->set.kept);
	kit_attach(false, DP_ATTACH_TC, true);
	net = kit_id_of(KP_NET);
	sock = kit_id_of(KP_CONNECT4);
	kit_restart();
	ck_assert(kernel->set.kept && dp_kernel_adopted(kernel));
	ck_assert_uint_eq(kit_id_of(KP_CONNECT4), sock);
	ck_assert_uint_eq(kit_id_of(KP_NET), net);
	dp_kernel_maps(kernel)->be[1023].port = 34;
	large.be_rows = 5000;
	kit_grow(&large);
	ck_assert(!kernel->set.kept);
	ck_assert_uint_ne(kit_id_of(KP_NET), net);
	net = kit_id_of(KP_NET);
	kit_restart();
	ck_assert(kernel->set.kept);
	ck_assert_uint_eq(kit_id_of(KP_NET), net);
	ck_assert_uint_eq(dp_kernel_maps(kernel)->nr[DP_MAP_BE_ROWS], 5000);
	ck_assert_uint_eq(dp_kernel_maps(kernel)->be[1023].port, 34);
	/* A program that is not the one that was noted. */
	ck_assert_int_eq(kernel_pin_over(kernel->set.prog[KP_POD], pin, "progs", "net"), 0);
	kit_restart();
	ck_assert(!kernel->set.kept && dp_kernel_adopted(kernel));
	ck_assert_uint_ne(kit_id_of(KP_NET), net);
	kit_restart();
	ck_assert(kernel->set.kept);
}
END_TEST

/* Maps of clients are as large as they are needed, and nobody is forgotten when that is more. */
START_TEST(grow_for_clients)
{
	const struct lb_affinity_key k = { .frontend = 7, .scope = 1 };
	const struct lb_sock_key sk = { .cookie = 8, .port = 80 };
	struct dp_sizes many = small;
	struct lb_affinity a = { .backend = 9 };
	struct lb_sock to = { .frontend = 10 };
	const struct dp_maps *m;

	many.affinity = many.socks = DP_CLIENTS;
	kit_start();
	m = dp_kernel_maps(kernel);
	ck_assert_uint_eq(m->nr[DP_MAP_AFFINITY], DP_CLIENTS_FEW);
	ck_assert_uint_eq(m->nr[DP_MAP_SOCKS], DP_CLIENTS_FEW);
	ck_assert_int_eq(bpf_map_update_elem(m->fd[DP_MAP_AFFINITY], &k, &a, BPF_ANY), 0);
	ck_assert_int_eq(bpf_map_update_elem(m->fd[DP_MAP_SOCKS], &sk, &to, BPF_ANY), 0);
	kit_grow(&many);
	m = dp_kernel_maps(kernel);
	ck_assert_uint_eq(m->nr[DP_MAP_AFFINITY], DP_CLIENTS);
	ck_assert_uint_eq(m->nr[DP_MAP_SOCKS], DP_CLIENTS);
	a.backend = to.frontend = 0;
	ck_assert_int_eq(bpf_map_lookup_elem(m->fd[DP_MAP_AFFINITY], &k, &a), 0);
	ck_assert_int_eq(bpf_map_lookup_elem(m->fd[DP_MAP_SOCKS], &sk, &to), 0);
	ck_assert_uint_eq(a.backend, 9);
	ck_assert_uint_eq(to.frontend, 10);
	kit_restart(); /* fewer are asked for, which is no reason to have others */
	ck_assert(kernel->set.kept);
	ck_assert_uint_eq(dp_kernel_maps(kernel)->nr[DP_MAP_SOCKS], DP_CLIENTS);
}
END_TEST

/* The thread has said that it is done, and nobody heard it yet. */
START_TEST(removed_while_loading)
{
	struct dp_conf conf = { .pin_path = pin, .cgroup = "/sys/fs/cgroup" };

	kernel = dp_kernel_new(loop, &conf, &small, kit_on_done, NULL);
	ck_assert_ptr_nonnull(kernel);
	dp_kernel_remove(kernel);
	loop_turn(loop, 0);
	ck_assert(!is_done);
	ck_assert(!kit_is_pinned("maps/conf") && !kit_is_pinned("maps"));
	ck_assert_ptr_null(dp_kernel_maps(kernel));
}
END_TEST

/* Larger ones are kept, and the programs know of it. */
START_TEST(adopt_larger)
{
	struct dp_sizes large = small;
	char rodata[256];
	uint32_t zero = 0, masks[3];

	kit_start();
	large.flows4 = 32768;
	large.be_rows = 5000;
	kit_grow(&large);
	kit_restart();
	ck_assert(dp_kernel_adopted(kernel));
	ck_assert_uint_eq(dp_kernel_maps(kernel)->nr[DP_MAP_FLOWS4], 64);
	ck_assert_uint_eq(dp_kernel_maps(kernel)->nr[DP_MAP_BE_ROWS], 5000);
	ck_assert_int_eq(bpf_map_lookup_elem(kernel->set.rodata, &zero, rodata), 0);
	memcpy(masks, rodata, sizeof(masks));
	ck_assert_msg(masks[0] == 63 || masks[1] == 63 || masks[2] == 63, "%u %u %u", masks[0],
	    masks[1], masks[2]);
}
END_TEST

/* A map of another shape where ours would stand: all begins anew, and no harm is done. */
START_TEST(replace_misfit)
{
	uint64_t seed;
	int fd;

	kit_start();
	seed = dp_kernel_maps(kernel)->conf->seed;
	kit_stop();
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "misfit", 4, 8, 256, NULL);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(kernel_pin_over(fd, pin, "maps", "fe_rows"), 0);
	close(fd);
	kit_start();
	ck_assert(!dp_kernel_adopted(kernel));
	ck_assert_uint_ne(dp_kernel_maps(kernel)->conf->seed, seed);
	kit_restart();
	ck_assert(dp_kernel_adopted(kernel));
}
END_TEST

START_TEST(object_for_old_kernels)
{
	kit_start();
	kernel->ask.force_old = true;
	kit_grow(&small);
	ck_assert_uint_eq(dp_kernel_maps(kernel)->conf->abi, LB_ABI_VERSION);
}
END_TEST

/* ---- growing ---- */

START_TEST(grow_keeps_what_is_there)
{
	struct dp_sizes large = { 4096, 4096, 65536, 65536, 8192, 2048, 2048 };
	const struct dp_maps *m;
	struct lb_fe_key key = { .proto = 6, .family = 4 };
	struct lb_count counts[64] = { { 0 } };
	uint32_t row, last = 255, block = 7;
	struct lb_block4 flows = { 0 };
	uint64_t seed;

	kit_start();
	m = dp_kernel_maps(kernel);
	seed = m->conf->seed;
	m->fe[255].service = 12;
	m->be[1023].port = 34;
	m->tables[16383] = 56;
	flows.way[3] = (struct lb_flow4){ .key = 7, .value = 8 };
	ck_assert_int_eq(bpf_map_update_elem(m->fd[DP_MAP_FLOWS4], &block, &flows, BPF_ANY), 0);
	for (row = 0; row < 250; row++) {
		key.port = (__be16)row;
		ck_assert_int_eq(
		    bpf_map_update_elem(m->fd[DP_MAP_FRONTENDS], &key, &row, BPF_ANY), 0);
	}
	counts[0].packets = 99;
	ck_assert_int_eq(bpf_map_update_elem(m->fd[DP_MAP_FE_COUNTS], &last, counts, BPF_ANY), 0);
	kit_grow(&large);
	m = dp_kernel_maps(kernel);
	ck_assert_uint_eq(m->nr[DP_MAP_FE_ROWS], 4096);
	ck_assert_uint_eq(m->nr[DP_MAP_FLOWS4], 128);
	ck_assert_uint_eq(m->conf->seed, seed);
	ck_assert_uint_eq(m->fe[255].service, 12);
	ck_assert_uint_eq(m->be[1023].port, 34);
	ck_assert_uint_eq(m->tables[16383], 56);
	/* Whichever of the new bits the hash has. */
	for (uint32_t b = block; b < 128; b += 16) {
		memset(&flows, 0, sizeof(flows));
		ck_assert_int_eq(bpf_map_lookup_elem(m->fd[DP_MAP_FLOWS4], &b, &flows), 0);
		ck_assert_uint_eq(flows.way[3].value, 8);
	}
	block++;
	ck_assert_int_eq(bpf_map_lookup_elem(m->fd[DP_MAP_FLOWS4], &block, &flows), 0);
	ck_assert_uint_eq(flows.way[3].value, 0);
	for (row = 0; row < 250; row++) {
		uint32_t got = 0;

		key.port = (__be16)row;
		ck_assert_int_eq(bpf_map_lookup_elem(m->fd[DP_MAP_FRONTENDS], &key, &got), 0);
		ck_assert_uint_eq(got, row);
	}
	memset(counts, 0, sizeof(counts));
	ck_assert_int_eq(bpf_map_lookup_elem(m->fd[DP_MAP_FE_COUNTS], &last, counts), 0);
	ck_assert_uint_eq(counts[0].packets, 99);
	/* And what is pinned are the new ones. */
	kit_restart();
	ck_assert(dp_kernel_adopted(kernel));
	ck_assert_uint_eq(dp_kernel_maps(kernel)->nr[DP_MAP_FE_ROWS], 4096);
	ck_assert_uint_eq(dp_kernel_maps(kernel)->fe[255].service, 12);
}
END_TEST

/* A table as the version before left it, with one flow in the last place. */
static void
pin_earlier(const char *name, uint32_t value_size, const void *ways)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	uint32_t last = 1023;
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, name, 4, value_size, last + 1, &opts);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bpf_map_update_elem(fd, &last, ways, BPF_ANY), 0);
	ck_assert_int_eq(kernel_pin_over(fd, pin, "maps", name), 0);
	close(fd);
}

START_TEST(flows_of_the_version_before)
{
	const uint64_t v = LB_FLOW_VALUE(3, 4, LB_ST_OPEN, 0, 1, 5);
	struct lb_flow4 was4[LB_WAYS] = { [7] = { 0x0bb8c0a80001, v } };
	struct lb_flow6 was6[LB_WAYS] = { [7] = { { 1, 2 }, 0x0bb800000000, v } };
	const struct lb_addr client4 = { { 0xc0a80001 } }, client6 = { { 1, 0, 2, 0 } };
	static struct lb_block4 is4;
	static struct lb_block6 is6;
	const struct dp_maps *m;
	uint32_t hash, block;
	uint64_t seed;

	kit_start();
	seed = dp_kernel_maps(kernel)->conf->seed;
	dp_kernel_maps(kernel)->be[3].port = 34;
	kit_stop();
	kernel_keep_forget(pin); /* another binary */
	pin_earlier("flows4", sizeof(was4), was4);
	pin_earlier("flows6", sizeof(was6), was6);
	kit_start();
	ck_assert(dp_kernel_adopted(kernel));
	m = dp_kernel_maps(kernel);
	ck_assert_uint_eq(m->conf->seed, seed);
	ck_assert_uint_eq(m->be[3].port, 34);
	ck_assert_uint_eq(m->nr[DP_MAP_FLOWS4], 16);
	hash = lb_flow_hash(&client4, 0x0bb8, 0, seed, false);
	block = lb_flow_block(hash, 15);
	ck_assert_int_eq(bpf_map_lookup_elem(m->fd[DP_MAP_FLOWS4], &block, &is4), 0);
	ck_assert_uint_eq(is4.way[lb_flow_bucket(hash)].key, was4[7].key);
	ck_assert_uint_eq(is4.way[lb_flow_bucket(hash)].value, v);
	hash = lb_flow_hash(&client6, 0x0bb8, 0, seed, true);
	block = lb_flow_block(hash, 7);
	ck_assert_int_eq(bpf_map_lookup_elem(m->fd[DP_MAP_FLOWS6], &block, &is6), 0);
	ck_assert_mem_eq(&is6.way[lb_flow_bucket(hash)], &was6[7], sizeof(was6[7]));
	kit_restart(); /* and they are ours from then on */
	ck_assert(kernel->set.kept);
	m = dp_kernel_maps(kernel);
	ck_assert_int_eq(bpf_map_lookup_elem(m->fd[DP_MAP_FLOWS6], &block, &is6), 0);
	ck_assert_mem_eq(&is6.way[lb_flow_bucket(hash)], &was6[7], sizeof(was6[7]));
}
END_TEST

START_TEST(freed_while_loading)
{
	struct dp_conf conf = { .pin_path = pin, .cgroup = "/sys/fs/cgroup" };

	dp_kernel_free(dp_kernel_new(loop, &conf, &small, kit_on_done, NULL));
	loop_turn(loop, 0);
	ck_assert(!is_done);
	kit_start();
	ck_assert_int_eq(dp_kernel_grow(kernel, &small, kit_on_done, NULL), 0);
	dp_kernel_remove(kernel);
}
END_TEST

/* ---- sockets ---- */

static unsigned
on_cgroup(const char *path, enum bpf_attach_type type)
{
	uint32_t ids[8], nr = 8, flags;
	int fd = open(path, O_RDONLY | O_DIRECTORY);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bpf_prog_query(fd, type, 0, &flags, ids, &nr), 0);
	close(fd);
	return nr;
}

START_TEST(socket_lb)
{
	char root[] = "/tmp/herald-cgroup-XXXXXX", one[64], two[64];
	const char *why;

	kit_start();
	ck_assert_ptr_nonnull(mkdtemp(root));
	ck_assert_int_eq(mount("cgroup2", root, "cgroup2", 0, NULL), 0);
	snprintf(one, sizeof(one), "%s/herald-one-%d", root, (int)getpid());
	snprintf(two, sizeof(two), "%s/herald-two-%d", root, (int)getpid());
	ck_assert(mkdir(one, 0755) == 0 && mkdir(two, 0755) == 0);
	ck_assert_msg(dp_kernel_socket_lb(kernel, one, true, &why) == 0, "%s", why);
	ck_assert_uint_eq(on_cgroup(one, BPF_CGROUP_INET4_CONNECT), 1);
	ck_assert_uint_eq(on_cgroup(one, BPF_CGROUP_INET6_GETPEERNAME), 1);
	/* Again, and by a later process: one still. */
	ck_assert_int_eq(dp_kernel_socket_lb(kernel, one, true, &why), 0);
	kit_restart();
	ck_assert_int_eq(dp_kernel_socket_lb(kernel, one, true, &why), 0);
	ck_assert_uint_eq(on_cgroup(one, BPF_CGROUP_INET4_CONNECT), 1);
	/* Another cgroup: it moves. */
	ck_assert_int_eq(dp_kernel_socket_lb(kernel, two, true, &why), 0);
	ck_assert_uint_eq(on_cgroup(one, BPF_CGROUP_INET4_CONNECT), 0);
	ck_assert_uint_eq(on_cgroup(two, BPF_CGROUP_INET4_CONNECT), 1);
	ck_assert_int_eq(dp_kernel_socket_lb(kernel, two, false, &why), 0);
	ck_assert_uint_eq(on_cgroup(two, BPF_CGROUP_INET4_CONNECT), 0);
	/* Taken out with the rest. */
	ck_assert_int_eq(dp_kernel_socket_lb(kernel, two, true, &why), 0);
	dp_kernel_remove(kernel);
	ck_assert_uint_eq(on_cgroup(two, BPF_CGROUP_UDP4_SENDMSG), 0);
	rmdir(one);
	rmdir(two);
	umount2(root, MNT_DETACH);
	rmdir(root);
}
END_TEST

START_TEST(socket_lb_words)
{
	const char *why;

	kit_start();
	ck_assert_int_eq(dp_kernel_socket_lb(kernel, base, true, &why), -EINVAL);
	ck_assert_ptr_nonnull(strstr(why, "is no cgroup2 directory"));
	ck_assert_int_eq(dp_kernel_socket_lb(kernel, "/no/such", true, &why), -ENOENT);
	ck_assert_ptr_nonnull(strstr(why, "cannot open the cgroup /no/such"));
}
END_TEST

/* ---- why not ---- */

START_TEST(not_a_bpffs)
{
	ck_assert_int_eq(kit_start_at("/tmp/herald-no-bpffs"), -EINVAL);
	ck_assert_ptr_nonnull(strstr(done_why, "mount -t bpf bpf /tmp/herald-no-bpffs"));
	ck_assert_ptr_null(dp_kernel_maps(kernel));
	rmdir("/tmp/herald-no-bpffs");
}
END_TEST

START_TEST(usual_place_is_mounted)
{
	umount2("/sys/fs/bpf", MNT_DETACH);
	ck_assert_msg(kit_start_at("/sys/fs/bpf/herald-test") == 0, "%s", done_why);
	ck_assert(kernel_pin_is_there("/sys/fs/bpf"));
	dp_kernel_remove(kernel);
	umount2("/sys/fs/bpf", MNT_DETACH);
}
END_TEST

/* In a process of its own: what it gives up it does not get back. */
START_TEST(without_rights)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (syscall(SYS_capset, &head, none) < 0 || kit_start_at(pin) != -EPERM)
			_exit(1);
		_exit(strstr(done_why, "CAP_BPF") ? 0 : 2);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc;

	if (!kernel_namespaces())
		unit_skip("no right to load BPF programs and make namespaces");
	tc = kernel_tcase(s, "load");
	tcase_add_test(tc, maps_as_asked);
	tcase_add_test(tc, adopt_the_same);
	tcase_add_test(tc, keep_what_runs);
	tcase_add_test(tc, removed_while_loading);
	tcase_add_test(tc, adopt_larger);
	tcase_add_test(tc, grow_for_clients);
	tcase_add_test(tc, replace_misfit);
	tcase_add_test(tc, object_for_old_kernels);
	tcase_add_test(tc, grow_keeps_what_is_there);
	tcase_add_test(tc, flows_of_the_version_before);
	tcase_add_test(tc, freed_while_loading);
	tcase_add_test(tc, not_a_bpffs);
	tcase_add_test(tc, usual_place_is_mounted);
	tcase_add_test(tc, without_rights);
	tcase_add_test(tc, socket_lb);
	tcase_add_test(tc, socket_lb_words);
}

UNIT_MAIN("kernel", add_tests)
