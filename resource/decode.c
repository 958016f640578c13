/*
 * resource/decode.c: document trees -> objects, by the tables of field.h.  Nothing here knows a
 * kind.  A fault never stops the work: all of them are wanted; only missing memory does.
 */
#include "resource/decode.h"

#include "resource/arena.h"
#include "resource/collect.h"
#include "resource/fault.h"
#include "resource/scalar.h"

#include "lib/buf.h"
#include "lib/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_PATH 1024u
#define LIKELY_SIZE 4096u /* of one that is decoded to see how large it is */

/* ---- faults ---- */

static void
path_text(const struct decode_at *at, struct buf *b)
{
	if (!at)
		return;
	path_text(at->up, b);
	if (!at->name) {
		buf_printf(b, "[%zu]", at->item);
		return;
	}
	if (b->len)
		buf_putc(b, '.');
	buf_puts(b, at->name);
}

static void __attribute__((format(printf, 3, 0)))
fault_va(struct decoder *d, const struct node *n, const char *fmt, va_list ap)
{
	struct fault_place place = { .file = d->in->file,
		.line = n ? n->line : 1,
		.column = n ? n->column : 1,
		.object = d->object,
		.notice = d->notice };
	char text[SCALAR_WHY + 400];
	struct buf path;
	int err;

	buf_init(&path, MAX_PATH);
	buf_puts(&path, d->in->prefix);
	path_text(d->at, &path);
	place.field = path.len ? buf_text(&path) : "document";
	vsnprintf(text, sizeof(text), fmt, ap);
	err = fault_add(d->faults, &place, "%s", text);
	if (err < 0)
		d->err = err;
	d->nr_faults += !d->notice;
	buf_fini(&path);
}

void
decode_fault_node(struct decoder *d, const struct node *n, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fault_va(d, n, fmt, ap);
	va_end(ap);
}

void
decode_fault(struct decoder *d, const struct node *map, const char *field, const char *fmt, ...)
{
	const struct node *value = tree_get(map, field);
	struct decode_at at = { .up = d->at, .name = field };
	va_list ap;

	if (*field)
		d->at = &at;
	va_start(ap, fmt);
	fault_va(d, value ? value : map, fmt, ap);
	va_end(ap);
	d->at = at.up;
}

void
decode_fault_item(
    struct decoder *d, const struct node *map, const char *field, size_t item, const char *fmt, ...)
{
	const struct node *list = tree_get(map, field), *value = list ? list : map;
	struct decode_at at = { .up = d->at, .name = field };
	struct decode_at at_item = { .up = &at, .item = item };
	va_list ap;

	d->at = &at_item;
	if (list && list->type == NODE_LIST && item < list->nr)
		value = list->items[item];
	else if (list && list->type != NODE_LIST)
		d->at = &at; /* one without brackets */
	va_start(ap, fmt);
	fault_va(d, value, fmt, ap);
	va_end(ap);
	d->at = at.up;
}

void *
decode_alloc(struct decoder *d, size_t nr, size_t size)
{
	void *p = arena_array(d->arena, nr, size);

	if (!p)
		d->err = -ENOMEM;
	return p;
}

bool
node_has(const struct node *map, const char *name)
{
	const struct node *n = tree_get(map, name);

	return n && n->type != NODE_NULL;
}

/* ---- fields ---- */

/* May this row be used in the document that is decoded? */
static bool
field_is_open(const struct decoder *d, const struct field *f)
{
	if (f->flags & F_NATIVE)
		return d->in->dialect == DIALECT_NATIVE;
	if (f->flags & F_ALPHA)
		return d->in->dialect == DIALECT_CILIUM_ALPHA;
	if (f->flags & F_NEWER)
		return d->in->dialect != DIALECT_METALLB_OLDER;
	return true;
}

