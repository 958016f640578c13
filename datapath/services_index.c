/*
 * datapath/services_index.c: a hash table of pointers to things that begin with their hash: open
 * addressing, linear steps, deletion by moving back.  Under the mirror of services.
 */
#include "datapath/services.h"

#include "lib/mem.h"

#include <errno.h>

static uint32_t
hash_of(const void *thing)
{
	return *(const uint32_t *)thing;
}

void
sv_index_add(struct sv_index *x, void *thing)
{
	uint32_t i = hash_of(thing) & x->mask;

	while (x->slot[i])
		i = (i + 1) & x->mask;
	x->slot[i] = thing;
	x->nr++;
}

/* At most half of the slots are used, so that a search is short. */
int
sv_index_reserve(struct sv_index *x, uint32_t more)
{
	uint64_t want = 2 * ((uint64_t)x->nr + more), size = x->slot ? (uint64_t)x->mask + 1 : 16;
	struct sv_index bigger = { 0 };

	if (x->slot && want <= size)
		return 0;
	while (size < want)
		size *= 2;
	if (size > UINT32_MAX)
		return -ENOMEM;
	bigger.slot = mem_calloc(size, sizeof(*bigger.slot));
	if (!bigger.slot)
		return -ENOMEM;
	bigger.mask = (uint32_t)(size - 1);
	for (uint32_t i = 0; x->slot && i <= x->mask; i++) {
		if (x->slot[i])
			sv_index_add(&bigger, x->slot[i]);
	}
	mem_free(x->slot);
	*x = bigger;
	return 0;
}

void
sv_index_del(struct sv_index *x, const void *thing)
{
	uint32_t i = hash_of(thing) & x->mask;

	while (x->slot[i] != thing)
		i = (i + 1) & x->mask;
	/* What stands behind and would not be found past the hole moves into it. */
	for (uint32_t j = (i + 1) & x->mask; x->slot[j]; j = (j + 1) & x->mask) {
		uint32_t home = hash_of(x->slot[j]) & x->mask;

		if (((j - home) & x->mask) >= ((j - i) & x->mask)) {
			x->slot[i] = x->slot[j];
			i = j;
		}
	}
	x->slot[i] = NULL;
	x->nr--;
}

void *
sv_index_find(const struct sv_index *x, uint32_t hash, sv_eq *eq, const void *key)
{
	if (!x->slot)
		return NULL;
	for (uint32_t i = hash & x->mask; x->slot[i]; i = (i + 1) & x->mask) {
		if (hash_of(x->slot[i]) == hash && eq(x->slot[i], key))
			return x->slot[i];
	}
	return NULL;
}

void
sv_index_fini(struct sv_index *x)
{
	mem_free(x->slot);
	*x = (struct sv_index){ 0 };
}
