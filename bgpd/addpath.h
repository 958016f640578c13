/*
 * bgpd/addpath.h: what a group was sent when that is several paths of a prefix (RFC 7911), for the files that
 * know groups; see addpath.c.  The path identifier that is sent is the number of the path: ours alone to choose
 * (RFC 7911 3).
 */
#ifndef HERALD_BGPD_ADDPATH_H
#define HERALD_BGPD_ADDPATH_H

#include "bgpd/out.h"

struct add_path {
	uint32_t next; /* of the same node */
	uint32_t path_id, set;
	uint16_t src;
};
struct add_table *addpath_new(void); /* NULL: no memory */
void addpath_free(struct out_group *);
void addpath_flush(struct out_group *, const uint32_t *nodes, size_t nr);
/* Look at a node for the first time, when nobody was told of it.  -ENOMEM. */
int addpath_build(struct out_group *, uint32_t node);
/* All that was sent of the nodes from @from to below @to.  -ENOMEM. */
struct emit;
int addpath_emit(struct out_group *, uint32_t from, uint32_t to, struct emit *);
/* Likewise of what was noted for the member.  -ENOMEM: all stays noted. */
int addpath_notes(struct member *, size_t room);
/* Note in what two groups differ for the member.  -ENOMEM. */
int addpath_compare(struct member *, const struct out_group *from, const struct out_group *to);
uint32_t addpath_count(const struct member *);
/* What the member was sent of the node: each in turn; NULL at the end. @at: NULL at first. */
const struct add_path *addpath_next(
    const struct member *, uint32_t node, const struct add_path *at);

#endif
