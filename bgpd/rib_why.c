/*
 * bgpd/rib_why.c: the decision for one prefix in words.  Between best.c, which only marks, and rib_show.c.
 */
#include "bgpd/rib_why.h"

#include <stdio.h>

#include "bgpd/out.h"
#include "lib/mem.h"

struct why {
	const struct best_path *all;
	size_t nr, best;
};

static const char *
origin_name(uint8_t origin)
{
	static const char *const names[] = { "IGP", "EGP", "incomplete" };

	return names[origin < 3 ? origin : 2];
}

/* The identifier as an address. */
static const char *
id_text(uint32_t id, char *text, size_t size)
{
	snprintf(text, size, "%u.%u.%u.%u", id >> 24, id >> 16 & 255, id >> 8 & 255, id & 255);
	return text;
}

/* The path that wins the step for MEDs: of the same neighbour, and with the lowest. */
static uint32_t
lowest_med(const struct why *w, const struct best_path *p)
{
	uint32_t least = p->med;

	for (size_t i = 0; i < w->nr; i++) {
		if (w->all[i].neighbour_as == p->neighbour_as && w->all[i].med < least)
			least = w->all[i].med;
	}
	return least;
}

/* What @p lost by, beside the best. */
static json_t *
lost_text(const struct why *w, const struct best_path *p)
{
	const struct best_path *b = &w->all[w->best];
	char mine[16], theirs[16];

	switch (p->lost_by) {
	case BEST_LOCAL:
		return json_string("a route of our own wins");
	case BEST_STALE:
		return json_string("it is long-lived stale");
	case BEST_LOCAL_PREF:
		return json_sprintf(
		    "lower local preference: %u, the best has %u", p->local_pref, b->local_pref);
	case BEST_PATH_LEN:
		return json_sprintf(
		    "longer AS path: %u, the best has %u", p->path_len, b->path_len);
	case BEST_ORIGIN:
		return json_sprintf("worse origin: %s, the best has %s", origin_name(p->origin),
		    origin_name(b->origin));
	case BEST_MED:
		return json_sprintf("higher MED: %u, another path by way of AS %u has %u", p->med,
		    p->neighbour_as, lowest_med(w, p));
	case BEST_EBGP:
		return json_string("from an internal peer, the best is from an external one");
	case BEST_IGP_COST:
		return json_sprintf(
		    "next hop further away: %u, the best has %u", p->igp_cost, b->igp_cost);
	case BEST_ROUTER_ID:
		return json_sprintf("higher router ID: %s, the best has %s",
		    id_text(p->router_id, mine, sizeof(mine)),
		    id_text(b->router_id, theirs, sizeof(theirs)));
	case BEST_CLUSTER_LEN:
		return json_sprintf(
		    "longer cluster list: %u, the best has %u", p->cluster_len, b->cluster_len);
	case BEST_PEER_ADDRESS:
		return json_sprintf("higher peer address: %s, the best has %s", addr_str(&p->peer),
		    addr_str(&b->peer));
	case BEST_PATH_ID:
		return json_sprintf("higher path ID: %u, the best has %u", p->path_id, b->path_id);
	case BEST_ORDER:
		return json_string("even in everything; the other was there first");
	case BEST_CHOSEN:
	case BEST_NR_STEPS:
		break;
	}
	return json_string("best");
}

/* What the best won by: the last step that struck somebody out. */
static const char *
won_text(enum best_step step)
{
	static const char *const texts[BEST_NR_STEPS] = {
		[BEST_LOCAL] = "best: our own",
		[BEST_STALE] = "best: it is not stale",
		[BEST_LOCAL_PREF] = "best: highest local preference",
		[BEST_PATH_LEN] = "best: shortest AS path",
		[BEST_ORIGIN] = "best: best origin",
		[BEST_MED] = "best: lowest MED",
		[BEST_EBGP] = "best: from an external peer",
		[BEST_IGP_COST] = "best: nearest next hop",
		[BEST_ROUTER_ID] = "best: lowest router ID among even ones",
		[BEST_CLUSTER_LEN] = "best: shortest cluster list among even ones",
		[BEST_PEER_ADDRESS] = "best: lowest peer address among even ones",
		[BEST_PATH_ID] = "best: lowest path ID among even ones",
		[BEST_ORDER] = "best: even in everything, and there first",
	};

	return step < BEST_NR_STEPS && texts[step] ? texts[step] : "best: the only usable path";
}

static enum best_step
last_step(const struct why *w)
{
	enum best_step last = BEST_CHOSEN;

	for (size_t i = 0; i < w->nr; i++) {
		if (w->all[i].lost_by > last)
			last = w->all[i].lost_by;
	}
	return last;
}

static void
put_why(const struct why *w, const struct path *p, json_t *o)
{
	const struct best_path *b = NULL;
	json_t *text;

	for (size_t i = 0; i < w->nr && !b; i++)
		b = w->all[i].ref == p ? &w->all[i] : NULL;
	if (!b)
		return;
	json_object_set_new(o, "lostBy",
	    b->lost_by == BEST_CHOSEN ? json_null() : json_string(best_step_name(b->lost_by)));
	if (b->lost_by == BEST_CHOSEN) {
		json_object_set_new(o, "why", json_string(won_text(last_step(w))));
		return;
	}
	text = lost_text(w, b);
	json_object_set_new(o, "why",
	    json_sprintf("%s%s", b->multipath ? "shares the load; not first: " : "lost by: ",
		json_string_value(text)));
	json_decref(text);
}

static void
put_own(const struct path *p, json_t *o)
{
	json_object_set_new(
	    o, "lostBy", p->adj ? json_string(best_step_name(BEST_LOCAL)) : json_null());
	json_object_set_new(o, "why",
	    json_string(p->adj ? "lost by: a route of our own wins" : won_text(BEST_LOCAL)));
}

void
rib_why(const struct rib *r, const struct node *n, const struct path *p, json_t *o)
{
	struct why w = { 0 };
	struct best_path *all;
	size_t nr = 0;

	if (n->flags & NODE_LOCAL) {
		put_own(p, o);
		return;
	}
	for (uint32_t i = n->paths; i; i = rib_path(r, i)->next)
		nr++;
	all = mem_calloc(nr + 1, sizeof(*all));
	if (!all)
		return;
	for (uint32_t i = n->paths; i; i = rib_path(r, i)->next) {
		if (rib_path(r, i)->set)
			rib_candidate(r, &all[w.nr++], i);
	}
	w.all = all;
	w.best = best_choose(all, w.nr, r->max_paths, r->max_paths_ibgp, r->relax);
	put_why(&w, p, o);
	mem_free(all);
}

const char *
rib_why_not(unsigned why)
{
	static const char *const texts[PATH_NR_WHY] = {
		[PATH_NO_RULE] = "no import rule matches, so it is not accepted (RFC 8212)",
		[PATH_REJECTED] = "an import rule rejects it",
		[PATH_AS_LOOP] =
		    "our own AS stands in its AS path more often than allowASIn allows",
		[PATH_ORIGINATOR] = "it is our own, reflected (its ORIGINATOR_ID is our router ID)",
		[PATH_CLUSTER] =
		    "it was in our cluster already (its CLUSTER_LIST has our cluster ID)",
		[PATH_OWN_HOP] = "its next hop is an address of our own",
	};

	return why < PATH_NR_WHY && texts[why] ? texts[why] : "it may not be used";
}
