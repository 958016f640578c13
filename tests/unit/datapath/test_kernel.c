/*
 * tests/unit/datapath/test_kernel.c: the loader against the real kernel, in namespaces of its own
 * and on a BPF file system of its own; what stands on devices is asked of the kernel.  Skipped
 * without the rights.
 */
#include "datapath/kernel.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "tests/unit/unit.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TCX_INGRESS ((enum bpf_attach_type)46)
#define TCX_EGRESS ((enum bpf_attach_type)47)

static const struct dp_sizes small = {
	.fe_rows = 256, .be_rows = 1024, .tables = 16384, .flows4 = 8192, .flows6 = 4096
};

static char base[64], pin[128];
static struct loop *loop;
static struct dp_kernel *kernel;
static int done_err;
static bool is_done;
static char done_why[KERNEL_WHY];
static unsigned va;

static void
no_log(void *arg, const char *line)
{
	(void)arg;
	if (getenv("KERNEL_LOG"))
		fprintf(stderr, "%s\n", line);
}

static int
ip(const char *args)
{
	char copy[200], *argv[24] = { (char *)"ip" }, *save = NULL;
	int argc = 1, status = -1;
	pid_t pid;

	snprintf(copy, sizeof(copy), "%s", args);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	if (posix_spawnp(&pid, "ip", NULL, NULL, argv, environ) == 0)
		waitpid(pid, &status, 0);
	return status;
}

static void
on_done(void *arg, int err, const char *why)
{
	(void)arg;
	is_done = true;
	done_err = err;
	snprintf(done_why, sizeof(done_why), "%s", why);
}

static void
await_done(void)
{
	for (int i = 0; i < 1000 && !is_done; i++)
		loop_turn(loop, 100);
	ck_assert(is_done);
	is_done = false;
}

/* Begin, and wait for the end; gives its error. */
static int
start_at(const char *path)
{
	struct dp_conf conf = { .pin_path = path, .cgroup = "/sys/fs/cgroup" };

	kernel = dp_kernel_new(loop, &conf, &small, on_done, NULL);
	ck_assert_ptr_nonnull(kernel);
	await_done();
	return done_err;
}

static void
start(void)
{
	ck_assert_msg(start_at(pin) == 0, "%s", done_why);
	ck_assert_ptr_nonnull(dp_kernel_maps(kernel));
}

static void
stop(void)
{
	dp_kernel_free(kernel);
	kernel = NULL;
}

static void
restart(void)
{
	stop();
	start();
}

static void
grow(const struct dp_sizes *sizes)
{
	ck_assert_int_eq(dp_kernel_grow(kernel, sizes, on_done, NULL), 0);
	await_done();
	ck_assert_msg(done_err == 0, "%s", done_why);
}

static enum dp_link_how
attach(bool pods, enum dp_attach how_wanted, bool veth)
{
	enum dp_link_how how;
	const char *why;
	int err = dp_kernel_attach(kernel, va, "va", pods, how_wanted, veth, &how, &why);

	ck_assert_msg(err == 0, "%s", why);
	return how;
}

/* The programs that stand there, asked of the kernel: how many, and the first one's number. */
static unsigned
on_tc(enum bpf_attach_type type, uint32_t *id)
{
	uint32_t ids[8] = { 0 }, nr = 8, flags;

	ck_assert_int_eq(bpf_prog_query((int)va, type, 0, &flags, ids, &nr), 0);
	if (id)
		*id = ids[0];
	return nr;
}

static uint32_t
on_xdp(void)
{
	uint32_t id = 0;

	ck_assert_int_eq(bpf_xdp_query_id((int)va, 0, &id), 0);
	return id;
}

static uint32_t
id_of(enum kp_prog p)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	ck_assert_int_eq(bpf_obj_get_info_by_fd(kernel->set.prog[p], &info, &len), 0);
	return info.id;
}

static bool
is_pinned(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", pin, name);
	return access(path, F_OK) == 0;
}

