/*
 * tests/bench/datapath/floor.bpf.c: the least that each kind of load balancer can cost here, to
 * hold Herald's programs against.  IPv4 TCP and UDP without options only; no policy, no fragments,
 * no ICMP errors, no states, no counters.
 *
 *   xdp_lb_min        d0  no flow state, the next hop beside the backend
 *   xdp_lb_stateless  d1  no flow state, bpf_fib_lookup for each packet
 *   xdp_lb_cache      d2  two LRU entries a flow, the next hop in the entry
 *   xdp_lb_one        d3  one LRU entry for both directions
 *   xdp_lb_way        d4  a set-associative table of its own
 *   tc_lb                 d2 in tc, redirect_peer to local pods
 * SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "tests/bench/datapath/layout.h"

#define AI static __always_inline
#define FAMILY_INET 2
#define NR_BUCKETS 524288

const volatile __u32 maglev_m = 1021; /* table size of every service, a prime */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct svc_key);
	__type(value, struct svc_val);
	__uint(max_entries, 16384);
} svcs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct svc_key);
	__uint(max_entries, 16384);
} svcinfo SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, 1021);
} maglev SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct backend);
	__uint(max_entries, 16384);
} backends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct ct_key);
	__type(value, struct ct_val);
	__uint(max_entries, 2097152);
} ct SEC(".maps");

/* A next hop for each backend, filled on first use. */
struct nexthop {
	__u32 ifindex;
	__u8 dmac[6], smac[6];
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct nexthop);
	__uint(max_entries, 16384);
} nexthops SEC(".maps");

/* key: address | port << 32 | service << 48; val: backend | seen << 32 */
struct bucket {
	__u64 key[4], val[4];
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct bucket);
	__uint(max_entries, NR_BUCKETS);
	__uint(map_flags, BPF_F_MMAPABLE);
} ways SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 8);
} cnt SEC(".maps");

AI void
bump(__u32 i)
{
	__u64 *p = bpf_map_lookup_elem(&cnt, &i);

	if (p)
		(*p)++;
}

/* ---- small pieces ---- */

struct pkt {
	struct ethhdr *eth;
	struct iphdr *ip;
	void *l4;
	__be16 *ports;
	__u16 *csum;
};

AI int
parse(void *data, void *end, struct pkt *p)
{
	struct tcphdr *t;

	p->eth = data;
	p->ip = data + sizeof(struct ethhdr);
	p->l4 = (void *)(p->ip + 1);
	if (p->l4 + 8 > end || p->eth->h_proto != bpf_htons(ETH_P_IP))
		return -1;
	if (p->ip->ihl != 5 || (p->ip->frag_off & bpf_htons(0x3fff)) || p->ip->ttl < 2)
		return -1;
	p->ports = p->l4;
	if (p->ip->protocol == IPPROTO_TCP) {
		t = p->l4;
		if ((void *)(t + 1) > end)
			return -1;
		p->csum = (__u16 *)&t->check;
	} else if (p->ip->protocol == IPPROTO_UDP) {
		p->csum = (__u16 *)&((struct udphdr *)p->l4)->check;
	} else {
		return -1;
	}
	return 0;
}

/* A few multiplications, well under a jhash of five words. */
AI __u32
mix(const struct ct_key *k)
{
	__u64 h = ((__u64)k->saddr << 32 | k->daddr) * 0x9E3779B97F4A7C15ULL;

	h ^= h >> 32;
	h += ((__u64)k->sport << 32) | ((__u32)k->dport << 8) | k->proto;
	h *= 0xD6E8FEB86659FD93ULL;
	h ^= h >> 32;
	return (__u32)h;
}

AI __u32
fold(__u32 s)
{
	s = (s & 0xffff) + (s >> 16);
	return (s & 0xffff) + (s >> 16);
}

/* RFC 1624 on 16-bit words, sums kept in 32 bits. */
AI __u32
d32(__u32 old, __u32 new)
{
	return (~old & 0xffff) + (~old >> 16) + (new & 0xffff) + (new >> 16);
}

AI void
rewrite(struct pkt *p, const struct ct_val *v)
{
	__u32 da = d32(p->ip->saddr, v->saddr) + d32(p->ip->daddr, v->daddr);
	__u32 dp = ((~p->ports[0]) & 0xffff) + v->sport + ((~p->ports[1]) & 0xffff) + v->dport;

	/* The word with the time to live is folded in as well. */
	p->ip->check = ~fold((~p->ip->check & 0xffff) + da + (~(__u32)bpf_htons(0x0100) & 0xffff));
	p->ip->ttl--;
	if (*p->csum || p->ip->protocol == IPPROTO_TCP)
		*p->csum = ~fold((~*p->csum & 0xffff) + da + dp);
	p->ip->saddr = v->saddr;
	p->ip->daddr = v->daddr;
	p->ports[0] = v->sport;
	p->ports[1] = v->dport;
}

