/*
 * resource/merge.c: merge keys (<<) and duplicate keys of a map; see merge.h.
 */
#include "resource/merge.h"

#include "resource/arena.h"

#include "lib/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A candidate: own entries come first, merged ones after them in order of precedence. */
struct slot {
	struct node_entry e;
	size_t order;
	bool own, drop;
};

static bool
is_merge_key(const struct node *key)
{
	return key->type == NODE_SCALAR && !key->quoted && strcmp(key->text, "<<") == 0;
}

static int
key_cmp(const struct node *a, const struct node *b)
{
	size_t len = a->nr < b->nr ? a->nr : b->nr;
	int c = memcmp(a->text, b->text, len);

	if (c)
		return c;
	return (a->nr > b->nr) - (a->nr < b->nr);
}

static int
slot_by_key(const void *pa, const void *pb)
{
	const struct slot *a = pa, *b = pb;
	int c = key_cmp(a->e.key, b->e.key);

	if (c)
		return c;
	return (a->order > b->order) - (a->order < b->order);
}

static int
slot_by_order(const void *pa, const void *pb)
{
	const struct slot *a = pa, *b = pb;

	return (a->order > b->order) - (a->order < b->order);
}

/* How many entries @value brings; -EINVAL when it is nothing to merge. */
static int
merge_count(const struct node *value, size_t *nr, const struct node **bad)
{
	*bad = value;
	if (value->type == NODE_MAP) {
		*nr += value->nr;
		return 0;
	}
	if (value->type != NODE_LIST)
		return -EINVAL;
	for (size_t i = 0; i < value->nr; i++) {
		*bad = value->items[i];
		if (value->items[i]->type != NODE_MAP)
			return -EINVAL;
		*nr += value->items[i]->nr;
	}
	return 0;
}

static void
merge_add(struct slot *slots, size_t *nr, const struct node *map)
{
	for (size_t i = 0; i < map->nr; i++) {
		slots[*nr] = (struct slot){ .e = map->entries[i], .order = *nr };
		(*nr)++;
	}
}

static size_t
fill(struct slot *slots, const struct node *n)
{
	size_t nr = 0;

	for (size_t i = 0; i < n->nr; i++) {
		if (is_merge_key(n->entries[i].key))
			continue;
		slots[nr] = (struct slot){ .e = n->entries[i], .order = nr, .own = true };
		nr++;
	}
	for (size_t i = 0; i < n->nr; i++) {
		const struct node *value = n->entries[i].value;

		if (!is_merge_key(n->entries[i].key))
			continue;
		if (value->type == NODE_MAP)
			merge_add(slots, &nr, value);
		for (size_t k = 0; value->type == NODE_LIST && k < value->nr; k++)
			merge_add(slots, &nr, value->items[k]);
	}
	return nr;
}

/* Among equal keys, which stand together and in order: the first stays, further own ones are
 * marked (and stay, to be told of), merged ones go.  0 or -ENOMEM. */
static int
settle(struct res_arena *arena, struct slot *slots, size_t nr)
{
	for (size_t i = 1; i < nr; i++) {
		struct node *key;

		if (key_cmp(slots[i].e.key, slots[i - 1].e.key) != 0)
			continue;
		if (!slots[i].own) {
			slots[i].drop = true;
			continue;
		}
		key = arena_alloc(arena, sizeof(*key));
		if (!key)
			return -ENOMEM;
		*key = *slots[i].e.key; /* may be shared by an alias */
		key->duplicate = true;
		slots[i].e.key = key;
	}
	return 0;
}

static int
take_over(struct res_arena *arena, struct node *n, const struct slot *slots, size_t nr)
{
	struct node_entry *entries = arena_array(arena, nr, sizeof(*entries));
	size_t kept = 0;

	if (!entries)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++)
		if (!slots[i].drop)
			entries[kept++] = slots[i].e;
	n->entries = entries;
	n->nr = kept;
	return 0;
}

int
merge_resolve(struct res_arena *arena, struct node *n, const struct node **bad)
{
	size_t nr = n->nr;
	struct slot *slots;
	int err;

	for (size_t i = 0; i < n->nr; i++)
		if (is_merge_key(n->entries[i].key)) {
			err = merge_count(n->entries[i].value, &nr, bad);
			if (err < 0)
				return err;
		}
	if (nr < 2 && nr == n->nr)
		return 0;
	slots = mem_calloc(nr, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	nr = fill(slots, n);
	qsort(slots, nr, sizeof(*slots), slot_by_key);
	err = settle(arena, slots, nr);
	if (!err) {
		qsort(slots, nr, sizeof(*slots), slot_by_order);
		err = take_over(arena, n, slots, nr);
	}
	mem_free(slots);
	return err;
}
