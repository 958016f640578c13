/*
 * bgpd/session_in.c: bytes from the socket become messages, and messages become events.  Between
 * the socket and session_event().
 *
 * Messages are parsed where they were read, in the speaker's one input buffer; only the beginning
 * of a message that is not whole yet is kept with the session.
 */
#include "bgpd/session_in.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "bgpd/peer.h"
#include "bgpd/tap.h"
#include "lib/mem.h"

#define READS_A_TURN 4
#define SLICE_US 2000

/* ---- messages ---- */

/* RFC 4271 6.2 and 4.2: what both sides' OPENs come to. */
static void
negotiate(struct session *s)
{
	const struct bgp_peer_conf *c = s->peer->conf;
	uint32_t third;

	s->hold_s = s->theirs.hold_s < s->ours.hold_s ? s->theirs.hold_s : s->ours.hold_s;
	third = s->hold_s * 1000u / 3;
	s->keepalive_ms = third;
	if (s->hold_s && c->keepalive_s && c->keepalive_s * 1000u < third)
		s->keepalive_ms = c->keepalive_s * 1000u;
	/* RFC 8654 4: both have to have sent it. */
	if (s->ours.caps.ext_msg && s->theirs.caps.ext_msg)
		s->max_len = BGP_MAX_EXT_LEN;
}

/* RFC 7854 4.10: whoever is told of this peer is shown its OPEN; without memory, what we made of it. */
static void
keep_open(struct session *s, struct wire_rd body)
{
	const size_t len = BGP_HEADER_LEN + body.left;
	struct wire_wr w;

	mem_free(s->their_open);
	s->their_open = mem_calloc(1, len);
	s->their_open_len = (uint16_t)len;
	if (!s->their_open)
		return;
	w = wire_wr_init(s->their_open, len);
	(void)bgp_msg_begin(&w, BGP_MSG_OPEN);
	wire_put_bytes(&w, body.p, body.left);
	bgp_msg_end(&w, 0);
}

static enum fsm_event
on_open(struct session *s, struct wire_rd body)
{
	bool delayed = timer_is_running(&s->delay_open);

	/* On any other occasion it is the state that is at fault, not the message. */
	if (s->state != BGP_OPENSENT && !delayed)
		return FSM_OPEN;
	if (delayed)
		peer_open(s->peer, &s->ours);
	if (bgp_open_decode(body, &s->theirs, &s->fault) < 0 ||
	    peer_open_check(s->peer, &s->theirs, &s->fault) < 0)
		return FSM_OPEN_ERROR;
	keep_open(s, body);
	negotiate(s);
	/* RFC 4271 6.8 */
	if (peer_collides(s->peer, s))
		return FSM_COLLISION_DUMP;
	return delayed ? FSM_OPEN_DELAYED : FSM_OPEN;
}

static enum fsm_event
on_update(struct session *s, struct wire_rd body)
{
	if (s->state != BGP_ESTABLISHED)
		return FSM_UPDATE;
	if (adj_update(s->peer->adj, body, &s->fault) == 0)
		return FSM_UPDATE;
	/* RFC 4271 6.7: a limit of ours is no error of theirs. */
	return s->fault.code == BGP_ERR_CEASE ? FSM_AUTOMATIC_STOP : FSM_UPDATE_ERROR;
}

static enum fsm_event
on_notification(struct session *s, struct wire_rd body)
{
	struct bgp_fault f = { 0 };
	char text[300] = "";

	/* RFC 4271 6.4: one that is broken is not answered either. */
	if (bgp_notification_decode(body, &f, text, sizeof(text)) < 0) {
		session_end_tcp(s, "received a broken NOTIFICATION", 0);
		s->end.how = SESSION_RECEIVED;
		return FSM_NOTIFICATION;
	}
	session_end_note(s, SESSION_RECEIVED, &f, text);
	return f.code == BGP_ERR_OPEN && f.subcode == BGP_OPEN_VERSION ? FSM_NOTIFICATION_VERSION
								       : FSM_NOTIFICATION;
}

static enum fsm_event
on_refresh(struct session *s, struct wire_rd body)
{
	struct bgp_refresh r;

	if (s->state != BGP_ESTABLISHED)
		return FSM_ROUTE_REFRESH;
	if (bgp_refresh_decode(body, &r, &s->fault) < 0)
		return FSM_UPDATE_ERROR;
	/* RFC 2918 4: a family that was not agreed on is ignored. */
	if (r.family >= 0 && session_families(s) & BGP_FAMILY_MASK(r.family))
		adj_refresh(s->peer->adj, (enum bgp_family)r.family, r.subtype);
	return FSM_ROUTE_REFRESH;
}

static enum fsm_event
on_message(struct session *s, uint8_t type, struct wire_rd body)
{
	s->peer->nr_in[type]++;
	switch ((enum bgp_msg_type)type) {
	case BGP_MSG_OPEN:
		return on_open(s, body);
	case BGP_MSG_UPDATE:
		return on_update(s, body);
	case BGP_MSG_NOTIFICATION:
		return on_notification(s, body);
	case BGP_MSG_KEEPALIVE:
		return FSM_KEEPALIVE;
	case BGP_MSG_ROUTE_REFRESH:
		return on_refresh(s, body);
	}
	return FSM_HEADER_ERROR; /* not reached: the header's decoder knows the types */
}

