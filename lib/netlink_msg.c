/*
 * lib/netlink_msg.c: rtnetlink messages to plain structs and back.  Stands between the kernel's
 * bytes and lib/netlink.c; every attribute's length is checked before it is read.
 */
#include "lib/netlink_msg.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>

#define WEIGHT_MAX 256

static enum addr_family
family_of(int af)
{
	return af == AF_INET ? ADDR_V4 : af == AF_INET6 ? ADDR_V6 : ADDR_NONE;
}

static uint8_t
af_of(enum addr_family f)
{
	return f == ADDR_V4 ? AF_INET : AF_INET6;
}

/* An attribute that is an address of family @f; false when it is too short for one. */
static bool
attr_addr(const struct nlattr *nla, enum addr_family f, struct addr *a)
{
	size_t len = addr_bits(f) / 8;

	if ((size_t)nla_len(nla) < len)
		return false;
	*a = (struct addr){ .family = (uint8_t)f };
	memcpy(a->b, nla_data(nla), len);
	return true;
}

/* RTA_VIA: a gateway that names its own family (RFC 8950: IPv4 by an IPv6 next hop). */
static bool
attr_via(const struct nlattr *nla, struct addr *a)
{
	struct rtvia via;
	enum addr_family f;
	size_t len;

	if ((size_t)nla_len(nla) < sizeof(via))
		return false;
	memcpy(&via, nla_data(nla), sizeof(via));
	f = family_of(via.rtvia_family);
	len = addr_bits(f) / 8;
	if (len == 0 || (size_t)nla_len(nla) < sizeof(via) + len)
		return false;
	*a = (struct addr){ .family = (uint8_t)f };
	memcpy(a->b, (const uint8_t *)nla_data(nla) + sizeof(via), len);
	return true;
}

/* ---- decoding ---- */

/* IFLA_INFO_DATA of a VXLAN device. */
static int
vxlan_decode(struct nlattr *data, struct nl_link *l)
{
	static const struct nla_policy policy[IFLA_VXLAN_MAX + 1] = {
		[IFLA_VXLAN_ID] = { .type = NLA_U32 },
		[IFLA_VXLAN_PORT] = { .type = NLA_U16 },
		[IFLA_VXLAN_LEARNING] = { .type = NLA_U8 },
	};
	struct nlattr *at[IFLA_VXLAN_MAX + 1];

	if (nla_parse_nested(at, IFLA_VXLAN_MAX, data, policy) < 0)
		return -EBADMSG;
	if (at[IFLA_VXLAN_ID])
		l->vxlan.vni = nla_get_u32(at[IFLA_VXLAN_ID]);
	if (at[IFLA_VXLAN_PORT])
		l->vxlan.port = ntohs(nla_get_u16(at[IFLA_VXLAN_PORT]));
	l->vxlan.learning = at[IFLA_VXLAN_LEARNING] && nla_get_u8(at[IFLA_VXLAN_LEARNING]);
	if (at[IFLA_VXLAN_LOCAL] && !attr_addr(at[IFLA_VXLAN_LOCAL], ADDR_V4, &l->vxlan.local))
		return -EBADMSG;
	if (at[IFLA_VXLAN_LOCAL6] && !attr_addr(at[IFLA_VXLAN_LOCAL6], ADDR_V6, &l->vxlan.local))
		return -EBADMSG;
	return 0;
}

/* IFLA_LINKINFO and IFLA_XDP: what kind of link it is, and who runs on it. */
static int
link_nests_decode(struct nlattr *const *at, struct nl_link *l)
{
	static const struct nla_policy info_policy[IFLA_INFO_MAX + 1] = {
		[IFLA_INFO_KIND] = { .type = NLA_STRING },
	};
	static const struct nla_policy xdp_policy[IFLA_XDP_MAX + 1] = {
		[IFLA_XDP_ATTACHED] = { .type = NLA_U8 },
	};
	struct nlattr *info[IFLA_INFO_MAX + 1], *xdp[IFLA_XDP_MAX + 1];
	uint8_t mode;

	if (at[IFLA_LINKINFO]) {
		if (nla_parse_nested(info, IFLA_INFO_MAX, at[IFLA_LINKINFO], info_policy) < 0)
			return -EBADMSG;
		if (info[IFLA_INFO_KIND])
			nla_strlcpy(l->kind, info[IFLA_INFO_KIND], sizeof(l->kind));
		if (strcmp(l->kind, "vxlan") == 0 && info[IFLA_INFO_DATA] &&
		    vxlan_decode(info[IFLA_INFO_DATA], l) < 0)
			return -EBADMSG;
	}
	if (at[IFLA_XDP]) {
		if (nla_parse_nested(xdp, IFLA_XDP_MAX, at[IFLA_XDP], xdp_policy) < 0)
			return -EBADMSG;
		mode = xdp[IFLA_XDP_ATTACHED] ? nla_get_u8(xdp[IFLA_XDP_ATTACHED]) : 0;
		l->xdp_native = mode == XDP_ATTACHED_DRV || mode == XDP_ATTACHED_MULTI;
	}
	return 0;
}

