/*
 * datapath/core.h: what the parts of the room are to each other.  Private to the room.
 *
 *   kernel    gets programs and maps into the kernel and onto devices       (the loader)
 *   services  frontends as wanted -> rows, tables, hash, filter              (the writer)
 *   links     devices, next hops and neighbours, as netlink tells of them
 *   sweep     ends flows whose time is over; frees rows when no flow has them
 *   watch     the ring of new flows and drops
 *   sockets   connected UDP sockets whose backend is gone
 *   helper    a process that may enter the namespaces of pods for that
 *
 * datapath.c owns one of each and joins them.
 */
#ifndef HERALD_DATAPATH_CORE_H
#define HERALD_DATAPATH_CORE_H

#include "datapath/datapath.h"
#include "datapath/maps.h"

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

struct addr;
struct loop;

static inline struct lb_addr
lb_addr_of(const struct addr *a)
{
	struct lb_addr out = { { 0 } };

	__builtin_memcpy(out.w, a->b, sizeof(out.w));
	return out;
}
/* @family: 4 or 6, as in the rows. */
struct addr lb_addr_to(const struct lb_addr *, uint8_t family);
/* 4 or 6. */
static inline uint8_t
lb_family(const struct addr *a)
{
	return a->family == ADDR_V4 ? 4 : 6;
}
/* Now, as the programs count: CLOCK_MONOTONIC in ticks. */
uint32_t lb_now(void);

/* ---- kernel.c: programs, maps and links ---- */
struct dp_kernel;

/* Of maps that only some clusters need: room that is there before, and when it is needed. */
#define DP_CLIENTS_FEW 1024
#define DP_CLIENTS 65536

struct dp_sizes { /* least numbers of entries; what is adopted may be larger */
	uint32_t fe_rows, be_rows, tables; /* tables in words */
	uint32_t flows4, flows6;	   /* in flows, not buckets */
	uint32_t affinity, socks;	   /* 0: as the programs have them */
};

/*
 * Begins to load, in a thread; @done runs on the loop.  @err 0: the maps are there (whether made or
 * adopted), nothing new is attached yet, but devices that an earlier process left attached carry on
 * with the new programs.  Else @why is for people: what failed, on what, what to do.
 */
typedef void dp_kernel_done(void *arg, int err, const char *why);
struct dp_kernel *dp_kernel_new(struct loop *, const struct dp_conf *, const struct dp_sizes *,
    dp_kernel_done *done, void *arg);
void dp_kernel_free(struct dp_kernel *);   /* leaves all in the kernel; waits for the thread */
void dp_kernel_remove(struct dp_kernel *); /* takes all out */
const struct dp_maps *dp_kernel_maps(const struct dp_kernel *); /* NULL until done */
bool dp_kernel_adopted(const struct dp_kernel *);
uint64_t dp_kernel_load_us(const struct dp_kernel *);
/*
 * Make some maps larger: new ones are made, filled with what the old ones hold, the programs are
 * loaded against them and exchanged.  In the thread; @done as above, after which dp_kernel_maps()
 * are others, and what was written to old ones since the call must be written again.
 */
int dp_kernel_grow(struct dp_kernel *, const struct dp_sizes *, dp_kernel_done *done, void *arg);

/*
 * When the maps are new although an earlier process left programs on devices (its layout was another),
 * those stay as they are until this is called, which is when services has written all that is wanted
 * into the new maps: call it at the end of the first sync.  Else it does nothing.
 */
int dp_kernel_exchange(struct dp_kernel *, const char **why);

/* What an earlier process left attached, so that devices that are not wanted any more are left. */
void dp_kernel_attached_each(
    struct dp_kernel *, void (*each)(void *arg, unsigned ifindex, bool pods), void *arg);
/*
 * Stand on a device: @pods: tc ingress with the program for the pods' side; else XDP as @attach says
 * and tc ingress and egress.  @how and @why (static or the kernel's, until the next call) tell what
 * came of it.  Again on the same device: nothing, or the exchange that is needed.
 */
int dp_kernel_attach(struct dp_kernel *, unsigned ifindex, const char *name, bool pods,
    enum dp_attach attach, bool veth, enum dp_link_how *how, const char **why);
