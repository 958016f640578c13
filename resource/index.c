/*
 * resource/index.c: an ordered map from (namespace, name) to a pointer; see index.h.
 */
#include "resource/index.h"

#include "lib/hash.h"
#include "lib/mem.h"

#include <stdint.h>
#include <string.h>

#define LEVELS 20u /* a node in two has one more: enough for a million */

struct link {
	struct index_node node; /* first, so that one can be had from the other */
	unsigned levels;
	struct link **next; /* levels of them, behind the struct; the key follows */
};

struct index {
	struct link head; /* without a key; LEVELS high */
	struct link *first[LEVELS];
};

static int
key_cmp(const struct link *l, const char *ns, const char *name)
{
	int c = strcmp(l->node.ns, ns);

	return c ? c : strcmp(l->node.name, name);
}

/* Taller nodes are rarer; keyed by a secret, so that nobody chooses names that make a line. */
static unsigned
levels_for(const char *ns, const char *name)
{
	uint64_t h = hash_mix(hash_bytes(ns, strlen(ns)) ^ 3 * hash_bytes(name, strlen(name)));
	unsigned levels = 1;

	for (; levels < LEVELS && h & 1; h >>= 1)
		levels++;
	return levels;
}

/* On each level the last link in front of the key. */
static void
search(struct index *ix, const char *ns, const char *name, struct link *at[LEVELS])
{
	struct link *l = &ix->head;

	for (unsigned level = LEVELS; level-- > 0;) {
		while (l->next[level] && key_cmp(l->next[level], ns, name) < 0)
			l = l->next[level];
		at[level] = l;
	}
}

/* The first link at or behind the key. */
static struct link *
lower_bound(const struct index *ix, const char *ns, const char *name)
{
	const struct link *l = &ix->head;

	for (unsigned level = LEVELS; level-- > 0;)
		while (l->next[level] && key_cmp(l->next[level], ns, name) < 0)
			l = l->next[level];
	return l->next[0];
}

struct index *
index_new(void)
{
	struct index *ix = mem_calloc(1, sizeof(*ix));

	if (ix)
		ix->head = (struct link){ .levels = LEVELS, .next = ix->first };
	return ix;
}

void
index_free(struct index *ix)
{
	struct link *l;

	if (!ix)
		return;
	while ((l = ix->first[0]) != NULL) {
		ix->first[0] = l->next[0];
		mem_free(l);
	}
	mem_free(ix);
}

struct index_node *
index_find(const struct index *ix, const char *ns, const char *name)
{
	struct link *l = lower_bound(ix, ns, name);

	return l && key_cmp(l, ns, name) == 0 ? &l->node : NULL;
}

static struct link *
link_new(const char *ns, const char *name)
{
	unsigned levels = levels_for(ns, name);
	size_t ns_size = strlen(ns) + 1, name_size = strlen(name) + 1;
	struct link *l;
	char *key;

	l = mem_calloc(1, sizeof(*l) + levels * sizeof(struct link *) + ns_size + name_size);
	if (!l)
		return NULL;
	l->levels = levels;
	l->next = (struct link **)(l + 1);
	key = (char *)(l->next + levels);
	memcpy(key, ns, ns_size);
	memcpy(key + ns_size, name, name_size);
	l->node = (struct index_node){ .ns = key, .name = key + ns_size };
	return l;
}

struct index_node *
index_add(struct index *ix, const char *ns, const char *name)
{
	struct link *at[LEVELS], *l;

	search(ix, ns, name, at);
	l = at[0]->next[0];
	if (l && key_cmp(l, ns, name) == 0)
		return &l->node;
	l = link_new(ns, name);
	if (!l)
		return NULL;
	for (unsigned i = 0; i < l->levels; i++) {
		l->next[i] = at[i]->next[i];
		at[i]->next[i] = l;
	}
	return &l->node;
}

void
index_remove(struct index *ix, struct index_node *node)
{
	struct link *at[LEVELS], *l = (struct link *)node;

	search(ix, node->ns, node->name, at);
	for (unsigned i = 0; i < l->levels; i++)
		at[i]->next[i] = l->next[i];
	mem_free(l);
}

struct index_node *
index_first(const struct index *ix)
{
	return ix->first[0] ? &ix->first[0]->node : NULL;
}

struct index_node *
index_next(const struct index_node *node)
{
	const struct link *next = ((const struct link *)node)->next[0];

	return next ? (struct index_node *)(uintptr_t)&next->node : NULL;
}

struct index_node *
index_after(const struct index *ix, const char *ns, const char *name)
{
	struct link *l = lower_bound(ix, ns, name);

	if (l && key_cmp(l, ns, name) == 0)
		l = l->next[0];
	return l ? &l->node : NULL;
}
