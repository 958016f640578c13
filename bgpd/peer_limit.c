/*
 * bgpd/peer_limit.c: a peer that told more prefixes than it may: how long it stays down, and what brings
 * it back.  Beside peer.c, which asks here why a peer is held down; the counting is done in adj.c.
 */
#include <string.h>

#include "bgpd/peer.h"
#include "lib/mem.h"

/* The family is in the NOTIFICATION that was sent (RFC 4486 4), maybe in that of a hard reset. */
static const struct bgp_family_conf *
family_of_fault(const struct peer *p, const struct bgp_fault *f)
{
	struct wire_rd r = wire_rd_init(f->data, f->len);
	int family;

	if (f->subcode == BGP_CEASE_HARD_RESET)
		(void)wire_u16(&r);
	family = bgp_family_of(wire_u16(&r), 1);

	return family >= 0 ? &p->conf->family[family] : NULL;
}

void
peer_limit_hit(struct peer *p, struct session *s)
{
	const struct bgp_family_conf *c = family_of_fault(p, &s->fault);

	if (s->end.how != SESSION_SENT || s->end.code != BGP_ERR_CEASE ||
	    s->end.subcode != BGP_CEASE_MAX_PREFIXES || !c)
		return;
	if (c->limit_action != BGP_LIMIT_SHUTDOWN && !c->restart_s)
		return; /* as after any other fault */
	/* RFC 4271 8.1.1: the back-off is not what brings this one back. */
	timer_stop(&s->idle_hold);
	mem_free(p->limit_text);
	p->limit_text = xasprintf("more than the %u prefixes of %s that maxPrefixes allows",
	    c->max_prefixes, c == &p->conf->family[BGP_IPV4_UNICAST] ? "IPv4" : "IPv6");
	if (c->limit_action == BGP_LIMIT_SHUTDOWN)
		timer_stop(&p->limit);
	else
		timer_set(&p->limit, c->restart_s * 1000ull);
}

bool
peer_limit_forget(struct peer *p)
{
	const bool was = p->limit_text;

	timer_stop(&p->limit);
	mem_free(p->limit_text);
	p->limit_text = NULL;
	return was;
}

bool
peer_limit_changed(const struct bgp_peer_conf *a, const struct bgp_peer_conf *b)
{
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		const struct bgp_family_conf *x = &a->family[f], *y = &b->family[f];

		if (x->max_prefixes != y->max_prefixes || x->limit_action != y->limit_action ||
		    x->restart_s != y->restart_s)
			return true;
	}
	return false;
}

void
peer_limit_check(struct peer *p)
{
	if (p->up && adj_limit_check(p->adj, &p->up->fault) < 0)
		session_event(p->up, FSM_AUTOMATIC_STOP);
}
