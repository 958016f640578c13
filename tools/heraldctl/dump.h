/*
 * tools/heraldctl/dump.h: `heraldctl bgp dump`: messages of peers into a file of MRT records.
 */
#ifndef HERALD_TOOLS_HERALDCTL_DUMP_H
#define HERALD_TOOLS_HERALDCTL_DUMP_H

/* @argv behind the words: PEER FILE [--seconds N].  Returns the exit status. */
int dump_run(const char *socket, int argc, const char *const *argv);

#endif
