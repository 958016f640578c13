/*
 * daemon/call_filter.h: a list of system calls as the program that lets no other through (seccomp(2)).  Below
 * privileges.c.  libseccomp makes the same in a millisecond, which is a fifth of a start; this takes the
 * numbers alone, of the architecture that it was built for.
 */
#ifndef HERALD_DAEMON_CALL_FILTER_H
#define HERALD_DAEMON_CALL_FILTER_H

#include <stddef.h>

struct sock_filter;

#define CALL_FILTER_MAX 2048 /* instructions */

/*
 * @calls: numbers in any order, negative ones are of other architectures and mean nothing.  Allowed calls pass,
 * others fail with ENOSYS; a call by the rules of another architecture ends the process.
 * How many instructions @out got (room for CALL_FILTER_MAX); -E2BIG, -EOPNOTSUPP: not known here.
 */
int call_filter_make(const int *calls, size_t nr, struct sock_filter *out)
    __attribute__((warn_unused_result));
/* The same, loaded for this thread and all it starts; it must have no new privileges.  0 or -errno. */
int call_filter_load(const int *calls, size_t nr) __attribute__((warn_unused_result));

#endif
