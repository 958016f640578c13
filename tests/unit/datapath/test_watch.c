/*
 * tests/unit/datapath/test_watch.c: records through a ring of the kernel's, written by a program of
 * a few instructions, to watches with and without filters; and what the programs are told of them.
 * Skipped without the rights.
 */
#include "datapath/core.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <time.h>
#include <unistd.h>

#define OBSERVE (LB_CONF_OBSERVE_NEW | LB_CONF_OBSERVE_DROP)

static struct loop *loop;
static struct dp_services *services;
static struct dp_watches *watches;
static struct dp_maps maps;
static struct lb_conf conf;
static int writer = -1;
static uint32_t web, dns; /* numbers of Services */

static void
quiet(void *arg, const char *line)
{
	(void)arg;
	(void)line;
}

#define WORDS (sizeof(struct lb_event) / 8)
_Static_assert(sizeof(struct lb_event) % 8 == 0, "copied by words");

/* A program that puts what it is run with into the ring, by way of its stack. */
static int
writer_make(int ring)
{
	const struct bpf_insn end[] = {
		{ .code = BPF_LD | BPF_IMM | BPF_DW,
		    .dst_reg = 1,
		    .src_reg = BPF_PSEUDO_MAP_FD,
		    .imm = ring },
		{ 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 2, .src_reg = 10 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 2, .imm = -8 * (int)WORDS },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = 8 * (int)WORDS },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 4 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_ringbuf_output },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	struct bpf_insn insns[2 * WORDS + sizeof(end) / sizeof(end[0])];
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .prog_flags = BPF_F_SLEEPABLE);

	for (int i = 0; i < (int)WORDS; i++) {
		insns[2 * i] = (struct bpf_insn){
			.code = BPF_LDX | BPF_MEM | BPF_DW, .src_reg = 1, .off = (int16_t)(8 * i)
		};
		insns[2 * i + 1] = (struct bpf_insn){ .code = BPF_STX | BPF_MEM | BPF_DW,
			.dst_reg = 10,
			.off = (int16_t)(8 * (i - (int)WORDS)) };
	}
	memcpy(&insns[2 * WORDS], end, sizeof(end));
	return bpf_prog_load(
	    BPF_PROG_TYPE_SYSCALL, "writer", "GPL", insns, sizeof(insns) / sizeof(insns[0]), &opts);
}

static uint32_t
service_make(const char *name, const char *text)
{
	struct dp_frontend f = { .port = 80, .proto = IPPROTO_TCP, .port_name = "" };

	ck_assert_int_eq(addr_parse(text, &f.ip), 0);
	ck_assert_int_eq(services_set(services, name, &f, 1), 0);
	return services_number(services, name);
}

static void
setup(void)
{
	log_sink(quiet, NULL);
	memset(&maps, 0, sizeof(maps));
	memset(&conf, 0, sizeof(conf));
	for (int i = 0; i < DP_NR_MAPS; i++)
		maps.fd[i] = -1;
	maps.conf = &conf;
	conf.flags = LB_CONF_ECHO | LB_CONF_OBSERVE_DROP; /* of one that was killed */
	maps.fd[DP_MAP_EVENTS] = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "events", 0, 0, 262144, NULL);
	writer = writer_make(maps.fd[DP_MAP_EVENTS]);
	ck_assert_int_ge(writer, 0);
	loop = loop_new();
	services = services_new(loop, NULL, NULL);
	web = service_make("default/web", "203.0.113.1");
	dns = service_make("kube-system/dns", "203.0.113.2");
	ck_assert_uint_ne(web, 0);
	ck_assert_uint_ne(web, dns);
	watches = watches_new(loop, services);
	ck_assert_int_eq(watches_maps_set(watches, &maps), 0);
}

static void
teardown(void)
{
	watches_free(watches);
	services_free(services);
	loop_free(loop);
	close(writer);
	close(maps.fd[DP_MAP_EVENTS]);
}

static struct lb_event
event(uint32_t service, const char *client)
{
	struct timespec ts;
	struct lb_event e = { .family = 4, .proto = IPPROTO_TCP, .service = service };
	struct addr a;

	ck_assert_int_eq(addr_parse(client, &a), 0);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	e.ns = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
	e.client = lb_addr_of(&a);
	e.family = lb_family(&a);
	return e;
}

static void
tell(const struct lb_event *e)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = e, .ctx_size_in = sizeof(*e));

	ck_assert_int_eq(bpf_prog_test_run_opts(writer, &opts), 0);
	ck_assert_uint_eq(opts.retval, 0);
}

