/*
 * resource/translate_peers.c: BGPPeers -> the peers of one BGPClusterConfig, with a BGPPeerConfig
 * each.  Peers of one AS and router ID share an instance; which nodes talk to a peer is said at
 * the peer.
 */
#include "resource/translator.h"

#include "lib/addr.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NATIVE "heraldlb.io/v1"
#define PREFIX "metallb-"
#define MULTIHOP_TTL 255 /* as FRR's ebgp-multihop */

/* The AS that the peer sees: local-as with no-prepend and replace-as leaves no trace of myASN, and
 * what we tell starts here, so an instance of that AS is the same. */
static uint32_t
own_asn(const struct mlb_peer *p)
{
	return p->local_asn ? p->local_asn : p->my_asn;
}

/* The instance of @p in the BGPClusterConfig, made when there is none. */
static json_t *
instance_of(struct translator *t, const struct mlb_peer *p)
{
	char name[64], id[16] = "";
	json_t *inst, *doc;
	size_t i;

	if (p->has_router_id)
		snprintf(id, sizeof(id), "%u.%u.%u.%u", p->router_id >> 24,
		    p->router_id >> 16 & 0xff, p->router_id >> 8 & 0xff, p->router_id & 0xff);
	snprintf(name, sizeof(name), "as%u%s%s", own_asn(p), *id ? "-" : "", id);
	if (!t->instances) {
		doc = tr_doc(t, &p->obj, NATIVE, "BGPClusterConfig", "metallb", "");
		t->instances = json_array();
		if (doc)
			tr_put(t, tr_spec(doc), "bgpInstances", t->instances);
		else
			json_decref(t->instances);
		if (t->err)
			return t->instances = NULL;
	}
	json_array_foreach(t->instances, i, inst)
	{
		if (strcmp(json_string_value(json_object_get(inst, "name")), name) == 0)
			return inst;
	}
	inst = json_object();
	tr_push(t, t->instances, inst);
	if (t->err)
		return NULL;
	tr_text(t, inst, "name", name);
	tr_put(t, inst, "localASN", json_integer(own_asn(p)));
	if (*id)
		tr_text(t, inst, "routerID", id);
	tr_put(t, inst, "peers", json_array());
	return inst;
}

static void
put_peer(struct translator *t, const struct mlb_peer *p)
{
	json_t *inst = instance_of(t, p), *peer = json_object(), *shown = res_show(&p->obj);
	char ref[300], text[ADDR_STRLEN];

	tr_push(t, json_object_get(inst, "peers"), peer);
	if (t->err || !shown) {
		t->err = t->err ? t->err : -ENOMEM;
		json_decref(shown);
		return;
	}
	tr_text(t, peer, "name", p->obj.meta.name);
	if (addr_is_set(&p->peer_address))
		tr_text(t, peer, "peerAddress", addr_format(&p->peer_address, text, sizeof(text)));
	else
		tr_put(t, peer, "autoDiscovery",
		    json_pack("{s:s, s:{s:s}}", "mode", "Unnumbered", "unnumbered", "interface",
			p->interface));
	if (p->dynamic_asn == RES_ASN_GIVEN)
		tr_put(t, peer, "peerASN", json_integer(p->peer_asn));
	else
		tr_text(t, peer, "dynamicASN",
		    p->dynamic_asn == RES_ASN_INTERNAL ? "internal" : "external");
	snprintf(ref, sizeof(ref), PREFIX "%s", p->obj.meta.name);
	tr_put(t, peer, "peerConfigRef", json_pack("{s:s}", "name", ref));
	tr_copy_list(t, shown, "nodeSelectors", peer, "nodeSelectors");
	json_decref(shown);
}

/* Whole seconds; one of the two times gives the other. */
static void
put_timers(struct translator *t, const struct mlb_peer *p, json_t *spec)
{
	json_t *timers = json_object();
	uint64_t hold = 0, keepalive = 0, connect = 0;
	bool has_hold = duration_parse(p->hold_time, &hold) == 0;
	bool has_keepalive = duration_parse(p->keepalive_time, &keepalive) == 0;

	hold /= 1000;
	keepalive /= 1000;
	if (has_keepalive && !has_hold)
		hold = 3 * keepalive > 65535 ? 65535 : 3 * keepalive;
	if (has_hold && !has_keepalive)
		keepalive = hold / 3;
	if (has_hold || has_keepalive)
		tr_put(t, timers, "holdTimeSeconds", json_integer((json_int_t)hold));
	if (hold && keepalive)
		tr_put(t, timers, "keepAliveTimeSeconds", json_integer((json_int_t)keepalive));
	if (duration_parse(p->connect_time, &connect) == 0)
		tr_put(t, timers, "connectRetryTimeSeconds",
		    json_integer((json_int_t)(connect / 1000)));
	if (json_object_size(timers))
		tr_put(t, spec, "timers", timers);
	else
		json_decref(timers);
}

