/*
 * datapath/services.c: the writer: frontends of Services as wanted -> rows, tables, hash and filter
 * of the maps.  Called by datapath.c; services.h says who does what.
 *
 * All Services are kept as wanted, whether or not there are maps; with other maps all is written
 * again.  A Service that is set prepares first, then shows each of its keys, then lets go of what it
 * had.  What found no room (`hungry`) is tried again when rows came free, and with larger maps.
 */
#include "datapath/services.h"

#include "lib/hash.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- Services by name and number ---- */

static uint32_t
name_hash(const char *name)
{
	return (uint32_t)hash_bytes(name, strlen(name));
}

static bool
name_is(const void *thing, const void *key)
{
	return strcmp(((const struct sv_service *)thing)->name, key) == 0;
}

static struct sv_service *
service_find(const struct dp_services *s, const char *name)
{
	return sv_index_find(&s->names, name_hash(name), name_is, name);
}

const char *
services_name(const struct dp_services *s, uint32_t service)
{
	if (!service || service > s->nr_numbers || !s->by_number[service - 1])
		return "";
	return s->by_number[service - 1]->name;
}

uint32_t
services_number(const struct dp_services *s, const char *name)
{
	const struct sv_service *svc = service_find(s, name);

	return svc ? svc->number : 0;
}

/* A number for @svc that nobody has. */
static int
number_take(struct dp_services *s, struct sv_service *svc)
{
	uint32_t nr = s->nr_numbers;

	if (s->nr_services == nr) {
		uint32_t more = nr < 32 ? 64 : nr * 2;
		struct sv_service **p =
		    mem_realloc(s->by_number, more, sizeof(struct sv_service *));

		if (!p)
			return -ENOMEM;
		memset(p + nr, 0, (more - nr) * sizeof(struct sv_service *));
		s->by_number = p;
		s->nr_numbers = more;
	}
	/* Numbers are handed out in turn, so the next one is free mostly. */
	for (uint32_t i = s->nr_services, tries = 0; tries < s->nr_numbers; i++, tries++) {
		uint32_t at = i % s->nr_numbers;

		if (s->by_number[at])
			continue;
		s->by_number[at] = svc;
		svc->number = at + 1;
		return 0;
	}
	return -ENOMEM; /* cannot be: one was free */
}

static struct sv_service *
service_new(struct dp_services *s, const char *name)
{
	size_t len = strlen(name);
	struct sv_service *svc = mem_calloc(1, sizeof(*svc) + len + 1);

	if (!svc)
		return NULL;
	svc->hash = name_hash(name);
	memcpy(svc->name, name, len);
	if (sv_index_reserve(&s->names, 1) < 0 || number_take(s, svc) < 0) {
		mem_free(svc);
		return NULL;
	}
	sv_index_add(&s->names, svc);
	TAILQ_INSERT_TAIL(&s->services, svc, link);
	s->nr_services++;
	return svc;
}

static void
service_free(struct dp_services *s, struct sv_service *svc)
{
	if (s->to_write == svc)
		s->to_write = TAILQ_NEXT(svc, link);
	s->by_number[svc->number - 1] = NULL;
	sv_index_del(&s->names, svc);
	TAILQ_REMOVE(&s->services, svc, link);
	s->nr_services--;
	sv_want_free(svc->want);
	mem_free(svc);
}

/* ---- from one state to the next ---- */

static void
show_all(struct dp_services *s, struct sv_want *w)
{
	for (uint32_t i = 0; s->m && i < w->nr; i++)
		sv_show(s, w->fe[i].fe);
}

/* At the end of each call: keys go out, unless more calls are to come. */
static void
finish(struct dp_services *s)
{
	if (!s->in_sync)
		sv_flush(s);
	if (!s->local_changed)
		return;
	s->local_changed = false;
	if (s->on_local)
		s->on_local(s->local_arg);
}

/* One of those that maps were set for while they were there already. */
static int
write_one(struct dp_services *s, struct sv_service *svc)
{
	int err = sv_want_hold(s, svc->want);

	if (err < 0)
		return err;
	svc->unwritten = false;
	show_all(s, svc->want);
	return 0;
}

/* Keys that @was had may go to Services whose turn to be written is yet to come: it comes now. */
static void
write_heirs(struct dp_services *s, const struct sv_want *was)
{
	for (uint32_t i = 0; s->writing && i < was->nr; i++) {
		struct sv_wfe *heir = was->fe[i].fe->claims;

		if (heir && heir->service->unwritten && write_one(s, heir->service) < 0)
			break; /* it is hidden until its turn comes, when that will be told */
	}
}

