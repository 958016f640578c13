/*
 * bgpd/rehearse.c: see rehearse.h.  What peers had been sent is remembered as numbers of attribute sets,
 * whose nodes and sets stay meanwhile, and compared with what they would be sent once all is taken on.
 */
#include "bgpd/rehearse.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bgpd/out.h"
#include "bgpd/rehearsal.h"
#include "bgpd/sweep.h"
#include "lib/mem.h"

#define FIELDS_MAX 64

/* What one peer had been sent. */
struct told {
	struct told *next;
	char *instance, *peer;
	struct rib *rib;
	const struct peer *of; /* NULL: it is removed */
	bool reset;
	uint32_t *sets[BGP_NR_FAMILIES]; /* by node, each with a reference */
	uint32_t end[BGP_NR_FAMILIES];	 /* of the nodes there were */
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

static uint32_t
view(const struct adj *adj, enum bgp_family f, uint32_t node)
{
	const struct member *m = adj->rib ? adj->member[f] : NULL;

	if (!m || !adj->up)
		return 0;
	return member_view(
	    m, m->group, umap_get(&m->group->out, node), (uint16_t)umap_get(&m->group->src, node));
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

	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		const uint32_t end = ptab_end(&in->rib->tab[f]);

		t->sets[f] = mem_calloc(end ? end : 1, sizeof(*t->sets[f]));
		if (!t->sets[f])
			return -ENOMEM;
		t->end[f] = end;
		for (uint32_t node = 1; node < end; node++)
			t->sets[f][node] =
			    attrset_ref(&in->rib->sets, view(p->adj, (enum bgp_family)f, node));
	}
	return 0;
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

static void
tell_route(const struct rehearsal *r, const struct told *t, enum bgp_family f, uint32_t node,
    uint32_t old, uint32_t new)
{
	json_t *was = old ? rib_show_told(t->rib, f, node, old, t->peer) : NULL;
	json_t *is = new ? rib_show_told(t->rib, f, node, new, t->peer) : NULL;

	r->ops->route(r->ops->arg, t->instance, t->peer, t->of && !t->reset, was, is);
	json_decref(was);
	json_decref(is);
}

struct changed {
	struct prefix prefix;
	uint32_t node, old, new;
};

static int
changed_cmp(const void *x, const void *y)
{
	const struct changed *a = x, *b = y;

	return prefix_cmp(&a->prefix, &b->prefix);
}

/* In the order of the prefixes.  -ENOMEM. */
static int
compare(const struct rehearsal *r, const struct told *t, enum bgp_family f)
{
	const struct ptab *tab = &t->rib->tab[f];
	const uint32_t end = ptab_end(tab);
	struct changed *list = NULL;
	size_t nr = 0, cap = 0;

	for (uint32_t node = 1; node < end; node++) {
		struct changed c = { .node = node };

		c.old = node < t->end[f] ? t->sets[f][node] : 0;
		c.new = t->of ? view(t->of->adj, f, node) : 0;
		if (c.old == c.new)
			continue;
		if (mem_grow((void **)&list, &cap, nr, sizeof(*list), 0) < 0) {
			mem_free(list);
			return -ENOMEM;
		}
		ptab_prefix(tab, node, &c.prefix);
		list[nr++] = c;
	}
	if (nr > 0)
		qsort(list, nr, sizeof(*list), changed_cmp);
	for (size_t i = 0; i < nr; i++)
		tell_route(r, t, f, list[i].node, list[i].old, list[i].new);
	mem_free(list);
	return 0;
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
	return err;
}
