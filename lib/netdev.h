/*
 * lib/netdev.h: what network devices can do with XDP, as the kernel's generic netlink family
 * "netdev" tells it since Linux 6.3, driven by the loop.  Beside lib/netlink.h, which tells the rest
 * of a link.
 */
#ifndef HERALD_LIB_NETDEV_H
#define HERALD_LIB_NETDEV_H

#include <stdint.h>

struct loop;
struct netdev;

/* A bit of the features: takes frames that XDP redirects to it. */
#define NETDEV_TAKES_FRAMES 4

typedef void netdev_cb(void *arg, unsigned ifindex, uint64_t features);

/* @cb runs from the loop: for each device after netdev_ask(), and for one whose features change,
 * where the kernel tells so.  NULL: this kernel does not tell, or no memory. */
struct netdev *netdev_new(struct loop *, netdev_cb *cb, void *arg);
void netdev_free(struct netdev *); /* NULL is fine; not in the callback */
/* Tell of all devices of this network namespace, soon; what cannot be sent is not told. */
void netdev_ask(struct netdev *);

#endif
