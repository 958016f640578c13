/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * datapath/bpf/select.h: from what a packet says to where it goes.  decide() first asks the flow
 * tables; for a new flow it looks the frontend up, applies the policies, chooses a backend and, where
 * replies would not find back by themselves, a port of our own.
 */
#ifndef HERALD_BPF_SELECT_H
#define HERALD_BPF_SELECT_H

#include "datapath/bpf/flow.h"

/*
 * A port that a connection had is left alone for as long as the backend may remember the connection
 * (TIME-WAIT, 60 s, and five more until its kernel's timer comes round): another client's clock may be
 * behind the one that it remembers, and what it is sent is then taken for old (RFC 7323 5.2).  Where
 * most ports are like that the last tries are content with less.
 */
#define SNAT_TRIES 14
#define SNAT_HOLD_TICKS(try) ((try) < 10 ? 62U : (try) < 12 ? 16U : 1U)

INLINE bool
at_edge(const __u32 hook)
{
	return hook == LB_AT_XDP || hook == LB_AT_NET;
}

/* Is the address in the set?  Sets of IPv6 have numbers of their own. */
INLINE bool
in_ranges(__u32 set, const struct lb_addr *a, const bool v6)
{
	struct scratch *tmp = the_scratch();

	if (!tmp)
		return false;
	tmp->range = (struct lb_range_key){
		.prefixlen = v6 ? 160 : 64, .set = v6 ? set | LB_RANGES_V6 : set, .addr = *a
	};
	return bpf_map_lookup_elem(&src_ranges, &tmp->range) != NULL;
}

INLINE __u32
table_word(__u32 i, __u64 *word)
{
	__u64 *w = bpf_map_lookup_elem(&tables, &i);

	*word = w ? *w : 0;
	return w != NULL;
}

/*
 * The flow's hash, the same on every node (Maglev, section 3.4): the node that a router moves a flow
 * to makes the same choice.  With affinity the client alone counts.
 */
INLINE __u32
choice_hash(const struct pkt *p, bool whole, const bool v6)
{
	__u64 h = (__u64)p->daddr.w[0] << 32 | p->saddr.w[0];

	if (v6) {
		h ^= lb_mix((__u64)p->saddr.w[1] << 32 | p->daddr.w[1]);
		h ^= lb_mix(((__u64)p->saddr.w[2] << 32 | p->daddr.w[2]) + LB_MIX2);
		h ^= lb_mix(((__u64)p->saddr.w[3] << 32 | p->daddr.w[3]) + LB_MIX1);
	}
	h = lb_mix(h);
	h ^= h >> 29;
	h += (__u64)p->dport << 16 | p->proto;
	if (whole)
		h += (__u64)p->sport << 40;
	return (__u32)(lb_mix(h) >> 32);
}

/* The backend in a table's slot for this hash; LB_ROW_NONE when the table is broken. */
INLINE __u32
table_choose(__u64 table, __u32 hash)
{
	__u32 off = LB_TABLE_OFF(table), nr = LB_TABLE_NR(table);
	__u32 slot = (__u32)((__u64)hash * LB_TABLE_SLOTS(table) >> 32), i;
	__u64 word;

	if (!table_word(off + lb_slot_word(slot, nr), &word))
		return LB_ROW_NONE;
	i = lb_slot_in(word, slot, nr);
	if (i >= nr || !table_word(off + (i >> 1), &word))
		return LB_ROW_NONE;
	return (__u32)(word >> (i & 1) * 32);
}

INLINE bool
be_usable(__u32 row, __u32 *flags)
{
	struct lb_be_row *be = be_row(row);

	if (!be)
		return false;
	*flags = READ_ONCE(be->flags);
	return (*flags & (LB_BE_LIVE | LB_BE_TERMINATING)) == LB_BE_LIVE;
}

/* Where the client went last, while that counts. */
INLINE __u32
affinity_choose(const struct lb_affinity_key *k, __u32 seconds, __u32 now)
{
	struct lb_affinity *a = bpf_map_lookup_elem(&affinity, k);
	__u32 flags;

	/* A tick is 1.074 s. */
	if (!a || (__u64)(now - a->seen) * 1074 > (__u64)seconds * 1000 ||
	    !be_usable(a->backend, &flags))
		return LB_ROW_NONE;
	count(LB_X_AFFINITY);
	return a->backend;
}

