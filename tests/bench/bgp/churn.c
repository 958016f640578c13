/*
 * tests/bench/bgp/churn.c: one prefix after another announced, changed, withdrawn at a steady rate, and
 * how long each took from the write at the feeder to the read at the sink.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bgp/gun.h"

enum { ANNOUNCE, CHANGE, WITHDRAW };

void
churn_heard(struct session *p, uint32_t index, uint64_t t)
{
	struct churn *c = &p->gun->churn;
	uint32_t slot = index - c->first;

	if (!p->sink || index < c->first || slot >= c->slots || !c->sent[slot])
		return;
	if (p->tab[V4].at[index] != c->await[slot])
		return;
	if (c->nr < c->cap) {
		c->kind[c->nr] = c->await[slot] ? ANNOUNCE : WITHDRAW;
		c->took[c->nr++] = (uint32_t)((t - c->sent[slot]) / 100);
	}
	c->sent[slot] = 0;
}

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void
percentiles(const struct churn *c, int kind, const char *name)
{
	uint32_t *v = malloc((c->nr + 1) * sizeof(*v)), nr = 0;

	if (!v)
		fatal("memory");
	for (uint32_t i = 0; i < c->nr; i++) {
		if (kind < 0 || c->kind[i] == kind)
			v[nr++] = c->took[i];
	}
	qsort(v, nr, sizeof(*v), compare);
	if (nr)
		printf(",\"%sp50_us\":%.1f,\"%sp99_us\":%.1f,\"%smax_us\":%.1f", name,
		    v[(nr - 1) / 2] / 10.0, name, v[(uint32_t)((nr - 1) * 0.99)] / 10.0, name,
		    v[nr - 1] / 10.0);
	free(v);
}

/* The next event of a slot.  False: the last one of it is still on its way. */
static bool
fire(struct session *p, uint32_t slot, uint8_t *turns)
{
	struct churn *c = &p->gun->churn;
	int kind = turns[slot] % 3;

	if (c->sent[slot])
		return false;
	turns[slot] = (uint8_t)((turns[slot] + 1) % 3);
	c->await[slot] = kind == WITHDRAW ? 0 : FIRST_SET + (kind == CHANGE);
	stream_one(&p->out, p, c->first + slot, kind == WITHDRAW ? WRONG : kind == CHANGE);
	c->sent[slot] = now_ns();
	session_flush(p);
	return true;
}

static uint32_t
pending(const struct churn *c)
{
	uint32_t nr = 0;

	for (uint32_t i = 0; i < c->slots; i++)
		nr += c->sent[i] != 0;
	return nr;
}

void
churn_run(struct session *p, double rate, double seconds, uint32_t first, uint32_t slots)
{
	struct churn *c = &p->gun->churn;
	uint64_t total = (uint64_t)(rate * seconds), begin = now_ns(), sent = 0, busy = 0, limit;
	uint8_t *turns = calloc(slots, 1);

	*c = (struct churn){ .on = true, .first = first, .slots = slots, .cap = (uint32_t)total };
	c->sent = calloc(slots, sizeof(*c->sent));
	c->await = calloc(slots, sizeof(*c->await));
	c->took = calloc(total + 1, sizeof(*c->took));
	c->kind = calloc(total + 1, 1);
	if (!turns || !c->sent || !c->await || !c->took || !c->kind)
		fatal("memory");
	for (uint64_t k = 0; k < total && p->fd >= 0;) {
		uint64_t due = begin + (uint64_t)((double)k * 1e9 / rate), t = now_ns();

		if (t < due) {
			turn(p->gun, (int64_t)(due - t));
			continue;
		}
		if (fire(p, (uint32_t)(k % slots), turns))
			sent++;
		else
			busy++;
		k++;
		turn(p->gun, 0);
	}
	for (limit = now_ns() + 5000000000ull; pending(c) && now_ns() < limit;)
		turn(p->gun, 20000000);
	printf("{\"ok\":%s,\"sent\":%lu,\"heard\":%u,\"busy\":%lu,\"lost\":%u",
	    pending(c) || p->fd < 0 ? "false" : "true", (unsigned long)sent, c->nr,
	    (unsigned long)busy, pending(c));
	percentiles(c, -1, "");
	percentiles(c, WITHDRAW, "wd_");
	printf("}\n");
	free(turns);
	free(c->sent);
	free(c->await);
	free(c->took);
	free(c->kind);
	*c = (struct churn){ 0 };
}
