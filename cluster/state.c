/*
 * cluster/state.c: claims and notes of all members, kept in step.  A hello names the versions; who
 * lacks one asks for it, the member itself or, when that is not heard, another that knows.  A state
 * travels in numbered parts; the whole of it, or what changed since the version that the other has.
 */
#include "cluster/parts.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/mem.h"

#define SOON_MS 10 /* a push may be on its way */
#define AGAIN_MS 100u
#define AGAIN_MAX_MS 1000
#define STALE_MS 2000		 /* parts that are not followed by others */
#define INCOMING_MAX (64u << 20) /* bytes of states under way, of all members */
#define OUTGOING_MAX 4096
#define PARTS_AT_ONCE 24
#define PACE_MS 5

/* A state on its way to a member. */
struct outgoing {
	TAILQ_ENTRY(outgoing) list;
	struct member *to;
	struct message_part head;
	struct blob *blob;
	uint32_t next; /* part */
};

/* ---- blobs ---- */

struct blob *
blob_new(const void *bytes, size_t len)
{
	struct blob *b = mem_calloc(1, sizeof(*b) + len);

	if (!b)
		return NULL;
	b->refs = 1;
	b->len = len;
	if (bytes && len)
		memcpy(b->bytes, bytes, len);
	return b;
}

struct blob *
blob_ref(struct blob *b)
{
	b->refs++;
	return b;
}

void
blob_unref(struct blob *b)
{
	if (b && --b->refs == 0)
		mem_free(b);
}

/* ---- what is known, and asking for what is not ---- */

static bool
is_current(const struct member *m, enum message_state s)
{
	if (s == MESSAGE_NOTES && !m->said.version[s])
		return true; /* there are none */
	return m->known[s].life == m->life_id && m->known[s].version >= m->said.version[s];
}

bool
state_is_current(const struct member *m, enum message_state s)
{
	return is_current(m, s);
}

static void
want_at(struct core *c, struct known *k, uint64_t ms)
{
	uint64_t now = core_now(c);

	k->want_ms = ms;
	if (!timer_is_running(&c->state_timer) || ms < c->state_timer.due_ms)
		timer_set(&c->state_timer, ms > now ? ms - now : 0);
}

void
state_check(struct core *c, struct member *m)
{
	uint64_t now = core_now(c);

	for (enum message_state s = 0; s < MESSAGE_NR_STATES; s++) {
		struct known *k = &m->known[s];

		if (is_current(m, s)) {
			k->want_ms = 0;
			k->tries = 0;
		} else {
			/* What follows a version that is known is mostly on its way already. */
			uint64_t at = now + (k->life == m->life_id ? SOON_MS : 1);

			if (at < k->asked_ms + AGAIN_MS)
				at = k->asked_ms + AGAIN_MS;
			if (m->heard_ms == now)
				k->tries = 0;
			if (!k->want_ms || at < k->want_ms)
				want_at(c, k, at);
		}
	}
}

/* Any other member that is heard: it may know. */
static struct member *
another(const struct core *c, const struct member *m)
{
	size_t from = loop_random(c->loop, (uint32_t)c->nr_members);

	for (size_t i = 0; i < c->nr_members; i++) {
		struct member *o = c->members[(from + i) % c->nr_members];

		if (!o->self && o != m && member_lives(o) && life_is_heard(c, o))
			return o;
	}
	return NULL;
}

static struct member *
whom_to_ask(const struct core *c, struct member *m, unsigned tries)
{
	bool heard = life_is_heard(c, m);
	struct member *o;

	if (heard && (tries < 2 || tries % 2 == 0))
		return m;
	if (m->teller && tries % 2 == 0 && life_is_heard(c, m->teller))
		return m->teller;
	o = another(c, m);
	return o ? o : m;
}

static void
ask(struct core *c, struct member *m, enum message_state s)
{
	struct known *k = &m->known[s];
	struct member *to = whom_to_ask(c, m, k->tries);
	uint64_t wait = AGAIN_MS << (k->tries < 4 ? k->tries : 4);
	struct message_want want = { .whose = m->hash, .life = m->life_id, .state = (uint8_t)s };
	uint8_t room[MESSAGE_MAX];
	struct wire_wr w = hello_begin(c, to, room);

	if (k->life == m->life_id)
		want.have = k->version;
	message_want_write(&w, &want);
	hello_send(c, to, &w);
	k->tries++;
	k->asked_ms = core_now(c);
	want_at(c, k, core_now(c) + (wait < AGAIN_MAX_MS ? wait : AGAIN_MAX_MS));
}

static void
incoming_end(struct core *c, struct incoming *in)
{
	c->incoming_bytes -= in->total;
	mem_free(in->bytes);
	mem_free(in->have);
	*in = (struct incoming){ 0 };
}

