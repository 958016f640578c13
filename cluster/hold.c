/*
 * cluster/hold.c: what this node may hold.  hold_settle() looks at one address, what is wanted of it
 * and who claims it, and says what is to be done; it may be called at any time and any number of
 * times.  What others are told of it (gifts, claims) goes out in the pass, after ops.hold has
 * returned.
 */
#include "cluster/parts.h"

#include <errno.h>
#include <stdlib.h>

#include "cluster/ring.h"
#include "lib/mem.h"

#define ASK_MS 50
#define ASK_LATER_MS 500
#define ASK_FIRST_MS 1000 /* so long by the shorter one */
#define PROBE_LOST_MS 2000
#define IN_USE_MS 250u
#define IN_USE_MAX_MS 1000

/* ---- time ---- */

static void
busy_tick(struct core *c)
{
	uint64_t now = core_now(c), next = UINT64_MAX;
	struct entry *e;

	LIST_FOREACH (e, &c->busy, busy) {
		if (e->due_ms < next)
			next = e->due_ms;
	}
	if (next == UINT64_MAX)
		timer_stop(&c->busy_timer);
	else
		timer_set(&c->busy_timer, next > now ? next - now : 1);
}

/* @due_ms 0: nothing is due. */
static void
set_due(struct core *c, struct entry *e, uint64_t due_ms)
{
	if (e->is_busy && !due_ms)
		LIST_REMOVE(e, busy);
	if (!e->is_busy && due_ms)
		LIST_INSERT_HEAD(&c->busy, e, busy);
	e->is_busy = due_ms != 0;
	e->due_ms = due_ms;
	if (due_ms && (!timer_is_running(&c->busy_timer) || due_ms < c->busy_timer.due_ms))
		timer_set(&c->busy_timer, due_ms > core_now(c) ? due_ms - core_now(c) : 1);
}

static void
set_step(struct core *c, struct entry *e, enum cluster_step step)
{
	if (e->step == step)
		return;
	if (e->step == CLUSTER_PROBING && e->probing)
		e->probe_void = true;
	if (step != CLUSTER_PROBING && step != CLUSTER_IN_USE)
		e->busy_answers = 0;
	e->step = step;
	e->step_ms = core_now(c);
	set_due(c, e, 0);
}

/* ---- holding ---- */

static void
touch(struct core *c, struct entry *e)
{
	if (!e->is_touched)
		LIST_INSERT_HEAD(&c->touched, e, touched);
	e->is_touched = true;
	c->changed = true;
	core_post(c);
}

static void
take(struct core *c, struct entry *e)
{
	e->held = true;
	e->heir = NULL;
	e->unfit_ms = 0;
	c->nr_held++;
	touch(c, e);
	set_step(c, e, CLUSTER_HELD);
}

static void
let_go(struct core *c, struct entry *e)
{
	e->held = false;
	e->adopted = false;
	e->unfit_ms = 0;
	c->nr_held--;
	touch(c, e);
}

bool
hold_may_take(const struct core *c)
{
	return c->started && !c->cut_off && !c->alone && !c->draining && !c->leaving;
}

/* Who is lost to BFD but talks since, and still does, may still answer. */
static bool
talks_on(const struct core *c, const struct member *m)
{
	return m->life == CLUSTER_LOST && m->heard_ms > m->lost_ms && life_is_heard(c, m);
}

/* Somebody else holds it too, by what is known for sure, and wins. */
static bool
loses(const struct core *c, const struct entry *e)
{
	uint64_t score = ring_score(c->self->hash, &e->addr);
	const struct claim *k;

	LIST_FOREACH (k, &e->claims, of_entry) {
		const struct member *m = k->member;

		if (!(member_lives(m) || talks_on(c, m)) || !state_is_current(m, MESSAGE_CLAIMS))
			continue;
		if (ring_score(m->hash, &e->addr) > score)
			return true;
	}
	return false;
}

/* ---- looking at one address ---- */

static void
settle_held(struct core *c, struct entry *e)
{
	bool wanted = e->wanted || (e->adopted && !c->has_want);

	if (c->cut_off || !wanted || loses(c, e)) {
		let_go(c, e);
		hold_settle(c, e);
		return;
	}
	if (!e->wanted || e->owner == c->self || (e->owner ? !member_lives(e->owner) : e->fit)) {
		e->unfit_ms = 0;
		set_step(c, e, CLUSTER_HELD);
		return;
	}
	if (e->fit) {
		e->unfit_ms = 0;
		set_step(c, e, CLUSTER_GIVING);
		return;
	}
	if (!e->unfit_ms)
		e->unfit_ms = core_now(c);
	if (!e->owner || core_now(c) >= e->unfit_ms + UNFIT_MS) {
		let_go(c, e);
		hold_settle(c, e);
		return;
	}
	set_step(c, e, CLUSTER_GIVING);
	set_due(c, e, e->unfit_ms + UNFIT_MS);
}

