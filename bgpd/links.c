/*
 * bgpd/links.c: one walk over the node's addresses when a session comes up.  Below peer.c.
 */
#include "bgpd/links.h"

#include <ifaddrs.h>
#include <net/if.h>
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

/* The name of the interface with @local. */
static const char *
find_link(const struct ifaddrs *all, const struct addr *local, unsigned scope)
{
	struct addr a;

	for (const struct ifaddrs *e = all; e; e = e->ifa_next) {
		if (!entry_addr(e, &a) || !addr_eq(&a, local))
			continue;
		if (!scope || if_nametoindex(e->ifa_name) == scope)
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

void
link_view(const struct addr *local, const struct addr *remote, unsigned scope, struct link_view *v)
{
	struct ifaddrs *all;
	const char *name;
	struct addr a;

	memset(v, 0, sizeof(*v));
	if (getifaddrs(&all) < 0)
		return;
	name = find_link(all, local, addr_is_linklocal(local) ? scope : 0);
	for (const struct ifaddrs *e = name ? all : NULL; e; e = e->ifa_next) {
		if (strcmp(e->ifa_name, name) == 0 && entry_addr(e, &a))
			view_add(v, e, &a, remote);
	}
	if (name)
		v->ifindex = if_nametoindex(name);
	freeifaddrs(all);
}
