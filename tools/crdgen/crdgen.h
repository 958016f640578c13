/*
 * tools/crdgen/crdgen.h: what is printed from the field tables of resource/: CustomResourceDefinitions,
 * a JSON Schema for editors, the reference page.  Runs at build time only; memory is never given
 * back, and running out of it ends the program.
 */
#ifndef HERALD_CRDGEN_H
#define HERALD_CRDGEN_H

#include "resource/field.h"
#include "resource/tables.h"

#include <jansson.h>

struct buf;

/* Whose document: the rows that are open to it differ, as in resource/decode.c. */
enum form_dialect {
	FORM_NATIVE, /* and the core's */
	FORM_CILIUM_V2,
	FORM_CILIUM_ALPHA,
	FORM_METALLB,
	FORM_METALLB_OLDER
};

/* What a schema is for. */
enum form_use {
	FORM_CRD,    /* structural, of apiextensions.k8s.io/v1 */
	FORM_EDITOR, /* JSON Schema, draft 7 */
};

struct form {
	enum form_dialect dialect;
	enum form_use use;
};

/* ---- names.c: what the API server and kubectl call a kind; not in the field tables ---- */

struct column {
	const char *name, *type, *path; /* of additionalPrinterColumns; the last has no name */
	unsigned priority;		/* 1: only with -o wide */
};

struct naming {
	enum res_kind kind;
	const char *plural;	      /* of the kind's own group; Cilium's has "cilium" in front */
	const char *const *shorts;    /* ends with NULL */
	const char *const *cilium;    /* likewise, those of Cilium's kind */
	const struct column *columns; /* "{group}" in a path stands for the group */
	const char *what;	      /* a sentence or two */
};

/* NULL: a kind of the core, which has no CRD. */
const struct naming *naming_of(enum res_kind);

/* BGPNodeStatus, which Herald writes and never reads: its table says what is in it. */
extern const struct table node_status_doc_table;
extern const struct naming node_status_naming;
/* status of all others. */
extern const struct table conditions_table;

/* ---- shape.c ---- */

bool row_is_open(const struct field *, enum form_dialect);
/* One row, or all of a table, as a schema. */
json_t *shape_field(const struct field *, const struct form *);
json_t *shape_table(const struct table *, const struct form *);
/* The default as it would stand in a document, or NULL. */
json_t *shape_default(const struct field *);
/* Where a number may lie when a finer check thins it out: how many spans, 0 when there are too many
 * to tell. */
struct span {
	uint64_t first, last;
};
#define MAX_SPANS 4u
size_t shape_spans(const struct field *, struct span[MAX_SPANS]);

/* ---- what is printed ---- */

/* NULL: there is none of this group. */
json_t *crd_native(enum res_kind);
json_t *crd_cilium(enum res_kind);
json_t *crd_metallb(enum res_kind);
json_t *crd_node_status(void);
json_t *editor_schema(void);
void reference_page(struct buf *);
/* What stands between the hand-written parts of herald.yaml(5): the section of all documents. */
void manual_section(struct buf *);
void metrics_print(struct buf *);

/* ---- reference.c: words for a row, for the page and the manual ---- */

const char *reference_type(const struct field *);
/* NULL: there is none. */
const char *reference_default(const struct field *);
/* What a change costs at most; "": nothing. */
const char *reference_cost(const struct field *);
/* What may stand there, words within @quote. */
void reference_limits(struct buf *, const struct field *, const char *quote);
/* Is it a list of rules, which are described once? */
bool reference_is_rules(const struct field *);

/* Block style; strings in quotes wherever somebody might take them for something else. */
void yaml_print(struct buf *, const json_t *);

#endif
