/*
 * resource/tab_metallb.c: the tables of MetalLB's documents, and of BFDProfile, which both worlds
 * have.  Every field of their schema is here; what is made of it says translate.c.
 */
#include "resource/metallb_kinds.h"
#include "resource/tables.h"

#include "lib/mem.h"
#include "lib/text.h"

#include <errno.h>
#include <string.h>

/* ---- addresses ---- */

int
mlb_block_parse(const char *text, struct addr_range *range, bool *is_prefix)
{
	const char *dash = strchr(text, '-');
	char first[64], last[64];
	struct prefix prefix;

	*is_prefix = !dash;
	if (!dash) {
		if (prefix_parse(text, &prefix, NULL) < 0)
			return -EINVAL;
		*range = prefix_range(&prefix);
		return 0;
	}
	if ((size_t)(dash - text) >= sizeof(first) || strlen(dash + 1) >= sizeof(last))
		return -EINVAL;
	memcpy(first, text, (size_t)(dash - text));
	first[dash - text] = '\0';
	first[strcspn(first, " \t")] = '\0';
	memcpy(last, dash + 1, strlen(dash + 1) + 1);
	if (addr_parse(first, &range->first) < 0 ||
	    addr_parse(last + strspn(last, " \t"), &range->last) < 0)
		return -EINVAL;
	return range->first.family == range->last.family &&
		addr_cmp(&range->first, &range->last) <= 0
	    ? 0
	    : -EINVAL;
}

static bool
block_is_good(const void *at)
{
	struct addr_range range;
	bool is_prefix;

	return mlb_block_parse(*(const char *const *)at, &range, &is_prefix) == 0;
}

/* ---- durations ---- */

/* A run of digits with an optional fraction, in thousandths; moves *text.  -EINVAL. */
static int
duration_number(const char **text, uint64_t *milli)
{
	const char *p = *text;
	uint64_t v = 0, scale = 100;
	size_t digits = 0;

	for (; *p >= '0' && *p <= '9'; p++, digits++) {
		if (v > 1000000000)
			return -EINVAL;
		v = 10 * v + (uint64_t)(*p - '0');
	}
	v *= 1000;
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9'; p++, digits++, scale /= 10)
			v += scale * (uint64_t)(*p - '0');
	*text = p;
	*milli = v;
	return digits ? 0 : -EINVAL;
}

int
duration_parse(const char *text, uint64_t *ms)
{
	/* Longer names first: "ms" is no "m". */
	static const struct {
		const char *name;
		uint64_t per_ms, ms;
	} units[] = {
		{ "ns", 1000000, 1 },
		{ "us", 1000, 1 },
		{ "\xc2\xb5s", 1000, 1 },
		{ "ms", 1, 1 },
		{ "s", 1, 1000 },
		{ "m", 1, 60000 },
		{ "h", 1, 3600000 },
	};
	uint64_t milli;

	*ms = 0;
	if (strcmp(text, "0") == 0)
		return 0;
	if (!*text)
		return -EINVAL;
	while (*text) {
		size_t i = 0;

		if (duration_number(&text, &milli) < 0)
			return -EINVAL;
		while (i < sizeof(units) / sizeof(units[0]) &&
		    strncmp(text, units[i].name, strlen(units[i].name)) != 0)
			i++;
		if (i == sizeof(units) / sizeof(units[0]))
			return -EINVAL;
		*ms += milli * units[i].ms / units[i].per_ms / 1000;
		text += strlen(units[i].name);
	}
	return 0;
}

static bool
seconds_are_good(const char *text, uint64_t min, bool zero)
{
	uint64_t ms;

	if (!*text)
		return true;
	if (duration_parse(text, &ms) < 0)
		return false;
	return (zero && ms == 0) || (ms >= 1000 * min && ms < 65536 * 1000);
}

/* RFC 4271 4.2: no hold time of one or two seconds. */
static bool
hold_is_good(const void *at)
{
	return seconds_are_good(*(const char *const *)at, 3, true);
}

static bool
keepalive_is_good(const void *at)
{
	return seconds_are_good(*(const char *const *)at, 1, true);
}

static bool
connect_is_good(const void *at)
{
	return seconds_are_good(*(const char *const *)at, 1, false);
}

/* ---- checks across fields ---- */

static void
peer_check_address(struct decoder *d, const struct node *map, const struct mlb_peer *p)
{
	if (!addr_is_set(&p->peer_address) && !*p->interface)
		decode_fault(d, map, "", "missing: must have peerAddress or interface");
	if (addr_is_set(&p->peer_address) && *p->interface)
		decode_fault(d, map, "interface", "must be absent: peerAddress is given");
	if (addr_is_set(&p->peer_address) && !addr_is_unicast(&p->peer_address))
		decode_fault(d, map, "peerAddress", "%s: must be an address of one host",
		    addr_str(&p->peer_address));
}

