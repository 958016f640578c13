/*
 * tests/bench/datapath/testrun.c: nanoseconds a packet of one XDP or tc program, by
 * BPF_PROG_TEST_RUN through the harness (harness.bpf.c), whose own time is taken off.
 *
 *     testrun --pin PROGRAM --harness harness.bpf.o [--dev n0] --vip 10.127.0.1:80
 *             [--udp-vip 10.127.0.1:9000] [--vip6 [fd7f::1]:80] [--backend 10.90.1.2:80]
 *             [--only tcp-est,pass] [--rounds 9] [--repeat 400000]
 *
 * A line of JSON for each kind of packet.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/bench/datapath/kit.h"
#include "tests/bench/datapath/layout.h"

#define FRAME_LEN 86 /* holds every kind of header */
#define ROUNDS_MAX 63
enum { ICMP = 1, TCP = 6, UDP = 17, ICMP6 = 58, SYN = 0x02, ACK = 0x10 };

struct bench {
	int harness, nop, jump, templates, program;
	bool tc;
	uint32_t ifindex, repeat, rounds;
	uint8_t mac[6]; /* of the device: a frame to another is no business of tc programs */
	const char *only, *label;
	struct endpoint vip, udp_vip, vip6, backend, backend6, client, client6, other;
};

static bool
load_harness(struct bench *b, const char *path, int flavour)
{
	const char *want = b->tc ? "harness_tc" : "harness_xdp",
		   *nop = b->tc ? "nop_tc" : "nop_xdp";
	const uint32_t second = 1;
	struct bpf_object *o = object_of(path);

	only_programs(o, want, nop);
	give_flavour(o, b->tc, flavour);
	if (bpf_object__load(o) < 0)
		goto not_this;
	scatter(o);
	b->harness = bpf_program__fd(bpf_object__find_program_by_name(o, want));
	b->nop = bpf_program__fd(bpf_object__find_program_by_name(o, nop));
	b->jump = bpf_object__find_map_fd_by_name(o, b->tc ? "jmp_tc" : "jmp_xdp");
	b->templates = bpf_object__find_map_fd_by_name(o, "tpls");
	if (bpf_map_update_elem(b->jump, &second, &b->program, 0) == 0)
		return true;
not_this:
	bpf_object__close(o);
	return false;
}

static void
jump_to(const struct bench *b, int program)
{
	const uint32_t zero = 0;

	if (bpf_map_update_elem(b->jump, &zero, &program, 0) < 0)
		fail("the harness does not take the program");
}

/* The kernel's own clock, whole nanoseconds: around an XDP test run the wall clock has RCU waits. */
static double
once(const struct bench *b, uint32_t repeat, uint32_t *verdict)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .repeat = (int)repeat);
	struct __sk_buff skb = { .ifindex = b->ifindex, .ingress_ifindex = b->ifindex };
	struct xdp_md xdp = { .ingress_ifindex = b->ifindex };
	const uint32_t zero = 0;
	struct tpl t;

	if (bpf_map_lookup_elem(b->templates, &zero, &t) < 0)
		fail("no template");
	memcpy(t.data, b->mac, sizeof(b->mac));
	xdp.data_end = t.len;
	o.data_in = t.data;
	o.data_size_in = t.len;
	if (b->ifindex) {
		o.ctx_in = b->tc ? (void *)&skb : (void *)&xdp;
		o.ctx_size_in = b->tc ? sizeof(skb) : sizeof(xdp);
	}
	if (bpf_prog_test_run_opts(b->harness, &o) < 0)
		fail("test run");
	*verdict = o.retval;
	return o.duration;
}

static void
device_mac(const char *dev, uint8_t mac[6])
{
	struct ifreq r = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", dev);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &r) < 0)
		fail("%s: no MAC address", dev);
	memcpy(mac, r.ifr_hwaddr.sa_data, 6);
	close(fd);
}

/* ---- packets ---- */

static uint16_t
sum16(const uint8_t *p, size_t n, uint32_t s)
{
	for (size_t i = 0; i + 1 < n; i += 2)
		s += (uint32_t)(p[i] << 8 | p[i + 1]);
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)s;
}

static void
put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void
transport(uint8_t *p, size_t len, const struct endpoint *src, const struct endpoint *dst, int proto,
    int flags, uint32_t pseudo)
{
	uint16_t sum;

	if (proto == ICMP) {
		p[0] = dst->family == AF_INET ? 8 : 128;
		sum = (uint16_t)~sum16(
		    p, len, dst->family == AF_INET ? 0 : pseudo + ICMP6 + (uint32_t)len);
		put16(p + 2, sum);
		return;
	}
	put16(p, (uint32_t)src->port);
	put16(p + 2, (uint32_t)dst->port);
	if (proto == TCP) {
		p[7] = 1;
		p[11] = flags == SYN ? 0 : 1;
		p[12] = 0x50;
		p[13] = (uint8_t)flags;
		p[14] = 0xff;
	} else {
		put16(p + 4, (uint32_t)len);
	}
	sum = (uint16_t)~sum16(p, len, pseudo + (uint32_t)proto + (uint32_t)len);
	if (proto == UDP && !sum)
		sum = 0xffff;
	put16(p + (proto == TCP ? 16 : 6), sum);
}

