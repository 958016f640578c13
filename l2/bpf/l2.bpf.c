// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * l2/bpf/l2.bpf.c: answers ARP requests and neighbour solicitations for the addresses in a map, at
 * the tc ingress of a device, with that device's MAC address.  What it does not answer goes on as it
 * came; what asks for an address of ours in a way that the RFCs forbid ends here.  Of addresses that
 * the daemon probes for it tells who has them, and lets all of it through.
 *
 * RFC 826 (ARP), RFC 5227 (probes, conflicts), RFC 4861 7 (neighbour discovery), RFC 4862 5.4
 * (duplicate address detection).  Of an asker nothing is remembered here: the kernel keeps neighbour
 * entries by its own means, and those of RFC 826 "merge" and RFC 4861 7.2.3 are hints for them.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "l2/l2_abi.h"

#define INLINE static __always_inline
#define VLAN_ID 0x0fff
#define READ_ONCE(x) (*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile typeof(x) *)&(x) = (v))
#define TELL_NS 1000000000ULL

#define ND_SOLICIT 135
#define ND_ADVERT 136
#define ND_LEN 24	 /* both of them, without options */
#define ND_MAX 256	 /* the longest that is looked at; all known options together are shorter */
#define ND_SOURCE_LINK 1 /* options */
#define ND_TARGET_LINK 2
#define NA_ROUTER 0x80
#define NA_SOLICITED 0x40
#define NA_OVERRIDE 0x20

/* Made and removed by the daemon. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct l2_key);
	__type(value, struct l2_entry);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} addrs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, struct l2_device);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} devices SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct l2_state);
	__uint(max_entries, 1);
} state SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, L2_NR_COUNTS);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} events SEC(".maps");

/* Made and removed by the daemon. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct l2_key);
	__type(value, struct l2_watch);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} watched SEC(".maps");

/* A message as it is looked at: too long for the stack. */
struct nd_scratch {
	__u8 b[ND_MAX];
	__u32 at, found; /* the option that is next; the one that was looked for, or 0 */
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct nd_scratch);
	__uint(max_entries, 1);
} scratch SEC(".maps");

struct arp4 {
	__be16 hrd, pro;
	__u8 hln, pln;
	__be16 op;
	__u8 sha[6];
	__u8 spa[4];
	__u8 tha[6];
	__u8 tpa[4];
} __attribute__((packed));

struct arp_frame {
	struct ethhdr eth;
	struct arp4 arp;
} __attribute__((packed));
_Static_assert(sizeof(struct arp_frame) == 42, "as on the wire");

struct nd_head {
	__u8 type, code;
	__be16 sum;
	__u8 flags, reserved[3];
	struct in6_addr target;
};

/* What stands in memory begins two bytes before the frame, so that words lie on their bounds. */
struct nd_frame {
	__u8 pad[2];
	struct ethhdr eth;
	struct ipv6hdr ip;
	struct nd_head nd;
	__u8 opt[2]; /* type, length in units of eight octets */
	__u8 mac[6];
};
#define ND_FRAME ((__u32)sizeof(struct nd_frame) - 2)
_Static_assert(ND_FRAME == 86, "as on the wire");

/* ---- what every step uses ---- */

INLINE void
count(__u32 what)
{
	__u64 *n = bpf_map_lookup_elem(&counters, &what);

	if (n)
		++*n;
}

INLINE bool
mac_eq(const __u8 *a, const __u8 *b)
{
	return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4]) |
	    (a[5] ^ b[5]));
}

/* Could a host have it?  Not a group's, not zero. */
INLINE bool
mac_is_host(const __u8 *a)
{
	return !(a[0] & 1) && (a[0] | a[1] | a[2] | a[3] | a[4] | a[5]);
}

/* Is the right to answer still there? */
INLINE bool
is_in_time(void)
{
	__u32 zero = 0;
	struct l2_state *c = bpf_map_lookup_elem(&state, &zero);
	__u64 until = c ? READ_ONCE(c->until_ns) : 0;

	return !until || bpf_ktime_get_boot_ns() < until;
}

