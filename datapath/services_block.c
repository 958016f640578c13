/*
 * datapath/services_block.c: tables in the array of words: a list of rows and the Maglev slots that
 * index it.  Called by what wants them (services_want.c) and shows them (services_show.c).
 *
 * A block is never changed once it is made, so whoever wants the same backends has the same block:
 * the frontends of a Service, both scopes, other Services.  When nobody wants it any more it rests
 * for a second, for programs that hold its word, and then its words are free.  The table before a
 * frontend's last change stays in prev for a minute.
 */
#include "datapath/services.h"

#include "lib/hash.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- what a block is made of ---- */

static int
scratch_reserve(struct dp_services *s, size_t nr)
{
	struct maglev_backend *maglev;
	struct sv_member *member;
	uint64_t *work;

	if (nr <= s->nr_scratch)
		return 0;
	nr = nr < 64 ? 64 : nr;
	member = mem_realloc(s->member, nr, sizeof(*member));
	if (!member)
		return -ENOMEM;
	s->member = member;
	maglev = mem_realloc(s->maglev, nr, sizeof(*maglev));
	if (!maglev)
		return -ENOMEM;
	s->maglev = maglev;
	work = mem_realloc(s->work, nr, 3 * sizeof(*work));
	if (!work)
		return -ENOMEM;
	s->work = work;
	s->nr_scratch = nr;
	return 0;
}

