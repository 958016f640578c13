/*
 * lib/netlink_msg.h: rtnetlink messages to plain structs and back; no sockets.  Used by
 * lib/netlink.c and its tests only.
 */
#ifndef HERALD_LIB_NETLINK_MSG_H
#define HERALD_LIB_NETLINK_MSG_H

#include "lib/netlink.h"

struct nl_msg;
struct nlmsghdr;

/* A message of RTM_NEWLINK's kind and its like.  -EAFNOSUPPORT: of a family that is not ours to
 * tell; -EBADMSG: not what the kernel writes.  *out is whole or untouched. */
int nlm_link_decode(const struct nlmsghdr *, struct nl_link *out);
int nlm_ifaddr_decode(const struct nlmsghdr *, struct nl_ifaddr *out);
/* @hops has room for NL_HOPS_MAX; out->hops is that.  -E2BIG: the route has more. */
int nlm_route_decode(const struct nlmsghdr *, struct nl_route *out, struct nl_hop *hops);
/* The answer to a question for one address; likewise. */
int nlm_lookup_decode(const struct nlmsghdr *, struct nl_route *out, struct nl_hop *hops);
int nlm_neigh_decode(const struct nlmsghdr *, struct nl_neigh *out);

/* A message to be freed by nlmsg_free(); NULL: *err says why, as netlink_route(). */
struct nl_msg *nlm_route_encode(enum nl_act, const struct nl_route *, uint32_t seq, int *err);
/* -EINVAL, -ENOMEM likewise. */
struct nl_msg *nlm_lookup_encode(const struct addr *, uint32_t seq, int *err);
struct nl_msg *nlm_neigh_use_encode(unsigned ifindex, const struct addr *, uint32_t seq, int *err);
/* @family: AF_INET or AF_INET6 for routes. @protocol: 0 for all.  NULL: no memory. */
struct nl_msg *nlm_dump_encode(enum nl_what, uint8_t family, uint8_t protocol, uint32_t seq);

#endif
