/*
 * resource/bgp_kinds.h: the typed objects of BGP: who speaks (BGPClusterConfig), how
 * (BGPPeerConfig), what is told (BGPAdvertisement), and one node's exceptions
 * (BGPNodeConfigOverride).  Their fields are those of the Cilium kinds, and more.
 */
#ifndef HERALD_RESOURCE_BGP_KINDS_H
#define HERALD_RESOURCE_BGP_KINDS_H

#include "resource/auth_kinds.h"
#include "resource/object.h"
#include "resource/rules.h"
#include "resource/selector.h"

#include "lib/addr.h"

enum res_afi { RES_AFI_IPV4, RES_AFI_IPV6, RES_AFI_L2VPN, RES_AFI_LS, RES_AFI_OPAQUE };
enum res_safi {
	RES_SAFI_UNICAST,
	RES_SAFI_MULTICAST,
	RES_SAFI_MPLS_LABEL,
	RES_SAFI_ENCAPSULATION,
	RES_SAFI_VPLS,
	RES_SAFI_EVPN,
	RES_SAFI_LS,
	RES_SAFI_SR_POLICY,
	RES_SAFI_MUP,
	RES_SAFI_MPLS_VPN,
	RES_SAFI_MPLS_VPN_MULTICAST,
	RES_SAFI_ROUTE_TARGET,
	RES_SAFI_FLOWSPEC_UNICAST,
	RES_SAFI_FLOWSPEC_VPN,
	RES_SAFI_KEY_VALUE
};

/* ---- BGPClusterConfig ---- */

/* An address with the interface that a link-local one is on. */
struct res_zoned {
	struct addr addr;
	char zone[16]; /* ""; only a link-local address has one */
};

enum res_discovery { RES_DISCOVER_NONE, RES_DISCOVER_DEFAULT_GATEWAY, RES_DISCOVER_UNNUMBERED };

enum res_dynamic_asn { RES_ASN_GIVEN, RES_ASN_EXTERNAL, RES_ASN_INTERNAL };
enum res_local_as { RES_LOCAL_AS_PREPEND, RES_LOCAL_AS_NO_PREPEND, RES_LOCAL_AS_REPLACE };

struct res_bgp_peer {
	const char *name;
	struct res_zoned peer_address; /* ADDR_NONE: by auto-discovery, or a range */
	bool has_range;
	struct prefix range; /* whoever connects from it is such a peer */
	uint32_t range_limit;
	uint32_t peer_asn; /* 0: whatever AS the OPEN carries */
	enum res_dynamic_asn dynamic_asn;
	uint32_t local_asn; /* 0: the instance's */
	enum res_local_as local_asn_mode;
	struct res_selectors node_selectors; /* nodes that talk to it; none: all */
	enum res_discovery discovery;
	enum res_afi discovery_family;	 /* of the default gateway */
	const char *discovery_interface; /* unnumbered; "" else */
	const char *peer_config_ref;	 /* "": built-in defaults */
};

struct res_bgp_instance {
	const char *name;
	bool has_local_asn, has_local_port;
	uint32_t local_asn;  /* 0 when absent: an override must give it */
	uint16_t local_port; /* absent: no port of its own */
	bool has_router_id, has_cluster_id, multipath_relax;
	uint32_t router_id;  /* host order; an override wins */
	uint32_t cluster_id; /* RFC 4456; host order; the router ID when absent */
	uint8_t max_paths_ebgp, max_paths_ibgp;
	bool node_mesh;		     /* peers are made of the other nodes' documents */
	const char *mesh_config_ref; /* a BGPPeerConfig for those; "": built-in defaults */
	struct {
		const struct res_bgp_peer *v;
		size_t nr;
	} peers;
};

enum res_bmp { RES_BMP_PRE, RES_BMP_POST, RES_BMP_BOTH, RES_BMP_NONE, RES_BMP_LOCAL, RES_BMP_ALL };

struct res_bmp_server {
	const char *name;
	struct addr peer_address;
	uint16_t peer_port;
	enum res_bmp monitoring_policy, adj_rib_out; /* the second not the last two */
	uint16_t statistics_timeout_s;		     /* 0: none */
};

struct res_bgp_cluster_config {
	struct res_object obj;
	struct selector node_selector; /* absent: every node */
	struct {
		const struct res_bgp_instance *v;
		size_t nr;
	} instances;
	struct {
		const struct res_bmp_server *v;
		size_t nr;
	} bmp_servers;
};

/* ---- BGPPeerConfig ---- */

enum res_add_path { RES_ADD_PATH_NONE, RES_ADD_PATH_SEND, RES_ADD_PATH_RECEIVE, RES_ADD_PATH_BOTH };
enum res_add_select { RES_ADD_SELECT_ALL, RES_ADD_SELECT_MULTIPATH };
/* RFC 9234. */
enum res_role {
	RES_ROLE_NONE,
	RES_ROLE_PROVIDER,
	RES_ROLE_CUSTOMER,
	RES_ROLE_PEER,
	RES_ROLE_RS,
	RES_ROLE_RS_CLIENT
};

enum res_max_action { RES_MAX_RESTART, RES_MAX_SHUTDOWN, RES_MAX_WARN };

