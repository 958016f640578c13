/*
 * tests/unit/lib/netkit.c: the ground that the netlink tests stand on: a network namespace with two
 * links, made by libnl directly, and a connection that remembers all it was told.
 */
#include "tests/unit/lib/netkit.h"

#include "lib/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

void
on_link(void *arg, enum nl_how how, const struct nl_link *l)
{
	struct view *v = arg;

	if (v->dumping && how != NL_DUMPED)
		return;
	for (size_t i = 0; how == NL_DUMPED && i < v->nr_links; i++) {
		if (v->link[i].ifindex == l->ifindex)
			return;
	}
	ck_assert_uint_lt(v->nr_links, 16);
	v->link_how[v->nr_links] = how;
	v->link[v->nr_links++] = *l;
}

void
on_ifaddr(void *arg, enum nl_how how, const struct nl_ifaddr *a)
{
	struct view *v = arg;

	if (v->dumping && how != NL_DUMPED)
		return;
	for (size_t i = 0; how == NL_DUMPED && i < v->nr_ifaddrs; i++) {
		if (addr_eq(&v->ifaddr[i].addr, &a->addr) && v->ifaddr[i].ifindex == a->ifindex)
			return;
	}
	ck_assert_uint_lt(v->nr_ifaddrs, 16);
	v->ifaddr_how[v->nr_ifaddrs] = how;
	v->ifaddr[v->nr_ifaddrs++] = *a;
}

void
on_route(void *arg, enum nl_how how, const struct nl_route *r, bool ours)
{
	struct view *v = arg;

	if (v->dumping && how != NL_DUMPED)
		return;
	for (size_t i = 0; how == NL_DUMPED && i < v->nr; i++) {
		if (prefix_eq(&v->route[i].prefix, &r->prefix) && v->route[i].table == r->table &&
		    v->route[i].metric == r->metric)
			return;
	}
	ck_assert_uint_lt(v->nr, MAX_SEEN);
	ck_assert_uint_le(r->nr_hops, 8);
	v->how[v->nr] = how;
	v->ours[v->nr] = ours;
	v->route[v->nr] = *r;
	memcpy(v->hop[v->nr], r->hops, r->nr_hops * sizeof(*r->hops));
	v->route[v->nr].hops = v->hop[v->nr];
	v->nr++;
}

/* The kernel makes neighbours of its own (multicast groups): only those that a test knows. */
void
on_neigh(void *arg, enum nl_how how, const struct nl_neigh *n)
{
	struct view *v = arg;

	if (v->dumping && how != NL_DUMPED)
		return;
	if (addr_is_multicast(&n->addr))
		return;
	ck_assert_uint_lt(v->nr_neighs, 64);
	v->neigh_how[v->nr_neighs] = how;
	v->neigh[v->nr_neighs++] = *n;
}

void
on_resync(void *arg)
{
	((struct view *)arg)->resyncs++;
}

void
on_dump(void *arg, int err)
{
	struct view *v = arg;

	v->dumps_done++;
	v->dump_err = err;
}

void
on_answer(void *arg, int err, const char *why)
{
	struct view *v = arg;

	v->answers++;
	v->last_err = err;
	snprintf(v->why, sizeof(v->why), "%s", why);
}

struct view *
view_new(struct loop *loop, uint8_t protocol)
{
	struct netlink_ops ops = { on_link, on_ifaddr, on_route, on_neigh, on_resync, protocol };
	struct view *v = calloc(1, sizeof(*v));
	int err;

	v->loop = loop;
	v->nl = netlink_new(loop, &ops, v, &err);
	ck_assert_msg(v->nl != NULL, "netlink_new: %s", strerror(-err));
	return v;
}

void
view_free(struct view *v)
{
	netlink_free(v->nl);
	free(v);
}

void
settle(struct loop *loop)
{
	for (int i = 0; i < 30; i++)
		ck_assert_int_eq(loop_turn(loop, 1), 0);
}

void
forget(struct view *v)
{
	v->nr = v->nr_links = v->nr_ifaddrs = v->nr_neighs = 0;
}

void
dump(struct view *v, enum nl_what what)
{
	int before = v->dumps_done;

	forget(v);
	v->dumping = true; /* what the kernel does of itself meanwhile is not asked for */
	ck_assert_int_eq(netlink_dump(v->nl, what, on_dump, v), 0);
	for (int i = 0; i < 1000 && v->dumps_done == before; i++)
		ck_assert_int_eq(loop_turn(v->loop, 10), 0);
	v->dumping = false;
	ck_assert_int_eq(v->dumps_done, before + 1);
	ck_assert_int_eq(v->dump_err, 0);
}

struct prefix
pfx(const char *text)
{
	struct prefix p;

	ck_assert_int_eq(prefix_parse(text, &p, NULL), 0);
	return p;
}

struct addr
ip(const char *text)
{
	struct addr a;

	ck_assert_int_eq(addr_parse(text, &a), 0);
	return a;
}

