/*
 * bgpd/import.h: what import makes of a route (import.c), for intake.c, where routes come in, and sweep.c, which
 * puts all of a peer's through other rules.
 */
#ifndef HERALD_BGPD_IMPORT_H
#define HERALD_BGPD_IMPORT_H

#include "bgpd/sweep.h"

/* What import makes of one attribute set; prefixes of an UPDATE mostly share the rule too. */
struct import {
	uint32_t in;  /* as received; borrowed */
	uint8_t loop; /* enum path_why that holds for all prefixes */
	bool
	    alike; /* no rule asks for the prefix: all of a family come out as the first one does */
	int rule;  /* the one that .set was made by; -1: none yet */
	uint32_t set; /* with a reference */
};

/* What rules say about attribute sets is asked again: their numbers may be others' by now. */
void import_forget(struct adj *);
/* From now on it is about routes with these attributes; @im was zeroed, or begun before. */
void import_begin(struct adj *, struct import *im, uint32_t in);
/* What becomes of a prefix: *set (borrowed, 0: not feasible) and why (enum path_why).  -ENOMEM. */
int import_prefix(
    struct adj *, struct import *im, const struct prefix *, uint32_t *set, uint8_t *why);
void import_end(struct adj *, struct import *im);
/* Import a path again, for rules that changed; @im a struct import, zeroed at first.  -ENOMEM. */
adj_path_fn import_again;

#endif
