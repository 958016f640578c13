/*
 * tools/callfilter/filter.c: which system calls the daemon and its helper have, as the programs that the
 * kernel runs for each call (seccomp(2)).  Made by libseccomp while Herald is built: made at each
 * start they would be a fifth of the way to the first OPEN.  daemon/call_filters.S takes them in.
 */
#include "tools/callfilter/callfilter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

/*
 * What a daemon does, with room for other versions of its libraries and for a program that fetches a
 * token (an exec credential of a kubeconfig).  A call that is not here does not exist for it (ENOSYS), so that
 * libraries go their older ways.  Not here, above all: mounts, namespaces, ptrace and other processes'
 * memory, modules, keys, clocks, io_uring, perf, userfaultfd, open_by_handle_at, users, reboot.
 */
/* clang-format off */
static const int daemon_calls[] = {
	/* memory, and threads */
	SCMP_SYS(brk), SCMP_SYS(mmap), SCMP_SYS(mmap2), SCMP_SYS(munmap), SCMP_SYS(mprotect), SCMP_SYS(mremap),
	SCMP_SYS(madvise), SCMP_SYS(mincore), SCMP_SYS(msync), SCMP_SYS(mlock), SCMP_SYS(mlock2), SCMP_SYS(munlock),
	SCMP_SYS(mlockall), SCMP_SYS(munlockall), SCMP_SYS(membarrier), SCMP_SYS(futex), SCMP_SYS(futex_time64),
	SCMP_SYS(futex_waitv), SCMP_SYS(set_robust_list), SCMP_SYS(get_robust_list), SCMP_SYS(rseq),
	SCMP_SYS(arch_prctl), SCMP_SYS(set_tid_address), SCMP_SYS(set_thread_area), SCMP_SYS(get_thread_area),
	SCMP_SYS(memfd_create), SCMP_SYS(getrandom), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sched_setaffinity), SCMP_SYS(sched_setscheduler), SCMP_SYS(sched_getscheduler),
	SCMP_SYS(sched_setparam), SCMP_SYS(sched_getparam), SCMP_SYS(sched_setattr), SCMP_SYS(sched_getattr),
	SCMP_SYS(sched_get_priority_max), SCMP_SYS(sched_get_priority_min), SCMP_SYS(getpriority),
	SCMP_SYS(setpriority), SCMP_SYS(getcpu), SCMP_SYS(get_mempolicy), SCMP_SYS(cacheflush),
	SCMP_SYS(riscv_flush_icache), SCMP_SYS(pkey_mprotect), SCMP_SYS(pkey_alloc), SCMP_SYS(pkey_free),
	/* processes and signals */
	SCMP_SYS(clone), SCMP_SYS(clone3), SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(execve), SCMP_SYS(execveat),
	SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(wait4), SCMP_SYS(waitid), SCMP_SYS(waitpid), SCMP_SYS(kill),
	SCMP_SYS(tkill), SCMP_SYS(tgkill), SCMP_SYS(pidfd_open), SCMP_SYS(pidfd_send_signal), SCMP_SYS(prctl),
	SCMP_SYS(capget), SCMP_SYS(capset), SCMP_SYS(seccomp), SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(gettid),
	SCMP_SYS(getpgrp), SCMP_SYS(getpgid), SCMP_SYS(setpgid), SCMP_SYS(getsid), SCMP_SYS(setsid), SCMP_SYS(getuid),
	SCMP_SYS(getuid32), SCMP_SYS(geteuid), SCMP_SYS(geteuid32), SCMP_SYS(getgid), SCMP_SYS(getgid32),
	SCMP_SYS(getegid), SCMP_SYS(getegid32), SCMP_SYS(getresuid), SCMP_SYS(getresuid32), SCMP_SYS(getresgid),
	SCMP_SYS(getresgid32), SCMP_SYS(getgroups), SCMP_SYS(getgroups32), SCMP_SYS(getrusage), SCMP_SYS(getrlimit),
	SCMP_SYS(ugetrlimit), SCMP_SYS(setrlimit), SCMP_SYS(prlimit64), SCMP_SYS(times), SCMP_SYS(sysinfo),
	SCMP_SYS(uname), SCMP_SYS(umask), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigpending),
	SCMP_SYS(rt_sigsuspend), SCMP_SYS(rt_sigtimedwait), SCMP_SYS(rt_sigtimedwait_time64), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigqueueinfo), SCMP_SYS(rt_tgsigqueueinfo), SCMP_SYS(sigaction), SCMP_SYS(sigprocmask),
	SCMP_SYS(sigreturn), SCMP_SYS(sigaltstack), SCMP_SYS(signalfd), SCMP_SYS(signalfd4), SCMP_SYS(pause),
	SCMP_SYS(restart_syscall),
	/* time */
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_gettime64), SCMP_SYS(clock_getres), SCMP_SYS(clock_getres_time64),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(clock_nanosleep_time64), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday),
	SCMP_SYS(time), SCMP_SYS(alarm), SCMP_SYS(getitimer), SCMP_SYS(setitimer), SCMP_SYS(timer_create),
	SCMP_SYS(timer_delete), SCMP_SYS(timer_settime), SCMP_SYS(timer_settime64), SCMP_SYS(timer_gettime),
	SCMP_SYS(timer_getoverrun), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(timerfd_settime64),
	SCMP_SYS(timerfd_gettime), SCMP_SYS(timerfd_gettime64),
	/* files */
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(openat2), SCMP_SYS(creat), SCMP_SYS(close), SCMP_SYS(close_range),
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(preadv), SCMP_SYS(preadv2), SCMP_SYS(write),
	SCMP_SYS(writev), SCMP_SYS(pwrite64), SCMP_SYS(pwritev), SCMP_SYS(pwritev2), SCMP_SYS(lseek), SCMP_SYS(_llseek),
	SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(fcntl), SCMP_SYS(fcntl64), SCMP_SYS(flock),
	SCMP_SYS(ioctl), SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(syncfs), SCMP_SYS(sync_file_range),
	SCMP_SYS(fallocate), SCMP_SYS(fadvise64), SCMP_SYS(fadvise64_64), SCMP_SYS(ftruncate), SCMP_SYS(ftruncate64),
	SCMP_SYS(truncate), SCMP_SYS(truncate64), SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2),
	SCMP_SYS(link), SCMP_SYS(linkat), SCMP_SYS(symlink), SCMP_SYS(symlinkat), SCMP_SYS(unlink), SCMP_SYS(unlinkat),
	SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(rmdir), SCMP_SYS(chdir), SCMP_SYS(fchdir), SCMP_SYS(getcwd),
	SCMP_SYS(chmod), SCMP_SYS(fchmod), SCMP_SYS(fchmodat), SCMP_SYS(chown), SCMP_SYS(fchown), SCMP_SYS(fchownat),
	SCMP_SYS(lchown), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(stat), SCMP_SYS(stat64),
	SCMP_SYS(fstat), SCMP_SYS(fstat64), SCMP_SYS(lstat), SCMP_SYS(lstat64), SCMP_SYS(newfstatat),
	SCMP_SYS(fstatat64), SCMP_SYS(statx), SCMP_SYS(statfs), SCMP_SYS(statfs64), SCMP_SYS(fstatfs),
	SCMP_SYS(fstatfs64), SCMP_SYS(getdents), SCMP_SYS(getdents64), SCMP_SYS(readlink), SCMP_SYS(readlinkat),
	SCMP_SYS(utimensat), SCMP_SYS(utimensat_time64), SCMP_SYS(futimesat), SCMP_SYS(utimes), SCMP_SYS(utime),
	SCMP_SYS(getxattr), SCMP_SYS(fgetxattr), SCMP_SYS(lgetxattr), SCMP_SYS(listxattr), SCMP_SYS(flistxattr),
	SCMP_SYS(sendfile), SCMP_SYS(sendfile64), SCMP_SYS(splice), SCMP_SYS(tee), SCMP_SYS(copy_file_range),
	SCMP_SYS(inotify_init), SCMP_SYS(inotify_init1), SCMP_SYS(inotify_add_watch), SCMP_SYS(inotify_rm_watch),
	SCMP_SYS(readahead),
	/* waiting */
	SCMP_SYS(epoll_create), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(ppoll_time64), SCMP_SYS(select),
	SCMP_SYS(pselect6), SCMP_SYS(pselect6_time64), SCMP_SYS(_newselect), SCMP_SYS(eventfd), SCMP_SYS(eventfd2),
	SCMP_SYS(pipe), SCMP_SYS(pipe2),
	/* sockets */
	SCMP_SYS(socket), SCMP_SYS(socketpair), SCMP_SYS(socketcall), SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept),
	SCMP_SYS(accept4), SCMP_SYS(connect), SCMP_SYS(shutdown), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
	SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(send), SCMP_SYS(sendto), SCMP_SYS(sendmsg),
	SCMP_SYS(sendmmsg), SCMP_SYS(recv), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(recvmmsg),
	SCMP_SYS(recvmmsg_time64),
	/* the load balancer, and the answers on the link */
	SCMP_SYS(bpf),
};

