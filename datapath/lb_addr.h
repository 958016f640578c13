/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * datapath/lb_addr.h: an address as all maps have it, and its place in the filter.  The part of
 * lb_abi.h that its other parts need too; comes with it.
 */
#ifndef HERALD_DATAPATH_LB_ADDR_H
#define HERALD_DATAPATH_LB_ADDR_H

#include <linux/types.h>

/* An address of either family: IPv4 in the first word, the others zero.  Network order. */
struct lb_addr {
	__be32 w[4];
};

/* ---- the filter ---- */
#define LB_FILTER_BITS 17
#define LB_FILTER_SIZE (1U << LB_FILTER_BITS) /* one value of that many bytes */
enum lb_filter_bit { LB_IS_VIP = 1, LB_IS_BACKEND = 2, LB_IS_SNAT = 4 };

/* Where in the filter the bits of an address stand.  The high bits of a product know all bits of its
 * factors, so those are taken. */
static inline __u32
lb_filter_index(const struct lb_addr *a)
{
	__u32 x =
	    a->w[0] ^ (a->w[1] * 0x85ebca6bU) ^ (a->w[2] * 0xc2b2ae35U) ^ (a->w[3] * 0x27d4eb2fU);

	return (x * 0x9e3779b1U) >> (32 - LB_FILTER_BITS);
}

#endif