INLINE __u32
choose(const struct pkt *p, const struct lb_fe_row *fe, __u32 row, const __u32 scope, __u64 table,
    __u32 now, const bool v6)
{
	const bool sticky = fe->flags & LB_FE_AFFINITY;
	struct scratch *tmp = the_scratch();
	__u32 be = LB_ROW_NONE, flags, hash;
	__u64 prev;

	if (!tmp)
		return LB_ROW_NONE;
	if (sticky) {
		tmp->affinity_key =
		    (struct lb_affinity_key){ .client = p->saddr, .frontend = row, .scope = scope };
		be = affinity_choose(&tmp->affinity_key, fe->affinity_s, now);
	}
	if (be == LB_ROW_NONE) {
		hash = fe->flags & LB_FE_RANDOM && !sticky ? bpf_get_prandom_u32()
							   : choice_hash(p, !sticky, v6);
		/*
		 * A connection under way that this node never saw: another node's, brought here by a
		 * router that spreads anew.  Most are older than the last change.
		 */
		prev = READ_ONCE(fe->prev[scope]);
		if (prev && p->proto == IPPROTO_TCP && !(p->tcp & FLAG_SYN)) {
			be = table_choose(prev, hash);
			if (be != LB_ROW_NONE && be_usable(be, &flags))
				count(LB_X_PREVIOUS);
			else
				be = LB_ROW_NONE;
		}
		if (be == LB_ROW_NONE)
			be = table_choose(table, hash);
	}
	if (sticky && be != LB_ROW_NONE) {
		tmp->affinity = (struct lb_affinity){ .backend = be, .seen = now };
		bpf_map_update_elem(&affinity, &tmp->affinity_key, &tmp->affinity, BPF_ANY);
	}
	return be;
}

/* ---- a port of our own ---- */

/* Where a packet of a client comes from, as key_of() has it. */
INLINE __u64
ends_of(const struct pkt *p, const bool v6)
{
	return (v6 ? 0 : (__u64)p->saddr.w[0]) | (__u64)p->sport << 32;
}

/*
 * Would two flows of one client look the same to the backend: same ends, another frontend?  What is
 * over makes way: replies would find it.
 */
INLINE bool
collides(const struct lb_conf *c, const struct scratch *tmp, const bool v6)
{
	const __u32 hash = tmp->hash;
	void *b = bucket(hash, v6);

	if (!b)
		return false;
	for (__u32 n = 0; n < LB_WAYS; n++) {
		__u32 i = nth_way(n, hash);
		__u64 key = READ_ONCE(*way_key(b, i, v6)), v;

		if ((key ^ ends_of(&tmp->p, v6)) << 16 != 0)
			continue;
		if (v6 && !way_has_client(b, i, &tmp->p.saddr))
			continue;
		v = READ_ONCE(*way_value(b, i, v6));
		if (!entry_in_use(v) || !shows_client(key, v) || LB_FLOW_BACKEND(v) != tmp->w.be ||
		    (LB_FLOW_FRONTEND(v) == tmp->w.fe && !LB_FLOW_TWIN(v)))
			continue;
		/* Of the same frontend and port it was remembered, see own_way(): it lives again. */
		if (!entry_expired(c, v, tmp->now) &&
		    (LB_FLOW_FRONTEND(v) != tmp->w.fe || key_snat(key) != tmp->p.sport))
			return true;
		if (!value_swap(way_value(b, i, v6), v, 0))
			return true;
	}
	return false;
}

/* May the port that flow @v had go to the one in scratch? */
INLINE bool
port_is_over(const struct lb_conf *c, const struct scratch *tmp, __u64 key, __u64 v, __u32 hold,
    void *b, __u32 i, const bool v6)
{
	const __u64 mine = ends_of(&tmp->p, v6);

	if (entry_expired(c, v, tmp->now))
		return true;
	if (LB_FLOW_STATE(v) != LB_ST_CLOSED)
		return false;
	/* The same connection once more looks to the backend as it would without us. */
	if (((LB_FLOW_KEEPS(v) ? key_turned(key) : key) ^ mine) << 16 == 0 &&
	    LB_FLOW_FRONTEND(v) == tmp->w.fe && (!v6 || way_has_client(b, i, &tmp->p.saddr)))
		hold = 1;
	return entry_idle(v, tmp->now) > hold;
}

