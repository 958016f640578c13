/*
 * resource/yaml.c: libyaml's events -> document trees that keep line and column; see tree.h.
 *
 * Aliases share the subtree that they name, so they cost nothing here; each node carries the
 * weight that it has when written out, and a document whose weight or depth passes the limit is
 * refused at the node that does it.  Merge keys are resolved when their map ends.
 */
#include "resource/tree.h"

#include "resource/arena.h"
#include "resource/fault.h"
#include "resource/merge.h"

#include "lib/mem.h"
#include "lib/text.h"

#include <yaml.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct anchor {
	const char *name;
	const struct node *node;
};

/* A collection that is not yet at its end: its children stand on the stack from @base on. */
struct open {
	struct node *node;
	const char *anchor;
	size_t base;
};

struct yaml {
	const struct tree_reader *rd;
	yaml_parser_t parser;
	struct res_arena *arena; /* of the current document */
	const struct node **stack;
	size_t nr_stack, cap_stack;
	struct open open[TREE_MAX_DEPTH];
	unsigned depth;
	struct anchor *anchors; /* sorted by name */
	size_t nr_anchors, cap_anchors;
	uint64_t weight; /* of what is open, upper nodes not counted */
	const struct node *root;
	unsigned number; /* of the document, from 1 */
	int stop;	 /* -errno: end without more words; -EINVAL: a fault was told */
};

/* A fault of the text; ends the stream. */
static void __attribute__((format(printf, 4, 5)))
refuse(struct yaml *y, unsigned line, unsigned column, const char *fmt, ...)
{
	char object[32], text[256];
	struct fault_place at = { y->rd->file, line, column, object, "yaml", false };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(object, sizeof(object), "Document/%u", y->number ? y->number : 1);
	y->stop = fault_add(y->rd->faults, &at, "%s", text);
	if (!y->stop)
		y->stop = -EINVAL;
}

static unsigned
line_of(const yaml_mark_t *m)
{
	return (unsigned)m->line + 1;
}

static unsigned
column_of(const yaml_mark_t *m)
{
	return (unsigned)m->column + 1;
}

static struct node *
node_new(struct yaml *y, enum node_type type, const yaml_mark_t *at)
{
	struct node *n = arena_alloc(y->arena, sizeof(*n));

	if (!n) {
		y->stop = -ENOMEM;
		return NULL;
	}
	n->type = (uint8_t)type;
	n->line = line_of(at);
	n->column = column_of(at);
	n->weight = 1;
	return n;
}

/* ---- anchors ---- */

static size_t
anchor_slot(const struct yaml *y, const char *name, bool *there)
{
	size_t lo = 0, hi = y->nr_anchors;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int c = strcmp(y->anchors[mid].name, name);

		if (c == 0) {
			*there = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*there = false;
	return lo;
}

/* A later anchor of the same name takes over, YAML 1.2.2 7.1. */
static void
anchor_set(struct yaml *y, const char *name, const struct node *n)
{
	bool there;
	size_t i = anchor_slot(y, name, &there);

	if (there) {
		y->anchors[i].node = n;
		return;
	}
	if (y->nr_anchors >= TREE_MAX_ANCHORS) {
		refuse(
		    y, n->line, n->column, "more than %u anchors: write it out", TREE_MAX_ANCHORS);
		return;
	}
	if (mem_grow((void **)&y->anchors, &y->cap_anchors, y->nr_anchors, sizeof(*y->anchors), 0) <
	    0) {
		y->stop = -ENOMEM;
		return;
	}
	memmove(y->anchors + i + 1, y->anchors + i, (y->nr_anchors - i) * sizeof(*y->anchors));
	y->anchors[i] = (struct anchor){ name, n };
	y->nr_anchors++;
}

/* ---- building ---- */

/* Put a finished node where it belongs: it becomes the root, or a child of what is open. */
static void
place(struct yaml *y, const struct node *n, unsigned line, unsigned column)
{
	y->weight += n->weight;
	if (y->weight > TREE_MAX_WEIGHT) {
		refuse(y, line, column,
		    "too much in one document: at most %u nodes, aliases written out",
		    TREE_MAX_WEIGHT);
		return;
	}
	if (y->depth + n->height > TREE_MAX_DEPTH) {
		refuse(y, line, column, "nested too deep: at most %u levels", TREE_MAX_DEPTH);
		return;
	}
	if (y->depth == 0) {
		y->root = n;
		return;
	}
	if (mem_grow((void **)&y->stack, &y->cap_stack, y->nr_stack, sizeof(*y->stack), 0) < 0)
		y->stop = -ENOMEM;
	else
		y->stack[y->nr_stack++] = n;
}

static bool
is_one_of(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(text, *words) == 0)
			return true;
	return false;
}

