/*
 * bgpd/rib.c: the table and the decision.  Between what peers and owners want (adj.c, originate.c)
 * and what is told (hops.c) and sent (out.c).
 *
 * Whoever changes a path touches its node.  At the end of the turn of the loop every touched node
 * is decided once, however often it changed; a long list is worked off in slices.  Whatever fails
 * for want of memory leaves its node dirty and is tried again by a timer, so that a result is late
 * but never wrong.
 */
#include "bgpd/rib.h"
#include "bgpd/sweep.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include <uthash.h>

#include "bgpd/out.h"
#include "lib/mem.h"

/* Of one prefix, that a peer may tell; as many as the kernel shares among. */
#define ADD_PATHS_MAX 64
#define MAX_PATHS 8 /* of multipath, unless something else is asked for */

#define DIRTY_KEPT (4 * RIB_SLICE) /* a longer list is given back when it is done with */

struct name {
	unsigned refs;
	UT_hash_handle hh;
	char text[];
};

/* ---- names ---- */

struct name *
name_get(struct rib *r, const char *text)
{
	size_t len = strlen(text);
	struct name *n;

	HASH_FIND(hh, r->names, text, len, n);
	if (!n) {
		n = mem_calloc(1, sizeof(*n) + len + 1);
		if (!n)
			return NULL;
		memcpy(n->text, text, len);
		HASH_ADD_KEYPTR(hh, r->names, n->text, len, n);
	}
	n->refs++;
	return n;
}

void
name_put(struct rib *r, struct name *n)
{
	if (!n || --n->refs)
		return;
	HASH_DEL(r->names, n);
	mem_free(n);
}

const char *
name_text(const struct name *n)
{
	return n->text;
}

/* ---- dirty nodes ---- */

void
rib_touch_list(struct rib *r, enum bgp_family f, uint32_t id)
{
	struct rib_dirty *d = &r->dirty[f];

	if (d->nr < d->cap)
		d->nodes[d->nr++] = id;
	else if (mem_grow((void **)&d->nodes, &d->cap, d->nr, sizeof(*d->nodes), 0) < 0)
		d->scan = true;
	else
		d->nodes[d->nr++] = id;
	work_post(&r->work);
}

void
rib_hold(struct rib *r)
{
	r->hold = true;
	if (!timer_is_running(&r->retry))
		timer_set(&r->retry, RIB_RETRY_MS);
}

void
rib_redo(struct rib *r, enum bgp_family f, uint32_t id)
{
	ptab_node(&r->tab[f], id)->flags |= NODE_DIRTY;
	r->dirty[f].scan = true;
	rib_hold(r);
}

bool
rib_is_dirty(const struct rib *r, enum bgp_family f)
{
	const struct rib_dirty *d = &r->dirty[f];

	return d->done < d->nr || d->scan;
}

/* The next dirty nodes, to r->batch. */
static size_t
dirty_take(struct rib *r, enum bgp_family f)
{
	struct rib_dirty *d = &r->dirty[f];
	size_t nr = d->nr - d->done;

	if (nr > RIB_SLICE)
		nr = RIB_SLICE;
	if (nr) {
		memcpy(r->batch, d->nodes + d->done, nr * sizeof(*r->batch));
		d->done += nr;
	}
	if (d->done < d->nr)
		return nr;
	d->nr = d->done = 0;
	if (d->cap > DIRTY_KEPT) {
		mem_free(d->nodes);
		d->nodes = NULL;
		d->cap = 0;
	}
	if (nr || !d->scan || r->hold)
		return nr;
	for (uint32_t id = 1; id < ptab_end(&r->tab[f]); id++) {
		const struct node *n = ptab_node(&r->tab[f], id);

		if (n->len == NODE_FREE || !(n->flags & NODE_DIRTY))
			continue;
		if (nr == RIB_SLICE)
			return nr;
		r->batch[nr++] = id;
	}
	d->scan = false;
	return nr;
}

/* ---- decision ---- */

/* RFC 9494 4.3: marked by ourselves, or by a peer that we told of the capability. */
static bool
is_long_lived(const struct path *p, const struct adj *adj, const struct bgp_attrs *a)
{
	return p->flags & PATH_LONG_LIVED ||
	    (adj->session.llgr_sent && a->communities.len &&
		attrset_has_community(a->communities, BGP_LLGR_STALE));
}

