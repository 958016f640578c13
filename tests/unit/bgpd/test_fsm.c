/*
 * tests/unit/bgpd/test_fsm.c: the state machine cell by cell against the text of RFC 4271 8.2.2,
 * paragraph by paragraph: state, events, condition, what the RFC lists there, next state.
 *
 * The words stand for the RFC's items:
 *   init     initializes all BGP resources          count0  sets the ConnectRetryCounter to zero
 *   retry    (re)starts the ConnectRetryTimer       retry0  stops it, or sets it to zero
 *   dial     initiates a TCP connection             drop    drops the TCP connection
 *   release  releases all BGP resources             count+  increments the ConnectRetryCounter
 *   damp     performs peer oscillation damping      delay   sets the DelayOpenTimer
 *   delay0   stops it                               open    sends an OPEN
 *   large    HoldTimer to a large value             ka      sends a KEEPALIVE
 *   ka+      sets the KeepaliveTimer                hold    sets the HoldTimer, negotiated
 *   cease, collision, holderr, sendhold, fsm, fault   sends that NOTIFICATION
 * Timers that `release` stops anyway may be named or not: they are not compared with it.
 */
#include <stdlib.h>
#include <string.h>

#include "bgpd/fsm.h"
#include "tests/unit/unit.h"

enum condition {
	ANY,
	DELAY_OPEN,
	NO_DELAY_OPEN,
	DELAY_RUNS,
	NO_DELAY_RUNS,
	IDLE_HOLD,
	NO_IDLE_HOLD
};

struct paragraph {
	enum bgp_state state;
	const char *events;
	enum condition when;
	const char *does;
	enum bgp_state next;
};

#define FAILS "retry0 release drop count+ damp"

