/*
 * bfd/sock.c: UDP of BFD.
 *
 * What sends is not connected: then each packet takes the route of its moment, and an ICMP error of
 * a peer that does not listen yet costs none of our packets.
 */
#include "bfd/sock.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT_SINGLE 3784
#define PORT_MULTI 4784
#define TTL 255	 /* RFC 5881 5; also for multihop, so that the other end can count hops */
#define TOS 0xc0 /* CS6, as routing protocols */
#define RCVBUF (1 << 20)

static bool
is_v6(enum sock_class c)
{
	return c == SOCK_V6 || c == SOCK_V6_MULTIHOP;
}

enum sock_class
sock_class(const struct addr *peer, bool multihop)
{
	if (peer->family == ADDR_V6)
		return multihop ? SOCK_V6_MULTIHOP : SOCK_V6;
	return multihop ? SOCK_V4_MULTIHOP : SOCK_V4;
}

uint16_t
sock_port(enum sock_class c)
{
	return c == SOCK_V4 || c == SOCK_V6 ? PORT_SINGLE : PORT_MULTI;
}

static int
set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int
set_receiving(int fd, bool v6)
{
	int err;

	if (v6) {
		err = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
		err = err < 0 ? err : set(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
		err = err < 0 ? err : set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	} else {
		err = set(fd, IPPROTO_IP, IP_RECVTTL, 1);
		err = err < 0 ? err : set(fd, IPPROTO_IP, IP_PKTINFO, 1);
	}
	(void)set(fd, SOL_SOCKET, SO_RCVBUF, RCVBUF); /* the kernel's default does as well */
	return err;
}

/* @err when it is one, with @fd closed. */
static int
fd_or(int fd, int err)
{
	if (err == 0)
		return fd;
	close(fd);
	return err;
}

int
sock_listen(enum sock_class c)
{
	struct addr any = { .family = is_v6(c) ? ADDR_V6 : ADDR_V4 };
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(&any, sock_port(c), &ss);
	int fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	err = set_receiving(fd, is_v6(c));
	if (err == 0 && bind(fd, (const struct sockaddr *)&ss, len) < 0)
		err = -errno;
	return fd_or(fd, err);
}

static void
read_control(struct msghdr *m, struct sock_from *from)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) {
			memcpy(&from->ttl, CMSG_DATA(c), sizeof(from->ttl));
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			from->dst = addr_from_v4(info.ipi_addr.s_addr);
			from->ifindex = (unsigned)info.ipi_ifindex;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT) {
			memcpy(&from->ttl, CMSG_DATA(c), sizeof(from->ttl));
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			from->dst = addr_from_v6(&info.ipi6_addr);
			from->ifindex = info.ipi6_ifindex;
		}
	}
}

int
sock_receive(int fd, uint8_t *bytes, size_t size, struct sock_from *from)
{
	_Alignas(struct cmsghdr) char control[256];
	struct sockaddr_storage ss = { 0 };
	struct iovec iov = { .iov_base = bytes, .iov_len = size };
	struct msghdr m = {
		.msg_name = &ss,
		.msg_namelen = sizeof(ss),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t got = recvmsg(fd, &m, 0);

	if (got < 0)
		return -errno;
	memset(from, 0, sizeof(*from));
	from->ttl = -1;
	(void)addr_from_sockaddr((const struct sockaddr *)&ss, &from->src, NULL);
	read_control(&m, from);
	return (int)got;
}

static int
set_sending(int fd, bool v6, const char *device)
{
	int err =
	    v6 ? set(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, TTL) : set(fd, IPPROTO_IP, IP_TTL, TTL);

	if (err == 0 && device[0] &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device)) < 0)
		err = -errno;
	/* Nice to have: the packets' class, and no room for what nobody should send here. */
	(void)(v6 ? set(fd, IPPROTO_IPV6, IPV6_TCLASS, TOS) : set(fd, IPPROTO_IP, IP_TOS, TOS));
	(void)set(fd, SOL_SOCKET, SO_RCVBUF, 0);
	return err;
}

static socklen_t
to_sockaddr(const struct addr *a, uint16_t port, unsigned ifindex, struct sockaddr_storage *ss)
{
	socklen_t len = addr_to_sockaddr(a, port, ss);

	if (a->family == ADDR_V6 && addr_is_linklocal(a))
		((struct sockaddr_in6 *)ss)->sin6_scope_id = ifindex;
	return len;
}

int
sock_open(struct sock_ends *e, uint16_t port)
{
	struct addr any = { .family = e->peer.family };
	struct sockaddr_storage ss;
	bool v6 = e->peer.family == ADDR_V6;
	socklen_t len;
	int fd, err;

	e->ifindex = e->device[0] ? if_nametoindex(e->device) : 0;
	if (e->device[0] && e->ifindex == 0)
		return -ENODEV;
	len = to_sockaddr(addr_is_set(&e->local) ? &e->local : &any, port, e->ifindex, &ss);
	fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = v6 ? set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) : 0;
	if (err == 0)
		err = set_sending(fd, v6, e->device);
	if (err == 0 && bind(fd, (const struct sockaddr *)&ss, len) < 0)
		err = -errno;
	return fd_or(fd, err);
}

int
sock_send(int fd, const struct sock_ends *e, const uint8_t *bytes, size_t len)
{
	struct sockaddr_storage ss;
	socklen_t size =
	    to_sockaddr(&e->peer, sock_port(sock_class(&e->peer, e->multihop)), e->ifindex, &ss);

	if (sendto(fd, bytes, len, 0, (const struct sockaddr *)&ss, size) < 0)
		return -errno;
	return 0;
}
