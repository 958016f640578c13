/*
 * daemon/drain.h: out of the way without losing a packet, and back.  drain_wanted.c says which causes
 * there are, drain.c does it: BGP peers are asked to take other paths (RFC 8326), then Services are
 * withdrawn; on layer 2 other nodes take the addresses.  Sessions and PodCIDRs stay.
 */
#ifndef HERALD_DAEMON_DRAIN_H
#define HERALD_DAEMON_DRAIN_H

#include <jansson.h>
#include <stdbool.h>

struct app;
struct res_herald_config;
struct res_node;

enum drain_cause {
	DRAIN_BY_PERSON = 1,	     /* heraldctl drain */
	DRAIN_BY_CORDON = 2,	     /* spec.unschedulable */
	DRAIN_BY_OUT_OF_SERVICE = 4, /* the taint */
	DRAIN_BY_LABEL = 8,	     /* exclude-from-external-load-balancers */
};
#define DRAIN_NR_CAUSES 4

struct drain_text {
	const char *name;   /* "person", "cordon", "out-of-service", "exclude-label" */
	const char *field;  /* of the Node; "" for a person */
	const char *why;    /* a sentence */
	const char *advice; /* how it ends */
};
/* Of bit @i; the first bit of a mask is the cause that is named where there is room for one only. */
const struct drain_text *drain_text(unsigned i);
const struct drain_text *drain_text_first(unsigned causes);

/* What a Node (NULL: none) asks for, as far as the configuration lets it; never DRAIN_BY_PERSON. */
unsigned drain_causes_of(const struct res_node *, const struct res_herald_config *);

/* ---- drain.c ---- */
void drain_init(struct app *);
void drain_fini(struct app *);
/* What an earlier process left in stateDir. */
void drain_load(struct app *);
/* By a person; peers are given @wait_s to take other paths.  Outlives the process. */
void drain_begin(struct app *, unsigned wait_s);
void drain_end(struct app *);
/* The Node or the configuration may have changed.  The caller makes sessions and routes follow. */
void drain_follow(struct app *);
/* Are peers to be asked to take other paths? */
bool drain_asks(const struct app *);
/* {"state", "by", "secondsLeft"?}; NULL: takes part. */
json_t *drain_show(const struct app *);

#endif
