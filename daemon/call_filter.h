/*
 * daemon/call_filter.h: the system calls that this process keeps (seccomp(2)).  Below privileges.c.
 */
#ifndef HERALD_DAEMON_CALL_FILTER_H
#define HERALD_DAEMON_CALL_FILTER_H

#include <stddef.h>

struct sock_filter;

enum call_filter { CALL_FILTER_DAEMON, CALL_FILTER_HELPER };

/* The program, as tools/callfilter made it of its list: allowed calls pass, others fail with ENOSYS; a call by
 * the rules of another architecture ends the process.  *@nr instructions. */
const struct sock_filter *call_filter_code(enum call_filter, size_t *nr);
/* Loads it for this thread and all that it starts; there must be no new privileges.  0 or -errno. */
int call_filter_load(enum call_filter) __attribute__((warn_unused_result));

#endif
