/*
 * bgpd/show.c: peers and routes as JSON, in the shapes of doc/control-protocol.md.  Reads only.
 */
#include "bgpd/bmp.h"
#include "bgpd/conf.h"
#include "bgpd/range.h"
#include "bgpd/show_peer.h"

static void
put(json_t *o, const char *key, json_t *value)
{
	(void)json_object_set_new(o, key, value);
}

static json_t *
number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *
id_json(uint32_t id)
{
	struct addr a = { .family = ADDR_V4 };
	char text[ADDR_STRLEN];

	for (unsigned i = 0; i < 4; i++)
		a.b[i] = (uint8_t)(id >> (24 - 8 * i));
	return json_string(addr_format(&a, text, sizeof(text)));
}

static json_t *
addr_json(const struct addr *a)
{
	char text[ADDR_STRLEN];

	return json_string(addr_is_set(a) ? addr_format(a, text, sizeof(text)) : "");
}

static json_t *
families_json(unsigned mask)
{
	json_t *list = json_array();

	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		if (mask & BGP_FAMILY_MASK(f))
			(void)json_array_append_new(
			    list, json_string(bgp_family_name((enum bgp_family)f)));
	}
	return list;
}

/* How many prefixes the peer may tell, when there is a limit. */
static void
put_limit(json_t *o, const struct bgp_family_conf *c, uint32_t received)
{
	static const char *const actions[] = { [BGP_LIMIT_RESTART] = "restart",
		[BGP_LIMIT_SHUTDOWN] = "shutdown",
		[BGP_LIMIT_WARN] = "warn" };
	json_t *limit;

	if (!c->max_prefixes)
		return;
	limit = json_object();
	put(limit, "maximum", number(c->max_prefixes));
	put(limit, "warnAt", number(c->warn_prefixes));
	put(limit, "action", json_string(actions[c->limit_action]));
	put(limit, "state",
	    json_string(received > c->max_prefixes		       ? "exceeded"
		    : c->warn_prefixes && received >= c->warn_prefixes ? "near"
								       : "below"));
	put(o, "prefixLimit", limit);
}

static json_t *
family_json(const struct peer *p, enum bgp_family f)
{
	json_t *o = json_object();
	struct adj_counts c;

	adj_counts(p->adj, f, &c);
	put(o, "afi", json_string(f == BGP_IPV6_UNICAST ? "ipv6" : "ipv4"));
	put(o, "safi", json_string("unicast"));
	put(o, "received", number(c.received));
	put(o, "accepted", number(c.accepted));
	put(o, "advertised", number(p->up ? c.advertised : 0));
	put_limit(o, &p->conf->family[f], c.received);
	put(o, "eorSent", json_boolean(c.eor_out));
	put(o, "eorReceived", json_boolean(c.eor_in));
	put(o, "stale", json_boolean(adj_stale_families(p->adj) & BGP_FAMILY_MASK(f)));
	put(o, "staleRoutes", number(c.stale));
	put(o, "longLivedStaleRoutes", number(c.long_lived));
	if (timer_is_running(&p->long_lived[f].timer))
		put(o, "longLivedSecondsLeft",
		    number(timer_left_ms(&p->long_lived[f].timer) / 1000));
	put(o, "updatesReceived", number(c.updates_in));
	put(o, "updatesSent", number(c.updates_out));
	put(o, "treatedAsWithdraw", number(c.withdraws_as_error));
	put(o, "attributesDiscarded", number(c.attrs_discarded));
	return o;
}

static json_t *
stale_times_json(const struct bgp_caps *c)
{
	json_t *o = json_object();

	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		if (c->llgr_families & BGP_FAMILY_MASK(f))
			put(o, bgp_family_name((enum bgp_family)f), number(c->llgr_time_s[f]));
	}
	return o;
}

/* Codes that mean nothing to us. */
static json_t *
unknown_json(const struct bgp_caps *c)
{
	json_t *list = json_array();

	for (unsigned code = 0; code < 8 * sizeof(c->unknown); code++) {
		if (c->unknown[code / 8] & 1u << code % 8)
			(void)json_array_append_new(list, number(code));
	}
	return list;
}

static json_t *
caps_json(const struct bgp_caps *c)
{
	json_t *o = json_object(), *unknown;

	put(o, "families", families_json(c->families));
	put(o, "routeRefresh", json_boolean(c->refresh));
	put(o, "enhancedRouteRefresh", json_boolean(c->enhanced_refresh));
	put(o, "fourOctetAS", json_boolean(c->as4));
	put(o, "extendedNextHop", families_json(c->ext_next_hop));
	put(o, "extendedMessage", json_boolean(c->ext_msg));
	if (c->has_role)
		put(o, "role", json_string(bgp_role_name(c->role)));
	if (c->add_send)
		put(o, "addPathSend", families_json(c->add_send));
	if (c->add_receive)
		put(o, "addPathReceive", families_json(c->add_receive));
	put(o, "gracefulRestart", json_boolean(c->gr));
	if (c->gr) {
		put(o, "restarting", json_boolean(c->gr_restarting));
		put(o, "notification", json_boolean(c->gr_notification));
		put(o, "restartTimeSeconds", number(c->gr_time_s));
		put(o, "restartFamilies", families_json(c->gr_families));
		put(o, "forwardingPreserved", families_json(c->gr_forwarding));
	}
	put(o, "longLivedGracefulRestart", json_boolean(c->llgr_families));
	if (c->llgr_families)
		put(o, "longLivedStaleTimeSeconds", stale_times_json(c));
	if (c->host[0])
		put(o, "hostName", json_string(c->host));
	if (json_array_size(unknown = unknown_json(c)))
		put(o, "unknownCodes", unknown);
	else
		json_decref(unknown);
	return o;
}