static void
fault_unknown(struct decoder *d, const struct table *t, const struct node *key)
{
	const char *words[64], *near;
	struct buf all;
	size_t nr = 0;
	char quoted[80];
	struct decode_at at = { .up = d->at,
		.name = fault_quote(key->text, key->nr, quoted, sizeof(quoted)) };

	for (const struct field *f = t->fields; f->name && nr < 63; f++) {
		if (strcmp(f->name, key->text) == 0) {
			d->at = &at;
			decode_fault_node(d, key, "unknown field in %s: only %s has it",
			    d->in->api_kind,
			    f->flags & F_NATIVE	     ? "heraldlb.io/v1"
				: f->flags & F_NEWER ? d->in->schema->group_version
						     : "v2alpha1");
			d->at = at.up;
			return;
		}
		if (field_is_open(d, f))
			words[nr++] = f->name;
	}
	words[nr] = NULL;
	d->at = &at;
	near = d->faults->nr < RES_MAX_FAULTS ? text_nearest(key->text, words) : NULL;
	if (near) {
		decode_fault_node(d, key, "unknown field; did you mean '%s'?", near);
	} else {
		buf_init(&all, 300);
		for (size_t i = 0; i < nr; i++)
			buf_printf(&all, "%s%s", i ? ", " : "", words[i]);
		if (all.failed)
			decode_fault_node(d, key, "unknown field");
		else
			decode_fault_node(d, key, "unknown field; there are %s", buf_text(&all));
		buf_fini(&all);
	}
	d->at = at.up;
}

void
decode_duplicates(struct decoder *d, const struct node *map)
{
	for (size_t i = 0; i < map->nr; i++) {
		const struct node *key = map->entries[i].key, *first;
		struct decode_at at = { .up = d->at, .name = key->text };
		size_t k = 0;

		if (!key->duplicate)
			continue;
		while (strcmp(map->entries[k].key->text, key->text) != 0)
			k++;
		first = map->entries[k].key;
		d->at = &at;
		decode_fault_node(d, key, "duplicate key; the first is in line %u, column %u",
		    first->line, first->column);
		d->at = at.up;
	}
}

static void
check_keys(struct decoder *d, const struct table *t, const struct node *map)
{
	decode_duplicates(d, map);
	for (size_t i = 0; i < map->nr && d->in->unknown != UNKNOWN_SILENT; i++) {
		const struct node *key = map->entries[i].key;
		const struct field *f = t->fields;

		while (f->name && (strcmp(f->name, key->text) != 0 || !field_is_open(d, f)))
			f++;
		if (f->name)
			continue;
		d->notice = d->in->unknown == UNKNOWN_NOTICE;
		fault_unknown(d, t, key);
		d->notice = false;
	}
}

/* One scalar value; @n is a scalar. */
static void
decode_scalar(struct decoder *d, const struct field *f, const struct node *n, void *at)
{
	char why[SCALAR_WHY], quoted[80];
	int err;

	if (f->flags & F_SECRET_TEXT)
		arena_secret(d->arena);
	err = scalar_parse(f, n, d->arena, at, why);
	if (err == -ENOMEM) {
		d->err = err;
		return;
	}
	if (err < 0 && f->flags & F_SECRET_TEXT)
		decode_fault_node(d, n, "%s", why);
	else if (err < 0 && n->nr == 0)
		decode_fault_node(d, n, "\"\": %s", why);
	else if (err < 0)
		decode_fault_node(
		    d, n, "%s: %s", fault_quote(n->text, n->nr, quoted, sizeof(quoted)), why);
}

static const char *
expected(const struct field *f)
{
	switch (f->type) {
	case T_STRUCT:
	case T_PAIRS:
	case T_LABELS:
	case T_SECRET:
	case T_SELECTOR:
		return "a map";
	case T_BOOL:
		return "true or false";
	case T_UINT:
	case T_INT64:
		return "a number";
	default:
		return "a single value";
	}
}

