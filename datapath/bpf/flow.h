/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * datapath/bpf/flow.h: the flow tables.  After the packet was parsed: is it of a flow that we know,
 * in which direction, and which state is the flow in now; and room for a new one.
 *
 * A bucket is found by the client's end, which both directions of a flow show, so one entry serves
 * both.  Where the client's end is rewritten (source NAT) replies show the backend's end and our
 * port instead: the entry's twin stands in the bucket of those.
 *
 * A way is taken by exchanging its value for BUSY, then gets its key, then its value.  Who reads
 * looks at the key again after the value: an entry that changed hands in between is not taken for
 * what it was.
 */
#ifndef HERALD_BPF_FLOW_H
#define HERALD_BPF_FLOW_H

#include "datapath/bpf/base.h"

INLINE __u32
end_hash(const struct end *e, __u64 seed, const bool v6)
{
	return lb_flow_hash(&e->addr, e->port, e->snat, seed, v6);
}

/* The first way of the bucket. */
INLINE void *
bucket(__u32 hash, const bool v6)
{
	__u32 i = lb_flow_block(hash, v6 ? flow6_mask : flow4_mask);
	void *b = v6 ? bpf_map_lookup_elem(&flows6, &i) : bpf_map_lookup_elem(&flows4, &i);

	if (!b)
		return NULL;
	return v6 ? (void *)((struct lb_flow6 *)b + lb_flow_bucket(hash))
		  : (void *)((struct lb_flow4 *)b + lb_flow_bucket(hash));
}

/* The @n-th way to look at, by its distance from the first.  That the verifier does not know the start
 * keeps it from following every way by itself. */
INLINE __u32
nth_way(__u32 n, __u32 hash)
{
	return lb_flow_way(n ^ hash >> 30);
}

#define WAY_NONE LB_BLOCK_WAYS
/* What nth_way() may have said, for the verifier. */
#define WAY_MASK (LB_BLOCK_WAYS / 2 | (LB_FIRST_WAYS - 1))

/* The words of a way, in either family. */
INLINE __u64 *
way_value(void *b, __u32 i, const bool v6)
{
	return v6 ? &((struct lb_flow6 *)b + i)->value : &((struct lb_flow4 *)b + i)->value;
}

INLINE __u64 *
way_key(void *b, __u32 i, const bool v6)
{
	return v6 ? &((struct lb_flow6 *)b + i)->key : &((struct lb_flow4 *)b + i)->key;
}

INLINE __u64
key_of(const struct end *client, const bool v6)
{
	return (v6 ? 0 : (__u64)client->addr.w[0]) | (__u64)client->port << 32 |
	    (__u64)client->snat << 48;
}

INLINE __be16
key_client_port(__u64 key)
{
	return (__be16)(key >> 32);
}

INLINE __be16
key_snat(__u64 key)
{
	return (__be16)(key >> 48);
}

/* Both ports in each other's place. */
INLINE __u64
key_turned(__u64 key)
{
	return (__u32)key | key >> 48 << 32 | (key >> 32) << 48;
}

/* The words of an address as they lie in a way of the IPv6 table. */
INLINE __u64
addr_half(const struct lb_addr *a, int i)
{
	return (__u64)a->w[2 * i + 1] << 32 | a->w[2 * i];
}

INLINE bool
way_has_client(void *b, __u32 i, const struct lb_addr *a)
{
	struct lb_flow6 *f = (struct lb_flow6 *)b + i;

	return READ_ONCE(f->client[0]) == addr_half(a, 0) &&
	    READ_ONCE(f->client[1]) == addr_half(a, 1);
}

/*
 * Was the way never used?  Entries that are over leave their key behind, and the daemon takes keys away
 * only from buckets that are all free.  So while the first ways have such a one nothing of them ever had
 * to go to the others, and those, which mostly are another miss of the cache, need not be looked at.
 */