/* Would the backend take the flow @key, @v of this bucket for one from @port? */
INLINE bool
shows_port(
    const struct scratch *tmp, __be16 port, __u64 key, __u64 v, void *b, __u32 i, const bool v6)
{
	if (!LB_FLOW_KEEPS(tmp->value))
		return LB_FLOW_TWIN(v) && !LB_FLOW_KEEPS(v) && key_snat(key) == port;
	return shows_client(key, v) && key_client_port(key) == port &&
	    (v6 ? way_has_client(b, i, &tmp->p.saddr) : (__u32)key == tmp->p.saddr.w[0]);
}

/* Is the port free toward the backend?  One that came back has another row than the flows that it
 * had before, and they stand here as well. */
INLINE bool
port_is_free(const struct lb_conf *c, void *b, __u32 hash, __be16 port, const struct lb_be_row *be,
    __u32 hold, const struct scratch *tmp, const bool v6)
{
	bool spare = false;

	for (__u32 n = 0; n < LB_WAYS; n++) {
		__u32 i = nth_way(n, hash);
		struct lb_be_row *had;
		__u64 key, v;

		if (n == LB_WAYS / 2 && spare)
			break;
		key = READ_ONCE(*way_key(b, i, v6));
		spare |= way_is_new(b, i, key, v6);
		v = READ_ONCE(*way_value(b, i, v6));
		if (LB_FLOW_STATE(v) == LB_ST_FREE || !shows_port(tmp, port, key, v, b, i, v6))
			continue;
		had = be_row(LB_FLOW_BACKEND(v));
		if (!had || !addr_eq(&had->addr, &be->addr, v6) || had->port != be->port ||
		    had->proto != be->proto)
			continue;
		if (!port_is_over(c, tmp, key, v, hold, b, i, v6))
			return false;
		/* It must not be found any more: replies would go to whom it had before. */
		if (!value_swap(way_value(b, i, v6), v, 0))
			return false;
	}
	return true;
}

/*
 * Try a port for the flow in scratch: when it is free, or was given back @hold ticks ago, its twin
 * is made there.  1: done; 0: taken, or
 * no room.  value: as the twin shall have it.
 */
INLINE int
twin_make(__be16 port, __u32 hold, const bool v6)
{
	struct scratch *tmp = the_scratch();
	struct lb_conf *c = the_conf();
	__u64 *slot, *key, value;
	struct lb_be_row *be;
	struct end *e;
	__u32 hash;
	void *b;

	if (!c || !tmp)
		return 0;
	be = be_row(tmp->w.be);
	if (!be)
		return 0;
	value = tmp->value;
	e = &tmp->client; /* the stack is short here */
	e->addr = be->addr;
	e->port = be->port;
	e->snat = port;
	if (LB_FLOW_KEEPS(value)) {
		e->addr = tmp->p.saddr;
		e->port = port;
		e->snat = 0;
	}
	hash = end_hash(e, c->seed, v6);
	b = bucket(hash, v6);
	if (!b || !port_is_free(c, b, hash, port, be, hold, tmp, v6))
		return 0;
	slot = way_take(c, b, hash, tmp->now, WAY_NONE, v6, &key);
	if (!slot)
		return 0;
	e->addr = tmp->p.saddr;
	e->port = LB_FLOW_KEEPS(value) ? port : tmp->p.sport;
	e->snat = LB_FLOW_KEEPS(value) ? tmp->p.sport : port;
	way_fill(slot, key, e, value | LB_FLOW_TWIN_BIT, v6);
	return 1;
}

__noinline int
lb_twin_make4(__u32 port, __u32 hold)
{
	return twin_make((__be16)port, hold, false);
}

__noinline int
lb_twin_make6(__u32 port, __u32 hold)
{
	return twin_make((__be16)port, hold, true);
}

/* A port of ours for the flow; 0: none of those tried is free. */
INLINE __be16
snat_port(const struct lb_conf *c, __u32 hash, const bool v6)
{
	for (__u32 i = 0; i < SNAT_TRIES; i++) {
		__u32 port = bpf_htons((__u16)(c->snat_port_min +
		    (__u32)((__u64)(hash + i * 0x9e3779b1U) * c->snat_port_nr >> 32)));
		__u32 hold = SNAT_HOLD_TICKS(i);

		if (v6 ? lb_twin_make6(port, hold) : lb_twin_make4(port, hold))
			return (__be16)port;
	}
	return 0;
}

/* ---- the stages of a new flow ---- */

