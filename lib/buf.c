/*
 * lib/buf.c: the growable byte buffer.  Used wherever text or bytes are built of unknown length;
 * every growth is checked against the buffer's own maximum.
 */
#include "lib/buf.h"

#include "lib/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

void
buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max < SIZE_MAX / 4 ? max : SIZE_MAX / 4 };
}

void
buf_fini(struct buf *b)
{
	mem_free(b->data);
	*b = (struct buf){ .max = b->max };
}

void
buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->data)
		b->data[0] = '\0';
}

/* Room for @n more bytes and the NUL, or failed.  Doubles, so that adding is cheap on average. */
static char *
buf_room(struct buf *b, size_t n)
{
	size_t need, cap = b->cap ? b->cap : 64;
	char *p;

	if (b->failed || n > b->max - b->len) {
		b->failed = true;
		return NULL;
	}
	need = b->len + n + 1;
	if (need > b->cap) {
		while (cap < need)
			cap *= 2;
		if (cap > b->max + 1)
			cap = b->max + 1;
		p = mem_realloc(b->data, cap, 1);
		if (!p) {
			b->failed = true;
			return NULL;
		}
		b->data = p;
		b->cap = cap;
	}
	return b->data + b->len;
}

void
buf_add(struct buf *b, const void *from, size_t n)
{
	char *to = buf_room(b, n);

	if (!to)
		return;
	if (n)
		memcpy(to, from, n);
	to[n] = '\0';
	b->len += n;
}

void
buf_puts(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_putc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void
buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	size_t room = b->cap ? b->cap - b->len : 0;
	va_list again;
	char *to;
	int n;

	if (b->failed)
		return;
	va_copy(again, ap);
	n = vsnprintf(b->data ? b->data + b->len : NULL, room, fmt, again);
	va_end(again);
	if (n < 0 || (size_t)n > b->max - b->len) {
		b->failed = true;
	} else if ((size_t)n >= room) {
		to = buf_room(b, (size_t)n);
		if (to)
			n = vsnprintf(to, (size_t)n + 1, fmt, ap);
	}
	if (!b->failed)
		b->len += (size_t)n;
	else if (b->data)
		b->data[b->len] = '\0'; /* the try may have written a part */
}

const char *
buf_text(const struct buf *b)
{
	return b->data ? b->data : "";
}

char *
buf_steal(struct buf *b)
{
	char *p;

	if (!b->failed)
		buf_add(b, "", 0); /* so that there is a string to give */
	p = b->failed ? NULL : b->data;
	if (!p)
		mem_free(b->data);
	*b = (struct buf){ .max = b->max };
	return p;
}
