/*
 * bgpd/import.c: what import makes of a route: the attributes as import policy leaves them, or why it is
 * not feasible.  Between intake.c, which asks for each prefix of an UPDATE, and policy.c.
 */
#include "bgpd/import.h"

#include <errno.h>
#include <string.h>

#include "bgpd/msg.h"
#include "bgpd/policy.h"
#include "bgpd/stale.h"

static bool
is_own_address(const struct adj *adj, const struct addr *a)
{
	const struct adj_session *s = &adj->session;

	if (!addr_is_set(a))
		return false;
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		if (addr_eq(a, &s->self[f]))
			return true;
	}
	return addr_eq(a, &s->local) || addr_eq(a, &s->self_ll);
}

static bool
in_cluster_list(struct bgp_span list, uint32_t id)
{
	return attrset_has_community(list, id); /* both are lists of 4-octet numbers */
}

/* Reasons that lie in the attributes alone. */
static enum path_why
attrs_why(const struct adj *adj, const struct bgp_attrs *a)
{
	const struct adj_session *s = &adj->session;

	/* RFC 4271 9.1.2: our own AS in the path: not feasible, but for what is allowed; by either
	 * name (RFC 7705 3.3). */
	if (bgp_as_path_count(a->as_path, s->local_as) +
		(s->own_as ? bgp_as_path_count(a->as_path, s->own_as) : 0) >
	    adj->allow_as_in)
		return PATH_AS_LOOP;
	/* RFC 4456 8: a router that sees its own ORIGINATOR_ID or CLUSTER_ID ignores the route. */
	if (s->ibgp && a->has_originator_id && a->originator_id == s->local_id)
		return PATH_ORIGINATOR;
	if (s->ibgp && in_cluster_list(a->cluster_list, adj->rib->cluster_id))
		return PATH_CLUSTER;
	/* RFC 9234 5, 1 and 2: a leak by a customer or a client, or by a peer of another's. */
	if (a->has_otc &&
	    (s->role == BGP_ROLE_PROVIDER || s->role == BGP_ROLE_RS ||
		(s->role == BGP_ROLE_PEER && a->otc != s->peer_as)))
		return PATH_LEAK;
	/* RFC 4271 5.1.3: not a route with ourselves as the next hop. */
	if (is_own_address(adj, &a->next_hop) || is_own_address(adj, &a->next_hop_ll))
		return PATH_OWN_HOP;
	return PATH_OK;
}

void
import_begin(struct adj *adj, struct import *im, uint32_t in)
{
	struct rib *r = adj->rib;
	struct bgp_attrs a;

	attrset_view(&r->sets, in, &a);
	attrset_unref(&r->sets, im->set);
	*im = (struct import){ .in = in, .loop = (uint8_t)attrs_why(adj, &a), .rule = -1 };
	im->alike = im->loop != PATH_OK || !adj->import || !policy_asks_prefix(adj->import);
}

void
import_end(struct adj *adj, struct import *im)
{
	attrset_unref(&adj->rib->sets, im->set);
	im->set = 0;
	im->in = 0;
}

/* How often local_as goes in front of what comes in by a rule that prepends @count times. */
static unsigned
prepends_in(const struct adj *adj, unsigned count)
{
	const struct adj_session *s = &adj->session;

	/* RFC 7705 3.1: others see that the route came by way of the AS that the peer knows. */
	return count + (s->own_as && !s->ibgp && s->local_as_mode == BGP_LOCAL_AS_PREPEND);
}

