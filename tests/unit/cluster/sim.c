/*
 * tests/unit/cluster/sim.c: the world of sim.h.  What is modelled of the rest of Herald: a daemon that
 * chooses owners by rendezvous hashing, sticky by cluster_holder(); BFD that says down after 300 ms and
 * comes up within 1.5 s; probes of 150 ms; answers that stay in the kernel up to 10 s after a kill.
 */
#include "tests/unit/cluster/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/ring.h"
#include "lib/hash.h"
#include "lib/mem.h"

#define BFD_DOWN_MS 300
#define PROBE_MS 150
#define TERM_MS 10000
#define LEASE_MS 10000

struct flight {
	struct loop_timer timer;
	struct sim *sim;
	unsigned to;
	struct addr from;
	size_t len;
	uint8_t bytes[];
};

uint32_t
sim_random(struct sim *s, uint32_t n)
{
	s->random = s->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return n ? (uint32_t)((s->random >> 33) % n) : 0;
}

uint64_t
sim_now(const struct sim *s)
{
	return loop_now_ms(s->loop);
}

void
sim_say(const struct sim *s, const char *fmt, ...)
{
	va_list ap;

	if (!s->trace)
		return;
	fprintf(stderr, "%8.3f ", (double)sim_now(s) / 1000);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static unsigned
index_of(const struct sim *s, const struct addr *a)
{
	for (unsigned i = 0; i < s->nr_addrs; i++)
		if (addr_eq(&s->addrs[i].addr, a))
			return i;
	abort();
}

static bool
is_up(const struct sim_node *n)
{
	return !n->dead;
}

bool
sim_answers(const struct sim *s, unsigned node, unsigned addr)
{
	const struct sim_node *n = &s->nodes[node];

	return is_up(n) && n->answers[addr] && (n->core || sim_now(s) < n->answers_until);
}

/* ---- datagrams ---- */

static void
arrive(void *arg)
{
	struct flight *f = arg;
	struct sim_node *n = &f->sim->nodes[f->to];

	if (is_up(n) && n->core)
		(void)core_receive(n->core, &f->from, f->bytes, f->len);
	free(f);
}

static void
launch(struct sim *s, const struct sim_node *from, unsigned to, const void *bytes, size_t len)
{
	struct flight *f = xcalloc(1, sizeof(*f) + len);
	uint32_t ms = sim_random(s, 4);

	if (sim_random(s, 1000) < s->late)
		ms += sim_random(s, 100);
	f->sim = s;
	f->to = to;
	f->from = from->addr;
	f->len = len;
	memcpy(f->bytes, bytes, len);
	timer_init(&f->timer, s->loop, arrive, f);
	timer_set(&f->timer, ms);
}

static void
on_send(void *arg, const struct addr *to, const void *bytes, size_t len)
{
	struct sim_node *n = arg;
	struct sim *s = n->sim;

	s->sent++;
	for (unsigned i = 0; i < s->nr_nodes; i++) {
		if (!addr_eq(&s->nodes[i].addr, to) || s->cut[n->id][i] || s->nodes[i].dead)
			continue;
		if (sim_random(s, 1000) < s->loss)
			continue;
		launch(s, n, i, bytes, len);
		if (sim_random(s, 1000) < s->dup)
			launch(s, n, i, bytes, len);
	}
}

/* ---- the daemon ---- */

static bool
lives(const struct core *c, const char *name, enum cluster_life life)
{
	const struct member *m = core_member(c, name);

	return m && m->life == life;
}

static const char *
choose(const struct sim_node *n, unsigned a, enum cluster_life life)
{
	const struct sim *s = n->sim;
	const struct entry *e = entry_find(n->core, &s->addrs[a].addr);
	const struct member *holder = e ? entry_holder(n->core, e, true) : NULL;
	const char *best = "";
	uint64_t best_score = 0;

	for (unsigned i = 0; i < s->nr_nodes; i++) {
		uint64_t score = hash_keyed(7, i, s->addrs[a].addr.b, 16);

		if (s->addrs[a].unfit[i] || !lives(n->core, s->nodes[i].name, life))
			continue;
		if (holder && strcmp(holder->name, s->nodes[i].name) == 0)
			return s->nodes[i].name;
		if (!*best || score > best_score) {
			best = s->nodes[i].name;
			best_score = score;
		}
	}
	return best;
}

static void
recalc(void *arg)
{
	struct sim_node *n = arg;
	struct sim *s = n->sim;
	struct cluster_want want[SIM_ADDRS];
	size_t nr = 0;

	if (!n->core)
		return;
	for (unsigned a = 0; a < s->nr_addrs; a++) {
		const char *owner;

		if (!s->addrs[a].wanted)
			continue;
		owner = choose(n, a, CLUSTER_ALIVE);
		if (!*owner)
			owner = choose(n, a, CLUSTER_STOPPING);
		want[nr++] =
		    (struct cluster_want){ s->addrs[a].addr, owner, !s->addrs[a].unfit[n->id] };
	}
	if (hold_want(n->core, want, nr) < 0)
		abort();
}

void
sim_recalc(struct sim *s, unsigned node)
{
	struct sim_node *n = &s->nodes[node];

	if (n->core && !timer_is_running(&n->recalc))
		timer_set(&n->recalc, 1);
}

void
sim_recalc_all(struct sim *s)
{
	for (unsigned i = 0; i < s->nr_nodes; i++)
		sim_recalc(s, i);
}

static void
on_watch(void *arg, const char *name, const struct addr *addr, bool on)
{
	struct sim_node *n = arg;
	unsigned i = (unsigned)(addr->b[3] - 1);

	sim_say(n->sim, "%s watches %s: %d", n->name, name, on);
	n->watch[i] = on;
	n->up[i] = false;
	n->good_ms[i] = n->bad_ms[i] = 0;
	timer_stop(&n->tell[i]);
	if (!on) { /* the other end hears of it at once */
		struct sim_node *o = &n->sim->nodes[i];

		if (o->up[n->id] && !timer_is_running(&o->tell[n->id]))
			timer_set(&o->tell[n->id], 2);
	}
}

static void
on_probe(void *arg, const struct addr *addrs, size_t nr)
{
	struct sim_node *n = arg;

	for (size_t k = 0; k < nr; k++) {
		unsigned a = index_of(n->sim, &addrs[k]);

		n->probing[a] = true;
		n->seen[a] = false;
		n->probe_ms[a] = sim_now(n->sim);
		n->probes++;
		sim_say(n->sim, "%s probes %u", n->name, a);
	}
}

static void
on_hold(void *arg)
{
	struct sim_node *n = arg;
	struct sim *s = n->sim;

	n->holds++;
	for (unsigned a = 0; a < s->nr_addrs; a++) {
		const struct entry *e = entry_find(n->core, &s->addrs[a].addr);
		bool held = e && e->held;

		if (held != n->answers[a])
			sim_say(s, "%s %s %u", n->name, held ? "HOLDS" : "LETS GO OF", a);
		n->answers[a] = held;
	}
}

static void
on_changed(void *arg)
{
	struct sim_node *n = arg;

	n->changes++;
	sim_recalc(n->sim, n->id);
}

/* ---- time ---- */

static void
told_down(void *arg)
{
	struct sim_node *n = arg;
	struct sim *s = n->sim;

	for (unsigned i = 0; i < s->nr_nodes; i++) {
		if (!n->up[i] || timer_is_running(&n->tell[i]) || !n->bad_ms[i])
			continue;
		if (sim_now(s) < n->bad_ms[i])
			continue;
		n->up[i] = false;
		n->good_ms[i] = 0;
		sim_say(s, "%s sees %s down", n->name, s->nodes[i].name);
		if (n->core && core_member(n->core, s->nodes[i].name))
			life_watched(n->core, core_member(n->core, s->nodes[i].name), false);
	}
}

static bool
works(const struct sim *s, const struct sim_node *a, const struct sim_node *b)
{
	return !s->no_bfd && a->core && b->core && is_up(a) && is_up(b) && a->watch[b->id] &&
	    b->watch[a->id] && !s->cut[a->id][b->id] && !s->cut[b->id][a->id];
}

/* One end of a session. */
static void
bfd_end(struct sim *s, struct sim_node *n, struct sim_node *o)
{
	uint64_t now = sim_now(s);

	if (!n->core || !n->watch[o->id])
		return;
	if (works(s, n, o)) {
		n->bad_ms[o->id] = 0;
		if (!n->good_ms[o->id]) {
			n->good_ms[o->id] = now;
			n->up_after[o->id] = 300 + sim_random(s, 1200);
		}
		if (!n->up[o->id] && now - n->good_ms[o->id] >= n->up_after[o->id]) {
			n->up[o->id] = true;
			sim_say(s, "%s sees %s up", n->name, o->name);
			life_watched(n->core, core_member(n->core, o->name), true);
		}
		return;
	}
	n->good_ms[o->id] = 0;
	if (!n->bad_ms[o->id]) {
		bool ended = is_up(o) && o->core && !o->watch[n->id] && !s->cut[o->id][n->id];

		n->bad_ms[o->id] = now + (ended ? 2 : BFD_DOWN_MS - 50 + sim_random(s, 100));
	}
	told_down(n);
}

static void
probe_end(struct sim_node *n, unsigned a)
{
	struct sim *s = n->sim;
	uint64_t at = sim_now(s) - n->probe_ms[a];

	for (unsigned i = 0; i < s->nr_nodes; i++) {
		struct sim_node *o = &s->nodes[i];

		if (i == n->id || o->dead || s->segment[i] != s->segment[n->id])
			continue;
		/* RFC 5227 2.1.1: who probes for it too is a conflict as well. */
		if (sim_answers(s, i, a) || (o->probing[a] && o->core && !s->blind_probes))
			n->seen[a] = true;
	}
	if (at < PROBE_MS)
		return;
	n->probing[a] = false;
	sim_say(s, "%s finds %u %s", n->name, a, n->seen[a] ? "in use" : "free");
	hold_probed(n->core, &s->addrs[a].addr, true, n->seen[a]);
}

static void
lease_end(struct sim *s, struct sim_node *n)
{
	uint64_t now = sim_now(s);

	if (is_up(n) && n->core && n->api && now - n->renewed_ms >= 2000)
		n->renewed_ms = now;
	if (!n->core || !n->api)
		return;
	for (unsigned i = 0; i < s->nr_nodes; i++) {
		struct member *m = core_member(n->core, s->nodes[i].name);
		bool out = now - s->nodes[i].renewed_ms > LEASE_MS;

		if (m->lease == (out ? CLUSTER_LEASE_OUT : CLUSTER_LEASE_FRESH))
			continue;
		m->lease = out ? CLUSTER_LEASE_OUT : CLUSTER_LEASE_FRESH;
		n->core->review = true;
		core_post(n->core);
	}
}

static bool
both_ways(const struct sim *s, unsigned a, unsigned b)
{
	return s->nodes[a].core && s->nodes[b].core && !s->cut[a][b] && !s->cut[b][a];
}

bool
sim_can_talk(const struct sim *s, unsigned a, unsigned b)
{
	if (both_ways(s, a, b))
		return true;
	for (unsigned i = 0; i < s->nr_nodes; i++)
		if (i != a && i != b && both_ways(s, a, i) && both_ways(s, i, b))
			return true;
	return false;
}

/* For how long something was so, and the longest. */
static void
measure(const struct sim *s, bool so, uint64_t *since, uint64_t *longest)
{
	uint64_t now = sim_now(s);

	if (!so)
		*since = 0;
	else if (!*since)
		*since = now;
	if (so && now - *since > *longest)
		*longest = now - *since;
}

/* What clients see of an address, wherever they stand. */
static void
look(struct sim *s, unsigned a)
{
	struct sim_addr *x = &s->addrs[a];
	bool two = false, deaf = false, any = false;

	for (unsigned i = 0; i < s->nr_nodes; i++) {
		if (!sim_answers(s, i, a))
			continue;
		any = true;
		for (unsigned j = i + 1; j < s->nr_nodes; j++) {
			if (!sim_answers(s, j, a) || s->segment[i] != s->segment[j])
				continue;
			deaf = deaf || !sim_can_talk(s, i, j);
			two = two || sim_can_talk(s, i, j);
			x->two_a = i;
			x->two_b = j;
		}
	}
	measure(s, two, &x->two_since, &x->two_max);
	measure(s, deaf, &x->deaf_since, &x->deaf_max);
	measure(s, !any && x->wanted, &x->none_since, &x->none_max);
}

static void
tick(void *arg)
{
	struct sim *s = arg;

	timer_set(&s->tick, s->tick_ms);
	for (unsigned i = 0; i < s->nr_nodes; i++) {
		struct sim_node *n = &s->nodes[i];

		for (unsigned j = 0; j < s->nr_nodes; j++)
			if (i != j)
				bfd_end(s, n, &s->nodes[j]);
		if (s->has_api)
			lease_end(s, n);
	}
	for (unsigned a = 0; a < s->nr_addrs; a++) {
		for (unsigned i = 0; i < s->nr_nodes; i++)
			if (s->nodes[i].core && s->nodes[i].probing[a])
				probe_end(&s->nodes[i], a);
		look(s, a);
	}
}

void
sim_run(struct sim *s, uint64_t ms)
{
	loop_advance(s->loop, ms);
}

void
sim_mark(struct sim *s)
{
	for (unsigned a = 0; a < s->nr_addrs; a++) {
		struct sim_addr *x = &s->addrs[a];

		x->two_max = x->none_max = x->deaf_max = 0;
		x->two_since = x->none_since = x->deaf_since = 0;
	}
	s->sent = 0;
}

/* ---- events ---- */

void
sim_start(struct sim *s, unsigned node)
{
	static const struct cluster_ops up = { on_watch, on_probe, on_hold, on_changed };
	const struct core_ops ops = { on_send, up };
	struct sim_node *n = &s->nodes[node];
	struct cluster_member members[SIM_NODES];
	struct cluster_conf conf = { .self = n->name, .members = members };
	struct addr adopted[SIM_ADDRS];
	size_t nr = 0;

	if (n->core || n->dead)
		return;
	for (unsigned a = 0; a < s->nr_addrs; a++)
		if (sim_answers(s, node, a))
			adopted[nr++] = s->addrs[a].addr;
	sim_say(s, "%s starts, %zu adopted", n->name, nr);
	for (unsigned i = 0; i < s->nr_nodes; i++)
		members[i] = (struct cluster_member){ s->nodes[i].name, s->nodes[i].addr };
	conf.nr_members = s->nr_nodes;
	n->core = core_new(s->loop, &ops, n, n);
	n->left = false;
	if (core_set(n->core, &conf) < 0 || hold_adopt(n->core, adopted, nr) < 0 ||
	    core_note(n->core, n->name, strlen(n->name)) < 0)
		abort();
	core_api(n->core, s->has_api && n->api);
	core_drain(n->core, n->drained);
	for (unsigned a = 0; a < s->nr_addrs; a++)
		n->probing[a] = false;
	on_hold(n);
	recalc(n);
}

void
sim_kill(struct sim *s, unsigned node)
{
	struct sim_node *n = &s->nodes[node];

	if (!n->core)
		return;
	sim_say(s, "%s is killed", n->name);
	core_free(n->core);
	n->core = NULL;
	n->answers_until = sim_now(s) + TERM_MS - sim_random(s, 1000);
	timer_stop(&n->recalc);
	for (unsigned i = 0; i < s->nr_nodes; i++) {
		n->watch[i] = n->up[i] = false;
		n->good_ms[i] = n->bad_ms[i] = 0;
	}
}

static void
left(void *arg)
{
	struct sim_node *n = arg;

	n->left = true;
}

void
sim_stop(struct sim *s, unsigned node)
{
	struct sim_node *n = &s->nodes[node];

	if (!n->core || n->core->leaving)
		return;
	sim_say(s, "%s is told to stop", n->name);
	core_leave(n->core, 5000, left, n);
}

void
sim_die(struct sim *s, unsigned node)
{
	struct sim_node *n = &s->nodes[node];

	sim_say(s, "%s dies", n->name);
	sim_kill(s, node);
	n->dead = true;
	memset(n->answers, 0, sizeof(n->answers));
}

void
sim_boot(struct sim *s, unsigned node)
{
	s->nodes[node].dead = false;
	sim_start(s, node);
}

void
sim_drain(struct sim *s, unsigned node, bool drained)
{
	struct sim_node *n = &s->nodes[node];

	sim_say(s, "%s is %s", n->name, drained ? "drained" : "not drained any more");
	n->drained = drained;
	if (n->core)
		core_drain(n->core, drained);
}

void
sim_api(struct sim *s, unsigned node, bool answers)
{
	struct sim_node *n = &s->nodes[node];

	sim_say(s, "%s: API %d", n->name, answers);
	n->api = answers;
	if (!n->core || !s->has_api)
		return;
	core_api(n->core, answers);
	for (unsigned i = 0; i < s->nr_nodes && !answers; i++)
		core_member(n->core, s->nodes[i].name)->lease = CLUSTER_LEASE_UNKNOWN;
}

void
sim_cut(struct sim *s, unsigned from, unsigned to, bool on)
{
	if (s->cut[from][to] != on)
		sim_say(s, "%s -> %s %s", s->nodes[from].name, s->nodes[to].name,
		    on ? "cut" : "healed");
	s->cut[from][to] = on;
}

/* ---- the world ---- */

struct sim *
sim_new(uint64_t seed, unsigned nr_nodes, unsigned nr_addrs, bool api)
{
	struct sim *s = xnew(struct sim);

	s->loop = loop_new_fake();
	s->seed = seed;
	s->random = hash_mix(seed + 1);
	loop_seed(s->loop, seed + 1);
	s->nr_nodes = nr_nodes;
	s->nr_addrs = nr_addrs;
	s->has_api = api;
	for (unsigned i = 0; i < nr_nodes; i++) {
		struct sim_node *n = &s->nodes[i];

		n->sim = s;
		n->id = i;
		n->api = true;
		snprintf(n->name, sizeof(n->name), "n%u", i);
		n->addr = (struct addr){ .family = ADDR_V4, .b = { 10, 0, 0, (uint8_t)(i + 1) } };
		timer_init(&n->recalc, s->loop, recalc, n);
		for (unsigned j = 0; j < nr_nodes; j++)
			timer_init(&n->tell[j], s->loop, told_down, n);
	}
	for (unsigned a = 0; a < nr_addrs; a++) {
		s->addrs[a].addr =
		    (struct addr){ .family = ADDR_V4, .b = { 192, 0, 2, (uint8_t)(a + 1) } };
		s->addrs[a].wanted = true;
	}
	timer_init(&s->tick, s->loop, tick, s);
	s->tick_ms = 10;
	timer_set(&s->tick, 1);
	return s;
}

void
sim_free(struct sim *s)
{
	for (unsigned i = 0; i < s->nr_nodes; i++)
		sim_kill(s, i);
	timer_stop(&s->tick);
	/* Datagrams still on their way. */
	loop_advance(s->loop, 200);
	loop_free(s->loop);
	free(s);
}

int
sim_holder(const struct sim *s, unsigned a)
{
	int holder = -1;

	for (unsigned i = 0; i < s->nr_nodes; i++) {
		if (!sim_answers(s, i, a))
			continue;
		if (holder >= 0)
			return -1;
		holder = (int)i;
	}
	for (unsigned i = 0; i < s->nr_nodes && holder >= 0; i++) {
		const struct core *c = s->nodes[i].core;
		const struct entry *e = c ? entry_find(c, &s->addrs[a].addr) : NULL;
		const struct member *m = e ? entry_holder(c, e, true) : NULL;

		if (c && (!m || strcmp(m->name, s->nodes[holder].name) != 0))
			return -1;
	}
	return holder;
}

void
sim_dump(const struct sim *s)
{
	fprintf(stderr, "seed %llu at %llu\n", (unsigned long long)s->seed,
	    (unsigned long long)sim_now(s));
	for (unsigned i = 0; i < s->nr_nodes; i++) {
		const struct core *c = s->nodes[i].core;

		fprintf(stderr, "%s dead %d cut_off %d:", s->nodes[i].name, s->nodes[i].dead,
		    c && c->cut_off);
		for (size_t j = 0; c && j < c->nr_members; j++)
			fprintf(stderr, " %s=%d(%zu/%zu)", c->members[j]->name,
			    (int)c->members[j]->life, c->members[j]->nr_say_lost,
			    c->members[j]->nr_watchers);
		fputc('\n', stderr);
		for (unsigned a = 0; c && a < s->nr_addrs; a++) {
			const struct entry *e = entry_find(c, &s->addrs[a].addr);
			const struct member *m = e ? entry_holder(c, e, true) : NULL;

			if (e)
				fprintf(stderr, "   %u: %s step %d owner %s holder %s\n", a,
				    sim_answers(s, i, a) ? "answers" : "-", (int)e->step,
				    e->owner ? e->owner->name : "nobody", m ? m->name : "none");
		}
	}
}
