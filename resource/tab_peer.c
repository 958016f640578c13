/*
 * resource/tab_peer.c: the table of BGPPeerConfig.
 */
#include "resource/bgp_kinds.h"
#include "resource/collect.h"
#include "resource/tables.h"

/* RFC 4271 4.2: a hold time of one or two seconds is refused by everyone. */
static bool
hold_is_good(const void *at)
{
	uint32_t v = *(const uint32_t *)at;

	return v == 0 || v >= 3;
}

static void
timers_check(struct decoder *d, const struct node *map, void *at)
{
	struct res_bgp_peer_config *p = at;

	if (!map)
		return;
	/* RFC 4271 10: a third of the hold time is what is suggested. */
	if (!node_has(map, "keepAliveTimeSeconds")) {
		if (p->hold_s && p->keepalive_s > p->hold_s / 3)
			p->keepalive_s = p->hold_s / 3;
	} else if (p->hold_s && p->keepalive_s > p->hold_s) {
		decode_fault(d, map, "keepAliveTimeSeconds",
		    "%u: must be at most holdTimeSeconds, which is %u", p->keepalive_s, p->hold_s);
	}
}

static void
transport_check(struct decoder *d, const struct node *map, void *at)
{
	const struct res_bgp_peer_config *p = at;

	if (map && *p->source_interface && addr_is_set(&p->source_address))
		decode_fault(d, map, "sourceAddress", "must be absent: sourceInterface is given");
}

static void
check_families(struct decoder *d, const struct node *map, struct res_bgp_peer_config *p)
{
	static const struct res_bgp_family defaults[] = {
		{ .afi = RES_AFI_IPV6, .safi = RES_SAFI_UNICAST, .add_max = 8 },
		{ .afi = RES_AFI_IPV4, .safi = RES_SAFI_UNICAST, .add_max = 8 },
	};

	if (!p->families.nr) {
		p->families.v = defaults;
		p->families.nr = 2;
	}
	for (size_t i = 1; map && i < p->families.nr; i++)
		for (size_t k = 0; k < i; k++)
			if (p->families.v[i].afi == p->families.v[k].afi &&
			    p->families.v[i].safi == p->families.v[k].safi)
				decode_fault_item(d, map, "families", i,
				    "item %zu is this family already; families must differ", k);
}

/* RFC 5925 3.1: an ID names one key in each direction. */
static void
check_ao(struct decoder *d, const struct node *map, const struct res_bgp_peer_config *p)
{
	if (p->tcp_ao.nr && !*p->auth_secret_ref)
		decode_fault(d, map, "tcpAO", "needs authSecretRef, the Secret that has the keys");
	for (size_t i = 1; i < p->tcp_ao.nr; i++)
		for (size_t k = 0; k < i; k++)
			if (p->tcp_ao.v[i].send_id == p->tcp_ao.v[k].send_id ||
			    p->tcp_ao.v[i].receive_id == p->tcp_ao.v[k].receive_id)
				decode_fault_item(d, map, "tcpAO", i,
				    "item %zu has one of its IDs already; they must differ", k);
}

static void
peer_spec_check(struct decoder *d, const struct node *map, void *at)
{
	struct res_bgp_peer_config *p = at;

	check_families(d, map, p);
	if (!map)
		return;
	/* RFC 5082 3: the TTL that is sent is 255, which multihop would contradict. */
	if (p->ttl_security_hops && p->has_ebgp_multihop)
		decode_fault(d, map, "ttlSecurity", "must be absent: ebgpMultihop is given");
	if (p->role_strict && p->role == RES_ROLE_NONE)
		decode_fault(d, map, "roleStrict", "must be absent: there is no role");
	rules_check_import(d, map, "import", &p->import);
	check_ao(d, map, p);
}

/* clang-format off */
static const char *const afi_words[] = { "ipv4", "ipv6", "l2vpn", "ls", "opaque", NULL };
static const char *const safi_words[] = { "unicast", "multicast", "mpls_label", "encapsulation",
	"vpls", "evpn", "ls", "sr_policy", "mup", "mpls_vpn", "mpls_vpn_multicast",
	"route_target_constraints", "flowspec_unicast", "flowspec_vpn", "key_value", NULL };
static const char *const ao_words[] = { "hmac-sha-1-96", "aes-128-cmac-96", NULL };
static const char *const add_path_words[] = { "none", "send", "receive", "both", NULL };
static const char *const max_action_words[] = { "restart", "shutdown", "warn", NULL };
static const char *const add_select_words[] = { "all", "multipath", NULL };
static const char *const role_words[] = { "", "provider", "customer", "peer", "rs", "rs-client",
	NULL };