struct nl_route
by_one(const char *prefix, uint8_t protocol, const struct nl_hop *hop)
{
	return (struct nl_route){
		.prefix = pfx(prefix), .protocol = protocol, .hops = hop, .nr_hops = 1
	};
}

/* ---- the ground: two links with addresses, made by libnl directly ---- */

static struct nl_sock *ground;
unsigned left, right;

void
ground_do(struct nl_msg *m)
{
	ck_assert_int_ge(nl_send_auto(ground, m), 0);
	nlmsg_free(m);
	ck_assert_int_eq(nl_wait_for_ack(ground), 0);
}

static struct nl_msg *
link_msg(int flags, int index, unsigned up)
{
	struct ifinfomsg ifi = {
		.ifi_index = index, .ifi_flags = up, .ifi_change = up ? IFF_UP : 0
	};
	struct nl_msg *m = nlmsg_alloc_simple(RTM_NEWLINK, flags);

	nlmsg_append(m, &ifi, sizeof(ifi), NLMSG_ALIGNTO);
	return m;
}

static void
veth_add(const char *name, const char *peer)
{
	struct nl_msg *m = link_msg(NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, 0, 0);
	struct ifinfomsg ifi = { 0 };
	struct nlattr *info, *data, *other;

	nla_put_string(m, IFLA_IFNAME, name);
	info = nla_nest_start(m, IFLA_LINKINFO);
	nla_put_string(m, IFLA_INFO_KIND, "veth");
	data = nla_nest_start(m, IFLA_INFO_DATA);
	other = nla_nest_start(m, VETH_INFO_PEER);
	nlmsg_append(m, &ifi, sizeof(ifi), NLMSG_ALIGNTO);
	nla_put_string(m, IFLA_IFNAME, peer);
	nla_nest_end(m, other);
	nla_nest_end(m, data);
	nla_nest_end(m, info);
	ground_do(m);
	ground_do(link_msg(NLM_F_ACK, (int)if_nametoindex(name), IFF_UP));
	ground_do(link_msg(NLM_F_ACK, (int)if_nametoindex(peer), IFF_UP));
}

void
ifaddr_put(int type, unsigned ifindex, const char *text, uint8_t len)
{
	struct addr a = ip(text);
	struct ifaddrmsg ifa = {
		.ifa_family = a.family == ADDR_V4 ? AF_INET : AF_INET6,
		.ifa_prefixlen = len,
		.ifa_index = ifindex,
		.ifa_flags = IFA_F_NODAD,
	};
	struct nl_msg *m = nlmsg_alloc_simple(type, NLM_F_CREATE | NLM_F_ACK);

	nlmsg_append(m, &ifa, sizeof(ifa), NLMSG_ALIGNTO);
	nla_put(m, IFA_LOCAL, a.family == ADDR_V4 ? 4 : 16, a.b);
	nla_put(m, IFA_ADDRESS, a.family == ADDR_V4 ? 4 : 16, a.b);
	ground_do(m);
}

void
neigh_put(int type, unsigned ifindex, const char *text, uint16_t state, const uint8_t *mac)
{
	struct addr a = ip(text);
	struct ndmsg ndm = {
		.ndm_family = a.family == ADDR_V4 ? AF_INET : AF_INET6,
		.ndm_ifindex = (int)ifindex,
		.ndm_state = state,
	};
	struct nl_msg *m = nlmsg_alloc_simple(type, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK);

	nlmsg_append(m, &ndm, sizeof(ndm), NLMSG_ALIGNTO);
	nla_put(m, NDA_DST, a.family == ADDR_V4 ? 4 : 16, a.b);
	if (mac)
		nla_put(m, NDA_LLADDR, 6, mac);
	ground_do(m);
}

static void
write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		perror(path);
	close(fd);
}

/* Per test: each has a network of its own, so none sees another's routes. */
void
setup(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	ground = nl_socket_alloc();
	ck_assert_int_eq(nl_connect(ground, NETLINK_ROUTE), 0);
	veth_add("left", "leftx");
	veth_add("right", "rightx");
	left = if_nametoindex("left");
	right = if_nametoindex("right");
	ifaddr_put(RTM_NEWADDR, left, "192.0.2.1", 24);
	ifaddr_put(RTM_NEWADDR, right, "198.51.100.1", 24);
	ifaddr_put(RTM_NEWADDR, left, "2001:db8:1::1", 64);
	ifaddr_put(RTM_NEWADDR, right, "2001:db8:2::1", 64);
}

void
teardown(void)
{
	nl_socket_free(ground);
}

bool
kit_namespace(void)
{
	unsigned uid = getuid(), gid = getgid();
	char map[64];

	/* Root needs no user namespace, and gets none in a chroot. */
	if (uid == 0 && unshare(CLONE_NEWNET) == 0)
		return true;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return false;
	write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", uid);
	write_file("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "0 %u 1", gid);
	write_file("/proc/self/gid_map", map);
	return true;
}
