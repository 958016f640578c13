/*
 * daemon/metrics.h: what the daemon answers at metrics.listen: /metrics, /healthz, /readyz.
 *
 * metrics.c makes the answer in slices; metrics_engines.c and metrics_rest.c bring the numbers in, by
 * the rows of lib/metric.h; ready.c says whether everything is there.
 */
#ifndef HERALD_DAEMON_METRICS_H
#define HERALD_DAEMON_METRICS_H

#include "resource/resource.h"

#include <stdbool.h>
#include <stdint.h>

struct app;
struct buf;
struct metrics;

struct metrics *metrics_new(struct app *);
void metrics_free(struct metrics *); /* NULL is fine */
/* Where that is; an address that is not set: nowhere. */
struct addr metrics_wanted(const struct res_herald_config *, uint16_t *port);
/* Listen where the HeraldConfig says now; an address that is taken is tried again. */
void metrics_conf(struct metrics *);

/* ready.c: has everything that there is to know been told, and been carried to the engines?  @words (may
 * be NULL) gets a line for each part, "[+]" or "[-]" before it. */
bool ready_look(struct app *, struct buf *words);

#endif
