/*
 * tests/bench/ipam_bench.c: the allocator by itself: many Services at once, one more, the same from
 * pools of very different size, a restart, an edit of the pools, shared addresses.  CPU time and
 * memory, a line a row.
 *
 *     ipam_bench [services]        (default 100000)
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ipam/ipam.h"

#define ONE_MORE 2000

static const char *const pools[] = { "10.0.0.0/8", "10.0.0.0/15", "2001:db8::/64" };

static double
cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double
rss_mb(void)
{
	unsigned long size = 0, rss = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f) {
		if (fscanf(f, "%lu %lu", &size, &rss) != 2)
			rss = 0;
		fclose(f);
	}
	return (double)rss * 4096 / (1 << 20);
}

static void
check(int err)
{
	if (err >= 0)
		return;
	fprintf(stderr, "ipam_bench: %s\n", strerror(-err));
	exit(1);
}

static void
give_pool(struct ipam *ipam, const char *text, bool disabled)
{
	struct ipam_block block = { .is_cidr = true };
	struct prefix prefix;
	const struct ipam_pool pool = { .name = "pool",
		.allow_first_last = true,
		.disabled = disabled,
		.reuse_ms = IPAM_REUSE_MS,
		.blocks = &block,
		.nr_blocks = 1 };

	check(prefix_parse(text, &prefix, NULL));
	block.range = prefix_range(&prefix);
	check(ipam_pools_set(ipam, &pool, 1));
}

/* @key: of the sharing group, or NULL; then each of a group has a port of its own. */
static void
claim(struct ipam *ipam, unsigned i, bool v6, const char *key, unsigned port)
{
	static const char *const names[] = { "pool" };
	const struct ipam_port ports[] = { { 6, (uint16_t)port } };
	char owner[40];
	const struct ipam_claim c = { .owner = owner,
		.created = i / 100,
		.families = { v6 ? ADDR_V6 : ADDR_V4 },
		.nr_families = 1,
		.pools = names,
		.nr_pools = 1,
		.sharing = { .key = key, .ports = ports, .nr_ports = 1 } };

	snprintf(owner, sizeof(owner), "team-%u/service-%u", i % 97, i);
	check(ipam_claim_set(ipam, &c));
}

struct restoring {
	struct ipam *to;
};

static bool
restore(void *arg, const struct ipam_alloc *a)
{
	check(ipam_restore(((struct restoring *)arg)->to, a->owner, &a->addr, a->pool));
	return true;
}

static struct ipam *
restart(struct ipam *old, const char *pool, unsigned nr, bool v6)
{
	struct restoring r = { ipam_new(NULL, NULL) };

	ipam_each(old, restore, &r);
	give_pool(r.to, pool, false);
	for (unsigned i = 0; i < nr; i++)
		claim(r.to, i, v6, NULL, 80);
	ipam_start(r.to);
	return r.to;
}

static void
one_pool(const char *pool, unsigned nr)
{
	const bool v6 = strchr(pool, ':') != NULL;
	struct ipam *ipam = ipam_new(NULL, NULL), *next;
	double at, all, worst = 0, sum = 0, empty, took, before = rss_mb();

	give_pool(ipam, pool, false);
	ipam_settle(ipam);
	empty = rss_mb() - before;
	at = cpu();
	for (unsigned i = 0; i < nr; i++)
		claim(ipam, i, v6, NULL, 80);
	ipam_start(ipam);
	all = cpu() - at;
	took = rss_mb() - before;
	for (unsigned i = nr; i < nr + ONE_MORE; i++) {
		at = cpu();
		claim(ipam, i, v6, NULL, 80);
		ipam_settle(ipam);
		at = cpu() - at;
		sum += at;
		worst = at > worst ? at : worst;
	}
	printf("%-16s %8u %9.3f s %8.1f us %8.1f us %7.1f MB %8.1f MB", pool, nr, all,
	    sum / ONE_MORE * 1e6, worst * 1e6, empty, took);
	at = cpu();
	give_pool(ipam, pool, true);
	ipam_settle(ipam);
	printf(" %8.3f s", cpu() - at);
	at = cpu();
	next = restart(ipam, pool, nr, v6);
	printf(" %8.3f s\n", cpu() - at);
	ipam_free(next);
	ipam_free(ipam);
}

/* @per of them on an address. */
static void
shared(unsigned nr, unsigned per)
{
	struct ipam *ipam = ipam_new(NULL, NULL);
	double at = cpu(), all, before = rss_mb(), took;
	char key[20];

	give_pool(ipam, pools[0], false);
	for (unsigned i = 0; i < nr; i++) {
		snprintf(key, sizeof(key), "key-%u", i / per);
		claim(ipam, i, false, key, 1 + i % per);
	}
	ipam_start(ipam);
	all = cpu() - at;
	took = rss_mb() - before;
	at = cpu();
	for (unsigned i = 0; i < ONE_MORE; i++) {
		snprintf(key, sizeof(key), "key-%u", i * 7 % (nr / per));
		claim(ipam, nr + i, false, key, 1 + per + i);
		ipam_settle(ipam);
	}
	printf("%5u on each     %8u %9.3f s %8.1f us %11s %10s %8.1f MB\n", per, nr, all,
	    (cpu() - at) / ONE_MORE * 1e6, "", "", took);
	ipam_free(ipam);
}

/* A row in a process of its own: memory of one is not that of another. */
static void
row(unsigned nr, const char *pool, unsigned per)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (pool)
			one_pool(pool, nr);
		else
			shared(nr, per);
		fflush(stdout);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, NULL, 0) < 0)
		exit(1);
}

int
main(int argc, char **argv)
{
	const unsigned nr = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 100000;

	printf("%-16s %8s %11s %11s %11s %10s %11s %10s %10s\n", "pool", "services", "all",
	    "one more", "worst", "pool's", "with all", "an edit", "restart");
	for (size_t i = 0; i < sizeof(pools) / sizeof(pools[0]); i++)
		row(nr, pools[i], 0);
	row(nr, NULL, 2);
	row(nr, NULL, 100);
	row(nr, NULL, 1000);
	return 0;
}
