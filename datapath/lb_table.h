/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * datapath/lb_table.h: how a table of backends lies in the array of words, and the word that leads
 * to it.  The part of lb_abi.h that its programs and the writer share; comes with it.
 *
 * First the list of backends, (n + 1) / 2 words of two row numbers, then the Maglev slots, which
 * index the list.  A slot is as narrow as the list allows, for tables are most of the memory and a
 * narrow one is in the cache: 4 bits up to 16 backends, 8 up to 256, 16 beyond; from the low end of
 * each word.
 */
#ifndef HERALD_DATAPATH_LB_TABLE_H
#define HERALD_DATAPATH_LB_TABLE_H

#include <linux/types.h>

/*
 * Where a table lies, in one word that is read and written at once:
 * bits 0-31 first word in `tables`, 32-48 number of slots (a prime; 0: no backend takes new flows),
 * 49-63 number of backends.
 */
#define LB_TABLE(off, slots, nr) ((__u64)(off) | (__u64)(slots) << 32 | (__u64)(nr) << 49)
#define LB_TABLE_OFF(t) ((__u32)(t))
#define LB_TABLE_SLOTS(t) ((__u32)((t) >> 32) & 0x1ffff)
#define LB_TABLE_NR(t) ((__u32)((t) >> 49))
#define LB_SLOTS_MAX 131071
#define LB_TABLE_BACKENDS_MAX 32767

/* Bits of a slot, as a power of two. */
#define LB_SLOT_LOG(nr) ((nr) <= 16 ? 2U : (nr) <= 256 ? 3U : 4U)
#define LB_TABLE_LIST_WORDS(nr) (((nr) + 1) / 2)
#define LB_TABLE_WORDS(slots, nr)                                                                  \
	(LB_TABLE_LIST_WORDS(nr) + (((__u32)(slots) << LB_SLOT_LOG(nr)) + 63) / 64)

/* The word in which a slot stands, from the table's first one; and the slot in that word. */
static inline __u32
lb_slot_word(__u32 slot, __u32 nr)
{
	return LB_TABLE_LIST_WORDS(nr) + (slot >> (6 - LB_SLOT_LOG(nr)));
}

static inline __u32
lb_slot_in(__u64 word, __u32 slot, __u32 nr)
{
	const __u32 log = LB_SLOT_LOG(nr);

	return (__u32)(word >> ((slot << log) & 63)) & ((1U << (1U << log)) - 1);
}

#endif
