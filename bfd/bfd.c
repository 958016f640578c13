/*
 * bfd/bfd.c: the engine as the main thread sees it: watches, the sessions that they share, and what
 * the thread told of them.
 *
 * A session that the thread has yet to be told of (new, changed, to be removed) stands in a list; as
 * much of it goes as the queue has room for, the rest when a timer says so.  The thread's news
 * are copied into the session, and then its watches are called.
 */
#include "bfd/bfd.h"

#include "bfd/runner.h"
#include "lib/digest.h"
#include "lib/hash.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <uthash.h>

#define ORDERS 256
#define NEWS 1024
#define AGAIN_MS 5 /* when the queue of orders was full */
#define INTERVAL_US 300000
#define LEAST_US 1000 /* nothing of use is quicker, and a zero would be a flood */
#define MULTIPLIER 3
#define MIN_TTL 254

enum due { DUE_NONE, DUE_ADD, DUE_SET, DUE_REMOVE };

struct sess {
	uint32_t id;
	struct sock_ends ends;
	uint8_t key[BFD_KEY_MAX], key_len, key_id;
	struct machine_conf conf; /* of all watches together */
	uint8_t min_ttl;
	struct bfd_watch *watches;
	unsigned nr_watches;
	struct news_session news;
	char why[160];
	enum due due;
	bool sent; /* the thread knows of it */
	struct sess *next_due;
	UT_hash_handle hh; /* by id */
};

struct bfd_watch {
	struct bfd *bfd;
	struct sess *sess;
	struct machine_conf conf;
	uint8_t min_ttl;
	struct bfd_ops ops;
	void *arg;
	bool told_up, dead;
	struct bfd_watch *next;
};

struct bfd {
	struct loop *loop;
	struct queue *orders, *news;
	struct runner *runner;
	struct loop_fd *fd;
	struct sess *sessions; /* uthash */
	struct sess *due, **due_tail;
	struct loop_timer again; /* the queue of orders was full */
	struct loop_work greet;	 /* watches that joined a session that is up */
	unsigned calling;
	bool dead_watches;
	int port_error[SOCK_NR];
	char error[256];
	uint64_t drops[DROP_NR];
};

/* ---- orders ---- */

static void
wipe_sess(struct sess *s)
{
	mem_wipe(s->key, sizeof(s->key));
	mem_free(s);
}

/* False: no room now. */
static bool
send_order(struct bfd *b, struct sess *s)
{
	struct order o = { .id = s->id, .session = s->conf, .min_ttl = s->min_ttl };
	struct run_conf conf = {
		.id = s->id,
		.ends = s->ends,
		.session = s->conf,
		.min_ttl = s->min_ttl,
		.key_len = s->key_len,
		.key_id = s->key_id,
	};

	if (queue_room(b->orders) <= 1) /* one is kept for the end */
		return false;
	if (s->due == DUE_ADD) {
		memcpy(conf.key, s->key, sizeof(conf.key));
		if (getrandom(&conf.seed, sizeof(conf.seed), 0) != sizeof(conf.seed))
			conf.seed = hash_mix(hash_secret() ^ loop_now_us(b->loop));
		o.kind = ORDER_ADD;
		o.run = run_new(&conf);
		mem_wipe(&conf, sizeof(conf));
		if (!o.run)
			return false;
	} else {
		o.kind = s->due == DUE_SET ? ORDER_SET : ORDER_REMOVE;
	}
	(void)queue_put(b->orders, &o); /* there was room, and nobody else puts */
	return true;
}

static void
flush(struct bfd *b)
{
	bool any = false;

	while (b->due) {
		struct sess *s = b->due;
		/* What the thread never heard of needs no farewell. */
		bool moot = s->due == DUE_REMOVE && !s->sent;

		if (!moot && !send_order(b, s)) {
			timer_set(&b->again, AGAIN_MS);
			break;
		}
		any = any || !moot;
		b->due = s->next_due;
		if (!b->due)
			b->due_tail = &b->due;
		s->sent = true;
		if (s->due == DUE_REMOVE)
			wipe_sess(s);
		else
			s->due = DUE_NONE;
	}
	if (any)
		queue_ring(b->orders);
}

static void
flush_again(void *arg)
{
	flush(arg);
}

