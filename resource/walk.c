/*
 * resource/walk.c: comparing objects and showing them, by the tables of field.h.
 */
#include "resource/field.h"
#include "resource/kinds.h"
#include "resource/object.h"
#include "resource/scalar.h"
#include "resource/walk.h"

#include "lib/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- comparing ---- */

static bool
pairs_equal(const struct res_pairs *a, const struct res_pairs *b)
{
	if (a->nr != b->nr)
		return false;
	for (size_t i = 0; i < a->nr; i++)
		if (strcmp(a->v[i].key, b->v[i].key) != 0 ||
		    strcmp(a->v[i].value, b->v[i].value) != 0)
			return false;
	return true;
}

static bool
secrets_equal(const struct res_secret_entries *a, const struct res_secret_entries *b)
{
	if (a->nr != b->nr)
		return false;
	for (size_t i = 0; i < a->nr; i++)
		if (strcmp(a->v[i].key, b->v[i].key) != 0 || a->v[i].len != b->v[i].len ||
		    memcmp(a->v[i].value, b->v[i].value, a->v[i].len) != 0)
			return false;
	return true;
}

/* What two values of one row differ by: -1 for not at all, else the cost.  Costs of RES_COST_NONE
 * are differences too. */
static int table_diff(const struct table *t, const void *a, const void *b);

static int
value_diff(const struct field *f, const void *a, const void *b)
{
	bool same;

	switch (f->type) {
	case T_ANY:
		return -1;
	case T_STRUCT:
		return table_diff(f->sub, a, b);
	case T_PAIRS:
	case T_LABELS:
		same = pairs_equal(a, b);
		break;
	case T_SECRET:
		same = secrets_equal(a, b);
		break;
	case T_SELECTOR:
		same = selector_equal(a, b);
		break;
	default:
		same = scalar_equal(f, a, b);
		break;
	}
	return same ? -1 : (int)f->cost;
}

static int
list_diff(const struct field *f, const void *a, const void *b)
{
	struct field_list la, lb;
	int diff = -1;

	memcpy(&la, a, sizeof(la));
	memcpy(&lb, b, sizeof(lb));
	if (la.nr != lb.nr)
		return (int)f->cost;
	for (size_t i = 0; i < la.nr; i++) {
		int one = value_diff(f, (char *)la.v + i * f->size, (char *)lb.v + i * f->size);

		if (one > diff)
			diff = one;
	}
	return diff;
}

static int
table_diff(const struct table *t, const void *a, const void *b)
{
	int diff = -1;

	for (const struct field *f = t->fields; f->name; f++) {
		const char *fa = (const char *)a + f->offset, *fb = (const char *)b + f->offset;
		int one;

		if (f->flags & F_UNCOMPARED || f->type == T_ANY)
			continue;
		if (f->flags & F_HAS &&
		    *((const bool *)a + f->has) != *((const bool *)b + f->has)) {
			if ((int)f->cost > diff)
				diff = (int)f->cost;
		}
		one = f->flags & F_LIST ? list_diff(f, fa, fb) : value_diff(f, fa, fb);
		if (one > diff)
			diff = one;
	}
	return diff;
}

bool
res_equal(const struct res_object *a, const struct res_object *b)
{
	if (a == b)
		return true;
	return a->kind == b->kind && strcmp(a->meta.name, b->meta.name) == 0 &&
	    strcmp(a->meta.ns, b->meta.ns) == 0 && table_diff(schema_of(a->kind)->table, a, b) < 0;
}

enum res_cost
res_change_cost(const struct res_object *from, const struct res_object *to)
{
	int diff;

	if (from->kind != to->kind)
		return RES_COST_RESTART;
	diff = table_diff(schema_of(from->kind)->table, from, to);
	return diff < 0 ? RES_COST_NONE : (enum res_cost)diff;
}

/* Rows of which a change costs @cost, by their path. */
static void
table_changes(const struct table *t, const void *a, const void *b, const char *path,
    enum res_cost cost, res_change_cb *cb, void *arg)
{
	char here[256];

	for (const struct field *f = t->fields; f->name; f++) {
		const char *fa = (const char *)a + f->offset, *fb = (const char *)b + f->offset;
		int one = -1;

		if (f->flags & F_UNCOMPARED || f->type == T_ANY)
			continue;
		snprintf(here, sizeof(here), "%s%s%s", path, *path ? "." : "", f->name);
		if (f->flags & F_HAS && *((const bool *)a + f->has) != *((const bool *)b + f->has))
			one = (int)f->cost;
		else if (f->type == T_STRUCT && !(f->flags & F_LIST))
			table_changes(f->sub, fa, fb, here, cost, cb, arg);
		else
			one = f->flags & F_LIST ? list_diff(f, fa, fb) : value_diff(f, fa, fb);
		if (one == (int)cost)
			cb(arg, here);
	}
}