AI void
key_of(const struct pkt *p, struct ct_key *k)
{
	__builtin_memset(k, 0, sizeof(*k));
	k->saddr = p->ip->saddr;
	k->daddr = p->ip->daddr;
	k->sport = p->ports[0];
	k->dport = p->ports[1];
	k->proto = p->ip->protocol;
}

AI struct svc_val *
service_of(const struct ct_key *k)
{
	struct svc_key sk = { .vip = k->daddr, .port = k->dport, .proto = k->proto };

	return bpf_map_lookup_elem(&svcs, &sk);
}

AI __u32
now_s(void)
{
	return (__u32)(bpf_ktime_get_coarse_ns() >> 30);
}

/* The forward rewrite toward a backend that sees the client's address. */
AI void
forward(struct ct_val *v, const struct ct_key *k, const struct backend *b)
{
	v->saddr = k->saddr;
	v->sport = k->sport;
	v->daddr = b->ip;
	v->dport = b->port;
}

/* Choose a backend and create both directions. */
AI int
newflow(struct svc_val *svc, struct ct_key *k, struct ct_val *out, __u32 *ifindex)
{
	__u32 idx = svc->id * maglev_m + mix(k) % maglev_m,
	      *bid = bpf_map_lookup_elem(&maglev, &idx);
	struct backend *b = bid ? bpf_map_lookup_elem(&backends, bid) : 0;
	struct ct_val rv = { 0 };
	struct ct_key rk = { 0 };
	__u32 h = mix(k), i;
	int ok = 0;

	if (!b)
		return -1;
	__builtin_memset(out, 0, sizeof(*out));
	forward(out, k, b);
	out->seen = now_s();
	out->flags = b->flags;
	*ifindex = b->ifindex;
	rk.saddr = b->ip;
	rk.sport = b->port;
	rk.proto = k->proto;
	rk.daddr = k->saddr;
	rk.dport = k->sport;
	rv.saddr = k->daddr;
	rv.sport = k->dport;
	rv.daddr = k->saddr;
	rv.dport = k->sport;
	rv.seen = out->seen;
	if (b->flags & BACKEND_SNAT) {
		out->saddr = b->snat_ip;
		rk.daddr = b->snat_ip;
#pragma unroll
		for (i = 0; i < 8; i++) {
			rk.dport = bpf_htons(32768 + ((h + i * 7919) & 0x7fff));
			if (bpf_map_update_elem(&ct, &rk, &rv, BPF_NOEXIST) == 0) {
				ok = 1;
				break;
			}
		}
		if (!ok)
			return -1;
		out->sport = rk.dport;
	} else {
		bpf_map_update_elem(&ct, &rk, &rv, BPF_ANY);
	}
	bpf_map_update_elem(&ct, k, out, BPF_ANY);
	return 0;
}

AI int
fib_out(struct xdp_md *ctx, const struct pkt *p, struct bpf_fib_lookup *f)
{
	__builtin_memset(f, 0, sizeof(*f));
	f->family = FAMILY_INET;
	f->l4_protocol = p->ip->protocol;
	f->tot_len = bpf_ntohs(p->ip->tot_len);
	f->ipv4_src = p->ip->saddr;
	f->ipv4_dst = p->ip->daddr;
	f->ifindex = ctx->ingress_ifindex;
	return bpf_fib_lookup(ctx, f, sizeof(*f), 0);
}

/* By a remembered next hop; when there is none, by the kernel's, which is remembered. */
AI int
out_by(struct xdp_md *ctx, const struct pkt *p, __u32 *ifindex, __u8 *dmac, __u8 *smac)
{
	struct bpf_fib_lookup f;

	if (!*ifindex) {
		if (fib_out(ctx, p, &f))
			return XDP_PASS; /* the stack finishes it, and resolves the neighbour */
		__builtin_memcpy(dmac, f.dmac, 6);
		__builtin_memcpy(smac, f.smac, 6);
		*ifindex = f.ifindex;
	}
	__builtin_memcpy(p->eth->h_dest, dmac, 12);
	return (int)bpf_redirect(*ifindex, 0);
}

