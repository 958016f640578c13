/*
 * cluster/hello.c: datagrams out and in.  What changes is told to all members in a burst: at once,
 * after 20 ms and after 60 ms, as a datagram may be lost; without changes once in a period.
 *
 * Only what was said by the life of a member that is known, to this life of ours, is listened to.  A
 * datagram that is not of that kind is answered with a hello, from which the other end learns our
 * life; its next datagram then counts.  So a recorded one counts at most while both ends live on, and
 * then its sequence was seen before.
 */
#include "cluster/parts.h"

#include "cluster/ring.h"

#define GAP_MS 5 /* between bursts; up to GAP_MAX_MS when there are many */
#define GAP_MAX_MS 50
#define CALM_MS 200
#define SECOND_MS 20
#define THIRD_MS 40
#define PERIOD_MS 1000
#define PERIOD_OF_ONE_MS 30
#define REPLY_MS 50
#define SLICE 128 /* members told in a turn */
#define OTHER_LIFE_MS 5000

static uint32_t
period_ms(const struct core *c)
{
	uint32_t ms = (uint32_t)c->nr_members * PERIOD_OF_ONE_MS;

	return ms > PERIOD_MS ? ms : PERIOD_MS;
}

/* ---- out ---- */

struct wire_wr
hello_begin(struct core *c, struct member *to, uint8_t *room)
{
	struct wire_wr w = wire_wr_init(room, MESSAGE_ROOM);
	struct message_head h = { .from = c->self->hash,
		.to = to->hash,
		.life = c->self->life_id,
		.to_life = to->life_id,
		.seq = ++to->tx_seq };

	message_head_write(&w, &h);
	return w;
}

void
hello_send(struct core *c, struct member *to, const struct wire_wr *w)
{
	if (w->full || to->self || c->silent || to->addr.family != c->self->addr.family)
		return;
	to->sent++;
	c->ops.send(c->send_arg, &to->addr, w->start, w->len);
}

static uint8_t
tenths_ago(const struct core *c, const struct member *m)
{
	uint64_t ds = m->heard_ms ? (core_now(c) - m->heard_ms) / 100 : 255;

	return ds > 255 ? 255 : (uint8_t)ds;
}

static void
put_hello(const struct core *c, struct wire_wr *w)
{
	struct message_hello h = { .period_ms = period_ms(c) };

	h.facts.flags = (uint8_t)((c->draining || c->leaving ? MESSAGE_STOPPING : 0) |
	    (c->started ? MESSAGE_SETTLED : 0) | (c->was_watched ? MESSAGE_WATCHABLE : 0) |
	    (c->self->gone ? MESSAGE_GONE : 0));
	for (size_t i = 0; i < MESSAGE_NR_STATES; i++)
		h.facts.version[i] = c->version[i];
	for (size_t i = 0; i < c->nr_members && h.nr_watches < MESSAGE_VERDICTS_MAX; i++) {
		const struct member *m = c->members[i];

		if (!m->watching)
			continue;
		h.watches[h.nr_watches++] = (struct message_watch){
			.whom = m->hash,
			.verdict = (uint8_t)life_verdict(c, m),
			.needed = m->needed,
			.heard_ds = tenths_ago(c, m),
			.facts = m->said,
		};
	}
	message_hello_write(w, &h);
}

static void
say(struct core *c, struct member *to, const struct blob *push)
{
	size_t nr = push ? message_nr_parts(push->len) : 0;
	struct message_part head = state_head(c, push, c->push_base, c->push_version);
	uint8_t room[MESSAGE_MAX];
	struct wire_wr w;

	for (size_t i = 0; i < nr; i++) {
		w = hello_begin(c, to, room);
		state_put_part(&w, head, push, i);
		if (i + 1 == nr && w.len < 400) {
			put_hello(c, &w);
			nr = 0;
		}
		hello_send(c, to, &w);
	}
	if (push && !nr)
		return;
	w = hello_begin(c, to, room);
	put_hello(c, &w);
	hello_send(c, to, &w);
}

/* Out of turn, to one. */
void
hello_reply(struct core *c, struct member *m)
{
	uint64_t now = core_now(c), was = m->life_id;

	if (m->reply_ms && now - m->reply_ms < REPLY_MS)
		return;
	m->reply_ms = now;
	if (m->contact)
		m->life_id = m->contact;
	say(c, m, NULL);
	m->life_id = was;
}