int
nlm_link_decode(const struct nlmsghdr *h, struct nl_link *out)
{
	static const struct nla_policy policy[IFLA_MAX + 1] = {
		[IFLA_IFNAME] = { .type = NLA_STRING, .maxlen = IFNAMSIZ },
		[IFLA_MTU] = { .type = NLA_U32 },
		[IFLA_MASTER] = { .type = NLA_U32 },
	};
	struct nlmsghdr *msg = (struct nlmsghdr *)(uintptr_t)h; /* libnl takes no const */
	struct nlattr *at[IFLA_MAX + 1];
	struct nl_link l = { 0 };
	struct ifinfomsg ifi;

	if (!nlmsg_valid_hdr(h, sizeof(ifi)))
		return -EBADMSG;
	memcpy(&ifi, nlmsg_data(h), sizeof(ifi));
	/* A bridge tells of its ports in a family of its own; a port that goes is still a link. */
	if (ifi.ifi_family != AF_UNSPEC)
		return -EAFNOSUPPORT;
	if (nlmsg_parse(msg, sizeof(ifi), at, IFLA_MAX, policy) < 0 || ifi.ifi_index <= 0 ||
	    !at[IFLA_IFNAME])
		return -EBADMSG;
	l.ifindex = (unsigned)ifi.ifi_index;
	nla_strlcpy(l.name, at[IFLA_IFNAME], sizeof(l.name));
	l.up = ifi.ifi_flags & IFF_UP;
	l.running = l.up && (ifi.ifi_flags & IFF_RUNNING);
	l.loopback = ifi.ifi_flags & IFF_LOOPBACK;
	if (at[IFLA_MTU])
		l.mtu = nla_get_u32(at[IFLA_MTU]);
	if (at[IFLA_MASTER])
		l.master = nla_get_u32(at[IFLA_MASTER]);
	if (at[IFLA_ADDRESS] && nla_len(at[IFLA_ADDRESS]) == sizeof(l.mac))
		memcpy(l.mac, nla_data(at[IFLA_ADDRESS]), sizeof(l.mac));
	l.type = ifi.ifi_type;
	l.other_netns = at[IFLA_LINK_NETNSID];
	if (link_nests_decode(at, &l) < 0)
		return -EBADMSG;
	*out = l;
	return 0;
}

int
nlm_ifaddr_decode(const struct nlmsghdr *h, struct nl_ifaddr *out)
{
	static const struct nla_policy policy[IFA_MAX + 1] = {
		[IFA_FLAGS] = { .type = NLA_U32 },
	};
	struct nlmsghdr *msg = (struct nlmsghdr *)(uintptr_t)h;
	struct nlattr *at[IFA_MAX + 1], *own;
	struct addr peer;
	struct nl_ifaddr a = { 0 };
	struct ifaddrmsg ifa;
	enum addr_family f;

	if (!nlmsg_valid_hdr(h, sizeof(ifa)))
		return -EBADMSG;
	memcpy(&ifa, nlmsg_data(h), sizeof(ifa));
	f = family_of(ifa.ifa_family);
	if (f == ADDR_NONE)
		return -EAFNOSUPPORT;
	if (nlmsg_parse(msg, sizeof(ifa), at, IFA_MAX, policy) < 0)
		return -EBADMSG;
	/* IFA_LOCAL is our own, IFA_ADDRESS then what is at the other end; alone it is our own. */
	own = at[IFA_LOCAL] ? at[IFA_LOCAL] : at[IFA_ADDRESS];
	if (!own || !attr_addr(own, f, &a.addr))
		return -EBADMSG;
	if (!attr_addr(at[IFA_ADDRESS] ? at[IFA_ADDRESS] : own, f, &peer))
		return -EBADMSG;
	a.ifindex = ifa.ifa_index;
	a.link = prefix_of(&peer, ifa.ifa_prefixlen);
	a.scope = ifa.ifa_scope;
	a.flags = at[IFA_FLAGS] ? nla_get_u32(at[IFA_FLAGS]) : ifa.ifa_flags;
	*out = a;
	return 0;
}

