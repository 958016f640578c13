/*
 * l2/elect.c: who answers for an address; see elect.h.  Everything that an order could depend on is
 * an address, a name or a hash of both, never a place in an array.
 */
#include "l2/elect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/hash.h"
#include "lib/mem.h"

/* Never changed: nodes of different versions must agree. */
#define ELECT_KEY 0x6865726c642d6c32U

/* What is found out about a node on the way. */
struct seat {
	uint64_t key; /* of its name */
	uint32_t weight, load, room;
	bool wanted; /* some address has it among those it prefers */
};

/* An address on the way. */
struct turn {
	uint32_t index;
	uint32_t nr_best; /* candidates of the highest preference */
	int32_t best;
	uint64_t score; /* of its owner */
};

struct work {
	const struct elect *e;
	struct elect_owner *owners;
	struct seat *seats;
	struct turn *turns; /* those with candidates: fewest choices first, then by address */
	size_t nr_turns;
	size_t left, moved, pending; /* moves that may still be made; that were; that wait */
};

const char *
elect_why_name(enum elect_why why)
{
	/* clang-format off */
	static const char *const names[ELECT_NR_WHY] = {
		[ELECT_NOBODY] = "no-candidate", [ELECT_KEPT] = "kept", [ELECT_FIRST] = "first",
		[ELECT_NEXT] = "next", [ELECT_OVER] = "over-its-share",
		[ELECT_NO_ROOM] = "no-room", [ELECT_BEHIND] = "behind",
		[ELECT_LESS_PREFERRED] = "less-preferred", [ELECT_STAYS] = "stays-elsewhere",
	};
	/* clang-format on */

	return why < ELECT_NR_WHY ? names[why] : "unknown";
}

const char *
elect_why_sentence(enum elect_why why)
{
	static const char *const sentences[ELECT_NR_WHY] = {
		[ELECT_NOBODY] = "No node is a candidate for the address.",
		[ELECT_KEPT] = "The node has the address already, and keeps it.",
		[ELECT_FIRST] = "The node is the first in the order of the address.",
		[ELECT_NEXT] = "The nodes before it in the order of the address have their share.",
		[ELECT_OVER] = "Every candidate has its share; this one has the least to bear.",
		[ELECT_NO_ROOM] = "The node has its share of addresses.",
		[ELECT_BEHIND] = "The node comes later in the order of the address.",
		[ELECT_LESS_PREFERRED] = "Other candidates have a higher preference.",
		[ELECT_STAYS] = "The address stays with the node that has it.",
	};

	return why < ELECT_NR_WHY ? sentences[why] : "";
}

/* The place of a node in the order of an address.  The highest of as many as its weight: of two
 * nodes one with twice the weight is the first for twice as many addresses. */
static uint64_t
score_of(const struct work *w, uint32_t node, const struct elect_address *a)
{
	const struct seat *s = &w->seats[node];
	uint8_t bytes[sizeof(a->addr.b) + 1];
	uint64_t best = 0;

	memcpy(bytes, a->addr.b, sizeof(a->addr.b));
	bytes[sizeof(a->addr.b)] = a->addr.family;
	for (uint32_t i = 1; i <= s->weight; i++) {
		uint64_t h = hash_keyed(s->key, i, bytes, sizeof(bytes));

		best = h > best ? h : best;
	}
	return best;
}

static bool
is_before(const struct work *w, uint64_t score_a, uint32_t a, uint64_t score_b, uint32_t b)
{
	return score_a != score_b ? score_a > score_b
				  : strcmp(w->e->nodes[a].name, w->e->nodes[b].name) < 0;
}

/* ---- what is there ---- */

static int
turn_cmp(const void *a, const void *b, void *arg)
{
	const struct turn *x = a, *y = b;
	const struct work *w = arg;

	if (x->nr_best != y->nr_best)
		return x->nr_best < y->nr_best ? -1 : 1;
	return addr_cmp(&w->e->addresses[x->index].addr, &w->e->addresses[y->index].addr);
}

static const struct elect_candidate *
candidate(const struct elect_address *a, uint32_t node)
{
	for (size_t i = 0; i < a->nr_candidates; i++) {
		if (a->candidates[i].node == node)
			return &a->candidates[i];
	}
	return NULL;
}

static void
turn_take(struct work *w, uint32_t index)
{
	const struct elect_address *a = &w->e->addresses[index];
	struct turn t = { .index = index, .best = INT32_MIN };

	w->owners[index] = (struct elect_owner){ .node = ELECT_NONE };
	for (size_t i = 0; i < a->nr_candidates; i++) {
		if (a->candidates[i].preference > t.best || t.nr_best == 0) {
			t.best = a->candidates[i].preference;
			t.nr_best = 0;
		}
		t.nr_best += a->candidates[i].preference == t.best;
	}
	for (size_t i = 0; i < a->nr_candidates; i++)
		w->seats[a->candidates[i].node].wanted |= a->candidates[i].preference == t.best;
	if (t.nr_best > 0)
		w->turns[w->nr_turns++] = t;
}

