/*
 * resource/tab_status.c: status.conditions, as Services and pools have them: read so that what is
 * there already is not written again, and what others wrote is kept.
 */
#include "resource/kinds.h"
#include "resource/tables.h"

#include <string.h>

/* clang-format off */
static const char *const status_words[] = { "True", "False", "Unknown", NULL };

#define CONDITION struct res_told
static const struct field told_fields[] = {
	{ "type", T_STRING, F_REQUIRED, FIELD_AT(CONDITION, type), .min = 1, .max = 316,
	  .help = "what is told, once in the list" },
	{ "status", T_ENUM, F_REQUIRED, FIELD_AT(CONDITION, status), .words = status_words,
	  .help = "does it hold?" },
	{ "observedGeneration", T_INT64, 0, FIELD_AT(CONDITION, generation),
	  .help = "the generation that was looked at" },
	{ "lastTransitionTime", T_TIME, 0, FIELD_AT(CONDITION, since), .help = "since when" },
	{ "reason", T_STRING, 0, FIELD_AT(CONDITION, reason), .max = 1024,
	  .help = "why, as one word" },
	{ "message", T_STRING, 0, FIELD_AT(CONDITION, message), .max = 32768,
	  .help = "why, for people" },
	FIELD_END,
};
const struct table told_table = { told_fields, sizeof(CONDITION), NULL };
/* clang-format on */

const struct res_told *
res_told_get(const struct res_told_list *list, const char *type)
{
	for (size_t i = 0; i < list->nr; i++)
		if (strcmp(list->v[i].type, type) == 0)
			return &list->v[i];
	return NULL;
}