static void
setup(void)
{
	log_sink(no_log, NULL);
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	ck_assert_int_eq(ip("link add va type veth peer name vb"), 0);
	ck_assert_int_eq(ip("link set va up"), 0);
	ck_assert_int_eq(ip("link set vb up"), 0);
	va = if_nametoindex("va");
	snprintf(base, sizeof(base), "/tmp/herald-bpf-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	ck_assert_int_eq(mount("bpf", base, "bpf", 0, NULL), 0);
	snprintf(pin, sizeof(pin), "%s/deeper/herald", base);
	loop = loop_new();
}

static void
teardown(void)
{
	dp_kernel_free(kernel);
	kernel = NULL;
	loop_free(loop);
	ck_assert_int_eq(dp_remove_pinned(pin), 0);
	umount2(base, MNT_DETACH);
	rmdir(base);
}

/* ---- loading and adopting ---- */

START_TEST(maps_as_asked)
{
	const struct dp_maps *m;

	start();
	m = dp_kernel_maps(kernel);
	ck_assert(!dp_kernel_adopted(kernel));
	ck_assert_uint_eq(m->nr[DP_MAP_FE_ROWS], 256);
	ck_assert_uint_eq(m->nr[DP_MAP_BE_ROWS], 1024);
	ck_assert_uint_eq(m->nr[DP_MAP_TABLES], 16384);
	ck_assert_uint_eq(m->nr[DP_MAP_FLOWS4], 1024);
	ck_assert_uint_eq(m->nr[DP_MAP_FLOWS6], 512);
	ck_assert_uint_ge(m->nr[DP_MAP_FRONTENDS], 256);
	ck_assert_uint_eq(m->conf->abi, LB_ABI_VERSION);
	ck_assert_uint_ne(m->conf->seed, 0);
	/* 8000 s in ticks of 1.07 s, rounded up. */
	ck_assert_uint_eq(m->conf->timeout_tcp[LB_ST_OPEN], 7451);
	ck_assert_uint_eq(m->conf->timeout_tcp[LB_ST_CLOSED], 10);
	ck_assert_uint_eq(m->conf->timeout_udp[LB_ST_NEW], 28);
	/* All memory can be written, to its last byte. */
	m->filter[LB_FILTER_SIZE - 1] = 1;
	m->fe[255].flags = 1;
	m->be[1023].flags = 1;
	m->tables[16383] = 1;
	/* Not the flows: they would be resident as a whole. */
	ck_assert_ptr_null(m->flows4);
	ck_assert_ptr_null(m->flows6);
	ck_assert(is_pinned("maps/conf"));
	ck_assert(is_pinned("progs/xdp"));
	ck_assert(is_pinned("progs/getpeername6"));
	ck_assert(!is_pinned("next/slow"));
	printf("loaded in %lu us\n", (unsigned long)dp_kernel_load_us(kernel));
}
END_TEST

START_TEST(adopt_the_same)
{
	uint32_t prog;
	uint64_t seed;

	start();
	prog = id_of(KP_NET);
	seed = dp_kernel_maps(kernel)->conf->seed;
	dp_kernel_maps(kernel)->fe[7].service = 77;
	restart();
	ck_assert(dp_kernel_adopted(kernel));
	ck_assert_uint_eq(dp_kernel_maps(kernel)->conf->seed, seed);
	ck_assert_uint_eq(dp_kernel_maps(kernel)->fe[7].service, 77);
	/* The very programs, with the slow paths that are theirs. */
	ck_assert_uint_eq(id_of(KP_NET), prog);
	for (uint32_t i = 0, id; i < LB_NR_SLOW; i++) {
		ck_assert_int_eq(
		    bpf_map_lookup_elem(dp_kernel_maps(kernel)->fd[DP_MAP_SLOW], &i, &id), 0);
		ck_assert_uint_eq(id, id_of(KP_SLOW4 + i));
	}
}
END_TEST

/* Larger ones are kept, and the programs know of it. */
START_TEST(adopt_larger)
{
	struct dp_sizes large = small;
	char rodata[256];
	uint32_t zero = 0, masks[3];

	start();
	large.flows4 = 32768;
	large.be_rows = 5000;
	grow(&large);
	restart();
	ck_assert(dp_kernel_adopted(kernel));
	ck_assert_uint_eq(dp_kernel_maps(kernel)->nr[DP_MAP_FLOWS4], 4096);
	ck_assert_uint_eq(dp_kernel_maps(kernel)->nr[DP_MAP_BE_ROWS], 5000);
	ck_assert_int_eq(bpf_map_lookup_elem(kernel->set.rodata, &zero, rodata), 0);
	memcpy(masks, rodata, sizeof(masks));
	ck_assert_msg(masks[0] == 4095 || masks[1] == 4095 || masks[2] == 4095, "%u %u %u",
	    masks[0], masks[1], masks[2]);
}
END_TEST

/* A map of another shape where ours would stand: all begins anew, and no harm is done. */
START_TEST(replace_misfit)
{
	uint64_t seed;
	int fd;

	start();
	seed = dp_kernel_maps(kernel)->conf->seed;
	stop();
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "misfit", 4, 8, 256, NULL);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(kernel_pin_over(fd, pin, "maps", "fe_rows"), 0);
	close(fd);
	start();
	ck_assert(!dp_kernel_adopted(kernel));
	ck_assert_uint_ne(dp_kernel_maps(kernel)->conf->seed, seed);
	restart();
	ck_assert(dp_kernel_adopted(kernel));
}
END_TEST

