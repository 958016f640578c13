/*
 * bgpd/rehearsal.h: the inside of rehearse.h, for peer.c and bgp.c: where a difference is found, and
 * where something would leave the process.
 */
#ifndef HERALD_BGPD_REHEARSAL_H
#define HERALD_BGPD_REHEARSAL_H

#include "bgpd/conf.h"
#include "bgpd/peer.h"
#include "bgpd/rehearse.h"

struct awaited;
struct told;

struct rehearsal {
	const struct bgp_rehearsal *ops;
	const char *renamed; /* the field of the instance at hand that all its sessions stand on */
	struct told *told;   /* what each peer had been sent */
	struct awaited *awaited;	   /* peers whose session is to be taken to come up */
	struct bmp *bmp;		   /* the stations that there were; NULL: none */
	struct bgp_monitor_conf *monitors; /* as taken on last */
	size_t nr_monitors;
	bool applied; /* .monitors counts */
};

static inline bool
is_rehearsed(const struct instance *in)
{
	return in->bgp->rehearsal != NULL;
}

/* None of these does anything unless a rehearsal is on. */
void rehearse_renamed(struct instance *, const char *field); /* NULL: it is not */
void rehearse_added(struct peer *);
void rehearse_removed(struct peer *);
/* When the peer and its adj have taken the new one on. */
void rehearse_changed(struct peer *, const struct bgp_peer_conf *old);

/* The end of bgp_apply(): the stations of the configuration, copied. */
void rehearse_monitors(struct bgp *, const struct bgp_conf *);

/* ---- rib_show.c ---- */
/* A route with these attributes as @peer is told of it. */
json_t *rib_show_told(
    const struct rib *, enum bgp_family, uint32_t node, uint32_t set, const char *peer);

#endif
