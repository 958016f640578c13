/*
 * tests/bench/bgp/session.c: sockets, and as much of a BGP session as a peer on a bench needs.  Between
 * the socket and hear.c; what is sent comes from stream.c.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/bgp/gun.h"

#define WRITE_LEN (1u << 18)
#define READS 8
/* A SYN that a full queue swallowed would be sent again after a second. */
#define SYN_NS 500000000u

uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void
fatal(const char *what)
{
	printf("{\"ok\":false,\"error\":\"%s: %s\"}\n", what, strerror(errno));
	fflush(stdout);
	exit(1);
}

/* ---- what epoll is asked for ---- */

static bool
has_output(const struct session *p)
{
	return p->out_off < p->out.len || (p->bulk && p->bulk_off < p->bulk->len);
}

static void
watch(struct session *p)
{
	uint32_t want = EPOLLIN;
	struct epoll_event e;

	if (p->state == CONNECTING || has_output(p))
		want |= EPOLLOUT;
	if (want == p->events)
		return;
	e = (struct epoll_event){ .events = want, .data.ptr = p };
	if (epoll_ctl(p->gun->ep, p->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, p->fd, &e) < 0)
		fatal("epoll");
	p->events = want;
}

void
session_down(struct session *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->downs += p->state == ESTABLISHED;
	p->fd = -1;
	p->events = 0;
	p->state = IDLE;
	p->nr_in = p->out.len = p->out_off = p->bulk_off = 0;
	p->bulk = NULL;
	p->add_path = false;
	p->t_eor = 0;
	p->t_retry = now_ns() + p->gun->retry_ms * 1000000ull;
	tables_clear(p);
}

/* ---- output: small messages first, then the stream, which is whole messages too ---- */

static bool
send_some(struct session *p, const uint8_t *bytes, size_t len, size_t *off)
{
	while (*off < len) {
		size_t n = len - *off < WRITE_LEN ? len - *off : WRITE_LEN;
		ssize_t w = send(p->fd, bytes + *off, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (w < 0 && errno == EAGAIN)
			return false;
		if (w < 0) {
			session_down(p);
			return false;
		}
		*off += (size_t)w;
	}
	return true;
}

void
session_flush(struct session *p)
{
	/* A small message never goes into the midst of one of the stream. */
	bool begun = p->bulk && p->bulk_off && p->bulk_off < p->bulk->len;

	if (p->fd < 0 || p->state == CONNECTING)
		return;
	if (!begun) {
		if (send_some(p, p->out.bytes, p->out.len, &p->out_off))
			p->out.len = p->out_off = 0;
	}
	if (p->fd >= 0 && p->bulk && p->bulk_off < p->bulk->len && p->out_off == p->out.len &&
	    send_some(p, p->bulk->bytes, p->bulk->len, &p->bulk_off))
		p->t_sent = now_ns();
	if (p->fd >= 0)
		watch(p);
}

void
session_bulk(struct session *p, const struct stream *s)
{
	p->bulk = s;
	p->bulk_off = 0;
	p->t_sent = 0;
	session_flush(p);
}

/* ---- input ---- */

/* Did both sides say that they will send and take path identifiers? */
static bool
open_has_add_path(const struct session *p, const uint8_t *m, size_t len)
{
	size_t at = HEADER + 10, end, c;

	if (!p->gun->add_path || !p->sink)
		return false;
	for (; at + 2 <= len; at += 2u + m[at + 1]) {
		end = at + 2u + m[at + 1];
		if (m[at] != 2 || end > len)
			continue;
		for (c = at + 2; c + 2 <= end && c + 2 + m[c + 1] <= end; c += 2u + m[c + 1]) {
			if (m[c] == 69 && m[c + 1] >= 4 && m[c + 5] & 2)
				return true;
		}
	}
	return false;
}

static void
on_established(struct session *p, uint64_t t)
{
	p->state = ESTABLISHED;
	p->t_up = p->t_alive = t;
	p->t_first = p->t_last = p->t_eor = 0;
	if (p->gun->autosend)
		session_bulk(p, &p->gun->streams[0]);
}

static void
pass_on(struct session *from, const uint8_t *m, size_t len)
{
	struct gun *g = from->gun;

	for (unsigned i = 0; i < g->nr_sessions; i++) {
		struct session *p = g->sessions[i];

		if (p != from && p->state == ESTABLISHED)
			stream_add(&p->out, m, len);
	}
}

/* False: the session is gone. */
static bool
on_message(struct session *p, const uint8_t *m, size_t len, uint64_t t)
{
	switch (m[18]) {
	case 1:
		p->add_path = open_has_add_path(p, m, len);
		p->state = OPENCONFIRM;
		stream_keepalive(&p->out);
		session_flush(p);
		return p->fd >= 0;
	case 2:
		hear_update(p, m, len, t);
		if (p->gun->forward)
			pass_on(p, m, len);
		return true;
	case 3:
		fprintf(stderr, "session %u: NOTIFICATION %u/%u\n", p->id, m[19], m[20]);
		session_down(p);
		return false;
	case 4:
		if (p->state == OPENCONFIRM)
			on_established(p, t);
		return p->fd >= 0;
	default:
		return true;
	}
}

/* The whole messages that were read.  False: the session is gone. */
static bool
messages(struct session *p, uint64_t t)
{
	size_t at = 0;

	while (p->nr_in - at >= HEADER) {
		size_t len = get16(p->in + at + 16);

		if (len < HEADER) {
			session_down(p);
			return false;
		}
		if (p->nr_in - at < len)
			break;
		if (!on_message(p, p->in + at, len, t))
			return false;
		at += len;
	}
	memmove(p->in, p->in + at, p->nr_in - at);
	p->nr_in -= at;
	return true;
}

static void
receive(struct session *p)
{
	for (int i = 0; i < READS; i++) {
		size_t room = IN_LEN - p->nr_in;
		ssize_t n = recv(p->fd, p->in + p->nr_in, room, MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			session_down(p);
			return;
		}
		p->nr_in += (size_t)n;
		p->bytes += (uint64_t)n;
		if (!messages(p, now_ns()))
			return;
		if ((size_t)n < room)
			break;
	}
	for (unsigned i = 0; p->gun->forward && i < p->gun->nr_sessions; i++) {
		if (has_output(p->gun->sessions[i]))
			session_flush(p->gun->sessions[i]);
	}
}

/* ---- connections ---- */

static void
connected(struct session *p)
{
	p->state = OPENSENT;
	stream_open(&p->out, p);
	session_flush(p);
}

static void
dial(struct session *p)
{
	struct sockaddr_in from = p->local;
	int one = 1;

	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->fd < 0)
		fatal("socket");
	setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(p->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	from.sin_port = 0;
	if (bind(p->fd, (struct sockaddr *)&from, sizeof(from)) < 0)
		fatal("bind");
	p->t_try = now_ns();
	p->state = CONNECTING;
	if (connect(p->fd, (struct sockaddr *)&p->remote, sizeof(p->remote)) == 0)
		connected(p);
	else if (errno == EINPROGRESS)
		watch(p);
	else
		session_down(p);
}

static void
dialled(struct session *p, uint32_t events)
{
	socklen_t len = sizeof(int);
	int err = 0;

	if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0 || err)
		session_down(p);
	else if (events & EPOLLOUT)
		connected(p);
}