static void
want_tick(void *arg)
{
	struct core *c = arg;
	uint64_t now = core_now(c), next = UINT64_MAX;

	for (size_t i = 0; i < c->nr_members; i++) {
		struct member *m = c->members[i];

		for (enum message_state s = 0; s < MESSAGE_NR_STATES && !m->self; s++) {
			struct known *k = &m->known[s];

			if (k->in.version && now - k->in.last_ms > STALE_MS)
				incoming_end(c, &k->in);
			if (!k->want_ms)
				continue;
			if (k->want_ms <= now && !m->gone && m->said_ms) {
				/* Parts that are coming are waited for. */
				if (k->in.version && now - k->in.last_ms < AGAIN_MS)
					k->want_ms = k->in.last_ms + AGAIN_MS;
				else
					ask(c, m, s);
			} else if (k->want_ms <= now) {
				k->want_ms = 0;
			}
			if (k->want_ms && k->want_ms < next)
				next = k->want_ms;
		}
	}
	if (next != UINT64_MAX)
		timer_set(&c->state_timer, next > now ? next - now : 1);
}

/* ---- in ---- */

static int
take_over(struct core *c, struct member *m, struct incoming *in, enum message_state s)
{
	struct known *k = &m->known[s];
	struct blob *b;
	int err;

	if (s == MESSAGE_CLAIMS) {
		/* What is settled on the way asks whether this is current. */
		k->life = in->life;
		k->version = in->version;
		err = claim_apply(c, m, in->bytes, in->total, in->base == 0);
		if (err < 0)
			*k =
			    (struct known){ .want_ms = k->want_ms, .tries = k->tries, .in = k->in };
		c->review = c->review || !c->started;
		return err;
	}
	b = blob_new(in->bytes, in->total);
	if (!b)
		return -ENOMEM;
	blob_unref(m->notes);
	m->notes = b;
	k->life = in->life;
	k->version = in->version;
	c->changed = true;
	return 0;
}

/* Is it of a state that we do not have, of a life that we listen to, and can we use it? */
static bool
is_of_use(const struct member *m, const struct message_part *p)
{
	const struct known *k = &m->known[p->state];

	if (p->life != m->life_id ||
	    p->total > (p->state == MESSAGE_NOTES ? CLUSTER_NOTES_MAX : STATE_MAX))
		return false;
	if (p->state == MESSAGE_CLAIMS && p->version < m->floor)
		return false;
	if (p->base)
		return p->state == MESSAGE_CLAIMS && k->life == p->life && k->version == p->base;
	return k->life != p->life || k->version < p->version;
}

static bool
incoming_begin(struct core *c, struct incoming *in, const struct message_part *p)
{
	if (in->version && in->life == p->life && in->version == p->version &&
	    in->base == p->base && in->total == p->total)
		return true;
	if (in->version && in->life == p->life && in->version > p->version)
		return false;
	incoming_end(c, in);
	if (c->incoming_bytes + p->total > INCOMING_MAX)
		return false;
	in->bytes = mem_calloc(1, p->total + 1);
	in->have = mem_calloc(1, message_nr_parts(p->total));
	if (!in->bytes || !in->have) {
		incoming_end(c, in);
		return false;
	}
	in->life = p->life;
	in->version = p->version;
	in->base = p->base;
	in->total = p->total;
	c->incoming_bytes += p->total;
	return true;
}

void
state_part(struct core *c, struct member *from, const struct message_part *p)
{
	struct member *m = core_member_of(c, p->whose);
	struct incoming *in;

	(void)from;
	if (!m || m->self || !is_of_use(m, p))
		return;
	in = &m->known[p->state].in;
	if (!incoming_begin(c, in, p) || in->have[p->part])
		return;
	memcpy(in->bytes + (size_t)p->part * MESSAGE_PART, p->bytes, p->len);
	in->have[p->part] = 1;
	in->last_ms = core_now(c);
	if (++in->got < message_nr_parts(in->total))
		return;
	if (take_over(c, m, in, p->state) < 0) {
		incoming_end(c, in);
		state_check(c, m);
		return;
	}
	incoming_end(c, in);
	state_check(c, m);
}

/* ---- out ---- */

struct message_part
state_head(const struct core *c, const struct blob *b, uint32_t base, uint32_t version)
{
	return (struct message_part){ .whose = c->self->hash,
		.life = c->self->life_id,
		.state = MESSAGE_CLAIMS,
		.version = version,
		.base = base,
		.total = b ? (uint32_t)b->len : 0 };
}