static void
seek_by_asking(struct core *c, struct entry *e, struct member *holder)
{
	if (e->step == CLUSTER_ASKING && e->asked == holder)
		return;
	if (e->step == CLUSTER_ASKING)
		set_step(c, e, CLUSTER_WAITING);
	set_step(c, e, CLUSTER_ASKING);
	e->asked = holder;
	e->ticket = c->ticket + 1;
	set_due(c, e, core_now(c));
	core_post(c);
}

static void
seek_by_probing(struct core *c, struct entry *e)
{
	if (e->step == CLUSTER_PROBING || e->step == CLUSTER_IN_USE)
		return;
	set_step(c, e, CLUSTER_PROBING);
	set_due(c, e, core_now(c));
	core_post(c);
}

void
hold_settle(struct core *c, struct entry *e)
{
	struct member *holder;

	if (e->held) {
		settle_held(c, e);
		return;
	}
	if (!e->wanted || e->owner != c->self) {
		set_step(c, e, CLUSTER_NOT_OURS);
		return;
	}
	if (c->is_set && c->nr_members <= 1 && !c->draining && !c->leaving) {
		take(c, e);
		return;
	}
	if (!hold_may_take(c)) {
		set_step(c, e, CLUSTER_WAITING);
		return;
	}
	if (e->step == CLUSTER_ASKING && e->heir == c->self && e->heir_ms > core_now(c))
		return; /* it was given, as all were told; the gift itself comes, or is asked for again */
	holder = entry_holder(c, e, false);
	/* It is back since that was worked out: it may be to keep what it has. */
	if (holder && holder->since_ms > c->wanted_ms)
		set_step(c, e, CLUSTER_WAITING);
	else if (holder)
		seek_by_asking(c, e, holder);
	else
		seek_by_probing(c, e);
}

void
hold_settle_all(struct core *c)
{
	struct entry *e;

	TAILQ_FOREACH (e, &c->table.all, all)
		hold_settle(c, e);
}

/* What is due of addresses that wait for something. */
static void
busy_due(void *arg)
{
	struct core *c = arg;
	uint64_t now = core_now(c);
	struct entry *e, *next;

	for (e = LIST_FIRST(&c->busy); e; e = next) {
		next = LIST_NEXT(e, busy);
		if (e->due_ms > now)
			continue;
		if (e->step == CLUSTER_IN_USE) {
			set_step(c, e, CLUSTER_PROBING);
			set_due(c, e, now);
		} else if (e->step == CLUSTER_GIVING) {
			hold_settle(c, e);
		}
	}
	/* Asking and probing go out in the pass. */
	core_post(c);
}

/* ---- what is wanted ---- */

int
hold_want(struct core *c, const struct cluster_want *want, size_t nr)
{
	struct entry *e;

	for (size_t i = 0; i < nr; i++) {
		if (!addr_is_unicast(&want[i].addr) ||
		    (i && addr_cmp(&want[i - 1].addr, &want[i].addr) >= 0))
			return -EINVAL;
		if (!entry_get(c, &want[i].addr)) {
			c->sweep = true;
			return -ENOMEM;
		}
	}
	c->want_mark++;
	c->has_want = true;
	c->wanted_ms = core_now(c);
	for (size_t i = 0; i < nr; i++) {
		const struct cluster_want *w = &want[i];

		e = entry_find(c, &w->addr);
		e->wanted = true;
		e->fit = w->fit;
		e->want_mark = c->want_mark;
		e->owner = w->owner && *w->owner ? core_member(c, w->owner) : NULL;
	}
	TAILQ_FOREACH (e, &c->table.all, all) {
		if (e->want_mark != c->want_mark) {
			e->wanted = false;
			e->owner = NULL;
		}
		e->adopted = false;
		hold_settle(c, e);
	}
	c->sweep = true;
	c->want_since_leave = c->leaving;
	core_post(c);
	return 0;
}

int
hold_adopt(struct core *c, const struct addr *addrs, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		struct entry *e = addr_is_unicast(&addrs[i]) ? entry_get(c, &addrs[i]) : NULL;

		if (!e)
			return addr_is_unicast(&addrs[i]) ? -ENOMEM : -EINVAL;
		if (e->held)
			continue;
		take(c, e);
		e->adopted = true;
	}
	return 0;
}