static const struct field transport_fields[] = {
	{ "peerPort", T_UINT, 0, FIELD_AT(struct res_bgp_peer_config, peer_port), .min = 1,
	  .max = 65535, .def = "179", .cost = RES_COST_SESSION, .help = "the router's port" },
	{ "sourceInterface", T_STRING, 0, FIELD_AT(struct res_bgp_peer_config, source_interface),
	  .max = 15, .cost = RES_COST_SESSION, .help = "speak from its address" },
	{ "sourceAddress", T_ADDR, F_NATIVE, FIELD_AT(struct res_bgp_peer_config, source_address),
	  .cost = RES_COST_SESSION, .help = "speak from this address" },
	{ "passive", T_BOOL, F_NATIVE, FIELD_AT(struct res_bgp_peer_config, passive),
	  .cost = RES_COST_SESSION, .help = "wait for the router to connect" },
	FIELD_ANY_ALPHA("localPort"),
	FIELD_END,
};
static const struct table transport_table = { transport_fields, 0, transport_check };

static const struct field timers_fields[] = {
	{ "connectRetryTimeSeconds", T_UINT, 0, FIELD_AT(struct res_bgp_peer_config, connect_retry_s),
	  .min = 1, .max = 2147483647, .def = "120", .cost = RES_COST_SOFT,
	  .help = "between two tries" },
	{ "holdTimeSeconds", T_UINT, 0, FIELD_AT(struct res_bgp_peer_config, hold_s), .max = 65535,
	  .valid = hold_is_good, .right = "0 or 3 to 65535", .def = "90", .cost = RES_COST_SESSION,
	  .help = "silence that ends the session; 0: never" },
	{ "keepAliveTimeSeconds", T_UINT, F_DERIVED, FIELD_AT(struct res_bgp_peer_config, keepalive_s),
	  .min = 1, .max = 65535, .def = "30", .cost = RES_COST_SESSION,
	  .help = "between two keepalives; default: at most a third of the hold time" },
	FIELD_END,
};
static const struct table timers_table = { timers_fields, 0, timers_check };

static const struct field gr_fields[] = {
	{ "enabled", T_BOOL, F_REQUIRED, FIELD_AT(struct res_bgp_peer_config, gr_enabled),
	  .cost = RES_COST_SESSION, .help = "RFC 4724" },
	{ "restartTimeSeconds", T_UINT, 0, FIELD_AT(struct res_bgp_peer_config, gr_restart_time_s),
	  .min = 1, .max = 4095, .def = "120", .cost = RES_COST_SESSION,
	  .help = "how long our routes are kept while we are away" },
	{ "longLivedStaleTimeSeconds", T_UINT, F_NATIVE,
	  FIELD_AT(struct res_bgp_peer_config, gr_long_lived_stale_s), .max = 16777215,
	  .cost = RES_COST_SESSION,
	  .help = "RFC 9494: kept so much longer, on both sides, as a last resort; 0: not" },
	{ "longLivedStaleToInternal", T_BOOL, F_NATIVE,
	  FIELD_AT(struct res_bgp_peer_config, gr_stale_to_internal), .cost = RES_COST_SOFT,
	  .help = "tell internal peers without RFC 9494 of such routes too" },
	FIELD_END,
};
static const struct table gr_table = { gr_fields, 0, NULL };

static const struct field ttl_fields[] = {
	{ "hops", T_UINT, F_REQUIRED, FIELD_AT(struct res_bgp_peer_config, ttl_security_hops),
	  .min = 1, .max = 254, .cost = RES_COST_SESSION, .help = "at most this many hops away" },
	FIELD_END,
};
static const struct table ttl_table = { ttl_fields, 0, NULL };

static const struct field bfd_fields[] = {
	{ "enabled", T_BOOL, 0, FIELD_AT(struct res_bgp_bfd, enabled), .cost = RES_COST_SOFT,
	  .help = "watch the peer with BFD" },
	{ "transmitIntervalMilliseconds", T_UINT, 0,
	  FIELD_AT(struct res_bgp_bfd, transmit_interval_ms), .min = 10, .max = 60000, .def = "300",
	  .cost = RES_COST_SOFT, .help = "between two packets of ours" },
	{ "receiveIntervalMilliseconds", T_UINT, 0, FIELD_AT(struct res_bgp_bfd, receive_interval_ms),
	  .min = 10, .max = 60000, .def = "300", .cost = RES_COST_SOFT,
	  .help = "between two packets of the peer's" },
	{ "detectionMultiplier", T_UINT, 0, FIELD_AT(struct res_bgp_bfd, detection_multiplier),
	  .min = 1, .max = 255, .def = "3", .cost = RES_COST_SOFT, .help = "packets that may be lost" },
	FIELD_END,
};
static const struct table bfd_table = { bfd_fields, sizeof(struct res_bgp_bfd), NULL };