/* @next (taken over; NULL: nothing) in place of what the Service wants now. */
static int
replace(struct dp_services *s, struct sv_service *svc, struct sv_want *next)
{
	struct sv_want *was = svc->want;
	int err;

	if (next) {
		err = sv_want_keys(s, next);
		if (err < 0)
			return err;
		err = s->m ? sv_want_hold(s, next) : 0;
		if (err < 0) {
			sv_want_put(s, next);
			return err;
		}
	}
	/* Nothing fails from here on. */
	svc->want = next;
	svc->unwritten = false;
	if (was)
		sv_want_unlink(s, was);
	if (next) {
		sv_want_link(s, next);
		show_all(s, next);
	}
	if (was) {
		write_heirs(s, was);
		show_all(s, was);
		sv_want_release(s, was);
		sv_want_put(s, was);
		sv_want_free(was);
	}
	return 0;
}

/* The same again, from the start: another table size, or room that was missing. */
static int
renew(struct dp_services *s, struct sv_service *svc)
{
	struct dp_frontend *fe;
	struct sv_want *next;
	int err;

	fe = mem_calloc(svc->want->nr, sizeof(*fe));
	if (!fe)
		return -ENOMEM;
	for (uint32_t i = 0; i < svc->want->nr; i++)
		fe[i] = svc->want->fe[i].f;
	next = sv_want_copy(svc, fe, svc->want->nr);
	mem_free(fe);
	if (!next)
		return -ENOMEM;
	err = replace(s, svc, next);
	if (err < 0)
		sv_want_free(next);
	return err;
}

static bool
is_hungry(const struct sv_service *svc)
{
	for (uint32_t i = 0; i < svc->want->nr_lists; i++) {
		if (svc->want->list[i].hungry || !svc->want->list[i].held)
			return true;
	}
	for (uint32_t i = 0; i < svc->want->nr; i++) {
		const struct sv_fe *fe = svc->want->fe[i].fe;

		if (fe->live && !fe->hashed)
			return true;
	}
	return false;
}

static void
renew_each(struct dp_services *s, bool hungry_only)
{
	struct sv_service *svc;

	TAILQ_FOREACH (svc, &s->services, link) {
		int err = 0;

		if (s->m && (!hungry_only || is_hungry(svc)))
			err = renew(s, svc);
		if (err < 0) {
			log_error(
			    "lb-service-not-renewed", LOG_S("service", svc->name), LOG_ERR(-err));
			break; /* no memory: what is shown stays; the audit tries again */
		}
	}
}

/* ---- the calls ---- */

static int
check(const struct dp_frontend *fe, size_t nr)
{
	if (nr > UINT32_MAX / 2)
		return -EINVAL;
	for (size_t i = 0; i < nr; i++) {
		if (fe[i].nr_backends > LB_TABLE_BACKENDS_MAX || !addr_is_set(&fe[i].ip) ||
		    (unsigned)fe[i].type >= DP_NR_TYPES || !fe[i].port || !fe[i].proto)
			return -EINVAL;
		for (size_t k = 0; k < fe[i].nr_backends; k++) {
			if (fe[i].backends[k].ip.family != fe[i].ip.family)
				return -EINVAL;
		}
	}
	return 0;
}

int
services_set(struct dp_services *s, const char *service, const struct dp_frontend *fe, size_t nr)
{
	struct sv_service *svc = service_find(s, service);
	struct sv_want *next;
	int err = check(fe, nr);

	if (err < 0)
		return err;
	if (svc && sv_want_is(svc->want, fe, nr)) {
		svc->seen = true;
		return 0;
	}
	if (!svc)
		svc = service_new(s, service);
	if (!svc)
		return -ENOMEM;
	next = sv_want_copy(svc, fe, nr);
	err = next ? replace(s, svc, next) : -ENOMEM;
	if (err < 0) {
		sv_want_free(next);
		if (!svc->want)
			service_free(s, svc);
	} else {
		svc->seen = true;
	}
	finish(s);
	return err;
}

static void
drop(struct dp_services *s, struct sv_service *svc)
{
	int err = replace(s, svc, NULL);

	(void)err; /* cannot fail: nothing is asked for */
	service_free(s, svc);
}

