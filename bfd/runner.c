/*
 * bfd/runner.c: the engine's thread.
 *
 * A round: wait for orders, packets or the next deadline; do the orders; read what came in; then look
 * at the deadlines.  In that order, so that a thread that was held up believes the packets that wait
 * for it rather than its watch.  Nothing here waits for anything else, asks for memory or logs; what
 * does not fit into the queue to the main thread is told later, the latest state of each session.
 */
#include "bfd/runner.h"

#include "bfd/auth.h"
#include "bfd/heap.h"
#include "lib/mem.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000u
#define FAREWELLS 3	  /* AdminDown, so that one lost packet is none */
#define FAREWELL_US 5000u /* between them */
#define LINGER_US                                                                                  \
	(3 * SECOND)	 /* RFC 5880 6.8.16: at least a detection time of a session that is down */
#define BEHIND_US 10000u /* when the queue of news was full */
#define BURST 512	 /* packets of one socket in a round; as many as its buffer holds, about */
#define PORT_TRIES 64
#define FLOOD                                                                                      \
	20000 /* packets in a second that were not taken: then priority would help who sends them */
#define REALTIME 20 /* of 1 to 99: above other programs, below the kernel's own threads */
#define BUCKETS 4096
#define STACK (256 * 1024)

struct run {
	struct heap_node node; /* first */
	struct run_conf conf;
	struct machine session;
	struct auth auth;
	int fd;		   /* -1: none */
	uint16_t port;	   /* 0: none yet */
	unsigned left;	   /* farewells still to send */
	uint64_t end;	   /* when a removed session is over; 0: it is not removed */
	uint64_t heard;	   /* a valid packet came */
	uint64_t fresh;	   /* and for so long its sequence number is known */
	struct addr local; /* as packets are sent to, where none is given */
	uint64_t sent, received, dropped;
	int error;
	bool touched, untold; /* since it was told; and that is urgent */
	enum bfd_state told;
	struct run *next_id, *next_peer; /* in their buckets */
};

struct runner {
	pthread_t thread;
	struct queue *orders, *news;
	struct heap heap;
	struct run *by_id[BUCKETS], *by_peer[BUCKETS];
	int listen[SOCK_NR]; /* -1: none */
	int listen_error[SOCK_NR];
	unsigned users[SOCK_NR];
	uint8_t ports[SOCK_NR_PORTS / 8];
	uint32_t port_hint;
	uint64_t now, report_at;
	uint64_t drops[DROP_NR];
	unsigned drops_now; /* in this second */
	enum runner_rank rank;
	bool drops_touched, behind, stopping;
};

uint64_t
runner_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec / 1000;
}

struct run *
run_new(const struct run_conf *conf)
{
	struct run *run = mem_calloc(1, sizeof(*run));

	if (!run)
		return NULL;
	run->conf = *conf;
	run->fd = -1;
	run->told = BFD_DOWN;
	run->local = conf->ends.local;
	return run;
}

void
run_free(struct run *run)
{
	if (!run)
		return;
	if (run->fd >= 0)
		close(run->fd);
	mem_wipe(&run->conf, sizeof(run->conf));
	mem_wipe(&run->auth, sizeof(run->auth));
	mem_free(run);
}

/* ---- news ---- */

static void
put(struct runner *r, const struct news *n, bool *left)
{
	*left = !queue_put(r->news, n);
	if (*left)
		r->behind = true;
	else
		queue_ring(r->news);
}

static void
tell(struct runner *r, struct run *run)
{
	const struct machine *s = &run->session;
	struct news n = { .kind = NEWS_SESSION };
	uint32_t rx = s->remote_min_tx > s->held_rx ? s->remote_min_tx : s->held_rx;

	n.session = (struct news_session){
		.id = s->id,
		.remote_id = s->remote_id,
		.state = s->state,
		.remote = s->remote_state,
		.diag = s->diag,
		.remote_diag = s->remote_diag,
		.multiplier = s->conf.multiplier,
		.remote_multiplier = s->remote_multiplier,
		.remote_independent = s->remote_independent,
		.local = run->local,
		.tx_us = s->tx_us,
		.rx_us = rx,
		.detect_us = s->state == BFD_UP ? s->detect_us : 0,
		.since_us = s->since,
		.sent = run->sent,
		.received = run->received,
		.dropped = run->dropped,
		.ups = s->ups,
		.downs = s->downs,
		.error = run->error,
	};
	put(r, &n, &run->untold);
	if (!run->untold) {
		run->told = s->state;
		run->touched = false;
	}
}