static const struct field family_fields[] = {
	{ "afi", T_ENUM, F_REQUIRED, FIELD_AT(struct res_bgp_family, afi), .words = afi_words,
	  .cost = RES_COST_SESSION, .help = "ipv4 or ipv6" },
	{ "safi", T_ENUM, F_REQUIRED, FIELD_AT(struct res_bgp_family, safi), .words = safi_words,
	  .cost = RES_COST_SESSION, .help = "unicast" },
	{ "addPath", T_ENUM, F_NATIVE, FIELD_AT(struct res_bgp_family, add_path),
	  .words = add_path_words, .def = "none", .cost = RES_COST_SESSION, .help = "RFC 7911" },
	{ "longLivedStaleTimeSeconds", T_UINT, F_NATIVE | F_HAS,
	  FIELD_AT(struct res_bgp_family, long_lived_stale_s),
	  FIELD_HAS(struct res_bgp_family, has_long_lived_stale), .max = 16777215,
	  .cost = RES_COST_SESSION, .help = "of this family; default: gracefulRestart's" },
	{ "addPathSelect", T_ENUM, F_NATIVE, FIELD_AT(struct res_bgp_family, add_select),
	  .words = add_select_words, .def = "all", .cost = RES_COST_SOFT,
	  .help = "which paths are sent: all that can be used, or those that share the load" },
	{ "addPathMax", T_UINT, F_NATIVE, FIELD_AT(struct res_bgp_family, add_max), .min = 1,
	  .max = 64, .def = "8", .cost = RES_COST_SOFT,
	  .help = "at most that many paths of a prefix are sent, the best first" },
	{ "maxPrefixes", T_UINT, F_NATIVE, FIELD_AT(struct res_bgp_family, max_prefixes),
	  .max = UINT32_FULL, .cost = RES_COST_SOFT,
	  .help = "so many may be received, accepted or not; 0: no limit" },
	{ "maxPrefixesAction", T_ENUM, F_NATIVE, FIELD_AT(struct res_bgp_family, max_action),
	  .words = max_action_words, .def = "restart", .cost = RES_COST_SOFT,
	  .help = "with more: restart and shutdown end the session, warn does not" },
	{ "maxPrefixesWarningPercent", T_UINT, F_NATIVE,
	  FIELD_AT(struct res_bgp_family, max_warning_percent), .max = 100, .def = "75",
	  .cost = RES_COST_SOFT, .help = "of maxPrefixes are worth a warning; 0: none" },
	{ "maxPrefixesRestartSeconds", T_UINT, F_NATIVE,
	  FIELD_AT(struct res_bgp_family, max_restart_s), .max = 604800, .def = "300",
	  .cost = RES_COST_SOFT, .help = "how long the session stays down; 0: as after any fault" },
	{ "advertisements", T_SELECTOR, 0, FIELD_AT(struct res_bgp_family, advertisements),
	  .cost = RES_COST_SOFT, .help = "over BGPAdvertisements; absent: none" },
	FIELD_END,
};
static const struct table family_table = { family_fields, sizeof(struct res_bgp_family), NULL };

static const struct field ao_fields[] = {
	{ "sendID", T_UINT, F_REQUIRED, FIELD_AT(struct res_tcp_ao, send_id), .max = 255,
	  .cost = RES_COST_SESSION, .help = "the peer's receiveID of this key" },
	{ "receiveID", T_UINT, F_REQUIRED, FIELD_AT(struct res_tcp_ao, receive_id), .max = 255,
	  .cost = RES_COST_SESSION, .help = "the peer's sendID of this key" },
	{ "algorithm", T_ENUM, 0, FIELD_AT(struct res_tcp_ao, algorithm), .words = ao_words,
	  .def = "hmac-sha-1-96", .cost = RES_COST_SESSION, .help = "of RFC 5926" },
	{ "secretKey", T_STRING, F_REQUIRED, FIELD_AT(struct res_tcp_ao, secret_key), .min = 1,
	  .max = 253, .cost = RES_COST_SESSION, .help = "under which the Secret has it, 1 to 80 bytes" },
	FIELD_END,
};
static const struct table ao_table = { ao_fields, sizeof(struct res_tcp_ao), NULL };

