/*
 * datapath/sweep.c: ends flows whose time is over, and those of rows that are to be used again.
 * Stands beside the programs, which write the flow tables; a way is taken from them as they take it
 * from each other (datapath/bpf/flow.h): by exchanging its value for BUSY.
 *
 * The time of a flow has 16 bits, so all tables are gone through once a minute, long before they
 * wrap.  A round is cut into slices of well under a millisecond.  In the daemon the tables are not
 * mapped but for the piece at hand: a mapping counts as resident memory as a whole.
 */
#include "datapath/core.h"

#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define ROUND_MS 60000
#define PIECE_BYTES (128 << 10) /* a multiple of any page size that we run on, in one slice */
#define DYING_MS 1000		/* least time between the ends of two rounds for dying rows */
#define DYING_SHARE 50		/* and so many times what the last one took */
/*
 * Rows are left alone for as long as their backends may remember connections (TIME-WAIT): one that
 * comes back meanwhile finds its flows, which tell what ports it must not see again so soon (bpf/select.h).
 * Where rows run short: only while answers of theirs are under way.
 */
#define REST_MS 68000
#define REST_SHORT_MS 2000
#define BUSY_TICKS 2
/* The clock of another processor may be a tick ahead: not the age of the tables. */
#define IDLE_MAX 0xff00

enum { V4, V6, NR_FAMILIES };

struct dp_sweep {
	struct loop *loop;
	struct dp_services *services;
	const struct sweep_rows *rows;
	const struct dp_maps *maps;
	struct loop_timer tick;	 /* the next piece of the quiet round */
	struct loop_timer dying; /* the next round for dying rows */
	struct loop_work work;	 /* its next piece */
	unsigned quiet, urgent;	 /* pieces done of the rounds */
	bool in_dying, resting, hurried;
	uint64_t dying_us; /* what the last round took */
	uint64_t dying_done_ms;
	struct log_limit limit;
};

/* One way of either table. */
struct way_words {
	uint64_t *client; /* two words, IPv6 only */
	uint64_t *key, *value;
};

/* ---- pieces of the tables ---- */

static size_t
block_size(int f)
{
	return f == V4 ? sizeof(struct lb_block4) : sizeof(struct lb_block6);
}

static uint32_t
blocks(const struct dp_maps *m, int f)
{
	return m->nr[f == V4 ? DP_MAP_FLOWS4 : DP_MAP_FLOWS6];
}

static unsigned
pieces(const struct dp_maps *m, int f)
{
	uint64_t bytes = (uint64_t)blocks(m, f) * block_size(f);

	return (unsigned)((bytes + PIECE_BYTES - 1) / PIECE_BYTES);
}

static unsigned
pieces_all(const struct dp_maps *m)
{
	return pieces(m, V4) + pieces(m, V6);
}

struct piece {
	void *memory;
	size_t mapped; /* bytes to unmap; 0: not ours */
	uint32_t nr;   /* blocks */
	int family;
};

/* Piece @i of both tables; -errno. */
static int
piece_open(const struct dp_maps *m, unsigned i, struct piece *p)
{
	int f = i < pieces(m, V4) ? V4 : V6;
	uint32_t per = (uint32_t)(PIECE_BYTES / block_size(f)), first;
	uint8_t *all = f == V4 ? (uint8_t *)m->flows4 : (uint8_t *)m->flows6;
	size_t len;

	first = (f == V4 ? i : i - pieces(m, V4)) * per;
	*p = (struct piece){ .family = f, .nr = blocks(m, f) - first };
	if (p->nr > per)
		p->nr = per;
	if (all) {
		p->memory = all + first * block_size(f);
		return 0;
	}
	len = p->nr * block_size(f);
	p->memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED,
	    m->fd[f == V4 ? DP_MAP_FLOWS4 : DP_MAP_FLOWS6], (off_t)(first * block_size(f)));
	if (p->memory == MAP_FAILED)
		return -errno;
	p->mapped = len;
	return 0;
}

static void
piece_close(struct piece *p)
{
	if (p->mapped)
		munmap(p->memory, p->mapped);
}