/* A new session stays new, however often it is changed before the thread hears of it. */
static void
set_due(struct bfd *b, struct sess *s, enum due due)
{
	bool listed = s->due != DUE_NONE;

	if (due == DUE_REMOVE || s->due != DUE_ADD)
		s->due = due;
	if (!listed) {
		s->next_due = NULL;
		*b->due_tail = s;
		b->due_tail = &s->next_due;
	}
	flush(b);
}

/* ---- news ---- */

static void
sweep_watches(struct bfd *b)
{
	b->dead_watches = false;
	for (struct sess *s = b->sessions; s; s = s->hh.next) {
		for (struct bfd_watch **at = &s->watches; *at;) {
			struct bfd_watch *w = *at;

			if (!w->dead) {
				at = &w->next;
				continue;
			}
			*at = w->next;
			mem_free(w);
		}
	}
}

static void drop_empty(struct bfd *);

/* Tell the watches of @s that think otherwise.  They may be freed meanwhile, so may others. */
static void
deliver(struct bfd *b, struct sess *s)
{
	bool up = s->news.state == BFD_UP;

	b->calling++;
	for (struct bfd_watch *w = s->watches; w; w = w->next) {
		if (w->dead || w->told_up == up)
			continue;
		w->told_up = up;
		if (w->ops.changed)
			w->ops.changed(w->arg, up ? BFD_UP : BFD_DOWN, s->why);
	}
	if (--b->calling == 0 && b->dead_watches) {
		sweep_watches(b);
		drop_empty(b);
	}
}

static void
describe(struct sess *s)
{
	const struct news_session *n = &s->news;

	if (n->state == BFD_UP)
		snprintf(s->why, sizeof(s->why), "both ends hear each other");
	else if (n->diag == DIAG_EXPIRED)
		snprintf(s->why, sizeof(s->why), "nothing was heard for the detection time");
	else if (n->remote == BFD_ADMIN_DOWN)
		snprintf(s->why, sizeof(s->why), "the other end stopped by itself (%s)",
		    bfd_diag_name(n->remote_diag));
	else
		snprintf(s->why, sizeof(s->why), "the other end says that it is down (%s)",
		    bfd_diag_name(n->remote_diag));
}

static void
set_error(struct bfd *b)
{
	b->error[0] = '\0';
	for (unsigned c = 0; c < SOCK_NR && !b->error[0]; c++) {
		int err = b->port_error[c];

		if (err == 0)
			continue;
		snprintf(b->error, sizeof(b->error), "cannot listen on UDP port %u (%s): %s%s",
		    sock_port((enum sock_class)c),
		    c == SOCK_V4 || c == SOCK_V4_MULTIHOP ? "IPv4" : "IPv6", strerror(-err),
		    err == -EADDRINUSE ? "; stop the other program that speaks BFD on this host"
				       : "");
	}
}

static void
read_port(struct bfd *b, enum sock_class c, int error)
{
	bool had = b->port_error[c] != 0;

	b->port_error[c] = error;
	set_error(b);
	if (error && !had)
		log_error("bfd-not-listening", LOG_S("what", b->error));
	else if (!error && had)
		log_info("bfd-listening", LOG_U("port", sock_port(c)));
}

static void
read_session(struct bfd *b, const struct news_session *n)
{
	struct sess *s;
	bool was_up;

	HASH_FIND(hh, b->sessions, &n->id, sizeof(n->id), s);
	if (!s) /* removed meanwhile */
		return;
	was_up = s->news.state == BFD_UP;
	s->news = *n;
	if (was_up != (n->state == BFD_UP)) {
		describe(s);
		deliver(b, s);
	}
}

static void
read_rank(enum runner_rank rank)
{
	if (rank == RANK_NONE)
		log_warn("bfd-without-priority",
		    LOG_S("what",
			"a busy node may be taken for dead; allow CAP_SYS_NICE or LimitRTPRIO=20"));
	else if (rank == RANK_FLOODED)
		log_warn("bfd-flooded",
		    LOG_S("what",
			"too many packets that are not of a session; the thread has no priority "
			"until "
			"they are fewer"));
	else
		log_info(
		    "bfd-priority", LOG_S("priority", rank == RANK_NICE ? "nice" : "realtime"));
}