static const struct field spec_fields[] = {
	FIELD_GROUP("transport", 0, transport_table),
	FIELD_GROUP("timers", 0, timers_table),
	{ "authSecretRef", T_STRING, 0, FIELD_AT(struct res_bgp_peer_config, auth_secret_ref),
	  .max = 253, .cost = RES_COST_SESSION, .help = "a Secret whose `password` is the MD5 key" },
	{ "authSecretNamespace", T_STRING, F_NATIVE,
	  FIELD_AT(struct res_bgp_peer_config, auth_secret_ns), .max = 63,
	  .cost = RES_COST_SESSION, .help = "where that Secret is; default: in any namespace" },
	{ "tcpAO", T_STRUCT, F_LIST | F_NATIVE, FIELD_LIST_AT(struct res_bgp_peer_config, tcp_ao),
	  .sub = &ao_table, .cost = RES_COST_SESSION,
	  .help = "RFC 5925 instead of MD5: keys in that Secret; the first is sent with" },
	FIELD_GROUP("gracefulRestart", 0, gr_table),
	{ "ebgpMultihop", T_UINT, F_HAS, FIELD_AT(struct res_bgp_peer_config, ebgp_multihop),
	  FIELD_HAS(struct res_bgp_peer_config, has_ebgp_multihop), .min = 1, .max = 255, .def = "1",
	  .cost = RES_COST_SESSION, .help = "TTL of what is sent to another AS" },
	FIELD_GROUP("ttlSecurity", F_NATIVE, ttl_table),
	{ "extendedMessages", T_BOOL, F_NATIVE,
	  FIELD_AT(struct res_bgp_peer_config, extended_messages), .def = "true",
	  .cost = RES_COST_SESSION, .help = "RFC 8654" },
	{ "extendedNextHop", T_BOOL, F_NATIVE, FIELD_AT(struct res_bgp_peer_config, extended_next_hop),
	  .cost = RES_COST_SESSION, .help = "RFC 8950" },
	{ "routeReflectorClient", T_BOOL, F_NATIVE, FIELD_AT(struct res_bgp_peer_config, rr_client),
	  .cost = RES_COST_SESSION,
	  .help = "RFC 4456: pass on to it what other peers of our AS tell, and theirs its routes" },
	{ "allowASIn", T_UINT, F_NATIVE | F_HAS, FIELD_AT(struct res_bgp_peer_config, allow_as_in),
	  FIELD_HAS(struct res_bgp_peer_config, has_allow_as_in), .max = 10, .cost = RES_COST_SOFT,
	  .help = "how often our AS may stand in a received path" },
	{ "enforceFirstAS", T_BOOL, F_NATIVE | F_HAS,
	  FIELD_AT(struct res_bgp_peer_config, enforce_first_as),
	  FIELD_HAS(struct res_bgp_peer_config, has_enforce_first_as), .def = "true",
	  .cost = RES_COST_SOFT,
	  .help = "paths of another AS begin with it; absent: unless role is rs-client" },
	{ "role", T_ENUM, F_NATIVE, FIELD_AT(struct res_bgp_peer_config, role), .words = role_words,
	  .cost = RES_COST_SESSION, .help = "RFC 9234: what we are to the peer" },
	{ "roleStrict", T_BOOL, F_NATIVE, FIELD_AT(struct res_bgp_peer_config, role_strict),
	  .cost = RES_COST_SESSION, .help = "refuse a peer that does not tell its role" },
	{ "bfdProfile", T_STRING, F_NATIVE, FIELD_AT(struct res_bgp_peer_config, bfd_profile),
	  .max = 253, .cost = RES_COST_SOFT, .help = "a BFDProfile" },
	{ "bfd", T_STRUCT, 0, FIELD_AT(struct res_bgp_peer_config, bfd), .sub = &bfd_table,
	  .help = "watch the peer with BFD" },
	{ "families", T_STRUCT, F_LIST, FIELD_LIST_AT(struct res_bgp_peer_config, families),
	  .sub = &family_table, .cost = RES_COST_SESSION,
	  .help = "default: IPv6 and IPv4 unicast, nothing advertised" },
	{ "import", T_STRUCT, F_LIST | F_NATIVE | F_HAS,
	  .offset = offsetof(struct res_bgp_peer_config, import), .size = sizeof(struct res_rule),
	  FIELD_HAS(struct res_bgp_peer_config, has_import), .sub = &rule_table,
	  .cost = RES_COST_SOFT, .help = "what is accepted; absent: HeraldConfig's" },
	{ "export", T_STRUCT, F_LIST | F_NATIVE,
	  .offset = offsetof(struct res_bgp_peer_config, export), .size = sizeof(struct res_rule),
	  .sub = &rule_table, .cost = RES_COST_SOFT, .help = "what is sent" },
	FIELD_END,
};
static const struct table spec_table = { spec_fields, 0, peer_spec_check };

static const struct field peer_config_fields[] = {
	FIELDS_HEAD(struct res_bgp_peer_config),
	FIELD_GROUP("spec", 0, spec_table),
	FIELD_ANY("status"),
	FIELD_END,
};
const struct table bgp_peer_config_table = { peer_config_fields,
	sizeof(struct res_bgp_peer_config), NULL };
/* clang-format on */