static struct way_words
piece_way(const struct piece *p, uint32_t bucket, uint32_t way)
{
	size_t i = (size_t)bucket / LB_BLOCK_BUCKETS * LB_BLOCK_WAYS + lb_flow_bucket(bucket) +
	    lb_flow_way(way);
	struct lb_flow4 *w4;
	struct lb_flow6 *w6;

	if (p->family == V4) {
		w4 = (struct lb_flow4 *)p->memory + i;
		return (struct way_words){ NULL, (uint64_t *)&w4->key, (uint64_t *)&w4->value };
	}
	w6 = (struct lb_flow6 *)p->memory + i;
	return (struct way_words){ (uint64_t *)w6->client, (uint64_t *)&w6->key,
		(uint64_t *)&w6->value };
}

/* ---- what is over ---- */

struct judge {
	const struct dp_services *services;
	const struct sweep_rows *rows;	   /* NULL: only time counts */
	uint16_t timeout[2][LB_NR_STATES]; /* UDP, TCP */
	uint16_t now;
	uint16_t least; /* nothing younger than that is over */
};

static void
judge_init(struct judge *j, const struct dp_sweep *s, bool dying)
{
	const struct lb_conf *c = s->maps->conf;

	*j = (struct judge){ .services = s->services,
		.rows = dying ? s->rows : NULL,
		.now = (uint16_t)lb_now(),
		.least = BUSY_TICKS };
	memcpy(j->timeout[0], c->timeout_udp, sizeof(j->timeout[0]));
	memcpy(j->timeout[1], c->timeout_tcp, sizeof(j->timeout[1]));
	for (int i = 1; i < LB_NR_STATES; i++) {
		j->least = j->timeout[0][i] < j->least ? j->timeout[0][i] : j->least;
		j->least = j->timeout[1][i] < j->least ? j->timeout[1][i] : j->least;
	}
}

static bool
is_over(const struct judge *j, uint64_t v)
{
	uint16_t idle = (uint16_t)(j->now - LB_FLOW_SEEN(v));
	uint32_t state = LB_FLOW_STATE(v);

	if (idle > IDLE_MAX)
		idle = 0;
	if (j->rows && state != LB_ST_BUSY &&
	    (j->rows->is_ending_be(j->services, LB_FLOW_BACKEND(v)) ||
		j->rows->is_ending_fe(j->services, LB_FLOW_FRONTEND(v))))
		return true;
	if (idle <= j->least)
		return false;
	if (state >= LB_NR_STATES || state == LB_ST_FREE) /* nobody ended this writing */
		return true;
	return idle > j->timeout[LB_FLOW_TCP(v)][state];
}

/*
 * Take a way as the programs do; whoever was faster has it.  Its key stays (@wipe: goes): programs
 * look at the other ways of a bucket only when the first ones have none that was never used, which
 * an empty key tells, so keys go only where the whole bucket is free.
 */
