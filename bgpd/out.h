/*
 * bgpd/out.h: what peers are sent.  Between the decision (rib.c) and the sessions' queues; the
 * inside is shared by out.c (groups and their flush), export.c (a route as a group is told of it),
 * emit.c (bytes) and member.c (what one peer still has to be told).
 *
 * An export group is all peers that are sent the same bytes for the same route.  It remembers for
 * each node the attribute set that was sent.  A change is encoded once, and the block is queued to
 * every member that is up to date.  A member that is not (it is new, asks for a refresh, or does
 * not read) gets one bit a prefix instead, however often that changes, and is told the outcome
 * when it has room.  New members share one dump: blocks that are kept while sessions come up.
 */
#ifndef HERALD_BGPD_OUT_H
#define HERALD_BGPD_OUT_H

#include "bgpd/rib.h"

#define OUT_BLOCK_LEN 65536u /* never smaller than the largest message */
#define OUT_WINDOW 8192u     /* nodes that are sorted by attributes together */
#define OUT_CACHE 64
#define OUT_DUMP_IDLE_MS 2000

struct dump_block {
	struct bgp_block *block;
	uint16_t src, nh; /* members that are left out, see struct emit */
};

/* The table of a group as blocks; a change of what is in it ends its being joined. */
struct dump {
	unsigned refs;
	bool done;
	uint32_t cursor; /* nodes below are in */
	struct dump_block *blocks;
	size_t nr, cap;
};

struct export_memo { /* 0: empty */
	uint32_t base, how, set;
	uint16_t src; /* of what is reflected, else 0 */
};

/* What becomes of long-lived stale routes (RFC 9494 4.3, 4.6). */
enum out_stale {
	OUT_STALE_NOT,	    /* not sent: the peer did not say that it knows of them */
	OUT_STALE_PLAIN,    /* sent as they are */
	OUT_STALE_INTERNAL, /* sent with NO_EXPORT and a local preference of 0 */
};

struct out_group {
	struct out_group *next;
	struct rib *rib;
	enum bgp_family family;
	/* The key: everything that bytes depend on. */
	struct name *audience; /* NULL: nothing of our own is for it */
	struct policy *policy;
	bool ibgp, as4, ext_msg, ext_next_hop, graceful_shutdown;
	bool rr_client; /* RFC 4456: its members are clients of ours */
	bool reflect;	/* internal peers' routes may go out, as reflected */
	enum out_stale stale;
	uint32_t local_as, behind_as; /* in front of paths; behind it, 0: none (RFC 7705 3.2) */
	enum bgp_role role;
	struct addr self, self_ll;
	/* Learned routes may go out, so that members have to be told apart. */
	bool relay;
	bool behind;	       /* during a flush: not every member is direct */
	uint32_t built;	       /* nodes below have been looked at; UINT32_MAX: all */
	struct umap out, src;  /* node -> attribute set sent; who it was learned from (relay) */
	struct add_table *add; /* RFC 7911: in place of both, for several paths; NULL: one each */
	uint8_t add_max;       /* that many; 0 with NULL */
	bool add_multi;	       /* only those that share the load with the best */
	uint32_t nr_out;
	struct member *members;
	struct member *movers; /* on their way here, in another group yet */
	struct dump *dump;     /* that a new member may join; NULL: none */
	struct export_memo memo[OUT_CACHE];
};

/* Withdrawn from the group when a member was behind, which may still have it. */
struct gone {
	uint32_t node, path_id;
};

enum member_state {
	MEMBER_WAIT, /* has nothing; the group is not built yet */
	MEMBER_DUMP,
	MEMBER_LIVE,
};

struct member {
	struct member *next; /* in the group */
	struct adj *adj;
	struct out_group *group;
	enum member_state state;
	struct dump *dump;
	size_t dump_pos;
	bool fresh; /* this dump is its first: what is not in it yet, it does not have */
	bool eor_due;
	bool refresh_due; /* it could not begin when the peer asked */
	bool refreshing;  /* RFC 7313: BoRR was sent, EoRR not yet */
	bool direct;	  /* during a flush: is up to date and has room */
	uint32_t nr_told; /* routes that it has when nothing is pending; not while waiting */
	/* On its way to another group: it is there for nodes below move_at, where it is to have told_to
	 * routes; unsure: what it has of the old one is not known. */
	struct out_group *to;
	struct member *next_mover;
	uint32_t move_at, told_to;
	bool unsure;
	struct bitset pend, had; /* to be told of; has something for it (valid with pend) */
	struct gone *gone;	 /* of noted nodes; only with several paths */
	size_t nr_gone, cap_gone, floor_gone;
};

/* A path on its way out. */
struct outgoing {
	uint32_t path, set;
	enum bgp_source source;
	uint8_t prepend;
	bool reflect; /* RFC 4456: of one internal peer for another */
	uint16_t src;
	bool may_be_stale; /* it is from where LLGR_STALE is obeyed (RFC 9494 4.3) */
};

/* A route as a group is told of it. */
struct exported {
	uint32_t set; /* with a reference; 0: nothing */
	uint16_t src; /* the peer that it was learned from, 0: our own */
};

