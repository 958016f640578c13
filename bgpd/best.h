/*
 * bgpd/best.h: the decision process of RFC 4271 9.1.2 over the paths of one prefix.  A pure
 * function: no table, no time.  The RIB fills in what it knows of each path and marks the result.
 */
#ifndef HERALD_BGPD_BEST_H
#define HERALD_BGPD_BEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"

/* The steps in their order; the value is also "what this path lost by". */
enum best_step {
	BEST_CHOSEN,	   /* it did not lose */
	BEST_LOCAL,	   /* our own path is there: weight above all, as everywhere */
	BEST_STALE,	   /* RFC 9494 4.4: a long-lived stale one is the least preferred */
	BEST_LOCAL_PREF,   /* 9.1.2: highest degree of preference */
	BEST_PATH_LEN,	   /* 9.1.2.2 a */
	BEST_ORIGIN,	   /* b */
	BEST_MED,	   /* c: among paths of the same neighbouring AS only */
	BEST_EBGP,	   /* d */
	BEST_IGP_COST,	   /* e */
	BEST_ROUTER_ID,	   /* f; the ORIGINATOR_ID stands for it (RFC 4456 9) */
	BEST_CLUSTER_LEN,  /* RFC 4456 9 */
	BEST_PEER_ADDRESS, /* g */
	BEST_PATH_ID,	   /* the same peer's (RFC 7911): the lowest identifier */
	BEST_ORDER,	   /* the same peer's: the first given */
	BEST_NR_STEPS
};

struct best_path {
	/* In. */
	bool local, ebgp;
	bool stale; /* long-lived stale, here or where it comes from (LLGR_STALE) */
	uint8_t origin;
	uint32_t local_pref; /* 100 when the path had none */
	uint32_t path_len;
	uint32_t neighbour_as; /* who sent the MED; 0: our own AS */
	uint32_t med;	       /* 0 when the path had none */
	uint32_t igp_cost;     /* of the next hop; all 0 here: every next hop is taken as near */
	uint32_t router_id;
	uint32_t cluster_len;
	uint32_t path_id;
	struct addr peer;
	const uint8_t *as_path; /* in wire form; looked at without relax */
	uint32_t as_path_bytes;
	void *ref; /* the caller's */
	/* Out. */
	enum best_step lost_by;
	bool multipath; /* one of those that share the load with the best, or the best itself */
};

/*
 * Choose among @nr feasible paths.  Returns the index of the best, or nr when nr is 0.
 * At most @max_ebgp, or @max_ibgp when the best is an internal peer's, get .multipath: those that
 * are still even after step e.  With @relax, all AS paths of the same length are even; without it
 * the neighbouring AS has to be that of the best path, between internal peers the whole AS path
 * (as FRR has it).
 */
size_t best_choose(struct best_path *, size_t nr, unsigned max_ebgp, unsigned max_ibgp, bool relax);

/*
 * Put them in order, the best first.  Behind it MEDs count between different neighbouring ASes, too:
 * without that the steps are no order.
 */
void best_rank(struct best_path *, size_t nr);

/* "local", "local-pref", ... for people. */
const char *best_step_name(enum best_step);

#endif