/* @vary flows; @back: it is the destination that varies, not the source. */
static struct tpl
packet(const struct endpoint *src, const struct endpoint *dst, int proto, int flags, uint32_t vary,
    bool back)
{
	struct tpl t = { .len = FRAME_LEN, .vary = vary };
	uint8_t *p = t.data;

	memcpy(p, "\x02\0\0\0\0\x01\x02\0\0\0\0\x02", 12);
	if (dst->family == AF_INET) {
		put16(p + 12, 0x0800);
		p[14] = 0x45;
		put16(p + 16, FRAME_LEN - 14);
		p[22] = 64;
		p[23] = (uint8_t)proto;
		memcpy(p + 26, src->addr, 4);
		memcpy(p + 30, dst->addr, 4);
		put16(p + 24, (uint16_t)~sum16(p + 14, 20, 0));
		t.off_addr = back ? 32 : 28;
		t.off_port = back ? 36 : 34;
		transport(p + 34, FRAME_LEN - 34, src, dst, proto, flags, sum16(p + 26, 8, 0));
	} else {
		put16(p + 12, 0x86dd);
		p[14] = 0x60;
		put16(p + 18, FRAME_LEN - 54);
		p[20] = proto == ICMP ? ICMP6 : (uint8_t)proto;
		p[21] = 64;
		memcpy(p + 22, src->addr, 16);
		memcpy(p + 38, dst->addr, 16);
		t.off_addr = back ? 52 : 36;
		t.off_port = back ? 56 : 54;
		transport(p + 54, FRAME_LEN - 54, src, dst, proto, flags, sum16(p + 22, 32, 0));
	}
	if (proto == ICMP)
		t.vary = 0;
	return t;
}

static void
set_templates(const struct bench *b, const struct tpl *t, uint32_t n)
{
	struct tpl x;

	for (uint32_t i = 0; i < TPL_N; i++) {
		x = t[i % n];
		x.next = (i + 1) % n;
		if (bpf_map_update_elem(b->templates, &i, &x, 0) < 0)
			fail("templates");
	}
}

/* ---- measuring ---- */

static void
measure(const struct bench *b, const char *name, const struct tpl *t, uint32_t n)
{
	double with, without, own[ROUNDS_MAX], harness[ROUNDS_MAX], mid, mid_harness;
	uint32_t verdict = 0, none;

	set_templates(b, t, n);
	for (uint32_t r = 0; r < b->rounds; r++) { /* in turns, so that drift hits both */
		jump_to(b, b->nop);
		without = once(b, b->repeat, &none);
		jump_to(b, b->program);
		with = once(b, b->repeat, &verdict);
		own[r] = with - without;
		harness[r] = without;
	}
	mid = median(own, b->rounds);
	mid_harness = median(harness, b->rounds);
	printf("{\"label\": \"%s\", \"class\": \"%s\", \"verdict\": %u, \"min\": %.1f, "
	       "\"median\": %.1f, \"max\": %.1f, \"harness\": %.1f}\n",
	    b->label, name, verdict, own[0], mid, own[b->rounds - 1], mid_harness);
	fflush(stdout);
}

static void
seed(const struct bench *b, struct tpl t, uint32_t turns)
{
	uint32_t none;

	set_templates(b, &t, 1);
	jump_to(b, b->program);
	once(b, turns, &none);
}

static bool
wanted(const struct bench *b, const char *name)
{
	return !b->only || strstr(b->only, name);
}

/* A flow that is under way: the client spoke, the backend (when it is known) answered. */
static void
established(const struct bench *b, const char *name, const struct endpoint *client,
    const struct endpoint *vip, const struct endpoint *backend, int proto, uint32_t flows)
{
	uint32_t turns = flows * 2 + 16;
	char text[64];
	struct tpl t;

	seed(b, packet(client, vip, proto, SYN, flows, false), turns);
	if (backend->family)
		seed(b, packet(backend, client, proto, SYN | ACK, flows, true), turns);
	seed(b, packet(client, vip, proto, ACK, flows, false), turns);
	t = packet(client, vip, proto, ACK, flows, false);
	snprintf(text, sizeof(text), "%s-%u", name, flows);
	measure(b, text, &t, 1);
}

static void
each_new(const struct bench *b, const char *name, const struct endpoint *client,
    const struct endpoint *vip, int proto, uint32_t kind)
{
	struct tpl t = packet(client, vip, proto, SYN, kind, false);

	measure(b, name, &t, 1);
}

/* Of 20: 13 established TCP, 3 UDP, 2 new TCP, one that is not ours, one ICMP echo. */
static void
mixed(const struct bench *b)
{
	struct tpl t[20];
	uint32_t i;

	for (i = 0; i < 13; i++)
		t[i] = packet(&b->client, &b->vip, TCP, ACK, 65536, false);
	for (; i < 16; i++)
		t[i] = packet(&b->client, &b->udp_vip, UDP, 0, 65536, false);
	for (; i < 18; i++)
		t[i] = packet(&b->client, &b->vip, TCP, SYN, EACH_NEW, false);
	t[18] = packet(&b->client, &b->other, TCP, ACK, 1024, false);
	t[19] = packet(&b->client, &b->vip, ICMP, 0, 0, false);
	measure(b, "mix", t, 20);
}

