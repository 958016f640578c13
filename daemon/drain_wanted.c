/*
 * daemon/drain_wanted.c: why a node should get out of the way of what comes from outside: what its Node
 * document says, and what of that the HeraldConfig lets count.  Pure; drain.c acts.
 */
#include "daemon/drain.h"

#include "resource/resource.h"

#include <assert.h>
#include <string.h>

#define LABEL_EXCLUDE "node.kubernetes.io/exclude-from-external-load-balancers"
#define TAINT_OUT_OF_SERVICE "node.kubernetes.io/out-of-service"

/* clang-format off */
static const struct drain_text texts[DRAIN_NR_CAUSES] = {
	{ "person", "", "This node was drained by a person.", "heraldctl undrain on the node." },
	{ "cordon", "spec.unschedulable", "This node is cordoned, and drain.onCordon is set.",
	  "kubectl uncordon the node." },
	{ "out-of-service", "spec.taints", "This node has the taint " TAINT_OUT_OF_SERVICE ".",
	  "Take the taint from the node, or set drain.onOutOfService of the HeraldConfig to false." },
	{ "exclude-label", "metadata.labels", "This node has the label " LABEL_EXCLUDE ".",
	  "Take the label from the node, or set drain.onExcludeLabel of the HeraldConfig to false." },
};
/* clang-format on */

const struct drain_text *
drain_text(unsigned i)
{
	assert(i < DRAIN_NR_CAUSES);
	return &texts[i];
}

const struct drain_text *
drain_text_first(unsigned causes)
{
	unsigned i = 0;

	while (i < DRAIN_NR_CAUSES - 1 && !(causes & 1u << i))
		i++;
	return &texts[i];
}

static bool
has_taint(const struct res_node *node, const char *key)
{
	for (size_t i = 0; i < node->taints.nr; i++)
		if (strcmp(node->taints.v[i].key, key) == 0)
			return true;
	return false;
}

unsigned
drain_causes_of(const struct res_node *node, const struct res_herald_config *config)
{
	struct label_view labels;
	unsigned causes = 0;

	if (!node)
		return 0;
	labels = label_view_of(&node->obj);
	if (config->drain.on_cordon && node->unschedulable)
		causes |= DRAIN_BY_CORDON;
	if (config->drain.on_out_of_service && has_taint(node, TAINT_OUT_OF_SERVICE))
		causes |= DRAIN_BY_OUT_OF_SERVICE;
	/* Whatever its value: Kubernetes looks at the key alone. */
	if (config->drain.on_exclude_label && label_view_get(&labels, LABEL_EXCLUDE))
		causes |= DRAIN_BY_LABEL;
	return causes;
}