static bool
is_told(const struct core *c, const struct member *m)
{
	return !m->self && (c->round_wide || member_lives(m) || life_is_heard(c, m));
}

/* Some members of the round that is under way. */
static void
go_on(struct core *c)
{
	size_t n = 0;

	while (c->round_left && n < SLICE) {
		struct member *m = c->members[c->round_at];

		c->round_at = (c->round_at + 1) % c->nr_members;
		c->round_left--;
		if (!is_told(c, m))
			continue;
		say(c, m, c->push);
		n++;
	}
	if (c->round_left) {
		core_post(c);
		return;
	}
	blob_unref(c->push);
	c->push = NULL;
	c->round_wide = false;
}

static void
round_start(struct core *c, bool wide)
{
	uint32_t version = c->version[MESSAGE_CLAIMS];

	/* Who was not reached by an unfinished round needs what that one carried. */
	if (!c->round_left)
		c->push_base = c->push_version;
	if (c->push_base != version && c->push_version != version) {
		blob_unref(c->push);
		c->push = claim_blob(c, c->push_base);
		if (c->push && message_nr_parts(c->push->len) > 4) {
			blob_unref(c->push); /* who wants it asks */
			c->push = NULL;
		}
		c->push_version = version;
	}
	c->round_left = c->nr_members;
	c->round_wide = c->round_wide || wide || !c->started;
	core_post(c);
}

static void
burst(void *arg)
{
	struct core *c = arg;
	uint64_t now = core_now(c);

	if (c->hello) {
		if (now - c->burst_ms < CALM_MS && c->burst_ms)
			c->gap_ms = c->gap_ms * 2 > GAP_MAX_MS ? GAP_MAX_MS : c->gap_ms * 2;
		else
			c->gap_ms = GAP_MS;
		c->hello = false;
		c->repeats = 2;
		c->burst_ms = now;
	} else if (c->repeats) {
		c->repeats--;
	}
	round_start(c, false);
	if (c->repeats)
		timer_set(&c->hello_timer, c->repeats == 2 ? SECOND_MS : THIRD_MS);
}

void
hello_pass(struct core *c)
{
	uint64_t since = core_now(c) - c->burst_ms;

	if (c->silent || !c->nr_members) {
		c->hello = false;
		return;
	}
	if (c->hello) {
		if (!c->burst_ms || since >= c->gap_ms)
			burst(c);
		else
			timer_set(&c->hello_timer, c->gap_ms - since);
	}
	go_on(c);
}

static void
period(void *arg)
{
	struct core *c = arg;

	if (c->silent)
		return; /* until hello_start() */
	timer_set_jitter(&c->period_timer, period_ms(c), 25);
	round_start(c, true);
}

void
hello_init(struct core *c)
{
	timer_init(&c->hello_timer, c->loop, burst, c);
	timer_init(&c->period_timer, c->loop, period, c);
	c->gap_ms = GAP_MS;
}

void
hello_start(struct core *c)
{
	c->hello = true;
	c->round_wide = true;
	c->round_at = 0;
	c->round_left = 0;
	blob_unref(c->push);
	c->push = NULL;
	c->push_version = c->version[MESSAGE_CLAIMS];
	timer_set_jitter(&c->period_timer, period_ms(c), 25);
	core_post(c);
}

void
hello_farewell(struct core *c)
{
	for (size_t i = 0; i < c->nr_members; i++)
		if (member_lives(c->members[i]) && !c->members[i]->self)
			say(c, c->members[i], NULL);
}

/* ---- in ---- */

/* What another member that watches @m says of it, when it is not heard directly. */
static void
relay(struct core *c, struct member *teller, const struct message_watch *w)
{
	struct member *m = core_member_of(c, w->whom);
	uint64_t ago = (uint64_t)w->heard_ds * 100, now = core_now(c);

	if (!m || m->self || m == teller || w->heard_ds == 255 || !w->facts.life || m->gone ||
	    life_is_heard(c, m) || ago >= now || now - ago <= m->said_ms)
		return;
	if (w->facts.life < m->life_id)
		return;
	if (w->facts.life > m->life_id)
		life_new(c, m, w->facts.life);
	if (!m->said_ms || m->said.flags != w->facts.flags) {
		c->changed = true;
		c->review = true;
	}
	m->said = w->facts;
	m->said_ms = now - ago;
	m->teller = teller;
	state_check(c, m);
}