/* False: the ring is full. */
INLINE bool
report(const struct l2_key *key, const __u8 *mac, __u32 claim, __u8 is_watched)
{
	struct l2_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event)
		return false;
	event->key = *key;
	__builtin_memcpy(event->mac, mac, 6);
	event->claim = (__u8)claim;
	event->watched = is_watched;
	bpf_ringbuf_submit(event, 0);
	return true;
}

/* Somebody with @mac claims what is ours. */
INLINE void
tell(struct l2_entry *e, const struct l2_key *key, const __u8 *mac, const __u32 claim)
{
	__u64 now = bpf_ktime_get_boot_ns();

	__sync_fetch_and_add(&e->claims[claim], 1);
	if (e->told_ns[claim] && now - e->told_ns[claim] < TELL_NS)
		return;
	e->told_ns[claim] = now;
	__builtin_memcpy(e->foreign[claim], mac, 6);
	(void)report(key, mac, claim, 0);
}

/*
 * Somebody with @mac has, or looks for, what is probed for; our own frames, given back, say nothing.
 * Another device of ours is known to the daemon: the next one that is heard is told as well.
 */
INLINE void
hear(const struct l2_key *key, const struct l2_device *dev, const __u8 *mac, const __u32 claim)
{
	struct l2_watch *w = bpf_map_lookup_elem(&watched, key);

	if (!w || mac_eq(mac, dev->mac))
		return;
	if (__sync_fetch_and_add(&w->heard, 1) && mac_eq(w->mac, mac))
		return;
	__builtin_memcpy(w->mac, mac, 6);
	w->claim = (__u8)claim;
	if (!report(key, mac, claim, 1))
		w->lost = 1;
}

/* Our answer stands in the frame: back to where the question came from, without its tag. */
INLINE int
send_back(struct __sk_buff *skb, struct l2_entry *e, __u32 what)
{
	if (skb->vlan_present && bpf_skb_vlan_pop(skb) < 0) {
		count(L2_FAILED);
		return TC_ACT_SHOT;
	}
	__sync_fetch_and_add(&e->answered, 1);
	count(what);
	return (int)bpf_redirect(skb->ifindex, 0);
}

/* ---- ARP ---- */

INLINE struct l2_entry *
entry4(const __u8 *addr, __u32 ifindex, struct l2_key *key)
{
	__builtin_memset(key, 0, sizeof(*key));
	__builtin_memcpy(&key->addr[0], addr, 4);
	key->ifindex = ifindex;
	key->family = 4;
	return bpf_map_lookup_elem(&addrs, key);
}

INLINE bool
arp_is_whole(const struct arp4 *a)
{
	return a->hrd == bpf_htons(1) && a->pro == bpf_htons(ETH_P_IP) && a->hln == 6 &&
	    a->pln == 4 && mac_is_host(a->sha);
}

/* RFC 826: the fields are swapped, the answer goes to the sender's hardware address. */
INLINE int
arp_answer(
    struct __sk_buff *skb, struct l2_entry *e, const struct l2_device *dev, struct arp_frame *f)
{
	__u32 spa, tpa;

	__builtin_memcpy(f->eth.h_dest, f->arp.sha, 6);
	__builtin_memcpy(f->eth.h_source, dev->mac, 6);
	f->arp.op = bpf_htons(2);
	__builtin_memcpy(f->arp.tha, f->arp.sha, 6);
	__builtin_memcpy(f->arp.sha, dev->mac, 6);
	/* The sender of a probe has no address yet: zero goes back to it (RFC 5227 2.1.1). */
	__builtin_memcpy(&spa, f->arp.spa, 4);
	__builtin_memcpy(&tpa, f->arp.tpa, 4);
	__builtin_memcpy(f->arp.tpa, &spa, 4);
	__builtin_memcpy(f->arp.spa, &tpa, 4);
	/* What padded the question is not given back. */
	if (bpf_skb_change_tail(skb, sizeof(*f), 0) < 0 ||
	    bpf_skb_store_bytes(skb, 0, f, sizeof(*f), BPF_F_RECOMPUTE_CSUM) < 0) {
		count(L2_FAILED);
		return TC_ACT_SHOT;
	}
	return send_back(skb, e, L2_ARP_ANSWERED);
}

