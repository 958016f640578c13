/*
 * bgpd/transport.c: socket options, and nothing else.  Below session.c and listen.c.
 */
#include "bgpd/transport.h"

#include <errno.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "bgpd/bgpd.h"
#include "bgpd/tcp_ao.h"
#include "lib/mem.h"

#define BACKLOG 4096	 /* peers that dial all at once lose no SYN; the kernel may cap it */
#define TOS_CONTROL 0xc0 /* DSCP CS6, network control (RFC 4594 3.1) */

/* Missing from the C library's headers. */
#ifndef IPV6_MINHOPCOUNT
#define IPV6_MINHOPCOUNT 73
#endif

struct transport
transport_of(const struct bgp_peer_conf *c, uint32_t local_as)
{
	struct transport t = {
		.local = c->local_addr,
		.remote = c->addr,
		.ifindex = c->ifindex,
		.port = c->port ? c->port : 179,
		.ttl = c->ttl ? c->ttl : 1,
		.md5_key = c->md5_key,
		.ao_keys = c->ao_keys,
	};

	if (c->peer_as == local_as)
		t.ttl = 255;
	/* RFC 5082 3: sent with 255, and taken when at most so many routers took one off. */
	if (c->gtsm_hops) {
		t.ttl = 255;
		t.min_ttl = (uint8_t)(255 - c->gtsm_hops + 1);
	}
	return t;
}

static int
set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int
sockaddr_of(const struct addr *a, uint16_t port, unsigned ifindex, struct sockaddr_storage *ss,
    socklen_t *len)
{
	struct sockaddr_in6 in6;

	*len = addr_to_sockaddr(a, port, ss);
	if (!*len)
		return -EAFNOSUPPORT;
	if (a->family != ADDR_V6 || !addr_is_linklocal(a))
		return 0;
	memcpy(&in6, ss, sizeof(in6));
	in6.sin6_scope_id = ifindex;
	memcpy(ss, &in6, sizeof(in6));
	return 0;
}

int
transport_md5(int fd, const struct prefix *peer, const char *key)
{
	bool all = peer->len == addr_bits((enum addr_family)peer->addr.family);
	struct tcp_md5sig sig = { 0 };
	size_t len = key ? strlen(key) : 0;
	int err = 0;

	if (len > sizeof(sig.tcpm_key))
		return -EMSGSIZE;
	if (!addr_to_sockaddr(&peer->addr, 0, (struct sockaddr_storage *)&sig.tcpm_addr))
		return -EAFNOSUPPORT;
	if (!all) { /* the kernel takes the key of the longest prefix */
		sig.tcpm_flags = TCP_MD5SIG_FLAG_PREFIX;
		sig.tcpm_prefixlen = peer->len;
	}
	sig.tcpm_keylen = (uint16_t)len;
	if (key)
		memcpy(sig.tcpm_key, key, len);
	if (setsockopt(fd, IPPROTO_TCP, all ? TCP_MD5SIG : TCP_MD5SIG_EXT, &sig, sizeof(sig)) < 0)
		err = -errno;
	mem_wipe(&sig, sizeof(sig));
	return !key && err == -ENOENT ? 0 : err;
}

/* What is the same for sockets that dial and that were accepted. */
static int
set_common(int fd, const struct transport *t)
{
	bool v6 = t->remote.family == ADDR_V6;
	int err;

	/* Our own turns of the loop are what batches; waiting for an ACK would cost 40 ms. */
	err = set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (err == 0)
		err = v6 ? set_int(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, t->ttl)
			 : set_int(fd, IPPROTO_IP, IP_TTL, t->ttl);
	if (err == 0 && t->min_ttl)
		err = v6 ? set_int(fd, IPPROTO_IPV6, IPV6_MINHOPCOUNT, t->min_ttl)
			 : set_int(fd, IPPROTO_IP, IP_MINTTL, t->min_ttl);
	/* A wish, not a need. */
	if (v6)
		(void)set_int(fd, IPPROTO_IPV6, IPV6_TCLASS, TOS_CONTROL);
	else
		(void)set_int(fd, IPPROTO_IP, IP_TOS, TOS_CONTROL);
	return err;
}

