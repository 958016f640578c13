/*
 * resource/arena.h: memory that goes all at once.  A document tree has one, each object has one;
 * nothing that is decoded is freed by itself.  Fallible (lib/mem.h), since files size it.
 */
#ifndef HERALD_RESOURCE_ARENA_H
#define HERALD_RESOURCE_ARENA_H

#include <stddef.h>

struct res_arena;

/* NULL: no memory. */
struct res_arena *arena_new(void);
/* Likewise with room for @n bytes as part of it: an arena that holds what arena_used() said of
 * another, filled in the same way, is one block without a gap. */
struct res_arena *arena_new_sized(size_t n);
size_t arena_used(const struct res_arena *);
void arena_free(struct res_arena *); /* NULL is fine */
/* A key may be in it: it is wiped before it goes. */
void arena_secret(struct res_arena *);
/* Zeroed, aligned for pointers and 64-bit numbers; NULL: no memory.  @n == 0 gives a pointer to nothing. */
void *arena_alloc(struct res_arena *, size_t n);
/* @nr elements of @size; NULL also when that overflows. */
void *arena_array(struct res_arena *, size_t nr, size_t size);
char *arena_strndup(struct res_arena *, const char *, size_t n);
/* Likewise, for good: the same text twice in a row, or nearly so, is kept once.  No NUL within. */
const char *arena_text(struct res_arena *, const char *, size_t n);
char *arena_strdup(struct res_arena *, const char *);

#endif