INLINE int
arp_handle(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	struct l2_device *dev = bpf_map_lookup_elem(&devices, &ifindex);
	struct arp_frame f;
	struct l2_entry *e;
	struct l2_key key;
	bool probe;

	if (!dev)
		return TC_ACT_UNSPEC;
	if (bpf_skb_load_bytes(skb, 0, &f, sizeof(f)) < 0 || !arp_is_whole(&f.arp)) {
		count(L2_ARP_MALFORMED);
		return TC_ACT_UNSPEC;
	}
	/* RFC 5227 2.4: any packet, request or reply, with our address for its sender's. */
	probe = !(f.arp.spa[0] | f.arp.spa[1] | f.arp.spa[2] | f.arp.spa[3]);
	e = probe ? NULL : entry4(f.arp.spa, ifindex, &key);
	if (!probe)
		hear(&key, dev, f.arp.sha, L2_CLAIMS);
	if (e) {
		if (!mac_eq(f.arp.sha, dev->mac)) {
			count(L2_ARP_FOREIGN);
			tell(e, &key, f.arp.sha, L2_CLAIMS);
		}
		return TC_ACT_UNSPEC;
	}
	if (f.arp.op != bpf_htons(1))
		return TC_ACT_UNSPEC;
	e = entry4(f.arp.tpa, ifindex, &key);
	/* RFC 5227 2.1.1: who probes for the same address at the same time is as much in the way. */
	if (probe)
		hear(&key, dev, f.arp.sha, L2_PROBES);
	if (!e || mac_eq(f.arp.sha, dev->mac))
		return TC_ACT_UNSPEC;
	if (!is_in_time()) {
		count(L2_FENCED);
		return TC_ACT_SHOT;
	}
	if (probe) {
		count(L2_ARP_PROBE);
		tell(e, &key, f.arp.sha, L2_PROBES);
	}
	return arp_answer(skb, e, dev, &f);
}

/* ---- neighbour discovery ---- */

INLINE struct l2_entry *
entry6(const struct in6_addr *addr, __u32 ifindex, struct l2_key *key)
{
	__builtin_memset(key, 0, sizeof(*key));
	__builtin_memcpy(key->addr, addr, 16);
	key->ifindex = ifindex;
	key->family = 6;
	return bpf_map_lookup_elem(&addrs, key);
}

INLINE bool
is_unspecified(const struct in6_addr *a)
{
	return !(a->in6_u.u6_addr32[0] | a->in6_u.u6_addr32[1] | a->in6_u.u6_addr32[2] |
	    a->in6_u.u6_addr32[3]);
}

INLINE bool
addr6_eq(const struct in6_addr *a, const struct in6_addr *b)
{
	return !((a->in6_u.u6_addr32[0] ^ b->in6_u.u6_addr32[0]) |
	    (a->in6_u.u6_addr32[1] ^ b->in6_u.u6_addr32[1]) |
	    (a->in6_u.u6_addr32[2] ^ b->in6_u.u6_addr32[2]) |
	    (a->in6_u.u6_addr32[3] ^ b->in6_u.u6_addr32[3]));
}

INLINE bool
is_multicast(const struct in6_addr *a)
{
	return a->in6_u.u6_addr8[0] == 0xff;
}

/* ff02::1:ffXX:XXXX of the target: RFC 4291 2.7.1. */
INLINE bool
is_solicited_node(const struct in6_addr *a, const struct in6_addr *target)
{
	return a->in6_u.u6_addr32[0] == bpf_htonl(0xff020000) && !a->in6_u.u6_addr32[1] &&
	    a->in6_u.u6_addr32[2] == bpf_htonl(1) &&
	    a->in6_u.u6_addr32[3] == (target->in6_u.u6_addr32[3] | bpf_htonl(0xff000000));
}