static void
put_transport(struct translator *t, const struct mlb_peer *p, json_t *spec)
{
	json_t *transport = json_object();
	char text[ADDR_STRLEN];

	if (p->peer_port)
		tr_put(t, transport, "peerPort", json_integer(p->peer_port));
	if (addr_is_set(&p->source_address))
		tr_text(t, transport, "sourceAddress",
		    addr_format(&p->source_address, text, sizeof(text)));
	if (json_object_size(transport))
		tr_put(t, spec, "transport", transport);
	else
		json_decref(transport);
}

/* A password that stands in the document becomes a Secret. */
static void
put_secret(struct translator *t, const struct mlb_peer *p, json_t *spec)
{
	const char *ns = *p->secret_namespace ? p->secret_namespace : p->obj.meta.ns;
	char name[300];
	json_t *doc;

	if (*p->secret_name) {
		tr_text(t, spec, "authSecretRef", p->secret_name);
		tr_text(t, spec, "authSecretNamespace", ns);
		return;
	}
	if (!*p->password)
		return;
	snprintf(name, sizeof(name), PREFIX "%s-password", p->obj.meta.name);
	tr_text(t, spec, "authSecretRef", name);
	tr_text(t, spec, "authSecretNamespace", p->obj.meta.ns);
	doc = tr_doc(t, &p->obj, "v1", "Secret", "", name);
	if (!doc)
		return;
	tr_text(t, json_object_get(doc, "metadata"), "namespace", p->obj.meta.ns);
	tr_text(t, doc, "type", "kubernetes.io/basic-auth");
	tr_put(t, doc, "stringData", json_pack("{s:s}", "password", p->password));
	if (json_object_del(doc, "spec") < 0)
		t->err = -ENOMEM;
}

static void
put_family(struct translator *t, json_t *families, const char *afi)
{
	tr_push(t, families,
	    json_pack("{s:s, s:s, s:{s:{s:s}}}", "afi", afi, "safi", "unicast", "advertisements",
		"matchLabels", TRANSLATED_LABEL, TRANSLATED_LABEL_VALUE));
}

/* One family over a session of the same, unless both are asked for; a link has no family. */
static void
put_families(struct translator *t, const struct mlb_peer *p, json_t *spec)
{
	bool both = p->dual_stack || !addr_is_set(&p->peer_address);
	json_t *families = json_array();

	if (both || p->peer_address.family == ADDR_V4)
		put_family(t, families, "ipv4");
	if (both || p->peer_address.family == ADDR_V6)
		put_family(t, families, "ipv6");
	tr_put(t, spec, "families", families);
}

static void
put_config(struct translator *t, const struct mlb_peer *p)
{
	json_t *doc = tr_doc(t, &p->obj, NATIVE, "BGPPeerConfig", PREFIX, p->obj.meta.name);
	json_t *spec = tr_spec(doc);

	if (!doc)
		return;
	put_transport(t, p, spec);
	put_timers(t, p, spec);
	put_secret(t, p, spec);
	if (p->graceful_restart)
		tr_put(t, spec, "gracefulRestart", json_pack("{s:b}", "enabled", 1));
	if (p->ebgp_multihop)
		tr_put(t, spec, "ebgpMultihop", json_integer(MULTIHOP_TTL));
	if (*p->bfd_profile)
		tr_text(t, spec, "bfdProfile", p->bfd_profile);
	if (*p->interface)
		tr_put(t, spec, "extendedNextHop", json_true());
	put_families(t, p, spec);
}

void
tr_peer(struct translator *t, const struct res_object *o)
{
	const struct mlb_peer *p = (const struct mlb_peer *)o;

	/* In another VRF it would be another router, if any, that answers. */
	if (*p->vrf) {
		tr_notice(t, o, "spec.vrf", "%.64s: left out: sessions run in the default VRF only",
		    p->vrf);
		return;
	}
	if (p->disable_mp)
		tr_notice(t, o, "spec.disableMP",
		    "has no effect: a session carries its own family unless "
		    "dualStackAddressFamily is set");
	put_peer(t, p);
	put_config(t, p);
}