/* YAML 1.2.2 10.3.2. */
static bool
is_null_word(const char *text)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL", NULL };

	return is_one_of(text, words);
}

/* Of the tags only those of the core schema mean something here: they say what a scalar is. */
static bool
tag_is_known(const char *tag)
{
	static const char *const known[] = { "!", YAML_NULL_TAG, YAML_BOOL_TAG, YAML_STR_TAG,
		YAML_INT_TAG, YAML_FLOAT_TAG, YAML_TIMESTAMP_TAG, YAML_SEQ_TAG, YAML_MAP_TAG,
		NULL };

	return is_one_of(tag, known);
}

static void
check_tag(struct yaml *y, const yaml_char_t *tag, const yaml_mark_t *at)
{
	char quoted[64];

	if (tag && !tag_is_known((const char *)tag))
		refuse(y, line_of(at), column_of(at),
		    "tag %s: only those of JSON's types mean anything",
		    fault_quote(
			(const char *)tag, strlen((const char *)tag), quoted, sizeof(quoted)));
}

static bool
tag_is_string(const yaml_char_t *tag)
{
	return tag &&
	    (strcmp((const char *)tag, YAML_STR_TAG) == 0 || strcmp((const char *)tag, "!") == 0);
}

static void
on_scalar(struct yaml *y, const yaml_event_t *ev)
{
	const yaml_char_t *value = ev->data.scalar.value;
	size_t len = ev->data.scalar.length;
	struct node *n = node_new(y, NODE_SCALAR, &ev->start_mark);

	check_tag(y, ev->data.scalar.tag, &ev->start_mark);
	if (y->stop)
		return;
	n->quoted =
	    ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE || tag_is_string(ev->data.scalar.tag);
	n->weight += (uint32_t)(len / 16);
	n->nr = len;
	n->text = arena_strndup(y->arena, (const char *)value, len);
	if (!n->text) {
		y->stop = -ENOMEM;
		return;
	}
	if (!n->quoted && is_null_word(n->text))
		n->type = NODE_NULL;
	if (ev->data.scalar.anchor) {
		char *name = arena_strdup(y->arena, (const char *)ev->data.scalar.anchor);

		if (!name)
			y->stop = -ENOMEM;
		else
			anchor_set(y, name, n);
	}
	if (!y->stop)
		place(y, n, n->line, n->column);
}

static void
on_alias(struct yaml *y, const yaml_event_t *ev)
{
	const char *name = (const char *)ev->data.alias.anchor;
	unsigned line = line_of(&ev->start_mark), column = column_of(&ev->start_mark);
	char quoted[64];
	bool there;
	size_t i = anchor_slot(y, name, &there);

	if (!there) {
		refuse(y, line, column, "*%s: no anchor of this name ends before",
		    fault_quote(name, strlen(name), quoted, sizeof(quoted)));
		return;
	}
	place(y, y->anchors[i].node, line, column);
}

static void
on_open(struct yaml *y, enum node_type type, const yaml_event_t *ev, const yaml_char_t *anchor,
    const yaml_char_t *tag)
{
	struct open *o;
	struct node *n;

	check_tag(y, tag, &ev->start_mark);
	if (y->stop)
		return;
	if (y->depth >= TREE_MAX_DEPTH) {
		refuse(y, line_of(&ev->start_mark), column_of(&ev->start_mark),
		    "nested too deep: at most %u levels", TREE_MAX_DEPTH);
		return;
	}
	n = node_new(y, type, &ev->start_mark);
	if (!n)
		return;
	o = &y->open[y->depth++];
	*o = (struct open){ .node = n, .base = y->nr_stack };
	if (anchor) {
		o->anchor = arena_strdup(y->arena, (const char *)anchor);
		if (!o->anchor)
			y->stop = -ENOMEM;
	}
}

