/*
 * tests/bench/datapath/floor.c: puts the floor's programs (floor.bpf.c) into the kernel and fills
 * their maps: N services of ten backends, of which the last four are the ones that answer, behind
 * 10.127.0.1.  Tells what that took, as JSON.
 *
 *     floor load --object floor.bpf.o --pin DIR [--services 1000] [--flows 2097152]
 *     floor fill --pin DIR --services 1000 --target 10.90.1.2:0 [--device l0] [--snat 10.90.2.1:0]
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/bench/datapath/kit.h"
#include "tests/bench/datapath/layout.h"

#define REMOVALS 31
enum { BACKENDS = 10, LIVE = 4, TCP = 6, UDP = 17 };

struct floor {
	const char *object, *pin, *device;
	uint32_t services, slots, flows;
	struct endpoint target, snat;
};

struct tables {
	struct svc_key *keys;
	struct svc_val *values;
	struct backend *backends;
	uint32_t *backend_ids, *slots, *slot_ids, *service_ids;
};

/* ---- load ---- */

static void
size_maps(const struct floor *f, struct bpf_object *o)
{
	struct bpf_map *m;
	const char *name;
	uint32_t *value;
	size_t size;

	bpf_object__for_each_map(m, o)
	{
		name = bpf_map__name(m);
		if (!strcmp(name, "maglev"))
			bpf_map__set_max_entries(m, f->services * f->slots);
		else if (!strcmp(name, "svcinfo"))
			bpf_map__set_max_entries(m, f->services);
		else if (!strcmp(name, "svcs"))
			bpf_map__set_max_entries(m, f->services + f->services / 2 + 16);
		else if (!strcmp(name, "backends") || !strcmp(name, "nexthops"))
			bpf_map__set_max_entries(m, f->services * BACKENDS + 16);
		else if (!strcmp(name, "ct"))
			bpf_map__set_max_entries(m, f->flows);
		else if (strstr(name, ".rodata")) {
			value = (uint32_t *)(uintptr_t)bpf_map__initial_value(m, &size);
			*value = f->slots;
		}
	}
}

static void
load(const struct floor *f)
{
	struct bpf_object *o = object_of(f->object);
	long tables = 0, flows = 0, bytes;
	double t0 = now();
	struct bpf_program *p;
	struct bpf_map *m;
	char path[256];
	bool flow;

	size_maps(f, o);
	if (bpf_object__load(o) < 0)
		fail("%s: the kernel does not take it", f->object);
	(void)mkdir(f->pin, 0700);
	bpf_object__for_each_program(p, o)
	{
		snprintf(path, sizeof(path), "%s/%s", f->pin, bpf_program__name(p));
		(void)unlink(path);
		if (bpf_program__pin(p, path) < 0)
			fail("%s cannot be pinned", path);
	}
	bpf_object__for_each_map(m, o)
	{
		if (bpf_map__is_internal(m))
			continue;
		snprintf(path, sizeof(path), "%s/map_%s", f->pin, bpf_map__name(m));
		(void)unlink(path);
		if (bpf_map__pin(m, path) < 0)
			fail("%s cannot be pinned", path);
		bytes = memory_of(bpf_map__fd(m));
		flow = !strcmp(bpf_map__name(m), "ct") || !strcmp(bpf_map__name(m), "ways");
		*(flow ? &flows : &tables) += bytes;
	}
	printf("{\"load_s\": %.3f, \"tables_mb\": %.1f, \"flows_mb\": %.1f}\n", now() - t0,
	    (double)tables / 1e6, (double)flows / 1e6);
}

/* ---- fill ---- */

static void
service(const struct floor *f, struct tables *t, uint32_t i)
{
	static const struct {
		uint16_t port;
		uint8_t proto;
	} live[LIVE] = { { 80, TCP }, { 5201, TCP }, { 9000, UDP }, { 9000, TCP } };
	bool answers = i + LIVE >= f->services;
	struct backend *b;

	t->keys[i] = (struct svc_key){ htonl(0x0a600000 + i), htons(80), TCP, 0 };
	t->values[i] = (struct svc_val){ i, BACKENDS };
	if (answers)
		t->keys[i] = (struct svc_key){ inet_addr("10.127.0.1"),
			htons(live[i + LIVE - f->services].port),
			live[i + LIVE - f->services].proto, 0 };
	for (uint32_t j = i * BACKENDS; j < (i + 1) * BACKENDS; j++) {
		b = &t->backends[j];
		t->backend_ids[j] = j;
		*b = (struct backend){ .ip = htonl(0x0ac80000 + j), .port = htons(8080) };
		if (!answers)
			continue;
		memcpy(&b->ip, f->target.addr, 4);
		memcpy(&b->snat_ip, f->snat.addr, 4);
		b->port = t->keys[i].port;
		b->flags = f->snat.family ? BACKEND_SNAT : BACKEND_LOCAL;
		b->ifindex = ifindex_of(f->device);
	}
	maglev_u32(
	    t->slots + (size_t)i * f->slots, f->slots, &t->backend_ids[i * BACKENDS], BACKENDS);
}

