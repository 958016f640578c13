/*
 * bgpd/addpath.c: groups that are sent several paths of a prefix (RFC 7911): what they were sent, and
 * what a change of a node is to them.  Beside out.c, which does the same for all others; members,
 * dumps and bytes are the same for both.
 */
#include "bgpd/addpath.h"
#include "bgpd/emit.h"
#include "bgpd/out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define PATHS_MAX 64  /* of a prefix that are looked at */
#define GONE_MIN 4096 /* that few are not looked through for doubles */
#define NOTE_BYTES 32 /* of a path, at a guess */
#define NOTES_MIN 64u
#define NOTES_MAX 8192u

struct add_table {
	struct umap first; /* node -> the first of its paths */
	struct slab paths;
};

/* Of one path.  What comes from elsewhere now is withdrawn first, so that a change never has two
 * audiences. */
struct add_change {
	struct change c;
	uint32_t path_id;
	uint32_t at; /* its place in the table; for what is new, not linked yet */
	bool fresh;
};

struct add_changes {
	struct add_change *v;
	size_t nr, cap;
};

struct add_table *
addpath_new(void)
{
	struct add_table *t = mem_calloc(1, sizeof(*t));

	if (t)
		slab_init(&t->paths, sizeof(struct add_path));
	return t;
}

static struct add_path *
path_at(const struct out_group *g, uint32_t at)
{
	return at ? slab_at(&g->add->paths, at) : NULL;
}

static struct add_path *
first_of(const struct out_group *g, uint32_t node)
{
	return path_at(g, umap_get(&g->add->first, node));
}

void
addpath_free(struct out_group *g)
{
	if (!g->add)
		return;
	for (uint32_t id = 1; g->nr_out && id < ptab_end(&g->rib->tab[g->family]); id++) {
		for (struct add_path *p = first_of(g, id); p; p = path_at(g, p->next)) {
			attrset_unref(&g->rib->sets, p->set);
			g->nr_out--;
		}
	}
	umap_fini(&g->add->first);
	slab_fini(&g->add->paths);
	mem_free(g->add);
	g->add = NULL;
}

/* ---- the table ---- */

static void
path_link(struct out_group *g, uint32_t node, uint32_t at)
{
	path_at(g, at)->next = umap_get(&g->add->first, node);
	umap_set(&g->add->first, node, at);
}

static void
path_unlink(struct out_group *g, uint32_t node, uint32_t at)
{
	uint32_t i = umap_get(&g->add->first, node);

	if (i == at) {
		umap_set(&g->add->first, node, path_at(g, at)->next);
	} else {
		while (path_at(g, i)->next != at)
			i = path_at(g, i)->next;
		path_at(g, i)->next = path_at(g, at)->next;
	}
	slab_give(&g->add->paths, at);
}

static void
change_commit(struct out_group *g, const struct add_change *a)
{
	const struct change *c = &a->c;
	struct add_path *p = path_at(g, a->at);

	attrset_unref(&g->rib->sets, c->old);
	g->nr_out += (uint32_t) !!c->set - (uint32_t) !!c->old;
	if (!c->set) {
		path_unlink(g, c->node, a->at);
		return;
	}
	p->path_id = a->path_id;
	p->set = c->set;
	p->src = c->src;
	if (a->fresh)
		path_link(g, c->node, a->at);
}

static void
change_drop(struct out_group *g, const struct add_change *a)
{
	attrset_unref(&g->rib->sets, a->c.set);
	if (a->fresh)
		slab_give(&g->add->paths, a->at);
}

/* ---- what a node has for the group ---- */

struct add_want {
	struct exported e;
	uint32_t path_id;
};

static void
wants_drop(struct out_group *g, const struct add_want *w, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		attrset_unref(&g->rib->sets, w[i].e.set);
}

/* Up to g->add_max of them, the best first; with references.  -ENOMEM. */
static int
wants_of(struct out_group *g, uint32_t node, struct add_want *w)
{
	const struct node *n = ptab_node(&g->rib->tab[g->family], node);
	struct outgoing one = { 0 };
	uint32_t paths[PATHS_MAX];
	size_t nr = 0, nr_paths;

	if (n->flags & NODE_LOCAL || !g->relay) {
		one = export_choose(g, n);
		nr_paths = one.set ? 1 : 0;
	} else {
		nr_paths = rib_rank(g->rib, n, g->add_multi, paths, PATHS_MAX);
	}
	for (size_t i = 0; i < nr_paths && nr < g->add_max; i++) {
		struct outgoing o = one.set ? one : export_learned(g, paths[i]);

		if (export_path(g, node, &o, &w[nr].e) < 0) {
			wants_drop(g, w, nr);
			return -ENOMEM;
		}
		w[nr].path_id = o.path;
		nr += w[nr].e.set != 0;
	}
	return (int)nr;
}

