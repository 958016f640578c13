/*
 * tools/heraldctl/top_model.c: see top_model.h.
 */
#include "tools/heraldctl/top_model.h"

#include "lib/addr.h"
#include "lib/mem.h"
#include "lib/text.h"
#include "tools/heraldctl/answer.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
static const struct top_pane empty[TOP_NR_PANES] = {
	[TOP_PEERS] = { .title = "Peers", .right = 0x70,
	  .columns = { "PEER", "ADDRESS", "AS", "STATE", "RECEIVED", "ACCEPTED", "ADVERTISED", "UP, OR WHY NOT", NULL } },
	[TOP_SERVICES] = { .title = "Services by packets a second", .right = 0x7c,
	  .columns = { "SERVICE", "ADDRESS", "PACKETS/S", "BYTES/S", "FLOWS/S", "ACTIVE", "BACKENDS", NULL } },
	[TOP_L2] = { .title = "Layer 2", .right = 0x10,
	  .columns = { "ADDRESS", "HOLDER", "INTERFACE", "SERVICE", "ANSWERED", "SINCE", NULL } },
};
/* clang-format on */

const char *
top_rate(double r, char *text, size_t size)
{
	static const char units[] = " kMGTPE";
	size_t unit = 0;

	if (r < 0) {
		snprintf(text, size, "-");
		return text;
	}
	/* What would be rounded to 1000 is one of the next unit. */
	for (; r >= (unit || r >= 999.5 ? 999.5 : 1000) && units[unit + 1]; unit++)
		r /= 1000;
	if (r == 0)
		snprintf(text, size, "0");
	else if (unit)
		snprintf(text, size, r < 9.95 ? "%.1f%c" : "%.0f%c", r, units[unit]);
	else
		snprintf(text, size, r < 9.95 ? "%.1f" : "%.0f", r);
	return text;
}

/* ---- rows ---- */

static void
pane_clear(struct top_pane *p)
{
	for (size_t i = 0; i < p->nr; i++)
		for (int c = 0; c < TOP_COLUMNS_MAX; c++)
			free(p->rows[i].cells[c]);
	free(p->rows);
	p->rows = NULL;
	p->nr = 0;
}

static struct top_row *
pane_add(struct top_pane *p)
{
	if ((p->nr & (p->nr - 1)) == 0)
		p->rows = xrealloc(p->rows, p->nr ? p->nr * 2 : 1, sizeof(*p->rows));
	p->rows[p->nr] = (struct top_row){ 0 };
	return &p->rows[p->nr++];
}

static int
by_weight(const void *a, const void *b)
{
	const struct top_row *x = a, *y = b;

	struct addr p, q;

	if (x->weight != y->weight)
		return x->weight < y->weight ? 1 : -1;
	if (addr_parse(x->cells[0], &p) == 0 && addr_parse(y->cells[0], &q) == 0)
		return addr_cmp(&p, &q);
	return strcmp(x->cells[0], y->cells[0]);
}

static void
pane_sort(struct top_pane *p)
{
	if (p->nr)
		qsort(p->rows, p->nr, sizeof(*p->rows), by_weight);
}

/* ---- peers: those that are not up first ---- */

static void
take_peers(struct top_pane *pane, const json_t *answer)
{
	const json_t *p, *f;
	size_t i, j;

	json_array_foreach(json_object_get(answer, "peers"), i, p)
	{
		struct top_row *r = pane_add(pane);
		const bool up = strcmp(answer_str(p, "state"), "established") == 0;
		const char *held = answer_str(p, "heldDown");
		json_int_t received = 0, accepted = 0, advertised = 0;
		char age[24];

		json_array_foreach(json_object_get(p, "families"), j, f)
		{
			received += answer_int(f, "received");
			accepted += answer_int(f, "accepted");
			advertised += answer_int(f, "advertised");
		}
		r->cells[0] = xstrdup(answer_str(p, "name"));
		r->cells[1] = xstrdup(answer_str(p, "peerAddress"));
		r->cells[2] = xasprintf("%lld", (long long)answer_int(p, "peerASN"));
		r->cells[3] = xstrdup(*held ? "held down" : answer_str(p, "state"));
		r->cells[4] = xasprintf("%lld", (long long)received);
		r->cells[5] = xasprintf("%lld", (long long)accepted);
		r->cells[6] = xasprintf("%lld", (long long)advertised);
		r->cells[7] = xstrdup(up ? answer_age(p, "uptimeSeconds", age, sizeof(age))
			: *held		 ? held
					 : answer_str(p, "lastError"));
		r->mood = up ? TOP_GOOD : *held ? TOP_WARN : TOP_BAD;
		r->weight = up ? 0 : *held ? 1 : 2;
	}
	pane_sort(pane);
}

