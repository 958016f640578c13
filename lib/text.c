/*
 * lib/text.c: tables, durations, numbers, likeness of words, UTF-8.  What people read or typed
 * passes here on its way out or in; no I/O.
 */
#include "lib/text.h"

#include "lib/buf.h"
#include "lib/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GAP 3	    /* blanks between columns */
#define WORD_MAX 64 /* longer words are not compared letter by letter */

struct text_table {
	const char *const *headers;
	size_t nr_cols;
	char **cell;
	size_t nr_cells, cap;
};

struct text_table *
text_table_new(const char *const *headers)
{
	struct text_table *t = xnew(struct text_table);

	t->headers = headers;
	while (headers[t->nr_cols])
		t->nr_cols++;
	return t;
}

void
text_table_free(struct text_table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->nr_cells; i++)
		free(t->cell[i]);
	free(t->cell);
	free(t);
}

/* Takes @text over. */
static void
cell_put(struct text_table *t, char *text)
{
	if (t->nr_cells == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 64;
		t->cell = xrealloc(t->cell, t->cap, sizeof(*t->cell));
	}
	t->cell[t->nr_cells++] = text;
}

void
text_cell(struct text_table *t, const char *text)
{
	cell_put(t, xstrdup(text ? text : ""));
}

void
text_cellf(struct text_table *t, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		text = xstrdup("?");
	cell_put(t, text);
}

/* Columns that a text takes on a terminal: one a character. */
static size_t
width_of(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

/* The cell's text; the header's for row 0, "" where a last row is short. */
static const char *
cell_at(const struct text_table *t, size_t row, size_t col)
{
	size_t i = (row - 1) * t->nr_cols + col;

	if (row == 0)
		return t->headers[col];
	return i < t->nr_cells ? t->cell[i] : "";
}

void
text_table_print(const struct text_table *t, struct buf *out)
{
	size_t rows, *width;

	if (t->nr_cols == 0)
		return;
	rows = 1 + (t->nr_cells + t->nr_cols - 1) / t->nr_cols;
	width = xnew_n(size_t, t->nr_cols);
	for (size_t r = 0; r < rows; r++) {
		for (size_t c = 0; c < t->nr_cols; c++) {
			size_t w = width_of(cell_at(t, r, c));

			width[c] = w > width[c] ? w : width[c];
		}
	}
	for (size_t r = 0; r < rows; r++) {
		size_t blanks = 0; /* owed before the next text, so that no line ends in them */

		for (size_t c = 0; c < t->nr_cols; c++) {
			const char *s = cell_at(t, r, c);

			if (*s) {
				buf_printf(out, "%*s%s", (int)blanks, "", s);
				blanks = 0;
			}
			blanks += width[c] - width_of(s) + GAP;
		}
		buf_putc(out, '\n');
	}
	free(width);
}

/* Which two units show a duration below @below seconds; the smaller one is left out when zero. */
static const struct {
	uint64_t below;
	uint32_t unit, minor;
	char name, minor_name;
} duration_steps[] = {
	{ 120, 1, 0, 's', 0 },
	{ 600, 60, 1, 'm', 's' },
	{ 3 * 3600, 60, 0, 'm', 0 },
	{ 8 * 3600, 3600, 60, 'h', 'm' },
	{ 48 * 3600, 3600, 0, 'h', 0 },
	{ 8 * 86400, 86400, 3600, 'd', 'h' },
	{ 2 * 365 * 86400, 86400, 0, 'd', 0 },
	{ 8 * 365 * 86400, 365 * 86400, 86400, 'y', 'd' },
	{ UINT64_MAX, 365 * 86400, 0, 'y', 0 },
};

char *
text_duration(uint64_t seconds, char *buf, size_t size)
{
	uint64_t minor = 0;
	size_t i = 0;

	while (seconds >= duration_steps[i].below && duration_steps[i].below != UINT64_MAX)
		i++;
	if (duration_steps[i].minor)
		minor = seconds % duration_steps[i].unit / duration_steps[i].minor;
	if (minor)
		snprintf(buf, size, "%" PRIu64 "%c%" PRIu64 "%c", seconds / duration_steps[i].unit,
		    duration_steps[i].name, minor, duration_steps[i].minor_name);
	else
		snprintf(buf, size, "%" PRIu64 "%c", seconds / duration_steps[i].unit,
		    duration_steps[i].name);
	return buf;
}

int
text_u64(const char *text, uint64_t max, uint64_t *out)
{
	bool over = false;
	uint64_t v = 0;

	if (*text == '\0')
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		over |= __builtin_mul_overflow(v, 10, &v);
		over |= __builtin_add_overflow(v, (uint64_t)(*text - '0'), &v);
	}
	if (over || v > max)
		return -ERANGE;
	*out = v;
	return 0;
}

unsigned
text_distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);
	unsigned row[WORD_MAX + 1]; /* row[j]: from the first i letters of a to the first j of b */

	if (la > WORD_MAX || lb > WORD_MAX)
		return (unsigned)(la > lb ? la : lb);
	for (size_t j = 0; j <= lb; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= la; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			best = row[j] + 1 < best ? row[j] + 1 : best;
			best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
			row[j] = best;
		}
	}
	return row[lb];
}

const char *
text_nearest(const char *word, const char *const *words)
{
	const char *best = NULL;
	unsigned best_d = 0;

	for (; *words; words++) {
		size_t la = strlen(word), lb = strlen(*words);
		unsigned d, limit = (unsigned)((la > lb ? la : lb) + 2) / 3;

		if (la > WORD_MAX || lb > WORD_MAX)
			continue;
		d = text_distance(word, *words);
		if (d <= limit && (!best || d < best_d)) {
			best = *words;
			best_d = d;
		}
	}
	return best;
}

size_t
text_utf8_char(const void *bytes, size_t len, uint32_t *out)
{
	/* RFC 3629 3: how a sequence of n begins, and the least number that may be written so. */
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = bytes;
	size_t n;
	uint32_t c;

	if (len == 0)
		return 0;
	c = p[0];
	n = c < 0x80 ? 1 : c >= 0xf8 ? 0 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 0;
	if (n == 0 || n > len)
		return 0;
	if (n > 1)
		c &= 0x7fu >> n;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fu);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*out = c;
	return n;
}

int
text_utf8_check(const void *bytes, size_t len, size_t *bad_at)
{
	const unsigned char *p = bytes;
	uint32_t c;

	for (size_t at = 0; at < len;) {
		size_t n = text_utf8_char(p + at, len - at, &c);

		if (n == 0) {
			if (bad_at)
				*bad_at = at;
			return -EILSEQ;
		}
		at += n;
	}
	return 0;
}