static void
rooms_set(struct work *w)
{
	uint64_t all = 0, nr = w->nr_turns;

	for (size_t n = 0; n < w->e->nr_nodes; n++)
		all += w->seats[n].wanted ? w->seats[n].weight : 0;
	for (size_t n = 0; n < w->e->nr_nodes && all > 0; n++) {
		struct seat *s = &w->seats[n];

		/* ceil(1.25 * nr * weight / all) */
		if (s->wanted)
			s->room = (uint32_t)((5 * nr * s->weight + 4 * all - 1) / (4 * all));
	}
}

static int
work_check(const struct elect *e)
{
	if (e->nr_nodes >= ELECT_NONE || e->nr_addresses >= ELECT_NONE)
		return -EINVAL;
	for (size_t i = 0; i < e->nr_addresses; i++) {
		const struct elect_address *a = &e->addresses[i];

		if (a->owner != ELECT_NONE && a->owner >= e->nr_nodes)
			return -EINVAL;
		for (size_t c = 0; c < a->nr_candidates; c++) {
			if (a->candidates[c].node >= e->nr_nodes)
				return -EINVAL;
		}
	}
	return 0;
}

static void
work_fini(struct work *w)
{
	mem_free(w->seats);
	mem_free(w->turns);
}

static int
work_init(struct work *w, const struct elect *e, struct elect_owner *owners)
{
	int err = work_check(e);

	*w = (struct work){ .e = e, .owners = owners, .left = e->moves };
	if (err < 0)
		return err;
	w->seats = mem_calloc(e->nr_nodes + 1, sizeof(*w->seats));
	w->turns = mem_calloc(e->nr_addresses + 1, sizeof(*w->turns));
	if (!w->seats || !w->turns) {
		work_fini(w);
		return -ENOMEM;
	}
	for (size_t n = 0; n < e->nr_nodes; n++) {
		const char *name = e->nodes[n].name;
		uint32_t weight = e->nodes[n].weight;

		w->seats[n].key = hash_keyed(ELECT_KEY, 0, name, strlen(name));
		w->seats[n].weight = !weight	? 1
		    : weight > ELECT_WEIGHT_MAX ? ELECT_WEIGHT_MAX
						: weight;
	}
	for (size_t i = 0; i < e->nr_addresses; i++)
		turn_take(w, (uint32_t)i);
	qsort_r(w->turns, w->nr_turns, sizeof(*w->turns), turn_cmp, w);
	rooms_set(w);
	return 0;
}

/* ---- the choice ---- */

static bool
has_room(const struct work *w, uint32_t node)
{
	return w->seats[node].load < w->seats[node].room;
}

/* The least to bear, by weight. */
static bool
is_lighter(const struct work *w, uint32_t a, uint32_t b)
{
	return (uint64_t)w->seats[a].load * w->seats[b].weight <
	    (uint64_t)w->seats[b].load * w->seats[a].weight;
}

static bool
is_as_light(const struct work *w, uint32_t a, uint32_t b)
{
	return (uint64_t)w->seats[a].load * w->seats[b].weight ==
	    (uint64_t)w->seats[b].load * w->seats[a].weight;
}

/* Whose it should be now. */
static struct elect_owner
choose(const struct work *w, const struct turn *t)
{
	const struct elect_address *a = &w->e->addresses[t->index];
	uint32_t first = ELECT_NONE, free = ELECT_NONE, light = ELECT_NONE;
	uint64_t first_score = 0, free_score = 0, light_score = 0;

	for (size_t i = 0; i < a->nr_candidates; i++) {
		uint32_t n = a->candidates[i].node;
		uint64_t s;

		if (a->candidates[i].preference != t->best)
			continue;
		s = score_of(w, n, a);
		if (first == ELECT_NONE || is_before(w, s, n, first_score, first))
			first = n, first_score = s;
		if (has_room(w, n) && (free == ELECT_NONE || is_before(w, s, n, free_score, free)))
			free = n, free_score = s;
		if (light == ELECT_NONE || is_lighter(w, n, light) ||
		    (is_as_light(w, n, light) && is_before(w, s, n, light_score, light)))
			light = n, light_score = s;
	}
	if (free == ELECT_NONE)
		return (struct elect_owner){ light, ELECT_OVER };
	return (struct elect_owner){ free, free == first ? ELECT_FIRST : ELECT_NEXT };
}

/* Those that have a candidate for their owner stay there, for the time being. */
static void
keep(struct work *w)
{
	for (size_t i = 0; i < w->nr_turns; i++) {
		const struct turn *t = &w->turns[i];
		const struct elect_address *a = &w->e->addresses[t->index];

		if (a->owner == ELECT_NONE || !candidate(a, a->owner))
			continue;
		w->owners[t->index] = (struct elect_owner){ a->owner, ELECT_KEPT };
		w->seats[a->owner].load++;
	}
}

