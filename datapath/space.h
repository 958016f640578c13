/*
 * datapath/space.h: which words of an array are taken.  Under the tables of services; knows nothing
 * of what the words are.  Private to the room.
 *
 * Taking and giving back cost the same however many extents there are.  Giving back needs no
 * memory, so it cannot fail.
 */
#ifndef HERALD_DATAPATH_SPACE_H
#define HERALD_DATAPATH_SPACE_H

#include <stdbool.h>
#include <stdint.h>

/* Some words in a row, free or taken. */
struct extent {
	uint32_t off, words;
	bool taken;
	struct extent *prev, *next;	    /* neighbours in the array */
	struct extent *bin_prev, *bin_next; /* free ones of about that size */
};

#define SPACE_BINS 124 /* four for each power of two up to 2^32 */

struct space {
	uint32_t words, used;
	struct extent *first;
	struct extent *cursor; /* the last that was reserved, where the next search starts */
	struct extent *bin[SPACE_BINS];
};

/* @words free ones.  -ENOMEM. */
int space_init(struct space *, uint32_t words) __attribute__((warn_unused_result));
void space_fini(struct space *); /* zeroed is fine; all extents are gone */
/* -ENOSPC: no extent is long enough; -ENOMEM. */
int space_take(struct space *, uint32_t words, struct extent **out)
    __attribute__((warn_unused_result));
/* Just these words.  -EEXIST: some are taken; -ERANGE: past the end; -ENOMEM.  Quick when asked in
 * rising order. */
int space_reserve(struct space *, uint32_t off, uint32_t words, struct extent **out)
    __attribute__((warn_unused_result));
void space_give(struct space *, struct extent *); /* NULL is fine */

#endif
