/*
 * tools/callfilter/callfilter.h: filters of system calls, made while Herald is built.
 */
#ifndef HERALD_TOOLS_CALLFILTER_H
#define HERALD_TOOLS_CALLFILTER_H

/* Writes the filter of @whose, "daemon" or "helper", to @fd: struct sock_filter after struct sock_filter, for
 * the architecture of this program.  0 or -errno; -EINVAL: nobody's. */
int callfilter_make(const char *whose, int fd) __attribute__((warn_unused_result));

#endif