/* Which row serves the destination. */
INLINE __u32
frontend_find(const struct pkt *p, const bool v6, __u32 *row)
{
	struct scratch *tmp = the_scratch();
	__u32 *found;

	if (!tmp)
		return LB_HELPER;
	tmp->fe = (struct lb_fe_key){
		.addr = p->daddr, .port = p->dport, .proto = p->proto, .family = v6 ? 6 : 4
	};
	found = bpf_map_lookup_elem(&frontends, &tmp->fe);
	if (found) {
		*row = *found;
		return LB_FORWARDED;
	}
	tmp->fe.port = 0;
	tmp->fe.proto = 0;
	return bpf_map_lookup_elem(&frontends, &tmp->fe) ? LB_NO_SERVICE : LB_NOT_OURS;
}

/* What the policies say of it: which table, or why none. */
INLINE __u32
admit(const struct pkt *p, const struct lb_fe_row *fe, __u32 row, const __u32 hook, const bool v6,
    __u32 *scope, __u64 *table)
{
	const __u32 cares = LB_FE_NON_ROUTABLE | LB_FE_SOURCE_RANGES;
	__u32 flags = READ_ONCE(fe->flags);
	__u64 external = READ_ONCE(fe->table[LB_EXTERNAL]);

	*scope = LB_INTERNAL;
	*table = READ_ONCE(fe->table[LB_INTERNAL]);
	/* Where from is asked only where it matters: it costs more than all the rest. */
	if (at_edge(hook) && (external != *table || flags & cares) &&
	    !in_ranges(LB_RANGES_CLUSTER, &p->saddr, v6)) {
		*scope = LB_EXTERNAL;
		*table = external;
		if (flags & LB_FE_NON_ROUTABLE)
			return LB_NON_ROUTABLE;
		if (flags & LB_FE_SOURCE_RANGES && !in_ranges(row + 1, &p->saddr, v6))
			return LB_SOURCE_RANGE;
	}
	if (LB_TABLE_SLOTS(*table))
		return LB_FORWARDED;
	if (flags & (*scope == LB_EXTERNAL ? LB_FE_EXTERNAL_LOCAL : LB_FE_INTERNAL_LOCAL))
		return LB_NO_LOCAL;
	return LB_NO_BACKEND;
}

/* Did another backend, or this one under another port, see the client in the flow's last life, and may it
 * remember that? */
INLINE bool
is_remembered(
    const struct lb_conf *c, const struct scratch *tmp, const struct way *w, bool other_port)
{
	return LB_FLOW_TCP(tmp->value) && LB_FLOW_STATE(tmp->value) > LB_ST_OPEN &&
	    !key_snat(tmp->key) && (other_port || LB_FLOW_BACKEND(tmp->value) != w->be) &&
	    !entry_expired(c, tmp->value, tmp->now);
}

/*
 * The way for the flow's own entry: that of its last life, or another.  A life that a backend remembers
 * stays until that forgets it, as the twin of nothing: found by collides() and by late replies.
 */
INLINE __u64 *
own_way(const struct lb_conf *c, struct scratch *tmp, bool other_port, const bool v6, __u64 **key)
{
	void *b = bucket(tmp->hash, v6);
	__u32 i = tmp->old_way;

	if (!b)
		return NULL;
	if (i < WAY_NONE)
		i &= WAY_MASK;
	if (i < WAY_NONE &&
	    value_swap(
		way_value(b, i, v6), tmp->value, VALUE_BUSY | (__u64)(__u16)tmp->now << 48)) {
		*key = way_key(b, i, v6);
		if (!is_remembered(c, tmp, &tmp->w, other_port))
			return way_value(b, i, v6);
		tmp->client.addr = tmp->p.saddr;
		tmp->client.port = tmp->client.snat = tmp->p.sport;
		way_fill(way_value(b, i, v6), *key, &tmp->client,
		    tmp->value | LB_FLOW_TWIN_BIT | LB_FLOW_KEEPS_BIT, v6);
	}
	return way_take(c, b, tmp->hash, tmp->now, tmp->room, v6, key);
}