static void
peer_check(struct decoder *d, const struct node *map, void *at)
{
	const struct mlb_peer *p = at;
	uint64_t hold, keepalive;

	if (!map)
		return;
	peer_check_address(d, map, p);
	if (!p->peer_asn && p->dynamic_asn == RES_ASN_GIVEN)
		decode_fault(d, map, "", "missing: must have peerASN or dynamicASN");
	if (p->peer_asn && p->dynamic_asn != RES_ASN_GIVEN)
		decode_fault(d, map, "dynamicASN", "must be absent: peerASN is given");
	if (*p->password && *p->secret_name)
		decode_fault(d, map, "passwordSecret", "must be absent: password is given");
	if (p->ebgp_multihop && p->peer_asn == (p->local_asn ? p->local_asn : p->my_asn))
		decode_fault(d, map, "ebgpMultiHop", "must be absent: the peer is of the same AS");
	if (duration_parse(p->hold_time, &hold) == 0 &&
	    duration_parse(p->keepalive_time, &keepalive) == 0 && hold && keepalive > hold)
		decode_fault(d, map, "keepaliveTime", "%s: must be at most holdTime, which is %s",
		    p->keepalive_time, p->hold_time);
}

static void
address_pool_check(struct decoder *d, const struct node *map, void *at)
{
	const struct mlb_address_pool *p = at;

	if (map && p->protocol != MLB_BGP && p->adverts.nr)
		decode_fault(d, map, "bgpAdvertisements", "must be absent unless protocol is bgp");
}

/* clang-format off */
#define BLOCK_RIGHT "a prefix or a range FIRST-LAST of addresses of one family"
#define POOL_NAME .min = 1, .max = 253
#define MLB_SELECTORS(name, st, m, text)                                                           \
	{ (name), T_SELECTOR, F_LIST, FIELD_LIST_AT(st, m), .help = (text) }

/* ---- pools ---- */

static const struct field pool_spec_fields[] = {
	{ "addresses", T_STRING, F_LIST | F_REQUIRED, FIELD_LIST_AT(struct mlb_pool, addresses),
	  .valid = block_is_good, .right = BLOCK_RIGHT, .help = "prefixes and ranges" },
	{ "autoAssign", T_BOOL, 0, FIELD_AT(struct mlb_pool, auto_assign), .def = "true",
	  .help = "false: only for Services that ask for it" },
	{ "avoidBuggyIPs", T_BOOL, 0, FIELD_AT(struct mlb_pool, avoid_buggy_ips),
	  .help = "skip .0 and .255" },
	{ "serviceAllocation", T_STRUCT, F_HAS, FIELD_AT(struct mlb_pool, allocation),
	  FIELD_HAS(struct mlb_pool, allocation.present), .sub = &allocation_table,
	  .help = "who may use it" },
	FIELD_END,
};
static const struct table pool_spec_table = { pool_spec_fields, 0, NULL };
static const struct field pool_fields[] = {
	FIELDS_HEAD(struct mlb_pool),
	FIELD_GROUP("spec", F_REQUIRED, pool_spec_table),
	FIELD_ANY("status"),
	FIELD_END,
};
const struct table mlb_pool_table = { pool_fields, sizeof(struct mlb_pool), NULL };

#define ATTRIBUTE_FIELDS(st, m)                                                                    \
	{ "aggregationLength", T_UINT, 0, FIELD_AT(st, m aggregation_v4), .min = 1, .max = 32,     \
	  .def = "32", .help = "of IPv4 prefixes" },                                               \
	{ "aggregationLengthV6", T_UINT, 0, FIELD_AT(st, m aggregation_v6), .min = 1, .max = 128,  \
	  .def = "128", .help = "of IPv6 prefixes" },                                              \
	{ "localPref", T_UINT, F_HAS, FIELD_AT(st, m local_pref), FIELD_HAS(st, m has_local_pref), \
	  .max = UINT32_FULL, .help = "LOCAL_PREF, for peers in our own AS" },                     \
	{ "communities", T_STRING, F_LIST, FIELD_LIST_AT(st, m communities), .min = 1, .max = 253, \
	  .help = "N:N, large:N:N:N, or names that a Community gives" }