struct res_bgp_family {
	enum res_afi afi;
	enum res_safi safi;
	enum res_add_path add_path;
	enum res_add_select add_select; /* which paths are sent */
	uint8_t add_max;		/* at most that many of a prefix */
	bool has_long_lived_stale;	/* else gracefulRestart's */
	uint32_t long_lived_stale_s;	/* RFC 9494; 0: none */
	uint32_t max_prefixes;		/* 0: no limit */
	enum res_max_action max_action;
	uint8_t max_warning_percent; /* of max_prefixes; 0: no warning */
	uint32_t max_restart_s;
	struct selector advertisements; /* over BGPAdvertisements; absent selects none */
};

struct res_bgp_peer_config {
	struct res_object obj;
	uint16_t peer_port;
	bool passive;
	const char *source_interface; /* "": none */
	struct addr source_address;   /* ADDR_NONE: the kernel chooses */
	uint32_t connect_retry_s, hold_s, keepalive_s;
	const char *auth_secret_ref; /* "": no authentication */
	const char *auth_secret_ns;  /* "": the first by namespace */
	struct {
		const struct res_tcp_ao *v;
		size_t nr;
	} tcp_ao; /* none: MD5 */
	bool gr_enabled;
	uint16_t gr_restart_time_s;
	uint32_t gr_long_lived_stale_s; /* RFC 9494; 0: none; of families that have no own */
	bool gr_stale_to_internal;	/* RFC 9494 4.6 */
	bool has_ebgp_multihop;
	uint8_t ebgp_multihop;	   /* TTL; 1 when absent */
	uint8_t ttl_security_hops; /* RFC 5082; 0: off */
	bool extended_messages, extended_next_hop;
	bool rr_client;	      /* RFC 4456: this node reflects for the peer */
	bool has_allow_as_in; /* else HeraldConfig's bgp.allowASIn */
	uint8_t allow_as_in;
	bool has_enforce_first_as; /* else: unless we are the client of a route server */
	bool enforce_first_as;
	enum res_role role;
	bool role_strict;
	const char *bfd_profile; /* "": none */
	struct res_bgp_bfd bfd;
	struct {
		const struct res_bgp_family *v;
		size_t nr;
	} families;	 /* absent: IPv4 and IPv6 unicast without advertisements */
	bool has_import; /* else HeraldConfig's bgp.import */
	struct res_rules import, export;
};

/* ---- BGPAdvertisement ---- */

enum res_advert_type { RES_ADV_POD_CIDR, RES_ADV_POD_IP_POOL, RES_ADV_SERVICE, RES_ADV_INTERFACE };
enum res_no_endpoints { RES_NO_ENDPOINTS_WITHDRAW, RES_NO_ENDPOINTS_ADVERTISE };
enum res_link_bandwidth { RES_LINK_BANDWIDTH_NONE, RES_LINK_BANDWIDTH_ENDPOINTS };

/* service.addresses */
enum res_service_addr {
	RES_SVC_ADDR_LOAD_BALANCER_IP,
	RES_SVC_ADDR_EXTERNAL_IP,
	RES_SVC_ADDR_CLUSTER_IP
};

struct res_bgp_advert {
	enum res_advert_type type;
	struct {
		const enum res_service_addr *v;
		size_t nr;
	} addresses; /* RES_ADV_SERVICE */
	bool has_aggregation_v4, has_aggregation_v6, has_local_preference, has_med;
	uint8_t aggregation_v4, aggregation_v6; /* 32 and 128 when absent */
	bool aggregate_local;			/* also under the policy Local */
	struct res_strings pools; /* only addresses of these LoadBalancerIPPools; with the next */
	struct res_selectors pool_selectors; /* both empty: all */
	const char *interface;		     /* RES_ADV_INTERFACE; "" else */
	struct selector selector;	     /* absent selects nothing */
	struct res_communities communities;  /* the three below together */
	struct res_communities standard, well_known, large;
	uint32_t local_preference, med;
	uint8_t as_path_prepend;
	enum res_link_bandwidth link_bandwidth;
	enum res_no_endpoints no_endpoints; /* its own, or else that of the document */
	bool has_no_endpoints;
};

struct res_bgp_advertisement {
	struct res_object obj;
	struct {
		const struct res_bgp_advert *v;
		size_t nr;
	} adverts;
	enum res_no_endpoints no_endpoints;  /* for adverts that do not say */
	struct res_selectors node_selectors; /* nodes that tell; none: all */
	struct res_strings peers;	     /* who is told, by name; none: all that select it */
};

/* ---- BGPNodeConfigOverride; its name is the node's ---- */

struct res_bgp_override_peer {
	const char *name;
	struct addr local_address; /* ADDR_NONE: not overridden */
	bool has_local_port;
	uint16_t local_port; /* accepted, has no effect */
};

struct res_bgp_override_instance {
	const char *name;
	bool has_router_id, has_local_port, has_local_asn;
	uint32_t router_id; /* host order */
	uint16_t local_port;
	uint32_t local_asn;
	struct {
		const struct res_bgp_override_peer *v;
		size_t nr;
	} peers;
};

struct res_bgp_node_override {
	struct res_object obj;
	struct {
		const struct res_bgp_override_instance *v;
		size_t nr;
	} instances;
};

#endif
