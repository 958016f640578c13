/*
 * datapath/links_map.c: what programs know of a link: whether it takes frames from XDP, whether it
 * leads straight into another namespace, its MTU.  Stands between the news of links and the map
 * `links`.
 *
 * Whether a device takes frames that XDP redirects, drivers say since Linux 6.3 by the generic
 * netlink family "netdev"; a veth does so exactly while its other end has NAPI (GRO on, or an XDP
 * program), and that end is mostly in a namespace where we cannot look.  Older kernels do not tell:
 * there only hardware is trusted that runs an XDP program natively.
 */
#include "datapath/links.h"

#include "lib/log.h"
#include "lib/mem.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <net/if_arp.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <string.h>
#include <sys/socket.h>

#define FEATURES_MS 10000

/* Of <linux/netdev.h>, which is younger than the headers that we build with. */
enum { NETDEV_CMD_DEV_GET = 1, NETDEV_A_DEV_IFINDEX = 1, NETDEV_A_DEV_XDP_FEATURES = 3 };
#define NETDEV_A_MAX 8
#define NETDEV_XDP_ACT_NDO_XMIT 4

struct xdp_ask {
	struct dp_links *links;
	struct nl_sock *sk;
	struct loop_fd *watch;
	uint16_t family;
	uint32_t group; /* news of devices */
	_Alignas(NLMSG_ALIGNTO) uint8_t rx[32 << 10];
};

/* ---- the map ---- */

static struct lb_link
link_value(const struct dp_links *k, const struct link *n)
{
	struct lb_link v = { .mtu = n->l.mtu };

	if (n->l.type == ARPHRD_ETHER && !n->l.loopback)
		v.flags |= LB_LINK_PLAIN;
	if (strcmp(n->l.kind, "veth") == 0 && n->l.other_netns)
		v.flags |= LB_LINK_PEER;
	if (k->xdp ? n->xmit : n->l.xdp_native && n->l.kind[0] == '\0')
		v.flags |= LB_LINK_XDP;
	return v;
}

void
link_write(struct dp_links *k, struct link *n)
{
	struct lb_link v = link_value(k, n);
	uint32_t key = n->l.ifindex;
	int fd = k->maps ? k->maps->fd[DP_MAP_LINKS] : -1;

	if (fd < 0 || (n->is_written && memcmp(&v, &n->written, sizeof(v)) == 0))
		return;
	if (bpf_map_update_elem(fd, &key, &v, BPF_ANY) < 0) {
		log_warn("link-not-written", LOG_S("link", n->l.name), LOG_ERR(-errno));
		return;
	}
	n->written = v;
	n->is_written = true;
	hops_raise(k); /* next hops have a copy of the flags */
}

void
link_unwrite(struct dp_links *k, const struct link *n)
{
	uint32_t key = n->l.ifindex;

	if (k->maps && k->maps->fd[DP_MAP_LINKS] >= 0)
		(void)bpf_map_delete_elem(k->maps->fd[DP_MAP_LINKS], &key);
}

/* All links into a map that may hold those of an earlier process. */
void
links_write_all(struct dp_links *k)
{
	int fd = k->maps ? k->maps->fd[DP_MAP_LINKS] : -1;
	uint32_t key, next;
	bool more;

	if (fd < 0 || !k->synced)
		return;
	more = bpf_map_get_next_key(fd, NULL, &next) == 0;
	while (more) {
		key = next;
		more = bpf_map_get_next_key(fd, &key, &next) == 0;
		if (!link_find(k, key))
			(void)bpf_map_delete_elem(fd, &key);
	}
	for (size_t i = 0; i < k->nr_links; i++)
		link_write(k, &k->links[i]);
}

/* ---- what drivers say ---- */

static void
features_told(struct xdp_ask *x, const struct nlmsghdr *h)
{
	static const struct nla_policy policy[NETDEV_A_MAX + 1] = {
		[NETDEV_A_DEV_IFINDEX] = { .type = NLA_U32 },
		[NETDEV_A_DEV_XDP_FEATURES] = { .type = NLA_U64 },
	};
	struct nlattr *at[NETDEV_A_MAX + 1];
	struct link *n;
	bool xmit;

	if (nlmsg_parse((struct nlmsghdr *)(uintptr_t)h, GENL_HDRLEN, at, NETDEV_A_MAX, policy) <
		0 ||
	    !at[NETDEV_A_DEV_IFINDEX] || !at[NETDEV_A_DEV_XDP_FEATURES])
		return;
	n = link_find(x->links, nla_get_u32(at[NETDEV_A_DEV_IFINDEX]));
	xmit = nla_get_u64(at[NETDEV_A_DEV_XDP_FEATURES]) & NETDEV_XDP_ACT_NDO_XMIT;
	if (!n || n->xmit == xmit)
		return;
	n->xmit = xmit;
	link_write(x->links, n);
}