/* ---- Services: counters of all frontends together, as rates ---- */

static void
add_to(json_t *sums, const char *key, json_int_t more)
{
	json_object_set_new(sums, key, json_integer(answer_int(sums, key) + more));
}

/* {"default/web": {packets, bytes, flows, active, all, ip, counted}} */
static json_t *
sum_services(const json_t *answer)
{
	json_t *all = json_object();
	const json_t *s, *b;
	size_t i, j;

	json_array_foreach(json_object_get(answer, "services"), i, s)
	{
		char *key = xasprintf("%s/%s", answer_str(s, "namespace"), answer_str(s, "name"));
		json_t *sums = json_object_get(all, key);
		json_int_t active = 0, nr = 0;

		if (!sums) {
			sums = json_object();
			json_object_set_new(all, key, sums);
		}
		free(key);
		json_array_foreach(json_object_get(s, "backends"), j, b)
		{
			nr++;
			active += strcmp(answer_str(b, "state"), "active") == 0;
		}
		/* Its frontends have the same backends, of one family each. */
		if (active > answer_int(sums, "active"))
			json_object_set_new(sums, "active", json_integer(active));
		if (nr > answer_int(sums, "all"))
			json_object_set_new(sums, "all", json_integer(nr));
		if (!json_object_get(sums, "ip") ||
		    strcmp(answer_str(s, "type"), "LoadBalancer") == 0)
			json_object_set(
			    sums, "ip", json_object_get(json_object_get(s, "frontend"), "ip"));
		if (json_object_get(s, "packets"))
			json_object_set_new(sums, "counted", json_true());
		add_to(sums, "packets", answer_int(s, "packets"));
		add_to(sums, "bytes", answer_int(s, "bytes"));
		add_to(sums, "flows", answer_int(s, "flows"));
	}
	return all;
}

/* Of one counter since the time before; -1: not known (yet, or it began anew). */
static double
rate_of(const json_t *now, const json_t *before, const char *key, double seconds)
{
	const json_int_t a = answer_int(before, key), b = answer_int(now, key);

	if (!before || !answer_is(now, "counted") || b < a || seconds <= 0)
		return -1;
	return (double)(b - a) / seconds;
}

static void
take_services(struct top_model *m, uint64_t now_us, const json_t *answer)
{
	json_t *sums = sum_services(answer), *s;
	const double seconds = m->before_us ? (double)(now_us - m->before_us) / 1e6 : 0;
	struct top_pane *pane = &m->panes[TOP_SERVICES];
	const char *key;
	char text[16];

	json_object_foreach(sums, key, s)
	{
		const json_t *before = json_object_get(m->before, key);
		const double packets = rate_of(s, before, "packets", seconds);
		const json_int_t active = answer_int(s, "active");
		struct top_row *r = pane_add(pane);

		r->cells[0] = xstrdup(key);
		r->cells[1] = xstrdup(answer_str(s, "ip"));
		r->cells[2] = xstrdup(top_rate(packets, text, sizeof(text)));
		r->cells[3] =
		    xstrdup(top_rate(rate_of(s, before, "bytes", seconds), text, sizeof(text)));
		r->cells[4] =
		    xstrdup(top_rate(rate_of(s, before, "flows", seconds), text, sizeof(text)));
		r->cells[5] = xasprintf("%lld", (long long)active);
		r->cells[6] = xasprintf("%lld", (long long)answer_int(s, "all"));
		r->mood = active ? TOP_PLAIN : TOP_WARN;
		r->weight = packets;
	}
	pane_sort(pane);
	json_decref(m->before);
	m->before = sums;
	m->before_us = now_us;
}

/* ---- layer 2 ---- */