static void
tell_port(struct runner *r, enum sock_class c)
{
	struct news n = { .kind = NEWS_PORT };
	bool left;

	n.port.class = c;
	n.port.error = r->listen_error[c];
	put(r, &n, &left); /* lost: it is told again with the next try */
}

/* Once a second: what counts, of sessions where anything moved; never all of the queue. */
static void
report(struct runner *r)
{
	bool left;

	for (size_t i = 0; i < BUCKETS; i++)
		for (struct run *run = r->by_id[i]; run; run = run->next_id)
			if (!run->end &&
			    (run->untold || (run->touched && queue_room(r->news) > 256)))
				tell(r, run);
	if (r->drops_touched) {
		struct news n = { .kind = NEWS_DROPS };

		memcpy(n.drops, r->drops, sizeof(n.drops));
		put(r, &n, &left);
		r->drops_touched = left;
	}
}

/* ---- sockets ---- */

static void
listen_try(struct runner *r, enum sock_class c)
{
	int had = r->listen_error[c], fd;

	if (r->users[c] == 0 || r->listen[c] >= 0)
		return;
	fd = sock_listen(c);
	r->listen[c] = fd < 0 ? -1 : fd;
	r->listen_error[c] = fd < 0 ? fd : 0;
	if (had != r->listen_error[c])
		tell_port(r, c);
}

static void
listen_leave(struct runner *r, enum sock_class c)
{
	if (--r->users[c] > 0)
		return;
	if (r->listen[c] >= 0)
		close(r->listen[c]);
	r->listen[c] = -1;
	if (r->listen_error[c]) {
		r->listen_error[c] = 0;
		tell_port(r, c);
	}
}

static void
port_release(struct runner *r, struct run *run)
{
	unsigned i = (unsigned)run->port - SOCK_PORT_FIRST;

	if (run->port)
		r->ports[i / 8] = (uint8_t)(r->ports[i / 8] & ~(1u << i % 8));
	run->port = 0;
}

/* A port that no session has, nor another program. */
static int
open_any(struct runner *r, struct run *run)
{
	int fd = -EADDRINUSE;

	for (unsigned n = 0, tries = 0; n < SOCK_NR_PORTS && tries < PORT_TRIES; n++) {
		unsigned i = r->port_hint++ % SOCK_NR_PORTS;

		if (r->ports[i / 8] >> i % 8 & 1)
			continue;
		tries++;
		fd = sock_open(&run->conf.ends, (uint16_t)(SOCK_PORT_FIRST + i));
		if (fd >= 0) {
			run->port = (uint16_t)(SOCK_PORT_FIRST + i);
			r->ports[i / 8] = (uint8_t)(r->ports[i / 8] | 1u << i % 8);
		}
		if (fd != -EADDRINUSE)
			break;
	}
	return fd;
}

/* RFC 5881 4: a session keeps its port; but not when another program took it meanwhile. */
static int
open_run(struct runner *r, struct run *run)
{
	int fd = run->port ? sock_open(&run->conf.ends, run->port) : -EADDRINUSE;

	if (fd == -EADDRINUSE) {
		port_release(r, run);
		fd = open_any(r, run);
	}
	run->fd = fd < 0 ? -1 : fd;
	return fd < 0 ? fd : 0;
}

/* What passes by itself; anything else may mean that the address or device is another one now. */
static bool
is_passing(int err)
{
	return err == -EAGAIN || err == -ENOBUFS || err == -ENOMEM || err == -EPERM;
}

static void
transmit(struct runner *r, struct run *run, struct packet *p)
{
	uint8_t bytes[PACKET_MAX];
	size_t len;
	int err = 0;

	auth_fill(&run->auth, p);
	len = packet_write(p, bytes);
	if (!auth_sign(&run->auth, bytes, len))
		err = -EIO;
	if (err == 0 && run->fd < 0)
		err = open_run(r, run);
	if (err == 0)
		err = sock_send(run->fd, &run->conf.ends, bytes, len);
	if (err == 0)
		run->sent++;
	else if (run->fd >= 0 && !is_passing(err)) {
		close(run->fd);
		run->fd = -1;
	}
	run->touched = true;
	run->error = err;
}

/* ---- priority ---- */

static void
set_rank(struct runner *r, enum runner_rank rank)
{
	struct news n = { .kind = NEWS_RANK };
	bool left;

	if (rank == r->rank)
		return;
	r->rank = n.rank = rank;
	put(r, &n, &left);
}

/* Above what else runs here, as far as that is allowed: a few microseconds a packet, and nobody takes
 * this node for dead because it is busy. */
