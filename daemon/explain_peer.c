/*
 * daemon/explain_peer.c: why a session is not established: the configuration, the way to the peer, and
 * what the last attempt ended by.  See explain.h.
 */
#include "daemon/explain.h"

#include "daemon/app.h"
#include "lib/mem.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Ends of an attempt that say what is wrong.  code 0: of TCP, by errno. */
static const struct {
	uint8_t code, subcode; /* of the NOTIFICATION; subcode 0: any */
	int received;	       /* 1: theirs, 0: ours, -1: either */
	int error;
	const char *field, *advice;
} ends[] = {
	{ 0, 0, -1, ECONNREFUSED, "",
	    "Nobody listens at the peer's port 179 for this address: is BGP on there, and does its "
	    "neighbour list have this node's address?" },
	{ 0, 0, -1, EHOSTUNREACH, "",
	    "Nothing answers for the peer's address on the link: is it right, and is the peer "
	    "up?" },
	{ 0, 0, -1, ENETUNREACH, "",
	    "There is no route to the peer: see ip route get ADDRESS on this node." },
	{ 0, 0, -1, EADDRNOTAVAIL, "spec.transport.sourceAddress",
	    "The address to speak from is not one of this node's." },
	{ 0, 0, -1, ECONNRESET, "",
	    "The peer ends the connection without a word: most often it does not know this node's "
	    "address as a neighbour, or expects another TTL." },
	{ 2, 2, 0, 0, "spec.bgpInstances[].peers[].peerASN",
	    "Set peerASN to the AS that the peer has, or mend it there." },
	{ 2, 2, 1, 0, "spec.bgpInstances[].localASN",
	    "The peer expects another AS of this node: make localASN and its configuration "
	    "agree." },
	{ 2, 3, -1, 0, "spec.bgpInstances[].routerID",
	    "Two speakers have the same router ID: set another one (BGPNodeConfigOverride)." },
	{ 2, 6, -1, 0, "spec.timers.holdTimeSeconds",
	    "One end refuses the hold time of the other: choose one that both take (3 and more)." },
	{ 2, 7, -1, 0, "spec.families",
	    "The ends have no address family in common: make families agree." },
	{ 2, 11, -1, 0, "spec.role",
	    "The roles of both ends do not belong together (RFC 9234): provider and customer, rs "
	    "and rs-client, peer and peer." },
	{ 2, 0, -1, 0, "", "The OPEN was refused: the message says why." },
	{ 4, 0, -1, 0, "spec.timers.holdTimeSeconds",
	    "Nothing was heard for the hold time: does the link lose packets, is the peer "
	    "overloaded?" },
	{ 6, 1, 0, 0, "spec.families[].maxPrefixes",
	    "The peer announces more than maxPrefixes allows: raise it, or let it announce less." },
	{ 6, 1, 1, 0, "",
	    "This node announces more than the peer allows: aggregate, or let it allow more." },
	{ 6, 2, 1, 0, "", "The peer was shut down by its administrator." },
	{ 6, 5, 1, 0, "",
	    "The peer rejects the connection: does its configuration have this node?" },
	{ 3, 0, -1, 0, "", "An UPDATE was malformed beyond what can be mended; the log has it." },
};

struct find {
	const char *name;
	bool found;
	struct bgp_peer_stats stats;
};

/* By name or by address. */
static bool
is_it(void *arg, const struct bgp_peer_stats *p)
{
	struct find *f = arg;
	char text[ADDR_STRLEN];

	f->found = strcmp(p->name, f->name) == 0 ||
	    strcmp(addr_format(&p->addr, text, sizeof(text)), f->name) == 0;
	if (f->found)
		f->stats = *p;
	return !f->found;
}

/* Is the name in the text, by itself and not as a part of another? */
static bool
names(const char *text, const char *name)
{
	const size_t len = strlen(name);

	for (const char *at = strstr(text, name); len && at; at = strstr(at + 1, name)) {
		const bool begins = at == text || !isalnum((unsigned char)at[-1]);

		if (begins && !isalnum((unsigned char)at[len]))
			return true;
	}
	return false;
}

