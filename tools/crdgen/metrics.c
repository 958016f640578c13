/*
 * tools/crdgen/metrics.c: the page of metrics, doc/metrics.md, from the one list (lib/metric.h).
 */
#include "tools/crdgen/crdgen.h"

#include "lib/metric.h"

#include <string.h>

static const struct {
	const char *prefix, *title;
} parts[] = {
	{ "herald_build", "The daemon" },
	{ "herald_bgp", "BGP" },
	{ "herald_bfd", "BFD" },
	{ "herald_ippool", "Pools" },
	{ "herald_services", "Services" },
	{ "herald_l2", "Layer 2" },
	{ "herald_datapath", "Load balancer" },
	{ "herald_service_", "Each frontend (`metrics.perService`)" },
	{ "herald_routes", "Kernel routes" },
	{ "herald_config", "Configuration and sources" },
	{ "herald_kube", "Kubernetes" },
	{ "herald_loop", "The loop and the log" },
	{ "process_", "The process" },
};

static void
print_title(struct buf *b, const char *name)
{
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (strncmp(name, parts[i].prefix, strlen(parts[i].prefix)) == 0) {
			buf_printf(b,
			    "\n## %s\n\n| metric | type | labels | meaning | counterpart |\n"
			    "| --- | --- | --- | --- | --- |\n",
			    parts[i].title);
			return;
		}
}

/* "a,b" as `a`, `b`. */
static void
print_words(struct buf *b, const char *list)
{
	size_t len;

	for (; *list; list += len + (list[len] == ',')) {
		while (*list == ' ')
			list++;
		len = strcspn(list, ",");
		/* "and their like" is no name */
		buf_printf(b, memchr(list, ' ', len) ? "%.*s" : "`%.*s`", (int)len, list);
		if (list[len])
			buf_puts(b, ", ");
	}
}

static bool
begins_part(const char *name, const char *before)
{
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const size_t len = strlen(parts[i].prefix);

		if (strncmp(name, parts[i].prefix, len) == 0)
			return strncmp(before, parts[i].prefix, len) != 0;
	}
	return false;
}

void
metrics_print(struct buf *b)
{
	const char *before = "";

	buf_puts(b,
	    "# Metrics and health\n\n"
	    "<!-- Printed by tools/crdgen from the list in lib/metric.h; change that, then `make "
	    "generate`. -->\n\n"
	    "Herald answers at `metrics.listen` of the HeraldConfig (127.0.0.1:7479; \"\": not at "
	    "all):\n\n"
	    "- `/metrics`: what stands below, as Prometheus reads it. An answer is made in slices, "
	    "so that\n  sessions do not wait for it.\n"
	    "- `/healthz`: 200 as long as the daemon's loop goes round.\n"
	    "- `/readyz`: 200 once all sources have delivered their first whole set and it has "
	    "been "
	    "carried to\n  the engines; else 503, and the body says what is missing, a line "
	    "each.\n\n"
	    "The number of series follows peers, pools, kinds and reasons, not Services; only "
	    "`metrics.perService: true`\nadds three for each frontend. Rules for alerts are in "
	    "`etc/prometheus/`, a dashboard for Grafana in `etc/grafana/`.\n"
	    "The last column says what MetalLB or Cilium call the like, for those who bring their "
	    "dashboards along.\n");
	for (int m = 0; m < METRIC_NR; m++) {
		const char *name = metric_name((enum metric)m);

		if (begins_part(name, before))
			print_title(b, name);
		before = name;
		buf_printf(
		    b, "| `%s` | %s | ", name, metric_type_name(metric_type((enum metric)m)));
		print_words(b, metric_labels((enum metric)m));
		buf_printf(b, " | %s | ", metric_help((enum metric)m));
		print_words(b, metric_like((enum metric)m));
		buf_puts(b, " |\n");
	}
}