static void
rise(struct runner *r)
{
	struct sched_param param = { .sched_priority = REALTIME };

	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param) == 0)
		set_rank(r, RANK_REALTIME);
	else
		set_rank(r, setpriority(PRIO_PROCESS, 0, -20) == 0 ? RANK_NICE : RANK_NONE);
}

/* Somebody sends more than all sessions together could: his packets shall not keep a processor from
 * everything else. */
static void
sink(struct runner *r)
{
	struct sched_param param = { .sched_priority = 0 };

	if (r->rank == RANK_FLOODED)
		return;
	(void)sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &param);
	(void)setpriority(PRIO_PROCESS, 0, 0);
	set_rank(r, RANK_FLOODED);
}

/* ---- sessions ---- */

static struct run **
id_bucket(struct runner *r, uint32_t id)
{
	return &r->by_id[id % BUCKETS]; /* our own chance made it */
}

static struct run **
peer_bucket(struct runner *r, const struct addr *peer)
{
	return &r->by_peer[addr_hash(peer) % BUCKETS];
}

static void
schedule(struct runner *r, struct run *run)
{
	uint64_t at = machine_next(&run->session);

	if (run->end) {
		uint64_t then = run->left ? run->session.tx_last + FAREWELL_US : run->end;

		at = then < at ? then : at;
	}
	heap_set(&r->heap, &run->node, at);
}

/* After anything that may have changed the session. */
static void
follow(struct runner *r, struct run *run)
{
	struct packet p;

	/* A change is told before it is answered: sending may take its time. */
	if (run->told != run->session.state && !run->end)
		tell(r, run);
	while (machine_take(&run->session, &p, r->now))
		transmit(r, run, &p);
	schedule(r, run);
}

static void
unlink_run(struct runner *r, struct run *run)
{
	struct run **at;

	for (at = id_bucket(r, run->conf.id); *at != run; at = &(*at)->next_id)
		;
	*at = run->next_id;
	for (at = peer_bucket(r, &run->conf.ends.peer); *at != run; at = &(*at)->next_peer)
		;
	*at = run->next_peer;
	heap_remove(&r->heap, &run->node);
}

static void
drop_run(struct runner *r, struct run *run)
{
	unlink_run(r, run);
	listen_leave(r, sock_class(&run->conf.ends.peer, run->conf.ends.multihop));
	port_release(r, run);
	run_free(run);
}

static bool
ends_equal(const struct sock_ends *a, const struct sock_ends *b)
{
	return addr_eq(&a->peer, &b->peer) && addr_eq(&a->local, &b->local) &&
	    strcmp(a->device, b->device) == 0 && a->multihop == b->multihop;
}

static struct run *
find_id(struct runner *r, uint32_t id)
{
	struct run *run = *id_bucket(r, id);

	while (run && run->conf.id != id)
		run = run->next_id;
	return run;
}

static void
add_run(struct runner *r, struct run *run)
{
	enum sock_class c = sock_class(&run->conf.ends.peer, run->conf.ends.multihop);
	struct run **bucket = peer_bucket(r, &run->conf.ends.peer), *next;

	/* One that says farewell makes room for the next of the same ends. */
	for (struct run *old = *bucket; old; old = next) {
		next = old->next_peer;
		if (old->end && ends_equal(&old->conf.ends, &run->conf.ends))
			drop_run(r, old);
	}
	run->next_peer = *bucket;
	*bucket = run;
	bucket = id_bucket(r, run->conf.id);
	run->next_id = *bucket;
	*bucket = run;
	machine_init(&run->session, &run->conf.session, run->conf.id, run->conf.seed, r->now);
	auth_init(&run->auth, run->conf.key, run->conf.key_len, run->conf.key_id,
	    (uint32_t)(run->conf.seed >> 32));
	r->users[c]++;
	listen_try(r, c);
	if (r->listen_error[c])
		tell_port(r, c);
	run->touched = true;
	follow(r, run);
}

static void
remove_run(struct runner *r, struct run *run)
{
	/* Nobody is there who could take it for a loss; or too many say farewell already. */
	if (run->session.remote_id == 0 || r->heap.nr > RUNNER_MAX) {
		drop_run(r, run);
		return;
	}
	run->end = r->now + LINGER_US;
	run->left = FAREWELLS - 1;
	machine_stop(&run->session, r->now);
	follow(r, run);
}

static void
tick(struct runner *r, struct run *run)
{
	if (run->end && r->now >= run->end) {
		drop_run(r, run);
		return;
	}
	if (run->left && r->now >= run->session.tx_last + FAREWELL_US) {
		run->left--;
		run->session.owes_news = true;
	}
	machine_tick(&run->session, r->now);
	follow(r, run);
}

