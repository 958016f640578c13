/*
 * datapath/services_show.c: a frontend as the programs see it.  Called by services.c once all that
 * may fail is prepared.
 *
 * Shown: source ranges, the row, its key in the hash, the address's own key, the bits of the filter,
 * in this order, so that no packet meets a half of it; hidden in reverse.  A change is one store for
 * each word of the row.  Keys are queued and written together; whatever deletes a key writes the
 * queue first.
 */
#include "datapath/services.h"

#include "lib/log.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void
sv_starve(struct dp_services *s, uint64_t *what, uint64_t amount)
{
	*what += amount;
	if (!s->grow_asked)
		work_post(&s->grow_work);
}

void
sv_counts_clear(struct dp_services *s, enum dp_map map, uint32_t row)
{
	static const struct lb_count zero[1024]; /* one for each CPU that the kernel may have */
	int cpus = libbpf_num_possible_cpus();

	if (s->m->fd[map] >= 0 && cpus > 0 && cpus <= 1024)
		bpf_map_update_elem(s->m->fd[map], &row, zero, BPF_ANY);
}

/* ---- the filter ---- */

void
sv_filter_add(struct dp_services *s, const struct lb_addr *a, enum lb_filter_bit bit)
{
	uint32_t i = lb_filter_index(a);
	uint32_t *count = bit == LB_IS_VIP ? &s->filter[i].vip : &s->filter[i].backend;

	if ((*count)++ == 0) /* links writes another bit of the byte */
		__atomic_fetch_or(&s->m->filter[i], (uint8_t)bit, __ATOMIC_RELEASE);
}

void
sv_filter_del(struct dp_services *s, const struct lb_addr *a, enum lb_filter_bit bit)
{
	uint32_t i = lb_filter_index(a);
	uint32_t *count = bit == LB_IS_VIP ? &s->filter[i].vip : &s->filter[i].backend;

	if (--(*count) == 0)
		__atomic_fetch_and(&s->m->filter[i], (uint8_t)~bit, __ATOMIC_RELEASE);
}

/* ---- keys ---- */

/* What became of one key. */
static void
queue_done(struct dp_services *s, uint32_t i, int err)
{
	struct sv_fe *fe = s->queue_fe[i];

	if (err < 0) {
		sv_starve(s, &s->short_fe, 1);
		if (fe)
			fe->hashed = false;
		else
			s->queue_vip[i]->written = false;
		if (err != -E2BIG)
			log_error("lb-key-not-written", LOG_ERR(-err));
		return;
	}
	if (fe && !fe->visible) {
		sv_filter_add(s, &fe->key.addr, LB_IS_VIP);
		fe->visible = true;
	}
}

void
sv_flush(struct dp_services *s)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	uint32_t nr = s->nr_queue, done = 0;
	int fd = s->m ? s->m->fd[DP_MAP_FRONTENDS] : -1;

	s->nr_queue = 0;
	if (nr > 1 && !s->no_batch) {
		done = nr;
		if (bpf_map_update_batch(fd, s->queue_key, s->queue_value, &done, &opts) < 0) {
			s->no_batch = errno == EINVAL || errno == 524; /* older than 5.6 */
			if (s->no_batch || done > nr)
				done = 0;
		}
	}
	for (uint32_t i = 0; i < nr; i++) {
		int err = 0;

		/* One by one where they cannot be written at once, or from where it failed. */
		if (i >= done &&
		    bpf_map_update_elem(fd, &s->queue_key[i], &s->queue_value[i], BPF_ANY) < 0)
			err = -errno;
		queue_done(s, i, err);
	}
}

static void
queue(struct dp_services *s, const struct lb_fe_key *key, uint32_t value, struct sv_fe *fe,
    struct sv_vip *vip)
{
	if (s->nr_queue == SV_QUEUE)
		sv_flush(s);
	s->queue_key[s->nr_queue] = *key;
	s->queue_value[s->nr_queue] = value;
	s->queue_fe[s->nr_queue] = fe;
	s->queue_vip[s->nr_queue] = vip;
	s->nr_queue++;
	work_post(&s->flush_work);
}

