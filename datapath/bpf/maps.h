/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * datapath/bpf/maps.h: the maps of all programs; what lies in them is told at the head of
 * lb_abi.h.  The loader sets the sizes.  "daemon" writes by mapped memory where it can.
 */
#ifndef HERALD_BPF_MAPS_H
#define HERALD_BPF_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "datapath/lb_abi.h"

/* Written by the daemon; read by every packet. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct lb_conf);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
} conf SEC(".maps");

struct lb_filter {
	__u8 bits[LB_FILTER_SIZE];
};
/* Written by the daemon; read by every packet, first of all. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct lb_filter);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
} filter SEC(".maps");

/* Written by the daemon; read for new flows and by sockets.  The row LB_ROW_NONE: the address is
 * served, the port is not. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct lb_fe_key);
	__type(value, __u32);
	__uint(max_entries, 4096);
} frontends SEC(".maps");

/* Written by the daemon; read by every packet of a Service. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct lb_fe_row);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_MMAPABLE);
} fe_rows SEC(".maps");

/* Written by the daemon; read for new flows and by sockets. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 262144);
	__uint(map_flags, BPF_F_MMAPABLE);
} tables SEC(".maps");

/* Written by the daemon; read by every packet of a Service. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct lb_be_row);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_MMAPABLE);
} be_rows SEC(".maps");

/* Written by the programs; the daemon ends what is over. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct lb_block4);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_MMAPABLE);
} flows4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct lb_block6);
	__uint(max_entries, 256);
	__uint(map_flags, BPF_F_MMAPABLE);
} flows6 SEC(".maps");

/* Written and read by the programs; the daemon makes all of it stale by conf.hop_generation. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct lb_hop);
	__uint(max_entries, 65536);
} hops SEC(".maps");

/* Written by the daemon, by ifindex; read when a hop is filled. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, struct lb_link);
	__uint(max_entries, 4096);
} links SEC(".maps");

/* Written by the daemon; read for new flows where the scope or the source matters. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__type(key, struct lb_range_key);
	__type(value, __u32);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} src_ranges SEC(".maps");

/* Written and read by the programs: the ports that the first fragment told. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct lb_frag_key);
	__type(value, struct lb_frag);
	__uint(max_entries, 8192);
} frags SEC(".maps");

/* Written and read by the programs. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct lb_affinity_key);
	__type(value, struct lb_affinity);
	__uint(max_entries, 65536);
} affinity SEC(".maps");

/* Written and read by the programs of sockets. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct lb_sock_key);
	__type(value, struct lb_sock);
	__uint(max_entries, 65536);
} socks SEC(".maps");

/* Written by the programs, read by the daemon; by row. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct lb_count);
	__uint(max_entries, 4096);
} fe_counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct lb_count);
	__uint(max_entries, 16384);
} be_counts SEC(".maps");

/* Likewise, by enum lb_why and enum lb_extra. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, LB_NR_COUNTERS);
} counters SEC(".maps");

/* Records for whoever watches. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 262144);
} events SEC(".maps");

/* Programs that the fast path hands over to; by enum lb_slow.  Filled by the loader. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, LB_NR_SLOW);
} slow SEC(".maps");

#endif