INLINE bool
way_is_new(void *b, __u32 i, __u64 key, const bool v6)
{
	return !key && (!v6 || !READ_ONCE(((struct lb_flow6 *)b + i)->client[0]));
}

/* An entry as it was read. */
struct entry {
	__u64 *slot; /* of its value; NULL: none */
	__u64 key, value;
	__u32 way;
	__u32 room; /* when none was found: a way that is free, or WAY_NONE */
	bool kin;   /* and whether a backend sees the client's end already */
};

INLINE bool
entry_in_use(__u64 value)
{
	return LB_FLOW_STATE(value) - 1 < LB_NR_STATES - 1;
}

INLINE __u32
entry_idle(__u64 value, __u32 now)
{
	return (__u16)(now - LB_FLOW_SEEN(value));
}

INLINE bool
entry_expired(const struct lb_conf *c, __u64 value, __u32 now)
{
	__u32 state = LB_FLOW_STATE(value);

	if (state >= LB_NR_STATES)
		return false;
	return entry_idle(value, now) >
	    (LB_FLOW_TCP(value) ? c->timeout_tcp[state] : c->timeout_udp[state]);
}

INLINE bool
is_from_backend(__u64 value, const struct pkt *p, const bool v6)
{
	struct lb_be_row *be = be_row(LB_FLOW_BACKEND(value));

	return be && addr_eq(&be->addr, &p->saddr, v6) && be->port == p->sport &&
	    be->proto == p->proto;
}

INLINE bool
is_to_frontend(__u64 value, const struct pkt *p, const bool v6)
{
	struct lb_fe_row *fe = fe_row(LB_FLOW_FRONTEND(value));

	return fe && addr_eq(&fe->addr, &p->daddr, v6) && fe->port == p->dport &&
	    fe->proto == p->proto && fe->flags & LB_FE_LIVE;
}

/* Does the backend see the client's address, and the port that stands first in the key? */
INLINE bool
shows_client(__u64 key, __u64 value)
{
	return LB_FLOW_TWIN(value) ? LB_FLOW_KEEPS(value) : !key_snat(key);
}

/* 1 or 0, without a branch: what is compared comes late, and a branch on it is as often guessed wrong
 * as right.  The compiler would make one of anything that it understands. */
INLINE __u64
is_set(__u64 x)
{
	__u64 neg = -x;

	asm("" : "+r"(neg));
	return (x | neg) >> 63;
}

/* Which of the first ways has the client's end; LB_FIRST_WAYS: none. */
INLINE __u32
first_match(void *b, __u64 want, const struct end *c, const bool v6)
{
	__u64 miss = 1, at = 0;

#pragma unroll
	for (__u32 i = 0; i < LB_FIRST_WAYS; i++) {
		__u64 x = (READ_ONCE(*way_key(b, i, v6)) ^ want) << 16;

		if (v6) {
			struct lb_flow6 *f = (struct lb_flow6 *)b + i;

			x |= READ_ONCE(f->client[0]) ^ addr_half(&c->addr, 0);
			x |= READ_ONCE(f->client[1]) ^ addr_half(&c->addr, 1);
		}
		miss &= is_set(x);
		at += miss;
	}
	return (__u32)at;
}

/* Is way @i, which had the client's end @want, the entry that is looked for?  e->kin: see below. */
INLINE bool
way_is_it(void *b, __u32 i, __u64 want, const struct pkt *p, const bool reply, const bool v6,
    struct entry *e)
{
	__u64 key = READ_ONCE(*way_key(b, i, v6)), value = READ_ONCE(*way_value(b, i, v6));

	if (!entry_in_use(value) || (key ^ want) << 16 != 0)
		return false;
	e->kin |= shows_client(key, value);
	if (reply ? !shows_client(key, value) : LB_FLOW_TWIN(value))
		return false;
	if (!(reply ? is_from_backend(value, p, v6) : is_to_frontend(value, p, v6)))
		return false;
	if (READ_ONCE(*way_key(b, i, v6)) != key)
		return false;
	e->slot = way_value(b, i, v6);
	e->way = i;
	e->key = key;
	e->value = value;
	return true;
}