void dp_kernel_detach(struct dp_kernel *, unsigned ifindex);
int dp_kernel_socket_lb(struct dp_kernel *, const char *cgroup, bool on, const char **why);

/* ---- maglev.c: the table ---- */
struct maglev_backend {
	uint64_t key; /* of its address, port and protocol: the same on every node */
	uint32_t weight;
};
/* The size for so many backends: the smallest of some primes that is at least 132 for each, at most
 * @max; @max itself need not be one of them. */
uint32_t maglev_size(uint32_t nr, uint32_t max);
/*
 * Fills @slots (of @size, a prime) with indices into @backends, nr < 65536.  The outcome depends on
 * the set only, not on its order.  @work: space for nr * 3 words, the caller's.  Maglev (Eisenbud et
 * al., NSDI 2016), section 3.4.
 */
void maglev_fill(uint16_t *slots, uint32_t size, const struct maglev_backend *backends, uint32_t nr,
    uint64_t *work);
uint64_t maglev_key(const struct addr *, uint16_t port, uint8_t proto);

/* ---- services.c ---- */
struct dp_services;
/* @grow: the maps are too small for what is wanted; asked once until services_maps_set(). */
struct dp_services *services_new(
    struct loop *, void (*grow)(void *arg, const struct dp_sizes *), void *arg);
void services_free(struct dp_services *);
void services_conf(struct dp_services *, const struct dp_conf *);
/* The room that all that is wanted needs, and some more; the flows are not looked at.  -ENOMEM. */
int services_need(const struct dp_services *, struct dp_sizes *)
    __attribute__((warn_unused_result));
/* Maps to write to from now on; @adopted: they hold an earlier process's rows, which are read
 * first and kept where they are wanted still. */
int services_maps_set(struct dp_services *, const struct dp_maps *, bool adopted);
/* Many Services are written in slices: until services_on_written() tells of the end (@err: of no memory,
 * and there are no maps any more), which it does not when services_maps_set() came to the end itself. */
bool services_is_writing(const struct dp_services *);
void services_on_written(struct dp_services *, void (*cb)(void *arg, int err), void *arg);
int services_set(struct dp_services *, const char *service, const struct dp_frontend *, size_t nr);
void services_del(struct dp_services *, const char *service);
void services_sync_begin(struct dp_services *);
void services_sync_end(struct dp_services *);
/* Compare what the maps hold with what they should, and put it right; words put right. */
uint64_t services_audit(struct dp_services *);
/* Rows that no table lists any more and whose flows must end before they are used again: the sweep
 * asks which, goes through all flows, and gives them back. */
bool services_is_dying_be(const struct dp_services *, uint32_t row);
bool services_is_dying_fe(const struct dp_services *, uint32_t row);
bool services_has_dying(const struct dp_services *);
/* Begin: what is dying now is this round's, and its flows may end.  End: those rows are free. */
bool services_is_ending_be(const struct dp_services *, uint32_t row);
bool services_is_ending_fe(const struct dp_services *, uint32_t row);
void services_dying_begin(struct dp_services *);
void services_dying_end(struct dp_services *);
/* Rows that wait for their flows to end are most of those that are not in use. */
bool services_is_short(const struct dp_services *);
const char *services_name(const struct dp_services *, uint32_t service); /* by number; "" */
uint32_t services_number(const struct dp_services *, const char *name);	 /* 0: none */
int services_frontends_each(
    struct dp_services *, bool (*each)(void *, const struct dp_seen_frontend *), void *arg);
int services_counts_each(struct dp_services *, uint32_t *row, uint32_t max,
    void (*each)(void *, const struct dp_seen_count *), void *arg);
long services_slots(struct dp_services *, const struct addr *, uint16_t port, uint8_t proto,
    unsigned scope, uint32_t **out);
/* Addresses of local backends (not of host ones), each once or more, for links. */
void services_local_each(
    const struct dp_services *, void (*each)(void *arg, const struct addr *), void *arg);
void services_info(const struct dp_services *, struct dp_info *); /* its fields */
/* Called when the set of local backends may have changed. */
void services_on_local(struct dp_services *, void (*cb)(void *arg), void *arg);
/* Called when sockets that talk to a backend row must end: it is dying.  UDP only. */
void services_on_gone(
    struct dp_services *, void (*cb)(void *arg, const struct lb_be_row *, uint32_t row), void *arg);

