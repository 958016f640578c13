/*
 * bgpd/rehearse.c: see rehearse.h.  What peers had been sent is remembered as numbers of attribute sets,
 * whose nodes and sets stay meanwhile, and compared with what they would be sent once all is taken on.
 */
#include "bgpd/rehearse.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bgpd/addpath.h"
#include "bgpd/bmp.h"
#include "bgpd/out.h"
#include "bgpd/rehearsal.h"
#include "bgpd/sweep.h"
#include "lib/mem.h"

#define FIELDS_MAX 64

/* A route as it is sent. */
struct sent {
	uint32_t node, path_id; /* path_id: RFC 7911; else 0 */
	uint32_t set;
};

/* By node and path. */
struct sent_list {
	struct sent *v;
	size_t nr, cap;
};

/* What one peer had been sent. */
struct told {
	struct told *next;
	char *instance, *peer;
	struct rib *rib;
	const struct peer *of; /* NULL: it is removed */
	bool reset;
	struct sent_list sent[BGP_NR_FAMILIES]; /* sets with a reference */
};

struct awaited {
	struct awaited *next;
	struct peer *peer;
	bool in_vain; /* it ends, and the peer would have to change before it stays */
};

/* ---- what is found out while it is taken on ---- */

void
rehearse_renamed(struct instance *in, const char *field)
{
	if (is_rehearsed(in))
		in->bgp->rehearsal->renamed = field;
}

static void
tell_fate(const struct peer *p, enum bgp_fate fate, const char *const *fields, size_t nr)
{
	const struct rehearsal *r = p->instance->bgp->rehearsal;

	r->ops->peer(
	    r->ops->arg, p->instance->name, p->conf->name, &p->conf->addr, fate, fields, nr);
}

static struct told *
told_of(const struct peer *p)
{
	struct told *t = p->instance->bgp->rehearsal->told;

	while (t && t->of != p)
		t = t->next;
	return t;
}

static void
await(struct peer *p, bool in_vain)
{
	struct rehearsal *r = p->instance->bgp->rehearsal;
	struct awaited *a = xnew(struct awaited);

	a->peer = p;
	a->in_vain = in_vain;
	a->next = r->awaited;
	r->awaited = a;
}

void
rehearse_added(struct peer *p)
{
	if (!is_rehearsed(p->instance))
		return;
	await(p, false);
	tell_fate(p, BGP_FATE_ADDED, NULL, 0);
}

void
rehearse_removed(struct peer *p)
{
	struct told *t;

	if (!is_rehearsed(p->instance))
		return;
	t = told_of(p);
	if (t)
		t->of = NULL;
	tell_fate(p, BGP_FATE_REMOVED, NULL, 0);
}

void
rehearse_changed(struct peer *p, const struct bgp_peer_conf *old)
{
	const char *fields[FIELDS_MAX + 4], *field = NULL;
	const unsigned news = adj_conf_news(p->adj);
	struct bgp_fault fault;
	bool reset, too_many;
	struct told *t;
	size_t nr = 0;

	if (!is_rehearsed(p->instance))
		return;
	if (p->instance->bgp->rehearsal->renamed)
		fields[nr++] = p->instance->bgp->rehearsal->renamed;
	reset = nr > 0 || conf_compare(old, p->conf, &field) == CONF_RESET;
	nr += conf_differences(old, p->conf, fields + nr, FIELDS_MAX);
	if (news & ADJ_NEW_IMPORT)
		fields[nr++] = "import";
	if (news & ADJ_NEW_EXPORT)
		fields[nr++] = "export";
	if (news & ADJ_NEW_AUDIENCE)
		fields[nr++] = "advertisements";
	if (nr == 0)
		return;
	/* A limit that was lowered ends the session at once. */
	too_many = !reset && p->up && adj_limit_check(p->adj, &fault) < 0;
	reset |= too_many;
	tell_fate(p, reset ? BGP_FATE_RESET : BGP_FATE_CHANGED, fields, nr);
	if (!reset)
		return;
	await(p, too_many);
	t = told_of(p);
	if (t)
		t->reset = true;
}

void
rehearse_monitors(struct bgp *b, const struct bgp_conf *c)
{
	struct rehearsal *r = b->rehearsal;

	/* What came before is left to the end of the process. */
	r->applied = true;
	r->nr_monitors = bmp_nr_wanted(c);
	r->monitors = xnew_n(struct bgp_monitor_conf, r->nr_monitors + 1);
	for (size_t i = 0; i < r->nr_monitors; i++) {
		r->monitors[i] = c->monitors[i];
		r->monitors[i].name = xstrdup(c->monitors[i].name);
	}
}

/* ---- sessions that are taken to come up ---- */