/*
 * The entry of the client's end @c toward the frontend that @p names (@reply: from the backend that
 * @p comes from, and only one whose client's address is not rewritten).  e->kin: others have that end
 * before some backend.
 */
INLINE bool
flow_find(const struct end *c, __u32 hash, const struct pkt *p, const bool reply, const bool v6,
    struct entry *e)
{
	__u64 want = key_of(c, v6);
	void *b = bucket(hash, v6);
	bool spare = false;
	__u32 i;

	e->slot = NULL;
	e->way = e->room = WAY_NONE;
	e->key = e->value = 0;
	e->kin = false;
	if (!b)
		return false;
	i = first_match(b, want, c, v6);
	if (i < LB_FIRST_WAYS && way_is_it(b, i, want, p, reply, v6, e))
		return true;
	for (__u32 n = 0; n < LB_WAYS; n++) {
		__u64 key;

		i = nth_way(n, hash);
		if (n == LB_FIRST_WAYS && spare)
			break;
		key = READ_ONCE(*way_key(b, i, v6));
		if ((key ^ want) << 16 != 0) {
			if (way_is_new(b, i, key, v6)) {
				spare = true;
				e->room = i;
			}
			continue;
		}
		if ((!v6 || way_has_client(b, i, &c->addr)) &&
		    way_is_it(b, i, want, p, reply, v6, e))
			return true;
	}
	return false;
}

/* The twin for what a backend (@be: its end, snat: the port it sends to) says to us. */
INLINE bool
twin_find(const struct end *be, __u32 hash, __u8 proto, const bool v6, struct entry *e,
    struct lb_addr *client)
{
	void *b = bucket(hash, v6);
	bool spare = false;

	e->slot = NULL;
	e->way = 0;
	e->key = e->value = 0;
	if (!b)
		return false;
	for (__u32 n = 0; n < LB_WAYS; n++) {
		__u32 i = nth_way(n, hash);
		struct lb_be_row *row;
		__u64 key, value;

		if (n == LB_WAYS / 2 && spare)
			break;
		key = READ_ONCE(*way_key(b, i, v6));
		if (key_snat(key) != be->snat) {
			spare |= way_is_new(b, i, key, v6);
			continue;
		}
		value = READ_ONCE(*way_value(b, i, v6));
		if (!entry_in_use(value) || !LB_FLOW_TWIN(value) || LB_FLOW_KEEPS(value))
			continue;
		row = be_row(LB_FLOW_BACKEND(value));
		if (!row || !addr_eq(&row->addr, &be->addr, v6) || row->port != be->port ||
		    row->proto != proto)
			continue;
		if (v6) {
			struct lb_flow6 *f = (struct lb_flow6 *)b + i;

			client->w[0] = (__be32)READ_ONCE(f->client[0]);
			client->w[1] = (__be32)(READ_ONCE(f->client[0]) >> 32);
			client->w[2] = (__be32)READ_ONCE(f->client[1]);
			client->w[3] = (__be32)(READ_ONCE(f->client[1]) >> 32);
		} else {
			*client = (struct lb_addr){ { (__be32)key } };
		}
		if (READ_ONCE(*way_key(b, i, v6)) != key)
			continue;
		e->slot = way_value(b, i, v6);
		e->way = i;
		e->key = key;
		e->value = value;
		return true;
	}
	return false;
}

/* ---- states ---- */

