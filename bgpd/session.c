/*
 * bgpd/session.c: the state machine at work: actions, timers, and what goes out.  Between fsm.c
 * (what to do), peer.c (whose it is) and the socket; what comes in is in session_in.c.
 */
#include "bgpd/session.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bgpd/peer.h"
#include "bgpd/session_in.h"
#include "bgpd/rehearsal.h"
#include "bgpd/tap.h"
#include "lib/log.h"
#include "lib/mem.h"

#define JITTER 25		      /* per cent, RFC 4271 10 */
#define HOLD_LARGE_MS (4 * 60 * 1000) /* RFC 4271 8.2.2 */
#define CONNECT_MIN_MS 5000	      /* that a SYN and its repetitions may take */
#define SEND_HOLD_MIN_MS (8 * 60 * 1000)
#define OUT_LIMIT (256u * 1024)
#define SMALL_LEN 512 /* every control message but OPEN */

/* ---- how it ended ---- */

static void
end_set(struct session *s, enum session_how how, const char *what, const char *detail)
{
	if (s->end.how != SESSION_NO_END)
		return;
	s->end.how = how;
	snprintf(s->end.text, sizeof(s->end.text), "%s%s%s", what, *detail ? ": " : "", detail);
}

void
session_end_tcp(struct session *s, const char *what, int err)
{
	if (s->end.how == SESSION_NO_END)
		s->end.err = err;
	end_set(s, SESSION_TCP, what, err ? strerror(-err) : "");
}

/* RFC 8538 3.1: the true reason of a hard reset stands in its data. */
static void
end_unwrap(struct session_end *e, const struct bgp_fault *f)
{
	e->code = f->code;
	e->subcode = f->subcode;
	e->hard = f->code == BGP_ERR_CEASE && f->subcode == BGP_CEASE_HARD_RESET;
	if (e->hard && f->len >= 2) {
		e->code = f->data[0];
		e->subcode = f->data[1];
	}
}

void
session_end_note(
    struct session *s, enum session_how how, const struct bgp_fault *f, const char *detail)
{
	char name[96], what[160];

	if (s->end.how != SESSION_NO_END)
		return;
	end_unwrap(&s->end, f);
	if (how == SESSION_SENT && f->code == BGP_ERR_OPEN && f->subcode == BGP_OPEN_PEER_AS)
		s->end.their_as = s->theirs.as;
	bgp_fault_format(s->end.code, s->end.subcode, name, sizeof(name));
	snprintf(what, sizeof(what), "%s %s%s", how == SESSION_SENT ? "sent" : "received", name,
	    s->end.hard ? " (hard reset)" : "");
	end_set(s, how, what, detail);
}

/* ---- what goes out ---- */

static uint32_t
send_hold_ms(const struct session *s)
{
	uint32_t twice = s->hold_s * 2000u;

	/* RFC 9687 3.2: the greater of eight minutes and twice the hold time. */
	return twice > SEND_HOLD_MIN_MS ? twice : SEND_HOLD_MIN_MS;
}

static void
keepalive_restart(struct session *s)
{
	/* RFC 4271 4.4: jitter makes it shorter, but never more than one a second. */
	uint32_t ms = s->keepalive_ms, spare = ms > 1000 ? (ms - 1000) * 100 / ms : 0;

	if (ms)
		timer_set_jitter(&s->keepalive, ms, spare < JITTER ? spare : JITTER);
}

