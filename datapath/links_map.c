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
#include "lib/netdev.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <net/if_arp.h>
#include <string.h>

#define FEATURES_MS 10000

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

void
links_features_told(void *arg, unsigned ifindex, uint64_t features)
{
	struct dp_links *k = arg;
	struct link *n = link_find(k, ifindex);
	bool xmit = features & NETDEV_TAKES_FRAMES;

	if (!n || n->xmit == xmit)
		return;
	n->xmit = xmit;
	link_write(k, n);
}

void
links_features_due(void *arg)
{
	struct dp_links *k = arg;

	if (!k->xdp)
		return;
	timer_set(&k->features, FEATURES_MS);
	netdev_ask(k->xdp);
}
