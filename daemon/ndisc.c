/*
 * daemon/ndisc.c: the raw socket of router discovery, and its two messages.  See ndisc.h.
 */
#include "daemon/ndisc.h"

#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <string.h>
#include <unistd.h>

#define HOP_LIMIT 255 /* RFC 4861 6.1: whoever is further away than the link cannot have it */
#define READS_A_TURN 32
#define OPT_SOURCE_MAC 1
#define PING_ID 0x4842 /* replies to others' pings come here, too */

static const struct addr all_nodes = { .b = { 0xff, 2, [15] = 1 }, .family = ADDR_V6 };
static const struct addr all_routers = { .b = { 0xff, 2, [15] = 2 }, .family = ADDR_V6 };

struct ndisc {
	int fd;
	struct loop_fd *watch;
	ndisc_cb *cb;
	void *arg;
};

/* ---- messages ---- */

/* RFC 4861 6.1: options of length zero make the whole message void. */
static bool
options_are_sound(struct wire_rd r)
{
	while (wire_more(&r)) {
		(void)wire_u8(&r);
		const unsigned len = wire_u8(&r) * 8u;

		if (len == 0)
			return false;
		(void)wire_take(&r, len - 2);
	}
	return !r.bad;
}

/* RFC 4443 4.2: the hop limit is the sender's to choose; what it sends to a link-local address comes
 * from the link. */
static enum ndisc_kind
reply_decode(struct wire_rd r, const struct addr *from)
{
	const uint16_t id = wire_u16(&r);

	if (id != PING_ID || from->family != ADDR_V6 || !addr_is_linklocal(from))
		return NDISC_NONE;
	return NDISC_PING;
}

enum ndisc_kind
ndisc_decode(struct wire_rd r, const struct addr *from, int hop_limit)
{
	const uint8_t type = wire_u8(&r), code = wire_u8(&r);
	enum ndisc_kind kind;

	/* The kernel has checked the checksum. */
	(void)wire_u16(&r);
	if (type == ICMP6_ECHO_REPLY && code == 0)
		return reply_decode(r, from);
	if (hop_limit != HOP_LIMIT || code != 0)
		return NDISC_NONE;
	switch (type) {
	case ND_ROUTER_SOLICIT: /* 4.1; the source may be unspecified, which nobody can be answered at */
		kind = NDISC_SOLICIT;
		(void)wire_take(&r, 4);
		break;
	case ND_ROUTER_ADVERT: /* 4.2 */
		kind = NDISC_ADVERTISE;
		(void)wire_take(&r, 12);
		break;
	default:
		return NDISC_NONE;
	}
	if (r.bad || !options_are_sound(r))
		return NDISC_NONE;
	if (from->family != ADDR_V6 || !addr_is_linklocal(from))
		return NDISC_NONE;
	return kind;
}

void
ndisc_encode(struct wire_wr *w, enum ndisc_kind kind, const uint8_t *mac)
{
	static const uint8_t types[] = { [NDISC_SOLICIT] = ND_ROUTER_SOLICIT,
		[NDISC_ADVERTISE] = ND_ROUTER_ADVERT,
		[NDISC_PING] = ICMP6_ECHO_REQUEST };

	wire_put_u8(w, types[kind]);
	wire_put_u8(w, 0);
	wire_put_u16(w, 0); /* checksum */
	if (kind == NDISC_PING) {
		wire_put_u16(w, PING_ID);
		wire_put_u16(w, 1); /* sequence number */
		return;
	}
	wire_put_u32(w, 0); /* hop limit: hosts choose; no flags; lifetime 0: no default router */
	if (kind == NDISC_ADVERTISE) {
		wire_put_u32(w, 0); /* reachable time: hosts choose */
		wire_put_u32(w, 0); /* retransmission timer: likewise */
	}
	if (!mac)
		return;
	wire_put_u8(w, OPT_SOURCE_MAC); /* RFC 4861 4.6.1 */
	wire_put_u8(w, 1);
	wire_put_bytes(w, mac, 6);
}

/* ---- the socket ---- */

struct arrived {
	uint8_t bytes[2048];
	size_t len;
	struct addr from;
	unsigned ifindex;
	int hop_limit;
};

static void
read_control(struct msghdr *msg, struct arrived *a)
{
	struct in6_pktinfo info;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != IPPROTO_IPV6)
			continue;
		if (c->cmsg_type == IPV6_HOPLIMIT && c->cmsg_len >= CMSG_LEN(sizeof(int)))
			memcpy(&a->hop_limit, CMSG_DATA(c), sizeof(int));
		if (c->cmsg_type == IPV6_PKTINFO && c->cmsg_len >= CMSG_LEN(sizeof(info))) {
			memcpy(&info, CMSG_DATA(c), sizeof(info));
			a->ifindex = info.ipi6_ifindex;
		}
	}
}

