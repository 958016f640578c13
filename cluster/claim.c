/*
 * cluster/claim.c: which addresses there are, and who says to hold them.  A table of entries; each has
 * the claims of other members, and each member has its own, so that either way costs what there is.
 * This node's claims are the entries that it holds, with a log of the last changes beside them.
 */
#include "cluster/parts.h"

#include <errno.h>
#include <stdlib.h>

#include "cluster/ring.h"
#include "lib/hash.h"
#include "lib/mem.h"

#define FIRST_SLOTS 64

/* ---- the table ---- */

void
entries_init(struct table *t)
{
	t->nr_slots = FIRST_SLOTS;
	t->slots = xnew_n(struct entry *, FIRST_SLOTS);
	TAILQ_INIT(&t->all);
}

void
entries_fini(struct table *t)
{
	struct entry *e;

	while ((e = TAILQ_FIRST(&t->all))) {
		TAILQ_REMOVE(&t->all, e, all);
		mem_free(e);
	}
	free(t->slots);
}

static struct entry **
slot_of(const struct table *t, const struct addr *a)
{
	uint8_t key[sizeof(a->b) + 1];

	memcpy(key, a->b, sizeof(a->b));
	key[sizeof(a->b)] = a->family;
	return &t->slots[hash_bytes(key, sizeof(key)) & (t->nr_slots - 1)];
}

static void
grow(struct table *t)
{
	size_t nr = t->nr_slots * 2;
	struct entry **slots = mem_calloc(nr, sizeof(struct entry *)), *e;

	if (!slots)
		return; /* slower, not wrong */
	free(t->slots);
	t->slots = slots;
	t->nr_slots = nr;
	TAILQ_FOREACH (e, &t->all, all) {
		struct entry **slot = slot_of(t, &e->addr);

		e->chain = *slot;
		*slot = e;
	}
}

struct entry *
entry_find(const struct core *c, const struct addr *a)
{
	struct entry *e = *slot_of(&c->table, a);

	while (e && !addr_eq(&e->addr, a))
		e = e->chain;
	return e;
}

struct entry *
entry_get(struct core *c, const struct addr *a)
{
	struct entry *e = entry_find(c, a), **slot;

	if (e)
		return e;
	e = mem_calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	if (c->table.nr >= c->table.nr_slots)
		grow(&c->table);
	e->addr = *a;
	LIST_INIT(&e->claims);
	slot = slot_of(&c->table, a);
	e->chain = *slot;
	*slot = e;
	TAILQ_INSERT_TAIL(&c->table.all, e, all);
	c->table.nr++;
	return e;
}

static bool
is_idle(const struct core *c, const struct entry *e)
{
	return !e->wanted && !e->held && !e->told && !e->is_touched && !e->probing &&
	    LIST_EMPTY(&e->claims) && (!e->heir || e->heir_ms <= core_now(c));
}

void
entry_sweep(struct core *c)
{
	struct entry *e = TAILQ_FIRST(&c->table.all), *next;

	for (; e; e = next) {
		struct entry **at;

		next = TAILQ_NEXT(e, all);
		if (!is_idle(c, e))
			continue;
		hold_forget_entry(c, e);
		for (at = slot_of(&c->table, &e->addr); *at != e; at = &(*at)->chain)
			;
		*at = e->chain;
		TAILQ_REMOVE(&c->table.all, e, all);
		c->table.nr--;
		mem_free(e);
	}
}

/* ---- claims of others ---- */

struct claim *
claim_of(const struct entry *e, const struct member *m)
{
	struct claim *k;

	LIST_FOREACH (k, &e->claims, of_entry) {
		if (k->member == m)
			return k;
	}
	return NULL;
}

void
claim_remove(struct core *c, struct claim *k)
{
	LIST_REMOVE(k, of_entry);
	LIST_REMOVE(k, of_member);
	k->member->nr_claims--;
	c->sweep = true;
	c->changed = true;
	mem_free(k);
}

void
claim_drop_all(struct core *c, struct member *m)
{
	struct claim *k;

	while ((k = LIST_FIRST(&m->claims))) {
		struct entry *e = k->entry;

		claim_remove(c, k);
		hold_settle(c, e);
	}
}

static int
add(struct core *c, struct member *m, const struct addr *a)
{
	struct entry *e = entry_get(c, a);
	struct claim *k = e ? claim_of(e, m) : NULL;

	if (!e)
		return -ENOMEM;
	if (!k) {
		if (m->nr_claims >= CLAIMS_MAX)
			return -E2BIG;
		k = mem_calloc(1, sizeof(*k));
		if (!k) {
			c->sweep = true;
			return -ENOMEM;
		}
		k->entry = e;
		k->member = m;
		LIST_INSERT_HEAD(&e->claims, k, of_entry);
		LIST_INSERT_HEAD(&m->claims, k, of_member);
		m->nr_claims++;
		if (e->heir == m)
			e->heir = NULL;
		c->changed = true;
	}
	k->mark = m->mark;
	return 0;
}

static void
take_away(struct core *c, struct member *m, const struct addr *a, struct member *heir)
{
	struct entry *e = entry_find(c, a);
	struct claim *k = e ? claim_of(e, m) : NULL;

	if (!k)
		return;
	claim_remove(c, k);
	if (heir && heir != m && !claim_of(e, heir) && !(heir->self && e->held))
		hold_inherit(c, e, heir);
}

