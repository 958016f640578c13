/*
 * l2/announce.h: gratuitous ARP and unsolicited neighbour advertisements, and the probes of RFC 5227
 * and RFC 4862: their bytes, and a queue that sends them at a steady pace.  Private to the room;
 * item.c and probe.c say what, and when.
 */
#ifndef HERALD_L2_ANNOUNCE_H
#define HERALD_L2_ANNOUNCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"

struct loop;

#define ANNOUNCE_MAX 86 /* the longer of the two frames */
/* A thousand addresses with two frames each are told in some 50 ms, and probed for once in 20; both
 * at a time are no more than a hundred frames a millisecond. */
#define ANNOUNCE_PER_MS 50

struct announce_frame {
	uint8_t b[ANNOUNCE_MAX];
	size_t len;
};

/* Gratuitous ARP, as a request (the announcement of RFC 5227 3) or as a reply. */
void announce_arp(struct announce_frame *, const struct addr *, const uint8_t mac[6], bool reply);
/* RFC 4861 7.2.6: to all nodes, not solicited, overriding. */
void announce_na(struct announce_frame *, const struct addr *, const uint8_t mac[6], bool router);
/* RFC 5227 2.1.1: a request of nobody's, from 0.0.0.0. */
void announce_arp_probe(struct announce_frame *, const struct addr *, const uint8_t mac[6]);
/* RFC 4862 5.4.2: from ::, to the solicited-node group. */
void announce_nd_probe(struct announce_frame *, const struct addr *, const uint8_t mac[6]);

/* Something to be announced; embedded, zeroed. */
struct announce_job {
	struct announce_job *next, **prev; /* prev NULL: not queued */
};

struct announce_ops {
	/* The frames of a job whose turn it is, at most two, and the device to send them by; how many. */
	size_t (*frames)(
	    void *arg, struct announce_job *, struct announce_frame *, unsigned *ifindex);
	/* They are sent (0), or cannot be; it is not queued any more.  NULL: nobody asks. */
	void (*sent)(void *arg, struct announce_job *, int err);
	/* Sends; 0 or -errno.  NULL: by a socket of its own. */
	int (*send)(void *arg, unsigned ifindex, const struct announce_frame *);
};

struct announcer;
struct announcer *announcer_new(struct loop *, const struct announce_ops *, void *arg);
void announcer_free(struct announcer *); /* NULL is fine; what is queued is dropped */
/* In the order asked; once, if it is queued already. */
void announcer_add(struct announcer *, struct announce_job *);
void announcer_drop(struct announcer *, struct announce_job *); /* also when it is not queued */
uint64_t announcer_sent(const struct announcer *);
size_t announcer_waiting(const struct announcer *);
const char *announcer_error(const struct announcer *); /* "": none */

#endif
