/*
 * tools/heraldctl/main.c: the command line for a running daemon.  Reads the options, finds the
 * command in the table, asks, and prints the answer.
 */
#include "config.h"
#include "lib/buf.h"
#include "lib/mem.h"
#include "tools/heraldctl/client.h"
#include "tools/heraldctl/command.h"
#include "tools/heraldctl/complete.h"
#include "tools/heraldctl/convert.h"
#include "tools/heraldctl/dump.h"
#include "tools/heraldctl/plan.h"
#include "tools/heraldctl/render.h"
#include "tools/heraldctl/top.h"
#include "tools/heraldctl/yaml.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define OUTPUT_MAX ((size_t)1 << 31)

struct options {
	const char *socket;
	const char *output;
	bool help, version;
	const char **argv; /* what is left: command and arguments */
	int argc;
};

static int
usage_error(const char *what)
{
	fprintf(stderr, "heraldctl: %s\nTry 'heraldctl --help'.\n", what);
	return CTL_USAGE;
}

/* The value of an option given as "-s VALUE", "-sVALUE", "--socket VALUE" or "--socket=VALUE".
 * 1: it is that option, 0: it is not, -1: it is, but the value is missing. */
static int
option_value(char **argv, int *i, char letter, const char *word, const char **value)
{
	const char *arg = argv[*i];
	size_t len = strlen(word);

	if (arg[1] == letter && arg[2]) {
		*value = arg + 2;
		return 1;
	}
	if (arg[1] == '-' && strncmp(arg + 2, word, len) == 0 && arg[2 + len] == '=') {
		*value = arg + 3 + len;
		return 1;
	}
	if ((arg[1] == letter && !arg[2]) || (arg[1] == '-' && strcmp(arg + 2, word) == 0)) {
		if (!argv[*i + 1])
			return -1;
		*value = argv[++*i];
		return 1;
	}
	return 0;
}

/* Our options may stand anywhere; what we do not know belongs to the command. */
static int
options_read(struct options *o, int argc, char **argv)
{
	bool literal = false;
	int is;

	for (int i = 1; i < argc; i++) {
		const char *arg = argv[i];

		if (literal || arg[0] != '-' || !arg[1]) {
			o->argv[o->argc++] = arg;
			continue;
		}
		if (strcmp(arg, "--") == 0) {
			literal = true;
			continue;
		}
		if (strcmp(arg, "-h") == 0 || strcmp(arg, "--help") == 0) {
			o->help = true;
			continue;
		}
		if (strcmp(arg, "-V") == 0 || strcmp(arg, "--version") == 0) {
			o->version = true;
			continue;
		}
		is = option_value(argv, &i, 's', "socket", &o->socket);
		if (is == 0)
			is = option_value(argv, &i, 'o', "output", &o->output);
		if (is < 0) {
			fprintf(stderr, "heraldctl: %s wants a value\n", arg);
			return CTL_USAGE;
		}
		if (is == 0)
			o->argv[o->argc++] = arg;
	}
	if (strcmp(o->output, "table") != 0 && strcmp(o->output, "json") != 0 &&
	    strcmp(o->output, "yaml") != 0) {
		fprintf(stderr, "heraldctl: -o %s: must be table, json or yaml\n", o->output);
		return CTL_USAGE;
	}
	return CTL_OK;
}

/* ---- config check ---- */

/* The herald that was built or installed beside this program; else NULL. */
static char *
herald_beside(void)
{
	char self[4096], *slash, *path;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		return NULL;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (!slash)
		return NULL;
	*slash = '\0';
	path = xasprintf("%s/herald", self);
	if (access(path, X_OK) == 0)
		return path;
	free(path);
	/* An installed herald is in sbin, this program in bin. */
	slash = strrchr(self, '/');
	if (!slash || strcmp(slash, "/bin") != 0)
		return NULL;
	*slash = '\0';
	path = xasprintf("%s/sbin/herald", self);
	if (access(path, X_OK) == 0)
		return path;
	free(path);
	return NULL;
}