static void
session_write(struct session *s)
{
	long n;

	if (s->fd < 0 || s->broken || s->connecting)
		return;
	n = outq_write(&s->out, s->fd);
	if (n < 0 && n != -EAGAIN) {
		/* Reading says why, and what the peer's last words were. */
		s->broken = true;
		outq_fini(&s->out);
		loop_fd_set(s->watch, LOOP_READ);
		return;
	}
	/* RFC 9687 3: only a peer that takes nothing at all is stuck. */
	if (!s->out.bytes)
		timer_stop(&s->send_hold);
	else if (n > 0 || !timer_is_running(&s->send_hold))
		timer_set(&s->send_hold, send_hold_ms(s));
	if (n > 0 && s->state == BGP_ESTABLISHED)
		keepalive_restart(s);
	loop_fd_set(s->watch, s->out.bytes ? LOOP_READ | LOOP_WRITE : LOOP_READ);
	if (s->full && s->out.bytes <= OUT_LIMIT / 2 && s->state == BGP_ESTABLISHED) {
		s->full = false;
		adj_more(s->peer->adj);
	}
}

static void
flush_work(void *arg)
{
	session_write(arg);
}

/* Memory is short for what has to be said: the connection is of no use any more. */
static void
give_up(struct session *s)
{
	session_end_tcp(s, "out of memory", 0);
	s->broken = true;
	if (s->fd >= 0)
		timer_set(&s->hold, 0);
}

void
session_send(struct session *s, struct bgp_block *b)
{
	if (s->fd < 0 || s->broken || s->bye)
		return;
	if (outq_push(&s->out, b) < 0) {
		give_up(s);
		return;
	}
	s->peer->nr_out[BGP_MSG_UPDATE] += b->nr_messages;
	tap_messages(s, true, b->data, b->len);
	work_post(&s->flush);
}

size_t
session_room(struct session *s)
{
	if (s->fd < 0 || s->broken || s->bye || s->out.bytes >= OUT_LIMIT) {
		s->full = true;
		return 0;
	}
	return OUT_LIMIT - s->out.bytes;
}

/* A block that will hold one control message of at most @max bytes. */
static struct bgp_block *
control_new(struct session *s, struct wire_wr *w, size_t max)
{
	struct bgp_block *b = s->fd < 0 || s->broken || s->bye ? NULL : bgp_block_new(max);

	if (!b && s->fd >= 0 && !s->broken && !s->bye)
		give_up(s);
	if (b)
		*w = wire_wr_init(b->data, b->cap);
	return b;
}

static void
control_send(struct session *s, struct bgp_block *b, const struct wire_wr *w, unsigned type)
{
	assert(!w->full);
	b->len = (uint32_t)w->len;
	b->nr_messages = 1;
	if (outq_push_urgent(&s->out, b) < 0)
		give_up(s);
	else
		s->peer->nr_out[type]++;
	tap_messages(s, true, b->data, b->len);
	bgp_block_unref(b);
	session_write(s);
}

void
session_ask_refresh(struct session *s, enum bgp_family f)
{
	struct wire_wr w;
	struct bgp_block *b;

	if (is_rehearsed(s->peer->instance))
		return;
	b = control_new(s, &w, SMALL_LEN);
	if (!b)
		return;
	bgp_refresh_encode(&w, f, BGP_REFRESH_REQUEST);
	control_send(s, b, &w, BGP_MSG_ROUTE_REFRESH);
}

void
session_tell_refresh(struct session *s, enum bgp_family f, enum bgp_refresh_subtype subtype)
{
	struct wire_wr w;
	struct bgp_block *b = control_new(s, &w, SMALL_LEN);

	if (!b)
		return;
	bgp_refresh_encode(&w, f, subtype);
	b->len = (uint32_t)w.len;
	if (outq_push(&s->out, b) < 0)
		give_up(s);
	else
		s->peer->nr_out[BGP_MSG_ROUTE_REFRESH]++;
	bgp_block_unref(b);
	work_post(&s->flush);
}

/* ---- actions; each returns the event that follows from it, mostly none ---- */

static enum fsm_event
do_init(struct session *s, const struct fsm_step *step)
{
	(void)step;
	memset(&s->end, 0, sizeof(s->end));
	memset(&s->fault, 0, sizeof(s->fault));
	timer_stop(&s->idle_hold);
	return FSM_NONE;
}

