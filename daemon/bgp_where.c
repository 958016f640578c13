/*
 * daemon/bgp_where.c: where a peer is, and in words why that is not known.  See bgp_where.h.
 */
#include "daemon/bgp_where.h"

#include <string.h>

static void
given(const struct res_bgp_peer *p, const struct bgp_links *links, struct arena *a,
    struct bgp_where *w)
{
	const char *zone = p->peer_address.zone;

	w->at.addr = p->peer_address.addr;
	if (!*zone)
		return;
	memcpy(w->at.link, zone, sizeof(w->at.link));
	w->at.ifindex = links ? links->index(links->arg, zone) : 0;
	if (w->at.ifindex || !links)
		return;
	w->reason = REASON_LINK_MISSING;
	w->why = arena_printf(a,
	    "peer %s: this node has no interface %s, which its peerAddress names", p->name, zone);
}

static void
gateway(const struct res_bgp_peer *p, const struct bgp_links *links, struct arena *a,
    struct bgp_where *w)
{
	const bool v6 = p->discovery_family == RES_AFI_IPV6;

	if (!links)
		return;
	w->reason = links->gateway(links->arg, v6 ? ADDR_V6 : ADDR_V4, &w->at);
	if (w->reason != REASON_SATISFIED)
		w->why = arena_printf(a,
		    "peer %s is the default gateway, but this node has no %s default route with "
		    "one",
		    p->name, v6 ? "IPv6" : "IPv4");
}

static void
neighbour(const struct res_bgp_peer *p, const struct bgp_links *links, struct arena *a,
    struct bgp_where *w)
{
	const char *link = p->discovery_interface;

	w->unnumbered = true;
	if (!links)
		return;
	w->reason = links->neighbour(links->arg, link, &w->at);
	switch (w->reason) {
	case REASON_SATISFIED:
		break;
	case REASON_LINK_MISSING:
		w->why = arena_printf(a, "peer %s: this node has no interface %s", p->name, link);
		break;
	case REASON_LINK_DOWN:
		w->why = arena_printf(a, "peer %s: the interface %s is down", p->name, link);
		break;
	case REASON_NO_LINK_LOCAL:
		w->why = arena_printf(a,
		    "peer %s: the interface %s has no IPv6 link-local address to speak from: is "
		    "IPv6 "
		    "disabled on it?",
		    p->name, link);
		break;
	default:
		w->why = arena_printf(a,
		    "peer %s: no router has been heard on %s yet (it is found by its IPv6 router "
		    "advertisements)",
		    p->name, link);
	}
}

void
bgp_where_is(const struct res_bgp_peer *p, const struct bgp_links *links, struct arena *a,
    struct bgp_where *w)
{
	memset(w, 0, sizeof(*w));
	w->reason = REASON_SATISFIED;
	if (addr_is_set(&p->peer_address.addr))
		given(p, links, a, w);
	else if (p->discovery == RES_DISCOVER_DEFAULT_GATEWAY)
		gateway(p, links, a, w);
	else if (p->discovery == RES_DISCOVER_UNNUMBERED)
		neighbour(p, links, a, w);
	if (w->reason != REASON_SATISFIED) {
		w->at.addr = (struct addr){ 0 };
		w->at.ifindex = 0;
	}
}