/* ---- links.c ---- */
struct dp_links;
struct links_ops {
	/* Stand on this device, or (on false) leave it. */
	void (*device)(
	    void *arg, unsigned ifindex, const char *name, bool pods, bool veth, bool on);
	/* Addresses of local backends, to be told by links_local(). */
	void (*locals)(void *arg, struct dp_links *);
	/* All that was asked is answered and device() has told of it: what it did not tell of is
	 * not wanted.  Again after each change. */
	void (*settled)(void *arg);
};
struct dp_links *links_new(
    struct loop *, const struct dp_conf *, const struct links_ops *, void *arg, int *err);
void links_free(struct dp_links *);
void links_conf(struct dp_links *, const struct dp_conf *);
/* NULL: none.  From now on hop_generation, snat addresses and ports, and the links map are kept. */
void links_maps_set(struct dp_links *, const struct dp_maps *);
void links_local(struct dp_links *, const struct addr *); /* from within ops.locals */
void links_locals_changed(struct dp_links *);		  /* asks again, soon */

/* ---- sweep.c ---- */
struct dp_sweep;
/* What it asks of services.c, behind which tests may stand themselves. */
struct sweep_rows {
	bool (*has_dying)(const struct dp_services *);
	bool (*is_ending_be)(const struct dp_services *, uint32_t row);
	bool (*is_ending_fe)(const struct dp_services *, uint32_t row);
	void (*dying_begin)(struct dp_services *);
	void (*dying_end)(struct dp_services *);
	bool (*is_short)(const struct dp_services *);
	const char *(*name)(const struct dp_services *, uint32_t service);
};
struct dp_sweep *sweep_new(struct loop *, struct dp_services *);
struct dp_sweep *sweep_new_on(struct loop *, struct dp_services *, const struct sweep_rows *);
void sweep_free(struct dp_sweep *);
void sweep_maps_set(struct dp_sweep *, const struct dp_maps *);
void sweep_now(struct dp_sweep *); /* rows are dying: go through all flows soon, in slices */
long sweep_flows_each(
    struct dp_sweep *, size_t max, bool (*each)(void *, const struct dp_seen_flow *), void *arg);

/* ---- watch.c ---- */
struct dp_watches;
struct dp_watches *watches_new(struct loop *, struct dp_services *);
void watches_free(struct dp_watches *);
int watches_maps_set(struct dp_watches *, const struct dp_maps *);
/* A Service may have got its number only now. */
void watches_services_changed(struct dp_watches *);
/* As dp_watch_new() and dp_watch_free(). */
struct dp_watch *watches_add(struct dp_watches *, const char *service, const struct addr *,
    void (*cb)(void *arg, const struct lb_event *, const char *service), void *arg);
void watches_drop(struct dp_watch *);

/* ---- sockets.c: sockets of this node that talk to a backend which is gone ---- */
struct dp_sockets;
struct dp_sockets *sockets_new(struct loop *);
void sockets_free(struct dp_sockets *); /* waits for the thread */
void sockets_maps_set(struct dp_sockets *, const struct dp_maps *);
void sockets_helper_set(struct dp_sockets *, struct dp_helper *); /* as dp_helper_set() */
/* Ends UDP sockets that were sent to this row: of our own network namespace, and of all others by the helper. */
void sockets_end(struct dp_sockets *, const struct lb_be_row *, uint32_t row);
uint64_t sockets_ended(const struct dp_sockets *);

/* ---- helper.c: asks the process that may enter other network namespaces ---- */
struct sock_id;
struct helper_done {
	uint64_t ended;
	uint32_t entered, closed; /* namespaces that it could enter, and not */
	int err;		  /* 0; of the first socket that was refused; -EPIPE: it is gone */
};
typedef void helper_cb(void *arg, const struct helper_done *);
/* Is it there, with nothing to do? */
bool helper_is_there(const struct dp_helper *); /* NULL is fine: no */
/* @ids: in the order of cookies, kept by the caller until @cb, which comes once. */
void helper_ask(struct dp_helper *, const struct sock_id *ids, size_t nr, helper_cb *cb, void *arg);
void helper_forget(struct dp_helper *); /* NULL is fine; no @cb comes any more */

#endif