/* Of the helper: its one socket, /proc, sock_diag's sockets, memory.  More in allow_narrowly(). */
static const int helper_calls[] = {
	SCMP_SYS(recv), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(send), SCMP_SYS(sendto), SCMP_SYS(sendmsg),
	SCMP_SYS(close), SCMP_SYS(getdents), SCMP_SYS(getdents64), SCMP_SYS(lseek), SCMP_SYS(_llseek),
	SCMP_SYS(stat), SCMP_SYS(stat64), SCMP_SYS(fstat), SCMP_SYS(fstat64), SCMP_SYS(newfstatat),
	SCMP_SYS(fstatat64), SCMP_SYS(statx), SCMP_SYS(fcntl), SCMP_SYS(fcntl64),
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex), SCMP_SYS(getrandom),
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_gettime64), SCMP_SYS(gettimeofday), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigreturn), SCMP_SYS(restart_syscall), SCMP_SYS(exit), SCMP_SYS(exit_group),
};
/* clang-format on */

static int
allow(scmp_filter_ctx filter, const int *list, size_t nr)
{
	int err = filter ? 0 : -ENOMEM;

	for (size_t i = 0; err == 0 && i < nr; i++)
		if (list[i] >= 0) /* others are of another architecture */
			err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, list[i], 0);
	return err;
}