AI int
out_by_fib(struct xdp_md *ctx, const struct pkt *p)
{
	struct bpf_fib_lookup f;

	if (fib_out(ctx, p, &f))
		return XDP_PASS;
	__builtin_memcpy(p->eth->h_dest, f.dmac, 6);
	__builtin_memcpy(p->eth->h_source, f.smac, 6);
	return (int)bpf_redirect(f.ifindex, 0);
}

/* ---- d0, d1 ---- */

AI int
stateless(struct xdp_md *ctx, const int fib)
{
	void *d = (void *)(long)ctx->data, *e = (void *)(long)ctx->data_end;
	struct ct_val nv = { 0 };
	struct nexthop *h;
	struct svc_val *sv;
	struct backend *b;
	struct ct_key k;
	struct pkt p;
	__u32 idx, *bid;

	if (parse(d, e, &p))
		return XDP_PASS;
	key_of(&p, &k);
	sv = service_of(&k);
	if (!sv)
		return XDP_PASS;
	idx = sv->id * maglev_m + mix(&k) % maglev_m;
	bid = bpf_map_lookup_elem(&maglev, &idx);
	if (!bid)
		return XDP_DROP;
	b = bpf_map_lookup_elem(&backends, bid);
	h = bpf_map_lookup_elem(&nexthops, bid);
	if (!b || !h)
		return XDP_DROP;
	forward(&nv, &k, b);
	rewrite(&p, &nv);
	return fib ? out_by_fib(ctx, &p) : out_by(ctx, &p, &h->ifindex, h->dmac, h->smac);
}

SEC("xdp")
int
xdp_lb_min(struct xdp_md *ctx)
{
	return stateless(ctx, 0);
}

SEC("xdp")
int
xdp_lb_stateless(struct xdp_md *ctx)
{
	return stateless(ctx, 1);
}

/* ---- d2 ---- */

SEC("xdp")
int
xdp_lb_cache(struct xdp_md *ctx)
{
	void *d = (void *)(long)ctx->data, *e = (void *)(long)ctx->data_end;
	struct bpf_fib_lookup f;
	struct ct_val nv, *v;
	struct svc_val *sv;
	struct ct_key k;
	struct pkt p;
	__u32 unused = 0, t;

	if (parse(d, e, &p))
		return XDP_PASS;
	key_of(&p, &k);
	v = bpf_map_lookup_elem(&ct, &k);
	if (!v) {
		sv = service_of(&k);
		if (!sv)
			return XDP_PASS;
		if (newflow(sv, &k, &nv, &unused))
			return XDP_DROP;
		v = &nv;
	} else {
		t = now_s();
		if (v->seen != t)
			v->seen = t;
	}
	rewrite(&p, v);
	if (v->ifindex) {
		__builtin_memcpy(p.eth->h_dest, v->dmac, 12);
		return (int)bpf_redirect(v->ifindex, 0);
	}
	if (fib_out(ctx, &p, &f))
		return XDP_PASS;
	__builtin_memcpy(p.eth->h_dest, f.dmac, 6);
	__builtin_memcpy(p.eth->h_source, f.smac, 6);
	v = bpf_map_lookup_elem(&ct, &k);
	if (v) {
		__builtin_memcpy(v->dmac, f.dmac, 6);
		__builtin_memcpy(v->smac, f.smac, 6);
		v->ifindex = f.ifindex;
	}
	return (int)bpf_redirect(f.ifindex, 0);
}

/* ---- d3 ---- */

/* The backend is found by its Maglev slot for each packet, and the entry only confirms it: a new
 * flow costs one insertion, and its two directions cannot be evicted apart. */
AI int
one_forward(struct xdp_md *ctx, struct pkt *p, struct ct_key *k, struct svc_val *sv)
{
	__u32 idx = sv->id * maglev_m + mix(k) % maglev_m,
	      *bid = bpf_map_lookup_elem(&maglev, &idx), t;
	struct ct_val nv = { 0 }, *v;
	struct backend *b;
	struct nexthop *h;

	if (!bid)
		return XDP_DROP;
	b = bpf_map_lookup_elem(&backends, bid);
	h = bpf_map_lookup_elem(&nexthops, bid);
	if (!b || !h)
		return XDP_DROP;
	nv.saddr = k->daddr;
	nv.sport = k->dport;
	k->daddr = b->ip;
	k->dport = b->port;
	v = bpf_map_lookup_elem(&ct, k);
	t = now_s();
	if (!v) {
		nv.seen = t;
		bpf_map_update_elem(&ct, k, &nv, BPF_ANY);
	} else if (v->seen != t) {
		v->seen = t;
	}
	forward(&nv, k, b);
	rewrite(p, &nv);
	return out_by(ctx, p, &h->ifindex, h->dmac, h->smac);
}

