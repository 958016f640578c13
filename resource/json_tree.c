/*
 * resource/json_tree.c: a value of jansson's -> document tree, for JSON that stands inside of other
 * documents; the objects of an API server go by json_text.c.
 */
#include "resource/arena.h"
#include "resource/document.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct reader {
	struct res_arena *arena;
	unsigned line, column; /* of every node */
	int err;
};

static struct node *
node_new(struct reader *r, enum node_type type)
{
	struct node *n = arena_alloc(r->arena, sizeof(*n));

	if (!n) {
		r->err = -ENOMEM;
		return NULL;
	}
	n->type = (uint8_t)type;
	n->line = r->line;
	n->column = r->column;
	n->weight = 1;
	return n;
}

/* Text is jansson's, which outlives the tree; what is printed is kept in the arena. */
static const struct node *
scalar(struct reader *r, const char *text, size_t len, bool quoted)
{
	struct node *n = node_new(r, NODE_SCALAR);

	if (!n)
		return NULL;
	n->quoted = quoted;
	n->text = quoted ? text : arena_strndup(r->arena, text, len);
	n->nr = len;
	if (!n->text)
		r->err = -ENOMEM;
	return n;
}

static const struct node *
number(struct reader *r, const json_t *v)
{
	char text[64];
	int len;

	if (json_is_integer(v))
		len = snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(v));
	else
		len = snprintf(text, sizeof(text), "%.17g", json_real_value(v));
	return scalar(r, text, (size_t)len, false);
}

static const struct node *convert(struct reader *, json_t *, unsigned depth);

static const struct node *
convert_map(struct reader *r, json_t *v, unsigned depth)
{
	struct node *n = node_new(r, NODE_MAP);
	struct node_entry *e = arena_array(r->arena, json_object_size(v), sizeof(*e));
	const char *key;
	json_t *value;

	if (!n || !e) {
		r->err = -ENOMEM;
		return NULL;
	}
	n->entries = e;
	json_object_foreach(v, key, value)
	{
		if (json_is_null(value))
			continue;
		e[n->nr].key = scalar(r, key, strlen(key), true);
		e[n->nr].value = convert(r, value, depth + 1);
		if (r->err)
			return NULL;
		n->nr++;
	}
	return n;
}

static const struct node *
convert_list(struct reader *r, json_t *v, unsigned depth)
{
	struct node *n = node_new(r, NODE_LIST);
	const struct node **items =
	    arena_array(r->arena, json_array_size(v), sizeof(const struct node *));

	if (!n || !items) {
		r->err = -ENOMEM;
		return NULL;
	}
	n->items = items;
	for (; n->nr < json_array_size(v); n->nr++) {
		items[n->nr] = convert(r, json_array_get(v, n->nr), depth + 1);
		if (r->err)
			return NULL;
	}
	return n;
}

static const struct node *
convert(struct reader *r, json_t *v, unsigned depth)
{
	if (depth > TREE_MAX_DEPTH) {
		r->err = -EBADMSG;
		return NULL;
	}
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return convert_map(r, v, depth);
	case JSON_ARRAY:
		return convert_list(r, v, depth);
	case JSON_STRING:
		return scalar(r, json_string_value(v), json_string_length(v), true);
	case JSON_INTEGER:
	case JSON_REAL:
		return number(r, v);
	case JSON_TRUE:
		return scalar(r, "true", 4, false);
	case JSON_FALSE:
		return scalar(r, "false", 5, false);
	default:
		return node_new(r, NODE_NULL);
	}
}

const struct node *
json_tree(struct res_arena *arena, json_t *v, unsigned line, unsigned column)
{
	struct reader r = { .arena = arena, .line = line, .column = column };
	const struct node *n = convert(&r, v, 0);

	return r.err ? NULL : n;
}