void
state_put_part(struct wire_wr *w, struct message_part head, const struct blob *b, size_t part)
{
	head.part = (uint16_t)part;
	head.bytes = b->bytes + part * MESSAGE_PART;
	head.len = b->len - part * MESSAGE_PART;
	if (head.len > MESSAGE_PART)
		head.len = MESSAGE_PART;
	message_part_write(w, &head);
}

/* This node's own state, from what the other has on. */
static struct blob *
own(const struct core *c, const struct message_want *want, struct message_part *head)
{
	struct blob *b = NULL;

	if (want->state == MESSAGE_NOTES) {
		*head = state_head(c, c->self->notes, 0, c->version[MESSAGE_NOTES]);
		head->state = MESSAGE_NOTES;
		return c->self->notes ? blob_ref(c->self->notes) : NULL;
	}
	if (want->have && want->have < c->version[MESSAGE_CLAIMS])
		b = claim_blob(c, want->have);
	*head = state_head(c, b, want->have, c->version[MESSAGE_CLAIMS]);
	if (b)
		return b;
	b = claim_blob(c, 0);
	*head = state_head(c, b, 0, c->version[MESSAGE_CLAIMS]);
	return b;
}

/* Another's, as it is known here. */
static struct blob *
of_another(const struct core *c, const struct message_want *want, struct message_part *head)
{
	struct member *m = core_member_of(c, want->whose);
	const struct known *k = m ? &m->known[want->state] : NULL;
	struct blob *b;

	if (!m || k->life != want->life || k->version <= want->have)
		return NULL;
	if (want->state == MESSAGE_NOTES)
		b = m->notes ? blob_ref(m->notes) : NULL;
	else
		b = claim_blob_of(m);
	*head = (struct message_part){ .whose = m->hash,
		.life = k->life,
		.state = want->state,
		.version = k->version,
		.total = b ? (uint32_t)b->len : 0 };
	return b;
}

void
state_wanted(struct core *c, struct member *from, const struct message_want *want)
{
	struct message_part head;
	struct outgoing *o;
	struct blob *b;
	size_t nr = 0;

	TAILQ_FOREACH (o, &c->outgoing, list) {
		nr++;
		if (o->to == from && o->head.whose == want->whose && o->head.state == want->state)
			return; /* is on its way */
	}
	if (nr >= OUTGOING_MAX)
		return;
	if (want->whose == c->self->hash)
		b = want->life == c->self->life_id ? own(c, want, &head) : NULL;
	else
		b = of_another(c, want, &head);
	if (!b)
		return;
	if (!head.version) {
		blob_unref(b);
		return;
	}
	o = mem_calloc(1, sizeof(*o));
	if (!o) {
		blob_unref(b);
		return;
	}
	o->to = from;
	o->head = head;
	o->blob = b;
	TAILQ_INSERT_TAIL(&c->outgoing, o, list);
	core_post(c);
}

static void
outgoing_end(struct core *c, struct outgoing *o)
{
	TAILQ_REMOVE(&c->outgoing, o, list);
	blob_unref(o->blob);
	mem_free(o);
}

void
state_forget_to(struct core *c, const struct member *m)
{
	struct outgoing *o, *next;

	for (o = TAILQ_FIRST(&c->outgoing); o; o = next) {
		next = TAILQ_NEXT(o, list);
		if (!m || o->to == m)
			outgoing_end(c, o);
	}
}

void
state_pass(struct core *c)
{
	struct outgoing *o;

	if (timer_is_running(&c->out_timer))
		return;
	for (unsigned n = 0; n < PARTS_AT_ONCE && (o = TAILQ_FIRST(&c->outgoing)); n++) {
		uint8_t room[MESSAGE_MAX];
		struct wire_wr w = hello_begin(c, o->to, room);

		state_put_part(&w, o->head, o->blob, o->next);
		hello_send(c, o->to, &w);
		if (++o->next >= message_nr_parts(o->blob->len)) {
			outgoing_end(c, o);
		} else {
			TAILQ_REMOVE(&c->outgoing, o, list);
			TAILQ_INSERT_TAIL(&c->outgoing, o, list);
		}
	}
	if (!TAILQ_EMPTY(&c->outgoing))
		timer_set(&c->out_timer, PACE_MS);
}

static void
paced(void *arg)
{
	state_pass(arg);
}

void
state_init(struct core *c)
{
	TAILQ_INIT(&c->outgoing);
	timer_init(&c->state_timer, c->loop, want_tick, c);
	timer_init(&c->out_timer, c->loop, paced, c);
}

void
state_fini(struct core *c, struct member *m)
{
	for (int s = 0; s < MESSAGE_NR_STATES; s++)
		incoming_end(c, &m->known[s].in);
	state_forget_to(c, m);
	blob_unref(m->notes);
	m->notes = NULL;
}
