/*
 * tools/crdgen/manual.c: the section of herald.yaml(5) that has every kind and every field, in mdoc(7).
 * tools/lint/generated puts it into the hand-written doc/man/herald.yaml.5.in.
 */
#include "tools/crdgen/crdgen.h"

#include "resource/walk.h"

#include "lib/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PATH 256u
#define MAX_TEXT (1u << 16)
#define WIDTH 76u /* of a line of the source */

/* ---- text ---- */

/* A word as mdoc reads it. */
static void
put_escaped(struct buf *b, const char *word, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (word[i] == '\\')
			buf_puts(b, "\\e");
		else if (word[i] != '`')
			buf_putc(b, word[i]);
	}
}

static bool
ends_sentence(const char *word, size_t len)
{
	return len > 1 && (word[len - 1] == '.' || word[len - 1] == '?');
}

/* Lines of text out of it: a new one after each sentence, as roff wants it. */
static void
put_text(struct buf *b, const char *text)
{
	size_t column = 0, len;

	for (; *text; text += len) {
		text += strspn(text, " ");
		len = strcspn(text, " ");
		if (len == 0)
			break;
		if (column > 0 && column + 1 + len > WIDTH) {
			buf_putc(b, '\n');
			column = 0;
		}
		if (column > 0)
			buf_putc(b, ' ');
		else if (*text == '.' || *text == '\'')
			buf_puts(b, "\\&");
		put_escaped(b, text, len);
		column += len + 1;
		if (ends_sentence(text, len) && text[len]) {
			buf_putc(b, '\n');
			column = 0;
		}
	}
	if (column > 0)
		buf_putc(b, '\n');
}

/* ---- a field ---- */

/* "list: word (bpf or none), native only; default bpf; a change: soft" */
static void
put_facts(struct buf *b, const struct field *f)
{
	const char *def = reference_default(f), *cost = reference_cost(f);
	struct buf facts;
	size_t before;

	buf_init(&facts, MAX_TEXT);
	if (f->flags & F_LIST)
		buf_puts(&facts, "list of ");
	if (reference_is_rules(f))
		buf_puts(&facts, "rules, see Rules below");
	else if (f->type == T_SELECTOR)
		buf_puts(&facts, "selector, see Selectors below");
	else
		buf_puts(&facts, reference_type(f));
	before = facts.len;
	buf_puts(&facts, ": ");
	reference_limits(&facts, f, "");
	if (facts.len == before + 2)
		facts.len = before;
	buf_puts(&facts, f->flags & F_ONE_OR_LIST ? "; one may stand alone" : "");
	buf_puts(&facts, f->flags & F_REQUIRED ? "; required" : "");
	buf_puts(&facts, f->flags & F_NATIVE ? "; native only" : "");
	buf_puts(&facts, f->flags & F_NEWER ? "; newer" : "");
	if (def)
		buf_printf(&facts, "; default: %s", *def ? def : "\"\"");
	if (*cost)
		buf_printf(&facts, "; a change: %s", cost);
	put_text(b, buf_text(&facts));
	buf_fini(&facts);
}

static void
put_field(struct buf *b, const struct field *f, const char *path)
{
	buf_printf(b, ".It Cm %s\n", path);
	put_facts(b, f);
	if (f->help && *f->help) {
		buf_puts(b, ".br\n");
		put_text(b, f->help);
	}
}

static void
put_table(struct buf *b, const struct table *t, const char *above)
{
	char path[MAX_PATH];
	int n;

	for (const struct field *f = t->fields; f->name; f++) {
		if (f->type == T_ANY || f->sub == &meta_table)
			continue;
		n = snprintf(path, sizeof(path), "%s%s%s%s", above, *above ? "." : "", f->name,
		    f->flags & F_LIST ? "[]" : "");
		if (n < 0 || (size_t)n >= sizeof(path))
			abort();
		/* As on the reference page: what says nothing of itself is seen in the paths. */
		if (f->type != T_STRUCT || f->help || f->flags & (F_LIST | F_NATIVE))
			put_field(b, f, path);
		if (f->type == T_STRUCT && !reference_is_rules(f))
			put_table(b, f->sub, path);
	}
}

static void
put_fields(struct buf *b, const struct table *t)
{
	struct buf rows;

	buf_init(&rows, MAX_TEXT << 4);
	put_table(&rows, t, "");
	if (rows.len > 0) /* of a Namespace, metadata is all */
		buf_printf(b, ".Pp\n.Bl -tag -width Ds -compact\n%s.El\n", buf_text(&rows));
	buf_fini(&rows);
}

/* ---- a kind ---- */

static void
put_kind(struct buf *b, const struct schema *s)
{
	const struct naming *n = naming_of(s->kind);
	const bool metallb = strncmp(s->group_version, "metallb.io/", 11) == 0;

	buf_printf(b, ".Ss %s%s\n.Cm apiVersion : %s", s->name, metallb ? " (MetalLB)" : "",
	    s->group_version);
	if (s->older)
		buf_printf(b, " ,\nor\n.Cm %s\nwithout what is newer.\n", s->older);
	else
		buf_puts(b, " .\n");
	if (s->cilium)
		buf_printf(b,
		    "Also as\n.Cm %s\nof\n.Cm cilium.io/%sv2alpha1 ,\nwithout what is native "
		    "only.\n",
		    s->cilium, s->v2 ? "v2 No and Cm " : "");
	put_text(b, n ? n->what : "A kind of Kubernetes' own: what Herald reads of it.");
	put_fields(b, s->table);
}

static void
put_group(struct buf *b, const char *group)
{
	for (int k = 0; k < RES_NR_KINDS; k++)
		if (strncmp(schema_of((enum res_kind)k)->group_version, group, strlen(group)) == 0)
			put_kind(b, schema_of((enum res_kind)k));
}

static void
put_part(struct buf *b, const char *title, const char *what, const struct table *t)
{
	buf_printf(b, ".Ss %s\n", title);
	put_text(b, what);
	put_fields(b, t);
}

void
manual_section(struct buf *b)
{
	buf_puts(b, ".Sh REFERENCE\n");
	put_text(b,
	    "Every field of every kind. Behind a field stands its type, with what may be there; "
	    "its default; and what a change costs at most: nothing, soft (routes or the load "
	    "balancer are adjusted), session (BGP sessions that it concerns begin anew), restart "
	    "(it counts from the next start on). [] stands for each item of a list. Native only: "
	    "not in Cilium's form of the kind.");
	put_group(b, "heraldlb.io/");
	put_part(b, "BGPNodeStatus", node_status_naming.what, &node_status_doc_table);
	put_group(b, "v1");
	put_group(b, "discovery.k8s.io/");
	put_group(b, "metallb.io/");
	put_part(b, "Selectors",
	    "Held against labels. An empty one matches all; what an absent one means is said by "
	    "its field.",
	    &selector_table);
	put_part(b, "Rules",
	    "In order; the first whose match holds decides. When none holds, routes that come in "
	    "are rejected; of those that would go out, what the advertisements select goes out, "
	    "and learned routes do not.",
	    &rule_table);
	put_part(b, "metadata", "Of every document.", &meta_table);
}