void
rib_candidate(const struct rib *r, struct best_path *c, uint32_t i)
{
	struct path *p = rib_path(r, i);
	const struct attrset *set = attrset_at(&r->sets, p->set);
	const struct adj *adj = r->adjs[p->adj];
	struct bgp_attrs a;

	attrset_view(&r->sets, p->set, &a);
	*c = (struct best_path){
		.ebgp = !adj->session.ibgp,
		.stale = is_long_lived(p, adj, &a),
		.origin = a.origin,
		.local_pref = a.has_local_pref ? a.local_pref : 100,
		.path_len = set->path_len,
		.neighbour_as = set->neighbour_as,
		.med = a.has_med ? a.med : 0,
		.router_id = a.has_originator_id ? a.originator_id : adj->session.peer_id,
		.cluster_len = a.cluster_list.len / 4,
		.as_path = a.as_path.p,
		.as_path_bytes = a.as_path.len,
		.path_id = umap_get(&r->path_ids, i),
		.peer = adj->session.remote,
		.ref = p,
	};
}

static void
path_mark(struct path *p, bool best, bool multi)
{
	p->flags &= (uint8_t) ~(PATH_BEST | PATH_MULTI);
	if (best)
		p->flags |= PATH_BEST;
	if (multi)
		p->flags |= PATH_MULTI;
}

/* Mark the best of a node's paths.  Our own win whatever else there is, each for its audience. */
static void
node_decide(struct rib *r, const struct node *n)
{
	bool local = n->flags & NODE_LOCAL;
	struct path *only = n->paths && !local ? rib_path(r, n->paths) : NULL;
	size_t nr = 0, best;

	if (only && !only->next) {
		path_mark(only, only->set, only->set);
		return;
	}
	for (uint32_t i = n->paths; i; i = rib_path(r, i)->next) {
		struct path *p = rib_path(r, i);

		path_mark(p, local && !p->adj, local && !p->adj);
		if (local || !p->set)
			continue;
		assert(nr < r->nr_candidates);
		rib_candidate(r, &r->candidates[nr++], i);
	}
	best = best_choose(r->candidates, nr, r->max_paths, r->max_paths_ibgp, r->relax);
	for (size_t i = 0; i < nr; i++)
		path_mark(r->candidates[i].ref, i == best, r->candidates[i].multipath);
}

size_t
rib_rank(struct rib *r, const struct node *n, bool multi, uint32_t *paths, size_t max)
{
	size_t nr = 0;

	for (uint32_t i = n->paths; i; i = rib_path(r, i)->next) {
		const struct path *p = rib_path(r, i);

		if (!p->adj || !p->set || (multi && !(p->flags & PATH_MULTI)))
			continue;
		assert(nr < r->nr_candidates);
		rib_candidate(r, &r->candidates[nr], i);
		r->candidates[nr++].ref = (void *)(uintptr_t)i;
	}
	best_rank(r->candidates, nr);
	if (nr > max)
		nr = max;
	for (size_t i = 0; i < nr; i++)
		paths[i] = (uint32_t)(uintptr_t)r->candidates[i].ref;
	return nr;
}

/* Nobody refers to it any more. */
void
rib_reap(struct rib *r, enum bgp_family f, uint32_t id)
{
	const struct node *n = ptab_node(&r->tab[f], id);

	if (!n->paths && !n->pins && !(n->flags & NODE_DIRTY))
		ptab_remove(&r->tab[f], id);
}

#define REAP_AHEAD 8

/* The batch is done with.  Where an empty node is found again is looked up a few ahead. */
static void
reap_all(struct rib *r, enum bgp_family f, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		if (i + REAP_AHEAD < nr && !ptab_node(&r->tab[f], r->batch[i + REAP_AHEAD])->paths)
			ptab_prefetch_node(&r->tab[f], r->batch[i + REAP_AHEAD]);
		if (!ptab_node(&r->tab[f], r->batch[i])->paths)
			rib_reap(r, f, r->batch[i]);
	}
}

/* Decide, tell and send one slice.  True: there is more. */
static bool
flush_slice(struct rib *r, enum bgp_family f)
{
	size_t nr = dirty_take(r, f);

	if (!nr)
		return false;
	hops_cache_clear(r);
	for (size_t i = 0; i < nr; i++) {
		struct node *n = ptab_node(&r->tab[f], r->batch[i]);

		n->flags &= (uint8_t)~NODE_DIRTY;
		node_decide(r, n);
		if (n->flags & (NODE_LOCAL | NODE_TOLD))
			originate_tell(r, f, r->batch[i]);
		if (r->tap)
			r->tap->decided(r->tap->arg, r, f, r->batch[i]);
		if (r->ops.learned && hops_tell(r, f, r->batch[i]) < 0)
			rib_redo(r, f, r->batch[i]);
	}
	hops_cache_clear(r);
	out_flush(r, f, r->batch, nr);
	reap_all(r, f, nr);
	return rib_is_dirty(r, f) && (!r->hold || r->dirty[f].nr);
}

void
rib_flush_all(struct rib *r)
{
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		while (flush_slice(r, (enum bgp_family)f))
			;
	}
}