static int
bind_local(int fd, const struct transport *t)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int err;

	if (!addr_is_set(&t->local))
		return 0;
	/* The port is chosen at connect(), by the whole of the connection. */
	(void)set_int(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	err = sockaddr_of(&t->local, 0, t->ifindex, &ss, &len);
	if (err == 0 && bind(fd, (struct sockaddr *)&ss, len) < 0)
		err = -errno;
	return err;
}

int
transport_dial(const struct transport *t, int *to)
{
	const struct prefix host = prefix_host(&t->remote);
	struct sockaddr_storage ss;
	socklen_t len;
	int fd, err;

	err = sockaddr_of(&t->remote, t->port, t->ifindex, &ss, &len);
	if (err < 0)
		return err;
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	if (fd < 0)
		return -errno;
	err = set_common(fd, t);
	if (err == 0 && t->md5_key)
		err = transport_md5(fd, &host, t->md5_key);
	if (err == 0 && t->ao_keys)
		err = tcp_ao_put(fd, &host, t->ao_keys, false);
	if (err == 0)
		err = bind_local(fd, t);
	if (err == 0 && connect(fd, (struct sockaddr *)&ss, len) < 0 && errno != EINPROGRESS)
		err = -errno;
	if (err < 0) {
		close(fd);
		return err;
	}
	*to = fd;
	return 0;
}

int
transport_dialled(int fd)
{
	socklen_t len = sizeof(int);
	int err = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		return -errno;
	return -err;
}

int
transport_listen(const struct addr *a, uint16_t port, int *to)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(a, port, &ss);
	int fd, err;

	if (!len)
		return -EAFNOSUPPORT;
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	if (fd < 0)
		return -errno;
	err = set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (err == 0 && a->family == ADDR_V6)
		err = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	/* RFC 5082 3: our SYN,ACK is judged by its TTL too. */
	if (err == 0)
		err = a->family == ADDR_V6 ? set_int(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 255)
					   : set_int(fd, IPPROTO_IP, IP_TTL, 255);
	/* It also wants to know the TTL of the SYN; only GTSM peers' are looked at. */
	(void)set_int(fd, IPPROTO_TCP, TCP_SAVE_SYN, 1);
	if (err == 0 && bind(fd, (struct sockaddr *)&ss, len) < 0)
		err = -errno;
	if (err == 0 && listen(fd, BACKLOG) < 0)
		err = -errno;
	if (err < 0) {
		close(fd);
		return err;
	}
	*to = fd;
	return 0;
}

uint8_t
transport_syn_ttl(int fd)
{
	uint8_t packet[256] = { 0 };
	socklen_t len = sizeof(packet);

	if (getsockopt(fd, IPPROTO_TCP, TCP_SAVED_SYN, packet, &len) < 0)
		return 0;
	if (len >= sizeof(struct iphdr) && packet[0] >> 4 == 4)
		return packet[offsetof(struct iphdr, ttl)];
	if (len >= sizeof(struct ip6_hdr) && packet[0] >> 4 == 6)
		return packet[offsetof(struct ip6_hdr, ip6_hlim)];
	return 0;
}

int
transport_adopt(int fd, const struct transport *t)
{
	int err = t->ao_keys ? tcp_ao_check(fd) : 0;

	return err < 0 ? err : set_common(fd, t);
}

int
transport_listen_min_ttl(int fd, const struct addr *a, uint8_t ttl)
{
	return a->family == ADDR_V6 ? set_int(fd, IPPROTO_IPV6, IPV6_MINHOPCOUNT, ttl)
				    : set_int(fd, IPPROTO_IP, IP_MINTTL, ttl);
}

int
transport_names(int fd, struct transport_names *n)
{
	struct sockaddr_storage local = { 0 }, remote = { 0 };
	socklen_t len = sizeof(local), remote_len = sizeof(remote);
	struct sockaddr_in6 in6;
	int err;

	if (getsockname(fd, (struct sockaddr *)&local, &len) < 0 ||
	    getpeername(fd, (struct sockaddr *)&remote, &remote_len) < 0)
		return -errno;
	memset(n, 0, sizeof(*n));
	err = addr_from_sockaddr((struct sockaddr *)&local, &n->local, &n->local_port);
	if (err == 0)
		err = addr_from_sockaddr((struct sockaddr *)&remote, &n->remote, &n->remote_port);
	if (remote.ss_family == AF_INET6) {
		memcpy(&in6, &remote, sizeof(in6));
		n->ifindex = in6.sin6_scope_id;
	}
	return err;
}
