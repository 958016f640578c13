/*
 * resource/selector.h: label selectors with the semantics of Kubernetes, and the view of an
 * object's labels that they are held against.
 */
#ifndef HERALD_RESOURCE_SELECTOR_H
#define HERALD_RESOURCE_SELECTOR_H

#include "resource/object.h"

enum sel_op { SEL_IN, SEL_NOT_IN, SEL_EXISTS, SEL_DOES_NOT_EXIST };

struct sel_expr {
	const char *key;
	enum sel_op op;
	struct res_strings values;
};

/* An absent selector and an empty one are different things: an empty one matches everything,
 * what an absent one means is said by the field that it is missing from. */
struct selector {
	bool present;
	struct res_pairs labels;
	struct {
		const struct sel_expr *v;
		size_t nr;
	} exprs;
};

/* Any of them; what an empty list means is said by the field. */
struct res_selectors {
	const struct selector *v;
	size_t nr;
};

/* Labels with up to two laid over them that win over real ones of the same key. */
struct label_view {
	const struct res_pairs *labels;
	struct res_pair over[2];
	size_t nr_over;
};

#define SEL_KEY_NAMESPACE "io.kubernetes.service.namespace"
#define SEL_KEY_NAME "io.kubernetes.service.name"

/* The plain labels of an object. */
struct label_view label_view_of(const struct res_object *);
/* Those of a Service with the synthetic keys above, which a tenant cannot spoof. */
struct label_view label_view_service(const struct res_object *);
/* The value of @key, or NULL. */
const char *label_view_get(const struct label_view *, const char *key);

/* Does it match?  For fields where an absent selector selects nothing. */
bool selector_selects(const struct selector *, const struct label_view *);
/* Likewise where an absent selector lets everything through. */
bool selector_admits(const struct selector *, const struct label_view *);
/* Does one of them match, or is there none? */
bool selectors_admit(const struct res_selectors *, const struct label_view *);
/* Word for word the same selector? */
bool selector_equal(const struct selector *, const struct selector *);

/* Is it a label key ([dns.name/]word) or value (a word of at most 63, or empty)? */
bool selector_key_is_valid(const char *);
bool selector_value_is_valid(const char *);
/* Is it the name of an object (RFC 1123 subdomain, at most 253)? */
bool selector_name_is_valid(const char *);

#endif
