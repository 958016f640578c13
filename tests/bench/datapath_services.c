/*
 * tests/bench/datapath_services.c: the writer of services by itself, with real maps and without
 * programs: many Services from empty, one change among them, the audit, what adopting costs, and
 * how good the tables are.  Needs the right to make maps.
 *
 *     datapath_services [services [backends]]        (default 10000 10)
 */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <time.h>

#include "datapath/core.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "tests/unit/datapath/mapkit.h"

static double
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* the kernel's part is in there */
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double
heap_mb(void)
{
	struct mallinfo2 m = mallinfo2();

	return (double)(m.uordblks + m.hblkhd) / 1e6;
}

static int
cmp_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median(double *v, size_t nr)
{
	qsort(v, nr, sizeof(*v), cmp_double);
	return v[nr / 2];
}

/* Service @i with @nr backends; the last one is another when @other. */
static void
service_make(struct dp_frontend *f, struct dp_backend *b, uint32_t i, uint32_t nr, uint8_t other)
{
	for (uint32_t k = 0; k < nr; k++) {
		uint32_t at = i * nr + k;

		b[k] = (struct dp_backend){
			.port = 8080, .external = true, .internal = true, .node = ""
		};
		b[k].ip = (struct addr){ .family = ADDR_V4,
			.b = { (uint8_t)(11 + (at >> 24)), (uint8_t)(at >> 16), (uint8_t)(at >> 8),
			    (uint8_t)at } };
		if (other && k == nr - 1)
			b[k].ip.b[0] = (uint8_t)(100 + other);
	}
	*f = (struct dp_frontend){
		.ip = { .family = ADDR_V4,
		    .b = { 172, (uint8_t)(16 + (i >> 16)), (uint8_t)(i >> 8), (uint8_t)i } },
		.port = 80,
		.proto = IPPROTO_TCP,
		.type = DP_LOAD_BALANCER,
		.port_name = "http",
		.backends = b,
		.nr_backends = nr,
	};
}

static int
set_all(struct dp_services *s, uint32_t services, uint32_t nr, struct dp_backend *b)
{
	struct dp_frontend f;
	char name[32];

	services_sync_begin(s);
	for (uint32_t i = 0; i < services; i++) {
		snprintf(name, sizeof(name), "bench/s%u", i);
		service_make(&f, b, i, nr, 0);
		if (services_set(s, name, &f, 1) < 0)
			return -1;
	}
	services_sync_end(s);
	return 0;
}

/* One backend of a Service is another, in turn; microseconds of the call. */
static void
change(struct dp_services *s, uint32_t services, uint32_t nr, struct dp_backend *b)
{
	enum { ROUNDS = 400 };
	static double us[ROUNDS];
	struct dp_frontend f;
	char name[32];

	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint32_t which = (uint32_t)((uint64_t)i * 7919 % services);
		double t;

		snprintf(name, sizeof(name), "bench/s%u", which);
		service_make(&f, b, which, nr, (uint8_t)(1 + i % 100));
		t = now_us();
		if (services_set(s, name, &f, 1) < 0)
			printf("  the change failed\n");
		us[i] = now_us() - t;
	}
	printf("  one backend changed            %8.1f us\n", median(us, ROUNDS));
}

static void
tables(struct dp_services *s)
{
	struct dp_info info = { 0 };

	services_info(s, &info);
	printf("  words of tables used           %8.1f MB\n", (double)info.tables_used * 8 / 1e6);
}

/* As a daemon starts: the Services are known before there are maps. */
static void
sliced(struct dp_services *s, struct mapkit *kit, struct loop *loop)
{
	double t, took, all = 0, most = 0;
	int slices = 1;

	if (services_maps_set(s, NULL, false) < 0)
		printf("  no memory\n");
	t = now_us();
	if (services_maps_set(s, &kit->m, false) < 0)
		printf("  no memory\n");
	for (;;) {
		took = now_us() - t;
		all += took;
		most = took > most ? took : most;
		if (!services_is_writing(s))
			break;
		t = now_us();
		loop_turn(loop, 0);
		slices++;
	}
	printf("  in slices when maps come       %8.1f ms, %d of at most %.1f ms\n", all / 1e3,
	    slices, most / 1e3);
}

