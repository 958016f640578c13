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
/*
 * Ends it all, as administratively down; after others have freed their watches.  And after the BGP
 * sessions are over: FRR and BIRD end them when BFD is switched off, and with that a graceful restart
 * that has not begun.
 */
void bfd_apply_fini(struct app *);

json_t *show_bfd(struct app *);

#endif
