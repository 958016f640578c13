/*
 * resource/arena.c: memory that goes all at once; see arena.h.  A list of chunks that double up to
 * a limit; what is larger gets a chunk of its own.
 */
#include "resource/arena.h"

#include "lib/mem.h"

#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#define CHUNK_MIN 1024u
#define CHUNK_MAX 65536u

struct chunk {
	struct chunk *next;
	size_t used, cap;
	alignas(max_align_t) uint8_t bytes[];
};

struct res_arena {
	struct chunk *chunks;
	size_t grow;
};

struct res_arena *
arena_new(void)
{
	struct res_arena *a = mem_calloc(1, sizeof(*a));

	if (a)
		a->grow = CHUNK_MIN;
	return a;
}

void
arena_free(struct res_arena *a)
{
	struct chunk *c;

	if (!a)
		return;
	while ((c = a->chunks) != NULL) {
		a->chunks = c->next;
		mem_free(c);
	}
	mem_free(a);
}

static struct chunk *
chunk_add(struct res_arena *a, size_t n)
{
	size_t cap = n > a->grow - sizeof(struct chunk) ? n : a->grow - sizeof(struct chunk);
	struct chunk *c = mem_calloc(1, sizeof(*c) + cap);

	if (!c)
		return NULL;
	c->cap = cap;
	if (a->grow < CHUNK_MAX)
		a->grow *= 2;
	c->next = a->chunks;
	a->chunks = c;
	return c;
}

void *
arena_alloc(struct res_arena *a, size_t n)
{
	const size_t align = alignof(max_align_t);
	struct chunk *c = a->chunks;
	void *at;

	if (n > SIZE_MAX / 2)
		return NULL;
	n = (n + align - 1) & ~(align - 1);
	if (!c || n > c->cap - c->used) {
		c = chunk_add(a, n);
		if (!c)
			return NULL;
	}
	at = c->bytes + c->used;
	c->used += n;
	return at;
}

void *
arena_array(struct res_arena *a, size_t nr, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(nr, size, &bytes))
		return NULL;
	return arena_alloc(a, bytes);
}

char *
arena_strndup(struct res_arena *a, const char *s, size_t n)
{
	char *copy = arena_alloc(a, n + 1);

	if (copy && n)
		memcpy(copy, s, n);
	return copy;
}

char *
arena_strdup(struct res_arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}
