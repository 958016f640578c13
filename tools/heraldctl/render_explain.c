/*
 * tools/heraldctl/render_explain.c: the answer of `explain` as steps, one or more lines each; the first
 * one that fails is marked.
 */
#include "tools/heraldctl/render.h"

#include "lib/buf.h"
#include "lib/text.h"
#include "tools/heraldctl/answer.h"

#include <string.h>

static const char *
mark_of(const json_t *o)
{
	const char *verdict = answer_str(o, "verdict");

	if (answer_is(o, "first"))
		return ">>";
	if (strcmp(verdict, "failed") == 0)
		return " x";
	return strcmp(verdict, "degraded") == 0 ? " !" : "";
}

void
render_explain(const json_t *data, struct buf *out)
{
	static const char *const head[] = { "", "STAGE", "OF", "VERDICT", "REASON", "DECIDED BY",
		"MESSAGE", NULL };
	struct text_table *t = text_table_new(head);
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(data, "steps"), i, o)
	{
		text_cell(t, mark_of(o));
		text_cell(t, answer_str(o, "stage"));
		text_cell(t, answer_str(o, "subject"));
		text_cell(t, answer_str(o, "verdict"));
		text_cell(t, answer_str(o, "reason"));
		text_cellf(t, "%s%s%s", answer_str(o, "object"),
		    *answer_str(o, "object") && *answer_str(o, "field") ? " " : "",
		    answer_str(o, "field"));
		text_cell(t, answer_str(o, "message"));
	}
	text_table_print(t, out);
	text_table_free(t);
	buf_printf(out, "\n%s on %s: %s\n", answer_str(data, "about"), answer_str(data, "node"),
	    answer_str(data, "verdict"));
	if (*answer_str(data, "advice"))
		buf_printf(out, "What to change: %s\n", answer_str(data, "advice"));
}