static void
news_came(void *arg, int fd, unsigned what)
{
	struct bfd *b = arg;
	struct news n;

	(void)fd;
	(void)what;
	queue_quiet(b->news);
	for (unsigned i = 0; i < NEWS && queue_take(b->news, &n); i++) {
		switch (n.kind) {
		case NEWS_SESSION:
			read_session(b, &n.session);
			break;
		case NEWS_PORT:
			read_port(b, n.port.class, n.port.error);
			break;
		case NEWS_DROPS:
			memcpy(b->drops, n.drops, sizeof(b->drops));
			break;
		case NEWS_RANK:
			read_rank(n.rank);
			break;
		}
	}
	if (queue_room(b->news) < NEWS) /* more than a turn's share */
		queue_ring(b->news);
	if (b->due)
		flush(b);
}

/* Watches that were made of a session that was up already. */
static void
greet_due(void *arg)
{
	struct bfd *b = arg;
	struct sess *s, *next;

	b->calling++; /* so that no session goes away on the way */
	HASH_ITER(hh, b->sessions, s, next)
	deliver(b, s);
	b->calling--;
	if (b->dead_watches) {
		sweep_watches(b);
		drop_empty(b);
	}
}

/* ---- the engine ---- */

struct bfd *
bfd_new(struct loop *loop, int *err)
{
	struct bfd *b = mem_calloc(1, sizeof(*b));

	*err = -ENOMEM;
	if (!b)
		return NULL;
	(void)hash_secret(); /* made once, before there are two threads */
	b->loop = loop;
	b->due_tail = &b->due;
	timer_init(&b->again, loop, flush_again, b);
	work_init(&b->greet, loop, greet_due, b);
	b->orders = queue_new(ORDERS, sizeof(struct order));
	b->news = b->orders ? queue_new(NEWS, sizeof(struct news)) : NULL;
	if (!b->news) {
		*err = -errno;
		goto free_queues;
	}
	b->fd = loop_fd_new(loop, queue_fd(b->news), LOOP_READ, news_came, b);
	if (!b->fd)
		goto free_queues;
	b->runner = runner_new(b->orders, b->news, err);
	if (!b->runner)
		goto free_fd;
	*err = 0;
	return b;

free_fd:
	loop_fd_free(b->fd);
free_queues:
	queue_free(b->orders);
	queue_free(b->news);
	mem_free(b);
	return NULL;
}

void
bfd_free(struct bfd *b)
{
	struct order o = { .kind = ORDER_STOP };

	if (!b)
		return;
	assert(!b->sessions);
	flush(b); /* what does not fit ends with the thread */
	(void)queue_put(b->orders, &o);
	queue_ring(b->orders);
	runner_join(b->runner);
	while (queue_take(b->orders, &o)) /* behind the last order; there is none */
		run_free(o.kind == ORDER_ADD ? o.run : NULL);
	while (b->due) {
		struct sess *s = b->due;

		b->due = s->next_due;
		wipe_sess(s);
	}
	timer_stop(&b->again);
	work_cancel(&b->greet);
	loop_fd_free(b->fd);
	queue_free(b->orders);
	queue_free(b->news);
	mem_free(b);
}

const char *
bfd_error(const struct bfd *b)
{
	return b->error;
}

/* ---- watches ---- */

/* All that a session's watches ask for: the shortest intervals, the largest multiplier, the nearest
 * other end; passive when all are. */
static void
unite(struct sess *s)
{
	bool first = true;

	for (const struct bfd_watch *w = s->watches; w; w = w->next) {
		if (w->dead)
			continue;
		if (first) {
			s->conf = w->conf;
			s->min_ttl = w->min_ttl;
			first = false;
			continue;
		}
		if (w->conf.tx_us < s->conf.tx_us)
			s->conf.tx_us = w->conf.tx_us;
		if (w->conf.rx_us < s->conf.rx_us)
			s->conf.rx_us = w->conf.rx_us;
		if (w->conf.multiplier > s->conf.multiplier)
			s->conf.multiplier = w->conf.multiplier;
		if (w->min_ttl > s->min_ttl)
			s->min_ttl = w->min_ttl;
		s->conf.passive = s->conf.passive && w->conf.passive;
	}
}