void
services_del(struct dp_services *s, const char *service)
{
	struct sv_service *svc = service_find(s, service);

	if (!svc)
		return;
	drop(s, svc);
	finish(s);
}

void
services_sync_begin(struct dp_services *s)
{
	struct sv_service *svc;

	TAILQ_FOREACH (svc, &s->services, link)
		svc->seen = false;
	s->in_sync = true;
}

void
services_sync_end(struct dp_services *s)
{
	struct sv_service *svc, *next;

	for (svc = TAILQ_FIRST(&s->services); svc && s->in_sync; svc = next) {
		next = TAILQ_NEXT(svc, link);
		if (!svc->seen)
			drop(s, svc);
	}
	s->in_sync = false;
	sv_flush(s);
	if (s->m && s->leftovers && !s->writing)
		sv_leftovers(s);
	s->synced = true;
	finish(s);
}

static int
cluster_cmp(const void *a, const void *b)
{
	return prefix_cmp(a, b);
}

void
services_conf(struct dp_services *s, const struct dp_conf *conf)
{
	struct prefix *old = s->cluster, *copy = mem_calloc(conf->nr_cluster, sizeof(*copy));
	uint32_t size = conf->maglev_table_size ? conf->maglev_table_size : 16381;
	size_t nr_old = s->nr_cluster;
	struct sv_vip *v;

	if (!copy) {
		log_error("lb-conf-not-taken", LOG_ERR(ENOMEM));
		return;
	}
	if (conf->nr_cluster)
		memcpy(copy, conf->cluster, conf->nr_cluster * sizeof(*copy));
	qsort(copy, conf->nr_cluster, sizeof(*copy), cluster_cmp);
	s->cluster = copy;
	s->nr_cluster = 0;
	for (size_t i = 0; i < conf->nr_cluster; i++) {
		if (!i || !prefix_eq(&copy[i], &copy[i - 1]))
			copy[s->nr_cluster++] = copy[i];
	}
	if (s->m) {
		sv_cluster_write(s, old, nr_old);
		TAILQ_FOREACH (v, &s->vip_list, link)
			sv_vip_settle(s, v);
	}
	mem_free(old);
	if (s->table_size != size) {
		s->table_size = size;
		renew_each(s, false);
	}
	finish(s);
}

/* ---- maps ---- */

/* Forget what the maps hold; what is wanted stays. */
static void
mirror_drop(struct dp_services *s)
{
	struct sv_service *svc;
	struct sv_block *b;
	struct sv_fe *fe, *next_fe;
	struct sv_vip *v, *next_vip;

	s->nr_queue = 0;
	s->to_write = NULL;
	s->writing = false;
	work_cancel(&s->write_work);
	timer_stop(&s->timer);
	TAILQ_FOREACH (svc, &s->services, link) {
		svc->unwritten = false;
		for (uint32_t i = 0; i < svc->want->nr_lists; i++) {
			struct sv_list *l = &svc->want->list[i];

			l->held = l->hungry = false;
			l->block[LB_EXTERNAL] = l->block[LB_INTERNAL] = NULL;
		}
	}
	while ((b = TAILQ_FIRST(&s->block_list)) || (b = TAILQ_FIRST(&s->resting))) {
		b->pinned = false;
		sv_block_free(s, b);
	}
	TAILQ_INIT(&s->olds);
	for (fe = TAILQ_FIRST(&s->fe_list); fe; fe = next_fe) {
		next_fe = TAILQ_NEXT(fe, link);
		fe->row = SV_NONE;
		fe->image = (struct lb_fe_row){ 0 };
		for (unsigned i = 0; i < LB_NR_SCOPES; i++) {
			fe->table[i] = fe->prev[i] = NULL;
			fe->old[i].due = 0;
		}
		fe->shown = NULL;
		fe->live = fe->hashed = fe->visible = false;
		sv_fe_tidy(s, fe);
	}
	for (v = TAILQ_FIRST(&s->vip_list); v; v = next_vip) {
		next_vip = TAILQ_NEXT(v, link);
		v->wild = v->nodes = 0;
		v->written = false;
		sv_vip_put(s, v);
	}
	LIST_INIT(&s->locals);
	sv_rows_fini(&s->fe_rows);
	sv_rows_fini(&s->be_rows);
	sv_index_fini(&s->bes);
	mem_free(s->fe_at);
	mem_free(s->be);
	mem_free(s->filter);
	s->fe_at = NULL;
	s->be = NULL;
	s->filter = NULL;
	space_fini(&s->space);
	s->leftovers = false;
	s->m = NULL;
}

