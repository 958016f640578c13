/*
 * bgpd/peer.h: a configured neighbour: its one or two sessions, collisions between them, when to
 * try again, graceful restart on both sides.  Between bgp.c (configuration, orders), session.c (a
 * connection) and the RIB's adj.
 */
#ifndef HERALD_BGPD_PEER_H
#define HERALD_BGPD_PEER_H

#include "bgpd/session.h"
#include "bgpd/speaker.h"

#define PEER_RETRY_FIRST_MS 100
#define PEER_NR_TYPES 6 /* message types 1 to 5 */

/* RFC 9494 4.2: of one family. */
struct peer_long_lived {
	struct peer *peer;
	struct loop_timer timer;
	uint32_t time_s; /* as agreed in the session that ended last */
	bool over;	 /* it ended while the peer, which is back, told its table */
};

/* The NOTIFICATION that went one way last. */
struct peer_note {
	uint8_t code, subcode; /* of a hard reset those inside */
	bool hard;
	char *text; /* for people; NULL: there was none */
	uint64_t at_ms;
};

struct peer {
	struct peer *next;
	struct instance *instance;
	struct bgp_peer_conf *conf; /* without policies, which adj has */
	struct adj *adj;
	struct range *range; /* that it connected from; NULL: it is in the configuration itself */
	bool wanted;	     /* while a configuration is applied */

	struct session *main;  /* always there */
	struct session *extra; /* a second connection, until it is known which one stays */
	struct session *up;    /* the one of both that is Established */

	bool ao_missing; /* the kernel cannot do what conf->ao_keys asks for */
	bool shut;	 /* by a person; outlives reloads */
	char *shut_message;
	char *limit_text; /* it told too many prefixes, and is down for that; NULL: it is not */
	struct loop_timer limit; /* until it may come back; not running: until somebody says so */

	unsigned tries;	 /* attempts in a row that led to nothing lasting */
	unsigned faults; /* those that ended by a NOTIFICATION */

	/* Graceful restart: we restarted, and this peer has not had our End-of-RIBs since. */
	bool restarting;
	bool was_up;		 /* in this process: its routes' forwarding state is ours */
	struct loop_timer stale; /* RFC 4724 4.2: how long what it told us is kept */
	struct peer_long_lived long_lived[BGP_NR_FAMILIES];
	unsigned longer; /* families that go on being kept after that, the session being down */

	struct session_end last; /* of the session that ended last */
	uint64_t last_ms;
	struct peer_note notes[2]; /* sent, received */
	unsigned flaps;		   /* sessions that were Established and ended */
	uint64_t refused;
	uint64_t nr_in[PEER_NR_TYPES], nr_out[PEER_NR_TYPES]; /* by message type */
	struct log_limit noise;
	struct loop_work tidy, tell;
};

/* ---- for bgp.c ---- */
/* Starts at once unless it is held down. */
struct peer *peer_new(struct instance *, const struct bgp_peer_conf *);
void peer_free(struct peer *, enum bgp_err_cease); /* last words are on their way */
void peer_conf(struct peer *, const struct bgp_peer_conf *);
/* Something that the whole session stands on changed (AS, identifier): begin anew. */
void peer_reset(struct peer *, enum bgp_err_cease, const char *message);
void peer_shutdown(struct peer *, const char *message);
void peer_enable(struct peer *);
/* BFD says so; @sure: whatever its control plane does. */
void peer_lost(struct peer *, bool sure, const char *why);
/* A connection from the peer's address; @ttl is its SYN's, 0 when unknown. */
void peer_accept(struct peer *, int fd, const struct transport_names *, uint8_t ttl);
/* The process ends. */
void peer_stop(struct peer *, bool graceful, const char *message);

/* ---- peer_limit.c, for peer.c ---- */
/* An established session came to its end: was it for the number of its prefixes? */
void peer_limit_hit(struct peer *, struct session *);
/* It may come back.  True: it was down for that. */
bool peer_limit_forget(struct peer *);
bool peer_limit_changed(const struct bgp_peer_conf *, const struct bgp_peer_conf *);
/* After its limits were lowered. */
void peer_limit_check(struct peer *);

/* ---- for show.c ---- */
const struct session *peer_foremost(const struct peer *); /* the session that is furthest */
const char *peer_held_down(const struct peer *);	  /* why it stays in Idle, or NULL */

/* ---- for rehearse.c ---- */
/* What an established session means to the RIB. */
void peer_agreed(const struct peer *, const struct session *, struct adj_session *);

/* ---- for session.c ---- */
/* The AS that the peer knows us as (RFC 7705 3). */
uint32_t peer_local_as(const struct peer *);
struct transport peer_transport(const struct peer *);
/* The OPEN that we send. */
void peer_open(const struct peer *, struct bgp_open *);
/* Their OPEN against the configuration (RFC 4271 6.2, 5492 5, 6286 2.2). */
int peer_open_check(const struct peer *, const struct bgp_open *, struct bgp_fault *)
    __attribute__((warn_unused_result));
/* RFC 4271 6.8, after an OPEN: is this the connection that goes?  May end the other one. */
bool peer_collides(struct peer *, struct session *);
/* The session went from @old to its state. */
void peer_session_moved(struct peer *, struct session *, enum bgp_state old);
/* How long until the next attempt; grows. */
uint32_t peer_retry_ms(struct peer *);

#endif