/* The gateway among @at, of the route's family or with its own. */
static int
gateway_decode(struct nlattr *const *at, enum addr_family f, struct addr *gw)
{
	*gw = (struct addr){ 0 };
	if (at[RTA_GATEWAY] && !attr_addr(at[RTA_GATEWAY], f, gw))
		return -EBADMSG;
	if (at[RTA_VIA] && !attr_via(at[RTA_VIA], gw))
		return -EBADMSG;
	return 0;
}

/* RTA_MULTIPATH: a row of struct rtnexthop, each with attributes of its own. */
static int
multipath_decode(const struct nlattr *nla, enum addr_family f, struct nl_hop *hops, size_t *nr_hops)
{
	const uint8_t *p = nla_data(nla);
	size_t left = (size_t)nla_len(nla), nr = 0;
	struct nlattr *at[RTA_MAX + 1];
	struct rtnexthop nh;
	int err;

	for (; left >= sizeof(nh); nr++) {
		size_t step;

		memcpy(&nh, p, sizeof(nh));
		if (nh.rtnh_len < sizeof(nh) || nh.rtnh_len > left)
			return -EBADMSG;
		if (nr == NL_HOPS_MAX)
			return -E2BIG;
		err = nla_parse(at, RTA_MAX, (struct nlattr *)(uintptr_t)(p + sizeof(nh)),
		    nh.rtnh_len - (int)sizeof(nh), NULL);
		if (err < 0)
			return -EBADMSG;
		hops[nr] = (struct nl_hop){
			.ifindex = (unsigned)nh.rtnh_ifindex,
			.weight = nh.rtnh_hops + 1u,
			.onlink = nh.rtnh_flags & RTNH_F_ONLINK,
			.dead = nh.rtnh_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN),
		};
		err = gateway_decode(at, f, &hops[nr].gateway);
		if (err < 0)
			return err;
		step = RTNH_ALIGN(nh.rtnh_len);
		p += step < left ? step : left;
		left -= step < left ? step : left;
	}
	*nr_hops = nr;
	return 0;
}

/* The hops of a route, whichever way the kernel wrote them. */
static int
hops_decode(const struct rtmsg *rtm, struct nlattr *const *at, struct nl_hop *hops, size_t *nr)
{
	enum addr_family f = family_of(rtm->rtm_family);

	if (at[RTA_MULTIPATH])
		return multipath_decode(at[RTA_MULTIPATH], f, hops, nr);
	if (!at[RTA_OIF] && !at[RTA_GATEWAY] && !at[RTA_VIA])
		return 0;
	hops[0] = (struct nl_hop){
		.ifindex = at[RTA_OIF] ? nla_get_u32(at[RTA_OIF]) : 0,
		.weight = 1,
		.onlink = rtm->rtm_flags & RTNH_F_ONLINK,
		.dead = rtm->rtm_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN),
	};
	*nr = 1;
	return gateway_decode(at, f, &hops[0].gateway);
}

