/*
 * tools/heraldctl/command.h: the table of commands: words, arguments, help and how the answer is
 * shown.  What a command does is the daemon's; here is only what the user sees of it.
 */
#ifndef HERALD_TOOLS_HERALDCTL_COMMAND_H
#define HERALD_TOOLS_HERALDCTL_COMMAND_H

#include <stdbool.h>
#include <jansson.h>
#include <stddef.h>

struct buf;

typedef void command_render(const json_t *data, struct buf *out);

/* Where it runs, and what a table of its answer is. */
enum command_kind {
	COMMAND_ASK,	   /* ask the daemon, show the answer by @render */
	COMMAND_DOCUMENTS, /* likewise; the answer is shown as YAML documents, not as a table */
	COMMAND_STREAM,	   /* likewise, one record after the other, each by @render */
	COMMAND_CHECK,	   /* runs herald -t instead; needs no daemon */
	COMMAND_CONVERT,   /* does it here; needs no daemon */
	COMMAND_TOP,	   /* a terminal view */
	COMMAND_DUMP,	   /* a stream into a file */
	COMMAND_PLAN, /* asks, with files behind the question; exit status 4: something changes */
};

struct command {
	const char *words[3]; /* NULL-terminated when shorter */
	const char *args;     /* for the usage line */
	const char *help;     /* one line */
	const char *more;     /* what --help says beyond; may be NULL */
	unsigned min, max;    /* words that may follow, options and their values included */
	enum command_kind kind;
	command_render *render; /* NULL: "message" of the answer, if any */
};

extern const struct command commands[]; /* ended by words[0] == NULL */

/*
 * The command that @argv begins with; *nr_words says how many words it has.  NULL: there is none;
 * *why is then a line for people (the caller frees it) that names the nearest.
 */
const struct command *command_find(int argc, const char *const *argv, int *nr_words, char **why);
/* Are the arguments behind the command's words right in number and form?  NULL: yes; else what is
 * wrong (the caller frees it). */
char *command_check_args(const struct command *, int argc, const char *const *argv);
void command_usage(struct buf *out);
/* Is it the first word of some command? */
bool command_is_group(const char *word);
/* All commands that begin with the same word: `heraldctl bgp`. */
void command_group_usage(const char *word, struct buf *out);
void command_help(const struct command *, struct buf *out);

#endif