static json_t *
counters_json(const uint64_t counts[PEER_NR_TYPES])
{
	json_t *o = json_object();

	for (unsigned i = BGP_MSG_OPEN; i < PEER_NR_TYPES; i++)
		put(o, bgp_message_name(i), number(counts[i]));
	return o;
}

static void
put_session(json_t *o, const struct peer *p, const struct session *s)
{
	const struct loop *loop = p->instance->bgp->loop;
	bool up = s->state == BGP_ESTABLISHED;
	json_t *caps = json_object();

	put(o, "state", json_string(bgp_state_name(s->state)));
	put(o, "uptimeSeconds", number(up ? (loop_now_ms(loop) - s->up_ms) / 1000 : 0));
	put(o, "holdTimeSeconds", number(up ? s->hold_s : p->conf->hold_s));
	put(o, "keepaliveSeconds", number(up ? s->keepalive_ms / 1000 : p->conf->keepalive_s));
	put(o, "gracefulRestart", json_boolean(up && session_has_gr(s)));
	if (s->state >= BGP_OPENSENT)
		put(caps, "sent", caps_json(&s->ours.caps));
	if (s->state >= BGP_OPENCONFIRM)
		put(caps, "received", caps_json(&s->theirs.caps));
	put(o, "capabilities", caps);
	if (!up)
		return;
	put(o, "localAddress", addr_json(&s->names.local));
	put(o, "localPort", number(s->names.local_port));
	put(o, "peerPort", number(s->names.remote_port));
	put(o, "peerRouterID", id_json(s->theirs.id));
}

static json_t *
peer_json(const struct peer *p)
{
	const struct session *s = peer_foremost(p);
	const char *held = peer_held_down(p);
	unsigned families = p->up ? session_families(p->up) : conf_families(p->conf);
	json_t *o = json_object(), *list = json_array(), *messages = json_object();

	put(o, "name", json_string(p->conf->name));
	put(o, "instance", json_string(p->instance->name));
	put(o, "localASN", number(peer_local_as(p)));
	put(o, "peerASN", number(p->up ? p->up->theirs.as : p->conf->peer_as));
	put(o, "peerAddress", addr_json(&p->conf->addr));
	if (p->range)
		put(o, "range", json_string(p->range->conf->name));
	put(o, "routerID", id_json(p->instance->router_id));
	put_session(o, p, s);
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		if (families & BGP_FAMILY_MASK(f))
			(void)json_array_append_new(list, family_json(p, (enum bgp_family)f));
	}
	put(o, "families", list);
	if (p->conf->role != BGP_ROLE_NONE)
		put(o, "role", json_string(bgp_role_name((uint8_t)(p->conf->role - 1))));
	if (held)
		put(o, "heldDown", json_string(held));
	put(o, "lastError",
	    json_string(p->conf->held_down && !p->shut ? p->conf->held_down : p->last.text));
	put(o, "flaps", number(p->flaps));
	put(o, "connectionsRefused", number(p->refused));
	put(messages, "received", counters_json(p->nr_in));
	put(messages, "sent", counters_json(p->nr_out));
	put(o, "messages", messages);
	if (timer_is_running(&p->limit))
		put(o, "limitSecondsLeft", number(timer_left_ms(&p->limit) / 1000));
	show_peer_details(o, p, s);
	if (timer_is_running(&p->stale))
		put(o, "staleSecondsLeft", number(timer_left_ms(&p->stale) / 1000));
	return o;
}

static json_t *
listed(const char *key, json_t *list)
{
	json_t *o = json_object();

	put(o, key, list);
	return o;
}

static json_t *
range_json(const struct range *r)
{
	json_t *o = json_object();
	const char *held = range_held_down(r);
	char text[PREFIX_STRLEN];

	put(o, "name", json_string(r->conf->name));
	put(o, "instance", json_string(r->instance->name));
	put(o, "prefix", json_string(prefix_format(&r->conf->range, text, sizeof(text))));
	put(o, "peers", number(range_nr_peers(r)));
	put(o, "limit", number(r->conf->range_limit));
	put(o, "refused", number(r->refused));
	if (held)
		put(o, "heldDown", json_string(held));
	return o;
}

static json_t *
ranges_json(const struct bgp *b)
{
	json_t *list = json_array();

	for (const struct instance *in = b->instances; in; in = in->next) {
		for (const struct range *r = in->ranges; r; r = r->next)
			(void)json_array_append_new(list, range_json(r));
	}
	return list;
}

json_t *
bgp_show_peers(const struct bgp *b)
{
	json_t *list = json_array(), *o;

	for (const struct instance *in = b->instances; in; in = in->next) {
		for (const struct peer *p = in->peers; p; p = p->next)
			(void)json_array_append_new(list, peer_json(p));
	}
	o = listed("peers", list);
	put(o, "ranges", ranges_json(b));
	put(o, "connectionsRefused", number(b->nr_refused));
	return o;
}

json_t *
bgp_show_routes(const struct bgp *b, const struct bgp_show_filter *filter)
{
	json_t *list = json_array();

	for (const struct instance *in = b->instances; in; in = in->next)
		(void)rib_show_routes(in->rib, filter, list);
	return listed("routes", list);
}

json_t *
bgp_show_policies(const struct bgp *b)
{
	json_t *list = json_array();

	for (const struct instance *in = b->instances; in; in = in->next)
		(void)rib_show_policies(in->rib, list);
	return listed("policies", list);
}

json_t *
bgp_show_monitors(const struct bgp *b)
{
	return bmp_show(b);
}
