/*
 * tools/heraldctl/plan.c: see plan.h.  For each file a line {"path","bytes"} and its bytes, and a line
 * {"end":true} behind the last.
 */
#include "tools/heraldctl/plan.h"

#include "lib/buf.h"
#include "lib/mem.h"
#include "resource/resource.h"
#include "tools/heraldctl/client.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int
usage(const char *what)
{
	fprintf(stderr,
	    "heraldctl: plan: %s\nusage: heraldctl plan -f PATH [-f PATH]... [--json]\n", what);
	return CTL_USAGE;
}

/* A configuration that is not there is a bad one. */
static int
unreadable(const char *path, int err)
{
	fprintf(stderr, "heraldctl: plan: cannot read %s: %s\n", path, strerror(err));
	return CTL_REFUSED;
}

static int
add_text(struct buf *out, const char *path, const struct buf *text)
{
	json_t *o = json_pack("{s:s, s:I}", "path", path, "bytes", (json_int_t)text->len);
	char *line = o ? json_dumps(o, JSON_COMPACT) : NULL;

	json_decref(o);
	if (!line)
		return unreadable(path, EILSEQ); /* its name is not UTF-8 */
	buf_printf(out, "%s\n", line);
	buf_add(out, text->data, text->len);
	free(line);
	return out->failed ? unreadable(path, EFBIG) : CTL_OK;
}

static int
add_stream(struct buf *out, const char *path, FILE *f)
{
	char part[65536];
	struct buf text;
	size_t n;
	int status;

	buf_init(&text, RES_MAX_FILE + sizeof(part)); /* more than is taken: the daemon says so */
	while (text.len <= RES_MAX_FILE && (n = fread(part, 1, sizeof(part), f)) > 0)
		buf_add(&text, part, n);
	status = ferror(f) ? unreadable(path, errno) : add_text(out, path, &text);
	buf_fini(&text);
	return status;
}

static int
add_file(struct buf *out, const char *path)
{
	FILE *f = fopen(path, "re");
	int status;

	if (!f)
		return unreadable(path, errno);
	status = add_stream(out, path, f);
	fclose(f);
	return status;
}

/* As the daemon reads a directory: not what is hidden, not what lies below. */
static int
counts(const struct dirent *e)
{
	const char *dot = strrchr(e->d_name, '.');

	return e->d_name[0] != '.' && dot && dot != e->d_name && e->d_type != DT_DIR &&
	    (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0);
}

static int
add_directory(struct buf *out, const char *path)
{
	const size_t len = strlen(path);
	struct dirent **list;
	int nr = scandir(path, &list, counts, alphasort), status = CTL_OK;
	char *full;

	if (nr < 0)
		return unreadable(path, errno);
	for (int i = 0; i < nr; i++) {
		full = xasprintf(
		    "%s%s%s", path, len && path[len - 1] == '/' ? "" : "/", list[i]->d_name);
		if (status == CTL_OK)
			status = add_file(out, full);
		free(full);
		free(list[i]);
	}
	free(list);
	return status;
}

static int
add(struct buf *out, const char *path)
{
	struct stat st;

	if (strcmp(path, "-") == 0)
		return add_stream(out, "standard-input", stdin);
	if (stat(path, &st) < 0)
		return unreadable(path, errno);
	return S_ISDIR(st.st_mode) ? add_directory(out, path) : add_file(out, path);
}

int
plan_files(int argc, const char *const *argv, const char **output, struct buf *out)
{
	bool any = false;
	int status = CTL_OK;

	for (int i = 0; i < argc && status == CTL_OK; i++) {
		const char *path = NULL;

		if (strcmp(argv[i], "--json") == 0) {
			*output = "json";
			continue;
		}
		if (strncmp(argv[i], "-f", 2) == 0 && argv[i][2])
			path = argv[i] + 2;
		else if (strncmp(argv[i], "--file=", 7) == 0)
			path = argv[i] + 7;
		else if (strcmp(argv[i], "-f") != 0 && strcmp(argv[i], "--file") != 0)
			return usage("only -f PATH and --json may follow");
		else if (i + 1 == argc)
			return usage("-f wants a path");
		else
			path = argv[++i];
		status = add(out, path);
		any = true;
	}
	if (status == CTL_OK && !any)
		return usage("which files?");
	buf_puts(out, "{\"end\":true}\n");
	return status;
}
