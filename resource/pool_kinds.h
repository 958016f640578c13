/*
 * resource/pool_kinds.h: the typed objects of addresses and links: LoadBalancerIPPool,
 * L2AnnouncementPolicy, BFDProfile; and the conditions that we tell of objects.
 */
#ifndef HERALD_RESOURCE_POOL_KINDS_H
#define HERALD_RESOURCE_POOL_KINDS_H

#include "resource/object.h"
#include "resource/selector.h"

#include "lib/addr.h"

/* ---- status.conditions that Herald itself writes to ---- */

enum res_told_status { RES_TOLD_TRUE, RES_TOLD_FALSE, RES_TOLD_UNKNOWN };

struct res_told {
	const char *type, *reason, *message;
	enum res_told_status status;
	int64_t since, generation; /* lastTransitionTime: seconds since 1970; 0: not said */
};

struct res_told_list {
	const struct res_told *v;
	size_t nr;
};

/* The condition of this type, or NULL. */
const struct res_told *res_told_get(const struct res_told_list *, const char *type);

/* ---- LoadBalancerIPPool ---- */

struct res_pool_block {
	bool is_cidr;		 /* given as a prefix: first and last address may be kept back */
	struct prefix cidr;	 /* is_cidr only */
	struct addr start, stop; /* as given; ADDR_NONE when not */
	struct addr_range range; /* always: first and last address */
};

/* Who may use a pool, and before which others; as MetalLB's. */
struct res_service_allocation {
	bool present;
	uint32_t priority; /* lower is earlier; 0: after all that have one */
	struct res_strings namespaces;
	struct res_selectors namespace_selectors, service_selectors;
};

/* What a change of the pool does to addresses that it gave and would not give now. */
enum res_on_pool_change { RES_POOL_HOLD, RES_POOL_RENUMBER };

struct res_lb_ip_pool {
	struct res_object obj;
	struct res_told_list told;
	struct {
		const struct res_pool_block *v;
		size_t nr;
	} blocks;
	bool allow_first_last; /* allowFirstLastIPs, default Yes */
	bool disabled;
	struct selector service_selector; /* absent: every Service */
	bool auto_assign;		  /* false: only for Services that name it or an address */
	bool avoid_buggy_ips;		  /* never .0 and .255 */
	struct res_service_allocation allocation;
	enum res_on_pool_change on_change;
	const char *reuse_after; /* "": as the HeraldConfig says; else reuse_ms is of this pool */
	uint64_t reuse_ms;
};

/* ---- PodIPPool ---- */

/* Nodes are given ranges of mask_size out of the cidrs. */
struct res_pod_pool_family {
	struct {
		const struct prefix *v;
		size_t nr;
	} cidrs;
	uint32_t mask_size;
};

struct res_pod_ip_pool {
	struct res_object obj;
	bool has_v4, has_v6;
	struct res_pod_pool_family v4, v6;
	struct selector pod_selector, namespace_selector; /* absent: only for who names the pool */
};

/* ---- L2AnnouncementPolicy ---- */

struct res_preference {
	uint8_t weight;
	struct selector preference; /* of nodes */
};

struct res_preferences {
	const struct res_preference *v;
	size_t nr;
};

struct res_l2_policy {
	struct res_object obj;
	struct selector node_selector, service_selector; /* absent: all */
	struct res_strings interfaces;			 /* regular expressions */
	bool load_balancer_ips, external_ips;
	/* beside the two above, and narrower: one of each list must match */
	struct res_selectors node_selectors, service_selectors;
	struct res_strings pools; /* LoadBalancerIPPools; with the next both empty: all */
	struct res_selectors pool_selectors;
	struct res_preferences preferred; /* nodes that rather answer than others */
	struct {
		uint32_t count;
		const char *interval, *refresh;	  /* as written, "1s" */
		uint32_t interval_ms, refresh_ms; /* refresh 0: never */
	} gratuitous;
};

/* ---- BFDProfile ---- */

struct res_bfd_profile {
	struct res_object obj;
	uint32_t receive_interval_ms, transmit_interval_ms, echo_interval_ms;
	uint8_t detect_multiplier;
	bool echo_mode, passive_mode;
	uint8_t minimum_ttl;			      /* multihop only */
	const char *auth_secret_ref, *auth_secret_ns; /* "": no authentication; of any namespace */
	uint8_t auth_key_id;
};

#endif
