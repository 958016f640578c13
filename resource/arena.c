/*
 * resource/arena.c: memory that goes all at once; see arena.h.  A list of chunks that double up to
 * a limit; what is larger gets a chunk of its own.  A chunk is filled from both ends: from its front
 * with what has to be aligned, from its back with text.
 */
#include "resource/arena.h"

#include "lib/mem.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define CHUNK_MIN 1024u
#define CHUNK_MAX 65536u
#define RECENT 8u		/* texts to look through for the same again */
#define ALIGN alignof(uint64_t) /* of all that is decoded */

struct chunk {
	struct chunk *next;
	size_t used, end, cap; /* free: from used up to end */
	alignas(ALIGN) uint8_t bytes[];
};

struct res_arena {
	struct chunk *chunks;
	size_t grow;
	size_t given; /* bytes */
	bool secret;
	struct chunk first; /* of arena_new_sized(); it is the last member */
};

struct res_arena *
arena_new(void)
{
	return arena_new_sized(0);
}

struct res_arena *
arena_new_sized(size_t n)
{
	struct res_arena *a;

	if (n > SIZE_MAX / 2)
		return NULL;
	a = mem_calloc(1, sizeof(*a) + n);
	if (!a)
		return NULL;
	a->grow = CHUNK_MIN;
	a->first.end = a->first.cap = n;
	a->chunks = &a->first;
	return a;
}

void
arena_free(struct res_arena *a)
{
	struct chunk *c;

	if (!a)
		return;
	while ((c = a->chunks) != &a->first) {
		a->chunks = c->next;
		if (a->secret)
			mem_wipe(c->bytes, c->cap);
		mem_free(c);
	}
	if (a->secret)
		mem_wipe(a->first.bytes, a->first.cap);
	mem_free(a);
}

void
arena_secret(struct res_arena *a)
{
	a->secret = true;
}

size_t
arena_used(const struct res_arena *a)
{
	return a->given;
}

static struct chunk *
chunk_add(struct res_arena *a, size_t n)
{
	size_t cap = n > a->grow - sizeof(struct chunk) ? n : a->grow - sizeof(struct chunk);
	struct chunk *c = mem_calloc(1, sizeof(*c) + cap);

	if (!c)
		return NULL;
	c->end = c->cap = cap;
	if (a->grow < CHUNK_MAX)
		a->grow *= 2;
	c->next = a->chunks;
	a->chunks = c;
	return c;
}

/* A chunk with @n bytes left; NULL: no memory. */
static struct chunk *
chunk_with(struct res_arena *a, size_t n)
{
	struct chunk *c = a->chunks;

	return n <= c->end - c->used ? c : chunk_add(a, n);
}

void *
arena_alloc(struct res_arena *a, size_t n)
{
	struct chunk *c;
	void *at;

	if (n > SIZE_MAX / 2)
		return NULL;
	n = (n + ALIGN - 1) & ~(ALIGN - 1);
	c = chunk_with(a, n);
	if (!c)
		return NULL;
	at = c->bytes + c->used;
	c->used += n;
	a->given += n;
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
	struct chunk *c = n < SIZE_MAX / 2 ? chunk_with(a, n + 1) : NULL;
	char *copy;

	if (!c)
		return NULL;
	c->end -= n + 1;
	a->given += n + 1;
	copy = (char *)c->bytes + c->end;
	if (n)
		memcpy(copy, s, n);
	return copy;
}

char *
arena_strdup(struct res_arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

const char *
arena_text(struct res_arena *a, const char *s, size_t n)
{
	static const char *const well_known[] = { "kubernetes.io/service-name",
		"endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io", "" };
	const struct chunk *c = a->chunks;
	size_t at = c->end;

	for (size_t i = 0; i < sizeof(well_known) / sizeof(well_known[0]); i++)
		if (strlen(well_known[i]) == n && memcmp(well_known[i], s, n) == 0)
			return well_known[i];
	for (unsigned i = 0; i < RECENT && at < c->cap; i++) {
		const char *text = (const char *)c->bytes + at;
		size_t len = strlen(text);

		if (len == n && memcmp(text, s, n) == 0)
			return text;
		at += len + 1;
	}
	return arena_strndup(a, s, n);
}