static const struct field old_advert_fields[] = {
	ATTRIBUTE_FIELDS(struct mlb_attributes, ),
	FIELD_END,
};
static const struct table old_advert_table = { old_advert_fields, sizeof(struct mlb_attributes),
	NULL };
static const char *const protocol_words[] = { "layer2", "bgp", NULL };
static const struct field address_pool_spec_fields[] = {
	{ "protocol", T_ENUM, F_REQUIRED, FIELD_AT(struct mlb_address_pool, protocol),
	  .words = protocol_words, .help = "how its addresses are announced" },
	{ "addresses", T_STRING, F_LIST | F_REQUIRED,
	  FIELD_LIST_AT(struct mlb_address_pool, addresses), .valid = block_is_good,
	  .right = BLOCK_RIGHT, .help = "prefixes and ranges" },
	{ "autoAssign", T_BOOL, 0, FIELD_AT(struct mlb_address_pool, auto_assign), .def = "true",
	  .help = "false: only for Services that ask for it" },
	{ "bgpAdvertisements", T_STRUCT, F_LIST, FIELD_LIST_AT(struct mlb_address_pool, adverts),
	  .sub = &old_advert_table, .help = "none: exact addresses" },
	FIELD_END,
};
static const struct table address_pool_spec_table = { address_pool_spec_fields, 0,
	address_pool_check };
static const struct field address_pool_fields[] = {
	FIELDS_HEAD(struct mlb_address_pool),
	FIELD_GROUP("spec", F_REQUIRED, address_pool_spec_table),
	FIELD_ANY("status"),
	FIELD_END,
};
const struct table mlb_address_pool_table = { address_pool_fields,
	sizeof(struct mlb_address_pool), NULL };

/* ---- advertisements ---- */

static const struct field bgp_advert_spec_fields[] = {
	ATTRIBUTE_FIELDS(struct mlb_bgp_advert, attributes.),
	{ "ipAddressPools", T_STRING, F_LIST, FIELD_LIST_AT(struct mlb_bgp_advert, pools), POOL_NAME,
	  .help = "by name" },
	MLB_SELECTORS("ipAddressPoolSelectors", struct mlb_bgp_advert, pool_selectors,
	    "by label; neither: all pools"),
	MLB_SELECTORS("nodeSelectors", struct mlb_bgp_advert, node_selectors, "none: all nodes"),
	MLB_SELECTORS("serviceSelectors", struct mlb_bgp_advert, service_selectors,
	    "none: all Services"),
	{ "peers", T_STRING, F_LIST, FIELD_LIST_AT(struct mlb_bgp_advert, peers), POOL_NAME,
	  .help = "names of BGPPeers; none: all" },
	FIELD_END,
};
static const struct table bgp_advert_spec_table = { bgp_advert_spec_fields, 0, NULL };
static const struct field bgp_advert_fields[] = {
	FIELDS_HEAD(struct mlb_bgp_advert),
	FIELD_GROUP("spec", 0, bgp_advert_spec_table),
	FIELD_ANY("status"),
	FIELD_END,
};
const struct table mlb_bgp_advert_table = { bgp_advert_fields, sizeof(struct mlb_bgp_advert), NULL };

static const struct field l2_advert_spec_fields[] = {
	{ "ipAddressPools", T_STRING, F_LIST, FIELD_LIST_AT(struct mlb_l2_advert, pools), POOL_NAME,
	  .help = "by name" },
	MLB_SELECTORS("ipAddressPoolSelectors", struct mlb_l2_advert, pool_selectors,
	    "by label; neither: all pools"),
	MLB_SELECTORS("nodeSelectors", struct mlb_l2_advert, node_selectors, "none: all nodes"),
	MLB_SELECTORS("serviceSelectors", struct mlb_l2_advert, service_selectors,
	    "none: all Services"),
	{ "interfaces", T_STRING, F_LIST, FIELD_LIST_AT(struct mlb_l2_advert, interfaces), .min = 1,
	  .max = 15, .help = "names; none: all that are used" },
	{ "preferredNodeSelectors", T_STRUCT, F_LIST, FIELD_LIST_AT(struct mlb_l2_advert, preferred),
	  .sub = &preference_table, .help = "nodes that rather answer than others" },
	FIELD_END,
};
static const struct table l2_advert_spec_table = { l2_advert_spec_fields, 0, NULL };
static const struct field l2_advert_fields[] = {
	FIELDS_HEAD(struct mlb_l2_advert),
	FIELD_GROUP("spec", 0, l2_advert_spec_table),
	FIELD_ANY("status"),
	FIELD_END,
};
const struct table mlb_l2_advert_table = { l2_advert_fields, sizeof(struct mlb_l2_advert), NULL };