/* ---- what is new about a node ---- */

static struct add_change *
changes_add(struct add_changes *l)
{
	if (mem_grow((void **)&l->v, &l->cap, l->nr, sizeof(*l->v), 0) < 0)
		return NULL;
	memset(&l->v[l->nr], 0, sizeof(*l->v));
	return &l->v[l->nr++];
}

static int
add_withdrawal(const struct out_group *g, uint32_t node, const struct add_path *p, uint32_t at,
    struct add_changes *l)
{
	struct add_change *a = changes_add(l);

	if (!a)
		return -ENOMEM;
	a->path_id = p->path_id;
	a->at = at;
	a->c.node = node;
	a->c.old = p->set;
	a->c.old_src = p->src;
	a->c.old_nh = g->relay ? group_nh_member(g, p->set) : 0;
	return 0;
}

/* Takes over the reference. */
static int
add_announcement(struct out_group *g, uint32_t node, const struct add_want *w, uint32_t at,
    struct add_changes *l)
{
	const struct add_path *p = path_at(g, at);
	uint16_t nh = g->relay ? group_nh_member(g, w->e.set) : 0;
	struct add_change *a;

	/* Other members than before: from those that had it, it goes first. */
	if (p && (p->src != w->e.src || group_nh_member(g, p->set) != nh)) {
		if (add_withdrawal(g, node, p, at, l) < 0)
			return -ENOMEM;
		p = NULL;
	}
	a = changes_add(l);
	if (!a)
		return -ENOMEM;
	a->fresh = !p;
	a->at = p ? at : slab_take(&g->add->paths);
	if (!a->at || umap_reserve(&g->add->first, node) < 0) {
		if (a->at && a->fresh)
			slab_give(&g->add->paths, a->at);
		l->nr--;
		return -ENOMEM;
	}
	a->path_id = w->path_id;
	a->c.node = node;
	a->c.set = w->e.set;
	a->c.src = w->e.src;
	a->c.nh = nh;
	if (p) {
		a->c.old = p->set;
		a->c.old_src = a->c.src;
		a->c.old_nh = nh;
	}
	return 0;
}

static uint32_t
sent_as(const struct out_group *g, uint32_t node, uint32_t path_id)
{
	uint32_t at = umap_get(&g->add->first, node);

	while (at && path_at(g, at)->path_id != path_id)
		at = path_at(g, at)->next;
	return at;
}

static bool
is_wanted(const struct add_want *w, size_t nr, uint32_t path_id)
{
	while (nr && w[nr - 1].path_id != path_id)
		nr--;
	return nr;
}

/* All changes of a node to the list, or none.  -ENOMEM. */
static int
changes_find(struct out_group *g, uint32_t node, struct add_changes *l)
{
	struct add_want w[PATHS_MAX];
	int nr = wants_of(g, node, w), i = 0, err = 0;
	const size_t before = l->nr;

	if (nr < 0)
		return nr;
	for (uint32_t at = umap_get(&g->add->first, node); at && !err; at = path_at(g, at)->next) {
		if (!is_wanted(w, (size_t)nr, path_at(g, at)->path_id))
			err = add_withdrawal(g, node, path_at(g, at), at, l);
	}
	for (; i < nr && !err; i++) {
		const uint32_t at = sent_as(g, node, w[i].path_id);
		const struct add_path *p = path_at(g, at);

		if (p && p->set == w[i].e.set && p->src == w[i].e.src)
			attrset_unref(&g->rib->sets, w[i].e.set);
		else if ((err = add_announcement(g, node, &w[i], at, l)) < 0)
			break;
	}
	if (!err)
		return 0;
	wants_drop(g, w + i, (size_t)(nr - i));
	while (l->nr > before)
		change_drop(g, &l->v[--l->nr]);
	return err;
}

int
addpath_build(struct out_group *g, uint32_t node)
{
	struct add_changes l = { 0 };
	int err = changes_find(g, node, &l);

	for (size_t i = 0; i < l.nr; i++)
		change_commit(g, &l.v[i]);
	mem_free(l.v);
	return err;
}

/* ---- flush ---- */

static int
change_cmp(const void *a, const void *b)
{
	const struct add_change *x = a, *y = b;
	const struct change *c = &x->c, *d = &y->c;

	if (!c->set != !d->set)
		return c->set ? 1 : -1; /* withdrawals first */
	if (change_src(c) != change_src(d))
		return change_src(c) < change_src(d) ? -1 : 1;
	if (change_nh(c) != change_nh(d))
		return change_nh(c) < change_nh(d) ? -1 : 1;
	if (c->set != d->set)
		return c->set < d->set ? -1 : 1;
	if (c->node != d->node)
		return c->node < d->node ? -1 : 1;
	return x->path_id < y->path_id ? -1 : x->path_id > y->path_id;
}