START_TEST(object_for_old_kernels)
{
	start();
	kernel->ask.force_old = true;
	grow(&small);
	ck_assert_uint_eq(dp_kernel_maps(kernel)->conf->abi, LB_ABI_VERSION);
}
END_TEST

/* ---- growing ---- */

START_TEST(grow_keeps_what_is_there)
{
	struct dp_sizes large = { 4096, 4096, 65536, 65536, 8192 };
	const struct dp_maps *m;
	struct lb_fe_key key = { .proto = 6, .family = 4 };
	struct lb_count counts[64] = { { 0 } };
	uint32_t row, last = 255, bucket = 700;
	struct lb_bucket4 flows = { 0 };
	uint64_t seed;

	start();
	m = dp_kernel_maps(kernel);
	seed = m->conf->seed;
	m->fe[255].service = 12;
	m->be[1023].port = 34;
	m->tables[16383] = 56;
	flows.way[3] = (struct lb_flow4){ .key = 7, .value = 8 };
	ck_assert_int_eq(bpf_map_update_elem(m->fd[DP_MAP_FLOWS4], &bucket, &flows, BPF_ANY), 0);
	for (row = 0; row < 250; row++) {
		key.port = (__be16)row;
		ck_assert_int_eq(
		    bpf_map_update_elem(m->fd[DP_MAP_FRONTENDS], &key, &row, BPF_ANY), 0);
	}
	counts[0].packets = 99;
	ck_assert_int_eq(bpf_map_update_elem(m->fd[DP_MAP_FE_COUNTS], &last, counts, BPF_ANY), 0);
	grow(&large);
	m = dp_kernel_maps(kernel);
	ck_assert_uint_eq(m->nr[DP_MAP_FE_ROWS], 4096);
	ck_assert_uint_eq(m->nr[DP_MAP_FLOWS4], 8192);
	ck_assert_uint_eq(m->conf->seed, seed);
	ck_assert_uint_eq(m->fe[255].service, 12);
	ck_assert_uint_eq(m->be[1023].port, 34);
	ck_assert_uint_eq(m->tables[16383], 56);
	/* Whichever of the new bits the hash has. */
	for (uint32_t b = bucket; b < 8192; b += 1024) {
		memset(&flows, 0, sizeof(flows));
		ck_assert_int_eq(bpf_map_lookup_elem(m->fd[DP_MAP_FLOWS4], &b, &flows), 0);
		ck_assert_uint_eq(flows.way[3].value, 8);
	}
	bucket++;
	ck_assert_int_eq(bpf_map_lookup_elem(m->fd[DP_MAP_FLOWS4], &bucket, &flows), 0);
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
	restart();
	ck_assert(dp_kernel_adopted(kernel));
	ck_assert_uint_eq(dp_kernel_maps(kernel)->nr[DP_MAP_FE_ROWS], 4096);
	ck_assert_uint_eq(dp_kernel_maps(kernel)->fe[255].service, 12);
}
END_TEST

/* ---- devices ---- */

START_TEST(stand_and_leave)
{
	uint32_t id;

	start();
	ck_assert_int_eq(attach(false, DP_ATTACH_AUTO, true), DP_LINK_TC);
	ck_assert_uint_eq(on_tc(TCX_INGRESS, &id), 1);
	ck_assert_uint_eq(id, id_of(KP_NET));
	ck_assert_uint_eq(on_tc(TCX_EGRESS, &id), 1);
	ck_assert_uint_eq(id, id_of(KP_OUT));
	ck_assert_uint_eq(on_xdp(), 0);
	/* Again: nothing more. */
	ck_assert_int_eq(attach(false, DP_ATTACH_AUTO, true), DP_LINK_TC);
	ck_assert_uint_eq(on_tc(TCX_INGRESS, NULL), 1);
	dp_kernel_detach(kernel, va);
	ck_assert_uint_eq(on_tc(TCX_INGRESS, NULL), 0);
	ck_assert_uint_eq(on_tc(TCX_EGRESS, NULL), 0);
}
END_TEST

