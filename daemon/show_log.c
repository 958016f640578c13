/*
 * daemon/show_log.c: `heraldctl log`: what is logged, room by room, and another level while the daemon
 * runs.  What is set here is forgotten with the process; a reload leaves it alone.
 */
#include "daemon/app.h"

#include "lib/buf.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <errno.h>
#include <string.h>

static json_t *
levels(void)
{
	json_t *list = json_array();
	const char *name;
	bool own;

	for (unsigned i = 0; (name = log_subsystem(i)); i++) {
		const char *level = log_level_name(log_level_of(i, &own));

		json_array_append_new(
		    list, json_pack("{s:s, s:s, s:b}", "name", name, "level", level, "own", own));
	}
	return json_pack("{s:o, s:{s:I, s:I, s:I}}", "subsystems", list, "lines", "error",
	    (json_int_t)log_nr_lines(LOG_LVL_ERROR), "warn", (json_int_t)log_nr_lines(LOG_LVL_WARN),
	    "repeated", (json_int_t)log_nr_repeated());
}

/* -1: there is none of this name. */
static int
subsystem_at(const char *word)
{
	const char *name;

	for (unsigned i = 0; (name = log_subsystem(i)); i++)
		if (strcmp(name, word) == 0)
			return (int)i;
	return -1;
}

/* "debug", or "default" for what the HeraldConfig says. */
static bool
parse_level(const char *word, bool *reset, enum log_level *level)
{
	*reset = strcmp(word, "default") == 0;
	return *reset || log_level_parse(word, level) == 0;
}

static int
not_understood(const char *word, bool may_be_subsystem, char **error)
{
	struct buf names;
	const char *name;

	buf_init(&names, 4096);
	for (unsigned i = 0; may_be_subsystem && (name = log_subsystem(i)); i++)
		buf_printf(&names, "%s%s", i ? ", " : "; subsystems: ", name);
	*error = xasprintf("log: \"%s\" is no %s; levels: error, warn, info, debug, default%s",
	    word, may_be_subsystem ? "subsystem or level" : "level", buf_text(&names));
	buf_fini(&names);
	return -EINVAL;
}

static void
set_level(int which, bool reset, enum log_level level)
{
	for (unsigned i = 0; i < log_nr_subsystems(); i++) {
		if (which >= 0 && (unsigned)which != i)
			continue;
		if (reset)
			log_level_reset(i);
		else
			log_level_set(i, level);
	}
}

int
log_command(void *arg, const struct control_req *req, json_t **data, char **error)
{
	enum log_level level = LOG_LVL_INFO;
	const char *word;
	bool reset = false;
	int which = -1;

	(void)arg;
	if (req->argc > 2) {
		*error = xstrdup("usage: log [[SUBSYSTEM] LEVEL|default]");
		return -EINVAL;
	}
	if (req->argc > 0) {
		word = req->argv[req->argc - 1];
		if (req->argc == 2) {
			which = subsystem_at(req->argv[0]);
			if (which < 0)
				return not_understood(req->argv[0], true, error);
		}
		if (!parse_level(word, &reset, &level))
			return not_understood(word, req->argc == 1, error);
		set_level(which, reset, level);
		log_info("log-level-changed", LOG_S("of", which < 0 ? "all" : req->argv[0]),
		    LOG_S("level", word));
	}
	*data = levels();
	return 0;
}
