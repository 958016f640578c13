/*
 * datapath/maglev.c: which backend has which slot of a table.  Called by the writer of services for
 * each table that is new; knows nothing of maps or addresses but their hash.
 *
 * Maglev hashing (Eisenbud et al., NSDI 2016, 3.4): each backend has a permutation of all slots,
 * an offset and a step, and they take turns in claiming the next free slot of their own.  Backends
 * take turns in the order of their keys, so every node that knows the same set builds the same
 * table.  Weights (our own): who has a weight of w takes its k-th slot at the time (k + 1/2) / w.
 */
#include "datapath/core.h"

#include "lib/hash.h"

#define FREE_SLOT 0xffffU

/* Slots for each backend, at least: no backend has over 1 % more than another, and below 2.5 % of the
 * flows of others move when one goes. */
#define SLOTS_EACH 132

/* The smallest primes that are enough for 2, 3, .. 8, 10, 12, 14, 16, 20, 24 .. backends: steps small
 * enough that none has much more than it needs, for tables are most of the memory. */
static const uint32_t primes[] = { 269, 397, 541, 661, 797, 929, 1061, 1321, 1597, 1861, 2113, 2647,
	3169, 3697, 4229, 5281, 6337, 7393, 8461, 10567, 12689, 14797, 16901, 21121, 25349, 29569,
	33797, 42257, 50707, 59141, 67589, 84481, 101377, 118273, LB_SLOTS_MAX };

static bool
is_prime(uint32_t n)
{
	if (n < 4)
		return n > 1;
	for (uint32_t d = 2; d * d <= n; d++) {
		if (n % d == 0)
			return false;
	}
	return true;
}

uint32_t
maglev_size(uint32_t nr, uint32_t max)
{
	if (nr < 2)
		return nr; /* alone it has every slot, however few */
	if (max > LB_SLOTS_MAX)
		max = LB_SLOTS_MAX;
	for (unsigned i = 0; i < sizeof(primes) / sizeof(primes[0]); i++) {
		if (primes[i] > max)
			break;
		if (primes[i] >= (uint64_t)nr * SLOTS_EACH)
			return primes[i];
	}
	/* A table that is not of prime size would leave slots that nobody's steps come to. */
	while (max > 2 && !is_prime(max))
		max--;
	return max < 2 ? 2 : max;
}

uint64_t
maglev_key(const struct addr *a, uint16_t port, uint8_t proto)
{
	uint8_t bytes[20] = { 0 };

	__builtin_memcpy(bytes, a->b, 16);
	bytes[16] = (uint8_t)(port >> 8);
	bytes[17] = (uint8_t)port;
	bytes[18] = proto;
	bytes[19] = a->family;
	/* Fixed keys: all nodes have to agree, and nobody gains by choosing a pod's address. */
	return hash_keyed(0x4d61676c65762031u, 0x686572616c640000u, bytes, sizeof(bytes));
}

/* ---- turns: the first third of the work space is the order of keys ---- */

/* Sort @order, indices, by key; mostly it is in order already. */
static void
sift(uint64_t *order, uint32_t at, uint32_t nr, const struct maglev_backend *b)
{
	uint64_t what = order[at];

	for (uint32_t kid; (kid = 2 * at + 1) < nr; at = kid) {
		if (kid + 1 < nr && b[order[kid + 1]].key > b[order[kid]].key)
			kid++;
		if (b[order[kid]].key <= b[what].key)
			break;
		order[at] = order[kid];
	}
	order[at] = what;
}

static void
sort_by_key(uint64_t *order, uint32_t nr, const struct maglev_backend *b)
{
	bool sorted = true;

	for (uint32_t i = 0; i < nr; i++) {
		order[i] = i;
		sorted = sorted && (i == 0 || b[i - 1].key <= b[i].key);
	}
	if (sorted)
		return;
	for (uint32_t i = nr / 2; i-- > 0;)
		sift(order, i, nr, b);
	for (uint32_t i = nr; i-- > 1;) {
		uint64_t top = order[0];

		order[0] = order[i];
		order[i] = top;
		sift(order, 0, i, b);
	}
}