/* Numbers of peers that are gone are free again once nothing can refer to them. */
static void
zombies_bury(struct rib *r)
{
	if (!r->nr_zombies)
		return;
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		if (rib_is_dirty(r, (enum bgp_family)f))
			return;
	}
	for (uint32_t i = 1; i < r->nr_adjs; i++) {
		struct adj *adj = r->adjs[i];

		if (adj && !adj->rib) {
			mem_free(adj);
			r->adjs[i] = NULL;
		}
	}
	r->nr_zombies = 0;
}

static void
rib_work(void *arg)
{
	struct rib *r = arg;
	bool more = sweep_work(r);

	for (int f = 0; f < BGP_NR_FAMILIES; f++)
		more |= flush_slice(r, (enum bgp_family)f);
	more |= out_work(r);
	zombies_bury(r);
	if (more)
		work_post(&r->work);
}

/* Memory was short some time ago: try everything that was left. */
static void
rib_retry(void *arg)
{
	struct rib *r = arg;

	r->hold = false;
	if (r->redo_merge)
		originate_retry(r);
	for (uint32_t i = 1; i < r->nr_adjs; i++) {
		struct adj *adj = r->adjs[i];

		if (!adj || !adj->rib)
			continue;
		if (adj->redo_groups)
			out_regroup(adj);
	}
	work_post(&r->work);
}

/* ---- paths ---- */

uint32_t
rib_path_of(const struct rib *r, const struct node *n, uint16_t adj_id)
{
	uint32_t i = n->paths;

	while (i && rib_path(r, i)->adj != adj_id)
		i = rib_path(r, i)->next;
	return i;
}

uint32_t
rib_path_add(struct rib *r, struct node *n, uint16_t adj_id)
{
	uint32_t i = slab_take(&r->paths);
	struct path *p;

	if (!i)
		return 0;
	p = rib_path(r, i);
	p->adj = adj_id;
	p->since = rib_now_s(r);
	p->next = n->paths;
	n->paths = i;
	return i;
}

uint32_t
rib_path_of_id(const struct rib *r, const struct node *n, uint16_t adj_id, uint32_t path_id)
{
	uint32_t i = n->paths;

	while (i && (rib_path(r, i)->adj != adj_id || umap_get(&r->path_ids, i) != path_id))
		i = rib_path(r, i)->next;
	return i;
}

/* Room for a decision about all of them, and for one identifier. */
static int
paths_reserve(struct rib *r, size_t nr)
{
	while (nr > r->nr_candidates) {
		if (mem_grow((void **)&r->candidates, &r->nr_candidates, r->nr_candidates,
			sizeof(*r->candidates), 0) < 0)
			return -ENOMEM;
	}
	return 0;
}

int
rib_path_add_id(struct adj *adj, struct node *n, uint32_t path_id, uint32_t *path)
{
	unsigned nr = 1, own = 0, kept_back;
	struct rib *r = adj->rib;

	*path = 0;
	for (uint32_t i = n->paths; i; i = rib_path(r, i)->next, nr++)
		own += rib_path(r, i)->adj == adj->id;
	if (own >= ADD_PATHS_MAX) {
		if (log_allow(&adj->noise, loop_now_ms(r->loop), 10, &kept_back))
			log_warn("path-ignored", LOG_S("instance", r->instance),
			    LOG_S("peer", adj->name), LOG_U("limit", ADD_PATHS_MAX),
			    LOG_S("why", "too many paths of one prefix"),
			    LOG_U("suppressed", kept_back));
		return -ENOSPC;
	}
	/* Every other peer may add one more, and does so without a look. */
	if (paths_reserve(r, r->nr_adjs + (nr > r->most_paths ? nr : r->most_paths)) < 0)
		return -ENOMEM;
	r->most_paths = nr > r->most_paths ? nr : r->most_paths;
	*path = rib_path_add(r, n, adj->id);
	if (!*path)
		return -ENOMEM;
	if (path_id && umap_reserve(&r->path_ids, *path) < 0) {
		rib_path_drop(r, n, *path);
		*path = 0;
		return -ENOMEM;
	}
	if (path_id)
		umap_set(&r->path_ids, *path, path_id);
	return 0;
}

void
rib_path_drop(struct rib *r, struct node *n, uint32_t path)
{
	struct path *p = rib_path(r, path);
	uint32_t *at = &n->paths;

	while (*at != path)
		at = &rib_path(r, *at)->next;
	*at = p->next;
	if (umap_get(&r->path_ids, path))
		umap_set(&r->path_ids, path, 0);
	slab_give(&r->paths, path);
}

/* ---- peers ---- */

