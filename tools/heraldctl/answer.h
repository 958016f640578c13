/*
 * tools/heraldctl/answer.h: reading answers that may lack anything: what is missing is empty, zero or
 * false.
 */
#ifndef HERALD_TOOLS_HERALDCTL_ANSWER_H
#define HERALD_TOOLS_HERALDCTL_ANSWER_H

#include "lib/text.h"

#include <jansson.h>
#include <stdbool.h>

static inline const char *
answer_str(const json_t *obj, const char *key)
{
	const char *s = json_string_value(json_object_get(obj, key));

	return s ? s : "";
}

static inline json_int_t
answer_int(const json_t *obj, const char *key)
{
	return json_integer_value(json_object_get(obj, key));
}

static inline bool
answer_is(const json_t *obj, const char *key)
{
	return json_is_true(json_object_get(obj, key));
}

/* Seconds as kubectl shows them; "" when the field is not there. */
static inline const char *
answer_age(const json_t *obj, const char *key, char *text, size_t size)
{
	const json_t *v = json_object_get(obj, key);
	json_int_t s = json_integer_value(v);

	if (!json_is_integer(v))
		return "";
	return text_duration(s > 0 ? (uint64_t)s : 0, text, size);
}

#endif