/* One backend's walk: where it stands, and its step. */
struct walk {
	uint32_t at, step;
};
_Static_assert(sizeof(struct walk) == sizeof(uint64_t), "a walk is a word of the work space");

/* The next free slot of its own, and on from there. */
static inline uint32_t
claim(const uint16_t *slots, uint32_t size, struct walk *w)
{
	uint32_t at = w->at, step = w->step, got, next;

	while (slots[at] != FREE_SLOT) {
		next = at + step;
		at = next >= size ? next - size : next;
	}
	got = at;
	next = at + step;
	w->at = next >= size ? next - size : next;
	return got;
}

static void
fill_equal(uint16_t *slots, uint32_t size, const uint64_t *order, struct walk *walks, uint32_t nr)
{
	uint32_t left = size;

	for (;;) {
		for (uint32_t i = 0; i < nr; i++) {
			slots[claim(slots, size, &walks[i])] = (uint16_t)order[i];
			if (--left == 0)
				return;
		}
	}
}

/* ---- weights: a heap by the time of the next claim ---- */

/* The time of the next claim in the upper 47 bits, who in the lower 17: unique, so that the heap
 * has one order only. */
#define WHO_BITS 17
#define WHO(t) ((uint32_t)(t) & ((1U << WHO_BITS) - 1))

static uint64_t
due(uint64_t claims, uint32_t weight, uint32_t who)
{
	/* At most 131071 claims, so 2 * claims + 1 has 18 bits and 28 are left for the fraction. */
	return ((2 * claims + 1) << 28) / weight << WHO_BITS | who;
}

static void
heap_down(uint64_t *heap, uint32_t nr, uint32_t at, uint64_t what)
{
	for (uint32_t kid; (kid = 2 * at + 1) < nr; at = kid) {
		if (kid + 1 < nr && heap[kid + 1] < heap[kid])
			kid++;
		if (heap[kid] >= what)
			break;
		heap[at] = heap[kid];
	}
	heap[at] = what;
}

static uint32_t
weight_of(const struct maglev_backend *b)
{
	return b->weight ? b->weight : 1;
}

/* @claims: how many each has made, in the place of the heap's third of the work space. */
static void
fill_weighted(uint16_t *slots, uint32_t size, const struct maglev_backend *b, uint64_t *order,
    struct walk *walks, uint64_t *heap, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++)
		heap[i] = due(0, weight_of(&b[order[i]]), i);
	for (uint32_t i = nr / 2; i-- > 0;)
		heap_down(heap, nr, i, heap[i]);
	for (uint32_t left = size; left > 0; left--) {
		uint32_t i = WHO(heap[0]), who = (uint32_t)order[i];
		uint64_t made = (order[i] >> 32) + 1; /* how many it has, above its index */

		slots[claim(slots, size, &walks[i])] = (uint16_t)who;
		order[i] = made << 32 | who;
		heap_down(heap, nr, 0, due(made, weight_of(&b[who]), i));
	}
}

void
maglev_fill(uint16_t *slots, uint32_t size, const struct maglev_backend *backends, uint32_t nr,
    uint64_t *work)
{
	uint64_t *order = work, *heap = work + 2 * (size_t)nr;
	struct walk *walks = (struct walk *)(work + nr);
	bool equal = true;

	if (!nr || !size)
		return;
	if (nr == 1) {
		__builtin_memset(slots, 0, size * sizeof(*slots));
		return;
	}
	__builtin_memset(slots, 0xff, size * sizeof(*slots));
	sort_by_key(order, nr, backends);
	for (uint32_t i = 0; i < nr; i++) {
		uint64_t h = hash_mix(backends[order[i]].key);

		walks[i].at = (uint32_t)((h >> 32) * size >> 32);
		walks[i].step = (uint32_t)((h & 0xffffffff) * (size - 1) >> 32) + 1;
		equal = equal && weight_of(&backends[i]) == weight_of(&backends[0]);
	}
	if (equal)
		fill_equal(slots, size, order, walks, nr);
	else
		fill_weighted(slots, size, backends, order, walks, heap, nr);
}
