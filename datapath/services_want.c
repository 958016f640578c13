/*
 * datapath/services_want.c: what a Service wants: a copy of it, compared with what comes next; the
 * rows and tables that it holds; its claims on keys.  Called by services.c.
 *
 * Frontends of a Service that have the same backends share one list, which holds a reference to
 * each backend's row and to the tables of both scopes, whether or not its frontends are shown: a
 * Service that waits for a key which another has can take it over without asking for memory.
 */
#include "datapath/services.h"

#include "lib/log.h"
#include "lib/mem.h"

#include <errno.h>
#include <string.h>

/* ---- the copy ---- */

static bool
text_eq(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool
backend_eq(const struct dp_backend *a, const struct dp_backend *b)
{
	return addr_eq(&a->ip, &b->ip) && a->port == b->port && a->weight == b->weight &&
	    a->external == b->external && a->internal == b->internal && a->local == b->local &&
	    a->host == b->host && a->state == b->state && addr_eq(&a->node_ip, &b->node_ip) &&
	    text_eq(a->node, b->node);
}

static bool
backends_eq(const struct dp_backend *a, size_t nr_a, const struct dp_backend *b, size_t nr_b)
{
	if (nr_a != nr_b)
		return false;
	for (size_t i = 0; i < nr_a && a != b; i++) {
		if (!backend_eq(&a[i], &b[i]))
			return false;
	}
	return true;
}

static bool
settings_eq(const struct dp_frontend *a, const struct dp_frontend *b)
{
	return addr_eq(&a->ip, &b->ip) && a->port == b->port && a->proto == b->proto &&
	    a->type == b->type && text_eq(a->port_name, b->port_name) &&
	    a->external_local == b->external_local && a->internal_local == b->internal_local &&
	    a->non_routable == b->non_routable && a->dsr == b->dsr && a->random == b->random &&
	    a->affinity_s == b->affinity_s;
}

bool
sv_want_is(const struct sv_want *w, const struct dp_frontend *fe, size_t nr)
{
	if (w->nr != nr)
		return false;
	for (size_t i = 0; i < nr; i++) {
		const struct dp_frontend *had = &w->fe[i].f;

		if (!settings_eq(had, &fe[i]) || had->nr_ranges != fe[i].nr_ranges)
			return false;
		for (size_t k = 0; k < had->nr_ranges; k++) {
			if (!prefix_eq(&had->ranges[k], &fe[i].ranges[k]))
				return false;
		}
		if (!backends_eq(
			had->backends, had->nr_backends, fe[i].backends, fe[i].nr_backends))
			return false;
	}
	return true;
}

/* Which earlier frontend has the same backends; @i itself: none. */
static size_t
same_list(const struct dp_frontend *fe, size_t i)
{
	/* Mostly it is one of the last few: the addresses of one port stand together. */
	for (size_t k = i; k-- > 0 && i - k <= 8;) {
		if (fe[k].proto == fe[i].proto &&
		    backends_eq(
			fe[k].backends, fe[k].nr_backends, fe[i].backends, fe[i].nr_backends))
			return k;
	}
	return i;
}

/* How much one block of memory has to hold, and a place in it that moves on. */
struct arena {
	char *at;
	size_t size;
};

static void *
arena_take(struct arena *a, size_t size)
{
	void *p = a->at;

	size = (size + 15) & ~(size_t)15;
	if (a->at)
		a->at += size;
	a->size += size;
	return p;
}

static char *
arena_text(struct arena *a, const char *text)
{
	size_t len = text ? strlen(text) : 0;
	char *p = arena_take(a, len + 1);

	if (p && text)
		memcpy(p, text, len + 1);
	return p;
}

static void
copy_list(struct arena *a, struct sv_list *l, const struct dp_frontend *f)
{
	struct dp_backend *b = arena_take(a, f->nr_backends * sizeof(*b));
	uint32_t *rows = arena_take(a, f->nr_backends * sizeof(*rows));
	const char *node = "", *copy = NULL;

	for (size_t i = 0; i < f->nr_backends; i++) {
		/* Backends of one node stand together often. */
		if (!copy || !text_eq(node, f->backends[i].node)) {
			node = f->backends[i].node ? f->backends[i].node : "";
			copy = arena_text(a, node);
		}
		if (!b)
			continue;
		b[i] = f->backends[i];
		b[i].node = copy;
		rows[i] = SV_NONE;
	}
	if (l)
		*l = (struct sv_list){
			.b = b, .nr = (uint32_t)f->nr_backends, .proto = f->proto, .rows = rows
		};
}

/* Measures with an arena at nothing, copies with one at something. */
static struct sv_want *
copy_to(struct arena *a, struct sv_service *svc, const struct dp_frontend *fe, size_t nr)
{
	struct sv_want *w = arena_take(a, sizeof(*w));
	struct sv_wfe *to = arena_take(a, nr * sizeof(*to));
	struct sv_list *lists = arena_take(a, nr * sizeof(*lists));
	uint32_t nr_lists = 0;

	for (size_t i = 0; i < nr; i++) {
		struct prefix *ranges = arena_take(a, fe[i].nr_ranges * sizeof(*ranges));
		const char *port_name = arena_text(a, fe[i].port_name);
		size_t same = same_list(fe, i);

		if (same == i)
			copy_list(a, w ? &lists[nr_lists] : NULL, &fe[i]);
		if (!w)
			continue;
		to[i].f = fe[i];
		to[i].f.port_name = port_name;
		to[i].f.ranges = ranges;
		if (fe[i].nr_ranges)
			memcpy(ranges, fe[i].ranges, fe[i].nr_ranges * sizeof(*ranges));
		to[i].list = same == i ? &lists[nr_lists++] : to[same].list;
		to[i].f.backends = to[i].list->b;
		to[i].service = svc;
	}
	if (w)
		*w = (struct sv_want){
			.nr = (uint32_t)nr, .nr_lists = nr_lists, .fe = to, .list = lists
		};
	return w;
}

struct sv_want *
sv_want_copy(struct sv_service *svc, const struct dp_frontend *fe, size_t nr)
{
	struct arena measure = { 0 }, a = { 0 };

	copy_to(&measure, svc, fe, nr);
	a.at = mem_calloc(1, measure.size);
	return a.at ? copy_to(&a, svc, fe, nr) : NULL;
}

void
sv_want_free(struct sv_want *w)
{
	mem_free(w); /* it begins the one block that holds all */
}

/* ---- what it holds ---- */

static void
list_release(struct dp_services *s, struct sv_list *l, uint32_t nr_rows)
{
	for (unsigned scope = 0; scope < LB_NR_SCOPES; scope++) {
		sv_block_unref(s, l->block[scope]);
		l->block[scope] = NULL;
	}
	for (uint32_t i = 0; i < nr_rows; i++) {
		if (l->rows[i] != SV_NONE)
			sv_be_unref(s, l->rows[i], l->b[i].external || l->b[i].internal);
		l->rows[i] = SV_NONE;
	}
	l->held = false;
}

static bool
scopes_differ(const struct sv_list *l)
{
	for (uint32_t i = 0; i < l->nr; i++) {
		if (l->b[i].external != l->b[i].internal)
			return true;
	}
	return false;
}

static int
list_hold(struct dp_services *s, struct sv_list *l)
{
	int err = 0;

	l->hungry = false;
	for (uint32_t i = 0; i < l->nr; i++) {
		l->rows[i] = SV_NONE;
		err = sv_be_ref(s, &l->b[i], l->proto, &l->rows[i]);
		if (err == -ENOSPC) {
			l->hungry = true;
			sv_starve(s, &s->short_be, 1);
		} else if (err < 0) {
			list_release(s, l, i);
			return err;
		}
	}
	for (unsigned scope = 0; scope < LB_NR_SCOPES; scope++) {
		if (scope > 0 && !scopes_differ(l)) {
			l->block[scope] = l->block[0];
			if (l->block[scope])
				sv_block_ref(l->block[scope]);
			continue;
		}
		err = sv_block_get(s, l, scope, &l->block[scope]);
		if (err == -ENOSPC || err > 0) {
			l->hungry = true;
		} else if (err < 0) {
			list_release(s, l, l->nr);
			return err;
		}
	}
	l->held = true;
	return 0;
}

void
sv_want_release(struct dp_services *s, struct sv_want *w)
{
	for (uint32_t i = 0; i < w->nr_lists; i++) {
		if (w->list[i].held)
			list_release(s, &w->list[i], w->list[i].nr);
	}
}

int
sv_want_hold(struct dp_services *s, struct sv_want *w)
{
	for (uint32_t i = 0; i < w->nr_lists; i++) {
		int err = list_hold(s, &w->list[i]);

		if (err < 0) {
			sv_want_release(s, w);
			return err;
		}
	}
	return 0;
}

/* ---- keys and claims ---- */

int
sv_want_keys(struct dp_services *s, struct sv_want *w)
{
	for (uint32_t i = 0; i < w->nr; i++) {
		struct sv_wfe *f = &w->fe[i];
		struct lb_fe_key key = sv_key(&f->f.ip, f->f.port, f->f.proto);

		f->fe = sv_fe_get(s, &key);
		if (!f->fe) {
			sv_want_put(s, w);
			return -ENOMEM;
		}
		f->fe->refs++;
	}
	return 0;
}

void
sv_want_put(struct dp_services *s, struct sv_want *w)
{
	for (uint32_t i = 0; i < w->nr; i++) {
		struct sv_fe *fe = w->fe[i].fe;

		w->fe[i].fe = NULL;
		if (!fe)
			continue;
		fe->refs--;
		sv_fe_tidy(s, fe);
	}
}

static void
tell_conflict(struct dp_services *s, struct sv_fe *fe)
{
	struct addr ip = sv_addr(&fe->key.addr, fe->key.family);

	(void)s;
	if (fe->told)
		return;
	fe->told = true;
	log_warn("lb-conflict", LOG_S("address", addr_str(&ip)),
	    LOG_U("port", __builtin_bswap16(fe->key.port)), LOG_U("protocol", fe->key.proto),
	    LOG_S("kept_by", fe->claims->service->name),
	    LOG_S("also_wanted_by", fe->claims->next->service->name));
}

void
sv_want_link(struct dp_services *s, struct sv_want *w)
{
	for (uint32_t i = 0; i < w->nr; i++) {
		struct sv_wfe *f = &w->fe[i], **at = &f->fe->claims;
		int cmp = 1;

		while (*at && (cmp = strcmp((*at)->service->name, f->service->name)) < 0)
			at = &(*at)->next;
		if (*at && cmp == 0)
			continue; /* named twice: the first holds */
		s->conflicts += f->fe->claims != NULL;
		f->next = *at;
		f->linked = true;
		*at = f;
		if (f->fe->claims->next)
			tell_conflict(s, f->fe);
	}
}

void
sv_want_unlink(struct dp_services *s, struct sv_want *w)
{
	for (uint32_t i = 0; i < w->nr; i++) {
		struct sv_wfe *f = &w->fe[i], **at = &f->fe->claims;

		if (!f->linked)
			continue;
		while (*at != f)
			at = &(*at)->next;
		*at = f->next;
		f->linked = false;
		s->conflicts -= f->fe->claims != NULL;
	}
}