static void
way_clear(const struct way_words *w, uint64_t value, bool wipe)
{
	uint64_t busy = LB_FLOW_VALUE(0, 0, LB_ST_BUSY, 0, 0, lb_now());

	if (!__atomic_compare_exchange_n(
		w->value, &value, busy, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return;
	if (wipe)
		__atomic_store_n(w->key, 0, __ATOMIC_RELAXED);
	if (wipe && w->client) {
		__atomic_store_n(&w->client[0], 0, __ATOMIC_RELAXED);
		__atomic_store_n(&w->client[1], 0, __ATOMIC_RELAXED);
	}
	__atomic_compare_exchange_n(w->value, &busy, 0, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

static void
bucket_sweep(const struct judge *j, const struct piece *p, uint32_t b)
{
	unsigned in_use = 0, used = 0;
	struct way_words w;

	for (uint32_t i = 0; i < LB_WAYS; i++) {
		uint64_t v;

		w = piece_way(p, b, i);
		v = __atomic_load_n(w.value, __ATOMIC_RELAXED);
		if (v != 0 && is_over(j, v))
			way_clear(&w, v, false);
		in_use += __atomic_load_n(w.value, __ATOMIC_RELAXED) != 0;
		used += __atomic_load_n(w.key, __ATOMIC_RELAXED) != 0;
	}
	if (in_use > 0 || used == 0)
		return;
	for (uint32_t i = 0; i < LB_WAYS; i++) {
		w = piece_way(p, b, i);
		way_clear(&w, 0, true);
	}
}

static int
piece_sweep(struct dp_sweep *s, unsigned i, bool dying)
{
	struct piece p;
	struct judge j;
	int err = piece_open(s->maps, i, &p);

	if (err < 0) {
		if (log_allow(&s->limit, loop_now_ms(s->loop), 1, NULL))
			log_warn("flows-not-swept", LOG_ERR(err));
		return err;
	}
	judge_init(&j, s, dying);
	for (uint32_t b = 0; b < p.nr * LB_BLOCK_BUCKETS; b++)
		bucket_sweep(&j, &p, b);
	piece_close(&p);
	return 0;
}

static void
quiet_due(void *arg)
{
	struct dp_sweep *s = arg;
	unsigned nr = s->maps && s->maps->conf ? pieces_all(s->maps) : 0;

	if (nr == 0)
		return;
	timer_set(&s->tick, ROUND_MS / nr ? ROUND_MS / nr : 1);
	if (s->quiet >= nr)
		s->quiet = 0;
	(void)piece_sweep(s, s->quiet++, false);
}

/* ---- rounds for dying rows ---- */

static void
dying_later(struct dp_sweep *s)
{
	uint64_t rest = s->dying_us * DYING_SHARE / 1000;

	timer_set(&s->dying, rest > DYING_MS ? rest : DYING_MS);
}

static void
dying_slice(void *arg)
{
	struct dp_sweep *s = arg;
	uint64_t start = loop_now_us(s->loop);

	if (!s->in_dying || s->resting || !s->maps)
		return;
	/* Rows whose flows could not be gone through are not given back. */
	if (s->urgent < pieces_all(s->maps) && piece_sweep(s, s->urgent, true) < 0) {
		s->urgent = 0;
		timer_set(&s->dying, ROUND_MS);
		return;
	}
	s->dying_us += loop_now_us(s->loop) - start;
	if (++s->urgent < pieces_all(s->maps)) {
		work_post(&s->work);
		return;
	}
	s->in_dying = false;
	s->dying_done_ms = loop_now_ms(s->loop);
	s->rows->dying_end(s->services);
	if (s->rows->has_dying(s->services))
		dying_later(s);
}

static void
dying_due(void *arg)
{
	struct dp_sweep *s = arg;

	if (!s->maps || !s->maps->conf)
		return;
	if (!s->in_dying) {
		if (!s->rows->has_dying(s->services))
			return;
		s->rows->dying_begin(s->services);
		s->in_dying = s->resting = true;
		s->hurried = s->rows->is_short(s->services);
		s->dying_us = 0;
		timer_set(&s->dying, s->hurried ? REST_SHORT_MS : REST_MS);
		return;
	}
	s->resting = false;
	s->urgent = 0;
	work_post(&s->work);
}

void
sweep_now(struct dp_sweep *s)
{
	if (s->resting && !s->hurried && s->rows->is_short(s->services)) {
		s->hurried = true;
		timer_set(&s->dying, REST_SHORT_MS);
	}
	if (s->in_dying || timer_is_running(&s->dying))
		return;
	/* Many changes in a row share a round. */
	if (s->dying_done_ms && loop_now_ms(s->loop) - s->dying_done_ms < DYING_MS)
		dying_later(s);
	else
		timer_set(&s->dying, 0);
}

/* ---- for people ---- */

static void
seen_rows(const struct dp_sweep *s, uint64_t v, struct dp_seen_flow *out)
{
	const struct dp_maps *m = s->maps;
	uint32_t fe = LB_FLOW_FRONTEND(v), be = LB_FLOW_BACKEND(v);

	if (m->fe && fe < m->nr[DP_MAP_FE_ROWS]) {
		const struct lb_fe_row *row = &m->fe[fe];

		out->vip = lb_addr_to(&row->addr, row->family);
		out->vip_port = ntohs(row->port);
		out->proto = row->proto;
		out->service_name = s->rows->name(s->services, row->service);
	}
	if (m->be && be < m->nr[DP_MAP_BE_ROWS]) {
		const struct lb_be_row *row = &m->be[be];

		out->backend = lb_addr_to(&row->addr, row->family);
		out->backend_port = ntohs(row->port);
	}
}

static bool
seen_flow(
    const struct dp_sweep *s, const struct way_words *w, uint16_t now, struct dp_seen_flow *out)
{
	uint64_t key = __atomic_load_n(w->key, __ATOMIC_RELAXED), client[2] = { 0 };
	uint64_t v = __atomic_load_n(w->value, __ATOMIC_ACQUIRE);
	uint32_t state = LB_FLOW_STATE(v);
	const struct lb_conf *c = s->maps->conf;
	struct lb_addr a = { { (uint32_t)key } };
	uint16_t idle;

	if (state == LB_ST_FREE || state >= LB_NR_STATES || LB_FLOW_TWIN(v))
		return false;
	if (w->client) {
		client[0] = __atomic_load_n(&w->client[0], __ATOMIC_RELAXED);
		client[1] = __atomic_load_n(&w->client[1], __ATOMIC_RELAXED);
		memcpy(a.w, client, sizeof(a.w));
	}
	idle = (uint16_t)(now - LB_FLOW_SEEN(v));
	*out = (struct dp_seen_flow){ .client = lb_addr_to(&a, w->client ? 6 : 4),
		.client_port = ntohs((uint16_t)(key >> 32)),
		.snat_port = ntohs((uint16_t)(key >> 48)),
		.proto = LB_FLOW_TCP(v) ? IPPROTO_TCP : IPPROTO_UDP,
		.state = (uint8_t)state,
		.idle_s = (uint32_t)(((uint64_t)(idle > IDLE_MAX ? 0 : idle) << LB_TICK_SHIFT) /
		    1000000000),
		.timeout_s =
		    (uint32_t)(((uint64_t)(LB_FLOW_TCP(v) ? c->timeout_tcp : c->timeout_udp)[state]
				   << LB_TICK_SHIFT) /
			1000000000),
		.service_name = "" };
	seen_rows(s, v, out);
	/* It changed hands while it was read: its new owner is the next look's. */
	return __atomic_load_n(w->key, __ATOMIC_ACQUIRE) == key;
}

long
sweep_flows_each(
    struct dp_sweep *s, size_t max, bool (*each)(void *, const struct dp_seen_flow *), void *arg)
{
	uint16_t now = (uint16_t)lb_now();
	long nr = 0;

	if (!s->maps || !s->maps->conf)
		return -ENODEV;
	for (unsigned i = 0; i < pieces_all(s->maps); i++) {
		struct piece p;
		bool more = true;
		int err = piece_open(s->maps, i, &p);

		if (err < 0)
			return err;
		for (uint32_t b = 0; more && b < p.nr * LB_BLOCK_WAYS; b++) {
			struct way_words w = piece_way(&p, b / LB_WAYS, b % LB_WAYS);
			struct dp_seen_flow flow;

			if (!seen_flow(s, &w, now, &flow))
				continue;
			more = (size_t)nr < max && each(arg, &flow);
			nr += more;
		}
		piece_close(&p);
		if (!more)
			break;
	}
	return nr;
}

/* ---- life ---- */

struct dp_sweep *
sweep_new(struct loop *loop, struct dp_services *services)
{
	static const struct sweep_rows rows = { services_has_dying, services_is_ending_be,
		services_is_ending_fe, services_dying_begin, services_dying_end, services_is_short,
		services_name };

	return sweep_new_on(loop, services, &rows);
}

struct dp_sweep *
sweep_new_on(struct loop *loop, struct dp_services *services, const struct sweep_rows *rows)
{
	struct dp_sweep *s = xnew(struct dp_sweep);

	s->loop = loop;
	s->services = services;
	s->rows = rows;
	timer_init(&s->tick, loop, quiet_due, s);
	timer_init(&s->dying, loop, dying_due, s);
	work_init(&s->work, loop, dying_slice, s);
	return s;
}

void
sweep_free(struct dp_sweep *s)
{
	if (!s)
		return;
	timer_stop(&s->tick);
	timer_stop(&s->dying);
	work_cancel(&s->work);
	mem_free(s);
}

void
sweep_maps_set(struct dp_sweep *s, const struct dp_maps *maps)
{
	s->maps = maps;
	s->quiet = s->urgent = 0;
	/* Services looks at other maps as well, and knows anew what dies. */
	s->in_dying = s->resting = false;
	work_cancel(&s->work);
	timer_stop(&s->tick);
	if (!maps || !maps->conf)
		return;
	quiet_due(s);
	if (s->rows->has_dying(s->services))
		sweep_now(s);
}