static void
turns(void)
{
	for (int i = 0; i < 10; i++)
		loop_turn(loop, 1);
}

struct heard {
	int nr;
	struct lb_event last;
	char service[64];
	struct dp_watch *drop; /* in the callback */
};

static void
on_event(void *arg, const struct lb_event *e, const char *service)
{
	struct heard *h = arg;

	h->nr++;
	h->last = *e;
	snprintf(h->service, sizeof(h->service), "%s", service);
	watches_drop(h->drop);
	h->drop = NULL;
}

START_TEST(programs_tell_only_while_somebody_listens)
{
	struct heard a = { 0 }, b = { 0 };
	struct lb_event e = event(web, "192.0.2.1");
	struct dp_watch *wa, *wb;

	ck_assert_uint_eq(conf.flags, LB_CONF_ECHO);
	wa = watches_add(watches, NULL, NULL, on_event, &a);
	ck_assert_ptr_nonnull(wa);
	ck_assert_uint_eq(conf.flags, LB_CONF_ECHO | OBSERVE);
	wb = watches_add(watches, NULL, NULL, on_event, &b);
	e = event(web, "192.0.2.1");
	e.why = LB_NO_LOCAL;
	tell(&e);
	turns();
	ck_assert_int_eq(a.nr, 1);
	ck_assert_int_eq(b.nr, 1);
	ck_assert_int_eq(memcmp(&a.last, &e, sizeof(e)), 0);
	ck_assert_str_eq(a.service, "default/web");
	watches_drop(wa);
	ck_assert_uint_eq(conf.flags, LB_CONF_ECHO | OBSERVE);
	watches_drop(wb);
	ck_assert_uint_eq(conf.flags, LB_CONF_ECHO);
	turns();
	/* What was written for others, before, is not ours. */
	tell(&e);
	wa = watches_add(watches, NULL, NULL, on_event, &a);
	turns();
	ck_assert_int_eq(a.nr, 1);
	e = event(0, "192.0.2.1");
	tell(&e);
	turns();
	ck_assert_int_eq(a.nr, 2);
	ck_assert_str_eq(a.service, "");
	watches_drop(wa);
	watches_drop(NULL);
}
END_TEST

START_TEST(one_filter_is_the_programs)
{
	struct heard h = { 0 };
	struct addr a4, a6;
	struct lb_addr none = { { 0 } }, want;
	struct dp_watch *one, *two;

	ck_assert_int_eq(addr_parse("192.0.2.1", &a4), 0);
	ck_assert_int_eq(addr_parse("2001:db8::1", &a6), 0);
	one = watches_add(watches, "default/web", &a4, on_event, &h);
	want = lb_addr_of(&a4);
	ck_assert_int_eq(memcmp(&conf.observe, &want, sizeof(want)), 0);
	ck_assert_uint_eq(conf.observe_service, web);
	two = watches_add(watches, "kube-system/dns", &a6, on_event, &h);
	ck_assert_int_eq(memcmp(&conf.observe, &none, sizeof(none)), 0);
	ck_assert_uint_eq(conf.observe_service, 0);
	watches_drop(one);
	want = lb_addr_of(&a6);
	ck_assert_int_eq(memcmp(&conf.observe, &want, sizeof(want)), 0);
	ck_assert_uint_eq(conf.observe_service, dns);
	watches_drop(two);
	ck_assert_int_eq(memcmp(&conf.observe, &none, sizeof(none)), 0);
	ck_assert_uint_eq(conf.observe_service, 0);
	/* A Service that comes later. */
	one = watches_add(watches, "default/late", NULL, on_event, &h);
	ck_assert_uint_eq(conf.observe_service, 0);
	service_make("default/late", "203.0.113.3");
	watches_services_changed(watches);
	ck_assert_uint_eq(conf.observe_service, services_number(services, "default/late"));
	watches_drop(one);
}
END_TEST

