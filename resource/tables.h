/*
 * resource/tables.h: the tables of all kinds, and those that several of them share.
 */
#ifndef HERALD_RESOURCE_TABLES_H
#define HERALD_RESOURCE_TABLES_H

#include "resource/field.h"
#include "resource/rules.h"

extern const struct table meta_table;
extern const struct table rule_table; /* struct res_rule */
extern const struct table told_table; /* struct res_told */

/* Faults for rules of @list (the field @name of @map) that match on an origin, which imports have
 * none of. */
void rules_check_import(
    struct decoder *, const struct node *map, const char *name, const struct res_rules *);

extern const struct table herald_config_table, node_table, service_table, endpoint_slice_table,
    secret_table, namespace_table, lb_ip_pool_table, l2_policy_table, bgp_cluster_config_table,
    bgp_peer_config_table, bgp_advertisement_table, bgp_node_override_table, bfd_profile_table,
    pod_ip_pool_table, mlb_pool_table, mlb_address_pool_table, mlb_l2_advert_table,
    mlb_bgp_advert_table, mlb_community_table, mlb_bfd_profile_table, mlb_peer_table;
/* Shared between a native kind and MetalLB's. */
extern const struct table allocation_table, preference_table, bfd_spec_table;

/* What the document of each kind begins with. */
/* clang-format off */
#define FIELDS_HEAD(st)                                                                            \
	FIELD_ANY("apiVersion"), FIELD_ANY("kind"),                                                \
	{ "metadata", T_STRUCT, F_REQUIRED, FIELD_AT(st, obj.meta), .sub = &meta_table,            \
	  .help = "name, labels, annotations" }
/* A group: its fields stand in the struct of its parent. */
#define FIELD_GROUP(n, flags_, sub_)                                                               \
	{ .name = (n), .type = T_STRUCT, .flags = (flags_), .sub = &(sub_) }
/* clang-format on */

#define ASN_MAX 4294967295u
#define UINT32_FULL 4294967295u

#endif