/* One value of whatever type; not null. */
static void
decode_value(struct decoder *d, const struct field *f, const struct node *n, void *at)
{
	enum node_type want = field_is_scalar(f) ? NODE_SCALAR : NODE_MAP;

	if (n->type != want) {
		decode_fault_node(d, n, "must be %s, not %s", expected(f), tree_type_name(n));
		return;
	}
	switch (f->type) {
	case T_STRUCT:
		decode_table(d, f->sub, n, at);
		break;
	case T_PAIRS:
	case T_LABELS:
		collect_pairs(d, n, f->type == T_LABELS, at);
		break;
	case T_SECRET:
		arena_secret(d->arena);
		collect_secret(d, n, f->words != NULL, at);
		break;
	case T_SELECTOR:
		collect_selector(d, n, at);
		break;
	default:
		decode_scalar(d, f, n, at);
		break;
	}
}

/* No two items of a keyed list may carry the same name. */
static void
check_keyed(struct decoder *d, const struct field *f, const struct node *n, const void *v)
{
	const struct field *key = &f->sub->fields[0];
	const char *a, *b;

	for (size_t i = 1; i < n->nr; i++)
		for (size_t k = 0; k < i; k++) {
			struct decode_at at = { .up = d->at, .item = i };

			memcpy(&a, (const char *)v + i * f->size + key->offset, sizeof(a));
			memcpy(&b, (const char *)v + k * f->size + key->offset, sizeof(b));
			if (!a || !b || !*a || strcmp(a, b) != 0)
				continue; /* a NULL is a fault already */
			d->at = &at;
			decode_fault(d, n->items[i], key->name,
			    "%s: item %zu has this name already; names must differ", a, k);
			d->at = at.up;
			break;
		}
}

static void
decode_list(struct decoder *d, const struct field *f, const struct node *n, void *at)
{
	const struct node *one = n;
	const struct node *const *items = &one;
	struct field_list list = { .nr = 1 };
	struct decode_at item = { .up = d->at };

	if (n->type == NODE_LIST) {
		items = n->items;
		list.nr = n->nr;
	} else if (!(f->flags & F_ONE_OR_LIST)) {
		decode_fault_node(d, n, "must be a list, not %s", tree_type_name(n));
		return;
	}
	if (!list.nr && f->flags & F_REQUIRED)
		decode_fault_node(d, n, "must not be empty");
	if (f->max_items && list.nr > f->max_items) {
		decode_fault_node(d, n, "%zu items: must be at most %u", list.nr, f->max_items);
		return;
	}
	list.v = decode_alloc(d, list.nr, f->size);
	for (size_t i = 0; i < list.nr && !d->err; i++) {
		void *to = (char *)list.v + i * f->size;

		item.item = i;
		if (n->type == NODE_LIST)
			d->at = &item;
		if (items[i]->type == NODE_NULL)
			decode_fault_node(d, items[i], "null: must be %s", expected(f));
		else
			decode_value(d, f, items[i], to);
		d->at = item.up;
	}
	if (d->err)
		return;
	if (f->flags & F_KEYED && n->type == NODE_LIST)
		check_keyed(d, f, n, list.v);
	memcpy(at, &list, sizeof(list));
}

/* ---- defaults ---- */

/* Defaults are ours: that they decode is what tests show. */
static void
default_scalar(struct decoder *d, const struct field *f, const char *text, size_t len, void *at)
{
	char why[SCALAR_WHY];
	struct node n = { .type = NODE_SCALAR, .nr = len };

	n.text = text[len] ? arena_strndup(d->arena, text, len) : text;
	n.quoted = f->type == T_STRING || f->type == T_REGEX;
	if (!n.text || scalar_parse(f, &n, d->arena, at, why) < 0)
		d->err = -ENOMEM;
}

static void
default_list(struct decoder *d, const struct field *f, void *at)
{
	struct field_list list = { 0 };
	const char *p = f->def;
	size_t max = strlen(p) / 2 + 1;

	list.v = decode_alloc(d, max, f->size);
	while (*p && !d->err) {
		size_t len = strcspn(p, " ");

		default_scalar(d, f, p, len, (char *)list.v + list.nr++ * f->size);
		p += len + (p[len] == ' ');
	}
	memcpy(at, &list, sizeof(list));
}