static bool
same_watches(const struct member *m, const struct message_hello *h)
{
	if (m->nr_watches != h->nr_watches)
		return false;
	for (size_t i = 0; i < h->nr_watches; i++) {
		const struct message_watch *a = &m->watches[i], *b = &h->watches[i];

		if (a->whom != b->whom || a->verdict != b->verdict || a->needed != b->needed)
			return false;
	}
	return true;
}

static void
heard(struct core *c, struct member *m, const struct message_hello *h)
{
	uint64_t life = m->life_id;

	if (m->said.flags != h->facts.flags || !m->heard_ms || !life_is_heard(c, m) ||
	    !same_watches(m, h)) {
		c->review = true;
		c->changed = true;
	}
	if (m->life == CLUSTER_LOST) {
		c->review = true;
		hello_reply(c, m);
	}
	m->heard_ms = m->said_ms = core_now(c);
	m->said = h->facts;
	m->said.life = life;
	m->teller = NULL;
	m->gone = h->facts.flags & MESSAGE_GONE;
	m->period_ms = h->period_ms < 600000 ? h->period_ms : 600000;
	m->nr_watches = h->nr_watches;
	for (size_t i = 0; i < h->nr_watches; i++) {
		m->watches[i] = h->watches[i];
		if (h->watches[i].verdict == MESSAGE_UP)
			relay(c, m, &h->watches[i]);
	}
	state_check(c, m);
}

static void
record(struct core *c, struct member *m, uint8_t type, struct wire_rd body)
{
	struct message_hello hello;
	struct message_part part;
	struct message_want want;
	struct message_addrs addrs;

	if (type == MESSAGE_HELLO && message_hello_read(body, &hello) == 0)
		heard(c, m, &hello);
	else if (type == MESSAGE_PART_OF && message_part_read(body, &part) == 0)
		state_part(c, m, &part);
	else if (type == MESSAGE_WANT && message_want_read(body, &want) == 0)
		state_wanted(c, m, &want);
	else if (type == MESSAGE_ASK && message_addrs_read(body, &addrs) == 0)
		hold_asked(c, m, &addrs);
	else if (type == MESSAGE_GIVE && message_addrs_read(body, &addrs) == 0)
		hold_given(c, m, &addrs);
}

static bool
is_new(struct member *m, uint32_t seq)
{
	uint32_t ahead = seq - m->rx_seq, behind = m->rx_seq - seq;

	if (seq > m->rx_seq) {
		m->rx_seen = ahead < 64 ? m->rx_seen << ahead : 0;
		m->rx_seen |= ahead <= 64 && m->rx_seq ? 1ULL << (ahead - 1) : 0;
		m->rx_seq = seq;
		return true;
	}
	if (behind == 0 || behind > 64 || (m->rx_seen & 1ULL << (behind - 1)))
		return false;
	m->rx_seen |= 1ULL << (behind - 1);
	return true;
}

/* Is this from the life that we listen to, or one that takes its place? */
static bool
is_its_life(struct core *c, struct member *m, const struct message_head *h)
{
	if (h->life == m->life_id)
		return true;
	/* An earlier one, unless the later is over: a clock may have been set back. */
	if (h->life < m->life_id && core_now(c) - m->said_ms < OTHER_LIFE_MS)
		return false;
	life_new(c, m, h->life);
	hello_reply(c, m);
	return true;
}

bool
core_receive(struct core *c, const struct addr *from, const void *bytes, size_t len)
{
	struct wire_rd r = wire_rd_init(bytes, len), body;
	struct message_head h;
	struct member *m;
	uint8_t type;

	if (c->silent || message_head_read(&r, &h) < 0 || h.to != c->self->hash)
		return false;
	m = core_member_of(c, h.from);
	if (!m || m->self || !addr_eq(&m->addr, from))
		return false;
	if (!message_ok(r)) {
		m->refused++;
		return false;
	}
	if (h.to_life != c->self->life_id) {
		/* It does not know us, or an earlier process of ours. */
		m->contact = h.life;
		hello_reply(c, m);
		return true;
	}
	if (!is_its_life(c, m, &h) || !is_new(m, h.seq)) {
		m->refused++;
		return false;
	}
	m->received++;
	m->contact = 0;
	while (message_next(&r, &type, &body))
		record(c, m, type, body);
	core_post(c);
	return true;
}

void
core_refused(struct core *c, const struct addr *from)
{
	for (size_t i = 0; i < c->nr_members; i++)
		if (addr_eq(&c->members[i]->addr, from))
			c->members[i]->refused++;
}
