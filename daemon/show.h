/*
 * daemon/show.h: what the daemon shows of itself, as JSON; shapes as in doc/control-protocol.md.
 * The caller owns what is returned.
 */
#ifndef HERALD_DAEMON_SHOW_H
#define HERALD_DAEMON_SHOW_H

#include <jansson.h>
#include <stdbool.h>

struct addr;
struct app;
struct buf;

json_t *show_status(struct app *);
json_t *show_pools(struct app *);
/* All addresses, or @about (NULL: all) with its candidates; in l2_apply.c. */
json_t *show_l2(struct app *, const struct addr *about);
/* Who answers for the address, or shall; "": nobody may; NULL: no policy announces it.  In @arena. */
struct arena;
const char *show_l2_holder(struct app *, const struct addr *, struct arena *);
/* Is a BGP session of another node up?  By what that node says itself, while it is heard. */
enum show_session { SHOW_SESSION_UNKNOWN, SHOW_SESSION_DOWN, SHOW_SESSION_UP };
enum show_session show_session_of(
    struct app *, const char *node, const char *instance, const char *peer);
json_t *show_ipam(struct app *);
/* Gives ids to frontends that have none yet.  As text, as there may be very many. */
void show_services(struct app *, bool stats, struct buf *out);
/* A string of JSON. */
void show_string(struct buf *, const char *);
json_t *show_routes(struct app *);
void show_fini(struct app *); /* forgets the ids */

#endif