/* Weight and height of a collection out of its children's. */
static void
sum_up(struct node *n, const struct node *const *children, size_t nr)
{
	uint64_t weight = 1;

	for (size_t i = 0; i < nr; i++) {
		weight += children[i]->weight;
		if (children[i]->height > n->height)
			n->height = children[i]->height;
	}
	n->height++;
	n->weight = weight > UINT32_MAX ? UINT32_MAX : (uint32_t)weight;
}

static void
close_map(struct yaml *y, struct node *n, const struct node *const *children, size_t nr)
{
	struct node_entry *entries = arena_array(y->arena, nr / 2, sizeof(*entries));
	const struct node *bad;
	int err;

	if (!entries) {
		y->stop = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < nr / 2; i++) {
		const struct node *key = children[2 * i];

		if (key->type == NODE_MAP || key->type == NODE_LIST) {
			refuse(y, key->line, key->column, "a key must be a word, not %s",
			    tree_type_name(key));
			return;
		}
		entries[i] = (struct node_entry){ key, children[2 * i + 1] };
	}
	n->entries = entries;
	n->nr = nr / 2;
	err = merge_resolve(y->arena, n, &bad);
	if (err == -EINVAL)
		refuse(y, bad->line, bad->column,
		    "<<: %s: must be a map, or a list of maps, to merge", tree_type_name(bad));
	else if (err < 0)
		y->stop = err;
}

static void
close_list(struct yaml *y, struct node *n, const struct node *const *children, size_t nr)
{
	const struct node **items = arena_array(y->arena, nr, sizeof(const struct node *));

	if (!items) {
		y->stop = -ENOMEM;
		return;
	}
	if (nr)
		memcpy(items, children, nr * sizeof(const struct node *));
	n->items = items;
	n->nr = nr;
}

static void
on_close(struct yaml *y)
{
	struct open *o = &y->open[y->depth - 1];
	const struct node *const *children = y->nr_stack ? y->stack + o->base : NULL;
	size_t nr = y->nr_stack - o->base;
	struct node *n = o->node;

	sum_up(n, children, nr);
	y->weight -= n->weight - 1; /* place() counts all of it again */
	if (n->type == NODE_MAP)
		close_map(y, n, children, nr);
	else
		close_list(y, n, children, nr);
	if (!y->stop && o->anchor)
		anchor_set(y, o->anchor, n);
	if (y->stop)
		return;
	y->nr_stack = o->base;
	y->depth--;
	place(y, n, n->line, n->column);
}

static void
on_document_start(struct yaml *y)
{
	y->number++;
	y->root = NULL;
	y->nr_stack = y->nr_anchors = 0;
	y->depth = 0;
	y->weight = 0;
	arena_free(y->arena);
	y->arena = arena_new();
	if (y->arena)
		arena_secret(y->arena);
	else
		y->stop = -ENOMEM;
}

static void
on_event(struct yaml *y, const yaml_event_t *ev)
{
	switch (ev->type) {
	case YAML_DOCUMENT_START_EVENT:
		on_document_start(y);
		break;
	case YAML_DOCUMENT_END_EVENT:
		y->stop = y->rd->document(y->rd->arg, y->root, y->number);
		break;
	case YAML_ALIAS_EVENT:
		on_alias(y, ev);
		break;
	case YAML_SCALAR_EVENT:
		on_scalar(y, ev);
		break;
	case YAML_SEQUENCE_START_EVENT:
		on_open(
		    y, NODE_LIST, ev, ev->data.sequence_start.anchor, ev->data.sequence_start.tag);
		break;
	case YAML_MAPPING_START_EVENT:
		on_open(y, NODE_MAP, ev, ev->data.mapping_start.anchor, ev->data.mapping_start.tag);
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		on_close(y);
		break;
	default: /* the stream's start and end */
		break;
	}
}

/* ---- the text ---- */