/* Which backend, and does it see the client? */
INLINE __u32
backend_find(struct scratch *tmp, const __u32 hook, const bool v6, bool *snat)
{
	const struct pkt *p = &tmp->p;
	struct way *w = &tmp->w;
	struct lb_fe_row *fe;
	struct lb_be_row *be;
	__u32 why, scope, row;
	__u64 table;

	why = frontend_find(p, v6, &row);
	if (why != LB_FORWARDED)
		return why;
	fe = fe_row(row);
	if (!fe || !(fe->flags & LB_FE_LIVE))
		return LB_NO_SERVICE;
	why = admit(p, fe, row, hook, v6, &scope, &table);
	if (why != LB_FORWARDED)
		return why;
	w->fe = row;
	w->be = choose(p, fe, row, scope, table, tmp->now, v6);
	be = w->be == LB_ROW_NONE ? NULL : be_row(w->be);
	if (!be || !(be->flags & LB_BE_LIVE))
		return LB_NO_BACKEND;
	w->be_flags = be->flags;
	w->daddr = be->addr;
	w->dport = be->port;
	*snat = addr_eq(&be->addr, &p->saddr, v6); /* it would answer itself */
	if (at_edge(hook) && !(be->flags & LB_BE_LOCAL)) {
		w->encap = fe->flags & LB_FE_DSR && !p->decapsulated && !addr_is_zero(&be->node);
		*snat = !w->encap;
	}
	return LB_FORWARDED;
}

/* Of the packet in scratch: fills the way there.  LB_FORWARDED, or why not. */
INLINE int
new_flow(__u32 hook, const bool v6)
{
	struct scratch *tmp = the_scratch();
	struct lb_conf *c = the_conf();
	__u64 *slot, *key, value;
	bool snat = false, other_port = false;
	__be16 port = 0;
	__u32 why;

	if (!c || !tmp)
		return LB_HELPER;
	why = backend_find(tmp, hook, v6, &snat);
	if (why != LB_FORWARDED)
		return (int)why;
	if (!snat && !tmp->w.encap && tmp->kin)
		other_port = collides(c, tmp, v6);
	if (snat) {
		tmp->w.saddr = v6 ? c->snat6 : c->snat4;
		if (addr_is_zero(&tmp->w.saddr))
			return LB_NO_SNAT_ADDR;
	}
	slot = own_way(c, tmp, other_port || snat, v6, &key);
	if (!slot)
		return LB_NO_ROOM;
	value = LB_FLOW_VALUE(tmp->w.be & (LB_ROW_MAX - 1), tmp->w.fe & (LB_ROW_MAX - 1),
	    next_state(LB_ST_NEW, false, tmp->p.tcp), 0, tmp->p.proto == IPPROTO_TCP, tmp->now);
	if (snat || other_port) {
		if (other_port)
			value |= LB_FLOW_KEEPS_BIT;
		tmp->value = value;
		port = snat_port(c, (tmp->hash ^ (__u32)tmp->p.dport << 16) * 0x85ebca6bU, v6);
		if (!port) {
			WRITE_ONCE(*slot, 0);
			return LB_NO_SNAT_PORT;
		}
		tmp->w.sport = port;
	}
	tmp->client.addr = tmp->p.saddr;
	tmp->client.port = tmp->p.sport;
	tmp->client.snat = port;
	way_fill(slot, key, &tmp->client, value, v6);
	tmp->w.fresh = true;
	return LB_FORWARDED;
}

__noinline int
lb_new_flow4(__u32 hook)
{
	return new_flow(hook, false);
}

__noinline int
lb_new_flow6(__u32 hook)
{
	return new_flow(hook, true);
}

/* ---- a packet ---- */

/* Is the packet of the flow in @e, or the first of another with the same ends? */
INLINE bool
goes_on(const struct lb_conf *c, const struct pkt *p, const struct entry *e,
    const struct end *client, const struct lb_be_row *be, __u32 now, const bool v6)
{
	const bool opens = (p->tcp & (FLAG_SYN | FLAG_ACK)) == FLAG_SYN;

	if (!be || !(be->flags & LB_BE_LIVE) || entry_expired(c, e->value, now))
		return false;
	/* Another node thinks that the backend is here, this one that it is there: round and round. */
	if (p->decapsulated && !key_snat(e->key) && !(be->flags & LB_BE_LOCAL))
		return false;
	if (!opens)
		return true;
	if (LB_FLOW_STATE(e->value) > LB_ST_OPEN)
		return false;
	/* Once more: perhaps the answer found no twin, which others may have pushed out. */
	return !(LB_FLOW_STATE(e->value) == LB_ST_NEW && key_snat(e->key)) ||
	    pair_follow(e->key, e->value, client, v6);
}

/* Toward a VIP.  @make: also the first packet of a flow, else LB_PUNT; who asks for that has both packet
 * and way in scratch. */