static bool
is_watchable(const struct bfd_conf *c)
{
	if (!addr_is_unicast(&c->peer) || c->key_len > BFD_KEY_MAX || !c->device ||
	    strlen(c->device) >= sizeof(((struct sock_ends *)0)->device))
		return false;
	if (addr_is_set(&c->local) &&
	    (c->local.family != c->peer.family || !addr_is_unicast(&c->local)))
		return false;
	if (addr_is_linklocal(&c->peer) && c->peer.family == ADDR_V6 &&
	    (!c->device[0] || c->multihop))
		return false;
	return (!c->tx_us || c->tx_us >= LEAST_US) && (!c->rx_us || c->rx_us >= LEAST_US);
}

static void
take_conf(struct bfd_watch *w, const struct bfd_conf *c)
{
	w->conf.tx_us = c->tx_us ? c->tx_us : INTERVAL_US;
	w->conf.rx_us = c->rx_us ? c->rx_us : INTERVAL_US;
	w->conf.multiplier = c->multiplier ? c->multiplier : MULTIPLIER;
	w->conf.passive = c->passive;
	w->min_ttl = c->min_ttl ? c->min_ttl : MIN_TTL;
}

static bool
ends_match(const struct sock_ends *e, const struct bfd_conf *c)
{
	return addr_eq(&e->peer, &c->peer) && addr_eq(&e->local, &c->local) &&
	    strcmp(e->device, c->device) == 0 && e->multihop == c->multihop;
}

static struct sess *
find_sess(struct bfd *b, const struct bfd_conf *c)
{
	for (struct sess *s = b->sessions; s; s = s->hh.next)
		if (ends_match(&s->ends, c))
			return s;
	return NULL;
}

/* RFC 5880 10: discriminators that nobody can guess. */
static uint32_t
new_id(struct bfd *b)
{
	struct sess *s;
	uint32_t id;

	do {
		if (getrandom(&id, sizeof(id), 0) != sizeof(id))
			id = (uint32_t)hash_mix(hash_secret() ^ loop_now_us(b->loop));
		HASH_FIND(hh, b->sessions, &id, sizeof(id), s);
	} while (id == 0 || s);
	return id;
}

static struct sess *
new_sess(struct bfd *b, const struct bfd_conf *c)
{
	struct sess *s = mem_calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->id = new_id(b);
	s->ends = (struct sock_ends){ .peer = c->peer, .local = c->local, .multihop = c->multihop };
	snprintf(s->ends.device, sizeof(s->ends.device), "%s", c->device);
	memcpy(s->key, c->key, c->key_len);
	s->key_len = c->key_len;
	/* Opened here, for the thread waits for nothing.  Without it every packet fails its check. */
	if (s->key_len)
		(void)digest_open();
	s->key_id = c->key_id;
	s->news.state = s->news.remote = BFD_DOWN;
	s->news.since_us = runner_clock();
	HASH_ADD(hh, b->sessions, id, sizeof(s->id), s);
	return s;
}

static bool
is_same_key(const struct sess *s, const struct bfd_conf *c)
{
	return s->key_len == c->key_len && (!c->key_len || s->key_id == c->key_id) &&
	    memcmp(s->key, c->key, c->key_len) == 0;
}

struct bfd_watch *
bfd_watch_new(
    struct bfd *b, const struct bfd_conf *c, const struct bfd_ops *ops, void *arg, int *err)
{
	struct bfd_watch *w;
	struct sess *s;
	bool is_new;

	*err = -EINVAL;
	if (!is_watchable(c))
		return NULL;
	s = find_sess(b, c);
	is_new = !s;
	*err = -EEXIST;
	if (s && !is_same_key(s, c))
		return NULL;
	*err = -ENOSPC;
	if (!s && HASH_COUNT(b->sessions) >= RUNNER_MAX)
		return NULL;
	*err = -ENOMEM;
	w = mem_calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	s = s ? s : new_sess(b, c);
	if (!s) {
		mem_free(w);
		return NULL;
	}
	w->bfd = b;
	w->sess = s;
	w->ops = *ops;
	w->arg = arg;
	take_conf(w, c);
	w->next = s->watches;
	s->watches = w;
	s->nr_watches++;
	unite(s);
	set_due(b, s, is_new ? DUE_ADD : DUE_SET);
	work_post(&b->greet);
	*err = 0;
	return w;
}

