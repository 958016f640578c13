/*
 * ipam/claim.h: what the allocator keeps of a claim, shared by ipam.c (what is wanted), settle.c
 * (deciding) and show.c (answers).
 */
#ifndef HERALD_IPAM_CLAIM_H
#define HERALD_IPAM_CLAIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipam/ipam.h"
#include "ipam/pool.h"
#include "ipam/taken.h"
#include "ipam/tree.h"

struct claim;

/* An address that a claim has, or a spare one of these for when it gets one. */
struct hold {
	struct taken taken; /* first: the tree's entry is the hold */
	enum addr_family family;
	struct claim *claim;
	struct pool *pool; /* that it is counted for; with a reference; NULL: not known */
	enum reason note;
	struct hold *next; /* of the claim's holds or spares */
	bool wanted;	   /* while settling: some want has it */
};

struct want {
	enum addr_family family;
	bool fixed; /* this address and no other */
	ipam_key key;
	struct hold *hold;
	enum reason reason; /* without a hold: why */
};

/* What is wanted for an owner; the part of a claim that the caller sets. */
struct claim_spec {
	int64_t created;
	bool any_pool, mirrored;
	struct pool **pools; /* by name, with references */
	size_t nr_pools;
	struct want *wants; /* all fixed, or none */
	size_t nr_wants;
};

struct claim {
	struct tree_node by_owner;
	struct tree_node by_turn; /* in queue or waiting, by the order of being served */
	struct claim *next_changed;
	char *owner;
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
	struct tree taken[ADDR_V6 + 1]; /* by family */
	struct tree owners;
	struct tree queue;   /* claims to look at, because they or the pools changed */
	struct tree waiting; /* those that lack something, to look at when something is freed */
	struct claim *changed, **changed_end;
	ipam_changed_cb *cb;
	void *arg;
	/* Not less than how many addresses were freed and not taken again since the waiting ones
	 * were looked at: none of them can get more than that. */
	size_t nr_freed;
	uint32_t generation;
	bool started;
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

struct claim *claim_find(const struct ipam *, const char *owner);
/* Out of the tree of its turn, whichever. */
void claim_unturn(struct ipam *, struct claim *);
/* Have it looked at by the next ipam_settle(). */
void claim_queue(struct ipam *, struct claim *);
/* Take @key, which is free, into one of the claim's spares. */
struct hold *claim_take(struct ipam *, struct claim *, enum addr_family, ipam_key, struct pool *);
void claim_release(struct ipam *, struct claim *, struct hold *);
void claim_free(struct ipam *, struct claim *);
/* Spares for one hold more than it has or wants.  -ENOMEM. */
int claim_reserve_one_more(struct claim *);
bool claim_may_use(const struct claim *, const struct pool *);

#endif