START_TEST(change_sides)
{
	uint32_t id;

	start();
	ck_assert_int_eq(attach(false, DP_ATTACH_XDP, true), DP_LINK_XDP_NATIVE);
	ck_assert_int_eq(attach(true, DP_ATTACH_AUTO, true), DP_LINK_TC);
	ck_assert_uint_eq(on_tc(TCX_INGRESS, &id), 1);
	ck_assert_uint_eq(id, id_of(KP_POD));
	ck_assert_uint_eq(on_tc(TCX_EGRESS, NULL), 0);
	ck_assert_uint_eq(on_xdp(), 0);
	attach(false, DP_ATTACH_TC, true);
	ck_assert_uint_eq(on_tc(TCX_INGRESS, &id), 1);
	ck_assert_uint_eq(id, id_of(KP_NET));
}
END_TEST

START_TEST(xdp_by_configuration)
{
	start();
	ck_assert_int_eq(attach(false, DP_ATTACH_XDP, true), DP_LINK_XDP_NATIVE);
	ck_assert_uint_eq(on_xdp(), id_of(KP_XDP));
	ck_assert_uint_eq(on_tc(TCX_INGRESS, NULL), 1);
	/* A veth is not worth it by itself; a device that takes it natively is. */
	ck_assert_int_eq(attach(false, DP_ATTACH_AUTO, true), DP_LINK_TC);
	ck_assert_uint_eq(on_xdp(), 0);
	ck_assert_int_eq(attach(false, DP_ATTACH_AUTO, false), DP_LINK_XDP_NATIVE);
	ck_assert_uint_eq(on_xdp(), id_of(KP_XDP));
	ck_assert_int_eq(attach(false, DP_ATTACH_TC, false), DP_LINK_TC);
	ck_assert_uint_eq(on_xdp(), 0);
}
END_TEST

/* The loopback has no native XDP. */
START_TEST(xdp_generic)
{
	start();
	va = if_nametoindex("lo");
	ck_assert_int_eq(attach(false, DP_ATTACH_AUTO, false), DP_LINK_TC);
	ck_assert_str_eq(kernel->why, "");
	ck_assert_int_eq(attach(false, DP_ATTACH_XDP, false), DP_LINK_XDP_GENERIC);
	ck_assert_uint_eq(on_xdp(), id_of(KP_XDP));
	/* Left behind by another configuration. */
	ck_assert_int_eq(attach(false, DP_ATTACH_AUTO, false), DP_LINK_TC);
	ck_assert_uint_eq(on_xdp(), 0);
}
END_TEST

START_TEST(xdp_of_somebody_else)
{
	const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "other", "GPL", pass, 2, NULL);

	start();
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bpf_xdp_attach((int)va, fd, XDP_FLAGS_DRV_MODE, NULL), 0);
	ck_assert_int_eq(attach(false, DP_ATTACH_XDP, true), DP_LINK_TC);
	ck_assert_ptr_nonnull(strstr(kernel->why, "somebody else stands on va"));
	ck_assert_uint_ne(on_xdp(), 0);
	dp_kernel_detach(kernel, va);
	ck_assert_uint_ne(on_xdp(), 0);
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

	start();
	link = bpf_link_create(fd, (int)va, TCX_INGRESS, NULL);
	ck_assert_int_ge(link, 0);
	attach(true, DP_ATTACH_AUTO, true);
	ck_assert_uint_eq(on_tc(TCX_INGRESS, &id), 2);
	ck_assert_uint_eq(id, id_of(KP_POD));
	dp_kernel_detach(kernel, va);
	ck_assert_uint_eq(on_tc(TCX_INGRESS, &id), 1);
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

	start();
	attach(false, DP_ATTACH_XDP, true);
	stop();
	ck_assert_uint_eq(on_tc(TCX_INGRESS, &before), 1);
	ck_assert_uint_ne(on_xdp(), 0);
	start();
	ck_assert_str_eq(attached(), "va ");
	attach(false, DP_ATTACH_XDP, true);
	ck_assert_uint_eq(on_tc(TCX_INGRESS, &after), 1);
	ck_assert_uint_eq(before, after);
	dp_kernel_detach(kernel, va);
	ck_assert_str_eq(attached(), "");
}
END_TEST