/* What was not in the whole is not claimed any more. */
static void
drop_unmarked(struct core *c, struct member *m)
{
	struct claim *k, *next;

	for (k = LIST_FIRST(&m->claims); k; k = next) {
		struct entry *e = k->entry;

		next = LIST_NEXT(k, of_member);
		if (k->mark == m->mark)
			continue;
		claim_remove(c, k);
		hold_settle(c, e);
	}
}

/* Twice over the same bytes: first what is said, then what it means here. */
int
claim_apply(struct core *c, struct member *m, const void *bytes, size_t len, bool whole)
{
	struct wire_rd r = wire_rd_init(bytes, len);
	struct addr a;
	uint8_t op;
	int err = 0;

	m->mark++;
	while (!err && message_addr(&r, &op, &a)) {
		uint64_t heir = op == CLAIM_GIVEN ? wire_u64(&r) : 0;

		if (op == CLAIM_ADD)
			err = add(c, m, &a);
		else if (whole || op > CLAIM_GIVEN)
			err = -EBADMSG;
		else
			take_away(c, m, &a, heir ? core_member_of(c, heir) : NULL);
	}
	if (!err && !wire_done(&r))
		err = -EBADMSG;
	if (!err && whole)
		drop_unmarked(c, m);
	r = wire_rd_init(bytes, len);
	while (message_addr(&r, &op, &a)) {
		struct entry *e = entry_find(c, &a);

		if (op == CLAIM_GIVEN)
			(void)wire_u64(&r);
		if (e)
			hold_settle(c, e);
	}
	return err;
}

struct member *
entry_holder(const struct core *c, const struct entry *e, bool self)
{
	struct member *best = self && e->held ? c->self : NULL;
	uint64_t score = best ? ring_score(best->hash, &e->addr) : 0;
	const struct claim *k;

	LIST_FOREACH (k, &e->claims, of_entry) {
		uint64_t other = ring_score(k->member->hash, &e->addr);

		if (member_lives(k->member) && (!best || other > score)) {
			best = k->member;
			score = other;
		}
	}
	if (!best && e->heir && e->heir_ms > core_now(c) && member_lives(e->heir) &&
	    (self || !e->heir->self))
		best = e->heir;
	return best;
}

/* ---- this node's own ---- */

static void
log_change(struct core *c, const struct entry *e)
{
	struct change *ch;

	if (c->nr_changes == CHANGES_MAX) {
		c->first_change = (c->first_change + 1) % CHANGES_MAX;
		c->nr_changes--;
	}
	ch = &c->changes[(c->first_change + c->nr_changes++) % CHANGES_MAX];
	*ch = (struct change){ .version = c->version[MESSAGE_CLAIMS], .addr = e->addr };
	ch->op = e->held ? CLAIM_ADD : CLAIM_REMOVE;
	if (!e->held && e->heir && e->heir_ms > core_now(c)) {
		ch->op = CLAIM_GIVEN;
		ch->heir = e->heir->hash;
	}
}

void
claim_commit(struct core *c)
{
	struct entry *e;

	c->version[MESSAGE_CLAIMS]++;
	while ((e = LIST_FIRST(&c->touched))) {
		LIST_REMOVE(e, touched);
		e->is_touched = false;
		if (e->held != e->told)
			log_change(c, e);
		e->told = e->held;
	}
	c->sweep = true;
}

/* A buffer that grows. */
struct bytes {
	uint8_t *at;
	size_t len, cap;
	bool failed;
};

static void
add_item(struct bytes *b, uint8_t op, const struct addr *a, uint64_t heir)
{
	struct wire_wr w;

	while (!b->failed && b->cap - b->len < MESSAGE_ADDR_MAX + 8) {
		size_t cap = b->cap ? b->cap * 2 : 1024;
		uint8_t *at = mem_realloc(b->at, cap, 1);

		b->failed = !at;
		b->at = at ? at : b->at;
		b->cap = at ? cap : b->cap;
	}
	if (b->failed)
		return;
	b->len += message_addr_write(b->at + b->len, op, a);
	if (op != CLAIM_GIVEN)
		return;
	w = wire_wr_init(b->at + b->len, 8);
	wire_put_u32(&w, (uint32_t)(heir >> 32));
	wire_put_u32(&w, (uint32_t)heir);
	b->len += 8;
}

static struct blob *
finish(struct bytes *b)
{
	struct blob *blob = b->failed ? NULL : blob_new(b->at, b->len);

	mem_free(b->at);
	return blob;
}

static bool
log_reaches(const struct core *c, uint32_t base)
{
	uint32_t oldest;

	if (c->nr_changes < CHANGES_MAX)
		return true;
	/* The oldest may be the rest of a version whose beginning is lost. */
	oldest = c->changes[c->first_change].version;
	return base >= oldest;
}

struct blob *
claim_blob(const struct core *c, uint32_t base)
{
	struct bytes b = { 0 };
	const struct entry *e;

	if (base && (base > c->version[MESSAGE_CLAIMS] || !log_reaches(c, base)))
		return NULL;
	for (size_t i = 0; base && i < c->nr_changes; i++) {
		const struct change *ch = &c->changes[(c->first_change + i) % CHANGES_MAX];

		if (ch->version > base)
			add_item(&b, ch->op, &ch->addr, ch->heir);
	}
	if (!base)
		TAILQ_FOREACH (e, &c->table.all, all) {
			if (e->told)
				add_item(&b, CLAIM_ADD, &e->addr, 0);
		}
	return finish(&b);
}

struct blob *
claim_blob_of(const struct member *m)
{
	struct bytes b = { 0 };
	const struct claim *k;

	LIST_FOREACH (k, &m->claims, of_member)
		add_item(&b, CLAIM_ADD, &k->entry->addr, 0);
	return finish(&b);
}
