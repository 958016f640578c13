/*
 * tests/bench/datapath/kit.c: what the yardstick's tools share.
 */
#include "tests/bench/datapath/kit.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "tests/bench/datapath/layout.h"

#define TCX_INGRESS ((enum bpf_attach_type)46) /* libbpf 1.1 has no name for it */

void
fail(const char *format, ...)
{
	int err = errno;
	va_list ap;

	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fprintf(stderr, " (%s)\n", strerror(err));
	exit(1);
}

double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void
pin_cpu(uint32_t cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		fail("no CPU %u", cpu);
}

static int
by_size(const void *a, const void *b)
{
	double x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

double
median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_size);
	return v[n / 2];
}

struct endpoint
endpoint_of(const char *text)
{
	struct endpoint e = { 0 };
	char b[80], *colon, *addr = b;

	snprintf(b, sizeof(b), "%s", text);
	colon = strrchr(b, ':');
	if (!colon)
		fail("%s: not address:port", text);
	*colon = 0;
	e.port = (int)strtol(colon + 1, NULL, 10);
	if (*addr == '[') {
		addr++;
		addr[strcspn(addr, "]")] = 0;
	}
	e.family = strchr(addr, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(e.family, addr, e.addr) != 1)
		fail("%s: not an address", text);
	return e;
}

void
mac_of(const char *text, uint8_t mac[6])
{
	unsigned x[6];

	if (sscanf(text, "%x:%x:%x:%x:%x:%x", &x[0], &x[1], &x[2], &x[3], &x[4], &x[5]) != 6)
		fail("%s: not a MAC address", text);
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)x[i];
}

uint32_t
ifindex_of(const char *name)
{
	uint32_t index = name ? if_nametoindex(name) : 0;

	if (name && !index)
		fail("no device %s", name);
	return index;
}

static void
take(const struct option_row *row, const char *value)
{
	switch (row->kind) {
	case OPT_TEXT:
		*(const char **)row->into = value;
		break;
	case OPT_NUMBER:
		*(uint32_t *)row->into = (uint32_t)strtoul(value, NULL, 10);
		break;
	case OPT_SECONDS:
		*(double *)row->into = strtod(value, NULL);
		break;
	case OPT_ENDPOINT:
		*(struct endpoint *)row->into = endpoint_of(value);
		break;
	case OPT_SWITCH:
		*(bool *)row->into = true;
		break;
	}
}

void
options(int argc, char **argv, const struct option_row *rows)
{
	const struct option_row *row;

	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "--", 2) != 0)
			continue; /* a command, which the caller has read */
		for (row = rows; row->name && strcmp(row->name, argv[i] + 2) != 0; row++)
			;
		errno = EINVAL;
		if (!row->name)
			fail("%s: no such option", argv[i]);
		if (row->kind != OPT_SWITCH && i + 1 == argc)
			fail("%s: no value", argv[i]);
		take(row, row->kind == OPT_SWITCH ? "" : argv[++i]);
	}
}

int
pinned(const char *dir, const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s%s%s", dir, name ? "/" : "", name ? name : "");
	fd = bpf_obj_get(path);
	if (fd < 0)
		fail("%s is not pinned", path);
	return fd;
}

__attribute__((format(printf, 2, 0))) static int
say(enum libbpf_print_level level, const char *format, va_list ap)
{
	return level == LIBBPF_WARN && getenv("BENCH_DEBUG") ? vfprintf(stderr, format, ap) : 0;
}

struct bpf_object *
object_of(const char *path)
{
	struct bpf_object *o;

	libbpf_set_print(say);
	o = bpf_object__open_file(path, NULL);
	if (!o)
		fail("%s cannot be opened", path);
	return o;
}

void
only_programs(struct bpf_object *o, const char *a, const char *b)
{
	struct bpf_program *p;

	bpf_object__for_each_program(p, o) bpf_program__set_autoload(
	    p, strcmp(bpf_program__name(p), a) == 0 || (b && strcmp(bpf_program__name(p), b) == 0));
}

void
give_flavour(struct bpf_object *o, bool tc, int flavour)
{
	struct bpf_program *p;

	bpf_object__for_each_program(p, o)
	{
		if (!bpf_program__autoload(p))
			continue;
		if (!tc && (flavour & 1))
			bpf_program__set_flags(p, BPF_F_XDP_HAS_FRAGS);
		if (!tc)
			bpf_program__set_expected_attach_type(p, flavour & 2 ? 0 : BPF_XDP);
		else if (flavour & 1)
			bpf_program__set_expected_attach_type(p, TCX_INGRESS);
	}
}

void
scatter(struct bpf_object *harness)
{
	struct progress start = { 0 };
	const uint32_t zero = 0;
	int fd = bpf_object__find_map_fd_by_name(harness, ".bss");

	if (getrandom(&start.uniq, sizeof(start.uniq), 0) != sizeof(start.uniq))
		fail("no chance");
	if (bpf_map_update_elem(fd, &zero, &start, 0) < 0)
		fail("the harness's counters");
}

long
memory_of(int fd)
{
	char path[64], row[128];
	long bytes = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "r");
	if (!f)
		return 0;
	while (fgets(row, sizeof(row), f))
		if (sscanf(row, "memlock: %ld", &bytes) == 1)
			break;
	fclose(f);
	return bytes;
}

static uint64_t
mix64(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdULL;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ULL;
	return x ^ x >> 33;
}

void *
space(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		fail("no memory");
	return p;
}

void
maglev_u32(uint32_t *table, uint32_t m, const uint32_t *ids, uint32_t n)
{
	uint32_t *next = space(n, sizeof(*next)), *skip = space(n, sizeof(*skip)), filled = 0, i;

	for (i = 0; i < n; i++) {
		next[i] = (uint32_t)(mix64(ids[i]) % m);
		skip[i] = (uint32_t)(mix64(ids[i] ^ 0x5bd1e995deadbeefULL) % (m - 1)) + 1;
	}
	memset(table, 0xff, m * sizeof(*table));
	for (i = 0; filled < m; i = i + 1 == n ? 0 : i + 1) {
		while (table[next[i]] != UINT32_MAX) {
			next[i] += skip[i];
			if (next[i] >= m)
				next[i] -= m;
		}
		table[next[i]] = ids[i];
		filled++;
	}
	free(next);
	free(skip);
}
