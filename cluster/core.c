/*
 * cluster/core.c: the members, the pass, and what the outside is told; see core.h.
 */
#include "cluster/parts.h"

#include <errno.h>
#include <stdlib.h>

#include "cluster/ring.h"
#include "lib/mem.h"

#define MEMBERS_MAX 16384
#define LEAVE_WANT_MS 500 /* so long what is wanted may take to follow our leaving */

/* ---- members ---- */

struct member *
core_member(const struct core *c, const char *name)
{
	size_t low = 0, high = c->nr_members;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int cmp = strcmp(c->members[mid]->name, name);

		if (cmp == 0)
			return c->members[mid];
		if (cmp < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

struct member *
core_member_of(const struct core *c, uint64_t hash)
{
	size_t low = 0, high = c->nr_members;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (c->places[mid] == hash)
			return c->ring[mid];
		if (c->places[mid] < hash)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static struct member *
member_new(const struct core *c, const char *name, const struct addr *addr)
{
	struct member *m = xnew(struct member);

	m->name = xstrdup(name);
	m->hash = ring_hash(name);
	m->addr = *addr;
	m->since_ms = core_now(c);
	LIST_INIT(&m->claims);
	return m;
}

static void
member_free(struct core *c, struct member *m)
{
	if (m->watching)
		c->ops.up.watch(c->arg, m->name, &m->addr, false);
	claim_drop_all(c, m);
	hold_forget(c, m);
	state_fini(c, m);
	for (size_t i = 0; i < c->nr_members; i++) {
		if (c->members[i]->teller == m)
			c->members[i]->teller = NULL;
	}
	free(m->name);
	free(m);
}

static int
by_hash(const void *a, const void *b)
{
	const struct member *x = *(struct member *const *)a, *y = *(struct member *const *)b;

	return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* From the names: the ring, and room for what a review needs. */
static void
make_ring(struct core *c)
{
	size_t n = c->nr_members ? c->nr_members : 1;

	c->ring = xrealloc(c->ring, n, sizeof(*c->ring));
	c->places = xrealloc(c->places, n, sizeof(*c->places));
	c->able = xrealloc(c->able, n, sizeof(*c->able));
	c->able_places = xrealloc(c->able_places, n, sizeof(*c->able_places));
	memcpy(c->ring, c->members, c->nr_members * sizeof(*c->ring));
	qsort(c->ring, c->nr_members, sizeof(*c->ring), by_hash);
	for (size_t i = 0; i < c->nr_members; i++)
		c->places[i] = c->ring[i]->hash;
}

static int
by_member_name(const void *a, const void *b)
{
	const struct cluster_member *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* The members in the order of names, this node among them; NULL: *err. */
static struct cluster_member *
sorted(const struct cluster_conf *conf, size_t *nr, int *err)
{
	struct cluster_member *rows = NULL;
	const char *self = conf->self ? conf->self : "";
	bool has_self = false;

	*err = -EINVAL;
	if (conf->nr_members > MEMBERS_MAX || conf->key_len > CLUSTER_KEY_MAX ||
	    strlen(self) > CLUSTER_NAME_MAX)
		return NULL;
	for (size_t i = 0; i < conf->nr_members; i++) {
		const char *name = conf->members[i].name;

		if (!name || !*name || strlen(name) > CLUSTER_NAME_MAX)
			return NULL;
		has_self = has_self || strcmp(name, self) == 0;
	}
	*nr = conf->nr_members + !has_self;
	rows = mem_calloc(*nr, sizeof(*rows));
	*err = rows ? 0 : -ENOMEM;
	if (!rows)
		return NULL;
	if (conf->nr_members)
		memcpy(rows, conf->members, conf->nr_members * sizeof(*rows));
	if (!has_self)
		rows[*nr - 1].name = self;
	qsort(rows, *nr, sizeof(*rows), by_member_name);
	for (size_t i = 1; i < *nr && !*err; i++)
		*err = strcmp(rows[i - 1].name, rows[i].name) == 0 ? -EINVAL : 0;
	if (!*err)
		return rows;
	mem_free(rows);
	return NULL;
}

/* The one that is known; with another address it is another one. */
static struct member *
keep_or_make(struct core *c, const struct cluster_member *row, bool self)
{
	struct member *m = core_member(c, row->name);

	if (!m || m->self != self || (!self && !addr_eq(&m->addr, &row->addr)))
		m = member_new(c, row->name, &row->addr);
	m->addr = row->addr;
	m->kept = true;
	return m;
}

static void
set_self(struct core *c, struct member *self)
{
	if (c->self == self)
		return;
	self->self = true;
	self->life = CLUSTER_ALIVE;
	self->life_id = c->life_id;
	self->known_ms = core_now(c);
	if (c->self) {
		self->notes = c->self->notes;
		c->self->notes = NULL;
	}
	c->self = self;
}

int
core_set(struct core *c, const struct cluster_conf *conf)
{
	struct member **old = c->members, *self = NULL;
	size_t nr_old = c->nr_members, nr;
	struct cluster_member *rows;
	struct member **list;
	int err;

	rows = sorted(conf, &nr, &err);
	if (!rows)
		return err;
	list = xnew_n(struct member *, nr);
	for (size_t i = 0; i < nr; i++) {
		bool is_self = strcmp(rows[i].name, conf->self ? conf->self : "") == 0;

		list[i] = keep_or_make(c, &rows[i], is_self);
		self = is_self ? list[i] : self;
	}
	mem_free(rows);
	set_self(c, self);
	c->members = list;
	c->nr_members = nr;
	c->silent = nr <= 1 || !addr_is_set(&self->addr);
	make_ring(c);
	for (size_t i = 0; i < nr_old; i++)
		if (!old[i]->kept)
			member_free(c, old[i]);
	free(old);
	for (size_t i = 0; i < nr; i++) {
		list[i]->kept = false;
		list[i]->nr_watchers = 0;
	}
	if (!c->is_set)
		c->start_ms = core_now(c);
	c->is_set = true;
	c->review = c->settle_all = c->changed = true;
	hello_start(c);
	life_start(c);
	core_post(c);
	return 0;
}

/* ---- the pass ---- */

static bool
is_left(const struct core *c)
{
	const struct entry *e;
	bool others = false;

	/* What was given may have to be given again, until its heir says that it has it. */
	TAILQ_FOREACH (e, &c->table.all, all) {
		if (e->heir && e->heir_ms > core_now(c) && member_lives(e->heir))
			return false;
	}
	if (!c->nr_held)
		return true;
	for (size_t i = 0; i < c->nr_members; i++) {
		const struct member *m = c->members[i];

		if (m->life == CLUSTER_LOST && m->heard_ms > m->lost_ms)
			return false; /* may live again in a moment */
		others = others || m->life == CLUSTER_ALIVE;
	}
	if (!others)
		return true;
	if (!c->want_since_leave && core_now(c) - c->leave_ms < LEAVE_WANT_MS)
		return false;
	TAILQ_FOREACH (e, &c->table.all, all) {
		if (e->held && e->owner && e->owner->life == CLUSTER_ALIVE)
			return false;
	}
	return true;
}

static void
leave_end(void *arg)
{
	struct core *c = arg;
	void (*done)(void *) = c->left;

	timer_stop(&c->leave_timer);
	c->left = NULL;
	if (!done)
		return;
	c->self->gone = true;
	for (int i = 0; i < 2 && !c->silent; i++)
		hello_farewell(c);
	done(c->left_arg);
}

static void
pass(void *arg)
{
	struct core *c = arg;

	if (c->review)
		life_review(c);
	if (c->settle_all) {
		c->settle_all = false;
		hold_settle_all(c);
	}
	if (!LIST_EMPTY(&c->touched)) {
		c->ops.up.hold(c->arg);
		claim_commit(c);
		c->hello = true;
	}
	hold_pass_give(c);
	hold_pass_seek(c);
	hello_pass(c);
	state_pass(c);
	if (c->sweep) {
		c->sweep = false;
		entry_sweep(c);
	}
	if (c->left && is_left(c))
		leave_end(c);
	if (c->changed) {
		c->changed = false;
		c->ops.up.changed(c->arg);
	}
}

void
core_post(struct core *c)
{
	work_post(&c->pass);
}

static void
leave_timeout(void *arg)
{
	leave_end(arg);
}

struct core *
core_new(struct loop *loop, const struct core_ops *ops, void *send_arg, void *arg)
{
	struct core *c = xnew(struct core);

	c->loop = loop;
	c->ops = *ops;
	c->send_arg = send_arg;
	c->arg = arg;
	c->life_id = loop_wall_us(loop) * 1000;
	c->version[MESSAGE_CLAIMS] = 1;
	c->changes = xnew_n(struct change, CHANGES_MAX);
	work_init(&c->pass, loop, pass, c);
	timer_init(&c->leave_timer, loop, leave_timeout, c);
	hold_init(c);
	state_init(c);
	hello_init(c);
	life_init(c);
	set_self(c, member_new(c, "", &(struct addr){ 0 }));
	c->members = xnew_n(struct member *, 1);
	c->members[0] = c->self;
	c->nr_members = 1;
	c->silent = true;
	make_ring(c);
	return c;
}

static void
stop(struct core *c)
{
	work_cancel(&c->pass);
	timer_stop(&c->life_timer);
	timer_stop(&c->hello_timer);
	timer_stop(&c->period_timer);
	timer_stop(&c->state_timer);
	timer_stop(&c->out_timer);
	timer_stop(&c->busy_timer);
	timer_stop(&c->heir_timer);
	timer_stop(&c->leave_timer);
}

void
core_free(struct core *c)
{
	state_forget_to(c, NULL);
	for (size_t i = 0; i < c->nr_members; i++) {
		struct member *m = c->members[i];
		struct claim *k;

		while ((k = LIST_FIRST(&m->claims)))
			claim_remove(c, k);
		state_fini(c, m);
	}
	for (size_t i = 0; i < c->nr_members; i++) {
		free(c->members[i]->name);
		free(c->members[i]);
	}
	stop(c);
	entries_fini(&c->table);
	blob_unref(c->push);
	free(c->members);
	free(c->ring);
	free(c->places);
	free(c->able);
	free(c->able_places);
	free(c->changes);
	mem_free(c->gifts);
	mem_free(c->probes);
	free(c);
}

/* ---- what goes in ---- */

int
core_note(struct core *c, const void *bytes, size_t len)
{
	struct blob *old = c->self->notes, *b;

	if (len > CLUSTER_NOTES_MAX)
		return -EINVAL;
	if (old && old->len == len && memcmp(old->bytes, bytes, len) == 0)
		return 0;
	b = blob_new(bytes, len);
	if (!b)
		return -ENOMEM;
	blob_unref(old);
	c->self->notes = b;
	c->version[MESSAGE_NOTES]++;
	c->hello = true;
	core_post(c);
	return 0;
}

void
core_api(struct core *c, bool answers)
{
	if (c->api == answers)
		return;
	c->api = answers;
	c->review = true;
	core_post(c);
}

void
core_drain(struct core *c, bool drained)
{
	if (c->draining == drained)
		return;
	c->draining = drained;
	c->hello = c->review = c->settle_all = c->changed = true;
	core_post(c);
}

void
core_leave(struct core *c, unsigned timeout_ms, void (*done)(void *arg), void *arg)
{
	c->leaving = true;
	c->want_since_leave = false;
	c->leave_ms = core_now(c);
	c->left = done;
	c->left_arg = arg;
	c->hello = c->review = c->settle_all = c->changed = true;
	timer_set(&c->leave_timer, timeout_ms);
	core_post(c);
}

/* ---- what comes out ---- */

uint64_t
core_settled_ms(const struct core *c)
{
	uint64_t since = c->start_ms;

	if (!c->started || c->cut_off)
		return 0;
	for (size_t i = 0; i < c->nr_members; i++) {
		const struct member *m = c->members[i];

		if (!m->self && member_lives(m) && m->known_ms > since)
			since = m->known_ms;
	}
	return core_now(c) - since;
}

/* @names: room for CLUSTER_WATCHERS. */
struct cluster_seen
core_seen(const struct core *c, const struct member *m, const char **names)
{
	for (size_t i = 0; i < m->nr_watchers; i++)
		names[i] = m->watchers[i]->name;
	return (struct cluster_seen){
		.name = m->name,
		.addr = m->addr,
		.life = m->life,
		.since_ms = m->since_ms,
		.heard_ms = m->heard_ms,
		.self = m->self,
		.watched = m->watching,
		.watched_up = m->up,
		.watchers = names,
		.nr_watchers = m->nr_watchers,
		.nr_say_lost = m->nr_say_lost,
		.lease = m->lease,
		.held = m->self ? c->nr_held : m->nr_claims,
		.sent = m->sent,
		.received = m->received,
		.refused = m->refused,
	};
}
