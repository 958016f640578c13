/*
 * tools/crdgen/yaml.c: JSON values -> YAML in block style, the way that people write manifests.
 */
#include "tools/crdgen/crdgen.h"

#include "lib/buf.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static void
indent(struct buf *b, unsigned depth)
{
	for (unsigned i = 0; i < depth; i++)
		buf_puts(b, "  ");
}

/* May it stand without quotes?  Words, and words with the signs of names and paths in them. */
static bool
is_plain(const char *s)
{
	static const char *const words[] = { "true", "false", "yes", "no", "on", "off", "null", "y",
		"n", NULL };

	for (size_t i = 0; words[i]; i++)
		if (strcasecmp(words[i], s) == 0)
			return false;
	return strspn(s, LETTERS) > 0 && s[strspn(s, LETTERS "0123456789-_./")] == '\0';
}

static void
print_scalar(struct buf *b, const json_t *j)
{
	char *text;

	if (json_is_string(j) && is_plain(json_string_value(j))) {
		buf_puts(b, json_string_value(j));
		return;
	}
	text = json_dumps(j, JSON_ENCODE_ANY);
	if (!text)
		abort();
	buf_puts(b, text);
	free(text);
}

static void print_value(struct buf *, const json_t *, unsigned depth);

/* @first: the first line goes on where the output is, behind "- ". */
static void
print_object(struct buf *b, const json_t *j, unsigned depth, bool first)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)j, key, value)
	{
		json_t *name = json_string(key);

		if (!first)
			indent(b, depth);
		first = false;
		print_scalar(b, name);
		json_decref(name);
		buf_putc(b, ':');
		print_value(b, value, depth);
	}
}

static void
print_array(struct buf *b, const json_t *j, unsigned depth)
{
	for (size_t i = 0; i < json_array_size(j); i++) {
		const json_t *one = json_array_get(j, i);

		indent(b, depth);
		buf_putc(b, '-');
		if (json_is_object(one) && json_object_size(one)) {
			buf_putc(b, ' ');
			print_object(b, one, depth + 1, true);
		} else {
			print_value(b, one, depth + 1);
		}
	}
}

/* Behind "key:". */
static void
print_value(struct buf *b, const json_t *j, unsigned depth)
{
	if (json_is_object(j) && json_object_size(j)) {
		buf_putc(b, '\n');
		print_object(b, j, depth + 1, false);
	} else if (json_is_array(j) && json_array_size(j)) {
		buf_putc(b, '\n');
		print_array(b, j, depth);
	} else {
		buf_putc(b, ' ');
		print_scalar(b, j);
		buf_putc(b, '\n');
	}
}

void
yaml_print(struct buf *b, const json_t *j)
{
	print_object(b, j, 0, false);
}