static int
mirror_make(struct dp_services *s, const struct dp_maps *m)
{
	int err = sv_rows_init(&s->fe_rows, m->nr[DP_MAP_FE_ROWS]);

	if (!err)
		err = sv_rows_init(&s->be_rows, m->nr[DP_MAP_BE_ROWS]);
	if (!err)
		err = space_init(&s->space, m->nr[DP_MAP_TABLES]);
	s->fe_at = mem_calloc(m->nr[DP_MAP_FE_ROWS], sizeof(struct sv_fe *));
	s->be = mem_calloc(m->nr[DP_MAP_BE_ROWS], sizeof(*s->be));
	s->filter = mem_calloc(LB_FILTER_SIZE, sizeof(*s->filter));
	if (!s->fe_at || !s->be || !s->filter)
		err = -ENOMEM;
	return err;
}

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/*
 * One slice of writing all.  Each Service is complete, and then shown, before the next one begins, so a
 * packet meets those that are written and none of the others.
 */
static int
write_slice(struct dp_services *s)
{
	const uint64_t end = now_ns() + s->slice_ns;
	struct sv_service *svc;
	int err = 0;

	while (!err && (svc = s->to_write)) {
		s->to_write = TAILQ_NEXT(svc, link);
		err = svc->unwritten ? write_one(s, svc) : 0;
		if (now_ns() >= end)
			break;
	}
	if (err < 0) {
		mirror_drop(s);
		return err;
	}
	sv_flush(s);
	s->writing = s->to_write != NULL;
	if (s->writing)
		work_post(&s->write_work);
	else if (s->leftovers && s->synced && !s->in_sync)
		sv_leftovers(s);
	s->local_changed |= !s->writing;
	finish(s);
	return 0;
}

static void
write_more(void *services)
{
	struct dp_services *s = services;
	int err = write_slice(s);

	if (s->on_written && !s->writing)
		s->on_written(s->written_arg, err);
}

bool
services_is_writing(const struct dp_services *s)
{
	return s->writing;
}

void
services_on_written(struct dp_services *s, void (*cb)(void *arg, int err), void *arg)
{
	s->on_written = cb;
	s->written_arg = arg;
}

int
services_maps_set(struct dp_services *s, const struct dp_maps *m, bool adopted)
{
	bool again = s->m != NULL; /* larger ones, which hold what the others held */
	struct sv_service *svc;
	int err;

	mirror_drop(s);
	s->grow_asked = false;
	s->short_fe = s->short_be = s->short_words = s->short_clients = 0;
	if (!m)
		return 0;
	err = mirror_make(s, m);
	if (!err) {
		s->m = m;
		err = adopted || again ? sv_adopt(s) : 0;
	}
	if (err < 0) {
		mirror_drop(s);
		return err;
	}
	sv_cluster_write(s, NULL, 0);
	TAILQ_FOREACH (svc, &s->services, link)
		svc->unwritten = true;
	s->to_write = TAILQ_FIRST(&s->services);
	return write_slice(s);
}

/*
 * A quarter more, or what was missing and a quarter of that, of each that was short; and at least
 * what is @needed, short or not: nobody knows what those that found no room would have wanted next.
 */
static uint32_t
larger(uint32_t now, uint64_t missing, uint32_t needed, uint32_t max)
{
	uint64_t want = (uint64_t)now + missing + missing / 4;

	if (!missing)
		want = now;
	else if (want < now + (uint64_t)now / 4)
		want = now + (uint64_t)now / 4;
	if (want < needed)
		want = needed;
	return want < max ? (uint32_t)want : max;
}

