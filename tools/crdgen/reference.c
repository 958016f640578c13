/*
 * tools/crdgen/reference.c: the reference page: every kind, every field, with what the tables say of it.
 */
#include "tools/crdgen/crdgen.h"

#include "resource/walk.h"

#include "lib/buf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PATH 256u

static const char *const type_names[T_NR_TYPES] = {
	[T_STRING] = "string",
	[T_REGEX] = "regular expression",
	[T_BOOL] = "bool",
	[T_UINT] = "number",
	[T_INT64] = "number",
	[T_ENUM] = "word",
	[T_ADDR] = "address",
	[T_ZONED] = "address",
	[T_PREFIX] = "prefix",
	[T_LISTEN] = "address:port",
	[T_INT_OR_STRING] = "port or its name",
	[T_TIME] = "time",
	[T_ROUTER_ID] = "dotted number",
	[T_COMMUNITY] = "community",
	[T_NEXT_HOP] = "next hop",
	[T_STRUCT] = "object",
	[T_PAIRS] = "map of strings",
	[T_LABELS] = "labels",
	[T_SECRET] = "map of secrets",
	[T_SELECTOR] = "[selector](#selectors)",
};

static const char *const cost_names[] = {
	[RES_COST_NONE] = "",
	[RES_COST_SOFT] = "soft",
	[RES_COST_SESSION] = "session",
	[RES_COST_RESTART] = "restart",
};

/* Within a cell a bar would end it. */
static void
put_cell(struct buf *b, const char *text)
{
	for (; *text; text++) {
		if (*text == '|')
			buf_putc(b, '\\');
		buf_putc(b, *text);
	}
}

static void
put_words(struct buf *b, const char *const *words, const char *quote)
{
	for (bool first = true; *words; words++) {
		if (!**words)
			continue;
		buf_printf(b, "%s%s%s%s", first ? "" : ", ", quote, *words, quote);
		first = false;
	}
}

static void
put_uint_limits(struct buf *b, const struct field *f)
{
	struct span spans[MAX_SPANS];
	size_t nr = shape_spans(f, spans);

	if (!nr) {
		buf_puts(b, f->right);
		return;
	}
	for (size_t i = 0; i < nr; i++) {
		buf_puts(b, i ? ", " : "");
		if (spans[i].first == spans[i].last)
			buf_printf(b, "%" PRIu64, spans[i].first);
		else
			buf_printf(b, "%" PRIu64 " to %" PRIu64, spans[i].first, spans[i].last);
	}
}

void
reference_limits(struct buf *b, const struct field *f, const char *quote)
{
	size_t before = b->len;

	if (f->type == T_ENUM)
		put_words(b, f->words, quote);
	else if (f->type == T_UINT)
		put_uint_limits(b, f);
	else if (f->right)
		put_cell(b, f->right);
	else if (f->type == T_STRING && f->max)
		buf_printf(b, "%s%" PRIu64 " bytes", f->min ? "1 to " : "at most ", f->max);
	if (f->flags & F_LIST && f->max_items)
		buf_printf(b, "%sat most %u items", b->len > before ? "; " : "", f->max_items);
}

bool
reference_is_rules(const struct field *f)
{
	return f->type == T_STRUCT && f->sub == &rule_table;
}

const char *
reference_type(const struct field *f)
{
	return type_names[f->type];
}

const char *
reference_default(const struct field *f)
{
	if (f->def)
		return f->def;
	if (f->flags & (F_REQUIRED | F_HAS))
		return NULL;
	return f->type == T_BOOL ? "false" : f->type == T_UINT && !f->min ? "0" : NULL;
}

const char *
reference_cost(const struct field *f)
{
	return cost_names[f->cost];
}

static void
put_row(struct buf *b, const struct field *f, const char *path)
{
	buf_printf(b, "| `%s` | ", path);
	if (reference_is_rules(f))
		buf_puts(b, "list of [rules](#rules)");
	else
		buf_printf(b, "%s%s%s", f->flags & F_LIST ? "list: " : "", type_names[f->type],
		    f->flags & F_ONE_OR_LIST ? ", or one alone" : "");
	buf_puts(b, f->flags & F_REQUIRED ? ", **required**" : "");
	buf_puts(b, f->flags & F_NATIVE ? ", native only" : "");
	buf_puts(b, f->flags & F_NEWER ? ", newer" : "");
	buf_puts(b, " | ");
	if (reference_default(f))
		buf_printf(b, "`%s`", reference_default(f));
	buf_puts(b, " | ");
	reference_limits(b, f, "`");
	buf_puts(b, " | ");
	put_cell(b, f->help ? f->help : "");
	buf_printf(b, " | %s |\n", cost_names[f->cost]);
}

