/*
 * tests/bench/datapath/gen.c: live frames (BPF_F_TEST_XDP_LIVE_FRAMES), one core, as if they came in
 * by a device: to an XDP program, or up the stack and to what stands in tc.  Told is what arrives at
 * the sink (floor.bpf.c) behind it.
 *
 *     gen --harness harness.bpf.o --dev n0 [--program PIN] --sink PIN --sink-index 0
 *         --from MAC --to MAC --dst 10.127.0.1:9000 [--tcp] [--new | --flows 1024] [--seconds 1]
 *
 * A line of JSON.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/datapath/kit.h"
#include "tests/bench/datapath/layout.h"

#ifndef BPF_F_TEST_XDP_LIVE_FRAMES
#define BPF_F_TEST_XDP_LIVE_FRAMES (1U << 1)
#endif
#define FRAME_LEN 60
#define SLICES 4
#define CPUS_MAX 256
enum { TCP = 6, UDP = 17 };

struct gen {
	int program, sink, own;
	uint32_t cpu, ifindex, sink_index;
	uint8_t frame[TPL_MAX];
	atomic_bool stop;
};

static void
nothing(int number)
{
	(void)number;
}

/* Each call ends in RCU waits, so it is a long one; a signal cuts it short. */
static void *
inject(void *arg)
{
	struct gen *g = arg;
	struct xdp_md md = { .data_end = FRAME_LEN, .ingress_ifindex = g->ifindex };

	pin_cpu(g->cpu);
	while (!g->stop) {
		LIBBPF_OPTS(bpf_test_run_opts, o, .repeat = 1 << 20,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = 256, .data_in = g->frame,
		    .data_size_in = FRAME_LEN, .ctx_in = &md, .ctx_size_in = sizeof(md));

		if (bpf_prog_test_run_opts(g->program, &o) < 0 && !(errno == EINTR && g->stop))
			fail("live frames");
	}
	return NULL;
}

static double
arrived(const struct gen *g)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t each[CPUS_MAX] = { 0 }, sum = 0;

	if (cpus > CPUS_MAX || bpf_map_lookup_elem(g->sink, &g->sink_index, each) < 0)
		fail("the sink's counter");
	for (int i = 0; i < cpus; i++)
		sum += each[i];
	return (double)sum;
}

static double
sent(const struct gen *g)
{
	struct progress p = { 0 };
	const uint32_t zero = 0;

	if (bpf_map_lookup_elem(g->own, &zero, &p) < 0)
		fail("the generator's counter");
	return p.uniq;
}