SEC("xdp")
int
xdp_lb_one(struct xdp_md *ctx)
{
	void *d = (void *)(long)ctx->data, *e = (void *)(long)ctx->data_end;
	struct ct_val nv = { 0 }, *v;
	struct svc_val *sv;
	struct ct_key k;
	struct pkt p;

	if (parse(d, e, &p))
		return XDP_PASS;
	key_of(&p, &k);
	sv = service_of(&k);
	if (sv)
		return one_forward(ctx, &p, &k, sv);
	k.saddr = p.ip->daddr;
	k.daddr = p.ip->saddr;
	k.sport = p.ports[1];
	k.dport = p.ports[0];
	v = bpf_map_lookup_elem(&ct, &k);
	if (!v)
		return XDP_PASS;
	nv.saddr = v->saddr;
	nv.sport = v->sport;
	nv.daddr = k.saddr;
	nv.dport = k.sport;
	rewrite(&p, &nv);
	return out_by(ctx, &p, &v->ifindex, v->dmac, v->smac);
}

/* ---- d4 ---- */

/* A line of 64 bytes a bucket, chosen by the client's end only, so that both directions meet there
 * with one miss.  Two CPUs that race for a bucket are not thought of; replies pay a FIB lookup. */
AI struct bucket *
bucket_of(__be32 ip, __be16 port)
{
	__u64 h = ((__u64)ip << 16 | port) * 0x9E3779B97F4A7C15ULL;
	__u32 i = (h >> 40) & (NR_BUCKETS - 1);

	return bpf_map_lookup_elem(&ways, &i);
}

AI int
way_forward(struct xdp_md *ctx, struct pkt *p, struct ct_key *k, struct svc_val *sv)
{
	__u64 key = (__u64)(sv->id + 1) << 48 | (__u64)k->sport << 32 | k->saddr;
	__u32 be = 0, i, t = now_s(), old = ~0U, v = 0, idx, *bid, seen;
	struct bucket *bk = bucket_of(k->saddr, k->sport);
	struct ct_val nv = { 0 };
	struct backend *b;
	struct nexthop *h;
	int hit = 0;

	if (!bk)
		return XDP_DROP;
#pragma unroll
	for (i = 0; i < 4; i++)
		if (!hit && bk->key[i] == key) {
			be = (__u32)bk->val[i];
			hit = 1;
			if ((__u32)(bk->val[i] >> 32) != t)
				bk->val[i] = (__u64)t << 32 | be;
		}
	if (!hit) {
		idx = sv->id * maglev_m + mix(k) % maglev_m;
		bid = bpf_map_lookup_elem(&maglev, &idx);
		if (!bid)
			return XDP_DROP;
		be = *bid;
#pragma unroll
		for (i = 0; i < 4; i++) {
			seen = bk->val[i] >> 32;
			if (seen < old) {
				old = seen;
				v = i;
			}
		}
		v &= 3;
		bk->val[v] = (__u64)t << 32 | be;
		bk->key[v] = key;
	}
	b = bpf_map_lookup_elem(&backends, &be);
	h = bpf_map_lookup_elem(&nexthops, &be);
	if (!b || !h)
		return XDP_DROP;
	forward(&nv, k, b);
	rewrite(p, &nv);
	return out_by(ctx, p, &h->ifindex, h->dmac, h->smac);
}

SEC("xdp")
int
xdp_lb_way(struct xdp_md *ctx)
{
	void *d = (void *)(long)ctx->data, *e = (void *)(long)ctx->data_end;
	__u32 be, i, service = 0;
	struct ct_val nv = { 0 };
	struct svc_key *info;
	struct svc_val *sv;
	struct backend *b;
	struct bucket *bk;
	struct ct_key k;
	struct pkt p;
	__u64 key;
	int hit = 0;

	if (parse(d, e, &p))
		return XDP_PASS;
	key_of(&p, &k);
	sv = service_of(&k);
	if (sv)
		return way_forward(ctx, &p, &k, sv);
	bk = bucket_of(k.daddr, k.dport);
	if (!bk)
		return XDP_DROP;
	key = (__u64)k.dport << 32 | k.daddr;
#pragma unroll
	for (i = 0; i < 4; i++)
		if (!hit && (bk->key[i] & 0xffffffffffffULL) == key) {
			be = (__u32)bk->val[i];
			b = bpf_map_lookup_elem(&backends, &be);
			if (b && b->ip == k.saddr && b->port == k.sport) {
				service = (bk->key[i] >> 48) - 1;
				hit = 1;
			}
		}
	info = hit ? bpf_map_lookup_elem(&svcinfo, &service) : 0;
	if (!info)
		return XDP_PASS;
	nv.saddr = info->vip;
	nv.sport = info->port;
	nv.daddr = k.daddr;
	nv.dport = k.dport;
	rewrite(&p, &nv);
	return out_by_fib(ctx, &p);
}

