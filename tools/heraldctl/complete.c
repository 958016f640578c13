/*
 * tools/heraldctl/complete.c: see complete.h.  The grammar is that of the usage lines: small words and
 * -flags are themselves, CAPITALS stand for values.
 */
#include "tools/heraldctl/complete.h"

#include "lib/buf.h"
#include "lib/mem.h"
#include "tools/heraldctl/answer.h"
#include "tools/heraldctl/client.h"
#include "tools/heraldctl/command.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 64

struct completing {
	const char *word; /* that is typed */
	complete_ask *ask;
	void *arg;
	struct buf *out;
};

static bool
begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* Once, and only what goes on from what is typed. */
static void
offer(struct completing *c, const char *text)
{
	const char *there = buf_text(c->out);
	const size_t len = strlen(text);

	if (!begins(text, c->word))
		return;
	for (const char *p = there; (p = strstr(p, text)); p += len)
		if ((p == there || p[-1] == '\n') && p[len] == '\n')
			return;
	buf_printf(c->out, "%s\n", text);
}

/* ---- values ---- */

static void
offer_peers(struct completing *c)
{
	static const char *const words[] = { "bgp", "peers" };
	json_t *answer = c->ask(c->arg, 2, words);
	const json_t *p;
	size_t i;

	json_array_foreach(json_object_get(answer, "peers"), i, p) offer(c, answer_str(p, "name"));
	json_decref(answer);
}

static void
offer_services(struct completing *c)
{
	static const char *const words[] = { "service", "list" };
	json_t *answer = c->ask(c->arg, 2, words);
	const json_t *s;
	size_t i;

	json_array_foreach(json_object_get(answer, "services"), i, s)
	{
		char *name = xasprintf("%s/%s", answer_str(s, "namespace"), answer_str(s, "name"));

		offer(c, name);
		free(name);
	}
	json_decref(answer);
}

/* @value of a usage line, after @before; nothing is known of numbers and addresses. */
static void
offer_value(struct completing *c, const char *value, const char *before)
{
	if (strcmp(value, "NAMESPACE/NAME") == 0)
		offer_services(c);
	else if (strcmp(value, "PEER") == 0 ||
	    (strcmp(value, "NAME") == 0 &&
		(strcmp(before, "--peer") == 0 || strcmp(before, "peer") == 0)))
		offer_peers(c);
	else if (strcmp(value, "PATH") == 0 || strcmp(value, "FILE") == 0)
		buf_puts(c->out, ":files\n");
	else if (strcmp(value, "LEVEL") == 0)
		for (const char *const *l =
			 (const char *const[]){ "error", "warn", "info", "debug", "default", NULL };
		     *l; l++)
			offer(c, *l);
}

/* ---- the usage line ---- */

static bool
is_value(const char *token)
{
	return isupper((unsigned char)*token);
}

/* Cuts "[a|b] [--peer NAME]" into a, b, --peer, NAME; *copy is for free(). */
static size_t
tokens_of(const char *usage, char **copy, const char **tokens, size_t max)
{
	char *save = NULL, *t, *dots;
	size_t n = 0;

	*copy = xstrdup(usage);
	for (t = strtok_r(*copy, " []|", &save); t && n < max; t = strtok_r(NULL, " []|", &save)) {
		dots = strstr(t, "..."); /* "PATH...": and more of them */
		if (dots)
			*dots = '\0';
		if (*t)
			tokens[n++] = t;
	}
	return n;
}

static bool
was_typed(const char *token, int argc, const char *const *argv)
{
	for (int i = 0; i < argc - 1; i++)
		if (strcmp(argv[i], token) == 0)
			return true;
	return false;
}

/* What has to be there comes first: "PEER [soft in|soft out]". */
static bool
wants_first(const struct completing *c, const struct command *command, int argc,
    const char *const *tokens, size_t nr)
{
	return nr > 0 && argc <= 1 && is_value(tokens[0]) && command->args[0] != '[' &&
	    *c->word != '-';
}