/* Becomes `herald -t -c PATH ...`, which has the checks and the exit statuses. */
static int
run_check(int argc, const char *const *argv)
{
	char **args = xnew_n(char *, (size_t)argc + 4), *path = herald_beside();
	int n = 0, err;

	args[n++] = xstrdup("herald");
	args[n++] = xstrdup("-t");
	for (int i = 0; i < argc; i++) {
		if (strncmp(argv[i], "-f", 2) != 0 && strcmp(argv[i], "--file") != 0)
			return usage_error(
			    "config check: usage: heraldctl config check [-f PATH]...");
		if (argv[i][1] == 'f' && argv[i][2]) {
			args[n++] = xasprintf("-c%s", argv[i] + 2);
			continue;
		}
		if (i + 1 == argc)
			return usage_error("config check: -f wants a path");
		args[n++] = xstrdup("-c");
		args[n++] = xstrdup(argv[++i]);
	}
	if (path)
		execv(path, args);
	else
		execvp("herald", args);
	err = errno;
	fprintf(stderr, "heraldctl: config check: cannot run %s -t: %s; is herald installed?\n",
	    path ? path : "herald", strerror(err));
	return CTL_NO_DAEMON;
}

/* ---- showing ---- */

static int
show_documents(const json_t *data, struct buf *out)
{
	const json_t *list = json_object_get(data, "documents"), *v;
	const json_t **docs = xnew_n(const json_t *, json_array_size(list) + 1);
	size_t i;
	int err;

	json_array_foreach(list, i, v) docs[i] = v;
	err = yaml_print(docs, json_array_size(list), out);
	free(docs);
	return err;
}

static int
show(const struct command *c, const char *output, const json_t *data, struct buf *out)
{
	char *text;
	int err = 0;

	if (strcmp(output, "json") == 0) {
		text = json_dumps(data, JSON_INDENT(2));
		if (!text)
			return -ENOMEM;
		buf_printf(out, "%s\n", text);
		free(text);
	} else if (c->kind == COMMAND_DOCUMENTS) {
		err = show_documents(data, out);
	} else if (strcmp(output, "yaml") == 0) {
		err = yaml_print(&data, 1, out);
	} else if (c->render) {
		c->render(data, out);
	} else {
		render_message(data, out);
	}
	return out->failed ? -EMSGSIZE : err;
}

static int
print(const struct buf *out, FILE *to)
{
	if (out->len > 0 && fwrite(out->data, 1, out->len, to) != out->len)
		return CTL_REFUSED;
	return fflush(to) == 0 ? CTL_OK : CTL_REFUSED;
}

static int
ask(const struct command *c, const struct options *o, const struct buf *more)
{
	char *error = NULL;
	json_t *data = NULL;
	struct buf out;
	int status;

	status = client_ask_with(o->socket, o->argc, o->argv, o->output, more, &data, &error);
	if (status != CTL_OK) {
		fprintf(stderr, "heraldctl: %s\n", error);
		free(error);
		return status;
	}
	buf_init(&out, OUTPUT_MAX);
	if (show(c, o->output, data, &out) < 0) {
		fprintf(stderr, "heraldctl: the answer is too large to be shown; try -o json\n");
		status = CTL_REFUSED;
	} else {
		status = print(&out, stdout);
	}
	if (status == CTL_OK && c->kind == COMMAND_PLAN &&
	    json_array_size(json_object_get(data, "changes")) > 0)
		status = CTL_CHANGES;
	buf_fini(&out);
	json_decref(data);
	return status;
}

/* The documents go to the daemon as they are here: it may see other files, and need not be allowed to
 * read these. */
static int
plan(const struct command *c, struct options *o, int words)
{
	struct buf files;
	int status;

	buf_init(&files, OUTPUT_MAX);
	status = plan_files(o->argc - words, o->argv + words, &o->output, &files);
	o->argc = words;
	if (status == CTL_OK)
		status = ask(c, o, &files);
	buf_fini(&files);
	return status;
}

/* ---- listening ---- */

struct listening {
	const struct command *command;
	const char *output;
	int status;
	bool began, again; /* the daemon said yes; it had before */
};

/* JSON is one object a line here, so that a script can read along. */
static int
show_record(const struct listening *l, const json_t *record, struct buf *out)
{
	char *text;

	if (strcmp(l->output, "yaml") == 0)
		return yaml_print(&record, 1, out);
	if (strcmp(l->output, "json") != 0) {
		l->command->render(record, out);
		return 0;
	}
	text = json_dumps(record, JSON_COMPACT);
	if (!text)
		return -ENOMEM;
	buf_printf(out, "%s\n", text);
	free(text);
	return 0;
}

static void
print_began(void *arg)
{
	struct listening *l = arg;

	l->began = true;
	if (l->again)
		fprintf(stderr, "heraldctl: the daemon is back\n");
}

static bool
print_record(void *arg, const json_t *record)
{
	struct listening *l = arg;
	struct buf out;

	buf_init(&out, OUTPUT_MAX);
	if (show_record(l, record, &out) < 0 || print(&out, stdout) != CTL_OK)
		l->status = CTL_REFUSED;
	buf_fini(&out);
	return l->status == CTL_OK;
}

