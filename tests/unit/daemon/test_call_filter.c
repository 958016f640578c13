/*
 * tests/unit/daemon/test_call_filter.c: the program for system calls, run here for every number, and by the
 * kernel in a child.
 */
#include "daemon/call_filter.h"

#include <check.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DENIED (SECCOMP_RET_ERRNO | ENOSYS)

static struct sock_filter code[CALL_FILTER_MAX];

/* As the kernel would run it: loads of seccomp_data, comparisons, jumps, ends. */
static uint32_t
run(size_t len, uint32_t nr, uint32_t arch)
{
	const struct seccomp_data data = { .nr = (int)nr, .arch = arch };
	uint32_t a = 0;

	for (size_t pc = 0; pc < len; pc++) {
		const struct sock_filter *f = &code[pc];

		switch (f->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			memcpy(&a, (const char *)&data + f->k, sizeof(a));
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == f->k ? f->jt : f->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= f->k ? f->jt : f->jf;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			pc += a > f->k ? f->jt : f->jf;
			break;
		case BPF_JMP | BPF_JA:
			pc += f->k;
			break;
		case BPF_RET | BPF_K:
			return f->k;
		default:
			ck_abort_msg("instruction %#x", f->code);
		}
	}
	ck_abort_msg("ran over the end");
	return 0;
}

/* The architecture that it lets through. */
static uint32_t
arch_of(void)
{
	return code[1].k;
}

static void
check_list(const int *calls, size_t nr)
{
	const int len = call_filter_make(calls, nr, code);

	if (len == -EOPNOTSUPP)
		return;
	ck_assert_int_gt(len, 0);
	for (uint32_t n = 0; n < 700; n++) {
		bool listed = false;

		for (size_t i = 0; i < nr; i++)
			listed = listed || calls[i] == (int)n;
		ck_assert_msg(
		    run((size_t)len, n, arch_of()) == (listed ? SECCOMP_RET_ALLOW : DENIED),
		    "call %u of a list of %zu", n, nr);
		ck_assert_uint_eq(run((size_t)len, n, AUDIT_ARCH_I386), SECCOMP_RET_KILL_PROCESS);
		/* x32's */
		ck_assert_uint_eq(run((size_t)len, n | 0x40000000, arch_of()), DENIED);
	}
	ck_assert_uint_eq(run((size_t)len, UINT32_MAX, arch_of()), DENIED);
}

START_TEST(exactly_what_is_listed_passes)
{
	int calls[300];
	unsigned seed = 7;

	check_list((const int[]){ 0 }, 1);
	check_list((const int[]){ 5, 5, -1, -10001, 3, 4 }, 6);
	check_list((const int[]){ 699, 0 }, 2);
	for (size_t nr = 1; nr <= 300; nr += 23) {
		for (size_t i = 0; i < nr; i++) {
			seed = seed * 1103515245 + 12345;
			calls[i] = (int)(seed >> 8) % 600;
		}
		check_list(calls, nr);
	}
}
END_TEST

START_TEST(lists_that_are_none)
{
	int many[1000] = { 0 };

	if (call_filter_make(many, 1, code) == -EOPNOTSUPP)
		return;
	ck_assert_int_eq(call_filter_make(many, 1000, code), -E2BIG);
	ck_assert_int_lt(call_filter_make((const int[]){ -3 }, 1, code), 0);
	ck_assert_int_lt(call_filter_make(many, 0, code), 0);
}
END_TEST

START_TEST(the_kernel_takes_it)
{
	const int calls[] = { SYS_exit_group, SYS_getpid };
	const pid_t pid = fork();
	int status, err;

	if (pid == 0) {
		err = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno
								 : call_filter_load(calls, 2);
		if (err == -EOPNOTSUPP || err == -EINVAL || err == -ENOSYS)
			syscall(SYS_exit_group, 77); /* not built for it, or a kernel without */
		if (err == 0 && syscall(SYS_getpid) > 0 && syscall(SYS_getppid) < 0 &&
		    errno == ENOSYS)
			syscall(SYS_exit_group, 0);
		syscall(SYS_exit_group, 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("call_filter");
	TCase *tc = tcase_create("program");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, exactly_what_is_listed_passes);
	tcase_add_test(tc, lists_that_are_none);
	tcase_add_test(tc, the_kernel_takes_it);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
