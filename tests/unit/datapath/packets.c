/*
 * tests/unit/datapath/packets.c: the world of the tests of packets.
 */
#include "tests/unit/datapath/packets.h"
#include "tests/unit/unit.h"

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <stdarg.h>

static const char *const names[2][NR_WHO] = {
	{ [CLIENT] = "198.51.100.7",
	    [CLIENT2] = "198.51.100.8",
	    [INSIDER] = "10.244.3.9",
	    [VIP] = "203.0.113.10",
	    [VIP2] = "203.0.113.11",
	    [POD] = "10.244.1.5",
	    [POD2] = "10.244.1.6",
	    [FAR] = "10.244.2.5",
	    [FAR2] = "10.244.2.6",
	    [NODE] = "192.0.2.1",
	    [FAR_NODE] = "192.0.2.2",
	    [STRANGER] = "100.64.0.1" },
	{ [CLIENT] = "2001:db8:7::7",
	    [CLIENT2] = "2001:db8:7::8",
	    [INSIDER] = "fd00:3::9",
	    [VIP] = "2001:db8:f::10",
	    [VIP2] = "2001:db8:f::11",
	    [POD] = "fd00:1::5",
	    [POD2] = "fd00:1::6",
	    [FAR] = "fd00:2::5",
	    [FAR2] = "fd00:2::6",
	    [NODE] = "2001:db8:1::1",
	    [FAR_NODE] = "2001:db8:1::2",
	    [STRANGER] = "2001:db8:9::1" },
};

/* The last byte of the MAC address of the way there; pods are on the other device. */
static const uint8_t macs[NR_WHO] = { [CLIENT] = 0xfe,
	[CLIENT2] = 0xfe,
	[INSIDER] = 0x23,
	[POD] = 0x15,
	[POD2] = 0x16,
	[FAR] = 0x22,
	[FAR2] = 0x22,
	[FAR_NODE] = 0x22,
	[STRANGER] = 0xfe };

enum { MTU = 1500 };

void
world_make(struct world *w)
{
	char why[200];

	unit_not_under_valgrind();
	*w = (struct world){ .v6 = false };
	if (!bed_lay(&w->bed, why, sizeof(why)))
		unit_skip(why);
}

const char *
who(const struct world *w, enum who i)
{
	return names[w->v6][i];
}

void
world_begin(struct world *w, int way)
{
	const uint16_t flags = LB_LINK_XDP | LB_LINK_PLAIN;

	w->way = (enum way_in)way;
	w->v6 = way == XDP6 || way == TC6;
	bed_reset(&w->bed);
	for (int i = 0; i < NR_WHO; i++) {
		bool pod = i == POD || i == POD2;

		if (macs[i])
			bed_hop(&w->bed, who(w, (enum who)i), pod ? BED_PODS : BED_UPLINK, macs[i],
			    MTU, pod ? flags | LB_LINK_PEER : flags);
	}
	bed_range(&w->bed, LB_RANGES_CLUSTER, w->v6 ? "fd00::/16" : "10.244.0.0/16");
	bed_range(&w->bed, LB_RANGES_CLUSTER, w->v6 ? "2001:db8:1::/64" : "192.0.2.0/24");
}

struct bed_backend
world_backend(const struct world *w, enum who i)
{
	struct bed_backend b = { .ip = who(w, i), .port = 8080 };

	if (i == POD || i == POD2)
		b.flags = LB_BE_LOCAL;
	else if (i == NODE)
		b.flags = LB_BE_LOCAL | LB_BE_NODE;
	else
		b.node = who(w, FAR_NODE);
	return b;
}

uint32_t
world_service(struct world *w, uint8_t proto, uint32_t flags, int nr, ...)
{
	struct bed_service s = {
		.vip = who(w, VIP), .port = 80, .proto = proto, .flags = flags, .service = 7
	};
	va_list ap;

	if (flags & LB_FE_AFFINITY)
		s.affinity_s = 100;
	va_start(ap, nr);
	for (int i = 0; i < nr; i++)
		s.backend[i] = world_backend(w, (enum who)va_arg(ap, int));
	va_end(ap);
	return bed_service(&w->bed, &s, &w->be);
}

