/*
 * tests/unit/cluster/sim.h: a world of nodes on one fake loop, for the pure core of cluster/: hosts,
 * daemons that are killed and come back, a network that loses, delays, doubles and reorders, BFD, the link on
 * which clients ask, and an API server that may be away.  All chance comes from one seed.
 */
#ifndef HERALD_TESTS_UNIT_CLUSTER_SIM_H
#define HERALD_TESTS_UNIT_CLUSTER_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cluster/parts.h"

#define SIM_NODES 10
#define SIM_ADDRS 16

struct sim;

struct sim_node {
	struct sim *sim;
	unsigned id;
	char name[16];
	struct addr addr;
	struct core *core;	 /* NULL: the daemon does not run */
	bool dead;		 /* the host */
	bool api;		 /* reaches the API server */
	bool drained;		 /* by the wish of somebody */
	bool left;		 /* said goodbye */
	bool answers[SIM_ADDRS]; /* in the kernel's map */
	uint64_t answers_until;	 /* without a daemon */
	uint64_t renewed_ms;	 /* its lease */
	struct loop_timer recalc;
	/* by the other node */
	bool watch[SIM_NODES], up[SIM_NODES];
	uint64_t good_ms[SIM_NODES], bad_ms[SIM_NODES]; /* since when the session works, or not */
	uint64_t up_after[SIM_NODES];
	struct loop_timer tell[SIM_NODES];
	/* probes of this node that are under way */
	bool probing[SIM_ADDRS], seen[SIM_ADDRS];
	uint64_t probe_ms[SIM_ADDRS];
	uint64_t probes, holds, changes;
};

struct sim_addr {
	struct addr addr;
	bool wanted;
	bool unfit[SIM_NODES];
	/* What was seen by clients. */
	uint64_t two_since, none_since; /* 0: not now */
	uint64_t two_max, none_max;	/* longest, since sim_mark() */
	unsigned two_a, two_b;
	uint64_t deaf_since, deaf_max; /* of two that cannot tell each other */
};

struct sim {
	struct loop *loop;
	uint64_t seed, random;
	struct sim_node nodes[SIM_NODES];
	unsigned nr_nodes, nr_addrs;
	struct sim_addr addrs[SIM_ADDRS];
	bool has_api;			/* there is an API server at all */
	unsigned loss, dup, late;	/* of a thousand datagrams */
	bool cut[SIM_NODES][SIM_NODES]; /* from, to: datagrams and BFD */
	unsigned segment[SIM_NODES];	/* those with the same number hear each other on the link */
	struct loop_timer tick;
	unsigned tick_ms; /* how often is looked; 10 */
	uint64_t sent;
	bool trace;
	bool no_bfd;
	bool blind_probes; /* probes of others are not seen */
};

struct sim *sim_new(uint64_t seed, unsigned nr_nodes, unsigned nr_addrs, bool api);
void sim_free(struct sim *);
uint32_t sim_random(struct sim *, uint32_t n);
uint64_t sim_now(const struct sim *);
void sim_run(struct sim *, uint64_t ms);
/* Forget the longest times so far. */
void sim_mark(struct sim *);

void sim_start(struct sim *, unsigned node);
void sim_kill(struct sim *, unsigned node); /* kill -9 of the daemon */
void sim_stop(struct sim *, unsigned node); /* SIGTERM */
void sim_die(struct sim *, unsigned node);  /* the host */
void sim_boot(struct sim *, unsigned node); /* the host, daemon and all */
void sim_drain(struct sim *, unsigned node, bool);
void sim_api(struct sim *, unsigned node, bool);
void sim_recalc(struct sim *, unsigned node); /* what is wanted is worked out again, soon */
void sim_recalc_all(struct sim *);
void sim_cut(struct sim *, unsigned from, unsigned to, bool);

/* Can the two tell each other something, directly or by a third? */
bool sim_can_talk(const struct sim *, unsigned a, unsigned b);
/* Does it answer for the address now? */
bool sim_answers(const struct sim *, unsigned node, unsigned addr);
/* The one node that answers, everywhere and in everybody's eyes; -1 when there is none or no agreement. */
int sim_holder(const struct sim *, unsigned addr);
void sim_say(const struct sim *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_dump(const struct sim *);

#endif
