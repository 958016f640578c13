/*
 * tests/unit/crdgen/check_schema.c: a small judge of schemas; see check_schema.h.
 */
#include "tests/unit/crdgen/check_schema.h"

#include <regex.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static bool __attribute__((format(printf, 2, 3))) no(char why[WHY], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, WHY, fmt, ap);
	va_end(ap);
	return false;
}

static bool
is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(word, *words) == 0)
			return true;
	return false;
}

static bool
is_true(const json_t *schema, const char *key)
{
	return json_is_true(json_object_get(schema, key));
}

/* ---- structural ---- */

/* Within anyOf there are conditions on the value, nothing that says what it is. */
static bool
junctor_is_good(const json_t *schema, char why[WHY])
{
	static const char *const allowed[] = { "minimum", "maximum", "pattern", "enum", "required",
		"maxLength", NULL };
	const json_t *any = json_object_get(schema, "anyOf"), *one;
	bool int_or_string = is_true(schema, "x-kubernetes-int-or-string");
	const char *key;
	json_t *value;
	size_t i;

	json_array_foreach(any, i, one)
	{
		json_object_foreach((json_t *)(uintptr_t)one, key, value)
		{
			if (!is_one_of(key, allowed) && !(int_or_string && !strcmp(key, "type")))
				return no(why, "anyOf: %s is forbidden", key);
		}
	}
	return true;
}

static bool
list_is_good(const json_t *schema, char why[WHY])
{
	const json_t *items = json_object_get(schema, "items"), *key;
	const char *kind = json_string_value(json_object_get(schema, "x-kubernetes-list-type"));
	const json_t *keys = json_object_get(schema, "x-kubernetes-list-map-keys");
	size_t i;

	if (!items)
		return no(why, "an array without items");
	if (!kind || (strcmp(kind, "map") != 0 && strcmp(kind, "atomic") != 0))
		return no(why, "an array without list type");
	if ((strcmp(kind, "map") == 0) != (json_array_size(keys) > 0))
		return no(why, "keys belong to maps");
	json_array_foreach(keys, i, key)
	{
		const json_t *required = json_object_get(items, "required"), *name;
		bool found = false;
		size_t k;

		json_array_foreach(required, k, name) found = found || json_equal(name, key);
		if (!found || !schema_at(items, json_string_value(key), "type"))
			return no(why, "key %s is not required", json_string_value(key));
	}
	return schema_is_structural(items, why);
}

static bool
object_is_good(const json_t *schema, char why[WHY])
{
	json_t *all = json_object_get(schema, "properties"), *one;
	const json_t *more = json_object_get(schema, "additionalProperties");
	const json_t *required = json_object_get(schema, "required"), *name;
	char inner[WHY];
	const char *key;
	size_t i;

	if (all && more)
		return no(why, "properties and additionalProperties");
	if (more && !schema_is_structural(more, why))
		return false;
	json_array_foreach(required, i, name)
	{
		if (!json_object_get(all, json_string_value(name)))
			return no(why, "%s is required and not there", json_string_value(name));
	}
	json_object_foreach(all, key, one)
	{
		if (!schema_is_structural(one, inner))
			return no(why, "%s: %.400s", key, inner);
	}
	return true;
}

bool
schema_is_structural(const json_t *schema, char why[WHY])
{
	static const char *const allowed[] = { "type", "description", "properties", "required",
		"items", "additionalProperties", "enum", "format", "minimum", "maximum",
		"minLength", "maxLength", "minItems", "maxItems", "pattern", "default", "anyOf",
		"x-kubernetes-int-or-string", "x-kubernetes-list-type",
		"x-kubernetes-list-map-keys", "x-kubernetes-map-type",
		"x-kubernetes-preserve-unknown-fields", NULL };
	const char *type = json_string_value(json_object_get(schema, "type")), *key;
	bool free = is_true(schema, "x-kubernetes-preserve-unknown-fields");
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)schema, key, value)
	{
		if (!is_one_of(key, allowed))
			return no(why, "%s is no keyword for a CRD", key);
	}
	if (!type && !free && !is_true(schema, "x-kubernetes-int-or-string"))
		return no(why, "no type");
	if (type && is_true(schema, "x-kubernetes-int-or-string"))
		return no(why, "type beside int-or-string");
	if (!junctor_is_good(schema, why))
		return false;
	if (type && strcmp(type, "array") == 0)
		return list_is_good(schema, why);
	return object_is_good(schema, why);
}

/* ---- values ---- */

static bool
string_is_good(const json_t *schema, const json_t *value, char why[WHY])
{
	const char *text = json_string_value(value);
	const json_t *min = json_object_get(schema, "minLength");
	const json_t *max = json_object_get(schema, "maxLength");
	const json_t *pattern = json_object_get(schema, "pattern");
	bool good = true;
	regex_t re;

	if (min && (json_int_t)strlen(text) < json_integer_value(min))
		return no(why, "%s: too short", text);
	if (max && (json_int_t)strlen(text) > json_integer_value(max))
		return no(why, "%s: too long", text);
	if (!pattern)
		return true;
	/* The patterns use nothing that POSIX and RE2 understand differently. */
	if (regcomp(&re, json_string_value(pattern), REG_EXTENDED | REG_NOSUB) != 0)
		return no(why, "%s: no expression", json_string_value(pattern));
	good = regexec(&re, text, 0, NULL, 0) == 0;
	regfree(&re);
	return good || no(why, "%s: not as %.300s", text, json_string_value(pattern));
}

