/*
 * datapath/kernel_flows.c: flows from the tables of an earlier version into ours, which have other
 * places for them.  Between kernel_maps.c, which has both in memory, and the programs, which find them
 * there from their first packet on.  What the earlier programs make meanwhile is not carried over: a
 * flow that is a moment old is made again by its next packet.
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

static bool
entry_put(const struct flows_move *m, uint32_t hash, const struct moved *e)
{
	uint64_t first =
	    (uint64_t)lb_flow_block(hash, m->blocks - 1) * LB_BLOCK_WAYS + lb_flow_bucket(hash);
	struct lb_flow4 *f4;
	struct lb_flow6 *f6;

	/* The first ways before the others: programs go on to those only when the first were all used. */
	for (uint32_t n = 0; n < LB_WAYS; n++) {
		f4 = (struct lb_flow4 *)m->to + first + lb_flow_way(n);
		f6 = (struct lb_flow6 *)m->to + first + lb_flow_way(n);
		if (m->v6 ? f6->value : f4->value)
			continue;
		if (m->v6)
			*f6 = (struct lb_flow6){ { e->client[0], e->client[1] }, e->key, e->value };
		else
			*f4 = (struct lb_flow4){ e->key, e->value };
		return true;
	}
	return false;
}

uint64_t
kernel_flows_move(const struct flows_move *m)
{
	uint64_t lost = 0;

	/* Half-open ones get what the others leave. */
	for (int half_open = 0; half_open < 2; half_open++) {
		for (uint64_t i = 0; i < m->ways; i++) {
			struct moved e = entry_at(m->from, i, m->v6);
			uint32_t state = LB_FLOW_STATE(e.value), hash;

			if (state == LB_ST_FREE || state >= LB_NR_STATES ||
			    (state < LB_ST_OPEN) != half_open)
				continue;
			if (!hash_of(m, &e, &hash) || !entry_put(m, hash, &e))
				lost++;
		}
	}
	return lost;
}