/* For build(): tables of narrow slots are made of wide ones. */
static int
slots_reserve(struct dp_services *s, size_t nr)
{
	uint16_t *slots;

	if (nr <= s->nr_slots)
		return 0;
	slots = mem_realloc(s->slots, nr, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	s->slots = slots;
	s->nr_slots = nr;
	return 0;
}

static int
words_reserve(struct dp_services *s, size_t nr)
{
	uint64_t *words;

	if (nr <= s->nr_words)
		return 0;
	words = mem_realloc(s->words, nr, sizeof(*words));
	if (!words)
		return -ENOMEM;
	s->words = words;
	s->nr_words = nr;
	return 0;
}

/* By the key of Maglev, which is the same everywhere; rows are not. */
static int
member_cmp(const void *one, const void *other, void *services)
{
	const struct sv_be *be = ((struct dp_services *)services)->be;
	const struct sv_member *a = one, *b = other;

	if (be[a->row].order != be[b->row].order)
		return be[a->row].order < be[b->row].order ? -1 : 1;
	if (a->row != b->row)
		return a->row < b->row ? -1 : 1;
	return (a->weight < b->weight) -
	    (a->weight > b->weight); /* of one named twice the larger */
}

static void
member_sort(struct dp_services *s, uint32_t nr)
{
	struct sv_member *m = s->member;

	if (nr > 32) {
		qsort_r(m, nr, sizeof(*m), member_cmp, s);
		return;
	}
	for (uint32_t i = 1; i < nr; i++) {
		struct sv_member what = m[i];
		uint32_t at = i;

		for (; at > 0 && member_cmp(&m[at - 1], &what, s) > 0; at--)
			m[at] = m[at - 1];
		m[at] = what;
	}
}

/* Who is in the table of the scope, sorted, each once, in the scratch space.  Returns how many. */
static uint32_t
gather(struct dp_services *s, const struct sv_list *l, unsigned scope)
{
	uint32_t nr = 0, kept = 0;

	for (uint32_t i = 0; i < l->nr; i++) {
		const struct dp_backend *b = &l->b[i];

		if (l->rows[i] == SV_NONE || !(scope == LB_EXTERNAL ? b->external : b->internal))
			continue;
		s->member[nr++] = (struct sv_member){ l->rows[i], b->weight ? b->weight : 1 };
	}
	member_sort(s, nr);
	for (uint32_t i = 0; i < nr; i++) {
		if (!kept || s->member[kept - 1].row != s->member[i].row)
			s->member[kept++] = s->member[i];
	}
	return kept;
}

/* Slots into words of @per slots of @bits bits each. */
static void
pack(uint64_t *words, const uint16_t *slots, uint32_t size, const uint32_t bits)
{
	const uint32_t per = 64 / bits;

	for (uint32_t i = 0; i < size; i += per) {
		uint32_t n = size - i < per ? size - i : per;
		uint64_t word = 0;

		for (uint32_t k = 0; k < n; k++)
			word |= (uint64_t)slots[i + k] << k * bits;
		*words++ = word;
	}
}

/* The list and the slots of @nr members, at @words.  slots_reserve() was asked for them. */
static void
build(struct dp_services *s, uint64_t *words, const struct sv_member *m, uint32_t nr, uint32_t size)
{
	uint64_t *to = words + LB_TABLE_LIST_WORDS(nr);
	uint32_t *rows = (uint32_t *)words;

	to[-1] = 0;
	for (uint32_t i = 0; i < nr; i++) {
		rows[i] = m[i].row;
		s->maglev[i] = (struct maglev_backend){ s->be[m[i].row].order, m[i].weight };
	}
	maglev_fill(s->slots, size, s->maglev, nr, s->work);
	switch (LB_SLOT_LOG(nr)) {
	case 2:
		pack(to, s->slots, size, 4);
		break;
	case 3:
		pack(to, s->slots, size, 8);
		break;
	default:
		pack(to, s->slots, size, 16);
	}
}

/* Four lanes, so that the multiplications do not wait for each other. */
static uint64_t
sum_of(const uint64_t *words, uint32_t nr)
{
	uint64_t a = nr, b = 1, c = 2, d = 3;
	uint32_t i = 0;

	for (; i + 4 <= nr; i += 4) {
		a = (a ^ words[i]) * 0x9e3779b97f4a7c15u;
		b = (b ^ words[i + 1]) * 0xbf58476d1ce4e5b9u;
		c = (c ^ words[i + 2]) * 0x94d049bb133111ebu;
		d = (d ^ words[i + 3]) * 0xd6e8feb86659fd93u;
	}
	for (; i < nr; i++)
		a = (a ^ words[i]) * 0x9e3779b97f4a7c15u;
	return hash_mix(a ^ hash_mix(b ^ hash_mix(c ^ hash_mix(d))));
}

static uint32_t
words_of(const struct sv_block *b)
{
	return LB_TABLE_WORDS(LB_TABLE_SLOTS(b->word), b->nr);
}

/* ---- found again ---- */

struct like {
	struct dp_services *s;
	const struct sv_member *member;
	uint32_t nr, size;
};

/* Of an earlier process only rows and slots are known: is it what these weights give? */
static bool
is_built_so(const struct sv_block *b, const struct like *l)
{
	uint32_t nr = LB_TABLE_WORDS(l->size, l->nr);

	if (words_reserve(l->s, nr) < 0 || slots_reserve(l->s, l->size) < 0)
		return false; /* then it is built anew */
	build(l->s, l->s->words, l->member, l->nr, l->size);
	return memcmp(l->s->words, l->s->m->tables + LB_TABLE_OFF(b->word), nr * 8) == 0;
}

static bool
block_is(const void *thing, const void *key)
{
	const struct sv_block *b = thing;
	const struct like *l = key;

	if (b->nr != l->nr || LB_TABLE_SLOTS(b->word) != l->size)
		return false;
	for (uint32_t i = 0; i < b->nr; i++) {
		if (b->member[i].row != l->member[i].row)
			return false;
		if (!b->adopted && b->member[i].weight != l->member[i].weight)
			return false;
	}
	return !b->adopted || is_built_so(b, l);
}

/* Without the weights, which are not known of an adopted one. */
static uint32_t
hash_like(const struct sv_member *m, uint32_t nr, uint32_t size)
{
	uint64_t h = hash_secret() ^ size;

	for (uint32_t i = 0; i < nr; i++)
		h = (h ^ m[i].row) * 0x9e3779b97f4a7c15u ^ h >> 29;
	return (uint32_t)hash_mix(h);
}

/* ---- made and given back ---- */

static void
arm(struct dp_services *s)
{
	const struct sv_block *b = TAILQ_FIRST(&s->resting);
	const struct sv_old *o = TAILQ_FIRST(&s->olds);
	uint64_t due = UINT64_MAX, now = loop_now_ms(s->loop);

	if (b)
		due = b->due;
	if (o && o->due < due)
		due = o->due;
	if (due == UINT64_MAX)
		timer_stop(&s->timer);
	else if (!timer_is_running(&s->timer) || s->timer.due_ms > due)
		timer_set(&s->timer, due > now ? due - now : 0);
}

static void
pin(struct dp_services *s, struct sv_block *b)
{
	for (uint32_t i = 0; i < b->nr; i++)
		s->be[b->member[i].row].pins++;
	b->pinned = true;
}

/* Of the members in the scratch space. */
static int
block_new(struct dp_services *s, uint32_t hash, uint32_t nr, uint32_t size, struct sv_block **out)
{
	struct sv_block *b = mem_calloc(1, sizeof(*b) + nr * sizeof(b->member[0]));
	int err;

	if (!b)
		return -ENOMEM;
	err = sv_index_reserve(&s->blocks, 1);
	if (!err)
		err = slots_reserve(s, size);
	if (!err)
		err = space_take(&s->space, LB_TABLE_WORDS(size, nr), &b->space);
	if (err < 0) {
		mem_free(b);
		return err;
	}
	b->hash = hash;
	b->refs = 1;
	b->nr = nr;
	b->word = LB_TABLE(b->space->off, size, nr);
	memcpy(b->member, s->member, nr * sizeof(b->member[0]));
	build(s, s->m->tables + b->space->off, b->member, nr, size);
	b->sum = sum_of(s->m->tables + b->space->off, words_of(b));
	pin(s, b);
	sv_index_add(&s->blocks, b);
	TAILQ_INSERT_TAIL(&s->block_list, b, link);
	*out = b;
	return 0;
}

int
sv_block_get(struct dp_services *s, const struct sv_list *l, unsigned scope, struct sv_block **out)
{
	struct like like = { .s = s };
	uint32_t full, hash;
	int err;

	*out = NULL;
	if (scratch_reserve(s, l->nr) < 0)
		return -ENOMEM;
	like.nr = gather(s, l, scope);
	like.member = s->member;
	full = maglev_size(like.nr, s->table_size);
	if (!like.nr)
		return 0;
	/* Without room for a good table a coarser one is better than none. */
	for (like.size = full;; like.size = maglev_size(like.nr, like.size / 2)) {
		struct sv_block *b;

		hash = hash_like(s->member, like.nr, like.size);
		b = sv_index_find(&s->blocks, hash, block_is, &like);
		if (b) {
			for (uint32_t i = 0; b->adopted && i < b->nr; i++)
				b->member[i].weight = s->member[i].weight;
			b->adopted = false;
			sv_block_ref(b);
			if (b->refs == 1) {
				TAILQ_REMOVE(&s->resting, b, link);
				TAILQ_INSERT_TAIL(&s->block_list, b, link);
			}
			*out = b;
			err = 0;
		} else {
			err = block_new(s, hash, like.nr, like.size, out);
		}
		if (err != -ENOSPC || like.size / 2 < like.nr || like.size < 8)
			break;
	}
	if (err == -ENOSPC || (!err && like.size != full)) {
		sv_starve(s, &s->short_words, LB_TABLE_WORDS(full, like.nr));
		err = err ? err : 1;
	}
	return err;
}

void
sv_block_ref(struct sv_block *b)
{
	b->refs++;
}

void
sv_block_unref(struct dp_services *s, struct sv_block *b)
{
	if (!b || --b->refs)
		return;
	TAILQ_REMOVE(&s->block_list, b, link);
	TAILQ_INSERT_TAIL(&s->resting, b, link);
	b->due = loop_now_ms(s->loop) + SV_REST_MS;
	arm(s);
}

void
sv_block_free(struct dp_services *s, struct sv_block *b)
{
	for (uint32_t i = 0; b->pinned && i < b->nr; i++)
		sv_be_unpin(s, b->member[i].row);
	TAILQ_REMOVE(b->refs ? &s->block_list : &s->resting, b, link);
	sv_index_del(&s->blocks, b);
	space_give(&s->space, b->space);
	mem_free(b);
}

/* ---- of an earlier process ---- */

static bool
word_fits(const struct dp_services *s, uint64_t word)
{
	uint32_t nr = LB_TABLE_NR(word), slots = LB_TABLE_SLOTS(word), off = LB_TABLE_OFF(word);
	uint32_t total = s->space.words, words = LB_TABLE_WORDS(slots, nr);
	const uint32_t *rows;

	if (!nr || !slots || slots > LB_SLOTS_MAX || words > total || off > total - words)
		return false;
	rows = (const uint32_t *)(s->m->tables + off);
	for (uint32_t i = 0; i < nr; i++) {
		if (rows[i] >= s->be_rows.max)
			return false;
	}
	return true;
}

struct at {
	uint64_t word;
};

static bool
block_at(const void *thing, const void *key)
{
	const struct sv_block *b = thing;

	return b->word == ((const struct at *)key)->word;
}

int
sv_block_adopt(struct dp_services *s, uint64_t word, struct sv_block **out)
{
	uint32_t nr = LB_TABLE_NR(word), slots = LB_TABLE_SLOTS(word), off = LB_TABLE_OFF(word);
	const struct at at = { word };
	const uint32_t *rows;
	struct sv_block *b;
	uint32_t hash;
	int err = 0;

	if (!word_fits(s, word))
		return -EBADMSG;
	if (scratch_reserve(s, nr) < 0 || sv_index_reserve(&s->blocks, 1) < 0)
		return -ENOMEM;
	rows = (const uint32_t *)(s->m->tables + off);
	for (uint32_t i = 0; i < nr; i++)
		s->member[i] = (struct sv_member){ .row = rows[i] };
	hash = hash_like(s->member, nr, slots);
	b = sv_index_find(&s->blocks, hash, block_at, &at);
	if (b) {
		sv_block_ref(b);
		*out = b;
		return 0;
	}
	b = mem_calloc(1, sizeof(*b) + nr * sizeof(b->member[0]));
	if (!b)
		return -ENOMEM;
	err = space_reserve(&s->space, off, LB_TABLE_WORDS(slots, nr), &b->space);
	if (err < 0) {
		mem_free(b);
		return err == -ENOMEM ? err : -EBADMSG; /* it lies across another */
	}
	b->hash = hash;
	b->word = word;
	b->refs = 1;
	b->adopted = true;
	b->nr = nr;
	memcpy(b->member, s->member, nr * sizeof(b->member[0]));
	b->sum = sum_of(s->m->tables + off, words_of(b));
	pin(s, b);
	sv_index_add(&s->blocks, b);
	TAILQ_INSERT_TAIL(&s->block_list, b, link);
	*out = b;
	return 0;
}

uint64_t
sv_block_repair(struct dp_services *s, struct sv_block *b)
{
	uint64_t *words = s->m->tables + LB_TABLE_OFF(b->word), wrong = 0;

	if (sum_of(words, words_of(b)) == b->sum || b->adopted)
		return 0;
	if (scratch_reserve(s, b->nr) < 0 || words_reserve(s, words_of(b)) < 0 ||
	    slots_reserve(s, LB_TABLE_SLOTS(b->word)) < 0)
		return 0; /* the next round will see it too */
	build(s, s->words, b->member, b->nr, LB_TABLE_SLOTS(b->word));
	for (uint32_t i = 0; i < words_of(b); i++) {
		if (words[i] == s->words[i])
			continue;
		SV_STORE(&words[i], s->words[i]);
		wrong++;
	}
	b->sum = sum_of(words, words_of(b));
	return wrong;
}

/* ---- time ---- */

void
sv_old_set(struct dp_services *s, struct sv_fe *fe, unsigned scope)
{
	struct sv_old *o = &fe->old[scope];

	if (o->due)
		TAILQ_REMOVE(&s->olds, o, link);
	o->due = loop_now_ms(s->loop) + SV_PREV_MS;
	TAILQ_INSERT_TAIL(&s->olds, o, link);
	arm(s);
}

/* The word in prev is of no use any more. */
void
sv_old_drop(struct dp_services *s, struct sv_fe *fe, unsigned scope)
{
	struct sv_old *o = &fe->old[scope];
	struct sv_block *b = fe->prev[scope];

	if (o->due)
		TAILQ_REMOVE(&s->olds, o, link);
	o->due = 0;
	fe->prev[scope] = NULL;
	if (fe->image.prev[scope] && fe->row != SV_NONE) {
		fe->image.prev[scope] = 0;
		SV_STORE(&s->m->fe[fe->row].prev[scope], 0);
	}
	sv_block_unref(s, b);
}

void
sv_blocks_tick(void *services)
{
	struct dp_services *s = services;
	uint64_t now = loop_now_ms(s->loop);
	struct sv_old *o;
	struct sv_block *b;

	while ((o = TAILQ_FIRST(&s->olds)) && o->due <= now)
		sv_old_drop(s, o->fe, (unsigned)(o - o->fe->old));
	while ((b = TAILQ_FIRST(&s->resting)) && b->due <= now)
		sv_block_free(s, b);
	arm(s);
}
