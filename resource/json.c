/*
 * resource/json.c: the JSON text of one API object -> document tree -> objects; what yaml.c and
 * document.c are for files.
 *
 * The syntax is jansson's.  What means nothing here is left out on the way into the tree:
 * managedFields, and annotations that are others' notes.
 */
#include "resource/arena.h"
#include "resource/document.h"
#include "resource/fault.h"
#include "resource/object.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Values in one object; jansson's memory for them is bounded by this.  The largest object that an
 * API server takes, 1.5 MiB of EndpointSlice, has a tenth of it. */
#define MAX_VALUES 500000u

/* Where in an object the converter stands, as far as it matters. */
enum place { AT_ROOT, AT_METADATA, AT_ANNOTATIONS, AT_ELSEWHERE };

struct reader {
	struct res_arena *arena;
	unsigned line, column; /* of every node */
	int err;
};

/* ---- what is worth keeping ---- */

static bool
ends_with(const char *s, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len >= n && memcmp(s + len - n, end, n) == 0;
}

/* Annotations that ask for something, by what stands before their '/': those of our own world, and
 * of the parts of Kubernetes that say how a Service is to be served. */
static bool
annotation_counts(const char *key)
{
	static const char *const families[] = { "heraldlb.io", "cilium.io", "io.cilium",
		"metallb.io", "metallb.universe.tf", NULL };
	size_t len = strcspn(key, "/");

	for (size_t i = 0; families[i]; i++)
		if (ends_with(key, len, families[i]))
			return true;
	return strncmp(key, "service.", 8) == 0 && ends_with(key, len, ".kubernetes.io");
}

static bool
is_wanted(enum place at, const char *key, const json_t *value)
{
	if (json_is_null(value))
		return false;
	if (at == AT_METADATA)
		return strcmp(key, "managedFields") != 0;
	return at != AT_ANNOTATIONS || annotation_counts(key);
}

static enum place
below(enum place at, const char *key)
{
	if (at == AT_ROOT && strcmp(key, "metadata") == 0)
		return AT_METADATA;
	if (at == AT_METADATA && strcmp(key, "annotations") == 0)
		return AT_ANNOTATIONS;
	return AT_ELSEWHERE;
}

/* ---- values -> nodes ---- */

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

static const struct node *convert(struct reader *, json_t *, enum place, unsigned depth);

static const struct node *
convert_map(struct reader *r, json_t *v, enum place at, unsigned depth)
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
		if (!is_wanted(at, key, value))
			continue;
		e[n->nr].key = scalar(r, key, strlen(key), true);
		e[n->nr].value = convert(r, value, below(at, key), depth + 1);
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
		items[n->nr] = convert(r, json_array_get(v, n->nr), AT_ELSEWHERE, depth + 1);
		if (r->err)
			return NULL;
	}
	return n;
}

static const struct node *
convert(struct reader *r, json_t *v, enum place at, unsigned depth)
{
	if (depth > TREE_MAX_DEPTH) {
		r->err = -EBADMSG;
		return NULL;
	}
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return convert_map(r, v, at, depth);
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
	const struct node *n = convert(&r, v, AT_ELSEWHERE, 0);

	return r.err ? NULL : n;
}

/* ---- the text ---- */

/* At most as many values as there are openings and commas; strings count too much, which does not
 * matter. */
static size_t
count_values(const char *text, size_t len)
{
	size_t nr = 1;

	for (size_t i = 0; i < len; i++)
		nr += text[i] == ',' || text[i] == '[' || text[i] == '{';
	return nr;
}

/* NULL with -EBADMSG or -ENOMEM in *err. */
static json_t *
parse(const char *text, size_t len, int *err)
{
	json_error_t why;
	json_t *root;

	*err = -EBADMSG;
	if (len > RES_MAX_JSON || count_values(text, len) > MAX_VALUES)
		return NULL;
	root = json_loadb(text, len, JSON_ALLOW_NUL, &why);
	/* A number of somebody's own kind that fits nowhere here; it means nothing to us either. */
	if (!root && json_error_code(&why) == json_error_numeric_overflow)
		root = json_loadb(text, len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &why);
	if (!root && json_error_code(&why) == json_error_out_of_memory)
		*err = -ENOMEM;
	return root;
}

/* One string of metadata; false: it is none, or too long for what it is. */
static bool
take_string(const json_t *meta, const char *key, char *to, size_t size)
{
	const json_t *v = json_object_get(meta, key);

	*to = '\0';
	if (!v || json_is_null(v))
		return true;
	if (!json_is_string(v) || json_string_length(v) >= size ||
	    strlen(json_string_value(v)) != json_string_length(v))
		return false;
	memcpy(to, json_string_value(v), json_string_length(v) + 1);
	return true;
}

static int
take_head(const json_t *root, struct res_json_head *head)
{
	const json_t *meta = json_object_get(root, "metadata");

	if (!json_is_object(meta) || !take_string(meta, "namespace", head->ns, sizeof(head->ns)) ||
	    !take_string(meta, "name", head->name, sizeof(head->name)) ||
	    !take_string(meta, "uid", head->uid, sizeof(head->uid)) ||
	    !take_string(
		meta, "resourceVersion", head->resource_version, sizeof(head->resource_version)))
		return -EBADMSG;
	return 0;
}

int
res_json_head(const char *text, size_t len, struct res_json_head *head)
{
	int err;
	json_t *root = parse(text, len, &err);

	if (root)
		err = take_head(root, head);
	json_decref(root);
	return err;
}

static int
decode(const char *api_version, const char *kind, json_t *root, struct res_set *out,
    struct res_faults *faults)
{
	struct loader l = { .file = "", .out = out, .faults = faults, .lenient = true };
	/* No place: an API object has none. */
	struct reader r = { .arena = arena_new(), .line = 1, .column = 1 };
	size_t first = faults->nr;
	const struct node *tree;

	if (!r.arena)
		return -ENOMEM;
	tree = convert(&r, root, AT_ROOT, 0);
	if (!r.err)
		r.err = document_load(&l, tree, api_version, kind);
	arena_free(r.arena);
	fault_sort(faults, first);
	if (r.err)
		return r.err;
	return l.refused ? -EINVAL : 0;
}

int
res_decode_json(const char *api_version, const char *kind, const char *text, size_t len,
    struct res_set *out, struct res_faults *faults, struct res_json_head *head)
{
	struct res_json_head mine;
	int err;
	json_t *root = parse(text, len, &err);

	if (root)
		err = take_head(root, &mine);
	if (!err)
		err = decode(api_version, kind, root, out, faults);
	if (!err || err == -EINVAL)
		*head = mine;
	json_decref(root);
	return err;
}