/* ---- probing ---- */

static void
probe_answered(struct core *c, struct entry *e, bool in_use)
{
	/* What would be let go of at once is not taken. */
	const bool taken = in_use || loses(c, e);
	uint64_t wait = IN_USE_MS << (e->busy_answers < 2 ? e->busy_answers : 2);

	if (!taken) {
		hold_settle(c, e); /* others may have come meanwhile */
		if (e->step == CLUSTER_PROBING)
			take(c, e);
		return;
	}
	e->busy_answers++;
	set_step(c, e, CLUSTER_IN_USE);
	if (wait > IN_USE_MAX_MS)
		wait = IN_USE_MAX_MS;
	wait -= loop_random(c->loop, (uint32_t)wait / 4);
	set_due(c, e, core_now(c) + wait);
}

void
hold_probed(struct core *c, const struct addr *a, bool known, bool in_use)
{
	struct entry *e = entry_find(c, a);
	bool valid;

	if (!e || !e->probing)
		return;
	valid = !e->probe_void;
	e->probing = false;
	e->probe_void = false;
	c->sweep = true;
	core_post(c);
	if (e->step != CLUSTER_PROBING)
		return;
	if (valid)
		probe_answered(c, e, !known || in_use);
	else
		set_due(c, e, core_now(c));
}

/* Another probe, unless an answer is still to come; one that never came is not waited for. */
static void
probe(struct core *c, struct entry *e)
{
	uint64_t now = core_now(c);

	if (e->probing && now < e->step_ms + PROBE_LOST_MS) {
		set_due(c, e, e->step_ms + PROBE_LOST_MS);
		return;
	}
	if (mem_grow((void **)&c->probes, &c->cap_probes, c->nr_probes, sizeof(*c->probes), 0)) {
		set_due(c, e, now + IN_USE_MAX_MS);
		return;
	}
	c->probes[c->nr_probes++] = e->addr;
	e->probing = true;
	e->probe_void = false;
	e->step_ms = now;
	set_due(c, e, now + PROBE_LOST_MS);
}

/* ---- asking and giving ---- */

static int
by_holder(const void *a, const void *b)
{
	const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;

	if (x->asked != y->asked)
		return x->asked->hash < y->asked->hash ? -1 : 1;
	return addr_cmp(&x->addr, &y->addr);
}

static void
send_addrs(struct core *c, struct member *to, enum message_type type, uint32_t ticket,
    const struct addr *addrs, size_t nr)
{
	for (size_t at = 0; at < nr;) {
		uint8_t room[MESSAGE_MAX];
		struct wire_wr w = hello_begin(c, to, room);
		uint32_t version = type == MESSAGE_GIVE ? c->version[MESSAGE_CLAIMS] : 0;

		at += message_addrs_write(&w, type, ticket, version, addrs + at, nr - at);
		hello_send(c, to, &w);
	}
}

static void
ask(struct core *c, struct entry **due, size_t nr)
{
	uint64_t now = core_now(c);
	struct addr *addrs = mem_calloc(nr, sizeof(*addrs));
	size_t from = 0;

	c->ticket++;
	qsort(due, nr, sizeof(struct entry *), by_holder);
	for (size_t i = 0; i < nr; i++) {
		bool young = now < due[i]->step_ms + ASK_FIRST_MS;

		set_due(c, due[i], now + (young ? ASK_MS : ASK_LATER_MS));
		if (!addrs)
			continue;
		addrs[i] = due[i]->addr;
		if (i + 1 < nr && due[i + 1]->asked == due[i]->asked)
			continue;
		send_addrs(c, due[i]->asked, MESSAGE_ASK, c->ticket, addrs + from, i + 1 - from);
		from = i + 1;
	}
	mem_free(addrs);
}

/* Asks and probes that are due. */
void
hold_pass_seek(struct core *c)
{
	uint64_t now = core_now(c);
	struct entry **due = NULL, *e, *next;
	size_t nr = 0, cap = 0;

	for (e = LIST_FIRST(&c->busy); e; e = next) {
		next = LIST_NEXT(e, busy);
		if (e->due_ms > now)
			continue;
		if (e->step == CLUSTER_ASKING)
			hold_settle(c, e); /* an heir does not count for ever */
		if (e->step == CLUSTER_PROBING && e->due_ms <= now)
			probe(c, e);
		else if (e->step == CLUSTER_ASKING &&
		    mem_grow((void **)&due, &cap, nr, sizeof(struct entry *), 0) == 0)
			due[nr++] = e;
	}
	if (nr)
		ask(c, due, nr);
	mem_free(due);
	if (c->nr_probes) {
		size_t n = c->nr_probes;

		c->nr_probes = 0;
		c->ops.up.probe(c->arg, c->probes, n);
	}
	busy_tick(c);
}