/* Line and column, from 1, of the byte at @at; columns count characters. */
static void
locate(const char *text, size_t at, unsigned *line, unsigned *column)
{
	*line = *column = 1;
	for (size_t i = 0; i < at; i++) {
		if (text[i] == '\n') {
			(*line)++;
			*column = 1;
		} else if (((unsigned char)text[i] & 0xc0) != 0x80) {
			(*column)++;
		}
	}
}

/* The first tab among the blanks that the line @nr (from 0) starts with; NULL: there is none. */
static const char *
leading_tab(const char *text, size_t len, size_t nr)
{
	const char *p = text, *end = text + len;

	for (; nr > 0 && p < end; nr--) {
		p = memchr(p, '\n', (size_t)(end - p));
		if (!p)
			return NULL;
		p++;
	}
	while (p < end && *p == ' ')
		p++;
	return p < end && *p == '\t' ? p : NULL;
}

/* What libyaml could not read, in words that help. */
static void
refuse_syntax(struct yaml *y, const char *text, size_t len)
{
	const yaml_parser_t *p = &y->parser;
	const yaml_mark_t *m = &p->problem_mark;
	const char *problem = p->problem ? p->problem : "it cannot be read";
	const char *tab;
	unsigned line, column;

	if (p->error == YAML_MEMORY_ERROR) {
		y->stop = -ENOMEM;
		return;
	}
	if (p->error == YAML_READER_ERROR) {
		locate(text, p->problem_offset < len ? p->problem_offset : len, &line, &column);
		refuse(y, line, column, "byte 0x%02x: %s", (unsigned)p->problem_value, problem);
		return;
	}
	tab = leading_tab(text, len, m->line);
	if (tab) {
		locate(text, (size_t)(tab - text), &line, &column);
		refuse(y, line, column, "a tab: YAML is indented with blanks");
		return;
	}
	refuse(y, line_of(m), column_of(m), "not YAML: %s%s%s", p->context ? p->context : "",
	    p->context ? ": " : "", problem);
}

static void
read_stream(struct yaml *y, const char *text, size_t len)
{
	yaml_event_t ev;
	bool end = false;

	while (!y->stop && !end) {
		if (!yaml_parser_parse(&y->parser, &ev)) {
			refuse_syntax(y, text, len);
			return;
		}
		end = ev.type == YAML_STREAM_END_EVENT;
		on_event(y, &ev);
		if (ev.type == YAML_SCALAR_EVENT)
			mem_wipe(ev.data.scalar.value, ev.data.scalar.length);
		yaml_event_delete(&ev);
	}
}

/* What libyaml has of the text goes too. */
static void
parser_end(yaml_parser_t *p)
{
	if (p->raw_buffer.start)
		mem_wipe(p->raw_buffer.start, (size_t)(p->raw_buffer.end - p->raw_buffer.start));
	if (p->buffer.start)
		mem_wipe(p->buffer.start, (size_t)(p->buffer.end - p->buffer.start));
	yaml_parser_delete(p);
}

int
yaml_read(const struct tree_reader *rd, const char *text, size_t len)
{
	struct yaml *y;
	size_t bad_at;
	int err;

	y = mem_calloc(1, sizeof(*y));
	if (!y)
		return -ENOMEM;
	y->rd = rd;
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* a byte order mark */
		text += 3;
		len -= 3;
	}
	if (text_utf8_check(text, len, &bad_at) < 0) {
		unsigned line, column;

		locate(text, bad_at, &line, &column);
		refuse(y, line, column, "byte 0x%02x: not UTF-8", (unsigned char)text[bad_at]);
	} else if (!yaml_parser_initialize(&y->parser)) {
		y->stop = -ENOMEM;
	} else {
		yaml_parser_set_encoding(&y->parser, YAML_UTF8_ENCODING);
		yaml_parser_set_input_string(&y->parser, (const unsigned char *)text, len);
		read_stream(y, text, len);
		parser_end(&y->parser);
	}
	err = y->stop == -EINVAL ? 0 : y->stop; /* @faults has it */
	arena_free(y->arena);
	mem_free(y->stack);
	mem_free(y->anchors);
	mem_free(y);
	return err;
}
