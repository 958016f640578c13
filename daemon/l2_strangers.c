/*
 * daemon/l2_strangers.c: addresses that were probed for before they were used, and that something answered
 * for which is no node of ours (RFC 5227 2.1, RFC 4862 5.4).  Beside l2_nodes.c.  Whoever probes tells the
 * others, as notes; ipam/ of each, above all of the node that gives addresses, then passes over them.
 */
#include "daemon/l2_side.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ipam_apply.h"
#include "lib/log.h"
#include "lib/mem.h"

#define STRANGERS_MAX 256
/* A node whose daemon is away answers as well; it is known by its MAC address, once it was heard. */
#define SURE_MS 5000
#define SURE_UNHEARD_MS 60000
#define KEEP_MS 600000 /* ipam/ looks at them again after as long */

struct stranger {
	struct addr addr;
	uint64_t first_ms, last_ms;
	bool told;
};

struct l2_strangers {
	struct stranger v[STRANGERS_MAX]; /* that this node met */
	size_t nr;
	struct addr *believed; /* by any node, in order; ipam/ knows of them */
	size_t nr_believed;
};

static struct stranger *
find(struct l2_strangers *l, const struct addr *addr)
{
	for (size_t i = 0; i < l->nr; i++) {
		if (addr_eq(&l->v[i].addr, addr))
			return &l->v[i];
	}
	return NULL;
}

static void
drop(struct l2_side *s, struct stranger *st)
{
	struct l2_strangers *l = s->strangers;

	s->notes_stale |= st->told;
	*st = l->v[--l->nr];
}

static bool
is_unheard(void *arg, const struct cluster_seen *m)
{
	*(bool *)arg |= !m->self && m->life == CLUSTER_UNHEARD && addr_is_set(&m->addr);
	return true;
}

/* It was probed for, and somebody answers: nobody of ours? */
static void
met(struct l2_side *s, const struct l2_probed *p)
{
	struct l2_strangers *l = s->strangers;
	struct stranger *st = find(l, &p->addr);
	const uint64_t now = loop_now_ms(s->app->loop);
	bool unheard = false;

	if (l2_nodes_have_mac(s, p->mac)) {
		if (st)
			drop(s, st);
		return;
	}
	if (!st) {
		if (l->nr == STRANGERS_MAX)
			return;
		st = &l->v[l->nr++];
		*st = (struct stranger){ .addr = p->addr, .first_ms = now };
	}
	st->last_ms = now;
	cluster_each(s->cluster, is_unheard, &unheard);
	if (!st->told && now - st->first_ms >= (unheard ? SURE_UNHEARD_MS : SURE_MS)) {
		char mac[18];

		snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", p->mac[0], p->mac[1],
		    p->mac[2], p->mac[3], p->mac[4], p->mac[5]);
		log_warn("l2-address-in-use", LOG_S("address", addr_str(&p->addr)),
		    LOG_S("interface", p->device), LOG_S("mac", mac));
		st->told = true;
		s->notes_stale = true;
		l2_side_soon(s, false);
	}
}

void
l2_strangers_probed(struct l2_side *s, const struct l2_probed *p)
{
	struct stranger *st;

	if (!p->known)
		return;
	if (p->in_use) {
		met(s, p);
		return;
	}
	st = find(s->strangers, &p->addr);
	if (st)
		drop(s, st);
}

size_t
l2_strangers_told(struct l2_side *s, struct arena *arena, const struct addr **out)
{
	struct l2_strangers *l = s->strangers;
	struct addr *list = arena_new_n(arena, struct addr, l->nr + 1);
	const uint64_t now = loop_now_ms(s->app->loop);
	size_t nr = 0;

	for (size_t i = 0; i < l->nr;) {
		if (now - l->v[i].last_ms > KEEP_MS) {
			drop(s, &l->v[i]);
			continue;
		}
		if (l->v[i].told)
			list[nr++] = l->v[i].addr;
		i++;
	}
	*out = list;
	return nr;
}

/* ---- what all nodes say ---- */

static int
by_addr(const void *a, const void *b)
{
	return addr_cmp(a, b);
}

struct gathering {
	struct l2_side *side;
	struct addr *v;
	size_t nr, cap;
};

static void
gather(struct gathering *g, const struct addr *list, size_t nr)
{
	if (mem_grow((void **)&g->v, &g->cap, g->nr + nr, sizeof(*g->v), 0) < 0)
		return;
	for (size_t i = 0; i < nr; i++)
		g->v[g->nr++] = list[i];
}

static bool
gather_member(void *arg, const struct cluster_seen *m)
{
	struct gathering *g = arg;
	const struct l2_notes *notes = m->self ? NULL : l2_nodes_notes(g->side, m->name);

	if (notes)
		gather(g, notes->strangers, notes->nr_strangers);
	return true;
}

static bool
has(const struct addr *list, size_t nr, const struct addr *a)
{
	return nr > 0 && bsearch(a, list, nr, sizeof(*list), by_addr);
}

void
l2_strangers_follow(struct l2_side *s)
{
	struct l2_strangers *l = s->strangers;
	struct arena arena = { 0 };
	struct gathering g = { .side = s };
	const struct addr *ours;
	struct addr *old = l->believed;
	const size_t nr_old = l->nr_believed;

	const size_t nr_ours = l2_strangers_told(s, &arena, &ours);

	gather(&g, ours, nr_ours);
	cluster_each(s->cluster, gather_member, &g);
	if (g.nr > 0)
		qsort(g.v, g.nr, sizeof(*g.v), by_addr);
	l->believed = g.v;
	l->nr_believed = g.nr;
	for (size_t i = 0; i < g.nr; i++) {
		if ((i == 0 || !addr_eq(&g.v[i], &g.v[i - 1])) && !has(old, nr_old, &g.v[i]))
			ipam_apply_stranger(s->app, &g.v[i], true);
	}
	for (size_t i = 0; i < nr_old; i++) {
		if ((i == 0 || !addr_eq(&old[i], &old[i - 1])) && !has(g.v, g.nr, &old[i]))
			ipam_apply_stranger(s->app, &old[i], false);
	}
	mem_free(old);
	arena_fini(&arena);
}

/* ---- life ---- */

struct l2_strangers *
l2_strangers_new(void)
{
	return xnew(struct l2_strangers);
}

void
l2_strangers_free(struct l2_strangers *l)
{
	if (!l)
		return;
	mem_free(l->believed);
	free(l);
}