/* The address that the kernel would choose towards @remote; nothing is sent. */
static struct addr
source_towards(const struct peer *p)
{
	struct sockaddr_storage sa;
	struct addr a = { 0 };
	socklen_t len = addr_to_sockaddr(&p->conf->addr, 179, &sa);
	const int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return a;
	if (sa.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&sa)->sin6_scope_id = p->conf->ifindex;
	if (connect(fd, (const struct sockaddr *)&sa, len) == 0) {
		len = sizeof(sa);
		if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0 ||
		    addr_from_sockaddr((const struct sockaddr *)&sa, &a, NULL) < 0)
			a = (struct addr){ 0 };
	}
	close(fd);
	return a;
}

/* A session as both would agree on it, the peer saying what it said last, or what we say. */
static void
assume_session(const struct peer *p, struct session *s)
{
	const bool same_place = p->up && addr_eq(&p->up->names.remote, &p->conf->addr);

	*s = (struct session){ .fd = -1 };
	if (p->up) {
		s->theirs = p->up->theirs;
		s->names = p->up->names;
	}
	peer_open(p, &s->ours);
	if (!p->up) {
		s->theirs = s->ours;
		s->theirs.as = p->conf->peer_as;
		s->theirs.id = 0;
	} else if (p->conf->peer_as) {
		s->theirs.as = p->conf->peer_as;
	}
	s->max_len = s->ours.caps.ext_msg && s->theirs.caps.ext_msg ? BGP_MAX_EXT_LEN : BGP_MAX_LEN;
	s->names.remote = p->conf->addr;
	if (addr_is_set(&p->conf->local_addr))
		s->names.local = p->conf->local_addr;
	else if (!same_place)
		s->names.local = source_towards(p);
	if (!same_place)
		s->names.ifindex = p->conf->ifindex;
}

static void
come_up(struct peer *p, bool in_vain)
{
	struct adj_session as;
	struct session *s;

	if (in_vain || peer_held_down(p)) {
		adj_down(p->adj, 0, 0);
		return;
	}
	s = xnew(struct session);
	assume_session(p, s);
	peer_agreed(p, s, &as);
	/* What it told us it tells again. */
	adj_down(p->adj, p->up ? as.families : 0, 0);
	adj_up(p->adj, &as);
	sweep_import(p->adj);
	mem_free(s);
}

/* ---- what peers are sent ---- */

/* All that would happen at the end of this turn and the next ones. */
static void
settle(struct rib *r)
{
	bool more;

	do {
		more = sweep_work(r);
		rib_flush_all(r);
		more |= out_work(r);
	} while (more);
}

static int
sent_cmp(const void *x, const void *y)
{
	const struct sent *a = x, *b = y;

	if (a->node != b->node)
		return a->node < b->node ? -1 : 1;
	return a->path_id < b->path_id ? -1 : a->path_id > b->path_id;
}

static int
sent_add(struct sent_list *l, uint32_t node, uint32_t path_id, uint32_t set)
{
	if (!set)
		return 0;
	if (mem_grow((void **)&l->v, &l->cap, l->nr, sizeof(*l->v), 0) < 0)
		return -ENOMEM;
	l->v[l->nr++] = (struct sent){ node, path_id, set };
	return 0;
}

/* All that the peer has been sent, or would be.  -ENOMEM. */
static int
sent_collect(const struct adj *adj, enum bgp_family f, struct sent_list *l)
{
	const struct member *m = adj->rib && adj->up ? adj->member[f] : NULL;
	int err = 0;

	if (!m)
		return 0;
	for (uint32_t n = 1; n < ptab_end(&adj->rib->tab[f]) && !err; n++) {
		const struct add_path *p = NULL;

		if (!m->group->add)
			err = sent_add(l, n, 0,
			    member_view(m, m->group, umap_get(&m->group->out, n),
				(uint16_t)umap_get(&m->group->src, n)));
		while (m->group->add && !err && (p = addpath_next(m, n, p)))
			err = sent_add(l, n, p->path_id, p->set);
	}
	if (m->group->add && l->nr > 0)
		qsort(l->v, l->nr, sizeof(*l->v), sent_cmp);
	return err;
}

static struct told *
told_new(struct rehearsal *r, const struct peer *p)
{
	struct told *t = xnew(struct told);

	t->instance = xstrdup(p->instance->name);
	t->peer = xstrdup(p->conf->name);
	t->rib = p->instance->rib;
	t->of = p;
	t->next = r->told;
	r->told = t;
	return t;
}

static int
remember(struct rehearsal *r, struct instance *in, const struct peer *p)
{
	struct told *t = told_new(r, p);
	int err = 0;

	for (int f = 0; f < BGP_NR_FAMILIES && !err; f++) {
		err = sent_collect(p->adj, (enum bgp_family)f, &t->sent[f]);
		for (size_t i = 0; i < t->sent[f].nr; i++)
			(void)attrset_ref(&in->rib->sets, t->sent[f].v[i].set);
	}
	return err;
}