/* Does it go on until it is interrupted?  Then the end of the stream is the daemon's. */
static bool
is_endless(const struct command *c, const struct options *o)
{
	bool follow = strcmp(c->words[0], "monitor") == 0;

	for (int i = 0; i < o->argc; i++) {
		if (strcmp(o->argv[i], "--last") == 0)
			return false;
		follow |= strcmp(o->argv[i], "-f") == 0 || strcmp(o->argv[i], "--follow") == 0;
	}
	return follow;
}

#define AGAIN_MS 300

static void
wait_a_little(void)
{
	const struct timespec pause = { .tv_nsec = AGAIN_MS * 1000000L };

	(void)nanosleep(&pause, NULL);
}

/*
 * Once, or, of what goes on without end, over restarts of the daemon: standard error tells of the gap, as
 * what happened meanwhile was not heard.
 */
static int
listen_to(const struct command *c, const struct options *o)
{
	struct listening l = { .command = c, .output = o->output, .status = CTL_OK };
	const bool endless = is_endless(c, o);
	bool was_there = false;

	for (;;) {
		char *error = NULL;
		int status;

		l.again = was_there;
		status = client_listen(
		    o->socket, o->argc, o->argv, o->output, print_began, print_record, &l, &error);
		was_there |= l.began;
		if (l.status != CTL_OK || (status == CTL_OK && !endless) ||
		    (status != CTL_OK && (!was_there || !endless))) {
			if (status != CTL_OK)
				fprintf(stderr, "heraldctl: %s\n", error);
			free(error);
			return l.status != CTL_OK ? l.status : status;
		}
		free(error);
		if (l.began)
			fprintf(
			    stderr, "heraldctl: the daemon is gone; waiting for it to come back\n");
		l.began = false;
		wait_a_little();
	}
}

/* No such command: the group's commands when help was asked for, else the nearest word. */
static int
no_command(const struct options *o, char *why)
{
	struct buf out;
	int status;

	if (o->help && o->argc == 1 && command_is_group(o->argv[0])) {
		buf_init(&out, 65536);
		command_group_usage(o->argv[0], &out);
		status = print(&out, stdout);
		buf_fini(&out);
	} else {
		status = usage_error(why);
	}
	free(why);
	return status;
}

static int
run(struct options *o)
{
	const struct command *c;
	char *why = NULL;
	struct buf out;
	int words, status;

	buf_init(&out, 65536);
	if (o->argc > 0 && strcmp(o->argv[0], "help") == 0) {
		o->help = true;
		o->argv++;
		o->argc--;
	}
	if (o->argc == 0) {
		command_usage(&out);
		status = print(&out, o->help ? stdout : stderr);
		buf_fini(&out);
		return o->help ? status : CTL_USAGE;
	}
	c = command_find(o->argc, o->argv, &words, &why);
	if (!c)
		return no_command(o, why);
	if (o->help) {
		command_help(c, &out);
		status = print(&out, stdout);
		buf_fini(&out);
		return status;
	}
	why = command_check_args(c, o->argc - words, o->argv + words);
	if (why) {
		status = usage_error(why);
		free(why);
		return status;
	}
	if (c->kind == COMMAND_CHECK)
		return run_check(o->argc - words, o->argv + words);
	if (c->kind == COMMAND_CONVERT)
		return convert_run(o->argc - words, o->argv + words);
	if (c->kind == COMMAND_DUMP)
		return dump_run(o->socket, o->argc - words, o->argv + words);
	if (c->kind == COMMAND_TOP)
		return top_run(o->socket, o->argc - words, o->argv + words);
	if (c->kind == COMMAND_PLAN)
		return plan(c, o, words);
	return c->kind == COMMAND_STREAM ? listen_to(c, o) : ask(c, o, NULL);
}

int
main(int argc, char **argv)
{
	const char *env = getenv("HERALD_SOCKET");
	struct options o = { .socket = env && *env ? env : CLIENT_SOCKET, .output = "table" };
	const char **words = xnew_n(const char *, (size_t)argc + 1);
	int status;

	/* Words that are not finished are no options yet. */
	if (argc > 2 && strcmp(argv[1], "__complete") == 0)
		return complete_run(o.socket, argc - 2, (const char *const *)argv + 2);
	o.argv = words;
	status = options_read(&o, argc, argv);
	if (status == CTL_OK && o.version)
		printf("heraldctl %s\n", HERALD_VERSION);
	else if (status == CTL_OK)
		status = run(&o);
	free(words);
	return status;
}
