/*
 * tools/crdgen/main.c: crdgen WHAT: prints what is generated from the field tables on standard output;
 * `make generate` puts it where it belongs, `make lint` holds what is there against it.
 */
#include "tools/crdgen/crdgen.h"

#include "lib/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TEXT (16u << 20)

static void
print_crd(struct buf *b, json_t *crd)
{
	if (!crd)
		return;
	buf_puts(b, "---\n");
	yaml_print(b, crd);
	json_decref(crd);
}

static void
print_crds(struct buf *b)
{
	buf_puts(b,
	    "# The CustomResourceDefinitions of heraldlb.io.\n"
	    "# Printed by tools/crdgen from the field tables; change those, then `make "
	    "generate`.\n");
	for (int k = 0; k < RES_NR_KINDS; k++)
		print_crd(b, crd_native((enum res_kind)k));
	print_crd(b, crd_node_status());
}

static void
print_cilium(struct buf *b)
{
	buf_puts(b,
	    "# The kinds of cilium.io that Herald reads, for clusters where Cilium is not "
	    "installed;\n"
	    "# where it is, it brings its own.  Printed by tools/crdgen, like crds.yaml.\n");
	for (int k = 0; k < RES_NR_KINDS; k++)
		print_crd(b, crd_cilium((enum res_kind)k));
}

static void
print_metallb(struct buf *b)
{
	buf_puts(b,
	    "# The kinds of metallb.io that Herald reads, for clusters where MetalLB is not "
	    "installed;\n"
	    "# where it is, it brings its own.  Printed by tools/crdgen, like crds.yaml.\n");
	for (int k = 0; k < RES_NR_KINDS; k++)
		print_crd(b, crd_metallb((enum res_kind)k));
}

static void
print_schema(struct buf *b)
{
	json_t *j = editor_schema();
	char *text = json_dumps(j, JSON_INDENT(1));

	if (!text)
		abort();
	buf_puts(b, text);
	buf_putc(b, '\n');
	free(text);
	json_decref(j);
}

static const struct {
	const char *what;
	void (*print)(struct buf *);
} prints[] = {
	{ "crds", print_crds },
	{ "cilium-crds", print_cilium },
	{ "metallb-crds", print_metallb },
	{ "schema", print_schema },
	{ "metrics", metrics_print },
	{ "reference", reference_page },
	{ "manual", manual_section },
};

int
main(int argc, char **argv)
{
	struct buf b;
	size_t i = 0, nr = sizeof(prints) / sizeof(prints[0]);

	while (argc == 2 && i < nr && strcmp(argv[1], prints[i].what) != 0)
		i++;
	if (argc != 2 || i == nr) {
		fputs("usage: crdgen crds | cilium-crds | metallb-crds | schema | reference | "
		      "manual | metrics\n",
		    stderr);
		return 2;
	}
	buf_init(&b, MAX_TEXT);
	prints[i].print(&b);
	if (b.failed || fputs(buf_text(&b), stdout) == EOF || fflush(stdout) != 0) {
		fputs("crdgen: the text could not be written\n", stderr);
		return 3;
	}
	buf_fini(&b);
	return 0;
}