static void
ask_grow(void *services)
{
	struct dp_services *s = services;
	const struct dp_maps *m = s->m;
	struct dp_sizes sizes, need = { 0 };

	if (!m || s->grow_asked)
		return;
	if (services_need(s, &need) < 0)
		need = (struct dp_sizes){ 0 }; /* then in steps */
	sizes.fe_rows = larger(m->nr[DP_MAP_FE_ROWS], s->short_fe, need.fe_rows, LB_ROW_MAX);
	sizes.be_rows = larger(m->nr[DP_MAP_BE_ROWS], s->short_be, need.be_rows, LB_ROW_MAX);
	sizes.tables = larger(m->nr[DP_MAP_TABLES], s->short_words, need.tables, SV_WORDS_MAX);
	sizes.flows4 = m->nr[DP_MAP_FLOWS4] * LB_BLOCK_WAYS;
	sizes.flows6 = m->nr[DP_MAP_FLOWS6] * LB_BLOCK_WAYS;
	sizes.affinity =
	    larger(m->nr[DP_MAP_AFFINITY], s->short_clients, need.affinity, DP_CLIENTS);
	sizes.socks = m->nr[DP_MAP_SOCKS];
	s->grow_asked = true;
	log_info("lb-maps-full", LOG_U("frontends_missing", s->short_fe),
	    LOG_U("backends_missing", s->short_be), LOG_U("table_words_missing", s->short_words),
	    LOG_U("clients_missing", s->short_clients));
	if (s->grow)
		s->grow(s->grow_arg, &sizes);
}

static void
flush_later(void *services)
{
	sv_flush(services);
}

uint64_t
services_audit(struct dp_services *s)
{
	uint64_t words;

	if (!s->m || s->writing)
		return 0; /* the mirror is not yet what is wanted */
	sv_flush(s);
	words = sv_audit_maps(s);
	s->repaired += words;
	if (words)
		log_warn("lb-maps-repaired", LOG_U("words", words));
	renew_each(s, true);
	finish(s);
	return words;
}

/* ---- answers ---- */

void
services_local_each(
    const struct dp_services *s, void (*each)(void *arg, const struct addr *), void *arg)
{
	const struct sv_be *be;

	LIST_FOREACH (be, &s->locals, local) {
		struct addr ip = sv_addr(&be->key.addr, be->key.family);

		each(arg, &ip);
	}
}

void
services_info(const struct dp_services *s, struct dp_info *info)
{
	info->services = s->nr_services;
	info->frontends = s->m ? s->fe_rows.live : s->fes.nr;
	info->backends = s->be_rows.live;
	info->conflicts = s->conflicts;
	info->writing = services_is_writing(s);
	info->repaired = s->repaired;
	info->tables_words = s->space.words;
	info->tables_used = s->space.used;
}

void
services_on_local(struct dp_services *s, void (*cb)(void *arg), void *arg)
{
	s->on_local = cb;
	s->local_arg = arg;
}

void
services_on_gone(
    struct dp_services *s, void (*cb)(void *arg, const struct lb_be_row *, uint32_t row), void *arg)
{
	s->on_gone = cb;
	s->gone_arg = arg;
}

/* ---- life ---- */

struct dp_services *
services_new(struct loop *loop, void (*grow)(void *arg, const struct dp_sizes *), void *arg)
{
	struct dp_services *s = mem_calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->loop = loop;
	s->grow = grow;
	s->grow_arg = arg;
	s->table_size = 16381;
	s->slice_ns = SV_SLICE_NS;
	work_init(&s->grow_work, loop, ask_grow, s);
	work_init(&s->flush_work, loop, flush_later, s);
	work_init(&s->write_work, loop, write_more, s);
	timer_init(&s->timer, loop, sv_blocks_tick, s);
	TAILQ_INIT(&s->services);
	TAILQ_INIT(&s->fe_list);
	TAILQ_INIT(&s->vip_list);
	TAILQ_INIT(&s->block_list);
	TAILQ_INIT(&s->resting);
	TAILQ_INIT(&s->olds);
	LIST_INIT(&s->locals);
	return s;
}

/* The maps stay as they are: packets go on. */
void
services_free(struct dp_services *s)
{
	struct sv_service *svc;

	if (!s)
		return;
	sv_flush(s);
	mirror_drop(s);
	while ((svc = TAILQ_FIRST(&s->services))) {
		sv_want_unlink(s, svc->want);
		sv_want_put(s, svc->want);
		service_free(s, svc);
	}
	work_cancel(&s->grow_work);
	work_cancel(&s->flush_work);
	work_cancel(&s->write_work);
	sv_index_fini(&s->names);
	sv_index_fini(&s->fes);
	sv_index_fini(&s->vips);
	sv_index_fini(&s->blocks);
	mem_free(s->by_number);
	mem_free(s->cluster);
	mem_free(s->member);
	mem_free(s->maglev);
	mem_free(s->work);
	mem_free(s->words);
	mem_free(s->slots);
	mem_free(s);
}
