/*
 * tools/crdgen/shape.c: rows of the field tables -> schemas.  A schema never refuses what Herald
 * would take; where it cannot say as much as the decoder checks, the description does.
 */
#include "tools/crdgen/crdgen.h"

#include "resource/rules.h"
#include "resource/walk.h"

#include "lib/buf.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define OCTET "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
#define IPV4 OCTET "(\\." OCTET "){3}"
#define IPV6 "[0-9a-fA-F:.]*:[0-9a-fA-F:.]*"
#define ADDR "(" IPV4 "|" IPV6 ")"
#define NUMBER "[0-9]{1,10}"

/* ---- small helps ---- */

static void
set(json_t *to, const char *key, json_t *value)
{
	if (json_object_set_new(to, key, value) < 0)
		abort();
}

static void
set_text(json_t *to, const char *key, const char *text)
{
	set(to, key, json_string(text));
}

static void
set_uint(json_t *to, const char *key, uint64_t v)
{
	set(to, key, json_integer((json_int_t)v));
}

static json_t *
of_type(const char *type)
{
	return json_pack("{s:s}", "type", type);
}

bool
row_is_open(const struct field *f, enum form_dialect dialect)
{
	if (f->flags & F_NATIVE)
		return dialect == FORM_NATIVE;
	if (f->flags & F_ALPHA)
		return dialect == FORM_CILIUM_ALPHA;
	if (f->flags & F_NEWER)
		return dialect != FORM_METALLB_OLDER;
	return true;
}

/* ---- numbers ---- */

static void
put_uint(const struct field *f, void *at, uint64_t v)
{
	const uint8_t one = (uint8_t)v;
	const uint16_t two = (uint16_t)v;
	const uint32_t four = (uint32_t)v;

	if (f->size == 1)
		memcpy(at, &one, 1);
	else if (f->size == 2)
		memcpy(at, &two, 2);
	else if (f->size == 4)
		memcpy(at, &four, 4);
	else
		memcpy(at, &v, 8);
}

size_t
shape_spans(const struct field *f, struct span spans[MAX_SPANS])
{
	size_t nr = 0;
	bool in = false;
	uint64_t at;

	if (!f->valid || f->max - f->min > 1u << 20) {
		spans[0] = (struct span){ f->min, f->max };
		return f->valid ? 0 : 1;
	}
	for (uint64_t v = f->min; v <= f->max; v++) {
		bool good;

		put_uint(f, &at, v);
		good = f->valid(&at);
		if (good && !in && nr == MAX_SPANS)
			return 0;
		if (good && !in)
			spans[nr++].first = v;
		if (good)
			spans[nr - 1].last = v;
		in = good;
	}
	return nr;
}

static json_t *
shape_uint(const struct field *f)
{
	json_t *j = of_type("integer");
	struct span spans[MAX_SPANS];
	size_t nr = shape_spans(f, spans);

	set_text(j, "format", f->max > INT32_MAX ? "int64" : "int32");
	set_uint(j, "minimum", f->min);
	set_uint(j, "maximum", f->max);
	if (nr > 1) {
		json_t *any = json_array();

		for (size_t i = 0; i < nr; i++)
			json_array_append_new(any,
			    json_pack("{s:I, s:I}", "minimum", (json_int_t)spans[i].first,
				"maximum", (json_int_t)spans[i].last));
		set(j, "anyOf", any);
	}
	return j;
}

/* ---- other scalars ---- */

static json_t *
shape_pattern(const char *pattern, unsigned max)
{
	json_t *j = of_type("string");

	set_text(j, "pattern", pattern);
	if (max)
		set_uint(j, "maxLength", max);
	return j;
}

/* The limits are of bytes, those of a schema of characters, which are never more. */
static json_t *
shape_string(const struct field *f)
{
	json_t *j = of_type("string");
	uint64_t max = f->type == T_REGEX && !f->max ? 512 : f->max;

	if (f->min)
		set_uint(j, "minLength", 1);
	if (max)
		set_uint(j, "maxLength", max);
	return j;
}

static json_t *
shape_enum(const struct field *f)
{
	json_t *j = of_type("string"), *words = json_array();

	for (size_t i = 0; f->words[i]; i++)
		if (*f->words[i])
			json_array_append_new(words, json_string(f->words[i]));
	set(j, "enum", words);
	return j;
}

