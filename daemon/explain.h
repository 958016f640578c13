/*
 * daemon/explain.h: `heraldctl explain`: why something is as it is, step by step from the configuration
 * to the packet, by the very functions that decide.
 *
 * explain.c: steps, advice, and the commands; explain_service.c, explain_way.c: a Service; explain_peer.c:
 * a session; explain_route.c: a prefix, an address.
 */
#ifndef HERALD_DAEMON_EXPLAIN_H
#define HERALD_DAEMON_EXPLAIN_H

#include "daemon/control.h"
#include "lib/reason.h"

#include <jansson.h>
#include <stdbool.h>

struct addr;
struct app;
struct prefix;
struct res_service;

enum explain_verdict {
	EXPLAIN_OK,
	EXPLAIN_FAIL,	  /* nothing gets past this */
	EXPLAIN_DEGRADED, /* one way of several is shut */
	EXPLAIN_SKIP	  /* of no matter here */
};

struct explain {
	struct app *app;
	const char *node; /* about whom; mostly app->node */
	bool here;	  /* that is this node: sessions and maps can be looked at */
	json_t *steps;
};

/* One step.  @object ("Service default/web") and @field are what decided it, "" when nobody did; @message
 * adds to what the reason says, and is freed; NULL: the reason's own sentence. */
struct explain_step {
	const char *stage, *subject;
	enum explain_verdict verdict;
	enum reason reason;
	const char *object, *field;
	char *message;
	const char *advice; /* NULL: that of the reason */
};
void explain_add(struct explain *, const struct explain_step *);

/* Steps of a Service's addresses, endpoints, ways out and maps. */
void explain_service(struct explain *, const struct res_service *);
/* explain_way.c: who tells the world of an address: each BGP peer, and layer 2; and the maps. */
void explain_ways(struct explain *, const struct res_service *, const struct addr *);
void explain_datapath(struct explain *, const struct res_service *, const struct addr *, size_t nr);
/* explain_peer.c: false: no such peer. */
bool explain_peer(struct explain *, const char *name);
/* explain_route.c */
void explain_route(struct explain *, const struct prefix *);
/* The longest prefix that has the address, which is a prefix of its own here. */
void explain_way_to(struct explain *, const struct prefix *address);
void explain_address(struct explain *, const struct addr *);

/* The command. */
int explain_command(void *app, const struct control_req *, json_t **data, char **error);

#endif
