/*
 * datapath/services_need.c: how large the maps must be for what is wanted.  Called by datapath.c
 * before the first loading and by services.c when something found no room: making maps larger means
 * loading the programs again, so all is asked for at once.
 */
#include "datapath/services.h"

#include "lib/hash.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdlib.h>

struct need {
	uint64_t *be; /* hashes of backends, each as often as it is named */
	size_t nr_be;
	struct need_block {
		uint64_t hash;
		uint32_t words;
	} * block;
	size_t nr_block;
};

static int
hash_cmp(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int
block_cmp(const void *a, const void *b)
{
	return hash_cmp(
	    &((const struct need_block *)a)->hash, &((const struct need_block *)b)->hash);
}

/* The same backends in any order give the same hash, as they give the same table. */
static void
add_list(const struct dp_services *s, struct need *n, const struct sv_list *l)
{
	uint64_t hash[LB_NR_SCOPES] = { 0 };
	uint32_t nr[LB_NR_SCOPES] = { 0 };

	for (uint32_t i = 0; i < l->nr; i++) {
		const struct dp_backend *b = &l->b[i];
		uint64_t key = maglev_key(&b->ip, b->port, l->proto);
		uint64_t mixed = hash_mix(key + (b->weight > 1 ? b->weight : 1));

		n->be[n->nr_be++] = key;
		nr[LB_EXTERNAL] += b->external;
		nr[LB_INTERNAL] += b->internal;
		hash[LB_EXTERNAL] += b->external ? mixed : 0;
		hash[LB_INTERNAL] += b->internal ? mixed : 0;
	}
	for (unsigned scope = 0; scope < LB_NR_SCOPES; scope++) {
		if (nr[scope] == 0)
			continue;
		n->block[n->nr_block++] = (struct need_block){ hash[scope],
			LB_TABLE_WORDS(maglev_size(nr[scope], s->table_size), nr[scope]) };
	}
}

static void
add_up(struct need *n, uint64_t *backends, uint64_t *words)
{
	qsort(n->be, n->nr_be, sizeof(*n->be), hash_cmp);
	qsort(n->block, n->nr_block, sizeof(*n->block), block_cmp);
	for (size_t i = 0; i < n->nr_be; i++)
		*backends += i == 0 || n->be[i] != n->be[i - 1];
	for (size_t i = 0; i < n->nr_block; i++) {
		if (i == 0 || n->block[i].hash != n->block[i - 1].hash)
			*words += n->block[i].words;
	}
}

static uint32_t
with_room(uint64_t what, uint32_t max)
{
	what += what / 8;
	return what < max ? (uint32_t)what : max;
}

int
services_need(const struct dp_services *s, struct dp_sizes *out)
{
	const struct sv_service *svc;
	uint64_t backends = 0, words = 0;
	size_t nr_be = 0, nr_lists = 0;
	struct need n = { 0 };
	bool affinity = false;
	int err = 0;

	TAILQ_FOREACH (svc, &s->services, link) {
		nr_lists += svc->want->nr_lists;
		for (uint32_t i = 0; i < svc->want->nr_lists; i++)
			nr_be += svc->want->list[i].nr;
		for (uint32_t i = 0; i < svc->want->nr; i++)
			affinity |= svc->want->fe[i].f.affinity_s > 0;
	}
	n.be = mem_calloc(nr_be, sizeof(*n.be));
	n.block = mem_calloc(nr_lists, LB_NR_SCOPES * sizeof(*n.block));
	if (n.be && n.block) {
		TAILQ_FOREACH (svc, &s->services, link) {
			for (uint32_t i = 0; i < svc->want->nr_lists; i++)
				add_list(s, &n, &svc->want->list[i]);
		}
		add_up(&n, &backends, &words);
		/* Some more for what comes, for rows whose flows have to end first, and for tables: a
		 * Service that changes has two for a minute. */
		out->fe_rows = with_room(s->fes.nr, LB_ROW_MAX);
		out->be_rows = with_room(backends, LB_ROW_MAX);
		out->tables = with_room(words, SV_WORDS_MAX);
		out->affinity = affinity ? DP_CLIENTS : DP_CLIENTS_FEW;
	} else {
		err = -ENOMEM;
	}
	mem_free(n.be);
	mem_free(n.block);
	return err;
}
