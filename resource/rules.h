/*
 * resource/rules.h: communities, and the ordered rules that say what is accepted from a peer and
 * what is sent to it.
 */
#ifndef HERALD_RESOURCE_RULES_H
#define HERALD_RESOURCE_RULES_H

#include "resource/object.h"

#include "lib/addr.h"

enum res_community_type { RES_COMM_STANDARD, RES_COMM_EXTENDED, RES_COMM_LARGE };

/* Host order.  "65000:1", "4259840001" or a well-known name (RFC 1997); "rt:65000:1",
 * "ro:192.0.2.1:1", "0x0002fde800000001" (RFC 4360, 5668); "65000:1:2", "large:65000:1:2"
 * (RFC 8092).  In patterns "*" may stand for a number, of the extended ones for the last. */
struct res_community {
	enum res_community_type type;
	uint8_t
	    wild; /* a bit for each number that may be anything, the first's lowest; they are 0 */
	uint32_t standard;
	uint64_t extended;
	uint32_t large[3];
};

struct res_communities {
	const struct res_community *v;
	size_t nr;
};

/* One community of any type.  -EINVAL: it is none. */
int res_community_parse(const char *text, struct res_community *)
    __attribute__((warn_unused_result));
/* Likewise, or a pattern. */
int res_community_pattern_parse(const char *text, struct res_community *)
    __attribute__((warn_unused_result));
#define RES_COMM_PATTERN 7 /* a bit of T_COMMUNITY's mask of types: patterns are allowed */

/* A prefix and those inside it whose length is ge..le; both are always set: neither given means
 * exactly this length, only ge up to the longest, only le from its own length. */
struct res_rule_prefix {
	struct prefix prefix;
	bool has_ge, has_le;
	uint8_t ge, le;
};

enum res_route_origin { RES_ORIGIN_PODCIDR, RES_ORIGIN_SERVICE, RES_ORIGIN_LEARNED };
enum res_rule_action { RES_RULE_ACCEPT, RES_RULE_REJECT };
enum res_next_hop { RES_NEXT_HOP_DEFAULT, RES_NEXT_HOP_SELF, RES_NEXT_HOP_KEEP, RES_NEXT_HOP_ADDR };
enum res_rule_family { RES_RULE_IPV4, RES_RULE_IPV6 };

struct res_rule_match { /* what is empty matches every route */
	struct {
		const struct res_rule_prefix *v;
		size_t nr;
	} prefixes;
	struct res_communities communities; /* any of them */
	const char *as_path; /* POSIX extended regular expression with "_"; "": any */
	struct {
		const enum res_rule_family *v;
		size_t nr;
	} families;
	struct {
		const enum res_route_origin *v;
		size_t nr;
	} origin; /* export only */
};

struct res_rule_set {
	bool has_local_preference, has_med;
	uint32_t local_preference, med;
	bool has_communities; /* .communities in place of all that were there */
	struct res_communities communities, add, remove;
	uint8_t prepend_count; /* 0: none */
	enum res_next_hop next_hop;
	struct addr next_hop_addr; /* RES_NEXT_HOP_ADDR */
};

struct res_rule {
	struct res_rule_match match;
	enum res_rule_action action;
	struct res_rule_set set;
};

struct res_rules {
	const struct res_rule *v;
	size_t nr;
};

#endif