/* The device went, and another has its number: what was pinned is not taken for standing there. */
START_TEST(device_that_went)
{
	char args[80];

	start();
	attach(false, DP_ATTACH_XDP, true);
	ck_assert_int_eq(ip("link del va"), 0);
	ck_assert_str_eq(attached(), "");
	snprintf(args, sizeof(args), "link add va index %u type veth peer name vb", va);
	ck_assert_int_eq(ip(args), 0);
	ck_assert_uint_eq(if_nametoindex("va"), va);
	ck_assert_int_eq(attach(false, DP_ATTACH_XDP, true), DP_LINK_XDP_NATIVE);
	ck_assert_uint_eq(on_tc(TCX_INGRESS, NULL), 1);
	ck_assert_uint_eq(on_xdp(), id_of(KP_XDP));
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

	start();
	attach(false, DP_ATTACH_XDP, true);
	snprintf(name, sizeof(name), "%u-net", va);
	link = link_id(name);
	net = id_of(KP_NET);
	kernel->ask.force_old = true;
	grow(&small);
	ck_assert_uint_ne(id_of(KP_NET), net);
	ck_assert_uint_eq(on_tc(TCX_INGRESS, &id), 1);
	ck_assert_uint_eq(id, id_of(KP_NET));
	ck_assert_uint_eq(on_xdp(), id_of(KP_XDP));
	/* The link is the same one: nothing was taken off. */
	ck_assert_uint_eq(link_id(name), link);
	/* The next start has the usual programs again. */
	restart();
	ck_assert_uint_eq(on_tc(TCX_INGRESS, &id), 1);
	ck_assert_uint_eq(id, id_of(KP_NET));
	ck_assert_uint_eq(link_id(name), link);
}
END_TEST

/* Of another layout: the devices keep what they have until the new maps are written. */
START_TEST(exchange_after_migration)
{
	uint32_t net, id;
	const char *why;

	start();
	attach(false, DP_ATTACH_AUTO, true);
	net = id_of(KP_NET);
	dp_kernel_maps(kernel)->conf->abi = LB_ABI_VERSION + 1;
	dp_kernel_maps(kernel)->fe[3].service = 5;
	restart();
	ck_assert(!dp_kernel_adopted(kernel));
	ck_assert_uint_eq(dp_kernel_maps(kernel)->fe[3].service, 0);
	attach(false, DP_ATTACH_AUTO, true);
	on_tc(TCX_INGRESS, &id);
	ck_assert_uint_eq(id, net);
	ck_assert_int_eq(dp_kernel_exchange(kernel, &why), 0);
	on_tc(TCX_INGRESS, &id);
	ck_assert_uint_eq(id, id_of(KP_NET));
	ck_assert_uint_ne(id, net);
	dp_kernel_maps(kernel)->fe[3].service = 6;
	restart();
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

	start();
	kernel->ask.force_clsact = true;
	ck_assert_int_eq(attach(false, DP_ATTACH_AUTO, true), DP_LINK_TC);
	ck_assert_uint_eq(on_tc(TCX_INGRESS, NULL), 0);
	ck_assert(filter_is_there(BPF_TC_INGRESS, &id));
	ck_assert_uint_eq(id, id_of(KP_NET));
	ck_assert(filter_is_there(BPF_TC_EGRESS, &id));
	ck_assert_uint_eq(id, id_of(KP_OUT));
	ck_assert_str_eq(attached(), "va ");
	/* Exchanged, by a later process too. */
	kernel->ask.force_old = true;
	grow(&small);
	ck_assert(filter_is_there(BPF_TC_INGRESS, &other));
	ck_assert_uint_ne(other, id);
	ck_assert_uint_eq(other, id_of(KP_NET));
	restart();
	ck_assert_str_eq(attached(), "va ");
	ck_assert(filter_is_there(BPF_TC_INGRESS, &id));
	ck_assert_uint_eq(id, id_of(KP_NET));
	dp_kernel_detach(kernel, va);
	ck_assert(!filter_is_there(BPF_TC_INGRESS, &id));
	ck_assert(!filter_is_there(BPF_TC_EGRESS, &id));
}
END_TEST

/* ---- taking all out ---- */