/* ---- receiving ---- */

static bool
fits(struct run *run, const struct sock_from *from, bool multihop)
{
	struct sock_ends *e = &run->conf.ends;

	if (e->multihop != multihop || !addr_eq(&e->peer, &from->src))
		return false;
	if (e->device[0] && from->ifindex != e->ifindex)
		e->ifindex = if_nametoindex(e->device); /* another one of that name, maybe */
	return !e->device[0] || from->ifindex == e->ifindex;
}

/* RFC 5881 3: before our discriminator is known there, addresses and device tell the session.  One
 * that names its local address goes before one that does not; one that says farewell is not meant. */
static struct run *
find_ends(struct runner *r, const struct sock_from *from, bool multihop)
{
	struct run *found = NULL;

	for (struct run *run = *peer_bucket(r, &from->src); run; run = run->next_peer) {
		bool named = addr_is_set(&run->conf.ends.local);

		if (!fits(run, from, multihop) || run->end)
			continue;
		if (named && addr_eq(&run->conf.ends.local, &from->dst))
			return run;
		if (!named)
			found = run;
	}
	return found;
}

/* *run: whose packet it is, as far as that can be known of one that is not taken. */
static enum packet_drop
take(struct runner *r, enum sock_class c, const uint8_t *bytes, size_t len,
    const struct sock_from *from, struct run **run)
{
	bool multihop = c == SOCK_V4_MULTIHOP || c == SOCK_V6_MULTIHOP;
	struct packet p;
	enum packet_drop why = packet_read(&p, bytes, len);

	/* RFC 5881 5, RFC 5082: a packet from further away cannot have 255. */
	if (!multihop && from->ttl != 255)
		why = DROP_HOPS;
	*run = why == DROP_NONE && p.your ? find_id(r, p.your) : find_ends(r, from, multihop);
	if (why != DROP_NONE)
		return why;
	if (p.your && (!*run || !fits(*run, from, multihop)))
		return DROP_YOUR_DISCRIMINATOR;
	if (!*run)
		return DROP_NO_SESSION;
	if (multihop && from->ttl < (*run)->conf.min_ttl)
		return DROP_HOPS;
	if (r->now >= (*run)->fresh)
		auth_forget(&(*run)->auth);
	why = auth_check(&(*run)->auth, &p, bytes, (*run)->session.state == BFD_UP);
	if (why != DROP_NONE)
		return why;
	if (!addr_is_set(&(*run)->conf.ends.local))
		(*run)->local = from->dst;
	machine_receive(&(*run)->session, &p, r->now);
	return DROP_NONE;
}

static void
receive(struct runner *r, enum sock_class c)
{
	uint8_t bytes[256]; /* a packet is no longer: its length has one byte */
	struct sock_from from;
	struct run *run;

	for (unsigned i = 0; i < BURST; i++) {
		int got = sock_receive(r->listen[c], bytes, sizeof(bytes), &from);
		enum packet_drop why;

		if (got == -EAGAIN)
			return;
		if (got < 0) /* an error of the socket is taken by being read */
			continue;
		why = take(r, c, bytes, (size_t)got, &from, &run);
		if (run)
			run->touched = true;
		if (why == DROP_NONE) {
			run->received++;
			run->fresh = r->now + 2 * run->session.detect_us;
			follow(r, run);
			continue;
		}
		r->drops[why]++;
		r->drops_now++;
		r->drops_touched = true;
		if (run)
			run->dropped++;
	}
}

/* ---- the thread ---- */

static void
obey(struct runner *r)
{
	struct order o;
	struct run *run;

	queue_quiet(r->orders);
	while (queue_take(r->orders, &o)) {
		run = o.kind == ORDER_SET || o.kind == ORDER_REMOVE ? find_id(r, o.id) : NULL;
		switch (o.kind) {
		case ORDER_ADD:
			add_run(r, o.run);
			break;
		case ORDER_SET:
			run->conf.min_ttl = o.min_ttl;
			machine_set(&run->session, &o.session, r->now);
			follow(r, run);
			break;
		case ORDER_REMOVE:
			remove_run(r, run);
			break;
		case ORDER_STOP:
			r->stopping = true;
			break;
		}
	}
}

static void
every_second(struct runner *r)
{
	r->report_at = r->now + SECOND;
	if (r->rank == RANK_FLOODED && r->drops_now < FLOOD / 2)
		rise(r);
	r->drops_now = 0;
	for (int c = 0; c < SOCK_NR; c++)
		listen_try(r, (enum sock_class)c);
	report(r);
}

