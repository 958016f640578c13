/*
 * tests/unit/datapath/servbed.h: a writer of services on maps of the kernel, its clock a fake one,
 * beside the model that says what they should hold.  What each program of tests of it begins with.
 */
#ifndef HERALD_TESTS_SERVBED_H
#define HERALD_TESTS_SERVBED_H

#include <bpf/libbpf.h>
#include <errno.h>

#include "datapath/services.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "tests/unit/datapath/servmodel.h"
#include "tests/unit/unit.h"

#define FE 64
#define BE 256
#define WORDS 65536

static struct mapkit kit;
static struct loop *loop;
static struct dp_services *s;
static struct model md;
static struct dp_sizes asked;
static unsigned grows, locals, gones;

static inline void
grow(void *arg, const struct dp_sizes *sizes)
{
	(void)arg;
	asked = *sizes;
	grows++;
}

static inline void
on_local(void *arg)
{
	(void)arg;
	locals++;
}

static inline void
on_gone(void *arg, const struct lb_be_row *row, uint32_t at)
{
	(void)arg;
	ck_assert_uint_eq(row->proto, IPPROTO_UDP);
	ck_assert(services_is_dying_be(s, at));
	gones++;
}

static inline void
quiet(void *arg, const char *line)
{
	(void)arg;
	(void)line;
}

static inline void
writer_new(void)
{
	struct dp_conf conf = { .maglev_table_size = md.table_size };

	s = services_new(loop, grow, NULL);
	ck_assert_ptr_nonnull(s);
	services_on_local(s, on_local, NULL);
	services_on_gone(s, on_gone, NULL);
	s->slice_ns = UINT64_MAX / 2; /* all at once, however slow the machine is */
	services_conf(s, &conf);
}

static inline void
setup(void)
{
	log_sink(quiet, NULL);
	loop = loop_new_fake();
	memset(&md, 0, sizeof(md));
	md.table_size = 509;
	for (size_t i = 0; i < MODEL_SERVICES; i++)
		snprintf(md.service[i].name, sizeof(md.service[i].name), "ns/s%02zu", i);
	grows = locals = gones = 0;
	ck_assert_int_eq(mapkit_init(&kit, FE, BE, WORDS), 0);
	writer_new();
	ck_assert_int_eq(services_maps_set(s, &kit.m, false), 0);
}

static inline void
teardown(void)
{
	mem_fail_at(0);
	services_free(s);
	mapkit_fini(&kit);
	loop_free(loop);
}

static inline void
is_so(int line)
{
	const char *err = model_differs(&md, &kit.m);

	ck_assert_msg(!err, "line %d: %s", line, err ? err : "");
}
#define IS_SO() is_so(__LINE__)

static inline void
put(unsigned i)
{
	struct model_service *svc = &md.service[i];

	svc->there = true;
	ck_assert_int_eq(services_set(s, svc->name, svc->fe, svc->nr), 0);
}

static inline void
take(unsigned i)
{
	md.service[i].there = false;
	services_del(s, md.service[i].name);
}

/* Service @i: one frontend at VIP @vip with backends 1 to @nr. */
static inline struct dp_frontend *
plain(unsigned i, unsigned vip, size_t nr)
{
	struct model_service *svc = &md.service[i];

	svc->nr = 1;
	svc->fe[0] = (struct dp_frontend){ .ip = model_vip(vip),
		.port = 80,
		.proto = IPPROTO_TCP,
		.type = DP_LOAD_BALANCER,
		.port_name = "",
		.backends = svc->b[0],
		.nr_backends = nr };
	for (size_t k = 0; k < nr; k++)
		svc->b[0][k] =
		    (struct dp_backend){ .ip = model_backend((unsigned)k + 1, vip % 4 == 3),
			    .port = 8080,
			    .external = true,
			    .internal = true,
			    .node = "" };
	return &svc->fe[0];
}

/* All that is dying, gone: a sweep found no flow. */
static inline void
sweep(void)
{
	services_dying_begin(s);
	services_dying_end(s);
}

static inline void
restart(void)
{
	services_free(s);
	writer_new();
}

static inline TCase *
bed_case(const char *name)
{
	TCase *tc = tcase_create(name);

	unit_not_under_valgrind();
	if (mapkit_init(&kit, FE, BE, WORDS) < 0)
		unit_skip("no right to make BPF maps");
	mapkit_fini(&kit);
	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	return tc;
}

#endif