START_TEST(remove_all)
{
	uint32_t id;

	start();
	attach(false, DP_ATTACH_XDP, true);
	va = if_nametoindex("lo");
	kernel->ask.force_clsact = true;
	attach(true, DP_ATTACH_AUTO, false);
	ck_assert(filter_is_there(BPF_TC_INGRESS, &id));
	dp_kernel_remove(kernel);
	ck_assert(!filter_is_there(BPF_TC_INGRESS, &id));
	va = if_nametoindex("va");
	ck_assert_uint_eq(on_tc(TCX_INGRESS, NULL), 0);
	ck_assert_uint_eq(on_tc(TCX_EGRESS, NULL), 0);
	ck_assert_uint_eq(on_xdp(), 0);
	ck_assert_int_ne(access(pin, F_OK), 0);
	ck_assert_ptr_null(dp_kernel_maps(kernel));
}
END_TEST

START_TEST(remove_pinned)
{
	start();
	attach(false, DP_ATTACH_XDP, true);
	stop();
	ck_assert_int_eq(dp_remove_pinned(pin), 0);
	ck_assert_uint_eq(on_tc(TCX_INGRESS, NULL), 0);
	ck_assert_uint_eq(on_xdp(), 0);
	ck_assert_int_ne(access(pin, F_OK), 0);
	ck_assert_int_eq(dp_remove_pinned(pin), 0);
}
END_TEST

START_TEST(freed_while_loading)
{
	struct dp_conf conf = { .pin_path = pin, .cgroup = "/sys/fs/cgroup" };

	dp_kernel_free(dp_kernel_new(loop, &conf, &small, on_done, NULL));
	loop_turn(loop, 0);
	ck_assert(!is_done);
	start();
	ck_assert_int_eq(dp_kernel_grow(kernel, &small, on_done, NULL), 0);
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

	start();
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
	restart();
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

	start();
	ck_assert_int_eq(dp_kernel_socket_lb(kernel, base, true, &why), -EINVAL);
	ck_assert_ptr_nonnull(strstr(why, "is no cgroup2 directory"));
	ck_assert_int_eq(dp_kernel_socket_lb(kernel, "/no/such", true, &why), -ENOENT);
	ck_assert_ptr_nonnull(strstr(why, "cannot open the cgroup /no/such"));
}
END_TEST

/* ---- why not ---- */

START_TEST(not_a_bpffs)
{
	ck_assert_int_eq(start_at("/tmp/herald-no-bpffs"), -EINVAL);
	ck_assert_ptr_nonnull(strstr(done_why, "mount -t bpf bpf /tmp/herald-no-bpffs"));
	ck_assert_ptr_null(dp_kernel_maps(kernel));
	rmdir("/tmp/herald-no-bpffs");
}
END_TEST

START_TEST(usual_place_is_mounted)
{
	umount2("/sys/fs/bpf", MNT_DETACH);
	ck_assert_msg(start_at("/sys/fs/bpf/herald-test") == 0, "%s", done_why);
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
		if (syscall(SYS_capset, &head, none) < 0 || start_at(pin) != -EPERM)
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
	TCase *load = tcase_create("load"), *stand = tcase_create("stand");
	TCase *all[] = { load, stand };

	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_XDP, NULL) != 1)
		unit_skip("no right to load BPF programs and make namespaces");
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		tcase_add_checked_fixture(all[i], setup, teardown);
		tcase_set_timeout(all[i], 60);
		suite_add_tcase(s, all[i]);
	}
	tcase_add_test(load, maps_as_asked);
	tcase_add_test(load, adopt_the_same);
	tcase_add_test(load, adopt_larger);
	tcase_add_test(load, replace_misfit);
	tcase_add_test(load, object_for_old_kernels);
	tcase_add_test(load, grow_keeps_what_is_there);
	tcase_add_test(load, freed_while_loading);
	tcase_add_test(load, not_a_bpffs);
	tcase_add_test(load, usual_place_is_mounted);
	tcase_add_test(load, without_rights);
	tcase_add_test(stand, stand_and_leave);
	tcase_add_test(stand, change_sides);
	tcase_add_test(stand, xdp_by_configuration);
	tcase_add_test(stand, xdp_generic);
	tcase_add_test(stand, xdp_of_somebody_else);
	tcase_add_test(stand, first_of_several);
	tcase_add_test(stand, outlives_the_process);
	tcase_add_test(stand, device_that_went);
	tcase_add_test(stand, exchange_in_place);
	tcase_add_test(stand, exchange_after_migration);
	tcase_add_test(stand, clsact);
	tcase_add_test(stand, remove_all);
	tcase_add_test(stand, remove_pinned);
	tcase_add_test(stand, socket_lb);
	tcase_add_test(stand, socket_lb_words);
}

UNIT_MAIN("kernel", add_tests)