static void
take_l2(struct top_pane *pane, const json_t *answer)
{
	const json_t *a;
	size_t i;
	char age[24];

	json_array_foreach(json_object_get(answer, "announcements"), i, a)
	{
		struct top_row *r = pane_add(pane);
		const bool foreign = json_object_get(a, "conflict") != NULL;

		r->cells[0] = xstrdup(answer_str(a, "ip"));
		r->cells[1] = xstrdup(answer_str(a, "holder"));
		r->cells[2] = xstrdup(answer_str(a, "interface"));
		r->cells[3] = xstrdup(answer_str(a, "service"));
		r->cells[4] = json_object_get(a, "answered")
		    ? xasprintf("%lld", (long long)answer_int(a, "answered"))
		    : xstrdup("");
		r->cells[5] = xstrdup(answer_age(a, "sinceSeconds", age, sizeof(age)));
		r->mood = foreign		? TOP_BAD
		    : answer_is(a, "answering") ? TOP_GOOD
		    : *answer_str(a, "holder")	? TOP_PLAIN
						: TOP_WARN;
		r->weight = foreign ? 2 : answer_is(a, "answering");
	}
	pane_sort(pane);
}

/* ---- the head ---- */

static void
take_status(struct top_model *m, const json_t *s)
{
	const json_t *bgp = json_object_get(s, "bgp"), *services = json_object_get(s, "services");
	const json_t *datapath = json_object_get(s, "datapath"), *reload, *o;
	const char *late = "";
	char age[24];
	size_t i;

	json_array_foreach(json_object_get(s, "sources"), i, o)
	{
		if (!answer_is(o, "synced") && !*late)
			late = answer_str(o, "name");
	}
	reload = json_object_get(s, "lastReload");
	m->head[0] = xasprintf("%s  herald %s  up %s  %s%s%s", answer_str(s, "node"),
	    answer_str(s, "version"), answer_age(s, "uptimeSeconds", age, sizeof(age)),
	    *late ? "not in sync: " : "sources in sync", late,
	    json_is_false(json_object_get(reload, "ok")) ? "  THE LAST RELOAD WAS REFUSED" : "");
	m->head[1] = xasprintf("peers %lld of %lld up   services %lld, %lld wait for an address   "
			       "datapath %s%s",
	    (long long)answer_int(bgp, "established"), (long long)answer_int(bgp, "peers"),
	    (long long)answer_int(services, "total"), (long long)answer_int(services, "waiting"),
	    answer_str(datapath, "mode"),
	    json_is_false(json_object_get(datapath, "loaded")) ? ", not loaded" : "");
}

/* ---- all of it ---- */

void
top_model_init(struct top_model *m)
{
	*m = (struct top_model){ 0 };
	memcpy(m->panes, empty, sizeof(empty));
}

void
top_model_fini(struct top_model *m)
{
	for (int i = 0; i < TOP_NR_PANES; i++)
		pane_clear(&m->panes[i]);
	free(m->head[0]);
	free(m->head[1]);
	json_decref(m->before);
}

void
top_model_take(struct top_model *m, uint64_t now_us, const json_t *status, const json_t *peers,
    const json_t *services, const json_t *l2)
{
	for (int i = 0; i < TOP_NR_PANES; i++)
		pane_clear(&m->panes[i]);
	free(m->head[0]);
	free(m->head[1]);
	take_status(m, status);
	take_peers(&m->panes[TOP_PEERS], peers);
	take_services(m, now_us, services);
	take_l2(&m->panes[TOP_L2], l2);
}

void
top_heights(size_t lines, const size_t nr[TOP_NR_PANES], size_t heights[TOP_NR_PANES])
{
	static const enum top_pane_id order[] = { TOP_PEERS, TOP_L2, TOP_SERVICES };
	size_t left = lines;

	for (int i = 0; i < TOP_NR_PANES; i++)
		heights[i] = 0;
	/* Two lines of head each; peers and layer 2 a third at most, Services what is left. */
	for (int i = 0; i < TOP_NR_PANES; i++) {
		const enum top_pane_id id = order[i];
		const size_t want = nr[id] + 3; /* with an empty line below */

		if (id == TOP_SERVICES)
			heights[id] = left;
		else if (id == TOP_PEERS || nr[id])
			heights[id] = want < lines / 3 ? want : lines / 3;
		if (heights[id] > left)
			heights[id] = left;
		if (heights[id] < 3)
			heights[id] = 0;
		left -= heights[id];
	}
}
