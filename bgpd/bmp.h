/*
 * bgpd/bmp.h: monitoring stations (RFC 7854): told which peers there are, what they say, and, if they
 * like, what became of it behind the import policy and in the local table (RFC 9069).  Between bgp.c and
 * bmp_feed.c (what is told), bmp_station.c (a station's connection).
 *
 * Stations only listen.  One that does not read costs BMP_QUEUE_MAX bytes, then its connection, and begins
 * anew with what there is.  Sessions and the table call bmp_feed.c by bgp_tap and rib_tap, and only
 * while a station is configured.
 */
#ifndef HERALD_BGPD_BMP_H
#define HERALD_BGPD_BMP_H

#include "bgpd/rehearse.h"
#include "bgpd/speaker.h"

#include <jansson.h>

/* Take on stations as a difference: one that did not change keeps its connection. */
void bmp_apply(struct bgp *, const struct bgp_conf *);
/* How many stations of a configuration count. */
size_t bmp_nr_wanted(const struct bgp_conf *);
/* What bmp_apply() would do to the stations of @bmp (NULL: none), once for each that it would touch. */
void bmp_compare(const struct bmp *, const struct bgp_monitor_conf *wanted, size_t nr,
    void (*station)(void *arg, const struct bgp_monitor_conf *old,
	const struct bgp_monitor_conf *new, enum bgp_fate),
    void *arg);
/* A Termination to all; the connections end behind it. */
void bmp_stop(struct bgp *);
void bmp_free(struct bgp *); /* NULL in bgp.bmp is fine, here and below */
/* A new instance's table is heard; one that goes is forgotten, before its table is freed. */
void bmp_instance_new(struct bgp *, struct instance *);
void bmp_instance_gone(struct bgp *, struct instance *);
/* {"stations":[...]}, as in doc/control-protocol.md. */
json_t *bmp_show(const struct bgp *);

#endif
