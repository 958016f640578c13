/*
 * daemon/bfd_apply.h: the one BFD engine of the daemon, for all who have hosts watched: BGP peers
 * (bfd_apply.c) and the nodes among themselves (l2_apply.c).
 */
#ifndef HERALD_DAEMON_BFD_APPLY_H
#define HERALD_DAEMON_BFD_APPLY_H

struct app;
struct bfd;

/* Made at the first call; NULL, with the reason logged, when it cannot be had. */
struct bfd *app_bfd(struct app *);
/* Ends it: no session is a loss to its peer.  After all others have freed their watches. */
void bfd_apply_fini(struct app *);

#endif
