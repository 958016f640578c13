/*
 * datapath/links_hops.c: when a next hop is not true any more, and that neighbours stay known.
 * Stands between the kernel's news and conf.hop_generation, by which programs drop what they
 * remember.
 *
 * Programs write MAC addresses themselves, so the kernel does not see that a neighbour is in use:
 * it grows stale, and were it to move, nobody would ask for it.  So each stale one that next hops
 * name is used, as the kernel calls it, every few seconds.
 */
#include "datapath/links.h"

#include "lib/log.h"
#include "lib/mem.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <stdlib.h>
#include <string.h>

#define UPKEEP_MS 15000
#define BATCH 1024 /* next hops in one slice */

struct upkeep_batch {
	uint32_t key[BATCH];
	struct lb_hop hop[BATCH];
};

/* States in which the kernel sends to the address that it has. */
#define BEAT_MS 4000 /* LB_ALONE_TICKS is four of it */
#define NUD_SENDS (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)

/* ---- the generation ---- */

void
hops_raise(struct dp_links *k)
{
	work_post(&k->raise);
}

void
hops_raise_due(void *arg)
{
	struct dp_links *k = arg;
	uint32_t next;

	if (!k->maps || !k->maps->conf)
		return;
	next = __atomic_load_n(&k->maps->conf->hop_generation, __ATOMIC_RELAXED) + 1;
	/* Zero is what a next hop has that was never filled. */
	__atomic_store_n(&k->maps->conf->hop_generation, next ? next : 1, __ATOMIC_RELEASE);
}

/* The programs learn that somebody looks after their next hops; without it they ask again by
 * themselves. */
void
links_beat_due(void *arg)
{
	struct dp_links *k = arg;
	uint32_t now = lb_now();

	timer_set(&k->beat, BEAT_MS);
	if (k->maps && k->maps->conf)
		__atomic_store_n(&k->maps->conf->heartbeat, now ? now : 1, __ATOMIC_RELAXED);
}

/* ---- the neighbours ---- */

static size_t
neigh_home(const struct neighs *t, unsigned ifindex, const struct addr *a)
{
	return (addr_hash(a) ^ ifindex * 0x9e3779b1u) & (t->size - 1);
}

/* Where it stands, or the free place where it would. */
static size_t
neigh_place(const struct neighs *t, unsigned ifindex, const struct addr *a)
{
	size_t i = neigh_home(t, ifindex, a);

	while (
	    t->slot[i].ifindex && (t->slot[i].ifindex != ifindex || !addr_eq(&t->slot[i].addr, a)))
		i = (i + 1) & (t->size - 1);
	return i;
}

static bool
neighs_grow(struct neighs *t)
{
	struct neighs big = { .size = t->size ? t->size * 2 : 64, .nr = t->nr };

	big.slot = mem_calloc(big.size, sizeof(*big.slot));
	if (!big.slot)
		return false;
	for (size_t i = 0; i < t->size; i++) {
		const struct neigh *n = &t->slot[i];

		if (n->ifindex)
			big.slot[neigh_place(&big, n->ifindex, &n->addr)] = *n;
	}
	mem_free(t->slot);
	*t = big;
	return true;
}

static void
neigh_remove(struct neighs *t, size_t i)
{
	size_t mask = t->size - 1, j = i;

	for (;;) {
		size_t home;

		j = (j + 1) & mask;
		if (!t->slot[j].ifindex)
			break;
		home = neigh_home(t, t->slot[j].ifindex, &t->slot[j].addr);
		/* It may move to the gap when the gap is not before its home. */
		if (((j - home) & mask) < ((j - i) & mask))
			continue;
		t->slot[i] = t->slot[j];
		i = j;
	}
	t->slot[i] = (struct neigh){ 0 };
	t->nr--;
}

void
neigh_news(struct dp_links *k, enum nl_how how, const struct nl_neigh *n)
{
	bool valid = how != NL_DEL && (n->state & NUD_SENDS) && n->has_mac;
	struct neighs *t = &k->neighs;
	struct neigh *old;
	size_t i;

	if (addr_is_multicast(&n->addr))
		return;
	/* One that does not fit is not kept; then all its news count. */
	if ((t->nr + 1) * 4 > t->size * 3 && !neighs_grow(t) && t->nr + 1 >= t->size) {
		hops_raise(k);
		return;
	}
	i = neigh_place(t, n->ifindex, &n->addr);
	old = &t->slot[i];
	/* That a state ages, or is looked into, changes no next hop. */
	if (valid != old->valid || (valid && memcmp(old->mac, n->mac, sizeof(old->mac)) != 0))
		hops_raise(k);
	if (how == NL_DEL) {
		if (old->ifindex)
			neigh_remove(t, i);
		return;
	}
	if (!old->ifindex)
		t->nr++;
	*old = (struct neigh){ .ifindex = n->ifindex,
		.addr = n->addr,
		.state = n->state,
		.valid = valid,
		.seen = k->seen };
	if (valid)
		memcpy(old->mac, n->mac, sizeof(old->mac));
}