/* A number may stand for a string. */
static json_t *
shape_int_or_string(const struct form *form)
{
	if (form->use == FORM_EDITOR)
		return json_pack("{s:[s,s]}", "type", "integer", "string");
	return json_pack("{s:b, s:[{s:s},{s:s}]}", "x-kubernetes-int-or-string", 1, "anyOf", "type",
	    "integer", "type", "string");
}

static json_t *
shape_community(const struct field *f, const struct form *form)
{
	bool standard = f->max & 1u << RES_COMM_STANDARD, names = f->min != 0;
	bool wild = f->max & 1u << RES_COMM_PATTERN;
	const char *number = wild ? "(" NUMBER "|\\*)" : NUMBER;
	struct buf b;
	json_t *j;

	j = standard && !names ? shape_int_or_string(form) : of_type("string");
	buf_init(&b, 4096);
	buf_puts(&b, "^(");
	if (standard)
		buf_puts(&b, "[a-z][a-z0-9-]*");
	if (standard && !names)
		buf_puts(&b,
		    wild ? "|" NUMBER "|([0-9]{1,5}|\\*):([0-9]{1,5}|\\*)"
			 : "|" NUMBER "|[0-9]{1,5}:[0-9]{1,5}");
	if (f->max & 1u << RES_COMM_EXTENDED)
		buf_printf(&b, "%s(rt|ro):(" NUMBER "|" IPV4 "):%s|0x[0-9a-f]{16}",
		    standard ? "|" : "", number);
	if (f->max & 1u << RES_COMM_LARGE)
		buf_printf(&b, "%s(large:)?%s:%s:%s", b.len > 2 ? "|" : "", number, number, number);
	buf_puts(&b, ")$");
	set_text(j, "pattern", buf_text(&b));
	buf_fini(&b);
	return j;
}

static json_t *
shape_scalar(const struct field *f, const struct form *form)
{
	switch (f->type) {
	case T_BOOL:
		return of_type("boolean");
	case T_UINT:
		return shape_uint(f);
	case T_INT64:
		return json_pack("{s:s, s:s}", "type", "integer", "format", "int64");
	case T_ENUM:
		return shape_enum(f);
	case T_ADDR:
		return shape_pattern(f->min ? "^(" ADDR ")?$" : "^" ADDR "$", 45);
	case T_ZONED:
		return shape_pattern("^" ADDR "(%[^/% \\t\\n]{1,15})?$", 61);
	case T_PREFIX:
		return shape_pattern("^(" IPV4 "(/(3[0-2]|[12]?[0-9]))?|" IPV6
				     "(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?)$",
		    49);
	case T_LISTEN:
		return shape_pattern(f->min ? "^((" IPV4 "|\\[" IPV6 "\\]):[0-9]{1,5})?$"
					    : "^(" IPV4 "|\\[" IPV6 "\\]):[0-9]{1,5}$",
		    53);
	case T_ROUTER_ID:
		return shape_pattern("^" IPV4 "$", 0);
	case T_NEXT_HOP:
		return shape_pattern("^(self|keep|unchanged|" ADDR ")$", 45);
	case T_INT_OR_STRING:
		return shape_int_or_string(form);
	case T_TIME: /* null: as objects have it that were never in a cluster */
		return form->use == FORM_EDITOR
		    ? json_pack("{s:[s,s], s:s}", "type", "string", "null", "format", "date-time")
		    : json_pack("{s:s, s:s}", "type", "string", "format", "date-time");
	case T_COMMUNITY:
		return shape_community(f, form);
	default:
		return shape_string(f);
	}
}

/* ---- maps ---- */

/* Anything: what is not looked into. */
static json_t *
shape_any(const struct form *form)
{
	if (form->use == FORM_EDITOR)
		return json_object();
	return json_pack("{s:b}", "x-kubernetes-preserve-unknown-fields", 1);
}

static json_t *
shape_pairs(const struct field *f)
{
	json_t *value = of_type("string");

	if (f->type == T_LABELS)
		set_uint(value, "maxLength", 63);
	return json_pack("{s:s, s:o}", "type", "object", "additionalProperties", value);
}

static json_t *
shape_selector(const struct form *form)
{
	json_t *j = shape_table(&selector_table, form);

	if (form->use == FORM_CRD)
		set_text(j, "x-kubernetes-map-type", "atomic");
	return j;
}

