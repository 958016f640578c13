/*
 * daemon/privileges.h: what the process keeps of root once its sockets and files are open: a few
 * capabilities, and the system calls of a daemon.
 *
 * capabilities(7), seccomp(2).  Nothing here can be taken back, by this process or those it starts.
 */
#ifndef HERALD_DAEMON_PRIVILEGES_H
#define HERALD_DAEMON_PRIVILEGES_H

#include <stdbool.h>

/*
 * Before any thread is there.  Keeps, of what the process has, CAP_NET_ADMIN, CAP_NET_RAW, CAP_NET_BIND_SERVICE,
 * CAP_BPF, CAP_PERFMON and CAP_SYS_NICE (BFD's thread); CAP_SYS_ADMIN also on kernels before 5.8, which have
 * no CAP_BPF.  Programs that are started get none of them, and no new privileges.  The process dumps no
 * core from then on.
 * 0, or -errno with *error, words for people that the caller frees; what was done until then stays done.
 */
int privileges_drop(char **error) __attribute__((warn_unused_result));

/* Has the process what its helper for sockets of pods needs? */
bool privileges_may_enter_pods(void);

/*
 * In that helper, likewise: keeps CAP_SYS_ADMIN and CAP_SYS_PTRACE, to enter network namespaces of other
 * processes, and CAP_NET_ADMIN, to end sockets there.  Opens nothing for writing from then on, no socket but
 * sock_diag's, starts no program, enters no namespace of another kind.
 */
int privileges_keep_helper(char **error) __attribute__((warn_unused_result));

#endif