INLINE __u32
next_state(__u32 state, const bool reply, __u8 tcp)
{
	if (tcp & FLAG_RST)
		return LB_ST_CLOSED;
	if (tcp & FLAG_FIN) {
		const __u32 mine = reply ? LB_ST_FIN_BACKEND : LB_ST_FIN_CLIENT;
		const __u32 other = reply ? LB_ST_FIN_CLIENT : LB_ST_FIN_BACKEND;

		return state == other || state == LB_ST_CLOSED ? LB_ST_CLOSED : mine;
	}
	if (reply)
		return state == LB_ST_NEW ? LB_ST_ANSWERED : state;
	return state == LB_ST_ANSWERED ? LB_ST_OPEN : state;
}

INLINE bool
value_swap(__u64 *slot, __u64 old, __u64 new)
{
#ifdef LB_NO_ATOMICS
	/* Without compare-and-exchange two processors may take one way at once: one of the two
	 * flows is then made again by its next packet. */
	if (READ_ONCE(*slot) != old)
		return false;
	WRITE_ONCE(*slot, new);
	return true;
#else
	return __sync_val_compare_and_swap(slot, old, new) == old;
#endif
}

INLINE __u64
value_with(__u64 v, __u32 state, __u32 now)
{
	return (v & 0x0000f0ffffffffffULL) | (__u64)state << 40 | (__u64)(__u16)now << 48;
}

/*
 * The entry in scratch (key, value, client) has changed: find the other one of the pair and give it the
 * same state.  0: it is gone.
 */
INLINE int
pair_touch(const bool v6)
{
	struct scratch *tmp = the_scratch();
	struct lb_conf *c = the_conf();
	struct lb_be_row *be;
	struct end where;
	__u64 key, value;
	bool to_twin;
	__u32 hash;
	void *b;

	if (!c || !tmp)
		return 0;
	key = tmp->key;
	value = tmp->value;
	to_twin = !LB_FLOW_TWIN(value);
	be = be_row(LB_FLOW_BACKEND(value));
	if (!be)
		return 0;
	where = tmp->client;
	where.snat = 0;
	if (LB_FLOW_KEEPS(value)) {
		where.port = key_snat(key);
		key = key_turned(key);
	} else if (to_twin) {
		where = (struct end){ be->addr, be->port, key_snat(key) };
	}
	hash = end_hash(&where, c->seed, v6);
	b = bucket(hash, v6);
	if (!b)
		return 0;
	for (__u32 n = 0; n < LB_WAYS; n++) {
		__u32 i = nth_way(n, hash);
		__u64 v;

		if (READ_ONCE(*way_key(b, i, v6)) != key)
			continue;
		if (v6 && !way_has_client(b, i, &tmp->client.addr))
			continue;
		v = READ_ONCE(*way_value(b, i, v6));
		if (entry_in_use(v) && ((v ^ value) & 0xffffffffffULL) == 0 &&
		    LB_FLOW_TWIN(v) == to_twin) {
			value_swap(way_value(b, i, v6), v,
			    value_with(v, LB_FLOW_STATE(value), LB_FLOW_SEEN(value)));
			return 1;
		}
	}
	return 0;
}

__noinline int
lb_pair_touch4(void)
{
	return pair_touch(false);
}

__noinline int
lb_pair_touch6(void)
{
	return pair_touch(true);
}

INLINE bool
pair_follow(__u64 key, __u64 value, const struct end *client, const bool v6)
{
	struct scratch *tmp = the_scratch();

	if (!tmp)
		return false;
	tmp->key = key;
	tmp->value = value;
	tmp->client = *client;
	return v6 ? lb_pair_touch6() : lb_pair_touch4();
}

/* The packet belongs to the flow: its state and time follow.  Writes only when there is news. */
INLINE void
flow_touch(const struct entry *e, const struct end *client, const bool reply, __u8 tcp, __u32 now,
    bool one_way, const bool v6)
{
	__u32 state = next_state(LB_FLOW_STATE(e->value), reply, tcp);
	__u64 value;

	/* Where answers take another way (DSR) the client's second packet is all that we see. */
	if (one_way && state == LB_ST_NEW && !(tcp & FLAG_SYN))
		state = LB_ST_OPEN;
	value = value_with(e->value, state, now);
	if (value == e->value)
		return;
	value_swap(e->slot, e->value, value);
	if (key_snat(e->key))
		pair_follow(e->key, value, client, v6);
}

