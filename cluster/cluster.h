/*
 * cluster/cluster.h: the nodes among themselves: who of them lives, and who holds which address.  An
 * engine for what must have one owner: members, leases and what shall be owned by whom go in; what
 * this node may hold comes out.
 *
 * Each member is watched by the three that follow it in a ring of hashed names, by BFD (which is
 * run by another room, see ops).  It is lost when a majority of its watchers says so, or when its
 * lease ran out and nothing is heard of it.  Members that were never heard, and those that are lost, watch nobody.
 * Hellos go to all members by UDP: at every change, and now and then; with them what a
 * member sees of those that it watches, and the versions of its claims and of its notes.
 *
 * Nobody takes an address from a living holder: it asks, the holder stops and gives.  What nobody
 * (living) holds is probed for on the link first, so that a holder whose daemon is away, and who still
 * answers, keeps it.  Who hears neither a watcher nor the API any more, having heard one before,
 * lets go of everything.
 */
#ifndef HERALD_CLUSTER_CLUSTER_H
#define HERALD_CLUSTER_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"

struct cluster;
struct loop;

#define CLUSTER_PORT 7480
#define CLUSTER_NAME_MAX 253 /* of a Kubernetes node */
#define CLUSTER_NOTES_MAX 16384
#define CLUSTER_KEY_MAX 64
#define CLUSTER_WATCHERS 3

struct cluster_member {
	const char *name;
	struct addr addr; /* where it is reached; unset: not at all */
};

struct cluster_conf {
	const char *self; /* one of the members, or nobody is talked to */
	const struct cluster_member *members;
	size_t nr_members;
	uint16_t port;		      /* 0: CLUSTER_PORT */
	uint8_t key[CLUSTER_KEY_MAX]; /* HMAC-SHA256 of every datagram */
	size_t key_len; /* 0: none; then only the source address and a TTL of 250 vouch */
};

/* What is thought of a member. */
enum cluster_life {
	CLUSTER_UNHEARD, /* never heard since this process began */
	CLUSTER_ALIVE,
	CLUSTER_STOPPING, /* alive, and says that it is about to end or is drained: takes nothing */
	CLUSTER_LOST,	  /* by a majority of its watchers */
	CLUSTER_LAPSED,	  /* by its lease */
	CLUSTER_GONE,	  /* it said goodbye */
	CLUSTER_NR_LIVES
};
const char *cluster_life_name(enum cluster_life);     /* "unheard", "alive", ... */
const char *cluster_life_sentence(enum cluster_life); /* for people */

enum cluster_lease { CLUSTER_LEASE_UNKNOWN, CLUSTER_LEASE_FRESH, CLUSTER_LEASE_OUT };

struct cluster_ops {
	/* Watch this member by BFD, or (!on) do not any more; cluster_watched() tells the outcome.
	 * Both ends of every pair are told to. */
	void (*watch)(void *arg, const char *name, const struct addr *, bool on);
	/* Is the address in use on its link?  cluster_probed() answers, always, within 300 ms or so. */
	void (*probe)(void *arg, const struct addr *, size_t nr);
	/* What this node holds is another set than before: cluster_holds().  What is not in it must not be
	 * answered for when this returns, as it may be told to others then. */
	void (*hold)(void *arg);
	/* Who lives, who holds, or a member's notes: what shall be is to be worked out again. */
	void (*changed)(void *arg);
};

/* NULL: *err.  Says nothing before cluster_set(). */
struct cluster *cluster_new(struct loop *, const struct cluster_ops *, void *arg, int *err);
void cluster_free(struct cluster *); /* says nothing; NULL is fine */
const char *cluster_error(const struct cluster *);

/* Members, port, key.  No members: it is silent, alone, and holds what it is wanted to, without asking.
 * Copied. -ENOMEM, -EINVAL. */
int cluster_set(struct cluster *, const struct cluster_conf *) __attribute__((warn_unused_result));

/* ---- what goes in ---- */
void cluster_watched(struct cluster *, const char *name, bool up);
void cluster_leased(struct cluster *, const char *name, enum cluster_lease);
/* Does the API server answer?  Without one: never. */
void cluster_api(struct cluster *, bool answers);
/* Free or not; !known: could not be found out (no link): as if it were in use. */
void cluster_probed(struct cluster *, const struct addr *, bool known, bool in_use);
/* What others shall know of this node, opaque; e.g. its devices.  At most CLUSTER_NOTES_MAX. */
int cluster_note(struct cluster *, const void *, size_t) __attribute__((warn_unused_result));
/* What an earlier process of this node still answered for when this one began: held on, before
 * anything else is known. */
int cluster_adopt(struct cluster *, const struct addr *, size_t nr)
    __attribute__((warn_unused_result));

/*
 * What shall be: of each address the member that is chosen ("": none of those that live) and whether this
 * node may have it at all.  Complete; addresses that are not in it are let go of at once.  Copied.
 */
struct cluster_want {
	struct addr addr; /* in order, each once */
	const char *owner;
	bool fit; /* this node is a candidate */
};
int cluster_want(struct cluster *, const struct cluster_want *, size_t nr)
    __attribute__((warn_unused_result));

/* Takes nothing any more; the others take what this one holds.  @drained false: takes part again. */
void cluster_drain(struct cluster *, bool drained);
/* As that, for good; @done when everything was given to somebody, or there is nobody to take it, or
 * @timeout_ms have passed.  What is left is held on. */
void cluster_leave(struct cluster *, unsigned timeout_ms, void (*done)(void *arg), void *arg);

/* ---- what comes out ---- */
bool cluster_holds(const struct cluster *, const struct addr *);
size_t cluster_nr_held(const struct cluster *);
/* The living member, this one too, that says it holds it; NULL: none.  Of several the one that wins. */
const char *cluster_holder(const struct cluster *, const struct addr *);
enum cluster_life cluster_life(const struct cluster *, const char *name);
const void *cluster_notes(
    const struct cluster *, const char *name, size_t *len); /* NULL: none yet */
/* How long this node and the members that live have known each other, at least: what nothing urges waits for
 * that.  Milliseconds. */
uint64_t cluster_settled_ms(const struct cluster *);
/* Neither a watcher nor the API was heard of: holds nothing. */
bool cluster_is_cut_off(const struct cluster *);

struct cluster_seen {
	const char *name;
	struct addr addr;
	enum cluster_life life;
	uint64_t since_ms, heard_ms;	/* in this life; last heard from it directly; 0: never */
	bool self, watched, watched_up; /* by this node */
	const char *const *watchers;	/* of it */
	size_t nr_watchers, nr_say_lost;
	enum cluster_lease lease;
	size_t held;
	uint64_t sent, received, refused; /* datagrams to and from it */
};
/* In the order of names; borrowed for the call. */
void cluster_each(
    const struct cluster *, bool (*each)(void *, const struct cluster_seen *), void *arg);

/* How an address comes to this node, or does not. */
enum cluster_step {
	CLUSTER_NOT_OURS, /* another is chosen, and nothing is to be done */
	CLUSTER_HELD,
	CLUSTER_ASKING,	 /* its living holder, for it */
	CLUSTER_PROBING, /* the link, whether it is in use */
	CLUSTER_IN_USE,	 /* somebody answers for it; probed again soon */
	CLUSTER_GIVING,	 /* held until the chosen one asks */
	CLUSTER_WAITING	 /* just began, or is cut off */
};
enum cluster_step cluster_step(const struct cluster *, const struct addr *);
const char *cluster_step_sentence(enum cluster_step);

#endif
