/*
 * resource/json_text.c: JSON text -> document tree; see json_text.h.  The grammar of RFC 8259, one
 * function a production.
 *
 * jansson reads the same in seven times as long, since it makes a tree of its own before ours, with
 * everything in it; where thousands of objects come at once that is most of what a start takes.
 */
#include "resource/json_text.h"

#include "resource/arena.h"

#include "lib/mem.h"
#include "lib/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FEW 16u /* members that are held against each other one by one */

struct reader {
	const struct json_keep *keep;
	struct res_arena *arena;
	const char *at, *end;
	unsigned depth, values;
	unsigned over;		   /* levels of what is read over */
	const struct node **stack; /* children of what is open */
	size_t nr_stack, cap_stack;
	int err;
};

static const struct node nothing = { .type = NODE_NULL, .line = 1, .column = 1, .weight = 1 };

/* NULL, always. */
static const struct node *
no(struct reader *r, int err)
{
	if (!r->err)
		r->err = err;
	return NULL;
}

static void
skip_blanks(struct reader *r)
{
	while (
	    r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
		r->at++;
}

/* Is @c next?  Then it is used. */
static bool
take(struct reader *r, char c)
{
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

static struct node *
node_new(struct reader *r, enum node_type type)
{
	struct node *n = arena_alloc(r->arena, sizeof(*n));

	if (!n) {
		(void)no(r, -ENOMEM);
		return NULL;
	}
	n->type = (uint8_t)type;
	n->line = n->column = n->weight = 1;
	return n;
}

static const struct node *
scalar(struct reader *r, const char *text, size_t len, bool quoted)
{
	struct node *n = node_new(r, NODE_SCALAR);

	if (!n)
		return NULL;
	n->quoted = quoted;
	n->text = text;
	n->nr = len;
	return n;
}

/* ---- strings ---- */

static int
hex4(const char *s, const char *end, uint32_t *v)
{
	*v = 0;
	if (end - s < 4)
		return -EBADMSG;
	for (int i = 0; i < 4; i++) {
		char c = s[i];

		if (c >= '0' && c <= '9')
			*v = *v << 4 | (uint32_t)(c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			*v = *v << 4 | (uint32_t)((c | 32) - 'a' + 10);
		else
			return -EBADMSG;
	}
	return 0;
}

static char *
put_utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
		*to++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	} else {
		*to++ = (char)(0xf0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 0x3f));
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	}
	return to;
}

/* "uXXXX", and the second half of a pair.  NULL: it is none. */
static const char *
unescape_u(const char *s, const char *end, char **to)
{
	uint32_t c, low;

	if (hex4(s + 1, end, &c) < 0)
		return NULL;
	s += 5;
	if (c >= 0xdc00 && c <= 0xdfff)
		return NULL;
	if (c >= 0xd800 && c <= 0xdbff) {
		if (end - s < 6 || s[0] != '\\' || s[1] != 'u' || hex4(s + 2, end, &low) < 0 ||
		    low < 0xdc00 || low > 0xdfff)
			return NULL;
		c = 0x10000 + ((c - 0xd800) << 10 | (low - 0xdc00));
		s += 6;
	}
	*to = put_utf8(*to, c);
	return s;
}

/* What stands behind a backslash at @s. */
static const char *
unescape(const char *s, const char *end, char **to)
{
	static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
	const char *which;

	if (s == end)
		return NULL;
	if (*s == 'u')
		return unescape_u(s, end, to);
	which = *s ? strchr(from, *s) : NULL;
	if (!which)
		return NULL;
	*(*to)++ = into[which - from];
	return s + 1;
}

/* The text of a string between @s and @end, escapes written out; it is never longer. */
static int
write_out(const char *s, const char *end, char *to, size_t *len)
{
	char *first = to;

	while (s && s < end)
		if (*s == '\\')
			s = unescape(s + 1, end, &to);
		else
			*to++ = *s++;
	*to = '\0';
	*len = (size_t)(to - first);
	return s ? 0 : -EBADMSG;
}

