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
 * no CAP_BPF.  With @pods, whose sockets socketLB ends in their own network namespaces when an endpoint
 * goes, CAP_SYS_ADMIN and CAP_SYS_PTRACE stay for setns(2), which is allowed then.
 * Programs that are started get none of them, and no new privileges.
 * 0, or -errno with *error, words for people that the caller frees; what was done until then stays done.
 */
int privileges_drop(bool pods, char **error) __attribute__((warn_unused_result));

#endif
