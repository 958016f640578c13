/*
 * tools/heraldctl/render_log.c: the answer of `log` as a table.
 */
#include "tools/heraldctl/render.h"

#include "lib/text.h"
#include "tools/heraldctl/answer.h"

void
render_log(const json_t *data, struct buf *out)
{
	static const char *const head[] = { "SUBSYSTEM", "LEVEL", "SET BY", NULL };
	struct text_table *t = text_table_new(head);
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(data, "subsystems"), i, o)
	{
		text_cell(t, answer_str(o, "name"));
		text_cell(t, answer_str(o, "level"));
		text_cell(t, answer_is(o, "own") ? "heraldctl log" : "configuration");
	}
	text_table_print(t, out);
	text_table_free(t);
}
