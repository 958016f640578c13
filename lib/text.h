/*
 * lib/text.h: tables for people, as kubectl prints them: a header line, columns aligned by the
 * widest cell, two or more blanks between, nothing cut.  Used by heraldctl and by messages.
 */
#ifndef HERALD_LIB_TEXT_H
#define HERALD_LIB_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct text_table;

/* @headers: NULL-terminated, borrowed for the table's life. */
struct text_table *text_table_new(const char *const *headers);
void text_table_free(struct text_table *);
/* One cell after the other, row by row; copied.  NULL is an empty cell. */
void text_cell(struct text_table *, const char *);
void text_cellf(struct text_table *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void text_table_print(const struct text_table *, struct buf *out);

/* "45s", "3m12s", "2h5m", "3d4h" as kubectl does; @buf at least 24. */
char *text_duration(uint64_t seconds, char *buf, size_t size);

/* Numbers: the whole text must be one, within limits; no sign, no blanks.  -EINVAL, -ERANGE. */
int text_u64(const char *, uint64_t max, uint64_t *) __attribute__((warn_unused_result));

/* The distance between two words (insertions, deletions, changes), for "did you mean". */
unsigned text_distance(const char *, const char *);
/* The nearest of the NULL-terminated @words, or NULL when none is near enough. */
const char *text_nearest(const char *word, const char *const *words);

/* The first character of a UTF-8 text: its length in bytes, its number in *c; 0: not a valid one. */
size_t text_utf8_char(const void *, size_t len, uint32_t *c);
/* 0, or -EILSEQ when it is not valid UTF-8 (RFC 3629: no surrogates, no overlong forms); *bad_at
 * (may be NULL) then says at which byte. */
int text_utf8_check(const void *, size_t len, size_t *bad_at);

#endif