/* What the configuration could not make of it. */
static bool
step_notices(struct explain *e, const char *name)
{
	bool any = false;

	for (const struct notice *n = e->app->plan ? e->app->plan->notices : NULL; n; n = n->next) {
		char *object;

		if (!names(n->message, name) && !names(n->name, name))
			continue;
		any = true;
		object = xasprintf("%s %s", n->kind, n->name);
		explain_add(e,
		    &(struct explain_step){ .stage = "configuration",
			.subject = name,
			.verdict = EXPLAIN_FAIL,
			.reason = n->reason,
			.object = object,
			.message = xstrdup(n->message) });
		free(object);
	}
	return any;
}

static void
step_configured(struct explain *e, const struct bgp_peer_stats *p)
{
	char addr[ADDR_STRLEN];
	struct explain_step s = {
		.stage = "configuration", .subject = p->name, .reason = REASON_SATISFIED
	};

	addr_format(&p->addr, addr, sizeof(addr));
	if (p->held_down) {
		s.verdict = EXPLAIN_FAIL;
		s.reason = p->over_limit ? REASON_PREFIX_LIMIT : REASON_PEER_SHUTDOWN;
		if (p->over_limit) {
			s.object = "BGPPeerConfig";
			s.field = "spec.families[].maxPrefixes";
			s.advice =
			    "Raise maxPrefixes or let the peer announce less; then heraldctl bgp "
			    "enable brings it back at once.";
		}
		for (const struct notice *n = e->app->plan ? e->app->plan->notices : NULL; n;
		     n = n->next)
			if (strcmp(n->message, p->held_down) == 0 || names(n->message, p->name))
				s.reason = n->reason;
		s.message = xasprintf("It is held down: %s.", p->held_down);
	} else {
		s.message = xasprintf("%s at %s, AS %u, of the instance %s (AS %u).", p->name, addr,
		    p->peer_as, p->instance, p->local_as);
	}
	explain_add(e, &s);
}

/* Silence has other reasons than a refusal. */
static void
blame_silence(const struct bgp_peer_stats *p, struct explain_step *s)
{
	s->advice = p->has_md5
	    ? "The peer does not answer, or its answers are thrown away: with a password the "
	      "likeliest reason is that the two ends have different ones (authSecretRef)."
	    : p->gtsm_hops
	    ? "The peer does not answer: a firewall, or it is further away than ttlSecurity.hops."
	    : "The peer does not answer: a firewall, a wrong address, or a password (TCP MD5) that "
	      "is set there and not here.";
	s->field = p->has_md5 ? "spec.authSecretRef" : "";
}

/* The last session ended by our own will (RFC 4486: a change of the configuration, a reset), and no attempt
 * has ended since: what is amiss now says nothing. */
static bool
is_silent_since(const struct bgp_peer_stats *p)
{
	return p->end_code == 6 && !p->end_received && (p->end_subcode == 4 || p->end_subcode == 6);
}

static void
blame_end(const struct bgp_peer_stats *p, struct explain_step *s)
{
	s->advice = "See the peer's own log for what it makes of this node.";
	if (is_silent_since(p)) {
		blame_silence(p, s);
		return;
	}
	if (p->end_code == 0 && (p->end_errno == -ETIMEDOUT || !p->last_error[0])) {
		blame_silence(p, s);
		return;
	}
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		if (ends[i].code != p->end_code ||
		    (ends[i].subcode && ends[i].subcode != p->end_subcode) ||
		    (ends[i].code == 0 && ends[i].error != -p->end_errno) ||
		    (ends[i].received >= 0 && ends[i].received != p->end_received))
			continue;
		s->field = ends[i].field;
		s->advice = ends[i].advice;
		return;
	}
	if (p->end_code == 0 && p->end_errno == 0)
		blame_silence(p, s);
}

