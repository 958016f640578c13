/*
 * tools/heraldctl/client.h: one question to the daemon and its answer; doc/control-protocol.md.
 */
#ifndef HERALD_TOOLS_HERALDCTL_CLIENT_H
#define HERALD_TOOLS_HERALDCTL_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

#define CLIENT_SOCKET "/run/herald/herald.sock"

/* The exit statuses, which are part of the contract. */
enum { CTL_OK, CTL_REFUSED, CTL_USAGE, CTL_NO_DAEMON, CTL_CHANGES };

/*
 * Ask @argv (@argc words) of the daemon behind the socket @path.  CTL_OK: *data is its answer, the
 * caller's to json_decref().  Else *error is a line for people, the caller's to free().
 */
int client_ask(const char *path, int argc, const char *const *argv, const char *output,
    json_t **data, char **error) __attribute__((warn_unused_result));
/* Likewise, with @more behind the question, as it is. */
struct buf;
int client_ask_with(const char *path, int argc, const char *const *argv, const char *output,
    const struct buf *more, json_t **data, char **error) __attribute__((warn_unused_result));

/*
 * Likewise, of a command that answers with a stream: @each gets one record after the other, borrowed,
 * until it returns false or the daemon ends the stream; @began is called before the first.
 */
int client_listen(const char *path, int argc, const char *const *argv, const char *output,
    void (*began)(void *arg), bool (*each)(void *arg, const json_t *record), void *arg,
    char **error) __attribute__((warn_unused_result));

#endif
