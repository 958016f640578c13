/*
 * bgpd/fsm.c: the table of RFC 4271 8.2.2, with RFC 4724 5, 6608 and 9687 worked in.  Pure;
 * session.c asks it at each event.
 *
 * A cell that is not written is the state's "any other event", which stands in `others`.  An event
 * that the RFC says is ignored is written as STAY.
 */
#include "bgpd/fsm.h"

enum when { ALWAYS, IF_DELAY_OPEN, IF_DELAY_RUNNING, IF_IDLE_HOLD };

struct cell {
	bool is_set;
	enum when when; /* when it does not hold, the second triple counts */
	struct fsm_step step, otherwise;
};

#define D(x) (uint32_t) FSM_DO_##x

/* Drop the connection and go to Idle: all such cells have these four in common. */
#define CLOSE (D(RETRY_STOP) | D(DELAY_STOP) | D(RELEASE) | D(DROP))
#define FAILED (CLOSE | D(COUNTER_UP) | D(DAMP))

#define GO(a, to)                                                                                  \
	{                                                                                          \
		.is_set = true, .step = {.act = (a), .next = BGP_##to }                            \
	}
#define STAY(in) GO(0, in)
/* Send a NOTIFICATION, then as GO. */
#define NOTE(what, a, to)                                                                          \
	{                                                                                          \
		.is_set = true, .step = {                                                          \
			.act = D(NOTIFY) | (a),                                                    \
			.note = FSM_NOTE_##what,                                                   \
			.next = BGP_##to,                                                          \
		}                                                                                  \
	}
#define EITHER(cond, a, to, b, to2)                                                                \
	{                                                                                          \
		.is_set = true, .when = (cond), .step = { .act = (a), .next = BGP_##to },          \
		.otherwise = {                                                                     \
			.act = (b),                                                                \
			.next = BGP_##to2                                                          \
		}                                                                                  \
	}

#define START (D(INIT) | D(COUNTER_ZERO) | D(RETRY_START))
/* The IdleHoldTimer restarts a peer that failed: what was counted stays. */
#define RESTART (D(INIT) | D(RETRY_START))
#define SAY_OPEN (D(RETRY_STOP) | D(DELAY_STOP) | D(OPEN) | D(HOLD_LARGE))
#define AGREE (D(RETRY_STOP) | D(DELAY_STOP) | D(KEEPALIVE) | D(KEEPALIVE_START) | D(HOLD_START))

/* Starts mean nothing to a machine that is running (all states but Idle). */
#define IGNORE_STARTS(in)                                                                          \
	[FSM_MANUAL_START] = STAY(in), [FSM_AUTOMATIC_START] = STAY(in),                           \
	[FSM_MANUAL_START_PASSIVE] = STAY(in), [FSM_AUTOMATIC_START_PASSIVE] = STAY(in),           \
	[FSM_AUTOMATIC_START_DAMP] = STAY(in), [FSM_AUTOMATIC_START_DAMP_PASSIVE] = STAY(in)
/* Another connection with the peer is another session object (8.2.1): not this one's business. */
#define IGNORE_OTHER_TCP(in)                                                                       \
	[FSM_TCP_VALID] = STAY(in), [FSM_TCP_INVALID] = STAY(in), [FSM_TCP_ACKED] = STAY(in),      \
	[FSM_TCP_CONFIRMED] = STAY(in)

/* clang-format off */
static const struct cell table[BGP_NR_STATES][FSM_NR_EVENTS] = {
	[BGP_IDLE] = {
		[FSM_MANUAL_START]            = GO(START | D(DIAL), CONNECT),
		[FSM_AUTOMATIC_START]         = GO(START | D(DIAL), CONNECT),
		[FSM_MANUAL_START_PASSIVE]    = GO(START, ACTIVE),
		[FSM_AUTOMATIC_START_PASSIVE] = GO(START, ACTIVE),
		/* RFC 4271 8.2.2: how oscillations are prevented is ours: while the IdleHoldTimer
		 * runs nothing starts by itself, and its end starts. */
		[FSM_AUTOMATIC_START_DAMP] = EITHER(IF_IDLE_HOLD, 0, IDLE, RESTART | D(DIAL), CONNECT),
		[FSM_AUTOMATIC_START_DAMP_PASSIVE] = EITHER(IF_IDLE_HOLD, 0, IDLE, RESTART, ACTIVE),
		[FSM_IDLE_HOLD_EXPIRES] = GO(RESTART | D(DIAL), CONNECT),
	},
	[BGP_CONNECT] = {
		IGNORE_STARTS(CONNECT),
		[FSM_MANUAL_STOP] = GO(CLOSE | D(COUNTER_ZERO), IDLE),
		[FSM_CONNECT_RETRY_EXPIRES] =
			GO(D(DROP) | D(RETRY_START) | D(DELAY_STOP) | D(DIAL), CONNECT),
		[FSM_DELAY_OPEN_EXPIRES] = GO(SAY_OPEN, OPENSENT),
		[FSM_TCP_VALID]          = STAY(CONNECT),
		[FSM_TCP_INVALID]        = STAY(CONNECT),
		[FSM_TCP_ACKED]     = EITHER(IF_DELAY_OPEN, D(RETRY_STOP) | D(DELAY_START), CONNECT,
			SAY_OPEN, OPENSENT),
		[FSM_TCP_CONFIRMED] = EITHER(IF_DELAY_OPEN, D(RETRY_STOP) | D(DELAY_START), CONNECT,
			SAY_OPEN, OPENSENT),
		/* deviation: the failure is counted for the back-off (DAMP), also with a plain
		 * refusal; without it a dead address would be dialled without a pause. */
		[FSM_TCP_FAILS]     = EITHER(IF_DELAY_RUNNING,
			D(DROP) | D(RETRY_START) | D(DELAY_STOP), ACTIVE, CLOSE | D(DAMP), IDLE),
		[FSM_OPEN_DELAYED]  = GO(AGREE | D(OPEN), OPENCONFIRM),
		[FSM_NOTIFICATION_VERSION] = EITHER(IF_DELAY_RUNNING, CLOSE | D(DAMP), IDLE, FAILED, IDLE),
	},
	[BGP_ACTIVE] = {
		IGNORE_STARTS(ACTIVE),
		[FSM_MANUAL_STOP]           = GO(CLOSE | D(COUNTER_ZERO), IDLE),
		[FSM_CONNECT_RETRY_EXPIRES] = GO(D(RETRY_START) | D(DIAL), CONNECT),
		[FSM_DELAY_OPEN_EXPIRES]    = GO(SAY_OPEN, OPENSENT),
		[FSM_TCP_VALID]             = STAY(ACTIVE),
		[FSM_TCP_INVALID]           = STAY(ACTIVE),
		[FSM_TCP_ACKED]     = EITHER(IF_DELAY_OPEN, D(RETRY_STOP) | D(DELAY_START), ACTIVE,
			SAY_OPEN, OPENSENT),
		[FSM_TCP_CONFIRMED] = EITHER(IF_DELAY_OPEN, D(RETRY_STOP) | D(DELAY_START), ACTIVE,
			SAY_OPEN, OPENSENT),
		/* deviation: the RFC restarts the ConnectRetryTimer on its way to Idle, where it
		 * means nothing; here the IdleHoldTimer is what brings the peer back. */
		[FSM_TCP_FAILS]     = GO(FAILED, IDLE),
		[FSM_OPEN_DELAYED]  = GO(AGREE | D(OPEN), OPENCONFIRM),
		[FSM_NOTIFICATION_VERSION] = EITHER(IF_DELAY_RUNNING, CLOSE | D(DAMP), IDLE, FAILED, IDLE),
	},
	[BGP_OPENSENT] = {
		IGNORE_STARTS(OPENSENT),
		IGNORE_OTHER_TCP(OPENSENT),
		[FSM_MANUAL_STOP]      = NOTE(CEASE, CLOSE | D(COUNTER_ZERO), IDLE),
		[FSM_AUTOMATIC_STOP]   = NOTE(CEASE, FAILED, IDLE),
		[FSM_HOLD_EXPIRES]     = NOTE(HOLD, FAILED, IDLE),
		[FSM_TCP_FAILS]        = GO(D(DROP) | D(RELEASE) | D(RETRY_START), ACTIVE),
		[FSM_OPEN]             = GO(AGREE, OPENCONFIRM),
		[FSM_HEADER_ERROR]     = NOTE(FAULT, FAILED, IDLE),
		[FSM_OPEN_ERROR]       = NOTE(FAULT, FAILED, IDLE),
		[FSM_COLLISION_DUMP]   = NOTE(COLLISION, FAILED, IDLE),
		/* DAMP: as with every other way into Idle that we come back from. */
		[FSM_NOTIFICATION_VERSION] = GO(CLOSE | D(DAMP), IDLE),
		/* deviation: the RFC would have an FSM error here; RFC 4271 6.4 knows better:
		 * a NOTIFICATION is not answered by one. */
		[FSM_NOTIFICATION]     = GO(FAILED, IDLE),
		[FSM_SEND_HOLD_EXPIRES] = STAY(OPENSENT),
	},
	[BGP_OPENCONFIRM] = {
		IGNORE_STARTS(OPENCONFIRM),
		IGNORE_OTHER_TCP(OPENCONFIRM),
		[FSM_MANUAL_STOP]       = NOTE(CEASE, CLOSE | D(COUNTER_ZERO), IDLE),
		[FSM_AUTOMATIC_STOP]    = NOTE(CEASE, FAILED, IDLE),
		[FSM_HOLD_EXPIRES]      = NOTE(HOLD, FAILED, IDLE),
		[FSM_KEEPALIVE_EXPIRES] = GO(D(KEEPALIVE) | D(KEEPALIVE_START), OPENCONFIRM),
		[FSM_TCP_FAILS]         = GO(FAILED, IDLE),
		/* FSM_OPEN: collisions are between two sessions; a second OPEN on this very
		 * connection is no collision but an FSM error (RFC 6608 3, subcode 2). */
		[FSM_HEADER_ERROR]      = NOTE(FAULT, FAILED, IDLE),
		[FSM_OPEN_ERROR]        = NOTE(FAULT, FAILED, IDLE),
		[FSM_COLLISION_DUMP]    = NOTE(COLLISION, FAILED, IDLE),
		[FSM_NOTIFICATION_VERSION] = GO(CLOSE | D(DAMP), IDLE),
		[FSM_NOTIFICATION]      = GO(FAILED, IDLE),
		[FSM_KEEPALIVE]         = GO(D(HOLD_START), ESTABLISHED),
		[FSM_SEND_HOLD_EXPIRES] = NOTE(SEND_HOLD, FAILED, IDLE),
	},
	[BGP_ESTABLISHED] = {
		IGNORE_STARTS(ESTABLISHED),
		IGNORE_OTHER_TCP(ESTABLISHED),
		[FSM_MANUAL_STOP]       = NOTE(CEASE, CLOSE | D(COUNTER_ZERO), IDLE),
		[FSM_AUTOMATIC_STOP]    = NOTE(CEASE, FAILED, IDLE),
		[FSM_HOLD_EXPIRES]      = NOTE(HOLD, FAILED, IDLE),
		[FSM_KEEPALIVE_EXPIRES] = GO(D(KEEPALIVE) | D(KEEPALIVE_START), ESTABLISHED),
		[FSM_TCP_FAILS]         = GO(FAILED, IDLE),
		/* deviation: 8.2.2 has an FSM error here, but 6.1 says MUST to the header's own. */
		[FSM_HEADER_ERROR]      = NOTE(FAULT, FAILED, IDLE),
		[FSM_COLLISION_DUMP]    = NOTE(COLLISION, FAILED, IDLE),
		[FSM_NOTIFICATION_VERSION] = GO(FAILED, IDLE),
		[FSM_NOTIFICATION]      = GO(FAILED, IDLE),
		[FSM_KEEPALIVE]         = GO(D(HOLD_START), ESTABLISHED),
		[FSM_UPDATE]            = GO(D(HOLD_START), ESTABLISHED),
		[FSM_UPDATE_ERROR]      = NOTE(FAULT, FAILED, IDLE),
		[FSM_SEND_HOLD_EXPIRES] = NOTE(SEND_HOLD, FAILED, IDLE),
		[FSM_ROUTE_REFRESH]     = GO(D(HOLD_START), ESTABLISHED),
	},
};

/* "In response to any other event ..." */
static const struct cell others[BGP_NR_STATES] = {
	[BGP_IDLE]        = STAY(IDLE),
	[BGP_CONNECT]     = GO(FAILED, IDLE),
	[BGP_ACTIVE]      = GO(FAILED, IDLE),
	[BGP_OPENSENT]    = NOTE(FSM, FAILED, IDLE),
	[BGP_OPENCONFIRM] = NOTE(FSM, FAILED, IDLE),
	[BGP_ESTABLISHED] = NOTE(FSM, FAILED, IDLE),
};

static const char *const names[FSM_NR_EVENTS] = {
	[FSM_NONE] = "none",
	[FSM_MANUAL_START] = "ManualStart",
	[FSM_MANUAL_STOP] = "ManualStop",
	[FSM_AUTOMATIC_START] = "AutomaticStart",
	[FSM_MANUAL_START_PASSIVE] = "ManualStart_with_PassiveTcpEstablishment",
	[FSM_AUTOMATIC_START_PASSIVE] = "AutomaticStart_with_PassiveTcpEstablishment",
	[FSM_AUTOMATIC_START_DAMP] = "AutomaticStart_with_DampPeerOscillations",
	[FSM_AUTOMATIC_START_DAMP_PASSIVE] =
		"AutomaticStart_with_DampPeerOscillations_and_PassiveTcpEstablishment",
	[FSM_AUTOMATIC_STOP] = "AutomaticStop",
	[FSM_CONNECT_RETRY_EXPIRES] = "ConnectRetryTimer_Expires",
	[FSM_HOLD_EXPIRES] = "HoldTimer_Expires",
	[FSM_KEEPALIVE_EXPIRES] = "KeepaliveTimer_Expires",
	[FSM_DELAY_OPEN_EXPIRES] = "DelayOpenTimer_Expires",
	[FSM_IDLE_HOLD_EXPIRES] = "IdleHoldTimer_Expires",
	[FSM_TCP_VALID] = "TcpConnection_Valid",
	[FSM_TCP_INVALID] = "Tcp_CR_Invalid",
	[FSM_TCP_ACKED] = "Tcp_CR_Acked",
	[FSM_TCP_CONFIRMED] = "TcpConnectionConfirmed",
	[FSM_TCP_FAILS] = "TcpConnectionFails",
	[FSM_OPEN] = "BGPOpen",
	[FSM_OPEN_DELAYED] = "BGPOpen with DelayOpenTimer running",
	[FSM_HEADER_ERROR] = "BGPHeaderErr",
	[FSM_OPEN_ERROR] = "BGPOpenMsgErr",
	[FSM_COLLISION_DUMP] = "OpenCollisionDump",
	[FSM_NOTIFICATION_VERSION] = "NotifMsgVerErr",
	[FSM_NOTIFICATION] = "NotifMsg",
	[FSM_KEEPALIVE] = "KeepAliveMsg",
	[FSM_UPDATE] = "UpdateMsg",
	[FSM_UPDATE_ERROR] = "UpdateMsgErr",
	[FSM_SEND_HOLD_EXPIRES] = "SendHoldTimer_Expires",
	[FSM_ROUTE_REFRESH] = "RouteRefreshMsg",
};
/* clang-format on */

static bool
holds(enum when when, struct fsm_conditions c)
{
	switch (when) {
	case ALWAYS:
		return true;
	case IF_DELAY_OPEN:
		return c.delay_open;
	case IF_DELAY_RUNNING:
		return c.delay_running;
	case IF_IDLE_HOLD:
		return c.idle_hold_running;
	}
	return true;
}

struct fsm_step
fsm_step(enum bgp_state state, enum fsm_event ev, struct fsm_conditions conditions)
{
	const struct cell *c = &table[state][ev];

	if (!c->is_set)
		c = &others[state];
	return holds(c->when, conditions) ? c->step : c->otherwise;
}

const char *
fsm_event_name(enum fsm_event ev)
{
	return names[ev];
}
