// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * datapath/bpf/sock.bpf.c: Services for this node's own processes and pods, at the socket: a
 * connect() or sendto() to a VIP goes to a backend at once, and no packet is ever translated.  What
 * the process asks afterwards (who is my peer, who sent this) it hears as the VIP.
 */
#include <linux/bpf.h>
#include <linux/in.h>
#include <stdbool.h>

#include "datapath/bpf/sockets.h"

/* An address of @ctx as ours; of IPv4 inside IPv6 the IPv4 one.  -1: neither. */
INLINE int
take_dest(const struct bpf_sock_addr *ctx, const bool v6, struct lb_fe_key *k)
{
	__builtin_memset(k, 0, sizeof(*k));
	k->port = (__be16)ctx->user_port;
	k->proto = (__u8)ctx->protocol;
	if (!v6) {
		k->addr.w[0] = ctx->user_ip4;
		k->family = 4;
		return 0;
	}
	k->family = 6;
	k->addr.w[0] = ctx->user_ip6[0];
	k->addr.w[1] = ctx->user_ip6[1];
	k->addr.w[2] = ctx->user_ip6[2];
	k->addr.w[3] = ctx->user_ip6[3];
	if (!k->addr.w[0] && !k->addr.w[1] && k->addr.w[2] == bpf_htonl(0xffff)) {
		k->addr.w[0] = k->addr.w[3];
		k->addr.w[2] = k->addr.w[3] = 0;
		k->family = 4;
	}
	return 0;
}

/* And back. */
INLINE void
give_dest(
    struct bpf_sock_addr *ctx, const struct lb_addr *a, __be16 port, __u8 family, const bool v6)
{
	if (!v6) {
		ctx->user_ip4 = a->w[0];
	} else if (family == 4) {
		ctx->user_ip6[0] = 0;
		ctx->user_ip6[1] = 0;
		ctx->user_ip6[2] = bpf_htonl(0xffff);
		ctx->user_ip6[3] = a->w[0];
	} else {
		ctx->user_ip6[0] = a->w[0];
		ctx->user_ip6[1] = a->w[1];
		ctx->user_ip6[2] = a->w[2];
		ctx->user_ip6[3] = a->w[3];
	}
	ctx->user_port = port;
}

/* To a VIP?  Then to a backend.  1: the call goes on. */
INLINE int
translate(struct bpf_sock_addr *ctx, const bool v6)
{
	struct lb_sock_key sk = { 0 };
	struct lb_sock to = { 0 };
	struct lb_be_row *be;
	struct lb_fe_key k;
	__u32 why;

	take_dest(ctx, v6, &k);
	if (!is_maybe_vip(&k.addr))
		return 1;
	why = sock_choose(bpf_get_netns_cookie(ctx), &k, &to);
	if (why == LB_NOT_OURS)
		return 1;
	be = why == LB_FORWARDED ? be_row(to.backend) : NULL;
	if (!be) {
		/* Its packets meet the programs on the devices, which refuse or drop them as they
		 * would anybody's: the process hears of a refusal, not of a lack of rights. */
		count(LB_X_SOCK_REFUSED);
		return 1;
	}
	count(LB_X_SOCK_CONNECT);
	count_sock(to.frontend, to.backend);
	to.addr = k.addr;
	to.port = k.port;
	sk.cookie = bpf_get_socket_cookie(ctx);
	sk.addr = be->addr;
	sk.port = be->port;
	sk.proto = k.proto;
	sk.family = k.family;
	bpf_map_update_elem(&socks, &sk, &to, BPF_ANY);
	give_dest(ctx, &be->addr, be->port, k.family, v6);
	return 1;
}

/* The other end as the process knows it. */
INLINE int
translate_back(struct bpf_sock_addr *ctx, const bool v6)
{
	struct lb_sock_key sk = { 0 };
	struct lb_fe_key k;
	struct lb_sock *to;

	take_dest(ctx, v6, &k);
	if (!is_maybe_backend(&k.addr))
		return 1;
	sk.cookie = bpf_get_socket_cookie(ctx);
	sk.addr = k.addr;
	sk.port = k.port;
	sk.proto = k.proto;
	sk.family = k.family;
	to = bpf_map_lookup_elem(&socks, &sk);
	if (to)
		give_dest(ctx, &to->addr, to->port, k.family, v6);
	return 1;
}

#define HOOK(name, section, what, v6)                                                              \
	SEC(section)                                                                               \
	int name(struct bpf_sock_addr *ctx)                                                        \
	{                                                                                          \
		return what(ctx, v6);                                                              \
	}

HOOK(herald_connect4, "cgroup/connect4", translate, false)
HOOK(herald_connect6, "cgroup/connect6", translate, true)
HOOK(herald_sendmsg4, "cgroup/sendmsg4", translate, false)
HOOK(herald_sendmsg6, "cgroup/sendmsg6", translate, true)
HOOK(herald_recvmsg4, "cgroup/recvmsg4", translate_back, false)
HOOK(herald_recvmsg6, "cgroup/recvmsg6", translate_back, true)
HOOK(herald_getpeername4, "cgroup/getpeername4", translate_back, false)
HOOK(herald_getpeername6, "cgroup/getpeername6", translate_back, true)

char _license[] SEC("license") = "Dual BSD/GPL";