/* The attributes of im->in after @rule, to im->set. */
static int
import_apply(struct adj *adj, struct import *im, int rule)
{
	const struct bgp_rule *ru = policy_rule(adj->import, (size_t)rule);
	struct rib *r = adj->rib;
	const unsigned prepends = prepends_in(adj, ru->set.prepend);
	struct bgp_attrs a, was; /* was: most rules change nothing, and give the set that came */
	struct wire_wr w;

	attrset_unref(&r->sets, im->set);
	im->set = 0;
	im->rule = -1;
	attrset_view(&r->sets, im->in, &a);
	memcpy(&was, &a, sizeof(was));
	/* RFC 9234 5, 3: from a provider, a route server or a peer. */
	if (!a.has_otc &&
	    (adj->session.role == BGP_ROLE_CUSTOMER || adj->session.role == BGP_ROLE_RS_CLIENT ||
		adj->session.role == BGP_ROLE_PEER)) {
		a.has_otc = true;
		a.otc = adj->session.peer_as;
	}
	r->room.used = 0;
	if (policy_set(ru, &a, &r->room) < 0)
		return -ENOMEM;
	/* RFC 8326 4.1: the last choice, whatever preference rules gave; one may take the mark off. */
	if (adj->honor_shutdown && !adj->session.ibgp && a.communities.len &&
	    attrset_has_community(a.communities, BGP_GRACEFUL_SHUTDOWN)) {
		a.has_local_pref = true;
		a.local_pref = 0;
	}
	if (ru->set.next_hop == BGP_NH_ADDR && ru->set.next_hop_addr.family == a.next_hop.family) {
		a.next_hop = ru->set.next_hop_addr;
		a.next_hop_ll = (struct addr){ 0 };
	}
	if (prepends) {
		w = wire_wr_init(r->room.bytes + r->room.used, POLICY_ROOM - r->room.used);
		if (bgp_as_path_prepend(a.as_path, adj->session.local_as, prepends, &w) < 0)
			return -ENOMEM;
		a.as_path = (struct bgp_span){ .p = w.start, .len = (uint32_t)w.len };
	}
	/* Padding that differs costs a search, which finds the same set. */
	im->set = memcmp(&was, &a, sizeof(a)) == 0 // NOLINT(bugprone-suspicious-memory-comparison)
	    ? attrset_ref(&r->sets, im->in)
	    : attrset_intern(&r->sets, &a);
	if (!im->set)
		return -ENOMEM;
	im->rule = rule;
	return 0;
}

int
import_prefix(
    struct adj *adj, struct import *im, const struct prefix *p, uint32_t *set, uint8_t *why)
{
	int rule;

	*set = 0;
	*why = im->loop;
	if (im->loop != PATH_OK)
		return 0;
	/* RFC 8212: without a rule nothing is accepted. */
	rule = adj->import ? policy_match(adj->import, &adj->rib->sets, im->in, p, BGP_SRC_LEARNED)
			   : -1;
	if (rule < 0) {
		*why = PATH_NO_RULE;
		return 0;
	}
	if (!policy_rule(adj->import, (size_t)rule)->accept) {
		*why = PATH_REJECTED;
		return 0;
	}
	if (im->rule != rule && import_apply(adj, im, rule) < 0)
		return -ENOMEM;
	*set = im->set;
	return 0;
}

/* ---- other rules than when it came ---- */

/* RFC 9494 4.2: whatever the new policy makes of a long-lived stale route, it says that it is one,
 * and the policy may forbid it too. */
static void
path_put_long(
    struct adj *adj, enum bgp_family f, uint32_t node, uint32_t path, uint32_t set, uint8_t why)
{
	struct rib *r = adj->rib;
	struct path *p = rib_path(r, path);
	uint32_t marked = set ? stale_mark(r, set) : 0;

	if (stale_is_forbidden(r, p->in, set) || (set && !marked))
		adj_path_remove(adj, f, node, path);
	else
		adj_path_put(adj, f, node, p, p->in, marked, why, p->flags & PATH_AGES);
	attrset_unref(&r->sets, marked);
}

void
import_forget(struct adj *adj)
{
	if (adj->import)
		policy_forget(adj->import);
}

int
import_again(struct adj *adj, enum bgp_family f, uint32_t node, uint32_t path, void *arg)
{
	struct path *p = rib_path(adj->rib, path);
	struct import *im = arg;
	struct prefix prefix;
	uint32_t set;
	uint8_t why;

	if (im->in != p->in)
		import_begin(adj, im, p->in);
	ptab_prefix(&adj->rib->tab[f], node, &prefix);
	if (import_prefix(adj, im, &prefix, &set, &why) < 0)
		return -ENOMEM;
	if (p->flags & PATH_LONG_LIVED)
		path_put_long(adj, f, node, path, set, why);
	else
		adj_path_put(adj, f, node, p, p->in, set, why, p->flags & PATH_AGES);
	return 0;
}
