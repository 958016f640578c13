/*
 * daemon/plan.h: `heraldctl plan`: what a configuration would change.
 *
 * A process is forked that is a copy of this one, cut off from the kernel and the wire (plan_process.c);
 * it takes the configuration on by the same functions as a reload would (plan.c), and what the engines
 * would do is compared with what they do (plan_views.c, bgpd/rehearse.h).  The daemon goes on meanwhile;
 * what the fork costs it is the copying of page tables.
 */
#ifndef HERALD_DAEMON_PLAN_H
#define HERALD_DAEMON_PLAN_H

#include "daemon/arena.h"
#include "daemon/control.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct app;
struct bgp_plan;

/* ---- plan_process.c ---- */

/* `plan`; and the end of whoever works one out. */
int plan_command(void *app, const struct control_req *, json_t **data, char **error);
void plan_process_fini(struct app *);

/* The answer, as it is worked out. */
struct plan_out;
/* One change more; @change is taken. */
void plan_put(struct plan_out *, json_t *change);

/* ---- plan.c: all of this in the forked process ---- */

struct files_text;
/* 0; -EINVAL with *error: every fault of the texts; or another error likewise. */
int plan_rehearse(
    struct app *, const struct files_text *, size_t nr, struct plan_out *, char **error);

/* ---- plan_views.c ---- */

/* What one engine is to have: its things by key, each with a text that says all of it. */
struct plan_row {
	const char *key, *text;
	size_t nr; /* the how manieth it was */
};
struct plan_view {
	struct plan_row *v;
	size_t nr, cap;
};
enum plan_view_kind {
	PLAN_ADDRESSES,
	PLAN_ANNOUNCEMENTS,
	PLAN_ROUTES,
	PLAN_FRONTENDS,
	PLAN_WATCHED,
	PLAN_NOTICES,
	PLAN_LISTENERS,
	PLAN_HEALTH_CHECKS,
	PLAN_TUNNEL,
	PLAN_TUNNEL_NODES,
	PLAN_POD_RANGES,
	PLAN_NR_VIEWS
};
struct plan_views {
	struct arena arena;
	struct plan_view view[PLAN_NR_VIEWS];
	bool tunnel_waits; /* what there is of the tunnel stays as it is */
};

void plan_views_take(struct plan_views *, struct app *);
void plan_views_compare(const struct plan_views *before, const struct plan_views *after,
    enum plan_view_kind, struct plan_out *);

#endif
