/*
 * bgpd/slab.h: storage addressed by 32-bit numbers, below the tables of the RIB: records (slab),
 * sparse arrays (umap) and sets of record numbers (bitset).  Knows nothing of routes.
 *
 * All of it is sized by peers: what allocates can fail, and then nothing has changed.
 */
#ifndef HERALD_BGPD_SLAB_H
#define HERALD_BGPD_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Records of one size in chunks that never move.  Number 0 is never given out: it means "none". */
#define SLAB_SHIFT 12
#define SLAB_CHUNK (1u << SLAB_SHIFT)

struct slab {
	uint32_t size; /* of a record; at least 4 */
	uint32_t end;  /* every number given out so far is below */
	uint32_t free; /* first of the list of released ones, linked through their first word */
	uint32_t nr;   /* in use */
	size_t nr_chunks, cap_chunks;
	uint8_t **chunks;
};

void slab_init(struct slab *, size_t size);
void slab_fini(struct slab *);
/* slab_take() where there is more to do than to count. */
uint32_t slab_take_slow(struct slab *);

/* A zeroed record's number; 0: no memory. */
static inline uint32_t
slab_take(struct slab *s)
{
	if (s->free || s->end >> SLAB_SHIFT >= s->nr_chunks)
		return slab_take_slow(s);
	s->nr++;
	return s->end++;
}

/* Its first four bytes are overwritten, the rest stays readable until the number is taken again. */
void slab_give(struct slab *, uint32_t);

static inline void *
slab_at(const struct slab *s, uint32_t n)
{
	return s->chunks[n >> SLAB_SHIFT] + (size_t)(n & (SLAB_CHUNK - 1)) * s->size;
}

/* An array of 32-bit values, all zero at first; memory only where something was put. */
#define UMAP_SHIFT 10
#define UMAP_CHUNK (1u << UMAP_SHIFT)

struct umap {
	uint32_t **chunks;
	size_t nr_chunks;
};

void umap_fini(struct umap *);
/* Make sure that umap_set(@at) cannot fail.  -ENOMEM. */
int umap_reserve(struct umap *, uint32_t at) __attribute__((warn_unused_result));

static inline uint32_t
umap_get(const struct umap *m, uint32_t at)
{
	size_t c = at >> UMAP_SHIFT;

	if (c >= m->nr_chunks || !m->chunks[c])
		return 0;
	return m->chunks[c][at & (UMAP_CHUNK - 1)];
}

/* @at was reserved, or holds a value already, or @v is 0. */
void umap_set(struct umap *, uint32_t at, uint32_t v);

/* A set of numbers, one bit each. */
struct bitset {
	uint64_t *words;
	size_t nr_words;
	uint32_t nr; /* bits set */
};

void bitset_fini(struct bitset *);
/* Make room for all numbers below @end.  -ENOMEM. */
int bitset_reserve(struct bitset *, uint32_t end) __attribute__((warn_unused_result));

static inline bool
bitset_has(const struct bitset *b, uint32_t n)
{
	return n / 64 < b->nr_words && (b->words[n / 64] >> (n % 64) & 1);
}

/* @n was reserved.  True when it was not in. */
bool bitset_add(struct bitset *, uint32_t n);
void bitset_del(struct bitset *, uint32_t n);
/* The first number in the set that is @from or more; UINT32_MAX: none. */
uint32_t bitset_next(const struct bitset *, uint32_t from);

#endif
