/*
 * daemon/call_filter.c: see call_filter.h.  Numbers become ranges, and those a binary search: the kernel
 * runs the program once for each call that it has, to remember which ones always pass.
 */
#include "daemon/call_filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>

#if defined(__x86_64__) && !defined(__ILP32__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__) && !defined(__AARCH64EB__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#else
#define ARCH 0 /* whoever builds for another one has libseccomp do it */
#endif

#define CALLS_MAX 512

struct call_range {
	uint32_t first, last;
};

static int
number_cmp(const void *x, const void *y)
{
	const uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;

	return (a > b) - (a < b);
}

static size_t
ranges_of(const int *calls, size_t nr, struct call_range *out)
{
	uint32_t sorted[CALLS_MAX];
	size_t nr_sorted = 0, nr_out = 0;

	for (size_t i = 0; i < nr; i++)
		if (calls[i] >= 0)
			sorted[nr_sorted++] = (uint32_t)calls[i];
	qsort(sorted, nr_sorted, sizeof(sorted[0]), number_cmp);
	for (size_t i = 0; i < nr_sorted; i++) {
		if (nr_out && sorted[i] <= out[nr_out - 1].last + 1)
			out[nr_out - 1].last = sorted[i];
		else
			out[nr_out++] = (struct call_range){ sorted[i], sorted[i] };
	}
	return nr_out;
}

/* One range is four instructions; more are a comparison, a jump over the lower half, and both halves. */
static size_t
search_len(size_t nr)
{
	return 6 * nr - 2;
}

static void
search_put(const struct call_range *r, size_t nr, struct sock_filter *to)
{
	const size_t low = nr / 2;

	if (nr == 1) {
		to[0] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, r->first, 0, 2);
		to[1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, r->last, 1, 0);
		to[2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
		to[3] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
		return;
	}
	/* Conditional jumps reach 255 instructions far, plain ones as far as one likes. */
	to[0] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, r[low].first, 0, 1);
	to[1] = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)search_len(low));
	search_put(r, low, to + 2);
	search_put(r + low, nr - low, to + 2 + search_len(low));
}

int
call_filter_make(const int *calls, size_t nr, struct sock_filter *out)
{
	struct call_range ranges[CALLS_MAX];
	size_t nr_ranges;

	if (!ARCH)
		return -EOPNOTSUPP;
	if (nr > CALLS_MAX)
		return -E2BIG;
	nr_ranges = ranges_of(calls, nr, ranges);
	if (!nr_ranges || search_len(nr_ranges) + 4 > CALL_FILTER_MAX)
		return -E2BIG;
	/* Numbers mean what they mean only together with the architecture.  Those of x32, which is x86-64's
	 * own, are beyond all that are listed. */
	out[0] = (struct sock_filter)BPF_STMT(
	    BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	out[1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
	out[2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	out[3] = (struct sock_filter)BPF_STMT(
	    BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	search_put(ranges, nr_ranges, out + 4);
	return (int)(search_len(nr_ranges) + 4);
}

int
call_filter_load(const int *calls, size_t nr)
{
	struct sock_filter code[CALL_FILTER_MAX];
	struct sock_fprog program = { .filter = code };
	const int len = call_filter_make(calls, nr, code);

	if (len < 0)
		return len;
	program.len = (unsigned short)len;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}