static int
change_emit(struct emit *e, const struct add_change *a)
{
	e->path_id = a->path_id;
	return emit_add(e, a->c.node, a->c.set, change_src(&a->c), change_nh(&a->c));
}

static int
gone_cmp(const void *a, const void *b)
{
	const struct gone *x = a, *y = b;

	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	return x->path_id < y->path_id ? -1 : x->path_id > y->path_id;
}

static void
gone_tidy(struct member *m)
{
	size_t nr = 0;

	if (!m->nr_gone)
		return;
	qsort(m->gone, m->nr_gone, sizeof(*m->gone), gone_cmp);
	for (size_t i = 0; i < m->nr_gone; i++)
		if (!nr || gone_cmp(&m->gone[nr - 1], &m->gone[i]) != 0)
			m->gone[nr++] = m->gone[i];
	m->nr_gone = nr;
}

/* Room for so many more.  -ENOMEM. */
static int
gone_reserve(struct member *m, size_t more)
{
	if (m->nr_gone > GONE_MIN && m->nr_gone > 2 * m->floor_gone) {
		gone_tidy(m);
		m->floor_gone = m->nr_gone;
	}
	while (m->cap_gone < m->nr_gone + more) {
		if (mem_grow((void **)&m->gone, &m->cap_gone, m->cap_gone, sizeof(*m->gone), 0) < 0)
			return -ENOMEM;
	}
	return 0;
}

static void
change_note(struct out_group *g, const struct add_change *a)
{
	const struct change *c = &a->c;

	for (struct member *m = g->members; m; m = m->next) {
		bool had = c->old && !member_is_kept_from(m, c->old_src, c->old_nh);
		bool want = c->set && !member_is_kept_from(m, c->src, c->nh);

		if (m->state != MEMBER_WAIT)
			m->nr_told += (uint32_t)want - (uint32_t)had;
		if (m->direct || !member_follows(m, c->node))
			continue;
		member_pend(m, c->node, true);
		if (!c->set)
			m->gone[m->nr_gone++] = (struct gone){ c->node, a->path_id };
	}
	group_dump_spoilt(g, c->node);
}

/* Encode, queue, note and commit; what finds no memory is left as it was, and dirty. */
static void
changes_emit(struct out_group *g, const struct add_changes *l, bool anybody, bool reserved)
{
	struct emit e;
	size_t i;

	emit_begin(&e, g, group_send, g);
	for (i = 0; reserved && i < l->nr; i++) {
		if (anybody && change_emit(&e, &l->v[i]) < 0)
			break;
		change_note(g, &l->v[i]);
		change_commit(g, &l->v[i]);
	}
	emit_end(&e);
	for (; i < l->nr; i++) {
		change_drop(g, &l->v[i]);
		rib_redo(g->rib, g->family, l->v[i].c.node);
	}
}

static bool
members_reserve(const struct out_group *g, const struct add_changes *l)
{
	size_t nr = 0;

	for (size_t i = 0; i < l->nr; i++)
		nr += !l->v[i].c.set;
	for (struct member *m = g->members; m; m = m->next)
		if (!m->direct && gone_reserve(m, nr) < 0)
			return false;
	return true;
}

void
addpath_flush(struct out_group *g, const uint32_t *nodes, size_t nr)
{
	struct add_changes l = { 0 };
	bool anybody, room = group_prepare(g, &anybody) == 0;

	for (size_t i = 0; i < nr; i++) {
		/* What is not built yet is looked at when its turn comes. */
		if (nodes[i] < g->built && (!room || changes_find(g, nodes[i], &l) < 0))
			rib_redo(g->rib, g->family, nodes[i]);
	}
	if (l.nr)
		qsort(l.v, l.nr, sizeof(*l.v), change_cmp);
	changes_emit(g, &l, anybody, members_reserve(g, &l));
	export_forget(g);
	mem_free(l.v);
}

/* ---- a whole table, and what was noted ---- */

/* All paths of a node to the list, as news for nobody in particular. */
static int
changes_of_node(const struct out_group *g, uint32_t node, struct add_changes *l)
{
	for (const struct add_path *p = first_of(g, node); p; p = path_at(g, p->next)) {
		struct add_change *a = changes_add(l);

		if (!a)
			return -ENOMEM;
		a->path_id = p->path_id;
		a->c.node = node;
		a->c.set = p->set;
		a->c.src = p->src;
		a->c.nh = g->relay ? group_nh_member(g, p->set) : 0;
	}
	return 0;
}

