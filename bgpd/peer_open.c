/*
 * bgpd/peer_open.c: what a peer is told in our OPEN, and what of its own OPEN the configuration
 * allows.  Between the configuration, msg.c (bytes) and session.c.
 */
#include <string.h>

#include "bgpd/conf.h"
#include "bgpd/peer.h"

uint32_t
peer_local_as(const struct peer *p)
{
	return p->conf->local_as ? p->conf->local_as : p->instance->local_as;
}

struct transport
peer_transport(const struct peer *p)
{
	return transport_of(p->conf, peer_local_as(p));
}

static void
caps_gr(const struct peer *p, struct bgp_caps *caps)
{
	caps->gr = p->conf->gr;
	if (!caps->gr)
		return;
	caps->gr_time_s = p->conf->gr_time_s;
	caps->gr_notification = true; /* RFC 8538 2 */
	caps->gr_restarting = p->restarting;
	caps->gr_families = caps->families;
	/* RFC 4724 3: what was announced before is still forwarded: by the kernel when this
	 * process follows another, by ourselves when only the session was gone. */
	if (p->restarting || p->was_up)
		caps->gr_forwarding = caps->families;
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		caps->llgr_time_s[f] = p->conf->family[f].stale_s;
		if (p->conf->family[f].stale_s)
			caps->llgr_families |= caps->families & BGP_FAMILY_MASK(f);
	}
	/* RFC 9494 3.1: F as in the capability beside it, or the routes would be gone before. */
	caps->llgr_forwarding = caps->gr_forwarding & caps->llgr_families;
}

void
peer_open(const struct peer *p, struct bgp_open *o)
{
	const struct instance *in = p->instance;
	const char *host = in->bgp->host_name;
	const uint32_t as = peer_local_as(p);
	struct bgp_caps *caps = &o->caps;
	size_t len;

	memset(o, 0, sizeof(*o));
	o->version = 4;
	o->as = as;
	o->as2 = (uint16_t)(as > UINT16_MAX ? BGP_AS_TRANS : as);
	o->hold_s = p->conf->hold_s;
	o->id = in->router_id;
	caps->families = conf_families(p->conf);
	caps->mp = true;
	caps->refresh = true;
	/* FRR (8.4) answers no refresh of a peer with RFC 7313 before it has sent End-of-RIB, which it
	 * does for graceful restart alone. */
	caps->enhanced_refresh = p->conf->gr;
	caps->as4 = true;
	caps->as4_number = as;
	caps->ext_msg = p->conf->ext_msg;
	/* RFC 8950 4: of our families only IPv4 can have a next hop of the other one. */
	if (p->conf->ext_next_hop)
		caps->ext_next_hop = caps->families & BGP_FAMILY_MASK(BGP_IPV4_UNICAST);
	/* RFC 9234 4.1: a role is one towards another AS. */
	if (p->conf->role != BGP_ROLE_NONE && p->conf->peer_as != as) {
		caps->has_role = true;
		caps->role = (uint8_t)(p->conf->role - 1);
	}
	caps_gr(p, caps);
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		const unsigned how = p->conf->family[f].add_path;

		if (!(caps->families & BGP_FAMILY_MASK(f)))
			continue;
		caps->add_send |= how & BGP_ADD_SEND ? BGP_FAMILY_MASK(f) : 0;
		caps->add_receive |= how & BGP_ADD_RECEIVE ? BGP_FAMILY_MASK(f) : 0;
	}
	if (host) {
		len = strcspn(host, ".");
		if (len >= sizeof(caps->host))
			len = sizeof(caps->host) - 1;
		memcpy(caps->host, host, len);
	}
}

/* RFC 5492 3: the data of Unsupported Capability are the capabilities that we miss. */
static int
fault_families(const struct peer *p, struct bgp_fault *f)
{
	uint8_t data[6 * BGP_NR_FAMILIES];
	struct wire_wr w = wire_wr_init(data, sizeof(data));
	unsigned wanted = conf_families(p->conf);

	for (int i = 0; i < BGP_NR_FAMILIES; i++) {
		if (!(wanted & BGP_FAMILY_MASK(i)))
			continue;
		wire_put_u16(&w, 1 << 8 | 4); /* multiprotocol, its length */
		wire_put_u16(&w, bgp_family_afi((enum bgp_family)i));
		wire_put_u16(&w, 1); /* reserved; SAFI unicast */
	}
	return bgp_fault_set(
	    f, BGP_ERR_OPEN, BGP_OPEN_CAPABILITY, w.start, w.len, "no address family in common");
}

/* RFC 9234 4.2, table 2: the roles that belong together. */
static bool
roles_fit(enum bgp_role ours, uint8_t theirs)
{
	static const enum bgp_role of[] = {
		[BGP_ROLE_PROVIDER] = BGP_ROLE_CUSTOMER,
		[BGP_ROLE_CUSTOMER] = BGP_ROLE_PROVIDER,
		[BGP_ROLE_RS] = BGP_ROLE_RS_CLIENT,
		[BGP_ROLE_RS_CLIENT] = BGP_ROLE_RS,
		[BGP_ROLE_PEER] = BGP_ROLE_PEER,
	};

	return of[ours] == (enum bgp_role)(theirs + 1);
}

static int
check_role(const struct peer *p, const struct bgp_caps *theirs, struct bgp_fault *f)
{
	const char *why = NULL;

	if (theirs->role_clash)
		why = "several roles that differ";
	else if (p->conf->role == BGP_ROLE_NONE)
		return 0;
	else if (!theirs->has_role && p->conf->role_strict)
		why = "the peer tells no role";
	else if (theirs->has_role && !roles_fit(p->conf->role, theirs->role))
		why = "the peer's role does not belong to ours";
	return why ? bgp_fault_set(f, BGP_ERR_OPEN, BGP_OPEN_ROLE, NULL, 0, why) : 0;
}

int
peer_open_check(const struct peer *p, const struct bgp_open *o, struct bgp_fault *f)
{
	const struct instance *in = p->instance;

	if (p->conf->peer_as && o->as != p->conf->peer_as)
		return bgp_fault_set(
		    f, BGP_ERR_OPEN, BGP_OPEN_PEER_AS, NULL, 0, "not the AS expected");
	if (p->conf->other_as && o->as == peer_local_as(p))
		return bgp_fault_set(
		    f, BGP_ERR_OPEN, BGP_OPEN_PEER_AS, NULL, 0, "our own AS, not another");
	/* RFC 6286 2.2: the same identifier is wrong only within an AS. */
	if (o->id == in->router_id && o->as == peer_local_as(p))
		return bgp_fault_set(
		    f, BGP_ERR_OPEN, BGP_OPEN_ID, NULL, 0, "the identifier is our own");
	if (!(o->caps.families & conf_families(p->conf)))
		return fault_families(p, f);
	return o->as != peer_local_as(p) ? check_role(p, &o->caps, f) : 0;
}