/* What could not be told for want of room. */
static void
catch_up(struct runner *r)
{
	r->behind = false;
	for (size_t i = 0; i < BUCKETS && !r->behind; i++)
		for (struct run *run = r->by_id[i]; run && !r->behind; run = run->next_id)
			if (run->untold)
				tell(r, run);
}

static void
wait_for(struct runner *r, uint64_t until)
{
	struct pollfd fds[1 + SOCK_NR] = { { .fd = queue_fd(r->orders), .events = POLLIN } };
	uint64_t now = runner_clock(), us = until > now ? until - now : 0;
	struct timespec ts = { .tv_sec = (time_t)(us / SECOND),
		.tv_nsec = (long)(us % SECOND) * 1000 };

	for (int c = 0; c < SOCK_NR; c++)
		fds[1 + c] = (struct pollfd){ .fd = r->listen[c], .events = POLLIN };
	if (ppoll(fds, 1 + SOCK_NR, &ts, NULL) < 0)
		memset(fds, 0, sizeof(fds)); /* EINTR, ENOMEM: look at the deadlines */
	r->now = runner_clock();
	if (fds[0].revents)
		obey(r);
	for (int c = 0; c < SOCK_NR; c++)
		if (fds[1 + c].revents && r->listen[c] >= 0)
			receive(r, (enum sock_class)c);
	if (r->drops_now > FLOOD)
		sink(r);
}

static uint64_t
next_deadline(const struct runner *r)
{
	const struct heap_node *first = heap_first(&r->heap);
	uint64_t at = r->report_at;

	if (!first && !r->behind)
		return r->now + 3600ull * SECOND; /* no session, nothing to count */
	if (first && first->at < at)
		at = first->at;
	if (r->behind && r->now + BEHIND_US < at)
		at = r->now + BEHIND_US;
	return at;
}

/* The end of the process: everybody hears it, more than once, and is not waited for. */
static void
farewell(struct runner *r)
{
	struct timespec pause = { .tv_nsec = FAREWELL_US * 1000L };
	struct run *run;

	for (unsigned n = 0; n < FAREWELLS; n++) {
		if (n > 0 && heap_first(&r->heap))
			(void)ppoll(NULL, 0, &pause, NULL);
		r->now = runner_clock();
		for (size_t i = 0; i < BUCKETS; i++) {
			for (run = r->by_id[i]; run; run = run->next_id) {
				run->end = r->now; /* nobody is told any more */
				machine_stop(&run->session, r->now);
				run->session.owes_news = run->session.remote_id != 0;
				follow(r, run);
			}
		}
	}
	while (heap_first(&r->heap))
		drop_run(r, (struct run *)(void *)heap_first(&r->heap));
}

static void *
run_thread(void *arg)
{
	struct runner *r = arg;

	rise(r);
	r->now = runner_clock();
	r->report_at = r->now + SECOND;
	while (!r->stopping) {
		struct heap_node *first;

		wait_for(r, next_deadline(r));
		while ((first = heap_first(&r->heap)) && first->at <= r->now)
			tick(r, (struct run *)(void *)first);
		if (r->behind)
			catch_up(r);
		if (r->now >= r->report_at)
			every_second(r);
	}
	farewell(r);
	return NULL;
}

static int
start(struct runner *r)
{
	pthread_attr_t attr;
	sigset_t all, had;
	int err;

	/* Signals are the main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &had);
	pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK);
	err = pthread_create(&r->thread, &attr, run_thread, r);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &had, NULL);
	if (err == 0)
		(void)pthread_setname_np(r->thread, "herald-bfd");
	return -err;
}

struct runner *
runner_new(struct queue *orders, struct queue *news, int *err)
{
	struct runner *r = mem_calloc(1, sizeof(*r));

	*err = -ENOMEM;
	if (!r)
		return NULL;
	r->orders = orders;
	r->news = news;
	for (int c = 0; c < SOCK_NR; c++)
		r->listen[c] = -1;
	r->port_hint = (uint32_t)runner_clock();
	*err = heap_init(&r->heap, RUNNER_MAX * 2); /* and those that say farewell */
	if (*err == 0)
		*err = start(r);
	if (*err == 0)
		return r;
	heap_fini(&r->heap);
	mem_free(r);
	return NULL;
}

void
runner_join(struct runner *r)
{
	pthread_join(r->thread, NULL);
	heap_fini(&r->heap);
	mem_free(r);
}
