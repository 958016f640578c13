/*
 * lib/acceptor.h: connections that come to a listening socket, handed on one by one.  Under everything
 * that others connect to.
 */
#ifndef HERALD_LIB_ACCEPTOR_H
#define HERALD_LIB_ACCEPTOR_H

struct acceptor;
struct loop;

/* A new connection, without blocking and closed on exec; it is the callee's from now on.  May free the
 * acceptor. */
typedef void acceptor_cb(void *arg, int fd);

/*
 * Takes the listening socket @fd over, which does not block.  A bounded number of connections a turn, so that
 * a flood of them does not hold up everything else.  When the process or the kernel has no descriptor
 * or no memory left for another, those who wait go on waiting: it rests and tries again, and says so
 * once in the log with @what: "connections of BGP peers".  NULL: no memory; @fd is still the
 * caller's.
 */
struct acceptor *acceptor_new(struct loop *, int fd, const char *what, acceptor_cb *cb, void *arg);
void acceptor_free(struct acceptor *); /* closes; NULL is fine */
int acceptor_fd(const struct acceptor *);

#endif
