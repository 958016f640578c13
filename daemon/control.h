/*
 * daemon/control.h: the control socket: one JSON request line in, one JSON answer line out.  What
 * can be asked stands in a table that the caller brings; doc/control-protocol.md is the contract.
 */
#ifndef HERALD_DAEMON_CONTROL_H
#define HERALD_DAEMON_CONTROL_H

#include <jansson.h>
#include <stddef.h>

struct control;
struct loop;

/* The words behind the command's own, as the user gave them. */
struct control_req {
	const char *const *argv;
	size_t argc;
};

/*
 * Answers a request: 0 and *data (owned by the caller, NULL: an empty object), or -errno and
 * *error, words for people that the caller frees.  Must not block.
 */
typedef int control_fn(void *arg, const struct control_req *, json_t **data, char **error);

/* One command.  The longest match of @words decides; what is left is given to @fn. */
struct control_cmd {
	const char *words[3]; /* "bgp", "peers", NULL */
	control_fn *fn;
};

/*
 * Listen on the unix socket @path, mode 0660.  A socket file that nobody listens on any more is
 * replaced; a live one is not: -EADDRINUSE.  @cmds (ended by words[0] == NULL) and @arg are borrowed.
 * Errors: -errno, *error says what was tried (the caller frees it).
 */
int control_new(struct control **, struct loop *, const char *path, const struct control_cmd *cmds,
    void *arg, char **error) __attribute__((warn_unused_result));
/* Closes everything and removes the socket file; NULL is fine. */
void control_free(struct control *);

#endif
