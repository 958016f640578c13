/*
 * resource/converter.h: what the parts of the conversion share (convert.c, convert_configmap.c,
 * convert_peering.c).
 */
#ifndef HERALD_RESOURCE_CONVERTER_H
#define HERALD_RESOURCE_CONVERTER_H

#include "resource/convert.h"
#include "resource/tree.h"

#include <jansson.h>

struct converted {
	char *yaml; /* with its comment; for free() */
};

struct converter_file {
	char *name, *text;
	size_t len;
};

struct convert {
	struct converter_file *files;
	size_t nr_files, cap_files;
	struct converted *done; /* what needs no knowledge of other documents */
	size_t nr_done, cap_done;
	struct res_set foreign; /* MetalLB's, of all files */
	struct res_faults faults;
	const char *file; /* that is read, and its text */
	const char *text;
	size_t len;
};

/* What is there, as JSON; NULL: no memory. */
json_t *convert_json(const struct node *);
/* Keep the text of @doc, with a comment on where it comes from and @what it was.  0 or -ENOMEM. */
int convert_keep(struct convert *, const char *file, unsigned line, unsigned column,
    const char *what, const json_t *doc);
/* A CiliumBGPPeeringPolicy.  0 or -ENOMEM. */
int convert_peering_policy(struct convert *, const struct node *root);
/* A document of MetalLB's group, from @root.  0 or -ENOMEM. */
int convert_foreign(struct convert *, const struct node *root);
/* The value @config of a ConfigMap of MetalLB before it had documents of its own. */
int convert_configmap(struct convert *, const struct node *meta, const struct node *config);

#endif
