/*
 * daemon/l2_wanted.h: from the store to who answers for which address on layer 2: which addresses
 * the policies announce, which nodes may, who of them does, and by which of our devices.  Pure.
 *
 * The owner is an address's, never a Service's: Services that share one have one owner.  All nodes
 * come to the same, as they know the same Services, Nodes and policies, and tell each other of their
 * devices and of what they hold.  Where they differ for a moment, cluster/ sees to it that an address
 * has one holder.
 */
#ifndef HERALD_DAEMON_L2_WANTED_H
#define HERALD_DAEMON_L2_WANTED_H

#include "daemon/arena.h"
#include "l2/l2.h"
#include "lib/reason.h"
#include "resource/resource.h"

struct l2_wanted_in {
	const struct store *store;
	const char *node; /* our name */
	/* The LoadBalancer addresses of a Service. */
	size_t (*addrs)(
	    void *arg, const struct res_service *, struct arena *, const struct addr **out);
	/* SATISFIED: the node may take addresses, as far as is heard of it; else why not.  NULL: all
	 * may, as far as their Nodes say so. */
	enum reason (*life)(void *arg, const char *node);
	/* The devices of another node; false: not known, then they are taken to be fine.  NULL: likewise. */
	bool (*devices_of)(void *arg, const char *node, const struct l2_seen_device **, size_t *nr);
	/* Who answers now, as all nodes know; NULL: nobody knows, and the same is chosen every time. */
	const char *(*owner)(void *arg, const struct addr *);
	void *arg;
	const struct l2_seen_device *devices; /* ours */
	size_t nr_devices;
	const struct addr *explain; /* say what became of the candidates of this address; or NULL */
};

/* A node and an address. */
struct l2_wanted_node {
	const char *name;
	enum reason reason; /* SATISFIED: it is a candidate */
	int32_t preference;
	enum elect_why why; /* of a candidate of the address to be explained: what became of it */
};

struct l2_wanted_address {
	struct addr addr;
	const char *const *services; /* "namespace/name", in order */
	size_t nr_services;
	const char *owner;  /* "": nobody */
	const char *holder; /* as in->owner() says, when that is a candidate; else "" */
	bool ours, fit;	    /* we are chosen; we are a candidate */
	struct l2_schedule schedule;
	const char *const *devices; /* of this node, by the policies, whoever owns it */
	size_t nr_devices;
	const struct l2_wanted_node *nodes; /* every Node, by name */
	size_t nr_nodes;
};

struct l2_wanted {
	const struct l2_wanted_address *all; /* by address */
	size_t nr_all;
};

/* In @arena, strings borrowed from the store and the devices.  -ENOMEM. */
int l2_wanted(const struct l2_wanted_in *, struct arena *, struct l2_wanted *out)
    __attribute__((warn_unused_result));

#endif
