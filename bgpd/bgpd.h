/*
 * bgpd/bgpd.h: a complete BGP-4 speaker as an engine: it is given everything it should be, and
 * makes the difference to what it is.  Knows nothing of Kubernetes, YAML or kernel routes.
 *
 * Two inputs: the configuration (bgp_apply: instances, peers, policies, always the whole of it)
 * and the routes that we originate (bgp_originate: always all routes of one owner).  Both copy
 * what they are given, and giving the same twice changes nothing on any wire.
 * One output beside the wire: what was learned, through bgp_ops.
 *
 * RFCs: 1997, 2385, 2545, 2918, 4271, 4360, 4456 (receive rules), 4486, 4724, 4760, 5082, 5492,
 * 6286, 6608, 6793, 7313, 7606, 7607, 7705, 7854, 8092, 8212, 8538, 8654, 8950, 9003, 9072,
 * 9234, 9494, 9687.
 */
#ifndef HERALD_BGPD_BGPD_H
#define HERALD_BGPD_BGPD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bgpd/wanted.h" /* what bgp_apply() is given */
#include "lib/addr.h"

struct bgp;
struct loop;

#define BGP_WEIGHT_MAX 256

/* A path that was chosen, towards the kernel. */
struct bgp_hop {
	struct addr next_hop;
	unsigned ifindex; /* for link-local next hops, else 0 */
	unsigned weight;  /* its part of the load, 1 to BGP_WEIGHT_MAX */
	const char *peer;
};

struct bgp_ops {
	/*
	 * The best paths of a prefix changed, and none of them is our own.  @hops borrowed;
	 * nr == 0: there is none any more.  Called in a batch at the end of a turn of the loop.
	 */
	void (*learned)(void *arg, const char *instance, const struct prefix *, unsigned nr,
	    const struct bgp_hop *hops);
	/*
	 * A prefix of more than one address, announced by ourselves on some instance, came or went:
	 * where it came from before and now (1 << enum bgp_source; 0: nowhere).  May be NULL.
	 */
	void (*aggregate)(void *arg, const struct prefix *, unsigned was, unsigned now);
	/* A session came up or went down, or its families' End-of-RIB came in.  May be NULL. */
	void (*peer_changed)(void *arg, const char *instance, const char *peer, enum bgp_state);
	void *arg;
};

/*
 * @restarted: this process follows one that announced the same on this boot of the node, so that
 * forwarding state is still there (R and F bits of RFC 4724).
 */
struct bgp *bgp_new(struct loop *, const struct bgp_ops *, bool restarted);

/*
 * The end of the process.  @graceful: peers with graceful restart only see TCP close and keep our
 * routes (RFC 4724); others get Cease.  Otherwise everyone gets Cease/Administrative Shutdown
 * (RFC 9003) with @why (may be NULL).  What can be written is written; nothing blocks.
 */
void bgp_stop(struct bgp *, bool graceful, const char *why);
void bgp_free(struct bgp *);

/*
 * Take on a whole configuration.  A peer whose session parameters did not change keeps its
 * session; policies, audiences and families' limits change softly.  Errors (a port that is taken,
 * out of memory) are per object, logged and shown, and tried again; there is nothing to undo.
 * Returns 0, or -EADDRINUSE and the like when some listener could not be opened.
 */
int bgp_apply(struct bgp *, const struct bgp_conf *);

/*
 * Where the configuration as taken on wants to be listened, whether that worked or not: the listeners of
 * bgp_conf, then the ports of instances.  @must: a kernel without that family is a fault.
 */
typedef void bgp_listen_fn(void *arg, const struct bgp_listen *, bool must);
void bgp_listen_each(const struct bgp *, bgp_listen_fn *each, void *arg);

/* A start that has more to do before its loop turns: whoever was dialled by bgp_apply() and has answered
 * is sent our OPEN now.  Nothing that came from them is read.  Not from within a turn of the loop. */
void bgp_greet(struct bgp *);

/* ---- what we originate ---- */

struct bgp_announce {
	struct prefix prefix;
	enum bgp_source source;
	const char *audience; /* who is told: peers' bgp_family_conf.audience */
	const char *policy;   /* the name that `bgp route-policies` shows */
	uint32_t local_pref;  /* with has_local_pref; iBGP peers only */
	uint32_t med;
	bool has_local_pref, has_med;
	bool incomplete; /* ORIGIN incomplete, else IGP */
	uint8_t prepend;
	struct bgp_communities communities;
};

/*
 * All that @owner ("service default/web", "podcidr") wants announced on @instance, in place of what
 * it wanted before; nr == 0 forgets the owner.  Two owners may want the same prefix for the same
 * audience: communities are united, the highest local preference wins, else the first owner by
 * name.  Costs the routes of this owner, whatever else there is.  Peers hear of it at the end of
 * the turn, withdrawals first.  -ENOENT: no such instance.  -ENOMEM.
 */
int bgp_originate(struct bgp *, const char *instance, const char *owner,
    const struct bgp_announce *, size_t nr) __attribute__((warn_unused_result));

/* The prefixes that @owner wants announced on @instance now, once for each audience; @each returns false to stop. */
void bgp_originated_each(const struct bgp *, const char *instance, const char *owner,
    bool (*each)(void *arg, const struct prefix *), void *arg);

/* The first full set has been given: from now on End-of-RIB may be sent. */
void bgp_routes_ready(struct bgp *);

/* ---- operations; @peer is a name or an address; -ENOENT: no such peer ---- */
/* A soft one of a session that is not established: -ENOTCONN. */
enum bgp_clear { BGP_CLEAR_HARD, BGP_CLEAR_SOFT_IN, BGP_CLEAR_SOFT_OUT };
int bgp_peer_clear(struct bgp *, const char *peer, enum bgp_clear);
int bgp_peer_shutdown(struct bgp *, const char *peer, const char *message);
int bgp_peer_enable(struct bgp *, const char *peer);
/*
 * BFD says that nothing gets through to the peer: its session ends now, with Cease/BFD Down (RFC 9384),
 * and what it told us goes.  When it has no session because it restarts, what was kept goes only if @sure:
 * its BFD does not end with its control plane (RFC 5882 4.3.2).
 */
int bgp_peer_lost(struct bgp *, const char *instance, const char *peer, bool sure, const char *why);

/* Call bgp_ops.learned for every prefix that still stands, now: for a listener that kept none. */
void bgp_learned_tell(const struct bgp *);

/*
 * Has everybody told us what he has?  Peers with graceful restart by their End-of-RIBs, others by
 * having been up for ten seconds; who has not come up since the start has not, so that the caller
 * needs a deadline.
 */
bool bgp_learned_complete(const struct bgp *);

#include "bgpd/rehearse.h" /* what a configuration would change */
#include "bgpd/stats.h"	   /* numbers, and what is shown */

#endif
