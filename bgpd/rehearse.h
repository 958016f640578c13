/*
 * bgpd/rehearse.h: what a configuration would change, found out by taking it on: bgp_apply() and
 * bgp_originate() as ever, on an engine that is cut off from the wire.  Comes with bgpd.h.
 *
 * Only in a process that was forked for it and that ends afterwards: its engine is a copy of the one that
 * runs, and nothing of it may ever run on.  The caller has closed its descriptors.
 */
#ifndef HERALD_BGPD_REHEARSE_H
#define HERALD_BGPD_REHEARSE_H

#include "bgpd/bgpd.h"

/* What bgp_apply() does to a peer, or to a monitoring station. */
enum bgp_fate {
	BGP_FATE_ADDED,
	BGP_FATE_REMOVED,
	BGP_FATE_RESET,	  /* its session begins anew */
	BGP_FATE_CHANGED, /* its session stays */
};

struct bgp_rehearsal {
	/* Once for each peer that changes, from within bgp_apply().  @fields: of struct bgp_peer_conf or of
	 * the instance, the dearest first; borrowed. */
	void (*peer)(void *arg, const char *instance, const char *peer, const struct addr *,
	    enum bgp_fate, const char *const *fields, size_t nr);
	/* From bgp_rehearse_end(): a route that a peer is told of (@old NULL), is told of no more (@new
	 * NULL), or is told of with other attributes; as bgp_show_routes() has it.  Borrowed.
	 * @alive: the session stays as it is; else it is taken to come up. */
	void (*route)(void *arg, const char *instance, const char *peer, bool alive,
	    const json_t *old, const json_t *new);
	/* From bgp_rehearse_end(): a monitoring station that comes (@old NULL), goes (@new NULL), whose
	 * connection begins anew, or that is only told otherwise.  Borrowed.  May be NULL. */
	void (*station)(void *arg, const struct bgp_monitor_conf *old,
	    const struct bgp_monitor_conf *new, enum bgp_fate);
	void *arg;
};

/*
 * Begin: nothing is sent, dialled, listened on or ended any more, and what peers have been told is
 * remembered.  @r is borrowed.  -ENOMEM.
 */
int bgp_rehearse(struct bgp *, const struct bgp_rehearsal *) __attribute__((warn_unused_result));
/*
 * All has been taken on.  Sessions that begin anew, and those of new peers that nothing holds down, are
 * taken to come up, with what the peer said of itself before; what was learned from them stays.  -ENOMEM.
 */
int bgp_rehearse_end(struct bgp *) __attribute__((warn_unused_result));

#endif