INLINE __u16
fold(__u64 sum)
{
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32 & 0xffff) + (sum >> 48);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)sum;
}

/* Over the pseudo-header of RFC 8200 8.1: both addresses, which follow each other, length, 58. */
INLINE __u64
pseudo_sum(struct ipv6hdr *ip, __u32 len)
{
	__s64 sum = bpf_csum_diff(NULL, 0, (__be32 *)&ip->saddr, 32, 0);

	return (__u64)(__u32)sum + bpf_htonl(len) + bpf_htonl(IPPROTO_ICMPV6);
}

/* What the options of a message say. */
struct nd_options {
	bool bad;
	bool link; /* the link-layer address that was asked for is there */
	__u8 mac[6];
};

/*
 * The options of a message of @len bytes, ND_MAX at most, of which @want is looked for.  What the
 * walk knows lies in the map: the verifier does not follow it there, and sees one state in each
 * round.
 */
INLINE void
options_read(struct nd_scratch *m, __u32 len, __u8 want, struct nd_options *o)
{
	__u32 found;

	WRITE_ONCE(m->at, ND_LEN);
	WRITE_ONCE(m->found, 0);
	for (int i = 0; i < (ND_MAX - ND_LEN) / 8; i++) {
		__u32 at = READ_ONCE(m->at), units;

		if (at + 8 > len)
			break;
		at &= ND_MAX - 8; /* known to be so */
		units = m->b[at + 1];
		/* RFC 4861 7.1.1: all included options have a length that is greater than zero.
		 * 4.6.1: one unit holds the address of an Ethernet. */
		if (!units || (m->b[at] == want && units != 1))
			break;
		if (m->b[at] == want)
			WRITE_ONCE(m->found, at);
		WRITE_ONCE(m->at, at + units * 8);
	}
	found = READ_ONCE(m->found) & (ND_MAX - 8);
	o->link = found != 0;
	__builtin_memcpy(o->mac, &m->b[found + 2], 6);
	/* Options fill the message: none ends the walk, goes beyond its end or leaves a rest. */
	o->bad = READ_ONCE(m->at) != len || (o->link && !mac_is_host(o->mac));
}

/* RFC 4861 7.1.1 and 7.1.2, but for what concerns the target: that is ours.  0, or what is counted
 * of a message that is to be discarded, plus one. */
INLINE __u32
nd_check(struct __sk_buff *skb, struct ipv6hdr *ip, const struct nd_head *nd, struct nd_options *o)
{
	__u32 zero = 0, len = bpf_ntohs(ip->payload_len);
	struct nd_scratch *m = bpf_map_lookup_elem(&scratch, &zero);
	__s64 sum;

	if (!m)
		return L2_FAILED + 1;
	if (ip->hop_limit != 255)
		return L2_ND_HOP_LIMIT + 1;
	if (len < ND_LEN || len > ND_MAX)
		return L2_ND_SHORT + 1;
	if (nd->code)
		return L2_ND_CODE + 1;
	__builtin_memset(m->b, 0, sizeof(m->b));
	/* The compiler knows the bounds and leaves out what would show them to the verifier. */
	asm volatile("%0 &= 511" : "+r"(len));
	if (len == 0 || len > ND_MAX)
		return L2_ND_SHORT + 1;
	if (bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(*ip), m->b, len) < 0)
		return L2_ND_SHORT + 1;
	sum = bpf_csum_diff(NULL, 0, (__be32 *)m->b, sizeof(m->b), 0);
	if (fold((__u64)(__u32)sum + pseudo_sum(ip, len)) != 0xffff)
		return L2_ND_CHECKSUM + 1;
	options_read(m, len, nd->type == ND_SOLICIT ? ND_SOURCE_LINK : ND_TARGET_LINK, o);
	if (o->bad)
		return L2_ND_OPTION + 1;
	if (is_multicast(&ip->saddr))
		return L2_ND_ADDRESS + 1;
	return 0;
}