static uint32_t
sum_words(const uint8_t *p, int from, int to, uint32_t s)
{
	for (int i = from; i < to; i += 2)
		s += (uint32_t)(p[i] << 8 | p[i + 1]);
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

static struct gencfg
frame_of(const char *from, const char *to, const struct endpoint *dst, bool tcp)
{
	struct gencfg c = { 0 };
	uint8_t *d = c.data;

	mac_of(to, d);
	mac_of(from, d + 6);
	d[12] = 8;
	d[14] = 0x45;
	d[17] = FRAME_LEN - 14;
	d[22] = 64;
	d[23] = tcp ? TCP : UDP;
	d[26] = 10; /* 10.91.x.x: the sources that the client's side is the way to */
	d[27] = 91;
	memcpy(d + 30, dst->addr, 4);
	d[36] = (uint8_t)(dst->port >> 8);
	d[37] = (uint8_t)dst->port;
	c.ipsum = sum_words(d, 14, 34, 0);
	if (tcp) { /* a SYN with a true checksum */
		d[41] = 1;
		d[46] = 0x50;
		d[47] = 2;
		d[48] = 0xff;
		c.l4sum = sum_words(d, 26, FRAME_LEN, TCP + FRAME_LEN - 34);
		c.off_l4sum = 50;
	} else { /* UDP without one */
		d[39] = FRAME_LEN - 34;
	}
	return c;
}

static void
run(struct gen *g, double seconds, bool new)
{
	double slices[SLICES], t0, t1, r0, r1, first_t, first_r, first_s, s1;
	struct sigaction act = { .sa_handler = nothing }; /* no SA_RESTART */
	pthread_t thread;

	sigaction(SIGUSR1, &act, NULL);
	if (pthread_create(&thread, NULL, inject, g) != 0)
		fail("no thread");
	usleep(new ? 100000 : 500000);
	first_t = t0 = now();
	first_r = r0 = arrived(g);
	first_s = sent(g);
	for (int i = 0; i < SLICES; i++) {
		usleep((useconds_t)(seconds * 1e6 / SLICES));
		t1 = now();
		r1 = arrived(g);
		slices[i] = (r1 - r0) / (t1 - t0);
		t0 = t1;
		r0 = r1;
	}
	s1 = sent(g);
	g->stop = true;
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
	(void)median(slices, SLICES);
	printf("{\"offered\": %.0f, \"delivered\": %.0f, \"best\": %.0f}\n",
	    (s1 - first_s) / (t0 - first_t), (r0 - first_r) / (t0 - first_t), slices[SLICES - 1]);
}

static bool
load(struct gen *g, const char *harness, const struct gencfg *c, int program, int flavour)
{
	struct bpf_object *o = object_of(harness);
	const uint32_t zero = 0;

	only_programs(o, "xdp_inject", NULL);
	give_flavour(o, false, flavour);
	if (bpf_object__load(o) < 0)
		goto not_this;
	scatter(o);
	if (bpf_map_update_elem(bpf_object__find_map_fd_by_name(o, "frame"), &zero, c, 0) < 0)
		fail("the frame");
	g->own = bpf_object__find_map_fd_by_name(o, ".bss");
	g->program = bpf_program__fd(bpf_object__find_program_by_name(o, "xdp_inject"));
	if (program < 0 ||
	    bpf_map_update_elem(
		bpf_object__find_map_fd_by_name(o, "jmp_xdp"), &zero, &program, 0) == 0)
		return true;
not_this:
	bpf_object__close(o);
	return false;
}

int
main(int argc, char **argv)
{
	const char *harness = "harness.bpf.o", *dev = NULL, *program = NULL, *sink = NULL;
	const char *from = NULL, *to = NULL;
	struct endpoint dst = { 0 };
	struct gen g = { 0 };
	struct gencfg c;
	uint32_t flows = 1024;
	double seconds = 1;
	bool new = false, tcp = false;
	int fd, flavour;
	const struct option_row rows[] = { { "harness", OPT_TEXT, &harness },
		{ "dev", OPT_TEXT, &dev }, { "program", OPT_TEXT, &program },
		{ "sink", OPT_TEXT, &sink }, { "sink-index", OPT_NUMBER, &g.sink_index },
		{ "from", OPT_TEXT, &from }, { "to", OPT_TEXT, &to }, { "dst", OPT_ENDPOINT, &dst },
		{ "tcp", OPT_SWITCH, &tcp }, { "new", OPT_SWITCH, &new },
		{ "flows", OPT_NUMBER, &flows }, { "seconds", OPT_SECONDS, &seconds },
		{ "cpu", OPT_NUMBER, &g.cpu }, { 0 } };

	options(argc, argv, rows);
	if (!dev || !sink || !from || !to || !dst.family)
		fail("needs --dev, --sink, --from, --to and --dst");
	c = frame_of(from, to, &dst, tcp);
	c.flow_mask = new ? EACH_NEW : flows - 1;
	memcpy(g.frame, c.data, TPL_MAX);
	fd = program ? pinned(program, NULL) : -1;
	for (flavour = 0; flavour < FLAVOURS && !load(&g, harness, &c, fd, flavour); flavour++)
		;
	if (flavour == FLAVOURS)
		fail("the generator cannot hand over to %s", program ? program : "the stack");
	g.sink = pinned(sink, NULL);
	g.ifindex = ifindex_of(dev);
	pin_cpu(g.cpu);
	run(&g, seconds, new);
	return 0;
}