/* ---- new entries ---- */

#define VALUE_BUSY LB_FLOW_VALUE(0, 0, LB_ST_BUSY, 0, 0, 0)

#define SCORE_OVER 0x30000   /* free, or over */
#define SCORE_CLOSED 0x20000 /* and higher the longer it was silent; below: half-open */

/* How well may what a way holds go?  0: not at all. */
INLINE __u32
way_score(const struct lb_conf *c, __u64 value, __u32 now)
{
	__u32 state = LB_FLOW_STATE(value);

	if (state == LB_ST_BUSY)
		return entry_idle(value, now) > 1 ? SCORE_OVER : 0;
	if (!entry_in_use(value) || entry_expired(c, value, now))
		return SCORE_OVER;
	if (state == LB_ST_CLOSED)
		return SCORE_CLOSED + entry_idle(value, now);
	return state >= LB_ST_OPEN ? 0 : 1 + entry_idle(value, now);
}

/*
 * A way for a new entry in bucket @b, taken (BUSY); NULL: none.  Free ones first, then what is
 * over (@hint: one that was seen to be, or WAY_NONE), then the half-open one that was silent longest:
 * a new flow is half-open itself, so that however many come they only push out each other.
 */
INLINE __u64 *
way_take(
    const struct lb_conf *c, void *b, __u32 hash, __u32 now, __u32 hint, const bool v6, __u64 **key)
{
	__u32 best = 0, best_score = 0;
	__u64 best_value = 0;

	hint = hint < WAY_NONE ? hint & WAY_MASK : hint;
	if (hint < WAY_NONE &&
	    value_swap(way_value(b, hint, v6), 0, VALUE_BUSY | (__u64)(__u16)now << 48)) {
		*key = way_key(b, hint, v6);
		return way_value(b, hint, v6);
	}
	for (__u32 n = 0; n < LB_WAYS; n++) {
		__u32 i = nth_way(n, hash), score;
		__u64 v;

		/* Once any of the first ways may go, the others are spared. */
		if (n == LB_WAYS / 2 && best_score == SCORE_OVER)
			break;
		v = READ_ONCE(*way_value(b, i, v6));
		score = way_score(c, v, now);
		if (score > best_score) {
			best_score = score;
			best_value = v;
			best = i;
		}
	}
	best &= WAY_MASK;
	if (best_score == 0 ||
	    !value_swap(way_value(b, best, v6), best_value, VALUE_BUSY | (__u64)(__u16)now << 48))
		return NULL;
	if (best_score < SCORE_OVER)
		count(best_score < SCORE_CLOSED ? LB_X_EVICT_HALF_OPEN : LB_X_EVICT_CLOSED);
	*key = way_key(b, best, v6);
	return way_value(b, best, v6);
}

/* Give a way that was taken its content, and publish it. */
INLINE void
way_fill(__u64 *slot, __u64 *key, const struct end *client, __u64 value, const bool v6)
{
	if (v6) {
		struct lb_flow6 *f = (void *)slot - __builtin_offsetof(struct lb_flow6, value);

		WRITE_ONCE(f->client[0], addr_half(&client->addr, 0));
		WRITE_ONCE(f->client[1], addr_half(&client->addr, 1));
	}
	WRITE_ONCE(*key, key_of(client, v6));
#if defined LB_NO_ATOMICS || defined LB_STORES_IN_ORDER
	BARRIER();
	WRITE_ONCE(*slot, value);
#else
	/* An exchange is a full barrier: the key is there before the value. */
	__sync_lock_test_and_set(slot, value);
#endif
}

#endif