/* Of one node.  src, nh: the members that it is kept from, as it came from the one, and the other's
 * address is the next hop; 0: nobody. */
struct change {
	uint32_t node, set, old;
	uint16_t src, nh, old_src, old_nh;
	bool quiet; /* same bytes, other source: only these four may have to be told */
};

/* Who does not get the bytes: a withdrawal is for those who had the route. */
static inline uint16_t
change_src(const struct change *c)
{
	return c->set ? c->src : c->old_src;
}

static inline uint16_t
change_nh(const struct change *c)
{
	return c->set ? c->nh : c->old_nh;
}

/* ---- out.c ---- */
void out_init(struct rib *);
void out_fini(struct rib *);
/* Compare these decided nodes with what was sent, in every group. */
void out_flush(struct rib *, enum bgp_family, const uint32_t *nodes, size_t nr);
/* Build groups, serve members.  True: there is more to do at once. */
bool out_work(struct rib *);
void out_client_set(struct adj *, bool client); /* RFC 4456: it is one of ours, or is not */
void out_refresh(struct adj *, enum bgp_family);
uint32_t out_advertised(const struct adj *, enum bgp_family);
/* By attributes, withdrawals first, else in node order. */
void changes_sort(struct change *, size_t nr);
/* The member of the group whose own address is the set's next hop; 0: none.  The other one is for many sets one
 * after the other, none of which is given back meanwhile; @memo is zeroed at first. */
uint16_t group_nh_member(const struct out_group *, uint32_t set);
struct nh_memo {
	uint32_t set;
	uint16_t nh;
};
uint16_t group_nh_memo(const struct out_group *, uint32_t set, struct nh_memo *);
/* Is a route kept from this member: it is its own (@src), or its address is the next hop (@nh)? */
bool member_is_kept_from(const struct member *, uint16_t src, uint16_t nh);
/* Who gets bytes now (.direct), and room for the notes of the others.  -ENOMEM. */
int group_prepare(struct out_group *, bool *anybody);
/* What goes to every member that is direct. */
void group_send(void *group, struct bgp_block *, uint16_t not_src, uint16_t not_nh);
/* Nobody may join a dump that is not the table any more. */
void group_dump_spoilt(struct out_group *, uint32_t node);

bool group_is_for(const struct out_group *, const struct adj *);
struct out_group *group_get(struct adj *, enum bgp_family); /* NULL: no memory */
void group_free(struct out_group *);

/* ---- regroup.c ---- */
/* Put an up peer's families in the groups where they belong now. */
void out_regroup(struct adj *);
void out_leave(struct adj *, enum bgp_family);
/* Members that are due in other groups move there as these are built.  True: some wait still. */
struct sweep_budget;
bool members_move(struct rib *, struct sweep_budget *);

/* ---- export.c ---- */
/* The path for a group that is sent one; set 0: none.  A candidate: whatever the policy says. */
struct outgoing export_choose(const struct out_group *, const struct node *);
struct outgoing export_candidate(const struct out_group *, const struct node *);
bool export_is_barred(const struct out_group *, const struct outgoing *); /* by its communities */
struct outgoing export_learned(const struct out_group *, uint32_t path);
int export_path(struct out_group *, uint32_t node, const struct outgoing *, struct exported *);
int export_node(struct out_group *, uint32_t node, struct exported *); /* both: -ENOMEM */
void export_forget(struct out_group *);

/* ---- member.c ---- */
/* What the member would be told in this group: the group's @set but for its own routes. */
uint32_t member_view(const struct member *, const struct out_group *, uint32_t set, uint16_t src);
struct view_memo { /* zeroed at first, and one for each group */
	uint32_t set;
	bool own; /* its next hop is the member */
};
uint32_t member_view_memo(const struct member *, const struct out_group *, uint32_t set,
    uint16_t src, struct view_memo *);
/* The node has to be told again; room was reserved by member_reserve(). */
void member_pend(struct member *, uint32_t node, bool had);
void member_pend_clear(struct member *, uint32_t node);
int member_reserve(struct member *);
bool member_is_synced(const struct member *);
/* Is the change of this node news to the member at this point of its dump? */
bool member_follows(const struct member *, uint32_t node);
void member_send(struct member *, struct bgp_block *);
/* Send what there is room for.  True: more can be done at once. */
bool member_kick(struct member *);
void member_dump_start(struct member *, bool fresh);
/* Send it the whole table once more, between BoRR and EoRR when it knows them; at once or later. */
void member_refresh(struct member *);
void member_count(struct member *); /* nr_told, from scratch */
void member_reset(struct member *); /* as if nothing was to be told */
void dump_unref(struct dump *);

/* ---- rib.c, beside the decision ---- */
void rib_reap(struct rib *, enum bgp_family, uint32_t node);
/* What the decision looks at of a feasible path. */
void rib_candidate(const struct rib *, struct best_path *, uint32_t path);
/* A node's feasible learned paths, the best first, up to @max; @multi: only those that share the load. */
size_t rib_rank(struct rib *, const struct node *, bool multi, uint32_t *paths, size_t max);

#endif
