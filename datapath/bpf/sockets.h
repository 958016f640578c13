/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * datapath/bpf/sockets.h: the choice of a backend for a socket.  Who asks is on this node, so the
 * internal traffic policy holds; the choice is by chance, as each socket is chosen for once.
 */
#ifndef HERALD_BPF_SOCKETS_H
#define HERALD_BPF_SOCKETS_H

#include "datapath/bpf/base.h"

INLINE __u8
filter_of(const struct lb_addr *a)
{
	__u32 zero = 0;
	struct lb_filter *f = bpf_map_lookup_elem(&filter, &zero);

	return f ? f->bits[lb_filter_index(a) & (LB_FILTER_SIZE - 1)] : 0;
}

INLINE bool
is_maybe_vip(const struct lb_addr *a)
{
	return filter_of(a) & LB_IS_VIP;
}

INLINE bool
is_maybe_backend(const struct lb_addr *a)
{
	return filter_of(a) & LB_IS_BACKEND;
}

INLINE __u64
word_of_tables(__u32 i)
{
	__u64 *w = bpf_map_lookup_elem(&tables, &i);

	return w ? *w : 0;
}

/* The backend in a slot by chance, so that weights count. */
INLINE __u32
any_backend(__u64 table)
{
	__u32 off = LB_TABLE_OFF(table), nr = LB_TABLE_NR(table);
	__u32 slot = (__u32)((__u64)bpf_get_prandom_u32() * LB_TABLE_SLOTS(table) >> 32);
	__u64 word = word_of_tables(off + lb_slot_word(slot, nr));
	__u32 i = lb_slot_in(word, slot, nr);

	if (i >= nr)
		return LB_ROW_NONE;
	word = word_of_tables(off + (i >> 1));
	return (__u32)(word >> (i & 1) * 32);
}

INLINE bool
takes_flows(__u32 row)
{
	struct lb_be_row *be = be_row(row);

	return be && (be->flags & (LB_BE_LIVE | LB_BE_TERMINATING)) == LB_BE_LIVE;
}

/*
 * For a socket of the network namespace @netns (sessionAffinity holds for each) that asks for @k:
 * LB_FORWARDED with @to's frontend and backend; LB_NOT_OURS; or why not.
 */
INLINE __u32
sock_choose(__u64 netns, const struct lb_fe_key *k, struct lb_sock *to)
{
	struct lb_affinity_key ak = { .client.w = { 0, 0, (__u32)netns, (__u32)(netns >> 32) },
		.scope = LB_NR_SCOPES };
	struct lb_affinity now = { .seen = now_ticks() }, *last;
	__u32 *row = bpf_map_lookup_elem(&frontends, k);
	struct lb_fe_row *fe;
	__u64 table;

	if (!row || *row == LB_ROW_NONE)
		return LB_NOT_OURS;
	fe = fe_row(*row);
	if (!fe || !(fe->flags & LB_FE_LIVE))
		return LB_NOT_OURS;
	to->frontend = *row;
	ak.frontend = *row;
	if (fe->flags & LB_FE_AFFINITY) {
		last = bpf_map_lookup_elem(&affinity, &ak);
		if (last && (__u64)(now.seen - last->seen) * 1074 <= (__u64)fe->affinity_s * 1000 &&
		    takes_flows(last->backend)) {
			to->backend = last->backend;
			return LB_FORWARDED;
		}
	}
	table = READ_ONCE(fe->table[LB_INTERNAL]);
	if (!LB_TABLE_SLOTS(table))
		return LB_NO_BACKEND;
	to->backend = any_backend(table);
	if (!takes_flows(to->backend))
		return LB_NO_BACKEND;
	if (fe->flags & LB_FE_AFFINITY) {
		now.backend = to->backend;
		bpf_map_update_elem(&affinity, &ak, &now, BPF_ANY);
	}
	return LB_FORWARDED;
}

INLINE void
count_sock(__u32 fe, __u32 be)
{
	struct lb_count *c = bpf_map_lookup_elem(&fe_counts, &fe);

	if (c)
		c->flows++;
	c = bpf_map_lookup_elem(&be_counts, &be);
	if (c)
		c->flows++;
}

#endif
