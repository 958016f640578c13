/*
 * daemon/metrics_parts.h: an answer to /metrics while it is made.  A part puts its series down; one
 * that has much to look at does so piece by piece, and says whether there is more.
 */
#ifndef HERALD_DAEMON_METRICS_PARTS_H
#define HERALD_DAEMON_METRICS_PARTS_H

#include "daemon/httpd.h"
#include "datapath/datapath.h"
#include "lib/loop.h"
#include "lib/metric.h"
#include "lib/reason.h"
#include "resource/resource.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct app;

/* Sums over frontends that come and go: they may only grow. */
struct carried {
	struct dp_counts sum;
	struct dp_counts *last; /* by row, when it was looked at last */
	size_t nr, cap;
};

struct metrics {
	struct app *app;
	struct httpd *httpd;
	struct page *page;
	struct loop_timer again;
	struct addr addr; /* of httpd, or of the attempts at one; not set: off */
	uint16_t port;
	bool failed; /* has been told */
	struct scrape *scrapes;
	unsigned nr_scrapes;
	uint64_t longest_us; /* that a slice took */
	double started;	     /* the process; seconds since 1970 */
	struct carried carried;
};

struct service_sums {
	uint64_t by_type[RES_SVC_EXTERNAL_NAME + 1];
	uint64_t satisfied, unsatisfied, not_ours, by_reason[REASON_NR];
};

struct scrape {
	struct scrape *next, **prev;
	struct metrics *metrics;
	struct app *app;
	struct httpd_visit *visit;
	struct loop_work work;
	struct buf text;
	struct metric_out out;
	unsigned part;

	/* ---- of the parts that go piece by piece ---- */
	struct res_object *service; /* where to go on behind; a reference */
	struct service_sums services;
	uint32_t row;	    /* likewise of frontends */
	struct buf each[3]; /* packets, bytes, flows of each frontend */
	struct metric_out each_out[3];
	bool per_service;
};

/* Put series down; true: call again, there is more. */
typedef bool metrics_part(struct scrape *);

/* metrics_engines.c */
metrics_part metrics_bgp, metrics_bfd, metrics_l2, metrics_datapath, metrics_frontends,
    metrics_routes;
/* metrics_rest.c */
metrics_part metrics_daemon, metrics_pools, metrics_services, metrics_config, metrics_kube,
    metrics_loop, metrics_process;

void metrics_rest_init(struct metrics *);

#endif
