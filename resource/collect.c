/*
 * resource/collect.c: maps that are no structs: labels and annotations, selectors, secrets.
 */
#include "resource/collect.h"

#include "resource/arena.h"
#include "resource/base64.h"
#include "resource/fault.h"
#include "resource/field.h"
#include "resource/scalar.h"
#include "resource/walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int
pair_cmp(const void *pa, const void *pb)
{
	const struct res_pair *a = pa, *b = pb;

	return strcmp(a->key, b->key);
}

static int
secret_cmp(const void *pa, const void *pb)
{
	const struct res_secret_entry *a = pa, *b = pb;

	return strcmp(a->key, b->key);
}

/* A copy of the text of @n; NULL: no memory. */
static const char *
copy(struct decoder *d, const struct node *n)
{
	const char *s = memchr(n->text, '\0', n->nr) ? arena_strndup(d->arena, n->text, n->nr)
						     : arena_text(d->arena, n->text, n->nr);

	if (!s)
		d->err = -ENOMEM;
	return s;
}

/* The string that @n must be; NULL: a fault was told, or there is no memory. */
static const char *
string_of(struct decoder *d, const struct node *n)
{
	static const struct field row = { .type = T_STRING };
	char why[SCALAR_WHY], quoted[80];
	const char *s = NULL;
	int err;

	if (n->type == NODE_NULL) {
		decode_fault_node(d, n, "null: must be a string; the empty one is \"\"");
		return NULL;
	}
	if (n->type != NODE_SCALAR) {
		decode_fault_node(d, n, "must be a string, not %s", tree_type_name(n));
		return NULL;
	}
	err = scalar_parse(&row, n, d->arena, &s, why);
	if (err == -ENOMEM)
		d->err = err;
	else if (err < 0)
		decode_fault_node(
		    d, n, "%s: %s", fault_quote(n->text, n->nr, quoted, sizeof(quoted)), why);
	return err < 0 ? NULL : s;
}

#define KEY_RIGHT                                                                                  \
	"must be a label key: [DNS.NAME/]WORD, the word of at most 63 letters, digits, '-', '_', " \
	"'.'"
#define VALUE_RIGHT                                                                                \
	"must be a label value: at most 63 letters, digits, '-', '_', '.', the ends letters or "   \
	"digits"

/* One entry of labels or annotations; false: at fault. */
static bool
collect_pair(struct decoder *d, const struct node_entry *e, bool labels, struct res_pair *to)
{
	struct decode_at at = { .up = d->at, .name = e->key->text };
	char quoted[80];
	bool ok = false;

	d->at = &at;
	to->key = copy(d, e->key);
	to->value = to->key ? string_of(d, e->value) : NULL;
	if (!to->value)
		goto out;
	if (!selector_key_is_valid(to->key) || strlen(to->key) != e->key->nr)
		decode_fault_node(d, e->key, "%s: %s",
		    fault_quote(e->key->text, e->key->nr, quoted, sizeof(quoted)), KEY_RIGHT);
	else if (labels && !selector_value_is_valid(to->value))
		decode_fault_node(d, e->value, "%s: %s",
		    fault_quote(to->value, strlen(to->value), quoted, sizeof(quoted)), VALUE_RIGHT);
	else
		ok = true;
out:
	d->at = at.up;
	return ok;
}

void
collect_pairs(struct decoder *d, const struct node *n, bool labels, struct res_pairs *to)
{
	struct res_pair *v = decode_alloc(d, n->nr, sizeof(*v));
	size_t nr = 0;

	decode_duplicates(d, n);
	for (size_t i = 0; i < n->nr && !d->err; i++)
		if (!n->entries[i].key->duplicate &&
		    collect_pair(d, &n->entries[i], labels, &v[nr]))
			nr++;
	if (d->err)
		return;
	qsort(v, nr, sizeof(*v), pair_cmp);
	*to = (struct res_pairs){ v, nr };
}

/* ---- secrets: their values never get into a message ---- */

static bool
secret_key_is_valid(const char *key)
{
	size_t len = strlen(key);

	return len > 0 && len <= 253 &&
	    strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == len;
}