/* Calls of the helper whose arguments matter. */
static int
allow_narrowly(scmp_filter_ctx filter)
{
	const scmp_datum_t writing =
	    O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | (O_TMPFILE & ~O_DIRECTORY);
	const struct {
		int call;
		unsigned nr;
		struct scmp_arg_cmp arg[2];
	} rules[] = {
		{ SCMP_SYS(setns), 1, { SCMP_A1(SCMP_CMP_EQ, CLONE_NEWNET, 0) } },
		{ SCMP_SYS(socket), 2,
		    { SCMP_A0(SCMP_CMP_EQ, AF_NETLINK, 0),
			SCMP_A2(SCMP_CMP_EQ, NETLINK_SOCK_DIAG, 0) } },
		{ SCMP_SYS(openat), 1, { SCMP_A2(SCMP_CMP_MASKED_EQ, writing, O_RDONLY) } },
		{ SCMP_SYS(open), 1, { SCMP_A1(SCMP_CMP_MASKED_EQ, writing, O_RDONLY) } },
		{ SCMP_SYS(mmap), 1, { SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0) } },
		{ SCMP_SYS(mmap2), 1, { SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0) } },
		{ SCMP_SYS(mprotect), 1, { SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0) } },
	};
	int err = 0;

	for (size_t i = 0; err == 0 && i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].call >= 0)
			err = seccomp_rule_add_array(
			    filter, SCMP_ACT_ALLOW, rules[i].call, rules[i].nr, rules[i].arg);
	return err;
}

int
callfilter_make(const char *whose, int fd)
{
	const bool helper = strcmp(whose, "helper") == 0;
	const int *list = helper ? helper_calls : daemon_calls;
	const size_t nr = helper ? sizeof(helper_calls) / sizeof(helper_calls[0])
				 : sizeof(daemon_calls) / sizeof(daemon_calls[0]);
	scmp_filter_ctx filter;
	int err;

	if (!helper && strcmp(whose, "daemon") != 0)
		return -EINVAL;
	filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	err = allow(filter, list, nr);
	if (err == 0 && helper)
		err = allow_narrowly(filter);
	/* A search in place of a walk; the kernel remembers besides what is always allowed. */
	if (err == 0)
		(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (err == 0)
		err = seccomp_export_bpf(filter, fd);
	if (filter)
		seccomp_release(filter);
	return err;
}
