/*
 * daemon/call_filter.c: see call_filter.h; the programs themselves stand in call_filters.S.
 */
#include "daemon/call_filter.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>

extern const struct sock_filter call_filter_daemon[], call_filter_helper[];
extern const uint32_t call_filter_daemon_len, call_filter_helper_len;

const struct sock_filter *
call_filter_code(enum call_filter which, size_t *nr)
{
	const bool helper = which == CALL_FILTER_HELPER;

	*nr =
	    (helper ? call_filter_helper_len : call_filter_daemon_len) / sizeof(struct sock_filter);
	return helper ? call_filter_helper : call_filter_daemon;
}

int
call_filter_load(enum call_filter which)
{
	struct sock_fprog program;
	size_t nr;

	/* The kernel copies it; that the field is not const is an old slip of its header. */
	program.filter = (struct sock_filter *)(uintptr_t)call_filter_code(which, &nr);
	program.len = (unsigned short)nr;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}