static void
all_ipv4(const struct bench *b)
{
	static const uint32_t flows[] = { 1, 1024, 65536, 524288 };
	struct tpl t;

	/* First: a design with two entries a flow may lose those of replies to new flows. */
	if (b->backend.family && wanted(b, "reply")) {
		seed(b, packet(&b->client, &b->vip, TCP, SYN, 1024, false), 4096);
		seed(b, packet(&b->backend, &b->client, TCP, SYN | ACK, 1024, true), 4096);
		t = packet(&b->backend, &b->client, TCP, ACK, 1024, true);
		measure(b, "reply-1024", &t, 1);
	}
	for (size_t i = 0; i < 4 && wanted(b, "tcp-est"); i++)
		established(b, "tcp-est", &b->client, &b->vip, &b->backend, TCP, flows[i]);
	if (wanted(b, "tcp-new")) {
		each_new(b, "tcp-new", &b->client, &b->vip, TCP, EACH_NEW);
		each_new(b, "tcp-new-scattered", &b->client, &b->vip, TCP, EACH_RANDOM);
	}
	for (size_t i = 1; i < 3 && b->udp_vip.family && wanted(b, "udp-est"); i++)
		established(
		    b, "udp-est", &b->client, &b->udp_vip, &(struct endpoint){ 0 }, UDP, flows[i]);
	if (b->udp_vip.family && wanted(b, "udp-new"))
		each_new(b, "udp-new", &b->client, &b->udp_vip, UDP, EACH_NEW);
	if (wanted(b, "icmp")) {
		t = packet(&b->client, &b->vip, ICMP, 0, 0, false);
		measure(b, "icmp-echo-vip", &t, 1);
	}
	if (wanted(b, "pass")) {
		t = packet(&b->client, &b->other, TCP, ACK, 1024, false);
		measure(b, "pass-tcp-1024", &t, 1);
		t = packet(&b->client, &b->other, UDP, 0, 1024, false);
		measure(b, "pass-udp-1024", &t, 1);
	}
}

static void
all_ipv6(const struct bench *b)
{
	established(b, "tcp6-est", &b->client6, &b->vip6, &b->backend6, TCP, 1024);
	established(b, "tcp6-est", &b->client6, &b->vip6, &b->backend6, TCP, 65536);
	each_new(b, "tcp6-new", &b->client6, &b->vip6, TCP, EACH_NEW);
}

int
main(int argc, char **argv)
{
	const char *pin = NULL, *dev = NULL, *harness = "harness.bpf.o";
	struct bench b = { .repeat = 400000, .rounds = 9, .label = "" };
	uint32_t cpu = 1, size = sizeof(struct bpf_prog_info);
	struct bpf_prog_info info = { 0 };
	const struct option_row rows[] = { { "pin", OPT_TEXT, &pin }, { "dev", OPT_TEXT, &dev },
		{ "harness", OPT_TEXT, &harness }, { "vip", OPT_ENDPOINT, &b.vip },
		{ "udp-vip", OPT_ENDPOINT, &b.udp_vip }, { "vip6", OPT_ENDPOINT, &b.vip6 },
		{ "backend", OPT_ENDPOINT, &b.backend }, { "backend6", OPT_ENDPOINT, &b.backend6 },
		{ "repeat", OPT_NUMBER, &b.repeat }, { "rounds", OPT_NUMBER, &b.rounds },
		{ "cpu", OPT_NUMBER, &cpu }, { "only", OPT_TEXT, &b.only },
		{ "label", OPT_TEXT, &b.label }, { 0 } };
	int flavour;

	options(argc, argv, rows);
	if (!pin || !b.vip.family || !b.rounds || b.rounds > ROUNDS_MAX)
		fail("needs --pin, --vip and 1 to %d rounds", ROUNDS_MAX);
	pin_cpu(cpu);
	b.ifindex = ifindex_of(dev);
	if (dev)
		device_mac(dev, b.mac);
	b.program = pinned(pin, NULL);
	if (bpf_obj_get_info_by_fd(b.program, &info, &size) < 0)
		fail("%s: no program", pin);
	b.tc = info.type == BPF_PROG_TYPE_SCHED_CLS;
	for (flavour = 0; flavour < FLAVOURS && !load_harness(&b, harness, flavour); flavour++)
		;
	if (flavour == FLAVOURS)
		fail("no flavour of the harness goes with %s", pin);
	b.client = endpoint_of("10.91.0.1:40000");
	b.client6 = endpoint_of("[fd91::1]:40000");
	b.other = endpoint_of("10.90.0.77:8080");
	all_ipv4(&b);
	if (b.vip6.family && wanted(&b, "v6"))
		all_ipv6(&b);
	if (b.udp_vip.family && wanted(&b, "mix"))
		mixed(&b);
	return 0;
}
