/*
 * daemon/show.h: what the daemon shows of itself, as JSON; shapes as in doc/control-protocol.md.
 * The caller owns what is returned.
 */
#ifndef HERALD_DAEMON_SHOW_H
#define HERALD_DAEMON_SHOW_H

#include <jansson.h>

struct app;

json_t *show_status(struct app *);
json_t *show_pools(struct app *);
json_t *show_ipam(struct app *);
json_t *show_services(struct app *); /* gives ids to frontends that have none yet */
json_t *show_routes(struct app *);
void show_fini(struct app *); /* forgets the ids */

#endif