/*
 * RFC 4861 7.2.4.  The address is as good as one of the interface's own, so Override is set: the
 * asker may have another node's MAC address still.  Router says what the interface is, as it does
 * in the kernel's own advertisements from there; the target's link-layer address is always given.
 */
INLINE int
nd_answer(struct __sk_buff *skb, struct l2_entry *e, const struct l2_device *dev, const __u8 *to,
    struct nd_frame *f)
{
	bool unspecified = is_unspecified(&f->ip.saddr);
	__s64 sum;

	__builtin_memcpy(f->eth.h_source, dev->mac, 6);
	__builtin_memcpy(f->eth.h_dest, to, 6);
	f->ip.daddr = f->ip.saddr;
	f->nd.flags = NA_OVERRIDE | (dev->flags & L2_DEVICE_ROUTER ? NA_ROUTER : 0);
	if (unspecified) {
		/* To all nodes, and not as an answer to anybody. */
		f->eth.h_dest[0] = 0x33, f->eth.h_dest[1] = 0x33, f->eth.h_dest[2] = 0;
		f->eth.h_dest[3] = 0, f->eth.h_dest[4] = 0, f->eth.h_dest[5] = 1;
		f->ip.daddr.in6_u.u6_addr32[0] = bpf_htonl(0xff020000);
		f->ip.daddr.in6_u.u6_addr32[3] = bpf_htonl(1);
	} else {
		f->nd.flags |= NA_SOLICITED;
	}
	f->ip.saddr = f->nd.target;
	*(__be32 *)&f->ip = bpf_htonl(0x60000000); /* version; no class, no flow */
	f->ip.payload_len = bpf_htons(ND_LEN + 8);
	f->nd.type = ND_ADVERT;
	f->nd.code = 0;
	f->nd.sum = 0;
	__builtin_memset(f->nd.reserved, 0, sizeof(f->nd.reserved));
	f->opt[0] = ND_TARGET_LINK;
	f->opt[1] = 1;
	__builtin_memcpy(f->mac, dev->mac, 6);
	sum = bpf_csum_diff(NULL, 0, (__be32 *)&f->nd, ND_LEN + 8, 0);
	f->nd.sum = (__be16)~fold((__u64)(__u32)sum + pseudo_sum(&f->ip, ND_LEN + 8));
	if (bpf_skb_change_tail(skb, ND_FRAME, 0) < 0 ||
	    bpf_skb_store_bytes(skb, 0, &f->eth, ND_FRAME, BPF_F_RECOMPUTE_CSUM) < 0) {
		count(L2_FAILED);
		return TC_ACT_SHOT;
	}
	return send_back(skb, e, L2_ND_ANSWERED);
}

/* RFC 4861 7.1.1: from nowhere, so to the solicited-node group and without an address to answer to;
 * from anywhere else to the group or to us. */
INLINE bool
is_well_addressed(const struct nd_frame *f, const struct nd_options *o)
{
	bool to_group = is_solicited_node(&f->ip.daddr, &f->nd.target);

	if (is_unspecified(&f->ip.saddr))
		return !o->link && to_group;
	return to_group || !is_multicast(&f->ip.daddr);
}

/* A solicitation whose target is ours (@e) or probed for. */
INLINE int
nd_solicited(struct __sk_buff *skb, struct l2_entry *e, const struct l2_key *key,
    const struct l2_device *dev, const struct nd_options *o, struct nd_frame *f)
{
	bool unspecified = is_unspecified(&f->ip.saddr);
	__u8 to[6];

	if (!is_well_addressed(f, o)) {
		count(L2_ND_ADDRESS);
		return e ? TC_ACT_SHOT : TC_ACT_UNSPEC;
	}
	if (o->link)
		__builtin_memcpy(to, o->mac, 6);
	else
		__builtin_memcpy(to, f->eth.h_source, 6);
	if (unspecified)
		hear(key, dev, to, L2_PROBES);
	else if (addr6_eq(&f->ip.saddr, &f->nd.target))
		hear(key, dev, to, L2_CLAIMS);
	if (!e)
		return TC_ACT_UNSPEC;
	if (mac_eq(to, dev->mac) || !mac_is_host(to))
		return TC_ACT_SHOT;
	if (addr6_eq(&f->ip.saddr, &f->nd.target)) {
		count(L2_ND_FOREIGN);
		tell(e, key, to, L2_CLAIMS);
		return TC_ACT_SHOT;
	}
	if (!is_in_time()) {
		count(L2_FENCED);
		return TC_ACT_SHOT;
	}
	if (unspecified) {
		count(L2_ND_PROBE);
		tell(e, key, to, L2_PROBES);
	}
	return nd_answer(skb, e, dev, to, f);
}

