/*
 * daemon/router.h: the one router on the other end of an interface: what is said so that it finds us,
 * who is heard, and whether another one has taken its place.  Between ndisc.c and discover.c; no
 * sockets, time by the loop.
 *
 * The first that advertises itself is it.  Where nobody does, a router that answers a ping to all of
 * them will do until one does: on a cable there is no other.  Another one counts only once the first has been asked and kept
 * silent, so that a second router on the link does not make the session go to and fro, and one that was
 * replaced, or has another address since it began anew, is followed within seconds.
 */
#ifndef HERALD_DAEMON_ROUTER_H
#define HERALD_DAEMON_ROUTER_H

#include "daemon/ndisc.h"
#include "lib/loop.h"

#define ROUTER_FIRST_MS 1000 /* between our advertisements at first, so many */
#define ROUTER_NR_FIRST 4
#define ROUTER_PACE_MS 10000  /* and then */
#define ROUTER_ANSWER_MS 4000 /* RFC 4861 6.2.6: an answer comes within three seconds and a half */
#define ROUTER_REPLIES_MS 100 /* between two answers of ours */

struct router_ops {
	/* @to NULL: all nodes, all routers. */
	void (*send)(void *arg, enum ndisc_kind, const struct addr *to);
	void (*changed)(void *arg); /* .addr is another one */
	void *arg;
};

struct router {
	struct addr addr;  /* not set: none was heard */
	struct addr rival; /* who may be in its place; not set: nobody */
	struct router_ops ops;
	struct loop *loop;
	struct loop_timer pace, answer;
	bool silent; /* .addr answers, but was not heard to advertise itself */
	unsigned nr_sent;
	uint64_t replied_ms;
	bool running;
};

void router_init(struct router *, struct loop *, const struct router_ops *);
/* Begin, or begin anew: the link came up, or has an address now.  What was heard is kept. */
void router_start(struct router *);
void router_stop(struct router *);
/* Stop, and nothing was heard. */
void router_forget(struct router *);
void router_heard(struct router *, enum ndisc_kind, const struct addr *from);

#endif
