/*
 * cluster/ring.c: places on the ring; see ring.h.
 */
#include "cluster/ring.h"

#include <string.h>

#include "lib/hash.h"

#define RING_KEY 0x6865726c642d636cU

uint64_t
ring_hash(const char *name)
{
	uint64_t h = hash_keyed(RING_KEY, 0, name, strlen(name));

	return h ? h : 1;
}

uint64_t
ring_score(uint64_t member, const struct addr *a)
{
	uint8_t bytes[sizeof(a->b) + 1];

	memcpy(bytes, a->b, sizeof(a->b));
	bytes[sizeof(a->b)] = a->family;
	return hash_keyed(RING_KEY, member, bytes, sizeof(bytes));
}

/* The first place after @at; @nr when there is none. */
static size_t
first_after(const uint64_t *places, size_t nr, uint64_t at)
{
	size_t low = 0, high = nr;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (places[mid] > at)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

size_t
ring_next(const uint64_t *places, size_t nr, uint64_t at, size_t *out, size_t max)
{
	size_t from = first_after(places, nr, at), n = 0;

	for (size_t i = 0; i < nr && n < max; i++) {
		size_t k = (from + i) % nr;

		if (places[k] != at)
			out[n++] = k;
	}
	return n;
}