/* RFC 8538 4: with the N bit a plain NOTIFICATION lets the peer keep our routes; what is meant to
 * end them goes out as a hard reset. */
static void
make_hard(const struct session *s, struct bgp_fault *f)
{
	struct bgp_fault inner = *f;

	if (s->state != BGP_ESTABLISHED || !session_has_n(s) || f->code != BGP_ERR_CEASE)
		return;
	if (f->subcode != BGP_CEASE_SHUTDOWN && f->subcode != BGP_CEASE_DECONFIGURED &&
	    f->subcode != BGP_CEASE_MAX_PREFIXES &&
	    f->subcode != BGP_CEASE_BFD_DOWN) /* RFC 9384 3 */
		return;
	f->subcode = BGP_CEASE_HARD_RESET;
	f->data[0] = inner.code;
	f->data[1] = inner.subcode;
	if (inner.len > BGP_FAULT_DATA_MAX - 2)
		inner.len = BGP_FAULT_DATA_MAX - 2;
	memcpy(f->data + 2, inner.data, inner.len);
	f->len = (uint16_t)(inner.len + 2);
}

static void
note_fill(struct session *s, enum fsm_note note)
{
	struct bgp_fault *f = &s->fault;

	switch (note) {
	case FSM_NOTE_NONE:
	case FSM_NOTE_FAULT:
		break;
	case FSM_NOTE_CEASE:
		make_hard(s, f);
		break;
	case FSM_NOTE_COLLISION:
		(void)bgp_fault_set(f, BGP_ERR_CEASE, BGP_CEASE_COLLISION, NULL, 0, NULL);
		break;
	case FSM_NOTE_HOLD:
		(void)bgp_fault_set(f, BGP_ERR_HOLD_TIMER, 0, NULL, 0, NULL);
		break;
	case FSM_NOTE_SEND_HOLD:
		(void)bgp_fault_set(f, BGP_ERR_SEND_HOLD, 0, NULL, 0, NULL);
		break;
	case FSM_NOTE_FSM: /* RFC 6608 3 */
		(void)bgp_fault_set(f, BGP_ERR_FSM,
		    s->state == BGP_OPENSENT	      ? BGP_FSM_OPENSENT
			: s->state == BGP_OPENCONFIRM ? BGP_FSM_OPENCONFIRM
						      : BGP_FSM_ESTABLISHED,
		    NULL, 0, "unexpected message");
		break;
	}
}

static enum fsm_event
do_notify(struct session *s, const struct fsm_step *step)
{
	struct bgp_block *b;
	struct wire_wr w;

	note_fill(s, step->note);
	session_end_note(s, SESSION_SENT, &s->fault, s->fault.why ? s->fault.why : "");
	outq_cut(&s->out);
	b = control_new(s, &w, SMALL_LEN);
	if (!b)
		return FSM_NONE;
	bgp_notification_encode(&w, &s->fault);
	b->len = (uint32_t)w.len;
	b->nr_messages = 1;
	if (!w.full && outq_push_urgent(&s->out, b) == 0) {
		s->bye = true;
		s->peer->nr_out[BGP_MSG_NOTIFICATION]++;
		tap_messages(s, true, b->data, b->len);
	}
	bgp_block_unref(b);
	return FSM_NONE;
}

static enum fsm_event
do_drop(struct session *s, const struct fsm_step *step)
{
	(void)step;
	if (s->fd < 0)
		return FSM_NONE;
	loop_fd_free(s->watch);
	s->watch = NULL;
	if (s->bye)
		farewell_add(&s->peer->instance->bgp->farewells, s->fd, &s->out);
	else
		close(s->fd);
	s->fd = -1;
	s->connection++;
	s->bye = s->broken = s->full = s->connecting = false;
	outq_fini(&s->out);
	mem_free(s->rest);
	s->rest = NULL;
	s->nr_rest = 0;
	return FSM_NONE;
}

