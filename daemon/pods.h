/*
 * daemon/pods.h: addresses of pods as the daemon runs them: the plan of ranges (pods_wanted.h), the
 * engine (podipam/), and the socket of herald-ipam between them.  pods_apply.c: life, and what follows
 * the store; pods_ask.c: requests; pods_tell.c: what is written into Nodes of the API.
 */
#ifndef HERALD_DAEMON_PODS_H
#define HERALD_DAEMON_PODS_H

#include "daemon/pods_wanted.h"
#include "lib/loop.h"

#include <jansson.h>

struct app;
struct pods_client;
struct pods_server;
struct pods_teller;

/* A pool that pods ask for and that has too little here. */
struct pods_wish {
	struct pods_wish *next;
	char *pool;
	uint64_t pending;
	uint64_t until_ms; /* then it is forgotten */
};

struct pods {
	struct app *app;
	struct pod_plan *plan;
	struct podipam *engine;	    /* NULL: stateDir could not be used; the log said so */
	struct pods_server *server; /* NULL likewise, the socket */
	struct pods_wish *wishes;
	struct pods_teller *teller;
	struct loop_work tell_soon;
	uint64_t nr_reclaimed;
	uint64_t open_again_ms;
};

/* The engine, when stateDir could not be used before: it is asked for, so look again. */
bool pods_open(struct pods *);
/* Before the engines: reads the journal.  Never fails the start: pods get their addresses, or are told
 * why not. */
void pods_init(struct app *);
void pods_start(struct app *); /* listen, when the store is read */
void pods_fini(struct app *);
/* Where herald-ipam asks, beside @control_socket when the HeraldConfig does not say; for free(). */
char *pods_socket_path(const struct res_herald_config *, const char *control_socket);

/* After Nodes, PodIPPools or the HeraldConfig changed: a new plan.  Before those who use it.
 * true: this node has other ranges than before. */
bool pods_apply(struct app *);
const struct pod_plan *pods_plan(const struct app *); /* NULL before the first */

/* For `heraldctl ipam` and `status`; NULL: nothing to say. */
json_t *pods_show(const struct app *);
void pods_show_allocations(const struct app *, json_t *list);

/* ---- pods_ask.c ---- */

void pods_asked(void *arg, struct pods_client *, json_t *request);
void pods_client_left(void *arg, struct pods_client *);

/* ---- pods_tell.c ---- */

struct pods_teller *pods_teller_new(struct pods *);
void pods_teller_free(struct pods_teller *); /* NULL is fine */
/* Soon: what this node needs (of multi-pool), and, where it leads, what all nodes get. */
void pods_tell(struct pods *);

#endif
