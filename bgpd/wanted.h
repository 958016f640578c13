/*
 * bgpd/wanted.h: what a speaker is to be: families, communities, policies, peers, instances.  Given
 * as a whole to bgp_apply(), by daemon/bgp_wanted.c.  Comes with bgpd.h.
 */
#ifndef HERALD_BGPD_WANTED_H
#define HERALD_BGPD_WANTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"

enum bgp_family { BGP_IPV4_UNICAST, BGP_IPV6_UNICAST, BGP_NR_FAMILIES };
#define BGP_FAMILY_MASK(f) (1u << (f))

/* RFC 4271 8.2.2, in the order in which a session goes through them. */
enum bgp_state {
	BGP_IDLE,
	BGP_CONNECT,
	BGP_ACTIVE,
	BGP_OPENSENT,
	BGP_OPENCONFIRM,
	BGP_ESTABLISHED,
	BGP_NR_STATES
};

/* Where a path comes from; what policies call match.origin. */
enum bgp_source { BGP_SRC_PODCIDR, BGP_SRC_SERVICE, BGP_SRC_LEARNED, BGP_NR_SOURCES };

/* RFC 8092: host order. */
struct bgp_large {
	uint32_t global, data1, data2;
};

/* Communities of all three kinds, host order; any order, duplicates are dropped. */
struct bgp_communities {
	const uint32_t *std; /* RFC 1997 */
	const uint64_t *ext; /* RFC 4360 */
	const struct bgp_large *large;
	size_t nr_std, nr_ext, nr_large;
	/* In what matches and removes: the bits that count of each value, whose other bits are zero.
	 * As long as the lists; NULL: all bits. */
	const uint32_t *std_mask;
	const uint64_t *ext_mask;
	const struct bgp_large *large_mask;
};

/* ---- policy ---- */

/* A prefix and those inside it: matches lengths ge..le; ge = le = its own length is exact. */
struct bgp_prefix_match {
	struct prefix prefix;
	uint8_t ge, le;
};

struct bgp_match { /* an empty list or zero mask matches everything */
	const struct bgp_prefix_match *prefixes;
	size_t nr_prefixes;
	struct bgp_communities communities; /* any of them */
	const char *as_path;		    /* see policy_regex(); NULL: any */
	unsigned families;		    /* BGP_FAMILY_MASK bits */
	unsigned sources;		    /* 1 << enum bgp_source */
};

/* DEFAULT: as RFC 4271 5.1.3 has it: ourselves to other AS, unchanged within ours. */
enum bgp_next_hop_action { BGP_NH_DEFAULT, BGP_NH_SELF, BGP_NH_KEEP, BGP_NH_ADDR };

struct bgp_set {
	bool has_local_pref, has_med;
	uint32_t local_pref, med;
	bool replace; /* communities of all kinds go, before others are added */
	struct bgp_communities add, remove;
	uint8_t prepend; /* our own AS, this many times more; not towards peers of our own AS */
	enum bgp_next_hop_action next_hop;
	struct addr next_hop_addr;
};

struct bgp_rule {
	struct bgp_match match;
	bool accept;
	struct bgp_set set;
};

/* Ordered; the first match decides.  No match: imports are rejected (RFC 8212); exports go out
 * when they are originated for the peer's audience, and stay here when learned. */
struct bgp_policy {
	const struct bgp_rule *rules;
	size_t nr_rules;
};

/* ---- configuration ---- */

/* What happens when a peer announces more than it may. */
enum bgp_limit_action {
	BGP_LIMIT_RESTART,  /* Cease/Maximum Number of Prefixes Reached; back after restart_s */
	BGP_LIMIT_SHUTDOWN, /* likewise, and down until a person says otherwise */
	BGP_LIMIT_WARN,	    /* it is only said, in the log and in what is shown */
};

/* RFC 9234 3: what we are to the peer; the numbers of 4.1 plus one. */
enum bgp_role {
	BGP_ROLE_NONE,
	BGP_ROLE_PROVIDER,
	BGP_ROLE_RS,
	BGP_ROLE_RS_CLIENT,
	BGP_ROLE_CUSTOMER,
	BGP_ROLE_PEER,
};

enum { BGP_ADD_SEND = 1, BGP_ADD_RECEIVE = 2 };

struct bgp_family_conf {
	bool enabled;
	uint32_t stale_s;	/* RFC 9494: long-lived stale time, 24 bits, with .gr; 0: none */
	uint32_t max_prefixes;	/* accepted or not; 0: no limit */
	uint32_t warn_prefixes; /* so many are worth a warning; 0: none is given */
	enum bgp_limit_action limit_action;
	uint32_t restart_s; /* 0: as soon as after any other fault */
	/* RFC 7911: of @add_path's directions; at most @add_max paths of a prefix are sent (0: 8), the
	 * best first, @add_multi: only those that share the load with the best. */
	uint8_t add_path, add_max;
	bool add_multi;
	const char *audience; /* which originated routes are for this peer; NULL: none */
};

