/*
 * tools/heraldctl/top.h: `heraldctl top`: peers, Services by what they carry, and layer 2, on a terminal
 * that stays up to date.
 */
#ifndef HERALD_TOOLS_HERALDCTL_TOP_H
#define HERALD_TOOLS_HERALDCTL_TOP_H

/* [-d SECONDS] in @argv; until the user leaves.  An exit status of client.h. */
int top_run(const char *socket, int argc, const char *const *argv);

#endif