/* clang-format off */
static const struct paragraph rfc[] = {
	/* Idle state: "refuses all incoming BGP connections" */
	{ BGP_IDLE, "1 3", ANY, "init count0 retry dial", BGP_CONNECT },
	{ BGP_IDLE, "4 5", ANY, "init count0 retry", BGP_ACTIVE },
	{ BGP_IDLE, "2 8", ANY, "", BGP_IDLE },
	{ BGP_IDLE, "6", IDLE_HOLD, "", BGP_IDLE }, /* "to prevent persistent peer oscillations" */
	{ BGP_IDLE, "6", NO_IDLE_HOLD, "init retry dial", BGP_CONNECT },
	{ BGP_IDLE, "7", IDLE_HOLD, "", BGP_IDLE },
	{ BGP_IDLE, "7", NO_IDLE_HOLD, "init retry", BGP_ACTIVE },
	{ BGP_IDLE, "13", ANY, "init retry dial", BGP_CONNECT },
	{ BGP_IDLE, "9 10 11 12 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30", ANY, "", BGP_IDLE },

	/* Connect state */
	{ BGP_CONNECT, "1 3 4 5 6 7", ANY, "", BGP_CONNECT },
	{ BGP_CONNECT, "2", ANY, "drop release count0 retry0", BGP_IDLE },
	{ BGP_CONNECT, "9", ANY, "drop retry delay0 dial", BGP_CONNECT },
	{ BGP_CONNECT, "12", ANY, "open large retry0 delay0", BGP_OPENSENT },
	{ BGP_CONNECT, "14 15", ANY, "", BGP_CONNECT },
	{ BGP_CONNECT, "16 17", DELAY_OPEN, "retry0 delay", BGP_CONNECT },
	{ BGP_CONNECT, "16 17", NO_DELAY_OPEN, "retry0 delay0 open large", BGP_OPENSENT },
	{ BGP_CONNECT, "18", DELAY_RUNS, "drop retry delay0", BGP_ACTIVE },
	{ BGP_CONNECT, "18", NO_DELAY_RUNS, "retry0 drop release damp", BGP_IDLE },
	{ BGP_CONNECT, "20", ANY, "retry0 delay0 open ka ka+ hold", BGP_OPENCONFIRM },
	{ BGP_CONNECT, "21 22", ANY, FAILS, BGP_IDLE },
	{ BGP_CONNECT, "24", DELAY_RUNS, "retry0 release drop damp", BGP_IDLE },
	{ BGP_CONNECT, "24", NO_DELAY_RUNS, FAILS, BGP_IDLE },
	{ BGP_CONNECT, "8 10 11 13 19 23 25 26 27 28 29 30", ANY, FAILS, BGP_IDLE },

	/* Active state */
	{ BGP_ACTIVE, "1 3 4 5 6 7", ANY, "", BGP_ACTIVE },
	{ BGP_ACTIVE, "2", ANY, "release drop count0 retry0", BGP_IDLE },
	{ BGP_ACTIVE, "9", ANY, "retry dial", BGP_CONNECT },
	{ BGP_ACTIVE, "12", ANY, "retry0 delay0 open large", BGP_OPENSENT },
	{ BGP_ACTIVE, "14 15", ANY, "", BGP_ACTIVE },
	{ BGP_ACTIVE, "16 17", DELAY_OPEN, "retry0 delay", BGP_ACTIVE },
	{ BGP_ACTIVE, "16 17", NO_DELAY_OPEN, "retry0 delay0 open large", BGP_OPENSENT },
	{ BGP_ACTIVE, "18", ANY, FAILS, BGP_IDLE },
	{ BGP_ACTIVE, "20", ANY, "retry0 delay0 open ka ka+ hold", BGP_OPENCONFIRM },
	{ BGP_ACTIVE, "21 22", ANY, FAILS, BGP_IDLE },
	{ BGP_ACTIVE, "24", DELAY_RUNS, "retry0 release drop damp", BGP_IDLE },
	{ BGP_ACTIVE, "24", NO_DELAY_RUNS, FAILS, BGP_IDLE },
	{ BGP_ACTIVE, "8 10 11 13 19 23 25 26 27 28 29 30", ANY, FAILS, BGP_IDLE },

	/* OpenSent */
	{ BGP_OPENSENT, "1 3 4 5 6 7", ANY, "", BGP_OPENSENT },
	{ BGP_OPENSENT, "2", ANY, "cease retry0 release drop count0", BGP_IDLE },
	{ BGP_OPENSENT, "8", ANY, "cease " FAILS, BGP_IDLE },
	{ BGP_OPENSENT, "10", ANY, "holderr " FAILS, BGP_IDLE },
	{ BGP_OPENSENT, "14 15 16 17", ANY, "", BGP_OPENSENT }, /* "a second connection", 6.8 */
	{ BGP_OPENSENT, "18", ANY, "drop release retry", BGP_ACTIVE },
	{ BGP_OPENSENT, "19", ANY, "delay0 retry0 ka ka+ hold", BGP_OPENCONFIRM },
	{ BGP_OPENSENT, "21 22", ANY, "fault " FAILS, BGP_IDLE },
	{ BGP_OPENSENT, "23", ANY, "collision " FAILS, BGP_IDLE },
	{ BGP_OPENSENT, "24", ANY, "retry0 release drop damp", BGP_IDLE },
	{ BGP_OPENSENT, "25", ANY, FAILS, BGP_IDLE }, /* 6.4: not answered */
	{ BGP_OPENSENT, "9 11 12 13 20 26 27 28 30", ANY, "fsm " FAILS, BGP_IDLE },
	{ BGP_OPENSENT, "29", ANY, "", BGP_OPENSENT }, /* RFC 9687 3.1: not used here */

	/* OpenConfirm */
	{ BGP_OPENCONFIRM, "1 3 4 5 6 7", ANY, "", BGP_OPENCONFIRM },
	{ BGP_OPENCONFIRM, "2", ANY, "cease release drop count0 retry0", BGP_IDLE },
	{ BGP_OPENCONFIRM, "8", ANY, "cease " FAILS, BGP_IDLE },
	{ BGP_OPENCONFIRM, "10", ANY, "holderr " FAILS, BGP_IDLE },
	{ BGP_OPENCONFIRM, "11", ANY, "ka ka+", BGP_OPENCONFIRM },
	{ BGP_OPENCONFIRM, "14 15 16 17", ANY, "", BGP_OPENCONFIRM },
	{ BGP_OPENCONFIRM, "18 25", ANY, FAILS, BGP_IDLE },
	{ BGP_OPENCONFIRM, "24", ANY, "retry0 release drop damp", BGP_IDLE },
	{ BGP_OPENCONFIRM, "19", ANY, "fsm " FAILS, BGP_IDLE }, /* RFC 6608 3, subcode 2 */
	{ BGP_OPENCONFIRM, "21 22", ANY, "fault " FAILS, BGP_IDLE },
	{ BGP_OPENCONFIRM, "23", ANY, "collision " FAILS, BGP_IDLE },
	{ BGP_OPENCONFIRM, "26", ANY, "hold", BGP_ESTABLISHED },
	{ BGP_OPENCONFIRM, "9 12 13 20 27 28 30", ANY, "fsm " FAILS, BGP_IDLE },
	{ BGP_OPENCONFIRM, "29", ANY, "sendhold " FAILS, BGP_IDLE }, /* RFC 9687 3.1 */

	/* Established state */
	{ BGP_ESTABLISHED, "1 3 4 5 6 7", ANY, "", BGP_ESTABLISHED },
	{ BGP_ESTABLISHED, "2", ANY, "cease retry0 release drop count0", BGP_IDLE },
	{ BGP_ESTABLISHED, "8", ANY, "cease " FAILS, BGP_IDLE },
	{ BGP_ESTABLISHED, "10", ANY, "holderr " FAILS, BGP_IDLE },
	{ BGP_ESTABLISHED, "11", ANY, "ka ka+", BGP_ESTABLISHED },
	{ BGP_ESTABLISHED, "14 15 16 17", ANY, "", BGP_ESTABLISHED },
	{ BGP_ESTABLISHED, "18 24 25", ANY, FAILS, BGP_IDLE },
	{ BGP_ESTABLISHED, "23", ANY, "collision " FAILS, BGP_IDLE },
	{ BGP_ESTABLISHED, "26 27", ANY, "hold", BGP_ESTABLISHED },
	{ BGP_ESTABLISHED, "28", ANY, "fault " FAILS, BGP_IDLE },
	{ BGP_ESTABLISHED, "21", ANY, "fault " FAILS, BGP_IDLE }, /* 6.1 MUST */
	{ BGP_ESTABLISHED, "9 12 13 19 20 22", ANY, "fsm " FAILS, BGP_IDLE },
	{ BGP_ESTABLISHED, "29", ANY, "sendhold " FAILS, BGP_IDLE },
	{ BGP_ESTABLISHED, "30", ANY, "hold", BGP_ESTABLISHED }, /* RFC 2918 */
};