/*
 * RFC 7705: what becomes of the instance's own AS when a peer knows us as another one (bgp_peer_conf
 * .local_as).  The peer's AS goes in front of what is sent in any case, and behind it comes our own.
 */
enum bgp_local_as {
	BGP_LOCAL_AS_PREPEND,	 /* what is received gets local_as in front, too */
	BGP_LOCAL_AS_NO_PREPEND, /* 3.1: what is received stays as it is */
	BGP_LOCAL_AS_REPLACE	 /* 3.2: neither that, nor is our own AS sent */
};

struct bgp_peer_conf {
	const char *name; /* unique in the instance */
	struct addr addr;
	unsigned ifindex; /* scope of a link-local addr, else 0 */
	/*
	 * With range_limit: in place of addr.  Whoever connects from there is a peer of its own, named
	 * NAME@ADDRESS, with all that is said here; at most so many at a time.  The longest range has an
	 * address, and a peer with that very address comes before all ranges.
	 */
	struct prefix range;
	uint32_t range_limit;
	uint16_t port;		/* theirs; 0: 179 */
	struct addr local_addr; /* to bind; ADDR_NONE: the kernel chooses */
	uint32_t peer_as;	/* 0: whatever AS the OPEN carries */
	uint16_t hold_s;	/* 0, or 3 and more */
	uint16_t keepalive_s;	/* upper limit; hold/3 when shorter */
	uint32_t connect_retry_s;
	uint8_t ttl;	   /* eBGP: TTL of what we send (multihop); 0: 1.  iBGP: ignored, 255 */
	uint8_t gtsm_hops; /* RFC 5082: at most this many hops away; 0: off */
	bool passive, other_as; /* other_as: with peer_as 0, any but our own */
	uint32_t local_as;	/* that the peer knows us as; 0: the instance's */
	enum bgp_local_as local_as_mode;
	bool ext_msg;	   /* RFC 8654 */
	bool ext_next_hop; /* RFC 8950: IPv4 routes with IPv6 next hops, both ways */
	bool gr;
	uint16_t gr_time_s; /* 1..4095 */
	uint8_t allow_as_in;
	bool rr_client; /* RFC 4456: we reflect for it; internal peers only */
	/* RFC 9494 4.6: long-lived stale routes also to an internal peer without the capability. */
	bool stale_to_all;
	bool any_first_as;   /* paths of an external peer may begin with another AS than its own */
	enum bgp_role role;  /* external peers only */
	bool role_strict;    /* RFC 9234 4.2: a peer that does not tell its role is refused */
	bool honor_shutdown; /* RFC 8326 4.1: what an external peer marks gets local preference 0 */
	bool graceful_shutdown; /* RFC 8326: what is sent should be left for other paths */
	const char *md5_key;	/* RFC 2385, at most 80 bytes; NULL: none */
	const char *ao_keys;	/* RFC 5925, as tcp_ao.h has them; instead of md5_key; NULL: none */
	const char *held_down;	/* why this peer must stay in Idle, for people; NULL: let it run */
	struct bgp_family_conf family[BGP_NR_FAMILIES];
	struct bgp_policy import, export;
};

struct bgp_instance_conf {
	const char *name; /* unique */
	uint32_t local_as;
	uint32_t router_id; /* host order, not 0 (RFC 6286) */
	uint16_t
	    local_port;	   /* an own listening port on the wildcard addresses; 0: bgp_conf.listen */
	uint8_t max_paths; /* multipath over external peers; 0: 8 */
	uint8_t max_paths_ibgp; /* over internal ones; 0: 8 */
	bool same_as_paths;	/* multipath: no relax, see best.h */
	uint32_t cluster_id;	/* RFC 4456 7, host order; 0: the router ID */
	const struct bgp_peer_conf *peers;
	size_t nr_peers;
};

struct bgp_listen {
	struct addr addr; /* may be unspecified */
	uint16_t port;
};

/* What a monitoring station is told: routes as received, behind the import policy, and those chosen; those
 * that a peer may be told before the export policy, and those that it was told (RFC 8671). */
enum {
	BGP_MONITOR_PRE = 1,
	BGP_MONITOR_POST = 2,
	BGP_MONITOR_LOCAL = 4,
	BGP_MONITOR_OUT_PRE = 8,
	BGP_MONITOR_OUT_POST = 16
};

#define BGP_MAX_MONITORS 32

/* A station that is told of peers and routes (BMP, RFC 7854); we connect to it. */
struct bgp_monitor_conf {
	const char *name; /* unique */
	struct addr addr;
	uint16_t port;
	unsigned views;	       /* BGP_MONITOR_*; 0: peers and statistics only */
	uint16_t statistics_s; /* between reports; 0: none */
};

struct bgp_conf {
	const char *host_name;	 /* FQDN capability; NULL: not sent */
	const char *description; /* of this program, for monitoring stations; NULL: "" */
	const struct bgp_monitor_conf *monitors;
	size_t nr_monitors; /* at most BGP_MAX_MONITORS count */
	const struct bgp_listen *listen;
	size_t nr_listen;
	const struct bgp_instance_conf *instances;
	size_t nr_instances;
};

#endif