/* A string behind its first quote: its text and length.  NULL: r->err. */
static const char *
string(struct reader *r, size_t *len)
{
	const char *first = r->at;
	bool escapes = false, wide = false;
	char *text;
	int err;

	for (; r->at < r->end && *r->at != '"'; r->at++) {
		unsigned char c = (unsigned char)*r->at;

		if (c < ' ')
			break;
		wide |= c >= 0x80;
		if (c == '\\') {
			escapes = true;
			if (++r->at == r->end)
				break;
		}
	}
	*len = (size_t)(r->at - first);
	if (!take(r, '"') || (wide && text_utf8_check(first, *len, NULL) < 0)) {
		(void)no(r, -EBADMSG);
		return NULL;
	}
	if (r->over && !escapes)
		return "";
	text = arena_strndup(r->arena, first, *len);
	err = !text ? -ENOMEM : escapes ? write_out(first, first + *len, text, len) : 0;
	if (err < 0) {
		(void)no(r, err);
		return NULL;
	}
	return text;
}

/* ---- numbers and words ---- */

static size_t
digits(struct reader *r)
{
	const char *first = r->at;

	while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
		r->at++;
	return (size_t)(r->at - first);
}

static const struct node *
number(struct reader *r)
{
	const char *first = r->at, *text;

	(void)take(r, '-');
	if (!take(r, '0') && !digits(r))
		return no(r, -EBADMSG);
	if (take(r, '.') && !digits(r))
		return no(r, -EBADMSG);
	if (take(r, 'e') || take(r, 'E')) {
		if (!take(r, '+'))
			(void)take(r, '-');
		if (!digits(r))
			return no(r, -EBADMSG);
	}
	if (r->over)
		return &nothing;
	text = arena_strndup(r->arena, first, (size_t)(r->at - first));
	return text ? scalar(r, text, (size_t)(r->at - first), false) : no(r, -ENOMEM);
}

static const struct node *
word(struct reader *r)
{
	static const char *const words[] = { "true", "false", "null" };

	for (size_t i = 0; i < 3; i++) {
		size_t len = strlen(words[i]);

		if ((size_t)(r->end - r->at) < len || memcmp(r->at, words[i], len) != 0)
			continue;
		r->at += len;
		return i == 2 || r->over ? &nothing : scalar(r, words[i], len, false);
	}
	return no(r, -EBADMSG);
}

/* ---- maps and lists ---- */

static const struct node *value(struct reader *, enum json_place);

static void
push(struct reader *r, const struct node *n)
{
	if (r->over || r->err)
		return;
	if (mem_grow((void **)&r->stack, &r->cap_stack, r->nr_stack, sizeof(*r->stack), 0) < 0)
		(void)no(r, -ENOMEM);
	else
		r->stack[r->nr_stack++] = n;
}

static enum json_place
below(enum json_place at, const char *key)
{
	if (at == JSON_ROOT && strcmp(key, "metadata") == 0)
		return JSON_METADATA;
	if (at == JSON_METADATA && strcmp(key, "annotations") == 0)
		return JSON_ANNOTATIONS;
	return JSON_ELSEWHERE;
}

static void
member(struct reader *r, enum json_place at)
{
	size_t base = r->nr_stack, len = 0;
	const struct node *v, *k = NULL;
	bool over = r->over > 0;
	const char *key;

	skip_blanks(r);
	key = take(r, '"') ? string(r, &len) : NULL;
	if (!key || (!over && memchr(key, '\0', len))) {
		(void)no(r, -EBADMSG);
		return;
	}
	if (!over && r->keep->wanted && !r->keep->wanted(at, key))
		r->over++;
	else if (!over)
		k = scalar(r, key, len, true);
	skip_blanks(r);
	if (!take(r, ':'))
		(void)no(r, -EBADMSG);
	v = r->err ? NULL : value(r, below(at, key));
	if (!k || !v || v->type == NODE_NULL) {
		r->over -= !over && r->over;
		r->nr_stack = base;
		return;
	}
	push(r, k);
	push(r, v);
}

static int
by_key(const void *a, const void *b)
{
	const struct node *const *x = a, *const *y = b;

	return strcmp((*x)->text, (*y)->text);
}

