/*
 * bfd/machine.h: one session's state machine and timers (RFC 5880 6.8), without sockets, clock or
 * chance of its own: time is given, packets are taken and given.  The thread (bfd/runner.c) runs it.
 *
 * After each call that may change something: send what machine_take() gives until it gives nothing,
 * and call machine_tick() at machine_next() again.
 */
#ifndef HERALD_BFD_MACHINE_H
#define HERALD_BFD_MACHINE_H

#include "bfd/packet.h"

#define MACHINE_SLOW_US 1000000u /* RFC 5880 6.8.3: not faster while not up */
#define MACHINE_NEVER UINT64_MAX

struct machine_conf {
	uint32_t tx_us, rx_us;
	uint8_t multiplier;
	bool passive;
};

/* POLL_AGAIN: what is told changed since the poll sequence began, so its end is not that of all. */
enum machine_poll { POLL_OFF, POLL_ON, POLL_AGAIN };

/* RFC 5880 6.8.1 gives the variables their meaning. */
struct machine {
	struct machine_conf conf;
	enum bfd_state state, remote_state;
	uint8_t diag, remote_diag, remote_multiplier;
	bool remote_demand, remote_independent;
	uint32_t id, remote_id; /* discriminators */
	uint32_t remote_min_tx, remote_min_rx;
	uint32_t desired_tx, required_rx; /* as told to the other end */
	uint32_t held_tx, held_rx;	  /* as followed here, until it has heard (6.8.3) */
	enum machine_poll poll;
	bool owes_final, owes_news;
	uint32_t tx_us;	    /* between our packets now, before jitter */
	uint64_t tx_last;   /* when a packet went out; 0: none did */
	uint64_t tx_at;	    /* when the next one will */
	uint64_t rx_last;   /* 0: nothing yet */
	uint64_t detect_us; /* 0: nothing to detect */
	uint64_t since;	    /* in this state */
	uint64_t chance;
	uint32_t ups, downs;
};

/* @now is never 0. */
void machine_init(
    struct machine *, const struct machine_conf *, uint32_t id, uint64_t chance, uint64_t now);
void machine_set(struct machine *, const struct machine_conf *, uint64_t now);
/* A packet that all rules let through. */
void machine_receive(struct machine *, const struct packet *, uint64_t now);
/* Administratively down, for good. */
void machine_stop(struct machine *, uint64_t now);
void machine_tick(struct machine *, uint64_t now);
/* Is there something to send now?  Then it is taken for sent. */
bool machine_take(struct machine *, struct packet *, uint64_t now);
uint64_t machine_next(const struct machine *);

#endif
