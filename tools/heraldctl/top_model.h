/*
 * tools/heraldctl/top_model.h: what `heraldctl top` shows, without a screen: answers of the daemon become
 * rows, counters become rates.  Between client.c and top.c, which draws.
 */
#ifndef HERALD_TOOLS_HERALDCTL_TOP_MODEL_H
#define HERALD_TOOLS_HERALDCTL_TOP_MODEL_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

enum top_pane_id { TOP_PEERS, TOP_SERVICES, TOP_L2, TOP_NR_PANES };
enum top_mood { TOP_PLAIN, TOP_GOOD, TOP_WARN, TOP_BAD };

#define TOP_COLUMNS_MAX 8

struct top_row {
	char *cells[TOP_COLUMNS_MAX];
	enum top_mood mood;
	double weight; /* more is further up; then by the first cell */
};

struct top_pane {
	const char *title;
	const char *columns[TOP_COLUMNS_MAX + 1]; /* NULL-terminated */
	unsigned right;				  /* bit i: column i is of numbers */
	struct top_row *rows;
	size_t nr;
};

struct top_model {
	struct top_pane panes[TOP_NR_PANES];
	char *head[2];	/* lines above the panes */
	json_t *before; /* counters by Service, when they were looked at last */
	uint64_t before_us;
};

void top_model_init(struct top_model *);
void top_model_fini(struct top_model *);

/* The answers to `status`, `bgp peers`, `service list --stats` and `l2` at @now_us of a clock that only
 * goes forward; borrowed, each may be NULL. */
void top_model_take(struct top_model *, uint64_t now_us, const json_t *status, const json_t *peers,
    const json_t *services, const json_t *l2);

/* 0, 7.3, 950, 1.2k, 34M: at most five characters; negative: "-". */
const char *top_rate(double per_s, char *text, size_t size);

/* How many lines each pane gets of @lines in all, title and columns included, when it has @nr rows to
 * show; 0: none. */
void top_heights(size_t lines, const size_t nr[TOP_NR_PANES], size_t heights[TOP_NR_PANES]);

#endif