static void
place_orphans(struct work *w)
{
	for (size_t i = 0; i < w->nr_turns; i++) {
		const struct turn *t = &w->turns[i];
		struct elect_owner *o = &w->owners[t->index];

		if (o->node != ELECT_NONE)
			continue;
		*o = choose(w, t);
		w->seats[o->node].load++;
		w->moved += w->e->addresses[t->index].owner != ELECT_NONE;
	}
}

static bool
may_move(struct work *w)
{
	if (w->left == 0) {
		w->pending++;
		return false;
	}
	w->left--;
	w->moved++;
	return true;
}

/* To where the preference is higher. */
static void
follow_preference(struct work *w)
{
	for (size_t i = 0; i < w->nr_turns; i++) {
		const struct turn *t = &w->turns[i];
		const struct elect_address *a = &w->e->addresses[t->index];
		struct elect_owner *o = &w->owners[t->index];

		if (o->why != ELECT_KEPT || candidate(a, o->node)->preference == t->best ||
		    !may_move(w))
			continue;
		w->seats[o->node].load--;
		*o = choose(w, t);
		w->seats[o->node].load++;
	}
}

/* Those that hold to their owner the least come first. */
static int
loose_cmp(const void *a, const void *b, void *arg)
{
	const struct turn *x = a, *y = b;

	if (x->score != y->score)
		return x->score < y->score ? -1 : 1;
	return turn_cmp(a, b, arg);
}

/* From where there are too many to where there is room. */
static void
shed(struct work *w)
{
	for (size_t i = 0; i < w->nr_turns; i++) {
		struct turn *t = &w->turns[i];
		uint32_t owner = w->owners[t->index].node;

		t->score = score_of(w, owner, &w->e->addresses[t->index]);
	}
	qsort_r(w->turns, w->nr_turns, sizeof(*w->turns), loose_cmp, w);
	for (size_t i = 0; i < w->nr_turns; i++) {
		const struct turn *t = &w->turns[i];
		struct elect_owner *o = &w->owners[t->index], next;
		struct seat *s = &w->seats[o->node];

		if (s->load <= s->room)
			continue;
		next = choose(w, t);
		/* What moves anyway, and found no room before others made some, may as well go
		 * there. */
		if (next.why == ELECT_OVER || (o->why == ELECT_KEPT && !may_move(w)))
			continue;
		s->load--;
		*o = next;
		w->seats[next.node].load++;
	}
}

int
elect(const struct elect *e, struct elect_owner *owners, struct elect_sum *sum)
{
	struct work w;
	int err = work_init(&w, e, owners);

	if (err < 0)
		return err;
	keep(&w);
	place_orphans(&w);
	follow_preference(&w);
	shed(&w);
	if (sum)
		*sum = (struct elect_sum){ .moved = w.moved, .pending = w.pending };
	work_fini(&w);
	return 0;
}

/* ---- for people ---- */

static int
rank_cmp(const void *a, const void *b, void *arg)
{
	const struct elect_rank *x = a, *y = b;
	const struct work *w = arg;

	if (x->preference != y->preference)
		return x->preference > y->preference ? -1 : 1;
	return is_before(w, x->score, x->node, y->score, y->node) ? -1 : 1;
}

static enum elect_why
why_not(const struct elect_rank *r, const struct elect_rank *owner, enum elect_why how)
{
	if (r->preference < owner->preference)
		return ELECT_LESS_PREFERRED;
	if (how == ELECT_KEPT)
		return ELECT_STAYS;
	return r->score > owner->score || how == ELECT_OVER ? ELECT_NO_ROOM : ELECT_BEHIND;
}

long
elect_explain(const struct elect *e, const struct elect_owner *owners, size_t address,
    struct elect_rank *ranks)
{
	const struct elect_address *a = &e->addresses[address];
	struct elect_owner *copy = mem_calloc(e->nr_addresses + 1, sizeof(*copy));
	const struct elect_owner *o = &owners[address];
	const struct elect_rank *best = NULL;
	struct work w;
	int err = copy ? work_init(&w, e, copy) : -ENOMEM;

	mem_free(copy);
	if (err < 0)
		return err;
	for (size_t i = 0; i < e->nr_addresses; i++) {
		if (owners[i].node != ELECT_NONE)
			w.seats[owners[i].node].load++;
	}
	for (size_t i = 0; i < a->nr_candidates; i++) {
		uint32_t n = a->candidates[i].node;

		ranks[i] = (struct elect_rank){ .node = n,
			.preference = a->candidates[i].preference,
			.score = score_of(&w, n, a),
			.load = w.seats[n].load,
			.room = w.seats[n].room };
	}
	qsort_r(ranks, a->nr_candidates, sizeof(*ranks), rank_cmp, &w);
	for (size_t i = 0; i < a->nr_candidates; i++)
		best = ranks[i].node == o->node ? &ranks[i] : best;
	for (size_t i = 0; best && i < a->nr_candidates; i++)
		ranks[i].why = &ranks[i] == best ? o->why : why_not(&ranks[i], best, o->why);
	work_fini(&w);
	return (long)a->nr_candidates;
}