static int
route_decode(const struct nlmsghdr *h, struct nl_route *out, struct nl_hop *hops, bool cloned)
{
	static const struct nla_policy policy[RTA_MAX + 1] = {
		[RTA_TABLE] = { .type = NLA_U32 },
		[RTA_PRIORITY] = { .type = NLA_U32 },
		[RTA_OIF] = { .type = NLA_U32 },
	};
	struct nlmsghdr *msg = (struct nlmsghdr *)(uintptr_t)h;
	struct nlattr *at[RTA_MAX + 1];
	struct nl_route r = { .hops = hops };
	enum addr_family f;
	struct addr dst;
	struct rtmsg rtm;
	int err;

	if (!nlmsg_valid_hdr(h, sizeof(rtm)))
		return -EBADMSG;
	memcpy(&rtm, nlmsg_data(h), sizeof(rtm));
	f = family_of(rtm.rtm_family);
	/* Cached, or made for a question: not a route. */
	if (f == ADDR_NONE || ((rtm.rtm_flags & RTM_F_CLONED) && !cloned))
		return -EAFNOSUPPORT;
	if (nlmsg_parse(msg, sizeof(rtm), at, RTA_MAX, policy) < 0)
		return -EBADMSG;
	dst = (struct addr){ .family = (uint8_t)f };
	if (at[RTA_DST] && !attr_addr(at[RTA_DST], f, &dst))
		return -EBADMSG;
	if (at[RTA_PREFSRC] && !attr_addr(at[RTA_PREFSRC], f, &r.source))
		return -EBADMSG;
	r.prefix = prefix_of(&dst, rtm.rtm_dst_len);
	r.table = at[RTA_TABLE] ? nla_get_u32(at[RTA_TABLE]) : rtm.rtm_table;
	r.metric = at[RTA_PRIORITY] ? nla_get_u32(at[RTA_PRIORITY]) : 0;
	r.protocol = rtm.rtm_protocol;
	r.type = rtm.rtm_type;
	err = hops_decode(&rtm, at, hops, &r.nr_hops);
	if (err < 0)
		return err;
	*out = r;
	return 0;
}

int
nlm_route_decode(const struct nlmsghdr *h, struct nl_route *out, struct nl_hop *hops)
{
	return route_decode(h, out, hops, false);
}

int
nlm_lookup_decode(const struct nlmsghdr *h, struct nl_route *out, struct nl_hop *hops)
{
	return route_decode(h, out, hops, true);
}

int
nlm_neigh_decode(const struct nlmsghdr *h, struct nl_neigh *out)
{
	struct nlmsghdr *msg = (struct nlmsghdr *)(uintptr_t)h;
	struct nlattr *at[NDA_MAX + 1];
	struct nl_neigh n = { 0 };
	enum addr_family f;
	struct ndmsg ndm;

	if (!nlmsg_valid_hdr(h, sizeof(ndm)))
		return -EBADMSG;
	memcpy(&ndm, nlmsg_data(h), sizeof(ndm));
	f = family_of(ndm.ndm_family); /* AF_BRIDGE: a forwarding entry */
	if (f == ADDR_NONE || (ndm.ndm_flags & NTF_PROXY))
		return -EAFNOSUPPORT;
	if (nlmsg_parse(msg, sizeof(ndm), at, NDA_MAX, NULL) < 0 || ndm.ndm_ifindex <= 0 ||
	    !at[NDA_DST] || !attr_addr(at[NDA_DST], f, &n.addr))
		return -EBADMSG;
	n.ifindex = (unsigned)ndm.ndm_ifindex;
	n.state = ndm.ndm_state;
	if (at[NDA_LLADDR] && nla_len(at[NDA_LLADDR]) == sizeof(n.mac)) {
		memcpy(n.mac, nla_data(at[NDA_LLADDR]), sizeof(n.mac));
		n.has_mac = true;
	}
	*out = n;
	return 0;
}

/* ---- encoding ---- */

static bool
needs_hops(const struct nl_route *r)
{
	return r->type == RTN_UNSPEC || r->type == RTN_UNICAST;
}

static int
route_check(enum nl_act act, const struct nl_route *r)
{
	if (!addr_is_set(&r->prefix.addr))
		return -EINVAL;
	if (act == NL_REMOVE)
		return 0;
	if (r->nr_hops > NL_HOPS_MAX || (r->nr_hops == 0) == needs_hops(r))
		return -EINVAL;
	for (size_t i = 0; i < r->nr_hops; i++) {
		const struct nl_hop *hop = &r->hops[i];

		if (hop->weight > WEIGHT_MAX || (!addr_is_set(&hop->gateway) && !hop->ifindex))
			return -EINVAL;
		if (r->prefix.addr.family == ADDR_V6 && hop->gateway.family == ADDR_V4)
			return -EINVAL;
	}
	return 0;
}

static int
addr_put(struct nl_msg *m, int type, const struct addr *a)
{
	return nla_put(m, type, (int)addr_bits(a->family) / 8, a->b);
}