struct adj *
rib_adj_add(struct rib *r)
{
	struct adj *adj = xnew(struct adj);
	uint32_t id = 1;

	while (id < r->nr_adjs && r->adjs[id])
		id++;
	assert(id <= UINT16_MAX);
	if (id >= r->nr_adjs) {
		uint32_t nr = r->nr_adjs ? r->nr_adjs * 2 : 8;

		r->adjs = xrealloc(r->adjs, nr, sizeof(struct adj *));
		memset(r->adjs + r->nr_adjs, 0, (nr - r->nr_adjs) * sizeof(struct adj *));
		r->nr_adjs = nr;
		if (nr + r->most_paths > r->nr_candidates) {
			r->nr_candidates = nr + r->most_paths;
			r->candidates =
			    xrealloc(r->candidates, r->nr_candidates, sizeof(*r->candidates));
		}
	}
	adj->rib = r;
	adj->id = (uint16_t)id;
	r->adjs[id] = adj;
	return adj;
}

void
rib_adj_drop(struct rib *r, struct adj *adj)
{
	adj->rib = NULL;
	r->nr_zombies++;
	work_post(&r->work);
}

/* ---- the whole ---- */

struct rib *
rib_new(struct loop *loop, const struct bgp_ops *ops, const char *instance)
{
	struct rib *r = xnew(struct rib);

	r->loop = loop;
	if (ops)
		r->ops = *ops;
	r->instance = xstrdup(instance);
	r->max_paths = r->max_paths_ibgp = MAX_PATHS;
	r->relax = true;
	r->born_ms = loop_now_ms(loop);
	attrset_table_init(&r->sets);
	for (int f = 0; f < BGP_NR_FAMILIES; f++)
		ptab_init(&r->tab[f], (enum bgp_family)f);
	slab_init(&r->paths, sizeof(struct path));
	slab_init(&r->claims, sizeof(struct claim));
	slab_init(&r->hopset_numbers, sizeof(struct hopset *));
	r->batch = xcalloc(RIB_SLICE, sizeof(*r->batch));
	r->room.bytes = xcalloc(1, POLICY_ROOM);
	work_init(&r->work, loop, rib_work, r);
	timer_init(&r->retry, loop, rib_retry, r);
	out_init(r);
	return r;
}

void
rib_forget(struct rib *r)
{
	originate_fini(r);
	rib_flush_all(r);
}

void
rib_free(struct rib *r)
{
	if (!r)
		return;
	work_cancel(&r->work);
	timer_stop(&r->retry);
	out_fini(r);
	originate_fini(r);
	hops_fini(r);
	for (uint32_t i = 1; i < r->nr_adjs; i++) {
		if (r->adjs[i])
			mem_free(r->adjs[i]->name);
		mem_free(r->adjs[i]);
	}
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		ptab_fini(&r->tab[f]);
		mem_free(r->dirty[f].nodes);
	}
	slab_fini(&r->paths);
	umap_fini(&r->path_ids);
	slab_fini(&r->claims);
	attrset_table_fini(&r->sets);
	assert(!r->names);
	mem_free(r->adjs);
	mem_free(r->candidates);
	mem_free(r->batch);
	mem_free(r->room.bytes);
	mem_free(r->instance);
	mem_free(r);
}

void
rib_touch_all(struct rib *r)
{
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		const struct ptab *t = &r->tab[f];

		for (uint32_t id = 1; id < ptab_end(t); id++) {
			if (ptab_node(t, id)->len != NODE_FREE)
				rib_touch(r, (enum bgp_family)f, id);
		}
	}
}

/* RFC 4456 8: what was refused for its CLUSTER_LIST, or was not, may have to be the other way. */
static void
cluster_changed(struct rib *r)
{
	for (uint32_t i = 1; i < r->nr_adjs; i++) {
		struct adj *adj = r->adjs[i];

		if (adj && adj->rib)
			sweep_import(adj);
	}
	rib_touch_all(r);
}

void
rib_conf(struct rib *r, const struct bgp_instance_conf *c)
{
	unsigned paths = c->max_paths ? c->max_paths : MAX_PATHS;
	unsigned ibgp = c->max_paths_ibgp ? c->max_paths_ibgp : MAX_PATHS;
	uint32_t cluster_id = c->cluster_id ? c->cluster_id : c->router_id;
	bool decide =
	    r->max_paths != paths || r->max_paths_ibgp != ibgp || r->relax == c->same_as_paths;

	r->local_as = c->local_as;
	r->router_id = c->router_id;
	r->max_paths = paths;
	r->max_paths_ibgp = ibgp;
	r->relax = !c->same_as_paths;
	if (r->cluster_id != cluster_id) {
		r->cluster_id = cluster_id;
		cluster_changed(r);
	} else if (decide) {
		rib_touch_all(r);
	}
}

void
rib_ready(struct rib *r)
{
	r->ready = true;
	work_post(&r->work);
}