static void
mark(const struct node *key)
{
	((struct node *)(uintptr_t)key)->duplicate = true; /* ours, and not out of hand yet */
}

/* Mark keys that are there twice: all but one of them. */
static int
mark_twice(const struct node_entry *e, size_t nr)
{
	const struct node **keys;

	if (nr <= FEW) {
		for (size_t i = 1; i < nr; i++)
			for (size_t k = 0; k < i; k++)
				if (strcmp(e[i].key->text, e[k].key->text) == 0)
					mark(e[i].key);
		return 0;
	}
	keys = mem_calloc(nr, sizeof(const struct node *));
	if (!keys)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++)
		keys[i] = e[i].key;
	qsort(keys, nr, sizeof(const struct node *), by_key);
	for (size_t i = 1; i < nr; i++)
		if (strcmp(keys[i - 1]->text, keys[i]->text) == 0)
			mark(keys[i]);
	mem_free(keys);
	return 0;
}

static const struct node *
close_map(struct reader *r, size_t base)
{
	size_t nr = (r->nr_stack - base) / 2;
	struct node *n = node_new(r, NODE_MAP);
	struct node_entry *e = arena_array(r->arena, nr, sizeof(*e));

	if (!n || !e)
		return no(r, -ENOMEM);
	for (size_t i = 0; i < nr; i++)
		e[i] = (struct node_entry){ r->stack[base + 2 * i], r->stack[base + 2 * i + 1] };
	n->entries = e;
	n->nr = nr;
	r->nr_stack = base;
	return mark_twice(e, nr) < 0 ? no(r, -ENOMEM) : n;
}

static const struct node *
close_list(struct reader *r, size_t base)
{
	size_t nr = r->nr_stack - base;
	struct node *n = node_new(r, NODE_LIST);
	const struct node **items = arena_array(r->arena, nr, sizeof(const struct node *));

	if (!n || !items)
		return no(r, -ENOMEM);
	if (nr)
		memcpy(items, r->stack + base, nr * sizeof(const struct node *));
	n->items = items;
	n->nr = nr;
	r->nr_stack = base;
	return n;
}

static const struct node *
collection(struct reader *r, enum json_place at, bool is_map)
{
	const char last = is_map ? '}' : ']';
	size_t base = r->nr_stack;

	if (r->depth++ == TREE_MAX_DEPTH)
		return no(r, -EBADMSG);
	skip_blanks(r);
	if (!take(r, last)) {
		do {
			if (is_map)
				member(r, at);
			else
				push(r, value(r, JSON_ELSEWHERE));
			skip_blanks(r);
		} while (!r->err && take(r, ','));
		if (!take(r, last))
			return no(r, -EBADMSG);
	}
	r->depth--;
	if (r->err)
		return NULL;
	if (r->over)
		return &nothing;
	return is_map ? close_map(r, base) : close_list(r, base);
}

static const struct node *
quoted(struct reader *r)
{
	size_t len;
	const char *text = string(r, &len);

	if (!text)
		return NULL;
	return r->over ? &nothing : scalar(r, text, len, true);
}

static const struct node *
value(struct reader *r, enum json_place at)
{
	skip_blanks(r);
	if (r->err || r->at == r->end || ++r->values > r->keep->max_values)
		return no(r, -EBADMSG);
	if (take(r, '{'))
		return collection(r, at, true);
	if (take(r, '['))
		return collection(r, at, false);
	if (take(r, '"'))
		return quoted(r);
	if (*r->at == '-' || (*r->at >= '0' && *r->at <= '9'))
		return number(r);
	return word(r);
}

int
json_text_read(struct res_arena *arena, const struct json_keep *keep, const char *text, size_t len,
    const struct node **out)
{
	struct reader r = { .keep = keep, .arena = arena, .at = text, .end = text + len };

	*out = value(&r, JSON_ROOT);
	skip_blanks(&r);
	if (r.at < r.end)
		(void)no(&r, -EBADMSG);
	mem_free(r.stack);
	return r.err;
}
