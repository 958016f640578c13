/*
 * bgpd/farewell.h: connections that are over but for their last words.  A NOTIFICATION has to reach
 * the wire, and a close() with unread bytes would send a RST that can destroy it on the way.  Takes
 * sockets from session.c; nobody waits for it.
 */
#ifndef HERALD_BGPD_FAREWELL_H
#define HERALD_BGPD_FAREWELL_H

#include "bgpd/outq.h"

struct farewell;
struct loop;

/* All that linger of one speaker. */
struct farewell_list {
	struct loop *loop;
	struct farewell *first;
	unsigned nr;
};

void farewell_init(struct farewell_list *, struct loop *);
void farewell_fini(struct farewell_list *); /* closes them all at once */

/* Takes the socket and empties the queue: writes what is left of it, ends our direction, reads
 * until the peer ends its own, and closes; after two seconds or with too many of them, at once. */
void farewell_add(struct farewell_list *, int fd, struct outq *);

#endif