static const struct field alias_fields[] = {
	{ "name", T_STRING, 0, FIELD_AT(struct mlb_alias, name), .max = 253, .help = "the alias" },
	{ "value", T_STRING, 0, FIELD_AT(struct mlb_alias, value), .max = 64,
	  .help = "N:N or large:N:N:N" },
	FIELD_END,
};
static const struct table alias_table = { alias_fields, sizeof(struct mlb_alias), NULL };
static const struct field community_spec_fields[] = {
	{ "communities", T_STRUCT, F_LIST | F_KEYED, FIELD_LIST_AT(struct mlb_community, aliases),
	  .sub = &alias_table, .help = "names for communities" },
	FIELD_END,
};
static const struct table community_spec_table = { community_spec_fields, 0, NULL };
static const struct field community_fields[] = {
	FIELDS_HEAD(struct mlb_community),
	FIELD_GROUP("spec", 0, community_spec_table),
	FIELD_ANY("status"),
	FIELD_END,
};
const struct table mlb_community_table = { community_fields, sizeof(struct mlb_community), NULL };

/* ---- BGPPeer ---- */

static const char *const dynamic_words[] = { "", "external", "internal", NULL };
static const struct field secret_ref_fields[] = {
	{ "name", T_STRING, 0, FIELD_AT(struct mlb_peer, secret_name), .max = 253,
	  .help = "a Secret of type kubernetes.io/basic-auth" },
	{ "namespace", T_STRING, 0, FIELD_AT(struct mlb_peer, secret_namespace), .max = 63,
	  .help = "default: that of the BGPPeer" },
	FIELD_END,
};
static const struct table secret_ref_table = { secret_ref_fields, 0, NULL };

static const struct field peer_spec_fields[] = {
	{ "myASN", T_UINT, F_REQUIRED, FIELD_AT(struct mlb_peer, my_asn), .min = 1, .max = ASN_MAX,
	  .help = "our AS" },
	{ "peerASN", T_UINT, 0, FIELD_AT(struct mlb_peer, peer_asn), .max = ASN_MAX,
	  .help = "the router's AS" },
	{ "dynamicASN", T_ENUM, F_NEWER, FIELD_AT(struct mlb_peer, dynamic_asn),
	  .words = dynamic_words, .help = "in place of peerASN" },
	{ "localASN", T_UINT, F_NEWER, FIELD_AT(struct mlb_peer, local_asn), .max = ASN_MAX,
	  .help = "our AS towards this router" },
	{ "peerAddress", T_ADDR, 0, FIELD_AT(struct mlb_peer, peer_address), .min = 1,
	  .help = "the router's address" },
	{ "interface", T_STRING, F_NEWER, FIELD_AT(struct mlb_peer, interface), .max = 15,
	  .help = "where the router is, without an address" },
	{ "sourceAddress", T_ADDR, 0, FIELD_AT(struct mlb_peer, source_address), .min = 1,
	  .help = "speak from it" },
	{ "peerPort", T_UINT, 0, FIELD_AT(struct mlb_peer, peer_port), .max = 65535,
	  .help = "the router's port; 0: 179" },
	{ "holdTime", T_STRING, 0, FIELD_AT(struct mlb_peer, hold_time), .max = 32,
	  .valid = hold_is_good, .right = "a duration such as 90s: 0s, or 3s to 65535s",
	  .help = "silence that ends the session" },
	{ "keepaliveTime", T_STRING, 0, FIELD_AT(struct mlb_peer, keepalive_time), .max = 32,
	  .valid = keepalive_is_good, .right = "a duration such as 30s: 0s, or 1s to 65535s",
	  .help = "between two keepalives" },
	{ "connectTime", T_STRING, F_NEWER, FIELD_AT(struct mlb_peer, connect_time), .max = 32,
	  .valid = connect_is_good, .right = "a duration such as 10s: 1s to 65535s",
	  .help = "between two tries" },
	{ "routerID", T_ROUTER_ID, F_HAS, FIELD_AT(struct mlb_peer, router_id),
	  FIELD_HAS(struct mlb_peer, has_router_id), .help = "in dotted form" },
	MLB_SELECTORS("nodeSelectors", struct mlb_peer, node_selectors, "none: all nodes"),
	{ "password", T_STRING, F_SECRET_TEXT, FIELD_AT(struct mlb_peer, password), .max = 80,
	  .help = "the MD5 key" },
	FIELD_GROUP("passwordSecret", F_NEWER, secret_ref_table),
	{ "bfdProfile", T_STRING, 0, FIELD_AT(struct mlb_peer, bfd_profile), .max = 253,
	  .help = "a BFDProfile" },
	{ "enableGracefulRestart", T_BOOL, F_NEWER, FIELD_AT(struct mlb_peer, graceful_restart),
	  .help = "RFC 4724" },
	{ "ebgpMultiHop", T_BOOL, 0, FIELD_AT(struct mlb_peer, ebgp_multihop),
	  .help = "the router is not on the link" },
	{ "vrf", T_STRING, F_NEWER, FIELD_AT(struct mlb_peer, vrf), .max = 253, .help = "a VRF" },
	{ "dualStackAddressFamily", T_BOOL, F_NEWER, FIELD_AT(struct mlb_peer, dual_stack),
	  .help = "both families on one session" },
	{ "disableMP", T_BOOL, F_NEWER, FIELD_AT(struct mlb_peer, disable_mp),
	  .help = "without effect: it is so unless dualStackAddressFamily" },
	FIELD_END,
};
static const struct table peer_spec_table = { peer_spec_fields, 0, peer_check };
static const struct field peer_fields[] = {
	FIELDS_HEAD(struct mlb_peer),
	FIELD_GROUP("spec", F_REQUIRED, peer_spec_table),
	FIELD_ANY("status"),
	FIELD_END,
};
const struct table mlb_peer_table = { peer_fields, sizeof(struct mlb_peer), NULL };

