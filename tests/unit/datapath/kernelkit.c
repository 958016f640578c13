/*
 * tests/unit/datapath/kernelkit.c: what the tests of the loader share: a network with a veth, a BPF
 * file system and a loop of their own, and questions to the kernel about what stands where.
 */
#include "tests/unit/datapath/kernelkit.h"
#include "lib/log.h"
#include "lib/loop.h"

#include <bpf/bpf.h>
#include <net/if.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

const struct dp_sizes small = { .fe_rows = 256,
	.be_rows = 1024,
	.tables = 16384,
	.flows4 = 8192,
	.flows6 = 4096,
	.affinity = DP_CLIENTS_FEW,
	.socks = DP_CLIENTS_FEW };

char base[64], pin[128];
struct loop *loop;
struct dp_kernel *kernel;
int done_err;
bool is_done;
char done_why[KERNEL_WHY];
unsigned va;

static void
no_log(void *arg, const char *line)
{
	(void)arg;
	if (getenv("KERNEL_LOG"))
		fprintf(stderr, "%s\n", line);
}

int
kit_ip(const char *args)
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

void
kit_on_done(void *arg, int err, const char *why)
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
int
kit_start_at(const char *path)
{
	struct dp_conf conf = { .pin_path = path, .cgroup = "/sys/fs/cgroup" };

	kernel = dp_kernel_new(loop, &conf, &small, kit_on_done, NULL);
	ck_assert_ptr_nonnull(kernel);
	await_done();
	return done_err;
}

void
kit_start(void)
{
	ck_assert_msg(kit_start_at(pin) == 0, "%s", done_why);
	ck_assert_ptr_nonnull(dp_kernel_maps(kernel));
}

void
kit_stop(void)
{
	dp_kernel_free(kernel);
	kernel = NULL;
}

void
kit_restart(void)
{
	kit_stop();
	kit_start();
}

void
kit_grow(const struct dp_sizes *sizes)
{
	ck_assert_int_eq(dp_kernel_grow(kernel, sizes, kit_on_done, NULL), 0);
	await_done();
	ck_assert_msg(done_err == 0, "%s", done_why);
}

enum dp_link_how
kit_attach(bool pods, enum dp_attach how_wanted, bool veth)
{
	enum dp_link_how how;
	const char *why;
	int err = dp_kernel_attach(kernel, va, "va", pods, how_wanted, veth, &how, &why);

	ck_assert_msg(err == 0, "%s", why);
	return how;
}

/* The programs that stand there, asked of the kernel: how many, and the first one's number. */
unsigned
kit_on_tc(enum bpf_attach_type type, uint32_t *id)
{
	uint32_t ids[8] = { 0 }, nr = 8, flags;

	ck_assert_int_eq(bpf_prog_query((int)va, type, 0, &flags, ids, &nr), 0);
	if (id)
		*id = ids[0];
	return nr;
}

uint32_t
kit_on_xdp(void)
{
	uint32_t id = 0;

	ck_assert_int_eq(bpf_xdp_query_id((int)va, 0, &id), 0);
	return id;
}

uint32_t
kit_id_of(enum kp_prog p)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	ck_assert_int_eq(bpf_obj_get_info_by_fd(kernel->set.prog[p], &info, &len), 0);
	return info.id;
}

bool
kit_is_pinned(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", pin, name);
	return access(path, F_OK) == 0;
}

void
kernel_setup(void)
{
	log_sink(no_log, NULL);
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	ck_assert_int_eq(kit_ip("link add va type veth peer name vb"), 0);
	ck_assert_int_eq(kit_ip("link set va up"), 0);
	ck_assert_int_eq(kit_ip("link set vb up"), 0);
	va = if_nametoindex("va");
	snprintf(base, sizeof(base), "/tmp/herald-bpf-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	ck_assert_int_eq(mount("bpf", base, "bpf", 0, NULL), 0);
	snprintf(pin, sizeof(pin), "%s/deeper/herald", base);
	loop = loop_new();
}

void
kernel_teardown(void)
{
	dp_kernel_free(kernel);
	kernel = NULL;
	loop_free(loop);
	ck_assert_int_eq(dp_remove_pinned(pin), 0);
	umount2(base, MNT_DETACH);
	rmdir(base);
}

bool
kernel_namespaces(void)
{
	unit_not_under_valgrind();
	return unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 &&
	    mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0 &&
	    libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_XDP, NULL) == 1;
}

TCase *
kernel_tcase(Suite *s, const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, kernel_setup, kernel_teardown);
	/* The verifier takes a second for each loading, and more beside others. */
	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	return tc;
}
