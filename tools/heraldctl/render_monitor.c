/*
 * tools/heraldctl/render_monitor.c: one event of `monitor` as a line: when, what, of whom, and why.
 */
#include "tools/heraldctl/render.h"

#include "lib/buf.h"
#include "tools/heraldctl/answer.h"

#include <string.h>

/* Those of an event's fields that say whom it is about, in this order. */
static const char *const subjects[] = { "service", "prefix", "address", "peer" };

static void
put_hops(const json_t *e, struct buf *out)
{
	const json_t *hops = json_object_get(e, "nextHops"), *v;
	size_t i;

	json_array_foreach(hops, i, v) buf_printf(
	    out, "%s%s", i ? ", " : " by ", json_is_string(v) ? json_string_value(v) : "?");
}

void
render_monitored(const json_t *e, struct buf *out)
{
	if (json_object_get(e, "lost")) {
		buf_printf(out, "%lld events were lost here: this reader is too slow\n",
		    (long long)answer_int(e, "lost"));
		return;
	}
	buf_printf(
	    out, "%s %s-%s", answer_str(e, "time"), answer_str(e, "type"), answer_str(e, "event"));
	for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++)
		if (*answer_str(e, subjects[i]))
			buf_printf(out, " %s", answer_str(e, subjects[i]));
	put_hops(e, out);
	if (*answer_str(e, "reason"))
		buf_printf(out, " (%s)", answer_str(e, "reason"));
	if (*answer_str(e, "message"))
		buf_printf(out, ": %s", answer_str(e, "message"));
	buf_puts(out, "\n");
}
