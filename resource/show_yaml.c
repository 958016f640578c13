/*
 * resource/show_yaml.c: JSON values -> YAML text, for people; by libyaml's emitter.
 */
#include "resource/show.h"

#include "resource/object.h"

#include "lib/buf.h"

#include <yaml.h>

#include <stdio.h>
#include <string.h>

#define MAX_TEXT (64u << 20)

static int
write_text(void *arg, unsigned char *bytes, size_t len)
{
	struct buf *b = arg;

	buf_add(b, bytes, len);
	return !b->failed;
}

static bool
emit_scalar(yaml_emitter_t *e, const char *text, size_t len, yaml_scalar_style_t style)
{
	yaml_event_t ev;

	return yaml_scalar_event_initialize(
		   &ev, NULL, NULL, (const yaml_char_t *)text, (int)len, 1, 1, style) &&
	    yaml_emitter_emit(e, &ev);
}

static bool emit(yaml_emitter_t *e, const json_t *j);

static bool
emit_object(yaml_emitter_t *e, const json_t *j)
{
	const char *key;
	yaml_event_t ev;
	json_t *value;

	if (!yaml_mapping_start_event_initialize(&ev, NULL, NULL, 1, YAML_ANY_MAPPING_STYLE) ||
	    !yaml_emitter_emit(e, &ev))
		return false;
	json_object_foreach((json_t *)(uintptr_t)j, key, value)
	{
		if (!emit_scalar(e, key, strlen(key), YAML_ANY_SCALAR_STYLE) || !emit(e, value))
			return false;
	}
	return yaml_mapping_end_event_initialize(&ev) && yaml_emitter_emit(e, &ev);
}

static bool
emit_array(yaml_emitter_t *e, const json_t *j)
{
	yaml_event_t ev;

	if (!yaml_sequence_start_event_initialize(&ev, NULL, NULL, 1, YAML_ANY_SEQUENCE_STYLE) ||
	    !yaml_emitter_emit(e, &ev))
		return false;
	for (size_t i = 0; i < json_array_size(j); i++)
		if (!emit(e, json_array_get(j, i)))
			return false;
	return yaml_sequence_end_event_initialize(&ev) && yaml_emitter_emit(e, &ev);
}

/* Strings in quotes unless they are plain words that nobody takes for anything else. */
static yaml_scalar_style_t
style_of(const char *text)
{
	static const char *const words[] = { "true", "false", "yes", "no", "on", "off", "null", "y",
		"n", NULL };

	for (size_t i = 0; words[i]; i++)
		if (strcasecmp(words[i], text) == 0)
			return YAML_DOUBLE_QUOTED_SCALAR_STYLE;
	if (strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") > 0)
		return YAML_ANY_SCALAR_STYLE;
	return YAML_DOUBLE_QUOTED_SCALAR_STYLE;
}

static bool
emit(yaml_emitter_t *e, const json_t *j)
{
	char number[32];
	int len;

	switch (json_typeof(j)) {
	case JSON_OBJECT:
		return emit_object(e, j);
	case JSON_ARRAY:
		return emit_array(e, j);
	case JSON_STRING:
		return emit_scalar(
		    e, json_string_value(j), json_string_length(j), style_of(json_string_value(j)));
	case JSON_INTEGER:
		len = snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(j));
		return emit_scalar(e, number, (size_t)len, YAML_PLAIN_SCALAR_STYLE);
	case JSON_TRUE:
		return emit_scalar(e, "true", 4, YAML_PLAIN_SCALAR_STYLE);
	case JSON_FALSE:
		return emit_scalar(e, "false", 5, YAML_PLAIN_SCALAR_STYLE);
	default: /* null; objects hold no reals */
		return emit_scalar(e, "null", 4, YAML_PLAIN_SCALAR_STYLE);
	}
}

static bool
emit_document(yaml_emitter_t *e, const json_t *j)
{
	yaml_event_t ev;

	return yaml_stream_start_event_initialize(&ev, YAML_UTF8_ENCODING) &&
	    yaml_emitter_emit(e, &ev) &&
	    yaml_document_start_event_initialize(&ev, NULL, NULL, NULL, 1) &&
	    yaml_emitter_emit(e, &ev) && emit(e, j) && yaml_document_end_event_initialize(&ev, 1) &&
	    yaml_emitter_emit(e, &ev) && yaml_stream_end_event_initialize(&ev) &&
	    yaml_emitter_emit(e, &ev);
}

char *
yaml_of_json(const json_t *j)
{
	yaml_emitter_t e;
	struct buf b;
	bool ok;

	if (!yaml_emitter_initialize(&e))
		return NULL;
	buf_init(&b, MAX_TEXT);
	yaml_emitter_set_output(&e, write_text, &b);
	yaml_emitter_set_unicode(&e, 1);
	yaml_emitter_set_width(&e, -1);
	ok = emit_document(&e, j);
	yaml_emitter_delete(&e);
	if (ok)
		return buf_steal(&b);
	buf_fini(&b);
	return NULL;
}

char *
res_show_yaml(const struct res_object *o)
{
	json_t *j = res_show(o);
	char *text = j ? yaml_of_json(j) : NULL;

	json_decref(j);
	return text;
}