static void
neighs_drop_if(struct dp_links *k, unsigned ifindex, bool unseen)
{
	struct neighs *t = &k->neighs;

	for (size_t i = 0; i < t->size;) {
		const struct neigh *n = &t->slot[i];

		if (!n->ifindex || (ifindex && n->ifindex != ifindex) ||
		    (unseen && n->seen == k->seen)) {
			i++;
			continue;
		}
		if (n->valid)
			hops_raise(k);
		neigh_remove(t, i); /* and another may stand here now */
	}
}

void
neighs_sweep(struct dp_links *k)
{
	neighs_drop_if(k, 0, true);
}

void
neighs_drop_link(struct dp_links *k, unsigned ifindex)
{
	neighs_drop_if(k, ifindex, false);
}

/* ---- keeping them known ---- */

static int
stale_cmp(const void *a, const void *b)
{
	const struct stale *x = a, *y = b;

	if (x->ifindex != y->ifindex)
		return x->ifindex < y->ifindex ? -1 : 1;
	return memcmp(x->mac, y->mac, sizeof(x->mac));
}

static void
upkeep_done(struct upkeep *u)
{
	mem_free(u->stale);
	mem_free(u->batch);
	u->stale = NULL;
	u->batch = NULL;
	u->nr = 0;
}

/* Those that a next hop names are wanted.  Several addresses may have one MAC. */
static void
upkeep_match(struct dp_links *k, const struct lb_hop *hop)
{
	struct upkeep *u = &k->upkeep;
	struct stale key = { .ifindex = hop->ifindex }, *at;

	memcpy(key.mac, hop->dmac, sizeof(key.mac));
	at = bsearch(&key, u->stale, u->nr, sizeof(key), stale_cmp);
	if (!at)
		return;
	while (at > u->stale && stale_cmp(at - 1, &key) == 0)
		at--;
	for (; at < u->stale + u->nr && stale_cmp(at, &key) == 0; at++)
		at->wanted = true;
}

static void
upkeep_send(struct dp_links *k)
{
	struct upkeep *u = &k->upkeep;

	for (size_t i = 0; i < u->nr; i++) {
		if (!u->stale[i].wanted)
			continue;
		if (netlink_neigh_use(k->nl, u->stale[i].ifindex, &u->stale[i].addr) < 0)
			break; /* no memory: the next round tries again */
		u->nudged++;
	}
}

void
upkeep_slice(void *arg)
{
	struct dp_links *k = arg;
	struct upkeep *u = &k->upkeep;
	int fd = k->maps && k->maps->conf ? k->maps->fd[DP_MAP_HOPS] : -1, err;
	uint32_t generation, nr = BATCH;

	if (fd < 0 || !u->batch) {
		upkeep_done(u);
		return;
	}
	generation = __atomic_load_n(&k->maps->conf->hop_generation, __ATOMIC_RELAXED);
	err = bpf_map_lookup_batch(
	    fd, u->begun ? &u->last : NULL, &u->last, u->batch->key, u->batch->hop, &nr, NULL);
	if (err < 0 && errno != ENOENT) { /* ENOENT: these were the last */
		upkeep_done(u);
		return;
	}
	u->begun = true;
	for (uint32_t i = 0; i < nr; i++) {
		const struct lb_hop *hop = &u->batch->hop[i];

		if (hop->ifindex && hop->generation == generation)
			upkeep_match(k, hop);
	}
	if (err == 0) {
		work_post(&u->work);
		return;
	}
	upkeep_send(k);
	upkeep_done(u);
}

void
upkeep_stop(struct dp_links *k)
{
	work_cancel(&k->upkeep.work);
	upkeep_done(&k->upkeep);
}

void
upkeep_due(void *arg)
{
	struct dp_links *k = arg;
	struct upkeep *u = &k->upkeep;
	size_t nr = 0;

	timer_set_jitter(&u->timer, UPKEEP_MS, 10);
	if (u->stale || !k->maps || !k->maps->conf || k->maps->fd[DP_MAP_HOPS] < 0)
		return;
	for (size_t i = 0; i < k->neighs.size; i++)
		nr += k->neighs.slot[i].valid && (k->neighs.slot[i].state & NUD_STALE);
	if (nr == 0)
		return;
	u->stale = mem_calloc(nr, sizeof(*u->stale));
	u->batch = mem_calloc(1, sizeof(*u->batch));
	if (!u->stale || !u->batch) {
		upkeep_done(u);
		return;
	}
	for (size_t i = 0; i < k->neighs.size; i++) {
		const struct neigh *n = &k->neighs.slot[i];
		struct stale *s = &u->stale[u->nr];

		if (!n->valid || !(n->state & NUD_STALE))
			continue;
		*s = (struct stale){ .ifindex = n->ifindex, .addr = n->addr };
		memcpy(s->mac, n->mac, sizeof(s->mac));
		u->nr++;
	}
	qsort(u->stale, u->nr, sizeof(*u->stale), stale_cmp);
	u->begun = false;
	work_post(&u->work);
}
