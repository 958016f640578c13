/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * datapath/bpf/base.h: what every stage stands on: what a packet says, what is to become of it,
 * the clock, counters and records.
 */
#ifndef HERALD_BPF_BASE_H
#define HERALD_BPF_BASE_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "datapath/bpf/maps.h"

#define INLINE static __always_inline
#define READ_ONCE(x) (*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile typeof(x) *)&(x) = (v))
/* The compiler may neither join nor delay what stands before and after. */
#define BARRIER() asm volatile("" ::: "memory")

#define AF_INET 2
#define AF_INET6 10
#define LB_ROW_NONE 0xffffffffU /* in the map of frontends: the address, without the port */

/* Not a reason: the fast path cannot finish this packet, whoever comes next does it from the start. */
#define LB_PUNT LB_NR_WHY

/* Options, set before loading: numbers of blocks of flows and of next hops, less one. */
const volatile __u32 flow4_mask = 1023, flow6_mask = 255, hop_mask = 65535;

/* From linux/icmp.h, which draws the C library in. */
enum {
	ICMP_ECHOREPLY = 0,
	ICMP_DEST_UNREACH = 3,
	ICMP_ECHO = 8,
	ICMP_TIME_EXCEEDED = 11,
	ICMP_PARAMETERPROB = 12,
	ICMP_PORT_UNREACH = 3,
	ICMP_FRAG_NEEDED = 4
};

/* In skb->cb, what the fast path tells the slow one. */
enum { CB_TURN, CB_HOOK };
#define CB_DECAPSULATED 0x48 /* CB_TURN: an outer header was taken off */

/* What a packet says.  Ports are zero where there are none. */
struct pkt {
	struct lb_addr saddr, daddr;
	__be16 sport, dport;
	__u8 proto;
	__u8 tcp;  /* its flags, FLAG_* */
	__u8 from; /* filter bits of the source, and of the destination */
	__u8 to;
	__u32 len; /* from the IP header on */
	bool decapsulated;
};

#define FLAG_FIN 0x01
#define FLAG_SYN 0x02
#define FLAG_RST 0x04
#define FLAG_ACK 0x10

/* What is to become of it. */
struct way {
	struct lb_addr saddr, daddr; /* as it goes on */
	__be16 sport, dport;
	bool reply; /* from a backend to a client */
	bool fresh; /* the first of its flow */
	bool encap; /* goes as it is, in an outer header to the backend's node */
	__u32 fe, be;
	__u32 be_flags;
	__u32 now; /* ticks */
};

/* As slow.h finds the headers. */
struct slow {
	__u32 l4; /* offset from the frame's start */
	__u8 ttl, tos;
	bool df;       /* nobody on the way may cut it */
	bool fragment; /* of several; `rest`: not the first of them */
	bool rest;
	__u32 id;
};

/* The packet that an ICMP error quotes, and the ends that it shall show. */
struct quoted {
	struct lb_addr saddr, daddr;
	__be16 sport, dport;
	__u8 proto;
	__u16 check; /* of IPv4 */
	__u32 l3, l4;
};
struct requote {
	struct lb_addr saddr, daddr;
	__be16 sport, dport;
};

/* One end of a flow, and the port that we gave it (twins). */
struct end {
	struct lb_addr addr;
	__be16 port, snat;
};

/*
 * What stages hand to each other that are functions of their own to the verifier (it looks at each
 * once, with nothing known of the caller), and what does not fit the stack.  One a processor:
 * programs on devices do not interrupt each other.
 */
struct scratch {
	/* the packet that is at work */
	struct pkt p;
	struct way w;
	struct slow s;
	__u32 now, hash;
	/* an entry of the flow tables */
	struct end client;
	__u32 old_way; /* WAY_NONE: none */
	__u32 room;    /* a way that was free, or WAY_NONE */
	bool kin;      /* the client's end has other entries */
	__u64 key, value;
	int verdict;
	__u32 mtu; /* that a packet is too long for */
	/* keys and answers of maps */
	struct lb_fe_key fe;
	struct lb_range_key range;
	struct lb_affinity_key affinity_key;
	struct lb_affinity affinity;
	struct bpf_fib_lookup fib;
	struct lb_frag_key frag_key;
	struct pkt inner;
	struct way inner_way;
	struct quoted quoted;
	struct requote requote;
	__u8 chunk[128] __attribute__((aligned(8)));
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct scratch);
	__uint(max_entries, 1);
} scratch SEC(".maps");

INLINE struct scratch *
the_scratch(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratch, &zero);
}

INLINE bool
addr_eq(const struct lb_addr *a, const struct lb_addr *b, const bool v6)
{
	if (!v6)
		return a->w[0] == b->w[0];
	return !(
	    (a->w[0] ^ b->w[0]) | (a->w[1] ^ b->w[1]) | (a->w[2] ^ b->w[2]) | (a->w[3] ^ b->w[3]));
}

INLINE bool
addr_is_zero(const struct lb_addr *a)
{
	return !(a->w[0] | a->w[1] | a->w[2] | a->w[3]);
}

INLINE struct lb_conf *
the_conf(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&conf, &zero);
}

INLINE struct lb_fe_row *
fe_row(__u32 i)
{
	return bpf_map_lookup_elem(&fe_rows, &i);
}

INLINE struct lb_be_row *
be_row(__u32 i)
{
	return bpf_map_lookup_elem(&be_rows, &i);
}

