/*
 * ipam/claim.h: what the allocator keeps of claims and addresses, shared by its files: ipam.c (what
 * is wanted), spec.c (a claim's words), spot.c (addresses), settle.c and give.c (deciding), mirror.c
 * (what others gave) and show.c (answers).
 */
#ifndef HERALD_IPAM_CLAIM_H
#define HERALD_IPAM_CLAIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipam/ipam.h"
#include "ipam/pool.h"
#include "ipam/share.h"
#include "ipam/taken.h"
#include "ipam/tree.h"

struct claim;

/* An owner's name, kept as long as a claim or an address that cools down speaks of it. */
struct owner_name {
	size_t refs;
	char s[];
};

/* An address that is not free for everybody: held, cooling down, or a stranger's. */
struct spot {
	struct taken taken;   /* first: the tree's entry is the spot */
	struct taken rest;    /* in ipam->resting while nobody holds it */
	struct hold *holders; /* in the order of joining */
	struct group *group;  /* of the first holder; NULL: not shared */
	struct tree_node by_group, by_due, by_last;
	struct owner_name *last; /* while it cools down: who may have it all the same; or NULL */
	uint64_t cool_ms, strange_ms; /* until when; 0: not */
	uint64_t due_ms;	      /* the earlier of these */
	struct spot *next;	      /* in the stock */
	enum addr_family family;
};

/* An address that a claim has, or a spare one of these for when it gets one. */
struct hold {
	struct spot *spot; /* NULL: spare */
	struct claim *claim;
	struct pool *pool; /* that it is counted for; with a reference; NULL: not known */
	enum reason note;
	struct hold *next;	/* of the claim's holds or spares */
	struct hold *next_here; /* of the spot's */
	bool wanted;		/* while settling: some want has it */
	bool check;		/* to be compared with the other holders */
	bool let_go;		/* to be given back, whatever is wanted */
	bool fresh;		/* given by us, and not known to be in use */
	bool sure;		/* the pool is the one that gave it, not just one that has it */
};

struct want {
	struct tree_node by_addr; /* in ipam->wishes, while its claim waits for this address */
	struct claim *claim;
	enum addr_family family;
	bool fixed; /* this address and no other */
	ipam_key key;
	struct pool *pool; /* one of this pool and no other; of spec.each */
	struct hold *hold;
	enum reason reason, detail; /* without a hold: why */
};

/* What is wanted for an owner; the part of a claim that the caller sets. */
struct claim_spec {
	int64_t created;
	bool any_pool, mirrored;
	struct pool **pools; /* by name, with references */
	size_t nr_pools;
	struct pool **each; /* as given, with references */
	size_t nr_each;
	struct want *wants; /* all fixed, or all of a pool, or neither */
	size_t nr_wants;
	struct share share;
};

struct claim {
	struct tree_node by_owner;
	struct tree_node by_turn;	/* in queue or waiting, by the order of being served */
	struct tree_node by_group_turn; /* in spec.share.group->waiting, while in waiting */
	struct claim *next_changed;
	struct owner_name *name;
	struct claim_spec spec;
	struct hold *holds, *spares; /* at least as many together as there are wants */
	enum reason reason;
	unsigned changed; /* enum ipam_change, since the last pass */
	unsigned due;	  /* likewise, to be told of by the next pass whatever it decides */
	uint32_t generation;
	bool present; /* a claim is there; else only addresses that it had */
	bool queued;  /* by_turn is in ipam->queue, else in ipam->waiting */
};

struct ipam {
	struct pools pools;
	struct tree taken[ADDR_V6 + 1];	  /* spots, by family */
	struct tree resting[ADDR_V6 + 1]; /* those of them that nobody holds */
	struct tree due;		  /* those with something to happen, by when */
	struct tree lost;		  /* those that cool down, by who had them */
	struct tree groups;
	struct tree wishes; /* wants of claims that wait for an address by name */
	/* One for each hold, those in use counted: taking cannot fail. */
	struct spot *stock;
	struct tree owners;
	struct tree queue;   /* claims to look at, because they or the pools changed */
	struct tree waiting; /* those that lack something, to look at when something is freed */
	struct claim *changed, **changed_end;
	ipam_changed_cb *cb;
	void *arg;
	/* Not less than how many addresses were freed and not taken again since the waiting ones
	 * were looked at: none of them can get more than that. */
	size_t nr_freed;
	uint64_t now_ms;
	uint32_t generation;
	bool started, closing;
};