int
bfd_watch_set(struct bfd_watch *w, const struct bfd_conf *c)
{
	if (!is_watchable(c) || !ends_match(&w->sess->ends, c) || !is_same_key(w->sess, c))
		return -EINVAL;
	take_conf(w, c);
	unite(w->sess);
	set_due(w->bfd, w->sess, DUE_SET);
	return 0;
}

/* Sessions without a watch end. */
static void
drop_empty(struct bfd *b)
{
	struct sess *s, *next;

	HASH_ITER(hh, b->sessions, s, next)
	{
		if (s->watches)
			continue;
		HASH_DEL(b->sessions, s);
		set_due(b, s, DUE_REMOVE);
	}
}

void
bfd_watch_free(struct bfd_watch *w)
{
	struct bfd *b;
	struct sess *s;

	if (!w)
		return;
	b = w->bfd;
	s = w->sess;
	w->dead = true;
	b->dead_watches = true;
	if (--s->nr_watches > 0) {
		unite(s);
		set_due(b, s, DUE_SET);
	}
	if (b->calling == 0) {
		sweep_watches(b);
		drop_empty(b);
	}
}

enum bfd_state
bfd_watch_state(const struct bfd_watch *w)
{
	return w->sess->news.state;
}

bool
bfd_watch_is_admin(const struct bfd_watch *w)
{
	return w->sess->news.remote == BFD_ADMIN_DOWN;
}

bool
bfd_watch_is_independent(const struct bfd_watch *w)
{
	return w->sess->news.remote_independent;
}

/* ---- showing ---- */

static int
by_ends(const void *a, const void *b)
{
	const struct sess *const *x = a, *const *y = b;
	int d = addr_cmp(&(*x)->ends.peer, &(*y)->ends.peer);

	d = d ? d : addr_cmp(&(*x)->ends.local, &(*y)->ends.local);
	d = d ? d : strcmp((*x)->ends.device, (*y)->ends.device);
	return d ? d : (int)(*x)->ends.multihop - (int)(*y)->ends.multihop;
}

static struct bfd_seen
seen_of(const struct sess *s, uint64_t now_us)
{
	const struct news_session *n = &s->news;

	return (struct bfd_seen){
		.peer = s->ends.peer,
		.local = addr_is_set(&s->ends.local) ? s->ends.local : n->local,
		.device = s->ends.device,
		.multihop = s->ends.multihop,
		.state = n->state,
		.remote = n->remote,
		.diag = n->diag,
		.remote_diag = n->remote_diag,
		.multiplier = s->conf.multiplier,
		.remote_multiplier = n->remote_multiplier,
		.discriminator = s->id,
		.remote_discriminator = n->remote_id,
		.tx_us = n->tx_us,
		.rx_us = n->rx_us,
		.detect_us = (uint32_t)(n->detect_us < UINT32_MAX ? n->detect_us : UINT32_MAX),
		.since_ms = now_us > n->since_us ? (now_us - n->since_us) / 1000 : 0,
		.sent = n->sent,
		.received = n->received,
		.dropped = n->dropped,
		.ups = n->ups,
		.downs = n->downs,
		.watches = s->nr_watches,
		.authenticated = s->key_len > 0,
		.error = n->error,
	};
}

void
bfd_each(struct bfd *b, bool (*each)(void *, const struct bfd_seen *), void *arg)
{
	size_t nr = HASH_COUNT(b->sessions), i = 0;
	struct sess **all = mem_calloc(nr + 1, sizeof(struct sess *)), *s;
	uint64_t now = runner_clock();

	if (!all)
		return;
	for (s = b->sessions; s; s = s->hh.next)
		all[i++] = s;
	qsort(all, nr, sizeof(struct sess *), by_ends);
	for (i = 0; i < nr; i++) {
		struct bfd_seen seen = seen_of(all[i], now);

		if (!each(arg, &seen))
			break;
	}
	mem_free(all);
}

uint64_t
bfd_drops(const struct bfd *b, unsigned i)
{
	return i + 1 < DROP_NR ? b->drops[i + 1] : 0;
}