static enum fsm_event
do_release(struct session *s, const struct fsm_step *step)
{
	(void)step;
	timer_stop(&s->connect_retry);
	timer_stop(&s->hold);
	timer_stop(&s->keepalive);
	timer_stop(&s->delay_open);
	timer_stop(&s->send_hold);
	work_cancel(&s->flush);
	return FSM_NONE;
}

static enum fsm_event
do_retry_stop(struct session *s, const struct fsm_step *step)
{
	(void)step;
	timer_stop(&s->connect_retry);
	return FSM_NONE;
}

static enum fsm_event
do_delay_stop(struct session *s, const struct fsm_step *step)
{
	(void)step;
	timer_stop(&s->delay_open);
	return FSM_NONE;
}

static enum fsm_event
do_counter_zero(struct session *s, const struct fsm_step *step)
{
	(void)step;
	s->connect_retry_counter = 0;
	return FSM_NONE;
}

static enum fsm_event
do_counter_up(struct session *s, const struct fsm_step *step)
{
	(void)step;
	s->connect_retry_counter++;
	return FSM_NONE;
}

static enum fsm_event
do_damp(struct session *s, const struct fsm_step *step)
{
	struct peer *p = s->peer;

	/* The loser of a collision has nothing to come back for; nor has a second connection. */
	if (s == p->main && step->note != FSM_NOTE_COLLISION && (!p->up || p->up == s) &&
	    !peer_held_down(p))
		timer_set_jitter(&s->idle_hold, peer_retry_ms(p), JITTER);
	return FSM_NONE;
}

static enum fsm_event
do_retry_start(struct session *s, const struct fsm_step *step)
{
	uint32_t ms, limit = s->peer->conf->connect_retry_s * 1000u;

	/* deviation: a peer that we are not to dial waits without a limit. */
	if (s != s->peer->main || (s->peer->conf->passive && step->next == BGP_ACTIVE))
		return FSM_NONE;
	if (step->next == BGP_CONNECT && !(step->act & FSM_DO_DROP)) {
		ms = CONNECT_MIN_MS; /* the first attempt */
	} else {
		ms = peer_retry_ms(s->peer);
		if (step->next == BGP_CONNECT && ms < CONNECT_MIN_MS)
			ms = CONNECT_MIN_MS;
	}
	if (limit && ms > limit)
		ms = limit;
	timer_set_jitter(&s->connect_retry, ms, JITTER);
	return FSM_NONE;
}

static enum fsm_event
do_delay_start(struct session *s, const struct fsm_step *step)
{
	(void)step;
	timer_set(&s->delay_open, s->delay_open_ms);
	return FSM_NONE;
}

static int
session_watch(struct session *s, int fd, unsigned what)
{
	s->watch = loop_fd_new(s->loop, fd, what, session_ready, s);
	if (!s->watch)
		return -ENOMEM;
	s->fd = fd;
	s->connection++;
	s->max_len = BGP_MAX_LEN;
	s->hold_s = 0;
	s->keepalive_ms = 0;
	memset(&s->theirs, 0, sizeof(s->theirs));
	mem_free(s->their_open);
	s->their_open = NULL;
	memset(&s->end, 0, sizeof(s->end));
	s->opened_ms = loop_now_ms(s->loop);
	return 0;
}

static enum fsm_event
do_dial(struct session *s, const struct fsm_step *step)
{
	struct transport t = peer_transport(s->peer);
	int fd, err;

	(void)step;
	err = transport_dial(&t, &fd);
	if (err == 0) {
		err = session_watch(s, fd, LOOP_WRITE);
		if (err < 0)
			close(fd);
	}
	if (err < 0) {
		memset(&s->end, 0, sizeof(s->end));
		session_end_tcp(s, "connect", err);
		return FSM_TCP_FAILS;
	}
	s->incoming = false;
	s->connecting = true;
	return FSM_NONE;
}

