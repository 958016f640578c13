/*
 * l2/device.h: the devices of this node, as netlink tells of them, and the multicast groups that
 * they listen to.  Private to the room; l2.c asks which it may answer on.
 */
#ifndef HERALD_L2_DEVICE_H
#define HERALD_L2_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "l2/l2_abi.h"
#include "lib/netlink.h"

struct loop;

struct device {
	struct nl_link l;
	uint32_t seen;	 /* the dump that told of it last */
	const char *why; /* "" when ARP and ND can be answered there; else a sentence, static */
	/* How often it came up or changed its MAC address: what was told by it before may be
	 * forgotten.  0: was never up. */
	uint32_t ups;
	struct prefix *prefixes; /* on the link */
	size_t nr_prefixes;
	/* Kept here for l2.c: */
	bool used, attached;
	struct l2_device row;
	bool has_row;
};

struct devices;
/* @changed: soon after anything did.  NULL: *err. */
struct devices *devices_new(struct loop *, void (*changed)(void *arg), void *arg, int *err);
void devices_free(struct devices *);	    /* NULL is fine; what was asked for is still sent */
bool devices_known(const struct devices *); /* the first dumps are in */
/* Another number whenever a device came, went or changed; never 0. */
uint64_t devices_generation(const struct devices *);
struct device *device_named(struct devices *, const char *name);
bool devices_have_mac(const struct devices *, const uint8_t mac[6]);
/* In the order of names; borrowed until the loop's next turn. */
struct device *const *devices_all(const struct devices *, size_t *nr);
/* What the map shall say of it. */
struct l2_device device_row(const struct device *);

/*
 * Listen to the solicited-node group of an IPv6 address, or do not any more (RFC 4861 7.2.1).  The
 * kernel does so for an entry of its proxy table: its filters, the device's and by MLD the
 * switch's let the group through, and it stays when this process goes.  It answers nothing by it
 * unless proxy_ndp is set, and then behind us.  @done may be NULL; -ESRCH and -ENOENT on leaving are
 * told as 0.
 */
typedef void device_joined(void *arg, unsigned ifindex, const struct addr *, int err);
int device_listen(struct devices *, unsigned ifindex, const struct addr *, bool on,
    device_joined *done, void *arg);

#endif