int
sv_hash_del(struct dp_services *s, const struct lb_fe_key *key)
{
	return bpf_map_delete_elem(s->m->fd[DP_MAP_FRONTENDS], key) < 0 ? -errno : 0;
}

static int
prefix_order(const void *a, const void *b)
{
	return prefix_cmp(a, b);
}

/* They are sorted, each once; there may be two for each node. */
bool
sv_cluster_have(const struct prefix *sorted, size_t nr, const struct prefix *p)
{
	return nr && bsearch(p, sorted, nr, sizeof(*p), prefix_order) != NULL;
}

/* The cluster's prefixes name every node's address: its other ports are the node's own. */
static bool
is_node_address(const struct dp_services *s, const struct lb_fe_key *key)
{
	struct addr a = sv_addr(&key->addr, key->family);
	struct prefix p = prefix_host(&a);

	return sv_cluster_have(s->cluster, s->nr_cluster, &p);
}

void
sv_vip_settle(struct dp_services *s, struct sv_vip *v)
{
	bool want = v->wild > 0 && v->nodes == 0 && !is_node_address(s, &v->key);

	if (want == v->written)
		return;
	v->written = want;
	if (want) {
		queue(s, &v->key, SV_WILDCARD, NULL, v);
		return;
	}
	sv_flush(s);
	sv_hash_del(s, &v->key);
}

static void
vip_count(struct dp_services *s, struct sv_fe *fe, uint32_t flags, int by)
{
	if (flags & LB_FE_NODE_PORT)
		fe->vip->nodes += (uint32_t)by;
	else if (flags)
		fe->vip->wild += (uint32_t)by;
	sv_vip_settle(s, fe->vip);
}

/* ---- source ranges ---- */

struct lb_range_key
sv_range_key(uint32_t set, const struct prefix *p)
{
	return (struct lb_range_key){ .prefixlen = 32u + p->len,
		.set = set | (p->addr.family == ADDR_V6 ? LB_RANGES_V6 : 0),
		.addr = lb_addr_of(&p->addr) };
}

bool
sv_ranges_have(const struct prefix *in, size_t nr, const struct prefix *p)
{
	for (size_t i = 0; i < nr; i++) {
		if (prefix_eq(&in[i], p))
			return true;
	}
	return false;
}

static void
ranges_add(struct dp_services *s, uint32_t set, const struct prefix *p, size_t nr,
    const struct prefix *had, size_t nr_had)
{
	const __u32 one = 1;

	for (size_t i = 0; i < nr; i++) {
		struct lb_range_key key = sv_range_key(set, &p[i]);

		if (sv_ranges_have(had, nr_had, &p[i]))
			continue;
		if (bpf_map_update_elem(s->m->fd[DP_MAP_SRC_RANGES], &key, &one, BPF_ANY) < 0)
			log_error("lb-range-not-written", LOG_S("prefix", prefix_str(&p[i])),
			    LOG_ERR(errno));
	}
}

static void
ranges_del(struct dp_services *s, uint32_t set, const struct prefix *p, size_t nr,
    const struct prefix *keep, size_t nr_keep)
{
	for (size_t i = 0; i < nr; i++) {
		struct lb_range_key key = sv_range_key(set, &p[i]);

		if (!sv_ranges_have(keep, nr_keep, &p[i]))
			bpf_map_delete_elem(s->m->fd[DP_MAP_SRC_RANGES], &key);
	}
}

void
sv_cluster_write(struct dp_services *s, const struct prefix *old, size_t nr_old)
{
	for (size_t i = 0; i < s->nr_cluster; i++) {
		if (!sv_cluster_have(old, nr_old, &s->cluster[i]))
			ranges_add(s, LB_RANGES_CLUSTER, &s->cluster[i], 1, NULL, 0);
	}
	for (size_t i = 0; i < nr_old; i++) {
		if (!sv_cluster_have(s->cluster, s->nr_cluster, &old[i]))
			ranges_del(s, LB_RANGES_CLUSTER, &old[i], 1, NULL, 0);
	}
}

