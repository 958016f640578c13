/*
 * lib/metric.h: the one list of metrics, and the writer of their text (Prometheus text exposition,
 * version 0.0.4).  Whoever shows a number names its row; doc/metrics.md is printed from the same list.
 *
 * Rows are only ever appended within their part: names and labels are part of the contract with users.
 */
#ifndef HERALD_LIB_METRIC_H
#define HERALD_LIB_METRIC_H

#include "lib/buf.h"

#include <stdbool.h>
#include <stdint.h>

enum metric_type { METRIC_GAUGE, METRIC_COUNTER, METRIC_HISTOGRAM };

/* clang-format off */
/* symbol, type, name, labels (at most METRIC_LABELS_MAX, with commas), MetalLB's or Cilium's counterpart, one sentence */
#define METRIC_LIST(X)                                                                             \
	X(BUILD_INFO, GAUGE, "herald_build_info", "version,node", "cilium_version", "Always 1; which version runs on which node.") \
	X(UPTIME, GAUGE, "herald_uptime_seconds", "", "", "Since the daemon started.")             \
	X(READY, GAUGE, "herald_ready", "", "", "1 when /readyz says so.")                         \
	X(DRAINED, GAUGE, "herald_drained", "by", "", "0, or while this node is drained for the cause 1 as long as peers are asked to take other paths, and 2 when its Services are withdrawn; causes are person, cordon, out-of-service and exclude-label.") \
	/* BGP */                                                                                  \
	X(BGP_UP, GAUGE, "herald_bgp_session_up", "instance,peer", "metallb_bgp_session_up", "1 when the session is established.") \
	X(BGP_STATE, GAUGE, "herald_bgp_session_state", "instance,peer", "cilium_bgp_control_plane_session_state", "0 idle, 1 connect, 2 active, 3 opensent, 4 openconfirm, 5 established.") \
	X(BGP_HELD_DOWN, GAUGE, "herald_bgp_session_held_down", "instance,peer", "", "1 while the session is kept in idle: shut down by a person, or not to be made of its configuration.") \
	X(BGP_SINCE, GAUGE, "herald_bgp_session_established_timestamp_seconds", "instance,peer", "", "When the session was established; absent while it is not.") \
	X(BGP_FLAPS, COUNTER, "herald_bgp_session_flaps_total", "instance,peer", "", "Sessions that were established and ended.") \
	X(BGP_RECEIVED, GAUGE, "herald_bgp_prefixes_received", "instance,peer,family", "cilium_bgp_control_plane_received_routes", "Prefixes that the peer has announced, accepted or not.") \
	X(BGP_ACCEPTED, GAUGE, "herald_bgp_prefixes_accepted", "instance,peer,family", "", "Those of them that the import rules accept.") \
	X(BGP_ADVERTISED, GAUGE, "herald_bgp_prefixes_advertised", "instance,peer,family", "metallb_bgp_announced_prefixes_total, cilium_bgp_control_plane_advertised_routes", "Prefixes that the peer has been told.") \
	X(BGP_MESSAGES, COUNTER, "herald_bgp_messages_total", "instance,peer,type,direction", "metallb_bgp_updates_total, metallb_bgp_opens_sent, metallb_bgp_keepalives_sent", "Messages by type (open, update, notification, keepalive, routeRefresh) and direction (received, sent).") \
	X(BGP_AS_WITHDRAW, COUNTER, "herald_bgp_treated_as_withdraw_total", "instance,peer,family", "", "Routes of the peer that were taken as withdrawn for an error in their attributes (RFC 7606).") \
	X(BGP_DISCARDED, COUNTER, "herald_bgp_attributes_discarded_total", "instance,peer,family", "", "Attributes of the peer that were left out for an error (RFC 7606).") \
	X(BGP_REFUSED, COUNTER, "herald_bgp_connections_refused_total", "", "", "Connections from addresses of no configured peer.") \
	X(BGP_RIB_PREFIXES, GAUGE, "herald_bgp_rib_prefixes", "instance,family", "", "Prefixes in the table.") \
	X(BGP_RIB_PATHS, GAUGE, "herald_bgp_rib_paths", "instance", "", "Paths in the table, our own included.") \
	X(BGP_ORIGINATED, GAUGE, "herald_bgp_originated_routes", "instance", "", "Routes that this node asks to have announced.") \
	/* BFD */                                                                                  \
	X(BFD_UP, GAUGE, "herald_bfd_session_up", "peer,interface", "metallb_bfd_session_up", "1 when both ends hear each other.") \
	X(BFD_DETECT, GAUGE, "herald_bfd_detect_seconds", "peer,interface", "", "After so long without a packet the session is down; 0 before it was up.") \
	X(BFD_DOWNS, COUNTER, "herald_bfd_session_downs_total", "peer,interface", "metallb_bfd_session_down_events", "How often it went down.") \
	X(BFD_PACKETS, COUNTER, "herald_bfd_packets_total", "peer,interface,direction", "metallb_bfd_control_packet_input, metallb_bfd_control_packet_output", "Control packets by direction (received, sent).") \
	X(BFD_DROPS, COUNTER, "herald_bfd_drops_total", "reason", "", "Control packets that were not taken, by the rule that they broke.") \
	/* addresses */                                                                            \
	X(POOL_TOTAL, GAUGE, "herald_ippool_addresses", "pool", "metallb_allocator_addresses_total", "Addresses that the pool has to give.") \
	X(POOL_USED, GAUGE, "herald_ippool_addresses_used", "pool", "metallb_allocator_addresses_in_use_total, cilium_operator_lbipam_ips_used", "Those that are taken.") \
	X(POOL_FREE, GAUGE, "herald_ippool_addresses_available", "pool", "cilium_operator_lbipam_ips_available", "Those that are not.") \
	X(POOL_CONFLICT, GAUGE, "herald_ippool_conflicting", "pool", "cilium_operator_lbipam_conflicting_pools", "1 when the pool overlaps an older one, or itself, and gives nothing new.") \
	X(POOL_DISABLED, GAUGE, "herald_ippool_disabled", "pool", "", "1 when the pool is disabled.") \
	X(SERVICES, GAUGE, "herald_services", "type", "", "Services by type.")                     \
	X(SERVICES_LB, GAUGE, "herald_services_load_balancer", "state", "cilium_operator_lbipam_services_matching", "Services of type LoadBalancer: satisfied, unsatisfied as an address is missing, or not-ours by their class.") \
	X(SERVICES_WAIT, GAUGE, "herald_services_unsatisfied", "reason", "cilium_operator_lbipam_services_unsatisfied", "Those that are unsatisfied, by the reason of the first address that is missing.") \
	/* layer 2 */                                                                              \
	X(L2_LOADED, GAUGE, "herald_l2_loaded", "", "", "1 when the answering program is in the kernel.") \
	X(L2_WANTED, GAUGE, "herald_l2_addresses", "", "", "Pairs of address and device that this node is to answer for.") \
	X(L2_ANSWERING, GAUGE, "herald_l2_addresses_answering", "", "", "Those that it does answer for.") \
	X(L2_BEGUN, COUNTER, "herald_l2_takeovers_total", "", "", "Answers that this node began: addresses that came to it, for each device.") \
	X(L2_ENDED, COUNTER, "herald_l2_releases_total", "", "", "Answers that it ended.") \
	X(L2_HELD, GAUGE, "herald_l2_addresses_held", "", "", "Addresses that this node holds among all nodes.") \
	X(L2_NODES, GAUGE, "herald_l2_nodes", "life", "cilium_unreachable_nodes", "Nodes of layer 2 by what this one thinks of them: alive, stopping, lost, lapsed, gone, unheard.") \
	X(L2_CUT_OFF, GAUGE, "herald_l2_cut_off", "", "", "1 while no other node and no API server is heard, so that nothing may be held.") \
	X(L2_ANNOUNCED, COUNTER, "herald_l2_announcements_total", "", "metallb_layer2_gratuitous_sent", "Gratuitous ARP packets and unsolicited advertisements sent.") \
	X(L2_WAITING, GAUGE, "herald_l2_announcements_waiting", "", "", "Announcements that are due and not sent yet.") \
	X(L2_EVENTS, COUNTER, "herald_l2_packets_total", "what", "metallb_layer2_requests_received, metallb_layer2_responses_sent", "ARP and neighbour discovery by what became of it; arp-foreign and nd-foreign: another host claims an address of ours.") \
	/* load balancer */                                                                        \
	X(DP_LOADED, GAUGE, "herald_datapath_loaded", "", "", "1 when the programs are in the kernel; absent with mode none.") \
	X(DP_DEVICES, GAUGE, "herald_datapath_devices", "attached", "", "Devices that the programs stand on, by how (xdp, xdp-generic, tc, none).") \
	X(DP_SERVICES, GAUGE, "herald_datapath_services", "", "", "Services in the maps.")         \
	X(DP_FRONTENDS, GAUGE, "herald_datapath_frontends", "", "", "Addresses and ports in the maps.") \
	X(DP_BACKENDS, GAUGE, "herald_datapath_backends", "", "", "Backends in the maps.")         \
	X(DP_CONFLICTS, GAUGE, "herald_datapath_conflicts", "", "", "Frontends that another Service has already.") \
	X(DP_PACKETS, COUNTER, "herald_datapath_packets_total", "result", "cilium_forward_count_total", "Packets by what became of them: forwarded, replied, left to the kernel and so on.") \
	X(DP_DROPS, COUNTER, "herald_datapath_drops_total", "reason", "cilium_drop_count_total", "Packets that went no further, by the reason.") \
	X(DP_EVENTS, COUNTER, "herald_datapath_events_total", "event", "", "Flows pushed out, sockets translated, next hops looked up and the like.") \
	X(DP_FLOWS, COUNTER, "herald_datapath_flows_total", "", "", "New flows, as counted by the frontends.") \
	X(DP_BYTES, COUNTER, "herald_datapath_bytes_total", "", "cilium_forward_bytes_total", "Bytes towards backends, as counted by the frontends.") \
	X(DP_FLOW_ROOM, GAUGE, "herald_datapath_flow_table_entries_max", "family", "", "Room of the flow tables.") \
	X(DP_TABLE_WORDS, GAUGE, "herald_datapath_map_entries_max", "map", "", "Room of the map.")  \
	X(DP_TABLE_USED, GAUGE, "herald_datapath_map_entries", "map", "cilium_bpf_map_pressure", "Entries of the map that are taken.") \
	X(DP_REPAIRED, COUNTER, "herald_datapath_repaired_total", "", "", "Words of the maps that the audit found different and put right.") \
	X(DP_LOAD_TIME, GAUGE, "herald_datapath_load_seconds", "", "cilium_datapath_bpf_load_seconds", "How long the last loading of the programs took.") \
	X(DP_SOCKET_LB, GAUGE, "herald_datapath_socket_lb", "", "", "1 when connect() of this node's processes is translated.") \
	X(SVC_PACKETS, COUNTER, "herald_service_packets_total", "namespace,service,address,port,protocol", "", "Packets to one frontend; only with metrics.perService.") \
	X(SVC_BYTES, COUNTER, "herald_service_bytes_total", "namespace,service,address,port,protocol", "", "Bytes to one frontend; only with metrics.perService.") \
	X(SVC_FLOWS, COUNTER, "herald_service_flows_total", "namespace,service,address,port,protocol", "", "New flows to one frontend; only with metrics.perService.") \
	/* kernel routes */                                                                        \
	X(ROUTES_WANTED, GAUGE, "herald_routes_wanted", "", "", "Kernel routes that Herald wants.") \
	X(ROUTES_INSTALLED, GAUGE, "herald_routes_installed", "", "", "Those that are in the kernel.") \
	X(ROUTES_FAILED, GAUGE, "herald_routes_failed", "", "", "Those that are not.")             \
	X(ROUTES_CHANGES, COUNTER, "herald_routes_changes_total", "change", "", "Changes of kernel routes: added, removed, repaired, refused.") \
	X(TUNNEL_NODES, GAUGE, "herald_tunnel_nodes", "state", "", "Other nodes of the overlay: wanted, and set in the kernel.") \
	/* configuration and sources */                                                            \
	X(CONFIG_OK, GAUGE, "herald_config_last_reload_successful", "", "metallb_k8s_client_config_stale_bool", "1 when the files as they are now were taken on.") \
	X(CONFIG_READ, GAUGE, "herald_config_last_reload_timestamp_seconds", "", "", "When the files were last taken on.") \
	X(CONFIG_RELOADS, COUNTER, "herald_config_reloads_total", "result", "metallb_k8s_client_config_loaded_bool", "Readings of the files: ok, or refused.") \
	X(CONFIG_FAULTS, GAUGE, "herald_config_faults", "", "", "Faults in the files as they are now.") \
	X(NOTICES, GAUGE, "herald_notices", "reason", "", "Objects of the configuration that have no, or not their whole effect on this node.") \
	X(SOURCE_SYNCED, GAUGE, "herald_source_synced", "source", "", "1 when the source has delivered its first whole set.") \
	X(OBJECTS, GAUGE, "herald_objects", "kind", "", "Objects of the kind, of all sources.")    \
	X(CHANGES, COUNTER, "herald_object_changes_total", "", "metallb_k8s_client_updates_total", "Objects that changed.") \
	/* Kubernetes */                                                                           \
	X(KUBE_CONNECTED, GAUGE, "herald_kube_connected", "", "", "1 when the API server answers; absent without that source.") \
	X(KUBE_LEADER, GAUGE, "herald_kube_leader", "", "", "1 on the node that gives addresses to the Services of the API.") \
	X(KUBE_REQUESTS, COUNTER, "herald_kube_requests_total", "verb,code", "cilium_k8s_client_api_calls_total", "Requests to the API server by verb (get, list, watch, post, put, patch, delete) and HTTP status; code 0: no answer.") \
	X(KUBE_WATCHING, GAUGE, "herald_kube_watching", "resource", "", "1 when a watch is open.")   \
	X(KUBE_OBJECTS, GAUGE, "herald_kube_objects", "resource", "", "Objects held.")             \
	X(KUBE_EVENTS, COUNTER, "herald_kube_watch_events_total", "resource", "cilium_kubernetes_events_received_total", "Events of the watch.") \
	X(KUBE_LISTS, COUNTER, "herald_kube_lists_total", "resource", "", "Lists that were read; more than one: the watch could not be resumed.") \
	X(KUBE_FAULTS, COUNTER, "herald_kube_object_faults_total", "resource", "metallb_k8s_client_update_errors_total", "Objects that could not be taken on.") \
	X(KUBE_WAITING, GAUGE, "herald_kube_writes_waiting", "", "", "Writes in the queue.")       \
	X(KUBE_UNDER_WAY, GAUGE, "herald_kube_writes_under_way", "", "", "Writes that wait for their answer.") \
	X(KUBE_WRITES, COUNTER, "herald_kube_writes_total", "result", "", "Writes: sent, retried, refused, replaced by a newer one while they waited.") \
	/* the daemon */                                                                           \
	X(LOOP_TURN, HISTOGRAM, "herald_loop_turn_seconds", "", "", "How long turns of the event loop take; nothing else is done meanwhile.") \
	X(LOOP_LATE, HISTOGRAM, "herald_loop_timer_lateness_seconds", "", "", "How long after their time timers are fired.") \
	X(LOG_LINES, COUNTER, "herald_log_lines_total", "level", "cilium_errors_warnings_total", "Log lines by level, those that a level left out not counted.") \
	X(LOG_HELD, COUNTER, "herald_log_lines_repeated_total", "", "", "Lines that were kept back as they said again what had just been said.") \
	X(SCRAPE_TIME, GAUGE, "herald_scrape_longest_slice_seconds", "", "", "The longest that making an answer to /metrics has held up the loop.") \
	X(P_CPU, COUNTER, "process_cpu_seconds_total", "", "cilium_process_cpu_seconds_total", "Processor time, of user and system.") \
	X(P_RSS, GAUGE, "process_resident_memory_bytes", "", "cilium_process_resident_memory_bytes", "Resident memory.") \
	X(P_VSS, GAUGE, "process_virtual_memory_bytes", "", "", "Virtual memory.")                 \
	X(P_FDS, GAUGE, "process_open_fds", "", "cilium_process_open_fds", "Open descriptors.")    \
	X(P_MAX_FDS, GAUGE, "process_max_fds", "", "", "Descriptors that may be open.")            \
	X(P_START, GAUGE, "process_start_time_seconds", "", "cilium_process_start_time_seconds", "When the process started, in seconds since 1970.")
