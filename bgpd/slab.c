/*
 * bgpd/slab.c: storage addressed by 32-bit numbers, below the tables of the RIB.
 */
#include "bgpd/slab.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "lib/mem.h"

/* ---- records ---- */

void
slab_init(struct slab *s, size_t size)
{
	assert(size >= sizeof(uint32_t) && size <= 4096);
	*s = (struct slab){ .size = (uint32_t)size, .end = 1 };
}

void
slab_fini(struct slab *s)
{
	for (size_t i = 0; i < s->nr_chunks; i++)
		mem_free(s->chunks[i]);
	mem_free(s->chunks);
	slab_init(s, s->size);
}

static int
slab_grow(struct slab *s)
{
	uint8_t *chunk;

	if (s->end > UINT32_MAX - SLAB_CHUNK)
		return -ENOMEM;
	if (mem_grow((void **)&s->chunks, &s->cap_chunks, s->nr_chunks, sizeof(*s->chunks), 0) < 0)
		return -ENOMEM;
	chunk = mem_calloc(SLAB_CHUNK, s->size);
	if (!chunk)
		return -ENOMEM;
	s->chunks[s->nr_chunks++] = chunk;
	return 0;
}

uint32_t
slab_take_slow(struct slab *s)
{
	uint32_t n = s->free;

	if (n) {
		void *at = slab_at(s, n);

		memcpy(&s->free, at, sizeof(s->free));
		memset(at, 0, s->size);
	} else {
		if (s->end >> SLAB_SHIFT >= s->nr_chunks && slab_grow(s) < 0)
			return 0;
		n = s->end++;
	}
	s->nr++;
	return n;
}

void
slab_give(struct slab *s, uint32_t n)
{
	assert(n && n < s->end && s->nr);
	memcpy(slab_at(s, n), &s->free, sizeof(s->free));
	s->free = n;
	s->nr--;
}

/* ---- sparse arrays ---- */

void
umap_fini(struct umap *m)
{
	for (size_t i = 0; i < m->nr_chunks; i++)
		mem_free(m->chunks[i]);
	mem_free(m->chunks);
	*m = (struct umap){ 0 };
}

int
umap_reserve(struct umap *m, uint32_t at)
{
	size_t c = at >> UMAP_SHIFT;

	if (c >= m->nr_chunks) {
		size_t nr = m->nr_chunks ? m->nr_chunks : 4;
		uint32_t **chunks;

		while (nr <= c)
			nr *= 2;
		chunks = mem_realloc(m->chunks, nr, sizeof(*chunks));
		if (!chunks)
			return -ENOMEM;
		memset(chunks + m->nr_chunks, 0, (nr - m->nr_chunks) * sizeof(*chunks));
		m->chunks = chunks;
		m->nr_chunks = nr;
	}
	if (!m->chunks[c])
		m->chunks[c] = mem_calloc(UMAP_CHUNK, sizeof(uint32_t));
	return m->chunks[c] ? 0 : -ENOMEM;
}

void
umap_set(struct umap *m, uint32_t at, uint32_t v)
{
	size_t c = at >> UMAP_SHIFT;

	if (!v && (c >= m->nr_chunks || !m->chunks[c]))
		return;
	assert(c < m->nr_chunks && m->chunks[c]);
	m->chunks[c][at & (UMAP_CHUNK - 1)] = v;
}

/* ---- sets of numbers ---- */

void
bitset_fini(struct bitset *b)
{
	mem_free(b->words);
	*b = (struct bitset){ 0 };
}

int
bitset_reserve(struct bitset *b, uint32_t end)
{
	size_t want = ((size_t)end + 63) / 64, nr = b->nr_words ? b->nr_words : 16;
	uint64_t *words;

	if (want <= b->nr_words)
		return 0;
	while (nr < want)
		nr *= 2;
	words = mem_realloc(b->words, nr, sizeof(*words));
	if (!words)
		return -ENOMEM;
	memset(words + b->nr_words, 0, (nr - b->nr_words) * sizeof(*words));
	b->words = words;
	b->nr_words = nr;
	return 0;
}

bool
bitset_add(struct bitset *b, uint32_t n)
{
	uint64_t bit = UINT64_C(1) << (n % 64);

	assert(n / 64 < b->nr_words);
	if (b->words[n / 64] & bit)
		return false;
	b->words[n / 64] |= bit;
	b->nr++;
	return true;
}

void
bitset_del(struct bitset *b, uint32_t n)
{
	if (!bitset_has(b, n))
		return;
	b->words[n / 64] &= ~(UINT64_C(1) << (n % 64));
	b->nr--;
}

uint32_t
bitset_next(const struct bitset *b, uint32_t from)
{
	size_t w = from / 64;
	uint64_t left;

	if (!b->nr || w >= b->nr_words)
		return UINT32_MAX;
	left = b->words[w] & (UINT64_MAX << (from % 64));
	while (!left) {
		if (++w >= b->nr_words)
			return UINT32_MAX;
		left = b->words[w];
	}
	return (uint32_t)(w * 64 + (unsigned)__builtin_ctzll(left));
}
