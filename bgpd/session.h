/*
 * bgpd/session.h: one TCP connection with a peer, or the attempt at one, and its state machine
 * (RFC 4271 8.2.1: one each).  Between the socket and peer.c, which owns it.
 *
 * Whatever happens becomes an event; session_event() asks the table of fsm.h, carries out the
 * actions, and is the only one that writes the state.  A session is freed by its peer only from
 * deferred work, so that it is there until the turn of the loop is over.
 */
#ifndef HERALD_BGPD_SESSION_H
#define HERALD_BGPD_SESSION_H

#include "bgpd/fsm.h"
#include "bgpd/msg.h"
#include "bgpd/outq.h"
#include "bgpd/transport.h"
#include "lib/loop.h"

struct peer;

/* How a connection came to its end. */
enum session_how { SESSION_NO_END, SESSION_TCP, SESSION_SENT, SESSION_RECEIVED };

struct session_end {
	enum session_how how;
	uint8_t code, subcode; /* of the NOTIFICATION; of the inner one with .hard */
	bool hard;	       /* RFC 8538 3: Cease/Hard Reset */
	bool local;	       /* SESSION_TCP: we closed it */
	int err;	       /* of TCP: -errno, 0 when there is none */
	uint32_t their_as;     /* that their OPEN had, when it was the wrong one */
	char text[400];	       /* for people; "" when there was no end */
};

struct session {
	struct peer *peer;
	struct loop *loop;
	enum bgp_state state; /* written by session_event() alone */
	bool stepping;
	bool incoming;	 /* the peer opened the connection */
	bool connecting; /* our SYN is not answered yet */

	int fd; /* -1: none */
	struct loop_fd *watch;
	struct transport_names names;
	uint32_t connection; /* counts sockets: a loop over input sees that its own is gone */

	/* RFC 4271 10; RFC 9687 3 */
	struct loop_timer connect_retry, hold, keepalive, delay_open, idle_hold, send_hold;
	unsigned connect_retry_counter;
	unsigned delay_open_ms; /* the DelayOpen attribute; 0: off */

	struct bgp_open ours, theirs;
	uint8_t *their_open; /* the message as it came, for those who are told of the peer; NULL */
	uint16_t their_open_len;
	uint16_t hold_s; /* negotiated */
	uint32_t keepalive_ms;
	size_t max_len; /* of a message */
	uint64_t opened_ms, up_ms;

	struct outq out;
	struct loop_work flush;
	bool broken;   /* writing failed: what is left is to read why */
	bool full;     /* the RIB was told that there is no room */
	bool bye;      /* a NOTIFICATION is in the queue: the socket closes behind it */
	uint8_t *rest; /* the beginning of a message that is not whole yet */
	size_t nr_rest;

	struct bgp_fault fault; /* what a NOTIFICATION will say */
	struct session_end end;
};

struct session *session_new(struct peer *, struct loop *);
void session_free(struct session *); /* closes without a word; NULL is fine */

void session_event(struct session *, enum fsm_event);
/* Give it a socket that was accepted: events 14 and 17. */
void session_accept(struct session *, int fd, const struct transport_names *);
/* Is the connection that it dials there?  Then go on, without waiting for the loop to say so. */
void session_greet(struct session *);
/* ManualStop or AutomaticStop: Cease with @subcode and, for 2 and 4, the text (may be NULL). */
void session_stop(
    struct session *, enum fsm_event, enum bgp_err_cease subcode, const char *message);
/* The connection ends without a word, as if TCP had failed; @why is for people. */
void session_abandon(struct session *, const char *why);

/* Queue for the wire; memory that is short ends the session. */
void session_send(struct session *, struct bgp_block *);
/* Bytes that may be queued; 0: adj_more() is called once there is room. */
size_t session_room(struct session *);
void session_ask_refresh(struct session *, enum bgp_family);
/* BoRR or EoRR, behind what was given to session_send() before. */
void session_tell_refresh(struct session *, enum bgp_family, enum bgp_refresh_subtype);

/* What both have (RFC 5492, 4724 3, 8538 2, 8654); all false and 0 before the OPENs were seen. */
unsigned session_families(const struct session *);
bool session_has_gr(const struct session *);
bool session_has_n(const struct session *);

#endif