static int
gateway_put(struct nl_msg *m, const struct nl_hop *hop, uint8_t family)
{
	uint8_t via[sizeof(struct rtvia) + sizeof(hop->gateway.b)];
	struct rtvia head = { .rtvia_family = af_of(hop->gateway.family) };
	size_t len = addr_bits(hop->gateway.family) / 8;

	if (!addr_is_set(&hop->gateway))
		return 0;
	if (hop->gateway.family == family)
		return addr_put(m, RTA_GATEWAY, &hop->gateway);
	memcpy(via, &head, sizeof(head));
	memcpy(via + sizeof(head), hop->gateway.b, len);
	return nla_put(m, RTA_VIA, (int)(sizeof(head) + len), via);
}

static int
multipath_put(struct nl_msg *m, const struct nl_route *r)
{
	struct nlattr *nest = nla_nest_start(m, RTA_MULTIPATH);
	int err = nest ? 0 : -NLE_MSGSIZE;

	for (size_t i = 0; err == 0 && i < r->nr_hops; i++) {
		const struct nl_hop *hop = &r->hops[i];
		struct rtnexthop nh = {
			.rtnh_hops = (uint8_t)(hop->weight ? hop->weight - 1 : 0),
			.rtnh_flags = hop->onlink ? RTNH_F_ONLINK : 0,
			.rtnh_ifindex = (int)hop->ifindex,
		};
		uint32_t start = nlmsg_hdr(m)->nlmsg_len;

		err = nlmsg_append(m, &nh, sizeof(nh), NLMSG_ALIGNTO);
		if (err == 0)
			err = gateway_put(m, hop, r->prefix.addr.family);
		if (err < 0)
			break;
		nh.rtnh_len = (uint16_t)(nlmsg_hdr(m)->nlmsg_len - start);
		memcpy((uint8_t *)nlmsg_hdr(m) + start, &nh, sizeof(nh));
	}
	if (err == 0)
		nla_nest_end(m, nest);
	return err;
}

static int
hops_put(struct nl_msg *m, const struct nl_route *r)
{
	int err;

	if (r->nr_hops != 1)
		return r->nr_hops ? multipath_put(m, r) : 0;
	err = gateway_put(m, r->hops, r->prefix.addr.family);
	if (err == 0 && r->hops->ifindex)
		err = nla_put_u32(m, RTA_OIF, r->hops->ifindex);
	return err;
}

static struct rtmsg
route_head(enum nl_act act, const struct nl_route *r, uint32_t table)
{
	struct rtmsg rtm = {
		.rtm_family = af_of(r->prefix.addr.family),
		.rtm_dst_len = r->prefix.len,
		.rtm_table = table < 256 ? (uint8_t)table : RT_TABLE_COMPAT,
		.rtm_protocol = r->protocol,
		.rtm_type = r->type ? r->type : RTN_UNICAST,
		.rtm_scope = RT_SCOPE_UNIVERSE,
	};

	if (act == NL_REMOVE) {
		rtm.rtm_type = RTN_UNSPEC; /* and any scope: what is there is meant */
		rtm.rtm_scope = RT_SCOPE_NOWHERE;
	} else if (r->nr_hops == 1) {
		if (r->hops->onlink)
			rtm.rtm_flags = RTNH_F_ONLINK;
		if (!addr_is_set(&r->hops->gateway) && rtm.rtm_family == AF_INET)
			rtm.rtm_scope = RT_SCOPE_LINK;
	}
	return rtm;
}

struct nl_msg *
nlm_route_encode(enum nl_act act, const struct nl_route *r, uint32_t seq, int *err)
{
	static const int flags[] = {
		[NL_ADD] = NLM_F_CREATE | NLM_F_EXCL,
		[NL_REPLACE] = NLM_F_CREATE | NLM_F_REPLACE,
	};
	uint32_t table = r->table ? r->table : RT_TABLE_MAIN;
	struct rtmsg rtm = route_head(act, r, table);
	struct nl_msg *m;
	int bad;

	*err = route_check(act, r);
	if (*err < 0)
		return NULL;
	*err = -ENOMEM;
	/* A hop is a struct rtnexthop and one attribute of at most a via with 16 bytes. */
	m = nlmsg_alloc_size(256 + r->nr_hops * 48);
	if (!m)
		return NULL;
	if (!nlmsg_put(m, 0, seq, act == NL_REMOVE ? RTM_DELROUTE : RTM_NEWROUTE, 0,
		(act == NL_REMOVE ? 0 : flags[act]) | NLM_F_REQUEST | NLM_F_ACK))
		goto free_msg;
	bad = nlmsg_append(m, &rtm, sizeof(rtm), NLMSG_ALIGNTO);
	bad |= addr_put(m, RTA_DST, &r->prefix.addr);
	bad |= nla_put_u32(m, RTA_TABLE, table);
	if (r->metric)
		bad |= nla_put_u32(m, RTA_PRIORITY, r->metric);
	if (act != NL_REMOVE) {
		if (addr_is_set(&r->source))
			bad |= addr_put(m, RTA_PREFSRC, &r->source);
		bad |= hops_put(m, r);
	}
	if (bad)
		goto free_msg;
	*err = 0;
	return m;

free_msg:
	nlmsg_free(m);
	return NULL;
}