static void
collect_secret_value(
    struct decoder *d, const struct node *n, bool plain, struct res_secret_entry *to)
{
	uint8_t *bytes;

	if (n->type == NODE_NULL) {
		to->value = (const uint8_t *)"";
		return;
	}
	if (n->type != NODE_SCALAR) {
		decode_fault_node(d, n, "must be a string, not %s", tree_type_name(n));
		return;
	}
	bytes = decode_alloc(d, n->nr + 1, 1);
	if (!bytes)
		return;
	to->value = bytes;
	if (plain) {
		memcpy(bytes, n->text, n->nr);
		to->len = n->nr;
	} else if (base64_decode(n->text, n->nr, bytes, &to->len) < 0) {
		decode_fault_node(d, n, "must be base64; plain text goes into stringData");
	}
}

void
collect_secret(struct decoder *d, const struct node *n, bool plain, struct res_secret_entries *to)
{
	struct res_secret_entry *v = decode_alloc(d, n->nr, sizeof(*v));
	size_t nr = 0;

	decode_duplicates(d, n);
	for (size_t i = 0; i < n->nr && !d->err; i++) {
		struct decode_at at = { .up = d->at, .name = n->entries[i].key->text };

		if (n->entries[i].key->duplicate)
			continue;
		d->at = &at;
		v[nr].key = copy(d, n->entries[i].key);
		if (v[nr].key && !secret_key_is_valid(v[nr].key))
			decode_fault_node(d, n->entries[i].key,
			    "must be a key of letters, digits, '-', '_', '.'");
		if (v[nr].key)
			collect_secret_value(d, n->entries[i].value, plain, &v[nr++]);
		d->at = at.up;
	}
	if (d->err)
		return;
	qsort(v, nr, sizeof(*v), secret_cmp);
	*to = (struct res_secret_entries){ v, nr };
}

/* ---- selectors ---- */

static const char *const op_words[] = { "In", "NotIn", "Exists", "DoesNotExist", NULL };

static void
check_expr(struct decoder *d, const struct node *map, void *base)
{
	const struct sel_expr *e = base;
	bool wants_values = e->op == SEL_IN || e->op == SEL_NOT_IN;

	if (!map)
		return;
	if (!selector_key_is_valid(e->key))
		decode_fault(d, map, "key", "%.80s: %s", e->key, KEY_RIGHT);
	if (wants_values && !e->values.nr)
		decode_fault(d, map, "values", "missing: %s needs at least one", op_words[e->op]);
	if (!wants_values && e->values.nr)
		decode_fault(d, map, "values", "must be absent with %s", op_words[e->op]);
	for (size_t i = 0; i < e->values.nr; i++)
		if (!selector_value_is_valid(e->values.v[i]))
			decode_fault_item(
			    d, map, "values", i, "%.80s: %s", e->values.v[i], VALUE_RIGHT);
}

/* clang-format off */
static const struct field expr_fields[] = {
	{ "key",      T_STRING, F_REQUIRED, FIELD_AT(struct sel_expr, key), .min = 1,
	  .help = "the label" },
	{ "operator", T_ENUM,   F_REQUIRED, FIELD_AT(struct sel_expr, op), .words = op_words,
	  .help = "how it is held against the values" },
	{ "values",   T_STRING, F_LIST,     FIELD_LIST_AT(struct sel_expr, values),
	  .help = "for In and NotIn" },
	FIELD_END,
};
static const struct table expr_table = { expr_fields, sizeof(struct sel_expr), check_expr };

static const struct field selector_fields[] = {
	{ "matchLabels",      T_LABELS, 0,      FIELD_AT(struct selector, labels),
	  .help = "labels that all must be there" },
	{ "matchExpressions", T_STRUCT, F_LIST, FIELD_LIST_AT(struct selector, exprs),
	  .sub = &expr_table, .help = "conditions that all must hold" },
	FIELD_END,
};
/* clang-format on */

const struct table selector_table = { selector_fields, sizeof(struct selector), NULL };

void
collect_selector(struct decoder *d, const struct node *n, struct selector *to)
{
	decode_table(d, &selector_table, n, to);
	to->present = true;
}
