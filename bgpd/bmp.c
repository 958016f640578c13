/*
 * bgpd/bmp.c: which monitoring stations there are, as a difference, and what is shown of them.  Between
 * bgp.c and bmp_station.c; see bmp.h.
 */
#include "bgpd/bmp_in.h"

#include "lib/mem.h"

#include <string.h>

static struct bmp_station *
station_find(const struct bmp *m, const char *name)
{
	struct bmp_station *st = m->stations;

	while (st && strcmp(st->name, name) != 0)
		st = st->next;
	return st;
}

static uint32_t
free_bit(const struct bmp *m)
{
	uint32_t used = 0;

	for (const struct bmp_station *st = m->stations; st; st = st->next)
		used |= st->bit;
	return ~used & (used + 1);
}

static bool
is_same(const struct bmp_station *st, const struct bgp_monitor_conf *c)
{
	return addr_eq(&st->addr, &c->addr) && st->port == c->port && st->views == c->views;
}

static void
stations_drop(struct bmp *m, bool all)
{
	struct bmp_station **at = &m->stations, *st;

	while ((st = *at)) {
		if (st->wanted && !all) {
			at = &st->next;
			continue;
		}
		*at = st->next;
		station_free(st, 0);
	}
}

static void
names_take(struct bmp *m, const struct bgp_conf *c)
{
	mem_free(m->name);
	mem_free(m->descr);
	m->name = xstrdup(c->host_name ? c->host_name : "");
	m->descr = xstrdup(c->description ? c->description : "");
}

static struct bmp *
bmp_new(struct bgp *b)
{
	struct bmp *m = xnew(struct bmp);

	m->bgp = b;
	b->bmp = m;
	feed_init(m);
	for (struct instance *in = b->instances; in; in = in->next)
		in->rib->tap = &m->rib_tap;
	return m;
}

size_t
bmp_nr_wanted(const struct bgp_conf *c)
{
	return c->nr_monitors < BGP_MAX_MONITORS ? c->nr_monitors : BGP_MAX_MONITORS;
}

void
bmp_compare(const struct bmp *m, const struct bgp_monitor_conf *wanted, size_t nr,
    void (*station)(void *arg, const struct bgp_monitor_conf *old,
	const struct bgp_monitor_conf *new, enum bgp_fate),
    void *arg)
{
	for (const struct bmp_station *st = m ? m->stations : NULL; st; st = st->next) {
		const struct bgp_monitor_conf was = { st->name, st->addr, st->port, st->views,
			st->statistics_s };
		const struct bgp_monitor_conf *is = NULL;

		for (size_t i = 0; i < nr && !is; i++)
			if (strcmp(wanted[i].name, st->name) == 0)
				is = &wanted[i];
		if (!is)
			station(arg, &was, NULL, BGP_FATE_REMOVED);
		else if (!is_same(st, is))
			station(arg, &was, is, BGP_FATE_RESET);
		else if (st->statistics_s != is->statistics_s)
			station(arg, &was, is, BGP_FATE_CHANGED);
	}
	for (size_t i = 0; i < nr; i++)
		if (!m || !station_find(m, wanted[i].name))
			station(arg, NULL, &wanted[i], BGP_FATE_ADDED);
}

void
bmp_apply(struct bgp *b, const struct bgp_conf *c)
{
	const size_t nr = bmp_nr_wanted(c);
	struct bmp *m = b->bmp;
	struct bmp_station *st, **end;

	if (!nr) {
		bmp_free(b);
		return;
	}
	if (!m)
		m = bmp_new(b);
	names_take(m, c);
	for (st = m->stations; st; st = st->next)
		st->wanted = false;
	for (size_t i = 0; i < nr; i++) {
		st = station_find(m, c->monitors[i].name);
		if (st && is_same(st, &c->monitors[i]))
			st->wanted = true;
	}
	stations_drop(m, false);
	for (size_t i = 0; i < nr; i++) {
		st = station_find(m, c->monitors[i].name);
		if (!st) {
			st = station_new(m, &c->monitors[i], free_bit(m));
			for (end = &m->stations; *end; end = &(*end)->next)
				;
			*end = st;
		}
		station_statistics(st, c->monitors[i].statistics_s);
	}
}

void
bmp_stop(struct bgp *b)
{
	for (struct bmp_station *st = b->bmp ? b->bmp->stations : NULL; st; st = st->next)
		station_end(st, 0);
}

void
bmp_free(struct bgp *b)
{
	struct bmp *m = b->bmp;

	if (!m)
		return;
	stations_drop(m, true);
	for (struct instance *in = b->instances; in; in = in->next)
		in->rib->tap = NULL;
	feed_fini(m);
	mem_free(m->name);
	mem_free(m->descr);
	mem_free(m);
	b->bmp = NULL;
}

void
bmp_instance_new(struct bgp *b, struct instance *in)
{
	if (!b->bmp)
		return;
	in->rib->tap = &b->bmp->rib_tap;
	for (struct bmp_station *st = b->bmp->stations; st; st = st->next)
		feed_table_new(st, in);
}

void
bmp_instance_gone(struct bgp *b, struct instance *in)
{
	if (!b->bmp)
		return;
	in->rib->tap = NULL;
	for (struct bmp_station *st = b->bmp->stations; st; st = st->next)
		feed_table_gone(st, in);
}

/* ---- showing ---- */

static json_t *
number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *
views_json(unsigned views)
{
	static const char *const names[] = { "pre", "post", "local", "out-pre", "out-post" };
	json_t *list = json_array();

	for (unsigned i = 0; i < BMP_NR_VIEWS; i++)
		if (views & 1u << i)
			json_array_append_new(list, json_string(names[i]));
	return list;
}

static json_t *
station_json(const struct bmp_station *st)
{
	static const char *const states[] = { [BMP_WAITING] = "waiting",
		[BMP_CONNECTING] = "connecting",
		[BMP_CONNECTED] = "connected" };
	const uint64_t now_ms = loop_now_ms(st->bmp->bgp->loop);
	const bool up = st->state == BMP_CONNECTED;
	char text[ADDR_STRLEN];
	json_t *o = json_object();

	json_object_set_new(o, "name", json_string(st->name));
	json_object_set_new(o, "address", json_string(addr_format(&st->addr, text, sizeof(text))));
	json_object_set_new(o, "port", number(st->port));
	json_object_set_new(o, "state", json_string(states[st->state]));
	json_object_set_new(o, "uptimeSeconds", number(up ? (now_ms - st->since_ms) / 1000 : 0));
	json_object_set_new(o, "views", views_json(st->views));
	json_object_set_new(o, "messages", number(st->nr_messages));
	json_object_set_new(o, "bytes", number(st->nr_bytes));
	json_object_set_new(o, "queuedBytes", number(st->out.bytes + st->made.len));
	json_object_set_new(o, "connections", number(st->nr_connects));
	json_object_set_new(o, "dropped", number(st->nr_dropped));
	if (!up && timer_is_running(&st->retry))
		json_object_set_new(
		    o, "retrySeconds", number((timer_left_ms(&st->retry) + 999) / 1000));
	json_object_set_new(o, "lastError", json_string(st->error));
	return o;
}

json_t *
bmp_show(const struct bgp *b)
{
	json_t *list = json_array(), *o = json_object();

	for (const struct bmp_station *st = b->bmp ? b->bmp->stations : NULL; st; st = st->next)
		json_array_append_new(list, station_json(st));
	json_object_set_new(o, "stations", list);
	return o;
}
