/*
 * lib/buf.h: a growable byte buffer that states its maximum at birth; for text (messages, JSON,
 * tables) and for bytes.  Adding past the maximum or out of memory marks it failed and adds
 * nothing more, so that a whole text is built and asked about once.
 */
#ifndef HERALD_LIB_BUF_H
#define HERALD_LIB_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data; /* NUL-terminated whenever something was added; NULL before */
	size_t len; /* without the NUL */
	size_t cap, max;
	bool failed;
};

void buf_init(struct buf *, size_t max);
void buf_fini(struct buf *);
void buf_reset(struct buf *); /* empty, keeps the memory; clears failed */
void buf_add(struct buf *, const void *, size_t);
void buf_puts(struct buf *, const char *);
void buf_putc(struct buf *, char);
void buf_printf(struct buf *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *, const char *fmt, va_list) __attribute__((format(printf, 2, 0)));
/* The text, "" when empty; valid until the next change. */
const char *buf_text(const struct buf *);
/* Gives the memory away (free() it); NULL when failed.  The buffer is as after buf_init(). */
char *buf_steal(struct buf *);

#endif
