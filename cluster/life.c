/*
 * cluster/life.c: who lives.  One review looks at all members: who may watch, who watches whom by the
 * ring, what the watchers say, and what follows for this node: whom to watch, whether it is cut off,
 * whether it has begun.  It is made when something was heard that matters, and four times a second.
 */
#include "cluster/parts.h"

#include "cluster/ring.h"

#define REVIEW_MS 250
#define LATELY_MS 60000
#define ROUNDS 4 /* of a review, while lives change each other */

uint64_t
life_valid_ms(const struct member *m)
{
	uint64_t three = 3 * (uint64_t)m->period_ms;

	return three > VALID_MS ? three : VALID_MS;
}

bool
life_is_heard(const struct core *c, const struct member *m)
{
	return m->heard_ms && core_now(c) - m->heard_ms <= life_valid_ms(m);
}

static bool
is_said(const struct core *c, const struct member *m)
{
	return m->said_ms && core_now(c) - m->said_ms <= life_valid_ms(m);
}

/* ---- verdicts ---- */

/* This node's own. */
enum message_verdict
life_verdict(const struct core *c, const struct member *m)
{
	uint64_t now = core_now(c), hangs = 2 * life_valid_ms(m);

	if (!m->watching)
		return MESSAGE_UNDECIDED;
	if (m->up) {
		if (hangs < HANGS_MS)
			hangs = HANGS_MS;
		return m->heard_ms && now - m->heard_ms > hangs ? MESSAGE_DOWN : MESSAGE_UP;
	}
	if (!m->needed)
		return MESSAGE_UNDECIDED; /* the other end may have ended it */
	if (m->was_up)
		return MESSAGE_DOWN;
	/* Where BFD does not get through at all, silence must do. */
	if (now - m->watch_ms > NEVER_UP_MS &&
	    ((m->said.flags & MESSAGE_WATCHABLE) || !life_is_heard(c, m)))
		return MESSAGE_DOWN;
	return MESSAGE_UNDECIDED;
}

static const struct message_watch *
watch_of(const struct member *by, const struct member *whom)
{
	for (size_t i = 0; i < by->nr_watches; i++)
		if (by->watches[i].whom == whom->hash)
			return &by->watches[i];
	return NULL;
}

static bool
says_lost(const struct core *c, const struct member *by, const struct member *whom)
{
	const struct message_watch *w;

	if (by->self)
		return life_verdict(c, whom) == MESSAGE_DOWN;
	w = watch_of(by, whom);
	return w && w->verdict == MESSAGE_DOWN && life_is_heard(c, by);
}

/* ---- lives ---- */

static bool
may_watch(const struct core *c, const struct member *m)
{
	return m->self || (member_lives(m) && life_is_heard(c, m));
}

static size_t
find_able(struct core *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->nr_members; i++) {
		if (!may_watch(c, c->ring[i]))
			continue;
		c->able[n] = c->ring[i];
		c->able_places[n++] = c->ring[i]->hash;
	}
	return n;
}

static void
find_watchers(const struct core *c, struct member *m, size_t nr_able)
{
	size_t at[CLUSTER_WATCHERS];

	m->nr_watchers = ring_next(c->able_places, nr_able, m->hash, at, CLUSTER_WATCHERS);
	m->nr_say_lost = 0;
	for (size_t i = 0; i < m->nr_watchers; i++) {
		m->watchers[i] = c->able[at[i]];
		if (!m->self && says_lost(c, m->watchers[i], m))
			m->nr_say_lost++;
	}
}

static enum cluster_life
life_of(const struct core *c, const struct member *m)
{
	bool out = m->lease == CLUSTER_LEASE_OUT;

	if (m->self)
		return c->draining || c->leaving ? CLUSTER_STOPPING : CLUSTER_ALIVE;
	if (m->gone)
		return CLUSTER_GONE;
	if (!m->said_ms)
		return out ? CLUSTER_LAPSED : CLUSTER_UNHEARD;
	if (m->nr_say_lost * 2 > m->nr_watchers)
		return CLUSTER_LOST;
	if (m->life == CLUSTER_LOST && m->said_ms <= m->lost_ms)
		return CLUSTER_LOST;
	if (out && !is_said(c, m))
		return CLUSTER_LAPSED;
	return m->said.flags & MESSAGE_STOPPING ? CLUSTER_STOPPING : CLUSTER_ALIVE;
}

static bool
set_life(struct core *c, struct member *m, enum cluster_life life)
{
	bool lived = member_lives(m);

	if (life == m->life)
		return false;
	m->life = life;
	m->since_ms = core_now(c);
	if (life == CLUSTER_LOST)
		m->lost_ms = core_now(c);
	if (!lived && member_lives(m))
		m->known_ms = core_now(c);
	c->changed = true;
	c->settle_all = true;
	return true;
}

/* ---- what follows for this node ---- */

static bool
is_among(const struct member *whom, struct member *const *list, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (list[i] == whom)
			return true;
	return false;
}