/* clang-format on */

enum metric {
#define METRIC_ENUM(symbol, type, name, labels, like, help) METRIC_##symbol,
	METRIC_LIST(METRIC_ENUM)
#undef METRIC_ENUM
	    METRIC_NR
};

#define METRIC_LABELS_MAX 5

const char *metric_name(enum metric);
enum metric_type metric_type(enum metric);
const char *metric_type_name(enum metric_type);
const char *metric_labels(enum metric); /* "instance,peer"; "" */
const char *metric_like(enum metric);	/* what it is called elsewhere; "" */
const char *metric_help(enum metric);

/*
 * Writes one series after the other into a buffer of the caller's.  All of one metric must come in a
 * row, as the format asks; @values are those of its labels, in their order, and NULL when it has none.
 */
struct metric_out {
	struct buf *buf;
	enum metric open; /* METRIC_NR: none yet */
	bool seen[METRIC_NR];
};

void metric_out_init(struct metric_out *, struct buf *);
void metric_u64(struct metric_out *, enum metric, uint64_t, const char *const *values);
void metric_double(struct metric_out *, enum metric, double, const char *const *values);
/* @bounds in microseconds, @buckets not cumulated and one more than the bounds. */
void metric_histogram(struct metric_out *, enum metric, const uint32_t *bounds, unsigned nr,
    const uint64_t *buckets, uint64_t sum_us);

#define METRIC_VALUES(...)                                                                         \
	((const char *const[METRIC_LABELS_MAX + 1]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

#endif
