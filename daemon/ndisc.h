/*
 * daemon/ndisc.h: router advertisements and solicitations (RFC 4861 4.1, 4.2): how two routers on an
 * interface without addresses of their own find each other.  Between a raw ICMPv6 socket and
 * discover.c; what is sent says of us only that we are a router, never a default one.
 */
#ifndef HERALD_DAEMON_NDISC_H
#define HERALD_DAEMON_NDISC_H

#include "lib/addr.h"
#include "lib/wire.h"

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct ndisc;

/* PING is an echo request to all routers (RFC 4443 4.1), and its reply: for routers that do not
 * advertise themselves. */
enum ndisc_kind { NDISC_NONE, NDISC_SOLICIT, NDISC_ADVERTISE, NDISC_PING };

/* What an ICMPv6 message is worth: NDISC_NONE is anything that RFC 4861 6.1 says to drop. */
enum ndisc_kind ndisc_decode(struct wire_rd, const struct addr *from, int hop_limit);
/* The message, but for the checksum, which the kernel makes.  @mac: six bytes, NULL: none. */
void ndisc_encode(struct wire_wr *, enum ndisc_kind, const uint8_t *mac);

/* A sound message came in; never one of our own. */
typedef void ndisc_cb(void *arg, enum ndisc_kind, unsigned ifindex, const struct addr *from);

/* NULL: *err (CAP_NET_RAW is needed, and IPv6). */
struct ndisc *ndisc_new(struct loop *, ndisc_cb *, void *arg, int *err);
void ndisc_free(struct ndisc *); /* NULL is fine */
/* Hear what is sent to all routers on a link, or not any more.  -errno; twice is fine. */
int ndisc_join(struct ndisc *, unsigned ifindex);
void ndisc_leave(struct ndisc *, unsigned ifindex);
/* From our link-local address on the link, to @to, or with NULL to all nodes (advertisements) or all
 * routers (solicitations).  -errno: the address may be too new to be used. */
int ndisc_send(struct ndisc *, enum ndisc_kind, unsigned ifindex, const struct addr *from,
    const struct addr *to, const uint8_t *mac);

#endif