struct nl_msg *
nlm_lookup_encode(const struct addr *a, uint32_t seq, int *err)
{
	struct rtmsg rtm = { 0 };
	struct nl_msg *m;

	*err = -EINVAL;
	if (!addr_is_set(a))
		return NULL;
	rtm.rtm_family = af_of(a->family);
	rtm.rtm_dst_len = (uint8_t)addr_bits(a->family);
	*err = -ENOMEM;
	m = nlmsg_alloc_size(256);
	if (!m)
		return NULL;
	if (!nlmsg_put(m, 0, seq, RTM_GETROUTE, 0, NLM_F_REQUEST | NLM_F_ACK) ||
	    nlmsg_append(m, &rtm, sizeof(rtm), NLMSG_ALIGNTO) || addr_put(m, RTA_DST, a)) {
		nlmsg_free(m);
		return NULL;
	}
	*err = 0;
	return m;
}

struct nl_msg *
nlm_neigh_use_encode(unsigned ifindex, const struct addr *a, uint32_t seq, int *err)
{
	struct ndmsg ndm = { .ndm_ifindex = (int)ifindex, .ndm_flags = NTF_USE };
	struct nl_msg *m;

	*err = -EINVAL;
	if (!addr_is_set(a) || ifindex == 0)
		return NULL;
	ndm.ndm_family = af_of(a->family);
	*err = -ENOMEM;
	m = nlmsg_alloc_size(256);
	if (!m)
		return NULL;
	/* Neither created nor replaced: it is there, or nothing is to be done. */
	if (!nlmsg_put(m, 0, seq, RTM_NEWNEIGH, 0, NLM_F_REQUEST | NLM_F_ACK) ||
	    nlmsg_append(m, &ndm, sizeof(ndm), NLMSG_ALIGNTO) || addr_put(m, NDA_DST, a)) {
		nlmsg_free(m);
		return NULL;
	}
	*err = 0;
	return m;
}

struct nl_msg *
nlm_dump_encode(enum nl_what what, uint8_t family, uint8_t protocol, uint32_t seq)
{
	static const uint16_t types[] = {
		[NL_LINKS] = RTM_GETLINK,
		[NL_IFADDRS] = RTM_GETADDR,
		[NL_ROUTES] = RTM_GETROUTE,
		[NL_NEIGHS] = RTM_GETNEIGH,
	};
	struct rtmsg rtm = { .rtm_family = family, .rtm_protocol = protocol };
	struct ifaddrmsg ifa = { .ifa_family = AF_UNSPEC };
	struct ndmsg ndm = { .ndm_family = AF_UNSPEC };
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
	struct nl_msg *m = nlmsg_alloc_size(256);
	int bad;

	if (!m)
		return NULL;
	bad = !nlmsg_put(m, 0, seq, types[what], 0, NLM_F_REQUEST | NLM_F_DUMP);
	if (what == NL_ROUTES) {
		bad |= nlmsg_append(m, &rtm, sizeof(rtm), NLMSG_ALIGNTO);
	} else if (what == NL_IFADDRS) {
		bad |= nlmsg_append(m, &ifa, sizeof(ifa), NLMSG_ALIGNTO);
	} else if (what == NL_NEIGHS) {
		bad |= nlmsg_append(m, &ndm, sizeof(ndm), NLMSG_ALIGNTO);
	} else {
		bad |= nlmsg_append(m, &ifi, sizeof(ifi), NLMSG_ALIGNTO);
		bad |= nla_put_u32(m, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	}
	if (bad) {
		nlmsg_free(m);
		return NULL;
	}
	return m;
}
