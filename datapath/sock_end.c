/*
 * datapath/sock_end.c: see sock_end.h.  SOCK_DESTROY (Linux 4.9) is CAP_NET_ADMIN's: the socket's next
 * call gets ECONNABORTED.
 */
#include "datapath/sock_end.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ESTABLISHED (1 << 1) /* TCP_ESTABLISHED: what a connected UDP socket is called too */

int
sock_id_cmp(const void *a, const void *b)
{
	const uint64_t x = ((const struct sock_id *)a)->cookie,
		       y = ((const struct sock_id *)b)->cookie;

	return x < y ? -1 : x > y;
}

static bool
is_connected_to(const struct inet_diag_sockid *seen, const struct sock_id *id)
{
	/* A socket of IPv6 may be connected to an IPv4 address, mapped. */
	return id->port == seen->idiag_dport &&
	    (memcmp(&id->addr, seen->idiag_dst, sizeof(id->addr)) == 0 ||
		(id->family == 4 && seen->idiag_dst[2] == htonl(0xffff) &&
		    seen->idiag_dst[3] == id->addr.w[0]));
}

/* Before Linux 5.11 each namespace counts its own cookies: there may be several of one. */
static bool
is_meant(const struct sock_ends *j, const struct inet_diag_sockid *seen)
{
	const uint64_t cookie = (uint64_t)seen->idiag_cookie[1] << 32 | seen->idiag_cookie[0];
	size_t low = 0, high = j->nr;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (j->ids[middle].cookie < cookie)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < j->nr && j->ids[low].cookie == cookie; low++)
		if (is_connected_to(seen, &j->ids[low]))
			return true;
	return false;
}

static ssize_t
diag_send(int fd, uint16_t type, uint16_t flags, const struct inet_diag_req_v2 *req)
{
	struct {
		struct nlmsghdr h;
		struct inet_diag_req_v2 r;
	} m = { .h = { .nlmsg_len = sizeof(m),
		    .nlmsg_type = type,
		    .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags) },
		.r = *req };

	return send(fd, &m, sizeof(m), MSG_NOSIGNAL);
}

/* End one socket; the kernel answers at once. */
static void
socket_end(struct sock_ends *j, int fd, uint8_t family, const struct inet_diag_sockid *id)
{
	struct inet_diag_req_v2 req = { .sdiag_family = family,
		.sdiag_protocol = IPPROTO_UDP,
		.idiag_states = (uint32_t)-1,
		.id = *id };
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
		uint8_t rest[256];
	} answer;

	if (diag_send(fd, SOCK_DESTROY, NLM_F_ACK, &req) < 0 ||
	    recv(fd, &answer, sizeof(answer), 0) <
		(ssize_t)(sizeof(answer.h) + sizeof(answer.e.error)))
		return;
	if (answer.h.nlmsg_type != NLMSG_ERROR)
		return;
	if (answer.e.error == 0)
		j->ended++;
	else if (answer.e.error != -ENOENT && j->err == 0)
		j->err = answer.e.error;
}

/* All connected UDP sockets of a family in the namespace that @dump and @end were opened in. */
static void
family_end(struct sock_ends *j, int dump, int end, uint8_t family)
{
	struct inet_diag_req_v2 req = {
		.sdiag_family = family, .sdiag_protocol = IPPROTO_UDP, .idiag_states = ESTABLISHED
	};
	bool more = diag_send(dump, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &req) >= 0;

	while (more) {
		ssize_t got = recv(dump, j->rx, SOCK_RX_BYTES, 0);
		size_t len = got > 0 ? (size_t)got : 0;

		more = got > 0;
		for (struct nlmsghdr *h = j->rx; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len)) {
			struct inet_diag_msg m;

			if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
				more = false;
			if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
			    h->nlmsg_len < NLMSG_LENGTH(sizeof(m)))
				continue;
			memcpy(&m, NLMSG_DATA(h), sizeof(m));
			if (is_meant(j, &m.id))
				socket_end(j, end, family, &m.id);
		}
	}
}

void
sock_end_here(struct sock_ends *j)
{
	int dump = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	int end = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	if (dump >= 0 && end >= 0) {
		family_end(j, dump, end, AF_INET);
		family_end(j, dump, end, AF_INET6);
	}
	if (dump >= 0)
		close(dump);
	if (end >= 0)
		close(end);
}