static json_t *
shape_one(const struct field *f, const struct form *form)
{
	switch (f->type) {
	case T_STRUCT:
		return shape_table(f->sub, form);
	case T_PAIRS:
	case T_LABELS:
	case T_SECRET:
		return shape_pairs(f);
	case T_SELECTOR:
		return shape_selector(form);
	case T_ANY:
		return shape_any(form);
	default:
		return shape_scalar(f, form);
	}
}

/* ---- lists ---- */

/* The key of a map must be there always. */
static bool
is_map(const struct field *f)
{
	return f->flags & F_KEYED && f->sub->fields[0].flags & F_REQUIRED;
}

static json_t *
shape_list(const struct field *f, const struct form *form)
{
	json_t *item = shape_one(f, form), *j;

	/* A structural schema has no way to say "a word or a list of them". */
	if (f->flags & F_ONE_OR_LIST && form->use == FORM_CRD) {
		json_decref(item);
		return shape_any(form);
	}
	j = json_pack("{s:s, s:o}", "type", "array", "items", item);
	if (f->flags & F_REQUIRED)
		set_uint(j, "minItems", 1);
	if (f->max_items)
		set_uint(j, "maxItems", f->max_items);
	if (form->use == FORM_EDITOR)
		return f->flags & F_ONE_OR_LIST ? json_pack("{s:[O,o]}", "anyOf", item, j) : j;
	set_text(j, "x-kubernetes-list-type", is_map(f) ? "map" : "atomic");
	if (is_map(f))
		set(j, "x-kubernetes-list-map-keys", json_pack("[s]", f->sub->fields[0].name));
	return j;
}

/* ---- defaults ---- */

static json_t *
default_one(const struct field *f, const char *text, size_t len)
{
	if (f->type == T_BOOL)
		return json_boolean(strncmp(text, "true", len) == 0);
	if (f->type == T_UINT || f->type == T_INT64)
		return json_integer((json_int_t)strtoull(text, NULL, 10));
	return json_stringn(text, len);
}

json_t *
shape_default(const struct field *f)
{
	json_t *list;

	if (!f->def || f->type == T_STRUCT)
		return NULL;
	if (!(f->flags & F_LIST))
		return default_one(f, f->def, strlen(f->def));
	list = json_array();
	for (const char *p = f->def; *p;) {
		size_t len = strcspn(p, " ");

		json_array_append_new(list, default_one(f, p, len));
		p += len + (p[len] == ' ');
	}
	return list;
}

/*
 * The API server writes a default into the object, as if somebody had said it: not where it makes a
 * difference who did.
 */
static bool
default_may_be_written(const struct field *f)
{
	return !(f->flags & (F_HAS | F_DERIVED));
}

/* ---- rows and tables ---- */

/* "help.  Must be ....", as far as there is something to say. */
static void
describe(json_t *j, const struct field *f)
{
	struct buf b;

	buf_init(&b, 4096);
	if (f->help)
		buf_puts(&b, f->help);
	if (f->right)
		buf_printf(&b, "%s must be %s", b.len ? ";" : "", f->right);
	if (f->def && !default_may_be_written(f))
		buf_printf(&b, "%s %s when absent", b.len ? ";" : "", f->def);
	if (b.len)
		set_text(j, "description", buf_text(&b));
	buf_fini(&b);
}

json_t *
shape_field(const struct field *f, const struct form *form)
{
	json_t *j = json_object(), *rest, *def = shape_default(f);

	rest = f->flags & F_LIST ? shape_list(f, form) : shape_one(f, form);
	describe(j, f);
	if (json_object_update(j, rest) < 0)
		abort();
	json_decref(rest);
	if (def && (form->use == FORM_EDITOR || default_may_be_written(f)))
		set(j, "default", def);
	else
		json_decref(def);
	return j;
}

json_t *
shape_table(const struct table *t, const struct form *form)
{
	json_t *j = of_type("object"), *all = json_object(), *required = json_array();

	for (const struct field *f = t->fields; f->name; f++) {
		if (!row_is_open(f, form->dialect))
			continue;
		set(all, f->name, shape_field(f, form));
		if (f->flags & F_REQUIRED)
			json_array_append_new(required, json_string(f->name));
	}
	if (json_array_size(required))
		set(j, "required", required);
	else
		json_decref(required);
	set(j, "properties", all);
	if (form->use == FORM_EDITOR)
		set(j, "additionalProperties", json_false());
	return j;
}
