/*
 * datapath/space.c: extents of an array, taken and free, in one list in the order of the array and
 * the free ones in bins by size.  Called by services_blocks.c.
 *
 * Bins are a quarter of a power of two wide.  An extent is cut from the first that fits in the bin
 * of its size (a few are tried) or else from any of a larger bin, which all fit.  Neighbours that
 * are free are joined at once, so no two free extents touch.
 */
#include "datapath/space.h"

#include "lib/mem.h"

#include <errno.h>
#include <stddef.h>

#define TRIES 16 /* extents of the bin of its own size, which may be too short */

static unsigned
bin_of(uint32_t words)
{
	unsigned power;

	if (words < 4)
		return words;
	power = 31 - (unsigned)__builtin_clz(words);
	return power * 4 - 4 + ((words >> (power - 2)) & 3);
}

static void
bin_add(struct space *s, struct extent *e)
{
	unsigned b = bin_of(e->words);

	e->bin_prev = NULL;
	e->bin_next = s->bin[b];
	if (e->bin_next)
		e->bin_next->bin_prev = e;
	s->bin[b] = e;
}

static void
bin_del(struct space *s, struct extent *e)
{
	if (e->bin_next)
		e->bin_next->bin_prev = e->bin_prev;
	if (e->bin_prev)
		e->bin_prev->bin_next = e->bin_next;
	else
		s->bin[bin_of(e->words)] = e->bin_next;
	e->bin_prev = e->bin_next = NULL;
}

/* A new extent behind @before. */
static struct extent *
extent_new(struct extent *before, uint32_t off, uint32_t words)
{
	struct extent *e = mem_calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	*e = (struct extent){ .off = off, .words = words, .prev = before };
	if (before) {
		e->next = before->next;
		before->next = e;
		if (e->next)
			e->next->prev = e;
	}
	return e;
}

int
space_init(struct space *s, uint32_t words)
{
	*s = (struct space){ .words = words };
	if (!words)
		return 0;
	s->first = extent_new(NULL, 0, words);
	if (!s->first)
		return -ENOMEM;
	bin_add(s, s->first);
	return 0;
}

void
space_fini(struct space *s)
{
	for (struct extent *e = s->first, *next; e; e = next) {
		next = e->next;
		mem_free(e);
	}
	*s = (struct space){ 0 };
}

/* The part of @e, free and long enough, that starts at @off becomes taken. */
static int
cut(struct space *s, struct extent *e, uint32_t off, uint32_t words, struct extent **out)
{
	uint32_t head = off - e->off, tail = e->words - head - words;
	struct extent *mid = e;

	/* What may fail comes first; an extent of no words is in no bin and joined to nothing. */
	if (tail && !extent_new(e, off + words, tail))
		return -ENOMEM;
	if (head) {
		mid = extent_new(e, off, words);
		if (!mid && tail) {
			struct extent *last = e->next;

			e->next = last->next;
			if (e->next)
				e->next->prev = e;
			mem_free(last);
		}
		if (!mid)
			return -ENOMEM;
	}
	bin_del(s, e);
	if (head) {
		e->words = head;
		bin_add(s, e);
	}
	mid->words = words;
	mid->taken = true;
	if (tail)
		bin_add(s, mid->next);
	s->used += words;
	*out = mid;
	return 0;
}

int
space_take(struct space *s, uint32_t words, struct extent **out)
{
	unsigned b = bin_of(words), tries = TRIES;

	if (!words || words > s->words)
		return -ENOSPC;
	for (struct extent *e = s->bin[b]; e && tries > 0; e = e->bin_next, tries--) {
		if (e->words >= words)
			return cut(s, e, e->off, words, out);
	}
	while (++b < SPACE_BINS) {
		if (s->bin[b])
			return cut(s, s->bin[b], s->bin[b]->off, words, out);
	}
	/* The last chance is in what was passed over: rather slow than none. */
	for (struct extent *e = s->bin[bin_of(words)]; e; e = e->bin_next) {
		if (e->words >= words)
			return cut(s, e, e->off, words, out);
	}
	return -ENOSPC;
}

int
space_reserve(struct space *s, uint32_t off, uint32_t words, struct extent **out)
{
	struct extent *e = s->cursor && s->cursor->off <= off ? s->cursor : s->first;
	int err;

	if (!words || off >= s->words || words > s->words - off)
		return -ERANGE;
	while (e->next && e->next->off <= off)
		e = e->next;
	if (e->taken || e->words - (off - e->off) < words)
		return -EEXIST;
	err = cut(s, e, off, words, out);
	if (!err)
		s->cursor = *out;
	return err;
}

/* @e takes over the words of the one behind it, which goes. */
static void
swallow(struct extent *e)
{
	struct extent *gone = e->next;

	e->words += gone->words;
	e->next = gone->next;
	if (e->next)
		e->next->prev = e;
	mem_free(gone);
}

void
space_give(struct space *s, struct extent *e)
{
	if (!e)
		return;
	s->used -= e->words;
	s->cursor = NULL;
	e->taken = false;
	if (e->next && !e->next->taken) {
		bin_del(s, e->next);
		swallow(e);
	}
	if (e->prev && !e->prev->taken) {
		e = e->prev;
		bin_del(s, e);
		swallow(e);
	}
	bin_add(s, e);
}
