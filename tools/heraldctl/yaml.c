/*
 * tools/heraldctl/yaml.c: walks a JSON value and feeds libyaml's emitter.
 */
#include "tools/heraldctl/yaml.h"

#include "lib/buf.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

static int
to_buf(void *out, unsigned char *text, size_t len)
{
	struct buf *b = out;

	buf_add(b, text, len);
	return !b->failed;
}

/* Would a reader of YAML (1.1 or 1.2) take this text for something else than text? */
static bool
looks_like_other(const char *s)
{
	static const char *const words[] = { "null", "true", "false", "yes", "no", "on", "off", "y",
		"n", "~", "=", "<<", NULL };
	size_t dots = 0, digits = strspn(s, "0123456789+-:_,.");
	char *end;

	for (size_t i = 0; words[i]; i++)
		if (strcasecmp(words[i], s) == 0)
			return true;
	if (*s == '\0')
		return true;
	(void)strtod(s, &end);
	if (*end == '\0')
		return true;
	for (size_t i = 0; s[i]; i++)
		dots += s[i] == '.';
	/* Dates and base-60 numbers; an IPv4 address is neither. */
	return s[digits] == '\0' && dots != 3;
}

static bool
emit_text(yaml_emitter_t *e, const char *s, bool plain_only)
{
	yaml_scalar_style_t style = YAML_ANY_SCALAR_STYLE;
	yaml_event_t ev;

	if (!plain_only && looks_like_other(s))
		style = YAML_DOUBLE_QUOTED_SCALAR_STYLE;
	return yaml_scalar_event_initialize(
		   &ev, NULL, NULL, (const yaml_char_t *)s, (int)strlen(s), 1, 1, style) &&
	    yaml_emitter_emit(e, &ev);
}

static bool
emit_number(yaml_emitter_t *e, const json_t *v)
{
	char text[64];

	if (json_is_integer(v))
		snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(v));
	else
		snprintf(text, sizeof(text), "%.17g", json_real_value(v));
	return emit_text(e, text, true);
}

static bool emit_value(yaml_emitter_t *e, const json_t *v);

static bool
emit_list(yaml_emitter_t *e, const json_t *list)
{
	yaml_sequence_style_t style =
	    json_array_size(list) ? YAML_BLOCK_SEQUENCE_STYLE : YAML_FLOW_SEQUENCE_STYLE;
	const json_t *v;
	yaml_event_t ev;
	size_t i;

	if (!yaml_sequence_start_event_initialize(&ev, NULL, NULL, 1, style) ||
	    !yaml_emitter_emit(e, &ev))
		return false;
	json_array_foreach(list, i, v) if (!emit_value(e, v)) return false;
	return yaml_sequence_end_event_initialize(&ev) && yaml_emitter_emit(e, &ev);
}

static bool
emit_object(yaml_emitter_t *e, const json_t *obj)
{
	yaml_mapping_style_t style =
	    json_object_size(obj) ? YAML_BLOCK_MAPPING_STYLE : YAML_FLOW_MAPPING_STYLE;
	const char *key;
	yaml_event_t ev;
	json_t *v;

	if (!yaml_mapping_start_event_initialize(&ev, NULL, NULL, 1, style) ||
	    !yaml_emitter_emit(e, &ev))
		return false;
	json_object_foreach(
	    (json_t *)obj, key, v) if (!emit_text(e, key, false) || !emit_value(e, v)) return false;
	return yaml_mapping_end_event_initialize(&ev) && yaml_emitter_emit(e, &ev);
}

/* As deep as the JSON, which jansson's own limit on nesting bounds. */
static bool
emit_value(yaml_emitter_t *e, const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return emit_object(e, v);
	case JSON_ARRAY:
		return emit_list(e, v);
	case JSON_STRING:
		return emit_text(e, json_string_value(v), false);
	case JSON_INTEGER:
	case JSON_REAL:
		return emit_number(e, v);
	case JSON_TRUE:
		return emit_text(e, "true", true);
	case JSON_FALSE:
		return emit_text(e, "false", true);
	case JSON_NULL:
		break;
	}
	return emit_text(e, "null", true);
}

int
yaml_print(const json_t *const *docs, size_t nr, struct buf *out)
{
	yaml_emitter_t e;
	yaml_event_t ev;
	bool fine;

	if (!yaml_emitter_initialize(&e))
		return -ENOMEM;
	yaml_emitter_set_output(&e, to_buf, out);
	yaml_emitter_set_unicode(&e, 1);
	yaml_emitter_set_width(&e, -1);
	fine = yaml_stream_start_event_initialize(&ev, YAML_UTF8_ENCODING) &&
	    yaml_emitter_emit(&e, &ev);
	for (size_t i = 0; fine && i < nr; i++)
		fine = yaml_document_start_event_initialize(&ev, NULL, NULL, NULL, nr == 1) &&
		    yaml_emitter_emit(&e, &ev) && emit_value(&e, docs[i]) &&
		    yaml_document_end_event_initialize(&ev, 1) && yaml_emitter_emit(&e, &ev);
	fine = fine && yaml_stream_end_event_initialize(&ev) && yaml_emitter_emit(&e, &ev);
	yaml_emitter_delete(&e);
	return fine && !out->failed ? 0 : -ENOMEM;
}
