/*
 * resource/field.h: the tables that describe the kinds.  One row a field: its name, what it is,
 * where it goes in the struct, default, limits, words, what a change costs, one line of help.
 * Decoding, faults, defaults, showing and comparing all read these rows and nothing else.
 */
#ifndef HERALD_RESOURCE_FIELD_H
#define HERALD_RESOURCE_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resource/object.h"

struct decoder;
struct node;
struct res_arena;

enum field_type {
	/* scalars */
	T_STRING,	 /* const char *; min, max: length in bytes */
	T_REGEX,	 /* const char *: a POSIX extended regular expression */
	T_BOOL,		 /* bool */
	T_UINT,		 /* uint8_t to uint64_t by size; min, max */
	T_INT64,	 /* int64_t */
	T_ENUM,		 /* an enum or bool, counted as words are; "": no word */
	T_ADDR,		 /* struct addr; min: may be "" */
	T_ZONED,	 /* struct res_zoned: an address, "%eth1" behind a link-local one */
	T_PREFIX,	 /* struct prefix; host bits are masked away */
	T_LISTEN,	 /* struct res_listen; min: may be "" */
	T_INT_OR_STRING, /* struct res_int_or_string: a port or its name */
	T_TIME,		 /* int64_t seconds since 1970 from RFC 3339 */
	T_ROUTER_ID,	 /* uint32_t, host order, in dotted form */
	T_COMMUNITY,	 /* struct res_community; max: mask of types; min: names only */
	T_NEXT_HOP,	 /* struct res_rule_set: self, keep or an address */
	/* collections */
	T_STRUCT,   /* a map with its own table; offset 0 without has: the same struct */
	T_PAIRS,    /* struct res_pairs: a map of strings */
	T_LABELS,   /* likewise, keys and values are labels */
	T_SECRET,   /* struct res_secret_entries; words set: plain text, else base64 */
	T_SELECTOR, /* struct selector; F_LIST: struct res_selectors */
	T_ANY,	    /* a field of the real schema that means nothing here */
	T_NR_TYPES
};

enum field_flags {
	F_LIST = 1,	    /* {v, nr} of it; for scalars, T_STRUCT and T_SELECTOR */
	F_REQUIRED = 2,	    /* must be there; a list must not be empty */
	F_NATIVE = 4,	    /* only in heraldlb.io documents */
	F_ALPHA = 8,	    /* only in v2alpha1 documents */
	F_ONE_OR_LIST = 16, /* F_LIST: one alone may stand without brackets */
	F_KEYED = 32,	    /* F_LIST of T_STRUCT: the first field names an item, once */
	F_SECRET_TEXT = 64, /* never shown */
	F_HAS = 128,	    /* a bool at @has says whether it was given */
	F_UNCOMPARED = 256, /* a change of it changes nothing: uid, resourceVersion */
	F_DERIVED = 512,    /* left out, it follows from other fields; @def is the most it is */
	F_NEWER = 1024,	    /* only in the newer of the two versions that MetalLB has of a kind */
};

struct table;

struct field {
	const char *name;
	enum field_type type;
	unsigned flags;
	size_t offset, size, has;
	const struct table *sub;
	const char *const *words;
	uint64_t min, max;
	unsigned max_items;	       /* F_LIST; 0: no limit */
	bool (*valid)(const void *at); /* a finer check; @right says what would be right */
	const char *right;
	const char *def; /* as it would stand in a document; lists: blanks between */
	enum res_cost cost;
	const char *help;
};

struct table {
	const struct field *fields; /* the last has no name */
	size_t size;
	/* Checks across fields, and fills in what follows from them; @map NULL: all defaults. */
	void (*check)(struct decoder *, const struct node *map, void *at);
};

/* Any list, as it lies in a struct. */
struct field_list {
	void *v;
	size_t nr;
};

/* A kind. */
struct schema {
	enum res_kind kind;
	const char *name;	   /* native, or of the core */
	const char *group_version; /* "heraldlb.io/v1", "v1" */
	const char *cilium;	   /* its kind in cilium.io, or NULL */
	bool namespaced;
	bool v2; /* served as cilium.io/v2, not only as v2alpha1 */
	const struct table *table;
	const char *older; /* another group version, without the fields that are F_NEWER */
};

const struct schema *schema_of(enum res_kind);

/* ---- decoder: what the checks of tables use ---- */

/* Say that @field (below where the decoder is, "" for here) is wrong; the place in the text is
 * that of the value of the field in @map, or of @map.  */
void decode_fault(struct decoder *, const struct node *map, const char *field, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Likewise for an item of a list in @map. */
void decode_fault_item(struct decoder *, const struct node *map, const char *field, size_t item,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Memory that lives as long as the object; NULL: none, and the decoder gives up. */
void *decode_alloc(struct decoder *, size_t nr, size_t size);
/* Is @name there, and not null? */
bool node_has(const struct node *map, const char *name);

/* ---- rows ---- */

/* clang-format off */
#define FIELD_AT(st, m) .offset = offsetof(st, m), .size = sizeof(((st *)0)->m)
#define FIELD_LIST_AT(st, m) .offset = offsetof(st, m), .size = sizeof(*((st *)0)->m.v)
#define FIELD_HAS(st, m) .has = offsetof(st, m)
#define FIELD_ANY(n) { .name = (n), .type = T_ANY }
#define FIELD_ANY_ALPHA(n) { .name = (n), .type = T_ANY, .flags = F_ALPHA }
#define FIELD_END { .name = NULL }
/* clang-format on */

#endif