static const struct { const char *word; uint32_t act; enum fsm_note note; } words[] = {
	{ "init", FSM_DO_INIT, 0 }, { "count0", FSM_DO_COUNTER_ZERO, 0 },
	{ "retry", FSM_DO_RETRY_START, 0 }, { "retry0", FSM_DO_RETRY_STOP, 0 },
	{ "dial", FSM_DO_DIAL, 0 }, { "drop", FSM_DO_DROP, 0 },
	{ "release", FSM_DO_RELEASE, 0 }, { "count+", FSM_DO_COUNTER_UP, 0 },
	{ "damp", FSM_DO_DAMP, 0 }, { "delay", FSM_DO_DELAY_START, 0 },
	{ "delay0", FSM_DO_DELAY_STOP, 0 }, { "open", FSM_DO_OPEN, 0 },
	{ "large", FSM_DO_HOLD_LARGE, 0 }, { "ka", FSM_DO_KEEPALIVE, 0 },
	{ "ka+", FSM_DO_KEEPALIVE_START, 0 }, { "hold", FSM_DO_HOLD_START, 0 },
	{ "cease", FSM_DO_NOTIFY, FSM_NOTE_CEASE }, { "collision", FSM_DO_NOTIFY, FSM_NOTE_COLLISION },
	{ "holderr", FSM_DO_NOTIFY, FSM_NOTE_HOLD }, { "fsm", FSM_DO_NOTIFY, FSM_NOTE_FSM },
	{ "sendhold", FSM_DO_NOTIFY, FSM_NOTE_SEND_HOLD }, { "fault", FSM_DO_NOTIFY, FSM_NOTE_FAULT },
};
/* clang-format on */
#define NR_RFC (sizeof(rfc) / sizeof(rfc[0]))

static void
read_words(const char *text, uint32_t *act, enum fsm_note *note)
{
	char copy[128], *save = NULL;

	*act = 0;
	*note = FSM_NOTE_NONE;
	snprintf(copy, sizeof(copy), "%s", text);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		size_t i = 0;

		while (strcmp(words[i].word, w) != 0)
			ck_assert_uint_lt(++i, sizeof(words) / sizeof(words[0]));
		*act |= words[i].act;
		if (words[i].note)
			*note = words[i].note;
	}
}

