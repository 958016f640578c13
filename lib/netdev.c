/*
 * lib/netdev.c: what network devices can do with XDP.  Stands between the generic netlink family
 * "netdev" and who redirects frames.
 */
#include "lib/netdev.h"

#include "lib/loop.h"
#include "lib/mem.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/socket.h>

/* Of <linux/netdev.h>, which is younger than the headers that we build with. */
#define DEV_GET 1
#define DEV_IFINDEX 1
#define DEV_XDP_FEATURES 3
#define DEV_MAX 8

#define READS 64 /* datagrams at a time */

struct netdev {
	netdev_cb *cb;
	void *arg;
	struct nl_sock *sk;
	struct loop_fd *watch;
	uint16_t family;
	uint32_t group; /* for news of devices */
	_Alignas(NLMSG_ALIGNTO) uint8_t rx[32 << 10];
};

static void
device_told(struct netdev *n, struct nlmsghdr *h)
{
	static const struct nla_policy policy[DEV_MAX + 1] = {
		[DEV_IFINDEX] = { .type = NLA_U32 },
		[DEV_XDP_FEATURES] = { .type = NLA_U64 },
	};
	struct nlattr *at[DEV_MAX + 1];

	if (nlmsg_parse(h, GENL_HDRLEN, at, DEV_MAX, policy) == 0 && at[DEV_IFINDEX] &&
	    at[DEV_XDP_FEATURES])
		n->cb(n->arg, nla_get_u32(at[DEV_IFINDEX]), nla_get_u64(at[DEV_XDP_FEATURES]));
}

/* The number of the family, and of its group for news. */
static void
family_told(struct netdev *n, struct nlmsghdr *h)
{
	static const struct nla_policy policy[CTRL_ATTR_MAX + 1] = {
		[CTRL_ATTR_FAMILY_ID] = { .type = NLA_U16 },
	};
	static const struct nla_policy group_policy[CTRL_ATTR_MCAST_GRP_MAX + 1] = {
		[CTRL_ATTR_MCAST_GRP_NAME] = { .type = NLA_STRING },
		[CTRL_ATTR_MCAST_GRP_ID] = { .type = NLA_U32 },
	};
	struct nlattr *at[CTRL_ATTR_MAX + 1], *group[CTRL_ATTR_MCAST_GRP_MAX + 1], *g;
	int left;

	if (nlmsg_parse(h, GENL_HDRLEN, at, CTRL_ATTR_MAX, policy) < 0 || !at[CTRL_ATTR_FAMILY_ID])
		return;
	n->family = nla_get_u16(at[CTRL_ATTR_FAMILY_ID]);
	if (!at[CTRL_ATTR_MCAST_GROUPS])
		return;
	nla_for_each_nested(g, at[CTRL_ATTR_MCAST_GROUPS], left)
	{
		if (nla_parse_nested(group, CTRL_ATTR_MCAST_GRP_MAX, g, group_policy) == 0 &&
		    group[CTRL_ATTR_MCAST_GRP_NAME] && group[CTRL_ATTR_MCAST_GRP_ID] &&
		    nla_strcmp(group[CTRL_ATTR_MCAST_GRP_NAME], "mgmt") == 0)
			n->group = nla_get_u32(group[CTRL_ATTR_MCAST_GRP_ID]);
	}
}

static void
readable(void *arg, int fd, unsigned what)
{
	struct netdev *n = arg;

	(void)what;
	for (int i = 0; i < READS; i++) {
		ssize_t len = recv(fd, n->rx, sizeof(n->rx), MSG_DONTWAIT);
		int left = (int)len;

		if (len <= 0)
			return; /* what was lost the next question brings */
		for (struct nlmsghdr *h = (struct nlmsghdr *)n->rx; nlmsg_ok(h, left);
		     h = nlmsg_next(h, &left)) {
			if (h->nlmsg_type == GENL_ID_CTRL)
				family_told(n, h);
			else if (n->family && h->nlmsg_type == n->family)
				device_told(n, h);
		}
	}
}

static int
ask(struct netdev *n, uint16_t family, uint8_t cmd, int flags, const char *name)
{
	struct genlmsghdr g = { .cmd = cmd, .version = 1 };
	struct nl_msg *m = nlmsg_alloc_size(256);
	ssize_t sent = -1;

	if (!m)
		return -ENOMEM;
	if (nlmsg_put(m, 0, 1, family, 0, NLM_F_REQUEST | flags) &&
	    nlmsg_append(m, &g, sizeof(g), NLMSG_ALIGNTO) == 0 &&
	    (!name || nla_put_string(m, CTRL_ATTR_FAMILY_NAME, name) == 0))
		sent = send(nl_socket_get_fd(n->sk), nlmsg_hdr(m), nlmsg_hdr(m)->nlmsg_len,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
	nlmsg_free(m);
	return sent < 0 ? -EIO : 0;
}

void
netdev_ask(struct netdev *n)
{
	(void)ask(n, n->family, DEV_GET, NLM_F_DUMP, NULL);
}

struct netdev *
netdev_new(struct loop *loop, netdev_cb *cb, void *arg)
{
	struct netdev *n = mem_calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->cb = cb;
	n->arg = arg;
	n->sk = nl_socket_alloc();
	if (!n->sk || nl_connect(n->sk, NETLINK_GENERIC) < 0 ||
	    ask(n, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0, "netdev") < 0)
		goto free_netdev;
	/* The kernel has answered before the sending returned. */
	readable(n, nl_socket_get_fd(n->sk), LOOP_READ);
	if (!n->family)
		goto free_netdev;
	if (n->group)
		(void)nl_socket_add_membership(n->sk, (int)n->group);
	n->watch = loop_fd_new(loop, nl_socket_get_fd(n->sk), LOOP_READ, readable, n);
	if (!n->watch)
		goto free_netdev;
	return n;

free_netdev:
	netdev_free(n);
	return NULL;
}

void
netdev_free(struct netdev *n)
{
	if (!n)
		return;
	loop_fd_free(n->watch);
	nl_socket_free(n->sk);
	mem_free(n);
}
