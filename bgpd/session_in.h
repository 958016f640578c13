/*
 * bgpd/session_in.h: what session.c and session_in.c have between them.  Nobody else includes it.
 */
#ifndef HERALD_BGPD_SESSION_IN_H
#define HERALD_BGPD_SESSION_IN_H

#include "bgpd/session.h"

/* ---- session_in.c ---- */
void session_ready(void *session, int fd, unsigned what); /* a loop_fd_cb */
/* Take what the socket has, for a few milliseconds at most. */
void session_read(struct session *);

/* ---- session.c ---- */
void session_writable(struct session *);
/* How it ended, in words: the first to say so counts. */
void session_end_tcp(struct session *, const char *what, int err);
void session_end_note(
    struct session *, enum session_how, const struct bgp_fault *, const char *detail);

#endif
