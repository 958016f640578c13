/*
 * lib/reason.c: the names and sentences of the list in lib/reason.h, on their way to people.
 */
#include "lib/reason.h"

static const struct {
	const char *name, *text;
} reasons[] = {
#define REASON_ROW(symbol, name, sentence) [REASON_##symbol] = { name, sentence },
	REASON_LIST(REASON_ROW)
#undef REASON_ROW
};

const char *
reason_name(enum reason r)
{
	return (unsigned)r < REASON_NR ? reasons[r].name : "unknown";
}

const char *
reason_text(enum reason r)
{
	return (unsigned)r < REASON_NR ? reasons[r].text : "The reason is not known.";
}