int
sessions_listen(struct gun *g)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons((uint16_t)g->port) };
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = &g->listener };
	int one = 1;

	g->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (g->listener < 0)
		return -1;
	setsockopt(g->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(g->listener, (struct sockaddr *)&any, sizeof(any)) < 0 ||
	    listen(g->listener, 1024) < 0)
		return -1;
	return epoll_ctl(g->ep, EPOLL_CTL_ADD, g->listener, &e);
}

static void
accept_all(struct gun *g)
{
	struct sockaddr_in me, who;
	socklen_t a, b;
	int fd, one = 1;

	while ((fd = accept4(g->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct session *found = NULL;

		a = b = sizeof(me);
		getsockname(fd, (struct sockaddr *)&me, &a);
		getpeername(fd, (struct sockaddr *)&who, &b);
		for (unsigned i = 0; i < g->nr_sessions && !found; i++) {
			struct session *p = g->sessions[i];

			if (p->passive && p->state == IDLE &&
			    p->local.sin_addr.s_addr == me.sin_addr.s_addr &&
			    p->remote.sin_addr.s_addr == who.sin_addr.s_addr)
				found = p;
		}
		if (!found) {
			close(fd);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		found->fd = fd;
		connected(found);
	}
}

struct session *
session_make(struct gun *g, struct in_addr local, struct in_addr remote, uint32_t as, bool passive)
{
	struct session *p = calloc(1, sizeof(*p));

	if (!p || g->nr_sessions == MAX_SESSIONS || !(p->in = malloc(IN_LEN)))
		fatal("one session more");
	p->gun = g;
	p->id = g->nr_sessions;
	p->fd = -1;
	p->passive = passive;
	p->as = as;
	p->local = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = local };
	p->remote = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr = remote, .sin_port = htons((uint16_t)g->port)
	};
	tables_make(p);
	g->sessions[g->nr_sessions++] = p;
	return p;
}

/* ---- the loop ---- */

/* What time asks of a session; how long until it asks again. */
static int64_t
tick(struct session *p, uint64_t t)
{
	uint64_t third = p->gun->hold_s * 333333333ull;

	if (p->state == CONNECTING && t - p->t_try > SYN_NS)
		session_down(p);
	if (p->state == IDLE && !p->passive) {
		if (t < p->t_retry)
			return (int64_t)(p->t_retry - t);
		dial(p);
	} else if (p->state == ESTABLISHED && t > p->t_alive + third) {
		p->t_alive = t;
		stream_keepalive(&p->out);
		session_flush(p);
	}
	return INT64_MAX;
}

static void
ready(struct session *p, uint32_t events)
{
	if (p->fd < 0)
		return;
	if (p->state == CONNECTING) {
		dialled(p, events);
		return;
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		receive(p);
	if (p->fd >= 0 && events & EPOLLOUT)
		session_flush(p);
}

void
turn(struct gun *g, int64_t wait_ns)
{
	struct epoll_event events[256];
	uint64_t t = now_ns();
	struct timespec ts;
	int nr;

	for (unsigned i = 0; g->started && i < g->nr_sessions; i++) {
		int64_t due = tick(g->sessions[i], t);

		wait_ns = due < wait_ns ? due : wait_ns;
	}
	ts = (struct timespec){ .tv_sec = wait_ns / 1000000000, .tv_nsec = wait_ns % 1000000000 };
	nr = epoll_pwait2(g->ep, events, 256, &ts, NULL);
	for (int i = 0; i < nr; i++) {
		if (events[i].data.ptr == &g->listener)
			accept_all(g);
		else if (events[i].data.ptr)
			ready(events[i].data.ptr, events[i].events);
	}
}
