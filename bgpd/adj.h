/*
 * bgpd/adj.h: a peer as the RIB sees it: where sessions hand UPDATEs in and get blocks of bytes to
 * send.  Between peer.c (sessions, timers, the wire) and rib.c, out.c (tables, export groups).
 *
 * The session side calls adj_*(); the RIB side calls back through struct adj_ops, never from
 * within adj_new() or adj_free().  One adj per configured peer; it lives over sessions, so that
 * stale paths have an owner.
 */
#ifndef HERALD_BGPD_ADJ_H
#define HERALD_BGPD_ADJ_H

#include "bgpd/bgpd.h"
#include "bgpd/fault.h"
#include "lib/wire.h"

struct adj;
struct rib;

/* Bytes shared by all members of an export group: whole messages, one after the other. */
struct bgp_block {
	uint32_t refs;
	uint32_t len, cap;
	uint32_t nr_messages;
	uint8_t data[];
};
struct bgp_block *bgp_block_new(size_t cap); /* NULL: no memory */
struct bgp_block *bgp_block_ref(struct bgp_block *);
void bgp_block_unref(struct bgp_block *);

/* What was negotiated; given once the session is Established, valid until adj_down(). */
struct adj_session {
	bool ibgp, as4, ext_msg, refresh;
	bool enhanced_refresh;	       /* RFC 7313: both; a refresh has a begin and an end */
	bool gr;		       /* the peer sent the capability, and we too */
	bool llgr_sent, llgr_received; /* RFC 9494: the capability, by us, by the peer */
	unsigned families;	       /* negotiated */
	unsigned ext_next_hop;
	unsigned add_rx, add_tx; /* RFC 7911: families with several paths of a prefix */
	uint32_t local_as, peer_as;
	uint32_t own_as; /* the instance's, where the peer knows us as another one; else 0 */
	enum bgp_local_as local_as_mode;
	uint32_t local_id, peer_id; /* host order */
	enum bgp_role role;	    /* ours, towards an external peer */
	struct addr local, remote;
	unsigned ifindex; /* of the link, when remote is link-local or directly connected, else 0 */
	/* Our own address for routes of each family ("next hop self"); NONE: we have none. */
	struct addr self[BGP_NR_FAMILIES];
	struct addr self_ll; /* our link-local on a shared link, for RFC 2545 3, or NONE */
};

/* None of these may call back into adj_*(): queue, and act later. */
struct adj_ops {
	/* Queue a block for the wire; the callee takes a reference of its own. */
	void (*send)(void *arg, struct bgp_block *);
	/* How many more bytes the session would like to queue now; 0: call adj_more() later. */
	size_t (*room)(void *arg);
	/* Queue a ROUTE-REFRESH behind the blocks that were sent: BoRR or EoRR.  May be NULL. */
	void (*refresh)(void *arg, enum bgp_family, uint8_t subtype);
	/* End-of-RIB of a family came in. */
	void (*eor)(void *arg, enum bgp_family);
	void *arg;
};

struct adj *adj_new(struct rib *, const char *name, const struct adj_ops *);
void adj_free(struct adj *); /* paths go with it */

/* Policy, audience, limits, allow_as_in: copied; a change acts softly on both directions.
 * Returns families (mask) whose routes must be asked for again (route refresh), mostly 0 since
 * what was received is kept. */
unsigned adj_conf(struct adj *, const struct bgp_peer_conf *);

/* What of the last adj_conf() was new: ADJ_NEW bits. */
enum { ADJ_NEW_IMPORT = 1, ADJ_NEW_EXPORT = 2, ADJ_NEW_AUDIENCE = 4 };
unsigned adj_conf_news(const struct adj *);

/* Established: joins its export groups; the table, then End-of-RIB, is sent from adj_more(), which
 * the RIB side also calls by itself at the end of the turn. */
void adj_up(struct adj *, const struct adj_session *);
/* The session is over.  Paths of @keep families become stale (RFC 4724 4.2: what was stale before
 * goes, but for the families of @keep_old, RFC 9494 4.2), the others go at once. */
void adj_down(struct adj *, unsigned keep, unsigned keep_old);
/* Forget the stale paths of these families: restart timer, or the peer's new OPEN has no F bit. */
void adj_purge_stale(struct adj *, unsigned families);
unsigned adj_stale_families(const struct adj *);
/* The restart time is over: what is stale of these families stays for the long-lived stale time,
 * marked by LLGR_STALE and the least preferred of all, or goes when it has NO_LLGR (RFC 9494 4.2). */
void adj_long_lived(struct adj *, unsigned families);
unsigned adj_long_lived_families(const struct adj *);

/*
 * An UPDATE body.  0, or -EBADMSG and the NOTIFICATION to send (RFC 7606 reset, maximum prefixes).
 */
int adj_update(struct adj *, struct wire_rd body, struct bgp_fault *)
    __attribute__((warn_unused_result));
/* RFC 7606 8: tell the log of a broken UPDATE, its routes and all its octets; not too often. */
struct bgp_update;
void adj_log_malformed(struct adj *, const struct bgp_update *, struct wire_rd body);
/* The peer asks for (RFC 2918), or marks the bounds of (RFC 7313), a family's routes. */
/* Has the peer told more prefixes of some family than it may, by a limit that ends its session?
 * -EBADMSG and the NOTIFICATION then: for a limit that was lowered. */
int adj_limit_check(const struct adj *, struct bgp_fault *) __attribute__((warn_unused_result));
void adj_refresh(struct adj *, enum bgp_family, uint8_t subtype);
/* The socket has room again. */
void adj_more(struct adj *);

/* How many prefixes a peer may tell us.  said: what the log has of it, 1 for the warning, 2 for more
 * than the limit; each is said once until there are fewer than the warning asks for. */
struct adj_limit {
	uint32_t max, warn; /* 0: none */
	uint32_t look_at; /* with so many there already, one more is looked at; UINT32_MAX: never */
	bool only_warn;
	uint8_t said;
};

struct adj_counts {
	uint32_t received, accepted, advertised;
	uint32_t stale, long_lived; /* long-lived ones are stale too */
	uint64_t updates_in, updates_out, withdraws_as_error, attrs_discarded;
	bool eor_in, eor_out;
};
void adj_counts(const struct adj *, enum bgp_family, struct adj_counts *);

/* ---- the table ---- */
/* One per instance. */
struct rib *rib_new(struct loop *, const struct bgp_ops *, const char *instance);
void rib_free(struct rib *); /* after its adjs; bgp_ops hears nothing of it */
/* Nothing is left: bgp_ops is told that all is gone.  After its adjs, before rib_free(). */
void rib_forget(struct rib *);
/* AS, identifiers, multipath; softly. */
void rib_conf(struct rib *, const struct bgp_instance_conf *);
int rib_originate(struct rib *, const char *owner, const struct bgp_announce *, size_t nr)
    __attribute__((warn_unused_result));
/* bgp_originated_each() of one instance. */
void rib_originated_each(const struct rib *, const char *owner,
    bool (*each)(void *arg, const struct prefix *), void *arg);
/* End-of-RIB may be sent from now on. */
void rib_ready(struct rib *);
/* Tell bgp_ops.learned everything again. */
void rib_learned_tell(const struct rib *);
/* Appended to the array / for tests. */
int rib_show_routes(const struct rib *, const struct bgp_show_filter *, json_t *array);
int rib_show_policies(const struct rib *, json_t *array);

#endif