static inline struct claim *
claim_of_owner(const struct tree_node *n)
{
	return n ? TREE_ENTRY(n, struct claim, by_owner) : NULL;
}

static inline struct claim *
claim_of_turn(const struct tree_node *n)
{
	return n ? TREE_ENTRY(n, struct claim, by_turn) : NULL;
}

static inline ipam_key
spot_key(const struct spot *s)
{
	return s->taken.key;
}

/* ---- ipam.c ---- */

struct claim *claim_find(const struct ipam *, const char *owner);
/* Out of the tree of its turn, whichever. */
void claim_unturn(struct ipam *, struct claim *);
/* Have it looked at by the next ipam_settle(). */
void claim_queue(struct ipam *, struct claim *);
/* It lacks something. */
void claim_wait(struct ipam *, struct claim *);
void claim_free(struct ipam *, struct claim *);
/* Spares for one hold more than it has or wants.  -ENOMEM. */
int claim_reserve_one_more(struct ipam *, struct claim *);
bool claim_may_use(const struct claim *, const struct pool *);
/* What is to be said of the address to those who wait for it is another. */
void wishes_stir(struct ipam *, enum addr_family, ipam_key);
void wishes_init(struct ipam *);
/* Claims of a sharing key may get what they could not before. */
void group_stir(struct ipam *, struct group *); /* NULL is fine */
int claim_by_group_turn(const struct tree_node *, const struct tree_node *);

/* ---- spec.c ---- */

int spec_make(struct ipam *, const struct ipam_claim *from, struct claim_spec *);
void spec_free(struct ipam *, struct claim_spec *);
bool spec_same(const struct claim_spec *, const struct claim_spec *);

/* ---- spot.c ---- */

struct owner_name *owner_name_new(const char *owner); /* NULL: out of memory */
struct owner_name *owner_name_ref(struct owner_name *);
void owner_name_unref(struct owner_name *); /* NULL is fine */
void spots_init(struct ipam *);
void spots_fini(struct ipam *);
int spot_by_group(const struct tree_node *, const struct tree_node *);
struct spot *spot_find(const struct ipam *, enum addr_family, ipam_key);
/* One more for the stock.  -ENOMEM. */
int spot_stock(struct ipam *);
void spot_unstock(struct ipam *);
/* Put one of the claim's spares on an address, whoever is there. */
struct hold *claim_take(struct ipam *, struct claim *, enum addr_family, ipam_key, struct pool *);
enum release {
	RELEASE_COOL,
	RELEASE_AT_ONCE,
	RELEASE_FOR_ALL
}; /* the last: cools for its owner too */
void claim_release(struct ipam *, struct claim *, struct hold *, enum release);
void hold_set_pool(struct ipam *, struct hold *, struct pool *);
/* The claim's group is another: so may be those of its addresses. */
void claim_regroup(struct ipam *, struct claim *);
/* The first of the holders that refuses @c, or NULL; why in *@why. */
struct hold *spot_refuses(const struct spot *, const struct claim *c, enum reason *why);
/* Of those who hold it together unlawfully the ones to yield lose it. */
void spot_sort_out(struct ipam *, struct spot *);

/* ---- settle.c, give.c ---- */

void claim_changed(struct ipam *, struct claim *, unsigned what);
/* Give the claim what it lacks, as far as it can be had; how many free addresses that took. */
/* What more there is to say of why a want got nothing. */
enum reason want_detail(const struct ipam *, const struct claim *, const struct want *);
size_t claim_serve(struct ipam *, struct claim *);

#endif