/* ---- BFDProfile ---- */

static const struct field bfd_spec_fields[] = {
	{ "receiveInterval", T_UINT, 0, FIELD_AT(struct res_bfd_profile, receive_interval_ms),
	  .min = 10, .max = 60000, .def = "300", .cost = RES_COST_SOFT,
	  .help = "milliseconds between the control packets that we take" },
	{ "transmitInterval", T_UINT, 0, FIELD_AT(struct res_bfd_profile, transmit_interval_ms),
	  .min = 10, .max = 60000, .def = "300", .cost = RES_COST_SOFT,
	  .help = "milliseconds between those that we send" },
	{ "detectMultiplier", T_UINT, 0, FIELD_AT(struct res_bfd_profile, detect_multiplier),
	  .min = 2, .max = 255, .def = "3", .cost = RES_COST_SOFT,
	  .help = "how many lost ones end the session" },
	{ "echoInterval", T_UINT, 0, FIELD_AT(struct res_bfd_profile, echo_interval_ms), .min = 10,
	  .max = 60000, .def = "50", .cost = RES_COST_SOFT,
	  .help = "milliseconds between echo packets" },
	{ "echoMode", T_BOOL, 0, FIELD_AT(struct res_bfd_profile, echo_mode), .cost = RES_COST_SOFT,
	  .help = "send echo packets; not with multihop" },
	{ "passiveMode", T_BOOL, 0, FIELD_AT(struct res_bfd_profile, passive_mode),
	  .cost = RES_COST_SOFT, .help = "wait for the peer to begin" },
	{ "minimumTtl", T_UINT, 0, FIELD_AT(struct res_bfd_profile, minimum_ttl), .min = 1,
	  .max = 254, .def = "254", .cost = RES_COST_SOFT, .help = "of what we take; multihop only" },
	{ "authSecretRef", T_STRING, F_NATIVE, FIELD_AT(struct res_bfd_profile, auth_secret_ref),
	  .max = 253, .cost = RES_COST_SOFT,
	  .help = "a Secret whose `password`, of 1 to 20 bytes, is the SHA1 key" },
	{ "authSecretNamespace", T_STRING, F_NATIVE, FIELD_AT(struct res_bfd_profile, auth_secret_ns),
	  .max = 63, .cost = RES_COST_SOFT, .help = "where that Secret is; default: in any namespace" },
	{ "authKeyID", T_UINT, F_NATIVE, FIELD_AT(struct res_bfd_profile, auth_key_id), .max = 255,
	  .def = "1", .cost = RES_COST_SOFT, .help = "the number of that key, as the peer has it" },
	FIELD_END,
};
const struct table bfd_spec_table = { bfd_spec_fields, 0, NULL };
static const struct field bfd_fields[] = {
	FIELDS_HEAD(struct res_bfd_profile),
	FIELD_GROUP("spec", 0, bfd_spec_table),
	FIELD_ANY("status"),
	FIELD_END,
};
const struct table bfd_profile_table = { bfd_fields, sizeof(struct res_bfd_profile), NULL };
const struct table mlb_bfd_profile_table = { bfd_fields, sizeof(struct mlb_bfd_profile), NULL };
/* clang-format on */
