/*
 * tools/heraldctl/convert.c: `heraldctl convert`: reads files, has resource/ convert them, and
 * prints.  No daemon is asked.
 */
#include "tools/heraldctl/convert.h"

#include "lib/buf.h"
#include "lib/mem.h"
#include "resource/resource.h"
#include "tools/heraldctl/client.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define OUTPUT_MAX (64u << 20)

static int
usage(const char *what)
{
	fprintf(stderr, "heraldctl: convert: %s\nusage: heraldctl convert -f PATH [-f PATH]...\n",
	    what);
	return CTL_USAGE;
}

static int
unreadable(const char *path, int err)
{
	fprintf(stderr, "heraldctl: convert: cannot read %s: %s\n", path, strerror(err));
	return CTL_USAGE;
}

static int
add_stream(struct convert *c, const char *name, FILE *f)
{
	struct buf text;
	char part[65536];
	size_t n;
	int status = CTL_OK;

	buf_init(&text, RES_MAX_FILE + 1); /* one more than is taken: that is told */
	while ((n = fread(part, 1, sizeof(part), f)) > 0 && !text.failed)
		buf_add(&text, part, n);
	if (ferror(f)) {
		status = unreadable(name, errno);
	} else if (text.failed) {
		status = unreadable(name, EFBIG);
	} else if (convert_add(c, name, text.len ? buf_text(&text) : "", text.len) < 0) {
		status = unreadable(name, ENOMEM);
	}
	buf_fini(&text);
	return status;
}

static int
add_file(struct convert *c, const char *path)
{
	FILE *f = fopen(path, "re");
	int status;

	if (!f)
		return unreadable(path, errno);
	status = add_stream(c, path, f);
	fclose(f);
	return status;
}

static int
is_yaml(const struct dirent *e)
{
	const char *dot = strrchr(e->d_name, '.');

	return e->d_name[0] != '.' && dot &&
	    (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0);
}

/* Those that the daemon would read of it, in the same order. */
static int
add_directory(struct convert *c, const char *path)
{
	struct dirent **list;
	int nr = scandir(path, &list, is_yaml, alphasort), status = CTL_OK;
	char *full;

	if (nr < 0)
		return unreadable(path, errno);
	for (int i = 0; i < nr; i++) {
		full = xasprintf("%s/%s", path, list[i]->d_name);
		if (status == CTL_OK)
			status = add_file(c, full);
		free(full);
		free(list[i]);
	}
	free(list);
	return status;
}

static int
add(struct convert *c, const char *path)
{
	struct stat st;

	if (strcmp(path, "-") == 0)
		return add_stream(c, "standard-input", stdin);
	if (stat(path, &st) < 0)
		return unreadable(path, errno);
	return S_ISDIR(st.st_mode) ? add_directory(c, path) : add_file(c, path);
}

static int
add_all(struct convert *c, int argc, const char *const *argv)
{
	int status = CTL_OK;

	if (argc == 0)
		return usage("which files?");
	for (int i = 0; i < argc && status == CTL_OK; i++) {
		if (strncmp(argv[i], "-f", 2) == 0 && argv[i][2])
			status = add(c, argv[i] + 2);
		else if (strcmp(argv[i], "-f") != 0 && strcmp(argv[i], "--file") != 0)
			status = usage("only -f PATH may follow");
		else if (i + 1 == argc)
			status = usage("-f wants a path");
		else
			status = add(c, argv[++i]);
	}
	return status;
}

/* Documents to standard output, what is left of the others to standard error. */
static int
print(struct convert *c)
{
	const struct res_faults *faults;
	struct buf out;
	char *line;
	int err;

	buf_init(&out, OUTPUT_MAX);
	err = convert_print(c, &out);
	if (err < 0) {
		fprintf(stderr, "heraldctl: convert: %s\n", strerror(-err));
		buf_fini(&out);
		return CTL_REFUSED;
	}
	if (out.len > 0)
		fwrite(out.data, 1, out.len, stdout);
	buf_fini(&out);
	faults = convert_faults(c);
	for (size_t i = 0; i < faults->nr; i++) {
		line = res_fault_format(&faults->v[i]);
		fprintf(stderr, "%s\n", line ? line : "out of memory");
		free(line);
	}
	if (faults->suppressed)
		fprintf(stderr, "and %zu more\n", faults->suppressed);
	return faults->nr || fflush(stdout) != 0 ? CTL_REFUSED : CTL_OK;
}

int
convert_run(int argc, const char *const *argv)
{
	struct convert *c = convert_new();
	int status;

	if (!c)
		return CTL_REFUSED;
	status = add_all(c, argc, argv);
	if (status == CTL_OK)
		status = print(c);
	convert_free(c);
	return status;
}