static bool
limits_hold(const json_t *schema, const json_t *value)
{
	const json_t *min = json_object_get(schema, "minimum");
	const json_t *max = json_object_get(schema, "maximum");
	json_int_t v = json_integer_value(value);

	return (!min || v >= json_integer_value(min)) && (!max || v <= json_integer_value(max));
}

static bool
integer_is_good(const json_t *schema, const json_t *value, char why[WHY])
{
	const json_t *any = json_object_get(schema, "anyOf"), *one;
	bool found = !any || is_true(schema, "x-kubernetes-int-or-string");
	size_t i;

	json_array_foreach(any, i, one) found = found || limits_hold(one, value);
	if (!found || !limits_hold(schema, value))
		return no(why, "%lld: outside its limits", (long long)json_integer_value(value));
	return true;
}

static bool
enum_holds(const json_t *schema, const json_t *value, char why[WHY])
{
	const json_t *words = json_object_get(schema, "enum"), *word;
	bool found = !words;
	size_t i;

	json_array_foreach(words, i, word) found = found || json_equal(word, value);
	return found || no(why, "%s: none of the words", json_string_value(value));
}

static bool
array_is_good(const json_t *schema, const json_t *value, char why[WHY])
{
	const json_t *min = json_object_get(schema, "minItems"), *one;
	const json_t *max = json_object_get(schema, "maxItems");
	size_t i;

	if (min && (json_int_t)json_array_size(value) < json_integer_value(min))
		return no(why, "too few items");
	if (max && (json_int_t)json_array_size(value) > json_integer_value(max))
		return no(why, "too many items");
	json_array_foreach(value, i, one)
	{
		if (!schema_takes(json_object_get(schema, "items"), one, why))
			return false;
	}
	return true;
}

static bool
object_holds(const json_t *schema, const json_t *value, char why[WHY])
{
	const json_t *all = json_object_get(schema, "properties"), *name;
	const json_t *required = json_object_get(schema, "required");
	const char *key;
	json_t *one;
	size_t i;

	json_array_foreach(required, i, name)
	{
		if (!json_object_get(value, json_string_value(name)))
			return no(why, "%s is missing", json_string_value(name));
	}
	json_object_foreach((json_t *)(uintptr_t)value, key, one)
	{
		const json_t *of = json_object_get(all, key);

		if (of && !schema_takes(of, one, why))
			return false;
	}
	return true;
}

bool
schema_takes(const json_t *schema, const json_t *value, char why[WHY])
{
	const char *type = json_string_value(json_object_get(schema, "type"));
	bool either = is_true(schema, "x-kubernetes-int-or-string");

	if (!type && !either)
		return true;
	if (!enum_holds(schema, value, why))
		return false;
	if (json_is_string(value) && (either || strcmp(type, "string") == 0))
		return string_is_good(schema, value, why);
	if (json_is_integer(value) && (either || strcmp(type, "integer") == 0))
		return integer_is_good(schema, value, why);
	if (either)
		return no(why, "neither number nor string");
	if (json_is_array(value) && strcmp(type, "array") == 0)
		return array_is_good(schema, value, why);
	if (json_is_object(value) && strcmp(type, "object") == 0)
		return object_holds(schema, value, why);
	return (json_is_boolean(value) && strcmp(type, "boolean") == 0) ||
	    no(why, "must be of type %s", type);
}

/* ---- going through ---- */

bool
schema_defaults_hold(const json_t *schema, char why[WHY])
{
	const json_t *def = json_object_get(schema, "default");
	json_t *all = json_object_get(schema, "properties"), *one;
	char inner[WHY];
	const char *key;

	if (def && !schema_takes(schema, def, inner))
		return no(why, "default: %.400s", inner);
	if (json_object_get(schema, "items") &&
	    !schema_defaults_hold(json_object_get(schema, "items"), why))
		return false;
	json_object_foreach(all, key, one)
	{
		if (!schema_defaults_hold(one, inner))
			return no(why, "%s: %.400s", key, inner);
	}
	return true;
}

const json_t *
schema_at(const json_t *schema, const char *path, const char *key)
{
	while (schema && *path) {
		size_t len = strcspn(path, ".");
		char name[128];

		snprintf(name, sizeof(name), "%.*s", (int)len, path);
		if (json_object_get(schema, "items"))
			schema = json_object_get(schema, "items");
		schema = json_object_get(json_object_get(schema, "properties"), name);
		path += len + (path[len] == '.');
	}
	return json_object_get(schema, key);
}