/* Somebody advertises what is ours (@e) or probed for: RFC 4862 5.4.4. */
INLINE int
nd_advertised(struct l2_entry *e, const struct l2_key *key, const struct l2_device *dev,
    const struct nd_options *o, const struct nd_frame *f)
{
	__u8 from[6];

	/* RFC 4861 7.1.2: what goes to many is no answer. */
	if (is_multicast(&f->ip.daddr) && f->nd.flags & NA_SOLICITED) {
		count(L2_ND_ADDRESS);
		return TC_ACT_UNSPEC;
	}
	if (o->link)
		__builtin_memcpy(from, o->mac, 6);
	else
		__builtin_memcpy(from, f->eth.h_source, 6);
	hear(key, dev, from, L2_CLAIMS);
	if (e && !mac_eq(from, dev->mac)) {
		count(L2_ND_FOREIGN);
		tell(e, key, from, L2_CLAIMS);
	}
	return TC_ACT_UNSPEC;
}

/* Is it a solicitation or an advertisement?  Of all that is IPv6 the least is looked at: extension
 * headers have no place here.  Too short for a target: the kernel, too, discards it. */
INLINE bool
nd_load(struct __sk_buff *skb, struct nd_frame *f)
{
	__u8 type[1];

	if (bpf_skb_load_bytes(skb, ETH_HLEN + 6, type, 1) < 0 || type[0] != IPPROTO_ICMPV6 ||
	    bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(f->ip), type, 1) < 0 ||
	    (type[0] != ND_SOLICIT && type[0] != ND_ADVERT))
		return false;
	__builtin_memset(f, 0, sizeof(*f));
	return bpf_skb_load_bytes(skb, 0, &f->eth, ETH_HLEN + sizeof(f->ip) + ND_LEN) == 0 &&
	    f->ip.version == 6;
}

INLINE int
nd_handle(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex, why;
	struct nd_options o;
	struct l2_device *dev;
	struct nd_frame f;
	struct l2_entry *e;
	struct l2_key key;

	if (!nd_load(skb, &f))
		return TC_ACT_UNSPEC;
	e = entry6(&f.nd.target, ifindex, &key);
	dev = bpf_map_lookup_elem(&devices, &ifindex);
	if (!dev || (!e && !bpf_map_lookup_elem(&watched, &key)))
		return TC_ACT_UNSPEC;
	why = nd_check(skb, &f.ip, &f.nd, &o);
	if (why) {
		count(why - 1);
		return e ? TC_ACT_SHOT : TC_ACT_UNSPEC;
	}
	return f.nd.type == ND_SOLICIT ? nd_solicited(skb, e, &key, dev, &o, &f)
				       : nd_advertised(e, &key, dev, &o, &f);
}

SEC("tc")
int
herald_l2(struct __sk_buff *skb)
{
	/* A tagged frame is the business of the device of its VLAN; a tag that names none (IEEE 802.1Q
	 * 6.9: priority only) changes nothing.  What is for another host's MAC address is only seen
	 * because the device shows it. */
	if ((skb->vlan_present && skb->vlan_tci & VLAN_ID) || skb->pkt_type == PACKET_OTHERHOST)
		return TC_ACT_UNSPEC;
	if (skb->protocol == bpf_htons(ETH_P_ARP))
		return arp_handle(skb);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return nd_handle(skb);
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "Dual BSD/GPL";
