/*
 * bgpd/links.c: the node's addresses when a session comes up.  Below peer.c.
 */
#include "bgpd/links.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <string.h>

/* The length of the contiguous mask in a socket address. */
static unsigned
mask_len(const struct sockaddr *sa)
{
	struct addr mask;
	uint16_t port;
	unsigned len = 0;

	if (!sa || addr_from_sockaddr(sa, &mask, &port) < 0)
		return 0;
	while (len < addr_bits(mask.family) && mask.b[len / 8] & 0x80 >> len % 8)
		len++;
	return len;
}

static bool
entry_addr(const struct ifaddrs *e, struct addr *a)
{
	uint16_t port;

	return e->ifa_addr && addr_from_sockaddr(e->ifa_addr, a, &port) == 0;
}

/* Each link has an entry of its own, of the link layer, which has the index. */
static unsigned
entry_index(const struct ifaddrs *all, const char *name)
{
	struct sockaddr_ll ll;

	for (const struct ifaddrs *e = all; e; e = e->ifa_next) {
		if (!e->ifa_addr || e->ifa_addr->sa_family != AF_PACKET ||
		    strcmp(e->ifa_name, name) != 0)
			continue;
		memcpy(&ll, e->ifa_addr, sizeof(ll));
		return (unsigned)ll.sll_ifindex;
	}
	return if_nametoindex(name); /* an alias, or a link that has gone meanwhile */
}

/* The name of the interface with @local. */
static const char *
find_link(const struct ifaddrs *all, const struct addr *local, unsigned scope)
{
	struct addr a;

	for (const struct ifaddrs *e = all; e; e = e->ifa_next) {
		if (!entry_addr(e, &a) || !addr_eq(&a, local))
			continue;
		if (!scope || entry_index(all, e->ifa_name) == scope)
			return e->ifa_name;
	}
	return NULL;
}

static void
view_add(
    struct link_view *v, const struct ifaddrs *e, const struct addr *a, const struct addr *remote)
{
	struct addr *to = a->family == ADDR_V4 ? &v->v4 : addr_is_linklocal(a) ? &v->ll : &v->v6;
	struct prefix net;

	if (!addr_is_set(to))
		*to = *a;
	net = prefix_of(a, mask_len(e->ifa_netmask));
	if (net.len && prefix_has_addr(&net, remote))
		v->connected = true;
}

static void
links_forget(void *arg)
{
	struct links *l = arg;

	if (l->all)
		freeifaddrs(l->all);
	l->all = NULL;
}

void
links_init(struct links *l, struct loop *loop)
{
	*l = (struct links){ 0 };
	work_init(&l->forget, loop, links_forget, l);
}

void
links_fini(struct links *l)
{
	work_cancel(&l->forget);
	links_forget(l);
}

void
link_view(struct links *l, const struct addr *local, const struct addr *remote, unsigned scope,
    struct link_view *v)
{
	const char *name;
	struct addr a;

	memset(v, 0, sizeof(*v));
	if (!l->all && getifaddrs(&l->all) < 0) {
		l->all = NULL;
		return;
	}
	work_post(&l->forget);
	name = find_link(l->all, local, addr_is_linklocal(local) ? scope : 0);
	for (const struct ifaddrs *e = name ? l->all : NULL; e; e = e->ifa_next) {
		if (strcmp(e->ifa_name, name) == 0 && entry_addr(e, &a))
			view_add(v, e, &a, remote);
	}
	if (name)
		v->ifindex = entry_index(l->all, name);
}
