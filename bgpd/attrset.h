/*
 * bgpd/attrset.h: interned attribute sets.  Between the codec's view of attributes and the RIB,
 * which knows a set by a 32-bit number: equal attributes have equal numbers, always.
 *
 * A set is canonical: communities of every kind are sorted and without duplicates.  It is kept as
 * one packed string of bytes behind a small header, about as large as on the wire.
 * Sets are counted; the number 0 is "none" and may be given to ref and unref.
 */
#ifndef HERALD_BGPD_ATTRSET_H
#define HERALD_BGPD_ATTRSET_H

#include <stddef.h>
#include <stdint.h>

#include "bgpd/update.h"

struct attrset {
	uint32_t refs, hash;
	uint32_t neighbour_as; /* first AS of the path; 0: empty, or a set first */
	uint32_t len;	       /* of key */
	uint16_t path_len;     /* RFC 4271 9.1.2.2 a */
	uint8_t key[];
};

struct attrset_table {
	struct attrset **sets; /* by number; NULL: free */
	size_t cap;
	uint32_t end, nr;
	uint32_t *free; /* numbers to use again */
	size_t nr_free, cap_free;
	uint32_t *slots; /* open addressing by hash; 0: empty */
	uint32_t nr_slots;
	uint8_t *scratch;
};

void attrset_table_init(struct attrset_table *);
void attrset_table_fini(struct attrset_table *); /* whatever is still referred to goes too */

/* The number of these attributes, with a reference for the caller; 0: no memory, or larger than
 * any message could carry. */
uint32_t attrset_intern(struct attrset_table *, const struct bgp_attrs *);
void attrset_unref(struct attrset_table *, uint32_t);

static inline const struct attrset *
attrset_at(const struct attrset_table *t, uint32_t n)
{
	return t->sets[n];
}

static inline uint32_t
attrset_ref(struct attrset_table *t, uint32_t n)
{
	if (n)
		t->sets[n]->refs++;
	return n;
}

/* The attributes again; spans point into the set and live as long as it. */
void attrset_view(const struct attrset_table *, uint32_t n, struct bgp_attrs *);

/* An order by what is in them, the same in every process. */
int attrset_cmp(const struct attrset_table *, uint32_t a, uint32_t b);

/* Is this 4-octet community in the (sorted or unsorted) span? */
bool attrset_has_community(struct bgp_span communities, uint32_t community);

#endif
