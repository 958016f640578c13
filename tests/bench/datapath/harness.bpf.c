/*
 * tests/bench/datapath/harness.bpf.c: between a test run and the program under test.
 *
 * BPF_PROG_TEST_RUN keeps what a program did to the packet, so that a NAT program that is simply
 * repeated sees its own output from the second turn on.  These programs put a fresh header back
 * each turn, choose another flow, and tail-call the program under test.  Their own cost (a tail call
 * to one that only returns) is measured in the same rounds and taken off.  The generator of live
 * frames stands here too.
 * SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "tests/bench/datapath/layout.h"

#define COPY_LEN 80
#define FRAME_LEN 60

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, 2);
} jmp_xdp SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, 2);
} jmp_tc SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct tpl);
	__uint(max_entries, TPL_N);
} tpls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct gencfg);
	__uint(max_entries, 1);
} frame SEC(".maps");

struct progress progress; /* one CPU only */

/*
 * The odd multiplier walks all of a power of two of flows, in scattered order.  Of flows that never
 * come again there are two kinds: ports that count up, whose places in a table are evenly spaced when
 * its hash is a multiplication, which the processor's caches like; and ports and addresses by
 * Murmur3's finish, which gives each number once.
 */
static __always_inline __u32
flow_of(__u32 n, __u32 mask)
{
	if (mask == EACH_NEW)
		return n;
	if (mask != EACH_RANDOM)
		return (n * 2654435761U) & mask;
	n ^= n >> 16;
	n *= 0x85ebca6bU;
	n ^= n >> 13;
	n *= 0xc2b2ae35U;
	return n ^ n >> 16;
}

static __always_inline int
fill(void *d, void *e, struct tpl *t)
{
	__u32 f, a = t->off_addr & 63, p = t->off_port & 63;

	if (d + COPY_LEN > e)
		return -1;
	__builtin_memcpy(d, t->data, COPY_LEN);
	if (!t->vary)
		return 0;
	/* 15 bits go to the port (1024..33791), the rest to the address. */
	f = flow_of(++progress.uniq, t->vary >= EACH_RANDOM ? t->vary : t->vary - 1);
	if (d + a + 2 <= e)
		*(__u16 *)(d + a) = bpf_htons((__u16)(f >> 15));
	if (d + p + 2 <= e)
		*(__u16 *)(d + p) = bpf_htons((__u16)(1024 + (f & 0x7fff)));
	return 0;
}

static __always_inline struct tpl *
next_tpl(void)
{
	__u32 i = progress.turn;
	struct tpl *t = bpf_map_lookup_elem(&tpls, &i);

	if (t)
		progress.turn = t->next;
	return t;
}

SEC("xdp")
int
harness_xdp(struct xdp_md *ctx)
{
	struct tpl *t = next_tpl();
	int more;

	if (!t)
		return XDP_ABORTED;
	more = (int)(ctx->data_end - ctx->data) - (int)t->len;
	if (more && bpf_xdp_adjust_head(ctx, more))
		return XDP_ABORTED;
	if (fill((void *)(long)ctx->data, (void *)(long)ctx->data_end, t))
		return XDP_ABORTED;
	bpf_tail_call(ctx, &jmp_xdp, 0);
	return XDP_ABORTED;
}

SEC("tc")
int
harness_tc(struct __sk_buff *skb)
{
	struct tpl *t = next_tpl();
	int more;

	if (!t)
		return TC_ACT_SHOT;
	more = (int)skb->len - (int)t->len;
	if (more && bpf_skb_adjust_room(skb, -more, BPF_ADJ_ROOM_MAC, 0))
		return TC_ACT_SHOT;
	skb->mark = t->mark;
	if (fill((void *)(long)skb->data, (void *)(long)skb->data_end, t))
		return TC_ACT_SHOT;
	bpf_tail_call(skb, &jmp_tc, 0);
	return TC_ACT_SHOT;
}

SEC("xdp")
int
nop_xdp(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("tc")
int
nop_tc(struct __sk_buff *skb)
{
	return TC_ACT_OK;
}

static __always_inline __u16
finish(__u32 s)
{
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return bpf_htons((__u16)~s);
}

/* The whole header each turn, since pages come back as the program under test left them.  As if the
 * frame had just come in: to the program under test, or (nothing in the table) up the stack. */
SEC("xdp")
int
xdp_inject(struct xdp_md *ctx)
{
	int more = (int)(ctx->data_end - ctx->data) - FRAME_LEN;
	__u32 zero = 0, f, hi, lo;
	struct gencfg *g = bpf_map_lookup_elem(&frame, &zero);
	void *d, *e;

	if (!g || (more && bpf_xdp_adjust_head(ctx, more)))
		return XDP_ABORTED;
	d = (void *)(long)ctx->data;
	e = (void *)(long)ctx->data_end;
	if (d + FRAME_LEN > e)
		return XDP_ABORTED;
	__builtin_memcpy(d, g->data, FRAME_LEN);
	f = flow_of(++progress.uniq, g->flow_mask);
	hi = (f >> 15) & 0xffff;
	lo = 1024 + (f & 0x7fff);
	*(__u16 *)(d + 28) = bpf_htons((__u16)hi);
	*(__u16 *)(d + 34) = bpf_htons((__u16)lo);
	*(__u16 *)(d + 24) = finish(g->ipsum + hi);
	if (g->off_l4sum)
		*(__u16 *)(d + 50) = finish(g->l4sum + hi + lo);
	bpf_tail_call(ctx, &jmp_xdp, 0);
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