/* ---- rows ---- */

static uint32_t
fe_flags(const struct dp_frontend *f)
{
	static const uint32_t type[DP_NR_TYPES] = {
		[DP_CLUSTER_IP] = LB_FE_CLUSTER_IP,
		[DP_NODE_PORT] = LB_FE_NODE_PORT,
		[DP_EXTERNAL_IP] = LB_FE_EXTERNAL_IP,
		[DP_LOAD_BALANCER] = LB_FE_LOAD_BALANCER,
	};
	uint32_t flags = LB_FE_LIVE | type[f->type];

	flags |= f->non_routable ? (uint32_t)LB_FE_NON_ROUTABLE : 0;
	flags |= f->external_local ? (uint32_t)LB_FE_EXTERNAL_LOCAL : 0;
	flags |= f->internal_local ? (uint32_t)LB_FE_INTERNAL_LOCAL : 0;
	flags |= f->affinity_s ? (uint32_t)LB_FE_AFFINITY : 0;
	flags |= f->nr_ranges ? (uint32_t)LB_FE_SOURCE_RANGES : 0;
	flags |= f->random ? (uint32_t)LB_FE_RANDOM : 0;
	flags |= f->dsr ? (uint32_t)LB_FE_DSR : 0;
	return flags;
}

static uint64_t
word_of(const struct sv_block *b)
{
	return b ? b->word : 0;
}

/* One store makes the table another; the last one stays for flows that are under way. */
static void
flip(struct dp_services *s, struct sv_fe *fe, unsigned scope, struct sv_block *to)
{
	struct lb_fe_row *row = &s->m->fe[fe->row];
	struct sv_block *was = fe->table[scope], *before = fe->prev[scope];

	if (to)
		sv_block_ref(to);
	if (was) {
		fe->image.prev[scope] = was->word;
		SV_STORE(&row->prev[scope], was->word);
		fe->prev[scope] = was;
	}
	fe->table[scope] = to;
	fe->image.table[scope] = word_of(to);
	SV_STORE(&row->table[scope], word_of(to));
	if (was) {
		sv_block_unref(s, before);
		sv_old_set(s, fe, scope);
	}
}

/* A row that nobody reads yet: complete, then LIVE, then its key. */
static void
show_new(struct dp_services *s, struct sv_fe *fe, const struct sv_wfe *w)
{
	struct lb_fe_row *row = &s->m->fe[fe->row], dark;

	fe->image = (struct lb_fe_row){
		.addr = fe->key.addr,
		.port = fe->key.port,
		.proto = fe->key.proto,
		.family = fe->key.family,
		.flags = fe_flags(&w->f),
		.affinity_s = w->f.affinity_s,
		.service = w->service->number,
	};
	for (unsigned i = 0; i < LB_NR_SCOPES; i++) {
		fe->table[i] = w->list->block[i];
		if (fe->table[i])
			sv_block_ref(fe->table[i]);
		fe->image.table[i] = word_of(fe->table[i]);
	}
	ranges_add(s, fe->row + 1, w->f.ranges, w->f.nr_ranges, NULL, 0);
	dark = fe->image;
	dark.flags = 0;
	*row = dark;
	SV_STORE(&row->flags, fe->image.flags);
	fe->live = true;
}

