/*
 * tools/heraldctl/convert.h: `heraldctl convert`: documents of MetalLB and Cilium -> native ones.
 */
#ifndef HERALD_TOOLS_HERALDCTL_CONVERT_H
#define HERALD_TOOLS_HERALDCTL_CONVERT_H

/* @argv behind the word.  Prints; returns the exit status: 0 all of it, 1 something has no
 * equivalent or is wrong (the rest is printed), 2 usage, or a file that cannot be read. */
int convert_run(int argc, const char *const *argv);

#endif
