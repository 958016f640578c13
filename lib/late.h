/*
 * lib/late.h: shared libraries that are opened when they are first needed.  A daemon that talks to no
 * API server and signs nothing maps neither libcurl with its thirty libraries nor libcrypto, which
 * would be most of its time to start and most of its memory.
 */
#ifndef HERALD_LIB_LATE_H
#define HERALD_LIB_LATE_H

#include <stddef.h>

/* A function: its name, and where in the caller's table its address goes. */
struct late_call {
	const char *name;
	size_t offset;
};

/* Open a library by its soname and fill @table; @calls ends with a name of NULL.  It stays open.
 * -ENOENT: the library, or something in it, is not there, which was logged with what to install. */
int late_open(const char *soname, const char *package, void *table, const struct late_call *calls)
    __attribute__((warn_unused_result));

#endif