static void
decode_default(struct decoder *d, const struct field *f, void *at)
{
	if (f->flags & F_LIST) {
		if (f->def)
			default_list(d, f, at);
		return;
	}
	if (f->type == T_STRUCT)
		decode_table(d, f->sub, NULL, at);
	else if (field_is_scalar(f) && f->def)
		default_scalar(d, f, f->def, strlen(f->def), at);
	else if (f->type == T_STRING || f->type == T_REGEX)
		*(const char **)at = "";
}

/* ---- tables ---- */

static void
decode_field(struct decoder *d, const struct field *f, const struct node *map, void *base)
{
	const struct node *n = field_is_open(d, f) ? tree_get(map, f->name) : NULL;
	void *to = (char *)base + f->offset;
	struct decode_at at = { .up = d->at, .name = f->name };

	if (f->type == T_ANY)
		return;
	d->at = &at;
	if (!n || n->type != NODE_MAP)
		decode_default(d, f, to);
	if (n && n->type != NODE_NULL) {
		if (f->flags & F_HAS)
			*((bool *)base + f->has) = true;
		if (f->flags & F_LIST)
			decode_list(d, f, n, to);
		else
			decode_value(d, f, n, to);
	} else if (map && f->flags & F_REQUIRED) {
		decode_fault_node(d, n ? n : map, "missing: must be given");
	}
	d->at = at.up;
}

void
decode_table(struct decoder *d, const struct table *t, const struct node *map, void *base)
{
	size_t faults = d->nr_faults;

	if (map)
		check_keys(d, t, map);
	for (const struct field *f = t->fields; f->name && !d->err; f++)
		decode_field(d, f, map, base);
	/* What is wrong by itself is not also held against its neighbours. */
	if (t->check && !d->err && d->nr_faults == faults)
		t->check(d, map, base);
}

/* ---- objects ---- */

static void
name_object(struct decoder *d)
{
	const char *name = tree_text(tree_get(d->in->map, "metadata"), "name");
	char quoted[260];

	snprintf(d->object, sizeof(d->object), "%.50s/%s", d->in->api_kind,
	    name && *name ? fault_quote(name, strlen(name), quoted, sizeof(quoted)) : "-");
}

/* Into an arena that has room for @room bytes. */
static int
decode_into(
    const struct decode_in *in, size_t room, struct res_faults *faults, struct res_object **out)
{
	struct decoder d = { .in = in, .faults = faults };
	struct res_object *o;

	d.arena = arena_new_sized(room);
	if (!d.arena)
		return -ENOMEM;
	name_object(&d);
	o = decode_alloc(&d, 1, in->schema->table->size);
	if (o) {
		*o = (struct res_object){ .kind = in->schema->kind, .refs = 1, .arena = d.arena };
		if (in->map) {
			o->line = in->map->line;
			o->column = in->map->column;
		}
		o->file = arena_text(d.arena, in->file, strlen(in->file));
		o->api_kind = arena_text(d.arena, in->api_kind, strlen(in->api_kind));
		if (!o->file || !o->api_kind)
			d.err = -ENOMEM;
		else
			decode_table(&d, in->schema->table, in->map, o);
	}
	if (!d.err && !d.nr_faults) {
		*out = o;
		return 0;
	}
	arena_free(d.arena);
	return d.err ? d.err : -EINVAL;
}

int
decode_object(const struct decode_in *in, struct res_faults *faults, struct res_object **out)
{
	struct res_faults again = { 0 };
	size_t used;
	int err;

	*out = NULL;
	err = decode_into(in, in->compact ? LIKELY_SIZE : 0, faults, out);
	if (err || !in->compact)
		return err;
	/* Once more, now that it is known how large it is. */
	used = arena_used((*out)->arena);
	res_unref(*out);
	*out = NULL;
	err = decode_into(in, used, &again, out);
	res_faults_fini(&again); /* the same notices */
	return err;
}