static int
changes_send(struct add_changes *l, struct emit *e)
{
	int err = 0;

	if (l->nr)
		qsort(l->v, l->nr, sizeof(*l->v), change_cmp);
	for (size_t i = 0; i < l->nr && !err; i++)
		err = change_emit(e, &l->v[i]);
	return err;
}

int
addpath_emit(struct out_group *g, uint32_t from, uint32_t to, struct emit *e)
{
	struct add_changes l = { 0 };
	int err = 0;

	for (uint32_t id = from; id < to && !err; id++)
		err = changes_of_node(g, id, &l);
	if (!err)
		err = changes_send(&l, e);
	mem_free(l.v);
	return err;
}

static bool
is_seen_by(const struct member *m, const struct out_group *g, const struct add_path *p)
{
	return member_view(m, g, p->set, p->src) != 0;
}

static bool
has_path(const struct member *m, const struct out_group *g, uint32_t node, uint32_t path_id)
{
	const struct add_path *p = path_at(g, sent_as(g, node, path_id));

	return p && is_seen_by(m, g, p);
}

/* What there is to say of a noted node: what went, in @gone from *at on, and all that is there. */
static int
note_collect(struct member *m, uint32_t node, size_t *at, struct add_changes *l)
{
	const struct out_group *g = m->group;
	struct add_change *a;

	for (const struct add_path *p = first_of(g, node); p; p = path_at(g, p->next)) {
		if (!is_seen_by(m, g, p))
			continue;
		a = changes_add(l);
		if (!a)
			return -ENOMEM;
		a->path_id = p->path_id;
		a->c.node = node;
		a->c.set = p->set;
	}
	for (; *at < m->nr_gone && m->gone[*at].node <= node; (*at)++) {
		if (m->gone[*at].node < node || has_path(m, g, node, m->gone[*at].path_id))
			continue;
		a = changes_add(l);
		if (!a)
			return -ENOMEM;
		a->path_id = m->gone[*at].path_id;
		a->c.node = node;
	}
	return 0;
}

static void
send_one(void *arg, struct bgp_block *b, uint16_t not_src, uint16_t not_nh)
{
	(void)not_src;
	(void)not_nh;
	member_send(arg, b);
}

int
addpath_notes(struct member *m, size_t room)
{
	size_t max = room / NOTE_BYTES, at = 0;
	struct add_changes l = { 0 };
	uint32_t node = 0, last = 0;
	struct emit e;
	int err = 0;

	max = max < NOTES_MIN ? NOTES_MIN : max > NOTES_MAX ? NOTES_MAX : max;
	gone_tidy(m);
	while (l.nr < max && !err && (node = bitset_next(&m->pend, node)) != UINT32_MAX) {
		err = note_collect(m, node, &at, &l);
		last = node++;
	}
	emit_begin(&e, m->group, send_one, m);
	if (!err)
		err = changes_send(&l, &e);
	emit_end(&e);
	mem_free(l.v);
	if (err)
		return err; /* said again, some of it: that changes nothing */
	while ((node = bitset_next(&m->pend, 0)) <= last)
		member_pend_clear(m, node);
	m->nr_gone -= at;
	if (m->nr_gone)
		memmove(m->gone, m->gone + at, m->nr_gone * sizeof(*m->gone));
	return 0;
}

int
addpath_compare(struct member *m, const struct out_group *from, const struct out_group *to)
{
	const struct ptab *t = &from->rib->tab[from->family];

	for (uint32_t id = 1; id < ptab_end(t); id++) {
		const struct add_path *p = first_of(from, id);

		if (!p && !first_of(to, id))
			continue;
		for (; p; p = path_at(from, p->next)) {
			if (gone_reserve(m, 1) < 0)
				return -ENOMEM;
			m->gone[m->nr_gone++] = (struct gone){ id, p->path_id };
		}
		member_pend(m, id, true);
	}
	return 0;
}

/* ---- looking ---- */

uint32_t
addpath_count(const struct member *m)
{
	const struct out_group *g = m->group;
	uint32_t nr = 0;

	for (uint32_t id = 1; id < ptab_end(&g->rib->tab[g->family]); id++) {
		for (const struct add_path *p = first_of(g, id); p; p = path_at(g, p->next))
			nr += is_seen_by(m, g, p);
	}
	return nr;
}

const struct add_path *
addpath_next(const struct member *m, uint32_t node, const struct add_path *at)
{
	const struct out_group *g = m->group;

	at = at ? path_at(g, at->next) : first_of(g, node);
	while (at && !is_seen_by(m, g, at))
		at = path_at(g, at->next);
	return at;
}
