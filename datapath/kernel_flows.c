/*
 * datapath/kernel_flows.c: flows from the tables of an earlier version, or of another size, into ours, which
 * have other places for them.  Between kernel_maps.c, which has both in memory, and the programs, which find
 * them there from their first packet on.
 *
 * The programs that still run make new ones until they are exchanged, so what came since the first time is
 * moved afterwards, beside the programs that stand there by then: a way is taken from them as they take it
 * from each other (datapath/bpf/flow.h), and what they have made again themselves is left to them.
 */
#include "datapath/kernel.h"

#include <string.h>

/* One entry, in either family. */
struct moved {
	uint64_t client[2]; /* IPv6 only */
	uint64_t key, value;
};

static struct moved
entry_at(const void *ways, uint64_t i, bool v6)
{
	const struct lb_flow6 *f6 = (const struct lb_flow6 *)ways + i;
	const struct lb_flow4 *f4 = (const struct lb_flow4 *)ways + i;
	struct moved e = { { 0 }, 0, 0 };

	if (!v6) {
		e.key = __atomic_load_n(&f4->key, __ATOMIC_RELAXED);
		e.value = __atomic_load_n(&f4->value, __ATOMIC_RELAXED);
		return e;
	}
	e.client[0] = __atomic_load_n(&f6->client[0], __ATOMIC_RELAXED);
	e.client[1] = __atomic_load_n(&f6->client[1], __ATOMIC_RELAXED);
	e.key = __atomic_load_n(&f6->key, __ATOMIC_RELAXED);
	e.value = __atomic_load_n(&f6->value, __ATOMIC_RELAXED);
	return e;
}

/* As the programs look for it: a twin that shows our address stands where the backend's end says, all
 * others where the client's does. */
static bool
hash_of(const struct flows_move *m, const struct moved *e, uint32_t *hash)
{
	struct lb_addr client = { { (uint32_t)e->key } };
	uint32_t row = LB_FLOW_BACKEND(e->value);

	if (LB_FLOW_TWIN(e->value) && !LB_FLOW_KEEPS(e->value)) {
		if (row >= m->nr_be)
			return false;
		*hash = lb_flow_hash(
		    &m->be[row].addr, m->be[row].port, (uint16_t)(e->key >> 48), m->seed, m->v6);
		return true;
	}
	if (m->v6)
		memcpy(client.w, e->client, sizeof(client.w));
	*hash = lb_flow_hash(&client, (uint16_t)(e->key >> 32), 0, m->seed, m->v6);
	return true;
}

/* The first way of its bucket. */
static uint64_t
bucket_of(const struct flows_move *m, uint32_t hash)
{
	return (uint64_t)lb_flow_block(hash, m->blocks - 1) * LB_BLOCK_WAYS + lb_flow_bucket(hash);
}

/* Is there one of the same client's end toward the same frontend, of the same kind? */
static bool
is_there(const struct flows_move *m, uint32_t hash, const struct moved *e)
{
	const uint64_t first = bucket_of(m, hash);

	for (uint32_t n = 0; n < LB_WAYS; n++) {
		struct moved has = entry_at(m->to, first + lb_flow_way(n), m->v6);
		uint32_t state = LB_FLOW_STATE(has.value);

		if (state != LB_ST_FREE && state < LB_NR_STATES && (has.key ^ e->key) << 16 == 0 &&
		    has.client[0] == e->client[0] && has.client[1] == e->client[1] &&
		    LB_FLOW_TWIN(has.value) == LB_FLOW_TWIN(e->value) &&
		    LB_FLOW_FRONTEND(has.value) == LB_FLOW_FRONTEND(e->value))
			return true;
	}
	return false;
}

static bool
way_take(__u64 *value, uint16_t now)
{
	__u64 nothing = 0;

	return __atomic_compare_exchange_n(value, &nothing,
	    LB_FLOW_VALUE(0, 0, LB_ST_BUSY, 0, 0, now), false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

static bool
entry_put(const struct flows_move *m, uint32_t hash, const struct moved *e)
{
	const uint64_t first = bucket_of(m, hash);

	/* The first ways before the others: programs go on to those only when the first were all used. */
	for (uint32_t n = 0; n < LB_WAYS; n++) {
		struct lb_flow4 *f4 = (struct lb_flow4 *)m->to + first + lb_flow_way(n);
		struct lb_flow6 *f6 = (struct lb_flow6 *)m->to + first + lb_flow_way(n);
		__u64 *key = m->v6 ? &f6->key : &f4->key;
		__u64 *value = m->v6 ? &f6->value : &f4->value;

		if (!way_take(value, m->now))
			continue;
		if (m->v6) {
			__atomic_store_n(&f6->client[0], e->client[0], __ATOMIC_RELAXED);
			__atomic_store_n(&f6->client[1], e->client[1], __ATOMIC_RELAXED);
		}
		__atomic_store_n(key, e->key, __ATOMIC_RELAXED);
		__atomic_store_n(value, e->value, __ATOMIC_RELEASE);
		return true;
	}
	return false;
}

/* Is it to be moved in this round? */
static bool
is_meant(const struct flows_move *m, const struct moved *e, bool half_open)
{
	const uint32_t state = LB_FLOW_STATE(e->value);

	if (state == LB_ST_FREE || state >= LB_NR_STATES || (state < LB_ST_OPEN) != half_open)
		return false;
	return !m->after || (int16_t)(LB_FLOW_SEEN(e->value) - m->since) >= 0;
}

uint64_t
kernel_flows_move(const struct flows_move *m)
{
	uint64_t lost = 0;

	/* Half-open ones get what the others leave. */
	for (int half_open = 0; half_open < 2; half_open++) {
		for (uint64_t i = 0; i < m->ways; i++) {
			struct moved e = entry_at(m->from, i, m->v6);
			uint32_t hash;

			if (!is_meant(m, &e, half_open))
				continue;
			if (!hash_of(m, &e, &hash) ||
			    (!(m->after && is_there(m, hash, &e)) && !entry_put(m, hash, &e)))
				lost++;
		}
	}
	return lost;
}
