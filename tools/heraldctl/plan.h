/*
 * tools/heraldctl/plan.h: `heraldctl plan`: files as they go to the daemon, behind the question.
 */
#ifndef HERALD_TOOLS_HERALDCTL_PLAN_H
#define HERALD_TOOLS_HERALDCTL_PLAN_H

struct buf;

/* @argv behind the word.  An exit status, the reason said on standard error; *output may become "json". */
int plan_files(int argc, const char *const *argv, const char **output, struct buf *out);

#endif
