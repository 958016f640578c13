/*
 * resource/selector.c: label selectors with the semantics of Kubernetes; see selector.h.
 */
#include "resource/selector.h"

#include "lib/buf.h"
#include "lib/mem.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

const char *
res_pairs_get(const struct res_pairs *p, const char *key)
{
	size_t lo = 0, hi = p->nr;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int c = strcmp(p->v[mid].key, key);

		if (c == 0)
			return p->v[mid].value;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

struct label_view
label_view_of(const struct res_object *o)
{
	return (struct label_view){ .labels = &o->meta.labels };
}

struct label_view
label_view_service(const struct res_object *o)
{
	return (struct label_view){
		.labels = &o->meta.labels,
		.over = { { SEL_KEY_NAMESPACE, o->meta.ns }, { SEL_KEY_NAME, o->meta.name } },
		.nr_over = 2,
	};
}

const char *
label_view_get(const struct label_view *view, const char *key)
{
	for (size_t i = 0; i < view->nr_over; i++)
		if (strcmp(view->over[i].key, key) == 0)
			return view->over[i].value;
	return res_pairs_get(view->labels, key);
}

/* A label that is not there is not In anything, and NotIn everything. */
static bool
expr_holds(const struct sel_expr *e, const struct label_view *view)
{
	const char *value = label_view_get(view, e->key);
	bool found = false;

	for (size_t i = 0; value && i < e->values.nr && !found; i++)
		found = strcmp(e->values.v[i], value) == 0;
	switch (e->op) {
	case SEL_IN:
		return found;
	case SEL_NOT_IN:
		return !found;
	case SEL_EXISTS:
		return value != NULL;
	case SEL_DOES_NOT_EXIST:
		return value == NULL;
	}
	return false;
}

bool
selector_selects(const struct selector *s, const struct label_view *view)
{
	if (!s->present)
		return false;
	for (size_t i = 0; i < s->labels.nr; i++) {
		const char *value = label_view_get(view, s->labels.v[i].key);

		if (!value || strcmp(value, s->labels.v[i].value) != 0)
			return false;
	}
	for (size_t i = 0; i < s->exprs.nr; i++)
		if (!expr_holds(&s->exprs.v[i], view))
			return false;
	return true;
}

bool
selector_admits(const struct selector *s, const struct label_view *view)
{
	return !s->present || selector_selects(s, view);
}

bool
selectors_admit(const struct res_selectors *list, const struct label_view *view)
{
	for (size_t i = 0; i < list->nr; i++)
		if (selector_admits(&list->v[i], view))
			return true;
	return list->nr == 0;
}

static bool
strings_equal(const struct res_strings *a, const struct res_strings *b)
{
	if (a->nr != b->nr)
		return false;
	for (size_t i = 0; i < a->nr; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	return true;
}

bool
selector_equal(const struct selector *a, const struct selector *b)
{
	if (a->present != b->present || a->labels.nr != b->labels.nr || a->exprs.nr != b->exprs.nr)
		return false;
	for (size_t i = 0; i < a->labels.nr; i++)
		if (strcmp(a->labels.v[i].key, b->labels.v[i].key) != 0 ||
		    strcmp(a->labels.v[i].value, b->labels.v[i].value) != 0)
			return false;
	for (size_t i = 0; i < a->exprs.nr; i++)
		if (a->exprs.v[i].op != b->exprs.v[i].op ||
		    strcmp(a->exprs.v[i].key, b->exprs.v[i].key) != 0 ||
		    !strings_equal(&a->exprs.v[i].values, &b->exprs.v[i].values))
			return false;
	return true;
}

/* ---- syntax ---- */

/* Letters, digits, '-', '_', '.'; the ends letters or digits; 1 to 63. */
static bool
is_word(const char *s, size_t len)
{
	if (len < 1 || len > 63 || !isalnum((unsigned char)s[0]) ||
	    !isalnum((unsigned char)s[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)s[i]) && !strchr("-_.", s[i]))
			return false;
	return true;
}

/* RFC 1123 2.1: labels of lower-case letters, digits, '-', parted by dots. */
static bool
is_dns_name(const char *s, size_t len)
{
	bool label_open = false;

	if (len < 1 || len > 253)
		return false;
	for (size_t i = 0; i < len; i++) {
		bool alnum = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9');

		if (s[i] == '.') {
			if (!label_open || s[i - 1] == '-')
				return false;
			label_open = false;
		} else if (alnum || (s[i] == '-' && label_open)) {
			label_open = true;
		} else {
			return false;
		}
	}
	return label_open && s[len - 1] != '-';
}

bool
selector_key_is_valid(const char *key)
{
	const char *slash = strchr(key, '/');
	const char *word = slash ? slash + 1 : key;

	if (slash && !is_dns_name(key, (size_t)(slash - key)))
		return false;
	return is_word(word, strlen(word));
}

bool
selector_value_is_valid(const char *value)
{
	return !*value || is_word(value, strlen(value));
}

bool
selector_name_is_valid(const char *name)
{
	return is_dns_name(name, strlen(name));
}
