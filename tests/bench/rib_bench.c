/*
 * tests/bench/rib_bench.c: the table by itself, without sockets: what ingesting a full table and
 * originating many routes costs in time and memory.  Prints one line a row.
 *
 *     rib_bench [prefixes [row]]      (default 1000000, and all rows; a row by the beginning of its name)
 */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bgpd/adj.h"
#include "bgpd/msg.h"
#include "bgpd/update.h"
#include "lib/loop.h"

struct sink {
	size_t bytes, blocks, messages;
};

static void
sink_send(void *arg, struct bgp_block *b)
{
	struct sink *s = arg;

	s->bytes += b->len;
	s->blocks++;
	s->messages += b->nr_messages;
}

static size_t
sink_room(void *arg)
{
	(void)arg;
	return SIZE_MAX;
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double
rss_mb(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long size = 0, rss = 0;

	if (f) {
		if (fscanf(f, "%lu %lu", &size, &rss) != 2)
			rss = 0;
		fclose(f);
	}
	return (double)rss * (double)sysconf(_SC_PAGESIZE) / 1e6;
}

static struct adj *
peer_new(struct rib *r, unsigned i, struct sink *s, bool relay)
{
	const struct adj_ops ops = { .send = sink_send, .room = sink_room, .arg = s };
	const struct bgp_rule all = { .accept = true };
	struct bgp_peer_conf conf = { .name = "peer" };
	struct adj_session session = {
		.as4 = true,
		.families = 3,
		.local_as = 65000,
		.peer_as = 65001 + i,
		.local_id = 1,
		.peer_id = 2 + i,
		.local = { .b = { 10, 0, 0, 100 }, .family = ADDR_V4 },
		.remote = { .b = { 10, 0, 1, (uint8_t)i }, .family = ADDR_V4 },
		.self = { { .b = { 10, 0, 0, 100 }, .family = ADDR_V4 } },
	};
	struct adj *adj = adj_new(r, "peer", &ops);

	conf.import = (struct bgp_policy){ &all, 1 };
	if (relay)
		conf.export = conf.import;
	conf.family[0].audience = "all";
	adj_conf(adj, &conf);
	adj_up(adj, &session);
	return adj;
}

/* The messages of @nr /24s in shuffled order, @per_set to an attribute set. */
static uint8_t *
table_make(uint32_t nr, uint32_t per_set, size_t *len)
{
	static const uint8_t communities[] = { 0xfd, 0xe9, 0, 1, 0xfd, 0xe9, 0, 2 };
	size_t cap = (size_t)nr * 24 + (1u << 20);
	uint8_t *bytes = malloc(cap), path[14] = { 2, 3 };
	struct bgp_attrs a = { .as_path = { path, sizeof(path) },
		.communities = { communities, sizeof(communities) } };
	struct bgp_pack pack;
	size_t at = 0;

	a.next_hop = (struct addr){ .b = { 10, 0, 1, 0 }, .family = ADDR_V4 };
	path[4] = 0xfd;
	path[5] = 0xe9; /* 65001 */
	path[13] = 9;
	for (uint32_t i = 0; i < nr; i++) {
		uint32_t v = (i * 0x9e3779b1u) & 0xfffff; /* a permutation of 2^20 */
		struct prefix p = { .len = 24, .addr.family = ADDR_V4 };

		p.addr.b[0] = (uint8_t)(16 + (v >> 16));
		p.addr.b[1] = (uint8_t)(v >> 8);
		p.addr.b[2] = (uint8_t)v;
		if (i % per_set == 0) {
			if (i)
				at += bgp_pack_end(&pack);
			memcpy(path + 7, &i, 3);
			path[6] = 1;
			bgp_pack_begin(&pack, wire_wr_init(bytes + at, cap - at), BGP_MAX_LEN,
			    BGP_IPV4_UNICAST, &a, true);
		}
		if (bgp_pack_add(&pack, &p) < 0)
			abort();
	}
	*len = at + bgp_pack_end(&pack);
	return bytes;
}

static void
feed(struct adj *adj, struct loop *loop, const uint8_t *bytes, size_t len)
{
	struct bgp_fault f;
	size_t read = 0;

	for (size_t at = 0; at < len;) {
		size_t n = (size_t)bytes[at + 16] << 8 | bytes[at + 17];

		if (adj_update(adj, wire_rd_init(bytes + at + 19, n - 19), &f) < 0)
			abort();
		at += n;
		read += n;
		if (read > 256 * 1024) { /* what a session reads in a turn */
			loop_turn(loop, 0);
			read = 0;
		}
	}
}

static void
settle(struct loop *loop)
{
	for (int i = 0; i < 2000; i++)
		loop_turn(loop, 0);
}

static void
ignore_learned(void *arg, const char *instance, const struct prefix *p, unsigned nr,
    const struct bgp_hop *hops)
{
	(void)instance;
	(void)p;
	(void)hops;
	*(size_t *)arg += nr;
}

static void
ingest(const char *name, uint32_t nr, uint32_t per_set, bool learned, bool relay)
{
	struct loop *loop = loop_new();
	size_t len, hops = 0;
	uint8_t *bytes = table_make(nr, per_set, &len);
	struct bgp_ops ops = { .learned = learned ? ignore_learned : NULL, .arg = &hops };
	struct rib *r = rib_new(loop, &ops, "bench");
	struct sink from = { 0 }, to = { 0 };
	double before, start, end, gone;
	struct adj *a, *b;

	rib_conf(r, &(struct bgp_instance_conf){ .local_as = 65000, .router_id = 1 });
	rib_ready(r);
	a = peer_new(r, 0, &from, relay);
	b = peer_new(r, 1, &to, relay);
	settle(loop);
	before = rss_mb();
	start = now();
	feed(a, loop, bytes, len);
	settle(loop);
	end = now();
	printf("%-28s %8u prefixes  %7.1f ms  %6.1f ns/prefix  +%.1f MB  %.1f B/prefix", name, nr,
	    (end - start) * 1e3, (end - start) * 1e9 / nr, rss_mb() - before,
	    (rss_mb() - before) * 1e6 / nr);
	if (relay)
		printf("  out %zu messages %zu bytes", to.messages, to.bytes);
	start = now();
	adj_down(a, 0, 0);
	settle(loop);
	gone = now();
	printf("  down %.1f ms\n", (gone - start) * 1e3);
	adj_free(a);
	adj_free(b);
	rib_free(r);
	loop_free(loop);
	free(bytes);
	malloc_trim(0);
}

/* Turns until there is nothing left to do: CPU time of all, and of the longest one. */
static double
settle_longest(struct loop *loop, double *longest)
{
	double begin = now(), last = begin;

	*longest = 0;
	for (int i = 0; i < 2000; i++) {
		double at;

		loop_turn(loop, 0);
		at = now();
		if (at - last > *longest)
			*longest = at - last;
		last = at;
	}
	return last - begin;
}

/* A table through a prefix list that takes none of it and a rule that takes all; then other rules over the
 * whole table, which is passed on, both ways; then the end of the session. */
static void
policy(uint32_t nr, uint32_t entries)
{
	struct loop *loop = loop_new();
	size_t len;
	uint8_t *bytes = table_make(nr, nr, &len);
	struct rib *r = rib_new(loop, NULL, "bench");
	struct bgp_prefix_match *list = calloc(entries, sizeof(*list));
	struct bgp_rule rules[2] = { { .accept = false }, { .accept = true } };
	struct bgp_rule med = { .accept = true, .set = { .has_med = true, .med = 7 } };
	struct bgp_peer_conf conf = { .name = "peer", .family[0].audience = "all" };
	struct sink from = { 0 }, to = { 0 };
	struct adj *a = peer_new(r, 0, &from, false), *b = peer_new(r, 1, &to, true);
	double start, fed, in, in_turn, out, out_turn, down, down_turn;

	rib_conf(r, &(struct bgp_instance_conf){ .local_as = 65000, .router_id = 1 });
	rib_ready(r);
	for (uint32_t i = 0; i < entries; i++) {
		uint32_t v = (i * 0x9e3779b1u) & 0xfffff;

		/* Half of a /24 of the table: near, and no match. */
		list[i] = (struct bgp_prefix_match){ .ge = 25, .le = 32 };
		list[i].prefix.len = 25;
		list[i].prefix.addr = (struct addr){ .b = { (uint8_t)(16 + (v >> 16)),
							 (uint8_t)(v >> 8), (uint8_t)v },
			.family = ADDR_V4 };
	}
	rules[0].match.prefixes = list;
	rules[0].match.nr_prefixes = entries;
	conf.import = (struct bgp_policy){ rules, 2 };
	adj_conf(a, &conf);
	settle(loop);
	start = now();
	feed(a, loop, bytes, len);
	settle(loop);
	fed = now() - start;
	rules[1].set.has_local_pref = true;
	rules[1].set.local_pref = 7;
	start = now();
	adj_conf(a, &conf);
	in_turn = now() - start;
	in = in_turn + settle_longest(loop, &in_turn);
	conf.import = (struct bgp_policy){ 0 };
	conf.export = (struct bgp_policy){ &med, 1 };
	start = now();
	adj_conf(b, &conf);
	out_turn = now() - start;
	out = out_turn + settle_longest(loop, &out_turn);
	start = now();
	adj_down(a, 0, 0);
	down_turn = now() - start;
	down = down_turn + settle_longest(loop, &down_turn);
	printf("policy, %u entries: %u prefixes %.1f ns/prefix, import change %.1f ms (turn %.1f), "
	       "export change %.1f ms (turn %.1f), down %.1f ms (turn %.1f)\n",
	    entries, nr, fed * 1e9 / nr, in * 1e3, in_turn * 1e3, out * 1e3, out_turn * 1e3,
	    down * 1e3, down_turn * 1e3);
	adj_free(a);
	adj_free(b);
	rib_free(r);
	loop_free(loop);
	free(bytes);
	free(list);
	malloc_trim(0);
}

static void
originate(uint32_t nr, unsigned sinks)
{
	struct bgp_announce *a = calloc(nr, sizeof(*a));
	struct sink s = { 0 };
	struct loop *loop = loop_new();
	struct rib *r = rib_new(loop, NULL, "bench");
	struct adj *adj[64];
	double before = rss_mb(), start, loaded, sent, changed;

	rib_conf(r, &(struct bgp_instance_conf){ .local_as = 65000, .router_id = 1 });
	for (uint32_t i = 0; i < nr; i++) {
		a[i].prefix.len = 32;
		a[i].prefix.addr =
		    (struct addr){ .b = { 10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i },
			    .family = ADDR_V4 };
		a[i].audience = "all";
		a[i].policy = "bench";
		a[i].source = BGP_SRC_SERVICE;
	}
	start = now();
	if (rib_originate(r, "o", a, nr) < 0)
		abort();
	rib_ready(r);
	settle(loop);
	loaded = now();
	for (unsigned i = 0; i < sinks; i++)
		adj[i] = peer_new(r, i, &s, false);
	settle(loop);
	sent = now();
	a[7].has_med = true;
	if (rib_originate(r, "p", a + 7, 1) < 0)
		abort();
	loop_turn(loop, 0);
	loop_turn(loop, 0);
	changed = now();
	printf(
	    "originate %u to %u sinks: load %.2f ms, dump %.2f ms (%zu bytes), one change %.1f us, "
	    "+%.1f MB\n",
	    nr, sinks, (loaded - start) * 1e3, (sent - loaded) * 1e3, s.bytes,
	    (changed - sent) * 1e6, rss_mb() - before);
	for (unsigned i = 0; i < sinks; i++)
		adj_free(adj[i]);
	rib_free(r);
	loop_free(loop);
	free(a);
	malloc_trim(0);
}

static const struct table_row {
	const char *name;
	uint32_t per_set; /* 0: one set for all */
	bool learned, relay;
} tables[] = {
	{ "ingest, one set", 0, false, false },
	{ "ingest, one set, learned", 0, true, false },
	{ "ingest, 6.7 to a set", 7, false, false },
	{ "relay, one set", 0, false, true },
	{ "relay, 6.7 to a set", 7, false, true },
};

int
main(int argc, char **argv)
{
	uint32_t nr = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000000;

	const char *row = argc > 2 ? argv[2] : "";

	if (!nr || nr > 1u << 20) {
		fprintf(stderr, "usage: rib_bench [prefixes, at most %u [row]]\n", 1u << 20);
		return 2;
	}
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		const struct table_row *t = &tables[i];

		if (strncmp(t->name, row, strlen(row)) == 0)
			ingest(t->name, t->relay ? nr / 2 : nr, t->per_set ? t->per_set : nr,
			    t->learned, t->relay);
	}
	if (strncmp("policy", row, strlen(row)) == 0) {
		policy(nr / 2, 1);
		policy(nr / 2, 1000);
		policy(nr / 2, 10000);
	}
	if (strncmp("originate", row, strlen(row)) != 0)
		return 0;
	originate(10000, 1);
	originate(100000, 1);
	originate(10000, 50);
	originate(100000, 50);
	return 0;
}