/* The type in a header that is otherwise wrong. */
static bool
claims_notification(struct wire_rd header)
{
	(void)wire_take(&header, BGP_HEADER_LEN - 1);
	return wire_u8(&header) == BGP_MSG_NOTIFICATION;
}

static enum fsm_event
on_bad_header(struct session *s, struct wire_rd header)
{
	/* RFC 4271 6.4: an error in a NOTIFICATION is not answered by another. */
	if (s->fault.subcode == BGP_HDR_NOT_SYNC || !claims_notification(header))
		return FSM_HEADER_ERROR;
	session_end_tcp(s, "received a broken NOTIFICATION", 0);
	s->end.how = SESSION_RECEIVED;
	return FSM_NOTIFICATION;
}

/* Every whole message in @in becomes an event; what is left begins the next one.  False: this
 * connection is over. */
static bool
session_parse(struct session *s, struct wire_rd *in)
{
	uint32_t connection = s->connection;

	while (in->left >= BGP_HEADER_LEN) {
		struct wire_rd ahead = *in, header = wire_sub(&ahead, BGP_HEADER_LEN), message;
		enum fsm_event ev;
		uint8_t type;
		uint16_t len;

		if (bgp_header_decode(header, s->max_len, &type, &len, &s->fault) < 0) {
			session_event(s, on_bad_header(s, header));
			return s->connection == connection;
		}
		if (len > in->left)
			return true;
		message = wire_sub(in, len);
		tap_messages(s, false, message.p, message.left);
		(void)wire_take(&message, BGP_HEADER_LEN);
		ev = on_message(s, type, message);
		session_event(s, ev);
		if (s->connection != connection)
			return false;
	}
	return true;
}

/* ---- bytes ---- */

/* Keep what is not a whole message yet. */
static int
rest_keep(struct session *s, struct wire_rd in)
{
	uint8_t *rest;

	if (!in.left) {
		mem_free(s->rest);
		s->rest = NULL;
		s->nr_rest = 0;
		return 0;
	}
	rest = mem_realloc(s->rest, in.left, 1);
	if (!rest)
		return -ENOMEM;
	memcpy(rest, in.p, in.left);
	s->rest = rest;
	s->nr_rest = in.left;
	return 0;
}

/* False: nothing more is to be had now. */
static bool
read_once(struct session *s, uint8_t *input)
{
	struct wire_rd in;
	ssize_t n;

	/* What is kept is less than a message, for which the buffer has room beside a read. */
	if (s->nr_rest)
		memcpy(input, s->rest, s->nr_rest);
	n = recv(s->fd, input + s->nr_rest, BGP_READ_LEN, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		session_end_tcp(s, n < 0 ? "connection lost" : "connection closed by the peer",
		    n < 0 ? -errno : 0);
		session_event(s, FSM_TCP_FAILS);
		return false;
	}
	in = wire_rd_init(input, s->nr_rest + (size_t)n);
	if (!session_parse(s, &in))
		return false;
	if (rest_keep(s, in) < 0) {
		session_stop(s, FSM_AUTOMATIC_STOP, BGP_CEASE_RESOURCES, "no memory for a message");
		return false;
	}
	return (size_t)n == BGP_READ_LEN;
}

void
session_read(struct session *s)
{
	struct bgp *bgp = s->peer->instance->bgp;
	uint64_t begin = loop_now_us(s->loop);

	for (int i = 0; i < READS_A_TURN; i++) {
		if (!read_once(s, bgp->input))
			return;
		/* The others' turn; ours comes again as there is more to read. */
		if (loop_now_us(s->loop) - begin > SLICE_US)
			return;
	}
}

/* Our SYN was answered, or refused. */
static void
session_dialled(struct session *s, int fd)
{
	int err = transport_dialled(fd);

	if (err == 0)
		err = transport_names(fd, &s->names);
	if (err < 0) {
		session_end_tcp(s, "connect", err);
		session_event(s, FSM_TCP_FAILS);
		return;
	}
	s->connecting = false;
	session_event(s, FSM_TCP_ACKED); /* sends, after which it is known what is waited for */
	if (fd == s->fd && s->watch && !s->out.bytes)
		loop_fd_set(s->watch, LOOP_READ);
}

void
session_greet(struct session *s)
{
	struct pollfd p = { .fd = s->fd, .events = POLLOUT };

	if (s->connecting && poll(&p, 1, 0) == 1 && p.revents == POLLOUT)
		session_dialled(s, s->fd);
}

void
session_ready(void *arg, int fd, unsigned what)
{
	struct session *s = arg;

	if (fd != s->fd)
		return;
	if (s->connecting)
		session_dialled(s, fd);
	else if (what == LOOP_WRITE)
		session_writable(s);
	else
		session_read(s);
}