/* Behind a command: @argv are its arguments so far. */
static void
complete_args(
    struct completing *c, const struct command *command, int argc, const char *const *argv)
{
	const char *tokens[WORDS_MAX], *before = argc > 1 ? argv[argc - 2] : "";
	bool wants = false;
	char *copy;
	const size_t nr = tokens_of(command->args, &copy, tokens, WORDS_MAX);

	/* A value that belongs to the word before. */
	for (size_t i = 0; i + 1 < nr && *before; i++)
		if (strcmp(tokens[i], before) == 0 && !is_value(tokens[i]) &&
		    is_value(tokens[i + 1])) {
			offer_value(c, tokens[i + 1], before);
			wants = true;
		}
	if (!wants && wants_first(c, command, argc, tokens, nr)) {
		offer_value(c, tokens[0], before);
		wants = true;
	}
	for (size_t i = 0; i < nr && !wants; i++) {
		const bool bound = i > 0 && !is_value(tokens[i - 1]) &&
		    (tokens[i - 1][0] == '-' || strcmp(command->words[0], "explain") == 0);

		if (!is_value(tokens[i]) && !was_typed(tokens[i], argc, argv))
			offer(c, tokens[i]);
		else if (is_value(tokens[i]) && !bound && argc <= (int)i + 1)
			offer_value(c, tokens[i], before);
	}
	free(copy);
}

/* ---- all of it ---- */

static void
complete_command(struct completing *c, int argc, const char *const *argv)
{
	for (const struct command *cmd = commands; cmd->words[0]; cmd++) {
		int nr = 0, same = 0;

		while (nr < 3 && cmd->words[nr])
			nr++;
		while (same < nr && same < argc - 1 && strcmp(cmd->words[same], argv[same]) == 0)
			same++;
		if (same == argc - 1 && same < nr)
			offer(c, cmd->words[same]);
		else if (same == nr)
			complete_args(c, cmd, argc - nr, argv + nr);
	}
	if (argc == 1)
		offer(c, "help");
}

void
complete_words(int argc, const char *const *argv, complete_ask *ask, void *arg, struct buf *out)
{
	const char *words[WORDS_MAX], *before = argc > 1 ? argv[argc - 2] : "";
	struct completing c = {
		.word = argc ? argv[argc - 1] : "", .ask = ask, .arg = arg, .out = out
	};
	int nr = 0;

	if (strcmp(before, "-o") == 0 || strcmp(before, "--output") == 0) {
		offer(&c, "table");
		offer(&c, "json");
		offer(&c, "yaml");
		return;
	}
	if (strcmp(before, "-s") == 0 || strcmp(before, "--socket") == 0) {
		buf_puts(out, ":files\n");
		return;
	}
	/* Our own options may stand anywhere, and are no words of the command. */
	for (int i = 0; i < argc && nr < WORDS_MAX; i++) {
		if (i < argc - 1 && (strcmp(argv[i], "-o") == 0 || strcmp(argv[i], "-s") == 0))
			i++;
		else
			words[nr++] = argv[i];
	}
	if (*c.word == '-')
		for (const char *const *o =
			 (const char *const[]){ "-o", "-s", "--help", "--version", NULL };
		     *o; o++)
			offer(&c, *o);
	if (nr > 0)
		complete_command(&c, nr, words);
}

static json_t *
ask_daemon(void *arg, int argc, const char *const *argv)
{
	json_t *answer = NULL;
	char *error = NULL;

	if (client_ask(arg, argc, argv, "json", &answer, &error) != CTL_OK)
		answer = NULL;
	free(error);
	return answer;
}

int
complete_run(const char *socket, int argc, const char *const *argv)
{
	char *path = xstrdup(socket);
	struct buf out;

	buf_init(&out, 16u << 20);
	for (int i = 0; i + 1 < argc; i++)
		if (strcmp(argv[i], "-s") == 0) {
			free(path);
			path = xstrdup(argv[i + 1]);
		}
	complete_words(argc, argv, ask_daemon, path, &out);
	fputs(buf_text(&out), stdout);
	buf_fini(&out);
	free(path);
	return CTL_OK;
}
