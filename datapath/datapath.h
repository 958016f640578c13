/*
 * datapath/datapath.h: the BPF load balancer.  An engine: the frontends of each Service go in, and
 * the kernel carries their packets, also while this process is away.
 *
 * Programs, maps and links are pinned under the path of the configuration.  dp_new() takes over
 * what it finds there: flows go on, rows keep their numbers, and what the new process wants is
 * written as a difference once dp_sync_end() says that it is complete.  dp_free() leaves everything
 * in the kernel; dp_remove() takes everything out.
 *
 * Loading programs takes half a second of the verifier, so it is done by a thread; everything
 * else runs on the loop's.  Until it is loaded all calls are taken and kept.
 *
 * What a table may hold is the caller's decision (daemon/datapath_wanted.c): policy, graceful
 * termination and topology arrive here as two flags on each backend.
 */
#ifndef HERALD_DATAPATH_DATAPATH_H
#define HERALD_DATAPATH_DATAPATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "datapath/lb_abi.h" /* flags, states, reasons and events, as they are shown */
#include "lib/addr.h"

struct datapath;
struct loop;

enum dp_attach { DP_ATTACH_AUTO, DP_ATTACH_XDP, DP_ATTACH_TC };

struct dp_conf {
	const char *pin_path;	    /* on a bpffs; mounted when it is /sys/fs/bpf and is not */
	const char *cgroup;	    /* a cgroup2 directory, for socket_lb */
	const char *const *devices; /* names or POSIX extended regular expressions (whole name) */
	size_t nr_devices;	    /* 0: what the default routes and @peers go out by */
	const struct addr *peers;   /* BGP peers, for the devices */
	size_t nr_peers;
	enum dp_attach attach;
	bool dsr, random, socket_lb;
	uint32_t maglev_table_size; /* at most; a prime */
	uint32_t flows4, flows6;    /* room for so many flows, rounded up to powers of two */
	struct addr snat4, snat6;   /* this node's addresses; not set: found by the default route */
	const struct prefix *cluster; /* PodCIDRs and node addresses: their traffic is internal */
	size_t nr_cluster;
};

enum dp_type { DP_CLUSTER_IP, DP_NODE_PORT, DP_EXTERNAL_IP, DP_LOAD_BALANCER, DP_NR_TYPES };

enum dp_backend_state { DP_ACTIVE, DP_TERMINATING, DP_NOT_READY, DP_NR_STATES };

struct dp_backend {
	struct addr ip;
	uint16_t port;
	uint16_t weight;	 /* of Maglev; 0 is taken as 1 */
	bool external, internal; /* takes new flows of that scope; neither: keeps those it has */
	bool local;		 /* on this node */
	bool host;		 /* its address is this node's own */
	enum dp_backend_state state; /* for people */
	struct addr node_ip;	     /* of its node, in its family; not set: not known */
	const char *node;	     /* its name, for people; "" */
};

struct dp_frontend {
	struct addr ip;
	uint16_t port;
	uint8_t proto; /* IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP */
	enum dp_type type;
	const char *port_name; /* "" */
	bool external_local,
	    internal_local;	     /* the policies, for people and for the reason of a drop */
	bool non_routable;	     /* not from outside the cluster */
	bool dsr, random;	     /* in place of the configuration's */
	uint32_t affinity_s;	     /* 0: none */
	const struct prefix *ranges; /* only these sources, of those outside; 0: all */
	size_t nr_ranges;
	const struct dp_backend *backends; /* every family is the frontend's */
	size_t nr_backends;
};

/* Mount the BPF file system where it usually is, when @pin is in there and it is not mounted; takes
 * CAP_SYS_ADMIN.  0, or -errno. */
int dp_mount(const char *pin);
/* NULL: *err.  @conf is copied.  What fails later (no right to load, no bpffs, an old kernel) is
 * told by dp_info() and logged, and tried again. */
struct datapath *dp_new(struct loop *, const struct dp_conf *, int *err);
/* Leaves everything in the kernel. */
void dp_free(struct datapath *); /* NULL is fine */
/* Detaches and unpins everything, now (for `heraldctl shutdown`, or mode none). */
void dp_remove(struct datapath *);
/* The same of what an earlier process left at @pin_path; 0 also when nothing is there. */
int dp_remove_pinned(const char *pin_path);
/* Another configuration: programs are exchanged or devices added and left as it needs. */
int dp_conf_set(struct datapath *, const struct dp_conf *) __attribute__((warn_unused_result));

/*
 * The complete set of one Service's frontends ("namespace/name"), copied; the same again costs a
 * comparison.  An address, port and protocol that another Service has already stays with the one
 * that sorts first, and is told as conflict.  -EINVAL: more than LB_TABLE_BACKENDS_MAX backends;
 * -ENOMEM.
 */
int dp_service_set(struct datapath *, const char *service, const struct dp_frontend *, size_t nr)
    __attribute__((warn_unused_result));
void dp_service_del(struct datapath *, const char *service);
/* All Services: what is not set in between goes.  The first end makes an adopted state ours. */
void dp_sync_begin(struct datapath *);
void dp_sync_end(struct datapath *);

