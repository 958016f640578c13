/*
 * lib/metric.c: the text of metrics.  See metric.h; format: https://prometheus.io/docs/instrumenting/
 * exposition_formats/, version 0.0.4.
 */
#include "lib/metric.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

static const struct {
	enum metric_type type;
	const char *name, *labels, *like, *help;
} metrics[] = {
#define METRIC_ROW(symbol, type, name, labels, like, help)                                         \
	{ METRIC_##type, name, labels, like, help },
	METRIC_LIST(METRIC_ROW)
#undef METRIC_ROW
};

static const char *const type_names[] = {
	[METRIC_GAUGE] = "gauge", [METRIC_COUNTER] = "counter", [METRIC_HISTOGRAM] = "histogram"
};

const char *
metric_name(enum metric m)
{
	return metrics[m].name;
}

enum metric_type
metric_type(enum metric m)
{
	return metrics[m].type;
}

const char *
metric_type_name(enum metric_type type)
{
	return type_names[type];
}

const char *
metric_labels(enum metric m)
{
	return metrics[m].labels;
}

const char *
metric_like(enum metric m)
{
	return metrics[m].like;
}

const char *
metric_help(enum metric m)
{
	return metrics[m].help;
}

void
metric_out_init(struct metric_out *o, struct buf *buf)
{
	*o = (struct metric_out){ .buf = buf, .open = METRIC_NR };
}

/* The lines before the first series of a metric. */
static void
open_metric(struct metric_out *o, enum metric m)
{
	if (o->open == m)
		return;
	assert(!o->seen[m]);
	o->seen[m] = true;
	o->open = m;
	buf_printf(o->buf, "# HELP %s %s\n# TYPE %s %s\n", metrics[m].name, metrics[m].help,
	    metrics[m].name, type_names[metrics[m].type]);
}

/* A label's value may hold anything: backslash, quote and line feed are escaped. */
static void
put_value(struct buf *b, const char *v)
{
	size_t plain;

	for (; *v; v += plain) {
		plain = strcspn(v, "\\\"\n");
		buf_add(b, v, plain);
		if (!v[plain])
			return;
		buf_puts(b, v[plain] == '\n' ? "\\n" : v[plain] == '"' ? "\\\"" : "\\\\");
		plain++;
	}
}

static void
put_series(struct metric_out *o, enum metric m, const char *const *values)
{
	const char *name = metrics[m].labels;
	unsigned i = 0;

	open_metric(o, m);
	buf_puts(o->buf, metrics[m].name);
	for (; *name; i++) {
		const size_t len = strcspn(name, ",");

		assert(values && values[i]);
		buf_putc(o->buf, i ? ',' : '{');
		buf_add(o->buf, name, len);
		buf_puts(o->buf, "=\"");
		put_value(o->buf, values[i]);
		buf_putc(o->buf, '"');
		name += len + (name[len] == ',');
	}
	assert(!values || !values[i]);
	if (i)
		buf_putc(o->buf, '}');
}

void
metric_u64(struct metric_out *o, enum metric m, uint64_t n, const char *const *values)
{
	put_series(o, m, values);
	buf_printf(o->buf, " %" PRIu64 "\n", n);
}

void
metric_double(struct metric_out *o, enum metric m, double n, const char *const *values)
{
	put_series(o, m, values);
	buf_printf(o->buf, " %.15g\n", n);
}

void
metric_histogram(struct metric_out *o, enum metric m, const uint32_t *bounds, unsigned nr,
    const uint64_t *buckets, uint64_t sum_us)
{
	const char *name = metrics[m].name;
	uint64_t sum = 0;

	open_metric(o, m);
	for (unsigned i = 0; i <= nr; i++) {
		sum += buckets[i];
		if (i < nr)
			buf_printf(o->buf, "%s_bucket{le=\"%.15g\"} %" PRIu64 "\n", name,
			    bounds[i] / 1e6, sum);
	}
	buf_printf(o->buf,
	    "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum %.15g\n%s_count %" PRIu64 "\n", name, sum,
	    name, (double)sum_us / 1e6, name, sum);
}
