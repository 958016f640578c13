/*
 * daemon/control.h: the control socket: one JSON request line in, one JSON answer line out, or, of a
 * stream, as many as there is to tell.  What can be asked stands in a table that the caller brings;
 * doc/control-protocol.md is the contract.
 */
#ifndef HERALD_DAEMON_CONTROL_H
#define HERALD_DAEMON_CONTROL_H

#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>

struct buf;
struct client;
struct control;
struct control_stream;
struct loop;

/* The words behind the command's own, as the user gave them. */
struct control_req {
	const char *const *argv;
	size_t argc;
	/* For an answer that may be large: the text of an object, compact, in place of *data. */
	struct buf *text;
	struct client *client;
};

/*
 * Somebody else answers, a process that was forked: it has the descriptor, which does not block, and
 * @rest, what came behind the request so far.  This process closes the connection without a word when
 * the command returns 0.  Borrowed.
 */
int control_take(const struct control_req *, const char **rest, size_t *nr_rest);

/*
 * Answers a request: 0 and *data (owned by the caller, NULL: an empty object), or -errno and
 * *error, words for people that the caller frees.  Must not block.
 */
typedef int control_fn(void *arg, const struct control_req *, json_t **data, char **error);

/*
 * Begins a stream: 0, or -errno and *error as above.  The stream is the client's: it is there until
 * what control_stream_begin() was given is called.
 */
typedef int control_stream_fn(
    void *arg, const struct control_req *, struct control_stream *, char **error);

/* One command.  The longest match of @words decides; what is left is given to @fn, or @stream. */
struct control_cmd {
	const char *words[3]; /* "bgp", "peers", NULL */
	control_fn *fn;
	control_stream_fn *stream;
};

/* Must be called by a control_stream_fn that succeeds: @ended comes once, when the client is gone,
 * control_stream_end() was called or the socket is closed; never from within control_stream_put(). */
void control_stream_begin(struct control_stream *, void (*ended)(void *arg), void *arg);
/* One line more.  A client that does not read loses records, and is told how many: {"lost":N}. */
void control_stream_put(struct control_stream *, const json_t *record);
/* @drained is called whenever all that was put is sent: for who makes records as they are taken. */
void control_stream_drain(struct control_stream *, void (*drained)(void *arg));
/* Nothing more will come: it is closed when everything was sent. */
void control_stream_end(struct control_stream *);

/*
 * Listen on the unix socket @path, mode 0660.  A socket file that nobody listens on any more is
 * replaced; a live one is not: -EADDRINUSE.  @cmds (ended by words[0] == NULL) and @arg are borrowed.
 * Errors: -errno, *error says what was tried (the caller frees it).
 */
int control_new(struct control **, struct loop *, const char *path, const struct control_cmd *cmds,
    void *arg, char **error) __attribute__((warn_unused_result));
/* Closes everything and removes the socket file; NULL is fine. */
/* Who may ask. */
#define CONTROL_NO_GROUP ((gid_t)-1)
struct control_access {
	gid_t group;   /* may ask everything, as root and who the daemon runs as; or none */
	gid_t readers; /* may ask for @reading alone, what changes nothing; or none */
	const char *const (*reading)[3]; /* words of commands, ended by [0] == NULL */
};
/* Who may ask, from now on; the socket file is given to the group.  0, or -errno with *error. */
int control_set_access(struct control *, const struct control_access *, char **error)
    __attribute__((warn_unused_result));

/* ---- control_access.c, for control.c ---- */
enum control_right { CONTROL_NOTHING, CONTROL_READ, CONTROL_ALL };
enum control_right control_access_of(int client, const struct control_access *);
int control_access_file(const char *path, const struct control_access *, char **error)
    __attribute__((warn_unused_result));

void control_free(struct control *);

/* Listen on a unix socket as above, with access rights @mode; @what names it in *error.  A descriptor
 * that does not block, or -errno. */
int control_listen(const char *what, const char *path, mode_t mode, char **error)
    __attribute__((warn_unused_result));

#endif
