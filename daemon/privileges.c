/*
 * daemon/privileges.c: see privileges.h.  Called once by app.c, when the configuration is read and the
 * control socket has its owner, before anything that comes from a network is looked at; in the helper
 * (datapath/helper_main.c) before its first request.
 */
#include "daemon/privileges.h"

#include "daemon/call_filter.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <cap-ng.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>

/* A sanitizer looks at the process in ways that no daemon needs. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WATCHED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define WATCHED 1
#endif
#endif
#ifndef WATCHED
#define WATCHED 0
#endif

static const unsigned kept[] = { CAP_NET_ADMIN, CAP_NET_RAW, CAP_NET_BIND_SERVICE, CAP_BPF,
	CAP_PERFMON, CAP_SYS_NICE,
	CAP_SYS_ADMIN /* the last: only where CAP_BPF was not cut out of it yet (Linux 5.8) */ };
static const unsigned kept_by_helper[] = { CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_NET_ADMIN };

static int
fail(char **error, int err, const char *what)
{
	*error = xasprintf("%s: %s", what, strerror(-err));
	return err;
}

static int
drop_capabilities(const unsigned *keep, size_t nr_keep, char **error)
{
	bool has[CAP_LAST_CAP + 1] = { false };
	const bool may_bound = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);

	for (size_t i = 0; i < nr_keep; i++)
		has[keep[i]] = capng_have_capability(CAPNG_PERMITTED, keep[i]);
	/* What we start is root by name alone: being user 0 gives it nothing (capabilities(7)). */
	if (may_bound &&
	    prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0, 0) < 0)
		return fail(error, -errno, "cannot set the secure bits");
	capng_clear(CAPNG_SELECT_ALL);
	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (has[cap])
			(void)capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, cap);
	if (may_bound && capng_apply(CAPNG_SELECT_BOUNDS) != 0)
		return fail(error, -EPERM, "cannot empty the bounding set");
	if (capng_apply(CAPNG_SELECT_CAPS) != 0)
		return fail(error, -EPERM, "cannot drop capabilities");
	return 0;
}

static int
filter(enum call_filter which, char **error)
{
	const int err = call_filter_load(which);

	if (err == 0)
		return 0;
	fail(error, err, "cannot filter system calls");
	if (err != -ENOSYS && err != -EINVAL)
		return err;
	log_warn("no-system-call-filter", LOG_S("reason", *error)); /* a kernel without */
	mem_free(*error);
	*error = NULL;
	return 0;
}

/* No dump of memory that keys are in, and nobody of the same user looks into it. */
static int
close_up(char **error)
{
	if (!WATCHED && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return fail(error, -errno, "cannot keep keys out of core dumps");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return fail(error, -errno, "cannot give up new privileges");
	return 0;
}

int
privileges_drop(char **error)
{
	const bool old = prctl(PR_CAPBSET_READ, CAP_BPF) < 0;
	const size_t nr = sizeof(kept) / sizeof(kept[0]) - !old;
	int err = close_up(error);

	if (err == 0)
		err = drop_capabilities(kept, nr, error);
	return err < 0 || WATCHED ? err : filter(CALL_FILTER_DAEMON, error);
}

bool
privileges_may_enter_pods(void)
{
	bool all = true;

	for (size_t i = 0; i < sizeof(kept_by_helper) / sizeof(kept_by_helper[0]); i++)
		all = all && capng_have_capability(CAPNG_PERMITTED, kept_by_helper[i]);
	return all;
}

int
privileges_keep_helper(char **error)
{
	int err = close_up(error);

	if (err == 0)
		err = drop_capabilities(
		    kept_by_helper, sizeof(kept_by_helper) / sizeof(kept_by_helper[0]), error);
	return err < 0 || WATCHED ? err : filter(CALL_FILTER_HELPER, error);
}
