/*
 * tools/callfilter/main.c: `callfilter daemon|helper >FILE`, run by make.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/callfilter/callfilter.h"

int
main(int argc, char **argv)
{
	int err;

	if (argc != 2) {
		fputs("usage: callfilter daemon|helper >FILE\n", stderr);
		return 2;
	}
	err = callfilter_make(argv[1], STDOUT_FILENO);
	if (err < 0)
		fprintf(stderr, "callfilter: cannot make the filter \"%s\": %s\n", argv[1],
		    strerror(-err));
	return err < 0;
}
