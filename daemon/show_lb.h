/*
 * daemon/show_lb.h: what the datapath's maps hold, as JSON; shapes as in doc/control-protocol.md.
 * The caller owns what is returned.
 */
#ifndef HERALD_DAEMON_SHOW_LB_H
#define HERALD_DAEMON_SHOW_LB_H

#include "datapath/datapath.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct app;
struct buf;

enum show_lb_view { SHOW_LB_SERVICES, SHOW_LB_BACKENDS, SHOW_LB_SOURCE_RANGES };

/* 0, or -ENODEV: nothing is loaded.  As text: there may be hundreds of thousands of backends, and a
 * tree of them would hold up the loop for seconds. */
int show_lb_list(struct app *, enum show_lb_view, struct buf *out);
int show_lb_conntrack(struct app *, size_t limit, json_t **);
int show_lb_counters(struct app *, json_t **);
/* All frontends, or the one at @ip (NULL: all) with its slots.  -ENOENT: it is not there. */
int show_lb_maglev(struct app *, const struct addr *ip, uint16_t port, uint8_t proto, json_t **);

/* The part of `status`. */
json_t *show_datapath_status(struct app *);
/* Are connected UDP sockets of pods ended when their backend is gone, and why not; in sockets_helper.c. */
json_t *sockets_helper_show(const struct app *);

/* "TCP", "UDP", "SCTP", "ANY". */
const char *show_lb_proto(uint8_t proto);
/* "172.16.1.1:80/TCP", "[2001:db8::1]:53/UDP". */
json_t *show_lb_endpoint(const struct addr *, uint16_t port, uint8_t proto);

/* ---- counts of `service list` ---- */
struct show_lb_counts; /* of every frontend, by address, port and protocol */
struct show_lb_counts *show_lb_counts_new(struct app *); /* NULL: nothing is loaded */
/* NULL: it is not in the maps. */
const struct dp_counts *show_lb_counts_of(
    const struct show_lb_counts *, const struct addr *, uint16_t port, uint8_t proto);
void show_lb_counts_free(struct show_lb_counts *); /* NULL is fine */

#endif