static void
step_session(struct explain *e, const struct bgp_peer_stats *p)
{
	struct explain_step s = { .stage = "session",
		.subject = p->name,
		.reason = REASON_SATISFIED,
		.object = "BGPPeerConfig" };

	if (p->state == BGP_ESTABLISHED) {
		s.object = "";
		s.message = xasprintf("Established for %llu s.",
		    (unsigned long long)((loop_now_ms(e->app->loop) - p->up_ms) / 1000));
		explain_add(e, &s);
		return;
	}
	s.verdict = p->held_down ? EXPLAIN_SKIP : EXPLAIN_FAIL;
	s.reason = REASON_PEER_NOT_ESTABLISHED;
	if (!p->held_down)
		blame_end(p, &s);
	if (p->end_their_as)
		s.message = xasprintf("The peer says that it is AS %u, AS %u is wanted.",
		    p->end_their_as, p->peer_as);
	else if (p->last_error[0] && !is_silent_since(p))
		s.message = xasprintf("The last attempt: %s.", p->last_error);
	else
		s.message = xstrdup("No attempt has come to an end yet.");
	explain_add(e, &s);
}

static void
step_routes(struct explain *e, const struct bgp_peer_stats *p)
{
	static const char *const names[BGP_NR_FAMILIES] = { "IPv4", "IPv6" };

	for (int f = 0; f < BGP_NR_FAMILIES && p->state == BGP_ESTABLISHED; f++) {
		const struct bgp_family_stats *c = &p->family[f];
		struct explain_step s = {
			.stage = "routes", .subject = names[f], .reason = REASON_SATISFIED
		};

		if (!c->configured)
			continue;
		s.message = xasprintf("%u received, %u of them accepted; %u advertised.",
		    c->received, c->accepted, c->advertised);
		if (c->max_prefixes) {
			free(s.message);
			s.message = xasprintf(
			    "%u received of at most %u, %u of them accepted; %u advertised.",
			    c->received, c->max_prefixes, c->accepted, c->advertised);
		}
		if (c->received && !c->accepted) {
			s.verdict = EXPLAIN_DEGRADED;
			s.reason = REASON_IMPORT_REJECTED;
			s.object = "BGPPeerConfig";
			s.field = "spec.import";
		} else if (c->warn_prefixes && c->received >= c->warn_prefixes) {
			s.verdict = EXPLAIN_DEGRADED;
			s.reason = REASON_PREFIX_LIMIT;
			s.object = "BGPPeerConfig";
			s.field = "spec.families[].maxPrefixes";
			s.advice = "At the limit the session ends, or is only warned of, as "
				   "maxPrefixesAction says.";
		}
		explain_add(e, &s);
	}
}

/* A range of peers: whether it lets anybody in. */
static void
step_range(struct explain *e, const struct bgp_range_stats *r)
{
	struct explain_step s = {
		.stage = "configuration", .subject = r->name, .reason = REASON_SATISFIED
	};

	s.message =
	    xasprintf("Whoever connects from %s is a peer; %u of at most %u are there, %llu "
		      "connections were refused.",
		prefix_str(&r->range), r->peers, r->limit, (unsigned long long)r->refused);
	if (r->held_down) {
		free(s.message);
		s.message = xasprintf("Nobody is let in: %s.", r->held_down);
		s.verdict = EXPLAIN_FAIL;
		s.reason = REASON_PEER_SHUTDOWN;
	} else if (r->peers >= r->limit) {
		s.verdict = EXPLAIN_DEGRADED;
		s.reason = REASON_PEER_LIMIT;
		s.field = "spec.bgpInstances[].peers[].peerLimit";
		s.object = "BGPClusterConfig";
	}
	explain_add(e, &s);
}

bool
explain_peer(struct explain *e, const char *name)
{
	struct find f = { .name = name };
	struct bgp_range_stats range;

	bgp_peers_each(e->app->bgp, is_it, &f);
	if (!f.found && bgp_range_find(e->app->bgp, name, &range)) {
		(void)step_notices(e, name);
		step_range(e, &range);
		return true;
	}
	if (!f.found)
		return step_notices(e, name);
	step_configured(e, &f.stats);
	step_session(e, &f.stats);
	step_routes(e, &f.stats);
	return true;
}