static enum fsm_event
do_open(struct session *s, const struct fsm_step *step)
{
	struct wire_wr w;
	struct bgp_block *b = control_new(s, &w, BGP_MAX_LEN);

	(void)step;
	if (!b)
		return FSM_NONE;
	peer_open(s->peer, &s->ours);
	bgp_open_encode(&w, &s->ours);
	/* It is the first message, and goes out in the turn that saw the connection. */
	control_send(s, b, &w, BGP_MSG_OPEN);
	return FSM_NONE;
}

static enum fsm_event
do_hold_large(struct session *s, const struct fsm_step *step)
{
	(void)step;
	timer_set(&s->hold, HOLD_LARGE_MS);
	return FSM_NONE;
}

static enum fsm_event
do_keepalive(struct session *s, const struct fsm_step *step)
{
	struct bgp_block *b;
	struct wire_wr w;

	(void)step;
	/* The peer takes nothing: one that waits is as good as many. */
	if (s->state == BGP_ESTABLISHED && s->out.urgent.nr)
		return FSM_NONE;
	b = control_new(s, &w, SMALL_LEN);
	if (!b)
		return FSM_NONE;
	bgp_keepalive_encode(&w);
	control_send(s, b, &w, BGP_MSG_KEEPALIVE);
	return FSM_NONE;
}

static enum fsm_event
do_keepalive_start(struct session *s, const struct fsm_step *step)
{
	(void)step;
	keepalive_restart(s);
	return FSM_NONE;
}

static enum fsm_event
do_hold_start(struct session *s, const struct fsm_step *step)
{
	(void)step;
	/* RFC 4271 4.2: zero: neither hold timer nor keepalives. */
	if (s->hold_s)
		timer_set(&s->hold, s->hold_s * 1000u);
	else
		timer_stop(&s->hold);
	return FSM_NONE;
}

typedef enum fsm_event act_fn(struct session *, const struct fsm_step *);

/* By bit of enum fsm_act. */
static act_fn *const acts[] = {
	do_init,
	do_notify,
	do_drop,
	do_release,
	do_retry_stop,
	do_delay_stop,
	do_counter_zero,
	do_counter_up,
	do_damp,
	do_retry_start,
	do_delay_start,
	do_dial,
	do_open,
	do_hold_large,
	do_keepalive,
	do_keepalive_start,
	do_hold_start,
};
#define NR_ACTS (sizeof(acts) / sizeof(acts[0]))
_Static_assert(1 << (NR_ACTS - 1) == FSM_DO_HOLD_START, "one function for each action");

static enum fsm_event
carry_out(struct session *s, const struct fsm_step *step)
{
	enum fsm_event follows = FSM_NONE;

	for (unsigned i = 0; i < NR_ACTS; i++) {
		enum fsm_event ev = FSM_NONE;

		if (step->act & 1u << i)
			ev = acts[i](s, step);
		if (ev != FSM_NONE)
			follows = ev;
	}
	return follows;
}

/* The only function that writes the state. */
void
session_event(struct session *s, enum fsm_event ev)
{
	assert(!s->stepping);
	if (is_rehearsed(s->peer->instance))
		return; /* nothing happens to sessions: rehearse.c says what would */
	while (ev != FSM_NONE) {
		const struct fsm_conditions c = {
			.delay_open = s->delay_open_ms > 0,
			.delay_running = timer_is_running(&s->delay_open),
			.idle_hold_running = timer_is_running(&s->idle_hold),
		};
		enum bgp_state old = s->state;
		struct fsm_step step = fsm_step(old, ev, c);

		s->stepping = true;
		ev = carry_out(s, &step);
		s->state = step.next;
		s->stepping = false;
		if (s->state == old)
			continue;
		if (s->state == BGP_ESTABLISHED)
			s->up_ms = loop_now_ms(s->loop);
		peer_session_moved(s->peer, s, old);
	}
}