/* ---- answers ---- */
enum dp_link_how { DP_LINK_NONE, DP_LINK_XDP_NATIVE, DP_LINK_XDP_GENERIC, DP_LINK_TC };
struct dp_device {
	char name[16];
	unsigned ifindex;
	bool pods; /* a way to local backends, found by routes; else one of the configuration */
	enum dp_link_how how;
	const char *error; /* "" */
};
struct dp_info {
	bool loaded;
	bool writing;	   /* many Services at once, in slices: not all of them are there yet */
	bool adopted;	   /* took over an earlier process's maps */
	const char *error; /* "": none; else what failed, on what, and what to do */
	bool socket_lb;	   /* attached */
	const char *socket_lb_error;
	size_t services, frontends, backends, conflicts;
	uint64_t repaired; /* words that the audit found different and put right */
	uint64_t tables_words, tables_used;
	uint64_t flows4_max, flows6_max;
	uint64_t load_us; /* the last loading of the programs */
	const struct dp_device *devices;
	size_t nr_devices;
};
void dp_info(const struct datapath *, struct dp_info *);

/* dp_counter(): sums over the CPUs; index is enum lb_why or enum lb_extra.  Static names. */
uint64_t dp_counter(const struct datapath *, unsigned i);
const char *dp_counter_name(unsigned i); /* "no-backend"; NULL past the end or a gap */
const char *dp_counter_sentence(unsigned i);

struct dp_counts {
	uint64_t packets, bytes, flows;
};

/* What the maps hold, read back from the kernel. */
struct dp_seen_backend {
	struct addr ip;
	uint16_t port;
	uint32_t row;
	uint32_t slots[2]; /* of the tables for external and internal traffic */
	bool live, local, terminating;
	const char *node; /* as wanted; "" */
	struct dp_counts counts;
};
struct dp_seen_frontend {
	struct addr ip;
	uint16_t port;
	uint8_t proto;
	uint32_t row, flags; /* enum lb_fe_flag */
	uint32_t service;
	const char *service_name; /* "" when an adopted row is nobody's (yet) */
	uint32_t affinity_s;
	uint32_t slots[2]; /* sizes of the tables */
	const struct prefix *ranges;
	size_t nr_ranges;
	const struct dp_seen_backend *backends;
	size_t nr_backends;
	struct dp_counts counts;
};
/* In the order of address, port, protocol; @each returns false to stop.  What it is given is
 * borrowed for the call.  -ENODEV: not loaded. */
int dp_frontends_each(
    struct datapath *, bool (*each)(void *, const struct dp_seen_frontend *), void *arg);

/* What one frontend has carried since it is there. */
struct dp_seen_count {
	uint32_t row;
	struct addr ip;
	uint16_t port;
	uint8_t proto;
	const char *service_name; /* "" when an adopted row is nobody's (yet) */
	struct dp_counts counts;
};
/*
 * Of all frontends, in the order of their rows and a slice at a time: at most @max rows from *@row on,
 * which is 0 at first and then where to go on.  1: there are more; 0: that was all; -ENODEV; -ENOMEM.
 */
int dp_counts_each(struct datapath *, uint32_t *row, uint32_t max,
    void (*each)(void *, const struct dp_seen_count *), void *arg);

struct dp_seen_flow {
	struct addr client, vip, backend;
	uint16_t client_port, vip_port, backend_port, snat_port;
	uint8_t proto, state; /* enum lb_state */
	uint32_t idle_s, timeout_s;
	const char *service_name;
};
/* Up to @max flows, in no order; @each returns false to stop.  Returns how many there were, or
 * -ENODEV. */
long dp_flows_each(
    struct datapath *, size_t max, bool (*each)(void *, const struct dp_seen_flow *), void *arg);

/* The Maglev slots of a frontend's table: row numbers of the backends, slot by slot, for free().
 * Returns how many; -ENOENT: no such frontend; -ENODEV. */
long dp_slots(struct datapath *, const struct addr *, uint16_t port, uint8_t proto, unsigned scope,
    uint32_t **out);

/* ---- the helper: ends UDP sockets of pods whose backend is gone, with rights that the daemon has not ---- */
#define DP_HELPER_OPTION "--end-sockets" /* the only argument of that process, */
#define DP_HELPER_FD 3			 /* and its socket */
struct dp_helper;
struct dp_helper_info {
	bool works;
	pid_t pid;	 /* 0: it has ended */
	const char *why; /* it does not work; else NULL */
};
/* While this process has the rights: CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_NET_ADMIN.  What fails is logged
 * and told by dp_helper_info(). */
struct dp_helper *dp_helper_start(struct loop *);
void dp_helper_stop(struct dp_helper *, const char *why); /* for good, and that is no fault */
void dp_helper_free(struct dp_helper *); /* ends it; behind the datapath that has it */
void dp_helper_info(const struct dp_helper *, struct dp_helper_info *);
void dp_helper_set(struct datapath *, struct dp_helper *); /* borrowed; NULL: none, as at first */
/* All of that process; its exit status.  @confine gives up what it does not need. */
int dp_helper_main(int (*confine)(char **error));

/* ---- observe ---- */
struct lb_event;
struct dp_watch;
/* Tell of new flows and drops from now on, each record once to every watch whose Service (NULL: all)
 * and address (NULL: all) match.  The programs tell only while there is a watch.  NULL: no memory,
 * or not loaded. */
struct dp_watch *dp_watch_new(struct datapath *, const char *service, const struct addr *,
    void (*cb)(void *arg, const struct lb_event *, const char *service), void *arg);
void dp_watch_free(struct dp_watch *); /* NULL is fine; safe in the callback */

#endif
