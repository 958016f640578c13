/*
 * tools/heraldctl/complete.h: what may stand next on the command line, for shells; etc/completion/ has
 * their side.
 */
#ifndef HERALD_TOOLS_HERALDCTL_COMPLETE_H
#define HERALD_TOOLS_HERALDCTL_COMPLETE_H

#include <jansson.h>

struct buf;

/*
 * @argv: the words after "heraldctl" as far as they are typed; the last one, "" when it is not begun, is to
 * be completed.  Candidates go to @out, a line each; ":files" in their place asks the shell for file names.
 * @ask answers with what the daemon says, or NULL: names of peers and Services come from there.
 */
typedef json_t *complete_ask(void *arg, int argc, const char *const *argv);
void complete_words(
    int argc, const char *const *argv, complete_ask *ask, void *arg, struct buf *out);

/* `heraldctl __complete WORD...`: prints them. */
int complete_run(const char *socket, int argc, const char *const *argv);

#endif
