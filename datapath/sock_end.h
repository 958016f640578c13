/*
 * datapath/sock_end.h: ends connected UDP sockets of the network namespace that the thread is in, by
 * sock_diag(7).  Used by the daemon for its own, and by its helper for those of pods.  Private to the room.
 */
#ifndef HERALD_DATAPATH_SOCK_END_H
#define HERALD_DATAPATH_SOCK_END_H

#include "datapath/sock_words.h"

#include <stddef.h>
#include <stdint.h>

#define SOCK_RX_BYTES (32 << 10)

struct sock_ends {
	const struct sock_id *ids; /* by cookie, ascending; no others are touched */
	size_t nr;
	void *rx;	/* SOCK_RX_BYTES to work in */
	uint64_t ended; /* counted up */
	int err;	/* of the first that was refused, once */
};

/* For qsort(): struct sock_id by cookie. */
int sock_id_cmp(const void *, const void *);
void sock_end_here(struct sock_ends *);

#endif