/* Their numbers must mean the same to the end. */
static void
pin_nodes(struct rib *r)
{
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		for (uint32_t node = 1; node < ptab_end(&r->tab[f]); node++) {
			struct node *n = ptab_node(&r->tab[f], node);

			if (n->len != NODE_FREE && n->pins < UINT16_MAX)
				n->pins++;
		}
	}
}

static void
no_send(void *arg, struct bgp_block *b)
{
	(void)arg;
	(void)b;
}

static size_t
no_room(void *arg)
{
	(void)arg;
	return 0;
}

static void
no_eor(void *arg, enum bgp_family f)
{
	(void)arg;
	(void)f;
}

int
bgp_rehearse(struct bgp *b, const struct bgp_rehearsal *ops)
{
	static const struct adj_ops nowhere = { .send = no_send, .room = no_room, .eor = no_eor };
	int err = 0;

	b->rehearsal = xnew(struct rehearsal);
	b->rehearsal->ops = ops;
	/* Nobody listens in. */
	b->rehearsal->bmp = b->bmp;
	b->bmp = NULL;
	b->taps = NULL;
	for (struct instance *in = b->instances; in; in = in->next) {
		in->rib->tap = NULL;
		for (struct peer *p = in->peers; p; p = p->next) {
			p->adj->ops = nowhere;
			p->adj->bmp = NULL;
		}
		settle(in->rib);
		pin_nodes(in->rib);
		for (struct peer *p = in->peers; p && !err; p = p->next)
			err = remember(b->rehearsal, in, p);
	}
	return err;
}

/* ---- the comparison ---- */

static json_t *
show_sent(const struct told *t, enum bgp_family f, const struct sent *s)
{
	json_t *o = s ? rib_show_told(t->rib, f, s->node, s->set, t->peer) : NULL;

	if (s && s->path_id)
		(void)json_object_set_new(o, "pathID", json_integer(s->path_id));
	return o;
}

struct changed {
	struct prefix prefix;
	const struct sent *old, *new;
};

static int
changed_cmp(const void *x, const void *y)
{
	const struct changed *a = x, *b = y;
	const struct sent *s = a->new ? a->new : a->old, *o = b->new ? b->new : b->old;
	const int order = prefix_cmp(&a->prefix, &b->prefix);

	return order ? order : sent_cmp(s, o);
}

/* What differs of two lists. */
static int
sent_merge(const struct ptab *tab, const struct sent_list *a, const struct sent_list *b,
    struct changed **list, size_t *nr)
{
	size_t i = 0, k = 0, cap = 0;

	while (i < a->nr || k < b->nr) {
		const int order = i == a->nr ? 1 : k == b->nr ? -1 : sent_cmp(&a->v[i], &b->v[k]);
		struct changed c = { .old = order <= 0 ? &a->v[i] : NULL,
			.new = order >= 0 ? &b->v[k] : NULL };

		i += order <= 0;
		k += order >= 0;
		if (c.old && c.new &&c.old->set == c.new->set)
			continue;
		if (mem_grow((void **)list, &cap, *nr, sizeof(**list), 0) < 0)
			return -ENOMEM;
		ptab_prefix(tab, c.new ? c.new->node : c.old->node, &c.prefix);
		(*list)[(*nr)++] = c;
	}
	return 0;
}

/* In the order of the prefixes.  -ENOMEM. */
static int
compare(const struct rehearsal *r, const struct told *t, enum bgp_family f)
{
	struct sent_list now = { 0 };
	struct changed *list = NULL;
	size_t nr = 0;
	int err = t->of ? sent_collect(t->of->adj, f, &now) : 0;

	if (!err)
		err = sent_merge(&t->rib->tab[f], &t->sent[f], &now, &list, &nr);
	if (nr > 0)
		qsort(list, nr, sizeof(*list), changed_cmp);
	for (size_t i = 0; i < nr && !err; i++) {
		json_t *was = show_sent(t, f, list[i].old), *is = show_sent(t, f, list[i].new);

		r->ops->route(r->ops->arg, t->instance, t->peer, t->of && !t->reset, was, is);
		json_decref(was);
		json_decref(is);
	}
	mem_free(list);
	mem_free(now.v);
	return err;
}

int
bgp_rehearse_end(struct bgp *b)
{
	struct rehearsal *r = b->rehearsal;
	int err = 0;

	for (struct awaited *a = r->awaited; a; a = a->next)
		come_up(a->peer, a->in_vain);
	for (struct instance *in = b->instances; in; in = in->next)
		settle(in->rib);
	for (struct awaited *a = r->awaited; a; a = a->next)
		if (!told_of(a->peer))
			told_new(r, a->peer)->reset = true;
	for (const struct told *t = r->told; t; t = t->next)
		for (int f = 0; f < BGP_NR_FAMILIES && !err; f++)
			err = compare(r, t, (enum bgp_family)f);
	if (r->applied && r->ops->station)
		bmp_compare(r->bmp, r->monitors, r->nr_monitors, r->ops->station, r->ops->arg);
	return err;
}