/* ---- frames ---- */

static struct fr
plain(const struct world *w, enum who from, enum who to, uint8_t proto)
{
	bool pod = from == POD || from == POD2;

	return (struct fr){ .dmac = { 2, 0, 0, 0, 0, 1 },
		.smac = { 2, 0, 0, 0, 0, pod ? macs[from] : 0xfe },
		.src = who(w, from),
		.dst = who(w, to),
		.proto = proto,
		.id = 0x1234,
		.payload = 11 };
}

struct fr
tcp(const struct world *w, enum who from, uint16_t sport, enum who to, uint16_t dport,
    uint8_t flags)
{
	struct fr f = plain(w, from, to, IPPROTO_TCP);

	f.sport = sport;
	f.dport = dport;
	f.flags = flags;
	f.seq = 1000000;
	f.ack = flags & ACK ? 77 : 0;
	f.window = 512;
	if (flags & (SYN | FIN | RST))
		f.payload = 0;
	return f;
}

struct fr
udp(const struct world *w, enum who from, uint16_t sport, enum who to, uint16_t dport)
{
	struct fr f = plain(w, from, to, IPPROTO_UDP);

	f.sport = sport;
	f.dport = dport;
	return f;
}

struct fr
sctp(const struct world *w, enum who from, uint16_t sport, enum who to, uint16_t dport,
    uint8_t chunk)
{
	struct fr f = plain(w, from, to, IPPROTO_SCTP);

	f.sport = sport;
	f.dport = dport;
	f.seq = 0xabcdef;
	f.chunk = chunk;
	f.payload = 16;
	return f;
}

struct fr
icmp(const struct world *w, enum who from, enum who to, enum said said, uint32_t rest,
    const struct fr *inner)
{
	static const uint8_t say[][2][2] = {
		[ECHO] = { { 8, 0 }, { 128, 0 } },
		[ECHO_REPLY] = { { 0, 0 }, { 129, 0 } },
		[UNREACH_PORT] = { { 3, 3 }, { 1, 4 } },
		[UNREACH_HOST] = { { 3, 1 }, { 1, 3 } },
		[FRAG_NEEDED] = { { 3, 4 }, { 2, 0 } },
		[TIME_EXCEEDED] = { { 11, 0 }, { 3, 0 } },
	};
	struct fr f = plain(w, from, to, w->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);

	f.type = say[said][w->v6][0];
	f.code = say[said][w->v6][1];
	f.rest = rest;
	f.inner = inner;
	f.payload = inner ? 0 : 24;
	return f;
}

struct fr
sent(const struct fr *f, enum who to)
{
	struct fr out = *f;

	memset(out.dmac, 0, 6);
	memset(out.smac, 0, 6);
	out.dmac[0] = out.smac[0] = 2;
	out.dmac[5] = macs[to];
	out.smac[5] = 1;
	out.ttl = (uint8_t)((f->ttl ? f->ttl : 64) - 1);
	return out;
}

struct fr
answered(const struct fr *f, uint8_t proto)
{
	struct fr out = { .src = f->dst, .dst = f->src, .proto = proto, .df = true };

	memcpy(out.dmac, f->smac, 6);
	memcpy(out.smac, f->dmac, 6);
	return out;
}

/* ---- running ---- */

static enum go
go_of_tc(uint32_t verdict)
{
	switch ((int)verdict) {
	case TC_ACT_UNSPEC:
	case TC_ACT_OK:
		return GO_ON;
	case TC_ACT_SHOT:
		return GO_DROP;
	case TC_ACT_REDIRECT:
		return GO_OUT; /* the device is not told; the MAC address is */
	default:
		ck_abort_msg("verdict %d of tc", (int)verdict);
	}
}

static enum go
go_of_xdp(uint32_t verdict)
{
	switch (verdict) {
	case XDP_PASS:
		return GO_ON;
	case XDP_TX:
		return GO_BACK;
	case XDP_REDIRECT:
		return GO_OUT;
	case XDP_DROP:
		return GO_DROP;
	default:
		ck_abort_msg("verdict %u of XDP", verdict);
	}
}

