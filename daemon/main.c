/*
 * daemon/main.c: herald's arguments.  Everything else is in app.c.
 */
#include "daemon/app.h"

#include "config.h"
#include "daemon/privileges.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_PATH "/etc/herald/"

enum { EXIT_FINE = 0, EXIT_CONFIG = 1, EXIT_USAGE = 2, EXIT_START = 3 };

static const char usage[] =
    "usage: herald [-c PATH ...] [-n NODE] [-t] [-v] [--version]\n"
    "\n"
    "  -c, --config PATH  a YAML file, or a directory with *.yaml and *.yml files; may be given\n"
    "                     several times (default: " DEFAULT_PATH ")\n"
    "  -n, --node NODE    this node's name (default: the host name)\n"
    "  -t, --test         check the configuration, print every fault, and exit\n"
    "  -v, --verbose      log at level debug, whatever the configuration says\n"
    "      --version      print the version\n"
    "  -h, --help         print this\n"
    "\n"
    "Exit status: 0 fine, 1 bad configuration, 2 usage, 3 could not start or run.\n";

static int
check(const struct app *app)
{
	struct res_faults faults = { 0 };
	struct res_set set = { 0 };
	char *line;
	int err = files_check(app->paths, app->nr_paths, &set, &faults);

	for (size_t i = 0; i < faults.nr; i++) {
		line = res_fault_format(&faults.v[i]);
		fprintf(stderr, "%s\n", line ? line : "out of memory");
		free(line);
	}
	if (faults.suppressed)
		fprintf(stderr, "and %zu more\n", faults.suppressed);
	if (err == 0)
		printf(
		    "the configuration is fine: %zu document%s\n", set.nr, set.nr == 1 ? "" : "s");
	else if (faults.nr == 0)
		fprintf(stderr, "herald: %s\n", strerror(-err));
	res_set_fini(&set);
	res_faults_fini(&faults);
	return err == 0 ? EXIT_FINE : EXIT_CONFIG;
}

static int
run(struct app *app)
{
	int status = app_init(app);
	int err;

	if (status == 0) {
		err = loop_run(app->loop);
		status = app->exit_status;
		if (err < 0) {
			log_error("loop-failed", LOG_ERR(err));
			status = EXIT_START;
		}
	}
	app_fini(app);
	return status;
}

/* Takes the options; -1: go on, else the exit status.  @paths has room for all of argv. */
static int
take_options(int argc, char **argv, struct app *app, const char **paths, bool *test)
{
	static const struct option options[] = { { "config", required_argument, NULL, 'c' },
		{ "node", required_argument, NULL, 'n' }, { "test", no_argument, NULL, 't' },
		{ "verbose", no_argument, NULL, 'v' }, { "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "c:n:tvh", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			paths[app->nr_paths++] = optarg;
			break;
		case 'n':
			app->node_option = optarg;
			break;
		case 't':
			*test = true;
			break;
		case 'v':
			app->verbose = true;
			break;
		case 'V':
			puts("herald " PACKAGE_VERSION);
			return EXIT_FINE;
		case 'h':
			fputs(usage, stdout);
			return EXIT_FINE;
		default:
			fputs(usage, stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "herald: \"%s\": give documents with -c\n%s", argv[optind], usage);
		return EXIT_USAGE;
	}
	return -1;
}

int
main(int argc, char **argv)
{
	const char **paths;
	struct app app = { 0 };
	bool test = false;
	int status;

	/* Not a daemon, but what one has started beside itself. */
	if (argc == 2 && strcmp(argv[1], DP_HELPER_OPTION) == 0)
		return dp_helper_main(privileges_keep_helper);
	paths = xnew_n(const char *, (size_t)argc + 1);
	app.paths = paths;
	status = take_options(argc, argv, &app, paths, &test);
	if (app.nr_paths == 0)
		paths[app.nr_paths++] = DEFAULT_PATH;
	if (status < 0)
		status = test ? check(&app) : run(&app);
	free(paths);
	return status;
}
