/*
 * resource/fault.c: collecting what is wrong in documents; see fault.h and object.h.
 */
#include "resource/fault.h"

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TEXT 2048u

static void
fault_free(struct res_fault *f)
{
	mem_free(f->file);
	mem_free(f->object);
	mem_free(f->field);
	free(f->text);
}

void
res_faults_fini(struct res_faults *faults)
{
	for (size_t i = 0; i < faults->nr; i++)
		fault_free(&faults->v[i]);
	mem_free(faults->v);
	*faults = (struct res_faults){ 0 };
}

static int
by_place(const void *a, const void *b)
{
	const struct res_fault *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	if (x->column != y->column)
		return x->column < y->column ? -1 : 1;
	return strcmp(x->field, y->field);
}

void
fault_sort(struct res_faults *f, size_t first)
{
	if (f->nr > first)
		qsort(f->v + first, f->nr - first, sizeof(*f->v), by_place);
}

size_t
fault_count(const struct res_faults *faults)
{
	return faults->nr + faults->suppressed;
}

static char *
dup(const char *s)
{
	return mem_strndup(s, strlen(s));
}

static bool
breaks_the_line(uint32_t c)
{
	return c < ' ' || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029;
}

/*
 * A fault is one line for people: what a file brought into it (a value folded over lines, a quoted
 * escape) may neither break the line nor speak to the terminal, C1 controls included.  And it is
 * UTF-8, also where a value was clipped, for a line that is not would be missing from JSON.
 */
static void
one_line(char *s)
{
	size_t len = strlen(s), n;
	uint32_t c;

	for (size_t i = 0; i < len; i += n) {
		n = text_utf8_char(s + i, len - i, &c);
		if (n == 0 || breaks_the_line(c)) {
			n = n ? n : 1;
			memset(s + i, '?', n);
		}
	}
}

/* Takes @text over, also when it fails. */
static int
add(struct res_faults *faults, const struct fault_place *at, char *text)
{
	struct res_fault f = {
		.file = dup(at->file),
		.line = at->line,
		.column = at->column,
		.object = dup(at->object),
		.field = dup(at->field),
		.text = text,
		.notice = at->notice,
	};

	if (!f.file || !f.object || !f.field || !f.text ||
	    mem_grow((void **)&faults->v, &faults->cap, faults->nr, sizeof(f), 0) < 0) {
		fault_free(&f);
		return -ENOMEM;
	}
	one_line(f.text);
	one_line(f.object);
	one_line(f.field);
	faults->v[faults->nr++] = f;
	return 0;
}

int
fault_add(struct res_faults *faults, const struct fault_place *at, const char *fmt, ...)
{
	struct buf b;
	va_list ap;

	if (faults->nr >= RES_MAX_FAULTS) {
		faults->suppressed++;
		return 0;
	}
	buf_init(&b, MAX_TEXT);
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	return add(faults, at, buf_steal(&b));
}

int
fault_copy(struct res_faults *to, const struct res_faults *from)
{
	size_t nr = to->nr;
	int err;

	for (size_t i = 0; i < from->nr && to->nr < RES_MAX_FAULTS; i++) {
		const struct res_fault *f = &from->v[i];
		struct fault_place at = { f->file, f->line, f->column, f->object, f->field,
			f->notice };

		err = add(to, &at, mem_strndup(f->text, strlen(f->text)));
		if (err < 0)
			goto undo;
	}
	to->suppressed += from->suppressed + from->nr - (to->nr - nr);
	return 0;

undo:
	while (to->nr > nr)
		fault_free(&to->v[--to->nr]);
	return err;
}

char *
res_fault_format(const struct res_fault *f)
{
	if (!*f->file) /* an object of the API has no lines */
		return xasprintf("%s: %s: %s", f->object, f->field, f->text);
	return xasprintf(
	    "%s:%u:%u: %s: %s: %s", f->file, f->line, f->column, f->object, f->field, f->text);
}

char *
fault_quote(const char *text, size_t len, char *buf, size_t size)
{
	size_t room = size - 4, n = 0; /* "..." and the NUL */

	for (; n < len && n < room; n++) {
		unsigned char c = (unsigned char)text[n];

		buf[n] = c < ' ' || c == 0x7f ? '?' : (char)c;
	}
	/* Never half a UTF-8 sequence. */
	if (n < len)
		while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
			n--;
	buf[n] = '\0';
	if (n < len)
		memcpy(buf + n, "...", 4);
	return buf;
}