void
res_changes_each(const struct res_object *from, const struct res_object *to, enum res_cost cost,
    res_change_cb *cb, void *arg)
{
	if (from->kind == to->kind)
		table_changes(schema_of(from->kind)->table, from, to, "", cost, cb, arg);
}

/* ---- showing: typed -> JSON; any failure is one of memory and ends in NULL ---- */

static json_t *show_table(const struct table *t, const void *base);

static json_t *
show_scalar(const struct field *f, const void *at)
{
	json_t *j = NULL;
	struct buf b;
	bool plain;

	buf_init(&b, RES_MAX_FILE);
	if (scalar_format(f, at, &b, &plain)) {
		if (f->flags & F_SECRET_TEXT)
			j = json_string("(hidden)");
		else if (!plain)
			j = json_stringn_nocheck(buf_text(&b), b.len);
		else if (f->type == T_BOOL)
			j = json_boolean(*(const bool *)at);
		else
			j = json_integer((json_int_t)strtoll(buf_text(&b), NULL, 10));
	}
	buf_fini(&b);
	return j;
}

static json_t *
show_pairs(const struct res_pairs *p)
{
	json_t *j = json_object();

	for (size_t i = 0; i < p->nr; i++)
		json_object_set_new_nocheck(j, p->v[i].key, json_string_nocheck(p->v[i].value));
	return j;
}

static json_t *
show_secret(const struct res_secret_entries *s)
{
	json_t *j = json_object();

	for (size_t i = 0; i < s->nr; i++)
		json_object_set_new_nocheck(j, s->v[i].key, json_string("(hidden)"));
	return j;
}

/* NULL: nothing to show. */
static json_t *
show_value(const struct field *f, const void *at)
{
	switch (f->type) {
	case T_ANY:
		return NULL;
	case T_STRUCT:
		return show_table(f->sub, at);
	case T_PAIRS:
	case T_LABELS:
		return ((const struct res_pairs *)at)->nr ? show_pairs(at) : NULL;
	case T_SECRET:
		return ((const struct res_secret_entries *)at)->nr ? show_secret(at) : NULL;
	case T_SELECTOR:
		return ((const struct selector *)at)->present ? show_table(&selector_table, at)
							      : NULL;
	default:
		return show_scalar(f, at);
	}
}

static json_t *
show_list(const struct field *f, const void *at)
{
	struct field_list list;
	json_t *j;

	memcpy(&list, at, sizeof(list));
	j = json_array();
	for (size_t i = 0; i < list.nr; i++) {
		json_t *one = show_value(f, (char *)list.v + i * f->size);

		if (!one)
			one = json_string("");
		json_array_append_new(j, one);
	}
	return j;
}

/* A group that was not given lacks what it could not have been given without. */
static bool
is_lacking(const struct field *f, const json_t *shown)
{
	if (!(f->flags & F_REQUIRED))
		return false;
	if (!shown || (json_is_array(shown) && !json_array_size(shown)))
		return true;
	return json_is_integer(shown) && (uint64_t)json_integer_value(shown) < f->min;
}

/* Groups and lists without anything in them say nothing, unless being there says something. */
static bool
says_nothing(const struct field *f, const json_t *shown)
{
	if (f->type == T_SELECTOR || f->flags & F_HAS)
		return false;
	return (json_is_object(shown) && !json_object_size(shown)) ||
	    (json_is_array(shown) && !json_array_size(shown) && !f->def);
}

/* Is an empty string to be shown?  Where it counts that it was given; but not in a group (which has
 * no struct of its own), for that would then seem to be given. */
static bool
empty_says_something(const struct table *t, const struct field *f)
{
	if (f->flags & F_LIST || (f->type != T_STRING && f->type != T_REGEX))
		return false;
	return f->flags & F_HAS || (f->flags & F_REQUIRED && t->size);
}

static json_t *
show_table(const struct table *t, const void *base)
{
	json_t *j = json_object();

	for (const struct field *f = t->fields; f->name; f++) {
		const char *at = (const char *)base + f->offset;
		bool given = !(f->flags & F_HAS) || *((const bool *)base + f->has);
		json_t *one;

		if (f->type == T_ANY || !given)
			continue;
		one = f->flags & F_LIST ? show_list(f, at) : show_value(f, at);
		if (!one && empty_says_something(t, f))
			one = json_string("");
		if (is_lacking(f, one)) {
			json_decref(one);
			json_decref(j);
			return NULL;
		}
		if (one && !says_nothing(f, one))
			json_object_set_new_nocheck(j, f->name, one);
		else
			json_decref(one);
	}
	return j;
}

json_t *
res_show(const struct res_object *o)
{
	const struct schema *s = schema_of(o->kind);
	json_t *head = json_pack("{s:s, s:s}", "apiVersion", s->group_version, "kind", s->name);
	json_t *rest = show_table(s->table, o);

	if (!head || !rest || json_object_update(head, rest) < 0) {
		json_decref(head);
		head = NULL;
	}
	json_decref(rest);
	return head;
}
