/*
 * daemon/explain.c: the steps of an explanation, what to change for each reason, and the command.  See
 * explain.h.
 */
#include "daemon/explain.h"

#include "daemon/app.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
/* What to change, where the reason alone says it. */
static const struct {
	enum reason reason;
	const char *advice;
} advices[] = {
	{ REASON_NO_POOL, "Add a LoadBalancerIPPool with addresses of this family whose serviceSelector matches the Service's labels, or widen that of one that is there." },
	{ REASON_POOL_SELECTOR_MISMATCH, "Give the Service labels that the pool's serviceSelector matches, or ask for an address of another pool." },
	{ REASON_POOL_DISABLED, "Set disabled: false in the pool, or let another pool serve the Service." },
	{ REASON_POOL_CONFLICT, "Take the overlap out of one of the two pools; heraldctl ippools names the ranges." },
	{ REASON_OUT_OF_IPS, "Add a block to a pool that the Service may use, or give up Services that need none any more." },
	{ REASON_OUTSIDE_POOL, "Ask for an address that a pool has, or add a block with this one to a pool." },
	{ REASON_ADDRESS_RESERVED, "Ask for another address, or set allowFirstLastIPs: \"Yes\" (avoidBuggyIPs: false) in the pool." },
	{ REASON_ALREADY_ALLOCATED, "Ask for another address, or give both Services the same sharing key (heraldlb.io/sharing-key)." },
	{ REASON_ALREADY_ALLOCATED_INCOMPATIBLE_SERVICE, "Make the Services alike enough to share: other ports, the same sharing key, the same traffic policy." },
	{ REASON_REQUEST_INVALID, "Write the address as 192.0.2.1 or 2001:db8::1, several with commas between." },
	{ REASON_NOT_LOAD_BALANCER, "Set type: LoadBalancer, if it is to have an address." },
	{ REASON_CLASS_MISMATCH, "Set loadBalancerClass to one that Herald serves, or sources.kubernetes.loadBalancerClass (defaultClass) of the HeraldConfig to that of the Service." },
	{ REASON_SOURCES_NOT_SYNCED, "Wait, or see heraldctl status for why the source does not answer." },
	{ REASON_WAITS_FOR_LEADER, "See which node leads in heraldctl status, and its log." },
	{ REASON_NO_READY_ENDPOINT, "Look at the pods that the Service selects: do they run, and are they ready? kubectl get endpointslices shows them." },
	{ REASON_NO_LOCAL_ENDPOINT, "Let a pod of the Service run on this node, or set externalTrafficPolicy: Cluster." },
	{ REASON_NOT_SELECTED, "Let the selector match the labels of the Service, or give the Service those labels." },
	{ REASON_NO_ADVERTISEMENT, "Let families[].advertisements of the BGPPeerConfig match the labels of a BGPAdvertisement." },
	{ REASON_ADDRESS_TYPE_NOT_ADVERTISED, "Add LoadBalancerIP to service.addresses of the BGPAdvertisement." },
	{ REASON_EXPORT_REJECTED, "Let a rule of the peer's export list accept the prefix." },
	{ REASON_IMPORT_REJECTED, "Let a rule of the peer's import list (bgp.import of the HeraldConfig) accept the prefix; without rules nothing is accepted." },
	{ REASON_NO_NEXT_HOP, "Give the interface towards the peer an address of this family." },
	{ REASON_NODE_NOT_SELECTED, "Let the nodeSelector match the labels of this Node." },
	{ REASON_NODE_UNKNOWN, "Give herald the name of the Node (-n, spec.nodeName), or add its Node document." },
	{ REASON_PEER_CONFIG_MISSING, "Add the BGPPeerConfig, or mend peerConfigRef." },
	{ REASON_PEER_ADDRESS_MISSING, "Set peerAddress, or a way to find it." },
	{ REASON_GATEWAY_UNKNOWN,
	    "Give this node a default route of that family with a gateway (ip route), or the peer a "
	    "peerAddress." },
	{ REASON_NEIGHBOUR_UNKNOWN,
	    "Have the router send IPv6 router advertisements on that link, as FRR does with "
	    "\"neighbor IFACE interface\"; or give the peer a peerAddress, fe80::1%eth1." },
	{ REASON_LINK_MISSING,
	    "See ip link on this node; a link-local peerAddress has its interface behind it, "
	    "fe80::1%eth1." },
	{ REASON_LINK_DOWN, "Set the interface up (ip link set IFACE up)." },
	{ REASON_NO_LINK_LOCAL,
	    "See net.ipv6.conf.IFACE.disable_ipv6 and addr_gen_mode on this node." },
	{ REASON_PEER_LIMIT, "Raise peerLimit, or make the range smaller." },
	{ REASON_PEER_ASN_MISSING, "Set localASN of the instance and peerASN of the peer." },
	{ REASON_SECRET_MISSING, "Add the Secret with a value \"password\"." },
	{ REASON_ROUTER_ID_MISSING, "Set routerID in a BGPNodeConfigOverride, or give the node an IPv4 address." },
	{ REASON_PEER_SHUTDOWN, "heraldctl bgp enable PEER lets it come up again." },
	{ REASON_GATEWAY_UNREACHABLE, "Give this node a link, or a route, to the gateway." },
	{ REASON_NO_INTERFACE, "Let interfaces of the L2AnnouncementPolicy match a device of this node that is up." },
	{ REASON_NODE_NOT_READY, "See kubectl describe node." },
	{ REASON_DRAINING, "heraldctl undrain on the node." },
	{ REASON_CONFLICTED, "Find the host with the MAC address that heraldctl l2 names, and take the address from it." },
};
/* clang-format on */

