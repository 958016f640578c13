/*
 * resource/metallb_kinds.h: the documents of MetalLB (metallb.io) as they are written.  Nobody
 * decides anything by them: translate.c makes native documents of them, and those are what counts.
 */
#ifndef HERALD_RESOURCE_METALLB_KINDS_H
#define HERALD_RESOURCE_METALLB_KINDS_H

#include "resource/kinds.h"

/* ---- IPAddressPool, and AddressPool before it ---- */

struct mlb_pool {
	struct res_object obj;
	struct res_strings addresses; /* prefixes, and ranges FIRST-LAST */
	bool auto_assign, avoid_buggy_ips;
	struct res_service_allocation allocation;
};

enum mlb_protocol { MLB_LAYER2, MLB_BGP };

/* What both BGPAdvertisement and a row of AddressPool's bgpAdvertisements say. */
struct mlb_attributes {
	uint8_t aggregation_v4, aggregation_v6;
	bool has_local_pref;
	uint32_t local_pref;
	struct res_strings communities; /* communities, and names that a Community gives them */
};

struct mlb_address_pool {
	struct res_object obj;
	enum mlb_protocol protocol;
	struct res_strings addresses;
	bool auto_assign;
	struct {
		const struct mlb_attributes *v;
		size_t nr;
	} adverts;
};

/* ---- BGPAdvertisement, L2Advertisement, Community ---- */

struct mlb_bgp_advert {
	struct res_object obj;
	struct mlb_attributes attributes;
	struct res_strings pools, peers;
	struct res_selectors pool_selectors, node_selectors, service_selectors;
};

struct mlb_l2_advert {
	struct res_object obj;
	struct res_strings pools, interfaces;
	struct res_selectors pool_selectors, node_selectors, service_selectors;
	struct res_preferences preferred;
};

struct mlb_alias {
	const char *name, *value;
};

struct mlb_community {
	struct res_object obj;
	struct {
		const struct mlb_alias *v;
		size_t nr;
	} aliases;
};

/* ---- BGPPeer ---- */

struct mlb_peer {
	struct res_object obj;
	uint32_t my_asn, peer_asn, local_asn; /* 0: not given */
	enum res_dynamic_asn dynamic_asn;
	struct addr peer_address; /* ADDR_NONE: by interface */
	const char *interface;	  /* "": by address */
	struct addr source_address;
	uint16_t peer_port;				       /* 0: not given */
	const char *hold_time, *keepalive_time, *connect_time; /* "90s"; "": not given */
	bool has_router_id;
	uint32_t router_id; /* host order */
	struct res_selectors node_selectors;
	const char *password; /* "": none */
	const char *secret_name, *secret_namespace;
	const char *bfd_profile;
	bool graceful_restart, ebgp_multihop;
	const char *vrf;
	bool dual_stack, disable_mp;
};

/* ---- BFDProfile: as the native one ---- */

struct mlb_bfd_profile {
	struct res_bfd_profile native; /* obj first */
};

/* A duration as Go writes it ("1m30s") in milliseconds; -EINVAL. */
int duration_parse(const char *text, uint64_t *ms) __attribute__((warn_unused_result));
/* A prefix, or a range FIRST-LAST (blanks around the dash); *is_prefix says which.  -EINVAL. */
int mlb_block_parse(const char *text, struct addr_range *range, bool *is_prefix)
    __attribute__((warn_unused_result));

#endif