/* False: nothing waits. */
static bool
read_one(struct ndisc *n, struct arrived *a)
{
	union {
		struct cmsghdr head;
		uint8_t bytes[256];
	} control;
	struct sockaddr_in6 from = { 0 };
	struct iovec iov = { .iov_base = a->bytes, .iov_len = sizeof(a->bytes) };
	struct msghdr msg = { .msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	ssize_t len = recvmsg(n->fd, &msg, MSG_DONTWAIT);

	if (len < 0)
		return false;
	a->len = (size_t)len;
	a->ifindex = 0;
	a->hop_limit = -1;
	a->from = addr_from_v6(&from.sin6_addr);
	/* What was cut is nothing that a router of ours would send. */
	if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		a->len = 0;
	read_control(&msg, a);
	return true;
}

static void
ndisc_ready(void *arg, int fd, unsigned what)
{
	struct ndisc *n = arg;
	struct arrived a;

	(void)fd;
	(void)what;
	for (int i = 0; i < READS_A_TURN && read_one(n, &a); i++) {
		enum ndisc_kind kind =
		    ndisc_decode(wire_rd_init(a.bytes, a.len), &a.from, a.hop_limit);

		if (kind != NDISC_NONE && a.ifindex)
			n->cb(n->arg, kind, a.ifindex, &a.from);
	}
}

static int
set_on(int fd, int name, int value)
{
	return setsockopt(fd, IPPROTO_IPV6, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int
socket_open(int *to)
{
	struct icmp6_filter filter;
	int fd = socket(AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMPV6), err;

	if (fd < 0)
		return -errno;
	ICMP6_FILTER_SETBLOCKALL(&filter);
	ICMP6_FILTER_SETPASS(ND_ROUTER_SOLICIT, &filter);
	ICMP6_FILTER_SETPASS(ND_ROUTER_ADVERT, &filter);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
	err =
	    setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter)) < 0 ? -errno : 0;
	if (err == 0)
		err = set_on(fd, IPV6_RECVPKTINFO, 1);
	if (err == 0)
		err = set_on(fd, IPV6_RECVHOPLIMIT, 1);
	if (err == 0)
		err = set_on(fd, IPV6_MULTICAST_HOPS, HOP_LIMIT);
	if (err == 0)
		err = set_on(fd, IPV6_UNICAST_HOPS, HOP_LIMIT);
	if (err == 0)
		err = set_on(fd, IPV6_MULTICAST_LOOP, 0);
	if (err < 0)
		close(fd);
	else
		*to = fd;
	return err;
}

struct ndisc *
ndisc_new(struct loop *loop, ndisc_cb *cb, void *arg, int *err)
{
	struct ndisc *n = xnew(struct ndisc);

	n->cb = cb;
	n->arg = arg;
	*err = socket_open(&n->fd);
	if (*err < 0) {
		mem_free(n);
		return NULL;
	}
	n->watch = loop_fd_new(loop, n->fd, LOOP_READ, ndisc_ready, n);
	if (!n->watch) {
		*err = -ENOMEM;
		close(n->fd);
		mem_free(n);
		return NULL;
	}
	return n;
}

void
ndisc_free(struct ndisc *n)
{
	if (!n)
		return;
	loop_fd_free(n->watch);
	close(n->fd);
	mem_free(n);
}

static int
membership(struct ndisc *n, unsigned ifindex, int name)
{
	struct ipv6_mreq mreq = { .ipv6mr_interface = ifindex };

	memcpy(&mreq.ipv6mr_multiaddr, all_routers.b, sizeof(mreq.ipv6mr_multiaddr));
	return setsockopt(n->fd, IPPROTO_IPV6, name, &mreq, sizeof(mreq)) < 0 ? -errno : 0;
}

int
ndisc_join(struct ndisc *n, unsigned ifindex)
{
	int err = membership(n, ifindex, IPV6_JOIN_GROUP);

	return err == -EADDRINUSE ? 0 : err;
}

void
ndisc_leave(struct ndisc *n, unsigned ifindex)
{
	(void)membership(n, ifindex, IPV6_LEAVE_GROUP);
}

int
ndisc_send(struct ndisc *n, enum ndisc_kind kind, unsigned ifindex, const struct addr *from,
    const struct addr *to, const uint8_t *mac)
{
	struct in6_pktinfo info = { .ipi6_ifindex = ifindex };
	struct sockaddr_in6 dest = { .sin6_family = AF_INET6, .sin6_scope_id = ifindex };
	union {
		struct cmsghdr head;
		uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	} control = { 0 };
	uint8_t bytes[64];
	struct wire_wr w = wire_wr_init(bytes, sizeof(bytes));
	struct iovec iov;
	struct msghdr msg = { .msg_name = &dest,
		.msg_namelen = sizeof(dest),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };

	if (!to)
		to = kind == NDISC_ADVERTISE ? &all_nodes : &all_routers;
	memcpy(&dest.sin6_addr, to->b, sizeof(dest.sin6_addr));
	/* RFC 4861 4.2: the source MUST be the link-local address. */
	memcpy(&info.ipi6_addr, from->b, sizeof(info.ipi6_addr));
	control.head.cmsg_level = IPPROTO_IPV6;
	control.head.cmsg_type = IPV6_PKTINFO;
	control.head.cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(&control.head), &info, sizeof(info));
	ndisc_encode(&w, kind, mac);
	iov = (struct iovec){ .iov_base = bytes, .iov_len = w.len };
	return sendmsg(n->fd, &msg, MSG_DONTWAIT) < 0 ? -errno : 0;
}