static void
write_all(const struct floor *f, const char *map, const void *keys, const void *values, uint32_t n)
{
	LIBBPF_OPTS(bpf_map_batch_opts, o);
	int fd = pinned(f->pin, map);

	if (bpf_map_update_batch(fd, keys, values, &n, &o) < 0)
		fail("%s: batch update", map);
	close(fd);
}

/* One backend of one service goes: another table, and only the slots that changed are written. */
static double
removal(const struct floor *f, const struct tables *t, int fd, uint32_t i)
{
	uint32_t ids[BACKENDS], *changed = space(f->slots, 4), *value = space(f->slots, 4), c = 0;
	uint32_t *table = space(f->slots, 4), *before = t->slots + (size_t)i * f->slots;
	LIBBPF_OPTS(bpf_map_batch_opts, o);
	double t0 = now(), took;

	memcpy(ids, &t->backend_ids[i * BACKENDS], sizeof(ids));
	maglev_u32(table, f->slots, ids, BACKENDS - 1);
	for (uint32_t k = 0; k < f->slots; k++)
		if (table[k] != before[k]) {
			changed[c] = i * f->slots + k;
			value[c++] = table[k];
		}
	if (bpf_map_update_batch(fd, changed, value, &c, &o) < 0)
		fail("maglev: batch update");
	took = now() - t0;
	for (uint32_t k = 0; k < c; k++)
		value[k] = t->slots[changed[k]];
	if (bpf_map_update_batch(fd, changed, value, &c, &o) < 0)
		fail("maglev: batch update");
	free(changed);
	free(value);
	free(table);
	return took * 1e6;
}

static void
fill(const struct floor *f)
{
	uint32_t n = f->services;
	struct tables t = { space(n, sizeof(*t.keys)), space(n, sizeof(*t.values)),
		space(n * BACKENDS, sizeof(*t.backends)), space(n * BACKENDS, 4),
		space((size_t)n * f->slots, 4), space((size_t)n * f->slots, 4), space(n, 4) };
	double t0 = now(), t1, took[REMOVALS], mid;
	int fd;

	for (uint32_t i = 0; i < n; i++) {
		t.service_ids[i] = i;
		service(f, &t, i);
	}
	for (uint32_t i = 0; i < n * f->slots; i++)
		t.slot_ids[i] = i;
	write_all(f, "map_backends", t.backend_ids, t.backends, n * BACKENDS);
	write_all(f, "map_maglev", t.slot_ids, t.slots, n * f->slots);
	write_all(f, "map_svcs", t.keys, t.values, n);
	write_all(f, "map_svcinfo", t.service_ids, t.keys, n);
	t1 = now();
	fd = pinned(f->pin, "map_maglev");
	for (uint32_t i = 0; i < REMOVALS; i++)
		took[i] = removal(f, &t, fd, i * 7 % n);
	mid = median(took, REMOVALS);
	printf("{\"fill_s\": %.3f, \"change_us\": %.1f, \"change_min_us\": %.1f}\n", t1 - t0, mid,
	    took[0]);
}

/* ---- maglev ---- */

int
main(int argc, char **argv)
{
	struct floor f = {
		.object = "floor.bpf.o", .services = 1000, .slots = 1021, .flows = 2097152
	};
	const struct option_row rows[] = { { "object", OPT_TEXT, &f.object },
		{ "pin", OPT_TEXT, &f.pin }, { "device", OPT_TEXT, &f.device },
		{ "services", OPT_NUMBER, &f.services }, { "slots", OPT_NUMBER, &f.slots },
		{ "flows", OPT_NUMBER, &f.flows }, { "target", OPT_ENDPOINT, &f.target },
		{ "snat", OPT_ENDPOINT, &f.snat }, { 0 } };
	const char *command = argc > 1 ? argv[1] : "";

	options(argc, argv, rows);
	if (!f.pin || f.services < LIVE)
		fail("needs --pin, and at least %d services", LIVE);
	else if (!strcmp(command, "load"))
		load(&f);
	else if (!strcmp(command, "fill"))
		fill(&f);
	else
		fail("floor load or fill");
	return 0;
}