static void
writer(uint32_t services, uint32_t nr, struct dp_backend *b)
{
	enum { ROUNDS = 5 };
	double us[ROUNDS], t, before = 0;
	struct loop *loop = loop_new();
	struct mapkit kit;
	struct dp_services *s = NULL;
	struct dp_conf conf = { .maglev_table_size = 16381 };

	printf("%u services with %u backends each\n", services, nr);
	for (int i = 0; i < ROUNDS; i++) {
		if (s) {
			services_free(s);
			mapkit_fini(&kit);
		}
		if (mapkit_init(&kit, services * 2, services * nr * 2,
			services * 300 * ((nr + 9) / 10)) < 0) {
			printf("  no maps can be made here\n");
			loop_free(loop);
			return;
		}
		before = heap_mb();
		s = services_new(loop, NULL, NULL);
		services_conf(s, &conf);
		if (services_maps_set(s, &kit.m, false) < 0)
			printf("  no memory\n");
		t = now_us();
		if (set_all(s, services, nr, b) < 0)
			printf("  setting failed\n");
		us[i] = now_us() - t;
	}
	printf("  from empty                     %8.1f ms\n", median(us, ROUNDS) / 1e3);
	printf("  the daemon's memory            %8.1f MB\n", heap_mb() - before);
	tables(s);
	t = now_us();
	set_all(s, services, nr, b);
	printf("  the same again                 %8.1f ms\n", (now_us() - t) / 1e3);
	change(s, services, nr, b);
	set_all(s, services, nr, b);
	sliced(s, &kit, loop);
	t = now_us();
	services_audit(s);
	printf("  an audit                       %8.1f ms\n", (now_us() - t) / 1e3);
	services_free(s);

	s = services_new(loop, NULL, NULL);
	services_conf(s, &conf);
	t = now_us();
	if (services_maps_set(s, &kit.m, true) < 0)
		printf("  adopting failed\n");
	printf("  adopting                       %8.1f ms\n", (now_us() - t) / 1e3);
	t = now_us();
	set_all(s, services, nr, b);
	printf("  setting what was adopted       %8.1f ms\n", (now_us() - t) / 1e3);
	services_free(s);
	mapkit_fini(&kit);
	loop_free(loop);
}

/* Evenness, and what moves needlessly when one of @nr goes. */
static void
quality(uint32_t nr, uint32_t rounds)
{
	static uint16_t full[LB_SLOTS_MAX], less[LB_SLOTS_MAX];
	static struct maglev_backend b[2048], c[2048];
	static uint64_t work[3 * 2048];
	uint32_t size = maglev_size(nr, LB_SLOTS_MAX), most = 0;
	double us = 0, moved = 0;

	for (uint32_t r = 0; r < rounds; r++) {
		uint32_t gone = (r * 7 + 3) % nr, count[2048] = { 0 };
		double t;

		for (uint32_t i = 0; i < nr; i++) {
			struct addr a = { .family = ADDR_V4,
				.b = { 10, (uint8_t)r, (uint8_t)(i >> 8), (uint8_t)i } };

			b[i] = (struct maglev_backend){ maglev_key(&a, 8080, IPPROTO_TCP), 1 };
		}
		t = now_us();
		maglev_fill(full, size, b, nr, work);
		us += now_us() - t;
		memcpy(c, b, sizeof(c));
		memmove(c + gone, c + gone + 1, (nr - gone - 1) * sizeof(*c));
		maglev_fill(less, size, c, nr - 1, work);
		for (uint32_t i = 0; i < size; i++) {
			if (++count[full[i]] > most)
				most = count[full[i]];
			moved += full[i] != gone && b[full[i]].key != c[less[i]].key;
		}
	}
	printf("%5u backends, %6u slots: %8.1f us, max/avg %.4f, needless moves %.2f %%\n", nr,
	    size, us / rounds, (double)most * nr / size, 100.0 * moved / rounds / size);
}

int
main(int argc, char **argv)
{
	uint32_t services = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 10000;
	uint32_t nr = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 10;
	struct dp_backend *b;

	if (!services || services > 100000 || !nr || nr > 1000) {
		fprintf(stderr, "usage: datapath_services [services [backends]]\n");
		return 2;
	}
	log_setup(LOG_LVL_ERROR, LOG_FMT_LOGFMT);
	b = calloc(nr, sizeof(*b));
	if (!b)
		return 1;
	writer(services, nr, b);
	for (uint32_t n = 5; n <= 1280; n *= 2)
		quality(n, n > 200 ? 10 : 100);
	free(b);
	return 0;
}
