/*
 * tests/unit/daemon/test_call_filter.c: which system calls pass, by the programs that were built in, run
 * here and by the kernel in a child.
 */
#include "daemon/call_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"

#define DENIED (SECCOMP_RET_ERRNO | ENOSYS)

static bool
jumps(const struct sock_filter *f, uint32_t a)
{
	switch (BPF_OP(f->code)) {
	case BPF_JEQ:
		return a == f->k;
	case BPF_JGE:
		return a >= f->k;
	case BPF_JGT:
		return a > f->k;
	default:
		ck_assert_uint_eq(BPF_OP(f->code), BPF_JSET);
		return a & f->k;
	}
}

/* As the kernel would run it. */
static uint32_t
run(enum call_filter which, const struct seccomp_data *data)
{
	size_t nr;
	const struct sock_filter *code = call_filter_code(which, &nr), *f;
	uint32_t a = 0;

	for (size_t pc = 0; pc < nr; pc++) {
		f = &code[pc];
		if (f->code == (BPF_LD | BPF_W | BPF_ABS)) {
			ck_assert_uint_le(f->k, sizeof(*data) - sizeof(a));
			memcpy(&a, (const char *)data + f->k, sizeof(a));
		} else if (f->code == (BPF_ALU | BPF_AND | BPF_K)) {
			a &= f->k;
		} else if (f->code == (BPF_JMP | BPF_JA)) {
			pc += f->k;
		} else if (BPF_CLASS(f->code) == BPF_JMP) {
			pc += jumps(f, a) ? f->jt : f->jf;
		} else {
			ck_assert_uint_eq(f->code, BPF_RET | BPF_K);
			return f->k;
		}
	}
	ck_abort_msg("ran over the end");
	return 0;
}

/* The architecture that is let through: what the first comparison is with. */
static uint32_t
arch(void)
{
	size_t nr;
	const struct sock_filter *code = call_filter_code(CALL_FILTER_DAEMON, &nr);

	ck_assert_uint_eq(code[0].k, offsetof(struct seccomp_data, arch));
	return code[1].k;
}

static uint32_t
verdict(enum call_filter which, int call, uint64_t a0, uint64_t a1, uint64_t a2)
{
	const struct seccomp_data data = { .nr = call, .arch = arch(), .args = { a0, a1, a2 } };

	return run(which, &data);
}

START_TEST(a_daemons_calls_pass_and_no_others)
{
	static const int yes[] = { SYS_read, SYS_write, SYS_socket, SYS_bpf, SYS_epoll_ctl,
		SYS_clone, SYS_execve, SYS_futex, SYS_exit_group, SYS_sched_setscheduler };
	static const int no[] = { SYS_mount, SYS_ptrace, SYS_init_module, SYS_kexec_load, SYS_setns,
		SYS_unshare, SYS_reboot, SYS_perf_event_open, SYS_keyctl, SYS_process_vm_readv,
		SYS_open_by_handle_at, SYS_setuid, SYS_clock_settime, SYS_swapon };

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		ck_assert_msg(verdict(CALL_FILTER_DAEMON, yes[i], 0, 0, 0) == SECCOMP_RET_ALLOW,
		    "%d", yes[i]);
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		ck_assert_msg(verdict(CALL_FILTER_DAEMON, no[i], 0, 0, 0) == DENIED, "%d", no[i]);
	for (int call = 600; call < 5000; call++) /* that nobody knows yet */
		ck_assert_uint_eq(verdict(CALL_FILTER_DAEMON, call, 0, 0, 0), DENIED);
	ck_assert_uint_eq(verdict(CALL_FILTER_DAEMON, -1, 0, 0, 0), DENIED);
}
END_TEST

START_TEST(the_helpers_calls_pass_with_the_arguments_that_it_has)
{
	static const struct {
		int call;
		uint64_t arg[3];
		bool passes;
	} calls[] = {
		{ SYS_setns, { 3, CLONE_NEWNET }, true },
		{ SYS_setns, { 3, CLONE_NEWUSER }, false },
		{ SYS_setns, { 3, 0 }, false },
		{ SYS_socket, { AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG }, true },
		{ SYS_socket, { AF_NETLINK, SOCK_RAW, NETLINK_ROUTE }, false },
		{ SYS_socket, { AF_INET, SOCK_STREAM, 0 }, false },
		{ SYS_openat, { 0, 0, O_RDONLY | O_CLOEXEC }, true },
		{ SYS_openat, { 0, 0, O_WRONLY }, false },
		{ SYS_openat, { 0, 0, O_RDONLY | O_CREAT }, false },
		{ SYS_mmap, { 0, 4096, PROT_READ | PROT_WRITE }, true },
		{ SYS_mmap, { 0, 4096, PROT_READ | PROT_EXEC }, false },
		{ SYS_mprotect, { 0, 4096, PROT_EXEC }, false },
		{ SYS_execve, { 0 }, false },
		{ SYS_bpf, { 0 }, false },
		{ SYS_connect, { 0 }, false },
		{ SYS_exit_group, { 0 }, true },
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		const uint64_t *a = calls[i].arg;

		ck_assert_msg(verdict(CALL_FILTER_HELPER, calls[i].call, a[0], a[1], a[2]) ==
			(calls[i].passes ? SECCOMP_RET_ALLOW : DENIED),
		    "row %zu", i);
	}
}
END_TEST

/* Numbers mean what they mean only together with the architecture. */
START_TEST(calls_of_another_architecture_end_it)
{
	struct seccomp_data data = { .nr = 1, .arch = arch() ^ 1 };

	ck_assert_uint_ne(run((enum call_filter)_i, &data), SECCOMP_RET_ALLOW);
	ck_assert_uint_ne(run((enum call_filter)_i, &data), DENIED);
#ifdef __x86_64__
	data = (struct seccomp_data){ .nr = 0x40000001, .arch = arch() }; /* x32 */
	ck_assert_uint_ne(run((enum call_filter)_i, &data), SECCOMP_RET_ALLOW);
#endif
}
END_TEST

START_TEST(the_kernel_takes_it)
{
	const pid_t pid = fork();
	int status, err;

	if (pid == 0) {
		err = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0
		    ? -errno
		    : call_filter_load((enum call_filter)_i);
		if (err == -EINVAL || err == -ENOSYS)
			syscall(SYS_exit_group, 77); /* a kernel without */
		if (err == 0 && syscall(SYS_getrandom, &err, sizeof(err), 0) > 0 &&
		    syscall(SYS_unshare, 0) < 0 && errno == ENOSYS)
			syscall(SYS_exit_group, 0);
		syscall(SYS_exit_group, 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("system calls");

	tcase_add_test(tc, a_daemons_calls_pass_and_no_others);
	tcase_add_test(tc, the_helpers_calls_pass_with_the_arguments_that_it_has);
	tcase_add_loop_test(tc, calls_of_another_architecture_end_it, 0, 2);
	if (unit_rounds(20) == 20) /* valgrind has calls of its own to make */
		tcase_add_loop_test(tc, the_kernel_takes_it, 0, 2);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("call_filter", add_tests)