static void
put_table(struct buf *b, const struct table *t, const char *above)
{
	char path[MAX_PATH];

	for (const struct field *f = t->fields; f->name; f++) {
		int n;

		if (f->type == T_ANY || f->sub == &meta_table)
			continue;
		n = snprintf(path, sizeof(path), "%s%s%s%s", above, *above ? "." : "", f->name,
		    f->flags & F_LIST ? "[]" : "");
		if (n < 0 || (size_t)n >= sizeof(path))
			abort();
		/* A group that says nothing of itself is seen in the paths of what is in it. */
		if (f->type != T_STRUCT || f->help || f->flags & (F_LIST | F_NATIVE))
			put_row(b, f, path);
		if (f->type == T_STRUCT && !reference_is_rules(f))
			put_table(b, f->sub, path);
	}
}

static void
put_fields(struct buf *b, const struct table *t)
{
	buf_puts(b,
	    "| field | type | default | limits | what it is | a change costs |\n"
	    "| --- | --- | --- | --- | --- | --- |\n");
	put_table(b, t, "");
	buf_putc(b, '\n');
}

static void
put_naming(struct buf *b, const struct naming *n, const char *cilium, bool v2)
{
	buf_printf(b, "`kubectl get %s", n->plural);
	for (const char *const *s = n->shorts; *s; s++)
		buf_printf(b, "`, `%s", *s);
	buf_puts(b, "`");
	if (cilium)
		buf_printf(b, ". Also as `cilium.io/%sv2alpha1` `%s`, without what is native only",
		    v2 ? "v2`, `" : "", cilium);
	buf_puts(b, ".\n\n");
}

static bool
is_metallb(const struct schema *s)
{
	return strncmp(s->group_version, "metallb.io/", 11) == 0;
}

static void
put_kind(struct buf *b, const struct schema *s)
{
	const struct naming *n = naming_of(s->kind);

	buf_printf(b, "## %s%s\n\n`%s`%s. ", s->name, is_metallb(s) ? " (MetalLB)" : "",
	    s->group_version, s->namespaced ? ", in a namespace" : "");
	if (s->older)
		buf_printf(b, "Also as `%s`, without what is newer. ", s->older);
	if (n) {
		buf_printf(b, "%s\n\n", n->what);
		put_naming(b, n, s->cilium, s->v2);
	} else {
		buf_puts(b, "A kind of Kubernetes' own: what Herald reads of it.\n\n");
	}
	put_fields(b, s->table);
}

/* The kinds whose group version begins with @group, in the order of the tables. */
static void
put_group(struct buf *b, const char *group)
{
	for (int k = 0; k < RES_NR_KINDS; k++)
		if (strncmp(schema_of((enum res_kind)k)->group_version, group, strlen(group)) == 0)
			put_kind(b, schema_of((enum res_kind)k));
}

void
reference_page(struct buf *b)
{
	buf_puts(b,
	    "# Reference of all documents\n\n"
	    "Printed by `tools/crdgen` from the tables that Herald reads documents by; `make "
	    "generate` "
	    "writes it anew.\n\n"
	    "A document has `apiVersion`, `kind`, `metadata` and what the tables below list. "
	    "The last column says what a change of the\n"
	    "field costs at most: nothing, *soft* (routes or the datapath are adjusted), *session* "
	    "(BGP "
	    "sessions that it concerns start again),\n"
	    "*restart* (it counts from the next start on). `[]` stands for each item of a list. "
	    "*Native only*: not in Cilium's form of the kind.\n\n");
	put_group(b, "heraldlb.io/");
	buf_printf(b, "## BGPNodeStatus\n\n`heraldlb.io/v1`. %s\n\n", node_status_naming.what);
	put_naming(b, &node_status_naming, NULL, false);
	put_fields(b, &node_status_doc_table);
	put_group(b, "v1");
	put_group(b, "discovery.k8s.io/");
	put_group(b, "metallb.io/");
	buf_puts(b,
	    "## Selectors\n\nHeld against labels. An empty one (`{}`) matches all; what an absent "
	    "one "
	    "means is said by its field.\n\n");
	put_fields(b, &selector_table);
	buf_puts(b,
	    "## Rules\n\nIn order; the first whose match holds decides. What `import` and `export` "
	    "do "
	    "when none holds: see `man herald.yaml`.\n\n");
	put_fields(b, &rule_table);
	buf_puts(b, "## metadata\n\n");
	put_fields(b, &meta_table);
}
