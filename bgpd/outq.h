/*
 * bgpd/outq.h: what a session still has to write: blocks that it shares with other sessions, and
 * small control messages that overtake them at the next message boundary it can use.
 * Between session.c and the socket.
 */
#ifndef HERALD_BGPD_OUTQ_H
#define HERALD_BGPD_OUTQ_H

#include "bgpd/adj.h"

struct outq_list {
	struct bgp_block **blocks; /* a ring */
	size_t cap, head, nr;
};

struct outq {
	struct outq_list urgent, bulk;
	struct outq_list *begun; /* the list whose first block is partly written; NULL: none */
	size_t off;		 /* how much of it */
	size_t bytes;		 /* left in all */
};

void outq_init(struct outq *);
void outq_fini(struct outq *); /* as after outq_init() */

/* Take a reference and put the block at the end.  -ENOMEM. */
int outq_push(struct outq *, struct bgp_block *) __attribute__((warn_unused_result));
/* Likewise, but ahead of all that is not urgent and not begun. */
int outq_push_urgent(struct outq *, struct bgp_block *) __attribute__((warn_unused_result));
/* Forget everything but the rest of the block that is begun: its messages have to be whole. */
void outq_cut(struct outq *);

/* Write what the socket takes.  Bytes written, or -errno; -EAGAIN when it takes nothing. */
long outq_write(struct outq *, int fd);

#endif