static bool
will_give(const struct core *c, const struct entry *e, const struct member *to)
{
	return e->owner == to || c->draining || c->leaving || !e->fit;
}

static bool
add_gift(struct core *c, struct member *to, uint32_t ticket, const struct addr *a)
{
	if (mem_grow((void **)&c->gifts, &c->cap_gifts, c->nr_gifts, sizeof(*c->gifts), 0))
		return false;
	c->gifts[c->nr_gifts++] = (struct gift){ to, ticket, *a };
	return true;
}

void
hold_asked(struct core *c, struct member *from, const struct message_addrs *ask)
{
	struct wire_rd r = ask->addrs;
	struct addr a;
	uint8_t op;

	if (from->life != CLUSTER_ALIVE)
		return;
	while (message_addr(&r, &op, &a)) {
		struct entry *e = entry_find(c, &a);

		if (e && e->held) {
			if (!will_give(c, e, from) || !add_gift(c, from, ask->ticket, &a))
				continue;
			let_go(c, e);
			hold_inherit(c, e, from);
			hold_settle(c, e);
		} else if (e && e->heir == from && e->heir_ms > core_now(c)) {
			(void)add_gift(c, from, ask->ticket, &a); /* the first was lost */
		} else {
			hello_reply(c, from); /* it thinks what is not so */
		}
	}
	core_post(c);
}

void
hold_given(struct core *c, struct member *from, const struct message_addrs *give)
{
	struct wire_rd r = give->addrs;
	struct addr a;
	uint8_t op;

	if (from->floor < give->version)
		from->floor = give->version;
	while (message_addr(&r, &op, &a)) {
		struct entry *e = entry_find(c, &a);
		struct claim *k;

		if (!e || e->step != CLUSTER_ASKING || e->asked != from ||
		    (int32_t)(give->ticket - e->ticket) < 0)
			continue;
		k = claim_of(e, from);
		if (k)
			claim_remove(c, k);
		take(c, e);
		hold_settle(c, e);
	}
}

/* Tell whom what was given to, now that it is not answered for here any more. */
void
hold_pass_give(struct core *c)
{
	struct addr *addrs;
	size_t n = 0, nr = c->nr_gifts;

	if (!nr)
		return;
	c->nr_gifts = 0;
	addrs = mem_calloc(nr, sizeof(*addrs));
	for (size_t i = 0; addrs && i < nr; i++) {
		const struct gift *g = &c->gifts[i];

		addrs[n++] = g->addr;
		if (i + 1 < nr && g[1].to == g->to && g[1].ticket == g->ticket)
			continue;
		send_addrs(c, g->to, MESSAGE_GIVE, g->ticket, addrs, n);
		n = 0;
	}
	mem_free(addrs);
}

/* ---- heirs ---- */

static void
heirs_end(void *arg)
{
	struct core *c = arg;

	c->settle_all = c->changed = c->sweep = true;
	if (c->heir_ms > core_now(c))
		timer_set(&c->heir_timer, c->heir_ms - core_now(c));
	core_post(c);
}

void
hold_inherit(struct core *c, struct entry *e, struct member *heir)
{
	e->heir = heir;
	e->heir_ms = c->heir_ms = core_now(c) + HEIR_MS;
	if (!timer_is_running(&c->heir_timer))
		timer_set(&c->heir_timer, HEIR_MS);
}

/* ---- ends ---- */

void
hold_init(struct core *c)
{
	entries_init(&c->table);
	LIST_INIT(&c->busy);
	LIST_INIT(&c->touched);
	timer_init(&c->busy_timer, c->loop, busy_due, c);
	timer_init(&c->heir_timer, c->loop, heirs_end, c);
}

void
hold_forget_entry(struct core *c, struct entry *e)
{
	set_due(c, e, 0);
}

/* A member is not one any more. */
void
hold_forget(struct core *c, const struct member *m)
{
	struct entry *e;

	TAILQ_FOREACH (e, &c->table.all, all) {
		if (e->heir == m)
			e->heir = NULL;
		if (e->owner == m)
			e->owner = NULL;
		if (e->asked == m && e->step == CLUSTER_ASKING)
			set_step(c, e, CLUSTER_WAITING);
	}
	for (size_t i = 0; i < c->nr_gifts;) {
		if (c->gifts[i].to == m)
			c->gifts[i] = c->gifts[--c->nr_gifts];
		else
			i++;
	}
}
