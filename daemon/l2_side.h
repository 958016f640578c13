/*
 * daemon/l2_side.h: what the parts of layer 2 in the daemon share: l2_apply.c (from the store to what is
 * answered for), l2_nodes.c (the nodes among themselves: members, BFD between them, their devices),
 * l2_lease.c (the Leases of those that are not heard), l2_show.c (what people are shown).
 *
 *   store, devices, who holds what  ->  l2_wanted.c: who shall  ->  cluster/: who may, now  ->  l2/
 */
#ifndef HERALD_DAEMON_L2_SIDE_H
#define HERALD_DAEMON_L2_SIDE_H

#include "bfd/bfd.h"
#include "cluster/cluster.h"
#include "daemon/app.h"
#include "daemon/l2_wanted.h"

#include <jansson.h>

struct l2_lease_looks;
struct l2_node;
struct l2_notes;
struct l2_strangers;

struct l2_side {
	struct app *app;
	struct cluster
	    *cluster;	       /* NULL: could not be made; then owners are computed, and no more */
	struct arena arena;    /* of @want */
	struct l2_wanted want; /* as it was worked out last */
	bool worked_out;
	bool nodes_stale;		 /* members or their settings may be others */
	bool notes_stale;		 /* our devices may be others */
	bool adopted;			 /* there is what an earlier process answers for */
	bool met_others;		 /* another node was heard: answers have an end then */
	bool drained;			 /* by a person */
	bool leaving;			 /* the process ends */
	size_t luxuries;		 /* that would come to us, though nothing urges them to */
	uint64_t done_ms, rest_ms;	 /* worked out last; and how long it then rests */
	uint64_t move_tokens, tokens_ms; /* moves that nothing urges */
	struct loop_timer soon, beat;

	struct l2_node **nodes; /* those that BFD watches or whose devices are known, by name */
	size_t nr_nodes, cap_nodes;
	size_t nr_up; /* BFD sessions */
	struct l2_strangers *strangers;
	struct l2_lease_looks *leases; /* NULL: files are the only source */
};

/* ---- l2_nodes.c ---- */
void l2_nodes_init(struct l2_side *);
void l2_nodes_fini(struct l2_side *);
/* Members, settings and what others shall know of our devices: as the store and the engine say now. */
void l2_nodes_follow(struct l2_side *);
/* For l2_wanted(). */
enum reason l2_nodes_life(const struct l2_side *, const char *name);
/* What another node says of itself; NULL: nothing yet.  Until the next call. */
const struct l2_notes *l2_nodes_notes(struct l2_side *, const char *name);
/* Is it of one of our devices, or of those of a node that was heard? */
bool l2_nodes_have_mac(struct l2_side *, const uint8_t mac[6]);
bool l2_nodes_devices(
    struct l2_side *, const char *name, const struct l2_seen_device **, size_t *nr);

/* ---- l2_notes.c: what nodes tell each other of themselves ---- */
struct l2_notes {
	const struct l2_seen_device *devices;
	size_t nr_devices;
	const struct addr *strangers; /* addresses that somebody else was found to use */
	size_t nr_strangers;
	/* BGP sessions that are up, "INSTANCE/PEER"; !has_sessions: nothing is said of them. */
	const char *const *sessions;
	size_t nr_sessions;
	bool has_sessions;
};
/* As text; of the devices those with an address, or that @named says yes to.  For free(). */
char *l2_notes_format(
    const struct l2_notes *, bool (*named)(void *arg, const char *device), void *arg);
/* Into @arena; false: not what such notes look like. */
bool l2_notes_parse(const char *text, size_t len, struct arena *arena, struct l2_notes *out);

/* ---- l2_strangers.c ---- */
struct l2_strangers *l2_strangers_new(void);
void l2_strangers_free(struct l2_strangers *); /* NULL is fine */
void l2_strangers_probed(struct l2_side *, const struct l2_probed *);
/* Addresses that this node is sure of; in @arena. */
size_t l2_strangers_told(struct l2_side *, struct arena *, const struct addr **out);
/* What all nodes are sure of, to ipam/. */
void l2_strangers_follow(struct l2_side *);

/* ---- l2_lease.c ---- */
struct l2_lease_looks *l2_lease_new(struct l2_side *);
void l2_lease_free(struct l2_lease_looks *); /* NULL is fine */
/* Now and then: look at the Leases of some that are not heard. */
void l2_lease_look(struct l2_lease_looks *);
/* No node is heard any more: is the API server there?  cluster_api() within a quarter second. */
void l2_lease_ask(struct l2_lease_looks *);

/* ---- l2_show.c ---- */
void l2_show_alarm(struct l2_side *, const struct l2_alarm *);

/* ---- l2_apply.c ---- */
/* Our devices, copied into @arena; false: not known yet. */
bool l2_apply_devices(struct app *, struct arena *, const struct l2_seen_device **, size_t *nr);
/* What is wanted; @explain NULL or the address whose candidates are explained.  False: not known yet. */
bool l2_apply_work_out(
    struct l2_side *, const struct addr *explain, struct arena *, struct l2_wanted *);
/* Soon; @urgent: nothing of a burst is waited for. */
void l2_side_soon(struct l2_side *, bool urgent);
/* Answer for what this node holds, as it was worked out last. */
void l2_side_hold(struct l2_side *);

#endif
