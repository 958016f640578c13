/*
 * bfd/sock.h: UDP of BFD (RFC 5881 4 and 5, RFC 5883 5): a listening socket for each family and
 * distance, and one for each session to send from.  Belongs to the engine's thread.
 */
#ifndef HERALD_BFD_SOCK_H
#define HERALD_BFD_SOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bfd/bfd.h"

#define SOCK_PORT_FIRST 49152 /* RFC 5881 4: where source ports are from */
#define SOCK_NR_PORTS 16384

enum sock_class { SOCK_V4, SOCK_V6, SOCK_V4_MULTIHOP, SOCK_V6_MULTIHOP, SOCK_NR };
enum sock_class sock_class(const struct addr *peer, bool multihop);
uint16_t sock_port(enum sock_class); /* where packets are sent to */

/* What a packet came with beside its bytes. */
struct sock_from {
	struct addr src, dst;
	unsigned ifindex;
	int ttl; /* -1: not told */
};

/* A descriptor, or -errno. */
int sock_listen(enum sock_class);
/* The length (0 may be), -EAGAIN when there is nothing more, or another -errno. */
int sock_receive(int fd, uint8_t *bytes, size_t size, struct sock_from *);

/* Who talks to whom.  @local unset: as the route says; @device "": likewise. */
struct sock_ends {
	struct addr peer, local;
	char device[16];
	unsigned ifindex; /* of the device, as last looked up */
	bool multihop;
};
/* Bound to @port; a descriptor, or -errno: -EADDRINUSE (try another port), -EADDRNOTAVAIL, -ENODEV. */
int sock_open(struct sock_ends *, uint16_t port);
/* 0 or -errno. */
int sock_send(int fd, const struct sock_ends *, const uint8_t *bytes, size_t len);

#endif