/* ---- d2 in tc ---- */

/* The header's sum is always whole; the transport's may be partial or complete, which only the
 * kernel's helper knows. */
AI void
rewrite_skb(struct __sk_buff *s, struct pkt *p, const struct ct_key *k, const struct ct_val *v)
{
	struct {
		__be32 a[2];
		__be16 p[2];
	} o = { { k->saddr, k->daddr }, { k->sport, k->dport } },
	  n = { { v->saddr, v->daddr }, { v->sport, v->dport } };
	int udp = k->proto == IPPROTO_UDP;
	__u32 off = sizeof(struct ethhdr) + sizeof(struct iphdr) +
	    (udp ? offsetof(struct udphdr, check) : offsetof(struct tcphdr, check));
	__u64 flags = udp ? BPF_F_MARK_MANGLED_0 : 0;
	__u32 da = d32(o.a[0], n.a[0]) + d32(o.a[1], n.a[1]);
	int sum = !udp || *p->csum;

	p->ip->check = ~fold((~p->ip->check & 0xffff) + da + (~(__u32)bpf_htons(0x0100) & 0xffff));
	p->ip->ttl--;
	p->ip->saddr = n.a[0];
	p->ip->daddr = n.a[1];
	p->ports[0] = n.p[0];
	p->ports[1] = n.p[1];
	if (!sum)
		return;
	bpf_l4_csum_replace(s, off, 0, bpf_csum_diff(o.a, 8, n.a, 8, 0), flags | BPF_F_PSEUDO_HDR);
	bpf_l4_csum_replace(s, off, 0, bpf_csum_diff((__be32 *)o.p, 4, (__be32 *)n.p, 4, 0), flags);
}

SEC("tc")
int
tc_lb(struct __sk_buff *s)
{
	void *d = (void *)(long)s->data, *e = (void *)(long)s->data_end;
	struct bpf_fib_lookup f = { 0 };
	struct ct_val nv, *v;
	struct svc_val *sv;
	struct ct_key k;
	struct pkt p;
	__u32 ifindex = 0, t;
	int local;

	if (parse(d, e, &p))
		return TC_ACT_OK;
	key_of(&p, &k);
	v = bpf_map_lookup_elem(&ct, &k);
	if (v) {
		t = now_s();
		if (v->seen != t)
			v->seen = t;
	} else {
		sv = service_of(&k);
		if (!sv)
			return TC_ACT_OK;
		if (newflow(sv, &k, &nv, &ifindex))
			return TC_ACT_SHOT;
		v = &nv;
	}
	if (v->ifindex)
		ifindex = v->ifindex;
	local = v->flags & BACKEND_LOCAL;
	f.ipv4_src = v->saddr;
	f.ipv4_dst = v->daddr;
	rewrite_skb(s, &p, &k, v);
	if (!ifindex) {
		f.family = FAMILY_INET;
		f.l4_protocol = k.proto;
		f.ifindex = s->ingress_ifindex;
		if (bpf_fib_lookup(s, &f, sizeof(f), 1U << 2 /* no neighbour needed */) != 0)
			return TC_ACT_OK;
		ifindex = f.ifindex;
		v = bpf_map_lookup_elem(&ct, &k);
		if (v)
			v->ifindex = ifindex;
	}
	if (local)
		return (int)bpf_redirect_peer(ifindex, 0);
	return (int)bpf_redirect_neigh(ifindex, 0, 0, 0);
}

/* ---- what does nothing, and what counts ---- */

SEC("xdp")
int
xdp_drop(struct xdp_md *ctx)
{
	return XDP_DROP;
}

SEC("xdp")
int
xdp_sink(struct xdp_md *ctx)
{
	struct pkt p;

	if (parse((void *)(long)ctx->data, (void *)(long)ctx->data_end, &p))
		return XDP_PASS; /* ARP and its like stay alive */
	bump(0);
	return XDP_DROP;
}

SEC("tc")
int
tc_sink(struct __sk_buff *s)
{
	struct pkt p;

	if (parse((void *)(long)s->data, (void *)(long)s->data_end, &p))
		return TC_ACT_OK;
	bump(1);
	return TC_ACT_SHOT;
}

char _license[] SEC("license") = "GPL";