static bool
applies(enum condition when, struct fsm_conditions c)
{
	switch (when) {
	case ANY:
		return true;
	case DELAY_OPEN:
	case NO_DELAY_OPEN:
		return c.delay_open == (when == DELAY_OPEN);
	case DELAY_RUNS:
	case NO_DELAY_RUNS:
		return c.delay_running == (when == DELAY_RUNS);
	case IDLE_HOLD:
	case NO_IDLE_HOLD:
		return c.idle_hold_running == (when == IDLE_HOLD);
	}
	return false;
}

static bool
lists(const char *events, unsigned ev)
{
	char *end;

	for (const char *at = events; *at; at = *end ? end + 1 : end) {
		if (strtoul(at, &end, 10) == ev)
			return true;
	}
	return false;
}

/* `release` stops these anyway. */
static uint32_t
without_stops(uint32_t act)
{
	if (act & FSM_DO_RELEASE)
		act &= ~(uint32_t)(FSM_DO_RETRY_STOP | FSM_DO_DELAY_STOP);
	return act;
}

static void
check_cell(enum bgp_state state, unsigned ev, struct fsm_conditions c)
{
	unsigned found = 0;

	for (size_t i = 0; i < NR_RFC; i++) {
		const struct paragraph *p = &rfc[i];
		struct fsm_step step;
		enum fsm_note note;
		uint32_t act;

		if (p->state != state || !lists(p->events, ev) || !applies(p->when, c))
			continue;
		found++;
		read_words(p->does, &act, &note);
		step = fsm_step(state, (enum fsm_event)ev, c);
		ck_assert_msg(step.next == p->next, "state %d event %u: next %d, not %d", state, ev,
		    step.next, p->next);
		ck_assert_msg(without_stops(step.act) == without_stops(act),
		    "state %d event %u: does %#x, not %#x", state, ev, step.act, act);
		ck_assert_msg(step.note == note, "state %d event %u: NOTIFICATION %d, not %d",
		    state, ev, step.note, note);
	}
	ck_assert_msg(found == 1, "state %d event %u: %u paragraphs", state, ev, found);
}

/* A loop test over the states. */
START_TEST(rfc4271_8_2_2_every_cell)
{
	for (unsigned ev = 1; ev < FSM_NR_EVENTS; ev++) {
		for (unsigned bits = 0; bits < 8; bits++) {
			struct fsm_conditions c = {
				.delay_open = bits & 1,
				.delay_running = bits & 2,
				.idle_hold_running = bits & 4,
			};

			check_cell((enum bgp_state)_i, ev, c);
		}
	}
}
END_TEST

/* RFC 4271 8.2.2: what is dropped stops its timers; only what stays connected sends. */
START_TEST(rfc4271_8_2_2_idle_holds_nothing)
{
	const struct fsm_conditions c = { 0 };

	for (int s = BGP_CONNECT; s < BGP_NR_STATES; s++) {
		for (int ev = 1; ev < FSM_NR_EVENTS; ev++) {
			struct fsm_step step = fsm_step((enum bgp_state)s, (enum fsm_event)ev, c);

			if (step.next != BGP_IDLE)
				continue;
			ck_assert_uint_ne(step.act & FSM_DO_DROP, 0);
			ck_assert_uint_ne(step.act & FSM_DO_RELEASE, 0);
			ck_assert_uint_eq(
			    step.act & (FSM_DO_OPEN | FSM_DO_KEEPALIVE | FSM_DO_DIAL), 0);
		}
	}
}
END_TEST

START_TEST(rfc4271_8_1_events_have_their_names)
{
	for (int ev = 1; ev < FSM_NR_EVENTS; ev++)
		ck_assert_ptr_nonnull(fsm_event_name((enum fsm_event)ev));
	ck_assert_str_eq(fsm_event_name((enum fsm_event)18), "TcpConnectionFails");
	ck_assert_str_eq(fsm_event_name((enum fsm_event)23), "OpenCollisionDump");
	ck_assert_str_eq(fsm_event_name((enum fsm_event)29), "SendHoldTimer_Expires");
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("table");

	tcase_add_loop_test(tc, rfc4271_8_2_2_every_cell, 0, BGP_NR_STATES);
	tcase_add_test(tc, rfc4271_8_2_2_idle_holds_nothing);
	tcase_add_test(tc, rfc4271_8_1_events_have_their_names);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("fsm", add_tests)
