/*
 * daemon/arena.c: see arena.h.
 */
#include "daemon/arena.h"

#include "lib/mem.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE 16384u

struct arena_chunk {
	struct arena_chunk *next;
	size_t size;
	alignas(max_align_t) uint8_t bytes[];
};

void *
arena_calloc(struct arena *a, size_t n, size_t size)
{
	const size_t align = alignof(max_align_t);
	struct arena_chunk *chunk;
	size_t len, room;
	void *p;

	if (__builtin_mul_overflow(n, size, &len) || len > SIZE_MAX / 2) {
		fprintf(stderr, "herald: out of memory\n");
		abort();
	}
	len = (len + align - 1) / align * align;
	if (!a->chunks || len > a->chunks->size - a->used) {
		room = len > CHUNK_SIZE ? len : CHUNK_SIZE;
		chunk = xcalloc(1, sizeof(*chunk) + room);
		chunk->size = room;
		chunk->next = a->chunks;
		a->chunks = chunk;
		a->used = 0;
	}
	p = a->chunks->bytes + a->used;
	a->used += len;
	return p;
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len < 0)
		len = 0;
	text = arena_calloc(a, (size_t)len + 1, 1);
	va_start(ap, fmt);
	(void)vsnprintf(text, (size_t)len + 1, fmt, ap);
	va_end(ap);
	return text;
}

void
arena_fini(struct arena *a)
{
	struct arena_chunk *next;

	while (a->chunks) {
		next = a->chunks->next;
		if (a->secret)
			mem_wipe(a->chunks->bytes, a->chunks->size);
		free(a->chunks);
		a->chunks = next;
	}
	*a = (struct arena){ 0 };
}
