/*
 * daemon/pods_serve.h: the socket that herald-ipam asks on: one line of JSON in, one line out, and
 * good-bye.  Root only.  The answer may come later; a client that dawdles holds up nobody.
 */
#ifndef HERALD_DAEMON_PODS_SERVE_H
#define HERALD_DAEMON_PODS_SERVE_H

#include <jansson.h>

struct loop;
struct pods_client;
struct pods_server;

struct pods_server_ops {
	/* A request, borrowed; NULL: it was none.  pods_answer() now or later. */
	void (*asked)(void *arg, struct pods_client *, json_t *request);
	/* The client is gone before it was answered. */
	void (*left)(void *arg, struct pods_client *);
	void *arg;
};

/* -errno, and *error (the caller's) says why. */
int pods_server_new(struct pods_server **, struct loop *, const char *path,
    const struct pods_server_ops *, char **error) __attribute__((warn_unused_result));
void pods_server_free(
    struct pods_server *); /* NULL is fine; left() is called for who still waits */

/* Takes @answer.  The client is gone from here. */
void pods_answer(struct pods_client *, json_t *answer);

#endif