/* ---- timers ---- */

static void
connect_retry_due(void *arg)
{
	session_event(arg, FSM_CONNECT_RETRY_EXPIRES);
}

static void
hold_due(void *arg)
{
	struct session *s = arg;
	uint32_t connection = s->connection;

	if (s->broken) {
		session_event(s, FSM_TCP_FAILS);
		return;
	}
	/* We may have been late ourselves: what is there to be read counts as in time. */
	if (s->fd >= 0)
		session_read(s);
	if (s->connection == connection && !timer_is_running(&s->hold))
		session_event(s, FSM_HOLD_EXPIRES);
}

static void
keepalive_due(void *arg)
{
	session_event(arg, FSM_KEEPALIVE_EXPIRES);
}

static void
delay_open_due(void *arg)
{
	session_event(arg, FSM_DELAY_OPEN_EXPIRES);
}

static void
idle_hold_due(void *arg)
{
	struct session *s = arg;

	session_event(
	    s, s->peer->conf->passive ? FSM_AUTOMATIC_START_DAMP_PASSIVE : FSM_IDLE_HOLD_EXPIRES);
}

static void
send_hold_due(void *arg)
{
	session_event(arg, FSM_SEND_HOLD_EXPIRES);
}

/* ---- life ---- */

struct session *
session_new(struct peer *p, struct loop *loop)
{
	struct session *s = xnew(struct session);

	s->peer = p;
	s->loop = loop;
	s->fd = -1;
	outq_init(&s->out);
	timer_init(&s->connect_retry, loop, connect_retry_due, s);
	timer_init(&s->hold, loop, hold_due, s);
	timer_init(&s->keepalive, loop, keepalive_due, s);
	timer_init(&s->delay_open, loop, delay_open_due, s);
	timer_init(&s->idle_hold, loop, idle_hold_due, s);
	timer_init(&s->send_hold, loop, send_hold_due, s);
	work_init(&s->flush, loop, flush_work, s);
	return s;
}

void
session_free(struct session *s)
{
	const struct fsm_step none = { 0 };

	if (!s)
		return;
	(void)do_drop(s, &none);
	(void)do_release(s, &none);
	timer_stop(&s->idle_hold);
	mem_free(s->their_open);
	mem_free(s);
}

void
session_writable(struct session *s)
{
	session_write(s);
}

void
session_accept(struct session *s, int fd, const struct transport_names *names)
{
	if (session_watch(s, fd, LOOP_READ) < 0) {
		close(fd);
		return;
	}
	s->incoming = true;
	s->names = *names;
	session_event(s, FSM_TCP_VALID);
	session_event(s, FSM_TCP_CONFIRMED);
}

void
session_stop(struct session *s, enum fsm_event how, enum bgp_err_cease subcode, const char *message)
{
	(void)bgp_fault_set(&s->fault, BGP_ERR_CEASE, subcode, NULL, 0, message);
	/* RFC 9003 2 */
	if (message && (subcode == BGP_CEASE_SHUTDOWN || subcode == BGP_CEASE_RESET))
		bgp_shutdown_data(&s->fault, message);
	session_event(s, how);
	if (how == FSM_MANUAL_STOP)
		timer_stop(&s->idle_hold);
	s->fault.why = NULL;
}

void
session_abandon(struct session *s, const char *why)
{
	session_end_tcp(s, why, 0);
	s->end.local = true;
	session_event(s, FSM_TCP_FAILS);
}

/* ---- what was negotiated ---- */

unsigned
session_families(const struct session *s)
{
	return s->ours.caps.families & s->theirs.caps.families;
}

bool
session_has_gr(const struct session *s)
{
	return s->ours.caps.gr && s->theirs.caps.gr;
}

bool
session_has_n(const struct session *s)
{
	return session_has_gr(s) && s->ours.caps.gr_notification && s->theirs.caps.gr_notification;
}