/* The number of the family and of its group for news. */
static void
family_told(struct xdp_ask *x, const struct nlmsghdr *h)
{
	struct nlattr *at[CTRL_ATTR_MAX + 1], *grp[CTRL_ATTR_MCAST_GRP_MAX + 1], *g;
	int left;

	if (nlmsg_parse((struct nlmsghdr *)(uintptr_t)h, GENL_HDRLEN, at, CTRL_ATTR_MAX, NULL) <
		0 ||
	    !at[CTRL_ATTR_FAMILY_ID] || nla_len(at[CTRL_ATTR_FAMILY_ID]) < 2)
		return;
	x->family = nla_get_u16(at[CTRL_ATTR_FAMILY_ID]);
	if (!at[CTRL_ATTR_MCAST_GROUPS])
		return;
	nla_for_each_nested(g, at[CTRL_ATTR_MCAST_GROUPS], left)
	{
		if (nla_parse_nested(grp, CTRL_ATTR_MCAST_GRP_MAX, g, NULL) == 0 &&
		    grp[CTRL_ATTR_MCAST_GRP_NAME] && grp[CTRL_ATTR_MCAST_GRP_ID] &&
		    nla_strcmp(grp[CTRL_ATTR_MCAST_GRP_NAME], "mgmt") == 0)
			x->group = nla_get_u32(grp[CTRL_ATTR_MCAST_GRP_ID]);
	}
}

static void
features_read(void *arg, int fd, unsigned what)
{
	struct xdp_ask *x = arg;

	(void)what;
	for (;;) {
		ssize_t len = recv(fd, x->rx, sizeof(x->rx), MSG_DONTWAIT);
		int left = (int)len;

		if (len <= 0)
			return; /* what was lost the next round asks again */
		for (struct nlmsghdr *h = (struct nlmsghdr *)x->rx; nlmsg_ok(h, left);
		     h = nlmsg_next(h, &left)) {
			if (h->nlmsg_type == GENL_ID_CTRL)
				family_told(x, h);
			else if (x->family && h->nlmsg_type == x->family)
				features_told(x, h);
		}
	}
}

static int
genl_ask(struct xdp_ask *x, uint16_t family, uint8_t cmd, uint16_t flags, const char *name)
{
	struct genlmsghdr g = { .cmd = cmd, .version = 1 };
	struct nl_msg *m = nlmsg_alloc_size(256);
	ssize_t sent = -1;

	if (!m)
		return -ENOMEM;
	if (nlmsg_put(m, 0, 1, family, 0, NLM_F_REQUEST | flags) &&
	    nlmsg_append(m, &g, sizeof(g), NLMSG_ALIGNTO) == 0 &&
	    (!name || nla_put_string(m, CTRL_ATTR_FAMILY_NAME, name) == 0))
		sent = send(nl_socket_get_fd(x->sk), nlmsg_hdr(m), nlmsg_hdr(m)->nlmsg_len,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
	nlmsg_free(m);
	return sent < 0 ? -errno : 0;
}

void
links_features_due(void *arg)
{
	struct dp_links *k = arg;

	if (!k->xdp)
		return;
	timer_set(&k->features, FEATURES_MS);
	(void)genl_ask(k->xdp, k->xdp->family, NETDEV_CMD_DEV_GET, NLM_F_DUMP, NULL);
}

struct xdp_ask *
xdp_ask_new(struct dp_links *k)
{
	struct xdp_ask *x = mem_calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->links = k;
	x->sk = nl_socket_alloc();
	if (!x->sk || nl_connect(x->sk, NETLINK_GENERIC) < 0)
		goto free_ask;
	/* The kernel answers before it returns from the sending. */
	if (genl_ask(x, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0, "netdev") < 0)
		goto free_ask;
	features_read(x, nl_socket_get_fd(x->sk), LOOP_READ);
	if (!x->family)
		goto free_ask;
	if (x->group)
		(void)nl_socket_add_membership(x->sk, (int)x->group);
	x->watch = loop_fd_new(k->loop, nl_socket_get_fd(x->sk), LOOP_READ, features_read, x);
	if (!x->watch)
		goto free_ask;
	return x;

free_ask:
	xdp_ask_free(x);
	return NULL;
}

void
xdp_ask_free(struct xdp_ask *x)
{
	if (!x)
		return;
	loop_fd_free(x->watch);
	nl_socket_free(x->sk);
	mem_free(x);
}