static void
at_tc(struct world *w, enum bed_prog prog, unsigned ifindex, const struct frame *in,
    struct went *went)
{
	struct bed_ran ran;

	bed_run(&w->bed, prog, ifindex, in, &ran);
	went->go = go_of_tc(ran.verdict);
	went->why = bed_why(&ran);
	went->at_xdp = false;
	went->frame = ran.frame;
	memcpy(went->up, ran.up, sizeof(went->up));
}

/* XDP may leave a frame to tc: then it has neither changed nor counted it. */
void
come(struct world *w, const struct frame *in, struct went *went)
{
	struct bed_ran ran;

	if (w->way == XDP4 || w->way == XDP6) {
		bed_run(&w->bed, BED_XDP, BED_UPLINK, in, &ran);
		went->go = go_of_xdp(ran.verdict);
		went->why = bed_why(&ran);
		went->at_xdp = true;
		went->frame = ran.frame;
		memcpy(went->up, ran.up, sizeof(went->up));
		if (went->go != GO_ON || went->why != LB_NR_WHY)
			return;
		ck_assert_msg(!fr_differ(&ran.frame, in), "XDP passed what it had changed: %s",
		    fr_differ(&ran.frame, in));
	}
	at_tc(w, BED_NET, BED_UPLINK, in, went);
}

void
pod_says(struct world *w, const struct frame *in, struct went *went)
{
	at_tc(w, BED_POD, BED_PODS, in, went);
}

void
node_says(struct world *w, const struct frame *in, struct went *went)
{
	at_tc(w, BED_OUT, BED_UPLINK, in, went);
}

void
run(struct world *w, enum door door, const struct fr *in, struct went *went)
{
	static void (*const doors[])(
	    struct world *, const struct frame *, struct went *) = { come, pod_says, node_says };
	struct frame f;

	fr_build(&f, in);
	doors[door](w, &f, went);
}

void
expect(struct world *w, const char *what, enum door door, const struct fr *in, enum go go,
    unsigned why, const struct fr *out)
{
	static const char *const go_names[] = { "on", "out", "back", "dropped" };
	struct frame want;
	const char *differ;
	struct went went;
	char text[3000];

	run(w, door, in, &went);
	fr_show(text, sizeof(text), &went.frame);
	if (go == GO_BACK && !went.at_xdp)
		go = GO_OUT;
	ck_assert_msg(went.go == go, "%s: goes %s, not %s (%s): %s", what, go_names[went.go],
	    go_names[go], bed_why_name(went.why), text);
	ck_assert_msg(went.why == why, "%s: counted \"%s\", not \"%s\"", what,
	    bed_why_name(went.why), bed_why_name(why));
	if (go == GO_DROP)
		return;
	fr_build(&want, out ? out : in);
	differ = fr_differ(&went.frame, &want);
	ck_assert_msg(!differ, "%s: %s", what, differ);
}

uint16_t
snat_port(struct world *w, enum who from, uint16_t port)
{
	const struct lb_conf *c = w->bed.conf;
	uint16_t snat = 0;

	ck_assert_msg(bed_flow(&w->bed, who(w, from), port, false, &snat) != 0,
	    "no flow of %s port %u", who(w, from), port);
	ck_assert_msg(snat >= c->snat_port_min && snat < c->snat_port_min + c->snat_port_nr,
	    "SNAT port %u is not in the range", snat);
	return snat;
}

unsigned
flow_state(struct world *w, enum who from, uint16_t port)
{
	return LB_FLOW_STATE(bed_flow(&w->bed, who(w, from), port, false, NULL));
}

void
flow_age(struct world *w, enum who from, uint16_t port, uint16_t ticks)
{
	uint64_t seen = (uint16_t)(bed_now() - ticks);

	for (int twin = 0; twin < 2; twin++) {
		__u64 *at = bed_flow_at(&w->bed, who(w, from), port, twin, NULL);

		ck_assert(twin || at);
		if (at)
			*at = (*at & 0xffffffffffffULL) | seen << 48;
	}
}