static void
show_change(struct dp_services *s, struct sv_fe *fe, const struct sv_wfe *w)
{
	struct lb_fe_row *row = &s->m->fe[fe->row];
	const struct sv_wfe *had = fe->shown;
	const struct prefix *old = had ? had->f.ranges : NULL;
	size_t nr_old = had ? had->f.nr_ranges : 0;
	uint32_t flags = fe_flags(&w->f);

	ranges_add(s, fe->row + 1, w->f.ranges, w->f.nr_ranges, old, nr_old);
	if (fe->image.affinity_s != w->f.affinity_s)
		SV_STORE(&row->affinity_s, fe->image.affinity_s = w->f.affinity_s);
	if (fe->image.service != w->service->number)
		SV_STORE(&row->service, fe->image.service = w->service->number);
	for (unsigned i = 0; i < LB_NR_SCOPES; i++) {
		/* Rather the table before than none, when only room is missing. */
		if (w->list->hungry && !w->list->block[i])
			continue;
		if (fe->table[i] != w->list->block[i])
			flip(s, fe, i, w->list->block[i]);
	}
	if (fe->image.flags != flags) {
		uint32_t was = fe->image.flags;

		SV_STORE(&row->flags, fe->image.flags = flags);
		if ((was ^ flags) & LB_FE_NODE_PORT) {
			vip_count(s, fe, was, -1);
			vip_count(s, fe, flags, 1);
		}
	}
	ranges_del(s, fe->row + 1, old, nr_old, w->f.ranges, w->f.nr_ranges);
}

static bool
row_get(struct dp_services *s, struct sv_fe *fe)
{
	if (fe->row != SV_NONE) {
		if (s->fe_rows.at[fe->row].state != SV_LIVE)
			sv_rows_revive(&s->fe_rows, fe->row);
		return true;
	}
	fe->row = sv_rows_take(&s->fe_rows);
	if (fe->row == SV_NONE) {
		sv_starve(s, &s->short_fe, 1);
		return false;
	}
	s->fe_at[fe->row] = fe;
	if (s->fe_rows.at[fe->row].counted)
		sv_counts_clear(s, DP_MAP_FE_COUNTS, fe->row);
	s->fe_rows.at[fe->row].counted = false;
	return true;
}

void
sv_show(struct dp_services *s, struct sv_fe *fe)
{
	struct sv_wfe *w = fe->claims;
	bool fresh = !fe->live;

	if (!w || !w->next)
		fe->told = false;
	if (!w) {
		if (fe->live)
			sv_hide(s, fe);
		return;
	}
	/* Its turn to be written is to come: what an earlier process showed may stay until then. */
	if (!w->list->held) {
		if (fe->live && fe->shown)
			sv_hide(s, fe);
		return;
	}
	if (!row_get(s, fe)) {
		w->list->hungry = true;
		return;
	}
	if (fresh)
		show_new(s, fe, w);
	else
		show_change(s, fe, w);
	fe->shown = w;
	s->affinity = s->affinity || w->f.affinity_s;
	/* As long as nobody had a use for it the map was made small. */
	if (w->f.affinity_s && s->m->nr[DP_MAP_AFFINITY] <= DP_CLIENTS_FEW && !s->short_clients)
		sv_starve(s, &s->short_clients, DP_CLIENTS - DP_CLIENTS_FEW);
	if (!fe->hashed) {
		fe->hashed = true;
		queue(s, &fe->key, fe->row, fe, NULL);
	}
	if (fresh)
		vip_count(s, fe, fe->image.flags, 1);
}

void
sv_hide(struct dp_services *s, struct sv_fe *fe)
{
	struct lb_fe_row *row = &s->m->fe[fe->row];

	sv_flush(s);
	if (fe->visible)
		sv_filter_del(s, &fe->key.addr, LB_IS_VIP);
	vip_count(s, fe, fe->image.flags, -1);
	if (fe->hashed)
		sv_hash_del(s, &fe->key);
	fe->visible = fe->hashed = fe->live = false;
	fe->image.flags &= ~(uint32_t)LB_FE_LIVE;
	SV_STORE(&row->flags, fe->image.flags);
	for (unsigned i = 0; i < LB_NR_SCOPES; i++) {
		fe->image.table[i] = 0;
		SV_STORE(&row->table[i], 0);
		sv_block_unref(s, fe->table[i]);
		fe->table[i] = NULL;
		sv_old_drop(s, fe, i);
	}
	if (fe->shown)
		ranges_del(s, fe->row + 1, fe->shown->f.ranges, fe->shown->f.nr_ranges, NULL, 0);
	fe->shown = NULL;
	sv_rows_kill(&s->fe_rows, fe->row);
}
