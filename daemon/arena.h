/*
 * daemon/arena.h: memory for one wanted state: taken in small pieces, given back all at once.
 */
#ifndef HERALD_DAEMON_ARENA_H
#define HERALD_DAEMON_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena_chunk;

/* Zeroed is empty. */
struct arena {
	struct arena_chunk *chunks;
	size_t used; /* of the first chunk */
	bool secret; /* keys are in it: wiped at its end */
};

/* Zeroed memory, aligned for anything; running out of memory ends the program. */
void *arena_calloc(struct arena *, size_t n, size_t size);
char *arena_printf(struct arena *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Frees everything; empty afterwards. */
void arena_fini(struct arena *);

#define arena_new_n(a, type, n) ((type *)arena_calloc((a), (n), sizeof(type)))

#endif