INLINE __u32
decide_forward(const struct lb_conf *c, const struct pkt *p, __u32 now, const int hook,
    const bool make, const bool v6, struct way *w)
{
	struct end client = { p->saddr, p->sport, 0 };
	__u32 hash = end_hash(&client, c->seed, v6);
	struct scratch *tmp;
	struct entry e;

	if (flow_find(&client, hash, p, false, v6, &e)) {
		struct lb_be_row *be = be_row(LB_FLOW_BACKEND(e.value));

		if (goes_on(c, p, &e, &client, be, now, v6) && be) {
			w->saddr = p->saddr;
			w->sport = p->sport;
			w->fe = LB_FLOW_FRONTEND(e.value);
			w->be = LB_FLOW_BACKEND(e.value);
			w->be_flags = be->flags;
			w->daddr = be->addr;
			w->dport = be->port;
			if (key_snat(e.key)) {
				w->sport = key_snat(e.key);
				if (!LB_FLOW_KEEPS(e.value))
					w->saddr = v6 ? c->snat6 : c->snat4;
			} else if (at_edge(hook) && !(be->flags & LB_BE_LOCAL)) {
				w->encap = true;
			}
			flow_touch(&e, &client, false, p->tcp, now, w->encap, v6);
			return LB_FORWARDED;
		}
	}
	if (!make)
		return LB_PUNT;
	tmp = the_scratch();
	if (!tmp)
		return LB_HELPER;
	tmp->w.saddr = p->saddr;
	tmp->w.sport = p->sport;
	tmp->now = now;
	tmp->hash = hash;
	tmp->old_way = e.slot ? e.way : WAY_NONE;
	tmp->key = e.slot ? e.key : 0;
	tmp->value = e.slot ? e.value : 0;
	tmp->room = e.room;
	tmp->kin = e.kin || tmp->old_way < WAY_NONE; /* once it is found no others are looked at */
	return v6 ? (__u32)lb_new_flow6((__u32)hook) : (__u32)lb_new_flow4((__u32)hook);
}

/* From a backend: a reply of a flow that we know, or nothing of ours.  @look: only tell. */
INLINE __u32
decide_reply(const struct lb_conf *c, const struct pkt *p, __u32 now, const bool look,
    const bool v6, struct way *w)
{
	struct end client = { p->daddr, p->dport, 0 };
	struct lb_fe_row *fe;
	struct entry e;

	e.slot = NULL;
	if (p->to & LB_IS_SNAT && addr_eq(&p->daddr, v6 ? &c->snat6 : &c->snat4, v6)) {
		struct end be = { p->saddr, p->sport, p->dport };

		if (twin_find(&be, end_hash(&be, c->seed, v6), p->proto, v6, &e, &w->daddr)) {
			client = (struct end){ w->daddr, key_client_port(e.key), key_snat(e.key) };
			w->dport = client.port;
		}
	}
	if (!e.slot) {
		if (!flow_find(&client, end_hash(&client, c->seed, v6), p, true, v6, &e))
			return LB_NOT_OURS;
		w->daddr = p->daddr;
		w->dport = LB_FLOW_KEEPS(e.value) ? key_snat(e.key) : p->dport;
	}
	fe = fe_row(LB_FLOW_FRONTEND(e.value));
	if (!fe || entry_expired(c, e.value, now))
		return LB_NOT_OURS;
	w->fe = LB_FLOW_FRONTEND(e.value);
	w->be = LB_FLOW_BACKEND(e.value);
	w->saddr = fe->addr;
	w->sport = fe->port;
	w->reply = true;
	if (!look)
		flow_touch(&e, &client, true, p->tcp, now, false, v6);
	return LB_REPLIED;
}

/*
 * The heart: LB_FORWARDED or LB_REPLIED with *w filled, LB_NOT_OURS, or why not.  @make as above: the
 * verifier goes through all that a new flow needs once a program, so few programs have it.  filter_pkt() was
 * asked before.
 */
INLINE __u32
decide(const struct lb_conf *c, const struct pkt *p, const int hook, const bool make, const bool v6,
    struct way *w)
{
	__u32 now = now_ticks();

	__builtin_memset(w, 0, sizeof(*w));
	w->now = now;
	if (p->from & LB_IS_BACKEND && decide_reply(c, p, now, false, v6, w) == LB_REPLIED)
		return LB_REPLIED;
	if (!(p->to & LB_IS_VIP))
		return LB_NOT_OURS;
	return decide_forward(c, p, now, hook, make, v6, w);
}

#endif