START_TEST(several_are_told_apart)
{
	struct heard by_web = { 0 }, by_addr = { 0 }, by_v6 = { 0 }, all = { 0 };
	struct dp_watch *w[4];
	struct addr a, v6;
	struct lb_event e;

	ck_assert_int_eq(addr_parse("192.0.2.1", &a), 0);
	ck_assert_int_eq(addr_parse("c000:201::", &v6), 0);
	w[0] = watches_add(watches, "default/web", NULL, on_event, &by_web);
	w[1] = watches_add(watches, NULL, &a, on_event, &by_addr);
	w[2] = watches_add(watches, NULL, &v6, on_event, &by_v6);
	w[3] = watches_add(watches, NULL, NULL, on_event, &all);
	e = event(web, "192.0.2.9");
	tell(&e);
	e = event(dns, "192.0.2.1");
	tell(&e);
	e.vip = e.client;
	e.client = (struct lb_addr){ { 0 } };
	tell(&e);
	e.backend = e.vip;
	e.vip = (struct lb_addr){ { 0 } };
	tell(&e);
	turns();
	ck_assert_int_eq(by_web.nr, 1);
	ck_assert_int_eq(by_addr.nr, 3);
	ck_assert_int_eq(by_v6.nr, 0);
	ck_assert_int_eq(all.nr, 4);
	for (int i = 0; i < 4; i++)
		watches_drop(w[i]);
}
END_TEST

/* A callback may free its own watch, another, and the last one. */
START_TEST(watches_go_in_callbacks)
{
	struct heard a = { 0 }, b = { 0 };
	struct lb_event e;

	a.drop = watches_add(watches, NULL, NULL, on_event, &b);
	b.drop = watches_add(watches, NULL, NULL, on_event, &a);
	/* The later one is told first: it frees the other, which is told nothing more. */
	e = event(web, "192.0.2.9");
	for (int i = 0; i < 5; i++)
		tell(&e);
	turns();
	ck_assert_int_eq(a.nr, 5);
	ck_assert_int_eq(b.nr, 0);
	a.drop = b.drop; /* itself */
	tell(&e);
	tell(&e);
	turns();
	ck_assert_int_eq(a.nr, 6);
	ck_assert_uint_eq(conf.flags, LB_CONF_ECHO);
}
END_TEST

/* More than one slice, and more than the ring holds: nothing is told twice. */
START_TEST(a_flood_is_read_in_slices)
{
	struct heard h = { 0 };
	struct dp_watch *w = watches_add(watches, NULL, NULL, on_event, &h);
	struct lb_event e = event(web, "192.0.2.9");

	for (int i = 0; i < 1200; i++)
		tell(&e);
	loop_turn(loop, 1);
	ck_assert_int_le(h.nr, 1024);
	turns();
	ck_assert_int_eq(h.nr, 1200);
	watches_drop(w);
}
END_TEST

START_TEST(maps_may_be_exchanged)
{
	struct heard h = { 0 };
	struct dp_watch *w = watches_add(watches, NULL, NULL, on_event, &h), *orphan;
	struct lb_event e = event(web, "192.0.2.9");
	int events = maps.fd[DP_MAP_EVENTS];

	ck_assert_int_eq(watches_maps_set(watches, NULL), 0);
	ck_assert_ptr_null(watches_add(watches, NULL, NULL, on_event, &h));
	tell(&e);
	turns();
	ck_assert_int_eq(h.nr, 0);
	conf.flags = 0;
	ck_assert_int_eq(watches_maps_set(watches, &maps), 0);
	ck_assert_uint_eq(conf.flags, OBSERVE);
	turns();
	ck_assert_int_eq(h.nr, 1);
	maps.fd[DP_MAP_EVENTS] = -1;
	ck_assert_int_ne(watches_maps_set(watches, &maps), 0);
	ck_assert_uint_eq(conf.flags, 0);
	maps.fd[DP_MAP_EVENTS] = events;
	watches_drop(w);
	ck_assert_int_eq(watches_maps_set(watches, &maps), 0);
	orphan = watches_add(watches, "default/web", NULL, on_event, &h);
	watches_free(watches);
	ck_assert_uint_eq(conf.flags, 0);
	watches_drop(orphan);
	watches = watches_new(loop, services);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("watch");
	int ring = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "try", 0, 0, 4096, NULL), prog;

	prog = ring < 0 ? -1 : writer_make(ring);
	if (ring >= 0)
		close(ring);
	if (prog < 0)
		unit_skip("no right to make a ring and a program that writes to it");
	close(prog);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, programs_tell_only_while_somebody_listens);
	tcase_add_test(tc, one_filter_is_the_programs);
	tcase_add_test(tc, several_are_told_apart);
	tcase_add_test(tc, watches_go_in_callbacks);
	tcase_add_test(tc, a_flood_is_read_in_slices);
	tcase_add_test(tc, maps_may_be_exchanged);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("watch", add_tests)