INLINE __u32
now_ticks(void)
{
#ifdef LB_NO_ATOMICS
	return (__u32)(bpf_ktime_get_ns() >> LB_TICK_SHIFT);
#else
	return (__u32)(bpf_ktime_get_coarse_ns() >> LB_TICK_SHIFT);
#endif
}

/* What the filter knows of both ends of a packet. */
INLINE bool
filter_pkt(struct pkt *p)
{
	__u32 zero = 0;
	struct lb_filter *f = bpf_map_lookup_elem(&filter, &zero);

	if (!f)
		return false;
	p->from = f->bits[lb_filter_index(&p->saddr) & (LB_FILTER_SIZE - 1)];
	p->to = f->bits[lb_filter_index(&p->daddr) & (LB_FILTER_SIZE - 1)];
	return (p->from & LB_IS_BACKEND) | (p->to & LB_IS_VIP);
}

INLINE void
count(__u32 i)
{
	__u64 *n = bpf_map_lookup_elem(&counters, &i);

	if (n)
		(*n)++;
}

INLINE void
count_flow(const struct way *w, __u32 len)
{
	struct lb_count *c = bpf_map_lookup_elem(&fe_counts, &w->fe);

	if (c) {
		c->packets++;
		c->bytes += len;
		c->flows += w->fresh;
	}
	c = bpf_map_lookup_elem(&be_counts, &w->be);
	if (c) {
		c->packets++;
		c->bytes += len;
		c->flows += w->fresh;
	}
}

/* ---- records ---- */

INLINE bool
observed(const struct lb_conf *c, const struct pkt *p, const struct way *w, __u32 service)
{
	if (c->observe_service && c->observe_service != service)
		return false;
	return addr_is_zero(&c->observe) || addr_eq(&c->observe, &p->saddr, true) ||
	    addr_eq(&c->observe, &p->daddr, true) || (w && addr_eq(&c->observe, &w->daddr, true));
}

/* About the packet in scratch, and its way when it has one.  @where: hook, and the family above. */
__noinline int
lb_observe(__u32 why, __u32 where, __u32 ifindex)
{
	const bool has_way = why == LB_FORWARDED || why == LB_REPLIED;
	struct scratch *tmp = the_scratch();
	struct lb_conf *c = the_conf();
	struct lb_fe_row *fe;
	struct lb_event *e;

	if (!c || !tmp)
		return 0;
	fe = has_way ? fe_row(tmp->w.fe) : NULL;
	if (!observed(c, &tmp->p, has_way ? &tmp->w : NULL, fe ? fe->service : 0))
		return 0;
	if (has_way && c->observe_sample > 1 && bpf_get_prandom_u32() % c->observe_sample)
		return 0;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e)
		return 0;
	__builtin_memset(e, 0, sizeof(*e));
	e->ns = bpf_ktime_get_ns();
	e->client = tmp->p.saddr;
	e->client_port = tmp->p.sport;
	e->vip = tmp->p.daddr;
	e->vip_port = tmp->p.dport;
	if (has_way) {
		e->backend = tmp->w.daddr;
		e->backend_port = tmp->w.dport;
		e->snat = !addr_eq(&tmp->w.saddr, &tmp->p.saddr, true);
		e->frontend = tmp->w.fe;
		e->service = fe ? fe->service : 0;
	}
	e->proto = tmp->p.proto;
	e->family = (__u8)(where >> 8);
	e->why = (__u8)why;
	e->hook = (__u8)where;
	e->tcp_flags = tmp->p.tcp;
	e->ifindex = ifindex;
	bpf_ringbuf_submit(e, 0);
	return 0;
}

/* Account for what was done, once for each packet. */
/* The flow was made here; who sends its first packet will find it there, so it is told of now. */
INLINE void
account_made(const struct lb_conf *c, const struct pkt *p, const struct way *w, const int hook,
    const bool v6, __u32 ifindex)
{
	struct scratch *tmp = the_scratch();
	struct lb_count *n = bpf_map_lookup_elem(&fe_counts, &w->fe);

	if (!w->fresh || !tmp)
		return;
	if (n)
		n->flows++;
	n = bpf_map_lookup_elem(&be_counts, &w->be);
	if (n)
		n->flows++;
	if (!(READ_ONCE(c->flags) & LB_CONF_OBSERVE_NEW))
		return;
	tmp->p = *p;
	tmp->w = *w;
	lb_observe(LB_FORWARDED, (__u32)hook | (v6 ? 6 : 4) << 8, ifindex);
}

INLINE void
account(const struct lb_conf *c, const struct pkt *p, const struct way *w, __u32 why,
    const int hook, const bool v6, __u32 ifindex)
{
	const bool has_way = why == LB_FORWARDED || why == LB_REPLIED;
	const __u32 asked = READ_ONCE(c->flags);
	struct scratch *tmp;

	count(why);
	if (has_way)
		count_flow(w, p->len);
	if (!(asked & (LB_CONF_OBSERVE_NEW | LB_CONF_OBSERVE_DROP)))
		return;
	if (!(has_way && w->fresh && asked & LB_CONF_OBSERVE_NEW) &&
	    !(why >= LB_NR_FINE && asked & LB_CONF_OBSERVE_DROP))
		return;
	tmp = the_scratch();
	if (!tmp)
		return;
	tmp->p = *p;
	tmp->w = *w;
	lb_observe(why, (__u32)hook | (v6 ? 6 : 4) << 8, ifindex);
}

#endif
