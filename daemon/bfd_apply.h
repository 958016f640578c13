/*
 * daemon/bfd_apply.h: the one BFD engine of the daemon, for all who have hosts watched: BGP peers
 * (bfd_apply.c) and the nodes among themselves (l2_apply.c).
 */
#ifndef HERALD_DAEMON_BFD_APPLY_H
#define HERALD_DAEMON_BFD_APPLY_H

#include <jansson.h>

struct app;
struct bfd;

/* Made at the first call; NULL, with the reason logged, when it cannot be had. */
struct bfd *app_bfd(struct app *);
/* Watch the BGP peers that the plan wants watched. */
void bfd_apply_peers(struct app *);
/* The process is about to end: no BGP peer is watched any more, which is told as no loss. */
void bfd_apply_stop(struct app *);
/* Ends it all.  After others have freed their watches. */
void bfd_apply_fini(struct app *);

json_t *show_bfd(struct app *);

#endif