static const char *const verdicts[] = { [EXPLAIN_OK] = "ok",
	[EXPLAIN_FAIL] = "failed",
	[EXPLAIN_DEGRADED] = "degraded",
	[EXPLAIN_SKIP] = "skipped" };

static const char *
advice_of(const struct explain_step *s)
{
	if (s->advice)
		return s->advice;
	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++)
		if (advices[i].reason == s->reason)
			return advices[i].advice;
	return "";
}

void
explain_add(struct explain *e, const struct explain_step *s)
{
	const bool bad = s->verdict == EXPLAIN_FAIL || s->verdict == EXPLAIN_DEGRADED;
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s}", "stage", s->stage, "subject",
	    s->subject ? s->subject : "", "verdict", verdicts[s->verdict], "reason",
	    reason_name(s->reason), "message", s->message ? s->message : reason_text(s->reason));

	if (s->object && *s->object)
		json_object_set_new(o, "object", json_string(s->object));
	if (s->field && *s->field)
		json_object_set_new(o, "field", json_string(s->field));
	if (bad && *advice_of(s))
		json_object_set_new(o, "advice", json_string(advice_of(s)));
	json_array_append_new(e->steps, o);
	free(s->message);
}

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* The first step that fails is marked; without one, those that are degraded give the advice. */
static json_t *
conclude(struct explain *e, const char *about)
{
	json_t *root = json_pack("{s:s, s:s}", "about", about, "node", e->node);
	const char *verdict = "ok", *advice = "";
	json_t *o;
	size_t i;

	json_array_foreach(e->steps, i, o)
	{
		const char *one = text_of(o, "verdict");

		if (strcmp(one, "failed") == 0) {
			json_object_set_new(o, "first", json_true());
			json_object_set_new(root, "failed", json_integer((json_int_t)i));
			verdict = one;
			advice = text_of(o, "advice");
			break;
		}
		if (strcmp(one, "degraded") == 0 && strcmp(verdict, "ok") == 0) {
			verdict = one;
			advice = text_of(o, "advice");
		}
	}
	json_object_set_new(root, "verdict", json_string(verdict));
	json_object_set_new(root, "advice", json_string(advice));
	json_object_set_new(root, "steps", e->steps);
	return root;
}

/* ---- the command ---- */

#define USAGE                                                                                      \
	"usage: explain service NAMESPACE/NAME [--node NODE] | address IP | peer NAME | route "    \
	"PREFIX"

static int
about_service(struct explain *e, const char *word, char **error)
{
	const char *slash = strchr(word, '/');
	char *ns = slash ? xstrndup(word, (size_t)(slash - word)) : xstrdup("default");
	const char *name = slash ? slash + 1 : word;
	const struct res_service *svc = store_service(e->app->store, ns, name);

	if (!svc)
		*error = xasprintf("explain service: there is no Service %s/%s%s", ns, name,
		    store_is_synced(e->app->store) ? ""
						   : ", as far as is known: not all sources are in "
						     "sync (heraldctl status)");
	else
		explain_service(e, svc);
	free(ns);
	return svc ? 0 : -ENOENT;
}

static int
about(struct explain *e, const char *what, const char *word, char **error)
{
	struct prefix prefix;
	struct addr addr;

	if (strcmp(what, "service") == 0)
		return about_service(e, word, error);
	if (strcmp(what, "peer") == 0) {
		if (explain_peer(e, word))
			return 0;
		*error =
		    xasprintf("explain peer: no BGPClusterConfig that is for this node has a peer "
			      "%s; heraldctl bgp peers lists those that there are",
			word);
		return -ENOENT;
	}
	if (strcmp(what, "address") == 0 && addr_parse(word, &addr) == 0) {
		explain_address(e, &addr);
		return 0;
	}
	if (strcmp(what, "route") == 0 && prefix_parse(word, &prefix, NULL) == 0) {
		strchr(word, '/') ? explain_route(e, &prefix) : explain_way_to(e, &prefix);
		return 0;
	}
	*error = xasprintf("explain: \"%s %s\" is not understood; " USAGE, what, word);
	return -EINVAL;
}

int
explain_command(void *arg, const struct control_req *req, json_t **data, char **error)
{
	struct explain e = { .app = arg };
	char *text;
	int err;

	e.node = e.app->node;
	if (req->argc == 4 && strcmp(req->argv[2], "--node") == 0 &&
	    strcmp(req->argv[0], "service") == 0) {
		e.node = req->argv[3];
	} else if (req->argc != 2) {
		*error = xstrdup(USAGE);
		return -EINVAL;
	}
	if (!store_node(e.app->store, e.node) && strcmp(e.node, e.app->node) != 0) {
		*error = xasprintf("explain: there is no Node %s", e.node);
		return -ENOENT;
	}
	e.here = strcmp(e.node, e.app->node) == 0;
	e.steps = json_array();
	err = about(&e, req->argv[0], req->argv[1], error);
	if (err < 0) {
		json_decref(e.steps);
		return err;
	}
	text = xasprintf("%s %s", req->argv[0], req->argv[1]);
	*data = conclude(&e, text);
	free(text);
	return 0;
}
