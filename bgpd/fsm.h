/*
 * bgpd/fsm.h: the state machine of RFC 4271 section 8 as a table.  Between what happens (session.c
 * turns bytes, timers and orders into events) and what is done about it (session.c again).
 *
 * Pure: a state, an event and three conditions give actions and the next state.  Events have the
 * numbers of RFC 4271 8.1, 29 is RFC 9687's; ROUTE-REFRESH (RFC 2918) has no number there.
 */
#ifndef HERALD_BGPD_FSM_H
#define HERALD_BGPD_FSM_H

#include <stdbool.h>
#include <stdint.h>

#include "bgpd/bgpd.h"

enum fsm_event {
	FSM_NONE = 0,
	FSM_MANUAL_START = 1,
	FSM_MANUAL_STOP = 2,
	FSM_AUTOMATIC_START = 3,
	FSM_MANUAL_START_PASSIVE = 4,
	FSM_AUTOMATIC_START_PASSIVE = 5,
	FSM_AUTOMATIC_START_DAMP = 6,
	FSM_AUTOMATIC_START_DAMP_PASSIVE = 7,
	FSM_AUTOMATIC_STOP = 8,
	FSM_CONNECT_RETRY_EXPIRES = 9,
	FSM_HOLD_EXPIRES = 10,
	FSM_KEEPALIVE_EXPIRES = 11,
	FSM_DELAY_OPEN_EXPIRES = 12,
	FSM_IDLE_HOLD_EXPIRES = 13,
	FSM_TCP_VALID = 14,
	FSM_TCP_INVALID = 15,
	FSM_TCP_ACKED = 16,
	FSM_TCP_CONFIRMED = 17,
	FSM_TCP_FAILS = 18,
	FSM_OPEN = 19,
	FSM_OPEN_DELAYED = 20,
	FSM_HEADER_ERROR = 21,
	FSM_OPEN_ERROR = 22,
	FSM_COLLISION_DUMP = 23,
	FSM_NOTIFICATION_VERSION = 24,
	FSM_NOTIFICATION = 25,
	FSM_KEEPALIVE = 26,
	FSM_UPDATE = 27,
	FSM_UPDATE_ERROR = 28,
	FSM_SEND_HOLD_EXPIRES = 29,
	FSM_ROUTE_REFRESH = 30,
	FSM_NR_EVENTS
};

/* What to do, in the order in which it is done. */
enum fsm_act {
	FSM_DO_INIT = 1 << 0,		  /* initialize the resources of the session */
	FSM_DO_NOTIFY = 1 << 1,		  /* send the NOTIFICATION that .note names */
	FSM_DO_DROP = 1 << 2,		  /* drop the TCP connection */
	FSM_DO_RELEASE = 1 << 3,	  /* release all resources, timers among them */
	FSM_DO_RETRY_STOP = 1 << 4,	  /* ConnectRetryTimer to zero */
	FSM_DO_DELAY_STOP = 1 << 5,	  /* DelayOpenTimer to zero */
	FSM_DO_COUNTER_ZERO = 1 << 6,	  /* ConnectRetryCounter */
	FSM_DO_COUNTER_UP = 1 << 7,	  /* ConnectRetryCounter plus one */
	FSM_DO_DAMP = 1 << 8,		  /* DampPeerOscillations: IdleHoldTimer by the back-off */
	FSM_DO_RETRY_START = 1 << 9,	  /* ConnectRetryTimer, anew */
	FSM_DO_DELAY_START = 1 << 10,	  /* DelayOpenTimer */
	FSM_DO_DIAL = 1 << 11,		  /* initiate a TCP connection */
	FSM_DO_OPEN = 1 << 12,		  /* send OPEN */
	FSM_DO_HOLD_LARGE = 1 << 13,	  /* HoldTimer to four minutes */
	FSM_DO_KEEPALIVE = 1 << 14,	  /* send KEEPALIVE */
	FSM_DO_KEEPALIVE_START = 1 << 15, /* KeepaliveTimer, unless the hold time is zero */
	FSM_DO_HOLD_START = 1 << 16,	  /* HoldTimer to the negotiated value, unless it is zero */
};

enum fsm_note {
	FSM_NOTE_NONE,
	FSM_NOTE_CEASE, /* the subcode is whoever ordered the stop's */
	FSM_NOTE_COLLISION,
	FSM_NOTE_HOLD,
	FSM_NOTE_SEND_HOLD,
	FSM_NOTE_FSM,	/* RFC 6608: the subcode is the state's */
	FSM_NOTE_FAULT, /* what the decoder found */
};

struct fsm_conditions {
	bool delay_open;	/* the DelayOpen attribute is set */
	bool delay_running;	/* DelayOpenTimer is running */
	bool idle_hold_running; /* IdleHoldTimer is running */
};

struct fsm_step {
	uint32_t act; /* enum fsm_act, or'ed */
	enum fsm_note note;
	enum bgp_state next;
};

struct fsm_step fsm_step(enum bgp_state, enum fsm_event, struct fsm_conditions);
/* "Event 18: TcpConnectionFails" without the number, as the RFC spells it. */
const char *fsm_event_name(enum fsm_event);

#endif