static bool
is_needed(const struct core *c, const struct member *m)
{
	const struct message_watch *w = watch_of(m, c->self);

	if (c->silent || !m->said_ms || m->gone || m->life == CLUSTER_LAPSED ||
	    m->addr.family != c->self->addr.family)
		return false;
	return is_among(c->self, m->watchers, m->nr_watchers) ||
	    is_among(m, c->self->watchers, c->self->nr_watchers) ||
	    (w && w->needed && life_is_heard(c, m));
}

static void
set_watch(struct core *c, struct member *m, bool on)
{
	m->watching = on;
	m->up = m->was_up = false;
	m->watch_ms = core_now(c);
	c->hello = true;
	c->ops.up.watch(c->arg, m->name, &m->addr, on);
}

static void
review_watch(struct core *c, struct member *m)
{
	bool needed = is_needed(c, m);

	if (needed && !m->needed && m->watching && !m->up) {
		m->was_up = false; /* the other end had no need of it: from anew */
		m->watch_ms = core_now(c);
	}
	if (needed != m->needed)
		c->hello = true;
	if (needed)
		m->needed_ms = core_now(c);
	m->needed = needed;
	if (needed && !m->watching)
		set_watch(c, m, true);
	else if (!needed && m->watching &&
	    (core_now(c) - m->needed_ms > UNWATCH_MS || m->gone || m->life == CLUSTER_LAPSED))
		set_watch(c, m, false);
}

/* From anew: nothing of what is known of others may be true any more. */
static void
start(struct core *c)
{
	c->started = false;
	c->start_ms = core_now(c);
	c->settle_all = true;
	c->hello = true;
}

/* May it be on the other side of a cut?  One that was lost of late too, and one whose Lease says so. */
static bool
may_be_there(const struct core *c, const struct member *m)
{
	if (m->self || m->gone || m->lease == CLUSTER_LEASE_OUT)
		return false;
	return member_lives(m) || m->lease == CLUSTER_LEASE_FRESH ||
	    (m->lost_ms && core_now(c) - m->lost_ms < LATELY_MS);
}

static void
review_cut_off(struct core *c)
{
	size_t nr_possible = 0;
	bool any_up = false, alone, cut_off;

	for (size_t i = 0; i < c->nr_members; i++) {
		nr_possible += may_be_there(c, c->members[i]);
		any_up = any_up || c->members[i]->up;
	}
	/* Its own word is no majority then. */
	alone = c->was_watched && !any_up && (c->alone || nr_possible >= 2) && nr_possible > 0;
	if (alone != c->alone)
		c->settle_all = true;
	c->alone = alone;
	if (c->cut_off)
		cut_off = !any_up && !c->api;
	else
		cut_off = alone && !c->api;
	if (cut_off == c->cut_off)
		return;
	c->cut_off = cut_off;
	c->changed = true;
	start(c);
}

static bool
is_known_of(const struct core *c, const struct member *m)
{
	if (m->self || m->life == CLUSTER_LOST || m->life == CLUSTER_GONE ||
	    m->life == CLUSTER_LAPSED)
		return true;
	return life_is_heard(c, m) && state_is_current(m, MESSAGE_CLAIMS);
}

static void
review_start(struct core *c)
{
	bool all = true;

	if (c->started || c->cut_off || !c->is_set)
		return;
	for (size_t i = 0; all && i < c->nr_members; i++)
		all = is_known_of(c, c->members[i]);
	if (!all && core_now(c) - c->start_ms < START_MS)
		return;
	c->started = true;
	c->settle_all = true;
	c->changed = true;
	c->hello = true;
}

void
life_review(struct core *c)
{
	bool again = true;

	c->review = false;
	for (unsigned round = 0; again && round < ROUNDS; round++) {
		size_t nr_able = find_able(c);

		again = false;
		for (size_t i = 0; i < c->nr_members; i++) {
			struct member *m = c->ring[i];

			find_watchers(c, m, nr_able);
			again |= set_life(c, m, life_of(c, m));
		}
	}
	for (size_t i = 0; i < c->nr_members; i++)
		if (!c->members[i]->self)
			review_watch(c, c->members[i]);
	review_cut_off(c);
	review_start(c);
}

/* ---- what comes in ---- */

void
life_watched(struct core *c, struct member *m, bool up)
{
	if (!m->watching || m->up == up)
		return;
	m->up = up;
	if (up) {
		m->was_up = true;
		c->was_watched = true;
	}
	c->hello = true;
	c->review = true;
	core_post(c);
}

void
life_new(struct core *c, struct member *m, uint64_t life)
{
	m->life_id = life;
	m->said = (struct message_facts){ .life = life };
	m->rx_seq = 0;
	m->rx_seen = 0;
	m->gone = false;
	m->floor = 0;
	m->nr_watches = 0;
	m->known_ms = core_now(c);
	c->changed = true;
	c->review = true;
}

static void
tick(void *arg)
{
	struct core *c = arg;

	c->review = true;
	core_post(c);
	/* There is nobody whose life could end; another configuration begins it again. */
	if (!c->silent || !c->started)
		timer_set(&c->life_timer, REVIEW_MS + c->nr_members / 2);
}

void
life_start(struct core *c)
{
	timer_set(&c->life_timer, REVIEW_MS);
}

void
life_init(struct core *c)
{
	timer_init(&c->life_timer, c->loop, tick, c);
	life_start(c);
	c->start_ms = core_now(c);
}
