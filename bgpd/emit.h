/*
 * bgpd/emit.h: what a group or a member is told as bytes (emit.c), for those who tell: out.c, member.c, addpath.c.
 */
#ifndef HERALD_BGPD_EMIT_H
#define HERALD_BGPD_EMIT_H

#include "bgpd/out.h"

typedef void emit_fn(void *arg, struct bgp_block *, uint16_t not_src, uint16_t not_nh);

/* Changes becoming blocks.  A block is for all members but two, so it ends when those change. */
struct emit {
	struct out_group *group;
	emit_fn *fn; /* is lent the block */
	void *arg;
	struct bgp_block *block;
	bool open;
	struct bgp_pack pack;
	struct bgp_attrs attrs;
	uint32_t set;
	uint32_t path_id; /* of what is added next; for groups that are sent several paths */
	uint16_t not_src, not_nh;
};
void emit_begin(struct emit *, struct out_group *, emit_fn *, void *arg);
/* @set 0: a withdrawal.  -ENOMEM: not added, what came before is fine. */
int emit_add(struct emit *, uint32_t node, uint32_t set, uint16_t not_src, uint16_t not_nh);
void emit_end(struct emit *);

#endif
